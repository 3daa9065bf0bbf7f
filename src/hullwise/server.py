"""An API process: uvicorn on a socket that the supervisor holds, with the limits on heads that it lacks.

python -m hullwise.server DESCRIPTOR
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import resource
import signal
import socket
import ssl
import sys
import termios
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from ipaddress import IPv6Address
from types import FrameType
from typing import Any
from weakref import ref

import httptools
import structlog
import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from hullwise import application
from hullwise.answers import WHOLE, Fields
from hullwise.domain.limits import HEAD_BYTES
from hullwise.flows import INFLOW, OUTFLOW, Inflow, Outflow
from hullwise.settings import Settings, load
from hullwise.threads import Threads

log = structlog.get_logger()

HEAD_SECONDS = 30
"""In which a connection has sent the head of its first request; in twice as long, that of any later one."""
IDLE_SECONDS = 75
"""That a connection is kept for another request: longer than the 60 s after which proxies let go of theirs, which
would else send requests into connections that are just being closed."""
LEAST_BYTES = 32 << 10
"""That come in HEAD_SECONDS of a body that is on its way, or go of an answer."""
UNWANTED_BYTES = 32 << 20
"""Of a body that are still taken, and dropped, once its request is answered: a client that is cut off while it sends
may not see the answer."""
DRAIN_SECONDS = 15
"""For the requests that are being answered when the process is told to end."""

SENDERS = 40
"""Files that are sent at the same moment, of one process; a client that is waited for takes none of them."""

DESCRIPTORS = 1 << 16
"""Open files and connections that a process asks for, where it is let: the usual 1,024 are those of select()."""
_EACH = 3
"""Descriptors of a connection: its own, the file that it is sent or brings, and that by which a file is sent."""
_OTHERS = 192
"""Descriptors for what else is open: the database's connections without those of threads, libraries, _MORE."""
_THREAD = 4
"""Descriptors for what a thread has open."""
_MORE = 64
"""Connections that are taken beyond those that there is room for, to be answered with 503."""
_NEW_SECONDS = 1
"""That a connection is left to send the head of its request, however many others there are."""

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@cache
def _sending() -> Threads:
    """Threads for answers that the kernel sends: each is there while a client takes what it is sent, and as long as a
    disk is waited for."""
    return Threads(SENDERS)


_HOST = re.compile(
    rb"(?:\[(?:(?P<address>[0-9a-f:.]+)|v[0-9a-f]+\.[\w.~!$&'()*+,;=:-]+)\]|(?:[\w.~!$&'()*+,;=-]|%[0-9a-f]{2})*)"
    rb"(?::[0-9]*)?",
    re.IGNORECASE,
)
"""What Host may say (RFC 9110 7.2, RFC 3986 3.2.2): a name, which may be empty, or an address, and a port."""


_SINGLE = (b"content-type", b"content-range")
"""Headers whose lines are no list, and decide what a body is, beside those that llhttp looks after (RFC 9110 5.3)."""


_UNKNOWN_CODING = b"HTTP/1.1 501 Not Implemented\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class _HeadTooLarge(Exception):
    """Ends the parsing; no more of the connection is read."""


class _HeadWrong(Exception):
    """Likewise; says why."""


class _Full(Exception):
    """Likewise; there are too many connections."""


class _CodingUnknown(Exception):
    """Likewise; of a body that nobody here can read."""


def _is_host(value: bytes) -> bool:
    match = _HOST.fullmatch(value)
    if match is None or match["address"] is None:
        return match is not None
    try:
        IPv6Address(match["address"].decode())
    except ValueError:
        return False
    return True


