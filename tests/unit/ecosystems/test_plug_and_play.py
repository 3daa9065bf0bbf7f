"""Tables of Plug'n'Play. Expected values: `yarn info --all --recursive --name-only` where Yarn wrote each of them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.node import NPM

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"

REACT = {("js-tokens", "4.0.0"), ("loose-envify", "1.4.0"), ("object-assign", "4.1.1"), ("prop-types", "15.8.1")} | {
    ("react", "16.14.0"),
    ("react-dom", "16.14.0"),
    ("react-is", "16.13.1"),
    ("scheduler", "0.19.1"),
}
MINIMIST = ("minimist", "0.0.8")


def found(path: str, data: bytes | str) -> list[tuple[str, str]]:
    packages = NPM.read(path, data.encode() if isinstance(data, str) else data).packages
    assert not any(package.unmatched for package in packages)
    return [(package.name, package.version) for package in packages]


@pytest.mark.parametrize(
    ("path", "asset"), [("app/.pnp.cjs", "yarn-4.12.pnp.cjs"), ("app/.pnp.data.json", "yarn-4.12.pnp.data.json")]
)
def test_tables_of_yarn_4(path: str, asset: str) -> None:
    """Packages of the registry, patched and with peers, each once; what is from a folder has no version. Workspaces,
    and object-assign, which is unpacked, have a file of their own."""
    packages = found(path, (ASSETS / asset).read_bytes())
    expected = REACT - {("object-assign", "4.1.1")} | {MINIMIST, ("typescript", "4.9.5"), ("left", "")}
    assert len(packages) == len(expected)
    assert set(packages) == expected


def test_a_table_of_yarn_2() -> None:
    """An object with commas that JSON has not."""
    assert set(found(".pnp.js", (ASSETS / "yarn-2.4.pnp.js").read_bytes())) == REACT | {MINIMIST}


YARN_1 = """
let packageInformationStores = new Map([
  ["ajv", new Map([
    ["pnp:3a7d56", {
      packageLocation: path.resolve(__dirname, "./.pnp/externals/pnp-3a7d56/node_modules/ajv/"),
      packageDependencies: new Map([
        ["uri-js", "4.4.1"],
      ]),
    }],
    ["6.12.0", {
      packageLocation: path.resolve(__dirname, "../cache/v6/npm-ajv-6.12.0-06d6-integrity/node_modules/ajv/"),
      packageDependencies: new Map([
        ["uri-js", "4.4.1"],
      ]),
    }],
  ])],
  ["@a/b", new Map([
    ["1.0.0", {
      packageLocation: path.resolve(__dirname, "/root/.cache/yarn/v6/npm-@a-b-1.0.0-0-integrity/node_modules/@a/b/"),
      packageDependencies: new Map([
      ]),
    }],
    ["2.0.0", {
      packageLocation: path.resolve(__dirname, "./.pnp/unplugged/npm-@a-b-2.0.0-0-integrity/node_modules/@a/b/"),
      packageDependencies: new Map([
      ]),
    }],
  ])],
  [null, new Map([
    [null, {
      packageLocation: path.resolve(__dirname, "./"),
      packageDependencies: new Map([
        ["ajv", "6.12.0"],
      ]),
    }],
  ])],
]);
"""


def test_a_table_of_yarn_1() -> None:
    """What lies in its cache, which nothing else says is installed. The form is that of yarn 1.22.22."""
    assert found("app/.pnp.js", YARN_1) == [("ajv", "6.12.0"), ("@a/b", "1.0.0")]


def table(*packages: tuple[str | None, str | None, str]) -> str:
    """A table, with name, reference and place of each package."""
    return json.dumps(
        {"packageRegistryData": [[name, [[reference, {"packageLocation": at}]]] for name, reference, at in packages]}
    )


ZIP = "./.yarn/cache/a.zip/node_modules/a/"


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("npm:1.0.0-rc.1", "1.0.0-rc.1"),
        ("npm:1.0.0::__archiveUrl=https%3A%2F%2Fnpm.example%2Fa-1.0.0.tgz", "1.0.0"),
        ("virtual:0f92fc#npm:1.0.0", "1.0.0"),
        ("patch:a@npm%3A1.0.0#~/.yarn/patches/a-npm-1.0.0.patch::version=1.0.0%2Bb&hash=df0bf1", "1.0.0+b"),
        ("virtual:0f92fc#patch:a@npm%3A1.0.0#./a.patch::locator=x&version=1.0.0&hash=df0bf1", "1.0.0"),
        ("https://github.com/a/a.git#commit=b44a9b6297bcb698f1c51a3545a2b3b368d59c52", ""),
        ("https://example.com/a-1.0.0.tgz", ""),
        ("file:./a#./a::hash=1c1401&locator=app%40workspace%3A.", ""),
    ],
)
def test_references(reference: str, version: str) -> None:
    """Yarn's protocols; only the registry's have a version in them."""
    assert found(".pnp.data.json", table(("a", reference, ZIP))) == [("a", version)]


@pytest.mark.parametrize(
    ("reference", "place"),
    [
        ("workspace:packages/a", "./packages/a/"),
        ("virtual:0f92fc#workspace:packages/a", "./.yarn/__virtual__/a-virtual-34fa882c96/1/packages/a/"),
        ("npm:1.0.0", "./.yarn/unplugged/a-npm-1.0.0-1004ad6dec/node_modules/a/"),
        # pnpm, `node-linker=pnp`.
        ("1.0.0", "./node_modules/.pnpm/a@1.0.0/node_modules/a/"),
    ],
)
def test_what_has_a_file_of_its_own_is_left_to_it(reference: str, place: str) -> None:
    """Nothing is listed twice, and an unpacked package that is not there is not listed at all."""
    assert NPM.read(".pnp.data.json", table(("a", reference, place)).encode()) == Reading()


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        (".pnp.cjs", True),
        ("srv/app/.pnp.cjs", True),
        ("srv/app/.pnp.data.json", True),
        ("srv/app/.pnp.js", True),
        ("srv/app/node_modules/resolve/test/.pnp.cjs", False),
        ("srv/app/.pnp.loader.mjs", False),
        ("srv/app/x.pnp.cjs", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """Yarn's names of the table, and not those that a module tests itself with."""
    assert NPM.claims(path) is claimed


