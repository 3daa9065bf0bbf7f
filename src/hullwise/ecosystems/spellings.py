"""Packages that are installed under another spelling than the one by which advisories speak of them.

    nuget, packagist, hex    upper and lower case are the same: Newtonsoft.Json, newtonsoft.json
    crates.io                so are `-` and `_`: of two such names only one can be taken, and a record may have either

    go                       package URLs write paths in lower case: a record on a path with capitals is filed under
                             that path too

Packages keep the name that they are installed by, and are looked up by what is `spoken`. Names of records are in
their canonical form (`namespaces.canonical_name`).
"""

from __future__ import annotations

from collections.abc import Iterable

from hullwise.domain.packages import Package
from hullwise.ecosystems.namespaces import advised, canonical_name

FREE = frozenset({"nuget", "packagist", "hex", "crates.io"})
"""Namespaces in which the name of an installed package may be another than that of the records on it."""

Pair = tuple[str, str]
"""(namespace, name)"""


def spoken(namespace: str, name: str) -> tuple[str, ...]:
    """The names under which records may speak of what is installed under a name."""
    canonical = canonical_name(namespace, name)
    if namespace != "crates.io":
        return (canonical,)
    return tuple(dict.fromkeys((canonical, canonical.replace("_", "-"), canonical.replace("-", "_"))))


def spoken_pairs(package: Package) -> frozenset[Pair]:
    """(namespace, name) under which something may be said of the package: of itself, and of its source."""
    namespace = package.namespace
    names = {name for own in (advised(package)[0], package.source_name) for name in spoken(namespace, own)}
    return frozenset((namespace, name) for name in names)


def in_lower_case(names: Iterable[Pair]) -> set[Pair]:
    """What records on Go's modules are filed under beside the names of these."""
    return {(namespace, name.lower()) for namespace, name in names if namespace == "go" and name != name.lower()}


def installed_as(names: Iterable[Pair], installed: Iterable[Pair]) -> list[Pair]:
    """The names, and those of the installed packages that they speak of, sorted."""
    wanted = set(names)
    return sorted(wanted.union(pair for pair in installed if any((pair[0], name) in wanted for name in spoken(*pair))))


def is_called(package: Package, name: str) -> bool:
    """Whether somebody who writes `name` means the package, or its source."""
    namespace = package.namespace or package.ecosystem
    own = {package.name, package.source_name}
    meant = {name, *spoken(namespace, name)}
    return not meant.isdisjoint(own.union(*(spoken(namespace, each) for each in own)))
