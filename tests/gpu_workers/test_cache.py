"""Vectors come back to the bit, from any process, and damage is a miss."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InvalidSetting
from gpu_workers.cache import VectorCache
from gpu_workers.engine import Vectors
from tests.gpu_workers.rig import ROOT


def some_vectors(count: int, dimension: int, seed: int = 0) -> dict[str, Vectors]:
    rows = np.random.default_rng(seed).standard_normal((count, dimension), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return {f"{seed}-{number}": row for number, row in enumerate(rows)}


def assert_same(found: dict[str, Vectors], expected: dict[str, Vectors]) -> None:
    assert found.keys() == expected.keys()
    assert all(found[key].tobytes() == expected[key].tobytes() for key in expected)


@given(st.lists(st.floats(-1, 1, width=32), min_size=8, max_size=8).filter(lambda v: np.linalg.norm(v) > 0.1))
def test_a_vector_comes_back_to_the_bit(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    vector = np.array(values, np.float32)
    vector /= np.linalg.norm(vector)
    with VectorCache(tmp_path_factory.mktemp("cache"), "m/fp32", 8) as cache:
        cache.put_many({"a": vector})
        assert_same(cache.get_many(["a", "b"]), {"a": vector})


def test_models_and_precisions_do_not_mix(tmp_path: Path) -> None:
    with VectorCache(tmp_path, "m/fp32", 8) as cache:
        cache.put_many(some_vectors(3, 8))
    with VectorCache(tmp_path, "m/bf16", 8) as cache:
        assert cache.get_many(some_vectors(3, 8)) == {}
    with VectorCache(tmp_path, "m/fp32", 8) as cache:
        assert_same(cache.get_many(some_vectors(3, 8)), some_vectors(3, 8))


@pytest.mark.parametrize("damaged", [b"", b"\0" * 31, b"\0" * 32, b"\xff" * 32, b"\0" * 33])
def test_a_damaged_value_is_a_miss_and_is_mended(tmp_path: Path, damaged: bytes) -> None:
    vectors = some_vectors(2, 8)
    with VectorCache(tmp_path, "m/fp32", 8) as cache:
        cache.put_many(vectors)
    with lmdb.open(str(tmp_path)) as env, env.begin(write=True) as transaction:
        key = next(iter(transaction.cursor().iternext(values=False)))
        transaction.put(key, damaged)
    with VectorCache(tmp_path, "m/fp32", 8) as cache:
        assert len(cache.get_many(vectors)) == 1
        cache.put_many(vectors)
        assert_same(cache.get_many(vectors), vectors)


def test_it_grows_beneath_several_processes(tmp_path: Path) -> None:
    """Each writes more than the map holds at first; both go on."""
    program = f"""
from pathlib import Path
from gpu_workers.cache import VectorCache
from tests.gpu_workers.test_cache import some_vectors
with VectorCache(Path({str(tmp_path)!r}), "m/fp32", 4096) as cache:
    cache.put_many(some_vectors(5_000, 4096, seed=1))
"""
    with VectorCache(tmp_path, "m/fp32", 4096) as cache:
        cache.put_many(some_vectors(10, 4096, seed=2))
        subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=ROOT, check=True)
        theirs = some_vectors(5_000, 4096, seed=1)
        assert_same(cache.get_many(theirs), theirs)
        ours = some_vectors(9_000, 4096, seed=3)
        cache.put_many(ours)
        assert_same(cache.get_many(ours), ours)


def test_a_folder_that_is_no_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"something else" * 1_000)
    with pytest.raises(InvalidSetting, match="delete that folder"):
        VectorCache(tmp_path, "m/fp32", 8)


def test_only_what_is_named_is_kept_of_any_model(tmp_path: Path) -> None:
    vectors = some_vectors(4, 8)
    for model_id in ("m/fp32", "n/fp32"):
        with VectorCache(tmp_path, model_id, 8) as cache:
            cache.put_many(vectors)
    with VectorCache(tmp_path, "m/fp32", 8) as cache:
        assert cache.keep_only({"m/fp32": {"0-0", "0-1", "unknown"}, "n/fp32": {"0-1"}}) == 5
        assert cache.get_many(vectors).keys() == {"0-0", "0-1"}
        assert cache.keep_only({"m/fp32": {"0-0", "0-1"}, "n/fp32": {"0-1"}}) == 0
    with VectorCache(tmp_path, "n/fp32", 8) as cache:
        assert cache.get_many(vectors).keys() == {"0-1"}
        assert cache.keep_only({}) == 3
