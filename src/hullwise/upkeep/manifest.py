"""What a backup is, and what lies in its folder."""

# FOLDER/
#     manifest.json                  what the backup is: written last, in place of the one before
#     rows-3fa9c0…/                  of one moment, one file a table …
#         hw_images.jsonl.zst        … and in it a JSON list a row, by primary key, bytes as base64
#     objects/                       blobs and generation files, under the keys that they have in blob storage
#         segments/3f/a9/…
#         generations/…
#     secret.key, bundle.key         those that lie in the data folder
#     backup.lock                    held while a backup is made
#
# Objects never change under their key: backups that follow each other in one folder share them.

from __future__ import annotations

import hmac
import re
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from hullwise import durable, sealing
from hullwise.upkeep.errors import BackupTooNew, BrokenBackup, NoBackup

FORMAT = 1
NAME = "manifest.json"
OBJECTS = "objects"
LOCK = "backup.lock"
SECRET_FILE = "secret.key"  # noqa: S105 - a file's name
KEYS = (SECRET_FILE, "bundle.key")
"""Files of the data folder that nothing else can make again."""

_LIMIT = 64 << 20
_WORD = re.compile("[a-z][a-z0-9_]{0,62}")
_ROWS = re.compile("rows-[0-9a-f]{16}")

Kind = Literal["text", "number", "real", "bytes"]


class Column(msgspec.Struct, frozen=True):
    name: str
    kind: Kind


class Table(msgspec.Struct, frozen=True):
    name: str
    columns: tuple[Column, ...]
    """In the order of each row."""
    rows: int
    size: int
    """Bytes of the file."""
    sha256: str
    """Hex, of the file."""
    last_id: int | None
    """The last id that the engine gave, though its row may be gone; None: it gives none here."""

    def index(self, column: str) -> int:
        """The column's place in a row. Raises BrokenBackup where there is none."""
        for place, each in enumerate(self.columns):
            if each.name == column:
                return place
        raise BrokenBackup(f"{self.name} has no {column}")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    version: str
    """Of the Hullwise that made it, for people."""
    schema: str
    """Revision of the tables."""
    made_at: datetime
    """The moment of its rows."""
    folder: str
    """Where the rows lie."""
    tables: tuple[Table, ...]
    """In an order in which each row's references are there before it."""
    generations: tuple[str, ...]
    """Keys of the files of advisories."""
    objects: int
    """Objects that belong to it, generation files included."""
    bytes: int
    """Of these objects together."""
    lacking: tuple[str, ...]
    """Digests of blobs, and keys of generations, that were damaged or missing when it was made."""
    keys: tuple[str, ...]
    """Of KEYS, those that are in it."""
    fingerprint: str
    """What the installation's secret is known by."""
    signature: str = ""
    """Of all the above, with the installation's secret."""

    def table(self, name: str) -> Table:
        """Raises BrokenBackup where there is none."""
        for each in self.tables:
            if each.name == name:
                return each
        raise BrokenBackup(f"it has no {name}")


def known_by(secret: bytes) -> str:
    """Tells one installation's secret from another's, and nothing of it."""
    return sealing.derive(secret, "name of the secret").hex()


def _signature(manifest: Manifest, secret: bytes) -> str:
    plain = msgspec.json.encode(msgspec.structs.replace(manifest, signature=""))
    return hmac.new(sealing.derive(secret, "backup"), plain, "sha256").hexdigest()


def check(manifest: Manifest, secret: bytes) -> None:
    """Raises BrokenBackup unless it is as this secret signed it."""
    if not hmac.compare_digest(manifest.signature, _signature(manifest, secret)):
        raise BrokenBackup(f"{NAME} was changed")


def write(folder: Path, manifest: Manifest, secret: bytes) -> None:
    """Sign it and put it in place of the one before: from then on it is the backup."""
    signed = msgspec.structs.replace(manifest, signature=_signature(manifest, secret))
    partial = folder / f"{NAME}.partial"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(signed), indent=1) + b"\n")
    durable.put(partial, folder / NAME)


def read(folder: Path) -> Manifest:
    """The folder's backup, whose signature is still to be checked. Raises NoBackup, BrokenBackup and BackupTooNew."""
    try:
        with (folder / NAME).open("rb") as file:
            text = file.read(_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoBackup(folder) from error
    if len(text) > _LIMIT:
        raise BrokenBackup(f"{NAME} is too large")
    try:
        if (found := msgspec.json.decode(text, type=_Any).format) > FORMAT:
            raise BackupTooNew(f"format {found}")
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BrokenBackup(f"{NAME}: {error}") from error
    words = [word for table in manifest.tables for word in (table.name, *(column.name for column in table.columns))]
    if not all(map(_WORD.fullmatch, words)) or not _ROWS.fullmatch(manifest.folder) or {*manifest.keys} - {*KEYS}:
        raise BrokenBackup(f"{NAME} has a name that none of its files has")
    return manifest


class _Any(msgspec.Struct):
    format: int
