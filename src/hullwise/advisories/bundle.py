"""An offline bundle: a generation, or what leads from one to the next, in one signed file.

    NAME.hwbundle             uncompressed tar (ustar), exactly these members, regular files, in this order
      manifest.json           what is in it (Manifest)
      manifest.sig            `hullwise-signature KEY_ID BASE64URL`: Ed25519 over CONTEXT and all of manifest.json
      generation.sqlite.zst   of a whole bundle: the generation's file
      delta.msgpack.zst       of a delta: frames of changes, by source and record
      enrichment.msgpack.zst  scores, exploitation and ends of support (Enrichment), where there are any

    frame   length of what follows, 4 bytes, big-endian │ MessagePack array of Change

The signature covers the manifest, and the manifest the size and SHA-256 of each member after it. The manifest is read
when its signature is known to be right, and a member is unpacked when its hash is. Nothing is extracted: no name in the
file is ever a path.

A whole bundle brings the exporter's file as it is. A delta is applied to the generation that it was made from, by the
same builder that makes generations of documents, and ends in the same digest. What the builder does not take (which
parts of a record were not used, the mark of its document, the sources' dates) is stated in the new file afterwards.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sqlite3
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, NamedTuple

import msgspec

from hullwise import __version__
from hullwise.advisories import derivation, matching
from hullwise.advisories import generation as generations
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.credits import Credit, credit
from hullwise.advisories.difference import both
from hullwise.advisories.generation import SCHEMA, Generation, UnusableGeneration, claim_decoder, record_decoder
from hullwise.advisories.records import Affected, Record, moment
from hullwise.advisories.signing import SigningKey, verify
from hullwise.domain.digests import is_digest
from hullwise.domain.enrichment import Enrichment

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORMAT = 1
"""Of the bundle. A bundle of a newer one is not opened."""
EXTENSION = ".hwbundle"
CONTEXT = b"hullwise bundle\n"
"""Before what is signed, so that no other signature of the key can stand for one of a bundle."""

_MIB = 1 << 20
_GIB = 1 << 30

_MANIFEST = "manifest.json"
_SIGNATURE = "manifest.sig"
_ENRICHMENT = "enrichment.msgpack.zst"
_PAYLOADS = {"whole": "generation.sqlite.zst", "delta": "delta.msgpack.zst"}

MANIFEST_LIMIT = 4 * _MIB
_SIGNATURE_LIMIT = 256
PACKED_LIMIT = 8 * _GIB - 1
"""Bytes of a member: the most that a header of ustar can state."""
UNPACKED_LIMITS = {
    _PAYLOADS["whole"]: 32 * _GIB,
    _PAYLOADS["delta"]: 32 * _GIB,
    _ENRICHMENT: 256 * _MIB,
}
"""Bytes that a member may unpack to. All of osv.dev is a generation of about 1 GiB; all of EPSS takes 20 MB."""
FRAME_LIMIT = 64 * _MIB
"""Bytes of a frame, and so of a changed record with its packages. The largest ones met have 3 MB."""
_FRAME = 1 * _MIB
"""Bytes from which on a frame is full."""
_CREDITS = 200
"""Credits that are named for one source, those of most records first."""

_READ = 256 * 1024
_PIECE = 1 * _MIB
_BLOCK = tarfile.BLOCKSIZE
_TRAILER = 2 * tarfile.RECORDSIZE
"""Bytes of zeros at most that end a tar."""
_LEVEL = 6
_LARGEST_WINDOW = 27
"""Power of two of the largest zstd window: 128 MiB, what `zstd -d` takes without being asked for more."""

_SIGNATURE_FORM = re.compile(rb"hullwise-signature ([0-9a-f]{16}) ([A-Za-z0-9_-]{86})\n")


class BrokenBundle(Exception):
    """The file is no bundle that this version can read, or not as its manifest says. The message says why."""


class WrongBase(Exception):
    """A delta does not begin at the generation that it is to be applied to. The message names both."""


Kind = Literal["whole", "delta"]


class Credited(msgspec.Struct, frozen=True):
    """Whom to name for records of a source."""

    credit: Credit
    records: int


class Source(msgspec.Struct, frozen=True):
    """What the generation was built from."""

    name: str
    body: dict[str, Any]
    """As `Generation.sources` says it."""
    credits: tuple[Credited, ...]


class EnrichmentPart(msgspec.Struct, frozen=True):
    source: str
    """As credits know it: `epss`."""
    as_of: str
    entries: int
    credit: Credit


class Member(msgspec.Struct, frozen=True):
    name: str
    size: Annotated[int, msgspec.Meta(ge=0, le=PACKED_LIMIT)]
    """Bytes in the bundle."""
    unpacked: Annotated[int, msgspec.Meta(ge=0)]
    """Bytes that it unpacks to."""
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """Of its bytes in the bundle."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle holds."""

    format: int
    kind: Kind
    generation: str
    """Digest of the generation that it leads to."""
    base: str = ""
    """Digest of the generation that a delta leads from."""
    generation_format: int
    """Of the exporter's generation files, and so of the records in them, which a delta holds too."""
    rules_version: int
    """Under which the digests were made."""
    records: int
    """In the generation."""
    changed: int = 0
    """By a delta: records that it adds, or says something else about."""
    removed: int = 0
    """By a delta: records that it removes."""
    data_as_of: str
    """When the newest source last changed, RFC 3339; empty where none says."""
    sources: tuple[Source, ...]
    enrichment: tuple[EnrichmentPart, ...]
    created: str
    """RFC 3339."""
    product: str
    """Who wrote it: `hullwise 0.1.0`."""
    members: tuple[Member, ...]


