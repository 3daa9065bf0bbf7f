"""Events on their way to webhooks, on each engine: what is sent, when again, and when no more."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hullwise.domain import limits
from hullwise.domain.errors import EventNotFound, InvalidParameter, ReceiverNotFound
from hullwise.events import deliveries, outbox
from hullwise.events import receivers as store
from hullwise.notifications import receivers, replays
from hullwise.notifications.delivery import LEASE, SCHEDULE
from hullwise.notifications.receivers import Bus
from hullwise.store import accounts
from hullwise.store.tables import deliveries as delivery_table
from hullwise.store.tables import events as event_table
from hullwise.store.tables import receivers as receiver_table
from tests.support import registry as support
from tests.support.courier import go_round
from tests.support.events import KEY, OK, Told, event, moments, signature
from tests.support.registry import ACCOUNT, REGION, START
from tests.unit.remotes.server import Asked, Server, answer, dripping

OTHER = "210987654321"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def told(tmp_path: Path, database_url: str) -> Iterator[Told]:
    """A registry that may ask this machine, and a server on it."""
    with (
        support.registry(tmp_path, database_url, outbound_private=["127.0.0.1"]) as registry,
        Server() as server,
    ):
        server.replies("/hook", OK)
        yield Told(registry, server)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Told]:
    """The same on SQLite alone, for what no database sees."""
    with support.registry(tmp_path, "", outbound_private=["127.0.0.1"]) as registry, Server() as server:
        server.replies("/hook", OK)
        yield Told(registry, server)


def test_a_webhook_gets_the_envelope_signed(told: Told) -> None:
    """EventBridge's envelope as JSON, under the headers of the Standard Webhooks specification."""
    _, secret = told.webhook()
    told.registry.clock.advance(seconds=1, microseconds=999_999)
    (uid,) = told.put(event(7, name="n\u00e4mlich"))
    told.registry.clock.advance(seconds=61)
    assert go_round(told.courier) == 1
    (asked,) = told.server.asked
    assert told.bodies() == [
        {
            "version": "0",
            "id": uid,
            "detail-type": "ECR Image Scan",
            "source": "aws.ecr",
            "account": "123456789012",
            "time": "2026-01-01T00:00:01Z",
            "region": "us-east-1",
            "resources": ["arn:aws:ecr:us-east-1:123456789012:repository/team/app"],
            "detail": {"number": 7, "name": "nämlich"},
        }
    ]
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["webhook-id"] == uid
    # 2026-01-01T00:01:02Z
    assert asked.headers["webhook-timestamp"] == "1767225662"
    assert asked.headers["webhook-signature"] == signature(secret, asked)
    (delivery,) = told.deliveries()
    assert (delivery.state, delivery.attempts, delivery.failure) == ("delivered", 1, "")
    assert delivery.delivered_at == told.registry.clock()
    assert go_round(told.courier) == 0
    assert len(told.server.asked) == 1


def test_each_receiver_gets_what_it_wants_in_order(told: Told) -> None:
    """All events or some detail types, of its own account, from when it was added; in the order in which they
    happened."""
    told.services.database.run(lambda tx: accounts.ensure_account(tx, OTHER, START))
    for path in ("/some", "/other", "/late"):
        told.server.replies(path, OK)
    told.webhook()
    told.webhook("/some", "Hullwise Findings Changed", "No Such Type")
    told.webhook("/other", account=OTHER)
    told.put(*(event(number) for number in range(1, 31)), event(31, "Hullwise Findings Changed"))
    told.webhook("/late")
    told.put(event(32), event(33, "Hullwise Findings Changed"), event(34, account=OTHER))
    assert go_round(told.courier) == 4
    assert told.numbers() == list(range(1, 34))
    assert told.numbers("/some") == [31, 33]
    assert told.numbers("/other") == [34]
    assert told.numbers("/late") == [32, 33]
    assert set(told.states()) == {"delivered"}


