"""How a layer's inventory is kept: one body for its tree and one for each reader.

So a new version of one reader makes its own body stale and no other, and the layer is then read again for that alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

import hullwise
from hullwise.domain import digests
from hullwise.ecosystems import BY_NAME
from hullwise.inventory.layers import TREE_VERSION, FileReading, LayerInventory, LayerTree
from hullwise.inventory.room import Room
from hullwise.store.compression import pack, unpack

TREE = "tree"


class _Parts(msgspec.Struct):
    """Of a LayerInventory, still encoded."""

    tree: msgspec.Raw
    readings: msgspec.Raw = msgspec.Raw(b"\x90")


_parts = msgspec.msgpack.Decoder(_Parts)
_tree = msgspec.msgpack.Decoder(LayerTree)
_readings = msgspec.msgpack.Decoder(tuple[FileReading, ...])


def analysers() -> dict[str, int]:
    """What an inventory is made by, and in which version."""
    return {TREE: TREE_VERSION} | {name: ecosystem.version for name, ecosystem in BY_NAME.items()}


def readers() -> dict[str, int]:
    """The readers, and in which version."""
    return {name: version for name, version in analysers().items() if name != TREE}


@cache
def code() -> str:
    """Digest of this package's version and source. What layers add up to depends on much of it, and no version that
    somebody has to remember says as surely that it is another. A process that reads layers asks as it begins: an update
    may change the files under it."""
    root = Path(hullwise.__file__).parent
    found = hashlib.sha256(hullwise.__version__.encode())
    for path in sorted(root.rglob("*.py")):
        found.update(f"{path.relative_to(root)}\n{path.stat().st_size}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def merge_digest(layers: Sequence[str], diff_ids: Sequence[str], whole: bool) -> str:
    """Of everything that the inventory of an image depends on: its layers, what its config says they are, whether
    packages of languages are in it, and the code that reads and merges them."""
    return digests.of(msgspec.json.encode((code(), layers, diff_ids, whole)))


def bodies(inventory: LayerInventory, names: Mapping[str, int]) -> dict[str, tuple[int, bytes]]:
    """(version, body) by analyser: of the tree, and of each of the named readers, which have read the layer."""
    by_reader: dict[str, list[FileReading]] = {name: [] for name in names if name != TREE}
    for reading in inventory.readings:
        if reading.ecosystem in by_reader:
            by_reader[reading.ecosystem].append(reading)
    found = {name: (names[name], pack(msgspec.msgpack.encode(readings))) for name, readings in by_reader.items()}
    return found | {TREE: (TREE_VERSION, pack(msgspec.msgpack.encode(inventory.tree)))}


def joined(kept: Mapping[str, bytes], room: Room) -> LayerInventory:
    """The inventory from the bodies of all analysers. It is counted before it takes the room; raises ImageTooLarge."""
    readings: list[FileReading] = []
    for name in sorted(kept.keys() - {TREE}):
        body = unpack(kept[name])
        room.readings(body)
        readings += _counted(_readings.decode(body), room)
    body = unpack(kept[TREE])
    room.tree(body)
    return LayerInventory(_tree.decode(body), tuple(readings))


def decoded(encoded: bytes, room: Room) -> LayerInventory:
    """An inventory in MessagePack, counted likewise. Raises msgspec.DecodeError, ImageTooLarge."""
    parts = _parts.decode(encoded)
    tree, readings = bytes(parts.tree), bytes(parts.readings)
    room.tree(tree)
    room.readings(readings)
    return LayerInventory(_tree.decode(tree), _counted(_readings.decode(readings), room))


def _counted(readings: tuple[FileReading, ...], room: Room) -> tuple[FileReading, ...]:
    room.found(sum(len(each.packages) for each in readings), sum(len(each.owned) for each in readings))
    return readings
