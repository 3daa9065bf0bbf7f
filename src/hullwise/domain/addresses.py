"""IP addresses and networks as they are compared: IPv4 in IPv6, as a dual-stack socket shows it, is IPv4."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_MAPPED_BITS = 96
"""Of `::ffff:a.b.c.d`, before the address of IPv4 (RFC 4291, 2.5.5.2)."""


def address(text: str) -> IPv4Address | IPv6Address:
    """Raises ValueError for what is no address."""
    found = ip_address(text)
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def network(text: str) -> IPv4Network | IPv6Network:
    """The network that holds an address of this prefix. Raises ValueError for what is none."""
    found = ip_network(text, strict=False)
    if isinstance(found, IPv6Network) and found.prefixlen >= _MAPPED_BITS and found.network_address.ipv4_mapped:
        return IPv4Network((found.network_address.ipv4_mapped, found.prefixlen - _MAPPED_BITS))
    return found
