"""Slack's Web API over the world's records: channels, history, replies, members, users.

Source: Slack's published Web API description and its pages on rate limits. Success and failure are both HTTP
200 with `ok`; only a limit is a 429. Mounted under `/slack/api`, as `https://slack.com/api/` is.
Reading methods take a GET query or a POST form and ignore a JSON body, as Slack does.
"""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from sandbox.gate import Faults
from sandbox.limits import Limit, Limiter
from sandbox.records import Record
from sandbox.slack_channels import Channel
from sandbox.slack_records import SlackRecords
from sandbox.world import World

DEFAULT_TOKEN = "xoxb-sandbox"  # noqa: S105 - what anybody on this machine may know
SCOPES = "channels:read,groups:read,channels:history,groups:history,users:read,users:read.email,channels:join"
TIER_2, TIER_3, TIER_4 = Limit(20, 60.0), Limit(50, 60.0), Limit(100, 60.0)
RESTRICTED = Limit(1, 60.0)
"""For history and replies of apps that are distributed outside the Marketplace (since 2025-05-29)."""
RESTRICTED_PAGE = 15
DEFAULT_PAGE = 100
MAX_PAGE = 999
TYPES = ("public_channel", "private_channel", "mpim", "im")
_TIME = re.compile(r"\d{1,12}(\.\d{1,6})?")


class SlackError(Exception):
    """An answer with `ok: false`; the message is Slack's error code."""


@dataclass(frozen=True, slots=True)
class Call:
    """One method call, its arguments from query, form or (conversations.join) JSON."""

    request: Request
    args: dict[str, str]

    def flag(self, name: str) -> bool:
        return self.args.get(name, "").lower() in ("true", "1")

    def limit(self, default: int = DEFAULT_PAGE) -> int:
        """The page size; SlackError invalid_limit outside 1 to 999."""
        text = self.args.get("limit", "")
        if not text:
            return default
        if not text.isdecimal() or not 1 <= int(text) <= MAX_PAGE:
            raise SlackError("invalid_limit")
        return int(text)

    def time(self, name: str) -> str | None:
        """oldest or latest as a ts with six decimals, which compares as text; SlackError invalid_ts_*."""
        text = self.args.get(name, "")
        if not text:
            return None
        if not _TIME.fullmatch(text):
            raise SlackError(f"invalid_ts_{name}")
        second, _, fraction = text.partition(".")
        return f"{int(second):010d}.{fraction:0<6}"


