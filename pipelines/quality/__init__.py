"""Data quality: what is promised of each table's rows, looked at where it may have changed.

    a suite's rows, read through the Warehouse port ─► a frame ─► Great Expectations ─► an outcome a check
                                                                                     └► MONITORING.CHECKS_PASSED

A module a layer: `raw`, `documents` (the catalog), `freshness`, `memory`, `intelligence`, `kpis`, `views`. Which checks
there are is known without Great Expectations, which is imported when a frame has a row. Frames hold keys, numbers,
times and truths; the texts that some rules need are read, judged and dropped before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from functools import cache

import structlog

from pipelines.quality import documents, freshness, intelligence, kpis, ledger, memory, raw, views
from pipelines.quality.checks import Broken, Check, Look, Outcome, Shown, Suite
from pipelines.quality.raw import accept
from resources.profile import Profile
from resources.warehouse import Warehouse
from transforms import rows

__all__ = ["Broken", "Check", "Outcome", "Shown", "accept", "checks_of", "groups", "look", "run"]

log = structlog.get_logger()


@cache
def _suites() -> dict[str, tuple[Suite, ...]]:
    of_sources = {
        source: (
            *(suite for entity in rows.entities(source) for suite in raw.suites(entity)),
            *documents.suites(source),
            *freshness.suites(source),
        )
        for source in rows.sources()
    }
    return of_sources | {
        "memory": tuple(memory.suites()),
        "intelligence": tuple(intelligence.suites()),
        "kpis": tuple(kpis.suites()),
        "views": tuple(views.suites()),
    }


def groups() -> tuple[str, ...]:
    """What is looked at in one go: each source with its part of the catalog, and each layer above."""
    return tuple(_suites())


def checks_of(group: str) -> tuple[Check, ...]:
    return tuple(check for suite in _suites()[group] for check in suite.checks)


def run(profile: Profile, warehouse: Warehouse, *, full: bool = False) -> list[Outcome]:
    """Every check.

    Args:
        full: look at every row, and not at what has changed since a check last passed.
    Raises:
        SophiaError: the warehouse could not be read.
    """
    return [one for group in groups() for one in look(group, checks_of(group), profile, warehouse, full=full)]


def look(
    group: str, wanted: Collection[Check], profile: Profile, warehouse: Warehouse, *, full: bool = False
) -> Iterator[Outcome]:
    """An outcome each of the wanted checks of a group; as in `run`."""
    held = ledger.marks(warehouse)
    passed: list[Check] = []
    failed: list[Check] = []
    now = datetime.now(UTC).replace(tzinfo=None)
    for suite in _suites()[group]:
        asked = [check for check in suite.checks if check in wanted]
        if not asked:
            continue
        since = ledger.BEGINNING if full else ledger.since(asked, held)
        for outcome in _evaluate(suite, asked, Look(profile=profile, warehouse=warehouse, now=now, since=since)):
            (passed if outcome.passed else failed).append(outcome.check)
            yield outcome
    ledger.mark(passed, now, warehouse)
    log.info("checked", group=group, passed=len(passed), failed=[str(check) for check in failed])


def _evaluate(suite: Suite, asked: list[Check], looked: Look) -> Iterator[Outcome]:
    frame = suite.read(looked)
    if frame.empty:
        yield from (Outcome(check=check, passed=True, severity=check.severity, rows=0) for check in asked)
        return
    from pipelines.quality.expectations import evaluate

    outcomes = list(evaluate(suite, asked, frame, looked))
    if suite.passed is not None and all(outcome.passed for outcome in outcomes):
        suite.passed(looked, frame)
    yield from outcomes
