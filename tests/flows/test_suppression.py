"""Ignore rules and VEX documents: findings that are shown and not counted, at once, and until they expire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from hullwise.domain.errors import InvalidParameter, OverlayNotFound
from hullwise.domain.reports import Finding
from hullwise.domain.scans import ScanType
from hullwise.scanning import overlay_changes, reading
from hullwise.store import scans
from hullwise.store.images import Image
from hullwise.store.reports import Report
from hullwise.store.repositories import Repository
from tests.support.advisories import osv
from tests.support.images import image, layer, python_packages
from tests.support.registry import ACCOUNT, Registry

HIGH = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}]
LOW = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}]


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """Flask with a serious vulnerability that has a fix and a small one without; Jinja2 with a serious one."""
    registry.publish(
        osv("CVE-2024-0001", "flask", fixed="2.0", severity=HIGH, aliases=["GHSA-aaaa-bbbb-cccc"]),
        osv("CVE-2024-0002", "flask", severity=LOW),
        osv("CVE-2024-0003", "jinja2", fixed="3.0", severity=HIGH),
    )
    return registry


CONTENT = image([layer(python_packages(flask="1.0", jinja2="2.0"))])


def pushed(registry: Registry, name: str = "team/app") -> tuple[Repository, Image]:
    repository = registry.repository(name)
    stored = registry.push(repository, CONTENT)
    registry.work()
    return repository, stored


def read(registry: Registry, repository: Repository, stored: Image) -> tuple[Report, list[Finding]]:
    """The image's report as its account sees it now, and its findings; read twice, as made and as kept."""
    seen = []
    for _ in range(2):
        with registry.services.database.read() as tx:
            found = scans.of_images(tx, [stored.id], ScanType.BASIC)
            result = reading.current(tx, registry.services, repository, {stored.id: stored}, found)[stored.id]
            seen.append((result.report, reading.page(tx, result.report, 0, result.report.findings)))
    assert (seen[0][0].counts, seen[0][0].suppressed, seen[0][1]) == (
        seen[1][0].counts,
        seen[1][0].suppressed,
        seen[1][1],
    )
    return seen[1]


def names(found: list[Finding]) -> tuple[list[str], list[str]]:
    """Of the findings that count, and of those that are suppressed; the latter are the last."""
    live = [each.assessment.name for each in found if each.suppression is None]
    assert [each.assessment.name for each in found[: len(live)]] == live
    return live, [each.assessment.name for each in found[len(live) :]]


def rule(registry: Registry, **criteria: Any) -> int:
    fields = {"reason": "not reachable", "author": "Ada", **criteria}
    services = registry.services
    return services.database.run(lambda tx: overlay_changes.add_rule(tx, services, ACCOUNT, **fields)).id


@pytest.mark.parametrize(
    ("criteria", "suppressed"),
    [
        ({"vulnerability": "CVE-2024-0001"}, ["CVE-2024-0001"]),
        ({"vulnerability": "ghsa-AAAA-bbbb-cccc"}, ["CVE-2024-0001"]),
        ({"package": "flask"}, ["CVE-2024-0001", "CVE-2024-0002"]),
        ({"package": "flask", "fixable": "no"}, ["CVE-2024-0002"]),
        ({"fixable": "yes"}, ["CVE-2024-0001", "CVE-2024-0003"]),
        ({"vulnerability": "CVE-2024-0003", "repository": "team/*"}, ["CVE-2024-0003"]),
        ({"vulnerability": "CVE-2024-0003", "repository": "*/app"}, ["CVE-2024-0003"]),
        ({"vulnerability": "CVE-2024-0003", "repository": "team/app"}, ["CVE-2024-0003"]),
        ({"vulnerability": "CVE-2024-0003", "repository": "other/*"}, []),
        ({"vulnerability": "CVE-2024-0003", "repository": "team/ap"}, []),
        ({"vulnerability": "CVE-2024-0003", "package": "flask"}, []),
        ({"vulnerability": "CVE-2024-000"}, []),
    ],
)
def test_what_fits_a_rule_is_suppressed(filled: Registry, criteria: dict[str, str], suppressed: list[str]) -> None:
    """All criteria must fit: any id of the vulnerability, source or binary name, fix, repository. Shown, last, with
    reason and author, and counted nowhere."""
    repository, stored = pushed(filled)
    number = rule(filled, **criteria)
    report, found = read(filled, repository, stored)
    live, hidden = names(found)
    every = ["CVE-2024-0001", "CVE-2024-0003", "CVE-2024-0002"]
    assert hidden == [name for name in every if name in suppressed]
    assert live == [name for name in every if name not in suppressed]
    assert report.suppressed == len(suppressed)
    assert sum(report.counts.values()) == 3 - len(suppressed)
    for each in found[len(live) :]:
        assert each.suppression is not None
        assert (each.suppression.by, each.suppression.reason) == (f"rule:{number}", "not reachable")
        assert (each.suppression.status, each.suppression.author) == ("ignored", "Ada")


