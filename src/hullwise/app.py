"""What is built for every process: the toolbox, the subscriptions, the jobs.

The command line builds it for every command: what only some processes need is imported where they ask for it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from hullwise import sealing
from hullwise.auth import keys
from hullwise.blobs.backend import open_storage
from hullwise.blobs.errors import ObjectMissing, StorageForeign, StorageUnavailable
from hullwise.jobs.durable import DurableQueue, DurableWorker
from hullwise.jobs.queue import COLLECT, FOLLOW_CONFIGURATION, PUBLISH, SCAN_IMAGE, SYNC, Handlers, JobQueue
from hullwise.scanning import requests
from hullwise.sealing import Sealed, SecretForeign, SecretMissing
from hullwise.services import Clock, Services
from hullwise.settings import InvalidSetting, Settings
from hullwise.store.engine import Database

if TYPE_CHECKING:
    from hullwise.inventory.nursery import Nursery
    from hullwise.remotes.remote import Remote
    from hullwise.scanning.run import InHand

# What happens inside the transaction of a push, in this order.
ON_PUSH = (requests.on_push,)
# What happens inside the transaction that records a pull.
ON_PULL = (requests.on_pull,)


def checked(settings: Settings) -> Settings:
    """The same. Raises InvalidSetting for what only its users can tell to be wrong: operations, hosts, networks,
    certificates and keys."""
    if settings.rate_limits:
        from hullwise.auth.rates import ALL
        from hullwise.ecr import model

        unknown = settings.rate_limits.keys() - {ALL, *model.operation_names()}
        if unknown:
            raise InvalidSetting(f"rate_limits: there is no operation '{min(unknown)}'")
    if settings.outbound_private or settings.outbound_proxy or settings.outbound_certificates:
        from hullwise.remotes.errors import OutboundMisconfigured

        try:
            with remote(settings):
                pass
        except OutboundMisconfigured as error:
            raise InvalidSetting(error.why) from error
    if settings.bundle_keys:
        from hullwise.advisories import signing

        try:
            for key in settings.bundle_keys:
                signing.key_id(key)
        except signing.UnusableKey as error:
            raise InvalidSetting(f"bundle_keys: {error}") from error
    return settings


def now() -> datetime:
    return datetime.now(UTC)


def build(
    settings: Settings,
    *,
    clock: Clock = now,
    jobs: JobQueue | None = None,
    unsealing: bool = True,
    lock_seconds: int = 0,
) -> Services:
    """The toolbox of one process. The database has its schema already. `unsealing`: whether it has the secret, which is
    made where nothing is sealed yet. `lock_seconds` as for the database. Raises SecretUnusable where the secret is
    missing otherwise."""
    pool = 2 * settings.threads
    database = Database(settings.database, settings.durability, pool_size=pool, lock_seconds=lock_seconds)
    try:
        secret = _secret(settings, database) if unsealing else b""
    except BaseException:
        database.close()
        raise
    return Services(
        settings=settings,
        database=database,
        blobs=open_storage(
            settings.blobs,
            durability=settings.durability,
            options=settings.blobs_options,
            certificates=settings.outbound_certificates,
        ),
        jobs=jobs if jobs is not None else DurableQueue(database),
        clock=clock,
        secret=secret,
        on_push=ON_PUSH,
        on_pull=ON_PULL,
    )


def _secret(settings: Settings, database: Database) -> bytes:
    try:
        return sealing.kept(settings.secret_key, settings.secret_file)
    except SecretMissing:
        with database.read() as tx:
            none_sealed = next(sealed(tx), None) is None
        # Where there is some by now, whoever sealed it has made the file before.
        load = sealing.load if none_sealed else sealing.kept
        return load(settings.secret_key, settings.secret_file)


def check_secret(tx: sa.Connection, services: Services) -> None:
    """Raises SecretUnusable where the secret is not the one that sealed what the database has."""
    if not sealing.fits(services.secret, sealed(tx)):
        settings = services.settings
        raise SecretForeign(sealing.place(settings.secret_key, settings.secret_file))


def check_storage(tx: sa.Connection, services: Services) -> None:
    """Raises StorageForeign where the database names objects, and the blob storage has none of a few of them: a command
    with other settings than the server's would find everything damaged, and store what no server finds."""
    from hullwise.store import garbage, generations

    current = generations.get(tx, generations.head_number(tx))
    keys = [current.object_key] if current is not None and current.object_key else []
    keys += garbage.some_named(tx)
    for key in keys:
        try:
            services.blobs.size(key)
        except ObjectMissing:
            continue
        except StorageUnavailable:
            pass  # Whoever needs it says so.
        return
    if keys:
        raise StorageForeign(services.settings.blobs)


