"""Packages of Hex, in releases of Elixir and Erlang: the resource file of an application (Erlang's app(4)).

    lib/NAME-VERSION/ebin/NAME.app        releases, and plugins of RabbitMQ
    _build/prod/lib/NAME/ebin/NAME.app    what mix and rebar3 built

    {application, cowboy, [{description, "..."}, {vsn, "2.10.0"}, {modules, [...]}]}.

A release has the applications of Erlang/OTP and Elixir beside them. They are no packages of Hex, which keeps their
names for itself.
"""

from __future__ import annotations

import re

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.ecosystems.namespaces import scheme

# "Applications" of the Erlang/OTP documentation, those that left it since release 17, and those of Elixir.
_OF_OTP = frozenset(
    re.findall(
        r"\w+",
        """
        asn1 common_test compiler cosEvent cosEventDomain cosFileTransfer cosNotification cosProperty cosTime
        cosTransactions crypto debugger dialyzer diameter edoc eldap erl_docgen erl_interface erts et eunit ftp gs hipe
        ic inets jinterface kernel megaco mnesia observer odbc orber os_mon ose otp_mibs parsetools percept public_key
        reltool runtime_tools sasl snmp ssh ssl stdlib syntax_tools test_server tftp tools typer webtool wx xmerl
        eex elixir ex_unit iex logger mix
        """,
    )
)

_COMMENT = re.compile(rb"^[ \t]*%.*$", re.MULTILINE)
_APPLICATION = re.compile(rb"\{\s*application\s*,\s*'?([A-Za-z0-9_]{1,256})'?\s*,")
_VERSION = re.compile(rb"\{\s*vsn\s*,\s*\"([^\"\r\n]{0,256})\"\s*\}")


def claims(path: str) -> bool:
    """Whether the file is the resource file of an application in a folder of its name; not those of OTP and Elixir."""
    *_, folder, ebin, base = ("", "", *path.split("/"))
    name = base.removesuffix(".app")
    if ebin != "ebin" or name == base or not name or name in _OF_OTP:
        return False
    return folder == name or folder.startswith(f"{name}-")


def read(path: str, data: bytes) -> Reading:
    """The application that a resource file names, in lower case as Hex has its names."""
    if not data.strip():
        return Reading()
    data = _COMMENT.sub(b"", data)
    application = _APPLICATION.search(data)
    if application is None:
        raise Unreadable("no resource file of an application")
    found = _VERSION.search(data)
    version = found[1].decode("utf-8", "replace") if found else ""
    name = application[1].decode("ascii")
    if name in _OF_OTP:
        return Reading()
    return Reading(packages=(FoundPackage(name.lower(), version if version.isprintable() else ""),))


HEX = Ecosystem(
    name="hex",
    version=1,
    suffixes=(".app",),
    claims=claims,
    read=read,
    file_limit=1 << 19,
    version_key=scheme("hex"),
    purl_type="hex",
    osv_names=("Hex",),
)