@pytest.mark.parametrize(
    ("chance", "delays"),
    [
        (0.5, [5, 30, 120, 600, 3_600, 21_600, 43_200, 86_400, 86_400]),
        (0.0, [4, 24, 96, 480, 2_880, 17_280, 34_560, 69_120, 69_120]),
        (1.0, [6, 36, 144, 720, 4_320, 25_920, 51_840, 103_680, 103_680]),
    ],
)
def test_a_failure_is_tried_again_ever_later(small: Told, chance: float, delays: list[float]) -> None:
    """Ten attempts over some three days, each delay give or take a fifth; then it is dead, and nothing is sent."""
    small.chance = chance
    small.server.replies("/hook", answer("500 Oops"))
    small.webhook()
    small.put(event())
    go_round(small.courier)
    tried = [small.registry.clock()]
    while (due := small.deliveries()[0].due_at) is not None:
        assert len(small.server.asked) == small.deliveries()[0].attempts == len(tried)
        small.registry.clock.moment = due - timedelta(microseconds=1)
        assert go_round(small.courier) == 0
        small.elapse(0.000_001)
        tried.append(due)
    assert tried == moments(delays)
    (delivery,) = small.deliveries()
    assert (delivery.state, delivery.attempts) == ("dead", 10)
    assert delivery.dead_at == tried[-1]
    assert delivery.failure == "answered 500 Internal Server Error"
    small.elapse(10 * 86_400)
    assert len(small.server.asked) == 10


def test_a_failure_that_passes_is_forgotten(told: Told) -> None:
    """The same event comes again under the same id, signed anew."""
    told.server.replies("/hook", answer("500 Oops"), answer("404 Not yet"), OK)
    _, secret = told.webhook()
    (uid,) = told.put(event())
    for seconds in (0, 5, 30):
        told.elapse(seconds)
    assert [asked.headers["webhook-id"] for asked in told.server.asked] == [uid] * 3
    first = int(START.timestamp())
    assert [int(asked.headers["webhook-timestamp"]) - first for asked in told.server.asked] == [0, 5, 35]
    assert all(asked.headers["webhook-signature"] == signature(secret, asked) for asked in told.server.asked)
    (delivery,) = told.deliveries()
    assert (delivery.state, delivery.attempts, delivery.failure) == ("delivered", 3, "")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((status, "delivered") for status in (200, 201, 202, 204, 299)),
        *((status, "waiting") for status in (301, 302, 307, 308, 400, 401, 404, 408, 413, 429, 500, 503, 599)),
        (410, "dead"),
    ],
)
def test_what_a_status_means(small: Told, status: int, state: str) -> None:
    """2xx is taken, 410 final, and all else tried again; a redirect is not followed."""
    length = "" if status == 204 else "0"
    elsewhere = small.server.url("/elsewhere")
    small.server.replies("/hook", answer(f"{status} Some", Content_Length=length, Location=elsewhere))
    small.webhook()
    small.put(event())
    go_round(small.courier)
    assert small.states() == [state]
    assert [asked.target for asked in small.server.asked] == ["/hook"]
    assert small.deliveries()[0].failure.startswith("" if state == "delivered" else f"answered {status}")


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("1", 5),
        ("90", 90),
        ("Thu, 01 Jan 2026 00:10:00 GMT", 600),
        ("999999999", 86_400),
        ("-5", 5),
        ("soon", 5),
    ],
)
def test_retry_after_is_honoured_within_bounds(small: Told, asked: str, seconds: int) -> None:
    """A receiver may ask for more time, up to a day, and never for less."""
    date = "Thu, 01 Jan 2026 00:00:00 GMT"
    small.server.replies("/hook", answer("503 Later", Retry_After=asked, Date=date))
    small.webhook()
    small.put(event())
    go_round(small.courier)
    assert small.deliveries()[0].due_at == START + timedelta(seconds=seconds)


def test_a_refused_event_holds_up_no_other(told: Told) -> None:
    """What a receiver says of one event is not said of those behind it."""
    told.server.answers["/hook"] = lambda asked: answer("400 No") if b'"number": 2' in asked.body else OK
    told.webhook()
    told.put(*(event(number) for number in range(1, 5)))
    go_round(told.courier)
    assert told.numbers() == [1, 2, 3, 4]
    assert told.states() == ["delivered", "waiting", "delivered", "delivered"]


