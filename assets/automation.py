"""When assets are made: what is downstream when something above it has changed, and each night in any case.

Blocking checks come first: what is downstream of a table whose blocking check fails is left as it was.
"""

from datetime import timedelta  # no annotations as text in this package: Dagster reads them as types

import dagster as dg

NIGHTLY = "0 4 * * *"
"""After the reconciles, before the morning's deadline."""
BY_MORNING = dg.FreshnessPolicy.cron(deadline_cron="0 6 * * *", lower_bound_delta=timedelta(hours=6))

Condition = dg.AutomationCondition
ON_CHANGE = (
    (
        Condition.any_deps_match(Condition.data_version_changed() | Condition.will_be_requested())
        | Condition.cron_tick_passed(NIGHTLY)
    ).since(Condition.newly_requested() | Condition.newly_updated())
    & Condition.all_deps_blocking_checks_passed()
    & ~Condition.in_progress()
).with_label("on change and each night, where no blocking check fails")
NIGHTLY_ONLY = (Condition.cron_tick_passed(NIGHTLY) & ~Condition.in_progress()).with_label("each night")

AUTOMATION = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Asks for what is downstream of a change.",
)
