"""One of three processes on one DuckDB file for some seconds; prints what it did. A program of test_three_processes.py.

    load      lands 2,000 rows of TOYS after another, without a pause
    lander    every second lands 20 rows of PARTS and moves its position with them
    reader    counts both tables, without a pause; a count never falls

Arguments: the role, the folder of the file, seconds to run.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from contracts.tables import RAW_SYSTEM_COLUMNS, Column, ColumnType, Table
from resources.profile import EmbeddingSettings
from resources.warehouse import Advance
from resources.warehouse.duckdb_adapter import DuckDbWarehouse

COLUMNS = (Column("id", ColumnType.TEXT, nullable=False), *RAW_SYSTEM_COLUMNS)
TOYS, PARTS = (Table(f"GONG_INTEGRATION.{name}", ("id",), COLUMNS) for name in ("TOYS", "PARTS"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)

role, folder, run_s = sys.argv[1:]
warehouse = DuckDbWarehouse(Path(folder) / "warehouse.duckdb", EmbeddingSettings(model="hash-64"))
end = time.monotonic() + float(run_s)
done = took = 0
slowest_s = 0.0


def land(table: Table, count: int, advance: tuple[Advance, ...] = ()) -> None:
    rows = table.rows(
        [
            {
                "id": f"{done + n}", "payload": '{"text": "' + "x" * 200 + '"}', "_version": NOW, "_deleted_at": None,
                "_content_hash": "h", "_origin": "", "_landed_at": NOW, "_load_id": "",
            }
            for n in range(count)
        ]
    )  # fmt: skip
    warehouse.land(table, rows, load_id=f"{role}-{done}", landed_at=NOW, origin="pull", advance=advance)


with warehouse:
    if role == "setup":
        for schema in ("GONG_INTEGRATION", "SOPHIA_CORE"):
            warehouse.execute(f"CREATE SCHEMA {schema}")
        for table in (TOYS, PARTS):
            warehouse.execute(f"CREATE TABLE {table.name} ({', '.join(f'{c.name} {c.type.ddl}' for c in COLUMNS)})")
        warehouse.execute(
            "CREATE TABLE SOPHIA_CORE.LOADS (load_id VARCHAR, address VARCHAR, origin VARCHAR, received NUMBER(38,0), "
            "changed NUMBER(38,0), landed_at TIMESTAMP_NTZ)"
        )
        warehouse.execute(
            "CREATE TABLE SOPHIA_CORE.POSITIONS (position_key VARCHAR, value VARCHAR, epoch NUMBER(38,0), "
            "owner VARCHAR, updated_at TIMESTAMP_NTZ)"
        )
    seen = (0, 0)
    while time.monotonic() < end:
        began = time.monotonic()
        if role == "load":
            land(TOYS, 2000)
            done += 2000
        elif role == "lander":
            position = warehouse.position("parts") or warehouse.claim("parts", "lander")
            land(PARTS, 20, (Advance(position, str(done + 20)),))
            done += 20
        else:
            counts = warehouse.query(
                f"SELECT COUNT(*) AS n FROM {TOYS.name} UNION ALL SELECT COUNT(*) FROM {PARTS.name}"
            )
            now = tuple(counts["n"].to_pylist())
            assert sorted(now) >= sorted(seen), (now, seen)
            seen, done = (now[0], now[1]), done + 1
        slowest_s = max(slowest_s, time.monotonic() - began)
        took += 1
        if role == "lander":
            time.sleep(max(0.0, min(1.0 - (time.monotonic() - began), end - time.monotonic())))
    waits = warehouse.waits
print(
    json.dumps(
        {
            "role": role, "calls": took, "rows": done, "slowest_s": round(slowest_s, 3), "turns": waits.count,
            "p50_wait_ms": round(waits.p50_s * 1000, 2), "max_wait_ms": round(waits.max_s * 1000, 1),
        }
    )
)  # fmt: skip
