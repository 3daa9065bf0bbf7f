"""Which addresses belong to the public internet.

IANA's special-purpose registries (RFC 6890) decide, kept here as tables: the standard library's `is_global` follows
them from release to release, and a rule of safety must not change with the interpreter. Where a registry makes an
exception for one anycast service inside a refused block, the whole block is refused: no feed lives there.

An IPv6 address that only carries an IPv4 address to a translator is judged by what it carries:

    ::ffff:a.b.c.d          mapped (RFC 4291, 2.5.5.2): the socket connects to a.b.c.d
    64:ff9b::a.b.c.d        NAT64 (RFC 6052, 2.1); a network's own NAT64 prefix cannot be told from any other
    2002:aabb:ccdd::/48     6to4 (RFC 3056, 2)
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; 0.0.0.0 connects to this machine (RFC 791, 3.2)
        "10.0.0.0/8",  # private use (RFC 1918)
        "100.64.0.0/10",  # shared by carriers (RFC 6598)
        "127.0.0.0/8",  # loopback (RFC 1122, 3.2.1.3)
        "169.254.0.0/16",  # link local, metadata of cloud machines (RFC 3927)
        "172.16.0.0/12",  # private use (RFC 1918)
        "192.0.0.0/24",  # protocol assignments (RFC 6890, 2.1)
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.88.99.0/24",  # 6to4 relays, deprecated (RFC 7526)
        "192.168.0.0/16",  # private use (RFC 1918)
        "198.18.0.0/15",  # benchmarking (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved, and the broadcast address (RFC 1112, 4; RFC 919)
    )
)

# All else of IPv6 is loopback, unspecified, unique local, link local, multicast, a translator's or not assigned.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them (RFC 2928, RFC 4380)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 3056); judged before by the address that it carries
        "3fff::/20",  # documentation (RFC 9637)
    )
)

# Where in the 128 bits the IPv4 address begins, counted from the right.
_CARRIERS = (
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)


def reached(address: Address) -> Address:
    """The address that a connection ends at: the IPv4 address that an IPv6 address carries, else itself."""
    if isinstance(address, IPv6Address):
        for network, shift in _CARRIERS:
            if address in network:
                return IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether the address is reachable from everywhere, and so is nobody's inner network."""
    end = reached(address)
    if isinstance(end, IPv4Address):
        return not any(end in network for network in _NOT_PUBLIC_4)
    return end in _GLOBAL_UNICAST and not any(end in network for network in _NOT_PUBLIC_6)


def literal(host: str) -> Address | None:
    """The address that `host` spells, None where it is a name.

    Spellings are those that resolvers and other clients take: `127.1`, `2130706433`, `0x7f.1`, `0177.0.0.1`. A host
    whose last label is a number is never a name (WHATWG URL, "ends in a number"). Raises ValueError where it is no
    address either.
    """
    text = host.removesuffix(".")
    if ":" in text:
        return IPv6Address(text)
    if not _is_number(text.rpartition(".")[2]):
        return None
    try:
        return IPv4Address(socket.inet_aton(text))
    except OSError as error:
        raise ValueError(f"{host!r} is no address") from error


def _is_number(label: str) -> bool:
    if label.startswith(("0x", "0X")):
        return all(character in "0123456789abcdefABCDEF" for character in label[2:])
    return label.isascii() and label.isdigit()
