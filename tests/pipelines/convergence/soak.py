"""`make soak HISTORIES=100 SEED=1`: histories of every vendor, BATCH with a seed; goes on where it stopped.

What is done stands in var/soak.jsonl, a line a batch: `{source, seed, histories, seconds}`. A wrong history ends
it, printed as hypothesis shrank it; the next start tries its seed again.
"""

from __future__ import annotations

import argparse
import json
import time
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
    return {(line["source"], line["seed"]) for line in map(json.loads, lines)}


def live(source: str, seed: int) -> None:
    """Raises what the first wrong history raised."""
    began = time.monotonic()
    run(MACHINES[source], BATCH, seed)
    seconds = round(time.monotonic() - began, 1)
    line = {"source": source, "seed": seed, "histories": BATCH, "seconds": seconds}
    with DONE.open("a") as out:
        out.write(json.dumps(line) + "\n")
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=100, help="of each vendor; rounded up to whole batches")
    parser.add_argument("--seed", type=int, default=1, help="of the first batch; the next have the next numbers")
    parser.add_argument("--source", choices=sorted(MACHINES), action="append", help="one vendor alone")
    asked = parser.parse_args()
    DONE.parent.mkdir(exist_ok=True)
    seeds = range(asked.seed, asked.seed + -(-asked.histories // BATCH))
    finished = done()
    for source in asked.source or MACHINES:
        for seed in seeds:
            if (source, seed) not in finished:
                live(source, seed)


if __name__ == "__main__":
    main()
