"""Publishing a generation: build it, match what changed, then move the head, last.

    head N ──▶ build N+1 ──▶ match packages of changed names, writing matches "from N+1" ──▶ ┐
                                  ▲   readers still use N: such rows do not hold for it       │ hold the head alone:
                                  └── packages that came meanwhile ◀── some left? ◀───────────┤ none left: head = N+1

Whoever dies on the way has changed nothing that a reader sees; the next publication takes back what was written ahead.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.generation import Generation, changed_names
from hullwise.blobs import keys
from hullwise.scanning import verdicts
from hullwise.services import Services
from hullwise.store import generations, packages
from hullwise.store.generations import Generation as GenerationRow

log = structlog.get_logger()

_BATCH = 500
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


Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it is done, and how much there is in all."""


def publish(
    services: Services, fill: Callable[[GenerationBuilder], None], progress: Progress = lambda *_: None
) -> Published:
    """Publish the head's data with what `fill` changes. One publication runs at a time; others wait their turn.

    After it returns every reader uses the new generation, and every package is matched through it.
    """
    with services.database.exclusive("publication", services.settings.locks):
        with services.database.write() as tx:
            head = generations.head_number(tx)
            packages.take_back(tx, head)
            row = generations.get(tx, head) if head else None
        folder = services.generation_folder
        folder.mkdir(parents=True, exist_ok=True)
        # Whoever left one was killed: nobody else builds while we hold the lock.
        for left in folder.glob("building-*"):
            left.unlink(missing_ok=True)
        path = folder / f"building-{secrets.token_hex(8)}.sqlite"
        try:
            with GenerationBuilder(path, None if row is None else services.generation_path(row)) as builder:
                fill(builder)
                digest = builder.seal(services.clock())
            with Generation(path) as generation:
                return _publish(services, head, row, generation, digest, progress)
        finally:
            path.unlink(missing_ok=True)


def _publish(
    services: Services,
    head: int,
    row: GenerationRow | None,
    generation: Generation,
    digest: str,
    progress: Progress,
) -> Published:
    names: list[tuple[str, str]] = []
    same = row is not None and row.digest == digest
    if row is not None and not same:
        with services.open_generation(row) as old:
            names = changed_names(old, generation)
    new_row = _row(services, head if same else head + 1, generation)
    _upload(services, generation, new_row.object_key)
    if same:
        with services.database.write() as tx:
            generations.refresh(tx, new_row)
        _note_head(services, new_row)
        return Published(head, digest, False, 0, 0)
    matched = _match_changed(services, generation, head, names, progress)
    matched += _move_head(services, generation, head, names, new_row)
    _note_head(services, new_row)
    log.info("generation published", number=new_row.number, digest=digest, names=len(names), packages=matched)
    return Published(new_row.number, digest, True, len(names), matched)


def _row(services: Services, number: int, generation: Generation) -> GenerationRow:
    as_of = generation.data_as_of
    return GenerationRow(
        number=number,
        digest=generation.digest,
        rules_version=generation.rules_version,
        object_key=keys.generation(generation.digest),
        records=generation.record_count,
        data_as_of=datetime.fromisoformat(as_of) if as_of else None,
        sources=tuple({"name": name, **body} for name, body in generation.sources.items()),
        published_at=services.clock(),
    )


def _upload(services: Services, generation: Generation, key: str) -> None:
    with generation.path.open("rb") as file, services.blobs.writer(key) as writer:
        while piece := file.read(1 << 20):
            writer.write(piece)


def _match_changed(
    services: Services, generation: Generation, head: int, names: list[tuple[str, str]], progress: Progress
) -> int:
    """Match every package of a changed name that is not yet matched for the generation after the head."""
    done = 0
    for start in range(0, len(names), _BATCH):
        progress("names", start, len(names))
        chunk = names[start : start + _BATCH]
        with services.database.read() as tx:
            wanted = packages.installed_named(tx, chunk, head + 1)
        if wanted:
            found = verdicts.judge(generation, wanted)
            services.database.run(lambda tx, found=found: verdicts.move(tx, generation, head, found))  # type: ignore[misc]
            done += len(wanted)
    progress("names", len(names), len(names))
    return done


def _move_head(
    services: Services, generation: Generation, head: int, names: list[tuple[str, str]], row: GenerationRow
) -> int:
    """Move the head once no package of a changed name is left to match. Returns how many were matched meanwhile."""
    matched = 0
    while True:
        with services.database.write() as tx:
            generations.hold_head(tx, alone=True)
            left = packages.installed_named(tx, names, head + 1, limit=_LAST + 1)
            if len(left) <= _LAST:
                if left:
                    verdicts.move(tx, generation, head, verdicts.judge(generation, left))
                generations.add(tx, row)
                generations.move_head(tx, row.number)
                return matched + len(left)
        matched += _match_changed(services, generation, head, names, lambda *_: None)


def _note_head(services: Services, row: GenerationRow) -> None:
    """Leave word in the data folder of which file is the head's, for the command line, which opens no database."""
    path = services.generation_path(row)
    note = services.generation_folder / "head.json"
    partial = note.with_name(f"head.json.{os.getpid()}")
    partial.write_text(json.dumps({"generation": row.number, "digest": row.digest, "path": str(path)}) + "\n")
    partial.replace(note)
