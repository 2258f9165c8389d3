"""The jobs of the code location."""

from __future__ import annotations

from assets.definitions import RECONCILE, WHOLE_WAY, defs
from assets.sources import catalog_key
from pipelines import sources


def test_a_reconcile_reads_every_source_again() -> None:
    job = defs.resolve_job_def(RECONCILE)
    assert job.run_config is not None
    assert job.run_config["ops"] == {source: {"config": {"full": True}} for source in sources.names()}
    selected = job.asset_layer.executable_asset_keys
    assert {catalog_key(source) for source in sources.names()} <= selected
    assert {node.name for node in job.nodes} == set(sources.names())


def test_the_whole_way_needs_no_config() -> None:
    assert not defs.resolve_job_def(WHOLE_WAY).run_config
