"""One pass over a layer: its tree, and the readings of what is claimed."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
import threading
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hullwise.domain.packages import Distribution, FoundPackage
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.inventory.errors import DamagedLayer, LayerTooLarge, LayerUnreadable
from hullwise.inventory.layers import FileReading, LayerInventory
from hullwise.inventory.limits import LayerLimits
from hullwise.inventory.walk import read_layer, walk

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMITS = LayerLimits()


def read_words(path: str, data: bytes) -> Reading:
    """A package for each `NAME VERSION` line."""
    if data.startswith(b"damaged"):
        raise Unreadable("says that it is \x00 damaged \udc80")
    lines = [line.split(" ") for line in data.decode().splitlines()]
    return Reading(tuple(FoundPackage(name, version) for name, version in lines))


WORDS = Ecosystem(
    name="words",
    version=1,
    basenames=frozenset({"words"}),
    claims=lambda path: not path.startswith("home/"),
    read=read_words,
    file_limit=1000,
)
SYSTEM = Ecosystem(
    name="system",
    version=1,
    suffixes=(".system",),
    directories=frozenset({"etc"}),
    claims=lambda path: path == "etc/system" or path.endswith(".system"),
    read=lambda path, data: Reading(distribution=Distribution(data.decode(), "1")),
)


class Entry(NamedTuple):
    path: str
    data: bytes = b""
    type: bytes = tarfile.REGTYPE
    target: str = ""


def directory(path: str) -> Entry:
    return Entry(path, type=tarfile.DIRTYPE)


def symbolic_link(path: str, target: str) -> Entry:
    return Entry(path, type=tarfile.SYMTYPE, target=target)


def hard_link(path: str, target: str) -> Entry:
    return Entry(path, type=tarfile.LNKTYPE, target=target)


def tar(*entries: Entry) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.path)
            info.type, info.linkname, info.size = entry.type, entry.target, len(entry.data)
            archive.addfile(info, io.BytesIO(entry.data))
    return out.getvalue()


class Pipe(io.BytesIO):
    """A stream that can not go back."""

    def seekable(self) -> bool:
        return False


def read(
    *entries: Entry, limits: LayerLimits = LIMITS, ecosystems: tuple[Ecosystem, ...] = (WORDS, SYSTEM)
) -> LayerInventory:
    return read_layer(io.BytesIO(gzip.compress(tar(*entries))), ecosystems, limits)


def paths(inventory: LayerInventory) -> list[str]:
    return zstd.decompress(inventory.tree.paths).decode().split("\n")


def found(inventory: LayerInventory) -> dict[str, list[str]]:
    return {reading.path: [package.name for package in reading.packages] for reading in inventory.readings}


_WORDS = b"a 1\nb 2"
DIGESTS = (
    f"md5:{hashlib.md5(_WORDS).hexdigest()}",
    f"sha1:{hashlib.sha1(_WORDS).hexdigest()}",
    f"sha256:{hashlib.sha256(_WORDS).hexdigest()}",
)


def test_tree() -> None:
    """The tree has the diff id, sizes, all paths, those of directories with a slash, and all links; readers are asked
    what they claim."""
    entries = [
        directory("./usr"),
        Entry("./usr/words", b"a 1\nb 2"),
        Entry("./etc/system", b"hull"),
        Entry("etc/other", b"x"),
        symbolic_link("usr/link", "../etc/other"),
        Entry("dev/null", type=tarfile.CHRTYPE),
        hard_link("etc/again", "./etc/other"),
    ]
    inventory = read(*entries)
    plain = tar(*entries)
    assert inventory.tree.diff_id == "sha256:" + hashlib.sha256(plain).hexdigest()
    assert (inventory.tree.tar_size, inventory.tree.entries) == (len(plain), 7)
    assert paths(inventory) == ["dev/null", "etc/again", "etc/other", "etc/system", "usr/", "usr/link", "usr/words"]
    assert inventory.tree.links == {"usr/link": "../etc/other"}
    assert inventory.tree.hardlinks == {}
    assert inventory.readings == (
        FileReading("etc/system", "system", distribution=Distribution("hull", "1")),
        FileReading("usr/words", "words", (FoundPackage("a", "1"), FoundPackage("b", "2")), digests=DIGESTS),
    )


def test_an_empty_layer() -> None:
    """A layer of nothing, and one of an empty tar, have a tree without paths."""
    for blob in (b"", bytes(1024), gzip.compress(bytes(1024))):
        inventory = read_layer(io.BytesIO(blob), (WORDS,), LIMITS)
        assert (zstd.decompress(inventory.tree.paths), inventory.tree.entries, inventory.readings) == (b"", 0, ())


def test_all_bytes_count_in_the_diff_id() -> None:
    """The diff id is of the whole stream, what follows the end of the tar included."""
    blob = tar(Entry("a")) + b"more"
    assert read_layer(io.BytesIO(blob), (), LIMITS).tree.diff_id == "sha256:" + hashlib.sha256(blob).hexdigest()


def test_whiteouts() -> None:
    """Whiteouts name what they remove and are no files themselves (OCI image spec, layer.md)."""
    inventory = read(
        Entry("a/.wh.gone"),
        Entry(".wh.top"),
        Entry("b/c/.wh..wh..opq"),
        Entry(".wh..wh..opq"),
        Entry(".wh..wh.plnk"),
        Entry("d/.wh..wh.aufs"),
        Entry("e/.wh."),
        Entry("e/.wh.."),
        Entry("e/.wh..."),
        hard_link("f/.wh.linked", "a/.wh.gone"),
        Entry("g/.why"),
    )
    assert inventory.tree.whiteouts == ("a/gone", "f/linked", "top")
    assert inventory.tree.opaque == ("", "b/c")
    assert paths(inventory) == ["g/.why"]


def test_a_whiteout_leaves_its_own_layer_alone() -> None:
    """A file beside its own whiteout stays, in whatever order they come."""
    inventory = read(Entry("words", b"a 1"), Entry(".wh.words"), Entry("x/.wh.words"), Entry("x/words", b"b 1"))
    assert inventory.tree.whiteouts == ("words", "x/words")
    assert found(inventory) == {"words": ["a"], "x/words": ["b"]}


def test_claims() -> None:
    """A path has to fit a name, ending or folder, and then be claimed; folders mean direct members."""
    data = b"a 1"
    inventory = read(
        Entry("home/words", data),
        Entry("words", data),
        Entry("x/words/other", data),
        Entry("x.system", b"x"),
        Entry("etc/deep/system", b"x"),
        directory("y/words"),
        symbolic_link("z/words", "../words"),
    )
    assert [(r.path, r.ecosystem) for r in inventory.readings] == [("words", "words"), ("x.system", "system")]


def test_several_readers_of_one_file() -> None:
    """Each ecosystem that claims a file has a reading of it."""
    other = replace(WORDS, name="other", read=lambda path, data: Reading((FoundPackage("other", "1"),)))
    inventory = read(Entry("words", b"a 1"), ecosystems=(WORDS, other))
    assert [(r.ecosystem, r.packages[0].name) for r in inventory.readings] == [("words", "a"), ("other", "other")]


def test_a_claimed_program_is_read_as_one_too() -> None:
    """What reads every program reads one that another claims by its name."""
    programs = replace(WORDS, name="programs", basenames=frozenset(), executables=True, file_limit=1 << 20)
    programs = replace(programs, read=lambda path, data: Reading((FoundPackage("program", str(len(data))),)))
    named = replace(WORDS, file_limit=1 << 20, read=lambda path, data: Reading((FoundPackage("named", "1"),)))
    inventory = read(Entry("words", b"\x7fELF" + bytes(5000)), ecosystems=(named, programs))
    assert [(r.ecosystem, r.packages[0].name) for r in inventory.readings] == [
        ("words", "named"),
        ("programs", "program"),
    ]


def test_an_empty_reading_is_kept() -> None:
    """A file that names nothing still hides what a lower layer had there."""
    assert read(Entry("words")).readings == (FileReading("words", "words"),)


def test_a_damaged_file() -> None:
    """Unreadable becomes a problem of the file, in text that can be stored, and the others are read."""
    inventory = read(Entry("a/words", b"damaged"), Entry("b/words", b"b 1"))
    assert inventory.readings[0] == FileReading("a/words", "words", problem="says that it is \\x00 damaged \\udc80")
    assert found(inventory)["b/words"] == ["b"]


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError(), RecursionError(), MemoryError(), UnicodeDecodeError("a", b"", 0, 0, "")]
)
def test_a_reader_that_fails(error: Exception) -> None:
    """Any other exception of a reader becomes a problem that names its class."""

    def fail(path: str, data: bytes) -> Reading:
        raise error

    inventory = read(Entry("words", b"x"), ecosystems=(replace(WORDS, read=fail),))
    assert inventory.readings[0].problem == f"the words reader failed with {type(error).__name__}"


def test_claims_that_fail() -> None:
    """A file whose claim can not be decided is read, so that nothing is lost."""

    def fail(path: str) -> bool:
        raise ValueError

    assert found(read(Entry("words", b"a 1"), ecosystems=(replace(WORDS, claims=fail),))) == {"words": ["a"]}


@pytest.mark.parametrize("name", ["nul\0", "\udcff"])
def test_texts_that_can_not_be_stored(name: str) -> None:
    """A reading with a NUL or a lone surrogate in it is a problem here, not an error of the database later."""
    reader = replace(WORDS, read=lambda path, data: Reading((FoundPackage(name, "1"),)))
    (reading,) = read(Entry("words"), ecosystems=(reader,)).readings
    assert reading.problem
    assert not reading.packages


def test_a_file_larger_than_its_reader_takes() -> None:
    """A file over the reader's limit, or over what may be held, is a problem; one of exactly that size is read."""
    data = b"a 1\n" * 250
    assert len(read(Entry("words", data)).readings[0].packages) == 250
    assert read(Entry("words", data + b"\n")).readings[0].problem == "larger than 1,000 bytes"
    assert read(Entry("words", data), limits=LayerLimits(held_bytes=999)).readings[0].problem == "larger than 999 bytes"


