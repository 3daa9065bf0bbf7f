"""One layer, read once: its tree, and what the readers say of the files that they claim."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import BinaryIO, NamedTuple

import msgspec

from hullwise.ecosystems.ecosystem import Ecosystem
from hullwise.inventory.archive import Archive, Kind, Member
from hullwise.inventory.claims import PROGRAM, SMALLEST_PROGRAM, Claims, read, unread
from hullwise.inventory.decompression import uncompressed
from hullwise.inventory.errors import LayerTooLarge
from hullwise.inventory.hashing import Hashing
from hullwise.inventory.layers import FileReading, LayerInventory, LayerTree
from hullwise.inventory.limits import LayerLimits
from hullwise.zstd import zstd

WHITEOUT = ".wh."
"""How a file's name begins that removes the rest of the name from the layers below (OCI image spec, layer.md)."""

OPAQUE = ".wh..wh..opq"
RESERVED = ".wh..wh."
"""Other names of AUFS, which say nothing of the layers below."""

_INSTALLED = re.compile(r"(?:usr/(?!local/|src/)|lib|s?bin/)")
"""Where packages of distributions install (Filesystem Hierarchy Standard); a file elsewhere costs no digest."""

Missed = Mapping[int, Mapping[str, str]]
"""Files whose data had gone by when a claimed hard link to them came: ordinal of the member, and for each ecosystem
that has to read it, the path under which it is claimed."""


class _Once(NamedTuple):
    inventory: LayerInventory
    missed: Missed


class Walked(NamedTuple):
    inventory: LayerInventory
    missed: bool
    """Whether a second reading would find more: see `walk`."""


