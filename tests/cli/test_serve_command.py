"""`hullwise serve`: the first start, the next one, the end, and what keeps it from starting."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hullwise import app
from hullwise.cli.failures import Failure, explained
from hullwise.cli.running import Note, running_url
from hullwise.cli.serve import check_certificate
from hullwise.settings import load
from hullwise.store.engine import DatabaseTooOld, check_sqlite
from tests.support import registry as support
from tests.support.certificates import Authority
from tests.support.commands import Hullwise, complaint, in_process
from tests.support.images import image, layer, python_packages
from tests.support.registry import Server


@dataclass(frozen=True)
class Served:
    """A server that somebody started in a terminal."""

    hullwise: Hullwise
    process: subprocess.Popen[str]
    said: list[str]
    """Lines of its greeting on standard output."""
    log: Path
    """Its standard error."""

    @property
    def url(self) -> str:
        match = re.match(r"Hullwise answers at (http://127\.0\.0\.1:\d+), data in (.+)$", self.said[0])
        assert match is not None, self.said
        return match[1]

    @property
    def exports(self) -> list[str]:
        return [line.strip() for line in self.said if line.startswith("    export ")]

    @property
    def data(self) -> Path:
        return self.hullwise.home / ".local/share/hullwise"


@contextmanager
def serving(hullwise: Hullwise, log: Path) -> Iterator[Served]:
    """`hullwise serve` on any port, once it has said how to log in; killed in the end unless it ended before."""
    command = [*hullwise.command, "serve", "--port", "0"]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=hullwise.environment
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said: list[str] = []
            while not said or "get-login-password" not in said[-1]:
                line = process.stdout.readline()
                assert line, log.read_text()
                said.append(line.rstrip("\n"))
            yield Served(hullwise, process, said, log)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The first start, in an empty home."""
    folder = tmp_path_factory.mktemp("first")
    with serving(Hullwise(folder), folder / "log") as served:
        yield served


