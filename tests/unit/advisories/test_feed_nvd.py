"""NVD's JSON 2.0 brings severities and texts (csrc.nist.gov/schema/nvd/api/2.0/cve_api_json_2.0.schema)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwise.advisories.feeds import nvd
from hullwise.advisories.records import Record, Unparsable, Unused
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim

# Base scores of the specifications' examples and of NVD's page on CVE-2021-44228.
V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"
V30 = "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V2 = "AV:N/AC:M/Au:N/C:C/I:C/A:C"


def metric(vector: str, source: str = "nvd@nist.gov", kind: str = "Primary") -> dict[str, Any]:
    return {"source": source, "type": kind, "cvssData": {"version": "3.1", "vectorString": vector, "baseScore": 10.0}}


def cve(**members: Any) -> dict[str, Any]:
    whole = {
        "id": "CVE-2021-44228",
        "sourceIdentifier": "security@apache.org",
        "published": "2021-12-10T10:15:09.143",
        "lastModified": "2025-10-27T17:40:33.680",
        "vulnStatus": "Analyzed",
        "descriptions": [{"lang": "es", "value": "Log4j"}, {"lang": "en", "value": "JNDI features do not protect."}],
        "metrics": {},
        "weaknesses": [{"source": "nvd@nist.gov", "type": "Primary", "description": []}],
        "configurations": [{"nodes": [{"operator": "OR", "negate": False, "cpeMatch": []}]}],
    }
    return {"cve": {**whole, **members}}


def feed(*items: Any) -> bytes:
    whole = {
        "resultsPerPage": len(items),
        "startIndex": 0,
        "totalResults": len(items),
        "format": "NVD_CVE",
        "version": "2.0",
        "timestamp": "2026-11-23T03:00:01.123",
        "vulnerabilities": list(items),
    }
    return json.dumps(whole).encode()


def parse(*items: Any) -> list[Record | Unused]:
    """What is not used of each item, then its record."""
    found = nvd.parse(feed(*items))
    return [part for item in found for part in (*item.unused, item.record) if part is not None]


def severity(metrics: dict[str, Any]) -> tuple[SeverityClaim, ...]:
    (found,) = parse(cve(metrics=metrics))
    assert isinstance(found, Record)
    return found.severity


def test_a_cve_is_a_record_without_packages() -> None:
    """Texts, dates in UTC and the page; NVD's ranges are of products."""
    assert parse(cve(metrics={"cvssMetricV31": [metric(V31)]})) == [
        Record(
            id="CVE-2021-44228",
            source="nvd",
            affected=(),
            published="2021-12-10T10:15:09Z",
            modified="2025-10-27T17:40:33Z",
            summary="JNDI features do not protect.",
            severity=(SeverityClaim("NVD", "CVSS_V3", V31, Severity.CRITICAL, 10.0),),
            url="https://nvd.nist.gov/vuln/detail/CVE-2021-44228",
        )
    ]


def test_every_metric_is_a_claim_and_the_primary_ones_come_first() -> None:
    """Of those that NVD marks alike version 3.1 is first, then 3.0, then 4, then 2."""
    found = severity(
        {
            "cvssMetricV2": [metric(V2)],
            "cvssMetricV30": [metric(V30, "security@apache.org", "Secondary")],
            "cvssMetricV31": [metric(V31, "cve@mitre.org", "Secondary"), metric(V31)],
        }
    )
    assert [(claim.source, claim.kind, claim.value, claim.score) for claim in found] == [
        ("NVD", "CVSS_V3", V31, 10.0),
        ("NVD", "CVSS_V2", V2, 9.3),
        ("mitre.org", "CVSS_V3", V31, 10.0),
        ("apache.org", "CVSS_V3", V30, 9.8),
    ]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("nvd@nist.gov", "NVD"),
        ("security-advisories@github.com", "github.com"),
        ("134c704f-9b21-4f2e-91b3-4a467353bcc0", "CISA-ADP"),
        ("416baaa9-dc9f-4396-8d5f-8c081fb06d67", "416baaa9-dc9f-4396-8d5f-8c081fb06d67"),
        ("", "unknown"),
        ("x" * 100, "x" * 63 + "…"),
    ],
)
def test_a_claim_names_who_scored(source: str, name: str) -> None:
    """NVD itself, else the domain of the address, else what stands there."""
    (claim,) = severity({"cvssMetricV31": [metric(V31, source)]})
    assert claim.source == name


