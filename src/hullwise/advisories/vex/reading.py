"""Reading a VEX document that somebody handed over: in a process of its own, under limits, without a network."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec

from hullwise.advisories.records import Unparsable
from hullwise.advisories.vex.document import DOCUMENT_LIMIT, Document

SECONDS = 60.0
MEMORY_BYTES = 2 << 30
"""Bytes of address space: documents of millions of empty parts take most of it before they are refused."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    why: str


class Read(msgspec.Struct, frozen=True, tag=True):
    document: Document


_decoder: msgspec.msgpack.Decoder[Read | Failed] = msgspec.msgpack.Decoder(Read | Failed)


def read(document: bytes) -> Document:
    """What the document says. Raises Unparsable."""
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    command = [sys.executable, "-I", "-X", "utf8", "-m", "hullwise.advisories.vex.child", str(os.getpid())]
    environment = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    try:
        done = subprocess.run(  # noqa: PLW1510 - its status is looked at
            command, input=document, capture_output=True, env=environment, timeout=SECONDS, start_new_session=True
        )
    except subprocess.TimeoutExpired as error:
        raise Unparsable("takes too long to read") from error
    if done.returncode:
        raise Unparsable("takes more to read than it may")
    said = _decoder.decode(done.stdout)
    if isinstance(said, Failed):
        raise Unparsable(said.why)
    return said.document
