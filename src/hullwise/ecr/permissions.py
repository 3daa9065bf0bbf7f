"""What a caller must be allowed to do for an operation, before the operation is called.

Each operation is an action of its own name, but for one that has none. What it is about is read off its input in the
service model: a repository, several, the ARN of one, or the registry.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import sqlalchemy as sa

from hullwise.auth import access
from hullwise.auth.access import Resource
from hullwise.auth.callers import Caller
from hullwise.domain.errors import AccessDenied, RepositoryNotFound
from hullwise.domain.names import parse_repository_arn, repository_arn
from hullwise.ecr.calls import Params
from hullwise.ecr.model import Operation, operation_names
from hullwise.services import Services
from hullwise.store import repositories
from hullwise.store.repositories import Repository

About = Literal["repository", "new repository", "repositories", "arn", "registry"]

PREFIX = "ecr:"
_INSTEAD = {"ListImageReferrers": "BatchGetImage"}
"""Operations without an action of their own, and the one that they need (API reference; contract 1.3). Policies may
name theirs all the same: it allows nothing."""
_BEYOND = ("BatchImportUpstreamImage", "ReplicateImage")
"""Actions of policies that are no operations (contract 3.7, 3.8)."""


@cache
def actions() -> tuple[str, ...]:
    """Every action of ECR that a policy may name."""
    return tuple(f"{PREFIX}{name}" for name in (*operation_names(), *_BEYOND))


@cache
def about(operation: Operation) -> About:
    members = operation.input.members
    if "repositoryName" in members:
        return "new repository" if operation.name == "CreateRepository" else "repository"
    if "repositoryNames" in members:
        return "repositories"
    return "arn" if "resourceArn" in members else "registry"


def target(
    tx: sa.Connection, services: Services, caller: Caller, operation: Operation, params: Params
) -> Repository | None:
    """The repository that the request is about, where it is about one that must be there.

    Raises AccessDenied and RepositoryNotFound, as `access.repository` does, and InvalidArn.
    """
    action, kind = f"{PREFIX}{_INSTEAD.get(operation.name, operation.name)}", about(operation)
    account, region = params.get("registryId", caller.account), caller.region
    if kind == "repository":
        return access.repository(tx, services, caller, account, region, params["repositoryName"], (action,))
    if kind == "arn":
        arn = parse_repository_arn(params["resourceArn"])
        if arn.region != region:
            raise RepositoryNotFound(arn.name, arn.account)
        return access.repository(tx, services, caller, arn.account, region, arn.name, (action,))
    if kind == "repositories" and params.get("repositoryNames"):
        for name in dict.fromkeys(params["repositoryNames"]):
            found = repositories.find(tx, account, region, name)
            resource = access.of_repository(account, region, name, found)
            if not access.allowed(tx, services, caller, action, resource):
                _refuse(caller, action, account, name, resource.arn)
        return None
    name = params["repositoryName"] if kind == "new repository" else "*"
    arn_of = repository_arn(account, region, name)
    if account != caller.account:
        raise AccessDenied(caller.arn, action, arn_of)
    access.check(tx, services, caller, action, Resource(arn_of if kind != "registry" else "*", account, region))
    return None


def _refuse(caller: Caller, action: str, account: str, name: str, arn: str) -> None:
    """Raises; what is another account's is as if it were not there."""
    if account != caller.account:
        raise RepositoryNotFound(name, account)
    raise AccessDenied(caller.arn, action, arn)
