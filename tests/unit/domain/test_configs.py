"""An image config gives a scan its layers' digests (OCI image spec, config.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.domain import configs
from hullwise.domain.configs import CONFIG_LIMIT, ImageConfig, UnreadableConfig

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def config(**members: Any) -> bytes:
    return json.dumps({"architecture": "amd64", "os": "linux", **members}).encode()


def test_a_config_names_its_layers() -> None:
    """Lowest first, as written; all that a scan does not need is passed over."""
    found = configs.parse(
        config(
            author="someone",
            created="2024-01-01T00:00:00Z",
            rootfs={"type": "layers", "diff_ids": [B, A, A]},
            history=[{"created_by": "RUN true", "empty_layer": True}],
            config={"Env": ["PATH=/"]},
        )
    )
    assert found == ImageConfig("amd64", "linux", "someone", (B, A, A))


@pytest.mark.parametrize("body", [b"{}", config(), config(rootfs={}), config(created=None)])
def test_a_config_may_name_no_layers(body: bytes) -> None:
    """An image without layers has none to name."""
    assert configs.parse(body).diff_ids == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b'{"os": "\xff"}',
        b'{"os": "\\ud800"}',
        config(os=7),
        config(rootfs=None),
        config(rootfs={"diff_ids": A}),
        config(rootfs={"diff_ids": [A, None]}),
        b'{"x": ' + b"[" * 100_000,
        config(padding="x" * CONFIG_LIMIT),
    ],
)
def test_what_is_no_config_is_refused(body: bytes) -> None:
    """The one error is UnreadableConfig, and says that it is about the config."""
    with pytest.raises(UnreadableConfig, match="the image config"):
        configs.parse(body)


@given(st.binary(max_size=100))
def test_no_bytes_are_another_error(body: bytes) -> None:
    """Any bytes at all."""
    with pytest.raises(UnreadableConfig):
        configs.parse(b"\xff" + body)
