"""Pushing and pulling over the registry API: uploads in every form, ranges, references, pages, and who may what."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import oras.client
import pytest

from hullwise.auth.tokens import LIFETIME
from hullwise.domain.limits import CHUNKS
from hullwise.domain.manifests import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from hullwise.registry import uploads
from hullwise.store.tables import upload_segments
from tests.support.edges import Edges, login
from tests.support.images import image, layer, sha256
from tests.support.pushing import index, manifest, push, push_blob, put_manifest
from tests.support.registry import Server

SMALL = image([layer({"etc/motd": b"hello\n"})])
OTHER = image([layer({"etc/motd": b"other\n"})])
NOWHERE = "sha256:" + "0" * 64


def codes(answer: httpx.Response) -> list[str]:
    """Codes of an error body; each error has a message too."""
    assert all(error["message"] for error in answer.json()["errors"])
    return [error["code"] for error in answer.json()["errors"]]


def begin(http: httpx.Client, repository: str) -> str:
    answer = http.post(f"/v2/{repository}/blobs/uploads/")
    assert (answer.status_code, answer.headers["range"]) == (202, "0-0")
    location: str = answer.headers["location"]
    assert location == f"/v2/{repository}/blobs/uploads/{answer.headers['docker-upload-uuid']}"
    return location


def upload(http: httpx.Client, repository: str, *chunks: bytes) -> str:
    """A blob of these chunks, each in a request of its own; returns its digest."""
    path = begin(http, repository)
    for chunk in chunks:
        assert http.patch(path, content=chunk).status_code == 202
    digest = sha256(b"".join(chunks))
    assert http.put(f"{path}?digest={digest}").status_code == 201
    return digest


def test_layers_that_are_not_kept(http: httpx.Client, repository: str) -> None:
    """Whoever pushes an image with layers that lie elsewhere is told; nobody else is told anything."""
    config = push_blob(http, repository, b"{}")
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    layers = [{"mediaType": foreign, "digest": sha256(name), "size": 1} for name in (b"1", b"2")]
    described = {"mediaType": OCI_CONFIG, "digest": config, "size": 2}
    told = {}
    for count in range(3):
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": layers[:count]}
        answer = put_manifest(http, repository, f"with-{count}", json.dumps(body).encode())
        told[count] = answer.headers.get_list("warning")
    assert told == {
        0: [],
        1: ['299 - "1 layer of the image is not kept in this registry, and so not scanned either."'],
        2: ['299 - "2 layers of the image are not kept in this registry, and so not scanned either."'],
    }


def test_an_upload_is_invisible_until_its_digest_is_proven(http: httpx.Client, repository: str) -> None:
    """All of its bytes may be there: neither its digest nor a manifest finds it before the last request."""
    digest, path = sha256(b"almost"), begin(http, repository)
    assert http.patch(path, content=b"almost").headers["range"] == "0-5"
    assert codes(http.get(f"/v2/{repository}/blobs/{digest}")) == ["BLOB_UNKNOWN"]
    early = put_manifest(http, repository, "early", manifest(b"almost", []))
    assert (early.status_code, codes(early)) == (400, ["MANIFEST_BLOB_UNKNOWN"])
    done = http.put(f"{path}?digest={digest}")
    assert done.status_code == 201
    assert done.headers["location"] == f"/v2/{repository}/blobs/{digest}"
    assert done.headers["docker-content-digest"] == digest
    assert http.get(done.headers["location"]).content == b"almost"
    assert put_manifest(http, repository, "early", manifest(b"almost", [])).status_code == 201


def test_a_blob_is_read_in_its_repository_only(ecr: Any, http: httpx.Client, repository: str) -> None:
    """Knowing a digest opens nothing: what another repository has is unknown here, and so it is after that is gone."""
    ecr.create_repository(repositoryName=f"{repository}/other")
    digest = push_blob(http, f"{repository}/other", b"private")
    for method in ("GET", "HEAD"):
        assert http.request(method, f"/v2/{repository}/blobs/{digest}").status_code == 404
    ecr.delete_repository(repositoryName=f"{repository}/other", force=True)
    ecr.create_repository(repositoryName=f"{repository}/other")
    assert codes(http.get(f"/v2/{repository}/other/blobs/{digest}")) == ["BLOB_UNKNOWN"]


def test_a_blob_whose_file_is_gone_is_no_empty_answer(server: Server, http: httpx.Client, repository: str) -> None:
    """The storage lost it: it is not here, whoever asks for it and however. Others go on."""
    lost, kept = (upload(http, repository, data) for data in (b"lost file", b"kept file"))
    for path in (server.data / "blobs").rglob("*"):
        if path.is_file() and path.read_bytes() == b"lost file":
            path.unlink()
    gone = http.get(f"/v2/{repository}/blobs/{lost}")
    assert (gone.status_code, codes(gone)) == (404, ["BLOB_UNKNOWN"])
    assert http.head(f"/v2/{repository}/blobs/{lost}").status_code == 404
    assert http.get(f"/v2/{repository}/blobs/{kept}").content == b"kept file"


def test_a_manifest_is_put_and_deleted_under_conditions(http: httpx.Client, repository: str) -> None:
    """RFC 9110, 13.1, by the entity tags that a GET gives: two who change a tag at the same time do not undo each
    other's change (distribution spec, "Referrers Tag Schema")."""
    push(http, repository, SMALL, "a")
    push(http, repository, OTHER, "b")
    small, other = (f'"{each.digest}"' for each in (SMALL, OTHER))
    path = f"/v2/{repository}/manifests/a"

    def put(**stated: str) -> int:
        headers = {"content-type": OCI_MANIFEST, **{name.replace("_", "-"): value for name, value in stated.items()}}
        answer = http.put(path, content=OTHER.manifest, headers=headers)
        assert answer.status_code == 201 or codes(answer) == ["PRECONDITION_FAILED"]
        return answer.status_code

    assert http.get(path).headers["etag"] == small
    assert [put(if_none_match="*"), put(if_match=other), put(if_none_match=f"W/{small}, {other}")] == [412] * 3
    assert http.get(path).headers["etag"] == small
    assert put(if_match=f"{other}, {small}") == 201
    assert put(if_match=small) == 412
    path = f"/v2/{repository}/manifests/new"
    assert [put(if_match="*"), put(if_none_match="*"), put(if_none_match="*")] == [412, 201, 412]
    for stated, status in ((small, 412), (other, 202), ("*", 404)):
        assert http.delete(path, headers={"if-match": stated}).status_code == status


