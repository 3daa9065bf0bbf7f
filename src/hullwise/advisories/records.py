"""Advisory records in one form, whatever feed they came with."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from hullwise.domain.moments import moment
from hullwise.domain.vulnerabilities import SeverityClaim, State

TEXT_LIMIT = 4_000
"""Characters of summary and details that are kept."""
REFERENCE_LIMIT = 20

_VALUES = 100_000
"""Values that any document may have."""

_ID = re.compile(r"[!-~]{1,128}")


class Interval(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Versions from `introduced` on, up to `end`."""

    # Every field is written: msgspec leaves a default out by its identity, and the text `0` that was read is another
    # object than the one here. What is canonical must not depend on that.

    introduced: str = "0"
    """First affected version; `0` is below every version (OSV schema, `introduced`)."""
    end: str = ""
    """Where it ends; empty: it does not."""
    closed: bool = False
    """Whether `end` itself is affected (OSV's `last_affected`) or is the fix (`fixed`)."""

    unfixed: bool = False
    """`end` is where the known range ends, and no fix even where it is not affected itself."""
    release: str = ""
    """The fix, where the range ends below its pre-releases: `end` is then the lowest of these. Empty: `end` is it."""

    @property
    def fixed(self) -> str:
        """The version that fixes it, or empty where none is known."""
        return "" if self.closed or self.unfixed else self.release or self.end

    def __str__(self) -> str:
        start = "" if self.introduced == "0" else f">= {self.introduced}"
        end = f"{'<=' if self.closed else '<'} {self.end}" if self.end else ""
        return f"{start}, {end}" if start and end else start or end or "all versions"


ANY_MODULE = "*"
"""In the place of a module's name and stream, where nothing tells them."""


class Affected(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One package that a record speaks of."""

    namespace: str
    name: str
    intervals: tuple[Interval, ...] = ()
    versions: tuple[str, ...] = ()
    """Versions that are affected whatever the intervals say."""
    state: State = "fixed"
    """What the vendor does where no interval names a fix; `fixed` where each does."""
    unaffected: bool = False
    """The vendor says that the package is not affected at all."""
    severity: tuple[SeverityClaim, ...] = ()
    architectures: tuple[str, ...] = ()
    """As the package database spells them; empty: all. A package for every architecture (`noarch`) is always meant."""
    module: str = ""
    """`name:stream` of the rpm module whose packages alone are meant; ANY_MODULE: those of some module; empty: only
    packages of no module are."""
    of_source: bool = False
    """It names a source package, and holds for every package built from it; where it names versions, they are the
    source package's. Only by publishers whose advisories otherwise name the packages that are installed."""
    extended: str = ""
    """From which version on builds of Ubuntu's extended maintenance have a fix that no other build gets. Never named as
    a fix; empty: there is none."""
    built: tuple[str, ...] = ()
    """Versions below the fix that have it too: builds for the same minor release of Red Hat's have it from there on."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One advisory of one source."""

    id: str
    source: str
    """The feed, and the part of it that is replaced as a whole: `osv`, `alpine-secdb/v3.11/main`."""
    affected: tuple[Affected, ...]
    aliases: tuple[str, ...] = ()
    published: str = ""
    """As `moment` writes it, or empty."""
    modified: str = ""
    summary: str = ""
    details: str = ""
    severity: tuple[SeverityClaim, ...] = ()
    references: tuple[str, ...] = ()
    url: str = ""
    """The page of the record itself."""
    licence: str = ""
    """As the record itself states it, or empty: its publisher's counts then (`credits`)."""
    upstream: tuple[str, ...] = ()
    """Ids of the vulnerabilities that it takes care of, sorted. A direction, never a merge (OSV schema, `upstream`)."""


class Unparsable(Exception):
    """A document is not of its feed's form. The message says why."""


class Unused(msgspec.Struct, frozen=True):
    """A record, or a part of one, that was read and is not used. Nothing is dropped in silence."""

    id: str
    reason: str
    """One of few texts, so that they can be counted."""


def not_crowded(document: bytes, length: int) -> None:
    """Raises Unparsable where JSON has more than one value for each `length` bytes, beyond the first 100,000 of them: a
    list of ones takes forty times its own length when it is decoded. Real records have one in 20 to 50 bytes."""
    if document.count(b",") > _VALUES + len(document) // length:
        raise Unparsable("has too many values for its length")


def is_id(text: str) -> bool:
    """Whether the text may name a record or a vulnerability: printable, without blanks, 128 characters at most."""
    return _ID.fullmatch(text) is not None


def spellings_of(name: str) -> list[str]:
    """The id as given, then in the cases that ids are written in: `CVE-2024-1`, `GHSA-aaaa-bbbb-cccc`; each once."""
    prefix, dash, rest = name.partition("-")
    return list(dict.fromkeys((name, name.upper(), f"{prefix.upper()}{dash}{rest.lower()}")))


def read_moment(text: str) -> str:
    """A feed's date as `moment` writes it; empty for what is no date, and for year 1, which means none."""
    try:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return moment(found) if found.year > 1 else ""
    except (ValueError, OverflowError):
        return ""


def cut(text: str, limit: int = TEXT_LIMIT) -> str:
    """At most `limit` characters, ending in an ellipsis where something was left out. Without NUL characters, which
    PostgreSQL keeps in no text."""
    text = text[: 2 * limit].replace("\0", "") if "\0" in text else text
    return text if len(text) <= limit else text[: limit - 1] + "…"
