"""Every setting, read once at the start.

The order: what the command line gives, then the environment (`HULLWISE_PORT` for `port`), then the TOML file that
`HULLWISE_CONFIG` names, then the default. Nothing has to be set.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

PREFIX = "HULLWISE_"


class Secret(str):
    """A text that must not be shown: its repr hides it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


NO_SECRET = Secret("")


class InvalidSetting(Exception):
    """A setting has a value that it cannot have. The message names it and says why."""


def _default_data() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("hullwise", appauthor=False))


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: Path = field(default_factory=_default_data)
    """Folder for everything that is kept: database, blobs, advisories, keys."""

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: int = 5050
    """Port for the AWS API, the registry and the pages alike; 0 takes a free one."""

    public_url: str = ""
    """How clients reach this registry, `https://registry.example.org`; empty: as each request's Host says."""

    tls_cert: str = ""
    """PEM file of the certificate and its chain; with `tls_key`: serve HTTPS."""

    tls_key: str = ""
    """PEM file of the certificate's private key."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies whose X-Forwarded-For, -Proto and -Host are believed; nobody else's are."""

    anonymous_pull: bool = False
    """Whether policies that allow everybody to pull allow it to callers without credentials too."""

    account: str = ""
    """The 12-digit account that the first start makes, and that requests without credentials are about where they name
    none; empty: one is drawn, and they are about the first."""

    regions: tuple[str, ...] = ("us-east-1",)
    """Regions that requests may be signed for. The first is the one that printed commands name."""

    database_url: Secret = field(default=NO_SECRET)
    """`postgresql://…`; empty: SQLite in the data folder."""

    blobs_url: str = ""
    """`s3://bucket/prefix` or a folder; empty: `blobs` in the data folder."""

    blobs_options: dict[str, str] = field(default_factory=dict, repr=False)
    """Options of the blob storage, JSON in the environment: endpoint, region, access_key_id, secret_access_key …"""

    durability: Literal["full", "fast"] = "full"
    """`full`: what was acknowledged survives a power loss. `fast`: it survives a crash of the process only."""

    secret_key: Secret = field(default=NO_SECRET)
    """Seals access keys and signs tokens, 32 bytes as hex; empty: `secret.key` in the data folder, made when absent."""

    api_processes: int = 1
    """Processes that answer requests."""

    worker_processes: int = 1
    """Processes that scan, and deliver events."""

    threads: int = 16
    """Requests that one API process works on at a time; also the size of its database pool."""

    rate_limits: dict[str, str] = field(default_factory=dict)
    """Requests a second that each caller may make, by operation of the AWS API or `*` for all together, JSON in the
    environment: `{"*": 200, "PutImage": 0.5}`. Empty: no limit."""

    blob_redirects: bool = False
    """Whether pulls of layers are redirected to presigned addresses of the bucket, where blobs are in one."""

    grace_hours: int = 24
    """Hours that deleted images may be restored; bytes which no image needs are kept for as long, one hour at least."""

    upload_hours: int = 24
    """Hours without new bytes after which an upload is forgotten."""

    collect_minutes: int = 60
    """Minutes between two garbage collections; 0: only `hullwise collect-garbage` collects."""

    scan_quota: int = 100_000
    """Basic scans that each account may have in any 24 hours, on push and by request together; 0: no limit."""

    scan_quota_per_image: int = 1
    """Basic scans that one image may have in 24 hours; 0: no limit."""

    scan_language_packages: bool = True
    """Whether basic scans report language packages too; ECR's report those of the distribution alone."""

    scan_image_mb: int = 65_536
    """MiB of the compressed layers of an image that is scanned; a larger one is IMAGE_SIZE_EXCEEDED."""

    scan_layer_mb: int = 24_576
    """MiB that one layer may unpack to; an image with a larger one is IMAGE_SIZE_EXCEEDED."""

    scan_inventory_mb: int = 400
    """MiB of memory that what its layers hold may take while they are merged; an image of more is
    IMAGE_SIZE_EXCEEDED."""

    rescan_push_days: int = 0
    """Days after its last push that continuous scanning keeps an image's findings up to date; 0: for ever."""

    rescan_pull_days: int = 0
    """Days after its last pull that it does so too; 0: pulls do not count."""

    starter_advisories: bool = True
    """Whether the small bundled set of advisories is used until real data is loaded."""

    sync_minutes: int = 0
    """Minutes between two synchronisations with the feeds; 0: only `hullwise advisories sync` asks them."""

    feeds: tuple[str, ...] = (
        "osv", "debian", "alpine", "wolfi", "chainguard", "redhat", "amazon", "oracle", "photon", "nodejs", "nvd",
        "kev", "epss", "endoflife",
    )  # fmt: skip
    """Feeds that are asked."""

    feed_addresses: dict[str, str] = field(default_factory=dict)
    """Addresses of mirrors by feed, JSON in the environment."""

    outbound: bool = True
    """Whether anything outside is asked: feeds, other registries."""

    outbound_private: tuple[str, ...] = ()
    """Hosts and addresses, also with a port, and networks that may be asked although they are not public."""

    outbound_proxy: Secret = field(default=NO_SECRET)
    """`http://…` or `https://…`: the proxy that every request takes, but those to a bucket; the environment's are not
    used."""

    outbound_certificates: str = ""
    """PEM file of further authorities to trust, a company's own say."""

    bundle_keys: tuple[str, ...] = ()
    """Public keys whose advisory bundles may be imported."""

    generations_kept: int = 3
    """Files of earlier generations of advisories that are kept, to compare with."""

    log_format: Literal["text", "json"] = "text"
    """Form of the log lines."""

    @property
    def database(self) -> str:
        return str(self.database_url) or f"sqlite:///{self.data / 'hullwise.sqlite'}"

    @property
    def blobs(self) -> str:
        return self.blobs_url or str(self.data / "blobs")

    @property
    def secret_file(self) -> Path:
        """Where the secret is where `secret_key` is empty."""
        return self.data / "secret.key"

    @property
    def locks(self) -> Path:
        """Folder of the locks that processes on this machine hold."""
        return self.data / "locks"

    @property
    def advisories(self) -> Path:
        """Folder of this machine's copies of generation files, and of what is noted for the command line."""
        return self.data / "advisories"

    def environment(self) -> dict[str, str]:
        """The variables that give a child process the same settings."""
        return {f"{PREFIX}{item.name.upper()}": _as_text(getattr(self, item.name)) for item in fields(self)}


