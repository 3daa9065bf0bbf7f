"""dpkg's order. Expected orders are from Debian policy 5.6.12 and from `dpkg --compare-versions` (1.21.22)."""

from __future__ import annotations

import pickle
import random
import shutil
import subprocess
from itertools import pairwise

import pytest

from hullwise.versions import dpkg
from hullwise.versions.invalid import LONGEST, InvalidVersion

RISING = [
    # Policy's own example, and around it: a tilde is below everything, even the end.
    ["1~~", "1~~a", "1~", "1", "1a"],
    ["1.0~beta1~svn1245", "1.0~beta1", "1.0"],
    ["0~", "0", "0-0.1"],
    ["1.0~rc1-1", "1.0-0", "1.0-1~bpo12+1", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0-2", "1.0.1-1"],
    # Letters are below all other characters, and ASCII decides within both.
    ["1~", "1A", "1Z", "1a", "1z", "1+", "1+a", "1-1-1", "1.", "1..", "0:1:0", "1_"],
    ["1a", "1ab", "1a+", "1a."],
    # Digits compare by value, however many.
    ["1.9", "1.10", "1.99", "1.131", "1.132", "1.255", "1.256", "1.65535", "1.65536", "1.18446744073709551616"],
    ["1." + "9" * 40, "1.1" + "0" * 40, "1.1" + "0" * 39 + "1", "1.1" + "0" * 400],
    # The epoch is above all, the revision below all.
    ["99-99", "1:0", "1:0.1-1", "2:0", "10:0", "2147483647:0"],
    ["2.36-9", "2.36-9+deb12u1", "2.36-9+deb12u4", "2.36-9+deb12u10", "2.36-10"],
    ["3.0.11-1~deb12u2", "3.0.11-1", "3.0.11-1ubuntu2.1", "3.0.11-1ubuntu2.10"],
    # The last hyphen divides: "1-2" with revision 3 is above "1" with revision 3.
    ["1-3", "1-2-3", "1-10-1"],
    # What dpkg only warns of.
    ["1.0~_", "1.0", "1.0a", "1.0_a", "1.0_b"],
    ["1", "a", "b1", "+"],
]

EQUAL = [
    ("1.0", "0:1.0"),
    ("1.0", "00:1.0"),
    ("1:1.0", "+1:1.0"),
    ("1.0", "1.0-0"),
    ("1.0", "1.0-00"),
    ("1.0", "1.00"),
    ("1.0", "001.0"),
    ("1.", "1.0"),
    ("1a", "1a0"),
    ("1-a", "1-a0"),
    ("1~", "1~0"),
    ("1.2", " 1.2\t"),
    ("1.0-1+deb09u1", "1.0-1+deb9u1"),
]

REFUSED = [
    "",
    " ",
    ":1",
    "1:",
    "a:1",
    "1-a:b",
    "-1:1",
    "2147483648:1",
    "9" * 300 + ":1",
    "1-",
    "-1",
    "1:-1",
    "1 2",
    "1\t2",
    "1\n",
    "\n1",
    "1\x00",
    "1é",
    "1\udcff",
    "٣",
    "<unfixed>",
    "<unknown>",
    "1>2",
    "1" * (LONGEST + 1),
    " " * LONGEST + "1",
]


@pytest.mark.parametrize("versions", RISING, ids=lambda versions: versions[0])
def test_rising_versions_have_rising_keys(versions: list[str]) -> None:
    """Each version of a chain sorts before the next."""
    for lower, higher in pairwise(versions):
        assert dpkg.key(lower) < dpkg.key(higher), (lower, higher)


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_versions_have_equal_keys(left: str, right: str) -> None:
    """Spellings that dpkg calls equal have one key."""
    assert dpkg.key(left) == dpkg.key(right)


@pytest.mark.parametrize("text", REFUSED)
def test_what_dpkg_cannot_order_is_refused(text: str) -> None:
    """Text outside the order raises the declared error, which names the scheme."""
    with pytest.raises(InvalidVersion, match="no version to dpkg"):
        dpkg.key(text)


def test_the_longest_version_has_a_key() -> None:
    """A number as long as a version may be still sorts by its value."""
    assert dpkg.key("1" * LONGEST) < dpkg.key("2" * LONGEST)


def test_the_key_is_laid_out_as_drawn() -> None:
    """The bytes are those of the module's drawing, so stored keys stay comparable."""
    assert dpkg.key("1:2.0-3").hex() == "21" + "22ee20" + "02" + "23" + "02"


def test_the_error_survives_a_process_boundary_and_stays_short() -> None:
    """An InvalidVersion keeps its facts through pickle, and a huge text does not make a huge message."""
    error = pickle.loads(pickle.dumps(InvalidVersion("dpkg", "x" * 10_000)))
    assert (error.scheme, error.text) == ("dpkg", "x" * 10_000)
    assert len(str(error)) < 200


COMPARE = """
while IFS=' ' read -r a b; do
  for relation in lt eq gt; do
    dpkg --compare-versions "$a" "$relation" "$b"
    case $? in 0) echo "$relation"; break;; 1) ;; *) echo refused; break;; esac
  done
done
"""


def _hostile_pairs(count: int) -> list[tuple[str, str]]:
    dice = random.Random(20_561)
    pieces: list[str] = [*"0123456789", *"abzAZ.+~-:_@", "00", "010", "~~", "+deb12u", "-0", "~rc", "9" * 25, "65536"]

    def version() -> str:
        epoch = dice.choice(["", "", "", "0:", "1:", "2147483648:", "a:"])
        return epoch + dice.choice("0123456789a") + "".join(dice.choices(pieces, k=dice.randrange(9)))

    def changed(text: str) -> str:
        place = dice.randrange(1, len(text) + 1)
        return text[:place] + dice.choice(["", *pieces]) + text[place + dice.randrange(2) :]

    lefts = [version() for _ in range(count)]
    return [(left, changed(left) if dice.random() < 0.8 else version()) for left in lefts]


def _relation(left: str, right: str) -> str:
    try:
        lower, higher = dpkg.key(left), dpkg.key(right)
    except InvalidVersion:
        return "refused"
    return "eq" if lower == higher else "lt" if lower < higher else "gt"


@pytest.mark.wire
@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not installed")
def test_dpkg_itself_agrees() -> None:
    """dpkg gives the same verdict on 500 random and hostile pairs, refusals included."""
    pairs = _hostile_pairs(500)
    lines = "".join(f"{left} {right}\n" for left, right in pairs)
    answer = subprocess.run(["sh", "-c", COMPARE], input=lines, capture_output=True, text=True, check=True)
    verdicts = answer.stdout.split()
    assert len(verdicts) == len(pairs)
    assert set(verdicts) == {"lt", "eq", "gt", "refused"}
    wrong = [(*pair, verdict) for pair, verdict in zip(pairs, verdicts, strict=True) if _relation(*pair) != verdict]
    assert wrong == []
