"""The registry API beside Distribution, Debian's `docker-registry`: a real server process each, on folders of one file
system, the same calls in turn.

Ours runs twice, in both durabilities. Callers are authorised: to ours by a token of GetAuthorizationToken, to
Distribution by htpasswd, whose bcrypt takes more of a small call than the call itself; so it runs twice too, the second
time open to everybody. What was written before is flushed before a measurement begins, and digests are checked
outside the time that is taken. CPU is that of the processes that answer, as the kernel counts it. The client, whose
cost is a table of its own, is another process. The rounds of all are interleaved, so that whatever else the machine
does meets all of them.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.pool import Pool
from pathlib import Path

from benchmarks import peers
from benchmarks.clients import Batch, Connection, blob, clients, push, push_at_once, push_side_by_side, sha256
from benchmarks.peers import Peer
from benchmarks.registry import ACCOUNT, OCI_LAYER, Registry, opened
from hullwise.domain.manifests import OCI_CONFIG, OCI_MANIFEST

LARGE, SMALL = 200_000_000, 10_000
PUSHES, PULLS, CALLS = 1, 2, 60
CLIENTS, SMALL_PUSHES = 8, 25
"""A round; of small blobs a client."""
TAGS, PAGE, MANY_TAGS, PAGES_OF_MANY = 10_000, 1_000, 100_000, 10
UPLOADS = 50

APP = "bench/app"
_LAYERS = [blob(number, SMALL) for number in range(1, 7)]


@dataclass(frozen=True)
class Cost:
    wall: float
    cpu: float
    """Seconds, of one of what the row is about."""
    client: float = 0.0
    """The client's CPU."""


@dataclass
class Side:
    """A peer that is measured, with a repository to measure it on."""

    peer: Peer
    pool: Pool
    tags: str = ""
    """Where the list of all tags begins."""
    made: int = 0
    """Numbers of blobs and manifests that it has got."""
    large: str = ""
    manifests: dict[str, str] = field(default_factory=dict)
    """By tag."""

    def connection(self) -> Connection:
        return Connection(self.peer.url, self.peer.authorization)

    def numbers(self, count: int) -> range:
        self.made += count
        return range(self.made - count + 1_000, self.made + 1_000)

    def prepare(self) -> None:
        with self.connection() as connection:
            for each in _LAYERS:
                push(connection, APP, each, sha256(each))
            data = blob(0, LARGE)
            self.large = sha256(data)
            push(connection, APP, data, self.large)
            for number in range(200):
                body = _manifest(number)
                connection.call(
                    "PUT", f"/v2/{APP}/manifests/held-{number}", body, expect=201, content_type=OCI_MANIFEST
                )
                self.manifests[f"held-{number}"] = sha256(body)

    def timed(self, count: int, calls: Callable[[Connection], None]) -> Cost:
        os.sync()
        with self.connection() as connection:
            cpu, client, begun = self.peer.cpu(), time.process_time(), time.perf_counter()
            calls(connection)
            wall, client = time.perf_counter() - begun, time.process_time() - client
            return Cost(wall / count, (self.peer.cpu() - cpu) / count, client / count)


def _manifest(number: int) -> bytes:
    config, *layers = [{"digest": sha256(each), "size": len(each)} for each in _LAYERS]
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, **config},
        "layers": [{"mediaType": OCI_LAYER, **each} for each in layers],
        "annotations": {"number": str(number)},
    }
    return json.dumps(document, indent=2).encode()


def _who(side: Side) -> Cost:
    def calls(connection: Connection) -> None:
        for _ in range(CALLS):
            connection.call("GET", "/v2/", expect=200)

    return side.timed(CALLS, calls)


def _push_large(side: Side) -> Cost:
    made = [blob(number, LARGE) for number in side.numbers(PUSHES)]
    digests = [sha256(data) for data in made]

    def calls(connection: Connection) -> None:
        for data, digest in zip(made, digests, strict=True):
            push(connection, APP, data, digest)

    return side.timed(PUSHES, calls)


def _pull_large(side: Side) -> Cost:
    def calls(connection: Connection) -> None:
        for _ in range(PULLS):
            answer = connection.call("GET", f"/v2/{APP}/blobs/{side.large}", expect=200)
        pulled.append(answer.body)

    pulled: list[memoryview] = []
    cost = side.timed(PULLS, calls)
    assert sha256(pulled[0]) == side.large
    return cost


