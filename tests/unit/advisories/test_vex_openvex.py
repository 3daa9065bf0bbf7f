"""OpenVEX documents (openvex.dev, OPENVEX-SPEC.md), how products are named, and how a format is told from another."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.advisories import vex
from hullwise.advisories.records import Unparsable, Unused
from hullwise.advisories.vex import Document, openvex
from hullwise.domain.overlays import ImageRef, PackageRef, Product, Statement

DIGEST = "sha256:" + "5a" * 32
LODASH = Product(packages=(PackageRef("npm", "", "lodash", "4.17.20"),))


def document(*statements: Any, **members: Any) -> bytes:
    head = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://openvex.dev/docs/example/vex-1",
        "author": "Example PSIRT",
        "timestamp": "2024-03-01T10:00:00.399069972-03:00",
        "version": 3,
    }
    return json.dumps({**head, "statements": list(statements), **members}).encode()


def said(**members: Any) -> dict[str, Any]:
    """A statement with the members that the specification asks for."""
    return {
        "vulnerability": {"name": "CVE-2024-1"},
        "products": [{"@id": "pkg:npm/lodash@4.17.20"}],
        "status": "fixed",
        **members,
    }


def only(parsed: Document) -> Statement:
    (statement,) = parsed.statements
    assert parsed.unused == ()
    return statement


def products(*items: Any, **members: Any) -> tuple[Product, ...]:
    return only(vex.parse(document(said(products=list(items), **members)))).products


def reasons(*statements: Any) -> list[tuple[str, str]]:
    """Why nothing of the statements is used."""
    parsed = vex.parse(document(*statements))
    assert parsed.statements == ()
    return [(unused.id, unused.reason) for unused in parsed.unused]


def test_a_document_of_version_0_2_0() -> None:
    """Each member of a statement arrives where it belongs; a statement's own time counts before the document's."""
    parsed = vex.parse(
        document(
            {
                "vulnerability": {
                    "@id": "https://nvd.nist.gov/vuln/detail/CVE-2023-45288",
                    "name": "CVE-2023-45288",
                    "description": "HTTP/2 frames",
                    "aliases": ["GO-2024-2687", "GHSA-4v7x-pqxf-cx7m", "CVE-2023-45288"],
                },
                "timestamp": "2024-04-02T00:00:00Z",
                "products": [
                    {
                        "@id": "pkg:golang/github.com/acme/app@v1.2.0",
                        "identifiers": {"purl": "pkg:golang/github.com/acme/app@v1.2.0"},
                        "subcomponents": [
                            {"@id": "pkg:golang/golang.org/x/net@v0.22.0"},
                            {"identifiers": {"purl": "pkg:golang/stdlib@v1.21.3", "cpe23": "cpe:2.3:a:golang:go:*"}},
                        ],
                    }
                ],
                "status": "not_affected",
                "justification": "vulnerable_code_not_in_execute_path",
                "impact_statement": "No server is started.",
                "status_notes": "Looked at by hand.",
            },
            said(status="affected", action_statement="Update to 4.17.21.", status_notes="Found in a review."),
        )
    )
    net = PackageRef("golang", "golang.org/x", "net", "v0.22.0")
    stdlib = PackageRef("golang", "", "stdlib", "v1.21.3")
    assert parsed == Document(
        id="https://openvex.dev/docs/example/vex-1",
        author="Example PSIRT",
        version="3",
        issued="2024-03-01T13:00:00Z",
        format="openvex",
        statements=(
            Statement(
                vulnerability="CVE-2023-45288",
                aliases=("GO-2024-2687", "GHSA-4v7x-pqxf-cx7m"),
                status="not_affected",
                products=(
                    Product(packages=(net, stdlib), within=(PackageRef("golang", "github.com/acme", "app", "v1.2.0"),)),
                ),
                justification="vulnerable_code_not_in_execute_path",
                impact="No server is started.",
                at="2024-04-02T00:00:00Z",
            ),
            Statement(
                vulnerability="CVE-2024-1",
                aliases=(),
                status="affected",
                products=(LODASH,),
                impact="Found in a review.",
                action="Update to 4.17.21.",
                at="2024-03-01T13:00:00Z",
            ),
        ),
        unused=(),
    )


def test_a_document_of_version_0_0_1() -> None:
    """Vulnerability, products and subcomponents are plain texts, and subcomponents are those of every product."""
    parsed = vex.parse(
        document(
            {
                "vulnerability": "CVE-2023-12345",
                "products": ["pkg:oci/app?repository_url=ghcr.io/team/app", "pkg:golang/github.com/acme/app"],
                "subcomponents": ["pkg:apk/wolfi/git@2.39.0-r1?arch=x86_64"],
                "status": "under_investigation",
            },
            **{"@context": "https://openvex.dev/ns", "version": "1"},
        )
    )
    git = PackageRef("apk", "wolfi", "git", "2.39.0-r1", "x86_64")
    assert parsed.version == "1"
    assert only(parsed).vulnerability == "CVE-2023-12345"
    assert only(parsed).products == (
        Product(image=ImageRef("team/app", "ghcr.io"), packages=(git,)),
        Product(packages=(git,), within=(PackageRef("golang", "github.com/acme", "app"),)),
    )


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ({}, "2024-03-01T13:00:00Z"),
        ({"timestamp": "2023-01-01T00:00:00+02:00"}, "2022-12-31T22:00:00Z"),
        ({"timestamp": "soon"}, "2024-03-01T13:00:00Z"),
        ({"timestamp": None}, "2024-03-01T13:00:00Z"),
    ],
)
def test_time_cascades_from_the_document(stamps: dict[str, Any], expected: str) -> None:
    """A statement without a readable time of its own was said when the document was (`Inheritance Flow`)."""
    assert only(vex.parse(document(said(**stamps)))).at == expected


def test_a_document_without_a_time() -> None:
    """Real documents lack it: then nothing is known of the time."""
    parsed = vex.parse(document(said(), timestamp=None))
    assert (parsed.issued, only(parsed).at) == ("", "")


def test_not_affected_needs_no_reason() -> None:
    """The specification asks for a justification or an impact statement; without either it is still what was said."""
    assert only(vex.parse(document(said(status="not_affected")))).suppresses


@pytest.mark.parametrize(
    ("purl", "image"),
    [
        ("pkg:oci/app", ImageRef("app")),
        (f"pkg:oci/app@{DIGEST}", ImageRef("app", digest=DIGEST)),
        (f"pkg:oci/app@{DIGEST.replace(':', '%3A')}?tag=V1", ImageRef("app", digest=DIGEST, tag="V1")),
        ("pkg:oci/app@1.0", ImageRef("app", tag="1.0")),
        (
            f"pkg:oci/app@{DIGEST}?repository_url=ghcr.io%2FTeam%2Fapp&tag=1.0&arch=amd64",
            ImageRef("team/app", "ghcr.io", DIGEST, "1.0"),
        ),
        ("pkg:oci/app?repository_url=ghcr.io/team", ImageRef("team/app", "ghcr.io")),
        ("pkg:oci/app?repository_url=https://localhost:5000/team/app/", ImageRef("team/app", "localhost:5000")),
        ("pkg:oci/app?repository_url=registry.example.com", ImageRef("app", "registry.example.com")),
        ("pkg:oci/app?repository_url=team/app", ImageRef("team/app")),
        ("pkg:oci/team/app", ImageRef("team/app")),
        ("pkg:oci/debian?repository_url=index.docker.io/library/debian", ImageRef("debian", "index.docker.io")),
        ("pkg:oci/debian?repository_url=ghcr.io/library/debian", ImageRef("library/debian", "ghcr.io")),
        ("pkg:docker/library/debian@bookworm", ImageRef("debian", tag="bookworm")),
        ("pkg:docker/team/app@1.0?repository_url=gcr.io", ImageRef("team/app", "gcr.io", tag="1.0")),
    ],
)
def test_images_of_package_urls(purl: str, image: ImageRef) -> None:
    """`repository_url` holds the host with or without the repository; a version is a digest or a tag (type oci)."""
    assert products({"@id": purl}) == (Product(image=image),)
    assert products({"@id": purl, "subcomponents": [{"@id": "pkg:npm/lodash@4.17.20"}]}) == (
        Product(image=image, packages=LODASH.packages),
    )


@pytest.mark.parametrize(
    ("purl", "package"),
    [
        ("pkg:npm/%40babel/core@7.1.0", PackageRef("npm", "@babel", "core", "7.1.0")),
        ("pkg:pypi/Ruamel.Yaml_clib@0.2", PackageRef("pypi", "", "ruamel-yaml-clib", "0.2")),
        (
            "pkg:deb/debian/openssl@3.0.11-1?arch=source&distro=bookworm",
            PackageRef("deb", "debian", "openssl", "3.0.11-1", "source", "bookworm"),
        ),
        (
            "pkg:deb/debian/zlib1g@1:1.2.13?arch=amd64&distro=debian-12&package-id=1f",
            PackageRef("deb", "debian", "zlib1g", "1:1.2.13", "amd64", "debian-12"),
        ),
        (
            "pkg:rpm/redhat/bind@9.11-3.el8?arch=src&epoch=32",
            PackageRef("rpm", "redhat", "bind", "32:9.11-3.el8", "source"),
        ),
        ("pkg:rpm/redhat/bind?arch=src&epoch=32", PackageRef("rpm", "redhat", "bind", "", "source")),
        ("pkg:golang/golang.org/x/net@v0.1.0", PackageRef("golang", "golang.org/x", "net", "v0.1.0")),
    ],
)
def test_packages_of_package_urls(purl: str, package: PackageRef) -> None:
    """Names are normalised, `arch=src` is `source`, an epoch is part of the version; other qualifiers say nothing."""
    assert products({"@id": purl}) == (Product(packages=(package,)),)


def test_each_identifier_of_a_product_names_it() -> None:
    """A product meant by two package URLs is found by each; a name that is none of them does no harm."""
    found = products({"@id": "pkg:npm/lodash@4.17.20", "identifiers": {"purl": "pkg:deb/debian/node-lodash"}})
    assert set(found) == {LODASH, Product(packages=(PackageRef("deb", "debian", "node-lodash"),))}
    assert products({"@id": "urn:acme:lodash", "identifiers": {"purl": "pkg:npm/lodash@4.17.20"}}) == (LODASH,)


def test_hashes_name_images() -> None:
    """A product's sha-256 is the digest of an image that its package URL leaves open, or of one that has no other
    name."""
    hashes = {"sha-256": DIGEST.removeprefix("sha256:").upper(), "md5": "0" * 32}
    assert products({"@id": "pkg:oci/app", "hashes": hashes}) == (Product(image=ImageRef("app", digest=DIGEST)),)
    assert products({"hashes": hashes}) == (Product(image=ImageRef(digest=DIGEST)),)
    assert products({"@id": "pkg:npm/lodash@4.17.20", "hashes": hashes}) == (LODASH,)


@pytest.mark.parametrize(
    ("product", "reason"),
    [
        ({}, "product has no package URL"),
        ("lodash", "product has no package URL"),
        ({"@id": "https://example.com/lodash"}, "product has no package URL"),
        ({"hashes": {"sha-256": "12"}}, "product has no package URL"),
        ({"identifiers": {"cpe23": "cpe:2.3:a:lodash:lodash:4.17.20:*:*:*:*:*:*:*"}}, "product is named by CPE only"),
        ({"@id": "cpe:/a:lodash:lodash:4.17.20"}, "product is named by CPE only"),
        ("pkg:", "package URL is malformed"),
        ("pkg:npm", "package URL is malformed"),
        ("pkg:npm/" + "a" * 3_000, "package URL is malformed"),
        ("pkg:oci/app@sha256:12?tag=1.0", "image digest is malformed"),
        ("pkg:oci/app@v1+2", "image tag is malformed"),
        ("pkg:golang/google.golang.org/genproto@v1#googleapis/api", "package URL names a part of a package"),
    ],
)
def test_products_that_name_nothing_are_counted(product: Any, reason: str) -> None:
    """Nothing can be compared with them; a statement with other products keeps those."""
    assert reasons(said(products=[product])) == [("CVE-2024-1", reason)]
    parsed = vex.parse(document(said(products=[product, "pkg:npm/lodash@4.17.20"])))
    assert parsed.unused == (Unused("CVE-2024-1", reason),)
    assert parsed.statements[0].products == (LODASH,)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"identifiers": {"cpe23": "cpe:2.3:a:x:y:1:*:*:*:*:*:*:*"}}, "subcomponent is named by CPE only"),
        ({"@id": "left-pad"}, "subcomponent has no package URL"),
        ({"@id": "pkg:npm"}, "package URL is malformed"),
        ({"@id": "pkg:oci/base"}, "subcomponent is an image"),
    ],
)
def test_a_narrowed_product_never_widens(part: Any, reason: str) -> None:
    """Where no subcomponent can be used, the product is not either: it would say more than its author did."""
    image = {"@id": "pkg:oci/app", "subcomponents": [part]}
    assert reasons(said(products=[image])) == [("CVE-2024-1", reason)]
    image["subcomponents"] = [part, {"@id": "pkg:npm/lodash@4.17.20"}]
    parsed = vex.parse(document(said(products=[image])))
    assert parsed.statements[0].products == (Product(image=ImageRef("app"), packages=LODASH.packages),)
    assert parsed.unused == (Unused("CVE-2024-1", reason),)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (said(vulnerability=""), ("", "names no vulnerability")),
        (said(vulnerability=None), ("", "names no vulnerability")),
        (said(vulnerability={"aliases": ["CVE-2024-1"]}), ("", "names no vulnerability")),
        (said(vulnerability={"name": "not an id"}), ("", "names no vulnerability")),
        (said(status="Fixed?"), ("CVE-2024-1", "status is not known")),
        (said(status=None), ("CVE-2024-1", "status is not known")),
        (said(products=[]), ("CVE-2024-1", "names no product")),
        (said(products=None), ("CVE-2024-1", "names no product")),
        (said(products="pkg:npm/lodash"), ("", "statement is of another shape")),
        (said(status=["fixed"]), ("", "statement is of another shape")),
        ("fixed", ("", "statement is of another shape")),
        (
            said(vulnerability={"name": "CVE-2024-1", "aliases": [f"X-{number}" for number in range(101)]}),
            ("CVE-2024-1", "names over 100 ids"),
        ),
    ],
)
def test_statements_that_cannot_be_used_are_counted(statement: Any, expected: tuple[str, str]) -> None:
    """One of them does not spoil the others."""
    assert reasons(statement) == [expected]
    assert len(vex.parse(document(statement, said())).statements) == 1


def test_long_texts_are_cut() -> None:
    """A statement cannot carry a book."""
    statement = only(vex.parse(document(said(impact_statement="x" * 100_000, justification="y" * 1_000))))
    assert (len(statement.impact), len(statement.justification)) == (4_000, 256)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"vex"',
        b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
        b"id,status\nCVE-2024-1,fixed\n",
        document(said())[:-20],
        document(said()) + b"{}",
        document(said()).decode().encode("utf-16"),
        b'{"@context": "https://openvex.dev/ns/v0.2.0"}',
        b'{"@context": "https://openvex.dev/ns/v0.2.0", "statements": {}}',
        b'{"@context": "https://www.w3.org/ns/activitystreams", "statements": []}',
        b'{"@context": ["https://openvex.dev/ns/v0.2.0"], "statements": []}',
        b'{"@context": "https://openvex.dev/ns/v0.2.0", "statements": [' + b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"id": "GHSA-aaaa-bbbb-cccc", "modified": "2024-01-01T00:00:00Z", "affected": []}',
        b'{"spdxVersion": "SPDX-2.3", "packages": []}',
    ],
)
def test_what_is_no_document_is_refused(text: bytes) -> None:
    """The one error is Unparsable: for a page, half a document, other JSON, and for nesting without an end."""
    with pytest.raises(Unparsable):
        vex.parse(text)


def test_a_byte_order_mark_is_ignored() -> None:
    """RFC 8259 lets a reader ignore what some editors write."""
    assert vex.parse(b"\xef\xbb\xbf" + document(said())) == vex.parse(document(said()))


def test_limits() -> None:
    """Bytes, statements, and pairs of products and their shared subcomponents end in a clear error, soon."""
    before = time.process_time()
    with pytest.raises(Unparsable, match="over 33554432 bytes"):
        vex.parse(document() + b" " * (32 << 20))
    with pytest.raises(Unparsable, match="over 100000 statements"):
        vex.parse(document(*[0] * 100_001))
    names = [f"pkg:npm/p{number}" for number in range(2_000)]
    with pytest.raises(Unparsable, match="over 1000000 products"):
        vex.parse(document(said(products=names, subcomponents=names)))
    with pytest.raises(Unparsable, match="over 1000000 products"):
        vex.parse(document(said(products=[""] * 1_000_001)))
    assert time.process_time() - before < 10


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["pkg:npm/a@1", "fixed", "CVE-1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["@id", "name", "identifiers", "purl", "subcomponents"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*said(), "timestamp", "subcomponents"]), _JSON))
def test_any_statement_is_used_or_counted(members: dict[str, Any]) -> None:
    """Whatever stands in a statement, the document is read, and the statement is in one place or the other."""
    parsed = vex.parse(document(said(**members)))
    assert parsed.statements or parsed.unused
    assert all(statement.products for statement in parsed.statements)


@given(st.text(max_size=60) | st.text(alphabet="oci/deb@:?&=#%.[]42a", max_size=40))
def test_any_package_url_is_read_or_counted(text: str) -> None:
    """No text after `pkg:` is an error of its own, and none names every image or every package."""
    parsed = vex.parse(document(said(products=["pkg:" + text])))
    assert len(parsed.statements) + len(parsed.unused) == 1
    for statement in parsed.statements:
        (product,) = statement.products
        assert product.packages or (product.image and (product.image.repository or product.image.digest))


def test_package_urls_are_imported_when_they_are_read() -> None:
    """The library costs tens of milliseconds: a command that reads no document does not pay for it."""
    code = "import sys, hullwise.advisories.vex; sys.exit('packageurl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_parser_refuses_other_formats() -> None:
    """Asked directly, it looks at the context itself."""
    with pytest.raises(Unparsable, match="is no OpenVEX document"):
        openvex.parse(b'{"@context": "https://example.com", "statements": []}')
