"""From received bytes to a verified blob.

    begin ──▶ append (one segment a request) … ──▶ complete: digest proven, then one transaction makes it visible
                                                └▶ cancel

Bytes are invisible until their digest is proven. An upload belongs to its repository and to the key that began it.
What others hold or change for too long raises Busy.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

import sqlalchemy as sa
import structlog

from hullwise import threads
from hullwise.blobs import keys
from hullwise.blobs.errors import BlobStorageError, ObjectMissing, StorageUnsynced
from hullwise.domain import digests
from hullwise.domain.errors import (
    BlobInUse,
    BlobTooLarge,
    BlobUnknown,
    BlobUploadUnknown,
    Busy,
    HullwiseError,
    RangeNotContiguous,
    RepositoryNotFound,
)
from hullwise.domain.limits import BLOB_BYTES
from hullwise.services import Services
from hullwise.store import garbage, images, layers, repositories, uploads
from hullwise.store.layers import Segment
from hullwise.store.repositories import Repository
from hullwise.store.uploads import Upload, UploadSegment

log = structlog.get_logger()

T = TypeVar("T")

PUSHING = timedelta(hours=1)
"""That bytes which no image needs are kept at least: the manifest of a push that is under way comes after them."""
_FEW_SEGMENTS = 16
_SMALL_UPLOAD = 64 << 20
_MOST_LOOKS = 4
"""At a blob's objects, for one request: again only where somebody put others in their place meanwhile."""


def leave_if_large(upload: Upload) -> None:
    """Its rows, and files that may have to go, take longer than the loop of requests may stand still."""
    if len(upload.segments) > _FEW_SEGMENTS or upload.received > _SMALL_UPLOAD:
        threads.waits()


class SegmentReceiver:
    """Hashes and stores one request's bytes as they come, in bounded memory. Used by one thread at a time."""

    def __init__(self, services: Services, *, lasting: bool = True) -> None:
        """`lasting`: what is finished survives a power loss, and its digest is known; else whoever completes the upload
        sees to both."""
        self._lasting = lasting
        # A random key: two requests for one upload never write to the same object.
        self._key = keys.segment(secrets.token_hex(16), 0)
        self._writer = services.blobs.writer(self._key, lasting=lasting)
        self._hash = digests.new_hash("sha256")
        self.size = 0
        """Bytes so far."""

    def write(self, *pieces: bytes | bytearray) -> None:
        for piece in pieces:
            self._hash.update(piece)
        self._writer.write(*pieces)
        self.size += sum(map(len, pieces))

    def finish(self) -> UploadSegment | None:
        """The stored segment; None for no bytes at all."""
        if self.size == 0:
            self._writer.abort()
            return None
        self._writer.finish()
        known = f"sha256:{self._hash.hexdigest()}" if self._lasting else ""
        return UploadSegment(Segment(self._key, self.size), known)

    def abort(self) -> None:
        """Nothing remains of it."""
        self._writer.abort()


def received(services: Services, pieces: Iterable[bytes]) -> UploadSegment | None:
    """The stored segment, as `SegmentReceiver.finish`; nothing remains of one that fails. Raises whatever `pieces`
    raises."""
    receiver = SegmentReceiver(services)
    try:
        for piece in pieces:
            receiver.write(piece)
        return receiver.finish()
    except BaseException:
        receiver.abort()
        raise


def begin(services: Services, repository: Repository, principal: str) -> str:
    """A new upload's id."""
    now = services.clock()
    upload = Upload(secrets.token_hex(16), repository.id, principal, now, 0, (), now)

    def work(tx: sa.Connection) -> None:
        _hold(tx, repository)
        uploads.begin(tx, upload)

    services.database.run(work, lasting=False)
    return upload.id


def find(tx: sa.Connection, repository: Repository, principal: str, upload_id: str, *, lock: bool = False) -> Upload:
    """Raises BlobUploadUnknown, also for an upload of another repository or of another key."""
    upload = uploads.find(tx, upload_id, lock=lock)
    if upload is None or upload.repository_id != repository.id or upload.principal != principal:
        raise BlobUploadUnknown(upload_id)
    return upload


def append(
    services: Services,
    repository: Repository,
    principal: str,
    upload_id: str,
    part: UploadSegment | None,
    start: int | None = None,
) -> Upload:
    """Add a received segment. `start`, where the client states it, must be where the upload ends now.

    Raises BlobUploadUnknown, RangeNotContiguous or BlobTooLarge; the segment's bytes are then given back.
    """

    def work(tx: sa.Connection) -> Upload:
        upload = find(tx, repository, principal, upload_id, lock=True)
        leave_if_large(upload)
        _check_part(tx, upload, part, start)
        return upload if part is None else uploads.append(tx, upload, part, services.clock())

    with _given_back(services, part):
        return services.database.run(work, lasting=False)


