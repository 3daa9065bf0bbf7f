"""The manifest of a bundle: what it holds, what that was made of, and whom to name for it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec

from hullwise import __version__
from hullwise.advisories import generation as generations
from hullwise.advisories.bundle.failures import BrokenBundle, reading
from hullwise.advisories.bundle.layout import ENRICHMENT, FORMAT, MANIFEST, PACKED_LIMIT, PAYLOADS, UNPACKED_LIMITS
from hullwise.advisories.credits import Credit, credit
from hullwise.advisories.difference import both
from hullwise.advisories.generation import Generation
from hullwise.domain.digests import is_digest
from hullwise.domain.enrichment import Enrichment
from hullwise.domain.moments import moment

_CREDITS = 200
"""Credits that are named for one source, those of most records first."""
_PARTS = (("epss", "scores"), ("kev", "exploited"), ("endoflife", "lifecycles"))
"""(source, field of Enrichment), whose date is in the field `…_as_of`."""

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


class _Format(msgspec.Struct):
    format: int


class _Owner(msgspec.Struct):
    """The members of a record that its credit follows from."""

    id: str
    source: str
    licence: str = ""


_format_decoder = msgspec.json.Decoder(_Format)
_manifest_decoder = msgspec.json.Decoder(Manifest)
_owner_decoder = msgspec.msgpack.Decoder(_Owner)


def manifest_of(kind: Kind, generation: Generation, enrichment: Enrichment, now: datetime) -> Manifest:
    """What a bundle of the generation says of itself, without members; of a delta also without what it leads from."""
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


def _enrichment_parts(enrichment: Enrichment) -> tuple[EnrichmentPart, ...]:
    parts = (
        EnrichmentPart(
            source, getattr(enrichment, f"{field}_as_of"), len(getattr(enrichment, field)), credit("", source)
        )
        for source, field in _PARTS
    )
    return tuple(part for part in parts if part.as_of or part.entries)


def read_manifest(about: bytes) -> Manifest:
    """The manifest in these bytes, whose signature was checked. Raises BrokenBundle where they are none, or it is of a
    bundle that this version does not read, or states members that its kind does not have or that are over a limit."""
    with reading(MANIFEST):
        made = _format_decoder.decode(about).format
        if made > FORMAT:
            raise BrokenBundle(f"it is of format {made}, newer than this version reads ({FORMAT})")
        manifest = _manifest_decoder.decode(about)
    names = [member.name for member in manifest.members]
    if names not in ([PAYLOADS[manifest.kind]], [PAYLOADS[manifest.kind], ENRICHMENT]):
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
