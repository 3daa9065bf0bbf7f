"""RubyGems' order. Expected orders are from the documentation of Gem::Version, and from Gem::Version itself (3.3)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hullwise.versions import gem
from hullwise.versions.invalid import LONGEST, InvalidVersion

RISING = [
    # The documentation's own examples.
    ["1.0.a.2", "1.0.b1", "1.0.b.2", "1.0", "1.3", "2.0.a", "2.0", "3.2", "3.10"],
    ["0", "0.0.1", "0.1", "0.9", "0.10", "1", "1.0.0.1", "1.132", "1.256", "1.65536"],
    ["1.a", "1.alpha", "1.b", "1.beta", "1.pre", "1.rc1", "1"],
    # Letters sort in ASCII, capitals first.
    ["1.A", "1.RC", "1.a", "1.rc"],
    # A hyphen is `.pre.`.
    ["1.0-rc1", "1.0-1", "1.0-2", "1.0.prerelease", "1.0"],
    ["1.0.rc1.a", "1.0.rc1", "1.0.rc1.0.1", "1.0.rc1.1", "1.0.rc2", "1.0.rc10"],
    # A zero in the middle is below the end where letters follow, above it where a number follows.
    ["1.a.b", "1.a.0.b", "1.a.0.0.b", "1.a", "1.a.0.0.1", "1.a.0.1", "1.a.1"],
    ["1.0.a", "1", "1.0.0.1", "1.0.1.a", "1.0.1"],
    ["1." + "9" * 40, "1.1" + "0" * 40],
]

EQUAL = [
    ("1", "1.0"),
    ("1", "1.0.0.0"),
    ("0", "0.0"),
    ("1.0.a", "1.a"),
    ("1.a", "1.a.0"),
    ("1.rc1", "1.rc.1"),
    ("1-2", "1.pre.2"),
    ("1", " 1 "),
    ("1.01", "1.1"),
    ("0.a", "0.0.a"),
]

REFUSED = [
    "",
    " ",
    "a",
    "v1",
    ".1",
    "1.",
    "1..2",
    "1a",
    "1.0-",
    "1.0-a.",
    "1.0+b",
    "1_0",
    "1.15.4-x86_64-linux",
    "~> 1.0",
    "1.0 1",
    "1.0\x00",
    "1.٣",
    "1.é",
    "1" * (LONGEST + 1),
]


@pytest.mark.parametrize("versions", RISING, ids=lambda versions: versions[0])
def test_rising_versions_have_rising_keys(versions: list[str]) -> None:
    """Each version of a chain sorts before the next."""
    for lower, higher in pairwise(versions):
        assert gem.key(lower) < gem.key(higher), (lower, higher)


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_versions_have_equal_keys(left: str, right: str) -> None:
    """Zeros at the end and in front of letters, and what divides digits from letters, do not count."""
    assert gem.key(left) == gem.key(right)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_version_is_refused(text: str) -> None:
    """Text outside the order raises the declared error, which names the scheme."""
    with pytest.raises(InvalidVersion, match="no version to RubyGems"):
        gem.key(text)


def test_the_longest_version_has_a_key() -> None:
    """The longest text that the scheme takes sorts by its value."""
    assert gem.key("1" * LONGEST) < gem.key("2" * LONGEST)


def test_the_key_is_laid_out_as_drawn() -> None:
    """The bytes are those of the module's drawing, so stored keys stay comparable."""
    assert gem.key("1.0.2-rc.10").hex() == "210422" + "0170726500" + "01726300" + "2a" + "03"
    assert gem.key("1.a.0.b").hex() == "21" + "016100" + "02" + "016200" + "03"
