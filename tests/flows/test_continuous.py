"""Continuous images move to what a new generation says; basic scans stay; what changed is told once."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.documents import load
from hullwise.jobs.queue import PUBLISH
from hullwise.scanning import overlay_changes, publication
from hullwise.store import generations, publications
from hullwise.store.images import Image
from hullwise.store.tables import generations as generations_table
from hullwise.store.transitions import KEPT
from tests.support.advisories import osv, write
from tests.support.continuous import begin, check_current, events, finding_names, transitions
from tests.support.images import image, layer, python_packages
from tests.support.registry import ACCOUNT, Registry
from tests.support.truth import check_matches

CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]


def active(registry: Registry, name: str = "team/app", **versions: str) -> Image:
    """An image of these packages, scanned continuously, and scanned on push besides."""
    stored = registry.push(registry.repository(name), image([layer(python_packages(**versions))], author=name))
    begin(registry, stored)
    registry.work()
    return stored


def test_a_new_advisory_reaches_a_continuous_image(registry: Registry) -> None:
    """Without a layer read again its report says what the head says; the basic scan says what it said."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    stored = active(registry, flask="1.0", jinja2="2.0")
    assert finding_names(registry.services, stored.id) == ["CVE-2024-0001"]
    done = registry.publish(osv("CVE-2024-0002", "jinja2", fixed="3.0", severity=CRITICAL))
    assert done.moved_images == 1
    assert finding_names(registry.services, stored.id) == ["CVE-2024-0002", "CVE-2024-0001"]
    assert check_current(registry.services, stored.id) == 2
    assert registry.finding_names(stored) == ["CVE-2024-0001"]
    assert transitions(registry.services, stored.id) == [("opened", "advisory", "CVE-2024-0002")]
    (event,) = events(registry.services)
    assert event == {
        "digest": stored.digest,
        "repository": "team/app",
        "generation": 2,
        "counts": {"CRITICAL": 1, "UNDEFINED": 1},
        "opened": [
            {
                "id": "CVE-2024-0002",
                "severity": "CRITICAL",
                "package": "jinja2",
                "version": "2.0",
                "fixed_version": "3.0",
                "reason": "advisory",
            }
        ],
    }


