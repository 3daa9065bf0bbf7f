"""What opened and closed in images that are scanned continuously, and which images and inventories those are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from hullwise.domain.scans import ScanStatus
from hullwise.store.clock import from_micros, to_micros
from hullwise.store.engine import Prepared, chunks
from hullwise.store.tables import (
    assessments,
    image_scans,
    image_transitions,
    images,
    inventory_part_links,
    matches,
    packages,
    part_occurrences,
    reports,
    repositories,
    scans,
)

KEPT = timedelta(days=30)
"""How long transitions are kept."""


class Identity(NamedTuple):
    """What makes a finding the same one before and after (design: it does not change with its assessment)."""

    vulnerability: int
    namespace: str
    source_name: str
    source_version: str


@dataclass(frozen=True, slots=True)
class Transition:
    identity: Identity
    kind: str
    """`opened`, `closed` or `changed`."""
    reason: str
    assessment_id: int | None = None
    """Of one that closed: what it was."""
    package_id: int | None = None
    """Of one that closed: one of what it was in."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A finding that an image had, and has no more."""

    transition_id: int
    identity: Identity
    reason: str
    assessment_id: int
    package_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ContinuousImage:
    """An image whose findings are kept up to date, and the scan that speaks for it."""

    image_id: int
    scan_id: int
    account: str
    region: str
    repository: str
    digest: str
    report_id: int


_GREATEST_ID = 2**63 - 1
_columns = image_transitions.c
_OF_IMAGE = Prepared(
    sa.select(
        *(_columns[name] for name in ("vulnerability_id", "namespace", "source_name", "source_version")),
        *(_columns[name] for name in ("id", "kind", "reason", "assessment_id", "package_id", "at")),
    )
    .where(_columns.image_id == sa.bindparam("image"), _columns.at > sa.bindparam("after"))
    .where(_columns.id <= sa.bindparam("last"))
    .order_by(_columns.id)
)
_LAST = Prepared(sa.select(sa.func.max(_columns.id)).where(_columns.image_id == sa.bindparam("image")))


def _continuous() -> sa.ColumnElement[bool]:
    return scans.c.status == ScanStatus.ACTIVE.value


def changed_inventories(tx: sa.Connection, generation: int, after: int) -> list[int]:
    """Inventories of continuous images with a package whose matches the generation changed, above `after`, sorted."""
    columns = matches.c
    changed = sa.union(
        sa.select(columns.package_id).where(columns.from_generation == generation),
        sa.select(columns.package_id).where(columns.to_generation == generation),
    ).subquery()
    query = (
        sa.select(inventory_part_links.c.inventory_id)
        .select_from(changed)
        .join(part_occurrences, part_occurrences.c.package_id == changed.c.package_id)
        .join(inventory_part_links, inventory_part_links.c.part_id == part_occurrences.c.part_id)
        .where(inventory_part_links.c.inventory_id > after)
        .distinct()
    )
    found = list(tx.execute(query).scalars())
    kept: set[int] = set()
    for chunk in chunks(found):
        used = (
            sa.select(reports.c.inventory_id)
            .join(scans, scans.c.report_id == reports.c.id)
            .where(reports.c.inventory_id.in_(chunk), reports.c.generation < generation, _continuous())
            .distinct()
        )
        kept |= set(tx.execute(used).scalars())
    return sorted(kept)


def behind(tx: sa.Connection, inventory_id: int, generation: int) -> list[int]:
    """Reports of the inventory from before the generation that speak for continuous images."""
    query = (
        sa.select(reports.c.id)
        .join(scans, scans.c.report_id == reports.c.id)
        .where(reports.c.inventory_id == inventory_id, reports.c.generation < generation, _continuous())
        .distinct()
    )
    return sorted(tx.execute(query).scalars())


def _images() -> sa.Select[Any]:
    """Columns of ContinuousImage, of the scans that speak for images."""
    return (
        sa.select(
            images.c.id,
            scans.c.id,
            repositories.c.account_id,
            repositories.c.region,
            repositories.c.name,
            images.c.digest,
            scans.c.report_id,
        )
        .select_from(scans)
        .join(image_scans, image_scans.c.reported_scan_id == scans.c.id)
        .join(images, images.c.id == scans.c.image_id)
        .join(repositories, repositories.c.id == images.c.repository_id)
    )


