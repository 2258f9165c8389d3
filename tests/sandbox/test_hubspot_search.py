"""HubSpot's search with its cap and delay, and its associations; closed models read every answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.hubspot_models import (
    AssociationLabels,
    AssociationsBatch,
    AssociationsOfOne,
    CrmObject,
    Filter,
    FilterGroup,
    Input,
    SearchPage,
    SearchRequest,
    Sort,
    as_body,
    problem,
    read,
)
from tests.sandbox.hubspot_reader import OBJECTS, at, ids_of, search, tied

# Search.


def test_the_window_of_the_reference(readers: Any) -> None:
    deals = readers.control.dump()["hubspot.deals"]
    live = sorted((row for row in deals if not row["archived"]), key=lambda row: int(row["id"]))
    since = sorted(at(row["updatedAt"]) for row in live)[3]
    since_ms = str(round(since.timestamp() * 1000))
    page = search(
        readers.hubspot,
        "deals",
        Filter("hs_lastmodifieddate", "GTE", since_ms),
        Filter("hs_object_id", "GT", live[0]["id"]),
        sorts=[Sort("hs_object_id")],
        properties=["dealname"],
        limit=200,
        after="0",
    )
    expected = [row["id"] for row in live[1:] if at(row["updatedAt"]) >= since]
    assert [row.id for row in page.results] == expected
    assert page.total == len(expected)
    assert all(set(row.properties) == {"dealname"} for row in page.results)


def test_search_pages_by_offset(demo: Any) -> None:
    found, after = [], "0"
    while after:
        page = search(demo.hubspot, "deals", sorts=["hs_object_id"], limit=9, after=after)
        found += [row.id for row in page.results]
        after = page.paging.next.after if page.paging else ""
        assert after in ("", str(len(found)))
    assert found == ids_of(demo.hubspot, "deals", limit=100)
    assert len(search(demo.hubspot, "deals").results) == 10
    down = search(demo.hubspot, "deals", sorts=[Sort("amount", "DESCENDING")], limit=200)
    amounts = [float(row.properties["amount"]) for row in down.results if row.properties["amount"] is not None]
    assert amounts == sorted(amounts, reverse=True)
    assert all(row.properties["amount"] is None for row in down.results[len(amounts) :])


def test_operators(readers: Any) -> None:
    names = {"Alpha crane": 10, "Beta Crane": 20.5, "Gamma lift": None}
    for name, amount in names.items():
        readers.control.create("hubspot.deals", dealname=name, amount=amount, description="operators")
    ours = Filter("description", "EQ", "operators")
    for given, expected in (
        (Filter("amount", "EQ", "10.0"), "A"),
        (Filter("amount", "NEQ", "10"), "BG"),
        (Filter("amount", "GT", "10"), "B"),
        (Filter("amount", "GTE", "10"), "AB"),
        (Filter("amount", "LT", "20.5"), "A"),
        (Filter("amount", "LTE", "20.5"), "AB"),
        (Filter("amount", "BETWEEN", "10", "15"), "A"),
        (Filter("dealname", "IN", values=["alpha crane", "gamma lift"]), "AG"),
        (Filter("dealname", "NOT_IN", values=["alpha crane"]), "BG"),
        (Filter("amount", "HAS_PROPERTY"), "AB"),
        (Filter("amount", "NOT_HAS_PROPERTY"), "G"),
        (Filter("dealname", "CONTAINS_TOKEN", "crane"), "AB"),
        (Filter("dealname", "CONTAINS_TOKEN", "gam*"), "G"),
        (Filter("dealname", "NOT_CONTAINS_TOKEN", "crane"), "G"),
    ):
        page = search(readers.hubspot, "deals", ours, given, sorts=["dealname"])
        assert "".join(str(row.properties["dealname"])[0] for row in page.results) == expected, given
    either = SearchRequest([FilterGroup([ours, Filter("amount", "EQ", amount)]) for amount in ("10", "20.5")])
    both = readers.hubspot.post(f"{OBJECTS}/deals/search", json=as_body(either))
    assert read(SearchPage, both).total == 2
    assert search(readers.hubspot, "deals", query="gamma lift").total == 1


BAD_SEARCHES: list[dict[str, Any]] = [
    {"limit": 201},
    {"limit": 0},
    {"after": "x"},
    {"after": "9801", "limit": 200},
    {"after": "10000"},
    {"query": "x" * 3001},
    {"associations": ["companies"]},
    {"propertiesWithHistory": ["amount"]},
    {"sorts": ["amount", "createdate"]},
    {"sorts": ["no_such"]},
    {"sorts": [{"propertyName": "amount", "direction": "DOWN"}]},
    {"filterGroups": [{"filters": [{"propertyName": "no_such", "operator": "EQ", "value": "1"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "LIKE", "value": "1"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "EQ"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "GT", "value": "much"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "createdate", "operator": "GT", "value": "2026-11-01"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "IN", "values": []}]}]},
    {"filterGroups": [{"filters": []}] * 6},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "HAS_PROPERTY"}] * 7}]},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "HAS_PROPERTY"}] * 5}] * 4},
]


@pytest.mark.parametrize("body", BAD_SEARCHES, ids=lambda body: str(body)[:60])
def test_a_search_that_hubspot_refuses(demo: Any, body: dict[str, Any]) -> None:
    assert problem(demo.hubspot.post(f"{OBJECTS}/deals/search", json=body), 400).category == "VALIDATION_ERROR"


def test_no_query_is_paged_past_the_cap(open_sandbox: Any) -> None:
    readers = open_sandbox(hubspot_search_cap=40)
    client = readers.hubspot
    expected = ids_of(client, "contacts", limit=100)
    assert len(expected) > 40
    page = search(client, "contacts", sorts=["hs_object_id"], limit=20, after="20")
    assert (page.total, page.paging.next.after if page.paging else "") == (len(expected), "40")
    past = SearchRequest(sorts=["hs_object_id"], limit=20, after="40")
    problem(client.post(f"{OBJECTS}/contacts/search", json=as_body(past)), 400)
    # The way round it: start anew behind the last id.
    found: list[str] = []
    while not found or page.results:
        behind = Filter("hs_object_id", "GT", found[-1] if found else "0")
        page = search(client, "contacts", behind, sorts=["hs_object_id"], limit=20)
        found += [row.id for row in page.results]
    assert found == expected


def test_search_knows_of_a_change_only_later(open_sandbox: Any) -> None:
    readers = open_sandbox(hubspot_search_delay_s=30)
    old = readers.control.create("hubspot.deals", dealname="Old name")
    named = [Filter("dealname", "IN", values=["old name", "new name"])]
    assert search(readers.hubspot, "deals", *named).total == 0
    assert old["id"] in ids_of(readers.hubspot, "deals", limit=100)
    readers.control.advance(30)
    assert search(readers.hubspot, "deals", *named).total == 1
    new = readers.control.edit("hubspot.deals", old["id"], dealname="New name")
    readers.control.advance(29)
    seen = search(readers.hubspot, "deals", *named).results[0]
    assert (seen.properties["dealname"], seen.updated_at) == ("Old name", old["updatedAt"])
    readers.control.advance(1)
    seen = search(readers.hubspot, "deals", *named).results[0]
    assert (seen.properties["dealname"], seen.updated_at) == ("New name", new["updatedAt"])
    readers.control.delete("hubspot.deals", {"id": old["id"], "hard": True})
    assert search(readers.hubspot, "deals", *named).total == 1
    readers.control.advance(30)
    assert search(readers.hubspot, "deals", *named).total == 0


# Associations.


def test_associations_of_everything_are_the_dump(demo: Any) -> None:
    dump = demo.control.dump()
    expected = {
        (r["fromType"], r["fromId"], r["toType"], r["toId"]): r["associationTypes"]
        for r in dump["hubspot.associations"]
    }
    found = {}
    for start, end in {(a, c) for a, _, c, _ in expected}:
        inputs = [Input(row["id"]) for row in dump[f"hubspot.{start}"] if not row["archived"]]
        answer = read(AssociationsBatch, tied(demo.hubspot, start, end, inputs))
        for result in answer.results:
            for to in result.to:
                types = [{"category": t.category, "typeId": t.type_id, "label": t.label} for t in to.association_types]
                found[start, result.from_.id, end, to.to_object_id] = types
    assert found == expected
    ids = {(k, e) for k in expected for e in (t["typeId"] for t in expected[k])}
    for start, end, wanted in (
        ("deals", "companies", {5, 341}),
        ("deals", "contacts", {3, 36}),
        ("contacts", "companies", {1, 279}),
        ("companies", "contacts", {2, 280}),
        ("notes", "contacts", {202}),
        ("emails", "contacts", {198}),
        ("tasks", "contacts", {204}),
    ):
        assert {t for (a, _, c, _), t in ids if (a, c) == (start, end)} == wanted
        labels = read(AssociationLabels, demo.hubspot.get(f"/crm/associations/v4/{start}/{end}/labels"))
        assert {label.type_id for label in labels.results} == wanted


def test_five_hundred_associations_a_page(readers: Any) -> None:
    company = readers.control.create("hubspot.companies", name="Big")["id"]
    tie = {"fromType": "companies", "fromId": company, "toType": "notes"}
    notes = []
    for number in range(503):
        notes.append(readers.control.create("hubspot.notes", hs_note_body=str(number))["id"])
        readers.control.create("hubspot.associations", **tie, toId=notes[-1])
    lonely = readers.control.create("hubspot.companies", name="Lonely")["id"]
    inputs = [Input(company), Input(lonely)]
    first = read(AssociationsBatch, tied(readers.hubspot, "companies", "notes", inputs)).results
    assert [result.from_.id for result in first] == [company]
    assert len(first[0].to) == 500
    assert first[0].paging
    after = first[0].paging.next.after
    rest = read(AssociationsBatch, tied(readers.hubspot, "companies", "notes", [Input(company, after)])).results
    assert not rest[0].paging
    assert {to.to_object_id for to in (*first[0].to, *rest[0].to)} == set(notes)
    path = f"/crm/v4/objects/companies/{company}/associations/notes"
    found, query = [], {"limit": "300"}
    while query:
        page = read(AssociationsOfOne, readers.hubspot.get(path, params=query))
        found += [to.to_object_id for to in page.results]
        query = {"limit": "300", "after": page.paging.next.after} if page.paging else {}
    assert sorted(found) == sorted(notes)
    problem(readers.hubspot.get(path, params={"limit": 501}), 400)
    inline = read(CrmObject, readers.hubspot.get(f"{OBJECTS}/companies/{company}?associations=notes,deals"))
    assert inline.associations
    assert set(inline.associations) == {"notes"}
    shown = inline.associations["notes"]
    assert shown.results[0].type == "company_to_note"
    assert shown.paging
    following = read(AssociationsOfOne, readers.hubspot.get(str(shown.paging.next.link)))
    assert {r.id for r in shown.results} | {r.to_object_id for r in following.results} == set(notes)


def test_unknown_ids_are_told_apart(demo: Any) -> None:
    deal = ids_of(demo.hubspot, "deals", limit=1)[0]
    answer = read(AssociationsBatch, tied(demo.hubspot, "deals", "companies", [Input(deal), Input("12")]), 207)
    assert [result.from_.id for result in answer.results] == [deal]
    assert answer.errors
    assert answer.errors[0].context == {"ids": ["12"]}
    problem(demo.hubspot.get("/crm/v4/objects/deals/12/associations/companies"), 404)
    problem(demo.hubspot.post("/crm/v4/associations/notes/tasks/batch/read", json={"inputs": []}), 400)
    many = {"inputs": [{"id": str(number)} for number in range(1, 1002)]}
    assert (
        "1000" in problem(demo.hubspot.post("/crm/v4/associations/deals/companies/batch/read", json=many), 400).message
    )
