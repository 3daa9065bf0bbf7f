"""What is said about findings from outside the advisories: VEX statements, and whether one speaks of a finding.

    statement = vulnerability (and aliases) + status + products
    product   = [an image] + [packages that must be in the image too] + [packages that it narrows to]

The rules are those of VEX's minimum requirements (CISA, April 2023), in OpenVEX's words: `products` and their
`subcomponents`, and a later statement overrides an earlier one.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Literal

import msgspec

Status = Literal["not_affected", "fixed", "affected", "under_investigation"]

Identity = tuple[str, str, str, str]
"""Purl type, namespace and name as one path, version, architecture; an empty version or architecture is every one."""

SOURCE = "source"
"""The architecture that stands for a source package (purl type `deb`: `?arch=source`)."""

_WITH_SOURCES = frozenset({"deb", "apk", "rpm"})


class PackageRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which packages a statement means, in the words of a package URL and normalised as one."""

    type: str
    """`golang`, `deb`, `npm`, …"""
    namespace: str
    name: str
    version: str = ""
    """Empty: every version."""
    arch: str = ""
    """Empty: every architecture, and the source package; `source`: the source package alone."""
    distro: str = ""
    """The release, as the statement spells it: `debian-12`, `bookworm`, `3.19`; empty: every release."""


class ImageRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which images a statement means."""

    repository: str = ""
    """Whole last parts of a repository's name: `app` means `app` and `team/app`."""
    registry: str = ""
    """The host it was named with; for people only, since an image keeps its name where it is mirrored."""
    digest: str = ""
    """Where it is given it alone decides: the same content is the same image in each repository."""
    tag: str = ""
    """Empty: every tag."""


