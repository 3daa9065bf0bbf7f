"""Copies with skopeo: between repositories, of all platforms, of what is attached, and after a broken connection."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from tests.support.images import Image, Layer, image, layer, sha256, tar
from tests.support.layouts import write_layout, write_platforms
from tests.support.pushing import manifest
from tests.support.registry import Server
from tests.support.relay import Relay
from tests.wire.conftest import FROM, INSECURE, TO, Run

pytestmark = pytest.mark.wire

BOTH = [FROM, TO]
MEBI = 1 << 20


def noise_layer(size: int, seed: bytes) -> Layer:
    """Of a file of that size that does not compress, and is not compressed."""
    block = hashlib.shake_256(seed).digest(MEBI)
    unpacked = tar({"noise": (block * (size // MEBI + 1))[:size]})
    return Layer(gzip.compress(unpacked, compresslevel=0, mtime=0), sha256(unpacked))


def uploads(wire: Relay) -> tuple[list[str], list[str]]:
    """Paths with which uploads began, and those with which bytes came, since it was last asked."""
    asked = wire.asked()
    begun = [path for method, path in asked if method == "POST"]
    return begun, [path for method, path in asked if method == "PATCH"]


def test_a_copy_between_repositories_mounts_its_layers(
    server: Server, run: Run, wire: Relay, small_image: Image, tmp_path: Path
) -> None:
    """No byte of a layer is sent again: the one repository takes it from the other."""
    for name in ("wire/source", "wire/target"):
        server.client().create_repository(repositoryName=name)
    run.login("skopeo", INSECURE, host=wire.host)
    source, target = (f"docker://{wire.host}/wire/{name}:1" for name in ("source", "target"))
    layout = write_layout(tmp_path / "layout", small_image)
    run("skopeo", "copy", TO, f"oci:{layout}:latest", source)
    begun, sent = uploads(wire)
    assert begun == ["/v2/wire/source/blobs/uploads/"] * 3
    assert len(sent) == 3
    run("skopeo", "copy", *BOTH, source, target)
    begun, sent = uploads(wire)
    mounts = [path for path in begun if "mount=" in path]
    layers = [found.digest.replace(":", "%3A") for found in small_image.layers]
    assert sorted(mounts) == sorted(
        f"/v2/wire/target/blobs/uploads/?from=wire%2Fsource&mount={digest}" for digest in layers
    )
    # skopeo reads the config to know the image, and sends what it read.
    assert len(sent) == len(begun) - len(mounts) == 1
    assert json.loads(run("skopeo", "inspect", INSECURE, target))["Digest"] == small_image.digest


def test_all_platforms_go_from_repository_to_repository(server: Server, run: Run, tmp_path: Path) -> None:
    """`copy --all` brings index and images, byte for byte; each platform is pulled by its name."""
    for name in ("wire/platforms", "wire/mirror"):
        server.client().create_repository(repositoryName=name)
    run.login("skopeo", INSECURE)
    images = {f"linux/{name}": image([layer({"arch": name.encode()})]) for name in ("amd64", "arm64")}
    layout = write_platforms(tmp_path / "platforms", images)
    source, target = (f"docker://{server.host}/wire/{name}:all" for name in ("platforms", "mirror"))
    run("skopeo", "copy", "--all", TO, f"oci:{layout}", source)
    run("skopeo", "copy", "--all", *BOTH, source, target)
    index_digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    assert sha256(run("skopeo", "inspect", "--raw", INSECURE, target).encode()) == index_digest
    details = server.client().describe_images(repositoryName="wire/mirror")["imageDetails"]
    assert {each["imageDigest"] for each in details} == {index_digest, *(one.digest for one in images.values())}
    for platform, one in images.items():
        chosen = tmp_path / one.digest
        run("skopeo", "--override-arch", platform.partition("/")[2], "copy", FROM, target, f"dir:{chosen}")
        assert (chosen / "manifest.json").read_bytes() == one.manifest


def test_tags_are_listed_and_images_deleted(server: Server, run: Run, small_image: Image, tmp_path: Path) -> None:
    """skopeo deletes the digest that it is given, or that the tag names: with all tags, and nothing else."""
    server.client().create_repository(repositoryName="wire/deleted")
    run.login("skopeo", INSECURE)
    remote = f"docker://{server.host}/wire/deleted"
    other = image([layer({"other": b"other\n"})])
    for tag, one in (("one", small_image), ("same", small_image), ("two", other), ("kept", image([]))):
        run("skopeo", "copy", TO, f"oci:{write_layout(tmp_path / tag, one)}:latest", f"{remote}:{tag}")

    def tags() -> list[str]:
        found: list[str] = json.loads(run("skopeo", "list-tags", INSECURE, remote))["Tags"]
        return found

    assert tags() == ["kept", "one", "same", "two"]
    run("skopeo", "delete", INSECURE, f"{remote}@{other.digest}")
    assert tags() == ["kept", "one", "same"]
    run("skopeo", "delete", INSECURE, f"{remote}:one")
    assert tags() == ["kept"]
    said = run.refused("skopeo", "delete", INSECURE, f"{remote}:one")
    assert "Image may not exist" in said


def test_signatures_are_copied_with_their_image(server: Server, run: Run, small_image: Image, tmp_path: Path) -> None:
    """Cosign's signature is an image beside the image; skopeo brings it along, and its annotation unchanged."""
    for name in ("wire/signed", "wire/promoted"):
        server.client().create_repository(repositoryName=name)
    run.login("skopeo", INSECURE)
    source, target = (f"docker://{server.host}/wire/{name}" for name in ("signed", "promoted"))
    run("skopeo", "copy", TO, f"oci:{write_layout(tmp_path / 'layout', small_image)}:latest", f"{source}:1")
    payload = json.dumps({"critical": {"image": {"docker-manifest-digest": small_image.digest}}}).encode()
    config = b'{"architecture":"","os":"","rootfs":{"type":"layers","diff_ids":["%s"]}}' % sha256(payload).encode()
    layers = [
        {
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": sha256(payload),
            "size": len(payload),
            "annotations": {"dev.cosignproject.cosign/signature": "c2lnbmF0dXJl"},
        }
    ]
    body = json.loads(manifest(config, [])) | {"layers": layers}
    signature = Image((Layer(payload, sha256(payload)),), config, json.dumps(body).encode())
    tag = small_image.digest.replace(":", "-") + ".sig"
    server.push("wire/signed", signature, tag)
    attachments = tmp_path / "registries.d"
    attachments.mkdir()
    (attachments / "attachments.yaml").write_text(f"docker:\n  {server.host}:\n    use-sigstore-attachments: true\n")
    run("skopeo", "--registries.d", attachments, "copy", *BOTH, f"{source}:1", f"{target}:1")
    copied = json.loads(run("skopeo", "inspect", "--raw", INSECURE, f"{target}:{tag}"))
    assert copied["layers"] == layers


