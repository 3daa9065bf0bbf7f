"""Checks AWS Signature Version 4, in the Authorization header or, presigned, in the query.

    headers or query ── parse ──▶ credential, signed names, signature, and of a presigned one until when
                              │
               scope, clock, payload hash, signed names      (facts of the request alone)
                              │
               secret of the key, or a stand-in              (same work either way)
                              │
               canonical request ▶ string to sign ▶ HMAC ▶ compare_digest

The canonical form is that of botocore, the code that signs most requests we see. Where its reading is wider than one
spelling (white space other than spaces, `//` and `..` in a path, methods in lower case) ours is the narrower, so that
two requests of different meaning never share a signature. Rules: the Signature Version 4 section of the AWS IAM User
Guide.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import quote, unquote

from botocore.utils import normalize_url_path

from hullwise.auth.errors import (
    IncompleteSignature,
    MissingAuthentication,
    PayloadHashMismatch,
    SignatureExpired,
    SignatureMismatch,
    SignatureNotYetValid,
    UnknownAccessKey,
    WrongDate,
    WrongRegion,
    WrongService,
    WrongTerminator,
)

CLOCK_WINDOW = timedelta(minutes=15)
"""How far `x-amz-date` may be from our clock, both ways; exactly this far is still good."""

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"

_PARAMETERS = ("Credential", "SignedHeaders", "Signature")
_MAX_CREDENTIAL = 256

_QUERY_NAMES = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
)
_QUERY_PARAMETERS = frozenset(name.lower() for name in _QUERY_NAMES)
"""Names, in lower case, that make a query string carry a signature."""

LONGEST_VALIDITY = timedelta(days=7)
"""That a presigned request may claim; the shortest is a second."""

_SIGNED_ALWAYS = ("host", "x-amz-date")
# Not `content-type`, which nothing here goes by: AWS' own SDKs for JavaScript 2 and PHP leave it out, as ECR lets them.
_SIGNED_IF_PRESENT = ("x-amz-target",)

# What RFC 9110 and RFC 3986 let a client send. `?` and `#` end a path and `#` ends a query, so neither can be inside.
# Bytes beyond ASCII are legal in a field value, but have no one spelling as text.
_METHOD = re.compile(r"[A-Z]+")
_PATH = re.compile(r"/[!\"$->@-~]*")
_QUERY = re.compile(r"[!\"$-~]*")
_FIELD_VALUE = re.compile(r"[\t -~]*")

_PARAMETER_VALUE = re.compile(r"[!-~]+")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")

_STAND_IN = secrets.token_urlsafe(30)
"""Signs in place of the secret of a key that does not exist; as long as a real one and never given out."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it came over the wire, its whole body read. Text is the bytes decoded as Latin-1."""

    method: str

    path: str
    """As sent, percent-encoded, without the query."""

    query: str
    """As sent, without the question mark."""

    headers: tuple[tuple[str, str], ...] = field(repr=False)
    """Names in lower case, in the order sent, repeated names kept."""

    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credential:
    """Who signed, and for which day, region and service."""

    access_key_id: str

    date: str
    """UTC day of the signature, YYYYMMDD."""

    region: str
    service: str


def verify(
    request: SignedRequest,
    *,
    find_secret: Callable[[str], str | None],
    regions: Collection[str],
    service: str = "ecr",
    now: datetime,
) -> Credential:
    """Who signed `request`.

    It returns only if the secret that `find_secret` has for the key made the signature, for this method, path, query
    and body, for at least the headers `host`, `x-amz-date`, and where present `content-type` and `x-amz-target`, for
    one of `regions` and for `service`, within `CLOCK_WINDOW` of `now` (aware of its time zone), or, presigned, as long
    as it says. A header that the client did not sign is not covered: do not act on one.

    Raises a subclass of `AuthenticationFailed` otherwise, and nothing else unless `find_secret` does. That is called
    at most once, with 1 to 256 printable ASCII characters, and says None for a key that does not exist, which takes
    the same work as one that does. Session tokens are not issued: a request with one has an unknown key.
    """
    headers = _by_name(request.headers)
    header = _authorization_header(request.query, headers)
    if header is None:
        authorization, timestamp, validity = _presigned(request.query)
        _check_coverage(authorization.signed_headers, headers, ("host",))
        if "x-amz-date" in headers:
            raise IncompleteSignature("'x-amz-date' must be sent once, in the query or as a header.")
        request = replace(request, query=_without_signature(request.query))
    else:
        authorization, validity = _parse(header), None
        _check_coverage(authorization.signed_headers, headers, _SIGNED_ALWAYS)
        timestamp = headers["x-amz-date"][0].strip(" \t")
    _check_scope(authorization.credential, timestamp, regions, service)
    _check_clock(timestamp, now, validity)
    payload_hash = _payload_hash(request.body, headers)
    to_sign = _string_to_sign(request, headers, authorization, timestamp, payload_hash)

    credential = authorization.credential
    secret = None if "x-amz-security-token" in headers else find_secret(credential.access_key_id)
    key = _SIGNING_KEYS.get(secret or _STAND_IN, credential.date, credential.region, credential.service)
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    genuine = hmac.compare_digest(signature, authorization.signature)
    if not secret:
        raise UnknownAccessKey
    if not genuine:
        raise SignatureMismatch
    return credential


