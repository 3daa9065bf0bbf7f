"""Maven's order of versions, as keys of bytes (ComparableVersion of Maven 3.9; POM reference, Version Order).

A version is a list of items, the last of which may be a list again. `.` goes on in the same list; a hyphen, and each
change between letters and digits, opens one inside, and so does a qualifier that ends the version or stands before a
digit. Items that mean nothing (0, and `ga`, `final`, `release`, all written here as "") are dropped at the end of each
list, also in front of a list inside: `1.0.0-rc.0` is [1, [rc]]. Maven reads an absent item as such a nothing, so what
follows a nothing says on which side of the plain release it stands; the tail is negative (a pre-release) or positive.

    key       items of the outer list, LIST, items of the one inside, …, END

    01 … 05   alpha, beta, milestone, rc, snapshot
    06        "", a negative tail follows
    07        LIST, negative
    08        0, a negative tail follows
    09        END
    0A        "", a positive tail follows
    0B        sp
    0C        any other qualifier: it in ASCII, then 00
    0D        LIST, positive
    0E        0, a positive tail follows
    21 … AC   a number

Maven compares the kinds of two items first (qualifier, then list, then number), and in a few cases runs in a circle:
1-alpha < 1 < 1.x.1 < 1-alpha. Here the side of the plain release comes first, so 1-alpha < 1 < 1.x.1; all other
pairs sort as Maven sorts them. For `1.0-rc2`, which is [1, [rc, [2]]]: 21, 07 04, 0D 22, 09.
"""

from __future__ import annotations

import re

from hullwise.versions import numbers
from hullwise.versions.invalid import LONGEST, InvalidVersion

_EMPTY = (b"\x06", b"\x0a")
_LIST = (b"\x07", b"\x0d")
_ZERO = (b"\x08", b"\x0e")
_END = b"\x09"
_OTHER = b"\x0c"
_OTHER_END = b"\x00"
_BEFORE_RELEASE = {"alpha": b"\x01", "beta": b"\x02", "milestone": b"\x03", "rc": b"\x04", "snapshot": b"\x05"}
_QUALIFIERS = {**_BEFORE_RELEASE, "sp": b"\x0b"}
_ALIASES = {"ga": "", "final": "", "release": "", "cr": "rc"}
_BEFORE_DIGITS = {"a": "alpha", "b": "beta", "m": "milestone"}

# Printable ASCII but the characters that Maven's model validator refuses in a version (they would not do as a file
# name, or mark a range or an expression), with a letter or digit in it.
_VERSION = re.compile(r"(?=[^0-9A-Za-z]*[0-9A-Za-z])[!#-'+\-.0-9;=@A-Z^-z~]+")
_RUN = re.compile(r"[0-9]+|[^0-9.-]+|[.-]")

_Items = list[str | int]


def key(version: str) -> bytes:
    """Bytes that sort as Maven sorts versions, and are equal where Maven calls two versions equal.

    Where Maven's order is no order, see the module. Every text is a version to Maven's comparison; raises
    `InvalidVersion` for those that Maven refuses in a POM (blanks, control and non-ASCII characters, any of
    `\\/:"<>|?*[](){},`), those without a letter or digit, and more than `LONGEST` characters.
    """
    if len(version) > LONGEST or not _VERSION.fullmatch(version):
        raise InvalidVersion("Maven", version)
    # From the end, for the sign of what follows.
    positive = False
    code = [_END]
    for depth, items in reversed(list(enumerate(_trimmed(_lists(version.lower()))))):
        for item in reversed(items):
            if item not in ("", 0):
                positive = item not in _BEFORE_RELEASE
            code.append(_item(item, positive))
        if depth:
            code.append(_LIST[positive])
    return b"".join(reversed(code))


def _lists(text: str) -> list[_Items]:
    """The items of the outer list, then those of the list in it, and so on. `text`: in lower case."""
    lists: list[_Items] = [[]]
    runs = _RUN.findall(text)
    separated = True
    for run, after in zip(runs, [*runs[1:], ""], strict=True):
        if run in (".", "-"):
            if separated:
                lists[-1].append(0)
            if run == "-":
                lists.append([])
            separated = True
            continue
        separated = False
        if run[0].isdigit():
            lists[-1].append(int(run))
            if after not in ("", ".", "-"):
                lists.append([])
            continue
        if after not in (".", "-") and lists[-1]:
            lists.append([])
        digits_follow = after[:1].isdigit()
        name = _BEFORE_DIGITS.get(run, run) if digits_follow else run
        lists[-1].append(_ALIASES.get(name, name))
        if digits_follow:
            lists.append([])
    return lists


def _trimmed(lists: list[_Items]) -> list[_Items]:
    """Without what means nothing at the end of each list, and without empty lists at the end."""
    for items in lists:
        while items and items[-1] in ("", 0):
            items.pop()
    while len(lists) > 1 and not lists[-1]:
        lists.pop()
    return lists


def _item(item: str | int, positive: bool) -> bytes:
    if item == "":
        return _EMPTY[positive]
    if item == 0:
        return _ZERO[positive]
    if isinstance(item, int):
        return numbers.of_int(item)
    return _QUALIFIERS.get(item) or _OTHER + item.encode("ascii") + _OTHER_END
