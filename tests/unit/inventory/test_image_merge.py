"""The inventory of an image is what extracting its layers one upon the other would leave to be seen."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.domain.packages import FoundPackage, Occurrence
from hullwise.ecosystems import ECOSYSTEMS
from hullwise.inventory.errors import ImageTooLarge
from hullwise.inventory.image import ImageInventory, ReadLayer, merge
from hullwise.inventory.layers import LayerInventory
from hullwise.inventory.limits import ImageLimits, LayerLimits
from hullwise.inventory.room import Room
from hullwise.inventory.walk import read_layer
from tests.support import programs


@dataclass(frozen=True)
class To:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Same:
    """A hard link."""

    target: str


Entry = str | bytes | To | Same | None
"""The content of a file, a link, or None for a folder."""

GONE = ""
"""What a whiteout holds."""


def layer(entries: Mapping[str, Entry]) -> LayerInventory:
    """A layer with these members, in this order, as it is read from its tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, entry in entries.items():
            member = tarfile.TarInfo(name)
            if isinstance(entry, str | bytes):
                data = entry.encode() if isinstance(entry, str) else entry
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
                continue
            member.type = {To: tarfile.SYMTYPE, Same: tarfile.LNKTYPE}.get(type(entry), tarfile.DIRTYPE)
            member.linkname = "" if entry is None else entry.target
            archive.addfile(member)
    buffer.seek(0)
    return read_layer(buffer, ECOSYSTEMS, LayerLimits())


def image(*layers: Mapping[str, Entry]) -> ImageInventory:
    """The image of these layers, whose digests are L0, L1, …"""
    return merge([ReadLayer(f"L{index}", layer(entries)) for index, entries in enumerate(layers)])


def found(inventory: ImageInventory) -> list[str]:
    """Each package with its version and the layer that brought it, in order."""
    return [f"{item.package.name} {item.package.version} {item.layer}" for item in inventory.occurrences]


def paths(inventory: ImageInventory) -> list[str]:
    return [item.path for item in inventory.occurrences]


SITE = "usr/lib/python3/dist-packages"
FLASK = f"{SITE}/flask-1.0.dist-info/METADATA"
MAKO = f"{SITE}/mako-1.0.dist-info/METADATA"


def python(name: str, version: str = "1.0") -> str:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


def debian(**versions: str) -> str:
    """A dpkg status file with these packages."""
    return "\n".join(
        f"Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: amd64\n"
        for name, version in versions.items()
    )


def alpine(**versions: str) -> str:
    """An apk database with these packages."""
    return "".join(f"P:{name}\nV:{version}\nA:x86_64\no:{name}\n\n" for name, version in versions.items())


def release(identity: str, version: str) -> str:
    return f"ID={identity}\nVERSION_ID={version}\n"


BASE = {FLASK: python("flask"), MAKO: python("mako")}
BOTH = ["flask 1.0 L0", "mako 1.0 L0"]


def test_layers_add_up() -> None:
    """What two layers bring is there, each package with its own layer."""
    assert found(image({FLASK: python("flask")}, {MAKO: python("mako")})) == ["flask 1.0 L0", "mako 1.0 L1"]


@pytest.mark.parametrize(
    "path",
    [
        f"{SITE}/flask-1.0.dist-info/.wh.METADATA",
        f"{SITE}/.wh.flask-1.0.dist-info",
    ],
)
def test_a_whiteout_removes_the_file_or_its_folder(path: str) -> None:
    """A whiteout hides the path that it names, and everything below it (image spec, layer.md)."""
    assert found(image(BASE, {path: GONE})) == ["mako 1.0 L0"]


@pytest.mark.parametrize("folder", ["usr", "usr/lib", SITE])
def test_a_whiteout_of_a_folder_above_removes_all(folder: str) -> None:
    """However far above."""
    above, _, name = folder.rpartition("/")
    assert found(image(BASE, {f"{above}/.wh.{name}".lstrip("/"): GONE})) == []


def test_a_whiteout_is_for_the_layers_below() -> None:
    """What the same layer brings stays, whether the whiteout comes before it in the tar or after it."""
    before = {f"{SITE}/.wh.flask-1.0.dist-info": GONE, FLASK: python("flask", "2.0")}
    after = dict(reversed(before.items()))
    assert found(image(BASE, before)) == found(image(BASE, after)) == ["mako 1.0 L0", "flask 2.0 L1"]


def test_a_whiteout_of_what_is_not_there_changes_nothing() -> None:
    """Names that merely begin alike are other names."""
    noise = {f"{SITE}/.wh.flask-1.0": GONE, ".wh.us": GONE, "usr/.wh.lib2": GONE, "etc/.wh.passwd": GONE}
    assert found(image(BASE, noise)) == BOTH


