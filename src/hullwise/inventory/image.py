"""From layers to the image: merge the trees, then read what is visible in the result.

Paths decide, not packages: a file that an upper layer replaces, removes or hides is gone, whether or not what is there
now holds a package. What a reader found in a file counts only where that file is the one seen in the merged tree.

Layers come one at a time, and of each only what matters to those above is held, within the room that the image has.
"""

from __future__ import annotations

import codecs
import posixpath
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from itertools import repeat
from typing import NamedTuple

import msgspec

from hullwise.domain.packages import Distribution, FoundPackage, Occurrence, OwnedFile, Package
from hullwise.ecosystems import BY_NAME, ECOSYSTEMS, builds, caches
from hullwise.ecosystems.conda import CONDA
from hullwise.ecosystems.namespaces import LANGUAGES, canonical_name, namespace, owned_by, strangers
from hullwise.ecosystems.os_release import REPOSITORIES
from hullwise.ecosystems.runtimes import OF_CONDA, RUNTIME
from hullwise.inventory.claims import Claims, unread
from hullwise.inventory.layers import FileReading, LayerInventory, LayerTree
from hullwise.inventory.limits import MIB, ImageLimits
from hullwise.inventory.room import Room
from hullwise.store.compression import StoredBodyDamaged
from hullwise.zstd import zstd

_LINK_DEPTH = 40
"""As many links as Linux follows in one path (`ELOOP`)."""
_LINKS_FOLLOWED = 10_000
"""In one image. Real ones lead some dozen paths through links; each may be thousands of characters long."""
_LISTED_BYTES = 1 * MIB
"""Of a listing of paths, looked at together. A path is much shorter."""
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


_NOBODY: set[str] = set()
"""Of all that have no members, so that a set each is none of what they take. Nothing is ever added."""


class _Tree:
    """The paths that matter, with the folders that lead to them: what lies below one is found without a look at all."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._members: dict[str, set[str]] = {"": _NOBODY}

    def add(self, path: str) -> None:
        """The path's own place is counted already; those of folders that are new are counted here."""
        if path in self._members:
            return
        self._members[path] = _NOBODY
        while (folder := _folder(path)) not in self._members:
            self._room.folder(folder)
            self._members[folder] = {path}
            path = folder
        if members := self._members[folder]:
            members.add(path)
        else:
            self._members[folder] = {path}

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

    def __init__(self, room: Room) -> None:
        self.targets: dict[str, str] = {}
        self.replaced: set[str] = set()
        """Links that `moved` found folders in place of, the last time."""
        self._room = room
        self._left = _LINKS_FOLLOWED

    def moved(self, folders: Set[str], stated: Set[str] = frozenset()) -> dict[str, str]:
        """Where extracting would put what is in these folders, for those that a link leads elsewhere. Whatever leads to
        one of them is among them. One that is stated takes the place of a link, which is gone then."""
        found: dict[str, str] = {}
        self.replaced = set()
        if self.targets.keys().isdisjoint(folders):
            return found
        # A folder sorts after the one that it is in.
        for folder in sorted(folders):
            above = _folder(folder)
            real = posixpath.join(found[above], posixpath.basename(folder)) if above in found else folder
            if real in self.targets:
                if folder in stated:
                    del self.targets[real]
                    self.replaced.add(real)
                else:
                    real = self._follow(real)
            if real != folder:
                self._room.name(real)
                found[folder] = real
        return found

    def into_caches(self, held: Iterable[str]) -> set[str]:
        """Those of the files held in caches of package managers, and of their folders, that links elsewhere lead to:
        `UV_LINK_MODE=symlink` installs so, conda with `always_softlink`, and Yarn 1 with Plug'n'Play."""
        # Each file of a distribution is linked; those that nobody read are not followed.
        names = {name for path in held for name in path.split("/")}
        wanted = (
            link
            for link, target in self.targets.items()
            if posixpath.basename(target.rstrip("/")) in names and caches.holds(target) and not caches.holds(link)
        )
        return {self._follow(link) for link in wanted}

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


