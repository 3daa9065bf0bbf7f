"""What the job engine promises, with real worker processes, on both engines."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hullwise.jobs import durable
from hullwise.jobs.durable import RESCUE_SECONDS, DurableQueue
from hullwise.store import schema
from hullwise.store.engine import Database
from tests.support.job_worker import BRIEF, FAILING, HELD, LOST, Diary
from tests.support.postgres import OwnServer, cut, new_database, own_server

ROOT = Path(__file__).parents[2]
SOON = 60.0
"""Seconds within which something that nothing holds up has happened, on a busy machine too."""


class Workers:
    """Worker processes over one database; those that still run are killed in the end."""

    def __init__(self, address: str, locks: Path, folder: Path) -> None:
        self.diary = Diary(folder / "diary")
        self._command = [sys.executable, "-m", "tests.support.job_worker", address, str(locks), str(self.diary.path)]
        self.log = folder / "workers.log"
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """A worker that takes jobs up."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
        self._running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", self.log.read_text()
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()

    def until(self, ready: Callable[[Diary], object], seconds: float = SOON) -> float:
        """Wait until `ready`; returns the seconds that it took."""
        begun = time.monotonic()
        while not ready(self.diary):
            assert time.monotonic() < begun + seconds, (self.diary.read(), self.log.read_text())
            time.sleep(0.02)
        return time.monotonic() - begun

    def close(self) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                self.kill(process)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def database(job_address: str) -> Iterator[Database]:
    opened = Database(job_address)
    yield opened
    opened.close()


