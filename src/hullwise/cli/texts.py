"""Texts that somebody else wrote, on their way to a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_PIPED_WIDTH = 1_000


def printable(text: str) -> str:
    """The text on one line, without characters that a terminal obeys: what cannot be seen becomes U+FFFD."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def console() -> Console:
    """Standard output. What is piped elsewhere is searched by line: no line is folded there."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    return Console(width=width, markup=False, emoji=False, highlight=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print the rows below the names of their columns."""
    from rich.table import Table

    found = Table(*columns, box=None)
    for row in rows:
        found.add_row(*(printable(cell) for cell in row))
    console().print(found)