def test_images_that_are_not_concerned_stay(registry: Registry) -> None:
    """A generation that changes nothing of an image leaves its report, and says nothing of it."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    one, two = active(registry, "one/app", flask="1.0"), active(registry, "two/app", jinja2="2.0")
    done = registry.publish(
        osv("CVE-2024-0002", "jinja2"), osv("CVE-2024-0003", "mako"), osv("CVE-2024-0004", "flask", fixed="0.5")
    )
    assert done.moved_images == 1
    assert (check_current(registry.services, one.id), check_current(registry.services, two.id)) == (1, 2)
    assert [event["repository"] for event in events(registry.services)] == ["two/app"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            [osv("CVE-2024-0001", "flask")],
            [osv("CVE-2024-0001", "flask", withdrawn="2026-02-01T00:00:00Z")],
            [("closed", "withdrawn")],
            id="withdrawn",
        ),
        pytest.param(
            [osv("CVE-2024-0001", "flask")],
            [osv("CVE-2024-0001", "flask", fixed="1.0")],
            [("closed", "not-affected")],
            id="its range no longer holds the version",
        ),
        pytest.param(
            [osv("CVE-2024-0001", "flask")],
            [osv("CVE-2024-0001", "flask", fixed="2.0")],
            [("changed", "assessment")],
            id="a fix is out",
        ),
        pytest.param(
            [osv("CVE-2024-0001", "flask")],
            [osv("CVE-2024-0001", "flask", severity=CRITICAL)],
            [("changed", "assessment")],
            id="another severity",
        ),
        pytest.param(
            [osv("GHSA-aaaa-aaaa-aaaa", "flask"), osv("PYSEC-2024-1", "flask")],
            [osv("PYSEC-2024-1", "flask", aliases=["GHSA-aaaa-aaaa-aaaa"])],
            [("changed", "assessment"), ("closed", "merged")],
            id="two turn out to be one",
        ),
        pytest.param(
            [osv("GHSA-aaaa-aaaa-aaaa", "flask"), osv("PYSEC-2024-1", "flask", aliases=["GHSA-aaaa-aaaa-aaaa"])],
            [osv("PYSEC-2024-1", "flask")],
            [("changed", "assessment"), ("opened", "advisory")],
            id="one turns out to be two",
        ),
    ],
)
def test_what_changed_has_a_kind_and_a_reason(
    registry: Registry, before: list[dict[str, Any]], after: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    """Closed because withdrawn, not affected or merged; changed in severity or fix; opened by an advisory."""
    registry.publish(*before)
    stored = active(registry, flask="1.0")
    registry.publish(*after)
    assert sorted(found[:2] for found in transitions(registry.services, stored.id)) == expected
    check_current(registry.services, stored.id)
    (event,) = events(registry.services)
    told = [(kind, each["reason"]) for kind in ("changed", "closed", "opened") for each in event.get(kind, ())]
    assert told == expected


def test_a_vulnerability_in_two_versions_of_a_package(registry: Registry) -> None:
    """Two versions of one package are two findings, which open and close each for itself."""
    registry.publish(osv("CVE-2024-0009", "mako"))
    elsewhere = {f"opt/{path}": body for path, body in python_packages(flask="1.5").items()}
    two = [layer(python_packages(flask="1.0")), layer(elsewhere)]
    stored = registry.push(registry.repository(), image(two))
    begin(registry, stored)
    registry.work()
    registry.publish(osv("CVE-2024-0001", "flask"))
    registry.publish(osv("CVE-2024-0001", "flask", fixed="1.2"))
    found = [each[:2] for each in transitions(registry.services, stored.id)]
    assert found == [("opened", "advisory")] * 2 + [("changed", "assessment"), ("closed", "not-affected")]
    check_current(registry.services, stored.id)


class Died(Exception):
    pass


def test_a_move_that_dies_goes_on_and_tells_once(registry: Registry, tmp_path: Path) -> None:
    """Dying between any two inventories, the job moves the rest: each image once, each event once."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    # The same content is one inventory; these are four.
    stored = [active(registry, f"one/app{number}", flask="1.0", **{f"own{number}": "1.0"}) for number in range(4)]
    folder = write(tmp_path / "new", osv("CVE-2024-0002", "flask"))

    def fill(builder: GenerationBuilder) -> None:
        load([folder], builder)

    def die(what: str, done: int, _: int) -> None:
        if what == "inventories" and done == 2:
            raise Died

    with pytest.raises(Died):
        publication.publish(registry.services, fill, die)
    with registry.services.database.read() as tx:
        unfinished = publications.unfinished(tx)
        assert generations.head_number(tx) == 2
    assert unfinished is not None
    assert (unfinished.state, unfinished.inventories, unfinished.inventories_done, unfinished.images) == (
        "moving",
        4,
        2,
        2,
    )
    assert [job for job, _ in registry.queue.jobs] == [PUBLISH]
    registry.work()
    for each in stored:
        assert check_current(registry.services, each.id) == 2
        assert transitions(registry.services, each.id) == [("opened", "advisory", "CVE-2024-0002")]
    assert sorted(event["repository"] for event in events(registry.services)) == [
        f"one/app{number}" for number in range(4)
    ]
    with registry.services.database.read() as tx:
        done = publications.latest(tx)
    assert done is not None
    assert (done.state, done.inventories_done, done.images) == ("done", 4, 4)


def test_images_with_one_inventory_share_a_report(registry: Registry) -> None:
    """However many images hold the same packages, one report is made and all move to it."""
    registry.publish(osv("CVE-2024-0001", "mako"))
    content = [layer(python_packages(flask="1.0"))]
    stored = []
    for number in range(5):
        each = registry.push(registry.repository(f"many/app{number}"), image(content, author=str(number)))
        begin(registry, each)
        stored.append(each)
    registry.work()
    assert registry.publish(osv("CVE-2024-0002", "flask")).moved_images == 5
    assert {check_current(registry.services, each.id) for each in stored} == {2}
    assert len(events(registry.services)) == 5


