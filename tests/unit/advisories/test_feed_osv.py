"""OSV records become claims as the schema says (ossf.github.io/osv-schema, version 1.7)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwise.advisories.feeds import osv
from hullwise.advisories.feeds.osv import Parsed
from hullwise.advisories.records import TEXT_LIMIT, Affected, Interval, Record, Unparsable
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim


def parsed(**members: Any) -> Parsed:
    return osv.parse(json.dumps({"id": "GHSA-aaaa-bbbb-cccc", **members}).encode())


def entry(
    *events: dict[str, str], name: str = "example", ecosystem: str = "PyPI", kind: str = "ECOSYSTEM", **members: Any
) -> dict[str, Any]:
    """One member of `affected`, with one range unless there are no events."""
    ranges = [{"type": kind, "events": list(events)}] if events else []
    return {"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges, **members}


def record(*affected: dict[str, Any], **members: Any) -> Record:
    found = parsed(affected=list(affected), **members).record
    assert found is not None
    return found


def claim(*events: dict[str, str], **members: Any) -> Affected:
    """What a record with one entry claims."""
    (found,) = record(entry(*events, **members)).affected
    return found


def reasons(found: Parsed) -> list[str]:
    assert all(unused.id == found.id for unused in found.unused)
    return [unused.reason for unused in found.unused]


EVERY_VERSION = {"introduced": "0"}


def test_an_introduced_and_a_fixed_make_an_interval() -> None:
    """`fixed` is the first version that is not affected, and the fix."""
    found = claim({"introduced": "1.2"}, {"fixed": "1.4"})
    assert found.intervals == (Interval("1.2", "1.4"),)
    assert (found.intervals[0].fixed, found.state) == ("1.4", "fixed")


def test_last_affected_is_affected_and_no_fix() -> None:
    """`last_affected` belongs to the range; nothing is said of what follows it."""
    found = claim(EVERY_VERSION, {"last_affected": "1.4"})
    assert found.intervals == (Interval("0", "1.4", closed=True),)
    assert (found.intervals[0].fixed, found.state) == ("", "affected")


def test_a_range_without_an_end_is_open() -> None:
    """An `introduced` alone affects everything from there on, and the vendor has no fix."""
    found = claim({"introduced": "2.0"})
    assert found.intervals == (Interval("2.0"),)
    assert found.state == "affected"


def test_both_events_may_stand_in_one_object() -> None:
    """Old records write one object with two members; each member is an event."""
    assert claim({"introduced": "1.0", "fixed": "1.1"}).intervals == (Interval("1.0", "1.1"),)


def test_several_ranges_add_up() -> None:
    """A version is affected that lies in any of the ranges (schema, evaluation)."""
    two = entry(EVERY_VERSION, {"fixed": "1.9"})
    two["ranges"].append({"type": "SEMVER", "events": [{"introduced": "2.0"}, {"fixed": "2.3"}]})
    (found,) = record(two).affected
    assert found.intervals == (Interval("0", "1.9"), Interval("2.0", "2.3"))


def test_entries_of_one_package_are_one_claim() -> None:
    """GitHub writes one entry a range: together they say which version is affected and which is no fix."""
    found = record(
        entry({"introduced": "2.0"}, {"fixed": "2.3"}, versions=["2.1"], ecosystem="npm"),
        entry(EVERY_VERSION, ecosystem="npm", versions=["1.0", "2.1"]),
        entry(EVERY_VERSION, {"fixed": "7.0"}, ecosystem="npm", name="other"),
    )
    assert [(claim.name, claim.intervals, claim.versions, claim.state) for claim in found.affected] == [
        ("example", (Interval("2.0", "2.3"), Interval("0")), ("2.1", "1.0"), "affected"),
        ("other", (Interval("0", "7.0"),), (), "fixed"),
    ]


def test_git_ranges_are_not_versions() -> None:
    """Commits need the repository's graph: of a GIT range only the listed versions count."""
    found = claim({"introduced": "0"}, {"fixed": "5a6f9ce4"}, kind="GIT", versions=["1.0", "1.1"])
    assert (found.intervals, found.versions) == ((), ("1.0", "1.1"))


CPYTHON = "https://github.com/python/cpython"


def python(repo: str = CPYTHON, kind: str = "GIT", **members: Any) -> Parsed:
    """A record on Python itself, which names no package (PSF-2023-8 as osv.dev has it)."""
    events = [{"introduced": "0"}, {"fixed": "37324b421b72b7bc9934e27aba85d48d4773002e"}]
    return parsed(affected=[{"ranges": [{"type": kind, "repo": repo, "events": events}], **members}])


