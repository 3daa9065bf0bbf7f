"""What is asked of Red Hat's directory of VEX documents, and what of its answers is to be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hullwise.advisories import fetching
from hullwise.advisories.feeds import redhat
from hullwise.advisories.fetching import FeedBroken, Update
from hullwise.remotes.errors import Refused
from tests.support.feeds import Asking, Feeds, vex_name

CHANGES, DELETIONS, LATEST = "/vex/changes.csv", "/vex/deletions.csv", "/vex/archive_latest.txt"
ARCHIVE = "/vex/csaf_vex_2025-12-01.tar.zst"
FIX = "2.5.0-3.el9"
BEFORE, AFTER = "2025-11-20T10:00:00+00:00", "2025-12-10T10:00:00+00:00"
"""The archive's day lies between them."""


@pytest.fixture
def feeds() -> Iterator[Feeds]:
    """Three documents, and the archive of them."""
    with Feeds() as found:
        found.redhat(BEFORE, dict.fromkeys(("CVE-2025-1001", "CVE-2025-1002", "CVE-2025-1003"), FIX))
        found.redhat_archive("2025-12-01")
        yield found


@pytest.fixture
def asking(feeds: Feeds, tmp_path: Path) -> Asking:
    return Asking(feeds, tmp_path, "redhat")


def document(cve: str) -> str:
    return f"/vex/{vex_name(cve)}"


def listed(update: Update) -> list[str]:
    """Ids of the records that there still are."""
    (part,) = update.parts
    return Path(part.step.listing).read_text().split()


def brought(update: Update) -> list[bytes]:
    """The documents of the folder that is handed over."""
    (part,) = update.parts
    (folder,) = part.step.paths
    return [path.read_bytes() for path in sorted(Path(folder).iterdir())]


def cursor(update: Update) -> str:
    (part,) = update.parts
    assert part.cursor is not None
    return part.cursor[1]


def test_the_first_time_all_comes_as_the_archive(feeds: Feeds, asking: Asking) -> None:
    """The lists and the archive, and no document for itself; what changed is loaded up to the day of its name."""
    update = asking()
    (part,) = update.parts
    assert [Path(path).read_bytes() for path in part.step.paths] == [feeds.documents[ARCHIVE].body]
    assert (part.step.feed, part.step.guarded, part.step.namespaces) == ("redhat", True, ())
    assert listed(update) == ["CVE-2025-1001", "CVE-2025-1002", "CVE-2025-1003"]
    assert cursor(update) == "2025-12-01T00:00:00"
    assert dict(feeds.asked) == {CHANGES: 1, DELETIONS: 1, LATEST: 1, ARCHIVE: 1}


def test_unchanged_lists_end_the_asking(feeds: Feeds, asking: Asking) -> None:
    """The second time nothing is sent."""
    asking()
    assert asking().parts == ()
    assert dict(feeds.asked) == {CHANGES: 1, DELETIONS: 1}
    assert feeds.sent.total() == 0


def test_what_was_not_taken_is_fetched_again(feeds: Feeds, asking: Asking) -> None:
    asking(taken=False)
    asking()
    assert feeds.sent[ARCHIVE] == 1


def test_only_changed_documents_come(feeds: Feeds, asking: Asking) -> None:
    """Of four documents the one that changed and the one that is new are fetched, the oldest first."""
    asking()
    feeds.redhat(AFTER, {"CVE-2025-1002": "2.5.0-4.el9"})
    feeds.redhat("2025-12-11T00:00:00Z", {"CVE-2024-9999": FIX})
    update = asking()
    changed = document("CVE-2025-1002"), document("CVE-2024-9999")
    assert brought(update) == [feeds.documents[path].body for path in changed]
    assert dict(feeds.sent) == {CHANGES: 1, DELETIONS: 1, **dict.fromkeys(changed, 1)}
    assert cursor(update) == "2025-12-11T00:00:00"
    assert "CVE-2024-9999" in listed(update)
    # Documents of an earlier answer are not handed over again.
    feeds.redhat("2025-12-12T00:00:00+00:00", {"CVE-2025-1003": FIX})
    assert len(brought(asking())) == 1


def test_what_is_newer_than_the_archive_comes_the_next_time(feeds: Feeds, asking: Asking) -> None:
    """Whether the lists change or not: documents of the archive's day too, at whose end it may not have been made."""
    feeds.redhat("2025-12-01T00:00:01+00:00", {"CVE-2025-1002": FIX})
    assert cursor(asking()) == "2025-12-01T00:00:00"
    update = asking()
    assert brought(update) == [feeds.documents[document("CVE-2025-1002")].body]
    assert cursor(update) == "2025-12-01T00:00:01"
    assert asking().parts == ()


def test_moments_are_of_any_zone(feeds: Feeds, asking: Asking) -> None:
    """`01:00+02:00` is an hour before midnight in UTC."""
    asking()
    feeds.redhat("2025-12-10T01:00:00+02:00", {"CVE-2025-1001": FIX})
    assert cursor(asking()) == "2025-12-09T23:00:00"


