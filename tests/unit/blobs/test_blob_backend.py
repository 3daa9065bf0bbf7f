"""From settings to a storage; no server is asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from hullwise.blobs.backend import open_storage
from hullwise.blobs.capabilities import KNOWN, Capabilities
from hullwise.blobs.errors import StorageMisconfigured

CREDENTIALS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret"}


def test_capabilities_can_be_declared() -> None:
    """A name from the table, fields, or none at all: each is believed, and the server is not asked."""
    nowhere = {**CREDENTIALS, "endpoint": "https://127.0.0.1:1"}
    for text, expected in {
        "rclone": Capabilities(ranged_read=False, put_if_absent=False, presign=True),
        "presign,ranged_read": Capabilities(ranged_read=True, put_if_absent=False, presign=True),
        "": Capabilities(ranged_read=False, put_if_absent=False, presign=False),
    }.items():
        opened = open_storage("s3://bucket/x", durability="full", options={**nowhere, "capabilities": text})
        assert opened.capabilities == expected


def test_amazon_itself_is_not_probed() -> None:
    """Without an endpoint the server is known; nothing is sent on opening."""
    options = {**CREDENTIALS, "region": "eu-west-1"}
    storage = open_storage("s3://bucket/x", durability="full", options=options)
    assert storage.capabilities == KNOWN["aws"]
    url = storage.presigned_url("a", valid_for=timedelta(minutes=1))
    assert url is not None and url.startswith("https://s3.eu-west-1.amazonaws.com/bucket/x/a?")


def test_virtual_hosting_puts_the_bucket_before_the_host() -> None:
    """The bucket is in the host name and no longer in the path."""
    options = {**CREDENTIALS, "endpoint": "https://objects.example:9000", "virtual_hosted": "true"}
    storage = open_storage("s3://bucket/pre", durability="full", options={**options, "capabilities": "aws"})
    url = storage.presigned_url("a/b", valid_for=timedelta(minutes=1))
    assert url is not None and url.startswith("https://bucket.objects.example:9000/pre/a/b?")


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("ftp://host/path", {}),
        ("file://elsewhere/path", {}),
        ("file://", {}),
        ("s3://", {}),
        ("s3://UPPER", {}),
        ("s3://bucket/../up", {}),
        ("s3://bucket", {"colour": "red"}),
        ("s3://bucket", {"access_key_id": "alone"}),
        ("s3://bucket", {"endpoint": "objects.example"}),
        ("s3://bucket", {"allow_http": "yes"}),
        ("s3://bucket", {"capabilities": "flight"}),
    ],
)
def test_settings_that_name_no_storage_are_refused(url: str, options: Mapping[str, str]) -> None:
    """A mistake in the settings is said at once and as such."""
    with pytest.raises(StorageMisconfigured):
        open_storage(url, durability="full", options=options)


def test_a_folder_has_no_options_of_a_server(tmp_path: Path) -> None:
    """An endpoint with a folder is a mistake."""
    with pytest.raises(StorageMisconfigured):
        open_storage(str(tmp_path), durability="full", options={"endpoint": "http://x"})
