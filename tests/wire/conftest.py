"""Real clients. A tool that is missing fails the test: nothing here is skipped."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import registry as support
from tests.support.certificates import Authority
from tests.support.images import Image, image, layer, python_packages
from tests.support.registry import REGION, Server
from tests.support.relay import Relay, relay

AWS_NAMES = (f"api.ecr.{REGION}.amazonaws.com", f"*.dkr.ecr.{REGION}.amazonaws.com")
INSECURE = "--tls-verify=false"
TO, FROM = "--dest-tls-verify=false", "--src-tls-verify=false"
"""Of `skopeo copy`, where the server speaks plain HTTP."""


@dataclass(frozen=True)
class Run:
    """Runs clients in a home of their own, as a user of one server."""

    server: Server
    home: Path
    environment: dict[str, str]

    def __call__(self, *command: str | Path, stdin: str | None = None) -> str:
        """What the client prints; the test fails with what it complains of."""
        done = self._run(command, stdin)
        assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def refused(self, *command: str | Path, stdin: str | None = None) -> str:
        """What the client says when it fails, which it must."""
        done = self._run(command, stdin)
        assert done.returncode != 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def login(self, tool: str, *flags: str | Path, host: str = "") -> str:
        """Log in with a password of one's own, to the server by its address or by another name."""
        user = ["--username", "AWS", "--password-stdin"]
        return self(tool, "login", *flags, *user, host or self.server.host, stdin=self.password())

    def password(self) -> str:
        """What `aws ecr get-login-password` prints, a second sooner."""
        names = ("aws_access_key_id", "aws_secret_access_key")
        pair = {name: self.environment[name.upper()] for name in names}
        (data,) = self.server.client(**pair).get_authorization_token()["authorizationData"]
        return base64.b64decode(data["authorizationToken"]).decode().partition(":")[2]

    def knowing(self, **environment: str) -> Run:
        """The same, with further variables."""
        return replace(self, environment=self.environment | environment)

    def _run(self, command: tuple[str | Path, ...], stdin: str | None) -> subprocess.CompletedProcess[str]:
        name, *arguments = map(str, command)
        found = shutil.which(name, path=self.environment["PATH"])
        assert found is not None, f"{name} is not installed"
        given = [found, *arguments]
        return subprocess.run(given, input=stdin, capture_output=True, text=True, env=self.environment, timeout=120)


def client_of(server: Server, home: Path, pair: dict[str, Any] | None = None) -> Run:
    """Clients with a key pair, as `hullwise keys create --format json` prints it; without one, with the server's."""
    home.mkdir(parents=True, exist_ok=True)
    # buildah refuses to start without the file that its login will write to.
    (home / "auth.json").write_text("{}")
    known = pair or {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key}
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": known["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": known["secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_ECR": server.url,
        "AWS_PAGER": "",
        "HOME": str(home),
        "REGISTRY_AUTH_FILE": str(home / "auth.json"),
        # The AWS CLI of this environment, whatever else the machine has.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    if server.trusting is not None:
        environment["AWS_CA_BUNDLE"] = str(server.trusting)
    return Run(server, home, environment)


def key_pair(server: Server, *options: str) -> dict[str, Any]:
    """Of a new user."""
    done = server.run("keys", "create", "--format", "json", *options)
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Run:
    return client_of(server, tmp_path / "home")


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a certificate, under AWS's names too, where policies may let everybody pull."""
    folder = tmp_path_factory.mktemp("secured")
    authority = Authority(folder)
    certificate = str(authority.certificate("localhost", "127.0.0.1", *AWS_NAMES))
    settings = {"tls_cert": certificate, "tls_key": certificate, "anonymous_pull": "true"}
    with support.server(folder / "data", authority.pem, **settings) as found:
        yield found


@pytest.fixture
def wire(server: Server) -> Iterator[Relay]:
    """On the way to the server."""
    with relay(server.host) as found:
        yield found


@pytest.fixture
def storage() -> Iterator[list[str]]:
    """Flags of podman and buildah for a place of their own: podman takes no run root of more than 50 characters."""
    with tempfile.TemporaryDirectory(prefix="hw-", ignore_cleanup_errors=True) as short:
        yield ["--root", f"{short}/storage", "--runroot", f"{short}/run", "--storage-driver", "vfs"]


@pytest.fixture
def small_image() -> Image:
    """Two layers, a vulnerable package in the upper one."""
    return image([layer({"etc/motd": b"hello\n"}), layer(python_packages(Jinja2="2.10"))])
