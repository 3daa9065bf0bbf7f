"""Images with their scans and reports, on both engines."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from hullwise.domain.scans import ScanStatus, ScanType
from hullwise.store import configurations, descriptions, generations, images, inventories, overlays, reports, scans
from hullwise.store.clock import to_micros
from hullwise.store.engine import Database
from hullwise.store.generations import Generation
from hullwise.store.images import ImageStatus, TagStatus
from hullwise.store.reports import Draft
from tests.support.rows import NOON, image, later, repository, scan


def test_an_image_comes_with_its_latest_scan_and_its_latest_report(database: Database) -> None:
    """A scan that has not ended speaks for the image, beside the report of the one before it; another type's do not."""
    with database.write() as tx:
        one = repository(tx).id
        made = image(tx, one, size=77, subject_digest="sha256:aa")
        generations.add(tx, Generation(1, "sha256:g", 1, "generations/g", 7, later(-5), (), NOON))
        inventory = inventories.save(tx, [], None, {}, NOON)
        report = reports.save(tx, Draft(inventory, 1, 0, {"HIGH": 2}, ()), NOON)
        first = scan(tx, made.id)
        scans.move(tx, first, ScanStatus.COMPLETE, "done", now=later(1), final=True, report_id=report.id)
        scan(tx, made.id)
    with database.read() as tx:
        line = descriptions.named(tx, one, [made.digest], ScanType.BASIC)[made.digest]
        others = descriptions.named(tx, one, [made.digest, "sha256:none"], ScanType.ENHANCED)
        assert descriptions.page(tx, one, 0, 10, ScanType.BASIC) == [line]
        assert descriptions.named(tx, one + 1, [made.digest], ScanType.BASIC) == {}
    assert list(others) == [made.digest]
    basic, enhanced = descriptions.described(line), descriptions.described(others[made.digest])
    assert line[0] == basic.id == made.id
    assert (basic.digest, basic.size, basic.subject_digest) == (made.digest, 77, "sha256:aa")
    assert (basic.pushed_at, basic.last_pull_at, basic.status) == (to_micros(NOON), None, "ACTIVE")
    assert (basic.scan_status, basic.reported_status) == ("PENDING", "COMPLETE")
    assert (basic.completed_at, basic.report_id) == (to_micros(later(1)), report.id)
    assert (basic.counts, basic.suppressed) == ('{"HIGH": 2}', 0)
    assert (basic.data_as_of, basic.published_at) == (to_micros(later(-5)), to_micros(NOON))
    assert (enhanced.digest, enhanced.scan_status, enhanced.report_id) == (made.digest, None, None)


def test_a_line_changes_with_the_image(database: Database) -> None:
    """Each value that is shown is in it: what was made of it is made anew where one of them is another."""
    lines: list[str] = []

    def look(tx: sa.Connection) -> None:
        found = descriptions.named(tx, one, [made.digest], ScanType.BASIC)[made.digest]
        assert descriptions.page(tx, one, 0, 1, ScanType.BASIC, "ANY", "ANY") == [found]
        lines.append(found[1])

    with database.write() as tx:
        one = repository(tx).id
        made = image(tx, one)
        look(tx)
        images.record_pulls(tx, [(made.id, later(1))])
        look(tx)
        images.set_archived(tx, made.id, True, later(2))
        look(tx)
        images.set_archived(tx, made.id, False, later(3))
        look(tx)
        first = scan(tx, made.id)
        look(tx)
        scans.move(tx, first, ScanStatus.IN_PROGRESS, "reading", now=later(4), final=False)
        look(tx)
        generations.add(tx, Generation(1, "sha256:g", 1, "generations/g", 7, None, (), NOON))
        report = reports.save(tx, Draft(inventories.save(tx, [], None, {}, NOON), 1, 0, {}, ()), NOON)
        scans.move(tx, first, ScanStatus.COMPLETE, "done", now=later(5), final=True, report_id=report.id)
        look(tx)
    assert len(set(lines)) == len(lines) == 7


@pytest.mark.parametrize("size", [1, 2, 100])
def test_images_come_in_pages_in_the_order_of_their_pushes(database: Database, size: int) -> None:
    """Pages put together are the repository's images once each, oldest first, whatever their tags and scans."""
    with database.write() as tx:
        one = repository(tx, "one/app").id
        ids = [image(tx, one, str(number)).id for number in range(5)]
        image(tx, repository(tx, "two/app").id, "0")
        scan(tx, ids[1])
        scan(tx, ids[1])
        images.set_archived(tx, ids[4], True, later(1))
        for tag, number in (("b", ids[3]), ("a", ids[3]), ("c", ids[0])):
            images.tag(tx, one, tag, number, NOON)
    wanted: dict[tuple[TagStatus, ImageStatus], list[int]] = {
        ("ANY", "ANY"): ids,
        ("TAGGED", "ANY"): [ids[0], ids[3]],
        ("UNTAGGED", "ANY"): [ids[1], ids[2], ids[4]],
        ("ANY", "ACTIVE"): ids[:4],
        ("UNTAGGED", "ACTIVE"): [ids[1], ids[2]],
        ("ANY", "ARCHIVED"): [ids[4]],
        ("TAGGED", "ARCHIVED"): [],
    }
    for (tags, status), expected in wanted.items():
        found: list[int] = []
        with database.read() as tx:
            while page := descriptions.page(tx, one, found[-1] if found else 0, size, ScanType.BASIC, tags, status):
                assert len(page) <= size
                found += [image_id for image_id, _ in page]
        assert found == expected


def test_how_a_registry_shows_its_images(database: Database) -> None:
    """By the configuration that was put last, of this account and region; whether anything was ever suppressed."""
    with database.write() as tx:
        account = repository(tx).account
        assert descriptions.manner(tx, account, "us-east-1") == (ScanType.BASIC, False)
        for scan_type in (ScanType.BASIC, ScanType.ENHANCED):
            configurations.put(tx, account, "us-east-1", scan_type, [], NOON)
        configurations.put(tx, account, "us-west-2", ScanType.BASIC, [], NOON)
        assert descriptions.manner(tx, account, "us-east-1") == (ScanType.ENHANCED, False)
        added = overlays.add_rule(
            tx,
            account=account,
            repository="",
            vulnerability="CVE-2026-1",
            package="",
            fixable="",
            reason="no",
            author="me",
            expires_at=None,
            now=NOON,
        )
        assert descriptions.manner(tx, account, "us-west-2") == (ScanType.BASIC, True)
        overlays.revoke_rule(tx, account, added.id, NOON)
        assert descriptions.manner(tx, account, "us-west-2") == (ScanType.BASIC, True)
        assert descriptions.manner(tx, "999999999999", "us-east-1") == (ScanType.BASIC, False)
