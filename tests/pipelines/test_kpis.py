"""The rolled up KPIs against a recount from the world's dump, in worlds where everything happens.

Each world is looked at several times in its life, after much has happened and after a single thing has. What is rolled
up later has to be right for the days before, too: a deal that was deleted, merged or won back changes days long past.
"""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from random import Random

import msgspec
import pytest

from pipelines import kpis
from pipelines.enrichment import enrich
from resources.profile import Profile
from resources.sentiment import Vader
from resources.warehouse import Warehouse
from sandbox.company import COMPETITORS
from sandbox.world import World
from tests.conftest import open_migrated
from tests.pipelines.kpi_count import Kpis, count
from tests.pipelines.kpi_loading import SOURCES, Dump, Loader
from tests.pipelines.kpi_worlds import EVENTS, eventful_world, live_on

STEPS: Sequence[tuple[float, int]] = ((10, 30), (10, 30), (1, 1), (1, 1))
"""Days that pass and things that happen before each look."""
DAYS_AGO = (*range(30), *range(30, 130, 7))
"""Days that are compared at each look, counted back from the world's day."""
SEEDS = range(20)
MORE_SEEDS = [range(first, first + 50) for first in range(20, 320, 50)]
LIVES_OF_SINGLE_THINGS = range(1000, 1006)
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Look:
    """A world at one time, and what happened since the look before."""

    now: datetime
    dump: Dump
    happened: Counter[str]
    counted: dict[date, Kpis]


def look(world: World, happened: Counter[str]) -> Look:
    streams = {name: rows for name, rows in world.dump().items() if name.startswith(SOURCES)}
    dump = msgspec.json.decode(msgspec.json.encode(streams))  # a copy: the world goes on
    days = [world.now.date() - timedelta(days=ago) for ago in DAYS_AGO]
    return Look(world.now, dump, happened, count(dump, days, COMPETITORS))


@lru_cache(len(SEEDS))
def looks(seed: int) -> list[Look]:
    world = eventful_world(seed)
    return [look(world, live_on(world, days=days, commands=commands)) for days, commands in STEPS]


def profile_in(home: Path) -> Profile:
    settings = {"SOPHIA_INTELLIGENCE_COMPETITORS": "; ".join(COMPETITORS), "SOPHIA_EMBEDDING_MODEL": "hash-64"}
    return Profile.read(settings | {"SOPHIA_HOME": str(home)})


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rollup_equals_the_recount(seed: int, tmp_path: Path) -> None:
    wrong = _compare(looks(seed), tmp_path)
    assert not wrong, "\n".join(wrong)


@pytest.mark.long
@pytest.mark.parametrize("seeds", MORE_SEEDS, ids=str)
def test_the_rollup_equals_the_recount_in_more_worlds(seeds: range, tmp_path: Path) -> None:
    wrong: list[str] = []
    for seed in seeds:
        home = tmp_path / str(seed)
        wrong += [f"seed {seed}, {line}" for line in _compare(looks(seed), home)]
        shutil.rmtree(home)
    assert not wrong, "\n".join(wrong)


@pytest.mark.long
@pytest.mark.parametrize("seed", LIVES_OF_SINGLE_THINGS)
def test_each_thing_that_happens_alone_is_rolled_up(seed: int, tmp_path: Path) -> None:
    """What must be computed again is found from this one thing; among many, another may have asked for the days."""
    world = eventful_world(seed)
    seen = [look(world, live_on(world, days=20, commands=120))]
    kinds = list(EVENTS)
    Random(seed).shuffle(kinds)
    seen += [look(world, live_on(world, days=0.3, commands=1, kinds=[kind])) for kind in kinds]
    wrong = _compare(seen, tmp_path)
    assert not wrong, "\n".join(wrong)


def test_the_worlds_hold_what_the_comparison_is_for() -> None:
    seen = [one for seed in SEEDS for one in looks(seed)]
    happened = sum((one.happened for one in seen), Counter[str]())
    assert set(happened) == set(EVENTS)
    counted = [day for one in seen for day in one.counted.values()]
    for kpi in counted[0]:
        values = {day[kpi] for day in counted}
        assert None in values, kpi
        assert len(values) > 4, kpi
    ends = {day.month for one in seen for day in one.counted if (day + timedelta(days=1)).day == 1}
    assert ends == set(range(1, 13))


def _compare(seen: Sequence[Look], home: Path) -> list[str]:
    """The differences at each look, and whether they are also there when every day is computed again."""
    profile = profile_in(home)
    wrong: list[str] = []
    with open_migrated(profile) as warehouse:
        loader, sentiment = Loader(warehouse), Vader()
        for number, one in enumerate(seen, 1):
            loader.load(one.dump, one.now)
            enrich(profile.intelligence, sentiment, warehouse)
            kpis.refresh(profile.intelligence, warehouse, one.now.date())
            if differences := _differences(one, _rolled_up(warehouse)):
                kpis.refresh(profile.intelligence, warehouse, one.now.date(), full=True)
                left = "also" if _differences(one, _rolled_up(warehouse)) else "not"
                wrong += [f"look {number}, after {dict(one.happened)}, {left} when refreshed in full", *differences]
    return wrong


def _differences(one: Look, rolled_up: dict[date, Kpis]) -> list[str]:
    begun = _first_day(one.dump)
    return [
        f"{day} {kpi}: counted {counted}, rolled up {rolled_up.get(day, {}).get(kpi)}"
        for day, whole in one.counted.items()
        for kpi, counted in whole.items()
        if (day in rolled_up or day >= begun) and not _same(counted, rolled_up.get(day, {}).get(kpi))
    ]


def _first_day(dump: Dump) -> date:
    """Of a deal, call or issue. Before it there are no rows, though an issue may have been due or a cycle ended."""
    times = [deal["properties"]["createdate"] for deal in dump["hubspot.deals"] if not deal["archived"]]
    times += [call["metaData"]["started"] for call in dump["gong.calls"]]
    times += [issue["createdAt"] for issue in dump["linear.issues"] if not issue["trashed"]]
    return min((datetime.fromisoformat(time).astimezone(UTC).date() for time in times), default=date.max)


def _rolled_up(warehouse: Warehouse) -> dict[date, Kpis]:
    found = warehouse.query("SELECT * FROM EXECUTIVE_INTELLIGENCE.KPI_ROLLUPS").to_pylist()
    assert len({row["date_key"] for row in found}) == len(found)
    return {row["date_key"]: row for row in found}


def _same(counted: float | None, rolled_up: float | None) -> bool:
    if counted is None or rolled_up is None:
        return counted is rolled_up
    return math.isclose(counted, rolled_up, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
