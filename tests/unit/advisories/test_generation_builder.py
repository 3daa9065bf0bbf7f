"""A generation is what its records say: no order, no step on the way and no clock changes it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.advisories import derivation, matching
from hullwise.advisories.builder import STARTER, GenerationBuilder
from hullwise.advisories.generation import Generation, UnusableGeneration, changed_names, claim_encoder
from hullwise.advisories.records import Affected, Interval, Record, Unused
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim
from tests.support.advisories import package

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
HIGH = SeverityClaim("GHSA", "word", "HIGH", Severity.HIGH)
LOW = SeverityClaim("GHSA", "word", "LOW", Severity.LOW)


def record(
    record_id: str,
    *packages: str | Affected,
    source: str = "osv",
    aliases: Sequence[str] = (),
    fixed: str = "2.0",
    modified: str = "",
    **members: object,
) -> Record:
    """A record on Python packages that it says are affected below `fixed`."""
    affected = tuple(
        Affected("pypi", item, (Interval("0", fixed),)) if isinstance(item, str) else item for item in packages
    )
    return Record(record_id, source, affected, tuple(aliases), modified=modified, **members)  # type: ignore[arg-type]


Step = Callable[[GenerationBuilder], object]


def adding(*records: Record) -> Step:
    return lambda builder: [builder.add(item) for item in records]


def stating(source: str, *records: Record) -> Step:
    """A source that is stated whole."""

    def step(builder: GenerationBuilder) -> None:
        builder.clear_source(source)
        adding(*records)(builder)

    return step


def build(path: Path, *steps: Step, base: Path | None = None, now: datetime = NOW) -> Path:
    with GenerationBuilder(path, base) as builder:
        for step in steps:
            step(builder)
        builder.seal(now)
    return path


def digest(path: Path) -> str:
    with Generation(path) as generation:
        return generation.digest


def hits(path: Path, name: str, version: str = "1.0", namespace: str = "pypi") -> list[str]:
    with Generation(path) as generation:
        return [found.name for found in generation.match(package(name, version, namespace))]


def changes(old: Path | None, new: Path) -> list[str]:
    with Generation(new) as after:
        if old is None:
            return [name for _, name in changed_names(None, after)]
        with Generation(old) as before:
            return [name for _, name in changed_names(before, after)]


def test_a_sealed_generation_says_what_it_was_given(tmp_path: Path) -> None:
    """After `seal` the file is there under its name, and its digest is the one that was returned."""
    path = tmp_path / "generation.sqlite"
    with GenerationBuilder(path, None) as builder:
        builder.add(record("CVE-2024-1000", "flask", "jinja2"))
        assert not path.exists()
        found = builder.seal(NOW)
    assert [item.name for item in tmp_path.iterdir()] == ["generation.sqlite"]
    with Generation(path) as generation:
        assert (generation.digest, generation.record_count) == (found, 1)
        assert (generation.rules_version, generation.built_at) == (matching.RULES_VERSION, "2026-06-01T12:00:00Z")
        assert generation.namespaces() == {"pypi"}
    assert (hits(path, "flask"), hits(path, "flask", "2.0"), hits(path, "mako")) == (["CVE-2024-1000"], [], [])


def test_without_seal_nothing_remains(tmp_path: Path) -> None:
    """A build that fails leaves no file, and its base as it was."""
    base = build(tmp_path / "base.sqlite", adding(record("CVE-2024-1000", "flask")))
    before = base.read_bytes()
    with pytest.raises(RuntimeError), GenerationBuilder(tmp_path / "new.sqlite", base) as builder:
        builder.clear_source("osv")
        raise RuntimeError
    assert [item.name for item in tmp_path.iterdir()] == ["base.sqlite"]
    assert base.read_bytes() == before


BEGIN_WITH_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
from hullwise.advisories.builder import GenerationBuilder
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
GenerationBuilder(Path(sys.argv[2]), Path(sys.argv[3]) if sys.argv[3:] else None)
"""


