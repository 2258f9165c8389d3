"""Runs of one machine, and what becomes of one whose process has died: it is failed, and its pools' slots are freed.

    a run's process dies      ─► its code server sees it within a second and fails the run (Dagster's own)
    the code server dies too  ─► the daemon asks RunLauncher.check_run_worker_health, and fails the run (run_monitoring)
    a run of `sophia run`     ─► knows no code server: the same question, by the tag that it carries
    the slots of either       ─► the daemon frees them (free_slots_after_run_end_seconds)

`sophia run` and `sophia demo` need no daemon: they call `fail_dead_runs` before they begin. A run that goes on as an
orphan, because its code server alone was killed, is left to finish: failing it would let a second one work beside it.
"""

import os
import sys
import time
from pathlib import Path

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

PROCESS = "sophia/process"
"""Tag of a run that executes in the process of a command: what `this_process` gave there."""
GONE = "The process of this run is gone: it was killed, or the machine went down."
ANSWER_S = 5
CLOCK_S = 2.0
"""How far a process's start, which the kernel counts from boot, may seem to lie behind an event of the process."""
UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


class OneMachineRunLauncher(dg.DefaultRunLauncher):
    """Dagster's default, which can also say whether a run's process lives."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        if self._is_known_to_its_server(run.run_id) or not _is_dead(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, GONE)

    def _is_known_to_its_server(self, run_id: str) -> bool:
        """False where the server is gone or is another one, or where code was reloaded since: all forget their runs."""
        client = self._get_grpc_client_for_termination(run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return False
        request = CanCancelExecutionRequest(run_id=run_id)
        try:
            answer = client.can_cancel_execution(request, timeout=ANSWER_S)
        except DagsterUserCodeUnreachableError:
            return False
        return deserialize_value(answer, CanCancelExecutionResult).can_cancel


def fail_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail every run whose process is gone, and free what ended runs still hold of a pool.

    Args:
        instance: one whose run launcher is OneMachineRunLauncher.
    Returns:
        Ids of the runs that were failed.
    """
    failed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        health = instance.run_launcher.check_run_worker_health(run)
        now = instance.get_run_by_id(run.run_id)  # it may have ended while its process was looked for
        if health.status == WorkerStatus.FAILED and now is not None and not now.is_finished:
            instance.report_run_failed(now, health.msg)
            failed.append(run.run_id)
    storage = instance.event_log_storage
    holding = list(storage.get_concurrency_run_ids())
    ended = instance.get_runs(dg.RunsFilter(run_ids=holding, statuses=FINISHED_STATUSES)) if holding else []
    for run in ended:
        storage.free_concurrency_slots_for_run(run.run_id)
    return failed


def this_process() -> str:
    """This process's name while the machine is up, for the tag: the boot, the id, the start in ticks since the boot."""
    return f"{_boot()} {os.getpid()} {_started_ticks(os.getpid())}"


def command_of(run: dg.DagsterRun) -> str | None:
    """The process of the command that the run executes in; None of a run that a code server was asked for, which may
    carry another's tag: a re-execution takes its parent's.
    """
    return None if GRPC_INFO_TAG in run.tags else run.tags.get(PROCESS)


def _is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the run's process is gone; False while none is known for it."""
    named = command_of(run)
    if named is not None:
        boot, pid, ticks = named.split()
        return boot != _boot() or str(_started_ticks(int(pid))) != ticks
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        said = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if said is not None:  # the first one to say its id is the run's own process
            return not _lived_at(int(str(said.value)), entry.timestamp)
    return False


def _lived_at(pid: int, timestamp: float) -> bool:
    """Whether the process of this id is there, and was there at that time: ids are used again."""
    ticks = _started_ticks(pid)
    if ticks is None or sys.platform != "linux":
        return ticks is not None
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + ticks / os.sysconf("SC_CLK_TCK") <= timestamp + CLOCK_S


def _started_ticks(pid: int) -> int | None:
    """When it started, in the kernel's ticks since the boot; None where there is none, or a zombie. Else than on Linux
    every process started at 0.
    """
    if sys.platform != "linux":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        return 0
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip() if sys.platform == "linux" else "boot"
