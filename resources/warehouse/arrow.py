"""Arrow at the warehouse's door: what is staged, and what comes back, with the same types from every adapter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa

from contracts.tables import Table

Parameter = str | int | float | bool | datetime | None
"""What may be bound to a `?`. JSON and vectors are bound as text and parsed in the statement."""


def staged(table: Table, rows: pa.Table) -> pa.Table:
    """Rows in the declared columns, order and types.

    Raises:
        KeyError: a declared column is missing.
        pyarrow.ArrowInvalid: a value does not fit its declared type.
    """
    return rows.select(list(table.column_names)).cast(table.arrow_schema)


def bound(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Times as the warehouse keeps them: UTC without a zone."""
    return [
        p.astimezone(UTC).replace(tzinfo=None) if isinstance(p, datetime) and p.tzinfo is not None else p
        for p in parameters
    ]


def result(table: pa.Table) -> pa.Table:
    """Lower-case names; int64, float64, string, bool, date32, timestamp[us] in UTC, list<float32>; JSON is text."""
    fields = [pa.field(field.name.lower(), _plain(field.type)) for field in table.schema]
    return table.rename_columns([field.name for field in fields]).cast(pa.schema(fields), safe=False)


def _plain(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_integer(type_) or (pa.types.is_decimal(type_) and type_.scale == 0):
        return pa.int64()
    if pa.types.is_decimal(type_) or pa.types.is_floating(type_):
        return pa.float64()
    if pa.types.is_large_string(type_) or pa.types.is_string(type_):
        return pa.string()
    if pa.types.is_timestamp(type_):
        return pa.timestamp("us")
    if pa.types.is_date(type_):
        return pa.date32()
    if pa.types.is_list(type_) or pa.types.is_fixed_size_list(type_) or pa.types.is_large_list(type_):
        return pa.list_(pa.float32())
    return type_
