"""What is installed in an image: packages, where they lie, and the distribution around them."""

from __future__ import annotations

import msgspec


class Distribution(msgspec.Struct, frozen=True, gc=False):
    """The operating system of an image, as its os-release says."""

    id: str
    """`ID` of os-release in lower case, such as `debian` or `alpine`."""

    version: str
    """`VERSION_ID` as written, or the empty text where there is none (Debian testing and sid)."""

    codename: str = ""
    """`VERSION_CODENAME`, such as `bookworm`, or the empty text."""

    like: tuple[str, ...] = ()
    """`ID_LIKE`, nearest relative first."""

    name: str = ""
    """`PRETTY_NAME`, for people."""


VENDOR_LENGTH = 64
"""Characters that are kept of who built a package: enough to tell one from another."""


class FoundPackage(msgspec.Struct, frozen=True, gc=False):
    """One package as a reader found it in one file, before the image around it is known."""

    name: str
    """As its ecosystem compares names: PyPI names are normalised by PEP 503, others are as written."""

    version: str
    """As written. The empty text where the file names none: such a package is listed and never matched."""

    source_name: str = ""
    """The source package (dpkg `Source:`, apk origin) that advisories speak of; empty: the same as `name`."""

    source_version: str = ""
    """Version of the source package; empty: the same as `version`."""

    architecture: str = ""
    """As the package database spells it (`amd64`, `x86_64`, `all`, `noarch`); empty for language packages but gems that
    were built for Java."""

    scope: str = ""
    """One canonical text for whatever else decides whether an advisory applies (module, product); else empty."""

    vendor: str = ""
    """Who built it, as rpm's database says; of dpkg's packages, who built it where that is not the distribution. Empty
    where nothing says so."""

    ecosystem: str = ""
    """Name of the reader whose packages it is one of, where that is not who found it (an SBOM in an image)."""

    place: str = ""
    """Path of the file that names it inside the file that was read, for archives: `BOOT-INF/lib/a-1.0.jar`, and
    `lib/b.war!/WEB-INF/lib/a-1.0.jar` for what is deeper; empty: the file that was read is it."""

    unmatched: bool = False
    """Whether it is listed and never matched: name or version are a guess, from a file's name for one, or nothing
    depends on it, as on an application itself."""


class OwnedFile(msgspec.Struct, frozen=True, gc=False):
    """A file that a package of the distribution installed."""

    package: str
    """Name of the package."""

    path: str
    """Relative to the image's root, without a leading slash."""

    digest: str = ""
    """`md5:`, `sha1:` or `sha256:` and the hex digits of the file as it was installed; empty where nothing says."""


class Package(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False):
    """A package as the whole system knows it; every field is part of its identity, and of its order."""

    ecosystem: str
    """Name of the reader that found it: `dpkg`, `apk`, `pypi`, `npm`."""

    namespace: str
    """Whose advisories speak of it: `debian:12`, `alpine:3.19`, `pypi`, `npm`; empty where nobody's do."""

    name: str
    version: str
    source_name: str
    source_version: str
    architecture: str
    scope: str


class Occurrence(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """A package at a place in an image."""

    package: Package
    path: str
    """The file that names it, relative to the image's root, without a leading slash."""

    layer: str
    """Digest of the layer blob that introduced it, as in the manifest."""

    owner: str = ""
    """Name of the distribution's package that installed `path`, or the empty text."""
