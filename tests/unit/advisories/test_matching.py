"""The verdict on a version, by hand from the OSV schema's evaluation and each ecosystem's own order of versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.advisories import matching
from hullwise.advisories.records import Affected, Interval, Record
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import Assessment, RecordRef, SeverityClaim, State
from hullwise.ecosystems.namespaces import scheme

HIGH = SeverityClaim("GHSA", "word", "HIGH", Severity.HIGH)
LOW = SeverityClaim("debian", "word", "low", Severity.LOW)
SCORE = SeverityClaim("nvd", "CVSS_V3", "CVSS:3.1/…", Severity.CRITICAL, 9.8)


@dataclass(frozen=True)
class Candidate:
    claim: matching.Claim
    record: Record
    root: str


def candidate(affected: Affected, record: Record, root: str = "") -> Candidate:
    version_key = scheme(affected.namespace)
    assert version_key is not None
    made, _ = matching.claim(affected, version_key)
    assert made is not None
    return Candidate(made, record, root or record.id)


def record(record_id: str, source: str = "osv", **members: object) -> Record:
    return Record(record_id, source, (), **members)  # type: ignore[arg-type]


def of(namespace: str, *intervals: Interval, versions: Sequence[str] = ()) -> Candidate:
    """A record of one claim."""
    return candidate(Affected(namespace, "example", intervals, tuple(versions)), record("X-1"))


def verdicts(
    namespace: str,
    version: str,
    candidates: Iterable[Candidate],
    known: Mapping[str, Sequence[Record]] | None = None,
) -> tuple[Assessment, ...]:
    version_key = scheme(namespace)
    assert version_key is not None
    made = list(candidates)

    def records(found: matching.Candidate) -> list[Record]:
        own = made[found.record].record
        return [own, *(other for other in (known or {}).get(found.root, ()) if other != own)]

    kept = [matching.Candidate(number, one.root, not known, one.claim) for number, one in enumerate(made)]
    return matching.match((namespace, "example"), version, kept, version_key, records)


def hit(namespace: str, version: str, *candidates: Candidate) -> bool:
    return bool(verdicts(namespace, version, candidates))


@pytest.mark.parametrize(
    ("fix", "extended", "inside", "outside"),
    [
        # The release itself went on to 0.4, without what was fixed for extended maintenance.
        (
            "",
            "1.0-1ubuntu0.3~esm1",
            "1.0-1 1.0-1ubuntu0.4 1.0-1ubuntu0.2~esm9",
            "1.0-1ubuntu0.3~esm1 1.0-1ubuntu0.4~esm1",
        ),
        ("", "1.0-1ubuntu2.25+esm1", "1.0-1ubuntu2.25", "1.0-1ubuntu2.25+esm1 1.0-1ubuntu2.25+esm2"),
        ("1.0-1ubuntu0.5", "1.0-1ubuntu0.3~esm1", "1.0-1ubuntu0.4", "1.0-1ubuntu0.4~esm1 1.0-1ubuntu0.5"),
        # Kernels of extended maintenance have versions without a mark, which plain ones never reach.
        ("", "4.4.0-240.274", "4.4.0-210.242", "4.4.0-240.274"),
    ],
)
def test_builds_of_extended_maintenance(fix: str, extended: str, inside: str, outside: str) -> None:
    """They have what was fixed for them alone; everybody else has not, whichever version is higher."""
    stated = Affected("ubuntu:22.04", "example", (Interval("0", fix),), state="will-not-fix", extended=extended)
    said = candidate(stated, record("X-1"))
    assert [version for version in inside.split() if not hit("ubuntu:22.04", version, said)] == []
    assert [version for version in outside.split() if hit("ubuntu:22.04", version, said)] == []


@pytest.mark.parametrize(
    ("namespace", "interval", "inside", "outside"),
    [
        ("pypi", Interval("0", "2.0"), "0 1.9 2.0rc1 2.0.dev1 1.9.post9", "2.0 2.0.0 2.0.post1 1!0"),
        ("pypi", Interval("1.0", "2.0"), "1.0 1 1.0.post1 1.10", "0.9 1.0rc1 1.0.dev0 2"),
        ("pypi", Interval("0", "1.2", closed=True), "1.2 1.2.0 1.2rc1", "1.2.post1 1.2.1"),
        ("pypi", Interval("1.0"), "1.0 999", "0.9 1.0a1"),
        ("npm", Interval("0", "4.17.21"), "4.17.20 4.17.21-pre v4.9.0 0.0.0-0", "4.17.21 4.17.21+build 10.0.0"),
        ("npm", Interval("2.0.0", "2.1.0"), "2.0.0 2.0.9 2.1.0-rc.1", "2.0.0-rc.1 2.1.0"),
        ("npm", Interval("0", "1.0.0-beta.2"), "1.0.0-alpha 1.0.0-beta.1", "1.0.0-beta.2 1.0.0-beta.11 1.0.0"),
        (
            "debian:12",
            Interval("0", "2.36-9+deb12u3"),
            "2.36-9+deb12u2 2.36-9 2.36-9+deb12u3~bpo11+1",
            "2.36-9+deb12u3 2.36-9+deb12u10 1:1.0-1",
        ),
        ("debian:11", Interval("0", "5.2.5-2.1~deb11u1"), "5.2.5-2 5.2.5-2+b1", "5.2.5-2.1~deb11u1 5.2.5-2.1"),
        ("debian:12", Interval("0", "1:9.2p1-2+deb12u3"), "9.9p9-1 1:9.2p1-2", "1:9.2p1-2+deb12u3 2:1-1"),
        (
            "alpine:3.19",
            Interval("0", "1.2.4_git20230717-r5"),
            "1.2.4_git20230717-r4 1.2.4-r9 1.2.4_rc1-r9",
            "1.2.4_git20230717-r5 1.2.4_p1-r0 1.2.5-r0",
        ),
        ("alpine:3.19", Interval("0", "1.1.1l-r0"), "1.1.1k-r9 1.1.1-r0 1.1.1_rc1", "1.1.1l-r0 1.1.1m-r0 1.1.2-r0"),
    ],
)
def test_an_interval_holds_what_lies_in_it(namespace: str, interval: Interval, inside: str, outside: str) -> None:
    """Pre-releases, epochs, tildes, revisions: each ecosystem's order says which side of a bound a version is on."""
    stated = of(namespace, interval)
    assert [version for version in inside.split() if not hit(namespace, version, stated)] == []
    assert [version for version in outside.split() if hit(namespace, version, stated)] == []


