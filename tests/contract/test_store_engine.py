"""Transactions and locks, on both engines."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from hullwise import threads
from hullwise.store import accounts, repositories
from hullwise.store.engine import (
    Database,
    DatabaseTooOld,
    Prepared,
    among,
    check_sqlite,
    insert_missing,
    is_outage,
    serialise,
)
from hullwise.store.locks import LockLost
from hullwise.store.tables import accounts as accounts_table
from hullwise.store.tables import repositories as repositories_table
from tests.support import registry as support
from tests.support.postgres import cut, new_database
from tests.support.rows import ACCOUNT, NOON, repository
from tests.support.shortage import no_file_to_open

ROOT = Path(__file__).parents[2]


def account_rows(*ids: str) -> list[dict[str, object]]:
    return [{"id": account, "created_at": 0} for account in ids]


def names(database: Database) -> set[str]:
    with database.read() as tx:
        return set(tx.execute(sa.select(accounts_table.c.id)).scalars())


@contextmanager
def holder(address: str, locks: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the lock from before the block until it is killed, or told to by the block's end."""
    command = [sys.executable, "-m", "tests.support.lock_holder", address, str(locks), name]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process


def test_a_write_transaction_commits_whole_or_not_at_all(database: Database) -> None:
    """What a block wrote is there after it, and nothing of a block that raised."""
    with database.write() as tx:
        accounts.ensure_account(tx, "1", NOON)
    with pytest.raises(ZeroDivisionError), database.write() as tx:
        accounts.ensure_account(tx, "2", NOON)
        raise ZeroDivisionError
    assert names(database) == {"1"}


def test_a_read_transaction_leaves_nothing_behind(database: Database) -> None:
    """A transaction for reading ends by rolling back."""
    with database.read() as tx:
        accounts.ensure_account(tx, "1", NOON)
    assert names(database) == set()


def test_reading_goes_on_beside_a_writer(database: Database) -> None:
    """While a transaction writes, others read what was committed before it."""
    with database.write() as tx:
        accounts.ensure_account(tx, "1", NOON)
        assert names(database) == set()
    assert names(database) == {"1"}


def test_each_reader_sees_its_own_moment(database: Database) -> None:
    """A transaction for reading sees what was committed before it began, however many there are and were."""
    for number in range(3):
        with database.read() as before:
            assert len(_accounts(before)) == number
            with database.write() as tx:
                accounts.ensure_account(tx, str(number), NOON)
            with database.read() as after:
                assert len(_accounts(before)) == number
                assert len(_accounts(after)) == number + 1


def test_a_reader_that_fails_leaves_the_next_one_alone(database: Database) -> None:
    """Whatever went wrong within a transaction for reading, the next one begins anew."""
    with pytest.raises(DBAPIError), database.read() as tx:
        accounts.ensure_account(tx, "1", NOON)
        tx.execute(sa.text("SELECT nothing FROM nowhere"))
    with database.write() as tx:
        accounts.ensure_account(tx, "2", NOON)
    assert names(database) == {"2"}


def test_what_goes_wrong_in_a_block_is_what_is_raised(tmp_path: Path) -> None:
    """Also where the connection is so broken that it cannot roll back; the next transaction has another."""
    database = Database(f"sqlite:///{tmp_path / 'broken.sqlite'}")
    with pytest.raises(ZeroDivisionError), database.write() as tx:
        tx.connection.driver_connection.close()  # type: ignore[union-attr]
        raise ZeroDivisionError
    with database.write() as tx:
        assert tx.execute(sa.text("SELECT 1")).scalar() == 1
    database.close()


def _accounts(tx: sa.Connection) -> list[str]:
    return list(tx.execute(sa.select(accounts_table.c.id)).scalars())


