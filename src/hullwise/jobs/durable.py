"""The job engine: DBOS, on the metadata database.

    put ──▶ ENQUEUED ──▶ PENDING (taken by a worker's slot) ──▶ SUCCESS | ERROR
                 ▲           │ the slot's process died, or could not note how the job ended
                 └───────────┘ its next process, or another worker that finds the slot's lock free; or itself

Each worker process owns a slot by a lock that dies with it. The slot's name is DBOS's executor id: two processes with
one id would each restart the other's running jobs. A process that loses its lock ends, for another may have its slot;
the next one takes up what it left.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError

from hullwise.jobs.queue import COLLECT, FOLLOW_CONFIGURATION, PUBLISH, SCAN_IMAGE, SYNC, Handlers
from hullwise.store.engine import Database
from hullwise.store.locks import Lock, LockLost

if TYPE_CHECKING:
    from dbos import DBOSClient

log = structlog.get_logger()

APPLICATION = "hullwise"
VERSION = "1"
"""Of the jobs' meaning. Jobs of another version wait for a worker of theirs; the default, a hash of the code, would
strand what was queued before each upgrade."""
QUEUES = {
    SCAN_IMAGE: "scans",
    PUBLISH: "advisories",
    SYNC: "advisories",
    FOLLOW_CONFIGURATION: "configurations",
    COLLECT: "garbage",
}
"""Which queue a job waits in; a worker works on one job of each: scans go on beside a publication."""
_OTHER = "scans"

POLL_SECONDS = {"scans": 0.2, "configurations": 0.5, "garbage": 5.0}
"""How long a worker waits between two looks into a queue: each costs an idle one about a millisecond."""
LONG_POLL_SECONDS = 1.0
RESCUE_SECONDS = 5.0
"""Between two looks for jobs of dead slots: one that is found free in two of them is. A process that lost its lock and
lives has ended by then."""
LOOK_SECONDS = 1.0
"""Between two looks whether a worker still has its slot."""
OUTAGE_SECONDS = 30.0
"""For which a worker that lost its slot waits for the database to answer, to leave word of what it had in hand."""
_STANDING = {"ENQUEUED", "DELAYED", "PENDING", "SUCCESS"}
"""States of jobs that wait, run, or came to their end."""
_WAITING, _RUNNING = "ENQUEUED", "PENDING"
KEPT = timedelta(days=1)
"""How long finished jobs are kept."""


# DBOS is imported where it is used: it takes as long as everything else that a command imports, and most put no job.


def load() -> None:
    """Import the engine, so that the first job does not wait for it."""
    import dbos  # noqa: F401


def _id(job: str, row_id: int) -> str:
    return f"{job}-{row_id}"


def _client(database: Database, engine: sa.Engine) -> DBOSClient:
    from dbos import DBOSClient, DBOSPortableJSONSerializer

    return DBOSClient(
        system_database_engine=engine,
        system_database_url=database.url.render_as_string(hide_password=False),
        serializer=DBOSPortableJSONSerializer(),
        application_name=APPLICATION,
    )


class DurableQueue:
    """Puts jobs. Needs the engine's tables, which `prepare` makes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine: sa.Engine | None = None
        self._client: DBOSClient | None = None
        self._opening = threading.Lock()

    def put(self, tx: sa.Connection, job: str, row_id: int) -> None:
        self.client().enqueue_in_transaction(
            tx,
            {
                "workflow_name": job,
                "queue_name": QUEUES.get(job, _OTHER),
                "workflow_id": _id(job, row_id),
                "app_version": VERSION,
            },
            row_id,
        )

    def put_again(self, job: str, row_id: int) -> bool:
        client, found = self.client(), _id(job, row_id)
        states = {
            each.status for each in client.list_workflows(workflow_ids=[found], load_input=False, load_output=False)
        }
        if states & _STANDING:
            return False
        if states:
            # Whoever is killed before the next line leaves none, which is queued the next time.
            client.delete_workflows([found])
        with self._database.write() as tx:
            self.put(tx, job, row_id)
        return True

    def client(self) -> DBOSClient:
        """The engine's client, opened on first use."""
        with self._opening:
            if self._client is None:
                self._engine = self._database.job_engine()
                self._client = _client(self._database, self._engine)
            return self._client

    def close(self) -> None:
        if self._client is not None and self._engine is not None:
            self._client.destroy()
            self._engine.dispose()


