"""`hullwise import`: into a data folder and beside a running server, from each kind of source."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hullwise.cli.opening import prepare
from hullwise.domain.manifests import OCI_INDEX, OCI_MANIFEST
from hullwise.settings import load
from tests.support import pushing
from tests.support import registry as support
from tests.support.commands import Done, Hullwise, complaint, in_process, output, remarks
from tests.support.images import Image, image, layer, python_packages, sha256
from tests.support.layouts import add_blobs, blob_path, descriptor, index, pack, write_index, write_layout
from tests.support.registry import Server
from tests.support.sources import write_tree
from tests.unit.remotes.server import Asked, answer
from tests.unit.remotes.server import Server as Stranger

BASE = layer({"etc/motd": b"hello\n"})
JINJA = image([BASE, layer(python_packages(Jinja2="2.10"))])
FLASK = image([BASE, layer(python_packages(Flask="2.0"))])
KILLED = image([layer({"killed": b"once"}), layer({"killed": b"twice"})])
REF_NAME = "org.opencontainers.image.ref.name"

Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process, on a data folder with an account."""
    found = in_process(tmp_path / "data", capsys)
    output(found("keys", "create"))
    return found


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another Hullwise, to import from: an image, an index, and a signature of the image."""
    with support.server(tmp_path_factory.mktemp("source") / "data") as found:
        for name in ("team/app", "team/index"):
            found.client().create_repository(repositoryName=name)
        with found.http() as http:
            pushing.push(http, "team/app", JINJA, "1.0", "latest")
            pushing.push(http, "team/app", FLASK, "flask")
            for blob in (b"{}", b"signature"):
                pushing.push_blob(http, "team/app", blob)
            assert pushing.put_manifest(http, "team/app", sha256(SIGNATURE), SIGNATURE).status_code == 201
            for one in (JINJA, FLASK):
                pushing.push(http, "team/index", one)
            answered = pushing.put_manifest(http, "team/index", "all", INDEX, OCI_INDEX)
            assert answered.status_code == 201
        yield found


INDEX = pushing.index(JINJA.manifest, FLASK.manifest)
SIGNATURE = pushing.manifest(
    b"{}",
    [b"signature"],
    config_type="application/vnd.oci.empty.v1+json",
    subject=pushing.descriptor(JINJA.manifest, OCI_MANIFEST),
)


def digests(server: Server, repository: str) -> dict[str, list[str]]:
    """Tags by digest."""
    pages = server.client().get_paginator("describe_images").paginate(repositoryName=repository)
    return {one["imageDigest"]: one.get("imageTags", []) for page in pages for one in page["imageDetails"]}


def importing(server: Server, *arguments: str | Path, stdin: str = "", **environment: str) -> Done:
    """The command on the data of the running server, allowed to ask this machine."""
    command = [*Hullwise(server.data).command, "import", *map(str, arguments), "--data", str(server.data)]
    allowed = {"HULLWISE_OUTBOUND_PRIVATE": "127.0.0.1"}
    return subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        env=server.environment | allowed | environment,
        timeout=120,
    )


def test_an_account_is_needed(hullwise: Hullwise, tmp_path: Path) -> None:
    """As for the other commands on repositories."""
    data = tmp_path / "data"
    prepare(load({"data": data}, {}))
    found = hullwise("import", "layout", write_layout(tmp_path / "layout", JINJA), "team/app", "--data", data)
    make = f"hullwise keys create --data {data}"
    assert complaint(found) == f"there is no account yet in {data}; `{make}` makes one"


def test_a_layout_comes_once(run: Run, tmp_path: Path) -> None:
    """A folder, and a tar of it: foretold, imported, known."""
    path = write_layout(tmp_path / "layout", JINJA, "1.0")
    packed = pack(path, tmp_path / "layout.tar")
    size = sum(map(len, JINJA.blobs))
    counts = f"1 new repository, 1 manifest, 1 tag, 3 blobs of {size} bytes\n"
    assert output(run("import", "layout", path, "team/app", "--dry-run")) == f"would come: {counts}"
    done = run("import", "layout", packed, "team/app")
    assert output(done) == f"imported: {counts}"
    assert remarks(done) == ""
    nothing = "0 new repositories, 0 manifests, 0 tags, 0 blobs of 0 bytes; 1 manifest here already\n"
    assert output(run("import", "layout", path, "team/app")) == f"imported: {nothing}"


def test_what_is_imported_beside_a_server_is_pulled_from_it_and_scanned(server: Server, tmp_path: Path) -> None:
    """The server has the image at once, and its workers scan it as they do on a push."""
    server.client().create_repository(repositoryName="import/app", imageScanningConfiguration={"scanOnPush": True})
    path = write_layout(tmp_path / "layout", JINJA, "1.0")
    assert importing(server, "layout", path, "import/app").returncode == 0
    with server.http() as http:
        assert http.get("/v2/import/app/manifests/1.0").content == JINJA.manifest
        for blob in JINJA.blobs:
            assert http.get(f"/v2/import/app/blobs/{sha256(blob)}").content == blob
    found = server.wait_for_scan("import/app", "1.0")
    assert "CVE-2019-10906" in [one["name"] for one in found["imageScanFindings"]["findings"]]


def test_what_cannot_come_is_listed_and_the_rest_comes(run: Run, tmp_path: Path) -> None:
    """On standard error, one line each, after the counts; exit status 1."""
    path = tmp_path / "layout"
    add_blobs(path, *JINJA.blobs, JINJA.manifest, *FLASK.blobs, FLASK.manifest)
    missing = FLASK.layers[1].digest
    blob_path(path, missing).unlink()
    tagged = [descriptor(one, annotations={REF_NAME: tag}) for tag, one in (("good", JINJA), ("bad\x1b[31m", FLASK))]
    write_index(path, index(*tagged, descriptor(FLASK)))
    done = run("import", "layout", path, "team/app")
    assert done.returncode == 1
    assert done.stdout.startswith("imported: 1 new repository, 1 manifest, 1 tag, ")
    assert remarks(done) == (
        "  team/app:bad�[31m: it is no tag\n"
        f"  team/app@{FLASK.digest}: blobs/sha256/{missing.removeprefix('sha256:')} is missing\n"
        "hullwise: 2 could not be imported\n"
    )


def test_sources_that_are_none_are_refused(run: Run, tmp_path: Path) -> None:
    """In one line, with nothing made."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "empty").mkdir()
    for path in ("file", "empty"):
        assert complaint(run("import", "layout", tmp_path / path, "team/app")).startswith(f"{tmp_path / path}: ")
    layout = write_layout(tmp_path / "layout", JINJA)
    assert complaint(run("import", "layout", layout, "Team")).startswith("repositoryName: 'Team' must satisfy")
    assert complaint(run("import", "distribution", tmp_path / "empty")).startswith(
        f"{tmp_path / 'empty'}: no storage of"
    )
    assert complaint(run("import", "registry", "https://x/path")).startswith("https://x/path: a registry is a scheme")
    assert complaint(run("import", "distribution", tmp_path, "--prefix", "No")).startswith(
        "--prefix: 'No' must be as names"
    )
    assert complaint(run("import", "registry", "https://x", "--username", "me")) == (
        "--username and --password-stdin go together"
    )


