"""dlt sources: a module a vendor, found by its presence here.

A module defines `Settings` (a SourceSettings: what `SOPHIA_<SOURCE>_*` may say), `KNOWN` (name → SQL: what it must
know of the warehouse before it asks the vendor) and `source(settings, pull)`; and `SLICES`, where a part of the vendor
can be read again by itself; and `probe(settings)`, the cheapest request that needs the key, for `sophia doctor`.
Nothing is asked of the network, and no secret is looked at, before the first row is asked for.
"""

from __future__ import annotations

import functools
import importlib
import json
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from types import ModuleType
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

import msgspec
import structlog
from croniter import croniter

from contracts.address import Address
from contracts.errors import QuotaSpent
from pipelines.sources._http import VendorSession
from resources.warehouse import Parameter

log = structlog.get_logger()

Json = Any
_Page = TypeVar("_Page")
_P = ParamSpec("_P")


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every source's `Settings` begins with: when it is read, in cron of five fields, in UTC, and its limits."""

    processes: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    """Pulls and backfills of it that run at once: each keeps to its share of the limits. The source's pool in Dagster
    has the same limit."""
    requests_per_day: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """The vendor's daily quota, which all hosts share; None where it has none that counts."""
    pull_cron: str = "0 * * * *"
    """A pull of what is new."""
    reconcile_cron: str = "30 2 * * *"
    """A pull of everything, which alone shows what a vendor changes without a trace."""
    via: Literal["dlt", "airbyte"] = "dlt"
    """Who reads it: we, or a connection of Airbyte's. Only the sources in transforms/airbyte can come by Airbyte."""
    airbyte_source_id: str | None = None
    """Of the source in Airbyte, which holds the vendor's key."""
    webhook_secret: str | None = None
    """What the vendor signs its webhooks with; of Gong the rule's public key, in base64."""
    webhook_secret_before: str | None = None
    """The one before, which is taken too while it is being replaced."""
    webhook_url: Annotated[str, msgspec.Meta(pattern="^https?://.*$")] | None = None
    """The webhook's address as the vendor has it, which HubSpot and Gong sign; None: it sends none."""

    def __post_init__(self) -> None:
        for cron in (self.pull_cron, self.reconcile_cron):
            if len(cron.split()) != 5 or not croniter.is_valid(cron):
                raise ValueError("expected a cron expression of five fields, such as 0 * * * *")


def names() -> tuple[str, ...]:
    """Every source that can be pulled, in alphabetical order."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


def module(source: str) -> ModuleType:
    """Raises ModuleNotFoundError: no such source."""
    return importlib.import_module(f"pipelines.sources.{source}")


@dataclass(frozen=True, slots=True)
class Sweep:
    """A claim that a part of a table was listed whole: what is live there and was not listed, has been deleted."""

    address: Address
    requested_at: datetime
    """When the listing's first request was sent; a row with a newer version is left alone."""
    where: tuple[tuple[str, str, Parameter | list[str]], ...] = ()
    """(column, operator, value), all of them: the part that was listed; operators are =, >= and in (a list of text).
    Empty: all of the table."""


@dataclass(frozen=True, slots=True)
class Slices:
    """The parts of a source that a backfill can read one by one."""

    by: str
    """What a part is: `day` (UTC, `2026-11-20`), `channel`, `team`."""
    keys: str | None = None
    """SQL that lists the parts, in a column KEY; None for days."""


@dataclass
class Pull:
    """One pull of one source: what it may know, and what it has to tell beside its records."""

    positions: Mapping[str, str]
    """Entity → the cursor that the last landing stored; empty text before the first."""
    known: Mapping[str, list[dict[str, Json]]] = field(default_factory=dict)
    """The answers to the source's `KNOWN` queries."""
    full: bool = False
    """Read everything again, as a reconcile does; the cursors are then ignored."""
    slice: str | None = None
    """Read this part alone, one of the source's SLICES, and all of it; the cursors are neither read nor moved."""
    ids: Mapping[str, Sequence[str]] | None = None
    """Entity → read these objects alone, as a webhook named them; the cursors are neither read nor moved."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sweeps: list[Sweep] = field(default_factory=list)
    reached: dict[str, str] = field(default_factory=dict)
    """Entity → the cursor to store with the rows."""
    stopped: dict[str, QuotaSpent] = field(default_factory=dict)
    """Entity → the limit that ended its reading before its end; what had come is landed."""
    spend: Callable[[int], None] = lambda _requests: None
    """Told before requests are sent; raises QuotaSpent."""
    connections: ExitStack = field(default_factory=ExitStack)
    """What the source opened, closed when the pull ends."""

    def open(self, session: VendorSession, settings: SourceSettings) -> VendorSession:
        """The session, closed with this pull; its requests are a share of the vendor's limits, and count."""
        session.processes = settings.processes
        session.spend = self.spend
        return self.connections.enter_context(session)

    def until_spent(self, *entities: str) -> Callable[[Callable[_P, Iterator[_Page]]], Callable[_P, Iterator[_Page]]]:
        """A reader of these entities that ends where a limit is spent, so that what had come is landed."""

        def ending(read: Callable[_P, Iterator[_Page]]) -> Callable[_P, Iterator[_Page]]:
            @functools.wraps(read)
            def until_spent(*args: _P.args, **kwargs: _P.kwargs) -> Iterator[_Page]:
                try:
                    yield from read(*args, **kwargs)
                except QuotaSpent as spent:
                    self.stopped |= dict.fromkeys(entities, spent)

            return until_spent

        return ending

    def position(self, entity: str) -> str:
        """The cursor to continue from; empty text to begin at the start."""
        return "" if self.full else self.positions.get(entity, "")

    def day(self) -> tuple[datetime, datetime]:
        """The slice as a day: where it begins, and where the next does. Raises ValueError: it is no day."""
        begin = datetime.combine(date.fromisoformat(self.slice or ""), time(), UTC)
        return begin, begin + timedelta(days=1)

    def records(self, records: Iterable[Json], requested_at: datetime) -> list[dict[str, Json]]:
        """A page as it goes through dlt: each record whole, as JSON text, beside the time its request was sent.

        The standard library's JSON, because it writes whatever a vendor sent: lone surrogates, NaN.
        """
        page = [{"record": json.dumps(record), "requested_at": requested_at} for record in records]
        log.info("page_read", records=len(page))
        return page

    def stamped(self, pages: Iterator[_Page]) -> Iterator[tuple[datetime, _Page]]:
        """Pages with the time at which each was asked for."""
        while True:
            requested_at = self.clock()
            try:
                page = next(pages)
            except StopIteration:
                return
            yield requested_at, page
