"""A pull by Airbyte: its connection, a sync, and then its tables through the same door as any pull.

    transforms.airbyte ─► connection `sophia-<source>` ─► sync ─► <SOURCE>_AIRBYTE.<STREAM>
                                                                        │ what was extracted since the last sync began
                                                                        ▼
                                                     the vendor's records ─► arrivals ─► <SOURCE>_INTEGRATION.*

A row's version is `_AIRBYTE_EXTRACTED_AT`, when the connector handed the record on: moments after the answer to its
request. A cursor is the start of the last sync that was landed, less OVERLAP, so that rows which an interrupted or a
foreign sync wrote are read too; the stored position of an entity is `airbyte:gong/calls`, beside that of a pull.

What this cannot see, docs/adr/0013 has. Nothing is written into Airbyte's tables, and an erasure does not reach them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Set
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from contracts.address import Address, airbyte_schema
from contracts.errors import InvalidSetting, MissingSetting
from pipelines import arrivals
from pipelines.arrivals import Arrival, Key, Landed
from pipelines.erased import Door
from pipelines.landing import new_load_id
from pipelines.sources import SourceSettings
from resources.profile import Profile
from resources.warehouse import Parameter, Warehouse
from transforms import airbyte as roads
from transforms import rows
from transforms.airbyte import Feed, Part, Stream
from transforms.raw import Entity, Row

if TYPE_CHECKING:
    from resources.airbyte import Connection, Sync

OVERLAP = timedelta(minutes=10)
"""How far Airbyte's clocks may be apart."""
PAGE = 5_000
"""Rows that one query holds in memory."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_JSON = ("VARIANT", "OBJECT", "ARRAY", "JSON")

Tables = dict[str, dict[str, str]]
"""Table → column → its type, all in upper case."""


def pull_via_airbyte(
    source: str, settings: SourceSettings, profile: Profile, warehouse: Warehouse, *, full: bool = False
) -> list[Landed]:
    """Have Airbyte sync a source, and land what it brought.

    Args:
        full: land all of Airbyte's tables again. Airbyte reads what it always reads.
    Raises:
        MissingSetting, InvalidSetting, VendorRefused, VendorUnavailable, QuotaSpent, SyncFailed: nothing was landed.
        Fenced: a later pull of this source has begun, or somebody was erased; nothing was landed of the entity that
            noticed.
    """
    connection = declared(source, settings, profile)
    entities = rows.entities(source)
    claimed = warehouse.claim_all([f"airbyte:{entity.address}" for entity in entities], owner=new_load_id())
    sync = _sync(connection, profile)
    told = {"airbyte_job": sync.job_id, "rows_synced": sync.rows, "bytes_synced": sync.bytes, "sync_s": sync.seconds}
    tables = _tables(source, warehouse)
    door = Door(warehouse)
    landed = []
    for entity, position in zip(entities, claimed, strict=True):
        since = BEGINNING if full or not position.value else datetime.fromisoformat(position.value) - OVERLAP
        reading = _Reading(entity, since, tables, warehouse)
        cursor = sync.started_at.isoformat()
        one = arrivals.land(entity, reading.records(), reading.gone, door, warehouse, position, cursor)
        landed.append(msgspec.structs.replace(one, told=told))
    return landed


def declared(source: str, settings: SourceSettings, profile: Profile) -> Connection:
    """The connection as it should stand. The source, with the vendor's key, is Airbyte's, and so is the destination.

    Raises:
        MissingSetting: an id is not set.
        InvalidSetting: the source cannot come by Airbyte.
    """
    # Imported here: airbyte-api takes a while to load, and Dagster's definitions must load fast.
    from resources.airbyte import Connection

    if source not in roads.sources():
        rule = f"only {' and '.join(roads.sources())} can come by Airbyte"
        raise InvalidSetting(f"SOPHIA_{source.upper()}_VIA", settings.via, rule)
    if settings.airbyte_source_id is None:
        raise MissingSetting(f"SOPHIA_{source.upper()}_AIRBYTE_SOURCE_ID", "a sync by Airbyte")
    return Connection(
        name=f"sophia-{source}",
        source_id=settings.airbyte_source_id,
        destination_id=profile.airbyte.needed("destination_id"),
        namespace=airbyte_schema(source),
        streams=roads.streams(source),
    )


def probe(source: str, settings: SourceSettings, profile: Profile) -> str:
    """Ask Airbyte for the connection, once, for `sophia doctor`; what was found, in a line.

    Raises:
        MissingSetting, InvalidSetting, VendorRefused, VendorUnavailable, QuotaSpent: it cannot be asked.
    """
    from resources.airbyte import Airbyte

    connection = declared(source, settings, profile)
    with Airbyte(profile.airbyte) as airbyte:
        found = airbyte.find(connection)
    stands = "stands" if found is not None else "will be made by the first pull"
    return f"{profile.airbyte.url} takes the key, and the connection {connection.name} {stands}"


def _sync(connection: Connection, profile: Profile) -> Sync:
    from resources.airbyte import Airbyte

    with Airbyte(profile.airbyte) as airbyte:
        return airbyte.sync(airbyte.reconcile(connection).connection_id, connection.name)


def _tables(source: str, warehouse: Warehouse) -> Tables:
    found: Tables = defaultdict(dict)
    columns = warehouse.query(
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE UPPER(TABLE_SCHEMA) = ?",
        [airbyte_schema(source)],
    )
    for row in columns.to_pylist():
        found[row["table_name"].upper()][row["column_name"].upper()] = row["data_type"].upper()
    return found


class _Reading:
    """What Airbyte's tables have for one entity, and what that proves to be gone."""

    def __init__(self, entity: Entity, since: datetime, tables: Tables, warehouse: Warehouse) -> None:
        feeds = roads.feeds(entity.address.source)
        self._entity = entity
        self._feeds = [feed for feed in feeds if feed.entity == entity.address.entity]
        self._since = since
        self._tables = tables
        self._warehouse = warehouse
        self._told: dict[Part, dict[str, tuple[datetime, set[Key]]]] = defaultdict(dict)
        """Part → id → when its rows were told last, and the keys of all of them."""

    def records(self) -> Iterator[Arrival]:
        for feed in self._feeds:
            if feed.stream.table in self._tables:
                for row in self._rows(feed):
                    yield from self._made(feed, row)

    def gone(self, seen: Set[Key]) -> Iterator[Row]:
        begun = self._whole_since()
        if begun is not None:
            for row, key in arrivals.live_rows(self._entity, (), self._warehouse):
                if key not in seen:
                    yield arrivals.tombstone(row, begun)
        for part, told in self._told.items():
            conditions = ((part.column, "=", part.value), (part.id_column, "in", sorted(told)))
            for row, key in arrivals.live_rows(self._entity, conditions, self._warehouse):
                told_at, keys = told[str(row[part.id_column])]
                if key not in keys:
                    yield arrivals.tombstone(row, told_at)

    def _whole_since(self) -> datetime | None:
        """When the listing of all began; None where not all is listed. An empty one is an answer to be wary of."""
        streams = [feed.stream for feed in self._feeds]
        if not all(stream.is_whole and stream.table in self._tables for stream in streams):
            return None
        begun = [
            self._warehouse.query(f"SELECT MIN(_AIRBYTE_EXTRACTED_AT) AS BEGUN FROM {self._name(stream)}")
            for stream in streams
        ]
        first = [moment for one in begun for moment in one["begun"].to_pylist() if moment is not None]
        return min(first).replace(tzinfo=UTC) if first else None

    def _made(self, feed: Feed, row: dict[str, Any]) -> Iterator[Arrival]:
        extracted_at = row["_airbyte_extracted_at"].replace(tzinfo=UTC)
        record = feed.stream.record(row)
        try:
            made = list(feed.records(record))
        except (AttributeError, KeyError, TypeError):
            made = [record]  # of another shape than the connector documents: to_row refuses it, with its reason
        if feed.part is not None and isinstance(record.get("id"), str):
            told = self._told[feed.part]
            before = told.get(record["id"])
            if before is None or before[0] <= extracted_at:
                told[record["id"]] = (extracted_at, {self._entity.key_of(one) for one in made})
        for one in made:
            yield one, extracted_at

    def _rows(self, feed: Feed) -> Iterator[dict[str, Any]]:
        """By the time of their extraction, a page at a time."""
        stream = feed.stream
        types = self._tables[stream.table]
        names = [name.upper() for name in stream.fields if name.upper() in types]
        as_json = [name.lower() for name in names if types[name].startswith(_JSON)]
        columns = ", ".join(f"S.{name}" for name in ("_AIRBYTE_EXTRACTED_AT", "_AIRBYTE_RAW_ID", *names))
        after: tuple[Parameter, Parameter] = (BEGINNING if stream.is_whole else self._since, "")
        while page := self._warehouse.query(
            f"""
            SELECT {columns}
            FROM {self._name(stream)} AS S{self._public(feed)}
            WHERE S._AIRBYTE_EXTRACTED_AT > ? OR (S._AIRBYTE_EXTRACTED_AT = ? AND S._AIRBYTE_RAW_ID > ?)
            ORDER BY S._AIRBYTE_EXTRACTED_AT, S._AIRBYTE_RAW_ID
            LIMIT {PAGE}
            """,
            [after[0], *after],
        ).to_pylist():
            for row in page:
                yield row | {name: msgspec.json.decode(row[name]) for name in as_json if row[name] is not None}
            after = page[-1]["_airbyte_extracted_at"], page[-1]["_airbyte_raw_id"]

    def _public(self, feed: Feed) -> str:
        if feed.public_by is None:
            return ""
        entity, field = feed.public_by
        [key] = rows.entity(Address(self._entity.address.source, entity)).key
        return f"""
            INNER JOIN {Address(self._entity.address.source, entity).table} AS P
                ON S.{field.upper()} = P.{key} AND P._DELETED_AT IS NULL AND NOT COALESCE(P.IS_PRIVATE, TRUE)"""

    def _name(self, stream: Stream) -> str:
        return f"{airbyte_schema(self._entity.address.source)}.{stream.table}"
