"""running.json in the data folder: where its server answers, while it runs."""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hullwise.settings import Settings


def _file(settings: Settings) -> Path:
    return settings.data / "running.json"


@dataclass(slots=True)
class Note:
    """The word that a server leaves. Of several on one data folder the first is noted; when it ends, another one."""

    settings: Settings
    url: str
    _lock: IO[str] | None = field(default=None, init=False)
    _held: bool = field(default=False, init=False)

    def claim(self) -> None:
        """Leave it, unless another server that runs has left its own. Raises OSError."""
        if self._held:
            return
        if self._lock is None:
            self.settings.locks.mkdir(parents=True, exist_ok=True)
            self._lock = (self.settings.locks / "running.lock").open("a")
        try:
            # Its holder may be killed: then the lock is free, and the note stands for nobody.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        self._held = True
        _file(self.settings).write_text(json.dumps({"url": self.url}) + "\n")

    def withdraw(self) -> None:
        """Take it back, where it was left. Another server's stays."""
        if self._held:
            _file(self.settings).unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
        self._held, self._lock = False, None


def running_url(settings: Settings) -> str:
    """Where the server on this data folder answers, or how clients reach it by configuration; else empty."""
    if settings.public_url:
        return settings.public_url
    try:
        return str(json.loads(_file(settings).read_text())["url"])
    except (OSError, ValueError, KeyError):
        return ""
