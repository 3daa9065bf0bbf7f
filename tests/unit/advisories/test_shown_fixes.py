"""Which fix is shown, and what becomes of a record that is withdrawn."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.documents import Tally
from hullwise.advisories.generation import Generation
from hullwise.domain.packages import Package
from tests.support.advisories import osv, write


def build(folder: Path, record: dict[str, Any], base: Path | None = None) -> tuple[Path, Tally]:
    """A generation that takes one document, and what the import says of it."""
    path = folder / "generation.sqlite"
    source = write(folder / "documents", record)
    with GenerationBuilder(path, base) as builder:
        tally = documents.load([source], builder)
        builder.seal(datetime(2026, 1, 2, tzinfo=UTC))
    return path, tally


def fixes(generation: Path, version: str) -> list[str]:
    package = Package("pypi", "pypi", "example", version, "example", version, "", "")
    with Generation(generation) as found:
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
