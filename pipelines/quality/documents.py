"""The catalog: every entry is well formed and has the rows that make it, and every row that makes a document has one.

    entries   ids, hashes, revisions and sections of the entries that changed           blocking
    parts     what raw rows make is what the catalog has                                blocking
    private   what only some may read has no row in memory                              blocking

Which document a row belongs to is known from DOCUMENT_PARTS, but whether its rows make one only `to_document` can say.
It is asked where there is doubt alone: where a document's own row lives and there is no entry, and where there is an
entry and none of its rows lives, or one of its own does not, or is lacking beside others of its kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from contracts import identity
from contracts.records import PUBLIC
from pipelines import catalog
from pipelines.quality.checks import Check, Look, Suite
from transforms import rows

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

ASKED = 2_000
"""Documents without an entry that `to_document` is asked about, drawn anew each day where there are more: most chat
messages are no thread, and a look at everything would build each of these."""

CHANGED = """
    SELECT C.DATA_ID
    FROM SOPHIA_CORE.CATALOG_ENTRIES AS C
    LEFT JOIN (
        SELECT DISTINCT DOCUMENT_ID FROM SOPHIA_CORE.EMBEDDING_USAGE WHERE LANDED_AT >= ?
    ) AS LANDED ON C.DATA_ID = LANDED.DOCUMENT_ID
    WHERE C.UPDATED_AT >= ? OR C.PUBLISHED_AT >= ? OR LANDED.DOCUMENT_ID IS NOT NULL
