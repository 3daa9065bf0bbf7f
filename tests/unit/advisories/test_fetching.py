"""What is asked of each feed, and what of its answers is to be loaded."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.advisories import fetching
from hullwise.advisories.feeds import endoflife
from hullwise.advisories.fetching import FEEDS, FeedBroken, Update
from hullwise.ecosystems.namespaces import PUBLISHERS
from hullwise.remotes.errors import Forbidden, Refused
from hullwise.settings import Settings
from tests.support.advisories import osv
from tests.support.feeds import ASKED, Asking, Feeds, encoded

LISTING = "/osv/PyPI/modified_id.csv"


@pytest.fixture
def feeds() -> Iterator[Feeds]:
    with Feeds() as found:
        yield found


@pytest.fixture
def asking(feeds: Feeds, tmp_path: Path) -> Asking:
    """OSV, asked."""
    return Asking(feeds, tmp_path, "osv")


def record(
    record_id: str, modified: str = "2025-11-01T00:00:00Z", package: str = "flask", **more: Any
) -> dict[str, Any]:
    return osv(record_id, package, **{"modified": modified, **more})


def names(update: Update) -> list[list[str]]:
    """File names of each part's documents."""
    return [[Path(path).name for path in part.step.paths] for part in update.parts]


def test_every_feed_of_the_settings_can_be_asked() -> None:
    """The feeds that the settings may name are those that there are, each at an address with TLS."""
    assert set(Settings.feeds) == set(FEEDS)
    assert all(feed.address.startswith("https://") for feed in FEEDS.values())


@pytest.mark.parametrize("feed", ["debian", "wolfi", "chainguard", "oracle", "kev", "epss"])
def test_a_feed_of_one_file(feeds: Feeds, tmp_path: Path, feed: str) -> None:
    """The file comes whole with its age, is not sent again while it is the same, and is once it is another."""
    path = feeds.addresses[feed].removeprefix("http://").partition("/")[2]
    feeds.put(f"/{path}", b"one", modified=datetime(2025, 11, 5, tzinfo=UTC))
    asking = Asking(feeds, tmp_path, feed)
    (part,) = asking().parts
    (place,) = part.step.paths
    assert Path(place).read_bytes() == b"one"
    assert datetime.fromtimestamp(Path(place).stat().st_mtime, UTC) == datetime(2025, 11, 5, tzinfo=UTC)
    assert (part.step.feed, part.step.guarded, part.files[0].size) == (feed, True, 3)
    assert asking().parts == ()
    assert (feeds.asked.total(), feeds.sent.total()) == (1, 0)
    feeds.put(f"/{path}", b"two")
    assert len(asking(taken=False).parts) == 1
    # What was not taken is sent again, whatever was fetched.
    assert len(asking().parts) == 1
    assert Path(place).read_bytes() == b"two"


def test_alpine_releases_that_are_not_out_do_not_matter(feeds: Feeds, tmp_path: Path) -> None:
    """Each file is a part of its own; one that is not found is none; edge must be there."""
    feeds.alpine("v3.19", "main", {})
    feeds.alpine("v3.20", "community", {})
    feeds.alpine("edge", "main", {})
    asking = Asking(feeds, tmp_path, "alpine")
    with pytest.raises(Refused, match=r"edge/community\.json answered 404"):
        asking()
    feeds.alpine("edge", "community", {})
    assert names(asking()) == [
        ["v3.19-main.json"],
        ["v3.20-community.json"],
        ["edge-main.json"],
        ["edge-community.json"],
    ]
    assert {"/secdb/v3.3/main.json", "/secdb/v3.24/community.json"} <= feeds.asked.keys()
    feeds.alpine("v3.19", "main", {"expat": {"2.6.3-r0": ["CVE-2024-45490"]}})
    assert names(asking()) == [["v3.19-main.json"]]


def test_amazons_newest_repositories_are_looked_up(feeds: Feeds, tmp_path: Path) -> None:
    """A list of mirrors names the repository, its index the file; a new repository has the file at a new place."""
    feeds.amazon("2", {"2025-1": "2.1.0-15.amzn2"})
    feeds.amazon("2023", {"2025-1": "2.6.3-1.amzn2023"})
    asking = Asking(feeds, tmp_path, "amazon")
    assert names(asking()) == [["al2-updateinfo.xml.gz"], ["al2023-updateinfo.xml.gz"]]
    assert asking().parts == ()
    feeds.amazon("2023", {"2025-2": "2.6.4-1.amzn2023"})
    (part,) = asking().parts
    assert b"ALAS2023-2025-2" in gzip.decompress(Path(part.step.paths[0]).read_bytes())