def test_a_storage_tree_comes_whole_or_in_part(run: Run, tmp_path: Path) -> None:
    """All repositories, under a prefix; or those named, into existing ones only."""
    tree = write_tree(tmp_path / "tree", "team/app", {"1": JINJA.manifest}, manifests=[FLASK.manifest], blobs=BLOBS)
    write_tree(tree, "alone", {"1": JINJA.manifest, "2": JINJA.manifest}, blobs=JINJA.blobs)
    done = run("import", "distribution", tree, "--repository", "alone", "--repository", "gone", "--no-create")
    assert done.returncode == 1
    assert "  alone: The repository with name 'alone' does not exist" in done.stderr
    assert "  gone: The repository with name 'gone' does not exist" in done.stderr
    size = sum(map(len, set(BLOBS)))
    assert output(run("import", "distribution", tree, "--prefix", "old/")) == (
        f"imported: 2 new repositories, 3 manifests, 3 tags, 5 blobs of {size} bytes\n"
    )
    assert "0 new repositories, 0 manifests, 0 tags, 0 blobs of 0 bytes; 3 manifests here already" in output(
        run("import", "distribution", tree, "--prefix", "old")
    )


BLOBS = [*JINJA.blobs, *FLASK.blobs]


def test_another_server_s_repositories_come(server: Server, source: Server) -> None:
    """By its catalogue, with a password from standard input: tags, the index with its images, the signature."""
    login = ["--username", "AWS", "--password-stdin"]
    done = importing(server, "registry", source.url, *login, "--prefix", "of", stdin=source.password + "\n")
    assert (done.returncode, remarks(done)) == (0, "")
    assert done.stdout.startswith("imported: 2 new repositories, 6 manifests, 4 tags, ")
    assert digests(server, "of/team/app") == {
        JINJA.digest: ["1.0", "latest"],
        FLASK.digest: ["flask"],
        sha256(SIGNATURE): [],
    }
    assert digests(server, "of/team/index") == {JINJA.digest: [], FLASK.digest: [], sha256(INDEX): ["all"]}
    with server.http() as http:
        referrers = http.get(f"/v2/of/team/app/referrers/{JINJA.digest}").json()["manifests"]
        assert [one["digest"] for one in referrers] == [sha256(SIGNATURE)]
    again = importing(server, "registry", source.url, *login, "--prefix", "of", stdin=source.password)
    assert again.stdout == (
        "imported: 0 new repositories, 0 manifests, 0 tags, 0 blobs of 0 bytes; 6 manifests here already\n"
    )


def test_only_what_is_named_comes(server: Server, source: Server) -> None:
    """A tag of a repository, with what refers to it; a tag that is not there is told."""
    named = ["--repository", "team/app", "--tag", "latest", "--tag", "gone", "--prefix", "part"]
    login = ["--username", "AWS", "--password-stdin"]
    done = importing(server, "registry", source.url, *named, *login, stdin=source.password)
    assert done.returncode == 1
    assert remarks(done) == ("  part/team/app:gone: team/app:gone is missing\nhullwise: 1 could not be imported\n")
    assert digests(server, "part/team/app") == {JINJA.digest: ["latest"], sha256(SIGNATURE): []}


