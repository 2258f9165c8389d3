"""HubSpot's source against the sandbox: pages, limits, traps; and what a change does to its documents."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

import sandbox
from contracts.errors import MissingSetting, QuotaSpent, VendorRefused, VendorUnavailable
from pipelines import catalog
from pipelines.arrivals import Landed
from pipelines.pull import pull
from pipelines.sources import Pull, hubspot
from pipelines.sources._http import VendorSession
from tests.conftest import profile_for, vendors
from tests.pipelines.answering import answering
from tests.pipelines.rig import Rig, Row, open_rig
from tests.pipelines.truth import FIELDS, expected, held
from tests.sandbox.hubspot_models import BatchReadRequest, SearchRequest
from transforms import rows

STREAMS = [stream for stream in FIELDS if stream.startswith("hubspot.")]
SEARCH = "/crm/v3/objects/{}/search"


@pytest.fixture
def small(tmp_path: Path, small_world: sandbox.Control) -> Iterator[Rig]:
    """Pulled once."""
    with open_rig(profile_for(tmp_path, small_world), small_world) as rig:
        pull_hubspot(rig)
        yield rig


def pull_hubspot(rig: Rig, *, full: bool = False) -> dict[str, Landed]:
    return {one.address.entity: one for one in pull("hubspot", rig.profile, rig.warehouse, full=full)}


def assert_equals_the_world(rig: Rig) -> None:
    wanted, found = expected(rig), held(rig)
    for stream in STREAMS:
        assert found[stream] == wanted[stream], stream


def first(rig: Rig, kind: str, **having: Any) -> Row:
    """The first live object of a kind."""
    living = (record for record in rig.control.dump()[f"hubspot.{kind}"] if not record["archived"])
    return next(r for r in living if all(r["properties"][name] == value for name, value in having.items()))


def tied(rig: Rig, from_type: str, to_type: str) -> Row:
    """The first association of a pair, as the world has it."""
    ties = rig.control.dump()["hubspot.associations"]
    return next(t for t in ties if (t["fromType"], t["toType"]) == (from_type, to_type))


def row(rig: Rig, table: str, key: str, native_id: str) -> Row:
    [found] = rig.rows(f"SELECT * FROM HUBSPOT_INTEGRATION.{table} WHERE {key} = '{native_id}'")
    return found


def test_a_second_pull_finds_the_same(small: Rig) -> None:
    assert_equals_the_world(small)
    before = held(small)
    again = pull_hubspot(small)
    assert {(landed.changed, landed.deleted, landed.rejected) for landed in again.values()} == {(0, 0, 0)}
    assert held(small) == before
    full = pull_hubspot(small, full=True)
    assert {(landed.changed, landed.deleted) for landed in full.values()} == {(0, 0)}


def test_more_than_a_page_is_pulled(tmp_path: Path, small_world: sandbox.Control) -> None:
    for kind, page in {"contacts": hubspot.PAGE, "deals": hubspot.PAGE_WITH_HISTORY}.items():
        for _ in range(page + 1 - small_world.counts()[f"hubspot.{kind}"]):
            small_world.create(f"hubspot.{kind}")
    with open_rig(profile_for(tmp_path, small_world), small_world) as rig:
        landed = pull_hubspot(rig)
        assert landed["contacts"].received > hubspot.PAGE
        assert landed["deals"].received > hubspot.PAGE_WITH_HISTORY
        assert_equals_the_world(rig)


def test_the_dated_path_gives_the_same(tmp_path: Path, small_world: sandbox.Control) -> None:
    profile = profile_for(tmp_path, small_world, SOPHIA_HUBSPOT_OBJECTS_PATH="/crm/objects/2026-09")
    with open_rig(profile, small_world) as rig:
        pull_hubspot(rig)
        assert_equals_the_world(rig)
        assert not any(path.startswith("/crm/v3/objects") for path in small_world.requests()["hubspot"])


def test_a_change_comes_with_its_history(small: Rig) -> None:
    found = first(small, "deals", pipeline="default")
    deal, stage = found["id"], found["properties"]["dealstage"]
    other = "contractsent" if stage != "contractsent" else "closedlost"
    small.control.advance(60)
    small.control.edit("hubspot.deals", deal, dealstage=other, amount=4711.5)
    small.control.create("hubspot.notes", hs_note_body="A new note.")
    small.control.reset_requests()
    landed = pull_hubspot(small)
    assert (landed["deals"].changed, landed["notes"].changed) == (1, 1)
    assert_equals_the_world(small)
    payload = msgspec.json.decode(row(small, "DEALS", "DEAL_ID", deal)["payload"])
    assert [entry["value"] for entry in payload["propertiesWithHistory"]["dealstage"]][:2] == [other, stage]
    requests_made = small.control.requests()["hubspot"]
    assert requests_made[SEARCH.format("deals")]["total"] == 1
    assert requests_made["/crm/v3/objects/deals"]["total"] == 1, "the archived alone are listed"


def test_what_is_archived_is_a_tombstone_with_its_content_and_comes_back_whole(small: Rig) -> None:
    tie = tied(small, "notes", "deals")
    deal = tie["toId"]
    name = row(small, "DEALS", "DEAL_ID", deal)["name"]
    archived = small.control.delete("hubspot.deals", deal)
    landed = pull_hubspot(small)
    assert landed["deals"].changed == 1
    assert_equals_the_world(small)
    tombstone = row(small, "DEALS", "DEAL_ID", deal)
    archived_at = datetime.fromisoformat(archived["archivedAt"]).astimezone(UTC).replace(tzinfo=None)
    assert (tombstone["_deleted_at"], tombstone["name"]) == (archived_at, name)
    again = pull_hubspot(small)
    assert {(landed.changed, landed.deleted) for landed in again.values()} == {(0, 0)}

    pull_hubspot(small, full=True)
    small.control.edit("hubspot.deals", deal, archived=False)
    pull_hubspot(small)
    assert row(small, "DEALS", "DEAL_ID", deal)["_deleted_at"] is None
    assert_equals_the_world(small)  # the note's association with it too, though the note was not modified


def test_what_comes_back_is_seen_where_search_does_not_tell(tmp_path: Path) -> None:
    with (
        vendors(scale=0.15, limit_speedup=math.inf, hubspot_search_delay_s=3600) as control,
        open_rig(profile_for(tmp_path, control), control) as rig,
    ):
        company = first_id(control, "companies")
        control.delete("hubspot.companies", company)
        pull_hubspot(rig)
        assert row(rig, "COMPANIES", "COMPANY_ID", company)["_deleted_at"] is not None
        control.edit("hubspot.companies", company, archived=False)
        pull_hubspot(rig)
        assert_equals_the_world(rig)


def first_id(control: sandbox.Control, kind: str) -> str:
    return next(str(record["id"]) for record in control.dump()[f"hubspot.{kind}"] if not record["archived"])


def test_the_loser_of_a_merge_goes_at_once_and_its_ties_move(small: Rig) -> None:
    companies = {t["toId"] for t in small.control.dump()["hubspot.associations"] if t["toType"] == "companies"}
    loser = tied(small, "deals", "companies")["toId"]
    winner = next(company for company in sorted(companies) if company != loser)
    small.control.edit("hubspot.companies", winner, merge=loser)
    pull_hubspot(small)
    tombstone = row(small, "COMPANIES", "COMPANY_ID", loser)
    assert tombstone["_deleted_at"] is not None
    assert tombstone["name"]
    assert loser in row(small, "COMPANIES", "COMPANY_ID", winner)["merged_ids"]
    assert_equals_the_world(small)
    again = pull_hubspot(small)
    assert {(landed.changed, landed.deleted) for landed in again.values()} == {(0, 0)}


def test_what_is_deleted_for_good_goes_with_a_full_pull(small: Rig) -> None:
    contact = tied(small, "contacts", "companies")["fromId"]
    small.control.delete("hubspot.contacts", {"id": contact, "hard": True})
    assert pull_hubspot(small)["contacts"].deleted == 0
    assert pull_hubspot(small, full=True)["contacts"].deleted == 1
    assert_equals_the_world(small)
    pull_hubspot(small)
    assert_equals_the_world(small)


def test_search_is_read_past_its_cap(tmp_path: Path) -> None:
    with (
        vendors(scale=0.15, limit_speedup=math.inf, hubspot_search_cap=hubspot.SEARCH_PAGE) as control,
        open_rig(profile_for(tmp_path, control), control) as rig,
    ):
        pull_hubspot(rig)
        for number in range(2 * hubspot.SEARCH_PAGE + 1):
            control.create("hubspot.notes", hs_note_body=f"Note {number}")
        control.reset_requests()
        assert pull_hubspot(rig)["notes"].changed == 2 * hubspot.SEARCH_PAGE + 1
        assert control.requests()["hubspot"][SEARCH.format("notes")]["total"] == 3
        assert_equals_the_world(rig)


def test_associations_of_more_than_a_page_are_read_on(small: Rig) -> None:
    """HubSpot gives 500 of one object at a time."""
    deal = first(small, "deals")["id"]
    for number in range(501):
        contact = small.control.create("hubspot.contacts", email=f"c{number}@example.com")["id"]
        small.control.create("hubspot.associations", fromType="deals", fromId=deal, toType="contacts", toId=contact)
    small.control.edit("hubspot.deals", deal, amount=1)
    pull_hubspot(small)
    assert_equals_the_world(small)


def test_an_edit_that_search_tells_late_is_not_lost(tmp_path: Path) -> None:
    with (
        vendors(scale=0.15, limit_speedup=math.inf, hubspot_search_delay_s=300) as control,
        open_rig(profile_for(tmp_path, control), control) as rig,
    ):
        pull_hubspot(rig)
        contact = first_id(control, "contacts")
        control.edit("hubspot.contacts", contact, jobtitle="Chief of Late News")
        assert pull_hubspot(rig)["contacts"].changed == 0, "not in the index yet"
        control.advance(200)
        control.create("hubspot.contacts", email="newer@example.com")
        control.advance(301)
        pull_hubspot(rig)
        assert_equals_the_world(rig)


def test_a_search_that_is_late_does_not_bring_back_what_was(tmp_path: Path) -> None:
    """The record is read by its id, so an old state in the index is not landed, nor what is there no more."""
    with (
        vendors(scale=0.15, limit_speedup=math.inf, hubspot_search_delay_s=60) as control,
        open_rig(profile_for(tmp_path, control), control) as rig,
    ):
        pull_hubspot(rig)
        company = first_id(control, "companies")
        removed = control.create("hubspot.companies", name="Short-lived")["id"]
        control.edit("hubspot.companies", company, city="Turku")
        control.advance(61)
        control.edit("hubspot.companies", company, city="Tampere")
        control.delete("hubspot.companies", {"id": removed, "hard": True})
        assert pull_hubspot(rig)["companies"].changed == 1
        assert row(rig, "COMPANIES", "COMPANY_ID", company)["city"] == "Tampere"


def test_another_company_of_a_changed_deal_is_seen_at_once_and_of_another_by_a_full_pull(small: Rig) -> None:
    ties = [t for t in small.control.dump()["hubspot.associations"] if t["fromType"] == "deals"]
    changed, quiet = [t for t in ties if t["toType"] == "companies"][:2]
    taken = {t["toId"] for t in ties if t["fromId"] in (changed["fromId"], quiet["fromId"])}
    company = next(c["id"] for c in small.control.dump()["hubspot.companies"] if c["id"] not in taken)
    for tie in (changed, quiet):
        ends = {"fromType": "deals", "fromId": tie["fromId"], "toType": "companies"}
        small.control.delete("hubspot.associations", ends | {"toId": tie["toId"]})
        small.control.create("hubspot.associations", **ends, toId=company, primary=True)
    small.control.edit("hubspot.deals", changed["fromId"], amount=1)
    pull_hubspot(small)
    main = "SELECT FROM_ID, TO_ID FROM HUBSPOT_INTEGRATION.ASSOCIATIONS WHERE _DELETED_AT IS NULL AND IS_PRIMARY"
    owners = {r["from_id"]: r["to_id"] for r in small.rows(f"{main} AND FROM_TYPE = 'deals'")}
    assert (owners[changed["fromId"]], owners[quiet["fromId"]]) == (company, quiet["toId"])
    pull_hubspot(small, full=True)
    assert_equals_the_world(small)


def test_what_is_tied_to_a_new_company_is_seen_though_it_was_not_modified(small: Rig) -> None:
    deal, note = first(small, "deals")["id"], first(small, "notes")["id"]
    company = small.control.create("hubspot.companies", name="Another")["id"]
    for from_type, from_id in (("deals", deal), ("notes", note)):
        ends = {"fromType": from_type, "fromId": from_id, "toType": "companies", "toId": company}
        small.control.create("hubspot.associations", **ends)
    pull_hubspot(small)
    assert_equals_the_world(small)


def test_the_loser_of_a_merge_goes_though_its_winner_is_archived(small: Rig) -> None:
    winner, loser = (company["id"] for company in small.control.dump()["hubspot.companies"][:2])
    small.control.edit("hubspot.companies", winner, merge=loser)
    small.control.delete("hubspot.companies", winner)
    pull_hubspot(small)
    for company in (winner, loser):
        assert row(small, "COMPANIES", "COMPANY_ID", company)["_deleted_at"] is not None
    assert_equals_the_world(small)
    again = pull_hubspot(small)
    assert {(landed.changed, landed.deleted) for landed in again.values()} == {(0, 0)}


@pytest.mark.parametrize("odd", [{"id": "1", "properties": "none"}, {"properties": {"hs_merged_object_ids": 7}}, {}])
def test_a_record_of_another_shape_has_taken_in_none(odd: dict[str, Any]) -> None:
    assert hubspot._with_losers([odd]) == [odd]


def test_an_owner_who_leaves_stays(small: Rig) -> None:
    owner = first(small, "deals")["properties"]["hubspot_owner_id"]
    small.control.edit("hubspot.owners", owner, archived=True)
    pull_hubspot(small)
    found = row(small, "OWNERS", "OWNER_ID", owner)
    assert (found["archived"], found["_deleted_at"], found["user_id"] is None) == (True, None, False)


def test_a_stage_that_is_renamed_is_renamed(small: Rig) -> None:
    small.control.edit("hubspot.pipelines", "default", label="New business", stages={"closedwon": "won"})
    landed = pull_hubspot(small)
    assert (landed["pipelines"].changed, landed["deal_stages"].changed) == (1, 1)
    assert_equals_the_world(small)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "rate_limited", "retry_after_s": 1},
        {"kind": "rate_limited", "retry_after_s": None, "times": 2},
        {"kind": "status", "status": 502, "times": 2},
        {"kind": "status", "status": 423},
        {"kind": "status", "status": 477},
    ],
)
def test_what_passes_is_waited_for(tmp_path: Path, small_world: sandbox.Control, fault: dict[str, Any]) -> None:
    small_world.fault("hubspot", match="/crm/v3/objects/deals", **fault)
    with open_rig(profile_for(tmp_path, small_world), small_world) as rig:
        pull_hubspot(rig)
        assert_equals_the_world(rig)


@pytest.mark.parametrize("kind", ["truncated_json", "cut"])
def test_a_vendor_that_fails_leaves_nothing_half_landed(
    tmp_path: Path, small_world: sandbox.Control, kind: str
) -> None:
    with open_rig(profile_for(tmp_path, small_world), small_world) as rig:
        small_world.fault("hubspot", kind, match="/crm/v4/associations/notes/deals", times=1)
        with pytest.raises(VendorUnavailable, match="HubSpot does not answer"):
            pull_hubspot(rig)
        assert all(held(rig)[stream] == [] for stream in STREAMS)
        small_world.clear_faults()
        pull_hubspot(rig)
        assert_equals_the_world(rig)


@pytest.mark.parametrize(
    ("token", "answer"),
    [
        ("pat-wrong", r"401: The access token is invalid.*\(INVALID_AUTHENTICATION\)"),
        ("pat,wrong", "530: the token has not the form of one"),
    ],
)
def test_a_wrong_token_is_refused_in_one_line(
    tmp_path: Path, small_world: sandbox.Control, token: str, answer: str
) -> None:
    profile = profile_for(tmp_path, small_world, SOPHIA_HUBSPOT_TOKEN=token)
    with open_rig(profile, small_world) as rig, pytest.raises(VendorRefused, match=answer) as refusal:
        pull_hubspot(rig)
    assert "Check SOPHIA_HUBSPOT_TOKEN" in str(refusal.value)
    assert token not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_scope_is_named(tmp_path: Path, small_world: sandbox.Control) -> None:
    small_world.fault("hubspot", "status", match="/crm/v3/objects/deals", status=403)
    with (
        open_rig(profile_for(tmp_path, small_world), small_world) as rig,
        pytest.raises(VendorRefused, match=r"\(MISSING_SCOPES\): crm\.objects\.deals\.read"),
    ):
        pull_hubspot(rig)


def test_a_batch_that_lacks_more_than_what_is_gone_is_a_failure() -> None:
    session = VendorSession("HubSpot", "http://127.0.0.1:9", "")
    for category, fails in (("OBJECT_NOT_FOUND", False), ("INTERNAL_ERROR", True)):
        response = requests.Response()
        response.status_code = 207
        response._content = msgspec.json.encode({"results": [], "errors": [{"category": category}]})
        if fails:
            with pytest.raises(VendorUnavailable, match=category):
                hubspot._check(session, response)
        else:
            hubspot._check(session, response)


@pytest.mark.parametrize("listing", [{"status": "error"}, {"results": None}, []])
def test_a_listing_without_results_is_no_empty_one(listing: Any) -> None:
    with (
        answering(lambda _path, _body: (200, {}, listing)) as url,
        VendorSession("HubSpot", url, "") as session,
        pytest.raises(VendorUnavailable, match="a listing without results"),
    ):
        hubspot._check_listing(session, session.get(url))


def test_no_owner_and_no_pipeline_at_all_is_not_believed() -> None:
    with answering(lambda _path, _body: (200, {}, {"results": []})) as url:
        context = Pull(positions={}, full=True)
        source = hubspot.source(hubspot.Settings(url=url, token="pat-any", requests_per_10_seconds=1000), context)
        with context.connections:
            for stream in ("owners", "pipelines", "tasks"):
                assert list(source.resources[stream]) == []
    assert [str(sweep.address) for sweep in context.sweeps] == ["hubspot/tasks"]


def test_the_limit_that_is_reached_for_long_is_named(small: Rig) -> None:
    small.control.fault("hubspot", "rate_limited", match="/crm/v3/owners", times=100, retry_after_s=3600)
    small.control.reset_requests()
    assert [name for name, one in pull_hubspot(small).items() if one.goes_on_at is None] == ["associations"]
    assert [path["total"] for path in small.control.requests()["hubspot"].values()] == [1]
    with pytest.raises(QuotaSpent, match="HTTP 429, over its limit TEN_SECONDLY_ROLLING"):
        hubspot.probe(small.profile.section("hubspot", hubspot.Settings))


def test_an_objects_cursor_moves_after_its_associations_have_landed() -> None:
    """A pull that ends between the two would not read them again."""
    assert rows.entities("hubspot")[0].address.entity == "associations"


def test_requests_are_as_described() -> None:
    for object_type in hubspot.PROPERTIES:
        search = hubspot._search(
            object_type, datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC), "17"
        )
        assert msgspec.convert(search, SearchRequest).limit == hubspot.SEARCH_PAGE
        batch = {"inputs": [{"id": "17"}], **hubspot._wanted(object_type)}
        assert "hubspot_owner_id" in msgspec.convert(batch, BatchReadRequest).properties
        assert len(str(hubspot._wanted(object_type))) < 1000, "HubSpot refuses long URLs"


def test_nothing_is_asked_and_no_secret_needed_before_a_row_is() -> None:
    source = hubspot.source(hubspot.Settings(url="http://127.0.0.1:9"), Pull(positions={}))
    streams = {stream.removeprefix("hubspot.") for stream in STREAMS}
    assert set(source.resources) == streams


def test_a_missing_token_names_its_variable(tmp_path: Path, small_world: sandbox.Control) -> None:
    profile = profile_for(tmp_path, small_world, SOPHIA_HUBSPOT_TOKEN="")
    with open_rig(profile, small_world) as rig, pytest.raises(MissingSetting, match="SOPHIA_HUBSPOT_TOKEN is not set"):
        pull_hubspot(rig)


def changed_documents(rig: Rig) -> set[str]:
    """Pull, catalogue, and tell whose revision moved."""
    before = rig.revisions()
    pull_hubspot(rig)
    catalog.refresh("hubspot", rig.warehouse)
    after = rig.revisions()
    return {one for one in before.keys() | after.keys() if before.get(one) != after.get(one)}


def test_a_part_that_changes_rebuilds_its_documents_and_no_other(small: Rig) -> None:
    control = small.control
    documents = changed_documents(small)
    assert {one.split(":")[1] for one in documents} == {"deal", "company"}
    tie = tied(small, "notes", "deals")
    note, deal = tie["fromId"], f"hubspot:deal:{tie['toId']}"

    control.edit("hubspot.notes", note, hs_note_body="<p>Another text.</p>")
    assert changed_documents(small) == {deal}
    assert "Another text." in entry(small, deal)["sections"]

    control.edit("hubspot.deals", tie["toId"], amount=12345.5, deal_currency_code="EUR")
    assert changed_documents(small) == set()
    assert msgspec.json.decode(entry(small, deal)["metadata"])["amount"] == 12345.5

    control.edit("hubspot.pipelines", "default", label="New business")
    assert changed_documents(small) == set()

    contact = tied(small, "contacts", "companies")
    control.edit("hubspot.contacts", contact["fromId"], lastname="Othername")
    renamed = changed_documents(small)
    assert f"hubspot:company:{contact['toId']}" in renamed
    assert all("Othername" in entry(small, one)["sections"] for one in renamed)


def test_an_owners_name_rebuilds_what_is_theirs_and_no_note_of_it(small: Rig) -> None:
    parts = "SELECT DOCUMENT_ID, ROW_KEY FROM HUBSPOT_INTEGRATION.DOCUMENT_PARTS WHERE ENTITY = 'owners'"
    owned = {
        (f"hubspot:{kind}:{record['id']}", owner)
        for kind, stream in (("deal", "deals"), ("company", "companies"))
        for record in small.control.dump()[f"hubspot.{stream}"]
        if (owner := record["properties"].get("hubspot_owner_id"))
    }
    assert {(part["document_id"], part["row_key"]) for part in small.rows(parts)} == owned


def test_a_note_goes_where_it_is_tied_to(small: Rig) -> None:
    control = small.control
    changed_documents(small)
    deal, company = first(small, "deals")["id"], first(small, "companies")["id"]
    note = control.create("hubspot.notes", hs_note_body="Wanders about.")["id"]
    ends = {"fromType": "notes", "fromId": note}
    control.create("hubspot.associations", **ends, toType="companies", toId=company)
    assert changed_documents(small) == {f"hubspot:company:{company}"}

    control.create("hubspot.associations", **ends, toType="deals", toId=deal)
    control.edit("hubspot.notes", note, hs_note_body="Wanders about!")
    assert changed_documents(small) == {f"hubspot:company:{company}", f"hubspot:deal:{deal}"}
    assert "Wanders" not in entry(small, f"hubspot:company:{company}")["sections"]

    control.delete("hubspot.deals", deal)
    assert changed_documents(small) == {f"hubspot:company:{company}", f"hubspot:deal:{deal}"}
    assert f"hubspot:deal:{deal}" not in small.revisions()
    assert "Wanders" in entry(small, f"hubspot:company:{company}")["sections"]

    control.delete("hubspot.associations", ends | {"toType": "companies", "toId": company})
    control.edit("hubspot.notes", note, hs_note_body="Wanders off.")
    assert changed_documents(small) == {f"hubspot:company:{company}"}
    assert "Wanders" not in entry(small, f"hubspot:company:{company}")["sections"]


def entry(rig: Rig, document_id: str) -> Row:
    [found] = rig.rows(f"SELECT * FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DATA_ID = '{document_id}'")
    return found
