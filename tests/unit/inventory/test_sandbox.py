"""Layers read in a process of their own: same answers, same errors, and nothing left behind."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import resource
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hullwise.confinement import Isolation
from hullwise.inventory.errors import (
    AnalysisCrashed,
    DamagedLayer,
    LayerTooLarge,
    LayerUnreadable,
    TruncatedLayer,
)
from hullwise.inventory.layers import LayerInventory
from hullwise.inventory.limits import LayerLimits
from hullwise.inventory.nursery import Nursery
from hullwise.inventory.sandbox import Layer, analyse, isolation

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMITS = LayerLimits()
READERS = ("os-release", "npm")
LINUX = sys.platform == "linux"


def file(path: str, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.size = len(data)
    return info, data


def link(path: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.type, info.linkname = tarfile.LNKTYPE, target
    return info, b""


def layer(*files: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, data in files:
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0)


PACKAGE = b'{"name": "left-pad", "version": "1.3.0"}'
MANIFEST = "app/node_modules/left-pad/package.json"
LAYER = layer(
    file("etc/os-release", b'ID=debian\nVERSION_ID="12"\n'),
    file(MANIFEST, PACKAGE),
    file("app/node_modules/broken/package.json", b"{"),
)
LINKED = layer(file("store/1f", PACKAGE), link(MANIFEST, "store/1f"))


def pieces(blob: bytes, size: int = 100) -> Iterator[bytes]:
    return (blob[at : at + size] for at in range(0, len(blob), size))


def from_file(blob: bytes, folder: Path, limits: LayerLimits = LIMITS, *, isolate: bool = True) -> LayerInventory:
    (folder / "blob").write_bytes(blob)
    with (folder / "blob").open("rb") as stream:
        return analyse(stream.fileno(), READERS, limits, isolate=isolate)


def state_and_parent(pid: int) -> tuple[str, int]:
    """What proc(5) says of a process; state X where there is none."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    return state, int(parent)


def forking(of: int) -> list[int]:
    """Processes that fork readers for this one, which may have others: a server of other tests, a database."""
    pids = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    return [pid for pid in pids if state_and_parent(pid)[1] == of and is_reader(pid)]


def children(of: int) -> list[int]:
    """Processes that read a layer for this one."""
    return [reader for each in forking(of) for reader in forking(each)]


def is_reader(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    # A process that has ended has no command line any more, and only its parent's keep it from being gone.
    return b"hullwise.inventory.child" in words or state_and_parent(pid)[0] in {"X", "Z"}


def ended(pid: int) -> bool:
    """Whether the process runs no longer; it may still wait to be collected."""
    return state_and_parent(pid)[0] in {"X", "Z"}


def confined(pid: int) -> bool:
    """Whether the last of the limits has been set."""
    return resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)


