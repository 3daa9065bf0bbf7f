"""NuGet packages of a .NET application or shared framework: `NAME.deps.json` beside its assemblies.

    {"targets": {".NETCoreApp,Version=v8.0/linux-x64": {"Serilog/3.1.1": {"runtime": {"lib/Serilog.dll": {}}}}},
     "libraries": {"Serilog/3.1.1": {"type": "package"}}}

A library is a package, a project of the solution, or the runtime that a self-contained application brings along
(`runtimepack`, the NuGet package of the same name behind the prefix): `Microsoft.NETCore.App.Runtime.linux-x64`,
under which advisories speak of .NET itself. The shared framework of 3.1 has it as runtimes were called up to 2.x, and
with the number of a build: `runtime.linux-x64.Microsoft.NETCore.App/3.1.23-servicing.22122.4` was released as 3.1.23.
A package whose target gives it no file (analysers, source links, packages of nothing but dependencies) helped to build
and is not there.
"""

from __future__ import annotations

import re

import msgspec

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import json_files
from hullwise.ecosystems.ecosystem import Ecosystem, Reading
from hullwise.ecosystems.namespaces import scheme

_RUNTIME_PACK = "runtimepack."

_OLD_RUNTIME = re.compile(r"^runtime\.([^/]+)\.Microsoft\.NETCore\.App/(?![012]\.)", re.IGNORECASE)
"""The name of a runtime up to 2.x, of one since 3.0: it is not on NuGet under that."""

_BUILD = re.compile(r"^(Microsoft\.NETCore\.App\.Runtime\.[^/]+/[0-9.]+)-(?:rtm|servicing)\.[0-9.]+$", re.IGNORECASE)
"""A build that was released as the version in front; in order of versions it would be before it."""

# An object that holds nothing.
_EMPTY = re.compile(rb"\{\s*\}")
_NOTHING = msgspec.Raw(b"{}")


class _Files(msgspec.Struct, frozen=True, rename="camel"):
    """What a target copies of a library, by kind; each an object whose keys are the files."""

    runtime: msgspec.Raw = _NOTHING
    native: msgspec.Raw = _NOTHING
    runtime_targets: msgspec.Raw = _NOTHING
    resources: msgspec.Raw = _NOTHING

    def any(self) -> bool:
        kinds = (self.runtime, self.native, self.runtime_targets, self.resources)
        return any(kind is not _NOTHING and not _EMPTY.fullmatch(kind) for kind in kinds)


class _Library(msgspec.Struct, frozen=True, gc=False):
    type: str = ""


class _Dependencies(msgspec.Struct, frozen=True):
    targets: dict[str, dict[str, _Files]] = {}
    libraries: dict[str, _Library] = {}


def claims(path: str) -> bool:
    """Whether the name is that of a dependencies file."""
    return path.endswith(".deps.json")


def _absent(targets: dict[str, dict[str, _Files]]) -> set[str]:
    """Libraries of which no target has a file."""
    named = set().union(*targets.values())
    return named - {key for target in targets.values() for key, files in target.items() if files.any()}


def _published(library: str) -> str:
    """Name and version under which a runtime is on NuGet; those of any other library as they are."""
    return _BUILD.sub(r"\1", _OLD_RUNTIME.sub(r"Microsoft.NETCore.App.Runtime.\1/", library))


def read(path: str, data: bytes) -> Reading:
    """The packages whose files lie beside this one, with names and versions as written, but for those of a
    runtime that is on NuGet under others."""
    if not data.strip():
        return Reading()
    dependencies = json_files.decode(data, _Dependencies)
    absent = _absent(dependencies.targets)
    found: dict[FoundPackage, None] = {}
    for key, library in dependencies.libraries.items():
        if library.type.lower() not in {"package", "runtimepack"} or key in absent:
            continue
        name, _, version = _published(json_files.plain(key).removeprefix(_RUNTIME_PACK)).partition("/")
        if name:
            found[FoundPackage(name, version)] = None
    return Reading(packages=tuple(found))


NUGET = Ecosystem(
    name="nuget",
    version=2,
    suffixes=(".deps.json",),
    claims=claims,
    read=read,
    file_limit=16 << 20,
    version_key=scheme("nuget"),
    purl_type="nuget",
    osv_names=("NuGet",),
)