def test_a_sparse_file() -> None:
    """A claimed file that is stored with holes is a problem, not a wrong reading."""
    info = tarfile.TarInfo("words")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "words"}
    blob = info.tobuf(tarfile.PAX_FORMAT)
    assert read_layer(io.BytesIO(blob), (WORDS,), LIMITS).readings[0].problem == "stored as a sparse file"


def test_the_last_of_a_path_wins() -> None:
    """A file that comes twice is what it is at last, whatever kind that is."""
    first = Entry("words", b"a 1")
    assert found(read(first, Entry("words", b"b 1"))) == {"words": ["b"]}
    assert found(read(first, Entry("./words", b"damaged"))) == {"words": []}
    for last in (symbolic_link("words", "x"), Entry("words", type=tarfile.FIFOTYPE)):
        inventory = read(first, last)
        assert (paths(inventory), inventory.readings) == (["words"], ())
    inventory = read(symbolic_link("words", "x"), first)
    assert (inventory.tree.links, found(inventory)) == ({}, {"words": ["a"]})
    inventory = read(first, directory("words"), Entry("words/x"))
    assert (paths(inventory), inventory.readings) == (["words/", "words/x"], ())


def test_a_file_replaces_a_directory() -> None:
    """What was inside a directory is gone when a later member makes it a file, entry for the directory or not."""
    for before in ([directory("d"), directory("d/e")], []):
        inventory = read(
            *before, Entry("d/e/words", b"a 1"), symbolic_link("d/l", "x"), Entry("d-e/words", b"b 1"), Entry("d")
        )
        assert paths(inventory) == ["d", "d-e/words"]
        assert found(inventory) == {"d-e/words": ["b"]}
        assert inventory.tree.links == {}


