"""What is installed in an image, as bills of materials list it: one component a package, wherever it lies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from hullwise.domain.packages import Distribution, Occurrence, Package
from hullwise.ecosystems import BY_NAME, builds
from hullwise.ecosystems.namespaces import LANGUAGES, PUBLISHERS
from hullwise.ecosystems.purl import divided, purl

_DISTRIBUTIONS = frozenset(publisher.reader for publisher in PUBLISHERS.values()) - LANGUAGES
"""Readers of packages of a distribution."""


class Component(msgspec.Struct, frozen=True):
    """One package of an image, with every place where it is."""

    ref: str
    """What documents refer to it by: its package URL, with the name as written where that is another package's too."""
    purl: str
    group: str
    """Scope, vendor or group of its name, for ecosystems that have them; else empty."""
    name: str
    """Without the group."""
    type: str
    """Type of the package URLs of its ecosystem: `deb`, `npm`."""
    package: Package
    occurrences: tuple[Occurrence, ...]
    """Distinct, by path, layer and owner."""

    @property
    def matched(self) -> bool:
        """Whether advisories are asked about it, in one place at least: that nothing was found means nothing else."""
        return any(_asked(occurrence.package) for occurrence in self.occurrences)

    @property
    def source(self) -> str:
        """`name (version)` of the source package, as dpkg's `Source` has it; empty where it is the package itself."""
        package = self.package
        if (package.source_name, package.source_version) in {("", ""), (package.name, package.version)}:
            return ""
        return f"{package.source_name} ({package.source_version})"


Key = tuple[str, str]
"""Package URL, and the name as written: npm's has capitals that package URLs have not."""


class Components:
    """The components of an image in the order of their package URLs, whatever the order of occurrences."""

    def __init__(self, occurrences: Iterable[Occurrence], distribution: Distribution | None) -> None:
        self._distribution = distribution
        self._keys: dict[Package, Key] = {}
        places: dict[Key, set[Occurrence]] = {}
        for occurrence in occurrences:
            places.setdefault(self._key(occurrence.package), set()).add(occurrence)
        self._by_key: dict[Key, Component] = {}
        last = ""
        for key in sorted(places):
            text, name = key
            self._by_key[key] = self._component(text if text != last else f"{text}#{name}", text, places[key])
            last = text
        self.all = tuple(self._by_key.values())

    def of(self, package: Package) -> Component:
        """The component that an occurrence of `package` is at. Raises KeyError where there was none."""
        return self._by_key[self._keys[package]]

    def owned(self) -> Mapping[str, tuple[str, ...]]:
        """References of packages of the distribution, to those of what lies in the files that they installed.

        An owner that is not listed itself, or is its own, is left out. Of one name in several architectures the first
        is the owner."""
        owners: dict[str, str] = {}
        for item in self.all:
            if item.package.ecosystem in _DISTRIBUTIONS:
                owners.setdefault(item.package.name, item.ref)
        found: dict[str, set[str]] = {}
        for item in self.all:
            for occurrence in item.occurrences:
                owner = owners.get(occurrence.owner, item.ref) if occurrence.owner else item.ref
                if owner != item.ref:
                    found.setdefault(owner, set()).add(item.ref)
        return {owner: tuple(sorted(found[owner])) for owner in sorted(found)}

    def _key(self, package: Package) -> Key:
        key = self._keys.get(package)
        if key is None:
            key = self._keys[package] = purl(package, self._distribution), package.name
        return key

    def _component(self, ref: str, text: str, places: set[Occurrence]) -> Component:
        occurrences = tuple(sorted(places, key=_order))
        package = min(occurrence.package for occurrence in occurrences)
        type_ = BY_NAME[package.ecosystem].purl_type
        group, name = divided(package)
        # The namespace of a distribution's package URL is the distribution, and no part of any name.
        if package.ecosystem in _DISTRIBUTIONS or not name:
            group, name = "", package.name
        return Component(ref, text, group, name, type_, package, occurrences)


def _asked(package: Package) -> bool:
    # A version that cannot be ordered is still hit where a record lists it.
    return package.namespace != "" and builds.unmatched(package) in ("", builds.UNORDERED)


def _order(occurrence: Occurrence) -> tuple[str, str, str, Package]:
    return occurrence.path, occurrence.layer, occurrence.owner, occurrence.package