def _as_text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | Path) else msgspec.json.encode(value).decode()


_RATES = dict[str, str | int | float]
_OPERATION = re.compile(r"\*|[A-Z][A-Za-z]+")
_TYPES: dict[str, Any] = {
    "data": str,
    "port": int,
    "regions": tuple[str, ...],
    "blobs_options": dict[str, str],
    "durability": Literal["full", "fast"],
    "api_processes": int,
    "worker_processes": int,
    "threads": int,
    "starter_advisories": bool,
    "trusted_proxies": tuple[str, ...],
    "anonymous_pull": bool,
    "rate_limits": _RATES,
    "blob_redirects": bool,
    "grace_hours": int,
    "upload_hours": int,
    "collect_minutes": int,
    "scan_quota": int,
    "scan_quota_per_image": int,
    "scan_language_packages": bool,
    "scan_image_mb": int,
    "scan_layer_mb": int,
    "scan_inventory_mb": int,
    "rescan_push_days": int,
    "rescan_pull_days": int,
    "generations_kept": int,
    "sync_minutes": int,
    "feeds": tuple[str, ...],
    "bundle_keys": tuple[str, ...],
    "feed_addresses": dict[str, str],
    "outbound": bool,
    "outbound_private": tuple[str, ...],
    "log_format": Literal["text", "json"],
}
_LISTS = {name for name, kind in _TYPES.items() if kind == tuple[str, ...]}
_MAPS = {name for name, kind in _TYPES.items() if get_origin(kind) is dict}
_SECRETS = {"database_url", "secret_key", "outbound_proxy"}
_ADDRESSES = {
    "database_url": ("postgresql://", "postgresql+psycopg://", "sqlite:///"),
    "public_url": ("https://", "http://"),
    "outbound_proxy": ("https://", "http://"),
}
_RANGES = {
    "port": (0, 65_535),
    "api_processes": (1, 64),
    "worker_processes": (1, 64),
    "threads": (2, 512),
    "generations_kept": (0, 1_000_000),
    "sync_minutes": (0, 10_080),
    "grace_hours": (0, 8_760),
    "upload_hours": (1, 8_760),
    "collect_minutes": (0, 10_080),
    "scan_quota": (0, 1_000_000_000),
    "scan_quota_per_image": (0, 1_000_000),
    "scan_image_mb": (1, 1 << 30),
    "scan_layer_mb": (1, 1 << 30),
    "scan_inventory_mb": (1, 1 << 20),
    "rescan_push_days": (0, 36_500),
    "rescan_pull_days": (0, 36_500),
}