@pytest.mark.parametrize(
    ("room", "based", "why"),
    [(1_024, True, "OSError: "), (1_024, False, "sqlite3.OperationalError: "), (8_192, False, "sqlite3.OperationalE")],
)
def test_a_build_that_cannot_begin_leaves_nothing(tmp_path: Path, room: int, based: bool, why: str) -> None:
    """Where there is no room for the copy of the base, or for the first tables, that is said and no part remains."""
    bases = [build(tmp_path / "base.sqlite", adding(record("CVE-2024-1000", "flask")))] if based else []
    there = sorted(tmp_path.iterdir())
    code = [sys.executable, "-c", BEGIN_WITH_LITTLE_ROOM, str(room), str(tmp_path / "new.sqlite"), *map(str, bases)]
    run = subprocess.run(code, capture_output=True, text=True)
    assert run.stderr.splitlines()[-1].startswith(why)
    assert sorted(tmp_path.iterdir()) == there


def test_a_half_built_file_is_no_obstacle(tmp_path: Path) -> None:
    """What a process that died left behind is built anew."""
    (tmp_path / "generation.sqlite.partial").write_bytes(b"half")
    path = build(tmp_path / "generation.sqlite", adding(record("CVE-2024-1000", "flask")))
    assert hits(path, "flask") == ["CVE-2024-1000"]


def test_a_record_replaces_the_one_with_its_id(tmp_path: Path) -> None:
    """Of one source and id the record that comes later counts, with all its packages."""
    first = build(tmp_path / "1.sqlite", adding(record("CVE-2024-1000", "flask", "jinja2")))
    second = build(tmp_path / "2.sqlite", adding(record("CVE-2024-1000", "jinja2", fixed="1.0")), base=first)
    assert (hits(first, "flask"), hits(first, "jinja2")) == (["CVE-2024-1000"], ["CVE-2024-1000"])
    assert (hits(second, "flask"), hits(second, "jinja2")) == ([], [])
    with Generation(second) as generation:
        assert generation.record_count == 1


def test_two_sources_may_have_a_record_of_one_id(tmp_path: Path) -> None:
    """A record of another source with the same id stands beside it, and stays when the other goes."""
    both = build(
        tmp_path / "1.sqlite",
        adding(record("CVE-2024-1000", "flask"), record("CVE-2024-1000", "jinja2", source="other")),
    )
    assert (hits(both, "flask"), hits(both, "jinja2")) == (["CVE-2024-1000"], ["CVE-2024-1000"])
    one = build(tmp_path / "2.sqlite", lambda builder: builder.remove("osv", "CVE-2024-1000"), base=both)
    assert (hits(one, "flask"), hits(one, "jinja2")) == ([], ["CVE-2024-1000"])


@pytest.mark.parametrize("order", [1, -1])
def test_of_one_id_in_one_import_the_newest_counts(tmp_path: Path, order: int) -> None:
    """A record may come in several files of several days: the last modified stays, in whatever order they are read."""
    old = record("CVE-2024-1000", "flask", modified="2024-01-01T00:00:00Z")
    new = record("CVE-2024-1000", "flask", fixed="9.0", modified="2024-02-01T00:00:00Z")
    with GenerationBuilder(tmp_path / "new.sqlite", None) as builder:
        for item in [old, new][::order]:
            builder.add(item)
        assert builder.taken == 1
        builder.seal(NOW)
    assert hits(tmp_path / "new.sqlite", "flask", "8.0") == ["CVE-2024-1000"]


def test_a_later_import_counts_even_if_it_is_older(tmp_path: Path) -> None:
    """Who imports yesterday's file wants yesterday's data: a wrong record with a date to come is not for ever."""
    wrong = record("CVE-2024-1000", "flask", modified="2099-01-01T00:00:00Z")
    right = record("CVE-2024-1000", "flask", fixed="0.5", modified="2024-01-01T00:00:00Z")
    first = build(tmp_path / "1.sqlite", adding(wrong))
    assert hits(build(tmp_path / "2.sqlite", adding(right), base=first), "flask") == []


def test_what_a_build_took_is_counted_once(tmp_path: Path) -> None:
    """`taken` is the records that came with this build and are still in it."""
    base = build(tmp_path / "1.sqlite", adding(record("A-1", "a"), record("A-2", "a")))
    with GenerationBuilder(tmp_path / "2.sqlite", base) as builder:
        for name in ("A-1", "A-3", "A-3", "A-4"):
            builder.add(record(name, "a"))
        assert builder.taken == 3
        assert builder.remove("osv", "A-4")
        assert builder.remove("osv", "A-2")
        assert not builder.remove("osv", "A-9")
        assert builder.taken == 2
        builder.clear_source("osv")
        assert builder.taken == 0


