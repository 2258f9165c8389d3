"""Linear's records: teams, users, workflow states, issue labels, projects, cycles, issues, comments. Vendor pages:
linear.app/developers.

Ids are UUIDs; an issue's identifier (ENG-12) changes when it moves to another team. `updatedAt` tells the last
meaningful change alone, so a row's version is the time its request was sent. What is archived is old and counts; what
is trashed, and an archived comment, was deleted.
"""

from __future__ import annotations

from contracts.address import Address
from transforms.people import LONG, Part, People
from transforms.raw import Entity, Field, Record, at, boolean, iso_time, number, text, whole_number

_UPDATED_AT = iso_time("updated_at", "updatedAt")
_ARCHIVED_AT = iso_time("archived_at", "archivedAt")
_TIMES = (iso_time("created_at", "createdAt"), _UPDATED_AT, _ARCHIVED_AT)
_PROGRESS_TIMES = (
    iso_time("started_at", "startedAt"),
    iso_time("completed_at", "completedAt"),
    iso_time("canceled_at", "canceledAt"),
)


def _reference(name: str, linked: str) -> Field:
    """The id of another record."""
    return text(name, f"{linked}.id")


def _trashed_at(record: Record) -> object:
    """When it was put into the bin, which archives it."""
    if at(record, "trashed") is not True:
        return None
    trashed_at = _ARCHIVED_AT.read(record) or _UPDATED_AT.read(record)
    if trashed_at is None:
        raise ValueError("expected a time of what is trashed")
    return trashed_at


TEAMS = Entity(
    Address("linear", "teams"),
    key=("team_id",),
    fields=(
        text("team_id", "id"),
        text("key"),
        text("name"),
        text("visibility"),
        text("timezone"),
        boolean("cycles_enabled", "cyclesEnabled"),
        *_TIMES,
        iso_time("retired_at", "retiredAt"),
    ),
    private=lambda record: at(record, "visibility") != "public",
)

USERS = Entity(
    Address("linear", "users"),
    key=("user_id",),
    fields=(
        text("user_id", "id"),
        text("name"),
        text("display_name", "displayName"),
        text("email"),
        boolean("active"),
        boolean("admin"),
        boolean("guest"),
        *_TIMES,
    ),
)

WORKFLOW_STATES = Entity(
    Address("linear", "workflow_states"),
    key=("state_id",),
    fields=(
        text("state_id", "id"),
        text("name"),
        text("type"),
        number("position"),
        _reference("team_id", "team"),
        *_TIMES,
    ),
)

ISSUE_LABELS = Entity(
    Address("linear", "issue_labels"),
    key=("label_id",),
    fields=(
        text("label_id", "id"),
        text("name"),
        text("color"),
        _reference("team_id", "team"),
        _reference("parent_id", "parent"),
        *_TIMES,
    ),
)

PROJECTS = Entity(
    Address("linear", "projects"),
    key=("project_id",),
    fields=(
        text("project_id", "id"),
        text("name"),
        text("description"),
        text("status_name", "status.name"),
        text("status_type", "status.type"),
        text("health"),
        number("progress").within(0, 1),
        whole_number("priority").within(0, 4),
        _reference("lead_id", "lead"),
        text("start_date", "startDate"),
        text("target_date", "targetDate"),
        *_PROGRESS_TIMES,
        text("url"),
        *_TIMES,
    ),
    deleted_at=_trashed_at,
)

CYCLES = Entity(
    Address("linear", "cycles"),
    key=("cycle_id",),
    fields=(
        text("cycle_id", "id"),
        whole_number("number").within(1),
        text("name"),
        _reference("team_id", "team"),
        iso_time("starts_at", "startsAt"),
        iso_time("ends_at", "endsAt"),
        iso_time("completed_at", "completedAt"),
        number("progress").within(0, 1),
        *_TIMES,
    ),
)

ISSUES = Entity(
    Address("linear", "issues"),
    key=("issue_id",),
    fields=(
        text("issue_id", "id"),
        text("identifier"),
        text("title"),
        text("description"),
        whole_number("priority").within(0, 4),
        number("estimate").within(0),
        text("due_date", "dueDate"),
        text("url"),
        _reference("team_id", "team"),
        _reference("state_id", "state"),
        _reference("assignee_id", "assignee"),
        _reference("creator_id", "creator"),
        _reference("project_id", "project"),
        _reference("cycle_id", "cycle"),
        _reference("parent_id", "parent"),
        boolean("trashed"),
        *_TIMES[:2],
        *_PROGRESS_TIMES,
        _ARCHIVED_AT,
    ),
    private=lambda record: at(record, "team.visibility") != "public",
    deleted_at=_trashed_at,
)

COMMENTS = Entity(
    Address("linear", "comments"),
    key=("comment_id",),
    fields=(
        text("comment_id", "id"),
        text("issue_id", "issueId"),
        text("body"),
        _reference("user_id", "user"),
        text("parent_id", "parentId"),
        iso_time("edited_at", "editedAt"),
        *_TIMES,
    ),
    deleted_at=_ARCHIVED_AT.read,
)

ENTITIES = (TEAMS, USERS, WORKFLOW_STATES, ISSUE_LABELS, PROJECTS, CYCLES, ISSUES, COMMENTS)

PEOPLE = People(
    parts={
        "users": (Part(ids={"id": LONG}, emails=("email",), names=("name",), handles=("displayName",)),),
        "comments": (
            Part(ids={"user.id": LONG}),
            Part(ids={"externalUser.id": LONG}, emails=("externalUser.email",)),
        ),
    },
)
"""An issue is the work of a team, whoever opened it: it stays, without its people."""
