"""Views that people read: not empty where their sources are not, on their scale and in their unit, parts and wholes
that agree with a count of the tables below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pipelines.quality.checks import Check, Look, Suite

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

CALLS = ("intelligence", "call_transcripts")
EXECUTIVE = ("executive", "executive_dashboard_data")
SALES = ("executive", "sales_dashboard_data")
PROJECTS = ("executive", "projects_dashboard_data")
KNOWLEDGE = ("executive", "knowledge_dashboard_data")

SOURCES: dict[tuple[str, ...], tuple[str, str]] = {
    CALLS: (
        "GONG_INTELLIGENCE.CALL_TRANSCRIPTS",
        "GONG_INTEGRATION.CALLS WHERE _DELETED_AT IS NULL AND NOT COALESCE(IS_PRIVATE, TRUE)",
    ),
    EXECUTIVE: ("EXECUTIVE_INTELLIGENCE.EXECUTIVE_DASHBOARD_DATA", "SOPHIA_CORE.LOADS"),
    SALES: (
        "SOPHIA_BUSINESS_INTELLIGENCE.SALES_DASHBOARD_DATA",
        "HUBSPOT_INTEGRATION.DEALS AS D INNER JOIN HUBSPOT_INTEGRATION.DEAL_STAGES AS S "
        "ON D.PIPELINE_ID = S.PIPELINE_ID AND D.STAGE_ID = S.STAGE_ID WHERE D._DELETED_AT IS NULL AND NOT S.IS_CLOSED",
    ),
    PROJECTS: (
        "SOPHIA_PROJECT_MANAGEMENT.PROJECTS_DASHBOARD_DATA",
        "LINEAR_INTEGRATION.ISSUES AS I INNER JOIN LINEAR_INTEGRATION.TEAMS AS T ON I.TEAM_ID = T.TEAM_ID "
        "WHERE I._DELETED_AT IS NULL AND I.CANCELED_AT IS NULL AND I.PROJECT_ID IS NULL "
        "AND T._DELETED_AT IS NULL AND T.VISIBILITY = 'public'",
    ),
    KNOWLEDGE: ("MONITORING.KNOWLEDGE_DASHBOARD_DATA", "SOPHIA_CORE.CATALOG_ENTRIES WHERE DELETED_AT IS NULL"),
}
"""Asset → the view, and rows of which one is enough for a row of it."""

TOTALS: dict[tuple[str, ...], tuple[tuple[str, ...], str]] = {
    EXECUTIVE: (
        ("date_key",),
        """
        SELECT SHOWN.DATE_KEY, SHOWN.TOTAL_CALLS AS SHOWN, COALESCE(COUNTED.CALLS, 0) AS COUNTED
        FROM EXECUTIVE_INTELLIGENCE.EXECUTIVE_DASHBOARD_DATA AS SHOWN
        LEFT JOIN (
            SELECT TO_DATE(STARTED_AT) AS DATE_KEY, COUNT(*) AS CALLS
            FROM GONG_INTEGRATION.CALLS WHERE _DELETED_AT IS NULL GROUP BY TO_DATE(STARTED_AT)
        ) AS COUNTED ON SHOWN.DATE_KEY = COUNTED.DATE_KEY
        """,
    ),
    SALES: (
        ("stage_status",),
        """
        SELECT
            'open' AS STAGE_STATUS,
            (
                SELECT COALESCE(SUM(AMOUNT), 0)
                FROM SOPHIA_BUSINESS_INTELLIGENCE.SALES_DASHBOARD_DATA WHERE STAGE_STATUS = 'open'
            ) AS SHOWN,
            (
                SELECT COALESCE(SUM(COALESCE(DEALS.AMOUNT_IN_HOME_CURRENCY, DEALS.AMOUNT)), 0)
                FROM HUBSPOT_INTEGRATION.DEALS AS DEALS
                LEFT JOIN HUBSPOT_INTEGRATION.DEAL_STAGES AS STAGES
                    ON DEALS.PIPELINE_ID = STAGES.PIPELINE_ID AND DEALS.STAGE_ID = STAGES.STAGE_ID
                WHERE DEALS._DELETED_AT IS NULL
                    AND NOT COALESCE(STAGES.IS_CLOSED AND STAGES.PROBABILITY IN (0, 1), FALSE)
            ) AS COUNTED
        """,
    ),
    KNOWLEDGE: (
        ("source_system",),
        """
        SELECT SHOWN.SOURCE_SYSTEM, SHOWN.DOCUMENTS AS SHOWN, COALESCE(COUNTED.DOCUMENTS, 0) AS COUNTED
        FROM MONITORING.KNOWLEDGE_DASHBOARD_DATA AS SHOWN
        LEFT JOIN (
            SELECT SOURCE_SYSTEM, COUNT(*) AS DOCUMENTS
            FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DELETED_AT IS NULL AND ACCESS_SCOPE = 'public' GROUP BY SOURCE_SYSTEM
        ) AS COUNTED ON SHOWN.SOURCE_SYSTEM = COUNTED.SOURCE_SYSTEM
        """,
    ),
}
"""Asset → the key of a total, and a total as the view shows it beside one that was counted."""

LATE_S = 60
"""A transcript may run on behind the end of its call for so long."""
SPOKEN = (0.2, 1.1)
"""Of the median call: where its last sentence ends, as a share of its length. Minutes for seconds make 60 of it."""
CENT_TOLERANCE = 0.005


def suites() -> Iterator[Suite]:
    for asset in SOURCES:
        filled = Check(asset, "filled", "The view has rows where its sources have.")
        yield Suite((filled,), ("view",), partial(_read_filled, asset), _filled_rules)
    units = Check(CALLS, "units", "A call's length fits its transcript: both are seconds.")
    yield Suite((units,), ("call_id",), _read_units, _unit_rules)
    for asset, (key, sql) in TOTALS.items():
        totals = Check(asset, "totals", "Its totals are those that a count of the tables below gives.")
        yield Suite((totals,), key, partial(_read_totals, sql), _total_rules)
    ranges = Check(PROJECTS, "ranges", "Shares from 0 to 1; no more issues completed or overdue than there are.")
    yield Suite((ranges,), ("project_id", "team_id"), _read_projects, _project_rules)


def _read_filled(asset: tuple[str, ...], look: Look) -> pd.DataFrame:
    view, source = SOURCES[asset]
    return (
        look.warehouse.query(
            f"""
        SELECT
            (SELECT COUNT(*) FROM {view}) AS VIEW_ROWS,
            (SELECT COUNT(*) FROM (SELECT 1 AS ONE FROM {source} LIMIT 1) AS SOURCES) AS LEAST_ROWS
        """
        )
        .to_pandas()
        .assign(view=view)
    )


def _filled_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import at_least

    return {"filled": [at_least("view_rows", "least_rows", "the view has rows where its sources have")]}


def _read_units(look: Look) -> pd.DataFrame:
    """Calls with a document, and when their last sentence ends."""
    frame = look.warehouse.query(
        """
        SELECT CALLS.CALL_ID, CALLS.DURATION_S, MAX(CAST(SECTION.VALUE:end_s AS FLOAT)) AS LAST_END_S
        FROM GONG_INTELLIGENCE.CALL_TRANSCRIPTS AS CALLS
        INNER JOIN SOPHIA_CORE.CATALOG_ENTRIES AS CATALOG
            ON CATALOG.BASE_ID = CONCAT('gong:call:', CALLS.CALL_ID) AND CATALOG.DELETED_AT IS NULL,
            LATERAL FLATTEN(INPUT => CATALOG.SECTIONS) AS SECTION
        WHERE CALLS.DURATION_S > 0
        GROUP BY CALLS.CALL_ID, CALLS.DURATION_S
        """
    ).to_pandas()
    return frame.assign(longest_s=frame["duration_s"] + LATE_S, spoken=frame["last_end_s"] / frame["duration_s"])


def _unit_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import at_least, median

    return {
        "units": [
            at_least("longest_s", "last_end_s", "no sentence ends a minute behind the end of its call"),
            median("spoken", *SPOKEN, "the median call is spoken through: length and sentences are in one unit"),
        ]
    }


def _read_totals(sql: str, look: Look) -> pd.DataFrame:
    frame = look.warehouse.query(sql).to_pandas(date_as_object=False)
    return frame.assign(difference=(frame["shown"] - frame["counted"]).abs())


def _total_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import between

    return {"totals": [between("difference", None, CENT_TOLERANCE, "the total is that of a count")]}


def _read_projects(look: Look) -> pd.DataFrame:
    return look.warehouse.query(
        """
        SELECT
            PROJECT_ID,
            TEAM_ID,
            ISSUES,
            COMPLETED_ISSUES + OVERDUE_ISSUES AS SETTLED_ISSUES,
            PROGRESS,
            ON_TIME_DELIVERY,
            CYCLE_PROGRESS
        FROM SOPHIA_PROJECT_MANAGEMENT.PROJECTS_DASHBOARD_DATA
        """
    ).to_pandas()


def _project_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import at_least, between

    return {
        "ranges": [
            *(
                between(name, 0, 1, f"{name} is from 0 to 1")
                for name in ("progress", "on_time_delivery", "cycle_progress")
            ),
            at_least("issues", "settled_issues", "completed and overdue issues are issues"),
        ]
    }
