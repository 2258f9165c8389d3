"""`sophia doctor`: what is wrong is found, with its way out, in seconds, and no secret is told."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import sandbox
from cli.doctor import DEADLINE_S
from pipelines import sources
from resources.broker import free_port
from tests.cli.test_mistakes import migrated, sophia  # noqa: F401 - a fixture
from tests.pipelines.rig import Rig

pytestmark = pytest.mark.long

SECRETS = {
    "SOPHIA_GONG_ACCESS_KEY": "hunter2-gong",
    "SOPHIA_GONG_ACCESS_KEY_SECRET": "hunter2-gong-too",
    "SOPHIA_HUBSPOT_TOKEN": "hunter2-hubspot",
    "SOPHIA_SLACK_TOKEN": "hunter2-slack",
    "SOPHIA_LINEAR_API_KEY": "hunter2-linear",
    "SOPHIA_ALERTS_SLACK_WEBHOOK": "https://hooks.slack.com/services/hunter2-hook",
}


def examined(home: Path, *arguments: str, code: int, **settings: str) -> dict[str, tuple[str, str]]:
    """Check → state and line."""
    done = sophia("doctor", "--json", *arguments, home=home, **settings)
    assert done.returncode == code, done.stdout + done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    return {one["name"]: (one["state"], one["says"]) for one in json.loads(done.stdout)}


@pytest.fixture
def silent() -> Iterator[str]:
    """An address where something listens, and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def vendors_at(url: str) -> dict[str, str]:
    return {f"SOPHIA_{source.upper()}_URL": f"{url}/{source}" for source in sources.names()}


def test_with_everything_dead_each_part_is_named_in_time(tmp_path: Path, silent: str) -> None:
    settings = {**SECRETS, **vendors_at(f"http://{silent}"), "SOPHIA_KAFKA_BOOTSTRAP": silent}
    began = time.monotonic()
    found = examined(tmp_path / "none", code=1, **settings)
    assert time.monotonic() - began < DEADLINE_S + 10, "on a machine that others use"
    wrong = {name for name, (state, _) in found.items() if state == "wrong"}
    assert wrong == {"home", "warehouse", "Kafka", "worker", "Dagster", *sources.names()}
    for name, words in {
        "home": "SOPHIA_HOME",
        "warehouse": "sophia migrate apply",
        "Kafka": "SOPHIA_KAFKA_BOOTSTRAP",
        "gong": f"Gong does not answer at http://{silent}/gong",
        "Dagster": "DAGSTER_HOME",
    }.items():
        assert words in found[name][1]
    assert not (tmp_path / "none").exists(), "it only looks"


def test_what_answers_is_well(rig: Rig, small_world: sandbox.Control) -> None:
    settings = {
        "SOPHIA_KAFKA_BOOTSTRAP": rig.profile.kafka.bootstrap,
        "SOPHIA_SANDBOX_PORT": small_world.url.rpartition(":")[2],
    }
    rig.pull()
    rig.catalogue()
    rig.publish()
    with rig.worker():
        rig.land()
        found = examined(rig.profile.home, "--sandbox", code=1, **settings)
    well = {name for name, (state, _) in found.items() if state == "ok"}
    assert {"settings", "home", "warehouse", "Kafka", "worker", "programs", *sources.names()} <= well
    assert found["Dagster"][0] == "wrong", "nobody has started it"

    other = examined(rig.profile.home, "--sandbox", code=1, SOPHIA_EMBEDDING_MODEL="all-minilm-l6-v2", **settings)
    assert other["warehouse"][0] == "wrong"
    assert "sophia migrate apply" in other["warehouse"][1]
    refused = examined(rig.profile.home, "--sandbox", code=1, **settings, **SECRETS)
    for source in sources.names():
        assert refused[source][0] == "wrong"
        assert "refused the request" in refused[source][1]


def test_nobody_reads_is_told(rig: Rig) -> None:
    rig.pull()
    rig.catalogue()
    waiting = rig.publish()
    found = examined(rig.profile.home, code=1, SOPHIA_KAFKA_BOOTSTRAP=rig.profile.kafka.bootstrap)
    assert found["worker"] == (
        "wrong",
        f"nobody reads documents.v1, {waiting} messages wait; start one with python -m gpu_workers",
    )


@pytest.mark.parametrize(
    ("settings", "name", "state", "words"),
    [
        ({"SOPHIA_KAFKA_PARTITIONS": "many"}, "settings", "wrong", "SOPHIA_KAFKA_PARTITIONS='many'"),
        ({"SOPHIA_SLACK_TIER2_PER_MINUTE": "0"}, "settings", "wrong", "SOPHIA_SLACK_TIER2_PER_MINUTE"),
        ({"SOPHIA_EMBEDDING_MODEL": "arctic-embed-m-v1.5"}, "model", "warning", "SOPHIA_EMBEDDING_WEIGHTS is not set"),
        ({"SOPHIA_SNOWFLAKE_USER": "x", "SOPHIA_WAREHOUSE": "snowflake"}, "warehouse", "wrong", "SOPHIA_SNOWFLAKE"),
        ({"SOPHIA_ALERTS_SLACK_WEBHOOK": ""}, "alerts", "warning", "told nobody"),
    ],
)
def test_a_setting_is_named(
    migrated: Path,  # noqa: F811 - the fixture
    settings: dict[str, str],
    name: str,
    state: str,
    words: str,
) -> None:
    bootstrap = f"127.0.0.1:{free_port()}"
    found = examined(migrated, "--sandbox", code=1, SOPHIA_KAFKA_BOOTSTRAP=bootstrap, **settings)
    assert found[name][0] == state
    assert words in found[name][1]


def test_people_get_a_line_a_check(migrated: Path) -> None:  # noqa: F811 - the fixture
    done = sophia("doctor", home=migrated, SOPHIA_KAFKA_BOOTSTRAP=f"127.0.0.1:{free_port()}")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert "ok      settings   every value can be used" in lines
    assert all(line.split()[0] in ("ok", "warning", "wrong") for line in lines)
