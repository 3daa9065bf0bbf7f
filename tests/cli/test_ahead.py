"""What `hullwise scan` guesses before it has imported what would tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from hullwise.cli import ahead
from tests.support.images import image, layer, sha256
from tests.support.layouts import pack, write_layout

IMAGE = image([layer({"etc/motd": b"one"}), layer({"etc/motd": b"two"})])


def begins(path: Path, cache: Path) -> bool:
    with ahead.begun(path, platform=None, cache=cache) as nursery:
        return nursery is not None


def test_readers_begin_where_a_layer_is_not_remembered(tmp_path: Path) -> None:
    """Whatever the version of the readers that remember it: how they are called is not known yet."""
    path, cache = write_layout(tmp_path / "layout", IMAGE), tmp_path / "cache"
    assert begins(path, cache)
    folder = ahead.layers(cache)
    folder.mkdir(parents=True)
    for part in IMAGE.layers:
        assert begins(path, cache)
        (folder / f"{ahead.stem(part.digest)}{'0' * 12}").touch()
    assert not begins(path, cache)


def test_a_root_file_system_is_always_read(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/motd").write_bytes(b"one")
    assert begins(tmp_path, tmp_path / "cache")


@pytest.mark.parametrize("damage", ["index.json", "config", "manifest"])
def test_what_cannot_be_opened_begins_nothing(tmp_path: Path, damage: str) -> None:
    """It is told by the command."""
    path = write_layout(tmp_path / "layout", IMAGE)
    digest = {"config": sha256(IMAGE.config), "manifest": IMAGE.digest}.get(damage)
    place = path / "index.json" if digest is None else path / "blobs" / digest.replace(":", "/")
    place.write_bytes(b"{")
    assert not begins(path, tmp_path / "cache")


def test_a_tar_is_not_read_twice(tmp_path: Path) -> None:
    path = pack(write_layout(tmp_path / "layout", IMAGE), tmp_path / "image.tar")
    assert not begins(path, tmp_path / "cache")
