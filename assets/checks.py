"""Data quality as asset checks: a step a group of `pipelines.quality`, which gives an outcome each of its checks."""

from collections.abc import Iterator  # no annotations as text in this package: Dagster reads them as types
from typing import Any

import dagster as dg
import msgspec

from assets.steps import opened
from contracts.errors import CheckBroken
from pipelines import quality
from pipelines.quality import Outcome
from resources.profile import Profile


class CheckConfig(dg.Config):
    """How much a run's checks look at."""

    full: bool = False
    """Every row, and not what has changed since the check last passed; nightly."""


def _checks(group: str) -> dg.AssetChecksDefinition:
    checks = {dg.AssetCheckKey(dg.AssetKey(list(check.asset)), check.name): check for check in quality.checks_of(group)}
    specs = [
        dg.AssetCheckSpec(
            key.name,
            asset=key.asset_key,
            description=check.description,
            blocking=check.blocking,
            metadata={"severity": check.severity},
        )
        for key, check in checks.items()
    ]

    @dg.multi_asset_check(
        name=f"check_{group}", specs=specs, can_subset=True, description=f"The quality of {group}, before it is used."
    )
    def look(
        context: dg.AssetCheckExecutionContext, config: CheckConfig, profile: dg.ResourceParam[Profile]
    ) -> Iterator[dg.AssetCheckResult]:
        wanted = [check for key, check in checks.items() if key in context.selected_asset_check_keys]
        errors: list[Outcome] = []
        with opened(context, profile) as warehouse:
            for outcome in quality.look(group, wanted, profile, warehouse, full=config.full):
                if outcome.error is not None:
                    errors.append(outcome)
                else:
                    yield _result(outcome)
            if errors:  # behind the others, which say something of the data
                raise CheckBroken(", ".join(str(one.check) for one in errors), str(errors[0].error))

    return look


def _result(outcome: Outcome) -> dg.AssetCheckResult:
    severity = {"error": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}[outcome.severity]
    metadata: dict[str, Any] = {"rows": outcome.rows, "broken_rules": len(outcome.broken)}
    if outcome.broken:
        metadata["broken"] = dg.MetadataValue.json(msgspec.to_builtins(outcome.broken))
    return dg.AssetCheckResult(
        passed=outcome.passed,
        asset_key=dg.AssetKey(list(outcome.check.asset)),
        check_name=outcome.check.name,
        severity=severity,
        description="; ".join(broken.rule for broken in outcome.broken) or None,
        metadata=metadata,
    )


CHECKS = [_checks(group) for group in quality.groups()]
"""Of every asset."""


class AcceptConfig(dg.Config):
    """Whose number of rows is right as it is."""

    table: str
    """`gong/calls`."""


@dg.op(
    pool="warehouse", description="Take a raw table's number of live rows for right, so that its check `size` passes."
)
def accept(context: dg.OpExecutionContext, config: AcceptConfig, profile: dg.ResourceParam[Profile]) -> None:
    with opened(context, profile) as warehouse:
        context.add_output_metadata({"live_rows": quality.accept(warehouse, config.table)})


@dg.job(description="After a raw table has rightly shrunk: accept its number of rows.")
def accept_row_count() -> None:
    accept()
