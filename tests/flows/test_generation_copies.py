"""Copies of generation files on the machines of a registry whose blobs are in a bucket."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hullwise.advisories.copies import Copies, CopyDamaged
from hullwise.advisories.generation import Generation, UnusableGeneration
from hullwise.blobs import keys
from hullwise.blobs.backend import open_storage
from hullwise.blobs.errors import ObjectMissing, StorageUnavailable
from hullwise.domain.scans import ScanStatus
from hullwise.scanning.notes import Notes
from hullwise.store import generations
from hullwise.store.generations import Generation as GenerationRow
from tests.support import registry as support
from tests.support.advisories import osv
from tests.support.faults import Fault, Faults, faults
from tests.support.images import image, layer, python_packages, sha256
from tests.support.postgres import new_database
from tests.support.registry import Registry
from tests.support.s3 import S3Server

NAME = "CVE-2024-0001"


@pytest.fixture
def wire(s3_moto: S3Server) -> Iterator[Faults]:
    with faults(s3_moto) as found:
        yield found


@contextmanager
def machine(folder: Path, url: str, server: S3Server, **settings: int) -> Iterator[Registry]:
    """One of those that share a database and a bucket, which has the name of the folder's parent."""
    place: dict[str, Any] = {"blobs_url": f"{server.url}/{folder.parent.name}", "blobs_options": dict(server.options)}
    with support.registry(folder, url, **place, **settings) as found:
        yield found


@pytest.fixture
def machines(tmp_path: Path, wire: Faults) -> Iterator[tuple[Registry, Registry]]:
    url = new_database(support.migrated_url())
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(machine(tmp_path / name, url, wire.server, generations_kept=1)) for name in "ab"
        )
        yield one, other


def head(registry: Registry) -> GenerationRow:
    with registry.services.database.read() as tx:
        found = generations.get(tx, generations.head_number(tx))
    assert found is not None
    return found


def files(registry: Registry) -> list[str]:
    """What lies in the folder of copies beside the words for the command line."""
    folder = registry.services.generation_folder
    return sorted(each.name for each in folder.iterdir() if each.suffix != ".json") if folder.exists() else []


def scanned(registry: Registry, version: str) -> ScanStatus:
    """How the scan of a new image ends, done on this machine."""
    name = f"app/v{version.replace('.', '-')}"
    stored = registry.push(registry.repository(name), image([layer(python_packages(flask=version))]))
    registry.work()
    return registry.scans_of(stored).latest.status


