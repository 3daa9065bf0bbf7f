"""What an operation is given beside its parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from hullwise.auth.callers import Caller
from hullwise.domain.errors import InvalidParameter
from hullwise.domain.names import ImageId
from hullwise.ecr.inputs import ImageIdentifier
from hullwise.services import Services
from hullwise.store.repositories import Repository

Params = Mapping[str, Any]
"""Parsed and checked against the service model; `ecr/inputs.py` has their types, operation by operation."""

DIGEST = "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+"
"""The pattern that ECR quotes (service model, LayerDigest). What fits it may be absent; it is not invalid."""

_DIGEST = re.compile(r"[a-zA-Z0-9\-_+.]+:[a-fA-F0-9]+")
_REGISTRY = re.compile(r"(https?://)(?:api|[0-9]{12}\.dkr)\.(ecr(?:-fips)?\.[a-z0-9-]{1,64}(?:[.:].+)?)", re.IGNORECASE)


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
        """Scheme and host of the account's registry: those that the client reached. Where that is a name as ECR's are,
        `api.ecr.<region>.<domain>` or `<any account>.dkr.ecr.<region>.<domain>`, the registry is the account's
        `<account>.dkr.ecr.<region>.<domain>` (contract 4): AWS's credential helper takes no other."""
        match = _REGISTRY.fullmatch(self.endpoint)
        return self.endpoint if match is None else f"{match[1]}{account}.dkr.{match[2]}"

    @property
    def repository(self) -> Repository:
        """The repository that the request names, in which the caller may do this."""
        assert self.target is not None, "the operation's input names no repository"
        return self.target


def is_well_formed(digest: str) -> bool:
    """Whether the digest fits DIGEST."""
    return _DIGEST.fullmatch(digest) is not None


def image_id(value: ImageIdentifier) -> ImageId:
    return ImageId(value.get("imageDigest"), value.get("imageTag"))


def one_image_id(params: Params) -> ImageId:
    """Of the one image that the request is about. Raises InvalidParameter where it names none."""
    asked = image_id(params["imageId"])
    if asked.digest is None and asked.tag is None:
        raise InvalidParameter("imageId", "must have an imageDigest or an imageTag")
    return asked
