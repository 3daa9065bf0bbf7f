"""Documents in every wrapping are taken, and what is not is named: nothing is dropped in silence."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import struct
import sys
import tarfile
import tracemalloc
import warnings
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.advisories import documents, unpacking
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.documents import Extras, Tally
from hullwise.advisories.feeds.forms import VEX
from hullwise.advisories.generation import Generation
from hullwise.advisories.records import Unparsable
from tests.support.advisories import generation, osv, package, write

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FLASK = osv("CVE-2024-1000", "flask", fixed="2.0")
MAKO = osv("CVE-2024-1001", "mako", fixed="2.0")
TRACKER = {
    "zlib": {
        "CVE-2024-1002": {"releases": {"bookworm": {"status": "open", "urgency": "low"}}},
        "CVE-2024-1003": {"releases": {"bookworm": {"status": "undetermined"}}},
    }
}
SECDB = {
    "distroversion": "v3.19",
    "reponame": "main",
    "urlprefix": "https://dl-cdn.alpinelinux.org/alpine",
    "packages": [{"pkg": {"name": "zlib", "secfixes": {"1.3-r0": ["CVE-2024-1004", "XSA-1"]}}}],
}


def zipped(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(members: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000  # 2023-11-14T22:13:20Z
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def as_json(document: Any) -> bytes:
    return json.dumps(document).encode()


def load(folder: Path, *inputs: Path, **options: Any) -> Tally:
    with GenerationBuilder(folder / "generation.sqlite", None) as builder:
        tally = documents.load(list(inputs), builder, **options)
        builder.seal(datetime(2026, 6, 1, tzinfo=UTC))
    return tally


def file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def found(folder: Path) -> list[str]:
    """Every id that the generation just built holds."""
    with Generation(folder / "generation.sqlite") as built:
        names = [
            package("flask", "1.0"),
            package("mako", "1.0"),
            package("zlib", "1.0", "debian:12"),
            package("zlib", "1.0-r0", "alpine:3.19"),
        ]
        return [assessment.name for name in names for assessment in built.match(name)]


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("CVE-2024-1000.json", as_json(FLASK), ["CVE-2024-1000"]),
        ("CVE-2024-1000.txt", as_json(FLASK), ["CVE-2024-1000"]),
        ("CVE-2024-1000.json.gz", gzip.compress(as_json(FLASK)), ["CVE-2024-1000"]),
        ("both.json", b" \n" + as_json([FLASK, MAKO]), ["CVE-2024-1000", "CVE-2024-1001"]),
        ("both.json.gz", gzip.compress(as_json([FLASK, MAKO])), ["CVE-2024-1000", "CVE-2024-1001"]),
        ("all.zip", zipped({"a.json": as_json(FLASK), "x/b.json": as_json(MAKO)}), ["CVE-2024-1000", "CVE-2024-1001"]),
        ("all", zipped({"a.json": as_json(FLASK)}, zipfile.ZIP_STORED), ["CVE-2024-1000"]),
        ("tracker.json", as_json(TRACKER), ["CVE-2024-1002"]),
        ("tracker.json.gz", gzip.compress(as_json(TRACKER)), ["CVE-2024-1002"]),
        ("main.json", as_json(SECDB), ["CVE-2024-1004"]),
        # Told by what they hold: a client may have unpacked the one, and named the other as it was before.
        ("CVE-2024-1000.json.gz", as_json(FLASK), ["CVE-2024-1000"]),
        ("CVE-2024-1000.json", gzip.compress(as_json(FLASK)), ["CVE-2024-1000"]),
        ("CVE-2024-1000.json", b"\xef\xbb\xbf" + as_json(FLASK), ["CVE-2024-1000"]),
        ("all.zip", zipped({"a.json.gz": gzip.compress(as_json(FLASK))}), ["CVE-2024-1000"]),
        ("CVE-2024-1000.json.xz", lzma.compress(as_json(FLASK)), ["CVE-2024-1000"]),
        ("CVE-2024-1000.json.zst", zstd.compress(as_json(FLASK)), ["CVE-2024-1000"]),
        ("all.tar", tarred({"a.json": as_json(FLASK), "x/b.json": as_json(MAKO)}), ["CVE-2024-1000", "CVE-2024-1001"]),
        ("all.tgz", gzip.compress(tarred({"a.json": as_json(FLASK)})), ["CVE-2024-1000"]),
        ("all.tar.xz", lzma.compress(tarred({"a.json": as_json(FLASK)})), ["CVE-2024-1000"]),
        ("all.tar.bz2", bz2.compress(tarred({"a.json": as_json(FLASK)})), ["CVE-2024-1000"]),
        ("all.tar.zst", zstd.compress(tarred({"a.json": as_json(FLASK)})), ["CVE-2024-1000"]),
        (
            "all.tar",
            tarred({"a.json.gz": gzip.compress(as_json(FLASK)), "b.json.xz": lzma.compress(as_json(MAKO))}),
            ["CVE-2024-1000", "CVE-2024-1001"],
        ),
        (
            "mixed.zip",
            zipped({"v3.19/main.json": as_json(SECDB), "t.json": as_json(TRACKER)}),
            ["CVE-2024-1002", "CVE-2024-1004"],
        ),
    ],
)
def test_every_form_is_taken_in_every_wrapping(tmp_path: Path, name: str, data: bytes, expected: list[str]) -> None:
    """OSV documents, arrays of them, the tracker and secdb; plain, gzip-compressed or in a zip, whatever the name."""
    tally = load(tmp_path, file(tmp_path, name, data))
    assert (found(tmp_path), tally.taken, tally.unreadable_count) == (expected, len(expected), 0)


def test_a_folder_is_taken_with_all_below_it(tmp_path: Path) -> None:
    """Files of the known endings count, however deep; other files of a folder are none of ours."""
    inputs = tmp_path / "inputs"
    file(inputs, "a.json", as_json(FLASK))
    file(inputs, "x/y/b.zip", zipped({"b.json": as_json(MAKO)}))
    file(inputs, "x/t.json.gz", gzip.compress(as_json(TRACKER)))
    file(inputs, "README.md", b"# Advisories")
    tally = load(tmp_path, inputs)
    assert found(tmp_path) == ["CVE-2024-1000", "CVE-2024-1001", "CVE-2024-1002"]
    assert (tally.documents, tally.taken, tally.unreadable) == (3, 3, [])
    assert documents.size([inputs]) == sum(
        path.stat().st_size for path in inputs.rglob("*") if path.is_file() and path.name != "README.md"
    )


def test_the_tally_says_what_became_of_everything(tmp_path: Path) -> None:
    """Documents read, records taken, parts not used by reason, and documents that are of no known form."""
    odd = osv("CVE-2024-1005", "flask", fixed="soon")
    other = osv("CVE-2024-1006", "flask", ecosystem="Hackage")
    members = {
        "1.json": as_json(FLASK),
        "2.json": as_json({**MAKO, "withdrawn": "2026-01-01T00:00:00Z"}),
        "3.json": as_json(odd),
        "4.json": as_json(other),
        "5.json": b"<html>",
        "6.json": as_json(TRACKER),
        "7.json": as_json(SECDB),
        "8.json": as_json([FLASK, {"id": 8}]),
        "README.md": b"not a document",
    }
    tally = load(tmp_path, file(tmp_path, "all.zip", zipped(members)))
    assert tally.documents == 8
    assert tally.unused == {
        "withdrawn": 1,
        "range that is no version of its ecosystem": 1,
        "ecosystem Hackage is not matched": 1,
        "undetermined": 1,
        "no CVE or GHSA id": 1,
    }
    # CVE-2024-1000 comes twice and is one record.
    assert tally.taken == 4
    assert [name for name, _ in tally.unreadable] == ["all.zip:5.json", "all.zip:8.json"]
    assert tally.unreadable_count == 2
    with Generation(tmp_path / "generation.sqlite") as built:
        kept = {name: (source["records"], source["unused"]) for name, source in built.sources.items()}
    assert kept == {
        "osv": (
            2,
            {
                "ecosystem Hackage is not matched": 1,
                "range that is no version of its ecosystem": 1,
                "withdrawn": 1,
            },
        ),
        "debian-tracker": (1, {"undetermined": 1}),
        "alpine-secdb/v3.19/main": (1, {"no CVE or GHSA id": 1}),
    }


LATER = {"zlib": {"CVE-2024-1009": {"releases": {"bookworm": {"status": "open"}}}}}


def test_osv_records_replace_those_of_their_id(tmp_path: Path) -> None:
    """An OSV import changes the records it brings; the others stay, for an import may be a part."""
    first = generation(tmp_path / "1.sqlite", write(tmp_path / "first", FLASK, MAKO))
    changed = {**FLASK, "affected": osv("", "flask", fixed="0.5")["affected"]}
    second = generation(tmp_path / "2.sqlite", write(tmp_path / "second", changed), base=first.path)
    with first, second:
        assert second.match(package("flask", "1.0")) == ()
        assert second.match(package("mako", "1.0")) == first.match(package("mako", "1.0")) != ()


def test_a_withdrawn_record_goes(tmp_path: Path) -> None:
    """An import that withdraws a record takes it out, and so does one that leaves nothing of it to use."""
    first = generation(tmp_path / "1.sqlite", write(tmp_path / "first", FLASK, MAKO))
    gone = [{**FLASK, "withdrawn": "2026-01-01T00:00:00Z"}, {**MAKO, "affected": []}]
    second = generation(tmp_path / "2.sqlite", write(tmp_path / "second", *gone), base=first.path)
    with first, second:
        assert second.match(package("flask", "1.0")) == second.match(package("mako", "1.0")) == ()
        assert second.record_count == 0


def test_a_tracker_replaces_the_last_one_whole(tmp_path: Path) -> None:
    """What the tracker no longer says is gone; records of other sources stay."""
    first = generation(
        tmp_path / "1.sqlite", file(tmp_path, "1.json", as_json(TRACKER)), write(tmp_path / "osv", FLASK)
    )
    second = generation(tmp_path / "2.sqlite", file(tmp_path, "2.json", as_json(LATER)), base=first.path)
    zlib = package("zlib", "1.0", "debian:12")
    with first, second:
        assert [item.name for item in first.match(zlib)] == ["CVE-2024-1002"]
        assert [item.name for item in second.match(zlib)] == ["CVE-2024-1009"]
        assert second.match(package("flask", "1.0")) != ()
        assert second.sources["debian-tracker"]["unused"] == {}


def test_each_branch_of_secdb_is_replaced_by_itself(tmp_path: Path) -> None:
    """A new main.json of one release says nothing of its community.json or of another release."""
    xz = {"pkg": {"name": "xz", "secfixes": {"5-r0": ["CVE-2024-1008"]}}}
    community = {**SECDB, "reponame": "community", "packages": [xz]}
    older = {**SECDB, "distroversion": "v3.18"}
    inputs = zipped({f"{n}.json": as_json(document) for n, document in enumerate([SECDB, community, older])})
    first = generation(tmp_path / "1.sqlite", file(tmp_path, "secdb.zip", inputs))
    empty = {**SECDB, "packages": []}
    second = generation(tmp_path / "2.sqlite", file(tmp_path, "main.json", as_json(empty)), base=first.path)
    with first, second:
        for name, namespace, before, after in (
            ("zlib", "alpine:3.19", ["CVE-2024-1004"], []),
            ("xz", "alpine:3.19", ["CVE-2024-1008"], ["CVE-2024-1008"]),
            ("zlib", "alpine:3.18", ["CVE-2024-1004"], ["CVE-2024-1004"]),
        ):
            wanted = package(name, "1.0-r0", namespace)
            assert [item.name for item in first.match(wanted)] == before
            assert [item.name for item in second.match(wanted)] == after


@pytest.mark.parametrize("broken", [b"{}", b'{"error": {}}', b'{"zlib": [', as_json(TRACKER)[:-9], b"<html>"])
def test_a_broken_feed_leaves_the_last_good_one(tmp_path: Path, broken: bytes) -> None:
    """A tracker that cannot be read, or says nothing at all, takes nothing away."""
    first = generation(tmp_path / "1.sqlite", file(tmp_path, "1.json", as_json(TRACKER)))
    second = generation(tmp_path / "2.sqlite", file(tmp_path, "2.json", broken), base=first.path)
    with first, second:
        assert second.digest == first.digest


def test_a_source_is_as_old_as_its_document(tmp_path: Path) -> None:
    """The tracker and secdb state no date: that of the file, or of the member of the zip, is theirs."""
    tracker = file(tmp_path, "tracker.json", as_json(TRACKER))
    os.utime(tracker, (1_700_000_000, 1_700_000_000))  # 2023-11-14T22:13:20Z
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("main.json", (2024, 2, 29, 12, 0, 0)), as_json(SECDB))
        archive.writestr(
            zipfile.ZipInfo("edge.json", (2099, 1, 1, 0, 0, 0)), as_json({**SECDB, "distroversion": "edge"})
        )
    with generation(tmp_path / "1.sqlite", tracker, file(tmp_path, "secdb.zip", buffer.getvalue())) as built:
        assert {name: source["as_of"] for name, source in built.sources.items()} == {
            "debian-tracker": "2023-11-14T22:13:20Z",
            "alpine-secdb/v3.19/main": "2024-02-29T12:00:00Z",
            # Nothing is newer than the day of its import.
            "alpine-secdb/edge/main": "2026-06-01T00:00:00Z",
        }


def test_a_date_that_is_none_is_the_oldest_of_a_zip(tmp_path: Path) -> None:
    """A member's date may be all zeros, which is no day: it counts as zip's first, 1980."""
    data = bytearray(zipped({"main.json": as_json(SECDB)}, zipfile.ZIP_STORED))
    central = data.index(b"PK\x01\x02")
    struct.pack_into("<HH", data, central + 12, 0, 0)
    with generation(tmp_path / "1.sqlite", file(tmp_path, "secdb.zip", bytes(data))) as built:
        assert built.data_as_of == "1980-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("page.html", b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", "page of HTML"),
        ("feed.json", b"\n<html><body>Log in</body></html>", "page of HTML"),
        ("feed.yml", b"<html></html>", "page of HTML"),
        ("feed.csv.gz", b"<html></html>", "page of HTML"),
        ("feed.json", b"", "truncated"),
        ("feed.json", b"null", "neither an object nor an array"),
        ("feed.json", b"\xff\xfe{}", "neither an object nor an array"),
        ("feed.json", b'{"\x00": 1}', "invalid"),
        ("feed.json", as_json(FLASK)[:-9], "truncated"),
        ("feed.json", as_json(FLASK) + b"{}", "trailing"),
        ("feed.json", as_json([[FLASK]]), "array of what is no record"),
        ("feed.json", as_json([TRACKER]), "array of what is no record"),
        ("feed.yaml", b"on: push\njobs: {}\n", "YAML of no advisory"),
        ("feed.yaml", b"gem: a\ncve: &x 2024-1000\n", "anchor"),
        ("feed.yml", b"gem: a\ncve: 2024-1000\nurl: [", "while parsing"),
        ("feed.txt", b"CVE-2024-1000", "no form that is known"),
        ("feed", b"PK\x03\x04 the beginning of a zip", "no form that is known"),
        ("feed.json", b'{"id": "CVE-2024-1000", "summary": "\xe9"}', "utf-8"),
        ("feed.json", b'{"id": "CVE-2024-1000", "affected": ' + b"[" * 50_000, ""),
        ("feed.json", b"[1, 2", "truncated"),
        ("feed.json.gz", gzip.compress(as_json(FLASK))[:-9], "end-of-stream"),
        ("feed.json.gz", gzip.compress(as_json(FLASK))[:12] + b"\xff" * 40, ""),
        ("feed.zip", zipped({"a.json": as_json(FLASK)})[:-30], "no whole zip"),
        ("feed.json.xz", lzma.compress(as_json(FLASK))[:-30], "end early"),
        ("feed.json.zst", zstd.compress(as_json(FLASK))[:-9], "end early"),
        ("feed.json.bz2", bz2.compress(as_json(FLASK))[:-9], "end early"),
        ("feed.json.bz2", b"BZh91AY&SY" + b"\xff" * 40, "damaged"),
        ("feed.json.xz", lzma.compress(as_json(FLASK))[:24] + b"\xff" * 40, "damaged"),
        ("feed.json.zst", zstd.compress(as_json(FLASK))[:6] + b"\xff" * 40, "damaged"),
        ("feed.tar", tarred({}), "no form that is known"),
        ("feed.tar", tarred({"README": b""}), "holds no document"),
        ("feed.zip", b"", "no whole zip"),
        ("feed.zip", as_json(FLASK), "no whole zip"),
        ("feed.zip", zipped({}), "holds no document"),
        ("feed.zip", zipped({"README.md": b"", "LICENSE": b"", "a/": b""}), "holds no document"),
        ("bom.spdx.json", as_json({"spdxVersion": "SPDX-2.3", "packages": [{"name": "a"}]}), "Expected"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes, why: str) -> None:
    """HTML, half a file, another encoding, another format: each is one unreadable document, with its reason."""
    tally = load(tmp_path, file(tmp_path, name, data), write(tmp_path / "good", MAKO))
    ((where, said),) = tally.unreadable
    assert where == name
    assert why.lower() in said.lower()
    assert (tally.taken, found(tmp_path)) == (1, ["CVE-2024-1001"])


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    """A path without a document is likely a mistake."""
    (tmp_path / "inputs").mkdir()
    assert load(tmp_path, tmp_path / "inputs").unreadable == [("inputs", "holds no document")]


@pytest.mark.parametrize("name", ["absent.json", "absent.zip", "absent.json.gz"])
def test_a_path_that_is_not_there_is_an_error(tmp_path: Path, name: str) -> None:
    """What the caller named must be there: that is no matter of the document."""
    with pytest.raises(FileNotFoundError):
        load(tmp_path, tmp_path / name)
    with pytest.raises(FileNotFoundError):
        documents.size([tmp_path / name])


def test_names_in_a_zip_lead_nowhere(tmp_path: Path) -> None:
    """Members are never unpacked to disk: names with `..` or from the root are only names."""
    names = ["../../evil.json", "/etc/evil.json", "C:\\evil.json", "a/../../b.json"]
    members = {name: as_json(osv(f"X-{n}", "flask")) for n, name in enumerate(names)}
    inputs = tmp_path / "inputs"
    tally = load(tmp_path, file(inputs, "all.zip", zipped(members)))
    assert (tally.taken, tally.unreadable_count) == (4, 0)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["generation.sqlite", "inputs"]
    assert [item.name for item in inputs.iterdir()] == ["all.zip"]


TAR_NAMES = {
    "a/../../" + "n" * 200 + ".json": as_json(osv("X-1", "flask")),
    "z\u00fcrich.json": as_json(osv("X-2", "flask")),
    "/" + "d" * 90 + "/" + "f" * 90 + ".yml": b"gem: rack\ncve: 2024-1000\nunaffected_versions: []\n",
    "docs/README.md": b"not a document",
}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_in_a_tar_are_told(tmp_path: Path, form: int) -> None:
    """A name that a tar holds in a member of its own is that of the next one, and leads nowhere either."""
    tally = load(tmp_path, file(tmp_path / "inputs", "all.tar", tarred(TAR_NAMES, form)))
    assert (tally.documents, tally.taken, tally.unreadable_count) == (3, 3, 0)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["generation.sqlite", "inputs"]


def test_a_member_of_a_tar_has_its_own_day(tmp_path: Path) -> None:
    """A secdb file states no date: that of its member is its own."""
    with generation(tmp_path / "1.sqlite", file(tmp_path, "a.tar", tarred({"main.json": as_json(SECDB)}))) as built:
        assert built.sources["alpine-secdb/v3.19/main"]["as_of"] == "2023-11-14T22:13:20Z"


def test_a_tar_of_several_compressed_parts_is_one(tmp_path: Path) -> None:
    """Programs that compress on several processors write frames, streams and padding one after another."""
    tar = tarred({"a.json": as_json(FLASK), "b.json": as_json(MAKO)})
    skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"  # RFC 8878, 3.1.2
    for name, data in (
        ("a.tar.zst", skipped + zstd.compress(tar[:700]) + skipped + zstd.compress(tar[700:])),
        ("a.tar.xz", lzma.compress(tar[:700]) + bytes(8) + lzma.compress(tar[700:]) + bytes(4)),
        ("a.tar.bz2", bz2.compress(tar[:700]) + bz2.compress(tar[700:])),
        ("a.tar.gz", gzip.compress(tar[:700]) + gzip.compress(tar[700:])),
    ):
        tally = load(tmp_path, file(tmp_path, name, data))
        assert (tally.taken, tally.unreadable) == (2, [])
        (tmp_path / "generation.sqlite").unlink()


def test_a_broken_tar_gives_what_stands_before_the_break(tmp_path: Path) -> None:
    """What is whole is taken; the tar is named once for what is behind."""
    tar = tarred({"a.json": as_json(FLASK), "b.json": as_json(MAKO), "c.json": as_json(FLASK)})
    second = tar.index(b"b.json")
    wrong = tar[: second + 20] + b"!" + tar[second + 21 :]
    for data, expected in (
        (wrong, [("all.tar", "tar header with a wrong checksum")]),
        (tar[: second + 100], [("all.tar", "tar ends early")]),
        (tar[: second + 520], [("all.tar:b.json", "tar ends early"), ("all.tar", "tar ends early")]),
    ):
        tally = load(tmp_path, file(tmp_path, "all.tar", data))
        assert (found(tmp_path), tally.unreadable) == (["CVE-2024-1000"], expected)
        assert tally.documents == 1 + len(expected)
        (tmp_path / "generation.sqlite").unlink()


def test_a_tar_that_asks_for_much_is_given_up(tmp_path: Path) -> None:
    """A member over the limit ends its tar, also where it only names the next one, and takes no memory."""
    members = {"a.json": as_json(FLASK), "b.json": BOMB, "c.json": as_json(MAKO)}
    named = tarfile.TarInfo("x" * 90)
    named.type, named.size = tarfile.XHDTYPE, 64 << 20
    header = named.tobuf(tarfile.USTAR_FORMAT)
    for data in (tarred(members), tarred({"a.json": as_json(FLASK)})[:1024] + header + bytes(64 << 20)):
        path = file(tmp_path, "all.tar.zst", zstd.compress(data))
        tracemalloc.start()
        tally = load(tmp_path, path, file_limit=1 << 20)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (found(tmp_path), tally.unreadable) == (
            ["CVE-2024-1000"],
            [("all.tar.zst", "a member of over 1048576 bytes")],
        )
        assert peak < 16 << 20
        (tmp_path / "generation.sqlite").unlink()


@given(st.integers(0, 3_000), st.binary(min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_a_damaged_tar_is_unparsable_and_nothing_else(at: int, noise: bytes) -> None:
    """Whatever bytes are changed, members come or `Unparsable` does."""
    tar = bytearray(tarred({"a.json": as_json(FLASK), "n" * 150: as_json(MAKO)}))
    at %= len(tar)
    tar[at : at + len(noise)] = noise
    with contextlib.suppress(Unparsable):
        for member in unpacking.members(io.BufferedReader(io.BytesIO(bytes(tar))), 1 << 20):
            assert len(member.body.read(1 << 20)) == member.size


BOMB = b'{"id": "CVE-2024-1000", "details": "' + b" " * (64 << 20)


def test_a_bomb_is_one_unreadable_member(tmp_path: Path) -> None:
    """A member that unpacks to more than the limit is given up at the limit; its neighbours are taken."""
    members = {
        "a.json": BOMB,
        "b.json": as_json(FLASK),
        "c.json": zipped({"d.json": BOMB}),
        "e.json.gz": gzip.compress(BOMB),
        "f.yml": b"gem: a\n" + bytes(64 << 20),
        "g.json": bytes(64 << 20),
    }
    path = file(tmp_path, "all.zip", zipped(members))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    tally = load(tmp_path, path, file_limit=1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found(tmp_path) == ["CVE-2024-1000"]
    over, none = "over 1048576 bytes", "is neither an object nor an array of JSON"
    assert tally.unreadable == [
        ("all.zip:a.json", over),
        ("all.zip:c.json", none),
        ("all.zip:e.json.gz", over),
        ("all.zip:f.yml", over),
        ("all.zip:g.json", none),
    ]
    assert (tally.documents, tally.taken) == (6, 1)
    assert peak < 16 << 20


def test_a_gzip_bomb_is_unreadable(tmp_path: Path) -> None:
    """The limit holds for gzip files and plain ones too."""
    for name, data in (("a.json.gz", gzip.compress(BOMB)), ("b.json", BOMB)):
        assert load(tmp_path, file(tmp_path, name, data), file_limit=1 << 20).unreadable == [
            (name, "over 1048576 bytes")
        ]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_not_opened(tmp_path: Path, method: int) -> None:
    """No feed uses them, and an LZMA member names the memory that unpacking it takes."""
    tally = load(tmp_path, file(tmp_path, "all.zip", zipped({"a.json": as_json(FLASK)}, method)))
    assert tally.unreadable == [("all.zip:a.json", f"compression method {method}")]


def test_an_encrypted_member_is_unreadable(tmp_path: Path) -> None:
    """A member behind a password is named, not an error."""
    data = bytearray(zipped({"a.json": as_json(FLASK)}))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + flags] |= 1
    tally = load(tmp_path, file(tmp_path, "all.zip", bytes(data)))
    ((name, why),) = tally.unreadable
    assert (name, "encrypted" in why) == ("all.zip:a.json", True)


def test_one_name_may_come_twice_in_a_zip(tmp_path: Path) -> None:
    """Members count, not their names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a.json", as_json(FLASK))
        archive.writestr("a.json", as_json(MAKO))
    assert load(tmp_path, file(tmp_path, "all.zip", buffer.getvalue())).taken == 2


