"""Where the bytes of an answer go.

A file grows under a name of its own and takes its final one when whole:

    <name>                what the caller asked for: always a whole document
    <name>.partial        the first bytes of a document, locked by whoever writes it
    <name>.partial.json   whose, which state of it, how many of the bytes count, and their SHA-256

The note beside it is rewritten every few megabytes. Bytes past those that it counts are dropped on resuming, and those
that it counts are hashed again: a lost power, a torn note or somebody else's bytes cost a new download, no more.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from abc import ABC, abstractmethod
from contextlib import suppress
from io import FileIO
from pathlib import Path

import msgspec

from hullwise import durable
from hullwise.remotes.errors import BeingFetched
from hullwise.remotes.validators import Validators

_NOTED_EVERY = 8 << 20
_PIECE = 1 << 20
_LONGEST_NOTE = 16_384


class Sink(ABC):
    """Takes one document, in order."""

    size = 0
    """Bytes taken."""

    validators = Validators()
    """Of the document that the bytes belong to."""

    strong = ""
    """What If-Range may hold to continue; empty: it can not be continued."""

    @property
    def offset(self) -> int:
        """Where a request may continue; 0 where it has to begin anew."""
        return self.size if self.strong else 0

    def restart(self, validators: Validators, strong: str) -> None:
        """Nothing is held, and what comes now is the document with these validators from its first byte."""
        self.discard()
        self.validators, self.strong = validators, strong

    @abstractmethod
    def discard(self) -> None:
        """Nothing is held."""

    @abstractmethod
    def write(self, data: bytes) -> None: ...

    @abstractmethod
    def sha256(self) -> str:
        """Of the bytes taken, in lower-case hex."""


class Memory(Sink):
    """Keeps the bytes in `data`, and so can be continued while it lives."""

    def __init__(self) -> None:
        self.data = bytearray()

    def discard(self) -> None:
        self.data.clear()
        self.size = 0
        self.validators, self.strong = Validators(), ""

    def write(self, data: bytes) -> None:
        self.data += data
        self.size += len(data)

    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


class _Note(msgspec.Struct, frozen=True):
    source: str
    strong: str
    validators: Validators
    held: int
    sha256: str


class PartialFile(Sink):
    """A context manager; leaving it before `finish` keeps what can be continued and removes what can not."""

    def __init__(self, path: Path, source: str) -> None:
        """Continues what an earlier one left for the same `source`, of which only a hash is stored.

        Raises `BeingFetched` where another one, of this process or any other, is at it, and OSError where the folder
        is missing or can not be written to.
        """
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._note = path.with_name(f"{path.name}.partial.json")
        self._source = hashlib.sha256(source.encode()).hexdigest()
        self._hash = hashlib.sha256()
        self._noted = 0
        self._finished = False
        self._file = _locked(self._partial, path)
        try:
            self._restore()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> PartialFile:
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            if self._finished:
                return
            if self.offset:
                # Without the note the next one begins anew; what went wrong before is the error to tell.
                with suppress(OSError):
                    self._write_note()
            else:
                self._note.unlink(missing_ok=True)
                self._partial.unlink(missing_ok=True)

    def discard(self) -> None:
        # The note first: it must never speak of bytes that are another document's.
        self._note.unlink(missing_ok=True)
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self.size = self._noted = 0
        self.validators, self.strong = Validators(), ""

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            self._hash.update(rest[:written])
            self.size += written
            rest = rest[written:]
        if self.strong and self.size - self._noted >= _NOTED_EVERY:
            self._write_note()

    def sha256(self) -> str:
        return self._hash.hexdigest()

    def finish(self) -> None:
        """The file has its final name, also after a power cut, and nothing else is left."""
        os.fsync(self._file.fileno())
        self._note.unlink(missing_ok=True)
        self._partial.replace(self._path)
        self._finished = True
        durable.sync(self._path.parent)

    def _write_note(self) -> None:
        note = _Note(self._source, self.strong, self.validators, self.size, self.sha256())
        self._note.write_bytes(msgspec.json.encode(note))
        self._noted = self.size

    def _restore(self) -> None:
        note = self._read_note()
        if note and note.source == self._source and note.strong and self._holds(note):
            self.validators, self.strong = note.validators, note.strong
            self.size = self._noted = note.held
            self._file.seek(note.held)
            self._file.truncate()
        else:
            self.discard()

    def _read_note(self) -> _Note | None:
        try:
            with self._note.open("rb") as file:
                return msgspec.json.decode(file.read(_LONGEST_NOTE), type=_Note)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _holds(self, note: _Note) -> bool:
        """Whether the file begins with the bytes that the note counts; they are then in the running hash."""
        self._file.seek(0)
        rest = note.held
        while rest > 0 and (piece := self._file.read(min(rest, _PIECE))):
            self._hash.update(piece)
            rest -= len(piece)
        return rest == 0 and self.sha256() == note.sha256


def _locked(partial: Path, path: Path) -> FileIO:
    """The file, opened and locked until it is closed."""
    while True:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT, 0o666)
        file = FileIO(descriptor, "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have moved it to its final name since it was opened: that one is not to be touched.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), partial.stat()):
                    return file
        except BlockingIOError as error:
            file.close()
            raise BeingFetched(path) from error
        except BaseException:
            file.close()
            raise
        file.close()
