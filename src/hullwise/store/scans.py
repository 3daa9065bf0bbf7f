"""Scans, and which of them speaks for an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hullwise.domain.scans import ScanStatus, ScanType, Trigger
from hullwise.store.clock import from_micros, maybe, to_micros
from hullwise.store.engine import chunks, insert_missing
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
    reported_at: datetime | None
    """When it first had a report."""
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
        reported_at=maybe(row.reported_at),
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
    ended: bool = False,
) -> Scan:
    """A new scan, which from now on is the image's latest of its type."""
    row = {
        "image_id": image_id,
        "scan_type": scan_type.value,
        "trigger": trigger.value,
        "status": status.value,
        "description": description,
        "requested_at": to_micros(now),
        "completed_at": to_micros(now) if ended else None,
    }
    key = tx.execute(scans.insert().values(**row)).inserted_primary_key
    assert key is not None
    scan_id = int(key[0])
    where = sa.and_(image_scans.c.image_id == image_id, image_scans.c.scan_type == scan_type.value)
    if not insert_missing(tx, image_scans, [{"image_id": image_id, "scan_type": scan_type.value, "scan_id": scan_id}]):
        tx.execute(image_scans.update().where(where).values(scan_id=scan_id))
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


def since(
    tx: sa.Connection, image_id: int, scan_type: ScanType, moment: datetime, statuses: Iterable[ScanStatus], limit: int
) -> list[datetime]:
    """When the image's latest scans in these states were asked for after the moment, newest first."""
    query = (
        sa.select(scans.c.requested_at)
        .where(scans.c.image_id == image_id, scans.c.scan_type == scan_type.value)
        .where(scans.c.requested_at > to_micros(moment), scans.c.status.in_([status.value for status in statuses]))
        .order_by(scans.c.id.desc())
        .limit(limit)
    )
    return [from_micros(at) for at in tx.execute(query).scalars()]


def end_continuous(tx: sa.Connection, scan_ids: Sequence[int], status: ScanStatus, description: str) -> None:
    """The scans' reports stay, and are not kept up to date any more."""
    for chunk in chunks(list(scan_ids)):
        ended = scans.update().where(scans.c.id.in_(chunk), scans.c.status == ScanStatus.ACTIVE.value)
        tx.execute(ended.values(status=status.value, description=description))


def first_completed(tx: sa.Connection, image_ids: Sequence[int], scan_type: ScanType) -> dict[int, datetime]:
    """By image id: when a scan of it first ended with a report."""
    found: dict[int, datetime] = {}
    for chunk in chunks(list(image_ids)):
        query = (
            sa.select(scans.c.image_id, sa.func.min(sa.func.coalesce(scans.c.reported_at, scans.c.completed_at)))
            .where(scans.c.image_id.in_(chunk), scans.c.scan_type == scan_type.value, scans.c.report_id.is_not(None))
            .group_by(scans.c.image_id)
        )
        found |= {row[0]: from_micros(row[1]) for row in tx.execute(query)}
    return found


def without_data(tx: sa.Connection) -> list[Scan]:
    """Scans that speak for their images and found no advisory data, oldest first."""
    query = (
        sa.select(scans)
        .join(image_scans, image_scans.c.scan_id == scans.c.id)
        .where(scans.c.status == ScanStatus.FINDINGS_UNAVAILABLE.value)
        .order_by(scans.c.id)
    )
    return [_scan(row) for row in tx.execute(query)]


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
        if report_id is not None:
            values["reported_at"] = to_micros(now)
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
