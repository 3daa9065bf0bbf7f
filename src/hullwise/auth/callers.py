"""Who calls: an access key that is not revoked, and the account and region that it acts in; or nobody in particular."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from hullwise.auth import keys
from hullwise.domain import addresses
from hullwise.domain.policies import Principal
from hullwise.services import Services
from hullwise.store import accounts


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, as the connection says it or a trusted proxy."""

    address: str = ""
    """The client's IP address, of IPv4 in IPv6 that of IPv4; empty: unknown."""
    secure: bool = False
    """Whether it came over TLS."""

    def __post_init__(self) -> None:
        if ":" in self.address:
            object.__setattr__(self, "address", _plain(self.address))


def _plain(text: str) -> str:
    try:
        return str(addresses.address(text))
    except ValueError:
        return ""


SOMEWHERE = Origin()


@dataclass(frozen=True, slots=True)
class Caller:
    access_key_id: str
    """Empty: nobody in particular, a caller without credentials."""
    account: str
    region: str
    """That the request was signed for, or its token was issued in."""
    user: str = ""
    """Name of the key's user; empty: the key's id."""
    policy: str | None = None
    """What the user may do, JSON; None: everything in its account."""
    origin: Origin = SOMEWHERE
    grants: Mapping[int, frozenset[str]] | None = None
    """By repository id, the actions (`pull`, `push`, `delete`) that the token is good for, and `tokens.CATALOG` where
    it is for the list of repositories; None: all."""

    @property
    def anonymous(self) -> bool:
        return not self.access_key_id

    @property
    def principal(self) -> Principal | None:
        return None if self.anonymous else Principal(self.account, self.user or self.access_key_id)

    @property
    def arn(self) -> str:
        principal = self.principal
        return "anonymous" if principal is None else principal.arn


@dataclass(frozen=True, slots=True)
class KnownKey:
    account: str
    secret: str = field(repr=False)
    user: str = ""
    policy: str | None = None


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
        return KnownKey(key.account, self._secret(key), key.user, key.policy)

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
