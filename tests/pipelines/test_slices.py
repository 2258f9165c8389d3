"""A slice: a day, a channel, a team is read again by itself, whole, and no cursor moves."""

from __future__ import annotations

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from contracts.errors import UnknownSlice
from pipelines import pull
from resources.profile import Profile
from tests.conftest import environ_for, vendors
from tests.pipelines.convergence.sync import sync
from tests.pipelines.rig import Rig, Row, open_rig

SLICED = {
    "gong": {"CALLS": "STARTED_AT >= ? AND STARTED_AT < ?"},
    "hubspot": {
        "DEALS": "MODIFIED_AT >= ? AND MODIFIED_AT < ?",
        "NOTES": "MODIFIED_AT >= ? AND MODIFIED_AT < ?",
    },
    "linear": {"ISSUES": "TRUE", "COMMENTS": "ISSUE_ID IS NOT NULL"},
    "slack": {"MESSAGES": "TRUE", "CHANNEL_MEMBERS": "TRUE"},
}
"""Source → table → what all of its slices hold, or those of three days."""


def live(rig: Rig, source: str) -> dict[str, list[Row]]:
    return {
        table: rig.rows(f"SELECT _CONTENT_HASH FROM {source}_INTEGRATION.{table} WHERE _DELETED_AT IS NULL ORDER BY 1")
        for table in SLICED[source]
    }


def cursors(rig: Rig) -> list[Row]:
    return rig.rows("SELECT POSITION_KEY, VALUE, EPOCH FROM SOPHIA_CORE.POSITIONS ORDER BY POSITION_KEY")


def a_busy_day(rig: Rig, source: str) -> datetime:
    column = {"gong": "STARTED_AT FROM GONG_INTEGRATION.CALLS", "hubspot": "MODIFIED_AT FROM HUBSPOT_INTEGRATION.DEALS"}
    days = Counter(next(iter(row.values())).date() for row in rig.rows(f"SELECT {column[source]}"))
    return datetime.combine(days.most_common(1)[0][0], time())


@pytest.mark.parametrize("source", SLICED)
def test_the_slices_of_a_source_bring_their_rows_back_and_move_no_cursor(rig_of_all: Rig, source: str) -> None:
    rig = rig_of_all
    rig.pull(only=source)
    whole, before = live(rig, source), cursors(rig)
    wanted, between = pull.slices(source, rig.warehouse), []
    if wanted is None:  # Gong's window compares what was scheduled, which may lie on the day before or after
        day = a_busy_day(rig, source)
        wanted = [(day + timedelta(days=n)).date().isoformat() for n in (-1, 0, 1)]
        between = [day, day + timedelta(days=1)]
    for table, condition in SLICED[source].items():
        rig.warehouse.execute(f"DELETE FROM {source}_INTEGRATION.{table} WHERE {condition}", between)
    assert live(rig, source) != whole
    for one in wanted:
        pull.pull_slice(source, one, rig.profile, rig.warehouse)
    assert live(rig, source) == whole
    assert cursors(rig) == before


def test_one_slice_brings_back_its_own_rows_alone_and_buries_what_is_gone_from_it(rig: Rig) -> None:
    rig.pull()
    channels = rig.rows("SELECT CHANNEL_ID, COUNT(*) AS N FROM SLACK_INTEGRATION.MESSAGES GROUP BY 1 ORDER BY 2 DESC")
    one, other = channels[0], channels[1]
    gone = rig.rows(
        f"SELECT TS FROM SLACK_INTEGRATION.MESSAGES WHERE CHANNEL_ID = '{one['channel_id']}' AND REPLY_COUNT IS NULL"
    )[0]["ts"]
    rig.control.delete("slack.messages", {"channel": one["channel_id"], "ts": gone})
    others = f"TS <> '{gone}' OR CHANNEL_ID <> '{one['channel_id']}'"
    rig.warehouse.execute(f"DELETE FROM SLACK_INTEGRATION.MESSAGES WHERE {others}")
    pull.pull_slice("slack", one["channel_id"], rig.profile, rig.warehouse)
    counted = rig.rows("SELECT CHANNEL_ID, COUNT(*) AS N FROM SLACK_INTEGRATION.MESSAGES GROUP BY 1")
    assert counted == [one]
    assert other["n"] > 0
    buried = rig.rows("SELECT TS FROM SLACK_INTEGRATION.MESSAGES WHERE _DELETED_AT IS NOT NULL")
    assert buried == [{"ts": gone}]


