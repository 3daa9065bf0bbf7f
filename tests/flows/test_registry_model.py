"""A registry against a model of it: pushes, mounts, tags, deletions, returns, collections, crashes and restarts in any
order. What the model has is there whole; what it has not is not seen; what nothing needs goes in the end."""

from __future__ import annotations

import dataclasses
import gc
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hullwise import app
from hullwise.application import application
from hullwise.auth import keys, tokens
from hullwise.auth.callers import Caller
from hullwise.blobs.errors import StorageUnavailable
from hullwise.blobs.storage import ObjectStorage, SegmentWriter, StoredObject
from hullwise.domain.manifests import OCI_MANIFEST
from hullwise.registry import garbage
from hullwise.services import Services
from hullwise.store import accounts
from hullwise.store.engine import Database
from tests.support import registry as support
from tests.support.edges import Edges, login
from tests.support.images import Image, image, layer, sha256
from tests.support.postgres import new_database
from tests.support.registry import ACCOUNT, REGION

T = TypeVar("T")

OTHER = "210987654321"
LAYERS = [layer({f"etc/{number}": str(number).encode()}) for number in range(3)]
IMAGES = [
    image([LAYERS[0]]),
    image([LAYERS[0], LAYERS[1]]),
    image([LAYERS[1], LAYERS[2]]),
    image([LAYERS[2]], author="x"),
]
NAMES = ("one", "two")
TAGS = ("a", "b")
GRACE = timedelta(hours=24)

Part = Literal["storage", "database"]
"""What a process is at as it crashes."""


def crashes(storage: int, database: int) -> st.SearchStrategy[tuple[Part, int]]:
    """A part, and how many strokes of it there are before: up to as many as what crashes mostly has."""
    parts: list[tuple[Part, int]] = [("storage", number) for number in range(storage + 1)]
    parts += [("database", number) for number in range(database + 1)]
    return st.sampled_from(parts)


class Crash(StorageUnavailable):
    """The process is gone."""


class Crashing(ObjectStorage):
    """A storage that works until it is out of strokes, and from then on does nothing."""

    def __init__(self, real: ObjectStorage, strokes: int) -> None:
        self._real = real
        self._strokes = strokes
        self.capabilities = real.capabilities

    def _stroke(self) -> None:
        self._strokes -= 1
        if self._strokes < 0:
            raise Crash("crashed")

    def writer(self, key: str, *, lasting: bool = True) -> SegmentWriter:
        self._stroke()
        return CrashingWriter(self, self._real.writer(key, lasting=lasting))

    def sync(self, keys: Iterable[str]) -> None:
        self._stroke()
        self._real.sync(keys)

    def put(self, key: str, data: bytes) -> None:
        self._stroke()
        self._real.put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._stroke()
        return self._real.put_if_absent(key, data)

    def read(self, key: str, *, limit: int) -> bytes:
        self._stroke()
        return self._real.read(key, limit=limit)

    def stream(self, key: str, start: int = 0, end: int | None = None, chunk: int = 262144) -> Iterator[bytes]:
        self._stroke()
        return self._real.stream(key, start, end, chunk)

    def size(self, key: str) -> int:
        self._stroke()
        return self._real.size(key)

    def delete(self, key: str) -> None:
        self._stroke()
        self._real.delete(key)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        self._stroke()
        return self._real.list(prefix)

    def local_path(self, key: str) -> Path | None:
        return self._real.local_path(key)

    def presigned_url(self, key: str, *, valid_for: timedelta) -> str | None:
        return self._real.presigned_url(key, valid_for=valid_for)


class CrashingWriter(SegmentWriter):
    def __init__(self, storage: Crashing, real: SegmentWriter) -> None:
        self._storage = storage
        self._real = real

    def write(self, *pieces: bytes | bytearray) -> None:
        self._storage._stroke()
        self._real.write(*pieces)

    def finish(self) -> None:
        self._storage._stroke()
        self._real.finish()

    def abort(self) -> None:
        """A process that is gone cleans nothing up."""
        with suppress(Crash):
            self._storage._stroke()
            self._real.abort()