def test_a_receiver_that_fails_is_asked_once_a_turn(told: Told) -> None:
    """Where the receiver itself is the trouble, everything that is due to it counts as tried; others get theirs."""
    told.server.replies("/busy", answer("503 Busy", Retry_After="60"), OK)
    busy, _ = told.webhook("/busy")
    fine, _ = told.webhook()
    told.put(*(event(number) for number in range(1, 26)))
    go_round(told.courier)
    assert told.numbers("/busy") == [1]
    assert told.numbers() == list(range(1, 26))
    assert {(each.state, each.attempts, each.due_at) for each in told.deliveries(busy)} == {
        ("waiting", 1, START + timedelta(seconds=60))
    }
    assert set(told.states(fine)) == {"delivered"}
    told.elapse(60)
    assert told.numbers("/busy") == [1, *range(1, 26)]
    assert set(told.states(busy)) == {"delivered"}


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (lambda: b"", "waiting"),
        (lambda: b"SSH-2.0-OpenSSH_9.6\r\n", "waiting"),
        (lambda: b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "waiting"),
        (lambda: b"HTTP/1.1 20\x00 OK\r\n\r\n", "waiting"),
        (lambda: dripping(b"HTTP/1.1 200 OK\r\nX: ", 0.05), "waiting"),
        (lambda: [b"HTTP/1.1 100 Continue\r\n\r\n"] * 3, "waiting"),
        (lambda: (b"HTTP/1.1 200 OK\r\n\r\n" if not at else b"x" * 65536 for at in range(10_000)), "delivered"),
        (lambda: dripping(b"HTTP/1.1 200 OK\r\n\r\n", 0.05), "delivered"),
    ],
)
def test_hostile_answers_hurt_nobody(small: Told, said: object, state: str) -> None:
    """Silence, other protocols, endless headers and bodies: over in a moment, with a failure that can be kept."""
    small.seconds = 1
    small.server.answers["/hook"] = lambda _: said()  # type: ignore[operator]
    small.webhook()
    small.put(event(1), event(2))
    began = time.monotonic()
    go_round(small.courier)
    assert time.monotonic() - began < 60
    assert small.states() == [state] * 2
    assert all(each.failure.isprintable() and len(each.failure) <= 500 for each in small.deliveries())


def test_what_rules_forbid_is_a_failure_that_is_seen(told: Told) -> None:
    """Addresses that are private to the worker, and outbound turned off: nothing is sent, and the delivery says why."""
    told.webhook()
    told.put(event())
    for settings, why in (
        ({"outbound_private": ()}, "which is not public"),
        ({"outbound": False}, "outbound requests are turned off"),
    ):
        services = replace(told.services, settings=replace(told.services.settings, **settings))
        strict = Told(replace(told.registry, services=services), told.server)
        go_round(strict.courier)
        assert why in told.deliveries()[0].failure
        assert "127.0.0.1" in told.deliveries()[0].failure
        told.registry.clock.advance(seconds=3_600)
    assert told.server.asked == []
    go_round(told.courier)
    assert told.states() == ["delivered"]


def test_dead_letters_are_sent_again(told: Told) -> None:
    """All of them, one receiver's, or events by their ids; each with all its attempts."""
    for path in ("/gone", "/left"):
        told.server.replies(path, answer("410 Gone"), answer("410 Gone"), OK)
    gone, _ = told.webhook("/gone")
    left, _ = told.webhook("/left")
    fine, _ = told.webhook()
    first, second = told.put(event(1), event(2))
    go_round(told.courier)
    assert told.states(gone) == told.states(left) == ["dead"] * 2

    def replay(*events: str, receiver: int | None = None) -> int:
        return told.services.database.run(
            lambda tx: replays.replay(tx, told.services, ACCOUNT, events=events, receiver=receiver)
        )

    with told.services.database.read() as tx:
        count, letters = deliveries.dead_letters(tx, ACCOUNT, 3)
        assert (count, [(uid, each.receiver) for uid, _, each in letters][:2]) == (4, [(second, 1), (second, 2)])
        assert deliveries.backlog(tx).dead == 4
    assert replay(receiver=gone.id) == 2
    assert told.states(gone) == ["waiting"] * 2
    assert {each.attempts for each in told.deliveries(gone)} == {0}
    assert told.states(left) == ["dead"] * 2
    go_round(told.courier)
    assert told.states(gone) == ["delivered"] * 2
    assert replay(first) == 3
    assert replay(second, receiver=fine.id) == 1
    go_round(told.courier)
    assert (told.numbers("/gone"), told.numbers("/left"), told.numbers()) == (
        [1, 2, 1, 2, 1],
        [1, 2, 1],
        [1, 2, 1, 2],
    )
    assert told.states(left) == ["delivered", "dead"]
    assert replay() == 1
    late, _ = told.webhook("/late")
    told.server.replies("/late", OK)
    assert replay(first, first, receiver=late.id) == 1
    go_round(told.courier)
    assert told.numbers("/late") == [1]
    assert set(told.states()) == {"delivered"}
    for unknown in ("", "x\0y", "00000000-0000-0000-0000-000000000000", first.upper()):
        with pytest.raises(EventNotFound):
            replay(first, unknown)
    with pytest.raises(ReceiverNotFound):
        replay(receiver=99)
    with pytest.raises(InvalidParameter):
        replay(*[first] * 1_001)
    assert replay() == 0


