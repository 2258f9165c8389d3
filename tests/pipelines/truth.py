"""Raw tables against the world's dump, stream by stream. Shares no code with the rows it checks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.pipelines.rig import Rig

Record = dict[str, Any]
Read = Callable[[Record], Any]


def _utc(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None) if text else None


def _epoch(seconds: float | str) -> datetime:
    return datetime.fromtimestamp(int(str(seconds).partition(".")[0]), UTC).replace(tzinfo=None)


def _crm(kind: str) -> Read:
    def read(call: Record) -> str | None:
        found = [o["objectId"] for c in call.get("context", []) for o in c["objects"] if o["objectType"] == kind]
        return found[0] if found else None

    return read


FIELDS: dict[str, dict[str, Read]] = {
    "gong.users": {
        "user_id": lambda r: r["id"],
        "email": lambda r: r["emailAddress"],
        "first_name": lambda r: r["firstName"],
        "last_name": lambda r: r["lastName"],
        "title": lambda r: r["title"],
        "active": lambda r: r["active"],
        "manager_id": lambda r: r.get("managerId"),
        "created_at": lambda r: _utc(r["created"]),
    },
    "gong.calls": {
        "call_id": lambda r: r["metaData"]["id"],
        "title": lambda r: r["metaData"]["title"],
        "url": lambda r: r["metaData"]["url"],
        "scheduled_at": lambda r: _utc(r["metaData"].get("scheduled")),
        "started_at": lambda r: _utc(r["metaData"]["started"]),
        "duration_s": lambda r: r["metaData"]["duration"],
        "primary_user_id": lambda r: r["metaData"]["primaryUserId"],
        "direction": lambda r: r["metaData"]["direction"],
        "scope": lambda r: r["metaData"]["scope"],
        "is_private": lambda r: r["metaData"]["isPrivate"],
        "account_id": _crm("Account"),
        "opportunity_id": _crm("Opportunity"),
    },
    "gong.transcripts": {
        "call_id": lambda r: r["callId"],
        "sentences": lambda r: sum(len(m["sentences"]) for m in r["transcript"]),
    },
    "slack.channels": {
        "channel_id": lambda r: r["id"],
        "name": lambda r: r["name"],
        "is_private": lambda r: r["is_private"],
        "is_archived": lambda r: r["is_archived"],
        "created_at": lambda r: _epoch(r["created"]),
        "topic": lambda r: r["topic"]["value"],
        "purpose": lambda r: r["purpose"]["value"],
    },
    "slack.channel_members": {"channel_id": lambda r: r["channel"], "user_id": lambda r: r["user"]},
    "slack.users": {
        "user_id": lambda r: r["id"],
        "name": lambda r: r["name"],
        "real_name": lambda r: r.get("real_name"),
        "email": lambda r: r["profile"].get("email"),
        "is_deleted": lambda r: r["deleted"],
        "is_bot": lambda r: r["is_bot"],
    },
    "slack.messages": {
        "channel_id": lambda r: r["channel"],
        "ts": lambda r: r["ts"],
        "user_id": lambda r: r.get("user"),
        "bot_id": lambda r: r.get("bot_id"),
        "subtype": lambda r: r.get("subtype"),
        "text": lambda r: r.get("text"),
        "thread_ts": lambda r: r.get("thread_ts"),
        "is_reply": lambda r: "thread_ts" in r and r["thread_ts"] != r["ts"],
        "reply_count": lambda r: r.get("reply_count"),
        "latest_reply": lambda r: r.get("latest_reply"),
        "edited_ts": lambda r: r["edited"]["ts"] if "edited" in r else None,
    },
}


def expected(rig: Rig) -> dict[str, list[Record]]:
    """The world as raw tables should hold it. Transcripts of private calls are never asked for."""
    dump = rig.control.dump()
    private = {c["metaData"]["id"] for c in dump["gong.calls"] if c["metaData"]["isPrivate"]}
    dump["gong.transcripts"] = [t for t in dump["gong.transcripts"] if t["callId"] not in private]
    return {
        stream: _ordered([{name: read(record) for name, read in fields.items()} for record in dump[stream]])
        for stream, fields in FIELDS.items()
    }


def held(rig: Rig) -> dict[str, list[Record]]:
    found = {}
    for stream, fields in FIELDS.items():
        source, entity = stream.split(".")
        table = f"{source.upper()}_INTEGRATION.{entity.upper()}"
        found[stream] = _ordered(rig.rows(f"SELECT {', '.join(fields)} FROM {table} WHERE _DELETED_AT IS NULL"))
    return found


def assert_raw_equals_the_world(rig: Rig) -> None:
    wanted, found = expected(rig), held(rig)
    for stream in FIELDS:
        assert found[stream] == wanted[stream], stream


def _ordered(rows: list[Record]) -> list[Record]:
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])
