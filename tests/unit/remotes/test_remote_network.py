"""The rules hold at the socket: what was checked is what is connected to."""

from __future__ import annotations

import ipaddress
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from hullwise.remotes.errors import OutboundMisconfigured, PrivateAddress, TimedOut, Unreachable
from hullwise.remotes.network import Resolve, system_addresses, trusted
from hullwise.remotes.remote import Remote, Timeouts
from hullwise.remotes.rules import OutboundRules
from tests.support.certificates import Certify
from tests.unit.remotes.server import QUICK, Server, answer, dripping

NAME = "feeds.example"


def no_wait(_: float) -> None:
    pass


def asking(rules: OutboundRules, resolve: Resolve = system_addresses, trust: ssl.SSLContext | None = None) -> Remote:
    return Remote(rules, timeouts=QUICK, attempts=2, sleep=no_wait, resolve=resolve, trust=trust)


def always(*addresses: str) -> Resolve:
    return lambda host, port: addresses


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f.1", "0177.1", "127.1", "0", "[::ffff:127.0.0.1]", "[::1]", "localhost."],
)
def test_this_machine_is_refused_however_it_is_spelled(server: Server, host: str) -> None:
    """No spelling of a loopback address gets a byte to a server there, directly or for a proxy to resolve."""
    server.replies("/", answer("200 OK", b"secret"))
    for proxy in ("", server.url("")):
        with asking(OutboundRules(proxy=proxy)) as remote, pytest.raises(PrivateAddress):
            remote.get(server.url("/", host), 100)
    assert server.asked == []


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd00::1"])
def test_a_name_with_a_private_address_is_refused(address: str) -> None:
    """The error names the host and the address."""
    with asking(OutboundRules(), always(address)) as remote, pytest.raises(PrivateAddress) as told:
        remote.get(f"http://{NAME}/x?token=hidden", 100)
    assert (told.value.host, told.value.address) == (NAME, str(ipaddress.ip_address(address)))
    assert told.value.url == f"http://{NAME}/x?…"


def test_a_private_address_behind_a_public_one_is_refused() -> None:
    """All addresses are checked before the first is tried."""
    with asking(OutboundRules(), always("93.184.215.14", "127.0.0.1")) as remote, pytest.raises(PrivateAddress):
        remote.get(f"http://{NAME}/", 100)


def test_a_name_is_resolved_once_a_connection() -> None:
    """An answer that changes between check and connection changes nothing: there is no second question.

    127.0.0.2 stands for an address that is permitted, 127.0.0.1 for one that is not.
    """
    answers = [["127.0.0.2"], ["127.0.0.1"]]
    with Server(host="127.0.0.2") as server:
        server.replies("/", answer("200 OK", b"fine", Connection="close"))
        with asking(OutboundRules(private=("127.0.0.2",)), lambda host, port: answers.pop(0)) as remote:
            assert remote.text(server.url("/", NAME), 100) == "fine"
            assert len(answers) == 1
            with pytest.raises(PrivateAddress):
                remote.text(server.url("/", NAME), 100)
        assert [asked.headers["host"] for asked in server.asked] == [f"{NAME}:{server.port}"]


def test_a_redirect_is_checked_like_a_request(server: Server) -> None:
    """A permitted server cannot send on to a host that is not."""
    server.replies("/", answer("302 Found", Location=server.url("/inside", "inner.example")))
    server.replies("/inside", answer("200 OK", b"secret"))
    with asking(OutboundRules(private=(NAME,)), always("127.0.0.1")) as remote, pytest.raises(PrivateAddress) as told:
        remote.get(server.url("/", NAME), 100)
    assert told.value.host == "inner.example"
    assert [asked.target for asked in server.asked] == ["/"]


def test_the_next_address_is_tried(server: Server) -> None:
    """A host is reached where one of its addresses answers."""
    server.replies("/", answer("200 OK", b"fine"))
    with asking(OutboundRules(private=(NAME,)), always("127.0.0.3", "127.0.0.1")) as remote:
        assert remote.text(server.url("/", NAME), 100) == "fine"


@pytest.mark.parametrize("found", [[], ["no address"]])
def test_a_name_without_addresses_is_unreachable(found: list[str]) -> None:
    """A resolver that has nothing to say, or nonsense, is a failure of the network."""
    with asking(OutboundRules(), always(*found)) as remote, pytest.raises(Unreachable):
        remote.get(f"http://{NAME}/", 100)


def test_a_failing_resolver_is_asked_again() -> None:
    """The system's error is told once the attempts are used up."""
    asked = []

    def failing(host: str, port: int) -> list[str]:
        asked.append((host, port))
        raise OSError("name servers are away")

    with asking(OutboundRules(), failing) as remote, pytest.raises(Unreachable, match="name servers are away"):
        remote.get(f"http://{NAME}:81/", 100)
    assert asked == [(NAME, 81)] * 2


