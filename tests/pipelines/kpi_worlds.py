"""Worlds with eventful histories: whatever may happen to deals, customers, calls and issues happens at random.

Equal seeds make equal worlds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sandbox.records import CommandRefused
from sandbox.world import World, open_world
from tests.pipelines import kpi_crm_events, kpi_work_events
from tests.pipelines.kpi_life import TEAMS, Life, Nobody

EVENTS = kpi_crm_events.EVENTS | kpi_work_events.EVENTS
FIRST_START = datetime(2023, 12, 20, tzinfo=UTC)
"""Starts lie up to four years behind it, so that a leap day and many months' ends are looked at."""
TRIES = 30
"""Throws of the dice for each thing that is to happen."""
EMPTIED = ("gong.calls", "hubspot.deals", "linear.issues", "linear.cycles")


def eventful_world(seed: int, *, scale: float = 0.1) -> World:
    """A world at its start, with teams of its own; every third was emptied of what KPIs are made from."""
    start = FIRST_START + timedelta(days=(seed * 397) % 1461, hours=(seed * 7) % 24, minutes=seed % 60)
    world = open_world(seed, scale, start)
    for key in TEAMS:
        world.execute("create", {"stream": "linear.teams", "fields": {"key": key, "name": f"Team {key}"}})
    if seed % 3 == 0:
        life = Life(world)
        for stream in EMPTIED:
            for record in life.all(stream):
                life.delete(stream, record, hard=True)
    return world


def live_on(world: World, *, days: float, commands: int, kinds: Sequence[str] = tuple(EVENTS)) -> Counter[str]:
    """Let so many random things happen while at least so many days pass; returns how often each kind did.

    At times the clock stops at midnight, or a millisecond before it. What can't happen in this world does not.
    """
    life = Life(world)
    end = world.now + timedelta(days=days)
    happened: Counter[str] = Counter()
    for _ in range(TRIES * commands):
        kind = life.rng.choices(kinds, [EVENTS[one].weight for one in kinds])[0]
        try:
            EVENTS[kind].happen(life)
        except (CommandRefused, Nobody):
            continue
        happened[kind] += 1
        life.pass_time((end - world.now) / (commands - happened.total() + 1))
        if happened.total() == commands:
            break
    world.execute("clock", {"to": max(end, world.now).isoformat()})
    return happened
