"""The code location on one page. Loads with no variable set, no network and no secret."""

import dagster as dg

from assets import alerts, automation, checks, dashboards, dead_letters, external, intelligence, memory, schedules
from assets.sources import LoadConfig, backfill_job, source_assets
from pipelines import sources
from resources.definitions import PROFILE
from resources.profile import Profile

WHOLE_WAY = "whole_way"
"""The job from every vendor to the views."""
RECONCILE = "reconcile"
"""The job that finds what no incremental pull can see."""

PROFILE_AT_LOAD = Profile.read()
"""Says when what starts by itself; all else of it is read inside a run."""
SETTINGS = {name: PROFILE_AT_LOAD.section(name, sources.module(name).Settings) for name in sources.names()}
SOURCES = {
    name: source_assets(name, settings, PROFILE_AT_LOAD.automation.freshness_minutes)
    for name, settings in SETTINGS.items()
}
CHECK_ALL = "check_all"
"""The job of every check on every row."""
FULL = {name: LoadConfig(full=True) for name in SOURCES}

defs = dg.Definitions(
    assets=[
        *external.EXTERNAL,
        *SOURCES.values(),
        memory.memory_records,
        *intelligence.ASSETS,
        *dashboards.ASSETS,
        dead_letters.dead_letters_table,
    ],
    asset_checks=checks.CHECKS,
    jobs=[
        dg.define_asset_job(
            WHOLE_WAY, selection=dg.AssetSelection.all(), description="Pull every source, embed, land, read the views."
        ),
        dg.define_asset_job(
            RECONCILE,
            selection=dg.AssetSelection.assets(*SOURCES.values()),
            config=dg.RunConfig(ops=FULL),
            description="Read every source again from its beginning: what changed without a trace is seen.",
        ),
        *(
            dg.define_asset_job(
                f"pull_{name}",
                selection=dg.AssetSelection.assets(assets),
                description=f"Pull what is new of {name.title()}, land, catalogue, publish.",
            )
            for name, assets in SOURCES.items()
        ),
        *(
            dg.define_asset_job(
                f"reconcile_{name}",
                selection=dg.AssetSelection.assets(assets),
                config=dg.RunConfig(ops={name: FULL[name]}),
                description=f"Read {name.title()} again from its beginning.",
            )
            for name, assets in SOURCES.items()
        ),
        *(job for name in SOURCES if (job := backfill_job(name)) is not None),
        dg.define_asset_job(
            schedules.LAND_MEMORY,
            selection=dg.AssetSelection.assets(memory.memory_records),
            description="Land the vectors that wait.",
        ),
        dead_letters.replay_dead_letters,
        dg.define_asset_job(
            CHECK_ALL,
            selection=dg.AssetSelection.all_asset_checks(),
            config=dg.RunConfig(ops={one.op.name: checks.CheckConfig(full=True) for one in checks.CHECKS}),
            description="Look at every row, and not at what has changed alone.",
        ),
        checks.accept_row_count,
    ],
    schedules=[
        schedule
        for name, settings in SETTINGS.items()
        for schedule in schedules.of_source(settings, f"pull_{name}", f"reconcile_{name}")
    ]
    + [schedules.by_the_clock(CHECK_ALL, schedules.AFTER_THE_NIGHT)],
    sensors=[automation.AUTOMATION, schedules.vectors_wait, *alerts.SENSORS],
    resources={"profile": PROFILE},
    executor=dg.in_process_executor,
)