def test_a_prepared_statement_takes_lists_of_any_length(database: Database) -> None:
    """Both engines limit the parameters of a statement (SQLite to 32,766); a list is one."""
    statement = Prepared(sa.select(accounts_table.c.id).where(among(accounts_table.c.id, "ids")))
    with database.write() as tx:
        insert_missing(tx, accounts_table, account_rows("1", "2", "3"))
    with database.read() as tx:
        assert sorted(statement.rows(tx, ids=["1", "3", "4"])) == [("1",), ("3",)]
        assert statement.rows(tx, ids=[]) == []
        assert statement.value(tx, ids=[*map(str, range(3, 80_000))]) == "3"
        assert statement.row(tx, ids=["4"]) is None


def test_a_prepared_statement_writes_in_the_transaction(database: Database) -> None:
    """It tells how many rows it touched, and goes with its transaction, also where nothing else began it."""
    statement = Prepared(accounts_table.update().where(among(accounts_table.c.id, "ids")).values(created_at=5))
    with database.write() as tx:
        insert_missing(tx, accounts_table, account_rows("1", "2"))
    with database.engine.connect() as connection:
        assert statement.write(connection, ids=["1", "2", "3"]) == 2
    with database.read() as tx:
        assert set(tx.execute(sa.select(accounts_table.c.created_at)).scalars()) == {0}


def test_a_prepared_statement_fails_as_any_other(database: Database) -> None:
    """Its errors are SQLAlchemy's, which whoever tries again knows."""
    insert = Prepared(accounts_table.insert().values(id=sa.bindparam("account"), created_at=0))
    with pytest.raises(IntegrityError), database.write() as tx:
        insert.write(tx, account="1")
        insert.write(tx, account="1")
    assert names(database) == set()


def test_insert_missing_counts_what_it_inserted(database: Database) -> None:
    """Rows that are there, and repetitions among the rows given, are not counted."""
    with database.write() as tx:
        assert insert_missing(tx, accounts_table, []) == 0
        assert insert_missing(tx, accounts_table, account_rows("1", "2")) == 2
        assert insert_missing(tx, accounts_table, account_rows("2", "3", "3")) == 1
        assert insert_missing(tx, accounts_table, account_rows("1", "2", "3")) == 0


def test_insert_missing_takes_many_rows(database: Database) -> None:
    """More rows than one statement holds are all inserted and counted."""
    rows = account_rows(*map(str, range(1_203)))
    with database.write() as tx:
        insert_missing(tx, accounts_table, rows[700:900])
        assert insert_missing(tx, accounts_table, rows) == 1_003
    assert len(names(database)) == 1_203


def test_insert_missing_leaves_a_row_as_it_is(database: Database) -> None:
    """A row whose key is there already keeps its other columns."""
    with database.write() as tx:
        insert_missing(tx, accounts_table, [{"id": "1", "created_at": 5}])
        insert_missing(tx, accounts_table, [{"id": "1", "created_at": 7}])
        assert tx.execute(sa.select(accounts_table.c.created_at)).scalars().all() == [5]


def test_insert_missing_hides_no_other_violation(database: Database) -> None:
    """A row that refers to nothing is refused, not left out."""
    row = {
        "account_id": "nobody",
        "region": "r",
        "name": "n",
        "created_at": 0,
        "tag_mutability": "MUTABLE",
        "mutability_exclusions": "[]",
        "scan_on_push": 0,
        "encryption": "{}",
    }
    with pytest.raises(IntegrityError), database.write() as tx:
        insert_missing(tx, repositories_table, [row])


def test_two_who_insert_the_same_row_at_once(database: Database) -> None:
    """Of several transactions that insert one row at the same time exactly one counts it."""
    start = threading.Barrier(4)
    counted: list[int] = []

    def insert() -> None:
        start.wait()
        with database.write() as tx:
            counted.append(insert_missing(tx, accounts_table, account_rows("1")))

    threads = [threading.Thread(target=insert) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counted) == [0, 0, 0, 1]


def test_run_returns_and_commits(database: Database) -> None:
    """What the work returns is handed on once its transaction has committed."""
    assert database.run(lambda tx: insert_missing(tx, accounts_table, account_rows("1"))) == 1
    assert names(database) == {"1"}


