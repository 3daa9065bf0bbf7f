"""What the source itself must not have: gates that are cheap to hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "hullwise"

RUNS_WHAT_IT_READS = {
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "jsonpickle",
    "joblib",
}
BUILTINS = {"eval", "exec", "compile", "__import__"}
SECRET = re.compile(r"(secret|password|passphrase|signature|hmac|token|credential)s?")


@cache
def everything() -> list[tuple[str, ast.AST]]:
    """Every node of the source, with the place it is at."""
    trees = {str(path.relative_to(SOURCE)): ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}
    assert len(trees) > 100
    return [(f"{name}:{getattr(node, 'lineno', 0)}", node) for name, tree in trees.items() for node in ast.walk(tree)]


def nodes(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """Nodes of these kinds, with the place each is at."""
    return (found for found in everything() if isinstance(found[1], kinds))


def called(node: ast.AST) -> str:
    """What is called, as it is written: a name, or names with points between them; else nothing."""
    assert isinstance(node, ast.Call)
    parts, function = [], node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    return ".".join([function.id, *reversed(parts)]) if isinstance(function, ast.Name) else ""


def modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    assert isinstance(node, ast.Import)
    return [alias.name for alias in node.names]


def test_nothing_that_runs_what_it_reads() -> None:
    """(row 1) No pickle and its kind, no code made of text, no shell; of YAML the events alone."""
    imported = [
        (where, name)
        for where, node in nodes(ast.Import, ast.ImportFrom)
        for name in modules(node)
        if name.partition(".")[0] in RUNS_WHAT_IT_READS
    ]
    assert imported == []
    assert [where for where, node in nodes(ast.Call) if called(node) in BUILTINS] == []
    yaml = {called(node) for _, node in nodes(ast.Call) if called(node).startswith("yaml.")}
    assert yaml <= {"yaml.parse", "yaml.safe_load"}
    shells = [
        where
        for where, node in nodes(ast.Call)
        if called(node) in {"os.system", "os.popen"}
        or any(word.arg == "shell" for word in getattr(node, "keywords", []))
    ]
    assert shells == []


def test_jobs_are_json() -> None:
    """(row 1) The job engine would pickle its inputs: each place that opens it says JSON instead."""
    opened = [(where, ast.unparse(node)) for where, node in nodes(ast.Call) if called(node) in {"DBOS", "DBOSClient"}]
    assert len(opened) == 2
    assert [where for where, text in opened if "DBOSPortableJSONSerializer()" not in text] == []


def test_statements_are_not_put_together() -> None:
    """(row 15) Text of SQL is made of constants, but for a function of PostgreSQL's and the names of our own tables."""
    loose = []
    for _, node in nodes(ast.Call):
        assert isinstance(node, ast.Call)
        if re.fullmatch(r"(sa|sqlalchemy|tx|connection)\.(text|literal_column|exec_driver_sql)", called(node)):
            names = {each.id for each in ast.walk(node.args[0]) if isinstance(each, ast.Name)} - {"str"}
            if not all(name.isupper() for name in names):
                loose.append(ast.unparse(node.args[0]))
    assert sorted(loose) == ["f'LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE'", "f'SELECT {lock}(:key)'"]


def named(node: ast.expr) -> str:
    """The last part of what an expression is called."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return named(node.func)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return node.id if isinstance(node, ast.Name) else ""


def test_secrets_are_compared_in_constant_time() -> None:
    """(row 18) No `==` on what is called a secret; what checks signatures itself calls compare_digest."""
    compared = [
        (where, ast.unparse(node))
        for where, node in nodes(ast.Compare)
        if isinstance(node, ast.Compare)
        and isinstance(node.ops[0], (ast.Eq, ast.NotEq))
        and any(SECRET.fullmatch(named(side).lower().strip("_")) for side in (node.left, *node.comparators))
    ]
    assert compared == []
    assert "hmac.compare_digest" in {
        called(node) for where, node in nodes(ast.Call) if where.startswith("auth/sigv4.py")
    }


# The value that a caller is about to be given, made and shown in one place.
def test_values_do_not_show_their_secrets() -> None:
    """(row 19) A member that is called a secret is left out of what prints its value, or the class prints itself."""
    shown = set()
    for where, node in nodes(ast.ClassDef):
        assert isinstance(node, ast.ClassDef)
        if any(isinstance(each, ast.FunctionDef) and each.name == "__repr__" for each in node.body):
            continue
        for member in node.body:
            if isinstance(member, ast.AnnAssign) and re.search("secret|password", ast.unparse(member.target)):
                silent = member.value is not None and "repr=False" in ast.unparse(member.value)
                hidden = silent or ast.unparse(member.annotation) == "Secret"
                if not hidden and not ast.unparse(member.target).startswith("sealed_"):
                    shown.add(f"{where.partition(':')[0]}: {node.name}.{ast.unparse(member.target)}")
    assert shown == set()


def test_scans_leave_no_temporary_files() -> None:
    """(row 27) Whatever reads layers makes none but such as have no name, and are gone with whoever had them open."""
    made = {
        called(node)
        for where, node in nodes(ast.Call)
        if where.partition("/")[0] in {"inventory", "ecosystems", "scanning", "oci", "registry"}
        and re.match("(tempfile|shutil)[.]", called(node))
    }
    assert made <= {"tempfile.TemporaryFile"}
