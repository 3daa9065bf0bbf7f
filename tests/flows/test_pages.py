"""Pages of findings: together they are the whole, whatever happens beside; a token is good for one listing."""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hullwise.registry import repositories
from hullwise.scanning import overlay_changes
from hullwise.services import Services
from tests.support import registry as support
from tests.support.advisories import osv
from tests.support.clocked import Clocked, Refused, clocked
from tests.support.images import DEBIAN_12, Image, image, layer, python_packages
from tests.support.postgres import new_database
from tests.support.registry import ACCOUNT, REGION, Registry

OTHER_ACCOUNT, OTHER_REGION = "210987654321", "eu-west-1"
ALPINE = b'ID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME="Alpine Linux v3.19"\n'
SEVERITIES = {
    "CRITICAL": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    "HIGH": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N",
    "LOW": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N",
}
# OSV's name of the ecosystem, by whose packages they are; each has packages of its own.
FAMILIES = {"python": "PyPI", "apk": "Alpine:v3.19", "dpkg": "Debian:12"}
PACKAGES = [(family, f"{family}{number}") for family in FAMILIES for number in range(4)]


def database_of(family: str, names: list[str]) -> dict[str, bytes]:
    """What the package manager of a distribution leaves behind, all of version 1.0."""
    if family == "apk":
        entries = "".join(f"P:{name}\nV:1.0-r0\nA:x86_64\no:{name}\n\n" for name in names)
        return {"etc/os-release": ALPINE, "lib/apk/db/installed": entries.encode()}
    entries = "".join(
        f"Package: {name}\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: amd64\n\n" for name in names
    )
    return {"etc/os-release": DEBIAN_12, "var/lib/dpkg/status": entries.encode()}


def content(family: str, installed: list[str], author: str = "") -> Image:
    """An image of a distribution; its own packages in the first layer, Python's in the second."""
    python = [name for name in installed if name.startswith("python")]
    own = [name for name in installed if name not in python]
    layers = [layer(database_of(family, own)), layer(python_packages(**dict.fromkeys(python, "1.0")))]
    return image(layers, author=author)


def ignore(services: Services, package: str = "", vulnerability: str = "") -> int:
    """A new rule's id."""
    what = partial(overlay_changes.add_rule, package=package, vulnerability=vulnerability, reason="why", author="Ada")
    return services.database.run(lambda tx: what(tx, services, ACCOUNT)).id


