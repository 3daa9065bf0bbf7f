"""How documents name their image, and what they make of times and links. Expected values: RFC 3339, RFC 3986, purl."""

from __future__ import annotations

import pytest

from hullwise.documents.subject import Subject, url, utc
from tests.support.documents import DIGEST


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-10-12T17:15:09Z", "2023-10-12T17:15:09Z"),
        ("2023-10-12T17:15:09.999999999Z", "2023-10-12T17:15:09Z"),
        ("2023-10-12T01:15:09+02:00", "2023-10-11T23:15:09Z"),
        ("2023-10-12", "2023-10-12T00:00:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", ""),
        ("9999-12-31T23:59:59-12:00", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_times(text: str, expected: str) -> None:
    """UTC in whole seconds; empty where there is no such time, or the year is the 1 of reproducible builds."""
    assert utc(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org", "https://example.org"),
        ("http://example.org:8080/a(b)?c=d&e#f", "http://example.org:8080/a(b)?c=d&e#f"),
        (" https://example.org/a b[c]|d ", "https://example.org/a%20b%5Bc%5D%7Cd"),
        ("https://example.org/%41%zz", "https://example.org/%41%25zz"),
        ("https://example.org/ü", "https://example.org/%C3%BC"),
        ("https://example.org/#a#b", ""),
        ("https://", ""),
        ("https:///path", ""),
        ("javascript:alert(1)", ""),
        ("ftp://example.org/", ""),
        ("CVE-2023-1", ""),
        ("https://example.org/" + "a" * 2_048, ""),
        ("", ""),
    ],
    ids=range(13),
)
def test_links(text: str, expected: str) -> None:
    """What RFC 3986 does not let stand is escaped; what is no address of the web is none."""
    assert url(text) == expected


@pytest.mark.parametrize(
    ("subject", "purl", "ref"),
    [
        (
            Subject("app:1", DIGEST, "registry.example:5000/Team/App"),
            f"pkg:oci/app@{DIGEST}?repository_url=registry.example:5000/Team/App",
            f"pkg:oci/app@{DIGEST}?repository_url=registry.example:5000/Team/App",
        ),
        (Subject("image.tar", DIGEST), "", f"image:{DIGEST}"),
        (Subject("/mnt/root", ""), "", "image:/mnt/root"),
        (Subject("app", "sha256:12", "team/app"), "", "image:sha256:12"),
    ],
    ids=["in a registry", "archive", "folder", "no digest"],
)
def test_names(subject: Subject, purl: str, ref: str) -> None:
    """A package URL where it is in a repository; else its digest or its name is what documents refer to."""
    assert (subject.purl, subject.ref) == (purl, ref)
