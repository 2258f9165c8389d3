"""One sync in a process of its own, as in production, that something may happen to at a set place.

The places are what a pull says in its log: `page_read` after each page, `landed` after each table. At one of them the
process is killed with SIGKILL, or the world changes under the pull.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any, Literal

import structlog

import sandbox
from contracts.errors import SophiaError, TransientError
from pipelines import sources
from pipelines.pull import pull, pull_slice
from resources.profile import Profile
from resources.warehouse import open_warehouse
from sandbox.records import CommandRefused

TIMEOUT_S = 240.0
Place = Literal["page_read", "landed"]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        __name__,
        # What a pull would load otherwise, in half of its time:
        *("dlt._workspace._plugins", "duckdb", "fsspec.implementations.local", "pandas", "zoneinfo"),
        *("dlt.destinations.impl.filesystem.filesystem", "resources.warehouse.duckdb_adapter"),
        *(f"pipelines.sources.{source}" for source in sources.names()),
    ]
)


@dataclass(frozen=True, slots=True)
class Change:
    """A command on the world, as `sandbox.Control` takes it."""

    op: Literal["create", "edit", "delete"]
    stream: str
    key: str | dict[str, Any] | None
    fields: dict[str, Any]

    def apply(self, control: sandbox.Control) -> None:
        match self.op:
            case "create":
                control.create(self.stream, **self.fields)
            case "edit":
                assert self.key is not None
                control.edit(self.stream, self.key, **self.fields)
            case "delete":
                assert self.key is not None
                control.delete(self.stream, self.key)


@dataclass(frozen=True, slots=True)
class Interruption:
    """What happens to a sync, and where."""

    event: Place
    count: int
    """At which of these events, from 1 on; a sync that has fewer goes undisturbed."""
    change: Change | None = None
    """What the world does then; None for SIGKILL."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sync ended."""

    kind: Literal["landed", "failed", "killed"]
    error: str = ""
    """Of a failed one: the error's type and text."""
    transient: bool = False
    changed: int = 0
    """Rows that it changed, where it landed."""


def sync(
    source: str,
    environ: Mapping[str, str],
    url: str,
    *,
    full: bool = False,
    slice_: str | None = None,
    interruption: Interruption | None = None,
    clock_off: timedelta = timedelta(0),
) -> Outcome:
    """Pull a source once, or one of its slices.

    Args:
        environ: of the profile.
        url: the sandbox's.
        clock_off: how far the machine's clock is ahead of the true time.
    Raises:
        AssertionError: it hung, or ended as no sync should.
    """
    ours, theirs = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(
        target=_run, args=(theirs, source, dict(environ), url, full, slice_, interruption, clock_off)
    )
    process.start()
    theirs.close()
    process.join(TIMEOUT_S)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"the sync of {source} hung")
    if process.exitcode == -signal.SIGKILL:
        return Outcome("killed")
    assert process.exitcode == 0, f"the sync of {source} ended with {process.exitcode}"
    outcome: Outcome = ours.recv()
    ours.close()
    return outcome


def _run(
    tell: Connection,
    source: str,
    environ: dict[str, str],
    url: str,
    full: bool,
    slice_: str | None,
    interruption: Interruption | None,
    clock_off: timedelta,
) -> None:
    with sandbox.Control(url) as control:
        _say_nothing(_disturb(interruption, control) if interruption else None)
        profile = Profile.read(environ)
        with open_warehouse(profile) as warehouse:
            try:
                if slice_ is None:
                    landed = pull(source, profile, warehouse, full=full, clock=lambda: datetime.now(UTC) + clock_off)
                else:
                    landed = pull_slice(source, slice_, profile, warehouse)
            except SophiaError as error:
                transient = isinstance(error, TransientError)
                tell.send(Outcome("failed", f"{type(error).__name__}: {error}", transient))
            else:
                tell.send(Outcome("landed", changed=sum(one.changed for one in landed)))


def _disturb(interruption: Interruption, control: sandbox.Control) -> Callable[[str], None]:
    left = interruption.count

    def at(event: str) -> None:
        nonlocal left
        left -= event == interruption.event
        if left == 0 and event == interruption.event:
            if interruption.change is None:
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                with suppress(CommandRefused):
                    interruption.change.apply(control)

    return at


def _say_nothing(listen: Callable[[str], None] | None) -> None:
    def swallow(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if listen is not None:
            listen(str(event["event"]))
        raise structlog.DropEvent

    structlog.configure(processors=[swallow])
