"""CycloneDX documents, against the published schema of 1.6 and against the reader of VEX documents."""

from __future__ import annotations

import json
import random
import re
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from packageurl import PackageURL

from hullwise.advisories.vex.cyclonedx import parse
from hullwise.documents.cyclonedx import cyclonedx
from hullwise.documents.subject import Subject
from hullwise.domain import overlays
from hullwise.domain.overlays import InstalledPackage, presence, verdict
from hullwise.domain.packages import Distribution, Occurrence, Package
from hullwise.domain.reports import Finding
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim
from tests.support.documents import (
    BABEL,
    BABEL_FINDING,
    BABEL_FOUND,
    BABEL_PATHS,
    BABEL_PURL,
    BABEL_V4,
    BABEL_VECTOR,
    BASE,
    BOOKWORM,
    DIGEST,
    FINDINGS,
    FIXED,
    IMAGE_PURL,
    JINJA_DEB_PURL,
    JINJA_FINDING,
    JINJA_METADATA,
    JINJA_PURL,
    JINJA_VECTOR,
    NOW,
    OCCURRENCES,
    SAID_NOW,
    STATUS,
    SUBJECT,
    TOP,
    ZLIB_FINDING,
    ZLIB_PURL,
    ZLIB_VECTOR,
    assessment,
    many,
)

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def write(
    subject: Subject = SUBJECT,
    distribution: Distribution | None = BOOKWORM,
    occurrences: tuple[Occurrence, ...] = OCCURRENCES,
    findings: tuple[Finding, ...] | None = None,
) -> bytes:
    return cyclonedx(subject, distribution, occurrences, findings, now=NOW, tool_version="0.1.0")


def valid(document: bytes) -> dict[str, Any]:
    """The document, which is valid by the schema (formats too), has no reference twice, and none to nowhere."""
    assert VALIDATOR.validate_str(document.decode()) is None
    read: dict[str, Any] = json.loads(document)
    refs = [read["metadata"]["component"]["bom-ref"], *(item["bom-ref"] for item in read["components"])]
    assert len(refs) == len(set(refs))
    for item in read["dependencies"]:
        assert {item["ref"], *item["dependsOn"]} <= set(refs)
    for found in read.get("vulnerabilities", ()):
        assert {item["ref"] for item in found["affects"]} <= set(refs)
    return read


def component(document: dict[str, Any], ref: str) -> dict[str, Any]:
    [found] = [item for item in document["components"] if item["bom-ref"] == ref]
    assert isinstance(found, dict)
    return found


def properties(of: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["name"], item["value"]) for item in of["properties"]]


def test_document() -> None:
    """What it is of, by whom, and when; there is no word of vulnerabilities where no findings are given."""
    document = valid(write())
    assert {name: document[name] for name in ("bomFormat", "specVersion", "version")} == {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
    }
    assert re.fullmatch(
        "urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", document["serialNumber"]
    )
    metadata = document["metadata"]
    assert metadata["timestamp"] == SAID_NOW
    assert metadata["tools"] == {"components": [{"type": "application", "name": "Hullwise", "version": "0.1.0"}]}
    assert metadata["component"] == {
        "type": "container",
        "bom-ref": IMAGE_PURL,
        "name": "team/app:1.0",
        "version": DIGEST,
        "hashes": [{"alg": "SHA-256", "content": "ab" * 32}],
        "purl": IMAGE_PURL,
        "properties": [
            {"name": "hullwise:repository", "value": "registry.example/team/app"},
            {"name": "hullwise:tag", "value": "1.0"},
            {"name": "hullwise:tag", "value": "latest"},
            {"name": "hullwise:created", "value": "2026-01-02T02:04:05Z"},
        ],
    }
    assert "vulnerabilities" not in document


