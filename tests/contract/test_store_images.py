"""Images, tags and their pages, on both engines."""

from __future__ import annotations

import threading

import pytest

from hullwise.domain.manifests import Descriptor
from hullwise.domain.names import ImageId
from hullwise.store import images, repositories
from hullwise.store.engine import Database
from hullwise.store.images import TagStatus
from tests.support.images import sha256
from tests.support.rows import NOON, image, later, repository

BYTES = ["1.0", "A", "Z.9", "_a", "a", "a-b", "a.b", "a1", "a_b", "b"]
"""Tags in the order of their bytes: `-`, `.`, digits, capitals, `_`, small letters (ASCII)."""
LEXICAL = ["1.0", "_a", "A", "a", "a-b", "a.b", "a1", "a_b", "b", "Z.9"]
"""In lexical order: capitals as small letters, and before them."""


def test_an_image_comes_back_as_it_was_put(database: Database) -> None:
    """Every field, the exact bytes of the manifest, and the parts in their order are read back."""
    config = Descriptor("config/type", sha256(b"config"), 6)
    layer = Descriptor("layer/type", sha256(b"layer"), 5)
    with database.write() as tx:
        one = repository(tx).id
        body = b'{"a": "\\u00e9"}\n '
        made = image(
            tx,
            one,
            body=body,
            size=16,
            config_digest=config.digest,
            subject_digest=sha256(b"subject"),
            artifact_media_type="some/type",
            scannable=False,
            # The same layer twice is two layers.
            blobs=(config, layer, layer),
        )
    with database.read() as tx:
        assert images.by_id(tx, made.id) == images.by_digest(tx, one, made.digest) == made
        assert images.body(tx, made.digest) == body
        assert images.blobs_of(tx, made.id) == [config, layer, layer]
    assert (made.size, made.config_digest, made.subject_digest) == (16, config.digest, sha256(b"subject"))
    assert (made.artifact_media_type, made.scannable, made.pushed_at) == ("some/type", False, NOON)
    assert made.last_pull_at is None


def test_the_same_manifest_again_stays_as_it_is(database: Database) -> None:
    """A second put of a digest in a repository gives the first one's image, and says that it is not new."""
    with database.write() as tx:
        one, two = repository(tx, "one/app").id, repository(tx, "two/app").id
        first = image(tx, one)
        again = image(tx, one, now=later(9), size=99)
        elsewhere = image(tx, two, now=later(9))
        assert again == first
        assert elsewhere.id != first.id
        assert elsewhere.pushed_at == later(9)
        assert images.by_digest(tx, two, first.digest) == elsewhere


def test_of_two_who_put_an_image_at_once_one_made_it(database: Database) -> None:
    """Pushes of one manifest beside each other give one image, and exactly one of them is told that it is new."""
    with database.write() as tx:
        one = repository(tx).id
    start = threading.Barrier(4)
    outcomes: list[tuple[int, bool]] = []
    parts = [Descriptor("t", sha256(bytes([at])), 1) for at in range(5)]

    def put() -> None:
        start.wait()
        with database.write() as tx:
            stored, new = images.put(
                tx,
                repository_id=one,
                digest=sha256(b"m"),
                body=b"m",
                media_type="t",
                artifact_media_type="",
                size=1,
                config_digest="",
                subject_digest="",
                scannable=True,
                blobs=parts,
                children=(),
                now=NOON,
            )
            outcomes.append((stored.id, new))

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({number for number, _ in outcomes}) == 1
    assert sorted(new for _, new in outcomes) == [False, False, False, True]
    with database.read() as tx:
        assert images.blobs_of(tx, outcomes[0][0]) == parts


def test_an_image_is_found_by_what_names_it(database: Database) -> None:
    """Digest, tag, or both where they agree; anything else names none, and neither does another repository's."""
    with database.write() as tx:
        one, two = repository(tx, "one/app").id, repository(tx, "two/app").id
        first, second = image(tx, one, "first"), image(tx, one, "second")
        images.tag(tx, one, "latest", first.id, NOON)
        cases = {
            ImageId(first.digest): first,
            ImageId(None, "latest"): first,
            ImageId(first.digest, "latest"): first,
            ImageId(second.digest, "latest"): None,
            ImageId(second.digest): second,
            ImageId(None, "other"): None,
            ImageId(sha256(b"none")): None,
            ImageId(): None,
        }
        assert {asked: images.find(tx, one, asked) for asked in cases} == cases
        assert [images.find(tx, two, asked) for asked in cases] == [None] * len(cases)


def test_a_tag_moves(database: Database) -> None:
    """A tag names one image at a time, and the one it named before keeps its others."""
    with database.write() as tx:
        one = repository(tx).id
        old, new = image(tx, one, "old"), image(tx, one, "new")
        for tag in ("latest", "v1"):
            images.tag(tx, one, tag, old.id, NOON)
        images.tag(tx, one, "latest", new.id, later(1))
        assert images.by_tag(tx, one, "latest") == new
        assert images.tags_of(tx, [old.id, new.id, 10**9]) == {old.id: ["v1"], new.id: ["latest"]}
        images.untag(tx, one, "latest")
        images.untag(tx, one, "never there")
        assert images.by_tag(tx, one, "latest") is None
        assert images.tags_of(tx, [old.id, new.id]) == {old.id: ["v1"]}


