"""What follows from records is the same, whether it is derived from all of them or around what changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.advisories import explanation
from hullwise.advisories.builder import STARTER, GenerationBuilder, Rejected
from hullwise.advisories.generation import (
    Generation,
    claim_decoder,
    claim_encoder,
    record_decoder,
    record_encoder,
    said_decoder,
)
from hullwise.advisories.records import Affected, Interval, Record, Unused
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim
from tests.support.advisories import package

NOW = datetime(2026, 6, 1, tzinfo=UTC)

# So many that a handful of changed records is derived around, not from everything.
FILLERS = [Record(f"X-{number}", "filler", (Affected("npm", f"f{number}", (Interval(),)),)) for number in range(120)]

IDS = ("CVE-2024-0001", "CVE-2024-0002", "GHSA-a", "GHSA-b", "PYSEC-1", "DEBIAN-CVE-2024-0001", "DSA-1-1")
SOURCES = ("osv", "debian-tracker", STARTER)
SPACES = ("pypi", "debian:12")


@st.composite
def records(draw: st.DrawFn) -> Record:
    affected = [
        Affected(space, draw(st.sampled_from(["a", "b"])), (Interval("0", draw(st.sampled_from(["1", "2"]))),))
        for space in draw(st.lists(st.sampled_from(SPACES), max_size=2))
    ]
    aliases = draw(st.lists(st.sampled_from(IDS), max_size=3, unique=True))
    name = draw(st.sampled_from(IDS))
    return Record(
        name,
        draw(st.sampled_from(SOURCES)),
        tuple(affected),
        tuple(sorted(set(aliases) - {name})),
        summary=draw(st.sampled_from(["", "x"])),
        upstream=draw(st.sampled_from([(), ("CVE-2024-0001",), ("CVE-2024-0001", "CVE-2024-0002")])),
    )


def removal(source: str, name: str) -> tuple[str, str]:
    return source, name


CHANGES = st.lists(st.one_of(records(), st.builds(removal, st.sampled_from(SOURCES), st.sampled_from(IDS))), max_size=6)


def apply(builder: GenerationBuilder, changes: list[Any]) -> None:
    for change in changes:
        if isinstance(change, Record):
            builder.add(change)
        else:
            builder.remove(*change)


def derived(path: Path) -> dict[str, list[Any]]:
    """Rows that follow from others, and the digest."""
    queries = {
        "roots": "SELECT name, root FROM roots ORDER BY name",
        "names": "SELECT namespace, name, hex(fingerprint) FROM names ORDER BY namespace, name",
        "retired": """
            SELECT claims.namespace, claims.name, records.record, records.source, ordinal, retired FROM claims
            JOIN records ON records.id = claims.record ORDER BY 1, 2, 3, 4, 5
        """,
        "aliases": """
            SELECT aliases.name, records.record, records.source FROM aliases
            JOIN records ON records.id = aliases.record ORDER BY 1, 2, 3
        """,
        "speakers": "SELECT scope, source, records FROM speakers WHERE records <> 0 ORDER BY scope, source",
        "digest": "SELECT value FROM meta WHERE key = 'digest'",
    }
    with closing(sqlite3.connect(path)) as db:
        found = {name: db.execute(query).fetchall() for name, query in queries.items()}
        rows = {number: tuple(ids) for number, *ids in db.execute("SELECT id, record, source FROM records")}
        said = db.execute("SELECT namespace, name, body FROM said ORDER BY namespace, name").fetchall()
    # Rows have other numbers, and claims with them another order, in another build.
    found["said"] = [
        (*pair, sorted((rows[one.record], one.root, one.alone, repr(one.claim)) for one in said_decoder.decode(body)))
        for *pair, body in said
    ]
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(records(), max_size=8), st.lists(CHANGES, min_size=1, max_size=3))
def test_a_chain_of_deltas_is_what_a_fresh_build_is(first: list[Record], deltas: list[list[Any]]) -> None:
    """However records came, went and changed, the derived rows and the digest are those of one build of the rest."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "0.sqlite")
        live: dict[tuple[str, str], Record] = {(item.source, item.id): item for item in (*FILLERS, *first)}
        with GenerationBuilder(path, None) as builder:
            apply(builder, list(live.values()))
            builder.seal(NOW)
        for number, changes in enumerate(deltas, 1):
            base, path = path, Path(folder, f"{number}.sqlite")
            with GenerationBuilder(path, base) as builder:
                apply(builder, changes)
                builder.seal(NOW)
            for change in changes:
                if isinstance(change, Record):
                    live[change.source, change.id] = change
                else:
                    live.pop(change, None)
        fresh = Path(folder, "fresh.sqlite")
        with GenerationBuilder(fresh, None) as builder:
            apply(builder, list(live.values()))
            builder.seal(NOW)
        assert derived(path) == derived(fresh)