def test_a_large_layer_comes_back(server: Server, run: Run, tmp_path: Path) -> None:
    """300 MB in one layer, pushed and pulled."""
    server.client().create_repository(repositoryName="wire/large")
    run.login("skopeo", INSECURE)
    large = image([noise_layer(300_000_000, b"large")])
    remote = f"docker://{server.host}/wire/large:1"
    run("skopeo", "copy", TO, f"oci:{write_layout(tmp_path / 'layout', large)}:latest", remote)
    run("skopeo", "copy", FROM, remote, f"dir:{tmp_path / 'pulled'}")
    pulled = tmp_path / "pulled" / large.layers[0].digest.removeprefix("sha256:")
    assert pulled.stat().st_size == len(large.layers[0].blob) > 300_000_000
    with pulled.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == pulled.name


def test_a_push_that_broke_is_taken_up(server: Server, run: Run, wire: Relay, tmp_path: Path) -> None:
    """The connection ends within the second layer; the next push sends what is missing, and no more."""
    server.client().create_repository(repositoryName="wire/broken")
    run.login("skopeo", INSECURE, host=wire.host)
    first, second = noise_layer(MEBI, b"first"), noise_layer(40 * MEBI, b"second")
    parts = [image([first]), image([first, second])]
    layouts = [write_layout(tmp_path / str(number), one) for number, one in enumerate(parts)]
    remote = f"docker://{wire.host}/wire/broken"
    run("skopeo", "copy", TO, f"oci:{layouts[0]}:latest", f"{remote}:base")
    wire.break_after(20 * MEBI)
    said = run.refused("skopeo", "copy", TO, f"oci:{layouts[1]}:latest", f"{remote}:1")
    assert wire.broke, said
    (before,) = server.client().describe_images(repositoryName="wire/broken")["imageDetails"]
    assert before["imageTags"] == ["base"]
    wire.asked()
    run("skopeo", "copy", TO, f"oci:{layouts[1]}:latest", f"{remote}:1")
    assert len(uploads(wire)[1]) == 2, "the second layer and the config"
    inspected = json.loads(run("skopeo", "inspect", INSECURE, f"{remote}:1"))
    assert inspected["Digest"] == parts[1].digest


def test_curl_goes_on_where_an_upload_broke(server: Server, run: Run, wire: Relay, tmp_path: Path) -> None:
    """The registry says how many bytes it has; the others follow with their range, and the digest is right."""
    server.client().create_repository(repositoryName="wire/resumed")
    data = hashlib.shake_256(b"resumed").digest(8 * MEBI)
    head, tail = tmp_path / "head", tmp_path / "tail"
    head.write_bytes(data[: 3 * MEBI])
    tail.write_bytes(data[3 * MEBI :])
    (run.home / ".netrc").write_text(f"machine 127.0.0.1 login AWS password {server.password}\n")
    curl = ["curl", "--silent", "--show-error", "--fail", "--netrc"]

    def header(name: str, *arguments: str | Path) -> str:
        return run(*curl, "--output", "/dev/null", "--write-out", f"%header{{{name}}}", *arguments)

    def patch(host: str, file: Path, start: int) -> list[str | Path]:
        stated = f"Content-Range: {start}-{start + file.stat().st_size - 1}"
        octets = ["--header", "Content-Type: application/octet-stream", "--header", stated]
        return ["--request", "PATCH", *octets, "--data-binary", f"@{file}", f"http://{host}{path}"]

    path = header("location", "--request", "POST", f"{server.url}/v2/wire/resumed/blobs/uploads/")
    assert header("range", *patch(server.host, head, 0)) == f"0-{3 * MEBI - 1}"
    wire.break_after(MEBI)
    run.refused(*curl, *patch(wire.host, tail, 3 * MEBI))
    assert wire.broke
    received = int(header("range", f"{server.url}{path}").partition("-")[2]) + 1
    assert 3 * MEBI <= received < len(data)
    tail.write_bytes(data[received:])
    run(*curl, *patch(server.host, tail, received))
    end = f"{server.url}{path}?digest={sha256(data)}"
    assert header("docker-content-digest", "--request", "PUT", end) == sha256(data)
    got = tmp_path / "got"
    run(*curl, "--output", got, f"{server.url}/v2/wire/resumed/blobs/{sha256(data)}")
    assert got.read_bytes() == data