def test_components() -> None:
    """The distribution, then each package once, with all of its places."""
    document = valid(write())
    assert [item["bom-ref"] for item in document["components"]] == [
        "os:debian-12",
        JINJA_DEB_PURL,
        ZLIB_PURL,
        BABEL_PURL,
        JINJA_PURL,
    ]
    assert document["components"][0] == {
        "type": "operating-system",
        "bom-ref": "os:debian-12",
        "name": "debian",
        "version": "12",
        "description": "Debian GNU/Linux 12 (bookworm)",
    }
    assert component(document, BABEL_PURL) == {
        "type": "library",
        "bom-ref": BABEL_PURL,
        "group": "@babel",
        "name": "traverse",
        "version": "7.23.0",
        "purl": BABEL_PURL,
        "properties": [
            {"name": "hullwise:layer", "value": TOP},
            {"name": "hullwise:path", "value": BABEL_PATHS[0]},
            {"name": "hullwise:path", "value": BABEL_PATHS[1]},
        ],
        "evidence": {
            "occurrences": [
                {"location": BABEL_PATHS[0], "additionalContext": f"layer {TOP}"},
                {"location": BABEL_PATHS[1], "additionalContext": f"layer {TOP}"},
            ]
        },
    }
    zlib = component(document, ZLIB_PURL)
    assert "group" not in zlib
    assert properties(zlib) == [
        ("hullwise:layer", BASE),
        ("hullwise:path", STATUS),
        ("hullwise:source", "zlib (1:1.2.13.dfsg-1)"),
    ]
    assert properties(component(document, JINJA_PURL)) == [
        ("hullwise:layer", BASE),
        ("hullwise:path", JINJA_METADATA),
        ("hullwise:owner", "python3-jinja2"),
    ]


def test_dependencies() -> None:
    """The image depends on everything, and a package of the distribution on what lies in its files."""
    assert valid(write())["dependencies"] == [
        {"ref": IMAGE_PURL, "dependsOn": ["os:debian-12", JINJA_DEB_PURL, ZLIB_PURL, BABEL_PURL, JINJA_PURL]},
        {"ref": JINJA_DEB_PURL, "dependsOn": [JINJA_PURL]},
    ]


def test_owner_that_is_not_listed() -> None:
    """An owner that is no component is named by the property alone."""
    document = valid(write(occurrences=(OCCURRENCES[2],)))
    assert [item["ref"] for item in document["dependencies"]] == [IMAGE_PURL]


def test_vulnerability() -> None:
    """Everything that is known of one: who rates it and how, what helps, and what exactly is affected."""
    [found] = valid(write(findings=(BABEL_FINDING,)))["vulnerabilities"]
    assert found == {
        "id": "CVE-2023-45133",
        "source": {"name": "osv", "url": "https://github.com/advisories/GHSA-67hx-6x53-jw92"},
        "references": [{"id": "GHSA-67hx-6x53-jw92", "source": {"name": "GHSA"}}],
        "ratings": [
            {
                "source": {"name": "GHSA"},
                "severity": "critical",
                "score": 9.3,
                "method": "CVSSv31",
                "vector": BABEL_VECTOR,
            },
            {"source": {"name": "NVD"}, "severity": "critical", "score": 9.3, "method": "CVSSv4", "vector": BABEL_V4},
        ],
        "description": "Arbitrary code execution when compiling crafted code.",
        "detail": "Only plugins that rely on `path.evaluate()` are affected.",
        "recommendation": "Upgrade @babel/traverse to 7.23.2.",
        "advisories": [
            {"url": "https://github.com/advisories/GHSA-67hx-6x53-jw92"},
            {"url": "https://example.org/a%20b%7Cc"},
        ],
        "published": "2023-10-12T17:15:09Z",
        "updated": "2024-02-01T00:00:00Z",
        "affects": [{"ref": BABEL_PURL, "versions": [{"version": "7.23.0", "status": "affected"}]}],
        "properties": [
            {"name": "hullwise:state", "value": "fixed"},
            {"name": "hullwise:record", "value": "GHSA-67hx-6x53-jw92"},
            {"name": "hullwise:credit", "value": "GitHub, CC-BY-4.0"},
        ],
    }


def test_ratings_of_all_kinds() -> None:
    """Words and the vectors of each version of CVSS, the one that decided first."""
    found = valid(write(findings=FINDINGS))["vulnerabilities"]
    ratings = {item["id"]: item["ratings"] for item in found}
    assert ratings["CVE-2023-45853"] == [
        {"source": {"name": "debian"}, "severity": "info", "method": "other", "justification": "unimportant"},
        {"source": {"name": "NVD"}, "severity": "high", "score": 7.5, "method": "CVSSv2", "vector": ZLIB_VECTOR},
    ]
    [jinja] = ratings["CVE-2024-22195"]
    assert (jinja["method"], jinja["vector"]) == ("CVSSv3", JINJA_VECTOR)


def test_most_severe_first() -> None:
    """In the order of findings, suppressed ones last, and without ratings and recommendation where nobody gave any."""
    unrated = Finding(assessment("CVE-2020-1", "npm", "@babel/traverse", (), state="affected"), BABEL, OCCURRENCES[3:])
    found = valid(write(findings=(unrated, *reversed(FINDINGS))))["vulnerabilities"]
    assert [item["id"] for item in found] == ["CVE-2023-45133", "CVE-2020-1", "CVE-2024-22195", "CVE-2023-45853"]
    assert found[1].keys().isdisjoint({"ratings", "recommendation", "advisories", "analysis", "description"})


