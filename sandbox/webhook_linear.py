"""Linear's events of a change: an entity with its `*Id` fields, and at an update what it was before.

Told of are the kinds that Linear's schema has a payload for (`IssueWebhookPayload` and its kin), so neither teams
nor workflow states, and nothing of a team that the key's owner was not granted. What goes with a removed issue or
comment (its comments, its replies) is not told of by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

from sandbox import linear_rows as rows
from sandbox.linear_records import LinearRecords
from sandbox.linear_store import Change, Reading
from sandbox.records import Record, seeded
from sandbox.webhook_events import Command, Event, Finish

ORGANIZATION_ID = "6f0a1c1e-7b1d-4b57-9f43-0d2a55aa1001"
WEBHOOK_ID = "6f0a1c1e-7b1d-4b57-9f43-0d2a55aa2002"
TYPES: Mapping[str, str] = {
    "issues": "Issue",
    "comments": "Comment",
    "projects": "Project",
    "cycles": "Cycle",
    "users": "User",
    "issue_labels": "IssueLabel",
}
NESTED: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "issues": {
        "team": ("teams", "id key name"),
        "state": ("workflow_states", "id name type color"),
        "assignee": ("users", "id name email url"),
        "creator": ("users", "id name email url"),
        "delegate": ("users", "id name email url"),
        "project": ("projects", "id name url"),
        "cycle": ("cycles", "id number name startsAt endsAt"),
    },
    "comments": {"user": ("users", "id name email url"), "issue": ("issues", "id identifier title url teamId")},
    "projects": {"lead": ("users", "id name email url")},
}
"""By stream and field: the stream it leads to, and what is told of it."""
UNTOLD = frozenset(("branchName", "externalUser", "projectMilestone", "url"))
"""Fields of a row that no payload has under this name, or not on every kind."""
WITH_URL = ("issues", "projects")
UNKNOWN: Mapping[str, tuple[str, ...]] = {
    "projects": (
        *("issueCountHistory", "completedIssueCountHistory", "scopeHistory", "completedScopeHistory"),
        "inProgressScopeHistory",
    ),
    "cycles": ("inProgressScopeHistory", "uncompletedIssuesUponCloseIds"),
}
"""Lists that a payload has and this world knows nothing of."""
STATUS_COLOR = "#bec2c8"


class LinearShaper:
    """Watches Linear's records over one command."""

    def __init__(self, records: LinearRecords) -> None:
        self._records = records

    def before(self, command: Command) -> Finish:
        changes = self._records.watched = []

        def finish(_record: Record) -> list[Event]:
            self._records.watched = None
            reading = Reading(self._records, command.now)
            return [
                self._event(command, number, change, reading)
                for number, change in enumerate(changes)
                if change.stream in TYPES and reading.may_see(change.stream, change.row)
            ]

        return finish

    def _event(self, command: Command, number: int, change: Change, reading: Reading) -> Event:
        row, before = change.row, change.before
        action = "remove" if change.removed else "update" if before is not None else "create"
        rng = seeded("linear delivery", command.place, number)
        body: Record = {
            "action": action,
            "type": TYPES[change.stream],
            "actor": self._actor(row, reading),
            "createdAt": change.at,
            "data": self._data(change.stream, row, reading),
            "url": row.get("url"),
            "organizationId": ORGANIZATION_ID,
            "webhookId": WEBHOOK_ID,
        }
        if action == "update" and before is not None:
            old, new = (self._data(change.stream, one, reading) for one in (before, row))
            plain = [name for name in old if name not in NESTED.get(change.stream, {}) and name != "labels"]
            body["updatedFrom"] = {name: old[name] for name in plain if old[name] != new.get(name)}
        return Event(str(UUID(int=rng.getrandbits(128), version=4)), TYPES[change.stream], body)

    def _actor(self, row: Record, reading: Reading) -> Record | None:
        """Who did it: as nobody is named in a command, who wrote it or works on it."""
        if row.get("botActor"):
            return {"id": WEBHOOK_ID, "service": row["botActor"]["name"], "type": "integration"}
        for name in ("userId", "assigneeId", "creatorId", "leadId"):
            user = reading.one("users", row.get(name))
            if user is not None:
                return _told(user, "id name email url") | {"type": "user"}
        return None

    def _data(self, stream: str, row: Record, reading: Reading) -> Record:
        if stream == "cycles":
            figures = reading.figures(stream, row)
            row = row | {name: value for name, value in figures.items() if name.endswith("History")}
        data = {name: rows.as_javascript(value) for name, value in row.items() if name not in UNTOLD}
        if stream in WITH_URL:
            data["url"] = row["url"]
        if stream == "users":
            data = {name: value for name, value in data.items() if name != "lastSeen"} | {"url": _user_url(row)}
        if row.get("botActor"):
            data["botActor"] = json.dumps(row["botActor"])  # a String in the schema
        for name in ("externalUser", "projectMilestone"):
            if name in row:
                data[f"{name}Id"] = row[name]["id"] if row[name] else None
        if stream == "projects":
            status = data.pop("status")
            data |= {"statusId": status["id"], "status": status | {"color": STATUS_COLOR}}
            data |= {"sortOrder": 0, "prioritySortOrder": 0}
        for name in UNKNOWN.get(stream, ()):
            data[name] = []
        if stream == "issues":
            labels = [label for one in row["labelIds"] if (label := reading.one("issue_labels", one))]
            data["labels"] = [_told(label, "id name color parentId") for label in labels]
            people = dict.fromkeys(one for one in (row["creatorId"], row["assigneeId"]) if one)
            data |= {"sortOrder": -row["number"], "prioritySortOrder": -row["number"], "subscriberIds": list(people)}
        if stream in ("issues", "comments"):
            data["reactionData"] = []
        for name, (target, told) in NESTED.get(stream, {}).items():
            other = reading.one(target, row[f"{name}Id"])
            if other is not None:
                data[name] = _told(other, told)
                if target == "issues":
                    team = reading.one("teams", other["teamId"])
                    data[name]["team"] = _told(team, "id key name") if team else None
        return data


def _told(row: Record, names: str) -> Record:
    return {name: _user_url(row) if name == "url" and "email" in row else row[name] for name in names.split()}


def _user_url(user: Record) -> str:
    return f"{rows.WEB}/profiles/{user['displayName']}"
