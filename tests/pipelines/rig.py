"""The whole way in one process: sandbox, broker, worker and warehouse of a test, and what the tables then hold."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

import sandbox
from gpu_workers.cache import VectorCache
from gpu_workers.engine import open_engine
from gpu_workers.worker import Worker
from pipelines import catalog, publishing, sources
from pipelines.arrivals import Landed
from pipelines.memory import Lander, MemoryLanded
from pipelines.pull import pull
from resources.profile import Profile
from resources.warehouse import Warehouse
from tests.conftest import open_migrated

Row = dict[str, Any]
CALLS_AND_CHATS = ("gong", "slack")


class Rig:
    """A migrated warehouse, and the steps of the way one by one."""

    def __init__(
        self, profile: Profile, warehouse: Warehouse, control: sandbox.Control, sources: Sequence[str]
    ) -> None:
        self.profile = profile
        self.warehouse = warehouse
        self.control = control
        self.sources = sources

    def pull(self, *, full: bool = False, only: str | None = None) -> dict[str, Landed]:
        wanted = [only] if only else self.sources
        landed = [one for source in wanted for one in pull(source, self.profile, self.warehouse, full=full)]
        return {str(one.address): one for one in landed}

    def catalogue(self) -> None:
        for source in self.sources:
            catalog.refresh(source, self.warehouse)

    def publish(self) -> int:
        return publishing.publish(self.profile, self.warehouse)

    def land(self) -> MemoryLanded:
        """Land vectors until no document waits."""
        lander = Lander(self.profile, self.warehouse)
        return lander.run(until=lambda: publishing.backlog(self.profile, self.warehouse) == 0)

    def load(self, *, full: bool = False) -> MemoryLanded:
        """All of it; needs a `worker`."""
        self.pull(full=full)
        self.catalogue()
        self.publish()
        return self.land()

    @contextmanager
    def worker(self) -> Iterator[None]:
        """A worker in a thread while the body runs."""
        stop = threading.Event()
        engine = open_engine(self.profile.embedding)
        with VectorCache(self.profile.cache_path, engine.model_id, engine.dimension) as cache:
            worker = Worker(self.profile, engine, cache)
            thread = threading.Thread(target=worker.run, kwargs={"stop": stop}, name="worker")
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join(30)
            assert not thread.is_alive()

    def rows(self, sql: str) -> list[Row]:
        return self.warehouse.query(sql).to_pylist()

    def memory(self) -> dict[str, list[Row]]:
        """Document → its memory rows in order, without times: what two ways to the same end must agree in."""
        found: dict[str, list[Row]] = {}
        for row in self.rows(
            "SELECT DOCUMENT_ID, MEMORY_ID, ORDINAL, CONTENT, CONTENT_HASH, EMBEDDING "
            "FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS ORDER BY DOCUMENT_ID, ORDINAL"
        ):
            found.setdefault(row.pop("document_id"), []).append(row)
        return found

    def revisions(self) -> dict[str, int]:
        """Live document → revision."""
        sql = "SELECT DATA_ID, REVISION FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DELETED_AT IS NULL"
        return {row["data_id"]: row["revision"] for row in self.rows(sql)}

    def live_payloads(self, table: str, key: str) -> dict[Any, Row]:
        rows = self.rows(f"SELECT {key} AS K, PAYLOAD FROM {table} WHERE _DELETED_AT IS NULL")
        return {row["k"]: msgspec.json.decode(row["payload"]) for row in rows}


@contextmanager
def open_rig(profile: Profile, control: sandbox.Control, sources: Sequence[str] = sources.names()) -> Iterator[Rig]:
    """
    Args:
        sources: what `pull`, `catalogue` and `load` go through; every pull takes a second or two.
    """
    with open_migrated(profile) as warehouse:
        yield Rig(profile, warehouse, control, sources)
