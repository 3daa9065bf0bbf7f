"""Basic scans granted to a registry, each with its number and its moment.

    number   1 … 17   18   19   20 (granted)          limit 3: the next is granted if number 18 is out of the window
             pruned    window of 24 hours ──────▶

Numbers follow each other without a gap, so that the scan which frees a place is found by its number, however many
there are. Whoever grants holds the registry's row; its `last_at` is the quota's clock, which never goes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from hullwise.store.clock import from_micros, maybe, to_micros
from hullwise.store.engine import insert_missing
from hullwise.store.tables import scan_grants, scan_quotas

WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Use:
    """How much of its quota a registry has used in the last 24 hours."""

    account: str
    region: str
    used: int
    frees_at: datetime | None
    """When the oldest of these scans counts no more; None: there is none."""


def take(tx: sa.Connection, account: str, region: str, limit: int, now: datetime) -> datetime | None:
    """Count one scan more. None: done; else when there is room for one again, and nothing is counted.

    Exact however many ask at once: no 24 hours see more than `limit` grants.
    """
    quota = scan_quotas.c
    insert_missing(tx, scan_quotas, [{"account_id": account, "region": region, "granted": 0, "last_at": 0}])
    mine = sa.and_(quota.account_id == account, quota.region == region)
    row = tx.execute(sa.select(scan_quotas).where(mine).with_for_update()).one()
    at = max(to_micros(now), row.last_at)
    start = at - WINDOW // timedelta(microseconds=1)
    grants = scan_grants.c
    own = sa.and_(grants.account_id == account, grants.region == region)
    number = row.granted + 1
    blocking = sa.select(grants.at).where(own, grants.number == number - limit, grants.at > start)
    blocked: int | None = tx.execute(blocking).scalar()
    if blocked is not None:
        return from_micros(blocked) + WINDOW
    tx.execute(scan_grants.insert().values(account_id=account, region=region, number=number, at=at))
    tx.execute(scan_quotas.update().where(mine).values(granted=number, last_at=at))
    tx.execute(scan_grants.delete().where(own, grants.at <= start))
    return None


def uses(tx: sa.Connection, now: datetime) -> Sequence[Use]:
    """Of every registry that was ever granted a scan, by account and region."""
    start = to_micros(now - WINDOW)
    grants, quota = scan_grants.c, scan_quotas.c
    counting = sa.and_(grants.account_id == quota.account_id, grants.region == quota.region, grants.at > start)
    query = (
        sa.select(quota.account_id, quota.region, sa.func.count(grants.number), sa.func.min(grants.at))
        .select_from(scan_quotas.outerjoin(scan_grants, counting))
        .group_by(quota.account_id, quota.region)
        .order_by(quota.account_id, quota.region)
    )
    found = []
    for account, region, used, first in tx.execute(query):
        oldest = maybe(first)
        found.append(Use(account, region, used, None if oldest is None else oldest + WINDOW))
    return found
