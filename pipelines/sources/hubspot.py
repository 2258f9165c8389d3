"""HubSpot: CRM objects, owners, pipelines of deals, associations. API v3 and v4, developers.hubspot.com/docs.

    owners                 GET  /crm/v3/owners                twice, archived too: read whole, sweep whole
    pipelines, deal_stages GET  /crm/v3/pipelines/deals       read whole, sweep whole
    companies … tasks      GET  <objects>/<type>              first and full: twice, archived too; sweep whole
                           POST <objects>/<type>/search       then: ids by the modified date, less the overlap
                           POST <objects>/<type>/batch/read   the records of these ids, 100 or 50 a request
    associations           POST /crm/v4/associations/…        of the ids that were read, 1000 a request

Search only finds ids: its answers come from an index that is late and knows no history. Each page of it asks for ids
above the last one's, so neither its cap of 10,000 results nor an object that leaves the window can make it lose one.
Archiving moves no modified date, so what is archived is listed each time; a merge is told by its winner; what was
deleted and is archived no more is asked for by id. Archived objects belong to nothing, so their associations
go with them and are read again, from both ends, when they come back.

What is new, comes back or wins a merge has its associations read from behind too, since what is tied to it may not have
been modified. Any other association that changes between two objects that do not is seen by a full pull alone, and so
is what was deleted for good. The limit of ten seconds and the day's are told by headers, but not search's own five a
second.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

import dlt
import msgspec
import requests
from dlt.extract import DltResource, DltSource
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

from contracts.address import Address
from contracts.errors import MissingSetting, VendorRefused, VendorUnavailable
from pipelines.sources import Json, Pull, Slices, SourceSettings, Sweep
from pipelines.sources._http import PROBE_TIMEOUT_S, RETRIED, Patience, VendorSession, answer, restarted
from resources.warehouse import Parameter
from transforms import rows
from transforms.raw import at

PAGE, PAGE_WITH_HISTORY = 100, 50
"""Objects a list page or a batch."""
SEARCH_PAGE = 200
ASSOCIATIONS_A_REQUEST = 1000
"""Ids that one request asks for the associations of."""
RESTORABLE_DAYS = 90
"""HubSpot gives back what was archived for so long."""
A_WHILE_S = 3_600.0
"""Until a day's limit is asked after again: it is given anew at midnight of the account, whose zone is not told."""
BUSY = (423, 477, 524)
"""Statuses of HubSpot's own that pass: locked, being migrated, timed out behind its proxy."""
NOT_FOUND = "OBJECT_NOT_FOUND"

Pages: TypeAlias = Iterator[tuple[datetime, list[Json]]]
"""Records, with the time at which each page was asked for."""
Where: TypeAlias = tuple[tuple[str, str, Parameter | list[str]], ...]

PROPERTIES = {
    "companies": ("name", "domain", "industry", "city", "lifecyclestage", "hs_merged_object_ids", "createdate"),
    "contacts": ("email", "firstname", "lastname", "jobtitle", "lifecyclestage", "hs_merged_object_ids", "createdate"),
    "deals": (
        *("dealname", "dealtype", "pipeline", "dealstage", "amount", "amount_in_home_currency", "deal_currency_code"),
        *("closedate", "hs_merged_object_ids", "createdate"),
    ),
    "notes": ("hs_note_body", "hs_timestamp"),
    "emails": ("hs_email_subject", "hs_email_text", "hs_email_direction", "hs_timestamp"),
    "calls": ("hs_call_title", "hs_call_body", "hs_call_direction", "hs_call_duration", "hs_timestamp"),
    "meetings": (
        *("hs_meeting_title", "hs_meeting_body", "hs_meeting_outcome"),
        *("hs_meeting_start_time", "hs_meeting_end_time", "hs_timestamp"),
    ),
    "tasks": (
        *("hs_task_subject", "hs_task_body", "hs_task_status", "hs_task_priority", "hs_task_type"),
        "hs_timestamp",
    ),
}
"""What is asked for of each type, beside owner, id and modified date; few, since a long URL is refused."""
HISTORY = {"deals": ("dealstage", "amount", "amount_in_home_currency", "closedate", "pipeline")}
ACTIVITIES = ("notes", "emails", "calls", "meetings", "tasks")
PAIRS = (
    *(("deals", "companies"), ("deals", "contacts"), ("contacts", "companies")),
    *((activity, other) for activity in ACTIVITIES for other in ("companies", "deals", "contacts")),
)
SLICES = Slices("day")
"""Of their last modification."""

