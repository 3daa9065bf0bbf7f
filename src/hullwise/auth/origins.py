"""Where a request came from, and which registry its host name stands for.

    connection ── from a trusted proxy? ── no ──▶ its own address, scheme and Host
                                       └─ yes ──▶ X-Forwarded-For (the last one that is no proxy of ours), -Proto, -Host

A header of whoever is no trusted proxy is not looked at: it says what the client wants us to believe. Where a proxy of
ours names its client by no address (`unknown`), the client's is unknown: it is not the proxy's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hullwise.domain import addresses

_HOST = re.compile(
    r"([0-9]{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]{1,64})(?:\.[a-z0-9.-]+)?(?::[0-9]{1,5})?", re.IGNORECASE
)
_WITH_PORT = re.compile(r"\[([^\[\]]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
_FORWARDED_HOST = re.compile(r"[A-Za-z0-9.\-_\[\]:]{1,255}")


@dataclass(frozen=True, slots=True)
class Reached:
    """How a client reached the server."""

    address: str
    """The client's; empty: unknown."""
    scheme: str
    host: str
    """With its port, as the client named it."""


class Proxies:
    """The proxies that are believed."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [addresses.network(each) for each in networks]

    def trusts(self, address: str) -> bool:
        try:
            found = addresses.address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)

    def reached(self, direct: Reached, headers: Mapping[str, str]) -> Reached:
        """How the client reached the outermost of our proxies; `direct` is the connection that we see. Headers have
        names in lower case, and repeated ones joined by commas."""
        if not self._networks or not self.trusts(direct.address):
            return direct
        # From the nearest hop outwards: each was written by the one before it.
        hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
        address = direct.address
        for hop in reversed(hops[-32:]):
            address = _address(hop)
            if not self.trusts(address):
                break
        scheme = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        host = headers.get("x-forwarded-host", "").rpartition(",")[2].strip()
        return Reached(
            address,
            scheme if scheme in {"http", "https"} else direct.scheme,
            host if _FORWARDED_HOST.fullmatch(host) else direct.host,
        )


def _address(hop: str) -> str:
    """Without the port that some proxies add; empty for what is no address."""
    match = _WITH_PORT.fullmatch(hop)
    try:
        return str(addresses.address(hop if match is None else match[1] or match[2]))
    except ValueError:
        return ""


def registry_of(host: str) -> tuple[str, str] | None:
    """Account and region that the host name stands for, `<account>.dkr.ecr.<region>.<domain>`; None: it is another."""
    match = _HOST.fullmatch(host)
    return None if match is None else (match[1], match[2].lower())
