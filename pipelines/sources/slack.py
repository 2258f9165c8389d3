"""Slack: channels, their members, users, messages with replies. Web API, docs.slack.dev/reference/methods.

    channels         conversations.list                    no filter: read whole, sweep whole
    users            users.list                            no filter: read whole, sweep whole
    channel_members  conversations.members                 a channel at a time, swept a channel at a time
    messages         conversations.history, .replies       a channel at a time, by ts

History knows nothing of replies, edits or deletes after the fact, so a channel is read again from `lookback_days`
before its newest message. A thread's replies are read when its parent says something else than we hold (a reply came or
went) or its newest reply lies within `reply_lookback_days` (an edit leaves the parent alone). What changes further
back is seen by a full pull alone. A channel has a cursor of its own: one that the app joins later is read from its
beginning. One that is closed to us or gone takes its messages along. Limits are a method's, by tier; a thread with news
costs a request.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Generator, Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

import dlt
import msgspec
import requests
import structlog
from dlt.extract import DltResource, DltSource
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.client import PageData, RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

from contracts.address import Address
from contracts.errors import MissingSetting, VendorRefused, VendorUnavailable
from pipelines.sources import Json, Pull, Slices, SourceSettings, Sweep
from pipelines.sources._http import PROBE_TIMEOUT_S, VendorSession, restarted
from transforms.raw import from_epoch

log = structlog.get_logger()

CHANNEL_TYPES = "public_channel,private_channel"
PAGE = 999
"""Slack's maximum for history, replies and members."""
LIST_PAGE = 200
"""Slack recommends at most 200 for conversations.list and users.list."""
TRANSIENT = frozenset({"internal_error", "service_unavailable", "fatal_error", "request_timeout", "ratelimited"})
CLOSED = frozenset({"not_in_channel", "channel_not_found", "is_archived", "no_permission"})
"""Of one channel: it was closed to us between its listing and its reading."""
TIERS = {
    2: ("conversations.list", "users.list"),
    3: ("conversations.history", "conversations.replies", "conversations.join"),
    4: ("conversations.members",),
}
RESTRICTED = ("conversations.history", "conversations.replies")
RESTRICTED_PAGE = 15
SLICES = Slices(
    "channel", "SELECT CHANNEL_ID AS KEY FROM SLACK_INTEGRATION.CHANNELS WHERE _DELETED_AT IS NULL ORDER BY CHANNEL_ID"
)

KNOWN = {
    "threads": """
        SELECT CHANNEL_ID, THREAD_TS, COUNT(*) AS REPLIES, MAX(TS) AS LATEST_REPLY
        FROM SLACK_INTEGRATION.MESSAGES
        WHERE IS_REPLY AND _DELETED_AT IS NULL
        GROUP BY CHANNEL_ID, THREAD_TS
    """,
    "channels": """
        SELECT DISTINCT CHANNEL_ID FROM SLACK_INTEGRATION.MESSAGES WHERE _DELETED_AT IS NULL
        UNION
        SELECT DISTINCT CHANNEL_ID FROM SLACK_INTEGRATION.CHANNEL_MEMBERS WHERE _DELETED_AT IS NULL
    """,
}