class Change(msgspec.Struct, frozen=True, array_like=True):
    """What is now to be said about one record of a source."""

    source: str
    id: str
    record: Record | None
    """With the packages that it speaks of; None: there is none, or no more."""
    mark: bytes
    """Of the document that it was made of, which may have held more than is used."""
    unused: tuple[tuple[str, Annotated[int, msgspec.Meta(ge=1, le=1 << 48)]], ...]
    """(reason, parts) of what is not used of it."""


class _Format(msgspec.Struct):
    format: int


class _Owner(msgspec.Struct):
    """The members of a record that its credit follows from."""

    id: str
    source: str
    licence: str = ""


class _Packed(NamedTuple):
    member: Member
    body: BinaryIO


_format_decoder = msgspec.json.Decoder(_Format)
_manifest_decoder = msgspec.json.Decoder(Manifest)
_changes_decoder = msgspec.msgpack.Decoder(list[Change])
_enrichment_decoder = msgspec.msgpack.Decoder(Enrichment)
_owner_decoder = msgspec.msgpack.Decoder(_Owner)
_encoder = msgspec.msgpack.Encoder()

_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, UnusableGeneration)
"""What msgspec, json and Generation raise for bytes that are not what was asked for."""


def is_bundle(path: Path) -> bool:
    """Whether the file begins as a bundle does. Reads two headers of it, and nothing of what is not a file. Raises
    OSError where it cannot be read."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        try:
            file.seek(_padded(_begin(file, _MANIFEST, MANIFEST_LIMIT)), os.SEEK_CUR)
            _begin(file, _SIGNATURE, _SIGNATURE_LIMIT)
        except BrokenBundle:
            return False
    return True


def export_whole(generation: Generation, enrichment: Enrichment, key: SigningKey, out: Path, now: datetime) -> Manifest:
    """Write a bundle of the generation and the enrichment; it is durable under its name afterwards.

    The same input gives the same bytes of payload. Raises OSError; nothing is left then.
    """
    with generation.path.open("rb") as file:
        pieces = iter(lambda: file.read(_PIECE), b"")
        return _export(_manifest("whole", generation, enrichment, now), pieces, enrichment, key, out)


def export_delta(
    old: Generation, new: Generation, enrichment: Enrichment, key: SigningKey, out: Path, now: datetime
) -> Manifest:
    """Write a bundle of what leads from `old` to `new`, with all of the enrichment; it is durable under its name
    afterwards. Takes memory in proportion to the largest record.

    Raises WrongBase where the two were made under different rules, BrokenBundle where a record is too large for a
    frame (a whole bundle is the way then in both cases), OSError; nothing is left then.
    """
    if old.rules_version != new.rules_version:
        raise WrongBase(
            f"no delta leads from {old.digest} (rules {old.rules_version}) to {new.digest} (rules {new.rules_version})"
        )
    with both(old, new) as db:
        db.executescript(_TOUCHED)
        manifest = msgspec.structs.replace(
            _manifest("delta", new, enrichment, now),
            base=old.digest,
            changed=_count(db, "new"),
            removed=_count(db, "old") - _count(db, "new", "old"),
        )
        return _export(manifest, _frames(_changes(db)), enrichment, key, out)


_TOUCHED = """
CREATE TEMP TABLE differing AS
    SELECT n.namespace, n.name FROM new.names AS n
    LEFT JOIN old.names AS o ON o.namespace = n.namespace AND o.name = n.name WHERE o.fingerprint IS NOT n.fingerprint
    UNION ALL SELECT o.namespace, o.name FROM old.names AS o
    WHERE NOT EXISTS (SELECT 1 FROM new.names AS n WHERE n.namespace = o.namespace AND n.name = o.name);
