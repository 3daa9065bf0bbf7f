"""Deleting: tags, manifests, blobs; and how anything is refused."""

from __future__ import annotations

import re

import httpx
import pytest

from hullwise.domain.manifests import OCI_INDEX
from hullwise.oci.errors import CODES as USED
from tests.conformance.conftest import CODES, LEGACY_CODES, WARNING
from tests.support.images import image, layer, sha256
from tests.support.pushing import index, push, push_blob, put_manifest

IMAGE = image([layer({"etc/motd": b"hello\n"})])
ABSENT = sha256(b"absent")


@pytest.mark.requirement("delete-tag-202")
def test_a_tag_is_deleted(http: httpx.Client, repository: str) -> None:
    """It alone, also the last one of a manifest, which stays under its digest."""
    push(http, repository, IMAGE, "a", "b")
    for tag, rest in (("a", ["b"]), ("b", [])):
        assert http.delete(f"/v2/{repository}/manifests/{tag}").status_code == 202
        assert http.get(f"/v2/{repository}/manifests/{tag}").status_code == 404
        assert http.delete(f"/v2/{repository}/manifests/{tag}").status_code == 404
        assert http.get(f"/v2/{repository}/tags/list").json()["tags"] == rest
        assert http.get(f"/v2/{repository}/manifests/{IMAGE.digest}").content == IMAGE.manifest


@pytest.mark.requirement("delete-manifest-202")
def test_a_manifest_is_deleted(http: httpx.Client, repository: str, other: str) -> None:
    """With its tags, here and not in another repository; it can be pushed again."""
    push(http, other, IMAGE, "a")
    push(http, repository, IMAGE, "a", "b")
    assert http.delete(f"/v2/{repository}/manifests/{IMAGE.digest}").status_code == 202
    for reference in ("a", "b", IMAGE.digest):
        assert http.get(f"/v2/{repository}/manifests/{reference}").status_code == 404
    assert http.get(f"/v2/{repository}/tags/list").json()["tags"] == []
    assert http.get(f"/v2/{other}/manifests/a").content == IMAGE.manifest
    assert put_manifest(http, repository, "c", IMAGE.manifest).status_code == 201
    assert http.get(f"/v2/{repository}/tags/list").json()["tags"] == ["c"]


@pytest.mark.requirement("delete-manifest-404")
def test_a_manifest_that_there_is_not(http: httpx.Client, repository: str) -> None:
    """Nor its repository."""
    push(http, repository, IMAGE)
    for name, reference in ((repository, ABSENT), (repository, "none"), ("conformance/no/such", IMAGE.digest)):
        assert http.delete(f"/v2/{name}/manifests/{reference}").status_code == 404
    http.delete(f"/v2/{repository}/manifests/{IMAGE.digest}")
    assert http.delete(f"/v2/{repository}/manifests/{IMAGE.digest}").status_code == 404


@pytest.mark.requirement("delete-blob-202")
def test_a_blob_is_deleted(http: httpx.Client, repository: str, other: str) -> None:
    """Here and not in another repository; it can be pushed again."""
    digest = push_blob(http, repository, b"blob")
    push_blob(http, other, b"blob")
    assert http.delete(f"/v2/{repository}/blobs/{digest}").status_code == 202
    assert http.get(f"/v2/{repository}/blobs/{digest}").status_code == 404
    assert http.get(f"/v2/{other}/blobs/{digest}").content == b"blob"
    push_blob(http, repository, b"blob")
    assert http.get(f"/v2/{repository}/blobs/{digest}").content == b"blob"


@pytest.mark.requirement("delete-blob-404")
def test_a_blob_that_there_is_not(http: httpx.Client, repository: str, other: str) -> None:
    """Also where another repository has it."""
    digest = push_blob(http, other, b"blob")
    for name, absent in ((repository, digest), (repository, ABSENT), ("conformance/no/such", digest)):
        assert http.delete(f"/v2/{name}/blobs/{absent}").status_code == 404
    assert http.get(f"/v2/{other}/blobs/{digest}").content == b"blob"


@pytest.mark.requirement("error-form", "error-codes")
def test_the_form_of_an_error(http: httpx.Client, repository: str) -> None:
    """JSON by its type too; one of each code, by its status."""
    push(http, repository, IMAGE)
    put_manifest(http, repository, "i", index(IMAGE.manifest), OCI_INDEX)
    upload = http.post(f"/v2/{repository}/blobs/uploads/").headers["location"]
    base = f"/v2/{repository}"
    expected = [
        ("GET", f"{base}/blobs/{ABSENT}", b"", 404, "BLOB_UNKNOWN"),
        ("PATCH", upload, b"x", 416, "BLOB_UPLOAD_INVALID"),
        ("GET", f"{base}/blobs/uploads/x", b"", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PUT", f"{upload}?digest={ABSENT}", b"", 400, "DIGEST_INVALID"),
        ("PUT", f"{base}/manifests/a", IMAGE.manifest.replace(b"sha256:", b"sha256:0", 1), 400, "MANIFEST_INVALID"),
        ("PUT", f"{base}/manifests/a", IMAGE.manifest[:-1], 400, "MANIFEST_INVALID"),
        ("GET", f"{base}/manifests/none", b"", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/UPPER/tags/list", b"", 400, "NAME_INVALID"),
        ("GET", "/v2/conformance/no/such/tags/list", b"", 404, "NAME_UNKNOWN"),
        ("DELETE", f"{base}/manifests/{IMAGE.digest}", b"", 409, "DENIED"),
        ("POST", f"{base}/manifests/a", b"", 405, "UNSUPPORTED"),
    ]
    for method, path, body, status, code in expected:
        headers = {"content-range": "5-5"} if method == "PATCH" else {}
        answer = http.request(method, path, content=body, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code), path
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["errors"][0]["message"]


@pytest.mark.requirement("error-codes")
def test_codes_are_the_specs() -> None:
    """Every code that a failure is given, but for what ECR has of Docker's own, is in the spec's list and its form."""
    used = {code for _, code in USED.values()}
    assert used - CODES <= LEGACY_CODES
    assert all(re.fullmatch("[A-Z_]+", code) for code in used)


@pytest.mark.requirement("warning-form")
def test_the_form_of_a_warning() -> None:
    """What every answer of this suite is held to, told from what it is not."""
    assert WARNING.fullmatch('299 - "This image is old."')
    for wrong in ('199 - "x"', '299 host "x"', '299 - "x" "Wed, 21 Oct 2015 07:28:00 GMT"', "299 - x", '299 - "x'):
        assert WARNING.fullmatch(wrong) is None