def test_conditions_of_several_lines_hold_together(http: httpx.Client, repository: str) -> None:
    """Lines of a list are one list (RFC 9110, 5.3). A weak tag is none for If-Match (13.1.1), and one for
    If-None-Match (13.1.2)."""
    push(http, repository, SMALL, "a")
    push(http, repository, OTHER, "b")
    small, path = f'"{SMALL.digest}"', f"/v2/{repository}/manifests/a"
    for name, lines, status in (
        ("if-none-match", ['"x"', "*"], 412),
        ("if-none-match", ['"x"', small], 412),
        ("if-none-match", ['"x", "y"', f'"z", W/{small}'], 412),
        ("if-match", [f"W/{small}"], 412),
        ("if-match", ['"x"', f"W/{small}"], 412),
        ("if-match", ['"x"', '"y"'], 412),
        ("if-match", [f'"{small}'], 412),
        ("if-match", ['"x"', small], 201),
        ("if-match", [small, '"x"'], 201),
        ("if-none-match", ['"x"', '"y"'], 201),
        ("if-none-match", ['"*"', f'"W/{SMALL.digest}"'], 201),
    ):
        headers = [("content-type", OCI_MANIFEST), *((name, line) for line in lines)]
        assert http.put(path, content=OTHER.manifest, headers=headers).status_code == status, (name, lines)
        assert http.get(path).headers["etag"] == (small if status == 412 else f'"{OTHER.digest}"')
        assert http.put(path, content=SMALL.manifest, headers={"content-type": OCI_MANIFEST}).status_code == 201
    for read in (path, f"/v2/{repository}/blobs/{sha256(SMALL.config)}"):
        known = f'W/"{http.get(read).headers["docker-content-digest"]}"'
        assert http.get(read, headers=[("if-none-match", '"x"'), ("if-none-match", known)]).status_code == 304
        assert http.get(read, headers=[("if-none-match", '"x"'), ("if-none-match", '"y"')]).status_code == 200


