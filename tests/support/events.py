"""Receivers that a test hears through, and events that it makes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from hullwise import app
from hullwise.auth import sigv4
from hullwise.auth.sigv4 import SignedRequest
from hullwise.events import deliveries, outbox
from hullwise.events.deliveries import Delivery
from hullwise.events.outbox import Event
from hullwise.events.receivers import Receiver
from hullwise.notifications import receivers
from hullwise.notifications.delivery import Courier
from hullwise.notifications.receivers import Bus
from hullwise.remotes.remote import Remote, Timeouts
from hullwise.remotes.rules import configured
from hullwise.services import Services
from hullwise.store.tables import deliveries as delivery_table
from hullwise.store.tables import events as event_table
from tests.support.courier import go_round
from tests.support.registry import ACCOUNT, REGION, START, Registry
from tests.unit.remotes.server import Asked, Server, answer

KEY = ("AKIDEVENTS", "the-secret-of-the-bus")
OK = answer("200 OK")


def event(number: int = 1, kind: str = "ECR Image Scan", account: str = ACCOUNT, **detail: Any) -> Event:
    arn = f"arn:aws:ecr:{REGION}:{account}:repository/team/app"
    body = json.dumps({"number": number, **detail})
    return Event("aws.ecr", kind, account, REGION, "team/app", "", body, (arn,))


def patient(services: Services, seconds: float) -> Remote:
    """Asks under the registry's rules, and waits for an answer that long."""
    return Remote(configured(services.settings), timeouts=Timeouts(post=seconds))


@dataclass
class Told:
    """A registry with a server that its receivers are at."""

    registry: Registry
    server: Server
    chance: float = 0.5
    seconds: float = 30
    """For an answer."""
    courier: Courier = field(init=False)

    def __post_init__(self) -> None:
        self.courier = Courier(self.services, lambda: patient(self.services, self.seconds), lambda: self.chance, 600)

    @property
    def services(self) -> Services:
        return self.registry.services

    def webhook(self, path: str = "/hook", *kinds: str, account: str = ACCOUNT) -> tuple[Receiver, str]:
        url = self.server.url(path)
        return self.services.database.run(
            lambda tx: receivers.add_webhook(tx, self.services, account, url=url, kinds=kinds)
        )

    def bus(self, path: str = "/", *kinds: str, name: str = "default") -> Receiver:
        bus = Bus(name, "eu-west-1", *KEY)
        url = self.server.url(path)
        return self.services.database.run(
            lambda tx: receivers.add_bus(tx, self.services, ACCOUNT, url=url, bus=bus, kinds=kinds)
        )

    def put(self, *found: Event) -> list[str]:
        """Their uids."""
        self.services.database.run(lambda tx: outbox.put(tx, found, self.registry.clock()))
        with self.services.database.read() as tx:
            newest = sa.select(event_table.c.uid).order_by(event_table.c.id.desc()).limit(len(found))
            return list(reversed(tx.execute(newest).scalars().all()))

    def deliveries(self, receiver: Receiver | None = None) -> list[Delivery]:
        """All, in the order of events."""
        with self.services.database.read() as tx:
            ids = tx.execute(sa.select(delivery_table.c.event_id).distinct().order_by(delivery_table.c.event_id))
            found = deliveries.of_events(tx, ids.scalars().all())
        return [each for of in found.values() for each in of if receiver is None or each.receiver == receiver.id]

    def states(self, receiver: Receiver | None = None) -> list[str]:
        return [each.state for each in self.deliveries(receiver)]

    def bodies(self, path: str = "/hook") -> list[Any]:
        """JSON of what was posted there, in order."""
        return [json.loads(asked.body) for asked in self.server.asked if asked.target == path]

    def numbers(self, path: str = "/hook") -> list[int]:
        return numbers_at(self.server, path)

    def elapse(self, seconds: float) -> None:
        """Time passes, and what is due then is tried."""
        self.registry.clock.advance(seconds=seconds)
        go_round(self.courier)


def numbers_at(server: Server, path: str) -> list[int]:
    """Of the events that were posted there, in order."""
    return [json.loads(asked.body)["detail"]["number"] for asked in list(server.asked) if asked.target == path]


def signature(secret: str, asked: Asked) -> str:
    """As the Standard Webhooks specification has it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    said = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode() + asked.body
    return "v1," + base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()


Judge = Callable[[int, dict[str, Any]], str]
"""The error code of the so-manieth entry of all, or empty."""


@dataclass
class EventBus:
    """Answers PutEvents as Amazon EventBridge does, to requests that are signed with KEY."""

    judge: Judge = lambda _number, _entry: ""
    entries: list[dict[str, Any]] = field(default_factory=list)
    """Each that came, refused or not."""
    requests: list[int] = field(default_factory=list)
    """How many entries each request had."""

    def __call__(self, asked: Asked) -> bytes:
        path, _, query = asked.target.partition("?")
        signed = SignedRequest(asked.method, path, query, tuple(asked.headers.items()), asked.body)
        secrets = dict([KEY])
        sigv4.verify(signed, find_secret=secrets.get, regions={"eu-west-1"}, service="events", now=app.now())
        assert asked.headers["x-amz-target"] == "AWSEvents.PutEvents"
        assert asked.headers["content-type"] == "application/x-amz-json-1.1"
        entries = json.loads(asked.body)["Entries"]
        assert 1 <= len(entries) <= 10
        self.requests.append(len(entries))
        results: list[dict[str, str]] = []
        for entry in entries:
            self.entries.append(entry)
            code = self.judge(len(self.entries), entry)
            results.append(
                {"ErrorCode": code, "ErrorMessage": "no"} if code else {"EventId": f"id-{len(self.entries)}"}
            )
        failed = sum("ErrorCode" in result for result in results)
        return answer("200 OK", json.dumps({"FailedEntryCount": failed, "Entries": results}).encode())

    @property
    def numbers(self) -> list[int]:
        return [json.loads(entry["Detail"])["number"] for entry in self.entries]


def moments(delays: Sequence[float], start: datetime = START) -> list[datetime]:
    """One after the other."""
    found = [start]
    for delay in delays:
        found.append(found[-1] + timedelta(seconds=delay))
    return found
