"""Settings: where each comes from, what it may be, and that nobody prints a secret."""

from __future__ import annotations

import ast
import inspect
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from hullwise import settings
from hullwise.settings import InvalidSetting, Secret, Settings

NAMES = [item.name for item in fields(Settings)]


def load(environment: dict[str, str] | None = None, **overrides: Any) -> Settings:
    return settings.load(overrides, environment or {})


def toml(folder: Path, text: str) -> dict[str, str]:
    """The environment that names a file with this text."""
    path = folder / "hullwise.toml"
    path.write_text(text, encoding="utf-8")
    return {"HULLWISE_CONFIG": str(path)}


def test_every_setting_has_a_sentence() -> None:
    """Below each field stands what it is: that is where people look first."""
    (described,) = [node for node in ast.parse(inspect.getsource(Settings)).body if isinstance(node, ast.ClassDef)]
    sentences = {}
    for field, below in zip(described.body, described.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            said = ast.get_docstring(ast.Module([below], [])) if isinstance(below, ast.Expr) else None
            sentences[field.target.id] = said or ""
    assert [name for name in NAMES if not sentences[name].endswith((".", "…"))] == []


def test_nothing_has_to_be_set() -> None:
    """Every setting has a default: the first start needs no configuration."""
    found = load()
    assert (found.host, found.port, found.regions, found.account) == ("127.0.0.1", 5050, ("us-east-1",), "")
    assert (found.durability, found.log_format, found.starter_advisories) == ("full", "text", True)
    assert (found.api_processes, found.worker_processes, found.threads) == (1, 1, 16)
    assert (found.blobs_options, found.public_url, found.secret_key, found.database_url) == ({}, "", "", "")
    assert found.data.is_absolute()


def test_settings_do_not_change() -> None:
    """They are read once."""
    with pytest.raises(FrozenInstanceError):
        load().port = 1  # type: ignore[misc]


def test_the_command_line_goes_first(tmp_path: Path) -> None:
    """Then the environment, then the file, then the default; None on the command line means not given."""
    file = toml(tmp_path, 'port = 1\nhost = "file"\nthreads = 30\n')
    both = {**file, "HULLWISE_PORT": "2", "HULLWISE_HOST": "environment"}
    found = load(both, port=3, host=None)
    assert (found.port, found.host, found.threads, found.durability) == (3, "environment", 30, "full")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("data", "/srv/hullwise", Path("/srv/hullwise")),
        ("host", "0.0.0.0", "0.0.0.0"),
        ("port", "0", 0),
        ("public_url", "https://registry.example.org", "https://registry.example.org"),
        ("account", "123456789012", "123456789012"),
        ("regions", "eu-west-1", ("eu-west-1",)),
        ("regions", " eu-west-1, us-east-1 ,", ("eu-west-1", "us-east-1")),
        ("regions", '["eu-west-1", "us-east-1"]', ("eu-west-1", "us-east-1")),
        ("database_url", "postgresql://db/hullwise", "postgresql://db/hullwise"),
        ("database_url", "postgresql://u:p%40s:/s?#@[::1]:5/h", "postgresql://u:p%40s:/s?#@[::1]:5/h"),
        ("database_url", "postgresql:///h?host=/run/pg&user=me@srv", "postgresql:///h?host=/run/pg&user=me@srv"),
        ("database_url", "sqlite:////srv/a@b:c/hullwise.sqlite", "sqlite:////srv/a@b:c/hullwise.sqlite"),
        ("blobs_url", "s3://bucket/prefix", "s3://bucket/prefix"),
        ("blobs_options", '{"endpoint": "http://127.0.0.1:9000"}', {"endpoint": "http://127.0.0.1:9000"}),
        ("rate_limits", '{"*": 200, "PutImage": 0.5}', {"*": "200", "PutImage": "0.5"}),
        ("rate_limits", '{"*": "200", "PutImage": "1e1"}', {"*": "200", "PutImage": "1e1"}),
        ("feed_addresses", '{"kev": "http://mirror.example/k.json"}', {"kev": "http://mirror.example/k.json"}),
        ("durability", "fast", "fast"),
        ("secret_key", "00" * 32, "00" * 32),
        ("api_processes", "2", 2),
        ("worker_processes", "3", 3),
        ("threads", "32", 32),
        ("starter_advisories", "false", False),
        ("starter_advisories", "0", False),
        ("starter_advisories", "true", True),
        ("log_format", "json", "json"),
    ],
)
def test_each_setting_has_a_variable(name: str, text: str, value: object) -> None:
    """HULLWISE_ and the setting's name in upper case; lists and maps are JSON, lists also words between commas."""
    assert getattr(load({f"HULLWISE_{name.upper()}": text}), name) == value


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    """Compose files write empty variables; only a setting that may be empty is emptied by one."""
    file = toml(tmp_path, 'port = 1\npublic_url = "https://registry.example.org"\n')
    found = load({**file, "HULLWISE_PORT": "", "HULLWISE_PUBLIC_URL": "", "HULLWISE_DATA": ""})
    assert (found.port, found.public_url, found.data) == (1, "", load().data)