def test_a_rule_expires_without_a_write(filled: Registry) -> None:
    """At the moment at which it expires the finding counts again; taken back, at once."""
    repository, stored = pushed(filled)
    services = filled.services
    lasting = rule(filled, vulnerability="CVE-2024-0003")
    services.database.run(
        lambda tx: overlay_changes.add_rule(
            tx,
            services,
            ACCOUNT,
            vulnerability="CVE-2024-0001",
            reason="until the release",
            author="Ada",
            expires_at=filled.clock.moment.replace(year=2027),
        )
    )
    assert names(read(filled, repository, stored)[1]) == (["CVE-2024-0002"], ["CVE-2024-0001", "CVE-2024-0003"])
    filled.clock.moment = filled.clock.moment.replace(year=2027)
    report, found = read(filled, repository, stored)
    assert names(found) == (["CVE-2024-0001", "CVE-2024-0002"], ["CVE-2024-0003"])
    assert report.counts == {"HIGH": 1, "LOW": 1}
    services.database.run(lambda tx: overlay_changes.remove_rule(tx, services, ACCOUNT, lasting))
    assert names(read(filled, repository, stored)[1])[1] == []
    with pytest.raises(OverlayNotFound):
        services.database.run(lambda tx: overlay_changes.remove_rule(tx, services, ACCOUNT, lasting))


def openvex(status: str, product: Mapping[str, Any], at: str = "2026-01-01T00:00:00Z", name: str = "doc") -> bytes:
    statement = {
        "vulnerability": {"name": "CVE-2024-0001"},
        "products": [product],
        "status": status,
        "timestamp": at,
        "justification": "vulnerable_code_not_in_execute_path",
    }
    return json.dumps(
        {
            "@context": "https://openvex.dev/ns/v0.2.0",
            "@id": f"https://example.org/{name}",
            "author": "Vendor",
            "timestamp": at,
            "version": 1,
            "statements": [statement],
        }
    ).encode()


def add(registry: Registry, body: bytes, repository: str = "") -> int:
    given, services = overlay_changes.read(body), registry.services
    return services.database.run(
        lambda tx: overlay_changes.add_document(tx, services, ACCOUNT, given, repository=repository, added_by="Ada")
    ).id


def test_a_vex_statement_suppresses(filled: Registry) -> None:
    """`not_affected` on the installed package suppresses, on another version not; a later `affected` overrides."""
    repository, stored = pushed(filled)
    add(filled, openvex("not_affected", {"@id": "pkg:pypi/flask@9.9"}, name="other"))
    assert names(read(filled, repository, stored)[1])[1] == []
    number = add(filled, openvex("not_affected", {"@id": "pkg:pypi/flask@1.0"}))
    _, found = read(filled, repository, stored)
    assert names(found)[1] == ["CVE-2024-0001"]
    suppression = found[-1].suppression
    assert suppression is not None
    assert (suppression.by, suppression.status, suppression.author) == (f"vex:{number}#1", "not_affected", "Vendor")
    assert suppression.reason == "vulnerable_code_not_in_execute_path"
    add(filled, openvex("affected", {"@id": "pkg:pypi/flask"}, at="2026-02-01T00:00:00Z", name="later"))
    assert names(read(filled, repository, stored)[1])[1] == []


def test_a_vex_statement_on_an_image_is_on_that_image(filled: Registry) -> None:
    """A product that is an image, by digest or repository, suppresses there and in no image with the same packages."""
    one, two = pushed(filled, "one/app"), pushed(filled, "two/other")
    first = add(filled, openvex("not_affected", {"@id": "pkg:oci/app?repository_url=registry.example/one/app"}))
    assert names(read(filled, *one)[1])[1] == ["CVE-2024-0001"]
    assert names(read(filled, *two)[1])[1] == []
    services = filled.services
    services.database.run(lambda tx: overlay_changes.remove_document(tx, services, ACCOUNT, first))
    digest = one[1].digest.replace(":", "%3A")
    add(filled, openvex("fixed", {"@id": f"pkg:oci/app@{digest}"}), repository="two/*")
    # The same digest in both repositories, and the document counts in one.
    assert names(read(filled, *one)[1])[1] == []
    assert names(read(filled, *two)[1])[1] == ["CVE-2024-0001"]


