"""From an event at a vendor to found by search, by both ways of landing: one event a second, a pull each minute.

sophia dev ─ first load ─► events at the vendors, one a second ─► how long until search finds each

`python benchmarks/freshness.py [SECONDS]`: so long do events come, by each way; 180 by default. Let nothing else run.
"""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np
from rich.console import Console
from rich.table import Table

import sandbox
from cli import local
from cli.search import find
from gpu_workers.engine import Engine, open_engine
from pipelines.publishing import backlog
from resources.broker import free_port
from resources.profile import Profile, environment
from resources.warehouse import Warehouse, open_warehouse

LANDERS = ("sensor", "resident")
FIRST_LOAD_S = 600.0
DRAIN_S = 300.0
"""After the last event."""
HITS = 100
"""Of some 1,600 chunks: the sentences are all alike, and share their chunks with what stood there before."""
WHO = (
    "The harbour master",
    "A choir",
    "The night porter",
    "Our florist",
    "The ferry crew",
    "A glassblower",
    "The mayor",
)
WHAT = ("kayaks", "violins", "beehives", "anvils", "telescopes", "saddles", "accordions", "umbrellas", "lanterns")
COLOUR = ("purple", "striped", "copper", "turquoise", "checked", "golden", "scarlet", "transparent")
WHERE = ("the lighthouse", "a monastery", "the opera", "the glacier", "a submarine", "the vineyard", "an observatory")


def sentences() -> Iterator[str]:
    """No two alike, and neighbours, which may share a chunk, in nothing."""
    products = list(itertools.product(WHERE, COLOUR, WHAT, WHO))
    Random(7).shuffle(products)
    for number, (where, colour, what, who) in enumerate(products):
        yield f"{who} ordered {number + 2} {colour} {what} for {where}."


def happen(control: sandbox.Control, places: dict[str, list[str]], number: int, text: str) -> None:
    """An event, at each vendor with text in its turn."""
    control.advance(1)
    which = places[("slack", "linear", "hubspot")[number % 3]]
    at = which[number // 3 % len(which)]
    match number % 3:
        case 0:
            control.create("slack.messages", channel=at, text=text)
        case 1:
            control.create("linear.comments", issue=at, body=text)
        case 2:
            control.edit("hubspot.notes", at, hs_note_body=text)


def places_of(control: sandbox.Control, warehouse: Warehouse) -> dict[str, list[str]]:
    """Where something can be said that all may know."""
    dump = control.dump()
    public = "SELECT DATA_ID FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE ACCESS_SCOPE = 'public'"
    documents = set(warehouse.query(public)["data_id"].to_pylist())
    return {
        "slack": [c["id"] for c in dump["slack.channels"] if not c["is_private"] and not c["is_archived"]],
        "linear": [i["id"] for i in dump["linear.issues"] if f"linear:issue:{i['id']}" in documents],
        "hubspot": [n["id"] for n in dump["hubspot.notes"] if not n["archived"]],
    }


def waits(seconds: int, profile: Profile, warehouse: Warehouse, engine: Engine) -> list[float]:
    """Event → found, in seconds; inf for what was not found in time."""
    control = sandbox.Control(f"http://127.0.0.1:{profile.sandbox_port}")
    places = places_of(control, warehouse)
    outstanding: dict[str, float] = {}
    found: list[float] = []
    started = time.monotonic()
    for number, text in enumerate(itertools.islice(sentences(), seconds)):
        time.sleep(max(0.0, started + number - time.monotonic()))
        happen(control, places, number, text)
        outstanding[text] = time.monotonic()
        found += look(warehouse, engine, outstanding)
    deadline = time.monotonic() + DRAIN_S
    while outstanding and time.monotonic() < deadline:
        time.sleep(1.0)
        found += look(warehouse, engine, outstanding)
    return found + [float("inf")] * len(outstanding)


def look(warehouse: Warehouse, engine: Engine, outstanding: dict[str, float]) -> list[float]:
    """Search for what has landed since; what is found is outstanding no more."""
    landed = "".join(
        row["content"]
        for row in warehouse.query(
            "SELECT CONTENT FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS WHERE CONTENT LIKE '% ordered % for %'"
        ).to_pylist()
    )
    there = [text for text in outstanding if text in landed]
    first = [text for text in there if any(text in hit.text for hit in find(warehouse, engine, text, limit=HITS))]
    return [time.monotonic() - outstanding.pop(text) for text in first]


@contextmanager
def platform(home: Path, lander: str) -> Iterator[Profile]:
    """`sophia dev` with everything loaded once."""
    environ = {
        **environment(),
        "SOPHIA_HOME": str(home),
        "SOPHIA_SANDBOX_PORT": str(free_port()),
        "SOPHIA_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}",
        "SOPHIA_AUTOMATION_LANDER": lander,
    }
    profile = Profile.read(local.environment(Profile.read(environ)) | environ)
    command = [str(Path(sys.executable).with_name("sophia")), "dev", "--port", str(free_port())]
    with (home / "dev.log").open("wb") as log:
        dev = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        with open_warehouse(profile) as warehouse:
            await_first_load(profile, warehouse)
        yield profile
    finally:
        dev.send_signal(signal.SIGINT)
        dev.wait(60)


def await_first_load(profile: Profile, warehouse: Warehouse) -> None:
    deadline = time.monotonic() + FIRST_LOAD_S
    sources = "SELECT COUNT(DISTINCT SOURCE_SYSTEM) AS N FROM SOPHIA_CORE.CATALOG_ENTRIES"
    while True:
        time.sleep(5.0)
        assert time.monotonic() < deadline, "the first load took too long; dev.log and logs/ say why"
        try:
            if warehouse.query(sources)["n"][0].as_py() == 4 and backlog(profile, warehouse) == 0:
                return
        except local.SophiaError:  # no tables yet
            continue


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 180
    figures: dict[str, float] = {"events": seconds}
    table = Table("lander", "found", "p50 s", "p95 s", "max s")
    for lander in LANDERS:
        with (
            tempfile.TemporaryDirectory() as home,
            platform(Path(home), lander) as profile,
            open_warehouse(profile) as warehouse,
        ):
            waited = waits(seconds, profile, warehouse, open_engine(profile.embedding))
        p50, p95, longest = (float(np.percentile(waited, q, method="higher")) for q in (50, 95, 100))
        arrived = sum(w != float("inf") for w in waited)
        table.add_row(lander, f"{arrived}/{seconds}", f"{p50:.1f}", f"{p95:.1f}", f"{longest:.1f}")
        figures |= {f"{lander}_found": arrived, f"{lander}_p50_s": round(p50, 1), f"{lander}_p95_s": round(p95, 1)}
    Console().print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