def _push_small(side: Side) -> Cost:
    os.sync()
    batches = [
        Batch(side.peer.url, side.peer.authorization, APP, side.numbers(SMALL_PUSHES), SMALL) for _ in range(CLIENTS)
    ]
    cpu, count = side.peer.cpu(), CLIENTS * SMALL_PUSHES
    spent = push_at_once(side.pool, batches)
    return Cost((spent.ended - spent.begun) / count, (side.peer.cpu() - cpu) / count, spent.cpu / count)


def _put_manifests(side: Side) -> Cost:
    numbers = side.numbers(CALLS)
    made = {f"new-{number}": _manifest(number) for number in numbers}

    def calls(connection: Connection) -> None:
        for tag, body in made.items():
            answer = connection.call("PUT", f"/v2/{APP}/manifests/{tag}", body, expect=201, content_type=OCI_MANIFEST)
            told.append(answer.headers["docker-content-digest"])

    told: list[str] = []
    cost = side.timed(CALLS, calls)
    assert told == [sha256(body) for body in made.values()]
    return cost


def _get_manifests(side: Side, by: Callable[[tuple[str, str]], str]) -> Cost:
    asked = list(side.manifests.items())[:CALLS]

    def calls(connection: Connection) -> None:
        for each in asked:
            answer = connection.call("GET", f"/v2/{APP}/manifests/{by(each)}", expect=200, accept=OCI_MANIFEST)
            got.append(bytes(answer.body))

    got: list[bytes] = []
    cost = side.timed(CALLS, calls)
    assert [sha256(body) for body in got] == [digest for _, digest in asked]
    return cost


def _by_digest(side: Side) -> Cost:
    return _get_manifests(side, lambda each: each[1])


def _by_tag(side: Side) -> Cost:
    return _get_manifests(side, lambda each: each[0])


def _all_tags(side: Side) -> Cost:
    def calls(connection: Connection) -> None:
        target = side.tags
        while target:
            answer = connection.call("GET", target, expect=200)
            pages.append(bytes(answer.body))
            target = answer.headers.get("link", "").partition("<")[2].partition(">")[0]

    pages: list[bytes] = []
    cost = side.timed(1, calls)
    assert sum(len(json.loads(page)["tags"]) for page in pages) == TAGS
    return cost


@dataclass(frozen=True)
class Row:
    name: str
    measure: Callable[[Side], Cost]
    bar: str = ""
    """How many times ours what Distribution takes is aimed at."""


ROWS = (
    Row("who it is: GET /v2/", _who),
    Row("push of a blob of 200 MB", _push_large, "1.5"),
    Row("pull of a blob of 200 MB", _pull_large, "1.0"),
    Row("push of a blob of 10 kB, 8 clients at once", _push_small, "3"),
    Row("PUT of a manifest by tag", _put_manifests, "2"),
    Row("GET of a manifest by digest", _by_digest, "2"),
    Row("GET of a manifest by tag", _by_tag, "2"),
    Row("all tags of 10,000, as clients ask for them", _all_tags, "1.0 of CPU"),
)
OF_THE_CLIENT = ROWS[:4]

_Found = dict[tuple[str, str], list[Cost]]
"""By row and side, round by round."""


def _rounds(rounds: int, sides: dict[str, Side], rows: tuple[Row, ...]) -> _Found:
    """All sides in turn at every row, each round begun by another, after one round that does not count."""
    found: _Found = {}
    names = list(sides)
    for number in range(rounds + 1):
        for row in rows:
            for name in names[number % len(names) :] + names[: number % len(names)]:
                cost = row.measure(sides[name])
                if number:
                    found.setdefault((row.name, name), []).append(cost)
    return found


def _fill(data: Path) -> None:
    """Ours: a repository with tags, and one with many."""
    with opened(data) as services:
        registry = Registry(services)
        registry.begin()
        registry.fill(registry.repository("bench/tags"), TAGS)
        registry.fill(registry.repository("bench/many"), MANY_TAGS)


def _fill_distribution(data: Path) -> None:
    """Distribution's tags as its files: through its API they take minutes."""
    held = sha256(_manifest(0))
    for number in range(TAGS):
        tag = data / "files/docker/registry/v2/repositories/bench/tags/_manifests/tags" / f"build-{number}"
        for link in (tag / "current/link", tag / "index/sha256" / held.removeprefix("sha256:") / "link"):
            link.parent.mkdir(parents=True)
            link.write_text(held)


