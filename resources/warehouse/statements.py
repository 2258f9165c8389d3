"""The port's statements, in Snowflake's dialect, and the rows they stage.

Only names from `contracts.tables` declarations are put into a text; values are bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import msgspec
import pyarrow as pa

from contracts import identity
from contracts.records import PUBLIC, MemoryBatch
from contracts.tables import RAW_SYSTEM_COLUMNS, Column, ColumnType, Table
from resources.warehouse import dialect
from resources.warehouse.tables import EMBEDDING_USAGE, MEMORY_RECORDS

# ── positions ─────────────────────────────────────────────────────────────────────────────────────────────────────────

READ_POSITION = "SELECT value, epoch FROM SOPHIA_CORE.POSITIONS WHERE position_key = ?"

CLAIM_POSITION = """
MERGE INTO SOPHIA_CORE.POSITIONS AS t
USING (SELECT ? AS position_key, ? AS owner, CAST(CURRENT_TIMESTAMP() AS TIMESTAMP_NTZ) AS claimed_at) AS s
ON t.position_key = s.position_key
WHEN MATCHED THEN UPDATE SET epoch = t.epoch + 1, owner = s.owner
WHEN NOT MATCHED THEN INSERT (position_key, value, epoch, owner, updated_at)
  VALUES (s.position_key, '', 1, s.owner, s.claimed_at)
"""
# One MERGE and not UPDATE-then-INSERT: Snowflake's INSERT takes no lock, so two first claims would both insert.
# A claim leaves updated_at: it says when something last landed, and a pull that fails claims, too.

ADVANCE_POSITION = """
UPDATE SOPHIA_CORE.POSITIONS SET value = ?, updated_at = ? WHERE position_key = ? AND epoch = ? AND value = ?
"""

# ── raw tables ────────────────────────────────────────────────────────────────────────────────────────────────────────

INSERT_LOAD = """
INSERT INTO SOPHIA_CORE.LOADS (load_id, address, origin, received, changed, landed_at) VALUES (?, ?, ?, ?, ?, ?)
"""


@cache
def merge_raw(table: Table) -> str:
    """Newest version wins, by `_version`. From STAGED_ROWS, which may hold a key more than once.

    Of equal versions, in one batch or in two, a tombstone goes before a live row, then the content hash decides, so
    that the order of the rows never does. A tombstone keeps the last content; content that is read again unchanged
    moves `_version` alone, so `_load_id` marks real changes.
    """
    named = {column.name for column in table.columns}
    missing = [column.name for column in RAW_SYSTEM_COLUMNS if column.name not in named]
    if missing:
        raise ValueError(f"{table.name} is no raw table: it lacks {', '.join(missing)}")
    columns = table.column_names
    values = ", ".join(f"{c.type.from_staged(c.name)} AS {c.name}" for c in table.columns)
    on = " AND ".join(f"t.{key} = s.{key}" for key in table.key)
    tombstone = ("_deleted_at", "_version", "_origin", "_landed_at", "_load_id")
    return f"""
MERGE INTO {table.name} AS t
USING (
  SELECT {values} FROM STAGED_ROWS
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY {", ".join(table.key)} ORDER BY _version DESC, IFF(_deleted_at IS NULL, 1, 0), _content_hash) = 1
) AS s
ON {on}
WHEN MATCHED AND s._version >= t._version AND s._deleted_at IS NOT NULL AND t._deleted_at IS NULL
  THEN UPDATE SET {_assign(tombstone)}
WHEN MATCHED AND s._version > t._version AND s._deleted_at IS NULL
  AND (s._content_hash <> t._content_hash OR t._deleted_at IS NOT NULL)
  THEN UPDATE SET {_assign(columns)}
WHEN MATCHED AND s._version = t._version AND s._deleted_at IS NULL AND t._deleted_at IS NULL
  AND s._content_hash < t._content_hash
  THEN UPDATE SET {_assign(columns)}
