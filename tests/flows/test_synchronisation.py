"""Feeds brought in: the first time whole, then what changed; one that fails keeps its last good data."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import sqlalchemy as sa

from hullwise import app
from hullwise.advisories import building
from hullwise.advisories.building import BuildFailed
from hullwise.jobs.queue import PUBLISH, SYNC
from hullwise.scanning import synchronisation
from hullwise.scanning.synchronisation import Taken
from hullwise.store import enrichment, generations
from hullwise.store import feeds as feed_store
from hullwise.store.feeds import FeedState
from hullwise.store.tables import generations as generations_table
from hullwise.store.tables import syncs
from tests.support import registry as support
from tests.support.advisories import osv, write
from tests.support.feeds import ADDRESSES, PRIVATE, Feeds, builds, encoded, remote, zipped
from tests.support.images import image, layer, python_packages
from tests.support.registry import START, Registry
from tests.support.truth import check_matches

EXPAT = {"expat": {"2.6.3-r0": ["CVE-2024-45490"]}}
ARCHIVE = "/vex/csaf_vex_2025-12-01.tar.zst"
HTML = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"
KEV = [f"CVE-2025-{number}" for number in range(1000, 1060)]


def record(record_id: str, package: str, modified: str = "2025-11-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    return osv(record_id, package, modified=modified, **more)


def tracker(*issues: str) -> dict[str, Any]:
    return {"expat": {issue: {"releases": {"bookworm": {"status": "open", "urgency": "low"}}} for issue in issues}}


def publish_all(feeds: Feeds) -> None:
    """Something small in each feed: 3 records of OSV, 1 of Debian, 3 of secdbs, 5 of rpm distributions, 1 of NVD, and
    what stands beside."""
    feeds.osv("PyPI", record("PYSEC-2025-1", "flask", fixed="2.0"), record("PYSEC-2025-2", "jinja2", fixed="1.0"))
    feeds.osv("npm", record("GHSA-2222-2222-2222", "ws", ecosystem="npm"))
    feeds.debian(tracker("CVE-2024-45491"))
    feeds.alpine("v3.19", "main", EXPAT)
    feeds.alpine("edge", "main", {})
    feeds.alpine("edge", "community", {})
    feeds.wolfi(EXPAT)
    feeds.chainguard(EXPAT)
    feeds.redhat("2025-11-20T10:00:00+00:00", {"CVE-2024-45490": "2.5.0-3.el9"})
    feeds.redhat_archive("2025-12-01")
    feeds.amazon("2", {"2025-1000": "2.1.0-15.amzn2"})
    feeds.amazon("2023", {"2025-1001": "2.6.3-1.amzn2023"})
    feeds.oracle({"2025-1000": "2.5.0-3.el9"})
    feeds.photon("5.0", {"CVE-2024-45490": "2.6.3-1.ph5"})
    feeds.nodejs(CVE_2024_22019="20.11.1")
    for year in range(2002, 2026):
        feeds.nvd(year)
    feeds.nvd(2025, CVE_2025_1000="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")
    feeds.kev(*KEV)
    feeds.epss({"CVE-2025-1000": ("0.5", "0.9"), "CVE-2025-1001": ("0.25", "0.75")})
    feeds.endoflife("debian", _12="2026-06-10", _11="2024-08-14")


@pytest.fixture
def feeds() -> Iterator[Feeds]:
    with Feeds() as found:
        publish_all(found)
        yield found


@contextmanager
def opened(folder: Path, database_url: str, published: Feeds, /, **settings: Any) -> Iterator[Registry]:
    chosen = {"feed_addresses": published.addresses, "outbound_private": PRIVATE, **settings}
    with support.registry(folder, database_url, **chosen) as found:
        yield found


@pytest.fixture
def synced(tmp_path: Path, database_url: str, feeds: Feeds) -> Iterator[Registry]:
    """A registry that has taken every feed once."""
    with opened(tmp_path, database_url, feeds) as found:
        taken = sync(found)
        assert (taken.failures, taken.published is not None) == ({}, True)
        feeds.forget()
        found.clock.advance(hours=1)
        yield found


def sync(registry: Registry, *names: str) -> Taken:
    with remote(registry.services.settings) as asker:
        return synchronisation.sync(registry.services, asker, names)


def states(registry: Registry) -> dict[str, FeedState]:
    with registry.services.database.read() as tx:
        return feed_store.states(tx)


def head(registry: Registry) -> int:
    with registry.services.database.read() as tx:
        return generations.head_number(tx)


def records(registry: Registry) -> dict[str, int]:
    """How many records the head has, by source."""
    with registry.services.database.read() as tx:
        row = generations.get(tx, generations.head_number(tx))
    assert row is not None
    return {source["name"]: source["records"] for source in row.sources if source["records"]}


ALL = {
    "osv": 3, "debian-tracker": 1, "alpine-secdb/v3.19/main": 1, "wolfi-secdb": 1, "chainguard-secdb": 1, "nvd": 1,
    "amazon-updateinfo/2": 1, "amazon-updateinfo/2023": 1, "oracle-oval": 1, "photon/5.0": 1,
    "nodejs": 1,
    "redhat": 1,
}  # fmt: skip


def beside(registry: Registry) -> tuple[dict[str, int], dict[str, str]]:
    """Rows and age of each part of what stands beside the advisories."""
    with registry.services.database.read() as tx:
        return enrichment.counts(tx), enrichment.dates(tx)


def test_the_first_sync_brings_everything(tmp_path: Path, database_url: str, feeds: Feeds) -> None:
    """Every feed is loaded whole, each is told with what came of it, and all of them are known as good."""
    with opened(tmp_path, database_url, feeds) as registry:
        taken = sync(registry)
        assert taken.failures == {}
        # PyPI 2 and npm 1; NVD 24 files; secdb 3 files, of which two are empty.
        assert {each.feed: (each.documents, each.taken) for each in taken.outcomes} == {
            "osv": (3, 3), "debian": (1, 1), "alpine": (3, 1), "wolfi": (1, 1), "chainguard": (1, 1), "nvd": (24, 1),
            "redhat": (1, 1), "amazon": (2, 2), "oracle": (1, 1), "photon": (1, 1), "nodejs": (1, 1), "kev": (1, 60),
            "epss": (1, 2), "endoflife": (1, 2),
        }  # fmt: skip
        assert records(registry) == ALL
        counts, dates = beside(registry)
        assert counts == {"scores": 2, "exploited": 60, "lifecycles": 2}
        assert (dates["scores"], dates["exploited"]) == ("2025-12-20T12:55:00Z", "2025-12-20T12:00:00Z")
        # endoflife.date says no day: that of its file counts.
        assert dates["lifecycles"].startswith("2025-12-01T")
        found = states(registry)
        assert {(state.succeeded_at, state.failed_at, state.failure) for state in found.values()} == {(START, None, "")}
        assert list(found) == sorted(ADDRESSES)
        assert json.loads(found["osv"].cursor) == {"PyPI": "2025-11-01T00:00:00", "npm": "2025-11-01T00:00:00"}


def test_a_sync_of_nothing_new_does_nothing(synced: Registry, feeds: Feeds) -> None:
    """The second time every file is asked for with what is known of it, nothing is sent, built, published or queued."""
    with synced.services.database.read() as tx:
        before = tx.execute(sa.select(generations_table)).all()
    synced.queue.jobs.clear()
    taken = sync(synced)
    assert (taken.published, taken.outcomes, taken.failures) == (None, (), {})
    # The names of OSV's ecosystems, and those of Amazon's repositories and of what they hold, are a few hundred bytes.
    assert {PurePosixPath(path).name for path in feeds.sent} == {"ecosystems.txt", "mirror.list", "repomd.xml"}
    assert feeds.asked["/osv/PyPI/all.zip"] == 0
    with synced.services.database.read() as tx:
        assert tx.execute(sa.select(generations_table)).all() == before
    assert synced.queue.jobs == []
    assert {state.succeeded_at for state in states(synced).values()} == {START + timedelta(hours=1)}


def test_one_record_that_changed_is_all_that_moves(synced: Registry, feeds: Feeds) -> None:
    """It is the one that is fetched, and the package that it is about the one that is matched again."""
    content = image([layer(python_packages(flask="1.0", jinja2="2.0"))])
    stored = synced.push(synced.repository(), content)
    synced.work()
    assert synced.finding_names(stored) == ["PYSEC-2025-1"]
    feeds.osv("PyPI", record("PYSEC-2025-2", "jinja2", "2025-11-20T00:00:00Z", fixed="3.0"))
    taken = sync(synced)
    assert {path: count for path, count in feeds.sent.items() if path.startswith("/osv")} == {
        "/osv/ecosystems.txt": 1, "/osv/PyPI/modified_id.csv": 1, "/osv/PyPI/PYSEC-2025-2.json": 1,
    }  # fmt: skip
    assert taken.published is not None
    assert (taken.published.number, taken.published.new) == (2, True)
    assert (taken.published.changed_names, taken.published.matched_packages) == (1, 1)
    assert [(each.feed, each.taken) for each in taken.outcomes] == [("osv", 1)]
    assert check_matches(synced.services) == 2
    again = synced.push(synced.repository("team/new"), content)
    synced.work()
    assert sorted(synced.finding_names(again)) == ["PYSEC-2025-1", "PYSEC-2025-2"]


def test_a_record_goes_when_it_is_withdrawn_or_listed_no_more(synced: Registry, feeds: Feeds) -> None:
    """One that says that it is withdrawn goes, and so does one that is not in its ecosystem's list any more."""
    withdrawn = record("PYSEC-2025-1", "flask", "2025-11-20T00:00:00Z", withdrawn="2025-11-20T00:00:00Z")
    feeds.osv("PyPI", withdrawn, drop=("PYSEC-2025-2",))
    taken = sync(synced)
    assert [(each.feed, each.taken, each.removed) for each in taken.outcomes] == [("osv", 0, 2)]
    assert records(synced) == {**ALL, "osv": 1}
    assert check_matches(synced.services) == 2
    feeds.forget()
    assert sync(synced).published is None
    assert feeds.asked["/osv/PyPI/PYSEC-2025-1.json"] == 0


