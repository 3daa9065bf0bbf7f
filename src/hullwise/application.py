"""The ASGI application: the routes, over one toolbox."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio
import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from hullwise import app
from hullwise.api import metrics
from hullwise.api.routes import Api
from hullwise.auth.callers import KeyRing, Origin
from hullwise.auth.origins import Proxies, Reached
from hullwise.auth.rates import Rates
from hullwise.auth.sigv4 import SignedRequest
from hullwise.blobs.folder import FolderStorage
from hullwise.domain.limits import BODY_BYTES
from hullwise.ecr import endpoint
from hullwise.ecr.endpoint import Endpoint
from hullwise.jobs import durable
from hullwise.oci.downloads import Downloads
from hullwise.oci.routes import Distribution
from hullwise.registry import pulls
from hullwise.services import Services
from hullwise.settings import load
from hullwise.store import generations
from hullwise.store.engine import Database
from hullwise.threads import Threads

log = structlog.get_logger()

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class Aws:
    """The AWS JSON 1.1 API. It speaks ASGI itself: Starlette's request and response cost as much as a small call."""

    def __init__(self, services: Services, ring: KeyRing, threads: Threads, rates: Rates) -> None:
        self._public_url = services.settings.public_url.rstrip("/")
        self._endpoint = Endpoint(services, ring, rates)
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _read(receive, BODY_BYTES)
        except ClientDisconnect:
            return
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        if body is None:
            answer = endpoint.too_large()
        else:
            raw_path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
            signed = SignedRequest(scope["method"], raw_path, query, headers, body)
            named = dict(reversed(headers))  # the first of two of a name
            reached = self._public_url or f"{scope['scheme']}://{named.get('host', '')}"
            origin = Origin((scope.get("client") or ("",))[0], scope["scheme"] == "https")
            target = named.get("x-amz-target", "")
            run = self._threads.short if endpoint.is_short(target, body) else self._threads.run
            answer = await run(self._endpoint.answer, signed, target, reached, origin)
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
        fields.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": fields})
        await send({"type": "http.response.body", "body": answer.body})


class Forwarded:
    """Requests as their clients made them, where they come through proxies that are trusted."""

    def __init__(self, within: ASGIApp, proxies: Sequence[str]) -> None:
        self._within = within
        self._proxies = Proxies(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = self._reached(scope)
        await self._within(scope, receive, send)

    def _reached(self, scope: Scope) -> Scope:
        client, headers = scope.get("client") or ("", 0), scope["headers"]
        values: dict[str, str] = {}
        for raw, value in headers:
            name, text = raw.decode("latin-1"), value.decode("latin-1")
            values[name] = f"{values[name]},{text}" if name in values else text
        direct = Reached(client[0], scope["scheme"], values.get("host", ""))
        found = self._proxies.reached(direct, values)
        if found == direct:
            return scope
        others = [(name, value) for name, value in headers if name != b"host"]
        named = [*others, (b"host", found.host.encode("latin-1"))]
        return {**scope, "client": (found.address, client[1]), "scheme": found.scheme, "headers": named}


class Edge:
    """The ASGI side: reads requests, and calls plain functions in threads.

    What every push and call of the API goes through is found here by hand: on Starlette's way to a route lie layers
    that catch what these never raise.
    """

    def __init__(self, services: Services, lifespan: Lifespan[Starlette]) -> None:
        self._services = services
        ring = KeyRing(services)
        self._threads = _threads(services)
        rates = Rates(services.settings.rate_limits, services.settings.api_processes)
        self._aws = Aws(services, ring, self._threads, rates)
        self._distribution = Distribution(services, ring, self._threads, rates)
        downloads, api = Downloads(services, self._threads), Api(services, ring, self._threads)
        self.others = Starlette(
            routes=[
                Route("/healthz", self.health, methods=["GET"]),
                Route("/metrics", self.metrics, methods=["GET"]),
                Route("/layers/{token}", downloads.answer, methods=["GET", "HEAD"]),
                Route("/api/v1{rest:path}", api.answer, methods=_METHODS),
            ],
            lifespan=lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path.startswith("/v2"):
            response = await self._distribution.answer(Request(scope, receive, send))
            await response(scope, receive, send)
        elif path == "/" and scope["method"] == "POST":
            await self._aws(scope, receive, send)
        else:
            await self.others(scope, receive, send)

    async def health(self, request: Request) -> Response:
        """200 once requests can be served: the database answers, and there is advisory data unless that is unwanted."""
        ready = await self._threads.run(self._ready)
        return JSONResponse({"status": "ok" if ready else "starting"}, status_code=200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text form. Open to whoever reaches the port, as health is: it names nobody."""
        found = await self._threads.run(metrics.exposition, self._services)
        return Response(found, media_type=metrics.CONTENT_TYPE)

    def _ready(self) -> bool:
        with self._services.database.read() as tx:
            return generations.head_number(tx) > 0 or not self._services.settings.starter_advisories


def _threads(services: Services) -> Threads:
    """Short calls are made in the loop where nothing is waited for: neither for PostgreSQL, at every step, nor for a
    bucket. With SQLite and a folder there is the sync of what was committed, which is left to a thread."""
    settings, database = services.settings, services.database
    here = database.is_sqlite and isinstance(services.blobs, FolderStorage)
    sync = partial(_settle, database) if settings.durability == "full" else None
    return Threads(settings.threads, here=here, sync=sync)


def _settle(database: Database) -> None:
    """Where the log cannot be synced this process ends, and its next one begins with what the disk has."""
    try:
        database.settle()
    except OSError as error:
        log.critical("the database's log could not be synced: this process ends", why=str(error))
        os.kill(os.getpid(), signal.SIGTERM)
        raise


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The body; None where it is over the limit. Raises ClientDisconnect where the client leaves first."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            return None
    return bytes(body)


async def _write_pulls(services: Services, threads: Threads) -> None:
    while True:
        await anyio.sleep(pulls.WRITE_SECONDS)
        await threads.run(_try_to_write_pulls, services)
        await threads.run(_try_to_checkpoint, services)


def _try_to_write_pulls(services: Services) -> None:
    try:
        pulls.write(services)
    except Exception:
        log.exception("pulls could not be written; tried again")


def _try_to_checkpoint(services: Services) -> None:
    try:
        services.database.checkpoint()
    except Exception:
        log.exception("the database's log could not be emptied; tried again")


def application(services: Services) -> ASGIApp:
    """The whole ASGI application over one toolbox."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as beside:
            beside.start_soon(_write_pulls, services, Threads(1))
            yield
            beside.cancel_scope.cancel()
        _try_to_write_pulls(services)
        services.database.close()

    proxies = services.settings.trusted_proxies
    edge = Edge(services, lifespan)
    # None at all where nobody is trusted: a layer around every request is not free.
    return Forwarded(edge, proxies) if proxies else edge


def create() -> ASGIApp:
    """What the API process runs: settings come from the environment."""
    settings = load()
    app.configure_logs(settings)
    # Now, or the first push waits for it.
    durable.load()
    built = application(app.build(settings))
    # What the start made stays: the collector, which runs within requests, need not walk through it each time.
    gc.collect()
    gc.freeze()
    # A page of answers is some ten thousand objects without a cycle: at 700 the collector runs a dozen times for it.
    gc.set_threshold(20_000, 20, 50)
    return built
