"""`hullwise ignore` and `hullwise vex`: what somebody says of findings from a shell, beside a server and without."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from hullwise.advisories.vex.document import DOCUMENT_LIMIT
from hullwise.cli.opening import prepare
from hullwise.settings import load
from tests.support.commands import Done, complaint, in_process, output, remarks
from tests.support.images import image, layer, python_packages
from tests.support.registry import Server

ACCOUNT, OTHER = "123456789012", "210987654321"

# Of the bundled advisories two are about Jinja2 2.10: CVE-2019-10906 (HIGH) and CVE-2024-22195 (MEDIUM).
JINJA = image([layer(python_packages(Jinja2="2.10"))])
HIGH = "CVE-2019-10906"

STATEMENT = {"vulnerability": {"name": HIGH}, "products": [{"@id": "pkg:pypi/jinja2@2.10"}], "status": "fixed"}
OPENVEX: dict[str, Any] = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://example.org/vex/1",
    "author": "Vendor",
    "timestamp": "2026-01-01T00:00:00Z",
    "version": 1,
    "statements": [STATEMENT],
}


Run = Callable[..., Done]


@pytest.fixture
def hullwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on a data folder of its own, in this process: a new one takes a second to begin."""

    return in_process(tmp_path / "data", capsys)


@pytest.fixture
def known(hullwise: Run) -> Run:
    """The command, with a key of one account."""
    made = hullwise("keys", "create", "--account", ACCOUNT)
    assert made.returncode == 0, made.stderr
    return hullwise


def document(folder: Path, **members: Any) -> Path:
    path = folder / "app.openvex.json"
    path.write_text(json.dumps({**OPENVEX, **members}))
    return path


def test_rules_are_added_listed_and_removed(known: Run) -> None:
    """A rule's criteria, scope, end, reason and author on a line each, oldest first, until it is removed, once."""
    assert output(known("ignore", "list")) == ""
    early = known("ignore", "add", "CVE-2024-0001", "--reason", "not reachable")
    assert output(early) == "rule 1 is in force\n"
    unknown = "no advisory that is loaded has the id CVE-2024-0001: the rule fits nothing until one does\n"
    assert remarks(early) == unknown
    criteria = ("--package", "flask", "--fixable", "no", "--repository", "team/*", "--author", "Ada")
    added = output(known("ignore", "add", *criteria, "--reason", "accepted", "--expires", "30d"))
    ends = datetime.now(UTC) + timedelta(days=30)
    found = re.fullmatch(r"rule 2 is in force until (\d{4}-\d\d-\d\d \d\d:\d\d)\n", added)
    assert found is not None, added
    assert abs(datetime.fromisoformat(found[1] + "Z") - ends) < timedelta(minutes=2)
    first, second = output(known("ignore", "list")).splitlines()
    assert first.startswith("    1  CVE-2024-0001  not reachable (")
    assert second == f"    2  flask without a fix  in team/*  until {found[1]}  accepted (Ada)"
    assert output(known("ignore", "remove", "1")) == "rule 1 is taken back\n"
    assert complaint(known("ignore", "remove", "1")) == "There is no ignore rule 1"
    assert output(known("ignore", "list")).splitlines() == [second]


def test_documents_are_added_listed_and_removed(known: Run, tmp_path: Path) -> None:
    """What of it is used and, by reason, what is not; a document of the same name takes its place."""
    assert output(known("vex", "list")) == ""
    unusable = {**STATEMENT, "products": [{"@id": "some words"}]}
    path = document(tmp_path, statements=[STATEMENT, STATEMENT, unusable])
    added = output(known("vex", "add", path)).splitlines()
    assert added[0] == "document 1 is in force: 2 statements of https://example.org/vex/1"
    assert added[1:] == [f"  not used: {HIGH}: product has no package URL"]
    replacing = output(known("vex", "add", path)).splitlines()[0]
    assert replacing == "document 2 is in force: 2 statements of https://example.org/vex/1; it replaces document 1"
    path = document(tmp_path, **{"@id": "second"})
    assert output(known("vex", "add", path, "--repository", "team/*")).startswith("document 3 is in force: ")
    assert output(known("vex", "list")).splitlines() == [
        "    2  openvex        2 statements  https://example.org/vex/1  (Vendor)",
        "    3  openvex        1 statements  second  in team/*  (Vendor)",
    ]
    assert output(known("vex", "remove", "2")) == "document 2 is taken back\n"
    assert complaint(known("vex", "remove", "1")) == "There is no VEX document 1"
    assert complaint(known("vex", "remove", "2")) == "There is no VEX document 2"


