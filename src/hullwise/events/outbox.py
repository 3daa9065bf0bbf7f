"""The outbox: events as rows, written in the transaction that caused them and delivered later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from hullwise.store.clock import to_micros
from hullwise.store.engine import chunks
from hullwise.store.tables import events


@dataclass(frozen=True, slots=True)
class Event:
    kind: str
    account: str
    region: str
    repository: str
    digest: str
    """Of the image that it is about."""
    body: str
    """JSON."""


def waiting(tx: sa.Connection) -> int:
    """How many events are not delivered yet."""
    query = sa.select(sa.func.count()).select_from(events).where(events.c.delivered_at.is_(None))
    return int(tx.execute(query).scalar_one())


def forget(tx: sa.Connection, before: datetime) -> int:
    """Drop events from before that moment, delivered or not: nobody wants to hear of them any more."""
    return tx.execute(events.delete().where(events.c.created_at < to_micros(before))).rowcount


def put(tx: sa.Connection, found: Sequence[Event], now: datetime) -> None:
    """The events exist once the transaction commits, and are delivered in this order."""
    for chunk in chunks(found):
        rows = [
            {
                "kind": event.kind,
                "account_id": event.account,
                "region": event.region,
                "repository": event.repository,
                "digest": event.digest,
                "body": event.body,
                "created_at": to_micros(now),
            }
            for event in chunk
        ]
        tx.execute(events.insert(), rows)
