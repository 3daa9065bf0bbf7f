"""CycloneDX VEX documents, 1.4 to 1.7 (ECMA-424; BOM-Link: cyclonedx.org/capabilities/bomlink)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwise.advisories import vex
from hullwise.advisories.records import Unparsable, Unused
from hullwise.advisories.vex import Document
from hullwise.domain.overlays import ImageRef, PackageRef, Product, Statement

SERIAL = "3e671687-395b-41f5-a30f-a58921a69b79"
DIGEST = "sha256:" + "5a" * 32
LIB = Product(packages=(PackageRef("npm", "", "lib", "1.0"),))
LOOSE = PackageRef("npm", "", "loose")

COMPONENTS: list[dict[str, Any]] = [
    {"type": "library", "bom-ref": "lib", "name": "lib", "version": "1.0", "purl": "pkg:npm/lib@1.0"},
    {"type": "library", "bom-ref": "loose", "name": "loose", "purl": "pkg:npm/loose"},
    {
        "type": "application",
        "bom-ref": "outer",
        "name": "outer",
        "components": [{"type": "library", "bom-ref": "in/ner", "name": "inner", "purl": "pkg:npm/inner@2"}],
    },
    {"type": "library", "bom-ref": "cpe", "name": "cpe", "cpe": "cpe:2.3:a:x:y:1:*:*:*:*:*:*:*"},
    {"type": "library", "bom-ref": "bad", "name": "bad", "purl": "npm/lib"},
    {"type": "container", "bom-ref": "image", "name": "ghcr.io/team/app:1.0", "version": DIGEST},
]


def document(*vulnerabilities: Any, **members: Any) -> bytes:
    head = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{SERIAL}",
        "version": 2,
        "metadata": {"timestamp": "2024-03-01T10:00:00+01:00"},
        "components": COMPONENTS,
    }
    return json.dumps({**head, "vulnerabilities": vulnerabilities, **members}).encode()


def affected(*refs: Any, state: str = "not_affected", **members: Any) -> dict[str, Any]:
    """A vulnerability with an analysis of the references; a reference is a text, or one with versions."""
    affects = [{"ref": ref} if isinstance(ref, str) else ref for ref in refs]
    return {"id": "CVE-2024-1", "analysis": {"state": state}, "affects": affects, **members}


def only(parsed: Document) -> Statement:
    (statement,) = parsed.statements
    assert parsed.unused == ()
    return statement


def products(*refs: Any, **members: Any) -> tuple[Product, ...]:
    return only(vex.parse(document(affected(*refs), **members))).products


def root(**members: Any) -> dict[str, Any]:
    """The component that the document is of."""
    return {"component": {"type": "application", "bom-ref": "root", "name": "app", **members}}


@pytest.mark.parametrize("version", ["1.4", "1.5", "1.6", "1.7"])
def test_a_document(version: str) -> None:
    """Each member of an analysis arrives where it belongs, in each version of the format."""
    parsed = vex.parse(
        document(
            {
                "id": "CVE-2024-1",
                "source": {"name": "NVD", "url": "https://nvd.nist.gov/vuln/detail/CVE-2024-1"},
                "references": [{"id": "GHSA-1", "source": {"name": "GitHub"}}, {"id": "CVE-2024-1"}],
                "ratings": [{"score": 7.5, "severity": "high"}],
                "recommendation": "Update to 1.1.",
                "analysis": {
                    "state": "not_affected",
                    "justification": "code_not_reachable",
                    "response": ["will_not_fix", "update"],
                    "detail": "Nothing calls it.",
                    "firstIssued": "2024-01-01T00:00:00Z",
                    "lastUpdated": "2024-02-01T00:00:00Z",
                },
                "affects": [{"ref": "lib"}, {"ref": "in/ner"}],
            },
            specVersion=version,
            metadata={"timestamp": "2024-03-01T10:00:00+01:00", "authors": [{"email": "a@b"}, {"name": "Ada"}]},
        )
    )
    assert parsed == Document(
        id=f"urn:uuid:{SERIAL}",
        author="Ada",
        version="2",
        issued="2024-03-01T09:00:00Z",
        format="cyclonedx",
        statements=(
            Statement(
                vulnerability="CVE-2024-1",
                aliases=("GHSA-1",),
                status="not_affected",
                products=(LIB, Product(packages=(PackageRef("npm", "", "inner", "2"),))),
                justification="code_not_reachable",
                impact="Nothing calls it.",
                action="Update to 1.1.",
                at="2024-02-01T00:00:00Z",
            ),
        ),
        unused=(),
    )


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("not_affected", "not_affected"),
        ("false_positive", "not_affected"),
        ("resolved", "fixed"),
        ("resolved_with_pedigree", "fixed"),
        ("exploitable", "affected"),
        ("in_triage", "under_investigation"),
    ],
)
def test_states(state: str, status: str) -> None:
    """Each state of an analysis is one of the four statuses."""
    assert only(vex.parse(document(affected("lib", state=state)))).status == status


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"firstIssued": "2024-01-01T00:00:00Z"}, "2024-01-01T00:00:00Z"),
        ({"lastUpdated": "never", "firstIssued": ""}, "2024-03-01T09:00:00Z"),
        ({}, "2024-03-01T09:00:00Z"),
    ],
)
def test_time_of_an_analysis(times: dict[str, str], expected: str) -> None:
    """Its last update, else its first issue, else that of the document."""
    assert only(vex.parse(document(affected("lib", analysis={"state": "resolved", **times})))).at == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"workaround": "Turn it off."}, "Turn it off."),
        ({"analysis": {"state": "exploitable", "response": ["can_not_fix", "update"]}}, "can_not_fix, update"),
        ({"analysis": {"state": "exploitable", "response": "update"}}, "update"),
        ({}, ""),
    ],
)
def test_advice(members: dict[str, Any], expected: str) -> None:
    """A workaround where nothing is recommended, else the vendor's answers, which some write as one text."""
    assert only(vex.parse(document(affected("lib", **members)))).action == expected