def test_each_account_has_its_own(known: Run, tmp_path: Path) -> None:
    """`--account` says whose; without it, that of the first key. Nobody sees or removes another's."""
    output(known("keys", "create", "--account", OTHER))
    output(known("ignore", "add", "CVE-2024-0001", "--reason", "first"))
    output(known("ignore", "add", "CVE-2024-0002", "--reason", "second", "--account", OTHER))
    output(known("vex", "add", document(tmp_path), "--account", OTHER))
    assert "first" in output(known("ignore", "list"))
    assert "second" not in output(known("ignore", "list", "--account", ACCOUNT))
    (line,) = output(known("ignore", "list", "--account", OTHER)).splitlines()
    assert line.startswith("    2  CVE-2024-0002  second (")
    assert output(known("vex", "list")) == ""
    assert complaint(known("ignore", "remove", "2")) == "There is no ignore rule 2"
    assert complaint(known("vex", "remove", "1")) == "There is no VEX document 1"
    output(known("ignore", "remove", "2", "--account", OTHER))
    output(known("vex", "remove", "1", "--account", OTHER))


def test_there_has_to_be_an_account(hullwise: Run, tmp_path: Path) -> None:
    """Without a key, and for an account without one, a command says so in a line."""
    data = tmp_path / "data"
    prepare(load({"data": data}, {}))
    none = f"there is no account yet in {data}; `hullwise keys create --data {data}` makes one"
    assert complaint(hullwise("ignore", "add", "CVE-2024-0001", "--reason", "r")) == none
    assert complaint(hullwise("vex", "add", document(tmp_path))) == none
    for account in ("12", OTHER):
        said = complaint(hullwise("ignore", "list", "--account", account))
        assert said == f"there is no account {account}"


def until(done: Done) -> datetime:
    """The end of a rule that was added, to the minute."""
    said = output(done)
    found = re.fullmatch(r"rule \d+ is in force until (\d{4}-\d\d-\d\d \d\d:\d\d)\n", said)
    assert found is not None, said
    return datetime.fromisoformat(found[1] + "Z")


ADD = ("ignore", "add", "CVE-2024-0001", "--reason", "not reachable")


def test_ends_that_are_some(known: Run) -> None:
    """Spans of hours, days and weeks from now; dates and moments of RFC 3339, without a time zone as the shell's."""
    now = datetime.now(UTC)
    spans = {"1h": timedelta(hours=1), "12h": timedelta(hours=12), "30d": timedelta(days=30), "6w": timedelta(weeks=6)}
    for text, span in spans.items():
        assert abs(until(known(*ADD, "--expires", text)) - now - span) < timedelta(minutes=2)
    moments = {
        "2100-01-01": datetime(2100, 1, 1).astimezone(),
        "2100-01-01T12:30": datetime(2100, 1, 1, 12, 30).astimezone(),
        "2100-01-01T12:30:00Z": datetime(2100, 1, 1, 12, 30, tzinfo=UTC),
        "2100-01-01T12:30:00+02:00": datetime(2100, 1, 1, 10, 30, tzinfo=UTC),
    }
    for text, moment in moments.items():
        assert until(known(*ADD, "--expires", text)) == moment


NO_END = [
    "",
    "soon",
    "0d",
    "-1d",
    "1.5h",
    "30",
    "d",
    "30 d",
    "30m",
    "٣d",
    "2100-13-01",
    "2100-02-30",
    "1d; ls",
    "9" * 30,
]
BEYOND = ["0001-01-01", "9999-12-31T23:59:59-12:00", "9999-12-31", "2020-01-01", "2020-01-01T00:00:00Z"]


def test_ends_that_are_none(known: Run) -> None:
    """What is neither, what is past and what is beyond all years is refused in one line; no rule is made."""
    for text in NO_END:
        said = complaint(known(*ADD, f"--expires={text}"))
        assert said == f"--expires: '{text}' is neither a span such as 30d nor a date"
    for text in BEYOND:
        assert re.match("(--expires|expiresAt): ", complaint(known(*ADD, f"--expires={text}")))
    assert output(known("ignore", "list")) == ""


