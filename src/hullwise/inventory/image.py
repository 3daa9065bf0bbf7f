"""From layers to the image: merge the trees, then read what is visible in the result.

Paths decide, not packages: a file that an upper layer replaces, removes or hides is gone, whether or not what is there
now holds a package. What a reader found in a file counts only where that file is the one seen in the merged tree.
"""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from hullwise.domain.packages import Distribution, FoundPackage, Occurrence, Package
from hullwise.ecosystems.namespaces import namespace
from hullwise.inventory.layers import FileReading, LayerInventory, LayerTree

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LINK_DEPTH = 40
"""As many links as Linux follows in one path (`ELOOP`)."""


@dataclass(frozen=True, slots=True)
class ReadLayer:
    """A layer of an image, lowest first in their sequence."""

    digest: str
    """Of the blob, as in the manifest."""
    inventory: LayerInventory


@dataclass(frozen=True, slots=True)
class ImageInventory:
    distribution: Distribution | None
    """None: the image does not say what it is."""
    occurrences: tuple[Occurrence, ...]
    """In the order of the introducing layers, within a layer by path and name."""
    problems: tuple[tuple[str, str], ...]
    """(path, why) of files that are visible and could not be read."""


class _Hiding:
    """What one layer does to the paths below it."""

    def __init__(self, tree: LayerTree) -> None:
        self._paths = frozenset(zstd.decompress(tree.paths).decode("utf-8", "surrogateescape").split("\n"))
        self._whiteouts = frozenset(tree.whiteouts)
        self._opaque = frozenset(tree.opaque)

    def hides(self, path: str) -> bool:
        """Whether a file at `path` in a lower layer can no longer be seen through this one."""
        if "" in self._opaque or path in self._paths or path in self._whiteouts:
            return True
        at = path.rfind("/")
        while at > 0:
            folder = path[:at]
            # A folder that was removed, emptied, or replaced by something that is no folder.
            if folder in self._whiteouts or folder in self._opaque or folder in self._paths:
                return True
            at = path.rfind("/", 0, at)
        return False


class _Links:
    """Symbolic links of the merged tree so far: a layer's path may lead through a link of a lower layer."""

    def __init__(self) -> None:
        self._targets: dict[str, str] = {}

    def add(self, layer: LayerTree, hiding: _Hiding) -> None:
        self._targets = {path: target for path, target in self._targets.items() if not hiding.hides(path)}
        self._targets |= layer.links

    def resolve(self, path: str) -> str:
        """The path with every link among its folders followed, as extracting it would; itself where they circle."""
        found = path
        for _ in range(_LINK_DEPTH):
            followed = self._follow_one(found)
            if followed is None:
                return found
            found = followed
        return path

    def _follow_one(self, path: str) -> str | None:
        at = path.find("/")
        while at > 0:
            target = self._targets.get(path[:at])
            if target is not None:
                base = "" if target.startswith("/") else posixpath.dirname(path[:at])
                folder = posixpath.normpath(posixpath.join("/", base, target)).lstrip("/")
                return posixpath.join(folder, path[at + 1 :])
            at = path.find("/", at + 1)
        return None


Key = tuple[str, str]
"""(path in the merged tree, ecosystem)"""


class _Merging:
    """The tree so far, from the lowest layer up."""

    def __init__(self) -> None:
        self.visible: dict[Key, FileReading] = {}
        self.history: dict[Key, list[tuple[int, FileReading]]] = {}
        """What the layers (by index) wrote at a path since it was last absent, lowest first."""
        self._links = _Links()

    def add(self, index: int, inventory: LayerInventory) -> None:
        hiding = _Hiding(inventory.tree)
        written = {(self._links.resolve(r.path), r.ecosystem): r for r in inventory.readings}
        for key in [key for key in self.visible if hiding.hides(key[0])]:
            del self.visible[key]
            if key not in written:
                del self.history[key]
        self._links.add(inventory.tree, hiding)
        for key, reading in written.items():
            self.visible[key] = reading
            self.history.setdefault(key, []).append((index, reading))


def merge(layers: Sequence[ReadLayer]) -> ImageInventory:
    """The inventory of an image from those of its layers, lowest first. The same layers give the same inventory."""
    merging = _Merging()
    for index, layer in enumerate(layers):
        merging.add(index, layer.inventory)
    distribution = _distribution(merging.visible)
    found = [
        (index, path, _package(ecosystem, package, distribution))
        for (path, ecosystem), reading in merging.visible.items()
        for package, index in _introduced(reading.packages, merging.history[path, ecosystem])
    ]
    # Several layers may share a digest; the index keeps their order.
    found.sort(key=lambda item: (item[0], item[1], astuple(item[2])))
    problems = sorted((path, reading.problem) for (path, _), reading in merging.visible.items() if reading.problem)
    return ImageInventory(
        distribution,
        tuple(dict.fromkeys(Occurrence(package, path, layers[index].digest) for index, path, package in found)),
        tuple(problems),
    )


def _introduced(
    packages: Iterable[FoundPackage], history: Sequence[tuple[int, FileReading]]
) -> Iterable[tuple[FoundPackage, int]]:
    """Each package with the lowest layer since which it has been in every version of its file."""
    kept = [(index, frozenset(reading.packages)) for index, reading in history]
    for package in packages:
        since = kept[-1][0]
        for index, members in reversed(kept[:-1]):
            if package not in members:
                break
            since = index
        yield package, since


def _distribution(visible: dict[Key, FileReading]) -> Distribution | None:
    """os-release(5): `/etc/os-release` goes before `/usr/lib/os-release`."""
    for path in ("etc/os-release", "usr/lib/os-release"):
        reading = visible.get((path, "os-release"))
        if reading is not None and reading.distribution is not None:
            return reading.distribution
    return None


def _package(ecosystem: str, found: FoundPackage, distribution: Distribution | None) -> Package:
    return Package(
        ecosystem=ecosystem,
        namespace=namespace(ecosystem, distribution),
        name=found.name,
        version=found.version,
        source_name=found.source_name or found.name,
        source_version=found.source_version or found.version,
        architecture=found.architecture,
        scope=found.scope,
    )
