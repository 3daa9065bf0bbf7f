"""Digests are an algorithm and its lower-case hex digits (OCI image spec, descriptor.md)."""

from __future__ import annotations

import pytest

from hullwise.domain import digests
from hullwise.domain.errors import DigestMismatch, InvalidDigest

# FIPS 180-4, the hashes of the empty message.
EMPTY_256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
EMPTY_512 = (
    "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
)


@pytest.mark.parametrize(("digest", "name"), [(EMPTY_256, "sha256"), (EMPTY_512, "sha512")])
def test_both_algorithms_are_known(digest: str, name: str) -> None:
    """sha256 and sha512: computed at once or piece by piece."""
    assert digests.check(digest) == digest
    assert digests.is_digest(digest)
    assert (digests.algorithm(digest), digests.of(b"", name)) == (name, digest)
    running = digests.new_hash(name)
    running.update(b"")
    assert f"{name}:{running.hexdigest()}" == digest


def test_sha256_is_the_usual_one() -> None:
    """Without a name the algorithm is sha256 (FIPS 180-4: the hash of `abc`)."""
    assert digests.of(b"abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        EMPTY_256[:-1],
        EMPTY_256 + "0",
        EMPTY_256 + "\n",
        " " + EMPTY_256,
        EMPTY_256.upper(),
        EMPTY_256.replace("e", "E"),
        EMPTY_256.replace("sha256", "sha512"),
        EMPTY_512.replace("sha512", "sha256"),
        EMPTY_256.replace("sha256", "md5"),
        EMPTY_256.replace(":", "-"),
        "sha256:" + "٣" * 64,
        "sha256:" + "g" * 64,
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    """Other algorithms, lengths and letters, and anything around it."""
    assert not digests.is_digest(text)
    with pytest.raises(InvalidDigest):
        digests.check(text)


def test_a_stated_digest_must_be_the_computed_one() -> None:
    """The error names both."""
    digests.verify(EMPTY_256, EMPTY_256)
    with pytest.raises(DigestMismatch) as refused:
        digests.verify(EMPTY_256, digests.of(b"abc"))
    assert EMPTY_256 in str(refused.value)
    assert digests.of(b"abc") in str(refused.value)
