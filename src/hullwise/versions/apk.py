"""Alpine's order of versions, as keys of bytes (apk-package(5); apk-tools 3, and version.c of apk-tools 2).

A version is `digits{.digits}[letter]{_suffix[digits]}[~hash][-rdigits]`. apk-tools 2, which built Alpine up to 3.22,
has digits after a letter too, and then goes on as after any digits: `6.6.2p1-r0`, Alpine 3.11's opensmtpd. Version 3
refuses these, so that nothing it says of others stands against them. Tokens are compared one by one; where two versions
go on with tokens of different kinds, the kinds decide. So every token begins with the byte of its kind:

    01 … 04   _alpha _beta _pre _rc
    05        END: the version is over. Not written after a revision, which nothing can follow
    06        -r, then a number
    07        ~, then the hexadecimal digits in ASCII
    08        digits of the suffix before, then a number
    09 … 0D   _cvs _svn _git _hg _p
    0E        letter, then the letter in ASCII
    0F        .0
    10        .0 and further digits: a fraction; then those digits in ASCII, then 00
    20 … AC   digits, a number: the first, those after a letter, and those after a dot that do not begin with 0

`.0` is below `.00`, that below `.01`, and all are below `.1`: apk compares digits after a dot as text as soon as one
side begins with 0. After a letter no dot can follow, and digits are above all that can. A hash needs no end: what can
follow it, 05 or 06, is below every digit. For `1.02_p3-r4`: 21, 10 32 00, 0D, 08 23, 06 24.
"""

from __future__ import annotations

import re

from hullwise.versions import numbers
from hullwise.versions.invalid import LONGEST, InvalidVersion

_END = b"\x05"
_REVISION = b"\x06"
_HASH = b"\x07"
_SUFFIX_DIGITS = b"\x08"
_LETTER = b"\x0e"
_ZERO = b"\x0f"
_FRACTION = b"\x10"
_FRACTION_END = b"\x00"
_SUFFIXES = {
    "alpha": b"\x01",
    "beta": b"\x02",
    "pre": b"\x03",
    "rc": b"\x04",
    "cvs": b"\x09",
    "svn": b"\x0a",
    "git": b"\x0b",
    "hg": b"\x0c",
    "p": b"\x0d",
}

_VERSION = re.compile(
    r"(?P<first>[0-9]+)"
    r"(?P<further>(?:\.[0-9]+|[a-z][0-9]+)*)"
    r"(?P<letter>[a-z]?)"
    rf"(?P<suffixes>(?:_(?:{'|'.join(_SUFFIXES)})[0-9]*)*)"
    r"(?:~(?P<hash>[0-9a-f]+))?"
    r"(?:-r(?P<revision>[0-9]+))?"
)
_FURTHER = re.compile(r"([.a-z])([0-9]+)")
_SUFFIX = re.compile(r"_([a-z]+)([0-9]*)")


def key(version: str) -> bytes:
    """Bytes that sort as apk sorts versions, and are equal where apk calls two versions equal.

    Numbers may be of any length (apk itself wraps at 2**64). Raises `InvalidVersion` for what `apk version --check` of
    both apk-tools refuses, and for more than `LONGEST` characters.
    """
    match = _VERSION.fullmatch(version) if len(version) <= LONGEST else None
    if match is None:
        raise InvalidVersion("apk", version)
    first, further, letter, suffixes, commit, revision = match.groups()
    code = bytearray(numbers.of_digits(first))
    for sign, digits in _FURTHER.findall(further):
        code += _component(digits) if sign == "." else _LETTER + sign.encode("ascii") + numbers.of_digits(digits)
    if letter:
        code += _LETTER + letter.encode("ascii")
    for suffix, digits in _SUFFIX.findall(suffixes):
        code += _SUFFIXES[suffix]
        if digits:
            code += _SUFFIX_DIGITS + numbers.of_digits(digits)
    if commit:
        code += _HASH + commit.encode("ascii")
    code += _REVISION + numbers.of_digits(revision) if revision else _END
    return bytes(code)


def _component(digits: str) -> bytes:
    if digits[0] != "0":
        return numbers.of_digits(digits)
    if digits == "0":
        return _ZERO
    return _FRACTION + digits[1:].encode("ascii") + _FRACTION_END
