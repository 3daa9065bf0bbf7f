"""Images that mean harm, or are broken: each fails its own scan with a clear word, and nothing else."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.support.images import Image, Layer, image, layer, python_packages, sha256, tar
from tests.support.registry import Server

GOOD = image([layer(python_packages(Jinja2="2.10"))])


def raw(blob: bytes, tar_bytes: bytes = b"") -> Image:
    """An image of one layer with exactly these bytes."""
    return image([Layer(blob, sha256(tar_bytes))])


def truncated() -> Image:
    whole = GOOD.layers[0]
    return image([Layer(whole.blob[: len(whole.blob) // 2], whole.diff_id)])


def zeros() -> Image:
    """A layer that unpacks to ten gigabytes of zeros, in ten megabytes."""
    member = tarfile.TarInfo("zeros")
    member.size = 10 << 30
    header = member.tobuf(tarfile.GNU_FORMAT)
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = compressor.compress(header) + compressor.flush()
    piece = gzip.compress(bytes(64 << 20), mtime=0)
    return raw(first + piece * 160)


def foreign_config() -> Image:
    """A config that is no JSON."""
    config = b"\x7fELF"
    manifest = json.loads(GOOD.manifest)
    manifest["config"] |= {"digest": sha256(config), "size": len(config)}
    return replace(GOOD, config=config, manifest=json.dumps(manifest).encode())


def links(count: int, folder: str = "links") -> Layer:
    """A layer of so many symbolic links, which take 450 bytes each once it is read."""
    member = tarfile.TarInfo(f"{folder}/0000000")
    member.type, member.linkname = tarfile.SYMTYPE, "x"
    head = bytearray(member.tobuf(tarfile.USTAR_FORMAT))
    at, checksum = len(folder) + 1, int(bytes(head[148:154]), 8) - 7 * ord("0")
    members = bytearray()
    for number in range(count):
        name = b"%07d" % number
        head[at : at + 7] = name
        head[148:154] = b"%06o" % (checksum + sum(name))
        members += head
    unpacked = bytes(members) + bytes(1024)
    return Layer(gzip.compress(unpacked, 1, mtime=0), sha256(unpacked))


BAD: dict[str, tuple[Callable[[], Image], str, str]] = {
    "truncated": (truncated, "FAILED", "the layer ends"),
    "not-a-tar": (lambda: raw(b"this is no tar " * 100), "FAILED", "layer"),
    "zeros": (zeros, "IMAGE_SIZE_EXCEEDED", "200 times its size"),
    "config": (foreign_config, "FAILED", "config cannot be read"),
    "no-diff-ids": (lambda: image(GOOD.layers, diff_ids=[]), "FAILED", "the config names 0 layers, the manifest 1"),
    "other-diff-id": (lambda: image(GOOD.layers, diff_ids=[sha256(b"else")]), "FAILED", "the config names"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_fails_its_own_scan(server: Server, name: str) -> None:
    """The scan ends, says what is wrong, and shows no findings."""
    make, status, words = BAD[name]
    repository = f"bad/{name}"
    server.client().create_repository(repositoryName=repository, imageScanningConfiguration={"scanOnPush": True})
    server.push(repository, make())
    found = server.wait_for_scan(repository)
    assert found["imageScanStatus"]["status"] == status
    assert words in found["imageScanStatus"]["description"]
    assert "imageScanFindings" not in found


def test_a_bad_image_takes_no_more_memory_than_others(server: Server) -> None:
    """Layers of a million links: the image is given up, and the worker stays below what it may have; what a third of it
    takes is scanned."""
    server.client().create_repository(repositoryName="bad/heavy", imageScanningConfiguration={"scanOnPush": True})
    good = layer(python_packages(Jinja2="2.10"))
    heavy = [links(330_000, f"heavy{number}") for number in range(3)]
    server.push("bad/heavy", image([*heavy, good]))
    found = server.wait_for_scan("bad/heavy", seconds=300)["imageScanStatus"]
    assert (found["status"], "419,430,400 bytes" in found["description"]) == ("IMAGE_SIZE_EXCEEDED", True)
    server.push("bad/heavy", image([heavy[0], good]), "allowed")
    found = server.wait_for_scan("bad/heavy", "allowed", seconds=300)
    assert found["imageScanStatus"]["status"] == "COMPLETE"
    (worker,) = [
        process
        for process in psutil.Process(server.process.pid).children(recursive=True)
        if "worker" in process.cmdline()
    ]
    peak = int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{worker.pid}/status").read_text())[0]) << 10
    assert peak < 600 << 20


def test_paths_that_lead_out_stay_inside(server: Server) -> None:
    """Absolute paths and `..` are read as inside the image, as runtimes unpack them, and are no error."""
    (path, content), *_ = python_packages(Jinja2="2.10").items()
    outside = image([layer({f"/../../{path}": content, "/etc/passwd": b"x", "a/../../../b": b"y"})])
    server.client().create_repository(repositoryName="bad/paths", imageScanningConfiguration={"scanOnPush": True})
    server.push("bad/paths", outside)
    found = server.wait_for_scan("bad/paths")
    assert found["imageScanStatus"]["status"] == "COMPLETE"
    assert "CVE-2019-10906" in [finding["name"] for finding in found["imageScanFindings"]["findings"]]


def test_a_broken_package_database_hides_nothing_else(server: Server) -> None:
    """A dpkg status file of junk is reported as unreadable; packages of other kinds are found all the same."""
    files = {"var/lib/dpkg/status": b"\xff\xfe\x00junk\n" * 50, **python_packages(Jinja2="2.10")}
    server.client().create_repository(repositoryName="bad/dpkg", imageScanningConfiguration={"scanOnPush": True})
    server.push("bad/dpkg", image([layer(files)]))
    found = server.wait_for_scan("bad/dpkg")
    assert found["imageScanStatus"]["status"] == "COMPLETE"
    assert "CVE-2019-10906" in [finding["name"] for finding in found["imageScanFindings"]["findings"]]


def test_a_lying_config_changes_nobody_elses_scan(server: Server) -> None:
    """A layer pushed under another layer's diffID fails there, and is itself elsewhere."""
    client = server.client()
    clean = layer({"etc/motd": b"clean\n"})
    vulnerable = layer(python_packages(Jinja2="2.10"))
    for name in ("lie", "truth", "victim"):
        client.create_repository(repositoryName=f"diff/{name}", imageScanningConfiguration={"scanOnPush": True})
    server.push("diff/lie", image([clean], diff_ids=[vulnerable.diff_id]))
    server.push("diff/victim", image([vulnerable]))
    server.push("diff/truth", image([clean, layer({"etc/issue": b"x"})]))
    lie = server.wait_for_scan("diff/lie")["imageScanStatus"]
    assert (lie["status"], "the config names" in lie["description"]) == ("FAILED", True)
    victim = server.wait_for_scan("diff/victim")["imageScanFindings"]["findings"]
    assert "CVE-2019-10906" in [finding["name"] for finding in victim]
    truth = server.wait_for_scan("diff/truth")["imageScanStatus"]
    assert "UnsupportedImageError" in truth["description"]


