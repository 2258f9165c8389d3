"""Faults above the catalog: of memory, intelligence, KPIs and views."""

from __future__ import annotations

from contracts.identity import memory_id
from tests.pipelines.quality.faults import (
    A_CHUNK,
    A_DEAL,
    A_GONG_ENTRY,
    A_LONG_DOCUMENT,
    A_MENTION,
    CATALOG,
    KPIS,
    MEMORY,
    MENTIONS,
    NOW,
    fault,
)


def day(kpi: str, order: str) -> str:
    """The first or last day on which it is more than nothing."""
    return f"DATE_KEY = (SELECT DATE_KEY FROM {KPIS} WHERE {kpi} > 0 ORDER BY DATE_KEY {order} LIMIT 1)"


VECTORS = [
    fault(
        "a vector is not a number",
        "memory/memory_records:vectors",
        "memory",
        f"UPDATE {MEMORY} SET EMBEDDING = ['NaN'::FLOAT for x in EMBEDDING]::FLOAT[64] WHERE {A_CHUNK}",
    ),
    fault(
        "a number of a vector is infinite",
        "memory/memory_records:vectors",
        "memory",
        f"UPDATE {MEMORY} SET EMBEDDING = LIST_PREPEND('inf'::FLOAT, EMBEDDING[2:])::FLOAT[64] WHERE {A_CHUNK}",
    ),
    fault(
        "a vector is too long",
        "memory/memory_records:vectors",
        "memory",
        f"UPDATE {MEMORY} SET EMBEDDING = [x * 1.01 for x in EMBEDDING]::FLOAT[64] WHERE {A_CHUNK}",
    ),
    fault(
        "a vector is nothing but zeros",
        "memory/memory_records:vectors",
        "memory",
        f"UPDATE {MEMORY} SET EMBEDDING = [0 for x in EMBEDDING]::FLOAT[64] WHERE {A_CHUNK}",
    ),
    fault(
        "a vector is of another model's dimension",
        "memory/memory_records:vectors",
        "memory",
        f"ALTER TABLE {MEMORY} ALTER EMBEDDING TYPE FLOAT[]",
        f"UPDATE {MEMORY} SET EMBEDDING = LIST_PREPEND(1::FLOAT, [0::FLOAT for x in RANGE(31)]) WHERE {A_CHUNK}",
    ),
    fault(
        "a chunk's document is unknown",
        "memory/memory_records:orphans",
        "memory",
        f"""
        INSERT INTO {MEMORY} SELECT * REPLACE (
            'gong:call:nobody' AS DOCUMENT_ID, 0 AS ORDINAL, '{memory_id("gong:call:nobody", 0)}' AS MEMORY_ID
        ) FROM {MEMORY} WHERE {A_CHUNK}
        """,
    ),
    fault(
        "a chunk's document was deleted",
        "memory/memory_records:orphans",
        "memory",
        f"UPDATE {CATALOG} SET DELETED_AT = {NOW} WHERE {A_GONG_ENTRY}",
    ),
    fault(
        "what has landed has no vectors",
        "memory/memory_records:documents",
        "memory",
        f"DELETE FROM {MEMORY} WHERE DOCUMENT_ID = {A_LONG_DOCUMENT}",
    ),
    fault(
        "a document's last chunk is missing",
        "memory/memory_records:documents",
        "memory",
        f"""
        DELETE FROM {MEMORY} WHERE DOCUMENT_ID = {A_LONG_DOCUMENT}
        AND ORDINAL = (SELECT MAX(ORDINAL) FROM {MEMORY} WHERE DOCUMENT_ID = {A_LONG_DOCUMENT})
        """,
    ),
    fault(
        "there is a gap in a document's chunks",
        "memory/memory_records:chunks memory/memory_records:documents",
        "memory",
        f"DELETE FROM {MEMORY} WHERE DOCUMENT_ID = {A_LONG_DOCUMENT} AND ORDINAL = 1",
    ),
    fault(
        "a chunk is doubled",
        "memory/memory_records:chunks memory/memory_records:documents",
        "memory",
        f"INSERT INTO {MEMORY} SELECT * FROM {MEMORY} WHERE {A_CHUNK}",
    ),
    fault(
        "a chunk is of a revision that has not landed",
        "memory/memory_records:chunks",
        "memory",
        f"UPDATE {MEMORY} SET REVISION = REVISION + 1 WHERE {A_CHUNK}",
    ),
    fault(
        "chunks of an older revision stayed",
        "memory/memory_records:documents",
        "memory",
        f"""
        UPDATE {CATALOG} SET
            REVISION = REVISION + 1, LANDED_REVISION = REVISION + 1, SECTIONS = '[{{"text": "Another text."}}]'
        WHERE {A_GONG_ENTRY}
        """,
    ),
    fault(
        "a chunk's text is another than was embedded",
        "memory/memory_records:chunks memory/memory_records:documents",
        "memory",
        f"UPDATE {MEMORY} SET CONTENT = CONCAT(CONTENT, ' Not.') WHERE {A_CHUNK}",
    ),
    fault(
        "a chunk has no tokens",
        "memory/memory_records:chunks",
        "memory",
        f"UPDATE {MEMORY} SET TOKEN_COUNT = 0 WHERE {A_CHUNK}",
    ),
    fault(
        "a chunk exceeds the model's window",
        "memory/memory_records:chunks",
        "memory",
        f"UPDATE {MEMORY} SET TOKEN_COUNT = 257 WHERE {A_CHUNK}",
    ),
    fault(
        "a chunk is another model's",
        "memory/memory_records:chunks",
        "memory",
        f"UPDATE {MEMORY} SET FINGERPRINT = 'hash-128/fp32|turns-1|facts-1' WHERE {A_CHUNK}",
    ),
    fault(
        "a chunk's id is of another place",
        "memory/memory_records:chunks",
        "memory",
        f"UPDATE {MEMORY} SET MEMORY_ID = REVERSE(MEMORY_ID) WHERE {A_CHUNK}",
    ),
]

