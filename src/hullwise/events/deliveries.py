"""Deliveries: which event is still to reach which receiver.

put ─▶ waiting (due_at) ─▶ delivered (delivered_at)
          ▲    │ failed: due later
          │    └─────────▶ dead (dead_at)
          └── replayed ────┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hullwise.events.outbox import StoredEvent, stored
from hullwise.store.clock import from_micros, maybe, to_micros
from hullwise.store.engine import chunks, insert_missing
from hullwise.store.tables import deliveries, events, receivers

_LONGEST_FAILURE = 500

WAITING, DELIVERED, DEAD = "waiting", "delivered", "dead"
_IN_STATE = {
    WAITING: deliveries.c.due_at.is_not(None),
    DELIVERED: deliveries.c.delivered_at.is_not(None),
    DEAD: deliveries.c.dead_at.is_not(None),
}
STATES = tuple(_IN_STATE)


@dataclass(frozen=True, slots=True)
class Due:
    event: int
    attempts: int
    """Made so far."""


@dataclass(frozen=True, slots=True)
class Delivery:
    event: int
    receiver: int
    attempts: int
    due_at: datetime | None
    delivered_at: datetime | None
    dead_at: datetime | None
    failure: str
    """Why the last attempt failed."""

    @property
    def state(self) -> str:
        if self.due_at is not None:
            return WAITING
        return DELIVERED if self.delivered_at is not None else DEAD


@dataclass(frozen=True, slots=True)
class Backlog:
    waiting: int
    dead: int
    oldest: datetime | None
    """When the oldest event happened that somebody waits for."""


def _delivery(row: sa.Row[Any]) -> Delivery:
    return Delivery(
        event=row.event_id,
        receiver=row.receiver_id,
        attempts=row.attempts,
        due_at=maybe(row.due_at),
        delivered_at=maybe(row.delivered_at),
        dead_at=maybe(row.dead_at),
        failure=row.failure,
    )


def ready(tx: sa.Connection, now: datetime) -> list[int]:
    """Receivers to which something is due and nobody delivers; who has waited longest comes first."""
    own = sa.select(deliveries.c.due_at).where(
        deliveries.c.receiver_id == receivers.c.id, deliveries.c.due_at <= to_micros(now)
    )
    since = own.order_by(deliveries.c.due_at).limit(1).scalar_subquery().label("since")
    query = sa.select(receivers.c.id, since).where(
        receivers.c.removed_at.is_(None), receivers.c.leased_until <= to_micros(now)
    )
    found = [(row.since, row.id) for row in tx.execute(query) if row.since is not None]
    return [receiver for _, receiver in sorted(found)]


def are_ahead(tx: sa.Connection, due: datetime, leased: datetime) -> bool:
    """Whether a delivery is due, or a receiver leased, later than these moments."""
    return any(tx.execute(sa.select(column).where(late).limit(1)).first() for column, late in _ahead(due, leased))


def bring_back(tx: sa.Connection, now: datetime, due: datetime, leased: datetime) -> None:
    """Deliveries that are due later than that are due now, and leases that end later than that have ended."""
    for column, late in _ahead(due, leased):
        value = to_micros(now) if column.table is deliveries else 0
        tx.execute(sa.update(column.table).where(late).values({column.name: value}))


def _ahead(due: datetime, leased: datetime) -> list[tuple[sa.Column[Any], sa.ColumnElement[bool]]]:
    found = ((deliveries.c.due_at, due), (receivers.c.leased_until, leased))
    return [(column, column > to_micros(moment)) for column, moment in found]


def due(tx: sa.Connection, receiver: int, now: datetime, limit: int) -> list[Due]:
    """The oldest events that are due to it."""
    query = (
        sa.select(deliveries.c.event_id, deliveries.c.attempts)
        .where(deliveries.c.receiver_id == receiver, deliveries.c.due_at <= to_micros(now))
        .order_by(deliveries.c.event_id)
        .limit(limit)
    )
    return [Due(row.event_id, row.attempts) for row in tx.execute(query)]


def _waiting(receiver: int) -> sa.Update:
    """Of one delivery each, while it waits: what somebody else noted meanwhile stays."""
    mine = (deliveries.c.receiver_id == receiver, deliveries.c.event_id == sa.bindparam("of"))
    counted = deliveries.update().where(*mine, deliveries.c.due_at.is_not(None))
    return counted.values(attempts=deliveries.c.attempts + 1)


def _kept(text: str) -> str:
    """What both databases keep and a terminal shows, cut."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text[:_LONGEST_FAILURE])


def note_taken(tx: sa.Connection, receiver: int, taken: Sequence[int], now: datetime) -> None:
    """It has these events."""
    done = _waiting(receiver).values(due_at=None, delivered_at=to_micros(now), failure="")
    for chunk in chunks(taken):
        tx.execute(done, [{"of": event} for event in chunk])


def note_failed(tx: sa.Connection, receiver: int, again: Mapping[int, datetime], why: str) -> None:
    """These events are due again at these moments."""
    later = _waiting(receiver).values(due_at=sa.bindparam("then"), failure=_kept(why))
    for chunk in chunks(sorted(again.items())):
        tx.execute(later, [{"of": event, "then": to_micros(then)} for event, then in chunk])


