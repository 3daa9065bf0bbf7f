"""What a command that reads an image begins with, before it imports all that it needs.

    the command   ── imports ──────────────────────▶ ── asks for readers ──▶
    the nursery's process  ── imports the readers ──▶ ── forks them ──▶

Either takes a tenth of a second, which is a third of the scan of a small image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hullwise.domain.configs import UnreadableConfig
from hullwise.inventory.sources import NoImage, open_image

if TYPE_CHECKING:
    from hullwise.inventory.nursery import Nursery


@contextmanager
def begun(path: Path, *, platform: str | None, cache: Path | None) -> Iterator[Nursery | None]:
    """A nursery whose process has begun; None where it looks as if no layer of the image had to be read. What is wrong
    with the image, whoever opens it will be told."""
    if _remembered(path, platform, cache or default_cache()):
        yield None
        return
    # Imported here: a scan of known layers starts no process, and this costs it a twentieth of its time.
    from hullwise.inventory.nursery import Nursery

    with Nursery() as nursery:
        nursery.begin()
        yield nursery


def default_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("hullwise", appauthor=False))


def layers(cache: Path) -> Path:
    """The folder of what is remembered of layers."""
    return cache / "layers"


def stem(digest: str) -> str:
    """How the name of what is remembered of a layer begins. It ends with the version of its readers."""
    return f"{digest.replace(':', '-')}-"


def _remembered(path: Path, platform: str | None, cache: Path) -> bool:
    # A tar is read to its end before it is known what is in it, and once more when it is opened.
    if not path.is_dir():
        return True
    try:
        image = open_image(path, platform)
        return all(layer.digest and any(layers(cache).glob(f"{stem(layer.digest)}*")) for layer in image.layers)
    except (NoImage, UnreadableConfig, OSError):
        return True
