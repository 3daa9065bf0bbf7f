"""How a command gives up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Failure(Exception):
    """Ends the command with this message and exit status 1."""


@contextmanager
def explained(*kinds: type[Exception]) -> Iterator[None]:
    """Failures of these kinds explain themselves: show the message without a traceback."""
    try:
        yield
    except kinds as error:
        raise Failure(str(error)) from error
