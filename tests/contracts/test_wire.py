"""The wire: every version that ever travelled is read for ever, from the files in `golden/`.

`python -m tests.contracts.golden_files` writes the files of a new version; an existing one is never written again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import wire
from contracts.errors import MalformedMessage, MessageTooLarge
from contracts.records import Chunk, DeadLetter, Document, Event, MemoryBatch, Section, memory_rows

GOLDEN = Path(__file__).parent / "golden"
AT = datetime(2026, 11, 20, 9, 30, 0, 250_000, tzinfo=UTC)

EVENT = Event(
    event_id="Ev1",
    source="slack",
    entity="messages",
    action="upsert",
    occurred_at=AT,
    received_at=AT,
    payload={"channel": "C1", "ts": "1795167000.000100", "text": "é", "nested": [1, {"a": None}]},
)
DOCUMENT = Document(
    document_id="gong:call:77",
    revision=3,
    source_system="gong",
    data_type="call",
    access_scope="public",
    title="Renewal",
    header="Call, 2026-11-20: A, B",
    sections=(
        Section(text="What does it cost?", speaker="A", author_id="1", start_s=0.0, end_s=2.4),
        Section(text="Less than you think."),
    ),
    metadata={"account_id": None, "people": ["A", "B"]},
    occurred_at=AT,
)
CHUNK = Chunk(ordinal=0, text=DOCUMENT.text, header=DOCUMENT.header, section_start=0, section_end=2)
MEMORY = MemoryBatch(
    document_id="gong:call:77",
    revision=3,
    fingerprint="hash-64/fp32|turns-1|facts-1",
    dimension=4,
    rows=memory_rows([CHUNK], [17], np.array([[0.5, 0.5, 0.5, -0.5]], np.float32)),
    tokens=17,
    tokens_from_cache=0,
    chunks_from_cache=0,
    compute_s=0.25,
)
DEAD_LETTER = DeadLetter.of(
    "documents.v1", b"\x00not a document", "a rule", AT, "gong:call:77", {"schema": "document.v9"}
)

ENCODED = {
    "event.v1": (wire.encode_event, wire.decode_event, EVENT),
    "document.v1": (wire.encode_document, wire.decode_document, DOCUMENT),
    "memory.v1": (wire.encode_memory, wire.decode_memory, MEMORY),
    "dead_letter.v1": (wire.encode_dead_letter, wire.decode_dead_letter, DEAD_LETTER),
}


@pytest.mark.parametrize("schema", ENCODED)
def test_the_golden_file_of_every_version_is_read(schema: str) -> None:
    _, decode, expected = ENCODED[schema]
    assert _comparable(decode({"schema": schema}, (GOLDEN / f"{schema}.bin").read_bytes())) == _comparable(expected)


def test_every_golden_file_is_read_by_a_test() -> None:
    assert {path.stem for path in GOLDEN.glob("*.bin")} == set(ENCODED)


@pytest.mark.parametrize("schema", ENCODED)
def test_a_record_survives_the_wire(schema: str) -> None:
    encode, decode, record = ENCODED[schema]
    message = encode(record)
    assert message.headers == {"schema": schema}
    assert _comparable(decode(message.headers, message.body)) == _comparable(record)


@pytest.mark.parametrize("schema", ENCODED)
def test_a_message_of_another_schema_is_refused(schema: str) -> None:
    encode, decode, record = ENCODED[schema]
    with pytest.raises(MalformedMessage, match="this reader knows"):
        decode({"schema": "other.v9"}, encode(record).body)


@given(st.binary(max_size=200), st.sampled_from(sorted(ENCODED)))
def test_any_bytes_are_a_record_or_malformed(body: bytes, schema: str) -> None:
    with pytest.raises(MalformedMessage):
        ENCODED[schema][1]({"schema": schema}, body)


@given(st.sampled_from(sorted(ENCODED)), st.integers(0, 10_000), st.integers(0, 255))
def test_a_flipped_byte_is_never_a_crash(schema: str, place: int, value: int) -> None:
    encode, decode, record = ENCODED[schema]
    body = bytearray(encode(record).body)
    body[place % len(body)] = value
    try:
        decode({"schema": schema}, bytes(body))
    except MalformedMessage:
        return


def test_what_is_too_large_is_refused_before_it_travels() -> None:
    rng = np.random.default_rng(1)
    noise = "".join(chr(c) for c in rng.integers(0x4E00, 0x9FFF, 6_000_000))
    with pytest.raises(MessageTooLarge, match="8,388,608"):
        wire.encode_document(msgspec.structs.replace(DOCUMENT, sections=(Section(text=noise),)))


def _comparable(record: object) -> object:
    return msgspec.structs.asdict(record) if isinstance(record, msgspec.Struct) else record
