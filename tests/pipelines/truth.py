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


def _same(name: str) -> Read:
    return lambda record: record[name]


def _time(name: str) -> Read:
    return lambda record: _utc(record[name])


def _linked(name: str) -> Read:
    return lambda record: record[name] and record[name]["id"]


def _property(name: str) -> Read:
    return lambda record: record["properties"][name] or None


def _property_time(name: str) -> Read:
    return lambda record: _utc(record["properties"][name])


def _property_number(name: str) -> Read:
    def read(record: Record) -> float | None:
        value = record["properties"][name]
        return float(value) if value else None

    return read


CRM = {
    "owner_id": _property("hubspot_owner_id"),
    "created_at": _property_time("createdate"),
    "merged_ids": _property("hs_merged_object_ids"),
}
ACTIVITY = {
    "owner_id": _property("hubspot_owner_id"),
    "occurred_at": _property_time("hs_timestamp"),
    "created_at": _time("createdAt"),
    "modified_at": _property_time("hs_lastmodifieddate"),
}
LINEAR_TIMES = {"created_at": _time("createdAt"), "updated_at": _time("updatedAt"), "archived_at": _time("archivedAt")}
PROGRESS_TIMES = {
    "started_at": _time("startedAt"),
    "completed_at": _time("completedAt"),
    "canceled_at": _time("canceledAt"),
}

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
    "hubspot.owners": {
        "owner_id": _same("id"),
        "email": _same("email"),
        "first_name": _same("firstName"),
        "last_name": _same("lastName"),
        "user_id": lambda r: str(r["userIdIncludingInactive"]),
        "archived": _same("archived"),
        "created_at": _time("createdAt"),
        "updated_at": _time("updatedAt"),
    },
    "hubspot.pipelines": {
        "pipeline_id": _same("id"),
        "label": _same("label"),
        "display_order": _same("displayOrder"),
        "archived": _same("archived"),
        "created_at": _time("createdAt"),
        "updated_at": _time("updatedAt"),
    },
    "hubspot.deal_stages": {
        "pipeline_id": _same("pipelineId"),
        "stage_id": _same("id"),
        "label": _same("label"),
        "display_order": _same("displayOrder"),
        "is_closed": lambda r: r["metadata"]["isClosed"] == "true",
        "probability": lambda r: float(r["metadata"]["probability"]),
        "archived": _same("archived"),
    },
    "hubspot.companies": {
        "company_id": _same("id"),
        "name": _property("name"),
        "domain": _property("domain"),
        "industry": _property("industry"),
        "city": _property("city"),
        "modified_at": _property_time("hs_lastmodifieddate"),
        **CRM,
    },
    "hubspot.contacts": {
        "contact_id": _same("id"),
        "email": _property("email"),
        "first_name": _property("firstname"),
        "last_name": _property("lastname"),
        "job_title": _property("jobtitle"),
        "modified_at": _property_time("lastmodifieddate"),
        **CRM,
    },
    "hubspot.deals": {
        "deal_id": _same("id"),
        "name": _property("dealname"),
        "pipeline_id": _property("pipeline"),
        "stage_id": _property("dealstage"),
        "amount": _property_number("amount"),
        "amount_in_home_currency": _property_number("amount_in_home_currency"),
        "currency": _property("deal_currency_code"),
        "close_at": _property_time("closedate"),
        "modified_at": _property_time("hs_lastmodifieddate"),
        **CRM,
    },
    "hubspot.notes": {"note_id": _same("id"), "body": _property("hs_note_body"), **ACTIVITY},
    "hubspot.emails": {
        "email_id": _same("id"),
        "subject": _property("hs_email_subject"),
        "body": _property("hs_email_text"),
        "direction": _property("hs_email_direction"),
        **ACTIVITY,
    },
    "hubspot.calls": {
        "call_id": _same("id"),
        "title": _property("hs_call_title"),
        "body": _property("hs_call_body"),
        "direction": _property("hs_call_direction"),
        "duration_ms": lambda r: int(r["properties"]["hs_call_duration"]),
        **ACTIVITY,
    },
    "hubspot.meetings": {
        "meeting_id": _same("id"),
        "title": _property("hs_meeting_title"),
        "body": _property("hs_meeting_body"),
        "outcome": _property("hs_meeting_outcome"),
        "started_at": _property_time("hs_meeting_start_time"),
        "ended_at": _property_time("hs_meeting_end_time"),
        **ACTIVITY,
    },
    "hubspot.tasks": {
        "task_id": _same("id"),
        "subject": _property("hs_task_subject"),
        "body": _property("hs_task_body"),
        "status": _property("hs_task_status"),
        "priority": _property("hs_task_priority"),
        "type": _property("hs_task_type"),
        **ACTIVITY,
    },
    "hubspot.associations": {
        "from_type": _same("fromType"),
        "from_id": _same("fromId"),
        "to_type": _same("toType"),
        "to_id": _same("toId"),
        "is_primary": lambda r: any(kind["label"] == "Primary" for kind in r["associationTypes"]),
        "type_ids": lambda r: ",".join(map(str, sorted(kind["typeId"] for kind in r["associationTypes"]))),
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
    "linear.teams": {
        "team_id": _same("id"),
        "key": _same("key"),
        "name": _same("name"),
        "timezone": _same("timezone"),
        "cycles_enabled": _same("cyclesEnabled"),
        **LINEAR_TIMES,
        "retired_at": _time("retiredAt"),
    },
    "linear.users": {
        "user_id": _same("id"),
        "name": _same("name"),
        "display_name": _same("displayName"),
        "email": _same("email"),
        "active": _same("active"),
        "admin": _same("admin"),
        "guest": _same("guest"),
        **LINEAR_TIMES,
    },
    "linear.workflow_states": {
        "state_id": _same("id"),
        "name": _same("name"),
        "type": _same("type"),
        "position": _same("position"),
        "team_id": _linked("team"),
        **LINEAR_TIMES,
    },
    "linear.issue_labels": {
        "label_id": _same("id"),
        "name": _same("name"),
        "color": _same("color"),
        "team_id": _linked("team"),
        "parent_id": _linked("parent"),
        **LINEAR_TIMES,
    },
    "linear.projects": {
        "project_id": _same("id"),
        "name": _same("name"),
        "description": _same("description"),
        "status_name": lambda r: r["status"]["name"],
        "status_type": lambda r: r["status"]["type"],
        "health": _same("health"),
        "progress": _same("progress"),
        "priority": _same("priority"),
        "lead_id": _linked("lead"),
        "start_date": _same("startDate"),
        "target_date": _same("targetDate"),
        **PROGRESS_TIMES,
        "url": _same("url"),
        **LINEAR_TIMES,
    },
    "linear.cycles": {
        "cycle_id": _same("id"),
        "number": _same("number"),
        "name": _same("name"),
        "team_id": _linked("team"),
        "starts_at": _time("startsAt"),
        "ends_at": _time("endsAt"),
        "completed_at": _time("completedAt"),
        "progress": _same("progress"),
        **LINEAR_TIMES,
    },
    "linear.issues": {
        "issue_id": _same("id"),
        "identifier": _same("identifier"),
        "title": _same("title"),
        "description": _same("description"),
        "priority": _same("priority"),
        "estimate": _same("estimate"),
        "due_date": _same("dueDate"),
        "url": _same("url"),
        **{f"{name}_id": _linked(name) for name in "team state assignee creator project cycle parent".split()},
        "trashed": _same("trashed"),
        **PROGRESS_TIMES,
        **LINEAR_TIMES,
    },
    "linear.comments": {
        "comment_id": _same("id"),
        "issue_id": _same("issueId"),
        "body": _same("body"),
        "user_id": _linked("user"),
        "parent_id": _same("parentId"),
        "edited_at": _time("editedAt"),
        **LINEAR_TIMES,
    },
}


