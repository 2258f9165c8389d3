"""Records of one table as they land, whichever road they came by: a slice at a time, the cursor with the last.

    records ─► Door.admit ─► to_row ─► land_rows
                                └─ breaks a rule ─► dead letter; where it is not surely public, its row is withdrawn
    what the reading proves to be gone ─► tombstones

Of erased people nothing lands.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

import msgspec
import structlog

from contracts.address import Address
from contracts.records import DeadLetter, Position
from pipelines import dead_letters
from pipelines.erased import Door
from pipelines.landing import land_rows
from resources.warehouse import Advance, Parameter, Warehouse
from transforms.raw import Entity, Rejected, Row, to_row

log = structlog.get_logger()

SLICE_ROWS = 2_500
"""Rows that one landing holds in memory, at most PAGE more; the cursor goes with the last slice. 20,000 deals with
their history took 850 MB, and landed no faster."""
PAGE = 500
"""Records that are read and judged at a time."""

_OPERATORS = {
    "=": "= ?",
    ">=": ">= ?",
    "in": "IN (SELECT CAST(VALUE AS VARCHAR) FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))))",
}

Arrival: TypeAlias = tuple[dict[str, Any], datetime]
"""A record, and its version: see docs/adr/0002-versions.md."""
Key: TypeAlias = tuple[object, ...]
Condition: TypeAlias = tuple[str, str, Parameter | list[str]]
"""(column, operator, value); operators are =, >= and in (a list of text)."""
Origin: TypeAlias = Literal["pull", "push"]
Gone: TypeAlias = Callable[[Set[Key]], Iterable[Row]]
"""Given the keys that were read: tombstones for what is gone. Asked when all records have been read."""


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull did to one raw table."""

    address: Address
    received: int
    """Records, those of a page that came twice included."""
    changed: int
    """Rows whose content is new or different, tombstones included."""
    deleted: int
    rejected: int
    """Dead letters."""
    goes_on_at: datetime | None = None
    """Where a limit ended the reading: when the vendor may be asked again. None: it was read to its end."""
    told: Mapping[str, int | float] = {}
    """What the road tells beside: of Airbyte its job, and what that moved."""


def land(
    entity: Entity,
    records: Iterator[Arrival],
    gone: Gone,
    door: Door,
    warehouse: Warehouse,
    position: Position | None = None,
    cursor: str | None = None,
    origin: Origin = "pull",
) -> Landed:
    """
    Args:
        position, cursor: what is moved with the last slice, and to where; a landing that has none moves nothing.
    Raises:
        Fenced: the position was claimed by a later pull, or somebody was erased; what had landed before stays.
    """
    address = entity.address
    rejected: list[DeadLetter] = []
    seen: set[Key] = set()
    received = changed = 0
    pending: list[Row] = []

    def put(batch: Sequence[Row], to: str | None = None) -> int:
        nonlocal position
        advance = [Advance(position, to)] if position is not None and to is not None else []
        count = land_rows(entity, batch, origin, warehouse, [door.fence, *advance]) if batch or advance else 0
        if position is not None and to is not None:
            position = msgspec.structs.replace(position, value=to)
        return count

    for batch in _batches(records):
        if len(pending) >= SLICE_ROWS:
            changed += put(pending)
            pending = []
        received += len(batch)
        admitted = door.admit(entity, [record for record, _ in batch])
        for record, (_, version) in zip(admitted, batch, strict=True):
            if record is None:
                continue
            row = to_row(entity, record, version=version, origin=origin)
            if isinstance(row, Rejected):
                rejected.append(dead_letters.of_record(address, row, version))
                seen.add(entity.key_of(record))  # it must not be taken for deleted
                pending += withdrawn(entity, record, version)
                continue
            seen.add(tuple(row[name] for name in entity.key))
            pending.append(row)
    nameless = any(None in key for key in seen)  # a dead record whose key cannot be read may be any row: bury none
    tombstones = [] if nameless else list(gone(seen))
    dead_letters.store(warehouse, rejected)
    changed += put(pending + tombstones, cursor)
    log.info("landed", address=str(address), received=received, changed=changed, deleted=len(tombstones))
    return Landed(address=address, received=received, changed=changed, deleted=len(tombstones), rejected=len(rejected))


def live_rows(entity: Entity, where: Sequence[Condition], warehouse: Warehouse) -> Iterator[tuple[Row, Key]]:
    """Typed columns and key of what lives in the table and meets all conditions."""
    conditions = "".join(f" AND {column} {_OPERATORS[operator]}" for column, operator, _ in where)
    columns = ", ".join(field.name for field in entity.fields)
    found = warehouse.query(
        f"SELECT {columns} FROM {entity.table.name} WHERE _DELETED_AT IS NULL{conditions}",
        [msgspec.json.encode(value).decode() if isinstance(value, list) else value for _, _, value in where],
    )
    for batch in found.to_batches(PAGE):
        for row in batch.to_pylist():
            yield row, tuple(row[name] for name in entity.key)


def tombstone(row: Row, version: datetime) -> Row:
    """As it is staged; landing keeps the content that the row had."""
    return row | {
        "payload": "{}",
        "_version": version,
        "_deleted_at": version,
        "_origin": "pull",
        "_content_hash": "",
        "_landed_at": version,
        "_load_id": "",
    }


def withdrawn(entity: Entity, record: dict[str, Any], version: datetime) -> list[Row]:
    """A tombstone for the row of a dead record that is not surely public: what is private must not stay readable.

    It is a moment older than the record, so that a replay of the record brings the row back.
    """
    key = entity.key_of(record)
    if None in key or entity.is_surely_public(record):
        return []
    row: Row = dict.fromkeys(field.name for field in entity.fields) | dict(zip(entity.key, key, strict=True))
    return [tombstone(row, version - timedelta(microseconds=1))]


def _batches(records: Iterator[Arrival]) -> Iterator[list[Arrival]]:
    """Of PAGE records."""
    while batch := list(itertools.islice(records, PAGE)):
        yield batch
