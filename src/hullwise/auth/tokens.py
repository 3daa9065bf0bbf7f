"""Tokens of the registry API.

    GetAuthorizationToken ──▶ authorization token: the password of the user `AWS`, 12 hours, whatever its key may do
                                   │ GET /v2/token, where a client asks for it
                                   ▼
                              bearer token: minutes, and only for the repositories and actions that it names

A token names its access key, account and region and when it ends, signed with the installation's secret. It is good as
long as its key is: revoking the key revokes its tokens. A bearer token names repositories by their ids: one that is
deleted and made again is another repository.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import itsdangerous
import sqlalchemy as sa

from hullwise.auth.callers import SOMEWHERE, Caller, KeyRing, Origin
from hullwise.domain.errors import AuthorizationTokenExpired, AuthorizationTokenInvalid, BearerTokenExpired
from hullwise.sealing import derive
from hullwise.services import Services

LIFETIME = timedelta(hours=12)
BEARER_LIFETIME = timedelta(minutes=15)
USER = "AWS"
CATALOG = 0
"""Among the grants of a bearer token, in place of a repository's id: the list of repositories."""
_LONGEST = 16_384
"""Characters of a token that is looked at: a bearer token may name a hundred repositories."""


@dataclass(frozen=True, slots=True)
class Token:
    password: str = field(repr=False)
    expires_at: datetime


def _serializer(services: Services, purpose: str) -> itsdangerous.URLSafeSerializer:
    return itsdangerous.URLSafeSerializer(
        derive(services.secret, purpose), signer_kwargs={"digest_method": hashlib.sha256}
    )


_AUTHORIZATION, _BEARER = "authorization token", "bearer token"


def issue(services: Services, caller: Caller) -> Token:
    # Whole seconds: what the answer says is exactly what the token says.
    expires = (services.clock() + LIFETIME).replace(microsecond=0)
    content = [caller.access_key_id, caller.account, caller.region, int(expires.timestamp())]
    return Token(str(_serializer(services, _AUTHORIZATION).dumps(content)), expires)


def issue_bearer(services: Services, caller: Caller, grants: Mapping[int, frozenset[str]]) -> Token:
    """A token for these actions on the repositories with these ids, and nothing else."""
    expires = (services.clock() + BEARER_LIFETIME).replace(microsecond=0)
    granted = [[repository, sorted(actions)] for repository, actions in sorted(grants.items())]
    content = [caller.access_key_id, caller.account, caller.region, int(expires.timestamp()), granted]
    return Token(str(_serializer(services, _BEARER).dumps(content)), expires)


def check(
    services: Services, ring: KeyRing, password: str, tx: sa.Connection | None = None, at: datetime | None = None
) -> Caller:
    """Who the token was issued to, if it was good `at` that moment, by default now. Raises AuthorizationTokenInvalid,
    or …Expired for one that was good once."""
    content = _load(services, _AUTHORIZATION, password)
    match content:
        case [str(key_id), str(account), str(region), int(expires)] if key_id:
            caller = _caller(services, ring, key_id, account, region, tx)
            if _has_ended(services, expires, at):
                raise AuthorizationTokenExpired
            return caller
    raise AuthorizationTokenInvalid


def check_bearer(
    services: Services, ring: KeyRing, token: str, tx: sa.Connection | None = None, at: datetime | None = None
) -> Caller:
    """Who the bearer token was issued to, with what it is good for. Raises AuthorizationTokenInvalid, or
    BearerTokenExpired for one that was good once."""
    match _load(services, _BEARER, token):
        case [str(key_id), str(account), str(region), int(expires), list(granted)]:
            caller = _caller(services, ring, key_id, account, region, tx)
            if _has_ended(services, expires, at):
                raise BearerTokenExpired
            grants = {int(repository): frozenset(actions) for repository, actions in granted}
            return Caller(key_id, account, region, caller.user, caller.policy, grants=grants)
    raise AuthorizationTokenInvalid


def _load(services: Services, purpose: str, token: str) -> Any:
    if len(token) > _LONGEST:
        raise AuthorizationTokenInvalid
    try:
        return _serializer(services, purpose).loads(token)
    except itsdangerous.BadSignature as error:
        raise AuthorizationTokenInvalid from error


def _caller(
    services: Services,
    ring: KeyRing,
    key_id: str,
    account: str,
    region: str,
    tx: sa.Connection | None,
) -> Caller:
    user, policy = "", None
    if key_id:
        known = ring.find(key_id, tx)
        if known is None or known.account != account:
            raise AuthorizationTokenInvalid
        user, policy = known.user, known.policy
    return Caller(key_id, account, region, user, policy)


def _has_ended(services: Services, expires: int, at: datetime | None) -> bool:
    return (at or services.clock()) >= datetime.fromtimestamp(expires, UTC)


def authenticate(
    services: Services,
    ring: KeyRing,
    headers: Sequence[tuple[str, str]],
    tx: sa.Connection | None = None,
    origin: Origin = SOMEWHERE,
    at: datetime | None = None,
) -> Caller | None:
    """Who sent the headers: a Basic authorization with an authorization token, or a bearer token, good `at` that
    moment, by default now. None: no authorization at all.

    Raises AuthorizationTokenInvalid, or AuthorizationTokenExpired or BearerTokenExpired for what was good once.
    """
    value = _authorization(headers)
    if value is None:
        return None
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        found = check_bearer(services, ring, rest.strip(), tx, at)
    else:
        password = basic(headers)
        assert password is not None
        found = check(services, ring, password, tx, at)
    return Caller(found.access_key_id, found.account, found.region, found.user, found.policy, origin, found.grants)


def _authorization(headers: Sequence[tuple[str, str]] | Mapping[str, str]) -> str | None:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    values = [value for name, value in pairs if name.lower() == "authorization"]
    if len(values) > 1:
        raise AuthorizationTokenInvalid
    return values[0] if values else None


def basic(headers: Sequence[tuple[str, str]] | Mapping[str, str]) -> str | None:
    """The password of a Basic authorization for the user `AWS`; None where there is no Authorization at all.

    Raises AuthorizationTokenInvalid for any other authorization, and for more than one.
    """
    value = _authorization(headers)
    if value is None:
        return None
    scheme, _, rest = value.partition(" ")
    if scheme.lower() != "basic":
        raise AuthorizationTokenInvalid
    try:
        user, colon, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise AuthorizationTokenInvalid from error
    if not colon or user != USER:
        raise AuthorizationTokenInvalid
    return password