@contextlib.contextmanager
def _launched(database: Database, executor: str, handlers: Handlers, running: set[str]) -> Iterator[None]:
    """DBOS running in this process for the block, with these jobs; `running` has those that a thread is at work on.
    When the block ends, the jobs that go on are waited for; not where it raises."""
    from dbos import DBOS

    engine = database.job_engine()
    patience = 0
    try:
        _configure(database, engine, executor)
        for job, handler in handlers.items():
            DBOS.workflow(name=job)(_workflow(job, handler, running))
        DBOS.launch()
        for queue in sorted(set(QUEUES.values())):
            pause = POLL_SECONDS.get(queue, LONG_POLL_SECONDS)
            DBOS.register_queue(queue, worker_concurrency=1, polling_interval_sec=pause)
        yield
        patience = 10
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=patience)
        engine.dispose()


def _configure(database: Database, engine: sa.Engine, executor: str) -> None:
    from dbos import DBOS, DBOSPortableJSONSerializer

    logging.getLogger("dbos").setLevel(logging.WARNING)
    DBOS(
        config={
            "name": APPLICATION,
            "system_database_engine": engine,
            "system_database_url": database.url.render_as_string(hide_password=False),
            "executor_id": executor,
            "application_version": VERSION,
            "serializer": DBOSPortableJSONSerializer(),
            "use_listen_notify": False,
            "console_log_level": "WARNING",
        }
    )


def prepare(database: Database, lock_folder: Path) -> None:
    """Make the engine's tables, once, whoever else tries at the same moment."""
    from dbos import DBOS

    with database.exclusive("jobs", lock_folder):
        # Not by launching it: a process without handlers would take up jobs that wait, and fail them.
        DBOS.migrate(database.url.render_as_string(hide_password=False))


def holds_any(database: Database) -> bool:
    """Whether the engine knows of any job, waiting or done. Its tables are there."""
    with contextlib.closing(DurableQueue(database)) as queue:
        return bool(queue.client().list_workflows(limit=1, load_input=False, load_output=False))


@dataclass(frozen=True, slots=True)
class Backlog:
    """Jobs of a queue that have not ended."""

    waiting: int
    oldest: datetime | None
    """When the first of those that wait was queued; None: none waits."""
    running: int
    """That a worker has taken up."""


def backlog(tx: sa.Connection, queue: str) -> Backlog:
    """Of the queue, one of QUEUES. The engine's tables are there. It reads the jobs that have not ended, in an index of
    the engine's, however many have."""
    table = sa.table("workflow_status", *map(sa.column, ("queue_name", "status", "created_at")))
    if tx.dialect.name == "postgresql":
        table = sa.table("workflow_status", *(sa.column(each.name) for each in table.c), schema="dbos")
    counted = (
        sa.select(table.c.status, sa.func.count(), sa.func.min(table.c.created_at))
        # Not as parameters: the index is one of these states alone.
        .where(table.c.queue_name == queue, sa.text("status IN ('ENQUEUED', 'PENDING')"))
        .group_by(table.c.status)
    )
    found = {status: (count, first) for status, count, first in tx.execute(counted)}
    waiting, first = found.get(_WAITING, (0, None))
    oldest = None if first is None else datetime.fromtimestamp(first / 1_000, UTC)
    return Backlog(waiting, oldest, found.get(_RUNNING, (0, None))[0])


@contextlib.contextmanager
def _slot(database: Database, lock_folder: Path) -> Iterator[tuple[str, Lock]]:
    """The name of the first free slot of this machine, and its lock, held for the block."""
    for number in range(1_000):
        name = f"{socket.gethostname()}-{number}"
        with database.exclusive(f"worker-{name}", lock_folder, wait=False) as lock:
            if lock:
                yield name, lock
                return


