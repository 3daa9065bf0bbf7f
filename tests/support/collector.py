"""Collections by a clock that is ahead: `python -m tests.support.collector DATA HOURS`.

What `hullwise collect-garbage` would take away in so many hours is taken away at once; what is condemned then is
deleted by a run with an hour more. The settings are those of the environment.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from hullwise import app
from hullwise.registry import garbage
from hullwise.settings import load
from hullwise.store.garbage import LOCK


def main(data: str, hours: str) -> None:
    services = app.build(load({"data": Path(data)}), clock=lambda: app.now() + timedelta(hours=int(hours)))
    with services.database.exclusive(LOCK, services.settings.locks) as held:
        garbage.collect(services.under(held))
    services.database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
