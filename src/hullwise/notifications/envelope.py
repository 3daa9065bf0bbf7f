"""An event as receivers get it: EventBridge's envelope."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from hullwise.events.outbox import StoredEvent


def moment(value: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def envelope(event: StoredEvent) -> dict[str, Any]:
    """In the order in which Amazon writes it; the detail is the stored JSON, byte by byte."""
    return {
        "version": "0",
        "id": event.uid,
        "detail-type": event.kind,
        "source": event.source,
        "account": event.account,
        "time": moment(event.created_at),
        "region": event.region,
        "resources": list(event.resources),
        "detail": msgspec.Raw(event.body.encode()),
    }


def encoded(event: StoredEvent) -> bytes:
    """The envelope as JSON."""
    return msgspec.json.encode(envelope(event))
