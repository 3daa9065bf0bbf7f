"""The distribution API: method and path to function, in one table."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import perf_counter

import sqlalchemy as sa
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from hullwise.auth import access, origins, tokens
from hullwise.auth.audit import Trail
from hullwise.auth.callers import Caller, KeyRing, Origin
from hullwise.auth.rates import Rates
from hullwise.domain.errors import AuthorizationTokenInvalid, BearerTokenExpired, ScopeInsufficient
from hullwise.domain.names import check_repository, is_repository
from hullwise.oci import bearer, blobs, errors, lists, manifests, uploads
from hullwise.oci.calls import EARLY_BYTES, Call, Endpoint, stated_length
from hullwise.oci.errors import Problem, Refused
from hullwise.services import Services
from hullwise.store import accounts
from hullwise.threads import Threads

log = structlog.get_logger()


def _base(call: Call) -> Response:
    """GET /v2/: whoever gets this far has a good token."""
    return JSONResponse({})


_NAME = r"(?P<name>.+)"
"""Of any length: `check_repository` tells what is no name. What follows it in a route has so many slashes each time:
there is one way to match, in linear time."""

_check = ("ecr:BatchCheckLayerAvailability",)
_download = ("ecr:GetDownloadUrlForLayer",)
_upload = ("ecr:InitiateLayerUpload",)
_part = ("ecr:UploadLayerPart",)
_complete = ("ecr:CompleteLayerUpload",)
_get = ("ecr:BatchGetImage",)
_delete = ("ecr:BatchDeleteImage",)

# Which of ECR's actions a route is: contract 4, "Endpoint to permission/API mapping".
ROUTES: tuple[tuple[str, dict[str, Endpoint]], ...] = (
    (r"/v2/?", {"GET": Endpoint(_base, short=True), "HEAD": Endpoint(_base, short=True)}),
    (r"/v2/token", {"GET": Endpoint(bearer.token, open=True)}),
    (rf"/v2/{_NAME}/blobs/uploads/?", {"POST": Endpoint(uploads.begin_upload, _upload, "push", short=True, made=201)}),
    (
        # Without NUL, which PostgreSQL does not take in text. All the other parts are checked before they get there.
        rf"/v2/{_NAME}/blobs/uploads/(?P<upload>[^/\x00]+)",
        {
            "GET": Endpoint(uploads.upload_status, _part, "push", short=True),
            "PATCH": Endpoint(uploads.append_to_upload, _part, "push", short=True),
            "PUT": Endpoint(uploads.finish_upload, _part + _complete, "push", short=True, made=201),
            "DELETE": Endpoint(uploads.cancel_upload, _part, "push", short=True),
        },
    ),
    (r"/v2/_catalog", {"GET": Endpoint(lists.catalog)}),
    (
        rf"/v2/{_NAME}/blobs/(?P<digest>[^/]+)",
        {
            "GET": Endpoint(blobs.get_blob, _download, "pull", short=True),
            "HEAD": Endpoint(blobs.get_blob, _check, "pull", short=True),
            "DELETE": Endpoint(blobs.delete_blob, _delete, "delete", made=202),
        },
    ),
    (rf"/v2/{_NAME}/referrers/(?P<digest>[^/]+)", {"GET": Endpoint(lists.list_referrers, _get, "pull")}),
    (
        rf"/v2/{_NAME}/manifests/(?P<reference>[^/]+)",
        {
            "GET": Endpoint(manifests.get_manifest, _get, "pull", short=True),
            "HEAD": Endpoint(manifests.get_manifest, _get, "pull", short=True),
            "PUT": Endpoint(manifests.put_manifest, ("ecr:PutImage",), "push", short=True, made=201),
            "DELETE": Endpoint(manifests.delete_manifest, _delete, "delete", made=202),
        },
    ),
    (rf"/v2/{_NAME}/tags/list", {"GET": Endpoint(manifests.list_tags, ("ecr:ListImages",), "pull")}),
)

_COMPILED = tuple((re.compile(pattern, re.DOTALL), methods) for pattern, methods in ROUTES)
_VERSION = (b"docker-distribution-api-version", b"registry/2.0")


Answered = Callable[[str, int, float], None]
"""Told of each answer: the operation, which is one of few, the status, and the seconds that it took."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Answers requests below /v2/."""

    services: Services
    ring: KeyRing
    threads: Threads
    rates: Rates
    answered: Answered

    async def answer(self, request: Request) -> Response:
        """Never raises: what is not the caller's fault is logged and answered as UNKNOWN, an outage as UNAVAILABLE."""
        begun, trail = perf_counter(), Trail(request.method, _origin(request).address)
        try:
            response = await self._answer(request, trail)
        except ClientDisconnect:
            response = Response(status_code=499)
        except Exception as error:
            response = self._refusal(request, error, trail)
        self.answered(trail.operation, response.status_code, perf_counter() - begun)
        response.raw_headers.append(_VERSION)
        return response

    async def _answer(self, request: Request, trail: Trail) -> Response:
        body = await _early(request)
        if self.threads.here:
            endpoint, call = await self.threads.short(self._entered, request, body, trail)
            run = self.threads.short if endpoint.short else self.threads.run
            found = await run(endpoint.function, call)
        else:
            endpoint, call, found = await self.threads.run(self._begin, request, body, trail)
        response = found if isinstance(found, Response) else await found
        if response.status_code == endpoint.made:
            what = call.parts.get("reference") or response.headers.get("docker-content-digest") or call.parts["digest"]
            trail.changed(what=what)
        return response

    def _begin(
        self, request: Request, body: bytes | None, trail: Trail
    ) -> tuple[Endpoint, Call, Response | Awaitable[Response]]:
        """The answer, or what makes it of the request's body: in one thread with the questions that come before it."""
        endpoint, call = self._entered(request, body, trail)
        return endpoint, call, endpoint.function(call)

    def _entered(self, request: Request, body: bytes | None, trail: Trail) -> tuple[Endpoint, Call]:
        methods, parts = _route(request.scope["path"])
        endpoint = methods.get(request.method)
        if endpoint is not None:
            # A path without parts is one of the table's own words.
            trail.operation = endpoint.operation or f"{request.method} {request.scope['path']}"
        call = self._enter(request, endpoint, parts, body, trail)
        if endpoint is None and methods:
            allowed = {"allow": ", ".join(sorted(methods))}
            raise Refused(405, "UNSUPPORTED", f"{request.method} is not offered here", allowed)
        if endpoint is None:
            raise Refused(404, "NAME_UNKNOWN", "There is nothing at this path")
        return endpoint, call

    def _enter(
        self,
        request: Request,
        endpoint: Endpoint | None,
        parts: dict[str, str],
        body: bytes | None,
        trail: Trail,
        begun: datetime | None = None,
    ) -> Call:
        """Who calls, and whether that is allowed, before anything else is looked at. `begun`: when that was asked for
        the first time, where it was; only that counts for the rates, and a token that was good then is good still."""
        services = self.services
        at = begun or services.clock()
        named = origins.registry_of(request.headers.get("host", ""))
        origin = _origin(request)
        with services.database.read() as tx:
            caller = tokens.authenticate(services, self.ring, request.headers.items(), tx, origin, at)
            if caller is None:
                caller = self._nobody(tx, endpoint, named, origin)
            trail.caller = caller
            if begun is None:
                operation = endpoint.operation if endpoint is not None else ""
                self.rates.take(caller.access_key_id or origin.address, operation)
            account, region = named or (caller.account, caller.region)
            if region != caller.region:
                # A token is good for the region it was issued in; a quota per region is not evaded by a host name.
                raise AuthorizationTokenInvalid
            found = None
            if endpoint is not None and "name" in parts:
                name = check_repository(parts["name"])
                found = access.repository(tx, services, caller, account, region, name, endpoint.actions, endpoint.scope)
                trail.about(account, region, name)
        again = partial(self._enter, request, endpoint, parts, body, trail, at)
        return Call(request, services, caller, account, region, parts, found, body, self.threads, again)

    def _nobody(
        self, tx: sa.Connection, endpoint: Endpoint | None, named: tuple[str, str] | None, origin: Origin
    ) -> Caller:
        """A caller without credentials, where such are taken at all. Raises AuthorizationTokenInvalid."""
        settings = self.services.settings
        if not settings.anonymous_pull or endpoint is None or not (endpoint.actions or endpoint.open):
            raise AuthorizationTokenInvalid
        account, region = named or (accounts.default(tx, settings.account), settings.regions[0])
        return Caller("", account, region, origin=origin)

    def _refusal(self, request: Request, error: Exception, trail: Trail) -> Response:
        error = self.services.outages.told(error)
        found = errors.problem(error)
        if found is None:
            log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
            found = Problem(500, "UNKNOWN", "An internal error occurred; see the server's log")
        elif _is_told(request, found, trail):
            trail.refused(found.code, error)
        headers = errors.retry_after(error)
        if isinstance(error, Refused):
            headers |= error.headers
        if found.status == 401:
            headers["www-authenticate"] = self._challenge(request, error)
        return JSONResponse(errors.body(found), status_code=found.status, headers=headers)

    def _challenge(self, request: Request, error: Exception) -> str:
        """How to log in: ECR's Basic; where callers without credentials may pull, Bearer, which those ask for too."""
        here = f"{request.url.scheme}://{request.url.netloc}"
        if not self.services.settings.anonymous_pull or request.scope["path"] == bearer.PATH:
            return f'Basic realm="{here}/",service="{bearer.SERVICE}"'
        scope = error.scope if isinstance(error, ScopeInsufficient) else _scope(request)
        wanted = f',scope="{scope}"' if scope else ""
        why = next((said for kind, said in _REFUSED_TOKENS.items() if isinstance(error, kind)), "")
        return f'Bearer realm="{here}{bearer.PATH}",service="{bearer.SERVICE}"{wanted}{why}'


