"""Packages in a conda environment: the record that conda, mamba and pixi keep of each one they installed.

    PREFIX/conda-meta/NAME-VERSION-BUILD.json     {"name": "xz", "version": "5.0.5", "build": "1", "subdir": "linux-64"}

Nobody publishes advisories for conda's builds; its Python packages have metadata of their own in the same environment,
and are found by that as well.
"""

from __future__ import annotations

import msgspec

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import json_files
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable


class _Record(msgspec.Struct, frozen=True):
    name: str = ""
    version: str = ""
    subdir: str = ""


def claims(path: str) -> bool:
    """Whether the file lies directly in an environment's folder of records."""
    folder, _, name = path.rpartition("/")
    return name.endswith(".json") and folder.rpartition("/")[2] == "conda-meta"


def read(path: str, data: bytes) -> Reading:
    """The package that a record names, with the platform it was built for (`linux-64`, `noarch`) as architecture.

    A file without a name is none of these records (conda keeps others beside them): the reading is empty."""
    if not data.strip():
        return Reading()
    record = json_files.decode(data, _Record)
    if not record.name:
        return Reading()
    name = json_files.plain(record.name)
    if not name or "/" in name:
        raise Unreadable("name is no name of a conda package")
    package = FoundPackage(name, json_files.plain(record.version), architecture=json_files.plain(record.subdir))
    return Reading(packages=(package,))


CONDA = Ecosystem(
    name="conda",
    version=1,
    suffixes=(".json",),
    claims=claims,
    read=read,
    file_limit=32 << 20,
    purl_type="conda",
)
