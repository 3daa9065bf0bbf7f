"""Interned packages and the intervals of their matches, on both engines."""

from __future__ import annotations

import random
import threading

import msgspec
import sqlalchemy as sa

from hullwise.domain.packages import Package
from hullwise.store import assessments, generations, packages
from hullwise.store.engine import Database
from hullwise.store.tables import matches as matches_table
from hullwise.store.tables import packages as packages_table
from tests.support.rows import assessment, package

Row = tuple[int, int, int, int | None]
"""package, assessment, from, to"""


def interned(tx: sa.Connection, *wanted: Package) -> list[int]:
    packages.intern(tx, wanted)
    ids = packages.ids_of(tx, wanted)
    return [ids[each] for each in wanted]


def assessed(tx: sa.Connection, *names: str) -> list[int]:
    """Ids that grow in the order of the names."""
    vulnerability = assessments.new_vulnerability(tx, 1)
    return [assessments.save(tx, {assessment(name): vulnerability})[assessment(name)] for name in names]


def stored(tx: sa.Connection) -> set[Row]:
    return {(row[0], row[1], row[2], row[3]) for row in tx.execute(sa.select(matches_table))}


def spans(tx: sa.Connection) -> dict[int, tuple[int | None, int | None, int | None]]:
    columns = packages_table.c
    query = sa.select(columns.id, columns.matched_from, columns.matched_at, columns.matched_through)
    return {row[0]: (row[1], row[2], row[3]) for row in tx.execute(query)}


def test_a_package_is_interned_once(database: Database) -> None:
    """The same package has the same id however often and beside whatever it is interned, and comes back as it was."""
    full = Package("dpkg", "debian:12", "libc6", "2.36-9+deb12u4", "glibc", "2.36-9+deb12u4", "amd64", "")
    with database.write() as tx:
        (first,) = interned(tx, full)
        assert interned(tx, package("flask"), full)[1] == first
        assert packages.load(tx, [first, first, 10**9]) == {first: full}
        packages.intern(tx, [])
        assert packages.ids_of(tx, [package("django")]) == {}


def test_every_field_tells_packages_apart(database: Database) -> None:
    """Packages that differ in any one field are different packages."""
    fields = ("ecosystem", "namespace", "name", "version", "source_name", "source_version", "architecture", "scope")
    plain = dict.fromkeys(fields, "x")
    wanted = [Package(**plain), *(Package(**{**plain, field: "y"}) for field in fields)]
    with database.write() as tx:
        ids = interned(tx, *wanted)
        assert len(set(ids)) == 9
        assert packages.load(tx, ids) == dict(zip(ids, wanted, strict=True))


def test_many_packages_at_once(database: Database) -> None:
    """More packages than one statement holds, in several namespaces, are interned and found."""
    wanted = [package(f"p{number}", namespace=f"n{number % 3}") for number in range(1_300)]
    with database.write() as tx:
        ids = interned(tx, *wanted)
        assert packages.load(tx, ids) == dict(zip(ids, wanted, strict=True))


def test_many_who_intern_the_same_packages(database: Database) -> None:
    """Transactions that intern overlapping packages in any order neither fail nor make one twice."""
    everything = [package(f"p{number}") for number in range(60)]
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def intern(seed: int) -> None:
        chance = random.Random(seed)
        start.wait()
        try:
            for _ in range(6):
                mine = chance.sample(everything, 40)
                database.run(lambda tx, mine=mine: packages.intern(tx, mine))  # type: ignore[misc]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=intern, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as tx:
        found = packages.ids_of(tx, everything)
        assert len(set(found.values())) == tx.execute(sa.select(sa.func.count(packages_table.c.id))).scalar()


def test_a_package_never_matched_is_unknown(database: Database) -> None:
    """Until it is matched a package's matches hold for no generation, and publishing passes it by."""
    with database.write() as tx:
        (one,) = interned(tx, package("flask"))
        assert packages.unmatched(tx, [one], 1) == [one]
        assert packages.installed_named(tx, [("pypi", "flask")], 2) == {}


def test_matches_hold_from_the_generation_that_they_were_made_in(database: Database) -> None:
    """From its first matching on a package is known for every generation, and not for those before."""
    with database.write() as tx:
        flask, clean = interned(tx, package("flask"), package("clean"))
        (hit,) = assessed(tx, "CVE-1")
        packages.begin_matches(tx, {flask: [hit, hit], clean: []}, 3)
        assert stored(tx) == {(flask, hit, 3, None)}
        assert packages.unmatched(tx, [flask, clean], 2) == [flask, clean]
        assert packages.unmatched(tx, [clean, flask], 3) == []
        assert packages.unmatched(tx, [clean, flask], 9) == []
        assert packages.matches_of(tx, [flask, clean], 2) == {}
        assert packages.matches_of(tx, [flask, clean], 3) == packages.matches_of(tx, [flask], 9) == {flask: [hit]}
        assert packages.open_matches(tx, [flask, clean], 3) == {flask: {hit}, clean: set()}


