"""Access keys: made in AWS's form, sealed at rest, found until they are revoked."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hullwise import sealing
from hullwise.auth import keys
from hullwise.auth.callers import Caller, KeyRing
from hullwise.auth.keys import KeyPair
from hullwise.domain.errors import InvalidParameter
from hullwise.sealing import SecretUnusable
from hullwise.store import accounts
from tests.support import registry as support
from tests.support.registry import ACCOUNT, Registry


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Registry]:
    """A registry on an empty SQLite file."""
    with support.registry(tmp_path) as found:
        yield found


def create(registry: Registry, account: str = ACCOUNT) -> KeyPair:
    with registry.services.database.write() as tx:
        return keys.create(tx, registry.services, account)


def revoke(registry: Registry, key_id: str) -> bool:
    with registry.services.database.write() as tx:
        return accounts.revoke_key(tx, key_id, registry.clock())


def test_a_pair_has_awss_form(on_sqlite: Registry) -> None:
    """Twenty characters that begin with AKIA, and forty; never the same twice."""
    pairs = [create(on_sqlite) for _ in range(20)]
    for pair in pairs:
        assert re.fullmatch(r"AKIA[A-Z2-7]{16}", pair.access_key_id)
        assert re.fullmatch(r"[A-Za-z0-9_-]{40}", pair.secret_access_key)
        assert pair.account == ACCOUNT
    assert len({pair.access_key_id for pair in pairs} | {pair.secret_access_key for pair in pairs}) == 40


@pytest.mark.parametrize(
    "account", ["", "1", "12345678901", "1234567890123", "12345678901a", "１２３４５６７８９０１２"]
)
def test_an_account_is_twelve_digits(on_sqlite: Registry, account: str) -> None:
    """Anything else is refused, and neither an account nor a key is made."""
    with pytest.raises(InvalidParameter):
        create(on_sqlite, account)
    with on_sqlite.services.database.read() as tx:
        assert accounts.list_keys(tx) == []


def test_a_key_makes_its_account(on_sqlite: Registry) -> None:
    """A key may be the first of its account; further ones join it."""
    first, second = create(on_sqlite, "000000000001"), create(on_sqlite, "000000000001")
    ring = KeyRing(on_sqlite.services)
    for pair in (first, second):
        known = ring.find(pair.access_key_id)
        assert known is not None
        assert (known.account, known.secret) == ("000000000001", pair.secret_access_key)


def test_new_accounts_are_numbers_of_twelve_digits() -> None:
    """Without a zero in front, so that nothing on the way takes one for a shorter number."""
    for _ in range(200):
        assert re.fullmatch(r"[1-9][0-9]{11}", keys.new_account())


def test_a_key_is_found_until_it_is_revoked(on_sqlite: Registry) -> None:
    """At once, also by a ring that has found it before; revoking it again says that there was nothing to revoke."""
    pair, other = create(on_sqlite), create(on_sqlite)
    ring = KeyRing(on_sqlite.services)
    assert ring.find(pair.access_key_id) is not None
    assert revoke(on_sqlite, pair.access_key_id) is True
    assert ring.find(pair.access_key_id) is None
    assert KeyRing(on_sqlite.services).find(pair.access_key_id) is None
    assert ring.find(other.access_key_id) is not None
    assert revoke(on_sqlite, pair.access_key_id) is False
    assert revoke(on_sqlite, "AKIANOSUCHKEY") is False
    assert ring.find("AKIANOSUCHKEY") is None


def test_a_secret_is_nowhere_in_the_data(on_sqlite: Registry) -> None:
    """Neither the files of the database nor what prints a value of ours show it."""
    pair = create(on_sqlite)
    known = KeyRing(on_sqlite.services).find(pair.access_key_id)
    assert pair.secret_access_key not in repr(pair) + repr(known)
    for file in on_sqlite.services.settings.data.rglob("*"):
        assert not file.is_file() or pair.secret_access_key.encode() not in file.read_bytes()


def test_a_key_opens_with_the_secret_that_sealed_it(on_sqlite: Registry) -> None:
    """Under another installation's secret, or as another key's, it does not open; it does not open to junk either."""
    pair, other = create(on_sqlite), create(on_sqlite)
    with on_sqlite.services.database.read() as tx:
        stored, others = accounts.find_key(tx, pair.access_key_id), accounts.find_key(tx, other.access_key_id)
    assert stored is not None
    assert others is not None
    assert keys.opened(on_sqlite.services, stored) == pair.secret_access_key
    with pytest.raises(SecretUnusable):
        keys.opened(replace(on_sqlite.services, secret=bytes(32)), stored)
    for swapped in (others.sealed_secret, stored.sealed_secret[:-1], stored.sealed_secret + b"x"):
        with pytest.raises(SecretUnusable):
            keys.opened(on_sqlite.services, replace(stored, sealed_secret=swapped))


def test_the_secret_of_an_installation(tmp_path: Path) -> None:
    """Made once, for its owner's eyes only, and the same from then on; a configured one goes before it."""
    path = tmp_path / "new" / "secret.key"
    made = sealing.load("", path)
    assert len(made) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert sealing.load("", path) == made
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]
    assert sealing.load("00" * 32, path) == bytes(32)


@pytest.mark.wire
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_new_secret_outlives_a_power_cut(tmp_path: Path) -> None:
    """Its bytes are synced before it has its name, and the name before it is used; so are those of new folders."""
    script = "import sys; from pathlib import Path; from hullwise import sealing; sealing.load('', Path(sys.argv[1]))"
    log, path = tmp_path / "calls", tmp_path / "new" / "data" / "secret.key"
    traced = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,link,linkat", "-o", str(log)]
    subprocess.run([*traced, sys.executable, "-c", script, str(path)], check=True)
    found = [line for line in log.read_text().splitlines() if str(tmp_path) in line]
    synced = [line.partition("<")[2].partition(">")[0] for line in found]
    assert ["link" in line for line in found] == [False, False, False, True, False]
    assert synced[:2] == [str(tmp_path), str(path.parent.parent)]
    assert synced[2].startswith(f"{path}.")
    assert synced[4] == str(path.parent)


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 31, "00" * 33, "é" * 64])
def test_a_secret_that_is_none(tmp_path: Path, text: str) -> None:
    """A file that was cut or damaged is not quietly replaced: all that it sealed would be lost."""
    path = tmp_path / "secret.key"
    path.write_text(text)
    with pytest.raises(SecretUnusable, match=r"secret\.key must hold 32 bytes as hex"):
        sealing.load("", path)
    assert path.read_text() == text
    if text:
        with pytest.raises(SecretUnusable, match="HULLWISE_SECRET_KEY must hold 32 bytes as hex"):
            sealing.load(text, tmp_path / "other.key")


def test_keys_of_one_purpose_open_nothing_of_another() -> None:
    """What is derived for tokens, page tokens and access keys differs, and differs between installations."""
    purposes = ("access key", "authorization token", "page token", "")
    derived = {sealing.derive(secret, purpose) for secret in (bytes(32), b"\1" * 32) for purpose in purposes}
    assert len(derived) == 8


def test_a_caller_names_itself() -> None:
    """The ARN that refusals show."""
    assert Caller("AKIAX", ACCOUNT, "us-east-1").arn == f"arn:aws:iam::{ACCOUNT}:user/AKIAX"
