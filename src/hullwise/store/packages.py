"""Interned packages, and what hits them in which generations.

    matched_from  matched_at  matched_through
    null          -           -                never matched: what hits it is unknown, not nothing
    N             M           null             matches hold for every generation from N up to the head; M is the last
                                               one for whose change of its name it was matched again
    N             M           T                matches hold from N to T only: nothing installs it any more, and
                                               publishing passes it by until it is matched anew

Whoever sets `matched_from` holds the head row shared and matched through the head. Whoever moves the head holds it
alone and has first matched every package whose name changed. So what is null above is always true.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from hullwise.domain.packages import Package
from hullwise.store.engine import Prepared, among, chunks, insert_missing
from hullwise.store.tables import assessments, matches, packages

_IDENTITY = (
    packages.c.ecosystem,
    packages.c.namespace,
    packages.c.name,
    packages.c.version,
    packages.c.source_name,
    packages.c.source_version,
    packages.c.architecture,
    packages.c.scope,
)
_NAMES = tuple(column.name for column in _IDENTITY)
_identity = attrgetter(*_NAMES)
_BY_IDS = Prepared(sa.select(packages.c.id, *_IDENTITY).where(among(packages.c.id, "ids")))


def intern(tx: sa.Connection, wanted: Iterable[Package]) -> None:
    """Make sure that each package has a row. Sorted, so that two who intern the same do not wait for each other."""
    rows = [dict(zip(_NAMES, _identity(package), strict=True)) for package in sorted(set(wanted))]
    insert_missing(tx, packages, rows)


def ids_of(tx: sa.Connection, wanted: Iterable[Package]) -> dict[Package, int]:
    """Ids of those packages that are interned."""
    by_name: dict[tuple[str, str], list[Package]] = {}
    for package in wanted:
        by_name.setdefault((package.namespace, package.source_name), []).append(package)
    remaining = {package for group in by_name.values() for package in group}
    found: dict[Package, int] = {}
    names = sorted(by_name)
    for namespace in sorted({namespace for namespace, _ in names}):
        for chunk in chunks([name for space, name in names if space == namespace]):
            query = sa.select(packages.c.id, *_IDENTITY).where(
                packages.c.namespace == namespace, packages.c.source_name.in_(chunk)
            )
            for row in tx.execute(query):
                package = Package(*row[1:])
                if package in remaining:
                    found[package] = row[0]
    return found


def load(tx: sa.Connection, ids: Iterable[int]) -> dict[int, Package]:
    rows = _BY_IDS.rows(tx, ids=sorted(set(ids)))
    return {package_id: Package(*identity) for package_id, *identity in rows}


_GENERATION: sa.BindParameter[int] = sa.bindparam("generation")
# `NOT (null <= n)` is null, not true: what holds is asked for, and the rest taken.
_MATCHED = Prepared(
    sa.select(packages.c.id).where(
        among(packages.c.id, "ids"),
        packages.c.matched_from <= _GENERATION,
        sa.or_(packages.c.matched_through.is_(None), packages.c.matched_through >= _GENERATION),
    )
)


def unmatched(tx: sa.Connection, ids: Sequence[int], generation: int) -> list[int]:
    """Those of the packages whose matches do not hold for the generation."""
    held = {package_id for (package_id,) in _MATCHED.rows(tx, ids=ids, generation=generation)}
    return [package_id for package_id in ids if package_id not in held]


def owner_scopes(tx: sa.Connection) -> list[str]:
    """Every scope that says by which package of a distribution a language package was installed, sorted."""
    # Of all scopes those alone have several words.
    query = sa.select(packages.c.scope).where(packages.c.scope.like("% %")).distinct().order_by(packages.c.scope)
    return list(tx.execute(query).scalars())


def installed_named(
    tx: sa.Connection,
    names: Sequence[tuple[str, str]],
    before: int,
    by_binary: Container[str] = (),
    owned: Sequence[str] = (),
    limit: int | None = None,
) -> dict[int, Package]:
    """Packages that publishing must match again: kept up to the head, of one of the (namespace, name) pairs or with one
    of the scopes `owned`, and not yet matched for generation `before`. `by_binary`: publishers that name what is
    installed too."""
    found: dict[int, Package] = {}
    wanted: list[sa.ColumnElement[bool]] = [packages.c.scope.in_(chunk) for chunk in chunks(owned)]
    by_namespace: dict[str, list[str]] = {}
    for namespace, name in names:
        by_namespace.setdefault(namespace, []).append(name)
    for namespace, group in sorted(by_namespace.items()):
        columns = [packages.c.source_name, *([packages.c.name] if namespace.partition(":")[0] in by_binary else [])]
        for chunk in chunks(sorted(group)):
            wanted += [sa.and_(packages.c.namespace == namespace, column.in_(chunk)) for column in columns]
    for which in wanted:
        query = sa.select(packages.c.id, *_IDENTITY).where(
            which,
            packages.c.matched_from.is_not(None),
            packages.c.matched_through.is_(None),
            packages.c.matched_at < before,
        )
        for row in tx.execute(query):
            found[row[0]] = Package(*row[1:])
            if limit is not None and len(found) >= limit:
                return found
    return found


def open_matches(tx: sa.Connection, package_ids: Sequence[int], head: int) -> dict[int, set[int]]:
    """Assessment ids by package that hold at the head."""
    found: dict[int, set[int]] = {package_id: set() for package_id in package_ids}
    for chunk in chunks(list(package_ids)):
        query = sa.select(matches.c.package_id, matches.c.assessment_id).where(
            matches.c.package_id.in_(chunk), *_holding(head)
        )
        for row in tx.execute(query):
            found[row.package_id].add(row.assessment_id)
    return found


def _holding(generation: sa.ColumnElement[int] | int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        matches.c.from_generation <= generation,
        sa.or_(matches.c.to_generation.is_(None), matches.c.to_generation > generation),
    )


_MATCHES = Prepared(
    sa.select(matches.c.package_id, matches.c.assessment_id)
    .where(among(matches.c.package_id, "ids"), *_holding(_GENERATION))
    .order_by(matches.c.assessment_id)
)


def matches_of(tx: sa.Connection, package_ids: Sequence[int], generation: int) -> dict[int, list[int]]:
    """Assessment ids by package at the generation; packages without any are left out."""
    found: dict[int, list[int]] = {}
    for package_id, assessment_id in _MATCHES.rows(tx, ids=package_ids, generation=generation):
        found.setdefault(package_id, []).append(assessment_id)
    return found


def begin_matches(tx: sa.Connection, hits: Mapping[int, Iterable[int]], generation: int) -> None:
    """Packages matched for the first time, or anew: their matches hold from the generation, which is the head's.

    The caller holds the head row shared and has read that generation from it."""
    ids = sorted(hits)
    for chunk in chunks(ids):
        # What an earlier span left open ended when the package stopped being kept up.
        stale = matches.update().where(matches.c.package_id.in_(chunk), matches.c.to_generation.is_(None))
        tx.execute(stale.values(to_generation=generation))
        empty = matches.delete().where(
            matches.c.package_id.in_(chunk), matches.c.to_generation <= matches.c.from_generation
        )
        tx.execute(empty)
    rows = [
        {"package_id": package_id, "assessment_id": assessment_id, "from_generation": generation}
        for package_id in ids
        for assessment_id in sorted(set(hits[package_id]))
    ]
    insert_missing(tx, matches, rows)
    _mark(tx, ids, matched_from=generation, matched_at=generation, matched_through=None)


def move_matches(
    tx: sa.Connection, package_ids: Sequence[int], old: Mapping[int, set[int]], new: Mapping[int, set[int]], to: int
) -> None:
    """Write ahead what generation `to`, one above the head, says: close what it no longer says, open what it adds.

    What is said of the same vulnerability in other words keeps the generation that it is known since.
    """
    since = _since(tx, package_ids, old, new)
    for package_id in package_ids:
        for assessment_id in sorted(old[package_id] - new[package_id]):
            ended = matches.update().where(
                matches.c.package_id == package_id,
                matches.c.assessment_id == assessment_id,
                matches.c.to_generation.is_(None),
            )
            tx.execute(ended.values(to_generation=to))
    rows: list[dict[str, Any]] = [
        {
            "package_id": package_id,
            "assessment_id": assessment_id,
            "from_generation": to,
            "since_generation": since.get((package_id, assessment_id)),
        }
        for package_id in package_ids
        for assessment_id in sorted(new[package_id] - old[package_id])
    ]
    insert_missing(tx, matches, rows)
    _mark(tx, package_ids, matched_at=to)


def _since(
    tx: sa.Connection, package_ids: Sequence[int], old: Mapping[int, set[int]], new: Mapping[int, set[int]]
) -> dict[tuple[int, int], int]:
    """By (package, assessment) that is new to it: since when its vulnerability is known there, where it was before."""
    changed = [package for package in package_ids if old[package] - new[package] and new[package] - old[package]]
    about: dict[int, int] = {}
    for chunk in chunks(sorted({assessment for package in changed for assessment in old[package] ^ new[package]})):
        query = sa.select(assessments.c.id, assessments.c.vulnerability_id).where(assessments.c.id.in_(chunk))
        about |= {row.id: row.vulnerability_id for row in tx.execute(query)}
    known: dict[tuple[int, int], int] = {}
    first = sa.func.coalesce(matches.c.since_generation, matches.c.from_generation)
    for chunk in chunks(changed):
        query = sa.select(matches.c.package_id, matches.c.assessment_id, first).where(
            matches.c.package_id.in_(chunk), matches.c.to_generation.is_(None)
        )
        for row in tx.execute(query):
            if row[1] in about:
                key = (row[0], about[row[1]])
                known[key] = min(int(row[2]), known.get(key, int(row[2])))
    return {
        (package, assessment): known[package, about[assessment]]
        for package in changed
        for assessment in new[package] - old[package]
        if (package, about[assessment]) in known
    }


def names_in(tx: sa.Connection, namespaces: Iterable[str]) -> list[tuple[str, str]]:
    """(namespace, name) of every package of these namespaces, by that of its source, sorted."""
    columns = (packages.c.namespace, packages.c.source_name)
    query = sa.select(*columns).where(packages.c.namespace.in_(sorted(namespaces))).distinct().order_by(*columns)
    return [(row[0], row[1]) for row in tx.execute(query)]


def matched_names(tx: sa.Connection) -> set[tuple[str, str]]:
    """(namespace, name) of every package that was ever matched, by its own name and by that of its source."""
    columns = (packages.c.namespace, packages.c.source_name, packages.c.name)
    query = sa.select(*columns).where(packages.c.matched_from.is_not(None)).distinct()
    return {(row[0], name) for row in tx.execute(query) for name in row[1:]}


def forget_closed(tx: sa.Connection, generation: int) -> int:
    """Drop matches that had ended when the generation was published. Returns how many."""
    return tx.execute(matches.delete().where(matches.c.to_generation <= generation)).rowcount


def take_back(tx: sa.Connection, head: int) -> None:
    """Undo what a publication that never moved the head had written ahead."""
    tx.execute(matches.delete().where(matches.c.from_generation > head))
    tx.execute(matches.update().where(matches.c.to_generation > head).values(to_generation=None))
    tx.execute(packages.update().where(packages.c.matched_at > head).values(matched_at=head))


def _mark(tx: sa.Connection, ids: Sequence[int], **values: int | None) -> None:
    for chunk in chunks(list(ids)):
        tx.execute(packages.update().where(packages.c.id.in_(chunk)).values(**values))