NVD = {
    "resultsPerPage": 3,
    "format": "NVD_CVE",
    "version": "2.0",
    "vulnerabilities": [
        {"cve": {"id": "CVE-2024-1000", "descriptions": [{"lang": "en", "value": "From NVD"}]}},
        {"cve": {"id": "CVE-2024-1001", "vulnStatus": "Rejected"}},
        {"cve": {"id": 7}},
    ],
}
CVE_RECORD = {
    "dataType": "CVE_RECORD",
    "cveMetadata": {"cveId": "CVE-2024-1000", "state": "PUBLISHED", "dateUpdated": "2024-05-06T07:08:09Z"},
    "containers": {"cna": {"descriptions": [{"lang": "en", "value": "From the CNA"}]}},
}
NODE = {"id": 5, "module_name": "qs", "cves": [], "vulnerable_versions": "<1.0.0", "patched_versions": ">=1.0.0"}
NODE_CORE = {"cve": ["CVE-2024-1000"], "vulnerable": "8.x", "patched": "^8.1.4"}
GEM = b"---\ngem: rack\ncve: 2024-1000\ndate: 2024-02-03\npatched_versions:\n  - '>= 2.0'\n"
RUBY = b"---\nengine: ruby\ncve: 2024-1000\npatched_versions:\n  - '>= 2.0'\n"
JRUBY = RUBY.replace(b": ruby", b": jruby")
COMPOSER = b"""title: A fault
cve: CVE-2024-1000
branches:
    2.x:
        time: 2024-01-02 03:04:05
        versions: ['>=2.0', '<2.3']
reference: composer://twig/twig
"""
CATALOGUE = {
    "title": "CISA Catalog of Known Exploited Vulnerabilities",
    "catalogVersion": "2026.01.02",
    "dateReleased": "2026-01-02T03:04:05.0000Z",
    "count": 1,
    "vulnerabilities": [{"cveID": "CVE-2024-1000", "dateAdded": "2025-01-02"}],
}
SCORES = b"""#model_version:v2026.06.15,score_date:2026-01-03T00:00:00Z
cve,epss,percentile
CVE-2024-1000,0.5,0.9
CVE-2024-1001,0.1,0.2
"""
CYCLES = [
    {"cycle": "12", "codename": "Bookworm", "eol": "2026-06-10", "latest": "12.12"},
    {"cycle": "11", "codename": "Bullseye", "eol": "2024-08-14", "latest": "11.11"},
]
PRODUCT = {
    "schema_version": "1.2.0",
    "generated_at": "2026-01-04T00:00:00+00:00",
    "result": {"name": "alpine-linux", "releases": [{"name": "3.19", "isEol": True, "eolFrom": "2025-11-01"}]},
}


