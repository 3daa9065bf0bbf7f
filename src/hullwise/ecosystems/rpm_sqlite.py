"""rpm's database in SQLite (`rpmdb.sqlite`, rpm 4.16 and later): the headers of its table `Packages`.

The file may be hostile: SQLite gets it as bytes of memory, runs nothing that its schema says, and is stopped when it
gives more than the file holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from hullwise.ecosystems.ecosystem import Unreadable

MAGIC = b"SQLite format 3\0"

# "Database File Format", 1.3: write and read version, 2 for a write-ahead log. rpm always writes with one, and it is
# another file: SQLite would look for it, and opens no memory in this mode.
_VERSIONS = slice(18, 20)
_WITHOUT_LOG = b"\x01\x01"

_LONGEST_HEADER = 64 << 20
"""Bytes; each is held twice. A package of a hundred thousand files has a quarter of it."""

_STEPS = 1_000_000
"""Instructions of SQLite's machine after which one question ends in an error; a row takes four."""


def headers(data: bytes) -> Iterator[bytes]:
    """The header of each row. Raises `Unreadable` where SQLite finds damage, or `Packages` is no plain table."""
    import sqlite3

    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_HEADER)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_progress_handler(lambda: True, _STEPS)
        connection.text_factory = bytes
        # The joined bytes are gone when SQLite has its copy.
        connection.deserialize(b"".join((data[: _VERSIONS.start], _WITHOUT_LOG, data[_VERSIONS.stop :])))
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA cell_size_check = ON")
        # Only what a plain table stores is taken: a view or a generated column may compute without an end.
        plain = connection.execute(
            "SELECT count(*) FROM sqlite_master WHERE name = 'Packages' AND type = 'table' AND rootpage > 0"
        ).fetchone()
        columns = connection.execute("SELECT name, hidden FROM pragma_table_xinfo('Packages')").fetchall()
        if plain != (1,) or not any(name == b"blob" for name, _ in columns) or any(hidden for _, hidden in columns):
            raise Unreadable("no table of packages")
        for (blob,) in connection.execute("SELECT blob FROM Packages"):
            if isinstance(blob, bytes):
                yield blob
    # A message that quotes names of the schema may not be UTF-8, and is not repeated.
    except (sqlite3.Error, UnicodeError) as error:
        raise Unreadable(f"SQLite says {getattr(error, 'sqlite_errorname', type(error).__name__)}") from error
    finally:
        connection.close()