def test_a_table_elsewhere() -> None:
    """Without `pnpEnableInlining` the program has none, and says where it is."""
    program = 'const pnpDataFilepath = path.resolve(__dirname, ".pnp.data.json");\n'
    assert NPM.read(".pnp.cjs", program.encode()) == Reading()
    assert NPM.read(".pnp.cjs", b"\n") == Reading()


def inlined(text: str) -> str:
    """As Yarn writes it (`generateStringLiteral`)."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\\n")
    return f"const RAW_RUNTIME_STATE =\n'{escaped}';\n"


def test_strings_are_as_yarn_writes_them() -> None:
    """Quotes, backslashes and ends of lines, of whichever system."""
    odd = json.dumps(json.loads(table(("a", "npm:1.0.0", ZIP))) | {"ignorePatternData": "it's \\ \" \n"}, indent=2)
    assert found(".pnp.cjs", inlined(odd)) == [("a", "1.0.0")]
    assert found(".pnp.cjs", inlined(odd).replace("\n", "\r\n")) == [("a", "1.0.0")]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        (".pnp.cjs", "module.exports = {};"),
        (".pnp.cjs", inlined(table(("a", "npm:1", ZIP)))[:60]),
        (".pnp.cjs", inlined("{}")),
        (".pnp.cjs", "const RAW_RUNTIME_STATE = '\\x7b}';"),
        (".pnp.cjs", 'hydrateRuntimeState({"packageRegistryData": []'),
        (".pnp.cjs", 'hydrateRuntimeState({"packageRegistryData": [f()]}, {basePath})'),
        (".pnp.data.json", "["),
        (".pnp.data.json", '{"packageRegistryData": [["a", [["npm:1", {}]]]]}'),
        (".pnp.data.json", '{"packageRegistryData": [["a"]]}'),
        (".pnp.data.json", table(("a b", "npm:1.0.0", ZIP))),
        (".pnp.data.json", table(("a", f"npm:{'1' * 300}", ZIP))),
        (".pnp.data.json", '{"packageRegistryData": [' + "[null,[]]," * 600_000 + "[null,[]]]}"),
        (".pnp.data.json", '{"packageRegistryData": ' + "[" * 100_000),
    ],
    ids=lambda value: value[:50],
)
def test_damaged(path: str, data: str) -> None:
    """No table, half of one, JavaScript in it, other types, names that are none, lists without end: unreadable."""
    with pytest.raises(Unreadable):
        NPM.read(path, data.encode())


@pytest.mark.parametrize(
    "data",
    [
        "RAW_RUNTIME_STATE " * 500_000,
        "RAW_RUNTIME_STATE = '" + "\\\\" * 4_000_000,
        "hydrateRuntimeState(JSON.parse(" * 300_000,
        "hydrateRuntimeState({" + ", {" * 3_000_000,
        "hydrateRuntimeState({" + '"' * 8_000_000 + "}, {basePath})",
        "hydrateRuntimeState({" + ",   " * 2_000_000 + "}, {basePath})",
        "let packageInformationStores = new Map([" + '["a", {' * 1_000_000,
        "let packageInformationStores = new Map([" + '["a", new Map([' * 600_000,
    ],
    ids=lambda value: value[:40],
)
def test_long_programs_take_no_time(data: str) -> None:
    """Eight megabytes of one thing: none is quadratic."""
    with contextlib.suppress(Unreadable):
        assert NPM.read(".pnp.cjs", data.encode()).packages == ()


def test_packages_are_as_of_any_module() -> None:
    """What is in a zip file is installed as what is in node_modules."""
    assert NPM.read(".pnp.data.json", table(("@a/b", "npm:1.0.0", ZIP)).encode()).packages == (
        FoundPackage("@a/b", "1.0.0"),
    )