def load(overrides: Mapping[str, Any] = {}, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; `overrides` come from the command line, where None means not given.

    Raises InvalidSetting for an unknown name in the file and for a value that does not fit, as far as it can be told
    here: `app.checked` tells the rest.
    """
    values: dict[str, Any] = {}
    names = {item.name for item in fields(Settings)}
    config = environment.get(f"{PREFIX}CONFIG")
    if config:
        for name, value in _file(Path(config)).items():
            if name not in names:
                raise InvalidSetting(f"{config}: there is no setting '{name}'")
            values[name] = _convert(name, value)
    for name in names:
        text = environment.get(f"{PREFIX}{name.upper()}")
        if text is not None and (text != "" or _default(name) == ""):
            values[name] = _convert(name, _parsed(name, text))
    values |= {name: _convert(name, value) for name, value in overrides.items() if value is not None}
    if bool(values.get("tls_cert")) != bool(values.get("tls_key")):
        raise InvalidSetting("tls_cert and tls_key: one is nothing without the other")
    return Settings(**values)


def unknown(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that look like settings and are none, each with the one that it is nearest to, or an empty text."""
    known = [f"{PREFIX}{item.name.upper()}" for item in fields(Settings)] + [f"{PREFIX}CONFIG"]
    found = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    if not found:
        return {}
    from difflib import get_close_matches

    return {name: next(iter(get_close_matches(name, known, 1, 0.8)), "") for name in found}


def _default(name: str) -> Any:
    found = next(item.default for item in fields(Settings) if item.name == name)
    return None if found is MISSING else found


def _file(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSetting(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidSetting(f"{path}: {error}") from error


def _parsed(name: str, text: str) -> Any:
    """A variable's text as the value it stands for: lists and maps are JSON, lists also words between commas."""
    if name in _LISTS and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    if name in _LISTS or name in _MAPS:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise InvalidSetting(f"{PREFIX}{name.upper()} must be JSON: {error}") from error
    return text


def _wanted(kind: Any) -> str:
    """What to say of a value that is none of this type; empty where msgspec says it well."""
    if kind is int:
        return "must be a whole number"
    if kind is bool:
        return "must be true or false"
    if kind == _RATES:
        return 'must be requests a second by operation, such as {"*": 200, "PutImage": 0.5}'
    return f"must be one of {', '.join(get_args(kind))}" if get_origin(kind) is Literal else ""


def _check_networks(found: tuple[str, ...]) -> None:
    for each in found:
        try:
            ipaddress.ip_network(each)
        except ValueError as error:
            raise InvalidSetting(f"trusted_proxies: '{each}' is no address or network") from error


def _check_feed_addresses(found: dict[str, str]) -> None:
    for feed, address in found.items():
        if not address.startswith(("https://", "http://")):
            raise InvalidSetting(f"feed_addresses: that of {feed} must begin with https:// or http://")


def _check_database(url: str) -> None:
    """Nothing of the URL is shown: what is wrong with it may be a part of its password."""
    from sqlalchemy import make_url

    if url.startswith("sqlite:"):
        return
    # The first @ would end the password, and what is behind it be looked up as a host.
    if url.partition("?")[0].count("@") > 1:
        raise InvalidSetting("database_url: an @ in a user, password or name is written %40")
    try:
        make_url(url)
    except ValueError as error:
        raise InvalidSetting("database_url: its port must be a number") from error


def _rates(found: dict[str, str | int | float]) -> dict[str, str]:
    for operation, rate in found.items():
        try:
            good = 0 < float(rate) < 1e9
        except (ValueError, OverflowError):
            good = False
        if not good:
            raise InvalidSetting(f"rate_limits: '{rate}' for {operation} is no number of requests a second")
        if _OPERATION.fullmatch(operation) is None:
            raise InvalidSetting(f"rate_limits: '{operation}' is neither * nor an operation, such as PutImage")
    return {operation: str(rate) for operation, rate in found.items()}


def _convert(name: str, value: Any) -> Any:
    try:
        found = msgspec.convert(str(value) if name == "data" else value, _TYPES.get(name, str), strict=False)
    except msgspec.ValidationError as error:
        raise InvalidSetting(f"{name}: {_wanted(_TYPES.get(name, str)) or error}") from error
    low, high = _RANGES.get(name, (None, None))
    if low is not None and high is not None and not low <= found <= high:
        raise InvalidSetting(f"{name}: must be between {low} and {high}")
    if name == "account" and found and not (found.isascii() and found.isdigit() and len(found) == 12):
        raise InvalidSetting("account: must be 12 digits")
    if name in {"feeds", "feed_addresses"} and (unknown := set(found) - set(Settings.feeds)):
        raise InvalidSetting(f"{name}: there is no feed '{min(unknown)}'; there are {', '.join(Settings.feeds)}")
    if name == "feed_addresses":
        _check_feed_addresses(found)
    if name == "trusted_proxies":
        _check_networks(found)
    if name == "rate_limits":
        return _rates(found)
    if name == "regions" and not found:
        raise InvalidSetting("regions: must name at least one")
    if found and name in _ADDRESSES and not found.startswith(_ADDRESSES[name]):
        raise InvalidSetting(f"{name}: must begin with {' or '.join(_ADDRESSES[name])}")
    if found and name == "database_url":
        _check_database(found)
    if name == "data":
        try:
            return Path(found).expanduser().absolute()
        except RuntimeError as error:
            raise InvalidSetting(f"data: {error}") from error
    return Secret(found) if name in _SECRETS else found
