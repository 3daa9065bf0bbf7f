"""Where feeds are published, and fetching what of them is new.

    whole files      asked for with what the last answer said of itself; unchanged ones are not fetched again
    OSV              modified_id.csv, newest first, tells which records changed: few are fetched one by one, many or all
                     as the ecosystem's zip; what it no longer lists is gone
    Red Hat          changes.csv, newest first, tells when each document changed, and deletions.csv which of them are
                     gone; few are fetched one by one, many or all as the archive, which is of the day in its name

A feed's update is of parts, each taken whole or not at all. What came with a part is remembered once it is taken, and
fetched again the next time where it is not.

Nothing is parsed here but lists of names: documents are left in files for the build, which reads them under limits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from hullwise.advisories.building import Step
from hullwise.advisories.records import is_id
from hullwise.ecosystems.namespaces import PUBLISHERS
from hullwise.remotes.errors import Refused, RemoteError
from hullwise.remotes.remote import Fetched, Remote, Unchanged
from hullwise.remotes.validators import Validators

MIB = 1 << 20
FILE_LIMIT = 2_048 * MIB
"""Bytes of one file of a feed. The largest, OSV's zip for npm, is about 200 MB."""
RECORD_LIMIT = 16 * MIB
DOCUMENT_LIMIT = 128 * MIB
"""Bytes of one document of Red Hat, as many as `feeds/redhat.py` reads."""
LIST_LIMIT = 256 * MIB
LISTED_LIMIT = 2_000_000
"""Records of one ecosystem. The largest, npm with its malicious packages, has about 200,000."""
_FEW = 1_000
"""Changed records of an ecosystem that are fetched one by one; of more, the zip is the shorter way."""
_FEW_DOCUMENTS = 2_000
"""Documents of Red Hat that are fetched one by one at a time. About 900 change a day (August 2026), and the archive may
be two days old: it is the shorter way only where it is newer than what is loaded."""
_NOT_FOUND = 404


class FeedBroken(Exception):
    """What a feed answered is not of its form. The message says why."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file of a feed, to be remembered once its part is in a generation."""

    url: str
    validators: Validators
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Part:
    """What is taken together."""

    step: Step
    files: tuple[Loaded, ...]
    cursor: tuple[str, str] | None = None
    """(name of the part, how far its changes are loaded once the step is done)."""


@dataclass(frozen=True, slots=True)
class Update:
    """What one feed has that is new."""

    parts: tuple[Part, ...] = ()
    failures: tuple[str, ...] = ()
    """Why parts of it could not be fetched, where others could."""


Report = Callable[[str, int, int | None], None]
"""Told a file's name, its bytes so far and in all (None: not known)."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """What a feed's function is given."""

    feed: str
    remote: Remote
    address: str
    """Of the feed, without a slash at its end."""
    folder: Path
    """Where its files are put; kept between runs, so that an interrupted download goes on."""
    known: Mapping[str, Validators]
    """By URL: what was said of the content that is loaded."""
    cursors: Mapping[str, str]
    """By part: how far its changes are loaded."""
    held: int
    """Entries beside the advisories that are loaded of a feed that states them whole."""
    now: datetime
    report: Report

    def file(self, path: str, name: str, limit: int = FILE_LIMIT) -> tuple[Path, Loaded] | None:
        """The file at this path below the feed's address; None where what is loaded is still what there is."""
        url = f"{self.address}/{path}" if path else self.address
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        found = self.remote.fetch(
            url, place, known=self.known.get(url), limit=limit, progress=lambda done, of: self.report(name, done, of)
        )
        if isinstance(found, Unchanged):
            return None
        if found.modified is not None:
            # How old the data is, for documents that do not say it themselves.
            os.utime(found.path, (self.now.timestamp(), found.modified.timestamp()))
        return found.path, Loaded(url, found.validators, found.sha256, found.size)

    def anew(self, path: str, name: str, limit: int = FILE_LIMIT) -> tuple[Path, Loaded]:
        """As `file`, of which nothing is known."""
        found = replace(self, known={}).file(path, name, limit)
        assert found is not None
        return found

    def each(
        self, what: str, folder: Path, wanted: Mapping[str, str], limit: int
    ) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        """Documents by id at these paths below the feed's address: the folder with them, where there are any, and the
        ids of those that are not there: lists run ahead."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        missing = []
        for number, (name, path) in enumerate(wanted.items()):
            self.report(what, number, len(wanted))
            try:
                self.remote.fetch(f"{self.address}/{path}", folder / f"{number}.json", limit=limit)
            except Refused as error:
                if error.status != _NOT_FOUND:
                    raise
                missing.append(name)
        return (folder,) if len(wanted) > len(missing) else (), tuple(missing)

    def step(
        self,
        *paths: Path,
        sparse: bool = False,
        listing: str = "",
        namespaces: tuple[str, ...] = (),
        missing: tuple[str, ...] = (),
    ) -> Step:
        return Step(
            feed=self.feed,
            paths=tuple(map(str, paths)),
            guarded=True,
            sparse=sparse,
            held=self.held,
            listing=listing,
            namespaces=namespaces,
            missing=missing,
        )


class Feed(NamedTuple):
    address: str
    """Where it is published; a setting names a mirror in its place."""
    fetch: Callable[[Fetching], Update]


def _one_file(name: str) -> Callable[[Fetching], Update]:
    """A feed of one file, whose address is the feed's."""
    return lambda fetching: _files(fetching, iter([("", name, False)]))