@contextmanager
def _given_back(services: Services, part: UploadSegment | None) -> Iterator[None]:
    """Where the block refuses, the segment's bytes are nobody's. After any other failure the transaction may have
    committed all the same, a connection that broke say: garbage collection finds out."""
    try:
        yield
    except HullwiseError:
        if part is not None:
            discard(services, [part.segment])
        raise


def _check_part(tx: sa.Connection, upload: Upload, part: UploadSegment | None, start: int | None) -> None:
    """Raises RangeNotContiguous and BlobTooLarge. Once it returns, the transaction may name the segment."""
    _check_place(upload, part, start)
    if part is not None and not garbage.claim(tx, part.segment.object_key):
        # Collected while it waited to be named: it took longer than bytes are kept that nothing names.
        raise RangeNotContiguous(upload.received, str(start))


def _check_place(upload: Upload, part: UploadSegment | None, start: int | None) -> None:
    """Raises RangeNotContiguous and BlobTooLarge."""
    if start is not None and start != upload.received:
        raise RangeNotContiguous(upload.received, str(start))
    if part is not None and upload.received + part.segment.size > BLOB_BYTES:
        raise BlobTooLarge(BLOB_BYTES)


def store(services: Services, repository: Repository, part: UploadSegment | None, digest: str) -> layers.Blob:
    """A blob of one request: prove the digest of its bytes, and make it visible in the repository.

    Raises DigestMismatch, BlobTooLarge and RepositoryNotFound; the bytes are then given back.
    """
    now = services.clock()
    upload = Upload("", repository.id, "", now, 0, (), now)
    with _given_back(services, part):
        whole = upload if part is None else replace(upload, received=part.segment.size, segments=(part,))
        known = _known(whole, digests.algorithm(digest))
        if known is None:
            threads.waits()
        digests.verify(digest, known or _computed(services, whole, digest))

        def work(tx: sa.Connection, looks: _Looks) -> _Placed:
            _hold(tx, repository)
            _check_part(tx, upload, part, None)
            return _commit(tx, looks, repository, whole, digest)

        placed = _looking(services, work)
    return _settled(services, placed, whole)


def receive(services: Services, repository: Repository, digest: str, pieces: Iterable[bytes]) -> None:
    """The bytes are a blob of the repository; or nothing of them is left.

    Raises what `store` does, and whatever `pieces` raises."""
    store(services, repository, received(services, pieces), digest)


def finish(
    services: Services,
    repository: Repository,
    principal: str,
    upload_id: str,
    part: UploadSegment | None,
    digest: str,
    start: int | None = None,
) -> layers.Blob:
    """Prove the digest of the upload with the last segment, if any, behind it, and make the blob visible in the
    repository. `start` as in `append`.

    Raises InvalidDigest, BlobUploadUnknown, RangeNotContiguous, BlobTooLarge or DigestMismatch: the upload is then as
    it was, and the segment's bytes are given back.
    """
    digests.check(digest)
    with _given_back(services, part):
        if part is not None and part.sha256 == digest:
            only = part

            def work(tx: sa.Connection, looks: _Looks) -> tuple[_Placed | None, Upload]:
                _hold(tx, repository)
                upload = find(tx, repository, principal, upload_id, lock=True)
                _check_part(tx, upload, only, start)
                if upload.segments:
                    threads.waits()
                    return None, upload
                whole = _with(upload, only)
                return _commit(tx, looks, repository, whole, digest), whole

            placed, whole = _looking(services, work)
            if placed is not None:
                return _settled(services, placed, whole)
        with services.database.read() as tx:
            upload = find(tx, repository, principal, upload_id)
        _check_place(upload, part, start)
        if not is_known(_with(upload, part), digest):
            threads.waits()
        prove(services, upload, digest, part)
        return place(services, repository, principal, upload, digest, part)


def _with(upload: Upload, part: UploadSegment | None) -> Upload:
    """As the upload would be with the segment behind its others."""
    if part is None:
        return upload
    return replace(upload, received=upload.received + part.segment.size, segments=(*upload.segments, part))


def complete(services: Services, repository: Repository, principal: str, upload_id: str, digest: str) -> layers.Blob:
    """Prove the digest and make the blob visible in the repository.

    Raises InvalidDigest, BlobUploadUnknown, or DigestMismatch, after which the upload is still there.
    """
    return finish(services, repository, principal, upload_id, None, digest)


def is_known(upload: Upload, digest: str) -> bool:
    """Whether `prove` reads no bytes."""
    return _known(upload, digests.algorithm(digest)) is not None


