"""SPDX documents, against the validator that the SPDX project publishes."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from hullwise.documents.spdx import spdx
from hullwise.documents.subject import Subject
from hullwise.domain.packages import Distribution, Occurrence, Package
from tests.support.documents import (
    BABEL_PATHS,
    BABEL_PURL,
    BASE,
    BOOKWORM,
    DIGEST,
    IMAGE_PURL,
    JINJA_DEB_PURL,
    JINJA_METADATA,
    JINJA_PURL,
    NOW,
    OCCURRENCES,
    SAID_NOW,
    STATUS,
    SUBJECT,
    TOP,
    ZLIB_PURL,
    many,
)


def write(
    subject: Subject = SUBJECT,
    distribution: Distribution | None = BOOKWORM,
    occurrences: tuple[Occurrence, ...] = OCCURRENCES,
) -> bytes:
    return spdx(subject, distribution, occurrences, now=NOW, tool_version="0.1.0")


def valid(document: bytes) -> dict[str, Any]:
    """The document, which SPDX's own parser and validator have nothing to say against."""
    read: dict[str, Any] = json.loads(document)
    parser = JsonLikeDictParser()  # type: ignore[no-untyped-call]
    messages = validate_full_spdx_document(parser.parse(read))
    assert [message.validation_message for message in messages] == []
    return read


def by_purl(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        reference["referenceLocator"]: package
        for package in document["packages"]
        for reference in package.get("externalRefs", ())
    }


NOTHING_SAID = {
    "downloadLocation": "NOASSERTION",
    "filesAnalyzed": False,
    "licenseConcluded": "NOASSERTION",
    "licenseDeclared": "NOASSERTION",
    "copyrightText": "NOASSERTION",
    "supplier": "NOASSERTION",
}


def test_document() -> None:
    """By whom, when, of what, under a name that is a URL without a fragment (6.5)."""
    document = valid(write())
    assert document["spdxVersion"] == "SPDX-2.3"
    assert document["SPDXID"] == "SPDXRef-DOCUMENT"
    assert document["dataLicense"] == "CC0-1.0"
    assert document["name"] == "team/app:1.0"
    assert document["creationInfo"] == {"created": SAID_NOW, "creators": ["Tool: Hullwise-0.1.0"]}
    assert document["documentNamespace"].startswith("https://spdx.org/spdxdocs/team%2Fapp%3A1.0-")
    assert document["packages"][0] == NOTHING_SAID | {
        "SPDXID": "SPDXRef-Image",
        "name": "team/app:1.0",
        "primaryPackagePurpose": "CONTAINER",
        "versionInfo": DIGEST,
        "checksums": [{"algorithm": "SHA256", "checksumValue": "ab" * 32}],
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": IMAGE_PURL}
        ],
        "builtDate": "2026-01-02T02:04:05Z",
        "comment": "Tags: 1.0, latest",
    }


def test_packages() -> None:
    """The distribution, and each package once with its URL and its places."""
    document = valid(write())
    assert document["packages"][1] == NOTHING_SAID | {
        "SPDXID": "SPDXRef-OperatingSystem",
        "name": "debian",
        "primaryPackagePurpose": "OPERATING_SYSTEM",
        "versionInfo": "12",
        "summary": "Debian GNU/Linux 12 (bookworm)",
    }
    found = by_purl(document)
    assert found.keys() == {IMAGE_PURL, ZLIB_PURL, JINJA_DEB_PURL, JINJA_PURL, BABEL_PURL}
    zlib = found[ZLIB_PURL]
    assert zlib == NOTHING_SAID | {
        "SPDXID": zlib["SPDXID"],
        "name": "zlib1g",
        "versionInfo": "1:1.2.13.dfsg-1",
        "primaryPackagePurpose": "LIBRARY",
        "sourceInfo": f"built from zlib (1:1.2.13.dfsg-1); found at {STATUS} in layer {BASE}",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": ZLIB_PURL}
        ],
    }
    assert found[JINJA_PURL]["sourceInfo"] == f"found at {JINJA_METADATA} in layer {BASE}, installed by python3-jinja2"
    assert found[BABEL_PURL]["name"] == "@babel/traverse"
    assert found[BABEL_PURL]["sourceInfo"] == "; ".join(f"found at {path} in layer {TOP}" for path in BABEL_PATHS)


