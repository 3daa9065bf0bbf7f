"""A bundle gives on the other side exactly the generation that it was made of, or nothing."""

from __future__ import annotations

import base64
import io
import json
import os
import resource
import shutil
import sqlite3
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise import __version__
from hullwise.advisories import bundle, derivation, matching
from hullwise.advisories.builder import STARTER, GenerationBuilder
from hullwise.advisories.bundle import (
    BrokenBundle,
    Bundle,
    Manifest,
    WrongBase,
    export_delta,
    export_whole,
    is_bundle,
    open_bundle,
)
from hullwise.advisories.generation import Generation
from hullwise.advisories.records import Affected, Interval, Record, Unused
from hullwise.advisories.signing import SigningKey, UntrustedBundle
from hullwise.domain.enrichment import Enrichment, ExploitScore, KnownExploited, Lifecycle
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim
from tests.support.advisories import package

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
LATER = datetime(2026, 7, 1, tzinfo=UTC)
KEY, OTHER = SigningKey(b"k" * 32), SigningKey(b"o" * 32)
TRUSTED = [KEY.public]
HIGH = SeverityClaim("GHSA", "word", "HIGH", Severity.HIGH)
NOTHING = Enrichment()
SOMETHING = Enrichment(
    scores_as_of="2026-05-31",
    scores=(ExploitScore("CVE-2024-1000", 0.25, 0.5), ExploitScore("CVE-2024-1001", 1.0, 1.0)),
    exploited_as_of="2026-05-30",
    exploited=(KnownExploited("CVE-2024-1000", "Flask", "2024-01-02", "", True, "Update it", "https://example.org/"),),
    lifecycles_as_of="2026-05-29",
    lifecycles=(Lifecycle("debian", "12", "bookworm", "2026-06-10", "2028-06-30", "endoflife.date"),),
)
MEMBERS = ["manifest.json", "manifest.sig", "generation.sqlite.zst", "enrichment.msgpack.zst"]


def record(
    record_id: str,
    *packages: str | Affected,
    source: str = "osv",
    aliases: Sequence[str] = (),
    fixed: str = "2.0",
    **members: Any,
) -> Record:
    """A record on Python packages that it says are affected below `fixed`."""
    affected = tuple(
        Affected("pypi", item, (Interval("0", fixed),)) if isinstance(item, str) else item for item in packages
    )
    return Record(record_id, source, affected, tuple(aliases), **members)


def build(path: Path, records: Sequence[Record], unused: Sequence[Unused] = (), base: Path | None = None) -> Path:
    with GenerationBuilder(path, base) as builder:
        for item in records:
            builder.add(item)
        for part in unused:
            builder.not_used("osv", part)
        builder.seal(NOW)
    return path


def whole(path: Path, out: Path, enrichment: Enrichment = NOTHING, now: datetime = NOW) -> Manifest:
    with Generation(path) as generation:
        return export_whole(generation, enrichment, KEY, out, now)


def delta(old: Path, new: Path, out: Path, enrichment: Enrichment = NOTHING) -> Manifest:
    with Generation(old) as before, Generation(new) as after:
        return export_delta(before, after, enrichment, KEY, out, NOW)


def digest(path: Path) -> str:
    with Generation(path) as generation:
        return generation.digest


QUERIES = (
    "SELECT source, record, mark, body FROM records ORDER BY source, record",
    """SELECT source, records.record, rank() OVER (PARTITION BY records.id ORDER BY ordinal), namespace, name,
       claims.body, retired FROM claims JOIN records ON records.id = claims.record ORDER BY 1, 2, 3""",
    """SELECT aliases.name, source, records.record FROM aliases JOIN records ON records.id = aliases.record
       ORDER BY 1, 2, 3""",
    "SELECT * FROM unused ORDER BY source, record, reason",
    "SELECT * FROM sources ORDER BY name",
    "SELECT * FROM roots ORDER BY name",
    "SELECT * FROM names ORDER BY namespace, name",
    "SELECT scope, source, records FROM speakers WHERE records ORDER BY 1, 2",
    "SELECT * FROM meta WHERE key <> 'built_at' ORDER BY key",
)


def content(path: Path) -> list[list[tuple[Any, ...]]]:
    """All that a generation's file says but when it was built, whatever the numbers of its rows."""
    with closing(sqlite3.connect(path)) as db:
        return [db.execute(query).fetchall() for query in QUERIES]


RICH = (
    record("CVE-2024-1000", aliases=["X-1"], severity=(HIGH,), summary="One", licence="MIT", upstream=("CVE-2024-1",)),
    record("GHSA-aaaa-bbbb-cccc", "flask", "jinja2", aliases=["CVE-2024-1000"], modified="2026-01-02T00:00:00Z"),
    # Of three ranges one can be used, of four packages two, and the versions come twice and in no order.
    record(
        "PYSEC-2024-1",
        Affected("pypi", "flask", (Interval("0", "soon"), Interval("0", "2.0", closed=True), Interval("later"))),
        Affected("nobody", "thing", (Interval("0"),)),
        Affected("pypi", "nothing", (Interval("soon"),)),
        Affected("pypi", "mako", versions=("2.0", "1.0", "odd", "2.0"), severity=(HIGH,)),
        references=("https://example.org/1",),
    ),
    record("CVE-2024-1002", "mako", source=STARTER),
    record("CVE-2024-1003", Affected("debian:12", "zlib", unaffected=True), source="debian-tracker"),
    record("CVE-2024-1004", Affected("debian:12", "zlib", (Interval("0"),), state="deferred"), source="debian-tracker"),
    record("DEBIAN-CVE-2024-1003", Affected("debian:12", "zlib", (Interval("0", "1:2", unfixed=True),))),
    record("CVE-2024-1009"),
)  # fmt: skip
UNUSED = (Unused("CVE-2024-2000", "withdrawn"), Unused("CVE-2024-2001", "withdrawn"))


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("rich") / "rich.sqlite", RICH, UNUSED)


