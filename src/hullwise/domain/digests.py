"""Content digests: the one place that parses, computes and compares them (OCI image spec, descriptor.md)."""

from __future__ import annotations

import hashlib
import re
from typing import Protocol

from hullwise.domain.errors import DigestMismatch, InvalidDigest

# Algorithm to the number of hex digits. Both are registered in the image spec.
ALGORITHMS = {"sha256": 64, "sha512": 128}

_PATTERN = re.compile(r"(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128})")


class Hash(Protocol):
    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


def check(digest: str) -> str:
    """The digest itself. Raises InvalidDigest unless it is a known algorithm with its lower-case hex digits."""
    if _PATTERN.fullmatch(digest) is None:
        raise InvalidDigest(digest)
    return digest


def is_digest(text: str) -> bool:
    return _PATTERN.fullmatch(text) is not None


def algorithm(digest: str) -> str:
    return digest.partition(":")[0]


def new_hash(name: str = "sha256") -> Hash:
    """A running hash of one of ALGORITHMS."""
    return hashlib.new(name)


def of(data: bytes, name: str = "sha256") -> str:
    return f"{name}:{hashlib.new(name, data).hexdigest()}"


def verify(stated: str, computed: str) -> None:
    """Raises DigestMismatch unless the two are the same. Every path that stores content passes here."""
    if stated != computed:
        raise DigestMismatch(stated, computed)
