"""Whose advisories speak of a package: `debian:12`, `alpine:3.19`, `almalinux:9`, `wolfi`, `pypi`, `crates.io`.

A namespace is a publisher of advisories, with its release where it has releases. The same text is made from the
distribution of an image, from the ecosystem of an OSV record and from a codename of Debian's tracker, so that
package and advisory meet. Names inside it meet in their canonical form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from hullwise.domain.packages import Distribution, Package
from hullwise.ecosystems import python_names
from hullwise.versions import apk, dpkg, pep440, semver

# Debian's and Ubuntu's releases, from distro-info-data. Releases without os-release are left out.
_DEBIAN_CODENAMES = {
    "wheezy": "7", "jessie": "8", "stretch": "9", "buster": "10", "bullseye": "11", "bookworm": "12",
    "trixie": "13", "forky": "14", "duke": "15", "sid": "sid",
}  # fmt: skip
_UBUNTU_CODENAMES = {
    "precise": "12.04", "quantal": "12.10", "raring": "13.04", "saucy": "13.10", "trusty": "14.04",
    "utopic": "14.10", "vivid": "15.04", "wily": "15.10", "xenial": "16.04", "yakkety": "16.10",
    "zesty": "17.04", "artful": "17.10", "bionic": "18.04", "cosmic": "18.10", "disco": "19.04",
    "eoan": "19.10", "focal": "20.04", "groovy": "20.10", "hirsute": "21.04", "impish": "21.10",
    "jammy": "22.04", "kinetic": "22.10", "lunar": "23.04", "mantic": "23.10", "noble": "24.04",
    "oracular": "24.10", "plucky": "25.04", "questing": "25.10", "resolute": "26.04",
}  # fmt: skip


_MAJOR = r"([0-9]{1,3})(?:\.[0-9]{1,3})?"
_RED_HAT = (
    rf"(?:enterprise_linux:)?{_MAJOR}"
    r"(?:::(?:baseos|appstream|crb|server|client|workstation|computenode|highavailability|resilientstorage|nfv|realtime"
    r"|supplementary|fastdatapath))?"
)
"""The part of a CPE that OSV writes: `enterprise_linux:9::appstream`. Extended releases (`rhel_eus`) do not fit: their
fixes are of packages that a plain release does not get."""
_SUSE = re.compile(
    r"Linux Enterprise (?:Server|Desktop|Software Development Kit|Workstation Extension|High Availability Extension"
    r"|Module for (?!SAP|HPC|RT |Real|Live)[A-Za-z0-9 -]{1,64}) ([0-9]{1,2})(?: SP([0-9])|\.([0-9]))?"
)
"""SUSE files packages under the module or extension that has them. All of one service pack are one release to
os-release, `15.6`. Phases of support (`-LTSS`, `-ESPOS`) and systems of their own (for SAP, Micro, Real Time) do not
fit: a plain release does not get their fixes."""

_MODULE_OF_12 = re.compile(r"SUSE:Linux Enterprise Module for .+ 12")
_PACKS_OF_12 = tuple(f"sles:12.{pack}" for pack in range(1, 6))
"""Modules of SUSE Linux Enterprise 12 are for each of its service packs; those of 15 name one."""

_REPOSITORIES = {"Packagist": r"https://packages\.drupal\.org/[0-9]{1,3}", "Maven": r"https://repo1\.maven\.org/maven2"}
"""Repositories whose packages are called as those of the ecosystem itself: OSV has Drupal's advisories under its own,
and those of Maven Central under none or its address (OSV schema, `Defined Ecosystems`). Others may have other packages
of the same name."""

_BELLSOFT = r"([0-9]{2}|stream)"
_OPENEULER = re.compile(r"openEuler ([0-9]{2}\.[0-9]{2}) \(?(LTS(?:-SP[0-9])?)\)?", re.IGNORECASE)
"""How `PRETTY_NAME` names a service pack, `openEuler 22.03 (LTS-SP3)`, or the release before it, `openEuler 22.03 LTS`.
OSV files packages under it: `openEuler:22.03-LTS-SP3`. VERSION_ID says `22.03`."""

# Orders that few processes use are imported when they are: each takes as long to import as this whole table.


def _rpm_key(version: str) -> bytes:
    from hullwise.versions import rpm

    return rpm.key(version)


def _go_key(version: str) -> bytes:
    from hullwise.versions import go

    return go.key(version)


def _gem_key(version: str) -> bytes:
    from hullwise.versions import gem

    return gem.key(version)


def _composer_key(version: str) -> bytes:
    from hullwise.versions import composer

    return composer.key(version)


def _maven_key(version: str) -> bytes:
    from hullwise.versions import maven

    return maven.key(version)


def _nuget_key(version: str) -> bytes:
    from hullwise.versions import nuget

    return nuget.key(version)


def _name_as_written(name: str) -> str:
    return name


class Publisher(msgspec.Struct, frozen=True, kw_only=True):
    """Who publishes advisories for the packages of one kind, and how it writes versions, names and releases."""

    reader: str
    """`Ecosystem.name` of the reader that finds its packages; there may be no such reader yet. Languages are the
    publishers whose reader has their own name."""

    osv_name: str
    """What OSV calls it. A release, where there are any, follows after a colon. Empty: OSV has no name for it."""

    version_key: Callable[[str], bytes]
    """Order of its versions (see `hullwise.versions`)."""

    canonical_name: Callable[[str], str] = _name_as_written
    """The one form of the names that its tools hold for the same."""

    release: str = ""
    """Expression that fits a release as os-release and OSV write it, its first group is the release of the namespace;
    without a group, it is the only one. Empty: there are no releases."""

    codenames: Mapping[str, str] = {}
    """Codename to release."""

    by_binary: bool = False
    """Whether its advisories name the packages that are installed, and not their source packages."""

    vendors: tuple[str, ...] = ()
    """How the vendor of its own packages begins, in lower case: rpm's `Vendor`, or what a .deb says of its builder.
    Empty: rpms of others are not told apart by it, and a .deb that names one is another's."""

    epochs: bool = True
    """Whether its advisories have the epochs of rpm's versions; else they are those in the names of files."""

    comprehensive: bool = False
    """Whether it says of every vulnerability in its packages how it stands, those that it does not fix included."""

    rolling: str = ""
    """The release of an image that has no version, or that of a snapshot before a release; empty: there is none."""

    names: frozenset[str] = frozenset()
    """The packages that anybody speaks of, each by a publisher of its own: who speaks of one may be silent on another.
    Empty: any, by this one."""


