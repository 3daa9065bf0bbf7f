"""CSAF 2.0 documents, VEX profile (OASIS CSAF 2.0, sections 3.2 and 4.5)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from hullwise.advisories import vex
from hullwise.advisories.records import Unparsable, Unused
from hullwise.advisories.vex import Document
from hullwise.domain.overlays import ImageRef, PackageRef, Product, Statement

LIB = Product(packages=(PackageRef("npm", "", "lib", "1.0"),))


def full_name(product_id: str, purl: str = "", **helper: str) -> dict[str, Any]:
    """A full product name, with a purl and whatever else helps to identify it."""
    help_with = {"purl": purl, **helper} if purl else helper
    return {
        "name": f"Product {product_id}",
        "product_id": product_id,
        **({"product_identification_helper": help_with} if help_with else {}),
    }


def part_of(product_id: str, part: str, whole: str, category: str = "default_component_of") -> dict[str, Any]:
    return {
        "category": category,
        "full_product_name": full_name(product_id),
        "product_reference": part,
        "relates_to_product_reference": whole,
    }


NAMES = [
    full_name("LIB", "pkg:npm/lib@1.0"),
    full_name("APP", "pkg:golang/github.com/acme/app@v2.0.0"),
    full_name("IMAGE", "pkg:oci/app?repository_url=ghcr.io/team/app"),
    full_name("OTHER", "pkg:oci/other"),
    full_name("EL8", cpe="cpe:/o:redhat:enterprise_linux:8::baseos"),
    full_name("NAMED"),
    full_name("BAD", "pkg:npm"),
]


def document(*vulnerabilities: Any, **tree: Any) -> bytes:
    head = {
        "category": "csaf_vex",
        "csaf_version": "2.0",
        "title": "Example",
        "publisher": {"category": "vendor", "name": "Example PSIRT", "namespace": "https://psirt.example.com"},
        "tracking": {
            "id": "2024-EX-1",
            "initial_release_date": "2024-01-01T00:00:00Z",
            "current_release_date": "2024-03-03T12:00:00.000+01:00",
            "revision_history": [],
            "status": "final",
            "version": "2",
        },
    }
    products = {"full_product_names": NAMES, **tree}
    return json.dumps({"document": head, "product_tree": products, "vulnerabilities": vulnerabilities}).encode()


def parse(status: dict[str, list[str]], tree: dict[str, Any] | None = None, **members: Any) -> Document:
    """A document with one vulnerability."""
    return vex.parse(document({"cve": "CVE-2024-1", "product_status": status, **members}, **(tree or {})))


def only(parsed: Document) -> Statement:
    (statement,) = parsed.statements
    assert parsed.unused == ()
    return statement


def test_a_document() -> None:
    """Branches, a relationship, a justification and a text are one statement, said when the document was released."""
    tree = {
        "full_product_names": [],
        "branches": [
            {
                "category": "vendor",
                "name": "Acme",
                "branches": [
                    {
                        "category": "product_name",
                        "name": "App",
                        "branches": [
                            {
                                "category": "product_version",
                                "name": "2.0.0",
                                "product": full_name("APP", "pkg:golang/github.com/acme/app@v2.0.0"),
                            }
                        ],
                    },
                    {
                        "category": "product_version",
                        "name": "net 0.22.0",
                        "product": full_name("NET", "pkg:golang/golang.org/x/net@v0.22.0"),
                    },
                ],
            }
        ],
        "relationships": [part_of("APP-NET", "NET", "APP")],
    }
    parsed = parse(
        {"known_not_affected": ["APP-NET"]},
        tree,
        ids=[{"system_name": "Go", "text": "GO-2024-2687"}, {"system_name": "Tracker", "text": "two words"}],
        flags=[{"label": "vulnerable_code_not_in_execute_path", "product_ids": ["APP-NET"]}],
        threats=[
            {"category": "exploit_status", "details": "None known.", "product_ids": ["APP-NET"]},
            {"category": "impact", "details": "No server is started.", "product_ids": ["APP-NET"]},
        ],
    )
    within = (PackageRef("golang", "github.com/acme", "app", "v2.0.0"),)
    assert parsed == Document(
        id="2024-EX-1",
        author="Example PSIRT",
        version="2",
        issued="2024-03-03T11:00:00Z",
        format="csaf",
        statements=(
            Statement(
                vulnerability="CVE-2024-1",
                aliases=("GO-2024-2687",),
                status="not_affected",
                products=(Product(packages=(PackageRef("golang", "golang.org/x", "net", "v0.22.0"),), within=within),),
                justification="vulnerable_code_not_in_execute_path",
                impact="No server is started.",
                at="2024-03-03T11:00:00Z",
            ),
        ),
        unused=(),
    )


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("known_not_affected", "not_affected"),
        ("fixed", "fixed"),
        ("first_fixed", "fixed"),
        ("known_affected", "affected"),
        ("first_affected", "affected"),
        ("last_affected", "affected"),
        ("under_investigation", "under_investigation"),
    ],
)
def test_statuses(name: str, status: str) -> None:
    """Each product status group is one of the four statuses (3.2.3.9)."""
    statement = only(parse({name: ["LIB"]}))
    assert (statement.status, statement.products) == (status, (LIB,))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("recommended", "recommended versions"), ("known_unknown", "status is not known")],
)
def test_other_groups_are_counted(name: str, reason: str) -> None:
    """Recommended versions are advice, and an unknown group could mean anything."""
    parsed = parse({name: ["LIB"]})
    assert (parsed.statements, parsed.unused) == ((), (Unused("CVE-2024-1", reason),))


@pytest.mark.parametrize(
    "category",
    ["default_component_of", "optional_component_of", "external_component_of", "installed_on", "installed_with"],
)
def test_relationships_put_a_component_into_a_product(category: str) -> None:
    """Each category means the component where the product is, an image as well as a package."""
    tree = {"relationships": [part_of("A", "LIB", "IMAGE", category), part_of("B", "LIB", "APP", category)]}
    app = PackageRef("golang", "github.com/acme", "app", "v2.0.0")
    assert only(parse({"fixed": ["A", "B"]}, tree)).products == (
        Product(image=ImageRef("team/app", "ghcr.io"), packages=LIB.packages),
        Product(packages=LIB.packages, within=(app,)),
    )


def test_relationships_of_relationships() -> None:
    """A component of a component of a product is bound by both."""
    tree = {"relationships": [part_of("A", "APP", "IMAGE"), part_of("B", "LIB", "A"), part_of("C", "A", "NAMED")]}
    app = PackageRef("golang", "github.com/acme", "app", "v2.0.0")
    assert only(parse({"fixed": ["B"]}, tree)).products == (
        Product(image=ImageRef("team/app", "ghcr.io"), packages=LIB.packages, within=(app,)),
    )
    assert parse({"fixed": ["C"]}, tree).unused == (Unused("CVE-2024-1", "product has no package URL"),)


@pytest.mark.parametrize(
    ("product_id", "reason"),
    [
        ("EL8", "product is named by CPE only"),
        ("NAMED", "product has no package URL"),
        ("BAD", "package URL is malformed"),
        ("MISSING", "product is not in the product tree"),
        ("IN-EL8", "product is named by CPE only"),
        ("IN-NAMED", "product has no package URL"),
        ("IN-MISSING", "product is not in the product tree"),
        ("OF-OTHER", "relationship of products is not known"),
        ("TWO", "product is one image in another"),
        ("ROUND", "product is nested over 64 deep"),
        ("DOUBLE-0", "product is nested over 64 deep"),
    ],
)
def test_products_that_cannot_be_told_are_counted(product_id: str, reason: str) -> None:
    """What is said of a component in such a product must not be taken for the component everywhere; other products of
    the statement are used."""
    tree = {
        "relationships": [
            part_of("IN-EL8", "LIB", "EL8"),
            part_of("IN-NAMED", "LIB", "NAMED"),
            part_of("IN-MISSING", "LIB", "MISSING"),
            part_of("OF-OTHER", "LIB", "APP", "reminds_of"),
            part_of("TWO", "IMAGE", "OTHER"),
            part_of("ROUND", "LIB", "ROUND"),
            *(part_of(f"DOUBLE-{number}", f"DOUBLE-{number + 1}", f"DOUBLE-{number + 1}") for number in range(70)),
            part_of("DOUBLE-70", "LIB", "APP"),
        ]
    }
    parsed = parse({"known_not_affected": [product_id, "LIB"]}, tree)
    assert [statement.products for statement in parsed.statements] == [(LIB,)]
    assert parsed.unused == (Unused("CVE-2024-1", reason),)


def test_groups_carry_labels_and_texts() -> None:
    """Flags and threats speak of products, of groups of them, or, without either, of all."""
    tree = {"product_groups": [{"group_id": "G", "product_ids": ["LIB", "APP"]}]}
    parsed = parse(
        {"known_not_affected": ["LIB", "APP", "IMAGE"]},
        tree,
        flags=[
            {"label": "component_not_present", "group_ids": ["G", "NONE"]},
            {"label": "vulnerable_code_not_present", "product_ids": ["IMAGE", "LIB"]},
        ],
        threats=[
            {"category": "impact", "details": "In general."},
            {"category": "impact", "details": "For the app.", "product_ids": ["APP"]},
        ],
    )
    assert [(said.justification, said.impact, len(said.products)) for said in parsed.statements] == [
        ("component_not_present", "In general.", 1),
        ("component_not_present", "For the app.", 1),
        ("vulnerable_code_not_present", "In general.", 1),
    ]


def test_affected_products_come_with_advice() -> None:
    """A remediation is what to do; an impact there is a severity word of the vendor, and no reason."""
    parsed = parse(
        {"known_affected": ["LIB"], "fixed": ["APP"]},
        remediations=[{"category": "none_available", "details": "A fix is being made.", "product_ids": ["LIB"]}],
        threats=[{"category": "impact", "details": "Important", "product_ids": ["LIB", "APP"]}],
        flags=[{"label": "component_not_present", "product_ids": ["LIB"]}],
    )
    fixed, affected = parsed.statements
    assert (fixed.status, fixed.action, fixed.impact) == ("fixed", "", "")
    assert (affected.status, affected.action, affected.impact, affected.justification) == (
        "affected",
        "A fix is being made.",
        "",
        "",
    )


def test_what_suppresses_is_said_first() -> None:
    """A document that contradicts itself (6.1.6 forbids it) keeps the finding: the last of two at one time decides."""
    parsed = parse({"known_affected": ["LIB"], "known_not_affected": ["LIB"], "under_investigation": ["LIB"]})
    assert [said.status for said in parsed.statements] == ["not_affected", "under_investigation", "affected"]


@pytest.mark.parametrize(
    ("vulnerability", "expected"),
    [
        ({"product_status": {"fixed": ["LIB"]}}, Unused("", "names no vulnerability")),
        ({"cve": "CVE-2024-1"}, Unused("CVE-2024-1", "gives no status")),
        ({"cve": "CVE-2024-1", "product_status": {"fixed": "LIB"}}, Unused("", "statement is of another shape")),
        (7, Unused("", "statement is of another shape")),
    ],
)
def test_vulnerabilities_that_say_nothing_are_counted(vulnerability: Any, expected: Unused) -> None:
    """One of them does not spoil the others."""
    parsed = vex.parse(document(vulnerability, {"cve": "CVE-2024-2", "product_status": {"fixed": ["LIB"]}}))
    assert (len(parsed.statements), parsed.unused) == (1, (expected,))


def test_a_vulnerability_without_a_cve() -> None:
    """Its first other id names it."""
    statement = only(
        vex.parse(document({"ids": [{"system_name": "GHSA", "text": "GHSA-1"}], "product_status": {"fixed": ["LIB"]}}))
    )
    assert (statement.vulnerability, statement.aliases) == ("GHSA-1", ())


@pytest.mark.parametrize(
    "text",
    [
        document()[:-10],
        b'{"document": {}}',
        b'{"document": "report"}',
        b'{"document": {"csaf_version": "2.0", "tracking": {"id": "1"}}}',
        b'{"document": {"csaf_version": "2.0"}, "vulnerabilities": []}',
        b'{"document": {"csaf_version": "2.1", "tracking": {"id": "1"}}, "vulnerabilities": []}',
        document().replace(b'"full_product_names": [', b'"full_product_names": [7, '),
        document().replace(b'"product_tree": {', b'"product_tree": {"branches": ' + b'[{"branches": ' * 50_000),
    ],
)
def test_what_is_no_document_is_refused(text: bytes) -> None:
    """Half a document, another version, one without vulnerabilities or with a broken product tree."""
    with pytest.raises(Unparsable):
        vex.parse(text)


def test_branches_are_64_deep_at_most() -> None:
    """The product on the last level is found; a level more is an error."""

    def nested(levels: int) -> dict[str, Any]:
        branch: dict[str, Any] = {"product": full_name("DEEP", "pkg:npm/lib@1.0")}
        for _ in range(levels - 1):
            branch = {"branches": [branch]}
        return {"branches": [branch]}

    assert only(parse({"fixed": ["DEEP"]}, nested(64))).products == (LIB,)
    with pytest.raises(Unparsable, match="over 64 levels"):
        parse({"fixed": ["DEEP"]}, nested(65))


def test_large_documents_take_linear_time() -> None:
    """Products are looked up by id; a group that is referred to again and again ends in a clear error."""
    before = time.process_time()
    ids = [f"P{number}" for number in range(20_000)]
    tree = {
        "full_product_names": [full_name(name, f"pkg:npm/{name}") for name in ids] + NAMES,
        "product_groups": [{"group_id": "G", "product_ids": ids}],
        "relationships": [part_of(f"IN-{name}", name, "APP") for name in ids],
    }
    flags = [{"label": "component_not_present", "group_ids": ["G"]}]
    statement = only(parse({"known_not_affected": [*ids, *(f"IN-{name}" for name in ids)]}, tree, flags=flags[:0]))
    assert len(statement.products) == 40_000
    with pytest.raises(Unparsable, match="over 1000000 products"):
        parse({"known_not_affected": ids}, tree, flags=flags * 51)
    assert time.process_time() - before < 10
