"""Bundles are written: a payload is packed beside the file, the manifest is made of it and signed."""

from __future__ import annotations

import base64
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from hullwise.advisories.bundle.delta import changes, count_touched, find_touched, frames
from hullwise.advisories.bundle.failures import BrokenBundle, WrongBase
from hullwise.advisories.bundle.layout import CONTEXT, ENRICHMENT, MANIFEST, MANIFEST_LIMIT, PAYLOADS, SIGNATURE
from hullwise.advisories.bundle.manifest import Manifest, Member, manifest_of
from hullwise.advisories.bundle.members import PIECE, pack
from hullwise.advisories.difference import both
from hullwise.advisories.generation import Generation
from hullwise.advisories.signing import SigningKey
from hullwise.domain.enrichment import Enrichment
from hullwise.durable import put

_encoder = msgspec.msgpack.Encoder()


class _Packed(NamedTuple):
    member: Member
    body: BinaryIO


def export_whole(generation: Generation, enrichment: Enrichment, key: SigningKey, out: Path, now: datetime) -> Manifest:
    """Write a bundle of the generation and the enrichment; it is durable under its name afterwards.

    The same input gives the same bytes of payload. Raises OSError; nothing is left then.
    """
    with generation.path.open("rb") as file:
        pieces = iter(lambda: file.read(PIECE), b"")
        return _export(manifest_of("whole", generation, enrichment, now), pieces, enrichment, key, out)


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
        find_touched(db)
        manifest = msgspec.structs.replace(
            manifest_of("delta", new, enrichment, now),
            base=old.digest,
            changed=count_touched(db, "new"),
            removed=count_touched(db, "old") - count_touched(db, "new", "old"),
        )
        return _export(manifest, frames(changes(db)), enrichment, key, out)


def _export(
    manifest: Manifest, payload: Iterable[bytes], enrichment: Enrichment, key: SigningKey, out: Path
) -> Manifest:
    partial = out.with_name(out.name + ".partial")
    contents = [(PAYLOADS[manifest.kind], payload)]
    if manifest.enrichment:
        contents.append((ENRICHMENT, [_encoder.encode(enrichment)]))
    try:
        with ExitStack() as files:
            packed = []
            for name, pieces in contents:
                body = files.enter_context(tempfile.TemporaryFile(dir=out.parent))
                packed.append(_Packed(pack(name, pieces, body), body))
            manifest = msgspec.structs.replace(manifest, members=tuple(one.member for one in packed))
            with partial.open("wb") as file:
                _write(file, manifest, packed, key)
        put(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


def _write(file: BinaryIO, manifest: Manifest, packed: Sequence[_Packed], key: SigningKey) -> None:
    about = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    if len(about) > MANIFEST_LIMIT:
        raise BrokenBundle(f"{MANIFEST} is too large for a bundle ({len(about)} bytes)")
    encoded = base64.urlsafe_b64encode(key.sign(CONTEXT + about)).rstrip(b"=")
    signature = b"hullwise-signature %s %s\n" % (key.key_id.encode(), encoded)
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        _store(archive, MANIFEST, len(about), BytesIO(about))
        _store(archive, SIGNATURE, len(signature), BytesIO(signature))
        for member, body in packed:
            body.seek(0)
            _store(archive, member.name, member.size, body)


def _store(archive: tarfile.TarFile, name: str, size: int, body: BinaryIO) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    archive.addfile(info, body)
