"""Sensors that tell what has failed: one for each way to tell, so that one way's failure holds up no other.

    event log ─► runs that have ended since the last tick ─► failed steps, checks, dead runs ─► resources.alerts

A tick sends one message, whatever has happened. What fails again in the same way is told once, until it has passed.
A message that cannot be sent fails the tick, and the next one sends it: the cursor moves with what was told.
Dagster's own run_failure_sensor tells one run a tick, and falls behind when many fail.
"""

from collections.abc import Iterator
from typing import NamedTuple

import dagster as dg
import msgspec
from dagster import DagsterEventType as EventType
from dagster_shared.error import SerializableErrorInfo

from assets import failures
from resources.alerts import CHANNELS, Alert, channel
from resources.profile import Profile

INTERVAL_S = 30
RUNS_A_TICK = 100
"""Failed runs, and others, that a tick reads; it has 60 s."""
CHECK_FAILED = "docs/runbooks/check-failed.md"
_READ = {
    EventType.ASSET_MATERIALIZATION_PLANNED,
    EventType.ASSET_CHECK_EVALUATION,
    EventType.STEP_SUCCESS,
    EventType.STEP_FAILURE,
}


class Cursor(msgspec.Struct, frozen=True):
    """How far a sensor has told."""

    ended: int = 0
    """The event log's id of the last end of a run that was read."""
    failing: frozenset[tuple[str, str]] = frozenset()
    """What was told and has not passed since: the step, check or job, and its error."""


class _Outcome(NamedTuple):
    thing: str
    error: str = ""
    alert: Alert | None = None
    """None: it has passed."""


def since(instance: dg.DagsterInstance, cursor: Cursor, runs: int = RUNS_A_TICK) -> tuple[list[Alert], Cursor]:
    """What is to be told, oldest first, and the cursor of who has told it.

    Args:
        runs: ended runs that are read of a longer backlog, of the failed and of the others each.
    """
    alerts = []
    failing = set(cursor.failing)
    ended = cursor.ended
    for end in _ends(instance, cursor.ended, runs):
        ended = end.storage_id
        for outcome in _outcomes(instance, end.event_log_entry):
            if outcome.alert is None:
                failing = {(thing, error) for thing, error in failing if thing != outcome.thing}
            elif (outcome.thing, outcome.error) not in failing:
                failing.add((outcome.thing, outcome.error))
                alerts.append(outcome.alert)
    return alerts, Cursor(ended, frozenset(failing))


def _ends(instance: dg.DagsterInstance, after: int, runs: int) -> list[dg.EventLogRecord]:
    """How runs have ended, in order; of a long backlog the oldest part."""
    pages = [
        instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(kind, after_storage_id=after), limit=runs, ascending=True
        )
        for kind in (EventType.RUN_SUCCESS, EventType.RUN_FAILURE)
    ]
    horizon = min((page.records[-1].storage_id for page in pages if page.has_more), default=None)
    records = sorted((record for page in pages for record in page.records), key=lambda record: record.storage_id)
    return [record for record in records if horizon is None or record.storage_id <= horizon]


def _outcomes(instance: dg.DagsterInstance, end: dg.EventLogEntry) -> Iterator[_Outcome]:
    """What passed and what failed in a run."""
    job = f"job {end.job_name}"
    events = [e.dagster_event for e in instance.all_logs(end.run_id, of_type=_READ) if e.dagster_event is not None]
    made: dict[str, list[str]] = {}
    for event in events:
        if event.event_type == EventType.ASSET_MATERIALIZATION_PLANNED:
            asset = event.asset_materialization_planned_data.asset_key.to_user_string()
            made.setdefault(event.step_key or "", []).append(asset)
    for event in events:
        step = f"step {event.step_key}"
        if event.event_type == EventType.STEP_SUCCESS:
            yield _Outcome(step)
        elif event.event_type == EventType.STEP_FAILURE:
            error, line, runbook = _said(event)
            if error == "DagsterAssetCheckFailedError":
                continue  # a check that blocks; its evaluation tells it
            assets = tuple(made.get(event.step_key or "", ()))
            alert = Alert(what=f"{job}, {step}", made=assets, line=line, run_id=end.run_id, runbook=runbook)
            yield _Outcome(step, error, alert)
        elif event.event_type == EventType.ASSET_CHECK_EVALUATION:
            yield from _checked(event.asset_check_evaluation_data, job, end.run_id)
    if end.dagster_event_type == EventType.RUN_SUCCESS:
        yield _Outcome(job)
    elif all(event.event_type != EventType.STEP_FAILURE for event in events):
        yield _Outcome(job, "no step failed", _of_the_run(end, job))


def _checked(evaluation: dg.AssetCheckEvaluation, job: str, run_id: str) -> Iterator[_Outcome]:
    """A warning neither fails nor passes."""
    check = f"check {evaluation.check_name} of {evaluation.asset_key.to_user_string()}"
    if evaluation.passed:
        yield _Outcome(check)
    elif evaluation.severity == dg.AssetCheckSeverity.ERROR:
        line = (evaluation.description or "the check did not pass").splitlines()[0]
        yield _Outcome(
            check, "not passed", Alert(what=f"{check}, {job}", line=line, run_id=run_id, runbook=CHECK_FAILED)
        )


def _said(event: dg.DagsterEvent) -> tuple[str, str, str]:
    """A failed step's error, line and runbook: as `failures.of` gave them, else by the innermost error's type."""
    failure = event.step_failure_data
    ours = failure.user_failure_data
    if ours is not None and "runbook" in ours.metadata:
        return str(ours.metadata["error"].value), ours.description or "", str(ours.metadata["runbook"].value)
    error = _innermost(failure.error)
    return error, failures.unforeseen(error), failures.runbook()


def _of_the_run(end: dg.EventLogEntry, job: str) -> Alert:
    """No step has failed: the run did not start, its process died, or it took too long."""
    event = end.get_dagster_event()
    error = event.job_failure_data.error if event.event_specific_data is not None else None
    said = (event.message or "nothing").splitlines()[0]
    line = f"no step failed; Dagster says: {said}" if error is None else failures.unforeseen(_innermost(error))
    return Alert(what=job, line=line, run_id=end.run_id, runbook=failures.runbook())


def _innermost(error: SerializableErrorInfo | None) -> str:
    """The type of what happened first."""
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.cls_name if error is not None else None) or "an error"


def _sensor(name: str) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"alerts_to_{name}",
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells which steps, checks and runs have failed: a message a tick, the same failure once.",
    )
    def tell(context: dg.SensorEvaluationContext, profile: dg.ResourceParam[Profile]) -> dg.SensorResult:
        cursor = msgspec.json.decode(context.cursor, type=Cursor) if context.cursor else Cursor()
        alerts, told = since(context.instance, cursor)
        way = channel(profile.alerts, name)
        if alerts and way is not None:
            way.send(alerts)
        done = f"{len(alerts)} new failures" if way is not None else "this way is not set up"
        return dg.SensorResult(skip_reason=done, cursor=msgspec.json.encode(told).decode())

    return tell


SENSORS = [_sensor(name) for name in CHANNELS]
