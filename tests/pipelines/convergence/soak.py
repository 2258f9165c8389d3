"""`make soak HISTORIES=100 SEED=1`: histories of every vendor, BATCH with a seed; goes on where it stopped.

What is done stands in var/soak.jsonl, a line a batch: `{source, seed, histories, seconds, wrong}`. A wrong one is
printed as hypothesis shrank it, and ends the vendor's part; the next start tries its seed again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from pathlib import Path

from tests.pipelines.convergence.history import History, run
from tests.pipelines.convergence.test_gong import GongHistory
from tests.pipelines.convergence.test_hubspot import HubspotHistory
from tests.pipelines.convergence.test_linear import LinearHistory
from tests.pipelines.convergence.test_slack import SlackHistory

MACHINES: dict[str, type[History]] = {
    machine.source: machine for machine in (GongHistory, HubspotHistory, LinearHistory, SlackHistory)
}
BATCH = 10
DONE = Path("var") / "soak.jsonl"


def done() -> set[tuple[str, int]]:
    lines = DONE.read_text().splitlines() if DONE.exists() else []
    return {(line["source"], line["seed"]) for line in map(json.loads, lines) if not line["wrong"]}


def live(source: str, seed: int) -> bool:
    """Whether a batch converged."""
    began = time.monotonic()
    wrong = False
    try:
        run(MACHINES[source], BATCH, seed)
    except Exception:  # noqa: BLE001 - whatever hypothesis found is told, and the other vendors go on
        traceback.print_exc()
        wrong = True
    seconds = round(time.monotonic() - began, 1)
    line = {"source": source, "seed": seed, "histories": BATCH, "seconds": seconds, "wrong": wrong}
    with DONE.open("a") as out:
        out.write(json.dumps(line) + "\n")
    print(line, flush=True)
    return not wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=100, help="of each vendor; rounded up to whole batches")
    parser.add_argument("--seed", type=int, default=1, help="of the first batch; the next have the next numbers")
    parser.add_argument("--source", choices=sorted(MACHINES), action="append", help="one vendor alone")
    asked = parser.parse_args()
    DONE.parent.mkdir(exist_ok=True)
    seeds = range(asked.seed, asked.seed + -(-asked.histories // BATCH))
    finished = done()
    right = [
        all(live(source, seed) for seed in seeds if (source, seed) not in finished)
        for source in asked.source or MACHINES
    ]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
