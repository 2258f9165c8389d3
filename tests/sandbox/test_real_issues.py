"""Real issues through Linear's API: rows, dates and points are those of the files."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.linear_records import LinearRecords
from sandbox.real_issues import load_issues, state_type
from sandbox.world import open_world


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    found = shared / "data" / "tawos"
    if not found.is_dir():
        pytest.skip("needs shared/data with tawos")
    return found


@pytest.fixture(scope="module")
def real(folder: Path, tmp_path_factory: pytest.TempPathFactory, module_sandbox: Any) -> Iterator[Any]:
    data = tmp_path_factory.mktemp("data")
    (data / "tawos").symlink_to(folder)
    with module_sandbox(data=data, limit_speedup=math.inf) as readers:
        yield readers


def test_the_newest_two_hundred_of_each_project_are_there(real: Any, folder: Path) -> None:
    dump = real.control.dump()
    assert {team["key"] for team in dump["linear.teams"]} == {path.stem for path in folder.glob("*.csv")}
    for path in folder.glob("*.csv"):
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = sorted(csv.DictReader(lines), key=lambda row: row["Creation_Date"])
        issues = {issue["identifier"]: issue for issue in dump["linear.issues"] if issue["team"]["key"] == path.stem}
        assert len(issues) == 200
        # Some are of one second, so which is the oldest of the 200 may differ.
        for row in rows[-190:]:
            issue = issues[row["Issue_Key"]]
            assert issue["title"] == f"{row['Type']} {row['Issue_Key']}"
            assert issue["estimate"] == (None if row["Story_Point"] == "NULL" else float(row["Story_Point"]))
            assert issue["createdAt"] == row["Creation_Date"].replace(" ", "T") + ".000Z"
            assert issue["state"]["type"] == "completed"
            assert issue["completedAt"] == row["Resolution_Date"].replace(" ", "T") + ".000Z"


def test_they_are_read_through_the_api(real: Any) -> None:
    query = "query($after: String) { issues(first: 250, after: $after, orderBy: updatedAt) "
    query += "{ nodes { id } pageInfo { hasNextPage endCursor } } }"
    ids: set[str] = set()
    page: Any = {"endCursor": None, "hasNextPage": True}
    while page["hasNextPage"]:
        data = real.linear(query, after=page["endCursor"])["data"]["issues"]
        ids |= {row["id"] for row in data["nodes"]}
        page = data["pageInfo"]
    assert len(ids) == real.control.counts()["linear.issues"] == 1000
    assert real.control.create("linear.issues", team="BAM", title="New")["number"] > 1


def test_all_rows_can_be_asked_for(folder: Path) -> None:
    linear = LinearRecords()
    load_issues(folder, linear, rows_a_project=None)
    assert len(linear.rows["issues"]) == 7895


@pytest.mark.parametrize(
    ("status", "resolution", "kind"),
    [
        ("Closed", "Fixed", "completed"),
        ("Resolved", "Won't Fix", "canceled"),
        ("Done", "Done", "completed"),
        ("Closed", "Invalid", "canceled"),
        ("Closed", "Duplicate", "duplicate"),
        ("In Progress", "NULL", "started"),
        ("Open", "NULL", "backlog"),
    ],
)
def test_what_jira_says_becomes_a_state(status: str, resolution: str, kind: str) -> None:
    assert state_type(status, resolution) == kind


def test_issues_alone_are_enough_material(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tawos").symlink_to(folder)
    counts = open_world(data=tmp_path).counts()
    assert (counts["gong.calls"], counts["slack.messages"], counts["linear.issues"]) == (0, 0, 1000)
