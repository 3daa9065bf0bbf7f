"""SBOMs inside an image that say what was put into it: CycloneDX (1.2 and later) and SPDX (2.2, 2.3), in JSON.

    var/lib/db/sbom/*.spdx.json                  one for each apk of Wolfi and Chainguard
    opt/bitnami/**/.spdx-NAME.spdx               Bitnami
    opt/docker/sbom/**/*.json                    Docker Hardened Images
    layers/sbom/launch/**/*.cdx.json, *.spdx.json
                                                 Cloud Native Buildpacks (buildpack specification, "SBOM")
    NAME-VERSION.dist-info/sboms/**/*.json       what is inside a wheel (PEP 770)
    pip/_vendor/bom.cdx.json                     what is inside pip
    META-INF/sbom/*.json                         an unpacked jar (CycloneDX's Maven and Gradle plugins, Spring Boot)

Others lie about for other reasons: as test data, or for what is only built here. Packages are made of package URLs
alone. Not taken are

- packages of a distribution: its own database says what is installed, and auditwheel names those of the machine that
  built a wheel;
- components that CycloneDX marks as `excluded`: they were used to build, and are not inside;
- what a document is about (`metadata.component`): its own metadata speaks of it;
- packages whose type no reader knows.
"""

from __future__ import annotations

import re

import msgspec

from hullwise.ecosystems import json_files
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable

_DEEPEST = 32
"""Levels of components in components."""

MOST_PURLS = 50_000
"""Package URLs of one document: each takes some microseconds to read."""

_PLACES = re.compile(
    r"var/lib/db/sbom/[^/]+\.spdx\.json"
    r"|opt/bitnami/(?:.+/)?\.spdx-[^/]+\.spdx"
    r"|opt/docker/sbom/.+\.json"
    r"|layers/sbom/launch/.+\.(?:cdx|spdx)\.json"
    r"|(?:.+/)?[^/]+\.dist-info/sboms/.+\.json"
    r"|(?:.+/)?pip/_vendor/bom\.cdx\.json"
    r"|(?:.+/)?META-INF/sbom/[^/]+\.json"
)


class _Component(msgspec.Struct, frozen=True):
    purl: str | None = None
    scope: str | None = None
    components: list[_Component] | None = None


class _Reference(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    reference_type: str = ""
    reference_locator: str = ""


class _Package(msgspec.Struct, frozen=True, rename="camel"):
    external_refs: list[_Reference] | None = None


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    """The fields of both formats; those of the other one are absent."""

    bom_format: str = ""
    components: list[_Component] | None = None
    spdx_version: str = ""
    packages: list[_Package] | None = None


def claims(path: str) -> bool:
    """Whether the file lies where those who build images, wheels and jars put the SBOM of what is there."""
    return ("sbom" in path or path.endswith("/bom.cdx.json") or path.startswith("opt/bitnami/")) and _PLACES.fullmatch(
        path
    ) is not None


def _of_components(components: list[_Component] | None) -> list[str]:
    purls: list[str] = []
    level = components or []
    for _ in range(_DEEPEST):
        level = [component for component in level if component.scope != "excluded"]
        purls += [component.purl for component in level if component.purl]
        level = [inner for component in level for inner in component.components or ()]
        if not level:
            return purls
    raise Unreadable(f"components in more than {_DEEPEST} levels")


def _of_packages(packages: list[_Package] | None) -> list[str]:
    return [
        reference.reference_locator
        for package in packages or ()
        for reference in package.external_refs or ()
        if reference.reference_type == "purl"
    ]


def read(path: str, data: bytes) -> Reading:
    """The packages whose package URLs a document has, each once, as packages of their own ecosystems.

    A document in another format says nothing; a package URL that is none is passed over."""
    # Imported here: it needs the list of readers, which this one is in.
    from hullwise.ecosystems.purl import parse

    if not data.strip():
        return Reading()
    document = json_files.decode(data, _Document)
    if document.bom_format == "CycloneDX":
        purls = _of_components(document.components)
    elif document.spdx_version.startswith("SPDX-2."):
        purls = _of_packages(document.packages)
    else:
        return Reading()
    distinct = dict.fromkeys(purls)
    if len(distinct) > MOST_PURLS:
        raise Unreadable(f"more than {MOST_PURLS} package URLs")
    return Reading(packages=tuple(dict.fromkeys(package for purl in distinct if (package := parse(purl)))))


SBOM = Ecosystem(
    name="sbom",
    version=4,
    suffixes=(".json", ".spdx"),
    claims=claims,
    read=read,
    file_limit=16 << 20,
)
