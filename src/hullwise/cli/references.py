"""Images of the registry, as somebody names them on a command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from hullwise.cli.failures import Failure, explained
from hullwise.domain.errors import ScanNotFound
from hullwise.domain.names import ImageId, check_repository
from hullwise.inventory import sources
from hullwise.inventory.sources import NoImage
from hullwise.scanning import search
from hullwise.store import images, repositories
from hullwise.store.repositories import Repository

_SCHEMES = ("docker://", "https://", "http://")


@dataclass(frozen=True, slots=True)
class Named:
    repository: Repository
    image: ImageId

    @contextmanager
    def scanned(self) -> Iterator[None]:
        """Where no scan of it has come to a report, the failure says how one is started."""
        try:
            yield
        except ScanNotFound as error:
            image = f"imageDigest={self.image.digest}" if self.image.digest else f"imageTag={self.image.tag}"
            command = f"aws ecr start-image-scan --repository-name {self.repository.name} --image-id {image}"
            raise Failure(f"{error}; `{command}` starts one") from error


def split(image: str) -> tuple[str, str]:
    """`team/app`, `team/app:1`, `team/app@sha256:…`, with the registry's host before it or not: the name, and a tag or
    a digest; the tag `latest` where none is said. A digest counts, whatever tag stands beside it."""
    for scheme in _SCHEMES:
        image = image.removeprefix(scheme)
    name, _, digest = image.partition("@")
    above, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return above + slash + last, digest or tag or "latest"


def named(tx: sa.Connection, account: str, region: str, image: str) -> Named:
    """The repository, and which of its images is asked for, whether it is there or not. A host before the name says
    nothing: the data folder decides. Raises RepositoryNotFound and InvalidParameter."""
    name, reference = split(image)
    asked = search.image_named(reference)
    host, _, rest = name.partition("/")
    if rest and (host == "localhost" or "." in host or ":" in host):
        # `my.team/app` may as well be the name of a repository.
        found = repositories.find(tx, account, region, name)
        return Named(found or repositories.get(tx, account, region, check_repository(rest)), asked)
    return Named(repositories.get(tx, account, region, check_repository(name)), asked)


def chosen(tx: sa.Connection, found: Named, platform: str | None) -> Named:
    """The one image of an index, or the one for the platform, as for an image on disk; any other image as it is."""
    index = images.find(tx, found.repository.id, found.image)
    if index is None or not search.is_index(index):
        return found
    # buildx lists attestations beside images, for a platform that there is not.
    listed = [each for each in search.listed(tx, index).values() if each[1] != "unknown/unknown"]
    if not listed:
        raise Failure("the index lists no image that is here")
    with explained(NoImage):
        image, _ = listed[sources.chosen([platform for _, platform in listed], platform)]
    return Named(found.repository, ImageId(digest=image.digest))
