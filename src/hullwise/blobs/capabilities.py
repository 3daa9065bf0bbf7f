"""What a backend offers beyond storing and reading whole objects."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import S3Store

from hullwise.blobs import keys
from hullwise.blobs.translation import translated


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one backend can do by itself; what it lacks is done another way."""

    ranged_read: bool
    """A part of an object can be asked for; without it, reads begin at the first byte and skip."""

    put_if_absent: bool
    """The backend itself refuses to write over an object; without it, we look first and then write."""

    presign: bool
    """A client can be sent to the backend with a signed URL; without it, all bytes pass through us."""


# As found by `probe` against obstore 0.12.1, except `aws`, which is as Amazon documents S3. `rclone serve s3` 1.75
# answers a ranged GET with status 200, which obstore refuses, and ignores If-None-Match on PUT.
KNOWN = MappingProxyType(
    {
        "folder": Capabilities(ranged_read=True, put_if_absent=True, presign=False),
        "aws": Capabilities(ranged_read=True, put_if_absent=True, presign=True),
        "moto": Capabilities(ranged_read=True, put_if_absent=True, presign=True),
        "rclone": Capabilities(ranged_read=False, put_if_absent=False, presign=True),
    }
)

_PATTERN = b"0123456789"


def probe(store: S3Store) -> Capabilities:
    """What the server behind `store` really does, tried on a small object that is gone afterwards.

    Raises `StorageUnavailable` where it can not be written, read and deleted."""
    key = keys.probe()
    with translated(key):
        obstore.put(store, key, _PATTERN)
        try:
            return Capabilities(
                ranged_read=_reads_ranges(store, key),
                put_if_absent=_refuses_to_overwrite(store, key),
                presign=True,  # obstore signs here, by itself; whoever verifies signatures at all verifies these
            )
        finally:
            obstore.delete(store, key)


# An error speaks against the capability only if the plain form of the same request then works; else it is the server's.


def _reads_ranges(store: S3Store, key: str) -> bool:
    try:
        part = obstore.get(store, key, options={"range": (2, 5)}).bytes()
    except ObstoreError:
        obstore.get(store, key).bytes()
        return False
    return part.to_bytes() == _PATTERN[2:5]


def _refuses_to_overwrite(store: S3Store, key: str) -> bool:
    try:
        obstore.put(store, key, _PATTERN, mode="create")
    except AlreadyExistsError:
        return True
    except ObstoreError:
        obstore.put(store, key, _PATTERN)
    return False
