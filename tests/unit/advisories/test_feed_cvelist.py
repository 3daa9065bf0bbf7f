"""The CVE List has one record a document (CVEProject/cve-schema, version 5)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwise.advisories.feeds import cvelist
from hullwise.advisories.records import Record, Unparsable, Unused
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim

V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"
V2 = "AV:N/AC:M/Au:N/C:C/I:C/A:C"


def document(state: str = "PUBLISHED", **containers: Any) -> bytes:
    cna = {
        "providerMetadata": {"orgId": "f0158376-9dc2-43b6-827c-5f631a4d8d09", "shortName": "apache"},
        "descriptions": [{"lang": "en", "value": "JNDI features do not protect."}],
        "metrics": [{"other": {"type": "unknown", "content": {"other": "critical"}}}],
    }
    whole = {
        "dataType": "CVE_RECORD",
        "dataVersion": "5.1",
        "cveMetadata": {
            "cveId": "CVE-2021-44228",
            "state": state,
            "datePublished": "2021-12-10T00:00:00.000Z",
            "dateUpdated": "2025-10-21T23:25:23.121Z",
        },
        "containers": {"cna": cna, **containers},
    }
    return json.dumps(whole).encode()


def test_a_record_is_a_cve_without_packages() -> None:
    """The CNA's text; scores of the CNA and of those who enrich the record, by their short names."""
    enriched = {
        "providerMetadata": {"shortName": "CISA-ADP"},
        "metrics": [{"format": "CVSS", "cvssV3_1": {"version": "3.1", "vectorString": V31}}, {"other": {}}],
    }
    assert cvelist.parse(document(adp=[enriched])).record == Record(
        id="CVE-2021-44228",
        source="cvelist",
        affected=(),
        published="2021-12-10T00:00:00Z",
        modified="2025-10-21T23:25:23Z",
        summary="JNDI features do not protect.",
        severity=(SeverityClaim("CISA-ADP", "CVSS_V3", V31, Severity.CRITICAL, 10.0),),
        url="https://www.cve.org/CVERecord?id=CVE-2021-44228",
    )


def test_the_cna_comes_first() -> None:
    """Whoever assigned the CVE knows the product."""
    adp = {"providerMetadata": {"shortName": "other"}, "metrics": [{"cvssV3_1": {"vectorString": V31}}]}
    cna = {"metrics": [{"cvssV2_0": {"vectorString": V2}}, {"cvssV3_1": {"vectorString": "high"}}]}
    found = cvelist.parse(document(cna=cna, adp=[adp]))
    assert found.record is not None
    assert [(claim.source, claim.kind) for claim in found.record.severity] == [
        ("unknown", "CVSS_V2"),
        ("other", "CVSS_V3"),
    ]
    assert found.unused == (Unused("CVE-2021-44228", "severity that is no CVSS vector"),)


def test_a_rejected_record_is_counted() -> None:
    """Its CNA container says why, and nothing else."""
    found = cvelist.parse(document("REJECTED", cna={"rejectedReasons": [{"lang": "en", "value": "Not used."}]}))
    assert (found.record, found.unused) == (None, (Unused("CVE-2021-44228", "rejected"),))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{}",
        b"<html></html>",
        document()[:-20],
        document().replace(b"CVE-2021-44228", b"CVE-21"),
        document(cna={"metrics": {}}),
        b" " * (17 << 20),
    ],
    ids=range(7),
)
def test_what_is_no_record_is_refused(broken: bytes) -> None:
    """The one error is Unparsable."""
    with pytest.raises(Unparsable):
        cvelist.parse(broken)
