"""What people and Cortex read: views on raw and memory. They are always current; an asset says what they hold."""

import dagster as dg

from assets.memory import MEMORY_KEY
from resources.profile import Profile
from resources.warehouse import open_warehouse, require_migrated


def _view(key: list[str], view: str, deps: list[dg.AssetKey], description: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=key,
        deps=deps,
        group_name=key[0],
        kinds={"snowflake", "view"},
        metadata={"dagster/table_name": view},
        description=description,
    )
    def read(profile: dg.ResourceParam[Profile]) -> dg.MaterializeResult[None]:
        with open_warehouse(profile) as warehouse:
            require_migrated(warehouse)
            counted = warehouse.query(f"SELECT COUNT(*) AS ROW_COUNT FROM {view}")
        return dg.MaterializeResult(metadata={"dagster/row_count": counted["row_count"][0].as_py()})

    return read


ASSETS = [
    _view(
        ["intelligence", "call_transcripts"],
        "GONG_INTELLIGENCE.CALL_TRANSCRIPTS",
        [dg.AssetKey(["gong", "calls"]), MEMORY_KEY],
        "A call a row, with its account and the chunks of its transcript in order.",
    ),
    _view(
        ["executive", "executive_dashboard_data"],
        "EXECUTIVE_INTELLIGENCE.EXECUTIVE_DASHBOARD_DATA",
        [dg.AssetKey(["gong", "calls"])],
        "A UTC day a row, the last 30: calls and the accounts they were with.",
    ),
]
