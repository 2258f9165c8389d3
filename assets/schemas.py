"""Tables as Dagster's metadata: name, columns with their meaning, lineage of columns, and a version of the code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from resources.warehouse import objects
from resources.warehouse.tables import CATALOG_ENTRIES
from transforms import rows

OWNERS = ["team:data-platform"]

ASSET_OF_TABLE = {
    "GONG_INTELLIGENCE.CALL_ENRICHMENT": dg.AssetKey(["intelligence", "call_enrichment"]),
    "SOPHIA_PROJECT_MANAGEMENT.ISSUE_ENRICHMENT": dg.AssetKey(["intelligence", "issue_enrichment"]),
    "EXECUTIVE_INTELLIGENCE.KPI_ROLLUPS": dg.AssetKey(["executive", "kpi_rollups"]),
    "EXECUTIVE_INTELLIGENCE.KPI_DAYS": dg.AssetKey(["executive", "kpi_rollups"]),
    "SOPHIA_AI_MEMORY.MEMORY_RECORDS": dg.AssetKey(["memory", "memory_records"]),
}
"""The asset that fills a table which views read; of a raw table the name says it."""


def table_metadata(name: str) -> dict[str, Any]:
    """`dagster/table_name` and `dagster/column_schema` of a table or view of `sql/`."""
    one = objects.named(name)
    columns = [
        dg.TableColumn(
            column.name.lower(),
            column.type,
            description=column.meaning,
            constraints=dg.TableColumnConstraints(nullable=not column.required, unique=one.key == column.name),
        )
        for column in one.columns
    ]
    return {"dagster/table_name": name, "dagster/column_schema": dg.TableSchema(columns)}


def lineage(columns: Mapping[str, Sequence[tuple[dg.AssetKey, str]]]) -> dict[str, Any]:
    """`dagster/column_lineage`: column → (asset, column) that it comes from."""
    deps = {name: [dg.TableColumnDep(key, column) for key, column in come_from] for name, come_from in columns.items()}
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)}


def view_lineage(name: str) -> dict[str, Any]:
    """The same of a view or dynamic table, from its SQL; views that are no assets are seen through."""
    return lineage({column.lower(): sorted(_origins(name, column)) for column in objects.column_lineage(name)})


def _origins(table: str, column: str) -> set[tuple[dg.AssetKey, str]]:
    found: set[tuple[dg.AssetKey, str]] = set()
    for read, read_column in objects.column_lineage(table).get(column, []):
        one = objects.named(read)
        if read == CATALOG_ENTRIES.name:
            found |= {(catalog_key(source), read_column.lower()) for source in rows.sources()}
        elif read in ASSET_OF_TABLE:
            found.add((ASSET_OF_TABLE[read], read_column.lower()))
        elif one.is_raw:
            found.add((raw_key(read), read_column.lower()))
        elif one.body is not None:
            found |= _origins(read, read_column)
    return found


def raw_key(table: str) -> dg.AssetKey:
    """`gong/calls` for GONG_INTEGRATION.CALLS."""
    schema, _, entity = table.lower().partition(".")
    return dg.AssetKey([schema.removesuffix("_integration"), entity])


def catalog_key(source: str) -> dg.AssetKey:
    """`catalog/gong`: the documents that a source's rows make."""
    return dg.AssetKey(["catalog", source])


def code_version(*parts: str) -> str:
    """Of what an asset is made by: a new one shows as stale what the old code made."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def view_version(*names: str) -> str:
    """Of what views or dynamic tables select."""
    return code_version(*(objects.selection(name).sql("snowflake") for name in names))
