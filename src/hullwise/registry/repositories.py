"""Repositories and their resource tags: the rules for making, changing and removing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from hullwise.domain.errors import InvalidTag, RepositoryNotEmpty, RepositoryNotFound, TooManyTags
from hullwise.domain.limits import RESOURCE_TAG_KEY, RESOURCE_TAG_VALUE, RESOURCE_TAGS
from hullwise.domain.names import check_repository
from hullwise.registry import mutability
from hullwise.services import Services
from hullwise.store import garbage, images, repositories
from hullwise.store.repositories import Repository


def create(
    tx: sa.Connection,
    services: Services,
    *,
    account: str,
    region: str,
    name: str,
    tag_mutability: str = mutability.MUTABLE,
    exclusions: Sequence[Mapping[str, str]] = (),
    scan_on_push: bool = False,
    encryption: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> Repository:
    """Raises InvalidName, InvalidParameter, RepositoryAlreadyExists, TooManyTags, InvalidTag."""
    check_repository(name)
    mutability.check_exclusions(tag_mutability, exclusions)
    repository = repositories.create(
        tx,
        account=account,
        region=region,
        name=name,
        now=services.clock(),
        tag_mutability=tag_mutability,
        mutability_exclusions=exclusions,
        scan_on_push=scan_on_push,
        encryption=encryption,
    )
    if tags:
        label(tx, repository, tags)
    return repository


def delete(tx: sa.Connection, services: Services, repository: Repository, *, force: bool) -> None:
    """Raises RepositoryNotEmpty unless `force`, which removes what is in it too: nothing of that can be restored."""
    if not repositories.lock(tx, repository.id):
        raise RepositoryNotFound(repository.name, repository.account)
    if not force and images.any_image(tx, repository.id):
        raise RepositoryNotEmpty(repository.name, repository.account)
    garbage.review_all_of(tx, repository.id, services.clock())
    repositories.delete(tx, repository.id)


def set_mutability(
    tx: sa.Connection, repository: Repository, tag_mutability: str, exclusions: Sequence[Mapping[str, str]]
) -> None:
    """Which tags may be moved from now on. Raises InvalidParameter, RepositoryNotFound."""
    mutability.check_exclusions(tag_mutability, exclusions)
    if not repositories.lock(tx, repository.id):
        raise RepositoryNotFound(repository.name, repository.account)
    repositories.set_mutability(tx, repository.id, tag_mutability, exclusions)


def label(tx: sa.Connection, repository: Repository, tags: Mapping[str, str]) -> None:
    """Set resource tags. Raises InvalidTag, or TooManyTags where there would be more than RESOURCE_TAGS."""
    for key, value in tags.items():
        if not 1 <= len(key) <= RESOURCE_TAG_KEY or len(value) > RESOURCE_TAG_VALUE:
            raise InvalidTag(f"a key has 1 to {RESOURCE_TAG_KEY} characters and a value at most {RESOURCE_TAG_VALUE}")
        if key.lower().startswith("aws:"):
            raise InvalidTag("keys that begin with 'aws:' are reserved")
    if not repositories.lock(tx, repository.id):
        raise RepositoryNotFound(repository.name, repository.account)
    if len(repositories.labels(tx, repository.id).keys() | tags.keys()) > RESOURCE_TAGS:
        raise TooManyTags(RESOURCE_TAGS)
    repositories.set_labels(tx, repository.id, tags)
