"""What all pulls of a vendor share, in the warehouse: its daily quota, and whether it is up.

VENDOR_BUDGETS    requests of a UTC day; a pull sets BLOCK aside at a time and gives back what it did not send
VENDOR_CIRCUITS   closed ─ OUTAGES pulls in a row found it down ─► open ─ RETRY_S later ─► half-open: one pull tries
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta

import msgspec
import pybreaker

from contracts.errors import CircuitOpen, QuotaSpent, VendorUnavailable
from resources.warehouse import Warehouse

BLOCK = 50
"""Requests that are set aside at a time: fewer ask the warehouse often, more keep other hosts from them."""
OUTAGES = 3
"""Pulls in a row; each has already tried a request for a quarter of a minute."""
RETRY_S = 300

_MAKE_BUDGET = """
MERGE INTO SOPHIA_CORE.VENDOR_BUDGETS AS T
USING (SELECT ? AS SOURCE, CAST(? AS DATE) AS DAY_ON, CAST(? AS TIMESTAMP_NTZ) AS AT) AS S
ON T.SOURCE = S.SOURCE AND T.DAY_ON = S.DAY_ON
WHEN NOT MATCHED THEN INSERT (SOURCE, DAY_ON, REQUESTS, UPDATED_AT) VALUES (S.SOURCE, S.DAY_ON, 0, S.AT)
"""
_ADD = """
UPDATE SOPHIA_CORE.VENDOR_BUDGETS SET REQUESTS = REQUESTS + ?, UPDATED_AT = ?
WHERE SOURCE = ? AND DAY_ON = CAST(? AS DATE) AND REQUESTS + ? <= ?
"""
_READ_BUDGET = "SELECT REQUESTS FROM SOPHIA_CORE.VENDOR_BUDGETS WHERE SOURCE = ? AND DAY_ON = CAST(? AS DATE)"
_WRITE_CIRCUIT = """
MERGE INTO SOPHIA_CORE.VENDOR_CIRCUITS AS T
USING (
    SELECT ? AS SOURCE, ? AS STATE, ? AS FAILURES, CAST(? AS TIMESTAMP_NTZ) AS OPENED_AT, CAST(? AS TIMESTAMP_NTZ) AS AT
) AS S
ON T.SOURCE = S.SOURCE
WHEN MATCHED THEN UPDATE SET STATE = S.STATE, FAILURES = S.FAILURES, OPENED_AT = S.OPENED_AT, UPDATED_AT = S.AT
WHEN NOT MATCHED THEN INSERT (SOURCE, STATE, FAILURES, OPENED_AT, UPDATED_AT)
    VALUES (S.SOURCE, S.STATE, S.FAILURES, S.OPENED_AT, S.AT)
"""
_READ_CIRCUIT = "SELECT STATE, FAILURES, OPENED_AT FROM SOPHIA_CORE.VENDOR_CIRCUITS WHERE SOURCE = ?"


class VendorState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a vendor without asking it."""

    circuit: str
    """closed, open or half-open."""
    tried_again_at: datetime | None
    """When an open circuit lets a pull try, UTC."""
    requests_today: int
    """Of the vendor's daily quota, since midnight UTC; 0 where it has none."""


def state_of(source: str, warehouse: Warehouse, now: datetime) -> VendorState:
    circuit = _Storage(source, warehouse)
    spent = warehouse.query(_READ_BUDGET, (source, now.astimezone(UTC).date().isoformat())).to_pylist()
    is_open = circuit.state == pybreaker.STATE_OPEN and circuit.opened_at is not None
    return VendorState(
        circuit=circuit.state,
        tried_again_at=circuit.opened_at + timedelta(seconds=RETRY_S) if is_open and circuit.opened_at else None,
        requests_today=spent[0]["requests"] if spent else 0,
    )


