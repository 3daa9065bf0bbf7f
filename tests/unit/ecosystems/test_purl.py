"""Package URLs. Expected values: the purl specification, its types' definitions and their examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from hullwise.domain.packages import Distribution, Package
from hullwise.ecosystems.purl import parts, purl, release

BULLSEYE = Distribution("debian", "11", "bullseye")
BOOKWORM = Distribution("debian", "12", "bookworm")


def package(ecosystem: str, name: str, version: str, architecture: str = "") -> Package:
    return Package(ecosystem, "", name, version, "", "", architecture, "")


@pytest.mark.parametrize(
    ("found", "distribution", "expected"),
    [
        (
            package("dpkg", "openssl", "1.1.1n-0+deb11u5", "amd64"),
            BULLSEYE,
            "pkg:deb/debian/openssl@1.1.1n-0%2Bdeb11u5?arch=amd64&distro=debian-11",
        ),
        (
            package("dpkg", "attr", "1:2.4.47-2+b1", "amd64"),
            BOOKWORM,
            "pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64&distro=debian-12",
        ),
        (
            package("dpkg", "curl", "8.0~rc1-1", "arm64"),
            Distribution("debian", "", "forky"),
            "pkg:deb/debian/curl@8.0~rc1-1?arch=arm64&distro=debian-forky",
        ),
        (package("dpkg", "libstdc++6", "12", "amd64"), None, "pkg:deb/libstdc%2B%2B6@12?arch=amd64"),
        (
            package("apk", "musl", "1.2.4-r2", "x86_64"),
            Distribution("alpine", "3.18.4"),
            "pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.18.4",
        ),
        (package("npm", "@angular/animation", "12.3.1"), BOOKWORM, "pkg:npm/%40angular/animation@12.3.1"),
        (package("npm", "foobar", "12.3.1"), None, "pkg:npm/foobar@12.3.1"),
        (package("npm", "JSONStream", "1.3.5"), None, "pkg:npm/jsonstream@1.3.5"),
        (package("pypi", "flask-sqlalchemy", "3.0+local.1"), None, "pkg:pypi/flask-sqlalchemy@3.0%2Blocal.1"),
        (package("pypi", "django", ""), None, "pkg:pypi/django"),
        (package("go", "stdlib", "1.22.1"), None, "pkg:golang/stdlib@1.22.1"),
        (
            package("go", "github.com/Masterminds/semver/v3", "v3.2.0"),
            BOOKWORM,
            "pkg:golang/github.com/masterminds/semver/v3@v3.2.0",
        ),
        (
            package("go", "github.com/docker/distribution", "v2.8.1+incompatible"),
            None,
            "pkg:golang/github.com/docker/distribution@v2.8.1%2Bincompatible",
        ),
        (package("crates.io", "rand", "0.7.2"), None, "pkg:cargo/rand@0.7.2"),
    ],
)
def test_purl(found: Package, distribution: Distribution | None, expected: str) -> None:
    """The canonical package URL, with vendor, architecture and release for a distribution's packages."""
    assert purl(found, distribution) == expected


WORDS = st.from_regex(r"[!-~]{1,20}", fullmatch=True)
PLAIN = st.text(max_size=20).filter(str.isprintable)
NAMES = {
    "dpkg": st.from_regex(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]{0,20}", fullmatch=True),
    "apk": st.from_regex(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]{0,20}", fullmatch=True),
    "npm": st.from_regex(r"(?:@[^\s/@]{1,9}/)?[^\s/@][^\s/]{0,20}", fullmatch=True).filter(str.isprintable),
    "pypi": st.from_regex(r"[a-z0-9](?:-?[a-z0-9]){0,20}", fullmatch=True),
    # Its capitals become small ones, which the library leaves to its caller.
    "go": st.from_regex(r"[a-z0-9][a-z0-9._~+-]{0,20}(?:/[a-z0-9._~+-]{1,20}){0,3}", fullmatch=True),
    "crates.io": st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True),
}


@given(
    st.sampled_from(sorted(NAMES)).flatmap(
        lambda name: st.builds(
            Package,
            st.just(name),
            st.just(""),
            NAMES[name],
            PLAIN if name in ("npm", "pypi", "go", "crates.io") else WORDS,
            st.just(""),
            st.just(""),
            st.just("") | WORDS,
            st.just(""),
        )
    ),
    st.none() | st.builds(Distribution, st.from_regex(r"[a-z0-9._-]{1,9}", fullmatch=True), PLAIN, PLAIN),
)
def test_as_packageurl_writes_it(found: Package, distribution: Distribution | None) -> None:
    """Whatever a reader may find is escaped as the library of the purl project does it."""
    type_, namespace, name = parts(found, distribution)
    qualifiers = {}
    if type_ in ("deb", "apk"):
        qualifiers["arch"] = found.architecture
        if distribution is not None:
            qualifiers["distro"] = release(distribution)
    said = {key: value for key, value in qualifiers.items() if value}
    expected = PackageURL(type_, namespace, name, found.version, said)
    assert purl(found, distribution) == expected.to_string()