def test_a_document_of_the_same_name_replaces(filled: Registry) -> None:
    """The later version of a document counts alone."""
    repository, stored = pushed(filled)
    add(filled, openvex("not_affected", {"@id": "pkg:pypi/flask"}))
    assert names(read(filled, repository, stored)[1])[1] == ["CVE-2024-0001"]
    add(filled, openvex("under_investigation", {"@id": "pkg:pypi/flask"}))
    assert names(read(filled, repository, stored)[1])[1] == []


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"vulnerability": "CVE-1", "reason": " "},
        {"vulnerability": "CVE-1", "author": ""},
        {"vulnerability": "x" * 129},
        {"vulnerability": "CVE\n1"},
        {"package": "a\0b"},
        {"fixable": "maybe"},
        {"vulnerability": "CVE-1", "repository": "UPPER*"},
        {"vulnerability": "CVE-1", "repository": "no/such name"},
        {"vulnerability": "CVE-1", "reason": "x" * 1001},
    ],
)
def test_rules_that_are_none(filled: Registry, criteria: dict[str, str]) -> None:
    """One that fits everything, has no reason or author, or holds texts that are none, is refused."""
    with pytest.raises(InvalidParameter):
        rule(filled, **criteria)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[1]", openvex("not_affected", {"@id": "no purl"})])
def test_documents_that_are_none(body: bytes, filled: Registry) -> None:
    """What is no VEX document, or says nothing that can be used, is refused."""
    with pytest.raises(InvalidParameter):
        add(filled, body)


def test_an_account_speaks_for_itself_alone(filled: Registry) -> None:
    """What another account says changes nothing here."""
    from hullwise.store import accounts

    repository, stored = pushed(filled)
    services = filled.services
    services.database.run(lambda tx: accounts.ensure_account(tx, "999999999999", filled.clock.moment))
    services.database.run(
        lambda tx: overlay_changes.add_rule(
            tx, services, "999999999999", package="flask", reason="theirs", author="Eve"
        )
    )
    assert names(read(filled, repository, stored)[1])[1] == []


def test_an_advisory_is_suppressed_by_what_is_said_of_each_of_its_vulnerabilities(registry: Registry) -> None:
    """It takes care of two CVEs and is called as neither: a rule on the one and a statement on the other suppress it
    together, neither does alone."""
    registry.publish(osv("VENDOR-2024:1", "flask", fixed="2.0", upstream=["CVE-2024-0001", "CVE-2024-0002"]))
    repository, stored = pushed(registry)
    number = add(registry, openvex("not_affected", {"@id": "pkg:pypi/flask"}))
    assert names(read(registry, repository, stored)[1]) == (["VENDOR-2024:1"], [])
    rule(registry, vulnerability="cve-2024-0002")
    live, hidden = names(read(registry, repository, stored)[1])
    assert (live, hidden) == ([], ["VENDOR-2024:1"])
    services = registry.services
    services.database.run(lambda tx: overlay_changes.remove_document(tx, services, ACCOUNT, number))
    assert names(read(registry, repository, stored)[1]) == (["VENDOR-2024:1"], [])


def test_a_word_on_the_advisory_itself_counts_first(registry: Registry) -> None:
    """Also where each of its vulnerabilities is dealt with; and each has to be, whatever kind of name it has."""
    other = "GHSA-aaaa-bbbb-cccc"
    registry.publish(osv("VENDOR-2024:1", "flask", fixed="2.0", upstream=["CVE-2024-0001", other]))
    repository, stored = pushed(registry)
    add(registry, openvex("not_affected", {"@id": "pkg:pypi/flask"}))
    assert names(read(registry, repository, stored)[1]) == (["VENDOR-2024:1"], [])
    rule(registry, vulnerability=other)
    assert names(read(registry, repository, stored)[1]) == ([], ["VENDOR-2024:1"])
    later = json.loads(openvex("affected", {"@id": "pkg:pypi/flask"}, at="2026-02-01T00:00:00Z", name="later"))
    later["statements"][0]["vulnerability"] = {"name": "VENDOR-2024:1"}
    add(registry, json.dumps(later).encode())
    assert names(read(registry, repository, stored)[1]) == (["VENDOR-2024:1"], [])
