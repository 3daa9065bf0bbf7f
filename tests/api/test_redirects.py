"""Pulls that go to the bucket itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import registry as support
from tests.support.clocked import clocked
from tests.support.images import image, layer, python_packages, sha256
from tests.support.s3 import S3Server

IMAGE = image([layer(python_packages(flask="1.0"))])
LAYER = IMAGE.layers[0]


@pytest.mark.parametrize("storage", ["s3_moto", "s3_rclone"])
@pytest.mark.parametrize("redirects", [True, False])
def test_a_layer_is_fetched_where_it_lies(
    storage: str, redirects: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """By whoever may pull it, without our credentials; where that is not switched on it comes from here."""
    s3: S3Server = request.getfixturevalue(storage)
    place: dict[str, Any] = {"blobs_url": f"{s3.url}/{tmp_path.name}", "blobs_options": dict(s3.options)}
    with support.registry(tmp_path, blob_redirects=redirects, **place) as registry:
        api = clocked(registry)
        api.call("CreateRepository", repositoryName="app")
        api.push("app", IMAGE)
        path = f"/v2/app/blobs/{LAYER.digest}"
        assert api.send("GET", path).status_code == 401
        url = api.call("GetDownloadUrlForLayer", repositoryName="app", layerDigest=LAYER.digest)["downloadUrl"]
        for answer in (api.oci("GET", path), api.send("GET", url.removeprefix(api.url))):
            if not redirects:
                assert (answer.status_code, answer.content) == (200, LAYER.blob)
                continue
            assert (answer.status_code, answer.content) == (307, b"")
            assert answer.headers["docker-content-digest"] == LAYER.digest
            fetched = httpx.get(answer.headers["location"])
            assert (fetched.status_code, sha256(fetched.content)) == (200, LAYER.digest)
        head = api.oci("HEAD", path)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(LAYER.blob)))
        assert api.oci("GET", path, if_none_match=f'"{LAYER.digest}"').status_code == 304


def test_what_has_no_address_comes_from_here(tmp_path: Path, s3_moto: S3Server) -> None:
    """A blob of several objects, and all of a folder's."""
    place: dict[str, Any] = {"blobs_url": f"{s3_moto.url}/{tmp_path.name}", "blobs_options": dict(s3_moto.options)}
    for settings in (place, {}):
        with support.registry(tmp_path / str(len(settings)), blob_redirects=True, **settings) as registry:
            api = clocked(registry)
            api.call("CreateRepository", repositoryName="app")
            begun = api.oci("POST", "/v2/app/blobs/uploads/").headers["location"]
            api.oci("PATCH", begun, b"one ")
            api.oci("PATCH", begun, b"two")
            assert api.oci("PUT", f"{begun}?digest={sha256(b'one two')}").status_code == 201
            answer = api.oci("GET", f"/v2/app/blobs/{sha256(b'one two')}")
            assert (answer.status_code, answer.content) == (200, b"one two")
