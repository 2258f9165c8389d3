"""Three processes on one DuckDB file: a load, a lander each second, a reader; how long each waits for its turns.

load     lands 1,000 messages at a time, without a pause
lander   replaces the memory rows of a few documents, once a second
reader   counts and searches, without a pause
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.queues import Queue
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from contracts.address import Address
from contracts.records import Chunk, MemoryBatch, memory_rows
from pipelines.landing import land_rows
from resources.profile import Profile
from resources.warehouse import migrations
from resources.warehouse.duckdb_adapter import DuckDbWarehouse
from transforms import rows
from transforms.raw import Row, to_row

SECONDS = 20.0
ROWS = 1_000
DIMENSION = 64
FINGERPRINT = "hash-64/fp32|benchmark|benchmark"
MESSAGES = rows.entity(Address("slack", "messages"))

Step = Callable[[DuckDbWarehouse, int], int]


def load(warehouse: DuckDbWarehouse, number: int) -> int:
    """Rows landed."""
    now = datetime.now(UTC)
    staged: list[Row] = []
    for n in range(number * ROWS, (number + 1) * ROWS):
        record = {"channel": "C1", "ts": f"{1_700_000_000 + n}.000000", "user": "U1", "text": "x" * 200}
        row = to_row(MESSAGES, record, version=now, origin="pull")
        assert isinstance(row, dict)
        staged.append(row)
    return land_rows(MESSAGES, staged, "pull", warehouse)


def land(warehouse: DuckDbWarehouse, number: int) -> int:
    """Batches handed over; the documents are in no catalog, so the price is paid and nothing is kept."""
    time.sleep(1.0)
    vectors = np.full((4, DIMENSION), DIMENSION**-0.5, np.float32)
    chunks = [Chunk(ordinal=n, text=f"{number}", header="", section_start=0, section_end=1) for n in range(4)]
    batches = [
        MemoryBatch(
            document_id=f"gong:call:{n}",
            revision=number,
            fingerprint=FINGERPRINT,
            dimension=DIMENSION,
            rows=memory_rows(chunks, [1] * 4, vectors),
            tokens=4,
            tokens_from_cache=0,
            chunks_from_cache=0,
            compute_s=0.0,
        )
        for n in range(8)
    ]
    warehouse.replace_children(batches, fingerprint=FINGERPRINT, landed_at=datetime.now(UTC))
    return len(batches)


def read(warehouse: DuckDbWarehouse, _: int) -> int:
    """Queries asked."""
    warehouse.query("SELECT COUNT(*) AS N FROM SLACK_INTEGRATION.MESSAGES WHERE _DELETED_AT IS NULL")
    warehouse.search([DIMENSION**-0.5] * DIMENSION, limit=5)
    return 2


STEPS: dict[str, Step] = {"load": load, "lander": land, "reader": read}


def work(name: str, home: str, answers: Queue[tuple[str, dict[str, float]]]) -> None:
    """One process: its step again and again."""
    warehouse = DuckDbWarehouse(profile(home).duckdb_path, profile(home).embedding)
    done, number, end = 0, 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        done += STEPS[name](warehouse, number)
        number += 1
    waits = warehouse.waits
    figures: dict[str, float] = {
        "done": done,
        "turns": waits.count,
        "p50_ms": waits.p50_s * 1e3,
        "max_ms": waits.max_s * 1e3,
    }
    answers.put((name, {key: round(value, 1) for key, value in figures.items()}))


def profile(home: str) -> Profile:
    return Profile.read({"SOPHIA_HOME": home, "SOPHIA_EMBEDDING_MODEL": "hash-64"})


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        warehouse = DuckDbWarehouse(profile(home).duckdb_path, profile(home).embedding)
        migrations.apply(warehouse)
        spawn = multiprocessing.get_context("spawn")
        answers: Any = spawn.Queue()
        running = [spawn.Process(target=work, args=(name, home, answers)) for name in STEPS]
        for process in running:
            process.start()
        figures = dict(answers.get(timeout=SECONDS + 60) for _ in running)
        for process in running:
            process.join()
        held = warehouse.query("SELECT COUNT(*) AS N FROM SLACK_INTEGRATION.MESSAGES")["n"][0].as_py()
        warehouse.close()
    table = Table("process", "done", "turns", "wait p50 ms", "wait max ms", title=f"one DuckDB file, {SECONDS:.0f} s")
    for name in STEPS:
        table.add_row(name, *(f"{value:,g}" for value in figures[name].values()))
    Console().print(table)
    print(json.dumps({**figures, "rows_lost": int(figures["load"]["done"]) - held}))


if __name__ == "__main__":
    main()