def test_tags_of_python_are_its_versions() -> None:
    """Each for itself, and none is a fix; tags that name no version are left out."""
    found = python(versions=["v3.11.3", "v3.11.4rc1", "v2.7", "v2.7", "2.0", "v3.11", "legacy-trunk", "v3.8.0b1-fork"])
    assert found.unused == ()
    assert found.record is not None
    assert found.record.affected == (
        Affected("runtime", "python", (), ("3.11.3", "3.11.4rc1", "2.7", "3.11"), state="affected"),
    )


@pytest.mark.parametrize(
    "found",
    [
        python(),
        python(versions=[]),
        python(versions=["legacy-trunk"]),
        python("https://github.com/someone/cpython", versions=["v3.11.3"]),
        python(kind="SEMVER", versions=["v3.11.3"]),
    ],
)
def test_commits_of_python_alone_are_counted(found: Parsed) -> None:
    """Without tags nothing is known of releases, and tags of another repository are of something else."""
    assert (found.record, reasons(found)) == (None, ["names no package"])


def test_a_record_of_commits_alone_is_counted() -> None:
    """Where nothing but a GIT range is given, the record is not used, and that is said."""
    found = parsed(affected=[entry(EVERY_VERSION, kind="GIT")])
    assert (found.record, reasons(found)) == (None, ["gives no version range"])


@pytest.mark.parametrize(
    ("known", "interval"),
    [
        ("<= 1.2.3", Interval("0", "1.2.3", closed=True, unfixed=True)),
        ("<1.2.3", Interval("0", "1.2.3", unfixed=True)),
        (" < 2 ", Interval("0", "2", unfixed=True)),
        ("all", Interval("0")),
        ("<= soon", Interval("0")),
        (["<= 1"], Interval("0")),
    ],
)
def test_githubs_bound_of_an_open_range_is_used(known: Any, interval: Interval) -> None:
    """`last_known_affected_version_range` ends a range that has no fix; it is no fix itself. Others change nothing."""
    found = claim(EVERY_VERSION, database_specific={"last_known_affected_version_range": known})
    assert found.intervals == (interval,)
    assert (found.intervals[0].fixed, found.state) == ("", "affected")


def test_githubs_bound_does_not_shorten_a_range_with_a_fix() -> None:
    """Whoever knows the fix says where the range ends."""
    bound = {"last_known_affected_version_range": "<= 1.2.3"}
    assert claim(EVERY_VERSION, {"fixed": "1.3.0"}, database_specific=bound).intervals == (Interval("0", "1.3.0"),)


def test_githubs_bound_below_the_beginning_is_not_meant() -> None:
    """Of several ranges of an entry the bound is about one: a range that begins above it stays open."""
    bound = {"last_known_affected_version_range": "<= 1.2.3"}
    assert claim({"introduced": "2.0"}, database_specific=bound).intervals == (Interval("2.0"),)


def test_pypi_names_are_normalised() -> None:
    """PyPI names are compared by PEP 503; npm's as they are written."""
    assert claim(EVERY_VERSION, name="Flask_SQL.Alchemy--X").name == "flask-sql-alchemy-x"
    assert claim(EVERY_VERSION, name="Some_Name.js", ecosystem="npm").name == "Some_Name.js"


@pytest.mark.parametrize(
    ("ecosystem", "namespace"),
    [
        ("PyPI", "pypi"),
        ("npm", "npm"),
        ("Debian:12", "debian:12"),
        ("Alpine:v3.19", "alpine:3.19"),
        ("Ubuntu:22.04:LTS", "ubuntu:22.04"),
        ("Go", "go"),
        ("crates.io", "crates.io"),
        ("AlmaLinux:9", "almalinux:9"),
        ("Rocky Linux:8", "rocky:8"),
    ],
)
def test_ecosystems_become_namespaces(ecosystem: str, namespace: str) -> None:
    """A record's ecosystem, with its release, says whose packages it is about."""
    assert claim(EVERY_VERSION, ecosystem=ecosystem).namespace == namespace


@pytest.mark.parametrize(
    ("ecosystem", "reason"),
    [
        ("Hackage", "ecosystem Hackage is not matched"),
        ("AlmaLinux", "ecosystem AlmaLinux is not matched"),
        ("Debian", "ecosystem Debian is not matched"),
        ("Ubuntu:Pro:FIPS:20.04:LTS", "ecosystem Ubuntu is not matched"),
        ("", "ecosystem (none) is not matched"),
    ],
)
def test_other_ecosystems_are_counted(ecosystem: str, reason: str) -> None:
    """What is not matched is named, without its release, so that it can be counted."""
    found = parsed(affected=[entry(EVERY_VERSION, ecosystem=ecosystem)])
    assert (found.record, reasons(found)) == (None, [reason])


