"""The KPI rollup: which days have changed, and their refresh.

    SOPHIA_CORE.LOADS not rolled up yet ─► the first day that they act on ─► refresh from there ─► marked as rolled up

Everything that happens on a day acts on this day and later ones alone, so one first day says all. What can move to
another day leaves the day that it acted from in KPI_SUBJECTS, so that this day is restated too. Snowflake finds out by
itself what changed; there the first day is not used.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import structlog

from contracts.tables import Column, ColumnType, Table
from pipelines.landing import enter_load, new_load_id
from resources.profile import IntelligenceSettings
from resources.warehouse import Transaction, Warehouse

log = structlog.get_logger()

KPI_DAYS = "EXECUTIVE_INTELLIGENCE.KPI_DAYS"
DAYS_BACK = 1095
"""No day further back has KPIs."""
DAYS = Table("DAYS", ("date_key",), (Column("date_key", ColumnType.TIMESTAMP, nullable=False),))
SUBJECTS = Table(
    "SUBJECTS",
    ("subject",),
    (Column("subject", ColumnType.TEXT, nullable=False), Column("acts_from", ColumnType.TIMESTAMP)),
)
WAITING = Table("WAITING", ("load_id",), (Column("load_id", ColumnType.TEXT, nullable=False),))
PRICES = Table(
    "PRICES",
    ("name",),
    (Column("name", ColumnType.TEXT, nullable=False), Column("price", ColumnType.FLOAT, nullable=False)),
)

_FIRST_DAY = """
    SELECT MIN(FIRST_ON) AS FIRST_ON
    FROM (
        SELECT MIN(TO_DATE(CREATED_AT)) AS FIRST_ON FROM HUBSPOT_INTEGRATION.DEALS WHERE _DELETED_AT IS NULL
        UNION ALL
        SELECT MIN(TO_DATE(STARTED_AT)) AS FIRST_ON FROM GONG_INTEGRATION.CALLS WHERE _DELETED_AT IS NULL
        UNION ALL
        SELECT MIN(TO_DATE(CREATED_AT)) AS FIRST_ON FROM LINEAR_INTEGRATION.ISSUES WHERE _DELETED_AT IS NULL
    ) AS STREAMS
"""
_WAITING = "SELECT LOAD_ID FROM SOPHIA_CORE.LOADS WHERE ROLLED_UP_AT IS NULL"
_FIXED = """
    SELECT MIN(ACTS_FROM) AS ACTS_FROM
    FROM (
        -- a deal: when it became so; one that is deleted, back, or with another company: since it was made
        SELECT MIN(TO_DATE(HISTORY.BECAME_AT)) AS ACTS_FROM
        FROM SOPHIA_CORE.DEAL_HISTORY AS HISTORY
        INNER JOIN STAGED_WAITING AS WAITING ON HISTORY.LOAD_ID = WAITING.LOAD_ID
        UNION ALL
        SELECT MIN(TO_DATE(DEALS.CREATED_AT)) AS ACTS_FROM
        FROM (
            SELECT DEAL_ID, LOAD_ID FROM SOPHIA_CORE.DEAL_HISTORY WHERE PROPERTY = 'deleted'
            UNION ALL
            SELECT FROM_ID AS DEAL_ID, _LOAD_ID AS LOAD_ID
            FROM HUBSPOT_INTEGRATION.ASSOCIATIONS
            WHERE FROM_TYPE = 'deals' AND TO_TYPE = 'companies'
        ) AS CHANGES
        INNER JOIN STAGED_WAITING AS WAITING ON CHANGES.LOAD_ID = WAITING.LOAD_ID
        INNER JOIN HUBSPOT_INTEGRATION.DEALS AS DEALS ON CHANGES.DEAL_ID = DEALS.DEAL_ID
        UNION ALL
        -- a stage that means something else, another price: every day
        SELECT MIN(DAYS.DATE_KEY) AS ACTS_FROM
        FROM (
            SELECT _LOAD_ID AS LOAD_ID FROM HUBSPOT_INTEGRATION.DEAL_STAGES
            UNION ALL
            SELECT LOAD_ID FROM SOPHIA_CORE.LOADS WHERE ADDRESS = 'monitoring/prices'
        ) AS CHANGES
        INNER JOIN STAGED_WAITING AS WAITING ON CHANGES.LOAD_ID = WAITING.LOAD_ID
        CROSS JOIN SOPHIA_CORE.DAYS AS DAYS
    ) AS CHANGES
