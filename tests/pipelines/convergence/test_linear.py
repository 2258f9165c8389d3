"""What happens at Linear: issues move, are archived, binned, restored and deleted; teams close; comments come late."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import ClassVar

import pytest

from tests.pipelines.convergence.history import FAULTS, FEW_S, History, Maker, Record, World, pick, run, words
from tests.pipelines.convergence.sync import Change


def _of(stream: str, **fields: object) -> Maker:
    """An edit; a field that is a function of chance gets its value."""

    def make(world: World, random: Random, _now: datetime) -> Change | None:
        row = pick(world[stream], random)
        known = {name: value(random) if callable(value) else value for name, value in fields.items()}
        return row and Change("edit", f"linear.{stream}", row["id"], known)

    return make


def _deleted(stream: str) -> Maker:
    def make(world: World, random: Random, _now: datetime) -> Change | None:
        row = pick(world[stream], random)
        return row and Change("delete", f"linear.{stream}", row["id"], {})

    return make


def _new_issue(world: World, random: Random, _now: datetime) -> Change | None:
    team = pick(world["teams"], random)
    return team and Change("create", "linear.issues", None, {"team": team["id"], "title": words(random)})


def _moved_issue(world: World, random: Random, _now: datetime) -> Change | None:
    issue, team = pick(world["issues"], random), pick(world["teams"], random)
    return issue and team and Change("edit", "linear.issues", issue["id"], {"team": team["id"]})


def _new_comment(world: World, random: Random, _now: datetime) -> Change | None:
    issue = pick(world["issues"], random)
    return issue and Change("create", "linear.comments", None, {"issue": issue["id"], "body": words(random)})


def _project_of_issue(world: World, random: Random, _now: datetime) -> Change | None:
    issue, project = pick(world["issues"], random), pick(world["projects"], random)
    return issue and project and Change("edit", "linear.issues", issue["id"], {"project": project["id"]})


def _granted(world: World, random: Random, _now: datetime) -> Change | None:
    """Never the last two teams: a key that sees none is told the same as if there were none."""
    if len(world["teams"]) < 3:
        return None
    return Change("edit", "linear.teams", random.choice(world["teams"])["id"], {"granted": False})


def _new_team(_world: World, random: Random, _now: datetime) -> Change:
    number = random.randrange(10**4)
    return Change("create", "linear.teams", None, {"key": f"T{number}", "name": f"Team {number}"})


def _new_cycle(world: World, random: Random, now: datetime) -> Change | None:
    team = pick(world["teams"], random)
    begins = now + timedelta(days=random.randrange(-20, 20))
    times = {"startsAt": begins.isoformat(), "endsAt": (begins + timedelta(days=14)).isoformat()}
    return team and Change("create", "linear.cycles", None, {"team": team["id"], **times})


def _state(random: Random) -> str:
    return random.choice(("backlog", "started", "completed", "canceled"))


class LinearHistory(History):
    source = "linear"
    faults: ClassVar[tuple[Record, ...]] = (*FAULTS, {"kind": "partial_errors"})
    changes: ClassVar[Mapping[str, Maker]] = {
        "new_issue": _new_issue,
        "retitled_issue": _of("issues", title=words),
        "issue_of_another_state": _of("issues", state=_state),
        "moved_issue": _moved_issue,
        "binned_issue": _of("issues", trashed=True),
        "restored_issue": _of("issues", trashed=False),
        "archived_issue": _of("issues", archived=True),
        "deleted_issue": _deleted("issues"),
        "issue_of_a_project": _project_of_issue,
        "new_comment": _new_comment,
        "edited_comment": _of("comments", body=words),
        "resolved_comment": _of("comments", resolved=True),
        "deleted_comment": _deleted("comments"),
        "renamed_project": _of("projects", name=words),
        "binned_project": _of("projects", trashed=True),
        "deleted_project": _deleted("projects"),
        "new_cycle": _new_cycle,
        "deleted_cycle": _deleted("cycles"),
        "renamed_label": _of("issue_labels", name=words),
        "deleted_label": _deleted("issue_labels"),
        "user_who_left": _of("users", active=False),
        "renamed_user": _of("users", displayName=words),
        "new_team": _new_team,
        "private_team": _of("teams", private=True),
        "open_team": _of("teams", private=False),
        "team_not_granted": _granted,
    }


@pytest.mark.timeout(FEW_S)
def test_five_histories_converge() -> None:
    run(LinearHistory, histories=5, first_seed=1)


@pytest.mark.long
@pytest.mark.parametrize("first_seed", [2, 3])
def test_forty_histories_converge(first_seed: int) -> None:
    run(LinearHistory, histories=20, first_seed=first_seed)
