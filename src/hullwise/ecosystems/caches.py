"""Caches of package managers: what lies there was downloaded once, and may be installed nowhere.

    v6/npm-NAME-VERSION-HASH-integrity/node_modules/NAME/
                                     Yarn 1 (`generateModuleCachePath` of its config.js), from which it copies
    archive-v0/ID/                   uv (docs, "Caching"): an unpacked wheel. `uv tool run` and `uv run --with` have
                                     environments there, which are installed
    sdists-v9/pypi/NAME/VERSION/ID/src/
                                     uv: what it builds wheels from
    pkgs/NAME-VERSION-BUILD/         conda, mamba (docs, "Conda directory structure"): an unpacked package; of a Python
                                     one, lib/python3.12/site-packages/, or site-packages/ where it is for any Python

A file that is linked to from elsewhere, by whatever kind of link, is installed there.
"""

from __future__ import annotations

import re

_CACHES = re.compile(
    r"(?:^|/)(?:"
    r"v[0-9]+/npm-[^/]+-(?:integrity|[0-9a-f]{40})/node_modules/"
    r"|archive-v[0-9]+/[\w-]{16,21}/(?!(?:.*/)?site-packages/)"
    r"|sdists-v[0-9]+/(?:[^/]+/){3,5}src/"
    r"|pkgs/[^/]+-[^/-]+-[^/-]+/(?:lib/python[0-9.]+/|Lib/)?site-packages/"
    r")."
)


def holds(path: str) -> bool:
    """Whether the path lies inside a module, distribution or package that such a cache holds."""
    return _CACHES.search(path) is not None
