"""Whether the layers are those that the image config names."""

from __future__ import annotations

from collections.abc import Sequence

from hullwise.domain.configs import ImageConfig
from hullwise.inventory.image import ReadLayer


class ConfigMismatch(Exception):
    """The config says something else of the layers than they are. The message says what."""


def check(config: ImageConfig, layers: Sequence[ReadLayer]) -> None:
    """Raises ConfigMismatch unless the config names exactly these layers, by the digests of their tars.

    (OCI image spec, config.md, `rootfs.diff_ids`.) A config is a claim by whoever pushed it: what another layer holds
    is never taken from it.
    """
    if len(config.diff_ids) != len(layers):
        raise ConfigMismatch(f"the config names {len(config.diff_ids)} layers, the manifest {len(layers)}")
    for named, layer in zip(config.diff_ids, layers, strict=True):
        found = layer.inventory.tree.diff_id
        if named != found:
            raise ConfigMismatch(f"layer {layer.digest} unpacks to {found}, the config names {named}")
