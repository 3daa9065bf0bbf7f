"""How a registry scans, and its account settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from hullwise.domain.scan_rules import ScanRule
from hullwise.domain.scans import ScanType
from hullwise.store.clock import to_micros
from hullwise.store.engine import Prepared, insert_missing, serialise
from hullwise.store.tables import account_settings, scan_configurations

_rules = msgspec.json.Decoder(tuple[ScanRule, ...])


@dataclass(frozen=True, slots=True)
class Configuration:
    id: int
    """0: the one that nobody put."""
    account: str
    region: str
    scan_type: ScanType = ScanType.BASIC
    rules: tuple[ScanRule, ...] = ()


def _configuration(row: Any) -> Configuration | None:
    if row is None:
        return None
    configuration_id, account, region, scan_type, rules = row
    return Configuration(configuration_id, account, region, ScanType(scan_type), _rules.decode(rules))


_COLUMNS = tuple(scan_configurations.c[name] for name in ("id", "account_id", "region", "scan_type", "rules"))
_LATEST = (
    sa.select(*_COLUMNS)
    .where(
        scan_configurations.c.account_id == sa.bindparam("account"),
        scan_configurations.c.region == sa.bindparam("region"),
    )
    .order_by(scan_configurations.c.id.desc())
    .limit(1)
)
_CURRENT = Prepared(_LATEST)
_BEFORE = Prepared(
    _LATEST.where(scan_configurations.c.id < sa.bindparam("id"), scan_configurations.c.applied_at.is_not(None))
)
_BY_ID = Prepared(sa.select(*_COLUMNS).where(scan_configurations.c.id == sa.bindparam("id")))


def _lock(account: str, region: str) -> str:
    return f"scan configuration {account} {region}"


def current(tx: sa.Connection, account: str, region: str, *, hold: bool = False) -> Configuration:
    """What is in force; with `hold` until the transaction ends, so that whoever follows a later one finds all that this
    transaction does."""
    if hold:
        serialise(tx, _lock(account, region), shared=True)
    return _configuration(_CURRENT.row(tx, account=account, region=region)) or Configuration(0, account, region)


def get(tx: sa.Connection, configuration_id: int) -> Configuration | None:
    return _configuration(_BY_ID.row(tx, id=configuration_id))


def before(tx: sa.Connection, configuration: Configuration) -> Configuration:
    """The one before it that every image followed; those that another replaced sooner are passed over."""
    account, region = configuration.account, configuration.region
    row = _BEFORE.row(tx, account=account, region=region, id=configuration.id)
    return _configuration(row) or Configuration(0, account, region)


def put(
    tx: sa.Connection, account: str, region: str, scan_type: ScanType, rules: Sequence[ScanRule], now: datetime
) -> Configuration:
    """From now on this is in force."""
    serialise(tx, _lock(account, region))
    row = {"account_id": account, "region": region, "scan_type": scan_type.value, "created_at": to_micros(now)}
    statement = scan_configurations.insert().values(rules=msgspec.json.encode(list(rules)).decode(), **row)
    key = tx.execute(statement).inserted_primary_key
    assert key is not None
    return Configuration(int(key[0]), account, region, scan_type, tuple(rules))


def applied(tx: sa.Connection, configuration_id: int, now: datetime) -> None:
    """Every image that was there follows it."""
    statement = scan_configurations.update().where(scan_configurations.c.id == configuration_id)
    tx.execute(statement.values(applied_at=to_micros(now)))


def unapplied(tx: sa.Connection) -> list[int]:
    """Ids of those that are in force, and that images have yet to follow."""
    columns = scan_configurations.c
    in_force = sa.select(sa.func.max(columns.id)).group_by(columns.account_id, columns.region)
    query = sa.select(columns.id).where(columns.id.in_(in_force), columns.applied_at.is_(None)).order_by(columns.id)
    return list(tx.execute(query).scalars())


def setting(tx: sa.Connection, account: str, region: str, name: str) -> str | None:
    """None: never put."""
    columns = account_settings.c
    query = sa.select(columns.value).where(
        columns.account_id == account, columns.region == region, columns.name == name
    )
    value: str | None = tx.execute(query).scalar()
    return value


def set_setting(tx: sa.Connection, account: str, region: str, name: str, value: str) -> None:
    columns = account_settings.c
    where = sa.and_(columns.account_id == account, columns.region == region, columns.name == name)
    row = {"account_id": account, "region": region, "name": name, "value": value}
    if not insert_missing(tx, account_settings, [row]):
        tx.execute(account_settings.update().where(where).values(value=value))
