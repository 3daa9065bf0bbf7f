"""What may be asked of the outside."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, ip_network

import httpx

from hullwise.remotes import urls
from hullwise.remotes.addresses import Address, Network, is_public, literal, reached
from hullwise.remotes.errors import Forbidden, InvalidUrl, OutboundMisconfigured, PrivateAddress
from hullwise.settings import Settings

LOOPBACK = IPv4Address("127.0.0.1")

_WITH_PORT = re.compile(r"(\[[^\[\]]+\]|[^:/\[\]]+):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class OutboundRules:
    """Raises `OutboundMisconfigured` for an entry or a proxy that cannot be read."""

    allowed: bool = True
    """False forbids every request."""

    private: tuple[str, ...] = ()
    """What may be asked although its address is not public: exact host names, addresses, networks (`10.0.0.0/8`).
    Names and addresses may have a port (`mirror.internal:8443`, `[fd00::1]:443`), and are open at it alone then.

    A name that is listed may have any address: whoever answers for it in the DNS is trusted."""

    proxy: str = field(default="", repr=False)
    """`http://` or `https://` URL of the proxy that every request takes, itself private or not; empty: none.

    The proxy resolves names, so only the addresses that a URL spells, and `localhost`, can be checked here: it is the
    proxy that must keep clients from inner networks. Proxies that the environment names are not used."""

    def __post_init__(self) -> None:
        _read(self.private)
        if self.proxy:
            try:
                urls.parse(self.proxy)
            except InvalidUrl as error:
                raise OutboundMisconfigured(f"outbound_proxy: {error}") from error

    def check(self, url: str) -> httpx.URL:
        """The URL, unless what it spells can never be asked. Raises `InvalidUrl`, `Forbidden` and `PrivateAddress`; a
        name that turns out to be private only once it is resolved raises nothing here."""
        target = urls.parse(url)
        if not self.allowed:
            raise Forbidden(urls.shown(target))
        if address := self.private_spelling(target.raw_host.decode("ascii"), urls.port(target)):
            raise PrivateAddress(urls.shown(target), target.host, str(address))
        return target

    def first_private(self, host: str, port: int, addresses: Iterable[Address]) -> Address | None:
        """The first of the host's addresses that may not be connected to at the port, None where all may."""
        opened = [place for place, at in _read(self.private) if at in (None, port)]
        if host.removesuffix(".").lower() in opened:
            return None
        networks = [place for place in opened if not isinstance(place, str)]
        return next((address for address in addresses if not is_public(address) and not _in(address, networks)), None)

    def private_spelling(self, host: str, port: int) -> Address | None:
        """The address that may not be connected to at the port, where `host` itself tells it; None where it does not.

        `localhost` and names below it are loopback wherever they are resolved (RFC 6761, 6.3)."""
        address = literal(host)
        if address is None and f".{host.removesuffix('.').lower()}".endswith(".localhost"):
            address = LOOPBACK
        return None if address is None else self.first_private(host, port, [address])


def configured(settings: Settings) -> OutboundRules:
    """The rules that the settings make. Raises `OutboundMisconfigured`."""
    return OutboundRules(settings.outbound, settings.outbound_private, str(settings.outbound_proxy))


def _in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network or reached(address) in network for network in networks)


@lru_cache(maxsize=16)
def _read(private: tuple[str, ...]) -> tuple[tuple[str | Network, int | None], ...]:
    """Names and networks, each with its port; None: any."""
    return tuple(_entry(entry.strip()) for entry in private)


def _entry(text: str) -> tuple[str | Network, int | None]:
    try:
        match = _WITH_PORT.fullmatch(text)
        if match is None:
            return _place(text), None
        port = int(match[2])
        if not 0 < port < 65_536:
            raise ValueError("its port is out of range")
        return _place(match[1]), port
    except (ValueError, InvalidUrl) as error:
        raise OutboundMisconfigured(
            f"outbound_private: {text[:100]!r} is no host name, address or network, nor a host with its port: {error}"
        ) from error


def _place(text: str) -> str | Network:
    if "/" in text:
        return ip_network(text)
    bare = text.removeprefix("[").removesuffix("]")
    address = literal(bare)
    return urls.host(bare).removesuffix(".") if address is None else ip_network(address)