def paste(served: Served, command: str) -> subprocess.CompletedProcess[str]:
    """Paste the export lines and a command into a new shell that has the AWS CLI and nothing else set."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(served.hullwise.home),
    }
    script = "\n".join(["set -eu -o pipefail", *served.exports, command])
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment)


def test_the_first_start_says_all_that_a_client_needs(first: Served) -> None:
    """Where it answers and with which data, a key pair as export lines, the login line; and it answers."""
    assert first.said[0] == f"Hullwise answers at {first.url}, data in {first.data}"
    assert re.match(r"advisories: generation 1, \d+ records, as of \d{4}-\d\d-\d\d$", first.said[1])
    assert first.said[2:5] == [
        "  This is the small bundled set. Load real data from the feeds, or from files:",
        "    hullwise advisories sync",
        "    hullwise advisories import PATH…",
    ]
    assert [line.partition("=")[0] for line in first.exports] == [
        "export AWS_ACCESS_KEY_ID",
        "export AWS_SECRET_ACCESS_KEY",
        "export AWS_DEFAULT_REGION",
        "export AWS_ENDPOINT_URL_ECR",
    ]
    assert first.exports[-1] == f"export AWS_ENDPOINT_URL_ECR={first.url}"
    host = first.url.removeprefix("http://")
    login = f"aws ecr get-login-password | docker login --username AWS --password-stdin {host}"
    assert first.said[-1].strip() == login
    with urllib.request.urlopen(f"{first.url}/healthz", timeout=5) as answer:
        assert answer.status == 200
    assert first.exports[1].partition("=")[2] not in first.log.read_text()


def test_the_printed_lines_work_when_pasted(first: Served) -> None:
    """With the AWS CLI in a shell that has nothing else set; the password that the login line pipes is taken."""
    made = paste(first, "aws ecr create-repository --repository-name pasted/app; aws ecr get-login-password >&2")
    assert made.returncode == 0, made.stderr
    host = first.url.removeprefix("http://")
    assert json.loads(made.stdout)["repository"]["repositoryUri"] == f"{host}/pasted/app"
    assert httpx.get(f"{first.url}/v2/", auth=("AWS", made.stderr.strip())).status_code == 200


USELESS = {
    "BUNDLE_KEYS": (
        f"hullwise-key:{'A' * 43},nonsense",
        "bundle_keys: 'nonsense' is no public key: hullwise-key: and 43 characters of base64url",
    ),
    "OUTBOUND_PRIVATE": (
        "mirror.internal,10.0.0.0/33",
        "outbound_private: '10.0.0.0/33' is no host name, address or network, nor a host with its port: "
        "'10.0.0.0/33' does not appear to be an IPv4 or IPv6 network",
    ),
    "OUTBOUND_PROXY": (
        "http://user:hidden@proxy:0",
        "outbound_proxy: 'proxy:0' cannot be asked: its port is out of range",
    ),
    "OUTBOUND_CERTIFICATES": (
        "/nowhere/ca.pem",
        "outbound_certificates: /nowhere/ca.pem: [Errno 2] No such file or directory",
    ),
    "RATE_LIMITS": ('{"*": 1, "PutImages": 0.1}', "rate_limits: there is no operation 'PutImages'"),
}


@pytest.mark.parametrize("name", USELESS)
@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_setting_that_cannot_be_used_is_one_line(hullwise: Hullwise, command: str, name: str) -> None:
    """Before anything is made: whoever finds it out when it is used first has believed in it until then."""
    value, said = USELESS[name]
    assert complaint(hullwise(command, **{f"HULLWISE_{name}": value})) == said
    assert not (hullwise.home / ".local").exists()


def test_settings_that_can_be_used_are_the_same(tmp_path: Path) -> None:
    """Operations that are not offered have rates too; keys, hosts and authorities are as their users take them."""
    settings = load(
        {
            "bundle_keys": [f"hullwise-key:{'A' * 43}"],
            "outbound_private": ["10.0.0.0/8", "mirror.internal:8443", "::1"],
            "outbound_proxy": "http://user:hidden@proxy:3128",
            "outbound_certificates": str(Authority(tmp_path).pem),
            "rate_limits": {"*": 1, "PutImage": 1, "GetAuthorizationToken": 1, "DescribePullThroughCacheRules": 1},
        },
        {},
    )
    assert app.checked(settings) is settings


def test_a_port_that_is_taken_is_one_line(first: Served, hullwise: Hullwise) -> None:
    """It names the address and says what to do."""
    port = first.url.rpartition(":")[2]
    said = complaint(hullwise("serve", "--port", port))
    assert said == f"cannot listen on 127.0.0.1:{port}: Address already in use; --port or HULLWISE_PORT takes another"


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_second_start_prints_no_key_and_a_signal_ends_it(
    first: Served, tmp_path: Path, number: signal.Signals
) -> None:
    """No secret is shown again, and how to make another key is; the end leaves no process, and exit status 0. The word
    of where the first one answers stays what it was."""
    with serving(first.hullwise, tmp_path / "log") as second:
        assert second.exports == []
        assert "    hullwise keys create --format env" in second.said
        assert second.url != first.url
        assert json.loads((first.data / "running.json").read_bytes()) == {"url": first.url}
        children = psutil.Process(second.process.pid).children(recursive=True)
        assert len(alive(children)) >= 2
        second.process.send_signal(number)
        assert second.process.wait(60) == 0
        assert alive(children) == []
        assert json.loads((first.data / "running.json").read_bytes()) == {"url": first.url}
        assert "Traceback" not in second.log.read_text()


def test_of_several_servers_one_is_noted(tmp_path: Path) -> None:
    """The first; when it has ended, one of those that run; and nobody's once none does, or none but a dead one's."""
    settings = load({"data": tmp_path}, {})
    first, second = Note(settings, "http://127.0.0.1:1"), Note(settings, "http://127.0.0.1:2")
    first.claim()
    second.claim()
    assert running_url(settings) == "http://127.0.0.1:1"
    first.withdraw()
    assert running_url(settings) == ""
    second.claim()
    assert running_url(settings) == "http://127.0.0.1:2"
    first.withdraw()
    assert running_url(settings) == "http://127.0.0.1:2"
    second.withdraw()
    assert not (tmp_path / "running.json").exists()
    (tmp_path / "running.json").write_text('{"url": "http://127.0.0.1:3"}')
    first.claim()
    assert running_url(settings) == "http://127.0.0.1:1"
    first.withdraw()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_it_starts_ends_it(hullwise: Hullwise, tmp_path: Path, number: signal.Signals) -> None:
    """Before it is ready, too: no process is left behind, no failure is told, and the status is that of such an end."""
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*hullwise.command, "serve", "--port", "0"], stdout=log, stderr=log, env=hullwise.environment
        )
        try:
            deadline = time.monotonic() + 120
            while not (children := psutil.Process(process.pid).children(recursive=True)):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(number)
            assert process.wait(60) == 128 + number
        finally:
            process.kill()
    assert alive(children) == []
    said = (tmp_path / "log").read_text()
    assert "hullwise:" not in said
    assert "Traceback" not in said


def test_a_process_that_dies_is_a_line_of_the_log(hullwise: Hullwise, tmp_path: Path) -> None:
    """In the form that is set, as every other line; it names the process and how it ended."""
    with serving(replace(hullwise, settings={"HULLWISE_LOG_FORMAT": "json"}), tmp_path / "log") as served:
        (worker,) = [
            child for child in psutil.Process(served.process.pid).children() if child.cmdline()[-1] == "worker"
        ]
        worker.kill()
        deadline = time.monotonic() + 60
        while "starting it again" not in (tmp_path / "log").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (found,) = [line for line in lines if line["event"] == "process ended; starting it again"]
    assert (found["process"], found["status"], found["level"]) == ("worker", -signal.SIGKILL, "error")


def _pem(folder: Path) -> dict[str, Path]:
    """A certificate with its key, the key of another, what is none of both, and one behind a password."""
    certified, other = Authority(folder).certificate("localhost"), Authority(folder).certificate("other")
    (folder / "notes.txt").write_text("nothing of the kind")
    encrypted = folder / "encrypted.pem"
    encrypted.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )
    return {
        "certificate": certified,
        "other": other,
        "notes": folder / "notes.txt",
        "encrypted": encrypted,
        "missing": folder / "missing.pem",
        "folder": folder,
    }


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        ("certificate", "other", "{key} is not the private key of the certificate in {certificate}"),
        ("missing", "certificate", "{certificate}: No such file or directory"),
        ("certificate", "missing", "{key}: No such file or directory"),
        ("certificate", "folder", "{key}: Is a directory"),
        ("notes", "certificate", "{certificate} holds no certificate in PEM form"),
        ("certificate", "notes", "{key} holds no private key in PEM form"),
        ("certificate", "encrypted", "{key} is encrypted: tls_key must need no password"),
    ],
)
def test_a_certificate_that_cannot_serve_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], certificate: str, key: str, expected: str
) -> None:
    """At once: no process was started and nothing was made."""
    files = _pem(tmp_path)
    named = {"certificate": files[certificate], "key": files[key]}
    run = in_process(tmp_path / "data", capsys)
    said = complaint(run("serve", "--tls-cert", named["certificate"], "--tls-key", named["key"]))
    assert said == expected.format(**named)
    assert not (tmp_path / "data").exists()


def test_a_certificate_of_an_authority_can_serve(tmp_path: Path) -> None:
    """With its key in another file, or in the same."""
    file = str(Authority(tmp_path).certificate("localhost"))
    check_certificate(file, file)


def served_certificate(server: Server) -> str:
    host, _, port = server.host.partition(":")
    return ssl.get_server_certificate((host, int(port)))


def until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_renewed_certificate_is_used_after_a_signal(tmp_path: Path) -> None:
    """By every API process, which goes on with the connections that it has; files that cannot be used change nothing,
    and are told."""
    authority, log = Authority(tmp_path), tmp_path / "data.log"
    file = authority.certificate("127.0.0.1")
    settings = {"tls_cert": str(file), "tls_key": str(file), "api_processes": "2"}
    with support.server(tmp_path / "data", authority.pem, **settings) as server, server.http() as client:
        assert client.get("/v2/").status_code == 200
        first, children = served_certificate(server), psutil.Process(server.process.pid).children()
        authority.certificate("127.0.0.1")
        assert served_certificate(server) == first
        server.process.send_signal(signal.SIGHUP)
        until(lambda: log.read_text().count("the certificate is read again") == 1)
        until(lambda: first not in {served_certificate(server) for _ in range(20)})
        second = served_certificate(server)
        assert client.get("/v2/").status_code == 200
        file.write_text("damaged")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "the certificate could not be read again; the one before stays in use" in log.read_text())
        assert {served_certificate(server) for _ in range(20)} == {second}
        assert client.get("/v2/").status_code == 200
        assert alive(children) == children
        assert (server.data / "running.json").exists()


def test_a_variable_that_is_no_setting_is_told_once(hullwise: Hullwise, tmp_path: Path) -> None:
    """By the server, and not again by the processes that it starts."""
    strange = {"HULLWISE_POTR": "1", "HULLWISE_NOTHING_LIKE_IT": "x", "HULLWISE_CONFIG": ""}
    with serving(replace(hullwise, settings=strange), tmp_path / "log"):
        pass
    log = (tmp_path / "log").read_text()
    assert log.count("HULLWISE_POTR is no setting and changes nothing; HULLWISE_PORT is one") == 1
    assert log.count("HULLWISE_NOTHING_LIKE_IT is no setting and changes nothing\n") == 1
    assert log.count("is no setting") == 2


WRONG = {
    "a port that is none": ({"HULLWISE_PORT": "http"}, "port: must be a whole number"),
    "a word that is none of the choices": ({"HULLWISE_DURABILITY": "some"}, "durability: must be one of full, fast"),
    "a database": (
        {"HULLWISE_DATABASE_URL": "mysql://localhost"},
        "database_url: must begin with postgresql:// or postgresql+psycopg:// or sqlite:///",
    ),
    "a secret": ({"HULLWISE_SECRET_KEY": "ab"}, "HULLWISE_SECRET_KEY must hold 32 bytes as hex"),
    "a file that is not there": ({"HULLWISE_CONFIG": "/no/such.toml"}, "/no/such.toml: No such file or directory"),
    "an address": ({"HULLWISE_HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1:5050: Cannot assign requested address"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_one_line(hullwise: Hullwise, case: str) -> None:
    """It names the setting and what it must be; nothing of a value that may be secret is shown."""
    settings, expected = WRONG[case]
    assert complaint(hullwise("serve", **settings)) == expected


def test_a_database_that_cannot_be_reached_is_one_line(hullwise: Hullwise) -> None:
    """PostgreSQL on a port where nobody listens: the driver's words, without the password."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"postgresql://me:canary@127.0.0.1:{held.getsockname()[1]}/hullwise"
        said = complaint(hullwise("serve", HULLWISE_DATABASE_URL=url))
    assert "Connection refused" in said
    assert "canary" not in said


