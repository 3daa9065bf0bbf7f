"""The names of stored objects."""

from __future__ import annotations

import pytest

from hullwise.blobs import keys
from hullwise.blobs.errors import InvalidKey


def test_segments_are_spread_over_folders() -> None:
    """The id's first byte is a folder; the ordinal has six digits, so that names sort."""
    upload = "3fa9" + "0" * 28
    assert keys.segment(upload, 1) == f"segments/3f/{upload}-000001"
    assert keys.segment(upload, 1234567) == f"segments/3f/{upload}-1234567"


def test_generations_are_named_by_their_digest() -> None:
    """With or without the name of the algorithm."""
    digest = "9b" * 32
    assert keys.generation(f"sha256:{digest}") == keys.generation(digest) == f"generations/{digest}.sqlite"


@pytest.mark.parametrize(
    "upload", ["", "3f", "../../etc/passwd", "3FA9" + "0" * 28, "3fa9" + "0" * 28 + "\n", "g" * 32]
)
def test_what_is_no_upload_id_makes_no_key(upload: str) -> None:
    """A client's text does not become a path."""
    with pytest.raises(InvalidKey):
        keys.segment(upload, 1)


@pytest.mark.parametrize("digest", ["", "sha256:", "sha512:" + "9b" * 64, "9B" * 32, "sha256:../" + "9b" * 31])
def test_what_is_no_digest_makes_no_key(digest: str) -> None:
    """Only a sha256 names a generation."""
    with pytest.raises(InvalidKey):
        keys.generation(digest)
