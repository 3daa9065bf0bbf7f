"""Publishing a generation: build it, match what changed, move the head, then the continuous images.

    head N ──▶ build N+1 ──▶ a row, and its job ──▶ match packages of changed names, writing matches "from N+1" ──▶ ┐
                                                        ▲   readers still use N: such rows do not hold for it       │
                                                        └── packages that came meanwhile ◀── some left? ◀───────────┤
                                                                       hold the head alone, none left: head = N+1 ◀─┘
                                                                                  continuous images move ──▶ done

Whoever has the lock drives it: the command that built it, or a worker that finds its job. One that dies on the way has
changed nothing that a reader sees before the head moves; the next to come goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa
import structlog

from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.generation import Generation, changed_names
from hullwise.advisories.matching import RULES_VERSION
from hullwise.blobs import keys
from hullwise.domain.packages import Package
from hullwise.ecosystems import spellings
from hullwise.ecosystems.namespaces import BY_BINARY, by_speaker
from hullwise.events import outbox
from hullwise.jobs.queue import PUBLISH
from hullwise.scanning import continuous, notes, requests, verdicts
from hullwise.scanning.interruptions import again_and_again
from hullwise.services import UNREADABLE, Services
from hullwise.store import (
    feeds,
    generations,
    inventories,
    packages,
    publications,
    reports,
    scans,
    transitions,
)
from hullwise.store.engine import chunks
from hullwise.store.generations import Generation as GenerationRow
from hullwise.store.publications import Publication

log = structlog.get_logger()

_BATCH = 500
_REPORTS_KEPT = timedelta(days=1)
"""Reports that speak for no scan; the token of a page may still name one."""
_INVENTORIES, _AT_ONCE = 200, 10
"""That are looked for, and dropped at once: one of thousands of packages takes 17 ms of SQLite's only writer."""
_SCANS = 50
"""Scans begun anew in one transaction."""
_LAST = 50
"""Packages that may still be matched while the head is held alone: more are matched before trying again."""


@dataclass(frozen=True, slots=True)
class Published:
    number: int
    digest: str
    new: bool
    """False where the data is what the head's generation holds already."""
    changed_names: int
    matched_packages: int
    moved_images: int = 0


Progress = Callable[[str, int, int], None]
"""Called with what is done (`names`, `inventories`), how much of it is done, and how much there is in all."""

Build = Callable[[Path, Path | None], str]
"""Writes a generation at the first path, from the one at the second or from nothing; returns its digest."""

Also = Callable[[sa.Connection], None]
"""Called in the transaction that puts the generation on its way."""


def publish(
    services: Services, fill: Callable[[GenerationBuilder], None], progress: Progress = lambda *_: None
) -> Published:
    """Publish the head's data with what `fill` changes: `publish_built` says more."""

    def build(path: Path, base: Path | None) -> str:
        with GenerationBuilder(path, base) as builder:
            fill(builder)
            return builder.seal(services.clock())

    return publish_built(services, build, progress)


def publish_built(
    services: Services, build: Build, progress: Progress = lambda *_: None, also: Also = lambda _: None
) -> Published:
    """Publish what `build` makes of the head's data. One publication runs at a time; others wait their turn. `also`
    writes what must be true once the generation is on its way, in the same transaction.

    After it returns every reader uses the new generation, every package is matched through it, and every continuous
    image has a report that says so. Raises LockLost where another one may have begun; whoever did finishes this one,
    if it was on its way.
    """
    with _alone(services) as services:
        _finish_earlier(services, progress)
        with services.database.read() as tx:
            head = generations.head_number(tx)
            row = generations.get(tx, head) if head else None
        folder = services.generation_folder
        folder.mkdir(parents=True, exist_ok=True)
        # Whoever left one was killed: nobody else builds while we hold the lock.
        for left in folder.glob("building-*"):
            left.unlink(missing_ok=True)
        path = folder / f"building-{secrets.token_hex(8)}.sqlite"
        try:
            digest = build(path, None if row is None else _base(services, row))
            with Generation(path) as generation:
                if row is not None and row.digest == digest:
                    return _refresh(services, row, generation, also)
                publication = _begin(services, head, generation, also)
        finally:
            path.unlink(missing_ok=True)
        return _drive(services, publication, progress)


def bring_up_to_date(services: Services, otherwise: Callable[[GenerationBuilder], None] | None) -> None:
    """Publish the head's data again where another version of the rules made it; what `otherwise` fills in, if given,
    where there is none, or none that this version can read."""
    with services.database.read() as tx:
        head = generations.head_number(tx)
        row = generations.get(tx, head) if head else None
    if row is None:
        if otherwise is not None:
            publish(services, otherwise)
        return
    try:
        with services.open_generation(row) as generation:
            current = generation.rules_version == RULES_VERSION
    except UNREADABLE:
        if otherwise is not None:
            publish(services, otherwise)
        return
    if not current:
        # Other rules may read the same documents otherwise: the next fetch is of all of them.
        services.database.run(feeds.forget)
        publish(services, lambda _: None)