def test_a_list_that_changed_and_brings_nothing_is_done_with(synced: Registry, feeds: Feeds) -> None:
    """A record of no use that is new or goes changes no data, is no failure, and is not looked at again."""
    feeds.osv("PyPI", osv("MAL-1", "x", ecosystem="Unheard", modified="2025-11-20T00:00:00Z"))
    for change in ({}, {"drop": ("MAL-1",)}):
        feeds.osv("PyPI", **change)
        taken = sync(synced)
        assert (taken.published, taken.failures, [each.failure for each in taken.outcomes]) == (None, {}, [""])
    assert (head(synced), records(synced)) == (1, ALL)
    assert sync(synced).outcomes == ()


def test_of_red_hat_what_changed_moves_and_what_is_deleted_goes(synced: Registry, feeds: Feeds) -> None:
    """The documents that changed are fetched, those that are deleted are gone, and the rest is as it was."""
    feeds.redhat("2025-12-10T00:00:00+00:00", {"CVE-2025-1001": "2.5.0-4.el9", "CVE-2025-1002": ""})
    taken = sync(synced)
    assert taken.failures == {}
    assert [(each.feed, each.documents, each.taken) for each in taken.outcomes] == [("redhat", 2, 1)]
    assert records(synced) == {**ALL, "redhat": 2}
    feeds.forget()
    feeds.redhat("2025-12-11T00:00:00+00:00", {}, gone=("CVE-2024-45490", "CVE-2025-1002"))
    taken = sync(synced)
    assert (taken.failures, [(each.taken, each.removed) for each in taken.outcomes]) == ({}, [(0, 1)])
    assert records(synced) == ALL
    assert not any(path.endswith(".json") and path.startswith("/vex") for path in feeds.asked)
    assert check_matches(synced.services) == 3
    assert json.loads(states(synced)["redhat"].cursor) == {"vex": "2025-12-10T00:00:00"}
    assert sync(synced).outcomes == ()


