"""Image configs: what a scan needs of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from hullwise.domain import digests

CONFIG_LIMIT = 8 << 20
"""Bytes. Real configs are a few kilobytes; history is the only part that grows."""

_REPLACED = rb"\ufffd"
_UNSTORABLE = re.compile(
    # What is before a backslash is looked at once: with an odd one before it, it begins no escape.
    rb"(?<!\\)((?:\\\\)*+)"
    rb"(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
"""Escapes of NUL and of halves of characters, and those of two halves that make one, which stay."""


class UnreadableConfig(Exception):
    """The config blob of an image is not an image config. The message says what is wrong."""


class _RootFs(msgspec.Struct):
    diff_ids: list[str] = []


class _Config(msgspec.Struct):
    architecture: str = ""
    os: str = ""
    author: str = ""
    created: str | None = None
    rootfs: _RootFs = msgspec.field(default_factory=_RootFs)


class ImageConfig(msgspec.Struct, frozen=True):
    architecture: str
    os: str
    author: str
    diff_ids: tuple[str, ...]
    """Digest of each layer's uncompressed tar, lowest layer first: a claim to be checked."""


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """What identifies the lowest layer, the two lowest, and so on (OCI image spec, config.md, "Layer ChainID"). They
    do not depend on how the layers are compressed."""
    found: list[str] = []
    for diff_id in diff_ids:
        found.append(digests.of(f"{found[-1]} {diff_id}".encode()) if found else diff_id)
    return tuple(found)


def parse(body: bytes) -> ImageConfig:
    """Read an image config (OCI image spec, config.md; Docker's is the same). Raises UnreadableConfig.

    Escapes of NUL and of halves of characters are U+FFFD in it. Go, and so docker, takes both, and reads a half so,
    since nobody can write it; PostgreSQL keeps no NUL. Were that left out, one text would become another: the name of a
    member, or an architecture."""
    if len(body) > CONFIG_LIMIT:
        raise UnreadableConfig(f"the image config is over {CONFIG_LIMIT} bytes")
    try:
        config = msgspec.json.decode(_storable(body), type=_Config)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableConfig(f"the image config cannot be read: {error}") from error
    return ImageConfig(config.architecture, config.os, config.author, tuple(config.rootfs.diff_ids))


def _storable(body: bytes) -> bytes:
    return _UNSTORABLE.sub(_kept_or_replaced, body) if b"\\u" in body else body


def _kept_or_replaced(found: re.Match[bytes]) -> bytes:
    backslashes, character = found.groups()
    return found[0] if character is not None else backslashes + _REPLACED