def test_the_system_resolves() -> None:
    """A spelled address comes back as it is, without the DNS."""
    assert system_addresses("127.0.0.1", 80) == ["127.0.0.1"]


def test_the_proxy_takes_every_request(server: Server) -> None:
    """It gets whole URLs and its own password, may be private, and resolves the names."""
    server.answers["http://feeds.example/x"] = lambda asked: answer("200 OK", b"through the proxy")
    with asking(OutboundRules(proxy=f"http://user:word@127.0.0.1:{server.port}")) as remote:
        assert remote.text(f"http://{NAME}/x?a=b", 100) == "through the proxy"
    (asked,) = server.asked
    assert asked.target == "http://feeds.example/x?a=b"
    assert asked.headers["proxy-authorization"] == "Basic dXNlcjp3b3Jk"
    assert asked.headers["host"] == NAME


ASKING = """
import sys
from hullwise.remotes.remote import Remote
from hullwise.remotes.rules import OutboundRules
with Remote(OutboundRules(private=("127.0.0.1",)), attempts=1) as remote:
    print(remote.text(sys.argv[1], 100))
"""


def test_the_environment_is_not_asked(server: Server) -> None:
    """Proxies and authorities that variables name are nothing to us."""
    server.replies("/", answer("200 OK", b"direct"))
    odd = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:1")
    ran = subprocess.run(
        [sys.executable, "-c", ASKING, server.url("/")],
        env={**os.environ, **odd, "SSL_CERT_FILE": "/absent"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "direct\n"


def test_tls_is_verified_for_the_name(authority: tuple[Path, Certify]) -> None:
    """The connection goes to an address, and the certificate has to be the name's: one for another is refused."""
    pem, certified = authority
    rules = OutboundRules(private=(NAME, "other.example"))
    with Server(tls=certified(NAME)) as server, asking(rules, always("127.0.0.1"), trusted(pem)) as remote:
        server.replies("/", answer("200 OK", b"fine"))
        assert remote.text(server.url("/", NAME), 100) == "fine"
        with pytest.raises(Unreachable, match="certificate verify failed"):
            remote.text(server.url("/", "other.example"), 100)
        assert len(server.asked) == 1


def test_tls_is_verified_through_a_proxy(authority: tuple[Path, Certify]) -> None:
    """The tunnel goes to the name, the certificate has to be the name's, and inside it the rules are the same."""
    pem, certified = authority
    with Server(tunnel=certified(NAME)) as proxy:
        proxy.replies("/x", answer("302 Found", Location="https://10.0.0.1/"))
        proxy.replies("/y", answer("200 OK", b"fine"))
        with asking(OutboundRules(proxy=f"http://user:word@127.0.0.1:{proxy.port}"), trust=trusted(pem)) as remote:
            assert remote.text(f"https://{NAME}/y", 100) == "fine"
            assert [(asked.method, asked.target) for asked in proxy.asked] == [
                ("CONNECT", f"{NAME}:443"),
                ("GET", "/y"),
            ]
            assert "proxy-authorization" in proxy.asked[0].headers
            assert "proxy-authorization" not in proxy.asked[1].headers
            with pytest.raises(PrivateAddress):
                remote.text(f"https://{NAME}/x", 100)
            with pytest.raises(Unreachable, match="certificate verify failed"):
                remote.text("https://other.example/y", 100)


def test_bytes_dripping_through_tls_do_not_hold_us(authority: tuple[Path, Certify]) -> None:
    """The time for the whole holds under TLS too."""
    pem, certified = authority
    quick = Timeouts(document=0.5)
    with (
        Server(tls=certified(NAME)) as server,
        Remote(
            OutboundRules(private=(NAME,)), timeouts=quick, trust=trusted(pem), resolve=always("127.0.0.1")
        ) as remote,
    ):
        server.answers["/"] = lambda asked: dripping(answer("200 OK", Content_Length="1000"), 0.05)
        with pytest.raises(TimedOut):
            remote.get(server.url("/", NAME), 10_000)


def test_unknown_authorities_are_not_trusted(authority: tuple[Path, Certify]) -> None:
    """Without the extra file the certificate has no issuer; asking again is not tried."""
    waits: list[float] = []
    with Server(tls=authority[1](NAME)) as server:
        rules = OutboundRules(private=(NAME,))
        with (
            Remote(rules, timeouts=QUICK, resolve=always("127.0.0.1"), sleep=waits.append) as remote,
            pytest.raises(Unreachable, match="certificate verify failed"),
        ):
            remote.text(server.url("/", NAME), 100)
    assert waits == []


def test_a_file_without_certificates_is_a_mistake(tmp_path: Path) -> None:
    """It is told when the file is read."""
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "absent.pem"):
        with pytest.raises(OutboundMisconfigured, match="certificates: "):
            trusted(tmp_path / name)
