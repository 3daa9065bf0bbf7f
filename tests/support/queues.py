"""A job queue that a test runs by hand."""

from __future__ import annotations

import sqlalchemy as sa

from hullwise.jobs.queue import Handlers


class ListQueue:
    """Remembers jobs as they are put; one whose transaction rolled back must tolerate being run all the same."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, int]] = []

    def put(self, tx: sa.Connection, job: str, row_id: int) -> None:
        self.jobs.append((job, row_id))

    def put_again(self, job: str, row_id: int) -> bool:
        waits = (job, row_id) in self.jobs
        if not waits:
            self.jobs.append((job, row_id))
        return not waits

    def run(self, handlers: Handlers) -> None:
        """Run every job, oldest first, until there is none."""
        while self.jobs:
            job, row_id = self.jobs.pop(0)
            handlers[job](row_id)
