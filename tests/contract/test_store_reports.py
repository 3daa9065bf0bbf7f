"""Layers' analyses, inventories, reports and scans, on both engines."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from hullwise.domain.packages import Distribution, Occurrence
from hullwise.domain.scans import ScanStatus, ScanType, Trigger
from hullwise.store import generations, images, inventories, packages, reports, scans
from hullwise.store.engine import Database
from hullwise.store.generations import Generation
from hullwise.store.reports import Draft, FindingKey
from hullwise.store.tables import inventories as inventories_table
from hullwise.store.tables import inventory_parts, merges, part_occurrences
from hullwise.store.tables import reports as reports_table
from hullwise.store.tables import scans as scans_table
from tests.support.rows import NOON, image, later, occurrence, package, repository, scan

BOOKWORM = Distribution("debian", "12", "bookworm", ("like-this", "like-that"), "Debian GNU/Linux 12 (bookworm)")
COVERAGE = {"readers": {"dpkg": 1}, "problems": [["a/b", "not readable"]]}

BASE = [occurrence("bash", layer="sha256:base"), occurrence("zlib", layer="sha256:base")]
UPPER = [occurrence("flask", layer="sha256:upper")]


def save(tx: sa.Connection, occurrences: list[Occurrence], distribution: Distribution | None = BOOKWORM) -> int:
    packages.intern(tx, [each.package for each in occurrences])
    return inventories.save(tx, occurrences, distribution, COVERAGE, NOON)


def rows_of(tx: sa.Connection, table: sa.Table) -> int:
    count: int = tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    return count


def test_a_layer_is_known_by_the_versions_that_read_it(database: Database) -> None:
    """What an analyser found is given to who wants that version of it; an older version's is not."""
    with database.write() as tx:
        inventories.save_layer_analysis(tx, "sha256:a", {"tree": (1, b"\x00tree"), "dpkg": (2, b"dpkg")}, NOON)
        wanted = {"tree": 1, "dpkg": 3, "apk": 1}
        assert inventories.layer_analysis(tx, "sha256:a", wanted) == {"tree": b"\x00tree"}
        assert inventories.layer_analysis(tx, "sha256:b", wanted) == {}
        inventories.save_layer_analysis(tx, "sha256:a", {"dpkg": (3, b"newer"), "tree": (1, b"again")}, later(1))
        assert inventories.layer_analysis(tx, "sha256:a", wanted) == {"tree": b"\x00tree", "dpkg": b"newer"}
        assert inventories.layer_analysis(tx, "sha256:a", {"dpkg": 2}) == {"dpkg": b"dpkg"}


def test_what_a_merge_made_is_remembered(database: Database) -> None:
    """By its digest; what was noted first stays."""
    with database.write() as tx:
        first, second = save(tx, BASE), save(tx, UPPER)
        inventories.note_merged(tx, "sha256:m", first)
        inventories.note_merged(tx, "sha256:m", second)
    with database.read() as tx:
        assert inventories.merged(tx, "sha256:m") == first
        assert inventories.merged(tx, "sha256:n") is None


def test_an_inventory_comes_back_as_it_was_saved(database: Database) -> None:
    """Distribution, coverage, and every occurrence in the order of the layers are read back."""
    placed = [
        *BASE,
        Occurrence(package("flask"), "b/flask", "sha256:upper", "python3-flask"),
        Occurrence(package("flask"), "a/flask", "sha256:upper"),
    ]
    with database.write() as tx:
        number = save(tx, placed)
        bare = save(tx, [], None)
    with database.read() as tx:
        found = inventories.get(tx, number)
        assert (found.distribution, found.coverage) == (BOOKWORM, COVERAGE)
        assert [each for _, each in inventories.occurrences(tx, number)] == placed
        ids = packages.ids_of(tx, [each.package for each in placed])
        wanted = [ids[package("bash")], ids[package("zlib")], ids[package("flask")]]
        assert inventories.package_ids(tx, number) == wanted
        only = inventories.occurrences(tx, number, only=wanted[2:])
        assert only == [(wanted[2], each) for each in placed[2:]]
        assert inventories.get(tx, bare).distribution is None
        assert inventories.occurrences(tx, bare) == []


