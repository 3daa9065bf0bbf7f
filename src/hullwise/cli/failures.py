"""How a command gives up."""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hullwise.cli.texts import printable
from hullwise.domain.errors import InvalidParameter

_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class Failure(Exception):
    """Ends the command with this message and exit status 1."""


def complain(failure: Failure) -> None:
    """The message, on standard error."""
    message = "\n".join(printable(line) for line in str(failure).splitlines())
    print(f"hullwise: {message}", file=sys.stderr)  # noqa: T201


class NoInstallation(Failure):
    """A command that works on an installation was given none. Nothing was made."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"there is no installation in {place}; --data or HULLWISE_DATA names another folder, "
            "`hullwise serve` begins one"
        )


class DatabaseDamaged(Failure):
    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file} is damaged ({why}); `hullwise restore` brings a backup into a new data folder")


class NotWritable(Failure):
    """A folder in which a command has to write something, as even those that only look do."""

    def __init__(self, folder: Path, why: str, option: str) -> None:
        super().__init__(f"{folder} cannot be written to ({why}); {option} names another folder")


@contextmanager
def written(folder: Path, option: str) -> Iterator[None]:
    """Where this user may not write in the folder, or not make it, that is what is said. Raises NotWritable."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FORBIDDEN or error.filename is None or writable(folder):
            raise
        refused = Path(os.fsdecode(error.filename))
        if refused != folder and folder not in refused.parents and refused not in folder.parents:
            raise
        raise NotWritable(folder, error.strerror or str(error), option) from error


def writable(folder: Path) -> bool:
    """Whether this user may write in the folder, or make it where it is not there."""
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


@contextmanager
def explained(*kinds: type[Exception]) -> Iterator[None]:
    """Failures of these kinds explain themselves: show the message without a traceback. That nobody reads standard
    output any more is no failure to speak of: BrokenPipeError."""
    try:
        yield
    except kinds as error:
        if isinstance(error, BrokenPipeError) and _unread():
            raise  # click ends the command without a word
        raise Failure(_message(error)) from error


def _unread() -> bool:
    """Whether standard output is a pipe that nobody reads any more."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, ValueError):
        return False
    asked = select.poll()
    asked.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in asked.poll(0))


def _message(error: Exception) -> str:
    if isinstance(error, InvalidParameter):
        return f"{error.member}: {error.constraint}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    # SQLAlchemy tells of a database that cannot be reached in many lines, of which its driver's are what counts.
    return " ".join(str(getattr(error, "orig", error)).split())
