"""The reader of application resource files. Expected values: a file of Debian's package, Erlang's app(4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.erlang import HEX

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
APP = "app/lib/cowboy-2.10.0/ebin/cowboy.app"


def test_real_file() -> None:
    """The application's name and version, not those of what it needs."""
    data = (ASSETS / "p1-utils-1.0.25.app").read_bytes()
    assert HEX.read("lib/p1_utils-1.0.25/ebin/p1_utils.app", data).packages == (FoundPackage("p1_utils", "1.0.25"),)


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        (APP, True),
        ("opt/rabbitmq/plugins/cowboy-2.9.0/ebin/cowboy.app", True),
        ("app/_build/prod/lib/phoenix/ebin/phoenix.app", True),
        ("app/lib/stdlib-5.0/ebin/stdlib.app", False),
        ("usr/lib/erlang/lib/kernel-8.5/ebin/kernel.app", False),
        ("app/lib/elixir-1.15.0/ebin/elixir.app", False),
        ("app/lib/ssl-11.0/ebin/ssl.app", False),
        ("app/lib/ssl_verify_fun-1.1.7/ebin/ssl_verify_fun.app", True),
        ("app/src/cowboy.app.src", False),
        ("app/lib/cowboy-2.10.0/src/cowboy.app", False),
        ("app/lib/ranch-2.0/ebin/cowboy.app", False),
        ("ebin/cowboy.app", False),
        ("app/lib/cowboy-2.10.0/ebin/.app", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """A resource file in the ebin folder of its application; what comes with OTP and Elixir is not of Hex."""
    assert HEX.claims(path) is claimed


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{application, cowboy, [{vsn, "2.10.0"}]}.', FoundPackage("cowboy", "2.10.0")),
        (b'{application,\n \'cowboy\',\n [\n{vsn,\n"2.10.0"}]}.', FoundPackage("cowboy", "2.10.0")),
        (b'%% {application, no, [{vsn, "1"}]}.\n{application,cowboy,[\n%{vsn,"1"},\n{vsn,"2"}]}.',
         FoundPackage("cowboy", "2")),
        (b'{application,cowboy,[{description,"{vsn} 9"},{vsn,"2.0.0-rc.1"}]}.', FoundPackage("cowboy", "2.0.0-rc.1")),
        (b"{application,cowboy,[]}.", FoundPackage("cowboy", "")),
        (b"{application,cowboy,[{vsn,git}]}.", FoundPackage("cowboy", "")),
        (b'{application,cowboy,[{vsn,"1\x00"}]}.', FoundPackage("cowboy", "")),
        (b'{application,cowboy,[{vsn,"' + b"1" * 257 + b'"}]}.', FoundPackage("cowboy", "")),
    ],
)  # fmt: skip
def test_spellings(data: bytes, expected: FoundPackage) -> None:
    """Blanks, quotes and comments; without a version that is text, the package is listed and not matched."""
    assert HEX.read(APP, data).packages == (expected,)


def test_of_otp_by_its_own_name() -> None:
    """An application of OTP in a folder of another name is still none of Hex."""
    assert HEX.read(APP, b'{application, kernel, [{vsn, "8.5"}]}.') == Reading()


@pytest.mark.parametrize("data", [b"\x00", b"{application}", b'{application, "a", []}.', b"%{application,a,[]}."])
def test_damaged(data: bytes) -> None:
    """What names no application is unreadable."""
    with pytest.raises(Unreadable):
        HEX.read(APP, data)


def test_empty_file() -> None:
    """An empty file names nothing."""
    assert HEX.read(APP, b"\n") == Reading()