def _files(fetching: Fetching, names: Iterator[tuple[str, str, bool]], *, sparse: bool = False) -> Update:
    """A feed of files that do not need each other: (path, name, whether it may be missing)."""
    parts = []
    missing: Refused | None = None
    answered = False
    for path, name, optional in names:
        try:
            found = fetching.file(path, name)
        except Refused as error:
            if not optional or error.status != _NOT_FOUND:
                raise
            missing = error
            continue
        answered = True
        if found is not None:
            parts.append(Part(fetching.step(found[0], sparse=sparse), (found[1],)))
    if missing is not None and not answered:
        # Any of them may be missing, but not all.
        raise missing
    return Update(tuple(parts))


_NEWEST_ALPINE = 24
"""Minor releases of Alpine 3 that are asked for. One that is not out yet is not found, and does not matter."""


def _alpine(fetching: Fetching) -> Update:
    def names() -> Iterator[tuple[str, str, bool]]:
        releases = [f"v3.{minor}" for minor in range(3, _NEWEST_ALPINE + 1)]
        for release in [*releases, "edge"]:
            for repository in ("main", "community"):
                yield f"{release}/{repository}.json", f"{release}-{repository}.json", release != "edge"

    return _files(fetching, names(), sparse=True)


_FIRST_NVD_YEAR = 2002


def _nvd(fetching: Fetching) -> Update:
    def names() -> Iterator[tuple[str, str, bool]]:
        for year in range(_FIRST_NVD_YEAR, fetching.now.year + 1):
            name = f"nvdcve-2.0-{year}.json.gz"
            yield name, name, year == fetching.now.year

    return _files(fetching, names(), sparse=True)


LIFECYCLE_PRODUCTS = (
    "debian", "ubuntu", "alpine-linux", "almalinux", "rocky-linux", "rhel", "centos", "oracle-linux", "amazon-linux",
    "sles", "opensuse", "fedora", "photon",
)  # fmt: skip


def _endoflife(fetching: Fetching) -> Update:
    return _files(fetching, ((f"{product}.json", f"{product}.json", True) for product in LIFECYCLE_PRODUCTS))


_PHOTON_RELEASES = ("3.0", "4.0", "5.0", "6.0")
"""One that is not out yet is not found, and does not matter."""


def _photon(fetching: Fetching) -> Update:
    names = (f"cve_data_photon{release}.json" for release in _PHOTON_RELEASES)
    return _files(fetching, ((name, name, True) for name in names))


_AMAZON_MIRRORS = {"2": "2/core/latest/x86_64/mirror.list", "2023": "al2023/core/mirrors/latest/x86_64/mirror.list"}
"""Lists of mirrors by release. The advisories of a repository speak of all architectures."""

_MIRROR = re.compile(
    r"https?://[^/\s]+/((?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}/){0,15}[A-Za-z0-9_-][A-Za-z0-9._-]{0,127})"
)
_UPDATEINFO = re.compile(
    r'<data type="updateinfo">(?:(?!</data>).){0,2000}?<location href="(repodata/[A-Za-z0-9._-]{1,160})"', re.DOTALL
)


