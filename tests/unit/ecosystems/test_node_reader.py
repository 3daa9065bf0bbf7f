"""The reader of node_modules. Expected values: npm's documentation of package.json and folders, a real file."""

from __future__ import annotations

from pathlib import Path

import pytest

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.node import NPM

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
PACKAGE = "app/node_modules/a/package.json"


def test_real_file() -> None:
    """A real package.json names its package."""
    data = (ASSETS / "ms-2.1.3.package.json").read_bytes()
    assert NPM.read("app/node_modules/ms/package.json", data).packages == (FoundPackage("ms", "2.1.3"),)


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("node_modules/ms/package.json", True),
        ("app/node_modules/.pnpm/ms@2.1.3/node_modules/ms/package.json", True),
        ("package.json", True),
        ("app/package.json", True),
        ("app/node_modules/ms/dist/package.json", True),
        ("app/node_modules/mongoose/examples/aggregate/package.json", False),
        ("app/node_modules/mongoose/examples/express/connection-sharing/package.json", False),
        ("app/node_modules/@a/mongoose/examples/aggregate/package.json", False),
        # What lies in an example of somebody's own is as installed as anything else, and a module may be called so.
        ("app/examples/server/node_modules/lodash/package.json", True),
        ("home/example/package.json", True),
        ("app/node_modules/examples/package.json", True),
        ("app/node_modules/@a/example/package.json", True),
        ("app/node_modules/examples/lib/package.json", True),
        # yarn 4, `nodeLinker: pnpm`.
        ("app/node_modules/.store/ms-npm-2.1.3-81ff3cfac1/package/package.json", True),
        ("app/node_modules/.store/ms-npm-2.1.3-81ff3cfac1/package/dist/package.json", False),
        ("app/node_modules/.store/ms-npm-2.1.3-81ff3cfac1/package.json", False),
        ("app/node_modules/.bin/package.json", False),
        ("app/node_modules/.ms-Xy12/package.json", False),
        ("app/node_modules/.ms-Xy12/lib/package.json", False),
        ("app/node_modules/ms/package.json.orig", False),
        ("app/node_modules/ms/xpackage.json", False),
        ("app/package-lock.json", False),
        ("app/node_modules/.package-lock.json", False),
        ("app/node_modules/ms/package-lock.json", False),
        ("app/yarn.lock", False),
        ("app/pnpm-lock.yaml", False),
        ("app/node_modules/.pnpm/lock.yaml", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """Every package.json is looked at but those of a module's examples and those that npm is about to remove; no lock
    file is."""
    assert NPM.claims(path) is claimed


@pytest.mark.parametrize(
    ("path", "matched"),
    [
        ("node_modules/ms/package.json", True),
        ("usr/lib/node_modules/npm/package.json", True),
        ("usr/lib/node_modules/npm/node_modules/ms/package.json", True),
        ("app/node_modules/@babel/core/package.json", True),
        ("node_modules/@babel/core/package.json", True),
        ("app/node_modules/@babel/core/node_modules/ms/package.json", True),
        ("app/node_modules/.pnpm/ms@2.1.3/node_modules/ms/package.json", True),
        ("app/node_modules/.store/ms-npm-2.1.3-81ff3cfac1/package/package.json", True),
        ("node_modules/.store/@babel-core-npm-7.0.0-0123456789/package/package.json", True),
        ("app/.store/ms-npm-2.1.3-81ff3cfac1/package/package.json", False),
        ("usr/share/nodejs/ms/package.json", True),
        ("usr/share/nodejs/@babel/core/package.json", True),
        ("usr/share/nodejs/ms/lib/package.json", False),
        ("opt/usr/share/nodejs/ms/package.json", False),
        ("package.json", False),
        ("app/package.json", False),
        ("ms/package.json", False),
        ("node_modules/package.json", False),
        ("node_modules/@babel/package.json", False),
        ("app/node_modules/ms/dist/package.json", False),
        ("app/node_modules/@babel/core/lib/package.json", False),
        ("app/node_modules/resolve/test/resolver/multirepo/packages/package-a/package.json", False),
        ("app/my_node_modules/ms/package.json", False),
        ("app/@scope/ms/package.json", False),
        ("@scope/ms/package.json", False),
    ],
)
def test_only_what_is_installed_is_matched(path: str, matched: bool) -> None:
    """Directly in a module's folder; an application, and what tests hold, is listed. Damage counts where it matters."""
    data = b'{"name": "ms", "version": "2.1.3"}'
    assert NPM.read(path, data).packages == (FoundPackage("ms", "2.1.3", unmatched=not matched),)
    if matched:
        with pytest.raises(Unreadable):
            NPM.read(path, b"{")
    else:
        assert NPM.read(path, b"{") == Reading()


@pytest.mark.parametrize(
    ("folder", "name", "version", "matched"),
    [
        ("deno-dir/npm/registry.npmjs.org/minimist/0.0.8", "minimist", "0.0.8", True),
        ("npm/registry.npmjs.org/minimist/0.0.8", "minimist", "0.0.8", True),
        ("root/.cache/deno/npm/registry.npmjs.org/@babel/core/7.0.0-rc.1", "@babel/core", "7.0.0-rc.1", True),
        ("deno-dir/npm/registry.npmjs.org/react-dom/16.14.0_1", "react-dom", "16.14.0", True),
        ("deno-dir/npm/npm.example/api/npm/minimist/0.0.8", "minimist", "0.0.8", True),
        ("deno-dir/npm/localhost_4873/minimist/0.0.8", "minimist", "0.0.8", True),
        ("deno-dir/npm/registry.npmjs.org/_jjju6tq/2.1.5", "JSON", "2.1.5", True),
        ("deno-dir/npm/registry.npmjs.org/_ib2hs4dfomxuuu2pjy/2.1.5", "@types/JSON", "2.1.5", True),
        ("deno-dir/npm/registry.npmjs.org/_jjju6tq/2.1.5", "JSOn", "2.1.5", False),
        ("deno-dir/npm/registry.npmjs.org/minimist/0.0.8", "minimist", "0.0.9", False),
        ("deno-dir/npm/registry.npmjs.org/minimist/0.0.8", "mkdirp", "0.0.8", False),
        ("deno-dir/npm/registry.npmjs.org/minimist/0.0.8/example", "minimist", "0.0.8", False),
        ("deno-dir/npm/registry.npmjs.org/@babel/core/7.0.0", "core", "7.0.0", False),
        ("deno-dir/npm/minimist/0.0.8", "minimist", "0.0.8", False),
        ("srv/releases/registry.npmjs.org/minimist/0.0.8", "minimist", "0.0.8", False),
        ("minimist/0.0.8", "minimist", "0.0.8", False),
    ],
)
def test_modules_that_deno_runs_are_matched(folder: str, name: str, version: str, matched: bool) -> None:
    """In its folder (`DENO_DIR`): below `npm` and the registry, in folders of the package's name and version.
    Those for capitals are the examples of Deno's own tests (npm_cache_dir)."""
    data = f'{{"name": "{name}", "version": "{version}"}}'.encode()
    assert NPM.read(f"{folder}/package.json", data).packages == (FoundPackage(name, version, unmatched=not matched),)


def test_private_and_unversioned_packages() -> None:
    """A package that is there is listed, whatever it says of itself."""
    data = b'{"name": "aggregate-example", "private": "true", "version": "0.0.0"}'
    assert NPM.read("app/node_modules/workspace/package.json", data).packages == (
        FoundPackage("aggregate-example", "0.0.0"),
    )


@pytest.mark.parametrize(
    ("written", "version"),
    [("v1.2.3", "1.2.3"), ("=1.2.4", "1.2.4"), (" 1.2.6 ", "1.2.6"), ("= v1.2.3-v2", "1.2.3-v2"), ("vnext", "vnext")],
)
def test_versions_are_as_npm_reads_them(written: str, version: str) -> None:
    """node-semver's `clean`, which npm applies to what it installs; what is no version then is as written."""
    assert NPM.read(PACKAGE, f'{{"name": "a", "version": "{written}"}}'.encode()).packages == (
        FoundPackage("a", version),
    )


def test_own_name_beats_the_folder() -> None:
    """`npm install alias@npm:real` makes a folder `alias` that holds `real`."""
    data = b'{"name": "string-width", "version": "4.2.3"}'
    assert NPM.read("node_modules/string-width-cjs/package.json", data).packages == (
        FoundPackage("string-width", "4.2.3"),
    )


@pytest.mark.parametrize("name", ["JSONStream", "@types/node", "co.prompt", "crypto'", "~x"])
def test_names_are_as_written(name: str) -> None:
    """npm compares names by every letter; old ones have capitals and more."""
    assert NPM.read(PACKAGE, f'{{"name": "{name}", "version": "1.0.0"}}'.encode()).packages == (
        FoundPackage(name, "1.0.0"),
    )


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"type": "module"}',
        b'{"name": "a"}',
        b'{"name": "a", "private": true}',
        b'{"version": "1.0.0"}',
        b'{"name": "", "version": "1.0.0"}',
        b'{"name": "a", "version": ""}',
    ],
)
def test_no_package(data: bytes) -> None:
    """Without a name or a version it is a part of a package or an application: nothing to report, nothing wrong."""
    assert NPM.read(PACKAGE, data) == Reading()


