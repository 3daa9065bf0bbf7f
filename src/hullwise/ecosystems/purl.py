"""Package URLs of packages found in an image, by the purl specification and its type definitions."""

from __future__ import annotations

import functools
from urllib.parse import quote

from hullwise.domain.packages import Distribution, Package
from hullwise.ecosystems import BY_NAME

# Types whose packages belong to a distribution: it is the namespace of the package URL and, with its release, a
# qualifier.
_OF_A_DISTRIBUTION = frozenset({"deb", "apk"})

# Types whose names are written in lower case, their escapes too.
_LOWER = frozenset({"apk", "npm", "pypi"})

# Types whose namespaces are too. Their escapes are not.
_LOWER_PATHS = frozenset({"golang"})


def parts(package: Package, distribution: Distribution | None) -> tuple[str, str, str]:
    """Type, namespace and name of the package's URL, before they are escaped."""
    type_ = BY_NAME[package.ecosystem].purl_type
    # Of all names only npm's have a slash, behind their scope, and Go's, whose last part is the name.
    namespace, _, name = package.name.rpartition("/")
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
    Without a known distribution, deb and apk lack the vendor that their types ask for. Letters of names become
    lower case where the type says so, even in npm, which has old packages with capitals."""
    type_, namespace, name = parts(package, distribution)
    if type_ in _LOWER_PATHS:
        namespace, name = namespace.lower(), name.lower()
    path = _escaped(name.lower()).lower() if type_ in _LOWER else _escaped(name)
    if namespace:
        path = f"{_escaped(namespace)}/{path}"
    version = package.version.strip()
    at = f"@{_escaped(version)}" if version else ""
    qualifiers = {}
    if type_ in _OF_A_DISTRIBUTION:
        qualifiers["arch"] = package.architecture
        if distribution:
            qualifiers["distro"] = release(distribution)
    said = "&".join(f"{key}={_escaped(value)}" for key, value in qualifiers.items() if value)
    return f"pkg:{type_}/{path}{at}{'?' if said else ''}{said}"


def _escaped(text: str) -> str:
    return quote(text, safe="/:")
