"""Requests, counted by the sandbox: of a first load over the fewest that could do it; of one that finds nothing new."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import sandbox
from benchmarks.ingest import least_requests, sent
from pipelines import sources
from pipelines.sources import gong, hubspot, linear, slack
from tests.conftest import profile_for, vendors
from tests.pipelines.rig import open_rig
from tests.pipelines.truth import assert_raw_equals_the_world
from transforms import rows

NOW = datetime.now(UTC).replace(microsecond=0)
START = NOW - timedelta(days=4)
LOOKBACK = {
    "SOPHIA_GONG_LOOKBACK_DAYS": "14",
    "SOPHIA_HUBSPOT_OVERLAP_MINUTES": "10",
    "SOPHIA_LINEAR_LOOKBACK_DAYS": "1",
    "SOPHIA_SLACK_LOOKBACK_DAYS": "90",
    "SOPHIA_SLACK_REPLY_LOOKBACK_DAYS": "7",
}


@dataclass(frozen=True)
class Loads:
    """Requests by vendor."""

    world: dict[str, list[dict[str, Any]]]
    first: dict[str, int]
    again: dict[str, int]
    """When nothing had changed."""


@pytest.fixture(scope="module")
def loads(tmp_path_factory: pytest.TempPathFactory) -> Loads:
    with vendors(scale=1.0, start=START, limit_speedup=math.inf) as control:
        fill(control)
        profile = profile_for(tmp_path_factory.mktemp("economy"), control, **LOOKBACK)
        with open_rig(profile, control) as rig:
            control.reset_requests()
            rig.pull()
            first = sent(control)
            assert_raw_equals_the_world(rig)
            control.reset_requests()
            assert sum(landed.changed for landed in rig.pull().values()) == 0
            return Loads(control.dump(), first, sent(control))


def fill(control: sandbox.Control) -> None:
    """Several pages of each large stream, over a year."""
    host = control.dump()["gong.users"][0]["emailAddress"]
    control.fill("gong.calls", ({"started": at(5 * n), "turns": [[host, f"Call {n}."]]} for n in range(900)))
    control.fill("hubspot.contacts", ({"email": f"c{n}@example.com"} for n in range(1_500)))
    control.fill("hubspot.deals", ({"dealname": f"Deal {n}"} for n in range(1_200)))
    control.fill("hubspot.notes", ({"hs_note_body": f"Note {n}"} for n in range(1_200)))
    team, issue = (control.dump()[f"linear.{stream}"][0]["id"] for stream in ("teams", "issues"))
    control.fill("linear.issues", ({"team": team, "title": f"Issue {n}"} for n in range(2_000)))
    control.fill("linear.comments", ({"issue": issue, "body": f"Comment {n}"} for n in range(2_000)))
    channel = control.create("slack.channels", name="many")["id"]
    control.fill("slack.messages", posted(channel))
    control.advance(3 * 86_400)
    for kind in hubspot.PROPERTIES:  # the newest of each, so that the overlap holds no more
        control.create(f"hubspot.{kind}", **({"hs_call_duration": 60_000} if kind == "calls" else {}))
    control.create("linear.issues", team=team, title="The newest")
    control.create("linear.comments", issue=issue, body="The newest")


def at(hours: float) -> str:
    return (START - timedelta(hours=hours)).isoformat()


def posted(channel: str) -> Iterator[dict[str, str]]:
    """A thread with two replies every fifty messages."""
    for n in range(6_000):
        ts = [f"{(START - timedelta(hours=n)).timestamp() + place:.6f}" for place in range(3)]
        yield {"channel": channel, "ts": ts[0], "text": f"Message {n}"}
        for reply in ts[1:] if n % 50 == 0 else ():
            yield {"channel": channel, "ts": reply, "thread_ts": ts[0], "text": "A reply"}


@pytest.mark.parametrize("source", sources.names())
def test_a_first_load_sends_few_requests_more_than_it_must(loads: Loads, source: str) -> None:
    assert loads.first[source] / least_requests(loads.world)[source] <= 1.15


@pytest.mark.parametrize("source", sources.names())
def test_nothing_new_costs_at_most_a_request_a_stream_beyond_the_lookback(loads: Loads, source: str) -> None:
    streams = len(rows.entities(source))
    assert loads.again[source] <= of_the_lookback(loads.world)[source] + streams


def of_the_lookback(world: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    """The fewest requests for what a source reads each time: what has no filter, and the windows' own rows."""

    def pages(count: int, size: int) -> int:
        return max(1, math.ceil(count / size))

    calls = {call["metaData"]["id"]: call["metaData"]["started"] for call in world["gong.calls"]}
    since = max(map(datetime.fromisoformat, calls.values())) - timedelta(days=14)
    window = sum(datetime.fromisoformat(started) >= since for started in calls.values())
    without = len(calls) - len({t["callId"] for t in world["gong.transcripts"]} & set(calls))
    found = {"gong": pages(len(world["gong.users"]), 100) + 2 * pages(window, 100)}
    found["gong"] += math.ceil(without / gong.TRANSCRIPTS_A_REQUEST)

    found["hubspot"] = pages(len(world["hubspot.owners"]), hubspot.PAGE) + 1
    overlap = {kind: _in_the_overlap(world[f"hubspot.{kind}"]) for kind in hubspot.PROPERTIES}
    for kind, count in overlap.items():
        found["hubspot"] += pages(count, hubspot.SEARCH_PAGE) + pages(count, hubspot._page_of(kind))
    # From both ends: the newest of each is new in the window, so what is tied to it is asked for too.
    found["hubspot"] += sum(pages(overlap[k], hubspot.ASSOCIATIONS_A_REQUEST) for pair in hubspot.PAIRS for k in pair)

    found["slack"] = pages(len(world["slack.channels"]), slack.LIST_PAGE) + pages(len(world["slack.users"]), 200)
    for channel in world["slack.channels"]:
        members = sum(one["channel"] == channel["id"] for one in world["slack.channel_members"])
        messages = [m for m in world["slack.messages"] if m["channel"] == channel["id"]]
        oldest = max((float(m["ts"]) for m in messages), default=0) - timedelta(days=90).total_seconds()
        window = [m for m in messages if float(m["ts"]) >= oldest]
        found["slack"] += pages(members, slack.PAGE) + (pages(len(window), slack.PAGE) if channel["is_member"] else 0)
        recent = (NOW - timedelta(days=7)).timestamp()
        found["slack"] += sum(float(m.get("latest_reply", 0)) >= recent for m in window)

    listed = sum(pages(len(world[f"linear.{entity}"]), query.first) for entity, query in linear.LISTED.items())
    found["linear"] = listed + sum(
        pages(_of_the_last_day(world[f"linear.{entity}"]), query.first) for entity, query in linear.CHANGING.items()
    )
    return found


def _in_the_overlap(records: list[dict[str, Any]]) -> int:
    newest = max(datetime.fromisoformat(record["updatedAt"]) for record in records)
    return sum(datetime.fromisoformat(r["updatedAt"]) >= newest - timedelta(minutes=10) for r in records)


def _of_the_last_day(records: list[dict[str, Any]]) -> int:
    newest = max(datetime.fromisoformat(record["updatedAt"]) for record in records)
    return sum(datetime.fromisoformat(r["updatedAt"]) >= newest - timedelta(days=1) for r in records)
