"""A local folder as blob storage."""

# Plain system calls rather than obstore's LocalStore, as version 0.12.1 neither syncs a file nor its folder (seen with
# strace; a sync after its rename would come too late, as a power cut between them leaves a torn file under its final
# name), and streams a cached file at 0.35 GB/s where `read` gives 12.

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from hullwise import durable
from hullwise.blobs import keys
from hullwise.blobs.capabilities import KNOWN
from hullwise.blobs.errors import ObjectExists, ObjectMissing, ObjectTooLarge, StorageUnavailable, StorageUnsynced
from hullwise.blobs.storage import ObjectStorage, SegmentWriter, StoredObject, check_range

# No key begins with a dot.
_UNFINISHED = ".unfinished"
_ABANDONED_SECONDS = 24 * 3600

_AT_ONCE = 1_000
"""Pieces that the system takes by one call: 1,024 at most (IOV_MAX of Linux)."""

RESERVE_BYTES = 64 << 20
"""Of the disk, which no object takes: a database on it needs some to take anything away."""


class FolderStorage(ObjectStorage):
    """Every object is a plain file named by its key.

    It is written under `.unfinished` and moved to its key when whole. What a killed process left there is removed
    when a storage is opened and nobody has written to it for a day."""

    capabilities = KNOWN["folder"]

    def __init__(
        self,
        root: Path,
        *,
        durability: Literal["full", "fast"],
        read_only: bool = False,
        reserve: int = RESERVE_BYTES,
    ) -> None:
        """Makes the folder where it is absent. Raises `StorageUnavailable` where it can not be written to.

        With `read_only` nothing is made, and only what reads may be called. No object is written that would leave less
        than `reserve` bytes of the disk free."""
        self._root = root.absolute()
        self.reserve = reserve
        self._durable = self.waits = durability == "full"
        self._settled: set[Path] = set()
        if read_only:
            return
        with _translated(str(root)):
            existing = next(path for path in self._root.parents if path.exists())
            self._settle(self._root / _UNFINISHED, up_to=existing)
            self._sweep()

    def writer(self, key: str, *, lasting: bool = True) -> SegmentWriter:
        return self._writer(key, replace=True, lasting=lasting)

    def sync(self, keys: Iterable[str]) -> None:
        if not self._durable:
            return
        paths = [self.local_path(key) for key in keys]
        for path in paths:
            with _translated(path.name, absent=ObjectMissing):
                self._settle(path.parent, up_to=self._root)
                durable.sync(path)
        for folder in {path.parent for path in paths}:
            with _translated(folder.name):
                durable.sync(folder)

    def put(self, key: str, data: bytes) -> None:
        with self._writer(key, replace=True) as writer:
            writer.write(data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        try:
            with self._writer(key, replace=False) as writer:
                writer.write(data)
        except ObjectExists:
            return False
        return True

    def read(self, key: str, *, limit: int) -> bytes:
        with _translated(key, absent=ObjectMissing), self.local_path(key).open("rb", buffering=0) as file:
            if (size := os.fstat(file.fileno()).st_size) > limit:
                raise ObjectTooLarge(key, size, limit)
            return file.readall()

    def stream(self, key: str, start: int = 0, end: int | None = None, chunk: int = 262144) -> Iterator[bytes]:
        check_range(start, end)
        pieces = self._pieces(key, start, end, chunk)
        next(pieces)  # opens the file
        return pieces

    def size(self, key: str) -> int:
        path = self.local_path(key)
        with _translated(key, absent=ObjectMissing):
            found = path.stat()
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(path)
            return found.st_size

    def delete(self, key: str) -> None:
        with suppress(ObjectMissing), _translated(key, absent=ObjectMissing):
            self.local_path(key).unlink()

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        return self._below(self.local_path(prefix) if prefix else self._root, f"{prefix}/" if prefix else "")

    def local_path(self, key: str) -> Path:
        return self._root / keys.checked(key)

    def presigned_url(self, key: str, *, valid_for: timedelta) -> str | None:
        keys.checked(key)
        return None

    def _writer(self, key: str, *, replace: bool, lasting: bool = True) -> FileWriter:
        unfinished = self._root / _UNFINISHED / secrets.token_hex(16)
        return FileWriter(self, unfinished, keys.checked(key), durable=self._durable and lasting, replace=replace)

    def place(self, unfinished: Path, key: str, *, replace: bool, lasting: bool) -> None:
        """Move a whole file to its key; where `replace` is false and the key is taken, raises `ObjectExists`."""
        target = self.local_path(key)
        if lasting or not self._durable:
            self._settle(target.parent, up_to=self._root)
        elif target.parent not in self._settled:
            target.parent.mkdir(parents=True, exist_ok=True)
        if replace:
            unfinished.replace(target)
        else:
            try:
                target.hardlink_to(unfinished)
            except FileExistsError as error:
                raise ObjectExists(key) from error
            unfinished.unlink()
        if lasting:
            durable.sync(target.parent)

    def _settle(self, folder: Path, *, up_to: Path) -> None:
        """`folder` exists, and so it does after a crash. Another process may have made it and not synced it yet."""
        if folder in self._settled:
            return
        if folder != up_to:
            self._settle(folder.parent, up_to=up_to)
            folder.mkdir(exist_ok=True)
            if self._durable:
                durable.sync(folder.parent)
        self._settled.add(folder)

    def _sweep(self) -> None:
        oldest = time.time() - _ABANDONED_SECONDS
        for path in (self._root / _UNFINISHED).iterdir():
            with suppress(FileNotFoundError):  # another process sweeps or finishes it at the same time
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _pieces(self, key: str, start: int, end: int | None, chunk: int) -> Iterator[bytes]:
        """An empty piece once the file is open, and then those asked for."""
        path = self.local_path(key)
        with _translated(key, absent=ObjectMissing):
            file = path.open("rb", buffering=0)
        with file:
            yield b""
            file.seek(start)
            rest = chunk if end is None else end - start
            while rest:
                with _translated(key):
                    piece = file.read(min(chunk, rest))
                if not piece:
                    return
                yield piece
                if end is not None:
                    rest -= len(piece)

    def _below(self, folder: Path, prefix: str) -> Iterator[StoredObject]:
        """Objects in `folder`, whose keys begin with `prefix`. Foreign names, `lost+found` say, are not looked into."""
        with _translated(prefix or "listing"):
            try:
                entries = [entry for entry in os.scandir(folder) if keys.is_valid(f"{prefix}{entry.name}")]
            except (FileNotFoundError, NotADirectoryError):
                return
        for entry in entries:
            key = f"{prefix}{entry.name}"
            with _translated(key):
                try:
                    found = entry.stat()
                except FileNotFoundError:  # deleted since
                    continue
            if stat.S_ISDIR(found.st_mode):
                yield from self._below(Path(entry.path), f"{key}/")
            else:
                yield StoredObject(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


class FileWriter(SegmentWriter):
    """Writes one file; where `replace` is false, `finish` raises `ObjectExists` if the key is taken."""

    def __init__(self, storage: FolderStorage, path: Path, key: str, *, durable: bool, replace: bool) -> None:
        self._storage = storage
        self._path = path
        self._key = key
        self._place = str(storage.local_path(key))
        self._durable = durable
        self._replace = replace
        with _translated(self._place):
            self._file = path.open("xb", buffering=0)

    def write(self, *pieces: bytes | bytearray) -> None:
        if len(pieces) > _AT_ONCE:
            pieces = (b"".join(pieces),)
        size = sum(map(len, pieces))
        with _translated(self._place):
            file = self._file.fileno()
            disk = os.fstatvfs(file)
            if disk.f_bavail * disk.f_frsize < size + self._storage.reserve:
                raise OSError(errno.ENOSPC, f"less than {self._storage.reserve >> 20} MiB are left on the disk")
            written = os.writev(file, pieces)
            if written < size:
                rest = memoryview(b"".join(pieces))[written:]
                while rest:
                    rest = rest[os.write(file, rest) :]

    def finish(self) -> None:
        try:
            with _translated(self._place):
                if self._durable:
                    durable.data_sync(self._file.fileno())
                self._file.close()
                self._storage.place(self._path, self._key, replace=self._replace, lasting=self._durable)
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


@contextmanager
def _translated(what: str, *, absent: type[ObjectMissing] | None = None) -> Iterator[None]:
    """The operating system's errors become ours. In writing, a missing folder is no missing object but a failure."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError) as error:
        raise (absent(what) if absent else _failed(what, error)) from error
    except OSError as error:
        raise _failed(what, error) from error


def _failed(what: str, error: OSError) -> StorageUnavailable:
    kind = StorageUnsynced if isinstance(error, durable.Unsynced) else StorageUnavailable
    return kind(f"{what}: {error.strerror or error}")