def test_a_record_is_used_for_the_packages_that_can_be() -> None:
    """One entry that cannot be used does not take the others with it."""
    found = parsed(
        affected=[
            entry(EVERY_VERSION, ecosystem="Hackage"),
            entry(EVERY_VERSION),
            {"ranges": []},
            {"package": {"ecosystem": "npm"}},
        ]
    )
    assert found.record is not None
    assert [claim.namespace for claim in found.record.affected] == ["pypi"]
    assert reasons(found) == ["ecosystem Hackage is not matched", "names no package", "names no package"]


@pytest.mark.parametrize("members", [{}, {"affected": []}, {"affected": None}])
def test_a_record_without_packages_is_counted(members: dict[str, Any]) -> None:
    """A record may say nothing of any package; then nothing of it is used."""
    found = parsed(**members)
    assert (found.record, reasons(found)) == (None, ["names no package"])


def test_a_withdrawn_record_is_not_used() -> None:
    """`withdrawn` takes back the record, whatever else it says."""
    found = parsed(affected=[entry(EVERY_VERSION)], withdrawn="2024-01-01T00:00:00Z")
    assert (found.record, reasons(found)) == (None, ["withdrawn"])


def test_more_ranges_than_anyone_has_are_not_tested_against() -> None:
    """A test looks at each range of a package, so that there is a limit to them."""
    events = [event for major in range(1_001) for event in ({"introduced": f"{major}.0"}, {"fixed": f"{major}.1"})]
    found = parsed(affected=[entry(*events)])
    assert (found.record, reasons(found)) == (None, ["gives over 1000 version ranges"])


V2 = "AV:N/AC:L/Au:N/C:P/I:P/A:P"
V3 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


def test_cvss_of_every_version_is_kept() -> None:
    """Each vector is a claim of the record's database; the scores are those of FIRST's calculators."""
    kinds = [{"type": "CVSS_V2", "score": V2}, {"type": "CVSS_V3", "score": V3}, {"type": "CVSS_V4", "score": V4}]
    found = record(entry(EVERY_VERSION), severity=kinds).severity
    assert [(claim.source, claim.kind, claim.value, claim.severity, claim.score) for claim in found] == [
        ("GHSA", "CVSS_V2", V2, Severity.HIGH, 7.5),
        ("GHSA", "CVSS_V3", V3, Severity.CRITICAL, 9.8),
        ("GHSA", "CVSS_V4", V4, Severity.CRITICAL, 9.3),
    ]


def test_githubs_word_comes_after_the_vectors() -> None:
    """`database_specific.severity` is the word of the record's database."""
    found = record(
        entry(EVERY_VERSION),
        severity=[{"type": "CVSS_V3", "score": V3}],
        database_specific={"severity": "MODERATE", "cwe_ids": []},
    )
    assert [(claim.kind, claim.severity) for claim in found.severity] == [
        ("CVSS_V3", Severity.CRITICAL),
        ("word", Severity.MEDIUM),
    ]


def test_a_severity_may_be_of_one_package() -> None:
    """Severities under `affected` are claims on that package."""
    found = claim(EVERY_VERSION, severity=[{"type": "CVSS_V3", "score": V3}])
    assert [(item.source, item.score) for item in found.severity] == [("GHSA", 9.8)]


def test_a_vector_that_is_none_is_counted() -> None:
    """The record stays, without the severity, and the broken vectors are counted."""
    broken = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}, {"type": "CVSS_V4", "score": V3}]
    found = parsed(affected=[entry(EVERY_VERSION, severity=broken[:1])], severity=broken)
    assert found.record is not None
    assert (found.record.severity, found.record.affected[0].severity) == ((), ())
    assert reasons(found) == ["severity that is no CVSS vector"] * 3


def test_ubuntus_priority_is_its_word() -> None:
    """A severity of type `Ubuntu` is a word; one that says nothing is no fault."""
    words = [{"type": "Ubuntu", "score": "medium"}, {"type": "Ubuntu", "score": "untriaged"}]
    found = parsed(affected=[entry(EVERY_VERSION, ecosystem="Ubuntu:22.04:LTS", severity=words)])
    assert found.record is not None
    (claimed,) = found.record.affected[0].severity
    assert (claimed.source, claimed.kind, claimed.severity) == ("ubuntu", "word", Severity.MEDIUM)
    assert found.unused == ()


def test_ubuntus_priority_comes_before_a_score() -> None:
    """Canonical writes it among the severities of the record, in older records below `ecosystem_specific`: it is said
    of each of the packages, and so counts before scores."""
    vector = {"type": "CVSS_V3", "score": V3}
    packages = [entry(EVERY_VERSION, ecosystem="Ubuntu:22.04:LTS"), entry(EVERY_VERSION, ecosystem="Ubuntu:24.04:LTS")]
    found = parsed(affected=packages, severity=[vector, {"type": "Ubuntu", "score": "low"}])
    assert found.record is not None
    assert [[claim.severity for claim in one.severity] for one in found.record.affected] == [[Severity.LOW]] * 2
    older = claim(EVERY_VERSION, ecosystem="Ubuntu:22.04:LTS", ecosystem_specific={"ubuntu_priority": "high"})
    assert [(said.source, said.severity) for said in older.severity] == [("ubuntu", Severity.HIGH)]