def test_ranges_across_chunks(http: httpx.Client, repository: str) -> None:
    """Every range of a blob that came in chunks is the same part of the whole."""
    chunks = (b"0123", b"4", b"56789", b"ab")
    whole = b"".join(chunks)
    path = f"/v2/{repository}/blobs/{upload(http, repository, *chunks)}"
    assert http.get(path).content == whole
    for first in range(len(whole)):
        for last in range(first, len(whole)):
            part = http.get(path, headers={"range": f"bytes={first}-{last}"})
            assert (part.status_code, part.content) == (206, whole[first : last + 1])
            assert part.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-0", 206, b"0"),
        ("bytes=9-", 206, b"9"),
        ("bytes=5-999999999999999999", 206, b"56789"),
        ("bytes=10-", 416, None),
        ("bytes=10-20", 416, None),
        ("bytes=-3", 206, b"789"),
        # RFC 9110, 14.2: a server ignores what is no range, and may ignore what it does not offer.
        ("bytes=5-4", 200, b"0123456789"),
        ("bytes=0-1,3-4", 200, b"0123456789"),
        ("bytes=a-b", 200, b"0123456789"),
        ("items=0-1", 200, b"0123456789"),
        ("bytes=" + "9" * 40 + "-", 200, b"0123456789"),
    ],
)
def test_ranges_at_their_ends(http: httpx.Client, repository: str, asked: str, status: int, part: bytes | None) -> None:
    """What lies outside is refused, what is no range is ignored; HEAD has no ranges (RFC 9110, 14.2)."""
    path = f"/v2/{repository}/blobs/{push_blob(http, repository, b'0123456789')}"
    got = http.get(path, headers={"range": asked})
    assert got.status_code == status
    assert part is None or got.content == part
    head = http.head(path, headers={"range": asked})
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "10")


@pytest.mark.parametrize("stated", ["x", "4", "4-", "-4", "8-4", "bytes=4-7", "4-7x", "9" * 30 + "-" + "9" * 30, ""])
def test_a_content_range_that_is_none(http: httpx.Client, repository: str, stated: str) -> None:
    """It is refused before the upload takes anything, and the upload goes on."""
    path = begin(http, repository)
    http.patch(path, content=b"0123")
    for request in (
        http.build_request("PATCH", path, content=b"4567", headers={"content-range": stated}),
        http.build_request("PUT", f"{path}?digest={NOWHERE}", content=b"4567", headers={"content-range": stated}),
    ):
        answer = http.send(request)
        assert (answer.status_code, codes(answer)) == (416, ["BLOB_UPLOAD_INVALID"])
    assert http.patch(path, content=b"4567", headers={"content-range": "4-7"}).headers["range"] == "0-7"


def test_the_last_chunk_comes_with_the_digest(http: httpx.Client, repository: str) -> None:
    """PUT takes a last chunk, which must continue the upload where it says where it belongs."""
    path = begin(http, repository)
    assert http.patch(path, content=b"").headers["range"] == "0-0"
    http.patch(path, content=b"0123", headers={"content-range": "bytes 0-3/*"})
    finish = f"{path}?digest={sha256(b'01234567')}"
    early = http.put(finish, content=b"4567", headers={"content-range": "3-6"})
    assert (early.status_code, codes(early)) == (416, ["BLOB_UPLOAD_INVALID"])
    assert http.put(finish, content=b"4567", headers={"content-range": "4-7"}).status_code == 201


def test_a_digest_that_is_missing_or_none(http: httpx.Client, repository: str) -> None:
    """It is refused before any bytes are taken, and the upload is still there."""
    path = begin(http, repository)
    for query in ("", "?digest=", "?digest=x", "?digest=md5:00", f"?digest={NOWHERE.upper()}", f"?digest={NOWHERE}0"):
        for method, target in (("PUT", path + query), ("POST", f"/v2/{repository}/blobs/uploads/{query}")):
            answer = http.request(method, target, content=b"data")
            if method == "POST" and not query:
                assert answer.status_code == 202
            else:
                assert (answer.status_code, codes(answer)) == (400, ["DIGEST_INVALID"])
    assert http.get(path).headers["range"] == "0-0"


