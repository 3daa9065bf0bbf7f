"""What follows from the records of a generation: roots, claims that step back, what is said of names.

    records, aliases ──▶ roots ─┬─▶ names (fingerprints) ──▶ the generation's digest
    claims ──▶ retired ─────────┴─▶ said (what is matched with)

Derived from everything where a build changed much, else only around what changed. Both give the same rows.
"""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from hullwise.advisories import aliases
from hullwise.advisories.generation import STARTER, claim_encoder, record_decoder
from hullwise.ecosystems.namespaces import COMPREHENSIVE, EVERY

T = TypeVar("T")

Pair = tuple[str, str]
"""(namespace, name) of a package."""

_NATIVE = {
    "debian": "debian-tracker",
    "alpine": "alpine-secdb/",
    "wolfi": "wolfi-secdb",
    "chainguard": "chainguard-secdb",
    "ubuntu": "ubuntu-tracker",
    "rhel": "redhat",
}
"""Families whose own data, by the beginning of its source's name, says more than OSV's copy of it, which takes what
nobody has looked at yet for affected (osv.dev issue 4230) or, of Red Hat, has only what is fixed, by advisory. Where
both are loaded for a namespace, OSV's steps back."""

_PIECEMEAL = frozenset({"ubuntu", "rhel"})
"""Those whose own data comes as one document a vulnerability. A handful of them must not silence all that OSV says:
they count as loaded from half as many records as OSV has."""

_IN_PARTS = frozenset({"alpine"})
"""Those whose own data of one release comes from several sources, a repository each: one of them must not silence what
OSV says of the packages of another."""


def family(namespace: str) -> str:
    """`debian:12` → `debian`."""
    return namespace.partition(":")[0]


def derive_all(db: sqlite3.Connection) -> None:
    """Make every derived row anew."""
    _all_roots(db)
    _retire(db)
    _all_names(db)
    _tell_whole(db)


def derive_changed(db: sqlite3.Connection, names: set[str], pairs: set[Pair]) -> None:
    """Bring the derived rows up to date, where only records with these names came, went or changed, and they spoke of
    these packages."""
    roots = _changed_roots(db, names)
    pairs = pairs | _retire(db)
    for root in sorted(roots):
        query = """
            SELECT DISTINCT claims.namespace, claims.name FROM roots JOIN records ON records.record = roots.name
            JOIN claims ON claims.record = records.id WHERE roots.root = ?
        """
        pairs |= set(db.execute(query, (root,)))
    about: dict[str, tuple[bytes, bool]] = {}
    for pair in sorted(pairs):
        for table in ("names", "said"):
            db.execute(f"DELETE FROM {table} WHERE namespace = ? AND name = ?", pair)  # noqa: S608 - one of two
        claims = _claims(db, *pair, about)
        if claims:
            _insert_names(db, [(pair, claims)])
    _tell_whole(db)


def _tell_whole(db: sqlite3.Connection) -> None:
    """Say of which releases a publisher speaks who tells of every vulnerability in its packages how it stands: in
    records on single ones. Where there are notices alone, as of releases that have ended, or some that are bundled,
    nobody told of the others."""
    scopes = [scope for (scope,) in db.execute("SELECT DISTINCT scope FROM speakers WHERE records > 0 ORDER BY scope")]
    spoken = [scope for scope in scopes if family(scope) in COMPREHENSIVE and _speaks_of_single_ones(db, scope)]
    # What is said of a package that is called so has a fingerprint.
    db.execute("DELETE FROM names WHERE name = ? AND fingerprint = ?", (EVERY, b""))
    db.executemany("INSERT OR IGNORE INTO names VALUES (?, ?, ?)", [(scope, EVERY, b"") for scope in spoken])


def _speaks_of_single_ones(db: sqlite3.Connection, namespace: str) -> bool:
    notices = " AND ".join("NOT records.record GLOB ?" for _ in aliases.NOTICES)
    query = f"""
        SELECT 1 FROM claims JOIN records ON records.id = claims.record
        WHERE claims.namespace = ? AND records.source <> ? AND {notices} LIMIT 1
    """  # noqa: S608 - as many conditions as there are kinds
    patterns = [f"{prefix}-*" for prefix in aliases.NOTICES]
    return db.execute(query, (namespace, STARTER, *patterns)).fetchone() is not None


