"""Ubuntu's tracker says what each series does about a CVE (ubuntu-cve-tracker, README and `cve_lib`)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.advisories.feeds import ubuntu
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim

HEAD = """\
PublicDateAtUSN: 2024-01-31
Candidate: CVE-2024-1000
PublicDate: 2024-02-01 06:15:00 UTC
"""

DOCUMENT = (
    HEAD
    + """\
References:
 https://www.cve.org/CVERecord?id=CVE-2024-1000
 https://ubuntu.com/security/notices/USN-6000-1
Description:
 A fault
 in curl.
Ubuntu-Description:
Notes:
 somebody> jammy_curl: needed, one might think
Mitigation:
Bugs:
 http://bugs.example/1
Priority: medium
 Nobody does that.
Priority_nghttp2: low
Discovered-by: Somebody
Assigned-to:
CVSS:
 nvd: CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H

Patches_curl:
 upstream: https://curl.example/commit/1
Tags_curl: universe-binary
upstream_curl: released (8.6.0)
trusty_curl: ignored (end of standard support)
trusty/esm_curl:needed
focal_curl: released (7.68.0-1ubuntu2.22)
jammy_curl: released (7.81.0-1ubuntu1.16)
noble_curl: not-affected (8.5.0-2ubuntu10)
devel_curl: not-affected (8.5.0-2ubuntu10)

