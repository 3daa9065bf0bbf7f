"""Sending again: dead letters, events that are asked for, and one to try a receiver with."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

import sqlalchemy as sa

from hullwise.domain import limits
from hullwise.domain.errors import EventNotFound, InvalidParameter
from hullwise.events import deliveries, outbox
from hullwise.events.outbox import Event
from hullwise.notifications import receivers
from hullwise.services import Services

TEST = "Hullwise Test"
"""Detail type of the event that a receiver is tried with."""


def replay(
    tx: sa.Connection, services: Services, account: str, *, events: Sequence[str] = (), receiver: int | None = None
) -> int:
    """The named events go out again, to that receiver or to each that they were for; without names, all dead letters of
    that receiver or of all. Each has all its attempts again. Returns how many deliveries that makes.

    Raises EventNotFound for one that is not the account's, or is forgotten, ReceiverNotFound and InvalidParameter.
    """
    if len(events) > limits.REPLAYED_EVENTS:
        raise InvalidParameter("events", f"must be at most {limits.REPLAYED_EVENTS}")
    if receiver is not None:
        receivers.own(tx, account, receiver)
    now = services.clock()
    if not events:
        return deliveries.queue_dead(tx, account, receiver, now)
    wanted = dict.fromkeys(events)
    known = deliveries.ids_of(tx, account, [uid for uid in wanted if _is_uid(uid)])
    for uid in wanted:
        if uid not in known:
            raise EventNotFound(uid)
    return deliveries.queue_again(tx, sorted(known.values()), receiver, now)


def _is_uid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def test(tx: sa.Connection, services: Services, account: str, receiver: int) -> str:
    """Queue an event for this receiver alone, whatever it wants. Returns the event's id. Raises ReceiverNotFound."""
    receivers.own(tx, account, receiver)
    detail = json.dumps({"message": "This is a test.", "receiver": receiver})
    event = Event("hullwise", TEST, account, services.settings.regions[0], "", "", detail)
    return outbox.put_for(tx, receiver, event, services.clock())
