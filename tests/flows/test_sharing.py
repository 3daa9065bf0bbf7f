"""What images share: layers are read once, inventories and reports are kept once, and a lie harms its teller alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import sqlalchemy as sa

from hullwise import app
from hullwise.advisories.generation import Generation as GenerationFile
from hullwise.domain.reports import Finding
from hullwise.domain.scans import ScanStatus, ScanType
from hullwise.inventory import kept
from hullwise.jobs.queue import SCAN_IMAGE
from hullwise.registry import images as image_rules
from hullwise.scanning import reading, requests, run
from hullwise.services import Services
from hullwise.store import layers, repositories, scans
from hullwise.store.generations import Generation
from hullwise.store.images import Image as StoredImage
from hullwise.store.repositories import Repository
from hullwise.store.tables import (
    inventories,
    inventory_part_links,
    inventory_parts,
    layer_analyses,
    packages,
    part_occurrences,
    reports,
)
from hullwise.store.tables import scans as scans_table
from tests.support.advisories import osv
from tests.support.images import DEBIAN_12, Image, image, layer, python_packages, sha256
from tests.support.registry import Registry

OS_RELEASE = {"etc/os-release": DEBIAN_12}
DPKG = {
    "var/lib/dpkg/status": b"Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2+b2\nArchitecture: amd64\n"
    b"Source: bash (5.2.15-2)\n\n"
}
BASE = layer({**OS_RELEASE, **DPKG})


@dataclass(frozen=True)
class Said:
    """What the latest report of an image says, and where it is kept."""

    report_id: int
    inventory_id: int
    generation: int
    findings: list[Finding]


def said(registry: Registry, stored: StoredImage) -> Said:
    with registry.services.database.read() as tx:
        found = scans.of_images(tx, [stored.id], ScanType.BASIC)
        assert found[stored.id].latest.status is ScanStatus.COMPLETE, found[stored.id].latest
        report = reading.results(tx, found)[stored.id].report
        page = reading.page(tx, report, 0, report.findings)
    return Said(report.id, report.inventory_id, report.generation, page)


def count(registry: Registry, table: sa.Table) -> int:
    with registry.services.database.read() as tx:
        found: int = tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    return found


def read_layers(registry: Registry) -> list[str]:
    """Digests of the layers that were read, one for each analyser that did."""
    with registry.services.database.read() as tx:
        query = sa.select(layer_analyses.c.digest).order_by(layer_analyses.c.digest)
        return list(tx.execute(query).scalars())


def repository_of(tx: sa.Connection, stored: StoredImage) -> Repository:
    found = repositories.by_id(tx, stored.repository_id)
    assert found is not None
    return found


def start(registry: Registry, stored: StoredImage) -> int:
    """The id of a scan that somebody asks for, a day after the last one."""
    registry.clock.advance(days=1)
    services = registry.services
    return services.database.run(lambda tx: requests.start(tx, services, repository_of(tx, stored), stored)).id


def publish(registry: Registry) -> None:
    registry.publish(
        osv("CVE-2019-10906", "jinja2", fixed="2.10.1"),
        osv("CVE-2022-3715", "bash", ecosystem="Debian:12"),
        osv("CVE-2023-30861", "flask", fixed="2.2.5"),
    )


def test_one_digest_says_the_same_however_it_was_asked(registry: Registry) -> None:
    """Scanned by its push, and asked for in another repository, an image has the same findings, and one report."""
    publish(registry)
    content = image([BASE, layer(python_packages(Jinja2="2.10", flask="1.0"))])
    pushed = registry.push(registry.repository("pushed/app"), content)
    registry.work()
    quiet = registry.push(registry.repository("asked/app", scan_on_push=False), content)
    registry.work()
    with registry.services.database.read() as tx:
        assert scans.of_images(tx, [quiet.id], ScanType.BASIC) == {}
    start(registry, quiet)
    registry.work()
    first, second = said(registry, pushed), said(registry, quiet)
    assert first == second
    assert {finding.assessment.name: finding.layer for finding in first.findings} == {
        "CVE-2022-3715": BASE.digest,
        "CVE-2019-10906": content.layers[1].digest,
        "CVE-2023-30861": content.layers[1].digest,
    }
    assert count(registry, reports) == count(registry, inventories) == 1


def test_a_layer_is_read_once(registry: Registry) -> None:
    """A layer has one analysis by each analyser, however many images, repositories and scans have it."""
    publish(registry)
    upper = [layer(python_packages(**{f"own{number}": "1.0"})) for number in range(3)]
    for number in range(3):
        # The base twice in one image is read once too.
        stored = registry.push(registry.repository(f"team/app{number}"), image([BASE, upper[number], BASE]))
        registry.work()
        start(registry, stored)
        registry.work()
    analysers = len(kept.analysers())
    wanted = sorted([BASE.digest, *(each.digest for each in upper)] * analysers)
    assert read_layers(registry) == wanted


def test_a_known_layer_is_not_opened_again(registry: Registry) -> None:
    """Once a layer was read its bytes are not needed: were they gone, it could be scanned all the same."""
    publish(registry)
    content = image([BASE])
    registry.push(registry.repository("first/app"), content)
    registry.work()
    second = registry.push(registry.repository("second/app"), image([BASE], author="another"))
    with registry.services.database.read() as tx:
        blob = layers.load(tx, BASE.digest)
    assert blob is not None
    for segment in blob.segments:
        registry.services.blobs.delete(segment.object_key)
    registry.work()
    assert [finding.assessment.name for finding in said(registry, second).findings] == ["CVE-2022-3715"]


def test_a_common_base_gives_a_common_part(registry: Registry) -> None:
    """Images that share a base share that part of their inventories and its packages; each has its own upper part."""
    publish(registry)
    base = layer({**OS_RELEASE, **DPKG, **python_packages(Jinja2="2.10")})
    stored = [
        registry.push(
            registry.repository(f"team/app{number}"), image([base, layer(python_packages(**{f"own{number}": "1"}))])
        )
        for number in range(3)
    ]
    registry.work()
    with registry.services.database.read() as tx:
        query = sa.select(inventory_part_links.c.inventory_id, inventory_part_links.c.part_id)
        rows = tx.execute(query.order_by(inventory_part_links.c.inventory_id, inventory_part_links.c.ordinal)).all()
    by_inventory: dict[int, list[int]] = {}
    for inventory_id, part_id in rows:
        by_inventory.setdefault(inventory_id, []).append(part_id)
    links = list(by_inventory.values())
    assert [len(parts) for parts in links] == [2, 2, 2]
    assert len({parts[0] for parts in links}) == 1
    assert len({parts[1] for parts in links}) == 3
    assert count(registry, inventory_parts) == 4
    # bash and jinja2 of the base, one package of each image.
    assert count(registry, part_occurrences) == count(registry, packages) == 5
    names = {tuple(finding.assessment.name for finding in said(registry, each).findings) for each in stored}
    assert names == {("CVE-2019-10906", "CVE-2022-3715")}


def test_images_with_one_inventory_share_its_report(registry: Registry) -> None:
    """Two images of the same layers with different configs are two scans and one report."""
    publish(registry)
    parts = [BASE, layer(python_packages(flask="1.0"))]
    first, second = image(parts), image(parts, author="another")
    assert first.digest != second.digest
    stored = [registry.push(registry.repository(f"team/app{at}"), each) for at, each in enumerate((first, second))]
    registry.work()
    one, two = (said(registry, each) for each in stored)
    assert one == two
    assert (count(registry, scans_table), count(registry, reports), count(registry, inventories)) == (2, 1, 1)


def test_a_config_that_names_another_layer_fails_its_own_scan(registry: Registry) -> None:
    """An image whose config claims the diffID of somebody else's layer fails; the honest image says what it is."""
    publish(registry)
    honest = layer(python_packages(Jinja2="2.10"))
    empty = layer({"etc/motd": b"nothing here\n"})
    liar = registry.push(registry.repository("liar/app"), image([empty], diff_ids=[honest.diff_id]))
    reverse = registry.push(registry.repository("liar/reverse"), image([honest], diff_ids=[empty.diff_id]))
    registry.work()
    for stored in (liar, reverse):
        latest = registry.scans_of(stored).latest
        assert latest.status is ScanStatus.FAILED
        assert "the config names" in latest.description
    true = registry.push(registry.repository("honest/app"), image([honest]))
    bare = registry.push(registry.repository("honest/bare"), image([empty, honest]))
    registry.work()
    assert registry.finding_names(true) == registry.finding_names(bare) == ["CVE-2019-10906"]
    assert said(registry, bare).findings[0].layer == honest.digest
    # The failed scans left what is true of the layers, and nothing under the name that they claimed.
    analysers = len(kept.analysers())
    assert read_layers(registry) == sorted([honest.digest, empty.digest] * analysers)


