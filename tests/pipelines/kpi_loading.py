"""A world's dump in the raw tables, as a full pull of every source would leave them, without HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from contracts.address import Address
from pipelines.landing import land_rows
from pipelines.pull import _gone
from pipelines.sources import Sweep, hubspot
from resources.warehouse import Warehouse
from transforms import rows
from transforms.raw import Entity, Rejected, Row, to_row

Record = dict[str, Any]
Dump = Mapping[str, Sequence[Record]]
Key = tuple[object, ...]

SOURCES = ("gong", "hubspot", "linear")
ALWAYS_ASKED_FOR = ("hubspot_owner_id", "hs_object_id", "hs_lastmodifieddate", "lastmodifieddate")


class Loader:
    """Fills the raw tables of one warehouse, which are empty at first."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._held: dict[Address, dict[Key, object]] = {}
        """Content hashes; not the records, since a dump shares parts with the world that goes on."""

    def load(self, dump: Dump, at: datetime) -> None:
        """Land every record that is new or different, and a tombstone for each that the dump no longer has.

        Args:
            at: the rows' version; later than that of the last load.
        """
        for source in SOURCES:
            for entity in rows.entities(source):
                self._load(entity, [_row(entity, record, at) for record in _pulled(entity, dump)], at)

    def _load(self, entity: Entity, pulled: list[Row], at: datetime) -> None:
        by_key = {tuple(row[name] for name in entity.key): row for row in pulled}
        held = self._held.get(entity.address, {})
        staged = [row for key, row in by_key.items() if held.get(key) != row["_content_hash"]]
        if held.keys() - by_key.keys():
            staged += _gone(entity, Sweep(entity.address, at), set(by_key), self._warehouse)
        if staged:
            land_rows(entity, staged, "pull", self._warehouse)
        self._held[entity.address] = {key: row["_content_hash"] for key, row in by_key.items()}


def _row(entity: Entity, record: Record, at: datetime) -> Row:
    row = to_row(entity, record, version=at, origin="pull")
    assert not isinstance(row, Rejected), row.reason
    return row


def _pulled(entity: Entity, dump: Dump) -> Iterable[Record]:
    """What the source would ask for: no transcript of a private call, each association from one end, few properties."""
    stream = f"{entity.address.source}.{entity.address.entity}"
    match stream:
        case "gong.transcripts":
            private = {call["metaData"]["id"] for call in dump["gong.calls"] if call["metaData"]["isPrivate"]}
            return [one for one in dump[stream] if one["callId"] not in private]
        case "hubspot.deal_stages":
            pipelines = dump["hubspot.pipelines"]
            return [{"pipelineId": one["id"], **stage} for one in pipelines for stage in one["stages"]]
        case "hubspot.associations":
            return [tie for tie in dump[stream] if (tie["fromType"], tie["toType"]) in hubspot.PAIRS]
    wanted = hubspot.PROPERTIES.get(entity.address.entity) if entity.address.source == "hubspot" else None
    if wanted is None:
        return dump[stream]
    return [one | {"properties": _only(one["properties"], (*wanted, *ALWAYS_ASKED_FOR))} for one in dump[stream]]


def _only(properties: Record, names: tuple[str, ...]) -> Record:
    return {name: value for name, value in properties.items() if name in names}
