"""nextToken and maxResults, the same for every operation that lists.

A token is opaque, signed, and good for the request that it came with only: the same operation, account, region and
parameters. What is in it is where the next page begins.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar

import itsdangerous
import msgspec

from hullwise.domain.errors import InvalidPageToken, InvalidParameter
from hullwise.ecr.calls import Call, Params
from hullwise.sealing import derive

DEFAULT = 100
LONGEST = 4_096
"""Characters of a token that is looked at."""

_FREE = frozenset({"nextToken", "maxResults"})

Position = TypeVar("Position")


def _serializer(call: Call, params: Params) -> itsdangerous.URLSafeSerializer:
    bound = {name: value for name, value in params.items() if name not in _FREE}
    caller = call.caller
    request = msgspec.json.encode([call.operation, caller.account, caller.region, bound], order="deterministic")
    return itsdangerous.URLSafeSerializer(
        derive(call.services.secret, "page token"), salt=request, signer_kwargs={"digest_method": hashlib.sha256}
    )


def position(call: Call, params: Params, first: Position) -> Position:
    """Where the page begins: `first`, or what the request's token says. Raises InvalidPageToken."""
    token = params.get("nextToken")
    if token is None:
        return first
    if len(token) > LONGEST:
        raise InvalidPageToken
    try:
        return msgspec.convert(_serializer(call, params).loads(token), type(first))
    except (itsdangerous.BadSignature, msgspec.ValidationError) as error:
        raise InvalidPageToken from error


def token(call: Call, params: Params, following: object) -> str:
    return str(_serializer(call, params).dumps(following))


def size(params: Params) -> int:
    return int(params.get("maxResults", DEFAULT))


def refuse_with_ids(params: Params, ids: str) -> None:
    """Paging is for listing: raises InvalidParameter where the request names the things themselves as well."""
    if ids in params:
        for name in sorted(_FREE & params.keys()):
            raise InvalidParameter(name, f"cannot be used together with {ids}")
