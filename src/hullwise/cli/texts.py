"""Texts that somebody else wrote, on their way to a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text on one line, without characters that a terminal obeys: what cannot be seen becomes U+FFFD."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
