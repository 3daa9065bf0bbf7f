"""The reader of deps.json. Expected values: a file of the .NET SDK, .NET's runtime-configuration-file.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.dotnet import NUGET
from hullwise.ecosystems.ecosystem import Reading, Unreadable

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
DEPS = "app/App.deps.json"
TARGET = ".NETCoreApp,Version=v8.0/linux-x64"


def read(targets: dict[str, object], types: dict[str, str]) -> tuple[FoundPackage, ...]:
    libraries = {key: {"type": type_, "serviceable": True, "sha512": ""} for key, type_ in types.items()}
    return NUGET.read(DEPS, json.dumps({"targets": {TARGET: targets}, "libraries": libraries}).encode()).packages


def test_real_file() -> None:
    """Packages with files: not the project itself, nor the source link, which has none."""
    assert NUGET.read(DEPS, (ASSETS / "python-runtime-3.2.1.deps.json").read_bytes()).packages == (
        FoundPackage("Microsoft.CSharp", "4.7.0"),
        FoundPackage("System.Memory", "4.6.3"),
        FoundPackage("System.Runtime.CompilerServices.Unsafe", "6.1.2"),
    )


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        (DEPS, True),
        ("usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.1/Microsoft.NETCore.App.deps.json", True),
        ("app/App.runtimeconfig.json", False),
        ("app/packages.lock.json", False),
        ("app/deps.json", False),
        ("app/App.deps.json.bak", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """Files of dependencies only."""
    assert NUGET.claims(path) is claimed


def test_runtime_of_a_self_contained_application() -> None:
    """It is the NuGet package behind the prefix; that of a shared framework has its name and no prefix."""
    name = "Microsoft.NETCore.App.Runtime.linux-x64"
    files: dict[str, dict[str, dict[str, str]]] = {"runtime": {"System.Private.CoreLib.dll": {}}}
    expected = (FoundPackage(name, "8.0.1"),)
    assert read({f"runtimepack.{name}/8.0.1": files}, {f"runtimepack.{name}/8.0.1": "runtimepack"}) == expected
    assert read({f"{name}/8.0.1": files}, {f"{name}/8.0.1": "package"}) == expected


@pytest.mark.parametrize(
    ("library", "name", "version"),
    [
        # Of the shared framework of .NET Core 3.1.23, whose `dotnet --list-runtimes` says 3.1.23.
        (
            "runtime.linux-x64.Microsoft.NETCore.App/3.1.23-servicing.22122.4",
            "Microsoft.NETCore.App.Runtime.linux-x64",
            "3.1.23",
        ),
        (
            "Microsoft.NETCore.App.Runtime.linux-musl-x64/5.0.0-rtm.20519.4",
            "Microsoft.NETCore.App.Runtime.linux-musl-x64",
            "5.0.0",
        ),
        (
            "runtime.linux-x64.Microsoft.NETCore.App/3.0.0-preview5-27626-15",
            "Microsoft.NETCore.App.Runtime.linux-x64",
            "3.0.0-preview5-27626-15",
        ),
        ("runtime.linux-x64.Microsoft.NETCore.App/2.2.2", "runtime.linux-x64.Microsoft.NETCore.App", "2.2.2"),
        (
            "runtime.linux-x64.Microsoft.NETCore.DotNetHostPolicy/3.1.23",
            "runtime.linux-x64.Microsoft.NETCore.DotNetHostPolicy",
            "3.1.23",
        ),
        ("A/1.0-servicing.1", "A", "1.0-servicing.1"),
    ],
)
def test_runtimes_as_they_are_on_nuget(library: str, name: str, version: str) -> None:
    """A shared framework is under the name and version that advisories use; packages of 2.x are called as they were."""
    files: dict[str, object] = {"native": {"libcoreclr.so": {}}}
    assert read({library: files}, {library: "package"}) == (FoundPackage(name, version),)


@pytest.mark.parametrize("kind", ["runtime", "native", "runtimeTargets", "resources"])
def test_any_kind_of_file_counts(kind: str) -> None:
    """Managed, native, for other platforms, translations."""
    assert read({"A/1.0": {kind: {"lib/A.dll": {}}}}, {"A/1.0": "package"}) == (FoundPackage("A", "1.0"),)
    assert read({"A/1.0": {kind: {}, "dependencies": {"B": "1"}}}, {"A/1.0": "package"}) == ()


def test_files_of_one_target_are_enough() -> None:
    """A package that only another target has, or none mentions, is there."""
    data = {
        "targets": {"a": {"A/1": {}}, "b": {"A/1": {"native": {"a.so": {}}}}},
        "libraries": {"A/1": {"type": "Package"}, "B/2": {"type": "package"}, "C/3": {"type": "referenceassembly"}},
    }
    assert NUGET.read(DEPS, json.dumps(data).encode()).packages == (FoundPackage("A", "1"), FoundPackage("B", "2"))


def test_what_is_no_name_is_passed_over() -> None:
    """A key of unprintable or endless text, or without a name."""
    assert read({}, {"A\u001b/1": "package", "A" * 300 + "/1": "package", "/1": "package"}) == ()
    assert read({}, {"A": "package"}) == (FoundPackage("A", ""),)


@pytest.mark.parametrize(
    "data",
    [b"\x00", b"[]", b'{"libraries": []}', b'{"libraries": {"A/1": 1}}', b'{"targets": {"a": []}}', b'{"libraries": {'],
)
def test_damaged(data: bytes) -> None:
    """No JSON, or other types where libraries are due: unreadable."""
    with pytest.raises(Unreadable):
        NUGET.read(DEPS, data)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"runtimeTarget": {"name": "x"}}'])
def test_nothing(data: bytes) -> None:
    """A file without libraries names nothing."""
    assert NUGET.read(DEPS, data) == Reading()