def test_a_source_stated_whole_forgets_what_it_no_longer_says(tmp_path: Path) -> None:
    """A source that is cleared keeps nothing of before; other sources keep everything."""
    base = build(
        tmp_path / "1.sqlite",
        adding(record("CVE-2024-1000", "flask")),
        stating("whole", record("CVE-2024-1001", "flask", source="whole")),
    )
    new = build(tmp_path / "2.sqlite", stating("whole", record("CVE-2024-1002", "flask", source="whole")), base=base)
    assert hits(base, "flask") == ["CVE-2024-1000", "CVE-2024-1001"]
    assert hits(new, "flask") == ["CVE-2024-1000", "CVE-2024-1002"]


def test_what_cannot_be_used_is_returned_and_counted(tmp_path: Path) -> None:
    """Each interval and package that no version can be tested against is named, and counted for its source."""
    odd = record(
        "CVE-2024-1000",
        Affected("pypi", "flask", (Interval("0", "soon"), Interval("0", "2.0"), Interval("later"))),
        Affected("nobody", "thing", (Interval("0"),)),
    )
    with GenerationBuilder(tmp_path / "new.sqlite", None) as builder:
        unused = builder.add(odd)
        builder.not_used("osv", Unused("CVE-2024-1001", "withdrawn"))
        builder.seal(NOW)
    range_, order = "range that is no version of its ecosystem", "versions of nobody cannot be ordered"
    assert [item.reason for item in unused] == [range_, range_, order]
    assert hits(tmp_path / "new.sqlite", "flask") == ["CVE-2024-1000"]
    with Generation(tmp_path / "new.sqlite") as generation:
        assert generation.sources["osv"]["unused"] == {range_: 2, order: 1, "withdrawn": 1}


def test_sources_say_how_much_and_how_old(tmp_path: Path) -> None:
    """Each source has its count, the newest date in it and when it was imported, also after it was stated empty."""
    base = build(
        tmp_path / "1.sqlite",
        adding(
            record("A-1", "a", modified="2024-01-02T00:00:00Z"), record("A-2", "a", modified="2024-01-01T00:00:00Z")
        ),
        stating("whole"),
    )
    later = datetime(2026, 7, 1, tzinfo=UTC)
    new = build(tmp_path / "2.sqlite", adding(record("A-3", "a")), base=base, now=later)
    with Generation(new) as generation:
        assert generation.sources == {
            "osv": {
                "records": 3,
                "as_of": "2024-01-02T00:00:00Z",
                "imported_at": "2026-07-01T00:00:00Z",
                "bundled": False,
                "unused": {},
            },
            "whole": {
                "records": 0,
                "as_of": None,
                "imported_at": "2026-06-01T12:00:00Z",
                "bundled": False,
                "unused": {},
            },
        }
        assert generation.data_as_of == "2024-01-02T00:00:00Z"


def test_a_date_to_come_makes_no_data_newer(tmp_path: Path) -> None:
    """A clock that is wrong at the source does not make data look newer than the day of its import."""
    path = build(tmp_path / "new.sqlite", adding(record("A-1", "a", modified="2099-01-01T00:00:00Z")))
    with Generation(path) as generation:
        assert generation.data_as_of == "2026-06-01T12:00:00Z"


def test_the_bundled_records_do_not_make_data_newer(tmp_path: Path) -> None:
    """How old the data is follows from what was imported; from the bundled set where there is nothing else."""
    starter = record("CVE-2024-1000", "flask", source=STARTER, modified="2026-05-01T00:00:00Z")
    base = build(tmp_path / "1.sqlite", adding(starter))
    new = build(tmp_path / "2.sqlite", adding(record("A-1", "a", modified="2024-01-01T00:00:00Z")), base=base)
    with Generation(base) as before, Generation(new) as after:
        assert (before.data_as_of, after.data_as_of) == ("2026-05-01T00:00:00Z", "2024-01-01T00:00:00Z")