def test_run_repeats_no_error_of_the_work(database: Database) -> None:
    """An error that asking again cannot mend is raised at once, and nothing is written."""
    calls = []

    def work(tx: sa.Connection) -> None:
        calls.append(1)
        accounts.ensure_account(tx, "1", NOON)
        tx.execute(accounts_table.insert().values(id="1", created_at=0))

    with pytest.raises(IntegrityError):
        database.run(work)
    assert (calls, names(database)) == ([1], set())


def test_run_repeats_what_a_deadlock_ended(database: Database) -> None:
    """Two works that hold each other's next row both end, and each has happened once."""
    with database.write() as tx:
        first, second = (repository(tx, name).id for name in ("one/app", "two/app"))
    both_hold_one = threading.Barrier(2)
    calls: list[int] = []
    failures: list[BaseException] = []

    def work(tx: sa.Connection, mine: int, other: int) -> None:
        calls.append(mine)
        repositories.set_labels(tx, mine, {f"held by {mine}": ""})
        assert repositories.lock(tx, mine)
        # SQLite lets one write at a time, so they never meet there; nor do they on PostgreSQL the second time.
        if not database.is_sqlite and calls.count(mine) == 1:
            both_hold_one.wait(60)
        assert repositories.lock(tx, other)
        repositories.set_labels(tx, other, {f"held by {mine}": ""})

    def run(mine: int, other: int) -> None:
        try:
            database.run(lambda tx: work(tx, mine, other))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(calls) == (2 if database.is_sqlite else 3)
    with database.read() as tx:
        for one in (first, second):
            assert set(repositories.labels(tx, one)) == {f"held by {first}", f"held by {second}"}


def test_serialised_transactions_follow_each_other(database: Database) -> None:
    """Transactions that ask for the same name do not run beside each other: each sees what the one before it wrote."""
    counters: list[int] = []

    def count() -> None:
        with database.write() as tx:
            serialise(tx, "counting")
            found = len(tx.execute(sa.select(accounts_table.c.id)).all())
            time.sleep(0.02)
            tx.execute(accounts_table.insert().values(id=str(found), created_at=0))
            counters.append(found)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters == [0, 1, 2, 3]


def test_an_exclusive_lock_admits_one_thread(database: Database, locks: Path) -> None:
    """Who does not wait is told that the lock is held; it is free again after the block, also one that raised."""
    with database.exclusive("a", locks) as held:
        assert held
        with database.exclusive("a", locks, wait=False) as again:
            assert not again
        with database.exclusive("b", locks, wait=False) as other:
            assert other
    with pytest.raises(ZeroDivisionError), database.exclusive("a", locks):
        raise ZeroDivisionError
    with database.exclusive("a", locks, wait=False) as free:
        assert free


def test_an_exclusive_lock_holds_between_processes(database: Database, address: str, locks: Path) -> None:
    """A lock that another process holds is not given, and is once that process lets go."""
    with holder(address, locks, "a") as process:
        with database.exclusive("a", locks, wait=False) as held:
            assert not held
        process.communicate(timeout=20)
    with database.exclusive("a", locks, wait=False) as held:
        assert held


def test_an_exclusive_lock_dies_with_its_process(database: Database, address: str, locks: Path) -> None:
    """Whoever waits gets the lock soon after the process that held it was killed, without any clean-up."""
    got = threading.Event()

    def wait() -> None:
        with database.exclusive("a", locks):
            got.set()

    with holder(address, locks, "a") as process:
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not got.wait(0.3)
        process.send_signal(signal.SIGKILL)
        assert got.wait(60)
        waiting.join()


@pytest.fixture
def on_postgresql(tmp_path: Path) -> Iterator[Database]:
    """A database with the schema, and one connection in its pool."""
    opened = Database(new_database(support.migrated_url()), pool_size=1)
    yield opened
    opened.close()


