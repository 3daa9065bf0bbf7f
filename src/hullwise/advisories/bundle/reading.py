"""Bundles are opened, checked against a trusted key and their manifest, and applied."""

from __future__ import annotations

import base64
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from hullwise.advisories import matching
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.bundle.delta import Change, read_changes
from hullwise.advisories.bundle.failures import BrokenBundle, WrongBase, reading
from hullwise.advisories.bundle.files import writing
from hullwise.advisories.bundle.layout import (
    CONTEXT,
    ENRICHMENT,
    MANIFEST,
    MANIFEST_LIMIT,
    PACKED_LIMIT,
    PAYLOADS,
    SIGNATURE,
    SIGNATURE_FORM,
    SIGNATURE_LIMIT,
    SUFFIX,
)
from hullwise.advisories.bundle.manifest import Manifest, read_manifest
from hullwise.advisories.bundle.members import BLOCK, begin, end, small, stored, unpack
from hullwise.advisories.bundle.verification import check_digest, check_stated, check_tables, derived
from hullwise.advisories.generation import Generation
from hullwise.advisories.signing import verify
from hullwise.domain.enrichment import Enrichment
from hullwise.durable import put

_TRAILER = 2 * tarfile.RECORDSIZE
"""Bytes of zeros at most that end a tar."""

_enrichment_decoder = msgspec.msgpack.Decoder(Enrichment)


def is_bundle(path: Path) -> bool:
    """Whether the file is to be opened as a bundle, and as nothing else: its name ends in `.hwbundle`, or it begins
    with a manifest. What is damaged or forged of it is found when it is opened. Reads one header of it, and nothing of
    what is not a file. Raises OSError where it cannot be read."""
    if not path.is_file():
        return False
    if path.suffix == SUFFIX:
        return True
    with path.open("rb") as file:
        try:
            begin(file, MANIFEST, PACKED_LIMIT)
        except BrokenBundle:
            return False
    return True


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
        if ENRICHMENT not in self._starts:
            return Enrichment()
        with reading(ENRICHMENT):
            return _enrichment_decoder.decode(b"".join(self._unpacked(ENRICHMENT)))

    def _unpacked(self, name: str) -> Iterator[bytes]:
        member = next(one for one in self.manifest.members if one.name == name)
        with self.path.open("rb") as file:
            file.seek(self._starts[name])
            yield from unpack(stored(file, member), member)

    def _apply_whole(self, scratch: Path, out: Path, now: datetime) -> str:
        name = PAYLOADS["whole"]
        with scratch.open("wb") as file:
            file.writelines(self._unpacked(name))
        with reading(name):
            check_tables(scratch)
            stated = check_stated(scratch, self.manifest)
            if self.manifest.rules_version != matching.RULES_VERSION:
                with GenerationBuilder(out, scratch) as builder:
                    return builder.seal(now)
            check_digest(derived(scratch), self.manifest)
        put(scratch, out)
        return stated

    def _apply_delta(self, scratch: Path, out: Path, base: Path | None, now: datetime) -> str:
        self._check_base(base)
        with reading(PAYLOADS["delta"]):
            with GenerationBuilder(scratch, base) as builder:
                for change in self._changes():
                    # First away: what is unused of a record that comes as it was is not stated again by `add`.
                    builder.remove(change.source, change.id)
                    if change.record is not None:
                        builder.add(change.record)
                digest = builder.seal(now)
            check_digest(digest, self.manifest)
            self._complete(scratch)
        put(scratch, out)
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
        return read_changes(self._unpacked(PAYLOADS["delta"]))

    def _complete(self, path: Path) -> None:
        """State in a sealed file what the builder does not take. None of it is part of the digest."""
        with writing(path) as db:
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
        about = small(file, MANIFEST, MANIFEST_LIMIT)
        signed_by = _check_signature(about, small(file, SIGNATURE, SIGNATURE_LIMIT), trusted)
        manifest = read_manifest(about)
        starts = {}
        for member in manifest.members:
            if begin(file, member.name, PACKED_LIMIT) != member.size:
                raise BrokenBundle(f"{member.name} is not as long as the manifest says")
            starts[member.name] = file.tell()
            for _ in stored(file, member):
                pass
            end(file, member.size)
        rest = file.read(_TRAILER + 1)
    if len(rest) > _TRAILER or len(rest) < 2 * BLOCK or any(rest):
        raise BrokenBundle("there is something else after the last member, or its end is cut off")
    return Bundle(path, manifest, signed_by, starts)


def _check_signature(about: bytes, signature: bytes, trusted: Sequence[str]) -> str:
    form = SIGNATURE_FORM.fullmatch(signature)
    if form is None:
        raise BrokenBundle(f"{SIGNATURE} is no signature")
    return verify(trusted, CONTEXT + about, base64.urlsafe_b64decode(form[2] + b"=="), form[1].decode())
