"""Accounts, their access keys and the policies of their registries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hullwise.store.clock import from_micros, maybe, to_micros
from hullwise.store.engine import Prepared, insert_missing
from hullwise.store.tables import access_keys, accounts, registry_policies


@dataclass(frozen=True, slots=True)
class AccessKey:
    id: str
    account: str
    sealed_secret: bytes
    created_at: datetime
    revoked_at: datetime | None
    user: str = ""
    """Name of the user that policies name; empty: the key's id."""
    policy: str | None = None
    """What its user may do, JSON; None: everything in its account."""


def _key(row: Any) -> AccessKey:
    key_id, account, sealed, created_at, revoked_at, user, policy = row
    return AccessKey(key_id, account, sealed, from_micros(created_at), maybe(revoked_at), user, policy)


_KEY_COLUMNS = (
    access_keys.c.id,
    access_keys.c.account_id,
    access_keys.c.sealed_secret,
    access_keys.c.created_at,
    access_keys.c.revoked_at,
    access_keys.c.user_name,
    access_keys.c.policy,
)
_KEY = Prepared(sa.select(*_KEY_COLUMNS).where(access_keys.c.id == sa.bindparam("id")))


def ensure_account(tx: sa.Connection, account: str, now: datetime) -> None:
    insert_missing(tx, accounts, [{"id": account, "created_at": to_micros(now)}])


def first_made(tx: sa.Connection) -> datetime | None:
    """When the installation's first account was made; None: it has none."""
    return maybe(tx.execute(sa.select(sa.func.min(accounts.c.created_at))).scalar())


def account_exists(tx: sa.Connection, account: str) -> bool:
    return tx.execute(sa.select(accounts.c.id).where(accounts.c.id == account)).first() is not None


def default(tx: sa.Connection, configured: str) -> str:
    """The account of whoever names none: the configured one where it exists, else the first; empty: there is none."""
    if configured and account_exists(tx, configured):
        return configured
    found = tx.execute(sa.select(accounts.c.id).order_by(accounts.c.created_at, accounts.c.id).limit(1)).scalar()
    return found or ""


def add_key(tx: sa.Connection, key: AccessKey) -> None:
    tx.execute(
        access_keys.insert().values(
            id=key.id,
            account_id=key.account,
            sealed_secret=key.sealed_secret,
            created_at=to_micros(key.created_at),
            user_name=key.user,
            policy=key.policy,
        )
    )


def find_key(tx: sa.Connection, key_id: str) -> AccessKey | None:
    row = _KEY.row(tx, id=key_id)
    return None if row is None else _key(row)


def list_keys(tx: sa.Connection, account: str | None = None) -> list[AccessKey]:
    """All keys, or one account's, oldest first."""
    query = sa.select(*_KEY_COLUMNS).order_by(access_keys.c.created_at, access_keys.c.id)
    if account is not None:
        query = query.where(access_keys.c.account_id == account)
    return [_key(row) for row in tx.execute(query)]


def revoke_key(tx: sa.Connection, key_id: str, now: datetime) -> bool:
    """Returns whether a key was revoked: False where there is none or it was revoked before."""
    statement = (
        access_keys.update()
        .where(access_keys.c.id == key_id, access_keys.c.revoked_at.is_(None))
        .values(revoked_at=to_micros(now))
    )
    return tx.execute(statement).rowcount == 1


_POLICY = Prepared(
    sa.select(registry_policies.c.policy).where(
        registry_policies.c.account_id == sa.bindparam("account"), registry_policies.c.region == sa.bindparam("region")
    )
)


def registry_policy(tx: sa.Connection, account: str, region: str) -> str | None:
    """Its text, as put; None: the registry has no policy."""
    found: str | None = _POLICY.value(tx, account=account, region=region)
    return found


def set_registry_policy(tx: sa.Connection, account: str, region: str, policy: str | None) -> None:
    """None: it has no policy."""
    columns = registry_policies.c
    tx.execute(registry_policies.delete().where(columns.account_id == account, columns.region == region))
    if policy is not None:
        tx.execute(registry_policies.insert().values(account_id=account, region=region, policy=policy))
