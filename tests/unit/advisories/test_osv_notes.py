"""What Go's and RustSec's databases say beside OSV's ranges: where a record holds, and of which releases."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.generation import Generation
from hullwise.advisories.records import Record
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim
from tests.support.advisories import package
from tests.unit.advisories.test_feed_osv import entry, record

EVERY_VERSION = {"introduced": "0"}


def generation(path: Path, *records: Record) -> Generation:
    with GenerationBuilder(path, None) as builder:
        for each in records:
            builder.add(each)
        builder.seal(datetime(2026, 6, 1, tzinfo=UTC))
    return Generation(path)


def go(*events: dict[str, str], record_id: str = "GO-2024-1", **specific: Any) -> Record:
    one = entry(*(events or (EVERY_VERSION,)), ecosystem="Go", kind="SEMVER", ecosystem_specific=specific)
    return record(one, id=record_id)


def crate(record_id: str = "RUSTSEC-2024-0001", informational: Any = None, **members: Any) -> Record:
    specific = {"database_specific": {"informational": informational}, **members}
    return record(entry(EVERY_VERSION, ecosystem="crates.io", kind="SEMVER", **specific), id=record_id)


def notes(found: Record) -> list[str]:
    return [claim.value for one in found.affected for claim in one.severity if claim.kind == "note"]


def imports(*systems: Any) -> list[dict[str, Any]]:
    return [{"path": f"example/{at}"} | ({} if each is None else {"goos": each}) for at, each in enumerate(systems)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (go(imports=imports(["windows"])), ["only on windows"]),
        (go(imports=imports(["windows"], ["js", "windows"])), ["only on js, windows"]),
        # One package that is affected anywhere, or on Linux too.
        (go(imports=imports(["windows"], None)), []),
        (go(imports=imports(["windows"], ["linux"])), []),
        (go(imports=imports(["windows"], [])), []),
        (go(imports=imports()), []),
        (go(), []),
        (go(imports="windows"), []),
        (go(imports=["windows", {"goos": "windows"}]), []),
        (go(imports=imports([{"windows": 1}])), []),
        (go(imports=imports(["windows\n" * 100])), []),
        (crate(ecosystem_specific={"affects": {"os": ["windows"], "arch": []}}), ["only on windows"]),
        (crate(ecosystem_specific={"affects": {"os": ["ios", "macos"]}}), ["only on ios, macos"]),
        (crate(ecosystem_specific={"affects": {"os": ["linux", "redox"]}}), []),
        (crate(ecosystem_specific={"affects": {"os": []}}), []),
        (crate(ecosystem_specific={"affects": ["windows"]}), []),
        (crate(informational="unmaintained"), ["unmaintained"]),
        (crate(informational="notice"), ["notice"]),
        # What is unsound may become a vulnerability.
        (crate(informational="unsound"), []),
        (crate(informational=["unmaintained"]), []),
    ],
)
def test_why_a_record_is_no_vulnerability_in_an_image(found: Record, expected: list[str]) -> None:
    """Where everything that it affects is on other systems than Linux, and where it says itself that it is none."""
    assert notes(found) == expected


def test_only_two_databases_are_asked() -> None:
    """Members of the same name are another's elsewhere."""
    specific: dict[str, Any] = {"ecosystem_specific": {"imports": imports(["windows"]), "affects": {"os": ["windows"]}}}
    found = record(entry(EVERY_VERSION, database_specific={"informational": "unmaintained"}, **specific))
    assert notes(found) == []


def test_entries_of_one_package_are_no_vulnerability_together() -> None:
    """One of them that holds on Linux is one."""
    both = [
        entry({"introduced": begin}, {"fixed": end}, ecosystem="Go", ecosystem_specific={"imports": imports(systems)})
        for begin, end, systems in (("0", "1.0.0", ["windows"]), ("2.0.0", "2.1.0", None))
    ]
    assert notes(record(*both, id="GO-2024-1")) == []
    assert notes(record(both[0], both[0], id="GO-2024-1")) == ["only on windows"]


