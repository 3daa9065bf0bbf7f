"""Scans, and which of them speaks for an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from hullwise.domain.scans import ScanStatus, ScanType, Trigger
from hullwise.store.clock import from_micros, maybe, to_micros
from hullwise.store.engine import Prepared, among, chunks, insert_missing
from hullwise.store.tables import image_scans, scans


class Scan(msgspec.Struct, frozen=True):
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
    begun: int
    """Times that a worker began it."""


class ImageScans(msgspec.Struct, frozen=True):
    """An image's scans of one type."""

    latest: Scan
    reported: Scan | None
    """The latest one with a report; may be older than `latest`."""


# A lookup takes a tenth of what calling the class does.
_TYPES = {each.value: each for each in ScanType}
_TRIGGERS = {each.value: each for each in Trigger}
_STATUSES = {each.value: each for each in ScanStatus}
_COLUMNS = tuple(scans.c[name] for name in Scan.__struct_fields__)


def _scan(row: Any) -> Scan:
    """Of a row of _COLUMNS."""
    scan_id, image, scan_type, trigger, status, description, requested, started, completed, reported, *rest = row
    report, begun = rest
    return Scan(
        scan_id,
        image,
        _TYPES[scan_type],
        _TRIGGERS[trigger],
        _STATUSES[status],
        description,
        from_micros(requested),
        maybe(started),
        maybe(completed),
        maybe(reported),
        report,
        begun,
    )


_BY_ID = sa.select(*_COLUMNS).where(scans.c.id == sa.bindparam("id"))
_GET, _LOCK = Prepared(_BY_ID), Prepared(_BY_ID.with_for_update())
_OF_TYPE = image_scans.c.scan_type == sa.bindparam("type")
# The latest and the reported scan of an image are one row where they are the same scan.
_OF_IMAGES = Prepared(
    sa.select(scans.c.id == image_scans.c.scan_id, scans.c.id == image_scans.c.reported_scan_id, *_COLUMNS)
    .join(image_scans, scans.c.id.in_((image_scans.c.scan_id, image_scans.c.reported_scan_id)))
    .where(among(image_scans.c.image_id, "images"), _OF_TYPE)
)
_NEW = ("image_id", "scan_type", "trigger", "status", "description", "requested_at", "completed_at")
_ADD = Prepared(scans.insert().values({name: sa.bindparam(name) for name in _NEW}).returning(*_COLUMNS))
_SPEAKS = Prepared(
    image_scans.update()
    .where(image_scans.c.image_id == sa.bindparam("image"), _OF_TYPE)
    .values(scan_id=sa.bindparam("scan"))
)
_BETWEEN = Prepared(
    sa.select(scans.c.requested_at)
    .where(scans.c.image_id == sa.bindparam("image"), scans.c.scan_type == sa.bindparam("type"))
    .where(scans.c.requested_at > sa.bindparam("after"), scans.c.requested_at <= sa.bindparam("until"))
    .where(among(scans.c.status, "statuses"))
    .order_by(scans.c.id.desc())
    .limit(sa.bindparam("limit"))
)
_BEGUN = Prepared(
    scans.update().where(scans.c.id == sa.bindparam("scan")).values(begun=scans.c.begun + sa.bindparam("more"))
)
_FIRST_COMPLETED = Prepared(
    sa.select(scans.c.image_id, sa.func.min(sa.func.coalesce(scans.c.reported_at, scans.c.completed_at)))
    .where(among(scans.c.image_id, "images"), scans.c.scan_type == sa.bindparam("type"))
    .where(scans.c.report_id.is_not(None))
    .group_by(scans.c.image_id)
)


_LATEST = sa.select(scans.c.status).order_by(scans.c.id.desc()).limit(sa.bindparam("limit")).subquery()
_COUNTED = Prepared(sa.select(_LATEST.c.status, sa.func.count()).group_by(_LATEST.c.status))


def count_latest(tx: sa.Connection, limit: int) -> dict[ScanStatus, int]:
    """How many of the scans that were asked for last, of all accounts, have each status."""
    return {_STATUSES[status]: count for status, count in _COUNTED.rows(tx, limit=limit)}


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
    row = _ADD.row(
        tx,
        image_id=image_id,
        scan_type=scan_type.value,
        trigger=trigger.value,
        status=status.value,
        description=description,
        requested_at=to_micros(now),
        completed_at=to_micros(now) if ended else None,
    )
    made = _scan(row)
    if not insert_missing(tx, image_scans, [{"image_id": image_id, "scan_type": scan_type.value, "scan_id": made.id}]):
        _SPEAKS.write(tx, image=image_id, type=scan_type.value, scan=made.id)
    return made


