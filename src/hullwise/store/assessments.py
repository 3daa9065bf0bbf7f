"""Vulnerabilities under all their names, and the assessments that matches point to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from hullwise.domain.vulnerabilities import Assessment, decode, digest, encode
from hullwise.store.engine import Prepared, among, chunks, insert_missing
from hullwise.store.tables import assessments, vulnerabilities, vulnerability_names

_BODIES = Prepared(sa.select(assessments.c.id, assessments.c.body).where(among(assessments.c.id, "ids")))


def names(tx: sa.Connection, wanted: Iterable[str]) -> dict[str, tuple[int, str]]:
    """(vulnerability id, first publication or empty) by name, of those names that are known."""
    found: dict[str, tuple[int, str]] = {}
    for chunk in chunks(sorted(set(wanted))):
        for row in tx.execute(sa.select(vulnerability_names).where(vulnerability_names.c.name.in_(chunk))):
            found[row.name] = (row.vulnerability_id, row.published or "")
    return found


def names_of(tx: sa.Connection, vulnerability_ids: Iterable[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for chunk in chunks(sorted(set(vulnerability_ids))):
        query = sa.select(vulnerability_names).where(vulnerability_names.c.vulnerability_id.in_(chunk))
        for row in tx.execute(query):
            found.setdefault(row.vulnerability_id, set()).add(row.name)
    return found


def named(tx: sa.Connection, spellings: Sequence[str]) -> dict[str, int]:
    """Vulnerability ids by name, of the names that are one of the spellings; else of those that differ from the first
    in letters' case alone."""
    found = names(tx, spellings)
    if not found:
        folded = sa.func.lower(vulnerability_names.c.name) == spellings[0].lower()
        found = {
            row.name: (row.vulnerability_id, "") for row in tx.execute(sa.select(vulnerability_names).where(folded))
        }
    return {name: vulnerability for name, (vulnerability, _) in found.items()}


def about(tx: sa.Connection, vulnerability_ids: Iterable[int]) -> set[int]:
    """Ids of the assessments of these vulnerabilities."""
    found: set[int] = set()
    for chunk in chunks(sorted(set(vulnerability_ids))):
        query = sa.select(assessments.c.id).where(assessments.c.vulnerability_id.in_(chunk))
        found |= set(tx.execute(query).scalars())
    return found


def vulnerabilities_of(tx: sa.Connection, assessment_ids: Iterable[int]) -> set[int]:
    """What the assessments are about."""
    found: set[int] = set()
    for chunk in chunks(sorted(set(assessment_ids))):
        query = sa.select(assessments.c.vulnerability_id).where(assessments.c.id.in_(chunk))
        found |= set(tx.execute(query).scalars())
    return found


def with_upstream(tx: sa.Connection, after: int) -> tuple[dict[int, tuple[str, ...]], int]:
    """`upstream` by assessment id, of those above `after` that have any; and the last id of all.

    Reads every such body, and so is asked once for what is new: ids are given in the order of commits, since whoever
    saves assessments holds the lock on vulnerability names.
    """
    last = tx.execute(sa.select(sa.func.max(assessments.c.id))).scalar() or 0
    body = assessments.c.body
    # `upstream` is the last member, and the only one of the last two that is a list; left out where it is empty.
    ends = sa.func.substr(body, sa.func.length(body) - 1, type_=sa.LargeBinary())
    query = sa.select(assessments.c.id, body).where(
        assessments.c.id > after, assessments.c.id <= last, ends == sa.literal(b"]}", sa.LargeBinary())
    )
    return {row.id: found for row in tx.execute(query) if (found := decode(row.body).upstream)}, last


def new_vulnerability(tx: sa.Connection, since: int) -> int:
    """The id of a new one; ids grow, so that the smaller is the older."""
    key = tx.execute(vulnerabilities.insert().values(since=since)).inserted_primary_key
    assert key is not None
    return int(key[0])


def name_vulnerability(tx: sa.Connection, vulnerability_id: int, given: Mapping[str, str]) -> None:
    """Make the names (name to first publication, empty for an alias only) name this vulnerability."""
    rows = [
        {"name": name, "vulnerability_id": vulnerability_id, "published": published or None}
        for name, published in sorted(given.items())
    ]
    insert_missing(tx, vulnerability_names, rows)
    for chunk in chunks(sorted(given)):
        moved = vulnerability_names.update().where(vulnerability_names.c.name.in_(chunk))
        tx.execute(moved.values(vulnerability_id=vulnerability_id))
    for name, published in sorted(given.items()):
        if published:
            dated = vulnerability_names.update().where(vulnerability_names.c.name == name)
            tx.execute(dated.values(published=published))


def release_names(tx: sa.Connection, names: Iterable[str]) -> None:
    """The names name nothing any more."""
    for chunk in chunks(sorted(names)):
        tx.execute(vulnerability_names.delete().where(vulnerability_names.c.name.in_(chunk)))


def save(tx: sa.Connection, wanted: Mapping[Assessment, int]) -> dict[Assessment, int]:
    """Keep assessments (with the id of the vulnerability each is about); returns their ids.

    One that is kept already, about another vulnerability, is about this one from now on: aliases changed.
    """
    encoded = {assessment: encode(assessment) for assessment in wanted}
    digests = {assessment: digest(body) for assessment, body in encoded.items()}
    rows: list[dict[str, Any]] = [
        {
            "digest": digests[assessment],
            "vulnerability_id": wanted[assessment],
            "name": assessment.name,
            "severity": assessment.severity.value,
            "score": assessment.score,
            "body": encoded[assessment],
        }
        for assessment in sorted(wanted, key=digests.__getitem__)
    ]
    insert_missing(tx, assessments, rows)
    ids: dict[str, int] = {}
    about: dict[str, int] = {}
    columns = (assessments.c.digest, assessments.c.id, assessments.c.vulnerability_id)
    for chunk in chunks(sorted(digests.values())):
        for found in tx.execute(sa.select(*columns).where(assessments.c.digest.in_(chunk))):
            ids[found.digest], about[found.digest] = found.id, found.vulnerability_id
    for row in rows:
        if about[row["digest"]] != row["vulnerability_id"]:
            moved = assessments.update().where(assessments.c.digest == row["digest"])
            tx.execute(moved.values(vulnerability_id=row["vulnerability_id"]))
    return {assessment: ids[digests[assessment]] for assessment in wanted}


def load(tx: sa.Connection, ids: Sequence[int]) -> dict[int, Assessment]:
    rows = _BODIES.rows(tx, ids=sorted(set(ids)))
    return {assessment_id: decode(body) for assessment_id, body in rows}