def test_builds_that_ubuntu_sells_are_left_out() -> None:
    """Fixes of FIPS and realtime kernels are of other packages; the plain release stays without one."""
    sold = ("Ubuntu:Pro:FIPS:20.04:LTS", "Ubuntu:Pro:FIPS-updates:22.04:LTS",
            "Ubuntu:Pro:Realtime:22.04:LTS", "Ubuntu:22.04:LTS:for:NVIDIA:BlueField")  # fmt: skip
    builds = [entry(EVERY_VERSION, ecosystem=name) for name in sold]
    found = parsed(affected=[*builds, entry(EVERY_VERSION, ecosystem="Ubuntu:22.04:LTS")])
    assert found.record is not None
    assert [(one.namespace, one.intervals) for one in found.record.affected] == [("ubuntu:22.04", (Interval("0"),))]
    assert reasons(found) == ["ecosystem Ubuntu is not matched"] * len(sold)


def test_what_is_not_fixed_even_for_money() -> None:
    """Of a release that has ended OSV has only what is sold for it. What is not fixed there is not fixed anywhere, and
    beside an entry for the release itself it says nothing (the shape of UBUNTU-CVE-2006-20001)."""
    versions = ["2.4.7-1ubuntu4.22", "2.4.7-1ubuntu4.22+esm10"]
    sold = entry(EVERY_VERSION, ecosystem="Ubuntu:Pro:14.04:LTS", versions=versions)
    (ended,) = record(sold).affected
    assert (ended.namespace, ended.intervals, ended.state) == ("ubuntu:14.04", (Interval("0"),), "affected")
    assert (ended.versions, ended.extended) == (tuple(versions), "")
    fixed = entry(EVERY_VERSION, {"fixed": "2.4.7-1ubuntu4.30"}, ecosystem="Ubuntu:14.04:LTS")
    for order in ([sold, fixed], [fixed, sold]):
        (own,) = record(*order).affected
        assert (own.intervals, own.versions, own.state) == ((Interval("0", "2.4.7-1ubuntu4.30"),), (), "fixed")


EXTENDED = entry(EVERY_VERSION, {"fixed": "1.2-1ubuntu0.1~esm1"}, ecosystem="Ubuntu:Pro:22.04:LTS", versions=["1.2-1"])


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ((), ("", "will-not-fix")),
        ((EVERY_VERSION,), ("", "will-not-fix")),
        ((EVERY_VERSION, {"fixed": "1.2-1ubuntu0.2"}), ("1.2-1ubuntu0.2", "fixed")),
    ],
)
def test_what_extended_maintenance_fixed(plain: tuple[dict[str, str], ...], expected: tuple[str, str]) -> None:
    """The plain release has it, and nobody will fix it there, unless it has a fix of its own; those builds have one."""
    own = [entry(*plain, ecosystem="Ubuntu:22.04:LTS")] if plain else []
    for order in ([EXTENDED, *own], [*own, EXTENDED]):
        (found,) = record(*order).affected
        assert (found.namespace, found.intervals, found.versions) == ("ubuntu:22.04", (Interval("0", expected[0]),), ())
        assert (found.state, found.extended) == (expected[1], "1.2-1ubuntu0.1~esm1")


@pytest.mark.parametrize(
    ("urgency", "severity", "state"),
    [
        ("unimportant", Severity.INFORMATIONAL, "affected"),
        ("low", Severity.LOW, "affected"),
        ("high**", Severity.HIGH, "affected"),
        ("not yet assigned", None, "affected"),
        ("end-of-life", None, "end-of-life"),
    ],
)
def test_debians_urgency_is_its_word(urgency: str, severity: Severity | None, state: str) -> None:
    """`ecosystem_specific.urgency` is the tracker's: a severity, or that the release has ended."""
    found = claim(EVERY_VERSION, ecosystem="Debian:12", ecosystem_specific={"urgency": urgency})
    assert [item.severity for item in found.severity] == ([] if severity is None else [severity])
    assert all(item.source == "debian" for item in found.severity)
    assert found.state == state


def test_dates_are_in_utc_to_the_second() -> None:
    """However a feed writes a moment, it is kept in one form, so that texts sort as moments do."""
    found = record(entry(EVERY_VERSION), published="2024-05-01T23:30:00.25-02:00", modified="2024-05-02T00:00:00Z")
    assert (found.published, found.modified) == ("2024-05-02T01:30:00Z", "2024-05-02T00:00:00Z")


