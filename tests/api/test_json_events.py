"""Receivers and events over our own API, on each engine."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from hullwise.auth import keys, tokens
from hullwise.auth.callers import Caller
from hullwise.events import deliveries, outbox
from tests.support.edges import Edges, edges, login
from tests.support.events import KEY, event
from tests.support.registry import ACCOUNT, REGION, Registry

OTHER = "999999999999"
URL = "https://hooks.example/hullwise"
WEBHOOK = {"kind": "webhook", "url": URL}
BUS = {
    "kind": "eventbridge",
    "url": "https://events.eu-west-1.amazonaws.com",
    "region": "eu-west-1",
    "accessKeyId": KEY[0],
    "secretAccessKey": KEY[1],
}


class Api:
    """Calls as one account's client makes them."""

    def __init__(self, edge: Edges, account: str = ACCOUNT) -> None:
        self.edge = edge
        services = edge.registry.services
        with services.database.write() as tx:
            key = keys.create(tx, services, account)
        self._login = login(tokens.issue(services, Caller(key.access_key_id, account, REGION)).password)

    def __call__(self, method: str, path: str, body: Any = None) -> httpx.Response:
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.edge.send(method, f"/api/v1{path}", sent, self._login)

    def good(self, method: str, path: str, body: Any = None) -> Any:
        found = self(method, path, body)
        assert found.status_code in {200, 204}, found.text
        return found.json() if found.content else None


@pytest.fixture
def api(registry: Registry) -> Api:
    return Api(edges(registry))


def put(api: Api, *numbers: int, account: str = ACCOUNT) -> None:
    services = api.edge.registry.services
    made = [event(number, account=account) for number in numbers]
    services.database.run(lambda tx: outbox.put(tx, made, services.clock()))


def test_receivers_come_and_go(api: Api) -> None:
    """A webhook's secret is told once; lists hold none, and no query of a URL, which may be one."""
    hook = api.good("POST", "/receivers", WEBHOOK | {"url": f"{URL}?token=hunter2", "detailTypes": ["A", "B", "A"]})
    secret = hook.pop("secret")
    assert secret.startswith("whsec_")
    bus = api.good("POST", "/receivers", BUS)
    made = api.edge.registry.clock().isoformat()
    assert hook == {
        "id": 1,
        "kind": "webhook",
        "url": f"{URL}?…",
        "detailTypes": ["A", "B"],
        "createdAt": made,
    }
    assert bus == {
        "id": 2,
        "kind": "eventbridge",
        "url": "https://events.eu-west-1.amazonaws.com/",
        "detailTypes": [],
        "createdAt": made,
        "bus": "default",
        "region": "eu-west-1",
        "accessKeyId": KEY[0],
    }
    listed = api("GET", "/receivers")
    assert listed.json() == {"receivers": [hook, bus]}
    for hidden in (secret, KEY[1], "hunter2"):
        assert hidden not in listed.text
    assert api("DELETE", "/receivers/1").status_code == 204
    assert api("DELETE", "/receivers/1").status_code == 404
    assert api.good("GET", "/receivers") == {"receivers": [bus]}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{", b'{"kind":"webhook"}', b'{"kind":"x","url":"https://a.example"}', b"[" * 100_000),
        *(
            {"kind": "webhook", "url": url}
            for url in ("", "http://127.0.0.1/", "https://a:b@hooks.example/", "a\0b", 1)
        ),
        *(WEBHOOK | more for more in ({"secret": "a"}, {"detailTypes": ["\0"]}, {"detailTypes": "A"})),
        *(BUS | more for more in ({"region": "\0"}, {"bus": ""}, {"accessKeyId": "a b"}, {"secretAccessKey": ""})),
        {name: value for name, value in BUS.items() if name != "region"},
    ],
)
def test_bad_receivers_are_refused(api: Api, body: Any) -> None:
    """With 400, and nothing is made."""
    refused = api("POST", "/receivers", body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "InvalidParameter")
    assert api.good("GET", "/receivers") == {"receivers": []}