WHEN MATCHED AND s._version > t._version THEN UPDATE SET _version = s._version
WHEN NOT MATCHED THEN INSERT ({", ".join(columns)}) VALUES ({", ".join(f"s.{name}" for name in columns)})
"""


@cache
def count_load(table: Table) -> str:
    """Rows whose content a load changed."""
    return f"SELECT COUNT(*) AS changed FROM {table.name} WHERE _load_id = ?"


@cache
def after_landing(table: Table) -> tuple[str, ...]:
    """What runs in the transaction of each landing of this table: `sql/landings/<source>_<entity>.sql`, if there is
    such a file. STAGED_ROWS holds what was staged, marked with the load's id.
    """
    file = resources.files("sql").joinpath("landings", f"{address(table).replace('/', '_')}.sql")
    return tuple(dialect.split(file.read_text("utf-8"))) if file.is_file() else ()


def address(table: Table) -> str:
    """`gong/calls` for GONG_INTEGRATION.CALLS."""
    schema, _, entity = table.name.lower().partition(".")
    return f"{schema.removesuffix('_integration')}/{entity}"


def _assign(names: Iterable[str]) -> str:
    return ", ".join(f"{name} = s.{name}" for name in names)


# ── memory ────────────────────────────────────────────────────────────────────────────────────────────────────────────

BATCH_HEADS = Table(
    "HEADS",  # staged only; there is no such table
    key=("document_id",),
    columns=(
        Column("document_id", ColumnType.TEXT, nullable=False),
        Column("revision", ColumnType.INTEGER, nullable=False),
        Column("fingerprint", ColumnType.TEXT, nullable=False),
    ),
)

_ACCEPTABLE = f"""
  SELECT h.document_id, h.revision, h.fingerprint
  FROM STAGED_HEADS AS h JOIN SOPHIA_CORE.CATALOG_ENTRIES AS c ON c.data_id = h.document_id
  WHERE c.access_scope = '{PUBLIC}' AND c.deleted_at IS NULL AND h.revision <= c.revision
    AND (c.landed_revision IS NULL OR h.revision > c.landed_revision
      OR (h.revision = c.landed_revision AND h.fingerprint IS DISTINCT FROM c.landed_fingerprint))
"""

LOCK_ACCEPTABLE = f"""
UPDATE SOPHIA_CORE.CATALOG_ENTRIES SET error = NULL
WHERE data_id IN (SELECT a.document_id FROM ({_ACCEPTABLE}) AS a)
"""
"""Comes first: it takes the catalog's rows, so a delete waits until this commits, and what is acceptable stays so."""

MERGE_CHUNKS = f"""
MERGE INTO {MEMORY_RECORDS.name} AS t
USING (
  SELECT {", ".join(f"{c.type.from_staged(f'm.{c.name}')} AS {c.name}" for c in MEMORY_RECORDS.columns)}
  FROM STAGED_CHUNKS AS m JOIN ({_ACCEPTABLE}) AS a ON a.document_id = m.document_id
) AS s
ON t.memory_id = s.memory_id
WHEN MATCHED AND (t.content_hash <> s.content_hash OR t.content <> s.content OR t.fingerprint <> s.fingerprint
  OR t.section_start <> s.section_start OR t.section_end <> s.section_end OR t.ordinal <> s.ordinal)
  THEN UPDATE SET {_assign(n for n in MEMORY_RECORDS.column_names if n not in ("memory_id", "created_at"))}
WHEN NOT MATCHED THEN INSERT ({", ".join(MEMORY_RECORDS.column_names)})
  VALUES ({", ".join(f"s.{name}" for name in MEMORY_RECORDS.column_names)})
"""
# `content` is compared beside its hash: the hash is of the embedded text, which is stripped, and chunks must join back.

DELETE_CHUNKS = f"""
DELETE FROM {MEMORY_RECORDS.name}
WHERE document_id IN (SELECT a.document_id FROM ({_ACCEPTABLE}) AS a)
  AND memory_id NOT IN (SELECT m.memory_id FROM STAGED_CHUNKS AS m)
"""

