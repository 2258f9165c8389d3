"""What happens at Slack: late replies, edits, deletes; channels that come, go, open and close; people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import ClassVar

import pytest

from tests.pipelines.convergence.history import FEW_S, History, Maker, Record, World, pick, run, words
from tests.pipelines.convergence.sync import Change


def _open_channels(world: World) -> list[Record]:
    return [channel for channel in world["channels"] if not channel["is_archived"]]


def _new_message(world: World, random: Random, _now: datetime) -> Change | None:
    channel = pick(_open_channels(world), random)
    return channel and Change("create", "slack.messages", None, {"channel": channel["id"], "text": words(random)})


def _new_reply(world: World, random: Random, _now: datetime) -> Change | None:
    """To any message that is no reply, however old."""
    parents = [m for m in world["messages"] if m.get("thread_ts", m["ts"]) == m["ts"]]
    parent = pick(parents, random)
    fields = {"broadcast": True} if random.random() < 0.3 else {}
    return parent and Change(
        "create",
        "slack.messages",
        None,
        {"channel": parent["channel"], "thread_ts": parent["ts"], "text": words(random)} | fields,
    )


def _of_a_message(op: str, *, replies: bool) -> Maker:
    def make(world: World, random: Random, _now: datetime) -> Change | None:
        messages = [m for m in world["messages"] if (m.get("thread_ts", m["ts"]) != m["ts"]) == replies]
        message = pick([m for m in messages if m.get("subtype") != "tombstone"], random)
        if message is None:
            return None
        key = {"channel": message["channel"], "ts": message["ts"]}
        if op == "edit":
            return Change("edit", "slack.messages", key, {"text": words(random)})
        if op == "delete_thread":
            key["thread"] = True
        return Change("delete", "slack.messages", key, {})

    return make


def _reaction(world: World, random: Random, _now: datetime) -> Change | None:
    message = pick(world["messages"], random)
    reactions = [{"name": "eyes", "users": ["U1"], "count": random.randrange(1, 9)}]
    return message and Change(
        "edit", "slack.messages", {"channel": message["channel"], "ts": message["ts"]}, {"reactions": reactions}
    )


def _new_channel(_world: World, random: Random, _now: datetime) -> Change:
    closed = random.random() < 0.3
    name = f"room-{random.randrange(10**6)}"
    return Change(
        "create", "slack.channels", None, {"name": name, "is_private": closed, "is_member": random.random() < 0.7}
    )


def _of_a_channel(**fields: object) -> Maker:
    def make(world: World, random: Random, _now: datetime) -> Change | None:
        channel = pick(world["channels"], random)
        known = {name: value(random) if callable(value) else value for name, value in fields.items()}
        return channel and Change("edit", "slack.channels", channel["id"], known)

    return make


def _joined(world: World, random: Random, _now: datetime) -> Change | None:
    channel, user = pick(world["channels"], random), pick(world["users"], random)
    if channel is None or user is None:
        return None
    return Change("create", "slack.channel_members", None, {"channel": channel["id"], "user": user["id"]})


def _left(world: World, random: Random, _now: datetime) -> Change | None:
    member = pick(world["channel_members"], random)
    return member and Change("delete", "slack.channel_members", dict(member), {})


def _new_user(_world: World, random: Random, _now: datetime) -> Change:
    return Change("create", "slack.users", None, {"name": f"person{random.randrange(10**6)}"})


def _edited_user(world: World, random: Random, _now: datetime) -> Change | None:
    user = pick(world["users"], random)
    return user and Change(
        "edit", "slack.users", user["id"], {"real_name": words(random), "deleted": not user["deleted"]}
    )


class SlackHistory(History):
    source = "slack"
    environ: ClassVar[Mapping[str, str]] = {"SOPHIA_SLACK_LOOKBACK_DAYS": "30"}
    changes: ClassVar[Mapping[str, Maker]] = {
        "new_message": _new_message,
        "new_reply": _new_reply,
        "edited_message": _of_a_message("edit", replies=False),
        "edited_reply": _of_a_message("edit", replies=True),
        "deleted_message": _of_a_message("delete", replies=False),
        "deleted_reply": _of_a_message("delete", replies=True),
        "deleted_thread": _of_a_message("delete_thread", replies=False),
        "reaction": _reaction,
        "new_channel": _new_channel,
        "renamed_channel": _of_a_channel(name=lambda random: f"room-{random.randrange(10**6)}"),
        "archived_channel": _of_a_channel(is_archived=True),
        "unarchived_channel": _of_a_channel(is_archived=False),
        "closed_channel": _of_a_channel(is_private=True),
        "opened_channel": _of_a_channel(is_private=False),
        "left_channel": _of_a_channel(is_member=False),
        "joined_channel": _of_a_channel(is_member=True),
        "topic": _of_a_channel(topic=words),
        "joined": _joined,
        "left": _left,
        "new_user": _new_user,
        "edited_user": _edited_user,
    }


@pytest.mark.timeout(FEW_S)
def test_five_histories_converge() -> None:
    run(SlackHistory, histories=5, first_seed=1)


@pytest.mark.long
@pytest.mark.parametrize("first_seed", [2, 3])
def test_forty_histories_converge(first_seed: int) -> None:
    run(SlackHistory, histories=20, first_seed=first_seed)
