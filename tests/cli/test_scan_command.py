"""`hullwise scan`: every form of an image on disk, as a user runs it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hullwise.domain.manifests import OCI_INDEX, OCI_MANIFEST
from tests.support.images import DEBIAN_12, Image, image, layer, python_packages, sha256, tar
from tests.support.layouts import write_layout

LOWER = layer({"etc/os-release": DEBIAN_12})
UPPER = layer(python_packages(Jinja2="2.10", flask="3.0"))
PLAIN = image([LOWER, UPPER])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def scan(home: Path, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The command, with a home of its own: no data folder, no cache."""
    command = [sys.executable, "-m", "hullwise", "scan", str(path), *options]
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "COLUMNS": "160"}
    environment["XDG_DATA_HOME"] = str(home / "data")
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def document(home: Path, path: Path, *options: str) -> dict[str, Any]:
    done = scan(home, path, "--format", "json", *options)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check(found: dict[str, Any], layer_digest: str) -> None:
    """The findings that the bundled advisories have for Jinja2 2.10, from the layer."""
    names = {finding["id"] for finding in found["findings"] if finding["package_name"] == "jinja2"}
    assert {"CVE-2019-10906", "CVE-2024-22195"} <= names
    assert {finding["layer_digest"] for finding in found["findings"]} == {layer_digest}


def refused(home: Path, path: Path, words: str, *options: str) -> None:
    """One line on standard error that has the words, and exit status 1."""
    done = scan(home, path, *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_layout_as_json(home: Path, tmp_path: Path) -> None:
    """The object has the members that scripts read, with the values of the image."""
    found = document(home, write_layout(tmp_path / "layout", PLAIN))
    check(found, UPPER.digest)
    assert found["image"]["digest"] == PLAIN.digest
    package = next(package for package in found["packages"] if package["name"] == "jinja2")
    assert package == {
        "type": "pypi",
        "name": "jinja2",
        "version": "2.10",
        "source_name": "jinja2",
        "source_version": "2.10",
        "purl": "pkg:pypi/jinja2@2.10",
        "path": "usr/lib/python3/dist-packages/Jinja2-2.10.dist-info/METADATA",
        "layer_digest": UPPER.digest,
    }
    finding = next(finding for finding in found["findings"] if finding["id"] == "CVE-2019-10906")
    expected = {
        "severity": "HIGH",
        "package_name": "jinja2",
        "package_version": "2.10",
        "purl": "pkg:pypi/jinja2@2.10",
        "fixed_version": "2.10.1",
        "layer_digest": UPPER.digest,
        "source": "starter",
    }
    assert {key: finding[key] for key in expected} == expected
    assert "GHSA-462w-v97r-4m45" in finding["aliases"]


def test_a_layout_as_a_table(home: Path, tmp_path: Path) -> None:
    """The table says what was scanned, with which data, and what fixes each finding."""
    done = scan(home, write_layout(tmp_path / "layout", PLAIN))
    assert "Debian GNU/Linux 12 (bookworm), 2 packages" in done.stdout
    assert "the small bundled set" in done.stdout
    row = next(line for line in done.stdout.splitlines() if "CVE-2019-10906" in line)
    assert row.split() == ["HIGH", "CVE-2019-10906", "jinja2", "2.10", "2.10.1", UPPER.digest[7:19]]


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def test_docker_save_tars(home: Path, tmp_path: Path) -> None:
    """Both the old form, with a link for a layer that is there twice, and the new one, which is a layout as well."""
    unpacked = [tar({"etc/os-release": DEBIAN_12}), tar(python_packages(Jinja2="2.10"))]
    twice = image([LOWER, UPPER, UPPER])
    with tarfile.open(tmp_path / "old.tar", "w") as archive:
        add(archive, "config.json", twice.config.replace(UPPER.diff_id.encode(), sha256(unpacked[1]).encode()))
        add(archive, "aa/layer.tar", unpacked[0])
        add(archive, "bb/layer.tar", unpacked[1])
        link = tarfile.TarInfo("cc/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../bb/layer.tar"
        archive.addfile(link)
        layers = ["aa/layer.tar", "bb/layer.tar", "cc/layer.tar"]
        add(archive, "manifest.json", json.dumps([{"Config": "config.json", "Layers": layers}]).encode())
    check(document(home, tmp_path / "old.tar"), sha256(unpacked[1]))
    layout = write_layout(tmp_path / "layout", PLAIN)
    saved = {
        "Config": f"blobs/sha256/{sha256(PLAIN.config)[7:]}",
        "Layers": [f"blobs/sha256/{part.digest[7:]}" for part in PLAIN.layers],
    }
    (layout / "manifest.json").write_text(json.dumps([saved]))
    with tarfile.open(tmp_path / "new.tar", "w") as archive:
        archive.add(layout, ".")
    check(document(home, tmp_path / "new.tar"), UPPER.digest)
    (layout / "manifest.json").unlink()
    with tarfile.open(tmp_path / "layout.tar", "w") as archive:
        archive.add(layout, ".")
    check(document(home, tmp_path / "layout.tar"), UPPER.digest)


def test_a_root_file_system(home: Path, tmp_path: Path) -> None:
    """Packages of a folder are found; links are not followed out of it, pipes are passed by."""
    root = tmp_path / "root"
    for path, content in (python_packages(Jinja2="2.10") | {"etc/os-release": DEBIAN_12}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    outside = tmp_path / "outside" / "flask-0.12.2.dist-info"
    outside.mkdir(parents=True)
    (outside / "METADATA").write_text("Name: flask\nVersion: 0.12.2\n")
    (root / "usr" / "out").symlink_to(tmp_path / "outside")
    (root / "usr" / "loop").symlink_to(root)
    os.mkfifo(root / "usr" / "pipe")
    found = document(home, root)
    check(found, "")
    assert [package["name"] for package in found["packages"]] == ["jinja2"]


def built_for(architecture: str, of: Image) -> Image:
    """The image with another architecture in its config."""
    config = of.config.replace(b"amd64", architecture.encode())
    manifest = json.loads(of.manifest)
    manifest["config"] |= {"digest": sha256(config), "size": len(config)}
    return Image(of.layers, config, json.dumps(manifest).encode())


def multi(folder: Path) -> Path:
    """A layout with an index of two platforms, of which the second is vulnerable."""
    clean, vulnerable = image([layer({"etc/os-release": DEBIAN_12})]), built_for("s390x", PLAIN)
    write_layout(folder, clean)
    for blob in [*vulnerable.blobs, vulnerable.manifest]:
        (folder / "blobs" / "sha256" / sha256(blob)[7:]).write_bytes(blob)

    def child(of: Image, architecture: str) -> dict[str, Any]:
        platform = {"os": "linux", "architecture": architecture}
        return {"mediaType": OCI_MANIFEST, "digest": of.digest, "size": len(of.manifest), "platform": platform}

    manifests = [child(clean, "amd64"), child(vulnerable, "s390x")]
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}))
    return folder


