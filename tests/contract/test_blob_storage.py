"""What every blob storage promises, on a local folder and on two S3 servers."""

from __future__ import annotations

import hashlib
import ssl
import threading
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hullwise.blobs.backend import open_storage
from hullwise.blobs.capabilities import KNOWN, Capabilities
from hullwise.blobs.errors import (
    InvalidKey,
    ObjectMissing,
    ObjectTooLarge,
    StorageMisconfigured,
    StorageUnavailable,
)
from hullwise.blobs.storage import ObjectStorage
from tests.support.certificates import Authority
from tests.support.s3 import S3Server, free_port, running, server, tool

MIB = 1 << 20

# What each server does, as its own documentation and a plain HTTP client show; nothing else may be found by a probe.
OFFERED = {
    "folder-full": Capabilities(ranged_read=True, put_if_absent=True, presign=False),
    "folder-fast": Capabilities(ranged_read=True, put_if_absent=True, presign=False),
    "rclone": Capabilities(ranged_read=False, put_if_absent=False, presign=True),
    "moto": Capabilities(ranged_read=True, put_if_absent=True, presign=True),
}


@dataclass(frozen=True)
class Backend:
    """An empty place on one of the backends."""

    name: str
    url: str
    options: Mapping[str, str]

    def open(self, **options: str) -> ObjectStorage:
        """With the server's options and these; a folder has none, and can do as it can."""
        if self.name.startswith("folder"):
            return open_storage(self.url, durability="full" if self.name == "folder-full" else "fast")
        return open_storage(self.url, durability="full", options={**self.options, **options})


@pytest.fixture(params=OFFERED)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    if request.param.startswith("folder"):
        return Backend(request.param, str(tmp_path / "blobs"), {})
    server = request.getfixturevalue(f"s3_{request.param}")
    return Backend(request.param, f"{server.url}/{uuid.uuid4().hex}", server.options)


@pytest.fixture
def storage(backend: Backend) -> ObjectStorage:
    return backend.open()


@pytest.fixture
def folder(tmp_path: Path) -> ObjectStorage:
    return open_storage(str(tmp_path / "blobs"), durability="full")


def listed(storage: ObjectStorage, prefix: str = "") -> set[str]:
    return {found.key for found in storage.list(prefix)}


def test_what_is_put_is_read(storage: ObjectStorage) -> None:
    """The bytes that come back are those that were given, none included."""
    for data in (b"", b"x", bytes(range(256)) * 100):
        storage.put("a/b", data)
        assert storage.read("a/b", limit=MIB) == data
        assert storage.size("a/b") == len(data)
        assert b"".join(storage.stream("a/b")) == data


def test_forty_megabytes_are_streamed(storage: ObjectStorage) -> None:
    """An object larger than one part of an upload is stored whole, and read in pieces."""
    pieces = [bytes([number]) * MIB for number in range(40)]
    with storage.writer("large") as writer:
        for piece in pieces:
            writer.write(piece)
    sent, received = hashlib.sha256(b"".join(pieces)), hashlib.sha256()
    largest = 0
    for part in storage.stream("large"):
        received.update(part)
        largest = max(largest, len(part))
    assert received.digest() == sent.digest()
    assert largest <= 4 * MIB


def test_a_caller_may_reuse_its_buffer(storage: ObjectStorage) -> None:
    """What `write` was given is what is stored, whatever happens to the buffer afterwards."""
    buffer = bytearray(b"first ")
    with storage.writer("a") as writer:
        writer.write(buffer)
        buffer[:] = b"second"
        writer.write(buffer, b" and ", buffer)
        buffer[:] = b"third "
    assert storage.read("a", limit=100) == b"first second and second"


def test_an_object_is_written_in_any_number_of_pieces(storage: ObjectStorage) -> None:
    """More pieces than the system takes at once, empty ones among them, make one object."""
    pieces = [b"%d," % number for number in range(3_000)] + [b""] * 10
    with storage.writer("a") as writer:
        writer.write(*pieces)
        writer.write(b"")
    assert storage.read("a", limit=100_000) == b"".join(pieces)


