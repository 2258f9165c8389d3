"""What starts by itself: what is downstream of a change, each night, and never behind a blocking check that fails."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from assets.automation import ON_CHANGE

TABLE, ROLLUP, VIEW = (dg.AssetKey(name) for name in ("table", "rollup", "view"))


class World:
    """A table, what is made of it by our condition, and a clock."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.version, self.good = "1", True
        self.now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
        self.assets = self._assets()
        self.cursor = None
        self.tick()

    def _assets(self) -> list[dg.AssetsDefinition]:
        @dg.asset(check_specs=[dg.AssetCheckSpec("keys", asset="table", blocking=True)])
        def table() -> dg.MaterializeResult:
            checked = dg.AssetCheckResult(check_name="keys", passed=self.good)
            return dg.MaterializeResult(data_version=dg.DataVersion(self.version), check_results=[checked])

        @dg.asset(deps=[table], automation_condition=ON_CHANGE)
        def rollup() -> None: ...

        @dg.asset(deps=[rollup], automation_condition=ON_CHANGE)
        def view() -> None: ...

        return [table, rollup, view]

    def make(self, *keys: dg.AssetKey) -> None:
        dg.materialize(self.assets, selection=list(keys), instance=self.instance, raise_on_error=False)

    def tick(self, minutes: int = 1) -> list[str]:
        """What is asked for after so long; it is made."""
        self.now += timedelta(minutes=minutes)
        result = dg.evaluate_automation_conditions(
            dg.Definitions(self.assets),
            self.instance,
            asset_selection=dg.AssetSelection.assets(ROLLUP, VIEW),
            evaluation_time=self.now,
            cursor=self.cursor,
        )
        self.cursor = result.cursor
        asked = [key for key in (ROLLUP, VIEW) if result.get_num_requested(key)]
        if asked:
            self.make(*asked)
        return [key.to_user_string() for key in asked]


@pytest.fixture
def world() -> Iterator[World]:
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(instance)
        world.make(TABLE)
        assert world.tick() == ["rollup", "view"]
        assert world.tick() == []
        yield world


def test_a_load_that_changed_nothing_asks_for_nothing(world: World) -> None:
    world.make(TABLE)
    assert world.tick() == []


def test_a_change_asks_for_all_that_is_downstream_once(world: World) -> None:
    world.version = "2"
    world.make(TABLE)
    assert world.tick() == ["rollup", "view"]
    assert world.tick() == []


def test_what_is_behind_a_blocking_check_waits_until_it_passes(world: World) -> None:
    world.version, world.good = "2", False
    world.make(TABLE)
    assert world.tick() == []
    assert world.tick() == []
    world.good = True
    world.make(TABLE)
    assert world.tick() == ["rollup", "view"]


def test_each_night_all_is_made_though_nothing_changed(world: World) -> None:
    assert world.tick(minutes=60) == []
    assert world.tick(minutes=15 * 60) == ["rollup", "view"], "04:00 UTC has passed"
    assert world.tick() == []
