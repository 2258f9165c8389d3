"""`sophia replay`: dead letters are put back by `pipelines.dead_letters`."""

from __future__ import annotations

import msgspec
from rich.console import Console

from pipelines.dead_letters import replay
from resources.profile import Profile
from resources.warehouse import open_warehouse, require_migrated


def replay_and_print(console: Console, origin: str | None, *, as_json: bool) -> None:
    """Raises SophiaError: the warehouse cannot be opened, or was never migrated."""
    with open_warehouse(Profile.read()) as warehouse:
        require_migrated(warehouse)
        done = replay(warehouse, origin)
    if as_json:
        console.out(msgspec.json.encode(done).decode(), highlight=False)
        return
    console.print(
        f"{done.landed} records landed, {done.composed} documents to build, {done.published} to publish, "
        f"{done.superseded} superseded, {done.failed} still break a rule"
    )
