"""nextToken and maxResults, the same for every operation that lists.

A token is opaque, signed, and good for the request that it came with only: the same operation, account, region and
parameters. What is in it is where the next page begins.
"""

from __future__ import annotations

from typing import TypeVar

from hullwise.auth import page_tokens
from hullwise.domain.errors import InvalidParameter
from hullwise.ecr.calls import Call, Params

DEFAULT = 100

_FREE = frozenset({"nextToken", "maxResults"})

Position = TypeVar("Position")


def _request(call: Call, params: Params) -> list[object]:
    bound = {name: value for name, value in params.items() if name not in _FREE}
    return [call.operation, call.caller.account, call.caller.region, bound]


def position(call: Call, params: Params, first: Position) -> Position:
    """Where the page begins: `first`, or what the request's token says. Raises InvalidPageToken."""
    return page_tokens.position(call.services, _request(call, params), params.get("nextToken"), first)


def token(call: Call, params: Params, following: object) -> str:
    return page_tokens.issue(call.services, _request(call, params), following)


def size(params: Params) -> int:
    return int(params.get("maxResults", DEFAULT))


def refuse_with_ids(params: Params, ids: str) -> None:
    """Paging is for listing: raises InvalidParameter where the request names the things themselves as well."""
    if ids in params:
        for name in sorted(_FREE & params.keys()):
            raise InvalidParameter(name, f"cannot be used together with {ids}")