def _amazon(fetching: Fetching) -> Update:
    """Each release's list of mirrors names the newest repository, and its index the file with its advisories."""
    parts: list[Part] = []
    failures: list[RemoteError | FeedBroken] = []
    for release, mirrors in _AMAZON_MIRRORS.items():
        try:
            path = _newest_updateinfo(fetching, mirrors)
            found = fetching.file(path, f"al{release}-updateinfo.xml.gz")
        except (RemoteError, FeedBroken) as error:
            failures.append(error)
            continue
        parts += [] if found is None else [Part(fetching.step(found[0]), (found[1],))]
    if len(failures) == len(_AMAZON_MIRRORS):
        raise failures[0]
    return Update(tuple(parts), tuple(map(str, failures)))


def _newest_updateinfo(fetching: Fetching, mirrors: str) -> str:
    """Its path below the feed's address: what a list names elsewhere is not asked."""
    mirror = _MIRROR.match(fetching.remote.text(f"{fetching.address}/{mirrors}", MIB))
    if mirror is None:
        raise FeedBroken(f"{mirrors} names no mirror")
    repository = mirror[1]
    index = f"{repository}/repodata/repomd.xml"
    found = _UPDATEINFO.search(fetching.remote.text(f"{fetching.address}/{index}", MIB))
    if found is None:
        raise FeedBroken(f"{index} names no updateinfo")
    return f"{repository}/{found[1]}"


_OWN = frozenset({"Debian", "Alpine", "Wolfi", "Chainguard", "Red Hat"})
"""Ecosystems of which OSV has a copy that says less than the distribution's own data, which is a feed here."""


def osv_ecosystems() -> dict[str, tuple[str, ...]]:
    """OSV's name of each ecosystem that is fetched, to the families of namespaces that its records speak of."""
    found: dict[str, tuple[str, ...]] = {}
    for family, publisher in PUBLISHERS.items():
        if publisher.osv_name and publisher.osv_name not in _OWN:
            found[publisher.osv_name] = (*found.get(publisher.osv_name, ()), family)
    return dict(sorted(found.items()))


def _osv(fetching: Fetching) -> Update:
    """Every ecosystem of OSV's list whose versions can be ordered here."""
    listed = set(fetching.remote.text(f"{fetching.address}/ecosystems.txt", MIB).splitlines())
    wanted = {name: families for name, families in osv_ecosystems().items() if name in listed}
    if not wanted:
        raise FeedBroken("its list of ecosystems names none that is known")
    parts: list[Part] = []
    failures: list[RemoteError | FeedBroken] = []
    for ecosystem, families in wanted.items():
        try:
            part = _ecosystem(fetching, ecosystem, families)
        except (RemoteError, FeedBroken) as error:
            failures.append(error)
            continue
        parts += [] if part is None else [part]
    if len(failures) == len(wanted):
        raise failures[0]
    return Update(tuple(parts), tuple(map(str, failures)))


def _ecosystem(fetching: Fetching, ecosystem: str, families: tuple[str, ...]) -> Part | None:
    """What is new in one ecosystem, fetched; None where nothing is."""
    cursor = fetching.cursors.get(ecosystem, "")
    path, name = quote(ecosystem), re.sub(r"[^A-Za-z0-9.]+", "-", ecosystem)
    found = fetching.file(f"{path}/modified_id.csv", f"{name}/modified_id.csv", LIST_LIMIT)
    if found is None:
        return None
    listing, loaded = found
    ids, changed, newest = read_listing(listing, cursor)
    if not ids:
        raise FeedBroken(f"its list of {ecosystem} is empty")
    if not cursor or len(changed) > _FEW:
        whole = _whole(fetching, ecosystem, path, name)
        step = fetching.step(whole.path, namespaces=families)
        if whole.modified is not None:
            # The list may be newer: what changed since the zip was made comes the next time.
            newest = min(newest, _place(whole.modified))
    else:
        wanted = {record: f"{path}/{quote(record, safe='')}.json" for record in changed}
        folder = fetching.folder / name / "changed"
        paths, missing = fetching.each(f"{ecosystem} changed records", folder, wanted, RECORD_LIMIT)
        still = fetching.folder / name / "ids.txt"
        still.write_text("\n".join(sorted(ids)), encoding="utf-8")
        step = fetching.step(*paths, listing=str(still), namespaces=families, missing=missing)
        if missing:
            # Lists run ahead of records: the next time the list is read again, from before those that were not there.
            return Part(step, (), (ecosystem, min(cursor, _place(fetching.now))))
    # A date in the future would hide all that changes until then.
    return Part(step, (loaded,), (ecosystem, min(newest, _place(fetching.now))))


