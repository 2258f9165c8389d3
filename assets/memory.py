"""The searchable memory: what the GPU workers have embedded, landed."""

import time  # no annotations as text in this package: Dagster reads them as types

import dagster as dg

from assets.sources import catalog_key
from contracts.errors import WorkerSilent
from pipelines import publishing
from pipelines.memory import Lander
from resources.profile import Profile
from resources.warehouse import open_warehouse, require_migrated
from transforms import rows

SILENCE_S = 180.0
"""Documents wait and no vector comes for this long: no worker is running."""

MEMORY_KEY = dg.AssetKey(["memory", "memory_records"])


@dg.asset(
    key=MEMORY_KEY,
    deps=[catalog_key(source) for source in rows.sources()],
    group_name="memory",
    kinds={"kafka", "snowflake"},
    metadata={"dagster/table_name": "SOPHIA_AI_MEMORY.MEMORY_RECORDS"},
    description="Chunks with their vectors, landed from memory.v1 until no published document waits.",
)
def memory_records(context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile]) -> dg.MaterializeResult[None]:
    with open_warehouse(profile) as warehouse:
        require_migrated(warehouse)
        lander = Lander(profile, warehouse, owner=context.run_id)
        last_came = time.monotonic()
        documents = 0

        def caught_up() -> bool:
            nonlocal last_came, documents
            if lander.done.documents + lander.done.refused > documents:
                documents, last_came = lander.done.documents + lander.done.refused, time.monotonic()
            waiting = publishing.backlog(profile, warehouse)
            if waiting and time.monotonic() - last_came > SILENCE_S:
                raise WorkerSilent(waiting, SILENCE_S)
            return waiting == 0

        done = lander.run(until=caught_up)
    return dg.MaterializeResult(
        metadata={
            "documents": done.documents,
            "refused": done.refused,
            "rows_written": done.rows_written,
            "rows_deleted": done.rows_deleted,
            "chunks_embedded": done.chunks_embedded,
            "dead_letters": done.dead_letters,
        }
    )
