"""Receivers of events, as rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hullwise.store.clock import from_micros, to_micros
from hullwise.store.tables import deliveries, receivers

WEBHOOK, EVENTBRIDGE = "webhook", "eventbridge"

_THERE = sa.select(receivers).where(receivers.c.removed_at.is_(None))


@dataclass(frozen=True, slots=True)
class Receiver:
    id: int
    account: str
    kind: str
    """WEBHOOK or EVENTBRIDGE."""
    url: str = field(repr=False)
    bus: str
    region: str
    key_id: str
    """The last three are empty for a webhook."""
    kinds: tuple[str, ...]
    """Detail types that it wants; none: all."""
    sealed_secret: bytes = field(repr=False)
    created_at: datetime


def _receiver(row: sa.Row[Any]) -> Receiver:
    return Receiver(
        id=row.id,
        account=row.account_id,
        kind=row.kind,
        url=row.url,
        bus=row.bus,
        region=row.region,
        key_id=row.key_id,
        kinds=tuple(json.loads(row.kinds)),
        sealed_secret=row.sealed_secret,
        created_at=from_micros(row.created_at),
    )


def add(
    tx: sa.Connection,
    *,
    account: str,
    kind: str,
    url: str,
    bus: str = "",
    region: str = "",
    key_id: str = "",
    kinds: Sequence[str],
    seal: Callable[[int], bytes],
    now: datetime,
) -> Receiver:
    """A new receiver of what happens from now on; `seal` is given its id and returns its sealed secret."""
    statement = receivers.insert().values(
        account_id=account,
        kind=kind,
        url=url,
        bus=bus,
        region=region,
        key_id=key_id,
        kinds=json.dumps(list(kinds)),
        sealed_secret=b"",
        created_at=to_micros(now),
    )
    key = tx.execute(statement).inserted_primary_key
    assert key is not None
    mine = receivers.c.id == key[0]
    tx.execute(receivers.update().where(mine).values(sealed_secret=seal(key[0])))
    return _receiver(tx.execute(sa.select(receivers).where(mine)).one())


def of_account(tx: sa.Connection, account: str) -> list[Receiver]:
    """Those that were not removed, oldest first."""
    query = _THERE.where(receivers.c.account_id == account)
    return [_receiver(row) for row in tx.execute(query.order_by(receivers.c.id))]


def all_there(tx: sa.Connection) -> list[Receiver]:
    """Those of every account that were not removed, oldest first."""
    return [_receiver(row) for row in tx.execute(_THERE.order_by(receivers.c.id))]


def get(tx: sa.Connection, receiver_id: int, *, hold: bool = False) -> Receiver | None:
    """None where there is none, or none any more. With `hold` it is not removed before the transaction has ended."""
    if not 0 < receiver_id < 2**63:
        return None
    query = sa.select(receivers).where(receivers.c.id == receiver_id, receivers.c.removed_at.is_(None))
    row = tx.execute(query.with_for_update(read=True, key_share=True) if hold else query).first()
    return None if row is None else _receiver(row)


def remove(tx: sa.Connection, receiver_id: int, now: datetime) -> None:
    """It gets nothing any more; its deliveries and its secret are gone."""
    mine = receivers.c.id == receiver_id
    # Whoever is putting events holds its row shared: what they queue is seen, and removed, below.
    tx.execute(sa.select(receivers.c.id).where(mine).with_for_update())
    tx.execute(receivers.update().where(mine).values(removed_at=to_micros(now), sealed_secret=b""))
    tx.execute(deliveries.delete().where(deliveries.c.receiver_id == receiver_id))


def lease(tx: sa.Connection, receiver_id: int, now: datetime, until: datetime) -> bool:
    """Whether it is the caller's until then, or until `release`: nobody else delivers to it meanwhile."""
    free = (
        receivers.c.id == receiver_id,
        receivers.c.removed_at.is_(None),
        receivers.c.leased_until <= to_micros(now),
    )
    return tx.execute(receivers.update().where(*free).values(leased_until=to_micros(until))).rowcount == 1


def release(tx: sa.Connection, receiver_id: int, until: datetime) -> None:
    """Give back what was leased until then, unless it is somebody else's by now."""
    mine = (receivers.c.id == receiver_id, receivers.c.leased_until == to_micros(until))
    tx.execute(receivers.update().where(*mine).values(leased_until=0))
