"""Building a generation in a process of its own: documents from outside are parsed under limits, without a network.

here ── Request (JSON) ──▶ child: confined ── Progress, Progress … Built (JSON, a line each) ──▶ here
                                  └──▶ the generation's file, and beside it the enrichment
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

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
    """Whether it is rejected where nothing of it can be read, or more than SHRINKAGE of what is held would go."""
    sparse: bool = False
    """Whether a document of it may name nothing: Alpine has repositories without a fix."""
    held: int = 0
    """Entries beside the advisories (scores, exploitation) that are held of the feed, which states them whole."""
    missing: tuple[str, ...] = ()
    """Ids of records that are listed and not there; what is held of them stays."""
    listing: str = ""
    """File with the id of each record that there still is, one a line; others of the feed are removed."""
    namespaces: tuple[str, ...] = ()
    """Only those that speak of packages of these; without a listing, those that are in no zip of `paths`."""


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
    """Records of its documents that are in use now, and entries beside the advisories that came with them."""
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

_LAST_WORDS_BYTES = 2_048

_decoder = msgspec.json.Decoder(Progress | Built | Gone)


def build(request: Request, progress: Callable[[int, int], None] = lambda *_: None) -> tuple[Built, Enrichment]:
    """Run the request's steps. Afterwards the generation lies at its path.

    Raises BuildFailed: then nothing lies there or beside it. What `progress` raises ends the build.
    """
    try:
        return _build(request, progress)
    finally:
        Path(request.enrichment).unlink(missing_ok=True)
        Path(f"{request.path}.partial").unlink(missing_ok=True)


def _build(request: Request, progress: Callable[[int, int], None]) -> tuple[Built, Enrichment]:
    command = [sys.executable, "-X", "utf8", "-m", "hullwise.advisories.child"]
    # In a file: a pipe that nobody reads meanwhile would stop the child once it is full.
    with tempfile.TemporaryFile() as complaints:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=_environment(),
            start_new_session=True,  # an interrupt at the terminal is ours to handle
        )
        with child:
            try:
                said = _converse(child, request, progress)
                status = child.wait()
            finally:
                child.kill()
        if isinstance(said, Built) and status == 0:
            return said, msgspec.msgpack.decode(Path(request.enrichment).read_bytes(), type=Enrichment)
        raise BuildFailed(said.why if isinstance(said, Gone) else _why(status, _last_line(complaints)))


def _converse(
    child: subprocess.Popen[bytes], request: Request, progress: Callable[[int, int], None]
) -> Progress | Built | Gone | None:
    """What the child said last; None where it was ended within a line."""
    assert child.stdin is not None and child.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended already, and its status tells why
        child.stdin.write(msgspec.json.encode(request))
        child.stdin.close()
    said: Progress | Built | Gone | None = None
    for line in child.stdout:
        try:
            said = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            said = None
        if isinstance(said, Progress):
            progress(said.done, said.of)
    return said


def _last_line(complaints: IO[bytes]) -> str:
    size = complaints.seek(0, os.SEEK_END)
    complaints.seek(max(0, size - _LAST_WORDS_BYTES))
    return complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2]


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
