"""The process that builds a generation: `python -m hullwise.advisories.child`, a Request on its standard input.

`hullwise.advisories.building` starts it and says what it answers.
"""

from __future__ import annotations

import os
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder, Rejected
from hullwise.advisories.building import SHRINKAGE, Built, Gone, Outcome, Progress, Request, Step
from hullwise.advisories.documents import Extras, Tally
from hullwise.advisories.feeds import osv
from hullwise.advisories.generation import UnusableGeneration
from hullwise.confinement import Allowance, confine

_FEW = 50
"""Records below which a source may lose any share of them: there a handful is a fifth."""


def _run(request: Request) -> Built:
    extras, outcomes, done = Extras(), [], 0
    total = sum(documents.size([Path(path) for path in step.paths]) for step in request.steps)
    with GenerationBuilder(Path(request.path), Path(request.base) if request.base else None) as builder:
        for step in request.steps:
            paths = [Path(path) for path in step.paths]
            outcomes.append(_take(step, paths, builder, extras, _teller(done, total)))
            done += documents.size(paths)
        digest = builder.seal(request.now)
    Path(request.enrichment).write_bytes(msgspec.msgpack.encode(extras.enrichment()))
    return Built(digest, tuple(outcomes))


def _teller(before: int, total: int) -> Callable[[int], None]:
    return lambda read: _say(Progress(before + read, total))


def _take(
    step: Step, paths: list[Path], builder: GenerationBuilder, extras: Extras, progress: Callable[[int], None]
) -> Outcome:
    tally = Tally()
    try:
        with builder.step():
            before = builder.counts()
            tally = documents.load(paths, builder, progress, extras=extras)
            tally.removed += _remove_unlisted(step, paths, builder)
            if step.guarded:
                _check(step, tally, before, builder.counts())
    except Rejected as rejected:
        return _outcome(step, tally, str(rejected))
    return _outcome(step, tally, "")


def _outcome(step: Step, tally: Tally, failure: str) -> Outcome:
    return Outcome(
        feed=step.feed,
        documents=tally.documents,
        taken=0 if failure else tally.taken,
        removed=0 if failure else tally.removed,
        unused=tally.unused,
        unreadable=tuple(tally.unreadable),
        unreadable_count=tally.unreadable_count,
        failure=failure,
    )


def _remove_unlisted(step: Step, paths: list[Path], builder: GenerationBuilder) -> int:
    """OSV drops a record by no longer listing it. Returns how many went."""
    if not step.namespaces:
        return 0
    listed = set(Path(step.listing).read_text(encoding="utf-8").split()) if step.listing else _members(paths)
    gone = builder.ids(osv.SOURCE, step.namespaces) - listed
    return sum(builder.remove(osv.SOURCE, record) for record in sorted(gone))


def _members(paths: list[Path]) -> set[str]:
    """Ids of the records in whole zips: each is a member of its name."""
    found: set[str] = set()
    for path in paths:
        with zipfile.ZipFile(path) as archive:
            found |= {Path(name).stem for name in archive.namelist()}
    return found


def _check(step: Step, tally: Tally, before: Counter[str], after: Counter[str]) -> None:
    """Raises Rejected where the feed looks broken."""
    if tally.unreadable_count and not tally.taken and not tally.removed:
        raise Rejected(f"nothing of it can be read: {tally.unreadable[0][1]}")
    for source, count in before.items():
        if count > _FEW and after[source] < count * (1 - SHRINKAGE):
            raise Rejected(f"{source} would shrink from {count} to {after[source]} records")


def _say(message: Progress | Built | Gone) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    limits = request.limits
    allowance = Allowance(
        memory_bytes=limits.memory_bytes,
        cpu_seconds=limits.cpu_seconds,
        file_bytes=limits.file_bytes,
        open_files=256,
        # The files are the operator's, whoever owns them.
        capabilities=True,
    )
    confine(allowance, request.parent)
    try:
        _say(_run(request))
    except (UnusableGeneration, OSError) as error:
        _say(Gone(_plain(error)))
    except MemoryError:
        _say(Gone(f"reading the documents took more than {limits.memory_bytes} bytes of memory"))


def _plain(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


if __name__ == "__main__":
    os.umask(0o077)
    main()
