"""Who may do what, as clients see it: users with policies, nobody in particular, another account."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.images import Image, image, layer
from tests.support.layouts import write_layout
from tests.support.registry import REGION, Server
from tests.support.relay import relay
from tests.wire.conftest import FROM, INSECURE, TO, Run, client_of, key_pair

pytestmark = pytest.mark.wire

PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:ListImages"]


def policy(principal: object, *actions: str) -> str:
    """Of a repository, as SetRepositoryPolicy takes it."""
    statement = {"Sid": "wire", "Effect": "Allow", "Principal": principal, "Action": actions}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def digest_of(layout: Path) -> str:
    found: str = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    return found


@pytest.mark.parametrize("tool", ["skopeo", "podman"])
def test_a_user_who_may_pull(server: Server, small_image: Image, tmp_path: Path, storage: list[str], tool: str) -> None:
    """Logs in and pulls; the push is refused in words that name user, action and repository, and leaves nothing."""
    name = f"wire/reader-{tool}"
    server.client().create_repository(repositoryName=name)
    server.push(name, small_image, "1")
    run = client_of(server, tmp_path / "reader", key_pair(server, "--user", "reader", "--allow", "pull"))
    run.login(tool, INSECURE)
    remote = f"{server.host}/{name}"
    other = write_layout(tmp_path / "other", image([layer({"other": b"other\n"})]))
    if tool == "skopeo":
        run("skopeo", "copy", FROM, f"docker://{remote}:1", f"oci:{tmp_path / 'pulled'}:1")
        assert digest_of(tmp_path / "pulled") == small_image.digest
        said = run.refused("skopeo", "copy", TO, f"oci:{other}:latest", f"docker://{remote}:2")
    else:
        run("podman", *storage, "pull", INSECURE, f"{remote}:1")
        loaded = run("podman", *storage, "pull", f"oci:{other}:latest").strip()
        said = run.refused("podman", *storage, "push", INSECURE, loaded, f"{remote}:2")
    arns = f"arn:aws:iam::{server.account}:user/reader", f"arn:aws:ecr:{REGION}:{server.account}:repository/{name}"
    assert f"User: {arns[0]} is not authorized to perform: ecr:" in said
    assert f" on resource: {arns[1]}" in said
    (kept,) = server.client().describe_images(repositoryName=name)["imageDetails"]
    assert kept["imageTags"] == ["1"]


def test_everybody_pulls_what_a_policy_shows(
    secured: Server, small_image: Image, tmp_path: Path, storage: list[str]
) -> None:
    """skopeo and podman pull without login, and are refused elsewhere and when they push; a login pushes as ever."""
    for name in ("open/app", "closed/app"):
        secured.client().create_repository(repositoryName=name)
        secured.push(name, small_image, "1")
    secured.client().set_repository_policy(repositoryName="open/app", policyText=policy("*", *PULL))
    nobody = client_of(secured, tmp_path / "nobody").knowing(AWS_ACCESS_KEY_ID="", SSL_CERT_FILE=str(secured.trusting))
    remote = f"docker://{secured.host}"
    nobody("skopeo", "copy", f"{remote}/open/app:1", f"oci:{tmp_path / 'pulled'}:1")
    assert digest_of(tmp_path / "pulled") == small_image.digest
    nobody("podman", *storage, "pull", f"{secured.host}/open/app:1")
    (pulled,) = json.loads(nobody("podman", *storage, "images", "--format", "json"))
    assert pulled["Digest"] == small_image.digest
    other = write_layout(tmp_path / "other", image([layer({"other": b"other\n"})]))
    for refused in (
        ["skopeo", "copy", f"{remote}/closed/app:1", f"oci:{tmp_path / 'closed'}:1"],
        ["skopeo", "copy", f"{remote}/absent/app:1", f"oci:{tmp_path / 'absent'}:1"],
        ["podman", *storage, "pull", f"{secured.host}/closed/app:1"],
        ["skopeo", "copy", f"oci:{other}:latest", f"{remote}/open/app:2"],
        ["podman", *storage, "push", pulled["Id"], f"{secured.host}/open/app:2"],
    ):
        said = nobody.refused(*refused)
        assert "unauthorized: Not Authorized" in said
    user = client_of(secured, tmp_path / "user").knowing(SSL_CERT_FILE=str(secured.trusting))
    for tool in ("skopeo", "podman"):
        user.login(tool)
    user("skopeo", "copy", f"oci:{other}:latest", f"{remote}/open/app:2")
    user("podman", *storage, "push", pulled["Id"], f"{secured.host}/open/app:3")
    assert json.loads(user("skopeo", "list-tags", f"{remote}/open/app"))["Tags"] == ["1", "2", "3"]
    user("skopeo", "copy", f"{remote}/open/app:2", f"{remote}/closed/app:2")
    assert json.loads(user("skopeo", "inspect", f"{remote}/closed/app:2"))["Digest"] == digest_of(other)


def test_nobody_pulls_where_the_server_wants_to_know_who(
    server: Server, run: Run, small_image: Image, tmp_path: Path
) -> None:
    """A policy for everybody means everybody who logged in."""
    server.client().create_repository(repositoryName="wire/known")
    server.push("wire/known", small_image, "1")
    server.client().set_repository_policy(repositoryName="wire/known", policyText=policy("*", *PULL))
    remote = f"docker://{server.host}/wire/known:1"
    pull = ["skopeo", "copy", FROM, remote, f"oci:{tmp_path / 'pulled'}:1"]
    assert "unauthorized: Not Authorized" in run.refused(*pull)
    run.login("skopeo", INSECURE)
    run(*pull)
    assert digest_of(tmp_path / "pulled") == small_image.digest


def test_an_account_pulls_what_another_shares(secured: Server, small_image: Image, tmp_path: Path) -> None:
    """SetRepositoryPolicy by the AWS CLI lets a second account pull by the first one's host name, until the policy is
    gone; what is not shared looks absent to it."""
    for name in ("shared/app", "private/app"):
        secured.client().create_repository(repositoryName=name)
        secured.push(name, small_image, "1")
    owner = client_of(secured, tmp_path / "owner")
    second = key_pair(secured, "--account", "222222222222")
    named = ["--repository-name", "shared/app"]
    text = policy({"AWS": "222222222222"}, *PULL)
    assert json.loads(owner("aws", "ecr", "set-repository-policy", *named, "--policy-text", text))["repositoryName"]
    host = f"{secured.account}.dkr.ecr.{REGION}.amazonaws.com"
    with relay(secured.host) as proxy:
        guest = client_of(secured, tmp_path / "guest", second)
        guest = guest.knowing(HTTPS_PROXY=f"http://{proxy.host}", SSL_CERT_FILE=str(secured.trusting))
        for registry in (host, secured.host):
            guest.login("skopeo", host=registry)
        pull = ["skopeo", "copy", f"docker://{host}/shared/app:1", f"oci:{tmp_path / 'pulled'}:1"]
        guest(*pull)
        assert digest_of(tmp_path / "pulled") == small_image.digest
        for there, registry in ((f"{host}/private", secured.account), (f"{secured.host}/shared", "222222222222")):
            said = guest.refused("skopeo", "inspect", f"docker://{there}/app:1")
            assert f"does not exist in the registry with id '{registry}'" in said
        other = write_layout(tmp_path / "other", image([layer({"other": b"other\n"})]))
        guest.refused("skopeo", "copy", f"oci:{other}:latest", f"docker://{host}/shared/app:2")
        assert json.loads(guest("skopeo", "inspect", *pull[2:3]))["RepoTags"] == ["1"]
        owner("aws", "ecr", "delete-repository-policy", *named)
        assert f"does not exist in the registry with id '{secured.account}'" in guest.refused(*pull)


def authority(server: Server, folder: Path) -> Path:
    """A folder for `--cert-dir`."""
    assert server.trusting is not None
    folder.mkdir()
    (folder / "ca.crt").write_bytes(server.trusting.read_bytes())
    return folder


def test_the_certificate_is_checked(secured: Server, small_image: Image, tmp_path: Path, storage: list[str]) -> None:
    """Login, push and pull over HTTPS with an authority of one's own; without it nothing is said to the server."""
    secured.client().create_repository(repositoryName="secured/app")
    run = client_of(secured, tmp_path / "home")
    known = ["--cert-dir", str(authority(secured, tmp_path / "certificates"))]
    layout = write_layout(tmp_path / "layout", small_image)
    remote = f"localhost:{secured.host.rpartition(':')[2]}"
    said = run.refused("podman", "login", "--username", "AWS", "--password-stdin", remote, stdin=run.password())
    assert "certificate signed by unknown authority" in said
    run.login("podman", *known, host=remote)
    image_name = f"{remote}/secured/app:1"
    push = ["skopeo", "copy", f"oci:{layout}:latest", f"docker://{image_name}"]
    assert "certificate signed by unknown authority" in run.refused(*push)
    run(*push, "--dest-cert-dir", known[1])
    run("podman", *storage, "pull", *known, image_name)
    (pulled,) = json.loads(run("podman", *storage, "images", "--format", "json"))
    assert pulled["Digest"] == small_image.digest
