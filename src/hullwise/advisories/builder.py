"""Build a generation: take the last one, change what was imported, and seal it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from hullwise.advisories import aliases, matching
from hullwise.advisories.generation import FORMAT, SCHEMA, claim_encoder, record_encoder
from hullwise.advisories.records import Record, Unused
from hullwise.ecosystems.namespaces import scheme

STARTER = "starter"
"""The source of the bundled records. Their ranges step back where an imported source speaks of the same vulnerability
in the same package, and of a whole ecosystem once more records than theirs are loaded for it. Their severities and
texts stay: some feeds have neither."""


class GenerationBuilder:
    """Writes one generation file. Use as a context manager; without `seal` nothing remains."""

    def __init__(self, path: Path, base: Path | None) -> None:
        """Begins with the content of `base`, a generation, or with nothing."""
        self.path = path
        self._partial = path.with_name(path.name + ".partial")
        self._partial.unlink(missing_ok=True)
        if base is not None:
            shutil.copyfile(base, self._partial)
        self._db = sqlite3.connect(self._partial, isolation_level=None)
        # Rebuilt from its inputs after a crash, and synced as a whole in the end.
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        if base is None:
            self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")
        self._unused: dict[str, Counter[str]] = {}
        self._taken: Counter[str] = Counter()
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
        self._db.execute("DELETE FROM claims WHERE record IN (SELECT id FROM records WHERE source = ?)", (source,))
        self._db.execute("DELETE FROM records WHERE source = ?", (source,))
        self._unused.setdefault(source, Counter())

    def remove(self, source: str, record_id: str) -> None:
        """Forget one record, such as one that was withdrawn."""
        row = self._db.execute("SELECT id FROM records WHERE source = ? AND record = ?", (source, record_id)).fetchone()
        if row is not None:
            self._db.execute("DELETE FROM claims WHERE record = ?", row)
            self._db.execute("DELETE FROM records WHERE id = ?", row)

    def add(self, record: Record) -> None:
        """Take a record in place of the one with the same source and id."""
        self.remove(record.source, record.id)
        claims = []
        for affected in record.affected:
            version_key = scheme(affected.namespace)
            if version_key is None:
                self.not_used(record.source, Unused(record.id, f"versions of {affected.namespace} cannot be ordered"))
                continue
            made, unusable = matching.claim(affected, version_key)
            for _ in range(unusable):
                self.not_used(record.source, Unused(record.id, "range that is no version of its ecosystem"))
            if made is not None:
                claims.append((affected.namespace, affected.name, made))
        header = msgspec.structs.replace(record, affected=())
        body = record_encoder.encode(header)
        cursor = self._db.execute(
            "INSERT INTO records (source, record, body) VALUES (?, ?, ?)", (record.source, record.id, body)
        )
        rows = [
            (namespace, name, cursor.lastrowid, ordinal, claim_encoder.encode(made))
            for ordinal, (namespace, name, made) in enumerate(claims)
        ]
        self._db.executemany("INSERT INTO claims VALUES (?, ?, ?, ?, ?)", rows)
        self._taken[record.source] += 1
        if record.modified:
            self.date(record.source, record.modified)

    def not_used(self, source: str, unused: Unused) -> None:
        self._unused.setdefault(source, Counter())[unused.reason] += 1

    def date(self, source: str, moment: str) -> None:
        """The source holds something as new as `moment`, RFC 3339."""
        self._as_of[source] = max(self._as_of.get(source, ""), moment)

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
            "built_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        }
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
        self._db.execute("COMMIT")
        self._db.execute("VACUUM")
        self._db.close()
        _sync(self._partial)
        self._partial.replace(self.path)
        _sync(self.path.parent)
        return digest

    def _headers(self) -> Iterator[tuple[int, Record]]:
        decoder = msgspec.msgpack.Decoder(Record)
        for number, body in self._db.execute("SELECT id, body FROM records"):
            yield number, decoder.decode(body)

    def _update_roots(self) -> None:
        found = aliases.roots((record.id, record.aliases) for _, record in self._headers())
        self._db.execute("DELETE FROM roots")
        self._db.executemany("INSERT INTO roots VALUES (?, ?)", sorted(found.items()))

    def _retire_starter(self) -> None:
        self._db.execute(
            """
            DELETE FROM claims WHERE record IN (SELECT id FROM records WHERE source = :starter) AND EXISTS (
                SELECT 1 FROM claims AS other JOIN records AS theirs ON theirs.id = other.record
                JOIN roots AS their_root ON their_root.name = theirs.record
                WHERE other.namespace = claims.namespace AND other.name = claims.name AND theirs.source <> :starter
                AND their_root.root = (
                    SELECT roots.root FROM roots JOIN records ON records.record = roots.name
                    WHERE records.id = claims.record
                )
            )
            """,
            {"starter": STARTER},
        )
        query = """
            SELECT substr(namespace || ':', 1, instr(namespace || ':', ':')) AS family,
                count(DISTINCT iif(source = :starter, record.id, NULL)) AS bundled,
                count(DISTINCT iif(source = :starter, NULL, record.id)) AS loaded
            FROM claims JOIN records AS record ON record.id = claims.record GROUP BY family
        """
        for family, bundled, loaded in self._db.execute(query, {"starter": STARTER}).fetchall():
            if bundled and loaded > bundled:
                self._db.execute(
                    "DELETE FROM claims WHERE substr(namespace || ':', 1, length(:family)) = :family"
                    " AND record IN (SELECT id FROM records WHERE source = :starter)",
                    {"family": family, "starter": STARTER},
                )

    def _update_names(self) -> None:
        """Fingerprint of a name: its claims, and all records of the vulnerabilities that they are about."""
        root_of = dict(self._db.execute("SELECT name, root FROM roots"))
        by_root: dict[str, list[bytes]] = {}
        root_by_number: dict[int, str] = {}
        for number, record, body in self._db.execute("SELECT id, record, body FROM records"):
            root_by_number[number] = root_of[record]
            by_root.setdefault(root_of[record], []).append(hashlib.sha256(body).digest())
        marks = {
            root: hashlib.sha256(root.encode() + b"\0" + b"".join(sorted(bodies))).digest()
            for root, bodies in by_root.items()
        }
        self._db.execute("DELETE FROM names")
        rows: dict[tuple[str, str], list[bytes]] = {}
        names: list[tuple[str, str, bytes]] = []
        for namespace, name, number, body in self._db.execute("SELECT namespace, name, record, body FROM claims"):
            mark = hashlib.sha256(marks[root_by_number[number]] + body).digest()
            rows.setdefault((namespace, name), []).append(mark)
        for (namespace, name), parts in rows.items():
            names.append((namespace, name, hashlib.sha256(b"".join(sorted(parts))).digest()[:16]))
        self._db.executemany("INSERT INTO names VALUES (?, ?, ?)", names)

    def _update_sources(self, now: datetime) -> None:
        moment = now.astimezone(UTC).isoformat(timespec="seconds")
        for source in sorted(self._unused.keys() | self._taken.keys()):
            row = self._db.execute("SELECT body FROM sources WHERE name = ?", (source,)).fetchone()
            known = json.loads(row[0]) if row else {}
            count = self._db.execute("SELECT count(*) FROM records WHERE source = ?", (source,)).fetchone()[0]
            # A clock that is wrong at the source must not make the data look newer than it is.
            as_of = min(max(self._as_of.get(source, ""), known.get("as_of") or ""), moment)
            body = {
                "records": count,
                "as_of": as_of or None,
                "imported_at": moment,
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