def test_a_document_that_is_deleted_is_gone(feeds: Feeds, asking: Asking) -> None:
    """It stays in the list of changes for ever (vulnerability-lookup, pull request 468), and is not asked for."""
    asking()
    feeds.redhat(AFTER, {}, gone=("CVE-2025-1001",))
    assert b"cve-2025-1001" in feeds.documents[CHANGES].body
    update = asking()
    (part,) = update.parts
    assert (part.step.paths, part.step.missing) == ((), ())
    assert listed(update) == ["CVE-2025-1002", "CVE-2025-1003"]
    assert dict(feeds.asked) == {CHANGES: 2, DELETIONS: 1}
    assert asking().parts == ()


def test_a_document_that_comes_again_is_there(feeds: Feeds, asking: Asking) -> None:
    """What changed after it was deleted is no longer deleted."""
    asking()
    feeds.redhat(AFTER, {}, gone=("CVE-2025-1001",))
    asking()
    feeds.redhat("2025-12-11T00:00:00+00:00", {"CVE-2025-1001": FIX})
    update = asking()
    assert listed(update) == ["CVE-2025-1001", "CVE-2025-1002", "CVE-2025-1003"]
    assert brought(update) == [feeds.documents[document("CVE-2025-1001")].body]


def test_a_listed_document_that_is_not_there(feeds: Feeds, asking: Asking) -> None:
    """It is named, the others come, and it is asked for the next time, with what changed since, until it is there."""
    asking()
    feeds.redhat(AFTER, {"CVE-2025-1001": FIX})
    feeds.redhat("2025-12-11T00:00:00+00:00", {"CVE-2025-1002": FIX})
    feeds.redhat("2025-12-12T00:00:00+00:00", {"CVE-2025-1003": FIX})
    late = feeds.documents.pop(document("CVE-2025-1002"))
    update = asking()
    (part,) = update.parts
    assert (part.step.missing, len(brought(update)), part.files) == (("CVE-2025-1002",), 2, ())
    assert "CVE-2025-1002" in listed(update)
    assert cursor(update) == "2025-12-10T10:00:00"
    feeds.documents[document("CVE-2025-1002")] = late
    update = asking()
    assert (feeds.asked[document("CVE-2025-1001")], feeds.asked[document("CVE-2025-1002")]) == (0, 1)
    assert cursor(update) == "2025-12-12T00:00:00"
    assert asking().parts == ()


def test_a_document_that_fails_otherwise_fails_the_feed(feeds: Feeds, asking: Asking) -> None:
    asking()
    feeds.redhat(AFTER, {"CVE-2025-1001": FIX})
    feeds.failing[document("CVE-2025-1001")] = 403
    with pytest.raises(Refused, match="403"):
        asking()


def test_a_date_in_the_future_hides_nothing(feeds: Feeds, asking: Asking) -> None:
    """Of a document or of an archive: what changes until then is seen all the same."""
    feeds.redhat_archive("2099-01-01")
    assert cursor(asking()) == "2026-01-01T00:00:00"
    feeds.redhat("2099-01-01T00:00:00+00:00", {"CVE-2025-1001": FIX})
    assert cursor(asking()) == "2026-01-01T00:00:00"
    feeds.redhat("2026-01-01T00:00:01+00:00", {"CVE-2025-1002": FIX})
    asking(now=datetime(2026, 1, 2, tzinfo=UTC))
    assert feeds.asked[document("CVE-2025-1002")] == 1


def many(feeds: Feeds, moment: str, *, count: int, first: int = 2_000) -> None:
    feeds.redhat(moment, {f"CVE-2025-{number}": "" for number in range(first, first + count)})


@pytest.mark.parametrize(("changed", "whole"), [(2_000, False), (2_001, True)])
def test_many_changes_come_as_the_archive(feeds: Feeds, asking: Asking, changed: int, whole: bool) -> None:
    """Two thousand changed documents are fetched one by one, more as a newer archive, where there is one."""
    asking()
    many(feeds, AFTER, count=changed)
    feeds.redhat_archive("2025-12-11")
    update = asking()
    assert feeds.asked["/vex/csaf_vex_2025-12-11.tar.zst"] == whole
    assert feeds.asked.total() == (4 if whole else 2 + changed)
    assert cursor(update) == ("2025-12-11T00:00:00" if whole else "2025-12-10T10:00:00")


def test_many_changes_beside_an_archive_that_is_loaded(feeds: Feeds, asking: Asking) -> None:
    """The oldest two thousand come, and those of the same moment as the last of them; the rest the next time."""
    asking()
    many(feeds, AFTER, count=1_999)
    many(feeds, "2025-12-11T00:00:00+00:00", count=3, first=5_000)
    many(feeds, "2025-12-12T00:00:00+00:00", count=1, first=6_000)
    update = asking()
    assert (len(brought(update)), cursor(update)) == (2_002, "2025-12-11T00:00:00")
    assert feeds.asked[ARCHIVE] == 0
    update = asking()
    assert (len(brought(update)), cursor(update)) == (1, "2025-12-12T00:00:00")
    assert asking().parts == ()


