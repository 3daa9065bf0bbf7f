"""Imports go down the staircase only."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "hullwise"

# The floor of each subject. A module imports from lower floors and from its own subject; the two exceptions, edges
# and rules, are siblings that never import each other, as is everything else that shares a floor.
FLOORS = {
    "domain": 0, "versions": 0, "settings": 0, "durable": 0, "threads": 0, "bodies": 0, "flows": 0, "answers": 0,
    "landlock": 0, "zstd": 0,
    "sealing": 1, "store": 1, "blobs": 1, "remotes": 1, "ecosystems": 1, "confinement": 1,
    "inventory": 2, "advisories": 2, "jobs": 2, "events": 2, "imports": 2, "documents": 2, "outages": 2,
    "services": 3,
    "registry": 4, "scanning": 4, "auth": 4, "notifications": 4, "upkeep": 4,
    "ecr": 5, "oci": 5, "api": 5,
    "app": 6,
    "application": 7,
    "cli": 8, "server": 8,
    "__main__": 9,
}  # fmt: skip


def subject(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            base = node.module or ""
            if base == "hullwise":
                found += [(node.lineno, f"hullwise.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, base))
    return [(line, name) for line, name in found if name.startswith("hullwise.")]


def offences() -> list[str]:
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        relative = path.relative_to(SOURCE)
        here = relative.parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for line, module in imports(path):
            there = subject(module)
            if there == here or module == "hullwise.__version__":
                continue
            if FLOORS[there] >= FLOORS[here]:
                wrong.append(
                    f"{relative}:{line}: {here} (floor {FLOORS[here]}) imports {module} (floor {FLOORS[there]})"
                )
    return wrong


def test_every_subject_has_a_floor() -> None:
    """A new folder or file at the top is placed on the staircase before it is used, and nothing else is."""
    names = {path.name.removesuffix(".py") for path in SOURCE.iterdir() if path.name not in {"__pycache__", "py.typed"}}
    assert names - {"__init__"} == FLOORS.keys()


def test_imports_go_down_only() -> None:
    """No module imports from its own floor's siblings or from above."""
    assert offences() == []
