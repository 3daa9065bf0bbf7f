"""Every request to the outside.

A download is a row of attempts at one document:

    ask (If-None-Match, If-Modified-Since; Range and If-Range where a part is held)
     ├─ 304                     unchanged
     ├─ 3xx                     at most five times elsewhere, each under the same rules
     ├─ 200                     from the first byte
     ├─ 206 that continues      from where it broke
     ├─ 206 that does not, 416  once more without the part
     ├─ 429, 5xx                later: as Retry-After says, capped
     └─ else                    refused

A post is one attempt, and whoever posts makes the next one: a redirect is an answer like any other. `open` gives the
first answer that is neither a redirect nor for later, whatever its status; its body is read once, by the caller.

A broken connection is an attempt like 429; the part that came is continued. A megabyte of progress makes the count of
failures start again, so a long download over a bad line ends; the time for the whole bounds everything.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import httpx

from hullwise import __version__
from hullwise.remotes import urls
from hullwise.remotes.errors import (
    BadRedirect,
    Forbidden,
    NotText,
    Refused,
    RemoteError,
    TimedOut,
    TooLarge,
    Truncated,
    Unreachable,
    WrongChecksum,
)
from hullwise.remotes.network import (
    CLOSED,
    FAILURES,
    LOCATION,
    Budget,
    CheckedTransport,
    Resolve,
    system_addresses,
    trusted,
)
from hullwise.remotes.rules import OutboundRules
from hullwise.remotes.sinks import Memory, PartialFile, Sink
from hullwise.remotes.validators import Validators, content_range, retry_after, strong

Progress = Callable[[int, int | None], None]
"""Told the bytes had so far and the whole size, None where it is not known. What it raises ends the download."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_TOO_MANY_REQUESTS = 429
_PROGRESS = 1 << 20

# They log whole URLs, with what is secret in them, and at their lowest level each header.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """All in seconds."""

    connect: float = 10.0
    """For a connection to one address, and for TLS."""

    read: float = 60.0
    """For the next bytes."""

    file: float = 3600.0
    """For all of a `fetch`, waiting and repeating included."""

    document: float = 120.0
    """For all of a `get` or `text`."""

    post: float = 15.0
    """For all of a `post`."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole file at `path`; `size` in bytes, `sha256` in lower-case hex, `modified` in UTC as the server says."""

    path: Path
    validators: Validators
    size: int
    sha256: str
    modified: datetime | None


@dataclass(frozen=True, slots=True)
class Content:
    """A whole document in memory."""

    data: bytes
    validators: Validators
    modified: datetime | None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The document is still the known one; `validators` are those to ask with next time."""

    validators: Validators


@dataclass(frozen=True, slots=True)
class Answer:
    """What a `post` was answered with."""

    status: int

    data: bytes
    """The body, or its beginning."""

    whole: bool
    """Whether `data` is all of the body."""

    after: float | None
    """Seconds to wait before the next request, not below 0, where the server says (Retry-After)."""


def _silent(size: int, whole: int | None) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer whose body is still to be read, once."""

    status: int

    headers: httpx.Headers

    at_home: bool
    """Whether no redirect has led to another origin than the one that was asked."""

    pieces: Iterator[bytes]
    """The body. Raises `Truncated` where it breaks off, and `TimedOut`."""


class _Again(Exception):
    """Worth another attempt; `error` is the one to tell where there is none left.

    `after` seconds, where the server says; `anew`: at once, without the part that is held."""

    def __init__(self, error: RemoteError, *, after: float | None = None, anew: bool = False) -> None:
        super().__init__(error)
        self.error = error
        self.after = after
        self.anew = anew


@dataclass(frozen=True, slots=True)
class _Transfer:
    url: httpx.URL
    sink: Sink
    known: Validators
    limit: int
    sha256: str = ""
    progress: Progress = _silent

    def headers(self) -> dict[str, str]:
        asked = self.known.conditions()
        if self.sink.offset:
            asked |= {"Range": f"bytes={self.sink.offset}-", "If-Range": self.sink.strong}
        return asked


