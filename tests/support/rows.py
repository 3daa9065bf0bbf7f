"""Rows of the metadata database, made with as little as the store asks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from hullwise.domain.manifests import OCI_CONFIG, OCI_MANIFEST
from hullwise.domain.packages import Occurrence, Package
from hullwise.domain.scans import ScanStatus, ScanType, Severity, Trigger
from hullwise.domain.vulnerabilities import Assessment
from hullwise.store import accounts, images, repositories, scans
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from hullwise.store.scans import Scan
from tests.support.images import sha256

ACCOUNT = "123456789012"
OTHER_ACCOUNT = "210987654321"
REGION = "eu-central-1"
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def repository(tx: sa.Connection, name: str = "team/app", account: str = ACCOUNT, **options: Any) -> Repository:
    accounts.ensure_account(tx, account, NOON)
    options.setdefault("region", REGION)
    return repositories.create(tx, account=account, name=name, now=NOON, **options)


def image(tx: sa.Connection, repository_id: int, name: str = "one", **options: Any) -> Image:
    """An image whose manifest's bytes are its name: a different name is a different digest."""
    chosen: dict[str, Any] = {
        "digest": sha256(name.encode()),
        "body": name.encode(),
        "media_type": OCI_MANIFEST,
        "artifact_media_type": OCI_CONFIG,
        "size": 3,
        "config_digest": "",
        "subject_digest": "",
        "scannable": True,
        "blobs": (),
        "children": (),
        "now": NOON,
        **options,
    }
    stored, _ = images.put(tx, repository_id=repository_id, **chosen)
    return stored


def scan(tx: sa.Connection, image_id: int) -> Scan:
    return scans.request(
        tx,
        image_id=image_id,
        scan_type=ScanType.BASIC,
        trigger=Trigger.PUSH,
        status=ScanStatus.PENDING,
        description="",
        now=NOON,
    )


def package(name: str, version: str = "1.0", namespace: str = "pypi", **options: str) -> Package:
    chosen = {
        "ecosystem": "pypi",
        "source_name": name,
        "source_version": version,
        "architecture": "",
        "scope": "",
        **options,
    }
    return Package(namespace=namespace, name=name, version=version, **chosen)


def occurrence(name: str, version: str = "1.0", layer: str = "sha256:aa") -> Occurrence:
    return Occurrence(package(name, version), f"site/{name}", layer)


def assessment(name: str, package_name: str = "flask", severity: Severity = Severity.HIGH, **more: Any) -> Assessment:
    chosen: dict[str, Any] = {
        "ids": (name,),
        "namespace": "pypi",
        "chosen": None,
        "claims": (),
        "fix": "",
        "state": "affected",
        "records": (),
        "rule": "osv-range",
        "summary": "",
        "details": "",
        "url": "",
        "references": (),
        "published": "",
        "modified": "",
        **more,
    }
    return Assessment(name=name, package=package_name, severity=severity, **chosen)