class SigningKeys:
    """Derived signing keys, so that a key's four rounds of HMAC are done once a day and not once a request.

    Holds at most `capacity` and drops the least recently used. Secrets are known by their digest and not kept. Safe to
    share between threads.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._keys: OrderedDict[tuple[bytes, str, str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, secret: str, date: str, region: str, service: str) -> bytes:
        """The 32 bytes that sign with `secret` on `date` (YYYYMMDD) in `region` for `service`."""
        slot = (sha256(secret.encode()).digest(), date, region, service)
        with self._lock:
            if slot in self._keys:
                self._keys.move_to_end(slot)
                return self._keys[slot]
        key = f"AWS4{secret}".encode()
        for part in (date, region, service, TERMINATOR):
            key = hmac.digest(key, part.encode(), "sha256")
        with self._lock:
            self._keys[slot] = key
            while len(self._keys) > self._capacity:
                self._keys.popitem(last=False)
        return key


_SIGNING_KEYS = SigningKeys(capacity=4096)


@dataclass(frozen=True, slots=True)
class _Authorization:
    credential: Credential
    signed_headers: tuple[str, ...]
    signature: str


def _by_name(headers: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return values


def _authorization_header(query: str, headers: Mapping[str, list[str]]) -> str | None:
    """The header that carries the signature; None: the query does.

    Two are refused whatever they say: a way of signing that one part of a server honours and another does not check was
    MinIO's hole three times (CVE-2025-31489, CVE-2026-40344, CVE-2026-41145).
    """
    in_query = bool(query) and any(
        unquote(pair.partition("=")[0]).lower() in _QUERY_PARAMETERS for pair in query.split("&")
    )
    in_header = headers.get("authorization", [])
    if len(in_header) + in_query > 1:
        raise IncompleteSignature(
            "Only one authentication mechanism is allowed: one Authorization header, or a signature in the query."
        )
    if in_query:
        return None
    if not in_header:
        raise MissingAuthentication
    return in_header[0]


def _presigned(query: str) -> tuple[_Authorization, str, timedelta]:
    """The signature in the query, its time, and for how long it says that it is good."""
    given: dict[str, str] = {}
    for pair in query.split("&"):
        raw, _, value = pair.partition("=")
        name = unquote(raw)
        if name.lower() not in _QUERY_PARAMETERS:
            continue
        if name not in _QUERY_NAMES or name != raw or name in given:
            raise IncompleteSignature(f"The query takes {', '.join(_QUERY_NAMES)} in this spelling, each of them once.")
        given[name] = unquote(value)
    if "X-Amz-Security-Token" in given:
        # None is issued: a request with one has an unknown key.
        raise UnknownAccessKey
    missing = [name for name in _QUERY_NAMES if name not in given and name != "X-Amz-Security-Token"]
    if missing:
        raise IncompleteSignature(f"AWS query-string parameters must include {', '.join(missing)}.")
    if given["X-Amz-Algorithm"] != ALGORITHM:
        raise IncompleteSignature(f"Unsupported AWS 'algorithm' in the query: use '{ALGORITHM}'.")
    expires = given["X-Amz-Expires"]
    seconds = int(expires) if re.fullmatch(r"[0-9]{1,6}", expires) else 0
    validity = timedelta(seconds=seconds)
    if not timedelta(seconds=1) <= validity <= LONGEST_VALIDITY:
        raise IncompleteSignature("'X-Amz-Expires' must be 1 to 604800 seconds.")
    return (
        _authorization(given["X-Amz-Credential"], given["X-Amz-SignedHeaders"], given["X-Amz-Signature"]),
        given["X-Amz-Date"],
        validity,
    )


def _without_signature(query: str) -> str:
    """What a presigned request's signature is of: all of the query but itself."""
    return "&".join(pair for pair in query.split("&") if pair.partition("=")[0] != "X-Amz-Signature")


def _parse(header: str) -> _Authorization:
    algorithm, _, rest = header.strip(" \t").partition(" ")
    if algorithm != ALGORITHM:
        raise IncompleteSignature(f"Unsupported AWS 'algorithm' in the Authorization header: use '{ALGORITHM}'.")
    given = _parameters(rest)
    return _authorization(given["Credential"], given["SignedHeaders"], given["Signature"])


def _authorization(credential: str, names: str, signature: str) -> _Authorization:
    signed = tuple(names.split(";"))
    if list(signed) != sorted(set(signed)):
        raise IncompleteSignature("'SignedHeaders' must be sorted and name each header once.")
    if not _SIGNATURE.fullmatch(signature):
        raise IncompleteSignature("'Signature' must be 64 hexadecimal digits in lower case.")
    return _Authorization(_credential(credential), signed, signature)


