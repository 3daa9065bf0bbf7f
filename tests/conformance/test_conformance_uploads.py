"""Blobs on their way in: whole, in chunks, streamed, mounted, cancelled."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.support.edges import login
from tests.support.images import sha256
from tests.support.pushing import push_blob
from tests.support.registry import Server

WHOLE = b"".join(b"%06d\n" % number for number in range(3_000))
FIRST, SECOND, THIRD = WHOLE[:7_000], WHOLE[7_000:15_000], WHOLE[15_000:]
DIGEST = sha256(WHOLE)


def begin(http: httpx.Client, repository: str) -> str:
    answer = http.post(f"/v2/{repository}/blobs/uploads/", headers={"content-length": "0"})
    assert answer.status_code == 202
    location: str = answer.headers["location"]
    return location


def chunk(http: httpx.Client, path: str, data: bytes, stated: str | None = None) -> httpx.Response:
    headers = {"content-type": "application/octet-stream"} | ({"content-range": stated} if stated else {})
    return http.patch(path, content=data, headers=headers)


def close(http: httpx.Client, path: str, data: bytes = b"", stated: str | None = None) -> httpx.Response:
    """With the digest of the whole."""
    query = f"{'&' if '?' in path else '?'}digest={DIGEST}"
    return http.put(path + query, content=data, headers={"content-range": stated} if stated else {})


def check_blob(http: httpx.Client, made: httpx.Response, data: bytes = WHOLE) -> None:
    assert made.status_code == 201, made.text
    assert http.get(made.headers["location"]).content == data


@pytest.mark.requirement("upload-begin")
def test_an_upload_begins(http: httpx.Client, repository: str) -> None:
    """Each has a Location of its own, and is empty."""
    locations = {begin(http, repository) for _ in range(5)}
    assert len(locations) == 5
    for location in locations:
        assert http.get(location).status_code == 204


@pytest.mark.requirement("upload-put")
def test_post_then_put(http: httpx.Client, repository: str) -> None:
    """All bytes come with the PUT; so do none."""
    check_blob(http, close(http, begin(http, repository), WHOLE))
    empty = http.put(f"{begin(http, repository)}?digest={sha256(b'')}")
    check_blob(http, empty, b"")


@pytest.mark.requirement("upload-post")
def test_one_post(http: httpx.Client, repository: str) -> None:
    """The same again is fine."""
    for _ in range(2):
        check_blob(http, http.post(f"/v2/{repository}/blobs/uploads/?digest={DIGEST}", content=WHOLE))


@pytest.mark.requirement("upload-digest-wrong", "upload-post-digest")
def test_a_wrong_digest(http: httpx.Client, repository: str) -> None:
    """Whichever way the bytes came: 400, and neither what they are nor what they were called is there."""
    streamed, chunked, last = (begin(http, repository) for _ in range(3))
    wrong = WHOLE + b"x"
    chunk(http, streamed, wrong)
    chunk(http, chunked, FIRST, f"0-{len(FIRST) - 1}")
    chunk(http, last, FIRST)
    answers = [
        http.post(f"/v2/{repository}/blobs/uploads/?digest={DIGEST}", content=wrong),
        close(http, begin(http, repository), wrong),
        close(http, streamed),
        close(http, chunked),
        close(http, last, THIRD),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    for digest in (DIGEST, sha256(wrong), sha256(FIRST), sha256(FIRST + THIRD)):
        assert http.head(f"/v2/{repository}/blobs/{digest}").status_code == 404


@pytest.mark.requirement("upload-digest-wrong")
def test_a_digest_that_is_none(http: httpx.Client, repository: str) -> None:
    """400, and the upload can still be closed by its true one."""
    path = begin(http, repository)
    for digest in ("x", "sha256:", "sha256:" + "g" * 64, "sha384:" + "0" * 96, DIGEST.upper(), "%00"):
        for answer in (
            http.put(f"{path}?digest={digest}", content=WHOLE),
            http.post(f"/v2/{repository}/blobs/uploads/?digest={digest}", content=WHOLE),
        ):
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID"), digest
    check_blob(http, close(http, path, WHOLE))


@pytest.mark.requirement("upload-post-length")
def test_fewer_bytes_than_announced(target: Server, http: httpx.Client, repository: str) -> None:
    """A connection that ends early makes no blob, of all that it said or of what it sent."""
    host, _, port = target.host.partition(":")
    for method, path in (("POST", f"/v2/{repository}/blobs/uploads/"), ("PUT", begin(http, repository))):
        for digest in (DIGEST, sha256(FIRST)):
            head = [
                f"{method} {path}?digest={digest} HTTP/1.1",
                f"Host: {target.host}",
                f"Authorization: {login(target.password)['authorization']}",
                f"Content-Length: {len(WHOLE)}",
            ]
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall("\r\n".join([*head, "", ""]).encode() + FIRST)
                connection.shutdown(socket.SHUT_WR)
                assert b" 201 " not in connection.recv(1_000)
    for digest in (DIGEST, sha256(FIRST)):
        assert http.head(f"/v2/{repository}/blobs/{digest}").status_code == 404


@pytest.mark.requirement("chunk-202", "chunk-close")
@pytest.mark.parametrize("stating", [True, False], ids=["with Content-Range", "without"])
@pytest.mark.parametrize("last", ["PATCH", "PUT"])
def test_three_chunks(http: httpx.Client, repository: str, stating: bool, last: str) -> None:
    """Each answer says where to go on; the last chunk may come by either method."""
    path, sent = begin(http, repository), 0
    for data in (FIRST, SECOND, THIRD):
        stated = f"{sent}-{sent + len(data) - 1}" if stating else None
        if data is THIRD and last == "PUT":
            check_blob(http, close(http, path, data, stated))
            return
        answer = chunk(http, path, data, stated)
        sent += len(data)
        assert (answer.status_code, answer.headers["range"]) == (202, f"0-{sent - 1}")
        path = answer.headers["location"]
    check_blob(http, close(http, path))


@pytest.mark.requirement("chunk-order", "upload-status")
def test_chunks_out_of_order(http: httpx.Client, repository: str) -> None:
    """A gap, a repetition, an overlap, a start that is not 0: 416, and the status says where to go on."""
    path = begin(http, repository)
    assert chunk(http, path, SECOND, f"{len(FIRST)}-{len(FIRST) + len(SECOND) - 1}").status_code == 416
    path = chunk(http, path, FIRST, f"0-{len(FIRST) - 1}").headers["location"]
    starts = (0, len(FIRST) - 1, len(FIRST) + 1, len(FIRST) + len(SECOND), 10**17)
    for start in starts:
        assert chunk(http, path, SECOND, f"{start}-{start + len(SECOND) - 1}").status_code == 416
        status = http.get(path)
        assert (status.status_code, status.headers["range"]) == (204, f"0-{len(FIRST) - 1}")
        path = status.headers["location"]
    path = chunk(http, path, SECOND, f"{len(FIRST)}-{len(FIRST) + len(SECOND) - 1}").headers["location"]
    check_blob(http, close(http, path, THIRD))


@pytest.mark.requirement("chunk-order-last")
def test_a_last_chunk_out_of_order(http: httpx.Client, repository: str) -> None:
    """416, and the upload is still there."""
    path = begin(http, repository)
    chunk(http, path, FIRST + SECOND)
    for start in (0, len(FIRST)):
        assert close(http, path, THIRD, f"{start}-{start + len(THIRD) - 1}").status_code == 416
    check_blob(http, close(http, path, THIRD, f"{len(FIRST + SECOND)}-{len(WHOLE) - 1}"))


@pytest.mark.requirement("chunk-length")
def test_a_chunk_of_another_length(http: httpx.Client, repository: str) -> None:
    """Longer or shorter than it says: refused as a whole."""
    path = begin(http, repository)
    for end in (0, len(FIRST) - 2, len(FIRST), 10**17):
        answer = chunk(http, path, FIRST, f"0-{end}")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "SIZE_INVALID")
    chunk(http, path, FIRST, f"0-{len(FIRST) - 1}")
    check_blob(http, close(http, path, SECOND + THIRD))


@pytest.mark.requirement("chunk-stream")
def test_a_stream(http: httpx.Client, repository: str) -> None:
    """Transfer-Encoding: chunked, in PATCH, PUT and POST alike."""

    def pieces() -> Iterator[bytes]:
        yield from (FIRST, SECOND, THIRD)

    path = begin(http, repository)
    patched = http.patch(path, content=pieces())
    assert (patched.status_code, patched.headers["range"]) == (202, f"0-{len(WHOLE) - 1}")
    assert "content-length" not in patched.request.headers
    check_blob(http, close(http, patched.headers["location"]))
    put = http.put(f"{begin(http, repository)}?digest={DIGEST}", content=pieces())
    check_blob(http, put)
    check_blob(http, http.post(f"/v2/{repository}/blobs/uploads/?digest={DIGEST}", content=pieces()))


@pytest.mark.requirement("chunk-close-digest")
def test_an_upload_is_not_closed_without_a_digest(http: httpx.Client, repository: str) -> None:
    """400, and it is still open."""
    path = begin(http, repository)
    chunk(http, path, WHOLE)
    for query in ("", "?digest", "?digest="):
        assert http.put(path + query).status_code == 400
    check_blob(http, close(http, path))


@pytest.mark.requirement("upload-status")
def test_the_status_of_an_upload(http: httpx.Client, repository: str) -> None:
    """204 with where it is and what it has, each time."""
    path, sent = begin(http, repository), 0
    for data in (FIRST, SECOND, THIRD):
        path = chunk(http, path, data).headers["location"]
        sent += len(data)
        status = http.get(path)
        assert (status.status_code, status.content) == (204, b"")
        assert status.headers["range"] == f"0-{sent - 1}"
        assert http.get(status.headers["location"]).status_code == 204


@pytest.mark.requirement("upload-unknown")
def test_uploads_that_there_are_not(http: httpx.Client, repository: str) -> None:
    """One that was finished, one that was cancelled, one that never was."""
    finished, cancelled = begin(http, repository), begin(http, repository)
    close(http, finished, WHOLE)
    http.delete(cancelled)
    for path in (finished, cancelled, f"/v2/{repository}/blobs/uploads/{'0' * 32}"):
        for answer in (http.get(path), chunk(http, path, FIRST), close(http, path, WHOLE), http.delete(path)):
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.requirement("upload-min-length")
def test_the_length_that_chunks_should_have(http: httpx.Client, repository: str) -> None:
    """A number of bytes, said where an upload begins; shorter ones are taken all the same."""
    answer = http.post(f"/v2/{repository}/blobs/uploads/")
    assert answer.headers["oci-chunk-min-length"] == str(5 << 20)
    assert chunk(http, answer.headers["location"], b"x").status_code == 202


@pytest.mark.requirement("upload-cancel")
def test_an_upload_is_cancelled(http: httpx.Client, repository: str) -> None:
    """Nothing of it can be had any more."""
    path = begin(http, repository)
    chunk(http, path, WHOLE)
    assert http.delete(path).status_code == 204
    assert close(http, path).status_code == 404
    assert http.head(f"/v2/{repository}/blobs/{DIGEST}").status_code == 404


@pytest.mark.requirement("mount-201", "mount-digest")
def test_a_mount(http: httpx.Client, repository: str, other: str) -> None:
    """The blob is there without its bytes having been sent again, also once it is gone from where it came."""
    push_blob(http, repository, WHOLE)
    mounted = http.post(f"/v2/{other}/blobs/uploads/?mount={DIGEST}&from={repository}")
    assert mounted.headers["docker-content-digest"] == DIGEST
    assert mounted.headers["location"] == f"/v2/{other}/blobs/{DIGEST}"
    check_blob(http, mounted)
    assert http.delete(f"/v2/{repository}/blobs/{DIGEST}").status_code == 202
    check_blob(http, mounted)


@pytest.mark.requirement("mount-from-anywhere")
def test_a_mount_from_anywhere(http: httpx.Client, repository: str, other: str) -> None:
    """What the registry has is found."""
    data = f"of {repository}".encode()
    push_blob(http, repository, data)
    check_blob(http, http.post(f"/v2/{other}/blobs/uploads/?mount={sha256(data)}"), data)


@pytest.mark.requirement("mount-202")
def test_a_mount_that_cannot_be(http: httpx.Client, repository: str, other: str) -> None:
    """The answer is that of an upload that begins, and the upload can be finished."""
    data = f"nowhere but {repository}".encode()
    for source in (f"&from={other}", "&from=conformance/no/such", "&from=UPPER", ""):
        answer = http.post(f"/v2/{repository}/blobs/uploads/?mount={sha256(data)}{source}")
        assert (answer.status_code, answer.headers["range"]) == (202, "0-0")
        made = http.put(f"{answer.headers['location']}?digest={sha256(data)}", content=data)
        check_blob(http, made, data)
        http.delete(f"/v2/{repository}/blobs/{sha256(data)}")
