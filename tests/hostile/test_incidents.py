"""Each incident has a test that is there, or a reason."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from tests.hostile.incidents import INCIDENTS

TESTS = Path(__file__).parents[1]


@cache
def functions(path: str) -> dict[str, str]:
    """The functions of a file with their docstrings; none of a file that is not there."""
    file = TESTS / path
    body = ast.parse(file.read_text()).body if file.exists() else []
    return {node.name: ast.get_docstring(node) or "" for node in body if isinstance(node, ast.FunctionDef)}


def docstring(test: str) -> str | None:
    """Of the test `path::name`; None where there is no such test."""
    path, _, name = test.partition("::")
    return functions(path).get(name)


def test_every_incident_has_its_tests() -> None:
    """Rows 1 to 37, in order; each test that is named is there, and each incident without one has a reason."""
    assert [incident.row for incident in INCIDENTS] == list(range(1, 38))
    assert [incident.row for incident in INCIDENTS if bool(incident.tests) == bool(incident.absent)] == []
    assert [test for incident in INCIDENTS for test in incident.tests if docstring(test) is None] == []


def test_tests_of_this_folder_name_their_rows() -> None:
    """In their docstrings, so that whoever breaks one learns what it is for; and the table names all of them."""
    named = {(test, incident.row) for incident in INCIDENTS for test in incident.tests if test.startswith("hostile/")}
    assert [(test, row) for test, row in sorted(named) if f"row {row}" not in (docstring(test) or "")] == []
    here = {
        f"hostile/{path.name}::{name}"
        for path in (TESTS / "hostile").glob("test_*.py")
        for name, text in functions(f"hostile/{path.name}").items()
        if name.startswith("test_") and "(row " in text
    }
    assert here == {test for test, _ in named}
