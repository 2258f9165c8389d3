"""The declarations that code stages by say what the DDL says: as it is written, and as it stands once migrated."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlglot import exp

from contracts.tables import ColumnType, Table
from resources.profile import EmbeddingSettings, Profile
from resources.warehouse import Warehouse, dialect, migrations, open_warehouse, tables

EMBEDDING = EmbeddingSettings(model="hash-64")
ON_DUCKDB = {
    ColumnType.TEXT: "VARCHAR",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.FLOAT: "DOUBLE",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.TIMESTAMP: "TIMESTAMP",
    ColumnType.VARIANT: "JSON",
    ColumnType.ARRAY: "JSON",
    ColumnType.VECTOR: f"FLOAT[{EMBEDDING.dimension}]",
}


class Written(NamedTuple):
    """A table as the DDL says it: (type, nullable) a column, and its key."""

    columns: dict[str, tuple[exp.DataType, bool]]
    key: tuple[str, ...]


def declared() -> list[Table]:
    """Every table that code stages rows for."""
    from transforms import rows

    return [*tables.ALL, *(table for source in rows.sources() for table in rows.tables(source))]


@cache
def written() -> dict[str, Written]:
    """Every CREATE TABLE of the migrations, with the columns that a later ALTER TABLE adds."""
    found: dict[str, Written] = {}
    folder = resources.files("sql").joinpath("migrations")
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda file: file.name):
        for statement in dialect.split(file.read_text("utf-8")):
            tree = dialect.parse(statement)
            if isinstance(tree, exp.Create) and tree.args["kind"] == "TABLE":
                name = tree.this.this.sql().upper()
                key = [e.name for k in tree.this.find_all(exp.PrimaryKey) for e in k.expressions]
                found[name] = Written(dict(map(_column, tree.this.find_all(exp.ColumnDef))), tuple(map(str.lower, key)))
            elif isinstance(tree, exp.Alter):
                added = map(_column, tree.find_all(exp.ColumnDef))
                found[tree.this.sql().upper()].columns.update(added)
    return found


def _column(node: exp.ColumnDef) -> tuple[str, tuple[exp.DataType, bool]]:
    assert node.kind is not None
    return node.name.lower(), (node.kind, not node.find(exp.NotNullColumnConstraint))


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder: Path = tmp_path_factory.mktemp("ddl")
    with open_warehouse(Profile(home=folder, embedding=EMBEDDING)) as warehouse:
        migrations.apply(warehouse)
        yield warehouse


@pytest.mark.parametrize("table", declared(), ids=lambda table: table.name)
def test_a_table_is_declared_as_it_is_written(table: Table) -> None:
    ddl = written()[table.name]
    expected = {c.name: (exp.DataType.build(c.type.ddl, dialect="snowflake"), c.nullable) for c in table.columns}
    assert ddl.columns == expected
    assert ddl.key == table.key


@pytest.mark.parametrize("table", declared(), ids=lambda table: table.name)
def test_a_table_stands_as_it_is_declared(migrated: Warehouse, table: Table) -> None:
    schema, _, name = table.name.partition(".")
    name = name.replace(dialect.WRITTEN_SUFFIX, EMBEDDING.table_suffix)
    found = migrated.query(
        "SELECT COLUMN_NAME, DATA_TYPE, IS_NULLABLE FROM INFORMATION_SCHEMA.COLUMNS "
        "WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
        (schema, name),
    ).to_pylist()
    assert {row["column_name"].lower(): (row["data_type"], row["is_nullable"] == "YES") for row in found} == {
        c.name: (ON_DUCKDB[c.type], c.nullable) for c in table.columns
    }


def test_every_schema_of_the_design_stands(migrated: Warehouse) -> None:
    schemas = migrated.query("SELECT SCHEMA_NAME FROM INFORMATION_SCHEMA.SCHEMATA")["schema_name"].to_pylist()
    assert {
        "GONG_INTEGRATION", "HUBSPOT_INTEGRATION", "SLACK_INTEGRATION", "LINEAR_INTEGRATION", "SOPHIA_CORE",
        "SOPHIA_AI_MEMORY", "GONG_INTELLIGENCE", "COMPETITIVE_INTELLIGENCE", "EXECUTIVE_INTELLIGENCE",
        "SOPHIA_PROJECT_MANAGEMENT", "SOPHIA_BUSINESS_INTELLIGENCE", "MONITORING",
    } <= set(schemas)  # fmt: skip


def test_every_view_can_be_read(migrated: Warehouse) -> None:
    views = migrated.query(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES "
        "WHERE TABLE_TYPE = 'VIEW' AND TABLE_SCHEMA <> 'main'"
    ).to_pylist()
    assert len(views) >= 2
    for view in views:
        assert migrated.query(f"SELECT * FROM {view['table_schema']}.{view['table_name']}").num_columns > 0