RECORDS = [
    record("CVE-2024-1000", aliases=["X-1"], severity=(HIGH,)),
    record("GHSA-aaaa-bbbb-cccc", "flask", "jinja2", aliases=["CVE-2024-1000"], fixed="1.5"),
    record("PYSEC-2024-1", "flask", aliases=["GHSA-aaaa-bbbb-cccc"]),
    record("PYSEC-2024-2", "flask", aliases=["CVE-2024-1000", "CVE-2024-1001"]),
    record("CVE-2024-1001", "mako", severity=(LOW,)),
    record("CVE-2024-1001", "mako", source=STARTER),
    record("CVE-2024-1002", "mako", source=STARTER),
    record("CVE-2024-1003", Affected("debian:12", "zlib", unaffected=True), source="whole"),
    record("DEBIAN-CVE-2024-1003", Affected("debian:12", "zlib", (Interval("0"),))),
]


@pytest.fixture(scope="module")
def all_at_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("generations") / "all.sqlite", adding(*RECORDS))


@given(st.permutations(RECORDS))
@settings(max_examples=25, deadline=None)
def test_the_order_of_an_import_changes_nothing(all_at_once: Path, records: list[Record]) -> None:
    """The same records in any order are the same generation."""
    with TemporaryDirectory() as folder:
        assert digest(build(Path(folder) / "new.sqlite", adding(*records))) == digest(all_at_once)


def test_the_clock_and_the_name_change_nothing(tmp_path: Path, all_at_once: Path) -> None:
    """When and where a generation is built is not part of what it says."""
    other = build(tmp_path / "other.sqlite", adding(*RECORDS), now=datetime(2030, 1, 1, tzinfo=UTC))
    assert digest(other) == digest(all_at_once)
    assert changes(all_at_once, other) == []


NAMES = st.sampled_from(["a", "b", "c"])
IDS = st.sampled_from(["CVE-2024-1000", "CVE-2024-1001", "GHSA-aaaa-bbbb-cccc", "PYSEC-2024-1", "X-1"])
SOURCES = st.sampled_from(["osv", STARTER, "whole"])
SOME = st.builds(
    lambda name, packages, source, aliases, fixed: record(
        name, *sorted(packages), source=source, aliases=sorted(aliases), fixed=fixed
    ),
    IDS,
    st.sets(NAMES, max_size=2),
    SOURCES,
    st.sets(IDS, max_size=2),
    st.sampled_from(["0.5", "2.0", "soon"]),
)
STEPS = st.lists(
    st.one_of(
        SOME.map(adding),
        st.tuples(SOURCES, IDS).map(lambda key: lambda builder: builder.remove(*key)),
        st.tuples(SOURCES, st.lists(SOME, max_size=2)).map(
            lambda whole: stating(whole[0], *(msgspec.structs.replace(item, source=whole[0]) for item in whole[1]))
        ),
    ),
    max_size=8,
)


def content(path: Path) -> tuple[str, list[tuple[str, str, bytes]], list[str]]:
    with Generation(path) as generation:
        found = [generation.match(package(name, version)) for name in "abc" for version in ("0.1", "1.0")]
        return generation.digest, list(generation.fingerprints()), [str(item) for item in found]


@given(STEPS, st.sets(st.integers(1, 7)))
@settings(max_examples=60, deadline=None)
def test_imports_one_by_one_are_as_one_import(steps: list[Step], cuts: set[int]) -> None:
    """However a sequence of imports is cut into builds, each on the one before, the last generation is the same."""
    with TemporaryDirectory() as folder:
        at_once = build(Path(folder) / "once.sqlite", *steps)
        bounds = [0, *sorted(cut for cut in cuts if cut < len(steps)), len(steps)]
        path: Path | None = None
        for number, (start, end) in enumerate(pairwise(bounds)):
            path = build(Path(folder) / f"{number}.sqlite", *steps[start:end], base=path)
        assert path is not None
        assert content(path) == content(at_once)


@given(st.lists(SOME, max_size=5), st.lists(SOME, max_size=5))
@settings(max_examples=60, deadline=None)
def test_every_changed_verdict_is_of_a_changed_name(before: list[Record], after: list[Record]) -> None:
    """A package whose name is not among the changed ones has exactly the verdict that it had."""
    with TemporaryDirectory() as folder:
        old = build(Path(folder) / "old.sqlite", adding(*before))
        new = build(Path(folder) / "new.sqlite", adding(*after))
        changed = changes(old, new)
        for name in "abc":
            if name not in changed:
                with Generation(old) as one, Generation(new) as other:
                    for version in ("0.1", "1.0"):
                        assert one.match(package(name, version)) == other.match(package(name, version))
        assert (digest(old) == digest(new)) is (changed == [])


