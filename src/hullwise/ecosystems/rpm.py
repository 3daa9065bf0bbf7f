"""Packages of Red Hat, SUSE, Amazon and their relatives: the database of rpm, in each of its three forms, or a list.

Where it lies is a matter of the distribution, and which form it has of rpm's version. Both are looked for everywhere,
and the form is told by how the file begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hullwise.domain.packages import VENDOR_LENGTH, FoundPackage, OwnedFile
from hullwise.ecosystems import rpm_berkeley, rpm_header, rpm_manifest, rpm_ndb, rpm_sqlite, stanzas
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.ecosystems.namespaces import scheme
from hullwise.ecosystems.rpm_header import Header
from hullwise.versions.invalid import LONGEST

# The second is SUSE's and Fedora's, the third that of systems whose /var begins empty (ostree).
FOLDERS = frozenset({"var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"})
NAMES = frozenset({"Packages", "Packages.db", "rpmdb.sqlite"})

FILE_LIMIT = 192 << 20
"""Bytes: three times that is held while SQLite takes its copy."""

MOST_PACKAGES = 50_000
"""Headers of one database: as many as a distribution has packages."""

MOST_FILES = 1_000_000
"""Files of one database that are looked at. Those of a package that would exceed it are nobody's."""

_MOST_CHARACTERS = 128 << 20
"""Of their paths together: a folder's name is stored once, however many files are in it."""

_NONE = b"(none)"
_EPOCH_DIGITS = 10
"""Of a number of 32 bits."""

# Keys that `rpm --import` trusts are recorded as packages of this name.
_KEY = "gpg-pubkey"

# RFC 4880, 9.4: how rpm writes the algorithm, and how many hex digits a digest has. Without the tag it is MD5.
_ALGORITHMS = {1: ("md5:", 32), 2: ("sha1:", 40), 8: ("sha256:", 64)}

_SOURCE = re.compile(r"(?P<name>.+)-(?P<version>[^-]+-[^-]+)\.(?:no)?src\.rpm")
_MODULE = re.compile(r"([!-9;-~]+:[!-9;-~]+)(?::.*)?")


def claims(path: str) -> bool:
    """The database itself, whose indexes, locks and logs lie beside it; or the list of an image that has none."""
    folder, _, name = path.rpartition("/")
    return (folder in FOLDERS and name in NAMES) or path == rpm_manifest.PATH


def _headers(data: bytes) -> Iterator[bytes]:
    if data.startswith(rpm_sqlite.MAGIC):
        return rpm_sqlite.headers(data)
    if data.startswith(rpm_ndb.MAGIC):
        return rpm_ndb.headers(data)
    if data[12:16] in rpm_berkeley.ORDERS:
        return rpm_berkeley.values(data)
    raise Unreadable("neither SQLite nor NDB nor a hash database of Berkeley DB")


def _version(text: str, epoch: int) -> str:
    """`[epoch:]version[-release]`; an epoch of 0 is left out, as an absent one is 0 to rpm."""
    text = f"{epoch}:{text}" if text and epoch else text
    return text if len(text) <= LONGEST else ""


def _version_of(header: Header) -> str:
    version = stanzas.word(header.text(rpm_header.VERSION))
    release = stanzas.word(header.text(rpm_header.RELEASE))
    epoch = header.numbers(rpm_header.EPOCH, 1)
    return _version(f"{version}-{release}" if version and release else version, epoch[0] if epoch else 0)


def _package(
    name: str, version: str, *, source_file: bytes, architecture: bytes, vendor: bytes, label: bytes = b""
) -> FoundPackage:
    source = _SOURCE.fullmatch(stanzas.word(source_file))
    source_name = stanzas.name(source["name"].encode()) if source else ""
    # The name of a source package's file has no epoch.
    source_version = source["version"] if source and source_name else ""
    without_epoch = version.rpartition(":")[2]
    module = _MODULE.fullmatch(stanzas.word(label))
    return FoundPackage(
        name=name,
        version=version,
        source_name=source_name if source_name != name else "",
        # Nothing is compared of a package whose own version is unknown.
        source_version=source_version if version and source_version != without_epoch else "",
        architecture=stanzas.word(architecture),
        scope=module[1] if module else "",
        vendor=vendor.decode("utf-8", "replace").strip()[:VENDOR_LENGTH],
    )


