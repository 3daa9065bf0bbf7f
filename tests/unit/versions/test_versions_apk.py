"""apk's order. Expected orders are facts of apk-tools: its own comparison tests, and apk-package(5)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hullwise.versions import apk
from hullwise.versions.invalid import LONGEST, InvalidVersion

RISING = [
    ["0.1.0_alpha", "0.1.0_alpha2", "0.1.3_alpha", "2.2.39-r1"],
    ["0.12", "0.12.3", "0.13_beta1", "0.13_beta2", "0.13_beta5", "0.13"],
    ["1.0_alpha", "1.0_beta", "1.0_pre", "1.0_rc", "1.0", "1.0_cvs", "1.0_svn", "1.0_git", "1.0_hg", "1.0_p"],
    ["1.0_p9-r0", "1.0_p10-r0"],
    ["0.1.0_alpha_pre2", "0.1.0_alpha"],
    ["1.0_alpha1_pre2", "1.0_alpha1", "1.0_alpha1_p", "1.0_alpha2"],
    ["1.0_p1_alpha", "1.0_p1", "1.0_p1_p"],
    ["1.0_alpha", "1.0_alpha0", "1.0_alpha1"],
    ["1.3_pre1-r1", "1.3-r0", "1.3.1-r0", "1.3.2"],
    ["2.3.0", "2.3.0-r1", "2.3.0_p1", "2.3.0b", "2.3.0b-r1", "2.3.0b-r10", "2.3.0c", "2.3.0.1"],
    ["2.5.1-r8", "2.5.1a-r1"],
    ["0.9.8c-r1", "0.9.8d"],
    # apk-tools 2, version.c: after a letter its digits, above every end, suffix and revision; then on as after digits.
    ["6.6.2_p1-r0", "6.6.2p-r0", "6.6.2p_p1", "6.6.2p0", "6.6.2p1-r0", "6.6.2p1-r1", "6.6.2p2", "6.6.2q"],
    ["1a1_pre", "1a1", "1a1_p", "1a1b", "1a1b1", "1a1c", "1a1.0", "1a1.01", "1a1.1", "1a2", "1a10", "1b", "1.0"],
    # A component that begins with 0 is text, on whichever side it stands; the first number never is.
    ["1.0", "1.00", "1.001", "1.0015", "1.002", "1.01", "1.010", "1.02", "1.1", "1.9", "1.10"],
    ["8.2.0", "8.2.001", "8.2.0015", "8.2.002", "8.2.1"],
    ["1.06-r6", "006", "7", "013", "014-r1"],
    ["1.02.07", "1.02.10-r1"],
    ["1.0", "1.0.0", "1.0.0.0", "1.0.1"],
    # Hashes are text; a hash is above the end and above any revision without one.
    ["1.0", "1.0-r9", "1.0~12", "1.0~12-r1", "1.0~1234-r0", "1.0~1234-r1", "1.0~2345-r0"],
    ["1.0_git1", "1.0_git1-r0", "1.0_git1~abc"],
    ["1.2.4_git20230717-r3", "1.2.4_git20230717-r4", "1.2.4_git20230718-r0", "1.2.5-r0"],
    ["1.1.1~abcdef-r0", "1.1.1~abcdef-r1", "1.1.1a-r0", "1.1.2-r0"],
    ["1.0.0_pre20191002222144-r0", "1.0.0_pre20210530193627-r0"],
    ["9" * 40, "1" + "0" * 40],
]

EQUAL = [
    ("6", "006"),
    ("1-r1", "1-r01"),
    ("1_p1", "1_p01"),
    ("1a1", "1a01"),
]

REFUSED = [
    "",
    "a",
    ".1",
    "1.",
    "1..2",
    "_pre1",
    "-r1",
    "0.1bc",
    "0.1bc1",
    "0.1a.1",
    "0.1_",
    "0.1_-r0",
    "0.1__alpha",
    "0.1_1_alpha",
    "0.1_foobar",
    "0.1_prealpha",
    "0.1_pre2~",
    "0.1_pre2~1234xbcd",
    "0.1_pre2~1234ABCD",
    "0.1_pre2~1234abcd_pre1",
    "0.1_pre2-r1~1234abcd",
    "0.1-pre1.1",
    "0.1-r",
    "0.1-r2_pre1",
    "0.1-r2-r3",
    "0.1-r2.1",
    "1-1",
    "1.0A",
    " 1.0",
    "1.0\n",
    "1.٣",
    "1.0é",
    "1.0\x00",
    "1" * (LONGEST + 1),
]


@pytest.mark.parametrize("versions", RISING, ids=lambda versions: versions[0])
def test_rising_versions_have_rising_keys(versions: list[str]) -> None:
    """Each version of a chain sorts before the next."""
    for lower, higher in pairwise(versions):
        assert apk.key(lower) < apk.key(higher), (lower, higher)


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_versions_have_equal_keys(left: str, right: str) -> None:
    """Leading zeros count only after a dot."""
    assert apk.key(left) == apk.key(right)


@pytest.mark.parametrize("text", REFUSED)
def test_what_apk_calls_invalid_is_refused(text: str) -> None:
    """Text outside the grammar raises the declared error, which names the scheme."""
    with pytest.raises(InvalidVersion, match="no version to apk"):
        apk.key(text)


def test_the_key_is_laid_out_as_drawn() -> None:
    """The bytes are those of the module's drawing, so stored keys stay comparable."""
    assert apk.key("1.02_p3-r4").hex() == "21" + "103200" + "0d" + "0823" + "0624"
    assert apk.key("1.0b~0f").hex() == "21" + "0f" + "0e62" + "073066" + "05"