def test_sparse_and_odd_members_do_no_harm(server: Server) -> None:
    """Devices, pipes and links in circles are passed by."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, target in (("dev/null", tarfile.CHRTYPE, ""), ("pipe", tarfile.FIFOTYPE, "")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
        for name, target in (("a", "b"), ("b", "a"), ("usr/lib/x", "/usr/lib/x")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    unpacked = buffer.getvalue()
    upper = layer(python_packages(Jinja2="2.10"))
    server.client().create_repository(repositoryName="bad/odd", imageScanningConfiguration={"scanOnPush": True})
    server.push("bad/odd", image([Layer(gzip.compress(unpacked, mtime=0), sha256(unpacked)), upper]))
    assert server.wait_for_scan("bad/odd")["imageScanStatus"]["status"] == "COMPLETE"


def test_plain_and_zstd_layers_are_read(server: Server) -> None:
    """The form of a layer is told by its bytes, whatever its media type says."""
    from hullwise.store.compression import pack

    unpacked = tar(python_packages(Jinja2="2.10"))
    for name, blob in (("plain", unpacked), ("zstd", pack(unpacked))):
        server.client().create_repository(
            repositoryName=f"form/{name}", imageScanningConfiguration={"scanOnPush": True}
        )
        server.push(f"form/{name}", raw(blob, unpacked))
        found = server.wait_for_scan(f"form/{name}")
        assert "CVE-2019-10906" in [finding["name"] for finding in found["imageScanFindings"]["findings"]]
