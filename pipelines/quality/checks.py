"""What a check is and what comes of one. Declared without Great Expectations, whose import takes four seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from resources.profile import Profile
from resources.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

Severity = Literal["error", "warn"]


@dataclass(frozen=True, slots=True)
class Check:
    """What is promised of an asset's rows, under a name that is the asset's own."""

    asset: tuple[str, ...]
    """`("gong", "calls")`."""
    name: str
    description: str
    blocking: bool = False
    """Nothing is made from the asset while it fails."""
    severity: Severity = "error"
    """Of a failure; a rule of severity `warning` makes it `warn` where no other fails."""

    def __str__(self) -> str:
        return f"{'/'.join(self.asset)}:{self.name}"


@dataclass(frozen=True, slots=True)
class Look:
    """What a suite may know when it reads its rows. Times are UTC without a zone, as the warehouse has them."""

    profile: Profile
    warehouse: Warehouse
    now: datetime
    since: datetime
    """Rows that last changed before it are left out, where a suite looks at changes alone."""


@dataclass(frozen=True)
class Suite:
    """Checks of one asset that look at the same frame."""

    checks: tuple[Check, ...]
    key: tuple[str, ...]
    """Columns that name a row to people: ids, days, never a text of somebody's."""
    read: Callable[[Look], pd.DataFrame]
    """The rows to look at. Columns that are not of the key are numbers, times and truths; a text is never shown."""
    rules: Callable[[Look], Mapping[str, Sequence[Expectation]]]
    """Check's name → what is expected; each with a description, which is the rule that people see."""
    passed: Callable[[Look, pd.DataFrame], None] | None = None
    """Called when every check of the suite has passed."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A row that breaks a rule, as people may see it."""

    key: dict[str, Any]
    values: dict[str, Any]
    """The numbers, times and truths that the rule is about; times as text."""


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that does not hold."""

    rule: str
    rows: int | None
    """How many break it; None where the rule is about all of them together."""
    shown: list[Shown]
    """The first of these."""
    observed: float | None = None
    """Of a rule about all rows together."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a check."""

    check: Check
    passed: bool
    severity: Severity
    rows: int
    """Looked at."""
    broken: list[Broken] = []
    error: str | None = None
    """Why it could not be evaluated; nothing is then known of the data."""
