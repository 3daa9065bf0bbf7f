"""How a registry scans, and its account settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa

from hullwise.domain.scan_rules import ScanRule
from hullwise.domain.scans import ScanType
from hullwise.store.clock import to_micros
from hullwise.store.engine import insert_missing, serialise
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


def _first(tx: sa.Connection, query: sa.Select[tuple[object, ...]]) -> Configuration | None:
    row = tx.execute(query.order_by(scan_configurations.c.id.desc()).limit(1)).first()
    if row is None:
        return None
    return Configuration(row.id, row.account_id, row.region, ScanType(row.scan_type), _rules.decode(row.rules))


def _of(account: str, region: str) -> sa.Select[tuple[object, ...]]:
    columns = scan_configurations.c
    return sa.select(scan_configurations).where(columns.account_id == account, columns.region == region)


def _lock(account: str, region: str) -> str:
    return f"scan configuration {account} {region}"


def current(tx: sa.Connection, account: str, region: str, *, hold: bool = False) -> Configuration:
    """What is in force; with `hold` until the transaction ends, so that whoever follows a later one finds all that this
    transaction does."""
    if hold:
        serialise(tx, _lock(account, region), shared=True)
    return _first(tx, _of(account, region)) or Configuration(0, account, region)


def get(tx: sa.Connection, configuration_id: int) -> Configuration | None:
    return _first(tx, sa.select(scan_configurations).where(scan_configurations.c.id == configuration_id))


def before(tx: sa.Connection, configuration: Configuration) -> Configuration:
    """The one before it that every image followed; those that another replaced sooner are passed over."""
    account, region, columns = configuration.account, configuration.region, scan_configurations.c
    earlier = _of(account, region).where(columns.id < configuration.id, columns.applied_at.is_not(None))
    return _first(tx, earlier) or Configuration(0, account, region)


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