@pytest.mark.parametrize(
    ("finding", "analysis", "status", "by"),
    [
        (
            JINJA_FINDING,
            {
                "state": "not_affected",
                "justification": "code_not_reachable",
                "detail": "vulnerable_code_not_in_execute_path No xmlattr here.",
            },
            "unaffected",
            ("vex:3#12", "security@team.example"),
        ),
        (
            ZLIB_FINDING,
            {"state": "exploitable", "response": ["will_not_fix"], "detail": "minizip is not built"},
            "affected",
            ("rule:7", "alice"),
        ),
        (
            msgspec.structs.replace(BABEL_FINDING, suppression=FIXED),
            {"state": "resolved", "detail": "patched by us"},
            "unaffected",
            ("vex:4#1", "bob"),
        ),
    ],
    ids=["not affected", "ignored", "fixed"],
)
def test_suppressed(finding: Finding, analysis: dict[str, Any], status: str, by: tuple[str, str]) -> None:
    """A suppressed finding is listed, with an analysis that says why; a risk that is taken is still one."""
    [found] = valid(write(findings=(finding,)))["vulnerabilities"]
    assert found["analysis"] == analysis
    assert [version["status"] for item in found["affects"] for version in item["versions"]] == [status]
    said = dict(properties(found))
    assert (said["hullwise:suppressed-by"], said["hullwise:suppressed-author"]) == by


def test_read_back_as_vex() -> None:
    """Our reader takes the analyses for statements about these packages in this image; other findings say nothing."""
    document = parse(write(findings=FINDINGS))
    assert document.id.startswith("urn:uuid:")
    assert document.issued == SAID_NOW
    assert [(said.vulnerability, said.aliases, said.status, said.suppresses) for said in document.statements] == [
        ("CVE-2024-22195", ("GHSA-h5c8-rqwp-cp95",), "not_affected", True),
        ("CVE-2023-45853", (), "affected", False),
    ]
    [product] = document.statements[0].products
    assert product.image is not None
    assert (product.image.digest, product.image.repository) == (DIGEST, "team/app")
    assert [(part.type, part.name, part.version) for part in product.packages] == [("pypi", "jinja2", "3.1.2")]
    assert [(item.id, item.reason) for item in document.unused] == [("CVE-2023-45133", "gives no status")]


@pytest.mark.parametrize(("digest", "suppressed"), [(DIGEST, True), (TOP, False)], ids=["same image", "another"])
def test_what_is_read_back_suppresses_the_same_finding(digest: str, suppressed: bool) -> None:
    """The statement hits the finding that it was written of, in that image alone."""
    installed = InstalledPackage("pypi", "", "jinja2", "3.1.2")
    finding = overlays.Subject(
        ids=frozenset({"CVE-2024-22195"}),
        repository="team/app",
        digests=frozenset({digest}),
        tags=frozenset(),
        packages=(installed,),
        present=presence([installed]),
    )
    decided = verdict(parse(write(findings=FINDINGS)).statements, finding)
    assert (decided is not None and decided.suppresses) is suppressed


def test_any_order_gives_the_same_bytes() -> None:
    """Occurrences and findings in any order, and twice: the same document; another time or image: another name."""
    first = write(findings=FINDINGS)
    for seed in range(5):
        shuffled = random.Random(seed)
        occurrences = shuffled.sample((*OCCURRENCES, *OCCURRENCES), 2 * len(OCCURRENCES))
        findings = [
            msgspec.structs.replace(finding, occurrences=tuple(reversed(finding.occurrences)))
            for finding in shuffled.sample(FINDINGS, len(FINDINGS))
        ]
        assert write(occurrences=tuple(occurrences), findings=tuple(findings)) == first
    serials = {json.loads(document)["serialNumber"] for document in (first, write(), write(distribution=None))}
    assert len(serials) == 3


@pytest.mark.parametrize(
    ("namespace", "version", "matched"),
    [("maven", "2.0", True), ("", "2.0", False), ("maven", "", False)],
)
def test_what_is_never_matched_says_so(namespace: str, version: str, matched: bool) -> None:
    """A guess, and a package without a version, are listed; that nothing was found in them says nothing."""
    package = Package("maven", namespace, "org.example:a", version, "org.example:a", version, "", "")
    document = valid(cyclonedx(SUBJECT, None, [Occurrence(package, "a.jar", TOP)], [], now=NOW, tool_version="1"))
    (listed,) = document["components"]
    assert dict(properties(listed)).get("hullwise:matched", "") == ("" if matched else "false")
    assert document["vulnerabilities"] == []