class _Walk:
    """What is known of a layer so far. A member replaces what earlier ones left at its path, as when unpacked."""

    def __init__(self, ecosystems: Sequence[Ecosystem], limits: LayerLimits, again: Missed) -> None:
        self._ecosystems = {ecosystem.name: ecosystem for ecosystem in ecosystems}
        self._claims = Claims(ecosystems)
        self._limits = limits
        self._again = again
        self._members = 0
        self._names = 0
        self._packages = 0
        self._replaced = 0
        self._directories = {""}
        self._stated: set[str] = set()
        """Directories that have a member of their own; the others only lead to one."""
        self._files: dict[str, int] = {}
        """Paths that are no directory, with the ordinal of the member that brought the data: hard links share it."""
        self._said: dict[int, dict[str, FileReading]] = {}
        """By ordinal and ecosystem."""
        self._readings: dict[str, list[FileReading]] = {}
        self._links: dict[str, str] = {}
        self._hardlinks: dict[str, str] = {}
        self._whiteouts: set[str] = set()
        self._opaque: set[str] = set()
        self.missed: dict[int, dict[str, str]] = {}

    def take(self, member: Member, archive: Archive) -> None:
        self._members += 1
        path = member.path
        folder, _, name = path.rpartition("/")
        if name.startswith(WHITEOUT):
            self._white_out(folder, name)
        elif member.kind is Kind.DIRECTORY:
            self._forget(path)
            self._add_directory(path)
            if path:
                self._stated.add(path)
        elif not path:
            return
        elif member.kind is Kind.HARD_LINK:
            self._take_hard_link(member, folder, name)
        else:
            self._place(path, folder, self._members)
            if member.kind is Kind.FILE:
                claimants = [*self._claims.of(path, folder, name), *self._of_content(member, archive)]
                if claimants or self._again:
                    self._read(member, archive, claimants)
            elif member.kind is Kind.SYMBOLIC_LINK:
                self._count(member.target)
                self._links[path] = member.target

    def inventory(self, diff_id: str, tar_size: int) -> LayerInventory:
        listing = "\n".join(sorted([*self._files, *(f"{path}/" for path in self._stated)])).encode()
        tree = LayerTree(
            diff_id=diff_id,
            tar_size=tar_size,
            entries=self._members,
            paths=zstd.compress(listing),
            whiteouts=tuple(sorted(self._whiteouts)),
            opaque=tuple(sorted(self._opaque)),
            links=self._links,
            hardlinks=self._hardlinks,
        )
        readings = [reading for _, said in sorted(self._readings.items()) for reading in said]
        return LayerInventory(tree, tuple(self._with_wanted(reading) for reading in readings))

    def _with_wanted(self, reading: FileReading) -> FileReading:
        """The reading, with only those of its owned files that some reader may have read, in this layer or another."""
        if not reading.owned:
            return reading
        wanted = tuple(file for file in reading.owned if file.path in self._readings or self._claims.wants(file.path))
        return msgspec.structs.replace(reading, owned=wanted)

    def _white_out(self, folder: str, name: str) -> None:
        hidden = name.removeprefix(WHITEOUT)
        if name == OPAQUE:
            self._count(folder)
            self._opaque.add(folder)
        # What would remove its own folder or the one above is no name of a file.
        elif not name.startswith(RESERVED) and hidden not in {"", ".", ".."}:
            self._count(folder)
            self._count(hidden)
            self._whiteouts.add(f"{folder}/{hidden}" if folder else hidden)

    def _count(self, name: str) -> None:
        self._names += len(name)
        if self._names > self._limits.names_bytes:
            raise LayerTooLarge("names_bytes", self._limits.names_bytes)

    def _add_directory(self, path: str) -> None:
        while path not in self._directories:
            self._count(path)
            self._directories.add(path)
            path = path.rpartition("/")[0]

    def _place(self, path: str, folder: str, ordinal: int) -> None:
        """Put something that is no directory at `path`."""
        if path in self._directories:
            self._replace_directory(path)
        self._forget(path)
        if folder not in self._directories:
            self._add_directory(folder)
        self._count(path)
        self._files[path] = ordinal

    def _forget(self, path: str) -> None:
        """Remove what an earlier member left at `path`, unless it is a directory."""
        if self._files.pop(path, None) is not None:
            self._readings.pop(path, None)
            self._links.pop(path, None)
            self._hardlinks.pop(path, None)

    def _replace_directory(self, path: str) -> None:
        # Each time takes a look at every path, which only a hostile layer asks for more than once.
        self._replaced += 1
        if self._replaced > self._limits.replaced_directories:
            raise LayerTooLarge("replaced_directories", self._limits.replaced_directories)
        inside = f"{path}/"
        for below in [known for known in self._files if known.startswith(inside)]:
            self._forget(below)
        self._directories = {known for known in self._directories if known != path and not known.startswith(inside)}
        self._stated &= self._directories

    def _read(self, member: Member, archive: Archive, claimants: Sequence[Ecosystem]) -> None:
        """Have a file read by those that claim it, and by those that asked for its data on the first reading."""
        asked = [(ecosystem, member.path) for ecosystem in claimants]
        if again := self._again.get(self._members):
            asked += [(self._ecosystems[name], path) for name, path in again.items()]
        if not asked:
            return
        problems = [self._obstacle(member, ecosystem) for ecosystem, _ in asked]
        data = b"" if all(problems) else archive.data()
        digests: tuple[str, ...] = ()
        said = self._said[self._members] = {}
        for (ecosystem, path), problem in zip(asked, problems, strict=True):
            reading = unread(ecosystem, path, problem) if problem else read(ecosystem, path, data)
            if reading.packages and not ecosystem.shared and _INSTALLED.match(path):
                digests = digests or _digests(data)
                reading = msgspec.structs.replace(reading, digests=digests)
            said[ecosystem.name] = reading
        for ecosystem in claimants:
            # Of a thousand programs a few are of Go or Rust; whatever was below a path is gone without a reading too.
            if not ecosystem.executables or said[ecosystem.name] != FileReading(member.path, ecosystem.name):
                self._keep(said[ecosystem.name])

    def _of_content(self, member: Member, archive: Archive) -> Sequence[Ecosystem]:
        if member.size >= SMALLEST_PROGRAM and archive.begins(4).startswith(PROGRAM):
            return self._claims.of_executables
        return ()

    def _obstacle(self, member: Member, ecosystem: Ecosystem) -> str:
        """Why the reader can not be given the file, or the empty text."""
        if member.sparse:
            return "stored as a sparse file"
        largest = min(ecosystem.file_limit, self._limits.held_bytes)
        return f"larger than {largest:,} bytes" if member.size > largest else ""

    def _keep(self, reading: FileReading) -> None:
        self._packages += len(reading.packages)
        if self._packages > self._limits.packages:
            raise LayerTooLarge("packages", self._limits.packages)
        self._readings.setdefault(reading.path, []).append(reading)

    def _take_hard_link(self, member: Member, folder: str, name: str) -> None:
        """A hard link says what the file says that it links to. One to a path of a lower layer is only recorded."""
        path, target = member.path, member.target
        # One to a link to what is in a lower layer is one to that.
        if self._hardlinks.get(target, target) not in self._files:
            target = self._hardlinks.get(target, target)
        ordinal = self._files.get(target)
        link = self._links.get(target)
        self._place(path, folder, self._members if ordinal is None else ordinal)
        if link is not None:
            self._count(link)
            self._links[path] = link
            return
        target_folder, _, target_name = target.rpartition("/")
        claimants = self._claims.of(path, folder, name)
        # What a program is no name tells. Of a lower layer's, whoever merges the layers knows.
        programs = self._programs(target)
        if claimants or programs or ordinal is None or self._claims.of(target, target_folder, target_name):
            self._count(target)
            self._hardlinks[path] = target
        if ordinal is not None:
            for ecosystem in claimants:
                self._keep(self._said_of(ordinal, ecosystem, member))
            for reading in programs:
                self._keep(msgspec.structs.replace(reading, path=path))

    def _programs(self, path: str) -> list[FileReading]:
        """What was read of the program at a path."""
        return [each for each in self._readings.get(path, ()) if self._ecosystems[each.ecosystem].executables]

    def _said_of(self, ordinal: int, ecosystem: Ecosystem, link: Member) -> FileReading:
        said = self._said.get(ordinal, {}).get(ecosystem.name)
        if said is not None:
            return msgspec.structs.replace(said, path=link.path)
        self.missed.setdefault(ordinal, {})[ecosystem.name] = link.path
        return unread(ecosystem, link.path, f"a hard link to {link.target}, whose data had gone by")