def prove(services: Services, upload: Upload, digest: str, last: UploadSegment | None = None) -> None:
    """The upload's bytes, with those of the last segment behind them, have the digest and survive a power loss. Raises
    DigestMismatch, and BlobUploadUnknown where bytes are gone."""
    whole = _with(upload, last)
    passing = [part.segment for part in whole.segments if not part.sha256]
    try:
        services.blobs.sync(segment.object_key for segment in passing)
        found = _known(whole, digests.algorithm(digest)) or _computed(services, whole, digest)
    except ObjectMissing as error:
        raise BlobUploadUnknown(upload.id) from error
    except StorageUnsynced:
        # What could not be written is still in memory, where the next sync would take it for written.
        _give_up(services, upload)
        if last is not None:
            discard(services, [last.segment])
        raise
    digests.verify(digest, found)


def _give_up(services: Services, upload: Upload) -> None:
    """Forget the upload and its bytes, unless they are a blob's by now: a client may have tried again beside this."""

    def work(tx: sa.Connection) -> bool:
        if uploads.find(tx, upload.id, lock=True) != upload:
            return False
        uploads.delete(tx, upload.id)
        return True

    if services.database.run(work):
        discard(services, [part.segment for part in upload.segments])


def place(
    services: Services,
    repository: Repository,
    principal: str,
    upload: Upload,
    digest: str,
    last: UploadSegment | None = None,
) -> layers.Blob:
    """Make what was proven visible in the repository; the upload is gone. Raises BlobUploadUnknown, and
    RangeNotContiguous where bytes came in between: what was proven is not what is there."""
    whole = _with(upload, last)

    def work(tx: sa.Connection, looks: _Looks) -> _Placed:
        _hold(tx, repository)
        locked = find(tx, repository, principal, upload.id, lock=True)
        leave_if_large(locked)
        if locked.segments != upload.segments:
            raise RangeNotContiguous(locked.received, str(upload.received))
        _check_part(tx, locked, last, upload.received)
        return _commit(tx, looks, repository, whole, digest)

    return _settled(services, _looking(services, work), whole)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A blob that is visible in the repository; the upload is gone."""

    blob: layers.Blob
    own: bool
    """Whether its bytes are the upload's; else those are nobody's."""
    anew: bool = False
    """Whether it was there before, and its bytes were not."""


def _settled(services: Services, placed: _Placed, upload: Upload) -> layers.Blob:
    """What is left to do once the transaction has committed."""
    if placed.anew:
        log.warning("blob stored anew: its bytes were gone", digest=placed.blob.digest)
    if not placed.own:
        discard(services, [part.segment for part in upload.segments])
    return placed.blob


def _commit(tx: sa.Connection, looks: _Looks, repository: Repository, upload: Upload, digest: str) -> _Placed:
    """Make the upload a blob of the repository, which the caller holds.

    Where the blob was there before, but not its bytes, these take their place: what was lost comes back by a push."""
    now = looks.services.clock()
    segments = tuple(part.segment for part in upload.segments)
    placed = _Placed(layers.Blob(digest, upload.received, segments), own=True)
    if not layers.commit(tx, digest, segments, now):
        found = layers.load(tx, digest)
        assert found is not None, "it is held"
        if looks.is_whole(found) or not garbage.replace_segments(tx, digest, found.segments, segments, now):
            placed = _Placed(found, own=False)
        else:
            placed = replace(placed, anew=True)
    layers.link(tx, repository.id, digest, now, now + kept(looks.services))
    if upload.id:
        uploads.delete(tx, upload.id)
    return placed


class _Unseen(Exception):
    """Whether the blob is whole has to be looked at, and the transaction begun anew."""

    def __init__(self, blob: layers.Blob) -> None:
        super().__init__(blob.digest)
        self.blob = blob


class _Looks:
    """Which blobs are whole, for transactions that must not ask a storage: it may be silent for a minute, and everybody
    waits who comes for what they hold."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._found: dict[layers.Blob, bool] = {}

    def is_whole(self, blob: layers.Blob) -> bool:
        """As `is_whole`, of a blob that the transaction holds. Raises _Unseen where just these segments were not looked
        at."""
        # A file beside SQLite's is looked at sooner than a transaction is begun again.
        near = self.services.database.is_sqlite and all(
            self.services.blobs.local_path(segment.object_key) is not None for segment in blob.segments
        )
        if near:
            return is_whole(self.services, blob)
        if blob not in self._found:
            raise _Unseen(blob)
        return self._found[blob]

    @property
    def number(self) -> int:
        return len(self._found)

    def look(self, blob: layers.Blob) -> None:
        self._found[blob] = is_whole(self.services, blob)


