"""The AWS JSON 1.1 endpoint: one POST. Find the operation, authenticate, parse, call, answer."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
import structlog

from hullwise.auth import sigv4
from hullwise.auth.audit import Trail
from hullwise.auth.callers import SOMEWHERE, Caller, KeyRing, KnownKey, Origin
from hullwise.auth.rates import Rates
from hullwise.auth.sigv4 import SignedRequest
from hullwise.domain.errors import NotOffered
from hullwise.domain.limits import BODY_BYTES
from hullwise.ecr import errors, model, permissions, protocol
from hullwise.ecr.calls import Call, Params
from hullwise.ecr.operations import READS, WRITES
from hullwise.services import Services
from hullwise.store.repositories import Repository

log = structlog.get_logger()

CONTENT_TYPE = "application/x-amz-json-1.1"

_SHORT_BYTES, _FEW_IMAGES = 512, 3

_CHANGES = {*WRITES, "CompleteLayerUpload"}
"""Operations after which something is there, or gone, that others see: the log has a line of each."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]


class Endpoint:
    """Answers requests whose body has been read. Used by many threads at once."""

    def __init__(self, services: Services, ring: KeyRing, rates: Rates | None = None) -> None:
        self._services = services
        self._ring = ring
        self._rates = rates or Rates({})

    def answer(self, request: SignedRequest, target: str, endpoint: str, origin: Origin = SOMEWHERE) -> Answer:
        """`target` is the X-Amz-Target header, `endpoint` the scheme and host that the client reached.

        Never raises: what is not the caller's fault is logged and answered as ServerException, an outage as
        ServiceUnavailable.
        """
        request_id = str(uuid.uuid4())
        operation = _operation(target)
        if operation is None:
            return _failure(request_id, 400, "UnknownOperationException", "")
        trail = Trail(operation.name, origin.address)
        try:
            body = protocol.serialise(operation, self._call(operation, request, endpoint, origin, trail))
        except Exception as error:
            return self._refusal(operation, request_id, error, trail)
        if operation.name in _CHANGES:
            trail.changed(request_id=request_id)
        return Answer(200, body, _headers(request_id))

    def refused(self, target: str, error: Exception, origin: Origin) -> Answer:
        """As `answer`, to a request that failed before it came to that."""
        request_id, operation = str(uuid.uuid4()), _operation(target)
        if operation is None:
            return _failure(request_id, 400, "UnknownOperationException", "")
        return self._refusal(operation, request_id, error, Trail(operation.name, origin.address))

    def _refusal(self, operation: model.Operation, request_id: str, error: Exception, trail: Trail) -> Answer:
        error = self._services.outages.told(error)
        code = errors.code(error, operation)
        if code is None:
            log.error("request failed", **trail.known(), request_id=request_id, exc_info=error)
            return _failure(request_id, 500, "ServerException", "An internal error occurred; see the server's log")
        trail.refused(code, error, request_id=request_id)
        return _failure(request_id, errors.status(error), code, str(error), getattr(error, "members", {}))

    def _call(
        self, operation: model.Operation, request: SignedRequest, endpoint: str, origin: Origin, trail: Trail
    ) -> dict[str, Any]:
        name, services = operation.name, self._services
        with services.database.read() as tx:
            caller = trail.caller = self._authenticate(tx, request, origin, trail)
            self._rates.take(caller.access_key_id, name)
            params = protocol.parse(operation, request.body)
            if name in READS:
                target = _target(tx, services, caller, operation, params, trail)
                return READS[name](Call(tx, services, caller, name, endpoint, target), params)
        if name not in WRITES:
            raise NotOffered(name)

        def write(tx: sa.Connection) -> dict[str, Any]:
            # Looked at in the transaction that writes: a policy put before it has its say.
            target = _target(tx, services, caller, operation, params, trail)
            return WRITES[name](Call(tx, services, caller, name, endpoint, target), params)

        found = services.database.run(write)
        if name == "CreateRepository":
            trail.about(caller.account, caller.region, params["repositoryName"])
        return found

    def _authenticate(self, tx: sa.Connection, request: SignedRequest, origin: Origin, trail: Trail) -> Caller:
        services = self._services
        found: list[KnownKey] = []

        def secret(access_key_id: str) -> str | None:
            known = self._ring.find(access_key_id, tx)
            trail.claims(access_key_id, known=known is not None)
            if known is None:
                return None
            found.append(known)
            return known.secret

        credential = sigv4.verify(request, find_secret=secret, regions=services.settings.regions, now=services.clock())
        (known,) = found
        return Caller(credential.access_key_id, known.account, credential.region, known.user, known.policy, origin)


def _target(
    tx: sa.Connection, services: Services, caller: Caller, operation: model.Operation, params: Params, trail: Trail
) -> Repository | None:
    """As `permissions.target`, which the trail is told of."""
    found = permissions.target(tx, services, caller, operation, params)
    if found is not None:
        trail.about(found.account, found.region, found.name)
    return found


def is_short(target: str, body: bytes) -> bool:
    """Whether the call reads a few rows by their names, so that it may be made in the loop."""
    name = target.partition(".")[2]
    if name not in {"BatchGetImage", "DescribeImages"} or len(body) > _SHORT_BYTES or b"\\" in body:
        return False
    return b'"imageIds"' in body and body.count(b'"imageDigest"') + body.count(b'"imageTag"') <= _FEW_IMAGES


def too_large() -> Answer:
    """The answer to a body over BODY_BYTES."""
    return failure(413, "RequestEntityTooLarge", f"A request holds at most {BODY_BYTES} bytes")


def failure(status: int, code: str, message: str) -> Answer:
    """The answer to a request that was not taken."""
    return _failure(str(uuid.uuid4()), status, code, message)


def operation_name(target: str) -> str:
    """Of the operation that the X-Amz-Target header names; empty: there is none such."""
    found = _operation(target)
    return "" if found is None else found.name


def _operation(target: str) -> model.Operation | None:
    prefix, _, name = target.partition(".")
    return model.operations().get(name) if prefix == model.TARGET_PREFIX else None


def _headers(request_id: str) -> dict[str, str]:
    return {"content-type": CONTENT_TYPE, "x-amzn-requestid": request_id}


def _failure(
    request_id: str, status: int, code: str, message: str, members: Mapping[str, Any] = MappingProxyType({})
) -> Answer:
    headers = _headers(request_id) | {"x-amzn-errortype": code}
    # A message may quote what no encoding can write: half of a character.
    text = message.encode(errors="backslashreplace").decode()
    return Answer(status, protocol.error_body(code, text, members), headers)
