"""From a URL to a storage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError as ObstoreError
from obstore.store import S3Store

from hullwise.blobs.bucket import BucketStorage
from hullwise.blobs.capabilities import KNOWN, Capabilities, probe
from hullwise.blobs.errors import StorageMisconfigured
from hullwise.blobs.folder import FolderStorage
from hullwise.blobs.storage import ObjectStorage

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Credential, S3CredentialProvider

_S3_OPTIONS = frozenset(
    {
        "endpoint",
        "region",
        "access_key_id",
        "secret_access_key",
        "allow_http",
        "virtual_hosted",
        "capabilities",
        "proxy",
    }
)

_BUCKET = re.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

# A request as a whole may last, since a slow client may take hours over a large layer; but the server may be silent
# for a minute only. obstore's defaults end any stream after 30 seconds and hold a thread for three minutes of retries.
_TIMEOUTS: ClientConfig = {"timeout": timedelta(days=1), "read_timeout": timedelta(seconds=60)}

# A proxy that is never taken: without any obstore takes those that the environment names.
_DIRECT: ClientConfig = {"proxy_url": "http://127.0.0.1:9", "proxy_excludes": "*,0.0.0.0/0,::/0"}

PATIENCE = timedelta(seconds=30)
"""In which a request is made again and again to a server that throttles, fails (5xx) or is out of reach."""


def open_storage(
    url: str,
    *,
    durability: Literal["full", "fast"],
    options: Mapping[str, str] = {},
    patience: timedelta = PATIENCE,
    certificates: str = "",
) -> ObjectStorage:
    """The storage at `url`: the path of a folder (made if absent), `file:///path`, or `s3://bucket/prefix`.

    With `durability="full"` what a folder has acknowledged survives a power cut; a bucket is as durable as its server.

    A folder has no options. Those of a bucket are `endpoint` (default: Amazon's), `region` (`us-east-1`),
    `access_key_id` and `secret_access_key` (default: what obstore finds in the environment or the instance's
    metadata), `allow_http` and `virtual_hosted` (`true` or `false`, the default), `capabilities`, and `proxy`, the URL
    of the proxy that its requests take; by default they take none, whatever the environment names. `certificates` is a
    PEM file of authorities that a bucket's server may be certified by, beside those that everybody trusts.

    A server other than Amazon's is probed, once in a process. The option `capabilities` states instead what is
    offered: a name from `capabilities.KNOWN`, or fields of `Capabilities` joined by commas, or the empty text for none.

    A bucket's server that throttles, fails or is out of reach is asked again for as long as `patience`; no request is
    begun after that. Taking back the parts of a large object that could not be written may take as long once more.

    Raises `StorageMisconfigured`, and `StorageUnavailable` where the folder or the server can not be used."""
    scheme, separator, _ = url.partition("://")
    if scheme == "s3" and separator:
        _refuse_unknown(options, _S3_OPTIONS)
        return BucketStorage(*_opened_bucket(url, frozenset(options.items()), patience, _authorities(certificates)))
    if separator and scheme != "file":
        raise StorageMisconfigured(f"{scheme} is none of file and s3")
    _refuse_unknown(options, frozenset())
    return FolderStorage(_file_path(url) if separator else Path(url), durability=durability)


def _file_path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not parts.path:
        raise StorageMisconfigured(f"{url} is no path on this machine")
    return Path(unquote(parts.path))


@lru_cache(maxsize=16)
def _opened_bucket(
    url: str, pairs: frozenset[tuple[str, str]], patience: timedelta, authorities: bytes
) -> tuple[S3Store, Capabilities]:
    options = dict(pairs)
    store = _s3_store(url, options, patience, authorities)
    capabilities = _declared(options)
    if capabilities is None:
        capabilities = probe(store) if "endpoint" in options else KNOWN["aws"]
    return store, capabilities


def _authorities(path: str) -> bytes:
    try:
        found = Path(path).read_bytes() if path else b""
    except OSError as error:
        raise StorageMisconfigured(f"outbound_certificates: {path}: {error.strerror}") from error
    if path and b"-----BEGIN CERTIFICATE-----" not in found:
        raise StorageMisconfigured(f"outbound_certificates: {path} holds no certificate in PEM form")
    return found


def _client(options: Mapping[str, str], authorities: bytes) -> ClientConfig:
    config: ClientConfig = {**_TIMEOUTS, "allow_http": _flag(options, "allow_http")}
    if authorities:
        config["root_certificate"] = authorities
    if "proxy" not in options:
        return {**config, **_DIRECT}
    if urlsplit(options["proxy"]).scheme not in ("http", "https"):
        raise StorageMisconfigured("proxy is no http or https URL")
    return {**config, "proxy_url": options["proxy"], "proxy_excludes": ""}


def _retries(patience: timedelta) -> RetryConfig:
    """What ends tries is the time alone. obstore looks at it before a wait, not after; and waits between 0.1 seconds
    and `base` times as long as before, at random: by its own base of 2 waits hardly grow."""
    longest = patience / 15
    return {
        "max_retries": 1_000_000,
        "retry_timeout": patience - longest,
        "backoff": {"init_backoff": min(timedelta(seconds=0.1), longest), "max_backoff": longest, "base": 4},
    }


def _s3_store(url: str, options: Mapping[str, str], patience: timedelta, authorities: bytes) -> S3Store:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise StorageMisconfigured(f"{bucket!r} is no name of a bucket")
    region = options.get("region", "us-east-1")
    virtual_hosted = _flag(options, "virtual_hosted")
    endpoint = _endpoint(options.get("endpoint", f"https://s3.{region}.amazonaws.com"), bucket, virtual_hosted)
    try:
        return S3Store(
            bucket,
            prefix=prefix or None,
            # Stated even where it is the default: obstore else obeys AWS_ENDPOINT_URL and its like, which whoever
            # works with this registry may well have set to this very server.
            config={
                "endpoint": endpoint,
                "aws_endpoint_url_s3": endpoint,
                "region": region,
                "virtual_hosted_style_request": virtual_hosted,
                "skip_signature": False,
                "disable_bulk_delete": True,  # we delete one at a time, and not every server has the bulk form
            },
            client_options=_client(options, authorities),
            retry_config=_retries(patience),
            credential_provider=_credentials(options),
        )
    except (ObstoreError, ValueError) as error:
        raise StorageMisconfigured(str(error).partition("\n")[0]) from error


def _endpoint(endpoint: str, bucket: str, virtual_hosted: bool) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise StorageMisconfigured(f"endpoint {endpoint!r} is no http or https URL")
    host = f"{bucket}.{parts.netloc}" if virtual_hosted else parts.netloc
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def _credentials(options: Mapping[str, str]) -> S3CredentialProvider | None:
    """A provider rather than obstore's plain settings, since those take a session token from the environment along."""
    key, secret = options.get("access_key_id"), options.get("secret_access_key")
    if key is None and secret is None:
        return None
    if key is None or secret is None:
        raise StorageMisconfigured("access_key_id and secret_access_key go together")

    def fixed() -> S3Credential:
        return {"access_key_id": key, "secret_access_key": secret, "token": None, "expires_at": None}

    return fixed


def _flag(options: Mapping[str, str], name: str) -> bool:
    value = options.get(name, "false")
    if value not in ("true", "false"):
        raise StorageMisconfigured(f"{name} is true or false, not {value!r}")
    return value == "true"


def _declared(options: Mapping[str, str]) -> Capabilities | None:
    text = options.get("capabilities")
    if text is None:
        return None
    if text in KNOWN:
        return KNOWN[text]
    names = {field.name for field in fields(Capabilities)}
    offered = set(filter(None, text.split(",")))
    if not offered <= names:
        choices = ", ".join(sorted(KNOWN.keys() | names))
        raise StorageMisconfigured(f"capabilities {text!r} is not made of: {choices}")
    return Capabilities(**{name: name in offered for name in names})


def _refuse_unknown(options: Mapping[str, str], known: frozenset[str]) -> None:
    if unknown := options.keys() - known:
        raise StorageMisconfigured(f"unknown options {', '.join(sorted(unknown))}")
