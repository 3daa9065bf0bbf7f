"""Bring the database to this version's schema."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hullwise.store.engine import Database
from hullwise.store.locks import Lock

if TYPE_CHECKING:
    import alembic.config

_VERSION = "hw_schema_version"

HEAD = "0011"
"""The revision of this version's schema: the last of the steps in `migrations`. Alembic, which knows it from them, is
imported where there is something to do: each command looks whether there is."""


class SchemaTooNew(Exception):
    def __init__(self, found: str) -> None:
        super().__init__(
            f"The database has schema {found}, which this version of Hullwise does not know. Use the newer version."
        )


def _config() -> alembic.config.Config:
    import alembic.config

    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def is_known(revision: str) -> bool:
    """Whether this version can bring a database of that revision to its own."""
    import alembic.script

    script = alembic.script.ScriptDirectory.from_config(_config())
    return revision in {step.revision for step in script.walk_revisions()}


def migrate(database: Database, lock_folder: Path) -> None:
    """Apply the steps that are missing; whoever else tries at the same moment waits. Raises SchemaTooNew, and
    LockLost: then none is applied."""
    # Even a look waits: while a new file becomes one with a log, SQLite says to others that it is locked.
    with alone(database, lock_folder) as lock:
        with database.read() as tx:
            found = current(tx)
        if found == HEAD:
            return
        if found is not None and not is_known(found):
            raise SchemaTooNew(found)
        with database.under(lock).write() as tx:
            upgrade(tx)


def upgrade(tx: sa.Connection, revision: str = "head") -> None:
    """Apply the steps up to this revision, by default all. Raises SchemaTooNew for one that is not known.

    The caller holds the lock that `migrate` takes."""
    import alembic.command

    if revision != "head" and not is_known(revision):
        raise SchemaTooNew(revision)
    config = _config()
    config.attributes["connection"] = tx
    alembic.command.upgrade(config, revision)


def alone(database: Database, lock_folder: Path) -> AbstractContextManager[Lock]:
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