MIRRORS = "/amazonlinux/2/core/latest/x86_64/mirror.list"


@pytest.mark.parametrize(
    ("mirror", "index", "failure"),
    [
        (b"", b"", "names no mirror"),
        (b"file:///etc/passwd", b"", "names no mirror"),
        (b"https://cdn.example/../x", b"", "names no mirror"),
        (b"https://cdn.example/2/a/", b"<repomd/>", "2/a/repodata/repomd.xml names no updateinfo"),
        (
            b"https://cdn.example/2/a",
            b'<data type="updateinfo"><location href="https://elsewhere.example/repodata/x"/></data>',
            "2/a/repodata/repomd.xml names no updateinfo",
        ),
        (
            b"https://cdn.example/2/a",
            b'<data type="updateinfo"></data><data type="x"><location href="repodata/x"/></data>',
            "2/a/repodata/repomd.xml names no updateinfo",
        ),
    ],
)
def test_a_list_of_mirrors_leads_nowhere_else(
    feeds: Feeds, tmp_path: Path, mirror: bytes, index: bytes, failure: str
) -> None:
    """What is asked is below the feed's address, whatever list and index name; the other release still comes."""
    feeds.put(MIRRORS, mirror)
    feeds.put("/amazonlinux/2/a/repodata/repomd.xml", index)
    feeds.amazon("2023", {"2025-1": "2.6.3-1.amzn2023"})
    found = Asking(feeds, tmp_path, "amazon")()
    assert names(found) == [["al2023-updateinfo.xml.gz"]]
    (why,) = found.failures
    assert why.endswith(failure)
    assert all(path.startswith("/amazonlinux/") for path in feeds.asked)


def test_amazon_without_any_repository_fails(feeds: Feeds, tmp_path: Path) -> None:
    feeds.put(MIRRORS, b"https://cdn.example/2/a")
    with pytest.raises(Refused):
        Asking(feeds, tmp_path, "amazon")()


def test_photon_releases_that_are_not_out_do_not_matter(feeds: Feeds, tmp_path: Path) -> None:
    feeds.photon("4.0", {"CVE-2024-45490": "2.6.3-1.ph4"})
    feeds.photon("5.0", {"CVE-2024-45490": "2.6.3-1.ph5"})
    assert names(Asking(feeds, tmp_path, "photon")()) == [["cve_data_photon4.0.json"], ["cve_data_photon5.0.json"]]


def test_nvd_has_a_file_a_year(feeds: Feeds, tmp_path: Path) -> None:
    """From 2002 to this year; the one of this year may not be there yet, an earlier one must."""
    for year in range(2002, 2026):
        feeds.nvd(year)
    asking = Asking(feeds, tmp_path, "nvd")
    assert names(asking()) == [[f"nvdcve-2.0-{year}.json.gz"] for year in range(2002, 2026)]
    assert asking().parts == ()
    with pytest.raises(Refused, match=r"2026\.json\.gz answered 404"):
        asking(now=datetime(2027, 1, 1, tzinfo=UTC))


def test_products_may_be_missing_but_not_all(feeds: Feeds, tmp_path: Path) -> None:
    """A product that is not there is none; an address where none is there is a wrong one."""
    asking = Asking(feeds, tmp_path, "endoflife")
    with pytest.raises(Refused, match="404"):
        asking()
    feeds.endoflife("debian", _12="2026-06-10")
    assert names(asking()) == [["debian.json"]]
    assert asking().parts == ()


def test_an_error_is_not_a_missing_file(feeds: Feeds, tmp_path: Path) -> None:
    """A file that may be missing is not held for missing where the server fails."""
    feeds.endoflife("debian", _12="2026-06-10")
    feeds.failing["/api/ubuntu.json"] = 500
    with pytest.raises(Refused, match="500"):
        Asking(feeds, tmp_path, "endoflife")()


def test_the_first_time_an_ecosystem_comes_whole(feeds: Feeds, asking: Asking) -> None:
    """Of each known ecosystem its list and its zip, and no record for itself."""
    feeds.osv("PyPI", record("PYSEC-1"), record("PYSEC-2", "2025-11-02T00:00:00.5Z"))
    feeds.osv("Rocky Linux", record("RLSA-1", ecosystem="Rocky Linux:9"))
    feeds.osv("GHC", record("HSEC-1", ecosystem="GHC"))
    update = asking()
    assert [(part.step.namespaces, part.cursor) for part in update.parts] == [
        (("pypi",), ("PyPI", "2025-11-02T00:00:00.5")),
        (("rocky",), ("Rocky Linux", "2025-11-01T00:00:00")),
    ]
    assert names(update) == [["all.zip"], ["all.zip"]]
    assert dict(feeds.asked) == {
        "/osv/ecosystems.txt": 1, LISTING: 1, "/osv/PyPI/all.zip": 1,
        "/osv/Rocky Linux/modified_id.csv": 1, "/osv/Rocky Linux/all.zip": 1,
    }  # fmt: skip


