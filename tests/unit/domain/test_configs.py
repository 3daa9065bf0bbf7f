"""An image config gives a scan its layers' digests (OCI image spec, config.md)."""

from __future__ import annotations

import json
import re
import time
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


# Left: what the text of a JSON string says; right: what is read, as Go's encoding/json does, but for NUL.
@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"a\u0000b", "a\ufffdb"),
        (r"\ud800", "\ufffd"),
        (r"\uDFFFx", "\ufffdx"),
        (r"\ud800\u0041", "\ufffdA"),
        (r"\udc00\ud800", "\ufffd\ufffd"),
        (r"\ud800\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\ud83d\ude00\ude00", "\U0001f600\ufffd"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\ud800\n\"", '\ufffd\n"'),
        (r"\\ud800 \\u0000", r"\ud800 \u0000"),
        (r"\\\ud800 \\\u0000", "\\\ufffd \\\ufffd"),
        (r"\\ud800\udc00", r"\ud800" "\ufffd"),
        (r"\u00000\uffff", "\ufffd0\uffff"),
    ],
)
def test_what_no_database_keeps_is_replaced(written: str, read: str) -> None:
    """NUL and halves of characters become U+FFFD wherever they are; whole characters and backslashes stay."""
    layers = b'"rootfs": {"diff_ids": ["%s"]}' % A.encode()
    text = b'"' + written.encode() + b'"'
    config = b'{"author": %s, "architecture": %s, "history": [{"created_by": %s}], "config": {"Labels": {%s: %s}}, %s}'
    assert configs.parse(config % (text, text, text, text, text, layers)) == ImageConfig(read, "", read, (A,))


def test_a_replaced_nul_makes_no_other_member() -> None:
    """A member whose name is another's but for a NUL is not that one."""
    assert configs.parse(rb'{"author": "a", "author\u0000": "b", "\u0000author": "c"}').author == "a"


@given(
    st.text(st.sampled_from(["\0", "\ud800", "\udbff", "\udc00", "\U0001f600", "\\", '"', "\n", "u", "d", "0", "8"]))
)
def test_any_text_is_read_as_it_is_but_for_what_is_replaced(text: str) -> None:
    """Of every text, also of two halves beside each other, which are one character."""
    joined = re.sub("([\ud800-\udbff])([\udc00-\udfff])", lambda pair: _joined(*pair.groups()), text)
    expected = re.sub("[\0\ud800-\udfff]", "\ufffd", joined)
    assert configs.parse(json.dumps({"author": text}).encode()).author == expected


def _joined(high: str, low: str) -> str:
    return (high + low).encode("utf-16-le", "surrogatepass").decode("utf-16-le")


@pytest.mark.parametrize("piece", [rb"\ud800", rb"\ud83d\ude00", rb"\\", rb"\n", b"x", rb"\\u"])
def test_the_largest_config_is_read_in_seconds(piece: bytes) -> None:
    """Whatever it is full of, time grows with its size alone."""
    frame = b'{"author": "a", "x": "%s\\u0000"}'
    body = frame % (piece * ((CONFIG_LIMIT - len(frame)) // len(piece)))
    begun = time.process_time()
    assert configs.parse(body).author == "a"
    assert time.process_time() - begun < 10