def test_a_wrong_password_and_a_private_address_are_told(server: Server, source: Server) -> None:
    """The password itself is nowhere; without permission the address is not asked."""
    login = ["--username", "AWS", "--password-stdin"]
    done = importing(server, "registry", source.url, *login, stdin="not-the-password")
    assert done.returncode == 1
    assert "the catalogue: the registry answers 401" in done.stderr
    assert "not-the-password" not in done.stderr + done.stdout
    assert "asks for a user name and a password" in importing(server, "registry", source.url).stderr
    refused = importing(server, "registry", source.url, HULLWISE_OUTBOUND_PRIVATE="")
    assert "has the address 127.0.0.1, which is not public; the setting outbound_private may allow it" in refused.stderr
    assert refused.stdout == ""


def test_an_import_that_is_killed_is_finished_by_the_next(server: Server) -> None:
    """Killed in the middle of a layer: no image is there; then the rest comes, and what had come is not asked again."""
    with Stranger() as stranger:
        stalled, release = threading.Event(), threading.Event()
        content = {sha256(blob): blob for blob in KILLED.blobs}
        last = KILLED.layers[-1].digest

        def slow(asked: Asked) -> Iterator[bytes]:
            said = answer("200 OK", content[last])
            yield said[:-5]
            stalled.set()
            release.wait(60)
            yield said[-5:]

        for digest, blob in content.items():
            stranger.replies(f"/v2/app/blobs/{digest}", answer("200 OK", blob))
        stranger.answers[f"/v2/app/blobs/{last}"] = slow
        for reference in ("1", KILLED.digest):
            stranger.answers[f"/v2/app/manifests/{reference}"] = lambda asked: answer(
                "200 OK", b"" if asked.method == "HEAD" else KILLED.manifest, Docker_Content_Digest=KILLED.digest
            )
        arguments = ["registry", stranger.url(""), "--repository", "app", "--tag", "1", "--prefix", "killed"]
        command = [*Hullwise(server.data).command, "import", *arguments, "--data", str(server.data)]
        environment = server.environment | {"HULLWISE_OUTBOUND_PRIVATE": "127.0.0.1"}
        with subprocess.Popen(command, env=environment) as process:
            begun = stalled.wait(60)
            process.kill()
        release.set()
        assert begun
        assert digests(server, "killed/app") == {}
        stranger.asked.clear()
        done = importing(server, *arguments)
        assert (done.returncode, remarks(done)) == (0, "")
        assert digests(server, "killed/app") == {KILLED.digest: ["1"]}
        asked = [one.target for one in stranger.asked if "/blobs/" in one.target]
        assert asked == [f"/v2/app/blobs/{last}"]


def test_a_hostile_registry_harms_nothing(server: Server) -> None:
    """It names what is no repository, manifests of other bytes, and a layer without end; the good image comes."""
    with Stranger() as stranger:
        bad = image([layer({"bad": b"bad"})])
        stranger.replies(
            "/v2/_catalog", answer("200 OK", json.dumps({"repositories": ["../x", "A", "ok", "bad"]}).encode())
        )
        for name, one in (("ok", JINJA), ("bad", bad)):
            stranger.replies(f"/v2/{name}/tags/list", answer("200 OK", b'{"tags":["1","../../x","lie"]}'))
            for reference in ("1", one.digest):
                stranger.replies(f"/v2/{name}/manifests/{reference}", manifest_of(one))
            lie = "sha256:" + "c" * 64
            stranger.replies(f"/v2/{name}/manifests/lie", answer("200 OK", b"", Docker_Content_Digest=lie))
            stranger.replies(f"/v2/{name}/manifests/{lie}", manifest_of(one))
            for blob in one.blobs:
                stranger.replies(f"/v2/{name}/blobs/{sha256(blob)}", answer("200 OK", blob))

        def endless(asked: Asked) -> Iterator[bytes]:
            yield b"HTTP/1.1 200 OK\r\n\r\n"
            while True:
                yield bytes(1 << 16)

        stranger.answers[f"/v2/bad/blobs/{bad.layers[0].digest}"] = endless
        done = importing(server, "registry", stranger.url(""), "--prefix", "hostile")
    assert done.returncode == 1
    assert "hostile/../x: repositoryName: 'hostile/../x' must satisfy the pattern of repository names" in done.stderr
    assert "hostile/ok:../../x: it is no tag" in done.stderr
    assert "hostile/ok:lie: The content has digest" in done.stderr
    assert f"hostile/bad:1: {bad.layers[0].digest} has more than the" in done.stderr
    assert digests(server, "hostile/ok") == {JINJA.digest: ["1"]}
    assert digests(server, "hostile/bad") == {}


def manifest_of(one: Image) -> bytes:
    """To a GET; a client that asks HEAD takes no body of it."""
    return answer("200 OK", one.manifest, Content_Type=OCI_MANIFEST)
