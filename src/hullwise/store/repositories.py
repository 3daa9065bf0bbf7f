"""Repositories and their resource tags."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from hullwise.domain.errors import RepositoryAlreadyExists, RepositoryNotFound
from hullwise.store.clock import from_micros, to_micros
from hullwise.store.engine import Prepared, among, insert_missing
from hullwise.store.tables import registry_policies, repositories, repository_labels


@dataclass(frozen=True, slots=True)
class Repository:
    id: int
    account: str
    region: str
    name: str
    created_at: datetime
    tag_mutability: str
    mutability_exclusions: tuple[dict[str, str], ...]
    scan_on_push: bool
    encryption: dict[str, str]
    policy: str | None
    """Its text, as set."""
    registry_policy: str | None = None
    """That of the registry it is in."""


_OF_REGISTRY = (
    sa.select(registry_policies.c.policy)
    .where(
        registry_policies.c.account_id == repositories.c.account_id, registry_policies.c.region == repositories.c.region
    )
    .scalar_subquery()
)
# Every request asks for both.
_FOUND = sa.select(repositories, _OF_REGISTRY)


def _repository(row: Any) -> Repository:
    id_, account, region, name, created_at, tag_mutability, exclusions, scan_on_push, encryption, *policies = row
    return Repository(
        id=id_,
        account=account,
        region=region,
        name=name,
        created_at=from_micros(created_at),
        tag_mutability=tag_mutability,
        mutability_exclusions=tuple(msgspec.json.decode(exclusions)),
        scan_on_push=bool(scan_on_push),
        encryption=msgspec.json.decode(encryption),
        policy=policies[0],
        registry_policy=policies[1],
    )


def create(
    tx: sa.Connection,
    *,
    account: str,
    region: str,
    name: str,
    now: datetime,
    tag_mutability: str = "MUTABLE",
    mutability_exclusions: Sequence[Mapping[str, str]] = (),
    scan_on_push: bool = False,
    encryption: Mapping[str, str] | None = None,
) -> Repository:
    """Raises RepositoryAlreadyExists, also for the later of two that race."""
    row = {
        "account_id": account,
        "region": region,
        "name": name,
        "created_at": to_micros(now),
        "tag_mutability": tag_mutability,
        "mutability_exclusions": json.dumps(list(mutability_exclusions)),
        "scan_on_push": int(scan_on_push),
        "encryption": json.dumps(dict(encryption or {"encryptionType": "AES256"})),
    }
    if insert_missing(tx, repositories, [row]) == 0:
        raise RepositoryAlreadyExists(name, account)
    return get(tx, account, region, name)


_BY_NAME = Prepared(
    _FOUND.where(
        repositories.c.account_id == sa.bindparam("account"),
        repositories.c.region == sa.bindparam("region"),
        repositories.c.name == sa.bindparam("name"),
    )
)
_BY_IDS = Prepared(_FOUND.where(among(repositories.c.id, "ids")).order_by(repositories.c.id))
_BY_ID = Prepared(_FOUND.where(repositories.c.id == sa.bindparam("id")))
_LOCK = Prepared(_FOUND.where(repositories.c.id == sa.bindparam("id")).with_for_update())


def find(tx: sa.Connection, account: str, region: str, name: str) -> Repository | None:
    row = _BY_NAME.row(tx, account=account, region=region, name=name)
    return None if row is None else _repository(row)


def get(tx: sa.Connection, account: str, region: str, name: str) -> Repository:
    """Raises RepositoryNotFound."""
    found = find(tx, account, region, name)
    if found is None:
        raise RepositoryNotFound(name, account)
    return found


def by_id(tx: sa.Connection, repository_id: int) -> Repository | None:
    row = _BY_ID.row(tx, id=repository_id)
    return None if row is None else _repository(row)


def many(tx: sa.Connection, repository_ids: Sequence[int]) -> list[Repository]:
    """In the order of ids; those that are gone are left out."""
    return [_repository(row) for row in _BY_IDS.rows(tx, ids=repository_ids)]


def page(tx: sa.Connection, account: str, region: str, after: str, limit: int) -> list[Repository]:
    """Repositories whose names sort after `after`, by name."""
    query = (
        _FOUND.where(repositories.c.account_id == account, repositories.c.region == region, repositories.c.name > after)
        .order_by(repositories.c.name)
        .limit(limit)
    )
    return [_repository(row) for row in tx.execute(query)]


def lock(tx: sa.Connection, repository_id: int) -> Repository | None:
    """Hold the repository's row until the transaction ends, against deletion and other holders of its lock.

    Returns it as it is now, None where it is gone. SQLite's write transactions exclude each other anyway.

    Locks are taken in one order, so that nobody waits in a circle: the repository, what is in it (an upload; an image,
    then its scan), the blob. Whoever holds one asks for none before it: a deletion of the repository goes on from this
    lock to all that is in it.
    """
    row = _LOCK.row(tx, id=repository_id)
    return None if row is None else _repository(row)


def delete(tx: sa.Connection, repository_id: int) -> None:
    tx.execute(repositories.delete().where(repositories.c.id == repository_id))


def set_scan_on_push(tx: sa.Connection, repository_id: int, enabled: bool) -> None:
    tx.execute(repositories.update().where(repositories.c.id == repository_id).values(scan_on_push=int(enabled)))


def set_mutability(
    tx: sa.Connection, repository_id: int, mutability: str, exclusions: Sequence[Mapping[str, str]]
) -> None:
    values = {"tag_mutability": mutability, "mutability_exclusions": json.dumps(list(exclusions))}
    tx.execute(repositories.update().where(repositories.c.id == repository_id).values(**values))


def set_policy(tx: sa.Connection, repository_id: int, policy: str | None) -> None:
    """None: it has no policy."""
    tx.execute(repositories.update().where(repositories.c.id == repository_id).values(policy=policy))


def labels(tx: sa.Connection, repository_id: int) -> dict[str, str]:
    """Resource tags, by key."""
    query = (
        sa.select(repository_labels.c.key, repository_labels.c.value)
        .where(repository_labels.c.repository_id == repository_id)
        .order_by(repository_labels.c.key)
    )
    return {row.key: row.value for row in tx.execute(query)}


def set_labels(tx: sa.Connection, repository_id: int, values: Mapping[str, str]) -> None:
    remove_labels(tx, repository_id, list(values))
    rows = [{"repository_id": repository_id, "key": key, "value": value} for key, value in values.items()]
    if rows:
        tx.execute(repository_labels.insert(), rows)


def remove_labels(tx: sa.Connection, repository_id: int, keys: Sequence[str]) -> None:
    tx.execute(
        repository_labels.delete().where(
            repository_labels.c.repository_id == repository_id, repository_labels.c.key.in_(keys)
        )
    )
