"""Which fix is shown, and what becomes of a record that is withdrawn."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.documents import Tally
from hullwise.advisories.generation import Generation
from hullwise.domain.packages import Package
from tests.support.advisories import generation, osv, write


def build(folder: Path, record: dict[str, Any], base: Path | None = None) -> tuple[Path, Tally]:
    """A generation that takes one document, and what the import says of it."""
    path = folder / "generation.sqlite"
    source = write(folder / "documents", record)
    with GenerationBuilder(path, base) as builder:
        tally = documents.load([source], builder)
        builder.seal(datetime(2026, 1, 2, tzinfo=UTC))
    return path, tally


def fixes(path: Path, version: str) -> list[str]:
    package = Package("pypi", "pypi", "example", version, "example", version, "", "")
    with Generation(path) as found:
        return [assessment.fix for assessment in found.match(package)]


def record(*events: dict[str, str], versions: tuple[str, ...] = ()) -> dict[str, Any]:
    document = osv("EXAMPLE-1", "example")
    document["affected"][0]["ranges"][0]["events"] = list(events)
    document["affected"][0]["versions"] = list(versions)
    return document


ADJOINING = record(
    *({"introduced": "0"}, {"fixed": "3.1.1"}),
    *({"introduced": "3.2.0"}, {"fixed": "3.2.2"}),
    *({"introduced": "3.1.1"}, {"fixed": "3.2.0"}),
)
BRANCHES = record(*({"introduced": "0"}, {"fixed": "1.5"}), *({"introduced": "2.0"}, {"fixed": "2.3"}))
LISTED = record(
    {"introduced": "0"}, {"fixed": "2.11.6"}, {"introduced": "2.11"}, {"fixed": "2.11.7"}, versions=("2.11.6",)
)


@pytest.mark.parametrize(
    ("document", "version", "expected"),
    [
        (ADJOINING, "2.1.2", ["3.2.2"]),
        (ADJOINING, "3.1.1", ["3.2.2"]),
        (ADJOINING, "3.2.1", ["3.2.2"]),
        (ADJOINING, "3.2.2", []),
        (BRANCHES, "1.0", ["1.5"]),
        (BRANCHES, "2.1", ["2.3"]),
        (BRANCHES, "1.5", []),
        (LISTED, "2.10", ["2.11.7"]),
        (LISTED, "2.11.6", ["2.11.7"]),
    ],
)
def test_a_fix_is_no_version_that_the_record_calls_affected(
    tmp_path: Path, document: dict[str, Any], version: str, expected: list[str]
) -> None:
    """The fix is the end of the version's own range, or what ends the ranges that hold that one (PYSEC-2023-72)."""
    generation, _ = build(tmp_path, document)
    assert fixes(generation, version) == expected


def test_a_withdrawal_alone_takes_the_record_away(tmp_path: Path) -> None:
    """A document that withdraws a record in use removes it, and counts; a second one finds nothing to remove."""
    first, tally = build(tmp_path / "first", BRANCHES)
    assert (tally.taken, tally.removed) == (1, 0)
    withdrawal = {**BRANCHES, "withdrawn": "2026-02-03T04:05:06Z"}
    second, tally = build(tmp_path / "second", withdrawal, first)
    assert (tally.taken, tally.removed) == (0, 1)
    assert (fixes(first, "1.0"), fixes(second, "1.0")) == (["1.5"], [])
    _, tally = build(tmp_path / "third", withdrawal, second)
    assert (tally.taken, tally.removed) == (0, 0)


def crates(record_id: str, *bounds: str) -> dict[str, Any]:
    """A record of RustSec's, from `introduced` up to `fixed`, in turn."""
    document = osv(record_id, "wasmtime", ecosystem="crates.io", aliases=["CVE-2022-23636", "CVE-2022-31169"])
    kinds = itertools.cycle(("introduced", "fixed"))
    document["affected"][0]["ranges"][0]["events"] = [{kind: bound} for kind, bound in zip(kinds, bounds, strict=False)]
    return document


def pysec(record_id: str, *events: dict[str, str]) -> dict[str, Any]:
    return {**record(*events), "id": record_id, "aliases": ["CVE-2030-0063"]}


ZERO = {"introduced": "0"}


@pytest.mark.parametrize(
    ("records", "namespace", "version", "fix"),
    [
        # Two CVEs in two records that name both: RustSec's data of 2026-08.
        (
            [
                crates("RUSTSEC-2022-0096", "0.0.0-0", "0.33.1", "0.34.0", "0.34.1"),
                crates("RUSTSEC-2022-0101", "0.0.0-0", "0.38.2"),
            ],
            "crates.io",
            "0.30.0",
            "0.38.2",
        ),
        ([pysec("PYSEC-1", ZERO, {"fixed": "2"}), pysec("PYSEC-2", ZERO, {"fixed": "3"})], "pypi", "1", "3"),
        # At the fix of the one the other begins.
        (
            [pysec("PYSEC-1", ZERO, {"fixed": "2"}), pysec("PYSEC-2", {"introduced": "2"}, {"fixed": "3"})],
            "pypi",
            "1",
            "3",
        ),
        ([pysec("PYSEC-1", ZERO, {"fixed": "2"}), pysec("PYSEC-2", ZERO)], "pypi", "1", ""),
        # The home's word goes before others', and is not gone against.
        ([pysec("PYSEC-1", ZERO, {"fixed": "2"}), pysec("GHSA-1", ZERO, {"fixed": "3"})], "pypi", "1", "2"),
        ([pysec("PYSEC-1", ZERO), pysec("GHSA-1", ZERO, {"fixed": "3"})], "pypi", "1", ""),
        ([pysec("PYSEC-1", ZERO, {"last_affected": "2"}), pysec("GHSA-1", ZERO, {"fixed": "3"})], "pypi", "1", "3"),
        (
            [pysec("PYSEC-1", {"introduced": "3"}, {"fixed": "4"}), pysec("GHSA-1", ZERO, {"fixed": "3"})],
            "pypi",
            "1",
            "",
        ),
    ],
)
def test_a_fix_is_no_version_that_another_record_of_the_home_calls_affected(
    tmp_path: Path, records: list[dict[str, Any]], namespace: str, version: str, fix: str
) -> None:
    """All that the ecosystem's own database says of the vulnerability is over in the version that is shown; where
    that is so in none, none is."""
    name = records[0]["affected"][0]["package"]["name"]
    package = Package(namespace, namespace, name, version, name, version, "", "")
    with generation(tmp_path / "generation.sqlite", write(tmp_path / "documents", *records)) as found:
        assert [assessment.fix for assessment in found.match(package)][-1:] == [fix]
