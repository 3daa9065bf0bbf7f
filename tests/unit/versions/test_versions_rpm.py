"""rpm's order. Expected orders are from rpm-version(7), rpm's own comparison tests and AlmaLinux's advisories."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hullwise.versions import rpm
from hullwise.versions.invalid import LONGEST, InvalidVersion

RISING = [
    ["1.0", "1.1", "1.9", "1.10", "1.131", "1.132", "1.255", "1.256", "1.65536", "1.18446744073709551616", "2.0"],
    ["2.0", "2.0a", "2.0.1", "2.0.1a"],
    ["5.5p1", "5.5p2", "5.5p10", "5.6p1"],
    ["10a1", "10a2", "10b2"],
    # Letters are below digits; the longer one is higher.
    ["xyz10", "10xyz", "10.1xyz"],
    ["xyz", "xyz.4", "8", "8.1"],
    ["1.0a", "1.0aa", "1.0ab", "1.0b"],
    ["6.0", "6.0.rc1", "6.5.0"],
    ["1.0A", "1.0Z", "1.0a"],
    # A tilde is below the end, a caret just above it.
    ["1.0~~", "1.0~", "1.0~rc1~git123", "1.0~rc1", "1.0~rc1^git1", "1.0~rc2", "1.0"],
    [
        "1.0",
        "1.0^",
        "1.0^^",
        "1.0^git1~pre",
        "1.0^git1",
        "1.0^git1^b",
        "1.0^git2",
        "1.0^20160102",
        "1.0a",
        "1.0.1",
        "1.01",
    ],
    # The epoch is above all, the release below all, and an absent one below each.
    ["99-99", "1:0", "1:0.1-1", "2:0", "10:0", "4294967296:0"],
    [
        "1.2",
        "1.2-~1",
        "1.2-0",
        "1.2-1",
        "1.2-1.el9",
        "1.2-1.el9_2",
        "1.2-1.el9_2.3",
        "1.2-2.el9",
        "1.2-10.el8",
        "1.2.1",
    ],
    ["1-3", "1-2-3", "1-10-1"],
    ["1:2.06-27.el9_0.7.alma", "1:2.06-27.el9_0.12.alma", "1:2.06-46.el9.alma"],
    ["1:0.1.15-2.git2d0b8a3.module_el8.3.0+2044+12421f43", "1:0.1.15-2.git2d0b8a3.module_el8.4.0+2496+12421f43"],
    ["1:0.9.0~M3-7.module_el9.6.0+148+fb6dc857", "1:0.9.0-1"],
]

EQUAL = [
    ("1.0", "0:1.0"),
    ("1.0", ":1.0"),
    ("1:1.0", "01:1.0"),
    ("10.0001", "10.1"),
    ("1.0.", "1.0"),
    ("1..0", "1.0"),
    ("2_0", "2.0"),
    ("2_0", "2+0"),
    ("a1", "a.1"),
    ("1.2-1.el9", "1.2-1_el.9"),
    ("1.0-1", "1.0.-01"),
]

REFUSED = [
    "",
    " ",
    ":",
    "1:",
    "a:1",
    "(none):1.2-3",
    "1:2:3",
    "-1:1",
    "1-",
    "-1",
    "1-.",
    "+",
    "~",
    "1.0-^",
    "1 2",
    " 1",
    "1\n",
    "1\x00",
    "1é",
    "1\udcff",
    "٣",
    "<unfixed>",
    "1" * (LONGEST + 1),
]


@pytest.mark.parametrize("versions", RISING, ids=lambda versions: versions[0])
def test_rising_versions_have_rising_keys(versions: list[str]) -> None:
    """Each version of a chain sorts before the next."""
    for lower, higher in pairwise(versions):
        assert rpm.key(lower) < rpm.key(higher), (lower, higher)


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_versions_have_equal_keys(left: str, right: str) -> None:
    """What only divides, leading zeros and an epoch of 0 do not count."""
    assert rpm.key(left) == rpm.key(right)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_version_is_refused(text: str) -> None:
    """Text outside the order raises the declared error, which names the scheme."""
    with pytest.raises(InvalidVersion, match="no version to rpm"):
        rpm.key(text)


def test_the_longest_version_has_a_key() -> None:
    """The longest text that the scheme takes sorts by its value."""
    assert rpm.key("1" * LONGEST) < rpm.key("2" * LONGEST)


@pytest.mark.parametrize("build", ["1.2-1", "1.2-0.1.el9", "1.2-1.el9_4.alma.1"])
def test_a_bound_without_a_release_is_below_the_builds(build: str) -> None:
    """`introduced: 1.2` holds for every build of 1.2, and `fixed: 1.2` ends before them."""
    assert rpm.key("1.1-99") < rpm.key("1.2") < rpm.key(build)


def test_the_key_is_laid_out_as_drawn() -> None:
    """The bytes are those of the module's drawing, so stored keys stay comparable."""
    assert rpm.key("1:2.0~rc1-3.el9").hex() == "21" + "222001" + "04726300" + "2102" + "23" + "04656c00" + "2902"
    assert rpm.key("1^2").hex() == "20" + "21" + "03" + "22" + "02"
