"""What is said upstream of a package that a distribution built: its vendor's word counts first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.generation import Generation
from hullwise.advisories.records import Affected, Interval, Record
from hullwise.domain.packages import Occurrence, Package
from hullwise.domain.reports import findings
from tests.support.advisories import package

VULNERABLE = (Interval("0", "2.0"),)
UPSTREAM = Record(
    "GHSA-1", "osv", (Affected("pypi", "mako", VULNERABLE), Affected("go", "mako", VULNERABLE)), ("CVE-1",)
)


def vendor(cve: str, namespace: str, fixed: str) -> Record:
    return Record(cve, "vendor", (Affected(namespace, "mako", (Interval("0", fixed),)),))


def deferred(folder: Path, installed: Package, *records: Record) -> list[str]:
    """To whom each verdict on the package defers."""
    with GenerationBuilder(folder / "g", None) as builder:
        for record in (UPSTREAM, *records):
            builder.add(record)
        builder.seal(datetime(2026, 6, 1, tzinfo=UTC))
    with Generation(folder / "g") as generation:
        return [found.deferred_to for found in generation.match(installed)]


def owned(ecosystem: str, owner: str) -> Package:
    return msgspec.structs.replace(package("mako", "1.0", ecosystem), scope=owner)


@pytest.mark.parametrize(
    ("ecosystem", "owner", "said", "expected"),
    [
        # A library that is the distribution's package: Debian and Ubuntu say how every CVE in it stands.
        ("pypi", "debian:12 mako", [], True),
        ("pypi", "ubuntu:24.04 mako", [], True),
        # Alpine only says what it fixed: about others, upstream's word stands.
        ("pypi", "alpine:3.20 mako", [], False),
        ("pypi", "alpine:3.20 mako", [vendor("CVE-1", "alpine:3.20", "1.0-r1")], True),
        ("pypi", "alpine:3.20 mako", [vendor("CVE-2", "alpine:3.20", "1.0-r1")], False),
        ("pypi", "alpine:3.20 mako", [vendor("CVE-1", "alpine:3.19", "1.0-r1")], False),
        # One of many libraries in a program: Debian knows of them where it knows the program.
        ("go", "debian:12 mako", [], False),
        ("go", "debian:12 mako", [vendor("CVE-2", "debian:12", "1.0-1")], True),
        ("pypi", "", [], False),
    ],
)
def test_whose_word_counts(tmp_path: Path, ecosystem: str, owner: str, said: Sequence[Record], expected: bool) -> None:
    """The table of `Generation._deferring`."""
    assert deferred(tmp_path, owned(ecosystem, owner), *said) == [owner if expected else ""]


def test_what_is_deferred_is_shown_and_does_not_count(tmp_path: Path) -> None:
    """Suppressed where it is owned; the same version that pip installed beside it counts, and speaks for both."""
    with GenerationBuilder(tmp_path / "g", None) as builder:
        builder.add(UPSTREAM)
        builder.seal(datetime(2026, 6, 1, tzinfo=UTC))
    inside = Occurrence(owned("pypi", "debian:12 mako"), "usr/lib/python3/dist-packages/METADATA", "L0", "python3-mako")
    beside = Occurrence(package("mako", "1.0", "pypi"), "usr/local/lib/METADATA", "L1")
    with Generation(tmp_path / "g") as generation:
        matches = {each.package: generation.match(each.package) for each in (inside, beside)}
    (alone,) = findings([inside], matches)
    assert alone.suppression is not None
    assert (alone.suppression.by, alone.suppression.author) == ("owner", "debian:12")
    assert "python3-mako" not in alone.suppression.reason
    assert "mako" in alone.suppression.reason
    (both,) = findings([inside, beside], matches)
    assert (both.suppression, both.occurrences) == (None, (inside, beside))
