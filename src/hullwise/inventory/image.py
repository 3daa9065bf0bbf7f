"""From layers to the image: merge the trees, then read what is visible in the result.

Paths decide, not packages: a file that an upper layer replaces, removes or hides is gone, whether or not what is there
now holds a package. What a reader found in a file counts only where that file is the one seen in the merged tree.
"""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import repeat

import msgspec

from hullwise.domain.packages import Distribution, FoundPackage, Occurrence, OwnedFile, Package
from hullwise.ecosystems import BY_NAME, ECOSYSTEMS
from hullwise.ecosystems.namespaces import LANGUAGES, canonical_name, namespace, owned_by, strangers
from hullwise.ecosystems.os_release import REPOSITORIES
from hullwise.inventory.claims import Claims, unread
from hullwise.inventory.layers import FileReading, LayerInventory, LayerTree

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LINK_DEPTH = 40
"""As many links as Linux follows in one path (`ELOOP`)."""
_LINKS_FOLLOWED = 10_000
"""In one image. Real ones lead some dozen paths through links; each may be thousands of characters long."""
_CLAIMS = Claims(ECOSYSTEMS)


class ReadLayer(msgspec.Struct, frozen=True):
    """A layer of an image, lowest first in their sequence."""

    digest: str
    """Of the blob, as in the manifest."""
    inventory: LayerInventory


class ImageInventory(msgspec.Struct, frozen=True):
    distribution: Distribution | None
    """None: the image does not say what it is."""
    occurrences: tuple[Occurrence, ...]
    """In the order of the introducing layers, within a layer by path and name."""
    problems: tuple[tuple[str, str], ...]
    """(path, why) of files that are visible and could not be read."""

    def of_distribution(self) -> ImageInventory:
        """Without language packages: what ECR's own basic scanning looks at."""
        kept = tuple(each for each in self.occurrences if BY_NAME[each.package.ecosystem].shared)
        return msgspec.structs.replace(self, occurrences=kept)


class _Tree:
    """The paths that matter, with the folders that lead to them: what lies below one is found without a look at all."""

    def __init__(self) -> None:
        self._members: dict[str, set[str]] = {"": set()}

    def add(self, path: str) -> None:
        if path in self._members:
            return
        self._members[path] = set()
        while (folder := _folder(path)) not in self._members:
            self._members[folder] = {path}
            path = folder
        self._members[folder].add(path)

    def __bool__(self) -> bool:
        """Whether there is a path in it."""
        return len(self._members) > 1

    def remove(self, paths: Iterable[str]) -> set[str]:
        """Forget those of the paths that are there, and all below them. Returns what is forgotten."""
        gone: set[str] = set()
        for path in self._members.keys() & paths:
            if path not in gone:
                self._members[_folder(path)].discard(path)
                waiting = [path]
                while waiting:
                    at = waiting.pop()
                    gone.add(at)
                    waiting += self._members.pop(at)
        return gone

    def members(self, folder: str) -> set[str]:
        """What is directly in the folder."""
        return set(self._members.get(folder, ()))


class _Links:
    """Symbolic links of the merged tree so far: a layer's path may lead through one of any layer."""

    def __init__(self) -> None:
        self.targets: dict[str, str] = {}
        self._left = _LINKS_FOLLOWED

    def moved(self, folders: Set[str]) -> dict[str, str]:
        """Where extracting would put what is in these folders, for those that a link leads elsewhere. Whatever leads to
        one of them is among them."""
        found: dict[str, str] = {}
        if self.targets.keys().isdisjoint(folders):
            return found
        # A folder sorts after the one that it is in.
        for folder in sorted(folders):
            above = _folder(folder)
            real = posixpath.join(found[above], posixpath.basename(folder)) if above in found else folder
            if real in self.targets:
                real = self._follow(real)
            if real != folder:
                found[folder] = real
        return found

    def _follow(self, path: str) -> str:
        """The path with every link in it followed; itself where they circle, or lead through too many others."""
        found = path
        for _ in range(_LINK_DEPTH):
            followed = self._follow_one(found)
            if followed is None:
                return found
            found = followed
        return path

    def _follow_one(self, path: str) -> str | None:
        at = path.find("/")
        while self._left > 0:
            link = path if at < 0 else path[:at]
            target = self.targets.get(link)
            if target is not None:
                self._left -= 1
                base = "" if target.startswith("/") else _folder(link)
                rest = path[len(link) + 1 :]
                return posixpath.normpath(posixpath.join("/", base, target, rest)).lstrip("/")
            if at < 0:
                break
            at = path.find("/", at + 1)
        return None


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _folders(paths: Iterable[str]) -> set[str]:
    """Every folder that leads to one of the paths."""
    found: set[str] = set()
    for folder in {cut[0] for cut in map(str.rpartition, paths, repeat("/"))}:
        above = folder
        while above and above not in found:
            found.add(above)
            above = _folder(above)
    return found