def test_images_with_a_common_base_share_its_part(database: Database) -> None:
    """The same content is the same inventory; another upper layer adds a part and repeats none."""
    with database.write() as tx:
        first = save(tx, [*BASE, *UPPER])
        assert save(tx, [*BASE, *UPPER]) == first
        assert (rows_of(tx, inventory_parts), rows_of(tx, part_occurrences)) == (2, 3)
        second = save(tx, [*BASE, occurrence("django", layer="sha256:other")])
        assert second != first
        assert (rows_of(tx, inventory_parts), rows_of(tx, part_occurrences)) == (3, 4)
        # What the image says of itself is part of its inventory.
        assert save(tx, [*BASE, *UPPER], None) not in {first, second}
        assert rows_of(tx, inventory_parts) == 3


def test_the_order_of_layers_is_the_inventorys_own(database: Database) -> None:
    """The same parts the other way round are another inventory, and each keeps its order."""
    with database.write() as tx:
        first, second = save(tx, [*BASE, *UPPER]), save(tx, [*UPPER, *BASE])
        assert first != second
        assert [each for _, each in inventories.occurrences(tx, first)] == [*BASE, *UPPER]
        assert [each for _, each in inventories.occurrences(tx, second)] == [*UPPER, *BASE]


def test_many_who_save_the_same_inventory(database: Database) -> None:
    """Scans of images that share all or some of their layers, in any order, save what one after the other would."""
    start = threading.Barrier(4)
    found: list[tuple[bool, int]] = []
    failures: list[BaseException] = []
    placed = [*BASE, *UPPER]
    with database.write() as tx:
        packages.intern(tx, [each.package for each in placed])

    def work(backwards: bool) -> None:
        start.wait()
        mine = [*UPPER, *BASE] if backwards else placed
        try:
            number = database.run(lambda tx: inventories.save(tx, mine, BOOKWORM, COVERAGE, NOON))
            found.append((backwards, number))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number % 2 == 0,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(found)) == 2
    with database.read() as tx:
        assert (rows_of(tx, inventory_parts), rows_of(tx, part_occurrences)) == (2, 3)
        for backwards, number in found:
            wanted = [*UPPER, *BASE] if backwards else placed
            assert [each for _, each in inventories.occurrences(tx, number)] == wanted


def test_a_report_is_kept_once(database: Database) -> None:
    """Of the same inventory, generation and overlay there is one report, the first; any other is another."""
    with database.write() as tx:
        number = save(tx, BASE)
        keys = tuple(FindingKey(assessment, (assessment + 1, assessment + 2)) for assessment in range(250))
        first = reports.save(tx, Draft(number, 3, 0, {"CRITICAL": 1, "LOW": 249}, keys), NOON)
        again = reports.save(tx, Draft(number, 3, 0, {}, ()), later(1))
        others = [
            reports.save(tx, Draft(number, 4, 0, {}, ()), NOON),
            reports.save(tx, Draft(number, 3, 1, {}, ()), NOON),
            reports.save(tx, Draft(save(tx, UPPER), 3, 0, {}, ()), NOON),
        ]
        assert again == first
        assert len({first.id, *(each.id for each in others)}) == 4
        assert (first.counts, first.findings, first.created_at) == ({"CRITICAL": 1, "LOW": 249}, 250, NOON)
        assert list(first.counts) == ["CRITICAL", "LOW"]
        assert reports.get(tx, first.id) == first
        assert reports.get(tx, 10**9) is None
        assert reports.many(tx, [first.id, others[0].id]) == {first.id: first, others[0].id: others[0]}
        assert reports.keys(tx, first.id, 0, 250) == keys
        assert reports.keys(tx, first.id, 249, 260) == keys[249:]
        assert reports.keys(tx, first.id, 250, 260) == ()
        assert reports.keys(tx, others[0].id, 0, 100) == ()