"""
_MOVABLE = """
    SELECT SUBJECT, MIN(ACTS_FROM) AS ACTS_FROM
    FROM (
        SELECT CONCAT('deal/', DEALS.DEAL_ID) AS SUBJECT, TO_DATE(DEALS.CREATED_AT) AS ACTS_FROM
        FROM HUBSPOT_INTEGRATION.DEALS AS DEALS
        INNER JOIN STAGED_WAITING AS WAITING ON DEALS._LOAD_ID = WAITING.LOAD_ID
        UNION ALL
        -- a call: when it began, also where what it says or whose it is has changed
        SELECT CONCAT('call/', CALLS.CALL_ID) AS SUBJECT, TO_DATE(CALLS.STARTED_AT) AS ACTS_FROM
        FROM (
            SELECT CALL_ID, _LOAD_ID AS LOAD_ID FROM GONG_INTEGRATION.CALLS
            UNION ALL
            SELECT CALL_ID, _LOAD_ID AS LOAD_ID FROM GONG_INTEGRATION.TRANSCRIPTS
            UNION ALL
            SELECT CALL_ID, LOAD_ID FROM GONG_INTELLIGENCE.CALL_ENRICHMENT
            UNION ALL
            SELECT CALLS.CALL_ID, ALIASES.LOAD_ID
            FROM SOPHIA_BUSINESS_INTELLIGENCE.COMPANY_ALIASES AS ALIASES
            INNER JOIN GONG_INTEGRATION.CALLS AS CALLS ON ALIASES.MERGED_ID = CALLS.ACCOUNT_ID
        ) AS CHANGES
        INNER JOIN STAGED_WAITING AS WAITING ON CHANGES.LOAD_ID = WAITING.LOAD_ID
        INNER JOIN GONG_INTEGRATION.CALLS AS CALLS ON CHANGES.CALL_ID = CALLS.CALL_ID
        UNION ALL
        -- another contact: when it took place, also where it goes to another company
        SELECT
            CONCAT(ENGAGEMENTS.ENTITY, '/', ENGAGEMENTS.ENGAGEMENT_ID) AS SUBJECT,
            TO_DATE(ENGAGEMENTS.OCCURRED_AT) AS ACTS_FROM
        FROM (
            SELECT ENTITY, ENGAGEMENT_ID, _LOAD_ID AS LOAD_ID FROM HUBSPOT_INTEGRATION.ENGAGEMENTS
            UNION ALL
            SELECT FROM_TYPE AS ENTITY, FROM_ID AS ENGAGEMENT_ID, _LOAD_ID AS LOAD_ID
            FROM HUBSPOT_INTEGRATION.ASSOCIATIONS
            WHERE TO_TYPE = 'companies'
        ) AS CHANGES
        INNER JOIN STAGED_WAITING AS WAITING ON CHANGES.LOAD_ID = WAITING.LOAD_ID
        INNER JOIN HUBSPOT_INTEGRATION.ENGAGEMENTS AS ENGAGEMENTS
            ON CHANGES.ENTITY = ENGAGEMENTS.ENTITY AND CHANGES.ENGAGEMENT_ID = ENGAGEMENTS.ENGAGEMENT_ID
        UNION ALL
        -- an issue: when it was made, was due, or its cycle ended, whichever comes first
        SELECT CONCAT('issue/', ISSUES.ISSUE_ID) AS SUBJECT, ISSUES.ACTS_FROM
        FROM (
            SELECT ISSUE_ID, TO_DATE(CREATED_AT) AS ACTS_FROM, _LOAD_ID AS LOAD_ID FROM LINEAR_INTEGRATION.ISSUES
            UNION ALL
            SELECT ISSUE_ID, TRY_CAST(DUE_DATE AS DATE) AS ACTS_FROM, _LOAD_ID AS LOAD_ID FROM LINEAR_INTEGRATION.ISSUES
            UNION ALL
            SELECT ISSUES.ISSUE_ID, TO_DATE(CYCLES.ENDS_AT) AS ACTS_FROM, ISSUES._LOAD_ID AS LOAD_ID
            FROM LINEAR_INTEGRATION.ISSUES AS ISSUES
            INNER JOIN LINEAR_INTEGRATION.CYCLES AS CYCLES ON ISSUES.CYCLE_ID = CYCLES.CYCLE_ID
            UNION ALL
            SELECT ISSUES.ISSUE_ID, TO_DATE(ISSUES.CREATED_AT) AS ACTS_FROM, ENRICHMENT.LOAD_ID
            FROM SOPHIA_PROJECT_MANAGEMENT.ISSUE_ENRICHMENT AS ENRICHMENT
            INNER JOIN LINEAR_INTEGRATION.ISSUES AS ISSUES ON ENRICHMENT.ISSUE_ID = ISSUES.ISSUE_ID
        ) AS ISSUES
        INNER JOIN STAGED_WAITING AS WAITING ON ISSUES.LOAD_ID = WAITING.LOAD_ID
        UNION ALL
        SELECT CONCAT('cycle/', CYCLES.CYCLE_ID) AS SUBJECT, TO_DATE(CYCLES.ENDS_AT) AS ACTS_FROM
        FROM LINEAR_INTEGRATION.CYCLES AS CYCLES
        INNER JOIN STAGED_WAITING AS WAITING ON CYCLES._LOAD_ID = WAITING.LOAD_ID
    ) AS CHANGES
    GROUP BY SUBJECT
