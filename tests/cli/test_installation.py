"""What a command says of an installation that is not there, or that it cannot work on: one line, and nothing made."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from hullwise import app
from hullwise.auth import keys
from hullwise.cli.opening import opened, prepare
from hullwise.notifications import receivers
from hullwise.settings import load
from hullwise.upkeep import backup
from tests.support.commands import Done, Hullwise, complaint, in_process, output
from tests.support.images import image, layer, python_packages
from tests.support.layouts import write_layout
from tests.support.postgres import new_database

Run = Callable[..., Done]
ACCOUNT = "123456789012"
# linux/capability.h, linux/prctl.h
_DAC_OVERRIDE, _DAC_READ_SEARCH, _PR_CAPBSET_DROP = 1, 2, 24


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on a data folder that is not there yet, in this process."""
    return in_process(tmp_path / "data", capsys)


@pytest.fixture
def known(run: Run) -> Run:
    """The same, on an installation that has a key."""
    output(run("keys", "create", "--account", ACCOUNT))
    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


EXISTING = [
    ["worker"],
    ["findings", "team/app:1"],
    ["images", "--vulnerability", "CVE-2024-0001"],
    ["explain", "team/app:1", "CVE-2024-0001"],
    ["sbom", "team/app:1"],
    ["collect-garbage"],
    ["collect-garbage", "--dry-run"],
    ["deletions", "list", "team/app"],
    ["deletions", "restore", "team/app", "1"],
    ["quota"],
    ["backup", "weekly"],
    ["scrub"],
    ["keys", "list"],
    ["keys", "revoke", "AKIA"],
    ["import", "registry", "https://registry.example"],
    ["ignore", "add", "CVE-2024-0001", "--reason", "r"],
    ["ignore", "list"],
    ["ignore", "remove", "1"],
    ["vex", "list"],
    ["vex", "remove", "1"],
    ["events", "receivers", "add", "https://hooks.example"],
    ["events", "receivers", "list"],
    ["events", "receivers", "remove", "1"],
    ["events", "dead"],
    ["events", "replay"],
    ["events", "test", "1"],
    ["advisories", "key"],
    ["advisories", "export", "out.hwbundle"],
    ["advisories", "diff", "1", "2"],
    ["advisories", "status"],
]


@pytest.mark.parametrize("arguments", EXISTING, ids=" ".join)
def test_no_installation_is_made_by_a_mistyped_folder(
    run: Run, data: Path, tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that was looked in is named, and how to name another."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert complaint(run(*arguments)) == (
        f"there is no installation in {data}; --data or HULLWISE_DATA names another folder, `hullwise serve` begins one"
    )
    assert [*tmp_path.rglob("*")] == [tmp_path / "here"]


