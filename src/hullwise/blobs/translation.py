"""From what obstore raises to our own errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from obstore.exceptions import AlreadyExistsError
from obstore.exceptions import BaseError as ObstoreError

from hullwise.blobs.errors import BlobStorageError, ObjectExists, ObjectMissing, StorageUnavailable


def _unavailable(what: str, error: Exception) -> BlobStorageError:
    # obstore adds a dump of its Rust values after the first line.
    return StorageUnavailable(f"{what}: {str(error).partition(chr(10))[0]}")


def _absent(what: str, error: Exception) -> BlobStorageError:
    # A missing bucket is no missing object, though S3 says 404 to both.
    if "NoSuchBucket" in str(error):
        return _unavailable(what, error)
    return ObjectMissing(what)


def _present(what: str, error: Exception) -> BlobStorageError:
    return ObjectExists(what)


def was_tried_again(error: StorageUnavailable) -> bool:
    """Whether the server failed or was out of reach, again and again, rather than refuse what it was asked."""
    # How obstore 0.12 words it; it says nothing of retries where there was none.
    return " retries, max_retries: " in str(error)


# The first row that fits counts.
_OUTCOMES: tuple[tuple[type[Exception], Callable[[str, Exception], BlobStorageError]], ...] = (
    (FileNotFoundError, _absent),
    (AlreadyExistsError, _present),
    (ObstoreError, _unavailable),
    (OSError, _unavailable),
)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Errors of the block become ours, keeping their cause; `what` is the key that it was about."""
    try:
        yield
    except tuple(known for known, _ in _OUTCOMES) as error:
        outcome = next(outcome for known, outcome in _OUTCOMES if isinstance(error, known))
        raise outcome(what, error) from error