def test_a_file_has_every_setting(tmp_path: Path) -> None:
    """TOML's own types, and UTF-8 whatever the locale."""
    found = load(
        toml(
            tmp_path,
            """
            data = "/srv/héllo"
            port = 8080
            regions = ["eu-west-1"]
            starter_advisories = false
            durability = "fast"
            secret_key = "abc"
            [blobs_options]
            region = "eu-west-1"
            [rate_limits]
            "*" = 200
            PutImage = 0.5
            """,
        )
    )
    assert (found.data, found.port, found.regions) == (Path("/srv/héllo"), 8080, ("eu-west-1",))
    assert (found.starter_advisories, found.durability, found.secret_key) == (False, "fast", "abc")
    assert found.blobs_options == {"region": "eu-west-1"}
    assert found.rate_limits == {"*": "200", "PutImage": "0.5"}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("port", "http", "port"),
        ("port", "65536", "port: must be between 0 and 65535"),
        ("port", "-1", "port: must be between 0 and 65535"),
        ("upload_hours", "0", "upload_hours: must be between 1 and 8760"),
        ("threads", "1", "threads: must be between 2 and 512"),
        ("api_processes", "0", "api_processes: must be between 1 and 64"),
        ("worker_processes", "1.5", "worker_processes"),
        ("account", "123", "account: must be 12 digits"),
        ("account", "٣" * 12, "account: must be 12 digits"),
        ("regions", "[]", "regions: must name at least one"),
        ("regions", " , ", "regions: must name at least one"),
        ("regions", "[1]", "regions"),
        ("regions", "[", "HULLWISE_REGIONS must be JSON"),
        ("blobs_options", "endpoint=x", "HULLWISE_BLOBS_OPTIONS must be JSON"),
        ("blobs_options", '["x"]', "blobs_options"),
        ("rate_limits", "2", "rate_limits: must be requests a second by operation, such as"),
        ("rate_limits", '{"PutImage": true}', "rate_limits: must be requests a second by operation, such as"),
        ("rate_limits", '{"PutImage": null}', "rate_limits: must be requests a second by operation, such as"),
        ("rate_limits", '{"PutImage": 0}', "rate_limits: '0' for PutImage is no number of requests a second"),
        ("rate_limits", '{"PutImage": -1}', "rate_limits: '-1' for PutImage is no number of requests a second"),
        ("rate_limits", '{"PutImage": "often"}', "rate_limits: 'often' for PutImage is no number of requests a second"),
        ("rate_limits", '{"PutImage": "nan"}', "rate_limits: 'nan' for PutImage is no number of requests a second"),
        ("rate_limits", '{"ecr:PutImage": 1}', "rate_limits: 'ecr:PutImage' is neither"),
        ("rate_limits", '{"": 1}', "rate_limits: '' is neither"),
        ("rate_limits", "PutImage=2", "HULLWISE_RATE_LIMITS must be JSON"),
        (
            "feed_addresses",
            '{"debain": "https://mirror.example"}',
            "feed_addresses: there is no feed 'debain'; there are",
        ),
        (
            "feed_addresses",
            '{"kev": "mirror.example/kev.json"}',
            "feed_addresses: that of kev must begin with https://",
        ),
        ("feed_addresses", '{"kev": ""}', "feed_addresses: that of kev must begin with https://"),
        ("durability", "safe", "durability"),
        ("log_format", "xml", "log_format"),
        ("starter_advisories", "perhaps", "starter_advisories"),
        ("data", "~nobody-has-this-name/x", "data"),
        ("public_url", "registry.example.org", "public_url"),
        ("database_url", "mysql://db/hullwise", "database_url"),
        ("database_url", "postgresql://u:p@db:port/hullwise", "database_url: its port must be a number"),
        ("database_url", "postgresql://u:p@db:5432x/hullwise", "database_url: its port must be a number"),
        ("database_url", "postgresql://u:p@[::1/hullwise", "database_url: its port must be a number"),
        (
            "database_url",
            "postgresql://u:p@ss@db/hullwise",
            "database_url: an @ in a user, password or name is written %40",
        ),
        ("database_url", "postgresql://u:p@s/s@db:1/hullwise", "database_url: an @ in a user, password or name is"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(name: str, text: str, why: str) -> None:
    """The message names the setting."""
    with pytest.raises(InvalidSetting) as refused:
        load({f"HULLWISE_{name.upper()}": text})
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("prot = 1", "there is no setting 'prot'"),
        ('port = "http"', "port"),
        ("host = 7", "host"),
        ('regions = "eu-west-1"', "regions"),
        ("port = ", "hullwise.toml"),
        ("port = 1\nport = 2", "hullwise.toml"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, why: str) -> None:
    """An unknown name is likely a slip, and is said; so is what is no TOML."""
    with pytest.raises(InvalidSetting) as refused:
        load(toml(tmp_path, text))
    assert why in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Whoever names a file means it: one that is not there, a folder, or not UTF-8."""
    (tmp_path / "latin.toml").write_bytes(b'host = "\xe9"')
    for name in ("absent.toml", ".", "latin.toml"):
        with pytest.raises(InvalidSetting):
            load({"HULLWISE_CONFIG": str(tmp_path / name)})


SECRET = "0123456789abcdef" * 4
PASSWORD = "correct-horse"


def test_secrets_are_not_shown() -> None:
    """Neither in the settings' repr, nor in that of a value; the value itself is whole where it is used."""
    found = load(
        {
            "HULLWISE_SECRET_KEY": SECRET,
            "HULLWISE_DATABASE_URL": f"postgresql://hullwise:{PASSWORD}@db/hullwise",
            "HULLWISE_BLOBS_OPTIONS": f'{{"secret_access_key": "{PASSWORD}"}}',
        }
    )
    for shown in (repr(found), str(found), f"{found!r}", repr(found.secret_key), repr([found.database_url])):
        assert SECRET not in shown
        assert PASSWORD not in shown
    assert (found.secret_key, found.database) == (SECRET, f"postgresql://hullwise:{PASSWORD}@db/hullwise")
    assert repr(Secret("x")) == repr(Secret("")) == "'***'"


def test_a_refused_secret_is_not_shown(tmp_path: Path) -> None:
    """Not even in the message that says that it does not fit."""
    for environment in (
        {"HULLWISE_DATABASE_URL": f"mysql://hullwise:{PASSWORD}@db/hullwise"},
        {"HULLWISE_DATABASE_URL": f"postgresql://hullwise:x@{PASSWORD}@db/hullwise"},
        {"HULLWISE_DATABASE_URL": f"postgresql://hullwise:{PASSWORD}@db:port/hullwise"},
        {"HULLWISE_DATABASE_URL": f"postgresql://hullwise:{PASSWORD}"},
        {"HULLWISE_BLOBS_OPTIONS": f'{{"secret_access_key": ["{PASSWORD}"]}}'},
        {"HULLWISE_BLOBS_OPTIONS": f'{{"secret_access_key": "{PASSWORD}"'},
        toml(tmp_path, f'secret_key = ["{PASSWORD}"]'),
    ):
        with pytest.raises(InvalidSetting) as refused:
            load(environment)
        assert PASSWORD not in str(refused.value)


def test_what_is_not_set_lies_in_the_data_folder(tmp_path: Path) -> None:
    """Database, blobs and locks; each of the first two can be elsewhere."""
    found = load(data=tmp_path)
    assert found.database == f"sqlite:///{tmp_path}/hullwise.sqlite"
    assert (found.blobs, found.locks) == (str(tmp_path / "blobs"), tmp_path / "locks")
    assert load(blobs_url="s3://bucket").blobs == "s3://bucket"


def test_a_relative_folder_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Child processes may stand elsewhere; `~` is the user's home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert load(data="here").data == tmp_path / "here"
    assert load({"HULLWISE_DATA": "~/there"}).data == tmp_path / "home" / "there"


def test_a_child_process_has_the_same_settings(tmp_path: Path) -> None:
    """The variables of `environment` lead to equal settings, whatever they are."""
    changed = load(
        {
            "HULLWISE_DATA": str(tmp_path),
            "HULLWISE_REGIONS": "eu-west-1,us-east-1",
            "HULLWISE_BLOBS_OPTIONS": '{"a": "b \\" é"}',
            "HULLWISE_STARTER_ADVISORIES": "false",
            "HULLWISE_SECRET_KEY": SECRET,
            "HULLWISE_LOG_FORMAT": "json",
            "HULLWISE_PORT": "0",
        }
    )
    for found in (changed, load(data=tmp_path)):
        variables = found.environment()
        assert variables.keys() == {f"HULLWISE_{name.upper()}" for name in NAMES}
        assert settings.load({}, variables) == found
