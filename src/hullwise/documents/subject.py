"""The image that a document is about, and the few texts that all documents write in the same way."""

from __future__ import annotations

import functools
import hashlib
import re
import uuid
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec

from hullwise.domain.digests import is_digest
from hullwise.domain.moments import moment

_NAMESPACE = uuid.UUID("0286b414-bdfa-49ff-9446-0b62cae2d87b")
"""Of the version 5 UUIDs of documents. Never to be changed: the same document has the same name for ever."""

# What RFC 3986 lets stand in a URL. A `%` stands where two hex digits follow it.
_UNRESERVED_AND_RESERVED = "!#$&'()*+,/:;=?@-._~%"
_PLAIN = re.compile(r"[A-Za-z0-9!#$&'()*+,/:;=?@._~-]*")
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_URL = re.compile(r"https?://[A-Za-z0-9._~%-]+(?::[0-9]{1,5})?(?:[/?][^#]*)?(?:#[^#]*)?")

_FIRST_YEAR = 1970

LONGEST_URL = 2_048
"""Characters. A longer one is left out."""


class Subject(msgspec.Struct, frozen=True):
    """An image, as its documents name it."""

    name: str
    """What people call it: `team/app:1.0`, or the path of an archive."""
    digest: str
    """Of its manifest, or empty: a root file system has none."""
    repository: str = ""
    """With the registry's host where that is known: `registry.example/team/app`; empty: it is in none."""
    tags: tuple[str, ...] = ()
    created: str = ""
    """When it was built, as its config says: RFC 3339, or empty."""

    @property
    def purl(self) -> str:
        """Its package URL (purl type `oci`); empty where it has no digest or is in no repository.

        Tags are left out: they move, and a digest alone says which image is meant."""
        last = self.repository.rpartition("/")[2].lower()
        if not last or not is_digest(self.digest):
            return ""
        at = quote(self.repository, safe="/:")
        return f"pkg:oci/{quote(last, safe=':')}@{self.digest}?repository_url={at}"

    @property
    def ref(self) -> str:
        """What its own documents refer to it by."""
        return self.purl or f"image:{self.digest or self.name}"

    @property
    def built(self) -> str:
        """When it was built, as `utc` writes it."""
        return utc(self.created)


@functools.lru_cache(maxsize=1024)
def utc(text: str) -> str:
    """An RFC 3339 time as every document's schema takes it: UTC, in whole seconds. Empty where it is none."""
    try:
        found = datetime.fromisoformat(text)
        said = moment(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return ""
    # Images that are built to be reproducible say the year 1, which is no time at all.
    return said if found.year >= _FIRST_YEAR else ""


@functools.lru_cache(maxsize=1024)
def url(text: str) -> str:
    """A link of an advisory as RFC 3986 writes it, in ASCII. Empty where it is no URL of the web."""
    if len(text) > LONGEST_URL:
        return ""
    escaped = text.strip()
    if not _PLAIN.fullmatch(escaped):
        escaped = quote(_LONE_PERCENT.sub("%25", escaped), safe=_UNRESERVED_AND_RESERVED)
    return escaped if _URL.fullmatch(escaped) else ""


def name_of(content: bytes) -> uuid.UUID:
    """The UUID of a document with this content."""
    return uuid.uuid5(_NAMESPACE, hashlib.sha256(content).hexdigest())
