"""What remains of bytes that the storage has no room for: nothing, whoever brings them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hullwise.blobs.errors import StorageUnavailable
from hullwise.blobs.folder import FolderStorage
from hullwise.registry import artifacts, parts, uploads
from hullwise.registry.parts import Part
from hullwise.services import Services
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from tests.support import registry as support
from tests.support.images import image, layer, python_packages, sha256

BODY = b"x" * 100


def _part(services: Services, repository: Repository, _: Image) -> None:
    upload = parts.begin(services, repository, "AKIATEST")
    parts.add(services, repository, "AKIATEST", upload, Part(0, len(BODY) - 1), BODY)


BRINGS: dict[str, Callable[[Services, Repository, Image], object]] = {
    "a part of an upload": _part,
    "an import": lambda services, repository, _: uploads.receive(services, repository, sha256(BODY), [BODY]),
    "a document": lambda services, repository, subject: artifacts.attach(
        services, repository, subject, "application/vnd.cyclonedx+json", BODY, {}
    ),
}


@pytest.mark.parametrize("who", BRINGS)
def test_nothing_remains_of_bytes_without_room(tmp_path: Path, who: str) -> None:
    with support.registry(tmp_path) as registry:
        repository = registry.repository()
        stored = registry.push(repository, image([layer(python_packages(flask="1.0"))]))
        full = FolderStorage(tmp_path / "full", durability="full", reserve=1 << 60)
        with pytest.raises(StorageUnavailable):
            BRINGS[who](replace(registry.services, blobs=full), repository, stored)
        assert [path for path in (tmp_path / "full").rglob("*") if path.is_file()] == []
