"""The searchable memory: what the GPU workers have embedded, landed.

The profile picks who lands: runs that a sensor asks for when vectors wait, or the resident `sophia land --follow`. Then
this asset waits for it, and lands nothing itself.
"""

import time  # no annotations as text in this package: Dagster reads them as types
from collections.abc import Callable

import dagster as dg
import msgspec

from assets.automation import BY_MORNING, NIGHTLY_ONLY
from assets.external import topic_key
from assets.schemas import OWNERS, catalog_key, code_version, lineage, table_metadata
from assets.steps import opened
from contracts.address import MEMORY_TOPIC
from contracts.errors import WorkerSilent
from pipelines import publishing
from pipelines.memory import Lander, MemoryLanded, waiting
from resources.profile import Profile
from resources.warehouse import Warehouse
from transforms import chunking, rows

SILENCE_S = 180.0
"""Documents wait and no vector comes for this long: no worker is running."""
ASK_AGAIN_S = 1.0

MEMORY_KEY = dg.AssetKey(["memory", "memory_records"])
MEMORY_TABLE = "SOPHIA_AI_MEMORY.MEMORY_RECORDS"


class MemoryConfig(dg.Config):
    """How long a run goes on."""

    wait_for_workers: bool = True
    """Until no published document waits; else what lies on the topic is landed, and the rest comes with another run."""


@dg.asset(
    key=MEMORY_KEY,
    deps=[topic_key(MEMORY_TOPIC), *(catalog_key(source) for source in rows.sources())],
    group_name="memory",
    kinds={"kafka", "snowflake"},
    owners=OWNERS,
    pool="memory",
    code_version=code_version(chunking.CHUNKER, chunking.HEADER),
    automation_condition=NIGHTLY_ONLY,
    freshness_policy=BY_MORNING,
    metadata={
        **table_metadata(MEMORY_TABLE),
        **lineage(
            {
                name: [(catalog_key(source), "sections") for source in rows.sources()]
                for name in ("content", "embedding", "token_count")
            }
        ),
    },
    description="Chunks with their vectors, landed from memory.v1 until no published document waits.",
)
def memory_records(
    context: dg.AssetExecutionContext, config: MemoryConfig, profile: dg.ResourceParam[Profile]
) -> dg.MaterializeResult[None]:
    with opened(context, profile) as warehouse:
        if not config.wait_for_workers:
            lander = Lander(profile, warehouse, owner=context.run.run_id)
            done = lander.run(until=lambda: not waiting(profile, warehouse))
        elif profile.automation.lander == "resident":
            done = _wait(profile, warehouse)
        else:
            done = _land_all(profile, warehouse, context.run.run_id)
        counted = warehouse.query(
            f"SELECT COUNT(*) AS CHUNKS, SUM(REVISION) AS REVISIONS, MAX(CREATED_AT) AS NEWEST FROM {MEMORY_TABLE}"
        )
    [now] = counted.to_pylist()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{now['chunks']} {now['revisions']} {now['newest']}"),
        metadata={"dagster/row_count": now["chunks"], **msgspec.structs.asdict(done)},
    )


def _land_all(profile: Profile, warehouse: Warehouse, owner: str) -> MemoryLanded:
    lander = Lander(profile, warehouse, owner=owner)
    return lander.run(until=_caught_up(profile, warehouse, lambda: lander.done.documents + lander.done.refused))


def _wait(profile: Profile, warehouse: Warehouse) -> MemoryLanded:
    """For the resident lander."""
    caught_up = _caught_up(profile, warehouse, lambda: -publishing.backlog(profile, warehouse))
    while not caught_up():
        time.sleep(ASK_AGAIN_S)
    return MemoryLanded()


def _caught_up(profile: Profile, warehouse: Warehouse, progress: Callable[[], int]) -> Callable[[], bool]:
    """Whether no document waits any more. Raises WorkerSilent: some do, and `progress` has stood for too long."""
    reached, moved_at = progress(), time.monotonic()

    def caught_up() -> bool:
        nonlocal reached, moved_at
        if (now := progress()) > reached:
            reached, moved_at = now, time.monotonic()
        backlog = publishing.backlog(profile, warehouse)
        if backlog and time.monotonic() - moved_at > SILENCE_S:
            raise WorkerSilent(backlog, SILENCE_S)
        return backlog == 0

    return caught_up