def _with_folders(path: str) -> Iterator[str]:
    """The path, and each folder that it is in."""
    while path:
        yield path
        path = _folder(path)


def _listing(tree: LayerTree) -> Iterator[list[str]]:
    """Every path that is no folder, some thousand at a time."""
    packed, waiting, listing = tree.paths, "", zstd.ZstdDecompressor()
    decoder = codecs.getincrementaldecoder("utf-8")()
    while not listing.eof:
        piece = listing.decompress(packed, _LISTED_BYTES)
        if not piece and listing.needs_input:
            raise StoredBodyDamaged("a listing of paths is cut off")
        packed = b""
        *paths, waiting = (waiting + decoder.decode(piece)).split("\n")
        if len(waiting) > _LISTED_BYTES:
            raise StoredBodyDamaged("a listing of paths with one that is none")
        if paths:
            yield paths
    if waiting:
        yield [waiting]


Key = tuple[str, str]
"""(path in the merged tree, ecosystem)"""


class _Past(NamedTuple):
    """What the layers wrote at a path since it was last absent."""

    packages: tuple[FoundPackage, ...]
    """As the last of them says."""
    since: int | dict[FoundPackage, int]
    """Index of the lowest layer since which each has been in every version of the file; one number where all have the
    same."""

    def introduced(self) -> Iterator[tuple[FoundPackage, int]]:
        """Each package with its layer."""
        since = self.since
        return ((each, since if isinstance(since, int) else since[each]) for each in self.packages)

    def followed(self, index: int, packages: tuple[FoundPackage, ...]) -> _Past:
        """After the layer of this index wrote these."""
        if packages == self.packages:
            return self
        before = dict(self.introduced())
        return _Past(packages, {each: before.get(each, index) for each in packages})