def test_a_test_event_is_for_one_receiver(told: Told) -> None:
    """Whatever that receiver wants."""
    told.webhook("/all")
    picky, _ = told.webhook("/hook", "ECR Image Scan")
    uid = told.services.database.run(lambda tx: replays.test(tx, told.services, ACCOUNT, picky.id))
    assert go_round(told.courier) == 1
    (body,) = told.bodies()
    assert (body["id"], body["source"], body["detail-type"]) == (uid, "hullwise", "Hullwise Test")
    assert (body["region"], body["resources"], body["detail"]["receiver"]) == (REGION, [], picky.id)
    with pytest.raises(ReceiverNotFound):
        told.services.database.run(lambda tx: replays.test(tx, told.services, OTHER, picky.id))


def test_a_removed_receiver_gets_nothing(told: Told) -> None:
    """Its deliveries and its secret are gone, and what happens later makes none."""
    told.server.replies("/stays", OK)
    gone, _ = told.webhook()
    stays, _ = told.webhook("/stays")
    told.put(event(1))
    with pytest.raises(ReceiverNotFound):
        told.services.database.run(lambda tx: receivers.remove(tx, told.services, OTHER, gone.id))
    told.services.database.run(lambda tx: receivers.remove(tx, told.services, ACCOUNT, gone.id))
    told.put(event(2))
    go_round(told.courier)
    told.courier.turn(gone.id)
    assert told.bodies() == []
    assert {each.receiver for each in told.deliveries()} == {stays.id}
    with told.services.database.read() as tx:
        kept = sa.select(receiver_table.c.sealed_secret).where(receiver_table.c.id == gone.id)
        assert tx.execute(kept).scalar_one() == b""
        assert [each.id for each in store.of_account(tx, ACCOUNT)] == [stays.id]
    with pytest.raises(ReceiverNotFound):
        told.services.database.run(lambda tx: receivers.remove(tx, told.services, ACCOUNT, gone.id))


def test_a_receiver_that_is_removed_in_its_turn(told: Told) -> None:
    """It gets no more than what was read already."""
    receiver, _ = told.webhook()

    def leave(_: Asked) -> bytes:
        if len(told.server.asked) == 1:
            told.services.database.run(lambda tx: receivers.remove(tx, told.services, ACCOUNT, receiver.id))
        return OK

    told.server.answers["/hook"] = leave
    told.put(*(event(number) for number in range(1, 31)))
    go_round(told.courier)
    assert told.numbers() == list(range(1, 11))
    assert told.deliveries() == []


