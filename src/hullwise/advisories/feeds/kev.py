"""KEV: CISA's catalogue of known exploited vulnerabilities, one JSON document (cisa.gov/kev)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hullwise.advisories.aliases import is_cve
from hullwise.advisories.records import TEXT_LIMIT, Unparsable, Unused, cut, is_id, read_moment
from hullwise.domain.enrichment import KnownExploited

SOURCE = "kev"
DOCUMENT_LIMIT = 32 << 20
"""Bytes of the catalogue. The real one is about 1.5 MB."""
URL_LIMIT = 1_000

_PAGE = "https://www.cisa.gov/known-exploited-vulnerabilities-catalog"


class _Entry(msgspec.Struct, rename="camel"):
    cve_id: str = msgspec.field(default="", name="cveID")
    vulnerability_name: str | None = None
    date_added: str | None = None
    due_date: str | None = None
    required_action: str | None = None
    known_ransomware_campaign_use: str | None = None
    notes: str | None = None


class _Catalogue(msgspec.Struct, rename="camel"):
    vulnerabilities: list[_Entry]
    date_released: str | None = None
    count: int | None = None


_decoder = msgspec.json.Decoder(_Catalogue)


def parse(document: bytes) -> tuple[str, Iterator[KnownExploited | Unused]]:
    """When the catalogue was released, as `records.moment` writes it, and each CVE once.

    Raises Unparsable, also where there are not as many entries as the catalogue says. Dates in the future are kept,
    since a parser has no clock.
    """
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    try:
        catalogue = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    found = len(catalogue.vulnerabilities)
    if not found:
        raise Unparsable("names no vulnerability")
    if catalogue.count is not None and catalogue.count != found:
        raise Unparsable(f"{found} entries where it states {catalogue.count}")
    as_of = read_moment(catalogue.date_released or "")
    if not as_of:
        raise Unparsable("states no dateReleased")
    return as_of, _entries(catalogue.vulnerabilities)


def _entries(entries: list[_Entry]) -> Iterator[KnownExploited | Unused]:
    seen: set[str] = set()
    for entry in entries:
        added = read_moment(entry.date_added or "")[:10]
        if not (is_cve(entry.cve_id) and is_id(entry.cve_id)):
            yield Unused(entry.cve_id[:64], "no CVE id")
        elif entry.cve_id in seen:
            yield Unused(entry.cve_id, "named twice")
        elif not added:
            yield Unused(entry.cve_id, "date that is none")
        else:
            seen.add(entry.cve_id)
            yield KnownExploited(
                cve=entry.cve_id,
                name=cut(entry.vulnerability_name or "", 400),
                added=added,
                due=read_moment(entry.due_date or "")[:10],
                ransomware=(entry.known_ransomware_campaign_use or "").strip().lower() == "known",
                action=cut(entry.required_action or ""),
                url=_first_address(entry.notes or ""),
            )


def _first_address(notes: str) -> str:
    """Notes are addresses between semicolons, some with words before them."""
    words = notes[:TEXT_LIMIT].replace(";", " ").split()
    found = (word for word in words if word.startswith(("https://", "http://")) and len(word) <= URL_LIMIT)
    return next(found, _PAGE)
