"""Faults as they are planted in a loaded warehouse, in DuckDB's dialect, and the checks that must find them."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.identity import memory_id

MEMORY = "SOPHIA_AI_MEMORY.MEMORY_RECORDS_HASH_64"
CATALOG = "SOPHIA_CORE.CATALOG_ENTRIES"
KPIS = "EXECUTIVE_INTELLIGENCE.KPI_DAYS"
MENTIONS = "COMPETITIVE_INTELLIGENCE.COMPETITOR_MENTIONS"
NOW = "(NOW() AT TIME ZONE 'UTC')"


@dataclass(frozen=True)
class Fault:
    name: str
    found_by: frozenset[str]
    """All that fails of the groups that are looked at."""
    groups: tuple[str, ...]
    statements: tuple[str, ...]
    without_constraints: tuple[str, ...] = ()
    """Tables where NOT NULL and vectors' dimension must not stand in the way."""


def fault(name: str, found_by: str, groups: str, *statements: str, free: str = "") -> Fault:
    """Checks, groups and tables are lists with spaces between."""
    return Fault(name, frozenset(found_by.split()), tuple(groups.split()), statements, tuple(free.split()))


def one_of(table: str, key: str, where: str = "TRUE", nth: int = 1) -> str:
    """A condition that one row meets: the nth by its key."""
    return f"{key} = (SELECT {key} FROM {table} WHERE {where} ORDER BY {key} LIMIT 1 OFFSET {nth - 1})"


A_CALL = one_of("GONG_INTEGRATION.CALLS", "CALL_ID")
A_USER = one_of("GONG_INTEGRATION.USERS", "USER_ID")
A_TOLD_CALL = one_of("GONG_INTEGRATION.TRANSCRIPTS", "CALL_ID")
AN_ISSUE = one_of("LINEAR_INTEGRATION.ISSUES", "ISSUE_ID")
A_GONG_ENTRY = one_of(CATALOG, "DATA_ID", "SOURCE_SYSTEM = 'gong'")
A_THREAD = one_of(CATALOG, "DATA_ID", "DATA_TYPE = 'thread'")
A_CHUNK = one_of(MEMORY, "MEMORY_ID", "DOCUMENT_ID LIKE 'gong:%'")
A_LONG_DOCUMENT = f"(SELECT DOCUMENT_ID FROM {MEMORY} WHERE ORDINAL = 2 ORDER BY DOCUMENT_ID LIMIT 1)"
A_MENTION = one_of(MENTIONS, "MENTION_ID")
A_DEAL = one_of("HUBSPOT_INTEGRATION.DEALS", "DEAL_ID", "_DELETED_AT IS NULL AND AMOUNT > 0")


def day(kpi: str, order: str) -> str:
    """The first or last day on which it is more than nothing."""
    return f"DATE_KEY = (SELECT DATE_KEY FROM {KPIS} WHERE {kpi} > 0 ORDER BY DATE_KEY {order} LIMIT 1)"


LATE = """
    UPDATE SOPHIA_CORE.POSITIONS SET UPDATED_AT = UPDATED_AT - INTERVAL 11 HOUR WHERE POSITION_KEY LIKE 'pull:gong/%'
"""


RAW = [
    fault(
        "a key is doubled",
        "gong/calls:keys",
        "gong",
        f"INSERT INTO GONG_INTEGRATION.CALLS SELECT * FROM GONG_INTEGRATION.CALLS WHERE {A_CALL}",
    ),
    fault(
        "a key of two columns is doubled",
        "slack/channel_members:keys",
        "slack",
        "INSERT INTO SLACK_INTEGRATION.CHANNEL_MEMBERS SELECT * FROM SLACK_INTEGRATION.CHANNEL_MEMBERS LIMIT 1",
    ),
    fault(
        "a key is NULL",
        "gong/users:keys",
        "gong",
        f"UPDATE GONG_INTEGRATION.USERS SET USER_ID = NULL WHERE {A_USER}",
        free="GONG_INTEGRATION.USERS",
    ),
    fault(
        "a version is in the future",
        "gong/calls:rows",
        "gong",
        f"UPDATE GONG_INTEGRATION.CALLS SET _VERSION = {NOW} + INTERVAL 1 HOUR WHERE {A_CALL}",
    ),
    fault(
        "a row was deleted in the future",
        "gong/users:rows",
        "gong",
        f"UPDATE GONG_INTEGRATION.USERS SET _DELETED_AT = {NOW} + INTERVAL 1 DAY WHERE {A_USER}",
    ),
    fault(
        "nobody knows the load",
        "gong/users:rows",
        "gong",
        f"UPDATE GONG_INTEGRATION.USERS SET _LOAD_ID = 'nobody' WHERE {A_USER}",
    ),
    fault(
        "the load is of another table",
        "gong/users:rows",
        "gong",
        "UPDATE GONG_INTEGRATION.USERS SET _LOAD_ID = (SELECT MIN(_LOAD_ID) FROM GONG_INTEGRATION.CALLS)",
    ),
    fault(
        "an origin is none",
        "gong/calls:rows",
        "gong",
        f"UPDATE GONG_INTEGRATION.CALLS SET _ORIGIN = 'shove' WHERE {A_CALL}",
    ),
    fault(
        "a hash is none",
        "gong/transcripts:rows",
        "gong",
        "UPDATE GONG_INTEGRATION.TRANSCRIPTS SET _CONTENT_HASH = 'd41d8'",
    ),
    fault(
        "a row has never landed",
        "gong/calls:rows",
        "gong",
        f"UPDATE GONG_INTEGRATION.CALLS SET _LANDED_AT = NULL WHERE {A_CALL}",
        free="GONG_INTEGRATION.CALLS",
    ),
    fault(
        "a length is below zero",
        "gong/calls:ranges",
        "gong",
        f"UPDATE GONG_INTEGRATION.CALLS SET DURATION_S = -60 WHERE {A_CALL}",
    ),
    fault(
        "a call began in 1905",
        "gong/calls:ranges",
        "gong",
        f"UPDATE GONG_INTEGRATION.CALLS SET STARTED_AT = '1905-01-01' WHERE {A_CALL}",
    ),
    fault(
        "an amount is below zero",
        "hubspot/deals:ranges",
        "hubspot",
        f"UPDATE HUBSPOT_INTEGRATION.DEALS SET AMOUNT = -1 WHERE {A_DEAL}",
    ),
    fault(
        "a priority is none",
        "linear/issues:ranges",
        "linear",
        "UPDATE LINEAR_INTEGRATION.ISSUES SET PRIORITY = 7",
    ),
    fault(
        "a table lost a quarter of its rows",
        "slack/channel_members:size",
        "slack",
        "DELETE FROM SLACK_INTEGRATION.CHANNEL_MEMBERS WHERE HASH(CHANNEL_ID, USER_ID) % 4 = 0",
    ),
    fault("a table was emptied", "gong/users:size", "gong", "DELETE FROM GONG_INTEGRATION.USERS"),
    fault(
        "all rows of a table were deleted at the source",
        "gong/users:size",
        "gong",
        f"UPDATE GONG_INTEGRATION.USERS SET _DELETED_AT = {NOW}",
    ),
    fault(
        "a source is late",
        "catalog/gong:fresh",
        "gong",
        LATE,
    ),
    fault(
        "a source has never landed",
        "catalog/gong:fresh",
        "gong",
        "DELETE FROM SOPHIA_CORE.POSITIONS WHERE POSITION_KEY LIKE 'pull:gong/%'",
    ),
]