def test_what_was_deleted_since_the_archive_is_not_there(tmp_path: Path, database_url: str, feeds: Feeds) -> None:
    feeds.redhat("2025-12-10T00:00:00+00:00", {}, gone=("CVE-2024-45490",))
    feeds.redhat("2025-12-10T00:00:00+00:00", {"CVE-2025-1001": "2.5.0-4.el9"})
    with opened(tmp_path, database_url, feeds, feeds=("redhat",)) as registry:
        assert sync(registry).failures == {}
        assert records(registry) == {}
        assert sync(registry).failures == {}
        assert records(registry) == {"redhat": 1}
        assert sync(registry).outcomes == ()


@pytest.mark.parametrize("cut", [False, True])
def test_an_archive_that_is_broken_is_fetched_again(tmp_path: Path, database_url: str, feeds: Feeds, cut: bool) -> None:
    """Of half an archive, or of a page in its place, nothing is taken or remembered."""
    whole = feeds.documents[ARCHIVE].body
    feeds.put(ARCHIVE, whole[: len(whole) // 2] if cut else HTML)
    with opened(tmp_path, database_url, feeds, feeds=("redhat",)) as registry:
        assert list(sync(registry).failures) == ["redhat"]
        assert head(registry) == 0
        feeds.put(ARCHIVE, whole)
        assert sync(registry).failures == {}
        assert records(registry) == {"redhat": 1}


def test_a_document_of_red_hat_that_is_late(synced: Registry, feeds: Feeds) -> None:
    """One that is listed before it is there fails the feed while nothing else comes, and is taken once it is there."""
    feeds.redhat("2025-12-10T00:00:00+00:00", {"CVE-2025-1001": "2.5.0-4.el9"})
    late = feeds.documents.pop("/vex/2025/cve-2025-1001.json")
    assert sync(synced).failures == {"redhat": "nothing of it can be read: CVE-2025-1001: is listed and not there"}
    assert records(synced) == ALL
    feeds.documents["/vex/2025/cve-2025-1001.json"] = late
    assert sync(synced).failures == {}
    assert records(synced) == {**ALL, "redhat": 2}


def breaks(feeds: Feeds) -> dict[str, str]:
    """Break every feed but one, each in another way. Returns a part of the reason for each."""
    feeds.failing["/osv/npm/modified_id.csv"] = 500
    feeds.put(ADDRESSES["debian"], HTML)
    feeds.put("/secdb/v3.19/main.json", feeds.documents["/secdb/v3.19/main.json"].body[:-9])
    feeds.wolfi({})
    feeds.cuts[ADDRESSES["chainguard"]] = [40] * 9
    feeds.chainguard({**EXPAT, "zlib": {"1.3-r1": ["CVE-2024-1"]}})
    feeds.put(f"{ADDRESSES['nvd']}/nvdcve-2.0-2025.json.gz", b"\x1f\x8b\x08\x00no deflate stream")
    feeds.kev(*KEV[:40])
    feeds.put(ADDRESSES["epss"], b"[]")
    return {
        "osv": "answered 500",
        "debian": "tracker.json: is a page of HTML",
        "alpine": "v3.19-main.json: ",
        "wolfi": "it names nothing: wolfi.json",
        "chainguard": "ended after 160 of ",
        "nvd": "nvdcve-2.0-2025.json.gz: ",
        "kev": "kev would shrink from 60 to 40 records",
        "epss": "it names nothing: epss.csv.gz",
    }


def test_feeds_that_fail_keep_what_they_had(synced: Registry, feeds: Feeds) -> None:
    """Eight feeds break in eight ways: their data stays, the ninth is taken, and each state says when and why. What was
    not taken is asked for whole the next time; a good answer clears the state."""
    good = dict(feeds.documents)
    expected = breaks(feeds)
    feeds.endoflife("debian", _12="2026-06-10", _11="2024-08-14", _10="2022-09-10")
    counts, dates = beside(synced)
    taken = sync(synced)
    assert taken.failures.keys() == expected.keys()
    assert {feed: why for feed, why in taken.failures.items() if expected[feed] not in why} == {}
    assert records(synced) == ALL
    after, later = beside(synced)
    assert after == {**counts, "lifecycles": 3}
    assert (later["scores"], later["exploited"]) == (dates["scores"], dates["exploited"])
    found = states(synced)
    at = START + timedelta(hours=1)
    assert {feed: state.failure for feed, state in found.items() if state.failure} == taken.failures
    assert {(found[feed].succeeded_at, found[feed].failed_at) for feed in expected} == {(START, at)}
    assert (found["endoflife"].succeeded_at, found["endoflife"].failed_at) == (at, None)
    # Still broken: the same again, and nothing of it was remembered.
    feeds.forget()
    feeds.cuts[ADDRESSES["chainguard"]] = [0] * 9
    assert sync(synced).failures.keys() == expected.keys()
    assert feeds.sent[ADDRESSES["debian"]] == feeds.sent[ADDRESSES["kev"]] == feeds.sent[ADDRESSES["epss"]] == 1
    # What the other parts of a feed brought is remembered.
    assert feeds.sent[f"{ADDRESSES['nvd']}/nvdcve-2.0-2024.json.gz"] == 0
    # All is well again, with what they had before, which the server has not sent again.
    feeds.failing.clear()
    feeds.cuts.clear()
    feeds.forget()
    feeds.documents.update({path: document for path, document in good.items() if not path.startswith("/api")})
    synced.clock.advance(hours=1)
    taken = sync(synced)
    assert (taken.failures, records(synced), beside(synced)[0]) == ({}, ALL, after)
    assert {(state.failure, state.succeeded_at) for state in states(synced).values()} == {("", at + timedelta(hours=1))}
    assert {PurePosixPath(path).name for path in feeds.sent} == {"ecosystems.txt", "mirror.list", "repomd.xml"}


def test_a_feed_that_works_again_brings_what_is_new(synced: Registry, feeds: Feeds) -> None:
    """After a failure the next good answer is taken, though the broken one came from the same address."""
    feeds.put(ADDRESSES["debian"], encoded(tracker("CVE-2024-45491", "CVE-2025-1"))[:-1])
    assert list(sync(synced).failures) == ["debian"]
    feeds.debian(tracker("CVE-2024-45491", "CVE-2025-1"))
    assert sync(synced).failures == {}
    assert records(synced) == {**ALL, "debian-tracker": 2}
    assert states(synced)["debian"].failure == ""


@pytest.mark.parametrize("year", [1, 1900, 2040, 9999])
def test_a_file_may_claim_any_age(synced: Registry, feeds: Feeds, year: int) -> None:
    """A Last-Modified of any year is no reason to fail; the data is never newer than the moment of its import."""
    issues = encoded(tracker("CVE-2024-45491", "CVE-2025-1000"))
    feeds.put(ADDRESSES["debian"], issues, modified=datetime(year, 1, 2, tzinfo=UTC))
    assert sync(synced).failures == {}
    with synced.services.database.read() as tx:
        row = generations.get(tx, 2)
    assert row is not None
    ages = {source["name"]: source["as_of"] for source in row.sources}
    assert ages["debian-tracker"] <= "2026-01-01T01:00:00Z"


def test_a_download_goes_on_in_the_next_sync(synced: Registry, feeds: Feeds) -> None:
    """What came before the line broke for good is not sent again."""
    feeds.debian(tracker(*(f"CVE-2025-{number}" for number in range(1000, 1020))))
    whole = len(feeds.documents[ADDRESSES["debian"]].body)
    feeds.cuts[ADDRESSES["debian"]] = [100, 100, 100, 100]
    assert "ended after 400 of" in sync(synced).failures["debian"]
    feeds.forget()
    assert sync(synced).failures == {}
    assert feeds.ranges == [(ADDRESSES["debian"], "bytes=400-")]
    assert whole > 400
    assert records(synced) == {**ALL, "debian-tracker": 20}


def test_one_part_of_a_feed_fails_alone(synced: Registry, feeds: Feeds) -> None:
    """A broken zip of one ecosystem leaves that one as it was; another's records are taken, and not fetched again."""
    many = [record(f"PYSEC-2025-{number}", "flask", "2025-11-20T00:00:00Z") for number in range(10, 1_020)]
    feeds.osv("PyPI", *many)
    whole = feeds.documents["/osv/PyPI/all.zip"].body
    feeds.put("/osv/PyPI/all.zip", zipped({"PYSEC-2025-10.json": HTML, "../../../evil.json": HTML}))
    feeds.osv("npm", record("GHSA-3333-3333-3333", "ws", "2025-11-20T00:00:00Z", ecosystem="npm"))
    taken = sync(synced)
    assert list(taken.failures) == ["osv"]
    assert [(each.taken, bool(each.failure)) for each in taken.outcomes] == [(1, True)]
    assert records(synced) == {**ALL, "osv": 4}
    feeds.put("/osv/PyPI/all.zip", whole)
    feeds.forget()
    assert sync(synced).failures == {}
    assert records(synced) == {**ALL, "osv": 1_014}
    assert (feeds.sent["/osv/PyPI/all.zip"], feeds.asked["/osv/npm/GHSA-3333-3333-3333.json"]) == (1, 0)


@contextmanager
def killing(name: str) -> Iterator[None]:
    """Kill each build that reads the document, as the system does that has no memory left."""
    done = threading.Event()

    def kill() -> None:
        while not done.wait(0.001):
            for pid in builds():
                with suppress(OSError):
                    if any(Path(file.readlink()).name == name for file in Path(f"/proc/{pid}/fd").iterdir()):
                        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_document_that_ends_the_build_costs_its_own_feed(synced: Registry, feeds: Feeds) -> None:
    """Where the build dies of one feed's document, the others are built without it."""
    feeds.debian(tracker(*(f"CVE-2025-{number}" for number in range(1000, 7000))))
    feeds.wolfi({**EXPAT, "zlib": {"1.3-r1": ["CVE-2023-45853"]}})
    with killing("tracker.json"):
        taken = sync(synced, "debian", "wolfi")
    assert taken.failures == {"debian": "the process that read the documents was ended by SIGKILL"}
    assert records(synced) == {**ALL, "wolfi-secdb": 2}
    assert taken.published is not None
    assert (taken.published.number, taken.published.new) == (2, True)
    assert sync(synced, "debian").failures == {}
    assert records(synced) == {**ALL, "debian-tracker": 6_000, "wolfi-secdb": 2}


def test_a_build_that_fails_leaves_the_head(synced: Registry, tmp_path: Path) -> None:
    """No generation, no half of one, no enrichment and no job: all is as it was."""
    before = beside(synced)
    synced.queue.jobs.clear()
    with pytest.raises(BuildFailed):
        synchronisation.take(synced.services, building.steps([tmp_path / "nowhere.json"]))
    assert (head(synced), records(synced), beside(synced), synced.queue.jobs) == (1, ALL, before, [])
    assert list(synced.services.generation_folder.glob("building-*")) == []
    folder = write(tmp_path / "next", osv("PYSEC-9", "flask"))
    taken = synchronisation.take(synced.services, building.steps([folder]))
    assert taken.published is not None
    assert (head(synced), [job for job, _ in synced.queue.jobs]) == (2, [PUBLISH])


def test_nothing_is_asked_where_that_is_turned_off(tmp_path: Path, database_url: str, feeds: Feeds) -> None:
    """Each feed fails with that reason, no request is made, and what was there stays."""
    with opened(tmp_path, database_url, feeds, outbound=False) as registry:
        registry.publish(osv("PYSEC-1", "flask"))
        taken = sync(registry)
        assert taken.published is None
        assert taken.failures.keys() == ADDRESSES.keys()
        assert all("outbound requests are turned off" in why for why in taken.failures.values())
        assert (feeds.asked.total(), records(registry)) == (0, {"osv": 1})
        assert {(state.succeeded_at, state.failed_at) for state in states(registry).values()} == {(None, START)}


def test_only_the_named_feeds_are_asked(tmp_path: Path, database_url: str, feeds: Feeds) -> None:
    """Those of the settings, or those that somebody names; one that is named twice is asked once."""
    with opened(tmp_path, database_url, feeds, feeds=("wolfi", "kev")) as registry:
        sync(registry)
        assert dict(feeds.asked) == {ADDRESSES["wolfi"]: 1, ADDRESSES["kev"]: 1}
        feeds.forget()
        sync(registry, "debian", "debian")
        assert dict(feeds.asked) == {ADDRESSES["debian"]: 1}


def test_what_came_another_way_makes_feeds_whole_again(synced: Registry, feeds: Feeds) -> None:
    """After `forget` everything is asked for as the first time."""
    synced.services.database.run(feed_store.forget)
    assert sync(synced).failures == {}
    assert feeds.sent["/osv/PyPI/all.zip"] == feeds.sent[ADDRESSES["kev"]] == 1
    assert records(synced) == ALL


@contextmanager
def written(registry: Registry) -> Iterator[Counter[tuple[str, str]]]:
    """How many rows the block deletes and inserts, by (what, table)."""
    rows = Counter[tuple[str, str]]()

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        compiled = context.compiled
        if compiled is not None and (context.isinsert or context.isdelete):
            what = "insert" if context.isinsert else "delete"
            rows[what, compiled.statement.table.name.removeprefix("hw_")] += cursor.rowcount

    engine = registry.services.database.engine
    sa.event.listen(engine, "after_cursor_execute", note)
    try:
        yield rows
    finally:
        sa.event.remove(engine, "after_cursor_execute", note)


def test_what_stands_beside_is_replaced_by_what_differs(synced: Registry, feeds: Feeds) -> None:
    """Afterwards the rows are the new ones, and only what differs was written."""
    feeds.epss({"CVE-2025-1000": ("0.5", "0.9"), "CVE-2025-1002": ("0.1", "0.2")}, day="2025-12-21")
    feeds.kev(*KEV[1:], "CVE-2025-2000", released="2025-12-21T00:00:00Z")
    feeds.endoflife("debian", _12="2028-06-30", _11="2024-08-14")
    feeds.endoflife("ubuntu", _24_04="2029-04-30")
    with written(synced) as rows:
        taken = sync(synced)
    beside_them = {"exploit_scores", "known_exploited", "lifecycles"}
    assert {key: count for key, count in rows.items() if key[1] in beside_them} == {
        ("delete", "exploit_scores"): 1, ("insert", "exploit_scores"): 1,
        ("delete", "known_exploited"): 1, ("insert", "known_exploited"): 1,
        ("delete", "lifecycles"): 1, ("insert", "lifecycles"): 2,
    }  # fmt: skip
    # No verdict changed: the generation is the same.
    assert taken.published is not None
    assert (taken.published.number, taken.published.new, head(synced)) == (1, False, 1)
    with synced.services.database.read() as tx:
        scores, exploited, ends = enrichment.all_of(tx)
        dates = enrichment.dates(tx)
    assert [(each.cve, each.score) for each in scores] == [("CVE-2025-1000", 0.5), ("CVE-2025-1002", 0.1)]
    assert [each.cve for each in exploited] == [*KEV[1:], "CVE-2025-2000"]
    assert [(each.distribution, each.release, each.ends) for each in ends] == [
        ("debian", "11", "2024-08-14"), ("debian", "12", "2028-06-30"), ("ubuntu", "24.04", "2029-04-30"),
    ]  # fmt: skip
    assert (dates["scores"], dates["exploited"]) == ("2025-12-21T12:55:00Z", "2025-12-21T00:00:00Z")


def test_lifecycles_are_as_new_as_the_newest_of_them(synced: Registry, feeds: Feeds) -> None:
    """A product that came later with an older file does not make all of them older."""
    counts, dates = beside(synced)
    older = encoded([{"cycle": "24.04", "eol": "2029-04-30"}])
    feeds.put("/api/ubuntu.json", older, modified=START - timedelta(days=90))
    assert sync(synced).failures == {}
    assert beside(synced) == ({**counts, "lifecycles": 3}, dates)


# When it is time for one


def requested(registry: Registry) -> list[int]:
    """Jobs of syncs that were queued."""
    return [row for job, row in registry.queue.jobs if job == SYNC]


def together(registry: Registry, workers: int = 6) -> None:
    """So many workers ask at the same moment whether it is time for a sync."""
    barrier = threading.Barrier(workers)
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            barrier.wait(60)
            synchronisation.request_due(registry.services)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert failures == []


def test_a_sync_is_due_once(tmp_path: Path, database_url: str) -> None:
    """However many workers ask at the same moment one is queued; the next after the minutes have passed, not before,
    and not while one goes on, unless it has gone on for so long that it is lost."""
    with support.registry(tmp_path, database_url, sync_minutes=60) as registry:
        together(registry)
        assert requested(registry) == [1]
        registry.services.database.run(lambda tx: feed_store.end_sync(tx, 1, "{}", registry.clock()))
        registry.clock.advance(minutes=60, microseconds=-1)
        together(registry)
        assert requested(registry) == [1]
        registry.clock.advance(microseconds=1)
        together(registry)
        assert requested(registry) == [1, 2]
        registry.clock.advance(hours=5)
        together(registry)
        assert requested(registry) == [1, 2]
        registry.clock.advance(hours=1)
        together(registry)
        assert requested(registry) == [1, 2, 3]


@pytest.mark.parametrize("ends", [True, False])
def test_a_clock_that_was_ahead_holds_up_no_sync(tmp_path: Path, database_url: str, ends: bool) -> None:
    """Whether the one that was asked for then came to its end or not."""
    with support.registry(tmp_path, database_url, sync_minutes=60) as registry:
        registry.clock.advance(days=400)
        together(registry)
        if ends:
            registry.services.database.run(lambda tx: feed_store.end_sync(tx, 1, "{}", registry.clock()))
        registry.clock.moment = START
        together(registry)
        assert requested(registry) == [1, 2]


def test_no_sync_is_due_by_default(tmp_path: Path, database_url: str) -> None:
    """With 0 minutes nothing is ever queued."""
    with support.registry(tmp_path, database_url) as registry:
        together(registry)
        registry.clock.advance(days=100)
        synchronisation.request_due(registry.services)
        assert requested(registry) == []


def test_a_queued_sync_is_run_once(tmp_path: Path, database_url: str, feeds: Feeds) -> None:
    """The job asks the feeds that the settings name and keeps what came of it; called again it asks nothing."""
    chosen = {"sync_minutes": 60, "feeds": ("osv", "debian", "kev")}
    with opened(tmp_path, database_url, feeds, **chosen) as registry:
        feeds.put(ADDRESSES["debian"], HTML)
        synchronisation.request_due(registry.services)
        ((_, row),) = registry.queue.jobs
        registry.work()
        with registry.services.database.read() as tx:
            done = feed_store.get_sync(tx, row)
        assert done is not None
        assert (done.requested_at, done.ended_at) == (START, START)
        said = json.loads(done.summary)
        assert (said["generation"], said["new"], list(said["failures"])) == (1, True, ["debian"])
        assert {feed: found["taken"] for feed, found in said["feeds"].items()} == {"osv": 3, "debian": 0, "kev": 60}
        feeds.forget()
        app.handlers(registry.services)[SYNC](row)
        assert feeds.asked.total() == 0
        with registry.services.database.read() as tx:
            assert tx.execute(sa.select(sa.func.count()).select_from(syncs)).scalar_one() == 1