@pytest.mark.parametrize(
    ("ecosystem", "name"),
    [
        ("crates.io", "tokio_util"),
        ("crates.io", "tokio-util"),
        ("Go", "stdlib"),
        ("Go", "toolchain"),
        ("Go", "a.b/c/v2"),
    ],
)
def test_names_of_crates_and_go_are_as_written(ecosystem: str, name: str) -> None:
    """`-` and `_` make two crates; Go's own library and tools are packages of vulndb like any other."""
    assert claim(EVERY_VERSION, ecosystem=ecosystem, name=name).name == name


def test_a_module_with_capitals_is_named_in_lower_case_too() -> None:
    """As package URLs write it; what is said of it is the same."""
    first, second = record(entry(EVERY_VERSION, ecosystem="Go", name="a.b/C/v2")).affected
    assert (first.name, second.name, first.intervals) == ("a.b/C/v2", "a.b/c/v2", second.intervals)


@pytest.mark.parametrize(
    ("members", "licence"),
    [
        ({"database_specific": {"license": "CC0-1.0"}}, "CC0-1.0"),
        ({"database_specific": {"license": " "}}, "MIT"),
        ({"database_specific": {"license": 7}}, "MIT"),
        ({}, "MIT"),
    ],
)
def test_a_record_may_state_its_licence(members: dict[str, Any], licence: str) -> None:
    """RustSec states it for the record, and where that says nothing an entry's own counts."""
    assert record(entry(EVERY_VERSION, database_specific={"license": "MIT"}), **members).licence == licence
    assert record(entry(EVERY_VERSION)).licence == ""


KERNEL = {
    "id": "ALSA-2024:1000",
    "summary": "Important: kernel security update",
    "related": ["CVE-2024-1001", "CVE-2024-1000", "two words"],
}


def rpm(fixed: str, ecosystem: str = "AlmaLinux:8") -> dict[str, Any]:
    return entry(EVERY_VERSION, {"fixed": fixed}, ecosystem=ecosystem, name="kernel")


@pytest.mark.parametrize(
    ("record_id", "ecosystem", "cves"),
    [("ALSA-2024:1000", "AlmaLinux:8", "related"), ("RLSA-2024:1000", "Rocky Linux:8", "upstream")],
)
def test_the_first_word_of_an_advisory_is_its_severity(record_id: str, ecosystem: str, cves: str) -> None:
    """AlmaLinux and Rocky rate their own packages so; the CVEs that are taken care of are no aliases."""
    members = {"id": record_id, "summary": KERNEL["summary"], cves: KERNEL["related"]}
    found = record(rpm("0:4.18.0-1.el8", ecosystem), **members)
    (affected,) = found.affected
    prefix = record_id[:4]
    assert affected.severity == (SeverityClaim(prefix, "word", "Important", Severity.HIGH),)
    assert (found.severity, found.aliases) == ((), ())
    assert found.upstream == ("CVE-2024-1000", "CVE-2024-1001")


@pytest.mark.parametrize("member", ["upstream", "related"])
@pytest.mark.parametrize(("record_id", "ecosystem"), [("USN-6969-1", "Ubuntu:22.04:LTS"), ("DSA-5649-1", "Debian:12")])
def test_a_notice_takes_care_of_vulnerabilities(record_id: str, ecosystem: str, member: str) -> None:
    """Ubuntu's names the records of its own that it is about (USN-6969-1 in canonical/ubuntu-security-notices), in
    older forms as `related`; they are kept as CVEs, and are no aliases."""
    named = ["UBUNTU-CVE-2024-25641", "CVE-2024-29894"]
    found = record(entry(EVERY_VERSION, {"fixed": "2"}, ecosystem=ecosystem), id=record_id, **{member: named})
    assert (found.upstream, found.aliases) == (("CVE-2024-25641", "CVE-2024-29894"), ())


@pytest.mark.parametrize(
    ("prefix", "ecosystem"),
    [
        ("AZL", "Azure Linux:3"),
        ("CGA", "Chainguard"),
        ("MINI", "MinimOS"),
        ("ECHO", "Echo"),
        ("BELL", "Alpaquita:23"),
    ],
)
def test_some_vendors_number_their_records_by_themselves(prefix: str, ecosystem: str) -> None:
    """Theirs are of one CVE each, which stands in `upstream`, where others have advisories of any number of them."""
    upstream = ["CVE-2024-1000", "GHSA-aaaa-bbbb-cccc"]
    one = record(entry(EVERY_VERSION, ecosystem=ecosystem), id=f"{prefix}-1", upstream=upstream)
    two = record(entry(EVERY_VERSION, ecosystem=ecosystem), id=f"{prefix}-2", upstream=[*upstream, "CVE-2024-1001"])
    assert (one.aliases, two.aliases) == ((() if prefix == "BELL" else ("CVE-2024-1000",)), ())


