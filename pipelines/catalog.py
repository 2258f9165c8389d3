"""The catalog: what documents there are, in which revision.

    LOADS not catalogued yet → DOCUMENT_PARTS names the documents they touch → their live rows → to_document →
    CATALOG_ENTRIES

A document gets the next revision when its content hash changes; a change of title or attributes alone makes none. A
document that is gone, or is no longer public, loses its memory rows and mentions in the same transaction: a delete does
not wait for a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from contracts import identity
from contracts.errors import Fenced
from contracts.records import PUBLIC, DeadLetter, Document, Position
from contracts.tables import Column, ColumnType, Table
from pipelines import dead_letters
from pipelines.erased import NOBODY
from pipelines.landing import catalogue_again, new_load_id
from resources.warehouse import Advance, Warehouse, advance_positions
from resources.warehouse.tables import CATALOG_ENTRIES
from transforms import rows
from transforms.documents import VERSION, compose

log = structlog.get_logger()

BATCH_DOCUMENTS = 500
"""Documents that one transaction holds."""
DESCRIBED = (
    "base_id",
    "source_system",
    "data_type",
    "access_scope",
    "title",
    "header",
    "sections",
    "metadata",
    "occurred_at",
    "content_hash",
)
"""What a document says; the rest of an entry says how far it has come, and is written by others too."""
_MERGE = f"""
    MERGE INTO SOPHIA_CORE.CATALOG_ENTRIES AS t
    USING (
        SELECT {", ".join(f"{c.type.from_staged(c.name)} AS {c.name}" for c in CATALOG_ENTRIES.columns)} FROM
        STAGED_ENTRIES
    ) AS s ON t.DATA_ID = s.DATA_ID
    WHEN MATCHED THEN UPDATE SET
        {", ".join(f"{name} = s.{name}" for name in DESCRIBED)},
        ERROR = IFF(s.REVISION > t.REVISION, NULL, t.ERROR),
        LANDED_REVISION = IFF(s.DELETED_AT IS NULL, t.LANDED_REVISION, s.REVISION),
        REVISION = s.REVISION,
        UPDATED_AT = s.UPDATED_AT,
        DELETED_AT = s.DELETED_AT
    WHEN NOT MATCHED THEN INSERT ({", ".join(CATALOG_ENTRIES.column_names)})
        VALUES ({", ".join(f"s.{name}" for name in CATALOG_ENTRIES.column_names)})
