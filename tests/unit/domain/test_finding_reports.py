"""A report's findings: what is grouped into one, in which order they stand, and how they are counted."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.domain.packages import Occurrence, Package
from hullwise.domain.reports import Finding, counts, findings, order
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import Assessment, SeverityClaim, decode, digest, encode


def assessment(
    name: str = "CVE-2024-1000",
    severity: Severity = Severity.HIGH,
    score: float | None = None,
    fix: str = "",
    package: str = "zlib",
) -> Assessment:
    chosen = SeverityClaim("nvd", "CVSS_V3" if score is not None else "word", "…", severity, score)
    return Assessment(
        name=name,
        ids=(name,),
        namespace="debian:12",
        package=package,
        severity=severity,
        chosen=None if severity is Severity.UNDEFINED else chosen,
        claims=(),
        fix=fix,
        state="fixed" if fix else "affected",
        records=(),
        rule="vendor-range",
        summary="",
        details="",
        url="",
        references=(),
        published="",
        modified="",
    )


def package(
    name: str = "zlib1g", source: str = "zlib", version: str = "1.2-1", namespace: str = "debian:12"
) -> Package:
    return Package("dpkg", namespace, name, version, source, version, "amd64", "")


def at(item: Package, layer: str = "L0", path: str = "var/lib/dpkg/status") -> Occurrence:
    return Occurrence(item, path, layer)


def test_binaries_of_one_source_are_one_finding() -> None:
    """One vulnerability in one source package, with everything that is installed from it, lowest layer first."""
    library, tools, other = package("zlib1g"), package("zlib1g-dev"), package("zlib1g", version="1.3-1")
    places = [at(library), at(tools, "L1"), at(other, "L1"), at(library, "L2", "opt/status")]
    hit = assessment()
    found = findings(places, {library: [hit], tools: [hit], other: [hit]})
    assert found == (
        Finding(hit, library, (places[0], places[1], places[3])),
        Finding(hit, other, (places[2],)),
    )
    assert [finding.layer for finding in found] == ["L0", "L1"]


def test_each_vulnerability_of_a_package_is_a_finding() -> None:
    """Packages that nothing hits, or of which nothing is known, have none."""
    hit, clean, unknown = package("a", "a"), package("b", "b"), package("c", "c")
    verdicts = [assessment("CVE-2024-1000"), assessment("CVE-2024-1001")]
    found = findings([at(hit), at(clean), at(unknown)], {hit: verdicts, clean: []})
    assert [(item.assessment.name, item.package.name) for item in found] == [
        ("CVE-2024-1000", "a"),
        ("CVE-2024-1001", "a"),
    ]
    assert findings([], {hit: verdicts}) == ()


def test_the_same_place_counts_once() -> None:
    """An occurrence that comes twice is one place."""
    (found,) = findings([at(package()), at(package())], {package(): [assessment()]})
    assert found.occurrences == (at(package()),)


def test_where_assessments_differ_the_most_severe_speaks() -> None:
    """Whatever the order of the packages; among equals the higher score."""
    one, other = package("zlib1g"), package("zlib1g-dev")
    mild, severe = assessment(severity=Severity.LOW), assessment(severity=Severity.HIGH, score=7.0)
    higher = assessment(severity=Severity.HIGH, score=8.0)
    for first, second, expected in (
        (mild, severe, severe),
        (severe, mild, severe),
        (severe, higher, higher),
        (higher, severe, higher),
    ):
        (found,) = findings([at(one), at(other)], {one: [first], other: [second]})
        assert found.assessment == expected


def test_the_order_is_most_severe_first() -> None:
    """Severity, then score, then name, source package, its version, its namespace: as they stand here."""
    cases = [
        (assessment(severity=Severity.CRITICAL, score=9.1), package()),
        (assessment("CVE-2024-0001", Severity.HIGH, 8.1), package()),
        (assessment("CVE-2024-0001", Severity.HIGH, 7.1), package()),
        (assessment("CVE-2024-0002", Severity.HIGH, 7.1), package("a", "a")),
        (assessment("CVE-2024-0002", Severity.HIGH, 7.1), package("b", "b", "1")),
        (assessment("CVE-2024-0002", Severity.HIGH, 7.1), package("b", "b", "2", "debian:11")),
        (assessment("CVE-2024-0002", Severity.HIGH, 7.1), package("b", "b", "2", "debian:12")),
        (assessment("CVE-2024-0001", Severity.HIGH, 0.0), package()),
        (assessment("CVE-2024-0001", Severity.HIGH), package()),
        (assessment(severity=Severity.MEDIUM, score=6.9), package()),
        (assessment(severity=Severity.LOW), package()),
        (assessment(severity=Severity.INFORMATIONAL, score=0.0), package()),
        (assessment(severity=Severity.UNDEFINED), package()),
    ]
    keys = [order(Finding(hit, item, (at(item),))) for hit, item in cases]
    assert all(before < after for before, after in pairwise(keys))


PACKAGES = [package(name, source, version) for name in "ab" for source in "xy" for version in "12"]
HITS = [
    assessment(name, severity, score)
    for name in ("CVE-2024-1", "CVE-2024-2")
    for severity, score in ((Severity.HIGH, 7.5), (Severity.LOW, None))
]


@given(
    st.lists(st.sampled_from(PACKAGES), unique=True).flatmap(
        lambda found: st.permutations(found).map(lambda p: (found, p))
    ),
    st.dictionaries(
        st.sampled_from([(item.source_name, item.source_version) for item in PACKAGES]), st.sampled_from(HITS)
    ),
)
def test_the_order_is_total_and_stable(
    installed: tuple[list[Package], list[Package]], hits: dict[tuple[str, str], Assessment]
) -> None:
    """No two findings share a place in the order, so that pages never overlap, however the packages come."""
    matches = {
        item: [hits[item.source_name, item.source_version]]
        for item in PACKAGES
        if (item.source_name, item.source_version) in hits
    }
    one, other = (findings([at(item) for item in items], matches) for items in installed)
    keys = [order(item) for item in one]
    assert keys == sorted(set(keys))
    assert [order(item) for item in other] == keys


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        ([], {}),
        (
            [Severity.LOW, Severity.CRITICAL, Severity.LOW, Severity.UNDEFINED],
            {"CRITICAL": 1, "LOW": 2, "UNDEFINED": 1},
        ),
    ],
)
def test_counts_are_most_severe_first(severities: list[Severity], expected: dict[str, int]) -> None:
    """Severities without any finding are left out; the order is that of the service model."""
    found = counts(severities)
    assert found == expected
    assert list(found) == list(expected)


def test_an_assessment_has_one_encoding() -> None:
    """Equal assessments have equal bytes, these lead back to it, and any other field gives another digest."""
    one, same, other = assessment(score=7.5), assessment(score=7.5), assessment(score=7.5, fix="1.3-1")
    assert encode(one) == encode(same)
    assert decode(encode(one)) == one
    assert digest(encode(one)) != digest(encode(other))
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
