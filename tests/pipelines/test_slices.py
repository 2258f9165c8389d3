"""A slice: a day, a channel, a team is read again by itself, whole, and no cursor moves."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta

import pytest

from contracts.errors import UnknownSlice
from pipelines import pull
from tests.pipelines.rig import Rig, Row

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


def test_a_day_without_anything_changes_nothing(rig: Rig) -> None:
    rig.pull()
    before = live(rig, "gong")
    landed = pull.pull_slice("gong", date(2001, 1, 1).isoformat(), rig.profile, rig.warehouse)
    assert {one.received for one in landed} == {0}
    assert live(rig, "gong") == before