BASE = (
    record("GHSA-aaaa-bbbb-cccc", "a", aliases=["CVE-2024-1000"]),
    record("CVE-2024-1000"),
    record("CVE-2024-1001", "b", "c"),
    record("PYSEC-2024-1", "d"),
)


@pytest.mark.parametrize(
    ("step", "changed"),
    [
        (adding(), []),
        (adding(BASE[0]), []),
        (adding(record("CVE-2024-1002", "e")), ["e"]),
        (adding(record("CVE-2024-1001", "b", "c", fixed="3.0")), ["b", "c"]),
        (adding(record("CVE-2024-1001", "b", fixed="2.0")), ["c"]),
        (adding(record("CVE-2024-1001", "b", Affected("pypi", "c", (Interval("0", "9"),)))), ["c"]),
        (adding(record("CVE-2024-1001", "b", "c", summary="Another text")), ["b", "c"]),
        # A record without packages speaks of those of its vulnerability.
        (adding(record("CVE-2024-1000", severity=(HIGH,))), ["a"]),
        (adding(record("CVE-2024-1009", severity=(HIGH,))), []),
        # Aliases join what two records are about.
        (adding(record("PYSEC-2024-1", "d", aliases=["CVE-2024-1000"])), ["a", "d"]),
        (adding(record("X-1", aliases=["PYSEC-2024-1", "CVE-2024-1001"])), ["b", "c", "d"]),
        (lambda builder: builder.remove("osv", "PYSEC-2024-1"), ["d"]),
        (lambda builder: builder.remove("osv", "CVE-2024-1000"), ["a"]),
        (lambda builder: builder.clear_source("osv"), ["a", "b", "c", "d"]),
    ],
)  # fmt: skip
def test_changed_names_are_exact(tmp_path: Path, step: Step, changed: list[str]) -> None:
    """Exactly those names are changed on whose packages a verdict, or anything that it shows, may be another."""
    base = build(tmp_path / "base.sqlite", adding(*BASE))
    assert changes(base, build(tmp_path / "new.sqlite", step, base=base)) == changed
    assert changes(None, base) == ["a", "b", "c", "d"]


def test_a_claim_that_moves_to_another_record_changes_its_name(tmp_path: Path) -> None:
    """Two records of one vulnerability that swap their packages: what is said is the same, but not by whom."""
    one, two = record("GHSA-aaaa-bbbb-cccc", "a"), record("PYSEC-2024-1", "b", aliases=["GHSA-aaaa-bbbb-cccc"])
    swapped = [msgspec.structs.replace(one, affected=two.affected), msgspec.structs.replace(two, affected=one.affected)]
    base = build(tmp_path / "base.sqlite", adding(one, two))
    assert changes(base, build(tmp_path / "new.sqlite", adding(*swapped))) == ["a", "b"]


def starter(*records: tuple[str, str]) -> Step:
    return adding(*(record(name, item, source=STARTER) for name, item in records))


def test_bundled_ranges_step_back_for_the_same_vulnerability(tmp_path: Path) -> None:
    """What an import says of a vulnerability in a package goes before the bundled range, also where it knows it by
    another name; the bundled severity stays, and so do the ranges of other packages."""
    bundled = adding(
        record("CVE-2024-1000", "flask", "jinja2", source=STARTER, severity=(HIGH,)),
        *(record(f"CVE-2024-{number}", "other", source=STARTER) for number in (2000, 2001)),
    )
    base = build(tmp_path / "1.sqlite", bundled)
    imported = record("GHSA-aaaa-bbbb-cccc", "flask", aliases=["CVE-2024-1000"], fixed="0.9")
    new = build(tmp_path / "2.sqlite", adding(imported), base=base)
    assert (hits(base, "flask"), hits(new, "flask"), hits(new, "jinja2")) == (
        ["CVE-2024-1000"],
        [],
        ["CVE-2024-1000"],
    )
    with Generation(new) as generation:
        (found,) = generation.match(package("flask", "0.1"))
        assert [ref.id for ref in found.records] == ["GHSA-aaaa-bbbb-cccc"]
        assert (found.fix, found.severity) == ("0.9", Severity.HIGH)