def _sides(stack: ExitStack, folder: Path, pool: Pool) -> dict[str, Side]:
    _fill(folder / "full")
    shutil.copytree(folder / "full", folder / "fast")
    found: dict[str, Side] = {}
    for durability in ("full", "fast"):
        ours = stack.enter_context(peers.hullwise(folder / durability, account=ACCOUNT, durability=durability))
        ours.client.create_repository(repositoryName=APP)
        found[durability] = Side(ours, pool, "/v2/bench/tags/tags/list")
    for name, htpasswd in (("htpasswd", True), ("open", False)):
        theirs = stack.enter_context(peers.distribution(folder / name, htpasswd=htpasswd))
        _fill_distribution(folder / name)
        found[name] = Side(theirs, pool, "/v2/bench/tags/tags/list")
    for side in found.values():
        side.prepare()
    return found


def _pages_of_many(side: Side) -> Cost:
    """Pages from here and there in the repository."""
    after = [f"build-{TAGS + 1 + number * MANY_TAGS // PAGES_OF_MANY}" for number in range(PAGES_OF_MANY)]

    def calls(connection: Connection) -> None:
        for last in after:
            answer = connection.call("GET", f"/v2/bench/many/tags/list?n={PAGE}&last={last}", expect=200)
            counts.append(bytes(answer.body).count(b"build-"))

    counts: list[int] = []
    cost = side.timed(PAGES_OF_MANY, calls)
    assert counts[0] == PAGE
    return cost


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds >= 0.1 else f"{seconds * 1000:.2f} ms"


def _cells(costs: list[Cost]) -> str:
    wall, cpu = (statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "cpu"))
    return f"{_milliseconds(wall)}, {_milliseconds(cpu)}"


def _ratios(theirs: list[Cost], ours: list[Cost]) -> str:
    """Medians of what each round says."""
    rounds = list(zip(theirs, ours, strict=True))
    wall = statistics.median(them.wall / us.wall for them, us in rounds)
    cpu = statistics.median(them.cpu / us.cpu for them, us in rounds)
    return f"{wall:.2f}, {cpu:.2f}"


def _table(found: _Found, durability: str) -> Iterator[str]:
    ours = f"ours, durability {durability}: time, server CPU"
    yield f"| what | {ours} | Distribution | open to all | Distribution / ours | open / ours | aimed at |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for row in ROWS:
        us, them, unasked = (found[row.name, side] for side in (durability, "htpasswd", "open"))
        cells = (_cells(us), _cells(them), _cells(unasked), _ratios(them, us), _ratios(unasked, us), row.bar)
        yield f"| {' | '.join((row.name, *cells))} |"
    yield ""


def _client(rounds: int, pool: Pool) -> Iterator[str]:
    """What the client takes where nothing is done for it."""
    yield "| the client alone | time | its CPU |"
    yield "|---|--:|--:|"
    with peers.nothing(LARGE) as nothing:
        side = Side(nothing, pool, large=sha256(blob(0, LARGE)))
        found = _rounds(rounds, {"nothing": side}, OF_THE_CLIENT)
    for row in OF_THE_CLIENT:
        costs = found[row.name, "nothing"]
        wall, cpu = (statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "client"))
        yield f"| {row.name} | {_milliseconds(wall)} | {_milliseconds(cpu)} |"
    yield ""


def _memory(side: Side, megabytes: int) -> str:
    side.peer.forget_peak()
    before = side.peer.peak()
    size = megabytes * 1_000_000
    spent = push_side_by_side(side.peer.url, side.peer.authorization, APP, UPLOADS, size)
    speed = UPLOADS * megabytes / (spent.ended - spent.begun)
    return f"{side.peer.peak():.0f} MB at most, {before:.0f} MB before; {speed:.0f} MB/s"


def run(rounds: int, upload_megabytes: int) -> list[str]:
    """The tables, line by line: medians of the rounds."""
    with ExitStack() as stack:
        pool = stack.enter_context(clients(CLIENTS))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lines = list(_client(rounds, pool))
        sides = _sides(stack, folder, pool)
        found = _rounds(rounds, sides, ROWS)
        for durability in ("full", "fast"):
            lines += _table(found, durability)
        ours = {"fast": sides["fast"]}
        pages = _rounds(rounds, ours, (Row("page", _pages_of_many),))["page", "fast"]
        lines += ["| ours alone | | aimed at |", "|---|--:|--:|"]
        lines.append(f"| a page of 1,000 of 100,000 tags | {_cells(pages)} | 5 ms |")
        named = f"peak memory, {UPLOADS} uploads of {upload_megabytes:,} MB at once"
        for durability in ("full", "fast"):
            lines.append(f"| {named}, {durability} | {_memory(sides[durability], upload_megabytes)} | 400 MB |")
    return lines
