"""What is said upstream of a package that a distribution built: its vendor's word counts first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hullwise.advisories import difference
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.generation import Generation, changed_names
from hullwise.advisories.records import Affected, Interval, Record
from hullwise.domain.packages import Occurrence, Package
from hullwise.domain.reports import findings
from hullwise.ecosystems.namespaces import by_speaker, owned_by, owner_in
from tests.support.advisories import package

VULNERABLE = (Interval("0", "2.0"),)
UPSTREAM = Record(
    "GHSA-1", "osv", (Affected("pypi", "mako", VULNERABLE), Affected("go", "mako", VULNERABLE)), ("CVE-1",)
)


def vendor(cve: str, namespace: str, fixed: str) -> Record:
    return Record(cve, "vendor", (Affected(namespace, "mako", (Interval("0", fixed),)),))


def elsewhere(cve: str, namespace: str) -> Record:
    """A record on another package of the release."""
    return Record(cve, "vendor", (Affected(namespace, "zlib", (Interval("0", "1.0"),)),))


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
        ("pypi", "debian:12 mako", [elsewhere("CVE-9", "debian:12")], True),
        ("pypi", "ubuntu:24.04 mako", [elsewhere("CVE-9", "ubuntu:24.04")], True),
        # Nobody is asked who is not there: data of no release, or of another one.
        ("pypi", "ubuntu:24.04 mako", [], False),
        ("pypi", "debian:13 mako", [elsewhere("CVE-9", "debian:12")], False),
        # Of releases that have ended there are notices, which say what was fixed.
        ("pypi", "debian:10 mako", [elsewhere("DLA-9-1", "debian:10")], False),
        ("pypi", "debian:10 mako", [elsewhere("DLA-9-1", "debian:10"), elsewhere("CVE-9", "debian:10")], True),
        # Alpine only says what it fixed: about others, upstream's word stands.
        ("pypi", "alpine:3.20 mako", [elsewhere("CVE-9", "alpine:3.20")], False),
        ("pypi", "alpine:3.20 mako", [vendor("CVE-1", "alpine:3.20", "1.0-r1")], True),
        ("pypi", "alpine:3.20 mako", [vendor("CVE-2", "alpine:3.20", "1.0-r1")], False),
        ("pypi", "alpine:3.20 mako", [vendor("CVE-1", "alpine:3.19", "1.0-r1")], False),
        # One of many libraries in a program: Debian knows of them where it knows the program.
        ("go", "debian:12 mako", [elsewhere("CVE-9", "debian:12")], False),
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
        builder.add(elsewhere("CVE-9", "debian:12"))
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


def rpm(namespace: str, name: str, source: str, *, architecture: str = "x86_64", module: str = "") -> Package:
    return Package("rpm", namespace, name, "1.0-1.el8", source, "1.0-1.el8", architecture, module)


MAKO = rpm("rhel:8", "python3-mako", "python-mako")


def said(namespace: str, name: str, **more: Any) -> Affected:
    return Affected(namespace, name, (Interval("0", "1.0-9.el8"),), **more)


@pytest.mark.parametrize(
    ("owner", "record", "expected"),
    [
        # On what is installed, or on its source; by CVE, or in a notice that goes by its own name.
        (MAKO, Record("CVE-1", "vendor", (said("rhel:8", "python3-mako"),)), True),
        (MAKO, Record("CVE-1", "vendor", (said("rhel:8", "python-mako", of_source=True),)), True),
        (MAKO, Record("CVE-1", "vendor", (Affected("rhel:8", "python-mako", unaffected=True, of_source=True),)), True),
        (MAKO, Record("CVE-1", "vendor", (said("rhel:8", "python-mako"),)), False),
        (MAKO, Record("CVE-2", "vendor", (said("rhel:8", "python3-mako"),)), False),
        (MAKO, Record("RHSA-1", "vendor", (said("rhel:8", "python3-mako"),), upstream=("CVE-2", "CVE-1")), True),
        (MAKO, Record("RHSA-1", "vendor", (said("rhel:8", "python3-mako"),), upstream=("CVE-2",)), False),
        # Of another build.
        (MAKO, Record("CVE-1", "vendor", (said("rhel:8", "python3-mako", module="python39:3.9"),)), False),
        (MAKO, Record("CVE-1", "vendor", (said("rhel:8", "python3-mako", architectures=("s390x",)),)), False),
        (MAKO, Record("CVE-1", "vendor", (said("rhel:8", "python3-mako", architectures=("x86_64",)),)), True),
        (
            rpm("rhel:8", "npm", "nodejs", module="nodejs:20"),
            Record("CVE-1", "vendor", (said("rhel:8", "npm", module="nodejs:18"),)),
            False,
        ),
        (
            rpm("rhel:8", "npm", "nodejs", module="nodejs:20"),
            Record("CVE-1", "vendor", (said("rhel:8", "npm", module="nodejs:20"),)),
            True,
        ),
    ],
)
def test_the_vendor_of_an_rpm_speaks_of_it_as_it_was_built(
    tmp_path: Path, owner: Package, record: Record, expected: bool
) -> None:
    """By the name of what is installed or of its source, for its architecture and its module, and by any name of the
    vulnerability."""
    assert deferred(tmp_path, owned("pypi", owned_by(owner)), record) == [f"rhel:8 {owner.name}" if expected else ""]


def test_an_owner_is_read_back_as_it_was_written() -> None:
    """Whatever of it may be empty."""
    for owner in (
        MAKO,
        rpm("rhel:8", "npm", "nodejs", module="nodejs:20"),
        rpm("rhel:8", "npm", "", architecture="", module="nodejs:20"),
        rpm("rhel:8", "npm", "npm", architecture=""),
    ):
        found = owner_in(owned_by(owner))
        assert (found.namespace, found.name, found.source_name, found.architecture, found.scope) == (
            owner.namespace,
            owner.name,
            owner.source_name or owner.name,
            owner.architecture,
            owner.scope,
        )
    assert owned_by(package("mako", "1.0-1", "debian:12")) == "debian:12 mako"
    assert owned_by(msgspec.structs.replace(MAKO, namespace="")) == ""
    assert owned_by(rpm("rhel:8", "python3 mako", "python-mako")) == ""


def test_which_owners_a_change_is_about() -> None:
    """Those that are called so, that are of a source that is called so, and all of a release that is spoken of anew."""
    mako, npm, debian = owned_by(MAKO), "rhel:8 npm nodejs x86_64 nodejs:20", "debian:12 mako"
    for names, expected in (
        ([("rhel:8", "python3-mako")], [mako]),
        ([("rhel:8", "nodejs"), ("rhel:8", "python-mako")], [mako, npm]),
        ([("rhel:9", "nodejs"), ("debian:12", "python-mako")], []),
        ([("debian:12", "*")], [debian]),
        ([("debian:12", "mako"), ("rhel:8", "npm")], [npm, debian]),
    ):
        speakers = by_speaker([mako, npm, debian])
        assert sorted({scope for name in names for scope in speakers.get(name, ())}) == sorted(expected)


def test_a_release_that_is_spoken_of_anew_changes_what_its_packages_own(tmp_path: Path) -> None:
    """A first record on another of its packages, and the last one to go, are told of as a change of the whole."""
    paths = [tmp_path / name for name in "abc"]
    base: Path | None = None
    for path, records in zip(paths, ([UPSTREAM], [UPSTREAM, elsewhere("CVE-9", "debian:12")], [UPSTREAM]), strict=True):
        with GenerationBuilder(path, base) as builder:
            for source in ("osv", "vendor"):
                builder.clear_source(source)
            for record in records:
                builder.add(record)
            builder.seal(datetime(2026, 6, 1, tzinfo=UTC))
        base = path
    with Generation(paths[0]) as a, Generation(paths[1]) as b, Generation(paths[2]) as c:
        assert changed_names(a, b) == changed_names(b, c) == [("debian:12", "*"), ("debian:12", "zlib")]
        assert a.digest == c.digest
        assert difference.compare(a, b).names == 1


def test_a_package_that_is_called_as_all_of_them_is_one(tmp_path: Path) -> None:
    """`*` of a record is a name; what is said of the release stays beside it."""
    star = Record("CVE-8", "vendor", (Affected("debian:12", "*", (Interval("0", "2"),)),))
    assert deferred(tmp_path, owned("pypi", "debian:12 mako"), star) == ["debian:12 mako"]
    with Generation(tmp_path / "g") as generation:
        assert [found.name for found in generation.match(package("*", "1", "debian:12"))] == ["CVE-8"]