def test_an_unchanged_list_ends_the_asking(feeds: Feeds, asking: Asking) -> None:
    """The second time nothing is sent but the names of the ecosystems."""
    feeds.osv("PyPI", record("PYSEC-1"))
    asking()
    assert asking().parts == ()
    assert dict(feeds.sent) == {"/osv/ecosystems.txt": 1}


def test_only_changed_records_come(feeds: Feeds, asking: Asking, tmp_path: Path) -> None:
    """Of three records the one that changed is fetched; the list of those that there still are is handed over."""
    feeds.osv("PyPI", record("PYSEC-1"), record("PYSEC-2"), record("PYSEC-3"))
    asking()
    feeds.osv("PyPI", record("PYSEC-2", "2025-11-03T00:00:00Z"), drop=("PYSEC-3",))
    (part,) = asking().parts
    assert dict(feeds.asked) == {"/osv/ecosystems.txt": 1, LISTING: 1, "/osv/PyPI/PYSEC-2.json": 1}
    (folder,) = part.step.paths
    assert [path.read_bytes() for path in Path(folder).iterdir()] == [feeds.documents["/osv/PyPI/PYSEC-2.json"].body]
    assert Path(part.step.listing).read_text().split() == ["PYSEC-1", "PYSEC-2"]
    assert part.cursor == ("PyPI", "2025-11-03T00:00:00")
    # An earlier answer's records are not handed over again.
    feeds.osv("PyPI", record("PYSEC-1", "2025-11-04T00:00:00Z"))
    (part,) = asking().parts
    assert len(list(Path(part.step.paths[0]).iterdir())) == 1


def test_a_list_that_only_lost_records(feeds: Feeds, asking: Asking) -> None:
    """Where nothing changed and something is gone, no document is handed over, only the list."""
    feeds.osv("PyPI", record("PYSEC-1"), record("PYSEC-2"))
    asking()
    feeds.osv("PyPI", drop=("PYSEC-1",))
    (part,) = asking().parts
    assert (part.step.paths, Path(part.step.listing).read_text()) == ((), "PYSEC-2")


@pytest.mark.parametrize(("changed", "whole"), [(1_000, False), (1_001, True)])
def test_many_changes_come_as_the_zip(feeds: Feeds, asking: Asking, changed: int, whole: bool) -> None:
    """A thousand changed records are fetched one by one, more as the whole ecosystem."""
    feeds.osv("PyPI", record("PYSEC-0"))
    asking()
    feeds.osv("PyPI", *(record(f"PYSEC-{number}", "2025-11-03T00:00:00Z") for number in range(1, changed + 1)))
    (part,) = asking().parts
    assert [Path(path).name for path in part.step.paths] == ["all.zip" if whole else "changed"]
    assert feeds.asked["/osv/PyPI/all.zip"] == whole
    assert feeds.asked.total() == (3 if whole else 2 + changed)


def written(nanoseconds: int) -> str:
    """A moment so long after the year 2026 began, as Go's RFC3339Nano writes it: without decimals that end in zeros."""
    seconds, rest = divmod(nanoseconds, 10**9)
    whole = (ASKED + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".") + "Z"


# Near each other, with decimals of every length.
MOMENTS = st.builds(lambda value, zeros: value * 10**zeros, st.integers(0, 40), st.integers(0, 10))


@given(st.lists(MOMENTS, min_size=1, max_size=20), MOMENTS)
def test_what_changed_is_what_is_later(moments: list[int], before: int) -> None:
    """For moments of any precision: those after the cursor changed, and the newest of all is the next cursor."""
    lines = "".join(f"{written(moment)},ID-{number}\n" for number, moment in enumerate(moments))
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder, "modified_id.csv")
        listing.write_text(f"{written(before)},BEFORE\n")
        _, _, cursor = fetching.read_listing(listing, "")
        listing.write_text(lines)
        ids, changed, newest = fetching.read_listing(listing, cursor)
    assert ids == {f"ID-{number}" for number in range(len(moments))}
    assert changed == [f"ID-{number}" for number, moment in enumerate(moments) if moment > before]
    assert f"{newest}Z" == written(max([before, *moments]))


