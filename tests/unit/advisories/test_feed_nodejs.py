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
from hullwise.versions import semver
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


def test_a_document_on_nodejs_is_counted() -> None:
    """Its versions are of no package."""
    core = {"cve": ["CVE-2024-27982"], "vulnerable": "18.x || 20.x", "patched": "^18.20.1 || ^20.12.1"}
    found = nodejs.parse(json.dumps(core).encode(), "vuln/core/130.json")
    assert (found.record, found.unused) == (None, (Unused("NSWG-CORE-130", "speaks of Node.js itself"),))


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