@pytest.mark.parametrize("namespace", ["pypi", "npm", "debian:12", "alpine:3.19"])
def test_an_introduced_of_0_is_below_everything(namespace: str) -> None:
    """OSV's `0` is no version but the lowest bound: a version below 0 in its own order is affected too."""
    lowest = {"pypi": "0.dev0", "npm": "0.0.0-0", "debian:12": "0~~", "alpine:3.19": "0_alpha"}[namespace]
    assert hit(namespace, lowest, of(namespace, Interval("0", "1")))


@pytest.mark.parametrize(
    ("namespace", "listed", "same", "other"),
    [
        ("pypi", ["1.0", "2.0rc1"], ["1.0", "1", "1.0.0", "v1.0", "2.0.RC1"], ["1.0.1", "2.0", "1.0.dev1"]),
        ("npm", ["1.0.0"], ["1.0.0", "v1.0.0", "1.0.0+sha"], ["1.0.0-rc.1", "1.0.1"]),
        ("debian:12", ["1.0-1"], ["1.0-1", "0:1.0-1"], ["1.0-1+b1", "1.0-2"]),
    ],
)
def test_a_listed_version_is_affected(namespace: str, listed: list[str], same: list[str], other: list[str]) -> None:
    """`versions` counts beside the ranges, and is compared as versions are, not as texts."""
    stated = of(namespace, versions=listed)
    assert [version for version in same if not hit(namespace, version, stated)] == []
    assert [version for version in other if hit(namespace, version, stated)] == []


def test_versions_without_a_place_in_the_order_match_letter_by_letter() -> None:
    """PYSEC-2006-1 lists `2.0.0-final`, which is no PEP 440 version: that text is affected, and nothing near it."""
    stated = of("pypi", Interval("0", "3.0"), versions=["2.0.0-final", "2.0.0"])
    assert hit("pypi", "2.0.0-final", stated)
    assert not hit("pypi", "2.0.1-final", stated)
    assert not hit("pypi", "2.0.0-Final", stated)


