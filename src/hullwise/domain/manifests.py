"""Image manifests and indexes, OCI and Docker: parsed once, strictly, from the exact bytes that were pushed."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeGuard

import msgspec

from hullwise.domain import digests, strict_json
from hullwise.domain.errors import InvalidManifest, InvalidParameter, ManifestTooLarge
from hullwise.domain.limits import CHILDREN, DEPTH, LAYERS, MANIFEST_BYTES, VALUES

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_SCHEMA1 = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)


class Kind(Enum):
    MANIFEST = "manifest"
    INDEX = "index"


KINDS = {
    OCI_MANIFEST: Kind.MANIFEST,
    DOCKER_MANIFEST: Kind.MANIFEST,
    OCI_INDEX: Kind.INDEX,
    DOCKER_LIST: Kind.INDEX,
}

IMAGE_CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})

# Layer media types that are file systems, beside the foreign ones below.
FILE_SYSTEMS = frozenset(
    {
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    }
)

# Layer media types whose blob may live elsewhere, so that a push need not bring it (image spec, "non-distributable").
FOREIGN_LAYERS = frozenset(
    {
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    }
)

_LARGE = threading.Lock()
"""Held while a large one is read, which takes several times its bytes: the interpreter reads one at a time anyway."""

_TOO_DEEP = f"A manifest has at most {DEPTH} JSON lists and objects in each other"

# Strings are matched so that no bracket in them is.
_MARKS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]', re.DOTALL)


class Descriptor(msgspec.Struct, frozen=True):
    media_type: str
    digest: str
    size: int
    """Bytes, as the manifest states it."""
    platform: str = ""
    """`os/architecture` with the variant, in an index; else empty."""

    @property
    def foreign(self) -> bool:
        return self.media_type in FOREIGN_LAYERS


class Manifest(msgspec.Struct, frozen=True):
    """A manifest or an index. What the other kind has is empty."""

    kind: Kind
    media_type: str
    artifact_type: str
    """`artifactType`, else the media type of the config; empty for an index without either."""
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}

    @property
    def scannable(self) -> bool:
        """Whether it is a container image: a config of an image, and layers that are file systems.

        Indexes and artifacts are not, nor are the attestations that buildx stores with an image's config.
        """
        if self.config is None or self.config.media_type not in IMAGE_CONFIGS:
            return False
        return all(layer.media_type in FILE_SYSTEMS or layer.foreign for layer in self.layers)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The config and the layers that the registry itself must hold."""
        config = (self.config,) if self.config is not None else ()
        return config + tuple(layer for layer in self.layers if not layer.foreign)


def _is_media_type(value: Any) -> TypeGuard[str]:
    """Whether it may stand for a media type: short, and nothing that a database or a header would stumble over."""
    return isinstance(value, str) and 0 < len(value) <= 255 and value.isascii() and value.isprintable()