"""
WANTED = Table("STAGED_WANTED", ("document_id",), (Column("document_id", ColumnType.TEXT, nullable=False),))

Entry = dict[str, Any]


class Catalogued(msgspec.Struct, kw_only=True):
    """What a refresh did."""

    looked_at: int = 0
    """Documents that a changed row is a part of."""
    revised: int = 0
    """New documents, and documents whose content changed."""
    deleted: int = 0


def refresh(source: str, warehouse: Warehouse) -> Catalogued:
    """Catalogue every landing of a source that has not been catalogued.

    Where a later refresh of this source begins meanwhile, a pull's beside a lander's, that one does the rest of it.

    Raises:
        Fenced: somebody was erased meanwhile; the next refresh does all of it again.
    """
    position = warehouse.claim(f"catalog:{source}", new_load_id())
    done = Catalogued()
    try:
        _refresh(source, position, done, warehouse)
    except Fenced as fenced:
        if fenced.position_key != position.key:
            raise
        log.info("catalogued_elsewhere", source=source)
    else:
        log.info("catalogued", source=source, **msgspec.structs.asdict(done))
    return done


def _refresh(source: str, position: Position, done: Catalogued, warehouse: Warehouse) -> None:
    """Raises Fenced; `done` counts what was done until then."""
    if position.value not in ("", VERSION):
        catalogue_again(source, warehouse)
    waiting = "SELECT LOAD_ID FROM SOPHIA_CORE.LOADS WHERE CATALOGUED_AT IS NULL AND STARTSWITH(ADDRESS, ?)"
    loads = [row["load_id"] for row in warehouse.query(waiting, [f"{source}/"]).to_pylist()]
    wanted = _touched(source, loads, warehouse)
    for first in range(0, len(wanted), BATCH_DOCUMENTS):
        documents, failed = _compose(source, wanted[first : first + BATCH_DOCUMENTS], warehouse)
        # What cannot be built is taken for gone: its rows may say that it was deleted or has become private.
        entries = _compare(documents, _held(wanted[first : first + BATCH_DOCUMENTS], warehouse), datetime.now(UTC))
        if entries:
            _write(entries, Advance(position, position.value), warehouse)
        done.looked_at += len(wanted[first : first + BATCH_DOCUMENTS])
        done.revised += sum(e["revised"] and e["deleted_at"] is None for e in entries)
        done.deleted += sum(e["revised"] and e["deleted_at"] is not None for e in entries)
        dead_letters.store(warehouse, failed)
    _mark_catalogued(loads, Advance(position, VERSION), warehouse)


def made(source: str, document_ids: Sequence[str], warehouse: Warehouse) -> set[str]:
    """Of these documents, those that their live rows make now, catalogued or not."""
    found: set[str] = set()
    for first in range(0, len(document_ids), BATCH_DOCUMENTS):
        documents, _ = _compose(source, document_ids[first : first + BATCH_DOCUMENTS], warehouse)
        found |= {identity.base_id(document.document_id) for document in documents}
    return found


def _touched(source: str, loads: Sequence[str], warehouse: Warehouse) -> list[str]:
    """Documents with a part that one of these loads changed, and those that an erasure has emptied."""
    emptied = """
        SELECT DISTINCT BASE_ID AS DOCUMENT_ID
        FROM SOPHIA_CORE.CATALOG_ENTRIES
        WHERE SOURCE_SYSTEM = ? AND ACCESS_SCOPE = ? AND DELETED_AT IS NULL
    """
    wanted = {row["document_id"] for row in warehouse.query(emptied, [source, NOBODY]).to_pylist()}
    if not loads:
        return sorted(wanted)
    touched = warehouse.query(
        f"""
        SELECT DISTINCT DOCUMENT_ID
        FROM {source.upper()}_INTEGRATION.DOCUMENT_PARTS
        WHERE LOAD_ID IN (SELECT CAST(VALUE AS VARCHAR) FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))))
        """,
        [msgspec.json.encode(list(loads)).decode()],
    )
    return sorted(wanted.union(row["document_id"] for row in touched.to_pylist()))


def _compose(source: str, document_ids: Sequence[str], warehouse: Warehouse) -> tuple[list[Document], list[DeadLetter]]:
    """Build documents from their live raw rows, a query an entity; what cannot be built is a dead letter."""
    parts: dict[str, dict[str, list[dict[str, Any]]]] = {document_id: {} for document_id in document_ids}
    with warehouse.transaction(wanted=(WANTED, _wanted(document_ids))) as transaction:
        for entity in rows.entities(source):
            key = ", '/', ".join(f"r.{name}" for name in entity.key)
            columns = ", ".join(f"r.{c.name}" for c in entity.table.columns)
            found = transaction.query(
                f"""
                SELECT p.DOCUMENT_ID, {columns}
                FROM {source.upper()}_INTEGRATION.DOCUMENT_PARTS AS p
                INNER JOIN STAGED_WANTED AS w ON p.DOCUMENT_ID = w.DOCUMENT_ID
                INNER JOIN {entity.table.name} AS r ON p.ROW_KEY = CONCAT({key})
                WHERE p.ENTITY = '{entity.address.entity}' AND r._DELETED_AT IS NULL
                """
            )
            for row in found.to_pylist():
                parts[row.pop("document_id")].setdefault(entity.address.entity, []).append(_parsed(row))
    documents: list[Document] = []
    failed: list[DeadLetter] = []
    for document_id in document_ids:
        try:
            composed = compose(document_id, parts[document_id])
            documents += [msgspec.convert(msgspec.to_builtins(one), Document) for one in composed]  # checks the types
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, msgspec.MsgspecError) as error:
            failed.append(dead_letters.of_document(source, document_id, parts[document_id], type(error).__name__))
    return documents, failed


def _parsed(row: dict[str, Any]) -> dict[str, Any]:
    aware = {name: v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for name, v in row.items()}
    return aware | {"payload": msgspec.json.decode(row["payload"])}


def _held(base_ids: Sequence[str], warehouse: Warehouse) -> dict[str, Entry]:
    with warehouse.transaction(wanted=(WANTED, _wanted(base_ids))) as transaction:
        held = transaction.query(
            f"""
            SELECT {", ".join(f"c.{name}" for name in CATALOG_ENTRIES.column_names)}
            FROM SOPHIA_CORE.CATALOG_ENTRIES AS c
            INNER JOIN STAGED_WANTED AS w ON c.BASE_ID = w.DOCUMENT_ID
            """
        )
    return {entry["data_id"]: entry for entry in held.to_pylist()}


def _wanted(document_ids: Sequence[str]) -> Any:
    return WANTED.rows([{"document_id": document_id} for document_id in document_ids])


def _compare(documents: Sequence[Document], held: dict[str, Entry], now: datetime) -> list[Entry]:
    """The entries that differ from what is held, `revised` telling whether the content does."""
    changed: list[Entry] = []
    for document in documents:
        before = held.pop(document.document_id, None)
        described = _described(document)
        same_content = (
            before is not None and before["content_hash"] == document.content_hash and before["deleted_at"] is None
        )
        if before is not None and same_content and all(_same(k, before[k], v) for k, v in described.items()):
            continue
        before = before or {"revision": 0, "created_at": now}
        entry = dict.fromkeys(CATALOG_ENTRIES.column_names) | before | described
        entry |= {"updated_at": now, "deleted_at": None, "revised": not same_content}
        if not same_content:
            entry |= {"revision": before["revision"] + 1}
        changed.append(entry)
    for gone in held.values():
        if gone["deleted_at"] is None:
            revision = gone["revision"] + 1
            changed.append(gone | {"revision": revision, "updated_at": now, "deleted_at": now, "revised": True})
    return changed


def _described(document: Document) -> Entry:
    return {
        "data_id": document.document_id,
        "base_id": identity.base_id(document.document_id),
        "source_system": document.source_system,
        "data_type": document.data_type,
        "access_scope": document.access_scope,
        "title": document.title,
        "header": document.header,
        "sections": msgspec.json.encode(document.sections).decode(),
        "metadata": msgspec.json.encode(document.metadata, order="sorted").decode(),
        "occurred_at": document.occurred_at,
        "content_hash": document.content_hash,
    }


def _same(column: str, held: Any, new: Any) -> bool:
    if isinstance(new, datetime):
        return bool(held == new.replace(tzinfo=None))
    if column in ("sections", "metadata"):
        return bool(msgspec.json.decode(held) == msgspec.json.decode(new))
    return bool(held == new)


def _write(entries: Sequence[Entry], advance: Advance, warehouse: Warehouse) -> None:
    with warehouse.transaction(entries=(CATALOG_ENTRIES, CATALOG_ENTRIES.rows(entries))) as transaction:
        advance_positions(transaction, [advance], datetime.now(UTC))
        transaction.execute(_MERGE)
        transaction.execute(
            """
            DELETE FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5
            WHERE DOCUMENT_ID IN (
                SELECT DATA_ID FROM STAGED_ENTRIES WHERE DELETED_AT IS NOT NULL OR ACCESS_SCOPE <> ?
            )
            """,
            [PUBLIC],
        )
        transaction.execute(
            """
            DELETE FROM COMPETITIVE_INTELLIGENCE.COMPETITOR_MENTIONS
            WHERE DOCUMENT_ID IN (
                SELECT DATA_ID FROM STAGED_ENTRIES WHERE DELETED_AT IS NOT NULL OR ACCESS_SCOPE <> ?
            )
            """,
            [PUBLIC],
        )


def _mark_catalogued(loads: Sequence[str], advance: Advance, warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    with warehouse.transaction() as transaction:
        advance_positions(transaction, [advance], now)
        transaction.execute(
            """
            UPDATE SOPHIA_CORE.LOADS SET CATALOGUED_AT = ?
            WHERE LOAD_ID IN (SELECT CAST(VALUE AS VARCHAR) FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))))
            """,
            [now, msgspec.json.encode(list(loads)).decode()],
        )