class _Merging:
    """The tree so far, from the lowest layer up. What a layer costs follows its own size, not that of those below."""

    def __init__(self, room: Room) -> None:
        self.visible: dict[str, dict[str, FileReading]] = {}
        """By path and ecosystem."""
        self.history: dict[Key, _Past] = {}
        self._room = room
        self._tree = _Tree(room)
        self._links = _Links(room)

    def add(self, index: int, inventory: LayerInventory) -> None:
        """Raises ImageTooLarge."""
        tree = inventory.tree
        self._room.entries(tree.entries)
        # The lowest layer, often the largest, has nothing below that its other paths could hide.
        hiding = bool(self._tree)
        linked = self._hard_linked(tree)
        gone = self._hide(tree)
        folders: set[str] = set()
        # Folders with a member of their own. Extracting one replaces whatever is there and is no folder, a link to one
        # too (OCI image spec, layer.md, "Changeset over existing files").
        stated: set[str] = set()
        if hiding:
            for paths in _listing(tree):
                gone |= self._remove(paths)
                self._add_folders(folders, paths)
                if self._links.targets:
                    self._add_stated(stated, paths)
        else:
            self._add_folders(folders, self._mattering(inventory, linked))
        self._links.targets |= tree.links
        moved = self._links.moved(folders, stated)
        gone |= self._remove(self._links.replaced)
        # What is replaced through a link, and a file that is a folder now.
        if moved and hiding:
            for paths in _listing(tree):
                gone |= self._remove(
                    _moved(path, moved) for path in paths if _folder(path) in moved and not path.endswith("/")
                )
        gone |= self._remove(self.visible.keys() & (moved.get(folder, folder) for folder in folders))
        for path, target in tree.links.items():
            self._links.targets.pop(path, None)
            place = self._place(path, moved)
            self._links.targets[place] = target
            self._tree.add(place)
        written = {(self._place(path, moved), name): reading for (path, name), reading in linked.items()}
        for reading in inventory.readings:
            written[self._place(reading.path, moved), reading.ecosystem] = reading
        for path in gone:
            for name in self.visible.pop(path, {}):
                if (path, name) not in written:
                    del self.history[path, name]
        for (path, name), reading in written.items():
            self.visible.setdefault(path, {})[name] = reading
            past = self.history.get((path, name))
            packages = reading.packages
            if past is not None and past.packages != packages:
                self._room.found(len(packages), 0)
            self.history[path, name] = _Past(packages, index) if past is None else past.followed(index, packages)
            self._tree.add(path)

    def _add_folders(self, found: set[str], paths: Iterable[str]) -> None:
        """Every folder that leads to one of the paths."""
        for folder in {cut[0] for cut in map(str.rpartition, paths, repeat("/"))}:
            above = folder
            while above and above not in found:
                self._room.folder(above)
                found.add(above)
                above = _folder(above)

    def _add_stated(self, found: set[str], paths: Iterable[str]) -> None:
        for path in paths:
            if path.endswith("/"):
                self._room.name(path)
                found.add(path[:-1])

    def _folders(self, paths: Iterable[str]) -> set[str]:
        found: set[str] = set()
        self._add_folders(found, paths)
        return found

    def _place(self, path: str, moved: Mapping[str, str]) -> str:
        place = _moved(path, moved)
        if place is not path:
            self._room.name(place)
        return place

    @staticmethod
    def _mattering(inventory: LayerInventory, linked: Iterable[Key]) -> Iterator[str]:
        """The layer's paths that lead somewhere, or hold something."""
        yield from inventory.tree.links
        yield from (path for path, _ in linked)
        yield from (reading.path for reading in inventory.readings)

    def moved(self, paths: Iterable[str]) -> dict[str, str]:
        """As `_Links.moved`, of the folders of these paths in the merged tree."""
        return self._links.moved(self._folders(paths))

    def cached(self) -> set[Key]:
        """The readings of visible files that lie in the cache of a package manager, and that no link from elsewhere
        leads to. Programs run wherever they lie."""
        held = [path for path in self.visible if caches.holds(path)]
        linked = self._links.into_caches(held) if held else set[str]()
        return {
            (path, name)
            for path in held
            if linked.isdisjoint(_with_folders(path))
            for name in self.visible[path]
            if not BY_NAME[name].executables
        }

    def _remove(self, paths: Iterable[str]) -> set[str]:
        gone = self._tree.remove(paths)
        for path in gone:
            self._links.targets.pop(path, None)
        return gone

    def _hide(self, tree: LayerTree) -> set[str]:
        """Remove what the layer's whiteouts say. They too may lead through links."""
        moved = self._links.moved(self._folders((*tree.opaque, *tree.whiteouts)))
        gone: set[str] = set()
        for folder in (_moved(folder, moved) for folder in tree.opaque):
            # A folder that is opaque where a link was has taken its place: what the link led to is still there.
            gone |= self._remove({folder} if folder in self._links.targets else self._tree.members(folder))
        return gone | self._remove(_moved(path, moved) for path in tree.whiteouts)

    def _hard_linked(self, tree: LayerTree) -> dict[Key, FileReading]:
        """What lower layers say of files that get another name in this one."""
        found: dict[Key, FileReading] = {}
        moved = self._links.moved(self._folders(tree.hardlinks.values()))
        for path, target in tree.hardlinks.items():
            said = self.visible.get(_moved(target, moved), {})
            for name, program in said.items():
                if BY_NAME[name].executables:
                    self._room.found(len(program.packages), 0)
                    found[path, name] = msgspec.structs.replace(program, path=path)
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


def in_turn(digests: Sequence[str], load: Callable[[str], LayerInventory], room: Room) -> Iterator[ReadLayer]:
    """The layers of these digests, lowest first, each loaded into the room when it is asked for. A manifest may name
    one layer thousands of times: it is loaded once, and counted each time. Raises ImageTooLarge, and what `load` does.
    """
    left = Counter(digests)
    again: dict[str, tuple[LayerInventory, int]] = {}
    for digest in digests:
        left[digest] -= 1
        before = room.taken
        if digest in again:
            inventory, size = again[digest]
            room.take(size)
        else:
            inventory = load(digest)
        again[digest] = inventory, room.taken - before
        if not left[digest]:
            del again[digest]
        yield ReadLayer(digest, inventory)
        del inventory


