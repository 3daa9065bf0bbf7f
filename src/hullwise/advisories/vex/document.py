"""A VEX document in one form, whatever format it came in, and what all three formats share."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, TypeVar

import msgspec

from hullwise.advisories.records import Unparsable, Unused, cut, is_id
from hullwise.domain.overlays import Statement

DOCUMENT_LIMIT = 32 << 20
"""Bytes of one document. A large vendor's document on a widespread vulnerability is about 20 MB."""
STATEMENT_LIMIT = 100_000
"""Statements in one document, before and after they are taken apart."""
PAIR_LIMIT = 1_000_000
"""Pairs of a product and a package, pairs of a group and a member, and things that are left out, in one document. A
format in which lists refer to lists says as much as the product of their lengths; this is its end."""
DEPTH_LIMIT = 64
"""How deep products may be nested in each other. Vendors' trees are four to six deep."""
ALIAS_LIMIT = 100
"""Other ids of one vulnerability in one statement. Each finding is compared with all of them."""
NAME_LIMIT = 256
"""Characters of a document's id, author and version that are kept."""

Format = Literal["openvex", "csaf", "cyclonedx"]

T = TypeVar("T")


class Document(msgspec.Struct, frozen=True):
    """What one document says."""

    id: str
    """As its author writes it; empty where CycloneDX has none."""
    author: str
    version: str
    issued: str
    """RFC 3339 in UTC, or empty."""
    format: Format
    statements: tuple[Statement, ...]
    """In the document's order. Each has at least one product."""
    unused: tuple[Unused, ...]
    """Statements, or products of one, that are not used, and why; by the vulnerability's id, or empty where it has
    none."""

    def complaints(self, most: int) -> list[str]:
        """What of it is not used, by vulnerability, and why: `most` lines, and how many more there are. Empty where all
        of it is used."""
        lines = [
            f"{id or 'a statement'}: {reason}" + (f" ({count} times)" if count > 1 else "")
            for (id, reason), count in Counter((each.id, each.reason) for each in self.unused).items()
        ]
        if not self.statements:
            lines.insert(0, "none of its statements can be used")
        return lines if len(lines) <= most else [*lines[:most], f"and {len(lines) - most:,} more"]


@dataclasses.dataclass(slots=True)
class Tally:
    """What has been read of one document so far. Its methods raise Unparsable where it becomes too much."""

    statements: list[Statement] = dataclasses.field(default_factory=list)
    unused: list[Unused] = dataclasses.field(default_factory=list)
    pairs: int = 0

    def add(self, statement: Statement) -> None:
        """Take it in, or leave it out where it has too many names."""
        if len(statement.aliases) > ALIAS_LIMIT:
            self.leave_out(statement.vulnerability, f"names over {ALIAS_LIMIT} ids")
            return
        within_limit(len(self.statements) + 1, STATEMENT_LIMIT, "statements")
        self.statements.append(statement)

    def leave_out(self, vulnerability: str, reason: str) -> None:
        self.count(1)
        self.unused.append(Unused(vulnerability, reason))

    def count(self, pairs: int) -> None:
        self.pairs += pairs
        within_limit(self.pairs, PAIR_LIMIT, "products")


def within_limit(number: int, limit: int, what: str) -> None:
    """Raises Unparsable where there are more."""
    if number > limit:
        raise Unparsable(f"over {limit} {what}")


def decode(document: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The document as `decoder` reads it. Raises Unparsable where it is too long, no JSON, or of another shape."""
    within_limit(len(document), DOCUMENT_LIMIT, "bytes")
    try:
        # RFC 8259, 8.1: a byte order mark may be ignored, and editors write it.
        return decoder.decode(document.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error


def decode_part(part: msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T | None:
    """One statement of a document; None where it is of another shape, so that the others can be used."""
    try:
        return decoder.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def usable_ids(names: Iterable[str | None]) -> tuple[str, ...]:
    """Those that may name a vulnerability, each once, in order."""
    return tuple(dict.fromkeys(name for name in names if name is not None and is_id(name)))


def walk(roots: Sequence[T], inside: Callable[[T], Sequence[T]]) -> Iterator[T]:
    """Each of a nested whole, level by level. Raises Unparsable where they are too deep or too many."""
    level, depth, number = roots, 1, 0
    while level:
        number += len(level)
        within_limit(depth, DEPTH_LIMIT, "levels of products")
        within_limit(number, PAIR_LIMIT, "products")
        yield from level
        level, depth = [part for whole in level for part in inside(whole)], depth + 1


def short(text: str) -> str:
    return cut(text, NAME_LIMIT)
