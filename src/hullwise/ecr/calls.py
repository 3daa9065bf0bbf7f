"""What an operation is given beside its parameters."""

from __future__ import annotations

import re
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

_API = re.compile(r"(https?://)api\.(ecr\.[a-z0-9-]{1,64}\..+)", re.IGNORECASE)


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

    def registry(self, account: str) -> str:
        """Scheme and host of the account's registry: those that the client reached. Where it reached the API by a name
        as ECR's is, `api.ecr.<region>.<domain>`, the registry is `<account>.dkr.ecr.<region>.<domain>`, as ECR's are
        (contract 4): AWS's credential helper takes no other."""
        match = _API.fullmatch(self.endpoint)
        return self.endpoint if match is None else f"{match[1]}{account}.dkr.{match[2]}"

    @property
    def repository(self) -> Repository:
        """The repository that the request names, in which the caller may do this."""
        assert self.target is not None, "the operation's input names no repository"
        return self.target


def image_id(value: ImageIdentifier) -> ImageId:
    return ImageId(value.get("imageDigest"), value.get("imageTag"))
