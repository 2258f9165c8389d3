"""HubSpot's records: what commands do and refuse, and that equal worlds and replayed journals are equal."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.company import found_company
from sandbox.gong_records import GongRecords
from sandbox.hubspot_records import HubspotRecords
from sandbox.records import CommandRefused, Record
from sandbox.synthetic_calls import CallWriter, workspace
from sandbox.synthetic_chat import ChatWriter
from sandbox.synthetic_crm import CrmWriter
from sandbox.world import World, open_world

START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
ENGAGEMENTS = ("notes", "calls", "emails", "meetings", "tasks")
KINDS = ("companies", "contacts", "deals", *ENGAGEMENTS)


@pytest.fixture
def world() -> World:
    return open_world(7, 0.05, START)


@pytest.fixture(scope="module")
def crm() -> dict[str, list[Record]]:
    """The dump of a CRM of a demo's size."""
    return filled(1.0).streams(START)


def filled(scale: float, seed: int = 7) -> HubspotRecords:
    records = HubspotRecords(START)
    CrmWriter(found_company(seed, START), seed, START).fill(records, scale)
    return records


def create(world: World, stream: str, **fields: Any) -> Record:
    return world.execute("create", {"stream": f"hubspot.{stream}", "fields": fields})


def edit(world: World, stream: str, object_id: str, **fields: Any) -> Record:
    return world.execute("edit", {"stream": f"hubspot.{stream}", "id": object_id, "fields": fields})


def delete(world: World, stream: str, **key: Any) -> Record:
    return world.execute("delete", {"stream": f"hubspot.{stream}"} | key)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# The world at its beginning.


def test_equal_seeds_make_equal_crms_and_a_scale_only_adds() -> None:
    assert filled(0.4).streams(START) == filled(0.4).streams(START)
    assert filled(0.4).streams(START) != filled(0.4, seed=8).streams(START)
    small, great = (ids(filled(scale).streams(START)) for scale in (0.05, 1.0))
    assert small < great


def ids(streams: dict[str, list[Record]]) -> set[tuple[str, str]]:
    return {(stream, row["id"]) for stream, rows in streams.items() for row in rows if "id" in row}


@pytest.mark.parametrize("scale", [0.01, 0.13, 0.5, 1.01, 3.3])
def test_every_scale_has_some_of_everything(scale: float) -> None:
    streams = filled(scale).streams(START)
    assert len(streams["deals"]) >= 6
    assert len(streams["companies"]) > len(found_company(7, START).accounts)
    assert any(row["archived"] for row in streams["deals"])
    assert any(row["archived"] for row in streams["notes"])
    assert sum(row["properties"]["hs_merged_object_ids"] is not None for row in streams["contacts"]) == 1


def test_a_demo_has_its_size(crm: dict[str, list[Record]]) -> None:
    assert len(crm["companies"]) == 20
    assert 50 <= len(crm["deals"]) <= 70
    assert 130 <= sum(len(crm[kind]) for kind in ENGAGEMENTS) <= 170
    assert sum(owner["archived"] for owner in crm["owners"]) == 2
    deals = [row["properties"] for row in crm["deals"]]
    assert any(deal["amount"] is None for deal in deals)
    assert any(deal["deal_currency_code"] == "USD" != deal["amount"] for deal in deals)
    assert any(at(row["properties"]["hs_timestamp"]) > START for row in crm["meetings"])
    names = {account.competitor for account in found_company(7, START).accounts}
    rivals = [n for n in crm["notes"] if any(name in n["properties"]["hs_note_body"] for name in names)]
    assert 3 <= len(rivals) <= 30


def test_accounts_are_those_of_the_calls(crm: dict[str, list[Record]]) -> None:
    world = open_world(7, 1.0, START)
    companies = {row["id"]: row["properties"] for row in crm["companies"]}
    deals = {row["id"]: row["properties"] for row in crm["deals"]}
    contacts = {row["id"]: row["properties"] for row in crm["contacts"]}
    labels = {stage["id"]: stage["label"] for p in crm["pipelines"] for stage in p["stages"]}
    seen = 0
    for call in world.dump()["gong.calls"]:
        for crm_object in (o for context in call["context"] for o in context["objects"] if o["timing"] == "Now"):
            fields = {field["name"]: field["value"] for field in crm_object["fields"]}
            if crm_object["objectType"] == "Account":
                assert companies[crm_object["objectId"]]["name"] == fields["Name"]
                continue
            deal = deals[crm_object["objectId"]]
            assert (deal["dealname"], deal["amount"]) == (fields["Name"], str(fields["Amount"]))
            assert labels[deal["dealstage"]] == fields["StageName"]
            assert float(deal["hs_deal_stage_probability"]) * 100 == pytest.approx(fields["Probability"])
            assert deal["closedate"] == f"{fields['CloseDate']}T00:00:00Z"
            seen += 1
        for party in call["parties"]:
            for context in party.get("context", []):
                assert contacts[context["objects"][0]["objectId"]]["email"] == party["emailAddress"]
    assert seen > 50


