"""HubSpot's HTTP API over the world's records: CRM objects, search, associations, owners, pipelines, properties.

Source: HubSpot CRM API v3 (objects, owners, pipelines, properties) and v4 (associations), and what its users report
of paging, limits and errors. Mounted under `/hubspot`. The objects are also under the dated prefix, with equal bodies.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from sandbox.gate import Faults
from sandbox.hubspot_answers import DAILY, ROLLING, SECONDLY, Answers, HubspotError, LimitHeaders, as_json
from sandbox.hubspot_associations import TYPES, AssociationType
from sandbox.hubspot_objects import CALCULATED, DEFAULT_PROPERTIES, PROPERTIES, CrmObject, as_ms
from sandbox.hubspot_records import HubspotRecords
from sandbox.hubspot_requests import Asked, kind_of, read_request
from sandbox.hubspot_search import read_search
from sandbox.limits import Limit, Limiter
from sandbox.records import Record, as_utc_iso
from sandbox.world import World

DEFAULT_TOKEN = "pat-sandbox"  # noqa: S105 - what anybody on this machine may know
OBJECT_PATHS = ("/crm/v3/objects", "/crm/objects/2026-09")
PER_TEN_SECONDS, PER_DAY = Limit(190, 10.0), Limit(650_000, 86_400.0)
"""A private app of a Professional account."""
SEARCH_PER_SECOND = Limit(5, 1.0)
SEARCH_CAP = 10_000
PAGE, MAX_PAGE, MAX_HISTORY_PAGE = 10, 100, 50
OWNER_PAGE, MAX_OWNER_PAGE = 100, 500
ASSOCIATION_PAGE = 500
INLINE_PAGE = 100
"""Associations that a listed object shows itself."""
MAX_BATCH, MAX_HISTORY_BATCH, MAX_ASSOCIATION_BATCH = 100, 50, 1000
MAX_URL = 15_000
"""Characters."""
_TOKEN = re.compile(r"[\w.~+/=-]+", re.ASCII)
Row = TypeVar("Row")
Handler = Callable[[Request], Awaitable[Response]]


class HubspotApi:
    """The API of one world, for one private app."""

    name = "hubspot"
    prefix = "/hubspot"

    def __init__(
        self,
        world: World,
        limiter: Limiter,
        faults: Faults,
        token: str = DEFAULT_TOKEN,
        *,
        limit_speedup: float = 1.0,
        search_delay_s: float = 0.0,
        search_cap: int = SEARCH_CAP,
        largest_page: int | None = None,
    ) -> None:
        """Args:
        search_delay_s: seconds of world time until search knows of a change.
        search_cap: rows that one query can be paged through.
        """
        self._world = world
        self._limiter = limiter
        self._faults = faults
        self._token = token
        self._search_delay_ms = round(search_delay_s * 1000)
        self._search_cap = search_cap
        self._largest_page = largest_page or ASSOCIATION_PAGE
        self._generation = 0
        self._answers = Answers()
        self._headers = LimitHeaders(PER_TEN_SECONDS, PER_DAY.requests, limit_speedup)

    def router(self) -> Router:
        """The routes below the prefix."""
        handlers = [
            handler
            for base in OBJECT_PATHS
            for handler in (
                (f"{base}/{{kind}}", "GET", self._list_objects),
                (f"{base}/{{kind}}/search", "POST", self._search),
                (f"{base}/{{kind}}/batch/read", "POST", self._batch_read),
                (f"{base}/{{kind}}/{{id}}", "GET", self._one_object),
            )
        ]
        handlers += [
            ("/crm/v4/associations/{kind}/{other}/batch/read", "POST", self._batch_associations),
            ("/crm/v4/objects/{kind}/{id}/associations/{other}", "GET", self._associations_of_one),
            ("/crm/associations/v4/{kind}/{other}/labels", "GET", self._labels),
            ("/crm/v3/owners", "GET", self._owners),
            ("/crm/v3/pipelines/{kind}", "GET", self._pipelines),
            ("/crm/v3/properties/{kind}", "GET", self._properties),
        ]
        routes = [Route(path, self._guarded(handler), methods=[method]) for path, method, handler in handlers]
        return Router([*routes, Route("/{rest:path}", self._guarded(_nothing_here), methods=["GET", "POST"])])

    def expire_cursors(self) -> None:
        """Make every cursor that was given out so far invalid; search's offsets are no cursors."""
        self._generation += 1

    def failure(self, status: int, retry_after_s: int | None = None) -> Response:
        """An error answer without a cause in the request, for an ordered fault."""
        if status == 429:
            return self._answers.limited(ROLLING, retry_after_s)
        response = self._answers.error(HubspotError(status))
        if retry_after_s is not None:
            response.headers["retry-after"] = str(retry_after_s)
        return response

    def _guarded(self, handler: Callable[[Asked], Record]) -> Handler:
        """Length, token, limits, then the handler; its errors become answers. Search has no limit headers."""
        searching = handler == self._search

        async def endpoint(request: Request) -> Response:
            if len(str(request.url)) > MAX_URL:
                return Response("Request-URI Too Large", 414, media_type="text/html")
            try:
                self._check_token(request.headers.get("authorization", ""))
                limited = self._limited(searching)
                if limited is not None:
                    return limited
                content = handler(await read_request(request, self.prefix))
                answer = as_json(content, 207 if "errors" in content else 200)
            except HubspotError as error:
                answer = self._answers.error(error)
            return answer if searching else self._headers.put(answer)

        return endpoint

    def _check_token(self, header: str) -> None:
        scheme, _, given = header.partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise HubspotError(401)
        if not _TOKEN.fullmatch(given.strip()):
            # Seen by peers: the proxy before HubSpot refuses a malformed token in its own way.
            raise HubspotError(530, "error code: 1016")
        if not hmac.compare_digest(given.strip().encode(), self._token.encode()):
            raise HubspotError(401, "The access token is invalid or has been revoked.")

    def _limited(self, searching: bool) -> Response | None:
        """The refusal where a limit is reached. The seconds' limit leaves Retry-After out, which HubSpot may do."""
        if searching:
            wait_s = self._limiter.wait_s("hubspot search", SEARCH_PER_SECOND)
            return None if wait_s is None else self._answers.limited(SECONDLY)
        wait_s = self._limiter.wait_s("hubspot", PER_TEN_SECONDS, PER_DAY)
        if wait_s is None:
            self._headers.admit()
            return None
        policy = DAILY if wait_s > PER_TEN_SECONDS.period_s else ROLLING
        return self._headers.put(self._answers.limited(policy, wait_s))

    @property
    def _records(self) -> HubspotRecords:
        return self._world.hubspot

    # Objects.

    def _list_objects(self, asked: Asked) -> Record:
        kind, archived = asked.kind, asked.flag("archived")
        limit = asked.limit(PAGE, MAX_HISTORY_PAGE if asked.words("propertiesWithHistory") else MAX_PAGE)
        page, paging = self._page(
            asked,
            f"{kind} {archived}",
            limit,
            lambda last: ((o.id, o) for o in self._records.listed(kind, archived, last)),
        )
        return {"results": [self._shown(asked, crm_object) for crm_object in page]} | paging

    def _one_object(self, asked: Asked) -> Record:
        found = self._find(asked.kind, asked.names["id"], asked.query.get("idProperty"), asked.flag("archived"))
        if found is None:
            raise HubspotError(404)
        return self._shown(asked, found)

    def _shown(self, asked: Asked, crm_object: CrmObject) -> Record:
        """The object with the properties, histories and associations that the query asks for."""
        names = asked.words("properties") or DEFAULT_PROPERTIES[crm_object.kind]
        record = crm_object.shown(names, asked.words("propertiesWithHistory"))
        associations = {}
        for other in map(kind_of, asked.words("associations")):
            tied = [
                {"id": other_id, "type": kind.name}
                for other_id, kinds in self._records.associated((crm_object.kind, crm_object.id), other)
                for kind in sorted(kinds, key=lambda kind: kind.type_id)
            ]
            if tied:
                path = f"{self.prefix}/crm/v4/objects/{crm_object.kind}/{crm_object.id}/associations/{other}"
                scope, last = f"{crm_object.kind} {crm_object.id} {other}", tied[:INLINE_PAGE][-1]["id"]
                after = self._cursor(scope, last)
                link = str(asked.url.replace(path=path, query=f"after={after}"))
                paging = {"paging": {"next": {"after": after, "link": link}}} if len(tied) > INLINE_PAGE else {}
                associations[other] = {"results": tied[:INLINE_PAGE]} | paging
        return record | ({"associations": associations} if associations else {})

    def _batch_read(self, asked: Asked) -> Record:
        kind, body, archived = asked.kind, asked.body, asked.flag("archived")
        names, with_history = asked.names_in_body("properties"), asked.names_in_body("propertiesWithHistory")
        ids = [str(given["id"]) for given in asked.inputs(MAX_BATCH)]
        if with_history and len(ids) > MAX_HISTORY_BATCH:
            raise HubspotError(400, f"At most {MAX_HISTORY_BATCH} inputs can be read with propertiesWithHistory")
        found = {given: self._find(kind, given, body.get("idProperty"), archived) for given in ids}
        rows = {crm_object.id: crm_object for crm_object in found.values() if crm_object is not None}
        shown = names or DEFAULT_PROPERTIES[kind]
        results = [row.shown(shown, with_history) for _, row in sorted(rows.items(), key=lambda pair: int(pair[0]))]
        return self._batch(results, [given for given, row in found.items() if row is None], kind)

    def _find(self, kind: str, given: str, id_property: str | None, archived: bool) -> CrmObject | None:
        if id_property in (None, "", "hs_object_id"):
            return self._records.find(kind, given, archived)
        if (kind, id_property) != ("contacts", "email"):
            raise HubspotError(400, f"Property {id_property} of {kind} is not unique, so it is no idProperty")
        rows = self._records.listed(kind, archived)
        return next((row for row in rows if row.properties.get("email", "").lower() == given.lower()), None)

    def _search(self, asked: Asked) -> Record:
        """Objects as the index knows them, which may be what they were before the last changes."""
        search = read_search(asked.kind, asked.body, self._search_cap)
        if search.offset and self._faults.take(self.name, asked.path, for_cursor=True):
            raise HubspotError(400, "after is not valid")
        known, until_ms = self._records.objects[asked.kind], as_ms(self._world.now) - self._search_delay_ms
        states = ((object_id, crm_object.indexed(until_ms)) for object_id, crm_object in known.items())
        found = search.ordered([(i, state) for i, state in states if state is not None and search.passes(state)])
        end = search.offset + min(search.limit, self._largest_page)
        shown = search.properties or DEFAULT_PROPERTIES[asked.kind]
        results = [known[i].shown(shown, properties=state) for i, state in found[search.offset : end]]
        paging = {"paging": {"next": {"after": str(end)}}} if len(found) > end else {}
        return {"total": len(found), "results": results} | paging

    # Associations.

    def _batch_associations(self, asked: Asked) -> Record:
        kind, other = self._pair(asked)
        results, missing = [], []
        for given in asked.inputs(MAX_ASSOCIATION_BATCH):
            object_id = str(given["id"])
            if self._records.find(kind, object_id) is None:
                missing.append(object_id)
                continue
            rows = self._records.associated((kind, object_id), other)
            to, after = self._after(asked, f"{kind} {object_id} {other}", rows, given.get("after"))
            if to:
                paging = {"paging": {"next": {"after": after}}} if after else {}
                results.append({"from": {"id": object_id}, "to": to} | paging)
        return self._batch(results, missing, kind)

    def _associations_of_one(self, asked: Asked) -> Record:
        kind, other = self._pair(asked)
        object_id = asked.names["id"]
        if self._records.find(kind, object_id) is None:
            raise HubspotError(404)
        rows = self._records.associated((kind, object_id), other)
        limit = asked.limit(ASSOCIATION_PAGE, ASSOCIATION_PAGE)
        scope, given = f"{kind} {object_id} {other}", asked.query.get("after")
        results, after = self._after(asked, scope, rows, given, limit)
        return {"results": results} | (_next(asked, after) if after else {})

    def _after(
        self,
        asked: Asked,
        scope: str,
        rows: Sequence[tuple[str, list[AssociationType]]],
        given: object,
        limit: int = ASSOCIATION_PAGE,
    ) -> tuple[list[Record], str]:
        """The associations behind a cursor, and the cursor of the next ones, empty at the end."""
        last = self._read_cursor(asked, scope, given) if given else ""
        rest = [row for row in rows if not last or int(row[0]) > int(last)]
        page = rest[: min(limit, self._largest_page)]
        to = [{"toObjectId": i, "associationTypes": [kind.as_record() for kind in kinds]} for i, kinds in page]
        return to, self._cursor(scope, page[-1][0]) if len(rest) > len(page) else ""

    def _labels(self, asked: Asked) -> Record:
        return {"results": [kind.as_record() for kind in TYPES[self._pair(asked)]]}

    def _pair(self, asked: Asked) -> tuple[str, str]:
        pair = (asked.kind, kind_of(asked.names["other"]))
        if pair not in TYPES:
            raise HubspotError(400, f"No association types exist between {pair[0]} and {pair[1]}")
        return pair

    def _batch(self, results: list[Record], missing: list[str], kind: str) -> Record:
        """A batch's answer, with one error for all ids that are not there."""
        now = as_utc_iso(self._world.now)
        answer: Record = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if missing:
            message = f"Could not get some {kind}, they may be deleted or not exist. Check that ids are valid."
            error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": missing}}
            answer |= {"numErrors": 1, "errors": [error]}
        return answer

    # Owners, pipelines, properties.

    def _owners(self, asked: Asked) -> Record:
        archived, email = asked.flag("archived"), asked.query.get("email")
        owners = self._records.owners
        rows = [
            (owner_id, owners[owner_id])
            for owner_id in sorted(owners, key=int)
            if owners[owner_id]["archived"] == archived and email in (None, owners[owner_id]["email"])
        ]
        limit = asked.limit(OWNER_PAGE, MAX_OWNER_PAGE)
        page, paging = self._page(
            asked, f"owners {archived}", limit, lambda last: (row for row in rows if int(row[0]) > last)
        )
        return {"results": page} | paging

    def _pipelines(self, asked: Asked) -> Record:
        if asked.kind != "deals":
            raise HubspotError(400, f"{asked.kind} have no pipelines")
        return {"results": list(self._records.pipelines.values())}

    def _properties(self, asked: Asked) -> Record:
        return {"results": [_described(asked.kind, name) for name in sorted(PROPERTIES[asked.kind])]}

    # Paging.

    def _page(
        self, asked: Asked, scope: str, limit: int, above: Callable[[int], Iterable[tuple[str, Row]]]
    ) -> tuple[list[Row], Record]:
        """The rows behind the cursor, and `paging` where more remain.

        Args:
            above: id and row of all with a higher id, ascending.
        """
        given, limit = asked.query.get("after"), min(limit, self._largest_page)
        last = int(self._read_cursor(asked, scope, given)) if given else -1
        found = list(islice(above(last), limit + 1))
        page = [row for _, row in found[:limit]]
        return page, _next(asked, self._cursor(scope, found[limit - 1][0])) if len(found) > limit else {}

    def _cursor(self, scope: str, last_id: str) -> str:
        return base64.urlsafe_b64encode(f"{self._generation}:{scope}:{last_id}".encode()).decode().rstrip("=")

    def _read_cursor(self, asked: Asked, scope: str, given: object) -> str:
        """The id that a cursor of this scope names; HubspotError for any other text."""
        text = str(given)
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            generation, found, last_id = raw.split(":")
        except (binascii.Error, UnicodeError, ValueError) as error:
            raise HubspotError(400, "after is not a paging cursor") from error
        faulty = self._faults.take(self.name, asked.path, for_cursor=True)
        if faulty or found != scope or generation != str(self._generation) or not last_id.isdecimal():
            raise HubspotError(400, "after is not valid for this request, or has expired")
        return last_id


def _next(asked: Asked, after: str) -> Record:
    link = str(asked.url.include_query_params(after=after))
    return {"paging": {"next": {"after": after, "link": link}}}


def _described(kind: str, name: str) -> Record:
    """A property as /properties gives it."""
    property_type = PROPERTIES[kind][name]
    field_type = {"datetime": "date", "enumeration": "select", "bool": "booleancheckbox", "string": "text"}
    return {
        "name": name,
        "label": name.removeprefix("hs_").replace("_", " ").capitalize(),
        "type": property_type,
        "fieldType": field_type.get(property_type, property_type),
        "description": "",
        "groupName": f"{kind}_information",
        "options": [],
        "calculated": name in CALCULATED,
        "hidden": False,
        "hubspotDefined": True,
    }


def _nothing_here(asked: Asked) -> Record:
    raise HubspotError(404)
