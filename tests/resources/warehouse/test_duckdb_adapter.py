"""What is DuckDB's alone: the file, who else has it open, and what is said when it cannot be read."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from contracts.errors import StatementFailed, WarehouseUnavailable
from resources.profile import EmbeddingSettings
from resources.warehouse.duckdb_adapter import DuckDbWarehouse

EMBEDDING = EmbeddingSettings(model="hash-64")


def opened(path: Path) -> DuckDbWarehouse:
    return DuckDbWarehouse(path, EMBEDDING)


def filled(path: Path) -> Path:
    with opened(path) as warehouse:
        warehouse.execute("CREATE TABLE T AS SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) AS N "
                          "FROM TABLE(GENERATOR(ROWCOUNT => 100000))")  # fmt: skip
    return path


def refusal(path: Path) -> str:
    with opened(path) as warehouse, pytest.raises(WarehouseUnavailable) as caught:
        warehouse.query("SELECT SUM(N) AS s FROM T")
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_a_first_look_needs_no_setup_but_the_folder(tmp_path: Path) -> None:
    with opened(tmp_path / "w.duckdb") as warehouse:
        assert warehouse.query("SELECT COUNT(*) AS n FROM INFORMATION_SCHEMA.TABLES").to_pylist() == [{"n": 0}]
    assert "create the folder" in refusal(tmp_path / "missing" / "w.duckdb")
    assert not (tmp_path / "missing").exists()


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    path.write_text("hello")
    assert "not a valid DuckDB database" in refusal(path)


def test_a_corrupt_block_is_told(tmp_path: Path) -> None:
    path = filled(tmp_path / "w.duckdb")
    whole = path.read_bytes()
    path.write_bytes(whole[:12288] + bytes(b ^ 0xFF for b in whole[12288:]))
    assert "Corrupt" in refusal(path)


def test_a_file_of_a_newer_duckdb_is_told(tmp_path: Path) -> None:
    path = filled(tmp_path / "w.duckdb")
    whole = bytearray(path.read_bytes())
    whole[12:20] = struct.pack("<Q", 100_000)  # the storage version, and then the block's checksum as DuckDB makes it
    checksum = 5381
    for (word,) in struct.iter_unpack("<Q", whole[8:4096]):
        checksum ^= word * 0xBF58476D1CE4E5B9 % 2**64
    whole[:8] = struct.pack("<Q", checksum)
    path.write_bytes(whole)
    assert "storage version number 100000" in refusal(path)


def test_a_program_that_ignores_our_lock_is_told_of(tmp_path: Path) -> None:
    path = filled(tmp_path / "w.duckdb")
    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        assert f"(PID {other.pid})" in refusal(path)
        other.communicate("\n")
    with opened(path) as warehouse:
        assert warehouse.query("SELECT MAX(N) AS n FROM T").to_pylist() == [{"n": 100_000}]


def test_who_is_killed_in_a_transaction_leaves_nothing_half_done(tmp_path: Path) -> None:
    path = filled(tmp_path / "w.duckdb")
    code = f"""
import sys, time
from pathlib import Path
from resources.profile import EmbeddingSettings
from resources.warehouse.duckdb_adapter import DuckDbWarehouse
warehouse = DuckDbWarehouse(Path({str(path)!r}), EmbeddingSettings(model="hash-64"))
warehouse.execute("DELETE FROM T WHERE N > 10")
with warehouse.transaction() as transaction:
    transaction.execute("DELETE FROM T")
    print("deleted", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "deleted\n"
        threading.Timer(0.2, os.kill, (other.pid, signal.SIGKILL)).start()
        with opened(path) as warehouse:  # waits for the lock, which the kernel takes from the dead
            assert warehouse.query("SELECT COUNT(*) AS n FROM T").to_pylist() == [{"n": 10}]


def test_threads_share_a_warehouse(tmp_path: Path) -> None:
    with opened(tmp_path / "w.duckdb") as warehouse:
        warehouse.execute("CREATE TABLE T (N NUMBER(38,0))")
        failed: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for _ in range(5):
                    warehouse.execute("INSERT INTO T SELECT ?", (number,))
                    warehouse.query("SELECT COUNT(*) AS n FROM T")
            except BaseException as error:
                failed.append(error)
                raise

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert warehouse.query("SELECT COUNT(*) AS n FROM T").to_pylist() == [{"n": 20}]
        assert warehouse.waits.count == 42


def test_a_python_variable_is_no_table(tmp_path: Path) -> None:
    rows = [1]
    with opened(tmp_path / "w.duckdb") as warehouse, pytest.raises(StatementFailed, match="rows does not exist"):
        warehouse.query("SELECT * FROM rows")
    assert rows == [1]


def test_only_the_file_and_its_locks_are_left(tmp_path: Path) -> None:
    filled(tmp_path / "w.duckdb")
    assert {path.name for path in tmp_path.iterdir()} == {"w.duckdb", "w.duckdb.turn", "w.duckdb.held"}
