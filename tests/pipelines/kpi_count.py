"""The company's KPIs counted from the world's dump alone. Shares no code with the rollup that it checks.

A row a UTC day, everything as of the end of that day; None where there is nothing to compute from. Deals count by the
values that their histories say, while associations, issues, calls and notes count as the dump shows them today.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from statistics import fmean
from typing import Any

import polars as pl
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

Record = dict[str, Any]
Dump = Mapping[str, Sequence[Record]]
Kpis = dict[str, float | int | None]

PRIMARY_COMPANY = 5
"""HubSpot's association type of a deal's one main company."""
TOUCHES = ("calls", "meetings", "emails", "notes")
YEAR, QUARTER, FOUR_WEEKS = 365, 90, 28
"""Days of a window that ends with the day itself."""
FORGOTTEN_DAYS = 60
"""A customer who was not touched for so long has no recency left."""
BLOCKING_PRIORITIES = (1, 2)
SENTIMENT_SHARE, RECENCY_SHARE, ISSUES_SHARE = 0.4, 0.4, 0.2
POINTS_AN_ISSUE = 25


def count(dump: Dump, days: Sequence[date], competitors: Sequence[str]) -> dict[date, Kpis]:
    """Every KPI of every day asked for.

    Args:
        dump: `World.dump()`.
        competitors: names that a call is searched for.
    """
    calendar = pl.DataFrame({"day": list(days)}, schema={"day": pl.Date})
    companies = _companies_of_deals(dump)
    calls = _calls(dump, competitors)
    deals = _deals_by_day(dump, calendar).join(companies, on="deal", how="left")
    found = calendar
    for part in (
        _money(deals),
        _win_rates(deals, calls),
        _health(deals, calls, dump),
        _productivity(dump, calendar),
        _on_time(dump, calendar),
        _analyzed(calls),
    ):
        found = found.join(part, on="day", how="left")
    return {row.pop("day"): row for row in found.iter_rows(named=True)}


# Deals.


def _deals_by_day(dump: Dump, calendar: pl.DataFrame) -> pl.DataFrame:
    """A row a day and deal that exists on it: outcome (won, lost, open), amount, closed (a date)."""
    deals = _frame(
        {"deal": pl.String, "created": pl.Datetime("us")},
        ((d["id"], _moment(d["properties"]["createdate"])) for d in dump["hubspot.deals"] if not d["archived"]),
    )
    born = calendar.join(deals, how="cross").filter(_before_end("created"))
    for name in ("dealstage", "amount", "amount_in_home_currency", "closedate"):
        born = born.join(_as_of(dump, name, calendar), on=["day", "deal"], how="left")
    stages = _frame(
        {"dealstage": pl.String, "is_closed": pl.Boolean, "probability": pl.Float64},
        (
            (stage["id"], stage["metadata"]["isClosed"] == "true", float(stage["metadata"]["probability"]))
            for pipeline in dump["hubspot.pipelines"]
            for stage in pipeline["stages"]
        ),
    )
    outcome = (
        pl.when(pl.col("is_closed") & (pl.col("probability") == 1))
        .then(pl.lit("won"))
        .when(pl.col("is_closed") & (pl.col("probability") == 0))
        .then(pl.lit("lost"))
        .otherwise(pl.lit("open"))
    )
    return born.join(stages, on="dealstage", how="left").select(
        "day",
        "deal",
        outcome.alias("outcome"),
        pl.coalesce(_numeric("amount_in_home_currency"), _numeric("amount")).alias("amount"),
        pl.col("closedate").map_elements(_day, pl.Date).alias("closed"),
    )


def _as_of(dump: Dump, name: str, calendar: pl.DataFrame) -> pl.DataFrame:
    """The property's newest value before the end of each day, under its own name; None where it was cleared."""
    history = _frame(
        {"deal": pl.String, "age": pl.Int64, "at": pl.Datetime("us"), name: pl.String},
        (
            (deal["id"], age, _moment(entry["timestamp"]), entry["value"] or None)
            for deal in dump["hubspot.deals"]
            for age, entry in enumerate(deal["propertiesWithHistory"][name])
        ),
    )
    known = calendar.join(history, how="cross").filter(_before_end("at"))
    newest = known.sort("at", "age", descending=[True, False])
    return newest.unique(["day", "deal"], keep="first", maintain_order=True).select("day", "deal", name)


def _companies_of_deals(dump: Dump) -> pl.DataFrame:
    """deal, company: the primary one, else that with the smallest id as text."""
    ties = _frame(
        {"deal": pl.String, "company": pl.String, "is_primary": pl.Boolean},
        (
            (tie["fromId"], tie["toId"], PRIMARY_COMPANY in [kind["typeId"] for kind in tie["associationTypes"]])
            for tie in dump["hubspot.associations"]
            if (tie["fromType"], tie["toType"]) == ("deals", "companies")
        ),
    )
    best = ties.sort("is_primary", "company", descending=[True, False])
    return best.unique("deal", keep="first", maintain_order=True).select("deal", "company")


