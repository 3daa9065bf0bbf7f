"""What the tests of commands share: a home of their own, and a small set of advisories."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from tests.support.advisories import osv, write
from tests.support.commands import Hullwise

JINJA = osv(
    "CVE-2019-10906",
    "jinja2",
    fixed="2.10.1",
    aliases=["GHSA-462w-v97r-4m45"],
    severity=[{"type": "CVSS_V3", "score": "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:N"}],
)
EXPAT = osv(
    "CVE-2024-45491",
    "expat",
    fixed="2.5.0-1+deb12u1",
    ecosystem="Debian:12",
    severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
)
FLASK = osv("CVE-2023-30861", "flask", fixed="2.2.5")


@pytest.fixture
def hullwise(tmp_path: Path) -> Hullwise:
    """The command, with a home of its own: no data folder, no cache."""
    (tmp_path / "home").mkdir()
    return Hullwise(tmp_path / "home")


@pytest.fixture(scope="session")
def generation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generation file of two advisories: on Jinja2, and on Debian 12's expat."""
    folder = tmp_path_factory.mktemp("generation")
    path = folder / "generation.sqlite"
    with GenerationBuilder(path, None) as builder:
        documents.load([write(folder / "advisories", JINJA, EXPAT)], builder)
        builder.seal(datetime(2026, 1, 3, tzinfo=UTC))
    return path