def build(path: Path, *records: Record, base: Path | None = None) -> Path:
    with GenerationBuilder(path, base) as builder:
        apply(builder, list(records))
        builder.seal(NOW)
    return path


def hits(path: Path, name: str, version: str, namespace: str) -> list[str]:
    with Generation(path) as generation:
        return [found.name for found in generation.match(package(name, version, namespace))]


def test_osv_steps_back_where_a_distribution_speaks_for_itself(tmp_path: Path) -> None:
    """OSV's copy of Debian counts what nobody has looked at as affected; beside the tracker it does not count, in a
    release that the tracker covers, and comes forward again once the tracker's data is gone."""
    copies = (
        Record("DEBIAN-CVE-2024-0007", "osv", (Affected("debian:12", "a", (Interval("0"),)),)),
        Record("DEBIAN-CVE-2024-0008", "osv", (Affected("debian:11", "a", (Interval("0"),)),)),
    )
    own = Record("CVE-2024-0009", "debian-tracker", (Affected("debian:12", "a", (Interval("0", "2"),)),))
    alone = build(tmp_path / "1.sqlite", *copies, *FILLERS)
    both = build(tmp_path / "2.sqlite", own, base=alone)
    with GenerationBuilder(tmp_path / "3.sqlite", both) as builder:
        builder.remove("debian-tracker", "CVE-2024-0009")
        builder.seal(NOW)
    again = tmp_path / "3.sqlite"
    assert hits(alone, "a", "1", "debian:12") == ["CVE-2024-0007"]
    assert hits(both, "a", "1", "debian:12") == ["CVE-2024-0009"]
    assert hits(both, "a", "1", "debian:11") == ["CVE-2024-0008"]
    assert hits(again, "a", "1", "debian:12") == ["CVE-2024-0007"]


def test_a_notice_steps_back_where_each_of_its_vulnerabilities_has_a_record(tmp_path: Path) -> None:
    """OSV has Ubuntu's notices beside a record for each CVE, and these know which of the CVEs a release has: here
    jammy never had the second. A notice with a vulnerability that has no record of its own counts."""

    def on(record: str, package: str, upstream: tuple[str, ...] = ()) -> Record:
        return Record(record, "osv", (Affected("ubuntu:22.04", package, (Interval("0", "2"),)),), upstream=upstream)

    elsewhere = Record("UBUNTU-CVE-2024-0002", "osv", (Affected("ubuntu:24.04", "a", (Interval("0", "2"),)),))
    notice = on("USN-1-1", "a", ("CVE-2024-0001", "CVE-2024-0002"))
    alone = build(tmp_path / "1.sqlite", notice, on("UBUNTU-CVE-2024-0001", "a"), *FILLERS)
    whole = build(tmp_path / "2.sqlite", elsewhere, base=alone)
    with GenerationBuilder(tmp_path / "3.sqlite", whole) as builder:
        builder.remove("osv", "UBUNTU-CVE-2024-0001")
        builder.seal(NOW)
    assert hits(alone, "a", "1", "ubuntu:22.04") == ["CVE-2024-0001", "USN-1-1"]
    assert hits(whole, "a", "1", "ubuntu:22.04") == ["CVE-2024-0001"]
    assert hits(tmp_path / "3.sqlite", "a", "1", "ubuntu:22.04") == ["USN-1-1"]
    with Generation(whole) as generation:
        told = explanation.explain(generation, (), "usn-1-1")
    assert told.sentence == "USN-1-1 is a notice of CVE-2024-0001, CVE-2024-0002; each is judged by its own record."


