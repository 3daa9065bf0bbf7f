"""Events on their way to event buses: PutEvents, signed, in batches, with entries that are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from hullwise.notifications import receivers
from hullwise.notifications.receivers import Bus
from tests.support import registry as support
from tests.support.courier import go_round
from tests.support.events import KEY, EventBus, Told, event
from tests.support.registry import ACCOUNT
from tests.support.s3 import free_port, running, tool
from tests.unit.remotes.server import Server, answer

LIMIT = 262_144
"""256 KB, of which a request has less."""


@pytest.fixture
def told(tmp_path: Path, database_url: str) -> Iterator[Told]:
    with (
        support.registry(tmp_path, database_url, outbound_private=["127.0.0.1"]) as registry,
        Server() as server,
    ):
        yield Told(registry, server)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Told]:
    """On SQLite alone."""
    with support.registry(tmp_path, "", outbound_private=["127.0.0.1"]) as registry, Server() as server:
        yield Told(registry, server)


def test_an_event_is_an_entry(told: Told) -> None:
    """Its members go where PutEvents has them; the request is signed for the region with the key."""
    bus = EventBus()
    told.server.answers["/"] = bus
    told.bus(name="arn:aws:events:eu-west-1:123456789012:event-bus/images")
    told.registry.clock.advance(seconds=5)
    told.put(event(7, name="n\u00e4mlich"), replace(event(8), resources=()))
    go_round(told.courier)
    first, second = bus.entries
    assert json.loads(first.pop("Detail")) == {"number": 7, "name": "nämlich"}
    # 2026-01-01T00:00:05Z
    assert first == {
        "Time": 1_767_225_605,
        "Source": "aws.ecr",
        "Resources": ["arn:aws:ecr:us-east-1:123456789012:repository/team/app"],
        "DetailType": "ECR Image Scan",
        "EventBusName": "arn:aws:events:eu-west-1:123456789012:event-bus/images",
    }
    assert "Resources" not in second
    assert told.states() == ["delivered"] * 2


def test_events_go_in_batches(told: Told) -> None:
    """Ten to a request, in order, and fewer where they are large."""
    bus = EventBus()
    told.server.answers["/"] = bus
    told.bus()
    told.put(*(event(number) for number in range(1, 26)))
    go_round(told.courier)
    assert (bus.requests, bus.numbers) == ([10, 10, 5], list(range(1, 26)))
    bus.requests.clear()
    # Two of these are more than 256 KB together.
    told.put(*(event(number, text="x" * 140_000) for number in range(26, 29)), event(29))
    go_round(told.courier)
    assert (bus.requests, bus.numbers[-4:]) == ([1, 1, 2], [26, 27, 28, 29])
    assert set(told.states()) == {"delivered"}


def test_sizes_are_counted_as_amazon_counts_them(small: Told) -> None:
    """14 bytes of time and the bytes of source, detail type, detail and resources: below 256 KB it is sent; what is
    larger is dead at once, and says so."""
    bus = EventBus()
    small.server.answers["/"] = bus
    small.bus()
    shape = event(1, text="")
    fixed = 14 + len("aws.ecr") + len("ECR Image Scan") + len(shape.body) + len(shape.resources[0])
    fits = event(1, text="x" * (LIMIT - 1 - fixed))
    small.put(fits, event(2, text="x" * (LIMIT - fixed)), event(3))
    go_round(small.courier)
    assert bus.numbers == [1, 3]
    assert small.states() == ["delivered", "dead", "delivered"]
    assert small.deliveries()[1].failure == "has 262,144 bytes; an event bus takes less than 262,144"


def test_refused_entries_are_sent_again_alone(told: Told) -> None:
    """Of a batch those that the bus took are done; the others come again, and say with which code."""
    failing = {"2": "ThrottlingException", "5": "InternalFailure"}
    bus = EventBus(lambda number, entry: failing.get(str(number), ""))
    told.server.answers["/"] = bus
    told.bus()
    told.put(*(event(number) for number in range(1, 8)))
    go_round(told.courier)
    assert [each.failure for each in told.deliveries()] == [
        *("", "refused with ThrottlingException", "", "", "refused with InternalFailure", "", "")
    ]
    told.elapse(5)
    assert (bus.requests, bus.numbers[7:]) == ([7, 2], [2, 5])
    assert set(told.states()) == {"delivered"}


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (answer("400 Bad Request", b'{"__type":"AccessDeniedException","message":"m"}'), "(AccessDeniedException)"),
        (answer("400 Bad Request", b'{"__type":"com.amazon#UnrecognizedClientException"}'), "UnrecognizedClient"),
        (answer("403 Forbidden", b"<html>"), "answered 403 Forbidden"),
        (answer("500 Oops", b'{"__type":"a\\u0000b"}'), "answered 500 Internal Server Error"),
        (answer("302 Found", Location="http://127.0.0.1/"), "answered 302 Found"),
        (answer("200 OK", b"<html>"), "not what PutEvents answers"),
        (answer("200 OK", b'{"FailedEntryCount":0,"Entries":[]}'), "not what PutEvents answers"),
        (answer("200 OK", b'{"FailedEntryCount":0,"Entries":"ok"}'), "not what PutEvents answers"),
        (answer("200 OK", b"[" * 50_000), "not what PutEvents answers"),
        (answer("200 OK", b'{"FailedEntryCount":0,"Entries":[' + b" " * 100_000), "not what PutEvents answers"),
        (answer("200 OK", b'{"FailedEntryCount":0,"Ent', Content_Length="1000"), "not what PutEvents answers"),
        (answer("204 No Content", Content_Length=""), "answered 204 No Content"),
    ],
)
def test_a_request_that_fails_fails_all(small: Told, said: bytes, failure: str) -> None:
    """What does not say of each entry what became of it took none; nothing of the answer but a code is kept."""
    small.server.replies("/", said)
    small.bus()
    small.put(*(event(number) for number in range(1, 13)))
    go_round(small.courier)
    assert len(small.server.asked) == 1
    assert small.states() == ["waiting"] * 12
    assert all(failure in each.failure and "\0" not in each.failure for each in small.deliveries())


def test_one_bad_entry_does_not_spoil_its_batch(small: Told) -> None:
    """A whole request that is refused as invalid is taken apart: each entry is asked for alone."""
    bus = EventBus()

    def picky(asked: Any) -> bytes:
        if b'\\"number\\": 2}' in asked.body:
            return answer("400 Bad Request", b'{"__type":"ValidationException","message":"m"}')
        return bus(asked)

    small.server.answers["/"] = picky
    small.bus()
    small.put(event(1), event(2), event(3))
    go_round(small.courier)
    assert bus.numbers == [1, 3]
    assert small.states() == ["delivered", "waiting", "delivered"]
    assert small.deliveries()[1].failure == "answered 400 Bad Request (ValidationException)"


def test_an_entry_without_an_id_was_not_taken(small: Told) -> None:
    """Neither an id nor a code: nobody knows, so it is sent again."""
    result = {"FailedEntryCount": 0, "Entries": [{}, {"EventId": "a"}, {"EventId": "b", "ErrorCode": "x\0y"}]}
    small.server.replies("/", answer("200 OK", json.dumps(result).encode()))
    small.bus()
    small.put(event(1), event(2), event(3))
    go_round(small.courier)
    assert small.states() == ["waiting", "delivered", "waiting"]
    assert {each.failure for each in small.deliveries()} == {"refused with an error", ""}


def test_amazons_own_buses_take_no_source_of_amazons(small: Told) -> None:
    """`aws.` is theirs alone: there the source begins with `hullwise.`; elsewhere it is what it is."""
    from hullwise.events.outbox import load
    from hullwise.notifications.buses import entry_of

    uids = small.put(event(1), replace(event(2), source="hullwise"))
    with small.services.database.read() as tx:
        found = load(tx, [1, 2])
    assert [each.uid for each in found] == uids
    for url, sources in (
        ("https://events.eu-west-1.amazonaws.com/", ["hullwise.ecr", "hullwise"]),
        ("https://events.cn-north-1.amazonaws.com.cn/", ["hullwise.ecr", "hullwise"]),
        ("https://amazonaws.com.example/", ["aws.ecr", "hullwise"]),
    ):
        receiver = small.services.database.run(
            lambda tx, url=url: receivers.add_bus(  # type: ignore[misc]
                tx, small.services, ACCOUNT, url=url, bus=Bus("default", "eu-west-1", *KEY)
            )
        )
        assert [entry_of(each, receiver)["Source"] for each in found] == sources


def test_moto_takes_them(small: Told, tmp_path: Path) -> None:
    """Another implementation of the service: events reach the archive of a bus of its."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running([tool("moto_server"), "-H", "127.0.0.1", "-p", str(port)], port, tmp_path / "moto.log"):
        client = boto3.client(
            "events",
            endpoint_url=url,
            region_name="eu-west-1",
            aws_access_key_id=KEY[0],
            aws_secret_access_key=KEY[1],
        )
        arn = client.create_event_bus(Name="images")["EventBusArn"]
        pattern = json.dumps({"source": ["aws.ecr"], "detail-type": ["ECR Image Scan"]})
        client.create_archive(ArchiveName="all", EventSourceArn=arn, EventPattern=pattern)
        small.services.database.run(
            lambda tx: receivers.add_bus(tx, small.services, ACCOUNT, url=url, bus=Bus("images", "eu-west-1", *KEY))
        )
        small.put(*(event(number) for number in range(1, 13)), event(13, "Hullwise Findings Changed"))
        go_round(small.courier)
        assert small.states() == ["delivered"] * 13
        assert client.describe_archive(ArchiveName="all")["EventCount"] == 12