@pytest.mark.parametrize("folder", [SITE, "usr/lib", "usr", ""])
def test_an_opaque_folder_hides_what_is_below(folder: str) -> None:
    """An opaque marker empties the folder of lower layers, also the root; what its own layer brings stays."""
    marker = f"{folder}/.wh..wh..opq".lstrip("/")
    added = f"{SITE}/jinja2-1.0.dist-info/METADATA"
    assert found(image(BASE, {marker: GONE, added: python("jinja2")})) == ["jinja2 1.0 L1"]


def test_an_opaque_folder_hides_nothing_beside_it() -> None:
    """The marker is of its folder alone."""
    assert found(image(BASE, {f"{SITE}/flask-1.0.dist-info/.wh..wh..opq": GONE})) == ["mako 1.0 L0"]


@pytest.mark.parametrize("content", ["", "\0\0\0", "no metadata at all"])
def test_a_file_replaced_by_junk_is_gone(content: str) -> None:
    """What is there now names no package: the package that was there before is not taken from below."""
    assert found(image(BASE, {FLASK: content})) == ["mako 1.0 L0"]


def test_a_file_that_cannot_be_read_is_a_problem() -> None:
    """A visible file that cannot be read is named; one that is hidden again is nobody's matter."""
    broken = image(BASE, {FLASK: "no metadata at all"})
    assert broken.problems == ((FLASK, "the header has no Name"),)
    assert image(BASE, {FLASK: "no metadata at all"}, {FLASK: python("flask")}).problems == ()
    hidden = image({FLASK: "no metadata at all"}, {f"{SITE}/.wh.flask-1.0.dist-info": GONE})
    assert hidden.problems == ()


@pytest.mark.parametrize("entry", ["a file", To("/elsewhere"), To("../nowhere")])
@pytest.mark.parametrize("path", [f"{SITE}/flask-1.0.dist-info", SITE, "usr"])
def test_a_folder_replaced_by_something_else_is_gone(path: str, entry: Entry) -> None:
    """A file or a link where a folder was takes the place of all that was in it."""
    assert found(image(BASE, {path: entry})) == (["mako 1.0 L0"] if "flask" in path else [])


def test_a_file_replaced_by_a_folder_is_gone() -> None:
    """So does a folder where a file was."""
    old = "opt/thing.egg-info"
    assert found(image({old: python("thing")})) == ["thing 1.0 L0"]
    new = image({old: python("thing")}, {f"{old}/PKG-INFO": python("thing", "2.0")})
    assert found(new) == ["thing 2.0 L1"]


def test_an_empty_folder_in_place_of_a_file_is_nothing() -> None:
    """A folder with nothing in it replaces a file as well, and leaves a folder what it is."""
    old = {"opt/thing.egg-info": python("thing"), "opt/other/x.egg-info": python("other")}
    assert found(image(old, {"opt": None, "opt/thing.egg-info": None, "opt/other": None})) == ["other 1.0 L0"]


def test_a_folder_takes_the_place_of_a_link() -> None:
    """Extracting a folder removes a link that is there: what it led to stays, and what is written below the folder is
    where it says. Without a member of its own the folder is the one that the link leads to."""
    old: dict[str, Entry] = {"srv/releases/1/x.egg-info": python("x"), "srv/current": To("releases/1")}
    new: dict[str, Entry] = {"srv/current": None, "srv/current/x.egg-info": python("x", "2.0")}
    replaced = image(old, new)
    assert found(replaced) == ["x 1.0 L0", "x 2.0 L1"]
    assert paths(replaced) == ["srv/releases/1/x.egg-info", "srv/current/x.egg-info"]
    through = image(old, {"srv/current/x.egg-info": python("x", "2.0")})
    assert (found(through), paths(through)) == (["x 2.0 L1"], ["srv/releases/1/x.egg-info"])


def test_a_folder_takes_the_place_of_a_link_behind_a_link() -> None:
    """Where its parent leads elsewhere, it is there that it replaces; a link that it does not name is followed."""
    old: dict[str, Entry] = {
        "lib": To("usr/lib"),
        "usr/lib/py": To("/opt/py"),
        "usr/lib/pz": To("/opt/pz"),
        "opt/py/x.egg-info": python("x"),
        "opt/pz/z.egg-info": python("z"),
    }
    new: dict[str, Entry] = {
        "lib/py": None,
        "lib/py/x.egg-info": python("x", "2.0"),
        "lib/pz/z.egg-info": python("z", "2.0"),
    }
    merged = image(old, new)
    assert found(merged) == ["x 1.0 L0", "z 2.0 L1", "x 2.0 L1"]
    assert paths(merged) == ["opt/py/x.egg-info", "opt/pz/z.egg-info", "usr/lib/py/x.egg-info"]


