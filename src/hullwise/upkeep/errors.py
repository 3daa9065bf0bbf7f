"""Why a backup is not made, or not restored, or the storage not read.

UpkeepError
├── NoBackup               the folder holds none
├── BrokenBackup           it is cut off, changed, or not as its manifest says
│   └── DamagedContents    and it is objects alone: all else can be restored
├── BackupTooNew           made by a later version
├── ForeignFolder          something else lies there, or another installation's backup
├── FolderInUse            another backup is being made there
├── WrongSecret            the secret at hand is not the one that the backup was made with
├── NotEmpty               the installation to restore into holds something
└── StorageSilent          one object after the other cannot be read: it is the storage that fails
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_NAMED = 3


class UpkeepError(Exception):
    """Base of all of them."""


class NoBackup(UpkeepError):
    def __init__(self, folder: Path) -> None:
        super().__init__(f"There is no backup in {folder}: it has no manifest.json")


class BrokenBackup(UpkeepError):
    def __init__(self, why: str) -> None:
        super().__init__(f"The backup is broken: {why}")


class DamagedContents(BrokenBackup):
    def __init__(self, names: Sequence[str], why: str) -> None:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        super().__init__(f"{', '.join(names[:_NAMED])}{more}: {why}. --skip-damaged restores everything else")


class BackupTooNew(UpkeepError):
    def __init__(self, what: str) -> None:
        super().__init__(f"The backup has {what}, which this version of Hullwise does not know. Use the newer version.")


class ForeignFolder(UpkeepError):
    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"{folder} {why}. Name another folder.")


class FolderInUse(UpkeepError):
    def __init__(self, folder: Path) -> None:
        super().__init__(f"Another backup is being made in {folder}")


class WrongSecret(UpkeepError):
    def __init__(self, where: str) -> None:
        super().__init__(f"{where}, and the backup's access keys are sealed with another")


class NotEmpty(UpkeepError):
    def __init__(self, what: str) -> None:
        super().__init__(f"A backup is restored into an empty installation only; this one has {what}")


class StorageSilent(UpkeepError):
    def __init__(self, count: int, why: str) -> None:
        super().__init__(f"{count} objects in a row could not be read, so the storage itself must have failed: {why}")