CREATE TEMP VIEW old_claims AS
    SELECT r.source, r.record, c.namespace, c.name, c.body FROM differing AS d
    JOIN old.claims AS c ON c.namespace = d.namespace AND c.name = d.name JOIN old.records AS r ON r.id = c.record;
CREATE TEMP VIEW new_claims AS
    SELECT r.source, r.record, c.namespace, c.name, c.body FROM differing AS d
    JOIN new.claims AS c ON c.namespace = d.namespace AND c.name = d.name JOIN new.records AS r ON r.id = c.record;
CREATE TEMP TABLE touched (source TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (source, record)) WITHOUT ROWID;
INSERT OR IGNORE INTO touched
    SELECT n.source, n.record FROM new.records AS n
    LEFT JOIN old.records AS o ON o.record = n.record AND o.source = n.source WHERE o.mark IS NOT n.mark;
INSERT OR IGNORE INTO touched
    SELECT o.source, o.record FROM old.records AS o
    WHERE NOT EXISTS (SELECT 1 FROM new.records AS n WHERE n.record = o.record AND n.source = o.source);
INSERT OR IGNORE INTO touched SELECT source, record FROM (SELECT * FROM new.unused EXCEPT SELECT * FROM old.unused);
INSERT OR IGNORE INTO touched SELECT source, record FROM (SELECT * FROM old.unused EXCEPT SELECT * FROM new.unused);
INSERT OR IGNORE INTO touched SELECT source, record FROM (SELECT * FROM new_claims EXCEPT SELECT * FROM old_claims);
INSERT OR IGNORE INTO touched SELECT source, record FROM (SELECT * FROM old_claims EXCEPT SELECT * FROM new_claims);
"""
"""Records that a delta speaks of: of another document, with other parts unused, or (made under older rules and of the
same document) with other claims."""


def _count(db: sqlite3.Connection, *sides: str) -> int:
    """Touched records that are in all of these files."""
    joins = (f"JOIN {side}.records AS {side} USING (source, record)" for side in sides)
    return int(db.execute(f"SELECT count(*) FROM touched {' '.join(joins)}").fetchone()[0])  # noqa: S608 - constants


def _changes(db: sqlite3.Connection) -> Iterator[Change]:
    """What `new` says of each touched record, sorted by source and id."""
    record = "SELECT id, mark, body FROM new.records WHERE record = ? AND source = ?"
    claims = "SELECT namespace, name, body FROM new.claims WHERE record = ? ORDER BY ordinal"
    unused = "SELECT reason, parts FROM new.unused WHERE source = ? AND record = ? ORDER BY reason"
    for source, name in db.execute("SELECT source, record FROM touched ORDER BY source, record"):
        row = db.execute(record, (name, source)).fetchone()
        found, mark = None, b""
        if row is not None:
            number, mark, body = row
            affected = tuple(_affected(*claim) for claim in db.execute(claims, (number,)))
            found = msgspec.structs.replace(record_decoder.decode(body), affected=affected)
        yield Change(source, name, found, mark, tuple(db.execute(unused, (source, name))))


def _affected(namespace: str, name: str, body: bytes) -> Affected:
    """What a record said of a package, as far as it is used: the same claim is made of it again."""
    stated = claim_decoder.decode(body)
    intervals = tuple(keyed.interval for keyed in stated.intervals)
    return Affected(
        namespace,
        name,
        intervals,
        versions=stated.versions,
        state=stated.state,
        unaffected=stated.unaffected,
        severity=stated.severity,
    )


def _frames(changes: Iterable[Change]) -> Iterator[bytes]:
    waiting: list[msgspec.Raw] = []
    size = 0
    for change in changes:
        encoded = _encoder.encode(change)
        if len(encoded) > FRAME_LIMIT - _FRAME - _BLOCK:
            raise BrokenBundle(f"record {change.id} of {change.source} is too large for a delta ({len(encoded)} bytes)")
        waiting.append(msgspec.Raw(encoded))
        size += len(encoded)
        if size >= _FRAME:
            yield _frame(waiting)
            waiting, size = [], 0
    if waiting:
        yield _frame(waiting)


def _frame(encoded: Sequence[msgspec.Raw]) -> bytes:
    body = _encoder.encode(encoded)
    return len(body).to_bytes(4, "big") + body


def _manifest(kind: Kind, generation: Generation, enrichment: Enrichment, now: datetime) -> Manifest:
    """Without members."""
    return Manifest(
        format=FORMAT,
        kind=kind,
        generation=generation.digest,
        generation_format=generations.FORMAT,
        rules_version=generation.rules_version,
        records=generation.record_count,
        data_as_of=generation.data_as_of,
        sources=_sources(generation),
        enrichment=_enrichment_parts(enrichment),
        created=moment(now),
        product=f"hullwise {__version__}",
        members=(),
    )


@lru_cache(maxsize=4_096)
def _credit(prefix: str, source: str, licence: str) -> Credit:
    return credit(prefix, source, licence)


def _sources(generation: Generation) -> tuple[Source, ...]:
    with both(generation, generation) as db:
        counts: dict[str, Counter[Credit]] = {}
        for (body,) in db.execute("SELECT body FROM new.records"):
            owner = _owner_decoder.decode(body)
            prefix, dash, _ = owner.id.partition("-")
            counts.setdefault(owner.source, Counter())[_credit(prefix + dash, owner.source, owner.licence)] += 1
    return tuple(
        Source(name, body, _credited(counts.get(name) or Counter({credit("", name): 0})))
        for name, body in sorted(generation.sources.items())
    )


def _credited(counts: Counter[Credit]) -> tuple[Credited, ...]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0].name, item[0].licence))
    return tuple(Credited(found, records) for found, records in ordered[:_CREDITS])


_PARTS = (("epss", "scores"), ("kev", "exploited"), ("endoflife", "lifecycles"))
"""(source, field of Enrichment), whose date is in the field `…_as_of`."""


def _enrichment_parts(enrichment: Enrichment) -> tuple[EnrichmentPart, ...]:
    parts = (
        EnrichmentPart(
            source, getattr(enrichment, f"{field}_as_of"), len(getattr(enrichment, field)), credit("", source)
        )
        for source, field in _PARTS
    )
    return tuple(part for part in parts if part.as_of or part.entries)


def _export(
    manifest: Manifest, payload: Iterable[bytes], enrichment: Enrichment, key: SigningKey, out: Path
) -> Manifest:
    partial = out.with_name(out.name + ".partial")
    contents = [(_PAYLOADS[manifest.kind], payload)]
    if manifest.enrichment:
        contents.append((_ENRICHMENT, [_encoder.encode(enrichment)]))
    try:
        with ExitStack() as files:
            packed = []
            for name, pieces in contents:
                body = files.enter_context(tempfile.TemporaryFile(dir=out.parent))
                packed.append(_Packed(_pack(name, pieces, body), body))
            manifest = msgspec.structs.replace(manifest, members=tuple(one.member for one in packed))
            with partial.open("wb") as file:
                _write(file, manifest, packed, key)
        _put(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


def _pack(name: str, pieces: Iterable[bytes], body: BinaryIO) -> Member:
    """Compress into the file."""
    compressor = zstd.ZstdCompressor(level=_LEVEL)
    found, size, unpacked = hashlib.sha256(), 0, 0

    def store(data: bytes) -> None:
        nonlocal size
        found.update(data)
        size += body.write(data)

    for piece in pieces:
        unpacked += len(piece)
        store(compressor.compress(piece))
    store(compressor.flush())
    if size > PACKED_LIMIT or unpacked > UNPACKED_LIMITS[name]:
        raise BrokenBundle(f"{name} is too large for a bundle ({size} bytes, {unpacked} unpacked)")
    return Member(name, size, unpacked, found.hexdigest())


def _write(file: BinaryIO, manifest: Manifest, packed: Sequence[_Packed], key: SigningKey) -> None:
    about = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    if len(about) > MANIFEST_LIMIT:
        raise BrokenBundle(f"{_MANIFEST} is too large for a bundle ({len(about)} bytes)")
    encoded = base64.urlsafe_b64encode(key.sign(CONTEXT + about)).rstrip(b"=")
    signature = b"hullwise-signature %s %s\n" % (key.key_id.encode(), encoded)
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        _store(archive, _MANIFEST, len(about), BytesIO(about))
        _store(archive, _SIGNATURE, len(signature), BytesIO(signature))
        for member, body in packed:
            body.seek(0)
            _store(archive, member.name, member.size, body)


def _store(archive: tarfile.TarFile, name: str, size: int, body: BinaryIO) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    archive.addfile(info, body)


def _put(partial: Path, path: Path) -> None:
    """Under its name, and durable."""
    _sync(partial)
    partial.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is signed by somebody who is trusted, and was whole when it was opened."""

    path: Path
    manifest: Manifest
    signed_by: str
    """The public key, one of those that were trusted."""
    _starts: Mapping[str, int]
    """Where in the file the bytes of each member begin."""

    def apply(self, out: Path, base: Path | None, now: datetime) -> str:
        """Write the generation that the bundle leads to, and return its digest. It is durable under its name then.

        A whole bundle gives the file that was exported, checked: every derived row was made anew of the others, and
        the digest is the manifest's. Where it was made under other rules, it is made again under those of this version,
        at the time `now`, and has another digest. A delta is applied to the generation `base`, the local head.

        Raises WrongBase where a delta was made from another generation than `base` or under other rules than those of
        this version; BrokenBundle where the outcome is not what the manifest says, or the file has changed since it
        was opened; UnusableGeneration for `base`; OSError and sqlite3.OperationalError for a disk that is full. What is
        at `out` stays as it was then.
        """
        scratch = out.with_name(out.name + ".unpacked")
        scratch.unlink(missing_ok=True)
        try:
            if self.manifest.kind == "delta":
                return self._apply_delta(scratch, out, base, now)
            return self._apply_whole(scratch, out, now)
        finally:
            scratch.unlink(missing_ok=True)

    def enrichment(self) -> Enrichment:
        """What it brings beside the advisories; an empty one where it brings nothing. Raises BrokenBundle."""
        if _ENRICHMENT not in self._starts:
            return Enrichment()
        with _reading(_ENRICHMENT):
            return _enrichment_decoder.decode(b"".join(self._unpacked(_ENRICHMENT)))

    def _unpacked(self, name: str) -> Iterator[bytes]:
        member = next(one for one in self.manifest.members if one.name == name)
        with self.path.open("rb") as file:
            file.seek(self._starts[name])
            yield from _unpack(_stored(file, member), member)

    def _apply_whole(self, scratch: Path, out: Path, now: datetime) -> str:
        name = _PAYLOADS["whole"]
        with scratch.open("wb") as file:
            file.writelines(self._unpacked(name))
        with _reading(name):
            _check_tables(scratch)
            stated = _check_stated(scratch, self.manifest)
            if self.manifest.rules_version != matching.RULES_VERSION:
                with GenerationBuilder(out, scratch) as builder:
                    return builder.seal(now)
            _check_digest(_derived(scratch), self.manifest)
        _put(scratch, out)
        return stated

    def _apply_delta(self, scratch: Path, out: Path, base: Path | None, now: datetime) -> str:
        self._check_base(base)
        with _reading(_PAYLOADS["delta"]):
            with GenerationBuilder(scratch, base) as builder:
                for change in self._changes():
                    # First away: what is unused of a record that comes as it was is not stated again by `add`.
                    builder.remove(change.source, change.id)
                    if change.record is not None:
                        builder.add(change.record)
                digest = builder.seal(now)
            _check_digest(digest, self.manifest)
            self._complete(scratch)
        _put(scratch, out)
        return digest

    def _check_base(self, base: Path | None) -> None:
        leads = f"the delta leads from generation {self.manifest.base} to {self.manifest.generation}"
        if base is None:
            raise WrongBase(f"{leads}, and there is no local generation")
        with Generation(base) as held:
            if held.digest != self.manifest.base:
                raise WrongBase(f"{leads}, and the local generation is {held.digest}")
        if self.manifest.rules_version != matching.RULES_VERSION:
            raise WrongBase(
                f"{leads} under rules {self.manifest.rules_version}, and the rules of this version are "
                f"{matching.RULES_VERSION}: import a whole bundle"
            )

    def _changes(self) -> Iterator[Change]:
        last = ("", "")
        for frame in _read_frames(self._unpacked(_PAYLOADS["delta"])):
            for change in _changes_decoder.decode(frame):
                at = (change.source, change.id)
                if at <= last:
                    raise BrokenBundle(f"the changes are not in order at {change.id[:128]!r}")
                if change.record is not None and (change.record.source, change.record.id) != at:
                    raise BrokenBundle(f"the change of {change.id[:128]!r} is of another record")
                last = at
                yield change

    def _complete(self, path: Path) -> None:
        """State in a sealed file what the builder does not take. None of it is part of the digest."""
        with _writing(path) as db:
            for change in self._changes():
                key = (change.source, change.id)
                db.execute("DELETE FROM unused WHERE source = ? AND record = ?", key)
                rows = [(*key, reason, parts) for reason, parts in change.unused]
                db.executemany("INSERT OR REPLACE INTO unused VALUES (?, ?, ?, ?)", rows)
                db.execute("UPDATE records SET mark = ? WHERE source = ? AND record = ?", (change.mark, *key))
            db.execute("DELETE FROM sources")
            sources = [(source.name, json.dumps(source.body)) for source in self.manifest.sources]
            db.executemany("INSERT OR REPLACE INTO sources VALUES (?, ?)", sources)


