"""Great Expectations: the expectations that suites are made of, and a frame held against them.

In memory, without a project, a network or a progress bar. An expectation that raises is an error of the check, never
bad data. The import takes four seconds, so this is imported where rules are asked for.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from pipelines.quality.checks import Broken, Check, Look, Outcome, Shown, Suite

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports sre_constants, which Python 3.13 still has
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.expectations.expectation import Expectation

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition

ROWS_SHOWN = 20

Bound = float | datetime | None


def present(column: str) -> Expectation:
    return gxe.ExpectColumnValuesToNotBeNull(column=column, description=f"{column} is never NULL")


def unique(column: str, rule: str) -> Expectation:
    return gxe.ExpectColumnValuesToBeUnique(column=column, description=rule)


def true(column: str, rule: str) -> Expectation:
    return one_of(column, [True], rule)


def one_of(column: str, values: Sequence[object], rule: str) -> Expectation:
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(values), description=rule)


def matches(column: str, pattern: str, rule: str) -> Expectation:
    return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=pattern, description=rule)


def between(
    column: str, least: Bound, most: Bound, rule: str, severity: Literal["critical", "warning"] = "critical"
) -> Expectation:
    """Both bounds may be met; None is no bound."""
    return gxe.ExpectColumnValuesToBeBetween(
        column=column, min_value=least, max_value=most, description=rule, severity=severity
    )


def at_least(column: str, other: str, rule: str) -> Expectation:
    """Row by row, where both columns have a value."""
    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=column, column_B=other, or_equal=True, ignore_row_if="either_value_is_missing", description=rule
    )


def above(column: str, other: str, rule: str) -> Expectation:
    """The same, and not equal."""
    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=column, column_B=other, ignore_row_if="either_value_is_missing", description=rule
    )


def median(column: str, least: float, most: float, rule: str) -> Expectation:
    """Of all rows together."""
    return gxe.ExpectColumnMedianToBeBetween(column=column, min_value=least, max_value=most, description=rule)


# ── evaluation ────────────────────────────────────────────────────────────────────────────────────────────────────────


def evaluate(suite: Suite, checks: Sequence[Check], frame: pd.DataFrame, look: Look) -> Iterator[Outcome]:
    """An outcome each of these checks of the suite.

    Args:
        frame: with at least one row.
    """
    batch = _frames().get_batch(batch_parameters={"dataframe": frame})  # opens the context that a suite needs
    rules = suite.rules(look)
    for check in checks:
        for expectation in rules[check.name]:
            expectation.meta = {"check": check.name}
    expected = gx.ExpectationSuite(
        name=str(checks[0]), expectations=[expectation for check in checks for expectation in rules[check.name]]
    )
    shown = {
        "result_format": "SUMMARY",
        "unexpected_index_column_names": list(suite.key),
        "partial_unexpected_count": ROWS_SHOWN,
    }
    results: dict[str, list[ExpectationValidationResult]] = {check.name: [] for check in checks}
    for result in batch.validate(expected, result_format=shown).results:
        results[result.expectation_config.meta["check"]].append(result)
    for check in checks:
        yield _outcome(check, results[check.name], suite.key, len(frame))


@cache
def _frames() -> BatchDefinition[Any]:
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
    )
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")


def _outcome(check: Check, results: list[ExpectationValidationResult], key: tuple[str, ...], rows: int) -> Outcome:
    errors = [reason for result in results if (reason := _raised(result)) is not None]
    failed = [result for result in results if not result.success]
    warns = check.severity == "warn" or all(result.expectation_config.severity == "warning" for result in failed)
    return Outcome(
        check=check,
        passed=not failed and not errors,
        severity="warn" if warns and not errors else "error",
        rows=rows,
        broken=[] if errors else [_broken(result, key) for result in failed],
        error=errors[0] if errors else None,
    )


def _raised(result: ExpectationValidationResult) -> str | None:
    """The rule and the kind of error; its message might hold a value."""
    info = result.exception_info or {}
    raised = [info] if "raised_exception" in info else list(info.values())  # one of the rule, or one a metric
    tracebacks = [one["exception_traceback"] or "" for one in raised if one["raised_exception"]]
    if not tracebacks:
        return None
    return f"{_rule(result)} ({tracebacks[0].strip().splitlines()[-1].partition(':')[0] or 'no traceback'})"


def _rule(result: ExpectationValidationResult) -> str:
    config = result.expectation_config
    return str(config.description or config.type)


def _broken(result: ExpectationValidationResult, key: tuple[str, ...]) -> Broken:
    found = result.result
    observed = found.get("observed_value")
    return Broken(
        rule=_rule(result),
        rows=found.get("unexpected_count"),
        shown=[_shown(row, key) for row in (found.get("partial_unexpected_index_list") or [])[:ROWS_SHOWN]],
        observed=float(observed) if observed is not None else None,
    )


def _shown(row: dict[str, Any], key: tuple[str, ...]) -> Shown:
    """Of what is no key, numbers, times and truths alone."""
    values = {name: _plain(value) for name, value in row.items() if name not in key and _may_be_shown(value)}
    return Shown(key={name: _plain(row[name]) for name in key}, values=values)


def _may_be_shown(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | date | np.number | np.bool_ | np.datetime64)


def _plain(value: Any) -> Any:
    """As JSON has it; None for what is missing."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, date):  # a datetime, too
        return None if pd.isna(value) else value.isoformat()
    return value
