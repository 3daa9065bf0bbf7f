"""Webhooks as the Standard Webhooks specification 1.0.0 has them: an event a request, signed."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Sequence
from datetime import datetime

from hullwise.events.outbox import StoredEvent
from hullwise.notifications.envelope import encoded
from hullwise.notifications.outcomes import Sending, Sent, Taken, refused
from hullwise.notifications.receivers import SECRET_PREFIX

_ANSWER_LIMIT = 16_384
"""Bytes of an answer that are read, so that the connection can be used again. Nobody looks at them."""


def signed(secret: str, uid: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers that prove where the body comes from ("Signature scheme", "Webhook headers")."""
    timestamp = str(int(now.timestamp()))
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signature = hmac.digest(key, f"{uid}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": uid,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def send(sending: Sending, events: Sequence[StoredEvent]) -> Iterator[Sent]:
    """2xx is taken, 410 final, and all else failed ("Delivery success and failure")."""
    for event in events:
        body = encoded(event)
        headers = signed(sending.secret, event.uid, sending.clock(), body)
        answer = sending.remote.post(
            sending.receiver.url, body, {"content-type": "application/json", **headers}, _ANSWER_LIMIT
        )
        yield [(event, Taken() if 200 <= answer.status < 300 else refused(answer))]