def cut_lock(database: Database, name: str) -> None:
    cut(database.url.render_as_string(hide_password=False), name)


def test_a_lock_that_is_lost_is_told(on_postgresql: Database, locks: Path) -> None:
    """PostgreSQL frees it with its session: whoever asks learns of it then and ever after. What the block came to
    stands, and the lock can be had again."""
    with on_postgresql.exclusive("a", locks) as lock:
        lock.check()
        cut_lock(on_postgresql, "a")
        for _ in range(2):
            with pytest.raises(LockLost, match="the lock a was lost"):
                lock.check()
    with on_postgresql.exclusive("a", locks, wait=False) as again:
        assert again
        again.check()


def test_a_lock_that_another_took_meanwhile_is_lost(on_postgresql: Database, locks: Path) -> None:
    """The other has it; letting go of what was lost takes nothing from them."""
    with contextlib.ExitStack() as stack:
        with on_postgresql.exclusive("a", locks) as lock:
            cut_lock(on_postgresql, "a")
            other = stack.enter_context(on_postgresql.exclusive("a", locks, wait=False))
            assert other
            with pytest.raises(LockLost):
                lock.check()
        other.check()


def test_what_a_block_raised_comes_through_though_its_lock_is_lost(on_postgresql: Database, locks: Path) -> None:
    """Letting go of the lock fails then, and hides nothing."""
    with pytest.raises(ZeroDivisionError), on_postgresql.exclusive("a", locks):
        cut_lock(on_postgresql, "a")
        raise ZeroDivisionError


def test_who_lost_a_lock_writes_nothing(on_postgresql: Database, locks: Path) -> None:
    """A transaction under two locks commits while both are held, and rolls back where either is lost."""
    database = on_postgresql
    with database.exclusive("a", locks) as outer, database.exclusive("b", locks) as inner:
        guarded = database.under(outer).under(inner)
        guarded.run(lambda tx: accounts.ensure_account(tx, "1", NOON))
        cut_lock(database, "a")
        with pytest.raises(LockLost, match="the lock a "):
            guarded.run(lambda tx: accounts.ensure_account(tx, "2", NOON))
        database.run(lambda tx: accounts.ensure_account(tx, "3", NOON))
    assert {"2"} == {"1", "2", "3"} - names(database)


def test_locks_take_no_connection_from_the_pool(on_postgresql: Database, locks: Path) -> None:
    """However many are held or were asked for, transactions go on."""
    with contextlib.ExitStack() as stack:
        for name in "abc":
            assert stack.enter_context(on_postgresql.exclusive(name, locks, wait=False))
            assert not stack.enter_context(on_postgresql.exclusive(name, locks, wait=False))
        with on_postgresql.read() as tx:
            held = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            # Those that were asked for in vain hold none.
            assert tx.execute(sa.text(held)).scalar() == 4


def test_a_lock_beside_sqlite_is_never_lost(tmp_path: Path, locks: Path) -> None:
    """A file's lock ends with its process alone."""
    database = Database(f"sqlite:///{tmp_path / 'one.sqlite'}")
    with database.exclusive("a", locks) as lock:
        lock.check()
        with database.under(lock).write() as tx:
            tx.execute(sa.text("SELECT 1"))
    database.close()


def test_repositories_are_locked_by_row(database: Database) -> None:
    """On PostgreSQL a locked repository stops those who lock it and nobody else; a row that is gone cannot be held."""
    with database.write() as tx:
        one, two = (repository(tx, name).id for name in ("one/app", "two/app"))
        assert repositories.lock(tx, one)
        assert not repositories.lock(tx, two + 1)
        found = repositories.find(tx, ACCOUNT, "eu-central-1", "one/app")
        assert found is not None and found.id == one
    if database.is_sqlite:
        return
    order: list[str] = []

    def lock_the_same() -> None:
        with database.write() as tx:
            repositories.lock(tx, one)
            order.append("the same")

    with database.write() as tx:
        repositories.lock(tx, one)
        waiting = threading.Thread(target=lock_the_same)
        waiting.start()
        with database.write() as beside:
            repositories.lock(beside, two)
            order.append("another")
        time.sleep(0.2)
        order.append("first")
    waiting.join(60)
    assert order == ["another", "first", "the same"]


