"""The history of deals: seeded by HubSpot's, written at every landing, never rewritten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.address import Address
from pipelines.landing import land_rows
from resources.warehouse import Warehouse
from tests.conftest import open_migrated, profile_for
from transforms import rows
from transforms.raw import Rejected, to_row

START = datetime(2026, 10, 1, tzinfo=UTC)
DEALS = rows.entity(Address("hubspot", "deals"))

History = list[tuple[str, int, str | None]]


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with open_migrated(profile_for(tmp_path)) as opened:
        yield opened


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def deal(
    modified: int, stages: list[tuple[int, str]], archived: int | None = None, **properties: Any
) -> dict[str, Any]:
    """A record whose stage became what it says on these days, as far as HubSpot remembers."""
    return {
        "id": "7",
        "properties": {
            "dealname": "Brackenfell",
            "createdate": iso(day(0)),
            "hs_lastmodifieddate": iso(day(modified)),
            "dealstage": stages[-1][1],
        }
        | properties,
        "propertiesWithHistory": {
            "dealstage": [
                {"value": value, "timestamp": iso(day(at)), "sourceType": "CRM"} for at, value in stages[::-1]
            ]
        },
        "archived": archived is not None,
    } | ({"archivedAt": iso(day(archived))} if archived is not None else {})


def land(warehouse: Warehouse, record: dict[str, Any], at: int) -> None:
    row = to_row(DEALS, record, version=day(at), origin="pull")
    assert not isinstance(row, Rejected), row.reason
    land_rows(DEALS, [row], "pull", warehouse)


def history(warehouse: Warehouse) -> History:
    found = warehouse.query("SELECT * FROM SOPHIA_CORE.DEAL_HISTORY ORDER BY PROPERTY, BECAME_AT").to_pylist()
    return [(r["property"], (r["became_at"].replace(tzinfo=UTC) - START).days, r["value"]) for r in found]


def test_it_is_seeded_by_hubspots_own_and_grows(warehouse: Warehouse) -> None:
    land(warehouse, deal(3, [(0, "new"), (3, "proposal")]), at=4)
    seeded = [("dealstage", 0, "new"), ("dealstage", 3, "proposal")]
    assert history(warehouse) == seeded
    land(warehouse, deal(5, [(0, "new"), (3, "proposal"), (5, "won")]), at=6)
    assert history(warehouse) == [*seeded, ("dealstage", 5, "won")]


def test_what_hubspot_has_forgotten_stays(warehouse: Warehouse) -> None:
    land(warehouse, deal(3, [(0, "new"), (3, "proposal")]), at=4)
    land(warehouse, deal(9, [(9, "won")]), at=10)
    assert history(warehouse) == [("dealstage", 0, "new"), ("dealstage", 3, "proposal"), ("dealstage", 9, "won")]


def test_a_value_that_the_history_lacks_became_so_when_the_deal_was_modified(warehouse: Warehouse) -> None:
    land(warehouse, deal(3, [(0, "new")], amount="100"), at=4)
    assert history(warehouse) == [("amount", 3, "100"), ("dealstage", 0, "new")]
    land(warehouse, deal(5, [(0, "new")], amount=""), at=6)
    assert history(warehouse)[:2] == [("amount", 3, "100"), ("amount", 5, "")], "cleared"
    land(warehouse, deal(7, [(0, "new")], amount=None), at=8)
    assert len(history(warehouse)) == 3, "cleared is cleared, however it is written"


def test_of_two_values_at_once_the_newer_holds(warehouse: Warehouse) -> None:
    land(warehouse, deal(3, [(0, "new"), (3, "a"), (3, "z"), (3, "m")]), at=4)
    assert history(warehouse) == [("dealstage", 0, "new"), ("dealstage", 3, "m")]


def test_a_moment_that_cannot_be_read_stops_nothing(warehouse: Warehouse) -> None:
    odd = deal(3, [(0, "new"), (3, "won")])
    del odd["propertiesWithHistory"]["dealstage"][1]["timestamp"]
    odd["propertiesWithHistory"]["amount"] = [{"value": "1", "timestamp": "lately"}]
    land(warehouse, odd, at=4)
    assert history(warehouse) == [("dealstage", 3, "won")]


def test_deletion_and_return_are_a_part_of_it(warehouse: Warehouse) -> None:
    land(warehouse, deal(3, [(0, "new")]), at=4)
    land(warehouse, deal(3, [(0, "new")], archived=5), at=6)
    land(warehouse, deal(3, [(0, "new")]), at=8)
    assert history(warehouse) == [("dealstage", 0, "new"), ("deleted", 5, "true"), ("deleted", 8, "false")]


def test_a_stale_landing_writes_nothing(warehouse: Warehouse) -> None:
    land(warehouse, deal(5, [(0, "new"), (5, "won")]), at=6)
    before = history(warehouse)
    land(warehouse, deal(3, [(0, "new"), (3, "proposal")]), at=4)
    land(warehouse, deal(5, [(0, "new"), (5, "won")]), at=9)
    assert history(warehouse) == before


def test_every_line_names_its_landing(warehouse: Warehouse) -> None:
    land(warehouse, deal(3, [(0, "new")]), at=4)
    land(warehouse, deal(5, [(0, "new"), (5, "won")]), at=6)
    found = warehouse.query(
        "SELECT H.BECAME_AT FROM SOPHIA_CORE.DEAL_HISTORY AS H INNER JOIN SOPHIA_CORE.LOADS AS L "
        "ON H.LOAD_ID = L.LOAD_ID"
    )
    assert found.num_rows == 2
    assert len(set(warehouse.query("SELECT LOAD_ID FROM SOPHIA_CORE.DEAL_HISTORY")["load_id"].to_pylist())) == 2
