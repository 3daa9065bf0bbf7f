"""npm's order. Expected orders are from Semantic Versioning 2.0.0 (parts 10 and 11) and node's semver 7, loose."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hullwise.versions import semver
from hullwise.versions.invalid import LONGEST, InvalidVersion

RISING = [
    # Part 11's own chains.
    ["1.0.0", "2.0.0", "2.1.0", "2.1.1"],
    [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
    ],
    # Digits below the rest, the rest in ASCII order: hyphen, digits, capitals, small letters.
    ["1.0.0-0", "1.0.0-9", "1.0.0-10", "1.0.0--1", "1.0.0-0a", "1.0.0-A", "1.0.0-a", "1.0.0-a-b", "1.0.0-ab"],
    ["1.0.0-a", "1.0.0-a.0", "1.0.0-a.0.0", "1.0.0-a.-", "1.0.0-a-"],
    ["1.2.3-0", "1.2.3", "1.2.4-0", "1.2.4"],
    ["0.0.0-0", "0.0.0", "0.0.1-0", "0.0.1", "0.1.0", "1.0.0"],
    ["1.9.0", "1.10.0", "1.131.0", "1.132.0", "1.255.0", "1.256.0", "1.65536.0"],
    ["0.0." + "9" * 40, "0.0.1" + "0" * 40, "0.1.0"],
    ["1.0.0-9007199254740992", "1.0.0-9007199254740993", "1.0.0-1" + "0" * 300],
    # The fourth number, as NuGet has it.
    ["1.2.3", "1.2.3.1-a", "1.2.3.1", "1.2.3.10", "1.2.4-a", "1.2.4"],
]

EQUAL = [
    ("1.2.3", "v1.2.3"),
    ("1.2.3", "=1.2.3"),
    ("1.2.3", "= v1.2.3"),
    ("1.2.3", " 1.2.3 "),
    ("1.2.3", "1.2.3+build.5"),
    ("1.2.3+1", "1.2.3+2"),
    ("1.2.3-a+1", "1.2.3-a"),
    ("1", "1.0.0"),
    ("1.2", "1.2.0"),
    ("1-a", "1.0.0-a"),
    ("1.2.3", "1.2.3.0"),
    ("1.2.3", "01.02.03"),
    ("1.2.3-1", "1.2.3-01"),
    ("0", "0.0.0"),
]

REFUSED = [
    "",
    "v",
    "x",
    "1.x",
    "1.2.*",
    ">=1.2.3",
    "^1.2.3",
    "1.2.3 - 2.0.0",
    "1.2.3 || 1",
    "1.2.3.4.5",
    "1..2",
    ".1",
    "1.",
    "1.2.3-",
    "1.2.3-a..b",
    "1.2.3-a.",
    "1.2.3+",
    "1.2.3+a..b",
    "1.2.3+a+b",
    "1.2.3-a_b",
    "-1.2.3",
    "1.2.3\n",
    "1.2.3\x00",
    "1.2.٣",
    "1.2.3-é",
    "latest",
    "1" * (LONGEST + 1),
]


@pytest.mark.parametrize("versions", RISING, ids=lambda versions: versions[0])
def test_rising_versions_have_rising_keys(versions: list[str]) -> None:
    """Each version of a chain sorts before the next."""
    for lower, higher in pairwise(versions):
        assert semver.key(lower) < semver.key(higher), (lower, higher)


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_versions_of_equal_precedence_have_equal_keys(left: str, right: str) -> None:
    """Build metadata, prefixes, left-out numbers and leading zeros do not count."""
    assert semver.key(left) == semver.key(right)


@pytest.mark.parametrize("text", REFUSED)
def test_ranges_and_other_text_are_refused(text: str) -> None:
    """What is no single version raises the declared error, which names the scheme."""
    with pytest.raises(InvalidVersion, match="no version to semver"):
        semver.key(text)


def test_the_key_is_laid_out_as_drawn() -> None:
    """The bytes are those of the module's drawing, so stored keys stay comparable."""
    assert semver.key("1.20.0-rc.1").hex() == "2134" + "01" + "ad726300" + "21"
    assert semver.key("1.20.0").hex() == "2134" + "02"
