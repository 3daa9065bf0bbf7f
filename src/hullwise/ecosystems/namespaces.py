"""Whose advisories speak of a package: `debian:12`, `ubuntu:22.04`, `alpine:3.19`, `wolfi`, `pypi`, `npm`.

A namespace is a publisher of advisories, with its release where it has releases. The same text is made from the
distribution of an image, from the ecosystem of an OSV record and from a codename of Debian's tracker, so that
package and advisory meet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hullwise.domain.packages import Distribution
from hullwise.ecosystems.apk import APK
from hullwise.ecosystems.dpkg import DPKG
from hullwise.ecosystems.ecosystem import Ecosystem
from hullwise.ecosystems.node import NPM
from hullwise.ecosystems.python import PYPI

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Publisher:
    """Who publishes advisories for one ecosystem, and how its releases are written."""

    ecosystem: Ecosystem

    release: re.Pattern[str] | None = None
    """Fits a release as os-release and OSV write it, its first group is the release of the namespace; None: there
    are no releases."""

    codenames: Mapping[str, str] = field(default_factory=dict)
    """Codename to release."""

    rolling: str = ""
    """The release of an image that has no version, or that of a snapshot before a release; empty: there is none."""


PUBLISHERS: dict[str, Publisher] = {
    "debian": Publisher(
        ecosystem=DPKG,
        release=re.compile(r"([0-9]{1,3})(?:\.[0-9]{1,3})?"),
        codenames=_DEBIAN_CODENAMES,
        rolling="sid",
    ),
    "ubuntu": Publisher(
        ecosystem=DPKG,
        release=re.compile(r"([0-9]{1,2}\.[0-9]{2})(?::LTS)?"),
        codenames=_UBUNTU_CODENAMES,
    ),
    "alpine": Publisher(
        ecosystem=APK,
        release=re.compile(r"v?([0-9]{1,3}\.[0-9]{1,3}|edge)(?:\.[0-9]{1,3})?(?:_rc[0-9]{1,3})?"),
        rolling="edge",
    ),
    "wolfi": Publisher(ecosystem=APK),
    "chainguard": Publisher(ecosystem=APK),
    "pypi": Publisher(ecosystem=PYPI),
    "npm": Publisher(ecosystem=NPM),
}

_LANGUAGES = frozenset({"pypi", "npm"})

_OSV_NAMES = {
    osv_name: osv_name.lower() for publisher in PUBLISHERS.values() for osv_name in publisher.ecosystem.osv_names
}


def _of_version(name: str, version: str) -> str:
    """The namespace of a publisher at a release as os-release or OSV writes it; empty if it is written otherwise."""
    pattern = PUBLISHERS[name].release
    if pattern is None:
        return name
    match = pattern.fullmatch(version)
    return f"{name}:{match[1]}" if match else ""


def _of_image(name: str, distribution: Distribution) -> str:
    """The namespace of an image of the publisher's own distribution.

    Debian's testing and unstable have no version, Alpine's edge one such as `3.20.0_alpha20240329`."""
    publisher = PUBLISHERS[name]
    found = _of_version(name, distribution.version)
    if not found and (not distribution.version or "_alpha" in distribution.version):
        release = publisher.codenames.get(distribution.codename, publisher.rolling)
        found = f"{name}:{release}" if release else ""
    return found


def namespace(ecosystem: str, distribution: Distribution | None) -> str:
    """Whose advisories speak of the packages that the reader `ecosystem` finds in an image; empty: nobody's.

    A derivative (`ID_LIKE`) shares its parent's advisories only where it says, by carrying one of the parent's
    codenames, that it is the parent's packages that it ships: Raspbian 11 is `debian:11`, Kali and Mint are none."""
    if ecosystem in _LANGUAGES:
        return ecosystem
    if distribution is None:
        return ""
    speakers = {name for name, publisher in PUBLISHERS.items() if publisher.ecosystem.name == ecosystem}
    if distribution.id in PUBLISHERS:
        return _of_image(distribution.id, distribution) if distribution.id in speakers else ""
    for parent in distribution.like:
        if parent in speakers and (release := PUBLISHERS[parent].codenames.get(distribution.codename)):
            return f"{parent}:{release}"
    return ""


def osv_namespace(ecosystem_text: str) -> str | None:
    """The namespace of an OSV record's `affected[].package.ecosystem`; None for those that are not matched.

    Not matched are unknown ecosystems, distributions without a release, and separate builds of a release:
    Ubuntu's Pro, FIPS and Realtime fixes do not apply to the packages of the plain release."""
    base, colon, release = ecosystem_text.partition(":")
    name = _OSV_NAMES.get(base)
    if name is None or (colon and PUBLISHERS[name].release is None):
        return None
    return _of_version(name, release) or None


def debian_release(codename: str) -> str | None:
    """The namespace of a release of Debian's security tracker: `bookworm` → `debian:12`; None if it is unknown."""
    release = _DEBIAN_CODENAMES.get(codename)
    return f"debian:{release}" if release else None


def scheme(namespace: str) -> Callable[[str], bytes] | None:
    """The version key of a namespace's packages; None for the empty and unknown ones."""
    publisher = PUBLISHERS.get(namespace.partition(":")[0])
    return publisher.ecosystem.version_key if publisher else None
