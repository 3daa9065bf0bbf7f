"""The port between rules and the job engine: work for later that commits with the row that caused it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import sqlalchemy as sa

SCAN_IMAGE = "scan_image"
PUBLISH = "publish_generation"
SYNC = "sync_advisories"
FOLLOW_CONFIGURATION = "follow_configuration"
COLLECT = "collect_garbage"

Handlers = Mapping[str, Callable[[int], None]]
"""What each job does, given the id of the row that it is about. A handler may be called again after a crash, from its
start, and must then finish what is unfinished and repeat nothing."""


class JobQueue(Protocol):
    def put(self, tx: sa.Connection, job: str, row_id: int) -> None:
        """Queue the job for the row. It exists once the transaction commits, and never where it rolls back.

        The same job for the same row is queued once, however often this is called.
        """

    def put_again(self, job: str, row_id: int) -> bool:
        """Queue the job for the row, in a transaction of its own, where none waits, runs or came to its end: a job that
        failed begins anew. Returns whether it was queued. Of several callers at once one asks at a time."""