def test_tag_names_come_in_pages_in_lexical_order(database: Database) -> None:
    """Pages of any size, put together, are the repository's tags once each, in lexical order: case-insensitive,
    alphanumeric (distribution spec, "Listing Tags")."""
    with database.write() as tx:
        one, two = repository(tx, "one/app").id, repository(tx, "two/app").id
        stored = image(tx, one)
        for tag in reversed(BYTES):
            images.tag(tx, one, tag, stored.id, NOON)
        images.tag(tx, two, "a2", image(tx, two).id, NOON)
        assert images.tags_of(tx, [stored.id]) == {stored.id: BYTES}
    for size in (1, 3, 100):
        found: list[str] = []
        with database.read() as tx:
            while page := images.tag_names(tx, one, found[-1] if found else "", size):
                assert len(page) <= size
                found += page
        assert found == LEXICAL


def listed(database: Database, repository_id: int, size: int, status: TagStatus) -> list[tuple[int, str | None]]:
    """Every (image id, tag) of the pages put together."""
    found: list[tuple[int, str | None]] = []
    with database.read() as tx:
        after = (0, "")
        while page := images.tag_page(tx, repository_id, after, size, status):
            assert len(page) <= size
            found += [(number, tag) for number, _, tag in page]
            after = (page[-1][0], page[-1][2] or "")
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_image_ids_come_in_pages(database: Database, size: int) -> None:
    """One line for each tag and one for an image without any: by push, then by the bytes of the tag; none twice."""
    with database.write() as tx:
        one, two = repository(tx, "one/app").id, repository(tx, "two/app").id
        ids = [image(tx, one, name).id for name in ("first", "bare", "last")]
        image(tx, two, "bare")
        for tag in ("b", "A", "_"):
            images.tag(tx, one, tag, ids[0], NOON)
        images.tag(tx, one, "0", ids[2], NOON)
    tagged: list[tuple[int, str | None]] = [(ids[0], "A"), (ids[0], "_"), (ids[0], "b"), (ids[2], "0")]
    bare: list[tuple[int, str | None]] = [(ids[1], None)]
    assert listed(database, one, size, "ANY") == [*tagged[:3], *bare, *tagged[3:]]
    assert listed(database, one, size, "TAGGED") == tagged
    assert listed(database, one, size, "UNTAGGED") == bare


@pytest.mark.parametrize("size", [1, 2, 100])
def test_images_come_in_the_order_of_their_pushes(database: Database, size: int) -> None:
    """Pages put together are the repository's images once each, oldest first, whatever their digests."""
    with database.write() as tx:
        one = repository(tx, "one/app").id
        ids = [image(tx, one, str(number)).id for number in range(5)]
        image(tx, repository(tx, "two/app").id, "0")
    found: list[int] = []
    with database.read() as tx:
        while page := images.page(tx, one, found[-1] if found else 0, size):
            assert len(page) <= size
            found += [each.id for each in page]
    assert found == ids


def test_an_index_lists_its_children(database: Database) -> None:
    """A child knows the indexes of its own repository that list it; a child listed twice is listed."""
    child = sha256(b"child")
    with database.write() as tx:
        one, two = repository(tx, "one/app").id, repository(tx, "two/app").id
        image(tx, one, "child")
        first = image(tx, one, "index", children=[child, child])
        second = image(tx, one, "another index", children=[sha256(b"other"), child])
        image(tx, two, "index", children=[child])
        assert images.parents(tx, one, child) == [first.digest, second.digest]
        assert images.parents(tx, one, first.digest) == []
        images.delete(tx, first.id)
        assert images.parents(tx, one, child) == [second.digest]


def test_presence_is_by_repository(database: Database) -> None:
    """Sizes of those manifests that the repository has, of any number asked for."""
    with database.write() as tx:
        one, two = repository(tx, "one/app").id, repository(tx, "two/app").id
        here, there = image(tx, one, "here", size=5), image(tx, two, "there")
        asked = [here.digest, there.digest, *(sha256(str(number).encode()) for number in range(1_200))]
        assert images.present(tx, one, asked) == {here.digest: 5}
        assert images.present(tx, one, []) == {}


def test_a_deleted_image_takes_its_tags_with_it(database: Database) -> None:
    """The image, its tags and its parts go; the same manifest elsewhere stays whole."""
    part = Descriptor("t", sha256(b"part"), 4)
    with database.write() as tx:
        one, two = repository(tx, "one/app").id, repository(tx, "two/app").id
        gone, stays = image(tx, one, blobs=[part]), image(tx, two, blobs=[part])
        for repository_id, stored in ((one, gone), (two, stays)):
            images.tag(tx, repository_id, "latest", stored.id, NOON)
        images.delete(tx, gone.id)
        assert images.by_id(tx, gone.id) is None
        assert images.blobs_of(tx, gone.id) == []
        assert images.tag_names(tx, one, "", 10) == []
        assert not images.any_image(tx, one)
        assert images.by_tag(tx, two, "latest") == stays
        assert images.body(tx, stays.digest) == b"one"
        assert images.blobs_of(tx, stays.id) == [part]


def test_a_pull_is_noted(database: Database) -> None:
    """The last pull's moment is kept with the images that were pulled, and with no others, in whatever order pulls are
    written."""
    with database.write() as tx:
        one = repository(tx).id
        pulled, other = image(tx, one, "pulled"), image(tx, one, "other")
        images.record_pulls(tx, [(pulled.id, later(1))])
        images.record_pulls(tx, [(pulled.id, later(2)), (pulled.id + other.id, later(2))])
        images.record_pulls(tx, [(pulled.id, later(1))])
        found = [each.last_pull_at for each in images.page(tx, one, 0, 10)]
        assert found == [later(2), None]
        assert other.last_pull_at is None


def test_an_image_cannot_be_put_where_no_repository_is(database: Database) -> None:
    """A repository that was deleted meanwhile takes nothing."""
    from sqlalchemy.exc import IntegrityError

    with database.write() as tx:
        gone = repository(tx).id
        repositories.delete(tx, gone)
    with pytest.raises(IntegrityError), database.write() as tx:
        image(tx, gone)
