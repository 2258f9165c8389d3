"""Of an erased person nothing is left in a record, and a record that holds nobody is not touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.address import Address
from transforms import erasure, people, rows
from transforms.erasure import MARK, Erased, Identifier
from transforms.people import UNDECLARED, People
from transforms.raw import Entity, text

Record = dict[str, Any]
SALT = b"\x07" * 32
EMAIL = "maren.o'brien@northwater.example"
USER, UUID, LONG_ID = "U5C07BB0B5B", "113f7511-ab37-4ecd-b244-f2f8e7b1d45b", "2171967806787345955"
IDENTIFIERS = (EMAIL, "Maren O'Brien", USER, UUID, LONG_ID)


def a_list(*given: Identifier, found: tuple[Identifier, ...] = (), declared: Any = people.declared) -> Erased:
    nobody = Erased(SALT, (), declared)
    entries = [nobody.entry(one, is_given=True) for one in given]
    return nobody.with_entries([*entries, *(nobody.entry(one, is_given=False) for one in found)])


def maren(declared: Any = people.declared) -> Erased:
    ids = (Identifier(erasure.ID, one) for one in (USER, UUID, LONG_ID))
    return a_list(erasure.email(EMAIL), *erasure.names("Maren O'Brien"), *ids, declared=declared)


def judged(address: str, record: Record, erased: Erased) -> Record | None:
    return erased.judge(rows.entity(Address.parse(address)), record).record


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Maren O'Brien", None),
        (" MAREN  O’BRIEN ", None),
        (EMAIL, None),
        (EMAIL.upper(), None),
        ("Ask Maren O'Brien.", f"Ask {MARK}."),
        ("O'Brien, Maren: absent", f"{MARK}: absent"),
        ("@maren.o-brien please", f"@{MARK} please"),
        ("<p>Maren <b>O'Brien</b> called</p>", f"<p>{MARK}</b> called</p>"),
        ("Maren&nbsp;O'Brien called", f"{MARK} called"),
        (f"from '{EMAIL}', today", None),
        (f"_{EMAIL}_ wrote", f"_{MARK}_ wrote"),
        (f"<mailto:{EMAIL}|{EMAIL}>", f"<mailto:{MARK}|{MARK}>"),
        ("maren.o'brien+news@northwater.example", None),
        (f"see {EMAIL}.Then go", f"see {MARK}.Then go"),
        (f"<@{USER}|maren> has joined", f"{MARK} has joined"),
        (f"https://tracker.example/u/{UUID}/open", f"https://tracker.example/u/{MARK}/open"),
        ("Maren said that O'Brien is a name", "same"),
        ("Maren. \n\n    O'Brien", "same"),
        ("ann.maren.o'brien@northwater.example", f"ann.{MARK}@northwater.example"),
        ("m.o'brien@northwater.example", "same"),
        ("", "same"),
        (f"x{USER}", "same"),
    ],
)
def test_a_text_loses_who_is_named_in_it(written: str, expected: str | None) -> None:
    cleaned = maren().clean_text(written)
    if expected == "same":
        assert cleaned == written
    elif expected is None and cleaned is not None:
        assert "maren" not in cleaned.lower()
        assert MARK in cleaned
    else:
        assert cleaned == expected


def test_an_umlaut_is_a_letter_however_it_is_written() -> None:
    erased = a_list(*erasure.names("Jörg Müller"))
    for written in ("Jörg Müller", "Jo\u0308rg Mu\u0308ller", "J&ouml;rg M&uuml;ller", "JÖRG MÜLLER"):
        assert erased.clean_text(f"Mail {written} today") == f"Mail {MARK} today"
    assert erased.clean_text("Jorg Muller") == "Jorg Muller"


def test_a_handle_is_found_behind_an_at_alone() -> None:
    erased = a_list(Identifier(erasure.HANDLE, "will"))
    assert erased.clean_text("@will, will you?") == f"{MARK}, will you?"


def test_one_word_is_no_name() -> None:
    assert erasure.names("Will") == set()


# ── records of the vendors ────────────────────────────────────────────────────────────────────────────────────────────


CALL = {
    "metaData": {"id": "1", "isPrivate": False, "primaryUserId": LONG_ID, "title": "Maren O'Brien and us"},
    "parties": [
        {
            "id": "9000000000000000001",
            "emailAddress": EMAIL,
            "name": "Maren O'Brien",
            "speakerId": "8000000000000000001",
        },
        {"id": "9000000000000000002", "emailAddress": "ann@us.example", "name": "Ann Lee", "speakerId": "88"},
    ],
    "interaction": {"speakers": [{"id": "8000000000000000001", "talkTime": 3.5}, {"id": "88", "talkTime": 1.0}]},
}
TRANSCRIPT = {
    "callId": "1",
    "transcript": [
        {"speakerId": "8000000000000000001", "sentences": [{"start": 0, "end": 1, "text": "I said this."}]},
        {"speakerId": "88", "sentences": [{"start": 1, "end": 2, "text": "Thank you, Maren O'Brien!"}]},
    ],
}


def test_a_call_stays_without_the_party_and_tells_who_spoke() -> None:
    erased = a_list(erasure.email(EMAIL), *erasure.names("Maren O'Brien"))
    verdict = erased.judge(rows.entity(Address("gong", "calls")), CALL)
    assert verdict.record is not None
    assert [party["name"] for party in verdict.record["parties"]] == ["Ann Lee"]
    assert verdict.record["metaData"]["title"] == f"{MARK} and us"
    assert Identifier(erasure.ID, "8000000000000000001") in verdict.found

    told = erased.with_entries([erased.entry(one, is_given=False) for one in verdict.found])
    assert judged("gong/calls", CALL, told)["interaction"]["speakers"] == [{"id": "88", "talkTime": 1.0}]  # type: ignore[index]
    said = judged("gong/transcripts", TRANSCRIPT, told)
    assert said == {
        "callId": "1",
        "transcript": [{"speakerId": "88", "sentences": [{"start": 1, "end": 2, "text": f"Thank you, {MARK}!"}]}],
    }


def test_what_they_wrote_goes_whole_and_what_names_them_stays() -> None:
    message = {"channel": "C1", "ts": "1.000000", "text": "hello"}
    assert judged("slack/messages", message | {"user": USER}, maren()) is None
    assert judged("slack/channel_members", {"channel": "C1", "user": USER}, maren()) is None
    reacted = message | {"user": "U111111111", "reactions": [{"name": "eyes", "users": [USER, "U111111111"]}]}
    kept = judged("slack/messages", reacted, maren())
    assert kept is not None
    assert kept["reactions"] == [{"name": "eyes", "users": ["U111111111"]}]
    issue = {"id": "i", "assignee": {"id": UUID}, "creator": {"id": "c"}, "title": "Export"}
    assert judged("linear/issues", issue, maren()) == issue | {"assignee": {"id": None}}
    assert judged("linear/comments", {"id": "c", "user": {"id": UUID}, "body": "Done."}, maren()) is None


def test_a_short_id_counts_where_it_is_declared_alone() -> None:
    """51 is the contact, and also a deal's id, an amount and a company."""
    erased = a_list(Identifier("hubspot:contacts", "51"), Identifier("hubspot:owners", "77"))
    deal = {"id": "51", "properties": {"amount": "51", "hubspot_owner_id": "77", "dealname": "51 seats"}}
    cleaned = judged("hubspot/deals", deal, erased)
    assert cleaned == {"id": "51", "properties": {"amount": "51", "hubspot_owner_id": None, "dealname": "51 seats"}}
    tie = {"fromType": "deals", "fromId": "51", "toType": "contacts", "toId": "52", "associationTypes": []}
    assert judged("hubspot/associations", tie, erased) is tie
    assert judged("hubspot/associations", tie | {"toId": "51"}, erased) is None
    assert judged("hubspot/contacts", {"id": "51", "properties": {}}, erased) is None
    assert judged("hubspot/notes", {"id": "5", "properties": {"hubspot_owner_id": "77"}}, erased) is None
    owners = {"id": "5", "properties": {"hs_all_owner_ids": "76;77;78"}}
    assert judged("hubspot/companies", owners, erased) == {"id": "5", "properties": {"hs_all_owner_ids": "76;78"}}
    history = {"id": "5", "propertiesWithHistory": {"amount": [{"value": "77", "sourceId": "userId:60"}]}}
    told = a_list(Identifier("hubspot:users", "60"))
    assert judged("hubspot/deals", history, told)["propertiesWithHistory"]["amount"] == [  # type: ignore[index]
        {"value": "77", "sourceId": None}
    ]


