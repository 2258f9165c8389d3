"""Slack's truth: users, channels, their members and messages, and what control commands do to them.

A message is known by (channel, ts). What a parent says of its thread (`reply_count`, `latest_reply`, ...) is
never stored: it is counted from the replies that exist at a time, so deleting the last one takes it away.
Nothing here pages, limits or checks a token; that is `slack`, which reads these records.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.records import CommandRefused, Moment, Record, letter_id, refuse_unknown

MESSAGE_FIELDS = frozenset(
    ("text", "user", "subtype", "bot_id", "username", "reactions", "files", "attachments", "blocks")
)
USER_FIELDS = frozenset(("name", "real_name", "display_name", "email", "title", "deleted", "tz", "is_admin", "is_bot"))
CHANNEL_FIELDS = frozenset(("name", "is_private", "is_archived", "is_member", "topic", "purpose"))
THREAD_FIELDS = frozenset(("thread_ts", "reply_count", "reply_users_count", "reply_users", "latest_reply", "subscribed"))
TOMBSTONE_TEXT = "This message was deleted."


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
            users = list(dict.fromkeys(m.get("user") or m.get("bot_id", "") for m in map(self.messages.__getitem__, replies)))
            message |= {"thread_ts": ts, "reply_count": len(replies), "reply_users_count": len(users),
                        "reply_users": users, "latest_reply": replies[-1], "subscribed": False}  # fmt: skip
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


@dataclass(slots=True)
class SlackRecords:
    """All that Slack knows."""

    team: Record
    bot: Record
    """`user_id`, `bot_id` and `name` of the app's bot."""
    users: dict[str, Record] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)

    def visible_channels(self) -> list[Channel]:
        """Public channels, and private ones that the bot is in; by id."""
        return [c for _, c in sorted(self.channels.items()) if c.is_member or not c.record["is_private"]]

    def shown_channel(self, channel: Channel) -> Record:
        """The channel as conversations.list gives it."""
        return channel.record | {"is_member": channel.is_member, "num_members": len(channel.members)}

    # What the world asks of every vendor.

    def counts(self, now: datetime) -> dict[str, int]:
        channels = self.visible_channels()
        return {
            "channels": len(channels),
            "channel_members": sum(len(channel.members) for channel in channels),
            "users": len(self.users),
            "messages": sum(1 for channel in channels if channel.is_member for _ in channel.visible(now)),
        }

    def streams(self, now: datetime) -> dict[str, list[Record]]:
        channels = self.visible_channels()
        return {
            "channels": [self.shown_channel(channel) for channel in channels],
            "channel_members": [{"channel": c.id, "user": user} for c in channels for user in c.members],
            "users": [self.users[user_id] for user_id in sorted(self.users)],
            "messages": [
                channel.shown(ts, now) | {"channel": channel.id}
                for channel in channels if channel.is_member for ts in channel.visible(now)
            ],
        }  # fmt: skip

    def create(self, stream: str, fields: Record, moment: Moment) -> Record:
        match stream:
            case "messages":
                return self._create_message(fields, moment)
            case "channels":
                return self._create_channel(fields, moment)
            case "channel_members":
                return self._change_member(fields, joins=True)
            case "users":
                return self._create_user(fields, moment)
        raise CommandRefused(f"There is no stream slack.{stream}; there are {', '.join(self.counts(moment.now))}.")

    def edit(self, stream: str, key: Mapping[str, Any], fields: Record, moment: Moment) -> Record:
        match stream:
            case "messages":
                return self._edit_message(*self._message(key, moment), fields, moment)
            case "channels":
                return self._edit_channel(self.channel(key.get("id")), fields, moment)
            case "users":
                return self._edit_user(key, fields, moment)
        raise CommandRefused(f"slack.{stream} can't be edited; messages, channels and users can.")

    def delete(self, stream: str, key: Mapping[str, Any], moment: Moment) -> Record:
        match stream:
            case "messages":
                return self._delete_message(*self._message(key, moment), bool(key.get("thread")), moment)
            case "channel_members":
                return self._change_member(key, joins=False)
        raise CommandRefused(f"slack.{stream} can't be deleted; archive a channel, set a user's deleted to true.")

    # Commands.

    def channel(self, name: object) -> Channel:
        """The channel of this id or name; raises CommandRefused."""
        found = self.channels.get(str(name))
        if found is None:
            found = next((c for c in self.channels.values() if c.record["name"] == str(name).lstrip("#")), None)
        if found is None:
            raise CommandRefused(f"Slack has no channel {name!r}.")
        return found

    def _message(self, key: Mapping[str, Any], moment: Moment) -> tuple[Channel, str]:
        channel = self.channel(key.get("channel"))
        ts = str(key.get("ts"))
        if ts not in channel.messages or channel.messages[ts].get("subtype") == "tombstone":
            raise CommandRefused(f"Channel {channel.id} has no message {ts}.")
        return channel, ts

    def _create_message(self, fields: Record, moment: Moment) -> Record:
        known = MESSAGE_FIELDS | {"channel", "ts", "thread_ts", "broadcast"}
        refuse_unknown(fields, known, "A new Slack message")
        channel = self.channel(fields.get("channel"))
        text = fields.get("text")
        if not isinstance(text, str) or not text:
            raise CommandRefused("A new Slack message needs a text.")
        if channel.record["is_archived"]:
            raise CommandRefused(f"Channel {channel.id} is archived; nobody can post there.")
        ts = fields.get("ts") or channel.next_ts(moment.now)
        if not _is_ts(ts) or ts in channel.used:
            raise CommandRefused(f"ts {ts!r} is used already or is not ten digits, a point and six digits.")
        message: Record = {"type": "message", "text": text, "ts": ts, "team": self.team["id"]}
        if "bot_id" in fields:
            message |= {"subtype": "bot_message", "username": fields.get("username", "bot")}
        else:
            message["user"] = fields.get("user") or self._some_member(channel, moment)
        thread_ts = fields.get("thread_ts")
        if thread_ts is not None:
            parent = channel.messages.get(thread_ts)
            if parent is None or parent.get("thread_ts", thread_ts) != thread_ts or ts <= thread_ts:
                raise CommandRefused(f"Channel {channel.id} has no older parent message {thread_ts}.")
            message["thread_ts"] = thread_ts
            if fields.get("broadcast"):
                message["subtype"] = "thread_broadcast"
        message |= {name: value for name, value in fields.items() if name in MESSAGE_FIELDS}
        channel.add(message)
        return channel.shown(ts, moment.now) | {"channel": channel.id}

    def _some_member(self, channel: Channel, moment: Moment) -> str:
        people = [user for user in channel.members if user in self.users and user != self.bot["user_id"]]
        people = people or sorted(set(self.users) - {self.bot["user_id"]})
        if not people:
            raise CommandRefused("Slack has no users yet; name one in user.")
        return moment.rng.choice(people)

    def _edit_message(self, channel: Channel, ts: str, fields: Record, moment: Moment) -> Record:
        """Set fields; a new text is marked as edited, other changes (reactions) leave no mark, as in Slack."""
        refuse_unknown(fields, MESSAGE_FIELDS, "A Slack message")
        if "text" in fields and not isinstance(fields["text"], str):
            raise CommandRefused("The text of a Slack message is a string.")
        message = channel.messages[ts] | fields
        if "text" in fields:
            message["edited"] = {
                "user": message.get("user") or self.bot["user_id"],
                "ts": f"{int(moment.now.timestamp())}.000000",
            }
        channel.messages[ts] = {name: value for name, value in message.items() if value is not None}
        return channel.shown(ts, moment.now) | {"channel": channel.id}

    def _delete_message(self, channel: Channel, ts: str, thread: bool, moment: Moment) -> Record:
        """Remove a message; with `thread` its replies too, else a parent with replies becomes a tombstone."""
        gone = channel.shown(ts, moment.now) | {"channel": channel.id}
        thread_ts = channel.messages[ts].get("thread_ts")
        replies = list(channel.threads.get(ts, ()))
        if replies and not thread:
            channel.messages[ts] = {"type": "message", "subtype": "tombstone", "user": "USLACKBOT",
                                    "text": TOMBSTONE_TEXT, "hidden": True, "ts": ts, "thread_ts": ts}  # fmt: skip
            return gone
        for reply in replies:
            channel.remove(reply)
        channel.remove(ts)
        if thread_ts and thread_ts != ts and thread_ts not in channel.threads:
            parent = channel.messages.get(thread_ts)
            if parent is not None and parent.get("subtype") == "tombstone":
                channel.remove(thread_ts)
        return gone

    def _create_channel(self, fields: Record, moment: Moment) -> Record:
        refuse_unknown(fields, CHANNEL_FIELDS | {"members"}, "A new Slack channel")
        name = str(fields.get("name", ""))
        self._refuse_taken(name)
        members = fields.get("members") or sorted(user for user, u in self.users.items() if not u.get("deleted"))
        unknown = [user for user in members if user not in self.users]
        if unknown:
            raise CommandRefused(f"Slack has no user {unknown[0]!r}.")
        creator = members[0] if members else "USLACKBOT"
        record = channel_record(letter_id("C", f"channel:{moment.rng.random()}"), name, creator, moment.now)
        channel = Channel(record, list(members), is_member=fields.get("is_member", True))
        self._edit_channel(channel, {k: v for k, v in fields.items() if k not in ("members", "name")}, moment)
        self.channels[channel.id] = channel
        return self.shown_channel(channel)

    def _edit_channel(self, channel: Channel, fields: Record, moment: Moment) -> Record:
        refuse_unknown(fields, CHANNEL_FIELDS, "A Slack channel")
        record = dict(channel.record)
        if "name" in fields and fields["name"] != record["name"]:
            self._refuse_taken(str(fields["name"]))
            record["previous_names"] = [record["name"], *record["previous_names"]]
            record |= {"name": fields["name"], "name_normalized": fields["name"]}
        if "is_private" in fields:
            private = bool(fields["is_private"])
            record |= {"is_private": private, "is_channel": not private, "is_group": private}
        if "is_archived" in fields:
            record["is_archived"] = bool(fields["is_archived"])
        for name in ("topic", "purpose"):
            if name in fields:
                set_at = int(moment.now.timestamp())
                record[name] = {"value": str(fields[name]), "creator": record["creator"], "last_set": set_at}
        if record != channel.record:
            record["updated"] = int(moment.now.timestamp() * 1000)
        channel.record = record
        if "is_member" in fields:
            channel.is_member = bool(fields["is_member"])
            if channel.is_member and self.bot["user_id"] not in channel.members:
                channel.members.append(self.bot["user_id"])
            elif not channel.is_member and self.bot["user_id"] in channel.members:
                channel.members.remove(self.bot["user_id"])
        return self.shown_channel(channel)

    def _refuse_taken(self, name: str) -> None:
        if not name or any(channel.record["name"] == name for channel in self.channels.values()):
            raise CommandRefused(f"The channel name {name!r} is taken or empty.")

    def _change_member(self, fields: Mapping[str, Any], joins: bool) -> Record:
        channel, user = self.channel(fields.get("channel")), str(fields.get("user"))
        if joins and (user not in self.users or user in channel.members):
            raise CommandRefused(f"{user!r} is no user or is in channel {channel.id} already.")
        if not joins and user not in channel.members:
            raise CommandRefused(f"{user!r} is not in channel {channel.id}.")
        channel.members = [*channel.members, user] if joins else [m for m in channel.members if m != user]
        if user == self.bot["user_id"]:
            channel.is_member = joins
        return {"channel": channel.id, "user": user}

    def _create_user(self, fields: Record, moment: Moment) -> Record:
        refuse_unknown(fields, USER_FIELDS, "A Slack user")
        user_id = letter_id("U", f"user:{moment.rng.random()}")
        name = str(fields.get("name") or fields.get("real_name") or user_id.lower())
        self.users[user_id] = user_record(user_id, self.team["id"], name, str(fields.get("real_name", name)), moment.now)
        return self._edit_user({"id": user_id}, fields, moment)

    def _edit_user(self, key: Mapping[str, Any], fields: Record, moment: Moment) -> Record:
        user_id = str(key.get("id"))
        if user_id not in self.users:
            raise CommandRefused(f"Slack has no user {user_id!r}.")
        refuse_unknown(fields, USER_FIELDS, "A Slack user")
        user = dict(self.users[user_id])
        profile = dict(user["profile"])
        for name, value in fields.items():
            if name in ("display_name", "email", "title", "real_name"):
                profile[name] = value
                if name in ("display_name", "real_name"):
                    profile[f"{name}_normalized"] = value
            if name not in ("display_name", "email", "title"):
                user[name] = value
        user |= {"profile": profile, "updated": int(moment.now.timestamp())}
        self.users[user_id] = user
        return user