def _listing(tree: LayerTree) -> list[str]:
    return [path for path in zstd.decompress(tree.paths).decode().split("\n") if path]


Key = tuple[str, str]
"""(path in the merged tree, ecosystem)"""


class _Merging:
    """The tree so far, from the lowest layer up. What a layer costs follows its own size, not that of those below."""

    def __init__(self) -> None:
        self.visible: dict[str, dict[str, FileReading]] = {}
        """By path and ecosystem."""
        self.history: dict[Key, list[tuple[int, FileReading]]] = {}
        """What the layers (by index) wrote at a path since it was last absent, lowest first."""
        self._tree = _Tree()
        self._links = _Links()

    def add(self, index: int, inventory: LayerInventory) -> None:
        tree = inventory.tree
        # The lowest layer, often the largest, has nothing below that its other paths could hide.
        paths = _listing(tree) if self._tree else []
        linked = self._hard_linked(tree)
        gone = self._hide(tree) | self._remove(paths)
        self._links.targets |= tree.links
        folders = _folders(paths or self._mattering(inventory, linked))
        moved = self._links.moved(folders)
        # What is replaced through a link, and a file that is a folder now.
        if moved:
            gone |= self._remove({_moved(path, moved) for path in paths if _folder(path) in moved})
        gone |= self._remove(self.visible.keys() & {moved.get(folder, folder) for folder in folders})
        for path, target in tree.links.items():
            self._links.targets.pop(path, None)
            self._links.targets[_moved(path, moved)] = target
            self._tree.add(_moved(path, moved))
        written = {(_moved(path, moved), name): reading for (path, name), reading in linked.items()}
        written |= {(_moved(reading.path, moved), reading.ecosystem): reading for reading in inventory.readings}
        for path in gone:
            for name in self.visible.pop(path, {}):
                if (path, name) not in written:
                    del self.history[path, name]
        for (path, name), reading in written.items():
            self.visible.setdefault(path, {})[name] = reading
            self.history.setdefault((path, name), []).append((index, reading))
            self._tree.add(path)

    @staticmethod
    def _mattering(inventory: LayerInventory, linked: Iterable[Key]) -> Iterator[str]:
        """The layer's paths that lead somewhere, or hold something."""
        yield from inventory.tree.links
        yield from (path for path, _ in linked)
        yield from (reading.path for reading in inventory.readings)

    def moved(self, paths: Iterable[str]) -> dict[str, str]:
        """As `_Links.moved`, of the folders of these paths in the merged tree."""
        return self._links.moved(_folders(paths))

    def _remove(self, paths: Iterable[str]) -> set[str]:
        gone = self._tree.remove(paths)
        for path in gone:
            self._links.targets.pop(path, None)
        return gone

    def _hide(self, tree: LayerTree) -> set[str]:
        """Remove what the layer's whiteouts say. They too may lead through links."""
        moved = self._links.moved(_folders((*tree.opaque, *tree.whiteouts)))
        gone: set[str] = set()
        for folder in (_moved(folder, moved) for folder in tree.opaque):
            # A folder that is opaque where a link was has taken its place: what the link led to is still there.
            gone |= self._remove({folder} if folder in self._links.targets else self._tree.members(folder))
        return gone | self._remove({_moved(path, moved) for path in tree.whiteouts})

    def _hard_linked(self, tree: LayerTree) -> dict[Key, FileReading]:
        """What lower layers say of files that get another name in this one."""
        found: dict[Key, FileReading] = {}
        moved = self._links.moved(_folders(tree.hardlinks.values()))
        for path, target in tree.hardlinks.items():
            said = self.visible.get(_moved(target, moved), {})
            for ecosystem in _CLAIMS.of(path, _folder(path), posixpath.basename(path)):
                reading = said.get(ecosystem.name)
                found[path, ecosystem.name] = (
                    unread(ecosystem, path, f"a hard link to {target}, whose content is not in this layer")
                    if reading is None
                    else msgspec.structs.replace(reading, path=path)
                )
        return found


def _moved(path: str, moved: Mapping[str, str]) -> str:
    folder, _, name = path.rpartition("/")
    return posixpath.join(moved[folder], name) if folder in moved else path


