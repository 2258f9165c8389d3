"""`sophia migrate`: prints what `resources.warehouse.migrations` plans and does."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.table import Table

from cli.local import prepare_home
from resources.profile import Profile
from resources.warehouse import migrations, open_warehouse


def print_plan(console: Console, *, as_json: bool) -> None:
    with open_warehouse(Profile.read()) as warehouse:
        steps = migrations.plan(warehouse)
    _print_steps(console, "would run", steps, as_json)


def apply_plan(console: Console, *, as_json: bool) -> None:
    profile = Profile.read()
    prepare_home(profile)
    with open_warehouse(profile) as warehouse:
        steps = migrations.apply(warehouse)
    _print_steps(console, "ran", steps, as_json)


def _print_steps(console: Console, what: str, steps: list[migrations.Step], as_json: bool) -> None:
    """As JSON: the scripts, in their order."""
    if as_json:
        console.out(msgspec.json.encode([step.script for step in steps]).decode(), highlight=False)
        return
    for step in steps:
        console.print(f"{what} {step.script}", highlight=False)
    if not steps:
        console.print("nothing to do: the schema is what the files say")


def print_status(console: Console, *, as_json: bool) -> None:
    with open_warehouse(Profile.read()) as warehouse:
        rows = migrations.status(warehouse)
    if as_json:
        console.out(msgspec.json.encode(rows).decode(), highlight=False)
        return
    table = Table("script", "state", "installed at (UTC)", "ms", title="Schema history")
    for row in rows:
        installed = f"{row.installed_at:%Y-%m-%d %H:%M:%S}" if row.installed_at else ""
        table.add_row(row.script, row.state, installed, "" if row.execution_ms is None else str(row.execution_ms))
    console.print(table)
