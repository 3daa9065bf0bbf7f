"""Outages: the storage or the database does not answer, or has no room, or this process has no file left to open.
Neither the request nor the registry is at fault, and the same request may succeed later."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from hullwise.blobs.errors import StorageUnavailable
from hullwise.domain.errors import Unavailable
from hullwise.store.engine import is_outage
from hullwise.threads import is_shortage

log = structlog.get_logger()

_SECONDS = 60
"""Between two lines of the log about one outage: each request that comes upon it would write one."""


class Outages:
    """Tells outages from faults. Used by many threads at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds."""
        self._clock = clock
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def told(self, error: Exception) -> Exception:
        """What an edge answers to: Unavailable where the error says that something does not answer or has no room; the
        log has it then, with the reason. Else the error itself."""
        if isinstance(error, StorageUnavailable):
            what = "blob storage"
        elif is_outage(error):
            what = "database"
        elif is_shortage(error):
            what = "server"
        else:
            return error
        if self._is_news(what):
            # Of several lines the first says it; SQLAlchemy's others are the statement and a link.
            log.warning("outage", of=what, why=str(error).partition("\n")[0])
        return Unavailable(what)

    def _is_news(self, what: str) -> bool:
        with self._lock:
            now = self._clock()
            if now < self._next.get(what, now):
                return False
            self._next[what] = now + _SECONDS
            return True