MERGED: dict[str, Entry] = {"lib": To("usr/lib"), "usr/lib/apk/db/installed": alpine(musl="1.2.4-r0", zlib="1.3-r0")}


def test_a_path_through_a_link_is_where_it_leads() -> None:
    """A layer that knows nothing of /usr merging writes `lib/…`: it replaces what is under `usr/lib`."""
    written = image(MERGED, {"lib/apk/db/installed": alpine(musl="1.2.4-r1", zlib="1.3-r0")})
    assert found(written) == ["zlib 1.3-r0 L0", "musl 1.2.4-r1 L1"]
    assert set(paths(written)) == {"usr/lib/apk/db/installed"}


@pytest.mark.parametrize(
    "entries",
    [
        {"lib/apk/db/.wh.installed": GONE},
        {"lib/apk/.wh.db": GONE},
        {"lib/apk/db/.wh..wh..opq": GONE},
        {"lib/apk/db/installed": ""},
        {"lib/apk": "no folder any more"},
    ],
)
def test_what_goes_through_a_link_is_gone(entries: Mapping[str, Entry]) -> None:
    """Whiteouts, opaque folders and files that are written through a link hide what it leads to."""
    assert found(image(MERGED, entries)) == []


def test_an_opaque_folder_in_place_of_a_link_leaves_what_the_link_led_to() -> None:
    """The folder has taken the link's place; what stands in it is no longer under `usr/lib`."""
    replaced = image(MERGED, {"lib/.wh..wh..opq": GONE, "lib/apk/db/installed": alpine(busybox="1.36.1-r0")})
    assert found(replaced) == ["musl 1.2.4-r0 L0", "zlib 1.3-r0 L0", "busybox 1.36.1-r0 L1"]
    assert set(paths(replaced)) == {"usr/lib/apk/db/installed", "lib/apk/db/installed"}


@pytest.mark.parametrize("entries", [{".wh.lib": GONE}, {"lib": "a file"}, {"lib": To("elsewhere")}])
def test_a_link_that_is_gone_leads_nowhere(entries: Mapping[str, Entry]) -> None:
    """Removing or replacing the link removes nothing of what it led to, and later paths are what they say."""
    third = {"lib/apk/db/installed": alpine(busybox="1.36.1-r0")} if "lib" not in entries else {}
    expected = ["musl 1.2.4-r0 L0", "zlib 1.3-r0 L0"]
    assert found(image(MERGED, entries, third)) == expected + (["busybox 1.36.1-r0 L2"] if third else [])


def test_a_whiteout_and_a_folder_replace_a_link_in_one_layer() -> None:
    """`rm /lib; mkdir /lib` in one step: the new files are where their paths say."""
    step = {".wh.lib": GONE, "lib/apk/db/installed": alpine(busybox="1.36.1-r0")}
    assert found(image(MERGED, step)) == ["musl 1.2.4-r0 L0", "zlib 1.3-r0 L0", "busybox 1.36.1-r0 L1"]


@pytest.mark.parametrize(
    ("links", "written", "seen"),
    [
        ({"a": To("b"), "b": To("c/d")}, f"a/{FLASK}", f"c/d/{FLASK}"),
        ({"a": To("/b/../c")}, f"a/{FLASK}", f"c/{FLASK}"),
        ({"x/a": To("../b")}, f"x/a/{FLASK}", f"b/{FLASK}"),
        ({"x/a": To("../../../b")}, f"x/a/{FLASK}", f"b/{FLASK}"),
        ({"a": To("/")}, f"a/{FLASK}", FLASK),
        ({"a": To("b"), "b/usr": To("/opt")}, f"a/{FLASK}", f"opt/{FLASK.removeprefix('usr/')}"),
        ({"a": To("b"), "b": To("a")}, f"a/{FLASK}", f"a/{FLASK}"),
        ({"a": To("a/a")}, f"a/{FLASK}", f"a/{FLASK}"),
        ({"a": To(".")}, f"a/a/a/{FLASK}", FLASK),
    ],
)
def test_links_are_followed_as_linux_does(links: Mapping[str, Entry], written: str, seen: str) -> None:
    """Relative to their folder, absolute from the image's root, through one another; circles are left alone."""
    assert paths(image(links, {written: python("flask")})) == [seen]


def test_a_link_of_the_same_layer_counts() -> None:
    """In one tar too: what comes after the link goes where it leads."""
    assert paths(image({"lib": To("usr/lib"), "lib/apk/db/installed": alpine(musl="1.2.4-r0")})) == [
        "usr/lib/apk/db/installed"
    ]


def test_a_link_written_through_a_link_is_where_it_leads() -> None:
    """A link has its place in the merged tree like any other file."""
    layers: list[dict[str, Entry]] = [
        {"lib": To("usr/lib")},
        {"lib/py": To("/opt/py")},
        {"usr/lib/py/x-1.0.egg-info": python("x")},
    ]
    assert paths(image(*layers)) == ["opt/py/x-1.0.egg-info"]


