"""The distribution API: method and path to function, in one table."""

from __future__ import annotations

import re
from dataclasses import dataclass

import anyio
import anyio.to_thread
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from hullwise.auth import tokens
from hullwise.auth.callers import KeyRing
from hullwise.oci import blobs, errors, lists, manifests, uploads
from hullwise.oci.calls import Call, Function
from hullwise.oci.errors import Problem, Refused
from hullwise.services import Services

log = structlog.get_logger()


async def _base(call: Call) -> Response:
    """GET /v2/: whoever gets this far has a good token."""
    return JSONResponse({})


_NAME = r"(?P<name>.{1,256}?)"

ROUTES: tuple[tuple[str, dict[str, Function]], ...] = (
    (r"/v2/?", {"GET": _base, "HEAD": _base}),
    (rf"/v2/{_NAME}/blobs/uploads/?", {"POST": uploads.begin_upload}),
    (
        # Without NUL, which PostgreSQL does not take in text. All the other parts are checked before they get there.
        rf"/v2/{_NAME}/blobs/uploads/(?P<upload>[^/\x00]+)",
        {
            "GET": uploads.upload_status,
            "PATCH": uploads.append_to_upload,
            "PUT": uploads.finish_upload,
            "DELETE": uploads.cancel_upload,
        },
    ),
    (r"/v2/_catalog", {"GET": lists.catalog}),
    (
        rf"/v2/{_NAME}/blobs/(?P<digest>[^/]+)",
        {"GET": blobs.get_blob, "HEAD": blobs.get_blob, "DELETE": blobs.delete_blob},
    ),
    (rf"/v2/{_NAME}/referrers/(?P<digest>[^/]+)", {"GET": lists.list_referrers}),
    (
        rf"/v2/{_NAME}/manifests/(?P<reference>[^/]+)",
        {
            "GET": manifests.get_manifest,
            "HEAD": manifests.get_manifest,
            "PUT": manifests.put_manifest,
            "DELETE": manifests.delete_manifest,
        },
    ),
    (rf"/v2/{_NAME}/tags/list", {"GET": manifests.list_tags}),
)

_COMPILED = tuple((re.compile(pattern, re.DOTALL), methods) for pattern, methods in ROUTES)
_VERSION = {"docker-distribution-api-version": "registry/2.0"}


@dataclass(frozen=True, slots=True)
class Distribution:
    """Answers requests below /v2/."""

    services: Services
    ring: KeyRing
    threads: anyio.CapacityLimiter

    async def answer(self, request: Request) -> Response:
        """Never raises: what is not the caller's fault is logged and answered as UNKNOWN."""
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            response = Response(status_code=499)
        except Exception as error:
            response = self._refusal(request, error)
        response.headers.update(_VERSION)
        return response

    async def _answer(self, request: Request) -> Response:
        caller = await anyio.to_thread.run_sync(
            tokens.authenticate, self.services, self.ring, request.headers.items(), limiter=self.threads
        )
        function, parts = _route(request.method, request.scope["path"])
        response: Response = await function(Call(request, self.services, caller, parts, self.threads))
        return response

    def _refusal(self, request: Request, error: Exception) -> Response:
        found = errors.problem(error)
        if found is None:
            log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
            found = Problem(500, "UNKNOWN", "An internal error occurred; see the server's log")
        headers = {}
        if found.status == 401:
            headers["www-authenticate"] = f'Basic realm="{request.url.scheme}://{request.url.netloc}/",service="ecr"'
        return JSONResponse(errors.body(found), status_code=found.status, headers=headers)


def _route(method: str, path: str) -> tuple[Function, dict[str, str]]:
    for pattern, methods in _COMPILED:
        match = pattern.fullmatch(path)
        if match is not None:
            function = methods.get(method)
            if function is None:
                raise Refused(405, "UNSUPPORTED", f"{method} is not offered here")
            return function, match.groupdict()
    raise Refused(404, "NAME_UNKNOWN", "There is nothing at this path")
