"""Rows put into the metadata database directly, many at a time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import sqlalchemy as sa

from hullwise.store.engine import Database

_CHUNK = 5_000


def insert(database: Database, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert the rows, in one transaction. All have the same columns."""
    waiting = iter(rows)
    with database.write() as tx:
        while chunk := list(islice(waiting, _CHUNK)):
            tx.execute(table.insert(), chunk)
