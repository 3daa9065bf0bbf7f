"""Garbage collection, beside everything else that goes on.

    image deleted ── grace ──▶ purged: manifest ─┐
    blob pushed or mounted, ── grace ──▶ looked at: does an image of the repository need it?
    or its image deleted                         │ no
    repository deleted ──────────────────────────┴─▶ in no repository ──▶ its objects are condemned
    upload idle ─────────────────────────────────────────────────────────▶ likewise
    object that no row names, older than grace ──────────────────────────▶ likewise
    blob in many segments ── written again as one ── its old objects ────▶ likewise
    condemned ── a pause, for those who read it ──▶ deleted

Nothing is decided by a clock alone: each thing is looked at again in the transaction that takes it away, under the lock
that whoever would use it takes too. A condemned object's key is kept for a day, and no row can come to name it. The
first failure ends the run; the next one begins where it ended.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from typing import TypeVar

import msgspec
import sqlalchemy as sa
import structlog

from hullwise.blobs import keys
from hullwise.blobs.storage import StoredObject
from hullwise.domain import digests
from hullwise.jobs.queue import COLLECT
from hullwise.registry import uploads as upload_rules
from hullwise.services import Services
from hullwise.store import accounts, deletions, garbage, layers, repositories, uploads
from hullwise.store.clock import is_over
from hullwise.store.garbage import Link
from hullwise.store.layers import Segment

log = structlog.get_logger()

T = TypeVar("T")

BATCH = 200
READING = timedelta(hours=1)
"""How long a condemned object is left to those who are reading it."""
FORGET = timedelta(days=1)
_MOST_UNKNOWN = 0.5
_FEW = 100
_CLOCKS = timedelta(days=1)
"""How far the storage's clock may be from the one that the database is dated by."""


class TooMuchUnknown(Exception):
    """Objects of the storage that no row names are too many, or too old, to have been left behind here: this is another
    installation's storage, or the database is an old copy. Nothing was deleted."""

    def __init__(self, unknown: int, objects: int) -> None:
        super().__init__(
            f"{unknown} of {objects} objects are unknown to the database: is this its storage? Nothing was deleted"
        )


class Collected(msgspec.Struct, kw_only=True):
    """What was collected, or would be."""

    images: int = 0
    """Deleted images that can be restored no more."""
    manifests: int = 0
    links: int = 0
    """Blobs in repositories whose images do not need them."""
    blobs: int = 0
    bytes: int = 0
    """Of these blobs."""
    uploads: int = 0
    unknown: int = 0
    """Objects that nothing names."""
    compacted: int = 0
    """Blobs that lie in one object now."""
    objects: int = 0
    """Deleted from the storage."""


def request_due(services: Services) -> None:
    """Queue a collection where it is time for one: once, whoever else asks at the same moment."""
    minutes = services.settings.collect_minutes
    if not minutes:
        return
    now = services.clock()

    def due() -> bool:
        with services.database.read() as tx:
            latest = garbage.latest(tx)
        return latest is None or is_over(latest.requested_at, timedelta(minutes=minutes), now)

    if due():
        with services.database.exclusive("collection-request", services.settings.locks) as alone:
            if due():
                services.database.under(alone).run(lambda tx: services.jobs.put(tx, COLLECT, garbage.request(tx, now)))


def run(services: Services, collection_id: int) -> None:
    """The job of a collection that was queued. Where another one goes on, or a backup, it is left to the next."""
    failure = ""
    found = Collected()
    with services.database.exclusive(garbage.LOCK, services.settings.locks, wait=False) as held:
        if not held:
            failure = "another collection or a backup goes on"
        else:
            try:
                collect(services.under(held), found)
            except Exception as error:
                log.exception("garbage collection stopped")
                failure = f"{type(error).__name__}: {error}"
    summary = msgspec.json.encode(msgspec.structs.asdict(found) | {"failure": failure}).decode()
    services.database.run(lambda tx: garbage.end(tx, collection_id, summary, services.clock()))
    if found != Collected():
        log.info("garbage collected", **msgspec.structs.asdict(found))


def collect(
    services: Services,
    into: Collected | None = None,
    *,
    progress: Callable[[str], None] = lambda step: None,
    done: Callable[[], None] = lambda: None,
) -> Collected:
    """Take away all that is due. The caller holds `garbage.LOCK` of the store, and `services` is under it. Raises
    whatever failed, LockLost among it, after which the rest is as it was."""
    found = Collected() if into is None else into
    for name, step in STEPS:
        progress(name)
        step(services, found)
        done()
    return found


