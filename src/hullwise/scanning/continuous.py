"""Continuous images move to what a new generation says; basic scans stay as they completed.

    generation N ──▶ packages whose matches begin or end at N ──▶ their inventories ──▶ those of continuous images
                                                                                            │ one report each
                       events, transitions ◀── images, in batches, each in one transaction ◀┘

The head is at N already. A scan that completes meanwhile completes at N, so what is behind only gets less; whoever
takes this up after a crash finds what is still behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from hullwise.advisories.generation import Generation
from hullwise.domain.vulnerabilities import Assessment
from hullwise.events import outbox
from hullwise.events.outbox import Event
from hullwise.scanning.drafts import draft
from hullwise.services import Services
from hullwise.store import assessments, publications, reports, transitions
from hullwise.store.publications import Publication
from hullwise.store.reports import FindingKey, Report
from hullwise.store.transitions import ContinuousImage, Identity, Transition

KEPT = timedelta(days=30)
"""How long transitions are kept."""

FINDINGS_CHANGED = "findings.changed"

_IMAGES = 1_000
"""Images moved in one transaction."""

Change = tuple[Transition, Assessment]


def move(
    services: Services, publication: Publication, generation: Generation | None, progress: Callable[[int, int], None]
) -> None:
    """Move every continuous image with other findings to its new report. Safe to repeat from any point."""
    number = publication.generation.number
    with services.database.read() as tx:
        behind = transitions.changed_inventories(tx, number, publication.cursor)
    done, total = publication.inventories_done, publication.inventories_done + len(behind)
    services.database.run(lambda tx: publications.note(tx, publication.id, inventories=total))
    images = publication.images
    for inventory in behind:
        images += _move_inventory(services, inventory, number, generation)
        done += 1
        values = {"cursor": inventory, "inventories_done": done, "images": images}
        services.database.run(lambda tx, values=values: publications.note(tx, publication.id, **values))  # type: ignore[misc]
        progress(done, total)


def _move_inventory(services: Services, inventory: int, number: int, generation: Generation | None) -> int:
    """Returns how many images moved."""
    with services.database.read() as tx:
        drafted = draft(tx, inventory, number)
        old_reports = transitions.behind(tx, inventory, number)
    moved = 0
    for old in old_reports:
        with services.database.read() as tx:
            changes = _changes(tx, old, drafted.keys, generation)
        while count := services.database.run(
            lambda tx, old=old, changes=changes: _move_images(  # type: ignore[misc]
                tx, services, old, drafted, changes
            )
        ):
            moved += count
    return moved


def _move_images(
    tx: sa.Connection, services: Services, old: int, drafted: reports.Draft, changes: Sequence[Change]
) -> int:
    found = transitions.images_of(tx, old, _IMAGES)
    if not found:
        return 0
    now = services.clock()
    report = reports.save(tx, drafted, now)
    transitions.move(tx, [image.scan_id for image in found], report.id, now)
    if changes:
        plain = [transition for transition, _ in changes]
        transitions.note(tx, [image.image_id for image in found], plain, drafted.generation, now)
        body = _body(report, changes)
        outbox.put(tx, [_event(image, body) for image in found], now)
    return len(found)


def _event(image: ContinuousImage, body: str) -> Event:
    return Event("hullwise", FINDINGS_CHANGED, image.account, image.region, image.repository, image.digest, body)


def _body(report: Report, changes: Sequence[Change]) -> str:
    """JSON of what opened, closed and changed, and the counts afterwards."""
    listed: dict[str, list[dict[str, Any]]] = {}
    for transition, assessment in changes:
        listed.setdefault(transition.kind, []).append(
            {
                "id": assessment.name,
                "severity": assessment.severity.value,
                "package": transition.identity.source_name,
                "version": transition.identity.source_version,
                "fixed_version": assessment.fix,
                "reason": transition.reason,
            }
        )
    return json.dumps({"generation": report.generation, "counts": report.counts, **listed}, separators=(",", ":"))


def _changes(
    tx: sa.Connection, old: int, new_keys: Sequence[FindingKey], generation: Generation | None
) -> list[Change]:
    """What the new report says otherwise, most severe first as each report has it."""
    old_keys = reports.keys(tx, old, 0, 1 << 62)
    before, after = _by_identity(tx, old_keys), _by_identity(tx, new_keys)
    differing = {identity for identity in before.keys() | after.keys() if before.get(identity) != after.get(identity)}
    wanted = {found[identity] for found in (before, after) for identity in differing if identity in found}
    known = assessments.load(tx, sorted(wanted))
    changes: list[Change] = []
    for identity, assessment in after.items():
        if identity in differing:
            opened = identity not in before
            transition = Transition(identity, "opened" if opened else "changed", "advisory" if opened else "assessment")
            changes.append((transition, known[assessment]))
    for identity, assessment in before.items():
        if identity not in after:
            reason = _why_closed(tx, identity, known[assessment], after, generation)
            changes.append((Transition(identity, "closed", reason), known[assessment]))
    return changes


def _by_identity(tx: sa.Connection, keys: Sequence[FindingKey]) -> dict[Identity, int]:
    found = transitions.identities(tx, [(key.assessment, key.packages[0]) for key in keys])
    return {identity: key.assessment for identity, key in zip(found, keys, strict=True)}


def _why_closed(
    tx: sa.Connection,
    identity: Identity,
    assessment: Assessment,
    after: Mapping[Identity, int],
    generation: Generation | None,
) -> str:
    """`merged`: it goes on under another vulnerability that turned out to be the same; `withdrawn`: nobody says any
    more that it exists; `not-affected`: what is said of it no longer holds for this version."""
    now_named = {number for number, _ in assessments.names(tx, assessment.ids).values()}
    if any(identity._replace(vulnerability=number) in after for number in now_named):
        return "merged"
    return "withdrawn" if generation is not None and not generation.roots_of(assessment.ids) else "not-affected"
