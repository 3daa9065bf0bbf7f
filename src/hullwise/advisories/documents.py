"""Advisory documents on disk: zips, folders and single files of every form that a feed has."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from hullwise.advisories.builder import STARTER, GenerationBuilder
from hullwise.advisories.feeds import alpine, debian, osv
from hullwise.advisories.records import Record, Unparsable, Unused

FILE_LIMIT = 2 << 30
"""Bytes that one document may unpack to. The tracker's JSON is about 70 MB, NVD's years about 100 MB."""

MEMBER_LIMIT = 2_000_000
"""Documents in one zip; all of osv.dev together has about 700,000."""


@dataclass(slots=True)
class Tally:
    """What an import took, and what it did not. Nothing is dropped in silence."""

    taken: int = 0
    """Records in use now."""
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


Progress = Callable[[int], None]
"""Called with the bytes read so far, compressed where the file is."""


def size(paths: Sequence[Path]) -> int:
    """Bytes that `load` will read, for a progress bar. Raises OSError where a path is not there."""
    return sum(file.stat().st_size for path in paths for file in _files(path))


def load(paths: Sequence[Path], builder: GenerationBuilder, progress: Progress = lambda _: None) -> Tally:
    """Take every advisory below the paths into the builder: OSV documents (in zips, folders, arrays or alone), Debian's
    tracker JSON, secdb files; each of them also gzip-compressed or in a zip.

    OSV records replace those with the same id. A tracker or secdb document states its source whole, so that what it no
    longer says is gone. Raises OSError where a file cannot be read at all.
    """
    tally, done = Tally(), 0
    for path in paths:
        for file in _files(path):
            for name, document, changed in _documents(file, tally):
                tally.documents += 1
                _take(name, document, changed, builder, tally)
                if tally.documents % 50 == 0:
                    progress(done)
            done += file.stat().st_size
            progress(done)
    return tally


def load_starter(builder: GenerationBuilder) -> Tally:
    """Take the bundled records, in place of those of an earlier version of them."""
    tally = Tally()
    builder.clear_source(STARTER)
    folder = resources.files("hullwise.advisories.starter")
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".json"):
            for document in msgspec.json.decode(file.read_bytes(), type=list[msgspec.Raw]):
                tally.documents += 1
                _take_osv(file.name, bytes(document), builder, tally, STARTER)
    return tally


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    yield from (file for file in sorted(path.rglob("*")) if file.suffix in {".json", ".zip", ".gz"} and file.is_file())


def _documents(file: Path, tally: Tally) -> Iterator[tuple[str, bytes, datetime]]:
    """(name, bytes, when it last changed) of each document in a file."""
    changed = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    try:
        if zipfile.is_zipfile(file):
            yield from _members(file, tally)
        elif file.suffix == ".gz":
            with gzip.open(file) as stream:
                yield file.name, _capped(stream), changed
        else:
            with file.open("rb") as stream:
                yield file.name, _capped(stream), changed
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, NotImplementedError, Unparsable) as error:
        tally.give_up(file.name, str(error))


def _members(file: Path, tally: Tally) -> Iterator[tuple[str, bytes, datetime]]:
    # Members are read in memory and never extracted, so their names cannot lead anywhere.
    with zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".json")]
        if len(members) > MEMBER_LIMIT:
            raise Unparsable(f"over {MEMBER_LIMIT} documents")
        for member in members:
            name = f"{file.name}:{member.filename}"
            try:
                changed = datetime(*member.date_time, tzinfo=UTC)
            except ValueError:
                changed = datetime(1980, 1, 1, tzinfo=UTC)
            try:
                with archive.open(member) as stream:
                    yield name, _capped(stream), changed
            except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError, Unparsable) as error:
                tally.give_up(name, str(error))


def _capped(stream: Any) -> bytes:
    document: bytes = stream.read(FILE_LIMIT + 1)
    if len(document) > FILE_LIMIT:
        raise Unparsable(f"over {FILE_LIMIT} bytes")
    return document


_ABSENT = msgspec.Raw()


class _Probe(msgspec.Struct):
    """The members that tell one form from another, not decoded; empty where they are absent."""

    id: msgspec.Raw = _ABSENT
    packages: msgspec.Raw = _ABSENT
    urlprefix: msgspec.Raw = _ABSENT


_probe = msgspec.json.Decoder(_Probe)


def _take(name: str, document: bytes, changed: datetime, builder: GenerationBuilder, tally: Tally) -> None:
    try:
        if document.lstrip()[:1] == b"[":
            for item in msgspec.json.decode(document, type=list[msgspec.Raw]):
                _take_osv(name, bytes(item), builder, tally)
            return
        probe = _probe.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        tally.give_up(name, str(error))
        return
    if bytes(probe.packages) and bytes(probe.urlprefix):
        _take_secdb(name, document, changed, builder, tally)
    elif bytes(probe.id):
        _take_osv(name, document, builder, tally)
    else:
        _take_tracker(name, document, changed, builder, tally)


def _take_osv(name: str, document: bytes, builder: GenerationBuilder, tally: Tally, source: str = osv.SOURCE) -> None:
    try:
        parsed = osv.parse(document, source)
    except Unparsable as error:
        tally.give_up(name, str(error))
        return
    for unused in parsed.unused:
        builder.not_used(source, unused)
        tally.leave_out(unused)
    if parsed.record is None:
        builder.remove(source, parsed.id)
    else:
        builder.add(parsed.record)
        tally.taken += 1


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
    builder.date(source, changed.isoformat(timespec="seconds"))
    for record in records:
        if isinstance(record, Record):
            builder.add(record)
            tally.taken += 1
        else:
            builder.not_used(source, record)
            tally.leave_out(record)
