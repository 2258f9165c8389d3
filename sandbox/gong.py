"""Gong's HTTP API over the world's records: calls, transcripts, users, workspaces.

Source: Gong API v2 (published OpenAPI document) and what its users report of paging, limits and errors.
Mounted under `/gong`, so the base URL is `http://127.0.0.1:PORT/gong` and paths start with `/v2/`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from sandbox.gate import Faults
from sandbox.gong_calls import Call
from sandbox.gong_records import GongRecords
from sandbox.gong_selector import CONTEXTS, select
from sandbox.limits import Limit, Limiter
from sandbox.records import Record, number_id, parse_time
from sandbox.world import World

DEFAULT_KEY = "sandbox-key"
DEFAULT_SECRET = "sandbox-secret"  # noqa: S105 - what anybody on this machine may know
PAGE_SIZE = 100
CURSOR_LIFE_S = 3600
"""Counted from the first request of a sequence, not from each page."""
LIMITS = (Limit(3, 1.0), Limit(10_000, 86_400.0))
"""A company's default: 3 calls a second and 10,000 a day."""
JWT_HEADER = b'{"alg":"HS256"}'
NO_CALLS = "No calls found corresponding to the provided filters"
Row = TypeVar("Row")
Handler = Callable[[Request], Awaitable[Response]]


