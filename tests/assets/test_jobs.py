"""The jobs and what starts them: a real instance, sandbox, broker, worker and warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import pytest
from dagster._core.errors import DagsterUnknownPartitionError

import sandbox
from assets.dead_letters import DEAD_LETTERS_KEY
from assets.definitions import defs
from assets.external import vendor_key
from assets.memory import MEMORY_KEY
from assets.schedules import LAND_MEMORY, vectors_wait
from contracts.address import MEMORY_TOPIC, Address
from pipelines import dead_letters, publishing
from resources import kafka
from tests.conftest import profile_for
from tests.gpu_workers.rig import wait_until
from tests.pipelines.rig import CALLS_AND_CHATS, Rig, open_rig
from transforms.raw import Rejected

pytestmark = pytest.mark.long

CALLS = dg.AssetKey(["gong", "calls"])


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def rig(tmp_path: Path, small_world: sandbox.Control, broker: str) -> Iterator[Rig]:
    with open_rig(profile_for(tmp_path, small_world, broker), small_world, CALLS_AND_CHATS) as opened:
        yield opened


def run(job: str, rig: Rig, instance: dg.DagsterInstance, **more: Any) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(instance=instance, resources={"profile": rig.profile}, **more)


def told(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Any]:
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_a_pull_that_meets_its_quota_is_green_and_says_when_it_goes_on(rig: Rig, instance: dg.DagsterInstance) -> None:
    gong = rig.profile.vendors["gong"] | {"requests_per_day": "2", "processes": "2"}
    profile = msgspec.structs.replace(rig.profile, vendors=rig.profile.vendors | {"gong": gong})
    done = defs.resolve_job_def("pull_gong").execute_in_process(instance=instance, resources={"profile": profile})
    assert done.success
    assert "goes_on_at" not in told(instance, dg.AssetKey(["gong", "users"]))
    assert told(instance, dg.AssetKey(["gong", "transcripts"]))["goes_on_at"] > datetime.now(UTC).timestamp()
    [seen] = instance.fetch_observations(vendor_key("gong"), limit=1).records
    assert seen.asset_observation is not None
    metadata = {name: value.value for name, value in seen.asset_observation.metadata.items()}
    assert metadata == {"circuit": "closed", "requests_today": 2}
    assert [(pool.name, pool.limit) for pool in instance.event_log_storage.get_pool_limits()] == [("gong", 2)]


def version(instance: dg.DagsterInstance, key: dg.AssetKey) -> str:
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization.tags["dagster/data_version"]  # type: ignore[index]


def asks(rig: Rig, instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[Any, str | None]:
    """What the landing sensor says, and the cursor that it leaves."""
    with dg.build_sensor_context(instance, cursor=cursor, resources={"profile": rig.profile}) as context:
        return vectors_wait(context), context.cursor


def test_a_pull_counts_its_rows_and_keeps_its_version_while_nothing_changes(
    rig: Rig, instance: dg.DagsterInstance
) -> None:
    assert run("pull_gong", rig, instance).success
    first, was = told(instance, CALLS), version(instance, CALLS)
    [held] = rig.rows("SELECT COUNT(*) AS N FROM GONG_INTEGRATION.CALLS WHERE _DELETED_AT IS NULL")
    assert first["dagster/row_count"] == first["changed"] == held["n"] > 0
    assert run("pull_gong", rig, instance).success
    again = told(instance, CALLS)
    assert (again["dagster/row_count"], again["changed"]) == (first["dagster/row_count"], 0)
    assert version(instance, CALLS) == was
    rig.control.create("gong.calls", title="A new call")
    assert run("pull_gong", rig, instance).success
    assert version(instance, CALLS) > was


def test_the_landing_sensor_asks_for_a_range_once_and_again_when_it_is_still_there(
    rig: Rig, instance: dg.DagsterInstance
) -> None:
    said, cursor = asks(rig, instance)
    assert said.skip_message == "No vector waits."
    rig.pull()
    rig.catalogue()
    with rig.worker():
        published = rig.publish()
        wait_until(lambda: isinstance(asks(rig, instance)[0], dg.RunRequest))
        wait_until(lambda: sum(kafka.end_offsets(rig.profile.kafka, MEMORY_TOPIC).values()) == published)
    first, cursor = asks(rig, instance)
    second, _ = asks(rig, instance, cursor)
    assert first.run_key.endswith("attempt 1")
    assert second.run_key == first.run_key.replace("attempt 1", "attempt 2")
    with in_flight(instance, LAND_MEMORY):
        assert asks(rig, instance)[0].skip_message == "A landing is in flight."
    done = run(LAND_MEMORY, rig, instance, run_config=first.run_config)
    assert done.success
    assert publishing.backlog(rig.profile, rig.warehouse) == 0
    chunks = rig.rows("SELECT 1 AS X FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS")
    assert told(instance, MEMORY_KEY)["dagster/row_count"] == len(chunks) > 0
    assert asks(rig, instance)[0].skip_message == "No vector waits."
    resident = msgspec.structs.replace(
        rig.profile, automation=msgspec.structs.replace(rig.profile.automation, lander="resident")
    )
    with dg.build_sensor_context(instance, resources={"profile": resident}) as context:
        assert "sophia land --follow" in vectors_wait(context).skip_message  # type: ignore[union-attr]


def test_with_a_resident_lander_the_memory_waits_for_it_and_lands_nothing(
    rig: Rig, instance: dg.DagsterInstance
) -> None:
    rig.profile = msgspec.structs.replace(
        rig.profile, automation=msgspec.structs.replace(rig.profile.automation, lander="resident")
    )
    with rig.worker():
        rig.load()
    assert run(LAND_MEMORY, rig, instance).success
    assert told(instance, MEMORY_KEY)["documents"] == 0


def test_a_backfill_of_a_channel_and_of_a_day_tells_the_assets(rig: Rig, instance: dg.DagsterInstance) -> None:
    assert run("pull_slack", rig, instance).success
    channels = rig.rows("SELECT CHANNEL_ID, COUNT(*) AS N FROM SLACK_INTEGRATION.MESSAGES GROUP BY 1 ORDER BY 2 DESC")
    assert set(instance.get_dynamic_partitions("slack_channels")) >= {row["channel_id"] for row in channels}
    messages = rig.rows("SELECT COUNT(*) AS N FROM SLACK_INTEGRATION.MESSAGES")
    rig.warehouse.execute("DELETE FROM SLACK_INTEGRATION.MESSAGES WHERE CHANNEL_ID = ?", [channels[0]["channel_id"]])
    assert run("backfill_slack", rig, instance, partition_key=channels[0]["channel_id"]).success
    assert rig.rows("SELECT COUNT(*) AS N FROM SLACK_INTEGRATION.MESSAGES") == messages
    assert told(instance, dg.AssetKey(["slack", "messages"]))["changed"] == channels[0]["n"]
    assert run("backfill_gong", rig, instance, partition_key="2015-01-01").success is True
    with pytest.raises(DagsterUnknownPartitionError):
        run("backfill_slack", rig, instance, partition_key="C404")


def test_a_replay_takes_a_record_all_the_way_to_the_workers(rig: Rig, instance: dg.DagsterInstance) -> None:
    """It was rejected by a rule that has been mended since; its call lies in the world like any other."""
    rig.pull()
    rig.catalogue()
    call = next(c for c in rig.control.dump()["gong.calls"] if c["metaData"]["isPrivate"] is False)
    call_id = call["metaData"]["id"]
    for table in ("CALLS", "TRANSCRIPTS"):
        rig.warehouse.execute(f"DELETE FROM GONG_INTEGRATION.{table} WHERE CALL_ID = ?", [call_id])
    letter = dead_letters.of_record(Address("gong", "calls"), Rejected(call, "a rule of yesterday"), datetime.now(UTC))
    dead_letters.store(rig.warehouse, [letter])
    rig.publish()

    assert run("replay_dead_letters", rig, instance).success
    assert rig.rows(f"SELECT _DELETED_AT FROM GONG_INTEGRATION.CALLS WHERE CALL_ID = '{call_id}'") == [
        {"_deleted_at": None}
    ]
    counted = told(instance, DEAD_LETTERS_KEY)
    assert (counted["dagster/row_count"], counted["waiting"]) == (1, 0)


@contextmanager
def in_flight(instance: dg.DagsterInstance, job: str) -> Iterator[None]:
    run = instance.create_run_for_job(defs.resolve_job_def(job), status=dg.DagsterRunStatus.STARTED)
    yield
    instance.delete_run(run.run_id)