def test_what_is_written_ahead_shows_with_its_generation_only(database: Database) -> None:
    """The next generation's verdicts close and open intervals at it; the head's stay what they were."""
    with database.write() as tx:
        flask, other = interned(tx, package("flask"), package("other"))
        stays, goes, comes = assessed(tx, "CVE-1", "CVE-2", "CVE-3")
        packages.begin_matches(tx, {flask: [stays, goes], other: [goes]}, 1)
        before = packages.open_matches(tx, [flask], 1)
        packages.move_matches(tx, [flask], before, {flask: {stays, comes}}, 2)
        assert stored(tx) == {
            (flask, stays, 1, None),
            (flask, goes, 1, 2),
            (flask, comes, 2, None),
            (other, goes, 1, None),
        }
        assert packages.matches_of(tx, [flask], 1) == {flask: [stays, goes]}
        assert packages.matches_of(tx, [flask], 2) == {flask: [stays, comes]}
        assert packages.open_matches(tx, [flask], 1) == before
        assert spans(tx) == {flask: (1, 2, None), other: (1, 1, None)}


def test_a_match_that_comes_back_opens_anew(database: Database) -> None:
    """What a generation dropped and a later one says again holds in two intervals and not between them."""
    with database.write() as tx:
        (flask,) = interned(tx, package("flask"))
        (hit,) = assessed(tx, "CVE-1")
        packages.begin_matches(tx, {flask: [hit]}, 1)
        packages.move_matches(tx, [flask], {flask: {hit}}, {flask: set()}, 2)
        packages.move_matches(tx, [flask], {flask: set()}, {flask: {hit}}, 4)
        assert stored(tx) == {(flask, hit, 1, 2), (flask, hit, 4, None)}
        held = [packages.matches_of(tx, [flask], number) for number in (1, 2, 3, 4, 5)]
        assert held == [{flask: [hit]}, {}, {}, {flask: [hit]}, {flask: [hit]}]


def test_publishing_finds_what_it_has_to_match(database: Database) -> None:
    """Packages of the names asked for that are kept up to the head and not matched for the next generation yet."""
    with database.write() as tx:
        debian = package("flask", namespace="debian:12")
        binary = package("flask-doc", source_name="flask")
        flask, newer, doc, elsewhere, ended, unknown, done = ids = interned(
            tx,
            package("flask"),
            package("flask", "2.0"),
            binary,
            debian,
            package("ended"),
            package("unknown"),
            package("done"),
        )
        packages.begin_matches(tx, {each: [] for each in ids if each != unknown}, 1)
        packages.move_matches(tx, [done], {done: set()}, {done: set()}, 2)
        tx.execute(packages_table.update().where(packages_table.c.id == ended).values(matched_through=1))
        names = [("pypi", name) for name in ("flask", "ended", "unknown", "done", "absent")]
        assert packages.installed_named(tx, names, 2).keys() == {flask, newer, doc}
        assert packages.installed_named(tx, names, 3).keys() == {flask, newer, doc, done}
        assert packages.installed_named(tx, [("debian:12", "flask")], 2) == {elsewhere: debian}
        assert packages.installed_named(tx, [("flask", "pypi"), ("pypi", "flask-doc")], 2) == {}
        assert len(packages.installed_named(tx, names, 2, limit=2)) == 2
        assert packages.installed_named(tx, [], 2) == {}


def test_publishing_finds_what_others_installed(database: Database) -> None:
    """By the scopes that name an owner, of which those of modules are none."""
    wanted = [
        msgspec.structs.replace(package(name), scope=scope)
        for name, scope in (("a", "debian:12 mako"), ("b", "rhel:8 npm nodejs x86_64 nodejs:20"), ("c", "nodejs:20"))
    ]
    with database.write() as tx:
        ids = interned(tx, *wanted)
        packages.begin_matches(tx, {each: [] for each in ids}, 1)
        assert packages.owner_scopes(tx) == ["debian:12 mako", "rhel:8 npm nodejs x86_64 nodejs:20"]
        assert packages.installed_named(tx, [], 2, owned=["debian:12 mako"]) == {ids[0]: wanted[0]}
        both = packages.installed_named(tx, [("pypi", "c")], 2, owned=["rhel:8 npm nodejs x86_64 nodejs:20", "x y"])
        assert both.keys() == {ids[1], ids[2]}


