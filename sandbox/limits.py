"""Rate limits in real time: so many requests in so long, then a wait.

Windows slide: a request is admitted while fewer than the allowed number were admitted in the last period.
A speed-up divides every period (60 makes a minute a second; infinity switches limits off), which is the way
to run a demo or a test fast without other rules.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """So many admitted requests a period."""

    requests: int
    period_s: float


class Limiter:
    """Keeps the limits of any number of keys, each with its own count."""

    def __init__(self, speedup: float = 1.0) -> None:
        self._speedup = speedup
        self._admitted: dict[tuple[str, Limit], deque[float]] = {}

    def wait_s(self, key: str, *limits: Limit) -> int | None:
        """Admit a request, or say how long to wait; a refused request does not count.

        Returns:
            None where it was admitted, else whole seconds, rounded up and at least 1, as vendors' Retry-After.
        """
        now = time.monotonic()
        wait = 0.0
        windows = []
        for limit in limits:
            period_s = limit.period_s / self._speedup
            window = self._admitted.setdefault((key, limit), deque())
            while window and window[0] <= now - period_s:
                window.popleft()
            if len(window) >= limit.requests:
                wait = max(wait, window[0] + period_s - now)
            windows.append(window)
        if wait > 0:
            return max(1, math.ceil(wait))
        for window in windows:
            window.append(now)
        return None