def open_bundle(path: Path, trusted: Sequence[str]) -> Bundle:
    """The bundle in a file. `trusted`: public keys as text, one of which has signed it.

    All of the file has been read then, and every member is as the manifest says. Raises BrokenBundle, UntrustedBundle,
    UnusableKey where a trusted key is none, OSError.
    """
    with path.open("rb") as file:
        about = _small(file, _MANIFEST, MANIFEST_LIMIT)
        signed_by = _check_signature(about, _small(file, _SIGNATURE, _SIGNATURE_LIMIT), trusted)
        manifest = _read_manifest(about)
        starts = {}
        for member in manifest.members:
            if _begin(file, member.name, PACKED_LIMIT) != member.size:
                raise BrokenBundle(f"{member.name} is not as long as the manifest says")
            starts[member.name] = file.tell()
            for _ in _stored(file, member):
                pass
            _end(file, member.size)
        rest = file.read(_TRAILER + 1)
    if len(rest) > _TRAILER or len(rest) < 2 * _BLOCK or any(rest):
        raise BrokenBundle("there is something else after the last member, or its end is cut off")
    return Bundle(path, manifest, signed_by, starts)


def _begin(file: BinaryIO, name: str, limit: int) -> int:
    """Read the header of that member. Returns its size, `limit` at most."""
    block = file.read(_BLOCK)
    try:
        # Of the one block alone: extended headers, which may ask for much memory, are members of another type here.
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise BrokenBundle(f"it is no bundle, or cut off: {error} where {name} should begin") from error
    if info.name != name or info.type != tarfile.REGTYPE:
        raise BrokenBundle(f"it is no bundle: {info.name[:128]!r} is where the file {name} should be")
    if not 0 <= info.size <= limit:
        raise BrokenBundle(f"{name} says that it has {info.size} bytes, of {limit} at most")
    return info.size


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _end(file: BinaryIO, size: int) -> None:
    padding = _padded(size) - size
    if file.read(padding) != bytes(padding):
        raise BrokenBundle("a member is not followed by zeros")


