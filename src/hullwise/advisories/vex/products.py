"""Products as documents name them: package URLs and image names, read into what a statement speaks of."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hullwise.domain.digests import is_digest
from hullwise.domain.names import is_tag
from hullwise.domain.overlays import SOURCE, ImageRef, PackageRef, Product
from hullwise.ecosystems import python_names

PURL_LIMIT = 2_048
"""Characters of a package URL. Longer ones are not read."""

Named = PackageRef | ImageRef

NO_PURL = "product has no package URL"
CPE_ONLY = "product is named by CPE only"
MALFORMED = "package URL is malformed"

_SOURCE_SPELLINGS = frozenset({"source", "src"})

_HUB = frozenset({"", "docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
"""Where an official image's name is `library/debian`, and people say `debian`; without a host it is meant as well."""


def is_purl(text: str) -> bool:
    return text.startswith("pkg:")


@dataclasses.dataclass(slots=True)
class Purls:
    """The package URLs of one document, each read once."""

    _read: dict[str, Named | str] = dataclasses.field(default_factory=dict)

    def read(self, text: str) -> Named | str:
        """What a package URL names, or the reason why it is not used (purl specification and type definitions)."""
        found = self._read.get(text)
        if found is None:
            found = self._read[text] = _read(text)
        return found


def _read(text: str) -> Named | str:
    # Imported here: packageurl takes tens of milliseconds to import, and only documents need it here.
    from packageurl import PackageURL

    if len(text) > PURL_LIMIT:
        return MALFORMED
    try:
        purl = PackageURL.from_string(text)
    except ValueError:
        return MALFORMED
    namespace, version, qualifiers = purl.namespace or "", purl.version or "", purl.qualifiers
    if purl.subpath:
        # What is said of a part is not said of the whole, and a finding is of the whole.
        return "package URL names a part of a package"
    if purl.type in {"oci", "docker"}:
        name = "/".join(part for part in (namespace, purl.name) if part)
        return _image(name, version, qualifiers.get("repository_url", ""), qualifiers.get("tag", ""))
    if "epoch" in qualifiers and version and ":" not in version:
        # rpm's type keeps the epoch apart.
        version = f"{qualifiers['epoch']}:{version}"
    arch = qualifiers.get("arch", "")
    return PackageRef(
        type=purl.type,
        namespace=namespace,
        # packageurl leaves dots, which PEP 503 does not tell from dashes.
        name=python_names.canonical(purl.name) if purl.type == "pypi" else purl.name,
        version=version,
        arch=SOURCE if arch in _SOURCE_SPELLINGS else arch,
        distro=qualifiers.get("distro", ""),
    )


def image_named(text: str, version: str) -> ImageRef | str:
    """The image of a reference such as `host/team/app:1.0@sha256:…`, with a version that may be a tag or a digest."""
    name, _, digest = text.partition("@")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, ""
    # A single part is never a host, whatever its dots.
    return _image("", digest or version, path, tag) if "/" in path else _image(path, digest or version, "", tag)


def _image(name: str, version: str, url: str, tag: str) -> ImageRef | str:
    """`url` is where it may be found: a host, or host and repository, or a repository (purl type oci)."""
    host, path = _host(url.partition("://")[2] or url)
    last = name.rpartition("/")[2]
    if not path:
        path = name
    elif last and path.rpartition("/")[2] != last:
        path = f"{path}/{last}"
    if host.lower() in _HUB:
        path = path.removeprefix("library/")
    digest = version if is_digest(version) else ""
    if ":" in version and not digest:
        return "image digest is malformed"
    tag = tag or ("" if digest else version)
    if tag and not is_tag(tag):
        return "image tag is malformed"
    if not path and not digest:
        return MALFORMED
    return ImageRef(repository=path.lower(), registry=host, digest=digest, tag=tag)


def _host(path: str) -> tuple[str, str]:
    """The host in front of a repository's name, where there is one, and the rest."""
    first, _, rest = path.strip("/").partition("/")
    if "." in first or ":" in first or first == "localhost":
        return first, rest
    return "", path.strip("/")


def product(parts: Sequence[Named], wholes: Sequence[Named]) -> Product | str:
    """Any of `parts` where all of `wholes` are; or the reason why that cannot be said.

    The parts are packages, or one image."""
    images = [name for name in (*parts, *wholes) if isinstance(name, ImageRef)]
    if len(images) > 1:
        return "product is one image in another"
    return Product(
        image=images[0] if images else None,
        packages=tuple(name for name in parts if isinstance(name, PackageRef)),
        within=tuple(name for name in wholes if isinstance(name, PackageRef)),
    )
