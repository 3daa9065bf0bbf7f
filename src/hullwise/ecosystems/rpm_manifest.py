"""What Microsoft's distroless images have in place of rpm's database: a line a package, its columns parted by tabs.

    var/lib/rpmmanifest/container-manifest-2    Azure Linux and CBL-Mariner, also below .NET (dotnet-docker, "Azure
                                                Linux", Vulnerability Scanning)

    name  version-release  installed  built  vendor  epoch  size  architecture  epoch as a number  source package's file

`container-manifest-1` beside it has the names of the packages' files alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

PATH = "var/lib/rpmmanifest/container-manifest-2"
_COLUMNS = 10
_AT = (0, 1, 4, 7, 8, 9)
"""Those of a Row."""


class Row(NamedTuple):
    """A package as `rpm -qa` wrote it: what it does not know is `(none)`, and the epoch 0."""

    name: bytes
    version: bytes
    """And release."""
    vendor: bytes
    architecture: bytes
    epoch: bytes
    source_file: bytes


def rows(data: bytes) -> Iterator[Row | None]:
    """Each line that says something; None for one that has other columns."""
    for line in data.split(b"\n"):
        if line.strip():
            columns = line.rstrip(b"\r").split(b"\t", _COLUMNS)
            yield Row(*(columns[at] for at in _AT)) if len(columns) == _COLUMNS else None
