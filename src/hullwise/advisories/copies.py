"""A machine's copies of generation files that lie in a bucket.

    <digest>.sqlite                     whole when it came: the digest is that of its bytes
    <digest>.sqlite.<random>.partial    on its way, and locked by who fetches it; left by who was killed

Every process of the machine uses the same folder. Who has a copy open reads on when it goes, and who finds it gone
fetches it again: one may go at any time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from hullwise import durable
from hullwise.advisories.generation import Generation, UnusableGeneration
from hullwise.advisories.notes import HEAD_NOTE
from hullwise.blobs.errors import StorageUnavailable
from hullwise.blobs.storage import ObjectStorage

_COPY = re.compile(r"[0-9a-f]{64}\.sqlite")
_PARTIAL = re.compile(rf"{_COPY.pattern}\.[0-9a-f]+\.partial")


class CopyDamaged(StorageUnavailable):
    """A copy was found damaged while it was read. It is gone: the next call has another."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: the copy on this machine was damaged")


@dataclass(frozen=True, slots=True)
class Copies:
    """What is in the folder. Used by many threads and processes at once."""

    folder: Path
    blobs: ObjectStorage
    named: Callable[[], Collection[str]]
    """Object keys of the generations whose files are kept."""

    def path(self, key: str) -> Path:
        """The copy of this object, fetched where it is not here yet.

        Raises ObjectMissing, UnusableGeneration where the object is not what its key says, and StorageUnavailable where
        it does not come to its end; nothing of it is here then.
        """
        path = self._place(key)
        if not path.exists():
            self.sweep()
            self._fetch(key, path)
        return path

    def open(self, key: str) -> Generation:
        """The generation in the copy. One that cannot be opened and is damaged is fetched once more. Raises as `path`;
        and the context manager, where the copy turns out damaged later, CopyDamaged."""
        path = self.path(key)
        try:
            return _Copy(path, self)
        except UnusableGeneration:
            if not self.drop_damaged(path):
                raise
        return _Copy(self.path(key), self)

    def drop(self, key: str) -> None:
        """There is no copy of it."""
        self._place(key).unlink(missing_ok=True)

    def drop_damaged(self, path: Path) -> bool:
        """Whether the copy is not what its name says, or gone; it is gone then."""
        try:
            with path.open("rb") as file:
                if _sha256(file) == path.stem:
                    return False
                # Only this one: another process may have put a whole one in its place.
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    path.unlink()
        except FileNotFoundError:
            pass
        return True

    def sweep(self) -> None:
        """Remove what killed processes left unfinished, and copies of generations that are kept no more but for the one
        that the note of the head names."""
        # Looked at before anybody says what is kept: what comes after that may be of a generation that is newer.
        try:
            found = list(self.folder.iterdir())
        except OSError:
            return
        for path in found:
            if _PARTIAL.fullmatch(path.name):
                _remove_abandoned(path)
        copies = [path for path in found if _COPY.fullmatch(path.name)]
        if not copies:
            return
        kept = {Path(key).name for key in self.named()} | {self._noted()}
        for path in copies:
            if path.name not in kept:
                with suppress(OSError):
                    path.unlink()

    def _noted(self) -> str:
        try:
            return Path(json.loads((self.folder / HEAD_NOTE).read_bytes())["path"]).name
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _place(self, key: str) -> Path:
        return self.folder / Path(key).name

    def _fetch(self, key: str, path: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with _partial(path) as (file, partial):
            digest = hashlib.sha256()
            for piece in self.blobs.stream(key):
                digest.update(piece)
                file.write(piece)
            if digest.hexdigest() != path.stem:
                raise UnusableGeneration(f"{path.name}: what is stored under this name has other bytes")
            file.flush()
            durable.put(partial, path)


class _Copy(Generation):
    def __init__(self, path: Path, copies: Copies) -> None:
        super().__init__(path)
        self._copies = copies

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        _, error, _ = raised
        if isinstance(error, UnusableGeneration) and self._copies.drop_damaged(self.path):
            raise CopyDamaged(self.path.name) from error


@contextmanager
def _partial(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file beside the path, locked, and gone after the block unless it was given another name."""
    while True:
        partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}.partial")
        with partial.open("xb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Who sweeps may have come first: such a file has no name any more.
            if os.fstat(file.fileno()).st_nlink:
                try:
                    yield file, partial
                finally:
                    partial.unlink(missing_ok=True)
                return


def _remove_abandoned(partial: Path) -> None:
    with suppress(OSError), partial.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        partial.unlink()


def _sha256(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()
