"""The real models: loaded with sentence-transformers, which knows each model's layers; fed by ourselves.

Its own `encode` batches by count in the order of characters and waits for the device after every batch. Here
rows are packed by tokens, and the device is waited for once a call. Pooling and unit length are computed in
fp32, whatever the layers compute in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Encoding, Tokenizer
from transformers.utils.logging import disable_progress_bar

from contracts.errors import InvalidSetting
from gpu_workers.batching import pack_by_tokens
from gpu_workers.engine import Vectors, find_weights
from resources.profile import EmbeddingSettings

_CPU_BUDGET_TOKENS = 2_048
"""Padded tokens of one forward pass. Tried on 2 cores: best of 512 to 8,192, for fp32 and bf16."""
_GPU_BUDGET_TOKENS = 262_144
"""Best of 8,192 to 262,144 on an H200 for arctic's shape in bf16: 10,265 chunks a second, 5 GB."""


@dataclass(frozen=True, slots=True)
class _Model:
    """What a model's card says; its files are held to it."""

    pooling: str
    max_tokens: int
    query_prefix: str = ""


_MODELS = {
    "all-minilm-l6-v2": _Model("mean", 256),
    "arctic-embed-m-v1.5": _Model("cls", 512, "Represent this sentence for searching relevant passages: "),
}


class SentenceTransformerEngine:
    """One model on one device."""

    def __init__(self, settings: EmbeddingSettings) -> None:
        """Raises MissingSetting, InvalidSetting: see `open_engine`."""
        self._card = _MODELS[settings.model]
        self.model_id = settings.model_id
        self.dimension = settings.dimension
        self.max_tokens = self._card.max_tokens
        self.padded_tokens = 0
        self._device = _device(settings.device)
        self._budget_tokens = _CPU_BUDGET_TOKENS if self._device.type == "cpu" else _GPU_BUDGET_TOKENS
        disable_progress_bar()  # type: ignore[no-untyped-call]
        self._model = _load(settings, self._card, self._device)
        # Both files that we know ship with truncation at 128 tokens and with padding switched on.
        self._counter = Tokenizer.from_str(self._model.tokenizer.backend_tokenizer.to_str())
        self._counter.no_truncation()
        self._counter.no_padding()
        self._tokenizer = Tokenizer.from_str(self._counter.to_str())
        self._tokenizer.enable_truncation(self.max_tokens)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(encoding.ids) for encoding in self._counter.encode_batch_fast(list(texts))]

    def embed(self, texts: Sequence[str]) -> Vectors:
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        lengths = [len(encoding.ids) for encoding in encodings]
        order: list[int] = []
        parts: list[torch.Tensor] = []
        waiting = pack_by_tokens(lengths, self._budget_tokens)[::-1]
        while waiting:
            rows = waiting.pop()
            try:
                parts.append(self._forward([encodings[row] for row in rows]))
            except torch.OutOfMemoryError:
                # Only a lack of memory is mended by smaller batches, and one row is as small as it gets.
                if len(rows) == 1:
                    raise
                torch.cuda.empty_cache()
                self._budget_tokens = max(self._budget_tokens // 2, self.max_tokens)
                half = len(rows) // 2
                waiting += [rows[half:], rows[:half]]
                continue
            order += rows
        vectors = np.empty((len(texts), self.dimension), np.float32)
        if parts:
            vectors[order] = torch.cat(parts).cpu().numpy()
        return vectors

    def embed_query(self, text: str) -> Vectors:
        row: Vectors = self.embed([self._card.query_prefix + text])[0]
        return row

    def _forward(self, encodings: list[Encoding]) -> torch.Tensor:
        """Shape (rows, dimension), fp32, on the device; NaN where the model gave no direction."""
        longest = max(len(encoding.ids) for encoding in encodings)
        self.padded_tokens += longest * len(encodings)
        ids = np.zeros((len(encodings), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        with torch.inference_mode():
            features = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            features = {name: values.to(self._device) for name, values in features.items()}
            features = self._model[0](features)
            features["token_embeddings"] = features["token_embeddings"].float()
            pooled: torch.Tensor = self._model[1](features)["sentence_embedding"]
            norms = pooled.norm(dim=1, keepdim=True)
            return torch.where(norms > 1e-6, pooled / norms, torch.nan)


def _load(settings: EmbeddingSettings, card: _Model, device: torch.device) -> SentenceTransformer:
    folder = find_weights(settings)
    dtype = torch.bfloat16 if settings.dtype == "bf16" else torch.float32
    try:
        model = SentenceTransformer(
            str(folder), device=str(device), local_files_only=True, model_kwargs={"dtype": dtype}
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidSetting("SOPHIA_EMBEDDING_WEIGHTS", str(folder), f"it does not load ({reason})") from error
    found = model.get_embedding_dimension()
    if found != settings.dimension:
        rule = f"its model gives {found} dimensions, {settings.model} has {settings.dimension}"
        raise InvalidSetting("SOPHIA_EMBEDDING_WEIGHTS", str(folder), rule)
    pooling = getattr(model[1], "pooling_mode", None)
    if pooling != card.pooling:
        rule = f"it pools by {pooling}, {settings.model} by {card.pooling}: take all files of its repository"
        raise InvalidSetting("SOPHIA_EMBEDDING_WEIGHTS", str(folder), rule)
    return model.eval()


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        reason = str(error).partition("\n")[0]
        raise InvalidSetting("SOPHIA_EMBEDDING_DEVICE", name, f"torch cannot use it ({reason})") from error
    return device
