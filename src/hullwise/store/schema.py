"""Bring the database to this version's schema."""

from __future__ import annotations

from pathlib import Path

import alembic.command
import alembic.config
import alembic.script
import sqlalchemy as sa

from hullwise.store.engine import Database


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
    config = _config()
    script = alembic.script.ScriptDirectory.from_config(config)
    with database.exclusive("schema", lock_folder), database.write() as tx:
        found = current(tx)
        if found is not None and found not in _known(script):
            raise SchemaTooNew(found)
        if found == script.get_current_head():
            return
        config.attributes["connection"] = tx
        alembic.command.upgrade(config, "head")


def current(tx: sa.Connection) -> str | None:
    """The revision of the database's schema, or None where there is none yet."""
    if not sa.inspect(tx).has_table("hw_schema_version"):
        return None
    revision: str | None = tx.execute(sa.text("SELECT version_num FROM hw_schema_version")).scalar()
    return revision
