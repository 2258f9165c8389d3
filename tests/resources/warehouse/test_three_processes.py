"""A load, a lander each second and a reader on one DuckDB file at once: no error, no lost row, nobody starves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from resources.profile import EmbeddingSettings
from resources.warehouse.duckdb_adapter import DuckDbWarehouse

PROGRAM = Path(__file__).with_name("programs") / "actor.py"
RUN_S = 8


def start(role: str, folder: Path, run_s: float) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-W", "error", str(PROGRAM), role, str(folder), str(run_s)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    answer: dict[str, Any] = json.loads(out)
    return answer


def test_three_processes_share_a_file(tmp_path: Path) -> None:
    result(start("setup", tmp_path, 0))
    load, lander, reader = map(result, [start(role, tmp_path, RUN_S) for role in ("load", "lander", "reader")])
    for answer in (load, lander, reader):
        print(f"\n{answer}")
    with DuckDbWarehouse(tmp_path / "warehouse.duckdb", EmbeddingSettings(model="hash-64")) as warehouse:
        counted = warehouse.query(
            "SELECT (SELECT COUNT(DISTINCT id) FROM GONG_INTEGRATION.TOYS) AS toys, "
            "(SELECT COUNT(DISTINCT id) FROM GONG_INTEGRATION.PARTS) AS parts, "
            "(SELECT MAX(value) FROM SOPHIA_CORE.POSITIONS) AS position"
        ).to_pylist()
    assert counted == [{"toys": load["rows"], "parts": lander["rows"], "position": str(lander["rows"])}]
    assert lander["calls"] >= RUN_S - 2, "the lander keeps its second"
    assert reader["calls"] >= 20
    assert max(answer["max_wait_ms"] for answer in (load, lander, reader)) < 2000