"""
"""Entries that the catalog, publishing or a landing of vectors has touched since; `?` is that time, three times."""


def suites(source: str) -> Iterator[Suite]:
    asset = ("catalog", source)
    entries = Check(asset, "entries", "Ids, hashes, revisions and sections of entries are well formed.", blocking=True)
    parts = Check(asset, "parts", "A live entry has rows that make it; rows that make one have it.", blocking=True)
    private = Check(asset, "private", "What only some may read has no row in memory.", blocking=True)
    yield Suite((entries,), ("data_id",), partial(_read_entries, source), _entry_rules)
    yield Suite((parts,), ("document_id",), partial(_read_parts, source), _part_rules)
    yield Suite((private,), ("data_id",), partial(_read_private, source), _private_rules)


def _read_entries(source: str, look: Look) -> pd.DataFrame:
    frame = look.warehouse.query(
        f"""
        SELECT
            C.DATA_ID,
            C.BASE_ID,
            STARTSWITH(C.DATA_ID, CONCAT(C.SOURCE_SYSTEM, ':', C.DATA_TYPE, ':')) AS IS_NAMED_SO,
            COALESCE(DOUBLED.COPIES, 1) AS COPIES,
            COALESCE(BASES.DATA_ID IS NOT NULL AND (BASES.DELETED_AT IS NULL OR C.DELETED_AT IS NOT NULL), FALSE)
                AS HAS_BASE,
            COALESCE(ARRAY_SIZE(C.SECTIONS), 0) AS SECTIONS,
            C.CONTENT_HASH,
            C.REVISION,
            C.PUBLISHED_REVISION,
            C.LANDED_REVISION
        FROM SOPHIA_CORE.CATALOG_ENTRIES AS C
        INNER JOIN ({CHANGED}) AS CHANGED ON C.DATA_ID = CHANGED.DATA_ID
        LEFT JOIN SOPHIA_CORE.CATALOG_ENTRIES AS BASES ON C.BASE_ID = BASES.DATA_ID
        LEFT JOIN (
            SELECT DATA_ID, COUNT(*) AS COPIES FROM SOPHIA_CORE.CATALOG_ENTRIES GROUP BY DATA_ID HAVING COUNT(*) > 1
        ) AS DOUBLED ON C.DATA_ID = DOUBLED.DATA_ID
        WHERE C.SOURCE_SYSTEM = ?
        """,
        [look.since, look.since, look.since, source],
    ).to_pandas()
    bases = [identity.base_id(data_id) for data_id in frame["data_id"]]
    return frame.assign(base_is_named_so=frame["base_id"] == bases)


def _entry_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import at_least, between, matches, one_of, true

    return {
        "entries": [
            one_of("copies", [1], "an id stands once"),
            true("is_named_so", "an id begins with source and type"),
            true("base_is_named_so", "base_id is the id without its part"),
            true("has_base", "the base of a live entry is there and lives"),
            matches("content_hash", "^[0-9a-f]{32}$", "content_hash is 32 hex digits"),
            between("sections", 1, None, "there are sections"),
            between("revision", 1, None, "a revision is at least 1"),
            at_least("revision", "published_revision", "published_revision is not above revision"),
            at_least("revision", "landed_revision", "landed_revision is not above revision"),
        ]
    }


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_parts(source: str, look: Look) -> pd.DataFrame:
    """A row a document of the source that changed, with what its rows make and what the catalog has."""
    frame = _documents(source, look)
    doubtful = _doubtful(frame, look)
    if len(doubtful):
        made = catalog.made(source, list(doubtful["document_id"]), look.warehouse)
        frame.loc[doubtful.index, "is_made"] = doubtful["document_id"].isin(made)
        wrong = frame.loc[doubtful.index].query("is_made != has_entry")
        if len(wrong):  # it may have changed, and been catalogued, while we looked
            again = _documents(source, look).set_index("document_id")["has_entry"]
            now_has = wrong["document_id"].map(again)
            frame = frame.drop(wrong.index[now_has != wrong["has_entry"]])
    return frame[frame["is_made"] | frame["has_entry"]][["document_id", "is_made", "has_entry"]]


def _documents(source: str, look: Look) -> pd.DataFrame:
    """Documents that rows or entries name, without those that a landing has touched and the catalog has not.

    Returns:
        document_id, lives (a row of it does), own_rows (of those with the document's own id, how many live), own_died
        (one of these does not), has_entry, is_made (what has an entry is taken to be).
    """
    parts = " UNION ALL ".join(
        f"""
        SELECT
            P.DOCUMENT_ID,
            P.LOAD_ID,
            ENDSWITH(P.DOCUMENT_ID, CONCAT(':', P.ROW_KEY)) AS IS_OWN,
            R._DELETED_AT IS NULL AS LIVES
        FROM {entity.address.schema}.DOCUMENT_PARTS AS P
        INNER JOIN {entity.table.name} AS R
            ON P.ROW_KEY = CONCAT({", '/', ".join(f"R.{name}" for name in entity.key)})
        WHERE P.ENTITY = '{entity.address.entity}'
        """
        for entity in rows.entities(source)
    )
    frame = look.warehouse.query(
        f"""
        WITH PARTS AS ({parts}),

        MADE AS (
            SELECT
                PARTS.DOCUMENT_ID,
                MAX(IFF(PARTS.LIVES, 1, 0)) AS LIVES,
                SUM(IFF(PARTS.IS_OWN AND PARTS.LIVES, 1, 0)) AS OWN_ROWS,
                MAX(IFF(PARTS.IS_OWN AND NOT PARTS.LIVES, 1, 0)) AS OWN_DIED,
                MAX(IFF(LOADS.CATALOGUED_AT IS NULL AND LOADS.LOAD_ID IS NOT NULL, 1, 0)) AS WAITS,
                MAX(LOADS.LANDED_AT) AS LANDED_AT
            FROM PARTS
            LEFT JOIN SOPHIA_CORE.LOADS AS LOADS ON PARTS.LOAD_ID = LOADS.LOAD_ID
            GROUP BY PARTS.DOCUMENT_ID
        ),

        ENTRIES AS (
            SELECT BASE_ID, MAX(UPDATED_AT) AS UPDATED_AT, MAX(IFF(DELETED_AT IS NULL, 1, 0)) AS LIVES
            FROM SOPHIA_CORE.CATALOG_ENTRIES
            WHERE SOURCE_SYSTEM = ?
            GROUP BY BASE_ID
        )

        SELECT
            COALESCE(MADE.DOCUMENT_ID, ENTRIES.BASE_ID) AS DOCUMENT_ID,
            COALESCE(MADE.LIVES, 0) = 1 AS LIVES,
            COALESCE(MADE.OWN_ROWS, 0) AS OWN_ROWS,
            COALESCE(MADE.OWN_DIED, 0) = 1 AS OWN_DIED,
            COALESCE(ENTRIES.LIVES, 0) = 1 AS HAS_ENTRY
        FROM MADE
        FULL JOIN ENTRIES ON MADE.DOCUMENT_ID = ENTRIES.BASE_ID
        WHERE COALESCE(MADE.WAITS, 0) = 0
            AND (
                MADE.LANDED_AT >= ? OR ENTRIES.UPDATED_AT >= ?
                OR (MADE.LANDED_AT IS NULL AND ENTRIES.UPDATED_AT IS NULL)
            )
        ORDER BY DOCUMENT_ID
        """,
        [source, look.since, look.since],
    ).to_pandas()
    return frame.assign(is_made=frame["has_entry"])


def _doubtful(frame: pd.DataFrame, look: Look) -> pd.DataFrame:
    import pandas as pd

    kind = frame["document_id"].str.split(":").str[1]
    fewer = frame["own_rows"] < frame.groupby(kind)["own_rows"].transform("max")
    dangling = frame[frame["has_entry"] & (~frame["lives"] | frame["own_died"] | fewer)]
    lacking = frame[~frame["has_entry"] & (frame["own_rows"] > 0)]
    if len(lacking) > ASKED:
        lacking = lacking.iloc[sorted(Random(look.now.date().toordinal()).sample(range(len(lacking)), ASKED))]  # noqa: S311  which ones is no secret
    return pd.concat([dangling, lacking])


def _part_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import true

    return {
        "parts": [
            true("is_made", "a live entry has rows that make it"),
            true("has_entry", "rows that make a document have a live entry"),
        ]
    }


# ── private ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_private(source: str, look: Look) -> pd.DataFrame:
    """Every entry that is not public, whenever it changed."""
    return look.warehouse.query(
        """
        SELECT C.DATA_ID, COALESCE(MEMORY.CHUNKS, 0) AS CHUNKS
        FROM SOPHIA_CORE.CATALOG_ENTRIES AS C
        LEFT JOIN (
            SELECT DOCUMENT_ID, COUNT(*) AS CHUNKS
            FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5
            GROUP BY DOCUMENT_ID
        ) AS MEMORY ON C.DATA_ID = MEMORY.DOCUMENT_ID
        WHERE C.SOURCE_SYSTEM = ? AND C.ACCESS_SCOPE <> ?
        """,
        [source, PUBLIC],
    ).to_pandas()


def _private_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import between

    return {"private": [between("chunks", None, 0, "what only some may read has no chunk in memory")]}
