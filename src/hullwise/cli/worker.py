"""hullwise worker: run jobs until told to stop, or until its slot is lost."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from hullwise.cli.failures import Failure, complain
from hullwise.cli.opening import built, settled


def run(*, data: Path | None) -> None:
    from hullwise import app

    status, begun = 0, False
    try:
        with settled(data=data) as settings, built(app.checked(settings)) as services:
            worker = app.worker(services)

            def stop(_signal: int, _frame: FrameType | None) -> None:
                worker.stop()

            signal.signal(signal.SIGTERM, stop)
            signal.signal(signal.SIGINT, stop)
            begun = True
            worker.run()
    except Exception as error:
        if not begun or threading.active_count() == 1:
            raise
        if isinstance(error, Failure):
            complain(error)
        else:
            sys.excepthook(*sys.exc_info())
        status = 1
    # Threads of a job that is still running would hold the process; the job is taken up again by the next.
    if threading.active_count() > 1:
        os._exit(status)
