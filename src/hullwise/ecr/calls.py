"""What an operation is given beside its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from hullwise.auth.callers import Caller
from hullwise.domain.errors import AccessDenied, RepositoryNotFound
from hullwise.domain.names import ImageId
from hullwise.ecr.inputs import ImageIdentifier
from hullwise.services import Services
from hullwise.store import repositories
from hullwise.store.repositories import Repository

Params = Mapping[str, Any]
"""Parsed and checked against the service model; `ecr/inputs.py` has their types, operation by operation."""


@dataclass(frozen=True, slots=True)
class Call:
    tx: sa.Connection
    """The transaction of the call; it commits where the operation returns."""
    services: Services
    caller: Caller
    operation: str
    endpoint: str
    """Scheme and host that the client reached, such as `http://127.0.0.1:5050`."""

    @property
    def host(self) -> str:
        return self.endpoint.partition("://")[2]

    def own_registry(self, params: Params) -> str:
        """The caller's account. Raises AccessDenied where the request names another's registry."""
        asked = params.get("registryId", self.caller.account)
        if asked != self.caller.account:
            resource = f"arn:aws:ecr:{self.caller.region}:{asked}:repository/*"
            raise AccessDenied(self.caller.arn, f"ecr:{self.operation}", resource)
        return self.caller.account

    def repository(self, params: Params) -> Repository:
        """The repository that the request names.

        Raises RepositoryNotFound, naming the registry asked for: also for one of another account, so that nobody can
        tell which of those exist.
        """
        name, registry = params["repositoryName"], params.get("registryId", self.caller.account)
        if registry != self.caller.account:
            raise RepositoryNotFound(name, registry)
        return repositories.get(self.tx, registry, self.caller.region, name)


def image_id(value: ImageIdentifier) -> ImageId:
    return ImageId(value.get("imageDigest"), value.get("imageTag"))
