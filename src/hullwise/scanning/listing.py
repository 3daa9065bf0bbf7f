"""Findings of a report, put together from its keys: no generation and no layer is opened."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from hullwise.domain.packages import Distribution, Occurrence, Package
from hullwise.domain.reports import OWNER, Finding, Suppression, deferral, stated
from hullwise.store import assessments, inventories, overlays
from hullwise.store.reports import FindingKey, Report


def findings(tx: sa.Connection, report: Report, keys: Sequence[FindingKey]) -> list[Finding]:
    """The findings that the keys of the report stand for, in their order."""
    known = assessments.load(tx, [key.assessment for key in keys])
    installed = sorted({package for key in keys for package in key.packages})
    suppressions = _suppressions(tx, {key.suppressed_by for key in keys} - {"", OWNER})
    places: dict[int, list[Occurrence]] = {}
    listed = inventories.occurrences(tx, report.inventory_id, only=installed)
    for package_id, occurrence in listed:
        places.setdefault(package_id, []).append(occurrence)
    order: dict[Occurrence, int] = {}
    if any(len(key.packages) > 1 for key in keys):
        for _, occurrence in listed:
            order.setdefault(occurrence, len(order))
    found = []
    for key in keys:
        members = [place for package in key.packages for place in places[package]]
        if len(key.packages) > 1:
            members.sort(key=order.__getitem__)
        by = key.suppressed_by
        suppression = deferral(known[key.assessment]) if by == OWNER else suppressions.get(by)
        found.append(Finding(known[key.assessment], members[0].package, tuple(members), suppression))
    return found


def packages(tx: sa.Connection, report: Report) -> list[Package]:
    """Everything installed in the image that the report is about."""
    return [occurrence.package for _, occurrence in inventories.occurrences(tx, report.inventory_id)]


def distribution(tx: sa.Connection, report: Report) -> Distribution | None:
    """The operating system of the image that the report is about."""
    return inventories.get(tx, report.inventory_id).distribution


def _suppressions(tx: sa.Connection, wanted: Collection[str]) -> dict[str, Suppression]:
    """What stands behind `rule:7` and `vex:3#12`."""
    if not wanted:
        return {}
    by_kind: dict[str, dict[str, tuple[int, int]]] = {"rule": {}, "vex": {}}
    for text in wanted:
        kind, _, rest = text.partition(":")
        row, _, ordinal = rest.partition("#")
        by_kind[kind][text] = (int(row), int(ordinal or 0))
    found: dict[str, Suppression] = {}
    rules = overlays.rules_by_id(tx, {number for number, _ in by_kind["rule"].values()})
    for by, (number, _) in by_kind["rule"].items():
        found[by] = Suppression(by, "ignored", rules[number].reason, rules[number].author)
    documents = overlays.documents_by_id(tx, {number for number, _ in by_kind["vex"].values()})
    said = {number: overlays.statements(tx, number) for number in documents}
    for by, (number, place) in by_kind["vex"].items():
        found[by] = stated(by, said[number][place - 1], documents[number].author)
    return found