def test_two_who_make_the_same_report(database: Database) -> None:
    """Scans that complete beside each other with one inventory get one report."""
    with database.write() as tx:
        number = save(tx, BASE)
    start = threading.Barrier(4)
    found: list[int] = []

    def make() -> None:
        start.wait()
        found.append(database.run(lambda tx: reports.save(tx, Draft(number, 1, 0, {}, ()), NOON)).id)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as tx:
        assert (len(set(found)), len(found), rows_of(tx, reports_table)) == (1, 4, 1)


def test_a_report_is_kept_for_a_while_after_it_was_left(database: Database) -> None:
    """However old it is then: somebody may be between two of its pages. One that is used again begins anew."""
    with database.write() as tx:
        report, other = (reports.save(tx, Draft(save(tx, BASE), number, 0, {}, ()), NOON) for number in (1, 2))
        number = scan(tx, image(tx, repository(tx).id).id).id
        complete(tx, number, report.id)
    day = timedelta(days=1)

    def forget(days: int) -> int:
        return database.run(lambda tx: reports.forget(tx, NOON + days * day, day))

    def name(report_id: int) -> None:
        with database.write() as tx:
            tx.execute(scans_table.update().where(scans_table.c.id == number).values(report_id=report_id))

    assert [forget(days) for days in (40, 41)] == [0, 1]
    with database.write() as tx:
        assert reports.get(tx, other.id) is None
        other = reports.save(tx, Draft(save(tx, BASE), 3, 0, {}, ()), NOON)
    name(other.id)
    assert forget(50) == 0
    name(report.id)
    assert forget(50) == 0
    name(other.id)
    # It was used in between.
    assert [forget(days) for days in (51, 52)] == [0, 1]
    with database.read() as tx:
        assert (reports.get(tx, report.id), reports.get(tx, other.id)) == (None, other)


def test_a_report_that_is_held_is_not_forgotten(database: Database) -> None:
    """One that a scan is about to name stays, however old it is; forgetting goes on with the others."""
    with database.write() as tx:
        held, other = (reports.save(tx, Draft(save(tx, BASE), number, 0, {}, ()), NOON) for number in (1, 2))
        number = scan(tx, image(tx, repository(tx).id).id).id
        assert reports.find(tx, held.inventory_id, 1) == held
        assert reports.find(tx, held.inventory_id, 3) is None
    dropped: list[int] = []
    forgetting = threading.Thread(
        target=lambda: dropped.append(database.run(lambda tx: reports.forget(tx, later(1), timedelta(0))))
    )
    with database.write() as tx:
        assert reports.hold(tx, held.inventory_id, 1) == held
        forgetting.start()
        # On SQLite it waits for this transaction, on PostgreSQL it need not.
        forgetting.join(0.5)
        complete(tx, number, held.id)
    forgetting.join()
    with database.read() as tx:
        assert (dropped, reports.get(tx, held.id), reports.get(tx, other.id)) == ([1], held, None)


def test_a_generation_comes_back_as_it_was_added(database: Database) -> None:
    """Every field is read back; the same data imported again changes what is said of its sources only."""
    made = Generation(1, "sha256:g", 2, "generations/g", 77, later(-5), ({"name": "osv", "records": 77},), NOON)
    ageless = Generation(2, "sha256:h", 2, "generations/h", 0, None, (), NOON)
    with database.write() as tx:
        generations.add(tx, made)
        generations.add(tx, ageless)
        assert generations.get(tx, 1) == made
        assert generations.get(tx, 2) == ageless
        newer = Generation(1, "sha256:g", 2, "generations/g2", 77, later(5), ({"name": "osv", "records": 78},), NOON)
        generations.refresh(tx, newer)
        assert generations.get(tx, 1) == newer
        assert generations.get(tx, 2) == ageless


def complete(tx: sa.Connection, number: int, report_id: int | None) -> None:
    found = scans.get(tx, number)
    assert found is not None
    status = ScanStatus.FAILED if report_id is None else ScanStatus.COMPLETE
    scans.move(tx, found, status, "said", now=later(5), final=True, report_id=report_id)


