"""`sophia backfill`: parts of a source again, a run of Dagster's job a part, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec
from rich.console import Console

from cli.run import in_this_process, instance_of
from contracts.errors import InvalidSetting, UnknownSlice
from pipelines import sources
from pipelines.pull import slices
from resources.profile import Profile
from resources.warehouse import open_warehouse, require_migrated


class Backfilled(msgspec.Struct, frozen=True, kw_only=True):
    """What one part brought."""

    slice: str
    changed: dict[str, int]
    """Raw table → rows whose content is new; tables that nothing was read of are left out."""


def backfill(source: str, wanted: Sequence[str]) -> list[Backfilled]:
    """Read parts again, one after another; a part that fails ends it, and those before have landed.

    Raises:
        SophiaError
    """
    profile = Profile.read()
    with open_warehouse(profile) as warehouse:
        require_migrated(warehouse)
        known = slices(source, warehouse)
    by = sources.module(source).SLICES.by
    with instance_of(profile) as instance:
        if known is not None:
            for one in wanted:
                if one not in known:
                    raise UnknownSlice(source, one, by)
            instance.add_dynamic_partitions(f"{source}_{by}s", known)
        done = []
        for one in wanted:
            result = in_this_process(f"backfill_{source}", profile, instance, partition_key=one)
            changed = {
                event.asset_key.to_user_string(): int(str(event.materialization.metadata["changed"].value))
                for event in result.get_asset_materialization_events()
                if event.asset_key is not None and "changed" in event.materialization.metadata
            }
            done.append(Backfilled(slice=one, changed=changed))
        return done


def days(since: str, until: str) -> list[str]:
    """Every day from one to another, both of them among it.

    Raises:
        InvalidSetting: no days, or in the wrong order.
    """
    first, last = _day("--from", since), _day("--to", until)
    if last < first:
        raise InvalidSetting("--to", until, f"it lies before --from {since}")
    return [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]


def backfill_and_print(
    console: Console,
    source: str,
    named: Sequence[str],
    *,
    since: str | None,
    until: str | None,
    list_known: bool,
    as_json: bool,
) -> None:
    """Raises SophiaError."""
    if source not in sources.names():
        raise InvalidSetting("SOURCE", source, f"it is one of {', '.join(sources.names())}")
    if list_known:
        known = _known(source)
        console.out(msgspec.json.encode(known).decode() if as_json else "\n".join(known), highlight=False)
        return
    if since is not None or until is not None:
        named = [*named, *days(since or until or "", until or since or "")]
    if not named:
        raise InvalidSetting("SLICE", "", "name a part, such as a day, or a range with --from and --to")
    done = backfill(source, named)
    if as_json:
        console.out(msgspec.json.encode(done).decode(), highlight=False)
        return
    for one in done:
        brought = ", ".join(f"{table} {count:,}" for table, count in one.changed.items() if count) or "nothing new"
        console.print(f"{source} {one.slice}: {brought}", highlight=False, markup=False)


def _known(source: str) -> list[str]:
    with open_warehouse(Profile.read()) as warehouse:
        require_migrated(warehouse)
        known = slices(source, warehouse)
    return ["any day, such as 2026-11-20"] if known is None else known


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidSetting(option, text, "expected a day such as 2026-11-20") from error
