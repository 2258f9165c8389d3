"""A round: some documents as they came from the topic → their vectors, or the reason why there are none.

Texts of all documents of a round are looked up and embedded together, each text once. What one record breaks
stays with that record: a failing batch is halved until the text that fails stands alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from contracts import identity, wire
from contracts.errors import MalformedMessage, MessageTooLarge
from contracts.records import Chunk, Document, MemoryBatch, memory_rows
from gpu_workers.cache import VectorCache
from gpu_workers.engine import Engine, Vectors
from transforms import chunking

SLICE_TOKENS = 131_072
"""Embedded without a break; on a slow CPU (2,000 tokens a second) still about a minute."""

# What a model or a tokenizer raises on a text that it cannot take. RuntimeError is also how torch reports a
# device that is gone, which is why a text is not blamed before another one has passed.
_TEXT_ERRORS = (RuntimeError, ValueError, IndexError)
_PROBE = "a text that every model can embed"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A document as it came."""

    partition: int
    offset: int
    key: bytes
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that no try will embed."""

    record: Incoming
    document_id: str | None
    revision: int | None
    reason: str
    """The rule that it broke; never a part of its text."""


@dataclass(slots=True)
class Round:
    """What became of some records."""

    batches: list[wire.Message] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    superseded: int = 0
    """Records skipped because the same round brought a newer revision of their document."""
    chunks: int = 0
    tokens: int = 0
    tokens_from_cache: int = 0
    padded_tokens: int = 0
    compute_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Work:
    record: Incoming
    document: Document
    chunks: list[Chunk]
    hashes: list[str]
    """Of each chunk's embedded text."""
    counts: list[int]
    """Tokens of each chunk's embedded text."""


class Embedder:
    """An engine behind a cache."""

    def __init__(self, engine: Engine, cache: VectorCache) -> None:
        self._engine = engine
        self._cache = cache
        self._fingerprint = chunking.fingerprint(engine.model_id)

    def round(self, records: Sequence[Incoming], breathe: Callable[[], None] = lambda: None) -> Round:
        """Embed documents.

        Args:
            records: in the order of the topic.
            breathe: called between slices of SLICE_TOKENS, so that a reader can tell its broker it lives.
        Raises:
            RuntimeError, ValueError, IndexError: the engine fails on any text; the records are not to blame.
        """
        result = Round()
        newest: dict[str, _Work] = {}
        for record in records:
            work = self._read(record)
            if isinstance(work, Rejected):
                result.rejected.append(work)
                continue
            other = newest.get(work.document.document_id)
            result.superseded += other is not None
            if other is None or work.document.revision >= other.document.revision:
                newest[work.document.document_id] = work
        self._embed_all(list(newest.values()), result, breathe)
        return result

    def _embed_all(self, works: list[_Work], result: Round, breathe: Callable[[], None]) -> None:
        texts = {h: c.embedded_text for w in works for h, c in zip(w.hashes, w.chunks, strict=True)}
        counts = {h: n for w in works for h, n in zip(w.hashes, w.counts, strict=True)}
        vectors = self._cache.get_many(texts)
        missing = [text_hash for text_hash in texts if text_hash not in vectors]
        failed: dict[str, str] = {}
        padded = self._engine.padded_tokens
        for part in _slices(missing, counts):
            started = time.perf_counter()
            self._embed(part, texts, vectors, failed)
            result.compute_s += time.perf_counter() - started
            self._cache.put_many({h: vectors[h] for h in part if h in vectors})
            breathe()
        result.padded_tokens = self._engine.padded_tokens - padded
        seconds_a_token = result.compute_s / max(sum(counts[h] for h in missing), 1)
        unpaid = set(missing)
        for work in works:
            reason = next((failed[h] for h in work.hashes if h in failed), None)
            # Of equal texts the first document pays; for the others the vector is there already.
            paid = unpaid.intersection(work.hashes)
            unpaid -= paid
            if reason is None:
                computed = sum(counts[h] for h in paid)
                batch = self._batch(work, vectors, paid, computed, computed * seconds_a_token)
                reason = self._add(batch, result)
            if reason is not None:
                result.rejected.append(Rejected(work.record, work.document.document_id, work.document.revision, reason))

    def _embed(
        self, part: list[str], texts: dict[str, str], vectors: dict[str, Vectors], failed: dict[str, str]
    ) -> None:
        """Put each text's vector into `vectors`, or its reason into `failed`."""
        try:
            rows = self._engine.embed([texts[text_hash] for text_hash in part])
        except _TEXT_ERRORS as error:
            if len(part) > 1:
                half = len(part) // 2
                self._embed(part[:half], texts, vectors, failed)
                self._embed(part[half:], texts, vectors, failed)
            else:
                self._engine.embed([_PROBE])
                failed[part[0]] = f"the model fails on a part of it: {type(error).__name__}"
            return
        for text_hash, row in zip(part, rows, strict=True):
            if np.isfinite(row).all():
                vectors[text_hash] = row
            else:
                failed[text_hash] = "the model gives no direction for a part of it"

    def _batch(
        self, work: _Work, vectors: dict[str, Vectors], paid: set[str], computed: int, compute_s: float
    ) -> MemoryBatch:
        matrix = np.empty((len(work.hashes), self._engine.dimension), np.float32)
        for row, text_hash in enumerate(work.hashes):
            matrix[row] = vectors[text_hash]
        tokens = sum(work.counts)
        return MemoryBatch(
            document_id=work.document.document_id,
            revision=work.document.revision,
            fingerprint=self._fingerprint,
            dimension=self._engine.dimension,
            rows=memory_rows(work.chunks, work.counts, matrix),
            tokens=tokens,
            tokens_from_cache=tokens - computed,
            chunks_from_cache=len(work.hashes) - len(paid),
            compute_s=compute_s,
        )

    def _add(self, batch: MemoryBatch, result: Round) -> str | None:
        """The reason, where the batch cannot travel."""
        try:
            result.batches.append(wire.encode_memory(batch))
        except MessageTooLarge as error:
            return f"its vectors take {error.size_bytes:,} bytes; the limit is {error.limit_bytes:,}"
        result.chunks += batch.rows.num_rows
        result.tokens += batch.tokens
        result.tokens_from_cache += batch.tokens_from_cache
        return None

    def _read(self, record: Incoming) -> _Work | Rejected:
        try:
            document = wire.decode_document(record.headers, record.body)
        except MalformedMessage as error:
            return Rejected(record, record.key.decode("utf-8", "backslashreplace") or None, None, error.reason)
        limit = min(self._engine.max_tokens, chunking.MAX_TOKENS)
        try:
            chunks = chunking.chunk(document, self._engine.count_tokens, max_tokens=limit)
            texts = [c.embedded_text for c in chunks]
            counts = self._engine.count_tokens(texts)
        except _TEXT_ERRORS as error:
            return Rejected(
                record, document.document_id, document.revision, f"it cannot be chunked: {type(error).__name__}"
            )
        return _Work(record, document, chunks, [identity.text_hash(t) for t in texts], counts)


def _slices(text_hashes: Sequence[str], counts: dict[str, int]) -> Iterator[list[str]]:
    part: list[str] = []
    tokens = 0
    for text_hash in text_hashes:
        if part and tokens + counts[text_hash] > SLICE_TOKENS:
            yield part
            part, tokens = [], 0
        part.append(text_hash)
        tokens += counts[text_hash]
    if part:
        yield part
