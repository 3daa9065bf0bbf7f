"""Building a generation in a process of its own: what is taken, what is rejected, and how it may end."""

from __future__ import annotations

import gzip
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hullwise.advisories import building
from hullwise.advisories.building import BuildFailed, Built, Limits, Outcome, Request, Step
from hullwise.advisories.generation import Generation
from hullwise.domain.enrichment import Enrichment
from tests.support.advisories import osv, write
from tests.support.feeds import builds, encoded, tarred, vex, vex_name, zipped

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MIB = 1 << 20


def request(folder: Path, *steps: Step, **more: Any) -> Request:
    chosen = {
        "parent": os.getpid(),
        "path": str(folder / "new.sqlite"),
        "enrichment": str(folder / "beside"),
        "now": NOW,
    }
    return Request(steps=steps, **{**chosen, **more})


def guarded(feed: str, *paths: Path, **more: Any) -> Step:
    return Step(feed=feed, paths=tuple(map(str, paths)), guarded=True, **more)


def put(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path


def tracker(count: int) -> bytes:
    """Debian's tracker with so many issues of one package."""
    release = {"bookworm": {"status": "open", "urgency": "low"}}
    return encoded({"expat": {f"CVE-2025-{number + 1000}": {"releases": release} for number in range(count)}})


def archive(*ids: str) -> bytes:
    return zipped({f"{name}.json": encoded(osv(name, "flask")) for name in ids})


def run(folder: Path, *steps: Step, base: Path | None = None) -> tuple[Built, Enrichment]:
    return building.build(request(folder, *steps, base="" if base is None else str(base)))


def based(folder: Path, *steps: Step) -> Path:
    """A generation of these steps, to begin with."""
    run(folder, *steps)
    return (folder / "new.sqlite").rename(folder / "base.sqlite")


def held(path: Path) -> list[str]:
    """Ids of the records of a generation, in order."""
    database = sqlite3.connect(path)
    try:
        return [name for (name,) in database.execute("SELECT record FROM records ORDER BY record")]
    finally:
        database.close()


def failures(built: Built) -> dict[str, str]:
    return {outcome.feed: outcome.failure for outcome in built.outcomes if outcome.failure}


def test_a_build_takes_its_steps_and_leaves_one_file(tmp_path: Path) -> None:
    """The generation lies at its path under its digest, what stands beside is handed over, and nothing else stays."""
    (tmp_path / "out").mkdir()
    records = write(tmp_path / "osv", osv("PYSEC-2025-1", "flask"), osv("PYSEC-2025-2", "jinja2"))
    epss = put(
        tmp_path / "epss.csv",
        b"#model_version:v2025.03.14,score_date:2025-12-20T00:00:00Z\ncve,epss,percentile\nCVE-2025-1000,0.5,0.9\n",
    )
    built, enrichment = run(tmp_path / "out", guarded("osv", records), guarded("epss", epss))
    with Generation(tmp_path / "out" / "new.sqlite") as generation:
        assert (generation.digest, generation.record_count) == (built.digest, 2)
    assert built.outcomes == (Outcome(feed="osv", documents=2, taken=2), Outcome(feed="epss", documents=1, taken=1))
    assert [(score.cve, score.score, score.percentile) for score in enrichment.scores] == [("CVE-2025-1000", 0.5, 0.9)]
    assert enrichment.scores_as_of == "2025-12-20T00:00:00Z"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new.sqlite"]


HTML = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"
HALF = tracker(9)[:-5]
BAD_GZIP = b"\x1f\x8b\x08\x00garbage that is no deflate stream"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        pytest.param("tracker.json", HTML, id="a page"),
        pytest.param("tracker.json", HALF, id="half a document"),
        pytest.param("tracker.json", b"{}", id="an empty object"),
        pytest.param("tracker.json", b"", id="nothing"),
        pytest.param("tracker.json", b"[]", id="an empty list"),
        pytest.param("tracker.json", encoded({"expat": {}}), id="no issue"),
        pytest.param("tracker.json.gz", BAD_GZIP, id="a wrong gzip"),
        pytest.param("tracker.json", b"[" * 100_000, id="brackets"),
    ],
)
def test_a_broken_document_costs_its_own_step(tmp_path: Path, name: str, body: bytes) -> None:
    """It is rejected with its name, what was held of it stays, and the steps before and after it are taken."""
    base = based(tmp_path, guarded("debian", put(tmp_path / "good.json", tracker(3))))
    one, two = write(tmp_path / "one", osv("PYSEC-2025-1", "flask")), write(tmp_path / "two", osv("GO-2025-1", "x"))
    broken = put(tmp_path / name, body)
    built, _ = run(tmp_path, guarded("a", one), guarded("debian", broken), guarded("b", two), base=base)
    assert [outcome.taken for outcome in built.outcomes] == [1, 0, 1]
    assert list(failures(built)) == ["debian"]
    assert name in built.outcomes[1].failure
    assert held(tmp_path / "new.sqlite") == [
        "CVE-2025-1000", "CVE-2025-1001", "CVE-2025-1002", "GO-2025-1", "PYSEC-2025-1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        pytest.param(100, 80, True, id="a fifth may go"),
        pytest.param(100, 79, False, id="more may not"),
        pytest.param(50, 5, True, id="of few any share may go"),
        pytest.param(51, 40, False, id="of some not"),
        pytest.param(100, 400, True, id="more may come"),
    ],
)
def test_a_source_that_shrinks(tmp_path: Path, before: int, after: int, taken: bool) -> None:
    """A source stated whole that lost more than a fifth of over fifty records is taken for broken."""
    base = based(tmp_path, guarded("debian", put(tmp_path / "old.json", tracker(before))))
    built, _ = run(tmp_path, guarded("debian", put(tmp_path / "new.json", tracker(after))), base=base)
    assert len(held(tmp_path / "new.sqlite")) == (after if taken else before)
    expected = {} if taken else {"debian": f"debian-tracker would shrink from {before} to {after} records"}
    assert failures(built) == expected


