"""Which addresses, however spelled, belong to the public internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.remotes.addresses import is_public, literal, reached

# From IANA's special-purpose address registries and the RFCs that they name: first and last of each block.
PRIVATE_4 = (
    "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.0 127.0.0.1 127.255.255.255 "
    "169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.255 192.0.2.0 192.0.2.255 "
    "192.168.0.0 192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255 "
    "224.0.0.0 239.255.255.255 240.0.0.0 255.255.255.254 255.255.255.255 "
)
# The neighbours of those blocks.
PUBLIC_4 = (
    "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 "
    "172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 "
    "198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 8.8.8.8 "
)
PRIVATE_6 = (
    ":: ::1 ::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1ff:ffff::1 2001:db8::1 "
    "3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 febf::1 fec0::1 ff02::1 ::ffff:0:7f00:1 4000::1 "
)
PUBLIC_6 = ["2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1", "3ffe::1"]


@pytest.mark.parametrize("text", [*PRIVATE_4.split(), *PRIVATE_6.split()])
def test_special_purpose_addresses_are_not_public(text: str) -> None:
    """What IANA gave a special purpose is refused, from the first address of a block to its last."""
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", [*PUBLIC_4.split(), *PUBLIC_6])
def test_neighbours_of_special_blocks_are_public(text: str) -> None:
    """No block reaches further than it does in the registry."""
    assert is_public(ip_address(text))


@given(st.sampled_from([*PRIVATE_4.split(), *PUBLIC_4.split()]))
def test_a_carried_address_is_judged_as_itself(text: str) -> None:
    """Mapped, NAT64 and 6to4 forms lead to the IPv4 address in them, and are as public as that."""
    inner = IPv4Address(text)
    a, b = int(inner) >> 16, int(inner) & 0xFFFF
    for form in (f"::ffff:{inner}", f"64:ff9b::{inner}", f"2002:{a:x}:{b:x}::1", f"2002:{a:x}:{b:x}:1:2:3:4:5"):
        carrier = IPv6Address(form)
        assert reached(carrier) == inner
        assert is_public(carrier) == is_public(inner)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0X7F.0.0.1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("::1", "::1"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_odd_spellings_are_read(host: str, address: str) -> None:
    """Every form that inet_aton takes (POSIX) is the address that it stands for."""
    assert literal(host) == ip_address(address)


@pytest.mark.parametrize(
    "host", ["localhost", "feeds.example", "1.example", "0x7f.example", "1e100", "x", "0xfg", "a."]
)
def test_names_are_no_addresses(host: str) -> None:
    """A host whose last label is not a number is a name."""
    assert literal(host) is None


@pytest.mark.parametrize("host", ["256.0.0.1", "4294967296", "1.2.3.4.5", "feeds.1", "0x", "09.0.0.1", "a.0x1", "::g"])
def test_what_ends_in_a_number_and_is_no_address_is_neither(host: str) -> None:
    """Such a host is an error, as one reader would see a name in it and the next an address."""
    with pytest.raises(ValueError, match=r"."):
        literal(host)


@given(st.ip_addresses(v=4))
def test_each_ipv4_address_has_its_decimal_spelling(address: IPv4Address) -> None:
    """A whole number and a dotted quad are the same address."""
    assert literal(str(int(address))) == literal(hex(int(address))) == literal(str(address)) == address
