"""Publications: how far the way of a new generation to its readers is.

matching ──▶ moving ──▶ done
    └──▶ dropped                 before the head moved, and taken back
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hullwise.store import generations
from hullwise.store.clock import maybe, to_micros
from hullwise.store.generations import Generation
from hullwise.store.tables import publications

_OPEN = ("matching", "moving")


@dataclass(frozen=True, slots=True)
class Publication:
    id: int
    base: int
    """The head's generation when it was built; 0: there was none."""
    generation: Generation
    """What the head moves to."""
    state: str
    names: int
    names_done: int
    packages: int
    inventories: int
    inventories_done: int
    images: int
    cursor: int
    ended_at: datetime | None

    @property
    def open(self) -> bool:
        return self.state in _OPEN


def _encode(generation: Generation) -> str:
    fields = asdict(generation)
    for name in ("data_as_of", "published_at"):
        fields[name] = fields[name] and fields[name].isoformat()
    return json.dumps(fields)


def _decode(text: str) -> Generation:
    fields = json.loads(text)
    for name in ("data_as_of", "published_at"):
        fields[name] = fields[name] and datetime.fromisoformat(fields[name])
    return replace(Generation(**fields), sources=tuple(fields["sources"]))


def _publication(row: sa.Row[Any]) -> Publication:
    return Publication(
        id=row.id,
        base=row.base,
        generation=_decode(row.generation),
        state=row.state,
        names=row.names,
        names_done=row.names_done,
        packages=row.packages,
        inventories=row.inventories,
        inventories_done=row.inventories_done,
        images=row.images,
        cursor=row.cursor,
        ended_at=maybe(row.ended_at),
    )


def begin(tx: sa.Connection, base: int, generation: Generation, now: datetime) -> Publication:
    """A publication that has matched nothing yet."""
    zeros = dict.fromkeys(("names", "names_done", "packages", "inventories", "inventories_done", "images", "cursor"), 0)
    statement = publications.insert().values(
        base=base, generation=_encode(generation), state="matching", begun_at=to_micros(now), **zeros
    )
    key = tx.execute(statement).inserted_primary_key
    assert key is not None
    found = get(tx, int(key[0]))
    assert found is not None
    return found


def get(tx: sa.Connection, publication_id: int) -> Publication | None:
    row = tx.execute(sa.select(publications).where(publications.c.id == publication_id)).first()
    return None if row is None else _publication(row)


def unfinished(tx: sa.Connection) -> Publication | None:
    """The publication that is on its way; there is one at most, since whoever begins one holds their lock."""
    row = tx.execute(sa.select(publications).where(publications.c.state.in_(_OPEN)).order_by(publications.c.id)).first()
    return None if row is None else _publication(row)


def kept_files(tx: sa.Connection) -> set[str]:
    """Object keys of the files that belong to generations: that of the one on its way among them."""
    found = {row.object_key for row in generations.with_files(tx)}
    coming = unfinished(tx)
    return found if coming is None else found | {coming.generation.object_key}


def latest(tx: sa.Connection) -> Publication | None:
    row = tx.execute(sa.select(publications).order_by(publications.c.id.desc()).limit(1)).first()
    return None if row is None else _publication(row)


def note(tx: sa.Connection, publication_id: int, **values: int | str) -> None:
    """Write down how far it is."""
    tx.execute(publications.update().where(publications.c.id == publication_id).values(**values))


def end(tx: sa.Connection, publication_id: int, state: str, now: datetime) -> None:
    statement = publications.update().where(publications.c.id == publication_id)
    tx.execute(statement.values(state=state, ended_at=to_micros(now)))