def test_a_deleted_image_is_told_of_nothing(registry: Registry) -> None:
    """An image that is gone before the move has neither events nor transitions, and stops nothing."""
    from hullwise.registry import images as image_rules

    registry.publish(osv("CVE-2024-0001", "mako"))
    one, two = active(registry, "one/app", flask="1.0"), active(registry, "two/app", flask="1.0")
    repository = registry.repository("three/app")
    assert repository.id
    with registry.services.database.read() as tx:
        from hullwise.store import repositories

        where = repositories.get(tx, repository.account, repository.region, "one/app")
    registry.services.database.run(lambda tx: image_rules.delete(tx, registry.services, where, one, "tests"))
    assert registry.publish(osv("CVE-2024-0002", "flask")).moved_images == 1
    assert [event["repository"] for event in events(registry.services)] == ["two/app"]
    check_current(registry.services, two.id)


def test_transitions_are_kept_thirty_days(registry: Registry) -> None:
    """What is older goes with the next generation; what is younger stays."""
    registry.publish(osv("CVE-2024-0001", "mako"))
    stored = active(registry, flask="1.0")
    registry.publish(osv("CVE-2024-0002", "flask"))
    registry.clock.moment += KEPT - timedelta(seconds=1)
    registry.publish(osv("CVE-2024-0003", "flask"))
    assert len(transitions(registry.services, stored.id)) == 2
    registry.clock.moment += timedelta(seconds=2)
    registry.publish(osv("CVE-2024-0004", "mako"))
    assert [name for _, _, name in transitions(registry.services, stored.id)] == ["CVE-2024-0003"]


def test_files_of_old_generations_go(tmp_path: Path, database_url: str) -> None:
    """As many as the settings say stay beside the head's; what is known of the others stays, and reports are read."""
    from tests.support import registry as support

    with support.registry(tmp_path, database_url, generations_kept=1) as found:
        found.publish(osv("CVE-2024-0001", "flask"))
        stored = active(found, flask="1.0")
        # The third says again what the first said: one file for two generations.
        found.publish(osv("CVE-2024-0001", "flask"), osv("CVE-2024-0002", "flask"))
        found.publish(osv("CVE-2024-0002", "flask", withdrawn="2026-01-01T00:00:00Z"))
        with found.services.database.read() as tx:
            keys = dict(tx.execute(sa.select(generations_table.c.number, generations_table.c.object_key)).all())
        assert (keys[1], bool(keys[2]), bool(keys[3])) == ("", True, True)
        assert check_matches(found.services) == 3
        check_current(found.services, stored.id)
        assert found.finding_names(stored) == ["CVE-2024-0001"]
        assert len(list((tmp_path / "data" / "blobs" / "generations").iterdir())) == 2
        found.publish(osv("CVE-2024-0003", "flask"))
        with found.services.database.read() as tx:
            kept = [row.number for row in generations.with_files(tx, 100)]
        assert kept == [3, 4]