def test_a_notice_counts_in_releases_that_have_no_records_of_their_own(tmp_path: Path) -> None:
    """Records on one CVE are of releases that are looked after; of one that has ended there are notices alone."""
    own = Record("DEBIAN-CVE-2024-0001", "osv", (Affected("debian:11", "a", (Interval("0", "2"),)),))
    notice = Record(
        "DSA-5000-1",
        "osv",
        tuple(Affected(release, "a", (Interval("0", "2"),)) for release in ("debian:10", "debian:11")),
        upstream=("CVE-2024-0001",),
    )
    whole = build(tmp_path / "1.sqlite", own, notice, *FILLERS)
    assert hits(whole, "a", "1", "debian:11") == ["CVE-2024-0001"]
    assert hits(whole, "a", "1", "debian:10") == ["DSA-5000-1"]


def test_an_advisory_of_red_hat_steps_back_beside_its_words_on_each_cve(tmp_path: Path) -> None:
    """Both are published as CSAF: the documents on one CVE know of more. One of its CVEs without such a document, or
    such a document by another, is not enough."""

    def on(record: str, source: str, upstream: tuple[str, ...] = ()) -> Record:
        return Record(record, source, (Affected("rhel:9", "a", (Interval("0", "2"),)),), upstream=upstream)

    advisory = on("RHSA-2024:0001", "redhat", ("CVE-2024-0001", "CVE-2024-0002"))
    others = [on("CVE-2024-0001", "redhat"), Record("CVE-2024-0002", "nvd", (Affected("npm", "a", (Interval("0"),)),))]
    some = build(tmp_path / "1.sqlite", advisory, *others, *FILLERS)
    whole = build(tmp_path / "2.sqlite", on("CVE-2024-0002", "redhat"), base=some)
    assert hits(some, "a", "1", "rhel:9") == ["CVE-2024-0001", "RHSA-2024:0001"]
    assert hits(whole, "a", "1", "rhel:9") == ["CVE-2024-0001", "CVE-2024-0002"]
    with Generation(whole) as generation:
        told = explanation.explain(generation, (), "RHSA-2024:0001")
    assert told.sentence == (
        "RHSA-2024:0001 is a notice of CVE-2024-0001, CVE-2024-0002; each is judged by its own record."
    )


def test_one_repository_of_alpine_does_not_silence_another(tmp_path: Path) -> None:
    """A release's secdb is a file a repository: what main says is nothing on a package of community."""
    copies = [
        Record(f"ALPINE-CVE-2024-000{number}", "osv", (Affected("alpine:3.19", name, (Interval("0", "2"),)),))
        for number, name in enumerate("ab")
    ]
    main = Record("CVE-2024-0009", "alpine-secdb/v3.19/main", (Affected("alpine:3.19", "a", (Interval("0", "2"),)),))
    whole = build(tmp_path / "1.sqlite", *copies, main, *FILLERS)
    assert hits(whole, "a", "1", "alpine:3.19") == ["CVE-2024-0009"]
    assert hits(whole, "b", "1", "alpine:3.19") == ["CVE-2024-0001"]


@pytest.mark.parametrize(
    ("source", "namespace", "copy", "shown"),
    [
        pytest.param("ubuntu-tracker", "ubuntu:22.04", "UBUNTU-CVE-2024-{}", "CVE-2024-{}", id="Ubuntu"),
        pytest.param("redhat", "rhel:9", "RHSA-2024:{}", "RHSA-2024:{}", id="Red Hat"),
    ],
)
def test_a_handful_of_documents_does_not_silence_osv(
    tmp_path: Path, source: str, namespace: str, copy: str, shown: str
) -> None:
    """Ubuntu's tracker and Red Hat's VEX are one document a CVE: OSV's copy steps back once they have more than half
    as many."""
    affected = (Affected(namespace, "a", (Interval(),)),)
    copies = [Record(copy.format(number), "osv", affected) for number in range(4000, 4004)]
    own = [Record(f"CVE-2024-{number}", source, affected) for number in range(5000, 5003)]
    few = build(tmp_path / "1.sqlite", *copies, *own[:2], *FILLERS)
    more = build(tmp_path / "2.sqlite", own[2], base=few)
    both = [shown.format(number) for number in range(4000, 4004)] + ["CVE-2024-5000", "CVE-2024-5001"]
    assert sorted(hits(few, "a", "1", namespace)) == sorted(both)
    assert hits(more, "a", "1", namespace) == [f"CVE-2024-{n}" for n in (5000, 5001, 5002)]