def test_a_scan_keeps_what_happened_to_it(database: Database) -> None:
    """When it was asked for, taken up and ended, and how: each is kept, and the first two stay after the end."""
    with database.write() as tx:
        stored = image(tx, repository(tx).id)
        asked = scan(tx, stored.id)
        assert (asked.image_id, asked.scan_type, asked.trigger) == (stored.id, ScanType.BASIC, Trigger.PUSH)
        assert (asked.status, asked.requested_at, asked.started_at) == (ScanStatus.PENDING, NOON, None)
        scans.move(tx, asked, ScanStatus.IN_PROGRESS, "going on", now=later(2), final=False)
        going = scans.get(tx, asked.id, lock=True)
        assert going is not None
        assert (going.status, going.description, going.started_at) == (ScanStatus.IN_PROGRESS, "going on", later(2))
        report = reports.save(tx, Draft(save(tx, BASE), 1, 0, {}, ()), NOON)
        complete(tx, asked.id, report.id)
        ended = scans.get(tx, asked.id)
        assert ended is not None
        assert (ended.requested_at, ended.started_at, ended.completed_at) == (NOON, later(2), later(5))
        assert (ended.status, ended.report_id) == (ScanStatus.COMPLETE, report.id)
        assert scans.get(tx, asked.id + 1) is None


def test_the_latest_scan_and_the_latest_report_are_two_things(database: Database) -> None:
    """A new scan is the latest at once; what an earlier one found speaks until a later has found something."""
    with database.write() as tx:
        one = repository(tx).id
        stored, never = image(tx, one, "scanned"), image(tx, one, "never scanned")

        def latest() -> tuple[int, int | None]:
            found = scans.of_images(tx, [stored.id, never.id], ScanType.BASIC)
            assert found.keys() == {stored.id}
            pair = found[stored.id]
            return pair.latest.id, None if pair.reported is None else pair.reported.id

        inventory = save(tx, BASE)
        first = scan(tx, stored.id)
        assert latest() == (first.id, None)
        complete(tx, first.id, reports.save(tx, Draft(inventory, 1, 0, {}, ()), NOON).id)
        assert latest() == (first.id, first.id)
        failed = scan(tx, stored.id)
        complete(tx, failed.id, None)
        assert latest() == (failed.id, first.id)
        third, fourth = scan(tx, stored.id), scan(tx, stored.id)
        report = reports.save(tx, Draft(inventory, 2, 0, {}, ()), NOON)
        complete(tx, fourth.id, report.id)
        # One that was asked for earlier and ends later does not speak over it.
        complete(tx, third.id, report.id)
        assert latest() == (fourth.id, fourth.id)
        assert scans.of_images(tx, [stored.id], ScanType.ENHANCED) == {}


def test_scans_go_with_their_image(database: Database) -> None:
    """An image that is deleted takes its scans with it, and leaves the report to who else has the inventory."""
    with database.write() as tx:
        one, two = repository(tx, "one/app").id, repository(tx, "two/app").id
        report = reports.save(tx, Draft(save(tx, BASE), 1, 0, {}, ()), NOON)
        gone, stays = image(tx, one), image(tx, two)
        asked = {each.id: scan(tx, each.id).id for each in (gone, stays)}
        for number in asked.values():
            complete(tx, number, report.id)
        images.delete(tx, gone.id)
        assert scans.get(tx, asked[gone.id]) is None
        found = scans.of_images(tx, [gone.id, stays.id], ScanType.BASIC)
        assert found.keys() == {stays.id}
        assert found[stays.id].latest.report_id == report.id
        assert reports.get(tx, report.id) == report


def test_a_report_that_a_scan_names_cannot_go(database: Database) -> None:
    """A completed scan keeps its report: deleting it is refused."""
    with database.write() as tx:
        report = reports.save(tx, Draft(save(tx, BASE), 1, 0, {}, ()), NOON)
        complete(tx, scan(tx, image(tx, repository(tx).id).id).id, report.id)
    with pytest.raises(sa.exc.IntegrityError), database.write() as tx:
        tx.execute(reports_table.delete())


def contents(tx: sa.Connection) -> tuple[int, int, int]:
    """How many inventories, parts and merges there are."""
    return rows_of(tx, inventories_table), rows_of(tx, inventory_parts), rows_of(tx, merges)


