"""Debian's order of versions, as keys of bytes (Debian policy 5.6.12; what dpkg accepts, deb-version(7)).

    key       epoch number, part of the upstream version, part of the revision
    part      (characters, number)…, END

    01        ~
    02        END
    20 … AC   a number: it also ends the characters before it
    AD … E0   A … Z, a … z
    E1 … FF   every other character, in ASCII order

A part is cut into runs of non-digits, each (the empty one too) followed by a number; a number that is not written
is 0. So the end of a run is the number after it, above `~` and below all other characters, and the end of a part is
END, which stands where a run of characters might have begun. For `1:2.0-3`: 21, 22 EE 20 02, 23 02.
"""

from __future__ import annotations

import re

from hullwise.versions import numbers
from hullwise.versions.invalid import LONGEST, InvalidVersion

_END = b"\x02"
_HIGHEST_EPOCH = 2**31 - 1  # dpkg keeps the epoch in a C int and calls a higher one an error.

# Printable ASCII. dpkg only warns of characters outside policy's set (`1.0_beta`), and of a first character that is
# no digit, and then compares; so do we. Not `<` and `>`: they mark words that are no versions, in dpkg `<unknown>`,
# in Debian's security tracker `<unfixed>`. Not bytes beyond ASCII: dpkg's answer depends on the sign of C's char.
_TEXT = re.compile(r"[!-;=?-~]+")

_RUN = re.compile(r"([^0-9]*)([0-9]+)")
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_OTHERS = b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}"
_CHARACTERS = bytes.maketrans(
    b"~" + _LETTERS + _OTHERS,
    bytes([0x01, *range(numbers.ABOVE, numbers.ABOVE + len(_LETTERS + _OTHERS))]),
)


def key(version: str) -> bytes:
    """Bytes that sort as dpkg sorts versions, and are equal where dpkg calls two versions equal.

    Blanks around the version are ignored. Raises `InvalidVersion` for what dpkg refuses (an empty or non-numeric
    epoch, or one above 2147483647; an empty upstream version or revision; blanks inside), and for `<`, `>`, `-0` as
    an epoch, control and non-ASCII characters, and more than `LONGEST` characters.
    """
    text = version.strip(" \t") if len(version) <= LONGEST else ""
    if not _TEXT.fullmatch(text):
        raise InvalidVersion("dpkg", version)
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    epoch = epoch.removeprefix("+")  # dpkg reads the epoch with strtol.
    upstream, hyphen, revision = rest.rpartition("-")
    if not hyphen:
        upstream, revision = rest, "0"
    if not (epoch.isdigit() and int(epoch) <= _HIGHEST_EPOCH and upstream and revision):
        raise InvalidVersion("dpkg", version)
    return numbers.of_digits(epoch) + _part(upstream) + _part(revision)


def _part(text: str) -> bytes:
    if not text[-1].isdigit():
        text += "0"
    code = bytearray()
    for characters, digits in _RUN.findall(text):
        if characters:
            code += characters.encode("ascii").translate(_CHARACTERS)
        code += numbers.of_digits(digits)
    return bytes(code) + _END