@pytest.mark.parametrize(
    ("name", "data", "taken", "unused"),
    [
        (
            "nvdcve-2.0-2024.json.gz",
            gzip.compress(as_json(NVD)),
            {"nvd": 1},
            {"rejected": 1, "record that is not of the feed's form": 1},
        ),
        ("CVE-2024-1000.json", as_json(CVE_RECORD), {"cvelist": 1}, {}),
        ("records.json", as_json([CVE_RECORD, FLASK, NODE]), {"cvelist": 1, "osv": 1, "nodejs": 1}, {}),
        ("vuln.zip", zipped({"npm/5.json": as_json(NODE)}), {"nodejs": 1}, {}),
        (
            "vuln.zip",
            zipped(
                {
                    f"core/{n}.json": as_json(NODE_CORE | {"affectedEnvironments": [of]})
                    for n, of in enumerate(["all", "linux", "win32"])
                }
            ),
            {"nodejs": 2},
            {"only on win32": 1},
        ),
        ("index.json", as_json({"1": NODE_CORE, "2": NODE_CORE}), {"nodejs": 2}, {}),
        # The index says again what each document says.
        (
            "vuln.zip",
            zipped({"core/1.json": as_json(NODE_CORE), "core/index.json": as_json({"1": NODE_CORE})}),
            {"nodejs": 1},
            {},
        ),
        ("CVE-2024-1000.yml", GEM, {"rubysec": 1}, {}),
        ("CVE-2024-1000.yml.gz", gzip.compress(GEM), {"rubysec": 1}, {}),
        (
            "gems.zip",
            zipped({"gems/rack/1.yml": GEM, "rubies/ruby/1.yml": RUBY, "rubies/jruby/1.yml": JRUBY}),
            {"rubysec": 2},
            {"speaks of the engine jruby": 1},
        ),
        # Records without an id of their own go by the names of their files.
        ("php.zip", zipped({"1.yaml": COMPOSER, "a/2.yaml": COMPOSER}), {"friendsofphp": 2}, {}),
    ],
)
def test_every_feed_of_records_is_taken(
    tmp_path: Path, name: str, data: bytes, taken: dict[str, int], unused: dict[str, int]
) -> None:
    """Each under its own source; what a feed leaves out is counted by reason."""
    tally = load(tmp_path, file(tmp_path, name, data))
    assert (tally.by_source, tally.unused, tally.unreadable) == (taken, unused, [])
    assert tally.taken == sum(taken.values())
    with Generation(tmp_path / "generation.sqlite") as built:
        assert {source: about["records"] for source, about in built.sources.items() if about["records"]} == taken
        assert sum(sum(about["unused"].values()) for about in built.sources.values()) == sum(unused.values())