def test_events_are_listed_with_their_deliveries(api: Api) -> None:
    """Newest first, page by page, all or those in a state."""
    api.good("POST", "/receivers", WEBHOOK)
    put(api, *range(1, 6))
    services = api.edge.registry.services
    now = services.clock()
    services.database.run(lambda tx: deliveries.note_taken(tx, 1, [2], now))
    services.database.run(lambda tx: deliveries.note_dead(tx, 1, [4], "x\0y", now))
    found, before = [], ""
    while before is not None:
        page = api.good("GET", f"/events?limit=2{before and f'&before={before}'}")
        found += page["events"]
        before = page["next"]
        assert len(found) <= 5
    assert [each["detail"]["number"] for each in found] == [5, 4, 3, 2, 1]
    fourth = found[1]
    assert fourth["deliveries"] == [
        {
            "receiver": 1,
            "state": "dead",
            "attempts": 1,
            "failure": "x\ufffdy",
            "dueAt": None,
            "deliveredAt": None,
            "deadAt": now.isoformat(),
        }
    ]
    assert (fourth["detail-type"], fourth["source"], fourth["account"]) == ("ECR Image Scan", "aws.ecr", ACCOUNT)
    states = {
        state: [each["detail"]["number"] for each in api.good("GET", f"/events?state={state}")["events"]]
        for state in ("waiting", "delivered", "dead")
    }
    assert states == {"waiting": [5, 3, 1], "delivered": [2], "dead": [4]}
    assert len(api.good("GET", f"/events?limit=100&before={2**63 - 1}")["events"]) == 5
    assert api.good("GET", "/events?limit=1&before=1")["events"] == []
    for query in ("limit=0", "limit=101", "limit=x", "before=0", "before=-1", f"before={2**63}", "state=x", "limit=²"):
        assert api("GET", f"/events?{query}").status_code == 400


def test_events_are_sent_again(api: Api) -> None:
    """Dead letters, and events by id; a test event."""
    api.good("POST", "/receivers", WEBHOOK)
    put(api, 1, 2)
    services = api.edge.registry.services
    services.database.run(lambda tx: deliveries.note_dead(tx, 1, [1, 2], "no", services.clock()))
    second, first = (each["id"] for each in api.good("GET", "/events")["events"])
    assert api.good("POST", "/events/replay", {"events": [first], "receiver": 1}) == {"queued": 1}
    assert api.good("POST", "/events/replay", {}) == {"queued": 1}
    assert api.good("POST", "/events/replay", {}) == {"queued": 0}
    tested = api.good("POST", "/receivers/1/test")["id"]
    assert [each["id"] for each in api.good("GET", "/events?state=waiting")["events"]] == [tested, second, first]
    for body, status in (
        ({"events": ["\0"]}, 404),
        ({"receiver": 2}, 404),
        ({"receiver": 2**70}, 404),
        ({"receiver": -1}, 404),
        ({"events": [first] * 1_001}, 400),
        ({"event": first}, 400),
        (b"", 400),
    ):
        assert api("POST", "/events/replay", body).status_code == status
    assert api("POST", "/receivers/2/test").status_code == 404


def test_one_account_sees_nothing_of_another(api: Api) -> None:
    """Neither its receivers nor its events, and changes none of them."""
    api.good("POST", "/receivers", WEBHOOK)
    put(api, 1)
    (mine,) = api.good("GET", "/events")["events"]
    other = Api(api.edge, OTHER)
    assert other.good("GET", "/receivers") == {"receivers": []}
    assert other.good("GET", "/events") == {"events": [], "next": None}
    assert other.good("GET", "/events?state=waiting")["events"] == []
    assert other("DELETE", "/receivers/1").status_code == 404
    assert other("POST", "/receivers/1/test").status_code == 404
    assert other("POST", "/events/replay", {"events": [mine["id"]]}).status_code == 404
    assert other("POST", "/events/replay", {"receiver": 1}).status_code == 404
    services = api.edge.registry.services
    services.database.run(lambda tx: deliveries.note_dead(tx, 1, [1], "no", services.clock()))
    assert other.good("POST", "/events/replay", {}) == {"queued": 0}
    assert api.good("GET", "/events")["events"][0]["deliveries"][0]["state"] == "dead"