def shown(folder: Path, *records: Record, namespace: str = "go") -> tuple[Severity, SeverityClaim | None]:
    with generation(folder, *records) as found:
        (one,) = found.match(package("example", "0.5.0", namespace))
    return one.severity, one.chosen


def test_what_is_no_vulnerability_is_a_note(tmp_path: Path) -> None:
    """Whatever others that do not speak of the package score it."""
    limited = go(imports=imports(["windows"]))
    scored = record(
        entry(EVERY_VERSION, ecosystem="npm", name="another"),
        id="CVE-2024-1",
        aliases=["GO-2024-1"],
        severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    )
    note = SeverityClaim("GO", "note", "only on windows", Severity.INFORMATIONAL)
    assert shown(tmp_path / "a", limited) == (Severity.INFORMATIONAL, note)
    assert shown(tmp_path / "b", limited, scored) == (Severity.INFORMATIONAL, note)


def test_another_record_on_the_package_makes_it_one(tmp_path: Path) -> None:
    """GitHub knows no systems: what it calls a vulnerability in the crate counts."""
    note = crate(informational="unmaintained")
    github = record(
        entry(EVERY_VERSION, ecosystem="crates.io"),
        id="GHSA-aaaa-bbbb-cccc",
        aliases=["RUSTSEC-2024-0001"],
        database_specific={"severity": "HIGH"},
    )
    assert shown(tmp_path / "a", note, namespace="crates.io")[0] is Severity.INFORMATIONAL
    assert shown(tmp_path / "b", note, github, namespace="crates.io")[0] is Severity.HIGH


RELEASES = [{"type": "ECOSYSTEM", "events": [EVERY_VERSION, {"fixed": "7.0.0"}]}]
LATER = [{"type": "ECOSYSTEM", "events": [{"introduced": "8.0.0"}, {"fixed": "8.5.3"}, {"introduced": "9.0.0"}]}]


@pytest.mark.parametrize(
    ("ranges", "version", "expected"),
    [
        # The range of releases says which of a program's own are affected.
        (RELEASES, "v6.9.9", "7.0.0"),
        (RELEASES, "v7.0.0", None),
        (RELEASES, "v11.5.0", None),
        (LATER, "v7.9.0", None),
        (LATER, "v8.0.1", "8.5.3"),
        (LATER, "v9.1.0", ""),
        # What Go makes of a commit is of no release.
        (RELEASES, "v0.0.0-20240101000000-0123456789ab", ""),
        (LATER, "v0.0.0-20240101000000-0123456789ab", ""),
        # Nothing that could be used: every version, as OSV's own range says.
        ([], "v11.5.0", ""),
        (None, "v11.5.0", ""),
        ("0", "v11.5.0", ""),
        ([{"type": "ECOSYSTEM", "events": "none"}], "v11.5.0", ""),
        ([{"type": "ECOSYSTEM"}], "v11.5.0", ""),
        ([*RELEASES, {"type": "ECOSYSTEM", "events": [{"introduced": "8.x"}]}], "v11.5.0", ""),
        ([{"type": "ECOSYSTEM", "events": [{"introduced": "2.0.0"}, {"fixed": "1.5.0"}]}], "v1.0.0", ""),
    ],
)
def test_releases_that_are_no_versions_to_go(tmp_path: Path, ranges: Any, version: str, expected: str | None) -> None:
    """By `custom_ranges` (go.dev/doc/security/vuln/database). The fix, or None where it is not affected."""
    with generation(tmp_path / "g", go(custom_ranges=ranges)) as found:
        fixes = [one.fix for one in found.match(package("example", version, "go"))]
    assert fixes == ([] if expected is None else [expected])


def test_a_range_that_go_has_goes_before_that_of_releases(tmp_path: Path) -> None:
    """Where the range says when it was fixed."""
    stated = go(EVERY_VERSION, {"fixed": "2.0.0"}, custom_ranges=RELEASES)
    with generation(tmp_path / "g", stated) as found:
        assert found.match(package("example", "v6.0.0", "go")) == ()