class DurableWorker:
    """Runs jobs, one of each queue at a time, until told to stop."""

    def __init__(
        self,
        database: Database,
        lock_folder: Path,
        handlers: Handlers,
        ticks: Sequence[Callable[[], None]] = (),
        beside: Sequence[contextlib.AbstractContextManager[object]] = (),
    ) -> None:
        """`ticks` are called every few seconds; each queues what is due, and must not take long. What goes on `beside`
        the jobs is entered while they run."""
        self._database = database
        self._locks = lock_folder
        self._handlers = handlers
        self._ticks = tuple(ticks)
        self._beside = tuple(beside)
        self._stop = threading.Event()
        self._free: set[str] = set()
        """Slots that have jobs, and that nobody held at the last look."""
        self._running: set[str] = set()
        """Jobs that a thread of this process is at work on."""
        self._ended: set[str] = set()
        """Jobs of this slot that none was at work on at the last look, and that the database has as taken up."""

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop`. Takes up first what an earlier process of the same slot left unfinished.

        Raises LockLost where the slot may be another's: the process, in which jobs may still be running, must end."""
        with (
            _slot(self._database, self._locks) as (name, slot),
            _launched(self._database, name, self._handlers, self._running),
            contextlib.closing(DurableQueue(self._database)) as queue,
            contextlib.ExitStack() as beside,
        ):
            for each in self._beside:
                beside.enter_context(each)
            log.info("worker started", slot=name)
            ready()
            try:
                self._work(queue.client(), name, slot)
            except LockLost:
                log.error("the worker's slot was lost; it ends", slot=name)
                self._await_database()
                raise

    def stop(self) -> None:
        self._stop.set()

    def _work(self, client: DBOSClient, name: str, slot: Lock) -> None:
        due = time.monotonic() + RESCUE_SECONDS
        while not self._stop.wait(LOOK_SECONDS):
            slot.check()
            if time.monotonic() < due:
                continue
            own: list[Callable[[], None]] = [
                partial(self._rescue, client, name, slot),
                partial(self._rescue_own, client, name),
                partial(self._forget, client),
            ]
            for step in (*own, *self._ticks):
                # Whether the slot is lost is asked for next; everything else is due again soon.
                try:
                    step()
                except (DBAPIError, LockLost) as error:
                    log.warning("the worker was interrupted", why=str(error))
                except Exception:
                    log.exception("the worker was interrupted")
            due = time.monotonic() + RESCUE_SECONDS

    def _await_database(self) -> None:
        deadline = time.monotonic() + OUTAGE_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(DBAPIError), self._database.read() as tx:
                tx.execute(sa.text("SELECT 1"))
                return
            if self._stop.wait(LOOK_SECONDS):
                return

    def _rescue(self, client: DBOSClient, own: str, lock: Lock) -> None:
        """Put back the jobs of slots whose process is gone and has no successor."""
        free_before, self._free = self._free, set()
        for slot in sorted({slot for slot, _, _ in self._pending(client)} - {own}):
            with self._database.exclusive(f"worker-{slot}", self._locks, wait=False) as free:
                if free:
                    self._free.add(slot)
                gone = bool(free) and slot in free_before
                # Asked again under the lock: another worker may have rescued them meanwhile, and be running them.
                jobs = [(queue, job) for of, queue, job in self._pending(client) if of == slot] if gone else []
                if jobs:
                    # A database that was away for a while has lost every lock, those of the living too.
                    lock.check()
                    free.check()
                    log.warning("jobs rescued", slot=slot, jobs=len(jobs))
                _put_back(client, jobs)

    def _rescue_own(self, client: DBOSClient, own: str) -> None:
        """Put back the jobs of this slot whose end could not be noted, as on a full disk: the engine lets them be, for
        the slot's process lives. In one look alone a job may be about to begin, or its end about to be noted; one that
        is put back nevertheless, while the engine waits for the database to note it, repeats nothing."""
        found = [(queue, job) for slot, queue, job in self._pending(client) if slot == own and job not in self._running]
        ended_before, self._ended = self._ended, {job for _, job in found}
        jobs = [(queue, job) for queue, job in found if job in ended_before]
        if jobs:
            log.warning("jobs rescued", slot=own, jobs=len(jobs))
        _put_back(client, jobs)

    def _pending(self, client: DBOSClient) -> list[tuple[str, str, str]]:
        """(slot, queue, job) of those that a worker has taken up."""
        found = client.list_workflows(status="PENDING", load_input=False, load_output=False)
        return [(job.executor_id, job.queue_name or _OTHER, job.workflow_id) for job in found if job.executor_id]

    def _forget(self, client: DBOSClient) -> None:
        before = (datetime.now(UTC) - KEPT).isoformat()
        done = client.list_workflows(
            status=["SUCCESS", "ERROR"], end_time=before, limit=500, load_input=False, load_output=False
        )
        if done:
            client.delete_workflows([job.workflow_id for job in done])


def _put_back(client: DBOSClient, jobs: Sequence[tuple[str, str]]) -> None:
    """(queue, job) of each: they wait in their queues."""
    for queue in sorted({queue for queue, _ in jobs}):
        client.resume_workflows([job for of, job in jobs if of == queue], queue_name=queue)


def _workflow(job: str, handler: Callable[[int], None], running: set[str]) -> Callable[[int], None]:
    def run(row_id: int) -> None:
        running.add(_id(job, row_id))
        try:
            handler(row_id)
        finally:
            running.discard(_id(job, row_id))

    # DBOS tells workflows apart by this name too.
    run.__qualname__ = job
    return run