def test_a_found_name_takes_nobodys_record() -> None:
    """Another person of the same name loses the name, and keeps the record."""
    erased = a_list(erasure.email(EMAIL), found=tuple(erasure.names("Maren O'Brien")))
    other = {"id": "U222222222", "profile": {"email": "other@us.example"}, "real_name": "Maren O'Brien"}
    assert judged("slack/users", other, erased) == other | {"real_name": None}
    without_address = {"id": "U222222222", "profile": {}, "real_name": "Maren O'Brien"}
    assert judged("slack/users", without_address, erased) == without_address | {"real_name": None}
    given = a_list(*erasure.names("Maren O'Brien"))
    assert judged("slack/users", without_address, given) is None
    assert judged("slack/users", other, given) == other | {"real_name": None}


def test_an_alias_is_taken_out_and_leads_to_nobody_else() -> None:
    """A shared address stands on the records of several."""
    erased = a_list(erasure.email(EMAIL))
    users = rows.entity(Address("gong", "users"))
    own = {"id": LONG_ID, "emailAddress": EMAIL, "emailAliases": ["team@us.example"], "firstName": "M", "lastName": "O"}
    verdict = erased.judge(users, own)
    assert verdict.record is None
    assert erasure.email("team@us.example") in verdict.found
    told = erased.with_entries([erased.entry(one, is_given=False) for one in verdict.found])
    other = {"id": "1", "emailAddress": "ann@us.example", "emailAliases": ["team@us.example", "a@us.example"]}
    assert told.judge(users, other).record == other | {"emailAliases": ["a@us.example"]}