def test_drupal_and_maven_central_are_what_their_packages_are() -> None:
    """OSV names their repositories; of another repository the same name may be another package."""
    names = (
        "Packagist:https://packages.drupal.org/8",
        "Maven:https://repo1.maven.org/maven2",
        "Maven:https://a.example/b",
    )
    found = parsed(affected=[entry(EVERY_VERSION, ecosystem=name) for name in names])
    assert found.record is not None
    assert [one.namespace for one in found.record.affected] == ["packagist", "maven"]
    assert reasons(found) == ["ecosystem Maven is not matched"]


def test_modules_of_suse_12_are_for_each_service_pack() -> None:
    """Their names have none, where those of 15 do."""
    modules = ("12", "15 SP6")
    affected = [
        entry(EVERY_VERSION, {"fixed": "1-2"}, ecosystem=f"SUSE:Linux Enterprise Module for Web and Scripting {module}")
        for module in modules
    ]
    releases = [one.namespace for one in record(*affected).affected]
    assert releases == ["sles:12", *(f"sles:12.{pack}" for pack in range(1, 6)), "sles:15.6"]


def test_openeulers_records_are_of_source_packages() -> None:
    """openEuler files an update under the source package, beside a list of the files that are built from it."""
    built = {"x86_64": ["curl-7.79.1-2.oe2203sp3.x86_64.rpm", "libcurl-7.79.1-2.oe2203sp3.x86_64.rpm"]}
    found = record(
        {**entry(EVERY_VERSION, ecosystem="openEuler:22.03-LTS-SP3", name="curl"), "ecosystem_specific": built},
        id="OESA-2024-1000",
    )
    assert [(one.namespace, one.name, one.of_source) for one in found.affected] == [
        ("openeuler:22.03-LTS-SP3", "curl", True)
    ]


def test_what_is_related_is_not_taken_care_of() -> None:
    """`related` of other databases says no more than that; `upstream` is a direction everywhere."""
    found = record(entry(EVERY_VERSION), related=["CVE-2024-1000"], upstream=["CVE-2024-1001"], summary="Low: a fault")
    assert (found.upstream, found.aliases, found.affected[0].severity) == (("CVE-2024-1001",), (), ())


@pytest.mark.parametrize("record_id", ["ALBA-2024:1", "ALEA-2024:1", "RLBA-2024:1", "RLEA-2024:1"])
def test_a_bug_fix_is_no_vulnerability(record_id: str) -> None:
    """Advisories on bugs and enhancements count only where they name a CVE (ALBA-2019:3693 does)."""
    found = parsed(affected=[rpm("1-1.el8")], id=record_id, related=[], summary="kernel bug fix update")
    assert (found.record, reasons(found)) == (None, ["bug fix or enhancement that names no vulnerability"])
    assert record(rpm("1-1.el8"), id=record_id, related=["CVE-2024-1000"]).upstream == ("CVE-2024-1000",)


MODULAR = ("1:1-2.module_el8.5.0+119+9a9ec082", "0:1-2.module+el8.4.0+1+1")


def modules(found: Parsed) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, module and ends of the intervals of each claim."""
    assert found.record is not None
    return [(one.name, one.module, tuple(i.end for i in one.intervals)) for one in found.record.affected]


@pytest.mark.parametrize(
    ("modular", "begin"), [(MODULAR[0], "1:1-0"), (MODULAR[1], "0:1-0"), ("1.module_el8.5.0+1+1", "0")]
)
def test_fixes_of_modules_without_a_stream_are_of_any(modular: str, begin: str) -> None:
    """They never apply to a build outside of a module, and in whichever stream to the version that was fixed."""
    found = parsed(affected=[rpm(modular), rpm("1-3.el8")], **KERNEL)
    assert modules(found) == [("kernel", "*", (modular,)), ("kernel", "", ("1-3.el8",))]
    both = rpm(modular)
    both["ranges"] += rpm("1-3.el8")["ranges"]
    mixed = parsed(affected=[both], **KERNEL)
    assert sorted(modules(mixed)) == sorted(modules(found))
    alone = parsed(affected=[rpm(modular)], **KERNEL)
    assert (modules(alone), reasons(alone)) == ([("kernel", "*", (modular,))], [])
    assert alone.record is not None
    assert alone.record.affected[0].intervals == (Interval(begin, modular),)


@pytest.mark.parametrize("modular", MODULAR)
@pytest.mark.parametrize(
    ("summary", "streams"),
    [
        ("Important: nodejs:18 security update", ["nodejs:18"]),
        ("Moderate: container-tools:rhel8 security, bug fix, and enhancement update", ["container-tools:rhel8"]),
        ("Low: perl-libwww-perl:6.34 security update", ["perl-libwww-perl:6.34"]),
        ("Moderate: virt:rhel and virt-devel:rhel security update", ["virt:rhel", "virt-devel:rhel"]),
        ("Red Hat Security Advisory: php:8.2 security update", ["php:8.2"]),
        ("new module: php:7.4", ["php:7.4"]),
        ("ALSA-2024:1000: php:8.0 security update (Important)", ["php:8.0"]),
    ],
)
def test_the_summary_names_the_stream_of_a_module(modular: str, summary: str, streams: list[str]) -> None:
    """Of an advisory on several streams each fix may be of either; what is built outside of them stays so."""
    members = {"id": "ALSA-2024:1000", "summary": summary}
    found = parsed(affected=[rpm(modular), rpm("1-3.el8")], **members)
    assert sorted(modules(found)) == sorted(
        [("kernel", "", ("1-3.el8",)), *(("kernel", s, (modular,)) for s in streams)]
    )
    assert reasons(found) == []


def test_a_package_url_names_the_stream_before_the_summary_does() -> None:
    """Rocky's newer records name the module of each package."""
    item = rpm("0:1-2.module+el8.9.0+1+1", "Rocky Linux:8")
    item["package"]["purl"] = "pkg:rpm/rocky-linux/kernel?distro=rocky-linux-8&epoch=0&rpmmod=nodejs:16:8090:d63f516d"
    assert modules(parsed(affected=[item], id="RLSA-2024:1", summary="Important: nodejs:18 security update")) == [
        ("kernel", "nodejs:16", ("0:1-2.module+el8.9.0+1+1",))
    ]