def _authority(target: bytes) -> bytes | None:
    """Of the URL that a request is for; None: it is for a path."""
    if target.startswith(b"/"):
        return None
    _, absolute, rest = target.partition(b"://")
    return re.split(rb"[/?#]", rest, maxsplit=1)[0] if absolute else None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look at a connection found."""

    requests: int
    taken: int
    awaited: bool
    """Whether the client could have sent more of a body."""
    unsent: int
    """Bytes that it could have taken, where none are added to them."""


def _unsent(transport: asyncio.Transport, outflow: Outflow | None) -> int:
    """Bytes that the client has still to take before there is room for others; 0: there is."""
    held = transport.get_write_buffer_size() + (outflow.awaited if outflow is not None else 0)
    if not held:
        return 0
    try:
        # The kernel has some MB that go first, and only asks for more once a third of them is gone.
        queued = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):
        return held
    return held + int.from_bytes(queued, sys.byteorder)


_BEGINNING = _Seen(0, 0, False, 0)


class _Idle:
    """Connections of a server on which no request is being answered, by the time since when. Used in the loop alone."""

    def __init__(self) -> None:
        self._new: dict[Protocol, float] = {}
        """That have asked nothing yet."""
        self._kept: dict[Protocol, float] = {}

    def add(self, protocol: Protocol, now: float) -> None:
        self.remove(protocol)
        (self._new if protocol.cycle is None else self._kept)[protocol] = now

    def remove(self, protocol: Protocol) -> None:
        self._new.pop(protocol, None)
        self._kept.pop(protocol, None)

    def longest(self) -> tuple[Protocol, float] | None:
        """The one that is the longest, and since when; of those that have asked nothing, if there are any."""
        return next(iter(self._new.items()), None) or next(iter(self._kept.items()), None)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 of one connection, by llhttp, which takes heads of any length and waits for them for ever.

    A head of more than HEAD_BYTES is answered with 431, one that does not arrive in time not at all. A body that comes
    slower than LEAST_BYTES say, or of which too much comes that nobody wants, ends its connection; so does a client
    that takes as little of its answers for twice as long.

    Where there are more connections than `most`, a new one ends another that has no request, first of all one that
    never had any; if all have, it is answered with 503.
    """

    head_seconds: float = HEAD_SECONDS
    most: int = DESCRIPTORS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._heading = True
        """Whether the head of a request is awaited: the first one from the beginning."""
        self._received = 0
        """Bytes that came without making it whole."""
        self._head = 0
        """Bytes of its path and headers."""
        self._unwanted = 0
        """Bytes of its body that came after the answer."""
        self._requests = self._taken = 0
        """That began, and bytes of the connection."""
        self._in_body = False
        """Whether the rest of a body is awaited."""
        self._ended = False
        """Whether the client said that it sends no more."""
        self._told = False
        """Of the bytes that came last: whether they made anything whole, a piece of a body or a line of its trailer."""
        self._held_up = self._drained = False
        """Since the last look: whether the client was kept from sending; whether it took what it was sent."""
        self._slow = 0
        """Looks one after the other at which it had hardly taken any."""
        self._watch: asyncio.TimerHandle | None = None
        self._inflow: Inflow | None = None
        self._inflow_of: RequestResponseCycle | None = None
        """The request whose body it is."""
        self._outflow: Outflow | None = None
        self._outflow_of: RequestResponseCycle | None = None
        self._idle: _Idle = vars(self.server_state).setdefault("idle", _Idle())
        self._over = False
        """Whether there was no room for it when it came."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if self.scheme == "https":
            # Eight times as much without this.
            self.transport.set_write_buffer_limits(high=HIGH_WATER_LIMIT)
        self._watch_after(_BEGINNING)
        self._find_room()

    def _find_room(self) -> None:
        now, count = self.loop.time(), len(self.connections)
        longest = self._idle.longest() if count > self.most else None
        if longest is not None and (longest[1] < now - _NEW_SECONDS or count > self.most + _MORE):
            self._idle.remove(longest[0])
            # Not close(), which of TLS waits for the client.
            longest[0].transport.abort()
        else:
            self._over = count > self.most
        self._idle.add(self, now)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._idle.remove(self)
        super().connection_lost(exc)
        if self._inflow is not None:
            self._inflow.cut()
        if self._outflow is not None:
            self._outflow.cut()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio takes either
        """Whoever has sent all that it asks, and says so, gets its answers. TLS has no such half of a connection."""
        self._ended = True
        whole = self.cycle is not None and not self._in_body and not self._is_answered()
        return whole and self.scheme == "http"

    def data_received(self, data: bytes) -> None:
        requests = self._requests
        self._taken += len(data)
        self._unset_keepalive_if_required()
        self._told = False
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            why = error.__context__
            if isinstance(why, _CodingUnknown | _Full):
                self._refuse(_FULL if isinstance(why, _Full) else _UNKNOWN_CODING)
                return
            self.send_400_response(str(why) if isinstance(why, _HeadWrong) else "Invalid HTTP request received.")
            return
        if self.transport is None or self.transport.is_closing():
            return
        if self._in_body and self._told:
            self._received = 0
        elif self._in_body or (self._heading and requests == self._requests):
            # llhttp tells of a line when it is whole, and keeps what it has of it.
            self._received += len(data)
            if self._received > 2 * HEAD_BYTES:
                self._refuse()
        if self._is_answered() and self.timeout_keep_alive_task is None:
            # Whatever came was no request: uvicorn waits for the next one without an end.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _feed(self, data: bytes) -> None:
        """Parse. An offer to speak another protocol is passed over (RFC 9110 7.8), but llhttp takes what follows the
        head for that protocol: so the head is parsed once more, without it. Raises HttpParserError."""
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offered:
                if self.parser.get_method() == b"CONNECT":
                    raise httptools.HttpParserInvalidMethodError("CONNECT") from offered
                data = self._head_without_offer() + data[offered.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _head_without_offer(self) -> bytes:
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                options = map(bytes.strip, value.split(b","))
                lines.append(b"connection: " + b",".join(each for each in options if each.lower() != b"upgrade"))
            elif name != b"upgrade":
                lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._heading, self._received, self._head, self._unwanted = True, 0, 0, 0
        self._requests += 1

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        # What follows a chunked body is no header (RFC 9110 6.5.1): nothing here asks for any of it.
        if not self._in_body:
            # llhttp leaves what stands behind a value (RFC 9110 5.5).
            super().on_header(name, value.rstrip(b" \t"))
        self._told = True
        self._head += len(name) + len(value)
        if self._head > HEAD_BYTES:
            raise _HeadTooLarge

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        if self._over and len(self.connections) > self.most:
            raise _Full
        self._place_host()
        self._check_head()
        super().on_headers_complete()
        self._over = False
        self._idle.remove(self)
        self._heading, self._in_body = False, True
        # Weak, since the request has the scope: else each would be left to the collector of cycles.
        cycle = ref(self.cycle)
        extensions: dict[str, Any] = {
            INFLOW: {"begin": partial(self._flows_in, cycle)},
            WHOLE: partial(self._answers, cycle),
        }
        if self.scheme == "http":
            extensions[OUTFLOW] = {"begin": partial(self._flows_out, cycle)}
        self.scope["extensions"] = extensions

    def _place_host(self) -> None:
        """There is one Host header, but in HTTP/1.0, which may do without; that of a target that is a URL counts (RFC
        9112 3.2). Raises _HeadWrong."""
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            raise _HeadWrong("A request has one Host header.")
        authority = _authority(self.url)
        if authority is not None:
            hosts.append(authority)
            self.headers[:] = [
                *((name, value) for name, value in self.headers if name != b"host"),
                (b"host", authority),
            ]
        if not all(map(_is_host, hosts)):
            raise _HeadWrong("The host of a request is a name or an address, and a port.")

    def _check_head(self) -> None:
        """Nothing is said twice that has one value, and a body is in no coding but chunks, of which HTTP/1.0 has none
        (RFC 9112 6.1). Raises _HeadWrong and _CodingUnknown."""
        names = [name for name, _ in self.headers]
        for name in _SINGLE:
            if names.count(name) > 1:
                raise _HeadWrong(f"A request has one {name.decode()} header at most.")
        old = self.parser.get_http_version() == "1.0"
        if old:
            # 100 is no answer that its clients know (RFC 9110 10.1.1).
            self.expect_100_continue = False
        codings = b",".join(value for name, value in self.headers if name == b"transfer-encoding").lower()
        if codings and old:
            raise _HeadWrong("A body of HTTP/1.0 has no transfer coding.")
        # A body whose last coding is another has no end: llhttp says so, once it is told to go on.
        if codings != b"chunked" and codings.rpartition(b",")[2].strip() == b"chunked":
            raise _CodingUnknown

    def _flows_in(self, begun: ref[RequestResponseCycle]) -> Inflow:
        """The body of a request, from here on."""
        cycle = begun()
        assert cycle is not None, "it is there for as long as it is being answered"

        def go_on() -> None:
            if cycle.waiting_for_100_continue and not self.transport.is_closing():
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                cycle.waiting_for_100_continue = False
            self.flow.resume_reading()

        inflow = Inflow(go_on, self.flow.pause_reading)
        if cycle.body:
            inflow.add(bytes(cycle.body))
            cycle.body = bytearray()
        if not cycle.more_body:
            inflow.end()
        if cycle.disconnected:
            inflow.cut()
        self._inflow, self._inflow_of = inflow, cycle
        return inflow

    def _flows_out(self, begun: ref[RequestResponseCycle]) -> Outflow:
        """The body of an answer, from here on."""
        cycle = begun()
        assert cycle is not None, "it is there for as long as it is being answered"

        def sent(count: int) -> None:
            cycle.expected_content_length -= count

        def gone() -> None:
            # uvicorn says so of the last request of a connection, and takes any other for one that nobody answered.
            cycle.disconnected = True
            self.transport.abort()

        self._outflow, self._outflow_of = Outflow(self.transport, _sending().run, sent, gone), cycle
        if cycle is self.cycle:
            # Nobody reads what the request may have of a body: it is dropped.
            cycle.body = bytearray()
            self.flow.resume_reading()
        return self._outflow

    def _answers(self, begun: ref[RequestResponseCycle], status: int, fields: Fields, body: bytes) -> bool:
        """A whole answer as one piece: what uvicorn does for a head, and then for a body."""
        cycle = begun()
        assert cycle is not None and not cycle.response_started, "it is there for as long as it is being answered"
        if self.flow.write_paused:
            return False
        if cycle.disconnected:
            return True
        lines = [b"%s: %s\r\n" % field for field in (*cycle.default_headers, *fields)]
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        if head.count(b"\r") != len(lines) or head.count(b"\n") != len(lines) or b"\0" in head:
            raise ValueError("a field of the answer has a character that would end it")
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        sent = b"" if cycle.scope["method"] == "HEAD" else body
        self.transport.write(b"".join((STATUS_LINE[status], head, b"\r\n", sent)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def _in_flow(self) -> Inflow | None:
        """Where the body that is being received goes; None: to ASGI."""
        return None if self.cycle is None or self.cycle is not self._inflow_of else self._inflow

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._in_body = False
        super().on_message_complete()
        inflow = self._in_flow()
        if inflow is not None:
            inflow.end()

    def resume_writing(self) -> None:
        self._drained = True
        super().resume_writing()

    def on_body(self, body: bytes) -> None:
        self._told = True
        inflow, unread = self._in_flow(), self.cycle is self._outflow_of
        if inflow is not None and not self.cycle.response_complete:
            inflow.add(body)
        elif not unread:
            super().on_body(body)
        if self.flow.read_paused:
            self._held_up = True
        if self.cycle.response_complete or unread:
            self._unwanted += len(body)
            if self._unwanted > UNWANTED_BYTES:
                self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Whether a client that asked first sends its body after such an answer, or its next request, cannot be told.
        unsent = self.expect_100_continue and self.cycle.response_complete and self.cycle.more_body
        if unsent or (self._ended and self._is_answered()):
            self.transport.close()
        elif self._is_answered() and not self.transport.is_closing():
            self._idle.add(self, self.loop.time())

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > HEAD_BYTES:
            raise _HeadTooLarge

    def send_400_response(self, msg: str) -> None:
        if self._head > HEAD_BYTES:
            self._refuse()
        elif self._is_next_to_answer():
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def _is_next_to_answer(self) -> bool:
        """Whether an answer that is written now is one to what comes in now; else it would stand within another, or be
        taken for it."""
        if self.cycle is None or (self._is_answered() and not self._in_body):
            return True
        return self._in_body and not self.pipeline and not self.cycle.response_started

    def _refuse(self, answer: bytes = _TOO_LARGE) -> None:
        if self._is_next_to_answer():
            self.transport.write(answer)
            self.transport.close()
        else:
            self.transport.abort()

    def _is_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete and not self.pipeline

    def _watch_after(self, seen: _Seen) -> None:
        """One timer a connection, not one a request."""
        self._watch = self.loop.call_later(self.head_seconds, self._look, seen)

    def _look(self, before: _Seen) -> None:
        held_up, self._held_up = self._held_up or self.flow.read_paused, False
        drained, self._drained = self._drained, False
        closing = self.transport.is_closing()
        answered = closing or self.cycle is None or self._is_answered()
        awaited = self._in_body and not held_up and not (self.cycle is not None and self.cycle.waiting_for_100_continue)
        # How much was ever written nobody knows; but nothing is while the client is waited for.
        waiting = self.flow.write_paused or answered or (self._outflow is not None and self._outflow.awaited > 0)
        unsent = _unsent(self.transport, self._outflow) if waiting else 0
        now = _Seen(self._requests, self._taken, awaited, unsent)
        same = now.requests == before.requests
        unread = same and not drained and before.unsent - now.unsent < LEAST_BYTES and 0 < now.unsent <= before.unsent
        self._slow = self._slow + 1 if unread else 0
        if self._slow == 2:
            # Not close(), which waits for the rest to be taken.
            self.transport.abort()
            return
        heading = self._heading and same and answered
        lagging = awaited and before.awaited and same and now.taken - before.taken < LEAST_BYTES
        if (heading or lagging) and not closing:
            self.transport.close()
        self._watch_after(now)


def configuration(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        application.create,
        factory=True,
        interface="asgi3",
        http=Protocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        # Who is believed about where a request came from is this project's to say.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        # What strangers send is no error of this process.
        log_level="error",
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
    )


def _descriptors() -> int:
    """How many this process may have open, once it has asked for as many as it is let, DESCRIPTORS at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < DESCRIPTORS:
        wanted = DESCRIPTORS if hard == unlimited else min(hard, DESCRIPTORS)
        # macOS says that there is no limit, and has one.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return DESCRIPTORS if soft == unlimited else min(soft, DESCRIPTORS)


def _connections(descriptors: int, threads: int) -> int:
    """How many there is room for, so that none of them, nor all together, leave the others without a descriptor."""
    return max((descriptors - _OTHERS - _THREAD * threads) // _EACH, 1)


def run(listening: socket.socket) -> None:
    """Answer what reaches the socket, until SIGTERM or SIGINT; then end what was begun. After SIGHUP new connections
    are served with the certificate that its files hold then."""
    settings = load()
    Protocol.most = _connections(_descriptors(), settings.threads)
    config = configuration(settings)
    if settings.tls_cert:
        signal.signal(signal.SIGHUP, partial(_renew, config, settings))
    uvicorn.Server(config).run([listening])


def _renew(config: uvicorn.Config, settings: Settings, _number: int, _frame: FrameType | None) -> None:
    """Connections take the certificate from the context when they begin: none is closed for a new one. The supervisor
    has found that the files are good."""
    context: ssl.SSLContext | None = getattr(config, "ssl", None)
    if context is None:
        # The files are still to be read.
        return
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:
        log.error("the certificate could not be read again; this process begins anew", why=str(error))
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    run(socket.socket(fileno=int(sys.argv[1])))
