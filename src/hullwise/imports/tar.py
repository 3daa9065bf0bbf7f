"""A tar that somebody else wrote, as a folder of the plain files in it: found once, read where they lie.

Only headers are read to find them, what lies between is skipped. Names that lead out of a folder, and sizes that the
file does not have, are refused for the whole; links and devices hold no bytes and count as absent.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hullwise.imports.errors import PartMissing, UnusableSource

_CHUNK = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
_MOST_MEMBERS = 1_000_000
_LONGEST_EXTENSION = 1 << 16
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")
"""How gzip, zstd, bzip2 and xz begin."""
_PLAIN = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE})
_LINKS = frozenset({tarfile.LNKTYPE, tarfile.SYMTYPE})
_WITHOUT_DATA = _LINKS | {tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE}


class Tar:
    """The plain files of an uncompressed tar. Raises UnusableSource where it is none, or not to be trusted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}
        try:
            with path.open("rb") as file:
                self._find(file)
        except OSError as error:
            raise UnusableSource(f"{path}: {error.strerror}") from error

    def is_file(self, path: str) -> bool:
        return path in self._places

    def read(self, path: str, limit: int) -> bytes:
        """The file's first bytes, at most `limit` of them. Raises PartMissing."""
        return b"".join(self.stream(path, limit))

    def stream(self, path: str, limit: int) -> Iterator[bytes]:
        """The file's first bytes, at most `limit` of them, in pieces. Raises PartMissing."""
        if path not in self._places:
            raise PartMissing(path)
        offset, size = self._places[path]
        left = min(size, limit)
        with self._path.open("rb") as file:
            file.seek(offset)
            while left and (piece := file.read(min(_CHUNK, left))):
                left -= len(piece)
                yield piece

    def _refused(self, why: str) -> UnusableSource:
        return UnusableSource(f"{self._path}: {why}")

    def _find(self, file: BinaryIO) -> None:
        whole = file.seek(0, io.SEEK_END)
        at, name, size, members = 0, "", None, 0
        while at + _BLOCK <= whole or at == 0:
            file.seek(at)
            header = file.read(_BLOCK)
            if header and not header.strip(b"\0"):
                break
            member = self._member(header, first=at == 0)
            members += 1
            if members > _MOST_MEMBERS:
                raise self._refused(f"it has more than {_MOST_MEMBERS:,} members")
            length = member.size if size is None else size
            length = 0 if member.type in _WITHOUT_DATA else length
            start = at + _BLOCK
            if length < 0 or start + length > whole:
                raise self._refused(f"it ends before the {length:,} bytes that a member is said to have")
            at = start + -(-length // _BLOCK) * _BLOCK
            if member.type == tarfile.XGLTYPE:
                continue
            if member.type in {tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}:
                if length > _LONGEST_EXTENSION:
                    raise self._refused(f"it has a name of more than {_LONGEST_EXTENSION:,} bytes")
                name, size = self._extended(member.type, file.read(length), name, size)
                continue
            self._add(name or member.name, member.type, start, length)
            name, size = "", None

    def _member(self, header: bytes, *, first: bool) -> tarfile.TarInfo:
        try:
            return tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            if not first:
                raise self._refused("it is damaged: a header is none") from error
            compressed = header.startswith(_COMPRESSED)
            raise self._refused("it is compressed; unpack it first" if compressed else "it is no tar") from error

    def _extended(self, kind: bytes, data: bytes, name: str, size: int | None) -> tuple[str, int | None]:
        """Name and size of the next member, as headers of extension say."""
        if kind == tarfile.GNUTYPE_LONGNAME:
            return data.partition(b"\0")[0].decode("utf-8", "surrogateescape"), size
        if kind == tarfile.GNUTYPE_LONGLINK:
            return name, size
        at = 0
        while at < len(data):
            # `LENGTH KEY=VALUE\n` (POSIX pax, "pax Extended Header").
            digits, _, _ = data[at : at + 20].partition(b" ")
            end = at + int(digits) if digits.isdigit() else 0
            key, equals, value = data[at + len(digits) + 1 : end].partition(b"=")
            if not equals or end > len(data) or not value.endswith(b"\n"):
                raise self._refused("it is damaged: a PAX header has a record that is none")
            if key == b"path":
                name = value[:-1].decode("utf-8", "surrogateescape")
            elif key == b"size":
                if not value[:-1].isdigit() or len(value) > 20:
                    raise self._refused("it is damaged: a PAX header has a size that is no number")
                size = int(value)
            at = end
        return name, size

    def _add(self, name: str, kind: bytes, start: int, length: int) -> None:
        parts = name.split("/")
        if name.startswith("/") or ".." in parts:
            raise self._refused(f"its member {name[:200]!r} leads out of a folder")
        plain = "/".join(part for part in parts if part not in {"", "."})
        if kind in _PLAIN and plain:
            if plain in self._places:
                raise self._refused(f"it has {plain[:200]!r} twice")
            self._places[plain] = start, length
