"""An image on disk, without a server: what it holds, and advisories to match it with.

The same readers, the same merge and the same matching as in the server; what is remembered of layers is kept in a
folder instead of the database.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import hullwise
from hullwise.advisories.generation import FORMAT, Generation, UnusableGeneration
from hullwise.advisories.matching import RULES_VERSION
from hullwise.advisories.notes import HEAD_NOTE, LIFECYCLES_NOTE
from hullwise.cli import ahead
from hullwise.cli.failures import Failure, explained, written
from hullwise.domain import digests
from hullwise.domain.configs import UnreadableConfig
from hullwise.domain.enrichment import EndOfLife, Enrichment, standing
from hullwise.domain.errors import DigestMismatch
from hullwise.domain.packages import Distribution
from hullwise.ecosystems import BY_NAME
from hullwise.inventory import kept, verification
from hullwise.inventory.errors import ImageTooLarge, LayerUnreadable
from hullwise.inventory.image import ImageInventory, ReadLayer, in_turn, merge
from hullwise.inventory.layers import LayerInventory
from hullwise.inventory.limits import READERS, ImageLimits, LayerLimits
from hullwise.inventory.room import Room
from hullwise.inventory.sources import NoImage, SourceImage, SourceLayer, open_image
from hullwise.inventory.verification import ConfigMismatch
from hullwise.scanning import coverage
from hullwise.store.compression import StoredBodyDamaged, pack, unpack

if TYPE_CHECKING:
    from hullwise.inventory.nursery import Nursery
    from hullwise.settings import Settings

_CHECKSUM = 32
"""Bytes of SHA-256 before what is remembered of a layer: a file that was damaged is as good as none."""
_UNUSED = 30 * 24 * 3600
"""Seconds after which what other versions left in the cache goes: two of them may be in use beside each other."""
_KEPT = re.compile(r"sha(?:256|512)-[0-9a-f]+-[0-9a-f]{12}(?:\.[0-9]+)?|starter-.+-[0-9]+-[0-9]+\.sqlite")
"""What any version calls what it leaves in the cache: whoever names a folder may have other things in it."""


@dataclass(frozen=True, slots=True)
class LocalImage:
    source: SourceImage
    inventory: ImageInventory


_TRANSPORTS = frozenset({"oci", "oci-archive", "docker-archive", "docker-daemon", "containers-storage", "dir"})
"""What other tools write before a path and a colon."""


def on_disk(image: str) -> Path | None:
    """The path of an image on disk; None where the text can only be the name of one in the registry. Raises Failure
    where it can only be a path, and nothing is there."""
    if image and Path(image).exists():
        return Path(image)
    transport, _, rest = image.partition(":")
    if transport in _TRANSPORTS and (rest.startswith(("/", ".")) or ":" in rest):
        raise Failure(f"{image}: an image is a path alone, as in ./app-layout, or REPOSITORY[:TAG|@DIGEST]")
    if image.startswith(("/", ".", "~")):
        raise Failure(f"{image}: there is no such file or folder")
    return None


@contextmanager
def opened(
    path: Path, *, platform: str | None, cache: Path | None, nursery: Nursery | None = None
) -> Iterator[LocalImage]:
    """The image at the path, read by processes of the nursery, without one of its own. What stands in the way is a
    Failure."""
    of_image = (NoImage, LayerUnreadable, ImageTooLarge, ConfigMismatch, UnreadableConfig, DigestMismatch)
    folder = cache or ahead.default_cache()
    with explained(*of_image, OSError), written(folder, "--cache"):
        source = open_image(path, platform)
        inventory = _inventory(source, folder, nursery)
        if source.config is None and not (inventory.distribution or inventory.occurrences or inventory.problems):
            raise NoImage(f"{path}: neither an OCI layout nor a root file system: no index.json, os-release or package")
        yield LocalImage(source, inventory)


class DataFolder:
    """The data folder that a command is about. Its settings are read once, and not before they are asked for."""

    def __init__(self, given: Path | None) -> None:
        self._given = given

    @cached_property
    def settings(self) -> Settings:
        """Raises Failure."""
        from hullwise.settings import InvalidSetting, load

        with explained(InvalidSetting):
            return load({"data": self._given})

    @property
    def is_named(self) -> bool:
        """Whether somebody named it; else it is the user's own."""
        from hullwise.settings import PREFIX, Settings

        named = self._given is not None or bool(os.environ.get(f"{PREFIX}DATA"))
        return named or self.settings.data != Settings().data


