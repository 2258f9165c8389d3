"""The port: what the platform asks of a warehouse, and the statements that say it, once, in Snowflake's dialect.

An adapter brings `transaction`, `query`, `execute` and `close`. Landing, positions, memory and search stand here, on
top of these, so that both adapters run the same text and one contract suite holds for both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from types import TracebackType
from typing import Self

import pyarrow as pa

from contracts.errors import Fenced, VectorMismatch
from contracts.records import MemoryBatch, Position
from contracts.tables import Table
from resources.profile import EmbeddingSettings
from resources.warehouse import statements
from resources.warehouse.arrow import Parameter
from resources.warehouse.tables import EMBEDDING_USAGE, MEMORY_RECORDS


@dataclass(frozen=True, slots=True)
class Advance:
    """Move a position to `value` in the transaction of the rows, if nobody else has moved or claimed it since."""

    position: Position
    value: str


@dataclass(frozen=True, slots=True)
class LandResult:
    """`received`: rows handed over. `changed`: rows whose content is new; a newer version alone does not count."""

    received: int
    changed: int


@dataclass(frozen=True, slots=True)
class ChildrenResult:
    """Batches that landed or were refused (together: all handed over), and memory rows written or deleted."""

    landed: int
    refused: int
    rows_written: int
    rows_deleted: int


class Transaction(ABC):
    """What can be said between BEGIN and COMMIT: no DDL, Snowflake would commit."""

    @abstractmethod
    def execute(self, sql: str, params: Sequence[Parameter] = ()) -> int:
        """Run one statement.

        Returns:
            Rows inserted, updated and deleted.
        """

    @abstractmethod
    def query(self, sql: str, params: Sequence[Parameter] = ()) -> pa.Table:
        """Run one SELECT; types as in `Warehouse.query`."""


class Warehouse(ABC):
    """All SQL handed to it is Snowflake's dialect, values bound to `?`.

    Raises, in every method:
        WarehouseUnavailable: it cannot be reached or opened.
        StatementFailed: it refused a statement.
        UnsupportedSql: DuckDB only; a construct without a proved rule.
    """

    def __init__(self, embedding: EmbeddingSettings) -> None:
        self.embedding = embedding

    @abstractmethod
    def transaction(self, **staged: tuple[Table, pa.Table]) -> AbstractContextManager[Transaction]:
        """Commit at exit, roll back on any error.

        Args:
            staged: rows that the statements read as `STAGED_<NAME>`, unqualified, in the table's declared columns; JSON
                columns are text there and vectors lists, so cast with `ColumnType.from_staged`. Loaded before BEGIN.
        """

    @abstractmethod
    def query(self, sql: str, params: Sequence[Parameter] = ()) -> pa.Table:
        """Run one SELECT.

        Returns:
            Column names in lower case; int64, float64, string, bool, date32, timestamp[us] in UTC without a zone,
            list<float32> for VECTOR, and JSON text (its spacing is the adapter's) for VARIANT, ARRAY and OBJECT.
        """

    @abstractmethod
    def execute(self, sql: str, params: Sequence[Parameter] = ()) -> int:
        """Run one statement in its own transaction; DDL is allowed.

        Returns:
            Rows inserted, updated and deleted; 0 for DDL.
        """

    @abstractmethod
    def refresh(self, rollup: str, since: date) -> None:
        """Bring a dynamic table up to date now, and not when Snowflake next would.

        Args:
            rollup: `EXECUTIVE_INTELLIGENCE.KPI_DAYS`; its file is `sql/rollups/R__kpi_days.sql`.
            since: DuckDB computes the days of SOPHIA_CORE.DAYS from here on; Snowflake knows by itself what changed.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. A closed warehouse connects anew when it is used again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def position(self, key: str) -> Position | None:
        """How far the reader has come; None before its first claim."""
        rows = self.query(statements.READ_POSITION, (key,)).to_pylist()
        return Position(key=key, value=rows[0]["value"], epoch=rows[0]["epoch"]) if rows else None

    def claim(self, key: str, owner: str) -> Position:
        """Take a position over: its epoch goes up by one, which fences the writer that had it."""
        [claimed] = self.claim_all([key], owner)
        return claimed

    def claim_all(self, keys: Sequence[str], owner: str) -> list[Position]:
        """Claim several positions at once, in their order."""
        claimed = []
        with self.transaction() as transaction:
            for key in keys:
                transaction.execute(statements.CLAIM_POSITION, (key, owner))
                [row] = transaction.query(statements.READ_POSITION, (key,)).to_pylist()
                claimed.append(Position(key=key, value=row["value"], epoch=row["epoch"]))
        return claimed

    def land(
        self,
        table: Table,
        rows: pa.Table,
        *,
        load_id: str,
        landed_at: datetime,
        origin: str,
        advance: Sequence[Advance] = (),
    ) -> LandResult:
        """The one door to a raw table: the newest version of each key wins, and the positions move with the rows.

        What `sql/landings/` says of the table runs in the same transaction.

        Args:
            table: a raw table, ending in RAW_SYSTEM_COLUMNS.
            rows: of `table.arrow_schema`; `_origin`, `_landed_at` and `_load_id` are filled here and may lack.
            load_id: unique to this call; marks the rows that it changed, and their line in SOPHIA_CORE.LOADS.
            origin: `pull` or `push`.
        Raises:
            Fenced: a position was claimed or moved by another writer; nothing was written.
        """
        if rows.num_rows == 0:
            if advance:
                with self.transaction() as transaction:
                    advance_positions(transaction, advance, landed_at)
            return LandResult(received=0, changed=0)
        marked = _marked(rows, load_id=load_id, landed_at=landed_at, origin=origin)
        with self.transaction(rows=(table, marked)) as transaction:
            advance_positions(transaction, advance, landed_at)
            transaction.execute(statements.merge_raw(table))
            changed = int(transaction.query(statements.count_load(table), (load_id,))["changed"][0].as_py())
            if changed:
                address = statements.address(table)
                values = (load_id, address, origin, rows.num_rows, changed, landed_at)
                transaction.execute(statements.INSERT_LOAD, values)
                for statement in statements.after_landing(table):
                    transaction.execute(statement)
        return LandResult(received=rows.num_rows, changed=changed)

    def replace_children(
        self,
        batches: Sequence[MemoryBatch],
        *,
        fingerprint: str,
        landed_at: datetime,
        advance: Sequence[Advance] = (),
    ) -> ChildrenResult:
        """Put each document's newest batch in the place of its memory rows, all documents in one transaction.

        A batch lands when its fingerprint is `fingerprint`, its document is in the catalog, public and not deleted,
        and its revision is no newer than the catalog's and newer than what has landed (or the same, under another
        fingerprint).
        Everything else is refused without a trace but its cost: every batch leaves a row in
        SOPHIA_CORE.EMBEDDING_USAGE.

        Raises:
            Fenced: as in `land`.
            VectorMismatch: a batch of another dimension than the profile's; nothing was written.
        """
        for batch in batches:
            if batch.fingerprint == fingerprint:  # another model's has another dimension, and is refused below
                self._check_dimension(batch)
        newest = statements.newest(batches, fingerprint)
        staged = {
            "heads": (statements.BATCH_HEADS, statements.stage_heads(newest)),
            "chunks": (MEMORY_RECORDS, statements.stage_chunks(newest, landed_at)),
            "usage": (EMBEDDING_USAGE, statements.stage_usage(batches, landed_at)),
        }
        landed = written = deleted = 0
        with self.transaction(**(staged if batches else {})) as transaction:
            advance_positions(transaction, advance, landed_at)
            if newest:
                landed = transaction.execute(statements.LOCK_ACCEPTABLE)
            if landed:
                written = transaction.execute(statements.MERGE_CHUNKS)
                deleted = transaction.execute(statements.DELETE_CHUNKS)
                transaction.execute(statements.ACCEPT_BATCHES)
            if batches:
                transaction.execute(statements.INSERT_USAGE)
        return ChildrenResult(landed, len(batches) - landed, written, deleted)

    def search(self, vector: Sequence[float], *, limit: int = 10, source: str | None = None) -> pa.Table:
        """The public memory rows that are most alike, best first, ties by memory_id.

        Args:
            vector: shape (dimension,), of the profile's model, embedded as a query.
            source: only this source system.
        Returns:
            Columns score (cosine), document_id, source_system, data_type, title, content, occurred_at, metadata (JSON
            text), ordinal.
        Raises:
            VectorMismatch: the vector has another dimension than the profile's model.
        """
        if len(vector) != self.embedding.dimension:
            raise VectorMismatch(self._expected(), f"a query of dimension {len(vector)}")
        text = statements.vector_text(vector)
        if source is None:
            return self.query(statements.SEARCH, (text, limit))
        return self.query(statements.SEARCH_SOURCE, (text, source, limit))

    def _check_dimension(self, batch: MemoryBatch) -> None:
        type_ = batch.rows.schema.field("embedding").type
        sizes = {batch.dimension} | ({type_.list_size} if pa.types.is_fixed_size_list(type_) else set())
        if sizes != {self.embedding.dimension}:
            wrong = ", ".join(str(size) for size in sorted(sizes - {self.embedding.dimension}))
            raise VectorMismatch(self._expected(), f"dimension {wrong} for {batch.document_id} ({batch.fingerprint})")

    def _expected(self) -> str:
        return f"dimension {self.embedding.dimension} ({self.embedding.model_id})"


def advance_positions(transaction: Transaction, advances: Sequence[Advance], at: datetime) -> None:
    """Raises Fenced: a position was claimed or moved by another writer; let it end the transaction."""
    for advance in advances:
        held = advance.position
        values = (advance.value, at, held.key, held.epoch, held.value)
        if transaction.execute(statements.ADVANCE_POSITION, values) != 1:
            raise Fenced(held.key, held.epoch)


def _marked(rows: pa.Table, *, load_id: str, landed_at: datetime, origin: str) -> pa.Table:
    at = pa.timestamp("us", "UTC" if landed_at.tzinfo else None)
    marks = (
        ("_origin", pa.array([origin] * rows.num_rows, pa.string())),
        ("_landed_at", pa.array([landed_at] * rows.num_rows, at)),
        ("_load_id", pa.array([load_id] * rows.num_rows, pa.string())),
    )
    kept = rows.drop_columns([name for name, _ in marks if name in rows.column_names])
    for name, values in marks:
        kept = kept.append_column(name, values)
    return kept
