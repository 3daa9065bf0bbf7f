"""Authorization tokens: whoever was issued one is its caller, for twelve hours, while the key is good."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import itsdangerous
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hullwise.auth import keys, tokens
from hullwise.auth.callers import Caller, KeyRing
from hullwise.domain.errors import AuthorizationTokenExpired, AuthorizationTokenInvalid
from hullwise.sealing import derive
from hullwise.store import accounts
from tests.support import registry as support
from tests.support.registry import ACCOUNT, START, Registry


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Registry]:
    """A registry on an empty SQLite file."""
    with support.registry(tmp_path) as found:
        yield found


@pytest.fixture
def caller(on_sqlite: Registry) -> Caller:
    """Somebody with a key, in a region that is not the first."""
    with on_sqlite.services.database.write() as tx:
        return Caller(keys.create(tx, on_sqlite.services, ACCOUNT).access_key_id, ACCOUNT, "eu-west-1")


def check(registry: Registry, password: str) -> Caller:
    return tokens.check(registry.services, KeyRing(registry.services), password)


def refused(registry: Registry, password: str) -> type[Exception]:
    """The class of the refusal."""
    with pytest.raises(AuthorizationTokenInvalid) as caught:
        check(registry, password)
    return caught.type


def test_a_token_is_its_callers(on_sqlite: Registry, caller: Caller) -> None:
    """Key, account and region come back as they were."""
    assert check(on_sqlite, tokens.issue(on_sqlite.services, caller).password) == caller


def test_a_token_ends_to_the_second(on_sqlite: Registry, caller: Caller) -> None:
    """Twelve hours after it was issued, in whole seconds, as its answer says."""
    on_sqlite.clock.advance(microseconds=999_999)
    token = tokens.issue(on_sqlite.services, caller)
    assert token.expires_at == START + timedelta(hours=12)
    on_sqlite.clock.moment = token.expires_at - timedelta(microseconds=1)
    assert check(on_sqlite, token.password) == caller
    on_sqlite.clock.moment = token.expires_at
    assert refused(on_sqlite, token.password) is AuthorizationTokenExpired
    on_sqlite.clock.advance(days=5000)
    assert refused(on_sqlite, token.password) is AuthorizationTokenExpired


def test_a_token_ends_with_its_key(on_sqlite: Registry, caller: Caller) -> None:
    """A revoked key's tokens are no tokens, those that ended before included: nobody is to log in again with it."""
    password = tokens.issue(on_sqlite.services, caller).password
    with on_sqlite.services.database.write() as tx:
        accounts.revoke_key(tx, caller.access_key_id, on_sqlite.clock())
    assert refused(on_sqlite, password) is AuthorizationTokenInvalid
    on_sqlite.clock.advance(hours=13)
    assert refused(on_sqlite, password) is AuthorizationTokenInvalid


def test_a_token_of_another_installation(on_sqlite: Registry, caller: Caller) -> None:
    """Another secret signs other tokens."""
    elsewhere = replace(on_sqlite.services, secret=bytes(32))
    assert refused(on_sqlite, tokens.issue(elsewhere, caller).password) is AuthorizationTokenInvalid


def test_a_key_in_another_account(on_sqlite: Registry, caller: Caller) -> None:
    """A token whose key is not of the account that it names is none."""
    stolen = replace(caller, account="210987654321")
    assert refused(on_sqlite, tokens.issue(on_sqlite.services, stolen).password) is AuthorizationTokenInvalid
    unknown = replace(caller, access_key_id="AKIANOSUCHKEY")
    assert refused(on_sqlite, tokens.issue(on_sqlite.services, unknown).password) is AuthorizationTokenInvalid


def test_a_changed_token(on_sqlite: Registry, caller: Caller) -> None:
    """No other character anywhere makes a token of the same or another caller."""
    password = tokens.issue(on_sqlite.services, caller).password
    for at in range(len(password)):
        # The unused bits of base64's last character cannot hide either change.
        other = "A" if password[at] != "A" else "Q"
        assert refused(on_sqlite, password[:at] + other + password[at + 1 :]) is AuthorizationTokenInvalid
    for other in ("", password[:-1], password + "A", password * 2, password.swapcase(), "x" * 2_049, "é", "\0", "."):
        assert refused(on_sqlite, other) is AuthorizationTokenInvalid


@pytest.mark.parametrize(
    "content",
    [
        None,
        1,
        "x",
        {},
        [],
        ["k", "a", "r"],
        ["k", "a", "r", "1"],
        [1, "a", "r", 1],
        ["k", "a", "r", 1, 2],
        ["k", "a", "r", 1.5],
    ],
)
def test_signed_content_of_another_form(on_sqlite: Registry, content: Any) -> None:
    """What this installation signed, in an earlier version perhaps, is still looked at before it is used."""
    secret = derive(on_sqlite.services.secret, "authorization token")
    signer = itsdangerous.URLSafeSerializer(secret, signer_kwargs={"digest_method": hashlib.sha256})
    assert refused(on_sqlite, str(signer.dumps(content))) is AuthorizationTokenInvalid


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=st.text(max_size=300))
def test_no_text_is_more_than_invalid(on_sqlite: Registry, password: str) -> None:
    """Whatever is sent, nothing else is raised."""
    assert refused(on_sqlite, password) is AuthorizationTokenInvalid


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


@pytest.mark.parametrize(
    ("value", "password"),
    [
        (f"Basic {encoded(b'AWS:secret')}", "secret"),
        (f"basic {encoded(b'AWS:secret')}", "secret"),
        (f"BASIC   {encoded(b'AWS:secret')} ", "secret"),
        (f"Basic {encoded(b'AWS:a:b:c')}", "a:b:c"),
        (f"Basic {encoded(b'AWS:')}", ""),
        (f"Basic {encoded('AWS:é'.encode())}", "é"),
    ],
)
def test_a_basic_login(value: str, password: str) -> None:
    """RFC 7617: the scheme in any case, the password all that follows the first colon."""
    assert tokens.basic({"Authorization": value}) == password
    assert tokens.basic([("accept", "x"), ("authorization", value)]) == password


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic QQ",
        f"Bearer {encoded(b'AWS:secret')}",
        f"Basic{encoded(b'AWS:secret')}",
        f"Basic {encoded(b'AWS')}",
        f"Basic {encoded(b'aws:secret')}",
        f"Basic {encoded(b' AWS:secret')}",
        f"Basic {encoded(b':secret')}",
        f"Basic {encoded(bytes([65, 87, 83, 58, 255]))}",
        f"Basic {encoded(b'AWS:secret')} x",
        "Basic é",
    ],
)
def test_a_login_that_is_none(value: str) -> None:
    """Another scheme, another user, no colon, no base64, no UTF-8."""
    with pytest.raises(AuthorizationTokenInvalid):
        tokens.basic({"authorization": value})


def test_one_login_and_not_two() -> None:
    """None where nothing is said; two are refused, also where both say the same."""
    assert tokens.basic([("accept", "x")]) is None
    good = f"Basic {encoded(b'AWS:secret')}"
    with pytest.raises(AuthorizationTokenInvalid):
        tokens.basic([("authorization", good), ("Authorization", good)])


def test_a_token_says_when_it_ends(on_sqlite: Registry, caller: Caller) -> None:
    """A moment in UTC: clients take it as it is."""
    on_sqlite.clock.moment = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
    assert tokens.issue(on_sqlite.services, caller).expires_at == datetime(2026, 6, 2, 0, 30, tzinfo=UTC)