def channel_record(channel_id: str, name: str, creator: str, created: datetime, private: bool = False) -> Record:
    """A conversation as Slack's Web API gives it, `created` in seconds and `updated` in milliseconds."""
    made_s = int(created.timestamp())
    empty = {"value": "", "creator": "", "last_set": 0}
    return {
        "id": channel_id, "name": name, "name_normalized": name, "is_channel": not private, "is_group": private,
        "is_im": False, "is_mpim": False, "is_private": private, "is_archived": False, "is_general": False,
        "is_shared": False, "is_ext_shared": False, "is_org_shared": False, "created": made_s, "creator": creator,
        "unlinked": 0, "topic": dict(empty), "purpose": dict(empty), "previous_names": [], "updated": made_s * 1000,
    }  # fmt: skip


def user_record(user_id: str, team_id: str, name: str, real_name: str, updated: datetime) -> Record:
    """A person as users.list gives it, `updated` in seconds."""
    profile = {
        "real_name": real_name, "real_name_normalized": real_name, "display_name": name,
        "display_name_normalized": name, "email": f"{name}@brindlewick.example", "title": "", "phone": "", "skype": "",
        "status_text": "", "status_emoji": "", "avatar_hash": user_id[-8:].lower(), "team": team_id, "fields": None,
    }  # fmt: skip
    return {
        "id": user_id, "team_id": team_id, "name": name, "deleted": False, "color": "4bbe2e", "real_name": real_name,
        "tz": "Europe/Amsterdam", "tz_label": "Central European Time", "tz_offset": 3600, "profile": profile,
        "is_admin": False, "is_owner": False, "is_primary_owner": False, "is_restricted": False,
        "is_ultra_restricted": False, "is_bot": False, "is_app_user": False, "updated": int(updated.timestamp()),
    }  # fmt: skip


def _is_ts(ts: object) -> bool:
    return isinstance(ts, str) and len(ts) == 17 and ts[10] == "." and (ts[:10] + ts[11:]).isascii() and (
        ts[:10] + ts[11:]
    ).isdigit()
