"""The world: equal settings make equal worlds, and a state folder brings back what was done."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.records import CommandRefused, Record, WorldRefused
from sandbox.world import World, open_world

START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def test_equal_settings_make_equal_worlds() -> None:
    one, same, other = (open_world(seed, 0.3, START) for seed in (7, 7, 8))
    assert one.dump() == same.dump()
    assert one.planted == same.planted
    assert one.dump() != other.dump()


def test_a_greater_scale_adds_calls_and_keeps_the_others() -> None:
    small, great = open_world(7, 0.2, START).dump(), open_world(7, 1, START).dump()
    ids = {call["metaData"]["id"] for call in great["gong.calls"]}
    assert {call["metaData"]["id"] for call in small["gong.calls"]} < ids


def test_a_big_world_takes_seconds() -> None:
    began = time.monotonic()
    counts = open_world(7, 9, START).counts()
    assert counts["gong.calls"] > 1000
    assert counts["slack.messages"] > 6500
    assert time.monotonic() - began < 10


def test_edits_survive_a_restart(tmp_path: Path) -> None:
    first = open_world(7, 0.2, START, tmp_path)
    channel = next(c.id for c in first.slack.visible_channels() if c.record["name"] == "general")
    first.execute("create", {"stream": "gong.calls", "fields": {"account": "velmora"}})
    message = first.execute("create", {"stream": "slack.messages", "fields": {"channel": channel, "text": "Hi"}})
    first.execute("clock", {"advance_s": 3600})
    first.execute(
        "edit", {"stream": "slack.messages", "channel": channel, "ts": message["ts"], "fields": {"text": "Ho"}}
    )
    with pytest.raises(CommandRefused):
        first.execute("delete", {"stream": "gong.calls", "id": "1"})
    first.close()
    again = open_world(7, 0.2, None, tmp_path)
    assert again.now == first.now
    assert again.dump() == first.dump()
    # Ids go on where they were, so nothing made after the restart meets what was made before.
    assert again.execute("create", {"stream": "gong.calls"})["metaData"]["id"] not in first.gong.calls
    again.close()


def test_a_line_that_a_crash_cut_off_is_dropped(tmp_path: Path) -> None:
    first = open_world(7, 0.1, START, tmp_path)
    first.execute("clock", {"advance_s": 60})
    first.close()
    journal = tmp_path / "commands.jsonl"
    whole = journal.read_text(encoding="utf-8")
    journal.write_text(whole + '{"op": "clock", "adv', encoding="utf-8")
    again = open_world(7, 0.1, START, tmp_path)
    assert again.now == first.now
    again.close()
    assert journal.read_text(encoding="utf-8") == whole


@pytest.mark.parametrize("other", [{"seed": 8}, {"scale": 0.2}, {"start": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_another_world_in_the_same_folder_is_refused(tmp_path: Path, other: Record) -> None:
    asked: Record = {"seed": 7, "scale": 0.1, "start": START, "state": tmp_path}
    open_world(**asked).close()
    with pytest.raises(WorldRefused, match=next(iter(other))):
        open_world(**asked | other)


def test_a_scale_or_a_folder_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    for scale in (0, -1, float("nan")):
        with pytest.raises(WorldRefused):
            open_world(scale=scale)
    with pytest.raises(WorldRefused, match="none of qmsum, slack_export and tawos"):
        open_world(data=tmp_path)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("post", "reply", "edit", "delete", "delete thread", "call", "edit call", "delete call", "clock")
        ),
        st.integers(0, 10_000),
    ),
    max_size=40,
)


def take(world: World, step: str, number: int) -> None:
    """One step of a history; `number` chooses what it is done to."""
    channel = next(iter(world.slack.channels.values()))
    stamps = list(channel.visible(world.now))
    ts = stamps[number % len(stamps)] if stamps else "0"
    calls = [call_id for call_id, _ in world.gong.visible_calls(world.now)]
    call = calls[number % len(calls)] if calls else "0"
    message: Record = {"stream": "slack.messages", "channel": channel.id, "ts": ts}
    posted: Record = {"channel": channel.id, "text": f"text {number}"}
    commands: dict[str, tuple[str, Record]] = {
        "post": ("create", {"stream": "slack.messages", "fields": posted}),
        "reply": (
            "create",
            {"stream": "slack.messages", "fields": posted | {"thread_ts": ts, "broadcast": number % 5 == 0}},
        ),
        "edit": ("edit", message | {"fields": {"text": f"edit {number}"}}),
        "delete": ("delete", message),
        "delete thread": ("delete", message | {"thread": True}),
        "call": ("create", {"stream": "gong.calls", "fields": {"turns": [["A", f"Word {number}."]]}}),
        "edit call": ("edit", {"stream": "gong.calls", "id": call, "fields": {"title": f"title {number}"}}),
        "delete call": ("delete", {"stream": "gong.calls", "id": call}),
        "clock": ("clock", {"advance_s": number}),
    }
    world.execute(*commands[step])


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_any_history_keeps_the_rules_of_threads_and_replays_to_the_same_world(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    state = tmp_path_factory.mktemp("state")
    world = open_world(7, 0.02, START, state)
    for step, number in steps:
        with suppress(CommandRefused):
            take(world, step, number)
    dump = world.dump()
    assert world.counts() == {stream: sum(not row.get("archived") for row in dump[stream]) for stream in dump}
    messages = {(m["channel"], m["ts"]): m for m in dump["slack.messages"]}
    assert len(messages) == len(dump["slack.messages"])
    for (channel, ts), message in messages.items():
        replies = [t for (c, t), m in messages.items() if c == channel and m.get("thread_ts") == ts != t]
        assert message.get("reply_count", 0) == len(replies)
        assert message.get("latest_reply") == (max(replies) if replies else None)
        assert ("thread_ts" in message) == bool(replies) or message["thread_ts"] != ts
        if message.get("thread_ts", ts) != ts:
            assert (channel, message["thread_ts"]) in messages
    world.close()
    again = open_world(7, 0.02, START, state)
    assert again.dump() == dump
    again.close()
