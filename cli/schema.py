"""`sophia schema diff`: what vendors send and no column reads, as `pipelines.drift` finds it."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts.errors import InvalidSetting
from pipelines.drift import unread
from resources.profile import Profile
from resources.warehouse import open_warehouse, require_migrated
from transforms import rows


def print_diff(console: Console, source: str | None, *, newest: int, as_json: bool) -> None:
    """Raises SophiaError: no such source; the warehouse cannot be opened, or was never migrated."""
    if source is not None and source not in rows.sources():
        raise InvalidSetting("--source", source, f"the sources are {', '.join(rows.sources())}")
    with open_warehouse(Profile.read()) as warehouse:
        require_migrated(warehouse)
        found = unread(warehouse, source, newest=newest)
    if as_json:
        console.out(msgspec.json.encode(found).decode(), highlight=False)
        return
    table = Table("table", "no column reads", "types", box=None, pad_edge=False)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("first seen (UTC)", no_wrap=True)
    for one in found:
        table.add_row(
            f"{one.source}/{one.entity}",
            Text(one.path, overflow="fold"),
            ", ".join(one.types),
            f"{one.records:,}",
            f"{one.share:.0%}",
            f"{one.first_seen_at:%Y-%m-%d %H:%M}",
        )
    console.print(table)
    console.print(f"{len(found):,} fields in the newest {newest:,} rows of each table", highlight=False)
