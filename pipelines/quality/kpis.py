"""KPIs: a row a day without a gap, numbers on their scale, and the same numbers when they are counted again.

    days     a row a UTC day, none missing, each with the time at which it was computed
    ranges   rates from 0 to 1, scores from 0 to 100, no number of things below 0
    recount  the days that were restated since it last passed, the last month and a few others; in a full look every
             day that KPIs are computed for
    history  (of HubSpot's deals) what a deal is now is what its history says last

A number that a waiting landing may still change is not judged, and neither is what embedding costs on the last day:
vectors land without asking for KPIs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pipelines.kpis import DAYS_BACK
from pipelines.quality.checks import Check, Look, Suite
from resources.warehouse import Transaction

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

ASSET = ("executive", "kpi_rollups")
DEALS = ("hubspot", "deals")
RATES = ("competitive_win_rate", "win_rate", "on_time_delivery")
SCORES = ("customer_health_score", "team_productivity_score")
MONEY = ("revenue_mtd", "pipeline_value", "mrr")
COUNTS = ("active_deals", "calls_analyzed", "llm_cost_efficiency")
CENT_TOLERANCE = 0.005
TOLERANCE = 1e-6
LAST_DAYS, OTHER_DAYS = 31, 14
"""Counted at every look: so many of the last days, and so many of all, drawn anew each day."""

_ROLLED_UP = "SELECT * FROM EXECUTIVE_INTELLIGENCE.KPI_ROLLUPS ORDER BY DATE_KEY"
_WAITING = """
    SELECT COUNT(*) AS LOADS
    FROM SOPHIA_CORE.LOADS
    WHERE ROLLED_UP_AT IS NULL
        AND SPLIT_PART(ADDRESS, '/', 1) IN (
            'gong', 'hubspot', 'linear', 'gong_intelligence', 'sophia_project_management', 'monitoring'
        )
"""
_HISTORY = """
    WITH LATEST AS (
        SELECT DEAL_ID, PROPERTY, VALUE
        FROM SOPHIA_CORE.DEAL_HISTORY
        QUALIFY ROW_NUMBER() OVER (PARTITION BY DEAL_ID, PROPERTY ORDER BY BECAME_AT DESC) = 1
    ),

    SAID AS (
        SELECT
            DEAL_ID,
            MAX(IFF(PROPERTY = 'pipeline', VALUE, NULL)) AS PIPELINE_ID,
            MAX(IFF(PROPERTY = 'dealstage', VALUE, NULL)) AS STAGE_ID,
            MAX(IFF(PROPERTY = 'amount', TRY_CAST(VALUE AS NUMBER(38,4)), NULL)) AS AMOUNT,
            MAX(IFF(PROPERTY = 'amount_in_home_currency', TRY_CAST(VALUE AS NUMBER(38,4)), NULL)) AS HOME_AMOUNT,
            MAX(IFF(PROPERTY = 'closedate', TRY_CAST(LEFT(VALUE, 10) AS DATE), NULL)) AS CLOSED_ON
        FROM LATEST
        GROUP BY DEAL_ID
    )

    SELECT
        DEALS.DEAL_ID,
        COALESCE(DEALS.PIPELINE_ID, '') = COALESCE(SAID.PIPELINE_ID, '') AS SAME_PIPELINE,
        COALESCE(DEALS.STAGE_ID, '') = COALESCE(SAID.STAGE_ID, '') AS SAME_STAGE,
        TO_DATE(DEALS.CLOSE_AT) IS NOT DISTINCT FROM SAID.CLOSED_ON AS SAME_CLOSE_DATE,
        DEALS.AMOUNT,
        CAST(SAID.AMOUNT AS FLOAT) AS AMOUNT_IN_HISTORY,
        DEALS.AMOUNT_IN_HOME_CURRENCY AS HOME_AMOUNT,
        CAST(SAID.HOME_AMOUNT AS FLOAT) AS HOME_AMOUNT_IN_HISTORY
    FROM HUBSPOT_INTEGRATION.DEALS AS DEALS
    LEFT JOIN SAID ON DEALS.DEAL_ID = SAID.DEAL_ID
    WHERE DEALS._DELETED_AT IS NULL AND DEALS.MODIFIED_AT IS NOT NULL AND DEALS._LANDED_AT >= ?