@pytest.mark.parametrize("version", ["", "un known", "1.0 beta", "<unknown>", "x" * 1000])
def test_what_is_no_version_is_in_no_range(version: str) -> None:
    """Packages without a version, or with a text that cannot be ordered, are hit by no range."""
    for namespace in ("pypi", "npm", "debian:12", "alpine:3.19"):
        assert not hit(namespace, version, of(namespace, Interval("0")))


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("1.13.0+cu117", True),
        ("1.12.9+cpu", True),
        ("1.13.1+cu117", False),
        ("1.13.0", True),
    ],
)
@pytest.mark.parametrize(
    "stated",
    [
        of("pypi", Interval("0", "1.13.1")),
        of("pypi", Interval("0", "1.13.0", closed=True)),
        of("pypi", versions=["1.12.9", "1.13.0"]),
    ],
    ids=["fixed", "last_affected", "versions"],
)
def test_a_local_build_is_as_its_release(version: str, affected: bool, stated: Candidate) -> None:
    """`+cu117` marks somebody's own build of a release; what is said of the release holds for it."""
    assert hit("pypi", version, stated) is affected


def test_a_local_version_may_be_meant() -> None:
    """A record that names a local version itself is taken at its word."""
    stated = of("pypi", versions=["1.0+bad.1"])
    assert hit("pypi", "1.0+bad.1", stated)
    assert not hit("pypi", "1.0", stated)
    assert not hit("pypi", "1.0+bad.2", stated)


@pytest.mark.parametrize(
    ("version", "affected"), [("1.0", True), ("1.0+local.0", True), ("1.0+local.1", False), ("1.0+local.2", False)]
)
def test_a_local_version_may_be_the_fix(version: str, affected: bool) -> None:
    """A record that names somebody's own build as its fix tells those builds apart by their own order."""
    stated = of("pypi", Interval("0", "1.0+local.1"), versions=["0.9", "1.0"])
    assert hit("pypi", version, stated) is affected


def test_unaffected_clears_the_vulnerability() -> None:
    """The vendor's word that its package never had the fault goes before any range, for that vulnerability alone."""
    namespace = "debian:12"
    clear = candidate(Affected(namespace, "example", unaffected=True), record("CVE-2024-1000", "debian-tracker"))
    range_ = candidate(
        Affected(namespace, "example", (Interval("0"),)), record("DEBIAN-CVE-2024-1000"), "CVE-2024-1000"
    )
    other = candidate(Affected(namespace, "example", (Interval("0"),)), record("CVE-2024-1001"))
    assert [found.name for found in verdicts(namespace, "1.0-1", [clear, range_, other])] == ["CVE-2024-1001"]
    assert [found.name for found in verdicts(namespace, "1.0-1", [range_, other, clear])] == ["CVE-2024-1001"]


@pytest.mark.parametrize(
    ("intervals", "versions", "usable", "unusable"),
    [
        ((Interval("0", "not a version"),), (), False, 1),
        ((Interval("later", "2.0"), Interval("0", "1.0")), (), True, 1),
        ((Interval("0", "0.2.0-n653"),), ("0.1",), True, 1),
        ((), ("2.0.0-final",), True, 0),
        ((), (), False, 0),
    ],
)
def test_ranges_that_are_none_are_counted(
    intervals: tuple[Interval, ...], versions: tuple[str, ...], usable: bool, unusable: int
) -> None:
    """A bound that its ecosystem cannot order costs its interval, which is counted; the rest stays."""
    version_key = scheme("pypi")
    assert version_key is not None
    made, count = matching.claim(Affected("pypi", "example", intervals, versions), version_key)
    assert (made is not None, count) == (usable, unusable)


