"""Quality in Dagster: what blocks stops what is downstream, and a check that cannot be evaluated is no bad data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from dagster_shared.serdes import serialize_value

import sandbox
from assets.checks import CHECKS, CheckConfig
from assets.intelligence import CALL_ENRICHMENT_KEY, call_enrichment
from assets.schemas import raw_key
from assets.sources import source_assets
from pipelines import quality, sources
from resources.profile import Profile
from resources.warehouse import Warehouse, open_warehouse
from tests.conftest import profile_for
from tests.pipelines.rig import open_rig

CALLS = raw_key("GONG_INTEGRATION.CALLS")
CHECK_STEP = "check_gong"
EVERYTHING = dg.AssetSelection.all()
LOADED = dg.AssetSelection.assets(CALLS).required_multi_asset_neighbors().without_checks()


@pytest.fixture
def profile(tmp_path: Path, small_world: sandbox.Control, broker: str) -> Iterator[Profile]:
    """Of an empty warehouse, with vendors and a broker."""
    profile = profile_for(tmp_path, small_world, broker)
    with open_rig(profile, small_world, ["gong"]):
        yield profile


@pytest.fixture
def warehouse(profile: Profile) -> Iterator[Warehouse]:
    with open_warehouse(profile) as opened:
        yield opened


def run(
    profile: Profile, selection: dg.AssetSelection = EVERYTHING, *, full: bool = False
) -> dg.ExecuteInProcessResult:
    """Of Gong's tables, the enrichment that is made from them, and the checks of both."""
    settings = sources.module("gong").Settings()
    ops = {CHECK_STEP: CheckConfig(full=True)} if full else {}
    defs = dg.Definitions(
        assets=[source_assets("gong", settings, 5), call_enrichment],
        asset_checks=[check for check in CHECKS if check.node_def.name in (CHECK_STEP, "check_intelligence")],
        jobs=[dg.define_asset_job("run", selection=selection, config=dg.RunConfig(ops=ops))],
        resources={"profile": profile},
        executor=dg.in_process_executor,
    )
    with dg.DagsterInstance.ephemeral() as instance:
        return defs.resolve_job_def("run").execute_in_process(instance=instance, raise_on_error=False)


def evaluations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {f"{one.asset_key.to_user_string()}:{one.check_name}": one for one in result.get_asset_check_evaluations()}


def test_a_blocking_check_that_fails_stops_what_is_downstream(profile: Profile, warehouse: Warehouse) -> None:
    warehouse.execute(
        "INSERT INTO MONITORING.TABLE_ROWS (TABLE_NAME, LIVE_ROWS, COUNTED_AT) "
        "SELECT 'GONG_INTEGRATION.CALLS', 9999, SYSDATE()"
    )
    result = run(profile)
    assert not result.success
    assert evaluations(result)["gong/calls:keys"].passed
    failed = evaluations(result)["gong/calls:size"]
    assert (failed.passed, failed.severity, failed.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    made = {event.asset_key for event in result.get_asset_materialization_events()}
    assert CALLS in made
    assert CALL_ENRICHMENT_KEY not in made
    assert warehouse.query("SELECT COUNT(*) AS N FROM GONG_INTELLIGENCE.CALL_ENRICHMENT")["n"][0].as_py() == 0

    quality.accept(warehouse, "gong/calls")
    result = run(profile)
    assert result.success
    assert all(one.passed for one in evaluations(result).values())
    assert CALL_ENRICHMENT_KEY in {event.asset_key for event in result.get_asset_materialization_events()}


def test_what_cannot_be_evaluated_fails_to_run_and_says_nothing_of_the_data(profile: Profile) -> None:
    assert run(profile, LOADED).success
    with duckdb.connect(str(profile.duckdb_path)) as connection:
        connection.execute("ALTER TABLE GONG_INTEGRATION.CALLS ALTER DURATION_S TYPE VARCHAR")
        connection.execute("UPDATE GONG_INTEGRATION.CALLS SET DURATION_S = 'an hour with Ann'")
    result = run(profile, dg.AssetSelection.checks_for_assets(CALLS))
    assert not result.success
    assert {name: one.passed for name, one in evaluations(result).items()} == {
        "gong/calls:keys": True,
        "gong/calls:rows": True,
        "gong/calls:size": True,
    }
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.error is not None
    assert "gong/calls:ranges could not be evaluated" in failure.error.to_string()
    assert "Ann" not in "".join(serialize_value(event) for event in result.all_events)


def test_only_the_checks_that_are_asked_for_are_run(profile: Profile) -> None:
    keys = dg.AssetSelection.checks(dg.AssetCheckKey(CALLS, "keys"))
    result = run(profile, keys)
    assert list(evaluations(result)) == ["gong/calls:keys"]


def test_a_broken_rule_is_told_by_keys_and_numbers(profile: Profile, warehouse: Warehouse) -> None:
    assert run(profile, LOADED).success
    warehouse.execute("UPDATE GONG_INTEGRATION.CALLS SET DURATION_S = -5")
    result = run(profile, dg.AssetSelection.checks_for_assets(CALLS), full=True)
    assert result.success, "ranges warn"
    told = evaluations(result)["gong/calls:ranges"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    [broken] = told.metadata["broken"].value  # type: ignore[union-attr]
    assert broken["rule"] == told.description == "duration_s is from 0 to 86400"
    assert broken["rows"] == told.metadata["rows"].value
    assert broken["shown"][0]["values"] == {"duration_s": -5}
    assert json.dumps(broken)


def test_there_is_a_step_a_source_and_a_layer() -> None:
    assert [check.node_def.name for check in CHECKS] == [f"check_{group}" for group in quality.groups()]
    assert len(CHECKS) <= 12
    for specs in (check.check_specs for check in CHECKS):
        assert all(spec.description for spec in specs)
