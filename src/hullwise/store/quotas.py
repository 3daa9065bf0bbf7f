"""Basic scans granted to a registry, each with its number and its moment.

    number   1 … 17   18   19   20 (granted)          limit 3: the next is granted if number 18 is out of the window
             pruned    window of 24 hours ──────▶

Numbers follow each other without a gap, so that the scan which frees a place is found by its number, however many
there are. Whoever grants holds the registry's row; its `last_at` is the quota's clock. It goes back only from a moment
that no right clock could have written: what was granted ahead of now counts from now then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from hullwise.store.clock import APART, from_micros, maybe, to_micros
from hullwise.store.engine import Prepared, insert_all, insert_missing
from hullwise.store.tables import scan_grants, scan_quotas

WINDOW = timedelta(hours=24)
_WINDOW_MICROS = WINDOW // timedelta(microseconds=1)

_quota, _grants = scan_quotas.c, scan_grants.c
_MINE = sa.and_(_quota.account_id == sa.bindparam("account"), _quota.region == sa.bindparam("region"))
_OWN = sa.and_(_grants.account_id == sa.bindparam("account"), _grants.region == sa.bindparam("region"))
_HELD = Prepared(sa.select(_quota.granted, _quota.last_at).where(_MINE).with_for_update())
_BLOCKING = Prepared(
    sa.select(_grants.at).where(_OWN, _grants.number == sa.bindparam("grant"), _grants.at > sa.bindparam("start"))
)
_BROUGHT_BACK = Prepared(
    scan_grants.update().where(_OWN, _grants.at > sa.bindparam("now")).values(at=sa.bindparam("now"))
)
_GRANTED = Prepared(
    scan_quotas.update().where(_MINE).values(granted=sa.bindparam("grant"), last_at=sa.bindparam("now"))
)
_PRUNE = Prepared(scan_grants.delete().where(_OWN, _grants.at <= sa.bindparam("start")))


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

    Exact however many ask at once: no 24 hours see more than `limit` grants. Those that a clock granted which was more
    than APART ahead count for 24 hours from now.
    """
    mine = {"account": account, "region": region}
    key = {"account_id": account, "region": region}
    insert_missing(tx, scan_quotas, [{**key, "granted": 0, "last_at": 0}])
    row = _HELD.row(tx, **mine)
    assert row is not None
    granted, last_at = row
    at = to_micros(now)
    if last_at > to_micros(now + APART):
        _BROUGHT_BACK.write(tx, **mine, now=at)
        _GRANTED.write(tx, **mine, grant=granted, now=at)
    else:
        at = max(at, last_at)
    start = at - _WINDOW_MICROS
    number = granted + 1
    blocked: int | None = _BLOCKING.value(tx, **mine, grant=number - limit, start=start)
    if blocked is not None:
        return from_micros(blocked) + WINDOW
    insert_all(tx, scan_grants, [{**key, "number": number, "at": at}])
    _GRANTED.write(tx, **mine, grant=number, now=at)
    _PRUNE.write(tx, **mine, start=start)
    return None


def uses(tx: sa.Connection, now: datetime) -> Sequence[Use]:
    """Of every registry that was ever granted a scan, by account and region; as `take` would count at this moment."""
    grants, quota, moment = scan_grants.c, scan_quotas.c, to_micros(now)
    in_use = quota.last_at.between(moment, to_micros(now + APART))
    at = sa.case((in_use, quota.last_at), else_=moment)
    granted_at = sa.case((grants.at > at, at), else_=grants.at)
    own = sa.and_(grants.account_id == quota.account_id, grants.region == quota.region)
    query = (
        sa.select(quota.account_id, quota.region, sa.func.count(grants.number), sa.func.min(granted_at))
        .select_from(scan_quotas.outerjoin(scan_grants, sa.and_(own, grants.at > at - _WINDOW_MICROS)))
        .group_by(quota.account_id, quota.region)
        .order_by(quota.account_id, quota.region)
    )
    found = []
    for account, region, used, first in tx.execute(query):
        oldest = maybe(first)
        found.append(Use(account, region, used, None if oldest is None else oldest + WINDOW))
    return found
