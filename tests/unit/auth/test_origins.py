"""Whose headers are believed, and which host names stand for a registry."""

from __future__ import annotations

import pytest

from hullwise.auth.callers import Origin
from hullwise.auth.origins import Proxies, Reached, registry_of

DIRECT = Reached("10.0.0.1", "http", "inside:5050")
OURS = Proxies(["10.0.0.0/8", "::1"])


def test_nobody_is_believed_by_default() -> None:
    """Whatever the headers say."""
    headers = {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https", "x-forwarded-host": "registry.example.org"}
    assert Proxies([]).reached(DIRECT, headers) == DIRECT
    assert Proxies(["192.0.2.1"]).reached(DIRECT, headers) == DIRECT


def test_a_trusted_proxy_says_who_its_client_is() -> None:
    """Address, scheme and host, each where it is given."""
    headers = {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https", "x-forwarded-host": "registry.example.org"}
    assert OURS.reached(DIRECT, headers) == Reached("1.2.3.4", "https", "registry.example.org")
    assert OURS.reached(DIRECT, {}) == DIRECT
    assert OURS.reached(DIRECT, {"x-forwarded-proto": "HTTPS"}) == Reached("10.0.0.1", "https", "inside:5050")


@pytest.mark.parametrize(
    ("hops", "address"),
    [
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4"),
        ("10.1.1.1, 10.0.0.9", "10.1.1.1"),
        ("1.2.3.4, spoofed", ""),
        ("1.2.3.4, unknown, 10.0.0.9", ""),
        ("spoofed, 1.2.3.4", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::1"),
        (",,", "10.0.0.1"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("203.0.113.7, 10.0.0.9:80, [::ffff:10.0.0.8]:80", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("unknown", ""),
        ("_hidden", ""),
        ("203.0.113.7:", ""),
        ("203.0.113.7:http", ""),
        ("[203.0.113.7", ""),
    ],
)
def test_the_last_hop_that_is_not_ours_counts(hops: str, address: str) -> None:
    """What stands before it was written by the client, or by whom we do not know. Where it names no address, the
    client's is unknown: the proxy's own would let everybody in who comes through it."""
    assert OURS.reached(DIRECT, {"x-forwarded-for": hops}).address == address


@pytest.mark.parametrize(
    ("seen", "address"),
    [
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:cb00:7107", "203.0.113.7"),
        ("203.0.113.7", "203.0.113.7"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("", ""),
    ],
)
def test_the_address_of_an_origin(seen: str, address: str) -> None:
    """A socket that takes both kinds shows IPv4 in IPv6; policies are written for what it is."""
    assert Origin(seen).address == address


@pytest.mark.parametrize("value", ["ftp", "", "https,ftp", "javascript"])
def test_schemes_that_are_none(value: str) -> None:
    """Leave the connection's own."""
    assert OURS.reached(DIRECT, {"x-forwarded-proto": value}).scheme == "http"


@pytest.mark.parametrize("value", ["a b", "a/b", 'a"', "x" * 256, "a\r\nb"])
def test_hosts_that_are_none(value: str) -> None:
    """Leave the request's own."""
    assert OURS.reached(DIRECT, {"x-forwarded-host": value}).host == "inside:5050"


def test_addresses_of_either_kind() -> None:
    """IPv4 in IPv6 is IPv4; what is no address is nobody's."""
    assert OURS.trusts("::ffff:10.0.0.1")
    assert Proxies(["::ffff:10.0.0.0/104"]).trusts("10.0.0.1")
    assert OURS.trusts("::1")
    assert not OURS.trusts("11.0.0.1")
    assert not OURS.trusts("")
    assert not OURS.trusts("localhost")


@pytest.mark.parametrize(
    ("host", "registry"),
    [
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com", ("123456789012", "us-east-1")),
        ("123456789012.dkr.ecr.eu-west-1.registry.internal:5050", ("123456789012", "eu-west-1")),
        ("123456789012.dkr.ecr-fips.us-east-1.example", ("123456789012", "us-east-1")),
        ("123456789012.DKR.ecr.US-EAST-1.example", ("123456789012", "us-east-1")),
        ("123456789012.dkr.ecr.us-east-1", ("123456789012", "us-east-1")),
        ("12345678901.dkr.ecr.us-east-1.example", None),
        ("x123456789012.dkr.ecr.us-east-1.example", None),
        ("registry.example.org", None),
        ("", None),
    ],
)
def test_host_names_of_registries(host: str, registry: tuple[str, str] | None) -> None:
    """Account and region, in any case, with or without a port."""
    assert registry_of(host) == registry
