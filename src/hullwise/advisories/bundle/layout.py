"""The parts of a bundle's file: their order, names and limits.

    NAME.hwbundle             uncompressed tar (ustar), exactly these members, regular files, in this order
      manifest.json           what is in it (Manifest)
      manifest.sig            `hullwise-signature KEY_ID BASE64URL`: Ed25519 over CONTEXT and all of manifest.json
      generation.sqlite.zst   of a whole bundle: the generation's file
      delta.msgpack.zst       of a delta: frames of changes, by source and record
      enrichment.msgpack.zst  scores, exploitation and ends of support (Enrichment), where there are any

The signature covers the manifest, and the manifest the size and SHA-256 of each member after it. The manifest is read
when its signature is known to be right, and a member is unpacked when its hash is. Nothing is extracted: no name in the
file is ever a path.
"""

from __future__ import annotations

import re

FORMAT = 1
"""Of the bundle. A bundle of a newer one is not opened."""
CONTEXT = b"hullwise bundle\n"
"""Before what is signed, so that no other signature of the key can stand for one of a bundle."""

SUFFIX = ".hwbundle"

_MIB = 1 << 20
_GIB = 1 << 30

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
ENRICHMENT = "enrichment.msgpack.zst"
PAYLOADS = {"whole": "generation.sqlite.zst", "delta": "delta.msgpack.zst"}

MANIFEST_LIMIT = 4 * _MIB
SIGNATURE_LIMIT = 256
PACKED_LIMIT = 8 * _GIB - 1
"""Bytes of a member: the most that a header of ustar can state."""
UNPACKED_LIMITS = {
    PAYLOADS["whole"]: 32 * _GIB,
    PAYLOADS["delta"]: 32 * _GIB,
    ENRICHMENT: 256 * _MIB,
}
"""Bytes that a member may unpack to. All of osv.dev is a generation of about 1 GiB; all of EPSS takes 20 MB."""

SIGNATURE_FORM = re.compile(rb"hullwise-signature ([0-9a-f]{16}) ([A-Za-z0-9_-]{86})\n")
