"""A folder that somebody else wrote: what lies in it, and nothing that a link in it leads to.

Each part of a path is opened in the folder before it, without following a link, so that nothing can be exchanged
between a look and the opening.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hullwise.imports.errors import PartMissing, PartRefused, SourceError

_CHUNK = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe would otherwise wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Folder:
    """Paths are relative, their parts between slashes. Raises PartMissing, and PartRefused for what is a link, is no
    plain file or folder, or may not be read."""

    def __init__(self, root: Path) -> None:
        """`root` itself is the caller's word: it may be a link."""
        self._root = root

    def folders(self, path: str = "") -> list[str]:
        """Names of the folders in it, sorted. Links are left out."""
        with self._opened(path, _FOLDER) as descriptor, os.scandir(descriptor) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    def is_file(self, path: str) -> bool:
        try:
            with self._file(path):
                return True
        except SourceError:
            return False

    def is_folder(self, path: str) -> bool:
        try:
            with self._opened(path, _FOLDER):
                return True
        except SourceError:
            return False

    def read(self, path: str, limit: int) -> bytes:
        """The file's first bytes, at most `limit` of them."""
        with self._file(path) as file:
            return file.read(limit)

    def stream(self, path: str, limit: int) -> Iterator[bytes]:
        """The file's first bytes, at most `limit` of them, in pieces."""
        with self._file(path) as file:
            while limit and (piece := file.read(min(_CHUNK, limit))):
                limit -= len(piece)
                yield piece

    @contextmanager
    def _file(self, path: str) -> Iterator[BinaryIO]:
        with self._opened(path, _FILE) as descriptor:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PartRefused(f"{path} is no plain file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                yield file

    @contextmanager
    def _opened(self, path: str, flags: int) -> Iterator[int]:
        parts = path.split("/") if path else []
        if any(part in {"", ".", ".."} or "\0" in part for part in parts):
            raise PartRefused(f"{path!r} leads out of the folder")
        steps = [(str(self._root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC if parts else flags & ~os.O_NOFOLLOW)]
        steps += [(part, _FOLDER) for part in parts[:-1]] + [(part, flags) for part in parts[-1:]]
        descriptor: int | None = None
        try:
            for name, how in steps:
                try:
                    found = os.open(name, how, dir_fd=descriptor)
                except OSError as error:
                    raise _explained(path or str(self._root), name, descriptor, error) from error
                if descriptor is not None:
                    os.close(descriptor)
                descriptor = found
            assert descriptor is not None
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)


def _explained(path: str, name: str, inside: int | None, error: OSError) -> SourceError:
    if error.errno == errno.ENOENT:
        return PartMissing(path)
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        try:
            if stat.S_ISLNK(os.stat(name, dir_fd=inside, follow_symlinks=False).st_mode):
                return PartRefused(f"{path}: links are not followed, and {name} is one")
        except OSError:
            pass
        return PartMissing(path)
    return PartRefused(f"{path}: {error.strerror}")
