"""Uploads in progress and the blobs that they become, on both engines."""

from __future__ import annotations

import threading

from hullwise.store import layers, repositories, uploads
from hullwise.store.engine import Database
from hullwise.store.layers import Blob, Segment
from hullwise.store.uploads import Upload, UploadSegment
from tests.support.images import sha256
from tests.support.rows import NOON, later, repository

DIGEST = sha256(b"blob")


def part(number: int, size: int = 5) -> UploadSegment:
    return UploadSegment(Segment(f"segments/{number}", size), sha256(bytes([number])))


def test_segments_come_back_in_the_order_of_their_arrival(database: Database) -> None:
    """An upload knows who began it, where, when, its segments in order, and how many bytes they are together."""
    with database.write() as tx:
        begun = Upload("u", repository(tx).id, "AKIA", NOON, 0, (), NOON)
        uploads.begin(tx, begun)
        assert uploads.find(tx, "u") == begun
        grown = begun
        for number in (9, 3, 7):
            grown = uploads.append(tx, grown, part(number), NOON)
        assert grown.segments == (part(9), part(3), part(7))
        assert grown.received == 15
    with database.read() as tx:
        assert uploads.find(tx, "u") == grown
        assert uploads.find(tx, "other") is None


def test_an_upload_forgotten_takes_its_segments_with_it(database: Database) -> None:
    """A deleted upload is gone and others stay; deleting it again is no error."""
    with database.write() as tx:
        one = repository(tx).id
        for name in ("u", "v"):
            begun = Upload(name, one, "AKIA", NOON, 0, (), NOON)
            uploads.begin(tx, begun)
            uploads.append(tx, begun, part(1), NOON)
        uploads.delete(tx, "u")
        uploads.delete(tx, "u")
        assert uploads.find(tx, "u") is None
        found = uploads.find(tx, "v")
        assert found is not None and found.segments == (part(1),)


def test_parts_that_arrive_at_once_are_kept_one_after_the_other(database: Database) -> None:
    """Requests that add to one upload beside each other lose no segment and share no place."""
    with database.write() as tx:
        uploads.begin(tx, Upload("u", repository(tx).id, "AKIA", NOON, 0, (), NOON))
    start = threading.Barrier(6)

    def append(number: int) -> None:
        start.wait()
        with database.write() as tx:
            found = uploads.find(tx, "u", lock=True)
            assert found is not None
            uploads.append(tx, found, part(number, size=number), NOON)

    threads = [threading.Thread(target=append, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as tx:
        found = uploads.find(tx, "u")
    assert found is not None
    assert found.received == 1 + 2 + 3 + 4 + 5 + 6
    assert sorted(each.segment.size for each in found.segments) == [1, 2, 3, 4, 5, 6]


def test_a_blob_is_its_segments(database: Database) -> None:
    """A committed blob has the sum of its segments' bytes and their order; one of no bytes has no segment."""
    segments = [Segment("b", 5), Segment("a", 7)]
    with database.write() as tx:
        assert layers.load(tx, DIGEST) is None
        assert layers.commit(tx, DIGEST, segments, NOON)
        assert layers.load(tx, DIGEST) == Blob(DIGEST, 12, tuple(segments))
        assert layers.commit(tx, sha256(b""), [], NOON)
        assert layers.load(tx, sha256(b"")) == Blob(sha256(b""), 0, ())


def test_a_blob_is_committed_once(database: Database) -> None:
    """Who commits a digest that is there is told so, and the bytes that were there stay."""
    with database.write() as tx:
        layers.commit(tx, DIGEST, [Segment("first", 4)], NOON)
        assert not layers.commit(tx, DIGEST, [Segment("second", 4)], later(1))
        assert layers.load(tx, DIGEST) == Blob(DIGEST, 4, (Segment("first", 4),))


def test_of_two_who_commit_a_blob_at_once_one_does(database: Database) -> None:
    """However close they are, the blob has the segments of exactly one of them, the one who is told so."""
    start = threading.Barrier(4)
    outcomes: dict[str, bool] = {}

    def commit(name: str) -> None:
        start.wait()
        segments = [Segment(f"{name}-1", 2), Segment(f"{name}-2", 2)]
        outcomes[name] = database.run(lambda tx: layers.commit(tx, DIGEST, segments, NOON))

    threads = [threading.Thread(target=commit, args=(f"writer{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [name for name, won in outcomes.items() if won]
    with database.read() as tx:
        assert layers.load(tx, DIGEST) == Blob(DIGEST, 4, (Segment(f"{winner}-1", 2), Segment(f"{winner}-2", 2)))


def test_a_blob_is_seen_through_its_repositories_only(database: Database) -> None:
    """A repository sees a blob once it is linked there, and no more once the repository is gone; the bytes stay."""
    with database.write() as tx:
        one, two = repository(tx, "one/app").id, repository(tx, "two/app").id
        layers.commit(tx, DIGEST, [Segment("a", 4)], NOON)
        assert layers.find(tx, one, DIGEST) is None
        for _ in range(2):
            layers.link(tx, one, DIGEST, NOON, NOON)
        assert layers.find(tx, one, DIGEST) == Blob(DIGEST, 4, (Segment("a", 4),))
        assert layers.find(tx, two, DIGEST) is None
        asked = [DIGEST, *(sha256(str(number).encode()) for number in range(1_200))]
        assert layers.sizes(tx, one, asked) == {DIGEST: 4}
        assert layers.sizes(tx, two, asked) == {}
        repositories.delete(tx, one)
        again = repository(tx, "one/app").id
        assert layers.find(tx, again, DIGEST) is None
        assert layers.load(tx, DIGEST) is not None


def test_uploads_go_with_their_repository(database: Database) -> None:
    """Nobody can go on with an upload whose repository was deleted, though its name be used again."""
    with database.write() as tx:
        one = repository(tx).id
        begun = Upload("u", one, "AKIA", NOON, 0, (), NOON)
        uploads.begin(tx, begun)
        uploads.append(tx, begun, part(1), NOON)
        repositories.delete(tx, one)
        repository(tx)
        assert uploads.find(tx, "u") is None
