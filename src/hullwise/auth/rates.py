"""How many requests a caller may make a second: a bucket for each caller and operation, in this process.

A bucket holds one second's worth, at least one request, and fills at the rate. With several API processes each has its
own share of the rate.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from hullwise.domain.errors import TooManyRequests

_CALLERS = 10_000
"""Buckets that are kept; the one that was not used for the longest is full again anyway."""

ALL = "*"

_ONE = 1.0 - 1e-6
"""A request, but for what adding up parts of seconds loses."""


class Rates:
    """Used by many threads at once."""

    def __init__(
        self, limits: Mapping[str, str], processes: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = {operation: float(rate) / processes for operation, rate in limits.items()}
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str, operation: str) -> None:
        """Count a request of this caller. Raises TooManyRequests where its rate is used up: nothing is counted then."""
        names = [name for name in (ALL, operation) if name in self._limits]
        if not names:
            return
        now = self._clock()
        with self._lock:
            levels = [self._level(caller, name, now) for name in names]
            waits = [
                (1.0 - level) / self._limits[name] for name, level in zip(names, levels, strict=True) if level < _ONE
            ]
            if waits:
                raise TooManyRequests(max(waits))
            for name, level in zip(names, levels, strict=True):
                self._buckets[caller, name] = (level - 1.0, now)
                self._buckets.move_to_end((caller, name))
            while len(self._buckets) > _CALLERS:
                self._buckets.popitem(last=False)

    def _level(self, caller: str, name: str, now: float) -> float:
        rate = self._limits[name]
        full = max(rate, 1.0)
        level, at = self._buckets.get((caller, name), (full, now))
        return min(full, level + (now - at) * rate)