def test_bundled_ranges_step_back_for_a_vendors_denial(tmp_path: Path) -> None:
    """Where the vendor says that its package is not affected, the bundled range does not say otherwise."""
    zlib = Affected("debian:12", "zlib", (Interval("0", "1:1.3-1"),))
    base = build(tmp_path / "1.sqlite", adding(record("CVE-2024-1000", zlib, source=STARTER)))
    denial = record("CVE-2024-1000", Affected("debian:12", "zlib", unaffected=True), source="debian-tracker")
    new = build(tmp_path / "2.sqlite", stating("debian-tracker", denial), base=base)
    assert hits(base, "zlib", "1:1.2-1", "debian:12") == ["CVE-2024-1000"]
    assert hits(new, "zlib", "1:1.2-1", "debian:12") == []


def test_bundled_ranges_of_an_ecosystem_step_back_once_more_is_loaded(tmp_path: Path) -> None:
    """As soon as more records than the bundled ones speak of an ecosystem, its bundled ranges are not used; all
    releases of a distribution are one ecosystem, and others keep theirs."""
    zlib = Affected("debian:12", "zlib", (Interval("0"),))
    bundled = [
        record("CVE-2024-1000", "flask", source=STARTER),
        record("CVE-2024-1001", "jinja2", source=STARTER),
        record("CVE-2024-1002", zlib, source=STARTER),
    ]
    imported = [record(f"PYSEC-2024-{number}", "mako") for number in range(3)]
    base = build(tmp_path / "base.sqlite", adding(*bundled))
    as_many = build(tmp_path / "2.sqlite", adding(*imported[:2]), base=base)
    more = build(tmp_path / "3.sqlite", adding(*imported), base=base)
    assert (hits(as_many, "flask"), hits(more, "flask")) == (["CVE-2024-1000"], [])
    assert hits(more, "zlib", "1.0", "debian:12") == ["CVE-2024-1002"]
    other = [record(f"DSA-{n}", Affected(f"debian:{n}", "x", (Interval("0"),))) for n in (10, 11)]
    debian = build(tmp_path / "4.sqlite", adding(*other), base=base)
    assert (hits(debian, "zlib", "1.0", "debian:12"), hits(debian, "flask")) == ([], ["CVE-2024-1000"])


def test_records_that_replace_bundled_ones_do_not_drive_out_the_rest(tmp_path: Path) -> None:
    """Two imported records, one of them on a bundled vulnerability, are not more than the two bundled ones."""
    base = build(tmp_path / "1.sqlite", starter(("CVE-2024-1000", "flask"), ("CVE-2024-1001", "jinja2")))
    imported = adding(record("CVE-2024-1000", "flask", fixed="0.5"), record("CVE-2024-1009", "mako"))
    new = build(tmp_path / "2.sqlite", imported, base=base)
    assert (hits(new, "flask"), hits(new, "jinja2")) == ([], ["CVE-2024-1001"])


def test_bundled_ranges_come_forward_again(tmp_path: Path) -> None:
    """When what made them step back is withdrawn, the bundled ranges are what is known."""
    base = build(tmp_path / "1.sqlite", starter(("CVE-2024-1000", "flask"), ("CVE-2024-1001", "flask")))
    imported = build(tmp_path / "2.sqlite", adding(record("CVE-2024-1000", "flask", fixed="0.5")), base=base)
    withdrawn = build(tmp_path / "3.sqlite", lambda builder: builder.remove("osv", "CVE-2024-1000"), base=imported)
    assert hits(imported, "flask") == ["CVE-2024-1001"]
    assert digest(withdrawn) == digest(base)


def test_a_base_of_other_rules_is_read_anew(tmp_path: Path) -> None:
    """A generation that other rules built has other version keys: they are made again before anything is added."""
    listed = Affected("pypi", "flask", (Interval("1.9", "1.10"), Interval("3.0")), ("0.9", "0.9-x"))
    records = [record("CVE-2024-1000", listed), record("CVE-2024-1001", "flask")]
    expected = build(tmp_path / "expected.sqlite", adding(*records))
    base = build(tmp_path / "base.sqlite", adding(records[0]))
    with closing(sqlite3.connect(base)) as db, db:
        made, _ = matching.claim(listed, lambda version: version[::-1].encode())
        db.execute("UPDATE claims SET body = ?", (claim_encoder.encode(made),))
        derivation.derive_all(db)
        db.execute("UPDATE meta SET value = '0' WHERE key = 'rules_version'")
    assert hits(base, "flask", "1.9.5") == []
    new = build(tmp_path / "new.sqlite", adding(records[1]), base=base)
    assert digest(new) == digest(expected)
    assert hits(new, "flask", "1.9.5") == ["CVE-2024-1000", "CVE-2024-1001"]
    assert changes(base, new) == ["flask"]


