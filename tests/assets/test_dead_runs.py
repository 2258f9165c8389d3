"""Runs whose process was killed: failed, their pool's slot freed, the next run starts; with nobody's help."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import GRPC_INFO_TAG

import sandbox
from assets.run_launcher import PROCESS, fail_dead_runs, this_process
from cli.local import prepare_dagster
from resources.broker import dying_with_parent, free_port
from tests.assets.machine import PROJECT, Machine, kill, open_machine, wait_for
from tests.cli.test_mistakes import environment, says, sophia
from tests.conftest import open_migrated, profile_for

A_COMMAND = """
import dagster as dg, os
from tests.assets.held import defs
from assets.run_launcher import PROCESS, this_process
with dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance:
    defs.resolve_job_def("hold").execute_in_process(instance=instance, tags={PROCESS: this_process()})
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with open_machine(tmp_path, "tests.assets.held") as machine:
        yield machine


def test_a_killed_command_frees_its_pool_at_the_next_start(machine: Machine) -> None:
    command = machine.start("-c", A_COMMAND)
    run_id, _ = machine.started()
    assert fail_dead_runs(machine.instance) == []
    assert machine.holders() == {run_id}
    kill(command)
    assert machine.status(run_id) == dg.DagsterRunStatus.STARTED
    assert fail_dead_runs(machine.instance) == [run_id]
    assert machine.status(run_id) == dg.DagsterRunStatus.FAILURE
    assert machine.holders() == set()
    assert fail_dead_runs(machine.instance) == []
    machine.go()
    assert machine.start("-c", A_COMMAND).wait(60) == 0


def test_an_ended_run_that_still_holds_a_pool_gives_it_back(machine: Machine) -> None:
    command = machine.start("-c", A_COMMAND)
    run_id, _ = machine.started()
    kill(command)
    run = machine.instance.get_run_by_id(run_id)
    assert run is not None
    machine.instance.report_run_failed(run)  # as a code server does that sees its run die
    assert machine.holders() == {run_id}
    assert fail_dead_runs(machine.instance) == []
    assert machine.holders() == set()


@dg.job
def nothing() -> None: ...


def test_an_id_that_another_process_took_over_is_not_the_run(machine: Machine) -> None:
    boot, pid, ticks = this_process().split()
    for tag, is_dead in ((this_process(), False), (f"{boot} {pid} {int(ticks) + 1}", True), (f"x {pid} {ticks}", True)):
        run = machine.instance.create_run_for_job(nothing, tags={PROCESS: tag}, status=dg.DagsterRunStatus.STARTED)
        assert fail_dead_runs(machine.instance) == ([run.run_id] if is_dead else [])


def test_a_run_that_was_started_again_in_the_ui_has_its_parents_tag_and_its_own_process(machine: Machine) -> None:
    server = json.dumps({"host": "127.0.0.1", "port": free_port()})
    tags = {PROCESS: "a process long gone", GRPC_INFO_TAG: server}
    machine.instance.create_run_for_job(nothing, tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert fail_dead_runs(machine.instance) == []


@pytest.mark.long
def test_a_killed_sophia_run_does_not_hold_up_the_next(
    tmp_path: Path, broker: str, small_world: sandbox.Control
) -> None:
    with open_migrated(profile_for(tmp_path)):
        pass
    settings = {
        "SOPHIA_GONG_URL": small_world.gong_url,
        "SOPHIA_GONG_ACCESS_KEY": "sandbox-key",
        "SOPHIA_GONG_ACCESS_KEY_SECRET": "sandbox-secret",
        "SOPHIA_GONG_REQUESTS_PER_SECOND": "10000",
        "SOPHIA_KAFKA_BOOTSTRAP": broker,
    }
    small_world.fault("gong", "slow", delay_s=300)
    with dg.DagsterInstance.from_config(str(prepare_dagster(profile_for(tmp_path)))) as instance:
        program = [sys.executable, "-c", "from cli.main import main; main()", "run"]
        running = subprocess.Popen(dying_with_parent(program), env=environment(tmp_path, **settings), cwd=PROJECT)
        held = wait_for(lambda: instance.event_log_storage.get_concurrency_info("gong").claimed_slots)
        kill(running)
        small_world.clear_faults()
        says(sophia("run", home=tmp_path, **settings), "is not set")  # of the source behind Gong, which was read
        first = instance.get_run_by_id(held[0].run_id)
        assert first is not None
        assert first.status == dg.DagsterRunStatus.FAILURE
        assert instance.event_log_storage.get_concurrency_info("gong").claimed_slots == []


@pytest.mark.long
def test_a_killed_run_is_followed_by_the_next(machine: Machine) -> None:
    machine.start_code_server()
    machine.start_daemon()
    first, pid = machine.started()
    os.kill(pid, signal.SIGKILL)
    second, _ = machine.started(but=(first,))
    assert machine.status(first) == dg.DagsterRunStatus.FAILURE
    assert machine.holders() == {second}
    machine.go()
    wait_for(lambda: machine.status(second) == dg.DagsterRunStatus.SUCCESS)


@pytest.mark.long
def test_a_code_server_killed_with_its_run_is_followed_by_the_next(machine: Machine) -> None:
    machine.start_code_server()
    daemon = machine.start_daemon()
    first, _ = machine.started()
    machine.kill_all_but(daemon)
    wait_for(lambda: machine.status(first) == dg.DagsterRunStatus.FAILURE)
    machine.start_code_server()
    second, _ = machine.started(but=(first,))
    assert machine.holders() == {second}
    machine.go()
    wait_for(lambda: machine.status(second) == dg.DagsterRunStatus.SUCCESS)


@pytest.mark.long
def test_a_run_whose_code_server_alone_was_killed_ends_its_work(machine: Machine) -> None:
    server = machine.start_code_server()
    machine.start_daemon()
    first, _ = machine.started()
    kill(server)
    machine.start_code_server()  # it knows nothing of the run
    time.sleep(25)  # two looks of the daemon
    assert machine.status(first) == dg.DagsterRunStatus.STARTED
    assert [run for run, _ in machine.runs()] == [first]
    machine.go()
    wait_for(lambda: machine.status(first) == dg.DagsterRunStatus.SUCCESS)


@pytest.mark.long
def test_a_killed_daemon_goes_on_when_it_is_started_again(machine: Machine) -> None:
    machine.start_code_server()
    daemon = machine.start_daemon()
    first, pid = machine.started()
    kill(daemon)
    os.kill(pid, signal.SIGKILL)  # the code server fails the run; nobody frees its slot
    wait_for(lambda: machine.status(first) == dg.DagsterRunStatus.FAILURE)
    assert machine.holders() == {first}
    machine.start_daemon()
    second, _ = machine.started(but=(first,))
    assert machine.holders() == {second}
    machine.go()
    wait_for(lambda: machine.status(second) == dg.DagsterRunStatus.SUCCESS)
