"""Manifests are read strictly: what two readers could understand differently is refused (OCI image spec 1.1)."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.domain import limits, manifests
from hullwise.domain.errors import HullwiseError, InvalidManifest, InvalidParameter, ManifestTooLarge
from hullwise.domain.manifests import (
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Kind,
    Manifest,
)

TAR = "application/vnd.oci.image.layer.v1.tar+gzip"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


def descriptor(letter: str = "a", media_type: str = TAR, size: Any = 7, **members: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(letter), "size": size, **members}


def manifest(**members: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("c", OCI_CONFIG),
        "layers": [descriptor("a")],
        **members,
    }


def index(**members: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor("d", OCI_MANIFEST)], **members}


def parse(document: Any, declared: str | None = None) -> Manifest:
    return manifests.parse(json.dumps(document).encode(), declared)


def test_a_manifest_has_a_config_and_layers() -> None:
    """Each descriptor is kept as written, layers lowest first."""
    found = parse(manifest(layers=[descriptor("b"), descriptor("a", size=0)], annotations={"a": "b"}))
    assert found == Manifest(
        kind=Kind.MANIFEST,
        media_type=OCI_MANIFEST,
        artifact_type=OCI_CONFIG,
        config=Descriptor(OCI_CONFIG, digest("c"), 7),
        layers=(Descriptor(TAR, digest("b"), 7), Descriptor(TAR, digest("a"), 0)),
        annotations={"a": "b"},
    )
    assert found.blobs == (found.config, *found.layers)
    assert found.scannable


def test_an_index_has_children() -> None:
    """Each with the platform that it is for; an index is no image itself."""
    arm = descriptor("d", OCI_MANIFEST, platform={"os": "linux", "architecture": "arm", "variant": "v7", "x": 1})
    odd = descriptor("e", OCI_MANIFEST, platform={"os": 1, "architecture": "arm64"})
    found = parse(index(manifests=[arm, odd, descriptor("f", OCI_INDEX)]))
    assert [child.platform for child in found.children] == ["linux/arm/v7", "arm64", ""]
    assert (found.kind, found.artifact_type, found.scannable, found.blobs) == (Kind.INDEX, "", False, ())


@pytest.mark.parametrize(
    ("config", "scannable"),
    [
        (OCI_CONFIG, True),
        (DOCKER_CONFIG, True),
        (OCI_EMPTY, False),
        ("application/vnd.cncf.helm.config.v1+json", False),
    ],
)
def test_an_image_is_known_by_its_config(config: str, scannable: bool) -> None:
    """Helm charts and other artifacts are manifests too, and no images."""
    found = parse(manifest(config=descriptor("c", config)))
    assert (found.scannable, found.artifact_type) == (scannable, config)


@pytest.mark.parametrize(
    ("layers", "scannable"),
    [
        ([], True),
        (
            [TAR, "application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar.gzip"],
            True,
        ),
        ([FOREIGN], True),
        (["application/vnd.in-toto+json"], False),
        ([TAR, "application/vnd.in-toto+json"], False),
    ],
)
def test_an_image_is_made_of_file_systems(layers: list[str], scannable: bool) -> None:
    """buildx stores attestations under the config of an image; their layers tell."""
    assert parse(manifest(layers=[descriptor("a", layer) for layer in layers])).scannable is scannable


def test_an_artifact_type_goes_before_that_of_the_config() -> None:
    """`artifactType` says what it is; an empty one says nothing."""
    assert parse(manifest(artifactType="application/spdx+json")).artifact_type == "application/spdx+json"
    assert parse(manifest(artifactType="")).artifact_type == OCI_CONFIG
    assert parse(index(artifactType="application/x.y")).artifact_type == "application/x.y"


def test_a_subject_is_a_descriptor() -> None:
    """What a signature or an SBOM is about; null is none."""
    assert parse(manifest(subject=descriptor("e", OCI_MANIFEST))).subject == Descriptor(OCI_MANIFEST, digest("e"), 7)
    assert parse(manifest(subject=None)).subject is None


def test_foreign_layers_need_not_be_here() -> None:
    """Windows' base layers stay with their vendor: they are no blobs of the registry."""
    found = parse(manifest(layers=[descriptor("a", FOREIGN), descriptor("b")]))
    assert [layer.foreign for layer in found.layers] == [True, False]
    assert found.blobs == (found.config, found.layers[1])