@pytest.fixture(scope="module")
def rich_bundle(rich: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "rich.hwbundle"
    whole(rich, path, SOMETHING)
    return path


def test_a_whole_bundle_is_the_generation(tmp_path: Path, rich: Path, rich_bundle: Path) -> None:
    """What is applied elsewhere says all that was exported, with the same digest, and the enrichment beside it."""
    found = open_bundle(rich_bundle, TRUSTED)
    assert found.apply(tmp_path / "new.sqlite", None, LATER) == digest(rich) == digest(tmp_path / "new.sqlite")
    assert content(tmp_path / "new.sqlite") == content(rich)
    assert found.enrichment() == SOMETHING
    assert found.signed_by == KEY.public
    assert [item.name for item in tmp_path.iterdir()] == ["new.sqlite"]


def test_the_members_are_those_of_the_drawing(rich: Path, rich_bundle: Path) -> None:
    """Any tar shows them; each is as the manifest says, and the payload is the generation's own bytes."""
    with tarfile.open(rich_bundle, "r:") as archive:
        bodies = {item.name: archive.extractfile(item).read() for item in archive}  # type: ignore[union-attr]
    assert list(bodies) == MEMBERS
    manifest = json.loads(bodies["manifest.json"])
    for member in manifest["members"]:
        body = bodies[member["name"]]
        unpacked = len(zstd.decompress(body))
        assert (len(body), sha256(body).hexdigest()) == (member["size"], member["sha256"])
        assert unpacked == member["unpacked"]
    assert zstd.decompress(bodies["generation.sqlite.zst"]) == rich.read_bytes()


def test_the_manifest_says_what_is_in_it(rich: Path, rich_bundle: Path) -> None:
    """Kind, digest, rules, counts, ages, who made it, and whom to name for what."""
    manifest = open_bundle(rich_bundle, TRUSTED).manifest
    assert (manifest.format, manifest.kind, manifest.base) == (1, "whole", "")
    assert (manifest.generation, manifest.rules_version) == (digest(rich), matching.RULES_VERSION)
    assert (manifest.records, manifest.data_as_of) == (8, "2026-01-02T00:00:00Z")
    assert (manifest.created, manifest.product) == ("2026-06-01T12:00:00Z", f"hullwise {__version__}")
    with Generation(rich) as generation:
        assert {source.name: source.body for source in manifest.sources} == generation.sources
    osv = next(source for source in manifest.sources if source.name == "osv")
    # By the prefix of the id; the one with a licence of its own apart from the other of NVD's.
    assert {(one.credit.name, one.credit.licence, one.records) for one in osv.credits} == {
        ("National Vulnerability Database", "MIT", 1),
        ("National Vulnerability Database", "public domain", 1),
        ("GitHub Advisory Database", "CC-BY-4.0", 1),
        ("PyPI Advisory Database", "CC-BY-4.0", 1),
        ("Debian Security Tracker", "not stated", 1),
    }
    assert [(part.source, part.as_of, part.entries, part.credit.name) for part in manifest.enrichment] == [
        ("epss", "2026-05-31", 2, "FIRST"),
        ("kev", "2026-05-30", 1, "CISA"),
        ("endoflife", "2026-05-29", 1, "endoflife.date"),
    ]


def test_a_bundle_without_enrichment_has_an_empty_one(tmp_path: Path, rich: Path) -> None:
    """Nothing to bring is no member, and reads as nothing."""
    assert [member.name for member in whole(rich, tmp_path / "it").members] == ["generation.sqlite.zst"]
    assert open_bundle(tmp_path / "it", TRUSTED).enrichment() == Enrichment()


def test_the_same_generation_gives_the_same_bundle(tmp_path: Path, rich: Path) -> None:
    """Two exports have the same payload; at the same moment they are the same file."""
    first, again = whole(rich, tmp_path / "1", SOMETHING), whole(rich, tmp_path / "2", SOMETHING)
    later = whole(rich, tmp_path / "3", SOMETHING, now=LATER)
    assert first == again
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    assert later.members == first.members
    assert later.created != first.created


def test_an_export_takes_the_place_of_what_is_there(tmp_path: Path, rich: Path) -> None:
    """A bundle of that name is replaced as a whole, and nothing remains beside it."""
    (tmp_path / "it").write_bytes(b"old")
    (tmp_path / "it.partial").write_bytes(b"half")
    whole(rich, tmp_path / "it")
    assert [item.name for item in tmp_path.iterdir()] == ["it"]
    open_bundle(tmp_path / "it", TRUSTED)


def test_an_empty_generation_can_be_sent(tmp_path: Path, rich: Path) -> None:
    """Also nothing is something: a generation without records goes and comes, whole and as a delta both ways."""
    empty = build(tmp_path / "empty.sqlite", ())
    whole(empty, tmp_path / "whole")
    assert open_bundle(tmp_path / "whole", TRUSTED).apply(tmp_path / "1.sqlite", None, NOW) == digest(empty)
    for old, new in ((empty, rich), (rich, empty)):
        delta(old, new, tmp_path / "delta")
        open_bundle(tmp_path / "delta", TRUSTED).apply(tmp_path / "2.sqlite", old, NOW)
        assert content(tmp_path / "2.sqlite") == content(new)


# Deltas


def test_a_delta_is_only_what_changed(tmp_path: Path, rich: Path) -> None:
    """What was added, changed or removed is counted; the rest is not in it."""
    new = build(tmp_path / "new.sqlite", [record("CVE-2024-1000", "flask"), record("A-1", "mako")], base=rich)
    with GenerationBuilder(tmp_path / "newer.sqlite", new) as builder:
        builder.remove("osv", "CVE-2024-1009")
        builder.remove(STARTER, "CVE-2024-1002")
        builder.seal(NOW)
    manifest = delta(rich, tmp_path / "newer.sqlite", tmp_path / "it")
    assert (manifest.kind, manifest.base, manifest.changed, manifest.removed) == ("delta", digest(rich), 2, 2)
    assert manifest.records == 7
    found = open_bundle(tmp_path / "it", TRUSTED)
    assert found.apply(tmp_path / "applied.sqlite", rich, LATER) == digest(tmp_path / "newer.sqlite")
    assert content(tmp_path / "applied.sqlite") == content(tmp_path / "newer.sqlite")


def test_a_delta_says_of_whom_it_speaks(tmp_path: Path, rich: Path) -> None:
    """Architectures, module, source and extended maintenance are part of what is said."""
    built = Affected("rocky:8", "a", (Interval("0", "1-1"),), architectures=("x86_64",), module="a:1", of_source=True)
    sold = Affected("ubuntu:22.04", "a", (Interval("0"),), state="will-not-fix", extended="1-1~esm1")
    new = build(tmp_path / "new.sqlite", [record("CVE-2024-2000", built, sold)], base=rich)
    delta(rich, new, tmp_path / "it")
    open_bundle(tmp_path / "it", TRUSTED).apply(tmp_path / "applied.sqlite", rich, LATER)
    assert content(tmp_path / "applied.sqlite") == content(new)


def test_a_delta_of_nothing_keeps_the_digest(tmp_path: Path, rich: Path) -> None:
    """From a generation to itself there are no changes."""
    manifest = delta(rich, rich, tmp_path / "it", SOMETHING)
    assert (manifest.changed, manifest.removed) == (0, 0)
    found = open_bundle(tmp_path / "it", TRUSTED)
    assert found.apply(tmp_path / "new.sqlite", rich, LATER) == digest(rich)
    assert content(tmp_path / "new.sqlite") == content(rich)
    assert found.enrichment() == SOMETHING


def test_what_is_not_used_comes_with_a_delta(tmp_path: Path, rich: Path) -> None:
    """Parts that are not used are told also of a record that stayed, and of one that never was."""
    with GenerationBuilder(tmp_path / "new.sqlite", rich) as builder:
        builder.add(RICH[1], [Unused("GHSA-aaaa-bbbb-cccc", "a part"), Unused("GHSA-aaaa-bbbb-cccc", "a part")])
        builder.remove("osv", "CVE-2024-2000")
        builder.remove("osv", "CVE-2024-3000", [Unused("CVE-2024-3000", "withdrawn")])
        builder.seal(NOW)
    manifest = delta(rich, tmp_path / "new.sqlite", tmp_path / "it")
    assert (manifest.changed, manifest.removed) == (1, 0)
    open_bundle(tmp_path / "it", TRUSTED).apply(tmp_path / "applied.sqlite", rich, LATER)
    assert content(tmp_path / "applied.sqlite") == content(tmp_path / "new.sqlite")
    with Generation(tmp_path / "applied.sqlite") as generation:
        assert generation.sources["osv"]["unused"]["a part"] == 2


def test_sources_come_and_go_with_a_delta(tmp_path: Path, rich: Path) -> None:
    """Also a source that was only confirmed is as old as the exporter says, and one that is unknown there is none."""
    other = build(tmp_path / "other.sqlite", [item for item in RICH if item.source != STARTER], UNUSED)
    delta(rich, other, tmp_path / "it")
    open_bundle(tmp_path / "it", TRUSTED).apply(tmp_path / "applied.sqlite", rich, LATER)
    with Generation(tmp_path / "applied.sqlite") as applied, Generation(other) as wanted:
        assert applied.sources == wanted.sources
        assert STARTER not in applied.sources
        assert applied.data_as_of == wanted.data_as_of


def test_after_a_delta_the_same_documents_are_no_news(tmp_path: Path, rich: Path) -> None:
    """A record that came by a delta, with parts that cannot be used, is known when its document is imported."""
    empty = build(tmp_path / "empty.sqlite", ())
    delta(empty, rich, tmp_path / "it")
    open_bundle(tmp_path / "it", TRUSTED).apply(tmp_path / "applied.sqlite", empty, NOW)
    again = build(tmp_path / "again.sqlite", RICH, base=tmp_path / "applied.sqlite")
    manifest = delta(rich, again, tmp_path / "next")
    assert (manifest.changed, manifest.removed) == (0, 0)


def test_a_document_that_is_read_otherwise_now_is_in_the_delta(tmp_path: Path, rich: Path) -> None:
    """Where the same document gives other claims, since one of the two was made under older rules, they are sent."""
    old = tmp_path / "old.sqlite"
    shutil.copyfile(rich, old)
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        db.execute("DELETE FROM claims WHERE name = 'jinja2'")
        derivation.derive_all(db)
        other = derivation.digest(db, matching.RULES_VERSION)
        db.execute("UPDATE meta SET value = ? WHERE key = 'digest'", (other,))
    assert delta(old, rich, tmp_path / "it").changed == 1
    assert open_bundle(tmp_path / "it", TRUSTED).apply(tmp_path / "new.sqlite", old, NOW) == digest(rich)


def test_deltas_in_a_row_are_as_a_whole_bundle(tmp_path: Path, rich: Path) -> None:
    """A, then A to B, then B to C is the generation that C's whole bundle gives; and so it is back again."""
    b = build(tmp_path / "b.sqlite", [record("CVE-2024-1000", "flask", fixed="3.0"), record("A-1", "mako")], base=rich)
    c = build(tmp_path / "c.sqlite", [record("A-1", "jinja2", aliases=["X-1"]), record("A-2", "flask")], base=b)
    whole(rich, tmp_path / "a.hwbundle")
    whole(c, tmp_path / "c.hwbundle")
    delta(rich, b, tmp_path / "ab.hwbundle")
    delta(b, c, tmp_path / "bc.hwbundle")
    delta(c, rich, tmp_path / "ca.hwbundle")
    head: Path | None = None
    for number, name in enumerate(("a", "ab", "bc")):
        path = tmp_path / f"head-{number}.sqlite"
        open_bundle(tmp_path / f"{name}.hwbundle", TRUSTED).apply(path, head, LATER)
        head = path
    assert head is not None
    open_bundle(tmp_path / "c.hwbundle", TRUSTED).apply(tmp_path / "whole.sqlite", None, LATER)
    assert content(head) == content(tmp_path / "whole.sqlite") == content(c)
    open_bundle(tmp_path / "ca.hwbundle", TRUSTED).apply(tmp_path / "back.sqlite", head, LATER)
    assert content(tmp_path / "back.sqlite") == content(rich)


def test_a_delta_on_another_generation_is_refused(tmp_path: Path, rich: Path) -> None:
    """The message names where the delta begins and what is there; nothing is written."""
    new = build(tmp_path / "new.sqlite", [record("A-1", "mako")], base=rich)
    delta(rich, new, tmp_path / "it")
    found = open_bundle(tmp_path / "it", TRUSTED)
    with pytest.raises(WrongBase) as caught:
        found.apply(tmp_path / "out.sqlite", new, NOW)
    assert digest(rich) in str(caught.value)
    assert f"the local generation is {digest(new)}" in str(caught.value)
    with pytest.raises(WrongBase, match="no local generation"):
        found.apply(tmp_path / "out.sqlite", None, NOW)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["it", "new.sqlite"]


def test_a_delta_on_a_base_that_only_looks_right_is_refused(tmp_path: Path, rich: Path) -> None:
    """Where a base of the right digest lacks what no verdict came of, and one does now, the outcome is not believed."""
    # CVE-2024-1009 has no packages: the digest is the same without it, until a record makes it speak.
    poor = build(tmp_path / "poor.sqlite", RICH[:-1], UNUSED)
    assert digest(poor) == digest(rich)
    new = build(tmp_path / "new.sqlite", [record("A-1", "mako", aliases=["CVE-2024-1009"])], base=rich)
    delta(rich, new, tmp_path / "it")
    with pytest.raises(BrokenBundle, match="it gives generation"):
        open_bundle(tmp_path / "it", TRUSTED).apply(tmp_path / "out.sqlite", poor, NOW)
    assert not (tmp_path / "out.sqlite").exists()
    assert list(tmp_path.glob("out*")) == []


IDS = st.sampled_from(["CVE-2024-1000", "CVE-2024-1001", "GHSA-aaaa-bbbb-cccc", "PYSEC-2024-1", "X-1"])
AFFECTED = st.builds(
    Affected,
    st.sampled_from(["pypi", "debian:12", "nobody"]),
    st.sampled_from(["a", "b", "ä\U0001f600"]),
    st.lists(
        st.builds(
            Interval,
            st.sampled_from(["0", "0.5", "odd one"]),
            st.sampled_from(["", "1.0", "2.0", "odd one"]),
            closed=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    st.lists(st.sampled_from(["0.1", "2.0", "odd one"]), max_size=3).map(tuple),
    state=st.sampled_from(["fixed", "affected", "deferred"]),
    unaffected=st.booleans(),
    severity=st.sampled_from([(), (HIGH,)]),
)
SOME = st.builds(
    record,
    IDS,
    source=st.sampled_from(["osv", STARTER, "debian-tracker"]),
    aliases=st.lists(IDS, max_size=2, unique=True),
    summary=st.sampled_from(["", "Text"]),
).flatmap(
    lambda one: st.lists(AFFECTED, max_size=3).map(lambda found: msgspec.structs.replace(one, affected=tuple(found)))
)
SETS = st.lists(SOME, max_size=6)
PARTS = st.lists(st.builds(Unused, IDS, st.sampled_from(["withdrawn", "a part"])), max_size=3)


@given(SETS, PARTS, SETS, PARTS)
@settings(max_examples=60, deadline=None)
def test_a_delta_leads_from_any_generation_to_any_other(
    before: list[Record], unused_before: list[Unused], after: list[Record], unused_after: list[Unused]
) -> None:
    """Whatever two generations say, the delta applied to the first says all that the second does."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        old = build(folder / "old.sqlite", before, unused_before)
        new = build(folder / "new.sqlite", after, unused_after)
        delta(old, new, folder / "it")
        applied = open_bundle(folder / "it", TRUSTED).apply(folder / "applied.sqlite", old, LATER)
        assert applied == digest(new)
        assert content(folder / "applied.sqlite") == content(new)


@given(SETS, PARTS)
@settings(max_examples=15, deadline=None)
def test_a_whole_bundle_holds_any_generation(records: list[Record], unused: list[Unused]) -> None:
    """Whatever a generation says, its bundle says too."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = build(folder / "it.sqlite", records, unused)
        whole(path, folder / "it")
        assert open_bundle(folder / "it", TRUSTED).apply(folder / "new.sqlite", None, LATER) == digest(path)
        assert content(folder / "new.sqlite") == content(path)


def test_many_changes_are_many_frames(tmp_path: Path) -> None:
    """A delta of more than fits into one frame comes over whole."""
    many = [record(f"A-{number:04}", f"p{number}", details=os.urandom(1500).hex()) for number in range(1_200)]
    empty, full = build(tmp_path / "0.sqlite", ()), build(tmp_path / "1.sqlite", many)
    manifest = delta(empty, full, tmp_path / "it")
    assert manifest.members[0].unpacked > 3_000_000
    open_bundle(tmp_path / "it", TRUSTED).apply(tmp_path / "2.sqlite", empty, NOW)
    assert content(tmp_path / "2.sqlite") == content(full)


# Other rules


def under_other_rules(path: Path, source: Path) -> Path:
    """The generation as if it had been made under rules that are no more, with keys that are no more either."""
    shutil.copyfile(source, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        rows = db.execute("SELECT rowid FROM records").fetchall()
        assert rows
        old = derivation.digest(db, 0)
        db.execute("UPDATE meta SET value = '0' WHERE key = 'rules_version'")
        db.execute("UPDATE meta SET value = ? WHERE key = 'digest'", (old,))
    return path


def test_a_whole_bundle_of_other_rules_is_made_again(tmp_path: Path, rich: Path) -> None:
    """Under the rules of this version it is the generation that the same documents give here."""
    old = under_other_rules(tmp_path / "old.sqlite", rich)
    manifest = whole(old, tmp_path / "it")
    assert (manifest.rules_version, manifest.generation) == (0, digest(old))
    found = open_bundle(tmp_path / "it", TRUSTED).apply(tmp_path / "new.sqlite", None, LATER)
    assert found == digest(rich) != digest(old)
    with Generation(tmp_path / "new.sqlite") as generation:
        assert [item.name for item in generation.match(package("flask", "1.0"))] == ["CVE-2024-1000", "PYSEC-2024-1"]
        assert generation.built_at == "2026-07-01T00:00:00Z"


def test_a_delta_stays_within_its_rules(tmp_path: Path, rich: Path) -> None:
    """No delta leads from one version of the rules to another, and none of other rules is applied."""
    old = under_other_rules(tmp_path / "old.sqlite", rich)
    with pytest.raises(WrongBase, match=r"rules 0.*rules"):
        delta(old, rich, tmp_path / "it")
    assert not (tmp_path / "it").exists()
    delta(old, old, tmp_path / "it")
    with pytest.raises(WrongBase, match=f"under rules 0, and the rules of this version are {matching.RULES_VERSION}"):
        open_bundle(tmp_path / "it", TRUSTED).apply(tmp_path / "new.sqlite", old, NOW)
    assert not (tmp_path / "new.sqlite").exists()


# What is not to be believed


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path, "r:") as archive:
        return {item.name: archive.extractfile(item).read() for item in archive}  # type: ignore[union-attr]


def tar(path: Path, bodies: Mapping[str, bytes] | Sequence[tuple[tarfile.TarInfo, bytes]]) -> Path:
    entries = [(tarfile.TarInfo(n), b) for n, b in bodies.items()] if isinstance(bodies, Mapping) else bodies
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for info, body in entries:
            info.size = info.size or len(body)
            archive.addfile(info, io.BytesIO(body))
    return path


def signed(manifest: bytes, key: SigningKey = KEY) -> bytes:
    signature = base64.urlsafe_b64encode(key.sign(b"hullwise bundle\n" + manifest)).decode().rstrip("=")
    return f"hullwise-signature {key.key_id} {signature}\n".encode()


def resigned(path: Path, source: Path, change: Callable[[dict[str, Any]], object], **bodies: bytes) -> Path:
    """The bundle with another manifest, signed with the trusted key: a trusted exporter that errs, or lies."""
    found = members(source)
    for name, body in bodies.items():
        found[name.replace("__", ".")] = body
    manifest = json.loads(found["manifest.json"])
    for member in manifest["members"]:
        body = found[member["name"]]
        member["size"], member["sha256"] = len(body), sha256(body).hexdigest()
    change(manifest)
    found["manifest.json"] = json.dumps(manifest).encode()
    found["manifest.sig"] = signed(found["manifest.json"])
    return tar(path, found)


def offsets(path: Path) -> dict[str, tuple[int, int]]:
    with tarfile.open(path, "r:") as archive:
        return {item.name: (item.offset_data, item.size) for item in archive}


@pytest.mark.parametrize("name", MEMBERS)
def test_a_changed_byte_is_found(tmp_path: Path, rich_bundle: Path, name: str) -> None:
    """Whatever byte of a member changes, at its ends or in between, the bundle is not opened."""
    start, size = offsets(rich_bundle)[name]
    body = rich_bundle.read_bytes()
    path = tmp_path / "it"
    for at in {0, 1, size // 3, size // 2, size - 2, size - 1, *range(0, size, max(size // 50, 1))}:
        changed = bytearray(body)
        changed[start + at] ^= 0x01
        path.write_bytes(changed)
        with pytest.raises((BrokenBundle, UntrustedBundle)):
            open_bundle(path, TRUSTED)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_changed_header_is_found(tmp_path: Path, rich_bundle: Path, name: str) -> None:
    """Also the name, the mode, the size and the kind of each member are as they were written."""
    start = offsets(rich_bundle)[name][0] - 512
    body = rich_bundle.read_bytes()
    path = tmp_path / "it"
    for at in (0, 5, 105, 124, 130, 135, 136, 150, 156, 257, 345, 511):
        changed = bytearray(body)
        changed[start + at] ^= 0x01
        path.write_bytes(changed)
        with pytest.raises(BrokenBundle):
            open_bundle(path, TRUSTED)


def test_a_bundle_that_is_cut_off_is_not_opened(tmp_path: Path, rich_bundle: Path) -> None:
    """At every 4 kB, and one byte before each, what is missing is missed."""
    body = rich_bundle.read_bytes()
    zeros = len(body) - len(body.rstrip(b"\0"))
    path = tmp_path / "it"
    for end in range(0, len(body) - zeros, 4096):
        for size in {end, max(end - 1, 0)}:
            path.write_bytes(body[:size])
            with pytest.raises(BrokenBundle):
                open_bundle(path, TRUSTED)
    path.write_bytes(body[: len(body) - tarfile.RECORDSIZE])
    with pytest.raises(BrokenBundle):
        open_bundle(path, TRUSTED)


@pytest.mark.parametrize("more", [b"x", b"\0" * 100_000, b"\0" * 512 + b"x"])
def test_nothing_follows_the_last_member(tmp_path: Path, rich_bundle: Path, more: bytes) -> None:
    """What is behind the end belongs to nobody."""
    (tmp_path / "it").write_bytes(rich_bundle.read_bytes() + more)
    with pytest.raises(BrokenBundle):
        open_bundle(tmp_path / "it", TRUSTED)


def test_a_bundle_of_another_key_is_not_trusted(tmp_path: Path, rich: Path) -> None:
    """The message names its key and the trusted ones."""
    with Generation(rich) as generation:
        export_whole(generation, NOTHING, OTHER, tmp_path / "it", NOW)
    with pytest.raises(UntrustedBundle, match=rf"key {OTHER.key_id}, which is not trusted \(trusted: {KEY.key_id}\)"):
        open_bundle(tmp_path / "it", TRUSTED)
    assert open_bundle(tmp_path / "it", [*TRUSTED, OTHER.public]).signed_by == OTHER.public


def test_a_signature_is_of_this_manifest_and_for_this_purpose(tmp_path: Path, rich_bundle: Path) -> None:
    """Neither the signature of another bundle nor one of the bare manifest will do."""
    found = members(rich_bundle)
    manifest = found["manifest.json"]
    bare = base64.urlsafe_b64encode(KEY.sign(manifest)).decode().rstrip("=")
    for signature in (signed(manifest + b" "), f"hullwise-signature {KEY.key_id} {bare}\n".encode()):
        with pytest.raises(UntrustedBundle):
            open_bundle(tar(tmp_path / "it", {**found, "manifest.sig": signature}), TRUSTED)


def test_the_signature_comes_before_everything(tmp_path: Path, rich_bundle: Path) -> None:
    """Of a bundle that nobody trusted signed, not even the manifest is looked at, whatever it is."""
    for manifest in (b"{", b"\xff", b"[" * 10_000, b""):
        tar(tmp_path / "it", {"manifest.json": manifest, "manifest.sig": signed(manifest, OTHER)})
        with pytest.raises(UntrustedBundle):
            open_bundle(tmp_path / "it", TRUSTED)


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"hullwise-signature\n",
        b"hullwise-signature " + b"0" * 16 + b" " + b"A" * 85 + b"\n",
        b"hullwise-signature " + b"0" * 16 + b" " + b"A" * 86,
        b"hullwise-signature " + b"\n" * 16 + b" " + b"A" * 86 + b"\n",
        b"\0" * 64,
        b"x" * 1_000,
    ],
)
def test_a_malformed_signature_is_none(tmp_path: Path, rich_bundle: Path, signature: bytes) -> None:
    """One line of one form, and nothing else."""
    with pytest.raises(BrokenBundle):
        open_bundle(tar(tmp_path / "it", {**members(rich_bundle), "manifest.sig": signature}), TRUSTED)


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b"{}", b'{"format": 1}', b"\xff", b"[" * 100_000])
def test_a_malformed_manifest_is_broken(tmp_path: Path, rich_bundle: Path, manifest: bytes) -> None:
    """Also with the right signature."""
    found = {**members(rich_bundle), "manifest.json": manifest, "manifest.sig": signed(manifest)}
    with pytest.raises(BrokenBundle):
        open_bundle(tar(tmp_path / "it", found), TRUSTED)


