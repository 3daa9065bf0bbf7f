"""Red Hat's CSAF says of each product what it does about a CVE (redhatproductsecurity.github.io, security data
guidelines, `csaf-vex`). The documents here are written by hand in its shape."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.advisories import documents, explanation
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.feeds import forms, redhat
from hullwise.advisories.feeds.osv import Parsed
from hullwise.advisories.generation import Generation
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused
from hullwise.domain.packages import Occurrence, Package
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim
from hullwise.ecosystems import builds

CVE = "CVE-2024-1000"

PRODUCTS = {
    "red_hat_enterprise_linux_8": "cpe:/o:redhat:enterprise_linux:8",
    "red_hat_enterprise_linux_9": "cpe:/o:redhat:enterprise_linux:9",
    "BaseOS-9.4.0.Z.MAIN.EUS": "cpe:/o:redhat:enterprise_linux:9::baseos",
    "AppStream-9.4.0.Z.MAIN.EUS": "cpe:/a:redhat:enterprise_linux:9::appstream",
    "AppStream-8.10.0.Z.MAIN.EUS": "cpe:/a:redhat:enterprise_linux:8::appstream",
    "AppStream-9.2.0.Z.EUS": "cpe:/a:redhat:rhel_eus:9.2::appstream",
    "BaseOS-8.6.0.Z.AUS": "cpe:/o:redhat:rhel_aus:8.6::baseos",
    "openshift_4": "cpe:/a:redhat:openshift:4",
}
"""Product ids and what tells them apart."""

OPENSSL = {
    "openssl": "pkg:rpm/redhat/openssl?arch=src",
    "openssl-1:3.0.7-27.el9.src": "pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=src&epoch=1",
    "openssl-libs-1:3.0.7-27.el9.x86_64": "pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=x86_64&epoch=1",
    "openssl-libs-1:3.0.7-27.el9.aarch64": "pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=aarch64&epoch=1",
    "openssl-libs-1:3.0.7-9.el9.x86_64": "pkg:rpm/redhat/openssl-libs@3.0.7-9.el9?arch=x86_64&epoch=1",
    "openssl-debuginfo-1:3.0.7-27.el9.x86_64": "pkg:rpm/redhat/openssl-debuginfo@3.0.7-27.el9?arch=x86_64&epoch=1",
}

NODEJS = {
    "nodejs-1:18.20-1.module+el8.10.0+1+a.x86_64::nodejs:18": "pkg:rpm/redhat/nodejs@18.20-1.module%2Bel8.10.0%2B1%2Ba"
    "?arch=x86_64&epoch=1&rpmmod=nodejs:18:8100020240301:489197e6",
    "nodejs-1:20.9-1.module+el8.10.0+2+b.x86_64": "pkg:rpm/redhat/nodejs@20.9-1.module%2Bel8.10.0%2B2%2Bb"
    "?arch=x86_64&epoch=1",
    "nodejs:20:8100020240401:489197e6": "pkg:rpmmod/redhat/nodejs@20:8100020240401:489197e6",
    "nodejs:18/nodejs": "",
}


def product(product_id: str, **helper: str) -> dict[str, Any]:
    named = {"name": product_id, "product_id": product_id}
    return {"product": {**named, "product_identification_helper": helper} if helper else named}


def inside(place: str, component: str) -> dict[str, Any]:
    return {
        "category": "default_component_of",
        "full_product_name": {"name": f"{component} in {place}", "product_id": f"{place}:{component}"},
        "product_reference": component,
        "relates_to_product_reference": place,
    }


def document(
    components: dict[str, str], category: str = "csaf_vex", record_id: str = CVE, **said: Any
) -> dict[str, Any]:
    """A document that puts every component into every product. `said`: members of the vulnerability."""
    packages = [product(name, purl=purl) if purl else product(name) for name, purl in components.items()]
    products = [product(name, cpe=cpe) for name, cpe in PRODUCTS.items()]
    return {
        "document": {
            "category": category,
            "csaf_version": "2.0",
            "publisher": {"category": "vendor", "name": "Red Hat Product Security"},
            "title": "openssl: a fault",
            "aggregate_severity": {"text": "Moderate"},
            "tracking": {
                "id": record_id,
                "status": "final",
                "initial_release_date": "2024-03-05T00:00:00+00:00",
                "current_release_date": "2025-08-13T15:14:45+00:00",
            },
        },
        "product_tree": {
            "branches": [
                {
                    "category": "vendor",
                    "name": "Red Hat",
                    "branches": [{"category": "product_family", "name": "RHEL", "branches": products}, *packages],
                }
            ],
            "relationships": [inside(place, component) for place in PRODUCTS for component in components],
        },
        "vulnerabilities": [{"cve": CVE, **said}],
    }


def parsed(whole: Any) -> Parsed:
    return redhat.parse(json.dumps(whole).encode())


def record(whole: Any) -> Record:
    found = parsed(whole).record
    assert found is not None
    return found


def reasons(found: Parsed) -> list[str]:
    assert {one.id for one in found.unused} <= {found.id}
    return sorted(one.reason for one in found.unused)


def claims(components: dict[str, str], **said: Any) -> list[Affected]:
    """Without the severity that the whole document has."""
    found = parsed(document(components, **said)).record
    return [] if found is None else [_plain(one) for one in found.affected]


def _plain(one: Affected) -> Affected:
    return Affected(
        one.namespace,
        one.name,
        one.intervals,
        state=one.state,
        unaffected=one.unaffected,
        architectures=one.architectures,
        module=one.module,
        of_source=one.of_source,
    )


BASEOS, APPSTREAM_8 = "BaseOS-9.4.0.Z.MAIN.EUS", "AppStream-8.10.0.Z.MAIN.EUS"
RHEL_8, RHEL_9 = "red_hat_enterprise_linux_8", "red_hat_enterprise_linux_9"


def test_a_fix_bounds_what_is_affected() -> None:
    """By the package that is installed, with its epoch, for the architectures that are listed; its source says no
    more, and packages of debug information are counted."""
    fixed = [f"{BASEOS}:{name}" for name in OPENSSL if name not in {"openssl", "openssl-libs-1:3.0.7-9.el9.x86_64"}]
    found = parsed(document(OPENSSL, product_status={"fixed": fixed}))
    assert found.record is not None
    assert [_plain(one) for one in found.record.affected] == [
        Affected("rhel:9", "openssl-libs", (Interval("0", "1:3.0.7-27.el9"),), architectures=("aarch64", "x86_64"))
    ]
    assert reasons(found) == ["package of debug information"]


def test_of_several_fixes_the_highest_counts() -> None:
    """`-9` is below `-27`; an architecture that the later one is not out for has its own claim."""
    names = ["openssl-libs-1:3.0.7-9.el9.x86_64", "openssl-libs-1:3.0.7-27.el9.x86_64"]
    for order in (names, names[::-1]):
        fixed = [f"{BASEOS}:{order[0]}", f"AppStream-9.4.0.Z.MAIN.EUS:{order[1]}"]
        (one,) = claims(OPENSSL, product_status={"fixed": fixed})
        assert (one.intervals, one.architectures) == ((Interval("0", "1:3.0.7-27.el9"),), ("x86_64",))
    fixed = [f"{BASEOS}:{names[0]}", f"{BASEOS}:openssl-libs-1:3.0.7-27.el9.aarch64"]
    assert [(one.intervals[0].end, one.architectures) for one in claims(OPENSSL, product_status={"fixed": fixed})] == [
        ("1:3.0.7-27.el9", ("aarch64",)),
        ("1:3.0.7-9.el9", ("x86_64",)),
    ]


PYTHON = {
    f"python3-libs-0:{version}.{architecture}": f"pkg:rpm/redhat/python3-libs@{version}?arch={architecture}"
    for version in ("3.9.18-3.el9_4.5", "3.9.18-3.el9_4.2", "3.9.19-8.el9")
    for architecture in ("x86_64", "aarch64")
}
"""CVE-2024-8088 as Red Hat has it: one fix for 9.4, and a later one for 9.5."""


@pytest.mark.parametrize(
    ("version", "hit"),
    [
        ("3.9.18-3.el9_4.4", True),
        ("3.9.18-3.el9_4.5", False),
        ("3.9.18-3.el9_4.6", False),
        ("3.9.18-4.el9_4", False),
        # Builds for other releases need the fix of theirs, wherever they stand in the order.
        ("3.9.18-3.el9_2.9", True),
        ("3.9.18-4.el9_5", True),
        ("3.9.18-9.el9", True),
        ("3.9.19-7.el9_4x", True),
        ("3.9.19-8.el9", False),
        ("3.9.19-8.el9_5.1", False),
    ],
)
def test_a_build_has_the_fix_of_its_own_minor_release(tmp_path: Path, version: str, hit: bool) -> None:
    """The document lists that very build as fixed. What is told as the fix is the highest."""
    fixed = [f"{BASEOS}:{name}" for name in PYTHON]
    found = record(document(PYTHON, product_status={"fixed": fixed}))
    (one,) = found.affected
    assert (one.intervals, one.built) == ((Interval("0", "3.9.19-8.el9"),), ("3.9.18-3.el9_4.5",))
    package = Package("rpm", "rhel:9", "python3-libs", version, "python3.9", version, "x86_64", "")
    with GenerationBuilder(tmp_path / "g", None) as builder:
        builder.add(found)
        builder.seal(datetime(2026, 6, 1, tzinfo=UTC))
    with Generation(tmp_path / "g") as generation:
        assert [each.fix for each in generation.match(package)] == (["3.9.19-8.el9"] if hit else [])
        told = explanation.explain(generation, [Occurrence(package, "var/lib/rpm/rpmdb.sqlite", "")], CVE)
    why = told.examined[0].tests[0].outcome
    assert (why == f"{version} has the fix as builds for el9_4 have it") is ("el9_4." in f"{version}." and not hit)


def test_a_fix_for_all_architectures_is_one_claim() -> None:
    """Though only one of them had another before."""
    names = {
        f"tzdata-0:{version}.{architecture}": f"pkg:rpm/redhat/tzdata@{version}?arch={architecture}"
        for version, architecture in (("2024b-2.el9", "noarch"), ("2024b-2.el9", "x86_64"), ("2024a-1.el9_4", "x86_64"))
    }
    (one,) = claims(names, product_status={"fixed": [f"{BASEOS}:{name}" for name in names]})
    assert (one.intervals, one.architectures) == ((Interval("0", "2024b-2.el9"),), ())


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("3.9.18-3.el9_4.5", "el9_4"),
        ("1:1.18.2-29.el8_10", "el8_10"),
        ("1:18.20-1.module+el8.10.0+1+a", "el8.10.0"),
        ("1.0-1.module_el8.9.0+1+a.1", ""),
        ("3.9.19-8.el9", ""),
        ("3.9.19-8.el9sat", ""),
        ("1.0-1.fc40", ""),
        ("1.0-1.el9_4x", ""),
        ("", ""),
    ],
)
def test_which_minor_release_a_build_is_for(version: str, release: str) -> None:
    """As Red Hat writes it at the end of a release, or after `module+`."""
    assert builds.minor_release(version) == release


def test_a_package_for_all_architectures_is_meant_everywhere() -> None:
    """`noarch` with the fix may have been built for one before it."""
    noarch = {"tzdata-0:2024b-2.el9.noarch": "pkg:rpm/redhat/tzdata@2024b-2.el9?arch=noarch"}
    fixed = [f"{BASEOS}:tzdata-0:2024b-2.el9.noarch"]
    assert claims(noarch, product_status={"fixed": fixed}) == [
        Affected("rhel:9", "tzdata", (Interval("0", "2024b-2.el9"),))
    ]


def test_a_fix_of_the_source_alone_is_that_of_all_that_it_builds() -> None:
    """Some documents list no package that can be installed."""
    fixed = [f"{BASEOS}:openssl-1:3.0.7-27.el9.src"]
    assert claims(OPENSSL, product_status={"fixed": fixed}) == [
        Affected("rhel:9", "openssl", (Interval("0", "1:3.0.7-27.el9"),), of_source=True)
    ]


def test_only_plain_releases_count() -> None:
    """Extended releases and other products are counted, once each however many packages they have."""
    libs = [name for name in OPENSSL if name.startswith("openssl-libs")]
    places = ("AppStream-9.2.0.Z.EUS", "BaseOS-8.6.0.Z.AUS", "openshift_4")
    found = parsed(document(OPENSSL, product_status={"fixed": [f"{at}:{name}" for at in places for name in libs]}))
    assert (found.record, reasons(found)) == (None, ["product that is no plain release"] * 3)


@pytest.mark.parametrize(
    ("remediation", "state"),
    [
        ({"category": "none_available", "details": "Affected"}, "affected"),
        ({"category": "none_available", "details": "Fix deferred"}, "deferred"),
        ({"category": "no_fix_planned", "details": "Will not fix"}, "will-not-fix"),
        ({"category": "no_fix_planned", "details": "Out of support scope"}, "end-of-life"),
        ({"category": "no_fix_planned", "details": "Not this time"}, "will-not-fix"),
        ({"category": "none_available", "details": "Under review"}, "affected"),
        ({"category": "workaround", "details": "Will not fix"}, "affected"),
    ],
)
def test_what_has_no_fix_names_its_source(remediation: dict[str, Any], state: str) -> None:
    """Every version is affected, of all that is built from it; the remediation says what a user may hope for."""
    affected = [f"{RHEL_9}:openssl"]
    found = claims(
        OPENSSL,
        product_status={"known_affected": affected},
        remediations=[
            {"category": "none_available", "details": "Fix deferred", "product_ids": [f"{RHEL_8}:openssl"]},
            {**remediation, "product_ids": affected},
        ],
    )
    assert [(one.namespace, one.name, one.intervals, one.state, one.of_source) for one in found] == [
        ("rhel:9", "openssl", (Interval("0"),), state, True)
    ]


@pytest.mark.parametrize(
    ("component", "purl", "expected"),
    [
        ("vim", "", ("vim", "", True)),
        ("vim", "pkg:rpm/redhat/vim?arch=src", ("vim", "", True)),
        ("vim-X11", "pkg:rpm/redhat/vim-X11", ("vim-X11", "", False)),
        ("nodejs:18/nodejs", "", ("nodejs", "nodejs:18", True)),
        ("nodejs:18/nodejs", "pkg:rpmmod/redhat/nodejs@18/nodejs", ("nodejs", "nodejs:18", True)),
        ("x", "pkg:rpm/redhat/nodejs?arch=src&rpmmod=nodejs:18", ("nodejs", "nodejs:18", True)),
        ("x", "pkg:rpm/redhat/nodejs?arch=src&rpmmod=nodejs%3A18", ("nodejs", "nodejs:18", True)),
        ("x", "pkg:rpm/redhat/libstdc%2B%2B?arch=src", ("libstdc++", "", True)),
        ("x", "pkg:rpm/redhat/firefox-flatpak?arch=src&rpmmod=rhel10", "module of no known stream"),
        ("nodejs:18:8100:489197e6", "pkg:rpmmod/redhat/nodejs@18:8100:489197e6", "component that is no rpm package"),
        (
            "rhel8/nodejs-18",
            "pkg:oci/nodejs-18?repository_url=registry/rhel8/nodejs-18",
            "component that is no rpm package",
        ),
        ("a b", "", "component that is no rpm package"),
    ],
)
def test_components_have_several_spellings(component: str, purl: str, expected: Any) -> None:
    """Of documents before and after 2024, with and without package URLs."""
    found = parsed(document({component: purl}, product_status={"known_affected": [f"{RHEL_8}:{component}"]}))
    if isinstance(expected, str):
        assert (found.record, reasons(found)) == (None, [expected])
    else:
        assert found.record is not None
        assert [(one.name, one.module, one.of_source) for one in found.record.affected] == [expected]


def test_a_module_is_told_by_the_package_url() -> None:
    """The first two parts of `rpmmod` are the stream; what a module built and none is told for is counted."""
    fixed = [f"{APPSTREAM_8}:{name}" for name in list(NODEJS)[:2]]
    found = parsed(document(NODEJS, product_status={"fixed": fixed}))
    assert found.record is not None
    (one,) = found.record.affected
    assert (one.name, one.module, one.intervals[0].fixed) == ("nodejs", "nodejs:18", "1:18.20-1.module+el8.10.0+1+a")
    assert reasons(found) == ["module of no known stream"]


def test_a_module_may_stand_between_package_and_product() -> None:
    """As documents had it until 2024: the module is a component of the product, the package one of that."""
    module, package = "nodejs:20:8100020240401:489197e6", "nodejs-1:20.9-1.module+el8.10.0+2+b.x86_64"
    whole = document(NODEJS, product_status={"fixed": [f"{APPSTREAM_8}:{module}:{package}"]})
    whole["product_tree"]["relationships"].append(inside(f"{APPSTREAM_8}:{module}", package))
    (one,) = record(whole).affected
    assert (one.namespace, one.name, one.module) == ("rhel:8", "nodejs", "nodejs:20")
    assert (one.intervals[0].fixed, one.architectures) == ("1:20.9-1.module+el8.10.0+2+b", ("x86_64",))


def test_not_affected_is_said_too() -> None:
    """Without regard to versions, and not where a fix or a fault is said of the same package."""
    spared = [f"{RHEL_8}:openssl", f"{RHEL_9}:openssl", f"{BASEOS}:openssl-libs-1:3.0.7-9.el9.x86_64"]
    found = parsed(
        document(
            OPENSSL,
            product_status={
                "known_not_affected": spared,
                "known_affected": [f"{RHEL_9}:openssl"],
                "fixed": [f"{BASEOS}:openssl-libs-1:3.0.7-27.el9.x86_64"],
            },
        )
    )
    assert found.record is not None
    told = [(one.namespace, one.name, one.unaffected, one.of_source) for one in found.record.affected]
    assert told == [
        ("rhel:8", "openssl", True, True),
        ("rhel:9", "openssl", False, True),
        ("rhel:9", "openssl-libs", False, False),
    ]
    assert reasons(found) == ["fixed and something else at once"] * 2


def test_a_source_with_a_fix_is_not_open_beside_it() -> None:
    """The fix is said by the packages that were built from it."""
    found = parsed(
        document(
            OPENSSL,
            product_status={
                "known_affected": [f"{RHEL_9}:openssl"],
                "fixed": [f"{BASEOS}:openssl-1:3.0.7-27.el9.src", f"{BASEOS}:openssl-libs-1:3.0.7-27.el9.x86_64"],
            },
        )
    )
    assert found.record is not None
    assert [(one.name, one.of_source) for one in found.record.affected] == [("openssl-libs", False)]
    assert reasons(found) == ["fixed and something else at once"]


def test_what_is_not_known_yet_is_counted() -> None:
    """Under investigation is neither affected nor not."""
    status = {
        "under_investigation": [f"{RHEL_9}:openssl", f"{RHEL_8}:openssl"],
        "first_fixed": ["x"],
        "fixed": ["gone"],
    }
    found = parsed(document(OPENSSL, product_status=status))
    assert (found.record, reasons(found)) == (
        None,
        ["no package in a product", "status is not known", "under investigation"],
    )


def test_severities_are_red_hats() -> None:
    """Its word on a package, or on the whole where none is said of that; and its vectors, each once."""
    vector = "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H"
    affected = [f"{RHEL_8}:openssl", f"{RHEL_9}:openssl"]
    score = {"cvss_v3": {"vectorString": vector, "baseScore": 5.9, "version": "3.1"}, "products": affected}
    found = record(
        document(
            OPENSSL,
            product_status={"known_affected": affected},
            threats=[
                {"category": "impact", "details": "Important", "product_ids": affected[:1]},
                {"category": "exploit_status", "details": "CISA: listed", "product_ids": affected},
            ],
            scores=[score, score],
        )
    )
    assert [one.severity for one in found.affected] == [
        (SeverityClaim("redhat", "word", "Important", Severity.HIGH),),
        (SeverityClaim("redhat", "word", "Moderate", Severity.MEDIUM),),
    ]
    # FIRST's calculator gives 5.9 for the vector, as the document says.
    assert found.severity == (SeverityClaim("redhat", "CVSS_V3", vector, Severity.MEDIUM, 5.9),)


def test_a_record_has_its_texts_and_links() -> None:
    """Where the fix is announced comes first."""
    found = record(
        document(
            OPENSSL,
            product_status={"known_affected": [f"{RHEL_9}:openssl"]},
            release_date="2024-03-04T01:00:00+01:00",
            notes=[{"category": "summary", "text": "short"}, {"category": "description", "text": "A flaw was found."}],
            references=[{"category": "self", "url": "https://access.redhat.com/security/cve/CVE-2024-1000"}],
            remediations=[
                {"category": "vendor_fix", "details": "x", "url": "https://access.redhat.com/errata/RHSA-2024:1"}
            ],
        )
    )
    assert (found.id, found.source, found.aliases, found.upstream) == (CVE, "redhat", (), ())
    assert (found.summary, found.details) == ("openssl: a fault", "A flaw was found.")
    assert (found.published, found.modified) == ("2024-03-04T00:00:00Z", "2025-08-13T15:14:45Z")
    assert found.references == (
        "https://access.redhat.com/errata/RHSA-2024:1",
        "https://access.redhat.com/security/cve/CVE-2024-1000",
    )
    assert found.url == "https://access.redhat.com/security/cve/CVE-2024-1000"


def test_an_advisory_takes_care_of_several() -> None:
    """It is one record of its fixes; what else it says is said for each CVE in VEX."""
    fixed = [f"{BASEOS}:openssl-libs-1:3.0.7-27.el9.x86_64"]
    whole = document(OPENSSL, "csaf_security_advisory", "RHSA-2024:2000", product_status={"fixed": fixed})
    other = {"known_not_affected": fixed, "fixed": [f"{BASEOS}:openssl-libs-1:3.0.7-27.el9.aarch64"]}
    whole["vulnerabilities"].append({"cve": "CVE-2024-1001", "product_status": other})
    found = parsed(whole)
    assert found.record is not None
    assert (found.record.id, found.record.upstream) == ("RHSA-2024:2000", ("CVE-2024-1000", "CVE-2024-1001"))
    assert [one.architectures for one in found.record.affected] == [("aarch64", "x86_64")]
    assert found.record.url == "https://access.redhat.com/errata/RHSA-2024:2000"
    assert reasons(found) == ["advisory that says more than fixes"]


def test_a_vex_document_is_about_one_cve() -> None:
    """What it says of another is not taken for its own."""
    whole = document(OPENSSL, product_status={"known_affected": [f"{RHEL_9}:openssl"]})
    other = {"known_affected": [f"{RHEL_8}:openssl"]}
    whole["vulnerabilities"].append({"cve": "CVE-2024-1001", "product_status": other})
    found = parsed(whole)
    assert found.record is not None
    assert ([one.namespace for one in found.record.affected], reasons(found)) == (
        ["rhel:9"],
        ["names another vulnerability"],
    )


def test_a_document_may_be_taken_back() -> None:
    """Its record goes, as one that is withdrawn."""
    whole = document(OPENSSL, product_status={"known_affected": [f"{RHEL_9}:openssl"]})
    whole["document"]["tracking"]["status"] = "deleted"
    del whole["vulnerabilities"], whole["product_tree"]
    assert parsed(whole) == Parsed(CVE, None, (Unused(CVE, "withdrawn"),))


@pytest.mark.parametrize(
    ("about", "form"),
    [
        ({}, "redhat"),
        ({"category": "csaf_security_advisory"}, "redhat"),
        ({"category": "csaf_base"}, Unused("", forms.VEX)),
        ({"publisher": {"name": "SUSE Product Security Team"}}, Unused("", forms.VEX)),
        ({"publisher": {"name": "Our own"}}, Unused("", forms.VEX)),
        ({"publisher": "Red Hat Product Security"}, Unused("", forms.VEX)),
    ],
)
def test_only_red_hats_own_documents_are_a_feed(about: dict[str, Any], form: Any) -> None:
    """Whoever else writes CSAF speaks of their own products: that is VEX, which an account adds."""
    whole = document(OPENSSL)
    whole["document"] |= about
    assert forms.of_json(json.dumps(whole).encode()) == form


def test_documents_are_taken_and_taken_back(tmp_path: Path) -> None:
    """By import: the record comes, and goes with the document that says it is deleted."""
    whole = document(OPENSSL, product_status={"fixed": [f"{BASEOS}:openssl-libs-1:3.0.7-27.el9.x86_64"]})
    gone = document(OPENSSL)
    gone["document"]["tracking"]["status"] = "deleted"
    with GenerationBuilder(tmp_path / "1.sqlite", None) as builder:
        for what, counts in ((whole, (1, {}, 0)), (gone, (-1, {"withdrawn": 1}, 1))):
            (tmp_path / "cve-2024-1000.json").write_text(json.dumps(what))
            tally = documents.load([tmp_path / "cve-2024-1000.json"], builder)
            assert (tally.by_source.get("redhat", 0), tally.unused, tally.removed) == counts
        builder.seal(datetime(2026, 6, 1, tzinfo=UTC))


def test_relationships_in_a_circle_end() -> None:
    """A package in a module in itself is in no product."""
    whole = document(OPENSSL, product_status={"fixed": ["a:b", "b:a"]})
    whole["product_tree"]["relationships"] += [
        {**inside("x", "y"), "full_product_name": {"product_id": one}, "relates_to_product_reference": other}
        for one, other in (("a:b", "b:a"), ("b:a", "a:b"))
    ]
    found = parsed(whole)
    assert (found.record, reasons(found)) == (None, ["product that is no plain release"] * 2)


def _deep(levels: int) -> dict[str, Any]:
    branch = product("deep", cpe=PRODUCTS[RHEL_9])
    for _ in range(levels):
        branch = {"branches": [branch]}
    return branch


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda whole: whole["product_tree"]["branches"].append(_deep(80)), "over 64 levels"),
        (lambda whole: whole["document"]["tracking"].update(id="two words"), "no usable id"),
        (lambda whole: whole["document"]["tracking"].pop("id"), "id"),
        (lambda whole: whole.update(vulnerabilities=7), "Expected"),
        (lambda whole: whole.update(product_tree=[]), "Expected"),
        (lambda whole: whole["vulnerabilities"][0].update(product_status={"fixed": [7]}), "Expected"),
    ],
)
def test_what_is_no_such_document_is_refused(change: Any, why: str) -> None:
    """Deep trees, other shapes, and what names nothing."""
    whole = document(OPENSSL, product_status={"known_affected": [f"{RHEL_9}:openssl"]})
    change(whole)
    with pytest.raises(Unparsable, match=why):
        parsed(whole)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"document": ' + b"[" * 50_000, b"{" + b"0," * 200_000])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    """Whatever the bytes are, nothing else is raised."""
    with pytest.raises(Unparsable):
        redhat.parse(data)


def test_a_document_of_a_kernel_takes_little() -> None:
    """As many packages as the kernel's have, in as many products."""
    components = {
        f"kernel-{n}-0:5.14.0-{n}.el9.x86_64": f"pkg:rpm/redhat/kernel-{n}@5.14.0-{n}.el9?arch=x86_64"
        for n in range(2_000)
    }
    status = {"fixed": [f"{place}:{name}" for place in PRODUCTS for name in components]}
    data = json.dumps(document(components, product_status=status)).encode()
    assert len(data) > 5 << 20
    tracemalloc.start()
    found = redhat.parse(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.record is not None
    assert len(found.record.affected) == 4_000  # in 8 and in 9
    assert peak < 64 << 20


def test_a_document_that_is_too_long_is_refused() -> None:
    """Before it is decoded."""
    with pytest.raises(Unparsable, match="over 134217728 bytes"):
        redhat.parse(bytes(redhat.DOCUMENT_LIMIT + 1))


def test_more_packages_than_anyone_has_are_refused() -> None:
    """A document cannot fill the generation."""
    names = [f"p{n}" for n in range(redhat.PACKAGE_LIMIT + 1)]
    whole = document({}, product_status={"known_affected": [f"{RHEL_9}:{name}" for name in names]})
    whole["product_tree"]["relationships"] = [inside(RHEL_9, name) for name in names]
    with pytest.raises(Unparsable, match="over 50000 packages"):
        parsed(whole)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["document", "product_tree", "vulnerabilities", "branches", "relationships", "product_status"]),
)
@settings(max_examples=60, deadline=None)
def test_other_shapes_are_unparsable_and_nothing_else(odd: Any, where: str) -> None:
    """Any JSON in any place."""
    whole = document(OPENSSL, product_status={"known_affected": [f"{RHEL_9}:openssl"]})
    parts = {"branches": whole["product_tree"], "relationships": whole["product_tree"]}
    parts["product_status"] = whole["vulnerabilities"][0]
    parts.get(where, whole)[where] = odd
    with contextlib.suppress(Unparsable):
        assert parsed(whole).id == CVE
