"""Whether a generation that came in a bundle is the one that its manifest promises."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from hullwise.advisories import derivation, matching
from hullwise.advisories.bundle.failures import BrokenBundle
from hullwise.advisories.bundle.files import writing
from hullwise.advisories.bundle.manifest import Manifest
from hullwise.advisories.generation import SCHEMA, Generation

_TABLES = "SELECT type, name, tbl_name, sql FROM sqlite_schema"


def check_tables(path: Path) -> None:
    """Raises BrokenBundle unless the file is a sound database with exactly the tables of a generation."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        wanted = set(db.execute(_TABLES))
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        db.execute("PRAGMA trusted_schema=OFF")
        if set(db.execute(_TABLES)) != wanted:
            raise BrokenBundle("the generation has other tables than one has")
        sound = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if sound != "ok":
            raise BrokenBundle(f"the generation is damaged: {sound}")


def check_stated(path: Path, manifest: Manifest) -> str:
    """The digest that the generation says it has. Raises BrokenBundle unless it and the manifest say the same."""
    with Generation(path) as generation:
        says = (generation.digest, generation.rules_version, generation.record_count)
        sources = generation.sources
    if says != (manifest.generation, manifest.rules_version, manifest.records):
        raise BrokenBundle(f"it holds generation {says[0]}, not {manifest.generation} as the manifest says")
    if sources != {source.name: source.body for source in manifest.sources}:
        raise BrokenBundle("the generation has other sources than the manifest says")
    return generation.digest


def derived(path: Path) -> str:
    """Make all that follows from the records anew. Returns the digest that comes of it."""
    with writing(path) as db:
        derivation.derive_all(db)
        return derivation.digest(db, matching.RULES_VERSION)


def check_digest(found: str, manifest: Manifest) -> None:
    """Raises BrokenBundle unless that is the digest of the manifest."""
    if found != manifest.generation:
        raise BrokenBundle(f"it gives generation {found}, not {manifest.generation} as the manifest says")