class Remote:
    """Asks under the rules; a context manager, for one thread at a time. Connections are kept until it is left.

    Every method but `post` raises `Forbidden`, `InvalidUrl`, `PrivateAddress`, `Unreachable`, `TimedOut`, `Refused`,
    `BadRedirect`, `TooLarge` and `Truncated`. Content codings are not undone: identity is asked for, and what comes is
    what is stored, a gzip'ed file as a gzip'ed file. A user and password in a URL are sent as Basic authentication, to
    its origin only. Where neither a length nor chunks frame an answer, its end cannot be told from a broken
    connection: give its checksum.
    """

    def __init__(
        self,
        rules: OutboundRules,
        *,
        timeouts: Timeouts = Timeouts(),
        attempts: int = 4,
        longest_wait: float = 60.0,
        trust: ssl.SSLContext | None = None,
        resolve: Resolve = system_addresses,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`attempts` in a row that fail end a call. Between them `sleep` is called, never for more than `longest_wait`
        seconds, whatever Retry-After says. `trust` verifies the servers' certificates, by default against certifi's
        authorities."""
        self._rules = rules
        self._timeouts = timeouts
        self._attempts = attempts
        self._longest_wait = longest_wait
        self._sleep = sleep
        self._budget = Budget()
        self._kept = False
        self._client = httpx.Client(
            transport=CheckedTransport(rules, trust or trusted(), resolve, self._budget),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(timeouts.read, connect=timeouts.connect),
            headers={"User-Agent": f"hullwise/{__version__}", "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def fetch(
        self,
        url: str,
        path: Path,
        *,
        known: Validators | None = None,
        limit: int,
        sha256: str = "",
        progress: Progress = _silent,
    ) -> Fetched | Unchanged:
        """`path` holds the whole document, of at most `limit` bytes, durably; or it is unchanged and untouched.

        At no time is half a file at `path`, and after an error it is as it was. `<path>.partial` and a note beside it
        may stay: the next call continues from there, also after the process was killed. `known` alone decides whether
        the document is asked for, not whether `path` exists. Also raises `WrongChecksum` where `sha256` is given, in
        hex, and is not the document's, `BeingFetched` where the same path is being fetched, and OSError where the
        folder is missing or full.
        """
        target = self._permitted(url)
        with PartialFile(path, str(target)) as partial:
            unchanged = self._obtain(
                _Transfer(target, partial, known or Validators(), limit, sha256.lower(), progress), self._timeouts.file
            )
            if unchanged:
                return unchanged
            partial.finish()
            return Fetched(path, partial.validators, partial.size, partial.sha256(), partial.validators.modified)

    def get(self, url: str, limit: int, known: Validators | None = None) -> Content | Unchanged:
        """The document, of at most `limit` bytes, or that it is unchanged."""
        memory = Memory()
        unchanged = self._obtain(
            _Transfer(self._permitted(url), memory, known or Validators(), limit), self._timeouts.document
        )
        return unchanged or Content(bytes(memory.data), memory.validators, memory.validators.modified)

    def text(self, url: str, limit: int) -> str:
        """The document, of at most `limit` bytes, a byte order mark cut off. Also raises `NotText`."""
        found = self.get(url, limit)
        assert isinstance(found, Content)  # nothing was known
        try:
            return found.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise NotText(urls.shown(urls.parse(url))) from error

    def post(self, url: str, body: bytes, headers: Mapping[str, str], limit: int) -> Answer:
        """Send the body, once. Every status is an answer, and no redirect is followed.

        Once there is a status it is told, even where the body of the answer breaks off, takes too long or has more
        than `limit` bytes. Raises `Forbidden`, `InvalidUrl`, `PrivateAddress`, `Unreachable` and `TimedOut` only; after
        the last two the other side may have got the body. Where the connection of the post before was kept, and turns
        out to be closed, the body is sent again on a new one.
        """
        target = self._permitted(url)
        seconds = self._timeouts.post
        self._budget.start(seconds)
        try:
            response = self._posted(target, body, headers)
        except FAILURES as error:
            shown = urls.shown(target)
            late = self._budget.left() <= 0
            raise (TimedOut(shown, seconds) if late else Unreachable(shown, _reason(error))) from error
        with closing(response):
            data, self._kept = _beginning(response, limit)
            return Answer(response.status_code, data, self._kept, retry_after(response.headers))

    @contextmanager
    def open(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        method: Literal["GET", "HEAD"] = "GET",
        authorization: str = "",
        seconds: float,
    ) -> Iterator[Opened]:
        """The answer, its body to be read within the block; `seconds` are for all of it.

        `authorization` is sent to the origin of `url` only: once a redirect has led elsewhere it is not sent any more,
        wherever the next one leads. Every status is an answer but for redirects, 429 and 5xx, which raise `Refused`
        after the last attempt. The caller bounds what it takes of the body: this raises no `TooLarge`.
        """
        target = self._permitted(url)
        self._budget.start(seconds)
        failures = 0
        while True:
            try:
                response, at_home = self._settled(method, target, headers, authorization, seconds)
                break
            except _Again as again:
                failures += 1
                wait = self._pause(again, failures)
            self._sleep(wait)
        with closing(response):
            yield Opened(response.status_code, response.headers, at_home, self._pieces(response, seconds))

    def _settled(
        self, method: str, target: httpx.URL, headers: Mapping[str, str], authorization: str, seconds: float
    ) -> tuple[httpx.Response, bool]:
        response, at_home = self._followed(method, target, headers, authorization, seconds)
        if response.status_code == _TOO_MANY_REQUESTS or response.status_code >= 500:
            response.close()
            refused = Refused(urls.shown(response.url), response.status_code)
            raise _Again(refused, after=retry_after(response.headers))
        return response, at_home

    def _pieces(self, response: httpx.Response, seconds: float) -> Iterator[bytes]:
        shown, received = urls.shown(response.url), 0
        try:
            for piece in response.iter_raw():
                received += len(piece)
                yield piece
        except FAILURES as error:
            late = self._budget.left() <= 0
            raise (TimedOut(shown, seconds) if late else Truncated(shown, received, None)) from error

    def _posted(self, target: httpx.URL, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        kept, self._kept = self._kept, False
        request = self._client.build_request("POST", target, content=body, headers=dict(headers))
        try:
            return self._client.send(request, stream=True)
        except CLOSED:
            if not kept:
                raise
        return self._client.send(request, stream=True)

    def _permitted(self, url: str) -> httpx.URL:
        target = urls.parse(url)
        if not self._rules.allowed:
            raise Forbidden(urls.shown(target))
        return target

    def _obtain(self, transfer: _Transfer, seconds: float) -> Unchanged | None:
        """The sink holds the whole document, or it is unchanged and the sink is empty."""
        self._budget.start(seconds)
        failures, anew = 0, False
        while True:
            before = transfer.sink.size
            try:
                return self._attempt(transfer, seconds)
            except _Again as again:
                if again.anew:
                    if anew:
                        raise again.error from again.__cause__
                    anew = True
                    transfer.sink.discard()
                    continue
                failures = 1 if transfer.sink.size - before >= _PROGRESS else failures + 1
                wait = self._pause(again, failures)
            self._sleep(wait)

    def _pause(self, again: _Again, failures: int) -> float:
        """Seconds before the next attempt. Raises its error where there is none left."""
        wait = min(2.0 ** (failures - 1) if again.after is None else again.after, self._longest_wait)
        if failures >= self._attempts or wait > self._budget.left():
            raise again.error from again.__cause__
        return wait

    def _attempt(self, transfer: _Transfer, seconds: float) -> Unchanged | None:
        sink = transfer.sink
        if sink.size > transfer.limit:
            sink.discard()
        continued = sink.offset > 0
        answered, _ = self._followed("GET", transfer.url, transfer.headers(), "", seconds)
        with closing(answered) as response:
            if response.status_code == 304 and transfer.known.conditions():
                sink.discard()
                return Unchanged(transfer.known.updated(response.headers))
            self._receive(transfer, response, self._begin(transfer, response), seconds)
        computed = sink.sha256() if transfer.sha256 else ""
        if computed != transfer.sha256:
            wrong = WrongChecksum(urls.shown(transfer.url), transfer.sha256, computed)
            sink.discard()
            # The part may be to blame.
            raise _Again(wrong, anew=True) if continued else wrong
        return None

    def _followed(
        self, method: str, target: httpx.URL, headers: Mapping[str, str], authorization: str, seconds: float
    ) -> tuple[httpx.Response, bool]:
        """The first answer that is no redirect, and whether all redirects led to the same origin."""
        url, at_home = target, True
        for _ in range(_MOST_REDIRECTS + 1):
            secret = {"Authorization": authorization} if authorization and at_home else {}
            try:
                request = self._client.build_request(method, url, headers={**headers, **secret})
                response = self._client.send(request, stream=True)
            except FAILURES as error:
                raise self._failure(Unreachable(urls.shown(url), _reason(error)), url, error, seconds) from error
            if response.status_code not in _REDIRECTS:
                return response, at_home
            response.close()
            location = response.extensions[LOCATION]
            url = urls.redirected(url, None if location is None else location.decode("utf-8", "replace"))
            at_home = at_home and urls.origin(url) == urls.origin(target)
        raise BadRedirect(urls.shown(target), f"more than {_MOST_REDIRECTS} times")

    def _begin(self, transfer: _Transfer, response: httpx.Response) -> int | None:
        """The sink is ready for the body of this answer; the size that it will then have, where one is announced."""
        sink, status, headers = transfer.sink, response.status_code, response.headers
        refused = Refused(urls.shown(response.url), status)
        if status == _TOO_MANY_REQUESTS or status >= 500:
            raise _Again(refused, after=retry_after(headers))
        if status == 200:
            validators = Validators().updated(headers)
            sink.restart(validators, strong(validators, headers))
            framed = "transfer-encoding" not in headers and "content-length" in headers
            return int(headers["content-length"]) if framed else None
        if status in {206, 416} and sink.offset:
            part = content_range(headers) if status == 206 else None
            if part is None or part[0] != sink.offset or not _same(sink, headers):
                raise _Again(refused, anew=True)
            sink.validators = sink.validators.updated(headers)
            return part[1] + 1 if part[2] is None else part[2]
        raise refused

    def _receive(self, transfer: _Transfer, response: httpx.Response, whole: int | None, seconds: float) -> None:
        sink, shown = transfer.sink, urls.shown(response.url)
        if whole is not None and whole > transfer.limit:
            sink.discard()
            raise TooLarge(shown, whole, transfer.limit)
        transfer.progress(sink.size, whole)
        try:
            for piece in response.iter_raw():
                if sink.size + len(piece) > transfer.limit:
                    sink.discard()
                    raise TooLarge(shown, None, transfer.limit)
                sink.write(piece)
                transfer.progress(sink.size, whole)
        except FAILURES as error:
            raise self._failure(Truncated(shown, sink.size, whole), response.url, error, seconds) from error
        if whole is not None and sink.size != whole:
            raise _Again(Truncated(shown, sink.size, whole))

    def _failure(self, failed: RemoteError, url: httpx.URL, error: Exception, seconds: float) -> Exception:
        if self._budget.left() <= 0:
            return TimedOut(urls.shown(url), seconds)
        # A certificate does not become right by asking again.
        return failed if _is_certificate(error) else _Again(failed)


def _beginning(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """The body, and whether it is whole: where it is not, what came of it, of at most `limit` bytes."""
    data = bytearray()
    try:
        for piece in response.iter_raw():
            data += piece
            if len(data) > limit:
                return bytes(data[:limit]), False
    except FAILURES:
        return bytes(data), False
    return bytes(data), True


def _same(sink: Sink, headers: httpx.Headers) -> bool:
    """Whether a part belongs to the document that the sink holds: no other entity tag is named."""
    named = headers.get("etag", "")
    return not named or not sink.validators.etag or named == sink.validators.etag


def _is_certificate(error: Exception) -> bool:
    return any(isinstance(argument, ssl.SSLCertVerificationError) for argument in error.args)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