def finish(services: Services) -> None:
    """Bring to its end what somebody began and did not finish, if there is any."""
    with _alone(services) as services:
        _finish_earlier(services, lambda *_: None)


def resume(services: Services, publication_id: int) -> None:
    """The job of a publication: bring it to its end, unless whoever began it has."""

    def work() -> None:
        with services.database.read() as tx:
            publication = publications.get(tx, publication_id)
        if publication is not None and publication.open:
            finish(services)

    again_and_again(work, PUBLISH, publication_id)


@contextlib.contextmanager
def _alone(services: Services) -> Iterator[Services]:
    """The toolbox of whoever publishes, for as long as nobody else does."""
    with services.database.exclusive("publication", services.settings.locks) as lock:
        yield services.under(lock)


def _finish_earlier(services: Services, progress: Progress) -> None:
    """Bring to its end what somebody began and did not finish."""
    with services.database.read() as tx:
        publication = publications.unfinished(tx)
    if publication is None:
        return
    try:
        _drive(services, publication, progress)
    except UNREADABLE as error:
        # Its file is gone for good, and nobody has seen it: the head did not move.
        log.error("publication dropped", generation=publication.generation.number, why=str(error))
        services.database.run(lambda tx: _drop(tx, publication, services.clock()))


def _drop(tx: sa.Connection, publication: Publication, now: datetime) -> None:
    packages.take_back(tx, generations.head_number(tx))
    publications.end(tx, publication.id, "dropped", now)


def _refresh(services: Services, old: GenerationRow, generation: Generation, also: Also) -> Published:
    """The same verdicts, from newer sources."""
    row = _row(services, old.number, generation)
    _upload(services, generation, row.object_key)
    with services.database.write() as tx:
        generations.refresh(tx, row)
        gone = not generations.names_file(tx, old.object_key)
        also(tx)
    notes.note(services, row)
    if gone:
        services.drop_generation(old)
    return Published(row.number, row.digest, False, 0, 0)


def _begin(services: Services, head: int, generation: Generation, also: Also) -> Publication:
    new_row = _row(services, head + 1, generation)
    _upload(services, generation, new_row.object_key)
    with services.database.write() as tx:
        publication = publications.begin(tx, head, new_row, services.clock())
        services.jobs.put(tx, PUBLISH, publication.id)
        also(tx)
    return publication


def _base(services: Services, row: GenerationRow) -> Path | None:
    """The head's file, to build on; None where it cannot be read: then what is loaded now is all that there is."""
    try:
        with services.open_generation(row) as generation:
            return generation.path
    except UNREADABLE as error:
        log.error("the head's advisories cannot be read; load them again", generation=row.number, why=str(error))
        # The feeds must not answer that nothing has changed.
        services.database.run(feeds.forget)
        return None


def _names(services: Services, row: GenerationRow | None, generation: Generation) -> list[tuple[str, str]]:
    """Packages that may have other verdicts; none where there was no generation, for nothing is matched then."""
    if row is None:
        return []
    try:
        with services.open_generation(row) as old:
            return changed_names(old, generation)
    except UNREADABLE:
        with services.database.read() as tx:
            return sorted({*changed_names(None, generation), *packages.matched_names(tx)})


