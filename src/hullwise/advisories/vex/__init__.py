"""VEX documents: what vendors and owners say of vulnerabilities in their products, in three formats."""

from __future__ import annotations

import msgspec

from hullwise.advisories.records import Unparsable
from hullwise.advisories.vex import csaf, cyclonedx, openvex
from hullwise.advisories.vex.document import Document, decode

__all__ = ["Document", "parse"]

_ABSENT = msgspec.Raw()


class _Probe(msgspec.Struct, rename={"context": "@context", "bom_format": "bomFormat"}):
    """The members that tell one format from another, not decoded; empty where they are absent."""

    context: msgspec.Raw = _ABSENT
    bom_format: msgspec.Raw = _ABSENT
    document: msgspec.Raw = _ABSENT


_probe = msgspec.json.Decoder(_Probe)


def parse(document: bytes) -> Document:
    """A VEX document of whichever format its members show. Raises Unparsable for anything else: other JSON, a page, a
    half, one that is over a limit."""
    probe = decode(document, _probe)
    if bytes(probe.bom_format):
        return cyclonedx.parse(document)
    if bytes(probe.document):
        return csaf.parse(document)
    if bytes(probe.context):
        return openvex.parse(document)
    raise Unparsable("is no VEX document of a format that is known")