INTELLIGENCE = [
    fault(
        "a call's sentiment is 2",
        "intelligence/call_enrichment:rows",
        "intelligence",
        "UPDATE GONG_INTELLIGENCE.CALL_ENRICHMENT SET SENTIMENT_SCORE = 2",
    ),
    fault(
        "a call names a competitor that nobody looks for",
        "intelligence/call_enrichment:rows",
        "intelligence",
        """UPDATE GONG_INTELLIGENCE.CALL_ENRICHMENT SET COMPETITIVE_MENTIONS = '["Nobody Inc"]'""",
    ),
    fault(
        "an issue names a company that nobody knows",
        "intelligence/issue_enrichment:rows",
        "intelligence",
        """UPDATE SOPHIA_PROJECT_MANAGEMENT.ISSUE_ENRICHMENT SET COMPANY_IDS = '["0"]'""",
    ),
    fault(
        "a threat is 6",
        "intelligence/competitor_mentions:rows",
        "intelligence",
        f"UPDATE {MENTIONS} SET THREAT_LEVEL = 6 WHERE {A_MENTION}",
    ),
    fault(
        "a mention is of a competitor that nobody looks for",
        "intelligence/competitor_mentions:rows",
        "intelligence",
        f"UPDATE {MENTIONS} SET COMPETITOR = 'Nobody Inc' WHERE {A_MENTION}",
    ),
    fault(
        "a mention is doubled",
        "intelligence/competitor_mentions:rows",
        "intelligence",
        f"INSERT INTO {MENTIONS} SELECT * FROM {MENTIONS} WHERE {A_MENTION}",
    ),
    fault(
        "a mention is of a private document",
        "intelligence/competitor_mentions:documents",
        "intelligence",
        f"""
        UPDATE {CATALOG} SET ACCESS_SCOPE = 'slack:channel:C1'
        WHERE DATA_ID = (SELECT DOCUMENT_ID FROM {MENTIONS} WHERE {A_MENTION})
        """,
    ),
]

