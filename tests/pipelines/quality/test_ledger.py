"""What changed is looked at, what failed is looked at until it is mended, and a shrunken table is held against the last
good count.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.address import Address
from contracts.errors import InvalidSetting
from pipelines import quality
from pipelines.landing import new_load_id
from pipelines.quality import Outcome
from resources.profile import Profile
from resources.warehouse import Warehouse
from tests.conftest import open_migrated, profile_for
from transforms import rows
from transforms.raw import Rejected, to_row

CALLS = rows.entity(Address("gong", "calls"))
NOW = datetime.now(UTC)


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return profile_for(tmp_path)


@pytest.fixture
def warehouse(profile: Profile) -> Iterator[Warehouse]:
    with open_migrated(profile) as opened:
        yield opened


def land(warehouse: Warehouse, *call_ids: int, hours_ago: float, duration: int = 60, gone: bool = False) -> None:
    """Calls as a pull lands them."""
    at = datetime.now(UTC) - timedelta(hours=hours_ago)
    staged = []
    for call_id in call_ids:
        record: dict[str, Any] = {"metaData": {"id": str(call_id), "duration": duration, "isPrivate": False}}
        row = to_row(CALLS, record, version=at, origin="pull")
        assert not isinstance(row, Rejected)
        staged.append(row | ({"_deleted_at": at} if gone else {}))
    warehouse.land(CALLS.table, CALLS.table.rows(staged), load_id=new_load_id(), landed_at=at, origin="pull")


def look(profile: Profile, warehouse: Warehouse, *, full: bool = False) -> dict[str, Outcome]:
    """Check's name → what came of it, of calls alone."""
    wanted = [check for check in quality.checks_of("gong") if check.asset == ("gong", "calls")]
    return {one.check.name: one for one in quality.look("gong", wanted, profile, warehouse, full=full)}


def test_only_what_landed_since_it_passed_is_looked_at(profile: Profile, warehouse: Warehouse) -> None:
    land(warehouse, 1, 2, 3, hours_ago=3)
    assert look(profile, warehouse)["rows"].rows == 3
    assert look(profile, warehouse)["rows"].rows == 0
    land(warehouse, 4, hours_ago=0)
    assert look(profile, warehouse)["rows"].rows == 1
    assert look(profile, warehouse, full=True)["rows"].rows == 4


def test_what_landed_within_the_last_hour_is_looked_at_twice(profile: Profile, warehouse: Warehouse) -> None:
    """Its landing may have begun before the look, and been committed after it."""
    look(profile, warehouse)
    land(warehouse, 1, hours_ago=0.9)
    assert look(profile, warehouse)["rows"].rows == 1


def test_what_failed_fails_until_it_is_mended(profile: Profile, warehouse: Warehouse) -> None:
    land(warehouse, 1, 2, hours_ago=9, duration=-1)
    assert not look(profile, warehouse)["ranges"].passed
    land(warehouse, 3, hours_ago=0)
    assert not look(profile, warehouse)["ranges"].passed, "a newer load does not hide it"
    land(warehouse, 1, hours_ago=5)
    assert look(profile, warehouse)["ranges"].broken[0].rows == 1
    land(warehouse, 2, hours_ago=4)
    assert look(profile, warehouse)["ranges"].passed
    assert look(profile, warehouse)["ranges"].rows == 1, "the row of the last hour"


def test_a_check_that_fails_holds_back_no_other(profile: Profile, warehouse: Warehouse) -> None:
    land(warehouse, 1, hours_ago=9, duration=-1)
    look(profile, warehouse)
    [rows_check] = [c for c in quality.checks_of("gong") if (c.asset, c.name) == (("gong", "calls"), "rows")]
    [alone] = quality.look("gong", [rows_check], profile, warehouse)
    assert (alone.passed, alone.rows) == (True, 0)


def test_a_key_is_compared_with_the_whole_table(profile: Profile, warehouse: Warehouse) -> None:
    land(warehouse, 1, 2, hours_ago=9)
    assert look(profile, warehouse)["keys"].passed
    columns = ", ".join("?" if name == "_landed_at" else name for name in CALLS.table.column_names)
    table = CALLS.table.name
    warehouse.execute(f"INSERT INTO {table} SELECT {columns} FROM {table} WHERE CALL_ID = '1'", [NOW])
    outcome = look(profile, warehouse)["keys"]
    assert (outcome.passed, outcome.rows) == (False, 1)
    assert outcome.broken[0].shown[0].key == {"call_id": "1"}
    assert outcome.broken[0].shown[0].values == {"copies": 2}


def test_a_table_may_lose_a_fifth_and_no_more(profile: Profile, warehouse: Warehouse) -> None:
    land(warehouse, *range(10), hours_ago=9)
    assert look(profile, warehouse)["size"].passed
    land(warehouse, 0, 1, hours_ago=8, gone=True)
    assert look(profile, warehouse)["size"].passed, "8 of 10 are left"
    land(warehouse, 2, 3, hours_ago=7, gone=True)
    assert not look(profile, warehouse)["size"].passed, "6 of 8"
    assert not look(profile, warehouse)["size"].passed, "the count that failed is not what the next is held against"


def test_a_shrink_that_is_right_is_accepted(profile: Profile, warehouse: Warehouse) -> None:
    land(warehouse, *range(10), hours_ago=9)
    look(profile, warehouse)
    land(warehouse, *range(9), hours_ago=8, gone=True)
    assert not look(profile, warehouse)["size"].passed
    assert quality.accept(warehouse, "gong/calls") == 1
    assert look(profile, warehouse)["size"].passed


def test_an_empty_table_is_accepted(profile: Profile, warehouse: Warehouse) -> None:
    assert look(profile, warehouse)["size"].passed, "it never had a row"
    assert quality.accept(warehouse, "gong/calls") == 0


def test_a_table_that_nobody_knows_is_named(warehouse: Warehouse) -> None:
    with pytest.raises(InvalidSetting, match="did you mean gong/calls"):
        quality.accept(warehouse, "gong/cals")


def test_a_warehouse_that_nothing_has_landed_in_passes_all_but_freshness(
    profile: Profile, warehouse: Warehouse
) -> None:
    outcomes = quality.run(profile, warehouse, full=True)
    assert [one.error for one in outcomes if one.error] == []
    assert {str(one.check) for one in outcomes if not one.passed} == {f"catalog/{s}:fresh" for s in rows.sources()}
