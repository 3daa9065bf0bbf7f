"""The difference of two generations is what their records differ in, counted exactly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.difference import Difference, SourceChange, Stated, VulnerabilityChange, compare
from hullwise.advisories.generation import Generation, changed_names
from hullwise.advisories.records import Affected, Interval, Record
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim
from tests.support import advisories

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
HIGH = SeverityClaim("GHSA", "word", "HIGH", Severity.HIGH)
LOW = SeverityClaim("GHSA", "word", "LOW", Severity.LOW)
SCORED = SeverityClaim("GHSA", "CVSS_V3", "CVSS:3.1/…", Severity.MEDIUM, 5.5)
URGENT = SeverityClaim("debian", "word", "high", Severity.HIGH)
BELOW_2 = Stated(Severity.UNDEFINED, None, ("2.0",), ("< 2.0",))


def affected(name: str, *intervals: Interval, namespace: str = "pypi", **members: object) -> Affected:
    return Affected(namespace, name, intervals, **members)  # type: ignore[arg-type]


def record(record_id: str, *packages: Affected | str, source: str = "osv", **members: object) -> Record:
    """A record; of the packages that are only named it says that they are affected below 2.0."""
    found = tuple(affected(item, Interval("0", "2.0")) if isinstance(item, str) else item for item in packages)
    return Record(record_id, source, found, **members)  # type: ignore[arg-type]


def build(path: Path, records: Sequence[Record]) -> Path:
    with GenerationBuilder(path, None) as builder:
        for item in records:
            builder.add(item)
        builder.seal(NOW)
    return path


def difference(folder: Path, old: Sequence[Record], new: Sequence[Record], limit: int = 1_000) -> Difference:
    before, after = build(folder / "old.sqlite", old), build(folder / "new.sqlite", new)
    with Generation(before) as one, Generation(after) as other:
        return compare(one, other, limit)


def test_nothing_changed(tmp_path: Path) -> None:
    """A generation and itself have the same digest, and no difference."""
    found = difference(tmp_path, [record("A-1", "flask")], [record("A-1", "flask")])
    assert found.old == found.new
    assert (found.sources, found.names, found.total, found.listed) == ((), 0, 0, ())


def test_records_are_counted_by_source(tmp_path: Path) -> None:
    """Each source that anything came to, went from or changed in has its three counts; others are not named."""
    kept = record("K-1", source="k")
    found = difference(
        tmp_path,
        [record("A-1", "a"), record("A-2", "a"), record("A-3"), record("A-1", "a", source="z"), kept],
        [record("A-1", "b"), record("A-3"), record("A-4"), record("A-5"), record("A-6"), kept],
    )
    assert found.sources == (
        SourceChange("osv", added=3, removed=1, changed=1),
        SourceChange("z", added=0, removed=1, changed=0),
    )


def test_what_appeared_and_went_is_told_by_name(tmp_path: Path) -> None:
    """Sorted by namespace, package and vulnerability; what stayed as it was is not told."""
    found = difference(
        tmp_path,
        [record("A-1", "b", "c"), record("A-2", "c")],
        [record("A-1", "c"), record("A-2", "c"), record("A-4", "a"), record("A-3", "a", affected("z", Interval()))],
    )
    assert (found.names, found.appeared, found.went, found.changed, found.total) == (3, 3, 1, 0, 4)
    assert found.listed == (
        VulnerabilityChange("pypi", "a", "A-3", None, BELOW_2),
        VulnerabilityChange("pypi", "a", "A-4", None, BELOW_2),
        VulnerabilityChange("pypi", "b", "A-1", BELOW_2, None),
        VulnerabilityChange("pypi", "z", "A-3", None, Stated(Severity.UNDEFINED, None, (), ("all versions",))),
    )


@pytest.mark.parametrize(
    ("old", "new", "aspects", "before", "after"),
    [
        (
            record("A-1", "a"),
            record("A-1", affected("a", Interval("0", "2.1"))),
            ("fix", "range"),
            BELOW_2,
            Stated(Severity.UNDEFINED, None, ("2.1",), ("< 2.1",)),
        ),
        (
            record("A-1", "a"),
            record("A-1", affected("a", Interval("1.0", "2.0"))),
            ("range",),
            BELOW_2,
            Stated(Severity.UNDEFINED, None, ("2.0",), (">= 1.0, < 2.0",)),
        ),
        # The range ends at the same version, which is no fix any more.
        (
            record("A-1", "a"),
            record("A-1", affected("a", Interval("0", "2.0", unfixed=True))),
            ("fix",),
            BELOW_2,
            Stated(Severity.UNDEFINED, None, (), ("< 2.0",)),
        ),
        (
            record("A-1", "a", severity=(LOW,)),
            record("A-1", "a", severity=(LOW, SCORED)),
            ("severity",),
            Stated(Severity.LOW, None, ("2.0",), ("< 2.0",)),
            Stated(Severity.MEDIUM, 5.5, ("2.0",), ("< 2.0",)),
        ),
        # 9.0 is above 1.10, and that above 1.9, whatever the order of their letters.
        (
            record("A-1", affected("a", Interval("9.0"), Interval("1.10", "1.11"), Interval("1.9", "1.9.5"))),
            record("A-1", affected("a", Interval("9.0", "9.1"), Interval("1.10", "1.11"), Interval("1.9", "1.9.5"))),
            ("fix", "range"),
            Stated(Severity.UNDEFINED, None, ("1.9.5", "1.11"), (">= 1.9, < 1.9.5", ">= 1.10, < 1.11", ">= 9.0")),
            Stated(
                Severity.UNDEFINED,
                None,
                ("1.9.5", "1.11", "9.1"),
                (">= 1.9, < 1.9.5", ">= 1.10, < 1.11", ">= 9.0, < 9.1"),
            ),
        ),
        (
            record("A-1", affected("a", versions=("1.0",))),
            record("A-1", affected("a", versions=("1.0", "1.1"))),
            ("range",),
            Stated(Severity.UNDEFINED, None, (), ("= 1.0",)),
            Stated(Severity.UNDEFINED, None, (), ("= 1.0, 1.1",)),
        ),
        # A version that the record lists as affected is no fix, whatever its range says (PYSEC-2023-72).
        (
            record("A-1", affected("a", Interval("0", "2.0"), versions=("2.0",))),
            record("A-1", "a"),
            ("fix", "range"),
            Stated(Severity.UNDEFINED, None, (), ("< 2.0", "= 2.0")),
            BELOW_2,
        ),
    ],
)  # fmt: skip
def test_what_changed_is_told_with_before_and_after(
    tmp_path: Path, old: Record, new: Record, aspects: tuple[str, ...], before: Stated, after: Stated
) -> None:
    """Fix, severity and range, each where it is another one."""
    found = difference(tmp_path, [old], [new])
    assert (found.appeared, found.went, found.changed) == (0, 0, 1)
    assert found.listed == (VulnerabilityChange("pypi", "a", "A-1", before, after, aspects),)  # type: ignore[arg-type]


def test_of_many_versions_the_first_few_are_shown(tmp_path: Path) -> None:
    """The change is seen in all of them; twenty are shown."""
    versions = tuple(f"1.{number:02}" for number in range(30))
    found = difference(
        tmp_path,
        [record("A-1", affected("a", versions=versions))],
        [record("A-1", affected("a", versions=(*versions, "2.0")))],
    )
    after = found.listed[0].after
    assert found.listed[0].aspects == ("range",)
    assert after is not None
    assert after.ranges == (f"= {', '.join(versions[:20])} and 11 more",)


def test_texts_change_names_and_no_vulnerability(tmp_path: Path) -> None:
    """What is only told otherwise counts for its package and is not listed."""
    found = difference(tmp_path, [record("A-1", "a", summary="One")], [record("A-1", "a", summary="Two")])
    assert (found.names, found.total, found.listed) == (1, 0, ())
    assert found.sources == (SourceChange("osv", changed=1),)


def test_a_severity_from_elsewhere_counts(tmp_path: Path) -> None:
    """A record of the same vulnerability on no package of that name may bring its severity; an alias joins them."""
    base = record("GHSA-aaaa-bbbb-cccc", "a", aliases=("CVE-2024-1000",))
    found = difference(tmp_path, [base], [base, record("CVE-2024-1000", severity=(HIGH,))])
    (change,) = found.listed
    assert (change.vulnerability, change.aspects) == ("CVE-2024-1000", ("severity",))
    assert change.after == Stated(Severity.HIGH, None, ("2.0",), ("< 2.0",))


def test_a_distributions_word_goes_first(tmp_path: Path) -> None:
    """On its own packages the vendor's severity is shown, as in a finding; on a language's a CVSS score is."""
    old = [record("CVE-2024-1000", affected("zlib", Interval(), namespace="debian:12"), severity=(SCORED,))]
    new = [
        record(
            "CVE-2024-1000", affected("zlib", Interval(), namespace="debian:12", severity=(URGENT,)), severity=(SCORED,)
        )
    ]
    (change,) = difference(tmp_path, old, new).listed
    assert change.before is not None
    assert change.after is not None
    assert (change.before.severity, change.before.score) == (Severity.MEDIUM, 5.5)
    assert (change.after.severity, change.after.score) == (Severity.HIGH, None)


def test_another_shown_name_is_no_other_vulnerability(tmp_path: Path) -> None:
    """Where a CVE id is found for what had none, the vulnerability neither went nor appeared."""
    old = record("GHSA-aaaa-bbbb-cccc", "a")
    new = msgspec.structs.replace(old, aliases=("CVE-2024-1000",))
    found = difference(tmp_path, [old], [new])
    assert (found.names, found.total) == (1, 0)
    fixed = msgspec.structs.replace(new, affected=(affected("a", Interval("0", "3.0")),))
    (change,) = difference(tmp_path, [old], [fixed]).listed
    assert (change.vulnerability, change.aspects) == ("CVE-2024-1000", ("fix", "range"))


def test_what_a_vendor_clears_went(tmp_path: Path) -> None:
    """A vulnerability that a record says the package is not affected by is none of it, whoever else says it is."""
    old = record("DEBIAN-CVE-2024-1000", affected("zlib", Interval(), namespace="debian:12"))
    cleared = record("CVE-2024-1000", affected("zlib", namespace="debian:12", unaffected=True), source="other")
    there, back = difference(tmp_path, [old], [old, cleared]), difference(tmp_path, [old, cleared], [old])
    assert (there.appeared, there.went, there.changed) == (0, 1, 0)
    assert (back.appeared, back.went, back.changed) == (1, 0, 0)


def test_a_limit_shortens_the_list_and_no_count(tmp_path: Path) -> None:
    """However little is listed, it is the first of all, and the totals are those of everything."""
    old = [record(f"A-{number}", f"p{number}") for number in range(9)]
    new = [record(f"B-{number}", f"p{number}") for number in range(9)]
    everything = difference(tmp_path, old, new)
    assert (everything.appeared, everything.went, everything.names) == (9, 9, 9)
    assert [(item.package, item.vulnerability) for item in everything.listed[:3]] == [
        ("p0", "A-0"),
        ("p0", "B-0"),
        ("p1", "A-1"),
    ]
    for limit in (0, 1, 17, 18, 100):
        found = difference(tmp_path, old, new, limit)
        assert found.listed == everything.listed[:limit]
        assert msgspec.structs.replace(found, listed=()) == msgspec.structs.replace(everything, listed=())


def test_documents_of_osv_are_compared_as_they_were_read(tmp_path: Path) -> None:
    """From a feed's documents to the difference: a fix that became known."""
    one = advisories.write(tmp_path / "1", advisories.osv("GHSA-aaaa-bbbb-cccc", "Flask"))
    other = advisories.write(tmp_path / "2", advisories.osv("GHSA-aaaa-bbbb-cccc", "Flask", fixed="2.3.2"))
    with (
        advisories.generation(tmp_path / "old.sqlite", one) as old,
        advisories.generation(tmp_path / "new.sqlite", other, base=tmp_path / "old.sqlite") as new,
    ):
        (change,) = compare(old, new).listed
    assert (change.namespace, change.package, change.aspects) == ("pypi", "flask", ("fix", "range"))
    assert change.before is not None
    assert change.after is not None
    assert (change.before.fixes, change.after.fixes) == ((), ("2.3.2",))


