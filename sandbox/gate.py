"""What stands before a vendor's API: the count of requests, and faults that a test orders.

A fault applies to the next `times` requests whose path matches, then it is gone. Kinds:

    rate_limited      429; `retry_after_s` sets the header, null leaves it out
    status            an error answer with `status`, in the vendor's error shape
    cut               the answer breaks off in the middle and the connection closes
    truncated_json    a whole HTTP answer that holds half a JSON text
    slow              the answer comes after `delay_s`
    expired_cursors   a request with a cursor is told that it has expired; one without is served
    partial_errors    Linear only: one field that may be null is null, and an error says so beside the data
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.records import CommandRefused, Record

KINDS = ("rate_limited", "status", "cut", "truncated_json", "slow", "expired_cursors", "partial_errors")
FIELDS = frozenset(("vendor", "match", "kind", "times", "status", "retry_after_s", "delay_s"))

Failure = Callable[[int, int | None], Response]
"""A vendor's error answer: of a status, and Retry-After in seconds or none."""


@dataclass(slots=True)
class Fault:
    """One ordered fault."""

    vendor: str
    match: str
    """Regular expression searched in the path, e.g. `/v2/calls$`; empty matches all."""
    kind: str
    times: int
    """How many requests it still applies to."""
    status: int = 503
    retry_after_s: int | None = None
    delay_s: float = 1.0


class Faults:
    """The faults that still wait."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def order(self, body: Record, vendors: tuple[str, ...]) -> Fault:
        """Add a fault; raises CommandRefused."""
        unknown = set(body) - FIELDS
        if unknown:
            raise CommandRefused(f"A fault has no {sorted(unknown)[0]!r}; it has {', '.join(sorted(FIELDS))}.")
        if body.get("vendor") not in vendors:
            raise CommandRefused(f"A fault names its vendor, one of {', '.join(vendors)}, not {body.get('vendor')!r}.")
        if body.get("kind") not in KINDS:
            raise CommandRefused(f"A fault's kind is one of {', '.join(KINDS)}, not {body.get('kind')!r}.")
        if body["kind"] == "partial_errors" and body["vendor"] != "linear":
            raise CommandRefused("Only linear answers with partial errors.")
        times, status = body.get("times", 1), body.get("status", 503)
        delay_s, retry_after_s = body.get("delay_s", 1.0), body.get("retry_after_s")
        if not isinstance(times, int) or times < 1 or not isinstance(status, int) or not 400 <= status <= 599:
            raise CommandRefused("A fault's times is a number from 1 on, its status one from 400 to 599.")
        if not isinstance(delay_s, int | float) or delay_s < 0 or not isinstance(retry_after_s, int | None):
            raise CommandRefused("A fault's delay_s is a number from 0 on, its retry_after_s whole seconds or null.")
        try:
            re.compile(str(body.get("match", "")))
        except re.error as error:
            raise CommandRefused(f"A fault's match is a regular expression: {error}.") from error
        fault = Fault(body["vendor"], str(body.get("match", "")), body["kind"], times, status, retry_after_s, delay_s)
        self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults."""
        self._waiting.clear()

    def take(self, vendor: str, path: str, for_cursor: bool = False, for_data: bool = False) -> Fault | None:
        """Use up one turn of the first fault that applies.

        Args:
            for_cursor: ask for an expired cursor, which only a request that has one may use up.
            for_data: ask for partial errors, which only a request that is answered with data may use up.
        """
        asked = "expired_cursors" if for_cursor else "partial_errors" if for_data else None
        for fault in self._waiting:
            left_to_vendor = fault.kind if fault.kind in ("expired_cursors", "partial_errors") else None
            if fault.vendor == vendor and left_to_vendor == asked and re.search(fault.match, path):
                fault.times -= 1
                if not fault.times:
                    self._waiting.remove(fault)
                return fault
        return None


class RequestLog:
    """How many requests came, by vendor, path and status; and, where asked for, what each said."""

    def __init__(self, keep: bool = False) -> None:
        self.keep = keep
        self.kept: list[Record] = []
        """`{vendor, method, path, query, body, status}` each; query and body as text."""
        self._counts: Counter[tuple[str, str, str, str]] = Counter()

    def add(self, vendor: str, method: str, path: str, status: str) -> None:
        self._counts[vendor, method, path, status] += 1

    def clear(self) -> None:
        self._counts.clear()
        self.kept.clear()

    def as_record(self) -> Record:
        """`{vendor: {path: {"total": n, "statuses": {"200": n, ...}, "methods": {"GET": n, ...}}}}`.

        A request whose answer was cut has the status `cut`.
        """
        record: Record = {}
        for (vendor, method, path, status), count in sorted(self._counts.items()):
            entry = record.setdefault(vendor, {}).setdefault(path, {"total": 0, "statuses": {}, "methods": {}})
            entry["total"] += count
            entry["statuses"][status] = entry["statuses"].get(status, 0) + count
            entry["methods"][method] = entry["methods"].get(method, 0) + count
        return record


class Gate:
    """ASGI: counts each request to a vendor and lets a waiting fault have its way with it."""

    def __init__(
        self,
        app: ASGIApp,
        vendor: str,
        failure: Failure,
        faults: Faults,
        log: RequestLog,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """Args: tick: called before each request, so that world time may move."""
        self._app = app
        self._tick = tick
        self._vendor = vendor
        self._failure = failure
        self._faults = faults
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._tick()
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        fault = self._faults.take(self._vendor, path)
        statuses: list[str] = []
        said: bytes | None = None
        if self._log.keep:
            said, receive = await _hear(receive)

        async def counting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(str(message["status"]))
            await send(message)

        if fault is None:
            await self._app(scope, receive, counting_send)
        elif fault.kind == "slow":
            await asyncio.sleep(fault.delay_s)
            await self._app(scope, receive, counting_send)
        elif fault.kind in ("rate_limited", "status"):
            status = 429 if fault.kind == "rate_limited" else fault.status
            await self._failure(status, fault.retry_after_s)(scope, receive, counting_send)
        else:
            await self._halve(fault.kind == "cut", scope, receive, counting_send)
            if fault.kind == "cut":
                statuses = ["cut"]
        answered = statuses[0] if statuses else "none"
        self._log.add(self._vendor, scope["method"], path, answered)
        if said is not None:
            texts = {"query": scope["query_string"].decode(), "body": said.decode(errors="replace")}
            self._log.kept.append(
                {"vendor": self._vendor, "method": scope["method"], "path": path, "status": answered} | texts
            )

    async def _halve(self, cut: bool, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half of the true answer: under its full length and no more (cut), or as if it were all."""
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        start = answer[0]
        body = b"".join(message.get("body", b"") for message in answer[1:])
        half = body[: len(body) // 2]
        length = len(body) if cut else len(half)
        headers = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(length).encode())]})
        # With more_body and nothing behind it the server closes the connection, as a crashing one would.
        await send({"type": "http.response.body", "body": half, "more_body": cut})


async def _hear(receive: Receive) -> tuple[bytes | None, Receive]:
    """The whole body of a request, None where its sender has gone before the end; and what gives it once more.

    Whoever answers by itself, such as an ordered fault, does not read what was said.
    """
    heard = [await receive()]
    while heard[-1].get("more_body"):
        heard.append(await receive())
    left = deque(heard)

    async def again() -> Message:
        return left.popleft() if left else await receive()

    whole = heard[-1]["type"] == "http.request"
    return b"".join(message.get("body", b"") for message in heard) if whole else None, again