def merge(layers: Iterable[ReadLayer], room: Room | None = None) -> ImageInventory:
    """The inventory of an image from those of its layers, lowest first. The same layers give the same inventory.

    A layer is let go before the next is asked for. `room`: what their inventories have been counted in, by default
    one in which they were not. Raises ImageTooLarge, and what the iteration raises."""
    room = room if room is not None else Room(ImageLimits())
    merging = _Merging(room)
    digests: list[str] = []
    for layer in layers:
        merging.add(len(digests), layer.inventory)
        digests.append(layer.digest)
        del layer
    visible = [reading for readings in merging.visible.values() for reading in readings.values()]
    room.seen(sum(len(each.packages) for each in visible), sum(len(each.owned) for each in visible))
    image = _Image(merging.visible)
    ownership = _Ownership(merging, image)
    owners = {(path, ecosystem): ownership.of(path, reading) for path, ecosystem, reading in _readings(merging.visible)}
    cached = merging.cached()
    known = _named_by_files(merging.visible, owners, cached)
    of_conda = _runtimes_of_conda(merging.visible)
    found = []
    for path, ecosystem, _ in _readings(merging.visible):
        if (path, ecosystem) in of_conda:
            continue
        owner = owners[path, ecosystem]
        installed = (path, ecosystem) not in cached
        for package, index in merging.history[path, ecosystem].introduced():
            if package.ecosystem and _says_nothing_new(known.get(_identity(package, ecosystem), ()), owner):
                continue
            place = f"{path}!/{package.place}" if package.place else path
            made = image.package(ecosystem, package, installed=installed)
            name = ""
            if owner is not None and made.ecosystem in LANGUAGES:
                name = owner.name
                made = msgspec.structs.replace(made, scope=_answering(owner))
            found.append((index, place, made, name))
    # Several layers may share a digest; the index keeps their order.
    found.sort()
    seen = [(path, reading) for path, readings in merging.visible.items() for reading in readings.values()]
    problems = sorted((path, reading.problem) for path, reading in seen if reading.problem)
    occurrences = (Occurrence(package, path, digests[index], owner) for index, path, package, owner in found)
    return ImageInventory(image.distribution, tuple(dict.fromkeys(occurrences)), tuple(problems))


_Visible = Mapping[str, Mapping[str, FileReading]]
"""Readings by path and ecosystem."""


def _readings(visible: _Visible) -> Iterator[tuple[str, str, FileReading]]:
    for path, readings in visible.items():
        for ecosystem, reading in readings.items():
            yield path, ecosystem, reading


def _runtimes_of_conda(visible: _Visible) -> set[Key]:
    """The readings of runtimes that conda installed. Its own record names each, and nobody speaks of its builds."""
    begins: dict[str, list[str]] = {}
    for path, ecosystem, reading in _readings(visible):
        if ecosystem == CONDA.name:
            environment = _folder(_folder(path))
            for package in reading.packages:
                begins.setdefault(package.name, []).append(f"{environment}/" if environment else "")
    if not begins:
        return set()
    return {
        (path, ecosystem)
        for path, ecosystem, reading in _readings(visible)
        if ecosystem == RUNTIME.name
        for name, place in (OF_CONDA[package.name] for package in reading.packages)
        if path.startswith(tuple(f"{begin}{place}" for begin in begins.get(name, ())))
    }


def _answering(owner: Package) -> str:
    """The scope of what the distribution's package installed. What is not judged itself cannot answer for what is in
    it."""
    return owned_by(owner) if owner.namespace and not builds.unmatched(owner) else ""


