"""A folder as a layer."""

from __future__ import annotations

import os
import stat
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from hullwise.ecosystems import ECOSYSTEMS
from hullwise.inventory.claims import PROGRAM, SMALLEST_PROGRAM, Claims

_CHUNK = 1 << 20


class RootFileSystem:
    """As a tar of its links, of those files that some reader claims, and of programs. Nothing else matters."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._claims = Claims(ECOSYSTEMS)
        self.unreadable: list[str] = []
        """Paths that this user may not read; known once the stream has ended."""

    def stream(self) -> Iterator[bytes]:
        self.unreadable.clear()
        for folder, name in self._names():
            path = f"{folder}/{name}" if folder else name
            claimed = bool(self._claims.of(path, folder, name))
            try:
                yield from self._member(path, claimed)
            except FileNotFoundError:
                continue  # A live system: it was there a moment ago.
            except PermissionError:
                if claimed or self._is_executable(path):
                    self.unreadable.append(path)
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _names(self) -> Iterator[tuple[str, str]]:
        """(folder, name) of all but folders, in a fixed order. Links are never followed, so none leads out."""
        for place, names, files in os.walk(self._root, onerror=self._note):
            names.sort()
            folder = Path(place).relative_to(self._root).as_posix().removeprefix(".")
            # Path.is_symlink raises where a folder may be listed but not entered; this does not.
            links = [name for name in names if os.path.islink(os.path.join(place, name))]  # noqa: PTH114, PTH118
            yield from ((folder, name) for name in sorted([*files, *links]))

    def _note(self, error: OSError) -> None:
        if isinstance(error, PermissionError):
            self.unreadable.append(Path(error.filename).relative_to(self._root).as_posix())

    def _is_executable(self, path: str) -> bool:
        """Whether it is a file that may be run. What is in it nobody can tell who may not read it."""
        found = (self._root / path).lstat()
        return stat.S_ISREG(found.st_mode) and found.st_mode & 0o111 != 0 and found.st_size >= SMALLEST_PROGRAM

    def _member(self, path: str, claimed: bool) -> Iterator[bytes]:
        """Header and content of a link, a claimed file or a program; nothing for all else. Raises OSError before it
        yields."""
        entry = self._root / path
        header, found = tarfile.TarInfo(path), entry.lstat()
        mode = found.st_mode
        if stat.S_ISLNK(mode):
            header.type, header.linkname = tarfile.SYMTYPE, str(entry.readlink())
            yield _encoded(header)
        elif stat.S_ISREG(mode) and (claimed or found.st_size >= SMALLEST_PROGRAM):
            with entry.open("rb", buffering=0) as file:
                if not claimed:
                    if not file.read(4).startswith(PROGRAM):
                        return
                    file.seek(0)
                header.size = left = os.fstat(file.fileno()).st_size
                yield _encoded(header)
                while left:
                    # One that shrinks meanwhile ends in zeros: its size is said already.
                    piece = file.read(min(_CHUNK, left)) or bytes(min(_CHUNK, left))
                    left -= len(piece)
                    yield piece
                yield bytes(-header.size % tarfile.BLOCKSIZE)


def _encoded(header: tarfile.TarInfo) -> bytes:
    return header.tobuf(tarfile.PAX_FORMAT, sys.getfilesystemencoding(), "surrogateescape")
