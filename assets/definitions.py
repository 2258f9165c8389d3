"""The code location on one page. Loads with no variable set, no network and no secret."""

import dagster as dg

from assets import dashboards, intelligence, memory
from assets.sources import LoadConfig, source_assets
from pipelines import sources
from resources.definitions import PROFILE

WHOLE_WAY = "whole_way"
"""The job from every vendor to the views."""
RECONCILE = "reconcile"
"""The job that finds what no incremental pull can see."""
SOURCES = [source_assets(source) for source in sources.names()]

defs = dg.Definitions(
    assets=[
        *SOURCES,
        memory.memory_records,
        *intelligence.ASSETS,
        *dashboards.ASSETS,
    ],
    jobs=[
        dg.define_asset_job(
            WHOLE_WAY, selection=dg.AssetSelection.all(), description="Pull every source, embed, land, read the views."
        ),
        dg.define_asset_job(
            RECONCILE,
            selection=dg.AssetSelection.assets(*SOURCES),
            config=dg.RunConfig(ops={source: LoadConfig(full=True) for source in sources.names()}),
            description="Read every source again from its beginning: what changed without a trace is seen.",
        ),
    ],
    resources={"profile": PROFILE},
    executor=dg.in_process_executor,
)
