"""Tables as data: the columns that code stages and merges. The DDL in `sql/` says the same; a test holds them equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa


class ColumnType(Enum):
    """A column's type in Snowflake, and how it is staged in Arrow. Times are UTC without a zone."""

    TEXT = ("VARCHAR", pa.string())
    INTEGER = ("NUMBER(38,0)", pa.int64())
    FLOAT = ("FLOAT", pa.float64())
    BOOLEAN = ("BOOLEAN", pa.bool_())
    TIMESTAMP = ("TIMESTAMP_NTZ", pa.timestamp("us"))
    VARIANT = ("VARIANT", pa.string())
    """Staged as JSON text, parsed in the MERGE."""
    ARRAY = ("ARRAY", pa.string())
    """Staged as JSON text, parsed in the MERGE."""
    VECTOR = ("VECTOR(FLOAT, 768)", pa.list_(pa.float32()))
    """Staged as a list, cast in the MERGE; 768 stands for the current model's dimension."""

    def __init__(self, ddl: str, arrow: pa.DataType) -> None:
        self.ddl = ddl
        self.arrow = arrow

    def from_staged(self, expression: str) -> str:
        """The SQL (Snowflake's) that turns a staged value into a column's value."""
        if self in (ColumnType.VARIANT, ColumnType.ARRAY):
            return f"PARSE_JSON({expression})"
        if self is ColumnType.VECTOR:
            return f"CAST({expression} AS {self.ddl})"
        return expression


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in lower case, its type, and whether NULL may stand in it."""

    name: str
    type: ColumnType
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is written by MERGE."""

    name: str
    """Qualified, upper case: `GONG_INTEGRATION.CALLS`."""
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def arrow_schema(self) -> pa.Schema:
        """Of the rows as they are staged."""
        return pa.schema([pa.field(c.name, c.type.arrow, c.nullable) for c in self.columns])

    def rows(self, records: Sequence[dict[str, object]]) -> pa.Table:
        """Stage records: a dict a row, aware times, JSON columns as text.

        Raises:
            KeyError, pyarrow.ArrowInvalid: a record lacks a column or has another type.
        """
        schema = self.arrow_schema
        return pa.table({f.name: pa.array([r[f.name] for r in records], f.type) for f in schema}, schema=schema)


RAW_SYSTEM_COLUMNS = (
    Column("payload", ColumnType.VARIANT, nullable=False),
    Column("_version", ColumnType.TIMESTAMP, nullable=False),
    Column("_deleted_at", ColumnType.TIMESTAMP),
    Column("_origin", ColumnType.TEXT, nullable=False),
    Column("_content_hash", ColumnType.TEXT, nullable=False),
    Column("_landed_at", ColumnType.TIMESTAMP, nullable=False),
    Column("_load_id", ColumnType.TEXT, nullable=False),
)
"""Behind the typed columns of every raw table.

`payload`: the whole record as received. `_version`: when the row's state was true, see docs/adr/0002. `_deleted_at`:
set on a tombstone. `_origin`: pull or push. `_content_hash`: of the payload, so that a re-read that found nothing new
changes nothing but `_version`. `_load_id`: the landing that last changed the content; SOPHIA_CORE.LOADS has a row each.
"""