IDS = st.sampled_from(["CVE-2024-1000", "CVE-2024-1001", "GHSA-aaaa-bbbb-cccc", "X-1"])
SOME = st.builds(
    lambda name, packages, source, aliases, severity: record(
        name, *packages, source=source, aliases=tuple(aliases), severity=severity
    ),
    IDS,
    st.lists(
        st.builds(
            lambda name, end, unaffected: affected(name, Interval("0", end), unaffected=unaffected),
            st.sampled_from(["a", "b", "ä", "\U0001f600", "\uffff"]),
            st.sampled_from(["1.0", "2.0", "soon"]),
            st.booleans(),
        ),
        max_size=3,
    ),
    st.sampled_from(["osv", "starter", "z"]),
    st.lists(IDS, max_size=2, unique=True),
    st.sampled_from([(), (HIGH,), (SCORED,)]),
)


def _vulnerabilities(generation: Generation) -> set[tuple[str, str]]:
    """(package, shown name), as the matcher sees them: every version below 1.0 is hit by what hits any here."""
    names = {name for _, name, _ in generation.fingerprints()}
    return {(name, found.name) for name in names for found in generation.match(advisories.package(name, "0.1"))}


@given(st.lists(SOME, max_size=5), st.lists(SOME, max_size=5))
@settings(max_examples=60, deadline=None)
def test_the_counts_are_those_of_the_matcher(before: list[Record], after: list[Record]) -> None:
    """What appeared less what went is what the matcher finds more; each listed change is in a changed name; backwards
    the names are the same ones."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        old_path, new_path = build(folder / "old.sqlite", before), build(folder / "new.sqlite", after)
        with Generation(old_path) as old, Generation(new_path) as new:
            found, back = compare(old, new), compare(new, old)
            names = changed_names(old, new)
            assert (found.names, back.names) == (len(names), len(names))
            assert {(item.namespace, item.package) for item in found.listed} <= set(names)
            assert [(i.namespace, i.package, i.vulnerability) for i in found.listed] == sorted(
                (i.namespace, i.package, i.vulnerability) for i in found.listed
            )
            assert found.total == len(found.listed)
            earlier, now = _vulnerabilities(old), _vulnerabilities(new)
            told = {(i.package, i.vulnerability) for i in found.listed if i.before is None}
            assert told <= now
            assert {(i.package, i.vulnerability) for i in found.listed if i.after is None}.isdisjoint(now)
            renamed = {(p, next(iter(new.roots_of([v])), v)) for p, v in earlier}
            assert told == now - renamed
            assert found.went == len(renamed - now)
