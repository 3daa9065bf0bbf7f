"""What a local folder promises beyond what every blob storage does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from hullwise.blobs import keys
from hullwise.blobs.backend import open_storage
from hullwise.blobs.errors import StorageUnavailable
from hullwise.blobs.folder import FolderStorage
from hullwise.blobs.storage import ObjectStorage

MIB = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> ObjectStorage:
    return open_storage(str(tmp_path / "blobs"), durability="full")


def listed(storage: ObjectStorage) -> set[str]:
    return {found.key for found in storage.list()}


@pytest.mark.parametrize(("start", "end"), [(-1, None), (-1, 5), (5, 4)])
def test_what_is_no_range_is_a_programming_error(folder: ObjectStorage, start: int, end: int | None) -> None:
    """Offsets are counted from zero and in order."""
    folder.put("a", b"0123456789")
    with pytest.raises(ValueError, match="no range"):
        folder.stream("a", start, end)


def test_a_file_in_the_way_is_a_failure(folder: ObjectStorage, tmp_path: Path) -> None:
    """Where the folder can not take a key, the storage failed: it is neither absent nor taken."""
    folder.put("a", b"x")
    for call in (
        lambda: folder.put("a/b", b"x"),
        lambda: folder.put_if_absent("a/b", b"x"),
        lambda: folder.read("a/b", limit=10),
        lambda: folder.delete("a/b"),
    ):
        with pytest.raises(StorageUnavailable):
            call()
    with pytest.raises(StorageUnavailable):
        open_storage(str(tmp_path / "blobs" / "a"), durability="full")
    assert list((tmp_path / "blobs" / ".unfinished").iterdir()) == []


def test_a_folder_that_vanished_is_a_failure(folder: ObjectStorage, tmp_path: Path) -> None:
    """Writing is refused where the folder was; it is not made anew, where a disk may have been mounted."""
    shutil.rmtree(tmp_path / "blobs")
    for call in (
        lambda: folder.put("a", b"x"),
        lambda: folder.put_if_absent("a", b"x"),
        lambda: folder.writer("a"),
    ):
        with pytest.raises(StorageUnavailable):
            call()
    assert not (tmp_path / "blobs").exists()


def test_a_full_disk_is_a_failure_and_leaves_nothing(tmp_path: Path) -> None:
    """A file that can not grow any more raises our error; no part of it stays."""
    script = """
import resource, signal, sys
from hullwise.blobs import keys
from hullwise.blobs.backend import open_storage
from hullwise.blobs.errors import StorageUnavailable
storage = open_storage(sys.argv[1], durability="full")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    with storage.writer("a") as writer:
        writer.write(bytes(3 << 20))
except StorageUnavailable:
    sys.exit(42)
"""
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)]).returncode == 42
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_is_named_by_path_or_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An absolute path, a relative one and a file URL, escaped or not, are the same folder; it is made if need be."""
    monkeypatch.chdir(tmp_path)
    open_storage("deep/a folder", durability="full").put("a", b"x")
    path = tmp_path / "deep" / "a folder"
    for url in (str(path), path.as_uri(), f"file://localhost{path.as_uri().removeprefix('file://')}"):
        assert listed(open_storage(url, durability="fast")) == {"a"}


def test_memory_is_bounded_on_a_folder(folder: ObjectStorage) -> None:
    """Forty megabytes pass through with less than three in Python's hands."""
    tracemalloc.start()
    try:
        with folder.writer("large") as writer:
            for _ in range(40):
                writer.write(bytes(MIB))
        for _ in folder.stream("large"):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * MIB


def test_what_a_killed_process_left_is_swept_after_a_day(tmp_path: Path) -> None:
    """The remains of a dead writer are not listed and go when they are a day old; a living one's file stays."""
    storage = open_storage(str(tmp_path), durability="fast")
    storage.put("a", b"x")
    old, young = (tmp_path / ".unfinished" / name for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, times=(time.time() - 25 * 3600,) * 2)
    again = open_storage(str(tmp_path), durability="fast")
    assert (old.exists(), young.exists()) == (False, True)
    assert listed(again) == {"a"}


def test_foreign_files_are_not_listed(folder: ObjectStorage, tmp_path: Path) -> None:
    """What is no key was not written by us."""
    for name in (".DS_Store", "Thumbs.db", "a file"):
        (tmp_path / "blobs" / name).touch()
    folder.put("a", b"x")
    assert listed(folder) == {"a"}


def test_a_listing_is_longer_than_a_page(folder: ObjectStorage) -> None:
    """A listing goes on beyond its first thousand."""
    path = folder.local_path("many/x")
    assert path is not None
    path.parent.mkdir()
    for number in range(1203):
        path.with_name(f"{number}").touch()
    assert len(list(folder.list("many"))) == 1203


@pytest.mark.wire
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_full_durability_syncs_file_then_folder(tmp_path: Path) -> None:
    """The kernel is told to keep the bytes before they get their name, and the name before the writer returns."""
    script = """
import sys
from hullwise.blobs import keys
from hullwise.blobs.backend import open_storage
storage = open_storage(sys.argv[1], durability=sys.argv[2])
with storage.writer("segments/ab/one") as writer:
    writer.write(b"data")
"""
    calls: dict[str, list[str]] = {}
    for durability in ("full", "fast"):
        log = tmp_path / f"{durability}.log"
        command = [
            "strace",
            "-f",
            "-y",
            "-e",
            "trace=fsync,fdatasync,/^rename",
            "-o",
            str(log),
            sys.executable,
            "-c",
            script,
        ]
        subprocess.run([*command, str(tmp_path / durability), durability], check=True)
        calls[durability] = [line for line in log.read_text().splitlines() if str(tmp_path) in line]
    root = tmp_path / "full"
    renamed = next(number for number, line in enumerate(calls["full"]) if "rename" in line)
    before, after = calls["full"][:renamed], calls["full"][renamed + 1 :]
    assert any("sync(" in line and f"<{root}/.unfinished/" in line for line in before)
    for folder in (tmp_path, root, root / "segments"):
        assert any("sync(" in line and f"<{folder}>" in line for line in before)
    assert ["sync(" in line and f"<{root / 'segments' / 'ab'}>" in line for line in after] == [True]
    assert [line for line in calls["fast"] if "sync(" in line] == []


def test_the_last_of_the_disk_is_left(tmp_path: Path) -> None:
    """To the database, which could take nothing away otherwise. What is there can be read and deleted."""
    key = keys.segment("0" * 32, 0)
    FolderStorage(tmp_path, durability="full").put(key, b"data")
    full = FolderStorage(tmp_path, durability="full", reserve=1 << 60)
    with pytest.raises(StorageUnavailable, match="MiB are left on the disk"):
        full.put(keys.segment("1" * 32, 0), b"more")
    assert [stored.key for stored in full.list()] == [key]
    assert full.read(key, limit=100) == b"data"
    full.delete(key)
    assert list((tmp_path / ".unfinished").iterdir()) == []
