"""What may name erased people beside the raw rows: dead letters, catalog entries, memory, and every other table.

What stands in the catalog and in memory was made of raw rows, so the sweep of these has emptied most of it. An entry
whose rows have changed since, or another model's table, may still say more.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from contracts import identity
from contracts.records import DeadLetter
from contracts.tables import Column, ColumnType, Table
from pipelines import dead_letters
from pipelines.erased import NOBODY, PAGE, THESE, empty_documents, memory_tables
from resources.warehouse import Warehouse, objects
from resources.warehouse.tables import CATALOG_ENTRIES, DEAD_LETTERS, ERASED_IDENTIFIERS, MEMORY_RECORDS
from transforms.erasure import MARK, Erased

Row = dict[str, Any]

_LETTERS = Table("LETTERS", ("old_id",), (Column("old_id", ColumnType.TEXT, nullable=False),))
_INSERT_LETTERS = f"""
    INSERT INTO {DEAD_LETTERS.name} ({", ".join(DEAD_LETTERS.column_names)})
    SELECT {", ".join(c.type.from_staged(c.name) for c in DEAD_LETTERS.columns)} FROM STAGED_LETTERS
    WHERE DEAD_LETTER_ID NOT IN (SELECT DEAD_LETTER_ID FROM {DEAD_LETTERS.name})
"""
_ELSEWHERE = (
    *(CATALOG_ENTRIES.name, DEAD_LETTERS.name, MEMORY_RECORDS.name),
    *(ERASED_IDENTIFIERS.name, "SOPHIA_CORE.ERASURE_SALT"),
)
"""Tables that have a way of their own, or hold hashes alone; beside the raw ones."""


def clear_letters(erased: Erased, warehouse: Warehouse, *, write: bool) -> tuple[int, int]:
    """Letters of records that are theirs, and letters that lose a part or their body."""
    removed = cleaned = 0
    for page in _pages(DEAD_LETTERS, DEAD_LETTERS.column_names, "", warehouse):
        old: list[dict[str, object]] = []
        new: list[dict[str, object]] = []
        for row in page:
            letter = _letter(row)
            after = dead_letters.cleared(letter, erased)
            if after is letter:
                continue
            old.append({"old_id": letter.dead_letter_id})
            if after is not None:
                new.append(dead_letters.as_row(after, row["replayed_at"]))
        removed, cleaned = removed + len(old) - len(new), cleaned + len(new)
        if write and old:
            unique = {row["dead_letter_id"]: row for row in new}
            with warehouse.transaction(
                old=(_LETTERS, _LETTERS.rows(old)), letters=(DEAD_LETTERS, DEAD_LETTERS.rows(list(unique.values())))
            ) as transaction:
                transaction.execute(
                    f"DELETE FROM {DEAD_LETTERS.name} WHERE DEAD_LETTER_ID IN (SELECT OLD_ID FROM STAGED_OLD)"
                )
                transaction.execute(_INSERT_LETTERS)
    return removed, cleaned


def empty_what_names(erased: Erased, warehouse: Warehouse, *, write: bool) -> tuple[int, int]:
    """Catalog entries and rows of memory that name them; their documents are emptied.

    An entry whose own id names them goes. The others stay as tombstones, so that what was embedded of an earlier
    revision is still refused.
    """
    tables = memory_tables(warehouse)
    entries, chunks = _entries(erased, warehouse), 0
    base_ids = {identity.base_id(data_id) for data_id in entries}
    for table in tables:
        naming = _chunks(table, erased, warehouse)
        chunks += len(naming)
        base_ids |= {identity.base_id(document_id) for document_id in naming}
        if write and naming:
            # Also of a document that the catalog does not know.
            delete = f'DELETE FROM SOPHIA_AI_MEMORY."{table}" WHERE DOCUMENT_ID IN {THESE}'
            warehouse.execute(delete, [_json(sorted(set(naming)))])
    if write and base_ids:
        named_so = [data_id for data_id in entries if erased.clean_text(data_id) != data_id]
        with warehouse.transaction() as transaction:
            empty_documents(transaction, sorted(base_ids), tables, datetime.now(UTC))
            transaction.execute(f"DELETE FROM {CATALOG_ENTRIES.name} WHERE DATA_ID IN {THESE}", [_json(named_so)])
    return len(entries), chunks


def clear_other_tables(erased: Erased, warehouse: Warehouse, *, write: bool) -> int:
    """Values in columns of text or JSON, in any table of `sql/` that no other step looks through."""
    texts = [
        (table.name, column.name, column.type != "VARCHAR")
        for table in objects.read()[1]
        if table.kind == "table" and not table.is_raw and table.name not in _ELSEWHERE
        for column in table.columns
        if column.type in ("VARCHAR", "VARIANT", "ARRAY", "OBJECT")
    ]
    cleaned = 0
    for table, name, is_json in texts:
        read, put = (f"CAST({name} AS VARCHAR)", "PARSE_JSON(?)") if is_json else (name, "?")
        held = warehouse.query(f"SELECT DISTINCT {read} AS HELD FROM {table} WHERE {name} IS NOT NULL")
        for text in held["held"].to_pylist():
            after = _cleaned(str(text), erased, is_json=is_json)
            if after == text:
                continue
            cleaned += 1
            if write:
                warehouse.execute(f"UPDATE {table} SET {name} = {put} WHERE {read} = ?", [after, text])
    return cleaned


def _cleaned(text: str, erased: Erased, *, is_json: bool) -> str:
    if not is_json:
        after_text = erased.clean_text(text)
        return MARK if after_text is None else after_text
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:  # a text in a VARIANT
        value = text
    after = erased.clean(value)
    return text if after is value else _json(after)


def _entries(erased: Erased, warehouse: Warehouse) -> list[str]:
    """Ids of catalog entries, deleted ones too, that name somebody."""
    columns = ("data_id", "source_system", "title", "header", "sections", "metadata")
    return [
        row["data_id"]
        for page in _pages(CATALOG_ENTRIES, columns, f"ACCESS_SCOPE <> '{NOBODY}' AND", warehouse)
        for row in page
        if _names(row, erased)
    ]


def _names(entry: Row, erased: Erased) -> bool:
    said = {name: entry[name] for name in ("data_id", "title", "header")}
    said |= {name: msgspec.json.decode(entry[name]) for name in ("sections", "metadata")}
    return erased.clean(said, entry["source_system"]) is not said


def _chunks(table: str, erased: Erased, warehouse: Warehouse) -> list[str]:
    """The document of each row of memory that names somebody."""
    memory = Table(f'SOPHIA_AI_MEMORY."{table}"', ("memory_id",), ())
    return [
        row["document_id"]
        for page in _pages(memory, ("memory_id", "document_id", "content"), "", warehouse)
        for row in page
        if erased.clean_text(row["content"]) != row["content"] or erased.clean_text(row["document_id"]) is None
    ]


def _pages(table: Table, columns: tuple[str, ...], where: str, warehouse: Warehouse) -> Iterator[list[Row]]:
    [key], last = table.key, ""
    while page := warehouse.query(
        f"SELECT {', '.join(columns)} FROM {table.name} WHERE {where} {key} > ? ORDER BY {key} LIMIT {PAGE}", [last]
    ).to_pylist():
        last = page[-1][key]
        yield page


def _letter(row: Row) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=row["dead_letter_id"],
        origin=row["origin"],
        document_id=row["document_id"],
        revision=row["revision"],
        reason=row["reason"],
        body=base64.b64decode(row["body_base64"]),
        headers=msgspec.json.decode(row["headers"]),
        failed_at=row["failed_at"],
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
