"""Caches of package managers: what lies there was downloaded once, and may be installed nowhere..

    v6/npm-NAME-VERSION-HASH-integrity/node_modules/NAME/
                                     Yarn 1 (`generateModuleCachePath` of its config.js), from which it copies

A file that is linked to from elsewhere, by a hard link, is installed there.
"""

from __future__ import annotations

import re

_CACHES = re.compile(r"(?:^|/)v[0-9]+/npm-[^/]+-(?:integrity|[0-9a-f]{40})/node_modules/")


def holds(path: str) -> bool:
    """Whether the path lies inside a module or distribution that such a cache holds."""
    return _CACHES.search(path) is not None