def test_secrets_are_sealed(told: Told) -> None:
    """No row, list or repr holds one; another installation's secret opens none, and the delivery says so."""
    webhook, secret = told.webhook()
    bus = told.bus()
    assert len(secret) == 6 + 44
    with told.services.database.read() as tx:
        rows = tx.execute(sa.select(receiver_table)).all()
    for hidden in (secret, secret.removeprefix("whsec_"), KEY[1]):
        assert hidden.encode() not in b"".join(row.sealed_secret for row in rows)
        assert hidden not in repr(rows) + repr((webhook, bus)) + repr(
            [receivers.described(each) for each in (webhook, bus)]
        )
    assert repr(Bus("a", "b", "c", KEY[1])).count(KEY[1]) == 0
    assert receivers.secret_of(told.services, bus) == KEY[1]
    told.put(event())
    services = replace(told.services, secret=b"x" * 32)
    go_round(Told(replace(told.registry, services=services), told.server).courier)
    assert {each.failure for each in told.deliveries()} == {"what is stored was sealed with another secret key"}
    assert told.server.asked == []


BAD_URLS = [
    *("", "hook", "ftp://hooks.example/", "https://", "https://hooks.example:0/", "https://hooks.example:99999/"),
    *("https://user@hooks.example/", "https://user:hunter2@hooks.example/", "https://hooks.example/\0", "https://h\0/"),
    *("http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest", "http://2130706434/"),
    *("https://hooks.example/" + "x" * 2_048, "https://hooks .example/", "https://hooks.example/\ud800"),
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_bad_urls_are_refused(small: Told, url: str) -> None:
    """Malformed, with credentials, too long, and private where the URL itself says so."""
    for add in (
        lambda tx: receivers.add_webhook(tx, small.services, ACCOUNT, url=url),
        lambda tx: receivers.add_bus(tx, small.services, ACCOUNT, url=url, bus=Bus("b", "r", *KEY)),
    ):
        with pytest.raises(InvalidParameter) as told:
            small.services.database.run(add)
        assert told.value.member == "url"
        assert "hunter2" not in str(told.value)


def test_bad_fields_are_refused(small: Told) -> None:
    """Names of other forms, too long, with NUL; too many."""
    url = "https://events.example/"

    def refused(member: str, **changed: str) -> None:
        bus = replace(Bus("default", "eu-west-1", *KEY), **changed)
        with pytest.raises(InvalidParameter) as told:
            small.services.database.run(lambda tx: receivers.add_bus(tx, small.services, ACCOUNT, url=url, bus=bus))
        assert told.value.member == member

    for name in ("", "a b", "a\0", "a" * 1_601, "arn:aws:events:eu-west-1:1:event-bus/a", "ä"):
        refused("bus", name=name)
    for region in ("", "eu_west", "a" * 65, "eu\n"):
        refused("region", region=region)
    for key_id in ("", "a/b", "a" * 129, "a\0"):
        refused("accessKeyId", key_id=key_id)
    for secret in ("", "a b", "a" * 257, "a\0", "a\n"):
        refused("secretAccessKey", secret=secret)
    for kinds in (["\0"], [""], ["a" * 129], ["a\n"], [f"{number}" for number in range(limits.DETAIL_TYPES + 1)]):
        with pytest.raises(InvalidParameter):
            small.services.database.run(
                lambda tx, kinds=kinds: receivers.add_webhook(tx, small.services, ACCOUNT, url=url, kinds=kinds)  # type: ignore[misc]
            )
    for _ in range(limits.RECEIVERS):
        small.webhook()
    with pytest.raises(InvalidParameter, match=str(limits.RECEIVERS)):
        small.webhook()


def test_a_turn_that_takes_long_ends(told: Told) -> None:
    """No request is begun after its time; the next turn goes on where it ended."""
    told.webhook()
    told.put(*(event(number) for number in range(1, 4)))

    def slowly(_: Asked) -> bytes:
        time.sleep(0.3)
        return OK

    told.server.answers["/hook"] = slowly
    brief = replace(told.courier, seconds=0.2)
    for sent in range(1, 4):
        assert go_round(brief) == 1
        assert told.numbers() == list(range(1, sent + 1))
    assert set(told.states()) == {"delivered"}
    told.put(event(4))
    go_round(replace(told.courier, stopping=lambda: True))
    assert told.states()[-1] == "waiting"


def test_a_turn_is_nobody_elses(told: Told) -> None:
    """While one delivers to a receiver, another does not; what died with its lease leaves it after two minutes."""
    receiver, _ = told.webhook()
    told.put(event(1), event(2))
    other = replace(told.courier)
    found: list[list[int]] = []

    def hook(asked: Asked) -> bytes:
        found.append(other.ready())
        other.turn(receiver.id)
        return OK

    told.server.answers["/hook"] = hook
    go_round(told.courier)
    assert (told.numbers(), found) == ([1, 2], [[], []])
    told.put(event(3))
    until = told.registry.clock() + LEASE
    assert told.services.database.run(lambda tx: store.lease(tx, receiver.id, told.registry.clock(), until))
    assert go_round(told.courier) == 0
    told.registry.clock.advance(minutes=2)
    assert go_round(other) == 1
    assert told.numbers() == [1, 2, 3]


def test_a_clock_that_was_ahead_holds_up_nobody(told: Told) -> None:
    """Deliveries that it put off, and a receiver that it leased, are free again; what a right clock put off is not, and
    a lease of one goes on."""
    ahead, _ = told.webhook("/ahead", "One")
    right, _ = told.webhook("/right", "Two")
    start, run = told.registry.clock(), told.services.database.run
    told.server.replies("/right", answer("503 Later", Retry_After="86400"))
    told.put(event(1, "Two"))
    assert go_round(told.courier) == 1
    told.registry.clock.advance(days=400)
    until = told.registry.clock() + LEASE
    assert run(lambda tx: store.lease(tx, ahead.id, told.registry.clock(), until))
    told.put(event(2, "One"))
    told.registry.clock.moment = start
    assert run(lambda tx: store.lease(tx, right.id, start, start + LEASE))
    assert told.courier.ready() == []
    told.courier.bring_back()
    assert told.courier.ready() == [ahead.id]
    told.server.replies("/ahead", OK)
    assert go_round(told.courier) == 1
    assert not run(lambda tx: store.lease(tx, right.id, start, start + LEASE))


def test_killed_between_sending_and_noting(told: Told) -> None:
    """Whoever sent it is killed before it is noted: it is sent once more, under the same id, and what follows it."""
    told.webhook()
    uids = told.put(event(1), event(2))
    settings = told.services.settings
    command = [sys.executable, "-m", "tests.support.courier", str(settings.data), settings.database]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)

    def kill(asked: Asked) -> bytes:
        process.kill()
        process.wait()
        return OK

    # The first answer waits for the death of who asked.
    told.server.answers["/hook"] = lambda asked: kill(asked) if len(told.server.asked) == 1 else OK
    _, said = process.communicate(timeout=60)
    assert process.returncode == -9, said
    assert told.states() == ["waiting"] * 2
    assert go_round(told.courier) == 0
    told.registry.clock.advance(minutes=2)
    go_round(told.courier)
    assert [asked.headers["webhook-id"] for asked in told.server.asked] == [uids[0], *uids]
    assert told.states() == ["delivered"] * 2