@pytest.mark.parametrize(
    ("before", "after", "later"),
    [
        ("2025-11-01T00:00:00Z", "2025-11-01T00:00:00.5Z", True),
        ("2025-11-01T00:00:00.9Z", "2025-11-01T00:00:01Z", True),
        ("2025-11-01T00:00:00.45Z", "2025-11-01T00:00:00.5Z", True),
        ("2025-11-01T00:00:00.123456Z", "2025-11-01T00:00:00.123457Z", True),
        ("2025-11-01T00:00:00.5Z", "2025-11-01T00:00:00.45Z", False),
        ("2025-11-01T00:00:01Z", "2025-11-01T00:00:00.9Z", False),
    ],
)
def test_moments_have_as_many_decimals_as_they_take(
    feeds: Feeds, asking: Asking, before: str, after: str, later: bool
) -> None:
    """RFC 3339 leaves out decimals that are zero: which moment is later is not told by comparing the texts."""
    feeds.osv("PyPI", record("PYSEC-1", before))
    asking()
    feeds.osv("PyPI", record("PYSEC-2", after))
    (part,) = asking().parts
    assert feeds.asked["/osv/PyPI/PYSEC-2.json"] == later
    assert "PYSEC-2" in Path(part.step.listing).read_text().split()


def test_a_date_in_the_future_hides_nothing(feeds: Feeds, asking: Asking) -> None:
    """What changes after a record that claims to be of 2099 is seen all the same."""
    feeds.osv("PyPI", record("PYSEC-0"))
    asking()
    feeds.osv("PyPI", record("PYSEC-1", "2099-01-01T00:00:00Z"))
    asking()
    feeds.osv("PyPI", record("PYSEC-2", "2026-01-01T00:00:01Z"))
    asking(now=datetime(2026, 1, 2, tzinfo=UTC))
    assert feeds.asked["/osv/PyPI/PYSEC-2.json"] == 1


def test_a_zip_that_is_older_than_its_list(feeds: Feeds, asking: Asking) -> None:
    """What changed after the zip was made is fetched for itself the next time that something changed."""
    # Made a minute or two after the start of December.
    feeds.osv("PyPI", record("PYSEC-1"), record("PYSEC-2", "2025-12-24T00:00:00Z"))
    (part,) = asking().parts
    assert part.cursor is not None
    assert part.cursor[1].startswith("2025-12-01T00:0")
    feeds.osv("PyPI", record("PYSEC-3", "2025-12-25T00:00:00Z"))
    asking()
    assert {path for path in feeds.asked if path.endswith(".json")} == {
        "/osv/PyPI/PYSEC-2.json",
        "/osv/PyPI/PYSEC-3.json",
    }


def test_a_listed_record_that_is_not_there(feeds: Feeds, asking: Asking) -> None:
    """One that is not found is named, and the others come; one that fails otherwise fails the feed."""
    feeds.osv("PyPI", record("PYSEC-1"))
    asking()
    feeds.osv("PyPI", *(record(f"PYSEC-{number}", "2025-11-03T00:00:00Z") for number in (2, 3)))
    del feeds.documents["/osv/PyPI/PYSEC-2.json"]
    (part,) = asking(taken=False).parts
    assert (part.step.missing, len(list(Path(part.step.paths[0]).iterdir()))) == (("PYSEC-2",), 1)
    del feeds.documents["/osv/PyPI/PYSEC-3.json"]
    (part,) = asking(taken=False).parts
    assert (set(part.step.missing), part.step.paths) == ({"PYSEC-2", "PYSEC-3"}, ())
    feeds.failing["/osv/PyPI/PYSEC-3.json"] = 403
    with pytest.raises(Refused, match="403"):
        asking()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<!DOCTYPE html>\n<p>Sign in</p>\n", id="a page"),
        pytest.param(b"2025-11-02T00:00:00Z,PYSEC-2\n2025-11-0", id="half a line"),
        pytest.param(b"2025-11-02T00:00:00Z,PYSEC 2\n", id="an id with a blank"),
        pytest.param(b"2025-11-02T00:00:00Z,\n", id="no id"),
        pytest.param(b"yesterday,PYSEC-2\n", id="no moment"),
        pytest.param(b"2025-11-02T00:00:00+02:00,PYSEC-2\n", id="a moment elsewhere"),
        pytest.param(b"2025-11-02T00:00:00Z,PYSEC-2,more\n", id="a third field"),
        pytest.param(b"\xff\xfe2\x000\x002\x005\x00", id="UTF-16"),
        pytest.param(b"2025-11-02T00:00:00Z," + b"x" * 200_000, id="a long line"),
    ],
)
def test_a_list_that_is_none(feeds: Feeds, asking: Asking, body: bytes) -> None:
    """The feed fails, nothing is asked for by it, and it is asked for again the next time."""
    feeds.osv("PyPI", record("PYSEC-1"))
    asking()
    good = feeds.documents[LISTING]
    feeds.put(LISTING, body)
    with pytest.raises(FeedBroken):
        asking()
    assert dict(feeds.sent) == {"/osv/ecosystems.txt": 1, LISTING: 1}
    with pytest.raises(FeedBroken):
        asking()
    feeds.documents[LISTING] = good
    assert asking().parts == ()


