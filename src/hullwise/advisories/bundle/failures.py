"""What may be wrong with a bundle."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from hullwise.advisories.generation import UnusableGeneration

_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, UnusableGeneration)
"""What msgspec, json and Generation raise for bytes that are not what was asked for."""


class BrokenBundle(Exception):
    """The file is no bundle that this version can read, or not as its manifest says. The message says why."""


class WrongBase(Exception):
    """A delta does not begin at the generation that it is to be applied to. The message names both."""


@contextmanager
def reading(name: str) -> Iterator[None]:
    """What shows that a member is not of its form is a BrokenBundle; what shows that the disk is full is not."""
    try:
        yield
    except _UNREADABLE as error:
        raise BrokenBundle(f"{name} cannot be read: {error}") from error
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN}:
            raise
        raise BrokenBundle(f"{name} cannot be read: {error}") from error
