"""Gong: users, calls (by the extensive endpoint), transcripts. API v2, help.gong.io/apidocs.

    users        GET  /v2/users             no filter: read whole, sweep whole
    calls        POST /v2/calls/extensive   by start time: from the newest start seen, less the lookback
    transcripts  POST /v2/calls/transcript  by call ids, 100 a request

Gong tells nothing of changes, deletions or late calls, so the window from `lookback_days` before the newest call is
read whole each time, and what is gone from it is deleted. What changes further back is seen by a full pull alone.
Private calls are landed without their transcript. Gong's cursors expire an hour after a sequence began: it begins
again.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dlt
import msgspec
import requests
from dlt.extract import DltResource, DltSource
from dlt.sources.helpers.rest_client.client import PageData, RESTClient
from dlt.sources.helpers.rest_client.exceptions import IgnoreResponseException
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from requests.auth import HTTPBasicAuth

from contracts.address import Address
from contracts.errors import MissingSetting, VendorRefused
from pipelines.sources import Json, Pull, Sweep
from pipelines.sources._http import VendorSession, answer
from transforms.raw import at

EDGE = timedelta(days=1)
"""How far a call's start may lie from its schedule before a sweep could take it for deleted."""
NO_CALLS = "No calls found corresponding to the provided filters"
CURSOR_EXPIRED = "cursor has expired"
TRANSCRIPTS_A_REQUEST = 100
RESTARTS = 2

CONTENT = {
    "context": "Extended",
    "contextTiming": ["Now"],
    "exposedFields": {
        "parties": True,
        "content": {"brief": True, "callOutcome": True, "keyPoints": True, "trackers": True, "topics": True},
    },
}
"""The contentSelector: without one Gong answers metaData alone."""

