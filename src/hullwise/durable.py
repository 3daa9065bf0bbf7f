"""Files that are there after a power cut: both the bytes and the name are synced."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What is left out, when a file was changed last, is not worth writing the file system's journal for.
data_sync = getattr(os, "fdatasync", os.fsync)


class Unsynced(OSError):
    """A sync itself failed: the kernel may have given up what it could not write, and take it for written the next
    time."""


@contextmanager
def named(path: Path) -> Iterator[None]:
    """An OSError of the block that names no file, as those of writing and syncing on a full disk, names this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def sync(path: Path) -> None:
    """The bytes of a file, or the names in a folder, are on the disk. Raises Unsynced, and another OSError where it
    could not even be opened: then nothing is lost."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        data_sync(descriptor)
    except OSError as error:
        raise Unsynced(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


def make(folder: Path, mode: int = 0o777) -> None:
    """The folder is there, in folders that are durable too; `mode` is that of a new one. Raises OSError."""
    if folder.is_dir():
        return
    make(folder.parent)
    try:
        folder.mkdir(mode, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error
    sync(folder.parent)


def put(partial: Path, path: Path) -> None:
    """The file has its final name, and is durable under it. Raises OSError."""
    sync(partial)
    partial.replace(path)
    sync(path.parent)
