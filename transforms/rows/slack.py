"""Slack's records: channels, their members, users, messages with replies. Vendor pages: docs.slack.dev/reference.

`ts` is text with six decimals and identifies a message within its channel; it never passes through a float. Slack's
change times do not move when a thread's parent does, so a row's version is the time its request was sent.
"""

from __future__ import annotations

from contracts.address import Address
from contracts.tables import ColumnType
from transforms.people import Part, People
from transforms.raw import Entity, Record, boolean, computed, epoch_time, from_epoch, integer, text


def _is_reply(record: Record) -> bool:
    return record.get("thread_ts") not in (None, record.get("ts"))


def _posted_on(record: Record) -> str | None:
    ts = record.get("ts")
    return from_epoch(ts).date().isoformat() if isinstance(ts, str) else None


CHANNELS = Entity(
    Address("slack", "channels"),
    key=("channel_id",),
    fields=(
        text("channel_id", "id"),
        text("name"),
        boolean("is_private"),
        boolean("is_archived"),
        epoch_time("created_at", "created"),
        text("creator_id", "creator"),
        text("topic", "topic.value"),
        text("purpose", "purpose.value"),
    ),
    private=lambda record: record.get("is_private"),
)

CHANNEL_MEMBERS = Entity(
    Address("slack", "channel_members"),
    key=("channel_id", "user_id"),
    fields=(text("channel_id", "channel"), text("user_id", "user")),
)

USERS = Entity(
    Address("slack", "users"),
    key=("user_id",),
    fields=(
        text("user_id", "id"),
        text("name"),
        text("real_name"),
        text("display_name", "profile.display_name"),
        text("email", "profile.email"),
        boolean("is_deleted", "deleted"),
        boolean("is_bot"),
    ),
)

MESSAGES = Entity(
    Address("slack", "messages"),
    key=("channel_id", "ts"),
    fields=(
        text("channel_id", "channel"),
        text("ts"),
        epoch_time("posted_at", "ts"),
        computed("posted_on", ColumnType.TEXT, _posted_on, ("ts",)),
        text("user_id", "user"),
        text("bot_id"),
        text("subtype"),
        text("text"),
        text("thread_ts"),
        computed("is_reply", ColumnType.BOOLEAN, _is_reply, ("thread_ts", "ts")),
        integer("reply_count").within(0),
        text("latest_reply"),
        text("edited_ts", "edited.ts"),
    ),
)

ENTITIES = (CHANNELS, CHANNEL_MEMBERS, USERS, MESSAGES)

_USER = "slack:users"

PEOPLE = People(
    parts={
        "users": (
            Part(
                ids={"id": _USER},
                emails=("profile.email",),
                names=("real_name", "profile.real_name"),
                handles=("name", "profile.display_name"),
            ),
        ),
        "channel_members": (Part(ids={"user": _USER}),),
        "messages": (
            Part(ids={"user": _USER}),
            Part("attachments[]", ids={"author_id": _USER}),
            Part("files[]", ids={"user": _USER}),
            Part("root", ids={"user": _USER}),
        ),
    },
    ids=dict.fromkeys(("user", "users", "*user_id", "reply_users", "creator", "inviter", "author_id"), _USER),
)
"""An attachment may be somebody else's message, a root the one that a reply was also sent to the channel from."""
