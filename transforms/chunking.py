"""A document → the slices that are embedded, one vector each.

A slice follows the meaning: whole sections (the turns of a call, the messages of a thread, the fields of a
record) are packed up to the target. A section is cut only where it alone exceeds that, by semchunk: at a
paragraph's end, else a sentence's, else a word's. Slices joined back give the document's text. None exceeds
the model's limit by its own tokenizer, header included: nothing is truncated in silence.

The target, tried on 60 meetings of QMSum with 375 questions and MiniLM, 600 words retrieved for a question:
the share of the relevant words that came, and the share of the questions that got any (20 words or more).

    target, tokens               60     90    120    180    230
    relevant words             .387   .402   .423   .435   .450
    questions with an answer   .928   .907   .880   .819   .819

90 is taken, between the two aims. Cutting long turns only at the model's limit left the first row as it is and
lowered the second by .03.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import msgspec
from semchunk.semchunk import chunk as cut_by_meaning

from contracts import identity
from contracts.records import Chunk, Document

CHUNKER = "turns-1"
"""Stands in the fingerprint: count it up with every change here that moves a boundary."""
HEADER = "facts-1"
"""Stands in the fingerprint: count it up when the header before a chunk is made in another way."""

TARGET_TOKENS = 90
MAX_TOKENS = 256
LEAST_TOKENS = 16
LEAST_TARGET = 4
"""No tokenizer makes more of one character; semchunk recurses for ever where a character exceeds its limit."""

CountTokens = Callable[[Sequence[str]], Sequence[int]]
"""Tokens of each text, with the special tokens that the model adds to each; many at once, which is faster."""


def fingerprint(model_id: str) -> str:
    """What the vectors of a model depend on beside their texts."""
    return identity.fingerprint(model_id, CHUNKER, HEADER)


def chunk(
    document: Document,
    count_tokens: CountTokens,
    *,
    target_tokens: int = TARGET_TOKENS,
    max_tokens: int = MAX_TOKENS,
) -> list[Chunk]:
    """Slice a document.

    Args:
        target_tokens: of a slice's own text at most, special tokens and header not counted.
        max_tokens: of what is embedded: special tokens, header and text. A header is cut to half of it.
    Returns:
        By ordinal; empty where the document holds nothing but whitespace.
    Raises:
        ValueError: a limit is too low to hold a character, whatever it is.
    """
    if max_tokens < LEAST_TOKENS or target_tokens < LEAST_TARGET:
        raise ValueError(f"{target_tokens=}, {max_tokens=}: the least are {LEAST_TARGET} and {LEAST_TOKENS}")
    text = document.text
    if not text.strip():
        return []
    lines = [section.line for section in document.sections]
    starts = list(accumulate((len(line) + 1 for line in lines[:-1]), initial=0))
    counter = _Counter(count_tokens)
    header = _shorten(document.header.strip(), max_tokens // 2, counter)
    room = max_tokens - counter.special - counter.of(header)

    target = min(target_tokens, room)
    pieces = _pieces(text, lines, starts, target, counter)
    spans = _fit(_pack(pieces, text, target), text, header, max_tokens, counter)
    chunks = [
        Chunk(
            ordinal=ordinal,
            text=text[span.start : span.end],
            header=header,
            section_start=bisect_right(starts, span.start) - 1,
            section_end=bisect_right(starts, span.end - 1),
        )
        for ordinal, span in enumerate(spans)
    ]
    # A last section without text has no character that would find it, but it belongs to the document.
    return [*chunks[:-1], msgspec.structs.replace(chunks[-1], section_end=len(starts))]


@dataclass(frozen=True, slots=True)
class _Span:
    """Characters `start` to `end` of the document's text."""

    start: int
    end: int
    tokens: int
    """Without special tokens."""


class _Counter:
    """Tokens without the special ones; each text is counted once."""

    def __init__(self, count_tokens: CountTokens) -> None:
        self._count = count_tokens
        self._known: dict[str, int] = {}
        self.special = count_tokens([""])[0]

    def many(self, texts: Sequence[str]) -> list[int]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._count(new), strict=True))
        return [self._known[text] - self.special for text in texts]

    def of(self, text: str) -> int:
        return self.many([text])[0]


def _shorten(header: str, limit: int, counter: _Counter) -> str:
    if counter.of(header) <= limit:
        return header
    return header[: _cut(header, 0, len(header), limit, counter)[0].end].rstrip()


def _pieces(text: str, lines: Sequence[str], starts: Sequence[int], limit: int, counter: _Counter) -> Iterator[_Span]:
    """Whole sections with the newline behind them, and the parts of those that exceed the limit."""
    for start, end, tokens in zip(starts, [*starts[1:], len(text)], counter.many(lines), strict=True):
        if tokens <= limit:
            yield _Span(start, end, tokens)
        else:
            yield from _cut(text, start, end, limit, counter)


def _cut(text: str, start: int, end: int, limit: int, counter: _Counter) -> list[_Span]:
    """What semchunk leaves out between two parts (whitespace) goes to the one before."""
    # Without its memo: that is global, unbounded, and keeps every text of a process that runs for ever.
    found: Any = cut_by_meaning(text[start:end], limit, counter.of, memoize=False, offsets=True)
    bounds = list(pairwise([start, *(start + first for first, _ in found[1][1:]), end]))
    tokens = counter.many([text[a:b].strip() for a, b in bounds])
    return [_Span(a, b, n) for (a, b), n in zip(bounds, tokens, strict=True)]


def _pack(pieces: Iterable[_Span], text: str, target: int) -> list[_Span]:
    """Join neighbours up to the target; whitespace alone is no slice."""
    packed: list[_Span] = []
    for piece in pieces:
        last = packed[-1] if packed else None
        if last and (
            last.tokens + piece.tokens <= target
            or not text[piece.start : piece.end].strip()
            or not text[last.start : last.end].strip()
        ):
            packed[-1] = _Span(last.start, piece.end, last.tokens + piece.tokens)
        else:
            packed.append(piece)
    return packed


def _fit(spans: Sequence[_Span], text: str, header: str, limit: int, counter: _Counter) -> list[_Span]:
    """Count what is embedded, and cut again what exceeds the limit: tokens of parts need not add up."""

    def embedded(span: _Span) -> str:
        slice_ = text[span.start : span.end]
        return Chunk(ordinal=0, text=slice_, header=header, section_start=0, section_end=0).embedded_text

    counter.many([embedded(span) for span in spans])
    waiting, fitting = list(reversed(spans)), []
    while waiting:
        span = waiting.pop()
        if counter.of(embedded(span)) + counter.special <= limit:
            fitting.append(span)
            continue
        parts = _cut(text, span.start, span.end, limit // 4, counter)  # a header has half of it at most
        if len(parts) == 1:
            if span.end - span.start == 1:
                raise ValueError(f"one character has more than {limit} tokens")
            middle = (span.start + span.end) // 2
            parts = [_Span(a, b, span.tokens) for a, b in ((span.start, middle), (middle, span.end))]
        waiting += reversed(parts)
    return fitting
