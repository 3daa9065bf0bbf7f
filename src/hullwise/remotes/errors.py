"""Why something outside could not be had.

    RemoteError
    ├── OutboundMisconfigured   the rules themselves cannot be read: refused at start
    ├── Forbidden               the rules forbid every request
    ├── InvalidUrl              not a URL that can be asked
    ├── PrivateAddress          the host has an address that is not public
    ├── Unreachable             no answer: name, connection, TLS or protocol
    ├── TimedOut                the whole took too long
    ├── Refused                 an answer, but not the one that was asked for
    ├── BadRedirect             sent on to where we do not go
    ├── TooLarge                more bytes than the caller takes
    ├── Truncated               fewer bytes than were announced
    ├── WrongChecksum           other bytes than the caller expects
    ├── NotText                 bytes that are no UTF-8
    └── BeingFetched            another process or thread writes the same file

Messages show a URL without its user, password, query and fragment, as `urls.shown` gives it.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path


class RemoteError(Exception):
    """Base of all that a remote raises. Nothing was written under the wanted name."""


class OutboundMisconfigured(RemoteError):
    """`why` begins with the setting's name."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The rules for outbound requests cannot be read: {why}")
        self.why = why


class Forbidden(RemoteError):
    def __init__(self, url: str) -> None:
        super().__init__(f"{url} was not asked: outbound requests are turned off")
        self.url = url


class InvalidUrl(RemoteError):
    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{url!r} cannot be asked: {why}")
        self.url = url


class PrivateAddress(RemoteError):
    """`address` is the one that is not public; the host may have others."""

    def __init__(self, url: str, host: str, address: str) -> None:
        what = f"{host} has the address {address}, which is not public"
        super().__init__(f"{url} was not asked: {what}; the setting outbound_private may allow it")
        self.url = url
        self.host = host
        self.address = address


class Unreachable(RemoteError):
    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{url} cannot be reached: {why[:300]}")
        self.url = url


class TimedOut(RemoteError):
    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(f"{url} was not had within {seconds:g} seconds")
        self.url = url
        self.seconds = seconds


class Refused(RemoteError):
    """`status` is the HTTP status code of the last answer."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(f"{url} answered {status}{_phrase(status)}")
        self.url = url
        self.status = status


class BadRedirect(RemoteError):
    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{url} redirects {why}")
        self.url = url


class TooLarge(RemoteError):
    """`size` is what was announced, or None where the limit was passed on the way."""

    def __init__(self, url: str, size: int | None, limit: int) -> None:
        has = "sends" if size is None else f"has {size:,} bytes,"
        super().__init__(f"{url} {has} more than the {limit:,} bytes that are accepted")
        self.url = url
        self.size = size
        self.limit = limit


class Truncated(RemoteError):
    """`expected` is None where no length was announced and the transfer broke before its end."""

    def __init__(self, url: str, received: int, expected: int | None) -> None:
        of = "" if expected is None else f" of {expected:,}"
        super().__init__(f"{url} ended after {received:,}{of} bytes")
        self.url = url
        self.received = received
        self.expected = expected


class WrongChecksum(RemoteError):
    """Both are SHA-256 in lower-case hex."""

    def __init__(self, url: str, expected: str, computed: str) -> None:
        super().__init__(f"{url} has the SHA-256 {computed}, not {expected}")
        self.url = url
        self.expected = expected
        self.computed = computed


class NotText(RemoteError):
    def __init__(self, url: str) -> None:
        super().__init__(f"{url} is not UTF-8 text")
        self.url = url


class BeingFetched(RemoteError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is being fetched already")
        self.path = path


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""
