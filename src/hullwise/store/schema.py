"""Bring the database to this version's schema."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import alembic.command
import alembic.config
import alembic.script
import sqlalchemy as sa

from hullwise.store.engine import Database

_VERSION = "hw_schema_version"


class SchemaTooNew(Exception):
    def __init__(self, found: str) -> None:
        super().__init__(
            f"The database has schema {found}, which this version of Hullwise does not know. Use the newer version."
        )


def _config() -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _known(script: alembic.script.ScriptDirectory) -> set[str]:
    return {revision.revision for revision in script.walk_revisions()}


def migrate(database: Database, lock_folder: Path) -> None:
    """Apply the steps that are missing; whoever else tries at the same moment waits. Raises SchemaTooNew."""
    script = alembic.script.ScriptDirectory.from_config(_config())
    with alone(database, lock_folder), database.write() as tx:
        found = current(tx)
        if found is not None and found not in _known(script):
            raise SchemaTooNew(found)
        if found != script.get_current_head():
            upgrade(tx)


def upgrade(tx: sa.Connection, revision: str = "head") -> None:
    """Apply the steps up to this revision, by default all. Raises SchemaTooNew for one that is not known.

    The caller holds the lock that `migrate` takes."""
    config = _config()
    if revision != "head" and revision not in _known(alembic.script.ScriptDirectory.from_config(config)):
        raise SchemaTooNew(revision)
    config.attributes["connection"] = tx
    alembic.command.upgrade(config, revision)


def is_known(revision: str) -> bool:
    """Whether this version can bring a database of that revision to its own."""
    return revision in _known(alembic.script.ScriptDirectory.from_config(_config()))


def alone(database: Database, lock_folder: Path) -> AbstractContextManager[bool]:
    """Nobody else migrates meanwhile."""
    return database.exclusive("schema", lock_folder)


def tables(tx: sa.Connection) -> list[str]:
    """Our tables that are there, whatever their revision, without the one that says which."""
    return [name for name in sa.inspect(tx).get_table_names() if name.startswith("hw_") and name != _VERSION]


def drop(tx: sa.Connection) -> None:
    """Remove our tables and all that is in them."""
    found = sa.MetaData()
    found.reflect(tx, only=lambda name, _: name.startswith("hw_"))
    found.drop_all(tx)


def current(tx: sa.Connection) -> str | None:
    """The revision of the database's schema, or None where there is none yet."""
    if not sa.inspect(tx).has_table(_VERSION):
        return None
    revision: str | None = tx.execute(sa.select(sa.column("version_num")).select_from(sa.table(_VERSION))).scalar()
    return revision