def _parameters(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in text.split(",", len(_PARAMETERS)):
        name, equals, value = part.strip(" ").partition("=")
        if not equals:
            raise IncompleteSignature("Not a valid key=value pair (missing equal-sign) in Authorization header.")
        if name not in _PARAMETERS or name in given:
            raise IncompleteSignature(f"Authorization header takes {', '.join(_PARAMETERS)}, each of them once.")
        if not _PARAMETER_VALUE.fullmatch(value):
            raise IncompleteSignature(f"Authorization header has a malformed '{name}' parameter.")
        given[name] = value
    missing = [f"Authorization header requires '{name}' parameter." for name in _PARAMETERS if name not in given]
    if missing:
        raise IncompleteSignature(" ".join(missing))
    return given


def _credential(text: str) -> Credential:
    parts = text.split("/") if len(text) <= _MAX_CREDENTIAL else []
    if len(parts) != 5 or not all(parts):
        raise IncompleteSignature(
            f"Credential must have exactly 5 slash-delimited elements: keyid/date/region/service/{TERMINATOR}."
        )
    if parts[4] != TERMINATOR:
        raise WrongTerminator
    return Credential(access_key_id=parts[0], date=parts[1], region=parts[2], service=parts[3])


def _check_coverage(signed: tuple[str, ...], headers: Mapping[str, list[str]], always: tuple[str, ...]) -> None:
    for name in signed:
        if name not in headers:
            raise IncompleteSignature(
                f"'{name[:64]}' is named as a SignedHeader, but it does not exist in the HTTP request."
            )
    required = always + tuple(name for name in _SIGNED_IF_PRESENT if name in headers)
    for name in required:
        if name not in signed:
            raise IncompleteSignature(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    for name in always:
        if len(headers[name]) != 1:
            raise IncompleteSignature(f"'{name}' must be sent once.")


def _check_scope(credential: Credential, timestamp: str, regions: Collection[str], service: str) -> None:
    if not _TIMESTAMP.fullmatch(timestamp):
        raise IncompleteSignature("'x-amz-date' must be a UTC time in the form YYYYMMDDTHHMMSSZ.")
    if credential.region not in regions:
        raise WrongRegion
    if credential.service != service:
        raise WrongService(service)
    if credential.date != timestamp[:8]:
        raise WrongDate(credential.date, timestamp)


def _check_clock(timestamp: str, now: datetime, validity: timedelta | None) -> None:
    """`validity`: how long a presigned request is good; None: the window, both ways."""
    try:
        signed = datetime.fromisoformat(timestamp)
    except ValueError as error:
        raise IncompleteSignature("'x-amz-date' is not a time that exists.") from error
    if now - signed > (validity or CLOCK_WINDOW):
        raise SignatureExpired(signed, now, validity or CLOCK_WINDOW)
    if signed - now > CLOCK_WINDOW:
        raise SignatureNotYetValid(signed, now, CLOCK_WINDOW)


def _payload_hash(body: bytes, headers: Mapping[str, list[str]]) -> str:
    """SHA-256 of `body` in hex: what a client says about it is compared and never used, so that `UNSIGNED-PAYLOAD` and
    the `STREAMING-…` forms, which ECR has no use for, cannot switch the check off."""
    actual = sha256(body).hexdigest()
    claimed = headers.get("x-amz-content-sha256")
    if claimed is not None and [value.strip(" \t") for value in claimed] != [actual]:
        raise PayloadHashMismatch
    return actual


def _string_to_sign(
    request: SignedRequest,
    headers: Mapping[str, list[str]],
    authorization: _Authorization,
    timestamp: str,
    payload_hash: str,
) -> str:
    """Raises `SignatureMismatch` for a request that no client could have sent and signed in this spelling."""
    signed = {name: headers[name] for name in authorization.signed_headers}
    path = request.path
    if not (
        _METHOD.fullmatch(request.method)
        and (path == "/" or (_PATH.fullmatch(path) and normalize_url_path(path) == path))
        and _QUERY.fullmatch(request.query)
        and all(_FIELD_VALUE.fullmatch(value) for values in signed.values() for value in values)
    ):
        raise SignatureMismatch
    canonical = (
        request.method,
        quote(path, safe="/~"),
        _canonical_query(request.query),
        *(f"{name}:{','.join(map(_folded, values))}" for name, values in signed.items()),
        "",
        ";".join(signed),
        payload_hash,
    )
    credential = authorization.credential
    scope = f"{credential.date}/{credential.region}/{credential.service}/{TERMINATOR}"
    return "\n".join((ALGORITHM, timestamp, scope, sha256("\n".join(canonical).encode()).hexdigest()))


def _canonical_query(query: str) -> str:
    """Its parameters in order, each with an equals sign."""
    if not query:
        return ""
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&"))
    return "&".join(f"{name}={value}" for name, value in pairs)


def _folded(value: str) -> str:
    # botocore folds every kind of white space; AWS names spaces only, and Go's SDK folds only those.
    value = value.strip(" \t")
    return re.sub(" {2,}", " ", value) if "  " in value else value