class Settings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_SLACK_*`."""

    url: Annotated[str, msgspec.Meta(pattern="^https?://.*[^/]$")] = "https://slack.com/api"
    token: str | None = None
    """`xoxb-…` with channels:read, channels:history, channels:join, groups:read, groups:history, users:read."""
    tier2_per_minute: Annotated[float, msgspec.Meta(gt=0)] = 20.0
    tier3_per_minute: Annotated[float, msgspec.Meta(gt=0)] = 50.0
    tier4_per_minute: Annotated[float, msgspec.Meta(gt=0)] = 100.0
    lookback_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 90
    reply_lookback_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 7
    restricted: bool = False
    """For an app that is distributed outside Slack's Marketplace: history and replies once a minute, 15 messages a page
    (docs.slack.dev/apis/web-api/rate-limits, 2025-05-29)."""
    join_public_channels: bool = True
    """A bot sees the messages of channels that it is a member of, so it joins the public ones."""

    def auth(self) -> BearerTokenAuth:
        """Raises MissingSetting."""
        if self.token is None:
            raise MissingSetting("SOPHIA_SLACK_TOKEN", "a pull from Slack")
        return BearerTokenAuth(self.token)


def source(settings: Settings, pull: Pull) -> DltSource:
    """The four streams; records as Slack gives them, with `channel` added to messages and members."""

    stored: dict[str, str] = msgspec.json.decode(pull.position("messages") or "{}")
    cursors = dict(stored)

    def window_start(channel_id: str) -> str:
        """The oldest ts that this pull lists in a channel."""
        if channel_id not in stored:
            return "0"
        since = from_epoch(stored[channel_id]) - timedelta(days=settings.lookback_days)
        return f"{max(0.0, since.timestamp()):.6f}"

    session = pull.open(_session(settings), settings)
    session.one_limit = False
    for tier, methods in TIERS.items():
        for method in methods:
            slow = settings.restricted and method in RESTRICTED
            per_minute = 1.0 if slow else getattr(settings, f"tier{tier}_per_minute")
            session.limit(f"{settings.url}/{method}", per_minute=per_minute)
    page_size = RESTRICTED_PAGE if settings.restricted else PAGE

    @functools.cache
    def client() -> RESTClient:
        return RESTClient(settings.url, auth=settings.auth(), session=session)

    def pages(method: str, list_key: str, **params: Json) -> Iterator[tuple[datetime, PageData[Any]]]:
        def begin() -> Iterator[tuple[datetime, PageData[Any]]]:
            sequence = client().paginate(
                f"/{method}",
                params=dict(params),  # the paginator writes its cursor into it
                data_selector=list_key,
                paginator=JSONResponseCursorPaginator("response_metadata.next_cursor", cursor_param="cursor"),
                hooks={"response": [functools.partial(_check, session)]},
            )
            return pull.stamped(sequence)

        return restarted(session, begin)

    @dlt.resource(name="channels")
    @pull.until_spent("channels", "channel_members", "messages")
    def channels() -> Iterator[Any]:
        requested_at = pull.clock()
        listed: set[Json] = set()
        for sent_at, page in pages("conversations.list", "channels", types=CHANNEL_TYPES, limit=LIST_PAGE):
            listed |= {channel.get("id") for channel in page}
            yield pull.records([joined(channel) for channel in page], sent_at)
        pull.sweeps.append(Sweep(Address("slack", "channels"), requested_at))
        # What stood in a channel that is closed to us, or gone, must not stay readable.
        closed = sorted({row["channel_id"] for row in pull.known.get("channels", [])} - listed)
        for entity in ("channel_members", "messages"):
            pull.sweeps.append(Sweep(Address("slack", entity), requested_at, (("channel_id", "in", closed),)))

    @dlt.resource(name="users")
    @pull.until_spent("users")
    def users() -> Iterator[Any]:
        requested_at = pull.clock()
        for sent_at, page in pages("users.list", "members", limit=LIST_PAGE):
            yield pull.records(page, sent_at)
        pull.sweeps.append(Sweep(Address("slack", "users"), requested_at))

    @dlt.transformer(name="channel_members", data_from=channels)
    @pull.until_spent("channel_members")
    def channel_members(page: list[dict[str, Json]]) -> Iterator[Any]:
        for channel in wanted(page):
            requested_at = pull.clock()
            for sent_at, members in pages("conversations.members", "members", channel=channel["id"], limit=PAGE):
                yield pull.records([{"channel": channel["id"], "user": user} for user in members], sent_at)
            where = (("channel_id", "=", channel["id"]),)
            pull.sweeps.append(Sweep(Address("slack", "channel_members"), requested_at, where))

    @dlt.transformer(name="messages", data_from=channels)
    @pull.until_spent("messages")
    def messages(page: list[dict[str, Json]]) -> Iterator[Any]:
        for channel in wanted(page):
            if not channel.get("is_member"):
                continue
            threads: dict[str, dict[str, Json]] = {}
            try:
                newest = yield from history(channel["id"], threads)
            except VendorRefused as refusal:
                if refusal.answer not in CLOSED:
                    raise
                log.warning("channel_closed", channel=channel["id"], answer=refusal.answer)
                continue
            yield from replies(channel["id"], threads)
            if newest:
                cursors[channel["id"]] = newest
            pull.reached["messages"] = msgspec.json.encode(cursors, order="sorted").decode()

    def wanted(page: list[dict[str, Json]]) -> Iterator[dict[str, Json]]:
        """The channels of a page, or the one that is the slice; one without an id will be a dead letter."""
        for item in page:
            channel = json.loads(item["record"])
            if channel.get("id") and pull.slice in (None, channel["id"]):
                yield channel

    def joined(channel: dict[str, Json]) -> dict[str, Json]:
        """The channel as it is once we are a member, where we may become one."""
        closed = channel.get("is_private") or channel.get("is_archived")
        if channel.get("is_member") or closed or not settings.join_public_channels:
            return channel
        response = client().post("/conversations.join", data={"channel": channel.get("id")})
        try:
            _check(session, response)
        except VendorRefused as refusal:  # this channel alone: an admin may forbid it
            log.warning("channel_not_joined", channel=channel.get("id"), answer=refusal.answer)
            return channel
        return dict(response.json()["channel"])

    def history(channel_id: str, threads: dict[str, dict[str, Json]]) -> Generator[Any, None, str]:
        """Fills `threads`; returns the newest ts that the channel has shown, empty text for none."""
        requested_at = pull.clock()
        newest = cursors.get(channel_id, "")
        oldest = window_start(channel_id)
        for sent_at, page in pages(
            "conversations.history", "messages", channel=channel_id, oldest=oldest, inclusive="true", limit=page_size
        ):
            for message in page:
                ts = message.get("ts")
                if not isinstance(ts, str):
                    continue  # its row will be a dead letter
                newest = max(newest, ts)
                if message.get("thread_ts") == ts:
                    threads[ts] = message
            yield pull.records([{"channel": channel_id, **message} for message in page], sent_at)
        where = (("channel_id", "=", channel_id), ("ts", ">=", oldest), ("is_reply", "=", False))
        pull.sweeps.append(Sweep(Address("slack", "messages"), requested_at, where))
        return newest

    def replies(channel_id: str, threads: dict[str, dict[str, Json]]) -> Iterator[Any]:
        held = {r["thread_ts"]: r for r in pull.known.get("threads", []) if r["channel_id"] == channel_id}
        requested_at = pull.clock()
        recent = requested_at - timedelta(days=settings.reply_lookback_days)
        changed: list[str] = []
        for thread_ts, parent in threads.items():
            latest_reply = parent.get("latest_reply") or thread_ts
            same = thread_ts in held and (parent.get("reply_count"), latest_reply) == (
                held[thread_ts]["replies"],
                held[thread_ts]["latest_reply"],
            )
            if pull.full or not same or from_epoch(latest_reply) >= recent:
                changed.append(thread_ts)
        # Of these the last reply went, or all of the thread.
        changed += [
            thread_ts for thread_ts in held if thread_ts not in threads and thread_ts >= window_start(channel_id)
        ]
        for thread_ts in changed:
            yield from thread(channel_id, thread_ts)
        where = (("channel_id", "=", channel_id), ("thread_ts", "in", changed), ("is_reply", "=", True))
        pull.sweeps.append(Sweep(Address("slack", "messages"), requested_at, where))

    def thread(channel_id: str, thread_ts: str) -> Iterator[Any]:
        sequence = pages("conversations.replies", "messages", channel=channel_id, ts=thread_ts, limit=page_size)
        try:
            for sent_at, page in sequence:
                answers = [message for message in page if message.get("ts") != thread_ts]  # the parent comes first
                yield pull.records([{"channel": channel_id, **message} for message in answers], sent_at)
        except VendorRefused as refusal:
            if refusal.answer != "thread_not_found":
                raise

    resources: list[DltResource] = [channels, users, channel_members, messages]
    if pull.slice:
        resources.remove(users)
    return DltSource(dlt.Schema("slack"), "slack", resources)


def probe(settings: Settings) -> None:
    """Ask whose token it is, once. Raises MissingSetting, VendorRefused, VendorUnavailable."""
    with _session(settings) as session:
        _check(session, session.get(f"{settings.url}/auth.test", auth=settings.auth(), timeout=PROBE_TIMEOUT_S))


def _session(settings: Settings) -> VendorSession:
    return VendorSession("Slack", settings.url, "Check SOPHIA_SLACK_TOKEN and its scopes.")


def _check(session: VendorSession, response: requests.Response, *_: Any, **__: Any) -> None:
    """Slack answers HTTP 200 to a failure too, with `ok: false` and a code."""
    session.check(response)
    body = response.json()
    if not body["ok"]:
        code = str(body.get("error"))
        if code in TRANSIENT:
            raise VendorUnavailable("Slack", session.url, code)
        raise VendorRefused("Slack", response.status_code, code, session.way_out)
