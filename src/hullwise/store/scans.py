"""Scans, and which of them speaks for an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hullwise.domain.scans import ScanStatus, ScanType, Trigger
from hullwise.store.clock import from_micros, maybe, to_micros
from hullwise.store.engine import chunks
from hullwise.store.tables import image_scans, scans


@dataclass(frozen=True, slots=True)
class Scan:
    id: int
    image_id: int
    scan_type: ScanType
    trigger: Trigger
    status: ScanStatus
    description: str
    requested_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    report_id: int | None


@dataclass(frozen=True, slots=True)
class ImageScans:
    """An image's scans of one type."""

    latest: Scan
    reported: Scan | None
    """The latest one with a report; may be older than `latest`."""


def _scan(row: Any) -> Scan:
    return Scan(
        id=row.id,
        image_id=row.image_id,
        scan_type=ScanType(row.scan_type),
        trigger=Trigger(row.trigger),
        status=ScanStatus(row.status),
        description=row.description,
        requested_at=from_micros(row.requested_at),
        started_at=maybe(row.started_at),
        completed_at=maybe(row.completed_at),
        report_id=row.report_id,
    )


def request(
    tx: sa.Connection,
    *,
    image_id: int,
    scan_type: ScanType,
    trigger: Trigger,
    status: ScanStatus,
    description: str,
    now: datetime,
) -> Scan:
    """A new scan, which from now on is the image's latest of its type."""
    row = {
        "image_id": image_id,
        "scan_type": scan_type.value,
        "trigger": trigger.value,
        "status": status.value,
        "description": description,
        "requested_at": to_micros(now),
    }
    key = tx.execute(scans.insert().values(**row)).inserted_primary_key
    assert key is not None
    scan_id = int(key[0])
    where = sa.and_(image_scans.c.image_id == image_id, image_scans.c.scan_type == scan_type.value)
    if tx.execute(image_scans.update().where(where).values(scan_id=scan_id)).rowcount == 0:
        tx.execute(image_scans.insert().values(image_id=image_id, scan_type=scan_type.value, scan_id=scan_id))
    found = get(tx, scan_id)
    assert found is not None
    return found


def get(tx: sa.Connection, scan_id: int, *, lock: bool = False) -> Scan | None:
    query = sa.select(scans).where(scans.c.id == scan_id)
    row = tx.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _scan(row)


def of_images(tx: sa.Connection, image_ids: Sequence[int], scan_type: ScanType) -> dict[int, ImageScans]:
    """By image id; images never scanned are left out."""
    found: dict[int, ImageScans] = {}
    for chunk in chunks(list(image_ids)):
        query = sa.select(image_scans).where(
            image_scans.c.image_id.in_(chunk), image_scans.c.scan_type == scan_type.value
        )
        links = tx.execute(query).all()
        ids = {link.scan_id for link in links} | {link.reported_scan_id for link in links} - {None}
        rows = {row.id: _scan(row) for row in tx.execute(sa.select(scans).where(scans.c.id.in_(sorted(ids))))}
        for link in links:
            found[link.image_id] = ImageScans(rows[link.scan_id], rows.get(link.reported_scan_id))
    return found


def move(
    tx: sa.Connection,
    scan: Scan,
    status: ScanStatus,
    description: str,
    *,
    now: datetime,
    final: bool,
    report_id: int | None = None,
) -> None:
    """Give the scan another status. With a report it becomes the one that speaks for the image, unless a later has."""
    values: dict[str, Any] = {"status": status.value, "description": description}
    if final:
        values |= {"completed_at": to_micros(now), "report_id": report_id}
    else:
        values["started_at"] = to_micros(now)
    tx.execute(scans.update().where(scans.c.id == scan.id).values(**values))
    if report_id is not None:
        speaks = image_scans.update().where(
            image_scans.c.image_id == scan.image_id,
            image_scans.c.scan_type == scan.scan_type.value,
            sa.or_(image_scans.c.reported_scan_id.is_(None), image_scans.c.reported_scan_id < scan.id),
        )
        tx.execute(speaks.values(reported_scan_id=scan.id))
