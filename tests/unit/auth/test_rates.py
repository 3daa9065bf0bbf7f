"""Buckets of requests."""

from __future__ import annotations

import pytest

from hullwise.auth.rates import Rates
from hullwise.domain.errors import TooManyRequests


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def used_up(rates: Rates, caller: str, operation: str) -> float:
    with pytest.raises(TooManyRequests, match="Rate exceeded") as refused:
        rates.take(caller, operation)
    return refused.value.seconds


def test_without_limits_nothing_is_counted() -> None:
    """Nor of operations that have none."""
    for limits in ({}, {"PutImage": "1"}):
        rates = Rates(limits)
        for _ in range(1_000):
            rates.take("AKIA", "ListImages")


def test_a_second_holds_its_rate() -> None:
    """At once, or spread; each caller has its own, and each operation."""
    clock = Seconds()
    rates = Rates({"PutImage": "3"}, clock=clock)
    for _ in range(3):
        rates.take("one", "PutImage")
    assert used_up(rates, "one", "PutImage") == pytest.approx(1 / 3)
    rates.take("two", "PutImage")
    clock.now += 1 / 3
    rates.take("one", "PutImage")
    used_up(rates, "one", "PutImage")
    clock.now += 100
    for _ in range(3):
        rates.take("one", "PutImage")
    used_up(rates, "one", "PutImage")


def test_all_operations_share_the_rate_of_all() -> None:
    """One that is refused for its own takes nothing of the common one."""
    clock = Seconds()
    rates = Rates({"*": "4", "PutImage": "1"}, clock=clock)
    rates.take("one", "PutImage")
    for _ in range(5):
        used_up(rates, "one", "PutImage")
    for _ in range(3):
        rates.take("one", "ListImages")
    used_up(rates, "one", "ListImages")


def test_a_rate_below_one_lets_one_through() -> None:
    """And then none for as long as that takes."""
    clock = Seconds()
    rates = Rates({"*": "0.5"}, clock=clock)
    rates.take("one", "")
    assert used_up(rates, "one", "") == pytest.approx(2)
    clock.now += 2
    rates.take("one", "")


def test_processes_share_a_rate() -> None:
    """Each has its part of it."""
    rates = Rates({"*": "4"}, processes=2, clock=Seconds())
    rates.take("one", "")
    rates.take("one", "")
    used_up(rates, "one", "")
