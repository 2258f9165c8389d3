"""A document → the slices that are embedded, one vector each.

A slice follows the meaning: whole sections (the turns of a call, the messages of a thread, the fields of a record) are
packed until the target is reached. A section is cut only where it alone exceeds that, by semchunk: at a paragraph's end,
else a sentence's, else a word's. Slices joined back give the document's text; none exceeds the model's limit by the
model's own tokenizer, header included, so that nothing is truncated in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import semchunk

from contracts import identity
from contracts.records import Chunk, Document

CHUNKER = "turns-1"
"""Stands in the fingerprint: count it up with every change here that moves a boundary."""
HEADER = "facts-1"
"""Stands in the fingerprint: count it up when the header before a chunk is made in another way."""

TARGET_TOKENS = 120
MAX_TOKENS = 256

CountTokens = Callable[[Sequence[str]], Sequence[int]]
"""Tokens of each text, with the special tokens that the model adds to it; many at once, because that is faster."""


def fingerprint(model_id: str) -> str:
    """What the vectors of a model depend on beside their texts."""
    return identity.fingerprint(model_id, CHUNKER, HEADER)


def chunk(
    document: Document,
    count_tokens: CountTokens,
    *,
    target_tokens: int = TARGET_TOKENS,
    max_tokens: int = MAX_TOKENS,
    cut_tokens: int | None = None,
) -> list[Chunk]:
    """Slice a document.

    Args:
        target_tokens: of a slice's own text, where whole sections allow it.
        max_tokens: of what is embedded: special tokens, header and text. A header is cut to half of it.
    Returns:
        By ordinal; empty where the document has nothing but whitespace.
    """
    text = document.text
    if not text.strip():
        return []
    counter = _Counter(count_tokens)
    header = _shorten(document.header.strip(), counter, max_tokens // 2)
    room = max_tokens - (counter.of(header) if header else counter.special)
    target = min(target_tokens, room)
    pieces = _pieces(document, counter, min(cut_tokens, room) if cut_tokens else target)
    slices = _fit([(p[0].start, p[-1].end) for p in _pack(pieces, target)], text, header, counter, max_tokens)
    sections = [(p.start, p.section) for p in pieces]
    return list(_chunks(slices, text, header, sections))


@dataclass(frozen=True, slots=True)
class _Piece:
    """A section, or a part of one that is too long: characters `start` to `end` of the document's text."""

    start: int
    end: int
    section: int
    tokens: int
    """Without special tokens."""
    blank: bool


class _Counter:
    """Counts without special tokens, and each text once."""

    def __init__(self, count_tokens: CountTokens) -> None:
        self._count = count_tokens
        self._known: dict[str, int] = {}
        self.special = count_tokens([""])[0]

    def many(self, texts: Sequence[str]) -> list[int]:
        new = [t for t in dict.fromkeys(texts) if t not in self._known]
        if new:
            self._known.update(zip(new, self._count(new), strict=True))
        return [self._known[t] - self.special for t in texts]

    def of(self, text: str) -> int:
        return self.many([text])[0]