def _small(file: BinaryIO, name: str, limit: int) -> bytes:
    size = _begin(file, name, limit)
    body = file.read(size)
    if len(body) < size:
        raise BrokenBundle(f"{name} is cut off")
    _end(file, size)
    return body


def _check_signature(about: bytes, signature: bytes, trusted: Sequence[str]) -> str:
    form = _SIGNATURE_FORM.fullmatch(signature)
    if form is None:
        raise BrokenBundle(f"{_SIGNATURE} is no signature")
    return verify(trusted, CONTEXT + about, base64.urlsafe_b64decode(form[2] + b"=="), form[1].decode())


def _read_manifest(about: bytes) -> Manifest:
    with _reading(_MANIFEST):
        made = _format_decoder.decode(about).format
        if made > FORMAT:
            raise BrokenBundle(f"it is of format {made}, newer than this version reads ({FORMAT})")
        manifest = _manifest_decoder.decode(about)
    names = [member.name for member in manifest.members]
    if names not in ([_PAYLOADS[manifest.kind]], [_PAYLOADS[manifest.kind], _ENRICHMENT]):
        raise BrokenBundle(f"a bundle of kind {manifest.kind} has no such members: {', '.join(names)[:256]}")
    for member in manifest.members:
        if member.unpacked > UNPACKED_LIMITS[member.name]:
            raise BrokenBundle(f"{member.name} unpacks to {member.unpacked} bytes, over {UNPACKED_LIMITS[member.name]}")
    if not is_digest(manifest.generation) or is_digest(manifest.base) is not (manifest.kind == "delta"):
        raise BrokenBundle("the manifest does not say which generation it leads to, or from")
    if manifest.generation_format != generations.FORMAT:
        raise BrokenBundle(
            f"it is of generation files of format {manifest.generation_format}, and this version reads format "
            f"{generations.FORMAT}"
        )
    return manifest


