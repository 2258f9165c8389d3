"""How Slack's things are put together: a channel with its messages and threads, and what a user looks like.

A message is known by (channel, ts). What a parent says of its thread (`reply_count`, `latest_reply`, ...) is
never stored: it is counted from the replies that exist at a time, so deleting the last one takes it away.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.records import Record


@dataclass(slots=True)
class Channel:
    """One conversation."""

    record: Record
    """As conversations.list gives it, without `is_member` and `num_members`."""
    members: list[str]
    is_member: bool
    """Whether the app's bot may read it; an export's bot reads all without being listed."""
    messages: dict[str, Record] = field(default_factory=dict)
    """By ts; as stored, without what is counted from replies."""
    order: list[str] = field(default_factory=list)
    """Every ts, oldest first. All have ten digits before the point, so text order is time order."""
    threads: dict[str, list[str]] = field(default_factory=dict)
    """Reply ts by the parent's ts, oldest first; only threads that have one."""
    used: set[str] = field(default_factory=set)
    """Every ts that was ever given out: a deleted one is not used again."""

    @property
    def id(self) -> str:
        return str(self.record["id"])

    def add(self, message: Record) -> None:
        """Store a message; a reply is one whose thread_ts is not its own ts."""
        ts, thread_ts = message["ts"], message.get("thread_ts")
        self.messages[ts] = message
        insort(self.order, ts)
        self.used.add(ts)
        if thread_ts is not None and thread_ts != ts:
            insort(self.threads.setdefault(thread_ts, []), ts)

    def remove(self, ts: str) -> None:
        """Take a message out of every list, without regard to its replies."""
        message = self.messages.pop(ts)
        del self.order[bisect_left(self.order, ts)]
        thread_ts = message.get("thread_ts")
        if thread_ts is not None and thread_ts in self.threads and ts in self.threads[thread_ts]:
            self.threads[thread_ts].remove(ts)
            if not self.threads[thread_ts]:
                del self.threads[thread_ts]

    def replies(self, ts: str, now: datetime) -> list[str]:
        """The ts of this parent's replies that exist at `now`, oldest first."""
        return self.threads.get(ts, [])[: _until(self.threads.get(ts, []), now)]

    def visible(self, now: datetime) -> Iterator[str]:
        """Every ts that exists at `now`, oldest first."""
        return (ts for ts in self.order[: _until(self.order, now)] if self.is_visible(ts, now))

    def is_visible(self, ts: str, now: datetime) -> bool:
        """Whether the message exists at `now`; a tombstone does only while it has replies."""
        message = self.messages.get(ts)
        if message is None or int(ts[:10]) > int(now.timestamp()):
            return False
        return message.get("subtype") != "tombstone" or bool(self.replies(ts, now))

    def shown(self, ts: str, now: datetime) -> Record:
        """The message as history and replies give it."""
        message = dict(self.messages[ts])
        replies = self.replies(ts, now)
        if replies:
            users = list(
                dict.fromkeys(m.get("user") or m.get("bot_id", "") for m in map(self.messages.__getitem__, replies))
            )
            message |= {
                "thread_ts": ts,
                "reply_count": len(replies),
                "reply_users_count": len(users),
                "reply_users": users,
                "latest_reply": replies[-1],
                "subscribed": False,
            }
        elif message.get("thread_ts") == ts:
            del message["thread_ts"]
        elif "thread_ts" in message and message["thread_ts"] in self.messages:
            parent_user = self.messages[message["thread_ts"]].get("user")
            if parent_user is not None:
                message["parent_user_id"] = parent_user
        return message

    def next_ts(self, now: datetime) -> str:
        """A new ts of this second, above all that were given out in it (the fraction is Slack's sequence number)."""
        second = f"{int(now.timestamp()):010d}"
        last = max((int(ts[11:]) for ts in self.used if ts.startswith(second)), default=0)
        return f"{second}.{last + 1:06d}"


def _until(order: list[str], now: datetime) -> int:
    """How many of these exist at `now`: a ts exists from its whole second on, its fraction is a sequence number."""
    return bisect_left(order, f"{int(now.timestamp()) + 1:010d}")


def channel_record(channel_id: str, name: str, creator: str, created: datetime, private: bool = False) -> Record:
    """A conversation as Slack's Web API gives it, `created` in seconds and `updated` in milliseconds."""
    made_s = int(created.timestamp())
    empty = {"value": "", "creator": "", "last_set": 0}
    return {
        "id": channel_id,
        "name": name,
        "name_normalized": name,
        "is_channel": not private,
        "is_group": private,
        "is_im": False,
        "is_mpim": False,
        "is_private": private,
        "is_archived": False,
        "is_general": False,
        "is_shared": False,
        "is_ext_shared": False,
        "is_org_shared": False,
        "created": made_s,
        "creator": creator,
        "unlinked": 0,
        "topic": dict(empty),
        "purpose": dict(empty),
        "previous_names": [],
        "updated": made_s * 1000,
    }


def user_record(user_id: str, team_id: str, name: str, real_name: str, updated: datetime) -> Record:
    """A person as users.list gives it, `updated` in seconds."""
    profile = {
        "real_name": real_name,
        "real_name_normalized": real_name,
        "display_name": name,
        "display_name_normalized": name,
        "email": f"{name}@brindlewick.example",
        "title": "",
        "phone": "",
        "skype": "",
        "status_text": "",
        "status_emoji": "",
        "avatar_hash": user_id[-8:].lower(),
        "team": team_id,
        "fields": None,
    }
    return {
        "id": user_id,
        "team_id": team_id,
        "name": name,
        "deleted": False,
        "color": "4bbe2e",
        "real_name": real_name,
        "tz": "Europe/Amsterdam",
        "tz_label": "Central European Time",
        "tz_offset": 3600,
        "profile": profile,
        "is_admin": False,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_bot": False,
        "is_app_user": False,
        "updated": int(updated.timestamp()),
    }


def is_ts(ts: object) -> bool:
    return (
        isinstance(ts, str)
        and len(ts) == 17
        and ts[10] == "."
        and (ts[:10] + ts[11:]).isascii()
        and (ts[:10] + ts[11:]).isdigit()
    )