def test_records_of_feeds_stay_until_they_are_replaced_or_rejected(tmp_path: Path) -> None:
    """A page of NVD states a part of it: records that it does not name stay, and one that it rejects goes."""
    rejection = {"vulnerabilities": [{"cve": {"id": "CVE-2024-1000", "vulnStatus": "Rejected"}}]}
    more = {"vulnerabilities": [{"cve": {"id": "CVE-2024-1009"}}]}
    base = generation(tmp_path / "1.sqlite", file(tmp_path, "1.json", as_json(NVD)))
    path = tmp_path / "2.sqlite"
    with base, GenerationBuilder(path, base.path) as builder:
        assert documents.load([file(tmp_path, "2.json", as_json(more))], builder).by_source == {"nvd": 1}
        assert builder.count("nvd") == 2
        tally = documents.load([file(tmp_path, "3.json", as_json(rejection))], builder)
        assert (tally.taken, tally.removed, tally.by_source, tally.unused) == (0, 1, {}, {"rejected": 1})
        assert builder.count("nvd") == 1


def test_scores_catalogues_and_ends_go_into_the_extras(tmp_path: Path) -> None:
    """KEV, EPSS and both forms of endoflife.date; the classic one has its product from the name and its day from the
    file."""
    inputs = tmp_path / "inputs"
    file(inputs, "known_exploited_vulnerabilities.json.gz", gzip.compress(as_json(CATALOGUE)))
    file(inputs, "epss_scores-2026-01-03.csv.gz", gzip.compress(SCORES))
    debian = file(inputs, "api/debian.json", as_json(CYCLES))
    os.utime(debian, (1_700_000_000, 1_700_000_000))  # 2023-11-14T22:13:20Z
    file(inputs, "products.zip", zipped({"alpine-linux": as_json(PRODUCT)}))
    extras = Extras()
    tally = load(tmp_path, inputs, extras=extras)
    assert (tally.documents, tally.taken, tally.unused, tally.unreadable) == (4, 0, {}, [])
    assert tally.by_source == {"kev": 1, "epss": 2, "endoflife": 3}
    found = extras.enrichment()
    assert [(score.cve, score.score, score.percentile) for score in found.scores] == [
        ("CVE-2024-1000", 0.5, 0.9),
        ("CVE-2024-1001", 0.1, 0.2),
    ]
    assert [(entry.cve, entry.added) for entry in found.exploited] == [("CVE-2024-1000", "2025-01-02")]
    assert [(item.distribution, item.release, item.ends) for item in found.lifecycles] == [
        ("alpine", "3.19", "2025-11-01"),
        ("debian", "12", "2026-06-10"),
        ("debian", "11", "2024-08-14"),
    ]
    assert (found.scores_as_of, found.exploited_as_of, found.lifecycles_as_of) == (
        "2026-01-03T00:00:00Z",
        "2026-01-02T03:04:05Z",
        "2026-01-04T00:00:00Z",
    )


