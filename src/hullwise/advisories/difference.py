"""What changed from one generation to another: records by source, vulnerabilities by package name.

    old.records ─┐                                   old.names ─┐                        claims of each name
                 ├─ in order, by mark ─▶ by source              ├─ by fingerprint ─▶ names ──▶ that differs, by root
    new.records ─┘                                   new.names ─┘

SQLite walks both files in the order of an index. In memory are the claims on one name, and what is listed.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from hullwise.advisories import ratings
from hullwise.advisories.generation import Generation, claim_decoder, record_decoder
from hullwise.advisories.matching import Claim
from hullwise.advisories.records import Record
from hullwise.domain.scans import Severity
from hullwise.ecosystems.namespaces import LANGUAGES

LIMIT = 1_000
"""Changes that are listed where nothing else is asked for."""
VERSIONS_SHOWN = 20
"""Of the versions that a record lists one by one."""

Aspect = Literal["fix", "severity", "range"]


class SourceChange(msgspec.Struct, frozen=True):
    """How many records of one source came, went, or say something else than before."""

    source: str
    added: int = 0
    removed: int = 0
    changed: int = 0


class Stated(msgspec.Struct, frozen=True):
    """What is said of one vulnerability in the packages of one name."""

    severity: Severity
    score: float | None
    """CVSS base score of that severity; None for a word."""
    fixes: tuple[str, ...]
    """Versions that end a range, in their order."""
    ranges: tuple[str, ...]
    """For people; of versions that are listed one by one the first few."""


class VulnerabilityChange(msgspec.Struct, frozen=True):
    """One vulnerability in the packages of one name. `before` is None where it appeared, `after` where it went."""

    namespace: str
    package: str
    vulnerability: str
    """The name that is shown for it in the new generation; where that has none, in the old one."""
    before: Stated | None
    after: Stated | None
    aspects: tuple[Aspect, ...] = ()
    """What of it changed where it is in both."""


class Difference(msgspec.Struct, frozen=True):
    """From the generation `old` to `new`, their digests. All numbers are exact, whatever is listed."""

    old: str
    new: str
    sources: tuple[SourceChange, ...]
    """Those of which something changed, by name."""
    names: int
    """Package names on which verdicts, or texts that they show, may differ."""
    appeared: int
    went: int
    changed: int
    """Vulnerabilities in a package name; those that changed have another fix, severity or range. One that is only
    shown under another name, or with other texts, did none of the three."""
    listed: tuple[VulnerabilityChange, ...]
    """The first of these, by namespace, package name and vulnerability."""

    @property
    def total(self) -> int:
        """How many there would be to list."""
        return self.appeared + self.went + self.changed


def compare(old: Generation, new: Generation, limit: int = LIMIT) -> Difference:
    """What changed from `old` to `new`. At most `limit` changes are listed.

    Takes time in proportion to both files, and memory in proportion to the limit and the claims on one name.
    """
    with both(old, new) as db:
        found = _Found(limit)
        for namespace, name in _changed_names(db):
            found.names += 1
            _compare_name(db, namespace, name, found)
        return Difference(
            old=old.digest,
            new=new.digest,
            sources=_sources(db),
            names=found.names,
            appeared=found.appeared,
            went=found.went,
            changed=found.changed,
            listed=tuple(found.listed),
        )


@contextmanager
def both(old: Generation, new: Generation) -> Iterator[sqlite3.Connection]:
    """A connection that has both files, as `old` and `new`. It can write to neither; temporary tables go to disk."""
    with closing(sqlite3.connect(":memory:", uri=True, isolation_level=None)) as db:
        db.execute("PRAGMA temp_store=FILE")
        for name, generation in (("old", old), ("new", new)):
            db.execute(f"ATTACH DATABASE ? AS {name}", (f"{generation.path.resolve().as_uri()}?mode=ro&immutable=1",))
        yield db


def _sources(db: sqlite3.Connection) -> tuple[SourceChange, ...]:
    counts: dict[str, Counter[str]] = {"added": Counter(), "removed": Counter(), "changed": Counter()}
    came = """
        SELECT n.source, sum(o.id IS NULL), sum(o.mark IS NOT n.mark) FROM new.records AS n
        LEFT JOIN old.records AS o ON o.record = n.record AND o.source = n.source GROUP BY n.source
    """
    for source, added, other in db.execute(came):
        counts["added"][source] = added
        counts["changed"][source] = other - added
    gone = """
        SELECT o.source, count(*) FROM old.records AS o
        WHERE NOT EXISTS (SELECT 1 FROM new.records AS n WHERE n.record = o.record AND n.source = o.source)
        GROUP BY o.source
    """
    counts["removed"].update(dict(db.execute(gone)))
    touched = sorted({source for counter in counts.values() for source, count in counter.items() if count})
    return tuple(SourceChange(source, **{kind: counts[kind][source] for kind in counts}) for source in touched)


def _changed_names(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """(namespace, name), sorted, where the fingerprints differ, or only one of the two has one."""
    olds = iter(
        db.execute("SELECT namespace, name, fingerprint FROM old.names WHERE name <> '*' ORDER BY namespace, name")
    )
    news = iter(
        db.execute("SELECT namespace, name, fingerprint FROM new.names WHERE name <> '*' ORDER BY namespace, name")
    )
    before, after = next(olds, None), next(news, None)
    while before is not None or after is not None:
        # SQLite's order of texts is that of their bytes in UTF-8, which is that of their code points, as here.
        if after is None or (before is not None and before[:2] < after[:2]):
            assert before is not None
            yield before[0], before[1]
            before = next(olds, None)
        elif before is None or after[:2] < before[:2]:
            yield after[0], after[1]
            after = next(news, None)
        else:
            if before[2] != after[2]:
                yield after[0], after[1]
            before, after = next(olds, None), next(news, None)


@dataclass(slots=True)
class _Found:
    limit: int
    names: int = 0
    appeared: int = 0
    went: int = 0
    changed: int = 0
    listed: list[VulnerabilityChange] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return len(self.listed) >= self.limit


class _Said(NamedTuple):
    """A claim, the record that makes it, and where: in which file, under which shown name."""

    side: str
    root: str
    claim: Claim
    record: Record


def _compare_name(db: sqlite3.Connection, namespace: str, name: str, found: _Found) -> None:
    before, after = _vulnerabilities(db, "old", namespace, name), _vulnerabilities(db, "new", namespace, name)
    before = _under_new_names(db, before)
    for root in sorted(before.keys() | after.keys()):
        aspects: tuple[Aspect, ...] = ()
        if root not in before:
            found.appeared += 1
        elif root not in after:
            found.went += 1
        else:
            aspects = _aspects(db, namespace, before[root], after[root])
            if not aspects:
                continue
            found.changed += 1
        if not found.full:
            sides = [_stated(db, namespace, side[root]) if root in side else None for side in (before, after)]
            found.listed.append(VulnerabilityChange(namespace, name, root, sides[0], sides[1], aspects))


def _vulnerabilities(db: sqlite3.Connection, side: str, namespace: str, name: str) -> dict[str, list[_Said]]:
    """By shown name, what is said of each vulnerability that may hit a package of that name: none that a vendor says
    the package is not affected by (`matching.hit`)."""
    query = f"""
        SELECT roots.root, claims.body, records.body FROM {side}.claims AS claims
        JOIN {side}.records AS records ON records.id = claims.record
        JOIN {side}.roots AS roots ON roots.name = records.record
        WHERE claims.namespace = ? AND claims.name = ? AND NOT claims.retired
        ORDER BY records.record, records.source, claims.ordinal
    """  # noqa: S608 - the name of an attached file, one of two
    found: dict[str, list[_Said]] = {}
    cleared = set()
    for root, claim, record in db.execute(query, (namespace, name)):
        said = _Said(side, root, claim_decoder.decode(claim), record_decoder.decode(record))
        found.setdefault(root, []).append(said)
        if said.claim.unaffected:
            cleared.add(root)
    return {root: said for root, said in found.items() if root not in cleared}


def _under_new_names(db: sqlite3.Connection, before: Mapping[str, list[_Said]]) -> dict[str, list[_Said]]:
    """By the name that is now shown for what was shown under these."""
    found: dict[str, list[_Said]] = {}
    for root, said in sorted(before.items()):
        row = db.execute("SELECT root FROM new.roots WHERE name = ?", (root,)).fetchone()
        found.setdefault(row[0] if row else root, []).extend(said)
    return found


def _aspects(
    db: sqlite3.Connection, namespace: str, before: Sequence[_Said], after: Sequence[_Said]
) -> tuple[Aspect, ...]:
    found: list[Aspect] = []
    if _fixes(before) != _fixes(after):
        found.append("fix")
    if _severity(db, namespace, before) != _severity(db, namespace, after):
        found.append("severity")
    if _ranges(before) != _ranges(after):
        found.append("range")
    return tuple(found)


def _stated(db: sqlite3.Connection, namespace: str, said: Sequence[_Said]) -> Stated:
    severity, score = _severity(db, namespace, said)
    intervals, versions = _ranges(said)
    shown = versions[:VERSIONS_SHOWN]
    more = len(versions) - len(shown)
    listed = (f"= {', '.join(shown)}{f' and {more} more' if more else ''}",) if shown else ()
    return Stated(severity, score, _fixes(said), (*intervals, *listed))


def _fixes(said: Sequence[_Said]) -> tuple[str, ...]:
    """Without those that the record that names them lists as affected."""
    found = {
        (keyed.high, keyed.interval.fixed)
        for one in said
        for keyed in one.claim.intervals
        if keyed.interval.fixed and keyed.high is not None and not one.claim.lists(keyed.high)
    }
    return tuple(dict.fromkeys(fix for _, fix in sorted(found)))


def _ranges(said: Sequence[_Said]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Texts of the intervals in the order of versions, and the versions that are listed."""
    intervals = {(keyed.low, keyed.high or b"", str(keyed.interval)) for one in said for keyed in one.claim.intervals}
    versions = {version for one in said for version in one.claim.versions}
    return tuple(dict.fromkeys(text for _, _, text in sorted(intervals))), tuple(sorted(versions))


