"""Images with their scans and reports, one row each: what a page of a thousand is made of.

images ─┬─ image_scans (of one type) ─┬─ scans: the latest
        │                             └─ scans: the reported one ── reports ── generations
        └─ tags, by a query of their own
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import sqlalchemy as sa

from hullwise.domain.scans import ScanType
from hullwise.store.engine import Prepared, among
from hullwise.store.images import ImageStatus, TagStatus, in_status, with_tags
from hullwise.store.tables import generations, image_scans, images, reports, scans


class Described(NamedTuple):
    """An image. Moments are microseconds since 1970 UTC; what is None is not there."""

    id: int
    digest: str
    media_type: str
    artifact_media_type: str
    size: int
    """Bytes, as DescribeImages gives it."""
    subject_digest: str
    status: str
    pushed_at: int
    last_pull_at: int | None
    archived_at: int | None
    activated_at: int | None
    scan_status: str | None
    """Of the latest scan; None: there never was one."""
    scan_description: str
    reported_status: str | None
    """Of the latest scan that has a report; it may be older."""
    completed_at: int
    report_id: int | None
    counts: str
    """Findings by severity that count, as JSON."""
    suppressed: int
    data_as_of: int | None
    published_at: int


_latest, _reported = scans.alias("latest"), scans.alias("reported")
_DESCRIBED = (
    sa.select(
        *(images.c[name] for name in Described._fields[:11]),
        _latest.c.status,
        _latest.c.description,
        _reported.c.status,
        _reported.c.completed_at,
        reports.c.id,
        reports.c.counts,
        reports.c.suppressed,
        generations.c.data_as_of,
        generations.c.published_at,
    )
    .outerjoin(
        image_scans, sa.and_(image_scans.c.image_id == images.c.id, image_scans.c.scan_type == sa.bindparam("type"))
    )
    .outerjoin(_latest, _latest.c.id == image_scans.c.scan_id)
    .outerjoin(_reported, _reported.c.id == image_scans.c.reported_scan_id)
    .outerjoin(reports, reports.c.id == _reported.c.report_id)
    .outerjoin(generations, generations.c.number == reports.c.generation)
)
_BY_IDS = Prepared(_DESCRIBED.where(among(images.c.id, "ids")))


def many(tx: sa.Connection, image_ids: Sequence[int], scan_type: ScanType) -> dict[int, Described]:
    """By id, with their scans of that type; those that are gone are left out."""
    return {row[0]: Described._make(row) for row in _BY_IDS.rows(tx, ids=image_ids, type=scan_type.value)}


def page(
    tx: sa.Connection,
    repository_id: int,
    after: int,
    limit: int,
    scan_type: ScanType,
    tag_status: TagStatus = "ANY",
    status: ImageStatus = "ANY",
) -> list[Described]:
    """Images pushed after the one with id `after`, oldest first, with their scans of that type."""
    asked = {"repository": repository_id, "after": after, "limit": limit, "type": scan_type.value}
    return [Described._make(row) for row in _page(tag_status, status).rows(tx, **asked)]


@cache
def _page(tag_status: TagStatus, status: ImageStatus) -> Prepared:
    beyond = _DESCRIBED.where(images.c.repository_id == sa.bindparam("repository"), images.c.id > sa.bindparam("after"))
    chosen = with_tags(in_status(beyond, status), tag_status)
    return Prepared(chosen.order_by(images.c.id).limit(sa.bindparam("limit")))
