"""What HTTP says about a document beside its bytes: validators, dates, ranges (RFC 9110).

Headers come from strangers: what is too long, not printable ASCII or not of the field's form counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

_LONGEST = 1024
_LONGEST_DATE = 64
# RFC 9110, 8.8.2.2: a date is a strong validator where the document was old enough when it was sent.
_SETTLED = timedelta(seconds=60)
_STRONG_TAG = re.compile('"[^"]+"')
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


class Validators(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which state of a document one has, as the server called it; empty where it said nothing."""

    etag: str = ""
    last_modified: str = ""

    def conditions(self) -> dict[str, str]:
        """Headers that ask for the document only where it is another one (RFC 9110, 13.1.2 and 13.1.3)."""
        asked = {"If-None-Match": printable(self.etag), "If-Modified-Since": printable(self.last_modified)}
        return {name: value for name, value in asked.items() if value}

    def updated(self, headers: Mapping[str, str]) -> Validators:
        """These, where an answer about the same state does not repeat them."""
        return Validators(
            printable(headers.get("etag", "")) or self.etag,
            printable(headers.get("last-modified", "")) or self.last_modified,
        )

    @property
    def modified(self) -> datetime | None:
        """When the document was last modified, in UTC, where that was said."""
        return moment(self.last_modified)


def printable(text: str) -> str:
    return text if len(text) <= _LONGEST and text.isascii() and text.isprintable() else ""


def strong(validators: Validators, headers: Mapping[str, str]) -> str:
    """What If-Range may hold (RFC 9110, 13.1.5), empty where nothing said is strong enough to join two parts."""
    if _STRONG_TAG.fullmatch(validators.etag):
        return validators.etag
    modified, sent = validators.modified, moment(headers.get("date", ""))
    # With an entity tag, even a weak one, the date is not to be used.
    if not validators.etag and modified and sent and sent - modified >= _SETTLED:
        return validators.last_modified
    return ""


def moment(text: str) -> datetime | None:
    """The time that an HTTP date names, in UTC."""
    if not text or len(text) > _LONGEST_DATE:
        return None
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from now, not below 0, where the server names a time to come back (RFC 9110, 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    then = moment(text)
    if then is None:
        return None
    # By the server's own clock where it tells it.
    now = moment(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (then - now).total_seconds())


def content_range(headers: Mapping[str, str]) -> tuple[int, int, int | None] | None:
    """First and last byte and the whole size, None for `*`, of a 206's single part (RFC 9110, 14.4)."""
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if match is None:
        return None
    first, last, whole = int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])
    if last < first or (whole is not None and whole <= last):
        return None
    return first, last, whole
