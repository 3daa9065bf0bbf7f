"""moto's server, which starts with a repository of images in it.

They are put where its PutImage puts them, as what it makes of them: through its API the ten thousandth takes as long as
any other PutImage, and all of them a quarter of an hour.
"""

from __future__ import annotations

import sys

from moto.ecr.models import Image, ecr_backends
from moto.server import main

from benchmarks.registry import ACCOUNT, REGION, manifest
from hullwise.domain.manifests import OCI_MANIFEST


def fill(name: str, count: int) -> None:
    backend = ecr_backends[ACCOUNT][REGION]
    repository = backend.create_repository(name, None, {}, {}, "MUTABLE", [])
    for number in range(count):
        body = manifest(number, number).decode()
        repository.images.append(Image(ACCOUNT, f"build-{number}", body, name, OCI_MANIFEST))


if __name__ == "__main__":
    port, *repositories = sys.argv[1:]
    for each in repositories:
        name, _, count = each.partition("=")
        fill(name, int(count))
    main(["-p", port])