def test_an_installation_on_postgresql_is_in_its_database(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the data folder, which another machine does not have yet. An empty database stays empty."""
    url = new_database()
    monkeypatch.setenv("HULLWISE_DATABASE_URL", url)
    said = complaint(run("quota"))
    assert "there is no installation in the database that HULLWISE_DATABASE_URL names" in said
    assert str(data) in said
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
    engine.dispose()
    assert not data.exists()
    prepare(load({"data": data, "database_url": url}, {}))
    shutil.rmtree(data)
    assert "No scan was counted yet." in output(run("quota"))


def test_a_secret_that_is_missing_is_not_made_anew(known: Run, data: Path, tmp_path: Path) -> None:
    """What is sealed could never be opened again. The file is named. Keys are listed and revoked without it; where none
    is left, a new one may begin."""
    (data / "secret.key").unlink()
    expected = (
        f"{data / 'secret.key'} is missing, and what is stored is sealed with the secret key in it: put it back from a "
        "backup, or set HULLWISE_SECRET_KEY to what it held"
    )
    for arguments in (["serve", "--port", "0"], ["worker"], ["keys", "create"], ["backup", str(tmp_path / "backup")]):
        assert complaint(known(*arguments)) == expected
    assert not (data / "secret.key").exists()
    assert not (tmp_path / "backup").exists()
    output(known("keys", "revoke", output(known("keys", "list")).split()[0]))
    output(known("keys", "create"))
    assert (data / "secret.key").exists()


def test_a_secret_that_fits_nothing_is_refused(known: Run, data: Path, tmp_path: Path) -> None:
    """By all that would seal something more with it, or keep it as the one that opens this."""
    (data / "secret.key").write_text("11" * 32)
    for arguments in (["serve", "--port", "0"], ["worker"], ["keys", "create"], ["backup", str(tmp_path / "backup")]):
        said = complaint(known(*arguments))
        assert said.startswith(
            f"{data / 'secret.key'} holds another secret key than the one that sealed what is stored"
        )
    assert not (tmp_path / "backup").exists()
    assert "active" in output(known("keys", "list"))


def test_a_blob_storage_of_something_else_is_refused(
    known: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell that lacks the server's HULLWISE_BLOBS_URL: nothing is stored where no server looks, and nothing that is
    whole is said to be damaged."""
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("HULLWISE_BLOBS_URL", str(elsewhere))
    layout = write_layout(tmp_path / "layout", image([layer(python_packages(six="1.0"))]))
    output(known("import", "layout", layout, "team/app"))
    output(known("quota"))
    monkeypatch.delenv("HULLWISE_BLOBS_URL")
    for command in (["quota"], ["scrub"], ["advisories", "import", str(layout)], ["keys", "create"]):
        said = complaint(known(*command))
        assert str(data / "blobs") in said
        assert "HULLWISE_BLOBS_URL" in said
    assert not [each for each in (data / "blobs").rglob("*") if each.is_file()]


def test_receivers_are_sealed_too(known: Run, data: Path) -> None:
    """A secret that opens those alone is the right one; without it none is made."""
    settings = load({"data": data}, {})
    services = app.build(settings)
    with services.database.write() as tx:
        receivers.add_webhook(tx, services, ACCOUNT, url="https://hooks.example/", kinds=[])
    services.database.close()
    output(known("keys", "revoke", output(known("keys", "list")).split()[0]))
    kept = (data / "secret.key").read_bytes()
    (data / "secret.key").unlink()
    assert "secret.key is missing" in complaint(known("quota"))
    (data / "secret.key").write_text("11" * 32)
    assert "holds another secret key" in complaint(known("quota"))
    (data / "secret.key").write_bytes(kept)
    output(known("quota"))


def test_a_backup_whose_secret_opens_nothing_is_not_restored(known: Run, data: Path, tmp_path: Path) -> None:
    """One made before that was looked at. No row is restored."""
    (data / "secret.key").write_text("11" * 32)
    with opened(data=data, unsealing=False):
        pass
    services = app.build(load({"data": data}, {}))
    backup.make(services, tmp_path / "backup")
    services.database.close()
    there = tmp_path / "there"
    said = complaint(Hullwise(tmp_path)("restore", tmp_path / "backup", "--data", there))
    assert said == (
        "The backup was made with the wrong secret.key, and the backup's access keys are sealed with another"
    )
    restored = app.build(load({"data": there}, {}))
    with restored.database.read() as tx:
        assert keys.sealed(tx) == []
    restored.database.close()


@pytest.mark.parametrize("damage", ["junk", "cut off"])
def test_a_damaged_database_is_one_line(known: Run, data: Path, damage: str) -> None:
    """It names the file and what helps, for the server and for each command."""
    file = data / "hullwise.sqlite"
    body = file.read_bytes()
    file.write_bytes(b"no database " * 1_000 if damage == "junk" else body[: len(body) // 4096 // 2 * 4096])
    why = {"junk": "file is not a database", "cut off": "database disk image is malformed"}[damage]
    for arguments in (["serve", "--port", "0"], ["quota"], ["keys", "create"], ["scrub"], ["advisories", "status"]):
        assert complaint(known(*arguments)) == (
            f"{file} is damaged ({why}); `hullwise restore` brings a backup into a new data folder"
        )


def _as_others() -> None:
    """From the next program on permissions hold, as they do for all but an administrator."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
            assert libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0


def closed(folder: Path, home: Path, *arguments: str | Path) -> Done:
    """The command, while nothing may be written in the folder."""
    hullwise = Hullwise(home)
    command = [*hullwise.command, *map(str, arguments)]
    folder.chmod(0o500)
    try:
        return subprocess.run(
            command, capture_output=True, text=True, env=hullwise.environment, timeout=120, preexec_fn=_as_others
        )
    finally:
        folder.chmod(0o700)


def test_a_data_folder_that_cannot_be_written_to(known: Run, data: Path, tmp_path: Path) -> None:
    """Commands that only look write there too, and say so."""
    shutil.rmtree(data / "locks")
    said = complaint(closed(data, tmp_path, "quota", "--data", data))
    assert said == f"{data} cannot be written to (Permission denied); --data names another folder"
    (data / "locks").mkdir()
    for name in ("hullwise.sqlite-wal", "hullwise.sqlite-shm"):
        (data / name).unlink(missing_ok=True)
    said = complaint(closed(data, tmp_path, "scrub", "--data", data))
    assert re.fullmatch(rf"{data} cannot be written to \([a-z ]+\); --data names another folder", said), said


def test_a_home_that_cannot_be_written_to(hullwise: Hullwise, tmp_path: Path) -> None:
    """`scan` says how to have its cache elsewhere, `keys create` how to have the data there."""
    said = complaint(closed(hullwise.home, hullwise.home, "keys", "create"))
    data = hullwise.home / ".local/share/hullwise"
    assert said == f"{data} cannot be written to (Permission denied); --data names another folder"
    layout = write_layout(tmp_path / "layout", image([layer(python_packages(Jinja2="2.10"))]))
    said = complaint(closed(hullwise.home, hullwise.home, "scan", layout))
    cache = hullwise.home / ".cache/hullwise"
    assert said == f"{cache} cannot be written to (Permission denied); --cache names another folder"
    done = closed(hullwise.home, hullwise.home, "scan", layout, "--cache", tmp_path / "cache")
    assert "CVE-2019-10906" in output(done)
