"""`sophia run`: the Dagster job of the whole way, in this process, on the instance that the UI shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from cli.local import prepare_dagster
from pipelines import sources
from resources.profile import Profile
from resources.warehouse import open_warehouse, require_migrated

if TYPE_CHECKING:  # takes a second to load, which `sophia --help` need not wait for
    import dagster as dg


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did."""

    memory: dict[str, int]
    """The counts that the memory asset gave: `documents`, `chunks_embedded`, `rows_written` …"""
    seconds: dict[str, float] = field(default_factory=dict)
    """Step → how long it took."""


def run_whole_way(profile: Profile) -> Done:
    """Every source, catalog, memory, views.

    Raises:
        SophiaError: as the step raised it; the run is marked as failed in Dagster.
    """
    for source in sources.names():  # a setting that cannot be used is told before anything is read
        profile.section(source, sources.module(source).Settings)
    from assets.definitions import WHOLE_WAY
    from assets.memory import MEMORY_KEY

    with instance_of(profile) as instance:
        result = in_this_process(WHOLE_WAY, profile, instance)
        steps = instance.get_run_step_stats(result.run_id)
    [event] = [e for e in result.get_asset_materialization_events() if e.asset_key == MEMORY_KEY]
    return Done(
        memory={k: v.value for k, v in event.materialization.metadata.items() if isinstance(v.value, int)},
        seconds={
            s.step_key: round(s.end_time - s.start_time, 2)
            for s in steps
            if s.start_time is not None and s.end_time is not None
        },
    )


@contextmanager
def instance_of(profile: Profile) -> Iterator[dg.DagsterInstance]:
    """The instance that the UI shows; what died without saying so is marked as failed first."""
    import dagster as dg
    from dagster._core.errors import DagsterExecutionInterruptedError

    from assets.run_launcher import fail_dead_runs

    try:
        with dg.DagsterInstance.from_config(str(prepare_dagster(profile))) as instance:
            fail_dead_runs(instance)  # one that was killed would hold its source's pool, and ours would wait for it
            yield instance
    except DagsterExecutionInterruptedError as interruption:  # Dagster takes Ctrl-C and SIGTERM for itself
        raise KeyboardInterrupt from interruption


def in_this_process(
    job: str, profile: Profile, instance: dg.DagsterInstance, partition_key: str | None = None
) -> dg.ExecuteInProcessResult:
    """Run a job here.

    Raises:
        SophiaError: as the step raised it; the run is marked as failed in Dagster.
    """
    import dagster as dg

    from assets.definitions import defs
    from assets.run_launcher import PROCESS, this_process

    try:
        return defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            partition_key=partition_key,
            resources={"profile": profile},
            tags={PROCESS: this_process()},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},  # an error is ours to print
        )
    except dg.Failure as failure:  # made of a step's error, which is its cause
        error = failure.__cause__ or failure
        raise error from error.__cause__


def run_and_print(console: Console, *, as_json: bool) -> None:
    """Run it with the profile of the environment.

    Raises:
        SophiaError
    """
    profile = Profile.read()
    with open_warehouse(profile) as warehouse:
        require_migrated(warehouse)
    done = run_whole_way(profile)
    if as_json:
        console.out(msgspec.json.encode(done).decode(), highlight=False)
        return
    for step, seconds in done.seconds.items():
        console.print(f"{step}: {seconds:.1f} s", highlight=False)
    for name, count in done.memory.items():
        console.print(f"{name.replace('_', ' ')}: {count:,}", highlight=False)
