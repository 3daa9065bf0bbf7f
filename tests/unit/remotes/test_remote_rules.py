"""What the rules permit, before any socket."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from hullwise.remotes.errors import OutboundMisconfigured, PrivateAddress
from hullwise.remotes.rules import OutboundRules


@pytest.mark.parametrize(
    ("private", "host", "address", "permitted"),
    [
        ((), "a.example", "93.184.215.14", True),
        ((), "a.example", "10.0.0.1", False),
        (("a.example",), "a.example", "10.0.0.1", True),
        (("A.Example.",), "a.example", "10.0.0.1", True),
        (("a.example",), "A.EXAMPLE.", "10.0.0.1", True),
        (("a.example",), "b.a.example", "10.0.0.1", False),
        (("bücher.example",), "xn--bcher-kva.example", "10.0.0.1", True),
        (("10.0.0.0/8",), "a.example", "10.255.0.1", True),
        (("10.0.0.0/8",), "a.example", "11.0.0.1", True),
        (("10.0.0.0/8",), "a.example", "192.168.0.1", False),
        (("10.0.0.0/8",), "a.example", "::ffff:10.0.0.1", True),
        (("10.0.0.0/8",), "a.example", "64:ff9b::10.0.0.1", True),
        (("fd00::/8",), "a.example", "fd12::1", True),
        (("fd00::/8",), "a.example", "fe80::1", False),
        (("127.0.0.1",), "127.0.0.1", "127.0.0.1", True),
        (("127.0.0.1",), "127.0.0.2", "127.0.0.2", False),
        (("[::1]",), "::1", "::1", True),
    ],
)
def test_private_hosts_and_networks(private: tuple[str, ...], host: str, address: str, permitted: bool) -> None:
    """An address that is not public needs its host, by exact name, or a network that holds it, in the list."""
    refused = OutboundRules(private=private).first_private(host, 443, [ip_address(address)])
    assert (refused is None) == permitted


@pytest.mark.parametrize(
    ("private", "url", "permitted"),
    [
        (("10.0.0.1:8080",), "http://10.0.0.1:8080/", True),
        (("10.0.0.1:8080",), "http://10.0.0.1/", False),
        (("10.0.0.1:80",), "http://10.0.0.1/", True),
        (("10.0.0.1:80",), "https://10.0.0.1/", False),
        (("10.0.0.1:443",), "https://10.0.0.1/", True),
        (("[fd00::1]:8443",), "https://[fd00::1]:8443/", True),
        (("[fd00::1]:8443",), "https://[fd00::1]:8444/", False),
        (("fd00::1",), "https://[fd00::1]:8444/", True),
        (("localhost:5000",), "http://localhost:5000/", True),
        (("localhost:5000",), "http://localhost:5001/", False),
        (("localhost:5000", "localhost:5001"), "http://LOCALHOST.:5001/", True),
    ],
)
def test_an_entry_with_a_port_opens_that_alone(private: tuple[str, ...], url: str, permitted: bool) -> None:
    """What else listens on the host stays out of reach."""
    rules = OutboundRules(private=private)
    if permitted:
        assert str(rules.check(url)) == url.lower()
    else:
        with pytest.raises(PrivateAddress):
            rules.check(url)


def test_a_name_with_a_port_is_resolved_to_anything_there() -> None:
    """As a name without one is, at every port."""
    rules, address = OutboundRules(private=("A.Example.:8443",)), ip_address("10.0.0.1")
    assert rules.first_private("a.example", 8443, [address]) is None
    assert rules.first_private("a.example", 443, [address]) == address


def test_one_private_address_among_public_ones_is_told() -> None:
    """Each of a host's addresses is looked at."""
    addresses = [ip_address(text) for text in ("93.184.215.14", "10.0.0.9", "8.8.8.8")]
    assert OutboundRules().first_private("a.example", 443, addresses) == ip_address("10.0.0.9")


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        ("localhost", "127.0.0.1"),
        ("LOCALHOST.", "127.0.0.1"),
        ("a.localhost", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("notlocalhost", None),
        ("8.8.8.8", None),
        ("a.example", None),
    ],
)
def test_what_a_host_itself_tells(host: str, refused: str | None) -> None:
    """Addresses in a URL, and the names that RFC 6761 gives to loopback, are judged without a resolver."""
    assert OutboundRules().private_spelling(host, 443) == (None if refused is None else ip_address(refused))


@pytest.mark.parametrize(
    "entry",
    [
        *("10.0.0.0/33", "10.0.0.1/8", "*.example", "a b", "", "300.1.1.1", "http://x", "::g"),
        *("a.example:0", "a.example:65536", "a.example:http", "a.example:", "[::1]:x", "10.0.0.0/8:80"),
    ],
)
def test_entries_that_name_nothing_are_refused(entry: str) -> None:
    """A mistake in the list is told at start, not found out by what is reachable."""
    with pytest.raises(OutboundMisconfigured, match="private: "):
        OutboundRules(private=("a.example", entry))


@pytest.mark.parametrize("proxy", ["proxy:3128", "socks5://proxy", "http://", "http://proxy:0"])
def test_a_proxy_is_a_whole_url(proxy: str) -> None:
    """Only http and https proxies are there."""
    with pytest.raises(OutboundMisconfigured, match="proxy: "):
        OutboundRules(proxy=proxy)


def test_the_password_of_the_proxy_is_not_shown() -> None:
    """Neither the rules nor an error about them repeat it."""
    assert "hidden" not in repr(OutboundRules(proxy="http://user:hidden@proxy:3128"))
    with pytest.raises(OutboundMisconfigured) as told:
        OutboundRules(proxy="ftp://user:hidden@proxy")
    assert "hidden" not in str(told.value)
