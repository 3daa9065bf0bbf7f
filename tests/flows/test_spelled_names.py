"""Packages that are installed under another spelling than their advisories', from the image to the finding."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import sqlalchemy as sa

from hullwise.advisories import explanation
from hullwise.cli.starter import ensure_starter
from hullwise.domain.packages import Occurrence, Package
from hullwise.domain.scans import ScanType
from hullwise.scanning import overlay_changes, reading
from hullwise.store import generations, scans
from hullwise.store.tables import generations as generations_table
from hullwise.store.tables import matches
from tests.support.advisories import osv
from tests.support.continuous import begin, finding_names
from tests.support.images import Image, image, layer
from tests.support.registry import ACCOUNT, Registry
from tests.support.truth import check_matches, check_report

JSON = osv("GHSA-5crp-9r3c-p9vr", "Newtonsoft.Json", fixed="13.0.1", ecosystem="NuGet")
EXCEL = osv("CVE-2018-19277", "phpoffice/phpexcel", ecosystem="Packagist")


def spelled() -> Image:
    """An image of an application for .NET, and of one for PHP that names its packages as Composer once let them."""
    libraries = {"Newtonsoft.Json/12.0.3": {"type": "package"}}
    files = {"Newtonsoft.Json/12.0.3": {"runtime": {"lib/Newtonsoft.Json.dll": {"fileVersion": "12.0.3.0"}}}}
    return image(
        [
            layer(
                {
                    "app/App.deps.json": json.dumps({"targets": {"net8.0": files}, "libraries": libraries}).encode(),
                    "srv/vendor/composer/installed.json": json.dumps(
                        [{"name": "PHPOffice/PHPExcel", "version": "1.8.0"}]
                    ).encode(),
                }
            )
        ]
    )


def test_it_is_found_and_shown_as_installed(registry: Registry) -> None:
    """By whatever spelling its records have; what comes to be known later too."""
    registry.publish(JSON)
    stored = registry.push(registry.repository(), spelled())
    begin(registry, stored)
    registry.work()
    assert finding_names(registry.services, stored.id) == ["GHSA-5crp-9r3c-p9vr"]
    registry.publish(EXCEL)
    check_matches(registry.services)
    check_report(registry.services, stored.id)
    assert finding_names(registry.services, stored.id) == ["CVE-2018-19277", "GHSA-5crp-9r3c-p9vr"]
    with registry.services.database.read() as tx:
        row = generations.get(tx, generations.head_number(tx))
    assert row is not None
    package = Package("nuget", "nuget", "Newtonsoft.Json", "12.0.3", "Newtonsoft.Json", "12.0.3", "", "")
    with registry.services.open_generation(row) as generation:
        found = explanation.explain(generation, [Occurrence(package, "app/App.deps.json", "")], JSON["id"])
    assert found.sentence == "GHSA-5crp-9r3c-p9vr is in this image: Newtonsoft.Json."
    assert (found.examined[0].tests[0].affected, found.elsewhere) == (True, ())


def test_a_rule_means_every_spelling(registry: Registry) -> None:
    """Written in lower case it suppresses what is installed with capitals."""
    services, repository = registry.services, registry.repository()
    registry.publish(JSON)
    stored = registry.push(repository, spelled())
    registry.work()
    services.database.run(
        lambda tx: overlay_changes.add_rule(
            tx, services, ACCOUNT, package="newtonsoft.json", reason="not reachable", author="Ada"
        )
    )
    with services.database.read() as tx:
        found = scans.of_images(tx, [stored.id], ScanType.BASIC)
        result = reading.current(tx, services, repository, {stored.id: stored}, found)[stored.id]
    assert result.report.suppressed == 1


def test_what_was_matched_before_by_its_spelling_alone(registry: Registry) -> None:
    """Versions of before looked for `Newtonsoft.Json` and found nothing: the first start under these rules does."""
    registry.publish(JSON)
    stored = registry.push(registry.repository(), spelled())
    begin(registry, stored)
    registry.work()
    with registry.services.database.read() as tx:
        row = generations.get(tx, generations.head_number(tx))
    assert row is not None
    with closing(sqlite3.connect(registry.services.generation_path(row))) as db, db:
        db.execute("UPDATE meta SET value = '5' WHERE key = 'rules_version'")
        db.execute("UPDATE meta SET value = ? WHERE key = 'digest'", (f"sha256:{'0' * 64}",))
    with registry.services.database.write() as tx:
        tx.execute(generations_table.update().values(digest=f"sha256:{'0' * 64}"))
        tx.execute(sa.delete(matches))
    ensure_starter(registry.services)
    check_matches(registry.services)
    assert finding_names(registry.services, stored.id) == ["GHSA-5crp-9r3c-p9vr"]