@contextmanager
def advised(*, data: DataFolder, advisories: Path | None, cache: Path | None) -> Iterator[Generation]:
    """The advisories to match with, open: the file's, else those that are in use in the data folder. The bundled ones
    only where no folder is named and the user's own has none. What stands in the way is a Failure."""
    folder = cache or ahead.default_cache()
    with explained(UnusableGeneration, OSError):
        path = advisories or _in_use(data)
        if path is None:
            with written(folder, "--cache"):
                path = _starter_path(folder)
        with Generation(path) as generation:
            yield generation


def _in_use(data: DataFolder) -> Path | None:
    """File of the generation that is in use in the data folder; None where no folder is named, and the user's own has
    no word of one. Raises Failure and OSError: with other advisories than were meant an image might pass."""
    folder, note = data.settings.data, data.settings.advisories / HEAD_NOTE
    before = b""
    while True:
        try:
            said = note.read_bytes()
        except FileNotFoundError as error:
            if not data.is_named:
                return None
            raise Failure(
                f"there are no advisories in {folder} ({note} is not there); --data or HULLWISE_DATA names another "
                "folder, `hullwise advisories sync` loads some"
            ) from error
        try:
            path = folder / str(msgspec.json.decode(said)["path"])
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise Failure(f"{note} is damaged; `hullwise serve` or `hullwise worker` writes it anew") from error
        if path.exists():
            return path
        if said == before:
            raise Failure(f"{path} is not there, and {note} says that it has the advisories; load them again")
        # Others may have come into use since it was read, and the file gone.
        before = said


def lifecycle(data: DataFolder, distribution: Distribution | None, now: datetime) -> EndOfLife | None:
    """How the support of the release stands, by what the data folder was told; None where it was told nothing."""
    if distribution is None:
        return None
    note = data.settings.advisories / LIFECYCLES_NOTE
    try:
        known = msgspec.json.decode(note.read_bytes(), type=Enrichment)
    except (OSError, msgspec.DecodeError):
        return None
    wanted = coverage.released(distribution)
    found = next((each for each in known.lifecycles if (each.distribution, each.release) == wanted), None)
    return None if found is None else standing(found, known.lifecycles_as_of, now)


def _starter_path(cache: Path) -> Path:
    path = cache / f"starter-{hullwise.__version__}-{FORMAT}-{RULES_VERSION}.sqlite"
    if _usable(path):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        if not _usable(path):
            _build_starter(path)
            _forget(path.parent, path.name)
    return path


def _forget(folder: Path, ours: str) -> None:
    """Remove what other versions, whose files' names do not end so, left in the folder long ago."""
    before = time.time() - _UNUSED
    # Another command may remove the same, and another user may have made it.
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if _KEPT.fullmatch(path.name) and not path.name.endswith(ours) and path.stat().st_mtime < before:
                path.unlink(missing_ok=True)