@pytest.mark.parametrize("before", [(), (b"first, ",), (b"first, ", b"second, ")], ids=len)
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [1_000, 100_000, 2_000_000])
def test_a_put_that_is_refused_changes_nothing(
    edge: Edges, before: tuple[bytes, ...], algorithm: str, size: int
) -> None:
    """A bit of its body was lost on the way: nothing of it is kept, and the same PUT with the right body succeeds."""
    edge.registry.repository("oci/again")
    path = edge.oci("POST", "/v2/oci/again/blobs/uploads/").headers["location"]
    for data in before:
        assert edge.oci("PATCH", path, data).status_code == 202
    stored = list(edge.registry.services.blobs.list())
    received = edge.oci("GET", path).headers["range"]
    last = bytes(range(250)) * (size // 250)
    whole = b"".join(before) + last
    target = f"{path}?digest={algorithm}:{hashlib.new(algorithm, whole).hexdigest()}"
    damaged = last[:-1] + bytes([last[-1] ^ 1])
    for body, headers, code in (
        (damaged, {}, "DIGEST_INVALID"),
        # Of the right digest alone, which is not that of all that came.
        *([(whole, {}, "DIGEST_INVALID")] if before else []),
        (last, {"content_range": f"{1 << 20}-{(1 << 20) + len(last) - 1}"}, "BLOB_UPLOAD_INVALID"),
    ):
        answer = edge.oci("PUT", target, body, **headers)
        assert (answer.status_code, codes(answer)) == (416 if headers else 400, [code])
        assert edge.oci("GET", path).headers["range"] == received
        assert list(edge.registry.services.blobs.list()) == stored
    done = edge.oci("PUT", target, last)
    assert done.status_code == 201, done.text
    assert edge.oci("GET", done.headers["location"]).content == whole
    assert edge.oci("GET", path).status_code == 404


def test_a_post_with_a_wrong_digest_leaves_nothing(edge: Edges) -> None:
    """Nobody learned the id of such an upload: its bytes are not kept for a client that cannot come back for them."""
    edge.registry.repository("oci/wrong")
    answer = edge.oci("POST", f"/v2/oci/wrong/blobs/uploads/?digest={NOWHERE}", b"data")
    assert (answer.status_code, codes(answer)) == (400, ["DIGEST_INVALID"])
    assert list(edge.registry.services.blobs.list()) == []


def test_a_chunk_that_is_refused_leaves_nothing(edge: Edges) -> None:
    """One that is not as long as it says, one out of order, and one more than an upload may have: no bytes stay."""
    repository = edge.registry.repository("oci/refused")
    services = edge.registry.services
    path = str(edge.oci("POST", "/v2/oci/refused/blobs/uploads/").headers["location"])
    upload = path.rpartition("/")[2]
    for stated, status in (("0-9", 400), ("1-4", 416), ("0-2", 400)):
        assert edge.oci("PATCH", path, b"0123", content_range=stated).status_code == status
    rows = [
        {"upload_id": upload, "ordinal": at, "object_key": f"k{at}", "size": 1, "sha256": NOWHERE}
        for at in range(CHUNKS)
    ]
    with services.database.write() as tx:
        tx.execute(upload_segments.insert(), rows)
    for answer in (edge.oci("PATCH", path, b"0123"), edge.oci("PUT", f"{path}?digest={sha256(b'0123')}", b"0123")):
        assert (answer.status_code, codes(answer)) == (400, ["BLOB_UPLOAD_INVALID"])
    assert edge.oci("PATCH", path).status_code == 202
    assert list(services.blobs.list()) == []
    with services.database.read() as tx:
        assert len(uploads.find(tx, repository, edge.key.access_key_id, upload).segments) == CHUNKS


def test_the_same_blob_from_many_at_once(http: httpx.Client, repository: str) -> None:
    """Every push succeeds, and the blob is there once and whole."""
    data = hashlib.shake_256(b"same").digest(300_000)
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(lambda _: push_blob(http, repository, data), range(16)))
    assert set(digests) == {sha256(data)}
    assert http.get(f"/v2/{repository}/blobs/{sha256(data)}").content == data


