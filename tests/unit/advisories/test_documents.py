"""Documents in every wrapping are taken, and what is not is named: nothing is dropped in silence."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import warnings
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.documents import Tally
from hullwise.advisories.generation import Generation
from tests.support.advisories import generation, osv, package, write

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
    """Files of the three endings count, however deep; other files of a folder are none of ours."""
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
    rust = osv("CVE-2024-1006", "flask", ecosystem="crates.io")
    members = {
        "1.json": as_json(FLASK),
        "2.json": as_json({**MAKO, "withdrawn": "2026-01-01T00:00:00Z"}),
        "3.json": as_json(odd),
        "4.json": as_json(rust),
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
        "ecosystem crates.io is not matched": 1,
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
                "ecosystem crates.io is not matched": 1,
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
        ("page.html", b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", "malformed"),
        ("feed.json", b"", "truncated"),
        ("feed.json", b"null", "Expected"),
        ("feed.json", b"\xff\xfe{}", "malformed"),
        ("feed.json", b'{"id": "CVE-2024-1000", "summary": "\xe9"}', "utf-8"),
        ("feed.json", b'{"id": "CVE-2024-1000", "affected": ' + b"[" * 50_000, ""),
        ("feed.json", b"[1, 2", "truncated"),
        ("feed.json.gz", gzip.compress(as_json(FLASK))[:-9], "end-of-stream"),
        ("feed.json.gz", as_json(FLASK), "Not a gzipped file"),
        ("feed.json.gz", gzip.compress(as_json(FLASK))[:12] + b"\xff" * 40, ""),
        ("feed.zip", zipped({"a.json": as_json(FLASK)})[:-30], "no whole zip"),
        ("feed.zip", b"", "no whole zip"),
        ("feed.zip", as_json(FLASK), "no whole zip"),
        ("feed.zip", zipped({}), "no JSON document"),
        ("feed.zip", zipped({"a.yaml": b"id: CVE-2024-1000"}), "no JSON document"),
        ("feed.json", gzip.compress(as_json(FLASK)), "malformed"),
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
    assert load(tmp_path, tmp_path / "inputs").unreadable == [("inputs", "holds no JSON document")]


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


def test_a_bomb_is_one_unreadable_member(tmp_path: Path) -> None:
    """A member that unpacks to more than the limit is given up at the limit; its neighbours are taken."""
    members = {"a.json": bytes(64 << 20), "b.json": as_json(FLASK), "c.json": zipped({"d.json": bytes(1 << 20)})}
    tally = load(tmp_path, file(tmp_path, "all.zip", zipped(members)), file_limit=1 << 20)
    assert found(tmp_path) == ["CVE-2024-1000"]
    (bomb, nested) = tally.unreadable
    assert bomb == ("all.zip:a.json", "over 1048576 bytes")
    assert nested[0] == "all.zip:c.json"


def test_a_gzip_bomb_is_unreadable(tmp_path: Path) -> None:
    """The limit holds for gzip files and plain ones too."""
    for name, data in (("a.json.gz", gzip.compress(bytes(8 << 20))), ("b.json", bytes(2 << 20))):
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


WHOLE = zipped({f"é{n}.json": as_json(osv(f"X-{n}", "flask")) for n in range(2)})


@given(
    st.sampled_from([WHOLE, gzip.compress(as_json(FLASK)), as_json(FLASK), as_json(TRACKER), as_json(SECDB)]),
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=4),
    st.integers(0, 700),
    st.sampled_from(["a.zip", "a.json.gz", "a.json"]),
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


def test_only_the_first_hundred_are_named(tmp_path: Path) -> None:
    """All unreadable documents are counted, so that a folder of a million of them stays a short answer."""
    members = {f"{n:03}.json": b"<html>" for n in range(150)}
    tally = load(tmp_path, file(tmp_path, "all.zip", zipped(members)))
    assert (tally.unreadable_count, len(tally.unreadable)) == (150, 100)


def test_progress_goes_up_to_the_size(tmp_path: Path) -> None:
    """The bytes reported never go back, and never beyond what `size` says."""
    members = {f"{n}.json": os.urandom(1000) for n in range(200)}
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
