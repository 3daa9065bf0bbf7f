"""A config is a claim by whoever pushed it: its layers must be those of the manifest."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hullwise.domain.configs import ImageConfig
from hullwise.inventory import verification
from hullwise.inventory.image import ReadLayer
from hullwise.inventory.layers import LayerInventory, LayerTree

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def layers(*diff_ids: str) -> list[ReadLayer]:
    return [
        ReadLayer(f"L{index}", LayerInventory(LayerTree(diff_id, 0, 0, b""))) for index, diff_id in enumerate(diff_ids)
    ]


def config(*diff_ids: str) -> ImageConfig:
    return ImageConfig("amd64", "linux", "", diff_ids)


@pytest.mark.parametrize("diff_ids", [[], [A], [A, B], [A, A]])
def test_a_true_config_passes(diff_ids: Sequence[str]) -> None:
    """The same digests, as many, in the same order."""
    assert list(verification.checked(config(*diff_ids), len(diff_ids), layers(*diff_ids))) == layers(*diff_ids)


@pytest.mark.parametrize(
    ("named", "found", "why"),
    [
        ([B], [A], f"layer L0 unpacks to {A}, the config names {B}"),
        ([B, A], [A, B], f"layer L0 unpacks to {A}, the config names {B}"),
        ([A, A], [A, B], f"layer L1 unpacks to {B}, the config names {A}"),
        ([A], [A, B], "the config names 1 layers, the manifest 2"),
        ([A, B], [A], "the config names 2 layers, the manifest 1"),
        ([], [A], "the config names 0 layers, the manifest 1"),
        ([A.upper()], [A], f"layer L0 unpacks to {A}, the config names {A.upper()}"),
        (["sha512:" + "a" * 128], [A], f"layer L0 unpacks to {A}, the config names sha512:" + "a" * 128),
    ],
)
def test_a_false_config_is_refused(named: Sequence[str], found: Sequence[str], why: str) -> None:
    """Another digest, another order, another number: the message says which."""
    with pytest.raises(verification.ConfigMismatch) as refused:
        list(verification.checked(config(*named), len(found), layers(*found)))
    assert str(refused.value) == why
