"""Every source at the size of a real account: a first load is whole, and the next finds what has changed, no more."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

import sandbox
from pipelines.sources import gong, hubspot, linear
from resources.profile import Profile
from tests.conftest import profile_for, vendors
from tests.pipelines.rig import Rig, open_rig
from tests.pipelines.truth import assert_raw_equals_the_world

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
DAY_S = 86_400.0
SEARCH_OF_DEALS = "/crm/v3/objects/deals/search"
AN_HOUR_THAT_ENDS = 1e-9
"""A speed-up at which the hourly budgets are full at first, and never drip."""


def answers(control: sandbox.Control, vendor: str, path: str) -> dict[str, int]:
    """Status → how often it was given, since the last reset."""
    found: dict[str, int] = control.requests()[vendor][path]["statuses"]
    return found


@pytest.mark.long
def test_hubspot_25000_deals_of_which_12000_have_one_modification_time(tmp_path: Path) -> None:
    with (
        vendors(scale=0.01, start=START, limit_speedup=math.inf) as control,
        open_rig(profile_for(tmp_path, control), control, ["hubspot"]) as rig,
    ):
        for minute in range(26):
            names = (f"Deal {number}" for number in range(minute * 500, (minute + 1) * 500))
            control.fill("hubspot.deals", ({"dealname": name, "amount": 500} for name in names))
            control.advance(60)
        control.fill("hubspot.deals", ({"dealname": f"Imported {number}"} for number in range(12_000)))
        deals = control.counts()["hubspot.deals"]
        assert deals > 25_000
        assert rig.pull()["hubspot/deals"].changed >= deals
        assert_raw_equals_the_world(rig)
        [together] = rig.rows(
            "SELECT COUNT(*) AS N FROM HUBSPOT_INTEGRATION.DEALS GROUP BY MODIFIED_AT ORDER BY N DESC LIMIT 1"
        )
        assert together["n"] == 12_000

        control.advance(DAY_S)
        living = [deal["id"] for deal in control.dump()["hubspot.deals"] if not deal["archived"]]
        control.edit("hubspot.deals", living[0], amount=1)
        control.edit("hubspot.deals", living[-1], amount=2)
        control.delete("hubspot.deals", living[100])
        control.create("hubspot.deals", dealname="New")
        control.reset_requests()
        assert rig.pull()["hubspot/deals"].changed == 4
        assert_raw_equals_the_world(rig)
        searches = answers(control, "hubspot", SEARCH_OF_DEALS)
        assert searches["200"] > 10_000 // hubspot.SEARCH_PAGE, "the 12,000 are past the cap of a query"
        assert set(searches) == {"200"}


@pytest.mark.long
def test_hubspot_an_import_of_12000_in_a_moment_is_read_past_the_cap(tmp_path: Path) -> None:
    with (
        vendors(scale=0.01, start=START, limit_speedup=math.inf) as control,
        open_rig(profile_for(tmp_path, control), control, ["hubspot"]) as rig,
    ):
        rig.pull()
        control.advance(DAY_S)
        control.fill("hubspot.notes", ({"hs_note_body": f"Imported {number}"} for number in range(12_000)))
        assert rig.pull()["hubspot/notes"].changed == 12_000
        assert_raw_equals_the_world(rig)
        control.advance(DAY_S)
        control.create("hubspot.notes", hs_note_body="After it.")
        assert rig.pull()["hubspot/notes"].changed == 1
        assert_raw_equals_the_world(rig)


def test_gong_350_calls_of_which_some_come_late(tmp_path: Path) -> None:
    """Each third of the last days' is listed a week after it began, and each fifth is transcribed weeks after it."""

    def calls(host: str) -> Iterator[dict[str, Any]]:
        for number in range(350):
            started = START - timedelta(hours=4 * number)
            call: dict[str, Any] = {"started": started.isoformat(), "turns": [[host, f"Call {number}."]]}
            if number % 3 == 0 and started > START - timedelta(days=7):
                call["visible_at"] = (started + timedelta(days=7)).isoformat()
            if number % 5 == 0:
                call["transcript_at"] = (START + timedelta(days=20)).isoformat()
            yield call

    with (
        vendors(scale=0.01, start=START, limit_speedup=math.inf) as control,
        open_rig(profile_for(tmp_path, control, SOPHIA_GONG_LOOKBACK_DAYS="14"), control, ["gong"]) as rig,
    ):
        control.fill("gong.calls", calls(control.dump()["gong.users"][0]["emailAddress"]))
        at_first = control.counts()
        assert at_first["gong.calls"] > 3 * gong.TRANSCRIPTS_A_REQUEST
        rig.pull()
        assert_raw_equals_the_world(rig)

        control.advance(8 * DAY_S)
        listed = control.counts()
        late = listed["gong.calls"] - at_first["gong.calls"]
        assert late >= 14
        assert rig.pull()["gong/calls"].changed == late
        assert_raw_equals_the_world(rig)

        control.advance(13 * DAY_S)
        transcribed = control.counts()["gong.transcripts"] - listed["gong.transcripts"]
        assert transcribed >= 70
        landed = rig.pull()
        assert landed["gong/transcripts"].changed == transcribed
        assert_raw_equals_the_world(rig)
        assert {one.changed for one in rig.pull().values()} == {0}


