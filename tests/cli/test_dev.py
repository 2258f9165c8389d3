"""`sophia dev` as a user runs it: ready, it heals by itself, and nothing is left when it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import sandbox
from cli import local
from cli.processes import ask, socket_path
from pipelines import sources
from resources.broker import free_port
from resources.profile import Profile
from tests.cli.test_mistakes import PROJECT, environment, processes_of, says, sophia, taken  # noqa: F401 - a fixture
from tests.cli.test_processes import await_true

STARTED = "Ctrl-C stops all of it."


def ports() -> dict[str, str]:
    return {"SOPHIA_SANDBOX_PORT": str(free_port()), "SOPHIA_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}"}


class Dev:
    """A running `sophia dev`, ready."""

    def __init__(self, home: Path, port: int, settings: dict[str, str], process: subprocess.Popen[str]) -> None:
        self.home = home
        self.port = port
        self.settings = settings
        self.process = process
        self.said: list[str] = []

    def await_ready(self, within_s: float) -> None:
        assert self.process.stdout is not None
        impatience = threading.Timer(within_s, self.process.terminate)
        impatience.start()
        for line in self.process.stdout:
            self.said.append(line)
            if STARTED in line:
                break
        impatience.cancel()
        assert STARTED in self.said[-1], self.said

    def ask(self, query: str) -> Any:
        answer = httpx.post(f"http://127.0.0.1:{self.port}/graphql", json={"query": query}, timeout=60, trust_env=False)
        return answer.json()["data"]

    def programs(self) -> dict[str, Any]:
        return {one["name"]: one for one in ask(socket_path(self.home, "supervisord"), "getAllProcessInfo")}

    def sophia(self, *arguments: str) -> Any:
        """What a command says as JSON, run beside it."""
        done = sophia(*arguments, "--json", home=self.home, **self.settings)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def stop(self, by: signal.Signals) -> int:
        self.process.send_signal(by)
        code = self.process.wait(60)
        await_true(lambda: processes_of(self.home) == [], within_s=30)
        return code


@contextmanager
def dev(home: Path, **more: str) -> Iterator[Dev]:
    port = free_port()
    settings = {"SOPHIA_KAFKA_SESSION_TIMEOUT_S": "2", **ports(), **more}
    program = [sys.executable, "-c", "from cli.main import main; main()", "dev", "--port", str(port), "--scale", "0.15"]
    environ = environment(home, **settings)
    with subprocess.Popen(program, env=environ, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        running = Dev(home, port, settings, process)
        try:
            running.await_ready(within_s=180)
            yield running
        finally:
            process.terminate()
            process.wait(60)


def test_every_source_is_pulled_each_minute_unless_the_user_says_otherwise() -> None:
    environ = local.environment(Profile.read({}))
    for source in sources.names():
        assert environ[f"SOPHIA_{source.upper()}_PULL_CRON"] == local.EVERY_MINUTE


def test_a_taken_port_is_named(tmp_path: Path, taken: int) -> None:  # noqa: F811 - the fixture
    says(sophia("dev", "--port", str(taken), home=tmp_path, **ports()), f"port {taken} is taken", "--port")
    broker = ports() | {"SOPHIA_KAFKA_BOOTSTRAP": f"127.0.0.1:{taken}"}
    says(sophia("dev", home=tmp_path, **broker), f"port {taken} is taken", "SOPHIA_KAFKA_BOOTSTRAP")
    vendors = ports() | {"SOPHIA_SANDBOX_PORT": str(taken)}
    says(sophia("dev", home=tmp_path, **vendors), f"port {taken} is taken", "SOPHIA_SANDBOX_PORT")


@pytest.mark.long
def test_a_program_that_cannot_start_ends_it_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "vectors").write_text("not a folder")
    done = sophia("dev", "--port", str(free_port()), "--scale", "0.15", home=tmp_path, **ports())
    says(done, "worker ends each time it is started", "vectors", "worker.log")
    assert done.returncode == 1
    assert processes_of(tmp_path) == []


@pytest.mark.long
def test_it_is_ready_heals_and_stops_without_a_trace(tmp_path: Path) -> None:
    with dev(tmp_path) as running:
        assert running.ask("{ version }")["version"]
        locations = "locationEntries { name locationOrLoadError { __typename } }"
        found = running.ask("{ workspaceOrError { ... on Workspace { " + locations + " } } }")
        assert found["workspaceOrError"]["locationEntries"] == [
            {"name": "assets.definitions", "locationOrLoadError": {"__typename": "RepositoryLocation"}}
        ]
        assert {one["statename"] for one in running.programs().values()} <= {"RUNNING", "STARTING"}

        # the schedules load, the worker embeds, and the sensor's runs land
        await_true(lambda: is_loaded(running), within_s=240)
        wrong = [one for one in running.sophia("doctor", "--sandbox") if one["state"] == "wrong"]
        assert wrong == []

        for name in ("worker", "daemon", "code-server"):
            killed = running.programs()[name]["pid"]
            os.kill(killed, signal.SIGKILL)
            await_true(lambda name=name, killed=killed: running.programs()[name]["pid"] not in (0, killed))
        before = documents(running)
        url = f"http://127.0.0.1:{running.settings['SOPHIA_SANDBOX_PORT']}"
        with sandbox.Control(url) as control:
            control.create("gong.calls", title="After the worker was killed")
        await_true(lambda: documents(running) > before and is_loaded(running), within_s=240)
        assert running.stop(signal.SIGINT) == 130


def documents(running: Dev) -> int:
    return sum(one["documents"] for one in running.sophia("status")["sources"])


def is_loaded(running: Dev) -> bool:
    found = running.sophia("status")
    loaded = all(one["documents"] and not one["waiting"] for one in found["sources"])
    return loaded and found["lag"] == {"documents": 0, "memory": 0}


@pytest.mark.long
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_nothing_is_left(tmp_path: Path, by: signal.Signals) -> None:
    """With runs in flight: the first pulls have begun."""
    with dev(tmp_path) as running:
        runs = "{ runsOrError(filter: {statuses: [STARTED]}) { ... on Runs { results { id } } } }"
        await_true(lambda: running.ask(runs)["runsOrError"]["results"], within_s=90)
        assert running.stop(by) == {signal.SIGTERM: 143, signal.SIGKILL: -9}[by]


@pytest.mark.long
def test_a_resident_lander_lands_and_comes_back(tmp_path: Path) -> None:
    with dev(tmp_path, SOPHIA_AUTOMATION_LANDER="resident") as running:
        killed = running.programs()["lander"]["pid"]
        os.kill(killed, signal.SIGKILL)
        await_true(lambda: is_loaded(running), within_s=240)
        assert running.programs()["lander"]["pid"] not in (0, killed)
        assert running.stop(signal.SIGINT) == 130
