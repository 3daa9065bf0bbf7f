"""What is installed in an image, by the word of the tools that install: dpkg, Python, npm."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

Packages = set[tuple[str, str, str]]
"""Type of a package URL, name and version: those of the source package where the type is `deb`."""


def files(layout: Path) -> dict[str, bytes]:
    """The package databases of an image of which no layer takes away or replaces what a lower one holds."""
    manifest = _blob(layout, json.loads((layout / "index.json").read_text())["manifests"][0])
    found: dict[str, bytes] = {}
    for layer in manifest["layers"]:
        with tarfile.open(_path(layout, layer)) as archive:
            for member in archive:
                assert "/.wh." not in f"/{member.name}", member.name
                if member.isreg() and _DATABASE.search(member.name):
                    content = archive.extractfile(member)
                    assert content is not None
                    assert member.name not in found, member.name
                    found[member.name] = content.read()
    return found


_DATABASE = re.compile(r"^var/lib/dpkg/status(\.d/.*)?$|\.dist-info/METADATA$|/\.package-lock\.json$")


def _path(layout: Path, descriptor: Any) -> Path:
    return layout / "blobs" / str(descriptor["digest"]).replace(":", "/")


def _blob(layout: Path, descriptor: Any) -> Any:
    return json.loads(_path(layout, descriptor).read_bytes())


def installed(databases: Mapping[str, bytes], folder: Path) -> Packages:
    """What the tools say is installed. `folder`: an empty one to work in."""
    return _debian(databases, folder) | _python(databases, folder) | _npm(databases)


def _debian(databases: Mapping[str, bytes], folder: Path) -> Packages:
    # dpkg-query knows no status.d: its files are stanzas of the one file, without their state.
    stanzas = [
        body.strip() + (b"" if name == "var/lib/dpkg/status" else b"\nStatus: install ok installed")
        for name, body in databases.items()
        if name.startswith("var/lib/dpkg/")
    ]
    if not stanzas:
        return set()
    for name in ("info", "updates"):
        (folder / "dpkg" / name).mkdir(parents=True)
    (folder / "dpkg" / "status").write_bytes(b"\n\n".join(stanzas) + b"\n")
    shown = ["--show", "--showformat", "${db:Status-Status} ${source:Package} ${source:Version}\\n"]
    command = ["dpkg-query", "--admindir", str(folder / "dpkg"), *shown]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {("deb", name, version) for state, name, version in rows if state == "installed"}


def _python(databases: Mapping[str, bytes], folder: Path) -> Packages:
    for name, body in databases.items():
        if name.endswith("/METADATA"):
            path = folder / "python" / Path(name).parent.name
            path.mkdir(parents=True)
            (path / "METADATA").write_bytes(body)
    found = importlib.metadata.distributions(path=[str(folder / "python")])
    return {("pypi", canonicalize_name(one.metadata["Name"]), one.version) for one in found}


def _npm(databases: Mapping[str, bytes]) -> Packages:
    """By npm's own list of what it put into node_modules."""
    lists = [json.loads(body) for name, body in databases.items() if name.endswith("/.package-lock.json")]
    return {
        ("npm", package.get("name") or path.rpartition("node_modules/")[2], package["version"])
        for found in lists
        for path, package in found["packages"].items()
    }
