"""`hullwise events`: receivers, dead letters and replays from a shell, and a server that delivers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hullwise import app
from hullwise.events import deliveries
from hullwise.services import Services
from hullwise.settings import load
from tests.support import registry as support
from tests.support.commands import Done, complaint, in_process, output, remarks
from tests.support.events import KEY, OK, signature
from tests.unit.remotes.server import Server

Run = Callable[..., Done]
HOOK = "https://hooks.example/hullwise"


@pytest.fixture
def known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on a data folder of its own with a key of one account, in this process."""

    run = in_process(tmp_path / "data", capsys)
    made = run("keys", "create")
    assert made.returncode == 0, made.stderr
    return run


@pytest.fixture
def services(known: Run, tmp_path: Path) -> Iterator[Services]:
    found = app.build(load({"data": tmp_path / "data", "threads": 2}, {}))
    yield found
    found.database.close()


def test_receivers_are_added_listed_and_removed(known: Run, tmp_path: Path) -> None:
    """A webhook's secret is printed once; that of a bus is read from a file and never printed."""
    assert output(known("events", "receivers", "list")) == ""
    added = known("events", "receivers", "add", f"{HOOK}?token=hunter2", "--type", "ECR Image Scan", "--type", "B")
    found = re.fullmatch(r"receiver 1  secret (whsec_[A-Za-z0-9+/]{43}=)\n", added.stdout)
    assert found is not None, added
    assert remarks(added) == "The secret is not shown again.\n"
    secret = tmp_path / "secret"
    secret.write_text(f"{KEY[1]}\n")
    bus = ("--bus", "images", "--region", "eu-west-1", "--key-id", KEY[0], "--secret-file", secret)
    url = "https://events.eu-west-1.amazonaws.com"
    assert output(known("events", "receivers", "add", url, *bus)) == "receiver 2\n"
    listed = output(known("events", "receivers", "list"))
    assert listed.splitlines() == [
        f"    1  webhook      {HOOK}?…  ECR Image Scan, B",
        f"    2  eventbridge  {url}/  bus images in eu-west-1",
    ]
    assert output(known("events", "receivers", "remove", "1")) == "receiver 1 is removed\n"
    assert complaint(known("events", "receivers", "remove", "1")) == "There is no receiver 1"
    assert output(known("events", "receivers", "list")).splitlines() == listed.splitlines()[1:]


def test_bad_receivers_are_refused(known: Run, tmp_path: Path) -> None:
    """In one line that says why, and holds no secret."""
    add = ("events", "receivers", "add")
    assert complaint(known(*add, "ftp://hooks.example")).startswith("url: ")
    assert "hunter2" not in complaint(known(*add, "https://a:hunter2@hooks.example"))
    assert complaint(known(*add, "http://10.0.0.1/")).endswith("; the setting outbound_private may allow it")
    assert complaint(known(*add, HOOK, "--key-id", "a")).endswith("are for an event bus: give --bus too")
    assert complaint(known(*add, HOOK, "--bus", "a")) == "an event bus needs --key-id and --secret-file"
    secret = tmp_path / "secret"
    for text in ("", "hunter2 hunter2", "hunter2" * 100):
        secret.write_text(text)
        said = complaint(known(*add, HOOK, "--bus", "a", "--key-id", "b", "--secret-file", secret))
        assert said == "secretAccessKey: must be 1 to 256 printable characters"


def test_dead_letters_are_listed_and_sent_again(known: Run, services: Services) -> None:
    """With their events' ids, receivers and reasons; by id, by receiver, or all."""
    output(known("events", "receivers", "add", HOOK))
    none = known("events", "dead")
    assert (output(none), none.stderr) == ("", "There are no dead letters.\n")
    said = output(known("events", "test", "1"))
    found = re.fullmatch(r"event ([0-9a-f-]{36}) is queued for receiver 1\n", said)
    assert found is not None, said
    uid = found[1]

    def die() -> None:
        now = services.clock()
        services.database.run(lambda tx: deliveries.note_dead(tx, 1, [1], "no\x1b[31m", now))

    again = {1: services.clock() + timedelta(seconds=30)}
    services.database.run(lambda tx: deliveries.note_failed(tx, 1, again, "answered 500"))
    (line,) = output(known("events", "receivers", "list")).splitlines()
    assert line == f"    1  webhook      {HOOK}  1 waiting  last failure: answered 500"
    die()
    (line,) = output(known("events", "dead")).splitlines()
    assert re.fullmatch(rf"{uid}  receiver 1  \d{{4}}-\d\d-\d\d \d\d:\d\d  Hullwise Test  2 attempts  no�\[31m", line)
    assert output(known("events", "replay", uid)) == "1 delivery is queued\n"
    die()
    assert output(known("events", "replay", "--receiver", "1")) == "1 delivery is queued\n"
    assert output(known("events", "replay")) == "0 deliveries are queued\n"
    assert complaint(known("events", "replay", "x")) == "There is no event 'x'"
    assert complaint(known("events", "replay", "--receiver", "7")) == "There is no receiver 7"
    assert complaint(known("events", "test", "7")) == "There is no receiver 7"


def test_a_server_delivers(tmp_path: Path) -> None:
    """`serve` alone is enough: what `test` queues arrives, signed with the secret that `add` printed, and its log holds
    no secret."""
    with Server() as hooks, support.server(tmp_path / "data", outbound_private="127.0.0.1") as server:
        hooks.replies("/hook", OK)
        secret = output(server.run("events", "receivers", "add", hooks.url("/hook"))).split()[-1]
        uid = output(server.run("events", "test", "1")).split()[1]
        deadline = time.monotonic() + 60
        while not hooks.asked:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (asked,) = hooks.asked
        assert asked.headers["webhook-id"] == uid
        assert asked.headers["webhook-signature"] == signature(secret, asked)
        server.process.terminate()
        assert server.process.wait(60) == 0
    assert secret not in (tmp_path / "data.log").read_text()