def _digests(data: bytes) -> tuple[str, ...]:
    """By what dpkg, apk and rpm each keep."""
    made = (hashlib.md5(data, usedforsecurity=False), hashlib.sha1(data, usedforsecurity=False), hashlib.sha256(data))
    return tuple(f"{each.name}:{each.hexdigest()}" for each in made)


def _walk_once(stream: BinaryIO, ecosystems: Sequence[Ecosystem], limits: LayerLimits, again: Missed) -> _Once:
    walk = _Walk(ecosystems, limits, again)
    with Hashing(uncompressed(stream, limits)) as chunks:
        archive = Archive(iter(chunks), limits)
        for member in archive:
            walk.take(member, archive)
    return _Once(walk.inventory(chunks.diff_id(), chunks.size), walk.missed)


def walk(stream: BinaryIO, ecosystems: Sequence[Ecosystem], limits: LayerLimits) -> Walked:
    """Read a layer as `read_layer` does, and say whether it would have to be read a second time.

    A claimed path may be a hard link to a file that nobody claims, whose data has gone by when the link comes (the
    store of pnpm has such files). A stream that can seek is then read a second time; for another, `missed` is true
    and the readings of those paths have a problem.
    """
    start = stream.tell() if stream.seekable() else None
    once = _walk_once(stream, ecosystems, limits, {})
    if once.missed and start is not None:
        stream.seek(start)
        return Walked(_walk_once(stream, ecosystems, limits, once.missed).inventory, missed=False)
    return Walked(once.inventory, missed=bool(once.missed))


def read_layer(stream: BinaryIO, ecosystems: Sequence[Ecosystem], limits: LayerLimits) -> LayerInventory:
    """The tree of the layer that `stream` holds from here on, and the reading of each file that an ecosystem claims.

    Later members replace earlier ones of their path; a hard link has the readings of the file that it links to. A
    file that can not be read has a reading with a problem, and so has one whose reader fails in whatever way.

    Raises LayerUnreadable, and whatever reading `stream` raises. Holds one claimed file at a time.
    """
    return walk(stream, ecosystems, limits).inventory
