"""A world with dice, and the list of what may happen in it, each with its weight among all that happens.

Times are drawn so that they fall on both sides of the KPIs' windows, of midnight and of months' ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from sandbox.records import seeded
from sandbox.world import World

Record = dict[str, Any]
_Thing = TypeVar("_Thing")

TEAMS = ("KPA", "KPB")
"""Teams of Linear that these worlds have besides the company's."""
ENGAGEMENTS = ("notes", "meetings", "calls", "emails", "tasks")


class Nobody(Exception):
    """There is nothing to which it could happen."""


class Life:
    """A world, and the dice."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = seeded(world.settings.seed, "life", world.commands_executed)
        self._shown: dict[str, tuple[int, dict[str, list[Record]]]] = {}
        """What a vendor showed, and the number of commands before it."""

    def pass_time(self, about: timedelta) -> None:
        """Move the clock, at times to midnight or to the last moment before it."""
        to = self.world.now + max(about, timedelta(minutes=1)) * self.rng.uniform(0, 2)
        midnight = to.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        to = self.rng.choices((to, midnight, midnight - timedelta(milliseconds=1)), (8, 1, 1))[0]
        self.world.execute("clock", {"to": to.isoformat()})

    def time(self, *windows: tuple[float, float]) -> datetime:
        """A time so many days from now, in one of the windows; at times the first or last moment of its day."""
        at = self.world.now + timedelta(days=self.rng.uniform(*self.rng.choice(windows)))
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        last = midnight + timedelta(days=1, milliseconds=-1)
        return self.rng.choices((at.replace(microsecond=0), midnight, last), (2, 1, 1))[0]

    def past(self, *windows: tuple[float, float]) -> datetime:
        """The same, but never after now."""
        return min(self.time(*windows), self.world.now)

    def maybe(self, chance: float) -> bool:
        return self.rng.random() < chance

    def pick(self, things: Sequence[_Thing]) -> _Thing:
        if not things:
            raise Nobody
        return self.rng.choice(things)

    def some(self, things: Sequence[_Thing], *counts: int) -> list[_Thing]:
        return self.rng.sample(things, min(self.rng.choice(counts), len(things)))

    def all(self, stream: str) -> list[Record]:
        vendor, plural = stream.split(".")
        done = self.world.commands_executed
        if self._shown.get(vendor, (-1, {}))[0] != done:
            self._shown[vendor] = (done, self.world.vendors[vendor].streams(self.world.now))
        return self._shown[vendor][1][plural]

    def live(self, kind: str) -> list[Record]:
        return [one for one in self.all(f"hubspot.{kind}") if not one["archived"]]

    def create(self, stream: str, **fields: object) -> Record:
        return self.world.execute("create", {"stream": stream, "fields": fields})

    def edit(self, stream: str, one: Record, **fields: object) -> None:
        self.world.execute("edit", {"stream": stream, "id": _id(one), "fields": fields})

    def delete(self, stream: str, one: Record, **key: object) -> None:
        self.world.execute("delete", {"stream": stream, "id": _id(one), **key})

    def tie(self, kind: str, one: Record, company: Record, *, primary: bool = False) -> None:
        """Associate an object with a company, from either end."""
        ends = self.rng.sample([(kind, one["id"]), ("companies", company["id"])], 2)
        (from_type, from_id), (to_type, to_id) = ends
        tie = {"fromType": from_type, "fromId": from_id, "toType": to_type, "toId": to_id, "primary": primary}
        self.create("hubspot.associations", **tie)

    def untie(self, kind: str) -> None:
        """Take one type of an association with a company away, or all of it."""
        wanted = (kind, "companies")
        tie = self.pick([one for one in self.all("hubspot.associations") if (one["fromType"], one["toType"]) == wanted])
        key = {name: tie[name] for name in ("fromType", "fromId", "toType", "toId")}
        if self.maybe(0.5):
            key["typeId"] = tie["associationTypes"][-1]["typeId"]
        self.world.execute("delete", {"stream": "hubspot.associations", **key})


class Event(NamedTuple):
    weight: float
    happen: Callable[[Life], None]
    """Raises Nobody or CommandRefused: nothing has happened."""


class Events(dict[str, Event]):
    """By name."""

    def weighing(self, weight: float) -> Callable[[Callable[[Life], None]], Callable[[Life], None]]:
        def register(happen: Callable[[Life], None]) -> Callable[[Life], None]:
            self[happen.__name__] = Event(weight, happen)
            return happen

        return register


def _id(one: Record) -> str:
    return str(one["metaData"]["id"] if "metaData" in one else one["id"])
