"""Records on names that their registry does not have. Expected values: GitHub's records in OSV's data of npm, and what
registry.npmjs.org has under both spellings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.advisories import generation, osv, package, write


@pytest.mark.parametrize(
    ("record_id", "written", "installed", "version"),
    [
        ("GHSA-6h98-cf9g-vmg2", "Electron", "electron", "1.7.5"),
        ("GHSA-c6c4-jmqx-3r33", "xdLocalStorage", "xdlocalstorage", "2.0.5"),
        ("GHSA-5rqg-jm4f-cqx7", "Colors", "colors", "1.4.44-liberty-2"),
    ],
)
def test_the_package_is_found_that_is_meant(
    tmp_path: Path, record_id: str, written: str, installed: str, version: str
) -> None:
    """Under the name that it is published by."""
    document = osv(record_id, written, ecosystem="npm")
    with generation(tmp_path / "generation.sqlite", write(tmp_path / "documents", document)) as found:
        (hit,) = found.match(package(installed, version, "npm"))
        assert hit.name == record_id


def test_a_record_may_name_it_both_ways(tmp_path: Path) -> None:
    """GHSA-jv9m-vf54-chjj is on `Flowise` and on `flowise`."""
    document = osv("GHSA-jv9m-vf54-chjj", "Flowise", fixed="3.0.8", ecosystem="npm")
    document["affected"] += osv("GHSA-jv9m-vf54-chjj", "flowise", fixed="3.0.8", ecosystem="npm")["affected"]
    with generation(tmp_path / "generation.sqlite", write(tmp_path / "documents", document)) as found:
        (hit,) = found.match(package("flowise", "3.0.7", "npm"))
        assert hit.fix == "3.0.8"


def test_capitals_tell_packages_apart(tmp_path: Path) -> None:
    """npm has both `Proto` and `proto`, of different people; GHSA-58g2-9fqr-36q2 is on the first."""
    document = osv("GHSA-58g2-9fqr-36q2", "Proto", ecosystem="npm")
    with generation(tmp_path / "generation.sqlite", write(tmp_path / "documents", document)) as found:
        assert len(found.match(package("Proto", "1.1.4", "npm"))) == 1
        assert found.match(package("proto", "1.0.19", "npm")) == ()
