"""One turn of a receiver: what is due to it is sent, in order, and what became of it is noted.

lease the receiver ─▶ what is due, oldest first ─▶ send ─▶ note ─▶ send … ─▶ release
                                                    │ killed here: the lease ends, and it is sent once more
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
import structlog

from hullwise.events import deliveries, outbox
from hullwise.events import receivers as store
from hullwise.events.deliveries import Due
from hullwise.events.receivers import EVENTBRIDGE, WEBHOOK, Receiver
from hullwise.notifications import buses, webhooks
from hullwise.notifications.outcomes import Failed, Send, Sending, Sent, Taken
from hullwise.notifications.receivers import secret_of
from hullwise.remotes.errors import RemoteError
from hullwise.remotes.remote import Remote
from hullwise.sealing import SecretUnusable
from hullwise.services import Services
from hullwise.store.clock import APART

log = structlog.get_logger()

SCHEDULE = tuple(
    timedelta(**span)
    for span in (
        *({"seconds": 5}, {"seconds": 30}, {"minutes": 2}, {"minutes": 10}),
        *({"hours": 1}, {"hours": 6}, {"hours": 12}, {"hours": 24}, {"hours": 24}),
    )
)
"""How long to wait after each attempt that failed, give or take SPREAD; after the last of them comes one more attempt.
Ten attempts in 2 days and 19 hours."""
SPREAD = 0.2
LONGEST_AFTER = timedelta(hours=24)
"""Of what a receiver asks for with Retry-After."""
_LONGEST_WAIT = max(*(wait * (1 + SPREAD) for wait in SCHEDULE), LONGEST_AFTER)

TURN_SECONDS = 20.0
"""After which a turn ends, to give others theirs; the next turn goes on."""
LEASE = timedelta(minutes=2)
"""Longer than a turn with its last request. Who is killed holds up nobody for longer."""
_DUE = 500
_LOADED = 10

_SENDERS: dict[str, Send] = {WEBHOOK: webhooks.send, EVENTBRIDGE: buses.send}


@dataclass(frozen=True, slots=True)
class Courier:
    """Delivers what is due."""

    services: Services
    open_remote: Callable[[], Remote]
    chance: Callable[[], float] = random.random
    """From 0 to 1, for the jitter."""
    seconds: float = TURN_SECONDS
    """That a turn takes before no further request is begun."""
    stopping: Callable[[], bool] = lambda: False
    """Asked between two requests."""

    def ready(self) -> list[int]:
        """Receivers to which something is due; who has waited longest comes first."""
        with self.services.database.read() as tx:
            return deliveries.ready(tx, self.services.clock())

    def bring_back(self) -> None:
        """What no right clock could have put off so far is due now: deliveries and leases of a clock that was ahead."""
        now = self.services.clock()
        due, leased = now + _LONGEST_WAIT + APART, now + LEASE + APART
        with self.services.database.read() as tx:
            ahead = deliveries.are_ahead(tx, due, leased)
        if ahead:
            log.warning("deliveries were put off by a clock that was ahead; they are due now")
            self._run(lambda tx: deliveries.bring_back(tx, now, due, leased))

    def turn(self, receiver_id: int) -> None:
        """What is due to the receiver was tried, in the order of the events, unless somebody else delivers to it.

        Each event that it took is noted before the next is sent. Where the receiver itself fails, everything that is
        due to it counts as tried. Ends early when its seconds are over, and when it is time to stop.
        """
        services, now = self.services, self.services.clock()
        until = now + LEASE
        if not services.database.run(lambda tx: store.lease(tx, receiver_id, now, until)):
            return
        try:
            with services.database.read() as tx:
                receiver = store.get(tx, receiver_id)
                due = deliveries.due(tx, receiver_id, now, _DUE)
            if receiver is not None and due:
                self._deliver(receiver, due)
        finally:
            services.database.run(lambda tx: store.release(tx, receiver_id, until))

    def _deliver(self, receiver: Receiver, due: Sequence[Due]) -> None:
        attempts = {each.event: each.attempts for each in due}
        try:
            with self.open_remote() as remote:
                for sent in self._send(remote, receiver, list(attempts)):
                    failure = self._note(receiver, sent, attempts)
                    if failure is not None:
                        break
                else:
                    return
        except (RemoteError, SecretUnusable) as error:
            failure = Failed(str(error), everything=True)
        except Exception as error:
            # Counted as well: what breaks us must not be tried for ever.
            log.error("delivery failed", receiver=receiver.id, exc_info=error)
            failure = Failed("an internal error; see the server's log", everything=True)
        self._run(lambda tx: self._fail(tx, receiver, attempts, list(attempts), failure))

    def _send(self, remote: Remote, receiver: Receiver, events: Sequence[int]) -> Iterator[Sent]:
        ends = time.monotonic() + self.seconds
        sending = Sending(remote, receiver, secret_of(self.services, receiver), self.services.clock)
        for start in range(0, len(events), _LOADED):
            with self.services.database.read() as tx:
                # It may have been removed since.
                wanted = store.get(tx, receiver.id) is not None
                loaded = outbox.load(tx, events[start : start + _LOADED]) if wanted else []
            requests = _SENDERS[receiver.kind](sending, loaded)
            while not self.stopping() and time.monotonic() < ends:
                sent = next(requests, None)
                if sent is None:
                    break
                yield sent
            else:
                return

    def _note(self, receiver: Receiver, sent: Sent, attempts: dict[int, int]) -> Failed | None:
        """What became of these, which are then no longer in `attempts`; the failure that is one of everything."""
        now = self.services.clock()
        taken = [event.id for event, outcome in sent if isinstance(outcome, Taken)]
        failed = [(event.id, outcome) for event, outcome in sent if isinstance(outcome, Failed)]

        def write(tx: sa.Connection) -> None:
            deliveries.note_taken(tx, receiver.id, taken, now)
            for event, outcome in failed:
                self._fail(tx, receiver, attempts, [event], outcome)

        self._run(write)
        for event, _ in sent:
            del attempts[event.id]
        return next((outcome for _, outcome in failed if outcome.everything), None)

    def _fail(
        self, tx: sa.Connection, receiver: Receiver, attempts: dict[int, int], events: Sequence[int], failed: Failed
    ) -> None:
        now = self.services.clock()
        waits = {event: None if failed.final else self.wait(attempts[event], failed.after) for event in events}
        again = {event: now + wait for event, wait in waits.items() if wait is not None}
        deliveries.note_failed(tx, receiver.id, again, failed.why)
        given_up = [event for event, wait in waits.items() if wait is None]
        deliveries.note_dead(tx, receiver.id, given_up, failed.why, now)

    def wait(self, attempts: int, after: float | None) -> timedelta | None:
        """How long to wait after a failure that had so many attempts before it; None: it was the last."""
        if attempts >= len(SCHEDULE):
            return None
        wait = SCHEDULE[attempts] * (1 + SPREAD * (2 * self.chance() - 1))
        # A receiver may ask for more time, never for less.
        return wait if after is None else max(wait, timedelta(seconds=min(after, LONGEST_AFTER.total_seconds())))

    def _run(self, work: Callable[[sa.Connection], None]) -> None:
        self.services.database.run(work)
