"""`hullwise backup`, `restore` and `scrub` as an operator runs them."""

from __future__ import annotations

import json
import random
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hullwise.store import engine
from hullwise.store.tables import exploit_scores
from hullwise.upkeep import manifest
from tests.support import registry as support
from tests.support.advisories import osv
from tests.support.commands import Done, Hullwise, complaint, document, in_process, output, remarks
from tests.support.images import Image, image, layer, python_packages, sha256
from tests.support.postgres import new_database
from tests.support.registry import Server
from tests.support.s3 import S3Server

FLAWED = image([layer(python_packages(Jinja2="2.10"))])
"""The bundled advisories say CVE-2019-10906 of it."""


def _images(count: int) -> list[Image]:
    base = layer({"etc/motd": b"hello\n"})
    return [image([base, layer(python_packages(Jinja2="2.10", other=f"1.{number}"))]) for number in range(count)]


class Pushes(threading.Thread):
    """Pushes one image after the other, in another thread, until told to stop."""

    def __init__(self, server: Server, images: list[Image]) -> None:
        super().__init__()
        self._server, self._images = server, images
        self.acknowledged: list[int] = []
        self._stop_asked = threading.Event()
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            for number, content in enumerate(self._images):
                if self._stop_asked.is_set():
                    return
                self._server.push("team/app", content, f"v{number}")
                self.acknowledged.append(number)
        except Exception as error:
            self.failure = error

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()
        assert self.failure is None