@pytest.mark.parametrize(
    ("own", "declared", "kind"),
    [
        (OCI_MANIFEST, None, Kind.MANIFEST),
        (OCI_MANIFEST, OCI_MANIFEST, Kind.MANIFEST),
        (None, OCI_MANIFEST, Kind.MANIFEST),
        ("", OCI_MANIFEST, Kind.MANIFEST),
        (None, DOCKER_MANIFEST, Kind.MANIFEST),
        (DOCKER_MANIFEST, None, Kind.MANIFEST),
    ],
)
def test_the_media_type_is_the_documents_or_the_requests(own: str | None, declared: str | None, kind: Kind) -> None:
    """OCI lets a manifest leave it out; then the request says it."""
    found = parse(manifest(mediaType=own), declared)
    assert (found.media_type, found.kind) == (own or declared, kind)


def test_a_docker_list_is_an_index() -> None:
    """Docker's manifest list is the older form of the same."""
    assert parse(index(mediaType=DOCKER_LIST)).kind is Kind.INDEX


NO_DIGEST = descriptor() | {"digest": "sha256:abc"}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (manifest(schemaVersion=1), "schema 1"),
        (manifest(schemaVersion="2"), "schema 1"),
        (manifest(schemaVersion=2.0), "schema 1"),
        (manifest(schemaVersion=True), "schema 1"),
        ({"schemaVersion": 2}, None),
        (manifest(mediaType=None), None),
        (manifest(mediaType=7), "mediaType must be a media type"),
        (manifest(mediaType="application/json"), "unsupported manifest media type 'application/json'"),
        (manifest(mediaType="application/vnd.docker.distribution.manifest.v1+json"), "unsupported"),
        (manifest(mediaType=OCI_MANIFEST + "\n"), "mediaType must be a media type"),
        (manifest(manifests=[]), "both a manifest and an index"),
        (index(layers=[]), "both a manifest and an index"),
        (index(config=descriptor("c", OCI_CONFIG)), "both a manifest and an index"),
        (manifest(mediaType=OCI_INDEX), "an index must have manifests"),
        (index(mediaType=OCI_MANIFEST), "a manifest must have a config"),
        (index(manifests={}), "manifests must be a list"),
        (index(manifests=None), "manifests must be a list"),
        (manifest(layers="none"), "layers must be a list"),
        (manifest(layers=["sha256:…"]), "layers[0] must be a descriptor"),
        (manifest(layers=[descriptor(), NO_DIGEST]), "layers[1].digest must be a digest"),
        (manifest(config=None), "config must be a descriptor"),
        (manifest(config=descriptor("c", "")), "config.mediaType must be a media type"),
        (manifest(config=descriptor("c", "x" * 256)), "config.mediaType must be a media type"),
        (manifest(config=descriptor("c", "a/b\0")), "config.mediaType must be a media type"),
        (manifest(config=descriptor("c", "a/\ud800")), "Invalid JSON syntax"),
        (manifest(config=descriptor("c", "a/é")), "config.mediaType must be a media type"),
        (manifest(config=descriptor("C")), "config.digest must be a digest"),
        (manifest(subject="latest"), "subject must be a descriptor"),
        (manifest(artifactType=["a/b"]), "artifactType must be a media type"),
        (manifest(artifactType="a/\0"), "artifactType must be a media type"),
        (manifest(layers=[descriptor()] * 4_097), "Limit on number of layers per image exceeded"),
        (index(manifests=[descriptor()] * 1_001), "too many manifests"),
        ([], "Invalid JSON syntax"),
        ("text", "Invalid JSON syntax"),
        (None, "Invalid JSON syntax"),
    ],
)
def test_what_is_no_manifest_is_refused(document: Any, why: str | None) -> None:
    """Each with the sentence that says what is wrong; without a media type, which parameter is missing."""
    with pytest.raises(InvalidParameter) as refused:
        parse(document)
    assert isinstance(refused.value, InvalidManifest) is (why is not None)
    assert (why or "imageManifestMediaType") in str(refused.value)


@pytest.mark.parametrize("size", [None, "7", -1, 1 << 63, 7.5, True, [7]])
def test_a_size_is_a_number_of_bytes(size: Any) -> None:
    """From 0 to what 63 bits hold, and a whole number."""
    with pytest.raises(InvalidManifest, match=r"layers\[0\]\.size must be a number of bytes"):
        parse(manifest(layers=[descriptor(size=size)]))