def images_of(tx: sa.Connection, report_id: int, limit: int) -> list[ContinuousImage]:
    """Continuous images that the report speaks for, `limit` at most; they stay until the transaction ends."""
    query = _images().where(scans.c.report_id == report_id, _continuous()).order_by(scans.c.id).limit(limit)
    # Whoever deletes one of them waits, or has done so: what is written about it must find it there.
    held = query.with_for_update(read=True, key_share=True, of=images)
    return [ContinuousImage(*row) for row in tx.execute(held)]


def unwatched(tx: sa.Connection, pushed: datetime, pulled: datetime | None, limit: int) -> list[ContinuousImage]:
    """Continuous images last pushed up to `pushed` and, unless that is None, not pulled after `pulled`."""
    last_push = sa.func.coalesce(images.c.last_pushed_at, images.c.pushed_at)
    query = _images().where(_continuous(), last_push <= to_micros(pushed)).order_by(scans.c.id).limit(limit)
    if pulled is not None:
        query = query.where(sa.or_(images.c.last_pull_at.is_(None), images.c.last_pull_at <= to_micros(pulled)))
    return [ContinuousImage(*row) for row in tx.execute(query.with_for_update(of=scans))]


def move(tx: sa.Connection, scan_ids: Sequence[int], report_id: int, now: datetime) -> None:
    """From now on the report speaks for these scans' images."""
    for chunk in chunks(scan_ids):
        moved = scans.update().where(scans.c.id.in_(chunk))
        tx.execute(moved.values(report_id=report_id, completed_at=to_micros(now)))


def identities(tx: sa.Connection, keys: Sequence[tuple[int, int]]) -> list[Identity]:
    """What each finding is, given its assessment and one of the packages that this hits."""
    about: dict[int, int] = {}
    for chunk in chunks(sorted({assessment for assessment, _ in keys})):
        query = sa.select(assessments.c.id, assessments.c.vulnerability_id).where(assessments.c.id.in_(chunk))
        about |= {row.id: row.vulnerability_id for row in tx.execute(query)}
    sources: dict[int, tuple[str, str, str]] = {}
    for chunk in chunks(sorted({package for _, package in keys})):
        columns = (packages.c.id, packages.c.namespace, packages.c.source_name, packages.c.source_version)
        for row in tx.execute(sa.select(*columns).where(packages.c.id.in_(chunk))):
            sources[row[0]] = (row[1], row[2], row[3])
    return [Identity(about[assessment], *sources[package]) for assessment, package in keys]


def note(
    tx: sa.Connection, image_ids: Sequence[int], found: Sequence[Transition], generation: int, now: datetime
) -> None:
    """Each of the images went through all of these."""
    rows = [
        {
            "image_id": image_id,
            "vulnerability_id": each.identity.vulnerability,
            "namespace": each.identity.namespace,
            "source_name": each.identity.source_name,
            "source_version": each.identity.source_version,
            "kind": each.kind,
            "reason": each.reason,
            "generation": generation,
            "assessment_id": each.assessment_id,
            "package_id": each.package_id,
            "at": to_micros(now),
        }
        for image_id in image_ids
        for each in found
    ]
    for chunk in chunks(rows, 1_000):
        tx.execute(image_transitions.insert(), list(chunk))


def forget(tx: sa.Connection, before: datetime) -> int:
    """Drop what happened before that moment. Returns how many were dropped."""
    return tx.execute(image_transitions.delete().where(image_transitions.c.at < to_micros(before))).rowcount


def closed(tx: sa.Connection, image_id: int, up_to: int | None, after: datetime) -> list[Closed]:
    """Findings whose last transition up to the one with that id (None: of all), after the moment, closed them.

    In the order of closing. Those from before assessments were kept with them are left out.
    """
    last: dict[Identity, Any] = {}
    final = _GREATEST_ID if up_to is None else up_to
    for row in _OF_IMAGE.rows(tx, image=image_id, after=to_micros(after), last=final):
        identity = Identity(*row[:4])
        last.pop(identity, None)
        last[identity] = row[4:]
    return [
        Closed(transition_id, identity, reason, assessment, package, from_micros(at))
        for identity, (transition_id, kind, reason, assessment, package, at) in last.items()
        if kind == "closed" and assessment is not None
    ]


def last_id(tx: sa.Connection, image_id: int) -> int:
    """Of the image's transitions; 0: it has none."""
    return int(_LAST.value(tx, image=image_id) or 0)
