"""Accounts and their access keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hullwise.store.clock import from_micros, maybe, to_micros
from hullwise.store.engine import Prepared, insert_missing
from hullwise.store.tables import access_keys, accounts


@dataclass(frozen=True, slots=True)
class AccessKey:
    id: str
    account: str
    sealed_secret: bytes
    created_at: datetime
    revoked_at: datetime | None


def _key(row: Any) -> AccessKey:
    return AccessKey(row[0], row[1], row[2], from_micros(row[3]), maybe(row[4]))


_KEY_COLUMNS = (
    access_keys.c.id,
    access_keys.c.account_id,
    access_keys.c.sealed_secret,
    access_keys.c.created_at,
    access_keys.c.revoked_at,
)
_KEY = Prepared(sa.select(*_KEY_COLUMNS).where(access_keys.c.id == sa.bindparam("id")))


def ensure_account(tx: sa.Connection, account: str, now: datetime) -> None:
    insert_missing(tx, accounts, [{"id": account, "created_at": to_micros(now)}])


def account_exists(tx: sa.Connection, account: str) -> bool:
    return tx.execute(sa.select(accounts.c.id).where(accounts.c.id == account)).first() is not None


def add_key(tx: sa.Connection, key: AccessKey) -> None:
    tx.execute(
        access_keys.insert().values(
            id=key.id,
            account_id=key.account,
            sealed_secret=key.sealed_secret,
            created_at=to_micros(key.created_at),
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