def _place(moment: datetime) -> str:
    """Where a moment stands in the order of a list."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _whole(fetching: Fetching, ecosystem: str, path: str, name: str) -> Fetched:
    """The ecosystem's zip. Not asked for with what is known of it: the list has changed, and it may lag behind."""
    found = fetching.remote.fetch(
        f"{fetching.address}/{path}/all.zip",
        fetching.folder / name / "all.zip",
        limit=FILE_LIMIT,
        progress=lambda done, of: fetching.report(f"{ecosystem} all.zip", done, of),
    )
    assert isinstance(found, Fetched)
    return found


_LINE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)Z,([^,\r\n]{1,200})(?:\r?\n)?"
)
"""A moment in UTC, with as many decimals as it takes, and an id. Without the Z such moments sort as texts."""
_LINE_LIMIT = 512


def read_listing(path: Path, cursor: str) -> tuple[set[str], list[str], str]:
    """Ids that a modified_id.csv lists, those that changed after the cursor, and the newest moment, which is a cursor.

    Raises FeedBroken where a line is none (google.github.io/osv.dev/data, `modified_id.csv`)."""
    ids: set[str] = set()
    changed: dict[str, None] = {}
    newest = cursor
    with path.open(encoding="utf-8", errors="replace") as lines:
        while line := lines.readline(_LINE_LIMIT):
            match = _LINE.fullmatch(line)
            if match is None or not is_id(match[2]):
                raise FeedBroken(f"{path.name} has a line that is none: {line[:80]!r}")
            ids.add(match[2])
            if len(ids) > LISTED_LIMIT:
                raise FeedBroken(f"{path.name} lists over {LISTED_LIMIT} records")
            if match[1] > cursor:
                changed[match[2]] = None
                newest = max(newest, match[1])
    return ids, list(changed), newest


_CHANGES, _DELETIONS = "changes.csv", "deletions.csv"
_VEX = "vex"
"""Name of the cursor."""
_ARCHIVE = re.compile(r"csaf_vex_([0-9]{4}-[0-9]{2}-[0-9]{2})\.tar\.zst\s*")
_DOCUMENT = re.compile(
    r'"([0-9]{4}/cve-[0-9]{4}-[0-9]{4,19}\.json)","([0-9]{4}-[0-9T:.-]{1,32}(?:Z|[+-][0-9]{2}:[0-9]{2}))"(?:\r?\n)?'
)
"""`"2024/cve-2024-1000.json","2025-12-06T10:00:00+00:00"`."""


def _redhat(fetching: Fetching) -> Update:
    """A directory of CSAF: changes.csv has every document (CSAF 2.0, 7.1.13). deletions.csv is Red Hat's own."""
    lists = _lists(fetching)
    if lists is None:
        return Update()
    (changes, _), (deletions, _) = lists
    gone = read_documents(deletions)
    # What is gone stays in the list of changes, and what came again in that of deletions.
    there = {name: moment for name, moment in read_documents(changes).items() if moment > gone.get(name, "")}
    if not there:
        raise FeedBroken(f"{_CHANGES} lists no document that is not gone")
    cursor = fetching.cursors.get(_VEX, "")
    due = sorted((moment, name) for name, moment in there.items() if moment > cursor)
    still = fetching.folder / "ids.txt"
    still.write_text("\n".join(sorted(map(_cve, there))), encoding="utf-8")
    paths: tuple[Path, ...] = ()
    missing: tuple[str, ...] = ()
    whole = _newer_archive(fetching, cursor) if not cursor or len(due) > _FEW_DOCUMENTS else None
    if whole is not None:
        name, reached = whole
        paths = (fetching.anew(name, "archive.tar.zst")[0],)
    else:
        # The oldest first, so that the cursor says what is loaded wherever that ends.
        reached = due[:_FEW_DOCUMENTS][-1][0] if due else cursor
        wanted = {_cve(name): name for moment, name in due if moment <= reached}
        paths, missing = fetching.each("changed documents", fetching.folder / "changed", wanted, DOCUMENT_LIMIT)
        if missing:
            # Once more the next time, with what changed since.
            first = min(there[wanted[name]] for name in missing)
            reached = max((moment for moment, _ in due if moment < first), default=cursor)
    step = fetching.step(*paths, listing=str(still), missing=missing)
    # As long as something is due the lists are read again, whether they change or not.
    read = not missing and (not due or due[-1][0] <= reached)
    # A date in the future would hide all that changes until then.
    cursor = min(reached, _place(fetching.now))
    return Update((Part(step, tuple(loaded for _, loaded in lists) if read else (), (_VEX, cursor)),))