def _member(manifest: dict[str, Any], **values: object) -> None:
    manifest["members"][0].update(values)


LIES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("newer than this version reads", lambda m: m.update(format=2)),
    ("newer than this version reads", lambda m: m.update(format=99, kind=1, members=7)),
    ("this version reads", lambda m: m.update(generation_format=1)),
    ("no such members", lambda m: m.update(kind="delta")),
    ("no such members", lambda m: m["members"].reverse()),
    ("no such members", lambda m: m["members"].append(m["members"][1])),
    ("no such members", lambda m: m["members"].clear()),
    ("no such members", lambda m: _member(m, name="../generation.sqlite.zst")),
    ("cannot be read", lambda m: m.update(kind="other")),
    ("cannot be read", lambda m: _member(m, size=-1)),
    ("cannot be read", lambda m: _member(m, size=1 << 40)),
    ("cannot be read", lambda m: _member(m, sha256="00")),
    ("not as long", lambda m: _member(m, size=m["members"][0]["size"] + 1)),
    ("not as long", lambda m: _member(m, size=0)),
    ("not the one that was signed", lambda m: _member(m, sha256="0" * 64)),
    ("unpacks to", lambda m: _member(m, unpacked=1 << 60)),
    ("which generation", lambda m: m.update(generation="sha256:0")),
    ("which generation", lambda m: m.update(base="sha256:" + "0" * 64)),
]  # fmt: skip


