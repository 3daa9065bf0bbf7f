"""Our own JSON API: who gets in, what it refuses, and ignore rules and VEX documents as they are kept."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import sqlalchemy as sa

from hullwise.api.routes import ROUTES
from hullwise.auth import keys, tokens
from hullwise.auth.callers import Caller
from hullwise.auth.keys import KeyPair
from hullwise.domain.limits import JSON_BODY_BYTES
from hullwise.scanning import overlay_changes
from hullwise.store import accounts
from hullwise.store.overlays import VexDocument
from tests.support.advisories import osv
from tests.support.edges import Edges, edges, login
from tests.support.images import sha256
from tests.support.registry import ACCOUNT, REGION, Registry, Server
from tests.support.registry import registry as new_registry

OTHER = "999999999999"
RULES, VEX = "/api/v1/ignore-rules", "/api/v1/vex"

# Each route once, with 1 for every number in its path.
EVERY = [
    (method, re.sub(r"\(\?P<\w+>[^)]*\)", "1", pattern)) for pattern, methods in ROUTES for method in sorted(methods)
]

FIELDS = {"vulnerability": "CVE-2024-0001", "reason": "not reachable", "author": "Ada"}

STATEMENT = {
    "vulnerability": {"name": "CVE-2024-0001"},
    "products": [{"@id": "pkg:pypi/flask@1.0"}, {"@id": "some words"}],
    "status": "not_affected",
    "justification": "component_not_present",
}
OPENVEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://example.org/vex/1",
    "author": "Vendor",
    "timestamp": "2026-01-01T00:00:00Z",
    "version": 1,
    "statements": [STATEMENT],
}
CSAF = {
    "document": {
        "category": "csaf_vex",
        "csaf_version": "2.0",
        "title": "Example",
        "publisher": {"category": "vendor", "name": "Example PSIRT", "namespace": "https://psirt.example.org"},
        "tracking": {
            "id": "2024-EX-1",
            "initial_release_date": "2026-01-01T00:00:00Z",
            "current_release_date": "2026-01-01T00:00:00Z",
            "revision_history": [],
            "status": "final",
            "version": "1",
        },
    },
    "product_tree": {
        "full_product_names": [
            {
                "name": "Flask",
                "product_id": "A",
                "product_identification_helper": {"purl": "pkg:pypi/flask@1.0"},
            },
            {"name": "Something", "product_id": "B"},
        ]
    },
    "vulnerabilities": [{"cve": "CVE-2024-0001", "product_status": {"known_not_affected": ["A", "B"]}}],
}
CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
    "version": 1,
    "metadata": {"timestamp": "2026-01-01T00:00:00Z"},
    "components": [
        {"type": "library", "bom-ref": "a", "name": "flask", "version": "1.0", "purl": "pkg:pypi/flask@1.0"},
        {"type": "library", "bom-ref": "b", "name": "something"},
    ],
    "vulnerabilities": [
        {"id": "CVE-2024-0001", "analysis": {"state": "not_affected"}, "affects": [{"ref": "a"}, {"ref": "b"}]}
    ],
}


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def error(answer: httpx.Response) -> str:
    """The code of a refusal, which is JSON with a code and a message."""
    (found,) = answer.json().values()
    assert found.keys() == {"code", "message"}
    assert found["message"]
    return str(found["code"])


def made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def token(edge: Edges, key: KeyPair) -> dict[str, str]:
    return login(tokens.issue(edge.registry.services, Caller(key.access_key_id, key.account, REGION)).password)


def another(edge: Edges, account: str = OTHER) -> KeyPair:
    with edge.registry.services.database.write() as tx:
        return keys.create(tx, edge.registry.services, account)


@pytest.fixture
def small(tmp_path: Path) -> Any:
    """The API over SQLite alone, for what no database sees."""
    with new_registry(tmp_path) as found:
        yield edges(found)


def test_every_route_asks_for_a_good_token(small: Edges) -> None:
    """Nothing, a wrong token, another scheme or user, an expired token and that of a revoked key: 401, with what to
    log in with, and nothing happened."""
    services = small.registry.services
    good, revoked = token(small, small.key), another(small, ACCOUNT)
    late = token(small, small.key)
    gone = token(small, revoked)
    with services.database.write() as tx:
        assert accounts.revoke_key(tx, revoked.access_key_id, services.clock())
    refused: dict[str, dict[str, str]] = {
        "none": {},
        "wrong": login("no token"),
        "cut": {"authorization": good["authorization"][:-8]},
        "scheme": {"authorization": good["authorization"].replace("Basic", "Bearer")},
        "empty": {"authorization": ""},
        "not base64": {"authorization": "Basic ???"},
        "secret": login(small.key.secret_access_key),
        "revoked": gone,
    }
    assert len(EVERY) >= 7
    for method, path in EVERY:
        for name, headers in refused.items():
            answer = small.send(method, path, encoded(FIELDS), headers)
            assert answer.status_code == 401, (method, path, name)
            assert answer.headers["www-authenticate"] == 'Basic realm="hullwise"'
            assert error(answer) == "Unauthorized"
    assert made(small.send("GET", RULES, headers=good)) == {"ignoreRules": []}
    small.registry.clock.advance(hours=12)
    for method, path in EVERY:
        answer = small.send(method, path, encoded(FIELDS), late)
        assert (answer.status_code, error(answer)) == (401, "Unauthorized"), (method, path)
        assert answer.headers["www-authenticate"] == 'Basic realm="hullwise"'
    assert made(small.oci("GET", RULES)) == {"ignoreRules": []}


def scope(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    base = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": ""}
    return {**base, "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": sent}


def test_nobody_unknown_makes_the_server_read(small: Edges) -> None:
    """A request without a good token, or for what is not offered, is refused before its body is read."""
    wanted = [
        ("POST", VEX, {}, 401),
        ("POST", VEX, login("no token"), 401),
        ("PUT", VEX, token(small, small.key), 405),
        ("POST", "/api/v1/nothing", token(small, small.key), 404),
    ]

    async def never() -> dict[str, Any]:
        raise AssertionError("the body was read")

    for method, path, headers, status in wanted:
        answers: list[Any] = []

        async def keep(message: Any, answers: list[Any] = answers) -> None:
            answers.append(message)

        anyio.run(small.application, scope(method, path, headers), never, keep)
        assert answers[0]["status"] == status


def test_what_is_not_offered(small: Edges) -> None:
    """405 for another method, with those that there are (RFC 9110, 15.5.6); 404 for another path, however it is
    written; a path is taken as it was sent, whatever the Host header says."""
    offered: dict[str, set[str]] = {}
    for method, path in EVERY:
        offered.setdefault(path, set()).add(method)
    for path, methods in offered.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods:
            answer = small.oci(method, path, b"{}")
            assert (answer.status_code, error(answer)) == (405, "MethodNotAllowed"), (method, path)
            assert set(answer.headers["allow"].split(", ")) == methods
        assert small.oci("HEAD", path).status_code == 405
    for path in ["", "/", "/vex/", "/vex/1/2", "/advisories/1", "x/vex", "/vex%0A", "/vex%3F", "/VEX", "//vex"]:
        answer = small.oci("GET", f"/api/v1{path}")
        assert (answer.status_code, error(answer)) == (404, "NotFound"), path
    for host in ("[", "x/api/v1/vex?", "a b", ":::"):
        assert made(small.oci("GET", RULES, host=host)) == {"ignoreRules": []}
        assert small.send("GET", RULES, headers={"host": host}).status_code == 401


NUMBERS = [
    "0",
    "1",
    "007",
    "-1",
    "1.0",
    "x",
    "%D9%A3",
    "1%00",
    "1%0A",
    "9" * 18,
    str(2**63 - 1),
    str(2**63),
    "9" * 5_000,
]


def test_numbers_that_name_nothing(edge: Edges) -> None:
    """404, however large or strange the number is; what is there stays."""
    for _ in range(2):
        # Number 1 is another account's.
        kept = made(edge.send("POST", RULES, encoded(FIELDS), token(edge, another(edge))))
    assert kept["id"] == 2
    for path in (RULES, VEX):
        for number in NUMBERS:
            answer = edge.oci("DELETE", f"{path}/{number}")
            assert (answer.status_code, error(answer)) == (404, "NotFound"), number[:30]


DEEP = b"[" * 100_000
BODIES = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "half": encoded(FIELDS)[:-1],
    "two": encoded(FIELDS) * 2,
    "not UTF-8": b'{"reason": "\xff"}',
    "UTF-16": json.dumps(FIELDS).encode("utf-16"),
    "half a pair": b'{"reason": "\\ud800", "author": "a", "vulnerability": "C"}',
    "half a pair in a name": b'{"\\ud800": 1}',
    "half a pair as bytes": b'{"reason": "\xed\xa0\x80", "author": "a", "vulnerability": "C"}',
    "deep": b'{"reason": ' + DEEP,
    "deep and unknown": b'{"more": ' + DEEP + b"]" * 100_000 + b"}",
    "NaN": b'{"reason": NaN}',
}
MEMBERS: dict[str, dict[str, Any]] = {
    "unknown member": {"more": 1},
    "snake case": {"expires_at": "2030-01-01T00:00:00Z"},
    "id": {"id": 7},
    "number": {"reason": 1},
    "null text": {"reason": None},
    "list": {"package": ["flask"]},
    "truth": {"fixable": True},
    "NUL": {"vulnerability": "CVE-2024-0001\0"},
    "NUL in package": {"package": "\0"},
    "NUL in reason": {"reason": "a\0"},
    "NUL in author": {"author": "a\0"},
    "NUL in repository": {"repository": "a\0*"},
    "line break": {"vulnerability": "CVE\n1"},
    "escape": {"author": "\x1b[31m"},
    "blank reason": {"reason": " \n"},
    "blank author": {"author": ""},
    "long": {"reason": "x" * 1_001},
    "fits everything": {"vulnerability": ""},
    "no pattern": {"repository": "Team/App"},
    "past": {"expiresAt": "2020-01-01T00:00:00Z"},
    "year 1": {"expiresAt": "0001-01-01T00:00:00+14:00"},
    "beyond all years": {"expiresAt": "9999-12-31T23:59:59-12:00"},
    "no time zone": {"expiresAt": "2030-01-01T00:00:00"},
    "date": {"expiresAt": "2030-01-01"},
    "seconds": {"expiresAt": 1_900_000_000},
    "1e300": {"expiresAt": 1e300},
    "no date": {"expiresAt": ""},
}


def test_bodies_that_are_no_rule(edge: Edges) -> None:
    """400 that says what is wrong, for everything that is no JSON, has another form or means nothing; none is made."""
    bodies = BODIES | {name: encoded(FIELDS | members) for name, members in MEMBERS.items()}
    for missing in ("reason", "vulnerability"):
        bodies[f"no {missing}"] = encoded({name: text for name, text in FIELDS.items() if name != missing})
    for name, body in bodies.items():
        answer = edge.oci("POST", RULES, body)
        assert (answer.status_code, error(answer)) == (400, "InvalidParameter"), (name, answer.text[:200])
    assert made(edge.oci("GET", RULES)) == {"ignoreRules": []}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("ignore-rules", '{"vulnerability": "CVE-2026-1", "vulnerability": "CVE-2026-2", "reason": "x"}'),
        ("ignore-rules", '{"vulnerability": "CVE-2026-1", "reason": "x", "re\\u0061son": "x"}'),
        ("receivers", '{"kind": "webhook", "url": "https://a.test/", "url": "https://b.test/"}'),
        ("receivers", '{"kind": "webhook", "kind": "webhook", "url": "https://a.test/"}'),
        ("events/replay", '{"receiver": 1, "events": [], "receiver": 2}'),
    ],
)
def test_a_repeated_key_is_refused(edge: Edges, path: str, body: str) -> None:
    """However it is written: readers differ in which of the two they take."""
    answer = edge.oci("POST", f"/api/v1/{path}", body.encode())
    assert (answer.status_code, error(answer)) == (400, "InvalidParameter")
    assert "a key is repeated" in answer.text
    assert made(edge.oci("GET", RULES)) == {"ignoreRules": []}
    assert made(edge.oci("GET", "/api/v1/receivers")) == {"receivers": []}


def test_bodies_that_are_no_document(edge: Edges) -> None:
    """400, and nothing is kept; NUL in texts that are kept does no harm."""
    bodies = [BODIES[name] for name in ("nothing", "a list", "UTF-16", "half a pair", "deep and unknown")]
    bodies += [encoded({**OPENVEX, "statements": []}), encoded({**OPENVEX, "@context": "x"})]
    bodies += [encoded({**CSAF, "vulnerabilities": [1]}), encoded({**CYCLONEDX, "vulnerabilities": {}})]
    for body in bodies:
        answer = edge.oci("POST", VEX, body)
        assert (answer.status_code, error(answer)) == (400, "InvalidParameter"), body[:60]
    for query in ("%00", "Team", "%ED%A0%80", "%FF", "a%20b", "x"):
        answer = edge.oci("POST", f"{VEX}?repository={query}", encoded(OPENVEX))
        assert (answer.status_code, error(answer)) == (400, "InvalidParameter"), query
    assert made(edge.oci("GET", VEX)) == {"vexDocuments": []}
    odd = {"@id": "a\0b", "author": "V\0", "statements": [STATEMENT | {"impact_statement": "\0\x1b"}]}
    assert made(edge.oci("POST", VEX, encoded({**OPENVEX, **odd})))["statements"] == 1


def test_a_body_has_a_limit(small: Edges) -> None:
    """32 MiB are read, and one byte more is refused with 413."""
    assert JSON_BODY_BYTES == 32 * 1024 * 1024
    body = b" " * JSON_BODY_BYTES
    answer = small.oci("POST", RULES, body)
    assert (answer.status_code, error(answer)) == (400, "InvalidParameter")
    for path in (RULES, VEX):
        answer = small.oci("POST", path, body + b" ")
        assert (answer.status_code, error(answer)) == (413, "TooLarge")


def test_a_running_server_refuses_a_large_body(server: Server, http: httpx.Client) -> None:
    """With 413, and serves the next request."""
    assert http.post(VEX, content=b" " * (JSON_BODY_BYTES + 1)).status_code == 413
    assert http.get(RULES).status_code == 200


def test_a_rule_is_made_listed_and_taken_back(edge: Edges) -> None:
    """Every member comes back, moments in UTC; of the account's own rules the oldest is the first, those that have
    expired stay in the list, and one that was taken back is gone, once."""
    clock = edge.registry.clock
    first = made(edge.oci("POST", RULES, encoded(FIELDS)))
    stated = {
        "repository": "team/*",
        "vulnerability": "",
        "package": "flask",
        "fixable": "no",
        "reason": "first line\n\tand the next \x1b",
        "author": "Åsa",
    }
    until = clock.moment + timedelta(days=1)
    far = until.astimezone().replace(microsecond=0).isoformat()
    second = made(edge.oci("POST", RULES, encoded({**stated, "expiresAt": far})))
    assert {name: second[name] for name in stated} == stated
    assert second["createdAt"] == clock.moment.isoformat()
    assert second["expiresAt"] == until.replace(microsecond=0).isoformat()
    assert first["expiresAt"] is None
    assert {name: first[name] for name in FIELDS} == FIELDS
    assert first["id"] < second["id"]
    clock.advance(days=2)
    assert made(edge.oci("GET", RULES)) == {"ignoreRules": [first, second]}
    answer = edge.oci("DELETE", f"{RULES}/{first['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert made(edge.oci("GET", RULES)) == {"ignoreRules": [second]}
    assert edge.oci("DELETE", f"{RULES}/{first['id']}").status_code == 404
    latest = {**FIELDS, "expiresAt": "9999-12-29T00:00:00+00:00"}
    assert made(edge.oci("POST", RULES, encoded(latest)))["expiresAt"] == latest["expiresAt"]


def test_a_rule_without_an_author_is_its_callers(edge: Edges) -> None:
    """By the name that policies know the caller by; whoever names an author is believed."""
    with edge.registry.services.database.write() as tx:
        key = keys.create(tx, edge.registry.services, ACCOUNT, user="ci")
    unsigned = {name: text for name, text in FIELDS.items() if name != "author"}
    for given in (unsigned, unsigned | {"author": None}):
        found = made(edge.send("POST", RULES, encoded(given), token(edge, key)))
        assert found["author"] == f"arn:aws:iam::{ACCOUNT}:user/ci"
    assert made(edge.send("POST", RULES, encoded(FIELDS), token(edge, key)))["author"] == "Ada"
    nameless = made(edge.oci("POST", RULES, encoded(unsigned)))
    assert nameless["author"] == f"arn:aws:iam::{ACCOUNT}:user/{edge.key.access_key_id}"


@pytest.mark.parametrize(
    ("form", "body", "name", "author"),
    [
        ("openvex", OPENVEX, "https://example.org/vex/1", "Vendor"),
        ("csaf", CSAF, "2024-EX-1", "Example PSIRT"),
        ("cyclonedx", CYCLONEDX, "3e671687-395b-41f5-a30f-a58921a69b79", ""),
    ],
)
def test_a_document_is_added_listed_and_taken_back(
    small: Edges, form: str, body: dict[str, Any], name: str, author: str
) -> None:
    """In each format: what is used and, by reason, what is not; one of the same name replaces it; taken back, once."""
    sent = encoded(body)
    found = made(small.oci("POST", f"{VEX}?repository=team/*", sent))
    unused = found.pop("unused")
    # Each has one product that is named by words alone.
    assert list(unused.values()) == [1]
    assert all(unused)
    number = found.pop("id")
    assert found.pop("name").endswith(name)
    assert found == {
        "repository": "team/*",
        "digest": sha256(sent),
        "format": form,
        "author": author,
        "addedBy": small.key.access_key_id,
        "statements": 1,
        "createdAt": small.registry.clock.moment.isoformat(),
    }
    again = made(small.oci("POST", f"{VEX}?repository=team/*", sent))
    everywhere = made(small.oci("POST", VEX, sent))
    listed = made(small.oci("GET", VEX))["vexDocuments"]
    assert [each["id"] for each in listed] == [again["id"], everywhere["id"]]
    assert small.oci("DELETE", f"{VEX}/{number}").status_code == 404
    answer = small.oci("DELETE", f"{VEX}/{again['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert small.oci("DELETE", f"{VEX}/{again['id']}").status_code == 404
    assert [each["id"] for each in made(small.oci("GET", VEX))["vexDocuments"]] == [everywhere["id"]]


def test_one_account_sees_nothing_of_another(edge: Edges) -> None:
    """Rules and documents of an account are listed for its keys alone, any of them, and nobody else removes them."""
    rule = made(edge.oci("POST", RULES, encoded(FIELDS)))
    document = made(edge.oci("POST", VEX, encoded(OPENVEX)))
    theirs, mine = token(edge, another(edge)), token(edge, another(edge, ACCOUNT))
    assert made(edge.send("GET", RULES, headers=theirs)) == {"ignoreRules": []}
    assert made(edge.send("GET", VEX, headers=theirs)) == {"vexDocuments": []}
    for path in (f"{RULES}/{rule['id']}", f"{VEX}/{document['id']}"):
        missing = edge.send("DELETE", f"{path}999", headers=theirs)
        answer = edge.send("DELETE", path, headers=theirs)
        assert (answer.status_code, error(answer)) == (404, "NotFound")
        assert answer.json()["error"]["message"] + "999" == missing.json()["error"]["message"]
    # A document of the same name is another account's own, and replaces nothing here.
    made(edge.send("POST", VEX, encoded(OPENVEX), theirs))
    assert made(edge.send("GET", RULES, headers=mine)) == {"ignoreRules": [rule]}
    (kept,) = made(edge.send("GET", VEX, headers=mine))["vexDocuments"]
    assert kept == {name: value for name, value in document.items() if name != "unused"}
    assert edge.send("DELETE", f"{RULES}/{rule['id']}", headers=mine).status_code == 204


def beside(count: int, work: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """The answers to so many requests at the same time."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def test_changes_at_the_same_time(edge: Edges) -> None:
    """Of a document that is added several times at once one stays; of several removals of one rule one succeeds."""
    answers = beside(6, lambda _: edge.oci("POST", VEX, encoded(OPENVEX)))
    assert {answer.status_code for answer in answers} == {200}
    (kept,) = made(edge.oci("GET", VEX))["vexDocuments"]
    assert kept["id"] in {answer.json()["id"] for answer in answers}
    # The second begins when the first is done and not yet to be seen.
    services, given = edge.registry.services, overlay_changes.read(encoded(OPENVEX))

    def add(tx: sa.Connection) -> VexDocument:
        return overlay_changes.add_document(tx, services, ACCOUNT, given, added_by="Ada")

    with ThreadPoolExecutor(1) as pool:
        with services.database.write() as tx:
            add(tx)
            second = pool.submit(services.database.run, add)
            time.sleep(0.3)
        latest = second.result(30)
    assert [each["id"] for each in made(edge.oci("GET", VEX))["vexDocuments"]] == [latest.id]
    rule = made(edge.oci("POST", RULES, encoded(FIELDS)))
    answers = beside(6, lambda _: edge.oci("DELETE", f"{RULES}/{rule['id']}"))
    assert sorted(answer.status_code for answer in answers) == [204] + [404] * 5


def test_the_advisory_data_in_use(edge: Edges) -> None:
    """Nothing before there is any; then its generation, with what it is made of."""
    registry: Registry = edge.registry
    assert made(edge.oci("GET", "/api/v1/advisories")) == {
        "generation": None,
        "feeds": [],
        "enrichment": {},
        "publication": None,
    }
    published = registry.publish(osv("CVE-2024-0001", "flask"), osv("CVE-2024-0002", "flask"))
    found = made(edge.oci("GET", "/api/v1/advisories"))["generation"]
    assert (found["number"], found["records"]) == (published.number, 2)
    assert [(each["name"], each["records"]) for each in found["sources"]] == [("osv", 2)]
    assert found["publishedAt"] == registry.clock.moment.isoformat()
