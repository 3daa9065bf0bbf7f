"""What a worker does once a minute, and is asked for every few seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

log = structlog.get_logger()

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


class Aside:
    """Does in a thread what may take long: whoever calls does not wait, and while it goes on it is not begun again. Its
    failures are logged."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._name, self._work = name, work
        self._thread: threading.Thread | None = None

    def __call__(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            log.warning("the worker was interrupted", doing=self._name, why=str(error))
