"""Our own JSON API below /api/v1: method and path to function, in one table.

Callers log in as docker does: Basic, user `AWS`, and a token of GetAuthorizationToken. Everything is about the account
of the access key that the token was issued to; what is about images, about the token's region too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from time import perf_counter
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from hullwise.api import advisories, deletions, documents, events, explanations, findings, overlays
from hullwise.api.calls import Call, Content, Refused
from hullwise.auth import access, tokens
from hullwise.auth.audit import Trail
from hullwise.auth.callers import Caller, KeyRing, Origin
from hullwise.auth.rates import Rates
from hullwise.domain.errors import (
    AccessDenied,
    AuthorizationTokenInvalid,
    DeletionNotFound,
    EventNotFound,
    HullwiseError,
    ImageNotFound,
    InvalidParameter,
    NoAdvisories,
    OverlayNotFound,
    ReceiverNotFound,
    RepositoryNotFound,
    ScanNotFound,
    TooManyRequests,
    Unavailable,
    VulnerabilityNotFound,
)
from hullwise.domain.limits import JSON_BODY_BYTES
from hullwise.services import Services
from hullwise.threads import Threads

log = structlog.get_logger()

_READING = {"GET", "HEAD"}
_ID = r"(?P<id>[0-9]{1,18})"

Function = Callable[[Call], Any]

# Method to the function, and to what a user's policy must allow. Functions that are about repositories look themselves
# whether the caller may see those.
ROUTES: tuple[tuple[str, dict[str, tuple[Function, str]]], ...] = (
    (r"/api/v1/advisories", {"GET": (advisories.status, "")}),
    (r"/api/v1/findings", {"GET": (findings.of_image, "")}),
    (r"/api/v1/explanation", {"GET": (explanations.of_image, "")}),
    (r"/api/v1/sbom", {"GET": (documents.read, ""), "POST": (documents.attach, "")}),
    (r"/api/v1/deletions", {"GET": (deletions.listed, "")}),
    (rf"/api/v1/deletions/{_ID}/restore", {"POST": (deletions.restore, "")}),
    (r"/api/v1/vulnerabilities/(?P<id>.+)/images", {"GET": (findings.images, "")}),
    (
        r"/api/v1/ignore-rules",
        {
            "GET": (overlays.list_rules, "hullwise:ListIgnoreRules"),
            "POST": (overlays.add_rule, "hullwise:AddIgnoreRule"),
        },
    ),
    (rf"/api/v1/ignore-rules/{_ID}", {"DELETE": (overlays.remove_rule, "hullwise:RemoveIgnoreRule")}),
    (
        r"/api/v1/vex",
        {"GET": (overlays.list_documents, "hullwise:ListVex"), "POST": (overlays.add_document, "hullwise:AddVex")},
    ),
    (rf"/api/v1/vex/{_ID}", {"DELETE": (overlays.remove_document, "hullwise:RemoveVex")}),
    (
        r"/api/v1/receivers",
        {
            "GET": (events.list_receivers, "hullwise:ListReceivers"),
            "POST": (events.add_receiver, "hullwise:AddReceiver"),
        },
    ),
    (rf"/api/v1/receivers/{_ID}", {"DELETE": (events.remove_receiver, "hullwise:RemoveReceiver")}),
    (rf"/api/v1/receivers/{_ID}/test", {"POST": (events.test_receiver, "hullwise:TestReceiver")}),
    (r"/api/v1/events", {"GET": (events.list_events, "hullwise:ListEvents")}),
    (r"/api/v1/events/replay", {"POST": (events.replay, "hullwise:ReplayEvents")}),
)

ACTIONS = tuple(sorted({action for _, methods in ROUTES for _, action in methods.values() if action}))
"""What a user's policy may name beside ECR's actions."""

_COMPILED = tuple((re.compile(pattern), methods) for pattern, methods in ROUTES)
_PART = re.compile(r"\(\?P<(\w+)>[^)]*\)")
_FORMS = {pattern.pattern: _PART.sub(r"{\1}", pattern.pattern) for pattern, _ in _COMPILED}
"""Each pattern as people write it: `/api/v1/vex/{id}`."""

# Class of a failure to status and code. A class not listed takes those of its nearest listed base.
ERRORS: dict[type[Exception], tuple[int, str]] = {
    InvalidParameter: (400, "InvalidParameter"),
    OverlayNotFound: (404, "NotFound"),
    ReceiverNotFound: (404, "NotFound"),
    EventNotFound: (404, "NotFound"),
    DeletionNotFound: (404, "NotFound"),
    RepositoryNotFound: (404, "NotFound"),
    ImageNotFound: (404, "NotFound"),
    ScanNotFound: (404, "NotFound"),
    VulnerabilityNotFound: (404, "NotFound"),
    NoAdvisories: (409, "NoAdvisories"),
    AuthorizationTokenInvalid: (401, "Unauthorized"),
    AccessDenied: (403, "AccessDenied"),
    TooManyRequests: (429, "TooManyRequests"),
    Unavailable: (503, "Unavailable"),
    HullwiseError: (400, "Refused"),
}


Answered = Callable[[str, int, float], None]
"""Told of each answer: method and form of the path, or the method alone where that is no route; the status, and the
seconds that it took."""


@dataclass(frozen=True, slots=True)
class Api:
    """Answers requests below /api/v1."""

    services: Services
    ring: KeyRing
    threads: Threads
    rates: Rates
    answered: Answered

    async def answer(self, request: Request) -> Response:
        """Never raises: what is not the caller's fault is logged and answered with 500, an outage with 503."""
        begun = perf_counter()
        response = await self._answer(request)
        name = _name(request.method, request.scope["path"])
        self.answered(name, response.status_code, perf_counter() - begun)
        return response

    async def _answer(self, request: Request) -> Response:
        origin = Origin(request.client.host if request.client is not None else "", request.url.scheme == "https")
        trail = Trail(request.method, origin.address)
        try:
            # Before the body is read: nobody unknown makes the server hold one.
            caller = await self.threads.run(self._enter, request, origin, trail)
            (function, _), parts = _route(request.method, request.scope["path"])
            call = Call(self.services, caller, parts, dict(request.query_params), await self._body(request))
            response = await self.threads.run(_answer, function, call)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:
            return _refusal(request, self.services.outages.told(error), trail)
        if request.method not in _READING:
            if function is documents.attach:
                trail.about(caller.account, caller.region, call.query["repository"])
            trail.changed()
        return response

    def _enter(self, request: Request, origin: Origin, trail: Trail) -> Caller:
        """Who calls, where the route is allowed to them and their rate has room."""
        services = self.services
        with services.database.read() as tx:
            caller = tokens.authenticate(services, self.ring, request.headers.items(), tx, origin)
            if caller is None or caller.grants is not None:
                # Bearer tokens are for the registry API.
                raise AuthorizationTokenInvalid
            trail.caller = caller
            # No operation of the AWS API: it counts for the rate of all together.
            self.rates.take(caller.access_key_id, "")
            (_, action), _ = _route(request.method, request.scope["path"])
            # What the route's pattern took out of the path of a change is a number.
            path = "" if request.method in _READING else f" {request.scope['path']}"
            trail.operation = action.partition(":")[2] or f"{request.method}{path}"
            if action:
                access.check(tx, services, caller, action, access.Resource("*", caller.account, caller.region))
        return caller

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > JSON_BODY_BYTES:
                raise Refused(413, "TooLarge", f"A request holds at most {JSON_BODY_BYTES} bytes")
        return bytes(body)