def test_a_step_that_is_rejected_leaves_no_trace(tmp_path: Path) -> None:
    """Records, counts, dates and what was left out are as before it, and what follows still works."""
    base = build(
        tmp_path / "base.sqlite", *FILLERS, Record("CVE-2024-0001", "osv", (Affected("pypi", "a", (Interval(),)),))
    )
    with GenerationBuilder(tmp_path / "new.sqlite", base) as builder:
        with pytest.raises(Rejected), builder.step():
            builder.clear_source("filler")
            builder.add(
                Record("CVE-2024-0001", "osv", (Affected("pypi", "b", (Interval(),)),), modified="2026-05-01T00:00:00Z")
            )
            builder.not_used("osv", Unused("CVE-2024-0005", "withdrawn"))
            raise Rejected("shrinks")
        assert (builder.taken, builder.count("filler"), builder.count("osv")) == (0, 120, 1)
        builder.seal(NOW)
    assert derived(tmp_path / "new.sqlite") == derived(base)
    with Generation(tmp_path / "new.sqlite") as generation, Generation(base) as before:
        assert generation.sources == before.sources


def test_a_source_stated_again_as_it_was_changes_nothing(tmp_path: Path) -> None:
    """Of a source that is stated whole only what differs counts as a change; what it left out stays counted."""
    own = [
        Record(f"CVE-2024-000{n}", "debian-tracker", (Affected("debian:12", "a", (Interval("0", "2"),)),))
        for n in "123"
    ]
    base = build(tmp_path / "base.sqlite", *own, *FILLERS)
    with GenerationBuilder(tmp_path / "new.sqlite", base) as builder:
        builder.clear_source("debian-tracker")
        builder.not_used("debian-tracker", Unused("CVE-2024-0009", "undetermined"))
        for record in own[1:]:
            builder.add(record)
        assert builder.taken == 2
        builder.seal(NOW)
    assert hits(tmp_path / "new.sqlite", "a", "1", "debian:12") == ["CVE-2024-0002", "CVE-2024-0003"]
    with Generation(tmp_path / "new.sqlite") as generation:
        assert generation.sources["debian-tracker"]["unused"] == {"undetermined": 1}
        assert generation.sources["debian-tracker"]["records"] == 2


def test_what_is_stored_is_canonical(tmp_path: Path) -> None:
    """Read and written again each record and claim has the same bytes, however its texts came to be: else a bundle, or
    other rules, would make another generation of the same data."""
    zero = bytes([48]).decode()
    made = [
        Record("CVE-2024-0001", "osv", (Affected("pypi", "a", (Interval("0", "2"), Interval("3"))),)),
        Record(
            "CVE-2024-0002", "osv", (Affected("pypi", "a", (Interval(zero, "2", True), Interval("1"))),), summary="x"
        ),
        Record("CVE-2024-0003", "debian-tracker", (Affected("debian:12", "a", unaffected=True),)),
        Record("CVE-2024-0004", "nvd", (), severity=(SeverityClaim("NVD", "word", "HIGH", Severity.HIGH),)),
    ]
    path = build(tmp_path / "1.sqlite", *made)
    with closing(sqlite3.connect(path)) as db:
        records = [body for (body,) in db.execute("SELECT body FROM records")]
        claims = [body for (body,) in db.execute("SELECT body FROM claims")]
    assert (len(records), len(claims)) == (4, 3)
    assert [record_encoder.encode(record_decoder.decode(body)) for body in records] == records
    assert [claim_encoder.encode(claim_decoder.decode(body)) for body in claims] == claims
    other = [msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=Record) for record in made]
    assert derived(build(tmp_path / "2.sqlite", *other)) == derived(path)
