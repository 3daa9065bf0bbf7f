"""Why bytes could not be stored or read.

BlobStorageError
├── StorageMisconfigured   the settings name no storage: refused at start, nothing was tried
├── StorageForeign         what lies there belongs to another database
├── StorageUnavailable     the folder or the server failed or refused; the same call may succeed later
│   └── StorageUnsynced    what was written could not be made to last, and may be lost: write it again
├── InvalidKey             not a key, whatever is stored
├── ObjectMissing          nothing is stored under the key
├── ObjectExists           something is stored under the key already
└── ObjectTooLarge         more bytes than the caller is ready to hold
"""

from __future__ import annotations


class BlobStorageError(Exception):
    """Base of all that the storage raises."""


class StorageMisconfigured(BlobStorageError):
    def __init__(self, why: str) -> None:
        super().__init__(f"The blob storage is not configured rightly: {why}")


class StorageForeign(BlobStorageError):
    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} has none of the objects that the database names: HULLWISE_BLOBS_URL is another one than when "
            "they were stored, or all of them are gone"
        )


class StorageUnavailable(BlobStorageError):
    def __init__(self, what: str) -> None:
        super().__init__(f"The blob storage failed: {what}")


class StorageUnsynced(StorageUnavailable):
    pass


class InvalidKey(BlobStorageError):
    def __init__(self, key: str) -> None:
        super().__init__(f"Not a key of the blob storage: {key[:300]!r}")


class ObjectMissing(BlobStorageError):
    def __init__(self, key: str) -> None:
        super().__init__(f"Nothing is stored under {key}")
        self.key = key


class ObjectExists(BlobStorageError):
    def __init__(self, key: str) -> None:
        super().__init__(f"Something is stored under {key} already")
        self.key = key


class ObjectTooLarge(BlobStorageError):
    def __init__(self, key: str, size: int, limit: int) -> None:
        super().__init__(f"{key} has {size} bytes, more than the {limit} that are read at once")
        self.key = key
        self.size = size
        self.limit = limit
