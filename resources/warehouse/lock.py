"""A fair lock between processes, for the one DuckDB file.

DuckDB locks its file for as long as it is open: one writer alone, or several readers. Whoever polls for it loses
against a neighbour that reopens at once: in a trial a writer starved for 10 s. Here everybody queues in the kernel,
at two files:
`.turn`, the turnstile that one passes at a time, and `.held`, which one holds while the database is open. Who waits for
`.held` keeps the turnstile, so the one that has just let go queues behind, and readers cannot crowd a writer out. The
kernel drops both locks with the process, even after a kill -9; nothing is left to clean up.
"""

from __future__ import annotations

import fcntl
import os
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_KEPT_WAITS = 100_000


class Waits:
    """How long this process waited for its turns, in seconds: the newest 100,000."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_KEPT_WAITS)

    def add(self, seconds: float) -> None:
        self._seconds.append(seconds)

    @property
    def count(self) -> int:
        return len(self._seconds)

    @property
    def p50_s(self) -> float:
        return statistics.median(self._seconds) if self._seconds else 0.0

    @property
    def max_s(self) -> float:
        return max(self._seconds, default=0.0)


class FairLock:
    """Between processes and between threads: each turn opens the files anew, and flock tells opens apart."""

    def __init__(self, beside: Path) -> None:
        self._turn = beside.with_name(beside.name + ".turn")
        self._held = beside.with_name(beside.name + ".held")
        self.waits = Waits()

    @contextmanager
    def hold(self, *, shared: bool) -> Iterator[None]:
        """Wait for a turn: alone, or beside others that share. Waits as long as it takes.

        Raises:
            OSError: the folder is missing or cannot be written.
            RuntimeError: this thread holds the lock already, and would wait for itself.
        """
        mine = _mine()
        if self._held in mine:
            raise RuntimeError(
                "this thread has the warehouse open in a transaction; use the transaction's own execute and query"
            )
        began = time.perf_counter()
        turn = os.open(self._turn, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX)
            held = os.open(self._held, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(held, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            except BaseException:
                os.close(held)
                raise
        finally:
            os.close(turn)
        self.waits.add(time.perf_counter() - began)
        mine.add(self._held)
        try:
            yield
        finally:
            mine.discard(self._held)
            os.close(held)


_per_thread = threading.local()


def _mine() -> set[Path]:
    """The locks that this thread holds."""
    if not hasattr(_per_thread, "held"):
        _per_thread.held = set()
    held: set[Path] = _per_thread.held
    return held