@pytest.mark.parametrize(
    ("own", "declared"),
    [(OCI_MANIFEST, DOCKER_MANIFEST), (OCI_MANIFEST, OCI_INDEX), (DOCKER_LIST, OCI_INDEX)],
)
def test_two_media_types_must_agree(own: str, declared: str) -> None:
    """A document that is one thing to the registry and another to its client is refused (CVE-2021-41190)."""
    document = index(mediaType=own) if own == DOCKER_LIST else manifest(mediaType=own)
    with pytest.raises(InvalidManifest, match="differs from the declared"):
        parse(document, declared)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf" + json.dumps(manifest()).encode(),
        json.dumps(manifest()).encode("utf-16"),
        json.dumps(manifest()).encode("utf-32-le"),
        json.dumps(manifest()).encode() + b"{}",
        json.dumps(manifest()).encode() + b"\0",
        b'{"schemaVersion": 2, "config": ' + b"[" * 100_000,
        b'{"schemaVersion": ' + b"9" * 10_000 + b"}",
        json.dumps(manifest(x=float("nan"))).encode(),
        json.dumps(manifest(x=[float("-inf")])).encode(),
        # Halves of characters, legal as escapes and in no encoding.
        json.dumps(manifest(annotations={"a": "\ud800"})).encode(),
        json.dumps(manifest(x={"\udfff": 1})).encode(),
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """JSON in UTF-8 and nothing else, also where `json` itself would guess."""
    with pytest.raises(InvalidManifest):
        manifests.parse(body, OCI_MANIFEST)


def test_characters_beyond_the_first_65536() -> None:
    """Two halves are one."""
    body = json.dumps(manifest(annotations={"a": "\U0001f6a2"})).encode()
    assert b"\\ud83d" in body
    assert manifests.parse(body, OCI_MANIFEST).annotations == {"a": "\U0001f6a2"}


def test_what_was_taken_by_older_rules_is_still_read() -> None:
    """Without the texts that cannot be written."""
    body = json.dumps(manifest(annotations={"a": "\ud800", "\udc00": "b", "c": "d"}, x=float("nan"))).encode()
    assert manifests.stored(body, OCI_MANIFEST).annotations == {"c": "d"}


@pytest.mark.parametrize("notes", [[], "x", {"a": 1}, {"a": None}, {"a": ["b"]}])
def test_annotations_are_texts(notes: Any) -> None:
    """(image spec, annotations.md): clients that read a map of texts refuse the whole manifest."""
    with pytest.raises(InvalidManifest, match="annotations"):
        manifests.parse(json.dumps(manifest(annotations=notes)).encode(), OCI_MANIFEST)


@pytest.mark.parametrize(
    "inner",
    [
        '"schemaVersion": 2, "schemaVersion": 2',
        '"schemaVersion": 2, "layers": [], "layers": []',
        '"schemaVersion": 2, "config": {"size": 1, "size": 2}',
        '"schemaVersion": 2, "annotations": {"a": "1", "\\u0061": "2"}',
    ],
)
def test_repeated_keys_are_refused(inner: str) -> None:
    """Readers differ in which of two equal keys they take, at any depth and however the key is written."""
    with pytest.raises(InvalidManifest, match="Repeated JSON keys"):
        manifests.parse(f"{{{inner}}}".encode(), OCI_MANIFEST)


def test_the_limit_is_four_mebibytes() -> None:
    """A body of exactly the limit is read, one byte more is not."""
    body = json.dumps(manifest()).encode()
    assert limits.MANIFEST_BYTES == 4_194_304
    manifests.parse(body + b" " * (limits.MANIFEST_BYTES - len(body)))
    with pytest.raises(ManifestTooLarge, match="4194304 bytes"):
        manifests.parse(body + b" " * (limits.MANIFEST_BYTES - len(body) + 1))


def nested(depth: int, value: str = "[]", member: str = "x") -> bytes:
    """A manifest so many lists and objects deep, of which one is the document."""
    begin, end = value[0], value[1]
    inner = (begin + '"":' if begin == "{" else begin) * (depth - 2) + begin + end * (depth - 1)
    return json.dumps(manifest()).encode()[:-1] + f', "{member}": {inner}}}'.encode()


def far_down(call: Any, frames: int = 700) -> Any:
    """What it returns where so many calls led to it."""
    return call() if frames == 0 else far_down(call, frames - 1)