def _rpm(osv_name: str, release: str, *vendors: str, epochs: bool = True) -> Publisher:
    return Publisher(
        reader="rpm",
        osv_name=osv_name,
        version_key=_rpm_key,
        release=release,
        by_binary=True,
        vendors=vendors,
        epochs=epochs,
    )


PUBLISHERS: dict[str, Publisher] = {
    "debian": Publisher(
        reader="dpkg",
        osv_name="Debian",
        comprehensive=True,
        version_key=dpkg.key,
        release=_MAJOR,
        codenames=_DEBIAN_CODENAMES,
        rolling="sid",
    ),
    "ubuntu": Publisher(
        reader="dpkg",
        osv_name="Ubuntu",
        comprehensive=True,
        version_key=dpkg.key,
        release=r"([0-9]{1,2}\.[0-9]{2})(?::LTS)?",
        codenames=_UBUNTU_CODENAMES,
    ),
    "alpine": Publisher(
        reader="apk",
        osv_name="Alpine",
        version_key=apk.key,
        release=r"v?([0-9]{1,3}\.[0-9]{1,3}|edge)(?:\.[0-9]{1,3})?(?:_rc[0-9]{1,3})?",
        rolling="edge",
    ),
    "wolfi": Publisher(reader="apk", osv_name="Wolfi", version_key=apk.key),
    "chainguard": Publisher(reader="apk", osv_name="Chainguard", version_key=apk.key),
    "minimos": Publisher(reader="apk", osv_name="MinimOS", version_key=apk.key),
    "alpaquita": Publisher(reader="apk", osv_name="Alpaquita", version_key=apk.key, release=_BELLSOFT),
    "bellsoft-hardened-containers": Publisher(
        reader="apk", osv_name="BellSoft Hardened Containers", version_key=apk.key, release=_BELLSOFT
    ),
    "echo": Publisher(reader="dpkg", osv_name="Echo", version_key=dpkg.key, vendors=("echo",)),
    "almalinux": _rpm("AlmaLinux", _MAJOR, "almalinux", "cloudlinux"),
    "rocky": _rpm("Rocky Linux", _MAJOR, "rocky"),
    "rhel": _rpm("Red Hat", _RED_HAT, "red hat", "centos"),
    "ol": _rpm("Oracle Linux", _MAJOR, "oracle america"),
    "amzn": _rpm("Amazon Linux", r"([0-9]{1,4})(?:\.[0-9.]{1,16})?", "amazon"),
    "sles": _rpm("SUSE", r"([0-9]{1,2}(?:\.[0-9]{1,2})?)", "suse"),
    # Its data names source packages. Its maker was bought: packages say the one or the other.
    "photon": Publisher(
        reader="rpm",
        osv_name="Photon OS",
        version_key=_rpm_key,
        release=r"([0-9]{1,2}(?:\.[0-9]{1,2})?)",
        vendors=("vmware", "broadcom"),
    ),
    "azurelinux": _rpm("Azure Linux", _MAJOR, "microsoft", epochs=False),
    "openeuler": _rpm(
        "openEuler", r"([0-9]{2}\.[0-9]{2}(?:-LTS(?:-SP[0-9])?)?)", "http://openeuler.org", "openeuler", epochs=False
    ),
    "mageia": _rpm("Mageia", r"([0-9]{1,3})", "mageia"),
    "opensuse-leap": _rpm("openSUSE", r"(?:Leap )?([0-9]{1,3}\.[0-9]{1,3})", "suse", "opensuse"),
    "opensuse-tumbleweed": _rpm("openSUSE", r"Tumbleweed|[0-9]{8}", "suse", "opensuse"),
    "pypi": Publisher(reader="pypi", osv_name="PyPI", version_key=pep440.key, canonical_name=python_names.canonical),
    "npm": Publisher(reader="npm", osv_name="npm", version_key=semver.key),
    "go": Publisher(reader="go", osv_name="Go", version_key=_go_key),
    "crates.io": Publisher(reader="crates.io", osv_name="crates.io", version_key=semver.key),
    "rubygems": Publisher(reader="rubygems", osv_name="RubyGems", version_key=_gem_key),
    "packagist": Publisher(
        reader="packagist", osv_name="Packagist", version_key=_composer_key, canonical_name=str.lower
    ),
    "maven": Publisher(reader="maven", osv_name="Maven", version_key=_maven_key),
    "nuget": Publisher(reader="nuget", osv_name="NuGet", version_key=_nuget_key, canonical_name=str.lower),
    "hex": Publisher(reader="hex", osv_name="Hex", version_key=semver.key, canonical_name=str.lower),
    "pub": Publisher(reader="pub", osv_name="Pub", version_key=semver.key),
    # Numbers, and behind a hyphen Bitnami's revision, which is later than none (bitnami/go-version): dpkg's order.
    "bitnami": Publisher(reader="bitnami", osv_name="Bitnami", version_key=dpkg.key),
    # Runtimes of languages, as upstream publishes them. RubyGems' order reads the versions of each that is spoken of,
    # and puts what has letters below its release: 22.0.0-rc.1 and 22.0.0-nightly2024… of Node.js, 3.13.0rc1 of Python,
    # 2.1.0.preview.2 and 3.4.0.dev of Ruby, whose patch levels are a fourth number.
    "runtime": Publisher(
        reader="runtime", osv_name="", version_key=_gem_key, names=frozenset({"node", "ruby", "python"})
    ),
}

