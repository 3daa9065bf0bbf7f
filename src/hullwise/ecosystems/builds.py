"""Builds of a package that are not the plain ones of its release: what advisories on its name say of them.

A module of rpm's has its own builds of a package, with versions of their own, and which module it is stands in the tag
ModularityLabel alone: a release such as `1.module_el8.3.0+2023+d2377ea3` without that tag, as AlmaLinux 8.3 had, could
be of any stream. Oracle's builds for Ksplice (`2:2.17-326.0.1.ksplice1.el7_9`) and the validated ones of FIPS, which
have the epoch 10 (`10:3.0.7-28.0.1.el9_4_fips`), stand above each plain version and have advisories of their own.
Ubuntu's builds of extended maintenance (`1.0-1ubuntu0.3~esm1`, `7.68.0-1ubuntu2.25+esm1`) are compared with the plain
release's advisories, and with what was fixed for them alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from hullwise.domain.packages import Package
from hullwise.ecosystems.namespaces import advised, is_spoken_of, reader, scheme
from hullwise.versions.invalid import InvalidVersion

UNKNOWN = "the version is not known"
UNORDERED = "the version cannot be ordered"
UNLABELLED = "built for a module, and it does not say which"
UNSPOKEN = "nobody publishes advisories on them"
FLAVOUR = "a build of Ksplice or FIPS"

_MODULE = re.compile(r"\.module[_+]el")
_EXTENDED = re.compile(r"[~+]esm[0-9]")
_MINOR = re.compile(r"(?<=[.+])el[0-9]{1,2}(?:_[0-9]{1,2}|\.[0-9]{1,2}\.[0-9]{1,2})(?![0-9A-Za-z])")
_AZURE = re.compile(r"\.(?:azl|cm)[0-9]{1,3}\Z")
_FLAVOUR = re.compile(r"\.ksplice|_fips")


def is_modular(version: str) -> bool:
    """Whether a module's build made that version. It never applies to a build outside of the module, nor in another."""
    return _MODULE.search(version) is not None


def before_module(version: str) -> str:
    """The version without what the module's build adds: `1:2.4.37-65`."""
    return _MODULE.split(version, maxsplit=1)[0]


def is_flavour(version: str) -> bool:
    """Whether it is Oracle's version of a build for Ksplice or FIPS."""
    return _FLAVOUR.search(version) is not None


def minor_release(version: str) -> str:
    """Of Red Hat's, that a build was made for: `el9_4`, of a module `el8.9.0`. Empty: it says none."""
    found = _MINOR.search(version)
    return found[0] if found else ""


def without_tag(version: str) -> str:
    """Without what tells Azure Linux's release at its end, which its records may leave out: `3.12.3-4` of
    `3.12.3-4.azl3`."""
    return _AZURE.sub("", version)


def has_extended_fix(version: str, fix: str, version_key: Callable[[str], bytes]) -> bool:
    """Whether a version has what extended maintenance fixed in `fix`. A plain build does not, though it may be above:
    `1.0-1ubuntu0.4` of the release came after `1.0-1ubuntu0.4~esm1`, and without its fixes. A kernel's have no mark."""
    if _EXTENDED.search(fix) and not _EXTENDED.search(version):
        return False
    try:
        return version_key(fix) <= version_key(version)
    except InvalidVersion:
        return False


def apart(package: Package) -> str:
    """Why no advisory on the package's name is about its build; empty where one may be."""
    if reader(package.namespace) != "rpm":
        return ""
    if is_modular(package.version) and not package.scope:
        return UNLABELLED
    return FLAVOUR if package.namespace.startswith("ol:") and is_flavour(package.version) else ""


def unmatched(package: Package) -> str:
    """Why the package is listed and cannot be matched, whatever advisories there are; empty where it can, and where
    nobody publishes any. One whose version cannot be ordered is still hit where a record lists it letter by letter."""
    if not is_spoken_of(package):
        return UNSPOKEN
    if not package.version:
        return UNKNOWN
    if not _has_order(package.namespace, advised(package)[1]):
        return UNORDERED
    return apart(package)


@lru_cache(maxsize=1 << 14)
def _has_order(namespace: str, version: str) -> bool:
    """Whether the version has a place in the order of the namespace, if that has one. Images share most packages."""
    version_key = scheme(namespace)
    try:
        if version_key is not None:
            version_key(version)
    except InvalidVersion:
        return False
    return True
