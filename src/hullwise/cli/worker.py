"""hullwise worker: run jobs until told to stop."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from types import FrameType

from hullwise.cli.opening import opened


def run(*, data: Path | None) -> None:
    from hullwise import app

    with opened(data=data) as services:
        worker = app.worker(services)

        def stop(_signal: int, _frame: FrameType | None) -> None:
            worker.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        worker.run()
    # Threads of a job that is still running would hold the process; the job is taken up again by the next.
    if threading.active_count() > 1:
        os._exit(0)
