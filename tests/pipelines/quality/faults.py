"""Faults of raw tables and of the catalog, as they are planted in a loaded warehouse, in DuckDB's dialect.

With each stands the check that must find it.
"""

from __future__ import annotations

from dataclasses import dataclass

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
