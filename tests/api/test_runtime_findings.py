"""Node.js that no package manager installed, and the same program where Debian did: from the document of its working
group to what each API shows."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.scanning import publication
from tests.support.advisories import osv, write
from tests.support.edges import Edges
from tests.support.images import DEBIAN_12, image, layer
from tests.support.programs import BASE, Piece, elf

CORE = {
    "cve": ["CVE-2024-22019"],
    "ref": "https://nodejs.example/blog/february",
    "vulnerable": "18.x || 20.x || 21.x",
    "patched": "^18.19.1 || ^20.11.1 || ^21.6.2",
    "overview": "A request may have chunks without an end. (High)",
    "affectedEnvironments": ["all"],
    "severity": "high",
}
RUBY = "engine: ruby\ncve: 2024-27282\ntitle: Memory is read\npatched_versions:\n- '~> 3.2.4'\n- '>= 3.3.1'\n"


def node(version: str) -> bytes:
    return elf([Piece(BASE, b"\0node.js/v" + version.encode() + b"\0" + bytes(5000), writable=False)], {".rodata": 0})


PROGRAM = node("20.11.0")
LIST = f"{hashlib.md5(PROGRAM, usedforsecurity=False).hexdigest()}  usr/bin/node\n".encode()
STATUS = b"Package: nodejs\nStatus: install ok installed\nArchitecture: amd64\nVersion: 20.11.0+dfsg-1\n"
OF_DEBIAN = {
    "etc/os-release": DEBIAN_12,
    "var/lib/dpkg/status": STATUS,
    "var/lib/dpkg/info/nodejs.md5sums": LIST,
    "usr/bin/node": PROGRAM,
}
RBCONFIG = "".join(
    f'  CONFIG["{name}"] = "{value}"\n'
    for name, value in (("MAJOR", 3), ("MINOR", 3), ("TEENY", 0), ("PATCHLEVEL", 0), ("ruby_install_name", "ruby"))
)
IMAGES = {
    "unpacked": {"usr/local/bin/node": PROGRAM},
    "patched": {"nodejs/bin/node": node("20.11.1")},
    "owned": OF_DEBIAN,
    "java": {"opt/java/openjdk/release": b'JAVA_VERSION="21.0.2"\n'},
    "ruby": {"usr/local/lib/ruby/3.3.0/x86_64-linux/rbconfig.rb": RBCONFIG.encode()},
}


@pytest.fixture
def scanned(edge: Edges, tmp_path: Path) -> Edges:
    folder = tmp_path / "core"
    folder.mkdir()
    (folder / "135.json").write_text(json.dumps(CORE))
    (folder / "CVE-2024-27282.yml").write_text(RUBY)
    # Debian speaks of every vulnerability, so that its silence on one says something.
    write(folder, osv("CVE-2024-0001", "bash", fixed="6.0", ecosystem="Debian:12"))

    def fill(builder: GenerationBuilder) -> None:
        documents.load([folder], builder)

    publication.publish(edge.registry.services, fill)
    for name, files in IMAGES.items():
        edge.registry.push(edge.registry.repository(name), image([layer(files)]))
    edge.registry.work()
    return edge


def ours(edge: Edges, name: str, **query: str) -> dict[str, Any]:
    text = "&".join(f"{key}={value}" for key, value in query.items())
    found: dict[str, Any] = edge.oci("GET", f"/api/v1/findings?repository={name}&image=latest&{text}").json()
    return found


def explained(edge: Edges, name: str) -> dict[str, Any]:
    path = f"/api/v1/explanation?repository={name}&image=latest&vulnerability=CVE-2024-22019"
    found: dict[str, Any] = edge.oci("GET", path).json()
    return found


def test_an_unpacked_runtime_is_judged_by_upstream(scanned: Edges) -> None:
    """With the fix of its own line, under the CVE's name and the working group's word."""
    (finding,) = ours(scanned, "unpacked")["findings"]
    assert {key: finding[key] for key in ("id", "severity", "package", "version", "fixedVersion")} == {
        "id": "CVE-2024-22019",
        "severity": "HIGH",
        "package": "node",
        "version": "20.11.0",
        "fixedVersion": "20.11.1",
    }
    assert (finding["packageManager"], finding["installed"][0]["purl"]) == ("runtime", "pkg:generic/node@20.11.0")
    assert explained(scanned, "unpacked")["sentence"] == "CVE-2024-22019 is in this image: node."


def test_a_basic_scan_has_it(scanned: Edges) -> None:
    """With name and version as attributes."""
    answer = scanned.aws("DescribeImageScanFindings", repositoryName="unpacked", imageId={"imageTag": "latest"}).json()
    (finding,) = answer["imageScanFindings"]["findings"]
    said = {each["key"]: each["value"] for each in finding["attributes"]}
    assert (finding["name"], said["package_name"], said["package_version"]) == ("CVE-2024-22019", "node", "20.11.0")


def test_a_patched_one_is_clean(scanned: Edges) -> None:
    """And it was judged."""
    found = ours(scanned, "patched")
    assert (found["findings"], found["coverage"]["judged"]) == ([], True)
    assert found["coverage"]["packages"] == {"runtime": {"found": 1, "matched": 1, "notMatched": {}}}


def test_the_same_program_of_debian_is_judged_by_debian(scanned: Edges) -> None:
    """Suppressed, with the reason."""
    found = ours(scanned, "owned", suppressed="yes")
    (finding,) = found["findings"]
    assert (finding["id"], finding["status"], found["counts"]) == ("CVE-2024-22019", "SUPPRESSED", {})
    assert (finding["suppression"]["by"], finding["suppression"]["author"]) == ("owner", "debian:12")
    said = explained(scanned, "owned")["packages"]
    assert [(each["purl"], each["verdict"]) for each in said] == [("pkg:generic/node@20.11.0", "deferred")]


def test_ruby_is_judged_by_rubysec(scanned: Edges) -> None:
    """In the line that it is of."""
    (finding,) = ours(scanned, "ruby")["findings"]
    assert (finding["id"], finding["package"], finding["fixedVersion"]) == ("CVE-2024-27282", "ruby", "3.3.1")


@pytest.mark.parametrize(
    ("name", "purl", "unmatched"),
    [("unpacked", "pkg:generic/node@20.11.0", []), ("java", "pkg:generic/openjdk@21.0.2", ["false"])],
)
def test_a_bill_of_materials_has_it(scanned: Edges, name: str, purl: str, unmatched: list[str]) -> None:
    """By a package URL that has no type of its own; of one that nobody's advisories speak of, it says so."""
    answer = scanned.oci("GET", f"/api/v1/sbom?repository={name}&image=latest&format=cyclonedx")
    assert answer.status_code == 200, answer.text
    (component,) = [each for each in answer.json()["components"] if "purl" in each]
    assert component["purl"] == purl
    said = [each["value"] for each in component["properties"] if each["name"] == "hullwise:matched"]
    assert said == unmatched
