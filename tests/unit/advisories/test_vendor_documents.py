"""Documents in their vendors' own forms are told by what they hold, and what they state whole replaces what was."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.documents import Tally
from hullwise.advisories.generation import Generation
from tests.support.advisories import package

TRACKED = b"""\
Candidate: CVE-2024-1000
PublicDate: 2024-02-01 00:00:00 UTC
Priority: low
jammy_expat: released (2.4.7-1ubuntu0.3)
"""
ELSA = b"""\
<?xml version="1.0" encoding="utf-8"?>
<oval_definitions><definitions><definition><metadata><reference source="elsa" ref_id="ELSA-2024-1000"/></metadata>
<criteria operator="AND"><criterion comment="Oracle Linux 9 is installed"/>
<criterion comment="expat is earlier than 0:2.5.0-2.el9"/></criteria></definition></definitions></oval_definitions>
"""
PHOTON = json.dumps(
    [{"cve_id": "CVE-2024-1001", "pkg": "expat", "aff_ver": "all versions", "res_ver": "2.6.3-1.ph5", "cve_score": 7.5}]
).encode()


def updateinfo(*names: str) -> bytes:
    body = "".join(
        f'<update type="security"><id>{name}</id><pkglist><collection>'
        '<package name="expat" epoch="0" version="2.1.0" release="15.amzn2" arch="x86_64"/>'
        "</collection></pkglist></update>"
        for name in names
    )
    return f"<updates>{body}</updates>".encode()


ALAS = updateinfo("ALAS2-2024-1000")


def load(folder: Path, *inputs: Path, base: Path | None = None, name: str = "generation.sqlite") -> Tally:
    with GenerationBuilder(folder / name, base) as builder:
        tally = documents.load(list(inputs), builder)
        builder.seal(datetime(2026, 6, 1, tzinfo=UTC))
    return tally


def file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def zipped(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def found(folder: Path, name: str = "generation.sqlite") -> list[str]:
    """Every id that the generation says of an old expat."""
    namespaces = ("ubuntu:22.04", "ol:9", "photon:5.0", "amzn:2")
    with Generation(folder / name) as built:
        return [one.name for namespace in namespaces for one in built.match(package("expat", "1.0-1", namespace))]


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("CVE-2024-1000", TRACKED, "CVE-2024-1000"),
        ("CVE-2024-1000.gz", gzip.compress(TRACKED), "CVE-2024-1000"),
        ("tracker.zip", zipped("active/CVE-2024-1000", TRACKED), "CVE-2024-1000"),
        ("com.oracle.elsa-all.xml", ELSA, "ELSA-2024-1000"),
        ("com.oracle.elsa-all.xml.bz2", bz2.compress(ELSA), "ELSA-2024-1000"),
        ("elsa", bz2.compress(ELSA), "ELSA-2024-1000"),
        ("elsa.zip", zipped("elsa.xml", b"\xef\xbb\xbf" + ELSA), "ELSA-2024-1000"),
        ("updateinfo.xml", ALAS, "ALAS2-2024-1000"),
        ("0a1b-updateinfo.xml.gz", gzip.compress(ALAS), "ALAS2-2024-1000"),
        ("cve_data_photon5.0.json", PHOTON, "CVE-2024-1001"),
        ("cve_data_photon5.0.json.gz", gzip.compress(PHOTON), "CVE-2024-1001"),
        ("photon.zip", zipped("x/cve_data_photon5.0.json", PHOTON), "CVE-2024-1001"),
    ],
)
def test_every_form_is_taken_in_every_wrapping(tmp_path: Path, name: str, data: bytes, expected: str) -> None:
    """Plain, compressed with gzip or bzip2, or in a zip."""
    tally = load(tmp_path, file(tmp_path, name, data))
    assert (found(tmp_path), tally.taken, tally.unreadable) == ([expected], 1, [])


def test_a_folder_is_taken_with_all_below_it(tmp_path: Path) -> None:
    """A clone of Ubuntu's tracker is a folder of files without endings; others of it are none of ours."""
    inputs = tmp_path / "inputs"
    file(inputs, "active/CVE-2024-1000", TRACKED)
    file(inputs, "retired/CVE-2024-1002", TRACKED.replace(b"1000", b"1002"))
    file(inputs, "active/00boilerplate", b"Candidate:\nPublicDate:\n")
    file(inputs, "active/not-for-us.txt", b"CVE-2024-1003 # somebody else's\n")
    file(inputs, "scripts/x.py", b"")
    file(inputs, "com.oracle.elsa-all.xml.bz2", bz2.compress(ELSA))
    tally = load(tmp_path, inputs)
    assert found(tmp_path) == ["CVE-2024-1000", "CVE-2024-1002", "ELSA-2024-1000"]
    assert (tally.documents, tally.by_source) == (3, {"ubuntu-tracker": 2, "oracle-oval": 1})


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.xml", b"<?xml version='1.0'?><rss><channel/></rss>", "is a page of HTML or XML"),
        ("a.xml", b"<!DOCTYPE updates [<!ENTITY a 'a'>]><updates/>", "is a page of HTML or XML"),
        ("a.xml", ELSA[:250], "no XML"),
        ("photon.json", PHOTON, "does not tell the release"),
        ("a.xml.bz2", bz2.compress(ELSA)[:-20], "end early"),
        ("a.xml.bz2", b"BZh9" + b"x" * 100, "Invalid data stream"),
        ("CVE-2024-1000", b"Something: else\n", "of no form that is known"),
        ("CVE-2024-1000.txt", TRACKED, "of no form that is known"),
    ],
)
def test_what_is_none_of_them_is_told(tmp_path: Path, name: str, data: bytes, why: str) -> None:
    """Whoever names a file is told why it is not taken."""
    tally = load(tmp_path, file(tmp_path, name, data))
    ((told, reason),) = tally.unreadable
    assert (told, tally.taken) == (name, 0)
    assert why in reason