def test_a_damaged_object_leaves_no_copy(machines: tuple[Registry, Registry]) -> None:
    """An object that is not what its key says is unusable for as long as it is; whole again it is used."""
    one, other = machines
    one.publish(osv(NAME, "flask"))
    row, blobs = head(one), one.services.blobs
    whole = blobs.read(row.object_key, limit=1 << 24)
    blobs.put(row.object_key, whole[: len(whole) // 2])
    assert scanned(other, "1.0") is ScanStatus.FINDINGS_UNAVAILABLE
    with pytest.raises(UnusableGeneration, match="other bytes"):
        other.services.open_generation(row)
    assert files(other) == []
    blobs.put(row.object_key, whole)
    assert scanned(other, "1.1") is ScanStatus.COMPLETE
    assert files(other) == [Path(row.object_key).name]


def test_a_fetch_that_breaks_off_leaves_nothing(machines: tuple[Registry, Registry], wire: Faults) -> None:
    """What came until the connection ended goes; the next fetch succeeds."""
    one, other = machines
    one.publish(osv(NAME, "flask"))
    row = head(one)
    planned = iter([Fault.CUT])
    wire.choose(lambda method, path: next(planned, Fault.DENIED) if "generations" in path else None)
    with pytest.raises(StorageUnavailable):
        other.services.generation_path(row)
    assert files(other) == []
    wire.choose(lambda method, path: None)
    with other.services.open_generation(row) as generation:
        assert generation.digest == row.digest


@pytest.mark.parametrize("damage", ["cut", "emptied", "of another"])
def test_a_copy_that_cannot_be_opened_is_fetched_once_more(machines: tuple[Registry, Registry], damage: str) -> None:
    """Whatever is under its name: who opens it has the generation."""
    one, _ = machines
    one.publish(osv(NAME, "flask"))
    row = head(one)
    path = one.services.generation_path(row)
    data = path.read_bytes()
    path.write_bytes({"cut": data[:5_000], "emptied": b"", "of another": b"SQLite format 3\0" + bytes(5_000)}[damage])
    with one.services.open_generation(row) as generation:
        assert generation.namespaces() == {"pypi"}
    assert path.read_bytes() == data


def test_a_copy_that_is_found_damaged_as_it_is_read_is_replaced(machines: tuple[Registry, Registry]) -> None:
    """Who reads it is told so, and the next has another; a scan goes on with that by itself."""
    one, _ = machines
    one.publish(*(osv(f"CVE-2024-{number:04}", "flask") for number in range(200)))
    row = head(one)
    path = one.services.generation_path(row)
    data = path.read_bytes()
    # The tables' first pages stay: it opens.
    damaged = data[:8_192] + b"\xff" * (len(data) - 8_192)
    path.write_bytes(damaged)
    with pytest.raises(CopyDamaged), one.services.open_generation(row) as generation:
        list(generation.fingerprints())
        generation.candidates("pypi", "flask")
    assert files(one) == []
    one.services.generation_path(row).write_bytes(damaged)
    assert scanned(one, "1.0") is ScanStatus.COMPLETE
    assert path.read_bytes() == data


def test_a_whole_file_of_another_format_is_not_fetched_again(machines: tuple[Registry, Registry], wire: Faults) -> None:
    """What this version cannot read is unusable, however often it is asked for, and the bucket is left alone."""
    one, _ = machines
    one.publish(osv(NAME, "flask"))
    row = head(one)
    folder, services = one.services.generation_folder, one.services
    (folder / "old").write_bytes(b"another format")
    old = replace(row, object_key=keys.generation(sha256(b"another format")))
    (folder / "old").replace(folder / Path(old.object_key).name)
    wire.choose(lambda method, path: Fault.DENIED)
    with pytest.raises(UnusableGeneration):
        services.open_generation(old)
    assert Path(old.object_key).name in files(one)


def test_every_machine_keeps_what_the_settings_say(machines: tuple[Registry, Registry]) -> None:
    """A machine that only scans has no more files than the one that publishes, swept or not; who has one open that goes
    reads on."""
    one, other = machines
    opened = None
    for number in range(5):
        one.publish(*(osv(f"CVE-2024-{each:04}", "flask") for each in range(number + 1)))
        with other.services.open_generation(head(other)):
            assert len(files(other)) <= 3
        opened = opened or other.services.open_generation(head(other))
    assert opened is not None
    other.services.sweep_generations()
    assert files(other) == files(one)
    assert len(files(other)) == 2
    with opened as generation:
        assert generation.record_count == 1


def test_what_the_command_line_scans_with_stays(machines: tuple[Registry, Registry]) -> None:
    """The file that the note of the head names is kept, though the registry keeps it no more."""
    one, other = machines
    other.publish(osv(NAME, "flask"))
    noted = Path(json.loads((other.services.generation_folder / "head.json").read_text())["path"])
    for number in range(3):
        one.publish(osv(NAME, "flask", fixed=f"{number + 2}.0"))
    other.services.sweep_generations()
    assert files(other) == [noted.name]


def noted(registry: Registry) -> tuple[int, Path]:
    """Number and file of the generation that the command line scans with on this machine."""
    said = json.loads((registry.services.generation_folder / "head.json").read_text())
    return said["generation"], registry.services.settings.data / said["path"]


def test_every_machine_notes_the_head(machines: tuple[Registry, Registry]) -> None:
    """Whichever machine published it; the file is there, and one that was lost comes again."""
    one, other = machines
    notes = Notes(other.services)
    notes()
    assert files(other) == []
    for number in range(2):
        one.publish(osv(NAME, "flask", fixed=f"{number + 2}.0"))
        notes()
        found, path = noted(other)
        with Generation(path) as generation:
            assert (found, generation.digest) == (number + 1, head(one).digest)
        assert path.parent == other.services.generation_folder
    path.unlink()
    notes()
    assert noted(other) == (2, path)
    assert path.exists()
    # The same verdicts, of newer sources.
    one.clock.advance(days=1)
    one.publish(osv(NAME, "flask", fixed="3.0"))
    notes()
    assert Path(head(one).object_key).name != path.name
    assert (noted(other)[0], noted(other)[1].name) == (2, Path(head(one).object_key).name)
    (other.services.generation_folder / "head.json").write_text("{")
    notes()
    assert noted(other)[0] == 2


@pytest.mark.parametrize("passed", [{"hours": 1}, {"days": -400}])
def test_a_head_that_is_of_no_use_is_not_noted(
    machines: tuple[Registry, Registry], wire: Faults, passed: dict[str, float]
) -> None:
    """The note stays at the last good one, and the object is left alone for an hour, or until a clock that was ahead is
    set right."""
    one, other = machines
    asked = 0

    def count(method: str, path: str) -> None:
        nonlocal asked
        asked += "generations" in path

    one.publish(osv(NAME, "flask"))
    notes = Notes(other.services)
    notes()
    before = noted(other)
    one.publish(osv(NAME, "flask", fixed="3.0"))
    row, blobs = head(one), one.services.blobs
    whole = blobs.read(row.object_key, limit=1 << 24)
    blobs.put(row.object_key, whole[:-1])
    wire.choose(count)
    notes()
    assert noted(other) == before
    assert asked
    blobs.put(row.object_key, whole)
    asked = 0
    notes()
    assert (noted(other), asked) == (before, 0)
    other.clock.advance(**passed)
    notes()
    assert noted(other)[0] == 2


def test_a_generation_without_a_file_is_missing(machines: tuple[Registry, Registry]) -> None:
    """One whose file is kept no more is told from one that is broken."""
    one, _ = machines
    for number in range(3):
        one.publish(osv(NAME, "flask", fixed=f"{number + 2}.0"))
    with one.services.database.read() as tx:
        first = generations.get(tx, 1)
    assert first is not None and not first.object_key
    with pytest.raises(ObjectMissing):
        one.services.open_generation(first)


FETCH = """
import json, sys
from pathlib import Path
from typing import Any
from hullwise.advisories.copies import Copies
from hullwise.blobs import keys
from hullwise.blobs.backend import open_storage

folder, url, options, key = sys.argv[1:]
storage = open_storage(url, durability="full", options=json.loads(options))
Copies(Path(folder), storage, lambda: [key]).path(key)
"""


def test_what_a_killed_process_left_unfinished_goes(machines: tuple[Registry, Registry], wire: Faults) -> None:
    """A file that a live process of the machine is fetching is left alone; once the process is dead it goes."""
    one, other = machines
    one.publish(osv(NAME, "flask"))
    key, folder = head(one).object_key, other.services.generation_folder
    url, options = other.services.settings.blobs, {**wire.server.options, "capabilities": "moto"}
    wire.choose(lambda method, path: Fault.STALL if "generations" in path else None)
    process = subprocess.Popen([sys.executable, "-c", FETCH, str(folder), url, json.dumps(options), key])
    try:
        assert wire.stalled.wait(60)
        other.services.sweep_generations()
        assert [name.endswith(".partial") for name in files(other)] == [True]
    finally:
        process.kill()
        process.wait()
    other.services.sweep_generations()
    assert files(other) == []
    wire.choose(lambda method, path: None)
    storage = open_storage(url, durability="full", options=options)
    assert Copies(folder, storage, lambda: [key]).path(key).exists()
