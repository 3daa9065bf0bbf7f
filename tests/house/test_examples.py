"""What the documentation shows works: its shell blocks run, and its options are those that `--help` prints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import httpx
import pytest

from hullwise.cli.commands import app
from hullwise.notifications.webhooks import signed
from tests.support.advisories import osv
from tests.support.commands import Hullwise
from tests.support.images import DEBIAN_12, image, layer, python_packages
from tests.support.layouts import saved_new, write_layout
from tests.support.registry import REGION, Server

ROOT = Path(__file__).parents[2]
SERVED = "127.0.0.1:5050"
"""Where the documentation's server answers."""

IMAGE = image([layer({"etc/os-release": DEBIAN_12}), layer(python_packages(Jinja2="2.10"))])


@dataclass(frozen=True)
class Example:
    """A block of shell commands that a page shows."""

    page: str
    line: int
    commands: tuple[str, ...]

    @property
    def programs(self) -> set[str]:
        return {command.split()[0] for command in self.commands}

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def examples() -> list[Example]:
    found = []
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]):
        text = path.read_text()
        for match in re.finditer(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            joined = match[1].replace("\\\n", " ")
            commands = tuple(line for line in joined.splitlines() if line.strip() and not line.startswith("#"))
            found.append(Example(path.name, text[: match.start()].count("\n") + 1, commands))
    return found


EXAMPLES = examples()
# `make` is tested by whoever runs these tests; test_docs.py looks at its targets.
RUN = [example for example in EXAMPLES if not any("make" in command.split() for command in example.commands)]


@dataclass(frozen=True)
class Terminal:
    """A shell as the reader of the page has it: the clients on PATH, the export lines pasted, the files there."""

    folder: Path
    environment: dict[str, str]
    server: Server

    def run(self, command: str) -> str:
        typed = command.replace(SERVED, self.server.host)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", typed],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
        )
        assert done.returncode == 0, f"{typed}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def terminal(server: Server, tmp_path: Path) -> Iterator[Terminal]:
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    for name in ("app", "app-layout"):
        write_layout(folder / name, IMAGE)
    saved_new(folder / "app.tar", IMAGE)
    (folder / "bus.secret").write_text("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n")
    (folder / "policy.json").write_text(shown("access.md", "210987654321"))
    for name in ("PyPI-all.zip", "npm-all.zip", "debian-tracker.json", "main.json", "app.openvex.json"):
        prepare(folder / name)
    (home / "auth.json").write_text("{}")
    environment = Hullwise(home).environment | {
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_ECR": server.url,
        "AWS_PAGER": "",
        "REGISTRY_AUTH_FILE": str(home / "auth.json"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    yield Terminal(folder, environment, server)
    client = server.client()
    with suppress(client.exceptions.RepositoryNotFoundException):
        client.delete_repository(repositoryName="team/app", force=True)


def shown(page: str, what: str) -> str:
    """The JSON block of the page that has that in it."""
    blocks = re.findall(r"^```json\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if what in block]
    return str(found)


def prepare(path: Path) -> None:
    """A small file of the form that the name stands for."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.json", json.dumps(osv(f"PYSEC-{path.stem}", "jinja2", fixed="2.11")))
    elif path.name == "app.openvex.json":
        product = {"@id": "pkg:pypi/jinja2"}
        statement = {
            "vulnerability": {"name": "CVE-2019-10906"},
            "products": [product],
            "status": "under_investigation",
        }
        about = {
            "@context": "https://openvex.dev/ns/v0.2.0",
            "@id": "https://example.org/vex",
            "author": "us",
            "version": 1,
        }
        path.write_text(json.dumps(about | {"timestamp": "2026-01-01T00:00:00Z", "statements": [statement]}))
    elif path.name == "main.json":
        fixes = {"2.6.3-r0": ["CVE-2024-45491"]}
        packages = [{"pkg": {"name": "expat", "secfixes": fixes}}]
        body = {"distroversion": "v3.20", "reponame": "main", "urlprefix": "https://x", "packages": packages}
        path.write_text(json.dumps(body))
    else:
        release = {"status": "resolved", "fixed_version": "2.5.0-1+deb12u1"}
        path.write_text(json.dumps({"expat": {"CVE-2024-45491": {"releases": {"bookworm": release}}}}))


def test_there_are_examples() -> None:
    """The pages are read as they are written: the README's blocks are among those that run."""
    assert {program for example in RUN for program in example.programs} == {"aws", "curl", "hullwise", "skopeo"}
    assert [example.page for example in EXAMPLES].count("README.md") == 4


def instead_of_skopeo(terminal: Terminal, command: str) -> None:
    """Push as `skopeo copy` would, and wait until the scan has ended."""
    match = re.search(rf"docker://{re.escape(SERVED)}/(\S+):(\S+)", command)
    assert match is not None, command
    terminal.server.push(match[1], IMAGE, match[2])
    terminal.server.wait_for_scan(match[1], match[2])


@pytest.mark.parametrize("example", RUN, ids=str)
def test_an_example_runs(terminal: Terminal, example: Example) -> None:
    """Every command of a block works in the block's order, where what it names is there."""
    if example.page in {"events.md", "operations.md"}:
        # Its reader has an installation, and in it an account.
        terminal.run("hullwise keys create")
    for command in example.commands:
        if command.startswith("skopeo"):
            instead_of_skopeo(terminal, command)
        else:
            terminal.run(command)


@pytest.mark.wire
@pytest.mark.parametrize("example", [example for example in RUN if "skopeo" in example.programs], ids=str)
def test_an_example_runs_with_skopeo(terminal: Terminal, example: Example) -> None:
    """After the login that the table of clients shows, also those commands that need skopeo."""
    login = "skopeo login --tls-verify=false --username AWS --password-stdin"
    terminal.run(f"aws ecr get-login-password | {login} {SERVED}")
    for command in example.commands:
        terminal.run(command)


def test_the_table_of_clients_shows_a_login_that_works(terminal: Terminal) -> None:
    """The password that its docker line pipes is taken by the registry, as user AWS."""
    text = (ROOT / "README.md").read_text()
    match = re.search(r"`(aws ecr get-login-password) \\\| docker login --username (\w+) --password-stdin", text)
    assert match is not None
    password = terminal.run(match[1]).strip()
    assert httpx.get(f"{terminal.server.url}/v2/", auth=(match[2], password)).status_code == 200


def test_the_manual_names_the_members_of_the_json_object(terminal: Terminal) -> None:
    """Its table and what `hullwise scan --format json` prints have the same members."""
    printed = json.loads(terminal.run("hullwise scan ./app.tar --format json"))
    text = (ROOT / "docs" / "operations.md").read_text()
    table = text[text.index("| member of `--format json` |") :].partition("\n\n")[0].splitlines()[2:]
    rows = dict(line.strip("| ").split(" | ", 1) for line in table)
    assert set(printed) == {name for row in rows for name in re.findall(r"`([a-z]+)(?:\[\])?`", row)}
    for member in ("packages", "findings"):
        assert printed[member] != []
        assert {name for item in printed[member] for name in item} == set(re.findall(r"`(\w+)`", rows[f"`{member}[]`"]))


def test_the_manual_verifies_what_is_sent() -> None:
    """Its lines take a delivery as it is signed, and refuse another body, another secret and an old one."""
    text = (ROOT / "docs" / "events.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    shown: dict[str, Any] = {}
    exec(block, shown)
    secret, body, now = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"id":"a"}', datetime.now(UTC)
    headers = signed(secret, "a", now, body)
    assert shown["genuine"](secret, headers, body)
    assert shown["genuine"](secret, headers | {"webhook-signature": f"v1,AAAA {headers['webhook-signature']}"}, body)
    assert not shown["genuine"](secret, headers, body + b" ")
    assert not shown["genuine"]("whsec_AAAA", headers, body)
    assert not shown["genuine"](secret, signed(secret, "a", now - timedelta(minutes=6), body), body)


def test_the_help_in_the_manual_is_the_help_that_is_printed() -> None:
    """Each option of each command has its row in the manual, with the same words, and no row is of another."""
    printed = set()

    def visit(command: click.Command, path: str) -> None:
        if isinstance(command, click.Group):
            for name, child in command.commands.items():
                visit(child, f"{path} {name}")
            return
        for option in command.params:
            if isinstance(option, click.Option):
                printed.add(f"| `{path}` | `{option.opts[0]}` | {option.help} |")

    visit(app, "hullwise")
    text = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"^\| `hullwise [^|]*` \| `--[^|]*\|[^|]*\|$", text, re.MULTILINE)) == printed


def test_help_does_not_import_what_it_describes() -> None:
    """`--help` answers without the database, the web server or the readers: it is what shells complete with."""
    command = [sys.executable, "-X", "importtime", "-m", "hullwise", "scan", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "--platform" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {name for name in loaded if name.startswith("hullwise")} <= {
        "hullwise",
        "hullwise.__main__",
        "hullwise.cli",
        "hullwise.cli.commands",
        "hullwise.cli.failures",
        "hullwise.cli.loading",
        "hullwise.cli.texts",
        "hullwise.domain",
        "hullwise.domain.errors",
        "hullwise.domain.moments",
    }
