"""A random history: the world of one vendor lives, syncs run and are disturbed, and at the end the tables equal it.

A vendor's machine says what can change there; hypothesis draws what happens, in which order, and shrinks what fails.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, Verbosity, event, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from pipelines.limits import RETRY_S
from sandbox.records import CommandRefused
from tests.conftest import environ_for, profile_for, vendors
from tests.pipelines.convergence.sync import Change, Interruption, Outcome, Place, sync
from tests.pipelines.rig import open_rig
from tests.pipelines.truth import assert_raw_equals_the_world

Record = dict[str, Any]
World = dict[str, list[Record]]
"""The vendor's streams, as the world dumps them."""
Maker = Callable[[World, Random, datetime], Change | None]
"""What a kind of change does to this world at this time; None where there is nothing that it could be done to."""

STARTS = (datetime(2026, 1, 5, 9, tzinfo=UTC), datetime(2029, 1, 5, 9, tzinfo=UTC))
"""The vendor's clock behind ours, or ahead of it."""
CLOCKS_OFF = (timedelta(0), timedelta(0), timedelta(hours=-2), timedelta(days=-40), timedelta(hours=5))
"""Of the machine that pulls; it is right at the end."""
TIMES_S = (1, 90, 3_600, 86_400, 20 * 86_400, 200 * 86_400)
FAULTS: tuple[Record, ...] = (
    {"kind": "rate_limited", "retry_after_s": 1},
    {"kind": "rate_limited", "retry_after_s": 3_600},
    {"kind": "rate_limited"},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 500},
    {"kind": "cut"},
    {"kind": "truncated_json"},
    {"kind": "slow", "delay_s": 0.3},
    {"kind": "expired_cursors"},
)
PLACES: tuple[Place, ...] = ("page_read", "landed")
STEPS = 16
FEW_S = 900
"""Allowed to a few histories on a shared machine: a second a sync, and more for each fault that is waited for."""


class History(RuleBasedStateMachine):
    """One vendor's history; a subclass names the vendor and its changes."""

    source: ClassVar[str]
    changes: ClassVar[Mapping[str, Maker]]
    faults: ClassVar[tuple[Record, ...]] = FAULTS
    sandbox_options: ClassVar[Mapping[str, Any]] = {}
    environ: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._began = False
        self._clock_off = timedelta(0)

    @initialize(start=st.sampled_from(STARTS), world_seed=st.integers(0, 3), page=st.sampled_from((3, 20)))
    def begin(self, start: datetime, world_seed: int, page: int) -> None:
        home = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sophia-history-")))
        options = {"scale": 0.04, "limit_speedup": float("inf"), "largest_page": page} | dict(self.sandbox_options)
        self.control = self._stack.enter_context(vendors(seed=world_seed, start=start, **options))
        self._environ = environ_for(home, self.control) | dict(self.environ)
        profile = profile_for(home, self.control, **self.environ)
        self.rig = self._stack.enter_context(open_rig(profile, self.control, [self.source]))
        self._began = True

    @rule(kinds=st.data(), random=st.randoms(use_true_random=False), seconds=st.sampled_from(TIMES_S))
    def live(self, kinds: st.DataObject, random: Random, seconds: int) -> None:
        """Time passes, and things change at the vendor."""
        self.control.advance(seconds)
        if seconds >= RETRY_S:
            self._let_circuits_try()
        for kind in kinds.draw(st.lists(st.sampled_from(sorted(self.changes)), min_size=1, max_size=6), "kinds"):
            change = self._change(kind, random)
            if change is not None:
                with suppress(CommandRefused):  # as what has gone since, or what is in the bin
                    change.apply(self.control)

    @rule(fault=st.integers(0, 99), times=st.integers(1, 3))
    def break_something(self, fault: int, times: int) -> None:
        self.control.fault(self.source, times=times, **self.faults[fault % len(self.faults)])

    @rule(
        how=st.sampled_from(("undisturbed", "killed", "while things change", "reconciled")),
        place=st.sampled_from(PLACES),
        count=st.integers(1, 12),
        kind=st.data(),
        random=st.randoms(use_true_random=False),
        clock_off=st.sampled_from(CLOCKS_OFF),
    )
    def synchronise(
        self, how: str, place: Place, count: int, kind: st.DataObject, random: Random, clock_off: timedelta
    ) -> None:
        self._clock_off = clock_off
        match how:
            case "killed":
                self._sync(interruption=Interruption(place, count))
            case "while things change":
                change = self._change(kind.draw(st.sampled_from(sorted(self.changes)), "kind"), random)
                self._sync(interruption=Interruption(place, count, change) if change else None)
            case _:
                self._sync(full=how == "reconciled")

    def teardown(self) -> None:
        try:
            if self._began and sys.exc_info()[0] is None:
                self._converge()
        finally:
            self._stack.close()

    def _converge(self) -> None:
        """After the last sync and one reconcile the tables equal the world, and another sync has nothing to do."""
        self.control.clear_faults()
        self._let_circuits_try()
        self._must_land()
        self._must_land(full=True)
        assert_raw_equals_the_world(self.rig)
        self._must_land()  # what a list does not tell, and an increment does: whom a merge has taken in
        assert self._must_land().changed == 0, "a sync of an unchanged world changed something"
        assert_raw_equals_the_world(self.rig)

    def _let_circuits_try(self) -> None:
        """Their wait is of our clock, which a history does not wait for."""
        self.rig.warehouse.execute(
            "UPDATE SOPHIA_CORE.VENDOR_CIRCUITS SET OPENED_AT = DATEADD('second', ?, OPENED_AT)", (-RETRY_S,)
        )

    def _must_land(self, *, full: bool = False) -> Outcome:
        outcome = sync(self.source, self._environ, self.control.url, full=full)
        assert outcome.kind == "landed", outcome.error
        return outcome

    def _sync(self, *, full: bool = False, interruption: Interruption | None = None) -> None:
        where = (self.source, self._environ, self.control.url)
        outcome = sync(*where, full=full, interruption=interruption, clock_off=self._clock_off)
        event(f"a sync {outcome.kind} {outcome.error.partition(':')[0]}".strip())
        assert outcome.kind != "failed" or outcome.transient, outcome.error

    def _change(self, kind: str, random: Random) -> Change | None:
        prefix = f"{self.source}."
        dump = self.control.dump().items()
        world = {name.removeprefix(prefix): rows for name, rows in dump if name.startswith(prefix)}
        return self.changes[kind](world, random, datetime.fromisoformat(self.control.health()["now"]))


def run(machine: type[History], histories: int, first_seed: int, verbosity: Verbosity = Verbosity.normal) -> None:
    """Live through that many histories; raises what the first wrong one raised, with its steps printed."""
    chosen = settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=verbosity,
        print_blob=False,
    )
    run_state_machine_as_test(seed(first_seed)(machine), settings=chosen)


def pick(rows: list[Record], random: Random) -> Record | None:
    return random.choice(rows) if rows else None


def words(random: Random) -> str:
    """A text that is new, as far as chance goes."""
    return f"Said {random.randrange(10**6)} times."