def test_another_secret_key_is_one_line(first: Served) -> None:
    """The keys in the database cannot be opened with it, so that no request could be answered."""
    said = complaint(first.hullwise("serve", "--port", "0", HULLWISE_SECRET_KEY="00" * 32))
    assert said == (
        "HULLWISE_SECRET_KEY holds another secret key than the one that sealed what is stored: "
        "put that one back from a backup"
    )


def test_a_sqlite_that_is_too_old_is_told_at_once() -> None:
    """The message names the version that was found and the one that is needed; 3.37 is enough."""
    with pytest.raises(Failure) as told, explained(DatabaseTooOld):
        check_sqlite("3.36.0")
    assert str(told.value).startswith("This Python's SQLite is 3.36.0; Hullwise needs 3.37 or newer. ")
    check_sqlite("3.37.0")


def requests_that_fail(server: Server, password: str) -> list[int]:
    """Statuses of requests that carry secrets where they belong and where they do not."""
    basic = base64.b64encode(f"AWS:{password}".encode()).decode()
    statuses = []
    with httpx.Client(base_url=server.url) as client:
        for method, path, headers, body in [
            ("POST", "/", {"authorization": f"Basic {basic}"}, server.secret_access_key),
            ("POST", f"/?password={password}", {"x-amz-target": server.secret_access_key}, password),
            ("GET", f"/v2/{password.lower()}/manifests/latest", {"authorization": f"Basic {basic}"}, ""),
            ("GET", "/v2/canary/app/blobs/sha256:0", {"authorization": f"Basic {basic}"}, ""),
            ("PUT", "/v2/canary/app/manifests/broken", {"authorization": f"Basic {basic}"}, password),
            ("POST", "/v2/canary/app/blobs/uploads/?digest=no", {"authorization": f"Basic {basic}"}, password),
            ("GET", "/v2/", {"authorization": f"Bearer {password}"}, ""),
            ("GET", "/v2/", {"authorization": f"Basic {basic}x"}, ""),
            ("GET", f"/{server.secret_access_key}", {}, ""),
        ]:
            statuses.append(client.request(method, path, headers=headers, content=body).status_code)
    host, _, port = server.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(f"GET /v2/{server.secret_access_key} HTTP/1.1\r\n: {password}\r\n\r\n".encode())
        assert raw.recv(1_000).startswith(b"HTTP/1.1 400 ")
    return statuses


