"""URLs: what can be asked, how one is shown, where a redirect leads."""

from __future__ import annotations

import httpx

from hullwise.remotes.addresses import literal
from hullwise.remotes.errors import BadRedirect, InvalidUrl

_LONGEST = 8192
_SHOWN = 300
_LONGEST_HOST = 253  # RFC 1035, 2.3.4, as text
_SCHEMES = frozenset({"http", "https"})
# Names in the DNS hold few others, and what one resolver unescapes another sees as an address.
_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")
# No zone: which of this machine's links it means is no matter of a URL.
_IPV6_CHARACTERS = frozenset("0123456789abcdefABCDEF:.")


def parse(text: str) -> httpx.URL:
    """The URL with its fragment cut off.

    Raises `InvalidUrl` unless it is whole, of http or https, with a host that is a name or an address and a port from
    1 to 65535.
    """
    if len(text) > _LONGEST:
        raise InvalidUrl(_safe(text), f"it has more than {_LONGEST} characters")
    try:
        url = httpx.URL(text).copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidUrl(_safe(text), "it is malformed") from error
    if url.scheme not in _SCHEMES:
        raise InvalidUrl(_safe(text), "its scheme is neither http nor https")
    if url.port is not None and not 0 < url.port < 65_536:
        raise InvalidUrl(_safe(text), "its port is out of range")
    _check_host(text, url.raw_host.decode("ascii"))
    return url


def host(name: str) -> str:
    """The name as it is compared and resolved: lower case, international letters encoded. Raises `InvalidUrl`."""
    try:
        found = httpx.URL(scheme="https", host=name).raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidUrl(name[:_SHOWN], "its host is malformed") from error
    _check_host(name, found)
    return found


def port(url: httpx.URL) -> int:
    """The port that is asked, which the URL need not spell."""
    return url.port or (443 if url.scheme == "https" else 80)


def _check_host(text: str, name: str) -> None:
    if not name or len(name) > _LONGEST_HOST:
        raise InvalidUrl(_safe(text), "its host is missing or too long")
    if not (_IPV6_CHARACTERS if ":" in name else _HOST_CHARACTERS).issuperset(name):
        raise InvalidUrl(_safe(text), "its host holds characters that no name has")
    try:
        literal(name)
    except ValueError as error:
        raise InvalidUrl(_safe(text), "its host ends in a number and is no address") from error


def shown(url: httpx.URL) -> str:
    """For messages: without user, password and fragment, the query as `…`, cut after some 300 characters."""
    path = url.raw_path.partition(b"?")[0].decode("ascii")
    return f"{url.scheme}://{url.netloc.decode('ascii')}{path}"[:_SHOWN] + ("?…" if url.query else "")


def _safe(text: str) -> str:
    """What may be shown of a text that cannot be taken apart."""
    before = text.partition("?")[0].partition("#")[0]
    return before.rpartition("@")[2][:_SHOWN]


def redirected(base: httpx.URL, location: str | None) -> httpx.URL:
    """Where `base` sends to. Its credentials go along to the same origin only, and none are taken from `location`.

    Raises `BadRedirect` where `location` is missing or cannot be asked, and from https to http.
    """
    if location is None:
        raise BadRedirect(shown(base), "without saying where")
    try:
        target = parse(str(base.join(location[:_LONGEST])))
    except (httpx.InvalidURL, ValueError) as error:
        raise BadRedirect(shown(base), "to a malformed URL") from error
    except InvalidUrl as error:
        raise BadRedirect(shown(base), f"where it cannot be followed: {error}") from error
    if base.scheme == "https" and target.scheme == "http":
        raise BadRedirect(shown(base), f"to {shown(target)}, from https to http")
    return target.copy_with(userinfo=base.userinfo if origin(base) == origin(target) else b"")


def origin(url: httpx.URL) -> tuple[str, bytes, int]:
    """Scheme, host and port: who is asked."""
    return url.scheme, url.raw_host, url.port or {"http": 80, "https": 443}[url.scheme]
