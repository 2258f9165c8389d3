"""What commands do to Linear's records, and what the made-up workspace holds."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sandbox
from sandbox.company import ACCOUNT_NAMES
from sandbox.records import CommandRefused, Record
from sandbox.world import World, open_world

START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def issue(readers: Any, row_id: str) -> Any:
    return next(row for row in readers.control.dump()["linear.issues"] if row["id"] == row_id)


def test_the_made_up_workspace(demo: Any) -> None:
    dump, counts = demo.control.dump(), demo.control.counts()
    issues, comments, cycles = (dump[f"linear.{stream}"] for stream in ("issues", "comments", "cycles"))
    assert 130 <= counts["linear.issues"] <= 170
    assert 200 <= counts["linear.comments"] <= 300
    assert {user["email"] for user in dump["linear.users"]} == {user["emailAddress"] for user in dump["gong.users"]}
    named = sum(any(name in i["title"] + i["description"] for name, _, _ in ACCOUNT_NAMES) for i in issues)
    assert len(issues) / 4 < named < len(issues) / 2
    assert {i["state"]["type"] for i in issues} >= {"backlog", "unstarted", "started", "completed", "canceled"}
    assert {p["status"]["type"] for p in dump["linear.projects"]} >= {"started", "completed", "planned"}
    assert any(i["estimate"] is None for i in issues)
    assert any(i["previousIdentifiers"] for i in issues)
    assert any(c["botActor"] for c in comments)
    assert any(c["externalUser"] for c in comments)
    assert any(c["issueId"] is None for c in comments)
    assert any(c["parentId"] for c in comments)
    ends = {cycle["id"]: cycle["endsAt"] for cycle in cycles}
    assert {i["completedAt"] <= ends[i["cycle"]["id"]] for i in issues if i["cycle"] and i["completedAt"]} == {
        True,
        False,
    }
    assert {i["completedAt"][:10] <= i["dueDate"] for i in issues if i["dueDate"] and i["completedAt"]} == {True, False}
    for team in dump["linear.teams"]:
        own = sorted((c for c in cycles if c["team"]["id"] == team["id"]), key=lambda cycle: cycle["number"])
        assert [sum(c[flag] for c in own) for flag in ("isPast", "isActive", "isFuture")] == [6, 1, 1]
        assert all(one["endsAt"] == other["startsAt"] for one, other in pairwise(own))


def test_times_follow_states(demo: Any) -> None:
    dump = demo.control.dump()
    for row in dump["linear.issues"]:
        kind = row["state"]["type"]
        assert (row["completedAt"] is not None) == (kind == "completed"), row["identifier"]
        assert (row["canceledAt"] is not None) == (kind in ("canceled", "duplicate"))
        times = [row[name] for name in ("createdAt", "startedAt", "completedAt", "updatedAt") if row[name]]
        assert times == sorted(times)
    assert all(
        row["createdAt"] <= row["updatedAt"] for stream in dump if stream.startswith("linear.") for row in dump[stream]
    )


def test_a_small_world_has_what_a_great_one_has_first() -> None:
    small, great = open_world(7, 0.05, START).dump(), open_world(7, 1, START).dump()
    for stream in ("issues", "comments"):
        ids = {row["id"]: row for row in great[f"linear.{stream}"]}
        assert all(ids[row["id"]] == row for row in small[f"linear.{stream}"])
    assert len(small["linear.issues"]) >= 11


def test_an_issue_is_created_completed_and_reopened(readers: Any) -> None:
    made = readers.control.create("linear.issues", team="ENG", title="Roster import times out", priority=2, estimate=3)
    assert made["identifier"] == f"ENG-{made['number']}"
    assert (made["state"]["type"], made["priorityLabel"], made["estimate"]) == ("backlog", "High", 3)
    assert made["createdAt"] == made["updatedAt"]
    readers.control.advance(60)
    started = readers.control.edit("linear.issues", made["id"], state="In Progress")
    assert started["startedAt"] == started["updatedAt"] == "2026-11-02T09:31:00.000Z"
    done = readers.control.edit("linear.issues", made["id"], state="completed")
    assert (done["state"]["name"], done["startedAt"]) == ("Done", started["startedAt"])
    assert done["completedAt"] == done["updatedAt"] == "2026-11-02T09:31:00.001Z"
    reopened = readers.control.edit("linear.issues", made["id"], state="started")
    assert (reopened["completedAt"], reopened["startedAt"]) == (None, started["startedAt"])
    canceled = readers.control.edit("linear.issues", made["id"], state="canceled")
    assert canceled["canceledAt"] == canceled["updatedAt"]
    todo = readers.control.edit("linear.issues", made["id"], state="Todo")
    assert (todo["canceledAt"], todo["startedAt"]) == (None, None)
    query = f'{{ issue(id: "{made["id"]}") {{ history {{ nodes {{ fromState {{ name }} toState {{ name }} }} }} }} }}'
    entries = readers.linear(query)["data"]["issue"]["history"]["nodes"]
    names = [(entry["fromState"]["name"], entry["toState"]["name"]) for entry in entries]
    assert names[::-1] == [
        ("Backlog", "In Progress"), ("In Progress", "Done"), ("Done", "In Progress"), ("In Progress", "Canceled"),
        ("Canceled", "Todo"),
    ]  # fmt: skip


def test_times_can_be_given(readers: Any) -> None:
    made = readers.control.create(
        "linear.issues",
        team="ENG",
        title="Old",
        createdAt="2026-09-01T08:00:00Z",
        state="completed",
        completedAt="2026-09-05T10:00:00+02:00",
        dueDate="2026-09-04",
    )
    assert (made["createdAt"], made["completedAt"]) == ("2026-09-01T08:00:00.000Z", "2026-09-05T08:00:00.000Z")
    assert made["updatedAt"] == "2026-11-02T09:30:00.000Z"
    moved = readers.control.edit("linear.issues", made["id"], completedAt="2026-09-06T08:00:00Z")
    assert moved["completedAt"] == "2026-09-06T08:00:00.000Z"


def test_people_projects_cycles_parents_and_labels_are_named(readers: Any) -> None:
    dump = readers.control.dump()
    user, project = dump["linear.users"][0], dump["linear.projects"][0]
    cycle = next(c for c in dump["linear.cycles"] if c["team"]["key"] == "ENG" and c["isActive"])
    parent = readers.control.create("linear.issues", team="ENG", title="Whole")
    made = readers.control.create(
        "linear.issues",
        team="ENG",
        title="Part",
        assignee=user["email"],
        project=project["name"],
        cycle=cycle["number"],
        parent=parent["identifier"],
        labels=["customer", "bug"],
    )
    assert (made["assignee"]["id"], made["project"]["id"]) == (user["id"], project["id"])
    assert (made["cycle"], made["parent"]) == ({"id": cycle["id"], "number": cycle["number"]}, {"id": parent["id"]})
    assert len(made["labelIds"]) == 2
    free = readers.control.edit(
        "linear.issues", made["id"], assignee=None, project=None, cycle=None, parent=None, labels=[]
    )
    assert [free[name] for name in ("assignee", "project", "cycle", "parent", "labelIds")] == [
        None,
        None,
        None,
        None,
        [],
    ]


def test_moving_the_team_changes_the_identifier(readers: Any) -> None:
    made = readers.control.create("linear.issues", team="SUP", title="Moves", state="started", cycle=18)
    moved = readers.control.edit("linear.issues", made["id"], team="ENG")
    assert (moved["id"], moved["previousIdentifiers"]) == (made["id"], [made["identifier"]])
    assert moved["identifier"] == f"ENG-{moved['number']}" != made["identifier"]
    assert (moved["state"]["name"], moved["cycle"]) == ("In Progress", None)
    assert moved["state"]["id"] != made["state"]["id"]
    assert moved["startedAt"] == made["startedAt"]
    assert f"/{moved['identifier']}/" in moved["url"]
    by_old = readers.linear(f'{{ issue(id: "{made["identifier"]}") {{ id }} }}')
    assert by_old["data"]["issue"]["id"] == made["id"]
    # Numbers are not given twice.
    assert readers.control.create("linear.issues", team="SUP", title="Next")["number"] == made["number"] + 1


def test_archive_bin_and_delete(readers: Any) -> None:
    made = readers.control.create("linear.issues", team="ENG", title="Goes")
    comment = readers.control.create("linear.comments", issue=made["id"], body="First.")
    child = readers.control.create("linear.issues", team="ENG", title="Child", parent=made["id"])
    archived = readers.control.edit("linear.issues", made["id"], archived=True)
    assert archived["archivedAt"] == archived["updatedAt"]
    assert readers.control.edit("linear.issues", made["id"], archived=False)["archivedAt"] is None
    trashed = readers.control.edit("linear.issues", made["id"], trashed=True)
    assert (trashed["trashed"], trashed["archivedAt"]) == (True, trashed["updatedAt"])
    assert trashed in readers.control.dump()["linear.issues"]
    back = readers.control.edit("linear.issues", made["id"], trashed=False)
    assert (back["trashed"], back["archivedAt"]) == (None, None)
    gone = readers.control.delete("linear.issues", made["id"])
    assert gone == back
    dump = readers.control.dump()
    assert made["id"] not in {row["id"] for row in dump["linear.issues"]}
    assert comment["id"] not in {row["id"] for row in dump["linear.comments"]}
    orphan = issue(readers, child["id"])
    assert (orphan["parent"], orphan["updatedAt"] > child["updatedAt"]) == (None, True)


def test_updated_at_moves_with_the_row_itself_only(readers: Any) -> None:
    label = readers.control.create("linear.issue_labels", name="urgent")
    made = readers.control.create("linear.issues", team="ENG", title="Calm", labels=["urgent"])
    comment = readers.control.create("linear.comments", issue=made["id"], body="Hello.")
    readers.control.edit("linear.comments", comment["id"], body="Hello!")
    renamed = readers.control.edit("linear.issue_labels", label["id"], name="very urgent")
    assert renamed["updatedAt"] > label["updatedAt"]
    assert issue(readers, made["id"]) == made
    assert readers.control.edit("linear.issues", made["id"], title="Calm") == made
    # A deleted label is no longer on the issue: that is the issue's own field.
    readers.control.delete("linear.issue_labels", label["id"])
    assert issue(readers, made["id"])["labelIds"] == []
    assert issue(readers, made["id"])["updatedAt"] > made["updatedAt"]


def test_changes_under_a_standing_clock_have_times_of_their_own(readers: Any) -> None:
    stamps = [readers.control.create("linear.issues", team="ENG", title="x")["updatedAt"] for _ in range(3)]
    assert stamps == [f"2026-11-02T09:30:00.00{number}Z" for number in range(3)]


def test_comments_are_edited_resolved_and_deleted(readers: Any) -> None:
    made = readers.control.create("linear.issues", team="ENG", title="Talk")
    first = readers.control.create("linear.comments", issue=made["identifier"], body="Well?")
    answer = readers.control.create("linear.comments", issue=made["id"], body="Yes.", parent=first["id"])
    assert (first["issueId"], answer["parentId"], first["user"] is None) == (made["id"], first["id"], False)
    edited = readers.control.edit("linear.comments", first["id"], body="Well then?")
    assert edited["editedAt"] == edited["updatedAt"] > first["updatedAt"]
    resolved = readers.control.edit("linear.comments", first["id"], resolved=True)
    assert resolved["resolvedAt"] == resolved["updatedAt"]
    assert readers.control.edit("linear.comments", first["id"], resolved=False)["resolvedAt"] is None
    bot = readers.control.create("linear.comments", issue=made["id"], body="Merged.", bot="GitHub")
    assert (bot["user"], bot["botActor"]) == (None, {"id": None})
    before = readers.control.counts()["linear.comments"]
    readers.control.delete("linear.comments", first["id"])
    assert readers.control.counts()["linear.comments"] == before - 2


def test_projects_cycles_teams_states_and_users(readers: Any) -> None:
    user = readers.control.create("linear.users", name="Nova Testperson", email="nova@brindlewick.example")
    assert not readers.control.edit("linear.users", "nova@brindlewick.example", active=False)["active"]
    team = readers.control.create("linear.teams", key="ops", name="Operations")
    assert (team["key"], team["name"]) == ("OPS", "Operations")
    states = [s for s in readers.control.dump()["linear.workflow_states"] if s["team"]["id"] == team["id"]]
    assert {state["type"] for state in states} >= {"triage", "backlog", "started", "completed", "canceled"}
    assert readers.control.edit("linear.workflow_states", states[0]["id"], name="Inbox")["name"] == "Inbox"
    project = readers.control.create("linear.projects", name="Move", teams=["OPS"], lead=user["id"], status="started")
    assert (project["status"]["type"], project["startedAt"]) == ("started", project["updatedAt"])
    assert project["teams"] == {"nodes": [{"id": team["id"]}]}
    done = readers.control.edit("linear.projects", "Move", status="completed", health="onTrack")
    assert (done["completedAt"], done["health"]) == (done["updatedAt"], "onTrack")
    cycle = readers.control.create(
        "linear.cycles", team="OPS", startsAt="2026-10-31T00:00:00Z", endsAt="2026-11-03T00:00:00Z"
    )
    assert (cycle["number"], cycle["isActive"], cycle["issueCountHistory"]) == (1, True, [0, 0, 0])
    made = readers.control.create(
        "linear.issues", team="OPS", title="Ship", cycle=1, project="Move", estimate=4, state="started"
    )
    readers.control.create("linear.issues", team="OPS", title="Pack", cycle=1, estimate=4, state="completed")
    readers.control.advance(86_400)
    after = next(c for c in readers.control.dump()["linear.cycles"] if c["id"] == cycle["id"])
    assert (after["progress"], after["scopeHistory"], after["completedScopeHistory"]) == (0.625, [0, 0, 8], [0, 0, 4])
    # A cycle that ends is updated by that; one whose issues change is not.
    assert (after["completedAt"], after["updatedAt"]) == ("2026-11-03T00:00:00.000Z", "2026-11-03T00:00:00.000Z")
    shown = next(p for p in readers.control.dump()["linear.projects"] if p["name"] == "Move")
    assert (shown["progress"], shown["scope"], shown["updatedAt"]) == (0.25, 4, done["updatedAt"])
    readers.control.delete("linear.projects", "Move")
    readers.control.delete("linear.cycles", cycle["id"])
    assert [issue(readers, made["id"])[name] for name in ("project", "cycle")] == [None, None]


BAD: list[tuple[str, Record]] = [
    ("create", {"stream": "linear.issues"}),
    ("create", {"stream": "linear.issues", "fields": {"team": "ENG"}}),
    ("create", {"stream": "linear.issues", "fields": {"team": "XYZ", "title": "x"}}),
    ("create", {"stream": "linear.issues", "fields": {"team": "ENG", "title": "x", "priority": 5}}),
    ("create", {"stream": "linear.issues", "fields": {"team": "ENG", "title": "x", "state": "nowhere"}}),
    (
        "create",
        {"stream": "linear.issues", "fields": {"team": "ENG", "title": "x", "completedAt": "2026-10-01T00:00:00Z"}},
    ),
    (
        "create",
        {"stream": "linear.issues", "fields": {"team": "ENG", "title": "x", "createdAt": "2027-01-01T00:00:00Z"}},
    ),
    ("create", {"stream": "linear.issues", "fields": {"team": "ENG", "title": "x", "dueDate": "soon"}}),
    ("create", {"stream": "linear.issues", "fields": {"team": "ENG", "title": "x", "cycle": 99}}),
    ("create", {"stream": "linear.issues", "fields": {"team": "ENG", "title": "x", "labels": "bug"}}),
    ("create", {"stream": "linear.issues", "fields": {"team": "ENG", "title": "x", "estimate": -1}}),
    ("create", {"stream": "linear.issues", "fields": {"team": "ENG", "title": "x", "archived": "yes"}}),
    (
        "create",
        {"stream": "linear.issues", "fields": {"team": "ENG", "title": "x", "updatedAt": "2026-10-01T00:00:00Z"}},
    ),
    ("create", {"stream": "linear.comments", "fields": {"body": "x"}}),
    ("create", {"stream": "linear.comments", "fields": {"issue": "ENG-1"}}),
    ("create", {"stream": "linear.teams", "fields": {"key": "ENG"}}),
    ("create", {"stream": "linear.cycles", "fields": {"team": "ENG"}}),
    ("create", {"stream": "linear.workflow_states", "fields": {"team": "ENG", "type": "new", "name": "x"}}),
    ("create", {"stream": "linear.projects", "fields": {"name": "x", "status": "new"}}),
    ("create", {"stream": "linear.nothing", "fields": {}}),
    ("edit", {"stream": "linear.issues", "id": "ENG-99999", "fields": {}}),
    ("edit", {"stream": "linear.teams", "id": "ENG", "fields": {"key": "DEV"}}),
    ("edit", {"stream": "linear.projects", "id": "Audit readiness", "fields": {"health": "fine"}}),
    ("delete", {"stream": "linear.teams", "id": "ENG"}),
    ("delete", {"stream": "linear.users", "id": "nobody"}),
]


def test_a_bad_command_changes_nothing(readers: Any) -> None:
    before = readers.control.dump()
    for op, command in BAD:
        answer = readers.gong.post(f"{readers.control.url}/_sandbox/{op}", json=command)
        assert answer.status_code == 400, (op, command)
        assert answer.json()["error"].endswith("."), answer.json()
    assert readers.control.dump() == before
    with pytest.raises(sandbox.CommandRefused):
        readers.control.fault("gong", "partial_errors")


STEPS = st.lists(
    st.tuples(st.sampled_from(("create", "state", "move", "title", "archive", "trash", "comment", "delete", "clock")),
              st.integers(0, 10_000)),
    max_size=30,
)  # fmt: skip


def take(world: World, step: str, number: int) -> None:
    """One step of a history; `number` chooses what it is done to."""
    ids = sorted(world.linear.rows["issues"])
    key: Record = {"stream": "linear.issues", "id": ids[number % len(ids)] if ids else "none"}
    state = ("triage", "backlog", "unstarted", "started", "completed", "canceled", "duplicate")[number % 7]
    team = ("ENG", "PRD", "SUP", "PEO")[number % 4]
    commands: dict[str, tuple[str, Record]] = {
        "create": ("create", {"stream": "linear.issues", "fields": {"team": team, "title": f"title {number}"}}),
        "state": ("edit", key | {"fields": {"state": state}}),
        "move": ("edit", key | {"fields": {"team": team}}),
        "title": ("edit", key | {"fields": {"title": f"title {number}", "priority": number % 6}}),
        "archive": ("edit", key | {"fields": {"archived": number % 2 == 0}}),
        "trash": ("edit", key | {"fields": {"trashed": number % 2 == 0}}),
        "comment": ("create", {"stream": "linear.comments", "fields": {"issue": key["id"], "body": f"text {number}"}}),
        "delete": ("delete", key),
        "clock": ("clock", {"advance_s": number}),
    }
    world.execute(*commands[step])


@settings(max_examples=20, deadline=None)
@given(steps=STEPS)
def test_any_history_keeps_times_true_to_states_and_replays(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    state = tmp_path_factory.mktemp("state")
    world = open_world(7, 0.02, START, state)
    refused = 0
    for step, number in steps:
        try:
            take(world, step, number)
        except CommandRefused:
            refused += 1
    dump = world.dump()
    assert world.linear.counts(world.now) == {
        stream.split(".")[1]: len(rows) for stream, rows in dump.items() if stream.startswith("linear.")
    }
    identifiers = [row["identifier"] for row in dump["linear.issues"]]
    assert len(set(identifiers)) == len(identifiers)
    for row in dump["linear.issues"]:
        assert (row["completedAt"] is not None) == (row["state"]["type"] == "completed")
        assert (row["canceledAt"] is not None) == (row["state"]["type"] in ("canceled", "duplicate"))
        assert not (row["trashed"] and not row["archivedAt"])
        assert row["identifier"] == f"{row['team']['key']}-{row['number']}"
        assert row["identifier"] not in row["previousIdentifiers"]
    issues = {row["id"] for row in dump["linear.issues"]}
    assert all(row["issueId"] in issues for row in dump["linear.comments"] if row["issueId"])
    assert world.commands_executed == len(steps) - refused
    world.close()
    again = open_world(7, 0.02, START, state)
    assert again.dump() == dump
    again.close()


def test_the_private_team_keeps_its_secrets_in_a_state_folder(tmp_path: Path) -> None:
    first = open_world(7, 0.05, START, tmp_path)
    first.execute("edit", {"stream": "linear.teams", "id": "SEC", "fields": {"granted": False}})
    first.close()
    again = open_world(7, 0.05, START, tmp_path)
    assert "SEC" not in {team["key"] for team in again.dump()["linear.teams"]}
    again.close()