def test_a_record_whose_key_names_somebody_goes_whole() -> None:
    notes = Entity(Address("linear", "notes"), ("note_id",), (text("note_id", "id"),))
    assert maren().judge(notes, {"id": f"note-of-{EMAIL}"}).record is None


# ── a source that declares nothing ────────────────────────────────────────────────────────────────────────────────────


def test_a_source_that_declares_nothing_is_on_the_persons_side() -> None:
    def undeclared(_: str) -> People:
        return UNDECLARED

    key = (text("gid"),)
    users = Entity(Address("asana", "users"), ("gid",), key)
    tasks = Entity(Address("asana", "tasks"), ("gid",), key)
    erased = a_list(erasure.email(EMAIL), declared=undeclared)
    user = {"gid": "1201234567890123", "email": EMAIL, "name": "Maren O'Brien"}
    verdict = erased.judge(users, user)
    assert verdict.record is None
    assert verdict.found == {Identifier(erasure.ID, "1201234567890123")}
    told = erased.with_entries([erased.entry(one, is_given=False) for one in verdict.found])
    task = {
        "gid": "7",
        "assignee": {"gid": "1201234567890123"},
        "followers": [{"gid": "8"}, {"gid": "1201234567890123"}],
    }
    assert told.judge(tasks, task).record == {"gid": "7", "assignee": None, "followers": [{"gid": "8"}]}


# ── laws ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

WORDS = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=12)
SCALARS = st.one_of(WORDS, st.integers(-(2**53), 2**53), st.booleans(), st.none(), st.floats(allow_nan=False))
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def naming(draw: st.DrawFn) -> str:
    """A text with an identifier in it, apart from what stands around."""
    one = draw(st.sampled_from(IDENTIFIERS))
    one = draw(st.sampled_from([one, one.upper(), one.lower()])) if one not in (USER, UUID) else one
    before, behind = draw(WORDS), draw(WORDS)
    return draw(
        st.sampled_from([one, f"{before} {one} {behind}", f"{before}\n({one}), {behind}", f"<@{one}> {behind}"])
    )


NAMING_TREES = st.recursive(
    SCALARS | naming(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | naming(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(WORDS | naming(), NAMING_TREES, max_size=5))
def test_no_identifier_is_left_in_any_record(record: Record) -> None:
    erased, projects = maren(), rows.entity(Address("linear", "projects"))
    cleaned = erased.judge(projects, record).record
    if cleaned is None:
        return
    left = [text.lower() for text in texts(cleaned)]
    for one in IDENTIFIERS:
        assert not [text for text in left if one.lower() in text and (one != USER or one in text)]
    again = erased.judge(projects, cleaned)
    assert again.record is cleaned, "what is clean stays as it is"


@given(st.dictionaries(WORDS, TREES, max_size=5))
def test_a_record_that_holds_nobody_comes_back_itself(record: Record) -> None:
    for address in ("linear/projects", "gong/calls", "hubspot/deals", "slack/messages"):
        assert judged(address, record, maren()) is record


@given(NAMING_TREES)
def test_json_can_still_be_written(tree: Any) -> None:
    json.dumps(maren().clean(tree, "slack"))


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield key
            yield from texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from texts(child)