def _batches(services: Services, due: Callable[[sa.Connection], list[T]]) -> Iterator[list[T]]:
    """What is due, until nothing is: whoever takes a batch makes that it is due no more."""
    while True:
        with services.database.read() as tx:
            found = due(tx)
        if not found:
            return
        yield found


def _purge_deletions(services: Services, found: Collected) -> None:
    now = services.clock()
    for due in _batches(services, partial(deletions.due, now=now, limit=BATCH)):

        def purge(tx: sa.Connection, due: list[tuple[int, str]] = due) -> int:
            deletions.remove(tx, [deletion_id for deletion_id, _ in due])
            return sum(garbage.drop_manifest(tx, digest) for digest in sorted({digest for _, digest in due}))

        found.manifests += services.database.run(purge)
        found.images += len(due)


def _review_links(services: Services, found: Collected) -> None:
    now = services.clock()
    for due in _batches(services, partial(garbage.due_links, now=now, limit=BATCH)):
        for repository_id, links in groupby(sorted(due), key=itemgetter(0)):
            _review(services, found, repository_id, [link.digest for link in links], now)


def _review(services: Services, found: Collected, repository_id: int, names: list[str], now: datetime) -> None:
    def review(tx: sa.Connection) -> tuple[int, list[int]]:
        if not repositories.lock(tx, repository_id):
            return 0, []
        gone = garbage.review_links(tx, repository_id, names, now)
        sizes = [garbage.drop_blob(tx, digest, now) for digest in gone]
        return len(gone), [size for size in sizes if size is not None]

    links, sizes = services.database.run(review)
    found.links += links
    found.blobs += len(sizes)
    found.bytes += sum(sizes)


def _review_contents(services: Services, found: Collected) -> None:
    now = services.clock()
    for due in _batches(services, partial(garbage.due_contents, now=now, limit=BATCH)):

        def review(tx: sa.Connection, due: list[tuple[garbage.Kind, str]] = due) -> tuple[list[int], int]:
            sizes, manifests = [], 0
            for kind, digest in sorted(due):
                if kind == "manifest":
                    manifests += garbage.drop_manifest(tx, digest)
                elif (size := garbage.drop_blob(tx, digest, now)) is not None:
                    sizes.append(size)
                garbage.reviewed(tx, kind, digest)
            return sizes, manifests

        sizes, manifests = services.database.run(review)
        found.blobs += len(sizes)
        found.bytes += sum(sizes)
        found.manifests += manifests


def _forget_uploads(services: Services, found: Collected) -> None:
    now = services.clock()
    before = now - timedelta(hours=services.settings.upload_hours)
    for idle in _batches(services, partial(uploads.idle, before=before, limit=BATCH)):
        for upload_id in idle:
            found.uploads += services.database.run(partial(_forget, upload_id=upload_id, before=before, now=now))


def _forget(tx: sa.Connection, upload_id: str, before: datetime, now: datetime) -> int:
    known = uploads.find(tx, upload_id)
    if known is None or not repositories.lock(tx, known.repository_id):
        return 0
    upload = uploads.find(tx, upload_id, lock=True)
    if upload is None or upload.active_at > before:
        return 0
    garbage.condemn(tx, [part.segment.object_key for part in upload.segments], now)
    uploads.delete(tx, upload_id)
    return 1


def _old_objects(services: Services) -> Iterator[StoredObject]:
    """Objects that are older than bytes are kept that nothing names. The storage's clock is not ours: it is the one
    that its objects are dated by."""
    before = services.clock() - upload_rules.kept(services)
    return (each for each in services.blobs.list("segments") if each.modified <= before)


def _batched(objects: Iterator[StoredObject]) -> Iterator[dict[str, datetime]]:
    """Keys, and when each was written."""
    while batch := {each.key: each.modified for each in islice(objects, BATCH)}:
        yield batch


