"""A worker process with jobs that leave word: `python -m tests.support.job_worker URL LOCKS DIARY`.

It says `ready` once it takes jobs up, and stops on SIGTERM; it ends with the status LOST where it lost its slot. Each
job writes a line in the diary as it begins and one as it ends: what happened, the row, the process. What it does beside
its jobs fails, each time.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from hullwise.jobs.durable import DurableWorker
from hullwise.store.engine import Database
from hullwise.store.locks import LockLost

BRIEF = "brief"
"""Takes a moment."""
HELD = "held"
"""Goes on until the file `release` lies beside the diary."""
FAILING = "failing"
"""Raises."""
LOST = 3


@dataclass(frozen=True)
class Diary:
    """What happened, in the order in which it did, whichever process wrote it."""

    path: Path

    def write(self, what: str, row_id: int) -> None:
        # One write at the end of the file: lines of several processes neither mix nor get lost.
        with self.path.open("ab", buffering=0) as file:
            file.write(f"{what} {row_id} {os.getpid()}\n".encode())

    def read(self) -> list[tuple[str, int, int]]:
        """(what, row, process id) of each line."""
        if not self.path.exists():
            return []
        lines = (line.split() for line in self.path.read_text().splitlines())
        return [(what, int(row), int(pid)) for what, row, pid in lines]

    def rows(self, what: str) -> list[int]:
        return [row for said, row, _ in self.read() if said == what]

    @property
    def release(self) -> Path:
        return self.path.with_name("release")

    @property
    def ticks(self) -> Path:
        """A diary of what was done beside the jobs."""
        return self.path.with_name("ticks")

    def brief(self, row_id: int) -> None:
        self.write("begun", row_id)
        time.sleep(0.05)
        self.write("ended", row_id)

    def held(self, row_id: int) -> None:
        self.write("begun", row_id)
        while not self.release.exists():
            time.sleep(0.02)
        self.write("ended", row_id)

    def failing(self, row_id: int) -> None:
        self.write("begun", row_id)
        raise ValueError(f"row {row_id}")

    def tick(self) -> None:
        """Fails, each time otherwise."""
        ticks = Diary(self.ticks)
        ticks.write("ticked", 0)
        raise (OSError, ValueError)[len(ticks.read()) % 2]


def main(url: str, locks: str, path: str) -> None:
    # Standard output is for the one word.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    diary = Diary(Path(path))
    handlers = {BRIEF: diary.brief, HELD: diary.held, FAILING: diary.failing}
    worker = DurableWorker(Database(url), Path(locks), handlers, [diary.tick])
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())

    def ready() -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    try:
        worker.run(ready)
    except LockLost:
        # As `hullwise worker` does: a job's thread would hold the process.
        os._exit(LOST)


if __name__ == "__main__":
    main(*sys.argv[1:])