class DailyBudget:
    """A vendor's requests of a day, of which this pull may spend what the others leave.

    One that is killed keeps what it had set aside until the day ends: BLOCK at most.
    """

    def __init__(self, source: str, allowed: int, warehouse: Warehouse, clock: Callable[[], datetime]) -> None:
        self._source = source
        self._allowed = allowed
        self._warehouse = warehouse
        self._clock = clock
        self._day = clock().date()
        self._left = 0

    def spend(self, requests: int) -> None:
        """Raises QuotaSpent: the day's requests are spent; carries when the next day begins."""
        if self._clock().date() != self._day:
            self.close()
            self._day = self._clock().date()
        while self._left < requests:
            self._left += self._set_aside()
        self._left -= requests

    def close(self) -> None:
        """Give back what was set aside and not spent."""
        if self._left:
            self._add(-self._left)
            self._left = 0

    def _set_aside(self) -> int:
        at = self._clock()
        self._warehouse.execute(_MAKE_BUDGET, (self._source, self._day.isoformat(), at))
        [row] = self._warehouse.query(_READ_BUDGET, (self._source, self._day.isoformat())).to_pylist()
        wanted = min(BLOCK, self._allowed - row["requests"])
        if wanted <= 0:
            tomorrow = datetime.combine(self._day + timedelta(days=1), time(), UTC)
            raise QuotaSpent(self._source.title(), f"{self._allowed} requests a day", tomorrow)
        return wanted if self._add(wanted) else 0  # another pull was faster: look again

    def _add(self, requests: int) -> int:
        values = (requests, self._clock(), self._source, self._day.isoformat(), requests, self._allowed)
        return self._warehouse.execute(_ADD, values)


@contextmanager
def budget(
    source: str, allowed: int | None, warehouse: Warehouse, clock: Callable[[], datetime]
) -> Iterator[Callable[[int], None]]:
    """What a pull calls before it sends requests; it does nothing where the vendor has no daily quota."""
    if allowed is None:
        yield lambda _requests: None
        return
    daily = DailyBudget(source, allowed, warehouse, clock)
    try:
        yield daily.spend
    finally:
        daily.close()


class _Storage(pybreaker.CircuitBreakerStorage):
    """The breaker's state in VENDOR_CIRCUITS; read once a pull, written when it changes."""

    def __init__(self, source: str, warehouse: Warehouse) -> None:
        super().__init__(source)
        self._warehouse = warehouse
        found = warehouse.query(_READ_CIRCUIT, (source,)).to_pylist()
        opened_at: datetime | None = found[0]["opened_at"] if found else None
        self._state: str = found[0]["state"] if found else pybreaker.STATE_CLOSED
        self._failures: int = found[0]["failures"] if found else 0
        self._opened_at = opened_at.replace(tzinfo=UTC) if opened_at else None

    def _write(self) -> None:
        opened_at = self._opened_at and self._opened_at.astimezone(UTC)
        self._warehouse.execute(_WRITE_CIRCUIT, (self.name, self._state, self._failures, opened_at, datetime.now(UTC)))

    @property
    def state(self) -> str:
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._write()

    @property
    def counter(self) -> int:
        return self._failures

    def increment_counter(self) -> None:
        self._failures += 1
        self._write()

    def reset_counter(self) -> None:
        if self._failures:
            self._failures = 0
            self._write()

    @property
    def success_counter(self) -> int:
        """One success closes the circuit: nothing is counted."""
        return 1

    @property
    def opened_at(self) -> datetime | None:
        return self._opened_at

    @opened_at.setter
    def opened_at(self, moment: datetime) -> None:
        self._opened_at = moment


def unless_down(source: str, warehouse: Warehouse, ask: Callable[[], None]) -> None:
    """Ask the vendor, unless the last pulls have found it down.

    Raises:
        CircuitOpen: it is down, and was not asked; carries when a pull will try.
        VendorUnavailable: it is down, and that is counted. What else `ask` raises, an answer of some kind, is not.
    """
    storage = _Storage(source, warehouse)
    breaker = pybreaker.CircuitBreaker(
        fail_max=OUTAGES,
        reset_timeout=RETRY_S,
        exclude=[lambda error: not isinstance(error, VendorUnavailable)],
        state_storage=storage,
        throw_new_error_on_trip=False,
    )
    try:
        breaker.call(ask)
    except pybreaker.CircuitBreakerError:
        assert storage.opened_at is not None
        raise CircuitOpen(source.title(), storage.opened_at + timedelta(seconds=RETRY_S)) from None
