"""What the list of erased people costs: records a second through `judge`, by how many people are on the list.

A door with an empty list looks at nothing, so that line is the cost of making rows alone (`to_row`).
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from contracts.address import Address
from sandbox.world import open_world
from transforms import erasure, people, rows
from transforms.erasure import Erased
from transforms.raw import Entity, Record, to_row

PEOPLE = (1, 10, 50)
ROUNDS = 3


def records() -> list[tuple[Entity, list[Record]]]:
    dump = open_world(seed=7, scale=1.0).dump()
    return [(rows.entity(Address(*stream.split("."))), found) for stream, found in dump.items()]


def a_list(addresses: list[str], streams: list[tuple[Entity, list[Record]]]) -> Erased:
    """With all that the records tell of these people."""
    erased = Erased(b"benchmark", ())
    erased = erased.with_entries(erased.entry(erasure.email(one), is_given=True) for one in addresses)
    while True:
        teaching = ((entity, one) for entity, found in streams if people.teaching(entity.address) for one in found)
        new = {identifier for entity, one in teaching for identifier in erased.judge(entity, one).found}
        if not new:
            return erased
        erased = erased.with_entries(erased.entry(one, is_given=False) for one in new)


def made_a_second(streams: list[tuple[Entity, list[Record]]]) -> float:
    now = datetime.now(UTC)
    started = time.perf_counter()
    for entity, found in streams:
        for one in found:
            to_row(entity, one, version=now, origin="pull")
    return sum(len(found) for _, found in streams) / (time.perf_counter() - started)


def judged_a_second(erased: Erased, streams: list[tuple[Entity, list[Record]]]) -> float:
    started = time.perf_counter()
    for entity, found in streams:
        for one in found:
            erased.judge(entity, one)
    return sum(len(found) for _, found in streams) / (time.perf_counter() - started)


def main() -> None:
    streams = records()
    addresses = [user["emailAddress"] for user in dict_of(streams)["gong/users"]]
    addresses += [contact["properties"]["email"] for contact in dict_of(streams)["hubspot/contacts"]]
    table = Table("people", "identifiers", "records/s", title="Records through the list")
    rate = max(made_a_second(streams) for _ in range(ROUNDS))
    told: dict[str, float] = {"to_row_records_per_s": round(rate)}
    table.add_row("0 (to_row alone)", "0", f"{rate:,.0f}")
    for count in PEOPLE:
        erased = a_list(addresses[:count], streams)
        rate = max(judged_a_second(erased.with_entries(()), streams) for _ in range(ROUNDS))  # with nothing remembered
        told[f"judged_records_per_s_{count}_people"] = round(rate)
        table.add_row(str(count), str(len(erased.listed)), f"{rate:,.0f}")
    Console().print(table)
    print(json.dumps({"benchmark": "erasure", **told}))


def dict_of(streams: list[tuple[Entity, list[Record]]]) -> dict[str, list[Record]]:
    return {str(entity.address): found for entity, found in streams}


if __name__ == "__main__":
    main()