"""


def suites() -> Iterator[Suite]:
    yield Suite(
        (
            Check(ASSET, "days", "A row a UTC day from the first to the last, each once, with its time."),
            Check(ASSET, "ranges", "Rates from 0 to 1, scores from 0 to 100, counts not below 0."),
        ),
        ("date_key",),
        _read,
        _rules,
    )
    recount = Check(ASSET, "recount", "The numbers are those that a count of the raw tables gives, to half a cent.")
    yield Suite((recount,), ("date_key", "kpi"), _read_recount, _recount_rules)
    history = Check(DEALS, "history", "A deal's stage, pipeline, amount and close date are the last of its history.")
    yield Suite((history,), ("deal_id",), _read_history, _history_rules)


def _read(look: Look) -> pd.DataFrame:
    """Every day: a gap is between days that nobody has touched."""
    frame = look.warehouse.query(_ROLLED_UP).to_pandas(date_as_object=False)
    return frame.assign(days_since_last=frame["date_key"].diff().dt.days.fillna(1))


def _rules(look: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import between, one_of, present

    return {
        "days": [
            one_of("days_since_last", [1], "a day follows the day before"),
            present("computed_at"),
            between("computed_at", None, look.now + timedelta(minutes=5), "computed_at is not in the future"),
            between("date_key", None, look.now, "no day is in the future"),
        ],
        "ranges": [
            *(between(name, 0, 1, f"{name} is from 0 to 1") for name in RATES),
            *(between(name, 0, 100, f"{name} is from 0 to 100") for name in SCORES),
            *(between(name, 0, None, f"{name} is not below 0") for name in COUNTS),
        ],
    }


# ── recount ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_recount(look: Look) -> pd.DataFrame:
    """A row a day and KPI: how far apart the two numbers are, and how far they may be."""
    import pandas as pd

    from pipelines.quality import recount

    with look.warehouse.transaction() as transaction:  # one turn, so that nothing lands between two reads
        held = transaction.query(_ROLLED_UP).to_pandas(date_as_object=False)
        tables = recount.read(transaction)
        waiting = _waiting(transaction)
    held = held.drop_duplicates("date_key")
    days = _days(held, look)
    if not days:
        return pd.DataFrame()
    counted = recount.count(tables, days).to_pandas().set_index("day")
    held = held.set_index("date_key").loc[counted.index, list(recount.KPIS)].astype(float)
    apart = (held - counted).abs()
    apart = apart.where(held.notna() & counted.notna(), float("inf")).where(held.notna() | counted.notna(), 0.0)
    frame = apart.rename_axis(index="date_key", columns="kpi").stack().rename("difference").reset_index()
    frame["allowed"] = frame["kpi"].isin(MONEY).map({True: CENT_TOLERANCE, False: TOLERANCE})
    unsure = (frame["kpi"] == "llm_cost_efficiency") & (frame["date_key"] == counted.index.max())
    if waiting:
        unsure |= frame["difference"] > frame["allowed"]
    return frame[~unsure]


def _waiting(transaction: Transaction) -> bool:
    return bool(transaction.query(_WAITING)["loads"][0].as_py())


def _days(held: pd.DataFrame, look: Look) -> list[date]:
    """Of those that KPIs are still computed for."""
    if held.empty:
        return []
    last = held["date_key"].max()
    of_age = held[held["date_key"] > last - timedelta(days=DAYS_BACK)]
    restated = of_age["computed_at"].isna() | (of_age["computed_at"] >= look.since)
    lately = of_age["date_key"] > last - timedelta(days=LAST_DAYS)
    drawn = of_age.sample(min(OTHER_DAYS, len(of_age)), random_state=look.now.date().toordinal()).index
    chosen = of_age[restated | lately | of_age.index.isin(drawn)]
    return [day.date() for day in chosen["date_key"]]


def _recount_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import at_least

    return {"recount": [at_least("allowed", "difference", "the number is that of a recount")]}


# ── history ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_history(look: Look) -> pd.DataFrame:
    frame = look.warehouse.query(_HISTORY, [look.since]).to_pandas()
    for name in ("amount", "home_amount"):
        apart = (frame[name] - frame[f"{name}_in_history"]).abs()
        both_lack = frame[name].isna() & frame[f"{name}_in_history"].isna()
        frame[f"same_{name}"] = both_lack | (apart <= CENT_TOLERANCE)
    return frame


def _history_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import true

    return {
        "history": [
            true(f"same_{name}", f"{name.replace('_', ' ')} is the last of the history")
            for name in ("pipeline", "stage", "close_date", "amount", "home_amount")
        ]
    }
