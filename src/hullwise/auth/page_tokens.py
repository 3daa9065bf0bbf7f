"""Where the next page of a list begins: opaque, signed, and good for the request alone that it came with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import itsdangerous
import msgspec

from hullwise.domain.errors import InvalidPageToken
from hullwise.sealing import derive
from hullwise.services import Services

LONGEST = 4_096
"""Characters of a token that is looked at."""

Position = TypeVar("Position")


def _serializer(services: Services, request: Sequence[object]) -> itsdangerous.URLSafeSerializer:
    salt = msgspec.json.encode(list(request), order="deterministic")
    return itsdangerous.URLSafeSerializer(
        derive(services.secret, "page token"), salt=salt, signer_kwargs={"digest_method": hashlib.sha256}
    )


def issue(services: Services, request: Sequence[object], following: object) -> str:
    """A token for the page that begins there. `request` is all that must be the same when it comes back."""
    return str(_serializer(services, request).dumps(following))


def position(services: Services, request: Sequence[object], token: str | None, first: Position) -> Position:
    """Where the page begins: `first`, or what the token says. Raises InvalidPageToken."""
    if token is None:
        return first
    if len(token) > LONGEST:
        raise InvalidPageToken
    try:
        return msgspec.convert(_serializer(services, request).loads(token), type(first))
    except (itsdangerous.BadSignature, msgspec.ValidationError) as error:
        raise InvalidPageToken from error