Patches_nghttp2:
upstream_nghttp2: needs-triage
focal_nghttp2: DNE
jammy_nghttp2: needed
"""
)


def parsed(*lines: str, priority: str = "") -> Record | None:
    return ubuntu.parse(f"{HEAD}Priority: {priority}\n{chr(10).join(lines)}\n".encode()).record


def claims(*lines: str) -> dict[tuple[str, str], tuple[str, str, bool]]:
    """Namespace and package to the fix, the state, and whether it is not affected."""
    record = parsed(*lines)
    return {
        (found.namespace, found.name): ("".join(one.fixed for one in found.intervals), found.state, found.unaffected)
        for found in (record.affected if record else ())
    }


def reasons(*lines: str) -> list[str]:
    return [part.reason for part in ubuntu.parse(f"{HEAD}{chr(10).join(lines)}\n".encode()).unused]


def test_a_document_is_a_record() -> None:
    """One record a CVE, with its texts, and the line of each source in each series that is known."""
    medium, low = (SeverityClaim("ubuntu", "word", word, Severity[word.upper()]) for word in ("medium", "low"))
    found = ubuntu.parse(DOCUMENT.encode())
    assert found.record == Record(
        id="CVE-2024-1000",
        source="ubuntu-tracker",
        affected=(
            Affected("ubuntu:14.04", "curl", (Interval("0"),), state="end-of-life", severity=(medium,)),
            Affected("ubuntu:20.04", "curl", (Interval("0", "7.68.0-1ubuntu2.22"),), severity=(medium,)),
            Affected("ubuntu:22.04", "curl", (Interval("0", "7.81.0-1ubuntu1.16"),), severity=(medium,)),
            Affected("ubuntu:24.04", "curl", unaffected=True),
            Affected("ubuntu:22.04", "nghttp2", (Interval("0"),), state="affected", severity=(low,)),
        ),
        published="2024-02-01T06:15:00Z",
        details="A fault in curl.",
        references=(
            "https://www.cve.org/CVERecord?id=CVE-2024-1000",
            "https://ubuntu.com/security/notices/USN-6000-1",
        ),
        url="https://ubuntu.com/security/CVE-2024-1000",
    )
    assert found.unused == (
        Unused("CVE-2024-1000", "extended maintenance of a release"),
        Unused("CVE-2024-1000", "release devel is not known"),
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("released (1.2-3ubuntu1)", ("1.2-3ubuntu1", "fixed", False)),
        ("released (2:1.2-3ubuntu1~22.04.1)", ("2:1.2-3ubuntu1~22.04.1", "fixed", False)),
        ("needed", ("", "affected", False)),
        ("in-progress", ("", "affected", False)),
        # Not out yet, whatever the version will be.
        ("pending (1.2-3ubuntu1)", ("", "affected", False)),
        ("deferred (2024-03-01)", ("", "deferred", False)),
        ("not-affected (code not present)", ("", "fixed", True)),
        ("ignored (too intrusive to backport)", ("", "will-not-fix", False)),
        ("ignored", ("", "will-not-fix", False)),
        ("ignored (end of life)", ("", "end-of-life", False)),
        ("ignored (reached end-of-life)", ("", "end-of-life", False)),
        ("ignored (end of standard support, was needed)", ("", "end-of-life", False)),
        ("ignored (out of standard support)", ("", "end-of-life", False)),
        ("ignored (end of life, was deferred [2020-01-01])", ("", "end-of-life", False)),
        ("ignored (end of life, was not-affected)", ("", "fixed", True)),
    ],
)
def test_a_status_says_what_is_done(status: str, expected: tuple[str, str, bool]) -> None:
    """`released` with a version ends what is affected, `not-affected` is a statement, others affect every version."""
    assert claims(f"jammy_curl: {status}") == {("ubuntu:22.04", "curl"): expected}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("jammy_curl: needs-triage", ["needs triage"]),
        ("jammy_curl:", ["needs triage"]),
        # Nobody had looked when the release ended: unknown for ever.
        ("jammy_curl: ignored (end of life, was needs-triage)", ["needs triage"]),
        ("jammy_curl: released", ["released without a version"]),
        ("jammy_curl: released (see the notes)", ["released without a version"]),
        ("jammy_curl: confused", ["status confused is not known"]),
        ("lucid_curl: needed", ["release lucid is not known"]),
        ("fips/jammy_curl: needed", ["separate build of a release"]),
        ("fips-updates/focal_curl: released (1.0)", ["separate build of a release"]),
        ("realtime/jammy_linux-realtime: released (5.15.0-1)", ["separate build of a release"]),
        ("bluefield/jammy_linux-bluefield: needed", ["separate build of a release"]),
        ("vivid/ubuntu-core_curl: needed", ["separate build of a release"]),
        ("ros-esm/focal/noetic_curl: needed", ["separate build of a release"]),
        ("esm-infra/focal_curl: needed", ["extended maintenance of a release"]),
    ],
)
def test_what_says_nothing_is_counted(line: str, expected: list[str]) -> None:
    """Nothing is claimed of what nobody looked at, or of other builds, and that it was passed by is on record."""
    assert (claims(line), reasons(line)) == ({}, expected)


def test_what_is_not_there_is_nothing_to_speak_of() -> None:
    """`DNE`, and what upstream did: there is no package of the release that anything is claimed of."""
    assert claims("jammy_curl: DNE", "upstream_curl: released (8.6.0)", "focal_curl: needed") == {
        ("ubuntu:20.04", "curl"): ("", "affected", False)
    }


@pytest.mark.parametrize("extended", ["esm-infra/focal", "esm-apps/focal", "focal/esm", "esm-infra-legacy/focal"])
@pytest.mark.parametrize(
    ("plain", "state"),
    [
        ("needed", "will-not-fix"),
        ("deferred", "will-not-fix"),
        ("needs-triage", "will-not-fix"),
        ("ignored (end of standard support, was needs-triage)", "will-not-fix"),
        ("pending (1.0-1)", "affected"),
    ],
)
def test_a_fix_that_is_not_free_is_none(extended: str, plain: str, state: str) -> None:
    """What only extended maintenance fixed the plain release has, without a fix; its version is never named."""
    lines = f"focal_curl: {plain}", f"{extended}_curl: released (7.68.0-1ubuntu2.25+esm1)"
    for order in (lines, lines[::-1]):
        assert claims(*order) == {("ubuntu:20.04", "curl"): ("", state, False)}


def test_builds_of_extended_maintenance_have_its_fix() -> None:
    """From its version on, the lowest where it released several; a version that is none says nothing."""
    lines = "esm-infra/focal_curl: released (1.0+esm2)", "esm-apps/focal_curl: released (1.0+esm1)"
    for plain in ("needed", "released (2.0)", "pending (2.0)"):
        record = parsed(f"focal_curl: {plain}", *lines)
        assert record is not None
        assert [found.extended for found in record.affected] == ["1.0+esm1"]
    none = parsed("focal_curl: needed", "esm-infra/focal_curl: released (see the notes)")
    assert none is not None
    assert [found.extended for found in none.affected] == [""]


def test_a_plain_release_speaks_for_itself() -> None:
    """Where it is fixed or not affected, what extended maintenance did says nothing; without a line of its own it has
    what that fixed."""
    extended = "esm-apps/jammy_curl: released (1.0+esm1)"
    assert claims("jammy_curl: released (1.0)", extended) == {("ubuntu:22.04", "curl"): ("1.0", "fixed", False)}
    assert claims("jammy_curl: not-affected", extended) == {("ubuntu:22.04", "curl"): ("", "fixed", True)}
    assert claims("jammy_curl: DNE", extended) == {}
    assert claims(extended) == {("ubuntu:22.04", "curl"): ("", "will-not-fix", False)}


@pytest.mark.parametrize(
    ("priority", "severity"),
    [
        ("critical", Severity.CRITICAL),
        ("high", Severity.HIGH),
        ("medium", Severity.MEDIUM),
        ("low", Severity.LOW),
        ("negligible", Severity.INFORMATIONAL),
        ("untriaged", None),
        ("", None),
    ],
)
def test_priority_is_ubuntus_severity(priority: str, severity: Severity | None) -> None:
    """`untriaged` says nothing."""
    record = parsed("jammy_curl: needed", priority=priority)
    assert record is not None
    said = [(claim.source, claim.severity) for claim in record.affected[0].severity]
    assert said == ([] if severity is None else [("ubuntu", severity)])


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\x00" * 100,
        b"Candidate:\nPublicDate: 2024-01-01\njammy_curl: needed\n",
        b"Candidate: CVE-XXXX-1234\njammy_curl: needed\n",
        b"Candidate: CVE-2024-" + b"1" * 1_000 + b"\n",
        b"x" * (ubuntu.DOCUMENT_LIMIT + 1),
    ],
    ids=["empty", "zeros", "boilerplate", "no-number", "long", "large"],
)
def test_what_is_no_cve_is_refused(document: bytes) -> None:
    """The one error is Unparsable."""
    with pytest.raises(Unparsable):
        ubuntu.parse(document)


def test_a_document_that_says_nothing_is_no_record() -> None:
    """It is told so, under its id."""
    assert ubuntu.parse(HEAD.encode()).unused == (Unused("CVE-2024-1000", "names no package"),)


@pytest.mark.parametrize(
    "line",
    [
        "jammy_a{}: needed\n",
        "a{}/b_c: needed\n",
        "jammy_curl: ignored (end of {})\n",
        " {}\n",
        "jammy_curl:" + " " * 99 + "{}\n",
    ],
    ids=["sources", "builds", "again", "text", "blanks"],
)
def test_a_large_document_is_read_in_time(line: str) -> None:
    """A megabyte of lines takes a second."""
    body = HEAD + "".join(line.format(number) for number in range((ubuntu.DOCUMENT_LIMIT - 200) // (len(line) + 5)))
    started = time.process_time()
    found = ubuntu.parse(body.encode())
    assert time.process_time() - started < 3
    assert len(found.unused) <= 1


@given(st.lists(st.sampled_from(["jammy_curl: ", "esm-infra/jammy_curl: ", "Priority: ", " "]), max_size=5), st.text())
@settings(max_examples=60, deadline=None)
def test_whatever_stands_there_is_a_record_or_a_reason(lines: list[str], text: str) -> None:
    """No text raises anything but Unparsable."""
    body = HEAD + "".join(f"{line}{text}\n" for line in lines)
    try:
        found = ubuntu.parse(body.encode("utf-8", "surrogatepass"))
    except Unparsable:
        return
    assert found.record is not None or found.unused


def test_a_priority_of_one_series_is_of_that_one() -> None:
    """`Priority_SOURCE_SERIES` goes before `Priority_SOURCE`, and that before the document's (ubuntu-cve-tracker,
    README)."""
    record = parsed(
        "Priority_curl_trusty: low",
        "Priority_nghttp2: high",
        "Priority_nghttp2_noble: negligible",
        "trusty_curl: needed",
        "jammy_curl: needed",
        "jammy_nghttp2: needed",
        "noble_nghttp2: needed",
        priority="medium",
    )
    assert record is not None
    assert {(one.namespace, one.name): [claim.value for claim in one.severity] for one in record.affected} == {
        ("ubuntu:14.04", "curl"): ["low"],
        ("ubuntu:22.04", "curl"): ["medium"],
        ("ubuntu:22.04", "nghttp2"): ["high"],
        ("ubuntu:24.04", "nghttp2"): ["negligible"],
    }
