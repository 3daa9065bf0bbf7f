"""Maven's order. Expected orders are from the POM reference (Version Order Specification) and Maven 3.9.6."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hullwise.versions import maven
from hullwise.versions.invalid import LONGEST, InvalidVersion

RISING = [
    # The reference's own examples.
    ["1-snapshot", "1", "1-sp"],
    ["1-alpha", "1-beta", "1-milestone", "1-rc", "1-snapshot", "1", "1-sp", "1-abc", "1-xyz", "1-1", "1.1"],
    ["1-foo2", "1-foo10", "1.foo10.1"],
    ["1-sp-1", "1-ga-1"],
    ["1-ga.1", "1-1.1"],
    ["1.foo", "1-1", "1.1"],
    # What is published.
    ["2.0-beta7", "2.0-beta9", "2.0-rc1", "2.0", "2.0.1", "2.3.1", "2.4", "2.12.2", "2.13.0", "2.15.0"],
    ["4.1.0.Beta1", "4.1.0.CR1", "4.1.0.Final", "4.1.0.Final-redhat-1", "4.1.1.Final"],
    ["5.0.0.M1", "5.0.0.M2", "5.0.0.RC1", "5.0.0.RELEASE", "5.0.1.RELEASE", "5.0.10.RELEASE"],
    ["30.1-android", "30.1-jre", "30.1.1-android", "31.0-jre"],
    ["9.4.0.v20161208", "9.4.0.v20180619", "9.4.1.v20170120", "9.4.10.v20180503"],
    ["Finchley.SR1", "Greenwich.SR2", "Hoxton", "Hoxton.SR1", "Hoxton.SR12", "2020.0.0-M1", "2020.0.0"],
    ["1.0.alpha.1", "1.0.alpha.2", "1.0.beta.1", "1.0", "1.0.1"],
    ["1.0-20240101.101010-1", "1.0-20240102.101010-2"],
    # A zero in the middle is below the end where a pre-release follows.
    ["1-rc", "1.0.rc.1", "1", "1.0.0.1", "1.0.1-rc", "1.0.1"],
    ["1." + "9" * 40, "1.1" + "0" * 40],
    ["1.9", "1.10", "1.131", "1.132", "1.256", "1.65536", "1.2147483648", "1.9223372036854775808"],
]

EQUAL = [
    ("1", "1.0.0"),
    ("1", "1."),
    ("1", "1-"),
    ("1", "1-0"),
    ("1", "1.ga"),
    ("1", "1-ga"),
    ("1", "1.0.Final"),
    ("1", "1.RELEASE"),
    ("1", "1-0.0-0.0"),
    ("1-foo", "1.0.0-foo.0.0"),
    ("1-a1", "1-alpha-1"),
    ("1b2", "1-beta-2"),
    ("1m3", "1-milestone-3"),
    ("1-cr2", "1-RC2"),
    ("1-RC1", "1.0.0.rc1"),
    ("1x", "1-x"),
    ("1-1.foo-bar1baz-.1", "1-1.foo-bar-1-baz-0.1"),
    ("01.002", "1.2"),
    ("1-rc.0", "1-rc"),
]

REFUSED = [
    "",
    ".",
    "-",
    "_",
    " ",
    "1 0",
    " 1",
    "[1.0,2.0)",
    "[1.0]",
    "1,2",
    "${project.version}",
    "1/2",
    "1\\2",
    "1:2",
    "<1",
    "1>",
    "1|2",
    "1?",
    "1*",
    '"1"',
    "1\n",
    "1\x00",
    "1é",
    "٣",
    "1" * (LONGEST + 1),
]


@pytest.mark.parametrize("versions", RISING, ids=lambda versions: versions[0])
def test_rising_versions_have_rising_keys(versions: list[str]) -> None:
    """Each version of a chain sorts before the next."""
    for lower, higher in pairwise(versions):
        assert maven.key(lower) < maven.key(higher), (lower, higher)


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_versions_have_equal_keys(left: str, right: str) -> None:
    """What means nothing at the end of a list, case and aliases do not count."""
    assert maven.key(left) == maven.key(right)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_version_is_refused(text: str) -> None:
    """Text outside the order raises the declared error, which names the scheme."""
    with pytest.raises(InvalidVersion, match="no version to Maven"):
        maven.key(text)


def test_the_longest_version_has_a_key() -> None:
    """The longest text that the scheme takes sorts by its value."""
    assert maven.key("1" * LONGEST) < maven.key("2" * LONGEST)
    assert maven.key("a1" * (LONGEST // 2)) < maven.key("b1" * (LONGEST // 2)) < maven.key("1-" * (LONGEST // 2))


def test_a_circle_is_cut_at_the_plain_release() -> None:
    """1-alpha < 1 < 1.x.1 < 1-alpha by Maven's comparison of pairs: the last of them does not hold here."""
    assert maven.key("1-alpha") < maven.key("1") < maven.key("1.x.1")


def test_the_key_is_laid_out_as_drawn() -> None:
    """The bytes are those of the module's drawing, so stored keys stay comparable."""
    assert maven.key("1.0-rc2").hex() == "21" + "0704" + "0d22" + "09"
    assert (
        maven.key("1.0.x.final.alpha.sp.0.beta.1").hex()
        == "210e" + "0c7800" + "06" + "01" + "0b" + "08" + "02" + "21" + "09"
    )
