"""The records that travel: frozen, typed, times UTC and aware.

An Event comes from a webhook, a Document from the catalog, a MemoryBatch from a GPU worker. A Position says how far
a reader has come; a DeadLetter keeps what could not be read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contracts import identity
from contracts.address import Address

Json = Any  # a JSON value as received: the vendor decides its shape
PUBLIC = "public"
"""The access scope that everybody in the company has."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One change that a vendor told us of."""

    event_id: str
    """The vendor's delivery id, or a hash of the body where it has none."""
    source: str
    entity: str
    action: Literal["upsert", "delete", "read"]
    """`read`: the payload names the object alone, which must be read."""
    object_id: str = ""
    """The vendor's id of the object within its entity: events of one object keep their order."""
    occurred_at: datetime
    """The vendor's clock."""
    received_at: datetime
    """Our clock."""
    payload: dict[str, Json]
    """The vendor's object as received."""

    @property
    def address(self) -> Address:
        return Address(self.source, self.entity)


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A turn of a call, a message of a chat: the unit that chunks respect."""

    text: str
    """Without the speaker's name."""
    speaker: str = ""
    """A name that does not change later, and so may be embedded; empty in chat, where display names change."""
    author_id: str = ""
    """The vendor's id of who said it; an attribute, never embedded."""
    start_s: float | None = None
    """Seconds after the document's `occurred_at`."""
    end_s: float | None = None

    @property
    def line(self) -> str:
        """The section as it stands in the document's text."""
        return f"{self.speaker}: {self.text}" if self.speaker else self.text


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What is searched as one: a call, a thread, a channel's loose messages of one UTC day."""

    document_id: str
    """`source:type:native id`, with `#part` behind where a long one was split."""
    revision: int = 0
    """1-based; the catalog counts it up when `content_hash` changes. 0: not yet catalogued."""
    source_system: str
    data_type: str
    access_scope: str
    """`public`, or the scope whose members may read it; see SOPHIA_CORE.ACCESS_MEMBERS."""
    title: str
    """For people; may change without a new revision, so it is not embedded."""
    header: str
    """Facts that do not change (what, who, when); embedded before each chunk."""
    sections: tuple[Section, ...]
    metadata: dict[str, Json]
    """Attributes to filter and show by; they may change without a new revision."""
    occurred_at: datetime

    @property
    def content_hash(self) -> str:
        """Of what is embedded or decides who may read it. 32 hex digits."""
        return identity.record_hash(
            [self.access_scope, self.header, self.occurred_at, [[s.speaker, s.text] for s in self.sections]]
        )

    @property
    def text(self) -> str:
        """The sections' lines. Chunks joined back give exactly this."""
        return "\n".join(section.line for section in self.sections)


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A slice of a document's text that is embedded as one."""

    ordinal: int
    """0-based place in the document."""
    text: str
    """The slice itself, without the header; slices joined give the document's text."""
    header: str
    """Embedded before the text."""
    section_start: int
    """0-based index of the first section that it touches."""
    section_end: int
    """0-based index behind the last section that it touches."""

    @property
    def embedded_text(self) -> str:
        return f"{self.header}\n{self.text.strip()}" if self.header else self.text.strip()


class MemoryBatch(msgspec.Struct, frozen=True, kw_only=True):
    """All vectors of one revision of one document, and what they cost."""

    document_id: str
    revision: int
    fingerprint: str
    dimension: int
    rows: pa.Table
    """Of MEMORY_ROW_SCHEMA(dimension), a row a chunk, ordered by ordinal."""
    tokens: int
    """By the model's tokenizer, headers included."""
    tokens_from_cache: int
    chunks_from_cache: int
    """Rows whose vector was not computed anew."""
    compute_s: float
    """Seconds of the engine alone."""


def memory_row_schema(dimension: int) -> pa.Schema:
    """A chunk with its vector. `embedding` has unit length; `content_hash` is of the embedded text."""
    fields: list[pa.Field[Any]] = [
        pa.field("ordinal", pa.int64(), nullable=False),
        pa.field("content", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("section_start", pa.int64(), nullable=False),
        pa.field("section_end", pa.int64(), nullable=False),
        pa.field("token_count", pa.int64(), nullable=False),
        pa.field("embedding", pa.list_(pa.float32(), dimension), nullable=False),
    ]
    return pa.schema(fields)


def memory_rows(chunks: list[Chunk], token_counts: list[int], vectors: npt.NDArray[np.float32]) -> pa.Table:
    """Put chunks beside their vectors.

    Args:
        chunks: of one document, by ordinal.
        token_counts: of each chunk's embedded text.
        vectors: shape (len(chunks), dimension), unit length.
    """
    dimension = int(vectors.shape[1])
    columns: list[pa.Array[Any]] = [
        pa.array([c.ordinal for c in chunks], pa.int64()),
        pa.array([c.text for c in chunks], pa.string()),
        pa.array([identity.text_hash(c.embedded_text) for c in chunks], pa.string()),
        pa.array([c.section_start for c in chunks], pa.int64()),
        pa.array([c.section_end for c in chunks], pa.int64()),
        pa.array(token_counts, pa.int64()),
        pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1), pa.float32()), dimension),
    ]
    return pa.Table.from_arrays(columns, schema=memory_row_schema(dimension))


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far a reader has come; stored in the transaction of the rows it read."""

    key: str
    """`pull:gong/calls`, or `topic:<name>:<topic id>:<partition>`."""
    value: str
    """A pull's cursor as JSON text, or the next Kafka offset in decimal; empty before the first landing."""
    epoch: int
    """Counted up by every claim; a writer with an older epoch is fenced."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be read, with everything that is needed to try again."""

    dead_letter_id: str
    """A hash of origin and body, so that the same failure is stored once."""
    origin: str
    """`gong/calls` for a pulled record, a topic's name for a message."""
    document_id: str | None = None
    """The document that waits for it, where one does."""
    revision: int | None = None
    """Of that document; None where it could not be read."""
    reason: str
    """The rule that it broke; never a value of the record."""
    body: bytes
    """The original bytes."""
    headers: dict[str, str] = {}
    """As they travelled; for a pulled record its request's time."""
    failed_at: datetime

    @classmethod
    def of(
        cls,
        origin: str,
        body: bytes,
        reason: str,
        failed_at: datetime,
        document_id: str | None = None,
        headers: dict[str, str] | None = None,
        revision: int | None = None,
    ) -> DeadLetter:
        return cls(
            dead_letter_id=identity.text_hash(f"{origin} {body.hex()}"),
            origin=origin,
            document_id=document_id,
            revision=revision,
            reason=reason,
            body=body,
            headers=headers or {},
            failed_at=failed_at,
        )