def test_histories_end_in_the_present_and_never_go_back(crm: dict[str, list[Record]]) -> None:
    moves = set()
    for deal in crm["deals"]:
        for name, entries in deal["propertiesWithHistory"].items():
            stamps = [at(entry["timestamp"]) for entry in entries]
            assert stamps == sorted(set(stamps), reverse=True)
            assert (entries[0]["value"] if entries else None) == deal["properties"][name]
            assert all(at(deal["createdAt"]) <= stamp <= at(deal["updatedAt"]) for stamp in stamps)
        stages = [entry["value"] for entry in deal["propertiesWithHistory"]["dealstage"]][::-1]
        moves |= set(pairwise(stages))
    assert ("closedlost", "presentationscheduled") in moves or ("closedwon", "contractsent") in moves
    assert any((b, a) in moves for a, b in moves)
    for rows in crm.values():
        for row in rows:
            if "updatedAt" in row:
                assert at(row["createdAt"]) <= at(row["updatedAt"]) <= START
            assert ("archivedAt" in row) == (row.get("archived", False) and "email" not in row)


def test_associations_are_known_from_both_ends(crm: dict[str, list[Record]]) -> None:
    pairs = {(r["fromType"], r["fromId"], r["toType"], r["toId"]) for r in crm["associations"]}
    assert len(pairs) == len(crm["associations"])
    assert pairs == {(c, d, a, b) for a, b, c, d in pairs}
    live = {(kind, row["id"]) for kind in KINDS for row in crm[kind] if not row["archived"]}
    assert {(a, b) for a, b, _, _ in pairs} <= live
    tied = {(a, b) for a, b, c, _ in pairs if c == "companies"}
    assert tied >= {(kind, row["id"]) for kind in ENGAGEMENTS for row in crm[kind] if not row["archived"]}


def test_gong_and_slack_are_as_without_a_crm(world: World) -> None:
    company = found_company(7, START)
    gong, chat = GongRecords(workspace(7)), ChatWriter(company, 7, START)
    slack = chat.empty_workspace()
    CallWriter(company, 7, START).fill(gong, 0.05)
    chat.fill(slack, 0.05)
    assert world.gong.streams(START) == gong.streams(START)
    assert world.slack.streams(START) == slack.streams(START)


# Commands.


def test_values_are_text_and_make_history(world: World) -> None:
    deal = create(world, "deals", dealname="Crane", amount=1500.5, createdate="2026-10-01T08:00:00Z")
    assert deal["properties"]["amount"] == deal["properties"]["amount_in_home_currency"] == "1500.5"
    assert deal["createdAt"] == deal["properties"]["createdate"] == "2026-10-01T08:00:00Z"
    assert deal["updatedAt"] == "2026-11-02T09:30:00Z"
    assert (deal["properties"]["dealstage"], deal["properties"]["hs_is_closed"]) == ("qualifiedtobuy", "false")
    assert all(value is None or isinstance(value, str) for value in deal["properties"].values())
    won = edit(world, "deals", deal["id"], dealstage="closedwon", amount=None)
    assert won["updatedAt"] == "2026-11-02T09:30:00.001Z"
    assert won["properties"]["hs_deal_stage_probability"] == "1.0"
    assert won["properties"]["amount_in_home_currency"] is None
    history = won["propertiesWithHistory"]
    assert [entry["value"] for entry in history["dealstage"]] == ["closedwon", "qualifiedtobuy"]
    assert [entry["value"] for entry in history["amount"]] == ["", "1500.5"]
    again = edit(world, "deals", deal["id"], dealstage="closedwon")
    assert again["propertiesWithHistory"] == history
    assert again["updatedAt"] == "2026-11-02T09:30:00.002Z"


def test_money_of_other_countries(world: World) -> None:
    deal = create(world, "deals", amount="1000", deal_currency_code="USD")
    assert deal["properties"]["amount_in_home_currency"] == "920.00"
    given = edit(world, "deals", deal["id"], amount=2000, amount_in_home_currency="1900")
    assert given["properties"]["amount_in_home_currency"] == "1900"
    home = edit(world, "deals", deal["id"], deal_currency_code="EUR")
    assert home["properties"]["amount_in_home_currency"] == "2000"
    values = [entry["value"] for entry in home["propertiesWithHistory"]["amount_in_home_currency"]]
    assert values == ["2000", "1900", "920.00"]


