"""Files of generations on their way: written apart, and thrown away where that fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction on a file that is thrown away where it fails."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "trusted_schema=OFF", "cache_size=-65536"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("BEGIN")
        yield db
        db.execute("COMMIT")
