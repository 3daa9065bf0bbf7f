"""Opening the data folder for a command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hullwise.auth import keys
from hullwise.auth.secrets import SecretUnusable
from hullwise.blobs.errors import BlobStorageError
from hullwise.cli.failures import explained
from hullwise.domain.errors import HullwiseError
from hullwise.services import Services
from hullwise.settings import InvalidSetting, Settings, load
from hullwise.store import accounts, schema
from hullwise.store.engine import Database, DatabaseTooOld
from hullwise.store.schema import SchemaTooNew


@contextmanager
def opened(**overrides: Any) -> Iterator[Services]:
    """The toolbox over the data folder, which is made and brought to this version's schema where it is not."""
    from hullwise import app

    with explained(InvalidSetting, DatabaseTooOld, SchemaTooNew, SecretUnusable, BlobStorageError, HullwiseError):
        settings = load(overrides)
        prepare(settings)
        services = app.build(settings)
        try:
            yield services
        finally:
            services.database.close()


def prepare(settings: Settings) -> None:
    """Make the data folder and bring the database to this version's schema."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
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


def export_lines(services: Services, pair: keys.KeyPair) -> list[str]:
    """Shell lines that set up the AWS clients to use the key pair here."""
    region = services.settings.regions[0]
    lines = [
        f"export AWS_ACCESS_KEY_ID={pair.access_key_id}",
        f"export AWS_SECRET_ACCESS_KEY={pair.secret_access_key}",
        # boto3 reads the one, the SDK for JavaScript the other, the AWS CLI both.
        f"export AWS_DEFAULT_REGION={region} AWS_REGION={region}",
    ]
    url = running_url(services.settings)
    return [*lines, f"export AWS_ENDPOINT_URL_ECR={url}"] if url else lines


def _note(settings: Settings) -> Path:
    return settings.data / "running.json"


def note_running(settings: Settings, url: str | None) -> None:
    """Leave word in the data folder of where its server answers; None: nowhere any more."""
    if url is None:
        _note(settings).unlink(missing_ok=True)
    else:
        _note(settings).write_text(json.dumps({"url": url}) + "\n")


def running_url(settings: Settings) -> str:
    """Where the server on this data folder answers, or how clients reach it by configuration; else empty."""
    if settings.public_url:
        return settings.public_url
    try:
        return str(json.loads(_note(settings).read_text())["url"])
    except (OSError, ValueError, KeyError):
        return ""