def test_a_lie_told_later_changes_nobody_elses_scan(registry: Registry) -> None:
    """An honest image that was scanned before keeps its findings, and has the same when it is scanned again."""
    publish(registry)
    honest = layer(python_packages(Jinja2="2.10"))
    true = registry.push(registry.repository("honest/app"), image([honest]))
    registry.work()
    before = said(registry, true)
    other = layer(python_packages(flask="1.0"))
    liar = registry.push(registry.repository("liar/app"), image([other, honest], diff_ids=[honest.diff_id] * 2))
    registry.work()
    assert registry.scans_of(liar).latest.status is ScanStatus.FAILED
    start(registry, true)
    registry.work()
    assert said(registry, true) == before


@dataclass(frozen=True, kw_only=True)
class Interrupted(Services):
    """A toolbox with which something happens each time when a scan is about to match packages."""

    first: Callable[[], None]

    def open_generation(self, row: Generation) -> GenerationFile:
        self.first()
        return super().open_generation(row)


def test_a_scan_is_repeated_when_the_head_moves(registry: Registry) -> None:
    """A scan under whose hands the head moves, and moves again, completes once, with what the last generation says."""
    publish(registry)
    stored = registry.push(registry.repository(), image([layer(python_packages(flask="1.0", Jinja2="2.10"))]))
    imports = [
        [osv("CVE-2030-1", "flask"), osv("CVE-2019-10906", "jinja2", fixed="2.9")],
        [osv("CVE-2030-2", "jinja2"), osv("CVE-2030-1", "flask", withdrawn="2030-01-02T00:00:00Z")],
    ]

    def move() -> None:
        if imports:
            registry.publish(*imports.pop(0))

    parts = {item.name: getattr(registry.services, item.name) for item in fields(Services)}
    registry.queue.run(app.handlers(Interrupted(**parts, first=move)))
    found = said(registry, stored)
    assert [finding.assessment.name for finding in found.findings] == ["CVE-2023-30861", "CVE-2030-2"]
    assert found.generation == 3
    assert count(registry, reports) == count(registry, scans_table) == 1