def _descriptor(value: Any, where: str) -> Descriptor:
    if not isinstance(value, dict):
        raise InvalidManifest(f"{where} must be a descriptor")
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not _is_media_type(media_type):
        raise InvalidManifest(f"{where}.mediaType must be a media type")
    if not isinstance(digest, str) or not digests.is_digest(digest):
        raise InvalidManifest(f"{where}.digest must be a digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 63:
        raise InvalidManifest(f"{where}.size must be a number of bytes")
    platform = value.get("platform")
    text = ""
    if isinstance(platform, dict):
        parts = [platform.get("os"), platform.get("architecture"), platform.get("variant")]
        text = "/".join(part for part in parts if isinstance(part, str) and part)
    return Descriptor(media_type, digest, size, text)


def _list(document: dict[str, Any], key: str, limit: int) -> tuple[Descriptor, ...]:
    value = document.get(key, [])
    if not isinstance(value, list):
        raise InvalidManifest(f"{key} must be a list")
    if len(value) > limit:
        raise InvalidManifest("Limit on number of layers per image exceeded" if key == "layers" else f"too many {key}")
    return tuple(_descriptor(item, f"{key}[{index}]") for index, item in enumerate(value))


def _is_over(body: bytes) -> bool:
    """Whether it has more than VALUES values, by its commas and opening brackets; of what is no JSON, those that a
    reader may come to before it sees that."""
    if _separators(body) <= VALUES:
        return False
    # Not those in strings: an annotation may hold a long text.
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # A value is a string and has one for its key, at most: two quotes each.
    parts = unescaped.split(b'"', 4 * VALUES)
    return len(parts) > 4 * VALUES or _separators(b"".join(parts[::2])) > VALUES


def _separators(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _document(body: bytes, decode: Callable[[str], Any]) -> dict[str, Any]:
    if len(body) > MANIFEST_BYTES:
        raise ManifestTooLarge(MANIFEST_BYTES)
    # No more values than bytes.
    if len(body) <= VALUES:
        return _decoded(body, decode)
    with _LARGE:
        if _is_over(body):
            raise InvalidManifest(f"A manifest has at most {VALUES:,} JSON values")
        return _decoded(body, decode)


def _decoded(body: bytes, decode: Callable[[str], Any]) -> dict[str, Any]:
    try:
        # UTF-8 and nothing else: left to itself `json` also guesses UTF-16 and UTF-32, which other readers refuse.
        document = decode(body.decode())
    except strict_json.RepeatedKeys as error:
        raise InvalidManifest("Repeated JSON keys") from error
    except RecursionError as error:
        raise InvalidManifest(_TOO_DEEP) from error
    except ValueError as error:
        raise InvalidManifest("Invalid JSON syntax") from error
    if not isinstance(document, dict):
        raise InvalidManifest("Invalid JSON syntax")
    return document


def _is_deep(document: dict[str, Any]) -> bool:
    """Whether it has more than DEPTH lists and objects in each other. The decoder's own limit is no measure: it is what
    the calls that led to it have left of Python's."""
    level: list[Any] = [document]
    for _ in range(DEPTH):
        values = (value for each in level for value in (each.values() if isinstance(each, dict) else each))
        level = [value for value in values if isinstance(value, dict | list)]
        if not level:
            return False
    return True


def _decode_any_depth(text: str) -> Any:
    """The document; where it is deeper than the decoder goes, without what lies below DEPTH."""
    try:
        return json.loads(text)
    except RecursionError:
        return json.loads(_shallow(text))


def _shallow(text: str) -> str:
    """The document with null for each list and object that has DEPTH others around it."""
    kept, begin, depth = [], 0, 0
    for mark in _MARKS.finditer(text):
        match text[mark.start()]:
            case "[" | "{":
                if depth == DEPTH:
                    kept += [text[begin : mark.start()], "null"]
                depth += 1
            case "]" | "}":
                depth -= 1
                if depth == DEPTH:
                    begin = mark.end()
    return "".join([*kept, text[begin:]])


def _media_type(document: dict[str, Any], declared: str | None) -> str:
    """The document's own media type, which must agree with what the request declares where both are there."""
    own = document.get("mediaType")
    if own not in (None, "") and not _is_media_type(own):
        raise InvalidManifest("mediaType must be a media type")
    if own and declared and own != declared:
        raise InvalidManifest(f"mediaType '{own[:255]}' differs from the declared '{declared[:255]}'")
    found = own or declared
    if not found:
        raise InvalidParameter("imageManifestMediaType", "must be given where the manifest states no mediaType")
    return found


def stored(body: bytes, media_type: str) -> Manifest:
    """A manifest that was taken once, by whatever rules were in force. Texts that cannot be written are left out."""
    found = _parsed(_document(body, _decode_any_depth), media_type)
    notes = {key: value for key, value in found.annotations.items() if _is_written(key) and _is_written(value)}
    return found if len(notes) == len(found.annotations) else msgspec.structs.replace(found, annotations=notes)


def _is_written(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse(body: bytes, declared_media_type: str | None = None) -> Manifest:
    """Read a manifest or index. `declared_media_type` is what the request says of it (without parameters), or None.

    Raises ManifestTooLarge over MANIFEST_BYTES bytes and InvalidManifest or InvalidParameter for whatever is not
    exactly one of the four kinds that KINDS lists: other media types, schema 1, both `layers` and `manifests`,
    repeated keys, broken descriptors, annotations that are no texts (image spec, annotations.md), more than VALUES
    values, more than DEPTH lists and objects in each other.
    """
    document = _document(body, strict_json.decode)
    if body.count(b"[") + body.count(b"{") > DEPTH and _is_deep(document):
        raise InvalidManifest(_TOO_DEEP)
    notes = document.get("annotations")
    if notes is not None and not (isinstance(notes, dict) and all(isinstance(each, str) for each in notes.values())):
        raise InvalidManifest("annotations must be texts by name")
    return _parsed(document, declared_media_type)


def _parsed(document: dict[str, Any], declared_media_type: str | None) -> Manifest:
    version = document.get("schemaVersion")
    if not isinstance(version, int) or version != 2:
        raise InvalidManifest("schemaVersion must be 2; schema 1 manifests are not supported")
    media_type = _media_type(document, declared_media_type)
    kind = KINDS.get(media_type)
    if kind is None:
        raise InvalidManifest(f"unsupported manifest media type '{media_type[:255]}'")
    if ("layers" in document or "config" in document) and "manifests" in document:
        raise InvalidManifest("a document cannot be both a manifest and an index")
    subject = _descriptor(document["subject"], "subject") if document.get("subject") is not None else None
    artifact_type = document.get("artifactType")
    if artifact_type not in (None, "") and not _is_media_type(artifact_type):
        raise InvalidManifest("artifactType must be a media type")
    annotations = document.get("annotations")
    notes = annotations if isinstance(annotations, dict) else {}
    texts = {key: value for key, value in notes.items() if isinstance(value, str)}
    if kind is Kind.INDEX:
        if "manifests" not in document:
            raise InvalidManifest("an index must have manifests")
        children = _list(document, "manifests", CHILDREN)
        return Manifest(kind, media_type, artifact_type or "", children=children, subject=subject, annotations=texts)
    if "config" not in document:
        raise InvalidManifest("a manifest must have a config")
    config = _descriptor(document["config"], "config")
    return Manifest(
        kind=kind,
        media_type=media_type,
        artifact_type=artifact_type or config.media_type,
        config=config,
        layers=_list(document, "layers", LAYERS),
        subject=subject,
        annotations=texts,
    )