def merge(layers: Sequence[ReadLayer]) -> ImageInventory:
    """The inventory of an image from those of its layers, lowest first. The same layers give the same inventory."""
    merging = _Merging()
    for index, layer in enumerate(layers):
        merging.add(index, layer.inventory)
    image = _Image(merging.visible)
    ownership = _Ownership(merging, image)
    known = _named_by_files(merging.visible)
    found = []
    for path, readings in merging.visible.items():
        for ecosystem, reading in readings.items():
            owner = ownership.of(path, reading)
            for package, index in _introduced(reading.packages, merging.history[path, ecosystem]):
                if package.ecosystem and _identity(package, ecosystem) in known:
                    continue
                place = f"{path}!/{package.place}" if package.place else path
                made = image.package(ecosystem, package)
                name = ""
                if owner is not None and made.ecosystem in LANGUAGES:
                    name = owner.name
                    made = msgspec.structs.replace(made, scope=owned_by(owner) if made.namespace else "")
                found.append((index, place, made, name))
    # Several layers may share a digest; the index keeps their order.
    found.sort()
    seen = [(path, reading) for path, readings in merging.visible.items() for reading in readings.values()]
    problems = sorted((path, reading.problem) for path, reading in seen if reading.problem)
    occurrences = (Occurrence(package, path, layers[index].digest, owner) for index, path, package, owner in found)
    return ImageInventory(image.distribution, tuple(dict.fromkeys(occurrences)), tuple(problems))


def _named_by_files(visible: Mapping[str, Mapping[str, FileReading]]) -> set[tuple[str, str, str]]:
    """`_identity` of what has a file of its own: an SBOM that lies beside it says nothing new of it."""
    return {
        _identity(package, ecosystem)
        for readings in visible.values()
        for ecosystem, reading in readings.items()
        for package in reading.packages
        if not package.ecosystem
    }


def _identity(package: FoundPackage, ecosystem: str) -> tuple[str, str, str]:
    """Ecosystem, canonical name and version; Go's versions are written with a `v` and without."""
    ecosystem = package.ecosystem or ecosystem
    version = package.version.removeprefix("v").removesuffix("+incompatible") if ecosystem == "go" else package.version
    return ecosystem, canonical_name(ecosystem, package.name), version


class _Image:
    """What the image as a whole says of its packages: which distribution they are of, and who built them."""

    def __init__(self, visible: Mapping[str, Mapping[str, FileReading]]) -> None:
        self.distribution = _distribution(visible)
        vendors: dict[str, set[str]] = {}
        for readings in visible.values():
            for name, reading in readings.items():
                vendors.setdefault(name, set()).update(found.vendor for found in reading.packages if found.vendor)
        self._strangers = {name: strangers(name, self.distribution, said) for name, said in vendors.items()}
        self._namespaces: dict[str, str] = {}

    def package(self, ecosystem: str, found: FoundPackage) -> Package:
        ecosystem = found.ecosystem or ecosystem
        unmatched = found.unmatched or found.vendor in self._strangers.get(ecosystem, ())
        if ecosystem not in self._namespaces:
            self._namespaces[ecosystem] = namespace(ecosystem, self.distribution)
        return Package(
            ecosystem=ecosystem,
            namespace="" if unmatched else self._namespaces[ecosystem],
            name=found.name,
            version=found.version,
            source_name=found.source_name or found.name,
            source_version=found.source_version or found.version,
            architecture=found.architecture,
            scope=found.scope,
        )


class _Ownership:
    """Which package of the distribution installed a file, by the distribution's own lists."""

    def __init__(self, merging: _Merging, image: _Image) -> None:
        self._files: dict[str, list[OwnedFile]] = {}
        self._packages: dict[str, Package] = {}
        owned: list[OwnedFile] = []
        for readings in merging.visible.values():
            for ecosystem, reading in readings.items():
                owned += reading.owned
                if BY_NAME[ecosystem].shared:
                    made = (image.package(ecosystem, found) for found in reading.packages)
                    self._packages |= {package.name: package for package in made}
        # A list may name `lib/a` where `lib` is a link to `usr/lib`.
        moved = merging.moved(file.path for file in owned)
        for file in owned:
            if file.package in self._packages:
                self._files.setdefault(_moved(file.path, moved), []).append(file)

    def of(self, path: str, reading: FileReading) -> Package | None:
        """The package whose file this still is: one that was replaced by another's content is no longer its own."""
        for file in self._files.get(path, ()):
            if _is_as_installed(file, reading.digests):
                return self._packages[file.package]
        return None


def _is_as_installed(file: OwnedFile, digests: Sequence[str]) -> bool:
    kind = file.digest.partition(":")[0]
    same = [digest for digest in digests if digest.partition(":")[0] == kind]
    # Without a digest on either side the path alone tells.
    return not (file.digest and same) or file.digest in same


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


def _distribution(visible: Mapping[str, Mapping[str, FileReading]]) -> Distribution | None:
    """os-release(5): `/etc/os-release` goes before `/usr/lib/os-release`. In Alpine the branch in use counts."""
    branch = _stated(visible, REPOSITORIES)
    for path in ("etc/os-release", "usr/lib/os-release"):
        found = _stated(visible, path)
        if found is not None:
            of_branch = branch is not None and found.id == branch.id and not found.version.startswith(branch.version)
            return msgspec.structs.replace(found, version=branch.version) if branch and of_branch else found
    return None


def _stated(visible: Mapping[str, Mapping[str, FileReading]], path: str) -> Distribution | None:
    reading = visible.get(path, {}).get("os-release")
    return None if reading is None else reading.distribution