def test_the_modified_date_has_its_name(world: World) -> None:
    for kind in KINDS:
        made = create(world, kind)
        world.execute("clock", {"advance_s": 5})
        bumped = edit(world, kind, made["id"], hubspot_owner_id=next(iter(world.hubspot.owners)))
        name = "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"
        assert bumped["properties"][name] == bumped["updatedAt"]
        assert at(bumped["updatedAt"]) - at(made["updatedAt"]) == timedelta(seconds=5)
        assert bumped["createdAt"] == made["createdAt"]
        gone = delete(world, kind, id=made["id"])
        assert (gone["updatedAt"], gone["archived"]) == (bumped["updatedAt"], True)
        assert gone in world.dump()[f"hubspot.{kind}"]


def test_a_tie_moves_no_date_and_one_company_is_primary(world: World) -> None:
    deal, first, second = (create(world, kind)["id"] for kind in ("deals", "companies", "companies"))
    before = {row["id"]: row["updatedAt"] for row in world.dump()["hubspot.deals"]}
    ends = {"fromType": "deals", "fromId": deal, "toType": "companies"}
    made = create(world, "associations", **ends, toId=first, primary=True)
    assert [t["typeId"] for t in made["associationTypes"]] == [341, 5]
    # The same from the other end, and the primary place changes hands.
    create(world, "associations", fromType="companies", fromId=second, toType="deals", toId=deal, primary=True)
    shown = {
        (r["fromType"], r["toId"]): [t["typeId"] for t in r["associationTypes"]]
        for r in world.dump()["hubspot.associations"]
        if deal in (r["fromId"], r["toId"]) and r["fromType"] == "deals"
    }
    assert shown == {("deals", first): [341], ("deals", second): [341, 5]}
    gone = delete(world, "associations", **ends, toId=second, typeId=5)
    assert [t["typeId"] for t in gone["associationTypes"]] == [341, 5]
    delete(world, "associations", **ends, toId=second)
    left = [r for r in world.dump()["hubspot.associations"] if deal in (r["fromId"], r["toId"])]
    assert {(r["fromId"], r["toId"]) for r in left} == {(deal, first), (first, deal)}
    assert before == {row["id"]: row["updatedAt"] for row in world.dump()["hubspot.deals"]}


def test_owners_come_and_go_and_stages_are_renamed(world: World) -> None:
    owner = create(world, "owners", firstName="Nova", lastName="Testperson")
    gone = delete(world, "owners", id=owner["id"])
    assert (gone["archived"], gone["userId"], gone["userIdIncludingInactive"]) == (True, None, owner["userId"])
    assert edit(world, "owners", owner["id"], archived=False)["userId"] == owner["userId"]
    pipeline = edit(world, "pipelines", "default", label="New business", stages={"qualifiedtobuy": "interested"})
    assert (pipeline["label"], pipeline["stages"][0]["label"]) == ("New business", "interested")
    assert pipeline["stages"][0]["updatedAt"] == pipeline["updatedAt"] == "2026-11-02T09:30:00Z"


BAD_COMMANDS: list[tuple[str, Record]] = [
    ("create", {"stream": "pipelines"}),
    ("create", {"stream": "tickets"}),
    ("create", {"stream": "deals", "fields": {"colour": "red"}}),
    ("create", {"stream": "deals", "fields": {"amount": "much"}}),
    ("create", {"stream": "deals", "fields": {"amount": [1]}}),
    ("create", {"stream": "deals", "fields": {"dealstage": "118234501"}}),
    ("create", {"stream": "deals", "fields": {"pipeline": "none"}}),
    ("create", {"stream": "deals", "fields": {"deal_currency_code": "XYZ"}}),
    ("create", {"stream": "deals", "fields": {"amount_in_home_currency": 1}}),
    ("create", {"stream": "deals", "fields": {"createdate": "2027-01-01"}}),
    ("create", {"stream": "deals", "fields": {"closedate": "soon"}}),
    ("create", {"stream": "deals", "fields": {"hs_is_closed": True}}),
    ("create", {"stream": "deals", "fields": {"hubspot_owner_id": "1"}}),
    ("create", {"stream": "deals", "fields": {"id": "x"}}),
    ("create", {"stream": "deals", "fields": {"id": "{deal}"}}),
    ("create", {"stream": "associations", "fields": {"fromType": "deals", "fromId": "{deal}"}}),
    ("create", {"stream": "associations", "fields": {"fromType": "deals", "fromId": "1", "toType": "notes"}}),
    ("edit", {"stream": "deals", "id": "1", "fields": {"amount": 1}}),
    ("edit", {"stream": "deals", "id": "{archived}", "fields": {"amount": 1}}),
    ("edit", {"stream": "deals", "id": "{deal}", "fields": {"archived": False}}),
    ("edit", {"stream": "deals", "id": "{deal}", "fields": {"merge": "{deal}"}}),
    ("edit", {"stream": "deals", "id": "{deal}", "fields": {"merge": "1"}}),
    ("edit", {"stream": "deals", "id": "{deal}", "fields": {"merge": "{archived}", "amount": 1}}),
    ("edit", {"stream": "deals", "id": "{deal}", "fields": {"createdate": "2026-01-01"}}),
    ("edit", {"stream": "deals", "id": "{deal}", "fields": {"pipeline": "74120385"}}),
    ("edit", {"stream": "associations", "id": "{deal}", "fields": {}}),
    ("edit", {"stream": "pipelines", "id": "none", "fields": {}}),
    ("edit", {"stream": "pipelines", "id": "default", "fields": {"stages": {"none": "x"}}}),
    ("edit", {"stream": "owners", "id": "1", "fields": {}}),
    ("delete", {"stream": "deals", "id": "1"}),
    ("delete", {"stream": "deals", "id": "{archived}"}),
    ("delete", {"stream": "pipelines", "id": "default"}),
    ("delete", {"stream": "associations", "fromType": "deals", "fromId": "{deal}", "toType": "notes", "toId": "1"}),
]


