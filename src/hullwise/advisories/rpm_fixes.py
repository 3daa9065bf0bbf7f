"""What one advisory of an rpm distribution fixes: packages as they are installed, by architecture and module."""

from __future__ import annotations

import functools
import re

from hullwise.advisories.records import Affected, Interval
from hullwise.domain.vulnerabilities import SeverityClaim
from hullwise.versions import rpm
from hullwise.versions.invalid import InvalidVersion

NAMES_LIMIT = 20_000
"""Builds that one advisory names. Those on a kernel have about a thousand."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,255}")
_ARCHITECTURE = re.compile(r"[A-Za-z0-9_]{0,32}")
_MODULE = re.compile(r"(?:[A-Za-z0-9._+-]{1,64}:[A-Za-z0-9._+-]{1,64})?")
_SOURCES = frozenset({"src", "nosrc"})
_EVERYWHERE = frozenset({"noarch", ""})

_key = functools.lru_cache(maxsize=256)(rpm.key)
"""The packages of an advisory have one version, by far the most of them."""


class RpmFixes:
    """Collects versions that fix. Of several for one build the highest counts: the earlier ones were incomplete."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str, str, str], tuple[bytes, str]] = {}

    def add(self, namespace: str, name: str, version: str, architecture: str, module: str = "") -> None:
        """`version` with its epoch and release; `module`: its `name:stream`. Source packages are passed by, for none
        is ever installed. Raises InvalidVersion where any of it is not what rpm could install, or is one too many."""
        if architecture in _SOURCES:
            return
        wellformed = _NAME.fullmatch(name) and _ARCHITECTURE.fullmatch(architecture) and _MODULE.fullmatch(module)
        if not wellformed or "-" not in version or len(self._versions) >= NAMES_LIMIT:
            raise InvalidVersion("rpm", version)
        build = (namespace, name, module, architecture)
        found = _key(version), version
        self._versions[build] = max(found, self._versions.get(build, found))

    def affected(self, severity: tuple[SeverityClaim, ...]) -> tuple[Affected, ...]:
        """One for each package and version. A fix for every architecture (`noarch`) is one for each: the package may
        have been built for one before."""
        grouped: dict[tuple[str, str, str, str], set[str]] = {}
        for (namespace, name, module, architecture), (_, version) in self._versions.items():
            grouped.setdefault((namespace, name, module, version), set()).add(architecture)
        return tuple(
            Affected(
                namespace,
                name,
                (Interval("0", version),),
                severity=severity,
                architectures=() if architectures & _EVERYWHERE else tuple(sorted(architectures)),
                module=module,
            )
            for (namespace, name, module, version), architectures in sorted(grouped.items())
        )