def test_of_several_extras_the_newest_counts(tmp_path: Path) -> None:
    """Whatever the order of the files; entries that give way are counted."""
    older = SCORES.replace(b"2026-01-03", b"2026-01-02").replace(b"0.5,0.9", b"0.4,0.8")
    old_catalogue = {**CATALOGUE, "dateReleased": "2025-01-02T03:04:05Z"}
    old_product = {**PRODUCT, "generated_at": "2025-01-04T00:00:00+00:00"}
    pairs = [(SCORES, older), (as_json(CATALOGUE), as_json(old_catalogue)), (as_json(PRODUCT), as_json(old_product))]
    for order in (0, 1), (1, 0):
        members = {f"{n}-{at}.csv": pair[at] for n, pair in enumerate(pairs) for at in order}
        extras = Extras()
        tally = load(tmp_path, file(tmp_path, "all.zip", zipped(members)), extras=extras)
        found = extras.enrichment()
        assert (found.scores_as_of, found.scores[0].score) == ("2026-01-03T00:00:00Z", 0.5)
        assert (found.exploited_as_of[:4], found.lifecycles_as_of[:4]) == ("2026", "2026")
        gone = tally.unused.get("older than what another document says", 0)
        assert gone == (4 if order == (0, 1) else 0)
        assert sum(tally.by_source.values()) + gone == 8


