"""What a worker does once a minute, and is asked for every few seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

_EVERY = timedelta(minutes=1)


class EachMinute:
    """Does its work when it is called, unless it did so less than a minute ago. A clock that went back is no reason to
    wait."""

    def __init__(self, clock: Callable[[], datetime], work: Callable[[], object]) -> None:
        self._clock, self._work = clock, work
        self._last: datetime | None = None

    def __call__(self) -> None:
        now = self._clock()
        if self._last is None or now - self._last >= _EVERY or now < self._last:
            self._last = now
            self._work()
