"""Receivers of events, and the events that they were sent."""

from __future__ import annotations

from typing import Any

import msgspec

from hullwise.api.calls import LARGEST_ID, Call
from hullwise.domain.errors import InvalidParameter
from hullwise.events import deliveries
from hullwise.events import receivers as store
from hullwise.events.deliveries import Delivery
from hullwise.events.outbox import StoredEvent
from hullwise.notifications import receivers, replays
from hullwise.notifications.envelope import envelope
from hullwise.notifications.receivers import Bus

PAGE, LONGEST_PAGE = 20, 100


class NewWebhook(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", tag="webhook", tag_field="kind"
):
    url: str
    detail_types: list[str] = []


class NewBus(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", tag="eventbridge", tag_field="kind"
):
    url: str
    region: str
    access_key_id: str
    secret_access_key: str
    bus: str = "default"
    detail_types: list[str] = []

    def __repr__(self) -> str:
        return f"NewBus({self.access_key_id!r})"


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    events: list[str] = []
    receiver: int | None = None


def list_receivers(call: Call) -> dict[str, Any]:
    """The account's receivers, oldest first, without their secrets."""
    with call.services.database.read() as tx:
        return {"receivers": [receivers.described(each) for each in store.of_account(tx, call.caller.account)]}


def add_receiver(call: Call) -> dict[str, Any]:
    """Make a receiver: NewWebhook or NewBus as JSON. A webhook's secret is in this answer and in no other."""
    new: NewWebhook | NewBus = call.parsed(NewWebhook | NewBus)  # type: ignore[arg-type]  # a union is no class
    account, services = call.caller.account, call.services
    if isinstance(new, NewBus):
        bus = Bus(new.bus, new.region, new.access_key_id, new.secret_access_key)
        made = services.database.run(
            lambda tx: receivers.add_bus(tx, services, account, url=new.url, bus=bus, kinds=new.detail_types)
        )
        return dict(receivers.described(made))
    webhook, secret = services.database.run(
        lambda tx: receivers.add_webhook(tx, services, account, url=new.url, kinds=new.detail_types)
    )
    return {**receivers.described(webhook), "secret": secret}


def remove_receiver(call: Call) -> None:
    """Send it nothing any more."""
    services, account, number = call.services, call.caller.account, int(call.parts["id"])
    services.database.run(lambda tx: receivers.remove(tx, services, account, number))


def test_receiver(call: Call) -> dict[str, Any]:
    """Queue an event for this receiver alone."""
    services, account, number = call.services, call.caller.account, int(call.parts["id"])
    return {"id": services.database.run(lambda tx: replays.test(tx, services, account, number))}


def list_events(call: Call) -> dict[str, Any]:
    """The account's events, newest first: `?limit=`, `?before=` what `next` said, `?state=` one of its deliveries."""
    limit = call.number("limit", LONGEST_PAGE) or PAGE
    before = call.number("before", LARGEST_ID)
    state = call.query.get("state", "")
    if state and state not in deliveries.STATES:
        raise InvalidParameter("state", f"must be one of {', '.join(deliveries.STATES)}")
    with call.services.database.read() as tx:
        found = deliveries.page(tx, call.caller.account, before=before, limit=limit + 1, state=state)
        more, found = len(found) > limit, found[:limit]
        sent = deliveries.of_events(tx, [event.id for event in found])
    return {
        "events": [_event(event, sent[event.id]) for event in found],
        "next": str(found[-1].id) if more else None,
    }


def _event(event: StoredEvent, sent: list[Delivery]) -> dict[str, Any]:
    said = envelope(event) | {"detail": msgspec.json.decode(event.body)}
    return said | {"deliveries": [_delivery(each) for each in sent]}


def _delivery(found: Delivery) -> dict[str, Any]:
    moments = {"dueAt": found.due_at, "deliveredAt": found.delivered_at, "deadAt": found.dead_at}
    return {
        "receiver": found.receiver,
        "state": found.state,
        "attempts": found.attempts,
        "failure": found.failure,
        **{name: moment and moment.isoformat() for name, moment in moments.items()},
    }


def replay(call: Call) -> dict[str, Any]:
    """Send again: Wanted as JSON. Without events, all dead letters."""
    wanted = call.parsed(Wanted)
    services, account = call.services, call.caller.account
    queued = services.database.run(
        lambda tx: replays.replay(tx, services, account, events=wanted.events, receiver=wanted.receiver)
    )
    return {"queued": queued}
