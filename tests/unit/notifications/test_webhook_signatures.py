"""Signatures as other implementations of the Standard Webhooks specification make them."""

from __future__ import annotations

from datetime import UTC, datetime

from hullwise.notifications.webhooks import signed


def test_the_vector_that_its_libraries_share() -> None:
    """Secret, id, time and body of the specification's reference libraries, and their signature."""
    moment = datetime.fromtimestamp(1_614_265_330.9, UTC)
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert signed(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", moment, b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
