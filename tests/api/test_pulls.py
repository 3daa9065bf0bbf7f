"""When a pull is recorded: noted at once, written a little later and when the process ends."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest

from hullwise.application import application
from hullwise.registry import pulls
from hullwise.services import Services
from hullwise.store import images, repositories
from hullwise.store.repositories import Repository
from tests.support.images import Image, image, layer
from tests.support.registry import ACCOUNT, REGION, Registry

ONE, TWO, THREE = (image([layer({"etc/motd": name.encode()})]) for name in ("one", "two", "three"))


def found(registry: Registry) -> Repository:
    with registry.services.database.read() as tx:
        return repositories.get(tx, ACCOUNT, REGION, "team/app")


def recorded(registry: Registry, *pushed: Image) -> list[datetime | None]:
    repository = found(registry)
    return [registry.image(repository, each.digest).last_pull_at for each in pushed]


def pull(registry: Registry, *pushed: Image) -> None:
    repository = found(registry)
    pulls.record(registry.services, [registry.image(repository, each.digest) for each in pushed])


@pytest.fixture
def pushed(registry: Registry) -> Registry:
    repository = registry.repository(scan_on_push=False)
    for each in (ONE, TWO, THREE):
        registry.push(repository, each, None)
    return registry


def test_pulls_are_written_together(pushed: Registry) -> None:
    """Each image has the moment of its own pull; of pulls within a minute the first."""
    begun = pushed.clock()
    pull(pushed, ONE)
    pushed.clock.advance(seconds=59)
    pull(pushed, ONE, TWO)
    assert recorded(pushed, ONE, TWO, THREE) == [None, None, None]
    pulls.write(pushed.services)
    second = begun + timedelta(seconds=59)
    assert recorded(pushed, ONE, TWO, THREE) == [begun, second, None]
    pull(pushed, ONE)
    pulls.write(pushed.services)
    assert recorded(pushed, ONE) == [begun]
    pushed.clock.advance(seconds=1)
    pull(pushed, ONE)
    pulls.write(pushed.services)
    assert recorded(pushed, ONE, TWO) == [begun + timedelta(minutes=1), second]


def test_what_cannot_be_written_is_written_later(pushed: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database may be away for a while; an image may be gone by then."""

    def away(*_: object) -> None:
        raise ConnectionError

    pull(pushed, ONE, TWO)
    with monkeypatch.context() as patched:
        patched.setattr(images, "record_pulls", away)
        with pytest.raises(ConnectionError):
            pulls.write(pushed.services)
    with pushed.services.database.write() as tx:
        images.delete(tx, pushed.image(found(pushed), TWO.digest).id)
    pulls.write(pushed.services)
    assert recorded(pushed, ONE) == [pushed.clock()]


def test_a_process_that_ends_writes_what_it_noted(pushed: Registry) -> None:
    """Whatever the moment: nothing waits for the next turn."""
    pull(pushed, ONE)

    async def serve(services: Services) -> None:
        asked = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))
        answers: list[str] = []

        async def receive() -> dict[str, str]:
            assert recorded(pushed, ONE) == [None]
            return next(asked)

        async def send(message: MutableMapping[str, Any]) -> None:
            answers.append(message["type"])

        await application(services)({"type": "lifespan", "state": {}}, receive, send)
        assert answers == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    anyio.run(serve, pushed.services)
    assert recorded(pushed, ONE) == [pushed.clock()]