def test_an_object_without_bytes_can_be_streamed(storage: ObjectStorage) -> None:
    """A writer that was given nothing leaves an object of size zero."""
    with storage.writer("empty"):
        pass
    assert storage.size("empty") == 0
    assert list(storage.stream("empty")) == []


def test_the_last_writer_wins(storage: ObjectStorage) -> None:
    """A writer and `put` replace what was there."""
    storage.put("a", b"one")
    with storage.writer("a") as writer:
        writer.write(b"two")
    assert storage.read("a", limit=10) == b"two"
    storage.put("a", b"three")
    assert storage.read("a", limit=10) == b"three"


def test_an_object_is_visible_only_when_whole(storage: ObjectStorage) -> None:
    """While a writer is at work nothing is under its key, in no listing and for no reader."""
    with storage.writer("seg/one") as writer:
        for _ in range(20):
            writer.write(bytes(MIB))
        assert listed(storage) == set()
        with pytest.raises(ObjectMissing):
            storage.size("seg/one")
    assert listed(storage) == {"seg/one"}


def test_a_failed_writer_leaves_nothing(storage: ObjectStorage) -> None:
    """An exception in the block reaches the caller, and nothing is listed or left on the way."""
    for size in (1, 20 * MIB):
        with pytest.raises(KeyboardInterrupt), storage.writer("seg/one") as writer:
            writer.write(bytes(size))
            raise KeyboardInterrupt
    assert listed(storage) == set()
    with pytest.raises(ObjectMissing):
        storage.read("seg/one", limit=MIB)


def test_a_failed_writer_keeps_what_was_there(storage: ObjectStorage) -> None:
    """Aborting does not touch the object that the writer would have replaced."""
    storage.put("a", b"kept")
    with pytest.raises(KeyError), storage.writer("a") as writer:
        writer.write(b"lost")
        raise KeyError
    assert storage.read("a", limit=10) == b"kept"


def test_a_writer_can_be_driven_by_hand(storage: ObjectStorage) -> None:
    """`finish` and `abort` do what leaving the block does; `abort` after `finish` does nothing."""
    kept, dropped = storage.writer("kept"), storage.writer("dropped")
    for writer in (kept, dropped):
        writer.write(b"data")
    kept.finish()
    kept.abort()
    dropped.abort()
    dropped.abort()
    assert listed(storage) == {"kept"}


def test_an_aborted_upload_leaves_no_parts(s3_moto: S3Server) -> None:
    """The parts that had been sent are deleted on the server too."""
    storage = open_storage(f"{s3_moto.url}/aborted", durability="full", options=s3_moto.options)
    uploads = f"{s3_moto.endpoint}/{s3_moto.url.removeprefix('s3://')}?uploads"
    with pytest.raises(KeyError), storage.writer("seg") as writer:
        for _ in range(30):
            writer.write(bytes(MIB))
        with urllib.request.urlopen(uploads) as answer:
            assert b"<UploadId>" in answer.read()
        raise KeyError
    with urllib.request.urlopen(uploads) as answer:
        assert b"<UploadId>" not in answer.read()


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, None, b"0123456789"),
        (0, 1, b"0"),
        (3, 7, b"3456"),
        (3, None, b"3456789"),
        (8, 99, b"89"),
        (4, 4, b""),
        (10, None, b""),
        (10, 12, b""),
        (99, 120, b""),
    ],
)
def test_a_range_is_the_same_with_and_without_the_capability(
    backend: Backend, start: int, end: int | None, expected: bytes
) -> None:
    """Offsets mean the same on every backend, beyond the end too."""
    capable, without = backend.open(), backend.open(capabilities="put_if_absent")
    capable.put("a", b"0123456789")
    for storage in (capable, without):
        assert b"".join(storage.stream("a", start, end)) == expected


