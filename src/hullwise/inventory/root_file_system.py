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


_LARGEST_PROGRAM = max(ecosystem.file_limit for ecosystem in ECOSYSTEMS if ecosystem.executables)
_OF_THE_KERNEL = frozenset({"proc", "sys", "dev"})
"""Where a live system shows what is no file, `/proc/kcore` with 128 TB among it."""
_NO_PERMISSION = "no permission"


class RootFileSystem:
    """As a tar of its links, of those files that some reader claims, and of programs. Nothing else matters."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._claims = Claims(ECOSYSTEMS)
        self.unreadable: list[tuple[str, str]] = []
        """Path and reason of what was not read; known once the stream has ended."""

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
                if claimed or self._may_be_program(path):
                    self.unreadable.append((path, _NO_PERMISSION))
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _names(self) -> Iterator[tuple[str, str]]:
        """(folder, name) of all but folders, in a fixed order. Links are never followed, so none leads out."""
        for place, names, files in os.walk(self._root, onerror=self._note):
            if Path(place) == self._root:
                names[:] = [name for name in names if not (name in _OF_THE_KERNEL and (self._root / name).is_mount())]
            names.sort()
            folder = Path(place).relative_to(self._root).as_posix().removeprefix(".")
            # Path.is_symlink raises where a folder may be listed but not entered; this does not.
            links = [name for name in names if os.path.islink(os.path.join(place, name))]  # noqa: PTH114, PTH118
            yield from ((folder, name) for name in sorted([*files, *links]))

    def _note(self, error: OSError) -> None:
        if isinstance(error, PermissionError):
            self.unreadable.append((Path(error.filename).relative_to(self._root).as_posix(), _NO_PERMISSION))

    def _may_be_program(self, path: str) -> bool:
        """Whether it is a file that may be run, as far as one can tell who may not read it."""
        try:
            found = (self._root / path).lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return True  # In a folder that may be listed, and not entered.
        return stat.S_ISREG(found.st_mode) and found.st_mode & 0o111 != 0 and found.st_size >= SMALLEST_PROGRAM

    def _member(self, path: str, claimed: bool) -> Iterator[bytes]:
        """Header and content of a link, a claimed file or a program; nothing for all else. Raises FileNotFoundError and
        PermissionError, and OSError for a claimed file, before it yields."""
        entry = self._root / path
        header, found = tarfile.TarInfo(path), entry.lstat()
        if stat.S_ISLNK(found.st_mode):
            header.type, header.linkname = tarfile.SYMTYPE, str(entry.readlink())
            yield _encoded(header)
        elif stat.S_ISREG(found.st_mode) and (claimed or self._is_program(path, found.st_size)):
            with entry.open("rb") as file:
                header.size = left = os.fstat(file.fileno()).st_size
                yield _encoded(header)
                while left:
                    # One that shrinks meanwhile ends in zeros: its size is said already.
                    piece = file.read(min(_CHUNK, left)) or bytes(min(_CHUNK, left))
                    left -= len(piece)
                    yield piece
                yield bytes(-header.size % tarfile.BLOCKSIZE)

    def _is_program(self, path: str, size: int) -> bool:
        """Whether the file begins as a program does, and is one that a reader takes. Raises PermissionError, and
        FileNotFoundError; what else cannot be read is none."""
        if size < SMALLEST_PROGRAM:
            return False
        try:
            with (self._root / path).open("rb", buffering=0) as file:
                found = file.read(4).startswith(PROGRAM)
        except (PermissionError, FileNotFoundError):
            raise
        except OSError:
            return False
        if found and size > _LARGEST_PROGRAM:
            self.unreadable.append((path, f"larger than {_LARGEST_PROGRAM:,} bytes"))
            return False
        return found


def _encoded(header: tarfile.TarInfo) -> bytes:
    return header.tobuf(tarfile.PAX_FORMAT, sys.getfilesystemencoding(), "surrogateescape")
