"""What interrupts a job from outside, and goes by."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from hullwise.blobs.errors import BlobStorageError
from hullwise.store.locks import LockLost

log = structlog.get_logger()

_ATTEMPTS = 5
"""Tries of a job, a second apart at first, then doubling."""
INTERRUPTIONS = (OperationalError, InterfaceError, NoConnectionFree, LockLost, BlobStorageError)
"""Of the database's errors those that are not about what it was asked: another moment the same work may succeed."""


def again_and_again(work: Callable[[], None], job: str, row_id: int) -> None:
    """Call `work` until nothing interrupts it. Raises what did so the last time, and anything else at once."""
    for attempt in range(_ATTEMPTS):
        try:
            work()
            return
        except INTERRUPTIONS as error:
            log.warning("job interrupted", job=job, row=row_id, attempt=attempt + 1, why=str(error))
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(2**attempt)
