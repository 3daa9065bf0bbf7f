"""The installation's own secret, and what it seals: access keys and receivers' secrets at rest, tokens on the wire."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hullwise import durable

LENGTH = 32
_NONCE = 12


class SecretUnusable(Exception):
    """The installation's secret is missing, malformed, or not the one that sealed the data."""


class SecretMissing(SecretUnusable):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is missing, and what is stored is sealed with the secret key in it: put it back from a backup, or "
            "set HULLWISE_SECRET_KEY to what it held"
        )


class SecretForeign(SecretUnusable):
    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} holds another secret key than the one that sealed what is stored: put that one back from a backup"
        )


class Sealed(NamedTuple):
    """What was sealed, with all but the secret that opens it."""

    purpose: str
    context: str
    body: bytes


def load(configured: str, path: Path) -> bytes:
    """The secret of this installation: as configured (hex), else the file's, which is made where it is absent."""
    try:
        return kept(configured, path)
    except SecretMissing:
        return _made(path)


def kept(configured: str, path: Path) -> bytes:
    """The secret as configured, else the file's. Raises SecretMissing where there is neither."""
    if configured:
        return _decoded(configured, place(configured, path))
    try:
        return _decoded(path.read_text().strip(), place(configured, path))
    except FileNotFoundError as error:
        raise SecretMissing(path) from error


def place(configured: str, path: Path) -> str:
    """Where the secret is from, for people."""
    return "HULLWISE_SECRET_KEY" if configured else str(path)


def _decoded(text: str, where: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != LENGTH:
        raise SecretUnusable(f"{where} must hold {LENGTH} bytes as hex")
    return found


def _made(path: Path) -> bytes:
    """Write a new secret, readable by its owner only; where another process is first, its secret is the one. It
    survives a power loss from then on."""
    durable.make(path.parent)
    found = secrets.token_bytes(LENGTH)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(found.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link, unlike a rename, never takes the place of a file that is there.
        path.hardlink_to(partial)
    except FileExistsError:
        found = load("", path)
    finally:
        partial.unlink()
    # Rows that it seals may be on another machine, and last.
    durable.sync(path.parent)
    return found


def derive(secret: bytes, purpose: str) -> bytes:
    """A key for one purpose, so that none signs or opens what is another's. Raises SecretUnusable without a secret."""
    if not secret:
        raise SecretUnusable("this needs the secret key")
    return hmac.digest(secret, f"hullwise {purpose}".encode(), "sha256")


def seal(secret: bytes, purpose: str, context: str, plain: str) -> bytes:
    """Encrypt; only the same secret, purpose and context open it again."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(derive(secret, purpose)).encrypt(nonce, plain.encode(), context.encode())


def unseal(secret: bytes, purpose: str, context: str, sealed: bytes) -> str:
    """Raises SecretUnusable where it was sealed otherwise."""
    try:
        return AESGCM(derive(secret, purpose)).decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode()).decode()
    except InvalidTag as error:
        raise SecretUnusable("what is stored was sealed with another secret key") from error


def fits(secret: bytes, found: Iterable[Sealed]) -> bool:
    """Whether the secret opens any of these, or there is none: one that opens none is another installation's."""
    empty = True
    for each in found:
        empty = False
        try:
            unseal(secret, *each)
        except SecretUnusable:
            continue
        return True
    return empty
