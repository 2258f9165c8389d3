"""Slack's truth: users, channels, their members and messages, and what control commands do to them.

Nothing here pages, limits or checks a token; that is `slack`, which reads these records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.records import CommandRefused, Moment, Record, letter_id, refuse_unknown
from sandbox.slack_channels import Channel, channel_record, is_ts, user_record

MESSAGE_FIELDS = frozenset(
    ("text", "user", "subtype", "bot_id", "username", "reactions", "files", "attachments", "blocks")
)
USER_FIELDS = frozenset(("name", "real_name", "display_name", "email", "title", "deleted", "tz", "is_admin", "is_bot"))
CHANNEL_FIELDS = frozenset(("name", "is_private", "is_archived", "is_member", "topic", "purpose"))
TOMBSTONE_TEXT = "This message was deleted."


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
                for channel in channels
                if channel.is_member
                for ts in channel.visible(now)
            ],
        }

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
                return self._edit_message(*self._message(key), fields, moment)
            case "channels":
                return self._edit_channel(self.channel(key.get("id")), fields, moment)
            case "users":
                return self._edit_user(key, fields, moment)
        raise CommandRefused(f"slack.{stream} can't be edited; messages, channels and users can.")

    def delete(self, stream: str, key: Mapping[str, Any], moment: Moment) -> Record:
        match stream:
            case "messages":
                return self._delete_message(*self._message(key), bool(key.get("thread")), moment)
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

    def _message(self, key: Mapping[str, Any]) -> tuple[Channel, str]:
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
        if not is_ts(ts) or ts in channel.used:
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
            edited_ts = f"{int(moment.now.timestamp())}.000000"
            last = channel.messages[ts].get("edited", {}).get("ts", ts)
            # Two changes in one second would else bear one time; a millisecond tells which came later.
            if edited_ts <= last:
                edited_ts = f"{last[:10]}.{int(last[11:]) + 1000:06d}"
            message["edited"] = {"user": message.get("user") or self.bot["user_id"], "ts": edited_ts}
        channel.messages[ts] = {name: value for name, value in message.items() if value is not None}
        return channel.shown(ts, moment.now) | {"channel": channel.id}

    def _delete_message(self, channel: Channel, ts: str, thread: bool, moment: Moment) -> Record:
        """Remove a message; with `thread` its replies too, else a parent with replies becomes a tombstone."""
        gone = channel.shown(ts, moment.now) | {"channel": channel.id}
        thread_ts = channel.messages[ts].get("thread_ts")
        replies = list(channel.threads.get(ts, ()))
        if replies and not thread:
            channel.messages[ts] = {
                "type": "message",
                "subtype": "tombstone",
                "user": "USLACKBOT",
                "text": TOMBSTONE_TEXT,
                "hidden": True,
                "ts": ts,
                "thread_ts": ts,
            }
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
            record["updated"] = max(int(moment.now.timestamp() * 1000), channel.record["updated"] + 1)
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
        self.users[user_id] = user_record(
            user_id, self.team["id"], name, str(fields.get("real_name", name)), moment.now
        )
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