def test_one_upload_is_finished_once(http: httpx.Client, repository: str) -> None:
    """Of several that finish it at the same time one succeeds; for the others it is gone."""
    path = begin(http, repository)
    http.patch(path, content=b"once")
    with ThreadPoolExecutor(6) as pool:
        answers = pool.map(lambda _: http.put(f"{path}?digest={sha256(b'once')}").status_code, range(6))
    assert sorted(answers) == [201, 404, 404, 404, 404, 404]


def test_a_tag_pushed_by_many_at_once_names_one_of_them(ecr: Any, http: httpx.Client, repository: str) -> None:
    """All pushes succeed; the tag is one image's and all others are there without it."""
    images = [image([layer({"etc/motd": f"{number}\n".encode()})]) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(lambda pushed: push(http, repository, pushed, "latest"), images))
    listed = ecr.list_images(repositoryName=repository)["imageIds"]
    assert sorted(found["imageDigest"] for found in listed) == sorted(digests)
    assert len([found for found in listed if found.get("imageTag") == "latest"]) == 1


def test_mounting_from_another_account(server: Server, http: httpx.Client, repository: str) -> None:
    """A repository of the same name is looked for in the caller's own account alone: nothing is mounted."""
    digest = push_blob(http, repository, b"private")
    key = json.loads(server.run("keys", "create", "--account", "314159265358", "--format", "json").stdout)
    stranger = server.client(aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"])
    stranger.create_repository(repositoryName=f"{repository}/mine")
    token = stranger.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    headers = {"authorization": f"Basic {token}"}
    post = f"{server.url}/v2/{repository}/mine/blobs/uploads/?mount={digest}&from={repository}"
    assert httpx.post(post, headers=headers).status_code == 202
    assert httpx.get(f"{server.url}/v2/{repository}/mine/blobs/{digest}", headers=headers).status_code == 404
    assert codes(httpx.get(f"{server.url}/v2/{repository}/tags/list", headers=headers)) == ["NAME_UNKNOWN"]
    stranger.delete_repository(repositoryName=f"{repository}/mine", force=True)


def test_a_mount_that_cannot_be_becomes_an_upload(http: httpx.Client, repository: str) -> None:
    """202 with a place to send the bytes to, whatever was wrong with what was asked for."""
    digest = sha256(b"mounted")
    for query in (f"mount={digest}", f"mount={digest}&from={repository}", "mount=x&from=%00", f"mount={digest}&from="):
        answer = http.post(f"/v2/{repository}/blobs/uploads/?{query}")
        assert answer.status_code == 202
    assert http.put(f"{answer.headers['location']}?digest={digest}", content=b"mounted").status_code == 201


def test_what_is_not_there(server: Server, http: httpx.Client, repository: str) -> None:
    """404 with the code of what is missing, and ECR's sentence for a repository; HEAD has no body."""
    digest = SMALL.digest
    missing = f"The repository with name 'no/such' does not exist in the registry with id '{server.account}'"
    for method, path in (
        ("GET", "/v2/no/such/tags/list"),
        ("GET", "/v2/no/such/manifests/latest"),
        ("GET", f"/v2/no/such/blobs/{digest}"),
        ("POST", "/v2/no/such/blobs/uploads/"),
        ("POST", f"/v2/no/such/blobs/uploads/?digest={digest}"),
        ("PUT", "/v2/no/such/manifests/latest"),
        ("DELETE", "/v2/no/such/manifests/latest"),
        ("PATCH", "/v2/no/such/blobs/uploads/x"),
    ):
        answer = http.request(method, path)
        assert answer.status_code == 404
        assert answer.json() == {"errors": [{"code": "NAME_UNKNOWN", "message": missing}]}
    for path in ("manifests/latest", f"manifests/{digest}", "manifests/-no-tag-", f"blobs/{digest}"):
        head = http.head(f"/v2/{repository}/{path}")
        assert (head.status_code, head.content) == (404, b"")
    gone = http.get(f"/v2/{repository}/manifests/latest").json()
    assert gone == {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "Requested image not found"}]}