def test_inventories_that_no_report_is_of_go(database: Database) -> None:
    """Those of before, with what remembers their merges and the parts that no other has."""
    with database.write() as tx:
        generations.add(tx, Generation(1, "sha256:g", 1, "generations/g", 7, None, (), NOON))
        named, old, older = (save(tx, each) for each in ([*BASE, *UPPER], BASE, [occurrence("x", layer="sha256:x")]))
        for at, number in enumerate((named, old, old, older)):
            inventories.note_merged(tx, f"sha256:{at}", number)
        reports.save(tx, Draft(named, 1, 0, {}, ()), NOON)
        assert contents(tx) == (3, 3, 4)
        assert inventories.unnamed(tx, NOON, 0, 10) == []
        assert inventories.unnamed(tx, later(1), 0, 10) == [old, older]
        assert (inventories.unnamed(tx, later(1), 0, 1), inventories.unnamed(tx, later(1), old, 1)) == ([old], [older])
        assert inventories.drop(tx, [named]) == 0
        assert inventories.drop(tx, [named, old, older, 10**9]) == 2
        assert contents(tx) == (1, 2, 1)
        assert inventories.drop(tx, [old, older]) == inventories.drop(tx, []) == 0
        assert (inventories.hold(tx, named), inventories.hold(tx, old)) == (True, False)
        assert [each for _, each in inventories.occurrences(tx, named)] == [*BASE, *UPPER]
        assert inventories.merged(tx, "sha256:1") is None


def test_an_inventory_that_is_about_to_be_named_stays(database: Database) -> None:
    """Whoever holds it goes before whoever would drop it."""
    with database.write() as tx:
        generations.add(tx, Generation(1, "sha256:g", 1, "generations/g", 7, None, (), NOON))
        number = save(tx, [*BASE, *UPPER])
    dropped: list[int] = []
    thread = threading.Thread(target=lambda: dropped.append(database.run(lambda tx: inventories.drop(tx, [number]))))
    with database.write() as tx:
        assert inventories.hold(tx, number)
        thread.start()
        reports.save(tx, Draft(number, 1, 0, {}, ()), NOON)
    thread.join(30)
    assert dropped == [0]
    with database.read() as tx:
        assert [each for _, each in inventories.occurrences(tx, number)] == [*BASE, *UPPER]


def test_an_inventory_that_goes_at_that_moment_is_saved_anew(database: Database) -> None:
    """Whole, with all of its parts; what another has of them is not taken away."""
    with database.write() as tx:
        number = save(tx, [*BASE, *UPPER])
    saved: list[int] = []
    thread = threading.Thread(target=lambda: saved.append(database.run(lambda tx: save(tx, [*BASE, *UPPER]))))
    with database.write() as tx:
        assert inventories.drop(tx, [number]) == 1
        thread.start()
    thread.join(30)
    with database.read() as tx:
        assert saved != [number]
        assert [each for _, each in inventories.occurrences(tx, saved[0])] == [*BASE, *UPPER]
        assert contents(tx) == (1, 2, 0)


def test_two_who_drop_leave_no_part(database: Database) -> None:
    """Of inventories that share one, each sees the other's end."""
    with database.write() as tx:
        numbers = [save(tx, [*BASE, occurrence(f"p{each}", layer=f"sha256:{each}")]) for each in range(6)]
    start = threading.Barrier(3)

    def drop(mine: list[int]) -> None:
        start.wait()
        for number in mine:
            database.run(partial(inventories.drop, ids=[number]))

    threads = [threading.Thread(target=drop, args=(numbers[at::3],)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with database.read() as tx:
        assert (*contents(tx), rows_of(tx, part_occurrences)) == (0, 0, 0, 0)


def test_a_part_that_somebody_gives_up_goes(database: Database) -> None:
    """Whoever saves an inventory with it and fails is waited for."""
    with database.write() as tx:
        number = save(tx, BASE)
    thread = threading.Thread(target=lambda: database.run(lambda tx: inventories.drop(tx, [number])))

    def fail(tx: sa.Connection) -> None:
        save(tx, [*BASE, *UPPER])
        thread.start()
        raise LookupError

    with pytest.raises(LookupError):
        database.run(fail)
    thread.join(30)
    with database.read() as tx:
        assert contents(tx) == (0, 0, 0)
