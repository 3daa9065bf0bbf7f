"""A generation: one immutable, read-only SQLite file of advisory data, which is also the offline bundle.

    meta      key → value: digest, rules version, when it was built
    sources   what it was built from: counts, age
    unused    what was read of a source and is not used, by record and reason
    records   every live record, without its packages; `mark` covers it with them
    aliases   (name, record): under which other names a record's vulnerability goes
    claims    (namespace, name) → what records say of that package, with version keys as ordered bytes; those that
              stepped back for another source's are kept too, and marked as retired
    speakers  how many records each source has on a namespace (`debian:12`) and on a family of them (`debian*`)
    roots     every name of every vulnerability → the name that is shown
    names     (namespace, name) → fingerprint of all that decides a verdict on packages of that name; the name `*` says
              that a publisher who speaks of every vulnerability in its packages speaks of that release
    said      (namespace, name) → the claims that count there, with the rows of their records, decoded at once: a match
              begins here

The last three, and what is retired, follow from the others (`derivation.py`). The digest covers `names` and the rules
version: two files with the same digest give the same verdicts. Comparing the `names` of two files tells which packages
need matching again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from hullwise.advisories import matching
from hullwise.advisories.records import Record
from hullwise.domain.packages import Package
from hullwise.domain.vulnerabilities import Assessment
from hullwise.ecosystems import builds, kernels, spellings
from hullwise.ecosystems.namespaces import APART, BY_BINARY, COMPREHENSIVE, EVERY, advised, owner_of, scheme, subject

T = TypeVar("T")

FORMAT = 4
"""Of the file's tables. A file of another format is not opened."""

STARTER = "starter"
"""The source of the bundled records. Their ranges step back where an imported source speaks of the same vulnerability
in the same package, and of a whole ecosystem once more records than theirs are loaded for it. Their severities and
texts stay: some feeds have neither."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE sources (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE unused (
    source TEXT NOT NULL, record TEXT NOT NULL, reason TEXT NOT NULL, parts INTEGER NOT NULL,
    PRIMARY KEY (source, record, reason)
) STRICT, WITHOUT ROWID;
CREATE TABLE records (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, record TEXT NOT NULL, mark BLOB NOT NULL, body BLOB NOT NULL,
    UNIQUE (record, source)
) STRICT;
CREATE INDEX records_by_source ON records (source);
CREATE TABLE aliases (name TEXT NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (name, record)) STRICT, WITHOUT ROWID;
CREATE TABLE claims (
    namespace TEXT NOT NULL, name TEXT NOT NULL, record INTEGER NOT NULL, ordinal INTEGER NOT NULL, body BLOB NOT NULL,
    retired INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (namespace, name, record, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_by_record ON claims (record);
CREATE INDEX claims_retired ON claims (record) WHERE retired;
CREATE TABLE speakers (
    scope TEXT NOT NULL, source TEXT NOT NULL, records INTEGER NOT NULL, PRIMARY KEY (scope, source)
) STRICT, WITHOUT ROWID;
CREATE TABLE roots (name TEXT PRIMARY KEY, root TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX roots_by_root ON roots (root);
CREATE TABLE names (
    namespace TEXT NOT NULL, name TEXT NOT NULL, fingerprint BLOB NOT NULL, PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE said (
    namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (namespace, name)
) STRICT;
"""

claim_encoder = msgspec.msgpack.Encoder()
claim_decoder = msgspec.msgpack.Decoder(matching.Claim)
record_encoder = msgspec.msgpack.Encoder()
record_decoder = msgspec.msgpack.Decoder(Record)
said_decoder = msgspec.msgpack.Decoder(tuple[matching.Candidate, ...])

_KEPT = 4_096
"""Records that are kept decoded, and packages whose verdict is kept for the next that has the same source: binaries
of one source come together."""


_TELLS_WHOLE = 9
"""The first version of the rules whose files have the name `*`."""


class UnusableGeneration(Exception):
    """The file is no generation that this version can read, or is damaged. The message says why."""


class _Vendor(NamedTuple):
    """What the vendor of a distribution's package says of it."""

    whole: bool
    """Whether it speaks of every vulnerability in its packages of that release."""
    anything: bool
    """Whether it says anything at all of this one."""
    vulnerabilities: frozenset[str]
    """Names of those that it speaks of in this build, whatever the version."""