def _row(services: Services, number: int, generation: Generation) -> GenerationRow:
    as_of = generation.data_as_of
    return GenerationRow(
        number=number,
        digest=generation.digest,
        rules_version=generation.rules_version,
        # Named by its own bytes: the same verdicts come again with newer sources, in another file.
        object_key=keys.generation(_sha256(generation.path)),
        records=generation.record_count,
        data_as_of=datetime.fromisoformat(as_of) if as_of else None,
        sources=tuple({"name": name, **body} for name, body in generation.sources.items()),
        # When it was built, and from the head's move on when that was: matching may take hours.
        published_at=services.clock(),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _upload(services: Services, generation: Generation, key: str) -> None:
    with generation.path.open("rb") as file, services.blobs.writer(key) as writer:
        while piece := file.read(1 << 20):
            writer.write(piece)


def _drive(services: Services, publication: Publication, progress: Progress) -> Published:
    """From wherever it is to its end."""
    row = publication.generation
    if publication.state == "matching":
        with services.open_generation(row) as generation:
            _match(services, publication, generation, progress)
        publication = _again(services, publication)
    with contextlib.ExitStack() as stack:
        generation_now: Generation | None = None
        # It only tells why something closed: images move without it, too.
        with contextlib.suppress(*UNREADABLE):
            generation_now = stack.enter_context(services.open_generation(row))
            notes.note(services, row)
        told = partial(progress, "inventories")
        continuous.move(services, publication, generation_now, told)
    _scan_what_waits(services)
    services.database.run(lambda tx: publications.end(tx, publication.id, "done", services.clock()))
    publication = _again(services, publication)
    _tidy(services, row.number)
    log.info(
        "generation published",
        number=row.number,
        digest=row.digest,
        names=publication.names,
        packages=publication.packages,
        images=publication.images,
    )
    return Published(row.number, row.digest, True, publication.names, publication.packages, publication.images)


def _scan_what_waits(services: Services) -> None:
    """Scans that found no advisory data are begun anew: now there is some."""
    with services.database.read() as tx:
        waiting = scans.without_data(tx)
    for chunk in chunks(waiting, _SCANS):
        services.database.run(lambda tx, chunk=chunk: requests.scan_again(tx, services, chunk))  # type: ignore[misc]


def _again(services: Services, publication: Publication) -> Publication:
    with services.database.read() as tx:
        found = publications.get(tx, publication.id)
    assert found is not None
    return found


def _match(services: Services, publication: Publication, generation: Generation, progress: Progress) -> None:
    """Match every package of a changed name through the new generation, then move the head."""
    head = publication.base
    with services.database.read() as tx:
        row = generations.get(tx, head) if head else None
    names = _names(services, row, generation)
    services.database.run(lambda tx: publications.note(tx, publication.id, names=len(names)))
    # Packages that were matched before an interruption are not matched again: their rows say so.
    matched = publication.packages + _match_changed(services, publication, generation, names, progress)
    while True:
        with services.database.write() as tx:
            generations.hold_head(tx, alone=True)
            left = _to_match(tx, names, head + 1, by_speaker(packages.owner_scopes(tx)), _LAST + 1)
            if len(left) <= _LAST:
                if left:
                    verdicts.move(tx, generation, head, verdicts.judge(generation, left))
                generations.add(tx, replace(publication.generation, published_at=services.clock()))
                generations.move_head(tx, publication.generation.number)
                matched += len(left)
                publications.note(tx, publication.id, state="moving", names_done=len(names), packages=matched)
                return
        matched += _match_changed(services, publication, generation, names, lambda *_: None)


def _match_changed(
    services: Services,
    publication: Publication,
    generation: Generation,
    names: list[tuple[str, str]],
    progress: Progress,
) -> int:
    """Match every package of a changed name that is not yet matched for the generation after the head."""
    head, done = publication.base, 0
    with services.database.read() as tx:
        owned = by_speaker(packages.owner_scopes(tx))
    for start in range(0, len(names), _BATCH):
        progress("names", start, len(names))
        chunk = names[start : start + _BATCH]
        with services.database.read() as tx:
            wanted = _to_match(tx, chunk, head + 1, owned)
        if wanted:
            found = verdicts.judge(generation, wanted)
            done += len(wanted)
            noted = {"names_done": start + len(chunk), "packages": publication.packages + done}

            def write(tx: sa.Connection, found: verdicts.Verdicts = found, noted: dict[str, int] = noted) -> None:
                verdicts.move(tx, generation, head, found)
                publications.note(tx, publication.id, **noted)

            services.database.run(write)
    progress("names", len(names), len(names))
    return done


def _to_match(
    tx: sa.Connection,
    names: list[tuple[str, str]],
    before: int,
    owned: Mapping[tuple[str, str], Sequence[str]],
    limit: int | None = None,
) -> dict[int, Package]:
    """As `packages.installed_named`, of packages that these names speak of, however they are written, and of those with
    the scopes that `owned` has under these names."""
    free = spellings.FREE.intersection(namespace for namespace, _ in names)
    spelled = spellings.installed_as(names, packages.names_in(tx, free)) if free else names
    scopes = sorted({scope for name in names for scope in owned.get(name, ())})
    return packages.installed_named(tx, spelled, before, BY_BINARY, scopes, limit)


def _tidy(services: Services, head: int) -> None:
    """Drop files of generations that nothing needs any more, and what is old: reports and assessments live in the
    database, and only a difference between two generations still reads an old file."""
    with services.database.read() as tx:
        old = generations.with_files(tx, head - services.settings.generations_kept - 1)
    for row in old:
        if services.database.run(lambda tx, row=row: generations.drop_file(tx, row)):  # type: ignore[misc]
            services.drop_generation(row)
    forget(services)


def forget(services: Services) -> None:
    """Drop what is old: events and what opened and closed in images, matches that ended, reports that nobody reads, and
    inventories of which there is none."""
    services.database.run(lambda tx: _forget(tx, services.clock()))
    before, after = services.clock() - _REPORTS_KEPT, 0
    while True:
        with services.database.read() as tx:
            found = inventories.unnamed(tx, before, after, _INVENTORIES)
        if not found:
            return
        after = found[-1]
        for some in chunks(found, _AT_ONCE):
            services.database.run(lambda tx, some=some: inventories.drop(tx, some))  # type: ignore[misc]


def _forget(tx: sa.Connection, now: datetime) -> None:
    month = now - transitions.KEPT
    transitions.forget(tx, month)
    outbox.forget(tx, month)
    packages.forget_closed(tx, generations.head_at(tx, month))
    reports.forget(tx, now, _REPORTS_KEPT)
