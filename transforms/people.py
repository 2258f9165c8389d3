"""Where the records of a source name people: what an erasure goes by.

`PEOPLE` in `transforms/rows/<source>.py` declares it. It says whose an object is and which keys hold ids that are too
short to be known by their looks; that a text or a value is a name or an address is found in any source without it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from contracts.address import Address

Json = Any
ANYWHERE = "**"
LONG = ""
"""The space of ids that nothing else can be equal to; see `transforms.erasure.is_long`."""


@dataclass(frozen=True, slots=True)
class Part:
    """An object of a record that is a person, or what a person wrote or said. An erased person's goes whole.

    Paths are dotted, from the object: `user.id`, `emailAliases[]`; in the last step `*` stands for any letters.
    """

    at: str = ""
    """The object: `parties[]`; empty for the record itself, `**` for every object in it."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """Path → the space of its ids: `hubspot:owners`. Ids of two kinds may be the same number, of one kind never."""
    emails: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """A full name, or its pieces with a space between: `firstName lastName`. It decides where there is no address."""
    handles: tuple[str, ...] = ()
    """What others write behind an @."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Path → the value that makes the object such a part."""

    @property
    def teaches(self) -> bool:
        """Whether one identifier of a person leads to another one here."""
        return len(self.ids) + len(self.emails) + len(self.names) + len(self.handles) > 1


@dataclass(frozen=True, slots=True)
class People:
    """What a source declares."""

    parts: Mapping[str, tuple[Part, ...]]
    """Entity → its parts; `*` for every entity. An entity without any has people in references and texts alone."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """Pattern of a key in small letters, wherever it stands → the space of the ids in it: `*owner_id`. `author_id` is
    the key of a document's section."""

    def of(self, entity: str) -> tuple[Part, ...]:
        return self.parts.get(entity, self.parts.get("*", ()))

    def space(self, key: str) -> str | None:
        """Of the ids under a key; None where it holds none that are declared."""
        small = key.lower()
        return next((space for pattern, space in self.ids.items() if fnmatchcase(small, pattern)), None)


UNDECLARED = People(
    parts={"*": (Part(ANYWHERE, ids={"id": LONG, "gid": LONG}, emails=("*mail*",)),)},
)
"""On the person's side: an object that gives an erased address as its own is that person, also where it is the record
itself. Short ids and names are not followed from there, since an `id` or a `name` may be anything's."""


@cache
def declared(source: str) -> People:
    """Raises ModuleNotFoundError: no such source."""
    module = importlib.import_module(f"transforms.rows.{source}")
    people: People = getattr(module, "PEOPLE", UNDECLARED)
    return people


def teaching(address: Address) -> bool:
    """Whether records of this entity can tell more of a person than one identifier."""
    return any(part.teaches for part in declared(address.source).of(address.entity))


def objects(record: Json, at: str) -> Iterator[dict[str, Json]]:
    """The objects at a part's path."""
    if at == ANYWHERE:
        yield from _every(record)
        return
    found = [record]
    for step in at.split(".") if at else ():
        found = [child for one in found if isinstance(one, dict) for child in _step(one, step)]
    yield from (one for one in found if isinstance(one, dict))


def values(of: dict[str, Json], path: str) -> list[str]:
    """The texts and numbers at a path, as text; what is empty is left out."""
    *steps, last = path.split(".")
    found: list[Json] = [of]
    for step in steps:
        found = [child for one in found if isinstance(one, dict) for child in _step(one, step)]
    found = [child for one in found if isinstance(one, dict) for child in _step(one, last)]
    scalars = (str(one) for one in found if isinstance(one, str | int) and not isinstance(one, bool))
    return [text for text in scalars if text.strip()]


def _step(of: dict[str, Json], step: str) -> list[Json]:
    key = step.removesuffix("[]")
    found = [value for name, value in of.items() if fnmatchcase(name.lower(), key)] if "*" in key else [of.get(key)]
    if key == step:
        return found
    return [child for value in found if isinstance(value, list) for child in value]


def _every(value: Json) -> Iterator[dict[str, Json]]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from _every(child)
    elif isinstance(value, list):
        for child in value:
            yield from _every(child)
