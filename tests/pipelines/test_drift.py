"""A vendor's records change: what is new is told, what flips its type stops itself alone, a new value is no error."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from contracts.address import Address
from pipelines import drift, kpis, quality
from pipelines.drift import UnreadField, unread, unread_in
from pipelines.enrichment import enrich
from pipelines.landing import land_rows
from resources.sentiment import Vader
from resources.warehouse import Warehouse
from tests.conftest import open_migrated, profile_for
from tests.pipelines.quality.loaded import failing
from tests.pipelines.rig import Rig
from transforms import rows
from transforms.raw import Entity, Rejected, to_row

ENTITIES = [entity for source in rows.sources() for entity in rows.entities(source)]
CALLS = rows.entity(Address("gong", "calls"))
AT = datetime(2026, 11, 20, tzinfo=UTC)

Record = dict[str, Any]


def land(warehouse: Warehouse, entity: Entity, *records: Record, at: datetime | None = None) -> None:
    staged = []
    for record in records:
        row = to_row(entity, record, version=at or datetime.now(UTC), origin="pull")
        assert not isinstance(row, Rejected), row.reason
        staged.append(row)
    land_rows(entity, staged, "pull", warehouse)


def only(value: Any, places: Sequence[str], path: str = "") -> Any:
    """The record with nothing but what lies at, above and below the places."""
    if path in places:
        return value
    if isinstance(value, list):
        return [only(inner, places, f"{path}[]") for inner in value]
    if not isinstance(value, dict):
        return value
    below = {key: f"{path}.{key}".lstrip(".") for key in value}
    return {
        key: only(inner, places, below[key])
        for key, inner in value.items()
        if any(place == below[key] or place.startswith((f"{below[key]}.", f"{below[key]}[]")) for place in places)
    }


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: str(entity.address))
def test_every_column_says_what_it_reads(entity: Entity) -> None:
    assert [field.name for field in entity.fields if not field.places] == []


def test_columns_read_what_they_say_and_nothing_else(rig_of_all: Rig) -> None:
    rig_of_all.pull()
    looked_at = 0
    for entity in ENTITIES:
        places = [place for field in entity.fields for place in field.places]
        for payload in rig_of_all.live_payloads(entity.table.name, "_CONTENT_HASH").values():
            declared = only(payload, places)
            assert [f.read(declared) for f in entity.fields] == [f.read(payload) for f in entity.fields]
            assert list(unread_in(declared, places)) == []
            looked_at += 1
    assert looked_at > 500


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"a": {"b": 1}, "c": [1, "x"], "d": None}, {("c[]", "integer"), ("c[]", "text"), ("d", "null")}),
        ({"a": {"b": {"deep": 1}, "e": True}}, {("a.e", "boolean")}),
        ({"a": None, "l": []}, set()),
        ({"l": [{"k": 1, "m": 1.5}, {"n": [[2]]}]}, {("l[].m", "number"), ("l[].n[][]", "integer")}),
        ({"x": {}, "y": [], "z": [{}]}, {("x", "object"), ("y", "list"), ("z[]", "object")}),
        ({"by": {"ann@example.com": 1, "U0123456789": 2, "two words": 3}}, {("by.*", "integer")}),
        ({}, set()),
    ],
)
def test_what_lies_at_above_or_below_a_place_is_read(record: Record, found: set[tuple[str, str]]) -> None:
    assert set(unread_in(record, ["a.b", "l[].k"])) == found


def test_what_is_deep_is_told_as_what_it_is_in() -> None:
    record: Record = {}
    for _ in range(500):
        record = {"a": record}
    [(path, type_)] = unread_in(record, [])
    assert (path.count("a"), type_) == (drift.DEPTH, "object")


def by_path(found: Sequence[UnreadField]) -> dict[str, UnreadField]:
    return {one.path: one for one in found}


def test_the_newest_rows_are_looked_at_and_no_more(tmp_path: Any) -> None:
    with open_migrated(profile_for(tmp_path)) as warehouse:
        for number in range(3):
            calls = [
                {"metaData": {"id": f"{number}-{n}", "of": [None, "x", 2][number]}, f"in{number}": n}
                for n in range(drift.PAGE)
            ]
            land(warehouse, CALLS, *calls, at=AT)
        whole = by_path(unread(warehouse, "gong"))
        assert {path: one.records for path, one in whole.items()} == {
            "metaData.of": 3 * drift.PAGE, "in0": drift.PAGE, "in1": drift.PAGE, "in2": drift.PAGE,
        }  # fmt: skip
        assert next(iter(whole)) == "in2", "the newest comes first"
        assert whole["metaData.of"].types == ["integer", "null", "text"]
        assert (whole["metaData.of"].share, whole["in2"].share) == (1, pytest.approx(1 / 3))
        newest = by_path(unread(warehouse, "gong", newest=drift.PAGE + 10))
        assert {path: one.records for path, one in newest.items()} == {
            "metaData.of": drift.PAGE + 10, "in1": 10, "in2": drift.PAGE,
        }  # fmt: skip


def test_fields_without_number_count_together(tmp_path: Any) -> None:
    with open_migrated(profile_for(tmp_path)) as warehouse:
        calls = [{"metaData": {"id": str(n)}} | {f"f{n}-{m}": m for m in range(1000)} for n in range(3)]
        land(warehouse, CALLS, *calls)
        found = by_path(unread(warehouse, "gong"))
        assert len(found) == drift.FIELDS + 1
        assert (found[drift.OTHER].records, found[drift.OTHER].types) == (1, ["integer"])


def test_a_new_field_is_in_payload_with_the_next_pull_and_told_first(rig: Rig) -> None:
    rig.pull()
    before = unread(rig.warehouse)
    call_id = rig.control.dump()["gong.calls"][0]["metaData"]["id"]
    rig.control.edit("gong.calls", call_id, customData={"regions": [{"name": "the far north"}]})
    assert rig.pull()["gong/calls"].changed == 1
    held = rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID")
    assert held[call_id]["metaData"]["customData"] == {"regions": [{"name": "the far north"}]}

    first, *others = unread(rig.warehouse)
    assert (first.source, first.entity, first.path) == ("gong", "calls", "metaData.customData.regions[].name")
    assert (first.types, first.records, first.share) == (["text"], 1, 1 / len(held))
    assert {(one.source, one.entity, one.path) for one in others} == {
        (one.source, one.entity, one.path) for one in before
    }
    assert "far north" not in str(first)
    assert {one.source for one in unread(rig.warehouse, "slack")} == {"slack"}


@pytest.mark.parametrize(
    ("stream", "field", "flipped"),
    [
        ("gong.users", "active", "yes"),
        ("slack.users", "is_bot", "no"),
        ("hubspot.owners", "email", 5),
    ],
)
def test_a_flipped_type_stops_its_record_alone(rig_of_all: Rig, stream: str, field: str, flipped: object) -> None:
    source, name = stream.split(".")
    entity = rows.entity(Address(source, name))
    odd = rig_of_all.control.dump()[stream][0]["id"]
    rig_of_all.control.edit(stream, odd, **{field: flipped})
    landed = rig_of_all.pull(only=source)
    one = landed.pop(f"{source}/{name}")
    assert (one.rejected, one.changed) == (1, one.received - 1)
    assert one.received > 2
    assert odd not in rig_of_all.live_payloads(entity.table.name, entity.key[0])
    assert sum(other.rejected for other in landed.values()) == 0
    [letter] = rig_of_all.rows("SELECT ORIGIN, REASON FROM SOPHIA_CORE.DEAD_LETTERS")
    assert letter["origin"] == f"{source}/{name}"
    assert field in letter["reason"]


def test_a_new_value_is_no_error(rig_of_all: Rig) -> None:
    """A Linear state type, a HubSpot stage, a Gong direction, a Slack subtype that nobody knows."""
    rig = rig_of_all
    rig.pull()
    work_out(rig)
    call_id = rig.rows("SELECT CALL_ID FROM GONG_INTELLIGENCE.CALL_TRANSCRIPTS ORDER BY CALL_ID")[0]["call_id"]
    rig.control.edit("gong.calls", call_id, direction="Sideways")
    public = "SELECT CHANNEL_ID FROM SLACK_INTEGRATION.CHANNELS WHERE NOT IS_PRIVATE AND NOT IS_ARCHIVED"
    [message, *_] = rig.rows(
        f"SELECT CHANNEL_ID, TS, TEXT FROM SLACK_INTEGRATION.MESSAGES "
        f"WHERE SUBTYPE IS NULL AND TEXT <> '' AND CHANNEL_ID IN ({public}) ORDER BY TS DESC"
    )
    place = {"channel": message["channel_id"], "ts": message["ts"]}
    rig.control.edit("slack.messages", place, subtype="robot_greeting", text="A robot says good morning.")
    rig.pull(only="gong")
    rig.pull(only="slack")
    [issue, *_] = rig.rows(
        "SELECT ISSUE_ID, STATE_ID FROM LINEAR_INTEGRATION.ISSUES WHERE _DELETED_AT IS NULL ORDER BY ISSUE_ID"
    )
    state = rig.live_payloads("LINEAR_INTEGRATION.WORKFLOW_STATES", "STATE_ID")[issue["state_id"]]
    land(rig.warehouse, rows.entity(Address("linear", "workflow_states")), state | {"type": "parked"})
    deal_id, deal = next(iter(sorted(rig.live_payloads("HUBSPOT_INTEGRATION.DEALS", "DEAL_ID").items())))
    deal["properties"] |= {"dealstage": "on-the-moon"}
    land(rig.warehouse, rows.entity(Address("hubspot", "deals")), deal)
    work_out(rig)

    assert rig.rows("SELECT * FROM SOPHIA_CORE.DEAD_LETTERS") == []
    assert failing(quality.run(rig.profile, rig.warehouse, full=True)) == set()
    assert "sideways" in metadata(rig, f"gong:call:{call_id}")["tags"]
    assert metadata(rig, f"linear:issue:{issue['issue_id']}")["state_type"] == "parked"
    assert metadata(rig, f"hubspot:deal:{deal_id}")["stage"] == "on-the-moon"
    said = rig.rows("SELECT SECTIONS FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE SOURCE_SYSTEM = 'slack'")
    assert "A robot says good morning." in str(said)
    views = rig.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES "
        "WHERE TABLE_TYPE = 'VIEW' AND TABLE_SCHEMA <> 'main'"
    )
    shown = {v["table_name"]: rig.rows(f"SELECT * FROM {v['table_schema']}.{v['table_name']}") for v in views}
    assert "Sideways" in {row["direction"] for row in shown["CALL_TRANSCRIPTS"]}
    assert "on-the-moon" in {row["stage_id"] for row in shown["SALES_DASHBOARD_DATA"]}
    assert shown["KPI_ROLLUPS"]


def work_out(rig: Rig) -> None:
    rig.catalogue()
    enrich(rig.profile.intelligence, Vader(), rig.warehouse)
    kpis.refresh(rig.profile.intelligence, rig.warehouse, datetime.now(UTC).date())


def metadata(rig: Rig, document_id: str) -> Record:
    [entry] = rig.rows(f"SELECT METADATA FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DATA_ID = '{document_id}'")
    decoded: Record = msgspec.json.decode(entry["metadata"])
    return decoded
