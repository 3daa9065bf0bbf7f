"""A layer's inventory is kept in parts, one for each reader, and comes back as it was."""

from __future__ import annotations

from hullwise.domain.packages import Distribution, FoundPackage
from hullwise.ecosystems import ECOSYSTEMS
from hullwise.inventory import kept
from hullwise.inventory.layers import TREE_VERSION, FileReading, LayerInventory, LayerTree
from hullwise.inventory.limits import ImageLimits
from hullwise.inventory.room import Room

TREE = LayerTree(
    diff_id="sha256:" + "a" * 64,
    tar_size=10_240,
    entries=3,
    paths=b"\x28\xb5\x2f\xfd",
    whiteouts=("etc/passwd",),
    opaque=("", "opt"),
    links={"lib": "usr/lib", "odd\\x80": "é"},
    hardlinks={"a": "b"},
)
DEBIAN = FileReading("etc/os-release", "os-release", distribution=Distribution("debian", "12", "bookworm", ("x",), "D"))
BASH = FileReading("var/lib/dpkg/status", "dpkg", (FoundPackage("bash", "5.1", "bash-src", "5", "amd64"),))
EMPTY = FileReading("opt/x.egg-info", "pypi")
BROKEN = FileReading("opt/y.egg-info", "pypi", problem="not UTF-8")
ROOM = Room(ImageLimits())
WHOLE = LayerInventory(TREE, (BASH, DEBIAN, EMPTY, BROKEN))


def test_every_reader_and_the_tree_are_analysers() -> None:
    """An inventory is made by the tree and by each ecosystem, in the version that each states."""
    assert kept.analysers() == {"tree": TREE_VERSION} | {item.name: item.version for item in ECOSYSTEMS}


def test_an_inventory_comes_back_as_it_was() -> None:
    """Readings that are empty or failed too: they hide what lower layers had there."""
    bodies = kept.bodies(WHOLE, kept.analysers())
    assert {name: version for name, (version, _) in bodies.items()} == kept.analysers()
    assert kept.joined({name: body for name, (_, body) in bodies.items()}, ROOM) == WHOLE


def test_one_reader_can_be_read_again_by_itself() -> None:
    """A reading for one reader yields its body and the tree's; with the others' kept bodies the inventory is whole."""
    first = kept.bodies(LayerInventory(TREE, (BASH, EMPTY)), kept.analysers())
    again = kept.bodies(LayerInventory(TREE, (BROKEN,)), {"pypi": 7})
    assert {name: version for name, (version, _) in again.items()} == {"pypi": 7, "tree": TREE_VERSION}
    joined = kept.joined({name: body for name, (_, body) in (first | again).items()}, ROOM)
    assert joined == LayerInventory(TREE, (BASH, BROKEN))


def test_readers_that_found_nothing_have_a_body() -> None:
    """That nothing was found is known, too: a layer is not read again for it."""
    assert kept.bodies(LayerInventory(TREE), kept.analysers()).keys() == kept.analysers().keys()
