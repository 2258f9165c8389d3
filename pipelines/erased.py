"""The list of erased people in the warehouse, and those that go by it.

    records ─► Door.admit ─► to_row ─► land with Door.fence          who writes raw rows
    raw rows ─► sweep ─► rewritten or deleted, their documents emptied at once and due to be catalogued again

The list may grow while somebody writes. Then the position `erasures` has been claimed, and a landing by the older list
is fenced: nothing that it admitted can come in behind the sweep.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from contracts import identity
from contracts.tables import Column, ColumnType, Table
from pipelines.landing import new_load_id
from resources.warehouse import Advance, Transaction, Warehouse, advance_positions, statements
from resources.warehouse.tables import ERASED_IDENTIFIERS
from transforms import people, rows
from transforms.erasure import Erased, Identifier, Listed
from transforms.raw import Entity, Record, Rejected, Row, to_row

log = structlog.get_logger()

FENCE = "erasures"
"""The position that is claimed when the list grows."""
NOBODY = "erased"
"""The access scope of an emptied entry: nobody has it, so it is neither published nor found."""
PAGE = 5_000
"""Rows that a sweep holds in memory."""

KEYS = Table(
    "KEYS",
    ("row_key",),
    (Column("row_key", ColumnType.TEXT, nullable=False), Column("is_gone", ColumnType.BOOLEAN, nullable=False)),
)
_SALT = """
    MERGE INTO SOPHIA_CORE.ERASURE_SALT AS t USING (SELECT 'salt' AS NAME, ? AS SALT, ? AS CREATED_AT) AS s
    ON t.NAME = s.NAME
    WHEN NOT MATCHED THEN INSERT (NAME, SALT, CREATED_AT) VALUES (s.NAME, s.SALT, s.CREATED_AT)
"""
_ENTER = f"""
    MERGE INTO {ERASED_IDENTIFIERS.name} AS t
    USING (SELECT {", ".join(ERASED_IDENTIFIERS.column_names)} FROM STAGED_IDENTIFIERS) AS s
    ON t.IDENTIFIER_HASH = s.IDENTIFIER_HASH
    WHEN MATCHED AND s.IS_GIVEN AND NOT t.IS_GIVEN THEN UPDATE SET IS_GIVEN = TRUE
    WHEN NOT MATCHED THEN INSERT ({", ".join(ERASED_IDENTIFIERS.column_names)})
        VALUES ({", ".join(f"s.{name}" for name in ERASED_IDENTIFIERS.column_names)})
"""
THESE = "(SELECT CAST(VALUE AS VARCHAR) FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))))"
_ENTRIES = f"(SELECT DATA_ID FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE BASE_ID IN {THESE})"
_EMPTY = f"""
    UPDATE SOPHIA_CORE.CATALOG_ENTRIES
    SET
        ACCESS_SCOPE = '{NOBODY}',
        TITLE = '',
        HEADER = '',
        SECTIONS = PARSE_JSON('[{{"text": ""}}]'),
        METADATA = PARSE_JSON('{{}}'),
        CONTENT_HASH = '{identity.record_hash(None)}',
        REVISION = REVISION + 1,
        LANDED_REVISION = REVISION + 1,
        ERROR = NULL,
        UPDATED_AT = ?
    WHERE BASE_ID IN {THESE}
"""
"""A vector of any earlier revision that is still on its way is refused, since a later one counts as landed."""
_FEWER = "UPDATE MONITORING.TABLE_ROWS SET LIVE_ROWS = LIVE_ROWS - ? WHERE TABLE_NAME = ?"
"""A table that an erasure made smaller has not lost rows."""
_MEMORY_TABLES = """
    SELECT TABLE_NAME
    FROM INFORMATION_SCHEMA.TABLES
    WHERE TABLE_SCHEMA = 'SOPHIA_AI_MEMORY' AND TABLE_TYPE = 'BASE TABLE' AND STARTSWITH(TABLE_NAME, 'MEMORY_RECORDS_')
    ORDER BY TABLE_NAME
