"""The reader of SBOMs. Expected values: documents that npm, auditwheel and cargo-cyclonedx wrote, the specifications of
CycloneDX, SPDX and package URLs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import BY_NAME
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.sbom import SBOM

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
PLACE = "lib/a-1.dist-info/sboms/a.cdx.json"

IS = FoundPackage("@sindresorhus/is", "4.6.0", ecosystem="npm")
MS = FoundPackage("ms", "2.1.3", ecosystem="npm")


def asset(name: str) -> tuple[FoundPackage, ...]:
    return SBOM.read(PLACE, (ASSETS / name).read_bytes()).packages


def cyclone(*components: object) -> tuple[FoundPackage, ...]:
    return SBOM.read(PLACE, json.dumps({"bomFormat": "CycloneDX", "components": components}).encode()).packages


def test_cyclonedx_of_npm() -> None:
    """The components, and not the project that the document is about."""
    assert asset("npm-11.19.1.cdx.json") == (IS, MS)


def test_spdx_of_npm() -> None:
    """All packages of the document: SPDX counts what it is about among them."""
    assert asset("npm-11.19.1.spdx.json") == (FoundPackage("js", "1.0.0", ecosystem="npm"), IS, MS)


def test_auditwheel() -> None:
    """The wheel itself; a library of the machine that built it is no package of this image."""
    assert asset("pillow-13.0.0.auditwheel.cdx.json") == (FoundPackage("pillow", "13.0.0", ecosystem="pypi"),)


def test_vendoring() -> None:
    """What pip has inside it, under the names of PEP 503; pip itself has metadata of its own."""
    found = [(package.name, package.version) for package in asset("pip-26.3.bom.cdx.json")]
    assert found == [("cachecontrol", "0.14.4"), ("pyproject-hooks", "1.3.3"), ("urllib3", "2.8.0")]


def test_cargo_cyclonedx() -> None:
    """Crates, if there is a reader of them: not the build's, nor the wheel's own from a folder."""
    found = [(package.name, package.version) for package in asset("rpds-py-2026.9.1.cyclonedx.json")]
    crates = [("archery", "1.2.3"), ("rpds", "1.2.1"), ("triomphe", "0.1.16")]
    assert found == (crates if "crates.io" in BY_NAME else [])


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("var/lib/db/sbom/curl-8.4.0-r0.spdx.json", True),
        ("opt/bitnami/redis/.spdx-redis.spdx", True),
        ("opt/bitnami/.spdx-common.spdx", True),
        ("opt/docker/sbom/dhi-node/.spdx.dhi-node.json", True),
        ("layers/sbom/launch/paketo-buildpacks_npm-install/launch-modules/sbom.cdx.json", True),
        ("layers/sbom/launch/paketo-buildpacks_npm-install/launch-modules/sbom.syft.json", False),
        ("usr/lib/python3/site-packages/rpds_py-1.dist-info/sboms/rpds-py.cyclonedx.json", True),
        ("rpds_py-1.dist-info/sboms/sub/sbom.json", True),
        ("app/META-INF/sbom/application.cdx.json", True),
        ("META-INF/sbom/bom.json", True),
        ("usr/local/lib/python3.12/site-packages/pip/_vendor/bom.cdx.json", True),
        ("pip/_vendor/bom.cdx.json", True),
        ("usr/local/lib/python3.12/site-packages/pip/bom.cdx.json", False),
        ("app/bom.cdx.json", False),
        ("app/bom.json", False),
        ("app/sbom/bom.json", False),
        ("go/pkg/mod/x/testdata/alpine.cdx.json", False),
        ("app/node_modules/x/sbom.spdx.json", False),
        ("srv/opt/bitnami/redis/.spdx-redis.spdx", False),
        ("opt/bitnami/redis/licenses/a.spdx", False),
        ("var/lib/db/sbom/sub/a.spdx.json", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """Where builders put the SBOM of what is there, and nowhere else."""
    assert SBOM.claims(path) is claimed


def test_components_in_components() -> None:
    """At every level; what is excluded takes along what is in it; one that is named twice is one."""
    inner = {"purl": "pkg:gem/rack@2.2.8"}
    assert cyclone({"purl": None, "components": [{"components": [inner, inner]}]}, inner) == (
        FoundPackage("rack", "2.2.8", ecosystem="rubygems"),
    )
    assert cyclone({"scope": "excluded", "components": [inner]}) == ()
    assert cyclone({"scope": "optional", **inner}) != ()


@pytest.mark.parametrize(
    "purl",
    [
        "pkg:apk/wolfi/curl@8.4.0-r0?arch=x86_64",
        "pkg:deb/debian/curl@7.88?arch=amd64",
        "pkg:rpm/almalinux/libXau@1.0.9-3.el8",
        "pkg:generic/openssl@4.0.3",
        "pkg:oci/debian@sha256:1",
        "no purl",
        "",
    ],
)
def test_not_taken(purl: str) -> None:
    """Packages of distributions, of types that nobody reads, and texts that are no package URLs."""
    assert cyclone({"purl": purl}, {"purl": "pkg:npm/ms@2.1.3"}) == (MS,)


def test_spdx_of_bitnami() -> None:
    """As one lies beside each application of theirs (bitnami/vulndb, `How to consume this CVE feed`): the application,
    and what it was linked with."""
    named = ("pkg:bitnami/postgresql@15.3.0?arch=amd64&distro=debian-11", "pkg:bitnami/geos@3.8.3")
    packages = [
        {"externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]}
        for purl in named
    ]
    document = {"SPDXID": "SPDXRef-postgresql", "spdxVersion": "SPDX-2.3", "packages": packages}
    assert SBOM.read("opt/bitnami/postgresql/.spdx-postgresql.spdx", json.dumps(document).encode()).packages == (
        FoundPackage("postgresql", "15.3.0", ecosystem="bitnami"),
        FoundPackage("geos", "3.8.3", ecosystem="bitnami"),
    )


def test_malformed_spdx_of_docker() -> None:
    """Docker Hardened Images give the document the id of its package; that is no reason to read nothing."""
    reference = {"referenceType": "purl", "referenceLocator": "pkg:npm/ms@2.1.3"}
    other = {"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:ms:ms:2.1.3:*:*:*:*:*:*:*"}
    packages = [{"SPDXID": "SPDXRef-dhi-node", "externalRefs": [other, reference]}, {}, {"externalRefs": None}]
    document = {"SPDXID": "SPDXRef-dhi-node", "spdxVersion": "SPDX-2.3", "packages": packages}
    assert SBOM.read(PLACE, json.dumps(document).encode()).packages == (MS,)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"artifacts": [], "schema": {"version": "16"}}',
        b'{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}',
        b'{"bomFormat": "CycloneDX", "components": null}',
        b'{"spdxVersion": "SPDX-2.3"}',
    ],
)
def test_nothing(data: bytes) -> None:
    """Other formats, and documents without packages, say nothing."""
    assert SBOM.read(PLACE, data) == Reading()


def nested(depth: int) -> bytes:
    return b'{"bomFormat":"CycloneDX"' + b',"components":[{"scope":"required"' * depth + b"}]" * depth + b"}"


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"[]",
        b'{"bomFormat": "CycloneDX", "components": {}}',
        b'{"spdxVersion": "SPDX-2.3", "packages": [1]}',
        nested(40),
        nested(20_000),
        b'{"bomFormat": "CycloneDX", "components": [' + b"{}," * 600_000 + b"{}]}",
        b'{"bomFormat": "CycloneDX", "components": ['
        + b",".join(b'{"purl":"pkg:npm/a@%d"}' % at for at in range(50_001))
        + b"]}",
    ],
    ids=lambda data: repr(data[:60]),
)
def test_damaged(data: bytes) -> None:
    """No JSON, other types where components are due, depth or objects without end: unreadable."""
    with pytest.raises(Unreadable):
        SBOM.read(PLACE, data)
    assert SBOM.read(PLACE, nested(31)) == Reading()
