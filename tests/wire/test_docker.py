"""docker's command line, without an engine: logins, manifest lists, and AWS's credential helper."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.support.images import Image, image, layer
from tests.support.layouts import write_layout
from tests.support.pushing import push_blob, put_manifest
from tests.support.registry import REGION, Server
from tests.support.relay import relay
from tests.wire.conftest import Run, client_of

pytestmark = pytest.mark.wire

NO_ENGINE = {"DOCKER_HOST": "tcp://127.0.0.1:9"}
"""Whatever runs on this machine is not asked."""
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


def push(server: Server, repository: str, image: Image) -> None:
    """Under the tag 1, in Docker's form: older clients of docker show no other."""
    of_docker = json.loads(image.manifest) | {"mediaType": DOCKER_MANIFEST}
    of_docker["config"] |= {"mediaType": "application/vnd.docker.container.image.v1+json"}
    for found in of_docker["layers"]:
        found |= {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}
    with server.http() as http:
        for blob in image.blobs:
            push_blob(http, repository, blob)
        answer = put_manifest(http, repository, "1", json.dumps(of_docker).encode(), DOCKER_MANIFEST)
        assert answer.status_code == 201, answer.text


def configuration(run: Run) -> Path:
    return run.home / ".docker" / "config.json"


def test_docker_logs_in_and_puts_platforms_together(
    server: Server, run: Run, small_image: Image, tmp_path: Path
) -> None:
    """`docker manifest create` and `push` make a list of images that are there; `inspect` shows it, skopeo pulls it."""
    docker = run.knowing(**NO_ENGINE)
    server.client().create_repository(repositoryName="wire/list")
    assert "Login Succeeded" in docker.login("docker")
    assert json.loads(configuration(run).read_text())["auths"][server.host]["auth"]
    remote = f"{server.host}/wire/list"
    other = image([layer({"other": b"other\n"})])
    run.login("skopeo", "--tls-verify=false")
    for tag, one in (("amd64", small_image), ("arm64", other)):
        to = ["--dest-tls-verify=false", "--format", "v2s2", f"docker://{remote}:{tag}"]
        run("skopeo", "copy", f"oci:{write_layout(tmp_path / tag, one)}:latest", *to)
    details = server.client().describe_images(repositoryName="wire/list")["imageDetails"]
    digests = {found["imageTags"][0]: found["imageDigest"] for found in details}
    docker("docker", "manifest", "create", "--insecure", f"{remote}:all", f"{remote}:amd64", f"{remote}:arm64")
    docker("docker", "manifest", "annotate", "--arch", "arm64", f"{remote}:all", f"{remote}:arm64")
    pushed = docker("docker", "manifest", "push", "--insecure", f"{remote}:all").split()[-1]
    (listed,) = server.client().describe_images(repositoryName="wire/list", imageIds=[{"imageTag": "all"}])[
        "imageDetails"
    ]
    assert (listed["imageDigest"], listed["imageManifestMediaType"]) == (pushed, MANIFEST_LIST)
    docker("docker", "manifest", "rm", f"{remote}:all")
    shown = json.loads(docker("docker", "manifest", "inspect", "--insecure", f"{remote}:all"))
    assert shown["mediaType"] == MANIFEST_LIST
    assert {each["platform"]["architecture"]: each["digest"] for each in shown["manifests"]} == digests
    chosen = ["--override-arch", "arm64", "copy", "--src-tls-verify=false", f"docker://{remote}:all"]
    run("skopeo", *chosen, f"dir:{tmp_path / 'chosen'}")
    (blob,) = json.loads((tmp_path / "chosen" / "manifest.json").read_text())["layers"]
    assert blob["digest"] == other.layers[0].digest


def test_docker_logs_in_over_tls(secured: Server, small_image: Image, tmp_path: Path) -> None:
    """With the server's authority and the right password; where callers without credentials may pull too. By a name:
    docker checks no certificate on addresses of its own machine."""
    secured.client().create_repository(repositoryName="secured/docker")
    push(secured, "secured/docker", small_image)
    host = f"{secured.account}.dkr.ecr.{REGION}.amazonaws.com"
    inspect = ["docker", "manifest", "inspect", f"{host}/secured/docker:1"]
    login = ["docker", "login", "--username", "AWS", "--password-stdin", host]
    with relay(secured.host) as proxy:
        run = client_of(secured, tmp_path / "home")
        password = run("aws", "ecr", "get-login-password")
        run = run.knowing(HTTPS_PROXY=f"http://{proxy.host}", **NO_ENGINE)
        assert "certificate signed by unknown authority" in run.refused(*login, stdin=password)
        known = run.knowing(SSL_CERT_FILE=str(secured.trusting))
        assert "unauthorized" in known.refused(*login, stdin="wrong").lower()
        # All that docker says of any refusal.
        assert "no such manifest" in known.refused(*inspect)
        assert "Login Succeeded" in known(*login, stdin=password)
        shown = json.loads(known(*inspect))
    assert shown["config"]["digest"] == json.loads(small_image.manifest)["config"]["digest"]


def test_the_credential_helper_logs_in_by_itself(secured: Server, small_image: Image, tmp_path: Path) -> None:
    """amazon-ecr-credential-helper asks AWS's address for a token and hands it to docker and skopeo, which use the
    registry's name at AWS. Both names are the server's, by a proxy; nothing else is set."""
    secured.client().create_repository(repositoryName="secured/helper")
    run = client_of(secured, tmp_path / "home")
    host = f"{secured.account}.dkr.ecr.{REGION}.amazonaws.com"
    configuration(run).parent.mkdir()
    configuration(run).write_text(json.dumps({"credHelpers": {host: "ecr-login"}}))
    with relay(secured.host) as proxy:
        proxied = {"HTTPS_PROXY": f"http://{proxy.host}", "SSL_CERT_FILE": str(secured.trusting)}
        run = run.knowing(REGISTRY_AUTH_FILE=str(configuration(run)), **proxied, **NO_ENGINE)
        got = json.loads(run("docker-credential-ecr-login", "get", stdin=host))
        assert (got["Username"], got["ServerURL"]) == ("AWS", host)
        assert got["Secret"]
        layout = write_layout(tmp_path / "layout", small_image)
        run("skopeo", "copy", "--format", "v2s2", f"oci:{layout}:latest", f"docker://{host}/secured/helper:1")
        assert json.loads(run("skopeo", "inspect", f"docker://{host}/secured/helper:1"))["RepoTags"] == ["1"]
        shown = json.loads(run("docker", "manifest", "inspect", f"{host}/secured/helper:1"))
        assert shown["config"]["digest"] == json.loads(small_image.manifest)["config"]["digest"]
        # Also the AWS CLI needs no address.
        plain = run.knowing(AWS_ENDPOINT_URL_ECR="")
        token = json.loads(plain("aws", "ecr", "get-authorization-token"))["authorizationData"][0]
        assert token["proxyEndpoint"] == f"https://{host}"
        assert base64.b64decode(token["authorizationToken"]).startswith(b"AWS:")