def test_of_the_builds_of_one_version_the_lowest_has_the_fix() -> None:
    """ALSA-2026:25090 lists a build of httpd for each architecture; another version is another fix."""
    ends = [
        "2.4-65.module_el8.10.0+4190+704ad79b.8",
        "2.4-65.module_el8.10.0+4185+0955a0d7.8",
        "2.4-9.module_el8.1.0+1+a",
    ]
    found = parsed(
        affected=[rpm(end) for end in ends], id="ALSA-2024:1", summary="Important: httpd:2.4 security update"
    )
    assert modules(found) == [("kernel", "httpd:2.4", (ends[1], ends[2]))]


def test_sources_are_told_from_what_is_installed() -> None:
    """Rocky's records are made from source packages, without the epoch in the version (RESF's Apollo); Mageia says so
    in the package URL; Microsoft's are (Trivy, `azure.go`); AlmaLinux's name what is installed."""
    rocky, mageia = rpm("3.0.7-28.el9", "Rocky Linux:9"), rpm("1-2.mga9", "Mageia:9")
    azure = rpm("8.11.1-3.azl3", "Azure Linux:3")
    rocky["package"]["purl"] = "pkg:rpm/rocky-linux/kernel@3.0.7-28.el9?distro=rocky-linux-9&epoch=1"
    mageia["package"]["purl"] = "pkg:rpm/mageia/kernel?arch=source&distro=mageia-9"
    told = [
        (one.namespace, one.of_source, one.intervals[0].end)
        for one in record(rocky, mageia, azure, rpm("1-1.el8")).affected
    ]
    assert told == [
        ("rocky:9", True, "1:3.0.7-28.el9"),
        ("mageia:9", True, "1-2.mga9"),
        ("azurelinux:3", True, "8.11.1-3.azl3"),
        ("almalinux:8", False, "1-1.el8"),
    ]


def test_a_record_cannot_say_more_than_can_be_held() -> None:
    """One that would make millions of claims of few bytes is no record."""
    many = [EVERY_VERSION, {"fixed": "1"}] * 500
    item = entry(*many, ecosystem="SUSE:Linux Enterprise Server 15 SP6")
    item["ecosystem_specific"] = {"binaries": [{str(n): "1" for n in range(1_000)}]}
    with pytest.raises(Unparsable, match="over 200000 version ranges"):
        parsed(affected=[item] * 10)


def test_a_fix_below_its_beginning_is_counted() -> None:
    """In the order of versions it ends nothing: the range is open (schema, evaluation)."""
    found = parsed(affected=[entry({"introduced": "2.0"}, {"fixed": "1.0"})])
    assert found.record is not None
    assert found.record.affected[0].intervals == (Interval("2.0"),)
    assert reasons(found) == ["fix below the version that it is for"]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "soon", "", "9999-12-31T23:59:59-23:00", None])
def test_dates_that_are_none_are_empty(text: str | None) -> None:
    """Go's zero time, which vulndb writes where it has no date, is none; neither is a text, nor a moment after 9999."""
    found = record(entry(EVERY_VERSION), published=text, modified=text)
    assert (found.published, found.modified) == ("", "")


