"""The table of requirements and the tests that name them."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from tests.conformance.requirements import REQUIREMENTS

HERE = Path(__file__).parent


def named() -> dict[str, list[str]]:
    """The ids that each test of this folder names."""
    found: dict[str, list[str]] = {}
    for path in sorted(HERE.glob("test_*.py")):
        if path != Path(__file__):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    found[f"{path.name}::{node.name}"] = [
                        str(argument.value)
                        for call in node.decorator_list
                        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.requirement"
                        for argument in call.args
                        if isinstance(argument, ast.Constant)
                    ]
    return found


def test_ids_are_said_once() -> None:
    """Two requirements never share an id."""
    assert [name for name, times in Counter(each.id for each in REQUIREMENTS).items() if times > 1] == []


def test_every_requirement_has_a_test() -> None:
    """And every test has at least one requirement that there is."""
    ids, tests = {each.id for each in REQUIREMENTS}, named()
    assert len(tests) > 50
    assert sorted(ids - {name for names in tests.values() for name in names}) == []
    assert {test: names for test, names in tests.items() if not names or not ids.issuperset(names)} == {}
