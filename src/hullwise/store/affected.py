"""Which images a vulnerability is in, found from the vulnerability and not from the images.

vulnerability ─▶ assessments ─▶ matches ─▶ parts of inventories ─▶ reports ─▶ scans that speak for images
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from hullwise.domain.scans import ScanType
from hullwise.store.tables import (
    assessments,
    image_scans,
    images,
    inventory_part_links,
    matches,
    part_occurrences,
    reports,
    repositories,
    scans,
)


def query(
    vulnerability_ids: Iterable[int], account: str, region: str, scan_type: ScanType, after: int, limit: int, kept: int
) -> sa.Select[int]:
    """What `image_ids` asks."""
    # Materialised, and `exists`: left to itself an engine may begin at the account's images, of which there are more.
    parts = (
        sa.select(part_occurrences.c.part_id, matches.c.from_generation, matches.c.to_generation)
        .select_from(assessments)
        .join(matches, matches.c.assessment_id == assessments.c.id)
        .join(part_occurrences, part_occurrences.c.package_id == matches.c.package_id)
        .where(assessments.c.vulnerability_id.in_(sorted(vulnerability_ids)))
        .distinct()
        .cte("parts")
        .prefix_with("MATERIALIZED")
    )
    holds = sa.and_(
        parts.c.from_generation <= reports.c.generation,
        sa.or_(parts.c.to_generation.is_(None), parts.c.to_generation > reports.c.generation),
    )
    found = (
        sa.select(scans.c.image_id)
        .select_from(parts)
        .join(inventory_part_links, inventory_part_links.c.part_id == parts.c.part_id)
        .join(reports, reports.c.inventory_id == inventory_part_links.c.inventory_id)
        .join(scans, scans.c.report_id == reports.c.id)
        .join(image_scans, image_scans.c.reported_scan_id == scans.c.id)
        .where(sa.or_(holds, reports.c.generation < kept), image_scans.c.scan_type == scan_type.value)
        .where(scans.c.image_id > after)
        .distinct()
        .cte("found")
        .prefix_with("MATERIALIZED")
    )
    owned = (
        sa.exists()
        .where(images.c.id == found.c.image_id, repositories.c.id == images.c.repository_id)
        .where(repositories.c.account_id == account, repositories.c.region == region)
    )
    return sa.select(found.c.image_id).where(owned).order_by(found.c.image_id).limit(limit)


def image_ids(
    tx: sa.Connection,
    vulnerability_ids: Iterable[int],
    account: str,
    region: str,
    scan_type: ScanType,
    after: int,
    limit: int,
    kept: int,
) -> list[int]:
    """Images above `after` whose report of that type may have one of the vulnerabilities, in their order.

    A report from before generation `kept` is not bounded by it: matches that had ended before are not kept, while the
    same vulnerability's in other words are. Whether the report has it stands in its keys.
    """
    asked = query(vulnerability_ids, account, region, scan_type, after, limit, kept)
    return list(tx.execute(asked).scalars())