def test_a_hard_link_says_what_its_file_says() -> None:
    """Within a layer, both names are there."""
    second = "opt/flask-1.0.dist-info/METADATA"
    assert paths(image({FLASK: python("flask"), second: Same(FLASK)})) == [second, FLASK]


def test_a_hard_link_may_be_to_a_file_of_a_lower_layer() -> None:
    """A second name given in a later layer holds what the file held below, and stays when the first name goes."""
    second = "opt/flask-1.0.dist-info/METADATA"
    linked = image({FLASK: python("flask")}, {second: Same(FLASK)})
    assert [(item.path, item.layer) for item in linked.occurrences] == [(FLASK, "L0"), (second, "L1")]
    moved = image({FLASK: python("flask")}, {second: Same(FLASK)}, {f"{SITE}/.wh.flask-1.0.dist-info": GONE})
    assert paths(moved) == [second]


def test_a_hard_link_to_a_program_is_that_program() -> None:
    """Programs are known by what they hold and not by their names: the second name says the same, in the same layer or
    in a later one, and stays when the first is gone or is something else."""
    audited = zlib.compress(b'{"packages":[{"name":"ring","version":"0.16.1","source":"crates.io"}]}')
    code, section = (programs.BASE + at for at in (0x1000, 0x4000))
    pieces = [programs.Piece(code, bytes(8192), writable=False), programs.Piece(section, audited, writable=False)]
    built = programs.elf(pieces, {".dep-v0": 1})
    first: dict[str, Entry] = {"usr/bin/a": built, "usr/bin/b": Same("usr/bin/a")}
    assert paths(image(first)) == ["usr/bin/a", "usr/bin/b"]
    for gone in ({"usr/bin/.wh.a": GONE}, {"usr/bin/a": "#!/bin/sh"}):
        assert paths(image(first, gone)) == ["usr/bin/b"]
        later = image({"usr/bin/a": built}, {"usr/bin/b": Same("usr/bin/a")}, gone)
        assert [(item.path, item.layer) for item in later.occurrences] == [("usr/bin/b", "L1")]


def test_a_hard_link_to_a_hard_link_is_one_to_its_file() -> None:
    """Also where the first of the names is of a lower layer, and goes."""
    second, third = (f"opt/{name}/flask-1.0.dist-info/METADATA" for name in "bc")
    linked: dict[str, Entry] = {second: Same(FLASK), third: Same(second)}
    gone = {f"{SITE}/.wh.flask-1.0.dist-info": GONE}
    assert paths(image({FLASK: python("flask")}, linked, gone)) == [second, third]
    assert paths(image({FLASK: python("flask")}, {**linked, **gone})) == [second, third]


def test_hard_links_take_the_room_of_what_they_say() -> None:
    """A program names hundreds of packages, and a link to it is a few bytes."""
    crates = ",".join(f'{{"name":"a{n}","version":"1.0.{n}","source":"crates.io"}}' for n in range(500))
    audited = zlib.compress(f'{{"packages":[{crates}]}}'.encode())
    code, section = (programs.BASE + at for at in (0x1000, 0x8000))
    pieces = [programs.Piece(code, bytes(8192), writable=False), programs.Piece(section, audited, writable=False)]
    program = layer({"usr/bin/a": programs.elf(pieces, {".dep-v0": 1})})
    links = layer({f"usr/bin/b{number}": Same("usr/bin/a") for number in range(2_000)})
    read = [ReadLayer(f"L{number}", each) for number, each in enumerate([program, links])]
    assert len(merge(read, Room(ImageLimits(held_bytes=1 << 32))).occurrences) == 500 * 2_001
    with pytest.raises(ImageTooLarge):
        merge(read, Room(ImageLimits(held_bytes=200 << 20)))


def test_a_hard_link_to_what_was_not_read_is_a_problem() -> None:
    """A package file that is a second name of some other file of a lower layer: what it says is not known."""
    linked = image({"opt/copy": python("flask"), FLASK: python("flask", "0.9")}, {FLASK: Same("opt/copy")})
    assert found(linked) == []
    assert linked.problems == ((FLASK, "a hard link to opt/copy, whose content is not in this layer"),)


def test_a_hard_link_away_from_a_package_file_is_no_package() -> None:
    """A second name that nobody claims is a file like any other."""
    assert paths(image({FLASK: python("flask")}, {"opt/copy": Same(FLASK)})) == [FLASK]


STATUS = "var/lib/dpkg/status"


def matched(inventory: ImageInventory) -> list[str]:
    """Name and version of what advisories are asked about."""
    return [f"{item.package.name} {item.package.version}" for item in inventory.occurrences if item.package.namespace]


