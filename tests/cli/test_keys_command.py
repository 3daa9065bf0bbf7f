"""`hullwise keys`: access keys as a user makes, lists and revokes them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from hullwise.cli.opening import prepare, url_of
from hullwise.settings import load
from hullwise.store import accounts
from tests.support import registry as support
from tests.support.commands import Hullwise, complaint, document, in_process, output, remarks
from tests.support.registry import Registry, Server

KEY_ID = r"AKIA[A-Z2-7]{16}"
SECRET = r"[A-Za-z0-9_-]{40}"


def test_a_key_is_shown_once(hullwise: Hullwise) -> None:
    """`create` prints account, id and secret; `list` never prints the secret; no file holds it as it is."""
    made = hullwise("keys", "create")
    pattern = rf"account +(\d{{12}})\naccess_key_id +({KEY_ID})\nsecret_access_key +({SECRET})\n"
    found = re.fullmatch(pattern, output(made))
    assert found is not None, made.stdout
    account, key_id, secret = found.groups()
    assert remarks(made) == "The secret is not shown again.\n"
    listed = output(hullwise("keys", "list"))
    assert re.fullmatch(rf"{key_id}  account {account}  made \d{{4}}-\d\d-\d\d \d\d:\d\d  active\n", listed)
    data = hullwise.home / ".local/share/hullwise"
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / "secret.key").stat().st_mode & 0o777 == 0o600
    files = [path for path in data.rglob("*") if path.is_file()]
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_json_is_one_object(hullwise: Hullwise) -> None:
    """Three members; the account of the first key is that of the next, and another where one is named."""
    first, second = (document(hullwise("keys", "create", "--format", "json")) for _ in range(2))
    assert list(first) == ["account", "access_key_id", "secret_access_key"]
    assert re.fullmatch(KEY_ID, first["access_key_id"])
    assert re.fullmatch(SECRET, first["secret_access_key"])
    assert second["account"] == first["account"]
    assert second["access_key_id"] != first["access_key_id"]
    other = document(hullwise("keys", "create", "--format", "json", "--account", "123456789012"))
    assert other["account"] == "123456789012"


def test_export_lines_can_be_sourced(hullwise: Hullwise) -> None:
    """A shell that evaluates them has what the AWS clients read; without a server, where one will answer."""
    made = output(hullwise("keys", "create", "--format", "env", HULLWISE_REGIONS="eu-west-1,us-east-1"))
    shell = subprocess.run(
        ["bash", "-c", f'set -eu\n{made}\nenv | grep "^AWS_" | sort'],
        capture_output=True,
        text=True,
        env={"PATH": hullwise.environment["PATH"]},
    )
    assert shell.returncode == 0, shell.stderr
    found = dict(line.split("=", 1) for line in shell.stdout.splitlines())
    assert re.fullmatch(KEY_ID, found.pop("AWS_ACCESS_KEY_ID"))
    assert re.fullmatch(SECRET, found.pop("AWS_SECRET_ACCESS_KEY"))
    assert found == {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_ECR": "http://127.0.0.1:5050",
    }


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"HULLWISE_PUBLIC_URL": "https://registry.example.org"}, "https://registry.example.org"),
        ({"HULLWISE_HOST": "0.0.0.0", "HULLWISE_PORT": "8080"}, "http://127.0.0.1:8080"),
        ({"HULLWISE_HOST": "::1"}, "http://[::1]:5050"),
        ({"HULLWISE_PORT": "0"}, ""),
    ],
)
def test_export_lines_name_the_endpoint_as_configured(settings: dict[str, str], url: str) -> None:
    """So that no client falls back to AWS with a key that AWS does not know."""
    assert url_of(load({}, settings)) == url


def test_a_revoked_key_is_refused_at_once(server: Server) -> None:
    """By the running server, for requests that it signs and for tokens that were issued to it; once is enough."""
    made = json.loads(server.run("keys", "create", "--format", "json").stdout)
    key_id = made["access_key_id"]
    other = replace(server, access_key_id=key_id, secret_access_key=made["secret_access_key"])
    with other.http() as registry:
        assert registry.get("/v2/").status_code == 200
        assert output(server.run("keys", "revoke", key_id)) == f"{key_id} is revoked\n"
        assert registry.get("/v2/").status_code == 401
    with pytest.raises(ClientError) as refused:
        other.client().describe_repositories()
    assert refused.value.response["Error"]["Code"] == "UnrecognizedClientException"
    assert complaint(server.run("keys", "revoke", key_id)) == f"there is no active access key {key_id}"
    (line,) = (line for line in output(server.run("keys", "list")).splitlines() if line.startswith(key_id))
    assert re.search(r"  revoked \d{4}-\d\d-\d\d \d\d:\d\d$", line)
    assert server.client().describe_repositories()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_wrong_arguments_are_one_line(hullwise: Hullwise, tmp_path: Path) -> None:
    """An account of other than 12 digits, and a data folder that cannot be made; having no key is no failure."""
    assert complaint(hullwise("keys", "create", "--account", "12")) == "account: must be 12 digits"
    data = tmp_path / "data"
    prepare(load({"data": data}, {}))
    empty = hullwise("keys", "list", "--data", data)
    assert (empty.returncode, empty.stdout) == (0, "")
    make = f"hullwise keys create --data {data}"
    assert empty.stderr == f"There is no access key yet in {data}; `{make}` makes one.\n"
    (tmp_path / "file").write_bytes(b"")
    said = complaint(hullwise("keys", "create", "--data", tmp_path / "file" / "data"))
    assert said == f"{tmp_path / 'file'}: Not a directory"


def test_whoever_reads_no_further_is_told_nothing(hullwise: Hullwise) -> None:
    """As behind `| head`: the command ends with 1. That a file has no room is still said."""
    output(hullwise("keys", "create"))
    unread, written = os.pipe()
    os.close(unread)
    command, full = [*hullwise.command, "keys", "list"], os.open("/dev/full", os.O_WRONLY)
    ended = []
    for descriptor in (written, full):
        done = subprocess.run(
            command, stdout=descriptor, stderr=subprocess.PIPE, text=True, env=hullwise.environment, timeout=60
        )
        ended.append((done.returncode, done.stderr.splitlines()[:1]))
        os.close(descriptor)
    assert ended == [(1, []), (1, ["hullwise: No space left on device"])]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://u:p@127.0.0.1:xx/db", "its port must be a number"),
        ("postgresql://u:p@ss@127.0.0.1/db", "an @ in a user, password or name is written %40"),
        ("postgresql://u:p@127.0.0.1:1/db?foo=1", 'invalid connection option "foo"'),
        ("postgresql://u:p@127.0.0.1:1/db?connect_timeout=soon", "bad value for connect_timeout: 'soon'"),
    ],
)
def test_a_database_url_that_cannot_be_read_is_one_line(hullwise: Hullwise, url: str, why: str) -> None:
    """Without any part of its password."""
    assert complaint(hullwise("keys", "list", HULLWISE_DATABASE_URL=url)) == f"database_url: {why}"


def policy_of(registry: Registry, key_id: str) -> str | None:
    with registry.services.database.read() as tx:
        found = accounts.find_key(tx, key_id)
    assert found is not None
    return found.policy


def test_a_further_key_of_a_user_may_do_what_its_user_may(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that it can take the place of another: also of one that was revoked before, and of one that is known by its
    id. What its user may do is said; `--allow` and `--policy` say another, `--allow all` that there is no policy."""
    with support.registry(tmp_path) as registry:
        run = in_process(registry.services.settings.data, capsys)

        def create(*options: str) -> tuple[str, str]:
            done = run("keys", "create", "--format", "json", *options)
            return json.loads(output(done))["access_key_id"], remarks(done)

        first, said = create("--user", "bob", "--allow", "push")
        assert said == ""
        pushing = policy_of(registry, first)
        assert pushing is not None
        second, said = create("--user", "bob")
        assert policy_of(registry, second) == pushing
        assert said == f"User bob may do with it what the policy of key {first} says; `--allow all` gives none.\n"
        for each in (first, second):
            output(run("keys", "revoke", each))
        third, said = create("--user", "bob")
        assert (policy_of(registry, third), second in said) == (pushing, True)

        free, said = create("--user", "bob", "--allow", "all")
        assert (policy_of(registry, free), said) == (None, "")
        assert policy_of(registry, create("--user", "bob")[0]) is None
        assert policy_of(registry, create("--user", "bob", "--allow", "pull")[0]) not in (None, pushing)

        nameless, _ = create("--allow", "pull")
        assert policy_of(registry, create("--user", nameless)[0]) == policy_of(registry, nameless)
        assert policy_of(registry, create()[0]) is None
        assert policy_of(registry, create("--user", "ann")[0]) is None
        assert policy_of(registry, create("--user", "bob", "--account", "210987654321")[0]) is None


def test_a_revoked_key_says_nothing_where_another_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What its user may do is what the newest of the good ones says."""
    with support.registry(tmp_path) as registry:
        run = in_process(registry.services.settings.data, capsys)

        def create(*options: str) -> str:
            made: str = json.loads(output(run("keys", "create", "--format", "json", "--user", "bob", *options)))[
                "access_key_id"
            ]
            return made

        first = create("--allow", "pull")
        output(run("keys", "revoke", create("--allow", "all")))
        assert policy_of(registry, create()) == policy_of(registry, first)