def test_wrong_arguments_are_one_line(known: Run, tmp_path: Path) -> None:
    """A rule that fits everything, an unreadable end, bytes that are no text, numbers beyond all, and files that are no
    document."""
    add = ("ignore", "add")
    assert complaint(known(*add, "--reason", "r")).startswith("vulnerability: a rule needs ")
    assert complaint(known(*add, "CVE-1", "--reason", " ")) == "reason: must be given"
    assert complaint(known(*add, "CVE-1", "--reason", "r", "--repository", "Team")).startswith("repository: must be ")
    said = complaint(known(*add, "CVE-1", "--reason", "r", "--expires", "\x1b[31m\nsoon"))
    assert said.startswith("--expires: ")
    assert said.isprintable()
    assert complaint(known(*add, "CVE-1", "--reason", os.fsdecode(b"\xff"))).startswith("reason: must ")
    assert complaint(known(*add, os.fsdecode(b"\xff"), "--reason", "r")).startswith("vulnerability: must ")
    for number in (str(2**63), "9" * 40):
        assert complaint(known("ignore", "remove", number)) == f"There is no ignore rule {number}"
        assert complaint(known("vex", "remove", number)) == f"There is no VEX document {number}"
    path = tmp_path / "file"
    for body in (b"", b"\0" * 100, b"[]", json.dumps({**OPENVEX, "statements": []}).encode()):
        path.write_bytes(body)
        assert complaint(known("vex", "add", path)).startswith("document: ")
    misspelt = document(tmp_path, statements=[STATEMENT | {"status": "not_afected"}])
    said = complaint(known("vex", "add", misspelt))
    assert said == f"document: none of its statements can be used; {HIGH}: status is not known"
    with path.open("wb") as file:
        file.truncate(DOCUMENT_LIMIT + 1)
    assert complaint(known("vex", "add", path)) == f"document: over {DOCUMENT_LIMIT} bytes"
    assert complaint(known("vex", "add", Path("/dev/zero"))) == f"document: over {DOCUMENT_LIMIT} bytes"


def test_output_is_printable(known: Run, tmp_path: Path) -> None:
    """Whatever escape sequences and line breaks texts of others hold, a terminal gets lines without any."""
    red = "\x1b[31mred\x07\r\nnext\u202e"
    output(known("ignore", "add", "CVE-2024-0001", "--reason", red))
    path = document(tmp_path, **{"@id": f"https://example.org/{red}", "author": red})
    shown = [output(known("vex", "add", path)), output(known("vex", "list")), output(known("ignore", "list"))]
    for text in shown:
        (line,) = text.splitlines()
        assert line.isprintable(), text
        assert "red" in line


def test_a_running_server_heeds_them(server: Server, http_client: httpx.Client, tmp_path: Path) -> None:
    """On the data of a running server a rule and a document work at once, and its API lists them."""
    ecr = server.client()
    ecr.create_repository(repositoryName="cli/overlays", imageScanningConfiguration={"scanOnPush": True})
    server.push("cli/overlays", JINJA)

    def counts() -> dict[str, int]:
        found: dict[str, int] = server.wait_for_scan("cli/overlays")["imageScanFindings"]["findingSeverityCounts"]
        return found

    assert counts() == {"HIGH": 1, "MEDIUM": 1}
    scope = ("--repository", "cli/*")
    added = output(server.run("ignore", "add", "--package", "jinja2", *scope, "--reason", "no templates"))
    number = added.split()[1]
    assert counts() == {}
    listed = http_client.get("/api/v1/ignore-rules").json()["ignoreRules"]
    assert [each["reason"] for each in listed if each["id"] == int(number)] == ["no templates"]
    output(server.run("ignore", "remove", number))
    assert counts() == {"HIGH": 1, "MEDIUM": 1}
    number = output(server.run("vex", "add", str(document(tmp_path)), *scope)).split()[1]
    assert counts() == {"MEDIUM": 1}
    assert f"{number:>5}  openvex" in output(server.run("vex", "list", "--account", server.account))
    output(server.run("vex", "remove", number))
    assert counts() == {"HIGH": 1, "MEDIUM": 1}


@pytest.fixture
def http_client(server: Server) -> Any:
    with server.http() as client:
        yield client
