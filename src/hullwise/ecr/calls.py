"""What an operation is given beside its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from hullwise.auth.callers import Caller
from hullwise.domain.names import ImageId
from hullwise.ecr.inputs import ImageIdentifier
from hullwise.services import Services
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
    target: Repository | None = None
    """What `permissions.target` found."""

    @property
    def host(self) -> str:
        return self.endpoint.partition("://")[2]

    @property
    def repository(self) -> Repository:
        """The repository that the request names, in which the caller may do this."""
        assert self.target is not None, "the operation's input names no repository"
        return self.target


def image_id(value: ImageIdentifier) -> ImageId:
    return ImageId(value.get("imageDigest"), value.get("imageTag"))