def test_a_claim_can_be_renewed() -> None:
    """The keys of a claim follow from what it keeps of the record."""
    version_key = scheme("pypi")
    assert version_key is not None
    affected = Affected(
        "pypi", "example", (Interval("0", "1.0"), Interval("2.0")), ("1.5", "1.5-x"), "deferred", False, (HIGH,)
    )
    made, _ = matching.claim(affected, version_key)
    assert made is not None
    assert matching.renewed(made, version_key) == made
    other = matching.renewed(made, str.encode)
    assert other is not None
    assert (other.keys, other.intervals[1].low, other.versions) == ((b"1.5", b"1.5-x"), b"2.0", made.versions)


PYSEC = record("PYSEC-2024-1", aliases=("GHSA-aaaa-bbbb-cccc", "CVE-2024-1000"), modified="2024-01-03T00:00:00Z")
GHSA = record(
    "GHSA-aaaa-bbbb-cccc",
    aliases=("CVE-2024-1000",),
    severity=(HIGH,),
    summary="A fault",
    details="In full",
    url="https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
    references=("https://e.example/1",),
    published="2024-01-02T00:00:00Z",
    modified="2024-01-04T00:00:00Z",
)
NVD = record("CVE-2024-1000", severity=(SCORE,), published="2024-01-01T00:00:00Z", modified="2024-01-09T00:00:00Z")


def test_records_of_one_vulnerability_are_one_finding() -> None:
    """A version is affected if any record says so; all that say so are named, the ecosystem's own database first."""
    ghsa = candidate(Affected("pypi", "example", (Interval("0", "1.5"),)), GHSA, "CVE-2024-1000")
    pysec = candidate(Affected("pypi", "example", (Interval("1.0", "1.4.2"),)), PYSEC, "CVE-2024-1000")
    known = {"CVE-2024-1000": [GHSA, NVD, PYSEC]}
    (found,) = verdicts("pypi", "1.2", [ghsa, pysec], known)
    assert found == Assessment(
        name="CVE-2024-1000",
        ids=("CVE-2024-1000", "GHSA-aaaa-bbbb-cccc", "PYSEC-2024-1"),
        namespace="pypi",
        package="example",
        severity=Severity.CRITICAL,
        chosen=SCORE,
        claims=(HIGH, SCORE),
        fix="1.4.2",
        state="fixed",
        records=(
            RecordRef("PYSEC-2024-1", "osv", ">= 1.0, < 1.4.2", "1.4.2", "PyPI Advisory Database, CC-BY-4.0"),
            RecordRef("GHSA-aaaa-bbbb-cccc", "osv", "< 1.5", "1.5", "GitHub Advisory Database, CC-BY-4.0"),
        ),
        rule="osv-range",
        summary="A fault",
        details="In full",
        url="",
        references=("https://e.example/1",),
        published="2024-01-01T00:00:00Z",
        modified="2024-01-04T00:00:00Z",
    )
    (alone,) = verdicts("pypi", "1.4.2", [ghsa, pysec], known)
    assert [(ref.id, ref.range) for ref in alone.records] == [("GHSA-aaaa-bbbb-cccc", "< 1.5")]
    assert alone.fix == "1.5"
    assert verdicts("pypi", "1.5", [ghsa, pysec], known) == ()


@pytest.mark.parametrize(
    ("namespace", "ids"),
    [
        ("pypi", ["PYSEC-2024-1", "AAA-1", "GHSA-aaaa-bbbb-cccc"]),
        ("npm", ["GHSA-aaaa-bbbb-cccc", "AAA-1", "NSWG-ECO-1"]),
        ("go", ["GO-2024-1", "AAA-1", "GHSA-aaaa-bbbb-cccc"]),
        ("crates.io", ["RUSTSEC-2024-1", "AAA-1", "GHSA-aaaa-bbbb-cccc"]),
        ("rubygems", ["GHSA-aaaa-bbbb-cccc", "RUBYSEC-rack-1", "AAA-1"]),
        ("packagist", ["GHSA-aaaa-bbbb-cccc", "AAA-1", "FRIENDSOFPHP-a-1"]),
        ("maven", ["GHSA-aaaa-bbbb-cccc", "AAA-1"]),
        ("nuget", ["GHSA-aaaa-bbbb-cccc", "AAA-1"]),
        ("hex", ["EEF-CVE-2024-1", "GHSA-aaaa-bbbb-cccc", "AAA-1"]),
        ("pub", ["GHSA-aaaa-bbbb-cccc", "AAA-1", "PUB-1"]),
        ("bitnami", ["BIT-example-2024-1000", "AAA-1", "GHSA-aaaa-bbbb-cccc"]),
        # Distributions have no home: their records go by their ids.
        ("debian:12", ["AAA-1", "DSA-1", "GHSA-aaaa-bbbb-cccc"]),
    ],
)
def test_the_ecosystems_own_database_says_the_fix(namespace: str, ids: list[str]) -> None:
    """Of several records on a package that of its home comes first, and says which version fixes it."""
    said = [
        candidate(Affected(namespace, "example", (Interval("0", f"{n}.0.0"),)), record(name), "CVE-2024-1000")
        for n, name in enumerate(ids, 2)
    ]
    (found,) = verdicts(namespace, "1.0.0", said[::-1])
    assert ([ref.id for ref in found.records], found.fix) == (ids, "2.0.0")