@pytest.mark.parametrize(
    "data",
    [
        b'\xef\xbb\xbf{"name": "a", "version": "1.0.0"}',
        b'{"name": "b", "name": "a", "version": "2.0.0", "version": "1.0.0"}',
        b'{"name": "\\u0061", "version": "1.0.0", "license": ["x"], "bin": null, "x": 1e999}',
        b' {"version": "1.0.0",\r\n"name": "a"}\n',
    ],
)
def test_tolerated_forms(data: bytes) -> None:
    """A byte order mark, repeated keys (the last counts, as in JavaScript), escapes and foreign fields do no harm."""
    assert NPM.read(PACKAGE, data).packages == (FoundPackage("a", "1.0.0"),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"null",
        b"[]",
        b'"a"',
        b'{"name": "a", "version": "1.0.0"',
        b'{"name": "a", "version": "1.0.0"} x',
        b'{"name": 1, "version": "1.0.0"}',
        b'{"name": "a", "version": 1.0}',
        b'{"name": null, "version": "1.0.0"}',
        b'{"name": "a", "version": null}',
        b'{"name": ["a"], "version": "1.0.0"}',
        b'{"name": "a", "version": {"a": "b"}}',
        b'{"name": "\xff", "version": "1.0.0"}',
        b'{"name": "a\\n", "version": "1.0.0"}',
        b'{"name": "a", "version": "1.0.0\\u0000"}',
        b'{"name": "a b", "version": "1.0.0"}',
        b'{"name": "../a", "version": "1.0.0"}',
        b'{"name": "@a", "version": "1.0.0"}',
        b'{"name": "@a/", "version": "1.0.0"}',
        b'{"name": "@a/b/c", "version": "1.0.0"}',
        b'{"name": "' + b"a" * 215 + b'", "version": "1.0.0"}',
        b'{"name": "a", "version": "' + b"1" * 257 + b'"}',
        b'{"x": ' + b"[" * 1_000_000,
        b'{"x": ' + b'{"y":' * 100_000 + b"0" + b"}" * 100_001,
    ],
)
def test_damaged(data: bytes) -> None:
    """No JSON object, other types where text is due, text that is no name or version, depth without end: unreadable."""
    with pytest.raises(Unreadable):
        NPM.read(PACKAGE, data)
