"""A round: some documents as they came from the topic → their vectors, or the reason why there are none.

Texts of all documents of a round are looked up and embedded together, each text once. What one record breaks stays with
that record: a failing batch is halved until the text that fails stands alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from contracts import identity, wire
from contracts.errors import MalformedMessage
from contracts.records import Chunk, Document, MemoryBatch, memory_rows
from gpu_workers.cache import VectorCache
from gpu_workers.engine import Engine, Vectors
from transforms import chunking

SLICE_TOKENS = 65_536
"""Embedded without a break; on a slow CPU (2,000 tokens a second) still half a minute."""

# What a model or a tokenizer raises on a text that it cannot take. RuntimeError is also how torch reports a device that
# is gone, which is why a text is not blamed before another one has passed.
_TEXT_ERRORS = (RuntimeError, ValueError, IndexError)
_PROBE = "a text that every model can embed"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A document as it came."""

    key: bytes
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that no try will embed."""

    record: Incoming
    document_id: str | None
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
            breathe: called between slices of SLICE_TOKENS, so that a reader can tell its broker that it lives.
        Raises:
            RuntimeError, ValueError, IndexError: the engine fails on any text; nothing can be said of the records.
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
        works = list(newest.values())
        texts = {h: c.embedded_text for w in works for h, c in zip(w.hashes, w.chunks, strict=True)}
        counts = {h: n for w in works for h, n in zip(w.hashes, w.counts, strict=True)}
        vectors = self._cache.get_many(texts)
        missing = [text_hash for text_hash in texts if text_hash not in vectors]
        paid = dict.fromkeys(missing, False)
        padded, started = self._engine.padded_tokens, time.perf_counter()
        failed: dict[str, str] = {}
        for part in _slices(missing, counts):
            self._embed(part, texts, vectors, failed)
            self._cache.put_many({h: vectors[h] for h in part if h in vectors})
            breathe()
        result.compute_s = time.perf_counter() - started
        result.padded_tokens = self._engine.padded_tokens - padded
        self._build(result, works, vectors, failed, counts, paid)
        return result

    def _read(self, record: Incoming) -> _Work | Rejected:
        try:
            document = wire.decode_document(record.headers, record.body)
        except MalformedMessage as error:
            return Rejected(record, record.key.decode("utf-8", "backslashreplace") or None, error.reason)
        limit = min(self._engine.max_tokens, chunking.MAX_TOKENS)
        try:
            chunks = chunking.chunk(document, self._engine.count_tokens, max_tokens=limit)
            texts = [c.embedded_text for c in chunks]
            counts = self._engine.count_tokens(texts)
        except _TEXT_ERRORS as error:
            return Rejected(record, document.document_id, f"it cannot be chunked: {type(error).__name__}")
        return _Work(record, document, chunks, [identity.text_hash(t) for t in texts], counts)