def left_behind() -> tuple[list[int], int, int]:
    """Processes, descriptors and threads of this process."""
    processes = forking(os.getpid()) if LINUX else []
    return processes, len(list(Path("/dev/fd").iterdir())), threading.active_count()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After each of these tests there are no more processes, descriptors or threads than before."""
    before = left_behind()
    yield
    assert left_behind() == before


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, "in 90 seconds"
        time.sleep(0.01)


def test_all_ways_give_the_same_answer(tmp_path: Path) -> None:
    """A descriptor, chunks of any size, and reading in this process all give the same inventory."""
    inventory = from_file(LAYER, tmp_path)
    readings = {reading.path: reading for reading in inventory.readings}
    distribution = readings["etc/os-release"].distribution
    assert distribution is not None
    assert (distribution.id, distribution.version) == ("debian", "12")
    assert [(p.name, p.version) for p in readings[MANIFEST].packages] == [("left-pad", "1.3.0")]
    assert readings["app/node_modules/broken/package.json"].problem
    ways: list[Layer] = [[LAYER], list(pieces(LAYER)), pieces(LAYER), [b"", *pieces(LAYER, 7), b""]]
    assert [analyse(way, READERS, LIMITS) for way in ways] == [inventory] * 4
    assert analyse(pieces(LAYER), READERS, LIMITS, isolate=False) == inventory
    assert from_file(LAYER, tmp_path, isolate=False) == inventory


def test_only_the_readers_that_were_asked_for() -> None:
    """Readers are chosen by name; a name that is none is a mistake of the caller."""
    assert analyse([LAYER], (), LIMITS).readings == ()
    assert {reading.ecosystem for reading in analyse([LAYER], ("npm",), LIMITS).readings} == {"npm"}
    with pytest.raises(KeyError):
        analyse([LAYER], ("cobol",), LIMITS)


@pytest.mark.parametrize(
    ("blob", "limits", "error"),
    [
        (LAYER[:100], LIMITS, TruncatedLayer("inside a gzip member")),
        (LAYER + b"x", LIMITS, DamagedLayer("after a gzip member come bytes that begin no other")),
        (LAYER, LayerLimits(entries=2), LayerTooLarge("entries", 2)),
        (LAYER, LayerLimits(answer_bytes=50), LayerTooLarge("answer_bytes", 50)),
    ],
)
def test_errors_come_through(blob: bytes, limits: LayerLimits, error: LayerUnreadable) -> None:
    """An error of the other process is raised here with the same class, facts and words."""
    with pytest.raises(type(error)) as caught:
        analyse([blob], READERS, limits)
    assert (caught.value.args, str(caught.value)) == (error.args, str(error))


@pytest.mark.parametrize("blob", [LAYER, b"x" * 5_000_000], ids=["before the end", "after it gave up"])
def test_an_error_of_the_source_is_what_the_caller_sees(blob: bytes) -> None:
    """What taking the next chunk raises is raised, not what became of the layer."""

    def source() -> Iterator[bytes]:
        yield blob[:1000]
        raise ConnectionResetError("storage")

    with pytest.raises(ConnectionResetError, match="storage"):
        analyse(source(), READERS, LIMITS)


def test_feeding_ends_when_the_reader_has_seen_enough() -> None:
    """An endless source is not taken any further once the layer has turned out to be no layer."""
    with pytest.raises(DamagedLayer, match="no tar"):
        analyse(itertools.repeat(b"no tar at all" * 1000), READERS, LIMITS)


def test_too_long_for_the_wall_clock() -> None:
    """A source that stops giving holds nobody up for longer than the limit."""
    end, other = os.pipe()
    started = time.monotonic()
    try:
        with pytest.raises(LayerTooLarge) as caught:
            analyse(end, READERS, LayerLimits(wall_seconds=0.5))
    finally:
        os.close(end)
        os.close(other)
    assert caught.value.args == ("wall_seconds", 0.5)
    assert time.monotonic() - started < 60


def test_too_much_cpu() -> None:
    """A layer without end is stopped by the processor time that it took."""
    endless = itertools.repeat(gzip.compress(bytes(64 << 20)))
    limits = LayerLimits(cpu_seconds=1, tar_bytes=1 << 50, ratio=1 << 20)
    with pytest.raises(LayerTooLarge) as caught:
        analyse(endless, READERS, limits)
    assert caught.value.args == ("cpu_seconds", 1)


def with_a_window(power: int) -> bytes:
    """Zeros in a zstd frame whose decompression needs a window of two to this power."""
    parameter = zstd.CompressionParameter
    packer = zstd.ZstdCompressor(options={parameter.window_log: power, parameter.content_size_flag: 0})
    return packer.compress(bytes(2 << power)) + packer.flush()


@pytest.mark.skipif(not LINUX, reason="only Linux limits the address space")
@pytest.mark.parametrize(
    "large",
    [layer(file("var/lib/dpkg/status", bytes(64 << 20))), with_a_window(27)],
    ids=["a file that is held", "a window of zstd"],
)
def test_too_much_memory(large: bytes) -> None:
    """A layer that needs more memory than allowed is told from one that is damaged."""
    limits = LayerLimits(memory_bytes=96 << 20)
    assert analyse([LAYER], READERS, limits).readings
    with pytest.raises(LayerTooLarge) as caught:
        analyse([large], ("dpkg",), limits)
    assert caught.value.args == ("memory_bytes", 96 << 20)


@pytest.mark.skipif(not LINUX, reason="finds the process by /proc")
def test_a_process_that_dies() -> None:
    """A process that is killed in the middle gives its exit status, whatever the source goes on to say."""

    def source() -> Iterator[bytes]:
        yield LAYER[:100]
        (pid,) = children(os.getpid())
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: ended(pid))
        yield from pieces(LAYER[100:])

    with pytest.raises(AnalysisCrashed) as caught:
        analyse(source(), READERS, LIMITS)
    assert caught.value.status == -9
    assert "signal 9" in str(caught.value)


@pytest.mark.skipif(not LINUX, reason="finds the processes by /proc")
def test_readers_of_one_nursery() -> None:
    """One process forks them all, several at a time; a reader has the layer, its answer and its last words, and no way
    to ask for anything."""
    seen: list[tuple[list[int], set[str]]] = []

    def source() -> Iterator[bytes]:
        yield LAYER[:100]
        wait_for(lambda: len(children(os.getpid())) == 2 and all(map(confined, children(os.getpid()))))
        seen.append(
            (forking(os.getpid()), {fd.name for r in children(os.getpid()) for fd in Path(f"/proc/{r}/fd").iterdir()})
        )
        together.wait(60)
        yield LAYER[100:]

    together = threading.Barrier(2)
    with Nursery() as nursery, ThreadPoolExecutor(2) as pool:
        read = [pool.submit(analyse, source(), READERS, LIMITS, nursery=nursery) for _ in range(2)]
        assert read[0].result() == read[1].result() == analyse([LAYER], READERS, LIMITS, nursery=nursery)
    (one, other) = seen
    assert one == other
    assert len(one[0]) == 1
    # The layer's own descriptors; what is opened while a module is imported comes and goes.
    assert {"0", "1", "2"} <= one[1] <= {"0", "1", "2", "3"}


@pytest.mark.skipif(not LINUX, reason="finds the process by /proc")
def test_a_nursery_that_dies() -> None:
    """The reader that it forked dies with it; the next layer is read by one of another."""

    def source() -> Iterator[bytes]:
        yield LAYER[:100]
        (pid,), (reader,) = forking(os.getpid()), children(os.getpid())
        wait_for(lambda: confined(reader))
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: ended(reader))
        yield LAYER[100:]

    with Nursery() as nursery:
        with pytest.raises(AnalysisCrashed) as caught:
            analyse(source(), READERS, LIMITS, nursery=nursery)
        assert caught.value.status == -9
        assert analyse([LAYER], READERS, LIMITS, nursery=nursery).readings


@pytest.mark.skipif(not LINUX, reason="only Linux limits the address space")
def test_a_process_that_fails() -> None:
    """One that has more than it may have gets no more, and tells of it, with the reason if it found words.

    A small layer it may read in what it has already.
    """
    large = layer(file("var/lib/dpkg/status", bytes(64 << 20)))
    with pytest.raises(LayerUnreadable, match=r"memory|exit status 1: .+"):
        analyse([large], ("dpkg",), LayerLimits(memory_bytes=1 << 20))


@pytest.mark.skipif(not LINUX, reason="namespaces and limits of Linux")
def test_what_the_process_has_given_up() -> None:
    """It has limits, no environment of ours and, where the system allows it, a network of its own."""
    seen: dict[str, Any] = {}

    def source() -> Iterator[bytes]:
        yield LAYER[:100]
        (pid,) = children(os.getpid())
        wait_for(lambda: confined(pid))
        seen["memory"] = resource.prlimit(pid, resource.RLIMIT_AS)
        seen["files"] = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        seen["environment"] = Path(f"/proc/{pid}/environ").read_text().split("\0")
        seen["networks"] = [Path(f"/proc/{of}/ns/net").readlink() for of in (pid, "self")]
        yield LAYER[100:]

    os.environ["AWS_SECRET_ACCESS_KEY"] = "secret"
    try:
        analyse(source(), READERS, LIMITS)
    finally:
        del os.environ["AWS_SECRET_ACCESS_KEY"]
    assert seen["memory"] == (1 << 30, 1 << 30)
    assert seen["files"] == (0, 0)
    assert not any("AWS" in variable for variable in seen["environment"])
    assert (len(set(seen["networks"])) == 2) == (isolation() in {Isolation.FULL.value, Isolation.NETWORK.value})


def test_isolation_is_told() -> None:
    """What is possible here is said in words."""
    assert isolation() in {way.value for way in Isolation}


@pytest.mark.skipif(not LINUX, reason="only Linux tells a process that its parent has ended")
def test_it_ends_with_its_parent() -> None:
    """A process whose parent was killed does not go on reading."""
    code = "from hullwise.inventory import sandbox, limits; sandbox.analyse(0, ('npm',), limits.LayerLimits())"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as parent:
        wait_for(lambda: len(children(parent.pid)) == 1)
        (reader,) = children(parent.pid)
        wait_for(lambda: confined(reader))
        parent.kill()
        wait_for(lambda: ended(reader))


def test_hard_links_to_what_nobody_claims(tmp_path: Path) -> None:
    """What can be read twice is, where a claimed path is a hard link to an unclaimed one; a generator can not be."""
    assert from_file(LINKED, tmp_path).readings[0].packages[0].name == "left-pad"
    assert analyse([LINKED], READERS, LIMITS).readings[0].packages[0].name == "left-pad"
    assert analyse([LINKED], READERS, LIMITS, isolate=False).readings[0].packages[0].name == "left-pad"
    assert analyse(pieces(LINKED), READERS, LIMITS).readings[0].problem