LINE = b'"2025/cve-2025-1001.json","2025-12-10T10:00:00+00:00"\n'


@pytest.mark.parametrize("name", [CHANGES, DELETIONS])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<!DOCTYPE html>\n<p>Sign in</p>\n", id="a page"),
        pytest.param(LINE + LINE[:30], id="half a line"),
        pytest.param(LINE.replace(b'"', b""), id="no quotes"),
        pytest.param(LINE.replace(b"2025-12-10T10", b"2025-13-10T10"), id="no month"),
        pytest.param(LINE.replace(b"+00:00", b""), id="no zone"),
        pytest.param(LINE.replace(b"2025-12-10T10:00:00+00:00", b"9999-12-31T23:59:59-23:59"), id="after all years"),
        pytest.param(LINE.replace(b"2025-12-10T10:00:00", b"yesterday"), id="no moment"),
        pytest.param(LINE.replace(b"\n", b',"more"\n'), id="a third field"),
        pytest.param(LINE.replace(b"cve-2025-1001", b"../../../secret"), id="a way up"),
        pytest.param(LINE.replace(b"2025/", b"../"), id="a way up at once"),
        pytest.param(LINE.replace(b"2025/", b"/"), id="a way from the root"),
        pytest.param(LINE.replace(b"2025/cve", b"https://elsewhere.example/cve"), id="another server"),
        pytest.param(LINE.replace(b"1001.json", b"1001.json?x=.json"), id="a query"),
        pytest.param(LINE.replace(b"1001", b"%2e%2e%2f"), id="an escape"),
        pytest.param(LINE.replace(b"1001", b"1" * 200_000), id="a long line"),
        pytest.param(b'\xff\xfe"\x002\x000\x00', id="UTF-16"),
        pytest.param(b"\n" + LINE, id="an empty line"),
    ],
)
def test_a_list_that_is_none(feeds: Feeds, asking: Asking, name: str, body: bytes) -> None:
    """The feed fails, nothing is asked for by it, and it is asked for again the next time."""
    asking()
    good = feeds.documents[name]
    feeds.put(name, body)
    for _ in range(2):
        with pytest.raises(FeedBroken, match=name.rpartition("/")[2]):
            asking()
        assert feeds.asked.keys() == {CHANGES, DELETIONS}
    feeds.documents[name] = good
    assert asking().parts == ()


@pytest.mark.parametrize("gone", [False, True])
def test_a_list_without_documents(feeds: Feeds, asking: Asking, gone: bool) -> None:
    """Where there is none, or all are deleted, the feed fails: it does not pass for one that has nothing new."""
    if gone:
        feeds.redhat(AFTER, {}, gone=("CVE-2025-1001", "CVE-2025-1002", "CVE-2025-1003"))
    else:
        feeds.put(CHANGES, b"")
    with pytest.raises(FeedBroken, match=r"changes\.csv lists no document"):
        asking()


def test_a_document_is_as_new_as_its_newest_line(feeds: Feeds, asking: Asking) -> None:
    """In whichever order they stand; CR LF ends a line as well, and the last one need not end."""
    asking()
    lines = (LINE, LINE.replace(b"12-10", b"12-12"), LINE.replace(b"12-10", b"12-11"))
    feeds.put(CHANGES, b"\r\n".join(line.strip() for line in lines))
    assert cursor(asking()) == "2025-12-12T10:00:00"
    assert feeds.asked[document("CVE-2025-1001")] == 1


@pytest.mark.parametrize(
    "name",
    [
        b"", b"<html></html>", b"csaf_vex.tar.zst", b"csaf_vex_2025-12-01.tar.gz", b"../csaf_vex_2025-12-01.tar.zst",
        b"https://elsewhere.example/csaf_vex_2025-12-01.tar.zst", b"csaf_vex_2025-12-01.tar.zst\nmore",
        b"csaf_vex_2025-13-45.tar.zst", b"x/../../csaf_vex_2025-12-01.tar.zst",
    ],
)  # fmt: skip
def test_a_name_of_an_archive_that_is_none(feeds: Feeds, asking: Asking, name: bytes) -> None:
    """The feed fails, and nothing is asked for by it."""
    feeds.put(LATEST, name)
    with pytest.raises(FeedBroken, match=r"archive_latest\.txt"):
        asking()
    assert dict(feeds.asked) == {CHANGES: 1, DELETIONS: 1, LATEST: 1}


def test_the_name_of_an_archive_may_end_its_line(feeds: Feeds, asking: Asking) -> None:
    feeds.put(LATEST, b"csaf_vex_2025-12-01.tar.zst\n")
    assert len(asking().parts) == 1


@pytest.mark.parametrize("name", [CHANGES, DELETIONS, LATEST, ARCHIVE])
def test_without_a_file_the_feed_fails(feeds: Feeds, asking: Asking, name: str) -> None:
    del feeds.documents[name]
    with pytest.raises(Refused, match="404"):
        asking()


def test_what_is_fetched_can_be_read() -> None:
    """The limits of a document are the same on both sides."""
    assert fetching.DOCUMENT_LIMIT == redhat.DOCUMENT_LIMIT
