"""What was found in layers, and the inventories of images that it adds up to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec.structs import asdict, astuple

from hullwise.domain.packages import Distribution, Occurrence
from hullwise.store.clock import to_micros
from hullwise.store.engine import Prepared, among, chunks, insert_missing, insert_new, serialise
from hullwise.store.packages import ids_of, load
from hullwise.store.tables import (
    inventories,
    inventory_part_links,
    inventory_parts,
    layer_analyses,
    merges,
    part_occurrences,
    reports,
)

_BY_ID = Prepared(
    sa.select(inventories.c.distribution, inventories.c.coverage).where(inventories.c.id == sa.bindparam("id"))
)

_ANALYSERS = Prepared(
    sa.select(layer_analyses.c.digest, layer_analyses.c.analyser, layer_analyses.c.version).where(
        among(layer_analyses.c.digest, "digests")
    )
)
_HELD = Prepared(
    sa.select(inventories.c.id).where(inventories.c.id == sa.bindparam("id")).with_for_update(read=True, key_share=True)
)
_UNNAMED = ~sa.exists().where(reports.c.inventory_id == inventories.c.id)
_MERGED = Prepared(sa.select(merges.c.inventory_id).where(merges.c.digest == sa.bindparam("digest")))


@dataclass(frozen=True, slots=True)
class StoredInventory:
    id: int
    distribution: Distribution | None
    coverage: dict[str, Any]


def analysers_of(tx: sa.Connection, digests: Sequence[str], wanted: Mapping[str, int]) -> dict[str, set[str]]:
    """By layer, those of the wanted analysers whose wanted version has read it; layers that none has are left out."""
    found: dict[str, set[str]] = {}
    for digest, analyser, version in _ANALYSERS.rows(tx, digests=digests):
        if version == wanted.get(analyser):
            found.setdefault(digest, set()).add(analyser)
    return found


def layer_analysis(tx: sa.Connection, digest: str, wanted: Mapping[str, int]) -> dict[str, bytes]:
    """What is known of a layer: body by analyser, of those analysers whose wanted version has read it."""
    query = sa.select(layer_analyses).where(
        layer_analyses.c.digest == digest, layer_analyses.c.analyser.in_(list(wanted))
    )
    return {row.analyser: row.body for row in tx.execute(query) if row.version == wanted[row.analyser]}


def save_layer_analysis(tx: sa.Connection, digest: str, bodies: Mapping[str, tuple[int, bytes]], now: datetime) -> None:
    """Keep what analysers (name to version and body) found. What is there already stays: it is the same."""
    rows = [
        {"digest": digest, "analyser": name, "version": version, "body": body, "analysed_at": to_micros(now)}
        for name, (version, body) in bodies.items()
    ]
    insert_missing(tx, layer_analyses, rows)


def _digest(content: Any) -> str:
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def parts_of(occurrences: Iterable[Occurrence]) -> list[list[Occurrence]]:
    """One part for each introducing layer, in the order given: what images with a common base share."""
    parts: dict[str, list[Occurrence]] = {}
    for occurrence in occurrences:
        parts.setdefault(occurrence.layer, []).append(occurrence)
    return list(parts.values())


def save(
    tx: sa.Connection,
    occurrences: Sequence[Occurrence],
    distribution: Distribution | None,
    coverage: Mapping[str, Any],
    now: datetime,
) -> int:
    """Keep an inventory and return its id; the same content has the same id. Its packages are interned already."""
    parts = [
        (_digest([(astuple(o.package), o.path, o.layer, o.owner) for o in part]), part)
        for part in parts_of(occurrences)
    ]
    about = {"distribution": None if distribution is None else asdict(distribution), "coverage": dict(coverage)}
    digest = _digest([[part_digest for part_digest, _ in parts], about])
    row = {
        "digest": digest,
        "distribution": json.dumps(about["distribution"]),
        "coverage": json.dumps(about["coverage"]),
        "created_at": to_micros(now),
    }
    inventory_id, new = _interned(tx, inventories, row)
    if not new:
        return inventory_id
    ids = ids_of(tx, {o.package for o in occurrences})
    links = []
    for ordinal, (part_digest, part) in enumerate(parts):
        part_id, new = _interned(tx, inventory_parts, {"digest": part_digest})
        links.append({"inventory_id": inventory_id, "ordinal": ordinal, "part_id": part_id})
        if new:
            rows = [
                {
                    "part_id": part_id,
                    "ordinal": at,
                    "package_id": ids[o.package],
                    "path": o.path,
                    "layer": o.layer,
                    "owner": o.owner,
                }
                for at, o in enumerate(part)
            ]
            tx.execute(part_occurrences.insert(), rows)
    insert_missing(tx, inventory_part_links, links)
    return inventory_id


def _interned(tx: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> tuple[int, bool]:
    """The id of the row with that digest, which stays until the transaction ends, and whether it is new."""
    there = sa.select(table.c.id).where(table.c.digest == row["digest"]).with_for_update(read=True, key_share=True)
    while True:
        made = insert_new(tx, table, row, (table.c.id,))
        if made is not None:
            return int(made[0]), True
        # Whoever forgets may be taking it away: then it is there no more once that has committed.
        held = tx.execute(there).scalar()
        if held is not None:
            return int(held), False


def hold(tx: sa.Connection, inventory_id: int) -> bool:
    """Whether the inventory is there; it stays until the transaction ends."""
    return _HELD.value(tx, id=inventory_id) is not None


def unnamed(tx: sa.Connection, before: datetime, after: int, limit: int) -> list[int]:
    """Ids above `after`, in their order, of inventories from before that moment that no report is of."""
    query = sa.select(inventories.c.id).where(
        inventories.c.id > after, inventories.c.created_at < to_micros(before), _UNNAMED
    )
    return list(tx.execute(query.order_by(inventories.c.id).limit(limit)).scalars())


def drop(tx: sa.Connection, ids: Sequence[int]) -> int:
    """Take away those of the inventories that no report is of, with the parts that no other has. Returns how many."""
    serialise(tx, "inventories that are dropped")
    mine = inventories.c.id.in_(ids)
    # Whoever holds one is about to name it. Once they are locked here nobody can, and whoever did before is seen.
    locked = tx.execute(sa.select(inventories.c.id).where(mine).with_for_update(skip_locked=True)).scalars().all()
    gone = tx.execute(sa.select(inventories.c.id).where(inventories.c.id.in_(locked), _UNNAMED)).scalars().all()
    if not gone:
        return 0
    links, parts = inventory_part_links.c, inventory_parts.c
    had = tx.execute(sa.select(links.part_id).where(links.inventory_id.in_(gone)).distinct()).scalars().all()
    tx.execute(merges.delete().where(merges.c.inventory_id.in_(gone)))
    tx.execute(inventories.delete().where(inventories.c.id.in_(gone)))
    unlinked = ~sa.exists().where(links.part_id == parts.id)
    for chunk in chunks(had):
        # Waited for: nobody looks at a part again whose last inventory is gone.
        free = sa.select(parts.id).where(parts.id.in_(chunk)).order_by(parts.id).with_for_update()
        held = tx.execute(free).scalars().all()
        tx.execute(inventory_parts.delete().where(parts.id.in_(held), unlinked))
    return len(gone)


def merged(tx: sa.Connection, digest: str) -> int | None:
    """The inventory that a merge with this digest has made; None: there was none yet."""
    found: int | None = _MERGED.value(tx, digest=digest)
    return found


def note_merged(tx: sa.Connection, digest: str, inventory_id: int) -> None:
    """Remember what a merge has made. The digest stands for everything that it depends on."""
    insert_missing(tx, merges, [{"digest": digest, "inventory_id": inventory_id}])


def get(tx: sa.Connection, inventory_id: int) -> StoredInventory:
    row = _BY_ID.row(tx, id=inventory_id)
    if row is None:
        raise LookupError(f"there is no inventory {inventory_id}")
    distribution, coverage = row
    about = json.loads(distribution)
    if about is not None:
        about["like"] = tuple(about["like"])
    return StoredInventory(inventory_id, None if about is None else Distribution(**about), json.loads(coverage))


_OF_INVENTORY = (
    sa.select(
        part_occurrences.c.package_id, part_occurrences.c.path, part_occurrences.c.layer, part_occurrences.c.owner
    )
    .join(inventory_part_links, inventory_part_links.c.part_id == part_occurrences.c.part_id)
    .where(inventory_part_links.c.inventory_id == sa.bindparam("inventory"))
    .order_by(inventory_part_links.c.ordinal, part_occurrences.c.ordinal)
)
_OCCURRENCES = Prepared(_OF_INVENTORY)
_OCCURRENCES_OF = Prepared(_OF_INVENTORY.where(among(part_occurrences.c.package_id, "packages")))


def package_ids(tx: sa.Connection, inventory_id: int) -> list[int]:
    """Ids of the inventory's packages, in the order of its occurrences."""
    return list(dict.fromkeys(row[0] for row in _OCCURRENCES.rows(tx, inventory=inventory_id)))


def occurrences(
    tx: sa.Connection, inventory_id: int, only: Sequence[int] | None = None
) -> list[tuple[int, Occurrence]]:
    """(package id, occurrence) in the order of the layers; `only`: of these packages."""
    if only is None:
        rows = _OCCURRENCES.rows(tx, inventory=inventory_id)
    else:
        rows = _OCCURRENCES_OF.rows(tx, inventory=inventory_id, packages=only)
    packages = load(tx, {row[0] for row in rows})
    return [(package, Occurrence(packages[package], path, layer, owner)) for package, path, layer, owner in rows]
