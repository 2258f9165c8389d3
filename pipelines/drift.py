"""Schema drift: the fields of vendors' records that no declared column reads.

    payloads of the newest rows ─► paths of their fields ─► less the places that `transforms.rows` declares

A field that a vendor adds is in `payload` with the next landing, and is told here until a column reads it. Names and
types are told, never a value: payloads hold what people wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from resources.warehouse import Warehouse
from transforms import rows
from transforms.raw import Entity

ROWS = 1_000
"""Newest rows of each table that are looked at, unless somebody asks for more."""
PAGE = 250
"""Rows whose payloads are in memory at a time."""
FIELDS = 2_000
"""Paths of a table that are told apart; those that come later count together, as OTHER."""
DEPTH = 20
"""Steps of a path; what lies deeper is told as the object or list that it is in."""
OTHER = "*"
"""A key that is no name but a value in its place (an address, an id), and what is beyond FIELDS."""

_NAME = re.compile(r"(?!.*\d{5})[A-Za-z_$][\w$-]{0,63}", re.ASCII)
_TYPES = {
    str: "text",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "list",
    type(None): "null",
}
_HOLLOW = {"null", "object", "list"}
_NEWEST = """
SELECT PAYLOAD, _LANDED_AT
FROM {table}
WHERE _DELETED_AT IS NULL
ORDER BY _LANDED_AT DESC, {key}
LIMIT ? OFFSET ?
"""

Json = Any


class UnreadField(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a vendor's records that no declared column reads."""

    source: str
    entity: str
    path: str
    """Dotted, from the record; `[]` for the elements of a list: `parties[].methods[]`."""
    types: list[str]
    """JSON types that were seen, in alphabetical order: boolean, integer, list, null, number, object, text."""
    records: int
    """Rows that have it, of those that were looked at."""
    share: float
    """The same as a part of them, above 0 to 1."""
    first_seen_at: datetime
    """When the oldest content with it landed, of the rows that were looked at, UTC."""


def unread(warehouse: Warehouse, source: str | None = None, *, newest: int = ROWS) -> list[UnreadField]:
    """Look at the newest live rows of each raw table; the fields that were seen last stand first.

    Args:
        source: this one alone.
        newest: rows of each table, by the time at which their content landed.
    Raises:
        WarehouseUnavailable, StatementFailed: no warehouse, or one that was never migrated.
    """
    wanted = rows.sources() if source is None else (source,)
    found = [one for name in wanted for entity in rows.entities(name) for one in _of(entity, warehouse, newest)]
    found.sort(key=lambda one: (one.source, one.entity, one.path))
    return sorted(found, key=lambda one: one.first_seen_at, reverse=True)


def unread_in(record: Json, places: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Path and type of every value of a record that lies at, above or below none of the places.

    A path comes again for each element of a list.
    """
    read = set(places)
    above = {place[: step.start()] for place in read for step in re.finditer(r"\.|\[\]", place)}
    waiting: list[tuple[str, Json, int]] = [("", record, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if path in read:
            continue
        if isinstance(value, dict) and value and depth < DEPTH:
            waiting += [(f"{path}.{_named(key)}".lstrip("."), inner, depth + 1) for key, inner in value.items()]
        elif isinstance(value, list) and value and depth < DEPTH:
            waiting += [(f"{path}[]", inner, depth + 1) for inner in value]
        elif path and path not in above:
            yield path, _TYPES[type(value)]


def _named(key: str) -> str:
    return key if _NAME.fullmatch(key) else OTHER


@dataclass(slots=True)
class _Seen:
    """What is known of a path."""

    first_seen_at: datetime
    types: set[str] = field(default_factory=set)
    records: int = 0


def _of(entity: Entity, warehouse: Warehouse, newest: int) -> Iterator[UnreadField]:
    places = [place for one in entity.fields for place in one.places]
    known: dict[str, _Seen] = {}
    looked_at = 0
    for payload, landed_at in _payloads(entity, warehouse, newest):
        looked_at += 1
        counted = set()
        for path, type_ in unread_in(msgspec.json.decode(payload), places):
            name = path if path in known or len(known) < FIELDS else OTHER
            seen = known.setdefault(name, _Seen(landed_at))
            seen.first_seen_at = min(seen.first_seen_at, landed_at)
            seen.types.add(type_)
            seen.records += name not in counted
            counted.add(name)
    holders = {path[: step.start()] for path in known for step in re.finditer(r"\.|\[\]", path)}
    for path, seen in known.items():
        if path in holders and seen.types <= _HOLLOW:  # null or empty in some rows; in others its fields are told
            continue
        yield UnreadField(
            source=entity.address.source,
            entity=entity.address.entity,
            path=path,
            types=sorted(seen.types),
            records=seen.records,
            share=seen.records / looked_at,
            first_seen_at=seen.first_seen_at.replace(tzinfo=UTC),
        )


def _payloads(entity: Entity, warehouse: Warehouse, newest: int) -> Iterator[tuple[str, datetime]]:
    """Of the live rows, the content that landed last first. A landing meanwhile may show a row twice, or hide one."""
    sql = _NEWEST.format(table=entity.table.name, key=", ".join(entity.key))
    for start in range(0, newest, PAGE):
        page = warehouse.query(sql, [min(PAGE, newest - start), start])
        yield from zip(page["payload"].to_pylist(), page["_landed_at"].to_pylist(), strict=True)
        if page.num_rows < PAGE:
            return