def _lists(fetching: Fetching) -> tuple[tuple[Path, Loaded], tuple[Path, Loaded]] | None:
    """Changes and deletions, both where one of them is new."""
    changes = fetching.file(_CHANGES, _CHANGES, LIST_LIMIT)
    ask = fetching.file if changes is None else fetching.anew
    deletions = ask(_DELETIONS, _DELETIONS, LIST_LIMIT)
    return None if deletions is None else (changes or fetching.anew(_CHANGES, _CHANGES, LIST_LIMIT), deletions)


def _newer_archive(fetching: Fetching, cursor: str) -> tuple[str, str] | None:
    """Name of the newest archive, and up to when it has what changed; None where that is loaded already."""
    latest = "archive_latest.txt"
    match = _ARCHIVE.fullmatch(fetching.remote.text(f"{fetching.address}/{latest}", MIB))
    if match is None:
        raise FeedBroken(f"{latest} names no archive")
    # Made at some time of that day: what changed on it is fetched once more.
    day = _moment(match[1] + "T00:00:00Z", latest)
    return (match[0].strip(), day) if day > cursor else None


def _cve(name: str) -> str:
    """The id of the document of this name: `2024/cve-2024-1000.json`."""
    return name[5:-5].upper()


def read_documents(path: Path) -> dict[str, str]:
    """Names of documents that a changes.csv or deletions.csv lists, to the newest moment of each.

    Raises FeedBroken where a line is none."""
    found: dict[str, str] = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        while line := lines.readline(_LINE_LIMIT):
            match = _DOCUMENT.fullmatch(line)
            if match is None:
                raise FeedBroken(f"{path.name} has a line that is none: {line[:80]!r}")
            found[match[1]] = max(found.get(match[1], ""), _moment(match[2], path.name))
            if len(found) > LISTED_LIMIT:
                raise FeedBroken(f"{path.name} lists over {LISTED_LIMIT} documents")
    return found


def _moment(text: str, where: str) -> str:
    """RFC 3339, to UTC. Raises FeedBroken for what is no moment."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError) as error:
        raise FeedBroken(f"{where} has a moment that is none: {text}") from error


FEEDS: dict[str, Feed] = {
    "osv": Feed("https://osv-vulnerabilities.storage.googleapis.com", _osv),
    "debian": Feed("https://security-tracker.debian.org/tracker/data/json", _one_file("tracker.json")),
    "alpine": Feed("https://secdb.alpinelinux.org", _alpine),
    "wolfi": Feed("https://packages.wolfi.dev/os/security.json", _one_file("wolfi.json")),
    "chainguard": Feed("https://packages.cgr.dev/chainguard/security.json", _one_file("chainguard.json")),
    "redhat": Feed("https://security.access.redhat.com/data/csaf/v2/vex", _redhat),
    "amazon": Feed("https://cdn.amazonlinux.com", _amazon),
    "oracle": Feed("https://linux.oracle.com/security/oval/com.oracle.elsa-all.xml.bz2", _one_file("oracle.xml.bz2")),
    "photon": Feed("https://packages.broadcom.com/photon/photon_cve_metadata", _photon),
    "nodejs": Feed(
        "https://raw.githubusercontent.com/nodejs/security-wg/main/vuln/core/index.json", _one_file("nodejs.json")
    ),
    "nvd": Feed("https://nvd.nist.gov/feeds/json/cve/2.0", _nvd),
    "kev": Feed(
        "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json", _one_file("kev.json")
    ),
    "epss": Feed("https://epss.empiricalsecurity.com/epss_scores-current.csv.gz", _one_file("epss.csv.gz")),
    "endoflife": Feed("https://endoflife.date/api", _endoflife),
}
"""In the order in which they are taken."""


def fetch(feed: str, fetching: Fetching) -> Update:
    """What is new in the feed. Raises RemoteError and FeedBroken; nothing is taken then."""
    return FEEDS[feed].fetch(fetching)
