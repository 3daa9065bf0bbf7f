"""Authorization tokens: what docker sends as the password of the user `AWS`.

A token names its access key, account and region and when it ends, signed with the installation's secret. It is good as
long as its key is: revoking the key revokes its tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import itsdangerous

from hullwise.auth.callers import Caller, KeyRing
from hullwise.domain.errors import AuthorizationTokenExpired, AuthorizationTokenInvalid
from hullwise.sealing import derive
from hullwise.services import Services

LIFETIME = timedelta(hours=12)
USER = "AWS"


@dataclass(frozen=True, slots=True)
class Token:
    password: str
    expires_at: datetime


def _serializer(services: Services) -> itsdangerous.URLSafeSerializer:
    import hashlib

    return itsdangerous.URLSafeSerializer(
        derive(services.secret, "authorization token"), signer_kwargs={"digest_method": hashlib.sha256}
    )


def issue(services: Services, caller: Caller) -> Token:
    # Whole seconds: what the answer says is exactly what the token says.
    expires = (services.clock() + LIFETIME).replace(microsecond=0)
    content = [caller.access_key_id, caller.account, caller.region, int(expires.timestamp())]
    return Token(str(_serializer(services).dumps(content)), expires)


def check(services: Services, ring: KeyRing, password: str) -> Caller:
    """Who the token was issued to. Raises AuthorizationTokenInvalid, or …Expired for one that was good once."""
    if len(password) > 2_048:
        raise AuthorizationTokenInvalid
    try:
        key_id, account, region, expires = _content(_serializer(services).loads(password))
    except itsdangerous.BadSignature as error:
        raise AuthorizationTokenInvalid from error
    known = ring.find(key_id)
    if known is None or known.account != account:
        raise AuthorizationTokenInvalid
    if services.clock() >= datetime.fromtimestamp(expires, UTC):
        raise AuthorizationTokenExpired
    return Caller(key_id, account, region)


def authenticate(services: Services, ring: KeyRing, headers: Sequence[tuple[str, str]]) -> Caller:
    """Who sent the headers: a Basic authorization with a good token.

    Raises AuthorizationTokenInvalid, or …Expired for a token that was good once.
    """
    password = basic(headers)
    if password is None:
        raise AuthorizationTokenInvalid
    return check(services, ring, password)


def _content(value: Any) -> tuple[str, str, str, int]:
    match value:
        case [str(key_id), str(account), str(region), int(expires)]:
            return key_id, account, region, expires
    raise AuthorizationTokenInvalid


def basic(headers: Sequence[tuple[str, str]] | Mapping[str, str]) -> str | None:
    """The password of a Basic authorization for the user `AWS`; None where there is no Authorization at all.

    Raises AuthorizationTokenInvalid for any other authorization, and for more than one.
    """
    import base64
    import binascii

    pairs = headers.items() if isinstance(headers, Mapping) else headers
    values = [value for name, value in pairs if name.lower() == "authorization"]
    if not values:
        return None
    scheme, _, rest = values[0].partition(" ")
    if len(values) > 1 or scheme.lower() != "basic":
        raise AuthorizationTokenInvalid
    try:
        user, colon, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise AuthorizationTokenInvalid from error
    if not colon or user != USER:
        raise AuthorizationTokenInvalid
    return password