def test_a_generation_dates_from_when_the_head_moved_to_it(registry: Registry, tmp_path: Path) -> None:
    """However long its packages took to match: until then readers used the one before."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    active(registry, flask="1.0")
    begun = registry.clock()
    folder = write(tmp_path / "second", osv("CVE-2024-0002", "flask"))

    def slow(phase: str, done: int, total: int) -> None:
        if (phase, done) == ("names", 0):
            registry.clock.advance(hours=3)

    def fill(builder: GenerationBuilder) -> None:
        load([folder], builder)

    publication.publish(registry.services, fill, progress=slow)
    with registry.services.database.read() as tx:
        dated = generations.get(tx, 2)
        assert dated is not None
        assert dated.published_at == begun + timedelta(hours=3)
        assert generations.head_at(tx, begun + timedelta(hours=2)) == 1


def test_counts_of_an_event_are_those_of_the_answer(registry: Registry) -> None:
    """What the account suppresses in an image is not counted; what opened is told all the same."""
    services = registry.services
    registry.publish(osv("CVE-2024-0009", "mako"))
    one, two = active(registry, "team/app", flask="1.0"), active(registry, "team/two", flask="1.0")
    rule = {"repository": "team/app", "vulnerability": "CVE-2024-0001", "reason": "not reachable", "author": "Ada"}
    services.database.run(lambda tx: overlay_changes.add_rule(tx, services, ACCOUNT, **rule))  # type: ignore[arg-type]
    registry.publish(osv("CVE-2024-0001", "flask", severity=CRITICAL), osv("CVE-2024-0002", "flask"))
    told = {event["digest"]: event for event in events(services)}
    assert told[one.digest]["counts"] == {"UNDEFINED": 1}
    assert told[two.digest]["counts"] == {"CRITICAL": 1, "UNDEFINED": 1}
    assert [each["id"] for each in told[one.digest]["opened"]] == ["CVE-2024-0001", "CVE-2024-0002"]


def test_what_nobody_needs_goes(registry: Registry) -> None:
    """Reports that continuous images have left go after a day, ended matches and events after a month; what a scan
    stands for stays, and every verdict with it."""
    from hullwise.store.tables import events as events_table
    from hullwise.store.tables import matches, reports

    def count(table: sa.Table) -> int:
        query = sa.select(sa.func.count()).select_from(table)
        if table is events_table:
            query = query.where(events_table.c.kind == "Hullwise Findings Changed")
        with registry.services.database.read() as tx:
            return int(tx.execute(query).scalar_one())

    registry.publish(osv("CVE-2024-0001", "flask"))
    stored = active(registry, flask="1.0")
    registry.publish(osv("CVE-2024-0001", "flask", fixed="0.1"), osv("CVE-2024-0002", "flask"))
    # The report of the basic scan is that of the continuous one before it moved.
    assert (count(reports), count(matches), count(events_table)) == (2, 2, 1)
    registry.publish(osv("CVE-2024-0003", "flask"))
    assert count(reports) == 3
    registry.clock.advance(days=2)
    registry.publish(osv("CVE-2024-0004", "mako"))
    assert (count(reports), count(matches), count(events_table)) == (2, 3, 2)
    registry.clock.advance(days=31)
    registry.publish(osv("CVE-2024-0005", "mako"))
    assert (count(reports), count(matches), count(events_table)) == (2, 2, 0)
    assert finding_names(registry.services, stored.id) == ["CVE-2024-0002", "CVE-2024-0003"]
    assert registry.finding_names(stored) == ["CVE-2024-0001"]
    check_matches(registry.services)


def test_what_the_distribution_decides_is_no_finding_of_the_image(registry: Registry) -> None:
    """A Python package of Alpine's: upstream's word stands until Alpine speaks of the same, and is no news then."""
    metadata = b"Metadata-Version: 2.1\nName: Mako\nVersion: 1.0\n"
    site = "usr/lib/python3.12/site-packages/Mako-1.0.dist-info"
    checksum = base64.b64encode(hashlib.sha1(metadata, usedforsecurity=False).digest()).decode()
    installed = f"P:py3-mako\nV:1.0-r1\nA:noarch\no:py3-mako\nF:{site}\nR:METADATA\nZ:Q1{checksum}\n"
    files = {
        "etc/os-release": b"ID=alpine\nVERSION_ID=3.20.1\n",
        "lib/apk/db/installed": installed.encode(),
        f"{site}/METADATA": metadata,
    }
    registry.publish(osv("GHSA-aaaa-aaaa-aaaa", "mako", fixed="2.0", aliases=["CVE-2024-0001"]))
    stored = registry.push(registry.repository("team/app"), image([layer(files)]))
    begin(registry, stored)
    registry.work()
    assert finding_names(registry.services, stored.id) == ["CVE-2024-0001"]
    registry.publish(osv("CVE-2024-0001", "py3-mako", fixed="1.0-r1", ecosystem="Alpine:v3.20"))
    assert [each[:2] for each in transitions(registry.services, stored.id)] == [("closed", "not-affected")]
    registry.publish(osv("GHSA-aaaa-aaaa-aaaa", "mako", fixed="3.0", aliases=["CVE-2024-0001"]))
    assert [each[:2] for each in transitions(registry.services, stored.id)] == [("closed", "not-affected")]
    assert [event["generation"] for event in events(registry.services)] == [2]
