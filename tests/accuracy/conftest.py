"""Real images and real advisories, from the folder that HULLWISE_SHARED names. Nothing of them is kept here."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import registry as support
from tests.support.registry import Server


@pytest.fixture(scope="session")
def shared() -> Path:
    return Path(os.environ["HULLWISE_SHARED"])


@pytest.fixture(scope="session")
def images(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small images, each an OCI layout; one that cannot be built is an error."""
    folder = tmp_path_factory.mktemp("images")
    done = subprocess.run(
        [sys.executable, str(shared / "images" / "build"), "--small", str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return folder


def documents(shared: Path) -> list[Path]:
    """Every document of a form that is read."""
    native = shared / "advisories" / "native"
    return [
        *sorted((shared / "advisories" / "osv").glob("*.zip")),
        *sorted(native.glob("debian-tracker-shape*.json.gz")),
        native / "alpine-secdb.zip",
    ]


@dataclass(frozen=True)
class Loaded:
    """A server that uses the shared advisories alone."""

    server: Server
    summary: str
    """What the import said."""

    def scan(self, layout: Path) -> dict[str, Any]:
        """What `hullwise scan` says with the same data."""
        done = self.server.run("scan", str(layout), "--format", "json", "--cache", str(self.server.data.parent / "c"))
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def push(self, layout: Path, repository: str, *, scan_on_push: bool, tag: str = "latest") -> None:
        """Push what a layout names by the tag, with skopeo, to a repository, which is made where it is new."""
        skopeo = shutil.which("skopeo")
        assert skopeo is not None, "skopeo is not installed"
        client = self.server.client()
        with contextlib.suppress(client.exceptions.RepositoryAlreadyExistsException):
            client.create_repository(repositoryName=repository, imageScanningConfiguration={"scanOnPush": scan_on_push})
        # skopeo finds a Docker manifest in a layout only where it is the only one and no tag is asked for.
        only = len(json.loads((layout / "index.json").read_text())["manifests"]) == 1
        source = f"oci:{layout}" if only else f"oci:{layout}:{tag}"
        login = ["--dest-tls-verify=false", "--dest-creds", f"AWS:{self.server.password}"]
        target = f"docker://{self.server.host}/{repository}:{tag}"
        done = subprocess.run([skopeo, "copy", "--all", *login, source, target], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def loaded(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    data = tmp_path_factory.mktemp("loaded") / "data"
    with support.server(data, starter_advisories="false") as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "hullwise", "advisories", "import", "--data", str(data)),
                *map(str, documents(shared)),
            ],
            capture_output=True,
            text=True,
            env={**os.environ, "HULLWISE_STARTER_ADVISORIES": "false"},
        )
        assert done.returncode == 0, done.stderr
        yield Loaded(server, done.stdout)