class Generation:
    """An open generation. Not shared between threads. Whatever reads it raises UnusableGeneration where the file is
    damaged."""

    def __init__(self, path: Path) -> None:
        """Raises UnusableGeneration."""
        self.path = path
        self._verdicts: dict[tuple[object, ...], tuple[Assessment, ...]] = {}
        self._records: dict[int, tuple[Record, ...]] = {}
        self._vendors: dict[Package, _Vendor] = {}
        try:
            # `immutable`: no lock, no journal, and no look at either: the file never changes.
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
            try:
                self._read_meta()
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, KeyError, ValueError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> UnusableGeneration:
        return UnusableGeneration(f"{self.path.name}: {error}")

    def _rows(self, query: str, parameters: Sequence[object] = ()) -> Iterator[Any]:
        try:
            yield from self._db.execute(query, parameters)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _row(self, query: str, parameters: Sequence[object] = ()) -> Any:
        """The first one, or None."""
        return next(self._rows(query, parameters), None)

    def _decoded(self, decoder: msgspec.msgpack.Decoder[T], body: bytes) -> T:
        # SQLite notices pages that are no pages; what lies within a value it hands on.
        try:
            return decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._unusable(error) from error

    def _read_meta(self) -> None:
        meta: dict[str, str] = dict(self._db.execute("SELECT key, value FROM meta"))
        if meta.get("format") != str(FORMAT):
            raise ValueError(f"format {meta.get('format')} is not {FORMAT}")
        self.digest = meta["digest"]
        self.rules_version = int(meta["rules_version"])
        self.built_at = meta["built_at"]

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Generation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def record_count(self) -> int:
        return int(self._row("SELECT count(*) FROM records")[0])

    @property
    def sources(self) -> dict[str, dict[str, Any]]:
        """What it was built from, by name."""
        return {name: json.loads(body) for name, body in self._rows("SELECT name, body FROM sources")}

    @property
    def data_as_of(self) -> str:
        """When the newest of its sources last changed, RFC 3339; empty where none says.

        The bundled records speak for the age of the data only where there is nothing else."""
        sources = self.sources.values()
        ages = [source.get("as_of") or "" for source in sources if not source.get("bundled")]
        return max(ages or [source.get("as_of") or "" for source in sources], default="")

    def namespaces(self) -> set[str]:
        """Whose packages it speaks of at all, and of which where each is a matter of its own: `subject` of each."""
        found = {row[0] for row in self._rows("SELECT DISTINCT namespace FROM names")}
        of_names = {
            subject(each, row[0])
            for each in found & APART
            for row in self._rows("SELECT name FROM names WHERE namespace = ?", (each,))
        }
        return found - APART | of_names

    def candidates(self, namespace: str, name: str) -> tuple[matching.Candidate, ...]:
        """What it says of the packages of that name."""
        query = "SELECT body FROM said WHERE namespace = ? AND name = ?"
        row = self._row(query, (namespace, name))
        return self._decoded(said_decoder, row[0]) if row else ()

    def records(self, candidate: matching.Candidate) -> Sequence[Record]:
        """As `matching.Records` says."""
        found = self._records.get(candidate.record)
        if found is None:
            if len(self._records) >= _KEPT:
                self._records.clear()
            self._records |= self._read(candidate)
            found = self._records[candidate.record]
        return found

    def _read(self, candidate: matching.Candidate) -> dict[int, tuple[Record, ...]]:
        """By row, for all records of the vulnerability: who asks for one asks for the others next."""
        if candidate.alone:
            (body,) = self._row("SELECT body FROM records WHERE id = ?", (candidate.record,))
            return {candidate.record: (self._decoded(record_decoder, body),)}
        known = self.known(candidate.root)
        return {row: (own, *(other for other in known.values() if other is not own)) for row, own in known.items()}

    def known(self, root: str) -> dict[int, Record]:
        """Every live record of a vulnerability, by its shown name; by row, in the order of id and source."""
        query = """
            SELECT records.id, records.body FROM roots JOIN records ON records.record = roots.name
            WHERE roots.root = ? ORDER BY records.record, records.source
        """
        return {number: self._decoded(record_decoder, body) for number, body in self._rows(query, (root,))}

    def names_of(self, root: str) -> list[str]:
        """Every name of one vulnerability."""
        return [row[0] for row in self._rows("SELECT name FROM roots WHERE root = ? ORDER BY name", (root,))]

    def roots_of(self, names: Iterable[str]) -> set[str]:
        """Shown names of the vulnerabilities that have these names; names that nothing here has are left out."""
        query = "SELECT root FROM roots WHERE name = ?"
        return {row[0] for name in names for row in self._rows(query, (name,))}

    def spoken_of(self, records: Iterable[int]) -> set[tuple[str, str]]:
        """(namespace, name) of every package that these records speak of and that counts there, by their rows."""
        query = "SELECT namespace, name FROM claims WHERE record = ? AND NOT retired"
        return {(namespace, name) for row in records for namespace, name in self._rows(query, (row,))}

    def unused_on(self, names: Iterable[str]) -> list[tuple[str, str, str]]:
        """(record, source, reason) of what was read under these ids, or a part of it, and is not used."""
        query = "SELECT record, source, reason FROM unused WHERE record = ? ORDER BY source, reason"
        return [row for name in sorted(set(names)) for row in self._rows(query, (name,))]

    def publication(self, names: Sequence[str]) -> dict[str, str]:
        """When the records with these ids were published; ids without a record, or without a date, are left out."""
        found: dict[str, str] = {}
        for name in names:
            for (body,) in self._rows("SELECT body FROM records WHERE record = ?", (name,)):
                published = self._decoded(record_decoder, body).published
                if published:
                    found[name] = min(published, found.get(name, published))
        return found

    def said_of(self, package: Package) -> tuple[matching.Candidate, ...]:
        """What it says of the package: by its own name, and by that of its source where advisories have both."""
        namespace, name = package.namespace, advised(package)[0]
        found = tuple(one for spoken in spellings.spoken(namespace, name) for one in self.candidates(namespace, spoken))
        if namespace.partition(":")[0] not in BY_BINARY or not package.source_name:
            return found
        if package.source_name == name:
            return found
        of_source = (each for each in self.candidates(namespace, package.source_name) if each.claim.of_source)
        return (*(each for each in found if not each.claim.of_source), *of_source)

    def match(self, package: Package) -> tuple[Assessment, ...]:
        """Every vulnerability that hits the package, by shown name."""
        owner = owner_of(package)
        # Those of one source are judged alike, unless the vendor names what is installed.
        by_binary = package.namespace.partition(":")[0] in BY_BINARY
        source = (package.source_name, package.source_version) if by_binary else ()
        key = (package.namespace, *advised(package), matching.build_of(package), *source)
        if key not in self._verdicts:
            if len(self._verdicts) >= _KEPT:
                self._verdicts.clear()
            self._verdicts[key] = self._match(package)
        found = self._verdicts[key]
        if kernels.is_headers(package):
            return tuple(map(matching.of_headers, found))
        return found if owner is None else self._deferring(found, owner)

    def _match(self, package: Package) -> tuple[Assessment, ...]:
        version_key = scheme(package.namespace) if package.namespace else None
        if version_key is None or builds.apart(package):
            return ()
        name, version = advised(package)
        return matching.match(
            (package.namespace, name),
            version,
            self.said_of(package),
            version_key,
            self.records,
            matching.build_of(package),
            package.source_version,
        )

    def _deferring(self, upstream: tuple[Assessment, ...], owner: Package) -> tuple[Assessment, ...]:
        """What is said upstream of a package that the distribution's package `owner` installed, in its own build.

                           the vendor speaks of     defers
        a library that is the owner's   anything    where the vendor is comprehensive
        one of many in a program        the owner   where the vendor is comprehensive
        either                          the same vulnerability, in the owner
        """
        if not upstream:
            return upstream
        vendor = self._vendor(owner)
        whole = vendor.whole and (vendor.anything or upstream[0].namespace not in matching.BUNDLED)
        whom = f"{owner.namespace} {advised(owner)[0]}"
        return tuple(
            msgspec.structs.replace(each, deferred_to=whom)
            if whole or not vendor.vulnerabilities.isdisjoint(each.ids)
            else each
            for each in upstream
        )

    def _vendor(self, owner: Package) -> _Vendor:
        found = self._vendors.get(owner)
        if found is None:
            said = self.said_of(owner)
            build = matching.build_of(owner)
            # A notice on several CVEs goes by its own name.
            spoken = {
                name
                for each in said
                if each.claim.means(build)
                for name in (each.root, *self.records(each)[0].upstream)
            }
            found = self._vendors[owner] = _Vendor(self._is_whole(owner.namespace), bool(said), frozenset(spoken))
        return found

    def _is_whole(self, namespace: str) -> bool:
        if self.rules_version < _TELLS_WHOLE:
            return namespace.partition(":")[0] in COMPREHENSIVE
        query = "SELECT 1 FROM names WHERE namespace = ? AND name = ?"
        return self._row(query, (namespace, EVERY)) is not None

    def fingerprints(self) -> Iterator[tuple[str, str, bytes]]:
        """(namespace, name, fingerprint), sorted."""
        yield from self._rows("SELECT namespace, name, fingerprint FROM names ORDER BY namespace, name")


def changed_names(old: Generation | None, new: Generation) -> list[tuple[str, str]]:
    """(namespace, name) of every package on which the two may give different verdicts, sorted.

    Where the rules differ that is every name of either.
    """
    before: Mapping[tuple[str, str], bytes] = {}
    if old is not None:
        before = {(namespace, name): mark for namespace, name, mark in old.fingerprints()}
    after = {(namespace, name): mark for namespace, name, mark in new.fingerprints()}
    if old is not None and old.rules_version == new.rules_version:
        return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return sorted(before.keys() | after.keys())