def sealed(tx: sa.Connection) -> Iterator[Sealed]:
    """All that the installation's secret has sealed and that is in use."""
    yield from keys.sealed(tx)
    # Most of the time the first key was enough.
    from hullwise.notifications import receivers

    yield from receivers.sealed(tx)


def handlers(services: Services, nursery: Nursery | None = None, in_hand: InHand | None = None) -> Handlers:
    """What each job does; `nursery`: of the processes that read layers, where it outlives a scan; `in_hand`: what is
    told of scans that a process begins."""
    from hullwise.inventory import kept
    from hullwise.registry import garbage
    from hullwise.scanning import following, publication, run, synchronisation

    kept.code()

    def collect(number: int) -> None:
        garbage.run(services, number)
        publication.forget(services)

    return {
        SCAN_IMAGE: partial(run.scan_image, services, nursery=nursery, in_hand=in_hand),
        PUBLISH: partial(publication.resume, services),
        FOLLOW_CONFIGURATION: partial(following.follow, services),
        COLLECT: collect,
        SYNC: partial(synchronisation.run_sync, services, partial(remote, services.settings)),
    }


def worker(services: Services) -> DurableWorker:
    from hullwise.inventory.nursery import Nursery
    from hullwise.jobs.minutes import Aside, EachMinute
    from hullwise.notifications.delivery import Courier
    from hullwise.notifications.thread import Deliveries
    from hullwise.registry import garbage
    from hullwise.scanning import synchronisation, unfinished, watching
    from hullwise.scanning.notes import Notes
    from hullwise.scanning.run import InHand

    ticks: list[Callable[[], None]] = [
        partial(synchronisation.request_due, services),
        partial(garbage.request_due, services),
        watching.Watch(services),
        EachMinute(services.clock, services.sweep_generations),
        EachMinute(services.clock, Aside("notes", Notes(services))),
        unfinished.Unfinished(services),
    ]
    in_hand = InHand(services)
    # The last is left first: what has to be said of a scan is said while there is time.
    beside: list[AbstractContextManager[object]] = [
        Deliveries(Courier(services, partial(remote, services.settings))),
        in_hand,
    ]
    # Ends with this process: a scan may be at work until then.
    jobs = handlers(services, Nursery(), in_hand)
    return DurableWorker(services.database, services.settings.locks, jobs, ticks, beside)


def remote(settings: Settings) -> Remote:
    """Who asks the outside, under the rules that the settings make. Raises OutboundMisconfigured."""
    from hullwise.remotes.network import trusted
    from hullwise.remotes.remote import Remote
    from hullwise.remotes.rules import configured

    rules = configured(settings)
    extra = settings.outbound_certificates
    return Remote(rules, trust=trusted(Path(extra)) if extra else None)


def configure_logs(settings: Settings) -> None:
    """One line an event, on standard error: text for people or JSON for machines."""
    if settings.log_format == "json":
        rendering: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        # Plain tracebacks: the pretty ones show local variables, and those hold secrets.
        plain = structlog.dev.plain_traceback
        rendering = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
