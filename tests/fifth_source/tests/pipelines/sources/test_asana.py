"""Asana's source against a tracker that answers as Asana does: pages, a limit, a refused token, what was deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.address import Address
from contracts.errors import MissingSetting, VendorRefused
from pipelines.pull import pull
from resources.profile import Profile
from tests.conftest import open_migrated, profile_for
from tests.fifth_source import server
from transforms import rows
from transforms.documents import compose
from transforms.raw import Rejected, to_row

TASKS = rows.entity(Address("asana", "tasks"))
NOW = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def tracker() -> Iterator[server.Tracker]:
    with server.running() as running:
        yield running


def asana(home: Path, tracker: server.Tracker, **more: str) -> Profile:
    settings = {
        "SOPHIA_ASANA_URL": tracker.url,
        "SOPHIA_ASANA_TOKEN": server.TOKEN,
        "SOPHIA_ASANA_REQUESTS_PER_MINUTE": "60000",
    }
    return profile_for(home, **settings | more)


def test_a_task_becomes_a_row_and_a_document(tracker: server.Tracker) -> None:
    row = to_row(TASKS, tracker.records["tasks"][0], version=NOW, origin="pull")
    assert not isinstance(row, Rejected)
    assert (row["task_id"], row["completed"], row["assignee_id"]) == ("101", False, "11")
    [document] = compose("asana:task:101", {"tasks": [row], "users": [{"name": "Ines Marlow"}]})
    assert document.text == "Export fails for leap years\nThe payroll export stops at the 29th of February."


def test_a_task_of_another_shape_is_rejected_without_its_values(tracker: server.Tracker) -> None:
    odd = tracker.records["tasks"][0] | {"completed": "perhaps"}
    assert to_row(TASKS, odd, version=NOW, origin="pull") == Rejected(
        odd, "asana/tasks completed: expected true or false, received text"
    )


def test_pages_and_a_limit_are_read_through_and_a_second_pull_changes_nothing(
    tmp_path: Path, tracker: server.Tracker
) -> None:
    profile = asana(tmp_path, tracker)
    with open_migrated(profile) as warehouse:
        users, tasks = pull("asana", profile, warehouse)
        assert (users.changed, tasks.changed) == (3, 5)
        assert tracker.answers[429] == 1
        again = pull("asana", profile, warehouse)
        assert [(landed.changed, landed.deleted, landed.rejected) for landed in again] == [(0, 0, 0)] * 2


def test_what_is_no_longer_listed_was_deleted(tmp_path: Path, tracker: server.Tracker) -> None:
    profile = asana(tmp_path, tracker)
    with open_migrated(profile) as warehouse:
        pull("asana", profile, warehouse)
        tracker.delete_task("103")
        _users, tasks = pull("asana", profile, warehouse)
        assert (tasks.received, tasks.deleted) == (4, 1)


def test_a_token_that_is_missing_or_refused_is_told(tmp_path: Path, tracker: server.Tracker) -> None:
    refused = asana(tmp_path, tracker, SOPHIA_ASANA_TOKEN="another")
    with open_migrated(refused) as warehouse:
        with pytest.raises(VendorRefused, match="Check SOPHIA_ASANA_TOKEN"):
            pull("asana", refused, warehouse)
        with pytest.raises(MissingSetting, match="SOPHIA_ASANA_TOKEN is not set"):
            pull("asana", profile_for(tmp_path, SOPHIA_ASANA_URL=tracker.url), warehouse)
