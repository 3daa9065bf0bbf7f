"""One round of deliveries in a process of its own: `python -m tests.support.courier DATA DATABASE_URL`.

Its clock stands at START, as that of the registry whose data it is.
"""

from __future__ import annotations

import sys
from functools import partial

from hullwise import app
from hullwise.notifications.delivery import Courier
from hullwise.settings import load
from tests.support.queues import ListQueue
from tests.support.registry import Clock


def main(data: str, database_url: str) -> None:
    settings = load({"data": data, "database_url": database_url, "outbound_private": ["127.0.0.1"]}, {})
    services = app.build(settings, clock=Clock(), jobs=ListQueue())
    Courier(services, partial(app.remote, settings)).round()


if __name__ == "__main__":
    main(*sys.argv[1:])
