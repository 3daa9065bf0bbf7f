"""`hullwise advisories sync`: what it prints, what it gives up with, and what `status` says of it afterwards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.support.advisories import osv
from tests.support.commands import Done, Hullwise, complaint, output
from tests.support.feeds import ADDRESSES, PRIVATE, Feeds

HTML = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"


@pytest.fixture
def feeds() -> Iterator[Feeds]:
    """OSV with a record that is used and one that is not, Debian's tracker, KEV."""
    with Feeds() as found:
        withdrawn = osv("PYSEC-2", "jinja2", modified="2025-11-01T00:00:00Z", withdrawn="2025-11-01T00:00:00Z")
        found.osv("PyPI", osv("PYSEC-1", "flask", modified="2025-11-01T00:00:00Z"), withdrawn)
        found.debian({"expat": {"CVE-2024-45491": {"releases": {"bookworm": {"status": "open"}}}}})
        found.kev("CVE-2025-1000", "CVE-2025-1001")
        yield found


class Syncing:
    """The command, with these feeds in place of the real ones."""

    def __init__(self, hullwise: Hullwise, feeds: Feeds) -> None:
        self._hullwise = hullwise
        self._settings = {
            "HULLWISE_FEEDS": "osv,debian,kev",
            "HULLWISE_FEED_ADDRESSES": json.dumps(feeds.addresses),
            "HULLWISE_OUTBOUND_PRIVATE": ",".join(PRIVATE),
            "HULLWISE_STARTER_ADVISORIES": "false",
        }

    def __call__(self, *feeds: str, **more: str) -> Done:
        return self._hullwise("advisories", "sync", *feeds, **self._settings | more)

    def status(self) -> dict[str, str]:
        """What `status` says of each feed."""
        lines = output(self._hullwise("advisories", "status", **self._settings)).splitlines()
        found = (re.fullmatch(r"  feed (\S+) +(.*)", line) for line in lines)
        return {match[1]: match[2] for match in found if match}


@pytest.fixture
def sync(hullwise: Hullwise, feeds: Feeds) -> Syncing:
    return Syncing(hullwise, feeds)


def told(done: Done) -> list[str]:
    """The lines on standard error that name a feed, after the progress bars and the log."""
    return [line for line in done.stderr.splitlines() if line.startswith("  ") and "failed" in line]


def logged(done: Done) -> dict[str, str]:
    """What the log says of each feed."""
    found = (re.search(r"\] (feed failed.*?) +feed=(\S+)", line) for line in done.stderr.splitlines())
    return {match[2]: match[1] for match in found if match}


def test_a_sync_says_what_came_of_each_feed(sync: Syncing) -> None:
    """Per feed what was read, taken and not used; then the generation that is in use, and what it changed."""
    done = sync()
    assert output(done).splitlines() == [
        "2 documents read, 1 records taken: osv",
        "  not used: 1 × withdrawn",
        "1 documents read, 1 records taken: debian",
        "1 documents read, 2 records taken: kev",
        "generation 1 (new) is in use",
        "0 package names changed, 0 installed packages were matched again",
    ]
    assert told(done) == []
    good = {said.split("  FAILED")[0][:10] for said in sync.status().values()}
    assert good == {"last good "}
    assert output(sync()) == "no feed has anything new\n"


def test_what_changed_is_told(sync: Syncing, feeds: Feeds) -> None:
    """A record that came and one that went; feeds that had nothing new are not named."""
    sync()
    feeds.osv("PyPI", osv("PYSEC-3", "mako", modified="2025-11-20T00:00:00Z"), drop=("PYSEC-1",))
    assert output(sync()).splitlines() == [
        "1 documents read, 1 records taken, 1 removed: osv",
        "generation 2 (new) is in use",
        "2 package names changed, 0 installed packages were matched again",
    ]


def test_a_feed_that_fails_beside_others(sync: Syncing, feeds: Feeds) -> None:
    """The others are taken; one line says which failed and why, the status is 1, and `status` says it until it is well
    again."""
    feeds.put(ADDRESSES["debian"], HTML)
    done = sync()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "hullwise: feeds failed: debian; what else was new is loaded"
    assert done.stdout.splitlines() == [
        "2 documents read, 1 records taken: osv",
        "  not used: 1 × withdrawn",
        "1 documents read, 2 records taken: kev",
        "generation 1 (new) is in use",
        "0 package names changed, 0 installed packages were matched again",
    ]
    why = "nothing of it can be read: tracker.json: is a page of HTML or XML"
    assert told(done) == [f"  debian: failed: {why}"]
    assert logged(done) == {"debian": "feed failed"}
    said = sync.status()
    assert re.fullmatch(rf"last good never  FAILED \d{{4}}-\d\d-\d\d \d\d:\d\d: {re.escape(why)}", said["debian"])
    assert "FAILED" not in said["osv"] + said["kev"]
    feeds.debian({"expat": {"CVE-2024-45491": {"releases": {"bookworm": {"status": "open"}}}}})
    assert "1 records taken: debian" in output(sync())
    assert re.fullmatch(r"last good \d{4}-\d\d-\d\d \d\d:\d\d", sync.status()["debian"])


def test_a_sync_that_brings_nothing_fails(sync: Syncing, feeds: Feeds) -> None:
    """Where feeds failed and nothing new was loaded the status is 1, with one line a feed, and nothing is printed."""
    sync()
    feeds.put(ADDRESSES["kev"], HTML)
    feeds.failing[ADDRESSES["debian"]] = 403
    done = sync()
    assert (done.returncode, done.stdout) == (1, "")
    lines = told(done)
    assert [line.partition(": ")[0].strip() for line in lines] == ["debian", "kev"]
    assert lines[0].startswith("  debian: failed, its last good data stays: ")
    assert lines[0].endswith("answered 403 Forbidden")
    assert logged(done) == dict.fromkeys(["debian", "kev"], "feed failed; its last good data stays")
    assert done.stderr.splitlines()[-1] == "hullwise: feeds failed: debian, kev; nothing new was loaded"
    assert sorted(feed for feed, said in sync.status().items() if "FAILED" in said) == ["debian", "kev"]


def test_nothing_is_asked_where_that_is_turned_off(sync: Syncing, feeds: Feeds) -> None:
    """One line says so, and no request is made."""
    done = sync(HULLWISE_OUTBOUND="false")
    assert complaint(done) == "nothing was asked: the setting outbound turns all requests off"
    assert feeds.asked.total() == 0


def test_feeds_can_be_named(sync: Syncing, feeds: Feeds) -> None:
    """Only those that are named are asked; one that there is not is an error before anything is asked."""
    assert "2 records taken: kev" in output(sync("kev"))
    assert dict(feeds.asked) == {ADDRESSES["kev"]: 1}
    known = "osv, debian, alpine, wolfi, chainguard, redhat, amazon, oracle, photon, nodejs, nvd, kev, epss, endoflife"
    assert complaint(sync("kev", "nowhere")) == f"there is no feed 'nowhere'; there are {known}"
    assert feeds.asked.total() == 1


def test_rules_that_cannot_be_read_are_told(sync: Syncing, feeds: Feeds) -> None:
    """A network that is none is an error in one line."""
    done = sync(HULLWISE_OUTBOUND_PRIVATE="10.0.0.0/99")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("hullwise: The rules for outbound requests cannot be read: ")
    assert "Traceback" not in done.stderr
    assert feeds.asked.total() == 0
