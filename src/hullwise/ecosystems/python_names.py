"""Names of Python distributions: which there are, and which are the same (Python Packaging User Guide, "Names and
normalization").

`packaging.utils` knows that too, but takes 6 ms to import, for what it knows of wheels: as long as all readers
together, and each process that reads a layer would have to.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE | re.ASCII)
_SEPARATORS = re.compile(r"[-_.]+")


def is_name(text: str) -> bool:
    """Whether an index takes it for the name of a distribution."""
    return _NAME.fullmatch(text) is not None


def canonical(name: str) -> str:
    """The same text for all ways to write a name."""
    return _SEPARATORS.sub("-", name).lower()
