"""Continuous images move to what a new generation says; basic scans stay as they completed.

    generation N ──▶ packages whose matches begin or end at N ──▶ their inventories ──▶ those of continuous images
                                                                                            │ one report each
                       events, transitions ◀── images, in batches, each in one transaction ◀┘

The head is at N already. A scan that completes meanwhile completes at N, so what is behind only gets less; whoever
takes this up after a crash finds what is still behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from hullwise.advisories.generation import Generation
from hullwise.domain.vulnerabilities import Assessment
from hullwise.scanning import announcements
from hullwise.scanning.announcements import Change
from hullwise.scanning.drafts import draft
from hullwise.services import Services
from hullwise.store import assessments, publications, reports, transitions
from hullwise.store.publications import Publication
from hullwise.store.reports import FindingKey
from hullwise.store.transitions import Identity, Transition

_IMAGES = 1_000
"""Images moved in one transaction."""


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
        announcements.put(tx, found, changes, report, now)
    return len(found)


def _changes(
    tx: sa.Connection, old: int, new_keys: Sequence[FindingKey], generation: Generation | None
) -> list[Change]:
    """What the new report says otherwise, most severe first as each report has it. What the distribution decides is no
    finding of the image."""
    old_keys = reports.own(reports.keys(tx, old, 0, 1 << 62))
    new_keys = reports.own(new_keys)
    before, after = _by_identity(tx, old_keys), _by_identity(tx, new_keys)
    differing = {
        identity
        for identity in before.keys() | after.keys()
        if identity not in before or identity not in after or before[identity].assessment != after[identity].assessment
    }
    wanted = {found[identity].assessment for found in (before, after) for identity in differing if identity in found}
    known = assessments.load(tx, sorted(wanted))
    changes: list[Change] = []
    for identity, key in after.items():
        if identity in differing:
            opened = identity not in before
            kind, reason = ("opened", "advisory") if opened else ("changed", "assessment")
            transition = Transition(identity, kind, reason, key.assessment, key.packages[0])
            changes.append((transition, known[key.assessment]))
    for identity, key in before.items():
        if identity not in after:
            reason = _why_closed(tx, identity, known[key.assessment], after, generation)
            closed = Transition(identity, "closed", reason, key.assessment, key.packages[0])
            changes.append((closed, known[key.assessment]))
    return changes


def _by_identity(tx: sa.Connection, keys: Sequence[FindingKey]) -> dict[Identity, FindingKey]:
    found = transitions.identities(tx, [(key.assessment, key.packages[0]) for key in keys])
    return dict(zip(found, keys, strict=True))


def _why_closed(
    tx: sa.Connection,
    identity: Identity,
    assessment: Assessment,
    after: Mapping[Identity, FindingKey],
    generation: Generation | None,
) -> str:
    """`merged`: it goes on under another vulnerability that turned out to be the same; `withdrawn`: nobody says any
    more that it exists; `not-affected`: what is said of it no longer holds for this version."""
    now_named = {number for number, _ in assessments.names(tx, assessment.ids).values()}
    if any(identity._replace(vulnerability=number) in after for number in now_named):
        return "merged"
    return "withdrawn" if generation is not None and not generation.roots_of(assessment.ids) else "not-affected"
