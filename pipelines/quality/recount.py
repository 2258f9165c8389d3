"""The KPIs counted again from the raw tables, the history of deals and the enrichment: no rollup, no view, no SQL of
`sql/rollups`. What each number means stands at the head of `sql/rollups/R__kpi_days.sql`.

Everything is as of the end of a UTC day. A frame `calendar` has the days that are asked for, in its column `day`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec
import polars as pl

from resources.warehouse import Transaction

KPIS = (
    "revenue_mtd",
    "pipeline_value",
    "competitive_win_rate",
    "customer_health_score",
    "team_productivity_score",
    "llm_cost_efficiency",
    "mrr",
    "active_deals",
    "win_rate",
    "calls_analyzed",
    "on_time_delivery",
)
SLICE_DAYS = 100
"""Days that are counted at a time: a day and a deal make a row."""
YEAR, QUARTER, MONTH, FOUR_WEEKS = 365, 90, 30, 28
"""Days of a window that ends with the day itself."""
FORGOTTEN_DAYS = 60
"""A customer who was not met for so long has no recency left."""
URGENT = (1, 2)
POINTS_AN_ISSUE = 25

_ENGAGEMENTS = {"calls": "CALL_ID", "meetings": "MEETING_ID", "emails": "EMAIL_ID", "notes": "NOTE_ID"}
_QUERIES = {
    "deals": "SELECT DEAL_ID, CREATED_AT FROM HUBSPOT_INTEGRATION.DEALS WHERE _DELETED_AT IS NULL",
    "history": "SELECT DEAL_ID, PROPERTY, BECAME_AT, VALUE FROM SOPHIA_CORE.DEAL_HISTORY",
    "stages": "SELECT PIPELINE_ID, STAGE_ID, IS_CLOSED, PROBABILITY FROM HUBSPOT_INTEGRATION.DEAL_STAGES",
    "ties": """
        SELECT FROM_TYPE, FROM_ID, TO_ID AS COMPANY_ID, IS_PRIMARY
        FROM HUBSPOT_INTEGRATION.ASSOCIATIONS WHERE TO_TYPE = 'companies' AND _DELETED_AT IS NULL
    """,
    "merged": """
        SELECT COMPANY_ID, MERGED_IDS
        FROM HUBSPOT_INTEGRATION.COMPANIES WHERE MERGED_IDS IS NOT NULL AND _DELETED_AT IS NULL
    """,
    "calls": """
        SELECT CALL_ID, ACCOUNT_ID, STARTED_AT, COALESCE(IS_PRIVATE, TRUE) AS IS_PRIVATE
        FROM GONG_INTEGRATION.CALLS WHERE STARTED_AT IS NOT NULL AND _DELETED_AT IS NULL
    """,
    "said": """
        SELECT CALL_ID, CONTENT_HASH, SENTIMENT_SCORE, COMPETITIVE_MENTIONS FROM GONG_INTELLIGENCE.CALL_ENRICHMENT
    """,
    "engagements": " UNION ALL ".join(
        f"""
        SELECT '{kind}' AS FROM_TYPE, {key} AS FROM_ID, OCCURRED_AT
        FROM HUBSPOT_INTEGRATION.{kind.upper()} WHERE OCCURRED_AT IS NOT NULL AND _DELETED_AT IS NULL
        """
        for kind, key in _ENGAGEMENTS.items()
    ),
    "issues": """
        SELECT ISSUE_ID, CYCLE_ID, PRIORITY, ESTIMATE, DUE_DATE, CREATED_AT, COMPLETED_AT, CANCELED_AT
        FROM LINEAR_INTEGRATION.ISSUES WHERE _DELETED_AT IS NULL
    """,
    "named": "SELECT ISSUE_ID, COMPANY_IDS FROM SOPHIA_PROJECT_MANAGEMENT.ISSUE_ENRICHMENT",
    "cycles": """
        SELECT CYCLE_ID, ENDS_AT
        FROM LINEAR_INTEGRATION.CYCLES WHERE ENDS_AT IS NOT NULL AND _DELETED_AT IS NULL
    """,
    "usage": "SELECT LANDED_AT, TOKENS, COMPUTE_S FROM SOPHIA_CORE.EMBEDDING_USAGE",
    "prices": "SELECT NAME, PRICE FROM MONITORING.PRICES",
}

Tables = dict[str, pl.DataFrame]


def read(transaction: Transaction) -> Tables:
    """What the numbers are counted from, without texts."""
    return {name: pl.DataFrame(transaction.query(sql)) for name, sql in _QUERIES.items()}


def count(tables: Tables, days: Sequence[date]) -> pl.DataFrame:
    """
    Returns:
        A row a day, with the KPIs as columns; NULL where there is nothing to compute from.
    """
    calls = _calls(tables)
    companies = _companies_of_deals(tables["ties"])
    touches = pl.concat([calls.select("company_id", touched="started"), _touches(tables)]).drop_nulls().unique()
    issues, cycles, due, usage = _urgent_issues(tables), _cycles(tables), _due(tables["issues"]), _usage(tables)
    counted = []
    for first in range(0, len(days), SLICE_DAYS):
        calendar = pl.DataFrame({"day": days[first : first + SLICE_DAYS]}, schema={"day": pl.Date})
        deals = _deals_as_of(tables, calendar).join(companies, on="deal_id", how="left")
        found = calendar
        for part in (
            _money(deals),
            _win_rates(deals, calls),
            _health(deals, calls, touches, issues),
            _productivity(calendar, cycles),
            _on_time(calendar, due),
            calls.group_by(day="started").agg(calls_analyzed=pl.col("is_enriched").sum()),
            _efficiency(calendar, usage),
        ):
            found = found.join(part, on="day", how="left")
        counted.append(found.select("day", pl.col(KPIS).cast(pl.Float64)))
    return pl.concat(counted) if counted else pl.DataFrame(schema={"day": pl.Date} | dict.fromkeys(KPIS, pl.Float64))


# ── deals ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _deals_as_of(tables: Tables, calendar: pl.DataFrame) -> pl.DataFrame:
    """A row a day and deal that exists on it: outcome (won, lost, open), amount, closed (a date)."""
    ends = (pl.col("day") + timedelta(days=1)).cast(pl.Datetime("us"))
    deals = (
        calendar.with_columns(ends=ends)
        .join(tables["deals"], how="cross")
        .filter(pl.col("created_at") < pl.col("ends"))
        .sort("ends")
    )
    for name in ("pipeline", "dealstage", "amount", "amount_in_home_currency", "closedate"):
        became = tables["history"].filter(property=name).select("deal_id", "became_at", pl.col("value").alias(name))
        deals = deals.join_asof(
            became.sort("became_at"),
            left_on="ends",
            right_on="became_at",
            by="deal_id",
            allow_exact_matches=False,  # the end of a day is the first moment of the next
            check_sortedness=False,  # both were sorted above; with `by` polars cannot tell
        ).drop("became_at")
    is_closed = pl.col("is_closed").fill_null(value=False)
    outcome = (
        pl.when(is_closed & (pl.col("probability") == 1))
        .then(pl.lit("won"))
        .when(is_closed & (pl.col("probability") == 0))
        .then(pl.lit("lost"))
        .otherwise(pl.lit("open"))
    )
    return deals.join(
        tables["stages"], left_on=["pipeline", "dealstage"], right_on=["pipeline_id", "stage_id"], how="left"
    ).select(
        "day",
        "deal_id",
        outcome=outcome,
        amount=pl.coalesce(_number("amount_in_home_currency"), _number("amount")),
        closed=pl.col("closedate").str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False),
    )


def _number(column: str) -> pl.Expr:
    number = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number.round(4))


def _companies_of_deals(ties: pl.DataFrame) -> pl.DataFrame:
    """deal_id, company_id: the primary one, else the first by id."""
    best = ties.filter(from_type="deals").sort(
        pl.col("is_primary").fill_null(value=False), "company_id", descending=[True, False]
    )
    return best.unique("from_id", keep="first", maintain_order=True).select("company_id", deal_id="from_id")


def _money(deals: pl.DataFrame) -> pl.DataFrame:
    won, open_ = pl.col("outcome") == "won", pl.col("outcome") == "open"
    this_month = pl.col("closed").is_between(pl.col("day").dt.month_start(), pl.col("day"))
    return deals.group_by("day").agg(
        revenue_mtd=_total(pl.col("amount").filter(won & this_month)),
        pipeline_value=_total(pl.col("amount").filter(open_)),
        active_deals=open_.sum(),
        mrr=_total(pl.col("amount").filter(won & _within("closed", YEAR))) / 12,
    )


def _total(numbers: pl.Expr) -> pl.Expr:
    return pl.when(numbers.count() > 0).then(numbers.sum())


def _win_rates(deals: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    named = calls.filter("names_a_competitor").group_by("company_id").agg(named=pl.col("started").min())
    decided = deals.filter((pl.col("outcome") != "open") & _within("closed", QUARTER)).join(
        named, on="company_id", how="left"
    )
    won = pl.col("outcome") == "won"
    against = won.filter(pl.col("named") <= pl.col("closed"))
    return decided.group_by("day").agg(win_rate=won.mean(), competitive_win_rate=against.mean())


# ── customers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _calls(tables: Tables) -> pl.DataFrame:
    """A row a call: company_id (that which its account was merged into), started, is_enriched, sentiment,
    names_a_competitor.
    """
    merged = (
        tables["merged"]
        .select("company_id", account_id=pl.col("merged_ids").str.split(";"))
        .explode("account_id", empty_as_null=True)
        .with_columns(pl.col("account_id").str.strip_chars())
        .sort("company_id")
        .unique("account_id", keep="first", maintain_order=True)
    )
    named = pl.col("competitive_mentions").map_elements(_length, pl.Int64)
    public = ~pl.col("is_private")
    return (
        tables["calls"]
        .join(merged, on="account_id", how="left")
        .join(tables["said"].with_columns(named=named), on="call_id", how="left")
        .select(
            company_id=pl.coalesce("company_id", "account_id"),
            started=pl.col("started_at").dt.date(),
            is_enriched=public & (pl.col("content_hash").fill_null("") != ""),
            sentiment=pl.when(public).then("sentiment_score"),
            names_a_competitor=public & (pl.col("named").fill_null(0) > 0),
        )
    )


def _length(array: str) -> int:
    return len(msgspec.json.decode(array))


def _touches(tables: Tables) -> pl.DataFrame:
    """company_id, touched: a day on which HubSpot knows of a contact."""
    return (
        tables["engagements"]
        .join(tables["ties"], on=["from_type", "from_id"])
        .select("company_id", touched=pl.col("occurred_at").dt.date())
    )


def _urgent_issues(tables: Tables) -> pl.DataFrame:
    """company_id, created, closed: a row for each company that an urgent issue names."""
    companies = pl.col("company_ids").map_elements(msgspec.json.decode, pl.List(pl.String))
    return (
        tables["issues"]
        .filter(pl.col("priority").is_in(URGENT))
        .join(tables["named"].with_columns(company_id=companies), on="issue_id")
        .explode("company_id", empty_as_null=True)
        .select(
            "company_id",
            created=pl.col("created_at").dt.date(),
            closed=pl.coalesce("completed_at", "canceled_at").dt.date(),
        )
        .drop_nulls(["company_id", "created"])
    )


def _health(deals: pl.DataFrame, calls: pl.DataFrame, touches: pl.DataFrame, issues: pl.DataFrame) -> pl.DataFrame:
    """The mean over the companies of deals that are won on the day."""
    of_customer = ["day", "company_id"]
    customers = deals.filter(outcome="won").select(of_customer).drop_nulls().unique()
    spoke = customers.join(calls.drop_nulls(["company_id", "sentiment"]), on="company_id").filter(
        _within("started", QUARTER)
    )
    met = customers.join(touches, on="company_id").filter(pl.col("touched") <= pl.col("day"))
    waiting = customers.join(issues, on="company_id").filter(
        (pl.col("created") <= pl.col("day")) & (pl.col("closed").is_null() | (pl.col("closed") > pl.col("day")))
    )
    days_ago = (pl.col("day").first() - pl.col("touched").max()).dt.total_days()
    for part in (
        spoke.group_by(of_customer).agg(sentiment=50 + 50 * pl.col("sentiment").mean()),
        met.group_by(of_customer).agg(days_ago=days_ago),
        waiting.group_by(of_customer).agg(waiting=pl.len()),
    ):
        customers = customers.join(part, on=of_customer, how="left")
    recency = 100 * (1 - pl.col("days_ago").fill_null(FORGOTTEN_DAYS) / FORGOTTEN_DAYS).clip(0)
    calm = (100 - POINTS_AN_ISSUE * pl.col("waiting").fill_null(0).cast(pl.Int64)).clip(0)
    score = (
        pl.when(pl.col("sentiment").is_null())
        .then((0.4 * recency + 0.2 * calm) / 0.6)
        .otherwise(0.4 * pl.col("sentiment") + 0.4 * recency + 0.2 * calm)
    )
    return customers.group_by("day").agg(customer_health_score=score.mean())


# ── work ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cycles(tables: Tables) -> pl.DataFrame:
    """A row an issue in a cycle: ended, points, done (of these, in time)."""
    points = pl.col("estimate").fill_null(1)
    in_time = (pl.col("completed_at") <= pl.col("ends_at")).fill_null(value=False)
    return (
        tables["cycles"]
        .join(tables["issues"], on="cycle_id")
        .select(ended=pl.col("ends_at").dt.date(), points=points, done=pl.when(in_time).then(points).otherwise(0))
    )


def _productivity(calendar: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    lately = calendar.join(cycles, how="cross").filter(_within("ended", FOUR_WEEKS))
    return (
        lately.group_by("day")
        .agg(pl.col("points", "done").sum())
        .filter(pl.col("points") != 0)
        .select("day", team_productivity_score=100 * pl.col("done") / pl.col("points"))
    )


def _due(issues: pl.DataFrame) -> pl.DataFrame:
    """due, in_time."""
    due = pl.col("due_date").str.to_date("%Y-%m-%d", strict=False)
    return issues.select(due=due, completed=pl.col("completed_at").dt.date()).select(
        "due", in_time=(pl.col("completed") <= pl.col("due")).fill_null(value=False)
    )


def _on_time(calendar: pl.DataFrame, due: pl.DataFrame) -> pl.DataFrame:
    lately = calendar.join(due, how="cross").filter(_within("due", FOUR_WEEKS))
    return lately.group_by("day").agg(on_time_delivery=pl.col("in_time").mean())


def _usage(tables: Tables) -> pl.DataFrame:
    """landed, saved (the hosted price of a day's tokens), spent (on our hardware)."""
    prices = dict(tables["prices"].select("name", "price").iter_rows())
    hosted, hour = (pl.lit(prices.get(name), pl.Float64) for name in ("hosted_million_tokens", "hardware_hour"))
    return (
        tables["usage"]
        .group_by(landed=pl.col("landed_at").dt.date())
        .agg(saved=pl.col("tokens").sum() / 1_000_000 * hosted, spent=pl.col("compute_s").sum() / 3600 * hour)
    )


def _efficiency(calendar: pl.DataFrame, usage: pl.DataFrame) -> pl.DataFrame:
    lately = calendar.join(usage.drop_nulls(), how="cross").filter(_within("landed", MONTH))
    return (
        lately.group_by("day")
        .agg(pl.col("saved", "spent").sum())
        .filter(pl.col("spent") != 0)
        .select("day", llm_cost_efficiency=pl.col("saved") / pl.col("spent"))
    )


def _within(column: str, days: int) -> pl.Expr:
    """In the window of so many days that ends with the day."""
    return pl.col(column).is_between(pl.col("day") - timedelta(days=days), pl.col("day"), closed="right")
