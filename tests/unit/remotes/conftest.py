"""A server and a remote that may ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hullwise.remotes.remote import Remote
from hullwise.remotes.rules import OutboundRules
from tests.unit.remotes.server import QUICK, Server


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as opened:
        yield opened


@pytest.fixture
def waits() -> list[float]:
    """The seconds that the remote asked to sleep."""
    return []


@pytest.fixture
def remote(waits: list[float]) -> Iterator[Remote]:
    rules = OutboundRules(private=("127.0.0.1",))
    with Remote(rules, timeouts=QUICK, sleep=waits.append) as opened:
        yield opened
