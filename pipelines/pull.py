"""A pull: vendor → dlt → Parquet → rows → the door, an entity at a time, each with its cursor.

A record that breaks a rule is a dead letter, and the rest lands. What a sweep proves to be gone becomes a tombstone. Of
erased people nothing lands.
"""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import msgspec
import pyarrow.parquet as pq
import structlog
from dlt.common.exceptions import DltException
from dlt.destinations import filesystem

from contracts.address import Address
from contracts.errors import PullFailed, UnknownSlice
from contracts.records import DeadLetter, Position
from pipelines import dead_letters, sources
from pipelines.erased import Door
from pipelines.landing import land_rows, new_load_id
from pipelines.sources import Pull, Slices, Sweep
from pipelines.sources._http import innermost, ours
from resources.profile import Profile
from resources.warehouse import Advance, Warehouse
from transforms import rows
from transforms.raw import Entity, Rejected, Row, to_row

log = structlog.get_logger()

SLICE_ROWS = 20_000
"""Rows that one landing holds in memory; the cursor goes with the last slice."""

_OPERATORS = {
    "=": "= ?",
    ">=": ">= ?",
    "in": "IN (SELECT CAST(VALUE AS VARCHAR) FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))))",
}


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


def pull(source: str, profile: Profile, warehouse: Warehouse, *, full: bool = False) -> list[Landed]:
    """Read a source from where the last landing ended, and land it.

    Args:
        full: read everything again, as a reconcile does.
    Raises:
        MissingSetting, InvalidSetting, VendorRefused, VendorUnavailable, PullFailed: nothing was landed.
        Fenced: a later pull of this source has begun, or somebody was erased; nothing was landed of the entity that
            noticed.
    """
    addresses = [entity.address for entity in rows.entities(source)]
    claimed = warehouse.claim_all([f"pull:{address}" for address in addresses], owner=new_load_id())
    positions = {position.key.removeprefix(f"pull:{source}/"): position for position in claimed}
    values = {entity: position.value for entity, position in positions.items()}
    return _read_and_land(source, source, Pull(values, full=full), positions, profile, warehouse)


def pull_slice(source: str, slice_: str, profile: Profile, warehouse: Warehouse) -> list[Landed]:
    """Read one of a source's SLICES again, and land it. No cursor is moved, so a pull may run at the same time.

    Raises:
        UnknownSlice: the source has no such part.
        MissingSetting, InvalidSetting, VendorRefused, VendorUnavailable, PullFailed: nothing was landed.
        Fenced: somebody was erased; nothing was landed of the entity that noticed.
    """
    known = slices(source, warehouse)
    if not (_is_day(slice_) if known is None else slice_ in known):
        raise UnknownSlice(source, slice_, sources.module(source).SLICES.by)
    return _read_and_land(f"slice-{source}-{slice_}", source, Pull({}, full=True, slice=slice_), {}, profile, warehouse)


def slices(source: str, warehouse: Warehouse) -> list[str] | None:
    """The parts that a backfill of the source can read; None where any day is one.

    Raises:
        UnknownSlice: the source can only be read whole.
    """
    declared: Slices | None = getattr(sources.module(source), "SLICES", None)
    if declared is None:
        raise UnknownSlice(source)
    if declared.keys is None:
        return None
    return [row["key"] for row in warehouse.query(declared.keys).to_pylist()]


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _read_and_land(
    name: str, source: str, context: Pull, positions: Mapping[str, Position], profile: Profile, warehouse: Warehouse
) -> list[Landed]:
    """`name`: begins the name of the working folder."""
    module = sources.module(source)
    settings = profile.section(source, module.Settings)
    context.known = {known: warehouse.query(sql).to_pylist() for known, sql in module.KNOWN.items()}
    profile.landing_path.mkdir(parents=True, exist_ok=True)
    for left in profile.landing_path.glob(f"{name}-*"):  # of a pull that was killed; the claim has fenced it
        shutil.rmtree(left, ignore_errors=True)
    with context.connections, tempfile.TemporaryDirectory(prefix=f"{name}-", dir=profile.landing_path) as folder:
        _extract(source, module.source(settings, context), Path(folder))
        door = Door(warehouse)
        return [
            _land_entity(entity, Path(folder), context, positions.get(entity.address.entity), door, warehouse)
            for entity in rows.entities(source)
        ]