def test_a_metric_that_is_no_vector_is_counted() -> None:
    """The record stays, with its other metrics."""
    metrics = {"cvssMetricV31": [metric("CVSS:3.1/AV:Q"), {"source": "a@b.example", "type": "Primary"}, metric(V31)]}
    *unused, record = parse(cve(metrics=metrics))
    assert unused == [Unused("CVE-2021-44228", "severity that is no CVSS vector")] * 2
    assert isinstance(record, Record)
    assert len(record.severity) == 1


def test_metrics_are_bounded() -> None:
    """Nobody scores a CVE a thousand times."""
    metrics = {"cvssMetricV31": [metric(V31, f"a@{n}.example") for n in range(1_000)]}
    unused, record = parse(cve(metrics=metrics))
    assert unused == Unused("CVE-2021-44228", "gives over 50 metrics")
    assert isinstance(record, Record)
    assert len(record.severity) == 50


def test_a_rejected_cve_is_counted() -> None:
    """`Rejected` says that there is no such vulnerability."""
    assert parse(cve(vulnStatus="Rejected")) == [Unused("CVE-2021-44228", "rejected")]


def test_a_cve_that_waits_for_its_analysis_is_a_record() -> None:
    """It has a text and dates, and no metrics yet."""
    (found,) = parse(cve(vulnStatus="Awaiting Analysis", metrics={}))
    assert isinstance(found, Record)
    assert (found.severity, found.summary) == ((), "JNDI features do not protect.")


@pytest.mark.parametrize(
    ("descriptions", "summary"),
    [
        ([{"lang": "en", "value": "d" * 5_000}], "d" * 399 + "…"),
        ([{"lang": "en-US", "value": " d \n"}], "d"),
        ([{"lang": "es", "value": "d"}], ""),
        ([], ""),
    ],
)
def test_the_english_text_is_cut(descriptions: list[dict[str, str]], summary: str) -> None:
    """A summary is a line."""
    (found,) = parse(cve(descriptions=descriptions))
    assert isinstance(found, Record)
    assert found.summary == summary


@pytest.mark.parametrize(
    ("item", "unused"),
    [
        (cve(id="CAN-1999-0001"), Unused("CAN-1999-0001", "no CVE id")),
        (cve(id=7), Unused("", "record that is not of the feed's form")),
        (cve(metrics={"cvssMetricV31": {}}), Unused("", "record that is not of the feed's form")),
        ({}, Unused("", "record that is not of the feed's form")),
        (None, Unused("", "record that is not of the feed's form")),
    ],
)
def test_a_broken_record_costs_itself(item: Any, unused: Unused) -> None:
    """The others of its year stay."""
    first, middle, last = parse(cve(id="CVE-2000-0001"), item, cve(id="CVE-2000-0002"))
    assert isinstance(first, Record)
    assert isinstance(last, Record)
    assert (first.id, middle, last.id) == ("CVE-2000-0001", unused, "CVE-2000-0002")


def test_an_empty_page_is_a_page() -> None:
    """The API answers so where nothing has changed; a part of NVD replaces nothing."""
    assert parse() == []


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b"<html><title>503</title></html>",
        feed(cve())[:-50],
        b'{"CVE_Items": [], "CVE_data_type": "CVE"}',
        b'{"vulnerabilities": {"cve": 1}}',
        b'{"vulnerabilities": ' + b"[" * 100_000,
    ],
    ids=range(8),
)
def test_what_is_no_feed_is_refused(document: bytes) -> None:
    """Pages of errors, halves and the feeds of version 1."""
    with pytest.raises(Unparsable):
        nvd.parse(document)