def test_names_of_many_are_found(database: Database) -> None:
    """More names than one statement holds are all looked for."""
    wanted = [package(f"p{number}") for number in range(1_100)]
    with database.write() as tx:
        ids = interned(tx, *wanted)
        packages.begin_matches(tx, {each: [] for each in ids}, 1)
        names = [(each.namespace, each.source_name) for each in wanted]
        assert packages.installed_named(tx, names, 2) == dict(zip(ids, wanted, strict=True))


def test_taking_back_undoes_what_was_written_ahead(database: Database) -> None:
    """After it everything is as it was at the head, intervals that had closed before stay closed, and it may repeat."""
    with database.write() as tx:
        flask, other = interned(tx, package("flask"), package("other"))
        one, two, three = assessed(tx, "CVE-1", "CVE-2", "CVE-3")
        packages.begin_matches(tx, {flask: [one, two], other: [one]}, 1)
        packages.move_matches(tx, [flask], {flask: {one, two}}, {flask: {two}}, 2)
        settled = stored(tx)
        packages.move_matches(tx, [flask, other], {flask: {two}, other: {one}}, {flask: {one, three}, other: set()}, 3)
        assert stored(tx) != settled
        for _ in range(2):
            packages.take_back(tx, 2)
            assert stored(tx) == settled
            names = [("pypi", "flask"), ("pypi", "other")]
            assert packages.installed_named(tx, names, 3).keys() == {flask, other}
            assert packages.installed_named(tx, names, 2) == {}


def test_a_package_that_was_not_kept_up_begins_anew(database: Database) -> None:
    """Matches of an earlier span hold through its end; matched again, they hold from then on, unknown between."""
    with database.write() as tx:
        (flask,) = interned(tx, package("flask"))
        stays, goes, comes = assessed(tx, "CVE-1", "CVE-2", "CVE-3")
        packages.begin_matches(tx, {flask: [stays, goes]}, 1)
        tx.execute(packages_table.update().values(matched_through=2))
        assert packages.unmatched(tx, [flask], 2) == []
        assert packages.unmatched(tx, [flask], 3) == [flask]
        packages.begin_matches(tx, {flask: [stays, comes]}, 5)
        assert packages.matches_of(tx, [flask], 2) == {flask: [stays, goes]}
        assert packages.matches_of(tx, [flask], 5) == {flask: [stays, comes]}
        assert packages.open_matches(tx, [flask], 5) == {flask: {stays, comes}}
        assert spans(tx) == {flask: (5, 5, None)}
        assert packages.unmatched(tx, [flask], 5) == []


def test_two_who_match_the_same_package_write_it_once(database: Database) -> None:
    """Scans that match a package through the same generation beside each other leave what one of them would."""
    with database.write() as tx:
        ids = interned(tx, *(package(f"p{number}") for number in range(20)))
        hits = assessed(tx, "CVE-1", "CVE-2")
    start = threading.Barrier(4)

    def match() -> None:
        start.wait()
        database.run(lambda tx: packages.begin_matches(tx, dict.fromkeys(ids, hits), 1))

    threads = [threading.Thread(target=match) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as tx:
        assert stored(tx) == {(each, hit, 1, None) for each in ids for hit in hits}
        assert len(tx.execute(sa.select(matches_table.c.package_id)).all()) == len(ids) * len(hits)


def test_the_head_begins_at_none_and_moves(database: Database) -> None:
    """A new database uses no generation; the head is what it was moved to last."""
    with database.write() as tx:
        assert generations.head_number(tx) == generations.hold_head(tx) == 0
        assert generations.get(tx, 0) is None
        generations.move_head(tx, 1)
        assert generations.hold_head(tx, alone=True) == 1


def test_who_moves_the_head_waits_for_who_holds_it(database: Database) -> None:
    """A head that is held stays where it is until the holder's transaction ends; holders do not wait for each other."""
    if database.is_sqlite:  # one transaction writes at a time, and holding is writing
        return
    order: list[str] = []

    def move() -> None:
        with database.write() as tx:
            generations.hold_head(tx, alone=True)
            generations.move_head(tx, 1)
        order.append("moved")

    with database.write() as one, database.write() as two:
        assert generations.hold_head(one) == generations.hold_head(two) == 0
        moving = threading.Thread(target=move)
        moving.start()
        moving.join(0.3)
        assert moving.is_alive()
        order.append("held")
    moving.join(60)
    assert order == ["held", "moved"]
