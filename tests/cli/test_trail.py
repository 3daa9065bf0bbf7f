"""The audit trail of commands: what standard error has of each change, and of nothing else."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hullwise.app import now
from hullwise.domain.names import repository_arn
from hullwise.jobs import durable
from hullwise.registry import images as image_rules
from tests.cli.conftest import JINJA
from tests.support import registry as support
from tests.support.advisories import write
from tests.support.commands import Done, in_process, output
from tests.support.images import image, layer, python_packages
from tests.support.layouts import write_layout
from tests.support.registry import ACCOUNT, REGION

Run = Callable[..., Done]
RECEIVER = ("events", "receivers", "add", "https://hooks.example/hullwise?token=hunter2")
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command on a data folder of its own, with its log in JSON."""
    monkeypatch.setenv("HULLWISE_LOG_FORMAT", "json")
    monkeypatch.delenv("SUDO_USER", raising=False)
    return in_process(tmp_path / "data", capsys)


def lines(done: Done) -> list[dict[str, Any]]:
    """The trail on standard error, without the moments, and without what each line has of the user."""
    output(done)
    found = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    for line in found:
        del line["timestamp"]
    trail = [line for line in found if line["event"] == "changed"]
    for line in trail:
        assert (line.pop("event"), line.pop("level"), line.pop("system_user")) == ("changed", "info", ME)
    return trail


def test_a_key_is_made_and_revoked(run: Run) -> None:
    """Each is a line, which does not hold the secret; standard output is what it was. A look at the keys is none."""
    made = run("keys", "create", "--format", "json")
    key = json.loads(made.stdout)
    (line,) = lines(made)
    assert line == {"operation": "hullwise keys create", "account": key["account"], "what": key["access_key_id"]}
    assert key["secret_access_key"] not in made.stderr
    assert lines(run("keys", "list")) == []
    revoked = run("keys", "revoke", key["access_key_id"])
    assert revoked.stdout == f"{key['access_key_id']} is revoked\n"
    assert lines(revoked) == [{"operation": "hullwise keys revoke", "what": key["access_key_id"]}]


def test_what_fails_is_no_line(run: Run) -> None:
    for done in (run("keys", "create", "--allow", "pull", "--policy", __file__), run("keys", "revoke", "AKIA")):
        assert done.returncode == 1
        assert "changed" not in done.stderr


def test_rules_documents_and_receivers(run: Run, tmp_path: Path) -> None:
    """By account and number. Of a receiver's URL, which may hold a secret, nothing."""
    account = json.loads(run("keys", "create", "--format", "json").stdout)["account"]
    vex = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex-1",
        "author": "Example",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": "CVE-2024-0001"},
                "products": [{"@id": "pkg:pypi/flask"}],
                "status": "fixed",
            }
        ],
    }
    (tmp_path / "vex.json").write_text(json.dumps(vex))
    made = [
        (("ignore", "add", "CVE-2024-0001", "--reason", "why"), "ignore add", "1"),
        (("ignore", "remove", "1"), "ignore remove", "1"),
        (("vex", "add", tmp_path / "vex.json"), "vex add", "1"),
        (("vex", "remove", "1"), "vex remove", "1"),
        (RECEIVER, "events receivers add", "1"),
        (("events", "receivers", "remove", "1"), "events receivers remove", "1"),
    ]
    for arguments, operation, what in made:
        done = run(*arguments)
        assert lines(done) == [{"operation": f"hullwise {operation}", "account": account, "what": what}]
        assert "hunter2" not in done.stderr
    for listing in (("ignore", "list"), ("vex", "list"), ("events", "receivers", "list"), ("events", "replay")):
        assert lines(run(*listing)) == []


def test_images_and_advisories(run: Run, tmp_path: Path) -> None:
    """Of an import; of none that is only shown, or brings nothing."""
    app = image([layer(python_packages(jinja2="2.10"))])
    write_layout(tmp_path / "layout", app)
    account = json.loads(run("keys", "create", "--format", "json").stdout)["account"]
    importing = ("import", "layout", tmp_path / "layout", "app")
    assert lines(run(*importing, "--dry-run")) == []
    (line,) = lines(run(*importing))
    assert (line["operation"], line["account"]) == ("hullwise import layout", account)
    assert line["what"].startswith("1 manifests, ")
    assert lines(run(*importing)) == []
    advisories = ("advisories", "import", write(tmp_path / "advisories", JINJA))
    (line,) = lines(run(*advisories))
    assert line == {"operation": "hullwise advisories import", "what": "generation 2"}
    assert lines(run(*advisories)) == []


def test_what_is_done_to_one_image(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bill of materials that is kept, and a deletion that is undone: with the repository and the digest."""
    app = image([layer(python_packages(jinja2="2.10"))])
    with support.registry(tmp_path / "own") as registry:
        registry.clock.moment = now()  # commands have the machine's
        own = in_process(registry.services.settings.data, capsys)
        durable.prepare(registry.services.database, registry.services.settings.locks)
        output(own("keys", "create", "--account", ACCOUNT))
        registry.publish(JINJA)
        where = registry.repository("app")
        stored = registry.push(where, app)
        registry.work()
        attached = own("sbom", "app", "--attach")
        known = {"account": ACCOUNT, "repository": repository_arn(ACCOUNT, REGION, "app")}
        kept = {"operation": "hullwise sbom", **known, "what": attached.stdout.strip()}
        assert lines(attached) == [kept]
        assert lines(own("sbom", "app")) == []
        services = registry.services
        services.database.run(lambda tx: image_rules.delete(tx, services, where, stored, "tests"))
        restored = own("deletions", "restore", "app", "1")
        assert lines(restored) == [{"operation": "hullwise deletions restore", **known, "what": app.digest}]


def test_a_whole_installation(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A backup changes nothing of it; a restored one begins with a line. A key for bundles is made once."""
    output(run("keys", "create"))
    (line,) = lines(run("advisories", "key"))
    assert line["operation"] == "hullwise advisories key"
    assert lines(run("advisories", "key")) == []
    assert lines(run("backup", tmp_path / "backup")) == []
    (line,) = lines(in_process(tmp_path / "other", capsys)("restore", tmp_path / "backup"))
    assert line["operation"] == "hullwise restore"
    assert line["what"].startswith("backup of 20")


def test_what_is_sent_to_a_receiver(run: Run) -> None:
    output(run("keys", "create"))
    output(run(*RECEIVER))
    tested = run("events", "test", "1")
    (line,) = lines(tested)
    assert (line["operation"], line["what"]) == ("hullwise events test", tested.stdout.split()[1])
    (line,) = lines(run("events", "replay", line["what"]))
    assert (line["operation"], line["what"]) == ("hullwise events replay", "1 deliveries")


def test_who_became_root_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what sudo says, which nobody but root is believed."""
    monkeypatch.setenv("SUDO_USER", "ada")
    monkeypatch.setenv("LOGNAME", "somebody")
    (line,) = lines(run("keys", "create"))
    assert line.get("sudo_user") == ("ada" if os.getuid() == 0 else None)
