"""What happens at HubSpot: objects are edited, archived, restored, merged and deleted, and tied to one another anew."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any, ClassVar

import pytest

from tests.pipelines.convergence.history import FEW_S, History, Maker, Record, World, pick, run, words
from tests.pipelines.convergence.sync import Change

NAMED = {"companies": "name", "contacts": "firstname", "deals": "dealname", "notes": "hs_note_body"}
"""A property of each kind that can be set to any text."""
TIES = (
    *(("deals", "companies"), ("deals", "contacts"), ("contacts", "companies")),
    *(("notes", "deals"), ("notes", "contacts")),
)


def _living(world: World, kind: str) -> list[Record]:
    return [row for row in world[kind] if not row["archived"]]


def _kind(random: Random) -> str:
    return random.choice(sorted(NAMED))


def _created(_world: World, random: Random, _now: datetime) -> Change:
    kind = _kind(random)
    return Change("create", f"hubspot.{kind}", None, {NAMED[kind]: words(random)})


def _edited(world: World, random: Random, _now: datetime) -> Change | None:
    kind = _kind(random)
    row = pick(_living(world, kind), random)
    return row and Change("edit", f"hubspot.{kind}", row["id"], {NAMED[kind]: words(random)})


def _moved_deal(world: World, random: Random, _now: datetime) -> Change | None:
    deal = pick(_living(world, "deals"), random)
    if deal is None:
        return None
    [pipeline] = [one for one in world["pipelines"] if one["id"] == deal["properties"]["pipeline"]]
    stage = random.choice(pipeline["stages"])["id"]
    amount = f"{random.randrange(100_000)}.00"
    return Change("edit", "hubspot.deals", deal["id"], {"dealstage": stage, "amount": amount})


def _archived(world: World, random: Random, _now: datetime) -> Change | None:
    kind = _kind(random)
    row = pick(_living(world, kind), random)
    return row and Change("delete", f"hubspot.{kind}", row["id"], {})


def _restored(world: World, random: Random, _now: datetime) -> Change | None:
    found = [(kind, row["id"]) for kind in NAMED for row in world[kind] if row["archived"]]
    if not found:
        return None
    kind, row_id = random.choice(found)
    return Change("edit", f"hubspot.{kind}", row_id, {"archived": False})


def _deleted_for_good(world: World, random: Random, _now: datetime) -> Change | None:
    kind = _kind(random)
    row = pick(world[kind], random)
    return row and Change("delete", f"hubspot.{kind}", {"id": row["id"], "hard": True}, {})


def _merged(world: World, random: Random, _now: datetime) -> Change | None:
    kind = random.choice(("companies", "contacts", "deals"))
    living = _living(world, kind)
    if len(living) < 2:
        return None
    winner, loser = random.sample(living, 2)
    return Change("edit", f"hubspot.{kind}", winner["id"], {"merge": loser["id"]})


def _tied(world: World, random: Random, _now: datetime) -> Change | None:
    from_type, to_type = random.choice(TIES)
    start, end = pick(_living(world, from_type), random), pick(_living(world, to_type), random)
    if start is None or end is None:
        return None
    ends = {"fromType": from_type, "fromId": start["id"], "toType": to_type, "toId": end["id"]}
    return Change("create", "hubspot.associations", None, ends)


def _untied(world: World, random: Random, _now: datetime) -> Change | None:
    tie = pick(world["associations"], random)
    return tie and Change(
        "delete", "hubspot.associations", {name: tie[name] for name in ("fromType", "fromId", "toType", "toId")}, {}
    )


def _owner(**fields: object) -> Maker:
    def make(world: World, random: Random, _now: datetime) -> Change | None:
        owner = pick(world["owners"], random)
        return owner and Change("edit", "hubspot.owners", owner["id"], dict(fields))

    return make


def _renamed_pipeline(world: World, random: Random, _now: datetime) -> Change | None:
    pipeline = pick(world["pipelines"], random)
    stages = {random.choice(pipeline["stages"])["id"]: words(random)} if pipeline else {}
    return pipeline and Change("edit", "hubspot.pipelines", pipeline["id"], {"stages": stages})


class HubspotHistory(History):
    source = "hubspot"
    sandbox_options: ClassVar[Mapping[str, Any]] = {"hubspot_search_delay_s": 60.0, "hubspot_search_cap": 200}
    changes: ClassVar[Mapping[str, Maker]] = {
        "created": _created,
        "edited": _edited,
        "moved_deal": _moved_deal,
        "archived": _archived,
        "restored": _restored,
        "deleted_for_good": _deleted_for_good,
        "merged": _merged,
        "tied": _tied,
        "untied": _untied,
        "left_owner": _owner(archived=True),
        "renamed_owner": _owner(lastName="Other"),
        "renamed_pipeline": _renamed_pipeline,
    }


@pytest.mark.timeout(FEW_S)
def test_five_histories_converge() -> None:
    run(HubspotHistory, histories=5, first_seed=1)


@pytest.mark.long
@pytest.mark.parametrize("first_seed", [2, 3])
def test_forty_histories_converge(first_seed: int) -> None:
    run(HubspotHistory, histories=20, first_seed=first_seed)
