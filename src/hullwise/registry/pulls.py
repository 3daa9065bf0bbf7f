"""When an image was last pulled.

a pull ──▶ noted in this process ──▶ every few seconds, and when the process ends: one transaction for all

So a pull costs no transaction of its own. A process that is killed loses what it has noted: a few seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from hullwise.services import Pull, Services
from hullwise.store import images
from hullwise.store.engine import chunks
from hullwise.store.images import Image

PRECISION = timedelta(minutes=1)
"""Pulls closer to the recorded one than this are not recorded: a busy image is then written once a minute. ECR itself
promises a day."""

WRITE_SECONDS = 2.0
"""How long a pull is noted, at most, before it is written."""


def record(services: Services, pulled: Iterable[Image]) -> None:
    """Remember that the images were pulled now: the next `write` makes it last."""
    now = services.clock()
    for image in pulled:
        if image.last_pull_at is None or now - image.last_pull_at >= PRECISION:
            services.pulls.note(Pull(image, now))


def write(services: Services) -> None:
    """Make all that was noted last, and tell who subscribed to pulls. Where that fails it stays noted."""
    noted = services.pulls.take()
    try:
        for some in chunks(noted):
            services.database.run(partial(_write, services=services, pulls=some))
    except Exception:
        for pull in noted:
            services.pulls.note(pull)
        raise


def _write(tx: sa.Connection, services: Services, pulls: Sequence[Pull]) -> None:
    images.record_pulls(tx, [(pull.image.id, pull.at) for pull in pulls])
    for pull in pulls:
        for subscriber in services.on_pull:
            subscriber(tx, services, pull.image)
