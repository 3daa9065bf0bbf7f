"""Opening the data folder for a command."""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from hullwise import durable
from hullwise.auth import keys
from hullwise.blobs.errors import BlobStorageError
from hullwise.cli.failures import DatabaseDamaged, Failure, NoInstallation, NotWritable, explained, writable, written
from hullwise.cli.running import running_url
from hullwise.cli.texts import printable
from hullwise.domain.errors import HullwiseError
from hullwise.domain.names import is_account
from hullwise.sealing import SecretUnusable
from hullwise.services import Services
from hullwise.settings import InvalidSetting, Settings, load, unknown
from hullwise.store import accounts, schema
from hullwise.store.engine import Database, DatabaseTooOld
from hullwise.store.locks import LockLost
from hullwise.store.schema import SchemaTooNew

_EXPLAINED = (
    *(InvalidSetting, DatabaseTooOld, SchemaTooNew, SecretUnusable, BlobStorageError, HullwiseError),
    *(OperationalError, LockLost, OSError),
)


_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

log = structlog.get_logger()


@contextmanager
def settled(**overrides: Any) -> Iterator[Settings]:
    """The settings alone, for a command that is choosy about what it makes; failures explain themselves."""
    from hullwise import app

    with explained(*_EXPLAINED):
        settings = load(overrides)
        app.configure_logs(settings)
        for name, nearest in unknown().items():
            hint = f"; {nearest} is one" if nearest else ""
            log.warning(f"{name} is no setting and changes nothing{hint}")
        with _located(settings):
            yield settings


@contextmanager
def opened(*, beginning: bool = False, unsealing: bool = True, **overrides: Any) -> Iterator[Services]:
    """The toolbox over an installation, which is brought to this version's schema.

    Raises NoInstallation where there is none, unless the command may be the `beginning` of one; and Failure where the
    secret is not the one that sealed what it has, or the blob storage not the one that has its objects, unless the
    command needs neither.
    """
    with settled(**overrides) as settings, built(settings, beginning=beginning, unsealing=unsealing) as services:
        yield services


@contextmanager
def built(settings: Settings, *, beginning: bool = False, unsealing: bool = True) -> Iterator[Services]:
    """The same, with settings that are loaded already."""
    from hullwise import app

    if not beginning:
        _find(settings)
    prepare(settings)
    services = app.build(settings, unsealing=unsealing)
    try:
        if unsealing:
            with services.database.read() as tx:
                app.check_secret(tx, services)
                app.check_storage(tx, services)
        yield services
    finally:
        services.database.close()


def _file(settings: Settings) -> Path | None:
    """SQLite's file, where it is SQLite."""
    url = sa.make_url(settings.database)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _find(settings: Settings) -> None:
    """Raises NoInstallation where no process has begun one, and makes nothing."""
    file = _file(settings)
    if file is None:
        database = Database(settings.database, settings.durability, pool_size=1)
        try:
            with database.read() as tx:
                if schema.current(tx) is None:
                    raise NoInstallation(f"the database that HULLWISE_DATABASE_URL names (data folder {settings.data})")
        finally:
            database.close()
    elif not file.exists() or not file.stat().st_size:
        missing = "" if file.parent == settings.data else f" ({file} is not there)"
        raise NoInstallation(f"{settings.data}{missing}")


@contextmanager
def _located(settings: Settings) -> Iterator[None]:
    """What the database's file or the data folder is the cause of names it, and says what to do."""
    try:
        with written(settings.data, "--data"):
            yield
    except (DBAPIError, sqlite3.Error) as error:
        found, file = getattr(error, "orig", error), _file(settings)
        if isinstance(error, ProgrammingError) and error.statement is None:
            # No statement: the driver has not connected, for a parameter that it does not know.
            raise InvalidSetting(f"database_url: {found}") from error
        if not isinstance(found, sqlite3.Error) or file is None:
            raise
        code = getattr(found, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGED:
            raise DatabaseDamaged(file, str(found)) from error
        if isinstance(found, sqlite3.OperationalError):
            if not writable(file.parent):
                raise NotWritable(file.parent, str(found), "--data") from error
            raise Failure(f"{file}: {found}") from error
        raise


def prepare(settings: Settings) -> None:
    """Make the data folder and bring the database to this version's schema."""
    durable.make(settings.data, 0o700)
    database = Database(settings.database, settings.durability, pool_size=2)
    try:
        schema.migrate(database, settings.locks)
    finally:
        database.close()


def default_account(services: Services) -> str:
    """The account of the first key, or the configured one, or a new one."""
    with services.database.read() as tx:
        existing = accounts.list_keys(tx)
    return existing[0].account if existing else services.settings.account or keys.new_account()


def chosen_account(services: Services, asked: str | None) -> str:
    """The named account, else that of the first key. Raises Failure where there is none."""
    with services.database.read() as tx:
        known = [key.account for key in accounts.list_keys(tx)]
    if asked is None:
        if not known:
            make = command_line(services.settings, "keys create")
            raise Failure(f"there is no account yet in {services.settings.data}; `{make}` makes one")
        return known[0]
    if not is_account(asked) or asked not in known:
        raise Failure(f"there is no account {printable(asked)}")
    return asked


def export_lines(services: Services, pair: keys.KeyPair) -> list[str]:
    """Shell lines that set up the AWS clients to use the key pair here."""
    region = services.settings.regions[0]
    lines = [
        f"export AWS_ACCESS_KEY_ID={pair.access_key_id}",
        f"export AWS_SECRET_ACCESS_KEY={pair.secret_access_key}",
        # boto3 reads the one, the SDK for JavaScript the other, the AWS CLI both.
        f"export AWS_DEFAULT_REGION={region} AWS_REGION={region}",
    ]
    url = running_url(services.settings) or url_of(services.settings)
    return [*lines, f"export AWS_ENDPOINT_URL_ECR={url}"] if url else lines


def command_line(settings: Settings, command: str) -> str:
    """The hullwise command as it is typed to work on the same data."""
    at_home = load({}, {}).data == settings.data
    return f"hullwise {command}" + ("" if at_home else f" --data {shlex.quote(str(settings.data))}")


def local_host(settings: Settings) -> str:
    """Where a server with these settings is reached on its own machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104


def url_of(settings: Settings) -> str:
    """How clients reach a server with these settings; empty where its port will be any free one."""
    if settings.public_url or not settings.port:
        return settings.public_url
    host = local_host(settings)
    scheme = "https" if settings.tls_cert else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"
