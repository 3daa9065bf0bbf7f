"""Generations of advisory data, and the head row that says which one readers use."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hullwise.store.clock import from_micros, maybe, to_micros
from hullwise.store.engine import HEAD_IDLE_SECONDS, Prepared, limit_idling
from hullwise.store.tables import generations, head


@dataclass(frozen=True, slots=True)
class Generation:
    number: int
    digest: str
    rules_version: int
    object_key: str
    records: int
    data_as_of: datetime | None
    sources: tuple[dict[str, Any], ...]
    published_at: datetime


def _generation(row: Any) -> Generation:
    number, digest, rules_version, object_key, records, data_as_of, sources, published_at = row
    return Generation(
        number=number,
        digest=digest,
        rules_version=rules_version,
        object_key=object_key,
        records=records,
        data_as_of=maybe(data_as_of),
        sources=tuple(json.loads(sources)),
        published_at=from_micros(published_at),
    )


_HEAD = Prepared(sa.select(head.c.generation))
_BY_NUMBER = Prepared(sa.select(generations).where(generations.c.number == sa.bindparam("number")))


def head_number(tx: sa.Connection) -> int:
    """The generation that readers use; 0 where there is none yet."""
    return int(_HEAD.value(tx))


def hold_head(tx: sa.Connection, *, alone: bool = False) -> int:
    """The head's generation, which stays so until the transaction ends; `alone`: nobody else may hold it. On PostgreSQL
    the transaction ends by itself where it says nothing for HEAD_IDLE_SECONDS."""
    limit_idling(tx, HEAD_IDLE_SECONDS)
    return int(tx.execute(sa.select(head.c.generation).with_for_update(read=not alone)).scalar_one())


def get(tx: sa.Connection, number: int) -> Generation | None:
    row = _BY_NUMBER.row(tx, number=number)
    return None if row is None else _generation(row)


def head_at(tx: sa.Connection, moment: datetime) -> int:
    """The generation that readers used at that moment; 0: none yet."""
    query = sa.select(sa.func.max(generations.c.number)).where(generations.c.published_at <= to_micros(moment))
    return tx.execute(query).scalar() or 0


def with_files(tx: sa.Connection, up_to: int | None = None) -> list[Generation]:
    """Generations whose files are still there; `up_to`: of that number and before it."""
    query = sa.select(generations).where(generations.c.object_key != "")
    if up_to is not None:
        query = query.where(generations.c.number <= up_to)
    return [_generation(row) for row in tx.execute(query)]


def drop_file(tx: sa.Connection, generation: Generation) -> bool:
    """From now on the generation has no file. What is known of it stays: reports name it.

    Returns whether the file may go: data that returned to what it was is one file for two generations.
    """
    tx.execute(generations.update().where(generations.c.number == generation.number).values(object_key=""))
    return not names_file(tx, generation.object_key)


def names_file(tx: sa.Connection, object_key: str) -> bool:
    """Whether any generation has this file."""
    query = sa.select(generations.c.number).where(generations.c.object_key == object_key)
    return tx.execute(query.limit(1)).first() is not None


def add(tx: sa.Connection, generation: Generation) -> None:
    tx.execute(
        generations.insert().values(
            number=generation.number,
            digest=generation.digest,
            rules_version=generation.rules_version,
            object_key=generation.object_key,
            records=generation.records,
            data_as_of=None if generation.data_as_of is None else to_micros(generation.data_as_of),
            sources=json.dumps(list(generation.sources)),
            published_at=to_micros(generation.published_at),
        )
    )


def refresh(tx: sa.Connection, generation: Generation) -> None:
    """The same rows came again, newer: what is said of their sources changes, the generation does not."""
    as_of = None if generation.data_as_of is None else to_micros(generation.data_as_of)
    row = generations.update().where(generations.c.number == generation.number)
    tx.execute(
        row.values(
            object_key=generation.object_key,
            records=generation.records,
            data_as_of=as_of,
            sources=json.dumps(list(generation.sources)),
        )
    )


def move_head(tx: sa.Connection, number: int) -> None:
    """The caller holds the head alone."""
    tx.execute(head.update().values(generation=number))
