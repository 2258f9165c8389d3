"""A pull: vendor → dlt → Parquet → rows → the door, an entity at a time, each with its cursor; or by Airbyte.

A record that breaks a rule is a dead letter, and the rest lands. What a sweep proves to be gone becomes a tombstone. Of
erased people nothing lands.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import dlt
import msgspec
import pyarrow.parquet as pq
from dlt.common.exceptions import DltException
from dlt.destinations import filesystem

from contracts.address import Address
from contracts.errors import PullFailed, UnknownSlice
from contracts.records import Position
from pipelines import airbyte, arrivals, limits, sources
from pipelines.arrivals import Arrival, Key, Landed
from pipelines.erased import Door
from pipelines.landing import new_load_id
from pipelines.sources import Pull, Slices, Sweep
from pipelines.sources._http import innermost, ours
from resources.profile import Profile
from resources.warehouse import Warehouse
from transforms import rows
from transforms.raw import Entity, Row

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
Clock: TypeAlias = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def pull(
    source: str, profile: Profile, warehouse: Warehouse, *, full: bool = False, clock: Clock = utc_now
) -> list[Landed]:
    """Read a source from where the last landing ended, and land it.

    Args:
        full: read everything again, as a reconcile does.
        clock: this machine's; where it stands behind what an earlier pull landed, it is not believed.
    Raises:
        MissingSetting, InvalidSetting, VendorRefused, VendorUnavailable, CircuitOpen, PullFailed, SyncFailed: nothing
            was landed.
        Fenced: a later pull of this source has begun, or somebody was erased; nothing was landed of the entity that
            noticed.
    """
    settings = profile.section(source, sources.module(source).Settings)
    if settings.via == "airbyte":
        return airbyte.pull_via_airbyte(source, settings, profile, warehouse, full=full)
    addresses = [entity.address for entity in rows.entities(source)]
    claimed = warehouse.claim_all([f"pull:{address}" for address in addresses], owner=new_load_id())
    positions = {position.key.removeprefix(f"pull:{source}/"): position for position in claimed}
    values = {entity: position.value for entity, position in positions.items()}
    return _read_and_land(source, source, Pull(values, full=full), positions, profile, warehouse, clock)


def pull_slice(source: str, slice_: str, profile: Profile, warehouse: Warehouse) -> list[Landed]:
    """Read one of a source's SLICES again, and land it. No cursor is moved, so a pull may run at the same time.

    Raises:
        UnknownSlice: the source has no such part.
        MissingSetting, InvalidSetting, VendorRefused, VendorUnavailable, CircuitOpen, PullFailed: nothing was landed.
        QuotaSpent: it was not read to its end; what had come is landed. No cursor tells, so it is read again whole.
        Fenced: somebody was erased; nothing was landed of the entity that noticed.
    """
    known = slices(source, warehouse)
    if not (_is_day(slice_) if known is None else slice_ in known):
        raise UnknownSlice(source, slice_, sources.module(source).SLICES.by)
    context = Pull({}, full=True, slice=slice_)
    landed = _read_and_land(f"slice-{source}-{slice_}", source, context, {}, profile, warehouse)
    for spent in context.stopped.values():
        raise spent
    return landed


def read_named(source: str, ids: Mapping[str, Sequence[str]], profile: Profile, warehouse: Warehouse) -> list[Landed]:
    """Read the objects that webhooks named, and land them. No cursor is moved.

    Args:
        ids: entity → ids.
    Raises:
        MissingSetting, InvalidSetting, VendorRefused, VendorUnavailable, CircuitOpen, PullFailed: nothing was landed.
        QuotaSpent: what had come is landed.
        Fenced: somebody was erased; nothing was landed of the entity that noticed.
    """
    context = Pull({}, full=True, ids=ids)
    landed = _read_and_land(f"named-{source}", source, context, {}, profile, warehouse)
    for spent in context.stopped.values():
        raise spent
    return landed


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
    name: str,
    source: str,
    context: Pull,
    positions: Mapping[str, Position],
    profile: Profile,
    warehouse: Warehouse,
    clock: Clock = utc_now,
) -> list[Landed]:
    """`name`: begins the name of the working folder."""
    context.clock = _forwards(clock, _newest_version(source, warehouse))
    module = sources.module(source)
    settings = profile.section(source, module.Settings)
    context.known = {known: warehouse.query(sql).to_pylist() for known, sql in module.KNOWN.items()}
    profile.landing_path.mkdir(parents=True, exist_ok=True)
    for left in profile.landing_path.glob(f"{name}-*"):  # of a pull that was killed; the claim has fenced it
        shutil.rmtree(left, ignore_errors=True)
    with (
        limits.budget(source, settings.requests_per_day, warehouse, clock) as context.spend,
        context.connections,
        tempfile.TemporaryDirectory(prefix=f"{name}-", dir=profile.landing_path) as folder,
    ):
        data = module.source(settings, context)
        limits.unless_down(source, warehouse, lambda: _extract(source, data, Path(folder)))
        door = Door(warehouse)
        return [
            _land(entity, Path(folder), context, positions.get(entity.address.entity), door, warehouse)
            for entity in rows.entities(source)
        ]


def _newest_version(source: str, warehouse: Warehouse) -> datetime:
    tables = " UNION ALL ".join(
        f"SELECT MAX(_VERSION) AS VERSION FROM {entity.table.name}" for entity in rows.entities(source)
    )
    newest: datetime | None = warehouse.query(f"SELECT MAX(VERSION) AS NEWEST FROM ({tables})")["newest"][0].as_py()
    return newest.replace(tzinfo=UTC) if newest is not None else BEGINNING


def _forwards(clock: Clock, floor: datetime) -> Clock:
    """The clock, where it goes on from the floor: a request that is sent now is newer than all that has landed, though
    the clock was set back, or another machine's was ahead.
    """
    last = floor

    def now() -> datetime:
        nonlocal last
        last = max(clock(), last + timedelta(microseconds=1))
        return last

    return now


def _extract(source: str, data: Any, folder: Path) -> None:
    """Run dlt from the vendor to Parquet files, in a working folder of its own: our positions are the only state."""
    dlt.config["runtime.dlthub_telemetry"] = False
    dlt.config["normalize.data_writer.disable_compression"] = True
    dlt.config["data_writer.buffer_max_items"] = arrivals.PAGE
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


def _land(
    entity: Entity, folder: Path, context: Pull, position: Position | None, door: Door, warehouse: Warehouse
) -> Landed:
    address = entity.address
    spent = context.stopped.get(address.entity)

    def gone(seen: Set[Key]) -> Iterator[Row]:
        for sweep in context.sweeps:
            if sweep.address == address and spent is None:
                yield from _gone(entity, sweep, seen, warehouse)

    cursor = context.reached.get(address.entity, position.value) if position is not None else None
    origin: arrivals.Origin = "pull" if context.ids is None else "push"
    landed = arrivals.land(entity, _records(folder, address), gone, door, warehouse, position, cursor, origin)
    goes_on_at = (spent.until or datetime.now(UTC)) if spent else None
    return msgspec.structs.replace(landed, goes_on_at=goes_on_at)


def _records(folder: Path, address: Address) -> Iterator[Arrival]:
    for path in sorted((folder / "out" / "landing" / address.entity).glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(arrivals.PAGE, columns=["record", "requested_at"]):
            for row in batch.to_pylist():
                yield json.loads(row["record"]), row["requested_at"]


def _gone(entity: Entity, sweep: Sweep, seen: Set[Key], warehouse: Warehouse) -> Iterator[Row]:
    """A tombstone for each live row of the swept part that was not listed. Its version is the listing's time."""
    for row, key in arrivals.live_rows(entity, sweep.where, warehouse):
        if key not in seen:
            yield arrivals.tombstone(row, sweep.requested_at)
