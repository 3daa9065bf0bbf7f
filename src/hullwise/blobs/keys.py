"""The names of stored objects; nothing else makes any."""

# segments/
#     3f/
#         3fa9…e1-000001             what one upload request sent: the first of upload 3fa9…e1
#         3fa9…e1-000002
# generations/
#     9b74…0c.sqlite                 one generation of advisories, named by its sha256
# probes/
#     71d0…55                        lives for the moment in which a server's capabilities are tried out
#
# Upload ids are random, so the first byte of one spreads segments evenly over 256 folders: a new one costs a push two
# syncs, and with 65,536 nearly every push made one. What is stored under a key never changes; only the database says
# which objects are in use.

from __future__ import annotations

import re
import secrets

from hullwise.blobs.errors import InvalidKey

MAX_LENGTH = 256
PROBES = "probes/"
"""How a key begins of an object that lives for a moment."""

# A part is well below the 255 bytes that file systems give a name. No part begins with a dot, which leaves such names
# to the folder backend.
_PART = "[a-z0-9][a-z0-9._-]{0,127}"
_KEY = re.compile(f"{_PART}(?:/{_PART})*")
_UPLOAD_ID = re.compile("[0-9a-f]{32}")
_SHA256 = re.compile("(?:sha256:)?([0-9a-f]{64})")


def segment(upload_id: str, ordinal: int) -> str:
    """Key of the `ordinal`-th segment of an upload, whose id is 32 lower-case hex digits; else `InvalidKey`."""
    if not _UPLOAD_ID.fullmatch(upload_id) or ordinal < 0:
        raise InvalidKey(f"{upload_id}-{ordinal}")
    return f"segments/{upload_id[:2]}/{upload_id}-{ordinal:06d}"


def generation(digest: str) -> str:
    """Key of the generation file with this sha256 (64 hex digits, with or without `sha256:`); else `InvalidKey`."""
    found = _SHA256.fullmatch(digest)
    if not found:
        raise InvalidKey(digest)
    return f"generations/{found[1]}.sqlite"


def probe() -> str:
    """A key that nobody else uses."""
    return f"{PROBES}{secrets.token_hex(16)}"


def is_valid(key: str) -> bool:
    """Whether `key` could name an object: parts of `a-z 0-9 . _ -` joined by `/`, at most 256 characters."""
    return len(key) <= MAX_LENGTH and ".." not in key and _KEY.fullmatch(key) is not None


def checked(key: str) -> str:
    """`key` itself, or `InvalidKey`."""
    if not is_valid(key):
        raise InvalidKey(key)
    return key