def note_dead(tx: sa.Connection, receiver: int, given_up: Sequence[int], why: str, now: datetime) -> None:
    """These events are not tried any more."""
    dead = _waiting(receiver).values(due_at=None, dead_at=to_micros(now), failure=_kept(why))
    for chunk in chunks(given_up):
        tx.execute(dead, [{"of": event} for event in chunk])


def ids_of(tx: sa.Connection, account: str, uids: Sequence[str]) -> dict[str, int]:
    """By uid, those of the account's events that there are."""
    found: dict[str, int] = {}
    for chunk in chunks(uids):
        query = sa.select(events.c.uid, events.c.id).where(events.c.account_id == account, events.c.uid.in_(chunk))
        found |= {row.uid: row.id for row in tx.execute(query)}
    return found


def queue_again(tx: sa.Connection, chosen: Sequence[int], receiver: int | None, now: datetime) -> int:
    """These events go out again, to that receiver or to each that they were for. Returns how many deliveries wait."""
    if receiver is not None:
        rows = [{"event_id": event, "receiver_id": receiver, "attempts": 0, "failure": ""} for event in chosen]
        insert_missing(tx, deliveries, rows)
    return sum(_again(tx, now, receiver, deliveries.c.event_id.in_(chunk)) for chunk in chunks(chosen))


def queue_dead(tx: sa.Connection, account: str, receiver: int | None, now: datetime) -> int:
    """All dead letters of the account, or of one receiver, go out again. Returns how many."""
    own = sa.select(receivers.c.id).where(receivers.c.account_id == account)
    return _again(tx, now, receiver, _IN_STATE[DEAD], deliveries.c.receiver_id.in_(own))


def _again(tx: sa.Connection, now: datetime, receiver: int | None, *which: sa.ColumnElement[bool]) -> int:
    if receiver is not None:
        which = (*which, deliveries.c.receiver_id == receiver)
    fresh = {"attempts": 0, "due_at": to_micros(now), "delivered_at": None, "dead_at": None, "failure": ""}
    return tx.execute(deliveries.update().where(*which).values(fresh)).rowcount


def page(tx: sa.Connection, account: str, *, before: int | None, limit: int, state: str = "") -> list[StoredEvent]:
    """The account's events below that id, newest first; `state` of STATES: those with a delivery in it."""
    query = sa.select(events).where(events.c.account_id == account)
    if before is not None:
        query = query.where(events.c.id < before)
    if state:
        query = query.where(events.c.id.in_(sa.select(deliveries.c.event_id).where(_IN_STATE[state])))
    return [stored(row) for row in tx.execute(query.order_by(events.c.id.desc()).limit(limit))]


def of_events(tx: sa.Connection, ids: Sequence[int]) -> dict[int, list[Delivery]]:
    """The deliveries of each event, in the order of receivers."""
    found: dict[int, list[Delivery]] = {event: [] for event in ids}
    for chunk in chunks(ids):
        query = sa.select(deliveries).where(deliveries.c.event_id.in_(chunk)).order_by(deliveries.c.receiver_id)
        for row in tx.execute(query):
            found[row.event_id].append(_delivery(row))
    return found


def dead_letters(tx: sa.Connection, account: str, limit: int) -> tuple[int, list[tuple[str, str, Delivery]]]:
    """How many there are, and the latest of them: uid and detail type of the event, and the delivery."""
    joined = deliveries.join(events, events.c.id == deliveries.c.event_id)
    own = (_IN_STATE[DEAD], events.c.account_id == account)
    count = tx.execute(sa.select(sa.func.count()).select_from(joined).where(*own)).scalar_one()
    query = sa.select(events.c.uid, events.c.kind, *deliveries.c).select_from(joined).where(*own)
    newest = (deliveries.c.dead_at.desc(), deliveries.c.event_id.desc(), deliveries.c.receiver_id)
    latest = query.order_by(*newest).limit(limit)
    return count, [(row.uid, row.kind, _delivery(row)) for row in tx.execute(latest)]


def standing(tx: sa.Connection, receiver: int) -> tuple[int, str]:
    """How many deliveries to it wait, and why the one of the latest event that failed did; empty: none has failed."""
    mine = deliveries.c.receiver_id == receiver
    waiting = tx.execute(
        sa.select(sa.func.count()).select_from(deliveries).where(mine, _IN_STATE[WAITING])
    ).scalar_one()
    failed = sa.select(deliveries.c.failure).where(mine, deliveries.c.failure != "")
    return waiting, tx.execute(failed.order_by(deliveries.c.event_id.desc()).limit(1)).scalar() or ""


def backlog(tx: sa.Connection) -> Backlog:
    """Of all accounts together."""
    waits = _IN_STATE[WAITING]
    waiting, first = tx.execute(sa.select(sa.func.count(), sa.func.min(deliveries.c.event_id)).where(waits)).one()
    dead = tx.execute(sa.select(sa.func.count()).select_from(deliveries).where(_IN_STATE[DEAD])).scalar_one()
    since = tx.execute(sa.select(events.c.created_at).where(events.c.id == first)).scalar()
    return Backlog(waiting, dead, None if since is None else from_micros(since))