def test_a_repository_made_anew_takes_no_uploads_of_the_old(ecr: Any, http: httpx.Client, repository: str) -> None:
    """An upload ends with its repository, also where the name is used again."""
    path = begin(http, repository)
    ecr.delete_repository(repositoryName=repository)
    assert codes(http.patch(path, content=b"x")) == ["NAME_UNKNOWN"]
    ecr.create_repository(repositoryName=repository)
    assert codes(http.patch(path, content=b"x")) == ["BLOB_UPLOAD_UNKNOWN"]


def test_a_manifest_under_a_digest_of_sha512(http: httpx.Client, repository: str) -> None:
    """Pushed and pulled under the digest that the client chose; it is wrong like any other where it is wrong."""
    push(http, repository, SMALL)
    digest = "sha512:" + hashlib.sha512(SMALL.manifest).hexdigest()
    made = put_manifest(http, repository, digest, SMALL.manifest)
    assert (made.status_code, made.headers["docker-content-digest"]) == (201, digest)
    assert http.get(made.headers["location"]).content == SMALL.manifest
    wrong = put_manifest(http, repository, digest, OTHER.manifest)
    assert (wrong.status_code, codes(wrong)) == (400, ["DIGEST_INVALID"])


def test_a_content_type_with_parameters(http: httpx.Client, repository: str) -> None:
    """They are no part of the media type; without any content type the manifest's own counts."""
    push(http, repository, SMALL)
    for number, sent in enumerate(({"content-type": f"{OCI_MANIFEST}; charset=utf-8"}, {})):
        path = f"/v2/{repository}/manifests/t{number}"
        assert http.put(path, content=SMALL.manifest, headers=sent).status_code == 201
        assert http.get(path).headers["content-type"] == OCI_MANIFEST


def test_a_content_type_in_other_letters(http: httpx.Client, repository: str) -> None:
    """Case does not count in it (RFC 9110, 8.3.1), whether or not the manifest says what it is; in the manifest itself,
    which clients compare byte by byte, it does."""
    push(http, repository, SMALL)
    stated = json.loads(SMALL.manifest)
    silent = json.dumps({name: stated[name] for name in stated if name != "mediaType"}).encode()
    path = f"/v2/{repository}/manifests/t"
    for sent in (OCI_MANIFEST.upper(), "Application/vnd.OCI.image.manifest.v1+json ; charset=utf-8"):
        for body in (SMALL.manifest, silent):
            assert http.put(path, content=body, headers={"content-type": sent}).status_code == 201
            assert (http.get(path).content, http.get(path).headers["content-type"]) == (body, OCI_MANIFEST)
    shouted = SMALL.manifest.replace(OCI_MANIFEST.encode(), OCI_MANIFEST.upper().encode())
    for headers in ({"content-type": OCI_MANIFEST.upper()}, {}):
        refused = http.put(path, content=shouted, headers=headers)
        assert (refused.status_code, codes(refused)) == (400, ["MANIFEST_INVALID"])


def test_pages_of_tags_add_up(http: httpx.Client, repository: str) -> None:
    """Following Link from any size gives every tag once, in lexical order; `last` need not exist."""
    tags = ["0", "_x", "A", "a", "a-b", "a.b", "aa", "latest", "Z", "z" * 128]
    push(http, repository, SMALL, *reversed(tags))
    start = f"/v2/{repository}/tags/list"
    for size in (1, 3, 9, 10, 11, 5000):
        path, found = f"{start}?n={size}", []
        while path:
            answer = http.get(path)
            assert len(answer.json()["tags"]) <= size
            found += answer.json()["tags"]
            path = answer.links.get("next", {}).get("url", "")
        assert found == tags
    for last, rest in (("a", 6), ("a-a", 6), ("zz", 1), ("z" * 128, 0), ("%00", 10), ("a%00b", 6), ("%ff", 0)):
        assert len(http.get(f"{start}?last={last}").json()["tags"]) == rest, last
    for odd in ("x", "-1", "1.5", "", "9" * 30):
        assert http.get(f"{start}?n={odd}").json()["tags"] == tags
    nothing = http.get(f"{start}?n=0")
    assert (nothing.json()["tags"], "link" in nothing.headers) == ([], False)