def node(name: str, version: str) -> str:
    return f'{{"name": "{name}", "version": "{version}"}}'


YARN_CACHE = "usr/local/share/.cache/yarn/v6"
# The folders that yarn 1.22.22 made of `yarn add lodash@4.17.20 @babel/helper-string-parser@7.24.7`.
YARN_LODASH = f"{YARN_CACHE}/npm-lodash-4.17.20-b44a9b6297bcb698f1c51a3545a2b3b368d59c52-integrity/node_modules/lodash"
YARN_BABEL = (
    f"{YARN_CACHE}/npm-@babel-helper-string-parser-7.24.7-4d2d0f14820ede3b9807ea5fc36dfc8cd7da07f2-integrity"
    "/node_modules/@babel/helper-string-parser"
)


def test_what_yarn_keeps_to_copy_from_is_not_installed() -> None:
    """It is listed where it lies, with what is bundled in it, and matched where it was copied to."""
    merged = image(
        {
            "app/node_modules/lodash/package.json": node("lodash", "4.17.21"),
            f"{YARN_LODASH}/package.json": node("lodash", "4.17.20"),
            f"{YARN_LODASH}/node_modules/ms/package.json": node("ms", "2.1.3"),
            f"{YARN_BABEL}/package.json": node("@babel/helper-string-parser", "7.24.7"),
        }
    )
    assert matched(merged) == ["lodash 4.17.21"]
    assert len(merged.occurrences) == 4


@pytest.mark.parametrize("turned", [False, True])
def test_a_hard_link_to_what_is_kept_is_installed(turned: bool) -> None:
    """Whichever of the two names comes first in the layer."""
    installed = "app/node_modules/lodash/package.json"
    first, second = sorted([f"{YARN_LODASH}/package.json", installed], reverse=turned)
    merged = image({first: node("lodash", "4.17.20"), second: Same(first)})
    assert [item.path for item in merged.occurrences if item.package.namespace] == [installed]
    assert len(merged.occurrences) == 2


# What uv 0.13.9 made of `uv pip install jinja2` with UV_LINK_MODE=symlink, and of `uv run --with six`.
UV_CACHE = "root/.cache/uv/archive-v0"
UV_JINJA = f"{UV_CACHE}/UIGOwX4QDB3s-0PS/jinja2-3.1.6.dist-info"
UV_SITE = "app/.venv/lib/python3.11/site-packages"


def test_what_uv_and_conda_keep_is_not_installed() -> None:
    """An environment that lies in uv's cache is."""
    merged = image(
        {
            f"{UV_JINJA}/METADATA": python("jinja2", "3.1.6"),
            f"{UV_CACHE}/DKsTID9aPwtm_8IA/setuptools/_vendor/wheel-0.46.3.dist-info/METADATA": python("wheel"),
            f"{UV_CACHE}/GooMWPzWyKWD_z_I/lib/python3.11/site-packages/six-1.16.0.dist-info/METADATA": python("six"),
            "opt/conda/pkgs/mako-1.0-pyhd8ed1ab_0/site-packages/mako-1.0.dist-info/METADATA": python("mako"),
            "opt/conda/lib/python3.11/site-packages/mako-1.1.dist-info/METADATA": python("mako", "1.1"),
        }
    )
    assert matched(merged) == ["mako 1.1", "six 1.0"]
    assert len(merged.occurrences) == 5


def test_a_runtime_that_conda_installed_is_conda_s() -> None:
    """Its record names it; another one, in another place, is found beside it."""
    header = '#define PY_VERSION "{}"\n'
    merged = image(
        {
            "opt/conda/conda-meta/python-3.12.1-0.json": '{"name": "python", "version": "3.12.1"}',
            "opt/conda/include/python3.12/patchlevel.h": header.format("3.12.1"),
            "opt/conda/envs/a/include/python3.11/patchlevel.h": header.format("3.11.4"),
            "usr/local/include/python3.13/patchlevel.h": header.format("3.13.0"),
        }
    )
    assert [(item.package.ecosystem, item.package.version) for item in merged.occurrences] == [
        ("conda", "3.12.1"),
        ("runtime", "3.11.4"),
        ("runtime", "3.13.0"),
    ]


@pytest.mark.parametrize(
    "target", [f"/{UV_JINJA}/METADATA", f"../../../../../../{UV_JINJA}/METADATA", "/opt/same/METADATA"]
)
def test_a_link_into_what_is_kept_is_installed(target: str) -> None:
    """An absolute link, a relative one, one behind another link."""
    merged = image(
        {f"{UV_JINJA}/METADATA": python("jinja2", "3.1.6")},
        {"opt/same": To(f"/{UV_JINJA}"), f"{UV_SITE}/jinja2-3.1.6.dist-info/METADATA": To(target)},
    )
    assert matched(merged) == ["jinja2 3.1.6"]


