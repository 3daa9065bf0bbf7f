"""Durable writes into a local folder."""

# obstore's LocalStore reads, lists and deletes here, but does not write: strace shows no fsync from 0.12.1, neither of
# the file nor of its folder. A sync after its rename would come too late, as a power cut between the two leaves a
# torn file under its final name.

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from hullwise.blobs.errors import ObjectExists
from hullwise.blobs.translation import translated
from hullwise.blobs.writers import SegmentWriter

# No key begins with a dot.
_UNFINISHED = ".unfinished"
_ABANDONED_SECONDS = 24 * 3600


class Folder:
    """A folder whose objects are plain files named by their keys.

    Everything is written under `.unfinished` and moved to its key when whole. What a killed process left there is
    removed when a `Folder` is made and has not been written to for a day."""

    def __init__(self, root: Path, *, durability: Literal["full", "fast"]) -> None:
        self.root = root.absolute()
        self.durable = durability == "full"
        self._settled: set[Path] = set()
        with translated(str(root)):
            self._settle(self.root / _UNFINISHED, up_to=self._existing())
            self._sweep()

    def path(self, key: str) -> Path:
        """Where the object is, if it is there."""
        return self.root / key

    def unfinished(self) -> Path:
        """A path that no other writer uses."""
        return self.root / _UNFINISHED / secrets.token_hex(16)

    def place(self, unfinished: Path, key: str, *, replace: bool) -> None:
        """Move a whole file to its key; where `replace` is false and the key is taken, raises `ObjectExists`."""
        target = self.path(key)
        self._settle(target.parent, up_to=self.root)
        if replace:
            unfinished.replace(target)
        else:
            try:
                target.hardlink_to(unfinished)
            except FileExistsError as error:
                raise ObjectExists(key) from error
            unfinished.unlink()
        if self.durable:
            _sync(target.parent)

    def _settle(self, folder: Path, *, up_to: Path) -> None:
        """`folder` exists, and so it does after a crash. Another process may have made it and not synced it yet."""
        if folder in self._settled:
            return
        folder.mkdir(parents=True, exist_ok=True)
        if self.durable:
            for parent in folder.parents:
                _sync(parent)
                if parent == up_to:
                    break
        self._settled.add(folder)

    def _existing(self) -> Path:
        return next(path for path in self.root.parents if path.exists())

    def _sweep(self) -> None:
        oldest = time.time() - _ABANDONED_SECONDS
        for path in (self.root / _UNFINISHED).iterdir():
            with suppress(FileNotFoundError):  # another process sweeps or finishes it at the same time
                if path.stat().st_mtime < oldest:
                    path.unlink()


class FileWriter(SegmentWriter):
    """Writes one file; where `replace` is false, `finish` raises `ObjectExists` if the key is taken."""

    def __init__(self, folder: Folder, key: str, *, replace: bool) -> None:
        self._folder = folder
        self._key = key
        self._replace = replace
        self._path = folder.unfinished()
        with translated(key):
            self._file = self._path.open("xb", buffering=0)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        rest = memoryview(data)
        with translated(self._key):
            while rest:
                rest = rest[self._file.write(rest) :]

    def finish(self) -> None:
        try:
            with translated(self._key):
                if self._folder.durable:
                    os.fsync(self._file.fileno())
                self._file.close()
                self._folder.place(self._path, self._key, replace=self._replace)
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
