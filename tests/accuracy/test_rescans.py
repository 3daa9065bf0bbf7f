"""What an import changes for images that were scanned before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.accuracy.conftest import Loaded, loaded_server
from tests.support.advisories import osv, write

pytestmark = pytest.mark.accuracy

IMAGE: dict[str, Any] = {"repositoryName": "again/python-small", "imageId": {"imageTag": "latest"}}


def scan_again(loaded: Loaded) -> set[str]:
    loaded.server.client().start_image_scan(**IMAGE)
    return names(loaded)


def names(loaded: Loaded) -> set[str]:
    return {finding["name"] for finding in loaded.findings("again/python-small")}


def take(loaded: Loaded, folder: Path, **members: Any) -> str:
    """Import a record on six, of which python-small has 1.15.0 and the shared advisories say nothing."""
    done = loaded.server.run(
        "advisories", "import", str(write(folder, osv("EXAMPLE-2026-1", "six", fixed="1.16.0", **members)))
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_scan_shows_what_was_imported_since(shared: Path, images: Path, tmp_path: Path) -> None:
    """A finished scan stays as it is; the next one has the new record as well, and loses it when it is withdrawn."""
    with loaded_server(shared, tmp_path / "data") as loaded:
        loaded.push(images / "python-small", "again/python-small")
        before = names(loaded)
        assert "EXAMPLE-2026-1" not in before
        said = take(loaded, tmp_path / "first")
        assert "1 package names changed, 1 installed packages were matched again" in said
        assert names(loaded) == before
        assert scan_again(loaded) == before | {"EXAMPLE-2026-1"}
        take(loaded, tmp_path / "second", withdrawn="2026-02-03T04:05:06Z")
        assert scan_again(loaded) == before
