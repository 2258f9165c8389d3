"""The recount against the rollup, in worlds where everything happens: two ways to the same numbers, day by day."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipelines import kpis, quality
from pipelines.enrichment import enrich
from resources.profile import Profile
from resources.sentiment import Vader
from resources.warehouse import Warehouse
from tests.conftest import open_migrated
from tests.pipelines.kpi_loading import Loader
from tests.pipelines.test_kpis import looks, profile_in

MORE_SEEDS = [range(first, first + 10) for first in (20, 30)]


def wrong(seed: int, home: Path) -> list[str]:
    """What the checks of KPIs find in a life that is looked at several times."""
    profile = profile_in(home)
    found = []
    with open_migrated(profile) as warehouse:
        loader, sentiment = Loader(warehouse), Vader()
        for number, one in enumerate(looks(seed), 1):
            loader.load(one.dump, one.now)
            enrich(profile.intelligence, sentiment, warehouse)
            kpis.refresh(profile.intelligence, warehouse, one.now.date())
            found += [f"seed {seed}, look {number}: {text}" for text in broken(profile, warehouse)]
    return found


def broken(profile: Profile, warehouse: Warehouse) -> list[str]:
    asked = [check for check in quality.checks_of("kpis") if check.name != "days"]  # some worlds lie in the future
    outcomes = list(quality.look("kpis", asked, profile, warehouse, full=True))
    assert all(one.rows > 0 for one in outcomes if one.check.asset == ("executive", "kpi_rollups"))
    return [f"{one.check} {one.error or one.broken}" for one in outcomes if not one.passed]


@pytest.mark.parametrize("seed", range(1, 4))
def test_the_recount_gives_what_was_rolled_up(seed: int, tmp_path: Path) -> None:
    assert wrong(seed, tmp_path) == []


@pytest.mark.long
@pytest.mark.parametrize("seeds", MORE_SEEDS, ids=str)
def test_the_recount_gives_what_was_rolled_up_in_more_worlds(seeds: range, tmp_path: Path) -> None:
    found: list[str] = []
    for seed in seeds:
        found += wrong(seed, tmp_path / str(seed))
        shutil.rmtree(tmp_path / str(seed))
    assert found == []
