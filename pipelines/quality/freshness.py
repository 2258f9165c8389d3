"""How old what we have of a source is: its newest landing, against the promise and against the schedule of pulls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from croniter import croniter

from pipelines import sources
from pipelines.quality.checks import Check, Look, Suite

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation


def suites(source: str) -> Iterator[Suite]:
    fresh = Check(
        ("catalog", source),
        "fresh",
        "The last pull landed within the promised minutes; an error only where one that was due has not landed.",
    )
    yield Suite((fresh,), ("source",), partial(_read, source), partial(_rules, source))


def _read(source: str, look: Look) -> pd.DataFrame:
    """One row; a source that was never asked is infinitely old."""
    frame = look.warehouse.query(
        """
        SELECT MAX(UPDATED_AT) AS LANDED_AT
        FROM SOPHIA_CORE.POSITIONS
        WHERE STARTSWITH(POSITION_KEY, ?)
        """,
        [f"pull:{source}/"],
    ).to_pandas()
    age = (look.now - frame["landed_at"]).dt.total_seconds() / 60
    return frame.assign(source=source, age_minutes=age.fillna(float("inf")))


def _rules(source: str, look: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import between

    promised = look.profile.automation.freshness_minutes
    settings: sources.SourceSettings = look.profile.section(source, sources.module(source).Settings)
    due_at = _due_at(settings.pull_cron, look.now - timedelta(minutes=promised))
    allowed = (look.now - due_at).total_seconds() / 60
    late = f"the last pull that was due ({settings.pull_cron}) has landed"
    return {
        "fresh": [
            between("age_minutes", None, promised, f"the last landing is at most {promised} minutes old", "warning"),
            between("age_minutes", None, allowed, late),
        ]
    }


def _due_at(cron: str, now: datetime) -> datetime:
    """The last time by then at which the schedule asked for a pull."""
    due: datetime = croniter(cron, now + timedelta(seconds=1)).get_prev(datetime)
    return due
