"""Advisory documents on disk: zips, tars, folders and single files of every form that a feed has.

path ──▶ files ──▶ members of zips and tars ──▶ documents, whose form their content tells (`feeds/forms.py`)
                                          ├─ one record, or an array of them ─▶ builder: replaces that record
                                          ├─ a source stated whole ───────────▶ builder: replaces the source
                                          ├─ scores, exploitation, ends ──────▶ extras
                                          └─ anything else ───────────────────▶ tally: why it is not used
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, TypeVar

import msgspec

from hullwise.advisories import unpacking
from hullwise.advisories.builder import STARTER, GenerationBuilder
from hullwise.advisories.feeds import (
    alpine,
    cvelist,
    debian,
    endoflife,
    epss,
    forms,
    kev,
    nodejs,
    nvd,
    oracle,
    osv,
    photon,
    ubuntu,
    updateinfo,
)
from hullwise.advisories.feeds.osv import Parsed
from hullwise.advisories.records import Record, Unparsable, Unused, not_crowded
from hullwise.domain.enrichment import Enrichment, ExploitScore, KnownExploited, Lifecycle
from hullwise.domain.moments import moment

T = TypeVar("T")

FILE_LIMIT = 512 << 20
"""Bytes that one document may unpack to. The tracker's JSON is about 70 MB, NVD's years about 100 MB."""

MEMBER_LIMIT = 2_000_000
"""Documents in one zip, tar or array; all of osv.dev together has about 700,000."""

ARRAY_LIMIT = 128 << 20
"""Bytes of one array of records. No feed publishes any: people make them."""


@dataclass(slots=True)
class Tally:
    """What an import took, and what it did not. Nothing is dropped in silence."""

    taken: int = 0
    """Records of these documents that are in use now."""
    by_source: dict[str, int] = field(default_factory=dict)
    """The same by source; and how many entries the extras took, by `kev`, `epss` and `endoflife`."""
    removed: int = 0
    """Records that were in use, and that these documents withdraw."""
    documents: int = 0
    """Files, and members of zips and tars but for folders, licences and readmes. Each of them was taken, not used, or
    not readable."""
    unused: dict[str, int] = field(default_factory=dict)
    """How many records, or parts of one, were not used, by reason."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """(name, why) of documents that are of no form that is known; the first hundred."""
    unreadable_count: int = 0
    cut_short: str = ""
    """The first tar that could not be read to its end, and why; empty: all were."""

    def leave_out(self, unused: Unused, parts: int = 1) -> None:
        self.unused[unused.reason] = self.unused.get(unused.reason, 0) + parts

    def count(self, source: str, taken: int) -> None:
        if total := self.by_source.pop(source, 0) + taken:
            self.by_source[source] = total

    def give_up(self, name: str, why: str) -> None:
        self.unreadable_count += 1
        if len(self.unreadable) < 100:
            self.unreadable.append((name, why[:300]))

    def break_off(self, name: str, why: str) -> None:
        self.give_up(name, why)
        self.cut_short = self.cut_short or f"{name}: {why[:300]}"


@dataclass(slots=True)
class Extras:
    """Collects what documents say beside the advisories. Of several on the same the newest counts."""

    _scores: tuple[str, list[ExploitScore]] = ("", [])
    _exploited: tuple[str, list[KnownExploited]] = ("", [])
    _lifecycles: dict[str, tuple[str, list[Lifecycle]]] = field(default_factory=dict)
    """By distribution: an answer states each of its products whole."""

    def take_scores(self, as_of: str, scores: list[ExploitScore]) -> int:
        """Returns how many were taken: all of them, or none where newer ones are there."""
        if as_of < self._scores[0]:
            return 0
        self._scores = as_of, scores
        return len(scores)

    def take_exploited(self, as_of: str, exploited: list[KnownExploited]) -> int:
        """Returns how many were taken: all of them, or none where a newer catalogue is there."""
        if as_of < self._exploited[0]:
            return 0
        self._exploited = as_of, exploited
        return len(exploited)

    def take_lifecycles(self, as_of: str, lifecycles: list[Lifecycle]) -> int:
        """Returns how many were taken: those of the distributions of which nothing newer is there."""
        stated: dict[str, list[Lifecycle]] = {}
        for lifecycle in lifecycles:
            stated.setdefault(lifecycle.distribution, []).append(lifecycle)
        newer = {name: (as_of, of) for name, of in stated.items() if as_of >= self._lifecycles.get(name, ("", []))[0]}
        self._lifecycles |= newer
        return sum(len(of) for _, of in newer.values())

    def enrichment(self) -> Enrichment:
        """All that was taken. Each part is as of its newest document; a date in the future stands as it is."""
        ages = [as_of for as_of, _ in self._lifecycles.values()]
        return Enrichment(
            scores_as_of=self._scores[0],
            scores=tuple(self._scores[1]),
            exploited_as_of=self._exploited[0],
            exploited=tuple(self._exploited[1]),
            lifecycles_as_of=max(ages, default=""),
            lifecycles=tuple(item for name in sorted(self._lifecycles) for item in self._lifecycles[name][1]),
        )


class _Document(NamedTuple):
    name: str
    """For people: with the zip or tar that it is in."""
    path: str
    """Within its zip, tar or folder, without `.gz`, `.bz2`, `.xz` and `.zst`."""
    kind: forms.Kind | Unused
    """What it looks like, or why it was not even unpacked."""
    body: bytes
    changed: datetime
    """When it last changed."""


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
    extras: Extras | None = None,
) -> Tally:
    """Take everything below the paths into the builder, and into `extras` what is no advisory: in zips, tars,
    folders or alone, each also compressed by gzip, bzip2, xz or zstd.

    One record a document or in arrays: OSV, CVE List, nodejs/security-wg, RubySec, FriendsOfPHP, Ubuntu's tracker, Red
    Hat's CSAF; NVD's files and pages, Oracle's OVAL. Each replaces the record with the same id. Debian's tracker,
    secdb files, Amazon's updateinfo and Photon's metadata state their source whole, so that what they no longer say is
    gone; one that cannot be read to its end leaves it as it was. KEV, EPSS and endoflife.date are for the extras, and
    not used without them.

    Every document and every member of a zip or tar is counted, but for folders, licences and readmes. Documents of over
    `file_limit` bytes are not readable, and end the tar that they are in. Raises OSError where a file cannot be read at
    all.
    """
    tally, before, done = Tally(), builder.taken, 0
    into = _Into(builder, tally, extras)
    for path in paths:
        found = tally.documents
        for file in _files(path):
            for size, document in _documents(file, file_limit, tally):
                tally.documents += 1
                if document is not None:
                    _take(document, into)
                done += size
                if tally.documents % 50 == 0:
                    progress(done)
            progress(done)
        if tally.documents == found:
            tally.give_up(path.name, "holds no document")
    tally.taken = builder.taken - before
    return tally


def load_starter(builder: GenerationBuilder) -> Tally:
    """Take the bundled records, in place of those of an earlier version of them."""
    tally, before = Tally(), builder.taken
    into = _Into(builder, tally, None)
    builder.clear_source(STARTER)
    folder = resources.files("hullwise.advisories.starter")
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".json"):
            for document in msgspec.json.decode(file.read_bytes(), type=list[msgspec.Raw]):
                tally.documents += 1
                with _parsing(file.name, tally):
                    _take_parsed(STARTER, osv.parse(bytes(document), STARTER), into)
    tally.taken = builder.taken - before
    return tally


_PACKED = (".gz", ".bz2", ".xz", ".zst")
_SUFFIXES = frozenset({".json", ".zip", ".tar", ".tgz", ".yml", ".yaml", ".csv", ".xml", *_PACKED})
"""Of the files of a folder that are documents."""

_PAPER = re.compile(r"LICEN[CS]E|COPYING|NOTICE|README", re.IGNORECASE)
"""How the names of files begin that come with data and are none."""


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    named = (file for file in sorted(path.rglob("*")) if file.suffix in _SUFFIXES or forms.is_tracked(file.name))
    yield from (file for file in named if file.is_file())


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
def _noting(name: str, note: Callable[[str, str], None]) -> Iterator[None]:
    """Note what cannot be read, and go on."""
    try:
        yield
    except _BROKEN as error:
        note(name, str(error))
    except OSError as error:
        # A zip whose offsets lead out of the file, and bzip2 data that is none, which has no number. Whatever else
        # fails is the disk, not the document.
        if error.errno not in {errno.EINVAL, None}:
            raise
        note(name, "is no whole zip" if error.errno else str(error))


def _documents(file: Path, limit: int, tally: Tally) -> Iterator[tuple[int, _Document | None]]:
    """Each document in a file, with its bytes there; None for those that cannot be read, which the tally has then."""
    with file.open("rb") as stream:
        about = file.stat()
        if zipfile.is_zipfile(stream):
            archive = _archive(file.name, stream, tally)
            if archive is not None:
                yield from _members(file.name, archive, limit, tally)
                return
            yield about.st_size, None
            return
        stream.seek(0)
        source, is_tar = None, False
        with _noting(file.name, tally.give_up):
            if file.suffix == ".zip":
                raise Unparsable("is no whole zip")
            unpacked = unpacking.unpacked(stream)
            is_tar = unpacking.is_tar(unpacked.peek(unpacking.BLOCK))
            source = unpacked
        if source is not None and is_tar:
            yield from _in_tar(file.name, stream, source, limit, tally)
            return
        changed = datetime.fromtimestamp(about.st_mtime, UTC)
        yield about.st_size, None if source is None else _alone(file.name, source, limit, changed, tally)


def _alone(name: str, source: unpacking.Stream, limit: int, changed: datetime, tally: Tally) -> _Document | None:
    with _noting(name, tally.give_up):
        found = _document(name, name, source, limit, changed)
        if isinstance(found.kind, Unused) and found.kind.reason == forms.OTHER:
            # In a zip there is much beside the documents; whoever names a file means it.
            raise Unparsable("is of no form that is known")
        return found
    return None


def _in_tar(
    file: str, packed: BinaryIO, source: unpacking.Stream, limit: int, tally: Tally
) -> Iterator[tuple[int, _Document | None]]:
    done = number = 0
    with _noting(file, tally.break_off):
        for member in unpacking.members(source, limit):
            if _is_paper(member.path):
                continue
            number += 1
            if number > MEMBER_LIMIT:
                raise Unparsable(f"over {MEMBER_LIMIT} documents")
            name, found = f"{file}:{member.path}", None
            with _noting(name, tally.give_up):
                found = _document(name, member.path, unpacking.unpacked(member.body), limit, member.changed)
            before, done = done, packed.tell()
            yield done - before, found
        return
    # What became unreadable on the way counts as one document.
    yield packed.tell() - done, None


def _archive(name: str, stream: BinaryIO, tally: Tally) -> zipfile.ZipFile | None:
    with _noting(name, tally.give_up):
        archive = zipfile.ZipFile(stream)
        if len(archive.infolist()) > MEMBER_LIMIT:
            raise Unparsable(f"over {MEMBER_LIMIT} documents")
        return archive
    return None


def _members(file: str, archive: zipfile.ZipFile, limit: int, tally: Tally) -> Iterator[tuple[int, _Document | None]]:
    for member in archive.infolist():
        if not (member.is_dir() or _is_paper(member.filename)):
            yield member.compress_size, _member(file, archive, member, limit, tally)


def _member(file: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int, tally: Tally) -> _Document | None:
    # Members are read in memory and never extracted, so their names cannot lead anywhere.
    name = f"{file}:{member.filename}"
    with _noting(name, tally.give_up):
        # Not bzip2 or LZMA: no feed uses them, and LZMA takes as much memory as the member asks for.
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise Unparsable(f"compression method {member.compress_type}")
        with archive.open(member) as data:
            source: Any = data
            return _document(name, member.filename, unpacking.unpacked(source), limit, _changed(member))
    return None


def _is_paper(path: str) -> bool:
    name = PurePosixPath(path)
    return _PAPER.match(name.name) is not None and name.suffix.lower() not in _SUFFIXES


def _changed(member: zipfile.ZipInfo) -> datetime:
    try:
        return datetime(*member.date_time, tzinfo=UTC)
    except ValueError:
        return datetime(1980, 1, 1, tzinfo=UTC)


def _document(name: str, path: str, source: unpacking.Stream, limit: int, changed: datetime) -> _Document:
    """Reads at most `limit` bytes, and of what looks like no document no more than its beginning."""
    path = next((path.removesuffix(suffix) for suffix in _PACKED if path.endswith(suffix)), path)
    kind = forms.look(source.peek(forms.HEAD)[: forms.HEAD], path)
    body = b"" if isinstance(kind, Unused) else forms.without_mark(source.read(limit + 1))
    if len(body) > limit:
        raise Unparsable(f"over {limit} bytes")
    return _Document(name, path, kind, body, changed)


@dataclass(frozen=True, slots=True)
class _Into:
    """Where documents go."""

    builder: GenerationBuilder
    tally: Tally
    extras: Extras | None


@contextlib.contextmanager
def _parsing(name: str, tally: Tally) -> Iterator[None]:
    try:
        yield
    except Unparsable as error:
        tally.give_up(name, str(error))


def _take(document: _Document, into: _Into) -> None:
    kind, tally = document.kind, into.tally
    with _parsing(document.name, tally):
        form = kind if isinstance(kind, Unused) else forms.tell(kind, document.body, document.path)
        if isinstance(form, Unused):
            tally.leave_out(form)
        else:
            _TAKERS[form](document, into)


def _rubysec(document: _Document) -> Parsed:
    # Imported here, and the next too: YAML costs a fifth of the time that a command may take to start.
    from hullwise.advisories.feeds import rubysec

    return rubysec.parse(document.body)


def _friendsofphp(document: _Document) -> Parsed:
    from hullwise.advisories.feeds import friendsofphp

    return friendsofphp.parse(document.body, document.path)


def _redhat(document: _Document) -> Parsed:
    # Imported here: VEX brings names of products and images with it.
    from hullwise.advisories.feeds import redhat

    return redhat.parse(document.body)


def _take_array(document: _Document, into: _Into) -> None:
    """Records in one array, each for itself; or one of endoflife.date's answers, or Photon's metadata."""
    if len(document.body) > ARRAY_LIMIT:
        raise Unparsable(f"an array of over {ARRAY_LIMIT} bytes")
    not_crowded(document.body, 8)
    try:
        items = msgspec.json.decode(document.body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    if len(items) > MEMBER_LIMIT:
        raise Unparsable(f"over {MEMBER_LIMIT} documents")
    if items and _is_cycle(items[0]):
        _take_lifecycles(document, into)
        return
    if items and photon.is_entry(items[0]):
        source, found = photon.parse(document.body, document.path)
        _replace(source, found, document.changed, into)
        return
    for item in items:
        part = document._replace(kind="json", body=bytes(item))
        with _parsing(document.name, into.tally):
            form = forms.of_json(part.body)
            if isinstance(form, Unused) or form not in _RECORDS:
                raise Unparsable("array of what is no record")
            _RECORDS[form](part, into)


class _Cycle(msgspec.Struct):
    cycle: str


def _is_cycle(item: msgspec.Raw) -> bool:
    try:
        msgspec.json.decode(item, type=_Cycle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _take_nvd(document: _Document, into: _Into) -> None:
    for parsed in nvd.parse(document.body):
        _take_parsed(nvd.SOURCE, parsed, into)


def _take_oval(document: _Document, into: _Into) -> None:
    for parsed in oracle.parse(document.body):
        _take_parsed(oracle.SOURCE, parsed, into)


def _take_updateinfo(document: _Document, into: _Into) -> None:
    sources, unused = updateinfo.parse(document.body)
    for source, records in sources.items():
        _replace(source, [*records, *unused], document.changed, into)
        # A repository is of one release, whose source then keeps what is not used of it.
        unused = []
    for part in unused:
        into.tally.leave_out(part)


def _take_parsed(source: str, parsed: Parsed, into: _Into) -> None:
    builder, tally = into.builder, into.tally
    before = builder.taken
    for unused in parsed.unused:
        tally.leave_out(unused)
    if parsed.record is None:
        tally.removed += builder.remove(source, parsed.id, parsed.unused)
    else:
        _add(parsed.record, into, parsed.unused)
        if not parsed.record.modified and parsed.record.published:
            builder.date(source, parsed.record.published)
    tally.count(source, builder.taken - before)


def _add(record: Record, into: _Into, before: tuple[Unused, ...] = ()) -> None:
    for unused in into.builder.add(record, before):
        into.tally.leave_out(unused)


def _take_tracker(document: _Document, into: _Into) -> None:
    _replace(debian.SOURCE, debian.parse(document.body), document.changed, into)


def _take_nodejs_index(document: _Document, into: _Into) -> None:
    not_crowded(document.body, 8)
    parts = nodejs.of_index(document.body)
    if len(parts) > MEMBER_LIMIT:
        raise Unparsable(f"over {MEMBER_LIMIT} documents")
    for body, name in parts:
        with _parsing(document.name, into.tally):
            _take_parsed(nodejs.SOURCE, nodejs.parse(body, name), into)


def _take_secdb(document: _Document, into: _Into) -> None:
    source, found = alpine.parse(document.body)
    _replace(source, found, document.changed, into)


def _replace(source: str, found: Iterable[Record | Unused], changed: datetime, into: _Into) -> None:
    """A source that is stated whole: read to its end before the first of its old records goes, so that a document
    that breaks off changes nothing."""
    records = list(found)
    builder = into.builder
    before = builder.taken
    builder.clear_source(source)
    builder.date(source, moment(changed))
    for record in records:
        if isinstance(record, Record):
            _add(record, into)
        else:
            builder.not_used(source, record)
            into.tally.leave_out(record)
    into.tally.count(source, builder.taken - before)


def _take_scores(document: _Document, into: _Into) -> None:
    if extras := _extras(epss.SOURCE, document, into):
        _keep(epss.SOURCE, document, epss.parse(document.body), extras.take_scores, into.tally)


def _take_exploited(document: _Document, into: _Into) -> None:
    if extras := _extras(kev.SOURCE, document, into):
        _keep(kev.SOURCE, document, kev.parse(document.body), extras.take_exploited, into.tally)


def _take_lifecycles(document: _Document, into: _Into) -> None:
    if extras := _extras(endoflife.SOURCE, document, into):
        product = PurePosixPath(document.path).stem
        found = endoflife.parse(document.body, product)
        _keep(endoflife.SOURCE, document, found, extras.take_lifecycles, into.tally)


def _extras(source: str, document: _Document, into: _Into) -> Extras | None:
    if into.extras is None:
        into.tally.leave_out(Unused(document.path, f"not an advisory; {source} stands beside them"))
    return into.extras


def _keep(
    source: str,
    document: _Document,
    parsed: tuple[str, Iterable[T | Unused]],
    take: Callable[[str, list[T]], int],
    tally: Tally,
) -> None:
    """A document is read to its end before anything of it counts. Its day is that of its file where it has none."""
    as_of, items = parsed
    found: list[T] = []
    unused: list[Unused] = []
    for item in items:
        if isinstance(item, Unused):
            unused.append(item)
        else:
            found.append(item)
    for part in unused:
        tally.leave_out(part)
    taken = take(as_of or moment(document.changed), found)
    tally.count(source, taken)
    if len(found) > taken:
        tally.leave_out(Unused(document.path, "older than what another document says"), len(found) - taken)


_Taker = Callable[[_Document, _Into], None]


def _of_one(source: str, parse: Callable[[_Document], Parsed]) -> _Taker:
    """For documents of one record."""
    return lambda document, into: _take_parsed(source, parse(document), into)


_RECORDS: dict[forms.Form, _Taker] = {
    "osv": _of_one(osv.SOURCE, lambda document: osv.parse(document.body)),
    "cvelist": _of_one(cvelist.SOURCE, lambda document: cvelist.parse(document.body)),
    "redhat": _of_one("redhat", _redhat),
    "nodejs": _of_one(nodejs.SOURCE, lambda document: nodejs.parse(document.body, document.path)),
}
"""What may also stand in an array."""

_TAKERS: dict[forms.Form, _Taker] = {
    **_RECORDS,
    "rubysec": _of_one("rubysec", _rubysec),
    "friendsofphp": _of_one("friendsofphp", _friendsofphp),
    "ubuntu": _of_one(ubuntu.SOURCE, lambda document: ubuntu.parse(document.body)),
    "array": _take_array,
    "nvd": _take_nvd,
    "oval": _take_oval,
    "updateinfo": _take_updateinfo,
    "secdb": _take_secdb,
    "tracker": _take_tracker,
    "kev": _take_exploited,
    "epss": _take_scores,
    "endoflife": _take_lifecycles,
    "nodejs-index": _take_nodejs_index,
}