"""


class Swept(msgspec.Struct, kw_only=True):
    """What a sweep found, and took out where it was told to."""

    erased: int = 0
    """Records that went whole."""
    cleaned: int = 0
    """Records that stay, without the person."""
    chunks: int = 0
    """Rows of memory, of all models."""

    @property
    def found(self) -> int:
        return self.erased + self.cleaned


def read(warehouse: Warehouse) -> Erased:
    """The list; an empty one before the first erasure."""
    listed = [
        Listed(
            row["kind"],
            bytes.fromhex(row["identifier_hash"]),
            row["words"],
            bytes.fromhex(row["first_word_hash"]),
            row["is_given"],
        )
        for row in warehouse.query(f"SELECT * FROM {ERASED_IDENTIFIERS.name}").to_pylist()
    ]
    salts = [row["salt"] for row in warehouse.query("SELECT SALT FROM SOPHIA_CORE.ERASURE_SALT").to_pylist()]
    return Erased(bytes.fromhex(salts[0]) if salts else b"", listed)


def prepare(warehouse: Warehouse) -> None:
    """Make the salt, once for a warehouse."""
    warehouse.execute(_SALT, [secrets.token_hex(32), datetime.now(UTC)])


def enter(warehouse: Warehouse, listed: Sequence[Listed], entered_by: str, fence: Advance | None = None) -> None:
    """Put identifiers on the list; one that stands there stays.

    Args:
        entered_by: the erasure, or the landing that found them.
        fence: of the door that found them. Without one, every door that is open is fenced.
    Raises:
        Fenced: the list has grown since the door was opened.
    """
    now = datetime.now(UTC)
    unique = {one.digest: one for one in sorted(listed, key=lambda one: one.is_given)}
    staged = [
        {
            "identifier_hash": one.digest.hex(),
            "kind": one.kind,
            "words": one.words,
            "first_word_hash": one.first_word.hex(),
            "is_given": one.is_given,
            "erasure_id": entered_by,
            "entered_at": now,
        }
        for one in unique.values()
    ]
    with warehouse.transaction(identifiers=(ERASED_IDENTIFIERS, ERASED_IDENTIFIERS.rows(staged))) as transaction:
        if fence is None:
            transaction.execute(statements.CLAIM_POSITION, (FENCE, entered_by))
        else:
            advance_positions(transaction, [fence], now)
        transaction.execute(_ENTER)


class Door:
    """What a writer of raw rows lets in. It is opened when the records are at hand, and used while they land."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        position = warehouse.position(FENCE) or warehouse.claim(FENCE, new_load_id())
        self.fence = Advance(position, position.value)
        """To be moved in the transaction of the rows."""
        self.people = read(warehouse)  # after the position: of two that do not agree the older one is held

    def admit(self, entity: Entity, records: Sequence[Record]) -> list[Record | None]:
        """Each record without erased people; None for one that is theirs.

        A record may tell another id of an erased person, such as the speaker's in a new call. The rows that are here
        already are swept for it before it is entered, so that a stop between the two repeats both.

        Raises:
            Fenced: the list has grown since the door was opened.
        """
        if not self.people:
            return list(records)
        entries: list[Listed] = []
        while True:
            verdicts = [self.people.judge(entity, record) for record in records]
            found = {identifier for verdict in verdicts for identifier in verdict.found}
            if not found:
                break
            new = [self.people.entry(one, is_given=False) for one in found]
            self.people = self.people.with_entries(new)
            entries += new
        if entries:
            sweep(entity.address.source, self.people, self._warehouse)
            enter(self._warehouse, entries, new_load_id(), self.fence)
        return [verdict.record for verdict in verdicts]


def sweep(source: str, erased: Erased, warehouse: Warehouse, *, write: bool = True) -> Swept:
    """Take erased people out of the raw rows of a source, deleted ones too, and empty the documents that these make.

    Args:
        write: False only counts.
    """
    swept = Swept()
    tables = memory_tables(warehouse)
    for entity in rows.entities(source):
        for page in _pages(entity, warehouse):
            load_id = new_load_id()
            gone: list[str] = []
            changed: list[Row] = []
            keys: list[str] = []
            lived = 0
            for row in page:
                row_key = row.pop("row_key")
                after = _cleaned(entity, row, erased, load_id)
                if after is None:
                    gone.append(row_key)
                    lived += row["_deleted_at"] is None
                elif after is not row:
                    changed.append(after)
                    keys.append(row_key)
            swept.erased += len(gone)
            swept.cleaned += len(changed)
            if write and (gone or changed):
                swept.chunks += _write(entity, changed, keys, gone, lived, load_id, tables, warehouse)
    if write and swept.found:
        log.info("swept", source=source, **msgspec.structs.asdict(swept))
    return swept


def found_in(source: str, erased: Erased, warehouse: Warehouse) -> set[Identifier]:
    """Further identifiers of erased people that the rows of a source tell."""
    return {
        identifier
        for entity in rows.entities(source)
        if people.teaching(entity.address)
        for page in _pages(entity, warehouse)
        for row in page
        for identifier in erased.judge(entity, msgspec.json.decode(row["payload"])).found
    }


def empty_documents(transaction: Transaction, base_ids: Sequence[str], tables: Sequence[str], now: datetime) -> int:
    """Leave nothing of documents in catalog, memory and mentions; the next refresh of the catalog builds them again.

    Args:
        tables: of memory.
    Returns:
        Rows of memory that went.
    """
    ids = msgspec.json.encode(list(base_ids)).decode()
    chunks = sum(
        transaction.execute(f'DELETE FROM SOPHIA_AI_MEMORY."{table}" WHERE DOCUMENT_ID IN {_ENTRIES}', [ids])
        for table in tables
    )
    for table in ("COMPETITOR_MENTIONS", "DOCUMENT_ENRICHMENT"):
        transaction.execute(f"DELETE FROM COMPETITIVE_INTELLIGENCE.{table} WHERE DOCUMENT_ID IN {_ENTRIES}", [ids])
    transaction.execute(_EMPTY, [now, ids])
    return chunks


