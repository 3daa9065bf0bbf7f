"""What is said about vulnerabilities and releases beside the advisories: joined on reading, dated, never counted by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from hullwise.domain.enrichment import ExploitScore, KnownExploited, Lifecycle
from hullwise.store.clock import to_micros
from hullwise.store.engine import Prepared, among, chunks
from hullwise.store.tables import enrichments, exploit_scores, known_exploited, lifecycles

Run = Callable[[Callable[[sa.Connection], None]], None]
"""Runs something in a write transaction of its own."""

_CHUNK = 2_000

_SCORES = Prepared(sa.select(exploit_scores).where(among(exploit_scores.c.cve, "names")))
_EXPLOITED = Prepared(sa.select(known_exploited).where(among(known_exploited.c.cve, "names")))
_DATES = Prepared(sa.select(enrichments.c.part, enrichments.c.as_of))
_LIFECYCLE = Prepared(
    sa.select(lifecycles.c.body).where(
        lifecycles.c.distribution == sa.bindparam("distribution"), lifecycles.c.release == sa.bindparam("release")
    )
)


def _replace(run: Run, part: str, as_of: str, now: datetime, work: Sequence[Callable[[sa.Connection], None]]) -> None:
    for step in work:
        run(step)
    row = {"part": part, "as_of": as_of, "loaded_at": to_micros(now)}

    def date(tx: sa.Connection) -> None:
        tx.execute(enrichments.delete().where(enrichments.c.part == part))
        tx.execute(enrichments.insert().values(**row))

    run(date)


def replace_scores(tx: sa.Connection, run: Run, scores: Iterable[ExploitScore], as_of: str, now: datetime) -> None:
    """Afterwards these are the scores. Only what differs is written, in short transactions: pushes go on beside it,
    and a reader may see scores of two days. `tx` reads."""
    new = {score.cve: (score.score, score.percentile) for score in scores}
    columns = exploit_scores.c
    old = {cve: (score, percentile) for cve, score, percentile in tx.execute(sa.select(exploit_scores))}
    gone = sorted(old.keys() - new.keys())
    changed = sorted(cve for cve, found in new.items() if old.get(cve) != found)

    def removing(names: Sequence[str]) -> Callable[[sa.Connection], None]:
        return lambda tx: _discard(tx, exploit_scores, columns.cve, names)

    def writing(names: Sequence[str]) -> Callable[[sa.Connection], None]:
        def write(tx: sa.Connection) -> None:
            _discard(tx, exploit_scores, columns.cve, [name for name in names if name in old])
            rows = [{"cve": name, "score": new[name][0], "percentile": new[name][1]} for name in names]
            tx.execute(exploit_scores.insert(), rows)

        return write

    work = [removing(part) for part in chunks(gone, _CHUNK)] + [writing(part) for part in chunks(changed, _CHUNK)]
    _replace(run, "scores", as_of, now, work)


def _discard(tx: sa.Connection, table: sa.Table, column: sa.ColumnElement[str], names: Sequence[str]) -> None:
    for chunk in chunks(list(names)):
        tx.execute(table.delete().where(column.in_(chunk)))


def replace_exploited(run: Run, found: Iterable[KnownExploited], as_of: str, now: datetime) -> None:
    """Afterwards these are the vulnerabilities that are known to be exploited. Only what differs is written."""
    rows = [{"cve": each.cve, "body": msgspec.json.encode(each).decode()} for each in found]
    _replace(run, "exploited", as_of, now, [lambda tx: _restate(tx, known_exploited, rows, sa.true())])


def replace_lifecycles(run: Run, found: Iterable[Lifecycle], as_of: str, now: datetime) -> None:
    """These releases' lifecycles are as stated from now on; what is known of other distributions stays. Only what
    differs is written."""
    rows = [
        {"distribution": each.distribution, "release": each.release, "body": msgspec.json.encode(each).decode()}
        for each in found
    ]
    stated = lifecycles.c.distribution.in_(sorted({row["distribution"] for row in rows}))
    _replace(run, "lifecycles", as_of, now, [lambda tx: _restate(tx, lifecycles, rows, stated)])


def _restate(tx: sa.Connection, table: sa.Table, rows: Iterable[dict[str, str]], scope: sa.ColumnElement[bool]) -> None:
    """Afterwards these are the table's rows within the scope. Of several with one key the last counts."""
    columns = list(table.primary_key.columns)

    def key(row: Mapping[Any, Any]) -> tuple[str, ...]:
        return tuple(row[column.name] for column in columns)

    new = {key(row): row for row in rows}
    old = {key(row): row for row in map(dict, tx.execute(sa.select(table).where(scope)).mappings())}
    changed = [row for found, row in sorted(new.items()) if old.get(found) != row]
    gone = [row for found, row in sorted(old.items()) if new.get(found) != row]
    if gone:
        matches = (column == sa.bindparam(f"old_{column.name}") for column in columns)
        keys = [{f"old_{column.name}": row[column.name] for column in columns} for row in gone]
        tx.execute(table.delete().where(*matches), keys)
    if changed:
        tx.execute(table.insert(), changed)


def dates(tx: sa.Connection) -> dict[str, str]:
    """How old each part is, by its name; parts that were never loaded are left out."""
    return dict(_DATES.rows(tx))


def counts(tx: sa.Connection) -> dict[str, int]:
    """Rows of each part."""
    tables = {"scores": exploit_scores, "exploited": known_exploited, "lifecycles": lifecycles}
    count = sa.func.count()
    return {part: tx.execute(sa.select(count).select_from(table)).scalar_one() for part, table in tables.items()}


def scores_of(tx: sa.Connection, names: Iterable[str]) -> dict[str, ExploitScore]:
    rows = _SCORES.rows(tx, names=sorted(set(names)))
    return {row[0]: ExploitScore(*row) for row in rows}


def exploited_of(tx: sa.Connection, names: Iterable[str]) -> dict[str, KnownExploited]:
    rows = _EXPLOITED.rows(tx, names=sorted(set(names)))
    return {cve: msgspec.json.decode(body, type=KnownExploited) for cve, body in rows}


def all_of(tx: sa.Connection) -> tuple[list[ExploitScore], list[KnownExploited], list[Lifecycle]]:
    """Everything, for a bundle."""
    scores = [ExploitScore(*row) for row in tx.execute(sa.select(exploit_scores).order_by(exploit_scores.c.cve))]
    exploited = tx.execute(sa.select(known_exploited.c.body).order_by(known_exploited.c.cve)).scalars()
    return scores, [msgspec.json.decode(body, type=KnownExploited) for body in exploited], all_lifecycles(tx)


def all_lifecycles(tx: sa.Connection) -> list[Lifecycle]:
    ends = tx.execute(sa.select(lifecycles.c.body).order_by(lifecycles.c.distribution, lifecycles.c.release)).scalars()
    return [msgspec.json.decode(body, type=Lifecycle) for body in ends]


def lifecycle_of(tx: sa.Connection, distribution: str, release: str) -> Lifecycle | None:
    body = _LIFECYCLE.value(tx, distribution=distribution, release=release)
    return None if body is None else msgspec.json.decode(body, type=Lifecycle)