NUMBERS = [
    *(
        fault(
            f"{kpi} is a cent more on its {which} day",
            "executive/kpi_rollups:recount",
            "kpis",
            f"UPDATE {KPIS} SET {kpi} = {kpi} + 0.01 WHERE {day(kpi, order)}",
        )
        for kpi in ("REVENUE_MTD", "PIPELINE_VALUE", "MRR")
        for which, order in (("first", "ASC"), ("last", "DESC"))
    ),
    *(
        fault(
            f"{kpi} is a little less",
            "executive/kpi_rollups:recount",
            "kpis",
            f"UPDATE {KPIS} SET {kpi} = {kpi} - 0.00001 WHERE {day(kpi, 'ASC')}",
        )
        for kpi in ("CUSTOMER_HEALTH_SCORE", "TEAM_PRODUCTIVITY_SCORE", "ON_TIME_DELIVERY")
    ),
    fault(
        "a deal was not counted",
        "executive/kpi_rollups:recount",
        "kpis",
        f"UPDATE {KPIS} SET ACTIVE_DEALS = ACTIVE_DEALS - 1 WHERE {day('ACTIVE_DEALS', 'DESC')}",
    ),
    fault(
        "a number is lacking",
        "executive/kpi_rollups:recount",
        "kpis",
        f"UPDATE {KPIS} SET CALLS_ANALYZED = NULL WHERE {day('CALLS_ANALYZED', 'ASC')}",
    ),
    fault(
        "a rate is above 1",
        "executive/kpi_rollups:ranges executive/kpi_rollups:recount",
        "kpis",
        f"UPDATE {KPIS} SET WIN_RATE = 1.5 WHERE DATE_KEY = (SELECT MAX(DATE_KEY) FROM {KPIS})",
    ),
    fault(
        "a day is missing",
        "executive/kpi_rollups:days",
        "kpis",
        f"DELETE FROM {KPIS} WHERE DATE_KEY = (SELECT MAX(DATE_KEY) - 20 FROM {KPIS})",
    ),
    fault(
        "a day is doubled",
        "executive/kpi_rollups:days",
        "kpis",
        f"INSERT INTO {KPIS} SELECT * FROM {KPIS} WHERE DATE_KEY = (SELECT MAX(DATE_KEY) - 20 FROM {KPIS})",
    ),
    fault(
        "nobody knows when a day was computed",
        "executive/kpi_rollups:days",
        "kpis",
        f'UPDATE {KPIS} SET "METADATA$ROW_LAST_COMMIT_TIME" = NULL WHERE {day("ACTIVE_DEALS", "ASC")}',
    ),
    fault(
        "the history contradicts the deal's stage",
        "hubspot/deals:history",
        "kpis",
        f"UPDATE HUBSPOT_INTEGRATION.DEALS SET STAGE_ID = 'elsewhere' WHERE {A_DEAL}",
    ),
    fault(
        "deals' amounts are in cents",
        "hubspot/deals:history",
        "kpis",
        "UPDATE HUBSPOT_INTEGRATION.DEALS SET AMOUNT = AMOUNT * 100 WHERE AMOUNT > 0",
    ),
    fault(
        "the history says another amount",
        "hubspot/deals:history executive/kpi_rollups:recount",
        "kpis",
        f"UPDATE SOPHIA_CORE.DEAL_HISTORY SET VALUE = '1' WHERE PROPERTY LIKE 'amount%' AND {A_DEAL}",
    ),
    fault(
        "numbers did not follow their rows",
        "executive/kpi_rollups:recount",
        "kpis",
        "UPDATE GONG_INTELLIGENCE.CALL_ENRICHMENT SET CONTENT_HASH = ''",
    ),
]

VIEWS = [
    fault(
        "lengths of calls are in minutes",
        "intelligence/call_transcripts:units",
        "views",
        "UPDATE GONG_INTEGRATION.CALLS SET DURATION_S = GREATEST(DURATION_S // 60, 1)",
    ),
    fault(
        "lengths of calls are in milliseconds",
        "intelligence/call_transcripts:units",
        "views",
        "UPDATE GONG_INTEGRATION.CALLS SET DURATION_S = DURATION_S * 1000",
    ),
    fault(
        "a view is empty",
        "executive/projects_dashboard_data:filled",
        "views",
        """
        CREATE OR REPLACE TABLE KEPT AS SELECT * FROM SOPHIA_PROJECT_MANAGEMENT.PROJECTS_DASHBOARD_DATA WHERE FALSE
        """,
        "CREATE OR REPLACE VIEW SOPHIA_PROJECT_MANAGEMENT.PROJECTS_DASHBOARD_DATA AS SELECT * FROM KEPT",
    ),
    fault(
        "the value of open deals is in cents",
        "executive/sales_dashboard_data:totals",
        "views",
        """
        CREATE OR REPLACE TABLE KEPT AS
        SELECT * REPLACE (AMOUNT * 100 AS AMOUNT) FROM SOPHIA_BUSINESS_INTELLIGENCE.SALES_DASHBOARD_DATA
        """,
        "CREATE OR REPLACE VIEW SOPHIA_BUSINESS_INTELLIGENCE.SALES_DASHBOARD_DATA AS SELECT * FROM KEPT",
    ),
    fault(
        "a day's calls are counted twice",
        "executive/executive_dashboard_data:totals",
        "views",
        """
        CREATE OR REPLACE TABLE KEPT AS
        SELECT * REPLACE (TOTAL_CALLS * 2 AS TOTAL_CALLS) FROM EXECUTIVE_INTELLIGENCE.EXECUTIVE_DASHBOARD_DATA
        """,
        "CREATE OR REPLACE VIEW EXECUTIVE_INTELLIGENCE.EXECUTIVE_DASHBOARD_DATA AS SELECT * FROM KEPT",
    ),
    fault(
        "progress is in percent",
        "executive/projects_dashboard_data:ranges",
        "views",
        """
        CREATE OR REPLACE TABLE KEPT AS
        SELECT * REPLACE (PROGRESS * 100 AS PROGRESS) FROM SOPHIA_PROJECT_MANAGEMENT.PROJECTS_DASHBOARD_DATA
        """,
        "CREATE OR REPLACE VIEW SOPHIA_PROJECT_MANAGEMENT.PROJECTS_DASHBOARD_DATA AS SELECT * FROM KEPT",
    ),
]