def test_a_source_does_not_vanish(tmp_path: Path) -> None:
    """A list that is empty all of a sudden is rejected, however short it was."""

    def secdb(*packages: dict[str, Any]) -> bytes:
        return encoded({"reponame": "os", "urlprefix": "https://packages.wolfi.dev", "packages": packages})

    fixed = {"pkg": {"name": "expat", "secfixes": {"2.6.3-r0": ["CVE-2024-45490"]}}}
    base = based(tmp_path, guarded("wolfi", put(tmp_path / "old.json", secdb(fixed))))
    empty = put(tmp_path / "new.json", secdb())
    for sparse, why in ((True, "wolfi-secdb would lose all of its 1 records"), (False, "it names nothing: new.json")):
        built, _ = run(tmp_path, guarded("wolfi", empty, sparse=sparse), base=base)
        assert failures(built) == {"wolfi": why}
        assert held(tmp_path / "new.sqlite") == ["CVE-2024-45490"]


def test_a_repository_may_never_have_had_a_fix(tmp_path: Path) -> None:
    """Alpine 3.3's community repository names none, with an empty text for its list (secdb, v3.3/community.json)."""
    said = {"distroversion": "v3.3", "reponame": "community", "urlprefix": "https://dl-cdn.alpinelinux.org/alpine"}
    empty = put(tmp_path / "community.json", encoded({**said, "packages": ""}))
    built, _ = run(tmp_path, guarded("alpine", empty, sparse=True))
    assert built.outcomes == (Outcome(feed="alpine", documents=1),)


