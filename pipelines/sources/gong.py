"""Gong: users, calls (by the extensive endpoint), transcripts. API v2, help.gong.io/apidocs.

    users        GET  /v2/users             no filter: read whole, sweep whole
    calls        POST /v2/calls/extensive   by start time: from the newest start seen, less the lookback
    transcripts  POST /v2/calls/transcript  by call ids, 100 a request; one that comes late brings its call again

Gong tells nothing of changes, deletions or late calls, so the window from `lookback_days` before the newest call is
read whole each time, and what is gone from it is deleted. What changes further back is seen by a full pull alone.
Private calls are landed without their transcript. Gong's cursors expire an hour after a sequence began: it begins
again. 3 requests a second and 10,000 a day are a company's, whoever asks; a load of many calls is read in parts, each
of which moves the cursor.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import dlt
import msgspec
import requests
from dlt.extract import DltResource, DltSource
from dlt.sources.helpers.rest_client.client import PageData, RESTClient
from dlt.sources.helpers.rest_client.exceptions import IgnoreResponseException
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from requests.auth import HTTPBasicAuth

from contracts.address import Address
from contracts.errors import InvalidSetting, MissingSetting
from pipelines.sources import Json, Pull, Slices, SourceSettings, Sweep
from pipelines.sources._http import PROBE_TIMEOUT_S, VendorSession, answer, restarted
from transforms.raw import at

EDGE = timedelta(days=1)
"""How far a call's start may lie from its schedule before a sweep could take it for deleted."""
NO_CALLS = "No calls found corresponding to the provided filters"
TRANSCRIPTS_A_REQUEST = 100
PAGES_A_PART = 25
"""Of a window that is read in one sequence; Gong says with the first page how many there are. A part costs a page or
two more, which is too dear for parts of 10."""
SHORTEST_PART = timedelta(hours=1)

CONTENT = {
    "context": "Extended",
    "contextTiming": ["Now"],
    "exposedFields": {
        "parties": True,
        "content": {"brief": True, "callOutcome": True, "keyPoints": True, "trackers": True, "topics": True},
    },
}
"""The contentSelector: without one Gong answers metaData alone."""
SLICES = Slices("day")

KNOWN = {
    "without_transcript": """
        SELECT CALLS.CALL_ID
        FROM GONG_INTEGRATION.CALLS AS CALLS
        LEFT JOIN GONG_INTEGRATION.TRANSCRIPTS AS TRANSCRIPTS ON CALLS.CALL_ID = TRANSCRIPTS.CALL_ID
        WHERE (TRANSCRIPTS.CALL_ID IS NULL OR TRANSCRIPTS._DELETED_AT IS NOT NULL)
            AND CALLS._DELETED_AT IS NULL AND NOT COALESCE(CALLS.IS_PRIVATE, TRUE)
    """,
    "transcribed": """
        SELECT TRANSCRIPTS.CALL_ID, CALLS.STARTED_AT
        FROM GONG_INTEGRATION.TRANSCRIPTS AS TRANSCRIPTS
        INNER JOIN GONG_INTEGRATION.CALLS AS CALLS ON TRANSCRIPTS.CALL_ID = CALLS.CALL_ID
        WHERE TRANSCRIPTS._DELETED_AT IS NULL
    """,
}


