"""What leads from one generation to the next, record by record.

    frame   length of what follows, 4 bytes, big-endian │ MessagePack array of Change

The changes of all frames together are sorted by source and id, and each record comes once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import msgspec

from hullwise.advisories import matching
from hullwise.advisories.bundle.failures import BrokenBundle
from hullwise.advisories.generation import claim_decoder, record_decoder
from hullwise.advisories.records import Record

FRAME_LIMIT = 64 << 20
"""Bytes of a frame, and so of a changed record with its packages. The largest ones met have 3 MB."""
_FRAME = 1 << 20
"""Bytes from which on a frame is full."""
_OVERHEAD = 512
"""Bytes at least as many as what a frame has beside its changes."""


class Change(msgspec.Struct, frozen=True, array_like=True):
    """What is now to be said about one record of a source."""

    source: str
    id: str
    record: Record | None
    """With the packages that it speaks of; None: there is none, or no more."""
    mark: bytes
    """Of the document that it was made of, which may have held more than is used."""
    unused: tuple[tuple[str, Annotated[int, msgspec.Meta(ge=1, le=1 << 48)]], ...]
    """(reason, parts) of what is not used of it."""


_changes_decoder = msgspec.msgpack.Decoder(list[Change])
_encoder = msgspec.msgpack.Encoder()

_TOUCHED = """
CREATE TEMP TABLE differing AS
    SELECT n.namespace, n.name FROM new.names AS n
    LEFT JOIN old.names AS o ON o.namespace = n.namespace AND o.name = n.name WHERE o.fingerprint IS NOT n.fingerprint
    UNION ALL SELECT o.namespace, o.name FROM old.names AS o
    WHERE NOT EXISTS (SELECT 1 FROM new.names AS n WHERE n.namespace = o.namespace AND n.name = o.name);
CREATE TEMP VIEW old_claims AS
    SELECT r.source, r.record, c.namespace, c.name, c.body FROM differing AS d
    JOIN old.claims AS c ON c.namespace = d.namespace AND c.name = d.name JOIN old.records AS r ON r.id = c.record;
CREATE TEMP VIEW new_claims AS
    SELECT r.source, r.record, c.namespace, c.name, c.body FROM differing AS d
    JOIN new.claims AS c ON c.namespace = d.namespace AND c.name = d.name JOIN new.records AS r ON r.id = c.record;
CREATE TEMP TABLE touched (source TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (source, record)) WITHOUT ROWID;
INSERT OR IGNORE INTO touched
    SELECT n.source, n.record FROM new.records AS n
    LEFT JOIN old.records AS o ON o.record = n.record AND o.source = n.source WHERE o.mark IS NOT n.mark;
INSERT OR IGNORE INTO touched
    SELECT o.source, o.record FROM old.records AS o
    WHERE NOT EXISTS (SELECT 1 FROM new.records AS n WHERE n.record = o.record AND n.source = o.source);
INSERT OR IGNORE INTO touched SELECT source, record FROM (SELECT * FROM new.unused EXCEPT SELECT * FROM old.unused);
INSERT OR IGNORE INTO touched SELECT source, record FROM (SELECT * FROM old.unused EXCEPT SELECT * FROM new.unused);
INSERT OR IGNORE INTO touched SELECT source, record FROM (SELECT * FROM new_claims EXCEPT SELECT * FROM old_claims);
INSERT OR IGNORE INTO touched SELECT source, record FROM (SELECT * FROM old_claims EXCEPT SELECT * FROM new_claims);
"""
"""Records that a delta speaks of: of another document, with other parts unused, or (made under older rules and of the
same document) with other claims."""


def find_touched(db: sqlite3.Connection) -> None:
    """Collect the records that a delta speaks of, for `count_touched` and `changes`. `db` has both generations, as
    `difference.both` gives it."""
    db.executescript(_TOUCHED)


def count_touched(db: sqlite3.Connection, *sides: str) -> int:
    """Touched records that are in all of these files."""
    joins = (f"JOIN {side}.records AS {side} USING (source, record)" for side in sides)
    return int(db.execute(f"SELECT count(*) FROM touched {' '.join(joins)}").fetchone()[0])  # noqa: S608 - constants


def changes(db: sqlite3.Connection) -> Iterator[Change]:
    """What `new` says of each touched record, sorted by source and id."""
    record = "SELECT id, mark, body FROM new.records WHERE record = ? AND source = ?"
    claims = "SELECT namespace, name, body FROM new.claims WHERE record = ? ORDER BY ordinal"
    unused = "SELECT reason, parts FROM new.unused WHERE source = ? AND record = ? ORDER BY reason"
    for source, name in db.execute("SELECT source, record FROM touched ORDER BY source, record"):
        row = db.execute(record, (name, source)).fetchone()
        found, mark = None, b""
        if row is not None:
            number, mark, body = row
            affected = tuple(
                matching.affected(claim_decoder.decode(claim), namespace, package)
                for namespace, package, claim in db.execute(claims, (number,))
            )
            found = msgspec.structs.replace(record_decoder.decode(body), affected=affected)
        yield Change(source, name, found, mark, tuple(db.execute(unused, (source, name))))


def frames(changed: Iterable[Change]) -> Iterator[bytes]:
    """The payload of a delta, a frame at a time. Raises BrokenBundle for a record that is too large for one."""
    waiting: list[msgspec.Raw] = []
    size = 0
    for change in changed:
        encoded = _encoder.encode(change)
        if len(encoded) > FRAME_LIMIT - _FRAME - _OVERHEAD:
            raise BrokenBundle(f"record {change.id} of {change.source} is too large for a delta ({len(encoded)} bytes)")
        waiting.append(msgspec.Raw(encoded))
        size += len(encoded)
        if size >= _FRAME:
            yield _frame(waiting)
            waiting, size = [], 0
    if waiting:
        yield _frame(waiting)


def _frame(encoded: Sequence[msgspec.Raw]) -> bytes:
    body = _encoder.encode(encoded)
    return len(body).to_bytes(4, "big") + body


def read_changes(payload: Iterable[bytes]) -> Iterator[Change]:
    """The changes in an unpacked payload, sorted by source and id, each once. Raises BrokenBundle where they are
    not so, or a frame is too large or cut off; msgspec.MsgspecError where one holds something else."""
    last = ("", "")
    for frame in _read_frames(payload):
        for change in _changes_decoder.decode(frame):
            at = (change.source, change.id)
            if at <= last:
                raise BrokenBundle(f"the changes are not in order at {change.id[:128]!r}")
            if change.record is not None and (change.record.source, change.record.id) != at:
                raise BrokenBundle(f"the change of {change.id[:128]!r} is of another record")
            last = at
            yield change


def _read_frames(pieces: Iterable[bytes]) -> Iterator[bytes]:
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= 4:
            size = int.from_bytes(buffer[:4], "big")
            if size > FRAME_LIMIT:
                raise BrokenBundle(f"a frame says that it has {size} bytes, of {FRAME_LIMIT} at most")
            if len(buffer) < 4 + size:
                break
            frame = bytes(buffer[4 : 4 + size])
            del buffer[: 4 + size]
            yield frame
    if buffer:
        raise BrokenBundle("the last frame is cut off")