def test_one_ecosystem_of_many_does_not_shrink_unseen(tmp_path: Path) -> None:
    """Half of one ecosystem's records is too much to lose, although it is little of all of OSV's."""
    other = write(tmp_path / "npm", *(osv(f"GHSA-{number}", f"p{number}", ecosystem="npm") for number in range(500)))
    ids = [f"PYSEC-2025-{number}" for number in range(60)]
    whole = put(tmp_path / "whole.zip", archive(*ids))
    base = based(tmp_path, guarded("osv", other), guarded("osv", whole, namespaces=("pypi",)))
    half = put(tmp_path / "half.zip", archive(*ids[:30]))
    built, _ = run(tmp_path, guarded("osv", half, namespaces=("pypi",)), base=base)
    assert failures(built) == {"osv": "osv pypi would shrink from 60 to 30 records"}
    assert len(held(tmp_path / "new.sqlite")) == 560


def test_what_osv_no_longer_lists_is_gone(tmp_path: Path) -> None:
    """A record that is neither in the whole zip nor in the list goes; other ecosystems' and other sources' stay."""
    go = write(tmp_path / "go", osv("GO-2025-1", "example.org/x", ecosystem="Go"))
    base = based(
        tmp_path,
        guarded("osv", go),
        guarded("debian", put(tmp_path / "tracker.json", tracker(1))),
        guarded("osv", put(tmp_path / "all.zip", archive("PYSEC-1", "PYSEC-2", "PYSEC-3")), namespaces=("pypi",)),
    )
    whole = put(tmp_path / "whole.zip", archive("PYSEC-1", "PYSEC-2"))
    built, _ = run(tmp_path, guarded("osv", whole, namespaces=("pypi",)), base=base)
    assert (built.outcomes[0].removed, built.outcomes[0].failure) == (1, "")
    assert held(tmp_path / "new.sqlite") == ["CVE-2025-1000", "GO-2025-1", "PYSEC-1", "PYSEC-2"]
    listing = put(tmp_path / "ids.txt", b"PYSEC-2\nPYSEC-9\n")
    built, _ = run(tmp_path, guarded("osv", listing=str(listing), namespaces=("pypi",)), base=base)
    assert (built.outcomes[0].removed, built.outcomes[0].failure) == (2, "")
    assert held(tmp_path / "new.sqlite") == ["CVE-2025-1000", "GO-2025-1", "PYSEC-2"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(HTML, id="a page"),
        pytest.param(zipped({}), id="an empty zip"),
        pytest.param(archive("PYSEC-1", "PYSEC-2")[:-30], id="a zip without its end"),
        pytest.param(encoded(osv("PYSEC-1", "flask")), id="a record"),
        pytest.param(zipped({"PYSEC-1.json": HTML, "PYSEC-2.json": HTML}), id="pages in a zip"),
    ],
)
def test_a_zip_that_is_none_removes_nothing(tmp_path: Path, body: bytes) -> None:
    """What cannot be read says nothing of which records there still are."""
    base = based(tmp_path, guarded("osv", put(tmp_path / "all.zip", archive("PYSEC-1", "PYSEC-2"))))
    built, _ = run(tmp_path, guarded("osv", put(tmp_path / "new.zip", body), namespaces=("pypi",)), base=base)
    assert list(failures(built)) == ["osv"]
    assert held(tmp_path / "new.sqlite") == ["PYSEC-1", "PYSEC-2"]


