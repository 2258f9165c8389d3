"""A code location for tests of dead runs: an asset that holds a pool until a file says go, and a sensor that asks for
it whenever no run is in progress.
"""

import os
import time
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

FOLDER = Path(os.environ["HELD_FOLDER"])
"""Each run leaves its process id there, in a file of its own id."""


@dg.asset(pool="vendor")
def held(context: dg.AssetExecutionContext) -> None:
    written = FOLDER / f"{context.run_id}.writing"
    written.write_text(str(os.getpid()))
    written.rename(FOLDER / f"{context.run_id}.pid")
    while not (FOLDER / "go").exists():
        time.sleep(0.05)


job = dg.define_asset_job("hold", selection=[held])


@dg.sensor(job=job, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def ask(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    attempt = int(context.cursor or 0) + 1
    if context.instance.get_runs_count(dg.RunsFilter(statuses=IN_PROGRESS_RUN_STATUSES)):
        return dg.SensorResult(skip_reason="a run is in progress")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"attempt {attempt}")], cursor=str(attempt))


defs = dg.Definitions(assets=[held], jobs=[job], sensors=[ask], executor=dg.in_process_executor)
