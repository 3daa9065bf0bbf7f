"""A folder gives what lies in it, and nothing that a link leads to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hullwise.imports.errors import PartMissing, PartRefused
from hullwise.imports.folder import Folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder, beside a secret that is not in it."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("secret")
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "root" / "a" / "file").write_bytes(b"0123456789")
    return tmp_path / "root"


def test_plain_files_are_read(root: Path) -> None:
    """Whole, or as many bytes as are wanted; folders are listed by name, files and links left out."""
    (root / "a" / "link").symlink_to(root / "a" / "b")
    folder = Folder(root)
    assert folder.read("a/file", 100) == b"0123456789"
    assert b"".join(folder.stream("a/file", 4)) == b"0123"
    assert folder.folders("a") == ["b"]
    assert folder.folders() == ["a"]
    assert (folder.is_file("a/file"), folder.is_file("a/b"), folder.is_file("a/none")) == (True, False, False)
    assert (folder.is_folder("a/b"), folder.is_folder("a/file"), folder.is_folder("a/link")) == (True, False, False)


def test_the_folder_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    """Whoever names it knows where it leads."""
    (tmp_path / "link").symlink_to(root)
    assert Folder(tmp_path / "link").read("a/file", 3) == b"012"
    assert Folder(tmp_path / "link").folders() == ["a"]


def test_links_are_not_followed(root: Path) -> None:
    """Neither to a file nor to a folder, out of the folder or not."""
    (root / "file").symlink_to("../secret")
    (root / "folder").symlink_to("../outside")
    (root / "inner").symlink_to("a")
    folder = Folder(root)
    for path in ("file", "folder/file", "inner/file"):
        with pytest.raises(PartRefused, match=f"{path}: links are not followed, and {path.partition('/')[0]} is one"):
            folder.read(path, 100)
    with pytest.raises(PartRefused, match="links are not followed"):
        folder.folders("folder")


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "/etc/passwd", "a//file", "./a", "a/file\0"])
def test_paths_lead_nowhere_else(root: Path, path: str) -> None:
    """Neither up nor to the root of the machine."""
    with pytest.raises(PartRefused, match="leads out of the folder"):
        Folder(root).read(path, 100)


def test_what_is_absent_is_missing_and_a_pipe_is_no_file(root: Path) -> None:
    """A file below a file is missing too; opening a pipe waits for nobody."""
    os.mkfifo(root / "pipe")
    folder = Folder(root)
    for path in ("none", "a/none/file", "a/file/below"):
        with pytest.raises(PartMissing):
            folder.read(path, 100)
    for path in ("pipe", "a"):
        with pytest.raises(PartRefused, match="is no plain file"):
            folder.read(path, 100)
