"""Composer's order. Expected orders are from Composer's documentation (Versions) and that of PHP's version_compare."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hullwise.versions import composer
from hullwise.versions.invalid import LONGEST, InvalidVersion

RISING = [
    # PHP's order of words, around a plain version.
    ["1.0-dev", "1.0-alpha", "1.0-beta", "1.0-RC", "1.0", "1.0-patch"],
    ["1.0-alpha-dev", "1.0-alpha", "1.0-alpha1-dev", "1.0-alpha1", "1.0-alpha2", "1.0-alpha10", "1.0-beta1"],
    ["1.0-dev", "1.0", "1.0-p1-dev", "1.0-p1", "1.0-p2", "1.0.0.1"],
    ["1.0-beta1", "1.0-beta1.0", "1.0-beta1.1", "1.0-beta2"],
    ["1.9", "1.10", "1.131", "1.132", "1.256", "1.65536"],
    ["1.0.0.0", "1.0.0.1", "1.0.1", "1.1", "2"],
    # A numeric branch is above all of its versions.
    ["1.0.99", "1.0.x-dev", "1.1.0-alpha1", "1.99.99", "1.x-dev", "2.0.0-alpha1", "99999"],
    # Dates; the longer of two that begin alike is higher.
    ["2010-01-02", "2010.1.2", "2010-01-02-10", "2010-01-03", "2011-01-01"],
    ["2010-01-02", "2010-01-02-100", "2010-01-02-100-5", "2010-01-02-101"],
    ["20100102", "20100102-203040", "20100102.203040-p1", "20100103"],
    ["2010-01-02-beta1", "2010-01-02", "2010-01-02-patch1"],
    ["1.0." + "9" * 40, "1.0.1" + "0" * 40],
]

EQUAL = [
    ("1", "1.0.0.0"),
    ("1", "v1"),
    ("1", "V1.0"),
    ("1.0", " 1.0 "),
    ("1.0", "1.0-stable"),
    ("1.0", "1.0.0+build"),
    ("1.0", "1.0."),
    ("1.0-a1", "1.0.0-alpha1"),
    ("1.0b2", "1.0.0.0-beta.2"),
    ("1.0rc1", "1.0-RC-1"),
    ("1.0pl3", "1.0_patch3"),
    ("1.0-p3", "1.0-PL3"),
    ("1.0.dev", "1.0-dev"),
    ("1.0-beta2dev", "1.0-beta2-dev"),
    ("1.0-alpha.2.1", "1.0-a2.1"),
    ("2010-01-02", "2010:01:02"),
    ("1.x-dev", "v1.X.x.*-dev"),
    ("00001.01", "1.1"),
]

REFUSED = [
    "",
    "dev-main",
    "dev-1.0",
    "DEV-main",
    "master",
    "trunk",
    "default",
    "main-dev",
    "x-dev",
    "1.x",
    "1.*",
    "a",
    "1.0.0.0.0",
    "1..0",
    "1.0-foo",
    "1.0-1",
    "1.0-beta1-rc1",
    "1.0-dev-beta",
    "1.0+",
    "^1.0",
    ">=1.0",
    "1.0 || 2.0",
    "1.0 as 2.0",
    "1.0@beta",
    "1.0 beta",
    "1.0\x00",
    "1.٣",
    "1.0-\u212a",
    "1" * 40,
    "1." + "1" * LONGEST,
]


@pytest.mark.parametrize("versions", RISING, ids=lambda versions: versions[0])
def test_rising_versions_have_rising_keys(versions: list[str]) -> None:
    """Each version of a chain sorts before the next."""
    for lower, higher in pairwise(versions):
        assert composer.key(lower) < composer.key(higher), (lower, higher)


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_versions_have_equal_keys(left: str, right: str) -> None:
    """Spellings with one normal form have one key."""
    assert composer.key(left) == composer.key(right)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_version_is_refused(text: str) -> None:
    """Text outside the order raises the declared error, which names the scheme."""
    with pytest.raises(InvalidVersion, match="no version to Composer"):
        composer.key(text)


def test_the_longest_version_has_a_key() -> None:
    """The longest text that the scheme takes sorts by its value."""
    assert composer.key("1." + "1" * (LONGEST - 2)) < composer.key("1." + "2" * (LONGEST - 2))


def test_the_key_is_laid_out_as_drawn() -> None:
    """The bytes are those of the module's drawing, so stored keys stay comparable."""
    assert composer.key("v1.2-beta.3-dev").hex() == "21222020" + "0323" + "01" + "05"
    assert composer.key("1.2.x-dev").hex() == "2122" + "a698967f" * 2 + "01" + "05"