def test_aliases_are_sorted_and_sound() -> None:
    """Aliases are ids: no blanks, no controls, 128 characters at most, and not the record itself."""
    noise = ["", "two words", "a\0b", "x" * 129, "GHSA-aaaa-bbbb-cccc"]
    found = record(entry(EVERY_VERSION), aliases=["PYSEC-2024-1", "CVE-2024-1000", "CVE-2024-1000", *noise])
    assert found.aliases == ("CVE-2024-1000", "PYSEC-2024-1")


def test_texts_are_bounded() -> None:
    """A summary is a line, details are some paragraphs, references are 20 at most."""
    found = record(
        entry(EVERY_VERSION),
        summary="s" * 5_000,
        details="d" * 50_000,
        references=[
            {"type": "WEB", "url": None},
            *({"type": "WEB", "url": f"https://e.example/{n}"} for n in range(30)),
        ],
    )
    assert (len(found.summary), len(found.details)) == (400, TEXT_LIMIT)
    assert found.details.endswith("d…")
    assert found.references == tuple(f"https://e.example/{n}" for n in range(20))


@pytest.mark.parametrize(
    ("record_id", "page"),
    [
        ("GHSA-aaaa-bbbb-cccc", "https://github.com/advisories/GHSA-aaaa-bbbb-cccc"),
        ("CVE-2024-1000", "https://nvd.nist.gov/vuln/detail/CVE-2024-1000"),
        ("PYSEC-2024-1", "https://osv.dev/vulnerability/PYSEC-2024-1"),
        ("GO-2024-1000", "https://pkg.go.dev/vuln/GO-2024-1000"),
        ("RUSTSEC-2024-1000", "https://rustsec.org/advisories/RUSTSEC-2024-1000.html"),
        ("UBUNTU-CVE-2024-1000", "https://ubuntu.com/security/CVE-2024-1000"),
        ("USN-6969-1", "https://ubuntu.com/security/notices/USN-6969-1"),
        ("DEBIAN-CVE-2024-1000", "https://security-tracker.debian.org/tracker/CVE-2024-1000"),
        ("DLA-1000-1", "https://security-tracker.debian.org/tracker/DLA-1000-1"),
        ("RHSA-2024:1000", "https://access.redhat.com/errata/RHSA-2024:1000"),
        ("RLSA-2024:1000", "https://errata.rockylinux.org/RLSA-2024:1000"),
        ("X-1/../?<", "https://osv.dev/vulnerability/X-1%2F..%2F%3F%3C"),
    ],
)
def test_a_record_has_a_page(record_id: str, page: str) -> None:
    """Each record links to where its database shows it, else to osv.dev."""
    assert record(entry(EVERY_VERSION), id=record_id).url == page


def test_a_cve_in_debians_packages_alone_is_on_debians_page() -> None:
    """The records that are bundled for Debian have the id of the CVE."""
    found = record(entry(EVERY_VERSION, ecosystem="Debian:12"), id="CVE-2024-1000")
    assert found.url == "https://security-tracker.debian.org/tracker/CVE-2024-1000"


def test_nulls_are_absent_members() -> None:
    """Exporters write null for an empty list or text."""
    found = parsed(
        affected=[{**entry(), "ranges": None, "severity": None, "versions": ["1.0"], "database_specific": None}],
        aliases=None,
        severity=None,
        references=None,
        summary=None,
        withdrawn=None,
    )
    assert found.record is not None
    assert found.record.affected[0].versions == ("1.0",)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b"[]",
        b'"CVE-2024-1000"',
        b"<!DOCTYPE html><title>404</title>",
        b'{"id": "CVE-2024-1000"',
        b'{"id": 7}',
        b"{}",
        b'{"id": ""}',
        b'{"id": "two words"}',
        b'{"id": "' + b"x" * 129 + b'"}',
        b'{"id": "CVE-2024-1000\\u0000"}',
        b'{"id": "CVE-2024-1000", "affected": {"0": 1}}',
        b'{"id": "CVE-2024-1000", "summary": "\xff\xfe"}',
        b'{"id": "CVE-2024-1000", "summary": "\\ud800"}',
        b'{"id": "CVE-2024-1000", "affected": [{"ranges": [{"type": "SEMVER", "events": [{"fixed": 1}]}]}]}',
        b'{"id": "CVE-2024-1000", "details": ' + b"[" * 100_000,
        '{"id": "CVE-2024-1000"}'.encode("utf-16"),
    ],
)
def test_what_is_no_record_is_refused(document: bytes) -> None:
    """Whatever the bytes, the one error is Unparsable."""
    with pytest.raises(Unparsable):
        osv.parse(document)


def test_a_record_of_fifty_megabytes_is_refused() -> None:
    """A document over the limit is not even decoded."""
    with pytest.raises(Unparsable, match="over 16777216 bytes"):
        osv.parse(b'{"id": "CVE-2024-1000", "details": "' + b"a" * (50 << 20) + b'"}')