LANGUAGES = frozenset(name for name, publisher in PUBLISHERS.items() if publisher.reader == name)
"""Publishers of packages that whoever speaks of them does not build."""

SYSTEM = tuple(dict.fromkeys(each.reader for each in PUBLISHERS.values() if each.reader not in LANGUAGES))
"""Readers of what a distribution's package manager installed."""

_BY_OSV_NAME = {
    osv_name: tuple(name for name, publisher in PUBLISHERS.items() if publisher.osv_name == osv_name)
    for osv_name in {publisher.osv_name for publisher in PUBLISHERS.values()} - {""}
}


def _of_version(name: str, version: str) -> str:
    """The namespace of a publisher at a release as os-release or OSV writes it; empty if it is written otherwise."""
    pattern = PUBLISHERS[name].release
    if not pattern:
        return name
    match = re.fullmatch(pattern, version)
    return ":".join((name, *match.groups())) if match else ""


def _of_image(name: str, distribution: Distribution) -> str:
    """The namespace of an image of the publisher's own distribution.

    Debian's testing and unstable have no version, Alpine's edge one such as `3.20.0_alpha20240329`."""
    publisher = PUBLISHERS[name]
    found = _of_version(name, distribution.version)
    if not found and (not distribution.version or "_alpha" in distribution.version):
        release = publisher.codenames.get(distribution.codename, publisher.rolling)
        found = f"{name}:{release}" if release else ""
    return found