@pytest.mark.parametrize(
    "namespace", ["pypi", "npm", "go", "crates.io", "rubygems", "packagist", "maven", "hex", "pub", "bitnami"]
)
def test_languages_are_no_vendors(namespace: str) -> None:
    """Nobody built the package but its authors: scores go before words, and ranges are OSV's."""
    stated = Affected(namespace, "example", (Interval("0"),), severity=(HIGH,))
    (found,) = verdicts(namespace, "1.0.0", [candidate(stated, NVD)], {"CVE-2024-1000": [NVD]})
    assert (found.chosen, found.rule) == (SCORE, "osv-range")


@pytest.mark.parametrize("namespace", ["almalinux:9", "rocky:8", "azurelinux:3", "mageia:9", "opensuse-leap:15.6"])
def test_rpm_distributions_are_vendors(namespace: str) -> None:
    """Their word on the package that they built goes before every score."""
    word = SeverityClaim("ALSA", "word", "Low", Severity.LOW)
    stated = Affected(namespace, "example", (Interval("0", "2.0-1.el9"),), severity=(word,))
    (found,) = verdicts(namespace, "1.0-1.el9", [candidate(stated, NVD)])
    assert (found.chosen, found.rule, found.fix) == (word, "vendor-range", "2.0-1.el9")


def test_what_an_advisory_takes_care_of_is_no_name_of_it() -> None:
    """The CVEs of an advisory are found beside its names; none that is a name already."""
    advisory = record("ALSA-2024:1000", aliases=("CVE-2024-1000",), upstream=("CVE-2024-1000", "CVE-2024-1002"))
    other = record("ALSA-2024:1001", upstream=("CVE-2024-1001",))
    stated = candidate(Affected("almalinux:9", "example", (Interval("0"),)), advisory, "ALSA-2024:1000")
    (found,) = verdicts("almalinux:9", "1.0-1", [stated], {"ALSA-2024:1000": [advisory, other]})
    assert found.ids == ("ALSA-2024:1000", "ALSA-2024:1001", "CVE-2024-1000")
    assert found.upstream == ("CVE-2024-1001", "CVE-2024-1002")


def test_a_record_that_states_its_licence_is_credited_with_it() -> None:
    """RustSec's copies of GitHub's advisories are under GitHub's licence."""
    stated = Affected("crates.io", "example", (Interval("0"),))
    (found,) = verdicts("crates.io", "1.0.0", [candidate(stated, record("RUSTSEC-2024-1", licence="CC-BY-4.0"))])
    assert [ref.credit for ref in found.records] == ["RustSec, CC-BY-4.0"]


@given(st.permutations([PYSEC, GHSA, NVD]), st.permutations([0, 1]))
def test_the_order_of_records_changes_nothing(known: list[Record], order: list[int]) -> None:
    """The verdict follows from what the records say, not from the order in which they are read."""
    both = [
        candidate(Affected("pypi", "example", (Interval("0", "1.5"),)), GHSA, "CVE-2024-1000"),
        candidate(Affected("pypi", "example", (Interval("1.0", "1.4.2"),)), PYSEC, "CVE-2024-1000"),
    ]
    (found,) = verdicts("pypi", "1.2", [both[index] for index in order], {"CVE-2024-1000": known})
    assert (found.fix, found.severity, found.claims) == ("1.4.2", Severity.CRITICAL, (HIGH, SCORE))


