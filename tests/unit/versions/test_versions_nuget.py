"""NuGet's order. Expected orders are from NuGet's documentation (Package versioning) and NuGet.Versioning's rules."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hullwise.versions import nuget
from hullwise.versions.invalid import LONGEST, InvalidVersion

RISING = [
    # The documentation's own chain: labels are text, not text and number.
    [
        "1.0.1-aaa",
        "1.0.1-alpha10",
        "1.0.1-alpha2",
        "1.0.1-beta",
        "1.0.1-open",
        "1.0.1-rc.2",
        "1.0.1-rc.10",
        "1.0.1-zzz",
        "1.0.1",
    ],
    ["1.0.0", "1.0.0.1-a", "1.0.0.1", "1.0.0.2", "1.0.0.10", "1.0.1-a", "1.0.1"],
    ["1.9", "1.10", "1.131", "1.132", "1.256", "1.65536", "1.2147483647"],
    ["1.0.0-ALPHA", "1.0.0-alpha.1", "1.0.0-ALPHA.2", "1.0.0-Beta"],
    # Numbers below text; a number is what fits into 32 bits, with a sign.
    ["1.0.0--5", "1.0.0--1", "1.0.0-0", "1.0.0-9", "1.0.0-10", "1.0.0-2147483647", "1.0.0--", "1.0.0-2147483648"],
    ["1.0.0-10000000000", "1.0.0-20240131235959", "1.0.0-9999999999", "1.0.0-a"],
    ["1.0.0-a", "1.0.0-a.0", "1.0.0-a.0.0", "1.0.0-a.-", "1.0.0-a-", "1.0.0-a0"],
]

EQUAL = [
    ("1", "1.0.0.0"),
    ("1.2", "1.2.0"),
    ("1.2.3", "1.2.3.0"),
    ("1.2.3", "01.02.03"),
    ("1.2.3", " 1.2.3 "),
    ("1.2.3", "1.2.3+build.5"),
    ("1.2.3-a+1", "1.2.3-A"),
    ("1.2.3-Beta.1", "1.2.3-bETA.1"),
    ("1-rc", "1.0.0-rc"),
]

REFUSED = [
    "",
    "v1.0",
    "=1.0",
    "1.",
    ".1",
    "1..2",
    "1.2.3.4.5",
    "1.0.0-",
    "1.0.0-a..b",
    "1.0.0-a.",
    "1.0.0-01",
    "1.0.0+",
    "1.0.0+a+b",
    "1.0.0-a_b",
    "1.0.*",
    "[1.0,2.0)",
    "2147483648.0",
    "1.0.0.99999999999",
    "-1.0",
    "1.0\n",
    "1.0\x00",
    "1.٣",
    "1.0.0-ſ",  # the long s, which upper case turns into S
    "1" * (LONGEST + 1),
]


@pytest.mark.parametrize("versions", RISING, ids=lambda versions: versions[0])
def test_rising_versions_have_rising_keys(versions: list[str]) -> None:
    """Each version of a chain sorts before the next."""
    for lower, higher in pairwise(versions):
        assert nuget.key(lower) < nuget.key(higher), (lower, higher)


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_versions_have_equal_keys(left: str, right: str) -> None:
    """Zeros at the end, case and build metadata do not count."""
    assert nuget.key(left) == nuget.key(right)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_version_is_refused(text: str) -> None:
    """Text outside the order raises the declared error, which names the scheme."""
    with pytest.raises(InvalidVersion, match="no version to NuGet"):
        nuget.key(text)


def test_the_longest_version_has_a_key() -> None:
    """The longest text that the scheme takes sorts by its value."""
    assert nuget.key("1.0-" + "a" * (LONGEST - 4)) < nuget.key("1.0-" + "b" * (LONGEST - 4))


def test_the_key_is_laid_out_as_drawn() -> None:
    """The bytes are those of the module's drawing, so stored keys stay comparable."""
    assert nuget.key("1.20.0-RC.1").hex() == "2134" + "01" + "ad524300" + "2080000001"
    assert nuget.key("1.20.0").hex() == "2134" + "02"