def _as_published(distribution: Distribution) -> Distribution:
    """The distribution that advisories speak of: CentOS Linux is rebuilt from Red Hat's packages, version by version,
    while CentOS Stream runs ahead of them. Amazon Linux 1 is named by the month of its snapshot. CBL-Mariner 2.0 became
    Azure Linux, and OSV has its packages as `Azure Linux:2`. openEuler has advisories by service pack."""
    if distribution.id == "centos" and distribution.version in {"6", "7", "8"} and "Stream" not in distribution.name:
        return msgspec.structs.replace(distribution, id="rhel")
    if distribution.id == "mariner":
        return msgspec.structs.replace(distribution, id="azurelinux")
    pack = _OPENEULER.fullmatch(distribution.name) if distribution.id == "openeuler" else None
    if pack is not None:
        return msgspec.structs.replace(distribution, version=f"{pack[1]}-{pack[2].upper()}")
    if distribution.id == "amzn" and re.fullmatch(r"201[0-9]\.[0-9]{2}", distribution.version):
        return msgspec.structs.replace(distribution, version="1")
    return distribution


def namespace(ecosystem: str, distribution: Distribution | None) -> str:
    """Whose advisories speak of the packages that the reader `ecosystem` finds in an image; empty: nobody's.

    A derivative (`ID_LIKE`) shares its parent's advisories only where it says, by carrying one of the parent's
    codenames, that it is the parent's packages that it ships: Raspbian 11 is `debian:11`, Kali and Mint are none."""
    if ecosystem in LANGUAGES:
        return ecosystem
    if distribution is None:
        return ""
    distribution = _as_published(distribution)
    speakers = {name for name, publisher in PUBLISHERS.items() if publisher.reader == ecosystem}
    if distribution.id in PUBLISHERS:
        return _of_image(distribution.id, distribution) if distribution.id in speakers else ""
    for parent in distribution.like:
        if parent in speakers and (release := PUBLISHERS[parent].codenames.get(distribution.codename)):
            return f"{parent}:{release}"
    return ""


def of_system(distribution: Distribution | None) -> str:
    """Whose advisories speak of the distribution's own packages; empty: nobody's."""
    return next((found for reader in SYSTEM if (found := namespace(reader, distribution))), "")


def strangers(ecosystem: str, distribution: Distribution | None, vendors: Iterable[str]) -> frozenset[str]:
    """Those of the vendors of an image's packages who are not the distribution: of EPEL, Docker, NVIDIA. Its advisories
    do not speak of their packages, even where the names are the same.

    Every package of rpm's has a vendor; where none says that the distribution built it nobody is a stranger: all was
    built anew by somebody. Of dpkg's, those alone have one who are strangers (`debian_vendors`)."""
    own = _publisher(namespace(ecosystem, distribution))
    said = {vendor for vendor in vendors if vendor}
    if own is not None and own.reader == "dpkg":
        return frozenset(vendor for vendor in said if not vendor.lower().startswith(own.vendors))
    if own is None or not own.vendors:
        return frozenset()
    others = frozenset(vendor for vendor in said if not vendor.lower().startswith(own.vendors))
    return others if len(others) < len(said) else frozenset()


def osv_namespace(ecosystem_text: str) -> str | None:
    """The namespace of an OSV record's `affected[].package.ecosystem`; None for those that are not matched.

    Not matched are unknown ecosystems, distributions without a release, and separate builds of a release:
    Ubuntu's Pro, FIPS and Realtime fixes do not apply to the packages of the plain release."""
    base, colon, release = ecosystem_text.partition(":")
    if base == "SUSE":
        match = _SUSE.fullmatch(release)
        release = ".".join(filter(None, match.groups())) if match is not None else ""
    if base in _REPOSITORIES and re.fullmatch(_REPOSITORIES[base], release):
        colon = ""
    for name in _BY_OSV_NAME.get(base, ()):
        if PUBLISHERS[name].release or not colon:
            found = _of_version(name, release)
            if found:
                return found
    return None


