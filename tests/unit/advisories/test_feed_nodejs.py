"""Records of Node.js's working group give npm ranges of vulnerable and of patched versions (nodejs/security-wg)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.advisories import matching
from hullwise.advisories.feeds import nodejs
from hullwise.advisories.feeds.osv import Parsed
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim
from hullwise.versions import gem, semver
from hullwise.versions.invalid import InvalidVersion

V30 = "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


def parsed(**members: Any) -> Parsed:
    whole = {
        "id": 577,
        "title": "Prototype pollution",
        "overview": "`merge` may be made to write to `Object.prototype`.",
        "created_at": "2018-02-01",
        "updated_at": "2018-04-24",
        "publish_date": "2018-04-23",
        "author": {"name": "Somebody", "website": None, "username": None},
        "module_name": "lodash",
        "cves": ["CVE-2018-3721"],
        "vulnerable_versions": "<4.17.5",
        "patched_versions": ">=4.17.5",
        "recommendation": "Update to 4.17.5.",
        "references": [
            "https://hackerone.com/reports/310443",
            "- Commit: https://github.com/lodash/lodash/commit/d8e0",
        ],
        "cvss_vector": V30,
        "cvss_score": 9.8,
        "coordinating_vendor": None,
    }
    return nodejs.parse(json.dumps({**whole, **members}).encode())


def said(vulnerable: str, patched: str = "") -> list[tuple[str, str]]:
    """Each interval as people read it, and its fix."""
    return [(str(interval), interval.fixed) for interval in nodejs.intervals(vulnerable, patched)]


def holds(text: str, version: str) -> bool:
    made, unusable = matching.claim(Affected("npm", "a", tuple(nodejs.intervals(text, ""))), semver.key)
    assert unusable == 0
    return made is not None and made.holds(semver.key(version))


def test_a_document_on_a_package_is_a_record() -> None:
    """Its id is the group's own, its CVEs are aliases, addresses are found among words."""
    found = parsed()
    assert found.unused == ()
    assert found.record == Record(
        id="NSWG-ECO-577",
        source="nodejs",
        affected=(Affected("npm", "lodash", (Interval("0", "4.17.5"),)),),
        aliases=("CVE-2018-3721",),
        published="2018-04-23T00:00:00Z",
        modified="2018-04-24T00:00:00Z",
        summary="Prototype pollution",
        details="`merge` may be made to write to `Object.prototype`.",
        severity=(SeverityClaim("NSWG", "CVSS_V3", V30, Severity.CRITICAL, 9.8),),
        references=("https://hackerone.com/reports/310443", "https://github.com/lodash/lodash/commit/d8e0"),
        url="https://github.com/nodejs/security-wg/blob/main/vuln/npm/577.json",
    )


CORE = {
    "cve": ["CVE-2024-22019", "CVE-2024-1"],
    "ref": "https://nodejs.example/blog/february",
    "vulnerable": "18.x || 20.x || 21.x",
    "patched": "^18.19.1 || ^20.11.1 || ^21.6.2",
    "overview": "A request may have chunks without an end. (High)\n\nThe server reads them all.\n",
    "affectedEnvironments": ["all"],
    "severity": "high",
}


def core(name: str = "vuln/core/135.json", **members: Any) -> Parsed:
    return nodejs.parse(json.dumps({**CORE, **members}).encode(), name)


def hits(vulnerable: str, patched: str) -> list[tuple[str, str]]:
    """What is said of Node.js itself: each interval as people read it, and its fix."""
    record = core(vulnerable=vulnerable, patched=patched).record
    assert record is not None
    return [(str(interval), interval.fixed) for interval in record.affected[0].intervals]


def test_a_document_on_nodejs_is_a_record() -> None:
    """Its number is the name of its file, its CVEs are aliases, its word is the severity. Prereleases of a line are in
    it."""
    found = core()
    assert found.unused == ()
    assert found.record == Record(
        id="NSWG-CORE-135",
        source="nodejs",
        affected=(
            Affected(
                "runtime",
                "node",
                (
                    Interval("18.0.0.a", "18.19.1"),
                    Interval("20.0.0.a", "20.11.1"),
                    Interval("21.0.0.a", "21.6.2"),
                ),
            ),
        ),
        aliases=("CVE-2024-22019",),
        summary="A request may have chunks without an end. (High)",
        details="A request may have chunks without an end. (High)\n\nThe server reads them all.",
        severity=(SeverityClaim("NSWG", "word", "high", Severity.HIGH),),
        references=("https://nodejs.example/blog/february",),
        url="https://github.com/nodejs/security-wg/blob/main/vuln/core/135.json",
    )
    made, unusable = matching.claim(found.record.affected[0], gem.key)
    assert made is not None
    assert unusable == 0
    versions = (
        "17.9.1 18.0.0-rc.1 18.19.0 18.19.1 19.9.0 20.0.0 20.11.0 20.11.1 21.0.0-nightly20230801aa11 21.6.2 22.0.0"
    )
    assert [version for version in versions.split() if made.holds(gem.key(version))] == [
        "18.0.0-rc.1", "18.19.0", "20.0.0", "20.11.0", "21.0.0-nightly20230801aa11",
    ]  # fmt: skip


