"""Ids and hashes are promises to what is already stored: an example of each is pinned."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contracts import identity


def test_examples_stay_as_they_are() -> None:
    assert identity.document_id("gong", "call", "77") == "gong:call:77"
    assert identity.part_id("gong:call:77", 1) == "gong:call:77"
    assert identity.part_id("gong:call:77", 2) == "gong:call:77#2"
    assert identity.memory_id("gong:call:77", 0) == "f6c2a74d9cb239efb8288d8c238670a1"
    assert identity.text_hash("hello") == "46fb7408d4f285228f4af516ea25851b"
    assert identity.record_hash({"b": [1, None], "a": "x"}) == "d92cfda2ee000de2a5d2cad81143ebeb"
    assert identity.fingerprint("m/fp32", "turns-1", "facts-1") == "m/fp32|turns-1|facts-1"


@given(st.text(), st.integers(0, 10_000), st.text(), st.integers(0, 10_000))
def test_a_memory_id_depends_on_document_and_place_alone(a: str, i: int, b: str, j: int) -> None:
    assert (identity.memory_id(a, i) == identity.memory_id(b, j)) == ((a, i) == (b, j))


@given(st.dictionaries(st.text(), st.none() | st.integers(-(2**53), 2**53) | st.text()))
def test_a_records_hash_knows_no_order(record: dict[str, object]) -> None:
    assert identity.record_hash(record) == identity.record_hash(dict(reversed(record.items())))


@given(st.from_regex(r"[^#]+", fullmatch=True), st.integers(1, 99))
def test_every_part_knows_its_document(document_id: str, number: int) -> None:
    assert identity.base_id(identity.part_id(document_id, number)) == document_id
