"""A server on PostgreSQL and S3: nothing that matters lies in its data folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import registry as support
from tests.support.images import Image, image, layer, python_packages, sha256
from tests.support.postgres import new_database
from tests.support.s3 import S3Server


@pytest.fixture
def pushed() -> Image:
    """Two layers, a vulnerable package in the upper one."""
    return image([layer({"etc/motd": b"hello\n"}), layer(python_packages(Jinja2="2.10"))])


@pytest.mark.parametrize("storage", ["s3_moto", "s3_rclone"])
def test_push_scan_and_pull(storage: str, request: pytest.FixtureRequest, tmp_path: Path, pushed: Image) -> None:
    """An image is pushed, scanned and pulled over S3, ranges included, whatever the backend lacks."""
    s3: S3Server = request.getfixturevalue(storage)
    settings = {
        "database_url": new_database(),
        "blobs_url": f"{s3.url}/{tmp_path.name}",
        "blobs_options": json.dumps(dict(s3.options)),
    }
    with support.server(tmp_path / "data", **settings) as server:
        scanned = {"scanOnPush": True}
        server.client().create_repository(repositoryName="remote/app", imageScanningConfiguration=scanned)
        server.push("remote/app", pushed)
        found = server.wait_for_scan("remote/app")
        assert found["imageScanStatus"]["status"] == "COMPLETE"
        assert "CVE-2019-10906" in [finding["name"] for finding in found["imageScanFindings"]["findings"]]
        blob = pushed.layers[1].blob
        path = f"/v2/remote/app/blobs/{sha256(blob)}"
        with server.http() as client:
            assert client.get(path).content == blob
            part = client.get(path, headers={"range": "bytes=5-20"})
            assert (part.status_code, part.content) == (206, blob[5:21])
    kept = sorted(file.name for file in (tmp_path / "data").rglob("*") if file.is_file() and file.suffix != ".lock")
    assert [name for name in kept if not name.endswith(".sqlite")] == ["head.json", "secret.key"]
