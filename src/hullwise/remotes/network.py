"""The way to a socket, where the rules hold.

    httpx.Client ─ CheckedTransport ─ httpcore pool ─ Sockets ─ TimedStream ─ socket
                     │ what the URL spells              │ resolve once, check every address, connect to one of those
                     └ names the URL in errors          └ TLS is verified for the name by the pool, above the socket

What was checked is what is connected to: between the two no name is resolved again, so that an answer of the DNS that
changes meanwhile (rebinding) changes nothing.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpcore
import httpx

from hullwise.remotes import urls
from hullwise.remotes.addresses import Address, literal
from hullwise.remotes.errors import OutboundMisconfigured, PrivateAddress
from hullwise.remotes.rules import OutboundRules

Resolve = Callable[[str, int], Sequence[str]]
"""From a host name and a port to addresses as text, in the order to try; raises OSError where there are none."""

FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpx.TransportError,
)
"""What `CheckedTransport` and its streams raise where the network or the other side fails."""

CLOSED = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)
"""Those of them that a kept connection ends in where the other side closed it meanwhile."""

LOCATION = "location"
"""The extension of a response that holds its Location as bytes."""

_TRIED = 4
# The client would read cookies and prepare to follow redirects, both of which parse what a stranger sent.
_WITHHELD = frozenset({b"set-cookie", b"set-cookie2", b"location"})


def system_addresses(host: str, port: int) -> list[str]:
    """Asks the system's resolver, whose own limits say how long that takes."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def trusted(extra: Path | None = None) -> ssl.SSLContext:
    """Verifies against the authorities of certifi and those in the PEM file `extra`.

    Raises `OutboundMisconfigured` where the file cannot be read or holds none."""
    context = httpx.create_ssl_context(trust_env=False)
    if extra is not None:
        try:
            context.load_verify_locations(cafile=extra)
        except OSError as error:  # ssl.SSLError is one
            raise OutboundMisconfigured(f"outbound_certificates: {extra}: {error}") from error
    return context


class Budget:
    """The seconds that all of a call may take. One call at a time."""

    def __init__(self) -> None:
        self._end = 0.0

    def start(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        return self._end - time.monotonic()

    def within(self, timeout: float | None) -> float:
        """The timeout of the next step. Raises `httpcore.ReadTimeout` where nothing is left."""
        left = self.left()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for the whole is up")
        return left if timeout is None else min(timeout, left)


class NotPublic(Exception):
    """Inside this module only: `PrivateAddress` without the URL."""

    def __init__(self, host: str, address: Address) -> None:
        super().__init__(host, address)
        self.host = host
        self.address = address


class Sockets(httpcore.NetworkBackend):
    """Connects to addresses that the rules permit; where `rules` is None, to any: the proxy's."""

    def __init__(self, rules: OutboundRules | None, resolve: Resolve, budget: Budget) -> None:
        self._rules = rules
        self._resolve = resolve
        self._budget = budget
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in self._addresses(host, port)[:_TRIED]:
            try:
                stream = self._plain.connect_tcp(
                    str(address), port, self._budget.within(timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return TimedStream(stream, self._budget)
        raise failure

    def _addresses(self, host: str, port: int) -> list[Address]:
        """All of the host's, each permitted. One that is not spoils the rest: such an answer is not honest."""
        spelled = literal(host)
        if spelled is None:
            try:
                found = [ip_address(text) for text in self._resolve(host, port)]
            except (OSError, ValueError) as error:
                raise httpcore.ConnectError(error) from error
        else:
            found = [spelled]
        forbidden = self._rules.first_private(host, port, found) if self._rules else None
        if forbidden is not None:
            raise NotPublic(host, forbidden)
        return found


class TimedStream(httpcore.NetworkStream):
    """No step takes longer than what is left of the budget, however slowly bytes drip."""

    def __init__(self, stream: httpcore.NetworkStream, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._budget.within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._budget.within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._budget.within(timeout))
        return TimedStream(secured, self._budget)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class CheckedTransport(httpx.BaseTransport):
    """Sends what the rules permit. Raises `PrivateAddress`, and any of FAILURES."""

    def __init__(self, rules: OutboundRules, trust: ssl.SSLContext, resolve: Resolve, budget: Budget) -> None:
        self._rules = rules
        self._pool = _pool(rules, trust, resolve, budget)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii")
        try:
            if forbidden := self._rules.private_spelling(host, urls.port(request.url)):
                raise NotPublic(host, forbidden)
            response = self._pool.handle_request(_core_request(request))
        except NotPublic as error:
            raise PrivateAddress(urls.shown(request.url), error.host, str(error.address)) from error
        location = next((value for name, value in response.headers if name.lower() == b"location"), None)
        return httpx.Response(
            response.status,
            headers=[(name, value) for name, value in response.headers if name.lower() not in _WITHHELD],
            stream=_Body(response),
            extensions={**response.extensions, LOCATION: location},
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


def _core_request(request: httpx.Request) -> httpcore.Request:
    return httpcore.Request(
        request.method,
        _core_url(request.url),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


def _core_url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _pool(
    rules: OutboundRules, trust: ssl.SSLContext, resolve: Resolve, budget: Budget
) -> httpcore.ConnectionPool | httpcore.HTTPProxy:
    if not rules.proxy:
        return httpcore.ConnectionPool(ssl_context=trust, network_backend=Sockets(rules, resolve, budget))
    proxy = httpx.Proxy(rules.proxy)
    return httpcore.HTTPProxy(
        _core_url(proxy.url),
        proxy_auth=proxy.raw_auth,
        ssl_context=trust,
        proxy_ssl_context=trust if proxy.url.scheme == "https" else None,
        network_backend=Sockets(None, resolve, budget),
    )