class Product(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a statement speaks of. One without an image and without packages is nothing."""

    image: ImageRef | None = None
    """None: in any image."""
    packages: tuple[PackageRef, ...] = ()
    """Any of these; empty: every package in the image."""
    within: tuple[PackageRef, ...] = ()
    """Only where each of these is in the image as well: the application that the packages are parts of."""


class Statement(msgspec.Struct, frozen=True, omit_defaults=True):
    """One author's word on one vulnerability in some products."""

    vulnerability: str
    aliases: tuple[str, ...]
    """Its other ids."""
    status: Status
    products: tuple[Product, ...]
    justification: str = ""
    """The label that the author chose, as its format spells it; or empty."""
    impact: str = ""
    """Why, in the author's own words."""
    action: str = ""
    """What the author advises to do."""
    at: str = ""
    """When it was said: RFC 3339 in UTC; empty: not known, and so before all others."""

    @property
    def suppresses(self) -> bool:
        """Whether it takes a finding out of the counts: the vulnerability cannot be exploited there."""
        return self.status in {"not_affected", "fixed"}


class InstalledPackage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A package in an image, in the words of its package URL and normalised as one."""

    type: str
    namespace: str
    name: str
    version: str
    arch: str = ""
    source_name: str = ""
    """Of deb, apk and rpm: the source package."""
    source_version: str = ""


class Subject(msgspec.Struct, frozen=True):
    """A finding in an image, as far as statements can speak of it."""

    ids: frozenset[str]
    """Every id of the vulnerability, in any case."""
    repository: str
    digests: frozenset[str]
    """The image's own, and those of the indexes that it is reached by."""
    tags: frozenset[str]
    packages: tuple[InstalledPackage, ...]
    """The packages that the finding is of; at least one."""
    distros: tuple[str, ...] = ()
    """The image's release, in every spelling: `debian-12`, `debian-bookworm`."""
    present: frozenset[Identity] = frozenset()
    """What the image's packages answer to, as `presence` gives it."""


def is_image(image: ImageRef, repository: str, digests: Container[str], tags: Container[str]) -> bool:
    """Whether the image that is meant is the one with these digests and tags in the repository."""
    if image.digest:
        return image.digest in digests
    if not image.repository or (image.tag and image.tag not in tags):
        return False
    return f"/{repository}".endswith(f"/{image.repository}")


def presence(packages: Iterable[InstalledPackage]) -> frozenset[Identity]:
    """Every identity that any of the packages answers to. Made once an image, for all its findings."""
    return frozenset(identity for package in packages for identity in _answers(package))


def verdict(statements: Iterable[Statement], subject: Subject) -> Statement | None:
    """The statement that decides what becomes of the finding; None where nothing decides it.

    Ids meet through any alias on either side, in any case. Versions meet where their texts are equal, Go's without
    their `v`. Packages of deb, apk and rpm meet by their own name and by their source's.

    For each package of the finding the latest statement that speaks of it counts, of those said at the same time the
    last in order. A finding is suppressed only where that is so for each of its packages: then the latest of these
    statements is given; where some package's statement does not suppress, the latest of those that do not.
    """
    ids = _upper(subject.ids)
    answers = [frozenset(_answers(package)) for package in subject.packages]
    decided: list[Statement | None] = [None] * len(answers)
    for statement in statements:
        if _ids(statement).isdisjoint(ids):
            continue
        products = list(_about(statement, subject))
        for place, names in enumerate(answers):
            before = decided[place]
            newer = before is None or statement.at >= before.at
            if newer and any(_names(product, names, subject) for product in products):
                decided[place] = statement
    said = [statement for statement in decided if statement is not None]
    against = [statement for statement in said if not statement.suppresses]
    if not against and len(said) < len(decided):
        return None
    return max(against or said, key=lambda statement: statement.at, default=None)


class StatementIndex:
    """Statements by vulnerability, so that a finding meets only those on its own."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self._statements = tuple(statements)
        self._places: dict[str, list[int]] = {}
        for place, statement in enumerate(self._statements):
            for name in _ids(statement):
                self._places.setdefault(name, []).append(place)

    def on(self, ids: Iterable[str]) -> tuple[Statement, ...]:
        """The statements on any of these ids, in the order in which they were given; what `verdict` needs."""
        places = {place for name in _upper(ids) for place in self._places.get(name, ())}
        return tuple(self._statements[place] for place in sorted(places))


def _upper(ids: Iterable[str]) -> set[str]:
    return {name.upper() for name in ids}


def _ids(statement: Statement) -> set[str]:
    return _upper((statement.vulnerability, *statement.aliases))


def _about(statement: Statement, subject: Subject) -> Iterator[Product]:
    """The products that are, or are in, the subject's image."""
    for product in statement.products:
        image = product.image
        if image is not None and not is_image(image, subject.repository, subject.digests, subject.tags):
            continue
        if all(_identity_of(whole) in subject.present and _in_release(whole, subject) for whole in product.within):
            yield product


def _names(product: Product, names: frozenset[Identity], subject: Subject) -> bool:
    """Whether a product of the subject's image takes in the package that answers to these names."""
    if not product.packages:
        return product.image is not None
    return any(_identity_of(ref) in names and _in_release(ref, subject) for ref in product.packages)


def _in_release(ref: PackageRef, subject: Subject) -> bool:
    """Whether the release is the image's, as far as both say: `debian-12`, `12` and `debian-12.5` are one.

    Tools write the release with and without the distribution's name, by number and by codename."""
    return not ref.distro or any(
        _same_release(ref.distro.lower(), name)
        for distro in subject.distros
        for name in (distro.lower(), distro.lower().partition("-")[2])
        if name
    )


def _same_release(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _identity_of(ref: PackageRef) -> Identity:
    return _identity(ref.type, ref.namespace, ref.name, ref.version, ref.arch)


def _answers(package: InstalledPackage) -> Iterator[Identity]:
    """Each identity by which the package may be named: with and without version and architecture, itself and source."""
    spellings = [(package.name, package.version, package.arch)]
    if package.type in _WITH_SOURCES and package.source_name:
        source_version = package.source_version or package.version
        spellings.append((package.source_name, source_version, SOURCE))
        epoch, colon, _ = package.version.rpartition(":")
        if package.type == "rpm" and colon:
            # rpm's database does not know a source package's epoch, which mostly is that of what was built from it.
            plain = source_version.rpartition(":")[2]
            spellings += [(package.source_name, version, SOURCE) for version in (plain, f"{epoch}:{plain}")]
    for name, version, arch in spellings:
        for some_version in (version, ""):
            for some_arch in (arch, ""):
                yield _identity(package.type, package.namespace, name, some_version, some_arch)


def _identity(kind: str, namespace: str, name: str, version: str, arch: str) -> Identity:
    # One path: Go's modules and npm's scopes are cut into namespace and name in more than one way.
    path = f"{namespace}/{name}" if namespace else name
    if kind == "golang":
        # The purl type asks for lower case, and tools differ.
        return kind, path.lower(), version.removeprefix("v"), arch
    if kind == "rpm" and arch == SOURCE:
        return kind, path, version.rpartition(":")[2], arch
    return kind, path, version, arch