class SlackApi:
    """The API of one world, for one app with one bot token."""

    name = "slack"
    prefix = "/slack/api"

    def __init__(
        self,
        world: World,
        limiter: Limiter,
        faults: Faults,
        token: str = DEFAULT_TOKEN,
        restricted: bool = False,
        largest_page: int | None = None,
    ) -> None:
        self._largest_page = largest_page or MAX_PAGE
        self._world = world
        self._limiter = limiter
        self._faults = faults
        self._token = token
        self._restricted = restricted
        self._generation = 0
        reading = RESTRICTED if restricted else TIER_3
        self._methods: dict[str, tuple[Limit, Callable[[Call], Record]]] = {
            "auth.test": (Limit(100, 60.0), self._auth_test),
            "team.info": (TIER_3, self._team_info),
            "conversations.list": (TIER_2, self._list),
            "conversations.info": (TIER_3, self._info),
            "conversations.history": (reading, self._history),
            "conversations.replies": (reading, self._replies),
            "conversations.members": (TIER_4, self._members),
            "conversations.join": (TIER_3, self._join),
            "users.list": (TIER_2, self._users),
        }

    def router(self) -> Router:
        """The one route below the prefix: `/{method}`."""
        return Router([Route("/{method}", self._endpoint, methods=["GET", "POST"])])

    def expire_cursors(self) -> None:
        """Make every cursor that was given out so far invalid."""
        self._generation += 1

    def failure(self, status: int, retry_after_s: int | None = None) -> Response:
        """An answer that is not 200: the limit's, or a server error for an ordered fault."""
        code = {429: "ratelimited", 503: "service_unavailable"}.get(status, "internal_error")
        response = _json({"ok": False, "error": code}, status)
        if retry_after_s is not None:
            response.headers["retry-after"] = str(retry_after_s)
        return response

    async def _endpoint(self, request: Request) -> Response:
        """Token, then the method's limit, then the method; its errors become answers."""
        method = request.path_params["method"]
        try:
            call = Call(request, await _arguments(request, method))
            self._check_token(call)
            if method not in self._methods:
                raise SlackError("unknown_method")
            limit, handler = self._methods[method]
            wait_s = self._limiter.wait_s(f"slack {method}", limit)
            if wait_s is not None:
                return self.failure(429, wait_s)
            return _json({"ok": True} | handler(call))
        except SlackError as error:
            return _json({"ok": False, "error": str(error)})

    def _check_token(self, call: Call) -> None:
        scheme, _, token = call.request.headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else call.args.get("token", "")
        if not given:
            raise SlackError("not_authed")
        if given != self._token:
            raise SlackError("invalid_auth")

    @property
    def _records(self) -> SlackRecords:
        return self._world.slack

    # The workspace.

    def _auth_test(self, _call: Call) -> Record:
        team, bot = self._records.team, self._records.bot
        return {
            "url": f"https://{team['domain']}.slack.example/",
            "team": team["name"],
            "user": bot["name"],
            "team_id": team["id"],
            "user_id": bot["user_id"],
            "bot_id": bot["bot_id"],
            "is_enterprise_install": False,
        }

    def _team_info(self, _call: Call) -> Record:
        return {"team": self._records.team}

    def _users(self, call: Call) -> Record:
        """Everybody where no limit is given, as Slack tries to."""
        ids = sorted(self._records.users)
        page, cursor = self._page(call, "user", ids, self._limit(call, len(ids) or 1))
        return {
            "members": [self._records.users[user] for user in page],
            "cache_ts": int(self._world.now.timestamp()),
            "response_metadata": {"next_cursor": cursor},
        }

    # Channels.

    def _list(self, call: Call) -> Record:
        """exclude_archived is applied after paging, so a page may be shorter than the limit while more follow."""
        types = [name.strip() for name in (call.args.get("types") or "public_channel").split(",")]
        if not set(types) <= set(TYPES):
            raise SlackError("invalid_types")
        found = {
            channel.id: channel
            for channel in self._records.visible_channels()
            if ("private_channel" if channel.record["is_private"] else "public_channel") in types
        }
        page, cursor = self._page(call, "team", list(found), self._limit(call))
        shown = [self._records.shown_channel(found[channel_id]) for channel_id in page]
        if call.flag("exclude_archived"):
            shown = [record for record in shown if not record["is_archived"]]
        return {"channels": shown, "response_metadata": {"next_cursor": cursor}}

    def _info(self, call: Call) -> Record:
        record = self._records.shown_channel(self._channel(call))
        if not call.flag("include_num_members"):
            del record["num_members"]
        return {"channel": record}

    def _members(self, call: Call) -> Record:
        page, cursor = self._page(call, "user", sorted(self._channel(call).members), self._limit(call))
        return {"members": page, "response_metadata": {"next_cursor": cursor}}

    def _join(self, call: Call) -> Record:
        channel = self._channel(call)
        if channel.record["is_private"]:
            raise SlackError("method_not_supported_for_channel_type")
        if channel.record["is_archived"]:
            raise SlackError("is_archived")
        if channel.is_member:
            warning = "already_in_channel"
            return {
                "channel": self._records.shown_channel(channel),
                "warning": warning,
                "response_metadata": {"warnings": [warning]},
            }
        command = {"stream": "slack.channels", "id": channel.id, "fields": {"is_member": True}}
        return {"channel": self._world.execute("edit", command)}

    def _channel(self, call: Call, to_read: bool = False) -> Channel:
        channel = self._records.channels.get(call.args.get("channel", ""))
        if channel is None or (channel.record["is_private"] and not channel.is_member):
            raise SlackError("channel_not_found")
        if to_read and not channel.is_member:
            raise SlackError("not_in_channel")
        return channel

    # Messages.

    def _history(self, call: Call) -> Record:
        """Newest first; replies only where they were also sent to the channel."""
        channel, limit, now = self._channel(call, to_read=True), self._reading_limit(call), self._world.now
        stamps = _between(channel.order, call)
        cursor_ts = self._read_cursor(call, "next_ts")
        if cursor_ts is not None:
            stamps = stamps[: bisect_right(stamps, cursor_ts)]
        there = (ts for ts in reversed(stamps) if channel.is_visible(ts, now) and _is_in_history(channel.messages[ts]))
        page = list(islice(there, limit + 1))
        answer: Record = {
            "messages": [channel.shown(ts, now) for ts in page[:limit]],
            "has_more": len(page) > limit,
            "pin_count": 0,
            "channel_actions_ts": None,
            "channel_actions_count": 0,
        }
        if len(page) > limit:
            answer["response_metadata"] = {"next_cursor": self._cursor("next_ts", page[limit])}
        return answer

    def _replies(self, call: Call) -> Record:
        """Oldest first, the parent in front of every page; a ts without a thread gives that message alone."""
        channel, limit, now = self._channel(call, to_read=True), self._reading_limit(call), self._world.now
        ts = call.args.get("ts", "")
        if not channel.is_visible(ts, now):
            raise SlackError("thread_not_found")
        stamps = _between(channel.replies(ts, now), call)
        cursor_ts = self._read_cursor(call, "next_ts")
        if cursor_ts is not None:
            stamps = [reply for reply in stamps if reply >= cursor_ts]
        # The parent counts, but a page of nothing else would never end.
        room = max(1, limit - 1)
        answer: Record = {
            "messages": [channel.shown(stamp, now) for stamp in (ts, *stamps[:room])],
            "has_more": len(stamps) > room,
        }
        if len(stamps) > room:
            answer["response_metadata"] = {"next_cursor": self._cursor("next_ts", stamps[room])}
        return answer

    def _reading_limit(self, call: Call) -> int:
        if self._restricted:
            return min(call.limit(RESTRICTED_PAGE), RESTRICTED_PAGE)
        return self._limit(call)

    def _limit(self, call: Call, default: int = DEFAULT_PAGE) -> int:
        return min(call.limit(default), self._largest_page)

    # Cursors.

    def _page(self, call: Call, kind: str, ids: list[str], limit: int) -> tuple[list[str], str]:
        """A page of sorted ids and the cursor of the next one, empty at the end."""
        first = self._read_cursor(call, kind)
        begin = bisect_left(ids, first) if first is not None else 0
        rest = ids[begin:]
        return rest[:limit], self._cursor(kind, rest[limit]) if len(rest) > limit else ""

    def _cursor(self, kind: str, place: str) -> str:
        return base64.b64encode(f"{kind}:{place}:{self._generation}".encode()).decode()

    def _read_cursor(self, call: Call, kind: str) -> str | None:
        """The place that a cursor of this kind names; SlackError invalid_cursor for any other text."""
        text = call.args.get("cursor", "")
        if not text:
            return None
        try:
            found, place, generation = base64.b64decode(text, validate=True).decode().split(":")
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise SlackError("invalid_cursor") from error
        path = call.request.url.path.removeprefix(self.prefix)
        faulty = self._faults.take(self.name, path, for_cursor=True)
        if faulty or found != kind or generation != str(self._generation):
            raise SlackError("invalid_cursor")
        return place


async def _arguments(request: Request, method: str) -> dict[str, str]:
    args = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind == "application/x-www-form-urlencoded":
        args |= dict(parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True))
    elif kind == "application/json" and method == "conversations.join":
        try:
            body = msgspec.json.decode(await request.body(), type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise SlackError("invalid_json") from error
        args |= {name: str(value) for name, value in body.items()}
    return args


def _is_in_history(message: Record) -> bool:
    is_reply = message.get("thread_ts", message["ts"]) != message["ts"]
    return not is_reply or message.get("subtype") == "thread_broadcast"


def _between(stamps: list[str], call: Call) -> list[str]:
    """Those between oldest and latest, which are excluded themselves unless `inclusive` is set.

    Args:
        stamps: oldest first.
    """
    oldest, latest, inclusive = call.time("oldest"), call.time("latest"), call.flag("inclusive")
    before, behind = (bisect_left, bisect_right) if inclusive else (bisect_right, bisect_left)
    begin = 0 if oldest is None else before(stamps, oldest)
    end = len(stamps) if latest is None else behind(stamps, latest)
    return stamps[begin:end]


def _json(content: Record, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json; charset=utf-8")