def test_a_list_with_the_line_ends_of_another_system(feeds: Feeds, asking: Asking) -> None:
    """CR LF ends a line as well, and the last line need not end."""
    feeds.osv("PyPI", record("PYSEC-1"))
    feeds.osv("npm", record("GHSA-1", ecosystem="npm"))
    feeds.put("/osv/ecosystems.txt", b"PyPI\r\nnpm")
    feeds.put(LISTING, b"2025-11-01T00:00:00Z,PYSEC-1\r\n2025-10-01T00:00:00Z,PYSEC-0")
    assert [part.cursor for part in asking().parts] == [
        ("PyPI", "2025-11-01T00:00:00"),
        ("npm", "2025-11-01T00:00:00"),
    ]


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"GHC\nLinux\n"])
def test_names_of_ecosystems_that_are_none(feeds: Feeds, asking: Asking, body: bytes) -> None:
    """Where none is known the feed fails: it does not pass for one that has nothing new."""
    feeds.osv("PyPI", record("PYSEC-1"))
    feeds.put("/osv/ecosystems.txt", body)
    with pytest.raises(FeedBroken, match="names none that is known"):
        asking()


def test_an_id_is_one_step_of_a_path(feeds: Feeds, asking: Asking) -> None:
    """An id with slashes asks for nothing elsewhere on the server, and its file has none of its name."""
    feeds.osv("PyPI", record("PYSEC-1"))
    asking()
    feeds.put(LISTING, b"2025-11-02T00:00:00Z,../../secret\n")
    feeds.put("/secret.json", b"{}")
    feeds.put("/osv/PyPI/../../secret.json", encoded(record("PYSEC-2")))
    (part,) = asking().parts
    assert feeds.asked["/secret.json"] == 0
    assert [path.name for path in Path(part.step.paths[0]).iterdir()] == ["0.json"]


def test_a_broken_download_goes_on(feeds: Feeds, asking: Asking) -> None:
    """After a cut the rest is asked for, in one call and in the next one."""
    feeds.osv("PyPI", *(record(f"PYSEC-{number}", details="x" * 500) for number in range(20)))
    whole = feeds.documents["/osv/PyPI/all.zip"].body
    feeds.cuts["/osv/PyPI/all.zip"] = [1_000]
    (part,) = asking(taken=False).parts
    assert Path(part.step.paths[0]).read_bytes() == whole
    assert feeds.ranges == [("/osv/PyPI/all.zip", "bytes=1000-")]


def test_nothing_is_asked_where_that_is_turned_off(feeds: Feeds, tmp_path: Path) -> None:
    """With outbound requests off every feed says so, and no request is made."""
    for feed in FEEDS:
        with pytest.raises(Forbidden, match="outbound requests are turned off"):
            Asking(feeds, tmp_path, feed, allowed=False)()
        assert feeds.asked.total() == 0


def test_osv_does_not_speak_for_those_who_speak_for_themselves() -> None:
    """Every publisher that is known is had from OSV or from its own feed, and none from both; those of runtimes publish
    files that are imported by hand."""
    fetched = {family for families in fetching.osv_ecosystems().values() for family in families}
    own = {"debian", "alpine", "wolfi", "chainguard", "rhel"}
    assert fetched | own == set(PUBLISHERS) - {"runtime"}
    assert not fetched & own
    assert fetching.osv_ecosystems()["openSUSE"] == ("opensuse-leap", "opensuse-tumbleweed")


def test_lifecycles_are_of_distributions() -> None:
    """Each product that is asked for is one whose releases are read as a distribution's."""
    assert set(fetching.LIFECYCLE_PRODUCTS) <= endoflife.DISTRIBUTIONS.keys()
