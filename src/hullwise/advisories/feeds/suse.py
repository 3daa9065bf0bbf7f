"""SUSE's part of OSV records: what an update of a source package builds, for each product that it is for.

    "affected": [{"package": {"ecosystem": "SUSE:Linux Enterprise Module for Basesystem 15 SP6",
                              "name": "openssl-3", "purl": …},
                  "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.4-150600.5.10.1"}]}],
                  "ecosystem_specific": {"binaries": [{"libopenssl3": "3.1.4-150600.5.10.1", "openssl-3": …}]}}]

The packages that are installed stand only there: `libopenssl3` is of `openssl-3`. openEuler's records have lists of
file names in that place.
"""

from __future__ import annotations

import re
from typing import Any

PUBLISHERS = frozenset({"sles", "opensuse-leap", "opensuse-tumbleweed"})
BINARY_LIMIT = 5_000
"""Packages that one source builds. The kernel builds about 100, TeX Live about 3,500."""

_TEXT = re.compile(r"[!-~]{1,256}")


def binaries(specific: Any) -> dict[str, str]:
    """Package to the version in which it is fixed; empty where none are listed. What is no such pair is passed over,
    and so is what is over the limit."""
    listed = specific.get("binaries") if isinstance(specific, dict) else None
    found: dict[str, str] = {}
    for item in listed if isinstance(listed, list) else []:
        for name, version in item.items() if isinstance(item, dict) else ():
            if isinstance(version, str) and _TEXT.fullmatch(name) and _TEXT.fullmatch(version):
                found[name] = version
                if len(found) == BINARY_LIMIT:
                    return found
    return found
