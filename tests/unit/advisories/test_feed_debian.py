"""Debian's tracker says what each release does about an issue (security-tracker.debian.org, data/json)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwise.advisories.feeds import debian
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused
from hullwise.domain.scans import Severity


def release(status: str = "open", **members: Any) -> dict[str, Any]:
    """One release of one issue, with the members that the tracker always writes."""
    return {"status": status, "repositories": {"bookworm": "1.0-1"}, "urgency": "not yet assigned", **members}


def records(tracker: dict[str, Any]) -> list[Record | Unused]:
    return list(debian.parse(json.dumps(tracker).encode()))


def one(**members: Any) -> Affected:
    """What a tracker of one issue in bookworm claims."""
    (found,) = records({"zlib": {"CVE-2024-1000": {"releases": {"bookworm": release(**members)}}}})
    assert isinstance(found, Record)
    (claim,) = found.affected
    return claim


def test_a_fixed_version_bounds_what_is_affected() -> None:
    """`resolved` with a version: every version below it is affected, in that release."""
    found = one(status="resolved", fixed_version="1:1.2.13.dfsg-1+deb12u1")
    assert found == Affected("debian:12", "zlib", (Interval("0", "1:1.2.13.dfsg-1+deb12u1"),))
    assert (found.intervals[0].fixed, found.state, found.unaffected) == ("1:1.2.13.dfsg-1+deb12u1", "fixed", False)


def test_fixed_in_0_means_never_affected() -> None:
    """The tracker writes version 0 where the release never had the fault: a statement, not the lack of one."""
    assert one(status="resolved", fixed_version="0") == Affected("debian:12", "zlib", unaffected=True)


@pytest.mark.parametrize(
    ("members", "state"),
    [
        ({}, "affected"),
        ({"nodsa": "Minor issue", "nodsa_reason": ""}, "affected"),
        ({"nodsa": "Minor issue", "nodsa_reason": "ignored"}, "will-not-fix"),
        ({"nodsa": "Minor issue", "nodsa_reason": "postponed"}, "deferred"),
        ({"nodsa_reason": None}, "affected"),
        ({"urgency": "end-of-life"}, "end-of-life"),
    ],
)
def test_an_open_issue_affects_every_version(members: dict[str, Any], state: str) -> None:
    """`open` has no fix; why there is no advisory says what a user may hope for."""
    found = one(**members)
    assert (found.intervals, found.state) == ((Interval("0"),), state)


@pytest.mark.parametrize(
    ("urgency", "severity"),
    [
        ("unimportant", Severity.INFORMATIONAL),
        ("low", Severity.LOW),
        ("low**", Severity.LOW),
        ("medium*", Severity.MEDIUM),
        ("high", Severity.HIGH),
        ("not yet assigned", None),
        ("end-of-life", None),
        ("", None),
    ],
)
def test_urgency_is_debians_severity(urgency: str, severity: Severity | None) -> None:
    """Stars (the tracker's own guess) change nothing, and `unimportant` is informational, not low."""
    for found in (one(urgency=urgency), one(status="resolved", fixed_version="1.1-1", urgency=urgency)):
        assert [(claim.source, claim.kind, claim.severity) for claim in found.severity] == (
            [] if severity is None else [("debian", "word", severity)]
        )


@pytest.mark.parametrize(
    ("codename", "members", "reason"),
    [
        ("bookworm", {"status": "undetermined"}, "undetermined"),
        ("bookworm", {"status": "resolved"}, "resolved without a fixed version"),
        ("bookworm", {"status": "confused"}, "status confused is not known"),
        ("bookworm", {"status": ""}, "status (none) is not known"),
        ("experimental", {}, "release experimental is not known"),
    ],
)
def test_what_says_nothing_is_counted(codename: str, members: dict[str, Any], reason: str) -> None:
    """Nobody is told of an issue that the tracker has not looked at, and that it was passed by is on record."""
    tracker = {"zlib": {"CVE-2024-1000": {"releases": {codename: release(**members)}}}}
    assert records(tracker) == [Unused("CVE-2024-1000", reason)]


def test_temporary_ids_are_counted() -> None:
    """TEMP- ids change with the description of the issue: nothing can be followed by them."""
    tracker = {"zlib": {"TEMP-0000000-D2A2E4": {"releases": {"bookworm": release()}}}}
    assert records(tracker) == [Unused("TEMP-0000000-D2A2E4", "temporary id")]


def test_an_issue_is_one_record_of_all_its_packages() -> None:
    """One record a CVE, with every package and release that it concerns, and the tracker's page."""
    tracker = {
        "zlib": {
            "CVE-2024-1000": {
                "description": "A fault in inflate.",
                "releases": {
                    "bullseye": release(),
                    "bookworm": release("resolved", fixed_version="1.3-1"),
                    "sid": release("resolved", fixed_version="1.3-2"),
                },
            },
            "CVE-2024-1001": {"releases": {"trixie": release()}},
        },
        "klibc": {"CVE-2024-1000": {"description": "The same.", "releases": {"bookworm": release()}}},
    }
    first, second = (found for found in records(tracker) if isinstance(found, Record))
    assert first == Record(
        id="CVE-2024-1000",
        source="debian-tracker",
        affected=(
            Affected("debian:12", "klibc", (Interval("0"),), state="affected"),
            Affected("debian:11", "zlib", (Interval("0"),), state="affected"),
            Affected("debian:12", "zlib", (Interval("0", "1.3-1"),)),
            Affected("debian:sid", "zlib", (Interval("0", "1.3-2"),)),
        ),
        details="The same.",
        url="https://security-tracker.debian.org/tracker/CVE-2024-1000",
    )
    assert (second.id, [claim.namespace for claim in second.affected]) == ("CVE-2024-1001", ["debian:13"])


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b'{"zlib": {}}',
        b'{"error": "not found"}',
        b'{"zlib": {"CVE-2024-1000": {"releases": ["bookworm"]}}}',
        b'{"zlib": {"CVE-2024-1000": {"releases": {"bookworm": {"status": 1}}}}}',
        b'{"zlib": {"CVE-2024-1000": {"description": "\xff"}}}',
        b"<html>502 Bad Gateway</html>",
        b'{"zlib": ' + b'{"a":' * 100_000,
    ],
)
def test_what_is_no_tracker_is_refused(document: bytes) -> None:
    """The one error is Unparsable; an export without any issue is none, for it would say that Debian has no faults."""
    with pytest.raises(Unparsable):
        list(debian.parse(document))
