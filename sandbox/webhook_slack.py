"""Slack's events of a change (Events API, `event_callback`).

Messages are told of where the bot is in the channel, channels where it may see them. A reply does not change its
parent's event: what a parent says of its thread is never told. A parent that goes and leaves replies behind is a
`message_changed` to a tombstone; changed reactions are `reaction_added` and `reaction_removed`. A private channel's
events are `group_rename`, `group_archive` and `group_unarchive`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sandbox.records import Record
from sandbox.slack_channels import Channel
from sandbox.slack_records import SlackRecords
from sandbox.webhook_events import Command, Event, Finish

VERIFICATION = "sandbox-verification"
"""Slack's old shared token, which stands in every body."""
APP_ID = "A0SANDBOX01"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SlackShaper:
    """Watches Slack's records over one command."""

    def __init__(self, records: SlackRecords) -> None:
        self._records = records
        self._last_us = 0
        """The latest event time, in microseconds."""

    def before(self, command: Command) -> Finish | None:
        match command.stream, command.op:
            case "messages", "create":
                return lambda record: self._posted(command, record)
            case "messages", _:
                return self._message(command)
            case "channels", "create":
                return lambda record: self._wrapped(command, self._new_channel(record))
            case "channels", "edit":
                return self._channel(command)
            case "channel_members", _:
                joins = command.op == "create"
                channel = self._records.channel((command.fields if joins else command.key).get("channel"))
                seen = channel.is_member
                return lambda record: (
                    self._wrapped(command, iter([self._member(channel, record["user"], joins)]))
                    if seen or channel.is_member
                    else []
                )
            case "users", _:
                kind = "team_join" if command.op == "create" else "user_change"
                return lambda record: self._wrapped(command, iter([{"type": kind, "user": record}]))
        return None

    # Messages.

    def _posted(self, command: Command, record: Record) -> list[Event]:
        channel = self._records.channels[record["channel"]]
        if not channel.is_member:
            return []
        event = record | {"event_ts": record["ts"], "channel_type": _channel_type(channel)}
        at_us = int(record["ts"].replace(".", ""))
        due = _EPOCH + timedelta(seconds=at_us // 1_000_000)
        if due <= command.now:
            self._last_us = max(self._last_us, at_us)
            return [self._envelope(command, 0, event)]
        return [self._envelope(command, 0, event, due)]

    def _message(self, command: Command) -> Finish:
        channel, ts = self._records.channel(command.key.get("channel")), str(command.key.get("ts"))
        thread_ts = channel.messages.get(ts, {}).get("thread_ts")
        names = [*(channel.threads.get(ts, ()) if command.key.get("thread") else ()), ts]
        if command.op == "delete" and thread_ts not in (None, ts):
            names.append(thread_ts)
        old = {name: channel.shown(name, command.now) for name in names if name in channel.messages}
        stored = {name: channel.messages[name] for name in old}

        def changes() -> Iterator[Record]:
            place = {"channel": channel.id, "channel_type": _channel_type(channel)}
            for name, previous in old.items():
                if channel.messages.get(name) is stored[name]:
                    continue
                told: Record = {"type": "message", "hidden": True, "previous_message": previous, **place}
                if name not in channel.messages:
                    yield told | {"subtype": "message_deleted", "deleted_ts": name}
                    continue
                message = channel.shown(name, command.now)
                yield from _reactions(channel.id, previous, message)
                if _without_reactions(message) != _without_reactions(previous):
                    yield told | {"subtype": "message_changed", "message": message}

        return lambda _record: self._wrapped(command, changes()) if channel.is_member else []

    # Channels and people.

    def _new_channel(self, record: Record) -> Iterator[Record]:
        channel = self._records.channels[record["id"]]
        if not record["is_private"]:
            yield {"type": "channel_created", "channel": _told_channel(record) | {"creator": record["creator"]}}
        if channel.is_member:
            yield self._member(channel, self._records.bot["user_id"], joins=True)

    def _channel(self, command: Command) -> Finish:
        channel = self._records.channel(command.key.get("id"))
        old, was_member = channel.record, channel.is_member

        def changes() -> Iterator[Record]:
            new = channel.record
            prefix = "group" if new["is_private"] else "channel"
            if channel.is_member and not was_member:
                yield self._member(channel, self._records.bot["user_id"], joins=True)
            if channel.is_member or was_member or not new["is_private"]:
                if new["name"] != old["name"]:
                    yield {"type": f"{prefix}_rename", "channel": _told_channel(new)}
                if new["is_archived"] != old["is_archived"]:
                    verb = "archive" if new["is_archived"] else "unarchive"
                    yield {"type": f"{prefix}_{verb}", "channel": channel.id, "user": new["creator"]}
            if was_member and not channel.is_member:
                yield self._member(channel, self._records.bot["user_id"], joins=False)

        return lambda _record: self._wrapped(command, changes())

    def _member(self, channel: Channel, user: str, joins: bool) -> Record:
        return {
            "type": "member_joined_channel" if joins else "member_left_channel",
            "user": user,
            "channel": channel.id,
            "channel_type": "G" if channel.record["is_private"] else "C",
            "team": self._records.team["id"],
        }

    # The envelope.

    def _wrapped(self, command: Command, events: Iterator[Record]) -> list[Event]:
        """The events, each with a time of its own; a message's `ts` is that time."""
        wrapped = []
        for number, event in enumerate(events):
            now_us = (command.now - _EPOCH) // timedelta(microseconds=1)
            self._last_us = max(now_us, self._last_us + 1)
            event_ts = f"{self._last_us // 1_000_000:010d}.{self._last_us % 1_000_000:06d}"
            times = {"event_ts": event_ts} | ({"ts": event_ts} if event["type"] == "message" else {})
            if event["type"] == "user_change":
                times["cache_ts"] = int(event_ts[:10])  # type: ignore[assignment]
            wrapped.append(self._envelope(command, number, event | times))
        return wrapped

    def _envelope(self, command: Command, number: int, event: Record, due: datetime | None = None) -> Event:
        event_id = "Ev" + hashlib.sha256(f"{command.place}:{number}".encode()).hexdigest()[:14].upper()
        team_id = self._records.team["id"]
        body: Record = {
            "token": VERIFICATION,
            "team_id": team_id,
            "api_app_id": APP_ID,
            "event": event,
            "type": "event_callback",
            "event_id": event_id,
            "event_time": int(event["event_ts"][:10]),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": team_id,
                    "user_id": self._records.bot["user_id"],
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
        }
        return Event(event_id, event["type"], body, due)


def _channel_type(channel: Channel) -> str:
    return "group" if channel.record["is_private"] else "channel"


def _told_channel(record: Record) -> Record:
    return {name: record[name] for name in ("id", "name", "name_normalized", "created", "is_channel")}


def _without_reactions(message: Record) -> Record:
    return {name: value for name, value in message.items() if name != "reactions"}


def _reactions(channel_id: str, old: Record, new: Record) -> Iterator[Record]:
    """Who reacted with what, or no longer does."""
    before, after = (
        {(r.get("name"), user) for r in message.get("reactions") or () for user in r.get("users", ())}
        for message in (old, new)
    )
    item = {"type": "message", "channel": channel_id, "ts": new["ts"]}
    for kind, pairs in (("reaction_added", after - before), ("reaction_removed", before - after)):
        for name, user in sorted(pairs, key=str):
            yield {"type": kind, "user": user, "reaction": name, "item_user": new.get("user"), "item": item}
