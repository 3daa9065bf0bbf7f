"""What is built from one source rpm is of one source package, whichever epochs its parts have."""

from __future__ import annotations

import io
import tarfile

from hullwise.ecosystems import ECOSYSTEMS
from hullwise.inventory.image import ReadLayer, merge
from hullwise.inventory.layers import LayerInventory
from hullwise.inventory.limits import LayerLimits
from hullwise.inventory.walk import read_layer
from tests.support.rpms import header, ndb, numbers, text

PERL = "perl-5.26.3-422.el8.src.rpm"
LIBS = header(text(1000, "perl-libs"), text(1001, "5.26.3"), text(1002, "422.el8"), numbers(1003, 4), text(1044, PERL))
ERRNO = header(text(1000, "perl-Errno"), text(1001, "1.28"), text(1002, "422.el8"), text(1044, PERL))
PARENT = header(text(1000, "perl-parent"), text(1001, "0.237"), text(1002, "1.el8"), numbers(1003, 1))


def layer(*headers: bytes) -> LayerInventory:
    files = {"etc/os-release": b"ID=rhel\nVERSION_ID=8.9\n", "var/lib/rpm/Packages.db": ndb(*headers)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    buffer.seek(0)
    return read_layer(buffer, ECOSYSTEMS, LayerLimits())


def sources(*layers: LayerInventory) -> dict[str, tuple[str, str, str, str]]:
    """By name: version, name and version of the source, layer."""
    found = merge([ReadLayer(f"L{index}", inventory) for index, inventory in enumerate(layers)])
    packages = ((each.package, each.layer) for each in found.occurrences)
    return {p.name: (p.version, p.source_name, p.source_version, at) for p, at in packages}


def test_one_source_has_one_version() -> None:
    """Red Hat's perl: that part which has its version has its epoch; each is compared by the version of its own."""
    assert sources(layer(ERRNO, LIBS, PARENT)) == {
        "perl-Errno": ("1.28-422.el8", "perl", "4:5.26.3-422.el8", "L0"),
        "perl-libs": ("4:5.26.3-422.el8", "perl", "4:5.26.3-422.el8", "L0"),
        "perl-parent": ("1:0.237-1.el8", "perl-parent", "1:0.237-1.el8", "L0"),
    }


def test_an_epoch_that_nothing_tells() -> None:
    """The name of the source package's file has none."""
    assert sources(layer(ERRNO))["perl-Errno"] == ("1.28-422.el8", "perl", "5.26.3-422.el8", "L0")


def test_what_comes_later_moves_nothing() -> None:
    """A package is of the layer that brought it, also where a later one told its source's epoch."""
    found = sources(layer(ERRNO), layer(ERRNO, LIBS))
    assert (found["perl-Errno"][2:], found["perl-libs"][3]) == (("4:5.26.3-422.el8", "L0"), "L1")