"""
_FOUND = f"""
    SELECT NOW_IS.SUBJECT, NOW_IS.ACTS_FROM, WAS.SUBJECT AS KNOWN_AS, WAS.ACTS_FROM AS ACTED_FROM
    FROM ({_MOVABLE}) AS NOW_IS
    LEFT JOIN SOPHIA_CORE.KPI_SUBJECTS AS WAS ON NOW_IS.SUBJECT = WAS.SUBJECT
"""
_KEEP_SUBJECTS = """
    MERGE INTO SOPHIA_CORE.KPI_SUBJECTS AS t
    USING (SELECT SUBJECT, TO_DATE(ACTS_FROM) AS ACTS_FROM FROM STAGED_SUBJECTS) AS s ON t.SUBJECT = s.SUBJECT
    WHEN MATCHED THEN UPDATE SET ACTS_FROM = s.ACTS_FROM
    WHEN NOT MATCHED THEN INSERT (SUBJECT, ACTS_FROM) VALUES (s.SUBJECT, s.ACTS_FROM)
"""
_MARK = """
    UPDATE SOPHIA_CORE.LOADS SET ROLLED_UP_AT = ?
    WHERE LOAD_ID IN (SELECT LOAD_ID FROM STAGED_WAITING)
"""


class RolledUp(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh did."""

    since: date | None
    """First day that was computed again; None where there is no data yet."""
    days: int
    """Days from there to the last."""


