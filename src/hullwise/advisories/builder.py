"""Build a generation: take the last one, change what was imported, and seal it."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import sqlite3
from collections import Counter
from datetime import datetime
from pathlib import Path

import msgspec

from hullwise.advisories import aliases, matching
from hullwise.advisories.generation import (
    FORMAT,
    SCHEMA,
    Generation,
    claim_decoder,
    claim_encoder,
    record_decoder,
    record_encoder,
)
from hullwise.advisories.records import Affected, Record, Unused, moment
from hullwise.ecosystems.namespaces import scheme

STARTER = "starter"
"""The source of the bundled records. Their ranges step back where an imported source speaks of the same vulnerability
in the same package, and of a whole ecosystem once more records than theirs are loaded for it. Their severities and
texts stay: some feeds have neither."""


class GenerationBuilder:
    """Writes one generation file. Use as a context manager; without `seal` nothing remains."""

    def __init__(self, path: Path, base: Path | None) -> None:
        """Begins with the content of `base`, a generation, or with nothing. Raises UnusableGeneration."""
        self.path = path
        self._partial = path.with_name(path.name + ".partial")
        self._partial.unlink(missing_ok=True)
        rules = matching.RULES_VERSION
        if base is not None:
            with Generation(base) as generation:
                rules = generation.rules_version
            shutil.copyfile(base, self._partial)
        self._db = sqlite3.connect(self._partial, isolation_level=None)
        # Rebuilt from its inputs after a crash, and synced as a whole in the end.
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        if base is None:
            self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")
        if rules != matching.RULES_VERSION:
            self._renew_claims()
        self._base_number = self._number = int(
            self._db.execute("SELECT coalesce(max(id), 0) FROM records").fetchone()[0]
        )
        self.taken = 0
        """Records that came with this build and are in it."""
        self._touched: set[str] = set()
        self._unused: dict[str, Counter[str]] = {}
        self._as_of: dict[str, str] = {}

    def __enter__(self) -> GenerationBuilder:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._partial.unlink(missing_ok=True)

    def has_source(self, source: str) -> bool:
        return self._db.execute("SELECT 1 FROM sources WHERE name = ?", (source,)).fetchone() is not None

    def clear_source(self, source: str) -> None:
        """Forget all records of a source that is about to be stated whole."""
        query = "SELECT count(*) FROM records WHERE source = ? AND id > ?"
        self.taken -= int(self._db.execute(query, (source, self._base_number)).fetchone()[0])
        self._db.execute("DELETE FROM claims WHERE record IN (SELECT id FROM records WHERE source = ?)", (source,))
        self._db.execute("DELETE FROM records WHERE source = ?", (source,))
        self._touched.add(source)
        self._unused[source] = Counter()

    def remove(self, source: str, record_id: str) -> bool:
        """Forget one record, such as one that was withdrawn. Returns whether it was there."""
        self._touched.add(source)
        query = "SELECT id FROM records WHERE source = ? AND record = ?"
        row = self._db.execute(query, (source, record_id)).fetchone()
        if row is not None:
            self._forget(row[0])
        return row is not None

    def _forget(self, number: int) -> None:
        self.taken -= number > self._base_number
        self._db.execute("DELETE FROM claims WHERE record = ?", (number,))
        self._db.execute("DELETE FROM records WHERE id = ?", (number,))

    def add(self, record: Record) -> tuple[Unused, ...]:
        """Take a record in place of the one with the same source and id. Returns the parts that cannot be used.

        Of two that come with the same build the one that was modified last stays: one record may be in several files,
        and these of several days.
        """
        self._touched.add(record.source)
        query = "SELECT id, body FROM records WHERE source = ? AND record = ?"
        row = self._db.execute(query, (record.source, record.id)).fetchone()
        if row is not None:
            number, body = row
            if number > self._base_number and record_decoder.decode(body).modified > record.modified:
                return ()
            self._forget(number)
        unused: list[Unused] = []
        claims = [self._claim(record.id, affected, unused) for affected in record.affected]
        self._number += 1
        self.taken += 1
        header = record_encoder.encode(msgspec.structs.replace(record, affected=()))
        self._db.execute("INSERT INTO records VALUES (?, ?, ?, ?)", (self._number, record.source, record.id, header))
        rows = [
            (affected.namespace, affected.name, self._number, ordinal, claim_encoder.encode(made))
            for ordinal, (affected, made) in enumerate(zip(record.affected, claims, strict=True))
            if made is not None
        ]
        self._db.executemany("INSERT INTO claims (namespace, name, record, ordinal, body) VALUES (?, ?, ?, ?, ?)", rows)
        for part in unused:
            self.not_used(record.source, part)
        if record.modified:
            self.date(record.source, record.modified)
        return tuple(unused)

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
        self._touched.add(source)
        self._unused.setdefault(source, Counter())[unused.reason] += 1

    def date(self, source: str, as_of: str) -> None:
        """The source holds something as new as `as_of`, a text of `records.moment`."""
        self._as_of[source] = max(self._as_of.get(source, ""), as_of)

    def seal(self, now: datetime) -> str:
        """Finish the file: durable under its name, never to change again. Returns its digest."""
        self._update_roots()
        self._retire_starter()
        self._update_names()
        self._update_sources(now)
        digest = self._digest()
        meta = {
            "format": str(FORMAT),
            "digest": digest,
            "rules_version": str(matching.RULES_VERSION),
            "built_at": moment(now),
        }
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
        self._db.execute("COMMIT")
        self._db.execute("VACUUM")
        self._db.close()
        _sync(self._partial)
        self._partial.replace(self.path)
        _sync(self.path.parent)
        return digest

    def _update_roots(self) -> None:
        headers = (record_decoder.decode(body) for (body,) in self._db.execute("SELECT body FROM records"))
        found = aliases.roots((header.id, header.aliases) for header in headers)
        self._db.execute("DELETE FROM roots")
        self._db.executemany("INSERT INTO roots VALUES (?, ?)", sorted(found.items()))

    def _retire_starter(self) -> None:
        """Let the bundled ranges step back, or come forward again, as the other sources now are."""
        source = {"starter": STARTER}
        self._db.execute("UPDATE claims SET retired = 0 WHERE retired")
        self._db.execute(
            """
            UPDATE claims SET retired = 1 WHERE record IN (SELECT id FROM records WHERE source = :starter) AND EXISTS (
                SELECT 1 FROM claims AS other JOIN records AS theirs ON theirs.id = other.record
                JOIN roots AS their_root ON their_root.name = theirs.record
                WHERE other.namespace = claims.namespace AND other.name = claims.name AND theirs.source <> :starter
                AND their_root.root = (
                    SELECT roots.root FROM roots JOIN records ON records.record = roots.name
                    WHERE records.id = claims.record
                )
            )
            """,
            source,
        )
        query = """
            SELECT substr(namespace || ':', 1, instr(namespace || ':', ':')) AS family,
                count(DISTINCT iif(source = :starter, record.id, NULL)) AS bundled,
                count(DISTINCT iif(source = :starter, NULL, record.id)) AS loaded
            FROM claims JOIN records AS record ON record.id = claims.record GROUP BY family
        """
        for family, bundled, loaded in self._db.execute(query, source).fetchall():
            if bundled and loaded > bundled:
                self._db.execute(
                    "UPDATE claims SET retired = 1 WHERE substr(namespace || ':', 1, length(:family)) = :family"
                    " AND record IN (SELECT id FROM records WHERE source = :starter)",
                    source | {"family": family},
                )

    def _update_names(self) -> None:
        """Fingerprint of a name: its claims in the order of a match, each with its record and all that the records of
        its vulnerability say."""
        root_of = dict(self._db.execute("SELECT name, root FROM roots"))
        records: dict[int, tuple[str, str, bytes]] = {}
        by_root: dict[str, list[bytes]] = {}
        for number, record, source, body in self._db.execute("SELECT id, record, source, body FROM records"):
            mark = hashlib.sha256(body).digest()
            records[number] = record, source, mark
            by_root.setdefault(root_of[record], []).append(mark)
        about = {
            root: hashlib.sha256(root.encode() + b"\0" + b"".join(sorted(marks))).digest()
            for root, marks in by_root.items()
        }
        query = """
            SELECT namespace, name, record, ordinal, body FROM claims WHERE NOT retired ORDER BY namespace, name
        """
        names = []
        for (namespace, name), rows in itertools.groupby(self._db.execute(query), key=lambda row: row[:2]):
            claims = []
            for _, _, number, ordinal, body in rows:
                record, source, mark = records[number]
                claims.append((record, source, ordinal, hashlib.sha256(about[root_of[record]] + mark + body).digest()))
            marks = b"".join(mark for _, _, _, mark in sorted(claims))
            names.append((namespace, name, hashlib.sha256(marks).digest()[:16]))
        self._db.execute("DELETE FROM names")
        self._db.executemany("INSERT INTO names VALUES (?, ?, ?)", names)

    def _update_sources(self, now: datetime) -> None:
        for source in sorted(self._touched):
            row = self._db.execute("SELECT body FROM sources WHERE name = ?", (source,)).fetchone()
            known = json.loads(row[0]) if row else {}
            count = self._db.execute("SELECT count(*) FROM records WHERE source = ?", (source,)).fetchone()[0]
            # A clock that is wrong at the source must not make the data look newer than it is.
            as_of = min(max(self._as_of.get(source, ""), known.get("as_of") or ""), moment(now))
            body = {
                "records": count,
                "as_of": as_of or None,
                "imported_at": moment(now),
                "bundled": source == STARTER,
                "unused": dict(sorted(self._unused.get(source, Counter()).items())),
            }
            self._db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (source, json.dumps(body)))

    def _digest(self) -> str:
        found = hashlib.sha256(f"hullwise generation, rules {matching.RULES_VERSION}\n".encode())
        query = "SELECT namespace, name, fingerprint FROM names ORDER BY namespace, name"
        for namespace, name, mark in self._db.execute(query):
            found.update(f"{namespace}\0{name}\0".encode() + mark)
        return f"sha256:{found.hexdigest()}"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