def test_a_bomb_of_bzip2_is_read_no_further_than_its_limit(tmp_path: Path) -> None:
    """A kilobyte that would be 50 MB."""
    bomb = file(tmp_path, "a.xml.bz2", bz2.compress(b"<updates>" + b" " * (50 << 20)))
    assert bomb.stat().st_size < 1_000
    with GenerationBuilder(tmp_path / "generation.sqlite", None) as builder:
        tally = documents.load([bomb], builder, file_limit=1 << 20)
    assert tally.unreadable == [("a.xml.bz2", f"over {1 << 20} bytes")]


def test_a_repository_of_amazon_linux_states_its_release_whole(tmp_path: Path) -> None:
    """What it no longer lists is gone; one of extras takes nothing away; another release is another source."""
    base = tmp_path / "1.sqlite"
    load(tmp_path, file(tmp_path, "a.xml", updateinfo("ALAS2-2024-1", "ALAS2-2024-2")), name="1.sqlite")
    extras = file(tmp_path, "b.xml", updateinfo("ALAS2DOCKER-2024-1", "ALAS2DOCKER-2024-2"))
    tally = load(tmp_path, extras, base=base, name="2.sqlite")
    assert (found(tmp_path, "2.sqlite"), tally.taken) == (["ALAS2-2024-1", "ALAS2-2024-2"], 0)
    assert tally.unused == {"extras or live patches of Amazon Linux": 2}
    newer = file(tmp_path, "c.xml", updateinfo("ALAS2-2024-2", "ALAS2023-2024-1", "ALAS2DOCKER-2024-1"))
    os.utime(newer, (0, datetime(2024, 5, 1, tzinfo=UTC).timestamp()))
    tally = load(tmp_path, newer, base=base, name="3.sqlite")
    assert found(tmp_path, "3.sqlite") == ["ALAS2-2024-2"]
    assert tally.by_source == {"amazon-updateinfo/2": 1, "amazon-updateinfo/2023": 1}
    with Generation(tmp_path / "3.sqlite") as built:
        assert built.sources["amazon-updateinfo/2023"]["as_of"] == "2024-05-01T00:00:00Z"


def test_a_repository_that_breaks_off_changes_nothing(tmp_path: Path) -> None:
    base = tmp_path / "1.sqlite"
    load(tmp_path, file(tmp_path, "a.xml", updateinfo("ALAS2-2024-1")), name="1.sqlite")
    broken = file(tmp_path, "b.xml", updateinfo("ALAS2-2024-2")[:-5])
    tally = load(tmp_path, broken, base=base, name="2.sqlite")
    assert (found(tmp_path, "2.sqlite"), tally.unreadable_count) == (["ALAS2-2024-1"], 1)


def test_an_erratum_replaces_the_one_with_its_id(tmp_path: Path) -> None:
    """Oracle publishes one file of all errata, and one of each."""
    base = tmp_path / "1.sqlite"
    other = ELSA.replace(b"ELSA-2024-1000", b"ELSA-2024-1001")
    load(tmp_path, file(tmp_path, "a.xml", ELSA), file(tmp_path, "b.xml", other), name="1.sqlite")
    newer = file(tmp_path, "c.xml", ELSA.replace(b"2.5.0-2.el9", b"0.5.0-2.el9"))
    load(tmp_path, newer, base=base, name="2.sqlite")
    assert found(tmp_path, "2.sqlite") == ["ELSA-2024-1001"]
