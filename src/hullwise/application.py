"""The ASGI application: the routes, over one toolbox."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from time import perf_counter
from typing import Any, TypeVar

import anyio
import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from hullwise import app, threads
from hullwise.answers import send_whole
from hullwise.api import metrics
from hullwise.api.routes import Api
from hullwise.auth import sigv4
from hullwise.auth.callers import KeyRing, Origin
from hullwise.auth.errors import AuthenticationFailed, SignatureMismatch
from hullwise.auth.origins import Proxies, Reached
from hullwise.auth.rates import Rates
from hullwise.auth.sigv4 import SignedRequest
from hullwise.blobs.folder import FolderStorage
from hullwise.bodies import Place, Room
from hullwise.domain.errors import Unavailable
from hullwise.domain.limits import BODIES_BYTES, BODY_BYTES, UNKNOWN_BYTES
from hullwise.ecr import endpoint
from hullwise.ecr.endpoint import Answer, Endpoint
from hullwise.jobs import durable
from hullwise.oci.downloads import Downloads
from hullwise.oci.routes import Answered, Distribution
from hullwise.registry import pulls
from hullwise.services import Services
from hullwise.settings import load
from hullwise.store import generations
from hullwise.store.engine import BUSY_SECONDS, Database
from hullwise.threads import Threads

log = structlog.get_logger()

T = TypeVar("T")

ROOM_SECONDS = 30
"""That a large request waits for others to be answered."""
BODY_SECONDS = 300
"""In which the body of a large request has come: of the largest, 100 kB a second."""

_PAYLOAD_HASH = "x-amz-content-sha256"
_NO_BODY = sha256(b"").hexdigest()

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class Aws:
    """The AWS JSON 1.1 API. It speaks ASGI itself: Starlette's request and response cost as much as a small call."""

    room_seconds: float = ROOM_SECONDS
    body_seconds: float = BODY_SECONDS

    def __init__(self, services: Services, ring: KeyRing, threads: Threads, rates: Rates, answered: Answered) -> None:
        self._answered = answered
        self._public_url = services.settings.public_url.rstrip("/")
        self._endpoint = Endpoint(services, ring, rates)
        self._services, self._ring, self._threads = services, ring, threads
        self._room = Room(BODIES_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = perf_counter()
        try:
            body, more = await _read(receive, UNKNOWN_BYTES)
            headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
            raw_path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
            signed = SignedRequest(scope["method"], raw_path, query, headers, body)
            named = dict(reversed(headers))  # the first of two of a name
            reached = self._public_url or f"{scope['scheme']}://{named.get('host', '')}"
            origin = Origin((scope.get("client") or ("",))[0], scope["scheme"] == "https")
            asked = (named.get("x-amz-target", ""), reached, origin)
            answer = await (self._large(signed, receive, *asked) if more else self._answer(signed, *asked))
        except ClientDisconnect:
            return
        self._answered(endpoint.operation_name(asked[0]), answer.status, perf_counter() - begun)
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
        fields.append((b"content-length", str(len(answer.body)).encode()))
        await send_whole(scope, send, answer.status, fields, answer.body)

    async def _answer(self, signed: SignedRequest, target: str, reached: str, origin: Origin) -> Answer:
        if len(signed.body) > BODY_BYTES:
            return endpoint.too_large()
        run = self._threads.short if endpoint.is_short(target, signed.body) else self._threads.run
        return await run(self._endpoint.answer, signed, target, reached, origin)

    async def _large(self, begun: SignedRequest, receive: Receive, target: str, reached: str, origin: Origin) -> Answer:
        """The answer to a request whose body goes on. The rest is taken in only for an access key that there is, where
        there is room for it, and as fast as BODY_SECONDS say, and others who wait for its room. That is shared by
        address: a key's id is no secret, and nothing here proves yet who sends. Raises ClientDisconnect."""
        head = _without_body(begun)
        try:
            known = await self._threads.short(self._is_known, head)
        except Exception as error:
            return self._endpoint.refused(target, error, origin)
        if not known:
            return await self._answer(head, target, reached, origin)
        size = _stated_length(begun)
        if size > BODY_BYTES:
            return endpoint.too_large()
        try:
            place = await self._room.take(origin.address, size, self.room_seconds)
        except TimeoutError:
            return _full()
        try:
            async with asyncio.timeout(self.body_seconds) as limit:
                place.awaits(len(begun.body), partial(_end, limit))
                body, more = await _read(_counted(receive, place), size, begun.body)
                place.ends()
        except TimeoutError:
            if place.given_up:
                return _full()
            return endpoint.failure(
                408, "RequestTimeout", f"A request is sent in at most {self.body_seconds:g} seconds"
            )
        else:
            if more:
                return endpoint.too_large()
            return await self._answer(replace(begun, body=body), target, reached, origin)
        finally:
            self._room.give(place)

    def _is_known(self, head: SignedRequest) -> bool:
        """Whether there is the access key that the request says it was signed with, and the signature is of now and for
        here. Whether it is genuine only the whole body shows."""

        def secret(access_key_id: str) -> str | None:
            known = self._ring.find(access_key_id)
            return None if known is None else known.secret

        services = self._services
        try:
            sigv4.verify(head, find_secret=secret, regions=services.settings.regions, now=services.clock())
        except SignatureMismatch:
            pass
        except AuthenticationFailed:
            return False
        return True


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
        self._requests = metrics.Requests()
        self._aws = Aws(services, ring, self._threads, rates, self._requests.answered)
        self._distribution = Distribution(services, ring, self._threads, rates, self._requests.answered)
        downloads = Downloads(services, self._threads)
        api = Api(services, ring, self._threads, rates, self._requests.answered)
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
            if type(response) in {Response, JSONResponse}:
                await send_whole(scope, send, response.status_code, response.raw_headers, bytes(response.body))
            else:
                await response(scope, receive, send)
        elif path == "/" and scope["method"] == "POST":
            await self._aws(scope, receive, send)
        else:
            await self.others(scope, receive, send)

    async def health(self, request: Request) -> Response:
        """200 once requests can be served: the database answers, and there is advisory data unless that is unwanted."""
        ready = await self._asked(self._ready)
        if isinstance(ready, Unavailable):
            return JSONResponse({"status": "unavailable"}, status_code=503)
        return JSONResponse({"status": "ok" if ready else "starting"}, status_code=200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text form. Open to whoever reaches the port, as health is: it names nobody."""
        found = await self._asked(metrics.exposition, self._services, self._requests)
        if isinstance(found, Unavailable):
            return Response(str(found), status_code=503, media_type="text/plain")
        return Response(found, media_type=metrics.CONTENT_TYPE)

    async def _asked(self, function: Callable[..., T], *args: Any) -> T | Unavailable:
        """What the function returns, or the outage that it came upon."""
        try:
            return await self._threads.run(function, *args)
        except Exception as error:
            told = self._services.outages.told(error)
            if isinstance(told, Unavailable):
                return told
            raise

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
    """Where the log cannot be synced this process ends, and its next one begins with what the disk has. Where no file
    can be opened for it nothing is lost."""
    try:
        database.settle()
    except OSError as error:
        if threads.is_shortage(error):
            raise
        log.critical("the database's log could not be synced: this process ends", why=str(error))
        os.kill(os.getpid(), signal.SIGTERM)
        raise


def _full() -> Answer:
    return endpoint.failure(503, "ServiceUnavailable", "Too many large requests are being answered; try again")


def _end(limit: asyncio.Timeout) -> None:
    """The time is over, if it is not already."""
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time())


def _counted(receive: Receive, place: Place) -> Receive:
    async def counted() -> Message:
        message = await receive()
        place.add(len(message.get("body", b"")))
        return message

    return counted


async def _read(receive: Receive, enough: int, begun: bytes = b"") -> tuple[bytes, bool]:
    """What was begun and what comes, until there is more than enough or the body ends; and whether it goes on. Raises
    ClientDisconnect where the client leaves first."""
    piece, more = await _piece(receive)
    if not more and not begun:
        return piece, False
    body = bytearray(begun) + piece
    while more and len(body) <= enough:
        piece, more = await _piece(receive)
        body += piece
    return bytes(body), more


async def _piece(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


def _without_body(request: SignedRequest) -> SignedRequest:
    """The request as if it had none, and said nothing else of it."""
    headers = tuple((name, _NO_BODY if name == _PAYLOAD_HASH else value) for name, value in request.headers)
    return replace(request, headers=headers, body=b"")


def _stated_length(request: SignedRequest) -> int:
    """Bytes of the body; the most that are taken where the request does not say."""
    stated = next((value for name, value in request.headers if name == "content-length"), "")
    return int(stated[:20]) if stated.isascii() and stated.isdecimal() else BODY_BYTES


async def _write_pulls(services: Services, threads: Threads) -> None:
    while True:
        await anyio.sleep(pulls.WRITE_SECONDS)
        await threads.run(_try_to_write_pulls, services)
        await threads.run(_try_to_checkpoint, services)


def _try_to_write_pulls(services: Services) -> None:
    try:
        pulls.write(services)
    except Exception as error:
        _log_failure(services, "pulls could not be written; tried again", error)


def _try_to_checkpoint(services: Services) -> None:
    try:
        services.database.checkpoint()
    except Exception as error:
        _log_failure(services, "the database's log could not be emptied; tried again", error)


def _log_failure(services: Services, what: str, error: Exception) -> None:
    told = services.outages.told(error)
    if not isinstance(told, Unavailable):
        log.error(what, exc_info=told)


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
    built = application(app.build(settings, lock_seconds=BUSY_SECONDS))
    # What the start made stays: the collector, which runs within requests, need not walk through it each time.
    gc.collect()
    gc.freeze()
    # A page of answers is some ten thousand objects without a cycle: at 700 the collector runs a dozen times for it.
    gc.set_threshold(20_000, 20, 50)
    return built
