"""Building a generation in a process of its own: documents from outside are parsed under limits, without a network.

here ── Request (JSON) ──▶ child: confined ── Progress, Progress … Built (JSON, a line each) ──▶ here
                                  └──▶ the generation's file, and beside it the enrichment
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from hullwise.domain.enrichment import Enrichment

GIB = 1 << 30


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Caps on the child. Passing one ends the build with BuildFailed."""

    memory_bytes: int = 4 * GIB
    """Of address space. A generation of 500,000 records takes a tenth of it."""
    cpu_seconds: int = 4 * 3600
    file_bytes: int = 32 * GIB


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What one feed brings. It is taken whole or not at all."""

    feed: str
    paths: tuple[str, ...] = ()
    """Files and folders of documents."""
    guarded: bool = False
    """Whether it is rejected where a source would lose more than SHRINKAGE of its records."""
    listing: str = ""
    """File with the id of each OSV record that there still is, one a line; others of `namespaces` are removed."""
    namespaces: tuple[str, ...] = ()


class Request(msgspec.Struct, frozen=True, kw_only=True):
    parent: int
    """Process id of who asks."""
    path: str
    """Where the generation is written."""
    base: str = ""
    """What it begins with; empty: nothing."""
    now: datetime
    steps: tuple[Step, ...]
    enrichment: str
    """Where the enrichment is written, MessagePack."""
    limits: Limits = Limits()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a step."""

    feed: str
    documents: int = 0
    taken: int = 0
    """Records of its documents that are in use now."""
    removed: int = 0
    unused: dict[str, int] = {}
    """Records, or parts of one, that were read and are not used, by reason."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(name, why) of documents of no known form; the first hundred."""
    unreadable_count: int = 0
    failure: str = ""
    """Why nothing of it was taken; empty: it was."""


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    done: int
    """Bytes read so far, compressed where the files are."""
    of: int


class Built(msgspec.Struct, frozen=True, tag="built"):
    digest: str
    outcomes: tuple[Outcome, ...]


class Gone(msgspec.Struct, frozen=True, tag="failed"):
    """The build failed as a whole."""

    why: str


class BuildFailed(Exception):
    """There is no generation. The message says why."""


SHRINKAGE = 0.2
"""Share of its records that a feed may lose at once. Feeds lose some to withdrawals; a fifth is a feed that broke."""

_decoder = msgspec.json.Decoder(Progress | Built | Gone)


def build(request: Request, progress: Callable[[int, int], None] = lambda *_: None) -> tuple[Built, Enrichment]:
    """Run the request's steps. Afterwards the generation lies at its path. Raises BuildFailed."""
    command = [sys.executable, "-X", "utf8", "-m", "hullwise.advisories.child"]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,  # an interrupt at the terminal is ours to handle
    )
    with child:
        try:
            assert child.stdin is not None and child.stdout is not None and child.stderr is not None
            child.stdin.write(msgspec.json.encode(request))
            child.stdin.close()
            said: Progress | Built | Gone | None = None
            for line in child.stdout:
                said = _decoder.decode(line)
                if isinstance(said, Progress):
                    progress(said.done, said.of)
            complaint = child.stderr.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
            status = child.wait()
        finally:
            child.kill()
    if isinstance(said, Built) and status == 0:
        return said, msgspec.msgpack.decode(Path(request.enrichment).read_bytes(), type=Enrichment)
    raise BuildFailed(said.why if isinstance(said, Gone) else _why(status, complaint))


def _why(status: int, complaint: str) -> str:
    if status == -signal.SIGXCPU:
        return "reading the documents took more CPU time than it may"
    if status < 0:
        return f"the process that read the documents was ended by {signal.Signals(-status).name}"
    return f"the process that read the documents ended with status {status}: {complaint}"


def _environment() -> dict[str, str]:
    # Not our own, which may hold keys.
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"MALLOC_ARENA_MAX": "1"}


def steps(paths: Sequence[Path]) -> tuple[Step, ...]:
    """One step for all documents that somebody hands over."""
    return (Step(feed="import", paths=tuple(str(path.absolute()) for path in paths)),)