KNOWN = {
    "without_transcript": """
        SELECT CALLS.CALL_ID
        FROM GONG_INTEGRATION.CALLS AS CALLS
        LEFT JOIN GONG_INTEGRATION.TRANSCRIPTS AS TRANSCRIPTS ON CALLS.CALL_ID = TRANSCRIPTS.CALL_ID
        WHERE TRANSCRIPTS.CALL_ID IS NULL AND CALLS._DELETED_AT IS NULL AND NOT COALESCE(CALLS.IS_PRIVATE, FALSE)
    """,
    "transcribed": """
        SELECT TRANSCRIPTS.CALL_ID, CALLS.STARTED_AT
        FROM GONG_INTEGRATION.TRANSCRIPTS AS TRANSCRIPTS
        INNER JOIN GONG_INTEGRATION.CALLS AS CALLS ON TRANSCRIPTS.CALL_ID = CALLS.CALL_ID
        WHERE TRANSCRIPTS._DELETED_AT IS NULL
    """,
}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_GONG_*`."""

    url: str = "https://api.gong.io"
    """Some tenants have a host of their own; Gong's API page shows it."""
    access_key: str | None = None
    access_key_secret: str | None = None
    requests_per_second: float = 3.0
    """Gong allows a company 3 a second and 10,000 a day."""
    lookback_days: int = 14
    """Peers' run from 1 day (Airbyte, Onyx) to 14 (Nango); a call can become visible days after it began."""
    start: str = "2015-01-01T00:00:00Z"
    """No call before it is read, ISO 8601."""

    def auth(self) -> HTTPBasicAuth:
        """Raises MissingSetting."""
        if self.access_key is None:
            raise MissingSetting("SOPHIA_GONG_ACCESS_KEY", "a pull from Gong")
        if self.access_key_secret is None:
            raise MissingSetting("SOPHIA_GONG_ACCESS_KEY_SECRET", "a pull from Gong")
        return HTTPBasicAuth(self.access_key, self.access_key_secret)


def source(settings: Settings, pull: Pull) -> DltSource:
    """The three streams; records as Gong gives them."""

    session = pull.connections.enter_context(
        VendorSession("Gong", settings.url, "Check SOPHIA_GONG_ACCESS_KEY, its secret and its scopes.")
    )
    session.limit(settings.url, per_second=settings.requests_per_second)

    @functools.cache
    def client() -> RESTClient:
        return RESTClient(settings.url, auth=settings.auth(), session=session)

    def pages(
        path: str, list_key: str, body: dict[str, Json] | None = None
    ) -> Iterator[tuple[datetime, PageData[Any]]]:
        """A sequence of pages, begun again when its cursor expires. Records of a page that comes twice land once."""
        for restart in range(RESTARTS + 1):
            sequence = client().paginate(
                path,
                method="GET" if body is None else "POST",
                json=body,
                data_selector=list_key,
                paginator=JSONResponseCursorPaginator(
                    "records.cursor",
                    cursor_param="cursor" if body is None else None,
                    cursor_body_path=None if body is None else "cursor",
                ),
                hooks={"response": [functools.partial(_check, session)]},
            )
            try:
                yield from pull.stamped(sequence)
                return
            except VendorRefused as refusal:
                if CURSOR_EXPIRED not in refusal.answer or restart == RESTARTS:
                    raise

    @dlt.resource(name="users")
    def users() -> Iterator[Any]:
        requested_at = pull.clock()
        for sent_at, page in pages("/v2/users", "users"):
            yield pull.records(page, sent_at)
        pull.sweeps.append(Sweep(Address("gong", "users"), requested_at))

    @dlt.resource(name="calls")
    def calls() -> Iterator[Any]:
        requested_at = pull.clock()
        newest = pull.position("calls")
        lookback = timedelta(days=settings.lookback_days)
        window_start = datetime.fromisoformat(newest) - lookback if newest else datetime.fromisoformat(settings.start)
        body = {"filter": {"fromDateTime": window_start.isoformat()}, "contentSelector": CONTENT}
        for sent_at, page in pages("/v2/calls/extensive", "calls", body):
            starts = [datetime.fromisoformat(s) for call in page if (s := at(call, "metaData.started"))]
            newest = max([newest, *(s.astimezone(UTC).isoformat() for s in starts)])
            yield pull.records(page, sent_at)
        pull.reached["calls"] = newest
        # Gong's window compares the scheduled time of some calls, so one that began at the edge may lie outside.
        swept_from = (window_start + EDGE if pull.position("calls") else window_start).astimezone(UTC)
        pull.sweeps.append(Sweep(Address("gong", "calls"), requested_at, (("started_at", ">=", swept_from),)))
        # A transcript goes with its call, and when its call becomes private.
        known = pull.known.get("transcribed", [])
        held = [r["call_id"] for r in known if r["started_at"].replace(tzinfo=UTC) >= swept_from]
        pull.sweeps.append(Sweep(Address("gong", "transcripts"), requested_at, (("call_id", "in", held),)))

    @dlt.transformer(name="transcripts", data_from=calls)
    def transcripts(page: list[dict[str, Json]]) -> Iterator[Any]:
        metadata = [item["record"]["metaData"] for item in page]
        yield from transcripts_of([str(m["id"]) for m in metadata if not m.get("isPrivate")])

    @dlt.resource(name="late_transcripts", table_name="transcripts")
    def late_transcripts() -> Iterator[Any]:
        """Of calls that landed without one: a transcript appears only after Gong has processed it."""
        yield from transcripts_of([row["call_id"] for row in pull.known.get("without_transcript", [])])

    def transcripts_of(call_ids: list[str]) -> Iterator[Any]:
        for first in range(0, len(call_ids), TRANSCRIPTS_A_REQUEST):
            body = {"filter": {"callIds": call_ids[first : first + TRANSCRIPTS_A_REQUEST]}}
            for sent_at, page in pages("/v2/calls/transcript", "callTranscripts", body):
                yield pull.records(page, sent_at)

    resources: list[DltResource] = [users, calls, transcripts, late_transcripts]
    return DltSource(dlt.Schema("gong"), "gong", resources)


def _check(session: VendorSession, response: requests.Response, *_: Any, **__: Any) -> None:
    """Gong answers 404 where a range is empty; only this text is an empty page, any other 404 a failure."""
    if response.status_code == 404 and answer(response) == NO_CALLS:
        raise IgnoreResponseException
    session.check(response)