def test_links_to_what_nobody_reads_are_not_followed() -> None:
    """uv links each file: beside twenty thousand of them the one that counts is still found."""
    folder = UV_JINJA.rpartition("/")[0]
    links: dict[str, Entry] = {f"{UV_SITE}/jinja2/{at}.py": To(f"/{folder}/jinja2/{at}.py") for at in range(20_000)}
    links[f"{UV_SITE}/jinja2-3.1.6.dist-info/METADATA"] = To(f"/{UV_JINJA}/METADATA")
    assert matched(image({f"{UV_JINJA}/METADATA": python("jinja2", "3.1.6")} | links)) == ["jinja2 3.1.6"]


def test_links_of_the_cache_install_nothing() -> None:
    """uv has links of its own in its cache; what is linked there is no file, and a link that is gone leads nowhere."""
    kept: dict[str, Entry] = {
        f"{UV_JINJA}/METADATA": python("jinja2", "3.1.6"),
        "root/.cache/uv/wheels-v8/pypi/jinja2/3.1.6-py3-none-any": To("../../../archive-v0/UIGOwX4QDB3s-0PS"),
    }
    assert matched(image(kept)) == []
    installed = f"{UV_SITE}/jinja2-3.1.6.dist-info/METADATA"
    assert matched(image(kept, {installed: To(f"/{UV_JINJA}/METADATA")})) == ["jinja2 3.1.6"]
    gone = f"{UV_SITE}/.wh.jinja2-3.1.6.dist-info"
    assert matched(image(kept, {installed: To(f"/{UV_JINJA}/METADATA")}, {gone: ""})) == []


def test_a_folder_that_is_linked_to_is_installed_with_what_is_in_it() -> None:
    """As Yarn 1 does for modules with peers, in `.pnp/externals`."""
    merged = image(
        {f"{YARN_LODASH}/package.json": node("lodash", "4.17.20")},
        {"app/.pnp/externals/pnp-1a/node_modules/lodash": To(f"../../../../../{YARN_LODASH}")},
    )
    assert matched(merged) == ["lodash 4.17.20"]


def test_an_sbom_beside_what_is_kept_says_what_is_there() -> None:
    """What a cache names for certain is not what is installed: it takes no other's place."""
    sbom = '{"bomFormat": "CycloneDX", "components": [{"purl": "pkg:npm/lodash@4.17.20"}]}'
    merged = image(
        {f"{YARN_LODASH}/package.json": node("lodash", "4.17.20"), "layers/sbom/launch/a/sbom.cdx.json": sbom}
    )
    assert matched(merged) == ["lodash 4.17.20"]


def test_a_rewritten_database_keeps_the_layer_of_each_package() -> None:
    """Each layer writes dpkg's status anew: a package is of the layer since which it never left the file."""
    layers: list[dict[str, Entry]] = [
        {STATUS: debian(bash="5.1", curl="7.88", zlib="1.2")},
        {STATUS: debian(bash="5.1", curl="7.99", zlib="1.2", git="2.39")},
        {"etc/motd": "hello"},
        {STATUS: debian(bash="5.1", curl="7.99", git="2.39")},
        {STATUS: debian(curl="7.99", bash="5.1", git="2.39", zlib="1.2")},
    ]
    assert found(image(*layers[:1])) == ["bash 5.1 L0", "curl 7.88 L0", "zlib 1.2 L0"]
    assert found(image(*layers[:2])) == ["bash 5.1 L0", "zlib 1.2 L0", "curl 7.99 L1", "git 2.39 L1"]
    assert found(image(*layers[:4])) == ["bash 5.1 L0", "curl 7.99 L1", "git 2.39 L1"]
    assert found(image(*layers)) == ["bash 5.1 L0", "curl 7.99 L1", "git 2.39 L1", "zlib 1.2 L4"]


def test_a_database_that_was_removed_begins_anew() -> None:
    """What comes back after its file was gone came with the layer that brought it back."""
    status = {STATUS: debian(bash="5.1")}
    assert found(image(status, {"var/lib/.wh.dpkg": GONE}, status)) == ["bash 5.1 L2"]
    assert found(image(status, {STATUS: ""}, status)) == ["bash 5.1 L2"]
    # Removed and written in one layer is a rewrite: no image was ever without it.
    assert found(image(status, {"var/lib/dpkg/.wh.status": GONE, **status})) == ["bash 5.1 L0"]


def test_a_version_that_comes_back_came_with_the_layer_that_brought_it() -> None:
    """A downgrade brings the older version again."""
    versions = ["1.0", "2.0", "1.0"]
    assert found(image(*({STATUS: debian(curl=version)} for version in versions))) == ["curl 1.0 L2"]


