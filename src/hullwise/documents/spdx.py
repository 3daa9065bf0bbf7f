"""SPDX 2.3 as JSON (ISO/IEC 5962 and its successor, spdx.github.io/spdx-spec/v2.3): what is in an image.

    {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "dataLicense": "CC0-1.0", "name": …,
     "documentNamespace": "https://spdx.org/spdxdocs/…", "creationInfo": {"created": …, "creators": ["Tool: …"]},
     "packages": [{"SPDXID": "SPDXRef-Image", "primaryPackagePurpose": "CONTAINER", "checksums": […], …},
                  {"SPDXID": "SPDXRef-Package-deb-zlib1g-…", "externalRefs": [{"referenceType": "purl", …}], …}],
     "relationships": [SPDXRef-DOCUMENT DESCRIBES SPDXRef-Image, SPDXRef-Image CONTAINS each of the others]}

What is not known is said to be so: `NOASSERTION`, of licences above all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from hullwise.documents.components import Component, Components
from hullwise.documents.subject import Subject, name_of
from hullwise.domain import digests
from hullwise.domain.moments import moment
from hullwise.domain.packages import Distribution, Occurrence

VERSION = "SPDX-2.3"

_DOCUMENT = "SPDXRef-DOCUMENT"
_IMAGE = "SPDXRef-Image"
_SYSTEM = "SPDXRef-OperatingSystem"

_NOT_IN_AN_ID = re.compile("[^A-Za-z0-9.-]+")
_READABLE = 64
"""Characters of a name in an id, which is for people: the hash behind it is what makes it unique."""

_UNKNOWN = {
    "downloadLocation": "NOASSERTION",
    "filesAnalyzed": False,
    "licenseConcluded": "NOASSERTION",
    "licenseDeclared": "NOASSERTION",
    "copyrightText": "NOASSERTION",
    "supplier": "NOASSERTION",
}


def spdx(
    subject: Subject,
    distribution: Distribution | None,
    occurrences: Sequence[Occurrence],
    *,
    now: datetime,
    tool_version: str,
) -> bytes:
    """The bill of materials of an image. The same values give the same bytes, in whatever order the occurrences are;
    the document's namespace names those bytes."""
    components = Components(occurrences, distribution)
    ids = {item.ref: _id(item) for item in components.all}
    system = _system(distribution)
    document: dict[str, Any] = {
        "spdxVersion": VERSION,
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": subject.name,
        "creationInfo": {"created": moment(now), "creators": [f"Tool: Hullwise-{tool_version}"]},
        "packages": [_image(subject), *system, *(_package(item, ids[item.ref]) for item in components.all)],
        "relationships": [
            _relationship(_DOCUMENT, "DESCRIBES", _IMAGE),
            *(_relationship(_IMAGE, "CONTAINS", package["SPDXID"]) for package in system),
            *(_relationship(_IMAGE, "CONTAINS", id_) for id_ in ids.values()),
            *(
                _relationship(ids[owner], "CONTAINS", ids[ref])
                for owner, owned in components.owned().items()
                for ref in owned
            ),
        ],
    }
    name = name_of(msgspec.json.encode(document))
    # The form that the specification (6.5) gives to creators without a site of their own.
    namespace = f"https://spdx.org/spdxdocs/{quote(subject.name, safe='')}-{name}"
    return msgspec.json.encode(document | {"documentNamespace": namespace})


def _relationship(element: str, kind: str, related: str) -> dict[str, str]:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related}


def _id(item: Component) -> str:
    """Letters, digits, dots and dashes are all that an id may have (3.2)."""
    readable = _NOT_IN_AN_ID.sub("-", f"{item.type}-{item.package.name}")[:_READABLE]
    return f"SPDXRef-Package-{readable}-{hashlib.sha256(item.ref.encode()).hexdigest()[:16]}"


def _purl(text: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": text}


def _image(subject: Subject) -> dict[str, Any]:
    algorithm, _, content = subject.digest.partition(":")
    package: dict[str, Any] = {"SPDXID": _IMAGE, "name": subject.name, "primaryPackagePurpose": "CONTAINER"} | _UNKNOWN
    if subject.digest:
        package["versionInfo"] = subject.digest
    if digests.is_digest(subject.digest):
        package["checksums"] = [{"algorithm": algorithm.upper(), "checksumValue": content}]
    if subject.purl:
        package["externalRefs"] = [_purl(subject.purl)]
    if subject.built:
        package["builtDate"] = subject.built
    if subject.tags:
        package["comment"] = f"Tags: {', '.join(sorted(subject.tags))}"
    return package


def _system(distribution: Distribution | None) -> list[dict[str, Any]]:
    if distribution is None:
        return []
    package: dict[str, Any] = {
        "SPDXID": _SYSTEM,
        "name": distribution.id,
        "primaryPackagePurpose": "OPERATING_SYSTEM",
    }
    if version := distribution.version or distribution.codename:
        package["versionInfo"] = version
    if distribution.name:
        package["summary"] = distribution.name
    return [package | _UNKNOWN]


def _package(item: Component, id_: str) -> dict[str, Any]:
    package: dict[str, Any] = {
        "SPDXID": id_,
        "name": item.package.name,
        "primaryPackagePurpose": "LIBRARY",
        "sourceInfo": _found(item),
        "externalRefs": [_purl(item.purl)],
    }
    if item.package.version:
        package["versionInfo"] = item.package.version
    return package | _UNKNOWN


def _found(item: Component) -> str:
    """Where it was found, and what it was built from, for people: `sourceInfo` is free text (7.12)."""
    said = [f"built from {item.source}"] if item.source else []
    for place in item.occurrences:
        layer = f" in layer {place.layer}" if place.layer else ""
        owner = f", installed by {place.owner}" if place.owner else ""
        said.append(f"found at {place.path}{layer}{owner}")
    return "; ".join(said)
