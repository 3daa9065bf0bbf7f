"""Real images and real advisories, from the folder that HULLWISE_SHARED names. Nothing of them is kept here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.accuracy import oracle
from tests.accuracy.oracle import Advisories
from tests.support import registry as support
from tests.support.registry import Server

IMAGES = (
    "artifact",
    "debian-slim",
    "distroless",
    "docker-v2s2",
    "empty",
    "go-small",
    "multi-arch",
    "node-small",
    "python-small",
    "scratch",
    "whiteouts",
)


@pytest.fixture(scope="session")
def shared() -> Path:
    return Path(os.environ["HULLWISE_SHARED"])


@pytest.fixture(scope="session")
def advisories(shared: Path) -> Advisories:
    """The advisories as the oracle reads them."""
    return oracle.load(shared / "advisories")


@pytest.fixture(scope="session")
def images(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small images, each an OCI layout; one that cannot be built is an error."""
    folder = tmp_path_factory.mktemp("images")
    command = [sys.executable, str(shared / "images" / "build"), "--small", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3_000:]
    assert sorted(json.loads((folder / "manifest.json").read_text())) == sorted(IMAGES)
    return folder


@dataclass(frozen=True)
class Loaded:
    """A server that uses the shared advisories alone."""

    server: Server
    summary: str
    """What the import said."""

    def scan(self, layout: Path, *options: str) -> dict[str, Any]:
        """What `hullwise scan` says with the same data."""
        cache = str(self.server.data.parent / "cache")
        done = self.server.run("scan", str(layout), "--format", "json", "--cache", cache, *options)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def push(self, layout: Path, repository: str, *, scan_on_push: bool = True, tag: str = "latest") -> None:
        """Push what a layout names by the tag, with skopeo, to a repository, which is made where it is new."""
        skopeo = shutil.which("skopeo")
        assert skopeo is not None, "skopeo is not installed"
        client = self.server.client()
        with suppress(client.exceptions.RepositoryAlreadyExistsException):
            client.create_repository(repositoryName=repository, imageScanningConfiguration={"scanOnPush": scan_on_push})
        # skopeo finds a Docker manifest in a layout only where it is the only one and no tag is asked for.
        only = len(json.loads((layout / "index.json").read_text())["manifests"]) == 1
        source = f"oci:{layout}" if only else f"oci:{layout}:{tag}"
        login = ["--dest-tls-verify=false", "--dest-creds", f"AWS:{self.server.password}"]
        target = f"docker://{self.server.host}/{repository}:{tag}"
        done = subprocess.run([skopeo, "copy", "--all", *login, source, target], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def findings(self, repository: str) -> list[dict[str, Any]]:
        """All findings of the image tagged `latest`, in pages of 50, once its scan has ended."""
        self.server.wait_for_scan(repository)
        pages = self.server.client().get_paginator("describe_image_scan_findings")
        found = []
        for page in pages.paginate(
            repositoryName=repository, imageId={"imageTag": "latest"}, PaginationConfig={"PageSize": 50}
        ):
            found += page["imageScanFindings"]["findings"]
        return found


def documents(shared: Path) -> list[str]:
    """Every document of a form that is read."""
    native = shared / "advisories" / "native"
    found = [
        *sorted((shared / "advisories" / "osv").glob("*.zip")),
        *sorted(native.glob("debian-tracker-shape*.json.gz")),
        native / "alpine-secdb.zip",
    ]
    return [str(path) for path in found]


@contextmanager
def loaded_server(shared: Path, data: Path) -> Iterator[Loaded]:
    """A new server, with all of the shared advisories imported while it runs."""
    with support.server(data, starter_advisories="false", scan_quota_per_image="0") as server:
        command = [sys.executable, "-m", "hullwise", "advisories", "import", "--data", str(data), *documents(shared)]
        # Without the setting the command would begin with the bundled records.
        environment = {**os.environ, "HULLWISE_STARTER_ADVISORIES": "false"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        yield Loaded(server, done.stdout)


@pytest.fixture(scope="session")
def loaded(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    with loaded_server(shared, tmp_path_factory.mktemp("loaded") / "data") as found:
        yield found


@pytest.fixture(scope="session")
def pushed(loaded: Loaded, images: Path) -> Loaded:
    """Every image, pushed to a repository `pushed/NAME` that scans on push."""
    for name in IMAGES:
        loaded.push(images / name, f"pushed/{name}")
    loaded.push(images / "artifact", "pushed/artifact", tag="sbom")
    return loaded