@pytest.mark.parametrize("durability", ["full", "fast"])
def test_durability_is_what_the_engine_does(address: str, durability: str) -> None:
    """`full` waits for the disk with each commit, `fast` does not (PRAGMA synchronous; synchronous_commit)."""
    database = Database(address, "full" if durability == "full" else "fast")
    with database.read() as tx:
        if database.is_sqlite:
            assert tx.exec_driver_sql("PRAGMA synchronous").scalar() == (2 if durability == "full" else 1)
            assert tx.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert tx.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        else:
            found = tx.exec_driver_sql("SHOW synchronous_commit").scalar()
            assert found == ("on" if durability == "full" else "off")
    database.close()


def test_an_old_sqlite_is_refused_at_once() -> None:
    """A SQLite before 3.37 is named with what is needed; that version itself will do."""
    check_sqlite("3.37.0")
    with pytest.raises(DatabaseTooOld, match=r"SQLite is 3\.36\.0.*3\.37"):
        check_sqlite("3.36.0")


def test_a_call_in_the_loop_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    """One of the same process, or of another: it is made in a thread, which waits, and commits once."""
    address = f"sqlite:///{tmp_path / 'loop.sqlite'}"
    mine, others = Database(address), Database(address)
    with mine.write() as tx:
        tx.execute(sa.text("CREATE TABLE words (word TEXT)"))
    called: list[bool] = []

    def add(word: str) -> None:
        called.append(threads.hurries())
        with mine.write() as tx:
            tx.execute(sa.text("INSERT INTO words VALUES (:word)"), {"word": word})

    async def ask() -> None:
        pool = threads.Threads(2, here=True, sync=mine.settle)
        await pool.short(add, "at once")
        for database in (mine, others):
            with database.write():
                adding = asyncio.create_task(pool.short(add, "later"))
                await asyncio.sleep(0.05)
                assert not adding.done()
            await adding

    asyncio.run(ask())
    assert called == [True, True, False, True, False]
    with others.read() as tx:
        assert tx.execute(sa.text("SELECT word FROM words")).scalars().all() == ["at once", "later", "later"]
    mine.close()
    others.close()


def test_the_log_is_emptied_beside_calls_in_the_loop(tmp_path: Path) -> None:
    """Their commits leave that to `checkpoint`: after it the log begins anew, and does not grow without an end."""
    database = Database(f"sqlite:///{tmp_path / 'loop.sqlite'}")
    with database.write() as tx:
        tx.execute(sa.text("CREATE TABLE words (word TEXT)"))

    def add() -> None:
        with database.write() as tx:
            tx.execute(sa.text("INSERT INTO words VALUES (:word)"), {"word": "x" * 100_000})

    async def fill() -> int:
        pool = threads.Threads(1, here=True)
        for _ in range(100):
            await pool.short(add)
        return (tmp_path / "loop.sqlite-wal").stat().st_size

    first = asyncio.run(fill())
    assert first > 10_000_000
    database.checkpoint()
    assert asyncio.run(fill()) <= first * 1.1
    database.close()


def test_an_empty_transaction_in_the_loop_is_nothing_done(tmp_path: Path) -> None:
    """The next one of the same call, where somebody else writes, does not hold up the loop."""
    database = Database(f"sqlite:///{tmp_path / 'loop.sqlite'}")
    with database.write() as tx:
        tx.execute(sa.text("CREATE TABLE words (word TEXT)"))
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with database.write():
            held.set()
            assert go_on.wait(60)

    def add() -> None:
        if not held.is_set():
            with database.write():
                pass
            holder = threading.Thread(target=hold)
            holder.start()
            assert held.wait(60)
        with database.write() as tx:
            tx.execute(sa.text("INSERT INTO words VALUES ('one')"))

    async def ask() -> None:
        adding = asyncio.create_task(threads.Threads(2, here=True, sync=database.settle).short(add))
        await asyncio.sleep(0.05)
        assert not adding.done()
        go_on.set()
        await adding

    asyncio.run(ask())
    with database.read() as tx:
        assert tx.execute(sa.text("SELECT word FROM words")).scalars().all() == ["one"]
    database.close()


