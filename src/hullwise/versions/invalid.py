"""The one error that every version scheme raises, and how long a version may be."""

from __future__ import annotations

LONGEST = 512
"""Characters. A longer text is no version to any scheme: keys, and the time to make one, stay bounded."""

_SHOWN = 80


class InvalidVersion(ValueError):
    """The scheme has no place for this text in its order."""

    def __init__(self, scheme: str, text: str) -> None:
        # Both go to the base class as they are: an exception is pickled by its `args`, and this one is
        # raised in child processes too.
        super().__init__(scheme, text)
        self.scheme = scheme
        """Name of the scheme, for people: `dpkg`, `apk`, `PEP 440`, `semver`."""
        self.text = text
        """The refused text, whole."""

    def __str__(self) -> str:
        shown = self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}..."
        return f"no version to {self.scheme}: {shown!a} ({len(self.text)} characters)"
