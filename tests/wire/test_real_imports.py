"""Imports from what real tools write: Distribution's registry, running and at rest, and skopeo's layouts."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.images import Image, image, layer, sha256
from tests.support.layouts import write_layout, write_platforms
from tests.support.registry import Server
from tests.wire.conftest import Run

pytestmark = pytest.mark.wire

OTHER = image([layer({"other": b"other\n"})])


class Distribution(NamedTuple):
    host: str
    root: Path


@pytest.fixture
def distribution(tmp_path: Path) -> Iterator[Distribution]:
    """Distribution's registry, running."""
    found = shutil.which("docker-registry") or shutil.which("registry")
    assert found is not None, "docker-registry is not installed"
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    root = tmp_path / "distribution"
    settings = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(root)}},
        "http": {"addr": host},
        "log": {"level": "error"},
    }
    # YAML takes JSON.
    (tmp_path / "config.yml").write_text(json.dumps(settings))
    with subprocess.Popen([found, "serve", str(tmp_path / "config.yml")]) as process:
        try:
            deadline = time.monotonic() + 90
            while True:
                try:
                    urllib.request.urlopen(f"http://{host}/v2/", timeout=2).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, "the registry does not answer"
                    time.sleep(0.1)
            yield Distribution(host, root)
        finally:
            process.terminate()


@pytest.fixture
def filled(distribution: Distribution, run: Run, small_image: Image, tmp_path: Path) -> Distribution:
    """With an image of two tags, one in Docker's form, an index, and a revision that has lost its tag."""
    copy = ["skopeo", "copy", "--dest-tls-verify=false"]
    layout = write_layout(tmp_path / "layout", small_image)
    platforms = write_platforms(tmp_path / "platforms", {"linux/amd64": small_image, "linux/arm64": OTHER})
    other = write_layout(tmp_path / "other", OTHER)
    to = f"docker://{distribution.host}"
    run(*copy, f"oci:{other}:latest", f"{to}/team/app:latest")
    for tag in ("latest", "1.0"):
        run(*copy, f"oci:{layout}:latest", f"{to}/team/app:{tag}")
    run(*copy, "--format", "v2s2", f"oci:{layout}:latest", f"{to}/team/app:docker")
    run(*copy, "--all", f"oci:{platforms}", f"{to}/index:all")
    return distribution


def importing(server: Server, *arguments: str | Path) -> str:
    """What the command says, next to the running server."""
    done = subprocess.run(
        [sys.executable, "-m", "hullwise", "import", *map(str, arguments), "--data", str(server.data)],
        capture_output=True,
        text=True,
        env=server.environment | {"HULLWISE_OUTBOUND_PRIVATE": "127.0.0.1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def listed(server: Server, repository: str) -> dict[str, tuple[str, ...]]:
    """Tags by digest."""
    details = server.client().describe_images(repositoryName=repository)["imageDetails"]
    return {one["imageDigest"]: tuple(one.get("imageTags", ())) for one in details}


def digest(host: str, repository: str, tag: str) -> str:
    """As the registry at the host says."""
    accept = "application/vnd.docker.distribution.manifest.v2+json,application/vnd.oci.image.index.v1+json"
    request = urllib.request.Request(f"http://{host}/v2/{repository}/manifests/{tag}", headers={"Accept": accept})
    with urllib.request.urlopen(request) as answer:
        return sha256(answer.read())


def test_distribution_s_storage_comes_whole(server: Server, filled: Distribution, small_image: Image) -> None:
    """All tags, both repositories, also the revision without a tag; the second time nothing is new."""
    docker, index = digest(filled.host, "team/app", "docker"), digest(filled.host, "index", "all")
    said = importing(server, "distribution", filled.root, "--prefix", "wire/storage")
    assert said.startswith("imported: 2 new repositories, 6 manifests, 4 tags, ")
    assert listed(server, "wire/storage/team/app") == {
        small_image.digest: ("1.0", "latest"),
        docker: ("docker",),
        OTHER.digest: (),
    }
    assert listed(server, "wire/storage/index") == {small_image.digest: (), OTHER.digest: (), index: ("all",)}
    again = importing(server, "distribution", filled.root, "--prefix", "wire/storage")
    assert "0 manifests, 0 tags, 0 blobs of 0 bytes; 6 manifests here already" in again


def test_a_running_distribution_registry_is_read(server: Server, filled: Distribution, small_image: Image) -> None:
    """By its catalogue and its tags; it has no referrers API."""
    docker, index = digest(filled.host, "team/app", "docker"), digest(filled.host, "index", "all")
    importing(server, "registry", f"http://{filled.host}", "--prefix", "wire/live")
    assert listed(server, "wire/live/team/app") == {small_image.digest: ("1.0", "latest"), docker: ("docker",)}
    assert listed(server, "wire/live/index") == {small_image.digest: (), OTHER.digest: (), index: ("all",)}


@pytest.mark.parametrize("form", ["oci", "oci-archive"])
def test_skopeo_s_layouts_come(server: Server, filled: Distribution, run: Run, tmp_path: Path, form: str) -> None:
    """A folder and an archive of an index with all its images, byte for byte."""
    to = f"{form}:{tmp_path / 'written'}:v1"
    run("skopeo", "copy", "--all", "--src-tls-verify=false", f"docker://{filled.host}/index:all", to)
    repository = f"wire/{form}"
    importing(server, "layout", tmp_path / "written", repository)
    found = listed(server, repository)
    assert found[digest(filled.host, "index", "all")] == ("v1",)
    assert len(found) == 3
