"""What monitoring reads."""

from __future__ import annotations

import os
import urllib.request
from contextlib import closing
from dataclasses import replace

import pytest
import sqlalchemy as sa

from hullwise import app
from hullwise.api import metrics
from hullwise.domain.scans import ScanStatus
from hullwise.events import deliveries, outbox
from hullwise.jobs import durable
from hullwise.jobs.durable import DurableQueue
from hullwise.notifications import receivers
from hullwise.store import feeds
from hullwise.store.tables import scans
from tests.support.advisories import osv
from tests.support.continuous import begin
from tests.support.edges import edges
from tests.support.events import event
from tests.support.images import image, layer, python_packages
from tests.support.registry import ACCOUNT, Registry, Server


def values(text: str) -> dict[str, float]:
    """By name and labels."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_numbers_are_those_of_the_database(registry: Registry) -> None:
    """Generation, records, age, feeds with their last good answer and failure, events that wait."""
    services = registry.services
    durable.prepare(services.database, services.settings.locks)
    empty = values(metrics.exposition(services, metrics.Requests()).decode())
    assert (empty["hullwise_advisories_generation"], empty["hullwise_advisories_records"]) == (0, 0)
    assert "hullwise_advisories_age_seconds" not in empty
    # The records were modified on 2026-01-02 03:04:05, which the clock, at 2026-01-01, is not past.
    registry.clock.advance(days=11)
    registry.publish(osv("CVE-2024-0001", "flask"), osv("CVE-2024-0002", "mako"))
    stored = registry.push(registry.repository(), image([layer(python_packages(jinja2="1.0"))]))
    begin(registry, stored)
    registry.work()
    registry.publish(osv("CVE-2024-0003", "jinja2"))
    now = registry.clock()
    services.database.run(lambda tx: feeds.succeeded(tx, "osv", [], "", now))
    services.database.run(lambda tx: feeds.failed(tx, "kev", "no answer", now))
    found = values(metrics.exposition(services, metrics.Requests()).decode())
    assert found["hullwise_advisories_generation"] == 2
    assert found["hullwise_advisories_records"] == 3
    assert found["hullwise_advisories_age_seconds"] == 10 * 86_400 - (3 * 3_600 + 4 * 60 + 5)
    assert found["hullwise_outbox_events"] == 0, "nobody is to get them"
    assert (found["hullwise_outbox_dead"], found["hullwise_outbox_oldest_seconds"]) == (0, 0)
    assert found["hullwise_publication_open"] == 0
    assert found['hullwise_feed_success_timestamp_seconds{feed="osv"}'] == now.timestamp()
    assert (found['hullwise_feed_failing{feed="osv"}'], found['hullwise_feed_failing{feed="kev"}']) == (0, 1)
    assert 'hullwise_feed_success_timestamp_seconds{feed="kev"}' not in found


def test_events_that_wait_and_that_died_are_counted(registry: Registry) -> None:
    """Deliveries of all receivers, and since when the oldest event is waited for."""
    services, now = registry.services, registry.clock()
    durable.prepare(services.database, services.settings.locks)
    for _ in range(2):
        services.database.run(lambda tx: receivers.add_webhook(tx, services, ACCOUNT, url="https://hooks.example/"))
    for number in range(3):
        services.database.run(lambda tx, number=number: outbox.put(tx, [event(number)], services.clock()))  # type: ignore[misc]
        registry.clock.advance(seconds=10)
    services.database.run(lambda tx: deliveries.note_dead(tx, 1, [1, 2], "no", now))
    services.database.run(lambda tx: deliveries.note_taken(tx, 2, [1], now))
    found = values(metrics.exposition(services, metrics.Requests()).decode())
    assert found["hullwise_outbox_events"] == 3
    assert found["hullwise_outbox_dead"] == 2
    assert found["hullwise_outbox_oldest_seconds"] == 20


def test_scans_that_wait_run_and_ended_are_counted(registry: Registry) -> None:
    """Those that wait and since when, those that a worker has, and the latest ones by status."""
    jobs = DurableQueue(registry.services.database)
    services = replace(registry.services, jobs=jobs)
    durable.prepare(services.database, services.settings.locks)
    # The engine's jobs are dated by the machine.
    registry.clock.moment = app.now()
    registry = replace(registry, services=services)
    repository = registry.repository()
    with closing(jobs):
        for number in range(4):
            registry.push(repository, image([layer(python_packages(flask=f"{number}.0"))]), f"t{number}")
        table = (
            "dbos.workflow_status" if services.database.url.get_backend_name() == "postgresql" else "workflow_status"
        )
        for job, status in (("scan_image-1", "SUCCESS"), ("scan_image-2", "PENDING")):
            with services.database.write() as tx:
                named = {"status": status, "job": job}
                tx.execute(sa.text(f"UPDATE {table} SET status = :status WHERE workflow_uuid = :job"), named)
        with services.database.write() as tx:
            tx.execute(scans.update().where(scans.c.id == 1).values(status="FAILED"))
            tx.execute(scans.update().where(scans.c.id == 2).values(status="IN_PROGRESS"))
    registry.clock.advance(minutes=10)
    found = values(metrics.exposition(services, metrics.Requests()).decode())
    assert (found["hullwise_scans_waiting"], found["hullwise_scans_running"]) == (2, 1)
    assert found["hullwise_scans_oldest_seconds"] == pytest.approx(600, abs=60)
    by_status = {each: found[f'hullwise_scans_latest{{status="{each}"}}'] for each in ScanStatus}
    expected = {ScanStatus.PENDING: 2, ScanStatus.IN_PROGRESS: 1, ScanStatus.FAILED: 1}
    assert by_status == dict.fromkeys(ScanStatus, 0) | expected


def test_requests_are_counted_by_operation_and_status(registry: Registry) -> None:
    """Of both APIs, with the time that they took; what strangers ask for makes no names."""
    durable.prepare(registry.services.database, registry.services.settings.locks)
    api = edges(registry)
    api.aws("CreateRepository", repositoryName="app")
    for _ in range(2):
        api.aws("DescribeImages", repositoryName="none")
    api.aws("NoSuchOperation")
    api.oci("GET", "/v2/app/manifests/latest")
    api.oci("GET", "/v2/nothing-at-this-path")
    found = values(api.send("GET", "/metrics").text)
    counted = {name: value for name, value in found.items() if name.startswith("hullwise_requests_total")}
    process = f'process="{os.getpid()}"'
    assert counted == {
        f'hullwise_requests_total{{operation="CreateRepository",{process},status="200"}}': 1,
        f'hullwise_requests_total{{operation="DescribeImages",{process},status="400"}}': 2,
        f'hullwise_requests_total{{operation="",{process},status="400"}}': 1,
        f'hullwise_requests_total{{operation="BatchGetImage",{process},status="404"}}': 1,
        f'hullwise_requests_total{{operation="GET",{process},status="404"}}': 1,
    }
    took = found[f'hullwise_request_seconds_total{{operation="DescribeImages",{process},status="400"}}']
    assert 0 < took < 60


def test_requests_to_our_own_api_are_counted_by_route(registry: Registry) -> None:
    """By method and the form of the path, whatever stands in it; without a login too. What is no route has no name."""
    durable.prepare(registry.services.database, registry.services.settings.locks)
    api = edges(registry)
    api.send("GET", "/api/v1/advisories")
    api.oci("GET", "/api/v1/ignore-rules")
    for number in (7, 8):
        api.oci("DELETE", f"/api/v1/ignore-rules/{number}")
    api.oci("GET", "/api/v1/vulnerabilities/CVE-2024-0001/images")
    api.oci("POST", "/api/v1/deletions/7/restore")
    api.oci("PUT", "/api/v1/ignore-rules/7")
    api.oci("GET", "/api/v1/nothing/at/this/path")
    found = values(api.send("GET", "/metrics").text)
    counted = {name: value for name, value in found.items() if name.startswith("hullwise_requests_total")}
    process = f'process="{os.getpid()}"'
    assert counted == {
        f'hullwise_requests_total{{operation="{operation}",{process},status="{status}"}}': number
        for operation, status, number in (
            ("GET /api/v1/advisories", 401, 1),
            ("GET /api/v1/ignore-rules", 200, 1),
            ("DELETE /api/v1/ignore-rules/{id}", 404, 2),
            ("GET /api/v1/vulnerabilities/{id}/images", 404, 1),
            ("POST /api/v1/deletions/{id}/restore", 404, 1),
            ("PUT", 405, 1),
            ("GET", 404, 1),
        )
    }
    took = found[f'hullwise_request_seconds_total{{operation="GET /api/v1/ignore-rules",{process},status="200"}}']
    assert 0 < took < 60


def test_a_server_answers_with_them(server: Server) -> None:
    """GET /metrics is text in Prometheus' form, and names no account."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/plain")
        text = answer.read().decode()
    assert values(text)["hullwise_advisories_generation"] >= 1
    assert server.account not in text