def test_other_rules_change_every_name(tmp_path: Path) -> None:
    """Between generations of two versions of the rules no verdict is taken over, gone names included."""
    old = build(tmp_path / "1.sqlite", adding(record("CVE-2024-1000", "a"), record("CVE-2024-1001", "b")))
    new = build(tmp_path / "2.sqlite", adding(record("CVE-2024-1000", "a"), record("CVE-2024-1002", "c")))
    assert changes(old, new) == ["b", "c"]
    with closing(sqlite3.connect(old)) as db, db:
        db.execute("UPDATE meta SET value = '0' WHERE key = 'rules_version'")
    assert changes(old, new) == ["a", "b", "c"]


def test_names_of_a_vulnerability(tmp_path: Path, all_at_once: Path) -> None:
    """Each vulnerability has all the names that its records give it, and their dates where they have one."""
    dated = [
        record("GHSA-aaaa-bbbb-cccc", "a", aliases=["CVE-2024-1000"], published="2024-01-02T00:00:00Z"),
        record("CVE-2024-1000", published="2024-01-01T00:00:00Z"),
        record("CVE-2024-1000", source="other", published="2023-01-01T00:00:00Z"),
        record("CVE-2024-1001", "a"),
    ]
    with Generation(build(tmp_path / "new.sqlite", adding(*dated))) as generation:
        names = generation.names_of("CVE-2024-1000")
        assert names == ["CVE-2024-1000", "GHSA-aaaa-bbbb-cccc"]
        assert generation.publication([*names, "CVE-2024-1001", "CVE-1999-0001"]) == {
            "CVE-2024-1000": "2023-01-01T00:00:00Z",
            "GHSA-aaaa-bbbb-cccc": "2024-01-02T00:00:00Z",
        }
        assert [item.source for item in generation.known("CVE-2024-1000").values()] == ["osv", "other", "osv"]


def test_packages_that_nobody_speaks_of_are_hit_by_nothing(all_at_once: Path) -> None:
    """No namespace, an unknown one, or no version: no finding, and no error."""
    with Generation(all_at_once) as generation:
        for item in (package("flask", "1.0", ""), package("flask", "1.0", "plan9:4"), package("flask", "")):
            assert generation.match(item) == ()


def spoiled(folder: Path, spoil: Iterable[str]) -> Path:
    path = build(folder / "spoiled.sqlite", adding(*RECORDS))
    with closing(sqlite3.connect(path)) as db, db:
        for statement in spoil:
            db.execute(statement)
    return path


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meta SET value = '999' WHERE key = 'format'",
        "DELETE FROM meta WHERE key = 'format'",
        "DELETE FROM meta WHERE key = 'digest'",
        "UPDATE meta SET value = 'new' WHERE key = 'rules_version'",
        "DROP TABLE meta",
    ],
)
def test_a_file_of_another_form_is_not_opened(tmp_path: Path, statement: str) -> None:
    """Neither for reading nor as the base of a new one."""
    path = spoiled(tmp_path, [statement])
    with pytest.raises(UnusableGeneration, match=r"spoiled\.sqlite"):
        Generation(path)
    with pytest.raises(UnusableGeneration):
        GenerationBuilder(tmp_path / "new.sqlite", path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["spoiled.sqlite"]


@pytest.mark.parametrize("data", [None, b"", b"no database", b"SQLite format 3\0" + bytes(200)])
def test_what_is_no_generation_is_not_opened(tmp_path: Path, data: bytes | None) -> None:
    """A file that is not there, empty, or no database."""
    path = tmp_path / "some.sqlite"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UnusableGeneration):
        Generation(path)


def test_any_path_can_be_opened(tmp_path: Path) -> None:
    """What means something in a URI means nothing in a path."""
    folder = tmp_path / "a b?mode=rwc#%41&é"
    folder.mkdir()
    assert hits(build(folder / "generation.sqlite", adding(record("CVE-2024-1000", "flask"))), "flask") == [
        "CVE-2024-1000"
    ]
