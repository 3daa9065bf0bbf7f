"""The image that another was built on: one of the registry's own, whose layers are the lowest of the other's.

Compared by chain id, so that a base that was compressed anew on the way is still known. Names in labels and history are
not asked: whoever pushes writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hullwise.store import images, repositories
from hullwise.store.images import Image
from hullwise.store.repositories import Repository

_AT_MOST = 5
"""Images that are named of those with the same layers."""
_LOOKED_AT = 20
"""Of each chain, before those are left out that the caller may not see."""


@dataclass(frozen=True, slots=True)
class Base:
    layers: Sequence[str]
    """Digests of those of the image's layers that are the base's, lowest first."""
    of: int
    """How many layers the image has."""
    images: Sequence[tuple[Repository, Image]]
    """Those that have exactly these layers, the latest first; at least one."""
    tags: Mapping[int, Sequence[str]]
    """By image id."""


def base_of(
    tx: sa.Connection, repository: Repository, image: Image, seen: Callable[[Repository], bool] = lambda _: True
) -> Base | None:
    """The base with the most layers, of those in repositories that are `seen`; None: no image here is one."""
    chain = images.chain_of(tx, image.id)
    found = images.with_chain(tx, repository.account, repository.region, chain[:-1][::-1], _LOOKED_AT)
    known: dict[int, Repository | None] = {}
    for each in {image.repository_id for _, image in found}:
        owner = repositories.by_id(tx, each)
        known[each] = owner if owner is not None and seen(owner) else None
    longest = next((each for each, candidate in found if known[candidate.repository_id]), None)
    if longest is None:
        return None
    mine = [
        (owner, candidate)
        for each, candidate in found
        if each == longest and (owner := known[candidate.repository_id]) is not None
    ][:_AT_MOST]
    _, *parts = images.blobs_of(tx, image.id)
    shared = [part.digest for part in parts[: chain.index(longest) + 1]]
    return Base(shared, len(parts), mine, images.tags_of(tx, [candidate.id for _, candidate in mine]))
