"""The rows of a table in a file: the same for both engines, written and read in bounded memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from hullwise.store import compression, engine
from hullwise.store.compression import StoredBodyDamaged
from hullwise.upkeep.errors import BrokenBackup
from hullwise.upkeep.manifest import Column, Kind, Table

_PIECE = 1 << 20
_LINE = 512 << 20
"""Bytes that a row may have: stored bodies are far below."""
# Rows that PostgreSQL hands over at a time: those with bytes may have megabytes each.
_ROWS, _ROWS_OF_BYTES = 2_000, 8

_TYPES: dict[Kind, Any] = {"text": str, "number": int, "real": float, "bytes": bytes}


def path(folder: Path, table: str) -> Path:
    return folder / f"{table}.jsonl.zst"


def _kind(column: sa.Column[Any]) -> Kind:
    if isinstance(column.type, sa.LargeBinary):
        return "bytes"
    if isinstance(column.type, sa.Text):
        return "text"
    return "real" if isinstance(column.type, sa.Float) else "number"


def write(tx: sa.Connection, table: sa.Table, folder: Path) -> Table:
    """All rows that the transaction sees, in a new file that is durable when this returns."""
    columns = tuple(Column(str(column.name), _kind(column)) for column in table.columns)
    count = size = 0
    running = hashlib.sha256()

    def lines() -> Iterator[bytes]:
        nonlocal count
        encoder = msgspec.json.Encoder()
        piece = bytearray()
        batch = _ROWS_OF_BYTES if any(column.kind == "bytes" for column in columns) else _ROWS
        ordered = sa.select(table).order_by(*table.primary_key)
        for row in tx.execute(ordered, execution_options={"yield_per": batch}):
            piece += encoder.encode(tuple(row)) + b"\n"
            count += 1
            if len(piece) >= _PIECE:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece)

    with path(folder, table.name).open("xb") as file:
        for packed in compression.pack_stream(lines()):
            file.write(packed)
            running.update(packed)
            size += len(packed)
        file.flush()
        os.fsync(file.fileno())
    last = engine.last_id(tx, table) if engine.counted(table) else None
    return Table(str(table.name), columns, count, size, running.hexdigest(), last)


def read(folder: Path, table: Table) -> Iterator[tuple[Any, ...]]:
    """Its rows. Raises BrokenBackup for what is no row of these columns, and at the end where there are more or
    fewer."""
    decoder = msgspec.json.Decoder(tuple[tuple(_TYPES[column.kind] | None for column in table.columns)])  # type: ignore[misc]
    count = 0
    try:
        for line in compression.unpacked_lines(path(folder, table.name), _LINE):
            yield decoder.decode(line)
            count += 1
    except (msgspec.DecodeError, StoredBodyDamaged, FileNotFoundError, RecursionError) as error:
        raise BrokenBackup(f"{table.name}: {error}") from error
    if count != table.rows:
        raise BrokenBackup(f"{table.name} has {count} rows, not {table.rows}")


def verify(folder: Path, table: Table) -> None:
    """Raises BrokenBackup unless the file is the one that was written, and each of its rows can be read."""
    try:
        with path(folder, table.name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise BrokenBackup(f"the rows of {table.name} are missing") from error
    if found != table.sha256:
        raise BrokenBackup(f"the rows of {table.name} were changed")
    for _ in read(folder, table):
        pass