def test_too_many_replaced_directories() -> None:
    """Each replacement looks at every path, so their number is capped."""
    once = [Entry("d/e/x"), *[Entry("d")] * 5, *[Entry("d/e")] * 5]
    assert paths(read(*once, limits=LayerLimits(replaced_directories=1))) == ["d", "d/e"]
    entries = [entry for _ in range(5) for entry in (Entry("d/x"), Entry("d"))]
    assert paths(read(*entries, limits=LayerLimits(replaced_directories=5))) == ["d"]
    with pytest.raises(LayerTooLarge) as caught:
        read(*entries, limits=LayerLimits(replaced_directories=4))
    assert caught.value.args == ("replaced_directories", 4)


def test_a_hard_link_to_a_file_that_was_read() -> None:
    """A claimed hard link has the reading of its file, also by way of another link, and is recorded."""
    inventory = read(
        Entry("a/words", b"a 1"),
        hard_link("b/words", "/a/./words"),
        hard_link("c", "b/words"),
        hard_link("d/words", "c"),
    )
    assert found(inventory) == {"a/words": ["a"], "b/words": ["a"], "d/words": ["a"]}
    assert inventory.tree.hardlinks == {"b/words": "a/words", "c": "b/words", "d/words": "c"}
    assert paths(inventory) == ["a/words", "b/words", "c", "d/words"]