def _named_by_files(
    visible: _Visible, owners: Mapping[Key, Package | None], cached: Set[Key]
) -> dict[tuple[str, str, str], set[str]]:
    """By `_identity`, what has a file of its own that says for certain what it is: who answers for it, or the empty
    text."""
    known: dict[tuple[str, str, str], set[str]] = {}
    for path, ecosystem, reading in _readings(visible):
        if (path, ecosystem) in cached:
            continue
        owner = owners[path, ecosystem]
        whose = "" if owner is None else _answering(owner)
        for package in reading.packages:
            if not package.ecosystem and not package.unmatched:
                known.setdefault(_identity(package, ecosystem), set()).add(whose)
    return known


def _says_nothing_new(known: Collection[str], owner: Package | None) -> bool:
    """Whether an SBOM names what lies in a file beside it: one that nobody answers for, or the same as for the SBOM.
    What a distribution installed for itself is not what an application brought along."""
    return "" in known or (owner is not None and _answering(owner) in known)


def _identity(package: FoundPackage, ecosystem: str) -> tuple[str, str, str]:
    """Ecosystem, canonical name and version; Go's versions are written with a `v` and without, its paths
    by package URLs in lower case."""
    ecosystem = package.ecosystem or ecosystem
    if ecosystem == "go":
        return ecosystem, package.name.lower(), package.version.removeprefix("v").removesuffix("+incompatible")
    return ecosystem, canonical_name(ecosystem, package.name), package.version


class _Image:
    """What the image as a whole says of its packages: which distribution they are of, and who built them."""

    def __init__(self, visible: Mapping[str, Mapping[str, FileReading]]) -> None:
        self.distribution = _distribution(visible)
        vendors: dict[str, set[str]] = {}
        for readings in visible.values():
            for name, reading in readings.items():
                vendors.setdefault(name, set()).update(found.vendor for found in reading.packages if found.vendor)
        self._strangers = {name: strangers(name, self.distribution, said) for name, said in vendors.items()}
        self._sources = _source_versions(visible)
        self._namespaces: dict[str, str] = {}

    def package(self, ecosystem: str, found: FoundPackage, *, installed: bool = True) -> Package:
        ecosystem = found.ecosystem or ecosystem
        unmatched = not installed or found.unmatched or found.vendor in self._strangers.get(ecosystem, ())
        if ecosystem not in self._namespaces:
            self._namespaces[ecosystem] = namespace(ecosystem, self.distribution)
        return Package(
            ecosystem=ecosystem,
            namespace="" if unmatched else self._namespaces[ecosystem],
            name=found.name,
            version=found.version,
            source_name=found.source_name or found.name,
            source_version=self._source_version(ecosystem, found),
            architecture=found.architecture,
            scope=found.scope,
        )

    def _source_version(self, ecosystem: str, found: FoundPackage) -> str:
        version = found.source_version or found.version
        return self._sources.get(_source(found), version) if ecosystem == "rpm" else version


def _source(found: FoundPackage) -> tuple[str, str]:
    """Name and version of the source package as the name of its file has them: without an epoch."""
    return found.source_name or found.name, (found.source_version or found.version).rpartition(":")[2]


def _source_versions(visible: Mapping[str, Mapping[str, FileReading]]) -> dict[tuple[str, str], str]:
    """The versions of rpm's source packages with their epochs, which nothing states: of what one was built into, that
    which has its version has its epoch too, and some have others of their own (perl-libs 4:5.26.3-422.el8 and
    perl-Errno 0:1.28-422.el8 are of perl-5.26.3-422.el8.src.rpm). A finding is of a source package, which is one."""
    readings = (readings.get("rpm") for readings in visible.values())
    packages = [found for reading in readings if reading is not None for found in reading.packages]
    same = [found for found in packages if found.version and not found.source_version]
    # The package that is called as its source goes last, and counts.
    same.sort(key=lambda found: (not found.source_name, found.name, found.version))
    return {_source(found): found.version for found in same}


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
