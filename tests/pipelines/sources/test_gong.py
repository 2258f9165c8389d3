"""Gong's source against the sandbox: pages, limits, traps."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import sandbox
from contracts.errors import MissingSetting, VendorRefused, VendorUnavailable
from pipelines.pull import pull
from pipelines.sources import Pull, gong
from tests.conftest import profile_for, vendors
from tests.pipelines.rig import open_rig
from tests.pipelines.truth import held


def test_more_than_a_page_is_pulled_and_a_second_pull_finds_the_same(tmp_path: Path) -> None:
    with (
        vendors(scale=1.0, limit_speedup=math.inf) as control,
        open_rig(profile_for(tmp_path, control), control) as rig,
    ):
        calls = control.counts()["gong.calls"]
        assert calls > 100, "the world is too small to have a second page"
        first = {str(landed.address): landed for landed in pull("gong", rig.profile, rig.warehouse)}
        before = held(rig)
        assert len(before["gong.calls"]) == first["gong/calls"].changed == calls
        again = pull("gong", rig.profile, rig.warehouse)
        assert [(landed.changed, landed.deleted, landed.rejected) for landed in again] == [(0, 0, 0)] * 3
        assert held(rig) == before


def test_private_calls_are_landed_without_their_transcript(tmp_path: Path) -> None:
    with (
        vendors(scale=0.3, limit_speedup=math.inf) as control,
        open_rig(profile_for(tmp_path, control), control) as rig,
    ):
        private = control.create("gong.calls", title="Private", isPrivate=True)["metaData"]["id"]
        pull("gong", rig.profile, rig.warehouse)
        assert private in rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID")
        transcripts = rig.live_payloads("GONG_INTEGRATION.TRANSCRIPTS", "CALL_ID")
        assert private not in transcripts
        assert transcripts

        opened = next(iter(transcripts))
        control.edit("gong.calls", opened, isPrivate=True)
        pull("gong", rig.profile, rig.warehouse)
        assert opened not in rig.live_payloads("GONG_INTEGRATION.TRANSCRIPTS", "CALL_ID")


def test_a_transcript_that_comes_late_is_fetched_when_its_call_is_out_of_the_window(
    tmp_path: Path, small_world: sandbox.Control
) -> None:
    profile = profile_for(tmp_path, small_world, SOPHIA_GONG_LOOKBACK_DAYS="1")
    with open_rig(profile, small_world) as rig:
        now = small_world.health()["now"]
        late = small_world.create("gong.calls", title="Late", transcript_at=_later(now, days=5))["metaData"]["id"]
        pull("gong", rig.profile, rig.warehouse)
        assert late not in rig.live_payloads("GONG_INTEGRATION.TRANSCRIPTS", "CALL_ID")
        small_world.advance(4 * 86_400)
        small_world.create("gong.calls", title="Newer")
        pull("gong", rig.profile, rig.warehouse)
        assert "content" not in rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID")[late]
        small_world.advance(2 * 86_400)
        pull("gong", rig.profile, rig.warehouse)
        assert late in rig.live_payloads("GONG_INTEGRATION.TRANSCRIPTS", "CALL_ID")
        assert rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID")[late]["content"]["brief"]


def test_a_limit_is_waited_for(tmp_path: Path, small_world: sandbox.Control) -> None:
    small_world.fault("gong", "rate_limited", times=1, retry_after_s=1)
    with open_rig(profile_for(tmp_path, small_world), small_world) as rig:
        pull("gong", rig.profile, rig.warehouse)
        assert len(rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID")) == small_world.counts()["gong.calls"]


def test_a_cursor_that_expires_restarts_its_sequence(tmp_path: Path) -> None:
    with (
        vendors(scale=1.0, limit_speedup=math.inf) as control,
        open_rig(profile_for(tmp_path, control), control) as rig,
    ):
        control.fault("gong", "expired_cursors", times=1)
        pull("gong", rig.profile, rig.warehouse)
        assert len(rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID")) == control.counts()["gong.calls"]


def test_a_sequence_whose_cursors_all_expire_begins_without_one(tmp_path: Path) -> None:
    """The cursor of the old sequence must not travel in the new one's body."""
    with (
        vendors(scale=1.0, limit_speedup=math.inf) as control,
        open_rig(profile_for(tmp_path, control), control) as rig,
    ):
        settings = rig.profile.section("gong", gong.Settings)
        context = Pull(positions={})
        source = gong.source(settings, context)
        pages = 0
        with context.connections:
            for page in source.resources["calls"]:
                pages += 1
                if pages == 1:
                    control.expire_cursors()
                assert page["record"]
        assert context.reached["calls"]


def test_a_window_without_calls_is_no_failure(tmp_path: Path, small_world: sandbox.Control) -> None:
    profile = profile_for(tmp_path, small_world, SOPHIA_GONG_START="2099-01-01T00:00:00Z")
    with open_rig(profile, small_world) as rig:
        landed = {str(one.address): one.received for one in pull("gong", rig.profile, rig.warehouse)}
        assert (landed["gong/calls"], landed["gong/transcripts"]) == (0, 0)
        assert landed["gong/users"] > 0


def test_a_wrong_key_is_refused_in_one_line(tmp_path: Path, small_world: sandbox.Control) -> None:
    profile = profile_for(tmp_path, small_world, SOPHIA_GONG_ACCESS_KEY="wrong")
    with (
        open_rig(profile, small_world) as rig,
        pytest.raises(VendorRefused, match="Check SOPHIA_GONG_ACCESS_KEY") as refusal,
    ):
        pull("gong", rig.profile, rig.warehouse)
    assert "wrong" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_vendor_that_fails_leaves_nothing_half_landed(tmp_path: Path, small_world: sandbox.Control) -> None:
    profile = profile_for(tmp_path, small_world)
    with open_rig(profile, small_world) as rig:
        small_world.fault("gong", "truncated_json", match="/v2/calls/extensive", times=1)
        with pytest.raises(VendorUnavailable, match="Gong does not answer"):
            pull("gong", rig.profile, rig.warehouse)
        assert rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID") == {}
        small_world.clear_faults()
        pull("gong", rig.profile, rig.warehouse)
        assert len(rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID")) == small_world.counts()["gong.calls"]


def test_nothing_is_asked_and_no_secret_needed_before_a_row_is() -> None:
    source = gong.source(gong.Settings(url="http://127.0.0.1:9"), Pull(positions={}))
    assert set(source.resources) == {"users", "calls", "transcripts", "late_transcripts", "late_calls"}


def test_a_missing_key_names_its_variable(tmp_path: Path, small_world: sandbox.Control) -> None:
    profile = profile_for(tmp_path, small_world, SOPHIA_GONG_ACCESS_KEY="")
    with (
        open_rig(profile, small_world) as rig,
        pytest.raises(MissingSetting, match="SOPHIA_GONG_ACCESS_KEY is not set"),
    ):
        pull("gong", rig.profile, rig.warehouse)


def _later(now: str, days: int) -> str:
    from datetime import datetime, timedelta

    return (datetime.fromisoformat(now) + timedelta(days=days)).isoformat()