def _build_starter(path: Path) -> None:
    # Imported here: they take a fifth of a scan of known layers, which needs none of them.
    import tempfile

    from hullwise.advisories.builder import GenerationBuilder
    from hullwise.advisories.documents import load_starter

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        building = Path(folder, "starter.sqlite")
        with GenerationBuilder(building, None) as builder:
            load_starter(builder)
            builder.seal(datetime.now(UTC))
        building.replace(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other command is within, for this folder. Of those that find nothing at once, one builds for all: a build
    says when it was made, and their answers would differ in it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _usable(path: Path) -> bool:
    try:
        with Generation(path):
            return True
    except UnusableGeneration:
        return False


def _inventory(image: SourceImage, cache: Path, nursery: Nursery | None) -> ImageInventory:
    room = Room(ImageLimits())
    layers = _layers(image.layers, cache, room, nursery)
    if image.config is not None:
        layers = verification.checked(image.config, len(image.layers), layers)
    inventory = merge(layers, room)
    forbidden = tuple(image.unreadable)
    return msgspec.structs.replace(inventory, problems=inventory.problems + forbidden)


def _layers(layers: Sequence[SourceLayer], cache: Path, room: Room, nursery: Nursery | None) -> Iterator[ReadLayer]:
    """The layers, lowest first, each decoded when it is asked for. Those that are not remembered are read before,
    several at a time, each in a process of its own. Raises ImageTooLarge."""
    distinct = {layer.digest: layer for layer in layers}
    unknown = [layer for layer in distinct.values() if not (layer.digest and _place(layer, cache).exists())]
    # What has a digest can be remembered, and is not held until then.
    read = _read(unknown, cache, nursery)

    def load(digest: str) -> LayerInventory:
        if digest in read:
            return kept.decoded(read[digest], room)
        return _remembered(distinct[digest], cache, room)

    return in_turn([layer.digest for layer in layers], load, room)


def _read(layers: Sequence[SourceLayer], cache: Path, nursery: Nursery | None = None) -> dict[str, bytes]:
    """The layers are remembered. Returns those that cannot be, by digest."""
    if not layers:
        return {}
    # Imported here: a scan of known layers starts no process, and these cost it a tenth of its time.
    from concurrent.futures import ThreadPoolExecutor

    from hullwise.inventory.nursery import Nursery

    found: dict[str, bytes] = {}
    readers = min(len(layers), os.cpu_count() or 1, READERS)
    with nullcontext(nursery) if nursery else Nursery() as begun, ThreadPoolExecutor(readers) as pool:
        for layer, body in zip(layers, pool.map(lambda layer: _read_layer(layer, cache, begun), layers), strict=True):
            if body is not None:
                found[layer.digest] = body
    _forget(ahead.layers(cache), _fingerprint())
    return found


def _place(layer: SourceLayer, cache: Path) -> Path:
    return ahead.layers(cache) / f"{ahead.stem(layer.digest)}{_fingerprint()}"


def _remembered(layer: SourceLayer, cache: Path, room: Room) -> LayerInventory:
    """As it was read before; anew where what is kept is damaged."""
    place = _place(layer, cache)
    body = _body(place)
    if body is None:
        _read([layer], cache)
        body = _body(place)
    if body is None:
        raise Failure(f"{place} changes while it is read")
    try:
        return kept.decoded(body, room)
    except msgspec.DecodeError as error:
        raise Failure(f"{place}: {error}") from error


def _body(place: Path) -> bytes | None:
    """What is kept there, encoded; None where it is damaged, or gone."""
    try:
        kept_bytes = place.read_bytes()
        checksum, packed = kept_bytes[:_CHECKSUM], kept_bytes[_CHECKSUM:]
        return unpack(packed) if hashlib.sha256(packed).digest() == checksum else None
    except (FileNotFoundError, StoredBodyDamaged):
        return None


def _read_layer(layer: SourceLayer, cache: Path, nursery: Nursery) -> bytes | None:
    """The layer is remembered; what is in it, encoded, where it cannot be."""
    try:
        body = _analyse(layer, nursery)
    except LayerUnreadable as error:
        raise Failure(f"{error} ({layer.digest or 'the root file system'})") from error
    if not layer.digest:
        return body
    name = _place(layer, cache)
    name.parent.mkdir(parents=True, exist_ok=True)
    packed = pack(body)
    partial = name.with_name(f"{name.name}.{os.getpid()}")
    partial.write_bytes(hashlib.sha256(packed).digest() + packed)
    partial.replace(name)
    return None


def _fingerprint() -> str:
    """Of all readers and their versions: another version of any reads every layer again."""
    return hashlib.sha256(msgspec.json.encode(sorted(kept.analysers().items()))).hexdigest()[:12]


def _analyse(layer: SourceLayer, nursery: Nursery) -> bytes:
    """Read a layer, encoded, and prove beside it that its bytes are those of its digest."""
    from concurrent.futures import ThreadPoolExecutor

    if not layer.digest:
        return _in_sandbox(layer, nursery)
    with ThreadPoolExecutor(max_workers=1) as pool:
        digest = pool.submit(_digest, layer)
        found = _in_sandbox(layer, nursery)
        digests.verify(layer.digest, digest.result())
    return found


def _in_sandbox(layer: SourceLayer, nursery: Nursery) -> bytes:
    from hullwise.inventory import sandbox

    readers = sorted(BY_NAME)
    if layer.path is None:
        return sandbox.encoded(layer, readers, LayerLimits(), nursery=nursery)
    with layer.path.open("rb", buffering=0) as file:
        return sandbox.encoded(file.fileno(), readers, LayerLimits(), nursery=nursery)


def _digest(layer: SourceLayer) -> str:
    algorithm = digests.algorithm(layer.digest)
    running = digests.new_hash(algorithm)
    for piece in layer:
        running.update(piece)
    return f"{algorithm}:{running.hexdigest()}"
