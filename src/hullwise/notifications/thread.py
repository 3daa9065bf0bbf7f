"""The deliveries of a worker: threads of its own, beside its jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace

import structlog

from hullwise.jobs.minutes import EachMinute
from hullwise.notifications.delivery import Courier

log = structlog.get_logger()

SLOTS = 8
"""Receivers that have their turn at the same time."""
BUSY_SECONDS = 1.0
IDLE_SECONDS = 4.0
"""Between two looks at what is due: while something is, and after a while in which nothing was."""
GRACE_SECONDS = 3.0
"""For the requests that are on their way when it is time to stop; others are then sent once more, later."""


class Deliveries:
    """A context manager: what is due is delivered while it is entered. No failure ends that but leaving it."""

    def __init__(self, courier: Courier) -> None:
        self._stop = threading.Event()
        self._courier = replace(courier, stopping=self._stop.is_set)
        self._bring_back = EachMinute(courier.services.clock, courier.bring_back)
        self._running: dict[int, Future[bool | None]] = {}
        self._pool = ThreadPoolExecutor(SLOTS, thread_name_prefix="delivery")
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    def __enter__(self) -> Deliveries:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(GRACE_SECONDS)
        wait(list(self._running.values()), GRACE_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        pause = BUSY_SECONDS
        while not self._stop.wait(pause):
            found = self._guarded(self._look)
            pause = BUSY_SECONDS if found else min(pause * 1.5, IDLE_SECONDS)

    def _look(self) -> bool:
        """Begin the turns that there is room for. Returns whether something is due, or on its way."""
        self._bring_back()
        self._running = {receiver: turn for receiver, turn in self._running.items() if not turn.done()}
        free = [receiver for receiver in self._courier.ready() if receiver not in self._running]
        for receiver in free[: SLOTS - len(self._running)]:
            self._running[receiver] = self._pool.submit(self._guarded, self._courier.turn, receiver)
        return bool(self._running or free)

    def _guarded(self, work: Callable[..., bool | None], *arguments: int) -> bool | None:
        try:
            return work(*arguments)
        except Exception as error:
            log.error("deliveries failed", exc_info=error)
            return None