@pytest.fixture
def workers(job_address: str, locks: Path, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(job_address, locks, tmp_path)
    yield made
    made.close()


@pytest.fixture
def queue(database: Database, workers: Workers) -> Iterator[DurableQueue]:
    with contextlib.closing(DurableQueue(database)) as opened:
        yield opened


def statuses(queue: DurableQueue) -> dict[str, str]:
    return {job.workflow_id: job.status for job in queue.client().list_workflows()}


def put(database: Database, queue: DurableQueue, job: str, *rows: int) -> None:
    with database.write() as tx:
        for row in rows:
            queue.put(tx, job, row)


def test_many_who_prepare_at_once(address: str, locks: Path) -> None:
    """The engine's tables are made once, whoever starts at the same moment; jobs that wait stay."""
    database = Database(address)
    failures: list[BaseException] = []

    def prepare() -> None:
        try:
            durable.prepare(database, locks)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with contextlib.closing(DurableQueue(database)) as queue:
        put(database, queue, BRIEF, 1)
        durable.prepare(database, locks)
        assert statuses(queue) == {f"{BRIEF}-1": "ENQUEUED"}
    database.close()


def test_a_job_exists_once_its_transaction_commits(database: Database, workers: Workers, queue: DurableQueue) -> None:
    """A job put in a transaction that rolled back never runs; one that committed runs once, however often put."""
    with pytest.raises(ZeroDivisionError), database.write() as tx:
        queue.put(tx, BRIEF, 1)
        raise ZeroDivisionError
    with database.write() as tx:
        queue.put(tx, BRIEF, 2)
        queue.put(tx, BRIEF, 2)
        assert statuses(queue) == {}
    put(database, queue, BRIEF, 2)
    workers.start()
    workers.until(lambda diary: 2 in diary.rows("ended"))
    put(database, queue, BRIEF, 2, 3)
    workers.until(lambda diary: 3 in diary.rows("ended"))
    assert workers.diary.rows("begun") == [2, 3]


def test_a_failing_job_stops_no_other(database: Database, workers: Workers, queue: DurableQueue) -> None:
    """A job that raises is called once and ends in error; those behind it run."""
    put(database, queue, FAILING, 1)
    put(database, queue, BRIEF, 2)
    worker = workers.start()
    workers.until(lambda diary: 2 in diary.rows("ended"))
    workers.until(lambda _: set(statuses(queue).values()) == {"ERROR", "SUCCESS"})
    assert workers.diary.rows("begun") == [1, 2]
    assert statuses(queue) == {f"{FAILING}-1": "ERROR", f"{BRIEF}-2": "SUCCESS"}
    assert worker.poll() is None


def test_what_a_worker_does_beside_its_jobs_stops_none(
    database: Database, workers: Workers, queue: DurableQueue
) -> None:
    """Whatever that raises: it is done again, and jobs go on."""
    workers.start()
    workers.until(lambda diary: len(Diary(diary.ticks).read()) >= 2)
    put(database, queue, BRIEF, 1)
    workers.until(lambda diary: diary.rows("ended") == [1])


def test_a_job_that_failed_is_put_again(database: Database, workers: Workers, queue: DurableQueue) -> None:
    """So is one that there is not. One that waits, runs or came to its end is not."""
    assert queue.put_again(FAILING, 1)
    assert not queue.put_again(FAILING, 1)
    put(database, queue, HELD, 2)
    workers.start()
    workers.until(lambda diary: diary.rows("begun") == [1, 2])
    workers.until(lambda _: statuses(queue)[f"{FAILING}-1"] == "ERROR")
    assert not queue.put_again(HELD, 2)
    assert queue.put_again(FAILING, 1)
    workers.diary.release.touch()
    workers.until(lambda diary: diary.rows("begun") == [1, 2, 1])
    workers.until(lambda _: statuses(queue) == {f"{FAILING}-1": "ERROR", f"{HELD}-2": "SUCCESS"})
    assert not queue.put_again(HELD, 2)


REFUSING = {
    "sqlite": (
        "CREATE TRIGGER refusing BEFORE UPDATE OF completed_at ON workflow_status WHEN NEW.completed_at IS NOT NULL "
        "BEGIN SELECT RAISE(ABORT, 'no room'); END",
        "DROP TRIGGER refusing",
    ),
    "postgresql": (
        "CREATE FUNCTION dbos.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION ''no room'' USING ERRCODE = ''io_error''; END'; "
        "CREATE TRIGGER refusing BEFORE UPDATE ON dbos.workflow_status FOR EACH ROW "
        "WHEN (NEW.completed_at IS NOT NULL) EXECUTE FUNCTION dbos.refuse()",
        "DROP TRIGGER refusing ON dbos.workflow_status",
    ),
}
"""What makes the database take the end of no job, and what lets it again."""


def test_a_job_whose_end_was_not_noted_is_begun_anew(
    database: Database, workers: Workers, queue: DurableQueue, engine: str
) -> None:
    """As where the disk is full: by the same process, within two rounds of RESCUE_SECONDS; and one that goes on is
    left alone."""
    refuse, allow = REFUSING[engine]
    with database.write() as tx:
        tx.execute(sa.text(refuse))
    put(database, queue, BRIEF, 1)
    worker = workers.start()
    workers.until(lambda _: "no room" in workers.log.read_text())
    assert workers.diary.rows("ended") == [1]
    with database.write() as tx:
        tx.execute(sa.text(allow))
    took = workers.until(lambda diary: diary.rows("ended") == [1, 1])
    # Two rounds, one poll of the queue, and room for a busy machine.
    assert took < 2 * RESCUE_SECONDS + 20
    put(database, queue, HELD, 2)
    workers.until(lambda diary: 2 in diary.rows("begun"))
    time.sleep(2 * RESCUE_SECONDS + 2 * durable.LOOK_SECONDS)
    workers.diary.release.touch()
    workers.until(lambda _: statuses(queue) == {f"{BRIEF}-1": "SUCCESS", f"{HELD}-2": "SUCCESS"})
    assert workers.diary.read()[4:] == [("begun", 2, worker.pid), ("ended", 2, worker.pid)]


def test_a_worker_works_on_one_job_at_a_time(database: Database, workers: Workers, queue: DurableQueue) -> None:
    """While a job goes on, the same worker begins no other, and another worker does."""
    put(database, queue, HELD, 1)
    first = workers.start()
    workers.until(lambda diary: 1 in diary.rows("begun"))
    put(database, queue, BRIEF, 2)
    time.sleep(0.8)
    assert workers.diary.rows("begun") == [1]
    second = workers.start()
    workers.until(lambda diary: 2 in diary.rows("ended"))
    assert ("ended", 2, second.pid) in workers.diary.read()
    workers.diary.release.touch()
    workers.until(lambda diary: 1 in diary.rows("ended"))
    assert ("ended", 1, first.pid) in workers.diary.read()


def test_a_worker_told_to_stop_ends_its_job_first(database: Database, workers: Workers, queue: DurableQueue) -> None:
    """The job in hand comes to its end, the next is left, and the process ends without error."""
    put(database, queue, HELD, 1)
    worker = workers.start()
    workers.until(lambda diary: 1 in diary.rows("begun"))
    put(database, queue, BRIEF, 2)
    worker.terminate()
    time.sleep(0.5)
    workers.diary.release.touch()
    assert worker.wait(60) == 0
    assert workers.diary.read() == [("begun", 1, worker.pid), ("ended", 1, worker.pid)]
    assert statuses(queue) == {f"{HELD}-1": "SUCCESS", f"{BRIEF}-2": "ENQUEUED"}


def test_a_killed_worker_is_followed_by_its_next_process(
    database: Database, workers: Workers, queue: DurableQueue
) -> None:
    """A job whose process was killed is begun anew by the next process, as often as it takes, and ends once."""
    put(database, queue, HELD, 1)
    for times in (1, 2):
        worker = workers.start()
        workers.until(lambda diary, times=times: len(diary.rows("begun")) == times)  # type: ignore[misc]
        workers.kill(worker)
    workers.diary.release.touch()
    workers.start()
    workers.until(lambda diary: 1 in diary.rows("ended"))
    workers.until(lambda _: statuses(queue) == {f"{HELD}-1": "SUCCESS"})
    assert workers.diary.rows("begun") == [1] * 3
    assert workers.diary.rows("ended") == [1]


def test_a_killed_worker_is_rescued_by_another(database: Database, workers: Workers, queue: DurableQueue) -> None:
    """Where nobody follows, a worker that is alive takes the job up within two rounds of RESCUE_SECONDS, and leaves
    others' alone."""
    put(database, queue, HELD, 1, 2)
    dies, lives, rescuer = workers.start(), workers.start(), workers.start()
    workers.until(lambda diary: len(diary.rows("begun")) == 2)
    by_process = {pid: row for _, row, pid in workers.diary.read()}
    free = ({dies.pid, lives.pid, rescuer.pid} - by_process.keys()).pop()
    lost, victim = next((row, pid) for pid, row in by_process.items())
    workers.kill(next(process for process in (dies, lives, rescuer) if process.pid == victim))
    took = workers.until(lambda diary: diary.rows("begun").count(lost) == 2)
    # Two rounds of the rescuer, one poll of the queue, and room for a busy machine.
    assert took < 2 * RESCUE_SECONDS + 20
    assert workers.diary.read()[-1] == ("begun", lost, free)
    workers.diary.release.touch()
    workers.until(lambda diary: sorted(diary.rows("ended")) == [1, 2])
    assert sorted(workers.diary.rows("begun")) == sorted([1, 2, lost])


def overlaps(diary: Diary, killed: set[int]) -> list[int]:
    """Rows whose job was begun while a process that was not killed had it."""
    found: list[int] = []
    running: dict[int, int] = {}
    for what, row, pid in diary.read():
        if what == "begun":
            if row in running and running[row] not in killed:
                found.append(row)
            running[row] = pid
        else:
            running.pop(row, None)
    return found


def test_two_workers_never_run_one_job_at_once(database: Database, workers: Workers, queue: DurableQueue) -> None:
    """Workers that are killed and started again beside each other end every job, and never run one at the same time."""
    chance = random.Random(3)
    rows = list(range(1, 31))
    put(database, queue, BRIEF, *rows)
    running = [workers.start(), workers.start()]
    killed: set[int] = set()
    for _ in range(2):
        time.sleep(chance.uniform(0.05, 0.3))
        victim = chance.choice(running)
        workers.kill(victim)
        killed.add(victim.pid)
        running[running.index(victim)] = workers.start()
    workers.until(lambda diary: set(diary.rows("ended")) == set(rows), seconds=40)
    workers.until(lambda _: set(statuses(queue).values()) == {"SUCCESS"})
    assert overlaps(workers.diary, killed) == []
    # A kill costs at most the one job that its process had.
    assert len(workers.diary.rows("begun")) <= len(rows) + len(killed)


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[OwnServer]:
    """A PostgreSQL of the test's own, with the engine's tables."""
    with own_server() as server:
        with contextlib.closing(Database(server.url)) as database:
            schema.migrate(database, tmp_path / "locks")
            durable.prepare(database, tmp_path / "locks")
        yield server


@pytest.fixture
def own_workers(prepared: OwnServer, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(prepared.url, tmp_path / "locks", tmp_path)
    yield made
    made.close()


def test_workers_whose_slots_are_lost_end(prepared: OwnServer, own_workers: Workers) -> None:
    """After a restart of PostgreSQL nobody holds any slot: each worker ends, its job too, before another takes the job
    up, which then ends once."""
    workers, database = own_workers, Database(prepared.url)
    with contextlib.closing(DurableQueue(database)) as queue:
        put(database, queue, HELD, 1, 2)
        before = [workers.start(), workers.start()]
        workers.until(lambda diary: len(diary.rows("begun")) == 2)
        prepared.restart()
        assert [worker.wait(SOON) for worker in before] == [LOST, LOST]
        assert sorted(workers.diary.rows("begun")) == [1, 2]
        workers.start()
        workers.start()
        workers.until(lambda diary: len(diary.rows("begun")) == 4)
        workers.diary.release.touch()
        workers.until(lambda _: set(statuses(queue).values()) == {"SUCCESS"})
    assert sorted(workers.diary.rows("ended")) == [1, 2]
    assert overlaps(workers.diary, {worker.pid for worker in before}) == []
    database.close()


def test_no_job_is_taken_from_a_worker_that_lives(tmp_path: Path) -> None:
    """One that lost its slot, and nothing else, ends before another worker takes up what it had."""
    address = new_database()
    database = Database(address)
    schema.migrate(database, tmp_path / "locks")
    durable.prepare(database, tmp_path / "locks")
    workers = Workers(address, tmp_path / "locks", tmp_path)
    with contextlib.closing(workers), contextlib.closing(DurableQueue(database)) as queue:
        loser = workers.start()
        put(database, queue, HELD, 1)
        workers.until(lambda diary: diary.rows("begun") == [1])
        other = workers.start()
        cut(address, f"worker-{socket.gethostname()}-0")
        assert loser.wait(SOON) == LOST
        assert workers.diary.rows("begun") == [1]
        workers.until(lambda diary: diary.read()[1:] == [("begun", 1, other.pid)])
        workers.diary.release.touch()
        workers.until(lambda _: statuses(queue) == {f"{HELD}-1": "SUCCESS"})
    assert workers.diary.read()[2:] == [("ended", 1, other.pid)]
    database.close()


def test_jobs_put_by_many_at_once_all_run(database: Database, workers: Workers, queue: DurableQueue) -> None:
    """Transactions that put jobs beside each other and beside a worker lose none."""
    workers.start()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for row in range(number, number + 4):
                put(database, queue, BRIEF, row)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(0, 12, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    workers.until(lambda diary: sorted(diary.rows("ended")) == list(range(12)), seconds=40)
