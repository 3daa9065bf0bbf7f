"""Whether the layers are those that the image config names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hullwise.domain.configs import ImageConfig
from hullwise.inventory.image import ReadLayer


class ConfigMismatch(Exception):
    """The config says something else of the layers than they are. The message says what."""


def checked(config: ImageConfig, count: int, layers: Iterable[ReadLayer]) -> Iterator[ReadLayer]:
    """So many layers, each once it is what the config names. Raises ConfigMismatch unless the config names exactly
    these, by the digests of their tars: before the first where their number differs, else at the one that does.

    (OCI image spec, config.md, `rootfs.diff_ids`.) A config is a claim by whoever pushed it: what another layer holds
    is never taken from it.
    """
    if len(config.diff_ids) != count:
        raise ConfigMismatch(f"the config names {len(config.diff_ids)} layers, the manifest {count}")
    for named, layer in zip(config.diff_ids, layers, strict=True):
        found = layer.inventory.tree.diff_id
        if named != found:
            raise ConfigMismatch(f"layer {layer.digest} unpacks to {found}, the config names {named}")
        yield layer
        del layer
