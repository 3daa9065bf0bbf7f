"""A key stays its owner's, and a signature counts only where its key is trusted."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.advisories.signing import SigningKey, UntrustedBundle, UnusableKey, is_key_id, key_id, verify

# RFC 8032, 7.1, tests 1 to 3: seed, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
        "c027beceea1ec40a",
    ),
]


def key(seed: str = VECTORS[0][0]) -> SigningKey:
    return SigningKey(bytes.fromhex(seed))


@pytest.mark.parametrize(("seed", "public", "message", "signature"), VECTORS)
def test_signatures_are_those_of_the_standard(seed: str, public: str, message: str, signature: str) -> None:
    """Key, text and signature are those of RFC 8032's test vectors, and verify."""
    made = key(seed)
    text = "hullwise-key:" + base64.urlsafe_b64encode(bytes.fromhex(public)).decode().rstrip("=")
    assert made.public == text
    assert made.key_id == hashlib.sha256(bytes.fromhex(public)).hexdigest()[:16] == key_id(text)
    assert made.sign(bytes.fromhex(message)).hex() == signature
    assert verify([text], bytes.fromhex(message), bytes.fromhex(signature), made.key_id) == text


def test_a_key_survives_in_its_file(tmp_path: Path) -> None:
    """The file holds 32 bytes that its owner alone may read, and gives the same key again; nothing is left beside."""
    path = tmp_path / "keys" / "bundle.key"
    made = SigningKey.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    assert SigningKey.load(path).public == made.public
    assert [item.name for item in path.parent.iterdir()] == ["bundle.key"]


def test_two_keys_differ(tmp_path: Path) -> None:
    """Keys are of chance."""
    assert SigningKey.create(tmp_path / "one").public != SigningKey.create(tmp_path / "other").public


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """Where there is a file, whatever it holds, it stays, and the message names it."""
    path = tmp_path / "bundle.key"
    path.write_text("precious")
    with pytest.raises(UnusableKey, match=r"bundle\.key is there already"):
        SigningKey.create(path)
    assert path.read_text() == "precious"
    assert [item.name for item in tmp_path.iterdir()] == ["bundle.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    """Any right of the group or of everybody is one too many."""
    path = tmp_path / "bundle.key"
    SigningKey.create(path)
    path.chmod(mode)
    with pytest.raises(UnusableKey, match=f"mode {mode:04o}, not 0600"):
        SigningKey.load(path)


@pytest.mark.parametrize("size", [0, 31, 33, 1_000])
def test_a_file_of_another_size_is_no_key(tmp_path: Path, size: int) -> None:
    """Only 32 bytes are a seed."""
    path = tmp_path / "bundle.key"
    path.write_bytes(bytes(size))
    path.chmod(0o600)
    with pytest.raises(UnusableKey, match="32 bytes"):
        SigningKey.load(path)


def test_what_is_no_file_is_no_key(tmp_path: Path) -> None:
    """A pipe is refused and not waited for; a file that is not there is the caller's to see."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UnusableKey, match="no regular file"):
        SigningKey.load(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        SigningKey.load(tmp_path / "nothing")


def test_a_key_is_never_shown() -> None:
    """Its representation has the public id only."""
    assert repr(key()) == f"SigningKey({key().key_id})"


def test_the_right_one_of_several_trusted_keys_is_told() -> None:
    """Which trusted key signed is returned, in whatever order they are."""
    one, other = key(), key(VECTORS[1][0])
    for trusted in ([one.public, other.public], [other.public, one.public]):
        assert verify(trusted, b"text", other.sign(b"text"), other.key_id) == other.public


def test_an_unknown_key_is_not_trusted() -> None:
    """The message says by which key it is signed, and which are trusted."""
    one, other = key(), key(VECTORS[1][0])
    with pytest.raises(UntrustedBundle, match=rf"key {one.key_id}, which is not trusted \(trusted: {other.key_id}\)"):
        verify([other.public], b"text", one.sign(b"text"), one.key_id)
    with pytest.raises(UntrustedBundle, match="no key is trusted yet"):
        verify([], b"text", one.sign(b"text"), one.key_id)


def test_a_signature_under_the_id_of_another_key_is_wrong() -> None:
    """Who claims to be a trusted key must have signed with it."""
    one, other = key(), key(VECTORS[1][0])
    with pytest.raises(UntrustedBundle, match="signature is not the one"):
        verify([one.public, other.public], b"text", one.sign(b"text"), other.key_id)


@given(st.binary(max_size=64), st.integers(min_value=0))
def test_no_other_message_and_no_other_signature_will_do(message: bytes, at: int) -> None:
    """One bit of the message or of the signature, or a byte more or less, and nobody has signed it."""
    made = key()
    signature = made.sign(message)
    flipped = bytearray(signature)
    flipped[at % 64] ^= 1 << at // 64 % 8
    for text, stated in (
        (message + b"\0", signature),
        (b"\0" + message, signature),
        (message, bytes(flipped)),
        (message, signature[:-1]),
        (message, signature + b"\0"),
        (message, b""),
    ):
        with pytest.raises(UntrustedBundle):
            verify([made.public], text, stated, made.key_id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hullwise-key:",
        "hullwise-key:" + "A" * 42,
        "hullwise-key:" + "A" * 44,
        "hullwise-key:" + "A" * 42 + "=",
        "hullwise-key:" + "A" * 42 + "+",
        "hullwise-key:" + "A" * 42 + "B",  # bits to spare that are not zero
        "hullwise-key:" + "A" * 43 + "\n",
        "Hullwise-key:" + "A" * 43,
        "ssh-ed25519 AAAA",
        "hullwise-key:" + "A" * 100_000,
    ],
)
def test_a_malformed_trusted_key_is_named(text: str) -> None:
    """A text that is no public key is said to be none, shortened, and never skipped in silence."""
    with pytest.raises(UnusableKey, match="no public key") as caught:
        key_id(text)
    assert len(str(caught.value)) < 200
    with pytest.raises(UnusableKey):
        verify([key().public, text], b"", key().sign(b""), key().key_id)


@given(st.text(max_size=20))
def test_an_id_is_shown_only_if_it_is_one(text: str) -> None:
    """What a hostile file calls its key never reaches the message."""
    with pytest.raises(UntrustedBundle) as caught:
        verify([], b"", b"", text)
    assert is_key_id(text) or "key of no valid id," in str(caught.value)
    assert re.fullmatch("[ -~]*", str(caught.value))