def test_without_extras_what_is_for_them_is_counted(tmp_path: Path) -> None:
    """An import of advisories alone says what it left out."""
    members = {
        "kev.json": as_json(CATALOGUE),
        "epss.csv": SCORES,
        "debian.json": as_json(CYCLES),
        "a.json": as_json(FLASK),
    }
    tally = load(tmp_path, file(tmp_path, "all.zip", zipped(members)))
    assert (tally.documents, tally.taken) == (4, 1)
    assert tally.unused == {
        f"not an advisory; {source} stands beside them": 1 for source in ("kev", "epss", "endoflife")
    }


@pytest.mark.parametrize(
    ("member", "data", "reason"),
    [
        ("a.json", as_json({"@context": "https://openvex.dev/ns/v0.2.0", "@id": "a", "statements": []}), VEX),
        ("a.json", as_json({"document": {"csaf_version": "2.0"}, "product_tree": {}, "vulnerabilities": []}), VEX),
        ("a.json", as_json({"bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": []}), VEX),
        ("osv-schema.json", as_json({"$schema": "https://json-schema.org/draft/2020-12/schema"}), "JSON schema"),
        ("nvdcve-1.1-2021.json", as_json({"CVE_data_type": "CVE", "CVE_Items": []}), "JSON 1.1"),
        ("DSA/list", b"[29 Mar 2023] DSA-5380-1 xorg-server - security update\n\t{CVE-2023-1393}\n", "DSAs"),
        ("cvss.csv", b"cve,cvss3_base_score\nCVE-2002-0367,7.8\n", "not EPSS's"),
        ("script.rb", b"puts 1\n", "no advisory form"),
        ("empty.zip", zipped({}), "no advisory form"),
    ],
)
def test_what_is_of_another_kind_is_counted(tmp_path: Path, member: str, data: bytes, reason: str) -> None:
    """A member of a zip is never passed over in silence; folders, licences and readmes alone are not counted."""
    others = {"b.json": as_json(FLASK), "a/": b"", "README.md": b"#", "LICENSES/LICENCE.txt": b"", "COPYING": b""}
    tally = load(tmp_path, file(tmp_path, "all.zip", zipped({member: data, **others})))
    ((said, count),) = tally.unused.items()
    assert (reason in said, count) == (True, 1)
    assert (tally.documents, tally.taken, tally.unreadable) == (2, 1, [])


