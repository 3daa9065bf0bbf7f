"""What came of sending events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from hullwise.events.outbox import StoredEvent
from hullwise.events.receivers import Receiver
from hullwise.remotes.remote import Answer, Remote


@dataclass(frozen=True, slots=True)
class Taken:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class Failed:
    why: str
    """For people; holds no secret and nothing of an answer's body but an error's code."""

    after: float | None = None
    """Seconds that the receiver asks to wait."""

    final: bool = False
    """It is not tried again."""

    everything: bool = False
    """It is the receiver that fails, whatever it is sent."""


Outcome = Taken | Failed
Sent = Sequence[tuple[StoredEvent, Outcome]]
"""What became of the events of one request."""


@dataclass(frozen=True, slots=True)
class Sending:
    """To whom, signed with what, by which clock."""

    remote: Remote
    receiver: Receiver
    secret: str
    clock: Callable[[], datetime]

    def __repr__(self) -> str:
        return f"Sending({self.receiver!r})"


Send = Callable[[Sending, Sequence[StoredEvent]], Iterator[Sent]]
"""Sends events in their order, one request an item. Raises RemoteError where nothing was answered."""

# Said of a receiver, and not of the event that it was sent: it is busy, or not there behind its gateway.
_OF_THE_RECEIVER = frozenset({429, 502, 503, 504})


def refused(answer: Answer, code: str = "") -> Failed:
    """The failure that a status other than 2xx is."""
    try:
        phrase = f" {HTTPStatus(answer.status).phrase}"
    except ValueError:
        phrase = ""
    return Failed(
        f"answered {answer.status}{phrase}" + (f" ({code})" if code else ""),
        after=answer.after,
        final=answer.status == HTTPStatus.GONE,
        everything=answer.status in _OF_THE_RECEIVER,
    )