def test_forgotten_events_take_their_deliveries_along(told: Told) -> None:
    """After a month nobody wants to hear of it; that many rows go in a moment."""
    for at in range(3):
        told.webhook(f"/{at}")
    rows = [event(number) for number in range(10_000)]
    told.put(*rows)
    told.registry.clock.advance(days=31)
    told.put(event(1))
    began = time.monotonic()
    before = told.registry.clock() - timedelta(days=30)
    assert told.services.database.run(lambda tx: outbox.forget(tx, before)) == 10_000
    assert time.monotonic() - began < 60
    with told.services.database.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(delivery_table)).scalar_one() == 3
        assert tx.execute(sa.select(sa.func.count()).select_from(event_table)).scalar_one() == 1


def test_the_schedule_spans_three_days() -> None:
    """Ten attempts in 2 days, 19 hours, 12 minutes and 35 seconds."""
    assert sum(SCHEDULE, timedelta()) == timedelta(days=2, hours=19, minutes=12, seconds=35)
    assert len(SCHEDULE) == 9


def test_the_longest_waiting_receiver_is_first(told: Told) -> None:
    """Whoever has waited longest has the first turn."""
    told.server.replies("/second", OK)
    second, _ = told.webhook("/second", "Two")
    first, _ = told.webhook("/hook", "One")
    told.put(event(1, "One"))
    told.registry.clock.advance(seconds=1)
    told.put(event(2, "Two"))
    assert told.courier.ready() == [first.id, second.id]