def _answer(function: Function, call: Call) -> Response:
    found = function(call)
    if isinstance(found, Content):
        return Response(found.body, media_type=found.media_type)
    return JSONResponse(found) if found is not None else Response(status_code=204)


def _is_told(request: Request, status: int, trail: Trail) -> bool:
    """Whether the log has a line of a refusal: of credentials, of what they do not allow, and of a change."""
    if status in {401, 403}:
        return "authorization" in request.headers
    return trail.caller is not None and request.method not in _READING


def _route(method: str, path: str) -> tuple[tuple[Function, str], dict[str, str]]:
    for pattern, methods in _COMPILED:
        match = pattern.fullmatch(path)
        if match is not None:
            if method not in methods:
                allowed = {"allow": ", ".join(methods)}
                raise Refused(405, "MethodNotAllowed", f"{method} is not offered here", allowed)
            return methods[method], match.groupdict()
    raise Refused(404, "NotFound", "There is nothing at this path")


def _name(method: str, path: str) -> str:
    """Of a request, for whoever counts them: one of few."""
    found = (pattern for pattern, methods in _COMPILED if method in methods and pattern.fullmatch(path) is not None)
    pattern = next(found, None)
    return method if pattern is None else f"{method} {_FORMS[pattern.pattern]}"


def _refusal(request: Request, error: Exception, trail: Trail) -> Response:
    headers: Mapping[str, str] = {}
    if isinstance(error, Refused):
        status, code, headers = error.status, error.code, error.headers
    else:
        status, code = next((ERRORS[kind] for kind in type(error).__mro__ if kind in ERRORS), (500, "InternalError"))
    message = str(error)
    if status == 500:
        log.error("request failed", method=request.method, path=request.scope["path"], exc_info=error)
        message = "An internal error occurred; see the server's log"
    elif _is_told(request, status, trail):
        trail.refused(code, error)
    if isinstance(error, TooManyRequests | Unavailable):
        headers = {"retry-after": str(max(1, ceil(error.seconds)))}
    if status == 401:
        headers = {"www-authenticate": 'Basic realm="hullwise"'}
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status, headers=headers)
