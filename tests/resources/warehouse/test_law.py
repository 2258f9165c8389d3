"""Any order and repetition of the same versioned rows ends in the same table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.tables import RAW_SYSTEM_COLUMNS, Column, ColumnType, Table
from resources.profile import EmbeddingSettings
from resources.warehouse import Warehouse
from resources.warehouse.duckdb_adapter import DuckDbWarehouse

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = Table("GONG_INTEGRATION.ROWS", ("id",), (Column("id", ColumnType.INTEGER, nullable=False), *RAW_SYSTEM_COLUMNS))


@pytest.fixture(scope="module")
def duckdb_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder: Path = tmp_path_factory.mktemp("law")
    with DuckDbWarehouse(folder / "w.duckdb", EmbeddingSettings(model="hash-64")) as warehouse:
        for schema in ("GONG_INTEGRATION", "SOPHIA_CORE"):
            warehouse.execute(f"CREATE SCHEMA {schema}")
        columns = ", ".join(f"{c.name} {c.type.ddl}" for c in ROWS.columns)
        warehouse.execute(f"CREATE TABLE {ROWS.name} ({columns})")
        warehouse.execute(
            "CREATE TABLE SOPHIA_CORE.LOADS (load_id VARCHAR, address VARCHAR, origin VARCHAR, received NUMBER(38,0), "
            "changed NUMBER(38,0), landed_at TIMESTAMP_NTZ)"
        )
        yield warehouse


@st.composite
def two_ways(draw: st.DrawFn) -> tuple[list[list[dict[str, Any]]], list[list[dict[str, Any]]]]:
    """The same versions, each at least once, in two orders and cut into batches in two ways."""
    states = draw(
        st.dictionaries(
            st.tuples(st.integers(1, 2), st.integers(1, 6)),
            st.sampled_from(["a", "b", "deleted"]),
            min_size=1,
            max_size=8,
        )
    )
    rows = [_row(key, version, state) for (key, version), state in states.items()]

    def way() -> list[list[dict[str, Any]]]:
        order = draw(st.permutations(rows + draw(st.lists(st.sampled_from(rows), max_size=3))))
        cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=3)) | {0, len(order)})
        return [list(order[a:b]) for a, b in pairwise(cuts)]

    return way(), way()


def _row(key: int, version: int, state: str) -> dict[str, Any]:
    deleted = state == "deleted"
    moment = START + timedelta(minutes=version)
    return {
        "id": key, "payload": f'"{state}"', "_version": moment, "_deleted_at": moment if deleted else None,
        "_content_hash": state, "_origin": "", "_landed_at": START, "_load_id": "",
    }  # fmt: skip


@given(ways=two_ways())
@settings(max_examples=25, deadline=None)
def test_any_order_and_repetition_ends_in_the_same_table(
    duckdb_warehouse: Warehouse, ways: tuple[list[list[dict[str, Any]]], list[list[dict[str, Any]]]]
) -> None:
    first, second = (_end(duckdb_warehouse, way) for way in ways)
    assert first == second


def _end(warehouse: Warehouse, batches: list[list[dict[str, Any]]]) -> list[tuple[object, ...]]:
    """Each row: id, version, and its content or None for a tombstone.

    A tombstone shows the content that was known when it came, and that does depend on the order.
    """
    warehouse.execute(f"DELETE FROM {ROWS.name}")
    for number, batch in enumerate(batches):
        warehouse.land(ROWS, ROWS.rows(batch), load_id=str(number), landed_at=START, origin="pull")
    rows = warehouse.query(
        f"SELECT id, _version, IFF(_deleted_at IS NULL, payload::STRING, NULL) AS content FROM {ROWS.name} ORDER BY id"
    )
    return [tuple(row.values()) for row in rows.to_pylist()]