@pytest.mark.parametrize(("why", "lie"), LIES)
def test_a_manifest_that_lies_is_broken(
    tmp_path: Path, rich_bundle: Path, why: str, lie: Callable[[dict[str, Any]], object]
) -> None:
    """Sizes, hashes, names and kinds are checked also where a trusted key signed them; formats to come are told."""
    with pytest.raises(BrokenBundle, match=why):
        open_bundle(resigned(tmp_path / "it", rich_bundle, lie), TRUSTED)


@pytest.mark.parametrize(
    ("why", "lie"),
    [
        ("more than", lambda m: _member(m, unpacked=m["members"][0]["unpacked"] - 1)),
        ("more than", lambda m: _member(m, unpacked=0)),
        ("less than", lambda m: _member(m, unpacked=m["members"][0]["unpacked"] + 1)),
        ("holds generation", lambda m: m.update(generation="sha256:" + "0" * 64)),
        ("holds generation", lambda m: m.update(rules_version=99)),
        ("holds generation", lambda m: m.update(records=9)),
        ("other sources", lambda m: m["sources"].pop()),
        ("other sources", lambda m: m["sources"][0]["body"].update(records=0)),
    ],
)
def test_what_comes_out_is_as_the_manifest_says(
    tmp_path: Path, rich_bundle: Path, why: str, lie: Callable[[dict[str, Any]], object]
) -> None:
    """A size or a digest that turns out to be another leaves nothing behind."""
    found = open_bundle(resigned(tmp_path / "it", rich_bundle, lie), TRUSTED)
    with pytest.raises(BrokenBundle, match=why):
        found.apply(tmp_path / "new.sqlite", None, NOW)
    assert [item.name for item in tmp_path.iterdir()] == ["it"]