def memory_tables(warehouse: Warehouse) -> list[str]:
    """Of every model that has embedded here."""
    return [str(name) for name in warehouse.query(_MEMORY_TABLES)["table_name"].to_pylist()]


def _pages(entity: Entity, warehouse: Warehouse) -> Iterator[list[dict[str, Any]]]:
    """All rows with their `row_key`, as the views DOCUMENT_PARTS write it."""
    key = _key(entity)
    rows_of = f"SELECT {', '.join(entity.table.column_names)}, {key} AS ROW_KEY FROM {entity.table.name}"
    above, last = ">=", ""
    while page := warehouse.query(f"{rows_of} WHERE {key} {above} ? ORDER BY {key} LIMIT {PAGE}", [last]).to_pylist():
        above, last = ">", page[-1]["row_key"]
        yield page


def _cleaned(entity: Entity, row: Row, erased: Erased, load_id: str) -> Row | None:
    """The row without them: the same object where nobody is in it, None where it goes whole."""
    held: Record = msgspec.json.decode(str(row["payload"]))
    record = erased.judge(entity, held).record
    if record is None:
        return None
    now, version = datetime.now(UTC), row["_version"]
    assert isinstance(version, datetime)
    marks: Row = {"_deleted_at": row["_deleted_at"], "_landed_at": now, "_load_id": load_id}
    if record is not held:
        made = to_row(entity, record, version=version.replace(tzinfo=UTC), origin="pull")
        if not isinstance(made, Rejected):
            return made | marks | {"_origin": row["_origin"]}
    elif held:
        return row
    # A tombstone that never had a record, or a record that today's rules refuse: each column by itself.
    typed = {field.name: row[field.name] for field in entity.fields}
    columns: Row = erased.clean(typed, entity.address.source)
    if record is held and columns is typed:
        return row
    if any(columns[name] != row[name] for name in entity.key):
        return None
    payload = msgspec.json.encode(record).decode()
    return row | columns | marks | {"payload": payload, "_content_hash": identity.record_hash(record)}


def _write(
    entity: Entity,
    changed: Sequence[Row],
    keys: Sequence[str],
    gone: Sequence[str],
    lived: int,
    load_id: str,
    tables: Sequence[str],
    warehouse: Warehouse,
) -> int:
    """One transaction. A refresh of the catalog that has read the rows as they were is fenced.

    Args:
        keys: of the changed rows.
        lived: how many of those that go were no tombstones.
        tables: of memory.
    Returns:
        Rows of memory that went.
    """
    address, table, now = entity.address, entity.table, datetime.now(UTC)
    staged_keys = [{"row_key": key, "is_gone": False} for key in keys]
    staged_keys += [{"row_key": key, "is_gone": True} for key in gone]
    with warehouse.transaction(rows=(table, table.rows(changed)), keys=(KEYS, KEYS.rows(staged_keys))) as transaction:
        transaction.execute(statements.CLAIM_POSITION, (f"catalog:{address.source}", load_id))
        parts = transaction.query(
            f"""
            SELECT DISTINCT P.DOCUMENT_ID
            FROM {address.schema}.DOCUMENT_PARTS AS P
            INNER JOIN STAGED_KEYS AS K ON P.ROW_KEY = K.ROW_KEY
            WHERE P.ENTITY = '{address.entity}'
            """
        )
        chunks = empty_documents(transaction, [row["document_id"] for row in parts.to_pylist()], tables, now)
        transaction.execute(_rewrite(table))
        transaction.execute(
            f"DELETE FROM {table.name} WHERE {_key(entity)} IN (SELECT ROW_KEY FROM STAGED_KEYS WHERE IS_GONE)"
        )
        transaction.execute(_FEWER, [lived, table.name])
        if changed:
            transaction.execute(
                """
                INSERT INTO SOPHIA_CORE.LOADS (LOAD_ID, ADDRESS, ORIGIN, RECEIVED, CHANGED, LANDED_AT)
                VALUES (?, ?, 'erasure', ?, ?, ?)
                """,
                [load_id, str(address), len(changed), len(changed), now],
            )
    return chunks


def _rewrite(table: Table) -> str:
    """A row that has become newer since it was read came in by the list, and stays."""
    values = ", ".join(f"{c.type.from_staged(c.name)} AS {c.name}" for c in table.columns)
    return f"""
        MERGE INTO {table.name} AS t USING (SELECT {values} FROM STAGED_ROWS) AS s
        ON {" AND ".join(f"t.{name} = s.{name}" for name in table.key)}
        WHEN MATCHED AND t._VERSION = s._VERSION THEN UPDATE SET
            {", ".join(f"{name} = s.{name}" for name in table.column_names)}
    """


def _key(entity: Entity) -> str:
    return "CONCAT({})".format(", '/', ".join(entity.key))