def refuse_again(tx: sa.Connection, scan_id: int, trigger: Trigger, description: str, now: datetime) -> Scan:
    """A scan that was refused, as asked for now: whoever asks a thousand times leaves one row."""
    moment = to_micros(now)
    values = {"trigger": trigger.value, "description": description, "requested_at": moment, "completed_at": moment}
    tx.execute(scans.update().where(scans.c.id == scan_id).values(**values))
    found = get(tx, scan_id)
    assert found is not None
    return found


def get(tx: sa.Connection, scan_id: int, *, lock: bool = False) -> Scan | None:
    row = (_LOCK if lock else _GET).row(tx, id=scan_id)
    return None if row is None else _scan(row)


def begin(tx: sa.Connection, scan_id: int) -> None:
    """Count that a worker begins the scan, whose row the caller holds."""
    _BEGUN.write(tx, scan=scan_id, more=1)


def give_back(tx: sa.Connection, scan_id: int) -> None:
    """What was counted last does not count; the scan may be gone."""
    _BEGUN.write(tx, scan=scan_id, more=-1)


def of_images(tx: sa.Connection, image_ids: Sequence[int], scan_type: ScanType) -> dict[int, ImageScans]:
    """By image id; images never scanned are left out."""
    latest: dict[int, Scan] = {}
    reported: dict[int, Scan] = {}
    for is_latest, is_reported, *row in _OF_IMAGES.rows(tx, images=image_ids, type=scan_type.value):
        scan = _scan(row)
        if is_latest:
            latest[scan.image_id] = scan
        if is_reported:
            reported[scan.image_id] = scan
    return {image: ImageScans(scan, reported.get(image)) for image, scan in latest.items()}


def between(
    tx: sa.Connection,
    image_id: int,
    scan_type: ScanType,
    after: datetime,
    until: datetime,
    statuses: Iterable[ScanStatus],
    limit: int,
) -> list[datetime]:
    """When the image's latest scans in these states were asked for, of those after the one moment and until the other,
    newest first."""
    asked = {"image": image_id, "type": scan_type.value, "after": to_micros(after), "until": to_micros(until)}
    rows = _BETWEEN.rows(tx, **asked, statuses=[status.value for status in statuses], limit=limit)
    return [from_micros(at) for (at,) in rows]


def end_continuous(tx: sa.Connection, scan_ids: Sequence[int], status: ScanStatus, description: str) -> None:
    """The scans' reports stay, and are not kept up to date any more."""
    for chunk in chunks(list(scan_ids)):
        ended = scans.update().where(scans.c.id.in_(chunk), scans.c.status == ScanStatus.ACTIVE.value)
        tx.execute(ended.values(status=status.value, description=description))


def first_completed(tx: sa.Connection, image_ids: Sequence[int], scan_type: ScanType) -> dict[int, datetime]:
    """By image id: when a scan of it first ended with a report."""
    rows = _FIRST_COMPLETED.rows(tx, images=image_ids, type=scan_type.value)
    return {image: from_micros(at) for image, at in rows}


def without_data(tx: sa.Connection) -> list[Scan]:
    """Scans that speak for their images and found no advisory data, oldest first."""
    query = (
        sa.select(*_COLUMNS)
        .join(image_scans, image_scans.c.scan_id == scans.c.id)
        .where(scans.c.status == ScanStatus.FINDINGS_UNAVAILABLE.value)
        .order_by(scans.c.id)
    )
    return [_scan(row) for row in tx.execute(query)]


def in_states(tx: sa.Connection, statuses: Iterable[ScanStatus]) -> list[int]:
    """Ids of the scans in these states, oldest first."""
    wanted = [status.value for status in statuses]
    return list(tx.execute(sa.select(scans.c.id).where(scans.c.status.in_(wanted)).order_by(scans.c.id)).scalars())


def move(
    tx: sa.Connection,
    scan: Scan,
    status: ScanStatus,
    description: str,
    *,
    now: datetime,
    final: bool,
    report_id: int | None = None,
    begins: bool = False,
) -> None:
    """Give the scan another status. With a report it becomes the one that speaks for the image, unless a later has.
    `begins`: a worker begins it with that, which is counted."""
    values: dict[str, Any] = {"status": status.value, "description": description}
    if begins:
        values["begun"] = scans.c.begun + 1
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
