"""Policies of repositories and of the registry: put, get, delete. Texts come back byte for byte."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import sqlalchemy as sa

from hullwise.auth import access
from hullwise.auth.access import Resource
from hullwise.auth.callers import Caller
from hullwise.domain import policies
from hullwise.domain.errors import (
    InvalidParameter,
    RegistryPolicyNotFound,
    RepositoryNotFound,
    RepositoryPolicyNotFound,
)
from hullwise.domain.policies import InvalidPolicy, Kind
from hullwise.services import Services
from hullwise.store import accounts, repositories
from hullwise.store.repositories import Repository

# Whoever sets a policy keeps these, so that a slip can be undone.
_REPAIRS = ("ecr:SetRepositoryPolicy", "ecr:DeleteRepositoryPolicy")
_REGISTRY_REPAIRS = ("ecr:PutRegistryPolicy", "ecr:DeleteRegistryPolicy")


def _check(text: str, kind: Kind, actions: Collection[str]) -> None:
    try:
        policies.parse(text, kind, actions)
    except InvalidPolicy as error:
        raise InvalidParameter("PolicyText", f"Invalid {kind} policy provided: {error}") from error


def set_repository_policy(
    tx: sa.Connection,
    services: Services,
    caller: Caller,
    repository: Repository,
    text: str,
    *,
    actions: Collection[str],
    force: bool,
) -> None:
    """From now on the policy decides who may use the repository. `actions` are all that it may name.

    Raises InvalidParameter for a text that is not understood whole, and unless `force` for one after which the caller
    could not change it any more.
    """
    _check(text, "repository", actions)
    if not repositories.lock(tx, repository.id):
        raise RepositoryNotFound(repository.name, repository.account)
    changed = replace(repository, policy=text)
    resource = access.of_repository(repository.account, repository.region, repository.name, changed)
    if not force and not all(access.allowed(tx, services, caller, action, resource) for action in _REPAIRS):
        raise InvalidParameter("PolicyText", "it would keep you from changing it again; force does it anyway")
    repositories.set_policy(tx, repository.id, text)


def repository_policy(repository: Repository) -> str:
    """Raises RepositoryPolicyNotFound."""
    if repository.policy is None:
        raise RepositoryPolicyNotFound(repository.name, repository.account)
    return repository.policy


def delete_repository_policy(tx: sa.Connection, repository: Repository) -> str:
    """The text that was in force. Raises RepositoryPolicyNotFound."""
    text = repository_policy(repository)
    repositories.set_policy(tx, repository.id, None)
    return text


def put_registry_policy(
    tx: sa.Connection, services: Services, caller: Caller, text: str, *, actions: Collection[str]
) -> None:
    """From now on the policy has its say on every request to the caller's registry. Raises as the other does."""
    _check(text, "registry", actions)
    accounts.set_registry_policy(tx, caller.account, caller.region, text)
    registry = Resource("*", caller.account, caller.region)
    if not all(access.allowed(tx, services, caller, action, registry) for action in _REGISTRY_REPAIRS):
        raise InvalidParameter("PolicyText", "it would keep you from changing it again")


def registry_policy(tx: sa.Connection, caller: Caller) -> str:
    """Raises RegistryPolicyNotFound."""
    text = accounts.registry_policy(tx, caller.account, caller.region)
    if text is None:
        raise RegistryPolicyNotFound(caller.account)
    return text


def delete_registry_policy(tx: sa.Connection, caller: Caller) -> str:
    """The text that was in force. Raises RegistryPolicyNotFound."""
    text = registry_policy(tx, caller)
    accounts.set_registry_policy(tx, caller.account, caller.region, None)
    return text
