"""HubSpot's records as rows, and its rows as documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.address import Address
from contracts.records import Document
from transforms import rows
from transforms.documents import compose
from transforms.documents.hubspot import MAX_PEOPLE, plain_text
from transforms.raw import Rejected, Row, to_row

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def row_of(entity: str, record: dict[str, Any]) -> Row:
    made = to_row(rows.entity(Address("hubspot", entity)), record, version=AT, origin="pull")
    assert not isinstance(made, Rejected), made.reason
    return made


def reason(entity: str, record: dict[str, Any]) -> str:
    made = to_row(rows.entity(Address("hubspot", entity)), record, version=AT, origin="pull")
    assert isinstance(made, Rejected)
    return made.reason


def a_deal(**properties: str | None) -> dict[str, Any]:
    return {"id": "512", "properties": properties, "createdAt": "2026-01-02T03:04:05Z", "archived": False}


def test_a_deals_text_becomes_typed() -> None:
    row = row_of(
        "deals",
        a_deal(
            dealname="Renewal",
            amount="1500.50",
            amount_in_home_currency="1380.46",
            closedate="2026-12-01T00:00:00Z",
            createdate="2026-01-02T03:04:05.678Z",
            hs_lastmodifieddate="1767323045678",
            hs_merged_object_ids="12;34",
        ),
    )
    assert (row["deal_id"], row["name"], row["amount"], row["merged_ids"]) == ("512", "Renewal", 1500.5, "12;34")
    assert (row["amount_in_home_currency"], row["close_at"]) == (1380.46, datetime(2026, 12, 1, tzinfo=UTC))
    assert row["created_at"] == row["modified_at"] == datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
    assert row["_deleted_at"] is None


@pytest.mark.parametrize("cleared", ["", None])
def test_what_is_cleared_is_null(cleared: str | None) -> None:
    names = ("dealname", "amount", "closedate", "hubspot_owner_id", "pipeline", "hs_merged_object_ids")
    row = row_of("deals", a_deal(**dict.fromkeys(names, cleared)))
    assert [row[name] for name in ("name", "amount", "close_at", "owner_id", "pipeline_id", "merged_ids")] == [None] * 6
    assert row_of("calls", {"id": "1", "properties": {"hs_call_duration": cleared}})["duration_ms"] is None


@pytest.mark.parametrize(
    ("entity", "record", "rule"),
    [
        ("deals", a_deal(amount="much"), "hubspot/deals amount: expected a number, received other text"),
        ("deals", a_deal(closedate="soon"), "hubspot/deals close_at: expected a time in ISO 8601, received other text"),
        ("deals", {"id": 512}, "hubspot/deals deal_id: expected text, received a number"),
        ("deals", {"id": "1", "archived": True}, "hubspot/deals deleted_at: an archived record without archivedAt"),
        (
            "calls",
            {"id": "1", "properties": {"hs_call_duration": "1.5"}},
            "hubspot/calls duration_ms: expected a whole number of 64 bits",
        ),
        (
            "deal_stages",
            {"id": "1", "pipelineId": "2", "metadata": {"isClosed": "maybe"}},
            "hubspot/deal_stages is_closed: expected true or false",
        ),
        (
            "associations",
            {"fromType": "deals", "fromId": "1", "toType": "companies", "toId": "2", "associationTypes": [{}]},
            "hubspot/associations is_primary: expected the shape that the vendor documents",
        ),
    ],
)
def test_a_record_of_another_shape_is_rejected_with_the_rule(entity: str, record: dict[str, Any], rule: str) -> None:
    assert reason(entity, record) == rule


def test_an_archived_object_is_a_tombstone_and_an_archived_owner_lives() -> None:
    archived = {"id": "1", "archived": True, "archivedAt": "2026-11-19T00:00:00Z", "updatedAt": "2026-11-01T00:00:00Z"}
    assert row_of("notes", archived)["_deleted_at"] == datetime(2026, 11, 19, tzinfo=UTC)
    assert row_of("notes", archived | {"archivedAt": None})["_deleted_at"] == datetime(2026, 11, 1, tzinfo=UTC)
    owner = {"id": "1", "archived": True, "userId": None, "userIdIncludingInactive": 77, "createdAt": 0}
    row = row_of("owners", owner)
    assert (row["archived"], row["_deleted_at"], row["user_id"]) == (True, None, "77")
    assert row["created_at"] == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_stage_says_in_text_whether_it_is_closed() -> None:
    stage = {"id": "won", "pipelineId": "default", "metadata": {"isClosed": "true", "probability": "1.0"}}
    row = row_of("deal_stages", stage)
    assert (row["is_closed"], row["probability"]) == (True, 1.0)
    assert row_of("deal_stages", stage | {"metadata": {}})["is_closed"] is None


@pytest.mark.parametrize(
    ("pair", "types", "shown", "primary"),
    [
        (("deals", "companies"), [(341, "HUBSPOT_DEFINED"), (5, "HUBSPOT_DEFINED")], "5,341", True),
        (("deals", "companies"), [(341, "HUBSPOT_DEFINED"), (5, "USER_DEFINED")], "5,341", False),
        (("contacts", "companies"), [(1, "HUBSPOT_DEFINED")], "1", True),
        (("contacts", "companies"), [(279, "HUBSPOT_DEFINED")], "279", False),
        (("notes", "deals"), [(214, "HUBSPOT_DEFINED")], "214", False),
    ],
)
def test_a_main_company_is_told_by_its_type_id(
    pair: tuple[str, str], types: list[tuple[int, str]], shown: str, *, primary: bool
) -> None:
    kinds = [{"typeId": type_id, "category": category, "label": None} for type_id, category in types]
    tie = {"fromType": pair[0], "fromId": "1", "toType": pair[1], "toId": "2", "associationTypes": kinds}
    row = row_of("associations", tie)
    assert (row["type_ids"], row["is_primary"]) == (shown, primary)


names = st.sampled_from(
    "id properties archived archivedAt associationTypes userId metadata createdAt fromType fromId toType toId".split()
)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.sampled_from(["typeId"]), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(rows.entities("hubspot")), st.dictionaries(names, json))
def test_any_record_is_a_row_or_rejected(entity: Any, record: dict[str, Any]) -> None:
    row = to_row(entity, record, version=AT, origin="push")
    if not isinstance(row, Rejected):
        assert entity.table.rows([row]).num_rows == 1


# Documents.


def tie(from_type: str, from_id: str, to_type: str, to_id: str, *, is_primary: bool = False) -> Row:
    return {
        "from_type": from_type,
        "from_id": from_id,
        "to_type": to_type,
        "to_id": to_id,
        "is_primary": is_primary,
        "payload": {},
    }


def activity(key: str, native_id: str, minutes: int | None, **fields: Any) -> Row:
    occurred_at = None if minutes is None else AT + timedelta(minutes=minutes)
    return {key: native_id, "owner_id": None, "occurred_at": occurred_at, "created_at": AT, "payload": {}} | fields


DEAL = {
    "deal_id": "7",
    "name": "Renewal",
    "pipeline_id": "default",
    "stage_id": "won",
    "amount": 100.0,
    "currency": "EUR",
    "close_at": AT + timedelta(days=9),
    "owner_id": "o1",
    "created_at": AT,
    "payload": {},
}
COMPANY = {
    "company_id": "3",
    "name": "Acme",
    "domain": "acme.example",
    "industry": "mining",
    "city": None,
    "owner_id": "o9",
    "created_at": AT,
    "payload": {},
}
ADA = {"contact_id": "21", "first_name": "Ada", "last_name": "L", "email": "a@x.example", "job_title": "CTO"}
BO = {"contact_id": "9", "first_name": None, "last_name": None, "email": "bo@x.example", "job_title": None}
PARTS: dict[str, list[Row]] = {
    "deals": [DEAL],
    "companies": [COMPANY, COMPANY | {"company_id": "2", "name": "Second"}],
    "contacts": [ADA, BO],
    "owners": [{"owner_id": "o1", "first_name": "Olga", "last_name": "P", "email": "o@x.example"}],
    "pipelines": [{"pipeline_id": "default", "label": "Sales"}],
    "deal_stages": [{"pipeline_id": "default", "stage_id": "won", "label": "closed won"}],
    "notes": [
        activity("note_id", "11", 30, body="<p>First &amp; <b>bold</b></p><ul><li>one</li><li>two</li></ul>"),
        activity("note_id", "100", 10, body="Same time, higher id"),
        activity("note_id", "12", 5, body="Of another"),
        activity("note_id", "13", 5, body="<p> </p>"),
    ],
    "emails": [activity("email_id", "99", 10, subject="Re: price", body="Fine <ann@x.example>", owner_id="o1")],
    "calls": [activity("call_id", "14", -5, title="Intro", body=None, owner_id="gone")],
    "meetings": [activity("meeting_id", "15", None, title="Kick-off", body="Agenda")],
    "associations": [
        tie("deals", "7", "companies", "2"),
        tie("deals", "7", "companies", "3", is_primary=True),
        tie("deals", "7", "contacts", "21"),
        tie("deals", "7", "contacts", "9"),
        tie("notes", "11", "deals", "7"),
        tie("notes", "100", "deals", "7"),
        tie("notes", "12", "deals", "8"),
        tie("notes", "13", "deals", "7"),
        tie("emails", "99", "deals", "7"),
        tie("calls", "14", "deals", "7"),
        tie("meetings", "15", "deals", "7"),
    ],
}


def deal_document(**parts: list[Row]) -> Document:
    [document] = compose("hubspot:deal:7", PARTS | parts)
    return document


def test_a_deal_is_its_facts_and_what_was_said_in_order_of_time_and_id() -> None:
    document = deal_document()
    assert document.text.splitlines() == [
        "Renewal. Company: Acme, Second. People: bo@x.example, Ada L (CTO).",
        "Intro",
        "Kick-off",
        "Agenda",
        "Re: price",
        "Fine <ann@x.example>",
        "Same time, higher id",
        "First & bold",
        "one",
        "two",
    ]
    assert (document.header, document.title) == ("Deal, 2026-11-20", "Renewal")
    assert (document.access_scope, document.data_type, document.occurred_at) == ("public", "deal", AT)
    assert [section.start_s for section in document.sections] == [None, -300.0, 0.0, 600.0, 600.0, 1800.0]
    assert document.metadata == {
        "account_id": "3",
        "company": "Acme",
        "people": ["bo@x.example", "Ada L"],
        "owner": "Olga P",
        "amount": 100.0,
        "currency": "EUR",
        "pipeline": "Sales",
        "stage": "closed won",
        "close_at": "2026-11-29T09:00:00+00:00",
        "url": None,
        "tags": ["deal"],
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"deals": [DEAL | {"amount": 1.0, "stage_id": "lost", "close_at": None, "owner_id": None, "pipeline_id": "x"}]},
        {"pipelines": [{"pipeline_id": "default", "label": "New business"}]},
        {"deal_stages": []},
    ],
)
def test_what_changes_is_no_content(changed: dict[str, list[Row]]) -> None:
    before, after = deal_document(), deal_document(**changed)
    assert after.content_hash == before.content_hash
    assert after.metadata != before.metadata


@pytest.mark.parametrize(
    "changed",
    [
        {"notes": [*PARTS["notes"][1:], PARTS["notes"][0] | {"body": "Edited"}]},
        {"contacts": [ADA | {"last_name": "M"}, BO]},
        {"contacts": [ADA]},
        {"associations": PARTS["associations"][:4]},
        {"associations": PARTS["associations"][1:]},
        {"deals": [DEAL | {"name": "Other"}]},
    ],
)
def test_a_part_that_changes_changes_the_content(changed: dict[str, list[Row]]) -> None:
    assert deal_document(**changed).content_hash != deal_document().content_hash


def test_a_deal_alone_is_a_document_and_a_deleted_one_is_none() -> None:
    [document] = compose("hubspot:deal:7", {"deals": [DEAL | {"name": None}]})
    assert (document.text, document.header, document.title) == ("Deal 7.", "Deal, 2026-11-20", "Deal 7")
    assert compose("hubspot:deal:7", {name: rows_ for name, rows_ in PARTS.items() if name != "deals"}) == []
    assert compose("hubspot:deal:7", PARTS | {"deals": [DEAL | {"created_at": None}]}) == []


def test_a_company_tells_what_belongs_to_no_deal_that_lives() -> None:
    ties = [
        tie("contacts", "21", "companies", "3"),
        tie("notes", "11", "companies", "3"),
        tie("notes", "12", "companies", "3"),
        tie("notes", "12", "deals", "7"),
        tie("notes", "100", "companies", "2"),
    ]
    parts = PARTS | {"associations": ties}
    [document] = compose("hubspot:company:3", parts)
    assert document.text.splitlines() == [
        "Acme. Industry: mining. Domain: acme.example. People: Ada L (CTO).",
        "First & bold",
        "one",
        "two",
    ]
    assert (document.header, document.title, document.data_type) == ("Company", "Acme", "company")
    assert (document.metadata["account_id"], document.metadata["tags"]) == ("3", ["company"])
    [orphaned] = compose("hubspot:company:3", parts | {"deals": []})
    assert "Of another" in orphaned.text
    assert compose("hubspot:company:3", parts | {"companies": []}) == []


def test_people_are_named_up_to_a_number_and_counted_beyond_it() -> None:
    contacts = [ADA | {"contact_id": str(100 + n), "last_name": str(n)} for n in range(MAX_PEOPLE + 1)]
    ties = [tie("contacts", contact["contact_id"], "companies", "3") for contact in contacts]
    for count, counted in ((MAX_PEOPLE, None), (MAX_PEOPLE + 1, MAX_PEOPLE + 1)):
        parts = PARTS | {"contacts": contacts[:count], "associations": ties}
        [document] = compose("hubspot:company:3", parts)
        assert len(document.metadata["people"]) == MAX_PEOPLE
        assert document.metadata.get("people_count") == counted


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("<div>One<br>two</div><p>three&nbsp;four</p>", "One\ntwo\nthree four"),
        ("plain\n\n  text  \nwith lines", "plain\ntext\nwith lines"),
        ("Q&amp;A, 1 < 2", "Q&A, 1 < 2"),
        ("<style>p {color: red}</style><p>seen</p><script>unseen()</script>", "seen"),
        ("<p>a <b>b</b>\nc</p>", "a b c"),
        ("<html><head><title>T</title><style>p {}</style><body>seen", "seen"),
        ("<html><title>T</title><style>p {}</style><body>seen", "seen"),
        ("<head><meta charset=utf-8><div>seen</div>", "seen"),
        ("<head><title>T</title></head>seen", "seen"),
        ("mail <ann@x.example>", "mail <ann@x.example>"),
        ("", ""),
    ],
)
def test_html_becomes_what_a_reader_sees(body: str, shown: str) -> None:
    assert plain_text(body) == shown


@given(st.text(alphabet="<>/&;abp \n=\"'!-", max_size=60))
def test_any_text_can_be_read(body: str) -> None:
    assert plain_text(body) == "\n".join(" ".join(line.split()) for line in plain_text(body).splitlines())