def test_the_log_stays_small_beside_a_steady_writer(tmp_path: Path) -> None:
    """It begins anew though somebody always writes."""
    database = Database(f"sqlite:///{tmp_path / 'loop.sqlite'}", "fast")
    with database.write() as tx:
        tx.execute(sa.text("CREATE TABLE words (word TEXT)"))
    ended = threading.Event()

    def add() -> None:
        with database.write() as tx:
            tx.execute(sa.text("INSERT INTO words VALUES (:word)"), {"word": "x" * 2_000})

    async def write() -> None:
        pool = threads.Threads(2, here=True)
        while not ended.is_set():
            await pool.short(add)
            await asyncio.sleep(0)

    writer = threading.Thread(target=asyncio.run, args=(write(),))
    writer.start()
    sizes = []
    for _ in range(12):
        time.sleep(0.2)
        database.checkpoint()
        sizes.append((tmp_path / "loop.sqlite-wal").stat().st_size)
    ended.set()
    writer.join()
    assert sizes[-1] <= 3 * max(sizes[:4]), sizes
    database.close()


def test_the_log_is_found_behind_a_link(tmp_path: Path) -> None:
    """SQLite has it beside the file that the link leads to."""
    (tmp_path / "real").mkdir()
    link = tmp_path / "loop.sqlite"
    link.symlink_to(tmp_path / "real" / "other.sqlite")
    database = Database(f"sqlite:///{link}")
    with database.write() as tx:
        tx.execute(sa.text("CREATE TABLE words (word TEXT)"))
    database.settle()
    database.close()


def test_what_is_committed_lasts_where_no_file_can_be_opened(tmp_path: Path) -> None:
    """The log was opened before; until then it is a shortage, which passes, and no sync that failed. Of a log that was
    made anew its own file is synced."""
    path = tmp_path / "loop.sqlite"
    database = Database(f"sqlite:///{path}")
    with database.write() as tx:
        tx.execute(sa.text("CREATE TABLE words (word TEXT)"))
    with no_file_to_open(), pytest.raises(OSError, match="open files") as raised:
        database.settle()
    assert threads.is_shortage(raised.value)
    database.settle()
    with no_file_to_open():
        database.settle()
    log = path.with_name("loop.sqlite-wal")
    log.rename(tmp_path / "before")
    log.write_bytes((tmp_path / "before").read_bytes())
    with no_file_to_open():
        database.settle()
    opened = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert (opened.count(log), opened.count(tmp_path / "before")) == (1, 1), "the other is SQLite's"
    database.close()


def test_what_is_an_outage(database: Database) -> None:
    """A database that is full, or gone in the middle of a transaction, is out; a statement that is wrong is not."""

    def failure(*statements: str) -> DBAPIError:
        with pytest.raises(DBAPIError) as raised, database.write() as tx:
            for statement in statements:
                tx.execute(sa.text(statement))
        return raised.value

    assert not is_outage(failure("SELECT nothing FROM nowhere"))
    assert not is_outage(ValueError())
    if database.is_sqlite:
        fill = "CREATE TABLE filled AS SELECT zeroblob(10000000) AS x"
        assert is_outage(failure("PRAGMA max_page_count = 1", fill))
    else:
        assert is_outage(failure("SELECT pg_terminate_backend(pg_backend_pid())"))
        assert not is_outage(failure("SET LOCAL statement_timeout = 10", "SELECT pg_sleep(10)"))
