"""Which readers want a file, and what they say of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hullwise.ecosystems.ecosystem import Ecosystem, Unreadable
from hullwise.inventory.layers import FileReading

LONGEST_PROBLEM = 300
"""Characters of a problem's text, for a message may quote the file."""

PROGRAM = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe")
"""How ELF, PE and Mach-O begin. The 32-bit and big-endian forms of the last are of systems that ran no container."""

SMALLEST_PROGRAM = 4096
"""Bytes. The smallest program of Go or Rust has a million."""

_NUL = b"\\u0000"


_NOBODY: tuple[Ecosystem, ...] = ()


class Claims:
    """The claims of some ecosystems, asked of in an order that answers most paths with three look-ups."""

    def __init__(self, ecosystems: Sequence[Ecosystem]) -> None:
        names: dict[str, list[Ecosystem]] = {}
        folders: dict[str, list[Ecosystem]] = {}
        extensions: dict[str, list[Ecosystem]] = {}
        for ecosystem in ecosystems:
            for index, keys in (
                (names, ecosystem.basenames),
                (folders, ecosystem.directories),
                (extensions, {_extension(suffix) for suffix in ecosystem.suffixes}),
            ):
                for key in sorted(keys):
                    index.setdefault(key, []).append(ecosystem)
        self._by_name = {name: tuple(found) for name, found in names.items()}
        self._by_folder = {folder: tuple(found) for folder, found in folders.items()}
        self._by_extension = {extension: tuple(found) for extension, found in extensions.items()}
        self.of_executables = tuple(ecosystem for ecosystem in ecosystems if ecosystem.executables)

    def of(self, path: str, folder: str, name: str) -> list[Ecosystem]:
        """The ecosystems that want the file at `path`, which is `name` in `folder`."""
        by_name = self._by_name.get(name, _NOBODY)
        by_folder = self._by_folder.get(folder, _NOBODY)
        by_extension = self._by_extension.get(_extension(name), _NOBODY)
        if not (by_name or by_folder or by_extension):
            return []
        asked = list(by_name)
        asked += [each for each in by_folder if each not in asked]
        asked += [each for each in by_extension if each not in asked and path.endswith(each.suffixes)]
        return [each for each in asked if _claims(each, path)]

    def wants(self, path: str) -> bool:
        """Whether some reader wants the file at `path`."""
        folder, _, name = path.rpartition("/")
        return bool(self.of(path, folder, name))


def _extension(name: str) -> str:
    """From the last point on; the whole name where it has none."""
    return name[name.rfind(".") :] if "." in name else name


def _claims(ecosystem: Ecosystem, path: str) -> bool:
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