def with_generation(path: Path, source: Path, generation: bytes, **about: object) -> Bundle:
    def state(manifest: dict[str, Any]) -> None:
        manifest["members"][0]["unpacked"] = len(generation)
        manifest.update(about)

    body = zstd.compress(generation)
    return open_bundle(resigned(path, source, state, generation__sqlite__zst=body), TRUSTED)


@pytest.mark.parametrize(
    ("why", "statement"),
    [
        ("it gives generation", "UPDATE names SET fingerprint = x'00' WHERE name = 'mako'"),
        ("it gives generation", "DELETE FROM claims WHERE name = 'flask'"),
        ("it gives generation", "UPDATE claims SET body = (SELECT body FROM claims WHERE name = 'zlib' LIMIT 1)"),
        ("cannot be read", "UPDATE records SET body = x'c1'"),
        ("cannot be read", "UPDATE records SET body = x'80'"),
        ("other tables", "CREATE TABLE more (x)"),
        ("other tables", "CREATE TRIGGER more AFTER DELETE ON names BEGIN DELETE FROM records; END"),
        ("other tables", "CREATE VIEW more AS SELECT 1"),
        ("other tables", "DROP INDEX roots_by_root"),
        ("format 9", "UPDATE meta SET value = '9' WHERE key = 'format'"),
    ],
)
def test_a_generation_that_was_tampered_with_is_refused(
    tmp_path: Path, rich: Path, rich_bundle: Path, why: str, statement: str
) -> None:
    """All that follows from the records is derived anew: a file that says otherwise, or more, is not taken."""
    changed = tmp_path / "changed.sqlite"
    shutil.copyfile(rich, changed)
    with closing(sqlite3.connect(changed, isolation_level=None)) as db:
        db.execute(statement)
    found = with_generation(tmp_path / "it", rich_bundle, changed.read_bytes())
    changed.unlink()
    if statement.startswith("UPDATE names"):
        # A wrong fingerprint is put right, since the records are those that were promised.
        assert found.apply(tmp_path / "new.sqlite", None, NOW) == digest(rich)
        assert content(tmp_path / "new.sqlite") == content(rich)
        return
    with pytest.raises(BrokenBundle, match=why):
        found.apply(tmp_path / "new.sqlite", None, NOW)
    assert [item.name for item in tmp_path.iterdir()] == ["it"]


