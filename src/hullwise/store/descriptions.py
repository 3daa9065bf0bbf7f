"""Images with their scans and reports, one row each: what a page of a thousand is made of.

images ─┬─ image_scans (of one type) ─┬─ scans: the latest
        │                             └─ scans: the reported one ── reports ── generations
        └─ tags, by a query of their own
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from hullwise.domain.scans import ScanType
from hullwise.store.engine import Prepared, among, packed
from hullwise.store.images import ImageStatus, TagStatus, in_status, with_tags
from hullwise.store.tables import (
    generations,
    image_scans,
    images,
    overlay_revisions,
    reports,
    scan_configurations,
    scans,
)


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


Line = tuple[int, str]
"""An image's id, and all that is known of it as a text, of which `described` makes values. The same text says the same:
what was made of it need not be made again."""


def described(line: Line) -> Described:
    return Described._make(msgspec.json.decode(line[1]))


class Manner(NamedTuple):
    """How a registry shows what is known of its images."""

    scan_type: ScanType
    """Whose results it shows."""
    overlaid: bool
    """Whether its account ever suppressed anything."""


_in_force = (
    sa.select(scan_configurations.c.scan_type)
    .where(
        scan_configurations.c.account_id == sa.bindparam("account"),
        scan_configurations.c.region == sa.bindparam("region"),
    )
    .order_by(scan_configurations.c.id.desc())
    .limit(1)
)
_revision = sa.select(overlay_revisions.c.revision).where(overlay_revisions.c.account_id == sa.bindparam("account"))
_MANNER = Prepared(sa.select(_in_force.scalar_subquery(), _revision.scalar_subquery()))


def manner(tx: sa.Connection, account: str, region: str) -> Manner:
    row = _MANNER.row(tx, account=account, region=region)
    assert row is not None, "without tables to look in there is always one"
    return Manner(ScanType(row[0] or ScanType.BASIC), bool(row[1]))


_latest, _reported = scans.alias("latest"), scans.alias("reported")
_DESCRIBED = (
    sa.select(
        images.c.id,
        packed(
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
        ),
    )
    .outerjoin(
        image_scans, sa.and_(image_scans.c.image_id == images.c.id, image_scans.c.scan_type == sa.bindparam("type"))
    )
    .outerjoin(_latest, _latest.c.id == image_scans.c.scan_id)
    .outerjoin(_reported, _reported.c.id == image_scans.c.reported_scan_id)
    .outerjoin(reports, reports.c.id == _reported.c.report_id)
    .outerjoin(generations, generations.c.number == reports.c.generation)
)
_BY_DIGESTS = Prepared(
    _DESCRIBED.where(images.c.repository_id == sa.bindparam("repository"), among(images.c.digest, "digests"))
)


def named(tx: sa.Connection, repository_id: int, digests: Sequence[str | None], scan_type: ScanType) -> dict[str, Line]:
    """Images of a repository by digest, with their scans of that type; those that are not there are left out."""
    asked = {"repository": repository_id, "digests": digests, "type": scan_type.value}
    lines: list[Line] = _BY_DIGESTS.rows(tx, **asked)
    return {described(line).digest: line for line in lines}


def page(
    tx: sa.Connection,
    repository_id: int,
    after: int,
    limit: int,
    scan_type: ScanType,
    tag_status: TagStatus = "ANY",
    status: ImageStatus = "ANY",
) -> list[Line]:
    """Images pushed after the one with id `after`, oldest first, with their scans of that type."""
    asked = {"repository": repository_id, "after": after, "limit": limit, "type": scan_type.value}
    lines: list[Line] = _page(tag_status, status).rows(tx, **asked)
    return lines


@cache
def _page(tag_status: TagStatus, status: ImageStatus) -> Prepared:
    beyond = _DESCRIBED.where(images.c.repository_id == sa.bindparam("repository"), images.c.id > sa.bindparam("after"))
    chosen = with_tags(in_status(beyond, status), tag_status)
    return Prepared(chosen.order_by(images.c.id).limit(sa.bindparam("limit")))
