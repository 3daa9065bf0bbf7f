"""Reports: severity counts and the ordered finding keys, shared by all images with the same inventory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from hullwise.store.clock import from_micros, to_micros
from hullwise.store.compression import pack, unpack
from hullwise.store.engine import insert_missing
from hullwise.store.tables import reports

FindingKey = tuple[int, tuple[int, ...]]
"""Assessment id, and the ids of the installed packages that it hits: the finding's group, in order."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A report that is not stored yet."""

    inventory_id: int
    generation: int
    overlay_revision: int
    counts: dict[str, int]
    """Findings by severity, zeros left out."""
    keys: tuple[FindingKey, ...]
    """In the order of pages."""


@dataclass(frozen=True, slots=True)
class Report:
    id: int
    inventory_id: int
    generation: int
    overlay_revision: int
    counts: dict[str, int]
    findings: int
    created_at: datetime


_COLUMNS = tuple(column for column in reports.c if column.name != "body")
_keys = msgspec.msgpack.Decoder(tuple[FindingKey, ...])


def _report(row: sa.Row[Any]) -> Report:
    return Report(
        id=row.id,
        inventory_id=row.inventory_id,
        generation=row.generation,
        overlay_revision=row.overlay_revision,
        counts=json.loads(row.counts),
        findings=row.findings,
        created_at=from_micros(row.created_at),
    )


def save(tx: sa.Connection, draft: Draft, now: datetime) -> Report:
    """Keep a report; one for the same inventory, generation and overlay that is there already is returned instead."""
    row = {
        "inventory_id": draft.inventory_id,
        "generation": draft.generation,
        "overlay_revision": draft.overlay_revision,
        "counts": json.dumps(draft.counts),
        "findings": len(draft.keys),
        "body": pack(msgspec.msgpack.encode(draft.keys)),
        "created_at": to_micros(now),
    }
    insert_missing(tx, reports, [row])
    query = sa.select(*_COLUMNS).where(
        reports.c.inventory_id == draft.inventory_id,
        reports.c.generation == draft.generation,
        reports.c.overlay_revision == draft.overlay_revision,
    )
    return _report(tx.execute(query).one())


def get(tx: sa.Connection, report_id: int) -> Report | None:
    row = tx.execute(sa.select(*_COLUMNS).where(reports.c.id == report_id)).first()
    return None if row is None else _report(row)


def many(tx: sa.Connection, ids: Sequence[int]) -> dict[int, Report]:
    rows = tx.execute(sa.select(*_COLUMNS).where(reports.c.id.in_(list(ids))))
    return {row.id: _report(row) for row in rows}


def keys(tx: sa.Connection, report_id: int, start: int, stop: int) -> tuple[FindingKey, ...]:
    """Finding keys number `start` up to `stop`, which is not included, counted from 0."""
    body: bytes = tx.execute(sa.select(reports.c.body).where(reports.c.id == report_id)).scalar_one()
    return _keys.decode(unpack(body))[start:stop]
