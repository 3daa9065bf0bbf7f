"""Who calls: an access key that is not revoked, and the account and region that it acts in."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import sqlalchemy as sa

from hullwise.auth import keys
from hullwise.services import Services
from hullwise.store import accounts


@dataclass(frozen=True, slots=True)
class Caller:
    access_key_id: str
    account: str
    region: str
    """That the request was signed for, or its token was issued in."""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:user/{self.access_key_id}"


@dataclass(frozen=True, slots=True)
class KnownKey:
    account: str
    secret: str = field(repr=False)


class KeyRing:
    """Secrets by access key. Whether a key is revoked is asked of the database each time; opening it is remembered."""

    _SIZE = 1_024

    def __init__(self, services: Services) -> None:
        self._services = services
        self._opened: OrderedDict[tuple[str, bytes], str] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, access_key_id: str, tx: sa.Connection | None = None) -> KnownKey | None:
        """None for a key that does not exist or was revoked. Asked in this transaction, or in one of its own."""
        if tx is not None:
            key = accounts.find_key(tx, access_key_id)
        else:
            with self._services.database.read() as own:
                key = accounts.find_key(own, access_key_id)
        if key is None or key.revoked_at is not None:
            return None
        return KnownKey(key.account, self._secret(key))

    def _secret(self, key: accounts.AccessKey) -> str:
        name = (key.id, key.sealed_secret)
        with self._lock:
            found = self._opened.get(name)
        if found is None:
            found = keys.opened(self._services, key)
            with self._lock:
                self._opened[name] = found
                while len(self._opened) > self._SIZE:
                    self._opened.popitem(last=False)
        return found
