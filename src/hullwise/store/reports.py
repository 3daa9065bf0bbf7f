"""Reports: severity counts and the ordered finding keys, shared by all images with the same inventory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from hullwise.domain.reports import OWNER
from hullwise.store.clock import from_micros, to_micros
from hullwise.store.compression import pack, unpack
from hullwise.store.engine import Prepared, among, chunks, insert_missing
from hullwise.store.tables import reports, scans


class FindingKey(msgspec.Struct, frozen=True, array_like=True):
    """What a finding is made of."""

    assessment: int
    """Id of the assessment."""
    packages: tuple[int, ...]
    """Ids of the installed packages that it hits: the finding's group, in order."""
    suppressed_by: str = ""
    """What suppresses it (`rule:7`, `vex:3#12`), or empty."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A report that is not stored yet."""

    inventory_id: int
    generation: int
    overlay_revision: int
    counts: dict[str, int]
    """Findings by severity that are not suppressed, zeros left out."""
    keys: tuple[FindingKey, ...]
    """In the order of pages, those that are suppressed last."""


class Report(msgspec.Struct, frozen=True):
    id: int
    inventory_id: int
    generation: int
    overlay_revision: int
    counts: dict[str, int]
    findings: int
    """All of them, suppressed ones too."""
    suppressed: int
    """Those that the account suppresses; beside them are those that the distribution decides."""
    created_at: datetime
    fresh: tuple[FindingKey, ...] = ()
    """Its keys, where it was made just now: a transaction that began before does not see the row."""


def own(keys: Sequence[FindingKey]) -> list[FindingKey]:
    """Without what the distribution decides about the packages that it installed: there its own findings are."""
    return [key for key in keys if key.suppressed_by != OWNER]


def uncounted(report: Report) -> int:
    """Findings that do not count, for whatever reason."""
    return report.findings - sum(report.counts.values())


_COLUMNS = tuple(reports.c[name] for name in Report.__struct_fields__ if name != "fresh")
_BY_ID = Prepared(sa.select(*_COLUMNS).where(reports.c.id == sa.bindparam("id")))
_BY_IDS = Prepared(sa.select(*_COLUMNS).where(among(reports.c.id, "ids")))
_one = sa.select(*_COLUMNS).where(
    reports.c.inventory_id == sa.bindparam("inventory"),
    reports.c.generation == sa.bindparam("generation"),
    reports.c.overlay_revision == sa.bindparam("overlay"),
)
_OF, _HELD = Prepared(_one), Prepared(_one.with_for_update(read=True, key_share=True))
_UNUSED = Prepared(
    sa.select(reports.c.id).where(among(reports.c.id, "ids"), reports.c.unused_since < sa.bindparam("since"))
)
_BODY = Prepared(sa.select(reports.c.body).where(reports.c.id == sa.bindparam("id")))
_counts = msgspec.json.Decoder(dict[str, int])
_keys = msgspec.msgpack.Decoder(tuple[FindingKey, ...])


def _report(row: Any) -> Report:
    id_, inventory, generation, overlay, counts, findings, suppressed, created_at = row
    counted = _counts.decode(counts)
    return Report(id_, inventory, generation, overlay, counted, findings, suppressed, from_micros(created_at))


def save(tx: sa.Connection, draft: Draft, now: datetime) -> Report:
    """Keep a report; one for the same inventory, generation and overlay that is there already is returned instead."""
    row = {
        "inventory_id": draft.inventory_id,
        "generation": draft.generation,
        "overlay_revision": draft.overlay_revision,
        "counts": json.dumps(draft.counts),
        "findings": len(draft.keys),
        "suppressed": sum(key.suppressed_by not in {"", OWNER} for key in draft.keys),
        "body": pack(msgspec.msgpack.encode(draft.keys)),
        "created_at": to_micros(now),
    }
    while True:
        insert_missing(tx, reports, [row])
        # One that was there may have been forgotten since.
        found = hold(tx, draft.inventory_id, draft.generation, draft.overlay_revision)
        if found is not None:
            return found


def find(tx: sa.Connection, inventory_id: int, generation: int) -> Report | None:
    """The report of an inventory, under no overlay, if there is one."""
    row = _OF.row(tx, inventory=inventory_id, generation=generation, overlay=0)
    return None if row is None else _report(row)


def hold(tx: sa.Connection, inventory_id: int, generation: int, overlay_revision: int = 0) -> Report | None:
    """The report, if there is one, which stays until the transaction ends: a scan may be made to name it."""
    row = _HELD.row(tx, inventory=inventory_id, generation=generation, overlay=overlay_revision)
    return None if row is None else _report(row)


def get(tx: sa.Connection, report_id: int) -> Report | None:
    row = _BY_ID.row(tx, id=report_id)
    return None if row is None else _report(row)


def many(tx: sa.Connection, ids: Sequence[int]) -> dict[int, Report]:
    found = map(_report, _BY_IDS.rows(tx, ids=ids))
    return {report.id: report for report in found}


def keys(tx: sa.Connection, report_id: int, start: int, stop: int) -> tuple[FindingKey, ...]:
    """Finding keys number `start` up to `stop`, which is not included, counted from 0."""
    body: bytes = _BODY.value(tx, id=report_id)
    return _keys.decode(unpack(body))[start:stop]


def forget(tx: sa.Connection, now: datetime, kept: timedelta) -> int:
    """Drop reports that have spoken for no scan for so long: those that continuous images have left, and those under
    overlays, which are made again when they are read. Returns how many.

    It counts from when that was first seen here: whoever reads the pages of a report has at least so long for it,
    however old it was when it was left."""
    used = sa.exists().where(scans.c.report_id == reports.c.id)
    unused = ~used
    seen, named = reports.c.unused_since.is_not(None), reports.update()
    tx.execute(named.where(seen, used).values(unused_since=None))
    tx.execute(named.where(~seen, unused).values(unused_since=to_micros(now)))
    old = sa.select(reports.c.id).where(reports.c.unused_since <= to_micros(now - kept), unused)
    # Whoever holds one is about to name it. Once they are locked here nobody can, and whoever did before is seen.
    locked = tx.execute(old.with_for_update(skip_locked=True)).scalars().all()
    dropped = (reports.delete().where(reports.c.id.in_(part), unused) for part in chunks(locked))
    return sum(tx.execute(delete).rowcount for delete in dropped)


def unused(tx: sa.Connection, report_ids: Sequence[int], since: datetime) -> list[int]:
    """Those of the reports that are known since before that moment to speak for no scan."""
    return [number for (number,) in _UNUSED.rows(tx, ids=report_ids, since=to_micros(since))]


def renew(tx: sa.Connection, report_ids: Sequence[int]) -> None:
    """They are read still, and kept as if they had been left only now."""
    tx.execute(reports.update().where(reports.c.id.in_(report_ids)).values(unused_since=None))


def under_overlays(tx: sa.Connection, wanted: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int, int], Report]:
    """Reports by (inventory, generation, overlay), of those that are kept."""
    found: dict[tuple[int, int, int], Report] = {}
    for chunk in chunks(sorted(set(wanted))):
        inventories, overlays = {key[0] for key in chunk}, {key[2] for key in chunk}
        query = sa.select(*_COLUMNS).where(
            reports.c.inventory_id.in_(sorted(inventories)), reports.c.overlay_revision.in_(sorted(overlays))
        )
        for row in tx.execute(query):
            found[row.inventory_id, row.generation, row.overlay_revision] = _report(row)
    return {key: found[key] for key in set(wanted) if key in found}
