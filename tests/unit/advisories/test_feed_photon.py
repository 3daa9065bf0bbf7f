"""Photon's CVE metadata: what fixes a CVE in a package of a release (photon_cve_metadata)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwise.advisories.feeds import photon
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim

NAME = "cve_data_photon5.0.json"


def entry(fix: str = "2.6.3-1.ph5", **members: Any) -> dict[str, Any]:
    """What Photon writes where a package is fixed."""
    said = {"aff_ver": f"all versions before {fix} are vulnerable", "res_ver": fix, "status": "Fixed"}
    return {"cve_id": "CVE-2024-1000", "pkg": "expat", "cve_score": 7.5, **said, **members}


NOT_AFFECTED = {"aff_ver": "NA", "res_ver": "NA", "status": "Not Affected"}


def records(*entries: dict[str, Any], path: str = NAME) -> list[Record | Unused]:
    return list(photon.parse(json.dumps(entries).encode(), path)[1])


def one(*entries: dict[str, Any]) -> tuple[Affected, ...]:
    (found,) = records(*entries)
    assert isinstance(found, Record)
    return found.affected


def test_a_cve_is_one_record_of_all_its_packages() -> None:
    """In the release that the name of the file tells."""
    source, found = photon.parse(
        json.dumps(
            [
                entry(),
                entry("3.9.1-2.ph5", pkg="python3", cve_score=9.8),
                entry(**NOT_AFFECTED, pkg="curl"),
                entry(cve_id="CVE-2023-1000", cve_score=None),
            ]
        ).encode(),
        f"photon/{NAME}",
    )
    assert source == "photon/5.0"
    assert list(found) == [
        Record(
            id="CVE-2023-1000",
            source="photon/5.0",
            affected=(Affected("photon:5.0", "expat", (Interval("0", "2.6.3-1.ph5"),)),),
            url="https://nvd.nist.gov/vuln/detail/CVE-2023-1000",
        ),
        Record(
            id="CVE-2024-1000",
            source="photon/5.0",
            affected=(
                Affected("photon:5.0", "curl", unaffected=True),
                Affected("photon:5.0", "expat", (Interval("0", "2.6.3-1.ph5"),)),
                Affected("photon:5.0", "python3", (Interval("0", "3.9.1-2.ph5"),)),
            ),
            severity=(SeverityClaim("Photon", "CVSS_V3", "", Severity.CRITICAL, 9.8),),
            url="https://nvd.nist.gov/vuln/detail/CVE-2024-1000",
        ),
    ]


@pytest.mark.parametrize(
    "entries",
    [
        (entry("2.6.10-1.ph5"), entry("2.6.9-1.ph5"), entry("2.6.1-9.ph5")),
        (entry(**NOT_AFFECTED), entry("2.6.10-1.ph5")),
        (entry(res_ver="NA", status=""), entry("2.6.10-1.ph5")),
    ],
    ids=["versions", "not-affected", "open"],
)
def test_the_highest_fix_counts(entries: tuple[dict[str, Any], ...]) -> None:
    """Whatever the order: 2.6.10 is above 2.6.9, and a fix above the word that there is nothing to fix."""
    for order in (entries, entries[::-1]):
        assert one(*order) == (Affected("photon:5.0", "expat", (Interval("0", "2.6.10-1.ph5"),)),)


def test_affected_without_a_fix_is_every_version() -> None:
    """`NA` as the version that resolves it, beside versions that are vulnerable."""
    assert one(entry(res_ver="NA", status="")) == (Affected("photon:5.0", "expat", (Interval("0"),), state="affected"),)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"cve_id": "UNK-1"}, "no CVE id"),
        ({"cve_id": "BDSA-2024-1"}, "no CVE id"),
        ({"cve_id": ""}, "no CVE id"),
        ({"cve_id": "CVE-2024-" + "1" * 500}, "no CVE id"),
        ({"pkg": ""}, "names no package"),
        ({"pkg": "a b"}, "names no package"),
        ({"res_ver": "<none>"}, "version that cannot be ordered"),
        ({"res_ver": "1" * 5_000}, "version that cannot be ordered"),
        ({**NOT_AFFECTED, "status": "Under Review"}, "status that is not known"),
    ],
)
def test_what_says_nothing_is_counted(members: dict[str, Any], reason: str) -> None:
    """The entries beside it are taken."""
    unused, found = records(entry(**members), entry())
    assert isinstance(found, Record)
    assert isinstance(unused, Unused)
    assert (unused.reason, len(unused.id) <= 64) == (reason, True)


@pytest.mark.parametrize(("score", "expected"), [(10, [10.0]), (0, [0.0]), ("7.5", []), (-1, []), (11, [])])
def test_a_score_is_one_from_0_to_10(score: Any, expected: list[float]) -> None:
    (found,) = records(entry(cve_score=score))
    assert isinstance(found, Record)
    assert [claim.score for claim in found.severity] == expected


@pytest.mark.parametrize("path", ["cve.json", "cve_data_photon.json", "cve_data_photondev.json", "x" + NAME, "5.0"])
def test_a_name_without_a_release_is_refused(path: str) -> None:
    """Nothing in the file tells the release."""
    with pytest.raises(Unparsable, match="does not tell the release"):
        records(entry(), path=path)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'[{"cve_id": 1}]', b"[" * 100_000, b"[" + b"1," * 1_000_000 + b"1]"], ids=range(5)
)
def test_what_is_no_metadata_is_refused(body: bytes) -> None:
    """The one error is Unparsable."""
    with pytest.raises(Unparsable):
        list(photon.parse(body, NAME)[1])


def test_an_entry_is_told_by_its_members() -> None:
    assert photon.is_entry(json.dumps(entry()).encode())
    assert not photon.is_entry(b'{"id": "CVE-2024-1000"}')
    assert not photon.is_entry(b'{"cycle": "12"}')
    assert not photon.is_entry(b"{")