def test_what_is_matched_at_one_place_is_matched() -> None:
    """The same package as an application of its own, and as one that something depends on."""
    own = Package("npm", "", "a", "1.0.0", "a", "1.0.0", "", "")
    installed = msgspec.structs.replace(own, namespace="npm")
    places = [Occurrence(own, "app/package.json", TOP), Occurrence(installed, "node_modules/a/package.json", TOP)]
    (listed,) = valid(cyclonedx(SUBJECT, None, places, now=NOW, tool_version="1"))["components"]
    assert "hullwise:matched" not in dict(properties(listed))


def test_no_operating_system() -> None:
    """A distroless image: no component of a system, and no vendor in its URLs."""
    document = valid(write(distribution=None, findings=()))
    assert {item["type"] for item in document["components"]} == {"library"}
    assert component(document, "pkg:deb/zlib1g@1:1.2.13.dfsg-1?arch=amd64")["name"] == "zlib1g"
    assert document["vulnerabilities"] == []


def test_nothing_in_it() -> None:
    """A root file system without a digest, and nothing found in it."""
    document = valid(write(Subject("/mnt/root", ""), None, ()))
    assert document["metadata"]["component"] == {
        "type": "container",
        "bom-ref": "image:/mnt/root",
        "name": "/mnt/root",
    }
    assert document["dependencies"] == [{"ref": "image:/mnt/root", "dependsOn": []}]


def test_packages_of_one_package_url() -> None:
    """npm's old names with capitals are other packages, whose URL is the same; a guess about one is not another."""
    small = Package("npm", "npm", "jsonstream", "1.0.3", "jsonstream", "1.0.3", "", "")
    capital = msgspec.structs.replace(small, name="JSONStream", source_name="JSONStream")
    guess = msgspec.structs.replace(small, namespace="")
    places = (Occurrence(small, "a", TOP), Occurrence(capital, "b", TOP), Occurrence(guess, "c", TOP))
    finding = Finding(BABEL_FOUND, small, places[:1])
    document = valid(write(occurrences=places, findings=(finding,)))
    url = "pkg:npm/jsonstream@1.0.3"
    named = {item["bom-ref"]: item["name"] for item in document["components"] if item["type"] == "library"}
    assert named == {url: "JSONStream", f"{url}#jsonstream": "jsonstream"}
    merged = component(document, f"{url}#jsonstream")
    assert (merged["purl"], [place["location"] for place in merged["evidence"]["occurrences"]]) == (url, ["a", "c"])
    [found] = document["vulnerabilities"]
    assert [item["ref"] for item in found["affects"]] == [f"{url}#jsonstream"]


def test_finding_of_a_package_that_is_not_listed() -> None:
    """What is affected is always there to be referred to."""
    document = valid(write(occurrences=(), findings=(BABEL_FINDING,)))
    assert component(document, BABEL_PURL)["version"] == "7.23.0"


PRINTABLE = st.text(min_size=1, max_size=30).filter(str.isprintable)
ODD = st.sampled_from(
    ["a b", "ü/ñ", "@scope/na@me", "100%", "%zz", "a#b?c=d&e", "名前", "<script>", '"', "..", "urn:cdx:x"]
)


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
    odd = assessment(
        name,
        "npm",
        name,
        (SeverityClaim(name, "word", version, Severity.LOW),),
        summary=path,
        url=f"https://example.org/{name}",
        references=(name, f"https://{name}", f"http://example.org/?{name}#{version}"),
    )
    place = Occurrence(package, path, TOP, name)
    document = valid(write(Subject(image, DIGEST, image), BOOKWORM, (place,), (Finding(odd, package, (place,)),)))
    listed = document["components"][-1]
    group = f"{listed['group']}/" if "group" in listed else ""
    assert group + listed["name"] == name
    assert listed.get("version", "") == version
    assert listed["evidence"]["occurrences"][0]["location"] == path
    if version.strip():
        assert PackageURL.from_string(listed["purl"]).version == unquote(version.strip()) or "%" in version


def test_many_packages() -> None:
    """10,000 packages are listed, each once."""
    document = json.loads(cyclonedx(SUBJECT, BOOKWORM, many(10_000), now=NOW, tool_version="0.1.0"))
    assert len({item["bom-ref"] for item in document["components"]}) == 10_001
    assert len(document["dependencies"][0]["dependsOn"]) == 10_001