# Expected values: what nodejs.org's announcements say of these, line by line.
@pytest.mark.parametrize(
    ("vulnerable", "patched", "expected"),
    [
        # 1: 5.x had ended, and got none.
        ("8.x || 7.x || 4.x || 6.x || 5.x", "^8.1.4 || ^7.10.1 || ^4.8.4 || ^6.11.1", [
            (">= 4.0.0.a, < 4.8.4", "4.8.4"),
            (">= 5.0.0.a, < 6.11.1", "6.11.1"),
            (">= 7.0.0.a, < 7.10.1", "7.10.1"),
            (">= 8.0.0.a, < 8.1.4", "8.1.4"),
        ]),
        # 24: 6.2.0 has the fix, and no word says so.
        (">=6.0.0 <6.2.0 || 5.x || 4.x", "^4.4.6 || ^5.12.0", [
            (">= 4.0.0.a, < 4.4.6", "4.4.6"),
            (">= 5.0.0.a, < 5.12.0", "5.12.0"),
            (">= 6.0.0, < 6.2.0", ""),
        ]),
        # 42
        ("8.5.0", "^8.6.0", [(">= 8.5.0, < 8.6.0", "8.6.0")]),
        # 51: since 9.7.0, and 9.8 to 9.11.1 too.
        ("9.7.x || 10.x", "^9.11.2 || ^10.4.1", [
            (">= 9.7.0.a, < 9.11.2", "9.11.2"),
            (">= 10.0.0.a, < 10.4.1", "10.4.1"),
        ]),
        # 54
        ("<= 10", "^6.14.4 || ^8.11.4 || >= 10.9.0", [
            ("< 6.14.4", "6.14.4"),
            (">= 7.0.0.a, < 8.11.4", "8.11.4"),
            (">= 9.0.0.a, < 10.9.0", "10.9.0"),
        ]),
        # 69: 15.2.1 and what follows it.
        (" 12.x || 14.x || 15.x", " ^12.19.1 || ^14.15.1 || 15.2.1", [
            (">= 12.0.0.a, < 12.19.1", "12.19.1"),
            (">= 14.0.0.a, < 14.15.1", "14.15.1"),
            (">= 15.0.0.a, < 15.2.1", "15.2.1"),
        ]),
        ("14.x || 15.x", "=14.15.1 || v15.2.1", [
            (">= 14.0.0.a, < 14.15.1", "14.15.1"),
            (">= 15.0.0.a, < 15.2.1", "15.2.1"),
        ]),
        # A line that ended without a patch, and one between the two that was never affected.
        ("17.x || 20.x", "^20.3.1", [(">= 17.0.0.a, < 18.0.0.a", ""), (">= 20.0.0.a, < 20.3.1", "20.3.1")]),
        ("8.x", "", [(">= 8.0.0.a, < 9.0.0.a", "")]),
    ],
)  # fmt: skip
def test_lines_of_nodejs(vulnerable: str, patched: str, expected: list[tuple[str, str]]) -> None:
    """Each line has its own fix; one that got none has that of the next, or none."""
    assert hits(vulnerable, patched) == expected


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"affectedEnvironments": ["win32"]}, "only on win32"),
        ({"affectedEnvironments": ["win32", "darwin"]}, "only on darwin, win32"),
        ({"vulnerable": "all of them"}, "version range that cannot be read"),
        ({"vulnerable": " "}, "gives no version range"),
    ],
)
def test_documents_on_nodejs_that_are_not_used(members: dict[str, Any], reason: str) -> None:
    """Those on other systems, and those whose range says nothing."""
    found = core(**members)
    assert (found.record, found.unused) == (None, (Unused("NSWG-CORE-135", reason),))


def test_little_is_asked_of_a_document_on_nodejs() -> None:
    """Linux alone is here too; without CVEs its own id stands; a severity that is no word is none."""
    found = core(affectedEnvironments=["linux"], cve=[], severity="unknown", overview=None, ref=None).record
    assert found is not None
    assert (found.id, found.aliases, found.severity, found.references) == ("NSWG-CORE-135", (), (), ())


@pytest.mark.parametrize("name", ["", "vuln/core/records.json", "1e3.json"])
def test_a_document_on_nodejs_without_a_number_has_no_id(name: str) -> None:
    """Nothing inside tells one from another."""
    with pytest.raises(Unparsable, match="no usable id"):
        core(name)


