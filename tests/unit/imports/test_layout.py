"""What an OCI layout's index names, and which tags that makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hullwise.imports.errors import PartMissing, PartRefused, UnusableSource
from hullwise.imports.layout import Layout
from tests.support.images import image, layer, sha256
from tests.support.layouts import add_blobs, blob_path, descriptor, index, pack, write_index, write_layout

PLAIN = image([layer({"etc/motd": b"hello\n"})])
REF_NAME = "org.opencontainers.image.ref.name"


def tagged(*names: str | None) -> list[dict[str, Any]]:
    return [descriptor(PLAIN, **({"annotations": {REF_NAME: name}} if name is not None else {})) for name in names]


def layout(folder: Path, *entries: dict[str, Any]) -> Layout:
    return Layout(write_index(folder, index(*entries)), "team/app")


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_a_layout_gives_tags_manifests_and_blobs(tmp_path: Path, form: str) -> None:
    """From a folder and from a tar of it."""
    path = write_layout(tmp_path / "layout", PLAIN, "1.0")
    found = Layout(path if form == "folder" else pack(path, tmp_path / "layout.tar"), "team/app")
    assert list(found.repositories()) == ["team/app"]
    assert list(found.tags("team/app")) == ["1.0"]
    assert found.resolve("team/app", "1.0") == PLAIN.digest
    assert found.manifest("team/app", PLAIN.digest) == (PLAIN.manifest, None)
    blob = PLAIN.layers[0]
    assert b"".join(found.blob("team/app", blob.digest, len(blob.blob))) == blob.blob
    with pytest.raises(PartMissing, match="blobs/sha256/0"):
        b"".join(found.blob("team/app", "sha256:" + "0" * 64, 1))


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("1.0", "1.0"),
        ("docker.io/library/alpine:3.20", "3.20"),
        ("localhost:5000/team/app:latest", "latest"),
        ("not a tag", "not a tag"),
    ],
)
def test_an_annotation_is_a_tag_or_ends_in_one(tmp_path: Path, name: str, tag: str) -> None:
    """Tools write a tag or a whole reference; what is neither is told of as it is."""
    assert list(layout(tmp_path, *tagged(name)).tags("team/app")) == [tag]


@pytest.mark.parametrize("name", [None, "", f"docker.io/library/alpine@{PLAIN.digest}"])
def test_without_a_tag_it_is_untagged(tmp_path: Path, name: str | None) -> None:
    """Also where the annotation names a digest."""
    found = layout(tmp_path, *tagged(name))
    assert (list(found.tags("team/app")), list(found.untagged("team/app"))) == ([], [PLAIN.digest])


def test_a_tag_of_two_manifests_names_none(tmp_path: Path) -> None:
    """Nobody can say which is meant; one that is listed twice is one."""
    other = descriptor(image([layer({"other": b""})]), annotations={REF_NAME: "two"})
    found = layout(tmp_path, *tagged("two", "same", "same"), other)
    with pytest.raises(PartRefused, match="has 2 manifests of that tag"):
        found.resolve("team/app", "two")
    assert found.resolve("team/app", "same") == PLAIN.digest


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "is no index"),
        (b"[]", "is no index"),
        (b'{"manifests":[{"size":1}]}', "is no index"),
        (b'{"manifests":[{"digest":7}]}', "is no index"),
        (b'{"manifests":[{"digest":"x","annotations":{"a":1}}]}', "is no index"),
        (b"\xff\xfe", "is no index"),
        (b'{"x":' + b"[" * 100_000, "is no index"),
        (b'{"manifests":[]' + b" " * (32 << 20), "has more than 33,554,432 bytes"),
    ],
)
def test_an_index_that_is_none_is_refused(tmp_path: Path, body: bytes, why: str) -> None:
    """Damaged, of other types, nested without end, or enormous."""
    with pytest.raises(UnusableSource, match=why):
        Layout(write_index(tmp_path, body), "team/app")


def test_a_folder_without_an_index_is_no_layout(tmp_path: Path) -> None:
    """Nor is one whose index is a link."""
    with pytest.raises(UnusableSource, match=r"it has no index\.json"):
        Layout(tmp_path, "team/app")
    (tmp_path / "elsewhere").mkdir()
    write_layout(tmp_path / "elsewhere", PLAIN)
    (tmp_path / "index.json").symlink_to("elsewhere/index.json")
    with pytest.raises(UnusableSource, match="links are not followed"):
        Layout(tmp_path, "team/app")


def test_a_blob_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Even where what it leads to has the right bytes."""
    path = write_layout(tmp_path / "layout", PLAIN)
    place = blob_path(path, PLAIN.layers[0].digest)
    place.rename(tmp_path / "moved")
    place.symlink_to(tmp_path / "moved")
    with pytest.raises(PartRefused, match="links are not followed"):
        b"".join(Layout(path, "team/app").blob("team/app", PLAIN.layers[0].digest, 1_000))


def test_no_more_of_a_blob_is_read_than_its_size_and_a_byte(tmp_path: Path) -> None:
    """A file that holds more than it should is not read to its end; nor is a manifest over its limit."""
    path = write_layout(tmp_path / "layout", PLAIN)
    digest = sha256(bytes(5_000))
    add_blobs(path, bytes(5_000))
    found = Layout(path, "team/app")
    assert sum(map(len, found.blob("team/app", digest, 10))) == 11
    with blob_path(path, digest).open("wb") as file:
        file.truncate(1 << 34)
    assert len(found.manifest("team/app", digest).body) == (4 << 20) + 1


def test_a_hundred_thousand_tags_are_read(tmp_path: Path) -> None:
    """The index of a big layout is below the limit."""
    body = json.dumps({"schemaVersion": 2, "manifests": tagged(*(f"v{number}" for number in range(100_000)))}).encode()
    found = Layout(write_index(tmp_path, body), "team/app")
    assert sum(1 for _ in found.tags("team/app")) == 100_000
