"""What a round makes of good, equal, outdated and broken records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from contracts import wire
from contracts.records import Document, MemoryBatch
from gpu_workers.cache import VectorCache
from gpu_workers.embedder import SLICE_TOKENS, Embedder, Incoming, Round
from resources.profile import EmbeddingSettings
from tests.gpu_workers.rig import FussyEngine, a_document
from transforms.chunking import fingerprint


@pytest.fixture
def engine() -> FussyEngine:
    return FussyEngine(EmbeddingSettings(model="hash-64"))


@pytest.fixture
def embedder(engine: FussyEngine, tmp_path: Path) -> Iterator[Embedder]:
    with VectorCache(tmp_path, engine.model_id, engine.dimension) as cache:
        yield Embedder(engine, cache)


def incoming(*documents: Document) -> list[Incoming]:
    messages = [wire.encode_document(document) for document in documents]
    return [Incoming(0, offset, m.key, m.headers, m.body) for offset, m in enumerate(messages)]


def decoded(done: Round) -> list[MemoryBatch]:
    return [wire.decode_memory(message.headers, message.body) for message in done.batches]


def test_a_batch_holds_the_document(embedder: Embedder, engine: FussyEngine) -> None:
    document = a_document(1, revision=3)
    done = embedder.round(incoming(document))
    (batch,) = decoded(done)
    assert (batch.document_id, batch.revision, batch.fingerprint) == (
        "gong:call:1",
        3,
        fingerprint("hash-64/fp32"),
    )
    rows = batch.rows.to_pydict()
    assert "".join(rows["content"]) == document.text
    texts = [f"Call 1\n{content.strip()}" for content in rows["content"]]
    assert rows["token_count"] == engine.count_tokens(texts)
    assert np.array_equal(np.array(rows["embedding"], np.float32), engine.embed(texts))
    assert (batch.tokens, batch.tokens_from_cache) == (sum(rows["token_count"]), 0)
    assert done.padded_tokens == batch.tokens
    assert batch.compute_s == pytest.approx(done.compute_s)


def test_known_texts_are_not_computed_and_are_the_same_to_the_bit(embedder: Embedder) -> None:
    documents = [a_document(number) for number in range(5)]
    (first, again) = (embedder.round(incoming(*documents)) for _ in range(2))
    assert again.padded_tokens == 0
    assert again.tokens_from_cache == again.tokens == first.tokens
    for one, other in zip(decoded(first), decoded(again), strict=True):
        assert other.rows.equals(one.rows)
        assert other.chunks_from_cache == other.rows.num_rows
        assert other.compute_s == 0


def test_of_equal_texts_the_first_document_pays(embedder: Embedder) -> None:
    first, second = a_document(1, text="the same"), a_document(2, text="the same")
    second = Document(**{f: getattr(second, f) for f in second.__struct_fields__} | {"header": first.header})
    one, other = decoded(embedder.round(incoming(first, second)))
    assert (one.chunks_from_cache, other.chunks_from_cache) == (0, 1)
    assert (one.tokens_from_cache, other.tokens_from_cache) == (0, other.tokens)
    assert one.rows["embedding"] == other.rows["embedding"]


def test_a_document_without_text_has_a_batch_without_rows(embedder: Embedder) -> None:
    (batch,) = decoded(embedder.round(incoming(a_document(1, text=" "))))
    assert (batch.rows.num_rows, batch.tokens, batch.dimension) == (0, 0, 64)


def test_only_the_newest_revision_of_a_round_is_embedded(embedder: Embedder) -> None:
    revisions = [a_document(1, revision, f"text {revision}") for revision in (1, 3, 2)]
    done = embedder.round(incoming(*revisions, a_document(2)))
    assert [(b.document_id, b.revision) for b in decoded(done)] == [("gong:call:1", 3), ("gong:call:2", 1)]
    assert done.superseded == 2


def test_a_round_is_computed_in_slices(embedder: Embedder) -> None:
    breaths: list[int] = []
    documents = [a_document(number, text=" ".join(f"{number}.{n}" for n in range(14_000))) for number in range(8)]
    done = embedder.round(incoming(*documents), lambda: breaths.append(1))
    assert len(breaths) == -(-done.tokens // SLICE_TOKENS) > 1


def test_what_one_record_breaks_stays_with_it(embedder: Embedder) -> None:
    good = incoming(*(a_document(number) for number in range(4)))
    bad = incoming(a_document(10, text="poison"), a_document(11, text="hollow"), a_document(12))
    bad += [
        Incoming(0, 9, b"gong:call:13", {"schema": "document.v1"}, b"no zstd"),
        Incoming(0, 9, b"", {"schema": "document.v9"}, b""),
    ]
    done = embedder.round([bad[0], *good, *bad[1:]])
    assert [b.document_id for b in decoded(done)] == [f"gong:call:{n}" for n in (0, 1, 2, 3, 12)]
    reasons = {rejected.document_id: rejected.reason for rejected in done.rejected}
    assert list(reasons) == ["gong:call:13", None, "gong:call:10", "gong:call:11"]
    assert reasons["gong:call:10"] == "the model fails on a part of it: RuntimeError"
    assert reasons["gong:call:11"] == "the model gives no direction for a part of it"
    assert reasons[None] == "this reader knows document.v1"
    assert all(rejected.record in bad for rejected in done.rejected)


def test_an_engine_that_fails_on_every_text_blames_no_record(embedder: Embedder, engine: FussyEngine) -> None:
    engine.broken = True
    with pytest.raises(RuntimeError):
        embedder.round(incoming(a_document(1)))