def _severity(db: sqlite3.Connection, namespace: str, said: Sequence[_Said]) -> tuple[Severity, float | None]:
    """As it would be chosen for a version that everything that is said holds for."""
    stated = [claim for one in said for claim in one.claim.severity]
    matched = [*stated, *(claim for one in said for claim in one.record.severity)]
    vendor = [] if namespace in LANGUAGES else stated
    others = [claim for record in _others(db, said) for claim in record.severity]
    chosen = ratings.choose(vendor, matched, others)
    return (Severity.UNDEFINED, None) if chosen is None else (chosen.severity, chosen.score)


def _others(db: sqlite3.Connection, said: Sequence[_Said]) -> list[Record]:
    """Further records of the same vulnerability, on whatever package."""
    query = f"""
        SELECT records.body FROM {said[0].side}.roots AS roots
        JOIN {said[0].side}.records AS records ON records.record = roots.name WHERE roots.root = ?
    """  # noqa: S608 - the name of an attached file, one of two
    known = {(one.record.id, one.record.source) for one in said}
    bodies = (row[0] for root in sorted({one.root for one in said}) for row in db.execute(query, (root,)))
    found = (record_decoder.decode(body) for body in bodies)
    others = (record for record in found if (record.id, record.source) not in known)
    return sorted(others, key=lambda record: (record.id, record.source))
