"""What starts by itself: a pull and a reconcile of each source by the clock, and a landing when vectors wait."""

import json

import dagster as dg

from assets.memory import MEMORY_KEY
from pipelines import sources
from pipelines.memory import waiting
from resources.profile import Profile
from resources.warehouse import open_warehouse

LAND_MEMORY = "land_memory"
AFTER_THE_NIGHT = "0 5 * * *"
"""When the reconciles and what is made each night are through."""
IN_FLIGHT = dg.RunsFilter(
    statuses=[
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
)


def of_source(settings: sources.SourceSettings, pull: str, reconcile: str) -> list[dg.ScheduleDefinition]:
    """`pull` and `reconcile` are the names of the source's jobs."""
    return [by_the_clock(pull, settings.pull_cron), by_the_clock(reconcile, settings.reconcile_cron)]


def by_the_clock(job: str, cron: str) -> dg.ScheduleDefinition:
    """A run at each tick, unless one is in flight."""

    @dg.schedule(
        name=f"{job}_schedule",
        job_name=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if _in_flight(context.instance, job):
            return dg.SkipReason(f"A run of {job} is still in flight.")
        return dg.RunRequest()

    return tick


@dg.sensor(
    job_name=LAND_MEMORY,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for a landing when vectors wait on memory.v1; a resident lander makes it idle.",
)
def vectors_wait(
    context: dg.SensorEvaluationContext, profile: dg.ResourceParam[Profile]
) -> dg.RunRequest | dg.SkipReason:
    if profile.automation.lander == "resident":
        return dg.SkipReason("SOPHIA_AUTOMATION_LANDER=resident: `sophia land --follow` lands.")
    if _in_flight(context.instance, LAND_MEMORY):
        return dg.SkipReason("A landing is in flight.")
    with open_warehouse(profile) as warehouse:
        offsets = waiting(profile, warehouse)
    if not offsets:
        return dg.SkipReason("No vector waits.")
    asked = json.loads(context.cursor or "{}")
    ranges = " ".join(f"{key}:{landed}-{end}" for key, (landed, end) in sorted(offsets.items()))
    # Dagster skips a key that has been used, so a range that is still there after its run is asked for again.
    attempt = asked["attempt"] + 1 if asked.get("ranges") == ranges else 1
    context.update_cursor(json.dumps({"ranges": ranges, "attempt": attempt}))
    return dg.RunRequest(
        run_key=f"{ranges} attempt {attempt}",
        run_config=dg.RunConfig(ops={"__".join(MEMORY_KEY.path): {"config": {"wait_for_workers": False}}}),
    )


def _in_flight(instance: dg.DagsterInstance, job: str) -> bool:
    return instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=IN_FLIGHT.statuses)) > 0
