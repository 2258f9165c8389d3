"""Airbyte's tables → the vendor's records: a module a source that can come by Airbyte, found by its presence here.

    <SOURCE>_AIRBYTE.<STREAM> ─► Stream.record ─► Feed.records ─► the vendor's records ─► transforms/rows

A module declares `FEEDS`: which entity is made of which stream of Airbyte's connector, and how. The streams of its
feeds are what its connection syncs. The names are those of Airbyte's connectors (github.com/airbytehq/airbyte,
airbyte-integrations/connectors/source-<source>/manifest.yaml).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from transforms.raw import Json, Record

Make = Callable[[Record], Iterable[Record]]


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of the connector; its table is its name in upper case."""

    name: str
    fields: tuple[str, ...]
    """What is read of a record, as the connector spells it: in the table's columns the case is lost."""
    is_whole: bool = False
    """Each sync reads all of it and overwrites its table, so what is gone from the table is gone at the vendor.
    Otherwise a sync reads what has changed, and the table holds the last that was read of each record."""

    @property
    def table(self) -> str:
        return self.name.upper()

    @property
    def sync_mode(self) -> str:
        return "full_refresh_overwrite" if self.is_whole else "incremental_deduped_history"

    def record(self, row: Mapping[str, Json]) -> Record:
        """The connector's record of a row, without what is NULL.

        Args:
            row: columns in lower case, JSON decoded, times in UTC without a zone.
        """
        values = {name: row.get(name.lower()) for name in self.fields}
        return {name: _plain(value) for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Part:
    """The rows whose `column` is `value` and whose `id_column` is the id of a stream's record: it tells all of them."""

    column: str
    value: str
    id_column: str


@dataclass(frozen=True, slots=True)
class Feed:
    """How records of an entity are made of those of a stream."""

    entity: str
    stream: Stream
    records: Make
    """May take the documented shape for granted: a record of another becomes a dead letter."""
    part: Part | None = None
    """What is told whole by each record."""
    public_by: tuple[str, str] | None = None
    """(entity, field): only what belongs, by this field, to a row there that lives and is not private, is read."""


@cache
def sources() -> tuple[str, ...]:
    """Every source that can come by Airbyte, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def feeds(source: str) -> tuple[Feed, ...]:
    """Raises ModuleNotFoundError: the source cannot come by Airbyte."""
    declared: tuple[Feed, ...] = importlib.import_module(f"transforms.airbyte.{source}").FEEDS
    return declared


def streams(source: str) -> dict[str, str]:
    """Stream → sync mode, of all feeds."""
    return {feed.stream.name: feed.stream.sync_mode for feed in feeds(source)}


def as_it_is(record: Record) -> Iterable[Record]:
    """The connector's record is the vendor's."""
    return (record,)


def _plain(value: Json) -> Json:
    return value.replace(tzinfo=UTC).isoformat() if isinstance(value, datetime) else value