DOCUMENTS = [
    fault(
        "the rows of a document are gone",
        "catalog/gong:parts",
        "gong",
        f"DELETE FROM GONG_INTEGRATION.CALLS WHERE {A_TOLD_CALL}",
        f"DELETE FROM GONG_INTEGRATION.TRANSCRIPTS WHERE {A_TOLD_CALL}",
    ),
    fault(
        "one of the rows of a document is gone",
        "catalog/gong:parts",
        "gong",
        f"DELETE FROM GONG_INTEGRATION.CALLS WHERE {A_TOLD_CALL}",
    ),
    fault(
        "the row of a document was deleted and its entry lives",
        "catalog/linear:parts",
        "linear",
        f"UPDATE LINEAR_INTEGRATION.ISSUES SET _DELETED_AT = {NOW} WHERE {AN_ISSUE}",
    ),
    fault("an entry is missing", "catalog/gong:parts", "gong", f"DELETE FROM {CATALOG} WHERE {A_GONG_ENTRY}"),
    fault(
        "a thread's entry is missing",
        "catalog/slack:parts",
        "slack",
        f"DELETE FROM {CATALOG} WHERE {A_THREAD}",
    ),
    fault(
        "an entry is doubled",
        "catalog/gong:entries",
        "gong",
        f"INSERT INTO {CATALOG} SELECT * FROM {CATALOG} WHERE {A_GONG_ENTRY}",
    ),
    fault(
        "a part has no base",
        "catalog/gong:entries",
        "gong",
        f"UPDATE {CATALOG} SET DATA_ID = CONCAT(DATA_ID, '#2') WHERE {A_GONG_ENTRY}",
    ),
    fault(
        "a document's hash is none",
        "catalog/gong:entries",
        "gong",
        f"UPDATE {CATALOG} SET CONTENT_HASH = UPPER(CONTENT_HASH) WHERE {A_GONG_ENTRY}",
    ),
    fault(
        "a revision is zero",
        "catalog/gong:entries",
        "gong",
        f"UPDATE {CATALOG} SET REVISION = 0 WHERE {A_GONG_ENTRY}",
    ),
    fault(
        "a revision was published before it was made",
        "catalog/gong:entries",
        "gong",
        f"UPDATE {CATALOG} SET PUBLISHED_REVISION = REVISION + 1 WHERE {A_GONG_ENTRY}",
    ),
    fault(
        "a revision landed before it was made",
        "catalog/gong:entries",
        "gong",
        f"UPDATE {CATALOG} SET LANDED_REVISION = REVISION + 1 WHERE {A_GONG_ENTRY}",
    ),
    fault(
        "a document says nothing",
        "catalog/gong:entries",
        "gong",
        f"UPDATE {CATALOG} SET SECTIONS = '[]' WHERE {A_GONG_ENTRY}",
    ),
    fault(
        "sections are no array",
        "catalog/gong:entries",
        "gong",
        f"""UPDATE {CATALOG} SET SECTIONS = '{{"text": 1}}' WHERE {A_GONG_ENTRY}""",
    ),
    fault(
        "a private document is in memory",
        "catalog/gong:private",
        "gong memory",
        f"UPDATE {CATALOG} SET ACCESS_SCOPE = 'gong:call:1' WHERE {A_GONG_ENTRY}",
    ),
]

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

ALL = [*RAW, *DOCUMENTS, *VECTORS, *INTELLIGENCE, *NUMBERS, *VIEWS]
