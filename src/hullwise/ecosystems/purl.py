"""Package URLs of packages found in an image, by the purl specification and its type definitions."""

from __future__ import annotations

import functools
import re
from urllib.parse import quote, unquote

from hullwise.domain.packages import Distribution, FoundPackage, Package
from hullwise.ecosystems import BY_NAME, python_names
from hullwise.ecosystems.ruby import JAVA

# Types whose packages belong to a distribution: it is the namespace of the package URL and, with its release, a
# qualifier.
_OF_A_DISTRIBUTION = frozenset({"deb", "apk", "rpm"})

# Types whose names are written in lower case, their escapes too.
_LOWER = frozenset({"apk", "composer", "hex", "npm", "pypi"})

# Types whose namespaces are too.
_LOWER_NAMESPACE = frozenset({"composer"})

# What stands between namespace and name in our names, for the types whose packages are not a distribution's.
_JOINED_BY = {
    "bitnami": "", "cargo": "", "composer": "/", "conda": "", "gem": "", "golang": "/", "hex": "", "maven": ":",
    "npm": "/", "nuget": "", "pub": "", "pypi": "",
}  # fmt: skip
# Those without a second part are no packages of the public registry, and their types allow no URL for them.
_NAMESPACED = frozenset({"composer", "maven"})

_BY_TYPE = {kind.purl_type: kind.name for kind in BY_NAME.values() if kind.purl_type in _JOINED_BY}

LONGEST = 2048
"""Characters of a package URL that is read."""

LONGEST_TEXT = 256
"""Characters of a name or a version in it."""

MOST_ESCAPES = 64
"""In one part of it: each costs a microsecond."""

_PURL = re.compile(
    r"pkg:/*(?P<type>[a-z][a-z0-9.+-]*)/+"
    r"(?:(?P<namespace>@?[^?#@]+)/)?"
    r"(?P<name>[^/?#@]+)"
    r"(?:@(?P<version>[^?#@]+))?"
    r"(?:\?(?P<qualifiers>[^#]*))?"
    r"(?:\#.*)?",
    re.IGNORECASE,
)

# Types whose namespaces and names are, but not their escapes.
_LOWER_PATHS = frozenset({"golang"})


def divided(package: Package) -> tuple[str, str]:
    """Namespace and name of a package, as written; the namespace is empty where its name has none."""
    # Maven's names are GROUP:ARTIFACT. Of all others npm's, Composer's and Go's alone have a slash: behind scope,
    # vendor and path.
    namespace, _, name = package.name.rpartition(":" if package.ecosystem == "maven" else "/")
    return namespace, name


def parts(package: Package, distribution: Distribution | None) -> tuple[str, str, str]:
    """Type, namespace and name of the package's URL, in its type's letter case, before they are escaped.

    The type is `generic` for what has no namespace and must have one: a jar of which no group is known."""
    type_ = BY_NAME[package.ecosystem].purl_type
    namespace, name = divided(package)
    if type_ in _NAMESPACED and not namespace:
        return "generic", "", name
    if type_ in _LOWER or type_ in _LOWER_PATHS:
        name = name.lower()
    if type_ in _LOWER_NAMESPACE or type_ in _LOWER_PATHS:
        namespace = namespace.lower()
    if type_ in _OF_A_DISTRIBUTION and distribution:
        namespace = distribution.id
    return type_, namespace, name


def release(distribution: Distribution) -> str:
    """`debian-12`; by codename where there is no version: `debian-forky`."""
    return "-".join(part for part in (distribution.id, distribution.version or distribution.codename) if part)


