"""A whole toolbox over an empty database, and a real server process."""

from __future__ import annotations

import base64
import json
import os
import resource
import shutil
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from hullwise import app
from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.cli.opening import prepare
from hullwise.domain.manifests import OCI_MANIFEST
from hullwise.domain.scans import ScanType
from hullwise.registry import images as image_rules
from hullwise.registry import repositories as repository_rules
from hullwise.registry import uploads
from hullwise.scanning import publication
from hullwise.scanning.publication import Published
from hullwise.services import Services
from hullwise.settings import load
from hullwise.store import accounts, scans
from hullwise.store import images as image_store
from hullwise.store.images import Image as StoredImage
from hullwise.store.repositories import Repository
from hullwise.store.scans import ImageScans
from tests.support.advisories import write
from tests.support.images import Image
from tests.support.queues import ListQueue

ACCOUNT = "123456789012"
REGION = "us-east-1"
START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **span: float) -> None:
        self.moment += timedelta(**span)


@dataclass
class Registry:
    """The rules, called as the edges call them, without HTTP and without a worker process."""

    services: Services
    clock: Clock
    queue: ListQueue
    folder: Path
    imports: int = field(default=0)

    def repository(self, name: str = "team/app", **options: Any) -> Repository:
        options.setdefault("scan_on_push", True)
        return self.services.database.run(
            lambda tx: repository_rules.create(tx, self.services, account=ACCOUNT, region=REGION, name=name, **options)
        )

    def push_blob(self, repository: Repository, data: bytes, principal: str = "AKIATEST") -> None:
        from tests.support.images import sha256

        upload = uploads.begin(self.services, repository, principal)
        receiver = uploads.SegmentReceiver(self.services)
        receiver.write(data)
        uploads.append(self.services, repository, principal, upload, receiver.finish())
        uploads.complete(self.services, repository, principal, upload, sha256(data))

    def push(self, repository: Repository, image: Image, tag: str | None = "latest") -> StoredImage:
        for blob in image.blobs:
            self.push_blob(repository, blob)
        prepared = image_rules.prepare(image.manifest, OCI_MANIFEST)
        stored = self.services.database.run(lambda tx: image_rules.put(tx, self.services, repository, prepared, tag))
        return stored.image

    def work(self) -> None:
        """Run every queued job."""
        self.queue.run(app.handlers(self.services))

    def publish(self, *records: dict[str, Any]) -> Published:
        """Import OSV records."""
        self.imports += 1
        folder = write(self.folder / f"import-{self.imports}", *records)

        def fill(builder: GenerationBuilder) -> None:
            documents.load([folder], builder)

        return publication.publish(self.services, fill)

    def scans_of(self, image: StoredImage) -> ImageScans:
        with self.services.database.read() as tx:
            found = scans.of_images(tx, [image.id], ScanType.BASIC)
        return found[image.id]

    def finding_names(self, image: StoredImage) -> list[str]:
        """Names of what the image's latest report says, in its order."""
        from hullwise.scanning import reading

        with self.services.database.read() as tx:
            found = scans.of_images(tx, [image.id], ScanType.BASIC)
            report = reading.results(tx, found)[image.id].report
            return [finding.assessment.name for finding in reading.page(tx, report, 0, report.findings)]

    def image(self, repository: Repository, digest: str) -> StoredImage:
        with self.services.database.read() as tx:
            image = image_store.by_digest(tx, repository.id, digest)
        assert image is not None
        return image


@cache
def migrated_url() -> str:
    """The address of a PostgreSQL database with all tables and no rows, to be copied: migrating takes longer."""
    from tests.support.postgres import new_database

    url = new_database()
    with registry(Path(tempfile.mkdtemp(prefix="hwmigrated-")), url):
        pass
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM hw_accounts"))
    engine.dispose()
    return url


@cache
def _migrated_file() -> Path:
    """The same as a SQLite file."""
    folder = Path(tempfile.mkdtemp(prefix="hwmigrated-"))
    prepare(load({"data": folder}, {}))
    with sqlite3.connect(folder / "hullwise.sqlite") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return folder / "hullwise.sqlite"


@contextmanager
def registry(folder: Path, database_url: str = "", **settings: Any) -> Iterator[Registry]:
    """A registry over an empty SQLite file, or over the empty database at the address."""
    given = {"data": folder / "data", "database_url": database_url, "threads": 8, "generations_kept": 1_000}
    chosen = load(given | settings, {})
    if not database_url and not (chosen.data / "hullwise.sqlite").exists():
        chosen.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy(_migrated_file(), chosen.data / "hullwise.sqlite")
    prepare(chosen)
    clock, queue = Clock(), ListQueue()
    services = app.build(chosen, clock=clock, jobs=queue)
    with services.database.write() as tx:
        accounts.ensure_account(tx, ACCOUNT, START)
    try:
        yield Registry(services, clock, queue, folder)
    finally:
        services.database.close()