@pytest.mark.parametrize(
    ("source", "wrong", "said"),
    [
        ("gong", "yesterday", "'yesterday' is no day; gong is read again by days such as 2026-11-20."),
        ("gong", "20261120", "'20261120' is no day"),
        ("slack", "C404", "slack has no channel 'C404' that has been landed"),
        ("linear", "", "linear has no team ''"),
    ],
)
def test_a_slice_that_is_none_is_one_line(rig: Rig, source: str, wrong: str, said: str) -> None:
    with pytest.raises(UnknownSlice) as refused:
        pull.pull_slice(source, wrong, rig.profile, rig.warehouse)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize("source", SLICED)
def test_two_backfills_at_once_beside_a_pull_end_as_one_after_the_other(tmp_path: Path, source: str) -> None:
    ends = [life(tmp_path / "in_a_row", source, at_once=False), life(tmp_path / "at_once", source, at_once=True)]
    assert ends[0] == ends[1]
    assert any(ends[0][0].values())


def life(home: Path, source: str, *, at_once: bool) -> tuple[dict[str, list[Row]], list[Row]]:
    """What a source's tables and cursors hold after a load, changes, and two backfills beside a pull."""
    start = datetime(2026, 11, 2, 9, tzinfo=UTC)
    with vendors(scale=0.15, start=start, limit_speedup=math.inf) as control:
        environ = environ_for(home, control) | {f"SOPHIA_{source.upper()}_PROCESSES": "3"}
        with open_rig(Profile.read(environ), control, [source]) as rig:
            rig.pull()
            for stream, fields in CHANGES[source].items():
                rows = control.dump()[stream]
                for row in (row for row in rows[:: max(1, len(rows) // 9)] if not row.get("archived")):
                    key = {"channel": row["channel"], "ts": row["ts"]} if source == "slack" else row_id(row)
                    control.edit(stream, key, **fields)
            first, second = two_slices(rig, source)
            asked: list[str | None] = [first, None, second]
            with ThreadPoolExecutor(3 if at_once else 1) as threads:
                outcomes = threads.map(lambda one: sync(source, environ, control.url, slice_=one), asked)
            assert [outcome.kind for outcome in outcomes] == ["landed"] * 3
            told = rig.rows("SELECT POSITION_KEY, VALUE FROM SOPHIA_CORE.POSITIONS ORDER BY POSITION_KEY")
            return live(rig, source), told


CHANGES: dict[str, dict[str, dict[str, object]]] = {
    "gong": {"gong.calls": {"title": "Another title"}},
    "hubspot": {"hubspot.deals": {"dealname": "Another name"}, "hubspot.notes": {"hs_note_body": "Another note"}},
    "linear": {"linear.issues": {"title": "Another title"}},
    "slack": {"slack.messages": {"text": "Another text"}},
}


def row_id(row: Row) -> str:
    return str(row["metaData"]["id"] if "metaData" in row else row["id"])


def two_slices(rig: Rig, source: str) -> tuple[str, str]:
    keys = pull.slices(source, rig.warehouse)
    if keys is not None:
        return keys[0], keys[1]
    day = a_busy_day(rig, source)
    return day.date().isoformat(), (day + timedelta(days=1)).date().isoformat()


def test_a_day_without_anything_changes_nothing(rig: Rig) -> None:
    rig.pull()
    before = live(rig, "gong")
    landed = pull.pull_slice("gong", date(2001, 1, 1).isoformat(), rig.profile, rig.warehouse)
    assert {one.received for one in landed} == {0}
    assert live(rig, "gong") == before
