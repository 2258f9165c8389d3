"""What every step begins with: the warehouse, migrated, and what a failure of the step's work means."""

from collections.abc import Iterator  # no annotations as text in this package: Dagster reads them as types
from contextlib import contextmanager

from assets import failures
from resources.profile import Profile
from resources.warehouse import Warehouse, open_warehouse, require_migrated

DEFAULT_LIMIT = 1
"""Of a pool, as dagster.yaml has it."""


def keep_pool(context: failures.StepContext, pool: str, limit: int) -> None:
    """Give a pool its limit, from the next run on: Dagster keeps the limit of one pool in its storage alone."""
    storage = context.instance.event_log_storage
    known = {one.name: one.limit for one in storage.get_pool_limits()}
    if known.get(pool, DEFAULT_LIMIT) != limit:
        storage.set_concurrency_slots(pool, limit)


@contextmanager
def opened(context: failures.StepContext, profile: Profile) -> Iterator[Warehouse]:
    """Around all of a step's work.

    Raises:
        RetryRequested, Failure: as `failures.of`.
    """
    with failures.of(context), open_warehouse(profile) as warehouse:
        require_migrated(warehouse)
        yield warehouse
