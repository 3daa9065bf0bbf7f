"""Build a generation: take the last one, change what was imported, and seal it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from hullwise import durable
from hullwise.advisories import aliases, derivation, matching
from hullwise.advisories.derivation import Pair, family
from hullwise.advisories.generation import (
    FORMAT,
    SCHEMA,
    STARTER,
    Generation,
    claim_decoder,
    claim_encoder,
    record_decoder,
    record_encoder,
)
from hullwise.advisories.records import Affected, Record, Unused
from hullwise.domain.moments import moment
from hullwise.ecosystems.namespaces import scheme

__all__ = ["STARTER", "GenerationBuilder", "Rejected"]

_BULK = 0.1
"""Share of the records from which on deriving everything is faster than deriving around each change."""
_SLACK = 0.3
"""Share of the file's pages that may be free before it is written anew without them."""


class Rejected(Exception):
    """What a step did was taken back; the message says why."""


class GenerationBuilder:
    """Writes one generation file. Use as a context manager; without `seal` nothing remains."""

    def __init__(self, path: Path, base: Path | None) -> None:
        """Begins with the content of `base`, a generation, or with nothing. Raises UnusableGeneration for `base`;
        OSError and sqlite3.OperationalError for a disk that is full. Nothing is left then."""
        self.path = path
        self._partial = path.with_name(path.name + ".partial")
        self._partial.unlink(missing_ok=True)
        with ExitStack() as undo:
            undo.callback(self._partial.unlink, missing_ok=True)
            rules = self._copy(base)
            self._db = sqlite3.connect(self._partial, isolation_level=None)
            undo.callback(self._db.close)
            self._begin(base is None, rules)
            undo.pop_all()
        self.taken = 0
        """Records that came with this build and are in it."""
        self._stale: dict[str, dict[str, int]] = {}
        """By source that is being stated whole: its records (to their row) that were not stated again yet."""
        self._again: set[int] = set()
        """Rows of the base that came again, as they were."""
        self._names: set[str] = set()
        self._pairs: set[Pair] = set()
        self._changed = 0
        self._speakers: Counter[Pair] = Counter()
        """By (scope, source): how many records came, less those that went."""
        self._touched: set[str] = set()
        self._spoken: set[str] = set()
        self._as_of: dict[str, str] = {}

    def _copy(self, base: Path | None) -> int:
        """Returns the version of the rules that the copy was made under; of nothing it is this one's."""
        if base is None:
            return matching.RULES_VERSION
        with Generation(base) as generation:
            rules = generation.rules_version
        shutil.copyfile(base, self._partial)
        return rules

    def _begin(self, empty: bool, rules: int) -> None:
        # Rebuilt from its inputs after a crash, and synced as a whole in the end. The journal is for `step` alone.
        self._db.execute("PRAGMA journal_mode=MEMORY")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("PRAGMA cache_size=-65536")
        if empty:
            self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")
        self._bulk = empty or rules != matching.RULES_VERSION
        if rules != matching.RULES_VERSION:
            self._renew_claims()
        self._base_number = self._number = self._scalar("SELECT coalesce(max(id), 0) FROM records")
        self._base_count = self._scalar("SELECT count(*) FROM records")

    def __enter__(self) -> GenerationBuilder:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._partial.unlink(missing_ok=True)

    def _scalar(self, query: str, *parameters: str | int) -> int:
        return int(self._db.execute(query, parameters).fetchone()[0])

    def has_source(self, source: str) -> bool:
        return self._db.execute("SELECT 1 FROM sources WHERE name = ?", (source,)).fetchone() is not None

    def count(self, source: str) -> int:
        """Records of the source that are in it now."""
        return self.counts()[source]

    @property
    def spoken(self) -> frozenset[str]:
        """Sources that documents of the present step speak for."""
        return frozenset(self._spoken)

    def _touch(self, source: str) -> None:
        self._touched.add(source)
        self._spoken.add(source)

    def counts(self) -> Counter[str]:
        """Records that are in it now, by source."""
        held = Counter(dict(self._db.execute("SELECT source, count(*) FROM records GROUP BY source")))
        held.subtract({source: len(rows) for source, rows in self._stale.items()})
        return held

    def ids(self, source: str, namespaces: Iterable[str]) -> set[str]:
        """Ids of the source's records that speak of packages of these namespaces only; without any, of all of them."""
        wanted = frozenset(namespaces)
        if not wanted:
            return {record for (record,) in self._db.execute("SELECT record FROM records WHERE source = ?", (source,))}
        query = """
            SELECT records.record, claims.namespace FROM records JOIN claims ON claims.record = records.id
            WHERE records.source = ? GROUP BY records.record, claims.namespace
        """
        found: set[str] = set()
        others: set[str] = set()
        for record, namespace in self._db.execute(query, (source,)):
            (found if namespace in wanted or family(namespace) in wanted else others).add(record)
        return found - others

    @contextmanager
    def step(self) -> Iterator[None]:
        """What the block does is done whole or not at all: where it raises Rejected, which goes on up, the builder is
        as it was."""
        kept = (self.taken, self._number, self._changed)
        sets = (set(self._names), set(self._pairs), set(self._touched), set(self._again))
        maps = ({source: dict(rows) for source, rows in self._stale.items()}, dict(self._as_of), self._speakers.copy())
        self._spoken = set()
        self._db.execute("SAVEPOINT step")
        try:
            yield
        except Rejected:
            self._db.execute("ROLLBACK TO step")
            self.taken, self._number, self._changed = kept
            self._names, self._pairs, self._touched, self._again = sets
            self._stale, self._as_of, self._speakers = maps
            raise
        finally:
            self._db.execute("RELEASE step")

    def clear_source(self, source: str) -> None:
        """Forget all records of a source that is about to be stated whole. Those that are then stated as they were
        cost nothing."""
        rows = dict(self._db.execute("SELECT record, id FROM records WHERE source = ?", (source,)))
        for record, number in sorted(rows.items()):
            if self._came(number):
                self._forget(number)
                del rows[record]
        self._stale[source] = rows
        self._touch(source)
        self._db.execute("DELETE FROM unused WHERE source = ?", (source,))

    def remove(self, source: str, record_id: str, unused: Iterable[Unused] = ()) -> bool:
        """Forget one record, such as one that was withdrawn. Returns whether it was there."""
        self._touch(source)
        was_stale = self._stale.get(source, {}).pop(record_id, None) is not None
        number, _, _ = self._find(source, record_id)
        if number:
            self._forget(number)
        self._restate_unused(source, record_id, unused)
        return bool(number) and not was_stale

    def _find(self, source: str, record_id: str) -> tuple[int, bytes, bytes]:
        """Row, mark and body of a record; 0 and nothing where there is none."""
        query = "SELECT id, mark, body FROM records WHERE record = ? AND source = ?"
        row: tuple[int, bytes, bytes] | None = self._db.execute(query, (record_id, source)).fetchone()
        return row or (0, b"", b"")

    def _came(self, number: int) -> bool:
        """Whether the record came with this build."""
        return number > self._base_number or number in self._again

    def _forget(self, number: int) -> None:
        if self._came(number):
            self.taken -= 1
            self._again.discard(number)
        source, body = self._db.execute("SELECT source, body FROM records WHERE id = ?", (number,)).fetchone()
        pairs = self._db.execute("SELECT namespace, name FROM claims WHERE record = ?", (number,)).fetchall()
        record = record_decoder.decode(body)
        self._note(record, pairs)
        self._count(source, pairs, -1)
        self._db.execute("DELETE FROM claims WHERE record = ?", (number,))
        names = [(name, number) for name in self._other_names(record)]
        self._db.executemany("DELETE FROM aliases WHERE name = ? AND record = ?", names)
        self._db.execute("DELETE FROM records WHERE id = ?", (number,))

    @staticmethod
    def _other_names(record: Record) -> list[str]:
        return aliases.names_of(record.id, record.aliases)[1:]

    def _note(self, record: Record, pairs: Iterable[Pair]) -> None:
        """The record came, went or changed."""
        self._changed += 1
        if not self._bulk:
            self._names.update(aliases.names_of(record.id, record.aliases))
            self._pairs.update(pairs)

    def _count(self, source: str, pairs: Iterable[Pair], change: int) -> None:
        namespaces = {namespace for namespace, _ in pairs}
        scopes = namespaces | {f"{family(namespace)}*" for namespace in namespaces}
        for scope in scopes:
            self._speakers[scope, source] += change

    def add(self, record: Record, unused: Iterable[Unused] = ()) -> tuple[Unused, ...]:
        """Take a record in place of the one with the same source and id. `unused`: parts of its document that were
        left out before. Returns the parts that cannot be used.

        Of two that come with the same build the one that was modified last stays: one record may be in several files,
        and these of several days. Of two of the same moment the one that comes last does.
        """
        self._touch(record.source)
        if record.modified:
            self.date(record.source, record.modified)
        mark = sha256(record_encoder.encode(record)).digest()[:16]
        number, known_mark, body = self._find(record.source, record.id)
        self._stale.get(record.source, {}).pop(record.id, None)
        if number:
            came = self._came(number)
            if came and record_decoder.decode(body).modified > record.modified:
                return ()
            if known_mark == mark:
                self.taken += not came
                self._again.add(number)
                return self._kept_unused(record, unused)
            self._forget(number)
        return self._insert(record, mark, unused)

    def _kept_unused(self, record: Record, unused: Iterable[Unused]) -> tuple[Unused, ...]:
        """What cannot be used of a record that is as it was."""
        found: list[Unused] = []
        for affected in record.affected:
            self._claim(record.id, affected, found)
        self._restate_unused(record.source, record.id, (*unused, *found))
        return tuple(found)

    def _insert(self, record: Record, mark: bytes, unused: Iterable[Unused]) -> tuple[Unused, ...]:
        found: list[Unused] = []
        claims = [self._claim(record.id, affected, found) for affected in record.affected]
        self._number += 1
        self.taken += 1
        header = record_encoder.encode(msgspec.structs.replace(record, affected=()))
        row = (self._number, record.source, record.id, mark, header)
        self._db.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?)", row)
        rows = [
            (affected.namespace, affected.name, self._number, ordinal, claim_encoder.encode(made))
            for ordinal, (affected, made) in enumerate(zip(record.affected, claims, strict=True))
            if made is not None
        ]
        self._db.executemany("INSERT INTO claims (namespace, name, record, ordinal, body) VALUES (?, ?, ?, ?, ?)", rows)
        names = [(name, self._number) for name in self._other_names(record)]
        self._db.executemany("INSERT INTO aliases VALUES (?, ?)", names)
        pairs = [row[:2] for row in rows]
        self._count(record.source, pairs, 1)
        self._note(record, pairs)
        self._restate_unused(record.source, record.id, (*unused, *found))
        return tuple(found)

    def _claim(self, record_id: str, affected: Affected, unused: list[Unused]) -> matching.Claim | None:
        version_key = scheme(affected.namespace)
        if version_key is None:
            unused.append(Unused(record_id, f"versions of {affected.namespace} cannot be ordered"))
            return None
        made, unusable = matching.claim(affected, version_key)
        unused += [Unused(record_id, "range that is no version of its ecosystem")] * unusable
        return made

    def _renew_claims(self) -> None:
        """Other rules may order versions otherwise: make every key again."""
        rows = []
        for namespace, name, record, ordinal, body, retired in self._db.execute("SELECT * FROM claims"):
            version_key = scheme(namespace)
            made = None if version_key is None else matching.renewed(claim_decoder.decode(body), version_key)
            if made is not None:
                rows.append((namespace, name, record, ordinal, claim_encoder.encode(made), retired))
        self._db.execute("DELETE FROM claims")
        self._db.executemany("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)", rows)

    def not_used(self, source: str, unused: Unused) -> None:
        """A part of a source that is stated whole, and that no record stands for."""
        self._touch(source)
        query = "INSERT INTO unused VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET parts = parts + 1"
        self._db.execute(query, (source, unused.id, unused.reason))

    def _restate_unused(self, source: str, record_id: str, unused: Iterable[Unused]) -> None:
        """What is not used of one record. In a source that is stated whole, what was said before was said just now."""
        if source not in self._stale:
            self._db.execute("DELETE FROM unused WHERE source = ? AND record = ?", (source, record_id))
        for part in unused:
            self.not_used(source, part)

    def date(self, source: str, as_of: str) -> None:
        """The source holds something as new as `as_of`, a text of `records.moment`."""
        self._as_of[source] = max(self._as_of.get(source, ""), as_of)

    def seal(self, now: datetime) -> str:
        """Finish the file: durable under its name, never to change again. Returns its digest."""
        for rows in self._stale.values():
            for number in rows.values():
                self._forget(number)
        self._stale.clear()
        query = "INSERT INTO speakers VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET records = records + excluded.records"
        self._db.executemany(query, [(*key, change) for key, change in sorted(self._speakers.items())])
        if self._bulk or self._changed > _BULK * self._base_count:
            derivation.derive_all(self._db)
        else:
            derivation.derive_changed(self._db, self._names, self._pairs)
        self._update_sources(now)
        digest = derivation.digest(self._db, matching.RULES_VERSION)
        meta = {
            "format": str(FORMAT),
            "digest": digest,
            "rules_version": str(matching.RULES_VERSION),
            "built_at": moment(now),
        }
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
        self._db.execute("COMMIT")
        if self._scalar("PRAGMA freelist_count") > _SLACK * self._scalar("PRAGMA page_count"):
            self._db.execute("VACUUM")
        self._db.close()
        durable.put(self._partial, self.path)
        return digest

    def _update_sources(self, now: datetime) -> None:
        held = self.counts()
        for source in sorted(self._touched):
            row = self._db.execute("SELECT body FROM sources WHERE name = ?", (source,)).fetchone()
            known = json.loads(row[0]) if row else {}
            # A clock that is wrong at the source must not make the data look newer than it is.
            as_of = min(max(self._as_of.get(source, ""), known.get("as_of") or ""), moment(now))
            unused = "SELECT reason, sum(parts) FROM unused WHERE source = ? GROUP BY reason ORDER BY reason"
            body = {
                "records": held.get(source, 0),
                "as_of": as_of or None,
                "imported_at": moment(now),
                "bundled": source == STARTER,
                "unused": dict(self._db.execute(unused, (source,))),
            }
            self._db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (source, json.dumps(body)))
