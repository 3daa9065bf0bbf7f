"""Rounds of deliveries; one in a process of its own: `python -m tests.support.courier DATA DATABASE_URL`.

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


def go_round(courier: Courier) -> int:
    """A turn of each receiver to which something is due, one after the other. Returns how many there were."""
    found = courier.ready()
    for receiver in found:
        courier.turn(receiver)
    return len(found)


def main(data: str, database_url: str) -> None:
    settings = load({"data": data, "database_url": database_url, "outbound_private": ["127.0.0.1"]}, {})
    services = app.build(settings, clock=Clock(), jobs=ListQueue())
    go_round(Courier(services, partial(app.remote, settings)))


if __name__ == "__main__":
    main(*sys.argv[1:])