def _extract(source: str, data: Any, folder: Path) -> None:
    """Run dlt from the vendor to Parquet files, in a working folder of its own: our positions are the only state."""
    dlt.config["runtime.dlthub_telemetry"] = False
    dlt.config["normalize.data_writer.disable_compression"] = True
    dlt.config["extract.next_item_mode"] = (
        "fifo"  # a resource at a time, in the source's order: HubSpot's last needs it
    )
    for resource in data.resources.values():
        resource.max_table_nesting = 0
        resource.apply_hints(columns={"record": {"data_type": "text"}, "requested_at": {"data_type": "timestamp"}})
    pipeline = dlt.pipeline(
        source,
        pipelines_dir=str(folder / "pipelines"),
        destination=filesystem(bucket_url=(folder / "out").resolve().as_uri()),
        dataset_name="landing",
    )
    try:
        pipeline.run(data, loader_file_format="parquet")
    except DltException as error:
        known = ours(error)
        if known is not None:
            raise known from None
        raise PullFailed(source, type(innermost(error)).__name__) from error


def _land_entity(
    entity: Entity, folder: Path, context: Pull, position: Position | None, door: Door, warehouse: Warehouse
) -> Landed:
    address = entity.address
    rejected: list[DeadLetter] = []
    seen: set[tuple[object, ...]] = set()
    received = changed = 0
    pending: list[Row] = []

    def land(batch: list[Row], cursor: str | None = None) -> int:
        nonlocal position
        advance = [Advance(position, cursor)] if position is not None and cursor is not None else []
        count = land_rows(entity, batch, "pull", warehouse, [door.fence, *advance]) if batch or advance else 0
        if position is not None and cursor is not None:
            position = msgspec.structs.replace(position, value=cursor)
        return count

    for batch in _batches(_records(folder, address)):
        changed += land(pending)
        pending = []
        received += len(batch)
        admitted = door.admit(entity, [record for record, _ in batch])
        for record, (_, requested_at) in zip(admitted, batch, strict=True):
            if record is None:
                continue
            row = to_row(entity, record, version=requested_at, origin="pull")
            if isinstance(row, Rejected):
                rejected.append(dead_letters.of_record(address, row, requested_at))
                seen.add(entity.key_of(record))  # a sweep must not take it for deleted
                pending += _withdrawn(entity, record, requested_at)
                continue
            seen.add(tuple(row[name] for name in entity.key))
            pending.append(row)
    nameless = any(None in key for key in seen)  # a dead record whose key cannot be read may be any row: bury none
    tombstones = [
        tombstone
        for sweep in context.sweeps
        if sweep.address == address and not nameless
        for tombstone in _gone(entity, sweep, seen, warehouse)
    ]
    dead_letters.store(warehouse, rejected)
    cursor = context.reached.get(address.entity, position.value) if position is not None else None
    changed += land(pending + tombstones, cursor)
    landed = Landed(
        address=address, received=received, changed=changed, deleted=len(tombstones), rejected=len(rejected)
    )
    log.info("landed", address=str(address), received=received, changed=changed, deleted=len(tombstones))
    return landed


def _withdrawn(entity: Entity, record: dict[str, Any], requested_at: datetime) -> list[Row]:
    """A tombstone for the row of a dead record that is not surely public: what is private must not stay readable.

    It is a moment older than the record, so that a replay of the record brings the row back.
    """
    key = entity.key_of(record)
    if None in key or entity.is_surely_public(record):
        return []
    row: Row = dict.fromkeys(field.name for field in entity.fields) | dict(zip(entity.key, key, strict=True))
    return [_tombstone(row, requested_at - timedelta(microseconds=1))]


def _records(folder: Path, address: Address) -> Iterator[tuple[dict[str, Any], datetime]]:
    for path in sorted((folder / "out" / "landing" / address.entity).glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(columns=["record", "requested_at"]):
            for row in batch.to_pylist():
                yield json.loads(row["record"]), row["requested_at"]


def _batches(records: Iterator[tuple[dict[str, Any], datetime]]) -> Iterator[list[tuple[dict[str, Any], datetime]]]:
    """Of SLICE_ROWS records."""
    while batch := list(itertools.islice(records, SLICE_ROWS)):
        yield batch


def _gone(entity: Entity, sweep: Sweep, seen: set[tuple[object, ...]], warehouse: Warehouse) -> Iterator[Row]:
    """A tombstone for each live row of the swept part that was not listed. Its version is the listing's time."""
    conditions = "".join(f" AND {column} {_OPERATORS[operator]}" for column, operator, _ in sweep.where)
    columns = ", ".join(field.name for field in entity.fields)
    live = warehouse.query(
        f"SELECT {columns} FROM {entity.table.name} WHERE _DELETED_AT IS NULL{conditions}",
        [msgspec.json.encode(value).decode() if isinstance(value, list) else value for _, _, value in sweep.where],
    )
    for row in live.to_pylist():
        if tuple(row[name] for name in entity.key) not in seen:
            yield _tombstone(row, sweep.requested_at)


def _tombstone(row: Row, version: datetime) -> Row:
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
