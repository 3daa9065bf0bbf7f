"""Files: whole or not there, continued where they broke."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hullwise.remotes.errors import BeingFetched, Refused, TooLarge, Truncated, WrongChecksum
from hullwise.remotes.remote import Fetched, Remote, Unchanged
from hullwise.remotes.rules import OutboundRules
from hullwise.remotes.sinks import PartialFile
from hullwise.remotes.validators import Validators
from tests.unit.remotes.server import QUICK, Asked, Document, Server, answer

MIB = 1 << 20
DATA = random.Random(1).randbytes(100_000)
OTHER = random.Random(2).randbytes(90_000)
SUNDAY = "Sun, 05 Jul 2026 08:00:00 GMT"
RULES = OutboundRules(private=("127.0.0.1",))


@pytest.fixture
def once() -> Iterator[Remote]:
    """A remote that gives up after the first failure, as if the process had ended there."""
    with Remote(RULES, timeouts=QUICK, attempts=1) as opened:
        yield opened


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def ranges(server: Server) -> list[str | None]:
    return [asked.headers.get("range") for asked in server.asked]


def test_a_file_is_fetched(server: Server, remote: Remote, tmp_path: Path) -> None:
    """The bytes, what the server says of them, and nothing else in the folder; progress runs to the whole."""
    server.replies("/db.gz", answer("200 OK", DATA, ETag='"one"', Last_Modified=SUNDAY))
    told: list[tuple[int, int | None]] = []
    path = tmp_path / "db.gz"
    checksum = hashlib.sha256(DATA).hexdigest()
    found = remote.fetch(
        server.url("/db.gz"), path, limit=len(DATA), sha256=checksum.upper(), progress=lambda *step: told.append(step)
    )
    assert found == Fetched(path, Validators('"one"', SUNDAY), len(DATA), checksum, datetime(2026, 7, 5, 8, tzinfo=UTC))
    assert path.read_bytes() == DATA
    assert names(tmp_path) == {"db.gz"}
    assert told[0] == (0, len(DATA)) and told[-1] == (len(DATA), len(DATA)) and told == sorted(told)


def test_an_unchanged_file_is_left_alone(server: Server, remote: Remote, tmp_path: Path) -> None:
    """The known state is asked about, whatever is or is not at the path."""
    server.answers["/"] = Document(DATA)
    (tmp_path / "db").write_bytes(b"mine")
    for name in ("db", "absent"):
        found = remote.fetch(server.url("/"), tmp_path / name, known=Validators('"one"'), limit=MIB)
        assert found == Unchanged(Validators('"one"'))
    assert names(tmp_path) == {"db"}
    assert (tmp_path / "db").read_bytes() == b"mine"


def test_a_changed_file_takes_the_place_of_the_old(server: Server, remote: Remote, tmp_path: Path) -> None:
    """Another state than the known one is fetched."""
    server.answers["/"] = Document(DATA, etag='"two"')
    (tmp_path / "db").write_bytes(b"old")
    found = remote.fetch(server.url("/"), tmp_path / "db", known=Validators('"one"'), limit=MIB)
    assert isinstance(found, Fetched)
    assert (tmp_path / "db").read_bytes() == DATA


def test_a_cut_download_continues(server: Server, remote: Remote, waits: list[float], tmp_path: Path) -> None:
    """Each attempt asks for what is missing, and only for the same state."""
    server.answers["/"] = Document(DATA, cuts=[30_000, 20_000])
    found = remote.fetch(server.url("/"), tmp_path / "db", limit=MIB)
    assert isinstance(found, Fetched) and found.sha256 == hashlib.sha256(DATA).hexdigest()
    assert (tmp_path / "db").read_bytes() == DATA
    assert ranges(server) == [None, "bytes=30000-", "bytes=50000-"]
    assert [asked.headers.get("if-range") for asked in server.asked] == [None, '"one"', '"one"']
    assert waits == [1, 2]


def test_the_next_call_continues(server: Server, once: Remote, tmp_path: Path) -> None:
    """What one call left is used by the next, the known state of an older file beside it."""
    server.answers["/"] = Document(DATA, cuts=[30_000])
    path = tmp_path / "db"
    path.write_bytes(b"old")
    known = Validators('"zero"')
    with pytest.raises(Truncated) as told:
        once.fetch(server.url("/"), path, known=known, limit=MIB)
    assert (told.value.received, told.value.expected) == (30_000, len(DATA))
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"db", "db.partial", "db.partial.json"}
    found = once.fetch(server.url("/"), path, known=known, limit=MIB)
    assert isinstance(found, Fetched) and found.validators == Validators('"one"')
    assert path.read_bytes() == DATA
    assert ranges(server) == [None, "bytes=30000-"]
    assert server.asked[1].headers["if-none-match"] == '"zero"'
    assert names(tmp_path) == {"db"}


def test_a_date_continues_where_there_is_no_tag(server: Server, once: Remote, tmp_path: Path) -> None:
    """What the first answer said of the document is kept, as a 206 need not repeat it (RFC 9110, 15.3.7)."""
    first = answer("200 OK", b"0123456789", Last_Modified=SUNDAY, Date="Sun, 05 Jul 2026 09:00:00 GMT")
    rest = answer("206 Partial Content", b"6789", Content_Range="bytes 6-9/10")
    server.replies("/", first[:-4], rest)
    with pytest.raises(Truncated):
        once.fetch(server.url("/"), tmp_path / "db", limit=100)
    found = once.fetch(server.url("/"), tmp_path / "db", limit=100)
    assert server.asked[1].headers["if-range"] == SUNDAY
    assert isinstance(found, Fetched) and found.validators == Validators("", SUNDAY)
    assert (tmp_path / "db").read_bytes() == b"0123456789"


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}, {"ETag": "bare"}])
def test_without_a_strong_validator_nothing_is_kept(
    server: Server, once: Remote, tmp_path: Path, headers: dict[str, str]
) -> None:
    """Two halves that may be of two documents are never joined."""
    server.replies("/", answer("200 OK", DATA, **headers)[:-10], answer("200 OK", DATA, **headers))
    with pytest.raises(Truncated):
        once.fetch(server.url("/"), tmp_path / "db", limit=MIB)
    assert names(tmp_path) == set()
    once.fetch(server.url("/"), tmp_path / "db", limit=MIB)
    assert ranges(server) == [None, None]


def left(server: Server, once: Remote, path: Path, count: int = 30_000) -> None:
    """A part of DATA is at the path, and the server is as if nobody had asked."""
    server.answers["/"] = Document(DATA, cuts=[count])
    with pytest.raises(Truncated):
        once.fetch(server.url("/"), path, limit=MIB)
    server.asked.clear()


def test_a_new_document_begins_anew(server: Server, once: Remote, tmp_path: Path) -> None:
    """The server answers 200 where the part is of another state."""
    left(server, once, tmp_path / "db")
    server.answers["/"] = Document(OTHER, etag='"two"')
    once.fetch(server.url("/"), tmp_path / "db", limit=MIB)
    assert (tmp_path / "db").read_bytes() == OTHER
    assert ranges(server) == ["bytes=30000-"]


@pytest.mark.parametrize(
    "odd",
    [
        answer("416 Range Not Satisfiable", Content_Range="bytes */10"),
        answer("206 Partial Content", DATA[20_000:], Content_Range=f"bytes 20000-{len(DATA) - 1}/{len(DATA)}"),
        answer("206 Partial Content", DATA[30_000:]),
        answer("206 Partial Content", DATA[30_000:], Content_Range="bytes 30000-1/9"),
        answer("206 Partial Content", OTHER[30_000:], Content_Range="bytes 30000-89999/90000", ETag='"two"'),
    ],
)
def test_a_part_that_does_not_fit_is_dropped(
    server: Server, remote: Remote, once: Remote, waits: list[float], tmp_path: Path, odd: bytes
) -> None:
    """416, other ranges, none, or another state: the whole is asked for at once, and that only once."""
    left(server, once, tmp_path / "db")
    server.replies("/", odd, answer("200 OK", DATA))
    remote.fetch(server.url("/"), tmp_path / "db", limit=MIB)
    assert (tmp_path / "db").read_bytes() == DATA
    assert (ranges(server), waits) == (["bytes=30000-", None], [])

    left(server, once, tmp_path / "db")
    server.replies("/", odd)
    with pytest.raises(Refused):
        remote.fetch(server.url("/"), tmp_path / "db", limit=MIB)
    assert ranges(server) == ["bytes=30000-", None]


def test_a_part_of_the_part_is_continued(server: Server, remote: Remote, once: Remote, tmp_path: Path) -> None:
    """A server may send less than was asked for (RFC 9110, 15.3.7); the rest is asked for."""
    left(server, once, tmp_path / "db")
    some = answer("206 Partial Content", DATA[30_000:40_000], Content_Range=f"bytes 30000-39999/{len(DATA)}")
    rest = answer("206 Partial Content", DATA[40_000:], Content_Range=f"bytes 40000-{len(DATA) - 1}/{len(DATA)}")
    server.replies("/", some, rest)
    remote.fetch(server.url("/"), tmp_path / "db", limit=MIB)
    assert (tmp_path / "db").read_bytes() == DATA


def test_a_part_belongs_to_its_url(server: Server, once: Remote, tmp_path: Path) -> None:
    """Another URL for the same path begins anew, and the note tells no URL."""
    left(server, once, tmp_path / "db")
    assert b"http" not in (tmp_path / "db.partial.json").read_bytes()
    server.answers["/other"] = Document(OTHER)
    once.fetch(server.url("/other"), tmp_path / "db", limit=MIB)
    assert (tmp_path / "db").read_bytes() == OTHER
    assert ranges(server) == [None]


@pytest.mark.parametrize("harm", ["bytes", "shorter", "note", "no note", "odd note", "nothing"])
def test_what_is_damaged_is_not_continued(server: Server, once: Remote, tmp_path: Path, harm: str) -> None:
    """The bytes that the note counts are hashed again; bytes past them are dropped."""
    left(server, once, tmp_path / "db")
    partial, note = tmp_path / "db.partial", tmp_path / "db.partial.json"
    match harm:
        case "bytes":
            partial.write_bytes(b"x" + partial.read_bytes()[1:])
        case "shorter":
            os.truncate(partial, 29_999)
        case "note":
            note.write_bytes(note.read_bytes()[:-5])
        case "no note":
            note.unlink()
        case "odd note":
            note.write_bytes(json.dumps(json.loads(note.read_bytes()) | {"held": -1}).encode())
        case _:
            partial.write_bytes(partial.read_bytes() + b"torn")
    once.fetch(server.url("/"), tmp_path / "db", limit=MIB)
    assert (tmp_path / "db").read_bytes() == DATA
    assert ranges(server) == ["bytes=30000-" if harm == "nothing" else None]


def test_a_wrong_checksum_leaves_nothing(server: Server, remote: Remote, tmp_path: Path) -> None:
    """The old file stays, and the bytes are gone."""
    server.answers["/"] = Document(DATA)
    (tmp_path / "db").write_bytes(b"old")
    with pytest.raises(WrongChecksum) as told:
        remote.fetch(server.url("/"), tmp_path / "db", limit=MIB, sha256="0" * 64)
    assert told.value.computed == hashlib.sha256(DATA).hexdigest()
    assert (names(tmp_path), len(server.asked)) == ({"db"}, 1)
    assert (tmp_path / "db").read_bytes() == b"old"


def test_joined_parts_with_a_wrong_checksum_are_fetched_as_a_whole(
    server: Server, remote: Remote, once: Remote, tmp_path: Path
) -> None:
    """A server that continues another document under the same tag is found out by the checksum."""
    left(server, once, tmp_path / "db")
    server.answers["/"] = Document(OTHER)
    found = remote.fetch(server.url("/"), tmp_path / "db", limit=MIB, sha256=hashlib.sha256(OTHER).hexdigest())
    assert isinstance(found, Fetched)
    assert (tmp_path / "db").read_bytes() == OTHER
    assert ranges(server) == ["bytes=30000-", None]


@pytest.mark.parametrize("announced", [True, False])
def test_too_large_a_file_leaves_nothing(server: Server, remote: Remote, tmp_path: Path, announced: bool) -> None:
    """Announced or not, and in what an earlier call left, the limit is that of the whole."""
    more = {} if announced else {"Content_Length": ""}
    server.replies("/", answer("200 OK", DATA, ETag='"one"', **more))
    with pytest.raises(TooLarge):
        remote.fetch(server.url("/"), tmp_path / "db", limit=len(DATA) - 1)
    assert (names(tmp_path), len(server.asked)) == (set(), 1)


def test_the_limit_counts_what_is_continued(server: Server, once: Remote, tmp_path: Path) -> None:
    """A part and the rest of it together are measured; a part past the limit is dropped before asking."""
    left(server, once, tmp_path / "db")
    with pytest.raises(TooLarge) as told:
        once.fetch(server.url("/"), tmp_path / "db", limit=50_000)
    assert (told.value.size, ranges(server), names(tmp_path)) == (len(DATA), ["bytes=30000-"], set())
    left(server, once, tmp_path / "db")
    with pytest.raises(TooLarge):
        once.fetch(server.url("/"), tmp_path / "db", limit=20_000)
    assert ranges(server) == [None]


def test_progress_makes_the_count_start_again(
    server: Server, remote: Remote, waits: list[float], tmp_path: Path
) -> None:
    """A line that breaks again and again, but after a megabyte each time, gets the file through in the end."""
    data = random.Random(3).randbytes(8 * MIB)
    server.answers["/"] = Document(data, cuts=[MIB] * 7)
    remote.fetch(server.url("/"), tmp_path / "db", limit=len(data))
    assert (tmp_path / "db").read_bytes() == data
    assert waits == [1] * 7


def test_what_progress_raises_ends_the_download(server: Server, remote: Remote, tmp_path: Path) -> None:
    """Whoever is told may stop it; the part is kept."""

    class Stop(Exception):
        pass

    def stop(size: int, whole: int | None) -> None:
        if size:
            raise Stop

    server.answers["/"] = Document(DATA)
    with pytest.raises(Stop):
        remote.fetch(server.url("/"), tmp_path / "db", limit=MIB, progress=stop)
    assert names(tmp_path) == {"db.partial", "db.partial.json"}


def test_one_at_a_time(server: Server, remote: Remote, tmp_path: Path) -> None:
    """Two never write one file; the second is told, and may come when the first is done."""
    server.answers["/"] = Document(DATA)
    with PartialFile(tmp_path / "db", "elsewhere"), pytest.raises(BeingFetched):
        remote.fetch(server.url("/"), tmp_path / "db", limit=MIB)
    assert server.asked == []
    assert isinstance(remote.fetch(server.url("/"), tmp_path / "db", limit=MIB), Fetched)


def test_who_comes_as_another_one_finishes_harms_nothing(tmp_path: Path) -> None:
    """A file opened as a part, and renamed before the lock was had, is not written to: it is the finished one."""
    path = tmp_path / "db"
    until = time.monotonic() + 1

    def one_after_another() -> None:
        while time.monotonic() < until:
            with suppress(BeingFetched), PartialFile(path, "somewhere") as partial:
                partial.write(b"whole")
                partial.finish()

    writers = [threading.Thread(target=one_after_another) for _ in range(4)]
    for writer in writers:
        writer.start()
    seen = set()
    while time.monotonic() < until:
        with suppress(FileNotFoundError):
            seen.add(path.read_bytes())
    for writer in writers:
        writer.join()
    assert seen == {b"whole"}


def test_a_missing_folder_is_the_systems_error(server: Server, remote: Remote, tmp_path: Path) -> None:
    """Folders are not made, and nothing is asked."""
    with pytest.raises(FileNotFoundError):
        remote.fetch(server.url("/"), tmp_path / "no" / "db", limit=MIB)
    assert server.asked == []


KILLED = """
import sys
from pathlib import Path
from hullwise.remotes.remote import Remote
from hullwise.remotes.rules import OutboundRules
with Remote(OutboundRules(private=("127.0.0.1",))) as remote:
    remote.fetch(sys.argv[1], Path(sys.argv[2]), limit=1 << 30)
