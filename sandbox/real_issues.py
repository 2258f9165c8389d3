"""Real issues of public Jira projects (TAWOS) as Linear issues.

The folder holds a file a project, `BAM.csv` and so on, with key, type, status, resolution, dates and story points;
`NULL` is text. A project is a team, its key the team's; the story point is the estimate. The set has neither
titles nor people: a title is the type and the key, and nobody is assigned. Dates are as they are, as UTC, also
where a closed issue has no date of resolution.
"""

from __future__ import annotations

import csv
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from sandbox import linear_rows as rows
from sandbox.linear_records import LinearRecords
from sandbox.records import Record

ROWS_A_PROJECT = 200
COMPLETED = frozenset(("Closed", "Done", "Resolved", "Accepted"))
CANCELED = frozenset(("Won't Fix", "Won't Do", "Invalid", "Rejected", "Cannot Reproduce", "Incomplete"))
STARTED = frozenset(("In Progress", "In Review", "Reviewable", "Testing"))


def load_issues(folder: Path, linear: LinearRecords, rows_a_project: int | None = ROWS_A_PROJECT) -> None:
    """Add every project as a team with its newest issues.

    Args:
        rows_a_project: how many by creation date; None takes all.
    """
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found = sorted(csv.DictReader(file), key=lambda row: (row["Creation_Date"], int(row["ID"])), reverse=True)
        kept = found[:rows_a_project]
        if not kept:
            continue
        founded = _time(found[-1]["Creation_Date"])
        team = rows.team_row(_id("team", path.stem), founded, path.stem, path.stem) | {"cyclesEnabled": False}
        linear.put("teams", team)
        for place in range(len(rows.TEAM_STATES)):
            state_id = _id("state", path.stem, str(place))
            linear.put("workflow_states", rows.state_row(state_id, founded, team["id"], place))
        for row in reversed(kept):
            linear.put("issues", _issue(row, team))


def _issue(row: dict[str, str], team: Record) -> Record:
    key, kind = row["Issue_Key"], state_type(row["Status"], row["Resolution"])
    place = next(place for place, state in enumerate(rows.TEAM_STATES) if state[1] == kind)
    created = _time(row["Creation_Date"])
    ended = None if row["Resolution_Date"] == "NULL" else _time(row["Resolution_Date"])
    issue = rows.issue_row(
        _id("issue", key),
        created,
        team,
        int(key.split("-")[1]),
        f"{row['Type']} {key}",
        _id("state", team["key"], str(place)),
    )
    return issue | {
        "estimate": None if row["Story_Point"] == "NULL" else float(row["Story_Point"]),
        "completedAt": ended if kind == "completed" else None,
        "canceledAt": ended if kind == "canceled" else None,
        "updatedAt": max(created, ended or created),
    }


def state_type(status: str, resolution: str) -> str:
    """Type of Linear's workflow state for a status and resolution of Jira."""
    if resolution in CANCELED:
        return "canceled"
    if resolution == "Duplicate":
        return "duplicate"
    if status in COMPLETED:
        return "completed"
    return "started" if status in STARTED else "backlog"


def _time(text: str) -> str:
    return rows.stamp(datetime.fromisoformat(text).replace(tzinfo=UTC))


def _id(*parts: str) -> str:
    return str(UUID(bytes=hashlib.sha256(":".join(("tawos", *parts)).encode()).digest()[:16], version=4))
