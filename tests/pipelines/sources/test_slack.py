"""Slack's source against the sandbox: pages, limits, traps."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import sandbox
from contracts.errors import MissingSetting, VendorRefused, VendorUnavailable
from pipelines.pull import pull
from pipelines.sources import Pull, slack
from tests.conftest import profile_for, vendors
from tests.pipelines.rig import open_rig
from tests.pipelines.truth import expected, held

STREAMS = ("slack.channels", "slack.channel_members", "slack.users", "slack.messages")


def test_a_second_pull_finds_the_same(tmp_path: Path, small_world: sandbox.Control) -> None:
    with open_rig(profile_for(tmp_path, small_world), small_world) as rig:
        first = pull("slack", rig.profile, rig.warehouse)
        assert all(landed.changed > 0 for landed in first)
        wanted, before = expected(rig), held(rig)
        assert {stream: before[stream] for stream in STREAMS} == {stream: wanted[stream] for stream in STREAMS}
        again = pull("slack", rig.profile, rig.warehouse)
        assert [(landed.changed, landed.deleted, landed.rejected) for landed in again] == [(0, 0, 0)] * 4
        assert held(rig) == before


def test_pages_are_followed_where_a_vendor_makes_them_small(tmp_path: Path) -> None:
    """The restricted mode of 2025: 15 messages a page."""
    with (
        vendors(scale=0.5, limit_speedup=math.inf, slack_restricted=True) as control,
        open_rig(profile_for(tmp_path, control), control) as rig,
    ):
        pull("slack", rig.profile, rig.warehouse)
        assert held(rig)["slack.messages"] == expected(rig)["slack.messages"]
        history = control.requests()["slack"]["/conversations.history"]["total"]
        assert history > len(control.dump()["slack.channels"])


def test_a_new_reply_to_an_old_thread_costs_one_request_and_an_unchanged_thread_none(
    tmp_path: Path, small_world: sandbox.Control
) -> None:
    profile = profile_for(tmp_path, small_world, SOPHIA_SLACK_REPLY_LOOKBACK_DAYS="0")
    with open_rig(profile, small_world) as rig:
        pull("slack", rig.profile, rig.warehouse)
        parent = min((m for m in small_world.dump()["slack.messages"] if m.get("reply_count")), key=lambda m: m["ts"])
        small_world.advance(60)
        small_world.create("slack.messages", channel=parent["channel"], thread_ts=parent["ts"], text="Late.")
        small_world.reset_requests()
        pull("slack", rig.profile, rig.warehouse)
        assert held(rig)["slack.messages"] == expected(rig)["slack.messages"]
        assert small_world.requests()["slack"]["/conversations.replies"]["total"] == 1


def test_a_thread_that_is_deleted_whole_goes_whole(tmp_path: Path, small_world: sandbox.Control) -> None:
    with open_rig(profile_for(tmp_path, small_world), small_world) as rig:
        pull("slack", rig.profile, rig.warehouse)
        parent = next(m for m in small_world.dump()["slack.messages"] if m.get("reply_count"))
        small_world.delete("slack.messages", {"channel": parent["channel"], "ts": parent["ts"], "thread": True})
        pull("slack", rig.profile, rig.warehouse)
        assert held(rig)["slack.messages"] == expected(rig)["slack.messages"]


def test_a_channel_that_is_joined_later_is_read_from_its_beginning(
    tmp_path: Path, small_world: sandbox.Control
) -> None:
    with open_rig(profile_for(tmp_path, small_world, SOPHIA_SLACK_JOIN_PUBLIC_CHANNELS="false"), small_world) as rig:
        pull("slack", rig.profile, rig.warehouse)
        outside = {c["id"] for c in small_world.dump()["slack.channels"] if not c["is_member"]}
        assert outside
        assert not any(r["channel_id"] in outside for r in held(rig)["slack.messages"])
        joining = profile_for(tmp_path, small_world)
        pull("slack", joining, rig.warehouse)
        assert {stream: held(rig)[stream] for stream in STREAMS} == {
            stream: expected(rig)[stream] for stream in STREAMS
        }


def test_a_limit_is_waited_for(tmp_path: Path, small_world: sandbox.Control) -> None:
    small_world.fault("slack", "rate_limited", match="conversations.history", times=1, retry_after_s=1)
    with open_rig(profile_for(tmp_path, small_world), small_world) as rig:
        pull("slack", rig.profile, rig.warehouse)
        assert held(rig)["slack.messages"] == expected(rig)["slack.messages"]


def test_a_wrong_token_is_refused_in_one_line(tmp_path: Path, small_world: sandbox.Control) -> None:
    profile = profile_for(tmp_path, small_world, SOPHIA_SLACK_TOKEN="xoxb-wrong")
    with (
        open_rig(profile, small_world) as rig,
        pytest.raises(VendorRefused, match=r"invalid_auth.*SOPHIA_SLACK_TOKEN") as refusal,
    ):
        pull("slack", rig.profile, rig.warehouse)
    assert "xoxb-wrong" not in str(refusal.value)


def test_a_vendor_that_fails_leaves_nothing_half_landed(tmp_path: Path, small_world: sandbox.Control) -> None:
    with open_rig(profile_for(tmp_path, small_world), small_world) as rig:
        small_world.fault("slack", "cut", match="conversations.history", times=1)
        with pytest.raises(VendorUnavailable, match="Slack does not answer"):
            pull("slack", rig.profile, rig.warehouse)
        assert held(rig)["slack.messages"] == []
        small_world.clear_faults()
        pull("slack", rig.profile, rig.warehouse)
        assert held(rig)["slack.messages"] == expected(rig)["slack.messages"]


def test_nothing_is_asked_and_no_secret_needed_before_a_row_is() -> None:
    source = slack.source(slack.Settings(url="http://127.0.0.1:9"), Pull(positions={}))
    assert set(source.resources) == {"channels", "users", "channel_members", "messages"}


def test_a_missing_token_names_its_variable(tmp_path: Path, small_world: sandbox.Control) -> None:
    profile = profile_for(tmp_path, small_world, SOPHIA_SLACK_TOKEN="")
    with open_rig(profile, small_world) as rig, pytest.raises(MissingSetting, match="SOPHIA_SLACK_TOKEN is not set"):
        pull("slack", rig.profile, rig.warehouse)