def test_relationships() -> None:
    """The document describes the image, which contains everything; a package contains what it installed."""
    document = valid(write())
    found = by_purl(document)
    said = [
        (item["spdxElementId"], item["relationshipType"], item["relatedSpdxElement"])
        for item in document["relationships"]
    ]
    assert said == [
        ("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image"),
        ("SPDXRef-Image", "CONTAINS", "SPDXRef-OperatingSystem"),
        *(
            ("SPDXRef-Image", "CONTAINS", found[purl]["SPDXID"])
            for purl in (JINJA_DEB_PURL, ZLIB_PURL, BABEL_PURL, JINJA_PURL)
        ),
        (found[JINJA_DEB_PURL]["SPDXID"], "CONTAINS", found[JINJA_PURL]["SPDXID"]),
    ]


def test_any_order_gives_the_same_bytes() -> None:
    """Occurrences in any order, and twice: the same document; of other content: another namespace."""
    first = write()
    for seed in range(5):
        shuffled = random.Random(seed).sample((*OCCURRENCES, *OCCURRENCES), 2 * len(OCCURRENCES))
        assert write(occurrences=tuple(shuffled)) == first
    other = write(occurrences=OCCURRENCES[1:])
    assert json.loads(other)["documentNamespace"] != json.loads(first)["documentNamespace"]


def test_nothing_in_it() -> None:
    """A root file system without a digest and without a distribution."""
    document = valid(write(Subject("/mnt/root", "", created="0001-01-01T00:00:00Z"), None, ()))
    assert document["packages"] == [
        NOTHING_SAID | {"SPDXID": "SPDXRef-Image", "name": "/mnt/root", "primaryPackagePurpose": "CONTAINER"}
    ]


PRINTABLE = st.text(min_size=1, max_size=30).filter(str.isprintable)
ODD = st.sampled_from(["a b", "ü/ñ", "@scope/na@me", "100%", "%zz", "a#b?c=d&e", "名前", "<script>", '"', "..", "-"])


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["npm", "pypi", "dpkg", "apk"]),
    PRINTABLE | ODD,
    st.just("") | PRINTABLE | ODD,
    PRINTABLE | ODD,
    PRINTABLE | ODD,
)
def test_unusual_names(ecosystem: str, name: str, version: str, path: str, image: str) -> None:
    """Whatever printable text a name, a version, a path or an image's name is: the document is valid, and says it."""
    package = Package(ecosystem, "", name, version, name, version, "", "")
    document = valid(write(Subject(image, DIGEST, image), BOOKWORM, (Occurrence(package, path, TOP, name),)))
    listed = document["packages"][-1]
    assert (listed["name"], listed.get("versionInfo", "")) == (name, version)
    assert path in listed["sourceInfo"]


def test_ids_of_names_that_look_alike() -> None:
    """Characters that ids cannot have are left out of them, and still no two packages share one."""
    names = ("a_b", "a-b", "a/b", "a.b", "ä", "ö")
    packages = [Package("npm", "npm", name, "1", name, "1", "", "") for name in names]
    document = valid(write(occurrences=tuple(Occurrence(package, "p", TOP) for package in packages)))
    ids = [package["SPDXID"] for package in document["packages"]]
    assert len(set(ids)) == len(names) + 2


def test_many_packages() -> None:
    """10,000 packages are listed, each under an id of its own."""
    document = json.loads(spdx(SUBJECT, BOOKWORM, many(10_000), now=NOW, tool_version="0.1.0"))
    assert len({package["SPDXID"] for package in document["packages"]}) == 10_002
    assert len(document["relationships"]) == 10_002