def _looking(services: Services, work: Callable[[sa.Connection, _Looks], T]) -> T:
    """Call `work` as `Database.run` does; again, from its start, once the storage was asked for what it wants to know.
    Raises Busy where the blob is another each time."""
    looks = _Looks(services)
    while True:
        try:
            return services.database.run(lambda tx: work(tx, looks))
        except _Unseen as unseen:
            if looks.number == _MOST_LOOKS:
                raise Busy from unseen
            looks.look(unseen.blob)


def is_whole(services: Services, blob: layers.Blob) -> bool:
    """Whether each of its objects is there, in its size; what the storage cannot say now counts as there."""
    if len(blob.segments) > _FEW_SEGMENTS:
        threads.waits()
    try:
        return all(services.blobs.size(segment.object_key) == segment.size for segment in blob.segments)
    except ObjectMissing:
        return False
    except BlobStorageError:
        return True


def cancel(services: Services, repository: Repository, principal: str, upload_id: str) -> None:
    """Forget the upload and its bytes. Raises BlobUploadUnknown."""

    def work(tx: sa.Connection) -> Upload:
        upload = find(tx, repository, principal, upload_id, lock=True)
        leave_if_large(upload)
        uploads.delete(tx, upload_id)
        return upload

    discard(services, [part.segment for part in services.database.run(work).segments])


def mount(services: Services, repository: Repository, source: Repository, digest: str) -> layers.Blob | None:
    """Make a blob of the source repository visible in this one; None where the source does not have it, or its bytes
    are gone."""
    now = services.clock()

    def work(tx: sa.Connection, looks: _Looks) -> layers.Blob | None:
        _hold(tx, repository)
        found = layers.find(tx, source.id, digest) if layers.hold(tx, digest) else None
        if found is None or not looks.is_whole(found):
            return None
        layers.link(tx, repository.id, digest, now, now + kept(services))
        return layers.find(tx, repository.id, digest)

    return _looking(services, work)


def grace(services: Services) -> timedelta:
    """How long deleted images may be restored."""
    return timedelta(hours=services.settings.grace_hours)


def kept(services: Services) -> timedelta:
    """How long bytes are kept that no image needs: until images may not be restored, and PUSHING at least."""
    return max(grace(services), PUSHING)


def keep(services: Services, repository: Repository, wanted: Iterable[str]) -> None:
    """Whoever was told that the repository has these blobs will not send them: they stay for another grace time.

    Written only where less than half of it is left.
    """
    now = services.clock()
    with services.database.read() as tx:
        due = layers.due_before(tx, repository.id, wanted, now + kept(services) / 2)
    if due:
        services.database.run(lambda tx: layers.postpone(tx, repository.id, due, now + kept(services)))


def unlink(services: Services, repository: Repository, digest: str) -> None:
    """The blob is gone from the repository, and its bytes once the grace time is over. Raises BlobUnknown, and
    BlobInUse while an image there needs it."""

    def work(tx: sa.Connection) -> None:
        _hold(tx, repository)
        if images.uses_of_blobs(tx, repository.id, [digest]):
            raise BlobInUse(digest)
        if not layers.unlink(tx, repository.id, digest):
            raise BlobUnknown(digest)
        # An image that was deleted before may come back within the grace time, and needs its bytes then.
        garbage.review_blob(tx, digest, services.clock() + kept(services))

    services.database.run(work)


def discard(services: Services, segments: list[Segment]) -> None:
    """Delete bytes that nothing refers to. What cannot be deleted now is left to garbage collection."""
    for segment in segments:
        try:
            services.blobs.delete(segment.object_key)
        except BlobStorageError as error:
            log.warning("segment kept", key=segment.object_key, why=str(error))


def _hold(tx: sa.Connection, repository: Repository) -> None:
    """It may have been deleted, and its name used again, since the request began."""
    if not repositories.lock(tx, repository.id):
        raise RepositoryNotFound(repository.name, repository.account)


def _known(upload: Upload, algorithm: str) -> str | None:
    """The digest of the upload's bytes, where it was taken as they came."""
    return (upload.segments[0].sha256 or None) if algorithm == "sha256" and len(upload.segments) == 1 else None


def _computed(services: Services, upload: Upload, digest: str) -> str:
    """The digest of the upload's bytes with the algorithm of this one, by reading them again."""
    algorithm = digests.algorithm(digest)
    running = digests.new_hash(algorithm)
    for part in upload.segments:
        for piece in services.blobs.stream(part.segment.object_key, chunk=1 << 20):
            running.update(piece)
    return f"{algorithm}:{running.hexdigest()}"
