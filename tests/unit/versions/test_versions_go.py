"""Go's order. Expected orders are from the Go modules reference, "Go Toolchains" and Go's vulnerability database."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hullwise.versions import go
from hullwise.versions.invalid import LONGEST, InvalidVersion

RISING = [
    # The reference's forms of pseudo-versions: below the version that they lead to, above the one they come from.
    [
        "v1.2.3-pre",
        "v1.2.3-pre.0.20191109021931-daa7c04131f5",
        "v1.2.3",
        "v1.2.4-0.20191109021931-daa7c04131f5",
        "v1.2.4-0.20191210000000-000000000000",
        "v1.2.4-rc.1",
        "v1.2.4",
    ],
    ["v0.0.0-20160903044734-789a4c4bd4c1", "v0.0.0-20191109021931-daa7c04131f5", "v0.0.0", "v0.0.1"],
    ["2.2.5-rc6.0.20190621200032-0ddffe484adc+incompatible", "v2.2.5+incompatible", "v2.10.0+incompatible", "v3.0.0"],
    # Go itself, as its binaries and as the database write it.
    [
        "go1",
        "go1.2",
        "go1.9beta2",
        "go1.9rc1",
        "go1.9",
        "go1.9.1",
        "go1.18.4",
        "go1.18.5b7",
        "1.21.0-0",
        "go1.21rc1",
        "go1.21rc2",
        "go1.21rc10",
        "go1.21.0",
        "go1.21.1 X:loopvar",
        "1.22.0-0",
        "1.22beta1",
        "1.22rc1",
        "1.22.0-rc.2",
        "go1.22.0-custom",
        "1.22.1",
        "go1.100",
    ],
]

EQUAL = [
    ("v1.2.3", "1.2.3"),
    ("v1.2.3+incompatible", "v1.2.3"),
    ("go1.21", "1.21.0"),
    ("go1.22rc1", "1.22.0-rc.1"),
    ("go1.22beta2", "1.22.0-beta.2"),
    ("1.22rc1", "go1.22rc1"),
    ("go1.22.1", "1.22.1"),
    ("go1.22.1 X:boringcrypto,loopvar", "1.22.1"),
    ("go1.21.13 (Red Hat 1.21.13-3.el9_4)", "1.21.13"),
    ("go1.22.1-bigcorp", "1.22.1"),
    ("go1.22.1+auto", "1.22.1"),
    ("go1.18.5b7", "1.18.5"),
]

REFUSED = [
    "",
    "(devel)",
    "devel go1.23-1a2b3c",
    "devel +1a2b3c",
    "go",
    "go1.",
    "go1.22rc",
    "go1.22.1.1",
    "go1.22foo1",
    "gov1.22",
    "v1.22rc",
    "latest",
    "v1.2.3\n",
    "go1.22.1 \n",
    "v1.2.٣",
    "go1.22.1 " + "x" * LONGEST,
    "1" * (LONGEST + 1),
]


@pytest.mark.parametrize("versions", RISING, ids=lambda versions: versions[0])
def test_rising_versions_have_rising_keys(versions: list[str]) -> None:
    """Each version of a chain sorts before the next."""
    for lower, higher in pairwise(versions):
        assert go.key(lower) < go.key(higher), (lower, higher)


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_versions_have_equal_keys(left: str, right: str) -> None:
    """`v`, `go`, what a builder adds and left-out numbers do not count."""
    assert go.key(left) == go.key(right)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_version_is_refused(text: str) -> None:
    """Text outside the order raises the declared error, which names the scheme."""
    with pytest.raises(InvalidVersion, match="no version to Go"):
        go.key(text)


def test_the_longest_version_has_a_key() -> None:
    """The longest text that the scheme takes sorts by its value."""
    assert go.key("1" * LONGEST) < go.key("2" * LONGEST)