def test_an_index_of_indexes(http: httpx.Client, repository: str) -> None:
    """Each level needs the one below; what is listed is not deleted while it is."""
    inner = index(SMALL.manifest, OTHER.manifest)
    outer = index(inner)
    push(http, repository, SMALL)
    for body in (inner, outer):
        early = put_manifest(http, repository, "early", body, OCI_INDEX)
        assert (early.status_code, codes(early)) == (400, ["MANIFEST_BLOB_UNKNOWN"])
    push(http, repository, OTHER)
    for body in (inner, outer):
        assert put_manifest(http, repository, sha256(body), body, OCI_INDEX).status_code == 201
    for digest in (SMALL.digest, sha256(inner)):
        held = http.delete(f"/v2/{repository}/manifests/{digest}")
        assert (held.status_code, codes(held)) == (409, ["DENIED"])
    for digest in (sha256(outer), sha256(inner), SMALL.digest, OTHER.digest):
        assert http.delete(f"/v2/{repository}/manifests/{digest}").status_code == 202


def test_a_token_ends_after_twelve_hours(edge: Edges) -> None:
    """To the second; what it says then is ECR's sentence, which tools take as a cue to log in again."""
    token = edge.aws("GetAuthorizationToken").json()["authorizationData"][0]
    headers = {"authorization": f"Basic {token['authorizationToken']}"}
    clock = edge.registry.clock
    begun = clock.moment.replace(microsecond=0)
    assert token["expiresAt"] == (begun + LIFETIME).timestamp()
    clock.moment = begun + LIFETIME - timedelta(seconds=1)
    assert edge.send("GET", "/v2/", headers=headers).status_code == 200
    clock.moment = begun + LIFETIME
    ended = edge.send("GET", "/v2/", headers=headers)
    assert ended.status_code == 403
    assert ended.json()["errors"] == [
        {"code": "DENIED", "message": "Your authorization token has expired. Reauthenticate and try again."}
    ]


def test_whoever_is_not_let_in_is_told_how_to(edge: Edges) -> None:
    """401 with a challenge, on every route, before anything is looked at; a changed token is no token."""
    password = edge.aws("GetAuthorizationToken").json()["authorizationData"][0]["authorizationToken"]
    wrong: list[dict[str, str]] = [
        {},
        {"authorization": ""},
        {"authorization": "Basic"},
        {"authorization": f"Bearer {password}"},
        {"authorization": f"Basic {password[:-8]}"},
        login("x" * 5000),
        login(""),
    ]
    for headers in wrong:
        for method, path in (("GET", "/v2/"), ("GET", "/v2/no/such/tags/list"), ("PUT", "/v2/nothing/here")):
            answer = edge.send(method, path, headers=headers)
            assert (answer.status_code, codes(answer)) == (401, ["UNAUTHORIZED"])
            assert (
                answer.headers["www-authenticate"] == 'Basic realm="http://registry.test/",service="ecr.amazonaws.com"'
            )
            assert answer.headers["docker-distribution-api-version"] == "registry/2.0"


def test_oras_pushes_in_chunks(server: Server, ecr: Any, repository: str, tmp_path: Path) -> None:
    """oras states ranges with its chunks, lists tags, pulls what it pushed, and deletes."""
    data = hashlib.shake_256(b"oras").digest(100_000)
    (tmp_path / "data.bin").write_bytes(data)
    client = oras.client.OrasClient(hostname=server.host, insecure=True, auth_backend="basic")
    client.auth.set_basic_auth("AWS", server.password)
    target = f"{server.host}/{repository}"
    pushing: dict[str, Any] = {"files": [str(tmp_path / "data.bin")], "disable_path_validation": True}
    client.push(target=f"{target}:chunks", do_chunked=True, chunk_size=30_000, **pushing)
    client.push(target=f"{target}:whole", **pushing)
    assert client.get_tags(target) == ["chunks", "whole"]
    (pulled,) = client.pull(target=f"{target}:chunks", outdir=str(tmp_path / "out"))
    assert Path(pulled).read_bytes() == data
    (found, *_) = ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert found["imageManifestMediaType"] == OCI_MANIFEST
    assert client.delete_tag(target, "chunks") is True
    # oras deletes the digest that the tag names, and both name the same.
    assert client.get_tags(target) == []
