"""Rates as callers see them, and what a trusted proxy says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import registry as support
from tests.support.clocked import Refused, clocked
from tests.support.registry import ACCOUNT, REGION


def test_who_asks_too_often_is_told_to_wait(tmp_path: Path) -> None:
    """ThrottlingException on the AWS API, 429 with Retry-After on the registry API; other callers go on."""
    with support.registry(tmp_path, rate_limits={"ListImages": "0.5"}) as registry:
        api, other = clocked(registry), clocked(registry)
        api.call("CreateRepository", repositoryName="app")
        api.call("ListImages", repositoryName="app")
        with pytest.raises(Refused, match="ThrottlingException: Rate exceeded"):
            api.call("ListImages", repositoryName="app")
        answer = api.oci("GET", "/v2/app/tags/list")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (429, "TOOMANYREQUESTS")
        assert answer.headers["retry-after"] in {"1", "2"}
        other.call("ListImages", repositoryName="app")
        api.call("DescribeRepositories")


def test_what_a_trusted_proxy_says(tmp_path: Path) -> None:
    """The scheme and host that the client used are those of URLs and challenges; the signature is of that host too."""
    with support.registry(tmp_path, trusted_proxies=["127.0.0.1"]) as registry:
        api = clocked(registry)
        api.call("CreateRepository", repositoryName="app")
        outside = {"x-forwarded-proto": "https", "x-forwarded-host": "registry.example.org"}
        refused = api.send("GET", "/v2/", headers=outside)
        assert refused.headers["www-authenticate"].startswith('Basic realm="https://registry.example.org/"')
        hosted = {"x-forwarded-host": f"{ACCOUNT}.dkr.ecr.{REGION}.example.org"}
        assert api.oci("GET", "/v2/app/tags/list", b"", **hosted).status_code == 200
        elsewhere = {"x-forwarded-host": f"210987654321.dkr.ecr.{REGION}.example.org"}
        assert api.oci("GET", "/v2/app/tags/list", b"", **elsewhere).status_code == 404


def test_what_anybody_else_says(tmp_path: Path) -> None:
    """Is not looked at."""
    with support.registry(tmp_path, trusted_proxies=["192.0.2.1"]) as registry:
        api = clocked(registry)
        outside = {"x-forwarded-proto": "https", "x-forwarded-host": "registry.example.org"}
        refused = api.send("GET", "/v2/", headers=outside)
        assert refused.headers["www-authenticate"].startswith('Basic realm="http://registry.test/"')
