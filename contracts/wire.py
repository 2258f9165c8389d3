"""Records as Kafka messages: JSON (events, documents) or Arrow IPC (memory), zstd inside, at most 8 MiB.

Each message carries the header `schema` (`document.v1`). An optional new field keeps the version; a rename, a new type
or a new meaning makes the next. `tests/contracts/golden/` holds a file of every version, read by a test for ever.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeVar

import msgspec
import pyarrow as pa
import zstandard

from contracts import records
from contracts.errors import MalformedMessage, MessageTooLarge
from contracts.records import DeadLetter, Document, Event, MemoryBatch

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
SCHEMA_HEADER = "schema"

Schema = Literal["event.v1", "document.v1", "memory.v1", "dead_letter.v1"]
_T = TypeVar("_T", bound=msgspec.Struct)
_BATCH_METADATA = b"sophia.memory_batch"


class Message(NamedTuple):
    """Key, headers and body as the broker keeps them."""

    key: bytes
    headers: dict[str, str]
    body: bytes


class _BatchHead(msgspec.Struct, frozen=True):
    """A MemoryBatch without its rows; travels in the Arrow schema's metadata."""

    document_id: str
    revision: int
    fingerprint: str
    dimension: int
    tokens: int
    tokens_from_cache: int
    chunks_from_cache: int
    compute_s: float


def encode_event(event: Event) -> Message:
    """Keyed by entity and object, so that one object's events keep their order."""
    return _json(event, "event.v1", f"{event.entity}/{event.object_id or event.event_id}")


def encode_document(document: Document) -> Message:
    """Raises MessageTooLarge beyond 8 MiB; `transforms.documents` splits long ones before that."""
    return _json(document, "document.v1", document.document_id)


def encode_dead_letter(letter: DeadLetter) -> Message:
    return _json(letter, "dead_letter.v1", letter.dead_letter_id)


def encode_memory(batch: MemoryBatch) -> Message:
    head = _BatchHead(*(getattr(batch, name) for name in _BatchHead.__struct_fields__))
    table = batch.rows.replace_schema_metadata({_BATCH_METADATA: msgspec.json.encode(head)})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return _message(sink.getvalue().to_pybytes(), "memory.v1", batch.document_id)


def decode_event(headers: dict[str, str], body: bytes) -> Event:
    return _from_json(headers, body, "event.v1", Event)


def decode_document(headers: dict[str, str], body: bytes) -> Document:
    """Raises MalformedMessage: the reason names the field, never its value."""
    return _from_json(headers, body, "document.v1", Document)


def decode_dead_letter(headers: dict[str, str], body: bytes) -> DeadLetter:
    return _from_json(headers, body, "dead_letter.v1", DeadLetter)


def decode_memory(headers: dict[str, str], body: bytes) -> MemoryBatch:
    """Raises MalformedMessage: not Arrow, no head, or columns other than the schema of its dimension."""
    _check_schema(headers, "memory.v1")
    try:
        table = pa.ipc.open_stream(body).read_all()
        head = msgspec.json.decode((table.schema.metadata or {})[_BATCH_METADATA], type=_BatchHead)
        rows = table.replace_schema_metadata(None).cast(records.memory_row_schema(head.dimension))
    except (pa.ArrowException, KeyError, msgspec.DecodeError, OSError, ValueError) as error:
        raise MalformedMessage("memory.v1", f"{type(error).__name__}: {error}") from error
    fields = {name: getattr(head, name) for name in _BatchHead.__struct_fields__}
    return MemoryBatch(rows=rows, **fields)


def _json(record: msgspec.Struct, schema: Schema, key: str) -> Message:
    return _message(zstandard.compress(msgspec.json.encode(record)), schema, key)


def _message(body: bytes, schema: Schema, key: str) -> Message:
    if len(body) > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(f"{schema} {key}", len(body), MAX_MESSAGE_BYTES)
    return Message(key.encode(), {SCHEMA_HEADER: schema}, body)


def _from_json(headers: dict[str, str], body: bytes, schema: Schema, type_: type[_T]) -> _T:
    _check_schema(headers, schema)
    try:
        return msgspec.json.decode(zstandard.decompress(body, max_output_size=64 * MAX_MESSAGE_BYTES), type=type_)
    except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessage(schema, f"{type(error).__name__}: {error}") from error


def _check_schema(headers: dict[str, str], schema: Schema) -> None:
    if headers.get(SCHEMA_HEADER) != schema:
        raise MalformedMessage(headers.get(SCHEMA_HEADER, "none"), f"this reader knows {schema}")