class CrashingDatabase:
    """A database that works until it is out of strokes: the process is gone when it would commit the next."""

    def __init__(self, real: Database, strokes: int) -> None:
        self._real = real
        self._strokes = strokes

    @contextmanager
    def write(self, *, lasting: bool = True) -> Iterator[sa.Connection]:
        with self._real.write(lasting=lasting) as tx:
            yield tx
            self._strokes -= 1
            if self._strokes < 0:
                raise Crash("crashed")

    def run(self, work: Callable[[sa.Connection], T], *, lasting: bool = True) -> T:
        with self.write(lasting=lasting) as tx:
            return work(tx)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@dataclass
class Held:
    """What the model knows of a repository."""

    images: dict[str, Image] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    deleted: dict[str, Any] = field(default_factory=dict)
    """By digest, the latest deletion: until when it may come back, and the tags that it had."""


class Machine(RuleBasedStateMachine):
    """Everything goes through the registry's API, as account ACCOUNT; another account looks on."""

    @staticmethod
    def address() -> str:
        """Of the database: a file of its own."""
        return ""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.context = support.registry(
            Path(self.folder.name), self.address(), durability="fast", scan_quota_per_image=0
        )
        self.registry = self.context.__enter__()
        # Objects are dated by the machine's clock.
        self.registry.clock.moment = app.now()
        self.model = {name: Held() for name in NAMES}
        with self.registry.services.database.write() as tx:
            accounts.ensure_account(tx, OTHER, self.registry.clock())
            self.key = keys.create(tx, self.registry.services, ACCOUNT)
            self.stranger = keys.create(tx, self.registry.services, OTHER)
        for name in NAMES:
            self.registry.repository(name, scan_on_push=False)
        self.open(self.registry.services)

    def open(self, services: Services) -> None:
        self.edges = Edges(self.registry, application(services), self.key)

    def teardown(self) -> None:
        if not hasattr(self, "registry"):
            return
        try:
            self.nothing_is_left_behind()
        finally:
            self.context.__exit__(None, None, None)
            self.folder.cleanup()

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
        return self.edges.oci(method, path, body, **headers)

    def crashing(self, part: Part, strokes: int, act: Callable[[], Any]) -> bool:
        """Act on a storage or a database that crashes, and start again on what is left. Whether it got to its end."""
        real = self.registry.services
        if part == "storage":
            broken = dataclasses.replace(real, blobs=Crashing(real.blobs, strokes))
        else:
            broken = dataclasses.replace(real, database=cast("Database", CrashingDatabase(real.database, strokes)))
        self.registry.services = broken
        self.open(broken)
        try:
            act()
        except (Crash, AssertionError):
            return False
        else:
            return True
        finally:
            self.registry.services = real
            self.open(real)

    def push(self, name: str, pushed: Image, tag: str) -> None:
        for blob in pushed.blobs:
            digest = sha256(blob)
            if self.send("HEAD", f"/v2/{name}/blobs/{digest}").status_code == 404:
                assert self.send("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", blob).status_code == 201
        answer = self.send("PUT", f"/v2/{name}/manifests/{tag}", pushed.manifest, content_type=OCI_MANIFEST)
        assert answer.status_code == 201, answer.text
        held = self.model[name]
        held.images[pushed.digest] = pushed
        held.tags[tag] = pushed.digest

    @rule(name=st.sampled_from(NAMES), pushed=st.sampled_from(IMAGES), tag=st.sampled_from(TAGS))
    def push_image(self, name: str, pushed: Image, tag: str) -> None:
        self.push(name, pushed, tag)

    @rule(name=st.sampled_from(NAMES), pushed=st.sampled_from(IMAGES), crash=crashes(8, 2))
    def push_and_crash(self, name: str, pushed: Image, crash: tuple[Part, int]) -> None:
        self.crashing(*crash, lambda: self.push(name, pushed, "a"))

    @rule(name=st.sampled_from(NAMES), data=st.binary(min_size=1, max_size=4))
    def push_a_blob_that_nothing_needs(self, name: str, data: bytes) -> None:
        assert self.send("POST", f"/v2/{name}/blobs/uploads/?digest={sha256(data)}", data).status_code == 201

    @rule(name=st.sampled_from(NAMES))
    def begin_an_upload_and_leave_it(self, name: str) -> None:
        begun = self.send("POST", f"/v2/{name}/blobs/uploads/")
        assert self.send("PATCH", begun.headers["location"], b"left").status_code == 202

    @rule(source=st.sampled_from(NAMES), pushed=st.sampled_from(IMAGES))
    def mount_and_push(self, source: str, pushed: Image) -> None:
        target = NAMES[1 - NAMES.index(source)]
        for blob in pushed.blobs:
            digest = sha256(blob)
            there = self.send("HEAD", f"/v2/{source}/blobs/{digest}").status_code == 200
            answer = self.send("POST", f"/v2/{target}/blobs/uploads/?mount={digest}&from={source}")
            assert answer.status_code == (201 if there else 202)
        self.push(target, pushed, "b")

    @rule(name=st.sampled_from(NAMES), tag=st.sampled_from(TAGS))
    def delete_a_tag(self, name: str, tag: str) -> None:
        held = self.model[name]
        answer = self.send("DELETE", f"/v2/{name}/manifests/{tag}")
        assert answer.status_code == (202 if held.tags.pop(tag, None) else 404)

    @rule(name=st.sampled_from(NAMES), pushed=st.sampled_from(IMAGES))
    def delete_an_image(self, name: str, pushed: Image) -> None:
        held = self.model[name]
        answer = self.send("DELETE", f"/v2/{name}/manifests/{pushed.digest}")
        if held.images.pop(pushed.digest, None) is None:
            assert answer.status_code == 404
            return
        assert answer.status_code == 202
        tags = sorted(tag for tag, digest in held.tags.items() if digest == pushed.digest)
        for tag in tags:
            del held.tags[tag]
        held.deleted[pushed.digest] = (self.registry.clock() + GRACE, tags, pushed)

    @rule(name=st.sampled_from(NAMES), pushed=st.sampled_from(IMAGES))
    def bring_an_image_back(self, name: str, pushed: Image) -> None:
        held = self.model[name]
        until, tags, _ = held.deleted.get(pushed.digest, (None, [], None))
        listed = self.send("GET", f"/api/v1/deletions?repository={name}").json()["deletions"]
        found = [each for each in listed if each["digest"] == pushed.digest and each["image"]]
        if until is None or until <= self.registry.clock():
            assert found == []
            return
        assert found[0]["tags"] == tags
        done = self.send("POST", f"/api/v1/deletions/{found[0]['id']}/restore")
        assert done.status_code == 200, done.text
        held.images[pushed.digest] = pushed
        for tag in tags:
            held.tags.setdefault(tag, pushed.digest)
        # Earlier deletions of the same image may be there still: the next one may come back too.
        rest = found[1:]
        del held.deleted[pushed.digest]
        if rest:
            until = datetime.fromisoformat(rest[0]["restorableUntil"])
            held.deleted[pushed.digest] = (until, rest[0]["tags"], pushed)

    @rule(name=st.sampled_from(NAMES))
    def delete_the_repository_and_make_it_again(self, name: str) -> None:
        from hullwise.registry import repositories as rules
        from hullwise.store import repositories

        def remove(tx: Any) -> None:
            found = repositories.get(tx, ACCOUNT, REGION, name)
            rules.delete(tx, self.registry.services, found, force=True)

        self.registry.services.database.run(remove)
        self.registry.repository(name, scan_on_push=False)
        self.model[name] = Held()

    @rule(hours=st.sampled_from([1, 12, 24, 48]))
    def time_goes_on(self, hours: int) -> None:
        self.registry.clock.advance(hours=hours)

    @rule()
    def collect(self) -> None:
        garbage.collect(self.registry.services)

    @rule(crash=crashes(12, 3))
    def collect_and_crash(self, crash: tuple[Part, int]) -> None:
        self.crashing(*crash, lambda: garbage.collect(self.registry.services))

    @invariant()
    def what_is_there_is_whole(self) -> None:
        """Every image that was acknowledged, with every byte; tags name what they name; nothing else is listed."""
        if not hasattr(self, "model"):
            return
        for name, held in self.model.items():
            listed = self.send("GET", f"/v2/{name}/tags/list").json()["tags"]
            assert listed == sorted(held.tags)
            for tag, digest in held.tags.items():
                answer = self.send("GET", f"/v2/{name}/manifests/{tag}")
                assert answer.headers["docker-content-digest"] == digest
            for pushed in IMAGES:
                answer = self.send("GET", f"/v2/{name}/manifests/{pushed.digest}")
                if pushed.digest not in held.images:
                    assert answer.status_code == 404
                    continue
                assert answer.content == pushed.manifest
                for blob in pushed.blobs:
                    assert self.send("GET", f"/v2/{name}/blobs/{sha256(blob)}").content == blob

    @invariant()
    def another_account_sees_nothing(self) -> None:
        """By any path, under any host name."""
        if not hasattr(self, "model"):
            return
        caller = Caller(self.stranger.access_key_id, OTHER, REGION)
        headers = login(tokens.issue(self.registry.services, caller).password)
        for host in ({}, {"host": f"{ACCOUNT}.dkr.ecr.{REGION}.registry.test"}):
            for pushed in IMAGES[:2]:
                for path in (f"manifests/{pushed.digest}", f"blobs/{pushed.layers[0].digest}", "tags/list"):
                    answer = self.edges.send("GET", f"/v2/one/{path}", headers=headers | host)
                    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "NAME_UNKNOWN")

    def nothing_is_left_behind(self) -> None:
        """Long after, exactly the bytes are stored that the images have."""
        for _ in range(2):
            self.registry.clock.advance(days=30)
            garbage.collect(self.registry.services)
        self.what_is_there_is_whole()
        needed = {blob for held in self.model.values() for pushed in held.images.values() for blob in pushed.blobs}
        stored = list(self.registry.services.blobs.list("segments"))
        assert sum(each.size for each in stored) == sum(map(len, needed))
        assert len(stored) == len(needed)


class OnPostgres(Machine):
    @staticmethod
    def address() -> str:
        return new_database(support.migrated_url())


@pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning")
def test_its_crashes_are_crashes() -> None:
    """A push of two layers and a collection end before their end, at any stroke that the stories may draw."""
    machine = Machine()
    machine.begin()
    try:
        crashes: list[tuple[Part, int]] = [("storage", 0), ("database", 0), ("database", 1), ("database", 2)]
        for crash in crashes:
            assert not machine.crashing(*crash, lambda: machine.push("one", IMAGES[1], "a"))
            machine.collect()
            machine.time_goes_on(48)
        assert not machine.crashing("database", 0, lambda: garbage.collect(machine.registry.services))
        assert machine.crashing("database", 9, lambda: machine.push("one", IMAGES[1], "a"))
    finally:
        machine.teardown()
    gc.collect()


@pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning")
@pytest.mark.parametrize(("machine", "stories"), [(Machine, 8), (OnPostgres, 4)], ids=["sqlite", "postgresql"])
def test_a_registry_does_what_its_model_does(machine: type[Machine], stories: int) -> None:
    """Each story is of twenty steps."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=stories, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    # What crashes left open is told of here, where it is expected.
    gc.collect()
