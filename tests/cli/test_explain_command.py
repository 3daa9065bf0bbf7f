"""`hullwise explain`: why a vulnerability is found, and why it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import Hullwise, complaint, document, output
from tests.support.images import DEBIAN_12, image, layer, python_packages
from tests.support.layouts import write_layout

STATUS = b"Package: libexpat1\nStatus: install ok installed\nArchitecture: amd64\nSource: expat\nVersion: 2.5.0-1\n"
SITE = "usr/lib/python3/dist-packages"


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    parts = {"etc/os-release": DEBIAN_12, "var/lib/dpkg/status": STATUS}
    return write_layout(tmp_path / "layout", image([layer({**parts, **python_packages(Jinja2="2.10.1")})]))


def explained(hullwise: Hullwise, layout: Path, generation: Path, name: str) -> list[str]:
    return output(hullwise("explain", layout, name, "--advisories", generation)).splitlines()


def test_what_is_found(hullwise: Hullwise, layout: Path, generation: Path) -> None:
    """The record, the versions that it compared, the fix, the place and whose severity was chosen."""
    lines = explained(hullwise, layout, generation, "CVE-2024-45491")
    assert lines[:2] == [
        "CVE-2024-45491 is in this image: expat.",
        "affected: pkg:deb/debian/libexpat1@2.5.0-1?arch=amd64&distro=debian-12",
    ]
    assert lines[2].startswith("    in var/lib/dpkg/status, layer ")
    assert lines[3:] == [
        "    CVE-2024-45491 (osv) says < 2.5.0-1+deb12u1: 2.5.0-1 is in < 2.5.0-1+deb12u1; fixed in 2.5.0-1+deb12u1",
        "    severity CRITICAL 9.8 by CVE (CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H)",
    ]


def test_what_is_not_found(hullwise: Hullwise, layout: Path, generation: Path) -> None:
    """The package is there, by any id of the vulnerability in any case, and its version has the fix."""
    lines = explained(hullwise, layout, generation, "ghsa-462W-v97r-4m45")
    assert lines[:3] == [
        "CVE-2019-10906 is not in this image: what is installed of jinja2 is not affected.",
        "also known as GHSA-462w-v97r-4m45",
        "not affected: pkg:pypi/jinja2@2.10.1",
    ]
    assert lines[4] == "    CVE-2019-10906 (osv) says < 2.10.1: 2.10.1 has the fix of 2.10.1"


def test_what_nothing_is_installed_of(hullwise: Hullwise, tmp_path: Path, generation: Path) -> None:
    """The packages that the records speak of, none of which is there; and a name that no record has."""
    path = write_layout(tmp_path / "python", image([layer(python_packages(Flask="1.0"))]))
    assert explained(hullwise, path, generation, "cve-2024-45491") == [
        "CVE-2024-45491 is not in this image: no package that the records on it speak of is installed.",
        "not installed: expat (debian:12)",
    ]
    said = complaint(hullwise("explain", path, "CVE-1-1", "--advisories", generation))
    assert said == "No record in this advisory data has the name CVE-1-1."


def test_as_json(hullwise: Hullwise, layout: Path, generation: Path) -> None:
    """The same for programs."""
    done = hullwise("explain", layout, "CVE-2024-45491", "--advisories", generation, "--format", "json")
    found = document(done)
    (package,) = found["packages"]
    assert (package["comparedName"], package["comparedVersion"], package["verdict"]) == ("expat", "2.5.0-1", "affected")
    assert package["tests"] == [
        {
            "record": "CVE-2024-45491",
            "source": "osv",
            "says": "< 2.5.0-1+deb12u1",
            "outcome": "2.5.0-1 is in < 2.5.0-1+deb12u1; fixed in 2.5.0-1+deb12u1",
            "affected": True,
        }
    ]
    assert package["severityChosen"]["value"].startswith("CVSS:3.1/")


def test_an_image_that_is_nowhere(hullwise: Hullwise, generation: Path) -> None:
    """Neither on disk nor in the registry, which is not there yet; where it can only be a path, or is another tool's
    form of one, that is said."""
    assert "there is no installation" in complaint(hullwise("explain", "team/app:1", "CVE-2024-45491"))
    assert complaint(hullwise("explain", "/nope", "CVE-1-1")) == "/nope: there is no such file or folder"
    said = complaint(hullwise("sbom", "oci:/app:latest"))
    assert said == "oci:/app:latest: an image is a path alone, as in ./app-layout, or REPOSITORY[:TAG|@DIGEST]"