KNOWN = {
    "deleted": " UNION ALL ".join(
        f"""
        SELECT '{entity.address.entity}' AS OBJECT_TYPE, {entity.key[0]} AS ID
        FROM {entity.table.name}
        WHERE _DELETED_AT > DATEADD('day', -{RESTORABLE_DAYS}, CAST(CURRENT_TIMESTAMP() AS TIMESTAMP_NTZ))
        """
        for entity in rows.entities("hubspot")
        if entity.address.entity in PROPERTIES
    )
}


class Settings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_HUBSPOT_*`."""

    url: Annotated[str, msgspec.Meta(pattern="^https?://.*[^/]$")] = "https://api.hubapi.com"
    token: str | None = None
    """`pat-…` of a service key, with the read scopes of the objects, crm.objects.owners.read among them."""
    objects_path: Annotated[str, msgspec.Meta(pattern="^/.*[^/]$")] = "/crm/v3/objects"
    """The version of the objects' API; `/crm/objects/2026-09` gives the same."""
    requests_per_10_seconds: Annotated[float, msgspec.Meta(gt=0)] = 190.0
    """HubSpot's limit of a Professional or Enterprise account; 100 below, 250 with the capacity pack."""
    searches_per_second: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    overlap_minutes: Annotated[float, msgspec.Meta(ge=0, le=10_080)] = 10.0
    """How late search's index may be."""

    def auth(self) -> BearerTokenAuth:
        """Raises MissingSetting."""
        if self.token is None:
            raise MissingSetting("SOPHIA_HUBSPOT_TOKEN", "a pull from HubSpot")
        return BearerTokenAuth(self.token)


def source(settings: Settings, pull: Pull) -> DltSource:
    """The streams in the order in which they are read: associations last, of the ids that the others have met."""

    begun_at = pull.clock()
    met: dict[str, set[str]] = defaultdict(set)
    """Object type → ids that were read, and live."""
    gone: dict[str, set[str]] = defaultdict(set)
    """Object type → ids that are archived, or were merged into another."""
    tied_anew: dict[str, set[str]] = defaultdict(set)
    """Object type → ids of what is new, came back or won a merge: others are tied to it that were not modified."""
    listed: set[str] = set()
    """Object types that were read whole."""
    reached: dict[str, str] = {}
    """Object type → the cursor that moves when the associations of what was read have been read, too."""

    session = pull.open(_session(settings), settings)
    session.limit(settings.url, per_second=settings.requests_per_10_seconds / 10, retried=(*RETRIED, *BUSY))
    session.limit(
        *(f"{settings.url}{settings.objects_path}/{object_type}/search" for object_type in PROPERTIES),
        per_second=settings.searches_per_second,
        retried=(*RETRIED, *BUSY),
    )

    @functools.cache
    def client() -> RESTClient:
        return RESTClient(settings.url, auth=settings.auth(), session=session)

    def pages(path: str, **params: Json) -> Pages:
        def begin() -> Pages:
            sequence = client().paginate(
                path,
                params=dict(params),  # the paginator writes its cursor into it
                data_selector="results",
                paginator=JSONResponseCursorPaginator("paging.next.after", cursor_param="after"),
                hooks={"response": [functools.partial(_check_listing, session)]},
            )
            return pull.stamped(sequence)

        return restarted(session, begin)

    def asked(path: str, body: dict[str, Json]) -> tuple[datetime, Json]:
        requested_at = pull.clock()
        response = client().post(path, json=body)
        _check(session, response)
        return requested_at, response.json()

    @dlt.resource(name="owners")
    @pull.until_spent("owners")
    def owners() -> Iterator[Any]:
        requested_at = pull.clock()
        any_owner = False
        for archived in ("false", "true"):
            for sent_at, page in pages("/crm/v3/owners", limit=PAGE, archived=archived):
                any_owner = any_owner or bool(page)
                yield pull.records(page, sent_at)
        if any_owner:  # every account has one: none at all is an answer to be wary of
            pull.sweeps.append(Sweep(Address("hubspot", "owners"), requested_at))

    @dlt.resource(name="pipelines")
    @pull.until_spent("pipelines", "deal_stages")
    def pipelines() -> Iterator[Any]:
        requested_at = pull.clock()
        any_pipeline = False
        for sent_at, page in pages("/crm/v3/pipelines/deals"):
            any_pipeline = any_pipeline or bool(page)
            yield pull.records(page, sent_at)
        if any_pipeline:  # every account has the default one
            pull.sweeps.append(Sweep(Address("hubspot", "pipelines"), requested_at))
            pull.sweeps.append(Sweep(Address("hubspot", "deal_stages"), requested_at))

    @dlt.transformer(name="deal_stages", data_from=pipelines)
    def deal_stages(page: list[dict[str, Json]]) -> Iterator[Any]:
        for item in page:
            pipeline = json.loads(item["record"])
            stages = [{"pipelineId": pipeline.get("id"), **stage} for stage in pipeline.get("stages") or []]
            yield pull.records(stages, item["requested_at"])

    def objects(object_type: str) -> DltResource:
        @dlt.resource(name=object_type)
        @pull.until_spent(object_type)
        def read() -> Iterator[Any]:
            stored = pull.position(object_type)
            newest = datetime.fromisoformat(stored) if stored else None
            for sent_at, page in read_how(object_type, newest):
                for record in page:
                    if isinstance(record.get("id"), str):  # else its row will be a dead letter
                        (gone if record.get("archived") else met)[object_type].add(record["id"])
                    newest = max(filter(None, [newest, _modified_at(object_type, record)]), default=None)
                yield pull.records(page, sent_at)
            if newest is not None:  # a clock that is ahead of ours must not take the window along
                reached[object_type] = min(newest, begun_at).isoformat()

        return read

    def read_how(object_type: str, newest: datetime | None) -> Pages:
        if pull.ids is not None:
            return named(object_type, pull.ids.get(object_type, ()))
        if pull.slice:
            return of_the_day(object_type)
        return modified(object_type, newest) if newest else whole(object_type)

    def of_the_day(object_type: str) -> Pages:
        """Of a slice: what was last modified on that day, and lives."""
        begin, end = pull.day()
        for sent_at, page in by_ids(object_type, found(object_type, begin, end)):
            yield sent_at, _with_losers(page)

    def named(object_type: str, ids: Sequence[str]) -> Pages:
        """These objects; what HubSpot does not give by its id is archived or deleted."""
        if not ids:
            return
        requested_at = pull.clock()
        for sent_at, page in by_ids(object_type, ids):
            tied_anew[object_type] |= {record["id"] for record in page}
            yield sent_at, _with_losers(page)
        # By now the reader has put what it was given into `gone` and `met`.
        lacking = sorted(set(ids) - met[object_type] - gone[object_type])
        gone[object_type] |= set(lacking)
        pull.sweeps.append(Sweep(Address("hubspot", object_type), requested_at, ((_key(object_type), "in", lacking),)))

    def whole(object_type: str) -> Pages:
        requested_at = pull.clock()
        yield from listing(object_type, archived="false")
        yield from listing(object_type, archived="true")
        listed.add(object_type)
        pull.sweeps.append(Sweep(Address("hubspot", object_type), requested_at))

    def listing(object_type: str, archived: str) -> Pages:
        names = {name: ",".join(wanted) for name, wanted in _wanted(object_type).items()}
        path = f"{settings.objects_path}/{object_type}"
        return pages(path, limit=_page_of(object_type), archived=archived, **names)

    def modified(object_type: str, since: datetime) -> Pages:
        """What was modified, what is archived, and what was deleted and is archived no more."""
        window_start = since - timedelta(minutes=settings.overlap_minutes)
        for sent_at, page in by_ids(object_type, found(object_type, window_start)):
            tied_anew[object_type] |= {r["id"] for r in page if _merged_into(r) or _is_since(window_start, r)}
            yield sent_at, _with_losers(page)
        for sent_at, page in listing(object_type, archived="true"):  # a winner may have been archived since
            yield sent_at, _with_losers(page)
        # By now the reader has put what it was given into `gone` and `met`.
        deleted = {known["id"] for known in pull.known.get("deleted", []) if known["object_type"] == object_type}
        yield from by_ids(object_type, sorted(deleted - gone[object_type] - met[object_type]))
        tied_anew[object_type] |= deleted & met[object_type]

    def found(object_type: str, window_start: datetime, window_end: datetime | None = None) -> Iterator[str]:
        """Ids of what search says was modified, ascending."""
        last_id: str | None = "0"
        while last_id is not None:
            body = _search(object_type, window_start, window_end, last_id)
            _, page = asked(f"{settings.objects_path}/{object_type}/search", body)
            ids = [result["id"] for result in page["results"]]
            yield from ids
            last_id = ids[-1] if ids and at(page, "paging.next.after") else None

    def by_ids(object_type: str, ids: Iterable[str]) -> Pages:
        """Records; HubSpot leaves out those that it no longer has."""
        left = iter(ids)
        while batch := list(itertools.islice(left, _page_of(object_type))):
            body = {"inputs": [{"id": one} for one in batch], **_wanted(object_type)}
            requested_at, page = asked(f"{settings.objects_path}/{object_type}/batch/read", body)
            yield requested_at, page["results"]

    @dlt.resource(name="associations")
    @pull.until_spent("associations")
    def associations() -> Iterator[Any]:
        requested_at = pull.clock()
        for from_type, to_type in PAIRS:
            if from_type not in listed:
                back = associated(to_type, from_type, tied_anew[to_type])
                met[from_type] |= {tie["toId"] for _, page in back for tie in page}
        for from_type, to_type in PAIRS:
            for sent_at, page in associated(from_type, to_type, met[from_type]):
                yield pull.records(page, sent_at)
        pull.sweeps += swept(requested_at)
        pull.reached |= reached

    def associated(from_type: str, to_type: str, ids: Iterable[str]) -> Pages:
        """Associations from these ids, as a record a pair. A long list comes in pages of its own."""
        waiting: list[dict[str, Json]] = [{"id": one} for one in sorted(ids)]
        while waiting:
            inputs, waiting = waiting[:ASSOCIATIONS_A_REQUEST], waiting[ASSOCIATIONS_A_REQUEST:]
            path = f"/crm/v4/associations/{from_type}/{to_type}/batch/read"
            requested_at, page = asked(path, {"inputs": inputs})
            ties = [_tie(from_type, result, to_type, to) for result in page["results"] for to in result["to"]]
            yield requested_at, ties
            following = ((result["from"]["id"], at(result, "paging.next.after")) for result in page["results"])
            waiting += [{"id": from_id, "after": after} for from_id, after in following if after]

    def swept(requested_at: datetime) -> list[Sweep]:
        """What of the associations was listed whole: all, or those of the ids that were met; what is gone has none."""
        address = Address("hubspot", "associations")
        if listed.issuperset(from_type for from_type, _ in PAIRS):
            return [Sweep(address, requested_at)]
        parts: list[Where] = []
        for object_type in PROPERTIES:
            if object_type in listed:
                parts.append((("from_type", "=", object_type),))
            elif ids := met[object_type] | gone[object_type]:
                parts.append((("from_type", "=", object_type), ("from_id", "in", sorted(ids))))
            if ids := gone[object_type]:
                parts.append((("to_type", "=", object_type), ("to_id", "in", sorted(ids))))
        return [Sweep(address, requested_at, where) for where in parts]

    resources = [*map(objects, PROPERTIES), associations]
    if not pull.slice and pull.ids is None:
        resources = [owners, pipelines, deal_stages, *resources]
    return DltSource(dlt.Schema("hubspot"), "hubspot", resources)


def _key(object_type: str) -> str:
    return rows.entity(Address("hubspot", object_type)).key[0]


def _wanted(object_type: str) -> dict[str, list[str]]:
    """The parameters that name what is to come with a record."""
    wanted = {"properties": [*PROPERTIES[object_type], "hubspot_owner_id", "hs_object_id", _modified(object_type)]}
    return wanted | ({"propertiesWithHistory": [*HISTORY[object_type]]} if object_type in HISTORY else {})


def _page_of(object_type: str) -> int:
    return PAGE_WITH_HISTORY if object_type in HISTORY else PAGE


def _modified(object_type: str) -> str:
    return "lastmodifieddate" if object_type == "contacts" else "hs_lastmodifieddate"


def _modified_at(object_type: str, record: dict[str, Json]) -> datetime | None:
    """None where the record does not say it in a way that can be read; its row will be a dead letter."""
    try:
        return datetime.fromisoformat(at(record, f"properties.{_modified(object_type)}")).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _search(object_type: str, window_start: datetime, window_end: datetime | None, last_id: str) -> dict[str, Json]:
    """The next ids above `last_id` of what was modified since `window_start`, and before `window_end`."""

    def modified(operator: str, moment: datetime) -> Json:
        value = str(int(moment.timestamp() * 1000))
        return {"propertyName": _modified(object_type), "operator": operator, "value": value}

    filters = [modified("GTE", window_start), *([modified("LT", window_end)] if window_end else [])]
    above = {"propertyName": "hs_object_id", "operator": "GT", "value": last_id}
    return {
        "filterGroups": [{"filters": [*filters, above]}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": ["hs_object_id"],
        "limit": SEARCH_PAGE,
    }


def _is_since(window_start: datetime, record: dict[str, Json]) -> bool:
    """Whether an object was made in the window; so is one that does not say when."""
    try:
        return datetime.fromisoformat(record["createdAt"]) >= window_start
    except (KeyError, TypeError, ValueError):
        return True


def _with_losers(page: list[dict[str, Json]]) -> list[dict[str, Json]]:
    return [*page, *itertools.chain.from_iterable(map(_merged_into, page))]


def _merged_into(winner: dict[str, Json]) -> list[dict[str, Json]]:
    """Those that the winner of a merge has taken in, as records of what was archived with it."""
    try:
        merged_ids = at(winner, "properties.hs_merged_object_ids")
    except ValueError:
        return []  # its row will be a dead letter
    if not isinstance(merged_ids, str):
        return []
    losers = {loser_id for text in merged_ids.split(";") if (loser_id := text.strip()) not in ("", winner.get("id"))}
    return [{"id": one, "archived": True, "archivedAt": winner.get("updatedAt")} for one in sorted(losers)]


def _tie(from_type: str, result: dict[str, Json], to_type: str, to: dict[str, Json]) -> dict[str, Json]:
    """Ids were numbers in earlier answers. The types come in any order, and are no change for that."""
    return {
        "fromType": from_type,
        "fromId": str(result["from"]["id"]),
        "toType": to_type,
        "toId": str(to["toObjectId"]),
        "associationTypes": sorted(to["associationTypes"], key=lambda kind: json.dumps(kind, sort_keys=True)),
    }


def probe(settings: Settings) -> None:
    """Ask for an owner, once. Raises MissingSetting, VendorRefused, VendorUnavailable."""
    with _session(settings) as session:
        url = f"{settings.url}/crm/v3/owners?limit=1"
        _check_listing(session, session.get(url, auth=settings.auth(), timeout=PROBE_TIMEOUT_S))


class HubspotSession(VendorSession):
    """A session that reads `X-HubSpot-RateLimit-*`; search sends none."""

    def nothing_left_s(self, response: requests.Response) -> float:
        headers = response.headers
        if headers.get("X-HubSpot-RateLimit-Remaining") == "0":
            return _number(headers.get("X-HubSpot-RateLimit-Interval-Milliseconds")) / 1000
        return A_WHILE_S if headers.get("X-HubSpot-RateLimit-Daily-Remaining") == "0" else 0.0


def _number(text: str | None) -> float:
    return float(text) if text is not None and text.isdecimal() else 0.0


def _session(settings: Settings) -> VendorSession:
    return HubspotSession("HubSpot", settings.url, "Check SOPHIA_HUBSPOT_TOKEN and its scopes.")


def _check(session: VendorSession, response: requests.Response, *_: Any, **__: Any) -> None:
    """What a batch lacks is no failure where HubSpot says that it is not there; any other lack is."""
    status = response.status_code
    if status in BUSY:
        raise VendorUnavailable("HubSpot", session.url, f"HTTP {status}")
    if status == 530:  # the proxy before HubSpot
        raise VendorRefused("HubSpot", status, "the token has not the form of one", session.way_out)
    if status == 403:
        raise VendorRefused("HubSpot", status, _with_scopes(response), session.way_out)
    if status == 429 and (policy := _policy(response)):
        wait_s = Patience().get_retry_after(response.raw)
        raise session.quota_spent(f"HTTP 429, over its limit {policy}", wait_s)
    session.check(response)
    if status == 207:
        others = [error for error in response.json().get("errors") or [] if error.get("category") != NOT_FOUND]
        if others:
            raise VendorUnavailable("HubSpot", session.url, f"a batch with {others[0].get('category')}")


def _check_listing(session: VendorSession, response: requests.Response, *_: Any, **__: Any) -> None:
    """A listing without results would be taken for an empty one, and all of its table for deleted."""
    _check(session, response)
    body = response.json()
    if not isinstance(body, Mapping) or not isinstance(body.get("results"), list):
        raise VendorUnavailable("HubSpot", session.url, "a listing without results")


def _policy(response: requests.Response) -> str | None:
    """The limit that was reached, such as DAILY."""
    try:
        policy = at(response.json(), "policyName")
    except ValueError:
        return None
    return policy if isinstance(policy, str) else None


def _with_scopes(response: requests.Response) -> str:
    """What HubSpot says, with the scopes that it asks for."""
    try:
        scopes = at(response.json()["errors"][0], "context.requiredGranularScopes") or []
    except (requests.JSONDecodeError, LookupError, TypeError, ValueError):
        scopes = []
    return ": ".join([answer(response), *([", ".join(scopes)] if scopes else [])])