# node-semver's documentation, `Advanced Range Syntax`, where each range is written out.
@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("1.2.7 || >=1.2.9 <2.0.0", "1.2.7 1.2.9 1.4.6", "1.2.8 2.0.0"),
        ("1.2.3 - 2.3.4", "1.2.3 2.3.4", "1.2.2 2.3.5"),
        ("1.2 - 2.3.4", "1.2.0 2.3.4", "1.1.9 2.3.5"),
        ("1.2.3 - 2.3", "1.2.3 2.3.99", "2.4.0 2.4.0-0"),
        ("1.2.3 - 2", "2.99.0", "3.0.0 3.0.0-0"),
        ("*", "0.0.0 99.0.0", ""),
        ("x", "0.0.0 99.0.0", ""),
        ("1.x", "1.0.0 1.9.9 1.0.0-beta", "0.9.9 2.0.0 2.0.0-beta"),
        ("1.2.X", "1.2.0 1.2.9", "1.1.9 1.3.0"),
        ("1", "1.0.0 1.9.9", "2.0.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0 1.3.0-0"),
        ("~1.2", "1.2.0 1.2.9", "1.3.0"),
        ("~1", "1.0.0 1.9.0", "2.0.0"),
        ("~> 0.2.3", "0.2.3 0.2.9", "0.3.0"),
        ("~1.2.3-beta.2", "1.2.3-beta.2 1.2.3-beta.4 1.2.4", "1.2.3-beta.1 1.3.0"),
        ("^1.2.3", "1.2.3 1.9.9", "1.2.2 2.0.0 2.0.0-0"),
        ("^0.2.3", "0.2.3 0.2.9", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.2 0.0.4"),
        ("^0.0.3-beta", "0.0.3-beta 0.0.3", "0.0.4"),
        ("^1.2.x", "1.2.0 1.9.9", "2.0.0"),
        ("^0.0.x", "0.0.0 0.0.9", "0.1.0"),
        ("^0.0", "0.0.0 0.0.9", "0.1.0"),
        ("^0.x", "0.0.0 0.9.9", "1.0.0"),
        (">=1.2", "1.2.0", "1.1.9"),
        (">1.2", "1.3.0", "1.2.9"),
        ("> 1.2.3", "1.2.4 1.2.4-0", "1.2.3"),
        (">1.2.3-rc.1", "1.2.3-rc.1.0 1.2.3-rc.2 1.2.3", "1.2.3-rc.1"),
        ("<=1.2", "1.2.9", "1.3.0"),
        ("<1.2", "1.1.9", "1.2.0 1.2.0-beta"),
        ("<=v2.0.0-alpha7", "2.0.0-alpha7", "2.0.0"),
        ("< 2.1.7 > 2.0.0", "2.0.1 2.1.6", "2.0.0 2.1.7"),
        ("=1.2.3+build.5", "1.2.3 1.2.3+other", "1.2.4"),
        ("<2.0.0", "2.0.0-beta", "2.0.0"),
    ],
)
def test_npm_ranges_are_read(text: str, inside: str, outside: str) -> None:
    """A prerelease lies where semver's order puts it."""
    assert [version for version in inside.split() if not holds(text, version)] == []
    assert [version for version in outside.split() if holds(text, version)] == []


def test_a_patched_version_that_ends_a_range_is_the_fix() -> None:
    """Each branch has its own."""
    assert said("<1.10.4 || >=1.11.0 <1.16.0", ">=1.10.4 <1.11.0 || >=1.16.0") == [
        ("< 1.10.4", "1.10.4"),
        (">= 1.11.0, < 1.16.0", "1.16.0"),
    ]


def test_what_is_patched_is_not_affected() -> None:
    """Record 495 gives each branch a bare end, and says by its patched ranges what it means."""
    found = said("<2.0.18 || <3.0.16 || <5.0.0-beta.5", "^2.0.18 || ^3.0.16 || ^5.0.0-beta.5")
    assert found == [
        ("< 2.0.18", "2.0.18"),
        (">= 3.0.0-0, < 3.0.16", "3.0.16"),
        (">= 4.0.0-0, < 5.0.0-beta.5", "5.0.0-beta.5"),
    ]


def test_a_range_goes_on_to_the_next_patched_version() -> None:
    """`<=4.0.4` with `>=4.1.0`: as GitHub writes such records, the fix is 4.1.0."""
    assert said(">=2.0.0 <=4.0.4", ">=4.1.0") == [(">= 2.0.0, < 4.1.0", "4.1.0")]