def test_a_hard_link_keeps_what_its_file_was() -> None:
    """A link goes to the file that was there when it came, not to the name."""
    inventory = read(
        Entry("a/words", b"old 1"),
        hard_link("b/words", "a/words"),
        Entry("a/words", b"new 1"),
        hard_link("c/words", "b/words"),
    )
    assert found(inventory) == {"a/words": ["new"], "b/words": ["old"], "c/words": ["old"]}


STORE = (
    Entry("store/1f", b"a 1"),
    Entry("store/2e", b"damaged"),
    Entry("store/3d", b"x" * 1001),
    hard_link("x/words", "store/1f"),
    hard_link("y/words", "store/1f"),
    hard_link("z/words", "store/2e"),
    hard_link("zz/words", "store/3d"),
    hard_link("other", "store/1f"),
)


def test_a_hard_link_to_a_file_that_nobody_claims() -> None:
    """A stream that can go back is read again for the data that had gone by, as the store of pnpm needs it."""
    inventory = read(*STORE)
    assert found(inventory) == {"x/words": ["a"], "y/words": ["a"], "z/words": [], "zz/words": []}
    problems = [reading.problem for reading in inventory.readings]
    assert problems == ["", "", "says that it is \\x00 damaged \\udc80", "larger than 1,000 bytes"]
    assert inventory.tree.hardlinks.keys() == {"x/words", "y/words", "z/words", "zz/words"}


def test_a_hard_link_in_a_stream_that_can_not_go_back() -> None:
    """Its reading then has a problem, and the walk says that more could be found."""
    walked = walk(Pipe(tar(*STORE)), (WORDS,), LIMITS)
    assert walked.missed
    assert walked.inventory.readings[0].problem == "a hard link to store/1f, whose data had gone by"
    assert not walk(io.BytesIO(tar(*STORE)), (WORDS,), LIMITS).missed


def test_a_second_reading_begins_where_the_first_did() -> None:
    """A layer may begin anywhere in its stream."""
    stream = io.BytesIO(b"something else" + tar(*STORE))
    stream.seek(len(b"something else"))
    assert found(read_layer(stream, (WORDS,), LIMITS))["x/words"] == ["a"]


def test_hard_links_that_lead_elsewhere() -> None:
    """To a lower layer: recorded without a reading. To a symbolic link: a symbolic link. To itself: nothing new."""
    inventory = read(
        hard_link("a/words", "lower/words"),
        hard_link("b", "lower/words"),
        hard_link("c", "lower/unclaimed"),
        symbolic_link("words", "target"),
        hard_link("d/words", "words"),
        Entry("e/words", b"e 1"),
        hard_link("e/words", "e/words"),
    )
    assert inventory.tree.hardlinks == {
        "a/words": "lower/words",
        "b": "lower/words",
        "c": "lower/unclaimed",
        "e/words": "e/words",
    }
    assert inventory.tree.links == {"words": "target", "d/words": "target"}
    assert found(inventory) == {"e/words": ["e"]}


