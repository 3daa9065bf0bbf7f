"""A new generation against many images: 1,000 changed advisories, 100,000 images, of which 1,000 are affected.

Images are rows as scans leave them: 200 bases of 400 packages, 5,000 applications of 40, 20,000 inventories of one of
each, five images an inventory. The changed advisories speak of packages in 50 applications, which 200 inventories have.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.rows import insert
from hullwise import app
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.records import Affected, Interval, Record
from hullwise.cli.opening import prepare
from hullwise.domain.scans import ScanType
from hullwise.scanning import publication
from hullwise.services import Services
from hullwise.settings import load
from hullwise.store import accounts, configurations, repositories, transitions
from hullwise.store.clock import to_micros
from hullwise.store.compression import pack
from hullwise.store.tables import (
    image_scans,
    images,
    inventories,
    inventory_part_links,
    inventory_parts,
    manifests,
    packages,
    part_occurrences,
    reports,
    scans,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BASES, BASE_SIZE, APPS, APP_SIZE, INVENTORIES, EACH, AFFECTED_APPS = 200, 400, 5_000, 40, 20_000, 5, 50
CHANGED = 1_000


class _NoJobs:
    def put(self, tx: sa.Connection, job: str, row_id: int) -> None:
        """Whoever publishes here drives it to its end."""

    def put_again(self, job: str, row_id: int) -> bool:
        return False


@contextmanager
def _services(folder: Path, url: str) -> Iterator[Services]:
    settings = load({"data": folder, "database_url": url, "durability": "full"}, {})
    prepare(settings)
    services = app.build(settings, jobs=_NoJobs())
    try:
        yield services
    finally:
        services.database.close()


def _package(number: int) -> dict[str, Any]:
    about = {"ecosystem": "npm", "namespace": "npm", "architecture": "", "scope": ""}
    name = f"p{number}"
    versions = {"version": "1.0.0", "source_name": name, "source_version": "1.0.0"}
    return {"id": number, **about, "name": name, **versions, "matched_from": 1, "matched_at": 1}


def _members(part: int) -> range:
    """Ids of the packages of a part; bases come first."""
    if part <= BASES:
        return range((part - 1) * BASE_SIZE + 1, part * BASE_SIZE + 1)
    start = BASES * BASE_SIZE + (part - BASES - 1) * APP_SIZE + 1
    return range(start, start + APP_SIZE)


def fill(services: Services) -> None:
    """The rows of 100,000 scanned images."""
    with services.database.write() as tx:
        accounts.ensure_account(tx, "123456789012", NOW)
        repository = repositories.create(tx, account="123456789012", region="us-east-1", name="bench/app", now=NOW)
        configurations.put(tx, "123456789012", "us-east-1", ScanType.ENHANCED, [], NOW)
    parts = range(1, BASES + APPS + 1)
    total = BASES * BASE_SIZE + APPS * APP_SIZE
    insert(services.database, packages, (_package(number) for number in range(1, total + 1)))
    insert(services.database, inventory_parts, ({"id": part, "digest": f"sha256:part{part}"} for part in parts))
    occurrences = (
        {
            "part_id": part,
            "ordinal": at,
            "package_id": package,
            "path": f"x/{package}",
            "layer": f"L{part}",
            "owner": "",
        }
        for part in parts
        for at, package in enumerate(_members(part))
    )
    insert(services.database, part_occurrences, occurrences)
    numbers = range(1, INVENTORIES + 1)
    about = {"distribution": "null", "coverage": "{}", "created_at": 0}
    insert(services.database, inventories, ({"id": n, "digest": f"sha256:inventory{n}", **about} for n in numbers))
    links = (
        {"inventory_id": n, "ordinal": at, "part_id": part}
        for n in numbers
        for at, part in enumerate((n % BASES + 1, BASES + n % APPS + 1))
    )
    insert(services.database, inventory_part_links, links)
    empty = {
        "generation": 1,
        "overlay_revision": 0,
        "counts": "{}",
        "findings": 0,
        "body": pack(b"\x90"),
        "created_at": to_micros(app.now()),
    }
    insert(services.database, reports, ({"id": n, "inventory_id": n, **empty} for n in numbers))
    every = range(1, INVENTORIES * EACH + 1)
    insert(services.database, manifests, ({"digest": f"sha256:{n:064x}", "body": b"{}"} for n in every))
    insert(services.database, images, (_image(n, repository.id) for n in every))
    insert(services.database, scans, (_scan(n) for n in every))
    of_images = ({"image_id": n, "scan_type": "ENHANCED", "scan_id": n, "reported_scan_id": n} for n in every)
    insert(services.database, image_scans, of_images)
    if not services.database.is_sqlite:
        with services.database.write() as tx:
            for table in (packages, inventory_parts, inventories, reports, images, scans):
                # Rows that were given their ids leave the sequences behind.
                last = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name}"
                tx.execute(sa.text(last))
            tx.execute(sa.text("ANALYZE"))


def _image(number: int, repository: int) -> dict[str, Any]:
    texts = {"media_type": "m", "artifact_media_type": "a", "config_digest": "", "subject_digest": ""}
    numbers = {"size": 1, "scannable": 1, "pushed_at": 0}
    return {"id": number, "repository_id": repository, "digest": f"sha256:{number:064x}", **texts, **numbers}


def _scan(number: int) -> dict[str, Any]:
    texts = {"scan_type": "ENHANCED", "trigger": "continuous", "status": "ACTIVE", "description": ""}
    report = (number - 1) // EACH + 1
    times = {"requested_at": 0, "started_at": 0, "completed_at": 0}
    return {"id": number, "image_id": number, **texts, **times, "report_id": report}


def _records(fixed: str) -> Iterator[Record]:
    """One for each of CHANGED packages in the applications that are affected."""
    for at in range(CHANGED):
        package = _members(BASES + 2 + at % AFFECTED_APPS)[at // AFFECTED_APPS]
        affected = Affected("npm", f"p{package}", (Interval("0", fixed),))
        yield Record(f"GHSA-{at:06d}", "osv", (affected,), (f"CVE-2026-{at:06d}",), summary="Something goes wrong")


def measure(url: str) -> dict[str, float]:
    """Seconds of each phase. `url`: of an empty database, or empty for SQLite."""
    with tempfile.TemporaryDirectory() as folder, _services(Path(folder) / "data", url) as services:
        publication.publish(services, lambda builder: _add(builder, "0.5"))
        print(f"filling {'SQLite' if not url else 'PostgreSQL'}", file=sys.stderr)
        fill(services)
        marks: dict[str, float] = {}
        begun = time.perf_counter()

        def progress(what: str, done: int, total: int) -> None:
            marks.setdefault(f"{what} begun", time.perf_counter() - begun)
            marks[f"{what} ended"] = time.perf_counter() - begun

        published = publication.publish(services, lambda builder: _add(builder, "2.0"), progress)
        whole = time.perf_counter() - begun
        assert (published.matched_packages, published.moved_images) == (CHANGED, CHANGED), published
        return {"whole": whole, "matching": marks["names ended"], "found": _finding(services, published.number)}


def _finding(services: Services, number: int) -> float:
    """Wall seconds of finding the affected inventories, with every image back at its old report; the best of five."""
    with services.database.write() as tx:
        tx.execute(scans.update().values(report_id=(scans.c.id - 1) // EACH + 1))
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        with services.database.read() as tx:
            found = transitions.changed_inventories(tx, number, 0)
        times.append(time.perf_counter() - begun)
    assert len(found) == CHANGED // EACH
    return min(times)


def _add(builder: GenerationBuilder, fixed: str) -> None:
    for record in _records(fixed):
        builder.add(record)


def run(rounds: int) -> list[str]:
    """The table, line by line: medians on both engines."""
    from tests.support.postgres import new_database

    lines = [
        "| engine | affected inventories found | build, match, move the head | and all reports and events written |",
        "|---|--:|--:|--:|",
    ]
    for engine in ("SQLite", "PostgreSQL"):
        found = [measure("" if engine == "SQLite" else new_database()) for _ in range(rounds)]
        middle = {key: statistics.median(each[key] for each in found) for key in found[0]}
        cells = f"{middle['found'] * 1000:.1f} ms | {middle['matching']:.1f} s | {middle['whole']:.1f} s"
        lines.append(f"| {engine} | {cells} |")
    return lines