def test_a_bad_command_changes_nothing(world: World) -> None:
    deals = world.dump()["hubspot.deals"]
    places = {
        "{deal}": next(row["id"] for row in deals if not row["archived"]),
        "{archived}": next(row["id"] for row in deals if row["archived"]),
    }
    before = world.dump()
    for op, command in BAD_COMMANDS:
        with pytest.raises(CommandRefused, match=r"\.$"):
            world.execute(op, filled_in(command, places) | {"vendor": "hubspot"})
    assert world.dump() == before


def filled_in(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: filled_in(item, places) for name, item in value.items()}
    return places.get(value, value) if isinstance(value, str) else value


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("create", "edit", "archive", "restore", "merge", "hard", "tie", "untie", "clock")),
        st.sampled_from(("deals", "contacts", "companies", "notes")),
        st.integers(0, 10_000),
    ),
    max_size=30,
)


def take(world: World, step: str, kind: str, number: int) -> None:
    """One step of a history; `number` chooses what it is done to."""
    rows = world.hubspot.streams(world.now)[kind]
    row_id = rows[number % len(rows)]["id"]
    companies = world.hubspot.streams(world.now)["companies"]
    ends = {
        "fromType": kind,
        "fromId": row_id,
        "toType": "companies",
        "toId": companies[number % len(companies)]["id"],
    }
    match step:
        case "create":
            create(world, kind)
        case "edit":
            edit(world, kind, row_id, hubspot_owner_id=sorted(world.hubspot.owners)[number % 14])
        case "archive":
            delete(world, kind, id=row_id)
        case "restore":
            edit(world, kind, row_id, archived=False)
        case "merge":
            edit(world, kind, row_id, merge=rows[number // 7 % len(rows)]["id"])
        case "hard":
            delete(world, kind, id=row_id, hard=True)
        case "tie":
            create(world, "associations", **ends, primary=number % 2 == 0)
        case "untie":
            delete(world, "associations", **ends)
        case "clock":
            world.execute("clock", {"advance_s": number / 1000})


@settings(max_examples=20, deadline=None)
@given(steps=STEPS)
def test_any_history_keeps_the_rules_and_replays_to_the_same_world(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int]]
) -> None:
    state = tmp_path_factory.mktemp("state")
    world = open_world(7, 0.02, START, state)
    for step, kind, number in steps:
        with suppress(CommandRefused):
            take(world, step, kind, number)
    dump = world.hubspot.streams(world.now)
    counts = world.hubspot.counts(world.now)
    assert counts == {stream: sum(not row.get("archived") for row in rows) for stream, rows in dump.items()}
    pairs = {(r["fromType"], r["fromId"], r["toType"], r["toId"]): r["associationTypes"] for r in dump["associations"]}
    assert set(pairs) == {(c, d, a, b) for a, b, c, d in pairs}
    for kind in ("deals", "contacts"):
        primary = [
            start for (a, start, c, _), types in pairs.items() if (a, c) == (kind, "companies") and len(types) > 1
        ]
        assert len(primary) == len(set(primary))
    world.close()
    again = open_world(7, 0.02, START, state)
    assert again.hubspot.streams(again.now) == dump
    again.close()


def test_a_world_of_real_material_has_an_empty_crm(tmp_path: Path, shared: Path) -> None:
    counts = open_world(data=shared / "data", start=START).counts()
    assert {name: count for name, count in counts.items() if name.startswith("hubspot.") and count} == {
        "hubspot.pipelines": 2
    }