def test_no_secret_reaches_the_log(server: Server) -> None:
    """After pushes, scans and failed requests of many kinds, the log holds no secret access key and no token."""
    wrong = server.client(aws_secret_access_key=server.secret_access_key + "x")
    client, password = server.client(), server.password
    client.create_repository(repositoryName="canary/app", imageScanningConfiguration={"scanOnPush": True})
    server.push("canary/app", image([layer(python_packages(Jinja2="2.10"))]))
    server.wait_for_scan("canary/app")
    refused: list[Callable[[], Any]] = [
        wrong.describe_repositories,
        lambda: client.describe_images(repositoryName=server.secret_access_key.lower().replace("_", "-").strip("-")),
        lambda: client.put_image(repositoryName="canary/app", imageManifest=password),
        lambda: client.describe_repositories(nextToken=server.secret_access_key),
    ]
    for call in refused:
        with pytest.raises(ClientError):
            call()
    assert all(400 <= status < 500 for status in requests_that_fail(server, password))
    log = server.data.with_name(server.data.name + ".log").read_text()
    # What the first start prints once, for the one who started it, is another key's.
    assert "request refused" in log
    own = (server.data / "secret.key").read_text().strip()
    canaries = [server.secret_access_key, password, base64.b64encode(f"AWS:{password}".encode()).decode(), own]
    # A token is cut in places: no longer piece of it may be there either.
    canaries += [password[at : at + 24] for at in range(40, len(password) - 24, 24)]
    assert [canary for canary in canaries if canary.lower() in log.lower()] == []