def count_unknown(services: Services) -> int:
    """How many objects no row names. Raises TooMuchUnknown."""
    objects = unknown = 0
    foreign = False
    with services.database.read() as tx:
        since = accounts.first_made(tx)
    for batch in _batched(_old_objects(services)):
        with services.database.read() as tx:
            found = garbage.unknown(tx, list(batch))
        foreign = foreign or any(since is None or batch[key] < since - _CLOCKS for key in found)
        unknown += len(found)
        objects += len(batch)
    # Few may be: what was killed, in a registry with little else.
    mostly = unknown > objects * _MOST_UNKNOWN and (objects > _FEW or _is_anothers(services))
    if foreign or mostly:
        raise TooMuchUnknown(unknown, objects)
    return unknown


def _is_anothers(services: Services) -> bool:
    """Whether there are blobs, and the storage has no object that a row names, of whatever age."""
    with services.database.read() as tx:
        if not layers.page(tx, "", 1):
            return False
    for batch in _batched(services.blobs.list("segments")):
        with services.database.read() as tx:
            if len(garbage.unknown(tx, list(batch))) < len(batch):
                return False
    return True


def _condemn_unknown(services: Services, found: Collected) -> None:
    if count_unknown(services) == 0:
        return
    now = services.clock()
    for batch in _batched(_old_objects(services)):
        found.unknown += len(services.database.run(partial(garbage.condemn_unknown, keys=list(batch), now=now)))


def _compact(services: Services, found: Collected) -> None:
    after = ""
    while True:
        with services.database.read() as tx:
            many = garbage.in_many_segments(tx, after, BATCH)
        if not many:
            return
        for digest in many:
            found.compacted += _write_again(services, digest)
        after = many[-1]


def _write_again(services: Services, digest: str) -> bool:
    """Make one object of the blob's many. Returns False where it went meanwhile, or its bytes are not those of its
    digest, which `hullwise scrub` tells of."""
    with services.database.read() as tx:
        blob = layers.load(tx, digest)
    if blob is None:
        return False
    key = keys.segment(secrets.token_hex(16), 0)
    running = digests.new_hash(digests.algorithm(digest))
    writer = services.blobs.writer(key)
    try:
        for piece in services.read_blob(blob):
            running.update(piece)
            writer.write(piece)
    except BaseException:
        writer.abort()
        raise
    if f"{digests.algorithm(digest)}:{running.hexdigest()}" != digest:
        writer.abort()
        log.error("blob is damaged", digest=digest)
        return False
    writer.finish()
    segment = Segment(key, blob.size)
    done = services.database.run(
        lambda tx: garbage.replace_segments(tx, digest, blob.segments, [segment], services.clock())
    )
    if not done:
        services.blobs.delete(key)
    return done


def _delete_objects(services: Services, found: Collected) -> None:
    now = services.clock()
    before = now - READING
    for condemned in _batches(services, partial(garbage.to_delete, before=before, limit=BATCH)):
        for key in condemned:
            services.database.check()
            services.blobs.delete(key)
        services.database.run(partial(garbage.deleted, keys=condemned, now=now))
        found.objects += len(condemned)
    services.database.run(lambda tx: garbage.forget_deleted(tx, now - FORGET))


STEPS: tuple[tuple[str, Callable[[Services, Collected], None]], ...] = (
    ("uploads", _forget_uploads),
    ("deleted images", _purge_deletions),
    ("blobs of repositories", _review_links),
    ("blobs and manifests", _review_contents),
    ("unknown objects", _condemn_unknown),
    ("many segments", _compact),
    ("objects", _delete_objects),
)


def preview(services: Services) -> Collected:
    """What `collect` would take away now; nothing is changed. Raises TooMuchUnknown."""
    now, most = services.clock(), 1 << 40
    found = Collected()
    with services.database.read() as tx:
        found.uploads = len(uploads.idle(tx, now - timedelta(hours=services.settings.upload_hours), most))
        purged = deletions.due(tx, now, most)
        found.images = len(purged)
        found.manifests = garbage.count_droppable(tx, [deletion_id for deletion_id, _ in purged], now)
        links: list[Link] = []
        for repository_id, due in groupby(sorted(garbage.due_links(tx, now, most)), key=itemgetter(0)):
            names = [link.digest for link in due]
            links += [Link(repository_id, digest) for digest in garbage.unneeded_links(tx, repository_id, names, now)]
        found.links = len(links)
        found.blobs, found.bytes = garbage.count_unheld(tx, links, now)
        found.compacted = len(garbage.in_many_segments(tx, "", most))
        found.objects = len(garbage.to_delete(tx, now - READING, most))
    found.unknown = count_unknown(services)
    return found
