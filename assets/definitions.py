"""The code location on one page. Loads with no variable set, no network and no secret."""

import dagster as dg

from assets import dashboards, intelligence, memory
from assets.sources import source_assets
from pipelines import sources
from resources.definitions import PROFILE

WHOLE_WAY = "whole_way"
"""The job from every vendor to the views."""

defs = dg.Definitions(
    assets=[
        *(source_assets(source) for source in sources.names()),
        memory.memory_records,
        *intelligence.ASSETS,
        *dashboards.ASSETS,
    ],
    jobs=[
        dg.define_asset_job(
            WHOLE_WAY, selection=dg.AssetSelection.all(), description="Pull every source, embed, land, read the views."
        )
    ],
    resources={"profile": PROFILE},
    executor=dg.in_process_executor,
)
