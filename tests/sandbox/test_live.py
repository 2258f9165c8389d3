"""Life in the world, and a clock that follows the one on the wall."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import sandbox
from sandbox.live import WEIGHTS, Author
from sandbox.records import CommandRefused, parse_time
from sandbox.world import open_world

START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def test_changes_come_at_the_rate_that_was_asked_for(readers: Any) -> None:
    control = readers.control
    before = control.counts()
    control.live(100, seed=1)
    time.sleep(1.5)
    told = control.still()
    assert 110 <= told["done"] + told["refused"] <= 170
    assert told["refused"] <= told["done"] / 10
    assert told["latest_s"] < 0.5
    assert {kind.split(".")[0] for kind in told["kinds"]} == set(WEIGHTS)
    assert control.counts() != before
    time.sleep(0.1)
    assert control.changes()["done"] == told["done"]
    assert not control.changes()["running"]


def test_equal_seeds_make_equal_choices() -> None:
    worlds = [open_world(7, 0.15, START) for _ in range(2)]
    kinds = set()
    for world in worlds:
        author = Author(world, 5)
        for _ in range(400):
            chosen = author.choose(tuple(WEIGHTS))
            assert chosen is not None
            kinds.add(chosen[0])
            try:
                world.execute(*chosen[1])
            except CommandRefused:
                assert chosen[0].startswith("hubspot")
    assert worlds[0].dump() == worlds[1].dump()
    assert kinds == {f"{vendor}.{kind}" for vendor, of_vendor in WEIGHTS.items() for kind in of_vendor}


def test_only_the_vendors_that_were_named_change(readers: Any) -> None:
    readers.control.live(200, vendors=["linear"])
    time.sleep(0.3)
    assert {kind.split(".")[0] for kind in readers.control.still()["kinds"]} == {"linear"}
    for body in ({"per_second": 0}, {"per_second": 1, "vendors": ["jira"]}):
        with pytest.raises(sandbox.CommandRefused):
            readers.control.live(**body)


def test_the_world_follows_the_wall_clock(tmp_path: Path) -> None:
    start = datetime.now(UTC) - timedelta(days=1)
    with sandbox.running(scale=0.1, start=start, state=tmp_path, wall_clock=True) as control:
        times = []
        for number in range(5):
            issue = control.create("linear.issues", team="ENG", title=f"Issue {number}")
            times.append(parse_time(issue["updatedAt"]))
        edited = [control.edit("linear.issues", issue["id"], priority=n)["updatedAt"] for n in (1, 2, 3)]
        message = control.create("slack.messages", channel="general", text="One")
        key = {"channel": message["channel"], "ts": message["ts"]}
        marks = [control.edit("slack.messages", key, text=text)["edited"]["ts"] for text in ("Two", "Three", "Four")]
        assert abs(float(message["ts"]) - time.time()) < 5
        assert abs(times[0].timestamp() - time.time()) < 5
        assert times == sorted(set(times))
        assert edited == sorted(set(edited))
        assert [message["ts"], *marks] == sorted({message["ts"], *marks})
        left = control.dump()
        now = parse_time(control.health()["now"])
    with sandbox.running(scale=0.1, start=start, state=tmp_path) as control:
        assert control.dump() == left
        assert parse_time(control.health()["now"]) == now


def test_a_world_ahead_of_the_wall_clock_stands_still(open_sandbox: Any) -> None:
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    readers = open_sandbox(start=ahead, wall_clock=True)
    readers.control.create("slack.messages", channel="general", text="One")
    assert parse_time(readers.control.health()["now"]) == ahead