@pytest.mark.parametrize("broken", [SCORES[:-4], SCORES + b"CVE-2024-1002,0.1", SCORES.replace(b"score_date", b"x")])
def test_extras_that_break_off_are_not_taken(tmp_path: Path, broken: bytes) -> None:
    """Scores of half a download are not all scores."""
    extras = Extras()
    tally = load(tmp_path, file(tmp_path, "epss.csv", broken), extras=extras)
    counted = tally.unreadable_count + tally.unused.get("line that does not end", 0)
    assert (tally.documents, counted) == (1, 1)
    assert b"CVE-2024-1002" not in str(extras.enrichment()).encode()


def test_an_id_may_come_twice(tmp_path: Path) -> None:
    """Within a file and across files the record that was modified last stays, in whatever order, and counts once."""
    newer = {**osv("X-1", "flask", fixed="9.0"), "modified": "2026-05-01T00:00:00Z"}
    older = {**osv("X-1", "flask", fixed="0.5"), "modified": "2026-04-01T00:00:00Z"}
    for documents_ in ([newer, older], [older, newer]):
        together = file(tmp_path, "a.json", as_json(documents_))
        apart = [file(tmp_path, f"{n}.json", as_json(document)) for n, document in enumerate(documents_)]
        for inputs in ([together], apart):
            tally = load(tmp_path, *inputs)
            assert (tally.taken, tally.by_source, found(tmp_path)) == (1, {"osv": 1}, ["X-1"])


def test_a_record_of_fifty_megabytes_takes_nothing_with_it(tmp_path: Path) -> None:
    """One huge record is unreadable; its neighbours in the zip and in the array are taken."""
    huge = as_json({**osv("X-1", "flask"), "details": "a" * (50 << 20)})
    array = b"[" + huge + b"," + as_json(FLASK) + b"]"
    tally = load(
        tmp_path, file(tmp_path, "all.zip", zipped({"a.json": huge, "b.json": array, "c.json": as_json(MAKO)}))
    )
    assert found(tmp_path) == ["CVE-2024-1000", "CVE-2024-1001"]
    assert tally.unreadable == [(f"all.zip:{name}.json", "over 16777216 bytes") for name in "ab"]


def test_aliases_in_a_circle_are_one_vulnerability(tmp_path: Path) -> None:
    """Records that name each other, themselves and others in a circle are one finding with all the names."""
    circle = ["GHSA-2222-2222-2222", "PYSEC-2024-1", "X-1"]
    records = [{**osv(name, "flask"), "aliases": [name, circle[n - 1], circle[n - 2]]} for n, name in enumerate(circle)]
    assert load(tmp_path, file(tmp_path, "a.json", as_json(records))).taken == 3
    with Generation(tmp_path / "generation.sqlite") as built:
        ((name, ids),) = [(item.name, item.ids) for item in built.match(package("flask", "1.0"))]
    assert (name, ids) == ("GHSA-2222-2222-2222", tuple(circle))


def test_a_fix_below_its_beginning_fixes_nothing(tmp_path: Path) -> None:
    """Events are read in the order of versions (OSV schema, `Evaluation`): from the beginning on everything is
    affected, and the fix that cannot be one is counted."""
    record = osv("X-1", "flask")
    record["affected"][0]["ranges"][0]["events"] = [{"introduced": "2.0"}, {"fixed": "1.0"}]
    tally = load(tmp_path, file(tmp_path, "a.json", as_json([record, MAKO])))
    assert (tally.taken, tally.unused) == (2, {"fix below the version that it is for": 1})
    with Generation(tmp_path / "generation.sqlite") as built:
        hit = {
            version: [item.fix for item in built.match(package("flask", version))] for version in ("0.9", "1.5", "2.5")
        }
    assert hit == {"0.9": [], "1.5": [], "2.5": [""]}


def test_dates_in_the_future_make_nothing_newer(tmp_path: Path) -> None:
    """A record of 2099 is used, and its source is as new as the day of the import."""
    tally = load(tmp_path, file(tmp_path, "a.json", as_json({**FLASK, "modified": "2099-01-01T00:00:00Z"})))
    assert (tally.taken, found(tmp_path)) == (1, ["CVE-2024-1000"])
    with Generation(tmp_path / "generation.sqlite") as built:
        assert built.data_as_of == "2026-06-01T00:00:00Z"


def test_a_source_without_dates_of_change_is_as_new_as_its_newest_record(tmp_path: Path) -> None:
    """RubySec states when an advisory was published, and nothing else."""
    load(tmp_path, file(tmp_path, "a.yml", GEM))
    with Generation(tmp_path / "generation.sqlite") as built:
        assert built.sources["rubysec"]["as_of"] == "2024-02-03T00:00:00Z"


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b'{"id": "X-1", "affected": ' + DEEP + b"}", "recursion"),
        (DEEP, "recursion"),
        (b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, "recursion"),
        (b'{"vulnerabilities": ' + DEEP + b"}", "recursion"),
        (as_json(FLASK).replace(b"CVE-2024-1000", b"CVE-2024-\\u0000"), "no usable id"),
        (as_json({**FLASK, "summary": "?"}).replace(b"?", b"\\ud800 alone in a text"), "malformed"),
        (as_json({**FLASK, "summary": "?"}).replace(b"?", b"\xed\xa0\x80"), "utf-8"),
        (as_json({**FLASK, "summary": "?"}).replace(b"?", b"\0"), "character"),
    ],
    ids=["deep-member", "deep-array", "deep-object", "deep-nvd", "nul-id", "surrogate", "surrogate-utf8", "nul"],
)
def test_hostile_json_takes_nothing_with_it(tmp_path: Path, bad: bytes, why: str) -> None:
    """Nesting without end, NUL and half characters: one unreadable document, and its neighbours are taken."""
    tally = load(tmp_path, file(tmp_path, "all.zip", zipped({"a.json": bad, "b.json": as_json(MAKO)})))
    ((name, said),) = tally.unreadable
    assert name == "all.zip:a.json"
    assert why in said.lower()
    assert found(tmp_path) == ["CVE-2024-1001"]


