"""Who made a bundle: Ed25519 keys (RFC 8032), and signatures that are checked against the keys that are trusted.

hullwise-key:BASE64URL    a public key as text: its 32 bytes, without padding (RFC 4648, section 5)
0123456789abcdef          its id: the first 8 bytes of their SHA-256, in hex
32 bytes in a file        the seed of the private key, readable by its owner only
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hullwise import durable

PREFIX = "hullwise-key:"
"""How the text of a public key begins."""
LENGTH = 32
"""Bytes of a seed, and of a public key (RFC 8032, 5.1.5)."""

_TEXT = re.compile(re.escape(PREFIX) + "[A-Za-z0-9_-]{43}")
_ID = re.compile("[0-9a-f]{16}")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class UnusableKey(Exception):
    """A key's file or text is not one of this module's. The message says what is wrong with it."""


class UntrustedBundle(Exception):
    """Nobody who is trusted has signed it. The message says by which key, and which are trusted."""


class SigningKey:
    """A private key. It is never shown."""

    __slots__ = ("_private", "key_id", "public")

    def __init__(self, seed: bytes) -> None:
        """`seed`: LENGTH bytes of chance."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = _text(self._private.public_key().public_bytes_raw())
        """The public key as text."""
        self.key_id = key_id(self.public)

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"

    @classmethod
    def create(cls, path: Path) -> SigningKey:
        """A new key, whose seed is durable in the file afterwards. Only its owner may read it.

        Raises UnusableKey where there is a file already, which stays as it is; OSError where none can be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = secrets.token_bytes(LENGTH)
        partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(seed)
                file.flush()
                os.fsync(file.fileno())
            # A link, unlike a rename, never takes the place of a file that is there.
            path.hardlink_to(partial)
        except FileExistsError:
            raise UnusableKey(f"{path} is there already, and a key is never overwritten") from None
        finally:
            partial.unlink(missing_ok=True)
        durable.sync(path.parent)
        return cls(seed)

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """The key in a file. Raises UnusableKey where others than its owner may read or write it, and where it holds
        no seed; OSError where it cannot be read."""
        # Without waiting for whoever would write into a pipe of that name.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise UnusableKey(f"{path} is no regular file")
            if mode & _OTHERS:
                raise UnusableKey(f"{path} is open to others than its owner (mode {stat.S_IMODE(mode):04o}, not 0600)")
            seed = file.read(LENGTH + 1)
        if len(seed) != LENGTH:
            raise UnusableKey(f"{path} does not hold the {LENGTH} bytes of a key")
        return cls(seed)

    def sign(self, message: bytes) -> bytes:
        """64 bytes; the same message gives the same ones."""
        return self._private.sign(message)


def key_id(public: str) -> str:
    """The short id of a public key. Raises UnusableKey where the text is none."""
    return _id(_bytes(public))


def is_key_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def verify(public_keys: Sequence[str], message: bytes, signature: bytes, key_id: str) -> str:
    """The one of these public keys that made the signature. `key_id`: which one the signature says it is.

    Raises UntrustedBundle where none of them has that id, and where it did not sign this message; UnusableKey where
    one of them is no key.
    """
    ids = {text: _id(_bytes(text)) for text in public_keys}
    named = [text for text, its_id in ids.items() if its_id == key_id]
    if not named:
        _refuse_unknown(key_id, sorted(ids.values()))
    for text in named:
        try:
            Ed25519PublicKey.from_public_bytes(_bytes(text)).verify(signature, message)
            return text
        except InvalidSignature:
            continue
    raise UntrustedBundle(f"the signature is not the one that key {key_id} makes of this content: one was changed")


def _refuse_unknown(key_id: str, known: Sequence[str]) -> NoReturn:
    shown = key_id if is_key_id(key_id) else "of no valid id"
    trusted = f"trusted: {', '.join(known)}" if known else "no key is trusted yet"
    raise UntrustedBundle(f"it is signed with key {shown}, which is not trusted ({trusted})")


def _id(raw: bytes) -> str:
    return hashlib.sha256(raw).digest()[:8].hex()


def _text(raw: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(public: str) -> bytes:
    if _TEXT.fullmatch(public):
        try:
            raw = base64.urlsafe_b64decode(public.removeprefix(PREFIX) + "=")
        except binascii.Error:
            raw = b""
        # The last character has two bits to spare: one key has one text.
        if len(raw) == LENGTH and _text(raw) == public:
            return raw
    raise UnusableKey(f"{public[:64]!r} is no public key: {PREFIX} and 43 characters of base64url")
