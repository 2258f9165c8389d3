"""Both warehouses: a DuckDB file, and Snowflake's connector over HTTP against fakesnow."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest

from contracts.tables import RAW_SYSTEM_COLUMNS, Column, ColumnType, Table
from resources.profile import EmbeddingSettings, Profile, SnowflakeSettings
from resources.warehouse import Warehouse, migrations, open_warehouse
from resources.warehouse.tables import EMBEDDING_USAGE, MEMORY_RECORDS

EMBEDDING = EmbeddingSettings(model="hash-64")
TOYS = Table(
    "GONG_INTEGRATION.TOYS",
    key=("maker", "toy_id"),
    columns=(
        Column("maker", ColumnType.TEXT, nullable=False),
        Column("toy_id", ColumnType.INTEGER, nullable=False),
        Column("weight_kg", ColumnType.FLOAT),
        Column("loud", ColumnType.BOOLEAN),
        Column("made_at", ColumnType.TIMESTAMP),
        Column("tags", ColumnType.ARRAY),
        *RAW_SYSTEM_COLUMNS,
    ),
)


@pytest.fixture
def duckdb_profile(tmp_path: Path) -> Profile:
    return _duckdb_profile(tmp_path)


@pytest.fixture
def snowflake_profile(snowflake_port: int) -> Profile:
    """A database of its own, still empty."""
    return _snowflake_profile(snowflake_port)


@pytest.fixture
def core_sql(tmp_path: Path) -> Path:
    """A folder with the schema that the warehouse itself needs, without the other parts' files."""
    return _core_sql(tmp_path / "sql")


@pytest.fixture(scope="session", params=["duckdb", "snowflake"])
def shared_warehouse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Migrated once; the raw table TOYS stands in it."""
    folder = tmp_path_factory.mktemp("warehouse")
    if request.param == "duckdb":
        profile = _duckdb_profile(folder)
    else:
        profile = _snowflake_profile(request.getfixturevalue("snowflake_port"))
    with open_warehouse(profile) as warehouse:
        migrations.apply(warehouse, _core_sql(folder / "sql"))
        warehouse.execute(ddl(TOYS))
        yield warehouse


@pytest.fixture
def warehouse(shared_warehouse: Warehouse) -> Warehouse:
    """Both adapters in turn, with empty tables."""
    core = ("POSITIONS", "LOADS", "CATALOG_ENTRIES")
    for table in (TOYS.name, MEMORY_RECORDS.name, EMBEDDING_USAGE.name, *(f"SOPHIA_CORE.{name}" for name in core)):
        shared_warehouse.execute(f"DELETE FROM {table}")
    return shared_warehouse


@pytest.fixture(params=["duckdb", "snowflake"])
def fresh(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """Both adapters in turn, before any migration."""
    with open_warehouse(request.getfixturevalue(f"{request.param}_profile")) as warehouse:
        yield warehouse


@pytest.fixture
def toys() -> Table:
    return TOYS


@pytest.fixture
def create_raw() -> Callable[[Table], str]:
    return ddl


def ddl(table: Table) -> str:
    columns = ", ".join(f"{c.name} {c.type.ddl}{'' if c.nullable else ' NOT NULL'}" for c in table.columns)
    return f"CREATE TABLE IF NOT EXISTS {table.name} ({columns}, PRIMARY KEY ({', '.join(table.key)}))"


def _duckdb_profile(home: Path) -> Profile:
    return Profile(home=home, embedding=EMBEDDING)


def _snowflake_profile(port: int) -> Profile:
    settings = SnowflakeSettings(
        account="test", user="test", password="test", authenticator="PASSWORD", host="127.0.0.1", port=port,
        protocol="http", database=f"SOPHIA_{uuid.uuid4().hex[:8].upper()}",
    )  # fmt: skip
    return Profile(warehouse="snowflake", snowflake=settings, embedding=EMBEDDING)


def _core_sql(root: Path) -> Path:
    folder = root / "migrations"
    folder.mkdir(parents=True)
    for name in ("V0001__core.sql", "R__memory_records.sql", "R__unified_data_catalog.sql"):
        (folder / name).write_text(resources.files("sql").joinpath("migrations", name).read_text("utf-8"), "utf-8")
    return root
