"""A worker whose engine stays in its batch until it is killed there."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gpu_workers.cache import VectorCache
from gpu_workers.hash_engine import HashEngine
from gpu_workers.worker import Worker
from tests.conftest import profile_for


class SlowEngine(HashEngine):
    """The hash engine; its first batch does not end."""

    def embed(self, texts: Sequence[str]):  # type: ignore[no-untyped-def]
        print("in a batch", flush=True)
        time.sleep(600)
        return super().embed(texts)


def main() -> None:
    settings = json.loads(sys.argv[1])
    profile = profile_for(Path(settings["home"]), bootstrap=settings["bootstrap"])
    engine = SlowEngine(profile.embedding)
    with VectorCache(profile.cache_path, engine.model_id, engine.dimension) as cache:
        Worker(profile, engine, cache).run()


if __name__ == "__main__":
    main()