def test_what_else_tells_packages_apart_counts() -> None:
    """Another architecture of one name and version is another package."""
    both = debian(zlib="1.2") + "\n" + debian(zlib="1.2").replace("amd64", "i386")
    inventory = image({STATUS: debian(zlib="1.2")}, {STATUS: both})
    assert [(item.package.architecture, item.layer) for item in inventory.occurrences] == [
        ("amd64", "L0"),
        ("i386", "L1"),
    ]


@pytest.mark.parametrize(
    ("layers", "identity"),
    [
        ([{"etc/os-release": release("debian", "12"), "usr/lib/os-release": release("ubuntu", "22.04")}], "debian 12"),
        ([{"usr/lib/os-release": release("ubuntu", "22.04")}], "ubuntu 22.04"),
        ([{"usr/lib/os-release": release("debian", "12"), "etc/os-release": To("../usr/lib/os-release")}], "debian 12"),
        (
            [
                {"etc/os-release": release("debian", "11"), "usr/lib/os-release": release("ubuntu", "22.04")},
                {"etc/.wh.os-release": GONE},
            ],
            "ubuntu 22.04",
        ),
        ([{"etc/os-release": release("debian", "11")}, {"etc/os-release": release("debian", "12")}], "debian 12"),
        ([{"etc/os-release": "", "usr/lib/os-release": release("alpine", "3.19.1")}], "alpine 3.19.1"),
        ([{"etc/os-release": release("debian", "11")}, {".wh..wh..opq": GONE}], ""),
        ([{"opt/etc/os-release": release("debian", "11")}], ""),
    ],
)
def test_etc_says_which_distribution_it_is(layers: Sequence[Mapping[str, Entry]], identity: str) -> None:
    """`/etc/os-release` goes before `/usr/lib/os-release` (os-release(5)); only what is visible speaks."""
    distribution = image(*layers).distribution
    assert ("" if distribution is None else f"{distribution.id} {distribution.version}") == identity


@pytest.mark.parametrize(
    ("release", "repositories", "expected"),
    [
        ("3.19.1", "https://dl-cdn.alpinelinux.org/alpine/v3.19/main\n", "3.19.1"),
        ("3.19.1", "https://mirror/alpine/v3.20/main\nhttps://mirror/alpine/v3.20/community\n", "3.20"),
        ("3.19.1", "https://mirror/alpine/edge/main\n#https://mirror/alpine/v3.19/main\n", "edge"),
        ("3.19.1", "https://mirror/alpine/v3.19/main\n@edge https://mirror/alpine/edge/testing\n", "3.19.1"),
        ("3.19.1", "https://example.com/internal\n", "3.19.1"),
        ("3.19.1", "", "3.19.1"),
    ],
)
def test_alpines_packages_are_of_the_branch_of_its_repositories(release: str, repositories: str, expected: str) -> None:
    """One branch in use counts before os-release; a mixture says nothing."""
    files = {"etc/os-release": f"ID=alpine\nVERSION_ID={release}\n", "etc/apk/repositories": repositories}
    found = image(files).distribution
    assert found is not None
    assert (found.id, found.version) == ("alpine", expected)


def test_repositories_of_several_branches_are_told() -> None:
    """Tagged ones too (apk-repositories(5)): which branch a package is from stands nowhere."""
    mixed = "https://mirror/alpine/v3.19/main\n@edge https://mirror/alpine/edge/testing\n"
    found = image({"etc/os-release": "ID=alpine\nVERSION_ID=3.19.1\n", "etc/apk/repositories": mixed})
    assert found.problems == (
        ("etc/apk/repositories", "no one branch but 3.19 and edge, and a package may be of any of them"),
    )


def test_repositories_alone_make_no_alpine() -> None:
    """Wolfi has apk too, and os-release says what it is."""
    repositories = "https://mirror/alpine/v3.20/main\n"
    assert image({"etc/apk/repositories": repositories}).distribution is None
    found = image({"etc/os-release": "ID=wolfi\n", "etc/apk/repositories": repositories}).distribution
    assert found is not None
    assert found.id == "wolfi"


def test_the_distribution_is_that_of_the_whole_image() -> None:
    """Packages of every layer, and of before an upgrade, are of the release that is seen in the end."""
    inventory = image(
        {STATUS: debian(bash="5.1")}, {"etc/os-release": release("debian", "12")}, {FLASK: python("flask")}
    )
    assert [item.package.namespace for item in inventory.occurrences] == ["debian:12", "pypi"]


def test_a_package_names_its_source() -> None:
    """A package without a source of another name is its own source, in its own version."""
    status = debian(zlib1g="1.2-1") + "Source: zlib (1.2)\n\n" + debian(bash="5.1")
    assert [
        (item.package.name, item.package.source_name, item.package.source_version)
        for item in image({STATUS: status}).occurrences
    ] == [
        ("bash", "bash", "5.1"),
        ("zlib1g", "zlib", "1.2"),
    ]