@pytest.mark.parametrize("state", ["affected", "will-not-fix", "deferred", "end-of-life"])
def test_without_a_fix_the_vendors_state_is_shown(state: State) -> None:
    """What the vendor means to do is said where there is no fix."""
    stated = Affected("debian:12", "example", (Interval("0"),), state=state)
    (found,) = verdicts("debian:12", "1.0-1", [candidate(stated, record("CVE-2024-1000", "debian-tracker"))])
    assert (found.fix, found.state, found.rule) == ("", state, "vendor-range")


@pytest.mark.parametrize(
    ("interval", "versions", "version", "state", "fix"),
    [
        (Interval("0", "1.2", closed=True), (), "1.0", "affected", ""),
        (Interval("0", "1.2", unfixed=True), (), "1.0", "affected", ""),
        (Interval("2.0", "2.5"), ("1.0",), "1.0", "fixed", "2.5"),
        (Interval("2.0", "2.5"), ("3.0",), "3.0", "affected", ""),
    ],
)
def test_a_fix_is_a_later_version(
    interval: Interval, versions: tuple[str, ...], version: str, state: State, fix: str
) -> None:
    """The end of a known range is no fix; for a listed version the next fix above it is."""
    stated = Affected("pypi", "example", (interval,), versions, "fixed")
    (found,) = verdicts("pypi", version, [candidate(stated, record("X-1"))])
    assert (found.state, found.fix) == (state, fix)


def test_of_two_ranges_the_one_with_a_fix_is_shown() -> None:
    """Where a range with a fix and one without hold a version, the finding says what to do."""
    stated = of("npm", Interval("0", "1.9.0", closed=True), Interval("0", "2.0.0"))
    (found,) = verdicts("npm", "1.0.0", [stated])
    assert (found.fix, found.records[0].range) == ("2.0.0", "< 2.0.0")


@pytest.mark.parametrize("namespace", ["debian:12", "ubuntu:22.04", "alpine:3.19", "wolfi", "chainguard"])
def test_a_vendors_word_on_its_package_goes_first(namespace: str) -> None:
    """A distribution rates the package that it built; a score of the upstream fault comes after it."""
    stated = Affected(namespace, "example", (Interval("0"),), severity=(LOW,))
    (found,) = verdicts(namespace, "1.0", [candidate(stated, NVD)], {"CVE-2024-1000": [NVD]})
    assert (found.severity, found.chosen, found.claims) == (Severity.LOW, LOW, (LOW, SCORE))


def test_a_word_on_a_language_package_comes_after_the_score() -> None:
    """For language packages nobody is the vendor: scores go before words."""
    stated = Affected("pypi", "example", (Interval("0"),), severity=(HIGH,))
    (found,) = verdicts("pypi", "1.0", [candidate(stated, NVD)], {"CVE-2024-1000": [NVD]})
    assert found.chosen == SCORE


def test_nobody_may_have_said_how_bad_it_is() -> None:
    """Without any claim the severity is undefined, not low."""
    (found,) = verdicts("pypi", "1.0", [of("pypi", Interval("0"))])
    assert (found.severity, found.chosen, found.score) == (Severity.UNDEFINED, None, None)


def test_findings_are_in_order_of_their_names() -> None:
    """One assessment a vulnerability, sorted by the name that is shown."""
    names = ["CVE-2024-2", "CVE-2024-1", "GHSA-aaaa-bbbb-cccc"]
    stated = [candidate(Affected("pypi", "example", (Interval("0"),)), record(name)) for name in names]
    assert [found.name for found in verdicts("pypi", "1.0", stated)] == sorted(names)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval("0", "1.2"), "< 1.2"),
        (Interval("1.0", "1.2", closed=True), ">= 1.0, <= 1.2"),
        (Interval("1.0"), ">= 1.0"),
        (Interval("0"), "all versions"),
    ],
)
def test_a_range_is_shown_as_people_write_it(interval: Interval, text: str) -> None:
    """`0` and an absent end are left out."""
    assert str(interval) == text
