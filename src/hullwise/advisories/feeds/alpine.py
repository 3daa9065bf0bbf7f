"""Alpine's secdb, and Wolfi's and Chainguard's, which have the same form: fixed versions by origin package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused
from hullwise.ecosystems.namespaces import osv_namespace
from hullwise.versions import apk
from hullwise.versions.invalid import InvalidVersion

_T = TypeVar("_T")

DOCUMENT_LIMIT = 64 << 20
"""Bytes of one document. The largest real ones are some megabytes."""


class _Pkg(msgspec.Struct):
    name: str
    # Alpine's own files have held an empty text where a list belongs (3.3 community, 3.6 main).
    secfixes: dict[str, list[str] | str | None] = {}


class _Entry(msgspec.Struct):
    pkg: _Pkg


class _Secdb(msgspec.Struct):
    packages: list[_Entry] | str | None
    distroversion: str = ""
    reponame: str = ""
    urlprefix: str = ""


_decoder = msgspec.json.Decoder(_Secdb)

# Ids carry noise: "CVE-2019-1 (+ regression fix)", "CVE_2019_1", "CVE 2019-1", several in one text.
_CVE = re.compile(r"CVE[-_ ]([0-9]{4})[-_ ]([0-9]{4,19})(?![0-9])", re.IGNORECASE)
_GHSA = re.compile(r"GHSA(?:-[23456789cfghjmpqrvwx]{4}){3}")


def ids(text: str) -> list[str]:
    """Every CVE in one entry of `secfixes`, else every GHSA id; empty where it has neither."""
    cves = [f"CVE-{year}-{number}" for year, number in _CVE.findall(text)]
    return list(dict.fromkeys(cves or _GHSA.findall(text)))


def _namespace(secdb: _Secdb) -> str | None:
    if secdb.distroversion:
        return osv_namespace(f"Alpine:{secdb.distroversion}")
    # packages.wolfi.dev/os, packages.cgr.dev/chainguard
    address = f"{secdb.urlprefix}/{secdb.reponame}"
    return next((vendor for vendor in ("wolfi", "chainguard") if vendor in address), None)


def parse(document: bytes) -> tuple[str, Iterator[Record | Unused]]:
    """The name of the source that the document states whole, and its records. Raises Unparsable."""
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    try:
        secdb = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    namespace = _namespace(secdb)
    if namespace is None:
        raise Unparsable("neither a release of Alpine nor a vendor that is known")
    source = "/".join(part for part in ("alpine-secdb", secdb.distroversion, secdb.reponame) if part)
    if namespace in {"wolfi", "chainguard"}:
        source = f"{namespace}-secdb"
    return source, _records(secdb, namespace, source)


def _records(secdb: _Secdb, namespace: str, source: str) -> Iterator[Record | Unused]:
    # id → package → the highest version that fixes it there, or None: never affected
    fixes: dict[str, dict[str, str | None]] = {}
    for entry in _items(secdb.packages):
        for version, texts in entry.pkg.secfixes.items():
            for text in _items(texts):
                named = ids(text)
                if not named:
                    yield Unused(text[:64], "no CVE or GHSA id")
                for issue_id in named:
                    try:
                        _keep(fixes.setdefault(issue_id, {}), entry.pkg.name, version)
                    except InvalidVersion:
                        yield Unused(issue_id, "version that cannot be ordered")
    for issue_id in sorted(fixes):
        affected = tuple(
            Affected(namespace, package, unaffected=True)
            if version is None
            else Affected(namespace, package, (Interval("0", version),))
            for package, version in sorted(fixes[issue_id].items())
        )
        if affected:
            yield Record(id=issue_id, source=source, affected=affected, url=_page(issue_id, namespace))


def _page(issue_id: str, namespace: str) -> str:
    if issue_id.startswith("GHSA-"):
        return f"https://github.com/advisories/{issue_id}"
    if namespace.startswith("alpine:"):
        return f"https://security.alpinelinux.org/vuln/{issue_id}"
    return f"https://nvd.nist.gov/vuln/detail/{issue_id}"


def _items(value: list[_T] | str | None) -> list[_T]:
    """A list, also where an empty text or nothing stands for it."""
    return value if isinstance(value, list) else []


def _keep(packages: dict[str, str | None], package: str, version: str) -> None:
    """Of several fixes of one CVE in one branch the highest counts: the earlier ones were incomplete."""
    if version == "0":
        packages.setdefault(package, None)
        return
    key = apk.key(version)
    known = packages.get(package)
    if known is None or apk.key(known) < key:
        packages[package] = version
