"""Linear's records as rows, and its rows as documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.address import Address
from contracts.records import Document
from transforms import rows
from transforms.documents import compose
from transforms.raw import Rejected, to_row

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ISSUES = rows.entity(Address("linear", "issues"))
COMMENTS = rows.entity(Address("linear", "comments"))
PROJECTS = rows.entity(Address("linear", "projects"))
TEAMS = rows.entity(Address("linear", "teams"))
ISSUE = {
    "id": "i1",
    "identifier": "ENG-12",
    "title": "Export fails",
    "description": None,
    "priority": 2.0,
    "estimate": 3,
    "dueDate": "2026-12-01",
    "trashed": None,
    "createdAt": "2026-11-01T10:00:00.000Z",
    "updatedAt": "2026-11-02T10:00:00.000Z",
    "archivedAt": None,
    "team": {"id": "t1", "visibility": "public"},
    "state": {"id": "s1"},
    "assignee": None,
    "project": {"id": "p1"},
    "labelIds": ["l1"],
}


def row_of(entity: Any, record: dict[str, Any]) -> dict[str, Any]:
    row = to_row(entity, record, version=AT, origin="pull")
    assert not isinstance(row, Rejected), row.reason
    return row


def test_an_issue_is_read_through_its_links() -> None:
    row = row_of(ISSUES, ISSUE | {"somethingNew": 1})
    assert (row["issue_id"], row["team_id"], row["state_id"], row["project_id"]) == ("i1", "t1", "s1", "p1")
    assert (row["assignee_id"], row["cycle_id"], row["description"]) == (None, None, None)
    assert (row["priority"], row["estimate"], row["due_date"]) == (2, 3.0, "2026-12-01")
    assert row["created_at"] == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert msgspec.json.decode(row["payload"])["somethingNew"] == 1


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_may_be_written_as_a_float(value: int) -> None:
    assert row_of(ISSUES, ISSUE | {"priority": float(value)})["priority"] == value
    assert row_of(ISSUES, ISSUE | {"priority": value})["priority"] == value


@pytest.mark.parametrize("value", [2.5, 1e300, float("nan"), float("inf"), True, "2"])
def test_what_is_no_whole_number_rejects_its_record(value: object) -> None:
    row = to_row(ISSUES, ISSUE | {"priority": value}, version=AT, origin="pull")
    assert isinstance(row, Rejected)
    assert row.reason.startswith("linear/issues priority: expected a whole number")


ARCHIVED = {"archivedAt": "2026-11-10T00:00:00.000Z"}
ARCHIVED_AT = datetime(2026, 11, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("entity", "fields", "deleted_at"),
    [
        (ISSUES, {"trashed": None}, None),
        (ISSUES, ARCHIVED | {"trashed": None}, None),
        (ISSUES, ARCHIVED | {"trashed": False}, None),
        (ISSUES, ARCHIVED | {"trashed": True}, ARCHIVED_AT),
        (ISSUES, {"trashed": True, "updatedAt": ARCHIVED["archivedAt"]}, ARCHIVED_AT),
        (PROJECTS, ARCHIVED, None),
        (PROJECTS, ARCHIVED | {"trashed": True}, ARCHIVED_AT),
        (COMMENTS, {}, None),
        (COMMENTS, ARCHIVED, ARCHIVED_AT),
        (TEAMS, ARCHIVED | {"retiredAt": ARCHIVED["archivedAt"]}, None),
    ],
)
def test_what_is_trashed_is_deleted_and_what_is_archived_is_not(
    entity: Any, fields: dict[str, Any], deleted_at: datetime | None
) -> None:
    row = row_of(entity, {"id": "x", **fields})
    assert row["_deleted_at"] == deleted_at


@pytest.mark.parametrize(
    ("visibility", "public"), [("public", True), ("private", False), ("restricted", False), (None, False)]
)
def test_only_a_team_that_says_so_is_public(visibility: str | None, public: bool) -> None:
    assert TEAMS.is_surely_public({"id": "t1", "visibility": visibility}) is public
    assert ISSUES.is_surely_public(ISSUE | {"team": {"id": "t1", "visibility": visibility}}) is public


def issue(**fields: Any) -> dict[str, Any]:
    return row_of(ISSUES, ISSUE | {"creator": {"id": "u1"}}) | {"payload": {"labelIds": ["l2", "l9", "l1"]}} | fields


def comment(comment_id: str, minutes: int, body: str, user_id: str | None = "u1") -> dict[str, Any]:
    made = datetime(2026, 11, 1, 10, tzinfo=UTC) + timedelta(minutes=minutes)
    return {"comment_id": comment_id, "created_at": made, "body": body, "user_id": user_id, "payload": {}}


PARTS: dict[str, list[dict[str, Any]]] = {
    "issues": [issue(description="It stops at 90 %.\n", assignee_id="u2")],
    "comments": [
        comment("c3", 9, "Fixed."),
        comment("c2", 5, "Which browser?", "u2"),
        comment("c1", 5, "Seen here too.", None),
        comment("c4", 10, "  "),
    ],
    "users": [
        {"user_id": "u1", "display_name": "ada", "name": "Ada Lee"},
        {"user_id": "u2", "display_name": None, "name": "Bo Ray"},
    ],
    "teams": [{"team_id": "t1", "visibility": "public"}],
    "workflow_states": [{"name": "In Review", "type": "started"}],
    "projects": [{"name": "Exports"}],
    "cycles": [{"name": None, "number": 7}],
    "issue_labels": [{"label_id": "l1", "name": "Bug"}, {"label_id": "l2", "name": "API"}],
}


def composed(**parts: Any) -> Document:
    [document] = compose("linear:issue:i1", PARTS | parts)
    return document


def test_an_issue_is_its_text_and_its_comments_in_order() -> None:
    document = composed()
    assert document.text == ("Export fails\nIt stops at 90 %.\nSeen here too.\nWhich browser?\nFixed.")
    assert [(s.author_id, s.start_s) for s in document.sections] == [("u1", 0), ("", 300), ("u2", 300), ("u1", 540)]
    assert (document.title, document.header) == ("ENG-12 Export fails", "Issue, 2026-11-01")
    assert (document.data_type, document.access_scope) == ("issue", "public")
    assert document.metadata == {
        "identifier": "ENG-12",
        "state": "In Review",
        "state_type": "started",
        "priority": 2,
        "assignee": "Bo Ray",
        "project": "Exports",
        "cycle": "Cycle 7",
        "labels": ["API", "Bug"],
        "due_date": "2026-12-01",
        "url": None,
        "people": ["ada", "Bo Ray"],
        "tags": ["api", "bug"],
    }


def test_an_issue_alone_is_a_document_and_comments_alone_are_none() -> None:
    [alone] = compose("linear:issue:i1", {"issues": PARTS["issues"]})
    assert alone.text == "Export fails\nIt stops at 90 %."
    assert alone.metadata["people"] == []
    assert compose("linear:issue:i1", {"comments": PARTS["comments"]}) == []


def test_what_is_in_the_bin_is_no_document() -> None:
    assert compose("linear:issue:i1", PARTS | {"issues": [issue(trashed=True)]}) == []
    assert composed(issues=[issue(archived_at=AT)]).text.startswith("Export fails")


@pytest.mark.parametrize(
    "teams", [[], [{"team_id": "t1", "visibility": v} for v in ("private",)], [{"visibility": None}]]
)
def test_the_issue_of_a_team_that_is_not_surely_public_is_its_teams(teams: list[dict[str, Any]]) -> None:
    assert composed(teams=teams).access_scope == "linear:team:t1"


def test_a_move_to_another_team_changes_attributes_alone() -> None:
    moved = composed(
        issues=[issue(description="It stops at 90 %.", assignee_id="u2", identifier="OPS-3", team_id="t2")]
    )
    assert moved.content_hash == composed().content_hash
    assert moved.title == "OPS-3 Export fails"


def test_the_order_of_rows_does_not_matter() -> None:
    assert composed(comments=PARTS["comments"][::-1]) == composed()
