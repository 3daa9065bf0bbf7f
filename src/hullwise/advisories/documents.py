"""Advisory documents on disk: zips, folders and single files of every form that a feed has."""

from __future__ import annotations

import contextlib
import errno
import gzip
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from hullwise.advisories.builder import STARTER, GenerationBuilder
from hullwise.advisories.feeds import alpine, debian, osv
from hullwise.advisories.records import Record, Unparsable, Unused, moment

FILE_LIMIT = 512 << 20
"""Bytes that one document may unpack to. The tracker's JSON is about 70 MB, NVD's years about 100 MB."""

MEMBER_LIMIT = 2_000_000
"""Documents in one zip; all of osv.dev together has about 700,000."""


@dataclass(slots=True)
class Tally:
    """What an import took, and what it did not. Nothing is dropped in silence."""

    taken: int = 0
    """Records of these documents that are in use now."""
    removed: int = 0
    """Records that were in use, and that these documents withdraw."""
    documents: int = 0
    unused: dict[str, int] = field(default_factory=dict)
    """How many records, or parts of one, were not used, by reason."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """(name, why) of documents that are of no form that is known; the first hundred."""
    unreadable_count: int = 0

    def leave_out(self, unused: Unused) -> None:
        self.unused[unused.reason] = self.unused.get(unused.reason, 0) + 1

    def give_up(self, name: str, why: str) -> None:
        self.unreadable_count += 1
        if len(self.unreadable) < 100:
            self.unreadable.append((name, why[:300]))


class _Document(NamedTuple):
    name: str
    body: bytes
    changed: datetime
    """When it last changed."""
    read: int
    """Bytes of the file that have been read for it."""


Progress = Callable[[int], None]
"""Called with the bytes read so far, compressed where the file is."""


def size(paths: Sequence[Path]) -> int:
    """Bytes that `load` will read, for a progress bar. Raises OSError where a path is not there."""
    return sum(file.stat().st_size for path in paths for file in _files(path))


def load(
    paths: Sequence[Path],
    builder: GenerationBuilder,
    progress: Progress = lambda _: None,
    file_limit: int = FILE_LIMIT,
) -> Tally:
    """Take every advisory below the paths into the builder: OSV documents (in zips, folders, arrays or alone), Debian's
    tracker JSON, secdb files; each of them also gzip-compressed or in a zip.

    OSV records replace those with the same id. A tracker or secdb document states its source whole, so that what it no
    longer says is gone. Documents of over `file_limit` bytes are not readable. Raises OSError where a file cannot be
    read at all.
    """
    tally, before, done = Tally(), builder.taken, 0
    for path in paths:
        found = tally.documents + tally.unreadable_count
        for file in _files(path):
            for document in _documents(file, file_limit, tally):
                tally.documents += 1
                _take(document, builder, tally)
                done += document.read
                if tally.documents % 50 == 0:
                    progress(done)
            progress(done)
        if tally.documents + tally.unreadable_count == found:
            tally.give_up(path.name, "holds no JSON document")
    tally.taken = builder.taken - before
    return tally


def load_starter(builder: GenerationBuilder) -> Tally:
    """Take the bundled records, in place of those of an earlier version of them."""
    tally, before = Tally(), builder.taken
    builder.clear_source(STARTER)
    folder = resources.files("hullwise.advisories.starter")
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".json"):
            for document in msgspec.json.decode(file.read_bytes(), type=list[msgspec.Raw]):
                tally.documents += 1
                _take_osv(file.name, bytes(document), builder, tally, STARTER)
    tally.taken = builder.taken - before
    return tally


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    yield from (file for file in sorted(path.rglob("*")) if file.suffix in {".json", ".zip", ".gz"} and file.is_file())


_BROKEN = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    EOFError,
    zlib.error,
    struct.error,
    RuntimeError,
    ValueError,
    Unparsable,
)
"""What broken zips and gzip files raise; RuntimeError for members that are encrypted."""


@contextlib.contextmanager
def _noting(name: str, tally: Tally) -> Iterator[None]:
    """Note in the tally what cannot be read, and go on."""
    try:
        yield
    except _BROKEN as error:
        tally.give_up(name, str(error))
    except OSError as error:
        # A zip whose offsets lead out of the file. Whatever else fails is the disk, not the document.
        if error.errno != errno.EINVAL:
            raise
        tally.give_up(name, "is no whole zip")


def _documents(file: Path, limit: int, tally: Tally) -> Iterator[_Document]:
    """Each document in a file; those that cannot be read are noted in the tally."""
    with file.open("rb") as stream, _noting(file.name, tally):
        about = file.stat()
        whole_zip = zipfile.is_zipfile(stream)
        stream.seek(0)
        if whole_zip:
            yield from _members(file.name, stream, limit, tally)
        elif file.suffix == ".zip":
            tally.give_up(file.name, "is no whole zip")
        else:
            body = _capped(gzip.GzipFile(fileobj=stream) if file.suffix == ".gz" else stream, limit)
            yield _Document(file.name, body, datetime.fromtimestamp(about.st_mtime, UTC), about.st_size)


def _members(file: str, stream: BinaryIO, limit: int, tally: Tally) -> Iterator[_Document]:
    # Members are read in memory and never extracted, so their names cannot lead anywhere.
    with zipfile.ZipFile(stream) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".json")]
        if len(members) > MEMBER_LIMIT:
            raise Unparsable(f"over {MEMBER_LIMIT} documents")
        for member in members:
            name = f"{file}:{member.filename}"
            with _noting(name, tally):
                # Not bzip2 or LZMA: no feed uses them, and LZMA takes as much memory as the member asks for.
                if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                    raise Unparsable(f"compression method {member.compress_type}")
                with archive.open(member) as data:
                    yield _Document(name, _capped(data, limit), _changed(member), member.compress_size)


def _changed(member: zipfile.ZipInfo) -> datetime:
    try:
        return datetime(*member.date_time, tzinfo=UTC)
    except ValueError:
        return datetime(1980, 1, 1, tzinfo=UTC)


def _capped(stream: Any, limit: int) -> bytes:
    document: bytes = stream.read(limit + 1)
    if len(document) > limit:
        raise Unparsable(f"over {limit} bytes")
    return document


_ABSENT = msgspec.Raw()


class _Probe(msgspec.Struct):
    """The members that tell one form from another, not decoded; empty where they are absent."""

    id: msgspec.Raw = _ABSENT
    packages: msgspec.Raw = _ABSENT
    urlprefix: msgspec.Raw = _ABSENT


_probe = msgspec.json.Decoder(_Probe)


def _take(document: _Document, builder: GenerationBuilder, tally: Tally) -> None:
    name, body, changed, _ = document
    try:
        if body[:64].lstrip().startswith(b"["):
            for item in msgspec.json.decode(body, type=list[msgspec.Raw]):
                _take_osv(name, bytes(item), builder, tally)
            return
        probe = _probe.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        tally.give_up(name, str(error))
        return
    if bytes(probe.packages) and bytes(probe.urlprefix):
        _take_secdb(name, body, changed, builder, tally)
    elif bytes(probe.id):
        _take_osv(name, body, builder, tally)
    else:
        _take_tracker(name, body, changed, builder, tally)


def _take_osv(name: str, document: bytes, builder: GenerationBuilder, tally: Tally, source: str = osv.SOURCE) -> None:
    try:
        parsed = osv.parse(document, source)
    except Unparsable as error:
        tally.give_up(name, str(error))
        return
    for unused in parsed.unused:
        tally.leave_out(unused)
    if parsed.record is None:
        tally.removed += builder.remove(source, parsed.id, parsed.unused)
    else:
        _add(parsed.record, builder, tally, parsed.unused)


def _add(record: Record, builder: GenerationBuilder, tally: Tally, before: tuple[Unused, ...] = ()) -> None:
    for unused in builder.add(record, before):
        tally.leave_out(unused)


def _take_tracker(name: str, document: bytes, changed: datetime, builder: GenerationBuilder, tally: Tally) -> None:
    try:
        records = list(debian.parse(document))
    except Unparsable as error:
        tally.give_up(name, str(error))
        return
    _replace(debian.SOURCE, records, changed, builder, tally)


def _take_secdb(name: str, document: bytes, changed: datetime, builder: GenerationBuilder, tally: Tally) -> None:
    try:
        source, found = alpine.parse(document)
        records = list(found)
    except Unparsable as error:
        tally.give_up(name, str(error))
        return
    _replace(source, records, changed, builder, tally)


def _replace(
    source: str, records: list[Record | Unused], changed: datetime, builder: GenerationBuilder, tally: Tally
) -> None:
    """A source that is stated whole: read to its end before the first of its old records goes."""
    builder.clear_source(source)
    builder.date(source, moment(changed))
    for record in records:
        if isinstance(record, Record):
            _add(record, builder, tally)
        else:
            builder.not_used(source, record)
            tally.leave_out(record)
