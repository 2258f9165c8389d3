"""What could not be read, as an asset, and the job that puts it back."""

import dagster as dg

from assets.automation import BY_MORNING, NIGHTLY_ONLY
from assets.external import DEAD_DOCUMENTS, topic_key
from assets.schemas import OWNERS, code_version, lineage, raw_key, table_metadata
from assets.steps import opened
from pipelines import catalog, dead_letters, publishing
from resources.profile import Profile
from resources.warehouse import Warehouse
from resources.warehouse.tables import DEAD_LETTERS
from transforms import rows

DEAD_LETTERS_KEY = dg.AssetKey(["core", "dead_letters"])
RAW_KEYS = [raw_key(entity.table.name) for source in rows.sources() for entity in rows.entities(source)]


class ReplayConfig(dg.Config):
    """What is put back."""

    origin: str | None = None
    """`gong/calls` or a topic; None for all."""


@dg.asset(
    key=DEAD_LETTERS_KEY,
    deps=[
        *RAW_KEYS,
        topic_key(DEAD_DOCUMENTS),
    ],
    group_name="core",
    kinds={"snowflake"},
    owners=OWNERS,
    pool="warehouse",
    automation_condition=NIGHTLY_ONLY,
    freshness_policy=BY_MORNING,
    code_version=code_version(*DEAD_LETTERS.column_names),
    metadata={
        **table_metadata(DEAD_LETTERS.name),
        **lineage({"body_base64": [(key, "payload") for key in RAW_KEYS]}),
    },
    description="Records, documents and messages that could not be read, with their bytes. The job "
    "replay_dead_letters puts them back.",
)
def dead_letters_table(
    context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile]
) -> dg.MaterializeResult[None]:
    with opened(context, profile) as warehouse:
        return dg.MaterializeResult(metadata=_counted(warehouse))


@dg.op(pool="warehouse", description="Read dead letters again by today's rules; what passes takes its place.")
def replay(context: dg.OpExecutionContext, config: ReplayConfig, profile: dg.ResourceParam[Profile]) -> None:
    with opened(context, profile) as warehouse:
        done = dead_letters.replay(warehouse, config.origin)
        for source in rows.sources():
            catalog.refresh(source, warehouse)
        published = publishing.publish(profile, warehouse)
        context.add_output_metadata(
            {
                "records_landed": done.landed,
                "documents_composed": done.composed,
                "documents_published": published,
                "superseded": done.superseded,
                "still_dead": done.failed,
            }
        )
        context.log_event(dg.AssetMaterialization(DEAD_LETTERS_KEY, metadata=_counted(warehouse)))


@dg.job(description="Put dead letters back: of one origin, or all.")
def replay_dead_letters() -> None:
    replay()


def _counted(warehouse: Warehouse) -> dict[str, int | str]:
    waiting = warehouse.query(
        """
        SELECT ORIGIN, COUNT(*) AS LETTERS FROM SOPHIA_CORE.DEAD_LETTERS
        WHERE REPLAYED_AT IS NULL GROUP BY ORIGIN ORDER BY ORIGIN
        """
    ).to_pylist()
    kept = warehouse.query("SELECT COUNT(*) AS LETTERS FROM SOPHIA_CORE.DEAD_LETTERS")["letters"][0].as_py()
    by_origin = {f"waiting {row['origin']}": row["letters"] for row in waiting}
    return {"dagster/row_count": kept, "waiting": sum(by_origin.values()), **by_origin}
