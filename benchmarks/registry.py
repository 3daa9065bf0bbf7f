"""A registry as years of pushes and scans leave it, put in row by row: every image scanned, with a report of its own.

base of 300 packages (20 of them) ─┐
                                   ├─ inventory (20,000 of them) ── report: 250 findings in the base's packages
application of 100 (500 of them) ──┘
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from benchmarks.rows import insert
from hullwise import app
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.records import Affected, Interval, Record
from hullwise.cli.opening import prepare
from hullwise.domain.enrichment import ExploitScore
from hullwise.domain.manifests import OCI_CONFIG, OCI_MANIFEST
from hullwise.domain.packages import Distribution
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import Assessment, RecordRef, SeverityClaim
from hullwise.registry import images as rules
from hullwise.scanning import publication
from hullwise.services import Services
from hullwise.settings import load
from hullwise.store import accounts, assessments, enrichment, repositories, tables
from hullwise.store.clock import to_micros
from hullwise.store.compression import pack
from hullwise.store.engine import Database
from hullwise.store.reports import FindingKey
from hullwise.store.repositories import Repository

ACCOUNT, REGION = "123456789012", "us-east-1"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

BASES, BASE_SIZE, APPS, APP_SIZE, INVENTORIES = 20, 300, 500, 100, 20_000
VULNERABILITIES, FINDINGS = 2_000, 250
SHARED_LAYERS = 4


def digest(name: str) -> str:
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def manifest(config: int, layer: int) -> bytes:
    """Of an image with the shared layers and one of its own."""
    layers = [digest(f"shared {number}") for number in range(SHARED_LAYERS)] + [digest(f"layer {layer}")]
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digest(f"config {config}"), "size": 4_321},
        "layers": [{"mediaType": OCI_LAYER, "digest": each, "size": 12_345_678} for each in layers],
    }
    return json.dumps(document, indent=2).encode()


class _NoJobs:
    def put(self, tx: sa.Connection, job: str, row_id: int) -> None:
        """The images are scanned already."""

    def put_again(self, job: str, row_id: int) -> bool:
        return False


@contextmanager
def opened(data: Path) -> Iterator[Services]:
    """The toolbox over a new SQLite database in the folder. What is written survives its process, not a power loss."""
    settings = load({"data": data, "durability": "fast", "account": ACCOUNT}, {})
    prepare(settings)
    services = app.build(settings, jobs=_NoJobs())
    try:
        yield services
    finally:
        services.database.close()


@dataclass
class Registry:
    """Fills a registry; images come in the order of the calls."""

    services: Services
    images: int = 0

    @property
    def database(self) -> Database:
        return self.services.database

    def begin(self) -> None:
        """The generation and the reports."""
        publication.publish(self.services, _one_record)
        with self.database.write() as tx:
            accounts.ensure_account(tx, ACCOUNT, NOW)
            known = assessments.save(
                tx, {found: _vulnerability(tx) for found in map(_assessment, range(VULNERABILITIES))}
            )
        scores = [ExploitScore(_cve(number), 0.01234, 0.56789) for number in range(10 * VULNERABILITIES)]
        with self.database.read() as tx:
            enrichment.replace_scores(tx, self.database.run, scores, "2026-06-01", NOW)
        _put_reports(self.database, sorted(known.values()))

    def repository(self, name: str) -> Repository:
        with self.database.write() as tx:
            return repositories.create(tx, account=ACCOUNT, region=REGION, name=name, now=NOW)

    def push(self, repository: Repository, count: int) -> list[str]:
        """Images as PutImage stores them, their blobs here; returns their digests. Once only: they are the same."""
        blobs = [(digest(f"shared {n}"), 12_345_678) for n in range(SHARED_LAYERS)]
        for number in range(count):
            blobs += [(digest(f"config {number}"), 4_321), (digest(f"layer {number}"), 12_345_678)]
        times = {"created_at": to_micros(NOW)}
        insert(self.database, tables.blobs, ({"digest": d, "size": size, **times} for d, size in blobs))
        here = {"repository_id": repository.id, "linked_at": to_micros(NOW)}
        insert(self.database, tables.repository_blobs, ({"digest": d, **here} for d, _ in blobs))
        digests = []
        with self.database.write() as tx:
            for number in range(count):
                prepared = rules.prepare(manifest(number, number), None)
                rules.put(tx, self.services, repository, prepared, f"build-{number}")
                digests.append(prepared.digest)
        self._scanned(count)
        return digests

    def fill(self, repository: Repository, count: int) -> None:
        """Images as rows."""
        numbers = range(self.images + 1, self.images + count + 1)
        digests = {number: digest(f"image {number}") for number in numbers}
        bodies = ({"digest": each, "body": b"{}"} for each in sorted(digests.values()))
        insert(self.database, tables.manifests, bodies)
        insert(self.database, tables.images, (_image(n, repository.id, digests[n]) for n in numbers))
        tagged = {"repository_id": repository.id, "tagged_at": to_micros(NOW)}
        insert(
            self.database,
            tables.image_tags,
            ({"tag": f"build-{n}", "folded": f"build-{n}", "image_id": n, **tagged} for n in numbers),
        )
        self._scanned(count)

    def _scanned(self, count: int) -> None:
        numbers = range(self.images + 1, self.images + count + 1)
        insert(self.database, tables.scans, map(_scan, numbers))
        links = ({"image_id": n, "scan_type": "BASIC", "scan_id": n, "reported_scan_id": n} for n in numbers)
        insert(self.database, tables.image_scans, links)
        self.images += count


def _one_record(builder: GenerationBuilder) -> None:
    affected = Affected("npm", "left-pad", (Interval("0", "1.0"),))
    builder.add(Record("GHSA-0000", "osv", (affected,), ("CVE-2026-0000",), summary="Something goes wrong"))


def _vulnerability(tx: sa.Connection) -> int:
    return assessments.new_vulnerability(tx, 1)


def _cve(number: int) -> str:
    return f"CVE-2025-{number + 10_000}"


def _assessment(number: int) -> Assessment:
    """As much text as Debian's have."""
    name = _cve(number)
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    severity = list(Severity)[number % 4]
    claim = SeverityClaim("NVD", "CVSS_V3", vector, severity, 9.8)
    record = RecordRef(f"DSA-{number}", "debian", "< 1.2.3-4+deb12u1", "1.2.3-4+deb12u1", "Debian, MIT")
    return Assessment(
        name=name,
        ids=(name, f"GHSA-{number:04d}-xxxx"),
        namespace="debian:12",
        package=f"source-{number}",
        severity=severity,
        chosen=claim,
        claims=(claim, SeverityClaim("debian", "word", "not yet assigned", severity)),
        fix="1.2.3-4+deb12u1",
        state="fixed",
        records=(record,),
        rule="vendor-range",
        summary=f"{name} in a library",
        details="A flaw was found in how the library parses what others send it, in some words more. " * 5,
        url=f"https://security-tracker.debian.org/tracker/{name}",
        references=tuple(f"https://example.org/{name}/{each}" for each in range(5)),
        published="2025-01-01T00:00:00Z",
        modified="2026-01-01T00:00:00Z",
    )


