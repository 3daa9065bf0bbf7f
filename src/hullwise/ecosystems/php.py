"""Packages that Composer installed: `installed.json` in its folder of the vendor folder, whatever that is called.

    vendor/composer/installed.json      Nextcloud's is 3rdparty/composer/installed.json

Composer 2 writes {"packages": [...], "dev-package-names": [...]}, Composer 1 the list alone. Development packages are
installed like all others. A metapackage is a list of requirements and brings no file (Composer's schema, `type`).
"""

from __future__ import annotations

import msgspec

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import json_files
from hullwise.ecosystems.ecosystem import Ecosystem, Reading
from hullwise.ecosystems.namespaces import scheme


class _Package(msgspec.Struct, frozen=True, gc=False):
    name: str = ""
    version: str = ""
    type: str = ""


class _Installed(msgspec.Struct, frozen=True):
    packages: list[_Package] = []


def claims(path: str) -> bool:
    """Whether the file is Composer's own."""
    return path == "composer/installed.json" or path.endswith("/composer/installed.json")


def read(path: str, data: bytes) -> Reading:
    """The installed packages, with their names and versions as written (`v1.2.3`, `dev-main`).

    What has no name `vendor/package` is passed over."""
    if not data.strip():
        return Reading()
    if data.lstrip().startswith(b"["):
        packages = json_files.decode(data, list[_Package])
    else:
        packages = json_files.decode(data, _Installed).packages
    found: dict[FoundPackage, None] = {}
    for package in packages:
        vendor, _, rest = json_files.plain(package.name).partition("/")
        if vendor and rest and "/" not in rest and package.type != "metapackage":
            found[FoundPackage(f"{vendor}/{rest}", json_files.plain(package.version))] = None
    return Reading(packages=tuple(found))


PACKAGIST = Ecosystem(
    name="packagist",
    version=1,
    basenames=frozenset({"installed.json"}),
    claims=claims,
    read=read,
    file_limit=16 << 20,
    version_key=scheme("packagist"),
    purl_type="composer",
    osv_names=("Packagist",),
)
