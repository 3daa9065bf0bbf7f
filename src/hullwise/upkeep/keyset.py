"""A set of keys of any number, in a file that is gone with the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

_BATCH = 1_000


class KeySet:
    """Keys with a size each."""

    def __init__(self) -> None:
        # SQLite's own name for a private file, which it deletes.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("CREATE TABLE keys (key TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._db.close()

    def add(self, keys: Iterable[tuple[str, int]]) -> None:
        """Those that are there already keep their size."""
        self._db.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", keys)

    def remove(self, keys: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM keys WHERE key = ?", ((key,) for key in keys))

    def total(self) -> tuple[int, int]:
        """How many, and their sizes together."""
        count, size = self._db.execute("SELECT count(*), coalesce(sum(size), 0) FROM keys").fetchone()
        return count, size

    def __contains__(self, key: str) -> bool:
        return self._db.execute("SELECT 1 FROM keys WHERE key = ?", (key,)).fetchone() is not None

    def __iter__(self) -> Iterator[str]:
        for (key,) in self._db.execute("SELECT key FROM keys ORDER BY key"):
            yield key