def _paths(header: Header, count: int, characters: int) -> list[str]:
    """The paths of all files, in the order of their digests; empty where they have more characters together.

    Old packages have them whole, others in two parts."""
    whole = header.texts(rpm_header.OLD_FILENAMES, count)
    if whole:
        return [path.lstrip("/") for path in whole]
    names = header.texts(rpm_header.BASENAMES, count)
    indexes = header.numbers(rpm_header.DIRECTORY_INDEXES, count)
    folders = [folder.lstrip("/") for folder in header.texts(rpm_header.DIRECTORY_NAMES, count)]
    if len(names) != len(indexes) or max(indexes, default=0) >= len(folders):
        return []
    lengths = [len(folder) for folder in folders]
    if sum(map(lengths.__getitem__, indexes)) > characters:
        return []
    return [folders[index] + name for index, name in zip(indexes, names, strict=True)]


def _owned(name: str, header: Header, count: int, characters: int) -> list[OwnedFile]:
    """The regular files of a package: directories, symbolic links and most ghosts have no digest."""
    algorithm = header.numbers(rpm_header.FILE_DIGEST_ALGORITHM, 1) or (1,)
    prefix, length = _ALGORITHMS.get(algorithm[0], ("", 0))
    digests = header.hexadecimals(rpm_header.FILE_DIGESTS, count) if prefix else []
    paths = _paths(header, count, characters) if digests else []
    if len(paths) != len(digests):
        return []
    return [
        OwnedFile(name, path, prefix + digest)
        for path, digest in zip(paths, digests, strict=True)
        if len(digest) == length
    ]


def _installed(data: bytes) -> Iterator[tuple[str, str, Header]]:
    """Name, version and header of each package, imported keys included. The version may be unknown."""
    count = held = 0
    usable = False
    for blob in _headers(data):
        count += 1
        held += len(blob)
        if count > MOST_PACKAGES:
            raise Unreadable(f"more than {MOST_PACKAGES} headers")
        if held > len(data):
            raise Unreadable("several headers share their bytes")
        try:
            header = Header(blob)
        except Unreadable:
            continue
        name, version = stanzas.name(header.text(rpm_header.NAME)), _version_of(header)
        if name:
            usable = True
            yield name, version, header
    if count and not usable:
        raise Unreadable("no header has a name")


def _listed(data: bytes) -> Iterator[FoundPackage]:
    """The packages of a list; lines without a usable name are passed over. Raises Unreadable where none has one."""
    count = usable = 0
    for row in rpm_manifest.rows(data):
        count += 1
        if count > MOST_PACKAGES:
            raise Unreadable(f"more than {MOST_PACKAGES} lines")
        name = stanzas.name(row.name) if row else ""
        if row is None or not name:
            continue
        usable += 1
        if name != _KEY:
            digits = row.epoch.isdigit() and len(row.epoch) <= _EPOCH_DIGITS
            yield _package(
                name,
                _version(stanzas.word(row.version), int(row.epoch) if digits else 0),
                source_file=row.source_file,
                architecture=b"" if row.architecture == _NONE else row.architecture,
                vendor=b"" if row.vendor == _NONE else row.vendor,
            )
    if count and not usable:
        raise Unreadable("no line names a package")


def read(path: str, data: bytes) -> Reading:
    """The installed packages of a database, and the files that they installed; of a list, the packages alone.

    Headers without a usable name or version are passed over; a file in which no header has both is `Unreadable`. An
    empty file, and a database without packages (`rpm --initdb`), is an empty reading."""
    if path == rpm_manifest.PATH:
        return Reading(packages=tuple(_listed(data)))
    packages: list[FoundPackage] = []
    owned: list[OwnedFile] = []
    files, characters = MOST_FILES, _MOST_CHARACTERS
    for name, version, header in _installed(data) if data else ():
        if name == _KEY:
            continue
        packages.append(
            _package(
                name,
                version,
                source_file=header.text(rpm_header.SOURCE_RPM),
                architecture=header.text(rpm_header.ARCHITECTURE),
                vendor=header.text(rpm_header.VENDOR),
                label=header.text(rpm_header.MODULARITY_LABEL),
            )
        )
        count = header.count(rpm_header.BASENAMES) or header.count(rpm_header.OLD_FILENAMES)
        if count <= files:
            files -= count
            installed = _owned(name, header, count, characters)
            characters -= sum(len(file.path) for file in installed)
            owned += installed
    return Reading(packages=tuple(packages), owned=tuple(owned))


RPM = Ecosystem(
    name="rpm",
    version=4,
    directories=FOLDERS | {"var/lib/rpmmanifest"},
    claims=claims,
    read=read,
    file_limit=FILE_LIMIT,
    shared=True,
    # Imported when it is used: see `namespaces`.
    version_key=scheme("rhel"),
    purl_type="rpm",
    osv_names=(
        "Red Hat",
        "AlmaLinux",
        "Rocky Linux",
        "Oracle Linux",
        "Amazon Linux",
        "SUSE",
        "openSUSE",
        "Photon OS",
        "Azure Linux",
        "Mageia",
        "openEuler",
    ),
)