def test_slack_300_threads_with_replies_years_apart(tmp_path: Path) -> None:
    """A window over all of a channel sees a reply to any parent, for a request a thread that changed. By default it is
    90 days, and a reply to an older parent is left to the webhook and the full pull.
    """

    def ts(thread: int, reply: int = 0) -> str:
        """Of a thread in the last eight years: a half of what has passed since, two thirds, three quarters later."""
        days = (3000 - 10 * thread) / (1 + reply)
        return f"{int((START - timedelta(days=days)).timestamp())}.{10 * thread + reply:06d}"

    def messages(channel: str) -> Iterator[dict[str, Any]]:
        for thread in range(300):
            yield {"channel": channel, "ts": ts(thread), "text": f"Question {thread}"}
            for reply in range(1, 2 + thread % 4):
                yield {"channel": channel, "ts": ts(thread, reply), "thread_ts": ts(thread), "text": f"Answer {reply}"}

    with (
        vendors(scale=0.01, start=START, limit_speedup=math.inf) as control,
        open_rig(profile_for(tmp_path, control, SOPHIA_SLACK_LOOKBACK_DAYS="3650"), control, ["slack"]) as rig,
    ):
        by_default = profile_for(tmp_path, control)
        channel = control.create("slack.channels", name="long-memory")["id"]
        control.fill("slack.messages", messages(channel))
        rig.pull()
        assert_raw_equals_the_world(rig)

        control.advance(DAY_S)
        for thread in (0, 150, 299):
            control.create("slack.messages", channel=channel, thread_ts=ts(thread), text="Years later.")
        control.reset_requests()
        assert rig.pull()["slack/messages"].changed == 6, "each with its parent"
        assert answers(control, "slack", "/conversations.replies") == {"200": 3}
        assert_raw_equals_the_world(rig)

        control.create("slack.messages", channel=channel, thread_ts=ts(0), text="And again.")
        narrow = Rig(by_default, rig.warehouse, control, ["slack"])
        assert narrow.pull()["slack/messages"].changed == 0
        assert narrow.pull(full=True)["slack/messages"].changed == 2
        assert_raw_equals_the_world(rig)


def fill_with_issues(control: sandbox.Control) -> None:
    control.create("linear.teams", key="BIG", name="Big")
    states = ("backlog", "unstarted", "started", "completed", "canceled")
    team = next(team["id"] for team in control.dump()["linear.teams"] if team["key"] == "BIG")
    control.fill(
        "linear.issues",
        ({"team": team, "title": f"Issue {number}", "state": states[number % len(states)]} for number in range(16_000)),
    )


def spent_of_the_hour(profile: Profile) -> dict[str, int]:
    """Budget → what of it is spent, as Linear counts it; this question itself costs a request and a few points."""
    settings = profile.section("linear", linear.Settings)
    query = {"query": "{ rateLimitStatus { limits { type allowedAmount remainingAmount } } }"}
    answer = requests.post(settings.url, json=query, auth=settings.auth(), timeout=10).json()
    limits = answer["data"]["rateLimitStatus"]["limits"]
    return {limit["type"]: limit["allowedAmount"] - limit["remainingAmount"] for limit in limits}


@pytest.mark.long
def test_linear_16000_issues_in_a_part_of_one_hours_budget(tmp_path: Path) -> None:
    with (
        vendors(scale=0.01, start=START, limit_speedup=AN_HOUR_THAT_ENDS) as control,
        open_rig(profile_for(tmp_path, control), control, ["linear"]) as rig,
    ):
        fill_with_issues(control)
        issues = control.counts()["linear.issues"]
        assert issues > 16_000
        assert rig.pull()["linear/issues"].changed == issues
        assert_raw_equals_the_world(rig)
        assert set(answers(control, "linear", "/graphql")) == {"200"}
        spent = spent_of_the_hour(rig.profile)
        assert 0 < spent["requests"] < 0.1 * 2_500
        assert 0 < spent["complexity"] < 0.1 * 3_000_000

        control.advance(2 * DAY_S)
        for name in ("BIG-1", "BIG-8000", "BIG-16000"):
            control.edit("linear.issues", name, title="Another title")
        control.delete("linear.issues", "BIG-15999")
        control.create("linear.issues", team="BIG", title="New")
        landed = rig.pull()["linear/issues"]
        assert (landed.changed, landed.deleted) == (5, 1)
        assert_raw_equals_the_world(rig)
        assert set(answers(control, "linear", "/graphql")) == {"200"}


@pytest.mark.long
def test_linear_16000_issues_at_its_real_limits(tmp_path: Path) -> None:
    limits = {"SOPHIA_LINEAR_REQUESTS_PER_HOUR": "2500", "SOPHIA_LINEAR_COMPLEXITY_PER_HOUR": "3000000"}
    with (
        vendors(scale=0.01, start=START, limit_speedup=1.0) as control,
        open_rig(profile_for(tmp_path, control, **limits), control, ["linear"]) as rig,
    ):
        fill_with_issues(control)
        begun = time.monotonic()
        rig.pull()
        assert time.monotonic() - begun < 600
        assert_raw_equals_the_world(rig)
        assert set(answers(control, "linear", "/graphql")) == {"200"}, "never over a limit"