@pytest.mark.parametrize("value", ["[]", "{}"])
def test_a_manifest_is_so_deep(value: str) -> None:
    """The same for every reader, however many calls lead to it; brackets in a text are none."""
    text = "[" * 1_000
    assert far_down(lambda: manifests.parse(nested(64, value))).layers
    assert parse(manifest(annotations={"a": text}, x=[[]] * 100)).annotations == {"a": text}
    for depth in (65, 300, 982, 30_000):
        with pytest.raises(InvalidManifest, match="at most 64 JSON lists and objects in each other"):
            manifests.parse(nested(depth, value))
    with pytest.raises(InvalidManifest, match="in each other"):
        manifests.parse(nested(65, value, "annotations"))


@pytest.mark.parametrize("value", ["[]", "{}"])
@pytest.mark.parametrize("depth", [64, 65, 66, 300, 982, 30_000])
def test_what_was_taken_deeper_is_still_read(value: str, depth: int) -> None:
    """All that is known of it, behind what is deep too, and however many calls lead to it."""
    notes = {"a": '"\\[{', "b": "]}"}
    after = json.dumps({"annotations": notes, "subject": descriptor("e", OCI_MANIFEST), "y": [[1], {"z": 2}]}).encode()
    body = nested(depth, value)[:-1] + b"," + after[1:]
    found = parse(manifest(annotations=notes, subject=descriptor("e", OCI_MANIFEST)))
    assert manifests.stored(body, OCI_MANIFEST) == found
    assert far_down(lambda: manifests.stored(body, OCI_MANIFEST)) == found


BEGIN = json.dumps(manifest()).encode()[:-1] + b', "x": '


def body_with(inner: bytes) -> bytes:
    """A manifest with one member more."""
    return BEGIN + inner + b"}"


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (b"0", 1),
        (b"[]", 2),
        (b'{"":0}', 2),
        (b'{"a":{"b":[0,1]}}', 5),
        (b'"[{,"', 1),
        (b'"\\\\"', 1),
        (b'"\\"["', 1),
        (b'"\\\\\\"["', 1),
    ],
)
def test_a_manifest_has_so_many_values(value: bytes, count: int) -> None:
    """What takes many times its bytes is bounded before it is read; an empty list counts as if it had a value."""
    before = sum(BEGIN.count(each) for each in (b",", b"[", b"{"))
    most = (limits.VALUES - before) // count
    manifests.parse(body_with(b"[" + b",".join([value] * most) + b"]"))
    with pytest.raises(InvalidManifest, match="at most 65,536 JSON values"):
        manifests.parse(body_with(b"[" + b",".join([value] * (most + 1)) + b"]"))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * limits.MANIFEST_BYTES,
        b"{" * limits.MANIFEST_BYTES,
        b'"' * limits.MANIFEST_BYTES,
        b'"",' * (limits.MANIFEST_BYTES // 3),
        b'"' + b'\\"[' * (limits.MANIFEST_BYTES // 4),
        b"\\" * (limits.MANIFEST_BYTES - 1) + b"[",
        b'[{"":0}' + b',{"":0}' * ((limits.MANIFEST_BYTES - 8) // 7) + b"]",
    ],
    ids=["lists", "objects", "quotes", "strings", "a string", "backslashes", "small objects"],
)
def test_refusing_takes_little_memory(body: bytes) -> None:
    """Some times the bytes of a manifest, and not forty times them."""
    tracemalloc.start()
    try:
        with pytest.raises(InvalidManifest):
            manifests.parse(body, OCI_MANIFEST)
        assert tracemalloc.get_traced_memory()[1] < 8 * limits.MANIFEST_BYTES
    finally:
        tracemalloc.stop()


def test_a_text_in_an_annotation_is_one_value() -> None:
    """Whatever stands in it, as long as the manifest may be."""
    text = json.dumps([{"a": '"\\'}] * 100_000)
    assert parse(manifest(annotations={"bom": text})).annotations == {"bom": text}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([OCI_CONFIG, digest("a")]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["mediaType", "digest", "size", "platform", "os"]), inner, max_size=4)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "artifactType", "annotations"]
        ),
        VALUES,
    ),
    st.sampled_from([None, OCI_MANIFEST, OCI_INDEX]),
)
def test_nothing_but_the_declared_errors(members: dict[str, Any], declared: str | None) -> None:
    """Whatever stands in the members, the answer is a manifest or an error that the caller is told of."""
    try:
        found = parse(manifest() | members, declared)
    except HullwiseError:
        return
    assert found.media_type in manifests.KINDS


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error_of_ours(body: bytes) -> None:
    """Any bytes at all."""
    with pytest.raises(HullwiseError):
        manifests.parse(body, OCI_MANIFEST)