def test_a_backup_of_a_server_at_work(tmp_path: Path, s3_moto: S3Server) -> None:
    """While clients push, backups are made, one over the other. Restored on PostgreSQL and S3, the registry has all
    that was acknowledged before the backup began; each image that it shows has its blobs, and its scan ends."""
    pushed = _images(40)
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    with support.server(tmp_path / "here" / "data") as server:
        server.client().create_repository(repositoryName="team/app", imageScanningConfiguration={"scanOnPush": True})
        pushes = Pushes(server, pushed)
        pushes.start()
        try:
            for _ in range(2):
                before = list(pushes.acknowledged)
                made = server.run("backup", str(tmp_path / "backup"))
                assert made.returncode == 0, made.stderr
        finally:
            pushes.stop()
    settings = {
        "database_url": new_database(),
        "blobs_url": f"{s3_moto.url}/{tmp_path.name}",
        "blobs_options": json.dumps(dict(s3_moto.options)),
    }
    there = tmp_path / "there" / "data"
    hullwise = Hullwise(tmp_path)
    environment = {f"HULLWISE_{name.upper()}": value for name, value in settings.items()}
    assert "Restored the backup" in output(hullwise("restore", tmp_path / "backup", "--data", there, **environment))
    with support.server(there, **settings) as server:
        pages = server.client().get_paginator("list_images").paginate(repositoryName="team/app")
        shown = {found["imageTag"] for page in pages for found in page["imageIds"]}
        assert {f"v{number}" for number in before} <= shown
        for tag in sorted(shown):
            found = server.wait_for_scan("team/app", tag)
            assert found["imageScanStatus"]["status"] == "COMPLETE"
            assert "CVE-2019-10906" in {finding["name"] for finding in found["imageScanFindings"]["findings"]}
        with server.http() as client:
            for number in (int(tag[1:]) for tag in shown):
                for blob in pushed[number].blobs:
                    assert client.get(f"/v2/team/app/blobs/{sha256(blob)}").content == blob
        assert json.loads(server.run("scrub", "--format", "json").stdout)["damaged"] == []


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """The command, in this process."""
    return in_process(tmp_path / "data", capsys)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("rows", "{folder}: File too large"),
        ("objects", r"The blob storage failed: {folder}/objects/segments/\S+: File too large"),
    ],
)
def test_a_backup_that_its_disk_has_no_room_for_says_where(tmp_path: Path, what: str, said: str) -> None:
    """The folder or a file in it, as other commands do. No file may be larger than a limit: writing fails as it does on
    a full disk, with an error that names none."""
    noise = random.Random(1)
    with support.registry(tmp_path) as found:
        if what == "objects":
            found.push_blob(found.repository("team/large"), noise.randbytes(1 << 20))
        else:
            scores = [{"cve": f"{noise.getrandbits(256):x}", "score": 0.5, "percentile": 0.5} for _ in range(20_000)]
            found.services.database.run(lambda tx: engine.insert_all(tx, exploit_scores, scores))
    folder, limit = tmp_path / "backup", 256 << 10
    hullwise = Hullwise(tmp_path)
    done = subprocess.run(
        ["prlimit", f"--fsize={limit}", *hullwise.command, "backup", folder, "--data", tmp_path / "data"],
        capture_output=True,
        text=True,
        env=hullwise.environment,
        timeout=120,
    )
    assert re.fullmatch(said.format(folder=re.escape(str(folder))), complaint(done))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a registry with one image, and nothing running."""
    with support.registry(tmp_path) as found:
        found.push(found.repository("team/app"), FLAWED, "v1")
    return tmp_path / "data"


def test_a_backup_and_its_restoration(data: Path, tmp_path: Path, hullwise: Hullwise) -> None:
    """Each says in a line or two what it did; keys are their owner's alone; the same restore again is refused, and so
    is one where there is no backup."""
    folder = tmp_path / "backups" / "weekly"
    made = hullwise("backup", folder, "--data", data)
    sizes = [len(blob) for blob in FLAWED.blobs]
    size = f"2 objects ({sum(sizes) / (1 << 20):.1f} MB)"
    assert f"{size}; {size} are new\n" in output(made)
    assert made.stderr == ""
    assert "0 objects (0.0 MB) are new\n" in output(hullwise("backup", folder, "--data", data))
    assert (folder / "secret.key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    there = tmp_path / "there"
    restored = output(hullwise("restore", folder, "--data", there))
    assert f"into {there}: {size}\n" in restored
    assert ", 1 unfinished jobs queued again\n" in restored
    assert there.stat().st_mode & 0o777 == 0o700
    assert (there / "secret.key").read_bytes() == (data / "secret.key").read_bytes()
    assert (there / "secret.key").stat().st_mode & 0o777 == 0o600
    assert "empty installation only" in complaint(hullwise("restore", folder, "--data", there))
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = complaint(hullwise("restore", empty, "--data", tmp_path / "other"))
    assert refused == f"There is no backup in {empty}: it has no manifest.json"
    assert not (tmp_path / "other").exists()


def test_a_secret_of_the_environment(tmp_path: Path, hullwise: Hullwise) -> None:
    """The backup says that it lacks it, and so does the restoration without it."""
    secret = {"HULLWISE_SECRET_KEY": "11" * 32}
    output(hullwise("keys", "create", "--data", tmp_path / "data", **secret))
    made = hullwise("backup", tmp_path / "backup", "--data", tmp_path / "data", **secret)
    output(made)
    assert "keep HULLWISE_SECRET_KEY" in made.stderr
    there = tmp_path / "there"
    assert "set HULLWISE_SECRET_KEY" in complaint(hullwise("restore", tmp_path / "backup", "--data", there))
    assert not there.exists()
    output(hullwise("restore", tmp_path / "backup", "--data", there, **secret))
    assert not (there / "secret.key").exists()


def test_the_key_of_bundles_comes_along(tmp_path: Path, hullwise: Hullwise) -> None:
    """Whoever trusts this installation's bundles trusts the restored one's."""
    output(hullwise("keys", "create", "--data", tmp_path / "data"))
    public = output(hullwise("advisories", "key", "--data", tmp_path / "data"))
    output(hullwise("backup", tmp_path / "backup", "--data", tmp_path / "data"))
    output(hullwise("restore", tmp_path / "backup", "--data", tmp_path / "there"))
    assert output(hullwise("advisories", "key", "--data", tmp_path / "there")) == public


def test_jobs_of_an_earlier_installation(data: Path, tmp_path: Path, hullwise: Hullwise) -> None:
    """A job that the engine remembers would be taken for one of the restored rows: such a database is refused."""
    database = {"HULLWISE_DATABASE_URL": new_database()}
    output(hullwise("backup", tmp_path / "backup", "--data", data))
    output(hullwise("restore", tmp_path / "backup", "--data", tmp_path / "there", **database))
    engine = sa.create_engine(database["HULLWISE_DATABASE_URL"])
    with engine.begin() as tx:
        found = sa.MetaData()
        found.reflect(tx, only=lambda name, _: name.startswith("hw_"))
        found.drop_all(tx)
    engine.dispose()
    again = hullwise("restore", tmp_path / "backup", "--data", tmp_path / "other", **database)
    assert "jobs of an earlier one" in complaint(again)


def _blob(data: Path, content: bytes) -> Path:
    return next(path for path in (data / "blobs").rglob("*") if path.is_file() and path.read_bytes() == content)


def test_a_blob_with_other_bytes(data: Path, hullwise: Hullwise, run: Callable[..., Done]) -> None:
    """`scrub` leaves it alone, and with `--drop` takes it away and says so."""
    upper = FLAWED.layers[0].blob
    kept = _blob(data, upper)
    kept.write_bytes(bytes([upper[0] ^ 1]) + upper[1:])
    assert run("scrub").stdout.startswith(f"blob {sha256(upper)}: digest: its bytes have digest sha256:")
    assert kept.exists()
    dropped = run("scrub", "--drop", "--format", "json")
    assert [each["dropped"] for each in json.loads(dropped.stdout)["damaged"]] == [True]
    assert (dropped.returncode, kept.exists()) == (1, False)


def test_a_damaged_blob(data: Path, tmp_path: Path, hullwise: Hullwise, run: Callable[..., Done]) -> None:
    """`scrub` names it with its repository and tag and ends with 1; `backup` makes a backup without it and ends with 1
    too; `restore` says what it lacks."""
    upper = FLAWED.layers[0].blob
    digest = sha256(upper)
    well = run("scrub")
    assert (well.returncode, well.stderr) == (0, "")
    assert well.stdout.startswith("2 blobs (0.0 MB), 1 manifests and 0 files of advisories read: none damaged\n")
    _blob(data, upper).unlink()
    found = run("scrub")
    assert (found.returncode, found.stderr) == (1, "")
    first, second, last = found.stdout.splitlines()
    assert first.startswith(f"blob {digest}: missing: segments/")
    assert second == f"  {support.ACCOUNT} {support.REGION} team/app: v1"
    assert last.endswith(": 1 damaged")
    listed = run("scrub", "--format", "json", "--rate", "100")
    assert (listed.returncode, listed.stderr) == (1, "")
    (damaged,) = json.loads(listed.stdout)["damaged"]
    assert (damaged["kind"], damaged["name"], damaged["damage"]) == ("blob", digest, "missing")
    assert damaged["repositories"] == [
        {
            "account": support.ACCOUNT,
            "region": support.REGION,
            "name": "team/app",
            "images": [{"digest": FLAWED.digest, "tags": ["v1"]}],
        }
    ]
    assert json.loads(run("scrub", "--format", "json", "--since", f"sha256:{'f' * 64}").stdout)["blobs"] == 0
    made = run("backup", tmp_path / "backup")
    assert made.returncode == 1
    assert f"{digest} is not in the backup" in made.stderr
    assert manifest.read(tmp_path / "backup").lacking == (digest,)
    restored = hullwise("restore", tmp_path / "backup", "--data", tmp_path / "there")
    output(restored)
    assert f"{digest} is not there" in restored.stderr


def test_a_damaged_backup(data: Path, tmp_path: Path, hullwise: Hullwise, run: Callable[..., Done]) -> None:
    """It is refused with what is damaged and the option that restores all else, which ends with 1 and lists what is
    lacking; `backup --verify` mends it while the registry is whole."""
    folder, upper = tmp_path / "backup", FLAWED.layers[0].blob
    digest = sha256(upper)
    assert run("backup", folder).returncode == 0
    copy = next(path for path in folder.rglob("*") if path.is_file() and path.read_bytes() == upper)
    copy.write_bytes(bytes([upper[0] ^ 1]) + upper[1:])
    there = tmp_path / "there"
    refused = complaint(hullwise("restore", folder, "--data", there))
    assert refused.startswith(f"The backup is broken: {digest}: its bytes have digest sha256:")
    assert refused.endswith(". --skip-damaged restores everything else")
    skipped = hullwise("restore", folder, "--skip-damaged", "--data", there)
    assert skipped.returncode == 1
    assert "Restored the backup" in skipped.stdout and ": 1 objects (" in skipped.stdout
    first, second, last = remarks(skipped).splitlines()
    assert first.startswith(f"blob {digest} is not there: its bytes have digest sha256:")
    assert second == f"  {support.ACCOUNT} {support.REGION} team/app: v1"
    assert last.endswith("1 of the backup's contents are damaged or missing, and were skipped")
    listed = hullwise("restore", folder, "--skip-damaged", "--format", "json", "--data", tmp_path / "other")
    assert listed.returncode == 1
    found = json.loads(listed.stdout)
    assert (found["objects"], found["bytes"], found["skipped"], found["jobs"]) == (1, len(FLAWED.config), 1, 1)
    (lacking,) = found["lacking"]
    assert (lacking["kind"], lacking["name"], lacking["damage"]) == ("blob", digest, "digest")
    assert lacking["repositories"][0]["images"] == [{"digest": FLAWED.digest, "tags": ["v1"]}]
    mended = run("backup", folder, "--verify")
    assert (mended.returncode, mended.stderr) == (0, f"{digest} was damaged in the folder, and is written again\n")
    assert copy.read_bytes() == upper
    _blob(data, upper).unlink()
    copy.unlink()
    assert run("backup", folder).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["scrub", "--since", "sha256:abc"], 1),
        (["scrub", "--rate", "0"], 2),
        (["scrub", "--rate", "-1"], 2),
        (["scrub", "--rate", "nan"], 2),
        (["restore", "no-such-folder"], 2),
        (["restore", ".", "--format", "xml"], 2),
        (["backup"], 2),
    ],
)
def test_wrong_arguments(arguments: list[str], status: int, tmp_path: Path, run: Callable[..., Done]) -> None:
    """They are refused before anything is read or made."""
    done = run(*arguments)
    assert done.returncode == status
    assert done.stderr != ""
    assert not (tmp_path / "data").exists()


def test_scans_without_a_server_use_the_restored_advisories(tmp_path: Path, hullwise: Hullwise) -> None:
    """`hullwise scan` finds the head's file in a restored data folder, as it does where it was published."""
    with support.registry(tmp_path) as found:
        found.publish(osv("CVE-2024-0001", "flask"))
        settings = found.services.settings
    output(hullwise("backup", tmp_path / "backup", "--data", settings.data))
    output(hullwise("restore", tmp_path / "backup", "--data", tmp_path / "there"))
    root = tmp_path / "root"
    for name, body in python_packages(flask="1.0").items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(body)
    scanned: Any = document(hullwise("scan", root, "--format", "json", "--data", tmp_path / "there"))
    assert [finding["id"] for finding in scanned["findings"]] == ["CVE-2024-0001"]
