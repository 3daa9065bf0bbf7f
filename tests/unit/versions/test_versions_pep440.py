"""PyPI's order. Expected orders are from the version specifiers specification (PEP 440)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hullwise.versions import pep440
from hullwise.versions.invalid import LONGEST, InvalidVersion

RISING = [
    # The specification's summary of permitted suffixes and relative ordering.
    [
        "1.dev0",
        "1.0.dev456",
        "1.0a1",
        "1.0a2.dev456",
        "1.0a12.dev456",
        "1.0a12",
        "1.0b1.dev456",
        "1.0b2",
        "1.0b2.post345.dev456",
        "1.0b2.post345",
        "1.0rc1.dev456",
        "1.0rc1",
        "1.0",
        "1.0+abc.5",
        "1.0+abc.7",
        "1.0+5",
        "1.0.post456.dev34",
        "1.0.post456",
        "1.0.15",
        "1.1.dev1",
    ],
    ["0", "0.0.1", "0.1", "0.9", "0.10", "1.0", "1.0.0.1", "1.132", "1.256", "1.65536"],
    ["2013.10", "2014.4", "1!0.1", "1!1.0", "2!0"],
    ["1.0", "1.0+a", "1.0+a.a", "1.0+a.1", "1.0+ab", "1.0+1", "1.0+1.a", "1.0+2", "1.0+10", "1.0.1"],
    ["1.0a1", "1.0a1+local", "1.0a1.post1", "1.0a2"],
    ["1.dev0", "1.dev0+x", "1.dev1"],
    ["1." + "9" * 40, "1.1" + "0" * 40, "1.1" + "0" * 400],
]

EQUAL = [
    ("1", "1.0.0"),
    ("0", "0.0"),
    ("1.0", "v1.0"),
    ("1.0", " 1.0\n"),
    ("1.0", "0!1.0"),
    ("1.0", "01.00"),
    ("1.0a1", "1.0-Alpha.1"),
    ("1.0b0", "1.0beta"),
    ("1.0rc1", "1.0c1"),
    ("1.0rc1", "1.0-preview_1"),
    ("1.0.post1", "1.0-1"),
    ("1.0.post0", "1.0.rev"),
    ("1.0.dev0", "1.0dev"),
    ("1.0+ubuntu.1", "1.0+Ubuntu-01"),
]

REFUSED = [
    "",
    "2.0.0-final",
    "0.9.0.dev-r123",
    "0.3.2d",
    "2019-09-12",
    "1.0+",
    "1.0+a..b",
    "1.x",
    "1.0.*",
    ">=1.0",
    "1.0 1",
    "٣.0",
    "1.0+\u212a",  # the Kelvin sign, which folds to k
    "1.0.po\u017ft1",  # the long s, which folds to s
    "1\x00",
    "1" * (LONGEST + 1),
]


@pytest.mark.parametrize("versions", RISING, ids=lambda versions: versions[0])
def test_rising_versions_have_rising_keys(versions: list[str]) -> None:
    """Each version of a chain sorts before the next."""
    for lower, higher in pairwise(versions):
        assert pep440.key(lower) < pep440.key(higher), (lower, higher)


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_versions_have_equal_keys(left: str, right: str) -> None:
    """Spellings with one normal form, and zeros at the end of a release, have one key."""
    assert pep440.key(left) == pep440.key(right)


@pytest.mark.parametrize("text", REFUSED)
def test_what_pep440_does_not_know_is_refused(text: str) -> None:
    """Versions older than the scheme, and what is no version, raise the declared error."""
    with pytest.raises(InvalidVersion, match="no version to PEP 440"):
        pep440.key(text)


def test_the_key_is_laid_out_as_drawn() -> None:
    """The bytes are those of the module's drawing, so stored keys stay comparable."""
    expected = "20" + "21" + "0422" + "062305" + "077562756e747500" + "21"
    assert pep440.key("1.0.0rc2.post3+ubuntu.1").hex() == expected
    assert pep440.key("1!2.dev3").hex() == "21" + "22" + "0123"