def _stored(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The bytes of a member from here on. Raises BrokenBundle after the last where they are not the manifest's."""
    found, left = hashlib.sha256(), member.size
    while left:
        data = file.read(min(_READ, left))
        if not data:
            raise BrokenBundle(f"{member.name} is cut off")
        found.update(data)
        left -= len(data)
        yield data
    if found.hexdigest() != member.sha256:
        raise BrokenBundle(f"{member.name} is not the one that was signed: its SHA-256 is {found.hexdigest()}")


def _unpack(packed: Iterable[bytes], member: Member) -> Iterator[bytes]:
    """What they unpack to: as much as is stated, in pieces."""
    decompressor = zstd.ZstdDecompressor(options={int(zstd.DecompressionParameter.window_log_max): _LARGEST_WINDOW})
    left = member.unpacked
    for data in packed:
        waiting = data
        while not decompressor.eof and (waiting or not decompressor.needs_input):
            try:
                piece: bytes = decompressor.decompress(waiting, max_length=_PIECE)
            except zstd.ZstdError as error:
                raise BrokenBundle(f"{member.name} is no whole zstd frame: {error}") from error
            waiting = b""
            left -= len(piece)
            if left < 0:
                raise BrokenBundle(f"{member.name} unpacks to more than the {member.unpacked} bytes that are stated")
            if piece:
                yield piece
        if decompressor.eof and (waiting or decompressor.unused_data):
            raise BrokenBundle(f"{member.name} goes on after its end")
    if left or not decompressor.eof:
        raise BrokenBundle(f"{member.name} unpacks to less than the {member.unpacked} bytes that are stated")


def _read_frames(pieces: Iterable[bytes]) -> Iterator[bytes]:
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= 4:
            size = int.from_bytes(buffer[:4], "big")
            if size > FRAME_LIMIT:
                raise BrokenBundle(f"a frame says that it has {size} bytes, of {FRAME_LIMIT} at most")
            if len(buffer) < 4 + size:
                break
            frame = bytes(buffer[4 : 4 + size])
            del buffer[: 4 + size]
            yield frame
    if buffer:
        raise BrokenBundle("the last frame is cut off")


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """What shows that a member is not of its form is a BrokenBundle; what shows that the disk is full is not."""
    try:
        yield
    except _UNREADABLE as error:
        raise BrokenBundle(f"{name} cannot be read: {error}") from error
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN}:
            raise
        raise BrokenBundle(f"{name} cannot be read: {error}") from error


