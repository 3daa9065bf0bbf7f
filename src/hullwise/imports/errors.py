"""Why something could not be had from a source.

SourceError
├── UnusableSource   there is nothing to import from, or it is not to be trusted: the whole is refused
├── PartMissing      the source names something that it does not have
├── PartRefused      it has something that is not taken, or does not give it
└── Unanswered       another registry gives no answer, however often it is asked
"""

from __future__ import annotations


class SourceError(Exception):
    """Base of all that a source raises; `str()` is for people."""


class UnusableSource(SourceError):
    pass


class PartMissing(SourceError):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is missing")


class PartRefused(SourceError):
    pass


class Unanswered(SourceError):
    pass
