"""Packages of Debian and its relatives: dpkg's status file, and the status.d folder of distroless images.

deb822(5) defines the syntax, dpkg-query(1) the three words of `Status`. A folder `status.d` has one file a
package, the control data of its .deb: there is no `Status`, the package is simply there. Which files a package
installed stands in its list of checksums, deb-md5sums(5), which dpkg makes where a .deb has none:

    var/lib/dpkg/info/NAME[:ARCHITECTURE].md5sums       var/lib/dpkg/status.d/NAME.md5sums
"""

from __future__ import annotations

import re

from hullwise.domain.packages import VENDOR_LENGTH, FoundPackage, OwnedFile
from hullwise.ecosystems import debian_vendors, stanzas
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.versions import dpkg as versions

STATUS = "var/lib/dpkg/status"
STATUS_FOLDER = "var/lib/dpkg/status.d"
INFO_FOLDER = "var/lib/dpkg/info"
_CHECKSUMS = ".md5sums"

_CHECKSUM = re.compile(rb"^([0-9a-f]{32})  (?:\./)?([^\n]{1,4096})$", re.MULTILINE)

# A field name follows a newline directly: continuation lines begin with a blank and are never taken for fields.
_FIELD = re.compile(
    rb"\n(Package|Status|Version|Architecture|Source|Maintainer|Vendor|Origin|Port-Version|Feature)[ \t]*:([^\n]*)",
    re.IGNORECASE,
)

# vcpkg writes a status file of the same shape, for C and C++ libraries that no Debian advisory speaks of.
_VCPKG = frozenset({b"port-version", b"feature"})


def claims(path: str) -> bool:
    """The status file, the files of the status folder, and lists of checksums."""
    folder = path.rpartition("/")[0]
    return path == STATUS or folder == STATUS_FOLDER or (folder == INFO_FOLDER and path.endswith(_CHECKSUMS))


_INSTALLED = frozenset({b"installed", b"triggers-pending", b"triggers-awaited"})
"""The last word of `Status`: there and configured; the other two wait for work of another package (dpkg(1))."""


def _installed(fields: dict[bytes, bytes], default: bytes) -> bool:
    _, *said = fields.get(b"status", default).split() or (b"",)
    return len(said) == 2 and said[0] == b"ok" and said[1] in _INSTALLED


def _source(value: bytes) -> tuple[str, str]:
    """Name and version of `Source: name (version)`; empty where they are left out.

    The version is there only where it is not the binary's: after a rebuild (`5.2.15-2` of `5.2.15-2+b13`), or where
    the binary has versions of its own."""
    name, _, rest = value.partition(b"(")
    return stanzas.name(name), stanzas.word(rest.partition(b")")[0])


# Of each kernel that starts where only signed ones do: its signature is a source package of its own, with another
# version, and advisories speak of what was signed. Debian has one an architecture, of further kernels of a release too
# (`linux-signed-6.1-amd64` of `linux-6.1`); Ubuntu has one a flavour.
_SIGNED_KERNEL = re.compile(r"linux-signed(-.+?)??(?:-(?:amd64|arm64|armhf|i386|riscv64|loong64))?")


def _package(fields: dict[bytes, bytes]) -> FoundPackage | None:
    """The package of one stanza; None where it has no usable name. Without a usable version it is listed all the same,
    whatever version its source has."""
    name = stanzas.name(fields.get(b"package", b""))
    version = stanzas.word(fields.get(b"version", b""))
    if not name:
        return None
    source_name, source_version = _source(fields.get(b"source", b""))
    if signed := _SIGNED_KERNEL.fullmatch(source_name):
        source_name, source_version = f"linux{signed[1] or ''}", version
    return FoundPackage(
        name=name,
        version=version,
        source_name=source_name if source_name != name else "",
        source_version=source_version if version and source_version != version else "",
        architecture=stanzas.word(fields.get(b"architecture", b"")),
        vendor=_vendor(version, fields),
    )


def _vendor(version: str, fields: dict[bytes, bytes]) -> str:
    maintainer, vendor, origin = (
        fields.get(name, b"").decode("utf-8", "replace").strip() for name in (b"maintainer", b"vendor", b"origin")
    )
    return debian_vendors.builder(version, maintainer, vendor or origin)[:VENDOR_LENGTH]


def _installed_files(path: str, data: bytes) -> Reading:
    package = path.rpartition("/")[2].removesuffix(_CHECKSUMS).partition(":")[0]
    if not stanzas.name(package.encode()):
        raise Unreadable("its name is no name of a package")
    found = []
    for digest, name in _CHECKSUM.findall(data):
        try:
            found.append(OwnedFile(package, name.decode(), f"md5:{digest.decode()}"))
        except UnicodeDecodeError:
            continue  # No reader's files have such a name.
    return Reading(owned=tuple(found))


def read(path: str, data: bytes) -> Reading:
    """The installed packages that a status file, or one file of the status folder, names; of a list of checksums, the
    files of its package.

    Stanzas without a usable name are passed over; a file in which no stanza has a name is `Unreadable`."""
    if path.endswith(_CHECKSUMS):
        return _installed_files(path, data)
    found = [
        {name.lower(): value for name, value in stanzas.fields(_FIELD, stanza).items()}
        for stanza in stanzas.split(data)
    ]
    if found and not any(b"package" in fields for fields in found):
        raise Unreadable("no stanza has a Package field")
    default = b"" if path == STATUS else b"install ok installed"
    return Reading(
        packages=tuple(
            package
            for fields in found
            if _installed(fields, default) and _VCPKG.isdisjoint(fields) and (package := _package(fields))
        )
    )


DPKG = Ecosystem(
    name="dpkg",
    version=5,
    directories=frozenset({"var/lib/dpkg", STATUS_FOLDER, INFO_FOLDER}),
    claims=claims,
    read=read,
    # A file of the status folder is a database of one package, so the same rule holds for it.
    shared=True,
    version_key=versions.key,
    purl_type="deb",
    osv_names=("Debian", "Ubuntu", "Echo"),
)