def digest(db: sqlite3.Connection, rules_version: int) -> str:
    """The identity of a generation: of all that decides a verdict."""
    found = hashlib.sha256(f"hullwise generation, rules {rules_version}\n".encode())
    for namespace, name, mark in db.execute("SELECT namespace, name, fingerprint FROM names ORDER BY namespace, name"):
        found.update(f"{namespace}\0{name}\0".encode() + mark)
    return f"sha256:{found.hexdigest()}"


def _all_roots(db: sqlite3.Connection) -> None:
    headers = (record_decoder.decode(body) for (body,) in db.execute("SELECT body FROM records"))
    found = aliases.roots((header.id, header.aliases) for header in headers)
    db.execute("DELETE FROM roots")
    db.executemany("INSERT INTO roots VALUES (?, ?)", sorted(found.items()))


def _changed_roots(db: sqlite3.Connection, names: set[str]) -> set[str]:
    """Derive the roots of everything that these names are linked with. Returns the roots whose records changed."""
    linked, edges = _neighbourhood(db, names)
    found = aliases.roots(edges)
    before = {name: root for name in linked for (root,) in db.execute("SELECT root FROM roots WHERE name = ?", (name,))}
    gone, moved = before.keys() - found.keys(), {name for name in found if before.get(name) != found[name]}
    db.executemany("DELETE FROM roots WHERE name = ?", [(name,) for name in sorted(gone)])
    db.executemany("INSERT OR REPLACE INTO roots VALUES (?, ?)", [(name, found[name]) for name in sorted(moved)])
    about = names | gone | moved
    return {roots[name] for roots in (before, found) for name in about if name in roots}


def _neighbourhood(db: sqlite3.Connection, names: set[str]) -> tuple[set[str], list[tuple[str, tuple[str, ...]]]]:
    """Every name that aliases lead to from these, and (id, aliases) of the records that have them.

    A part that fell off an old group is reached too: it was held by an alias that went, and that is one of `names`.
    """
    seen, waiting, edges = set(names), sorted(names), {}
    by_id = "SELECT id, body FROM records WHERE record = ?"
    by_alias = "SELECT id, body FROM records WHERE id IN (SELECT record FROM aliases WHERE name = ?)"
    while waiting:
        name = waiting.pop()
        for query in (by_id, by_alias):
            for number, body in db.execute(query, (name,)):
                if number not in edges:
                    record = record_decoder.decode(body)
                    edges[number] = (record.id, record.aliases)
                    new = [other for other in aliases.names_of(record.id, record.aliases) if other not in seen]
                    seen.update(new)
                    waiting += new
    return seen, list(edges.values())


def _retire(db: sqlite3.Connection) -> set[Pair]:
    """Let claims step back, or come forward again, as the other sources now are. Returns the packages concerned."""
    wanted = _retired_starter(db) | _retired_copies(db) | _retired_notices(db)
    present = set(db.execute("SELECT namespace, name, record, ordinal FROM claims WHERE retired"))
    change = "UPDATE claims SET retired = ? WHERE namespace = ? AND name = ? AND record = ? AND ordinal = ?"
    db.executemany(change, [(0, *key) for key in sorted(present - wanted)])
    db.executemany(change, [(1, *key) for key in sorted(wanted - present)])
    return {key[:2] for key in present ^ wanted}


_ClaimKey = tuple[str, str, int, int]


def _retired_starter(db: sqlite3.Connection) -> set[_ClaimKey]:
    found: set[_ClaimKey] = set()
    outnumbered = _outnumbered(db)
    bundled = """
        SELECT claims.namespace, claims.name, claims.record, claims.ordinal, roots.root FROM records
        JOIN claims ON claims.record = records.id JOIN roots ON roots.name = records.record WHERE records.source = ?
    """
    others = """
        SELECT 1 FROM claims JOIN records ON records.id = claims.record JOIN roots ON roots.name = records.record
        WHERE claims.namespace = ? AND claims.name = ? AND records.source <> ? AND roots.root = ?
    """
    for namespace, name, record, ordinal, root in db.execute(bundled, (STARTER,)).fetchall():
        told = family(namespace) in outnumbered or db.execute(others, (namespace, name, STARTER, root)).fetchone()
        if told:
            found.add((namespace, name, record, ordinal))
    return found


def _outnumbered(db: sqlite3.Connection) -> set[str]:
    """Families for which more records are loaded than bundled."""
    query = """
        SELECT rtrim(scope, '*'), sum(iif(source = ?1, records, 0)), sum(iif(source = ?1, 0, records)) FROM speakers
        WHERE scope LIKE '%*' GROUP BY scope
    """
    return {name for name, bundled, loaded in db.execute(query, (STARTER,)) if 0 < bundled < loaded}


