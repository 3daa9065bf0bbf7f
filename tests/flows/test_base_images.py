"""The image that another was built on is found among the registry's own, by what its layers hold."""

from __future__ import annotations

import gzip
from typing import Any

from hullwise.scanning import bases
from hullwise.scanning.bases import Base
from hullwise.store import images, repositories
from tests.support.images import DEBIAN_12, Image, Layer, image, layer, python_packages
from tests.support.registry import ACCOUNT, REGION, Registry

BOTTOM = layer({"etc/os-release": DEBIAN_12})
MIDDLE = layer(python_packages(Flask="1.0"))
TOP = layer(python_packages(Mako="1.0"))
OTHER = layer(python_packages(Jinja2="2.10"))


def pushed(registry: Registry, name: str, made: Image) -> None:
    registry.push(registry.repository(name), made)


def base(registry: Registry, name: str, seen: Any = lambda _: True) -> Base | None:
    registry.work()
    with registry.services.database.read() as tx:
        repository = repositories.get(tx, ACCOUNT, REGION, name)
        found = images.by_tag(tx, repository.id, "latest")
        assert found is not None
        return bases.base_of(tx, repository, found, seen)


def named(found: Base | None) -> list[str]:
    return [] if found is None else [owner.name for owner, _ in found.images]


def test_the_base_with_the_most_layers(registry: Registry) -> None:
    """Of two bases the nearer; an image with other layers, or with more, is none; nor is the image itself."""
    pushed(registry, "debian", image([BOTTOM]))
    pushed(registry, "flask", image([BOTTOM, MIDDLE]))
    pushed(registry, "jinja", image([BOTTOM, OTHER]))
    pushed(registry, "app", image([BOTTOM, MIDDLE, TOP]))
    pushed(registry, "larger", image([BOTTOM, MIDDLE, TOP, OTHER]))
    found = base(registry, "app")
    assert found is not None
    assert (named(found), found.layers, found.of) == (["flask"], [BOTTOM.digest, MIDDLE.digest], 3)
    assert named(base(registry, "flask")) == ["debian"]
    assert base(registry, "debian") is None


def test_compression_does_not_matter(registry: Registry) -> None:
    """A mirror that packs layers anew gives the blobs other digests; what they unpack to is the same."""
    plain = Layer(gzip.compress(gzip.decompress(BOTTOM.blob), 1, mtime=1), BOTTOM.diff_id)
    assert plain.digest != BOTTOM.digest
    pushed(registry, "mirror/debian", image([plain]))
    pushed(registry, "app", image([BOTTOM, TOP]))
    found = base(registry, "app")
    assert found is not None
    assert (named(found), found.layers) == (["mirror/debian"], [BOTTOM.digest])


def test_only_what_the_caller_sees(registry: Registry) -> None:
    """A repository that it may not read is passed over for one with fewer layers."""
    pushed(registry, "debian", image([BOTTOM]))
    pushed(registry, "secret", image([BOTTOM, MIDDLE]))
    pushed(registry, "app", image([BOTTOM, MIDDLE, TOP]))
    assert named(base(registry, "app", lambda each: each.name != "secret")) == ["debian"]
    assert base(registry, "app", lambda _: False) is None


def test_the_order_of_layers_matters(registry: Registry) -> None:
    """The same layers above each other the other way are another file system."""
    pushed(registry, "swapped", image([MIDDLE, BOTTOM]))
    pushed(registry, "app", image([BOTTOM, MIDDLE, TOP]))
    assert base(registry, "app") is None
