"""HubSpot's API: lists, batches, what becomes of objects, owners, refusals, limits; closed models read every answer."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import msgspec
import pytest

from tests.sandbox.hubspot_models import (
    AssociationsBatch,
    BatchPage,
    CrmObject,
    Filter,
    Input,
    LimitProblem,
    ObjectPage,
    OwnerPage,
    Pipelines,
    Properties,
    SearchPage,
    problem,
    read,
)
from tests.sandbox.hubspot_reader import OBJECTS, at, batch, ids_of, pages, search, tied

KINDS = ("companies", "contacts", "deals", "notes", "calls", "emails", "meetings", "tasks")


# Objects.


@pytest.mark.parametrize("kind", KINDS)
def test_lists_are_the_dump(demo: Any, kind: str) -> None:
    dump = demo.control.dump()[f"hubspot.{kind}"]
    names = ",".join(p.name for p in read(Properties, demo.hubspot.get(f"/crm/v3/properties/{kind}")).results)
    for archived in (False, True):
        query = {"properties": names, "archived": str(archived).lower(), "limit": 7}
        found = [row for page in pages(demo.hubspot, f"{OBJECTS}/{kind}", **query) for row in page.results]
        expected = [row for row in dump if row["archived"] == archived]
        assert [row.id for row in found] == [row["id"] for row in expected]
        for row, wanted in zip(found, expected, strict=True):
            assert (row.properties, row.created_at, row.updated_at) == (
                wanted["properties"],
                wanted["createdAt"],
                wanted["updatedAt"],
            )
            assert (row.archived_at or None) == wanted.get("archivedAt")
    assert demo.control.counts()[f"hubspot.{kind}"] == sum(not row["archived"] for row in dump)


def test_a_page_has_ten_rows_unless_asked_otherwise(demo: Any) -> None:
    first = read(ObjectPage, demo.hubspot.get(f"{OBJECTS}/deals"))
    assert len(first.results) == 10
    assert first.paging
    linked = read(ObjectPage, demo.hubspot.get(str(first.paging.next.link)))
    by_after = read(ObjectPage, demo.hubspot.get(f"{OBJECTS}/deals", params={"after": first.paging.next.after}))
    assert linked.results == by_after.results
    assert len(read(ObjectPage, demo.hubspot.get(f"{OBJECTS}/notes?limit=100")).results) > 10


def test_the_dated_prefix_gives_the_same(demo: Any) -> None:
    query = {"limit": 5, "associations": "companies,contacts"}
    dated = read(ObjectPage, demo.hubspot.get("/crm/objects/2026-09/deals", params=query))
    plain = read(ObjectPage, demo.hubspot.get(f"{OBJECTS}/deals", params=query))
    assert dated.results == plain.results
    first = dated.results[0].id
    one = read(CrmObject, demo.hubspot.get(f"/crm/objects/2026-09/0-3/{first}"))
    assert one == read(CrmObject, demo.hubspot.get(f"{OBJECTS}/deals/{first}"))
    assert read(SearchPage, demo.hubspot.post("/crm/objects/2026-09/deals/search", json={})).total > 40


def test_default_properties(demo: Any) -> None:
    for kind, names in {
        "contacts": "createdate,email,firstname,hs_object_id,lastmodifieddate,lastname",
        "companies": "createdate,domain,hs_lastmodifieddate,hs_object_id,name",
        "deals": "amount,closedate,createdate,dealname,dealstage,hs_lastmodifieddate,hs_object_id,pipeline",
    }.items():
        row = read(ObjectPage, demo.hubspot.get(f"{OBJECTS}/{kind}?limit=1")).results[0]
        assert sorted(row.properties) == names.split(",")
        asked = read(CrmObject, demo.hubspot.get(f"{OBJECTS}/{kind}/{row.id}?properties=createdate,no_such"))
        assert asked.properties == {"createdate": row.created_at}


def test_history_is_newest_first_and_makes_pages_smaller(readers: Any) -> None:
    deal = readers.control.create("hubspot.deals", dealname="Crane", amount=100)
    for amount in (200, 200, 300):
        readers.control.edit("hubspot.deals", deal["id"], amount=amount)
    query = {"propertiesWithHistory": "amount,amount_in_home_currency", "limit": 50}
    found = [row for page in pages(readers.hubspot, f"{OBJECTS}/deals", **query) for row in page.results]
    row = next(row for row in found if row.id == deal["id"])
    assert row.properties_with_history
    history = row.properties_with_history["amount"]
    assert [entry.value for entry in history] == ["300", "200", "100"]
    stamps = [at(entry.timestamp) for entry in history]
    assert stamps == sorted(set(stamps), reverse=True)
    assert [e.value for e in row.properties_with_history["amount_in_home_currency"]] == ["300", "200", "100"]
    assert "history" not in str(problem(readers.hubspot.get(f"{OBJECTS}/deals?limit=101"), 400))
    problem(readers.hubspot.get(f"{OBJECTS}/deals", params=query | {"limit": 51}), 400)


def test_a_contact_is_found_by_email(demo: Any) -> None:
    contact = demo.control.dump()["hubspot.contacts"][0]
    email = contact["properties"]["email"]
    found = read(CrmObject, demo.hubspot.get(f"{OBJECTS}/contacts/{email}", params={"idProperty": "email"}))
    assert found.id == contact["id"]
    many = read(BatchPage, batch(demo.hubspot, "contacts", [email], id_property="email"))
    assert [row.id for row in many.results] == [contact["id"]]
    problem(demo.hubspot.get(f"{OBJECTS}/deals/x", params={"idProperty": "dealname"}), 400)


def test_a_batch_reads_what_is_there(readers: Any) -> None:
    live = ids_of(readers.hubspot, "deals", limit=100)
    archived = ids_of(readers.hubspot, "deals", archived="true")
    assert archived
    whole = read(BatchPage, batch(readers.hubspot, "deals", live[:5], properties=["amount"]))
    assert {row.id for row in whole.results} == set(live[:5])
    assert all(set(row.properties) == {"amount"} for row in whole.results)
    part = read(BatchPage, batch(readers.hubspot, "deals", [*live[:2], "1", archived[0]]), 207)
    assert {row.id for row in part.results} == set(live[:2])
    assert part.num_errors == 1
    assert part.errors
    assert (part.errors[0].category, part.errors[0].context) == ("OBJECT_NOT_FOUND", {"ids": ["1", archived[0]]})
    gone = batch(readers.hubspot, "deals", archived, properties_with_history=["dealstage"])
    path = str(gone.request.url) + "?archived=true"
    shown = read(BatchPage, readers.hubspot.post(path, content=gone.request.content))
    assert [row.id for row in shown.results] == archived
    assert all(row.archived and row.archived_at for row in shown.results)


def test_a_batch_has_its_size(demo: Any) -> None:
    body: dict[str, Any] = {"inputs": [{"id": str(number)} for number in range(1, 102)]}
    path = f"{OBJECTS}/deals/batch/read"
    assert "100" in problem(demo.hubspot.post(path, json=body), 400).message
    with_history = {"inputs": body["inputs"][:51], "propertiesWithHistory": ["amount"]}
    assert "50" in problem(demo.hubspot.post(path, json=with_history), 400).message
    read(BatchPage, demo.hubspot.post(path, json={"inputs": body["inputs"][:100]}), 207)
    for broken in ({}, {"inputs": ["1"]}, {"inputs": [{"id": "1"}], "properties": "amount"}):
        problem(demo.hubspot.post(path, json=broken), 400)
    problem(demo.hubspot.post(path, content=b"{"), 400)


# What happens to objects.


def test_archiving_bears_no_modified_date(readers: Any) -> None:
    deal = readers.control.create("hubspot.deals", dealname="Crane")
    company = readers.control.dump()["hubspot.companies"][0]["id"]
    tie = {"fromType": "deals", "fromId": deal["id"], "toType": "companies", "toId": company}
    readers.control.create("hubspot.associations", **tie)
    readers.control.advance(60)
    archived = readers.control.delete("hubspot.deals", deal["id"])
    assert (archived["archived"], archived["archivedAt"]) == (True, "2026-11-02T09:31:00Z")
    assert archived["updatedAt"] == deal["updatedAt"]
    problem(readers.hubspot.get(f"{OBJECTS}/deals/{deal['id']}"), 404)
    assert deal["id"] not in ids_of(readers.hubspot, "deals", limit=100)
    shown = read(CrmObject, readers.hubspot.get(f"{OBJECTS}/deals/{deal['id']}?archived=true&associations=companies"))
    assert (shown.archived, shown.associations) == (True, msgspec.UNSET)
    assert search(readers.hubspot, "deals", Filter("dealname", "EQ", "Crane")).total == 0
    read(AssociationsBatch, tied(readers.hubspot, "deals", "companies", [Input(deal["id"])]), 207)
    back = readers.control.edit("hubspot.deals", deal["id"], archived=False)
    assert at(back["updatedAt"]) > at(archived["archivedAt"])
    one = read(CrmObject, readers.hubspot.get(f"{OBJECTS}/deals/{deal['id']}?associations=companies"))
    assert one.associations


def test_a_hard_delete_leaves_nothing(readers: Any) -> None:
    first, second = ids_of(readers.hubspot, "notes", limit=2)[:2]
    readers.control.delete("hubspot.notes", {"id": first, "hard": True})
    readers.control.edit("hubspot.notes", second, gdpr_delete=True)
    for gone in (first, second):
        for archived in ("false", "true"):
            problem(readers.hubspot.get(f"{OBJECTS}/notes/{gone}?archived={archived}"), 404)
    assert not {first, second} & {row["id"] for row in readers.control.dump()["hubspot.notes"]}
    assert not any({first, second} & {r["fromId"], r["toId"]} for r in readers.control.dump()["hubspot.associations"])


def test_a_merge_keeps_the_winner(readers: Any) -> None:
    winner = readers.control.create("hubspot.contacts", email="one@example.com", firstname="One")
    loser = readers.control.create("hubspot.contacts", email="two@example.com", firstname="Two", phone="1")
    company = readers.control.dump()["hubspot.companies"][0]["id"]
    readers.control.create(
        "hubspot.associations",
        fromType="contacts",
        fromId=loser["id"],
        toType="companies",
        toId=company,
        primary=True,
    )
    merged = readers.control.edit("hubspot.contacts", winner["id"], merge=loser["id"])
    problem(readers.hubspot.get(f"{OBJECTS}/contacts/{loser['id']}"), 404)
    problem(readers.hubspot.get(f"{OBJECTS}/contacts/{loser['id']}?archived=true"), 404)
    assert merged["properties"]["hs_merged_object_ids"] == loser["id"]
    assert (merged["properties"]["firstname"], merged["properties"]["phone"]) == ("One", None)
    assert merged["updatedAt"] == merged["properties"]["lastmodifieddate"]
    assert at(merged["updatedAt"]) > at(winner["updatedAt"])
    found = read(AssociationsBatch, tied(readers.hubspot, "contacts", "companies", [Input(winner["id"])]))
    assert [to.to_object_id for to in found.results[0].to] == [company]
    assert {t.type_id for t in found.results[0].to[0].association_types} == {1, 279}
    third = readers.control.create("hubspot.contacts", email="three@example.com")
    merged = readers.control.edit("hubspot.contacts", winner["id"], merge=third["id"])
    assert merged["properties"]["hs_merged_object_ids"] == f"{loser['id']};{third['id']}"


# Owners, pipelines, properties.


def test_owners(demo: Any) -> None:
    dump = demo.control.dump()["hubspot.owners"]
    for archived in (False, True):
        page = read(OwnerPage, demo.hubspot.get("/crm/v3/owners", params={"archived": str(archived).lower()}))
        assert [owner.id for owner in page.results] == [o["id"] for o in dump if o["archived"] == archived]
        assert all((owner.user_id is None) == archived for owner in page.results)
        assert all(owner.id != str(owner.user_id_including_inactive) for owner in page.results)
    first = read(OwnerPage, demo.hubspot.get("/crm/v3/owners?limit=5"))
    assert first.paging
    second = read(OwnerPage, demo.hubspot.get("/crm/v3/owners", params={"limit": 5, "after": first.paging.next.after}))
    assert not {owner.id for owner in first.results} & {owner.id for owner in second.results}
    by_email = read(OwnerPage, demo.hubspot.get("/crm/v3/owners", params={"email": first.results[0].email}))
    assert by_email.results == first.results[:1]


def test_pipelines(demo: Any) -> None:
    found = {p.id: p for p in read(Pipelines, demo.hubspot.get("/crm/v3/pipelines/deals")).results}
    assert [(s.label, s.metadata.probability, s.metadata.is_closed) for s in found["default"].stages] == [
        ("qualified", "0.2", "false"),
        ("evaluation", "0.4", "false"),
        ("proposal", "0.6", "false"),
        ("contract sent", "0.8", "false"),
        ("closed won", "1.0", "true"),
        ("closed lost", "0.0", "true"),
    ]
    assert found["default"].created_at == "1970-01-01T00:00:00Z"
    stages = {(p.id, stage.id) for p in found.values() for stage in p.stages}
    deals = demo.control.dump()["hubspot.deals"]
    assert {(d["properties"]["pipeline"], d["properties"]["dealstage"]) for d in deals} <= stages
    assert len(found) == 2
    problem(demo.hubspot.get("/crm/v3/pipelines/contacts"), 400)


# Refusals, limits and faults.


def test_refusals(demo: Any) -> None:
    url = f"{demo.control.url}/hubspot{OBJECTS}/deals"
    for header in ({}, {"authorization": "Basic x"}, {"authorization": "Bearer pat-other"}):
        assert problem(httpx.get(url, headers=header), 401).category == "INVALID_AUTHENTICATION"
    assert httpx.get(url, headers={"authorization": "Bearer two words"}).status_code == 530
    missing = problem(demo.hubspot.get(f"{OBJECTS}/tickets"), 403)
    assert missing.category == "MISSING_SCOPES"
    assert missing.errors
    assert missing.errors[0].context == {"requiredGranularScopes": ["crm.objects.tickets.read"]}
    for path, status, category in (
        (f"{OBJECTS}/deals/1", 404, "OBJECT_NOT_FOUND"),
        ("/crm/v3/nothing", 404, "OBJECT_NOT_FOUND"),
        (f"{OBJECTS}/gadgets", 400, "VALIDATION_ERROR"),
        (f"{OBJECTS}/deals?limit=101", 400, "VALIDATION_ERROR"),
        (f"{OBJECTS}/deals?limit=0", 400, "VALIDATION_ERROR"),
        (f"{OBJECTS}/deals?after=nonsense", 400, "VALIDATION_ERROR"),
        (f"{OBJECTS}/deals?archived=maybe", 400, "VALIDATION_ERROR"),
        (f"{OBJECTS}/deals?associations=gadgets", 400, "VALIDATION_ERROR"),
    ):
        assert problem(demo.hubspot.get(path), status).category == category
    cursor = read(ObjectPage, demo.hubspot.get(f"{OBJECTS}/deals")).paging
    assert cursor
    problem(demo.hubspot.get(f"{OBJECTS}/notes", params={"after": cursor.next.after}), 400)


def test_a_url_has_its_length(demo: Any) -> None:
    assert demo.hubspot.get(f"{OBJECTS}/deals", params={"properties": "x" * 14_000}).status_code == 200
    assert demo.hubspot.get(f"{OBJECTS}/deals", params={"properties": "x" * 15_000}).status_code == 414


def test_a_hundred_and_ninety_in_ten_seconds(open_sandbox: Any) -> None:
    readers = open_sandbox(limit_speedup=5.0)
    answers = [readers.hubspot.get("/crm/v3/pipelines/deals") for _ in range(191)]
    assert [answer.status_code for answer in answers] == [200] * 190 + [429]
    limited = read(LimitProblem, answers[-1], 429)
    assert limited.policy_name == "TEN_SECONDLY_ROLLING"
    assert limited.message == "You have reached your ten_secondly_rolling limit."
    left = [answer.headers["x-hubspot-ratelimit-remaining"] for answer in answers]
    assert (left[0], left[100], left[-1]) == ("189", "89", "0")
    assert answers[0].headers["x-hubspot-ratelimit-max"] == "190"
    assert answers[0].headers["x-hubspot-ratelimit-interval-milliseconds"] == "10000"
    time.sleep(int(answers[-1].headers["retry-after"]))
    assert readers.hubspot.get("/crm/v3/pipelines/deals").status_code == 200


def test_five_searches_a_second(open_sandbox: Any) -> None:
    readers = open_sandbox(limit_speedup=1.0)
    answers = [readers.hubspot.post(f"{OBJECTS}/deals/search", json={}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    limited = read(LimitProblem, answers[-1], 429)
    assert (limited.policy_name, limited.message) == ("SECONDLY", "You have reached your secondly limit.")
    assert not any(name.startswith("x-hubspot") for answer in answers for name in answer.headers)
    assert readers.hubspot.get(f"{OBJECTS}/deals").headers["x-hubspot-ratelimit-remaining"] == "189"
    time.sleep(1.0)
    assert readers.hubspot.post(f"{OBJECTS}/deals/search", json={}).status_code == 200


def test_ordered_faults(readers: Any) -> None:
    path = f"{OBJECTS}/deals"
    readers.control.fault("hubspot", "rate_limited", retry_after_s=3)
    limited = readers.hubspot.get(path)
    assert read(LimitProblem, limited, 429).category == "RATE_LIMITS"
    assert limited.headers["retry-after"] == "3"
    for status in (400, 401, 403, 404, 423, 477, 500, 502, 503, 504, 524):
        readers.control.fault("hubspot", "status", match="/deals$", status=status)
        problem(readers.hubspot.get(path), status)
    readers.control.fault("hubspot", "cut")
    with pytest.raises(httpx.RemoteProtocolError):
        readers.hubspot.get(path)
    readers.control.fault("hubspot", "truncated_json")
    with pytest.raises(json.JSONDecodeError):
        readers.hubspot.get(path).json()
    readers.control.fault("hubspot", "slow", delay_s=0.2)
    began = time.monotonic()
    assert readers.hubspot.get(path).status_code == 200
    assert time.monotonic() - began >= 0.2


def test_cursors_expire_when_ordered(readers: Any) -> None:
    path = f"{OBJECTS}/contacts"
    readers.control.fault("hubspot", "expired_cursors", times=2)
    paging = read(ObjectPage, readers.hubspot.get(path)).paging
    assert paging
    query = {"after": paging.next.after}
    problem(readers.hubspot.get(path, params=query), 400)
    problem(readers.hubspot.post(f"{path}/search", json={"after": "10"}), 400)
    assert readers.hubspot.get(path, params=query).status_code == 200
    readers.control.expire_cursors()
    problem(readers.hubspot.get(path, params=query), 400)