def _retired_copies(db: sqlite3.Connection) -> set[_ClaimKey]:
    speakers: dict[str, dict[str, int]] = {}
    for scope, source, records in db.execute("SELECT scope, source, records FROM speakers WHERE records > 0"):
        speakers.setdefault(scope, {})[source] = records
    query = """
        SELECT claims.namespace, claims.name, claims.record, claims.ordinal FROM claims
        JOIN records ON records.id = claims.record WHERE claims.namespace = ? AND records.source = 'osv'
    """
    found: set[_ClaimKey] = set()
    for namespace, sources in speakers.items():
        native = _NATIVE.get(family(namespace))
        if native is None or "osv" not in sources:
            continue
        own = sum(records for source, records in sources.items() if source.startswith(native))
        if own > (sources["osv"] // 2 if family(namespace) in _PIECEMEAL else 0):
            copies = set(db.execute(query, (namespace,)))
            if family(namespace) in _IN_PARTS:
                spoken = _spoken_of(db, namespace, native)
                copies = {key for key in copies if key[1] in spoken}
            found |= copies
    return found


def _spoken_of(db: sqlite3.Connection, namespace: str, source: str) -> set[str]:
    """Names of packages that sources whose names begin so speak of."""
    query = """
        SELECT DISTINCT claims.name FROM claims JOIN records ON records.id = claims.record
        WHERE claims.namespace = ? AND substr(records.source, 1, ?) = ?
    """
    return {name for (name,) in db.execute(query, (namespace, len(source), source))}


class _Notice(msgspec.Struct):
    """What is read of a notice's record."""

    upstream: tuple[str, ...] = ()


_notice_decoder = msgspec.msgpack.Decoder(_Notice)


class _Series(NamedTuple):
    """Notices of a source, and its own records on one CVE each, which know of more."""

    source: str
    notices: str
    """How the ids of notices begin."""
    own: str
    """What its records on one CVE have before the CVE's number."""


_SERIES = (
    *(_Series("osv", f"{prefix}-", f"{vendor}-") for prefix, vendor in aliases.NOTICES.items()),
    *(_Series("redhat", f"{prefix}-", "") for prefix in ("RHSA", "RHBA", "RHEA")),
)


def _retired_notices(db: sqlite3.Connection) -> set[_ClaimKey]:
    claims = "SELECT namespace, name, record, ordinal FROM claims WHERE record = ?"
    found: set[_ClaimKey] = set()
    spoken: dict[tuple[_Series, str], bool] = {}
    for series in _SERIES:
        said = _begun(db, "id, body", series.notices, series.source)
        known = {name for (name,) in _begun(db, "record", f"{series.own}CVE-", series.source)} if said else set()
        for number, body in said:
            own = [f"{series.own}{aliases.plain(name)}" for name in _notice_decoder.decode(body).upstream]
            if not own or not known.issuperset(own):
                continue
            for key in db.execute(claims, (number,)).fetchall():
                if (place := (series, key[0])) not in spoken:
                    spoken[place] = _has_own_records(db, *place)
                if spoken[place]:
                    found.add(key)
    return found


def _begun(db: sqlite3.Connection, columns: str, beginning: str, source: str) -> list[Any]:
    """Of the source's records whose ids begin so."""
    query = f"SELECT {columns} FROM records WHERE record > ? AND record < ? AND source = ?"  # noqa: S608 - two kinds
    return db.execute(query, (beginning, _behind(beginning), source)).fetchall()


def _behind(beginning: str) -> str:
    """What follows every text that begins so: `.` is the next character after `-`."""
    return f"{beginning.removesuffix('-')}."


def _has_own_records(db: sqlite3.Connection, series: _Series, namespace: str) -> bool:
    """Whether any of the vendor's records on one CVE speaks of the release. They have no releases that have ended: what
    is known of these stands in notices alone."""
    query = """
        SELECT 1 FROM claims JOIN records ON records.id = claims.record
        WHERE claims.namespace = ? AND records.record > ? AND records.record < ? AND records.source = ? LIMIT 1
    """
    beginning = f"{series.own}CVE-"
    return db.execute(query, (namespace, beginning, _behind(beginning), series.source)).fetchone() is not None


def _mark(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def _about(root: str, marks: Iterable[bytes]) -> bytes:
    """Of all that the records of a vulnerability say."""
    return hashlib.sha256(root.encode() + b"\0" + b"".join(sorted(marks))).digest()


class _Claim(NamedTuple):
    """A claim that counts. Claims sort in the order of a fingerprint."""

    record: str
    source: str
    ordinal: int
    mark: bytes
    """Of the claim, of its record, and of all that is said of the vulnerability."""
    number: int
    """Row of the record."""
    root: str
    alone: bool
    """Whether no other record is about the vulnerability."""
    body: bytes


def _fingerprint(claims: Iterable[_Claim]) -> bytes:
    """Of all that is said of one name."""
    return hashlib.sha256(b"".join(claim.mark for claim in sorted(claims))).digest()[:16]


def _body(claims: Iterable[_Claim]) -> bytes:
    """What `generation.said_decoder` reads, in the order of rows."""
    ordered = sorted(claims, key=lambda claim: (claim.number, claim.ordinal))
    return claim_encoder.encode([(c.number, c.root, c.alone, msgspec.Raw(c.body)) for c in ordered])


def _insert_names(db: sqlite3.Connection, named: Iterable[tuple[Pair, Sequence[_Claim]]]) -> None:
    for chunk in _chunks(iter(named)):
        db.executemany("INSERT INTO names VALUES (?, ?, ?)", [(*pair, _fingerprint(claims)) for pair, claims in chunk])
        db.executemany("INSERT INTO said VALUES (?, ?, ?)", [(*pair, _body(claims)) for pair, claims in chunk])


def _claims(db: sqlite3.Connection, namespace: str, name: str, about: dict[str, tuple[bytes, bool]]) -> list[_Claim]:
    """All that count on one name. `about` remembers what is said of a root, and whether by one record alone."""
    query = """
        SELECT records.record, records.source, claims.ordinal, records.body, claims.body, records.id, roots.root
        FROM claims JOIN records ON records.id = claims.record JOIN roots ON roots.name = records.record
        WHERE claims.namespace = ? AND claims.name = ? AND NOT claims.retired
    """
    said = "SELECT records.body FROM roots JOIN records ON records.record = roots.name WHERE roots.root = ?"
    claims = []
    for record, source, ordinal, header, body, number, root in db.execute(query, (namespace, name)).fetchall():
        if root not in about:
            marks = [_mark(body) for (body,) in db.execute(said, (root,))]
            about[root] = (_about(root, marks), len(marks) == 1)
        mark, alone = about[root]
        mark = _claim_mark(mark, header, body)
        claims.append(_Claim(record, source, ordinal, mark, number, root, alone, body))
    return claims


def _all_names(db: sqlite3.Connection) -> None:
    # On disk and in the order of an index each, so that memory does not grow with the number of records.
    db.execute(
        "CREATE TEMP TABLE about (root TEXT PRIMARY KEY, mark BLOB NOT NULL, alone INTEGER NOT NULL) WITHOUT ROWID"
    )
    by_root = db.execute(
        "SELECT roots.root, records.body FROM roots JOIN records ON records.record = roots.name ORDER BY roots.root"
    )
    groups = ((root, [_mark(body) for _, body in rows]) for root, rows in itertools.groupby(by_root, _first))
    abouts = ((root, _about(root, marks), len(marks) == 1) for root, marks in groups)
    for chunk in _chunks(abouts):
        db.executemany("INSERT INTO about VALUES (?, ?, ?)", chunk)
    by_name = db.execute(
        """
        SELECT claims.namespace, claims.name, records.record, records.source, claims.ordinal, about.mark, records.body,
            claims.body, records.id, about.root, about.alone
        FROM claims JOIN records ON records.id = claims.record JOIN roots ON roots.name = records.record
        JOIN about ON about.root = roots.root WHERE NOT claims.retired ORDER BY claims.namespace, claims.name
        """
    )
    db.execute("DELETE FROM names")
    db.execute("DELETE FROM said")
    claims = (
        ((namespace, name), _Claim(record, source, ordinal, _claim_mark(*said), number, root, bool(alone), said[2]))
        for namespace, name, record, source, ordinal, *said, number, root, alone in by_name
    )
    named = itertools.groupby(claims, _first)
    _insert_names(db, ((pair, [claim for _, claim in found]) for pair, found in named))
    db.execute("DROP TABLE about")


def _claim_mark(about: bytes, record: bytes, claim: bytes) -> bytes:
    return hashlib.sha256(about + _mark(record) + claim).digest()


def _first(row: tuple[T, Any]) -> T:
    return row[0]


def _chunks(rows: Iterator[T], size: int = 1_000) -> Iterator[list[T]]:
    while chunk := list(itertools.islice(rows, size)):
        yield chunk
