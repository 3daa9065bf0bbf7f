"""Metrics in Prometheus' form, read from the database when they are asked for: the same from every process and node.
Requests alone are counted by each API process for itself.

They hold numbers about the installation, and no name of an account, a repository or an image.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hullwise.domain.scans import ScanStatus
from hullwise.events import deliveries
from hullwise.jobs import durable
from hullwise.jobs.queue import SCAN_IMAGE
from hullwise.services import Services
from hullwise.store import feeds, generations, publications, quotas, scans

CONTENT_TYPE = CONTENT_TYPE_LATEST

LATEST = 1_000
"""Scans that are counted by status: as many as are read in a millisecond, however many there are."""


class Requests(Collector):
    """Requests that this process has answered. Told of them in its loop alone, and read anywhere."""

    def __init__(self) -> None:
        self._totals: dict[tuple[str, int], list[float]] = {}

    def answered(self, operation: str, status: int, seconds: float) -> None:
        # The library's own counters take ten times as long: 1.3 microseconds for each of two.
        totals = self._totals.get((operation, status))
        if totals is None:
            totals = self._totals[operation, status] = [0, 0.0]
        totals[0] += 1
        totals[1] += seconds

    def collect(self) -> Iterator[Metric]:
        labels = ["process", "operation", "status"]
        count = CounterMetricFamily("hullwise_requests", "Requests that were answered.", labels=labels)
        seconds = CounterMetricFamily(
            "hullwise_request_seconds", "From the head of a request to its answer, of all together.", labels=labels
        )
        for (operation, status), (number, time) in list(self._totals.items()):
            named = [str(os.getpid()), operation, str(status)]
            count.add_metric(named, number)
            seconds.add_metric(named, time)
        yield count
        yield seconds


class _Database(Collector):
    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        now = self._services.clock()
        with self._services.database.read() as tx:
            row = generations.get(tx, generations.head_number(tx))
            states = feeds.states(tx)
            current = publications.unfinished(tx)
            uses = quotas.uses(tx, now)
            backlog = deliveries.backlog(tx)
            queued = durable.backlog(tx, durable.QUEUES[SCAN_IMAGE])
            latest = scans.count_latest(tx, LATEST)
        yield _gauge("advisories_generation", "Number of the generation in use; 0: none.", row.number if row else 0)
        yield _gauge("advisories_records", "Advisory records in it.", row.records if row else 0)
        if row is not None and row.data_as_of is not None:
            age = (now - row.data_as_of).total_seconds()
            yield _gauge("advisories_age_seconds", "Since its newest source last changed.", age)
        yield _gauge("publication_open", "1 while a generation is on its way to its readers.", int(current is not None))
        yield _gauge("scans_waiting", "Scans that no worker has taken up yet.", queued.waiting)
        waited = max((now - queued.oldest).total_seconds(), 0) if queued.oldest else 0
        yield _gauge("scans_oldest_seconds", "Since the oldest of them was asked for; 0: none waits.", waited)
        yield _gauge("scans_running", "Scans that a worker has taken up.", queued.running)
        ended = GaugeMetricFamily(
            "hullwise_scans_latest", f"Of the {LATEST:,} scans that were asked for last, by status.", labels=["status"]
        )
        for status in ScanStatus:
            ended.add_metric([status.value], latest.get(status, 0))
        yield ended
        limit = self._services.settings.scan_quota
        fullest = max(uses, key=lambda use: use.used, default=None)
        yield _gauge("scan_quota_limit", "Basic scans that an account may have in 24 hours; 0: no limit.", limit)
        yield _gauge(
            "scan_quota_used", "Of them, used by the account and region with most.", fullest.used if fullest else 0
        )
        if fullest is not None and fullest.frees_at is not None:
            yield _gauge(
                "scan_quota_frees_timestamp_seconds",
                "When the oldest of these scans counts no more.",
                fullest.frees_at.timestamp(),
            )
        yield _gauge("outbox_events", "Events that are not delivered yet.", backlog.waiting)
        yield _gauge("outbox_dead", "Events that were given up: dead letters.", backlog.dead)
        oldest = (now - backlog.oldest).total_seconds() if backlog.oldest else 0
        yield _gauge("outbox_oldest_seconds", "Since the oldest event that is not delivered yet; 0: none.", oldest)
        good = GaugeMetricFamily(
            "hullwise_feed_success_timestamp_seconds", "When it last gave good data.", labels=["feed"]
        )
        bad = GaugeMetricFamily("hullwise_feed_failing", "1 where it failed since then.", labels=["feed"])
        for state in states.values():
            if state.succeeded_at is not None:
                good.add_metric([state.name], state.succeeded_at.timestamp())
            bad.add_metric([state.name], int(bool(state.failure)))
        yield good
        yield bad


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"hullwise_{name}", text, value=value)


def exposition(services: Services, requests: Requests) -> bytes:
    """All metrics, as CONTENT_TYPE."""
    registry = CollectorRegistry()
    registry.register(_Database(services))
    registry.register(requests)
    return generate_latest(registry)