def test_names_in_a_zip_lead_nowhere(tmp_path: Path) -> None:
    """Members named with `..` or from the root are read like others, and no file comes to be."""
    (tmp_path / "out").mkdir()
    names = ("../../PYSEC-1.json", "/PYSEC-2.json", "..\\PYSEC-3.json")
    body = zipped({name: encoded(osv(f"PYSEC-{number}", "flask")) for number, name in enumerate(names, 1)})
    run(tmp_path / "out", guarded("osv", put(tmp_path / "all.zip", body)))
    assert held(tmp_path / "out" / "new.sqlite") == ["PYSEC-1", "PYSEC-2", "PYSEC-3"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["all.zip", "new.sqlite", "out"]
    assert not list(tmp_path.parent.glob("PYSEC*"))


def test_a_bomb_costs_its_own_step(tmp_path: Path) -> None:
    """A member that unpacks to more memory than there is is rejected; the other steps are taken."""
    bomb = put(tmp_path / "all.zip", zipped({"PYSEC-1.json": b"{" + b" " * (300 * MIB)}))
    assert bomb.stat().st_size < MIB
    good = put(tmp_path / "good.zip", archive("PYSEC-2"))
    limits = Limits(memory_bytes=256 * MIB)
    built, _ = building.build(request(tmp_path, guarded("osv", bomb), guarded("other", good), limits=limits))
    assert failures(built) == {"osv": "reading it took more memory than it may"}
    assert held(tmp_path / "new.sqlite") == ["PYSEC-2"]


def kev(*cves: str) -> bytes:
    entries = [{"cveID": cve, "dateAdded": "2025-12-01"} for cve in cves]
    return encoded({"catalogVersion": "1", "dateReleased": "2025-12-20T00:00:00Z", "vulnerabilities": entries})


def test_what_stands_beside_does_not_shrink_either(tmp_path: Path) -> None:
    """A catalogue that lost more than a fifth is rejected, and nothing of it is handed over; others are."""
    cves = [f"CVE-2025-{number}" for number in range(1000, 1079)]
    endings = put(tmp_path / "debian.json", encoded([{"cycle": "12", "eol": "2026-06-10"}]))
    catalogue = put(tmp_path / "kev.json", kev(*cves))
    built, enrichment = run(tmp_path, guarded("kev", catalogue, held=100), guarded("endoflife", endings))
    assert failures(built) == {"kev": "kev would shrink from 100 to 79 records"}
    assert enrichment.exploited == ()
    assert [each.release for each in enrichment.lifecycles] == ["12"]
    put(catalogue, kev(*cves, "CVE-2025-2000"))
    built, enrichment = run(tmp_path, guarded("kev", catalogue, held=100))
    assert (built.outcomes[0].taken, len(enrichment.exploited)) == (80, 80)


def test_a_listed_record_that_is_not_there_is_told(tmp_path: Path) -> None:
    """It counts as a document that cannot be read, and what is held of it stays; alone it rejects the step."""
    base = based(tmp_path, guarded("osv", put(tmp_path / "all.zip", archive("PYSEC-1", "PYSEC-2"))))
    listing = str(put(tmp_path / "ids.txt", b"PYSEC-1\nPYSEC-2\nPYSEC-3\n"))
    listed = {"listing": listing, "namespaces": ("pypi",), "missing": ("PYSEC-2",)}
    new = write(tmp_path / "changed", osv("PYSEC-3", "flask"))
    built, _ = run(tmp_path, guarded("osv", new, **listed), base=base)
    assert (built.outcomes[0].taken, built.outcomes[0].unreadable) == (1, (("PYSEC-2", "is listed and not there"),))
    assert held(tmp_path / "new.sqlite") == ["PYSEC-1", "PYSEC-2", "PYSEC-3"]
    built, _ = run(tmp_path, guarded("osv", **listed), base=base)
    assert failures(built) == {"osv": "nothing of it can be read: PYSEC-2: is listed and not there"}


def documents(*cves: str, fix: str = "2.5.0-3.el9", moment: str = "2025-11-20T10:00:00+00:00") -> dict[str, bytes]:
    """Red Hat's, by name."""
    return {vex_name(cve): encoded(vex(cve, fix, moment)) for cve in cves}


def listing(folder: Path, *cves: str) -> dict[str, str]:
    return {"listing": str(put(folder / "ids.txt", "\n".join(cves).encode()))}


def test_what_red_hat_no_longer_lists_is_gone(tmp_path: Path) -> None:
    """A record that is not in the list goes, whatever it speaks of and whichever way it came; one that the archive
    still has, too. Other sources' records stay."""
    first, second, third = "CVE-2025-1001", "CVE-2025-1002", "CVE-2025-1003"
    base = based(
        tmp_path,
        guarded("debian", put(tmp_path / "tracker.json", tracker(1))),
        Step(feed="import", paths=(str(put(tmp_path / "hand.json", documents(third)[vex_name(third)])),)),
    )
    archive = put(tmp_path / "archive.tar", tarred(documents(first, second)))
    built, _ = run(tmp_path, guarded("redhat", archive, **listing(tmp_path, first, "CVE-2025-2000")), base=base)
    assert (built.outcomes[0].removed, built.outcomes[0].failure) == (2, "")
    assert held(tmp_path / "new.sqlite") == ["CVE-2025-1000", first]


def test_a_document_of_red_hat_may_come_to_name_nothing(tmp_path: Path) -> None:
    """Its record goes; one that named nothing from the beginning is counted, and no failure."""
    base = based(tmp_path, guarded("redhat", put(tmp_path / "old.tar", tarred(documents("CVE-2025-1001")))))
    changed = put(tmp_path / "new.tar", tarred(documents("CVE-2025-1001", "CVE-2025-1002", fix="")))
    built, _ = run(tmp_path, guarded("redhat", changed, **listing(tmp_path, "CVE-2025-1001")), base=base)
    assert built.outcomes == (
        Outcome(feed="redhat", documents=2, removed=1, unused={"product that is no plain release": 2}),
    )


def test_red_hat_does_not_shrink_unseen(tmp_path: Path) -> None:
    """A list that lost more than a fifth of what is held is rejected; one beside which as much came is not."""
    cves = [f"CVE-2025-{number}" for number in range(1000, 1100)]
    base = based(tmp_path, guarded("redhat", put(tmp_path / "all.tar", tarred(documents(*cves)))))
    built, _ = run(tmp_path, guarded("redhat", **listing(tmp_path, *cves[:79])), base=base)
    assert failures(built) == {"redhat": "redhat would shrink from 100 to 79 records"}
    assert len(held(tmp_path / "new.sqlite")) == 100
    others = [f"CVE-2024-{number}" for number in range(1000, 1100)]
    archive = put(tmp_path / "others.tar", tarred(documents(*others)))
    built, _ = run(tmp_path, guarded("redhat", archive, **listing(tmp_path, *others)), base=base)
    assert failures(built) == {}
    assert held(tmp_path / "new.sqlite") == others


@pytest.mark.parametrize("end", [-3 * 512, -10_000, 20])
def test_a_tar_that_ends_early_is_rejected(tmp_path: Path, end: int) -> None:
    """What it did not come to would not be asked for again: nothing of it is taken. Who imports it by hand is told,
    and has what could be read."""
    body = tarred(documents("CVE-2025-1001", *(f"CVE-2025-{number}" for number in range(2000, 2010))))
    good = based(tmp_path, guarded("redhat", put(tmp_path / "good.tar", tarred(documents("CVE-2025-1000")))))
    cut = put(
        tmp_path / "archive.tar.gz", gzip.compress(body)[:end] if end > 0 else body[: len(body.rstrip(b"\0")) + end]
    )
    built, _ = run(tmp_path, guarded("redhat", cut), base=good)
    assert list(failures(built)) == ["redhat"]
    assert held(tmp_path / "new.sqlite") == ["CVE-2025-1000"]
    if end < 0:
        assert failures(built)["redhat"] == "it cannot be read to its end: archive.tar.gz: tar ends early"
        built, _ = run(tmp_path, Step(feed="import", paths=(str(cut),)), base=good)
        assert (built.outcomes[0].failure, "CVE-2025-1001" in held(tmp_path / "new.sqlite")) == ("", True)


# How it may end


def gone(folder: Path, **more: Any) -> str:
    """Why a build over a folder of documents failed; nothing may be left of it."""
    before = sorted(path.name for path in folder.iterdir())
    steps = more.pop("steps", (guarded("osv", folder / "documents"),))
    with pytest.raises(BuildFailed) as failed:
        building.build(request(folder, *steps, **more))
    assert sorted(path.name for path in folder.iterdir()) == before
    return str(failed.value)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A folder whose `documents` take seconds to read."""
    (tmp_path / "documents").mkdir()
    records = {f"{number}.json": encoded(osv(f"PYSEC-{number}", f"p{number}")) for number in range(30_000)}
    put(tmp_path / "documents" / "all.zip", zipped(records))
    return tmp_path


def test_a_build_that_takes_too_long_ends(many: Path) -> None:
    """Past its CPU time the build fails, and says so."""
    assert gone(many, limits=Limits(cpu_seconds=1)) == "reading the documents took more CPU time than it may"


def test_a_build_that_grows_too_large_ends(tmp_path: Path) -> None:
    """Past the size of its file the build fails, and says so."""
    write(tmp_path / "documents", *(osv(f"PYSEC-{number}", f"p{number}") for number in range(2_000)))
    assert gone(tmp_path, limits=Limits(file_bytes=100_000)) in {"disk I/O error", "database or disk is full"}


def test_a_build_without_memory_ends(tmp_path: Path) -> None:
    """Where there is not even memory to begin with the build fails, and says something."""
    write(tmp_path / "documents", osv("PYSEC-1", "flask"))
    assert "memory" in gone(tmp_path, limits=Limits(memory_bytes=1 * MIB)).lower()


def test_a_build_on_what_is_no_generation_ends(tmp_path: Path) -> None:
    """A base that is none, and a document that is not there, fail the build with their name."""
    write(tmp_path / "documents", osv("PYSEC-1", "flask"))
    base = put(tmp_path / "base.sqlite", b"not a database")
    assert "base.sqlite" in gone(tmp_path, base=str(base))
    assert "nowhere.json" in gone(tmp_path, steps=(guarded("osv", tmp_path / "nowhere.json"),))


def test_a_build_whose_parent_has_ended_ends(tmp_path: Path) -> None:
    """A child that finds another parent than the one that asked goes at once: nobody waits for what it makes."""
    write(tmp_path / "documents", osv("PYSEC-1", "flask"))
    assert gone(tmp_path, parent=1).endswith("the parent 1 has ended")


def test_progress_that_raises_ends_the_build(many: Path) -> None:
    """An interrupt goes up as it is, after the child has ended and left nothing."""

    def interrupted(done: int, of: int) -> None:
        raise KeyboardInterrupt

    before = sorted(path.name for path in many.iterdir())
    with pytest.raises(KeyboardInterrupt):
        building.build(request(many, guarded("osv", many / "documents")), interrupted)
    assert sorted(path.name for path in many.iterdir()) == before
    assert builds() == []


class Running:
    """A build that waits for a document that does not come."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fifo = folder / "document.json"
        self.failure = ""
        os.mkfifo(self.fifo)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.pid = self._wait()

    def _run(self) -> None:
        try:
            building.build(request(self.folder, guarded("osv", self.fifo)))
        except BuildFailed as error:
            self.failure = str(error)

    def _wait(self) -> int:
        deadline = time.monotonic() + 90
        while not (self.folder / "new.sqlite.partial").exists():
            assert time.monotonic() < deadline
            assert self._thread.is_alive(), self.failure
            time.sleep(0.01)
        (pid,) = builds()
        return pid

    def end(self) -> str:
        """Why it failed, after it was killed."""
        os.kill(self.pid, signal.SIGKILL)
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.failure


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    found = Running(folder)
    try:
        yield found
    finally:
        if not found.failure:
            found.end()


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux_only
def test_a_killed_build_leaves_nothing(tmp_path: Path) -> None:
    """SIGKILL in the middle fails the build and says so; neither a generation nor a part of one lies there."""
    with running(tmp_path) as build:
        assert build.end() == "the process that read the documents was ended by SIGKILL"
    assert [path.name for path in tmp_path.iterdir()] == ["document.json"]


@linux_only
def test_a_build_sees_no_keys(tmp_path: Path) -> None:
    """Of our environment, the child has what an interpreter needs to find its parts and nothing else."""
    keys = {"HULLWISE_SECRET_KEY": "sealed", "AWS_SECRET_ACCESS_KEY": "wJalr", "OTHER_TOKEN": "t"}
    os.environ.update(keys)
    try:
        with running(tmp_path) as build:
            environment = Path(f"/proc/{build.pid}/environ").read_bytes().split(b"\0")
            command = Path(f"/proc/{build.pid}/cmdline").read_bytes()
    finally:
        for name in keys:
            del os.environ[name]
    names = {item.partition(b"=")[0] for item in environment if item}
    assert names <= {b"PATH", b"LD_LIBRARY_PATH", b"PYTHONPATH", b"TMPDIR", b"MALLOC_ARENA_MAX"}
    assert b"sealed" not in command


def _namespaces() -> bool:
    """Whether this user may make a network namespace here."""
    code = "import ctypes, sys; sys.exit(0 not in (ctypes.CDLL(None).unshare(f) for f in (0x40000000, 0x50000000)))"
    return sys.platform == "linux" and subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.skipif(not _namespaces(), reason="the system allows no network namespace")
def test_a_build_has_no_network(tmp_path: Path) -> None:
    """The child's network is another than ours, and has no interface but a loopback that is down."""
    with running(tmp_path) as build:
        assert Path(f"/proc/{build.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        devices = Path(f"/proc/{build.pid}/net/dev").read_text().splitlines()[2:]
    assert [line.partition(":")[0].strip() for line in devices] == ["lo"]


@linux_only
def test_a_build_may_not_gain_rights(tmp_path: Path) -> None:
    """The child runs under limits and can gain no privileges (prctl(2), PR_SET_NO_NEW_PRIVS)."""
    with running(tmp_path) as build:
        status = Path(f"/proc/{build.pid}/status").read_text()
        limits = Path(f"/proc/{build.pid}/limits").read_text()
    assert "NoNewPrivs:\t1" in status
    found = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert found["Max address space"] == str(Limits().memory_bytes)
    assert found["Max cpu time"] == str(Limits().cpu_seconds)
    assert found["Max core file size"] == "0"


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    """A file whose name is not UTF-8 is read, or named as well as that goes, and does not end the build."""
    (tmp_path / "documents").mkdir()
    path = os.path.join(os.fsencode(tmp_path / "documents"), b"b\xff.json")  # noqa: PTH118
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"{")
    write(tmp_path / "documents", osv("PYSEC-1", "flask"))
    built, _ = run(tmp_path, Step(feed="import", paths=(str(tmp_path / "documents"),)))
    assert (built.outcomes[0].taken, built.outcomes[0].unreadable_count) == (1, 1)
    assert built.outcomes[0].unreadable[0][0] == "b?.json"


def test_a_feed_speaks_for_itself_alone(tmp_path: Path) -> None:
    """A form is told by its content: a feed that answers with another's is rejected whole, and what that one said
    stays."""
    base = based(tmp_path, guarded("osv", put(tmp_path / "osv.json", encoded(osv("CVE-2024-0001", "flask")))))
    withdrawn = encoded(osv("CVE-2024-0001", "flask", withdrawn="2026-01-01T00:00:00Z"))
    poison = put(tmp_path / "poison.json", withdrawn)
    built, _ = run(tmp_path, guarded("kev", poison), guarded("endoflife", poison), base=base)
    assert set(failures(built).values()) == {"it speaks for osv, which is not its own"}
    assert held(tmp_path / "new.sqlite") == ["CVE-2024-0001"]