def test_a_fix_beyond_another_range_is_not_the_end_of_this_one() -> None:
    """2.47.0 to 2.51.0 are neither vulnerable nor patched (record 309)."""
    assert said(">=2.2.6 <2.47.0 || >=2.51.0 <=2.67.0", ">=2.68.0") == [
        (">= 2.2.6, < 2.47.0", ""),
        (">= 2.51.0, < 2.68.0", "2.68.0"),
    ]


def test_where_a_vulnerable_range_begins_no_version_is_patched() -> None:
    """Record 92 calls 3.0.0 both."""
    assert said("<= 2.4.2 || >= 3.0.0 <=3.0.1", ">=2.5.0 <= 3.0.0 || >=3.1.0") == [
        ("< 2.5.0", "2.5.0"),
        (">= 3.0.0, < 3.1.0", "3.1.0"),
    ]


@pytest.mark.parametrize("patched", ["", "<0.0.0"])
def test_without_a_patched_version_there_is_no_fix(patched: str) -> None:
    """Nothing, and npm's `<0.0.0`, say that no version is patched."""
    assert said("<=1.0.0", patched) == [("<= 1.0.0", "")]
    assert said("<2.0.0", patched) == [("< 2.0.0", "")]
    assert said("*", patched) == [("all versions", "")]
    found = parsed(vulnerable_versions="<2.0.0", patched_versions=patched or None).record
    assert found is not None
    assert found.affected[0].state == "affected"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"vulnerable_versions": ""}, "gives no version range"),
        ({"vulnerable_versions": None}, "gives no version range"),
        ({"vulnerable_versions": ">2.0.0 <1.0.0"}, "gives no version range"),
        ({"vulnerable_versions": "<1.0.0 ||"}, "version range that cannot be read"),
        ({"vulnerable_versions": "before 1.0.0"}, "version range that cannot be read"),
        ({"patched_versions": ">=1.0.0 &&"}, "version range that cannot be read"),
        ({"vulnerable_versions": "<1." + "9" * 17}, "version range that cannot be read"),
        ({"vulnerable_versions": "1.0.0 || " * 1_000 + "2.0.0"}, "version range that cannot be read"),
        ({"module_name": " "}, "names no package"),
    ],
)
def test_a_document_without_a_usable_range_is_counted(members: dict[str, Any], reason: str) -> None:
    """It is no reason to doubt the others."""
    found = parsed(**members)
    assert (found.record, found.unused) == (None, (Unused("NSWG-ECO-577", reason),))


def test_a_vector_that_is_none_is_counted() -> None:
    """The record stays."""
    found = parsed(cvss_vector="CVSS:3.0/AV:N")
    assert found.record is not None
    assert (found.record.severity, found.unused) == (
        (),
        (Unused("NSWG-ECO-577", "severity that is no CVSS vector"),),
    )


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b"<html></html>",
        b'{"id": 577, "module_name": "lodash"',
        b'{"module_name": "lodash", "vulnerable_versions": "*"}',
        b'{"id": "two words", "module_name": "lodash"}',
        b'{"id": 577, "module_name": "lodash", "cves": "CVE-2018-3721"}',
        b'{"id": 577, "module_name": "lodash", "vulnerable_versions": ["*"]}',
        b'{"id": ' + b"[" * 100_000,
        b" " * (2 << 20),
    ],
    ids=range(11),
)
def test_what_is_no_document_is_refused(document: bytes) -> None:
    """The one error is Unparsable."""
    with pytest.raises(Unparsable):
        nodejs.parse(document)


_VERSIONS = st.builds(
    lambda numbers, pre: ".".join(map(str, numbers)) + pre,
    st.tuples(*[st.integers(0, 3)] * 3),
    st.sampled_from(["", "", "-0", "-beta", "-beta.1"]),
)
_RANGES = st.lists(
    st.lists(
        st.builds("{}{}".format, st.sampled_from(["<", "<=", ">", ">=", "="]), _VERSIONS), min_size=1, max_size=2
    ).map(" ".join),
    min_size=1,
    max_size=3,
)


def _in(text: str, version: str) -> bool:
    """One comparator, by the order of versions alone."""
    operator = text.rstrip("0123456789.-abet")
    one, other = semver.key(version), semver.key(text[len(operator) :])
    return {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other, "=": one == other}[operator]


@given(_RANGES, _VERSIONS)
def test_a_range_holds_what_its_comparators_hold(alternatives: list[str], version: str) -> None:
    """Intervals say no more and no less than the text, whatever its alternatives overlap."""
    expected = any(all(_in(part, version) for part in each.split()) for each in alternatives)
    assert holds(" || ".join(alternatives), version) == expected


@given(st.text(alphabet="<>=~^|*xX019.- v+a", max_size=60))
def test_any_text_is_a_range_or_refused(text: str) -> None:
    """The one error is InvalidVersion."""
    try:
        spans = nodejs.read(text)
    except InvalidVersion:
        return
    assert len(spans) == text.count("||") + 1
