"""When an image was last pulled."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from hullwise.services import Services
from hullwise.store import images
from hullwise.store.images import Image

PRECISION = timedelta(minutes=1)
"""Pulls closer to the recorded one than this are not recorded: a busy image is then written once a minute. ECR itself
promises a day."""


def record(services: Services, pulled: Iterable[Image]) -> None:
    """Remember that the images were pulled now."""
    now = services.clock()
    due = [image for image in pulled if image.last_pull_at is None or now - image.last_pull_at >= PRECISION]
    if due:
        with services.database.write() as tx:
            images.record_pull(tx, [image.id for image in due], now)
            for image in due:
                for subscriber in services.on_pull:
                    subscriber(tx, services, image)
