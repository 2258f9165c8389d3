"""events.<source>.v1 → raw: what webhooks told lands as a pull would land it, at once catalogued and published.

    events ─┬─ with the object ──► to_row ─► land_rows, the newest version of a key
            ├─ a delete ─────────► a tombstone
            └─ an id alone ──────► read it from the vendor ─► land
    ─► the topic's positions, with the last rows ─► catalog ─► documents.v1

An event's version is the vendor's time of the change; of what is read, the time of the request (ADR 0002).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from contracts.address import Address
from contracts.records import DeadLetter, Event
from pipelines import arrivals, catalog, dead_letters, publishing
from pipelines.erased import Door
from pipelines.landing import land_rows
from pipelines.pull import read_named
from resources.profile import Profile
from resources.warehouse import Advance, Warehouse, advance_positions
from transforms import rows
from transforms.raw import Entity, Rejected, Row, at, to_row

log = structlog.get_logger()

Reads = dict[str, set[str]]
"""Entity → ids that must be read from the vendor."""


class EventsLanded(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch of events of one source did."""

    events: int
    changed: int
    """Rows whose content is new or different, tombstones included."""
    rejected: int
    """Dead letters."""


def land(
    source: str, events: Sequence[Event], advance: Sequence[Advance], profile: Profile, warehouse: Warehouse
) -> EventsLanded:
    """Land a batch of one source, then move the positions that it was read at.

    Args:
        advance: the positions; they move in the transaction of the last rows. What was landed before they do is landed
            again, and by its version changes nothing.
    Raises:
        Fenced: another lander has taken over, or somebody was erased; the positions stand where they stood.
        VendorRefused, VendorUnavailable, CircuitOpen, QuotaSpent: what an event names could not be read.
    """
    door = Door(warehouse)
    staged, reads, letters = _staged(source, events, door)
    dead_letters.store(warehouse, letters)
    hold = [Advance(one.position, one.position.value) for one in advance]
    changed = 0
    if reads:
        ids = {entity: sorted(found) for entity, found in reads.items()}
        changed += sum(landed.changed for landed in read_named(source, ids, profile, warehouse))
    for number, (entity, found) in enumerate(staged, 1):
        is_last = number == len(staged)
        changed += land_rows(entity, found, "push", warehouse, [door.fence, *(advance if is_last else hold)])
    if not staged:
        with warehouse.transaction() as transaction:
            advance_positions(transaction, advance, datetime.now(UTC))
    log.info("events_landed", source=source, events=len(events), changed=changed, rejected=len(letters))
    return EventsLanded(events=len(events), changed=changed, rejected=len(letters))


def follow_up(sources: Sequence[str], profile: Profile, warehouse: Warehouse) -> None:
    """Catalogue what has landed of these sources, and publish what is due.

    Raises:
        BrokerUnavailable: all is catalogued; it is due again at the next call.
    """
    for source in sources:
        catalog.refresh(source, warehouse)
    publishing.publish(profile, warehouse)


def uncatalogued(warehouse: Warehouse) -> list[str]:
    """Sources of which something has landed that is not in the catalog."""
    waiting = warehouse.query("SELECT DISTINCT ADDRESS FROM SOPHIA_CORE.LOADS WHERE CATALOGUED_AT IS NULL")
    return sorted({row["address"].partition("/")[0] for row in waiting.to_pylist()} & set(rows.sources()))


def _staged(
    source: str, events: Sequence[Event], door: Door
) -> tuple[list[tuple[Entity, list[Row]]], Reads, list[DeadLetter]]:
    """Rows an entity in the order of pulls, what must be read, and the dead letters."""
    by_entity: dict[Address, list[Event]] = defaultdict(list)
    reads: Reads = defaultdict(set)
    for event in events:
        if event.action == "read":
            reads[event.entity].add(event.object_id)
        else:
            by_entity[event.address].append(event)
    staged: list[tuple[Entity, list[Row]]] = []
    letters: list[DeadLetter] = []
    for entity in rows.entities(source):
        found: list[Row] = []
        changes = by_entity.get(entity.address, [])
        for event, record in zip(changes, door.admit(entity, [event.payload for event in changes]), strict=True):
            if record is None:
                continue
            row = _row(entity, event, record)
            if isinstance(row, Rejected):
                letters.append(dead_letters.of_record(entity.address, row, event.occurred_at))
                found += arrivals.withdrawn(entity, record, event.occurred_at)
                continue
            found.append(row)
            if source == "gong" and event.entity == "calls" and at(record, "metaData.isPrivate") is False:
                reads["calls"].add(event.object_id)  # its transcript, which no webhook brings
        if found:
            staged.append((entity, found))
    return staged, reads, letters


def _row(entity: Entity, event: Event, record: dict[str, Any]) -> Row | Rejected:
    if event.action == "upsert":
        return to_row(entity, record, version=event.occurred_at, origin="push")
    key = entity.key_of(record)
    if None in key:
        return Rejected(record, f"{entity.address}: a delete without its key")
    row: Row = dict.fromkeys(field.name for field in entity.fields) | dict(zip(entity.key, key, strict=True))
    return arrivals.tombstone(row, event.occurred_at)