@pytest.mark.parametrize(
    "crowd", [b"[%s1]", b'{"vulnerabilities": [%s1]}', b'{"zlib": {"CVE-2024-1000": {"releases": {"x": [%s1]}}}}']
)
def test_a_crowd_of_values_is_not_decoded(tmp_path: Path, crowd: bytes) -> None:
    """A million ones are two megabytes, and eighty when decoded: such a list is refused before it is."""
    crowded = crowd % (b"1," * 1_000_000)
    inputs = file(tmp_path, "all.zip", zipped({"a.json": crowded, "b.json": as_json(MAKO)}))
    tracemalloc.start()
    tally = load(tmp_path, inputs)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert tally.unreadable == [("all.zip:a.json", "has too many values for its length")]
    assert (found(tmp_path), peak < 4 * len(crowded)) == (["CVE-2024-1001"], True)


def test_texts_with_nul_are_kept_without_them(tmp_path: Path) -> None:
    """NUL is a character of JSON, and none of a database's text; a package of such a name is none."""
    nul = {**FLASK, "summary": "a\0b", "details": "\0" * 50_000 + "c", "references": [{"url": "https://e.example/\0"}]}
    tally = load(
        tmp_path, file(tmp_path, "a.json", as_json([nul, osv("X-1", "fl\0ask"), osv("X-2", "mako", fixed="1\0")]))
    )
    assert tally.unused == {"names no package": 1, "range that is no version of its ecosystem": 1}
    with Generation(tmp_path / "generation.sqlite") as built:
        (shown,) = built.match(package("flask", "1.0"))
    assert "\0" not in str(shown) and "\\x00" not in str(shown)
    assert (shown.summary, shown.references) == ("ab", ())


def test_half_a_tracker_or_secdb_leaves_what_was(tmp_path: Path) -> None:
    """A source that is stated whole is read to its end before anything of it goes."""
    whole = [file(tmp_path, "t.json", as_json(TRACKER)), file(tmp_path, "s.json", as_json(SECDB))]
    base = generation(tmp_path / "1.sqlite", *whole)
    halves = {f"{n}.json": path.read_bytes()[:-20] for n, path in enumerate(whole)}
    inputs = file(tmp_path, "halves.zip", zipped(halves))
    with base, generation(tmp_path / "2.sqlite", inputs, base=base.path) as after:
        assert after.digest == base.digest
        assert [after.sources[name]["records"] for name in ("debian-tracker", "alpine-secdb/v3.19/main")] == [1, 1]


WHOLE = zipped({f"é{n}.json": as_json(osv(f"X-{n}", "flask")) for n in range(2)})


@given(
    st.sampled_from(
        [
            *(WHOLE, gzip.compress(as_json(FLASK)), as_json(FLASK), as_json(TRACKER), as_json(SECDB), as_json(NVD)),
            *(as_json(CVE_RECORD), as_json([NODE]), GEM, COMPOSER, as_json(CATALOGUE), SCORES, as_json(CYCLES)),
        ]
    ),
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=4),
    st.integers(0, 700),
    st.sampled_from(["a.zip", "a.json.gz", "a.json", "a.yml", "a.csv"]),
)
@settings(max_examples=150, deadline=None)
def test_no_file_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, flips: list[tuple[int, int]], end: int, name: str
) -> None:
    """Whatever bytes a file holds, it is taken or named."""
    spoiled = bytearray(data[:end] if end < 600 else data)
    for position, value in flips:
        if position < len(spoiled):
            spoiled[position] = value
    folder = tmp_path_factory.mktemp("spoiled")
    tally = load(folder, file(folder, name, bytes(spoiled)))
    assert tally.documents + tally.unreadable_count > 0
    assert tally.taken == sum(tally.by_source.values())


def test_only_the_first_hundred_are_named(tmp_path: Path) -> None:
    """All unreadable documents are counted, so that a folder of a million of them stays a short answer."""
    members = {f"{n:03}.json": b"<html>" for n in range(150)}
    tally = load(tmp_path, file(tmp_path, "all.zip", zipped(members)))
    assert (tally.unreadable_count, len(tally.unreadable)) == (150, 100)


def test_progress_goes_up_to_the_size(tmp_path: Path) -> None:
    """The bytes reported never go back, and never beyond what `size` says."""
    members = {f"{n}.json": b"?" + os.urandom(1000) for n in range(200)}
    inputs = [file(tmp_path, "all.zip", zipped(members)), write(tmp_path / "good", FLASK)]
    seen: list[int] = []
    load(tmp_path, *inputs, progress=seen.append)
    assert seen == sorted(seen)
    assert len(set(seen)) > 4
    assert 0.9 * documents.size(inputs) < seen[-1] <= documents.size(inputs)


def test_the_bundled_records_are_taken(tmp_path: Path) -> None:
    """Every bundled record is used, whole, and stands under its own source; loading them again changes nothing."""
    digests = []
    for path, base in ((tmp_path / "1.sqlite", None), (tmp_path / "2.sqlite", tmp_path / "1.sqlite")):
        with GenerationBuilder(path, base) as builder:
            tally = documents.load_starter(builder)
            digests.append(builder.seal(datetime(2026, 12, 1, tzinfo=UTC)))
        assert (tally.taken, tally.unused, tally.unreadable) == (tally.documents, {}, [])
        with Generation(path) as built:
            assert built.sources["starter"]["records"] == tally.documents > 50
            assert built.sources.keys() == {"starter"}
            assert built.namespaces() >= {"pypi", "npm", "debian:12"}
            assert "CVE-2019-10906" in [item.name for item in built.match(package("jinja2", "2.10"))]
    assert digests[0] == digests[1]
