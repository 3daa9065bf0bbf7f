"""Which readers want a file, and what they say of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hullwise.ecosystems.ecosystem import Ecosystem, Unreadable
from hullwise.inventory.layers import FileReading

LONGEST_PROBLEM = 300
"""Characters of a problem's text, for a message may quote the file."""

_NUL = b"\\u0000"


class Claims:
    """The claims of some ecosystems, asked of in an order that answers most paths with three look-ups."""

    def __init__(self, ecosystems: Sequence[Ecosystem]) -> None:
        self._ecosystems = ecosystems
        self._basenames = frozenset[str]().union(*(ecosystem.basenames for ecosystem in ecosystems))
        self._directories = frozenset[str]().union(*(ecosystem.directories for ecosystem in ecosystems))
        self._suffixes = tuple({suffix for ecosystem in ecosystems for suffix in ecosystem.suffixes})
        self.of_executables = tuple(ecosystem for ecosystem in ecosystems if ecosystem.executables)

    def of(self, path: str, folder: str, name: str) -> list[Ecosystem]:
        """The ecosystems that want the file at `path`, which is `name` in `folder`."""
        if not (name in self._basenames or folder in self._directories or path.endswith(self._suffixes)):
            return []
        return [ecosystem for ecosystem in self._ecosystems if _claims(ecosystem, path, folder, name)]

    def wants(self, path: str) -> bool:
        """Whether some reader wants the file at `path`."""
        folder, _, name = path.rpartition("/")
        return bool(self.of(path, folder, name))


def _claims(ecosystem: Ecosystem, path: str, folder: str, name: str) -> bool:
    if not (name in ecosystem.basenames or folder in ecosystem.directories or path.endswith(ecosystem.suffixes)):
        return False
    try:
        return ecosystem.claims(path)
    except Exception:
        return True  # Its reader then reads the file, or fails and is told of.


def unread(ecosystem: Ecosystem, path: str, problem: str) -> FileReading:
    """The reading of a file that could not be read."""
    text = problem.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return FileReading(path=path, ecosystem=ecosystem.name, problem=text[:LONGEST_PROBLEM] or "unreadable")


def read(ecosystem: Ecosystem, path: str, data: bytes) -> FileReading:
    """What the ecosystem's reader says of a file; whatever it raises becomes the reading's problem.

    The reading can be stored and sent: its texts are UTF-8, without NUL."""
    try:
        said = ecosystem.read(path, data)
        reading = FileReading(path, ecosystem.name, said.packages, said.distribution, owned=said.owned)
        encoded = msgspec.json.encode(reading)
    except Unreadable as error:
        return unread(ecosystem, path, str(error))
    except Exception as error:
        return unread(ecosystem, path, f"the {ecosystem.name} reader failed with {type(error).__name__}")
    if _NUL in encoded:  # PostgreSQL stores no such text
        return unread(ecosystem, path, "a NUL in the name of a package")
    return reading
