"""Whole numbers as bytes that sort as the numbers do. Every scheme's key is made of these and of marks.

    first byte   then
    20 … A3      nothing: the number is the byte less 20, so 0 … 131
    A4 … AB      the number in 1 … 8 bytes, most significant first, none of them a leading zero
    AC           one byte: how many bytes follow (9 … 255), then the number in that many

(Bytes in hexadecimal.) A number has one form only, and no form is a prefix of another. Below 20 and above AC the
bytes are free: schemes put there what comes before and after every number.
"""

from __future__ import annotations

ABOVE = 0xAD
"""The lowest byte that follows every number."""

_FIRST = 0x20
_SHORT = 0xA4
_LONG = 0xAC

_ONE_BYTE = tuple(bytes([byte]) for byte in range(_FIRST, _SHORT))
_BY_DIGITS = {str(value): code for value, code in enumerate(_ONE_BYTE)}


def of_int(value: int) -> bytes:
    """The bytes of a number from 0 to below 2**2040 (614 decimal digits)."""
    if value < len(_ONE_BYTE):
        return _ONE_BYTE[value]
    length = (value.bit_length() + 7) // 8
    head = bytes([_SHORT + length - 1]) if length <= 8 else bytes([_LONG, length])
    return head + value.to_bytes(length, "big")


def of_digits(digits: str) -> bytes:
    """The bytes of the number that these decimal digits write, leading zeros or not; at most 614 of them."""
    return _BY_DIGITS.get(digits) or of_int(int(digits))