_REFUSED_TOKENS = {
    ScopeInsufficient: ',error="insufficient_scope"',
    BearerTokenExpired: ',error="invalid_token"',
}
"""What is said of a bearer token that was sent (RFC 6750, 3.1)."""


def _origin(request: Request) -> Origin:
    return Origin(request.client.host if request.client is not None else "", request.scope["scheme"] == "https")


def _is_told(request: Request, found: Problem, trail: Trail) -> bool:
    """Whether the log has a line of a refusal: of credentials, of what they do not allow, and of a change. Clients ask
    without credentials first, and for what may not be there."""
    if found.status in {401, 403}:
        return "authorization" in request.headers
    return trail.caller is not None and request.method not in {"GET", "HEAD"}


async def _early(request: Request) -> bytes | None:
    """The body, where the request says that it has at most EARLY_BYTES."""
    length = stated_length(request)
    if length is None or length > EARLY_BYTES:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > EARLY_BYTES:
            raise Refused(400, "UNSUPPORTED", "The body is longer than its Content-Length")
    return bytes(body)


def _scope(request: Request) -> str:
    """What a token must be good for to make this request; empty where any will do."""
    methods, parts = _route(request.scope["path"])
    endpoint = methods.get(request.method)
    if endpoint is not None and endpoint.function is lists.catalog:
        return bearer.CATALOG
    if endpoint is None or not is_repository(parts.get("name", "")):
        return ""
    actions = "pull,push" if endpoint.scope == "push" else endpoint.scope
    return f"repository:{parts['name']}:{actions}"


def _route(path: str) -> tuple[dict[str, Endpoint], dict[str, str]]:
    """What there is at the path, by method, and the parts of the path; nothing, where nothing is there."""
    for pattern, methods in _COMPILED:
        match = pattern.fullmatch(path)
        if match is not None:
            return methods, match.groupdict()
    return {}, {}
