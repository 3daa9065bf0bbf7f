"""URLs that hand out one layer to whoever has them, for an hour.

    /layers/<token>     the token: repository, digest and end, signed with the installation's secret

What was deleted, or went to the archive, is not handed out any more, whatever the URL says.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import itsdangerous
import sqlalchemy as sa

from hullwise.domain.errors import AuthorizationTokenExpired, AuthorizationTokenInvalid, BlobUnknown, LayerInaccessible
from hullwise.sealing import derive
from hullwise.services import Services
from hullwise.store import images, layers
from hullwise.store.layers import Blob
from hullwise.store.repositories import Repository

LIFETIME = timedelta(hours=1)
PREFIX = "/layers/"
_LONGEST = 1_024


def _serializer(services: Services) -> itsdangerous.URLSafeSerializer:
    key = derive(services.secret, "layer download")
    return itsdangerous.URLSafeSerializer(key, signer_kwargs={"digest_method": hashlib.sha256})


def path(tx: sa.Connection, services: Services, repository: Repository, digest: str) -> str:
    """Where the layer may be fetched. Raises LayerInaccessible where no image of the repository uses it, or only such
    as are archived."""
    use = images.uses_of_blobs(tx, repository.id, [digest]).get(digest)
    if use is None or use.archived:
        raise LayerInaccessible(digest, repository.name, repository.account)
    ends = int((services.clock() + LIFETIME).timestamp())
    return f"{PREFIX}{_serializer(services).dumps([repository.id, digest, ends])}"


def find(services: Services, token: str) -> Blob:
    """The blob that the token hands out.

    Raises AuthorizationTokenInvalid, or …Expired, for the token; BlobUnknown for what is no longer there to be had.
    """
    if len(token) > _LONGEST:
        raise AuthorizationTokenInvalid
    try:
        repository_id, digest, ends = _content(_serializer(services).loads(token))
    except itsdangerous.BadSignature as error:
        raise AuthorizationTokenInvalid from error
    if services.clock() >= datetime.fromtimestamp(ends, UTC):
        raise AuthorizationTokenExpired
    with services.database.read() as tx:
        blob = layers.find(tx, repository_id, digest)
        use = images.uses_of_blobs(tx, repository_id, [digest]).get(digest)
    if blob is None or use is None or use.archived:
        raise BlobUnknown(digest)
    return blob


def _content(value: Any) -> tuple[int, str, int]:
    match value:
        case [int(repository_id), str(digest), int(ends)]:
            return repository_id, digest, ends
    raise AuthorizationTokenInvalid