@dataclass(frozen=True)
class Server:
    """A running `hullwise serve`."""

    url: str
    data: Path
    access_key_id: str
    secret_access_key: str
    account: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    """Of the process, and of every command on the same data."""
    trusting: Path | None = None
    """The authority that certified it, where it has a certificate."""

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    def client(self, **options: Any) -> Any:
        """boto3's ECR client, as anybody would make it."""
        import boto3

        defaults = {
            "endpoint_url": self.url,
            "region_name": REGION,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "verify": None if self.trusting is None else str(self.trusting),
        }
        return boto3.client("ecr", **{**defaults, **options})

    @property
    def password(self) -> str:
        token = self.client().get_authorization_token()["authorizationData"][0]["authorizationToken"]
        return base64.b64decode(token).decode().partition(":")[2]

    def http(self) -> httpx.Client:
        """A client of the registry API, logged in."""
        return httpx.Client(base_url=self.url, auth=("AWS", self.password), timeout=60, verify=_trust(self.trusting))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A hullwise command on the same data."""
        command = [sys.executable, "-m", "hullwise", *arguments, "--data", str(self.data)]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment)

    def push(self, repository: str, image: Image, tag: str = "latest") -> None:
        """Push over the registry API."""
        from tests.support.images import sha256

        with self.http() as client:
            for blob in image.blobs:
                answer = client.post(f"/v2/{repository}/blobs/uploads/?digest={sha256(blob)}", content=blob)
                assert answer.status_code == 201, answer.text
            answer = client.put(
                f"/v2/{repository}/manifests/{tag}", content=image.manifest, headers={"content-type": OCI_MANIFEST}
            )
            assert answer.status_code == 201, answer.text

    def wait_for_pull(self, repository: str, tag: str = "latest", seconds: float = 120) -> datetime:
        """The recorded pull of an image, once there is one."""
        client = self.client()
        deadline = time.monotonic() + seconds
        while True:
            (found,) = client.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"]
            pulled: datetime | None = found.get("lastRecordedPullTime")
            if pulled is not None:
                return pulled
            assert time.monotonic() < deadline, "the pull was not recorded"
            time.sleep(0.1)

    def wait_for_scan(self, repository: str, tag: str = "latest", seconds: float = 120) -> dict[str, Any]:
        """What describe_image_scan_findings says once the scan has ended."""
        client = self.client()
        deadline = time.monotonic() + seconds
        while True:
            found: dict[str, Any] = client.describe_image_scan_findings(
                repositoryName=repository, imageId={"imageTag": tag}
            )
            if found["imageScanStatus"]["status"] not in {"PENDING", "IN_PROGRESS"}:
                return found
            assert time.monotonic() < deadline, found["imageScanStatus"]
            time.sleep(0.1)


def _trust(authority: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)


def _environment(settings: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HULLWISE_", "AWS_"))}
    return kept | settings


@contextmanager
def server(
    data: Path, trusting: Path | None = None, files: tuple[int, int] | None = None, /, **settings: str
) -> Iterator[Server]:
    """`hullwise serve` on a free port, ready, with an access key; `settings` are environment variables. `trusting` is
    the authority of the certificate that they name, if they do. `files`: the soft and hard limit of descriptors."""
    environment = _environment({f"HULLWISE_{name.upper()}": value for name, value in settings.items()})
    command = [sys.executable, "-m", "hullwise", "serve", "--port", "0", "--data", str(data)]
    log = data.with_name(data.name + ".log")
    with log.open("wb") as output:
        limited = None if files is None else partial(resource.setrlimit, resource.RLIMIT_NOFILE, files)
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=limited,  # noqa: PLW1509 - it makes one system call
        )
        try:
            url = _ready(process, data, log, trusting)
            key = subprocess.run(
                [sys.executable, "-m", "hullwise", "keys", "create", "--format", "json", "--data", str(data)],
                env=environment,
                capture_output=True,
                check=True,
            )
            made = json.loads(key.stdout)
            pair = made["access_key_id"], made["secret_access_key"]
            yield Server(url, data, *pair, made["account"], process, environment, trusting)
        finally:
            process.terminate()
            process.wait(60)


def _ready(process: subprocess.Popen[bytes], data: Path, log: Path, trusting: Path | None) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            url: str = json.loads((data / "running.json").read_text())["url"]
            urllib.request.urlopen(f"{url}/healthz", timeout=2, context=_trust(trusting)).close()
            return url
        except (OSError, ValueError, urllib.error.URLError):
            time.sleep(0.05)
    raise AssertionError(log.read_text())
