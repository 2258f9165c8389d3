"""The recount of the KPIs against numbers worked out on paper."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.pipelines.kpi_count import count

Record = dict[str, Any]
History = dict[str, str]
"""Time → value, oldest first."""

STREAMS = (
    *("gong.calls", "gong.transcripts", "linear.cycles", "linear.issues"),
    *("hubspot.companies", "hubspot.deals", "hubspot.associations"),
    *("hubspot.calls", "hubspot.meetings", "hubspot.emails", "hubspot.notes"),
)
STAGES = {"talks": ("false", "0.4"), "won": ("true", "1.0"), "lost": ("true", "0.0")}
PIPELINE = {
    "stages": [{"id": one, "metadata": {"isClosed": c, "probability": p}} for one, (c, p) in STAGES.items()],
}


def deal(deal_id: str, created: str, *, archived: bool = False, **histories: History) -> Record:
    named = {"dealstage": "stage", "amount": "amount", "amount_in_home_currency": "home", "closedate": "closes"}
    return {
        "id": deal_id,
        "archived": archived,
        "properties": {"createdate": created},
        "propertiesWithHistory": {
            name: [{"value": v, "timestamp": at} for at, v in reversed(histories.get(short, {}).items())]
            for name, short in named.items()
        },
    }


def won(deal_id: str, closes: str, amount: str = "1200", stage: str = "won") -> Record:
    at = "2026-01-01T00:00:00Z"
    return deal(deal_id, at, stage={at: stage}, amount={at: amount}, closes={at: closes})


def tie(kind: str, one: str, company: str, type_id: int = 341) -> Record:
    ends = {"fromType": kind, "fromId": one, "toType": "companies", "toId": company}
    return ends | {"associationTypes": [{"typeId": type_id}]}


def company(company_id: str, name: str | None = None, merged: str | None = None) -> Record:
    return {"id": company_id, "archived": False, "properties": {"name": name, "hs_merged_object_ids": merged}}


def call(call_id: str, started: str, account: str | None = None, *, private: bool = False) -> Record:
    objects = [{"objectType": "Contact", "objectId": "1"}]
    objects += [{"objectType": "Account", "objectId": account}] if account else []
    return {
        "metaData": {"id": call_id, "started": started, "isPrivate": private},
        "context": [{"system": "HubSpot", "objects": objects}],
    }


def said(call_id: str, *sentences: str) -> Record:
    return {"callId": call_id, "transcript": [{"sentences": [{"text": text} for text in sentences]}]}


def issue(title: str = "Nothing", **fields: object) -> Record:
    plain = dict.fromkeys(("description", "estimate", "dueDate", "completedAt", "canceledAt", "trashed", "cycle"), None)
    return plain | {"title": title, "priority": 0, "createdAt": "2026-01-01T00:00:00.000Z"} | fields


def kpis(day: str, **streams: list[Record]) -> dict[str, Any]:
    """Streams are named `hubspot_deals`."""
    given = {name.replace("_", ".", 1): rows for name, rows in streams.items()}
    nothing: dict[str, list[Record]] = {name: [] for name in STREAMS}
    dump = nothing | {"hubspot.pipelines": [PIPELINE]} | given
    [found] = count(dump, [date.fromisoformat(day)], ["Planora"]).values()
    return found


def test_an_empty_world_has_no_kpis() -> None:
    assert set(kpis("2026-03-10").values()) == {None}


def test_a_deal_that_was_opened_again_was_won_on_the_days_before() -> None:
    one = deal(
        "1",
        "2026-03-01T09:00:00Z",
        stage={"2026-03-01T09:00:00Z": "talks", "2026-03-03T09:00:00Z": "won", "2026-03-05T09:00:00Z": "talks"},
        amount={"2026-03-02T09:00:00Z": "1200"},
        closes={"2026-03-01T09:00:00Z": "2026-03-03T18:00:00Z"},
    )
    found = {day: kpis(f"2026-03-0{day}", hubspot_deals=[one]) for day in range(1, 6)}
    assert [found[day]["pipeline_value"] for day in range(1, 6)] == [None, 1200, None, None, 1200]
    assert [found[day]["revenue_mtd"] for day in range(1, 6)] == [None, None, 1200, 1200, None]
    assert [found[day]["active_deals"] for day in range(1, 6)] == [1, 1, 0, 0, 1]
    assert [found[day]["mrr"] for day in range(1, 6)] == [None, None, 100, 100, None]
    assert [found[day]["win_rate"] for day in range(1, 6)] == [None, None, 1, 1, None]


def test_a_day_ends_before_the_first_instant_of_the_next() -> None:
    one = deal(
        "1",
        "2026-03-01T23:59:59.999Z",
        stage={"2026-03-01T23:59:59.999Z": "talks"},
        amount={"2026-03-01T23:59:59.999Z": "100", "2026-03-03T00:00:00Z": "300"},
    )
    found = [kpis(day, hubspot_deals=[one]) for day in ("2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03")]
    assert [day["active_deals"] for day in found] == [None, 1, 1, 1]
    assert [day["pipeline_value"] for day in found] == [None, 100, 100, 300]


def test_revenue_begins_anew_with_the_month() -> None:
    deals = [won("1", "2026-01-31T23:59:59Z", "100"), won("2", "2026-02-02T00:00:00Z", "7")]
    days = ("2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02", "2026-02-28", "2026-03-01")
    assert [kpis(day, hubspot_deals=deals)["revenue_mtd"] for day in days] == [None, 100, None, 7, 7, None]


def test_a_deal_without_an_amount_counts_but_is_worth_nothing_known() -> None:
    found = kpis("2026-03-10", hubspot_deals=[won("1", "2026-03-09T00:00:00Z", "")])
    assert (found["revenue_mtd"], found["mrr"], found["win_rate"], found["active_deals"]) == (None, None, 1, 0)


def test_the_amount_at_home_comes_first_while_it_has_a_value() -> None:
    at = "2026-03-01T00:00:00Z"
    home = {"2026-03-02T00:00:00Z": "92", "2026-03-03T00:00:00Z": ""}
    one = deal("1", at, stage={at: "unheard of"}, amount={at: "100"}, home=home)
    deals = [one, deal("2", at, archived=True, stage={at: "talks"}, amount={at: "5"})]
    found = [kpis(f"2026-03-0{day}", hubspot_deals=deals)["pipeline_value"] for day in (1, 2, 3)]
    assert found == [100, 92, 100]


def test_windows_leave_their_first_day_out() -> None:
    deals = [won("1", "2026-01-10T12:00:00Z"), won("2", "2026-01-11T12:00:00Z", stage="lost")]
    days = ("2026-01-09", "2026-01-10", "2026-01-11", "2026-04-09", "2026-04-10", "2026-04-11")
    assert [kpis(day, hubspot_deals=deals)["win_rate"] for day in days] == [None, 1, 0.5, 0.5, 0, None]
    assert [kpis(day, hubspot_deals=deals)["mrr"] for day in ("2027-01-09", "2027-01-10")] == [100, None]


def test_a_competitor_counts_from_the_day_it_was_named_to_the_company() -> None:
    closes = "2026-03-05T00:00:00Z"
    found = kpis(
        "2026-03-10",
        hubspot_deals=[won("1", closes), won("2", closes, stage="lost"), won("3", closes), won("4", closes)],
        hubspot_companies=[company("11", merged="10;9"), company("12"), company("13"), company("14")],
        hubspot_associations=[tie("deals", str(one), f"1{one}") for one in (1, 2, 3, 4)],
        gong_calls=[
            call("a", "2026-03-06T01:00:00+05:30", "9"),  # the day before in UTC
            call("b", "2026-03-01T00:00:00Z", "12"),
            call("c", "2026-03-06T00:00:00Z", "13"),
            call("d", "2026-03-01T00:00:00Z", "14", private=True),
        ],
        gong_transcripts=[
            said("a", "Hello.", "We saw PLANORA."),
            said("b", "planora's offer"),
            said("c", "Planora."),
            said("d", "Planora."),
        ],
    )
    assert (found["win_rate"], found["competitive_win_rate"]) == (0.75, 0.5)
    assert kpis("2026-03-10", hubspot_deals=[won("1", closes)])["competitive_win_rate"] is None


def test_a_name_is_a_whole_word() -> None:
    closes = "2026-03-05T00:00:00Z"
    for text, counts in (("Planoras", None), ("xPlanora", None), ("Planora-like", 1), ("(planora)", 1)):
        found = kpis(
            "2026-03-10",
            hubspot_deals=[won("1", closes)],
            hubspot_companies=[company("11")],
            hubspot_associations=[tie("deals", "1", "11")],
            gong_calls=[call("a", "2026-03-01T00:00:00Z", "11")],
            gong_transcripts=[said("a", text)],
        )
        assert found["competitive_win_rate"] == counts


def test_customer_health_by_hand() -> None:
    """Customer 10: S = 50 + 50 × 0.6249 = 81.245, R = 100 × (1 − 6/60) = 90, I = 75; together 83.498.

    Customer 9: nothing was ever said or done: (0.4 × 0 + 0.2 × 100) / 0.6 = 33.33….
    """
    found = kpis(
        "2026-03-10",
        hubspot_deals=[won("1", "2020-01-01T00:00:00Z"), won("2", "2030-01-01T00:00:00Z")],
        hubspot_companies=[company("10", "Mount  Vesper"), company("9", "Mount"), company("8", "Talks")],
        # The smallest id as text, and the primary company.
        hubspot_associations=[
            *(tie("deals", "1", "9"), tie("deals", "1", "10"), tie("deals", "2", "10"), tie("deals", "2", "9", 5)),
            *(tie("notes", "n", "10"), tie("notes", "old", "9")),
        ],
        hubspot_notes=[
            {"id": "n", "archived": False, "properties": {"hs_timestamp": "2026-03-04T23:00:00Z"}},
            {"id": "old", "archived": True, "properties": {"hs_timestamp": "2026-03-09T00:00:00Z"}},
        ],
        gong_calls=[
            call("a", "2026-03-01T00:00:00Z", "10"),
            call("b", "2026-03-02T00:00:00Z", "10", private=True),
            call("c", "2025-12-10T00:00:00Z", "10"),  # 90 days before: no longer heard
        ],
        gong_transcripts=[said("a", "Great."), said("b", "Terrible."), said("c", "Terrible.")],
        linear_issues=[
            issue("MOUNT\n vesper is down", priority=1),
            issue("Mount Vespers", description="of mount vesper", priority=3),
            issue("mountvesper, Mounts", priority=2),
        ],
    )
    mount = (0.4 * 0 + 0.2 * 75) / 0.6  # "Mount" is named with Mount Vesper
    assert found["customer_health_score"] == pytest.approx(((0.4 * 81.245 + 0.4 * 90 + 0.2 * 75) + mount) / 2)


def test_an_issue_weighs_until_it_is_closed() -> None:
    streams = {
        "hubspot_deals": [won("1", "2026-01-01T00:00:00Z")],
        "hubspot_companies": [company("9", "Mount")],
        "hubspot_associations": [tie("deals", "1", "9")],
        "linear_issues": [
            issue("Mount", priority=2, createdAt="2026-03-02T23:59:59.999Z", completedAt="2026-03-04T00:00:00.000Z"),
            issue("Mount", priority=1, createdAt="2026-03-03T00:00:00.000Z", trashed=True),
        ],
    }
    found = [kpis(f"2026-03-0{day}", **streams)["customer_health_score"] for day in (1, 2, 3, 4)]
    assert found == [pytest.approx(0.2 * points / 0.6) for points in (100, 75, 75, 100)]


def test_points_done_before_the_cycle_ended() -> None:
    cycle = {"id": "c", "endsAt": "2026-03-10T00:00:00.000Z"}
    issues = [
        issue(cycle={"id": "c"}, estimate=3, completedAt="2026-03-10T00:00:00.000Z"),
        issue(cycle={"id": "c"}, completedAt="2026-03-10T00:00:00.001Z"),
        issue(cycle={"id": "c"}, estimate=2, trashed=True),
        issue(cycle={"id": "other"}, estimate=8),
    ]
    days = ("2026-03-09", "2026-03-10", "2026-04-06", "2026-04-07")
    found = [kpis(day, linear_cycles=[cycle], linear_issues=issues)["team_productivity_score"] for day in days]
    assert found == [None, 75, 75, None]
    nothing = [issue(cycle={"id": "c"}, estimate=0)]
    assert kpis(days[1], linear_cycles=[cycle], linear_issues=nothing)["team_productivity_score"] is None


def test_on_time_is_by_the_end_of_the_due_day() -> None:
    issues = [
        issue(dueDate="2026-03-05", completedAt="2026-03-05T23:59:59.999Z"),
        issue(dueDate="2026-03-05", completedAt="2026-03-06T00:00:00.000Z"),
        issue(dueDate="2026-03-06", canceledAt="2026-03-01T00:00:00.000Z"),
        issue(dueDate="2026-03-06", trashed=True),
    ]
    days = ("2026-03-04", "2026-03-05", "2026-03-06", "2026-04-02", "2026-04-03")
    found = [kpis(day, linear_issues=issues)["on_time_delivery"] for day in days]
    assert found == [None, 0.5, pytest.approx(1 / 3), 0, None]


def test_calls_of_the_day_that_have_a_transcript() -> None:
    calls = [
        call("a", "2026-03-05T23:00:00-07:00"),
        call("b", "2026-03-06T10:00:00Z"),
        call("c", "2026-03-07T10:00:00Z", private=True),
    ]
    told = [said("a", "Hello."), said("c", "Hello.")]
    days = ("2026-03-05", "2026-03-06", "2026-03-07")
    found = [kpis(day, gong_calls=calls, gong_transcripts=told)["calls_analyzed"] for day in days]
    assert found == [None, 1, 0]
