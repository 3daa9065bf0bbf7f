"""Crates that a Rust program was built from, where cargo-auditable built it: its section `.dep-v0`.

    .dep-v0               in ELF and PE; in Mach-O of the segment __DATA
        zlib
            {"packages": [{"name", "version", "source", "kind"?, "root"?, "dependencies"?}, …]}

    source                `crates.io`, `local` (a folder), `git`, `registry` (another than crates.io)
    kind                  `runtime`, which may be left out, or `build`: of the build, and not in the program

Source: cargo-auditable's PARSING.md and its schema of the JSON. A program that plain cargo built says nothing.
"""

from __future__ import annotations

import zlib

import msgspec

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import executables
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.versions import semver as versions

LARGEST_JSON = 8 << 20
"""Bytes. cargo-auditable's own library reads as many; uv, with 567 crates, has 54 thousand."""

CRATES_IO = "crates.io"

LONGEST_NAME = 256
LONGEST_VERSION = 256
"""Characters. crates.io limits names to 64, cargo those of local crates not at all."""


class _Crate(msgspec.Struct, frozen=True, gc=False):
    name: str
    version: str
    source: str = ""
    kind: str = "runtime"


class _Tree(msgspec.Struct, frozen=True):
    packages: list[_Crate]


def read(path: str, data: bytes) -> Reading:
    """The crates in a program, its own among them; nothing for any other file, or where cargo-auditable was not used.

    Only what came from crates.io is what its advisories are on. A folder's crates, git's and another registry's are
    only listed: names are their own there. A program is `local` even where it was published, which nothing tells."""
    program = executables.opened(data)
    span = program.section(b".dep-v0") if program else None
    if span is None:
        return Reading()
    try:
        tree = msgspec.json.decode(_unpacked(memoryview(data)[span.start : span.end]), type=_Tree)
    except msgspec.ValidationError as error:
        raise Unreadable(f".dep-v0: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(".dep-v0 is not JSON") from error
    except RecursionError as error:
        raise Unreadable(".dep-v0 is nested too deeply") from error
    crates = (_package(crate) for crate in tree.packages if crate.kind == "runtime")
    return Reading(packages=tuple(dict.fromkeys(crates)))


def _unpacked(packed: memoryview) -> bytes:
    if len(packed) > LARGEST_JSON:
        raise Unreadable(f".dep-v0 is larger than {LARGEST_JSON:,} bytes")
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(packed, LARGEST_JSON + 1)
    except zlib.error as error:
        raise Unreadable(".dep-v0 is not zlib's") from error
    if len(text) > LARGEST_JSON:
        raise Unreadable(f".dep-v0 unpacks to more than {LARGEST_JSON:,} bytes")
    if not stream.eof:
        raise Unreadable(".dep-v0 ends early")
    return text


def _package(crate: _Crate) -> FoundPackage:
    if not 0 < len(crate.name) <= LONGEST_NAME or not crate.name.isprintable():
        raise Unreadable(".dep-v0: name is no name of a crate")
    if len(crate.version) > LONGEST_VERSION or not crate.version.isprintable():
        raise Unreadable(".dep-v0: version is no plain text")
    return FoundPackage(crate.name, crate.version, unmatched=crate.source != CRATES_IO)


CRATES = Ecosystem(
    name="crates.io",
    version=2,
    executables=True,
    read=read,
    file_limit=512 << 20,
    version_key=versions.key,
    purl_type="cargo",
    osv_names=("crates.io",),
)
