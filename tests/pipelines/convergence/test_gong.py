"""What happens at Gong: calls that are late, transcripts that are later, edits that nobody tells, private calls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import ClassVar

import pytest

from tests.pipelines.convergence.history import FEW_S, History, Maker, World, pick, run, words
from tests.pipelines.convergence.sync import Change


def _new_call(_world: World, random: Random, now: datetime) -> Change:
    """It may have begun days ago, be seen in days, and have its transcript days after that."""
    started = now - timedelta(hours=random.choice((0, 1, 30, 300)))
    visible_at = now + timedelta(hours=random.choice((0, 0, 2, 50)))
    transcript_at = visible_at + timedelta(hours=random.choice((-1, 0, 3, 400)))
    fields = {"started": started, "visible_at": visible_at, "transcript_at": transcript_at}
    return Change(
        "create",
        "gong.calls",
        None,
        {name: moment.isoformat() for name, moment in fields.items()}
        | {"title": words(random), "isPrivate": random.random() < 0.2},
    )


def _of_a_call(**fields: object) -> Maker:
    def make(world: World, random: Random, now: datetime) -> Change | None:
        call = pick(world["calls"], random)
        known = {name: value(random, now) if callable(value) else value for name, value in fields.items()}
        return call and Change("edit", "gong.calls", call["metaData"]["id"], known)

    return make


def _deleted_call(world: World, random: Random, _now: datetime) -> Change | None:
    """Never the last two: a key that sees no call is told the same as if there were none."""
    if len(world["calls"]) < 3:
        return None
    return Change("delete", "gong.calls", random.choice(world["calls"])["metaData"]["id"], {})


def _edited_transcript(world: World, random: Random, _now: datetime) -> Change | None:
    transcript = pick([one for one in world["transcripts"] if one["transcript"]], random)
    return transcript and Change("edit", "gong.transcripts", transcript["callId"], {"text": words(random)})


def _new_user(_world: World, random: Random, _now: datetime) -> Change:
    return Change("create", "gong.users", None, {"firstName": f"Person{random.randrange(1000)}"})


def _left_user(world: World, random: Random, _now: datetime) -> Change | None:
    user = pick(world["users"], random)
    return user and Change("edit", "gong.users", user["id"], {"active": not user["active"]})


class GongHistory(History):
    source = "gong"
    environ: ClassVar[Mapping[str, str]] = {"SOPHIA_GONG_LOOKBACK_DAYS": "14"}
    changes: ClassVar[Mapping[str, Maker]] = {
        "new_call": _new_call,
        "renamed_call": _of_a_call(title=lambda random, _now: words(random)),
        "briefed_call": _of_a_call(brief=lambda random, _now: words(random)),
        "private_call": _of_a_call(isPrivate=True),
        "opened_call": _of_a_call(isPrivate=False),
        "moved_call": _of_a_call(started=lambda random, now: (now - timedelta(days=random.randrange(30))).isoformat()),
        "transcript_withdrawn": _of_a_call(transcript_at=lambda _random, now: (now + timedelta(days=2)).isoformat()),
        "deleted_call": _deleted_call,
        "edited_transcript": _edited_transcript,
        "new_user": _new_user,
        "left_user": _left_user,
    }


@pytest.mark.timeout(FEW_S)
def test_five_histories_converge() -> None:
    run(GongHistory, histories=5, first_seed=1)


@pytest.mark.long
@pytest.mark.parametrize("first_seed", [2, 3])
def test_forty_histories_converge(first_seed: int) -> None:
    run(GongHistory, histories=20, first_seed=first_seed)
