"""Notes in the data folder, for commands that scan without opening the database.

    advisories/head.json         the generation in use: its number, its digest, and where its file is
    advisories/lifecycles.json   until when distributions are supported

Whoever publishes leaves them, and each worker sees to those of its machine: the head may move on another one.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from hullwise.advisories.notes import HEAD_NOTE, LIFECYCLES_NOTE
from hullwise.domain.enrichment import Enrichment
from hullwise.services import UNREADABLE, Services
from hullwise.store import enrichment, generations
from hullwise.store.clock import is_over
from hullwise.store.generations import Generation

_AGAIN = timedelta(hours=1)
"""After which a file that is of no use is fetched again; it may have a gigabyte."""


class Notes:
    """Sees to the notes of this machine, each time that it is called."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._useless: tuple[str, datetime] | None = None

    def __call__(self) -> None:
        """Both notes say what the database says. The head's file is fetched where it is not on this machine; where it
        cannot be had, or is of no use, the note of the head stays as it is. Raises StorageUnavailable."""
        services, now = self._services, self._services.clock()
        note_lifecycles(services)
        row = _head(services)
        if row is None or _is_noted(services, row):
            return
        useless, since = self._useless or ("", now)
        if useless == row.object_key and not is_over(since, _AGAIN, now):
            return
        try:
            services.generation_path(row)
        except UNREADABLE:
            self._useless = row.object_key, now
            return
        # Asked again: while a large file came, a newer one may have been published here.
        if _head(services) == row:
            note_head(services)


def note_head(services: Services) -> None:
    """The note of the head names the generation that readers use. Where its file cannot be had it stays as it is."""
    row = _head(services)
    if row is not None:
        with contextlib.suppress(*UNREADABLE):
            note(services, row)


def note(services: Services, row: Generation) -> None:
    """The note of the head names this generation. A file in the data folder is named by its path there, so that the
    folder may be moved. Raises one of UNREADABLE."""
    path, data = services.generation_path(row), services.settings.data
    place = path.relative_to(data) if path.is_relative_to(data) else path
    said = json.dumps({"generation": row.number, "digest": row.digest, "path": str(place)}) + "\n"
    _leave(services, HEAD_NOTE, said.encode())


def note_lifecycles(services: Services) -> None:
    """The note of lifecycles says what is kept of them."""
    with services.database.read() as tx:
        dates = enrichment.dates(tx)
        found = enrichment.all_lifecycles(tx) if "lifecycles" in dates else ()
    if found:
        said = Enrichment(lifecycles_as_of=dates["lifecycles"], lifecycles=tuple(found))
        _leave(services, LIFECYCLES_NOTE, msgspec.json.encode(said))


def _head(services: Services) -> Generation | None:
    with services.database.read() as tx:
        return generations.get(tx, generations.head_number(tx))


def _is_noted(services: Services, row: Generation) -> bool:
    """Whether the note names the file of this generation, and the file is there."""
    try:
        said = json.loads((services.generation_folder / HEAD_NOTE).read_bytes())
        path = services.settings.data / said["path"]
        return (said["generation"], path.name) == (row.number, Path(row.object_key).name) and path.exists()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _leave(services: Services, name: str, said: bytes) -> None:
    services.generation_folder.mkdir(parents=True, exist_ok=True)  # a restored data folder has none yet
    place = services.generation_folder / name
    with contextlib.suppress(FileNotFoundError):
        if place.read_bytes() == said:
            return
    unfinished = place.with_name(f"{name}.{os.getpid()}.{threading.get_native_id()}")
    unfinished.write_bytes(said)
    unfinished.replace(place)
