"""How Linear's things look: new rows, the shape that the dump gives them, and the figures that are counted anew.

A row is flat: it names others by id (`teamId`) and the API looks them up. Times are texts in UTC with three
decimals, as Linear writes them, so text order is time order. What a cycle or project says of its issues
(`progress`, `scopeHistory`, ...) is never stored: it changes with the issues and the days, and `updatedAt` does not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.records import Record, parse_time

WEB = "https://linear.example/brindlewick"
PRIORITIES = ("No priority", "Urgent", "High", "Medium", "Low")
OPEN_TYPES = ("triage", "backlog", "unstarted")
CANCELED_TYPES = ("canceled", "duplicate")
IN_PROGRESS_WEIGHT = 0.25
"""Progress counts a started point as a quarter of a completed one (Linear's schema, Cycle.progress)."""
TEAM_STATES = (
    ("Triage", "triage", "#fc7840"), ("Backlog", "backlog", "#bec2c8"), ("Todo", "unstarted", "#e2e2e2"),
    ("In Progress", "started", "#f2c94c"), ("In Review", "started", "#0f783c"), ("Done", "completed", "#5e6ad2"),
    ("Canceled", "canceled", "#95a2b3"), ("Duplicate", "duplicate", "#95a2b3"),
)  # fmt: skip
"""Name, type and colour of a new team's workflow states, by position."""
PROJECT_STATUSES = ("backlog", "planned", "started", "paused", "completed", "canceled")


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of a stream's record in the dump: those of the sample query."""

    plain: tuple[str, ...]
    references: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """By name: the stream it leads to, and the fields that are told of it."""


def _shape(plain: str, **references: str) -> Shape:
    """Args: references: the stream, then the fields, e.g. `team="teams id key"`."""
    split = {name: tuple(text.split()) for name, text in references.items()}
    return Shape(tuple(plain.split()), {name: (words[0], words[1:]) for name, words in split.items()})


SHAPES: Mapping[str, Shape] = {
    "teams": _shape(
        "id key name description timezone cyclesEnabled cycleDuration cycleStartDay issueEstimationType "
        "createdAt updatedAt archivedAt retiredAt"
    ),
    "users": _shape(
        "id name displayName email active admin guest app timezone createdAt updatedAt archivedAt lastSeen"
    ),
    "workflow_states": _shape(
        "id name type color position createdAt updatedAt archivedAt", team="teams id"
    ),
    "issue_labels": _shape(
        "id name color description isGroup createdAt updatedAt archivedAt",
        team="teams id", parent="issue_labels id", creator="users id",
    ),
    "projects": _shape(
        "id name slugId description content color icon priority progress scope health startDate targetDate startedAt "
        "completedAt canceledAt createdAt updatedAt archivedAt trashed url labelIds",
        status="embedded id name type", lead="users id", creator="users id",
    ),
    "cycles": _shape(
        "id number name description startsAt endsAt completedAt progress isActive isPast isFuture issueCountHistory "
        "completedIssueCountHistory scopeHistory completedScopeHistory createdAt updatedAt archivedAt",
        team="teams id key",
    ),
    "issues": _shape(
        "id identifier number title description priority priorityLabel estimate dueDate url branchName trashed "
        "createdAt updatedAt archivedAt startedAt completedAt canceledAt autoArchivedAt triagedAt labelIds "
        "previousIdentifiers",
        team="teams id key", state="workflow_states id name type", assignee="users id", creator="users id",
        project="projects id", projectMilestone="embedded id", cycle="cycles id number", parent="issues id",
    ),
    "comments": _shape(
        "id body issueId projectUpdateId documentContentId parentId editedAt resolvedAt createdAt updatedAt "
        "archivedAt url",
        user="users id", externalUser="embedded id", botActor="embedded id",
    ),
}  # fmt: skip
"""Every stream with its shape; a project has `teams {nodes {id}}` besides."""
STREAMS = tuple(SHAPES)


def stamp(moment: datetime) -> str:
    """A time as Linear writes it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def next_stamp(last: str) -> str:
    """One millisecond later."""
    return stamp(parse_time(last) + timedelta(milliseconds=1))


def as_javascript(value: Any) -> Any:
    """Whole numbers without a fraction: what is a Float in the schema is 3 in Linear's JSON, not 3.0."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {name: as_javascript(one) for name, one in value.items()}
    return [as_javascript(one) for one in value] if isinstance(value, list) else value


def slug(text: str) -> str:
    """A text as it stands in a link."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-")


def new_row(row_id: str, created: str, **values: object) -> Record:
    """A row with the fields that every kind has."""
    return {"id": row_id, "createdAt": created, "updatedAt": created, "archivedAt": None, **values}


def team_row(row_id: str, created: str, key: str, name: str, *, private: bool = False) -> Record:
    """A public or private team with cycles of two weeks from Monday on."""
    return new_row(
        row_id,
        created,
        key=key,
        name=name,
        description=None,
        timezone="Europe/Amsterdam",
        cyclesEnabled=True,
        cycleDuration=2,
        cycleStartDay=1,
        issueEstimationType="fibonacci",
        private=private,
        visibility="private" if private else "public",
        retiredAt=None,
    )


def user_row(row_id: str, created: str, name: str, email: str) -> Record:
    """An active person without any rights of an administrator."""
    return new_row(
        row_id,
        created,
        name=name,
        displayName=email.split("@")[0],
        email=email,
        active=True,
        admin=False,
        guest=False,
        app=False,
        timezone="Europe/Amsterdam",
        lastSeen=None,
    )


def state_row(row_id: str, created: str, team_id: str, place: int) -> Record:
    """One of TEAM_STATES."""
    name, kind, color = TEAM_STATES[place]
    return new_row(row_id, created, teamId=team_id, name=name, type=kind, color=color, description=None, position=place)


def label_row(row_id: str, created: str, name: str) -> Record:
    """A label of the whole workspace."""
    return new_row(
        row_id, created, name=name, color="#5e6ad2", description=None, isGroup=False, teamId=None, parentId=None,
        creatorId=None,
    )  # fmt: skip


def project_row(row_id: str, created: str, name: str, status: str = "planned") -> Record:
    """A project without teams or people."""
    row = new_row(row_id, created, name=name, description="", content=None, color="#26b5ce", icon=None, priority=0)
    row |= dict.fromkeys(
        ("health", "startDate", "targetDate", "startedAt", "completedAt", "canceledAt", "trashed", "leadId")
    )
    row |= {"creatorId": None, "labelIds": [], "teamIds": [], "memberIds": [], "slugId": row_id.replace("-", "")[:12]}
    return with_names("projects", row | {"status": project_status(status)})


def project_status(kind: str) -> Record:
    """The workspace's status of this type; it has one of each."""
    return {"id": f"00000000-0000-4000-8000-{PROJECT_STATUSES.index(kind):012d}", "name": kind.title(), "type": kind}


def cycle_row(row_id: str, created: str, team_id: str, number: int, starts: str, ends: str) -> Record:
    """A cycle that is named by its number."""
    return new_row(
        row_id, created, teamId=team_id, number=number, name=None, description=None, startsAt=starts, endsAt=ends,
        completedAt=None,
    )  # fmt: skip


def issue_row(row_id: str, created: str, team: Record, number: int, title: str, state_id: str) -> Record:
    """An issue that has only what every issue has."""
    row = new_row(row_id, created, title=title, number=number, identifier=f"{team['key']}-{number}", priority=0)
    row |= dict.fromkeys(
        ("description", "estimate", "dueDate", "trashed", "startedAt", "completedAt", "canceledAt", "triagedAt",
         "startedTriageAt", "autoArchivedAt", "autoClosedAt", "addedToCycleAt", "assigneeId", "creatorId", "delegateId",
         "projectId", "projectMilestone", "cycleId", "parentId")
    )  # fmt: skip
    row |= {"labelIds": [], "previousIdentifiers": [], "teamId": team["id"], "stateId": state_id}
    return with_names("issues", row)


def comment_row(row_id: str, created: str, body: str, url: str) -> Record:
    """A comment that nobody wrote yet; `url` is that of what it stands under."""
    row = new_row(row_id, created, body=body, url=f"{url}#comment-{row_id[:8]}")
    return row | dict.fromkeys(
        ("issueId", "projectId", "projectUpdateId", "documentContentId", "initiativeUpdateId", "parentId", "editedAt",
         "resolvedAt", "userId", "externalUser", "botActor")
    )  # fmt: skip


def history_row(row_id: str, created: str, issue_id: str, actor_id: str | None, **changes: str | None) -> Record:
    """What was done to an issue: fromStateId and toStateId, or fromTeamId and toTeamId."""
    row = new_row(row_id, created, issueId=issue_id, actorId=actor_id)
    return row | dict.fromkeys(("fromStateId", "toStateId", "fromTeamId", "toTeamId")) | changes


def with_names(stream: str, row: Record) -> Record:
    """The row with the fields that follow from its name or number."""
    if stream == "issues":
        name = slug(row["title"])
        row = row | {
            "priorityLabel": PRIORITIES[row["priority"]],
            "url": f"{WEB}/issue/{row['identifier']}/{name}",
            "branchName": f"{row['identifier'].lower()}-{name}",
        }
    if stream == "projects":
        row = row | {"url": f"{WEB}/project/{slug(row['name'])}-{row['slugId']}"}
    return row


def settled_cycle(row: Record, now: str) -> Record:
    """The cycle as it is at `now`: one whose end has passed was completed then, and that was an update."""
    if row["completedAt"] is not None or row["endsAt"] > now:
        return row
    return row | {"completedAt": row["endsAt"], "updatedAt": max(row["updatedAt"], row["endsAt"])}


def cycle_figures(row: Record, issues: Iterable[Record], types: Mapping[str, str], now: str) -> Record:
    """What a cycle says of time and of its issues.

    Args:
        issues: those in the cycle that are not in the trash.
        types: the type of every workflow state, by id.
    """
    issues = list(issues)
    begun, until = parse_time(row["startsAt"]), min(now, row["completedAt"] or row["endsAt"])
    days = max(0, math.ceil((parse_time(until) - begun) / timedelta(days=1)))
    ends = [min(until, stamp(begun + timedelta(days=day + 1))) for day in range(days)]
    had = [[i for i in issues if (i["addedToCycleAt"] or i["createdAt"]) <= end] for end in ends]
    days_end = zip(had, ends, strict=True)
    done = [[i for i in inside if i["completedAt"] and i["completedAt"] <= end] for inside, end in days_end]
    completed = row["completedAt"] is not None
    return {
        "isActive": row["startsAt"] <= now < row["endsAt"] and not completed,
        "isPast": row["endsAt"] <= now,
        "isFuture": row["startsAt"] > now,
        "progress": _progress(issues, types),
        "issueCountHistory": [len(inside) for inside in had],
        "completedIssueCountHistory": [len(inside) for inside in done],
        "scopeHistory": [_points(inside) for inside in had],
        "completedScopeHistory": [_points(inside) for inside in done],
    }


def project_figures(issues: Iterable[Record], types: Mapping[str, str]) -> Record:
    """What a project says of its issues; arguments as for `cycle_figures`."""
    issues = list(issues)
    return {"progress": _progress(issues, types), "scope": _points(issues)}


def _progress(issues: list[Record], types: Mapping[str, str]) -> float:
    done = [issue for issue in issues if types[issue["stateId"]] == "completed"]
    started = [issue for issue in issues if types[issue["stateId"]] == "started"]
    whole = _points(issues)
    return round((_points(done) + IN_PROGRESS_WEIGHT * _points(started)) / whole, 4) if whole else 0.0


def _points(issues: list[Record]) -> float:
    """Points of these; an issue without an estimate has none."""
    return sum(issue["estimate"] or 0 for issue in issues)