def test_an_index_asks_for_a_platform(home: Path, tmp_path: Path) -> None:
    """`--platform` chooses; one that is not there is answered with those that are."""
    layout = multi(tmp_path / "layout")
    check(document(home, layout, "--platform", "linux/s390x"), UPPER.digest)
    refused(home, layout, "linux/s390x", "--platform", "linux/vax")


def test_known_layers_are_not_read_again(home: Path, tmp_path: Path) -> None:
    """With the layers remembered, the second scan looks at their bytes no more; a damaged memory is made anew."""
    layout = write_layout(tmp_path / "layout", PLAIN)
    first = document(home, layout)
    blobs = [layout / "blobs" / "sha256" / part.digest[7:] for part in PLAIN.layers]
    kept = [blob.read_bytes() for blob in blobs]
    for blob in blobs:
        blob.write_bytes(b"junk that no reader could make sense of")
    assert document(home, layout) == first
    for blob, data in zip(blobs, kept, strict=True):
        blob.write_bytes(data)
    for remembered in (home / "cache").rglob("sha256-*"):
        remembered.write_bytes(b"junk")
    assert document(home, layout) == first


def test_what_cannot_be_scanned_is_said_in_one_line(home: Path, tmp_path: Path) -> None:
    """Damaged, missing and lying parts, artifacts, and what is no image at all."""
    (tmp_path / "file").write_bytes(b"no tar")
    refused(home, tmp_path / "file", "file: ")
    layout = write_layout(tmp_path / "swapped", PLAIN)
    (layout / "blobs" / "sha256" / UPPER.digest[7:]).write_bytes(LOWER.blob)
    refused(home, layout, f"not '{UPPER.digest}'")
    missing = write_layout(tmp_path / "missing", PLAIN)
    (missing / "blobs" / "sha256" / UPPER.digest[7:]).unlink()
    refused(home, missing, "is missing")
    refused(home, write_layout(tmp_path / "lying", image([UPPER], diff_ids=[LOWER.diff_id])), "the config names")
    broken = image([layer({})])
    cut = write_layout(tmp_path / "cut", image([type(UPPER)(UPPER.blob[:40], UPPER.diff_id)]))
    refused(home, cut, "the layer ends")
    manifest = json.loads(broken.manifest)
    manifest["config"]["mediaType"] = "application/spdx+json"
    artifact = type(broken)(broken.layers, broken.config, json.dumps(manifest).encode())
    refused(home, write_layout(tmp_path / "artifact", artifact), "application/spdx+json")


def test_an_image_of_nothing_known_is_unsupported(home: Path, tmp_path: Path) -> None:
    """It is said, in ECR's words, not passed off as clean."""
    found = document(home, write_layout(tmp_path / "layout", image([layer({"hello": b"x"})])))
    assert (found["status"], found["findings"]) == ("UNSUPPORTED", [])
    assert found["description"].startswith("UnsupportedImageError")