@dataclass
class World:
    """A registry, and what its advisories say by now."""

    api: Clocked
    live: dict[str, str] = field(default_factory=dict)
    """By CVE that is not withdrawn, its package."""
    made: int = 0
    rules: list[int] = field(default_factory=list)

    def publish(self, chance: random.Random, most: int = 2) -> None:
        """Some new records, some that say something else, some that are withdrawn."""
        records = {}
        for _ in range(chance.randint(1, most)):
            known = sorted(self.live)[-12:]
            name = chance.choice([*known, ""])
            family, package = chance.choice(PACKAGES)
            if name:
                package = self.live[name]
                family = next(each for each, listed in PACKAGES if listed == package)
            else:
                self.made += 1
                name = f"CVE-2024-{self.made:04}"
            withdrawn = {"withdrawn": "2026-01-01T00:00:00Z"} if chance.random() < 0.2 else {}
            score = chance.choice([*SEVERITIES.values(), ""])
            severity = [{"type": "CVSS_V3", "score": score}] if score else []
            fixed = chance.choice([None, "9.0"])
            records[name] = osv(name, package, ecosystem=FAMILIES[family], fixed=fixed, severity=severity, **withdrawn)
            self.live[name] = package
            if withdrawn:
                del self.live[name]
        self.api.registry.publish(*records.values())

    def change_rules(self, chance: random.Random) -> None:
        """Add an ignore rule, or take one back."""
        services = self.api.registry.services
        if self.rules and chance.random() < 0.5:
            number = self.rules.pop()
            services.database.run(lambda tx: overlay_changes.remove_rule(tx, services, ACCOUNT, number))
            return
        _, package = chance.choice(PACKAGES)
        vulnerability = chance.choice([*sorted(self.live)[-12:], ""])
        chosen = {"vulnerability": vulnerability} if vulnerability else {"package": package}
        self.rules.append(ignore(services, **chosen))

    def clear(self) -> None:
        services = self.api.registry.services
        for number in self.rules:
            services.database.run(lambda tx, number=number: overlay_changes.remove_rule(tx, services, ACCOUNT, number))  # type: ignore[misc]
        self.rules.clear()
        self.api.call("DeleteRepository", repositoryName="app", force=True)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all examples, on each engine."""
    url = new_database() if request.param == "postgresql" else ""
    with support.registry(tmp_path_factory.mktemp("pages"), url, durability="fast") as registry:
        records = [osv(f"CVE-2023-{at:04}", name, ecosystem=FAMILIES[f]) for at, (f, name) in enumerate(PACKAGES)]
        registry.publish(*records)
        known = {f"CVE-2023-{at:04}": name for at, (_, name) in enumerate(PACKAGES)}
        yield World(clocked(registry), known)


def configure(api: Clocked, scan_type: str) -> None:
    api.call("PutRegistryScanningConfiguration", scanType=scan_type)
    api.registry.work()


def page(api: Clocked, size: int, token: str | None = None) -> dict[str, Any]:
    """As it is on the wire."""
    more = {} if token is None else {"nextToken": token}
    asked = {"repositoryName": "app", "imageId": {"imageTag": "latest"}, "maxResults": size, **more}
    answer = api.post("DescribeImageScanFindings", json.dumps(asked).encode())
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def basic(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """(name, package, severity, status) of each finding."""
    listed = []
    for each in found["imageScanFindings"]["findings"]:
        attributes = {pair["key"]: pair["value"] for pair in each["attributes"]}
        package = attributes["package_name"]
        listed.append((each["name"], package, each["severity"], attributes.get("status", "ACTIVE")))
    return listed


def enhanced(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """(name, package, severity, status, ARN) of each finding."""
    assert found["imageScanFindings"]["findings"] == []
    return [
        (
            each["packageVulnerabilityDetails"]["vulnerabilityId"],
            each["packageVulnerabilityDetails"]["vulnerablePackages"][0]["name"],
            each["severity"],
            each["status"],
            each["findingArn"],
        )
        for each in found["imageScanFindings"]["enhancedFindings"]
    ]


def check_pages(
    world: World, chance: random.Random, scan_type: str, listing: Callable[[dict[str, Any]], list[tuple[Any, ...]]]
) -> None:
    api = world.api
    configure(api, scan_type)
    on_push = {"scanOnPush": True}
    api.call("CreateRepository", repositoryName="app", imageScanningConfiguration=on_push)
    try:
        family = chance.choice(["apk", "dpkg"])
        possible = [name for each, name in PACKAGES if each in {family, "python"}]
        installed = chance.sample(possible, chance.randint(2, len(possible)))
        world.publish(chance, 6)
        pushed = content(family, installed, f"{world.made}")
        api.push("app", pushed)
        api.registry.work()
        true = {(name, package) for name, package in world.live.items() if package in installed}
        for _ in range(chance.randint(0, 2)):
            world.change_rules(chance)
            api.registry.clock.advance(minutes=1)
            if scan_type == "ENHANCED":
                world.publish(chance)
                true = {(name, package) for name, package in world.live.items() if package in installed}
        whole = page(api, 1_000)
        assert "nextToken" not in whole
        listed = listing(whole)
        assert {each[:2] for each in listed if each[3] != "CLOSED"} == true
        assert len([each for each in listed if each[3] != "CLOSED"]) == len(true)
        counts = Counter(each[2] for each in listed if each[3] == "ACTIVE")
        assert whole["imageScanFindings"]["findingSeverityCounts"] == counts
        found: list[tuple[Any, ...]] = []
        token: str | None = None
        while True:
            size = chance.randint(1, 4)
            part = page(api, size, token)
            assert len(listing(part)) <= size
            assert part["imageScanFindings"]["findingSeverityCounts"] == counts
            found += listing(part)
            token = part.get("nextToken")
            if token is None:
                break
            assert len(listing(part)) == size
            between(world, chance, pushed)
        assert found == listed
    finally:
        world.clear()


def between(world: World, chance: random.Random, pushed: Image) -> None:
    """What may happen between two pages."""
    match chance.choice(["nothing"] * 4 + ["publish", "rule", "push", "other"]):
        case "publish":
            world.api.registry.clock.advance(minutes=1)
            world.publish(chance)
        case "rule":
            world.change_rules(chance)
        case "push":
            world.api.push("app", pushed, "again")
        case "other":
            world.api.push("app", content("apk", ["python0"], "other"), "other")
            world.api.registry.work()


ROUNDS = 8


def test_pages_of_basic_findings_are_the_whole(world: World) -> None:
    """No duplicate, no gap, and on each page the counts of what is not suppressed, as all was when the first was
    read."""
    chance = random.Random(5)
    for _ in range(ROUNDS):
        check_pages(world, chance, "BASIC", basic)


def test_pages_of_enhanced_findings_are_the_whole(world: World) -> None:
    """Likewise, with those that are closed at the end, which do not count."""
    chance = random.Random(6)
    for _ in range(ROUNDS):
        check_pages(world, chance, "ENHANCED", enhanced)


ONE, TWO = content("apk", ["python0", "python1", "apk0"]), content("apk", ["python0", "python1", "apk1"])
FINDINGS = "DescribeImageScanFindings"


def filled(registry: Registry, account: str = ACCOUNT, region: str = REGION) -> Clocked:
    """A repository with two images of three findings each, scanned in both ways; basic scanning is in force."""
    api = dataclasses.replace(clocked(registry, account), region=region)
    repository = registry.services.database.run(
        lambda tx: repositories.create(
            tx, registry.services, account=account, region=region, name="app", scan_on_push=True
        )
    )
    registry.push(repository, ONE)
    registry.push(repository, TWO, "two")
    registry.work()
    configure(api, "ENHANCED")
    configure(api, "BASIC")
    return api


@pytest.fixture
def mine(tmp_path: Path, database_url: str) -> Iterator[Clocked]:
    with support.registry(tmp_path, database_url, regions=(REGION, OTHER_REGION)) as registry:
        records = [osv(f"CVE-2023-{at:04}", name, ecosystem=FAMILIES[f]) for at, (f, name) in enumerate(PACKAGES)]
        registry.publish(*records)
        yield filled(registry)


def request(operation: str, **more: Any) -> tuple[str, dict[str, Any]]:
    image_id = {"imageId": {"imageTag": "latest"}} if operation == FINDINGS else {}
    return operation, {"repositoryName": "app", "maxResults": 1, **image_id, **more}


def token_of(api: Clocked, operation: str, **more: Any) -> str:
    name, params = request(operation, **more)
    return str(api.call(name, **params)["nextToken"])


def is_taken(api: Clocked, token: str, operation: str, **more: Any) -> bool:
    """Whether the token is; one that is not is refused as a parameter."""
    name, params = request(operation, **more)
    try:
        api.call(name, **params, nextToken=token)
    except Refused as error:
        assert error.code == "InvalidParameterException"
        return False
    return True


def test_a_token_is_good_for_the_request_that_it_came_with(mine: Clocked) -> None:
    """In another size too, as often as one likes; not for another image, tag, operation, filter, account or region."""
    token = token_of(mine, FINDINGS)
    for size in (1, 2, 1_000, 1):
        assert is_taken(mine, token, FINDINGS, maxResults=size)
    for other in ({"imageTag": "two"}, {"imageDigest": ONE.digest}, {"imageTag": "latest", "imageDigest": ONE.digest}):
        assert not is_taken(mine, token, FINDINGS, imageId=other)
    assert not is_taken(mine, token, FINDINGS, registryId=ACCOUNT)
    for name in ("DescribeImages", "ListImages"):
        assert not is_taken(mine, token, name)
        assert not is_taken(mine, token_of(mine, name), FINDINGS)
        assert not is_taken(mine, token_of(mine, name), name, filter={"tagStatus": "TAGGED"})
    assert not is_taken(mine, token_of(mine, "ListImages"), "DescribeImages")
    theirs = filled(mine.registry, OTHER_ACCOUNT)
    elsewhere = filled(mine.registry, region=OTHER_REGION)
    for name in (FINDINGS, "DescribeImages", "ListImages"):
        token = token_of(mine, name)
        assert is_taken(mine, token, name)
        for api in (theirs, elsewhere):
            assert is_taken(api, token_of(api, name), name)
            assert not is_taken(api, token, name)


def test_a_token_of_the_other_scan_type(mine: Clocked) -> None:
    """Refused both ways, and good again once the type is what it was."""
    of_basic = token_of(mine, FINDINGS)
    configure(mine, "ENHANCED")
    of_enhanced = token_of(mine, FINDINGS)
    assert not is_taken(mine, of_basic, FINDINGS)
    configure(mine, "BASIC")
    assert not is_taken(mine, of_enhanced, FINDINGS)
    assert is_taken(mine, of_basic, FINDINGS)
    configure(mine, "ENHANCED")
    assert is_taken(mine, of_enhanced, FINDINGS)


@pytest.mark.parametrize("scan_type", ["BASIC", "ENHANCED"])
def test_a_tag_that_moves_between_pages(mine: Clocked, scan_type: str) -> None:
    """The findings of two images are never taken for those of one: the listing has to be begun again."""
    configure(mine, scan_type)
    token = token_of(mine, FINDINGS)
    mine.push("app", TWO)
    assert not is_taken(mine, token, FINDINGS)
    mine.push("app", ONE)
    assert is_taken(mine, token, FINDINGS)


@pytest.mark.parametrize("scan_type", ["BASIC", "ENHANCED"])
def test_a_token_that_outlives_its_report(mine: Clocked, scan_type: str) -> None:
    """Refused, rather than continued in a list that it did not begin in."""
    configure(mine, scan_type)
    services = mine.registry.services
    rule = ignore(services, package="python0")
    token = token_of(mine, FINDINGS)
    path = f"/api/v1/findings?repository=app&image={ONE.digest}&limit=1"
    rest = f"{path}&nextToken={mine.oci('GET', path).json()['nextToken']}"
    services.database.run(lambda tx: overlay_changes.remove_rule(tx, services, ACCOUNT, rule))
    mine.registry.clock.advance(days=2)
    assert is_taken(mine, token, FINDINGS)
    # What no scan stands for goes a day after that was seen.
    mine.registry.publish(osv("CVE-2024-0001", "nothing"))
    assert is_taken(mine, token, FINDINGS)
    assert mine.oci("GET", rest).status_code == 200
    mine.registry.clock.advance(days=1)
    mine.registry.publish(osv("CVE-2024-0002", "nothing"))
    assert not is_taken(mine, token, FINDINGS)
    assert mine.oci("GET", rest).status_code == 400


def test_a_sync_between_two_pages(mine: Clocked) -> None:
    """Of an image that had not changed for days: the pages go on in the report that it had, on both APIs."""
    configure(mine, "ENHANCED")
    registry = mine.registry
    registry.clock.advance(days=3)
    first = page(mine, 1)
    path = f"/api/v1/findings?repository=app&image={ONE.digest}&limit="
    token = mine.oci("GET", f"{path}1").json()["nextToken"]
    registry.publish(osv("CVE-2024-0001", "python0"))
    registry.work()
    rest = mine.oci("GET", f"{path}9&nextToken={token}")
    for listed in (page(mine, 9, first["nextToken"])["imageScanFindings"]["enhancedFindings"], rest.json()["findings"]):
        assert len(listed) == 2
        assert "CVE-2024-0001" not in json.dumps(listed)


@pytest.mark.parametrize("scan_type", ["BASIC", "ENHANCED"])
def test_counts_are_those_of_the_listing(mine: Clocked, scan_type: str) -> None:
    """On a later page too, whatever was published or ignored after the first; a new listing has the new ones."""
    configure(mine, scan_type)
    name = "UNDEFINED" if scan_type == "BASIC" else "UNTRIAGED"
    first = page(mine, 1)
    mine.registry.publish(osv("CVE-2024-0001", "python0"))
    ignore(mine.registry.services, package="apk0")
    second = page(mine, 1, first["nextToken"])
    assert [each["imageScanFindings"]["findingSeverityCounts"] for each in (first, second)] == [{name: 3}] * 2
    # Of the enhanced ones one is new, and of both one is ignored.
    expected = {name: 2 if scan_type == "BASIC" else 3}
    assert page(mine, 1)["imageScanFindings"]["findingSeverityCounts"] == expected


def test_tokens_that_somebody_made(mine: Clocked) -> None:
    """Changed anywhere, cut, joined, empty, very long, of other letters: refused for all three operations."""
    for name in (FINDINGS, "DescribeImages", "ListImages"):
        token = token_of(mine, name)
        head, _, signature = token.rpartition(".")
        places = range(0, len(token) - 1, 7)
        changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in places]
        made = ["", ".", "x", "é", token[:-2], token[1:], token + "AA", f"{token}.", f"{token}.{signature}"]
        made += [head, f"{head}.", f".{signature}", "A" * 100_000, "=" * 50, json.dumps([1, 2]), "W10.W10"]
        for each in (*changed, *made):
            assert not is_taken(mine, each, name), each
        assert is_taken(mine, token, name)