def refresh(settings: IntelligenceSettings, warehouse: Warehouse, today: date, *, full: bool = False) -> RolledUp:
    """Bring the KPIs up to date.

    Args:
        today: the last day to have KPIs, UTC.
        full: compute every day again.
    """
    with warehouse.transaction() as transaction:  # one turn for what is read before anything else
        prices = {
            row["name"]: row["price"]
            for row in transaction.query("SELECT NAME, PRICE FROM MONITORING.PRICES").to_pylist()
        }
        first: date | None = transaction.query(_FIRST_DAY)["first_on"][0].as_py()
        held = _days_of(transaction, "SOPHIA_CORE.DAYS")
        computed = _days_of(transaction, KPI_DAYS)
    _set_prices(settings, prices, warehouse)
    if first is None or first > today:
        return RolledUp(since=None, days=0)
    first = max(first, today - timedelta(days=DAYS_BACK))
    days = {first + timedelta(days=n) for n in range((today - first).days + 1)}
    _add_days(days - held, warehouse)
    waiting = WAITING.rows(warehouse.query(_WAITING).to_pylist())
    with warehouse.transaction(waiting=(WAITING, waiting)) as transaction:
        fixed: date | None = transaction.query(_FIXED)["acts_from"][0].as_py()
        found = transaction.query(_FOUND).to_pylist()
    candidates = {
        fixed,
        *itertools.chain.from_iterable((row["acts_from"], row["acted_from"]) for row in found if _acts(row)),
        min((days | held) - computed, default=None),
        max(computed, default=None),  # what has been embedded since acts on it
    }
    since = date.min if full else min(filter(None, candidates), default=date.min)
    since = max(since, today - timedelta(days=DAYS_BACK))
    warehouse.refresh(KPI_DAYS, since)
    if waiting.num_rows:
        # The days are kept as they were read: what has moved again since finds the day that we have computed.
        subjects = SUBJECTS.rows([{"subject": r["subject"], "acts_from": _midnight(r["acts_from"])} for r in found])
        with warehouse.transaction(waiting=(WAITING, waiting), subjects=(SUBJECTS, subjects)) as transaction:
            transaction.execute(_KEEP_SUBJECTS)
            transaction.execute(_MARK, [datetime.now(UTC)])
    done = RolledUp(since=since, days=(today - since).days + 1)
    log.info("kpis_rolled_up", since=since.isoformat(), days=done.days, loads=waiting.num_rows)
    return done


def _days_of(transaction: Transaction, table: str) -> set[date]:
    return {row["date_key"] for row in transaction.query(f"SELECT DATE_KEY FROM {table}").to_pylist()}


def _acts(row: dict[str, Any]) -> bool:
    """A deal acts from the day that it was made only where it is new, or that day has changed; _FIXED has the rest."""
    as_before = row["known_as"] is not None and row["acts_from"] == row["acted_from"]
    return not (row["subject"].startswith("deal/") and as_before)


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day) if day is not None else None  # noqa: DTZ001  a date


def _set_prices(settings: IntelligenceSettings, held: Mapping[str, float], warehouse: Warehouse) -> None:
    """A price that has changed is entered as a load, because it restates every day."""
    wanted = {
        name: price
        for name, price in (
            ("hosted_million_tokens", settings.hosted_million_tokens),
            ("hardware_hour", settings.hardware_hour),
        )
        if price is not None
    }
    if held == wanted:
        return
    rows, now = PRICES.rows([{"name": name, "price": price} for name, price in wanted.items()]), datetime.now(UTC)
    with warehouse.transaction(prices=(PRICES, rows)) as transaction:
        transaction.execute("DELETE FROM MONITORING.PRICES")
        transaction.execute("INSERT INTO MONITORING.PRICES (NAME, PRICE) SELECT NAME, PRICE FROM STAGED_PRICES")
        enter_load(transaction, new_load_id(), "monitoring/prices", len(wanted), len(wanted), now)


def _add_days(lacking: Collection[date], warehouse: Warehouse) -> None:
    if lacking:
        rows = DAYS.rows([{"date_key": _midnight(day)} for day in sorted(lacking)])
        with warehouse.transaction(days=(DAYS, rows)) as transaction:
            transaction.execute(
                """
                MERGE INTO SOPHIA_CORE.DAYS AS t USING (SELECT TO_DATE(DATE_KEY) AS DATE_KEY FROM STAGED_DAYS) AS s
                ON t.DATE_KEY = s.DATE_KEY WHEN NOT MATCHED THEN INSERT (DATE_KEY) VALUES (s.DATE_KEY)
                """
            )
