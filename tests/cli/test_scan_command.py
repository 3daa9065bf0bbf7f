"""`hullwise scan`: every form of an image on disk, as a user runs it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hullwise.domain.manifests import OCI_MANIFEST
from tests.cli.conftest import FLASK
from tests.support.advisories import write
from tests.support.commands import Done, Hullwise, complaint, document, output
from tests.support.images import DEBIAN_12, Image, Layer, image, layer, python_packages, sha256
from tests.support.layouts import (
    add_blobs,
    blob_path,
    descriptor,
    index,
    pack,
    saved_new,
    saved_old,
    write_index,
    write_layout,
    write_platforms,
)

ASSETS = Path(__file__).parents[1] / "assets" / "ecosystems"
DPKG_STATUS = b"""\
Package: libexpat1
Status: install ok installed
Architecture: amd64
Source: expat
Version: 2.5.0-1
"""
DEBIAN = {"etc/os-release": DEBIAN_12, "var/lib/dpkg/status": DPKG_STATUS}
JINJA_PATH = "usr/lib/python3/dist-packages/Jinja2-2.10.dist-info/METADATA"
LOWER = layer(DEBIAN)
UPPER = layer(python_packages(Jinja2="2.10"))
IMAGE = image([LOWER, UPPER])

FINDINGS = ["CVE-2024-45491", "CVE-2019-10906"]
"""The more severe first: 9.8 and 8.6."""

Scan = Callable[..., Done]


@pytest.fixture
def scan(hullwise: Hullwise, generation: Path) -> Scan:
    """Runs the command with the two advisories."""
    return lambda path, *options: hullwise("scan", path, "--advisories", generation, *options)


def as_json(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = document(done)
    return found


def ids(done: Done) -> list[str]:
    return [finding["id"] for finding in as_json(done)["findings"]]


def test_the_json_object_has_the_members_that_scripts_read(scan: Scan, tmp_path: Path) -> None:
    """Packages and findings have the promised members, with the values of the image and of the advisories."""
    found = as_json(scan(write_layout(tmp_path / "layout", IMAGE), "--format", "json"))
    assert found["image"]["digest"] == IMAGE.digest
    assert found["status"] == "COMPLETE"
    packages = ("type", "name", "version", "purl", "path", "layer_digest")
    assert [tuple(package[member] for member in packages) for package in found["packages"]] == [
        (
            *("deb", "libexpat1", "2.5.0-1", "pkg:deb/debian/libexpat1@2.5.0-1?arch=amd64&distro=debian-12"),
            *("var/lib/dpkg/status", LOWER.digest),
        ),
        ("pypi", "jinja2", "2.10", "pkg:pypi/jinja2@2.10", JINJA_PATH, UPPER.digest),
    ]
    verdict = ("id", "aliases", "severity", "package_name", "package_version", "purl", "fixed_version")
    members = (*verdict, "layer_digest", "source")
    assert [tuple(finding[member] for member in members) for finding in found["findings"]] == [
        (
            *("CVE-2024-45491", [], "CRITICAL", "expat", "2.5.0-1"),
            *("pkg:deb/debian/libexpat1@2.5.0-1?arch=amd64&distro=debian-12", "2.5.0-1+deb12u1"),
            *(LOWER.digest, "osv"),
        ),
        (
            *("CVE-2019-10906", ["GHSA-462w-v97r-4m45"], "HIGH", "jinja2", "2.10", "pkg:pypi/jinja2@2.10", "2.10.1"),
            *(UPPER.digest, "osv"),
        ),
    ]


def test_the_table_says_what_was_scanned_and_what_fixes_it(scan: Scan, tmp_path: Path) -> None:
    """Operating system, number of packages, age of the data, one line a finding, counts; no line is folded."""
    lines = output(scan(write_layout(tmp_path / "layout", IMAGE))).splitlines()
    assert lines[:2] == ["Debian GNU/Linux 12 (bookworm), 2 packages", "Advisories: 2 records, as of 2026-01-02"]
    assert [line.split() for line in lines[3:5]] == [
        ["CRITICAL", "CVE-2024-45491", "expat", "2.5.0-1", "2.5.0-1+deb12u1", LOWER.digest[7:19]],
        ["HIGH", "CVE-2019-10906", "jinja2", "2.10", "2.10.1", UPPER.digest[7:19]],
    ]
    assert lines[5:] == ["Findings: 1 CRITICAL, 1 HIGH"]


def test_texts_of_an_image_do_not_reach_the_terminal_as_they_are(scan: Scan, tmp_path: Path) -> None:
    """Escape sequences are shown, not obeyed, and markup stays as it is."""
    release = b'PRETTY_NAME="Debian [/bold] :bomb:"\nID=debian\nVERSION_ID="12"\n'
    parts = layer({"etc/os-release": release, "usr/\x1b[2J/node_modules/a/package.json": b"{"})
    printed = output(scan(write_layout(tmp_path / "layout", image([parts]))))
    assert "\x1b" not in printed
    lines = printed.splitlines()
    assert lines[0] == "Debian [/bold] :bomb:, 0 packages"
    assert lines[3].startswith("Not readable: usr/\ufffd[2J/node_modules/a/package.json: ")


def saved_twice(path: Path) -> Path:
    return saved_old(path, image([LOWER, UPPER, UPPER]))


FORMS: dict[str, Callable[[Path], Path]] = {
    "tar of a layout": lambda folder: pack(write_layout(folder / "layout", IMAGE), folder / "app.tar"),
    "old docker save": lambda folder: saved_old(folder / "app.tar", IMAGE),
    "old docker save, a layer twice": lambda folder: saved_twice(folder / "app.tar"),
    "new docker save": lambda folder: saved_new(folder / "app.tar", IMAGE),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_image_gives_the_same(scan: Scan, tmp_path: Path, form: str) -> None:
    """Packages and findings are those of the layout; a layer's digest is that of its bytes as they are stored."""
    found = as_json(scan(FORMS[form](tmp_path), "--format", "json"))
    lower, upper = (LOWER.digest, UPPER.digest) if "layout" in form else (LOWER.diff_id, UPPER.diff_id)
    assert [(package["name"], package["layer_digest"]) for package in found["packages"]] == [
        ("libexpat1", lower),
        ("jinja2", upper),
    ]
    assert [(finding["id"], finding["layer_digest"]) for finding in found["findings"]] == [
        ("CVE-2024-45491", lower),
        ("CVE-2019-10906", upper),
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The image, unpacked."""
    folder = tmp_path / "root"
    for path, content in (DEBIAN | python_packages(Jinja2="2.10")).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def test_a_root_file_system_that_is_merged_into_usr(scan: Scan, root: Path) -> None:
    """Links between its folders, a link for os-release, pipes and odd names do not matter to what is found."""
    (root / "usr" / "bin").mkdir()
    (root / "bin").symlink_to("usr/bin")
    (root / "lib").symlink_to("usr/lib")
    (root / "etc" / "os-release").rename(root / "usr" / "lib" / "os-release")
    (root / "etc" / "os-release").symlink_to("../usr/lib/os-release")
    os.mkfifo(root / "usr" / "package.json")
    (root / "usr" / "\udcff\n").write_bytes(b"")
    (root / "usr" / "circle").symlink_to("circle")
    found = as_json(scan(root, "--format", "json"))
    assert found["image"]["digest"] == ""
    assert found["image"]["distribution"]["version"] == "12"
    assert [(package["name"], package["path"]) for package in found["packages"]] == [
        ("jinja2", JINJA_PATH),
        ("libexpat1", "var/lib/dpkg/status"),
    ]
    assert [finding["id"] for finding in found["findings"]] == FINDINGS


def test_programs_of_a_root_file_system_are_read(scan: Scan, root: Path, tmp_path: Path) -> None:
    """Whatever they are called and whether they may be run; a root of nothing else is one too."""
    (root / "usr" / "bin").mkdir()
    program = root / "usr" / "bin" / "app"
    program.write_bytes((ASSETS / "go-1.24-app").read_bytes())
    (root / "usr" / "bin" / "text").write_bytes(b"#!/bin/sh\n" * 1_000)
    found = as_json(scan(root, "--format", "json"))
    assert {package["path"] for package in found["packages"]} - {JINJA_PATH, "var/lib/dpkg/status"} == {"usr/bin/app"}
    alone = tmp_path / "alone"
    alone.mkdir()
    program.rename(alone / "app")
    names = [package["name"] for package in as_json(scan(alone, "--format", "json"))["packages"]]
    assert "stdlib" in names


def test_a_program_of_a_size_that_nobody_reads_is_told(scan: Scan, root: Path) -> None:
    """And not sent anywhere: it may be all holes."""
    with (root / "app").open("wb") as file:
        file.write(b"\x7fELF")
        file.truncate(1 << 40)
    found = as_json(scan(root, "--format", "json"))
    assert [(each["path"], each["why"]) for each in found["problems"]] == [("app", "larger than 536,870,912 bytes")]


def test_a_program_that_may_not_be_read_is_told(scan: Scan, root: Path) -> None:
    """What is in it nobody knows; a file of the same size that is none is left alone."""
    program, text = root / "app", root / "text"
    for path, mode in ((program, 0o111), (text, 0)):
        path.write_bytes(bytes(5_000))
        path.chmod(mode)
    forbidden = [] if os.access(program, os.R_OK) else ["app"]
    found = as_json(scan(root, "--format", "json"))
    assert [problem["path"] for problem in found["problems"]] == forbidden


def test_nothing_outside_a_root_file_system_is_read(scan: Scan, root: Path, tmp_path: Path) -> None:
    """Links that lead out of it, by a path from the root or by dots, to folders or to files, lead nowhere."""
    outside = tmp_path / "outside"
    packages = outside / "flask-0.12.2.dist-info"
    packages.mkdir(parents=True)
    (packages / "METADATA").write_text("Metadata-Version: 2.1\nName: flask\nVersion: 0.12.2\n")
    (outside / "os-release").write_text('ID=alpine\nVERSION_ID="3.19.0"\n')
    (root / "etc" / "os-release").unlink()
    (root / "etc" / "os-release").symlink_to(outside / "os-release")
    (root / "opt").symlink_to(outside)
    (root / "srv").symlink_to("../../../../../../../../../../" + str(outside))
    linked = root / "usr" / "lib" / "flask-0.12.2.dist-info"
    linked.mkdir()
    (linked / "METADATA").symlink_to(packages / "METADATA")
    found = as_json(scan(root, "--format", "json"))
    assert found["image"]["distribution"] is None
    assert [package["name"] for package in found["packages"]] == ["jinja2", "libexpat1"]


def test_what_cannot_be_read_in_a_root_file_system_is_told(scan: Scan, root: Path) -> None:
    """A file or folder without permission, and one that is too large, are named; all else is found."""
    large = root / "opt" / "node_modules" / "large" / "package.json"
    large.parent.mkdir(parents=True)
    with large.open("wb") as file:
        file.truncate(17 << 20)
    closed = root / "opt" / "node_modules" / "closed" / "package.json"
    closed.parent.mkdir()
    closed.write_text('{"name": "closed", "version": "1.0.0"}')
    closed.chmod(0)
    folder = root / "root"
    folder.mkdir(mode=0)
    forbidden = [str(path.relative_to(root)) for path in (closed, folder) if not os.access(path, os.R_OK)]
    try:
        found = as_json(scan(root, "--format", "json"))
    finally:
        folder.chmod(0o700)
    told = {problem["path"]: problem["why"] for problem in found["problems"]}
    assert sorted(told) == sorted(["opt/node_modules/large/package.json", *forbidden])
    assert "16,777,216 bytes" in told["opt/node_modules/large/package.json"]
    # An administrator may read everything, and so finds the third package.
    assert len(found["packages"]) == 2 + os.access(closed, os.R_OK)


def built_for(platform: str, of: Image) -> Image:
    """The image with another platform in its config."""
    system, architecture = platform.split("/")[:2]
    config = json.dumps(json.loads(of.config) | {"os": system, "architecture": architecture}).encode()
    manifest = json.loads(of.manifest)
    manifest["config"] |= {"digest": sha256(config), "size": len(config)}
    return Image(of.layers, config, json.dumps(manifest).encode())


def test_platform_chooses_an_image_of_an_index(scan: Scan, tmp_path: Path) -> None:
    """`linux/arm` is no `linux/arm64`; a variant may be left out; what is not there is answered with what is."""
    flask = image([layer(python_packages(flask="3.0"))])
    images = {"linux/arm64": built_for("linux/arm64", flask), "linux/arm/v7": built_for("linux/arm/v7", IMAGE)}
    path = write_platforms(tmp_path / "layout", images | {"unknown/unknown": built_for("unknown/unknown", flask)})

    def named(platform: str) -> list[str]:
        found = as_json(scan(path, "--format", "json", "--platform", platform))
        assert found["image"]["digest"] in {each.digest for each in images.values()}
        return [package["name"] for package in found["packages"]]

    assert named("linux/arm") == named("linux/arm/v7") == ["libexpat1", "jinja2"]
    assert named("linux/arm64") == ["flask"]
    wrong = complaint(scan(path, "--platform", "linux/vax"))
    assert wrong == f"{path}: there is no image for linux/vax; --platform takes one of: linux/arm/v7, linux/arm64"
    only = write_platforms(tmp_path / "only", {"linux/s390x": built_for("linux/s390x", IMAGE)})
    assert ids(scan(only, "--format", "json")) == FINDINGS


@pytest.mark.parametrize("form", ["layout", "docker save"])
def test_platform_is_checked_where_there_is_one_image(scan: Scan, tmp_path: Path, form: str) -> None:
    """An image for amd64 is not scanned as one for arm64, also where only its config tells."""
    saved = form == "docker save"
    path = saved_new(tmp_path / "app.tar", IMAGE) if saved else write_layout(tmp_path / "layout", IMAGE)
    assert ids(scan(path, "--format", "json", "--platform", "linux/amd64")) == FINDINGS
    wrong = complaint(scan(path, "--platform", "linux/arm64"))
    assert wrong == f"{path}: there is no image for linux/arm64; there is one for linux/amd64"


def test_one_image_under_two_tags_is_one_image(scan: Scan, tmp_path: Path) -> None:
    """An index that names a manifest twice leaves nothing to choose."""
    path = write_layout(tmp_path / "layout", IMAGE)
    write_index(path, index(descriptor(IMAGE, annotations={"a": "1"}), descriptor(IMAGE, annotations={"a": "2"})))
    assert ids(scan(path, "--format", "json")) == FINDINGS


def test_an_image_of_nothing_known_is_unsupported(scan: Scan, tmp_path: Path) -> None:
    """It is said, in ECR's words, and not passed off as clean."""
    path = write_layout(tmp_path / "layout", image([layer({"hello": b"x"})]))
    found = as_json(scan(path, "--format", "json"))
    assert (found["status"], found["packages"], found["findings"]) == ("UNSUPPORTED", [], [])
    sentence = "UnsupportedImageError: The operating system and/or package manager are not supported."
    assert found["description"] == sentence
    assert found["coverage"]["judged"] is False
    gate = scan(path, "--fail-on", "LOW")
    assert (gate.returncode, gate.stderr) == (4, "")
    assert sentence in gate.stdout.splitlines()
    assert gate.stdout.splitlines()[-1] == "Findings: unknown: nothing in the image could be judged"
    (invocation,) = document(scan(path, "--format", "sarif"))["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [each["level"] for each in invocation["toolExecutionNotifications"]] == ["error", "warning"]
    assert invocation["toolExecutionNotifications"][1]["message"]["text"] == sentence


def test_packages_that_nobody_speaks_of_do_not_pass(scan: Scan, tmp_path: Path) -> None:
    """An image of which no advisories are loaded fails a pipeline; the documents for others say what is missing."""
    older = layer({"etc/os-release": b"ID=debian\nVERSION_ID=11\n", "var/lib/dpkg/status": DPKG_STATUS})
    done = scan(write_layout(tmp_path / "layout", image([older])), "--format", "sarif", "--fail-on", "LOW")
    assert done.returncode == 4
    (invocation,) = json.loads(done.stdout)["runs"][0]["invocations"]
    assert [each["message"]["text"] for each in invocation["toolExecutionNotifications"][1:]] == [
        "No advisories on debian:11 are loaded: its own packages were not judged.",
        "1 of 1 dpkg packages not matched: no advisories on debian:11 are loaded.",
    ]


def test_a_path_of_another_form_is_told_the_form(scan: Scan, tmp_path: Path) -> None:
    """As other tools write it, with what it is called there before it and a tag behind."""
    done = scan(f"oci:{write_layout(tmp_path / 'layout', IMAGE)}:latest")
    assert done.returncode == 2
    assert "PATH is that of an image on disk alone" in " ".join(done.stderr.split())


def a_layer(folder: Path, content: Callable[[Layer], bytes]) -> Path:
    """A layout in which the file of the upper layer holds something else."""
    path = write_layout(folder / "layout", IMAGE)
    blob_path(path, UPPER.digest).write_bytes(content(UPPER))
    return path


def without(folder: Path, digest: str) -> Path:
    path = write_layout(folder / "layout", IMAGE)
    blob_path(path, digest).unlink()
    return path


def with_manifest(folder: Path, body: bytes, media_type: str = OCI_MANIFEST) -> Path:
    """A layout whose index names the bytes as its manifest."""
    add_blobs(folder / "layout", body, *IMAGE.blobs)
    return write_index(folder / "layout", index({"mediaType": media_type, "digest": sha256(body), "size": len(body)}))


def an_artifact(folder: Path) -> Path:
    manifest = json.loads(IMAGE.manifest)
    manifest["config"]["mediaType"] = "application/vnd.example.chart"
    return with_manifest(folder, json.dumps(manifest).encode())


def a_pipe(folder: Path) -> Path:
    path = without(folder, UPPER.digest)
    os.mkfifo(blob_path(path, UPPER.digest))
    return path


def other_manifest(folder: Path) -> Path:
    path = write_layout(folder / "layout", IMAGE)
    blob_path(path, IMAGE.digest).write_bytes(LONE.manifest)
    return path


def two_tags(folder: Path) -> Path:
    other = image([LOWER])
    path = write_layout(folder / "layout", IMAGE)
    add_blobs(path, *other.blobs, other.manifest)
    return write_index(path, index(descriptor(IMAGE), descriptor(other)))


def two_saved(folder: Path) -> Path:
    path = write_layout(folder / "layout", IMAGE)
    (path / "manifest.json").write_text(json.dumps([{"Config": "c", "Layers": []}] * 2))
    return pack(path, folder / "app.tar")


def wrong_name(folder: Path) -> Path:
    """A tar of a layout, whose config tells the truth, and which calls the upper layer by another's digest."""
    claimed = sha256(b"the digest of another layer")
    manifest = IMAGE.manifest.replace(UPPER.digest.encode(), claimed.encode())
    path = with_manifest(folder, manifest)
    blob_path(path, claimed).write_bytes(UPPER.blob)
    return pack(path, folder / "app.tar")


def a_file(folder: Path, content: bytes) -> Path:
    (folder / "file").write_bytes(content)
    return folder / "file"


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


CUT = Layer(UPPER.blob[:40], UPPER.diff_id)
BROKEN = Layer(flipped(UPPER.blob), UPPER.diff_id)
LONE = image([LOWER])

REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a layer that is not whole": (
        lambda folder: write_layout(folder / "layout", image([LOWER, CUT])),
        f"the layer ends {{}} ({CUT.digest})",
    ),
    "a layer with a wrong bit": (
        lambda folder: write_layout(folder / "layout", image([BROKEN])),
        f"the layer is damaged: {{}} ({BROKEN.digest})",
    ),
    "a layer's file that holds another layer": (
        lambda folder: a_layer(folder, lambda _: LOWER.blob),
        f"The content has digest '{LOWER.digest}', not '{UPPER.digest}'",
    ),
    "a layer that a tar calls by another's digest": (
        wrong_name,
        f"The content has digest '{UPPER.digest}', not '{sha256(b'the digest of another layer')}'",
    ),
    "a layer that is missing": (
        lambda folder: without(folder, UPPER.digest),
        f"{{}}layout: blobs/sha256/{UPPER.digest[7:]} is missing",
    ),
    "a layer that is a pipe": (a_pipe, f"{{}}layout: blobs/sha256/{UPPER.digest[7:]} is missing"),
    "a config that is missing": (
        lambda folder: without(folder, sha256(IMAGE.config)),
        f"{{}}layout: blobs/sha256/{sha256(IMAGE.config)[7:]} is missing",
    ),
    "a manifest that is missing": (
        lambda folder: without(folder, IMAGE.digest),
        f"{{}}layout: blobs/sha256/{IMAGE.digest[7:]} is missing",
    ),
    "a layer that is missing in a tar": (
        lambda folder: pack(without(folder, UPPER.digest), folder / "app.tar"),
        f"{{}}app.tar: blobs/sha256/{UPPER.digest[7:]} is missing",
    ),
    "a config that names another layer": (
        lambda folder: write_layout(folder / "layout", image([UPPER], diff_ids=[LOWER.diff_id])),
        f"layer {UPPER.digest} unpacks to {UPPER.diff_id}, the config names {LOWER.diff_id}",
    ),
    "a saved config that names another layer": (
        lambda folder: saved_old(folder / "app.tar", image([UPPER], diff_ids=[LOWER.diff_id])),
        f"layer {UPPER.diff_id} unpacks to {UPPER.diff_id}, the config names {LOWER.diff_id}",
    ),
    "a config that names fewer layers": (
        lambda folder: write_layout(folder / "layout", image([LOWER, UPPER], diff_ids=[LOWER.diff_id])),
        "the config names 1 layers, the manifest 2",
    ),
    "a manifest of other bytes": (
        other_manifest,
        f"{{}}layout: The content has digest '{LONE.digest}', not '{IMAGE.digest}'",
    ),
    "a manifest that is no JSON": (
        lambda folder: with_manifest(folder, b"\xff{"),
        "{}layout: Invalid JSON syntax",
    ),
    "an index that is no JSON": (
        lambda folder: write_index(folder / "layout", b"{"),
        "{}layout: Invalid JSON syntax",
    ),
    "an empty index": (lambda folder: write_index(folder / "layout", index()), "{}layout: the index names no image"),
    "an artifact": (
        an_artifact,
        "{}layout: an artifact of type 'application/vnd.example.chart' is no container image",
    ),
    "several images": (two_tags, "{}layout: holds 2 images, not one"),
    "several saved images": (two_saved, "{}app.tar: holds 2 images, not one"),
    "an empty file": (lambda folder: a_file(folder, b""), "{}file: not a whole tar"),
    "a file that is no tar": (lambda folder: a_file(folder, b"hello" * 1000), "{}file: not a whole tar"),
    "a tar that is compressed": (
        lambda folder: a_file(folder, UPPER.blob),
        "{}file: compressed; unpack it first",
    ),
    "a folder of something else": (
        lambda folder: write_layout(folder / "images" / "app", IMAGE).parent,
        "{}images: neither an OCI layout nor a root file system: no index.json, os-release or package",
    ),
    "one file of a layout": (
        lambda folder: write_layout(folder / "layout", IMAGE) / "index.json",
        "{}index.json: one file of an OCI layout; the image is the folder that it is in",
    ),
    "a tar of something else": (
        lambda folder: pack(write_index(folder / "other", b"{}").rename(folder / "else") / "oci-layout", folder / "x"),
        "{}x: neither a `docker save` tar nor a tar of an OCI layout",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_scanned_is_said_in_one_line(scan: Scan, tmp_path: Path, case: str) -> None:
    """Exit status 1, nothing on standard output, one line on standard error, and nothing is remembered of a lie."""
    build, expected = REFUSED[case]
    start, _, end = expected.rpartition("{}")
    said = complaint(scan(build(tmp_path), "--cache", tmp_path / "cache"))
    assert said.startswith(start)
    assert said.endswith(end)
    kept = {path.name[: len("sha256-") + 64] for path in tmp_path.glob("cache/layers/*")}
    assert kept <= {each.digest.replace(":", "-") for each in (LOWER, UPPER)} | {UPPER.diff_id.replace(":", "-")}


def test_known_layers_are_not_read_again(scan: Scan, tmp_path: Path) -> None:
    """A second scan looks at no byte of a layer: they may have become junk meanwhile, and nothing is different."""
    path = write_layout(tmp_path / "layout", IMAGE)
    first = as_json(scan(path, "--format", "json"))
    for part in IMAGE.layers:
        blob_path(path, part.digest).write_bytes(b"junk")
    assert as_json(scan(path, "--format", "json")) == first
    assert complaint(scan(path, "--cache", tmp_path / "other")).startswith("the layer ")


def test_readers_begin_before_the_rest_is_imported(hullwise: Hullwise, generation: Path, tmp_path: Path) -> None:
    """Where layers have to be read, the process that forks readers begins before matching is imported, which takes as
    long; where they are known, or there is no image, nothing that starts a process is imported."""
    starts, matches = "hullwise.inventory.nursery", "hullwise.advisories.matching"
    path = write_layout(tmp_path / "layout", IMAGE)
    (tmp_path / "junk").write_bytes(b"junk")
    for scanned, status, expected in (
        (path, 0, [starts, matches]),
        (path, 0, [matches]),
        (tmp_path / "junk", 1, [matches]),
    ):
        command = [sys.executable, "-X", "importtime", "-m", "hullwise", "scan", str(scanned)]
        command += ["--advisories", str(generation), "--cache", str(tmp_path / "cache")]
        done = subprocess.run(command, capture_output=True, text=True, env=hullwise.environment)
        assert done.returncode == status, done.stderr
        imported = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]
        assert [name for name in imported if name in {starts, matches}] == expected


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda data: data[:-10],
    "junk": lambda _: b"junk",
    "one bit": flipped,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_memory_of_a_layer_is_made_anew(scan: Scan, hullwise: Hullwise, tmp_path: Path, damage: str) -> None:
    """What is not whole is as good as not there; the layer is read again, and remembered again."""
    path = write_layout(tmp_path / "layout", image([UPPER]))
    first = as_json(scan(path, "--format", "json"))
    (remembered,) = hullwise.home.glob(".cache/hullwise/layers/*")
    whole = remembered.read_bytes()
    remembered.write_bytes(DAMAGES[damage](whole))
    assert as_json(scan(path, "--format", "json")) == first
    assert remembered.read_bytes() == whole


def test_scans_at_once_share_a_cache(hullwise: Hullwise, tmp_path: Path) -> None:
    """Four at once on an empty cache, one of which builds the bundled advisories for all, say the same."""
    path = write_layout(tmp_path / "layout", IMAGE)
    running = [hullwise.start("scan", path, "--format", "json") for _ in range(4)]
    ended = [(*process.communicate(timeout=60), process.returncode) for process in running]
    assert {(errors, status) for _, errors, status in ended} == {("", 0)}
    assert len({printed for printed, _, _ in ended}) == 1
    cache = hullwise.home / ".cache" / "hullwise"
    assert sorted(path.name.partition("-")[0] for path in cache.rglob("*") if path.is_file()) == [
        *("sha256", "sha256"),
        "starter",
    ]


ONLY_BUNDLED = "Only the small bundled set of advisories was used; `hullwise advisories sync` loads real data."


def test_what_other_versions_left_in_the_cache_goes(hullwise: Hullwise, tmp_path: Path) -> None:
    """A month after it was written, when something new is; what this version uses stays, however old."""
    path = write_layout(tmp_path / "layout", image([LOWER]))
    output(hullwise("scan", path))
    cache = hullwise.home / ".cache" / "hullwise"
    used = {file for file in cache.rglob("*") if file.is_file()}
    digest, fingerprint = next(iter((cache / "layers").iterdir())).name.rsplit("-", 1)
    old = [cache / "layers" / f"{digest}-{'0' * 12}", cache / "layers" / f"{digest}-{fingerprint}.4711"]
    recent, foreign = cache / "layers" / f"{digest}-{'1' * 12}", cache / "layers" / "of-somebody-else"
    starter = cache / "starter-0.0.1-1-1.sqlite"
    for file in (*old, recent, foreign, starter):
        file.write_bytes(b"x")
    month = time.time() - 31 * 24 * 3600
    for file in (*used, *old, foreign, starter):
        os.utime(file, (month, month))
    output(hullwise("scan", write_layout(tmp_path / "other", image([UPPER]))))
    left = {file for file in cache.rglob("*") if file.is_file()}
    assert used | {recent, foreign, starter} < left
    assert not left & {*old}
    for file in cache.glob("starter-*"):
        if file != starter:
            file.unlink()
    output(hullwise("scan", path))
    assert not starter.exists()


def test_without_any_data_the_bundled_advisories_are_used(hullwise: Hullwise, tmp_path: Path) -> None:
    """Every form says so that has a place for it, and how to get more; a damaged copy of them is made anew."""
    path = write_layout(tmp_path / "layout", IMAGE)
    lines = output(hullwise("scan", path)).splitlines()
    assert lines[2] == ONLY_BUNDLED
    assert "CVE-2019-10906" in "\n".join(lines)
    assert as_json(hullwise("scan", path, "--format", "json"))["coverage"]["notes"][0] == ONLY_BUNDLED
    (invocation,) = document(hullwise("scan", path, "--format", "sarif"))["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is True
    assert ONLY_BUNDLED in [each["message"]["text"] for each in invocation["toolExecutionNotifications"]]
    (bundled,) = hullwise.home.glob(".cache/hullwise/starter-*")
    bundled.write_bytes(b"junk")
    assert output(hullwise("scan", path)).splitlines() == lines


def unnoted(data: Path) -> str:
    note = data / "advisories" / "head.json"
    note.unlink()
    return (
        f"there are no advisories in {data} ({note} is not there); --data or HULLWISE_DATA names another folder, "
        "`hullwise advisories sync` loads some"
    )


def damaged(data: Path) -> str:
    note = data / "advisories" / "head.json"
    note.write_text("{")
    return f"{note} is damaged; `hullwise serve` or `hullwise worker` writes it anew"


def nameless(data: Path) -> str:
    note = data / "advisories" / "head.json"
    note.write_text("{}")
    return f"{note} is damaged; `hullwise serve` or `hullwise worker` writes it anew"


def without_file(data: Path) -> str:
    note = data / "advisories" / "head.json"
    file = data / json.loads(note.read_bytes())["path"]
    file.unlink()
    return f"{file} is not there, and {note} says that it has the advisories; load them again"


@pytest.mark.parametrize("lose", [unnoted, damaged, nameless, without_file])
def test_no_other_advisories_are_used_than_those_that_were_meant(
    hullwise: Hullwise, tmp_path: Path, lose: Callable[[Path], str]
) -> None:
    """Where those of the named folder are not to be had the scan fails, and passes nothing; what needs none goes on."""
    path = write_layout(tmp_path / "layout", image([layer(python_packages(flask="2.0"))]))
    data = tmp_path / "data"
    output(hullwise("advisories", "import", write(tmp_path / "advisories", FLASK), "--data", data))
    assert hullwise("scan", path, "--data", data, "--fail-on", "UNDEFINED").returncode == 3
    said = lose(data)
    assert complaint(hullwise("scan", path, "--data", data, "--fail-on", "UNDEFINED")) == said
    assert complaint(hullwise("scan", path, HULLWISE_DATA=str(data))) == said
    assert complaint(hullwise("explain", path, "CVE-2023-30861", "--data", data)) == said
    assert complaint(hullwise("sbom", path, "--findings", "--data", data)) == said
    assert "flask" in output(hullwise("sbom", path, "--data", data))


def test_a_folder_that_is_not_there_has_no_advisories(hullwise: Hullwise, tmp_path: Path) -> None:
    """Whether the option, the environment or the file of settings names it; nothing is made."""
    path = write_layout(tmp_path / "layout", IMAGE)
    config = a_file(tmp_path, f"data = '{tmp_path / 'absent'}'\n".encode())
    for done in (
        hullwise("scan", path, "--data", tmp_path / "absent"),
        hullwise("scan", path, HULLWISE_DATA=str(tmp_path / "absent")),
        hullwise("scan", path, HULLWISE_CONFIG=str(config)),
    ):
        assert complaint(done).startswith(f"there are no advisories in {tmp_path / 'absent'} (")
    assert not (tmp_path / "absent").exists()


def test_the_users_own_folder_is_not_passed_over(hullwise: Hullwise, tmp_path: Path) -> None:
    """Where it has word of advisories, they are used or the scan fails, though nobody named it."""
    path = write_layout(tmp_path / "layout", image([layer(python_packages(flask="2.0"))]))
    output(hullwise("advisories", "import", write(tmp_path / "advisories", FLASK)))
    assert ids(hullwise("scan", path, "--format", "json")) == ["CVE-2023-30861"]
    said = without_file(hullwise.home / ".local/share/hullwise")
    assert complaint(hullwise("scan", path)) == said


def test_the_data_folders_advisories_are_used(hullwise: Hullwise, tmp_path: Path) -> None:
    """Those last imported into the folder of --data, and by default of the user's own."""
    path = write_layout(tmp_path / "layout", image([layer(python_packages(flask="2.0"))]))
    advisories = write(tmp_path / "advisories", FLASK)
    output(hullwise("advisories", "import", advisories, "--data", tmp_path / "data"))
    found = as_json(hullwise("scan", path, "--format", "json", "--data", tmp_path / "data"))
    assert [(finding["id"], finding["source"]) for finding in found["findings"]] == [("CVE-2023-30861", "osv")]
    assert "osv" not in as_json(hullwise("scan", path, "--format", "json"))["advisories"]["sources"]
    (hullwise.home / ".local/share").mkdir(parents=True)
    moved = (tmp_path / "data").rename(hullwise.home / ".local/share/hullwise")
    assert ids(hullwise("scan", path, "--format", "json")) == ["CVE-2023-30861"]
    # As versions before this one wrote it.
    note = moved / "advisories" / "head.json"
    said = json.loads(note.read_bytes())
    note.write_text(json.dumps(said | {"path": str(moved / said["path"])}))
    assert ids(hullwise("scan", path, "--format", "json")) == ["CVE-2023-30861"]


def test_a_worker_notes_the_advisories_of_its_folder(hullwise: Hullwise, tmp_path: Path) -> None:
    """Where another machine published them the folder has no word of them until then."""
    path = write_layout(tmp_path / "layout", image([layer(python_packages(flask="2.0"))]))
    data = tmp_path / "data"
    output(hullwise("advisories", "import", write(tmp_path / "advisories", FLASK), "--data", data))
    (data / "advisories" / "head.json").unlink()
    worker = hullwise.start("worker", "--data", data)
    try:
        deadline = time.monotonic() + 60
        while not (data / "advisories" / "head.json").exists():
            assert worker.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        worker.terminate()
        worker.communicate(timeout=60)
    assert ids(hullwise("scan", path, "--format", "json", "--data", data)) == ["CVE-2023-30861"]


def test_a_generation_that_is_none_is_refused(hullwise: Hullwise, tmp_path: Path) -> None:
    """--advisories with a file that is no generation is one clear line."""
    path = write_layout(tmp_path / "layout", IMAGE)
    said = complaint(hullwise("scan", path, "--advisories", a_file(tmp_path, b"no database" * 100)))
    assert said == "file: file is not a database"


def test_a_cache_that_cannot_be_written_is_one_line(scan: Scan, tmp_path: Path) -> None:
    """A folder below a file, say."""
    path = write_layout(tmp_path / "layout", IMAGE)
    said = complaint(scan(path, "--cache", a_file(tmp_path, b"") / "cache"))
    assert said.endswith(": Not a directory")


def test_a_scan_imports_no_server(hullwise: Hullwise, generation: Path, root: Path) -> None:
    """Neither the database toolkit nor the job engine nor the web server: each would cost it a tenth of a second."""
    command = [sys.executable, "-X", "importtime", "-m", "hullwise", "scan", str(root), "--advisories", str(generation)]
    done = subprocess.run(command, capture_output=True, text=True, env=hullwise.environment)
    assert done.returncode == 0
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "hullwise" in loaded
    assert loaded & {"sqlalchemy", "dbos", "starlette", "botocore", "uvicorn", "cryptography", "alembic"} == set()


@pytest.mark.parametrize(("word", "status"), [("CRITICAL", 3), ("high", 3), ("UNDEFINED", 3), (None, 0)], ids=str)
def test_fail_on_ends_with_a_status_of_its_own(scan: Scan, tmp_path: Path, word: str | None, status: int) -> None:
    """3 where a finding is as severe or more, so that a pipeline tells it from a failure (1) and a wrong option (2)."""
    done = scan(write_layout(tmp_path / "layout", IMAGE), *(() if word is None else ("--fail-on", word)))
    assert (done.returncode, done.stderr) == (status, "")
    assert "CVE-2024-45491" in done.stdout


def test_fail_on_passes_what_is_less_severe(scan: Scan, tmp_path: Path) -> None:
    """Jinja2's finding is HIGH."""
    python = image([layer(python_packages(Jinja2="2.10"))])
    path = write_layout(tmp_path / "layout", python)
    assert scan(path, "--fail-on", "CRITICAL").returncode == 0
    assert scan(path, "--fail-on", "HIGH").returncode == 3


def openvex(statement: dict[str, Any]) -> dict[str, Any]:
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex/1",
        "author": "Hull Team",
        "timestamp": "2026-01-05T00:00:00Z",
        "version": 1,
        "statements": [statement],
    }


def test_vex_documents_suppress(scan: Scan, tmp_path: Path) -> None:
    """What a statement calls not affected is listed apart with the reason, does not count, and does not fail."""
    statement = {
        "vulnerability": {"name": "GHSA-462w-v97r-4m45"},
        "products": [{"@id": "pkg:pypi/jinja2"}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
    }
    said = openvex(statement)
    vex = tmp_path / "vex.json"
    vex.write_text(json.dumps(said))
    path = write_layout(tmp_path / "layout", image([layer(python_packages(Jinja2="2.10"))]))
    found = as_json(scan(path, "--vex", vex, "--format", "json", "--fail-on", "UNDEFINED"))
    assert (found["findings"], found["counts"]) == ([], {})
    (suppressed,) = found["suppressed"]
    assert suppressed["id"] == "CVE-2019-10906"
    assert suppressed["suppression"] == {
        "by": "vex:1#1",
        "status": "not_affected",
        "reason": "vulnerable_code_not_in_execute_path",
        "author": "Hull Team",
    }
    vex.write_text(json.dumps(said | {"statements": [statement | {"status": "not_afected"}]}))
    misspelt = scan(path, "--vex", vex, "--format", "json")
    complaints = ["none of its statements can be used", "GHSA-462w-v97r-4m45: status is not known"]
    assert misspelt.stderr.splitlines() == [f"vex.json: {why}" for why in complaints]
    found = json.loads(misspelt.stdout)
    assert found["problems"] == [{"path": "vex.json", "why": why} for why in complaints]
    assert [finding["id"] for finding in found["findings"]] == ["CVE-2019-10906"]
    vex.write_text("{}")
    assert "vex.json" in complaint(scan(path, "--vex", vex))


def test_vex_on_what_the_distribution_decides_adds_nothing(scan: Scan, tmp_path: Path) -> None:
    """A Python package of Debian's is judged by Debian's word: a statement on it changes no reason, and brings nothing
    into a report that leaves it out."""
    metadata = b"Metadata-Version: 2.1\nName: Jinja2\nVersion: 2.10\n"
    owned = DPKG_STATUS + b"\nPackage: python3-jinja2\nStatus: install ok installed\nVersion: 2.10-2\nSource: jinja2\n"
    sums = f"{hashlib.md5(metadata, usedforsecurity=False).hexdigest()}  {JINJA_PATH}\n".encode()
    lists = {"var/lib/dpkg/status": owned, "var/lib/dpkg/info/python3-jinja2.md5sums": sums}
    path = write_layout(tmp_path / "layout", image([layer({**DEBIAN, **lists, JINJA_PATH: metadata})]))
    statement = {
        "vulnerability": {"name": "CVE-2019-10906"},
        "products": [{"@id": "pkg:pypi/jinja2"}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
    }
    vex = tmp_path / "vex.json"
    vex.write_text(json.dumps(openvex(statement)))
    without, under = (as_json(scan(path, *options, "--format", "json")) for options in ((), ("--vex", vex)))
    assert [each["suppression"]["by"] for each in without["suppressed"]] == ["owner"]
    assert under["suppressed"] == without["suppressed"]
    (run,) = json.loads(output(scan(path, "--vex", vex, "--format", "sarif")))["runs"]
    assert [each["ruleId"] for each in run["results"]] == ["CVE-2024-45491"]


def test_a_scan_says_what_it_looked_at(scan: Scan, tmp_path: Path) -> None:
    """Which readers ran, which advisories there are on the distribution, and how many packages they speak of."""
    unread = layer({"etc/os-release": DEBIAN_12, "var/lib/dpkg/status": DPKG_STATUS, "a.dist-info/METADATA": b"x"})
    found = as_json(scan(write_layout(tmp_path / "layout", image([unread])), "--format", "json"))
    coverage = found["coverage"]
    assert {"dpkg", "apk", "pypi", "npm"} <= coverage["readers"].keys()
    assert coverage["advisories"] == {"namespace": "debian:12", "loaded": True, "comprehensive": True}
    assert coverage["packages"] == {"dpkg": {"found": 1, "matched": 1, "notMatched": {}}}
    assert [each["path"] for each in coverage["unreadable"]] == ["a.dist-info/METADATA"]
    older = layer({"etc/os-release": b"ID=debian\nVERSION_ID=11\n", "var/lib/dpkg/status": DPKG_STATUS})
    lines = output(scan(write_layout(tmp_path / "older", image([older])))).splitlines()
    assert lines[2:4] == [
        "No advisories on debian:11 are loaded: its own packages were not judged.",
        "1 of 1 dpkg packages not matched: no advisories on debian:11 are loaded.",
    ]


def test_a_distribution_without_its_database_is_told(scan: Scan, tmp_path: Path) -> None:
    """Of what Debian installed nothing is known, whatever else there is: that nothing of it is found says nothing."""
    told = "No list of packages of debian:12 was found: what the distribution installed was not judged."
    files = {"etc/os-release": DEBIAN_12, **python_packages(Jinja2="2.10")}
    found = as_json(scan(write_layout(tmp_path / "slim", image([layer(files)])), "--format", "json"))
    assert [each["id"] for each in found["findings"]] == ["CVE-2019-10906"]
    assert found["coverage"]["notes"] == [told]
    bare = scan(write_layout(tmp_path / "bare", image([layer({"etc/os-release": DEBIAN_12})])), "--fail-on", "low")
    assert bare.returncode == 4
    assert told in bare.stdout.splitlines()
    whole = as_json(scan(write_layout(tmp_path / "whole", IMAGE), "--format", "json"))
    assert whole["coverage"]["notes"] == []