def test_a_range_within_many_pieces(backend: Backend) -> None:
    """A range that spans pieces and begins and ends within one is cut exactly."""
    data = b"".join(number.to_bytes(4, "big") for number in range(MIB // 4))
    backend.open().put("a", data)
    for storage in (backend.open(), backend.open(capabilities="")):
        pieces = list(storage.stream("a", 100_001, 900_003, chunk=65536))
        assert b"".join(pieces) == data[100_001:900_003]
        assert len(pieces) > 1


def test_a_range_of_an_empty_object_is_empty(storage: ObjectStorage) -> None:
    """Nothing can be asked of nothing without an error."""
    storage.put("a", b"")
    assert b"".join(storage.stream("a", 0, 5)) == b""


def test_a_stream_may_be_left_early(storage: ObjectStorage) -> None:
    """Taking one piece and no more harms nothing."""
    storage.put("a", bytes(4 * MIB))
    assert next(storage.stream("a"))
    assert storage.size("a") == 4 * MIB


def test_the_probe_finds_what_is_offered(backend: Backend) -> None:
    """What a storage says of its backend is the truth of the table above, found without being told."""
    assert backend.open().capabilities == OFFERED[backend.name]
    assert KNOWN[backend.name.partition("-")[0]] == OFFERED[backend.name]


def test_the_probe_leaves_nothing(storage: ObjectStorage) -> None:
    """A storage that was just opened is empty."""
    assert listed(storage) == set()


def test_put_if_absent_stores_once(backend: Backend) -> None:
    """The first call stores; a later one changes nothing and says so, with the capability or without."""
    for name, storage in {"a": backend.open(), "b": backend.open(capabilities="ranged_read")}.items():
        assert storage.put_if_absent(name, b"first") is True
        assert storage.put_if_absent(name, b"second") is False
        assert storage.read(name, limit=10) == b"first"
    assert listed(backend.open()) == {"a", "b"}


def test_put_if_absent_has_one_winner(backend: Backend) -> None:
    """With the capability, one of many concurrent callers stores and all others are told; else it is at least one."""
    storage = backend.open()
    start = threading.Barrier(8)
    won: list[int] = []

    def contend(number: int) -> None:
        start.wait()
        if storage.put_if_absent("a", b"%d" % number):
            won.append(number)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert int(storage.read("a", limit=10)) in won
    assert len(won) == 1 or not storage.capabilities.put_if_absent


def test_a_presigned_url_is_enough_to_read(storage: ObjectStorage) -> None:
    """Any HTTP client gets the object with it; a folder has none to give."""
    storage.put("a/b", b"data")
    url = storage.presigned_url("a/b", valid_for=timedelta(minutes=1))
    if not storage.capabilities.presign:
        assert url is None
        return
    assert url is not None
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"data"


ON_A_KEY: dict[str, Callable[[ObjectStorage, str], object]] = {
    "read": lambda storage, key: storage.read(key, limit=10),
    "stream": lambda storage, key: storage.stream(key),
    "stream from": lambda storage, key: storage.stream(key, 5),
    "range": lambda storage, key: storage.stream(key, 0, 10),
    "empty range": lambda storage, key: storage.stream(key, 5, 5),
    "size": lambda storage, key: storage.size(key),
}

ON_ANY_KEY: dict[str, Callable[[ObjectStorage, str], object]] = {
    **ON_A_KEY,
    "writer": lambda storage, key: storage.writer(key),
    "put": lambda storage, key: storage.put(key, b"x"),
    "put_if_absent": lambda storage, key: storage.put_if_absent(key, b"x"),
    "delete": lambda storage, key: storage.delete(key),
    "local_path": lambda storage, key: storage.local_path(key),
    "presigned_url": lambda storage, key: storage.presigned_url(key, valid_for=timedelta(minutes=1)),
}


@pytest.mark.parametrize("what", ON_A_KEY)
def test_a_missing_object_is_said_at_once(storage: ObjectStorage, what: str) -> None:
    """Whoever asks for an absent object learns which, before any byte; the neighbour in its folder does not matter."""
    storage.put("there/is", b"x")
    for key in ("not/there", "there/is-not", "there"):
        with pytest.raises(ObjectMissing) as raised:
            ON_A_KEY[what](storage, key)
        assert raised.value.key == key
        assert raised.value.__cause__ is not None


BAD_KEYS = ["", "/a", "a/", "a//b", "../a", "a/../b", "a/..", "a..b", ".a", "a/.b", "a/./b", "A", "a b", "a\n", "ä"]
BAD_KEYS += ["a\0b", "a\\b", "a#1", "a%2fb", "-a", "_a", "a" * 129, "/".join(["a" * 85] * 3)]


@pytest.mark.parametrize("what", ON_ANY_KEY)
def test_bad_keys_are_refused(folder: ObjectStorage, what: str) -> None:
    """Nothing that could leave the storage, or that a backend takes differently, is a key."""
    for key in BAD_KEYS:
        with pytest.raises(InvalidKey):
            ON_ANY_KEY[what](folder, key)


@pytest.mark.parametrize("key", ["0", "a", "a.b_c-d", "a" * 128, "/".join(["a" * 84] * 3)])
def test_good_keys_are_taken(storage: ObjectStorage, key: str) -> None:
    """The longest key and the oddest characters work everywhere."""
    storage.put(key, b"x")
    assert listed(storage) == {key}
    storage.delete(key)


def test_too_much_is_not_read(storage: ObjectStorage) -> None:
    """`read` gives what fits the limit exactly, and refuses one byte more with both numbers."""
    storage.put("a", bytes(100))
    assert len(storage.read("a", limit=100)) == 100
    with pytest.raises(ObjectTooLarge) as raised:
        storage.read("a", limit=99)
    assert (raised.value.key, raised.value.size, raised.value.limit) == ("a", 100, 99)


def test_deleting_twice_is_fine(storage: ObjectStorage) -> None:
    """After `delete` the object is gone; doing it again, or to what never was, is no error."""
    storage.put("a", b"x")
    storage.delete("a")
    storage.delete("a")
    storage.delete("never/was")
    assert listed(storage) == set()
    with pytest.raises(ObjectMissing):
        storage.size("a")


def test_listing_is_by_whole_parts(storage: ObjectStorage) -> None:
    """A prefix is a folder: what merely begins alike is not in it, and an object is not below itself."""
    for key in ("a/b/c", "a/b/d", "a/bc", "ab"):
        storage.put(key, b"x")
    assert listed(storage) == {"a/b/c", "a/b/d", "a/bc", "ab"}
    assert listed(storage, "a") == {"a/b/c", "a/b/d", "a/bc"}
    assert listed(storage, "a/b") == {"a/b/c", "a/b/d"}
    assert listed(storage, "ab") == set()
    assert listed(storage, "nothing/here") == set()
    with pytest.raises(InvalidKey):
        storage.list("a/")


def test_a_listing_tells_size_and_time(storage: ObjectStorage) -> None:
    """Each line has the object's size and the moment of its last writing, with a time zone."""
    storage.put("a", b"12345")
    (found,) = storage.list()
    assert (found.key, found.size) == ("a", 5)
    assert abs(datetime.now(UTC) - found.modified) < timedelta(minutes=1)


def test_storages_with_other_prefixes_are_apart(backend: Backend) -> None:
    """What is in one place is not seen in another of the same server."""
    backend.open().put("a", b"x")
    other = Backend(backend.name, f"{backend.url}-other", backend.options).open()
    assert listed(other) == set()
    with pytest.raises(ObjectMissing):
        other.size("a")


@pytest.mark.parametrize(
    "change", [{"secret_access_key": "another-secret-altogether"}, {"access_key_id": "AKIDNOBODYKNOWS"}]
)
def test_wrong_credentials_are_found_at_opening(s3_rclone: S3Server, change: Mapping[str, str]) -> None:
    """A server that refuses us is unavailable, and the message has no secret in it."""
    with pytest.raises(StorageUnavailable) as raised:
        open_storage(f"{s3_rclone.url}/x", durability="full", options={**s3_rclone.options, **change})
    assert "secret" not in str(raised.value)


def test_wrong_credentials_make_every_call_fail(s3_rclone: S3Server) -> None:
    """Being refused is never taken for absence, by no call."""
    options = {**s3_rclone.options, "secret_access_key": "another-secret-altogether", "capabilities": ""}
    storage = open_storage(f"{s3_rclone.url}/x", durability="full", options=options)
    for call in (*ON_A_KEY.values(), ON_ANY_KEY["put"], ON_ANY_KEY["put_if_absent"], ON_ANY_KEY["delete"]):
        with pytest.raises(StorageUnavailable):
            call(storage, "a")
    with pytest.raises(StorageUnavailable):
        list(storage.list())
    for size in (1, 20 * MIB):
        with pytest.raises(StorageUnavailable), storage.writer("a") as writer:
            writer.write(bytes(size))


@pytest.mark.parametrize("server", ["s3_rclone", "s3_moto"])
def test_a_missing_bucket_is_no_missing_object(request: pytest.FixtureRequest, server: str) -> None:
    """A bucket that is not there is found at opening, and later where the server says so."""
    options = request.getfixturevalue(server).options
    with pytest.raises(StorageUnavailable):
        open_storage("s3://no-such-bucket", durability="full", options=options)
    storage = open_storage("s3://no-such-bucket", durability="full", options={**options, "capabilities": ""})
    for what in ("read", "stream", "put", "delete"):
        with pytest.raises(StorageUnavailable):
            ON_ANY_KEY[what](storage, "a")


def test_the_environment_does_not_move_the_storage(s3_rclone: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_ENDPOINT_URL is set for this registry's own clients; neither it nor a session token leads us elsewhere."""
    for name in ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "of-someone-else")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    storage = open_storage(f"{s3_rclone.url}/{uuid.uuid4().hex}", durability="full", options=s3_rclone.options)
    storage.put("a", b"x")
    assert listed(storage) == {"a"}


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    """In the environment: a proxy that does not answer."""
    url = f"http://127.0.0.1:{free_port()}"
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, url)
    return url


def test_the_proxies_of_the_environment_are_not_used(s3_moto: S3Server, dead_proxy: str) -> None:
    """Whatever it names; the option names one that is."""
    place = f"{s3_moto.url}/{uuid.uuid4().hex}"
    storage = open_storage(place, durability="full", options=s3_moto.options, patience=timedelta(seconds=5))
    storage.put("a", b"x")
    assert storage.read("a", limit=1) == b"x"
    options = {**s3_moto.options, "capabilities": "moto", "proxy": dead_proxy}
    through = open_storage(place, durability="full", options=options, patience=timedelta(seconds=0.5))
    with pytest.raises(StorageUnavailable):
        through.put("a", b"x")


def test_the_proxy_of_the_options_is_used(s3_moto: S3Server) -> None:
    """Asked for the whole address, as proxies are."""
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("etag", '"1"')
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        options = {**s3_moto.options, "capabilities": "moto", "proxy": f"http://127.0.0.1:{proxy.server_port}"}
        open_storage(f"{s3_moto.url}/x", durability="full", options=options).put("a", b"x")
        proxy.shutdown()
    assert asked == [f"{s3_moto.endpoint}/hullwise/x/a"]


def test_a_server_that_a_private_authority_certified(tmp_path: Path, dead_proxy: str) -> None:
    """Is trusted where the authority is named, and by nobody else."""
    authority, port = Authority(tmp_path), free_port()
    own = str(authority.certificate("127.0.0.1"))
    command = [tool("moto_server"), "-H", "127.0.0.1", "-p", str(port), "-s", "-c", own, "-k", own]
    options = {**server(port).options, "endpoint": f"https://127.0.0.1:{port}", "allow_http": "false"}
    with running(command, port, tmp_path / "log"):
        trust = ssl.create_default_context(cafile=authority.pem)
        plain = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
        plain.open(urllib.request.Request(f"{options['endpoint']}/hullwise", method="PUT")).close()
        storage = open_storage("s3://hullwise/x", durability="full", options=options, certificates=str(authority.pem))
        storage.put("a", b"x")
        assert storage.read("a", limit=1) == b"x"
        with pytest.raises(StorageUnavailable):
            open_storage("s3://hullwise/x", durability="full", options=options, patience=timedelta(seconds=1))


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_authorities_that_are_none_are_named(s3_moto: S3Server, tmp_path: Path, content: str | None) -> None:
    """At opening, with the setting and the file."""
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(StorageMisconfigured, match=f"outbound_certificates: {file}"):
        open_storage(f"{s3_moto.url}/x", durability="full", options=s3_moto.options, certificates=str(file))


def test_an_object_is_a_plain_file_of_a_folder(storage: ObjectStorage, backend: Backend) -> None:
    """On a folder the path can be opened and handed on; on a server there is none."""
    storage.put("a/b", b"data")
    path = storage.local_path("a/b")
    if not backend.name.startswith("folder"):
        assert path is None
        return
    assert path is not None
    assert path.read_bytes() == b"data"