"""


def test_a_killed_process_leaves_a_part_only(server: Server, once: Remote, tmp_path: Path) -> None:
    """SIGKILL on the way: the old file stands, and the next call continues from what the note counts."""
    data = random.Random(4).randbytes(24 * MIB)
    whole, gone = Document(data), threading.Event()

    def stalling(asked: Asked) -> Iterator[bytes]:
        said = whole(asked)
        yield said[: len(said) - 5 * MIB]
        if asked is server.asked[0]:
            gone.wait(60)
        yield said[len(said) - 5 * MIB :]

    server.answers["/"] = stalling
    path = tmp_path / "db"
    path.write_bytes(b"old")
    child = subprocess.Popen([sys.executable, "-c", KILLED, server.url("/"), str(path)])
    partial = tmp_path / "db.partial"
    until = time.monotonic() + 90
    while not (partial.exists() and partial.stat().st_size >= 18 * MIB):
        assert time.monotonic() < until and child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    gone.set()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"db", "db.partial", "db.partial.json"}
    once.fetch(server.url("/"), path, limit=len(data))
    assert path.read_bytes() == data
    start = int(str(ranges(server)[1]).removeprefix("bytes=").removesuffix("-"))
    assert 8 * MIB <= start <= 19 * MIB
    assert names(tmp_path) == {"db"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000), max_size=3), st.booleans())
def test_wherever_it_is_cut_the_file_is_whole(
    server: Server, remote: Remote, tmp_path: Path, data: bytes, cuts: list[int], strong: bool
) -> None:
    """Up to three cuts anywhere, with or without a tag to continue by, end in the same bytes."""
    document = Document(data, etag='"s"' if strong else 'W/"w"', cuts=[min(cut, len(data)) for cut in cuts])
    server.answers["/"] = document
    path = tmp_path / "db"
    path.unlink(missing_ok=True)
    found = remote.fetch(server.url("/"), path, limit=2000)
    assert isinstance(found, Fetched)
    assert path.read_bytes() == data
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert names(tmp_path) == {"db"}
