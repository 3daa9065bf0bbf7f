"""Alembic's entry: the connection is handed over by `hullwise.store.schema`."""

from __future__ import annotations

from typing import Any

from alembic import context

from hullwise.store.tables import metadata


def ours(name: str | None, kind: str, _parents: Any) -> bool:
    # The job library keeps its own tables in the same SQLite file.
    return kind != "table" or (name or "").startswith("hw_")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_name=ours,
    render_as_batch=True,
    version_table="hw_schema_version",
)
with context.begin_transaction():
    context.run_migrations()