def test_too_many_packages() -> None:
    """Packages are counted over all readings, hard links included."""
    entries = [Entry("a/words", b"a 1\nb 1"), hard_link("b/words", "a/words")]
    assert len(read(*entries, limits=LayerLimits(packages=4)).readings) == 2
    with pytest.raises(LayerTooLarge) as caught:
        read(*entries, limits=LayerLimits(packages=3))
    assert caught.value.args == ("packages", 3)


@pytest.mark.parametrize(
    "entry",
    [
        Entry("123456/8"),
        directory("12345678"),
        symbolic_link("1", "2345678"),
        hard_link("words", "12"),
        Entry(".wh.12345678"),
        Entry("1234/.wh..wh..opq"),
    ],
)
def test_too_long_names_together(entry: Entry) -> None:
    """Every text that is held counts: paths, folders, targets, whiteouts."""
    read(entry, limits=LayerLimits(names_bytes=40))
    with pytest.raises(LayerTooLarge) as caught:
        read(*[entry._replace(path=f"{n}/{entry.path}") for n in range(9)], limits=LayerLimits(names_bytes=40))
    assert caught.value.args == ("names_bytes", 40)


def test_the_root_is_no_entry() -> None:
    """Entries whose path comes to the root itself change nothing."""
    inventory = read(
        directory("."), Entry(".."), symbolic_link("/", "x"), hard_link("a/..", "b"), Entry("../words", b"a 1")
    )
    assert paths(inventory) == ["words"]
    assert found(inventory) == {"words": ["a"]}


def test_no_thread_is_left() -> None:
    """The thread that hashes has ended, whether the layer could be read or not."""
    before = threading.active_count()
    read(Entry("words", b"a 1"))
    with pytest.raises(DamagedLayer):
        read_layer(io.BytesIO(b"x" * 100_000), (WORDS,), LIMITS)
    assert threading.active_count() == before


NAMES = st.sampled_from(["a", "b", "a/words", "b/words", "a/b", "words", ".wh.a", "a/.wh..wh..opq", "..", "x.system"])
TYPES = st.sampled_from([tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE])
ENTRIES = st.lists(st.builds(Entry, NAMES, st.sampled_from([b"", b"a 1", b"damaged"]), TYPES, NAMES), max_size=12)


@settings(max_examples=150, deadline=None)
@given(ENTRIES)
def test_readings_are_of_files_that_are_there(entries: list[Entry]) -> None:
    """Whatever comes in whatever order, each reading is of a path in the tree, once for each ecosystem, and of no link
    or whiteout; and a stream that can not go back gives the same tree."""
    blob = tar(*[entry._replace(data=b"") if entry.type != tarfile.REGTYPE else entry for entry in entries])
    inventory = read_layer(io.BytesIO(blob), (WORDS, SYSTEM), LIMITS)
    present = set(paths(inventory))
    keys = [(reading.path, reading.ecosystem) for reading in inventory.readings]
    assert len(keys) == len(set(keys))
    assert {path for path, _ in keys} <= present - inventory.tree.links.keys()
    assert inventory.tree.links.keys() | inventory.tree.hardlinks.keys() <= present
    assert inventory.tree == walk(Pipe(blob), (WORDS, SYSTEM), LIMITS).inventory.tree


@settings(max_examples=100, deadline=None)
@given(ENTRIES, st.integers(0, 20_000), st.binary(max_size=20))
def test_broken_layers(entries: list[Entry], at: int, noise: bytes) -> None:
    """A layer with noise in it and its end cut off is read or unreadable, and nothing else."""
    blob = tar(*[entry._replace(data=b"") if entry.type != tarfile.REGTYPE else entry for entry in entries])
    blob = blob[:at] + noise + blob[at + 2 * len(noise) :]
    for layer in (blob, gzip.compress(blob)[: at + 20]):
        try:
            read_layer(io.BytesIO(layer), (WORDS, SYSTEM), LIMITS)
        except LayerUnreadable as error:
            assert str(error).startswith("the layer ")