@pytest.mark.parametrize("generation", [b"", b"SQLite format 3\0", b"x" * 10_000])
def test_what_is_no_database_is_refused(tmp_path: Path, rich_bundle: Path, generation: bytes) -> None:
    """Also where it is signed."""
    found = with_generation(tmp_path / "it", rich_bundle, generation)
    with pytest.raises(BrokenBundle):
        found.apply(tmp_path / "new.sqlite", None, NOW)


def test_a_damaged_page_is_found(tmp_path: Path, rich: Path, rich_bundle: Path) -> None:
    """A database with garbage in a page is a broken bundle, never another failure, unless that part of the page is
    not in use or decides nothing."""
    body, broken = rich.read_bytes(), 0
    for page in range(len(body) // 4096):
        end = (page + 1) * 4096
        changed = body[: end - 512] + bytes(range(256)) * 2 + body[end:]
        found = with_generation(tmp_path / "it", rich_bundle, changed)
        try:
            found.apply(tmp_path / "new.sqlite", None, NOW)
        except BrokenBundle:
            broken += 1
        else:
            assert digest(tmp_path / "new.sqlite") == digest(rich)
    assert broken > 10


def test_a_bomb_stops_at_what_is_stated(tmp_path: Path, rich_bundle: Path) -> None:
    """A gigabyte of zeros in a few kB: unpacking ends with the first piece over the stated size."""
    compressor = zstd.ZstdCompressor(level=1)
    zeros = bytes(1 << 20)
    bomb = b"".join([*(compressor.compress(zeros) for _ in range(1 << 10)), compressor.flush()])
    lie = resigned(
        tmp_path / "it", rich_bundle, lambda m: None, generation__sqlite__zst=bomb, enrichment__msgpack__zst=bomb
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = open_bundle(lie, TRUSTED)
    with pytest.raises(BrokenBundle, match="unpacks to more"):
        found.apply(tmp_path / "new.sqlite", None, NOW)
    with pytest.raises(BrokenBundle, match="unpacks to more"):
        found.enrichment()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
    assert [item.name for item in tmp_path.iterdir()] == ["it"]


@pytest.mark.parametrize("body", [b"", b"no zstd", zstd.compress(b"\x80") + b"more", zstd.compress(b"x" * 99)[:-4]])
def test_a_member_is_one_whole_frame(tmp_path: Path, rich_bundle: Path, body: bytes) -> None:
    """Nothing before, behind or in place of it."""
    lie = resigned(
        tmp_path / "it", rich_bundle, lambda m: m["members"][1].update(unpacked=1), enrichment__msgpack__zst=body
    )
    with pytest.raises(BrokenBundle):
        open_bundle(lie, TRUSTED).enrichment()


def odd(name: str, **values: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize("position", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(
    "info",
    [
        odd("../../etc/passwd"),
        odd("/etc/passwd"),
        odd("more.txt"),
        odd("generation.sqlite.zst", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        odd("manifest.json", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        odd("generation.sqlite.zst", type=tarfile.LNKTYPE, linkname="manifest.json"),
        odd("generation.sqlite.zst", type=tarfile.DIRTYPE),
        odd("manifest.json", type=tarfile.FIFOTYPE),
        odd("manifest.json", type=tarfile.CHRTYPE),
        odd("x" * 300),
        odd("manifest.json", type=tarfile.XHDTYPE),
        odd("././@LongLink", type=tarfile.GNUTYPE_LONGNAME),
    ],
    ids=lambda info: f"{info.name[:40]}-{info.type.decode()}",
)
def test_no_other_member_is_taken(tmp_path: Path, rich_bundle: Path, info: tarfile.TarInfo, position: int) -> None:
    """Neither a way out of a folder nor a link, wherever it stands: nothing is written at all."""
    entries = [(tarfile.TarInfo(name), body) for name, body in members(rich_bundle).items()]
    entries.insert(position, (info, b"12 x=0123456\n" if info.isreg() or info.type in b"xL" else b""))
    with pytest.raises(BrokenBundle):
        open_bundle(tar(tmp_path / "it", entries), TRUSTED)
    assert [item.name for item in tmp_path.iterdir()] == ["it"]


def test_the_size_in_a_header_is_capped(tmp_path: Path, rich_bundle: Path) -> None:
    """A manifest or signature of gigabytes is not read, nor one of a negative size."""
    bodies = members(rich_bundle)
    for name in ("manifest.json", "manifest.sig"):
        for size in (1 << 40, -1):
            path = tmp_path / "it"
            with path.open("wb") as file:
                for other, body in bodies.items():
                    info = odd(other, size=size if other == name else len(body))
                    file.write(info.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512))
            with pytest.raises(BrokenBundle, match="at most"):
                open_bundle(path, TRUSTED)


def test_a_bundle_that_changes_after_it_was_opened_is_refused(tmp_path: Path, rich_bundle: Path) -> None:
    """What was checked on opening is checked again on reading."""
    path = tmp_path / "it"
    shutil.copyfile(rich_bundle, path)
    found = open_bundle(path, TRUSTED)
    body = bytearray(path.read_bytes())
    for name in ("generation.sqlite.zst", "enrichment.msgpack.zst"):
        start, size = offsets(rich_bundle)[name]
        body[start + size - 1] ^= 0x01
    path.write_bytes(body)
    with pytest.raises(BrokenBundle):
        found.apply(tmp_path / "new.sqlite", None, NOW)
    with pytest.raises(BrokenBundle):
        found.enrichment()
    assert [item.name for item in tmp_path.iterdir()] == ["it"]


# Deltas that are not to be believed


def changes(*found: bundle.Change) -> bytes:
    body = msgspec.msgpack.encode(list(found))
    return len(body).to_bytes(4, "big") + body


def with_changes(path: Path, rich: Path, frames: bytes) -> Bundle:
    delta(rich, rich, path)

    def state(manifest: dict[str, Any]) -> None:
        manifest["members"][0]["unpacked"] = len(frames)

    return open_bundle(resigned(path, path, state, delta__msgpack__zst=zstd.compress(frames)), TRUSTED)


def test_a_delta_of_another_format_of_generations_is_refused(tmp_path: Path, rich: Path) -> None:
    """Other files hold other records: the message says that, not that something cannot be read."""
    delta(rich, rich, tmp_path / "it")
    resigned(tmp_path / "it", tmp_path / "it", lambda m: m.update(generation_format=1))
    with pytest.raises(BrokenBundle, match="generation files of format 1, and this version reads"):
        open_bundle(tmp_path / "it", TRUSTED)


FINE = bundle.Change("osv", "A-1", record("A-1"), b"mark", ())


@pytest.mark.parametrize(
    ("why", "frames"),
    [
        ("it gives generation", changes(bundle.Change("osv", "A-1", record("A-1", "flask"), b"", ()))),
        ("it gives generation", changes(bundle.Change("osv", "GHSA-aaaa-bbbb-cccc", None, b"", ()))),
        ("of another record", changes(bundle.Change("osv", "A-1", record("A-2"), b"", ()))),
        ("of another record", changes(bundle.Change("other", "A-1", record("A-1"), b"", ()))),
        ("not in order", changes(FINE, FINE)),
        ("not in order", changes(FINE) + changes(FINE)),
        ("not in order", changes(msgspec.structs.replace(FINE, source="z", record=None), FINE)),
        ("cannot be read", changes(bundle.Change("osv", "A-1", None, b"", (("reason", 0),)))),
        ("cannot be read", changes(bundle.Change("osv", "A-1", None, b"", (("reason", 1 << 63),)))),
        ("cannot be read", b"\0\0\0\x05\xdd\xff\xff\xff\xff"),
        ("cannot be read", b"\0\0\0\x01\x80"),
        ("cannot be read", b"\0\0\0\0"),
        ("cannot be read", b"\0\0\x40\0" + b"\x91" * 0x4000),
        ("cut off", b"\0\0\0\x02\x90"),
        ("cut off", b"\0\0\0"),
        ("at most", b"\x7f\xff\xff\xff\x90"),
    ],
)
def test_a_delta_of_odd_changes_is_refused(tmp_path: Path, rich: Path, why: str, frames: bytes) -> None:
    """Frames, order, records and outcome are checked also where a trusted key signed them; nothing remains."""
    found = with_changes(tmp_path / "it", rich, frames)
    with pytest.raises(BrokenBundle, match=why):
        found.apply(tmp_path / "new.sqlite", rich, NOW)
    assert [item.name for item in tmp_path.iterdir()] == ["it"]


def test_changes_that_no_verdict_comes_of_are_taken(tmp_path: Path, rich: Path) -> None:
    """The digest covers verdicts; a record without packages comes over with its mark and its unused parts."""
    change = msgspec.structs.replace(FINE, unused=(("a part", 3),))
    found = with_changes(tmp_path / "it", rich, changes(change))
    assert found.apply(tmp_path / "new.sqlite", rich, NOW) == digest(rich)
    with closing(sqlite3.connect(tmp_path / "new.sqlite")) as db:
        assert db.execute("SELECT mark FROM records WHERE record = 'A-1'").fetchall() == [(b"mark",)]
        assert db.execute("SELECT * FROM unused WHERE record = 'A-1'").fetchall() == [("osv", "A-1", "a part", 3)]


def test_where_nothing_can_be_written_nothing_is_left(tmp_path: Path, rich: Path, rich_bundle: Path) -> None:
    """A folder that is not there, and no room for the file: that is said, and no half of a file remains."""
    with pytest.raises(FileNotFoundError):
        open_bundle(rich_bundle, TRUSTED).apply(tmp_path / "no" / "new.sqlite", None, NOW)
    with pytest.raises(FileNotFoundError):
        whole(rich, tmp_path / "no" / "it")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_024, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            open_bundle(rich_bundle, TRUSTED).apply(tmp_path / "new.sqlite", None, NOW)
        with pytest.raises(OSError, match="too large"):
            whole(rich, tmp_path / "it")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_known_by_its_name_or_its_beginning(tmp_path: Path, rich: Path, rich_bundle: Path) -> None:
    """Bundles are, whoever signed them and however they are damaged behind their first header; so is whatever has their
    name. Other tars, documents, folders are not."""
    assert is_bundle(rich_bundle)
    body = bytearray(rich_bundle.read_bytes())
    (tmp_path / "cut").write_bytes(body[: len(body) // 2])
    body[512:] = bytes(len(body) - 512)
    (tmp_path / "damaged").write_bytes(body)
    tar(tmp_path / "unsigned", {"manifest.json": b"[]", "osv.json": b"{}"})
    tar(tmp_path / "plain.hwbundle", {"osv.json": b"{}"})
    (tmp_path / "empty.hwbundle").write_bytes(b"")
    for one in ("cut", "damaged", "unsigned", "plain.hwbundle", "empty.hwbundle"):
        assert is_bundle(tmp_path / one)
        with pytest.raises(BrokenBundle):
            open_bundle(tmp_path / one, TRUSTED)
    tar(tmp_path / "osv.tar", {"osv.json": b"{}", "manifest.json": b"[]"})
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "zeros").write_bytes(bytes(10_240))
    (tmp_path / "osv.json").write_text("{}")
    for other in ("osv.tar", "empty", "zeros", "osv.json", "not there", "not there.hwbundle", "."):
        assert not is_bundle(tmp_path / other)
    assert not is_bundle(rich)


@given(st.binary(max_size=2_000))
@settings(max_examples=50)
def test_any_bytes_are_no_bundle(body: bytes) -> None:
    """Whatever is opened, the failure is one of the two that say so."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "it"
        path.write_bytes(body)
        assert not is_bundle(path)
        with pytest.raises(BrokenBundle):
            open_bundle(path, TRUSTED)
