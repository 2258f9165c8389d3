"""The jobs of the code location."""

from __future__ import annotations

from assets.definitions import CHECK_ALL, RECONCILE, WHOLE_WAY, defs
from assets.sources import catalog_key
from pipelines import sources


def test_a_reconcile_reads_every_source_again() -> None:
    job = defs.resolve_job_def(RECONCILE)
    assert job.run_config is not None
    assert job.run_config["ops"] == {source: {"config": {"full": True}} for source in sources.names()}
    selected = job.asset_layer.executable_asset_keys
    assert {catalog_key(source) for source in sources.names()} <= selected
    assert {node.name for node in job.nodes if not node.name.startswith("check_")} == set(sources.names())


def test_the_whole_way_needs_no_config() -> None:
    assert not defs.resolve_job_def(WHOLE_WAY).run_config


def test_the_nightly_look_is_at_every_row_by_every_check() -> None:
    job = defs.resolve_job_def(CHECK_ALL)
    assert job.run_config is not None
    assert {name: ops["config"] for name, ops in job.run_config["ops"].items()} == {
        node.name: {"full": True} for node in job.nodes
    }
    assert job.asset_layer.asset_graph.asset_check_keys == defs.resolve_asset_graph().asset_check_keys


def test_every_source_is_pulled_and_reconciled_by_the_clock_and_all_is_on() -> None:
    crons = {schedule.name: schedule.cron_schedule for schedule in defs.schedules or ()}
    for source in sources.names():
        assert crons[f"pull_{source}_schedule"] == "0 * * * *"
        assert crons[f"reconcile_{source}_schedule"] == "30 2 * * *"
    started = [*(defs.schedules or ()), *(defs.sensors or ())]
    assert {one.default_status.value for one in started} == {"RUNNING"}
