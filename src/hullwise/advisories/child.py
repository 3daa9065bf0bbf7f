"""The process that builds a generation: `python -m hullwise.advisories.child`, a Request on its standard input.

`hullwise.advisories.building` starts it and says what it answers.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
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
from hullwise.advisories.feeds import debian, endoflife, epss, kev, nodejs, nvd, oracle, osv, photon, updateinfo
from hullwise.advisories.generation import UnusableGeneration
from hullwise.confinement import Allowance, confine
from hullwise.domain.enrichment import Enrichment

_FEW = 50
"""Records below which a source may lose any share of them: there a handful is a fifth."""


def _run(request: Request) -> Built:
    outcomes, enrichment, done = [], Enrichment(), 0
    total = sum(documents.size([Path(path) for path in step.paths]) for step in request.steps)
    with GenerationBuilder(Path(request.path), Path(request.base) if request.base else None) as builder:
        for step in request.steps:
            outcome, found = _take(step, builder, _teller(done, total))
            outcomes.append(outcome)
            enrichment = _joined(enrichment, found)
            done += documents.size([Path(path) for path in step.paths])
        digest = builder.seal(request.now)
    Path(request.enrichment).write_bytes(msgspec.msgpack.encode(enrichment))
    return Built(digest, tuple(outcomes))


def _teller(before: int, total: int) -> Callable[[int], None]:
    return lambda read: _say(Progress(before + read, total))


def _take(step: Step, builder: GenerationBuilder, progress: Callable[[int], None]) -> tuple[Outcome, Enrichment]:
    """A step that is rejected leaves nothing, in the builder or beside it."""
    tally, extras = Tally(), Extras()
    paths = [Path(path) for path in step.paths]
    try:
        with builder.step():
            before = builder.counts()
            tally = _within_memory(lambda: documents.load(paths, builder, progress, extras=extras))
            _conclude(step, tally, builder, before)
    except Rejected as rejected:
        return _outcome(step, tally, str(rejected)), Enrichment()
    return _outcome(step, tally, ""), extras.enrichment()


def _within_memory(load: Callable[[], Tally]) -> Tally:
    """Raises Rejected where loading takes too much."""
    with contextlib.suppress(MemoryError):
        return load()
    # Outside: a failure that is being handled keeps all that it had.
    gc.collect()
    raise Rejected("reading it took more memory than it may")


def _conclude(step: Step, tally: Tally, builder: GenerationBuilder, before: Counter[str]) -> None:
    """Remove what is no longer listed. Raises Rejected where the feed looks broken."""
    for record in step.missing:
        tally.give_up(record, "is listed and not there")
    if step.guarded:
        _check_sources(step, tally, builder.spoken)
        _check_readable(step, tally)
    tally.removed += _remove_unlisted(step, builder)
    if step.guarded:
        _check_size(step, tally, before, builder.counts())


def _outcome(step: Step, tally: Tally, failure: str) -> Outcome:
    return Outcome(
        feed=step.feed,
        documents=tally.documents,
        taken=0 if failure else tally.taken + _entries(tally),
        removed=0 if failure else tally.removed,
        unused=tally.unused,
        # Names of files need not be text.
        unreadable=tuple((name.encode("utf-8", "replace").decode(), why) for name, why in tally.unreadable),
        unreadable_count=tally.unreadable_count,
        failure=failure,
    )


def _entries(tally: Tally) -> int:
    """Entries beside the advisories that were taken."""
    return sum(tally.by_source.get(source, 0) for source in (epss.SOURCE, kev.SOURCE, endoflife.SOURCE))


def _joined(one: Enrichment, other: Enrichment) -> Enrichment:
    """Each part from the later that has it; lifecycles come product by product, each distribution's from the later."""
    parts = {name: value for name, value in msgspec.structs.asdict(other).items() if value}
    stated = {each.distribution for each in other.lifecycles}
    kept = tuple(each for each in one.lifecycles if each.distribution not in stated)
    as_of = max(one.lifecycles_as_of, other.lifecycles_as_of)
    return msgspec.structs.replace(one, **parts | {"lifecycles": kept + other.lifecycles, "lifecycles_as_of": as_of})


def _remove_unlisted(step: Step, builder: GenerationBuilder) -> int:
    """OSV and Red Hat drop a record by no longer listing it. Returns how many went. Raises Rejected where it is too
    many."""
    if not (step.namespaces or step.listing):
        return 0
    listed = set(Path(step.listing).read_text(encoding="utf-8").split()) if step.listing else _members(step)
    source = _SOURCES[step.feed]
    held = builder.ids(source, step.namespaces)
    gone = held - listed
    if step.namespaces:
        # A part of a source; what becomes of all of it `_check_size` sees.
        _check_share(f"{source} {', '.join(step.namespaces)}", len(held), len(held) - len(gone))
    return sum(builder.remove(source, record) for record in sorted(gone))


def _members(step: Step) -> set[str]:
    """Ids of the records in whole zips: each is a member of its name."""
    found: set[str] = set()
    for path in step.paths:
        with zipfile.ZipFile(path) as archive:
            found |= {Path(name).stem for name in archive.namelist()}
    return found


_SOURCES: dict[str, str] = {
    "osv": osv.SOURCE,
    "debian": debian.SOURCE,
    "alpine": "alpine-secdb/",
    "wolfi": "wolfi-secdb",
    "chainguard": "chainguard-secdb",
    "redhat": "redhat",
    "amazon": f"{updateinfo.SOURCE}/",
    "oracle": oracle.SOURCE,
    "photon": f"{photon.SOURCE}/",
    "nodejs": nodejs.SOURCE,
    "nvd": nvd.SOURCE,
    "kev": kev.SOURCE,
    "epss": epss.SOURCE,
    "endoflife": endoflife.SOURCE,
}
"""By feed: how the sources begin that it may speak for."""


def _check_sources(step: Step, tally: Tally, spoken: frozenset[str]) -> None:
    """Raises Rejected where a feed speaks for another: a form is told by its content, and whoever answers at one
    address must not rewrite what came from the others."""
    own = _SOURCES.get(step.feed)
    for source in sorted(spoken | tally.by_source.keys()):
        if own is not None and not source.startswith(own):
            raise Rejected(f"it speaks for {source}, which is not its own")


def _check_readable(step: Step, tally: Tally) -> None:
    """Raises Rejected where documents came and none of them says anything, or an archive that did not come whole: what
    its rest says would not be asked for again."""
    if tally.cut_short:
        raise Rejected(f"it cannot be read to its end: {tally.cut_short}")
    if tally.taken or tally.removed or _entries(tally):
        return
    if tally.unreadable_count:
        name, why = tally.unreadable[0]
        raise Rejected(f"nothing of it can be read: {name}: {why}")
    if tally.documents and not tally.unused and not step.sparse:
        raise Rejected(f"it names nothing: {Path(step.paths[0]).name}")


def _check_size(step: Step, tally: Tally, before: Counter[str], after: Counter[str]) -> None:
    """Raises Rejected where what was there before went with this step."""
    for source, count in before.items():
        _check_share(source, count, after[source])
        if count and not after[source] and not tally.removed:
            raise Rejected(f"{source} would lose all of its {count} records")
    if step.held:
        _check_share(step.feed, step.held, _entries(tally))


def _check_share(what: str, before: int, after: int) -> None:
    if before > _FEW and after < before * (1 - SHRINKAGE):
        raise Rejected(f"{what} would shrink from {before} to {after} records")


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
    except (UnusableGeneration, OSError, sqlite3.Error) as error:
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
