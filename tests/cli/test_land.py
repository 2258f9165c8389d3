"""`sophia land`: the lander as a process; what happens to broker, partitions and Dagster while it runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import sandbox
from assets.memory import MEMORY_KEY
from cli import local
from pipelines import publishing
from pipelines.health import memory_lag
from resources.broker import LocalBroker, free_port
from tests.cli.test_mistakes import PROJECT, environment, says, sophia
from tests.cli.test_processes import await_true
from tests.conftest import profile_for
from tests.pipelines.rig import CALLS_AND_CHATS, Rig, open_rig
from tests.pipelines.test_changes import assert_memory_is_whole

pytestmark = pytest.mark.long


def settings(rig: Rig) -> dict[str, str]:
    return {
        "SOPHIA_KAFKA_BOOTSTRAP": rig.profile.kafka.bootstrap,
        "SOPHIA_KAFKA_SESSION_TIMEOUT_S": "2",
        "SOPHIA_AUTOMATION_LANDER": "resident",
    }


def publish(rig: Rig) -> int:
    rig.pull()
    rig.catalogue()
    return rig.publish()


def embedded(rig: Rig, published: int) -> None:
    """Wait until the workers have done with what was published."""
    await_true(lambda: memory_lag(rig.profile, rig.warehouse) >= published, within_s=60)


@contextmanager
def following(rig: Rig) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-c", "from cli.main import main; main()", "land", "--follow", "--json"]
    environ = environment(rig.profile.home, **settings(rig))
    with subprocess.Popen(
        program, env=environ, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """What it says it has done, and its log."""
    process.send_signal(signal.SIGTERM)
    said, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    return json.loads(said), [json.loads(line) for line in log.splitlines()]


def landed(rig: Rig) -> bool:
    return publishing.backlog(rig.profile, rig.warehouse) == 0


def test_it_lands_what_waits_and_ends(rig: Rig) -> None:
    with rig.worker():
        published = publish(rig)
        embedded(rig, published)
    done = sophia("land", "--json", home=rig.profile.home, **settings(rig))
    assert json.loads(done.stdout)["documents"] == published
    assert_memory_is_whole(rig)
    again = sophia("land", home=rig.profile.home, **settings(rig))
    assert "documents: 0" in again.stdout


def test_it_follows_until_it_is_told_to_stop_and_tells_dagster(rig: Rig) -> None:
    home = local.prepare_dagster(rig.profile)
    with rig.worker(), following(rig) as process:
        published = publish(rig)
        await_true(lambda: landed(rig), within_s=60)
        done, log = ended(process)
    assert done["documents"] == published
    assert {line["event"] for line in log} == {"memory_landed"}
    assert_memory_is_whole(rig)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        told = instance.get_latest_materialization_event(MEMORY_KEY)
    assert told is not None
    assert told.asset_materialization is not None
    metadata = told.asset_materialization.metadata
    assert {name: metadata[name].value for name in ("documents", "lag")} == {"documents": published, "lag": 0}
    assert metadata["rows_written"].value == sum(len(chunks) for chunks in rig.memory().values())


def test_a_partition_that_was_taken_is_claimed_anew(rig: Rig) -> None:
    """As another lander does it in the midst of a landing: this one's batch is rolled back, and comes again."""
    with following(rig) as process:
        keys = "SELECT POSITION_KEY FROM SOPHIA_CORE.POSITIONS WHERE STARTSWITH(POSITION_KEY, 'topic:memory.v1:')"
        await_true(lambda: len(rig.rows(keys)) == rig.profile.kafka.partitions, within_s=60)
        rig.warehouse.claim_all([row["position_key"] for row in rig.rows(keys)], owner="another lander")
        published = publish(rig)
        with rig.worker():
            await_true(lambda: landed(rig), within_s=60)
        done, log = ended(process)
    assert done["documents"] == published
    told = [line["error"] for line in log if line["event"] == "landing_interrupted"]
    assert told
    assert all("a newer writer has taken over" in error for error in told)
    assert_memory_is_whole(rig)


def test_a_broker_that_goes_and_comes_back_is_waited_for(tmp_path: Path, small_world: sandbox.Control) -> None:
    port = free_port()
    profile = profile_for(tmp_path, small_world, f"127.0.0.1:{port}")
    with open_rig(profile, small_world, CALLS_AND_CHATS) as rig, following(rig) as process:
        assert process.stderr is not None
        first = json.loads(process.stderr.readline())
        assert first["event"] == "landing_interrupted"
        assert f"no Kafka broker answers at 127.0.0.1:{port}" in first["error"]
        with LocalBroker(port), rig.worker():
            publish(rig)
            await_true(lambda: landed(rig), within_s=180)
        small_world.create("gong.calls", title="While the broker was away")
        with LocalBroker(port), rig.worker():
            publish(rig)
            await_true(lambda: landed(rig), within_s=180)
            assert_memory_is_whole(rig)
            ended(process)


def test_only_one_kind_of_lander_follows(tmp_path: Path) -> None:
    done = sophia("land", "--follow", home=tmp_path)
    says(done, "SOPHIA_AUTOMATION_LANDER='sensor'", "set resident")


def test_what_waiting_cannot_mend_ends_it(tmp_path: Path) -> None:
    done = sophia("land", "--follow", home=tmp_path, SOPHIA_AUTOMATION_LANDER="resident")
    says(done, "sophia migrate apply")
