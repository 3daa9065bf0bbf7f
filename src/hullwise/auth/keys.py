"""Access keys: made once, shown once, sealed at rest."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from hullwise.domain.errors import InvalidParameter
from hullwise.domain.names import is_account
from hullwise.sealing import Sealed, seal, unseal
from hullwise.services import Services
from hullwise.store import accounts
from hullwise.store.accounts import AccessKey

_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ID = re.compile(f"AKIA[{_ID_ALPHABET}]{{16}}")
_PURPOSE = "access key"
# IAM's user names.
_USER = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")


@dataclass(frozen=True, slots=True)
class KeyPair:
    access_key_id: str
    secret_access_key: str
    account: str

    def __repr__(self) -> str:
        return f"KeyPair({self.access_key_id!r}, '***', {self.account!r})"


def create(
    tx: sa.Connection, services: Services, account: str, *, user: str = "", policy: str | None = None
) -> KeyPair:
    """A new key pair of the account, which is made where it is new. The secret is never shown again.

    Its user may do everything in the account, or what the policy says, which `policies.parse` has taken.
    """
    if not is_account(account):
        raise InvalidParameter("account", "must be 12 digits")
    if user and not _USER.fullmatch(user):
        raise InvalidParameter("user", f"must satisfy regular expression '{_USER.pattern}'")
    pair = KeyPair(
        # The form of AWS's: 20 characters that begin with AKIA, and 40 of base64's.
        access_key_id="AKIA" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(16)),
        secret_access_key=secrets.token_urlsafe(30),
        account=account,
    )
    now = services.clock()
    accounts.ensure_account(tx, account, now)
    sealed = seal(services.secret, _PURPOSE, pair.access_key_id, pair.secret_access_key)
    accounts.add_key(tx, AccessKey(pair.access_key_id, account, sealed, now, None, user, policy))
    return pair


def is_id(text: str) -> bool:
    """Whether it has the form of an access key's id, which no secret has."""
    return _ID.fullmatch(text) is not None


def latest(tx: sa.Connection, account: str, user: str) -> AccessKey | None:
    """The key that says what the user may do where a new one says nothing: the newest that is good, else the newest.
    None: it has none."""
    theirs = [key for key in accounts.list_keys(tx, account) if user == (key.user or key.id)]
    return next((key for key in reversed(theirs) if key.revoked_at is None), theirs[-1] if theirs else None)


def opened(services: Services, key: AccessKey) -> str:
    """The key's secret."""
    return unseal(services.secret, *_sealed(key))


def _sealed(key: AccessKey) -> Sealed:
    return Sealed(_PURPOSE, key.id, key.sealed_secret)


def sealed(tx: sa.Connection) -> list[Sealed]:
    """The secrets of all keys that are not revoked."""
    return [_sealed(key) for key in accounts.list_keys(tx) if key.revoked_at is None]


def new_account() -> str:
    """Twelve random digits that do not begin with a zero."""
    return str(100_000_000_000 + secrets.randbelow(900_000_000_000))
