"""What every step begins with: the warehouse, migrated, and what a failure of the step's work means."""

from collections.abc import Iterator  # no annotations as text in this package: Dagster reads them as types
from contextlib import contextmanager

from assets import failures
from resources.profile import Profile
from resources.warehouse import Warehouse, open_warehouse, require_migrated


@contextmanager
def opened(context: failures.StepContext, profile: Profile) -> Iterator[Warehouse]:
    """Around all of a step's work.

    Raises:
        RetryRequested, Failure: as `failures.of`.
    """
    with failures.of(context), open_warehouse(profile) as warehouse:
        require_migrated(warehouse)
        yield warehouse