def test_two_layers_may_be_the_same() -> None:
    """A layer that comes twice counts at both places: what was removed between them is back."""
    flask, gone = layer({FLASK: python("flask")}), layer({f"{SITE}/.wh.flask-1.0.dist-info": GONE})
    mako = layer({MAKO: python("mako")})
    inventory = merge(
        [ReadLayer(digest, read) for digest, read in (("A", flask), ("B", mako), ("C", gone), ("A", flask))]
    )
    assert found(inventory) == ["mako 1.0 B", "flask 1.0 A"]
    assert found(merge([ReadLayer("A", flask), ReadLayer("A", flask), ReadLayer("B", mako)])) == [
        "flask 1.0 A",
        "mako 1.0 B",
    ]


def test_occurrences_are_in_order() -> None:
    """By introducing layer, then path, then name, whatever the order in the layer or in its inventory."""
    first = {MAKO: python("mako"), STATUS: debian(zlib="1.2", bash="5.1"), FLASK: python("flask")}
    second = {"opt/b-1.0.egg-info": python("b"), "opt/a-1.0.egg-info": python("a")}
    expected = ["flask 1.0 L0", "mako 1.0 L0", "bash 5.1 L0", "zlib 1.2 L0", "a 1.0 L1", "b 1.0 L1"]
    assert found(image(first, second)) == expected
    assert found(image(dict(reversed(first.items())), dict(reversed(second.items())))) == expected
    one = layer(first)
    turned = LayerInventory(one.tree, tuple(reversed(one.readings)))
    assert merge([ReadLayer("L0", turned)]) == merge([ReadLayer("L0", one)])


def test_a_package_named_twice_in_one_file_is_there_once() -> None:
    """The same package at the same place is one occurrence."""
    (item,) = image({STATUS: debian(bash="5.1") + "\n" + debian(bash="5.1")}).occurrences
    assert isinstance(item, Occurrence)
    assert FoundPackage(item.package.name, item.package.version) == FoundPackage("bash", "5.1")


def test_an_image_may_hold_nothing() -> None:
    """No layers, or empty ones: no packages, no problem, no distribution."""
    assert image() == image({}) == image({}, {}) == ImageInventory(None, (), ())


NAMES = st.sampled_from(["a", "b", "c.egg-info"])
PLACES = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(PLACES, st.sampled_from([python("x"), python("y"), "", "junk", None]), max_size=4).map(
    # No tar that can be extracted has files below files.
    lambda files: {
        path: data
        for path, data in files.items()
        if not any(path.startswith(f"{one}/") for one in files if files[one] is not None)
    }
)
HIDING = st.lists(
    st.tuples(st.sampled_from([".wh.a", ".wh.b", ".wh.c.egg-info", ".wh..wh..opq"]), st.lists(NAMES, max_size=2)),
    max_size=2,
)
LAYERS = st.lists(st.tuples(FILES, HIDING), max_size=4)


def within(path: str, folder: str) -> bool:
    return folder == "" or path == folder or path.startswith(f"{folder}/")


def extracted(layers: Sequence[tuple[Mapping[str, str | None], Sequence[tuple[str, list[str]]]]]) -> dict[str, str]:
    """The files of an image by the words of the specification: one path after the other, no index."""
    tree: dict[str, str] = {}
    for files, hiding in layers:
        for marker, folder in hiding:
            above = "/".join(folder)
            if marker == ".wh..wh..opq":
                tree = {path: data for path, data in tree.items() if path == above or not within(path, above)}
            else:
                hidden = "/".join([*folder, marker.removeprefix(".wh.")])
                tree = {path: data for path, data in tree.items() if not within(path, hidden)}
        for place, content in files.items():
            tree = {
                path: data
                for path, data in tree.items()
                if not within(place, path) and not (within(path, place) and content is not None)
            }
            if content is not None:
                tree[place] = content
    return tree


@given(LAYERS)
@settings(max_examples=300, deadline=None)
def test_the_merged_tree_is_the_extracted_one(
    layers: list[tuple[dict[str, str | None], list[tuple[str, list[str]]]]],
) -> None:
    """Files, folders, whiteouts and opaque folders at any places: what is found is what is in the extracted tree."""
    tree = extracted(layers)
    inventory = image(
        *({**{"/".join([*folder, marker]): GONE for marker, folder in hiding}, **files} for files, hiding in layers)
    )
    claimed = {path: data for path, data in tree.items() if path.endswith(".egg-info")}
    assert {item.path: python(item.package.name) for item in inventory.occurrences} == {
        path: data for path, data in claimed.items() if data.startswith("Metadata")
    }
    assert {path for path, _ in inventory.problems} == {path for path, data in claimed.items() if data == "junk"}
