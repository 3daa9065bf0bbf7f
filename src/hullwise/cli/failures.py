"""How a command gives up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hullwise.domain.errors import InvalidParameter


class Failure(Exception):
    """Ends the command with this message and exit status 1."""


@contextmanager
def explained(*kinds: type[Exception]) -> Iterator[None]:
    """Failures of these kinds explain themselves: show the message without a traceback."""
    try:
        yield
    except kinds as error:
        raise Failure(_message(error)) from error


def _message(error: Exception) -> str:
    if isinstance(error, InvalidParameter):
        return f"{error.member}: {error.constraint}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    # SQLAlchemy tells of a database that cannot be reached in many lines, of which its driver's are what counts.
    return " ".join(str(getattr(error, "orig", error)).split())
