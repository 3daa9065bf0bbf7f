"""Real clients. A tool that is missing fails the test: nothing here is skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.images import Image, image, layer, python_packages
from tests.support.registry import REGION, Server

Run = Callable[..., str]


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Run:
    """Runs a client with the server's credentials; returns what it prints, and fails with what it complains of."""
    # buildah refuses to start without the file that its login will write to.
    (tmp_path / "auth.json").write_text("{}")
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_ECR": server.url,
        "AWS_PAGER": "",
        "HOME": str(tmp_path / "home"),
        "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"),
        # The AWS CLI of this environment, whatever else the machine has.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }

    def call(*command: str, stdin: str | None = None) -> str:
        found = shutil.which(command[0], path=environment["PATH"])
        assert found is not None, f"{command[0]} is not installed"
        done = subprocess.run([found, *command[1:]], input=stdin, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return call


@pytest.fixture
def small_image() -> Image:
    """Two layers, a vulnerable package in the upper one."""
    return image([layer({"etc/motd": b"hello\n"}), layer(python_packages(Jinja2="2.10"))])