ACCEPT_BATCHES = f"""
UPDATE SOPHIA_CORE.CATALOG_ENTRIES SET landed_revision = a.revision, landed_fingerprint = a.fingerprint
FROM ({_ACCEPTABLE}) AS a WHERE data_id = a.document_id
"""

INSERT_USAGE = f"""
INSERT INTO {EMBEDDING_USAGE.name} ({", ".join(EMBEDDING_USAGE.column_names)})
SELECT {", ".join(EMBEDDING_USAGE.column_names)} FROM STAGED_USAGE
"""


def newest(batches: Sequence[MemoryBatch], fingerprint: str) -> list[MemoryBatch]:
    """Of each document the batch with the highest revision, the later of equals; other fingerprints are stale."""
    by_document: dict[str, MemoryBatch] = {}
    for batch in batches:
        known = by_document.get(batch.document_id)
        if batch.fingerprint == fingerprint and (known is None or batch.revision >= known.revision):
            by_document[batch.document_id] = batch
    return list(by_document.values())


def stage_heads(batches: Sequence[MemoryBatch]) -> pa.Table:
    return BATCH_HEADS.rows([{name: getattr(b, name) for name in BATCH_HEADS.column_names} for b in batches])


def stage_chunks(batches: Sequence[MemoryBatch], landed_at: datetime) -> pa.Table:
    """Of MEMORY_RECORDS' staged schema, a row a chunk."""
    parts = []
    for batch in batches:
        rows = batch.rows
        ordinals: list[Any] = rows["ordinal"].to_pylist()
        ids = [identity.memory_id(batch.document_id, ordinal) for ordinal in ordinals]
        columns: dict[str, Any] = {
            "memory_id": pa.array(ids, pa.string()),
            "document_id": _repeated(batch.document_id, pa.string(), len(ids)),
            "revision": _repeated(batch.revision, pa.int64(), len(ids)),
            "fingerprint": _repeated(batch.fingerprint, pa.string(), len(ids)),
            "created_at": _repeated(landed_at, _AWARE, len(ids)),
            "updated_at": _repeated(landed_at, _AWARE, len(ids)),
        }
        columns |= {name: rows[name] for name in MEMORY_RECORDS.column_names if name not in columns}
        table = pa.table({name: columns[name] for name in MEMORY_RECORDS.column_names})
        parts.append(table.cast(MEMORY_RECORDS.arrow_schema))
    return pa.concat_tables(parts) if parts else MEMORY_RECORDS.arrow_schema.empty_table()


def stage_usage(batches: Sequence[MemoryBatch], landed_at: datetime) -> pa.Table:
    """Of every batch handed over: a refused one has cost its seconds too."""
    records: list[dict[str, object]] = [
        {
            "document_id": b.document_id,
            "revision": b.revision,
            "fingerprint": b.fingerprint,
            "chunks": b.rows.num_rows,
            "tokens": b.tokens,
            "tokens_from_cache": b.tokens_from_cache,
            "compute_s": b.compute_s,
            "landed_at": landed_at,
        }
        for b in batches
    ]
    return EMBEDDING_USAGE.rows(records)


_AWARE = pa.timestamp("us", "UTC")


def _repeated(value: object, type_: pa.DataType, count: int) -> Any:
    return pa.array([value] * count, type_)


# ── search ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_NEAREST = """
SELECT VECTOR_COSINE_SIMILARITY(embedding, CAST(PARSE_JSON(?) AS VECTOR(FLOAT, 768))) AS score, document_id,
  source_system, category AS data_type, title, content, occurred_at, business_context AS metadata, ordinal
FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS
WHERE access_scope = 'public'{source}
ORDER BY score DESC, memory_id
LIMIT ?
"""

SEARCH = _NEAREST.format(source="")
SEARCH_SOURCE = _NEAREST.format(source=" AND source_system = ?")


def vector_text(vector: Sequence[float]) -> str:
    """A vector as JSON text: the VECTOR type itself cannot be bound on Snowflake."""
    return msgspec.json.encode([float(x) for x in vector]).decode()