class GongError(Exception):
    """An error answer: HTTP status, text, and Retry-After in seconds."""

    def __init__(self, status: int, text: str, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that has passed the key and the limits."""

    path: str
    """Below the prefix."""
    id: str
    """What the path names, or empty."""
    inputs: Record
    """The query of a GET, the body of a POST; `cursor` among them."""


class GongApi:
    """The API of one world."""

    name = "gong"
    prefix = "/gong"

    def __init__(
        self,
        world: World,
        limiter: Limiter,
        faults: Faults,
        key: str = DEFAULT_KEY,
        secret: str = DEFAULT_SECRET,
        largest_page: int | None = None,
    ) -> None:
        self._page_size = min(largest_page or PAGE_SIZE, PAGE_SIZE)
        self._world = world
        self._limiter = limiter
        self._faults = faults
        self._secret = secret
        self._basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
        self._generation = 0
        self._requests = 0

    def router(self) -> Router:
        """The routes below the prefix."""
        handlers = [
            ("/v2/calls", "GET", self._list_calls),
            ("/v2/calls/extensive", "POST", self._extensive_calls),
            ("/v2/calls/transcript", "POST", self._transcripts),
            ("/v2/calls/{id}", "GET", self._one_call),
            ("/v2/users", "GET", self._list_users),
            ("/v2/users/extensive", "POST", self._extensive_users),
            ("/v2/users/{id}", "GET", self._one_user),
            ("/v2/workspaces", "GET", self._workspaces),
        ]
        routes = [Route(path, self._guarded(handler), methods=[method]) for path, method, handler in handlers]
        return Router([*routes, Route("/{rest:path}", self._guarded(_nothing_here))])

    def expire_cursors(self) -> None:
        """Make every cursor that was given out so far count as expired."""
        self._generation += 1

    def failure(self, status: int, retry_after_s: int | None = None) -> Response:
        """An error answer without a cause in the request, for a limit or an ordered fault."""
        text = "API request limit exceeded" if status == 429 else "Failed to complete the operation"
        return self._error(GongError(status, text, retry_after_s))

    def _guarded(self, handler: Callable[[Asked], Record]) -> Handler:
        """Key, then limits, then the handler; its errors become answers."""

        async def endpoint(request: Request) -> Response:
            try:
                self._check_key(request.headers.get("authorization", ""))
                wait_s = self._limiter.wait_s("gong", *LIMITS)
                if wait_s is not None:
                    return self.failure(429, wait_s)
                inputs = await _body(request) if request.method == "POST" else dict(request.query_params)
                path = request.url.path.removeprefix(self.prefix)
                asked = Asked(path, request.path_params.get("id", ""), inputs)
                return _json(200, {"requestId": self._request_id()} | handler(asked))
            except GongError as error:
                return self._error(error)

        return endpoint

    def _check_key(self, header: str) -> None:
        scheme, _, given = header.partition(" ")
        wanted = {"basic": self._basic, "bearer": self._secret}.get(scheme.lower())
        if wanted is None or not hmac.compare_digest(given.strip().encode(), wanted.encode()):
            raise GongError(401, "Invalid access key or token")

    def _error(self, error: GongError) -> Response:
        response = _json(error.status, {"requestId": self._request_id(), "errors": [error.text]})
        if error.retry_after_s is not None:
            response.headers["retry-after"] = str(error.retry_after_s)
        return response

    def _request_id(self) -> str:
        self._requests += 1
        return hashlib.sha256(str(self._requests).encode()).hexdigest()[:19]

    @property
    def _records(self) -> GongRecords:
        return self._world.gong

    # Calls.

    def _list_calls(self, asked: Asked) -> Record:
        query = asked.inputs
        for name in ("fromDateTime", "toDateTime"):
            if name not in query:
                raise GongError(400, f"{name}: must not be null")
        # GET compares the scheduled time of web conferences, the POST filters the start (Gong API, calls).
        found = self._in_window(self._records.visible_calls(self._world.now), query, "", by_schedule=True)
        rows, records = self._page(asked, found)
        return {"records": records, "calls": [call.record["metaData"] for call in rows]}

    def _extensive_calls(self, asked: Asked) -> Record:
        selector = asked.inputs.get("contentSelector") or {}
        if not isinstance(selector, dict):
            raise GongError(400, "contentSelector: must be an object")
        if selector.get("context", "None") not in CONTEXTS:
            raise GongError(400, "contentSelector.context: must be None, Basic or Extended")
        if selector.get("contextTiming") and selector.get("context") != "Extended":
            raise GongError(400, "contentSelector.contextTiming: can be provided only when context is Extended")
        found = self._in_window(self._records.visible_calls(self._world.now), _filter_of(asked.inputs), "filter.")
        rows, records = self._page(asked, found)
        now = self._world.now
        return {"records": records, "calls": [select(self._records.full_record(c, now), selector) for c in rows]}

    def _transcripts(self, asked: Asked) -> Record:
        found = self._in_window(self._records.transcripts(self._world.now), _filter_of(asked.inputs), "filter.")
        rows, records = self._page(asked, found)
        transcripts = [{"callId": c.record["metaData"]["id"], "transcript": c.transcript} for c in rows]
        return {"records": records, "callTranscripts": transcripts}

    def _one_call(self, asked: Asked) -> Record:
        call = self._records.calls.get(asked.id)
        if call is None or not call.is_visible(self._world.now):
            raise GongError(404, f"No call found for id {asked.id}")
        return {"call": call.record["metaData"]}

    def _in_window(
        self, calls: Iterable[tuple[str, Call]], wanted: Record, prefix: str, by_schedule: bool = False
    ) -> list[Call]:
        """The calls that pass the filter; from inclusive, to exclusive.

        Raises:
            GongError: 400 for a bad range, 404 where nothing passes.
        """
        since = _time_of(wanted, "fromDateTime", prefix)
        until = _time_of(wanted, "toDateTime", prefix)
        if since and until and since >= until:
            raise GongError(400, f"{prefix}fromDateTime: must be before toDateTime")
        ids, owners = _ids_of(wanted, "callIds", prefix), _ids_of(wanted, "primaryUserIds", prefix)
        workspace_id = wanted.get("workspaceId")
        found = []
        for call_id, call in calls:
            meta = call.record["metaData"]
            at = call.scheduled if by_schedule and meta["direction"] == "Conference" else call.started
            if (
                (since is None or at >= since)
                and (until is None or at < until)
                and (ids is None or call_id in ids)
                and (owners is None or meta.get("primaryUserId") in owners)
                and (workspace_id is None or meta["workspaceId"] == workspace_id)
            ):
                found.append(call)
        if not found:
            raise GongError(404, NO_CALLS)
        return found

    # Users and workspaces.

    def _list_users(self, asked: Asked) -> Record:
        rows, records = self._page(asked, list(self._records.users.values()))
        return {"records": records, "users": rows}

    def _extensive_users(self, asked: Asked) -> Record:
        wanted = _filter_of(asked.inputs)
        since = _time_of(wanted, "createdFromDateTime", "filter.")
        until = _time_of(wanted, "createdToDateTime", "filter.")
        ids = _ids_of(wanted, "userIds", "filter.")
        found = [
            user
            for user in self._records.users.values()
            if (ids is None or user["id"] in ids)
            and (since is None or parse_time(user["created"]) >= since)
            and (until is None or parse_time(user["created"]) < until)
        ]
        if not found:
            raise GongError(404, "No users found corresponding to the provided filters")
        rows, records = self._page(asked, found)
        return {"records": records, "users": rows}

    def _one_user(self, asked: Asked) -> Record:
        user = self._records.users.get(asked.id)
        if user is None:
            raise GongError(404, f"No user found for id {asked.id}")
        return {"user": user}

    def _workspaces(self, _asked: Asked) -> Record:
        return {"workspaces": [self._records.workspace]}

    # Paging.

    def _page(self, asked: Asked, rows: list[Row]) -> tuple[list[Row], Record]:
        """One page, and the `records` envelope with a cursor where more remain.

        The cursor is a JWT (HS256) that tells the page number; it holds a hash of the other inputs, which have to
        be repeated unchanged.
        """
        rest = {name: value for name, value in asked.inputs.items() if name != "cursor"}
        inputs_hash = hashlib.sha256(msgspec.json.encode([asked.path, rest], order="deterministic")).hexdigest()
        number, exp = 0, int(time.time()) + CURSOR_LIFE_S
        if asked.inputs.get("cursor"):
            claims = self._read_cursor(asked)
            if claims["inputs"] != inputs_hash:
                raise GongError(400, "cursor: all other inputs must be the same as in the first request")
            number, exp = claims["pageNumber"], claims["exp"]
        page = rows[number * self._page_size : (number + 1) * self._page_size]
        records: Record = {"totalRecords": len(rows), "currentPageSize": len(page), "currentPageNumber": number}
        if len(rows) > (number + 1) * self._page_size:
            user_id = int(number_id("api-user"))
            records["cursor"] = self._sign(
                {
                    "pageSize": self._page_size,
                    "total": len(rows),
                    "pageNumber": number + 1,
                    "exp": exp,
                    "userId": user_id,
                    "inputs": inputs_hash,
                    "generation": self._generation,
                }
            )
        return page, records

    def _sign(self, claims: Record) -> str:
        signed = f"{_b64(JWT_HEADER)}.{_b64(msgspec.json.encode(claims))}"
        return f"{signed}.{_b64(hmac.digest(self._secret.encode(), signed.encode(), 'sha256'))}"

    def _read_cursor(self, asked: Asked) -> Record:
        signed, _, signature = str(asked.inputs["cursor"]).rpartition(".")
        expected = _b64(hmac.digest(self._secret.encode(), signed.encode(), "sha256"))
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise GongError(400, "cursor: is not valid")
        payload = signed.partition(".")[2]
        claims: Record = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        faulty = self._faults.take(self.name, asked.path, for_cursor=True)
        if faulty or claims["exp"] <= time.time() or claims["generation"] != self._generation:
            raise GongError(400, "cursor has expired")
        return claims


async def _body(request: Request) -> Record:
    try:
        body = msgspec.json.decode(await request.body())
    except msgspec.DecodeError as error:
        raise GongError(400, f"Malformed request: {error}") from error
    if not isinstance(body, dict):
        raise GongError(400, "Malformed request: the body must be an object")
    return body


def _filter_of(body: Record) -> Record:
    if not isinstance(body.get("filter"), dict):
        raise GongError(400, "filter: must not be null")
    wanted: Record = body["filter"]
    return wanted


def _time_of(wanted: Record, name: str, prefix: str) -> datetime | None:
    if wanted.get(name) is None:
        return None
    try:
        return parse_time(wanted[name])
    except ValueError as error:
        raise GongError(400, f"{prefix}{name}: must be an ISO-8601 date and time with a zone") from error


def _ids_of(wanted: Record, name: str, prefix: str) -> set[str] | None:
    ids = wanted.get(name)
    if ids is None:
        return None
    if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
        raise GongError(400, f"{prefix}{name}: must be a list of strings")
    return set(ids) or None


def _nothing_here(asked: Asked) -> Record:
    raise GongError(404, f"No such resource: {asked.path}")


def _json(status: int, content: Record) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
