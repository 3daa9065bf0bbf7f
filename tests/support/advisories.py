"""Advisories made by hand, in OSV's form."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.generation import Generation
from hullwise.domain.packages import Package


def osv(
    record_id: str, package: str, *, fixed: str | None = None, ecosystem: str = "PyPI", **members: Any
) -> dict[str, Any]:
    """A record that says every version of the package is affected, or every one below `fixed`."""
    events: list[dict[str, str]] = [{"introduced": "0"}]
    if fixed is not None:
        events.append({"fixed": fixed})
    affected = {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"id": record_id, "modified": "2026-01-02T03:04:05Z", "affected": [affected], **members}


def write(folder: Path, *records: dict[str, Any]) -> Path:
    """A folder with one document a record."""
    folder.mkdir(parents=True, exist_ok=True)
    for record in records:
        (folder / f"{record['id']}.json").write_text(json.dumps(record))
    return folder


def generation(path: Path, *inputs: Path, base: Path | None = None) -> Generation:
    """A generation of the documents below the inputs, open."""
    with GenerationBuilder(path, base) as builder:
        documents.load(list(inputs), builder)
        builder.seal(datetime(2026, 6, 1, tzinfo=UTC))
    return Generation(path)


def package(name: str, version: str, namespace: str = "pypi") -> Package:
    """A package as a match looks at it: its name is that of its source."""
    return Package("any", namespace, name, version, name, version, "", "")