def _members(part: int) -> range:
    """Ids of the packages of a part; bases come first."""
    if part <= BASES:
        return range((part - 1) * BASE_SIZE + 1, part * BASE_SIZE + 1)
    start = BASES * BASE_SIZE + (part - BASES - 1) * APP_SIZE + 1
    return range(start, start + APP_SIZE)


def _package(number: int) -> dict[str, Any]:
    about = {"ecosystem": "dpkg", "namespace": "debian:12", "architecture": "amd64", "scope": ""}
    versions = {"version": "1.2.3-4", "source_name": f"source-{number}", "source_version": "1.2.3-4"}
    return {"id": number, **about, "name": f"library-{number}", **versions, "matched_from": 1, "matched_at": 1}


def _put_reports(database: Database, known: Sequence[int]) -> None:
    parts = range(1, BASES + APPS + 1)
    insert(database, tables.packages, map(_package, range(1, BASES * BASE_SIZE + APPS * APP_SIZE + 1)))
    insert(database, tables.inventory_parts, ({"id": part, "digest": digest(f"part {part}")} for part in parts))
    insert(database, tables.part_occurrences, (row for part in parts for row in _occurrences(part)))
    debian = Distribution("debian", "12", "bookworm", (), "Debian GNU/Linux 12 (bookworm)")
    about = {"distribution": msgspec.json.encode(debian).decode(), "coverage": "{}", "created_at": to_micros(NOW)}
    numbers = range(1, INVENTORIES + 1)
    found = ({"id": n, "digest": digest(f"inventory {n}"), **about} for n in numbers)
    insert(database, tables.inventories, found)
    links = (
        {"inventory_id": n, "ordinal": at, "part_id": part}
        for n in numbers
        for at, part in enumerate((n % BASES + 1, BASES + n % APPS + 1))
    )
    insert(database, tables.inventory_part_links, links)
    bodies = [_body(base, known) for base in range(1, BASES + 1)]
    counts = json.dumps({"CRITICAL": 10, "HIGH": 60, "MEDIUM": 120, "LOW": 60})
    report = {
        "generation": 1,
        "overlay_revision": 0,
        "counts": counts,
        "findings": FINDINGS,
        "created_at": to_micros(NOW),
    }
    rows = ({"id": n, "inventory_id": n, "body": bodies[n % BASES], **report} for n in numbers)
    insert(database, tables.reports, rows)


def _occurrences(part: int) -> Iterable[dict[str, Any]]:
    about = {"layer": digest(f"layer of part {part}"), "owner": ""}
    return (
        {"part_id": part, "ordinal": at, "package_id": package, "path": "var/lib/dpkg/status", **about}
        for at, package in enumerate(_members(part))
    )


def _body(base: int, known: Sequence[int]) -> bytes:
    vulnerable = [known[(base * FINDINGS + at) % len(known)] for at in range(FINDINGS)]
    keys = tuple(FindingKey(each, (package,)) for each, package in zip(vulnerable, _members(base), strict=False))
    return pack(msgspec.msgpack.encode(keys))


def _image(number: int, repository: int, named: str) -> dict[str, Any]:
    types = {"media_type": OCI_MANIFEST, "artifact_media_type": OCI_CONFIG}
    texts = {"config_digest": digest(f"config {number}"), "subject_digest": ""}
    numbers = {"size": 61_732_711, "scannable": 1, "pushed_at": to_micros(NOW)}
    return {"id": number, "repository_id": repository, "digest": named, **types, **texts, **numbers}


def _scan(number: int) -> dict[str, Any]:
    texts = {"scan_type": "BASIC", "trigger": "push", "status": "COMPLETE"}
    texts["description"] = "The scan was completed successfully."
    times = dict.fromkeys(("requested_at", "started_at", "completed_at"), to_micros(NOW))
    return {"id": number, "image_id": number, **texts, **times, "report_id": (number - 1) % INVENTORIES + 1}