HUBSPOT_OBJECTS = [
    f"hubspot.{kind}" for kind in ("companies", "contacts", "deals", "notes", "emails", "calls", "meetings", "tasks")
]


def expected(rig: Rig) -> dict[str, list[Record]]:
    """The world as raw tables should hold it. Transcripts of private calls are never asked for; what lies in Linear's
    bin and what is archived in HubSpot is deleted, but its owners, who may have left.
    """
    dump = rig.control.dump()
    private = {c["metaData"]["id"] for c in dump["gong.calls"] if c["metaData"]["isPrivate"]}
    dump["gong.transcripts"] = [t for t in dump["gong.transcripts"] if t["callId"] not in private]
    for stream, mark in {"projects": "trashed", "issues": "trashed", "comments": "archivedAt"}.items():
        dump[f"linear.{stream}"] = [record for record in dump[f"linear.{stream}"] if not record[mark]]
    dump["hubspot.deal_stages"] = [
        {"pipelineId": pipeline["id"], **stage}
        for pipeline in dump["hubspot.pipelines"]
        for stage in pipeline["stages"]
    ]
    for stream in HUBSPOT_OBJECTS:
        dump[stream] = [record for record in dump[stream] if not record["archived"]]
    dump["hubspot.associations"] = [  # the world tells each pair from both ends
        tie
        for tie in dump["hubspot.associations"]
        if (tie["toType"] in ("companies", "contacts", "deals") and tie["fromType"] not in ("companies", "contacts"))
        or (tie["fromType"], tie["toType"]) == ("contacts", "companies")
    ]
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
    """What was read of a public channel that the bot can read no more stays; the world does not tell it."""
    wanted, found = expected(rig), held(rig)
    unread = {channel["id"] for channel in rig.control.dump()["slack.channels"] if not channel["is_member"]}
    found["slack.messages"] = [row for row in found["slack.messages"] if row["channel_id"] not in unread]
    for stream in (name for name in FIELDS if name.partition(".")[0] in rig.sources):
        assert found[stream] == wanted[stream], stream


def _ordered(rows: list[Record]) -> list[Record]:
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])