@contextmanager
def _writing(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction on a file that is thrown away where it fails."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "trusted_schema=OFF", "cache_size=-65536"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("BEGIN")
        yield db
        db.execute("COMMIT")


_TABLES = "SELECT type, name, tbl_name, sql FROM sqlite_schema"


def _check_tables(path: Path) -> None:
    """Raises BrokenBundle unless the file is a sound database with exactly the tables of a generation."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        wanted = set(db.execute(_TABLES))
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        db.execute("PRAGMA trusted_schema=OFF")
        if set(db.execute(_TABLES)) != wanted:
            raise BrokenBundle("the generation has other tables than one has")
        sound = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if sound != "ok":
            raise BrokenBundle(f"the generation is damaged: {sound}")


def _check_stated(path: Path, manifest: Manifest) -> str:
    """The digest that the generation says it has. Raises BrokenBundle unless it and the manifest say the same."""
    with Generation(path) as generation:
        says = (generation.digest, generation.rules_version, generation.record_count)
        sources = generation.sources
    if says != (manifest.generation, manifest.rules_version, manifest.records):
        raise BrokenBundle(f"it holds generation {says[0]}, not {manifest.generation} as the manifest says")
    if sources != {source.name: source.body for source in manifest.sources}:
        raise BrokenBundle("the generation has other sources than the manifest says")
    return generation.digest


def _derived(path: Path) -> str:
    """Make all that follows from the records anew. Returns the digest that comes of it."""
    with _writing(path) as db:
        derivation.derive_all(db)
        return derivation.digest(db, matching.RULES_VERSION)


def _check_digest(found: str, manifest: Manifest) -> None:
    if found != manifest.generation:
        raise BrokenBundle(f"it gives generation {found}, not {manifest.generation} as the manifest says")
