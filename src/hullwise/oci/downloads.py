"""Layers for whoever has a signed URL: the one route of bytes without a login."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hullwise.auth import downloads
from hullwise.oci import blobs, errors
from hullwise.oci.errors import Problem
from hullwise.services import Services
from hullwise.threads import Threads

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Downloads:
    """Answers requests below /layers/."""

    services: Services
    threads: Threads

    async def answer(self, request: Request) -> Response:
        """Never raises: what is not the caller's fault is logged and answered as UNKNOWN, an outage as UNAVAILABLE."""
        token = request.path_params["token"]
        try:
            return await self.threads.run(self._found, request, token)
        except Exception as error:
            error = self.services.outages.told(error)
            found = errors.problem(error)
            if found is None:
                log.error("request failed", method=request.method, path="/layers/", exc_info=error)
                found = Problem(500, "UNKNOWN", "An internal error occurred; see the server's log")
            # No login would help: the URL itself is what is good or not.
            status = 403 if found.status == 401 else found.status
            return JSONResponse(errors.body(found), status_code=status, headers=errors.retry_after(error))

    def _found(self, request: Request, token: str) -> Response:
        found = downloads.find(self.services, token)
        return blobs.answer(self.services, request, blobs.locate(self.services, request.method, found))
