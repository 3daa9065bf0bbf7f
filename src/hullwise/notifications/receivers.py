"""Who is told of an account's events: receivers are added, listed and removed."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from hullwise.domain import limits
from hullwise.domain.errors import InvalidParameter, ReceiverNotFound
from hullwise.events import receivers as store
from hullwise.events.receivers import EVENTBRIDGE, WEBHOOK, Receiver
from hullwise.remotes import urls
from hullwise.remotes.errors import RemoteError
from hullwise.remotes.rules import configured
from hullwise.sealing import Sealed, seal, unseal
from hullwise.services import Services
from hullwise.store.engine import serialise

SECRET_PREFIX = "whsec_"  # noqa: S105 - the specification's, and no secret

_PURPOSE = "receiver"
_SECRET_BYTES = 32
_KIND = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")

# Of a receiver that is an event bus: the service model's pattern of EventBusName, and what SigV4 can sign with.
_FIELDS = {
    "bus": (
        re.compile(
            r"(?=.{1,1600}\Z)(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus/)?[\w./-]+", re.ASCII
        ),
        "must be the name or the ARN of an event bus",
    ),
    "region": (re.compile(r"[a-z0-9-]{1,64}"), "must be the name of a region"),
    "accessKeyId": (re.compile(r"[A-Za-z0-9_]{1,128}"), "must be an access key id"),
    "secretAccessKey": (re.compile(r"[!-~]{1,256}"), "must be 1 to 256 printable characters"),
}


@dataclass(frozen=True, slots=True)
class Bus:
    """What an EventBridge-compatible endpoint needs beside its URL."""

    name: str
    region: str
    key_id: str
    secret: str = field(repr=False)


def add_webhook(
    tx: sa.Connection, services: Services, account: str, *, url: str, kinds: Sequence[str] = ()
) -> tuple[Receiver, str]:
    """A webhook that gets the account's events from now on, of these detail types or of all, and the secret that they
    are signed with, which is shown this once. Raises InvalidParameter."""
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    _check_url(services, url)
    return _add(tx, services, account, secret, kind=WEBHOOK, url=url, kinds=kinds), secret


def add_bus(
    tx: sa.Connection, services: Services, account: str, *, url: str, bus: Bus, kinds: Sequence[str] = ()
) -> Receiver:
    """An event bus that gets the account's events from now on, of these detail types or of all. Raises
    InvalidParameter."""
    given = {"bus": bus.name, "region": bus.region, "accessKeyId": bus.key_id, "secretAccessKey": bus.secret}
    for name, (pattern, rule) in _FIELDS.items():
        if pattern.fullmatch(given[name]) is None:
            raise InvalidParameter(name, rule)
    if "?" in url:
        raise InvalidParameter("url", "must have no query: it is not what an event bus is asked by")
    _check_url(services, url)
    named = {"bus": bus.name, "region": bus.region, "key_id": bus.key_id}
    return _add(tx, services, account, bus.secret, kind=EVENTBRIDGE, url=url, kinds=kinds, **named)


def _add(
    tx: sa.Connection, services: Services, account: str, secret: str, *, kinds: Sequence[str], **given: Any
) -> Receiver:
    wanted = list(dict.fromkeys(kinds))
    if len(wanted) > limits.DETAIL_TYPES or not all(_KIND.fullmatch(kind) for kind in wanted):
        raise InvalidParameter(
            "detailTypes", f"must be at most {limits.DETAIL_TYPES}, each of 1 to 128 printable characters"
        )
    serialise(tx, f"receivers {account}")
    if len(store.of_account(tx, account)) >= limits.RECEIVERS:
        raise InvalidParameter("receivers", f"an account has at most {limits.RECEIVERS}; remove some")
    return store.add(
        tx,
        account=account,
        kinds=wanted,
        seal=lambda number: seal(services.secret, _PURPOSE, str(number), secret),
        now=services.clock(),
        **given,
    )


def _check_url(services: Services, url: str) -> None:
    if len(url) > limits.RECEIVER_URL:
        raise InvalidParameter("url", f"must have at most {limits.RECEIVER_URL} characters")
    try:
        if configured(services.settings).check(url).userinfo:
            raise InvalidParameter("url", "must hold no user and no password")
    except RemoteError as error:
        raise InvalidParameter("url", str(error)) from error


def remove(tx: sa.Connection, services: Services, account: str, receiver_id: int) -> None:
    """Nothing is sent to it any more, and what it should still have got is forgotten. Raises ReceiverNotFound."""
    own(tx, account, receiver_id)
    store.remove(tx, receiver_id, services.clock())


def own(tx: sa.Connection, account: str, receiver_id: int) -> Receiver:
    """The account's receiver, which is not removed before the transaction has ended. Raises ReceiverNotFound."""
    found = store.get(tx, receiver_id, hold=True)
    if found is None or found.account != account:
        raise ReceiverNotFound(receiver_id)
    return found


def secret_of(services: Services, receiver: Receiver) -> str:
    """What its requests are signed with. Raises SecretUnusable."""
    return unseal(services.secret, *_sealed(receiver))


def _sealed(receiver: Receiver) -> Sealed:
    return Sealed(_PURPOSE, str(receiver.id), receiver.sealed_secret)


def sealed(tx: sa.Connection) -> list[Sealed]:
    """The secrets of all receivers."""
    return [_sealed(receiver) for receiver in store.all_there(tx)]


def described(receiver: Receiver) -> Mapping[str, Any]:
    """A receiver as it is listed: without its secret, and without the query of its URL, which may hold one."""
    of_bus = {"bus": receiver.bus, "region": receiver.region, "accessKeyId": receiver.key_id}
    return {
        "id": receiver.id,
        "kind": receiver.kind,
        "url": urls.shown(urls.parse(receiver.url)),
        "detailTypes": list(receiver.kinds),
        "createdAt": receiver.created_at.isoformat(),
        **(of_bus if receiver.kind == EVENTBRIDGE else {}),
    }