@pytest.mark.parametrize(
    "ref",
    [
        "lib",
        f"urn:cdx:{SERIAL}/2#lib",
        f"urn:cdx:{SERIAL.upper()}/1#lib",
        "pkg:npm/lib@1.0",
        "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#pkg:npm/lib@1.0",
        "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#pkg%3Anpm%2Flib%401.0",
    ],
)
def test_references(ref: str) -> None:
    """A bom-ref, a BOM-Link into this document or with a package URL into another, or a package URL."""
    assert products(ref) == (LIB,)


def test_a_bom_ref_in_a_link_may_be_encoded() -> None:
    """A slash in it is `%2F` in a BOM-Link."""
    assert products(f"urn:cdx:{SERIAL}/2#in%2Fner") == (Product(packages=(PackageRef("npm", "", "inner", "2"),)),)


def test_a_bom_ref_goes_before_a_package_url() -> None:
    """A reference that looks like a package URL is the component that has it as its bom-ref."""
    components = [{"type": "library", "bom-ref": "pkg:npm/other@3", "name": "lib", "purl": "pkg:npm/lib@1.0"}]
    assert products("pkg:npm/other@3", components=components) == (LIB,)


def test_a_container_is_known_by_its_name() -> None:
    """Where a container has no package URL its name is an image reference, its version a digest or a tag."""
    assert products("image") == (Product(image=ImageRef("team/app", "ghcr.io", DIGEST, "1.0")),)
    for name, version, image in [
        ("debian", "12", ImageRef("debian", tag="12")),
        ("my.app", "", ImageRef("my.app")),
        ("localhost:5000/app", "", ImageRef("app", "localhost:5000")),
        (f"team/app@{DIGEST}", "1.0", ImageRef("team/app", digest=DIGEST)),
    ]:
        container = {"type": "container", "bom-ref": "c", "name": name, "version": version}
        assert products("c", components=[container]) == (Product(image=image),)


def test_a_document_is_of_its_component() -> None:
    """What is said of a part holds where the whole is: in that image, or beside that package."""
    image = root(purl="pkg:oci/app?repository_url=ghcr.io/team/app", type="container")
    assert products("lib", metadata=image) == (Product(image=ImageRef("team/app", "ghcr.io"), packages=LIB.packages),)
    package = root(purl="pkg:golang/github.com/acme/app@v1")
    app = PackageRef("golang", "github.com/acme", "app", "v1")
    assert products("lib", metadata=package) == (Product(packages=LIB.packages, within=(app,)),)


@pytest.mark.parametrize("ref", ["root", f"urn:cdx:{SERIAL}/2", f"urn:cdx:{SERIAL}/2#root", "pkg:oci/app"])
def test_the_whole_itself(ref: str) -> None:
    """A reference to the document's component, or to the document, is a word on all of it."""
    assert products(ref, metadata=root(purl="pkg:oci/app")) == (Product(image=ImageRef("app")),)


@pytest.mark.parametrize(
    ("ref", "metadata", "reason"),
    [
        ("missing", {}, "reference leads to no component"),
        ("", {}, "reference leads to no component"),
        ("", root(purl="pkg:oci/app"), "reference leads to no component"),
        ("outer", {}, "product has no package URL"),
        ("cpe", {}, "product is named by CPE only"),
        ("bad", {}, "package URL is malformed"),
        (f"urn:cdx:{SERIAL}/2", {}, "reference leads to no component"),
        ("urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#lib", {}, "reference leads to another document"),
        ("urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1", {}, "reference leads to another document"),
        ("lib", root(), "the document's own component has no package URL"),
        ("root", root(), "product has no package URL"),
        ("image", root(purl="pkg:oci/other"), "product is one image in another"),
    ],
)
def test_references_that_lead_nowhere_are_counted(ref: str, metadata: dict[str, Any], reason: str) -> None:
    """Nothing of them can be compared, or they would say more than was said."""
    parsed = vex.parse(document(affected(ref), metadata=metadata))
    assert (parsed.statements, parsed.unused) == ((), (Unused("CVE-2024-1", reason),))