class Settings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_GONG_*`."""

    requests_per_day: Annotated[int, msgspec.Meta(ge=1)] | None = 10_000
    """Of a company, whoever asks (Gong's default)."""

    url: Annotated[str, msgspec.Meta(pattern="^https?://.*[^/]$")] = "https://api.gong.io"
    """Some tenants have a host of their own; Gong's API page shows it."""
    access_key: str | None = None
    access_key_secret: str | None = None
    requests_per_second: Annotated[float, msgspec.Meta(gt=0)] = 3.0
    """Gong's limit of a company."""
    lookback_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 14
    """Peers' run from 1 day (Airbyte, Onyx) to 14 (Nango); a call can become visible days after it began."""
    start: str = "2015-01-01T00:00:00Z"
    """No call before it is read, ISO 8601."""

    def first_day(self) -> datetime:
        """Raises InvalidSetting."""
        try:
            return datetime.fromisoformat(self.start).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise InvalidSetting(
                "SOPHIA_GONG_START", self.start, "expected a time such as 2024-01-01T00:00:00Z"
            ) from error

    def auth(self) -> HTTPBasicAuth:
        """Raises MissingSetting."""
        if self.access_key is None:
            raise MissingSetting("SOPHIA_GONG_ACCESS_KEY", "a pull from Gong")
        if self.access_key_secret is None:
            raise MissingSetting("SOPHIA_GONG_ACCESS_KEY_SECRET", "a pull from Gong")
        return HTTPBasicAuth(self.access_key, self.access_key_secret)


def source(settings: Settings, pull: Pull) -> DltSource:
    """The three streams; records as Gong gives them."""

    session = pull.open(_session(settings), settings)
    session.limit(settings.url, per_second=settings.requests_per_second)

    @functools.cache
    def client() -> RESTClient:
        return RESTClient(settings.url, auth=settings.auth(), session=session)

    def pages(
        path: str, list_key: str, body: dict[str, Json] | None = None
    ) -> Iterator[tuple[datetime, PageData[Any]]]:
        def begin() -> Iterator[tuple[datetime, PageData[Any]]]:
            sequence = client().paginate(
                path,
                method="GET" if body is None else "POST",
                json=None if body is None else dict(body),  # the paginator writes its cursor into it
                data_selector=list_key,
                paginator=JSONResponseCursorPaginator(
                    "records.cursor",
                    cursor_param="cursor" if body is None else None,
                    cursor_body_path=None if body is None else "cursor",
                ),
                hooks={"response": [functools.partial(_check, session)]},
            )
            return pull.stamped(sequence)

        return restarted(session, begin)

    def calls_between(begin: datetime, end: datetime | None, now: datetime) -> Iterator[tuple[datetime, PageData[Any]]]:
        """Many are read in parts of the window, each of which moves the cursor, so that a stopped load goes on."""
        sequence = pages("/v2/calls/extensive", "calls", _asked(begin, end))
        first = next(sequence, None)
        if first is None:
            return
        parts = _parts(first[1], begin, end or now)
        if len(parts) > 1:
            for part_begin, part_end in itertools.pairwise([*parts, end]):
                assert part_begin is not None
                yield from calls_between(part_begin, part_end, now)
            return
        yield first
        yield from sequence
        if end is not None and not pull.full:
            pull.reached["calls"] = end.isoformat()

    @dlt.resource(name="users")
    @pull.until_spent("users")
    def users() -> Iterator[Any]:
        requested_at = pull.clock()
        for sent_at, page in pages("/v2/users", "users"):
            yield pull.records(page, sent_at)
        pull.sweeps.append(Sweep(Address("gong", "users"), requested_at))

    @dlt.resource(name="calls")
    @pull.until_spent("calls", "transcripts")
    def calls() -> Iterator[Any]:
        requested_at = pull.clock()
        stored = pull.position("calls")
        newest = datetime.fromisoformat(stored) if stored else None
        window_start = newest - timedelta(days=settings.lookback_days) if newest else settings.first_day()
        listed = False
        for sent_at, page in calls_between(window_start, None, requested_at):
            listed = True
            # A call that is dated in the future must not take the window along.
            newest = max(
                filter(None, [newest, *(min(s, requested_at) for s in map(_started, page) if s)]), default=None
            )
            yield pull.records(page, sent_at)
        if newest is not None:
            pull.reached["calls"] = newest.isoformat()
        if not listed:
            return  # Gong gives the same empty answer to a key that may see no calls: nothing is taken for deleted
        # Gong's window compares the scheduled time of some calls, so one that began at the edge may lie outside.
        swept_from = (window_start + EDGE if stored else window_start).astimezone(UTC)
        pull.sweeps.append(Sweep(Address("gong", "calls"), requested_at, (("started_at", ">=", swept_from),)))
        # A transcript goes with its call, and when its call becomes private.
        known = pull.known.get("transcribed", [])
        held = [r["call_id"] for r in known if not r["started_at"] or r["started_at"].replace(tzinfo=UTC) >= swept_from]
        pull.sweeps.append(Sweep(Address("gong", "transcripts"), requested_at, (("call_id", "in", held),)))

    @dlt.resource(name="calls")
    @pull.until_spent("calls", "transcripts")
    def calls_of_the_day() -> Iterator[Any]:
        """Of a slice. What was deleted is left to a pull: the window's edges are too wide for a day."""
        requested_at = pull.clock()
        for sent_at, page in pages("/v2/calls/extensive", "calls", _asked(*pull.day())):
            private = [call_id for call in page if (call_id := _id(call)) and call_id != _public_id(call)]
            pull.sweeps.append(Sweep(Address("gong", "transcripts"), requested_at, (("call_id", "in", private),)))
            yield pull.records(page, sent_at)

    @dlt.transformer(name="transcripts", data_from=calls_of_the_day if pull.slice else calls)
    @pull.until_spent("transcripts")
    def transcripts(page: list[dict[str, Json]]) -> Iterator[Any]:
        calls_of_page = [json.loads(item["record"]) for item in page]
        yield from transcripts_of([call_id for call in calls_of_page if (call_id := _public_id(call))])

    @dlt.resource(name="late_transcripts", table_name="transcripts")
    @pull.until_spent("transcripts")
    def late_transcripts() -> Iterator[Any]:
        """Of calls that landed without one: a transcript appears only after Gong has processed it."""
        waiting = [row["call_id"] for row in pull.known.get("without_transcript", [])]
        yield from transcripts_of(waiting if pull.ids is None else [*pull.ids["calls"]])

    @dlt.transformer(name="late_calls", data_from=late_transcripts, table_name="calls")
    @pull.until_spent("calls")
    def late_calls(page: list[dict[str, Json]]) -> Iterator[Any]:
        """What Gong finds in a call, its brief and trackers, comes with the transcript."""
        call_ids = [json.loads(item["record"]).get("callId") for item in page]
        body = {"filter": {"callIds": call_ids}, "contentSelector": CONTENT}
        for sent_at, calls_of_page in pages("/v2/calls/extensive", "calls", body):
            yield pull.records(calls_of_page, sent_at)

    def transcripts_of(call_ids: list[str]) -> Iterator[Any]:
        for first in range(0, len(call_ids), TRANSCRIPTS_A_REQUEST):
            body = {"filter": {"callIds": call_ids[first : first + TRANSCRIPTS_A_REQUEST]}}
            for sent_at, page in pages("/v2/calls/transcript", "callTranscripts", body):
                yield pull.records(page, sent_at)

    resources: list[DltResource] = [users, calls, transcripts, late_transcripts, late_calls]
    if pull.slice:
        resources = [calls_of_the_day, transcripts]
    if pull.ids is not None:
        resources = [late_transcripts, late_calls]
    return DltSource(dlt.Schema("gong"), "gong", resources)


def probe(settings: Settings) -> None:
    """Ask for a page of users, once. Raises MissingSetting, VendorRefused, VendorUnavailable."""
    with _session(settings) as session:
        _check(session, session.get(f"{settings.url}/v2/users", auth=settings.auth(), timeout=PROBE_TIMEOUT_S))


def _session(settings: Settings) -> VendorSession:
    return VendorSession("Gong", settings.url, "Check SOPHIA_GONG_ACCESS_KEY, its secret and its scopes.")


def _parts(first: PageData[Any], begin: datetime, end: datetime) -> list[datetime]:
    """Where the parts of a window begin; one where its calls are few enough for one sequence.

    Args:
        first: the window's first page, which says how many calls there are. Gong gives the oldest first, as far as is
            known, so what lies before them is a part of its own, most likely an empty one.
    """
    records = first.response.json()["records"]
    count = math.ceil(records["totalRecords"] / (PAGES_A_PART * max(1, records["currentPageSize"])))
    oldest = max(begin, min(filter(None, map(_started, first)), default=begin) - EDGE)
    length = (end - oldest) / count
    if count == 1 or length < SHORTEST_PART:
        return [begin]
    return [*([begin] if oldest > begin else []), *(oldest + number * length for number in range(count))]


def _started(call: dict[str, Json]) -> datetime | None:
    """None where the call does not say it in a way that can be read; its row will be a dead letter."""
    try:
        return datetime.fromisoformat(at(call, "metaData.started")).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _asked(window_start: datetime, window_end: datetime | None = None) -> dict[str, Json]:
    """The body that asks for the calls of a window."""
    window = {"fromDateTime": window_start.isoformat()}
    if window_end:
        window["toDateTime"] = window_end.isoformat()
    return {"filter": window, "contentSelector": CONTENT}


def _id(call: dict[str, Json]) -> str | None:
    """None where it cannot be read; its row will be a dead letter."""
    try:
        call_id = at(call, "metaData.id")
    except ValueError:
        return None
    return call_id if isinstance(call_id, str) else None


def _public_id(call: dict[str, Json]) -> str | None:
    """The id of a call that is surely not private."""
    call_id = _id(call)
    return call_id if call_id and at(call, "metaData.isPrivate") is False else None


def _check(session: VendorSession, response: requests.Response, *_: Any, **__: Any) -> None:
    """Gong answers 404 where a range is empty; only this text is an empty page, any other 404 a failure."""
    if response.status_code == 404 and answer(response) == NO_CALLS:
        raise IgnoreResponseException
    session.check(response)
