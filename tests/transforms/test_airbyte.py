"""Airbyte's rows as the vendor's records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from transforms import airbyte, rows
from transforms.airbyte import hubspot
from transforms.raw import Rejected, to_row

NOW = datetime(2026, 11, 20, tzinfo=UTC)
DEAL: dict[str, Any] = {
    "id": "7",
    "updatedAt": "2026-11-20T09:00:00+00:00",
    "companies": [41, 42],
    "properties": {"amount": 1200.0, "hs_is_closed": False, "dealname": "Renewal", "hs_primary_associated_company": 42},
}


def test_a_source_that_can_come_by_airbyte_brings_every_entity() -> None:
    assert airbyte.sources() == ("gong", "hubspot")
    for source in airbyte.sources():
        fed = {feed.entity for feed in airbyte.feeds(source)}
        assert fed == {entity.address.entity for entity in rows.entities(source)}


def test_a_stream_is_synced_in_one_way() -> None:
    for source in airbyte.sources():
        declared = {feed.stream for feed in airbyte.feeds(source)}
        assert len({stream.table for stream in declared}) == len(declared) == len(airbyte.streams(source))


def test_a_row_gets_the_vendors_names_back_and_times_with_their_zone() -> None:
    stream = airbyte.Stream("users", ("emailAddress", "lastSeen", "title"))
    row = {"emailaddress": "a@b.example", "lastseen": NOW.replace(hour=9, tzinfo=None), "title": None, "unknown": 1}
    assert stream.record(row) == {"emailAddress": "a@b.example", "lastSeen": "2026-11-20T09:00:00+00:00"}


def test_a_property_is_hubspots_text_again() -> None:
    [record] = hubspot.crm_object(DEAL)
    assert record["properties"] == {
        "amount": "1200",
        "hs_is_closed": "false",
        "dealname": "Renewal",
        "hs_primary_associated_company": "42",
    }


def test_the_winner_of_a_merge_tells_who_is_gone() -> None:
    winner = DEAL | {"properties": {"hs_merged_object_ids": "9;8;7"}}
    assert [record["id"] for record in hubspot.crm_object(winner)] == ["7", "8", "9"]
    deals = {entity.address.entity: entity for entity in rows.entities("hubspot")}["deals"]
    made = [to_row(deals, record, version=NOW, origin="pull") for record in hubspot.crm_object(winner)]
    assert [not isinstance(row, Rejected) and row["_deleted_at"] is not None for row in made] == [False, True, True]


def test_of_an_objects_companies_the_main_one_is_known() -> None:
    made = list(hubspot.ties("deals")(DEAL))
    assert [(tie["toType"], tie["toId"], bool(tie["associationTypes"])) for tie in made] == [
        ("companies", "41", False),
        ("companies", "42", True),
    ]


@pytest.mark.parametrize("record", [{}, {"properties": []}, {"properties": {"hs_merged_object_ids": 9}, "id": "7"}])
def test_a_record_of_another_shape_raises_what_makes_it_a_dead_letter(record: dict[str, Any]) -> None:
    with pytest.raises((AttributeError, KeyError, TypeError)):
        list(hubspot.crm_object(record))
