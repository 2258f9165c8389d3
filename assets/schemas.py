"""Tables as Dagster's metadata."""

from __future__ import annotations

from typing import Any

import dagster as dg

from contracts.tables import Table


def table_metadata(table: Table) -> dict[str, Any]:
    """Name, columns, key."""
    columns = [
        dg.TableColumn(
            column.name,
            column.type.ddl,
            constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=table.key == (column.name,)),
        )
        for column in table.columns
    ]
    return {"dagster/table_name": table.name, "dagster/column_schema": dg.TableSchema(columns)}