def test_an_ended_scan_stays_ended(registry: Registry) -> None:
    """A job that is run again after its scan has completed changes nothing."""
    publish(registry)
    stored = registry.push(registry.repository(), image([layer(python_packages(flask="1.0"))]))
    registry.work()
    before, ended = said(registry, stored), registry.scans_of(stored)
    registry.publish(osv("CVE-2030-1", "flask"))
    registry.clock.advance(hours=1)
    run.scan_image(registry.services, ended.latest.id)
    assert registry.scans_of(stored) == ended
    assert said(registry, stored) == before


def test_a_scan_whose_image_is_gone_ends_quietly(registry: Registry) -> None:
    """An image deleted before its scan began takes the scan with it; the job finds nothing to do."""
    publish(registry)
    repository = registry.repository()
    stored = registry.push(repository, image([layer(python_packages(flask="1.0"))]))
    registry.services.database.run(lambda tx: image_rules.delete(tx, registry.services, repository, stored, "tests"))
    registry.work()
    assert count(registry, scans_table) == count(registry, reports) == 0


def test_an_image_pushed_again_after_its_deletion_is_scanned_again(registry: Registry) -> None:
    """Deleting the newest image and pushing it anew makes another scan, with a job of its own."""
    publish(registry)
    repository = registry.repository()
    content = image([layer(python_packages(flask="1.0"))])
    seen = set()
    for _ in range(3):
        stored = registry.push(repository, content)
        seen |= {job for job in registry.queue.jobs if job[0] == SCAN_IMAGE}
        registry.work()
        assert registry.finding_names(stored) == ["CVE-2023-30861"]
        registry.services.database.run(
            lambda tx, stored=stored: image_rules.delete(tx, registry.services, repository, stored, "tests")  # type: ignore[misc]
        )
    assert len(seen) == 3


def test_a_blob_pushed_twice_is_stored_once(registry: Registry) -> None:
    """The same layer in two repositories is one blob, kept once; each repository sees it once it was pushed there."""
    one, two = registry.repository("one/app"), registry.repository("two/app")
    content: Image = image([BASE])
    registry.push(one, content)
    with registry.services.database.read() as tx:
        first = layers.load(tx, BASE.digest)
        assert layers.find(tx, two.id, BASE.digest) is None
    registry.push(two, content)
    with registry.services.database.read() as tx:
        assert layers.load(tx, BASE.digest) == layers.find(tx, two.id, BASE.digest) == first
    assert first is not None
    assert b"".join(registry.services.read_blob(first)) == BASE.blob
    assert sha256(BASE.blob) == BASE.digest
    stored = list((registry.services.settings.data / "blobs").rglob("*"))
    sizes = sorted(file.stat().st_size for file in stored if file.is_file() and not file.name.startswith("."))
    assert sizes.count(len(BASE.blob)) == 1
