"""CISA's catalogue is one JSON document (cisa.gov, known_exploited_vulnerabilities_schema.json)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwise.advisories.feeds import kev
from hullwise.advisories.records import Unparsable, Unused
from hullwise.domain.enrichment import KnownExploited

ENTRY = {
    "cveID": "CVE-2021-44228",
    "vendorProject": "Apache",
    "product": "Log4j2",
    "vulnerabilityName": "Apache Log4j2 Remote Code Execution Vulnerability",
    "dateAdded": "2021-12-10",
    "shortDescription": "Apache Log4j2 contains a vulnerability.",
    "requiredAction": "Mitigate it, or stop using the product.",
    "dueDate": "2021-12-24",
    "knownRansomwareCampaignUse": "Known",
    "notes": "https://nvd.nist.gov/vuln/detail/CVE-2021-44228",
    "cwes": ["CWE-20"],
}


def catalogue(*entries: dict[str, Any], **members: Any) -> bytes:
    whole = {
        "title": "CISA Catalog of Known Exploited Vulnerabilities",
        "catalogVersion": "2026.08.07",
        "dateReleased": "2026-08-07T16:45:47.0648Z",
        "count": len(entries),
        "vulnerabilities": list(entries),
    }
    return json.dumps({**whole, **members}).encode()


def entries(*changes: dict[str, Any]) -> list[KnownExploited | Unused]:
    return list(kev.parse(catalogue(*({**ENTRY, **change} for change in changes)))[1])


def test_an_entry_says_what_is_exploited_and_what_to_do() -> None:
    """Dates stay days; the catalogue's own moment is kept to the second."""
    as_of, found = kev.parse(catalogue(ENTRY))
    assert as_of == "2026-08-07T16:45:47Z"
    assert list(found) == [
        KnownExploited(
            cve="CVE-2021-44228",
            name="Apache Log4j2 Remote Code Execution Vulnerability",
            added="2021-12-10",
            due="2021-12-24",
            ransomware=True,
            action="Mitigate it, or stop using the product.",
            url="https://nvd.nist.gov/vuln/detail/CVE-2021-44228",
        )
    ]


@pytest.mark.parametrize(("word", "known"), [("Known", True), ("Unknown", False), ("", False), (None, False)])
def test_use_in_ransomware_is_known_or_not(word: str | None, known: bool) -> None:
    """Only the word `Known` says so; catalogues before October 2023 say nothing."""
    (found,) = entries({"knownRansomwareCampaignUse": word})
    assert isinstance(found, KnownExploited)
    assert found.ransomware is known


@pytest.mark.parametrize(
    ("notes", "url"),
    [
        ("https://a.example/1; https://b.example/2", "https://a.example/1"),
        ("https://a.example/1 ; BOD 26-04: https://b.example/2", "https://a.example/1"),
        ("Ask the vendor. https://a.example/1;https://b.example", "https://a.example/1"),
        ("javascript:alert(1)", "https://www.cisa.gov/known-exploited-vulnerabilities-catalog"),
        ("https://a.example/" + "x" * 2_000, "https://www.cisa.gov/known-exploited-vulnerabilities-catalog"),
        (None, "https://www.cisa.gov/known-exploited-vulnerabilities-catalog"),
    ],
)
def test_the_first_address_of_the_notes_is_shown(notes: str | None, url: str) -> None:
    """Notes list the vendor's page first; without one the catalogue itself is linked."""
    (found,) = entries({"notes": notes})
    assert isinstance(found, KnownExploited)
    assert found.url == url


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cveID": "CVE-21-1"}, "no CVE id"),
        ({"cveID": ""}, "no CVE id"),
        ({"cveID": "CVE-2021-" + "1" * 200}, "no CVE id"),
        ({"cveID": "CVE-2000-0001"}, "named twice"),
        ({"dateAdded": "2021-13-10"}, "date that is none"),
        ({"dateAdded": None}, "date that is none"),
    ],
)
def test_an_entry_that_says_nothing_is_counted(change: dict[str, Any], reason: str) -> None:
    """The others stay."""
    found = entries({"cveID": "CVE-2000-0001"}, change, {"cveID": "CVE-2000-0002"})
    assert [item.cve for item in found if isinstance(item, KnownExploited)] == ["CVE-2000-0001", "CVE-2000-0002"]
    assert [item.reason for item in found if isinstance(item, Unused)] == [reason]


def test_a_due_date_may_be_absent_and_dates_may_be_ahead() -> None:
    """A parser has no clock: what lies ahead is kept."""
    (found,) = entries({"dueDate": None, "dateAdded": "2999-01-01"})
    assert isinstance(found, KnownExploited)
    assert (found.due, found.added) == ("", "2999-01-01")


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b"<!DOCTYPE html><title>403</title>",
        catalogue(ENTRY)[:-40],
        catalogue(),
        catalogue(ENTRY, count=2),
        catalogue(ENTRY, dateReleased="yesterday"),
        catalogue(ENTRY, dateReleased=None),
        catalogue({**ENTRY, "cveID": 7}),
        catalogue(ENTRY, vulnerabilities={"0": ENTRY}),
        b'{"vulnerabilities": ' + b"[" * 100_000,
        b" " * (33 << 20),
    ],
    ids=range(13),
)
def test_what_is_no_catalogue_is_refused(document: bytes) -> None:
    """Pages of errors, halves and empty catalogues must not replace a whole one."""
    with pytest.raises(Unparsable):
        kev.parse(document)
