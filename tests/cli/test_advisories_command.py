"""`hullwise advisories`: import and status, alone and beside a running server."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hullwise.cli.opening import prepare
from hullwise.settings import load
from tests.cli.conftest import EXPAT, FLASK, JINJA
from tests.support import registry as support
from tests.support.advisories import osv, write
from tests.support.commands import Hullwise, output
from tests.support.images import image, layer, python_packages
from tests.support.registry import Server

TRACKER = {
    "expat": {
        "CVE-2024-45491": {
            "description": "An overflow on 32-bit systems",
            "releases": {
                "bookworm": {"status": "resolved", "fixed_version": "2.5.0-1+deb12u1", "urgency": "not yet assigned"},
                "bullseye": {"status": "undetermined", "urgency": "not yet assigned"},
            },
        },
        "TEMP-0000000-ABCDEF": {"releases": {"bookworm": {"status": "open"}}},
    },
    "zlib": {"CVE-2018-25032": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "0"}}}},
}
SECDB = {
    "distroversion": "v3.19",
    "reponame": "main",
    "urlprefix": "https://dl-cdn.alpinelinux.org/alpine",
    "packages": [
        {"pkg": {"name": "expat", "secfixes": {"2.6.3-r0": ["CVE-2024-45490", "CVE-2024-45491"], "1-r0": ["XSA-1"]}}}
    ],
}


def zipped(path: Path, documents: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, document in documents.items():
            archive.writestr(name, document)
    return path


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_every_form_is_taken_and_counted(hullwise: Hullwise, tmp_path: Path) -> None:
    """Zips, folders, compressed files, the tracker and secdb; each part that is not used is counted by its reason."""
    withdrawn = osv("PYSEC-1", "flask", withdrawn="2026-01-01T00:00:00Z")
    foreign = osv("MAL-1", "thing", ecosystem="Unheard")
    paths = [
        zipped(tmp_path / "all.zip", {"a.json": encoded(JINJA), "b.json": encoded(withdrawn), "c.json": b"{"}),
        write(tmp_path / "folder", EXPAT, foreign),
        tmp_path / "flask.json.gz",
        tmp_path / "tracker.json",
        tmp_path / "main.json",
        tmp_path / "v1.json",
    ]
    paths[2].write_bytes(gzip.compress(encoded(FLASK)))
    paths[3].write_bytes(encoded(TRACKER))
    paths[4].write_bytes(encoded(SECDB))
    paths[5].write_bytes(b'{"versions": [1]}')
    done = hullwise("advisories", "import", *paths)
    # Documents: 3 in the zip, 2 in the folder, 4 files. Records: Jinja2, expat and Flask of OSV, 2 of the tracker, and
    # 2 of secdb.
    lines = output(done).splitlines()
    assert lines[0] == "9 documents read, 7 records taken: generation 2 (new) is in use"
    counted = {line.removeprefix("  not used: ") for line in lines if line.startswith("  not used: ")}
    assert counted == {
        "1 × ecosystem Unheard is not matched",
        "1 × no CVE or GHSA id",
        "1 × temporary id",
        "1 × undetermined",
        "1 × withdrawn",
    }
    at = lines.index("  not readable: 2 documents, such as")
    assert lines[at + 1].startswith("    all.zip:c.json: ")
    assert lines[at + 2].startswith("    v1.json: is of no form that is known, nor is it Debian's tracker: ")
    assert re.fullmatch(r"\d+ package names changed, 0 installed packages were matched again", lines[-1])
    # Bars are for terminals.
    assert "Reading" not in done.stderr
    assert "" not in done.stderr.splitlines()


def sources(status: str) -> dict[str, list[str]]:
    """Of each source that `status` prints: records, age, moment of import, parts not used."""
    pattern = r"  (\S+) +(\d+) records  as of (\S+)  imported (\S+)  (\d+) parts not used"
    found = [re.fullmatch(pattern, line) for line in status.splitlines()[1:]]
    return {match[1]: list(match.groups()[1:]) for match in found if match}


def test_status_says_which_data_is_in_use(hullwise: Hullwise, tmp_path: Path) -> None:
    """Number, records and age of the whole, and of each source; a tracker's age is that of its file."""
    prepare(load({"data": hullwise.home / ".local/share/hullwise"}, {}))
    none = hullwise("advisories", "status")
    assert none.returncode == 1
    assert none.stderr == "hullwise: no advisory data yet; `hullwise serve` begins with the bundled set\n"
    tracker = tmp_path / "tracker.json"
    tracker.write_bytes(encoded(TRACKER))
    moment = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp()
    os.utime(tracker, (moment, moment))
    before = datetime.now(UTC).replace(microsecond=0)
    output(hullwise("advisories", "import", write(tmp_path / "osv", JINJA, EXPAT), tracker))
    said = output(hullwise("advisories", "status"))
    found = sources(said)
    assert sorted(found) == ["debian-tracker", "osv", "starter"]
    assert [found["osv"][0], found["osv"][1], found["osv"][3]] == ["2", "2026-01-02T03:04:05Z", "0"]
    assert [found["debian-tracker"][0], found["debian-tracker"][3]] == ["2", "2"]
    assert datetime.fromisoformat(found["debian-tracker"][1]).timestamp() == moment
    assert before <= datetime.fromisoformat(found["osv"][2]) <= datetime.now(UTC)
    total = sum(int(values[0]) for values in found.values())
    # The whole is as old as the newest part of what was imported.
    assert said.splitlines()[0] == f"advisories: generation 2, {total} records, as of 2026-02-03"


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose advisories only this file changes."""
    with support.server(tmp_path_factory.mktemp("own") / "data") as found:
        yield found


def head(server: Server) -> dict[str, Any]:
    """What the data folder says is in use."""
    found: dict[str, Any] = json.loads((server.data / "advisories" / "head.json").read_bytes())
    return found


def scanned(server: Server, repository: str, **versions: str) -> list[str]:
    """Names of what a scan on push to a new repository finds in an image of Python packages."""
    server.client().create_repository(repositoryName=repository, imageScanningConfiguration={"scanOnPush": True})
    server.push(repository, image([layer(python_packages(**versions))]))
    found = server.wait_for_scan(repository)
    assert found["imageScanStatus"]["status"] == "COMPLETE"
    return [finding["name"] for finding in found["imageScanFindings"]["findings"]]


def test_an_import_reaches_a_running_server(own_server: Server, tmp_path: Path) -> None:
    """What a package was not known for when it was first scanned is there in the next scan, in another repository."""
    assert scanned(own_server, "before/app", sampleproject="1.0") == []
    advisories = write(tmp_path / "advisories", osv("PYSEC-2026-1", "sampleproject", fixed="1.1"))
    lines = output(own_server.run("advisories", "import", str(advisories))).splitlines()
    assert lines[0] == "1 documents read, 1 records taken: generation 2 (new) is in use"
    assert lines[-1] == "1 package names changed, 1 installed packages were matched again"
    assert scanned(own_server, "after/app", sampleproject="1.0") == ["PYSEC-2026-1"]
    frozen = own_server.client().describe_image_scan_findings(
        repositoryName="before/app", imageId={"imageTag": "latest"}
    )
    assert frozen["imageScanFindings"]["findings"] == []
    again = output(own_server.run("advisories", "import", str(advisories))).splitlines()
    assert again[0] == "1 documents read, 1 records taken: generation 2 (unchanged) is in use"


def test_an_import_of_nothing_changes_nothing(own_server: Server, tmp_path: Path) -> None:
    """Where no record is taken the command fails, says why, and the data that was in use stays."""
    before = head(own_server)
    (tmp_path / "broken.json").write_bytes(b"{")
    write(tmp_path, osv("MAL-1", "thing", ecosystem="Unheard"))
    done = own_server.run("advisories", "import", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    said = done.stderr[done.stderr.index("hullwise: ") :].splitlines()
    assert said[0] == "hullwise: 2 documents read, 0 records taken: nothing was taken"
    assert said[1] == "  not used: 1 × ecosystem Unheard is not matched"
    assert said[2] == "  not readable: 1 documents, such as"
    assert said[3].startswith("    broken.json: ")
    assert head(own_server) == before
    (tmp_path / "empty").mkdir()
    done = own_server.run("advisories", "import", str(tmp_path / "empty"))
    assert done.returncode == 1
    assert "0 documents read, 0 records taken: nothing was taken" in done.stderr
    assert head(own_server) == before


def test_an_import_that_was_killed_changes_nothing(own_server: Server, hullwise: Hullwise, tmp_path: Path) -> None:
    """The server goes on with what it had, what was half made is cleared away, and the next import works."""
    records = {f"{number}.json": encoded(osv(f"PYSEC-3-{number}", f"package-{number}")) for number in range(20_000)}
    path = zipped(tmp_path / "many.zip", records | {"last.json": encoded(osv("PYSEC-2026-2", "otherproject"))})
    before = head(own_server)
    folder = own_server.data / "advisories"
    importing = hullwise.start("advisories", "import", path, "--data", own_server.data)
    deadline = time.monotonic() + 60
    while not any(file.stat().st_size > 100_000 for file in folder.glob("building-*")):
        assert importing.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    importing.kill()
    importing.communicate()
    assert importing.returncode == -signal.SIGKILL
    assert [file.name for file in folder.glob("building-*")] != []
    assert head(own_server) == before
    assert scanned(own_server, "killed/app", otherproject="1.0") == []
    done = output(own_server.run("advisories", "import", str(path)))
    assert done.startswith("20001 documents read, 20001 records taken: generation ")
    assert scanned(own_server, "killed/again", otherproject="1.0") == ["PYSEC-2026-2"]
    assert [file.name for file in folder.glob("building-*")] == []


def test_imports_at_once_take_turns(hullwise: Hullwise, tmp_path: Path) -> None:
    """Two imports into an empty data folder: neither fails, and the records of both are in use."""
    one, two = write(tmp_path / "one", JINJA), write(tmp_path / "two", FLASK)
    running = [hullwise.start("advisories", "import", path) for path in (one, two)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert sources(output(hullwise("advisories", "status")))["osv"][0] == "2"
