"""The schema: made once, whoever tries, and what `tables.py` says, on both engines."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from hullwise.store import assessments, images, repositories, schema
from hullwise.store.engine import Database
from hullwise.store.schema import SchemaTooNew
from hullwise.store.tables import accounts, metadata, repository_labels, vulnerabilities
from tests.support.rows import image, repository, scan


def test_an_empty_database_has_no_schema(empty_address: str) -> None:
    """Before the first migration there is no revision, and asking makes nothing."""
    database = Database(empty_address)
    with database.read() as tx:
        assert schema.current(tx) is None
        assert sa.inspect(tx).get_table_names() == []
    database.close()


def test_the_head_is_the_last_step(database: Database) -> None:
    """What is compared before Alembic is asked is what Alembic brings a database to."""
    with database.read() as tx:
        assert schema.current(tx) == schema.HEAD


def test_migrating_again_changes_nothing(database: Database, locks: Path) -> None:
    """A database with the schema keeps its rows and its revision."""
    with database.write() as tx:
        before = schema.current(tx)
        tx.execute(accounts.insert().values(id="1", created_at=0))
    schema.migrate(database, locks)
    with database.read() as tx:
        assert schema.current(tx) == before is not None
        assert tx.execute(sa.select(accounts.c.id)).scalars().all() == ["1"]


def test_many_who_migrate_at_once(empty_address: str, locks: Path) -> None:
    """Of those who start on an empty database at the same moment one makes the schema and none fails."""
    databases = [Database(empty_address, pool_size=2) for _ in range(4)]
    start = threading.Barrier(len(databases))
    failures: list[BaseException] = []

    def migrate(database: Database) -> None:
        try:
            start.wait()
            schema.migrate(database, locks)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with databases[0].read() as tx:
        assert failures == []
        assert schema.current(tx) is not None
        assert tx.execute(sa.text("SELECT count(*) FROM hw_schema_version")).scalar() == 1
    for database in databases:
        database.close()


def test_a_newer_schema_is_refused(database: Database, locks: Path) -> None:
    """A database of a later version is left alone, and the message names what was found."""
    with database.write() as tx:
        tx.execute(sa.text("UPDATE hw_schema_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match="9999"):
        schema.migrate(database, locks)
    with database.read() as tx:
        assert schema.current(tx) == "9999"


def test_migrations_make_the_tables_of_the_code(database: Database) -> None:
    """The steps together make exactly the tables, columns, keys and indexes that `tables.py` names."""

    def ours(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or (name or "") in metadata.tables

    with database.read() as tx:
        context = MigrationContext.configure(tx, opts={"include_name": ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []
        found = {name for name in sa.inspect(tx).get_table_names() if name.startswith("hw_")}
    assert found == {*metadata.tables, "hw_schema_version"}


def test_text_is_ordered_by_its_bytes(database: Database) -> None:
    """Every text column compares bytes: capitals before small letters, `-` before `.` before digits before `_`."""
    ordered = ["", "-", ".", "0", "10", "9", "A", "Z", "_", "a", "a-b", "a.b", "a0", "a_b", "ab", "z", "ä", "€", "😀"]
    with database.write() as tx:
        tx.execute(accounts.insert(), [{"id": text, "created_at": 0} for text in reversed(ordered)])
        assert tx.execute(sa.select(accounts.c.id).order_by(accounts.c.id)).scalars().all() == ordered
        above = sa.select(accounts.c.id).where(accounts.c.id > "a").order_by(accounts.c.id)
        assert tx.execute(above).scalars().all() == ordered[ordered.index("a") + 1 :]
        if not database.is_sqlite:
            # The database that the tests have may order by bytes anyhow: each column must say so itself.
            query = "SELECT table_name, column_name FROM information_schema.columns WHERE left(table_name, 3) = 'hw_'"
            odd = f"{query} AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
            assert tx.execute(sa.text(odd)).all() == []


def test_columns_take_values_of_their_type_only(database: Database) -> None:
    """Text where a number belongs is refused on both engines: SQLite's tables are strict."""
    with pytest.raises((IntegrityError, sa.exc.DataError)), database.write() as tx:
        tx.execute(sa.text("INSERT INTO hw_accounts (id, created_at) VALUES ('1', 'today')"))


def test_rows_refer_to_rows_that_are_there(database: Database) -> None:
    """A row that names a missing one is refused."""
    with pytest.raises(IntegrityError), database.write() as tx:
        tx.execute(repository_labels.insert().values(repository_id=1, key="k", value="v"))


def test_no_id_is_given_twice(database: Database) -> None:
    """A row made after the newest one was deleted has another id: jobs and page tokens outlive the rows they name."""
    with database.write() as tx:
        first = repository(tx)
        image_ids, scan_ids = [], []
        for _ in range(3):
            stored = image(tx, first.id)
            image_ids.append(stored.id)
            scan_ids.append(scan(tx, stored.id).id)
            images.delete(tx, stored.id)
        repositories.delete(tx, first.id)
        second = repository(tx)
        gone = assessments.new_vulnerability(tx, 1)
        tx.execute(vulnerabilities.delete())
        assert image_ids == sorted(set(image_ids))
        assert scan_ids == sorted(set(scan_ids))
        assert second.id > first.id
        assert assessments.new_vulnerability(tx, 1) > gone
