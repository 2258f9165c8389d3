"""hash-64: words and their character n-grams, hashed into 64 signed places. No model, no torch.

Texts that share words or stems are near, so search, cache and worker can be tried without weights. It knows
no meaning: not for production.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from gpu_workers.engine import Vectors
from resources.profile import EmbeddingSettings

_DIMENSION = 64
_SPECIAL_TOKENS = 2  # as BERT's [CLS] and [SEP], so that limits behave alike
_TOKEN = re.compile(r"\w+|[^\w\s]")
_NGRAM_WEIGHT = 0.4


class HashEngine:
    """Deterministic on every machine: integers and one rounding to float32."""

    def __init__(self, settings: EmbeddingSettings) -> None:
        self.model_id = settings.model_id
        self.dimension = _DIMENSION
        self.max_tokens = 256
        self.padded_tokens = 0

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_TOKEN.findall(text)) + _SPECIAL_TOKENS for text in texts]

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.padded_tokens += sum(min(count, self.max_tokens) for count in self.count_tokens(texts))
        vectors = np.zeros((len(texts), _DIMENSION), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = _embed(text, self.max_tokens - _SPECIAL_TOKENS)
        return vectors

    def embed_query(self, text: str) -> Vectors:
        return _embed(text, self.max_tokens - _SPECIAL_TOKENS)


def _embed(text: str, max_tokens: int) -> Vectors:
    counts = Counter(_TOKEN.findall(text.lower())[:max_tokens])
    total = np.zeros(_DIMENSION)
    total[0] = 1e-3  # a text without any token has a direction, too
    for token, count in counts.items():
        # Short words are mostly function words; without a corpus there is no better guess of a word's weight.
        total += (1 + math.log(count)) * min(len(token), 8) * _token_vector(token)
    return (total / np.linalg.norm(total)).astype(np.float32)


@lru_cache(maxsize=65_536)
def _token_vector(token: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    vector = np.zeros(_DIMENSION)
    marked = f"<{token}>"
    grams = {marked[i : i + n] for n in (3, 4, 5) for i in range(len(marked) - n + 1)}
    _add(vector, token, 1.0)
    for gram in sorted(grams):
        _add(vector, gram, _NGRAM_WEIGHT)
    length: float = np.linalg.norm(vector).item()
    return vector / length if length else vector


def _add(vector: np.ndarray[tuple[int], np.dtype[np.float64]], feature: str, weight: float) -> None:
    digest = zlib.crc32(feature.encode("utf-8", "surrogatepass"))
    vector[digest % _DIMENSION] += weight if digest >> 31 else -weight