def _money(deals: pl.DataFrame) -> pl.DataFrame:
    """day, revenue_mtd, pipeline_value, active_deals, mrr."""
    is_won, is_open = pl.col("outcome") == "won", pl.col("outcome") == "open"
    this_month = pl.col("closed").is_between(pl.col("day").dt.month_start(), pl.col("day"))
    return deals.group_by("day").agg(
        _sum_or_none(pl.col("amount").filter(is_won & this_month)).alias("revenue_mtd"),
        _sum_or_none(pl.col("amount").filter(is_open)).alias("pipeline_value"),
        is_open.sum().alias("active_deals"),
        (_sum_or_none(pl.col("amount").filter(is_won & _within("closed", YEAR))) / 12).alias("mrr"),
    )


def _win_rates(deals: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """day, win_rate, competitive_win_rate; no row without a decided deal."""
    named = calls.filter("names_competitor").group_by("company").agg(pl.col("day").min().alias("first_named"))
    decided = deals.filter((pl.col("outcome") != "open") & _within("closed", QUARTER)).join(
        named, on="company", how="left"
    )
    is_won = pl.col("outcome") == "won"
    contested = pl.col("first_named") <= pl.col("closed")
    return decided.group_by("day").agg(
        is_won.mean().alias("win_rate"), is_won.filter(contested).mean().alias("competitive_win_rate")
    )


# Customers.


def _health(deals: pl.DataFrame, calls: pl.DataFrame, dump: Dump) -> pl.DataFrame:
    """day, customer_health_score: the mean over the companies of deals that are won on the day."""
    customers = deals.filter(pl.col("outcome") == "won").select("day", "company").drop_nulls().unique()
    heard = calls.select("company", "sentiment", said="day").drop_nulls()
    spoke = _on_company(customers, heard).filter(_within("said", QUARTER))
    sentiment = spoke.group_by("day", "company").agg((50 + 50 * pl.col("sentiment").mean()).alias("sentiment"))
    touched = pl.concat([calls.select("company", touched="day"), _touches(dump)])
    met = _on_company(customers, touched).filter(pl.col("touched") <= pl.col("day"))
    days_ago = (pl.col("day") - pl.col("touched").max()).dt.total_days()
    recency = met.group_by("day", "company").agg(
        (100 * pl.max_horizontal(pl.lit(0), 1 - days_ago.first() / FORGOTTEN_DAYS)).alias("recency")
    )
    waiting = _on_company(customers, _issues_of_companies(dump)).filter(
        pl.col("created") <= pl.col("day"), ~(pl.col("closed") <= pl.col("day")).fill_null(value=False)
    )
    issues = waiting.group_by("day", "company").agg(pl.len().alias("waiting"))
    for part in (sentiment, recency, issues):
        customers = customers.join(part, on=["day", "company"], how="left")
    rest = RECENCY_SHARE * pl.col("recency").fill_null(0) + ISSUES_SHARE * (
        100 - pl.min_horizontal(pl.lit(100), POINTS_AN_ISSUE * pl.col("waiting").fill_null(0).cast(pl.Int64))
    )
    score = (
        pl.when(pl.col("sentiment").is_null())
        .then(rest / (RECENCY_SHARE + ISSUES_SHARE))
        .otherwise(SENTIMENT_SHARE * pl.col("sentiment") + rest)
    )
    return customers.group_by("day").agg(score.mean().alias("customer_health_score"))


def _on_company(customers: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    return customers.join(facts, on="company")


def _touches(dump: Dump) -> pl.DataFrame:
    """company, touched: the days of what HubSpot knows was said or written to the company itself."""
    days = {
        (kind, one["id"]): _day(one["properties"]["hs_timestamp"])
        for kind in TOUCHES
        for one in dump[f"hubspot.{kind}"]
        if not one["archived"] and one["properties"]["hs_timestamp"]
    }
    ties = (
        (t["toId"], (t["fromType"], t["fromId"])) for t in dump["hubspot.associations"] if t["toType"] == "companies"
    )
    return _frame({"company": pl.String, "touched": pl.Date}, ((c, days[one]) for c, one in ties if one in days))


def _issues_of_companies(dump: Dump) -> pl.DataFrame:
    """company, created, closed: a row for each company that an urgent or high issue names."""
    companies = [c for c in dump["hubspot.companies"] if not c["archived"] and _plain(c["properties"]["name"])]
    names = {company["id"]: _whole_words([company["properties"]["name"]]) for company in companies}
    issues = [i for i in _kept_issues(dump) if i["priority"] in BLOCKING_PRIORITIES]
    return _frame(
        {"company": pl.String, "created": pl.Date, "closed": pl.Date},
        (
            (company, _day(issue["createdAt"]), _day(issue["completedAt"] or issue["canceledAt"]))
            for issue in issues
            for company, name in names.items()
            if any(name.search(_plain(issue[part])) for part in ("title", "description"))
        ),
    )


# Calls.


def _calls(dump: Dump, competitors: Sequence[str]) -> pl.DataFrame:
    """A row a call: day, company, is_analyzed, sentiment, names_competitor."""
    merged = {
        loser: company["id"]
        for company in dump["hubspot.companies"]
        if not company["archived"]
        for loser in (company["properties"]["hs_merged_object_ids"] or "").split(";")
        if loser
    }
    said = {t["callId"]: [s["text"] for m in t["transcript"] for s in m["sentences"]] for t in dump["gong.transcripts"]}
    named = _whole_words(competitors)

    def rows() -> Iterator[tuple[object, ...]]:
        for call in dump["gong.calls"]:
            meta = call["metaData"]
            sentences = None if meta["isPrivate"] else said.get(meta["id"])
            account = _account(call)
            yield (
                _day(meta["started"]),
                merged.get(account, account),
                sentences is not None,
                fmean(_compound(text) for text in sentences) if sentences else None,
                any(named.search(text) for text in sentences or ()),
            )

    schema = {"day": pl.Date, "company": pl.String, "is_analyzed": pl.Boolean}
    return _frame(schema | {"sentiment": pl.Float64, "names_competitor": pl.Boolean}, rows())


def _account(call: Record) -> str:
    """The CRM id of the first account in the call's context; empty text without any."""
    objects = (thing for context in call.get("context") or () for thing in context["objects"])
    return next((str(thing["objectId"]) for thing in objects if thing["objectType"] == "Account"), "")


def _analyzed(calls: pl.DataFrame) -> pl.DataFrame:
    """day, calls_analyzed; no row without a call."""
    return calls.group_by("day").agg(pl.col("is_analyzed").sum().alias("calls_analyzed"))


@cache
def _compound(text: str) -> float:
    return float(_analyzer().polarity_scores(text)["compound"])


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


# Work.


def _productivity(dump: Dump, calendar: pl.DataFrame) -> pl.DataFrame:
    """day, team_productivity_score: points done in time of the points in the cycles that ended lately."""
    cycles = _frame(
        {"cycle": pl.String, "ends": pl.Datetime("us")},
        ((cycle["id"], _moment(cycle["endsAt"])) for cycle in dump["linear.cycles"]),
    )
    issues = _frame(
        {"cycle": pl.String, "points": pl.Float64, "completed": pl.Datetime("us")},
        (
            (issue["cycle"]["id"], 1 if issue["estimate"] is None else issue["estimate"], _moment(issue["completedAt"]))
            for issue in _kept_issues(dump)
            if issue["cycle"] is not None
        ),
    )
    planned = calendar.join(cycles.join(issues, on="cycle"), how="cross").filter(
        _within_days(pl.col("ends").dt.date(), FOUR_WEEKS)
    )
    points = pl.col("points")
    return (
        planned.group_by("day")
        .agg(points.sum().alias("whole"), points.filter(pl.col("completed") <= pl.col("ends")).sum().alias("done"))
        .filter(pl.col("whole") > 0)
        .select("day", (100 * pl.col("done") / pl.col("whole")).alias("team_productivity_score"))
    )


def _on_time(dump: Dump, calendar: pl.DataFrame) -> pl.DataFrame:
    """day, on_time_delivery: the share of issues due lately that were completed by their day."""
    issues = _frame(
        {"due": pl.Date, "completed": pl.Date},
        (
            (date.fromisoformat(issue["dueDate"]), _day(issue["completedAt"]))
            for issue in _kept_issues(dump)
            if issue["dueDate"] is not None
        ),
    )
    due = calendar.join(issues, how="cross").filter(_within("due", FOUR_WEEKS))
    in_time = (pl.col("completed") <= pl.col("due")).fill_null(value=False)
    return due.group_by("day").agg(in_time.mean().alias("on_time_delivery"))


def _kept_issues(dump: Dump) -> list[Record]:
    return [issue for issue in dump["linear.issues"] if not issue["trashed"]]


# Days, texts, numbers.


def _frame(schema: Mapping[str, Any], rows: Iterator[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=dict(schema), orient="row")


def _moment(text: str | None) -> datetime | None:
    """In UTC, without a zone."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None) if text else None


def _day(text: str | None) -> date | None:
    moment = _moment(text)
    return moment.date() if moment is not None else None


def _before_end(column: str) -> pl.Expr:
    """Before the first instant of the next day."""
    return pl.col(column) < pl.col("day").cast(pl.Datetime("us")) + timedelta(days=1)


def _within(column: str, days: int) -> pl.Expr:
    """In the window of so many days that ends with the day."""
    return _within_days(pl.col(column), days)


def _within_days(dates: pl.Expr, days: int) -> pl.Expr:
    return dates.is_between(pl.col("day") - timedelta(days=days), pl.col("day"), closed="right")


def _numeric(column: str) -> pl.Expr:
    number = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _sum_or_none(numbers: pl.Expr) -> pl.Expr:
    return pl.when(numbers.count() > 0).then(numbers.sum())


def _plain(text: str | None) -> str:
    """With single spaces."""
    return " ".join((text or "").split())


def _whole_words(names: Sequence[str]) -> re.Pattern[str]:
    choices = "|".join(re.escape(_plain(name)) for name in names)
    return re.compile(rf"(?<!\w)(?:{choices})(?!\w)", re.IGNORECASE)
