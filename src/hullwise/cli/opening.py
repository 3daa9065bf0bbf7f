"""Opening the data folder for a command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError

from hullwise import durable
from hullwise.auth import keys
from hullwise.blobs.errors import BlobStorageError
from hullwise.cli.failures import Failure, explained
from hullwise.cli.texts import printable
from hullwise.domain.errors import HullwiseError
from hullwise.domain.names import is_account
from hullwise.sealing import SecretUnusable
from hullwise.services import Services
from hullwise.settings import InvalidSetting, Settings, load
from hullwise.store import accounts, schema
from hullwise.store.engine import Database, DatabaseTooOld
from hullwise.store.schema import SchemaTooNew

_EXPLAINED = (
    *(InvalidSetting, DatabaseTooOld, SchemaTooNew, SecretUnusable, BlobStorageError, HullwiseError),
    *(OperationalError, OSError),
)


@contextmanager
def settled(**overrides: Any) -> Iterator[Settings]:
    """The settings alone, for a command that is choosy about what it makes; failures explain themselves."""
    from hullwise import app

    with explained(*_EXPLAINED):
        settings = load(overrides)
        app.configure_logs(settings)
        yield settings


@contextmanager
def opened(**overrides: Any) -> Iterator[Services]:
    """The toolbox over the data folder, which is made and brought to this version's schema where it is not."""
    from hullwise import app

    with settled(**overrides) as settings:
        prepare(settings)
        services = app.build(settings)
        try:
            yield services
        finally:
            services.database.close()


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
            raise Failure("there is no account yet; `hullwise keys create` makes one")
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


def url_of(settings: Settings) -> str:
    """How clients reach a server with these settings; empty where its port will be any free one."""
    if settings.public_url or not settings.port:
        return settings.public_url
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    scheme = "https" if settings.tls_cert else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _note(settings: Settings) -> Path:
    return settings.data / "running.json"


def note_running(settings: Settings, url: str) -> None:
    """Leave word in the data folder of where its server answers."""
    _note(settings).write_text(json.dumps({"url": url}) + "\n")


def note_stopped(settings: Settings, url: str) -> None:
    """Take back the word that `note_running` left, unless it is another server's by now."""
    if _noted(settings) == url:
        _note(settings).unlink(missing_ok=True)


def running_url(settings: Settings) -> str:
    """Where the server on this data folder answers, or how clients reach it by configuration; else empty."""
    return settings.public_url or _noted(settings)


def _noted(settings: Settings) -> str:
    try:
        return str(json.loads(_note(settings).read_text())["url"])
    except (OSError, ValueError, KeyError):
        return ""
