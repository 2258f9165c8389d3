"""`sophia status`: what `pipelines.health` reads, a line a source."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.health import Health, Lag, health
from resources.profile import Profile
from resources.warehouse import open_warehouse, require_migrated


def print_status(console: Console, *, as_json: bool) -> None:
    """Raises SophiaError: the warehouse cannot be opened, or was never migrated."""
    profile = Profile.read()
    with open_warehouse(profile) as warehouse:
        require_migrated(warehouse)
        found = health(profile, warehouse, now := datetime.now(UTC))
    if as_json:
        console.out(msgspec.json.encode(found).decode(), highlight=False)
        return
    console.print(_table(found, now))
    for line in _lines(found, now):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(found: Health, now: datetime) -> Table:
    table = Table("source", box=None, pad_edge=False)
    for name in ("landed\nago", "pulled\nago", "rows", "documents", "waiting", "failed", "dead\nletters"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.sources:
        pulled = Text(f"{_age(one.pulled_at, now)}{', late' if one.is_late else ''}", "red" if one.is_late else "")
        counts = (one.landed_rows, one.documents, one.waiting, one.failed, one.dead_letters)
        table.add_row(one.source, _age(one.landed_at, now), pulled, *(f"{count:,}" for count in counts))
    return table


def _lines(found: Health, now: datetime) -> list[str]:
    lines = [
        f"Kafka: {found.broker if found.lag is None else _lag(found.lag)}",
        f"last day of the KPIs: {_kpis(found, now)}",
    ]
    lines += [
        f"{one.source} was down for its last pulls; it is tried again after {one.vendor.tried_again_at:%H:%M} UTC"
        for one in found.sources
        if one.vendor.tried_again_at is not None
    ]
    if found.dead_letters:
        lines.append(f"dead letters: {found.dead_letters:,}; `sophia replay` puts them back")
    return lines


def _lag(lag: Lag) -> str:
    return f"the workers are {lag.documents:,} messages behind, the warehouse {lag.memory:,}"


def _kpis(found: Health, now: datetime) -> str:
    return f"{found.kpi_day}, computed {_age(found.kpis_computed_at, now)} ago" if found.kpi_day else "none yet"


def _age(moment: datetime | None, now: datetime) -> str:
    """In the largest unit that makes at least two of it."""
    if moment is None:
        return "never"
    age_s = (now - moment).total_seconds()
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if age_s >= 2 * seconds:
            return f"{age_s / seconds:.0f} {unit}"
    return f"{age_s:.0f} s"
