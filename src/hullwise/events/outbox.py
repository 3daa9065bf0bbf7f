"""The outbox: events as rows, written in the transaction that caused them and delivered later."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hullwise.store.clock import from_micros, to_micros
from hullwise.store.engine import Prepared, chunks, insert_all
from hullwise.store.tables import deliveries, events, receivers


@dataclass(frozen=True, slots=True)
class Event:
    source: str
    """`aws.ecr`, `aws.inspector2` or `hullwise`."""
    kind: str
    """The detail type."""
    account: str
    region: str
    repository: str
    digest: str
    """Of the image that it is about, or empty."""
    body: str
    """JSON: the detail."""
    resources: tuple[str, ...] = ()
    """ARNs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent(Event):
    id: int
    """Later events have greater ones."""
    uid: str
    """What receivers know a repeated delivery by."""
    created_at: datetime


def stored(row: sa.Row[Any]) -> StoredEvent:
    """The event of a whole row."""
    return StoredEvent(
        source=row.source,
        kind=row.kind,
        account=row.account_id,
        region=row.region,
        repository=row.repository,
        digest=row.digest,
        body=row.body,
        resources=tuple(json.loads(row.resources)),
        id=row.id,
        uid=row.uid,
        created_at=from_micros(row.created_at),
    )


def load(tx: sa.Connection, ids: Sequence[int]) -> list[StoredEvent]:
    """Those that are still there, oldest first."""
    query = sa.select(events).where(events.c.id.in_(ids)).order_by(events.c.id)
    return [stored(row) for row in tx.execute(query)]


def forget(tx: sa.Connection, before: datetime) -> int:
    """Drop events from before that moment, delivered or not: nobody wants to hear of them any more."""
    return tx.execute(events.delete().where(events.c.created_at < to_micros(before))).rowcount


def put(tx: sa.Connection, found: Sequence[Event], now: datetime) -> None:
    """The events exist once the transaction commits, with a delivery to each receiver that wants them."""
    wanted = {account: _receivers(tx, account) for account in {event.account for event in found}}
    for chunk in chunks(found):
        rows = [_row(event, now) for event in chunk]
        insert_all(tx, events, rows)
        due = [
            {"uid": row["uid"], "receiver": receiver}
            for row in rows
            for receiver, kinds in wanted[str(row["account_id"])]
            if not kinds or row["kind"] in kinds
        ]
        _queue(tx, due, now)


def wanted(tx: sa.Connection, account: str, kind: str) -> bool:
    """Whether any of the account's receivers wants events of this detail type."""
    return any(not kinds or kind in kinds for _, kinds in _receivers(tx, account))


def put_for(tx: sa.Connection, receiver: int, event: Event, now: datetime) -> str:
    """The event exists once the transaction commits, for this receiver alone, whatever that wants. Returns its uid."""
    row = _row(event, now)
    insert_all(tx, events, [row])
    _queue(tx, [{"uid": row["uid"], "receiver": receiver}], now)
    return str(row["uid"])


def _row(event: Event, now: datetime) -> dict[str, Any]:
    return {
        "uid": str(uuid.uuid4()),
        "source": event.source,
        "kind": event.kind,
        "account_id": event.account,
        "region": event.region,
        "repository": event.repository,
        "digest": event.digest,
        "resources": json.dumps(event.resources),
        "body": event.body,
        "created_at": to_micros(now),
    }


def _receivers(tx: sa.Connection, account: str) -> list[tuple[int, frozenset[str]]]:
    """Ids of the account's receivers, and the detail types that each wants; none: all."""
    rows = _RECEIVERS.rows(tx, account=account)
    return [(receiver, frozenset(json.loads(kinds))) for receiver, kinds in rows]


# None of them is removed before the transaction has ended: its deliveries are then removed too.
_RECEIVERS = Prepared(
    sa.select(receivers.c.id, receivers.c.kinds)
    .where(receivers.c.account_id == sa.bindparam("account"), receivers.c.removed_at.is_(None))
    .order_by(receivers.c.id)
    .with_for_update(read=True, key_share=True)
)


def _queue(tx: sa.Connection, due: Sequence[dict[str, Any]], now: datetime) -> None:
    for chunk in chunks(due):
        uids = sorted({each["uid"] for each in chunk})
        rows = tx.execute(sa.select(events.c.uid, events.c.id).where(events.c.uid.in_(uids)))
        ids = {row.uid: row.id for row in rows}
        queued = {"attempts": 0, "due_at": to_micros(now), "failure": ""}
        made = [{"event_id": ids[each["uid"]], "receiver_id": each["receiver"], **queued} for each in chunk]
        tx.execute(deliveries.insert(), made)
