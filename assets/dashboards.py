"""What people and Cortex read: the KPIs, and views on raw, enrichment and memory.

Views are always current; their asset says what they hold.
"""

from datetime import UTC, datetime

import dagster as dg

from assets.automation import BY_MORNING, ON_CHANGE
from assets.intelligence import CALL_ENRICHMENT_KEY, ISSUE_ENRICHMENT_KEY
from assets.memory import MEMORY_KEY
from assets.schemas import OWNERS, catalog_key, raw_key, table_metadata, view_lineage, view_version
from assets.steps import opened
from pipelines import kpis
from resources.profile import Profile
from transforms import rows

KPI_ROLLUPS_KEY = dg.AssetKey(["executive", "kpi_rollups"])
KPI_ROLLUPS = "EXECUTIVE_INTELLIGENCE.KPI_ROLLUPS"
KPI_DAYS = "EXECUTIVE_INTELLIGENCE.KPI_DAYS"


class KpiConfig(dg.Config):
    """How much of the KPIs to compute."""

    full: bool = False
    """Every day, and not from the first that has changed."""


@dg.asset(
    key=KPI_ROLLUPS_KEY,
    deps=[
        *(raw_key(entity.table.name) for entity in rows.entities("hubspot")),
        dg.AssetKey(["gong", "calls"]),
        dg.AssetKey(["linear", "issues"]),
        dg.AssetKey(["linear", "cycles"]),
        CALL_ENRICHMENT_KEY,
        ISSUE_ENRICHMENT_KEY,
    ],
    group_name="executive",
    kinds={"snowflake"},
    owners=OWNERS,
    pool="warehouse",
    code_version=view_version(KPI_DAYS, KPI_ROLLUPS),
    automation_condition=ON_CHANGE,
    freshness_policy=BY_MORNING,
    metadata=table_metadata(KPI_ROLLUPS),
    description="The company's numbers, a UTC day a row, restated from the first day that has changed.",
)
def kpi_rollups(
    context: dg.AssetExecutionContext, config: KpiConfig, profile: dg.ResourceParam[Profile]
) -> dg.MaterializeResult[None]:
    with opened(context, profile) as warehouse:
        done = kpis.refresh(profile.intelligence, warehouse, datetime.now(UTC).date(), full=config.full)
        counted = warehouse.query(f"SELECT COUNT(*) AS ROW_COUNT, MAX(COMPUTED_AT) AS CHANGED_AT FROM {KPI_ROLLUPS}")
    [now] = counted.to_pylist()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{now['row_count']} {now['changed_at']}"),
        metadata={
            "dagster/row_count": now["row_count"],
            "days_computed": done.days,
            "since": done.since.isoformat() if done.since else "no data yet",
            **view_lineage(KPI_DAYS),
        },
    )


def _view(key: list[str], view: str, deps: list[dg.AssetKey], description: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=key,
        deps=deps,
        group_name=key[0],
        kinds={"snowflake", "view"},
        owners=OWNERS,
        pool="warehouse",
        code_version=view_version(view),
        automation_condition=ON_CHANGE,
        freshness_policy=BY_MORNING,
        metadata=table_metadata(view),
        description=description,
    )
    def read(context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile]) -> dg.MaterializeResult[None]:
        with opened(context, profile) as warehouse:
            counted = warehouse.query(f"SELECT COUNT(*) AS ROW_COUNT FROM {view}")
        return dg.MaterializeResult(
            metadata={"dagster/row_count": counted["row_count"][0].as_py(), **view_lineage(view)}
        )

    return read


ASSETS = [
    kpi_rollups,
    _view(
        ["intelligence", "call_transcripts"],
        "GONG_INTELLIGENCE.CALL_TRANSCRIPTS",
        [dg.AssetKey(["gong", "calls"]), CALL_ENRICHMENT_KEY, MEMORY_KEY],
        "A call a row, with its account, what was made of it, and the chunks of its transcript in order.",
    ),
    _view(
        ["executive", "executive_dashboard_data"],
        "EXECUTIVE_INTELLIGENCE.EXECUTIVE_DASHBOARD_DATA",
        [dg.AssetKey(["gong", "calls"]), CALL_ENRICHMENT_KEY, KPI_ROLLUPS_KEY],
        "A UTC day a row, the last 30: calls, their sentiment, the competitors named, and the KPIs.",
    ),
    _view(
        ["executive", "sales_dashboard_data"],
        "SOPHIA_BUSINESS_INTELLIGENCE.SALES_DASHBOARD_DATA",
        [
            *(dg.AssetKey(["hubspot", entity]) for entity in ("deals", "deal_stages", "pipelines", "owners")),
            dg.AssetKey(["hubspot", "associations"]),
            CALL_ENRICHMENT_KEY,
        ],
        "The pipeline by stage and owner, with win rates and the competitors named.",
    ),
    _view(
        ["executive", "projects_dashboard_data"],
        "SOPHIA_PROJECT_MANAGEMENT.PROJECTS_DASHBOARD_DATA",
        [dg.AssetKey(["linear", entity]) for entity in ("issues", "projects", "teams", "cycles")],
        "Health, progress and on-time delivery by project and team.",
    ),
    _view(
        ["executive", "knowledge_dashboard_data"],
        "MONITORING.KNOWLEDGE_DASHBOARD_DATA",
        [*(catalog_key(source) for source in rows.sources()), MEMORY_KEY],
        "Documents, chunks, freshness and backlog by source.",
    ),
]
