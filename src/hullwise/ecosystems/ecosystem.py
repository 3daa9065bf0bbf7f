"""The contract that each ecosystem fills: which files it wants to see, how it reads one, what a package is called."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hullwise.domain.packages import Distribution, FoundPackage, OwnedFile


class Unreadable(Exception):
    """A file that an ecosystem claims is damaged. The message says what is wrong with it, for a person."""


class Reading(msgspec.Struct, frozen=True):
    """What one file says. Each part is empty where the file says nothing of it."""

    packages: tuple[FoundPackage, ...] = ()
    distribution: Distribution | None = None
    owned: tuple[OwnedFile, ...] = ()
    """What packages of the distribution installed, for its databases."""


class Ecosystem(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of package is found, read, named and ordered."""

    name: str
    """Unique, and stored with every result."""

    version: int
    """Raise it when `claims` or `read` changes what is found: layers read by an older version are then read again."""

    basenames: frozenset[str] = frozenset()
    """File names whose files may be claimed."""

    suffixes: tuple[str, ...] = ()
    """Endings of file names that may be claimed, each with a point: `.egg-info`, `.deps.json`."""

    directories: frozenset[str] = frozenset()
    """Folders, relative to the image's root, whose direct members may be claimed."""

    executables: bool = False
    """Whether every program and library is wanted, whatever its name: a file that begins as ELF, PE or Mach-O."""

    claims: Callable[[str], bool] = lambda path: False
    """Whether the file at this path is wanted. Asked only where one of the three above fits: they make the walk fast.

    The path is relative to the image's root, with `/` between its parts and none in front."""

    read: Callable[[str, bytes], Reading]
    """Read one claimed file, given its path and all of its bytes.

    Returns an empty `Reading` where there is nothing; raises `Unreadable` and nothing else where it is damaged."""

    file_limit: int = 64 << 20
    """Bytes. A larger file is not read; the layer's inventory says so."""

    shared: bool = False
    """True where one file holds a whole database that a later layer rewrites (dpkg status): a package is then
    introduced by the lowest layer since which it never left that file."""

    version_key: Callable[[str], bytes] | None = None
    """Order of versions (see `hullwise.versions`); None where nothing is matched (os-release)."""

    purl_type: str = ""
    """Type in a package URL, such as `pypi`; empty for no packages."""

    osv_names: tuple[str, ...] = ()
    """What OSV calls it: `PyPI`, `Debian`. A release, where there is one, follows after a colon."""