@functools.lru_cache(maxsize=4096)
def purl(package: Package, distribution: Distribution | None) -> str:
    """The canonical package URL of `package`, in an image of `distribution`.

    Examples: `pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12`, `pkg:npm/%40babel/core@7.1.0`.
    Without a known distribution, deb, apk and rpm lack the vendor that their types ask for. Letters of names become
    lower case where the type says so, even in npm, which has old packages with capitals. In rpm the epoch is no part
    of the version, and `upstream`, which its type does not define but tools read, is the file of another source."""
    type_, namespace, name = parts(package, distribution)
    path = _escaped(name).lower() if type_ in _LOWER else _escaped(name)
    if namespace:
        path = f"{_escaped(namespace)}/{path}"
    version = package.version.strip()
    epoch = ""
    if type_ == "rpm":
        epoch, version = _without_epoch(version)
    at = f"@{_escaped(version)}" if version else ""
    qualifiers = {}
    if type_ in _OF_A_DISTRIBUTION:
        qualifiers["arch"] = package.architecture
        if distribution:
            qualifiers["distro"] = release(distribution)
    elif type_ == "conda":
        qualifiers["subdir"] = package.architecture
    elif type_ == "gem":
        qualifiers["platform"] = package.architecture
    if type_ == "rpm":
        qualifiers["epoch"] = epoch
        qualifiers["upstream"] = _source_rpm(package)
    said = "&".join(f"{key}={_escaped(value)}" for key, value in qualifiers.items() if value)
    return f"pkg:{type_}/{path}{at}{'?' if said else ''}{said}"


def parse(text: str) -> FoundPackage | None:
    """The package that a package URL names, as its own reader would have found it.

    None for what is no package URL, for types whose packages no reader finds, for those of a distribution (its own
    database says what is installed), and for what was built from a folder and not had from a registry: cargo-cyclonedx
    writes `?download_url=file://.` then. A URL of a part (`#src/lib.rs`) names the whole."""
    match = _PURL.fullmatch(text) if len(text) <= LONGEST else None
    ecosystem = _BY_TYPE.get(match["type"].lower()) if match else None
    if match is None or ecosystem is None:
        return None
    qualifiers = _qualifiers(match["qualifiers"] or "")
    name = _joined(match["type"].lower(), _unescaped(match["namespace"] or ""), _unescaped(match["name"]))
    version = _unescaped(match["version"] or "")
    if not name or version is None or qualifiers.get("download_url", "").startswith("file:"):
        return None
    architecture = _unescaped(qualifiers.get("subdir", "")) if ecosystem == "conda" else ""
    if ecosystem == "rubygems" and qualifiers.get("platform") in {"java", "jruby"}:
        architecture = JAVA
    return FoundPackage(name, version, architecture=architecture or "", ecosystem=ecosystem)


def _qualifiers(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split("&"))
    return {key.lower(): value for key, _, value in pairs}


def _unescaped(text: str) -> str | None:
    """None for what is no text of a package."""
    if text.count("%") > MOST_ESCAPES or len(text) > LONGEST_TEXT + 2 * MOST_ESCAPES:
        return None
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError:
        return None
    return plain if len(plain) <= LONGEST_TEXT and plain.isprintable() and " " not in plain else None


def _joined(type_: str, namespace: str | None, name: str | None) -> str | None:
    """The one name that our readers give to what a package URL names in two parts; None if it has no such name."""
    if namespace is None or not name:
        return None
    namespace = "/".join(part for part in namespace.split("/") if part)
    if type_ == "pypi":
        if not python_names.is_name(name):
            return None
        name = python_names.canonical(name)
    if not namespace:
        return None if type_ in _NAMESPACED else name
    if type_ == "npm" and not re.fullmatch(r"@[^/]+", namespace):
        return None
    separator = _JOINED_BY[type_]
    whole = f"{namespace}{separator}{name}"
    return whole if separator and len(whole) <= LONGEST_TEXT else None


def _without_epoch(version: str) -> tuple[str, str]:
    """Epoch of a version of rpm, empty where there is none, and the rest."""
    epoch, colon, rest = version.partition(":")
    return (epoch, rest) if colon and epoch.isdecimal() else ("", version)


def _source_rpm(package: Package) -> str:
    """File name of the source package; empty where it has name and version of the package itself."""
    if not package.source_name or (package.source_name, package.source_version) == (package.name, package.version):
        return ""
    return f"{package.source_name}-{_without_epoch(package.source_version)[1]}.src.rpm"


def _escaped(text: str) -> str:
    return quote(text, safe="/:")
