"""Composer's order of versions, as keys of bytes (Composer\\Semver 3.3 `normalize`, then PHP's `version_compare`).

    key       numbers, [stability, its numbers,] [DEV,] END

    01        DEV
    02 … 04   stability: alpha, beta, RC
    05        END
    20 … AC   a number
    AD        stability: patch

A version has four numbers, those left out are 0. A date (`2010-01-31`) has as many as it writes, and of two versions
that begin alike the longer one is higher, with zeros too. For `v1.2-beta.3-dev`: 21 22 20 20, 03 23, 01, 05.

The branch `1.2.x-dev` is 1.2.9999999.9999999-dev, above all of 1.2. A branch with a name (`dev-main`) has no place.
"""

from __future__ import annotations

import re

from hullwise.versions import numbers
from hullwise.versions.invalid import LONGEST, InvalidVersion

_DEV = b"\x01"
_END = b"\x05"
_STABILITIES = {
    "alpha": b"\x02",
    "a": b"\x02",
    "beta": b"\x03",
    "b": b"\x03",
    "rc": b"\x04",
    "patch": bytes([numbers.ABOVE]),
    "pl": bytes([numbers.ABOVE]),
    "p": bytes([numbers.ABOVE]),
}
_WILDCARD = "9999999"

_MODIFIERS = (
    r"[._-]?"
    r"(?:(?P<stability>stable|beta|b|rc|alpha|a|patch|pl|p)(?P<count>(?:[.-]?[0-9]++)*+))?"
    r"(?P<dev>[.-]?dev)?"
)
_BUILD = r"(?:\+\S+)?"
_CLASSICAL = re.compile(rf"v?(?P<numbers>[0-9]{{1,5}}(?:\.[0-9]++){{0,3}}){_MODIFIERS}{_BUILD}")
# The last group may be twice since 3.4.
_DATE = re.compile(
    rf"v?(?P<numbers>[0-9]{{4}}(?:[.:-]?[0-9]{{2}}){{1,6}}(?:[.:-]?[0-9]{{1,3}}){{0,2}}){_MODIFIERS}{_BUILD}"
)
_BRANCH = re.compile(rf"v?(?P<numbers>[0-9]+(?:\.(?:[0-9]+|[x*])){{0,3}})[.-]?dev{_BUILD}")
_DIGITS = re.compile(r"[0-9]+")


def key(version: str) -> bytes:
    """Bytes that sort as Composer sorts versions, and are equal where Composer calls two versions equal.

    Every spelling that Composer normalises is accepted, in any case, with blanks around; build metadata does not
    count, nor does `stable`; numbers may be of any length (PHP stops at 2**63). Raises `InvalidVersion` for what
    Composer refuses, branches with a name, what belongs to a requirement (`1.0 as 2.0`, `1.0@beta`), and more than
    `LONGEST` characters.
    """
    text = version.strip(" \t").lower() if len(version) <= LONGEST and version.isascii() else ""
    if match := _CLASSICAL.fullmatch(text):
        return _numbers(match["numbers"], 4, "0") + _modifiers(match)
    if match := _DATE.fullmatch(text):
        return _numbers(match["numbers"]) + _modifiers(match)
    if match := _BRANCH.fullmatch(text):
        return _numbers(match["numbers"].replace("x", _WILDCARD).replace("*", _WILDCARD), 4, _WILDCARD) + _DEV + _END
    raise InvalidVersion("Composer", version)


def _numbers(text: str, count: int = 0, absent: str = "") -> bytes:
    """The numbers in a text, made up to `count` of them."""
    found = _DIGITS.findall(text)
    return b"".join(map(numbers.of_digits, found + [absent] * (count - len(found))))


def _modifiers(match: re.Match[str]) -> bytes:
    stability, count, dev = match["stability"], match["count"], match["dev"]
    if stability == "stable":
        return _END
    code = _STABILITIES[stability] + _numbers(count) if stability else b""
    return code + (_DEV if dev else b"") + _END