@pytest.mark.parametrize(
    ("state", "versions", "found", "reasons"),
    [
        ("resolved", [{"version": "5.1"}, {"version": "5.2"}], ["5.1", "5.2"], []),
        ("not_affected", [{"version": "2.5", "status": "unaffected"}], ["2.5"], []),
        ("exploitable", [{"version": "2.4", "status": "affected"}, {"version": "2.5", "status": "unknown"}],
         ["2.4", "2.5"], []),
        ("resolved", [{"version": "1.0", "status": "affected"}, {"version": "1.1", "status": "unaffected"}],
         ["1.1"], ["status of a version contradicts the analysis"]),
        ("not_affected", [{"version": "1.0", "status": "unknown"}], [],
         ["status of a version contradicts the analysis"]),
        ("exploitable", [{"version": "1.0", "status": "unaffected"}], [],
         ["status of a version contradicts the analysis"]),
        ("not_affected", [{"range": "vers:npm/>=1.0|<2.0"}, {"version": "3"}], ["3"], ["version ranges are not read"]),
        ("not_affected", [{"range": "vers:npm/*"}], [], ["version ranges are not read"]),
    ],
)  # fmt: skip
def test_versions_narrow_a_component(
    state: str, versions: list[dict[str, str]], found: list[str], reasons: list[str]
) -> None:
    """Only the versions that are listed are meant, and only those whose own status agrees with the analysis; never all
    of them because none can be used."""
    parsed = vex.parse(document(affected({"ref": "loose", "versions": versions}, state=state)))
    expected = {Product(packages=(PackageRef("npm", "", LOOSE.name, version),)) for version in found}
    assert {product for said in parsed.statements for product in said.products} == expected
    assert [unused.reason for unused in parsed.unused] == reasons


def test_a_component_has_its_own_version() -> None:
    """A listed version that is not the component's says nothing of it; nor do versions say anything of an image."""
    parsed = vex.parse(
        document(
            affected(
                {"ref": "lib", "versions": [{"version": "v1.0"}, {"version": "1.1"}]},
                {"ref": "image", "versions": [{"version": "1.0"}]},
            )
        )
    )
    assert [product.packages[0].name for product in parsed.statements[0].products] == ["lib"]
    assert [unused.reason for unused in parsed.unused] == [
        "version is not the component's",
        "versions of an image are not read",
    ]


@pytest.mark.parametrize(
    ("vulnerability", "expected"),
    [
        (affected("lib", id=None), Unused("", "names no vulnerability")),
        (affected("lib", id=None, references=[{"id": "GHSA-1"}]), Unused("", "names no vulnerability")),
        (affected("lib", analysis=None), Unused("CVE-2024-1", "gives no status")),
        (affected("lib", analysis={"detail": "Hm."}), Unused("CVE-2024-1", "gives no status")),
        (affected("lib", state="fine"), Unused("CVE-2024-1", "status is not known")),
        (affected(), Unused("CVE-2024-1", "names no product")),
        (affected("lib", analysis="fine"), Unused("", "statement is of another shape")),
        ([], Unused("", "statement is of another shape")),
    ],
)
def test_vulnerabilities_that_say_nothing_are_counted(vulnerability: Any, expected: Unused) -> None:
    """One of them does not spoil the others; an inventory's plain findings have no analysis."""
    parsed = vex.parse(document(vulnerability, affected("lib")))
    assert (len(parsed.statements), parsed.unused) == (1, (expected,))


@pytest.mark.parametrize(
    "text",
    [
        document()[:-5],
        document(specVersion="1.3"),
        document(specVersion="2.0"),
        document(bomFormat="Cyclone"),
        document(components=[{"bom-ref": 7}]),
        b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}',
        document().replace(b'"components": [', b'"components": [' + b'{"components": [' * 50_000),
    ],
)
def test_what_is_no_document_is_refused(text: bytes) -> None:
    """Half a document, a version without VEX, another format's name, an inventory without vulnerabilities."""
    with pytest.raises(Unparsable):
        vex.parse(text)


def test_components_are_64_deep_at_most() -> None:
    """The component on the last level is found; a level more is an error."""

    def nested(levels: int) -> list[dict[str, Any]]:
        component = COMPONENTS[0]
        for _ in range(levels - 1):
            component = {"type": "library", "name": "outer", "components": [component]}
        return [component]

    assert products("lib", components=nested(64)) == (LIB,)
    with pytest.raises(Unparsable, match="over 64 levels"):
        vex.parse(document(affected("lib"), components=nested(65)))