def further_releases(ecosystem_text: str) -> tuple[str, ...]:
    """Namespaces that an OSV ecosystem is of beside its own."""
    return _PACKS_OF_12 if _MODULE_OF_12.fullmatch(ecosystem_text) else ()


def debian_release(codename: str) -> str | None:
    """The namespace of a release of Debian's security tracker: `bookworm` → `debian:12`; None if it is unknown."""
    release = _DEBIAN_CODENAMES.get(codename)
    return f"debian:{release}" if release else None


def _publisher(namespace: str) -> Publisher | None:
    return PUBLISHERS.get(namespace.partition(":")[0])


def reader(namespace: str) -> str:
    """Name of the reader that finds a namespace's packages; empty for the empty and unknown ones."""
    publisher = _publisher(namespace)
    return publisher.reader if publisher else ""


def scheme(namespace: str) -> Callable[[str], bytes] | None:
    """The version key of a namespace's packages; None for the empty and unknown ones."""
    publisher = _publisher(namespace)
    return publisher.version_key if publisher else None


WITHOUT_EPOCHS = frozenset(name for name, publisher in PUBLISHERS.items() if not publisher.epochs)

BY_BINARY = frozenset(name for name, publisher in PUBLISHERS.items() if publisher.by_binary)
"""Publishers whose advisories name the packages that are installed."""


def advised(package: Package) -> tuple[str, str]:
    """Name and version under which advisories speak of a package: its source package's, or its own."""
    if package.namespace.partition(":")[0] in BY_BINARY:
        return package.name, package.version
    return package.source_name, package.source_version


APART = frozenset(name for name, publisher in PUBLISHERS.items() if publisher.names)
"""Publishers that are several, each of one package."""


def is_spoken_of(package: Package) -> bool:
    """Whether anybody publishes advisories on it, as far as its name tells."""
    publisher = _publisher(package.namespace)
    return publisher is None or not publisher.names or package.name in publisher.names


def subject(namespace: str, name: str) -> str:
    """What advisories must speak of to say anything of a package: its namespace, with its name behind that where each
    has a publisher of its own: `runtime python`."""
    return f"{namespace} {name}" if namespace in APART else namespace


COMPREHENSIVE = frozenset(name for name, publisher in PUBLISHERS.items() if publisher.comprehensive)


def owned_by(owner: Package) -> str:
    """The scope of a language package that the distribution's package `owner` installed: whose word counts first.

    Empty where nobody publishes advisories on the owner, as on one with a blank in its name. What else these go by,
    where it is more than the name of its source, stands behind its name: `rhel:8 npm nodejs x86_64 nodejs:18`."""
    parts = [owner.namespace, advised(owner)[0]]
    if owner.namespace.partition(":")[0] in BY_BINARY:
        parts += [owner.source_name, owner.architecture, owner.scope]
    written = " ".join(parts).rstrip()
    return written if owner.namespace and not any(" " in part for part in parts) else ""


def owner_in(scope: str) -> Package:
    """The owner that `owned_by` wrote, as far as it says; its version is no part of it."""
    namespace, name, source, architecture, module, *_ = [*scope.split(" "), "", "", "", ""]
    return Package("", namespace, name, "", source or name, "", architecture, module)


def owner_of(package: Package) -> Package | None:
    """As `owner_in` says, the distribution's package that installed a language package."""
    if package.namespace not in LANGUAGES or not package.scope:
        return None
    return owner_in(package.scope)


EVERY = "*"
"""In the place of a package's name: all that a publisher has in a release."""


def by_speaker(scopes: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """Scopes of what was installed by a distribution's package, by each (namespace, name) whose advisories speak of
    that."""
    found: dict[tuple[str, str], list[str]] = {}
    for scope in scopes:
        owner = owner_in(scope)
        for name in {owner.name, owner.source_name, EVERY}:
            found.setdefault((owner.namespace, name), []).append(scope)
    return found


def canonical_name(namespace: str, name: str) -> str:
    """The form under which advisories and packages of a namespace meet: `Flask_Login` of pypi → `flask-login`.

    PyPI's is that of PEP 503; NuGet, Packagist and Hex hold upper and lower case for the same. All others are taken as
    written: Maven's is `group:artifact`, Go's a module path, and in crates.io `a-b` and `a_b` are two names of which
    one may be taken. A name of an unknown namespace is returned as written too."""
    publisher = _publisher(namespace)
    return publisher.canonical_name(name) if publisher else name
