"""Package URLs. Expected values: the purl specification, its types' definitions and their examples."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from hullwise.domain.packages import Distribution, FoundPackage, Package
from hullwise.ecosystems.purl import parse, parts, purl, release

BULLSEYE = Distribution("debian", "11", "bullseye")
BOOKWORM = Distribution("debian", "12", "bookworm")


def package(
    ecosystem: str, name: str, version: str, architecture: str = "", source: tuple[str, str] | None = None
) -> Package:
    source_name, source_version = source or (name, version)
    return Package(ecosystem, "", name, version, source_name, source_version, architecture, "")


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
        (
            package("rpm", "curl", "7.50.3-1.fc25", "i386"),
            Distribution("fedora", "25"),
            "pkg:rpm/fedora/curl@7.50.3-1.fc25?arch=i386&distro=fedora-25",
        ),
        (
            package("rpm", "centerim", "1:4.22.10-1.el6", "i686"),
            None,
            "pkg:rpm/centerim@4.22.10-1.el6?arch=i686&epoch=1",
        ),
        (
            package("rpm", "OpenIPMI", "2:2.0~rc1^git-3", "x86_64"),
            Distribution("almalinux", "9.4"),
            "pkg:rpm/almalinux/OpenIPMI@2.0~rc1%5Egit-3?arch=x86_64&distro=almalinux-9.4&epoch=2",
        ),
        (
            package("rpm", "perl-Errno", "0:1.30-481.el9", "x86_64", ("perl", "4:5.32.1-481.el9")),
            Distribution("rhel", "9.4"),
            "pkg:rpm/rhel/perl-Errno@1.30-481.el9?arch=x86_64&distro=rhel-9.4&epoch=0&upstream=perl-5.32.1-481.el9.src.rpm",
        ),
        (package("npm", "@angular/animation", "12.3.1"), BOOKWORM, "pkg:npm/%40angular/animation@12.3.1"),
        (package("npm", "foobar", "12.3.1"), None, "pkg:npm/foobar@12.3.1"),
        (package("rubygems", "nokogiri", "1.13.0", "java"), None, "pkg:gem/nokogiri@1.13.0?platform=java"),
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
        (package("rubygems", "ruby-advisory-db-check", "0.12.4"), None, "pkg:gem/ruby-advisory-db-check@0.12.4"),
        (package("packagist", "Guzzlehttp/Promises", "2.0.2"), None, "pkg:composer/guzzlehttp/promises@2.0.2"),
        (package("nuget", "EnterpriseLibrary.Common", "6.0.1304"), None, "pkg:nuget/EnterpriseLibrary.Common@6.0.1304"),
        (package("hex", "Phoenix_html", "3.3.3"), BOOKWORM, "pkg:hex/phoenix_html@3.3.3"),
        (package("conda", "absl-py", "0.4.1", "linux-64"), BOOKWORM, "pkg:conda/absl-py@0.4.1?subdir=linux-64"),
        (package("conda", "absl-py", "0.4.1"), None, "pkg:conda/absl-py@0.4.1"),
        (
            package("maven", "org.apache.xmlgraphics:batik-anim", "1.9.1"),
            BOOKWORM,
            "pkg:maven/org.apache.xmlgraphics/batik-anim@1.9.1",
        ),
        (package("maven", "com.Example:Some_Lib", "1.0+b"), None, "pkg:maven/com.Example/Some_Lib@1.0%2Bb"),
        (package("bitnami", "redis", "7.4.1-0"), BOOKWORM, "pkg:bitnami/redis@7.4.1-0"),
        # Its type requires a namespace (maven-definition.json).
        (package("maven", "KKMA", "2.0"), BOOKWORM, "pkg:generic/KKMA@2.0"),
    ],
)
def test_purl(found: Package, distribution: Distribution | None, expected: str) -> None:
    """The canonical package URL, with vendor, architecture and release for a distribution's packages."""
    assert purl(found, distribution) == expected


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (package("npm", "JSONStream", "1"), ("npm", "", "jsonstream")),
        (package("packagist", "Laravel/Framework", "1"), ("composer", "laravel", "framework")),
        (package("nuget", "A.B", "1"), ("nuget", "", "A.B")),
    ],
    ids=lambda value: value.name if isinstance(value, Package) else "",
)
def test_parts(named: Package, expected: tuple[str, str, str]) -> None:
    """As a VEX document's package URL is normalised, so that the two meet."""
    assert parts(named, None) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pkg:npm/foobar@12.3.1", FoundPackage("foobar", "12.3.1", ecosystem="npm")),
        ("pkg:npm/%40angular/animation@12.3.1", FoundPackage("@angular/animation", "12.3.1", ecosystem="npm")),
        ("pkg:npm/@angular/animation@12.3.1", FoundPackage("@angular/animation", "12.3.1", ecosystem="npm")),
        ("pkg:npm/%40angular/animation", FoundPackage("@angular/animation", "", ecosystem="npm")),
        ("PKG:NPM/a@1", FoundPackage("a", "1", ecosystem="npm")),
        ("pkg://npm//a@1", FoundPackage("a", "1", ecosystem="npm")),
        ("pkg:pypi/Flask_SQLAlchemy@3.0%2Blocal.1", FoundPackage("flask-sqlalchemy", "3.0+local.1", ecosystem="pypi")),
        ("pkg:pypi/pillow@13.0.0#c-ext/PIL._avif", FoundPackage("pillow", "13.0.0", ecosystem="pypi")),
        ("pkg:pypi/pillow@13.0.0?file_name=a.whl", FoundPackage("pillow", "13.0.0", ecosystem="pypi")),
        (
            "pkg:gem/jruby-launcher@1.1.2?platform=java",
            FoundPackage("jruby-launcher", "1.1.2", architecture="java", ecosystem="rubygems"),
        ),
        ("pkg:composer/Laravel/laravel@5.5.0", FoundPackage("Laravel/laravel", "5.5.0", ecosystem="packagist")),
        ("pkg:nuget/A.B@6.0.1304", FoundPackage("A.B", "6.0.1304", ecosystem="nuget")),
        ("pkg:hex/phoenix@1.7.0", FoundPackage("phoenix", "1.7.0", ecosystem="hex")),
        (
            "pkg:bitnami/redis@7.4.1-0?arch=arm64&distro=debian-12",
            FoundPackage("redis", "7.4.1-0", ecosystem="bitnami"),
        ),
        ("pkg:bitnami/a/redis@7.4.1-0", None),
        (
            "pkg:conda/absl-py@0.4.1?build=py36h06a4308_0&channel=main&subdir=linux-64&type=tar.bz2",
            FoundPackage("absl-py", "0.4.1", architecture="linux-64", ecosystem="conda"),
        ),
        ("pkg:npm/a@1?download_url=https://registry.npmjs.org/a", FoundPackage("a", "1", ecosystem="npm")),
        ("pkg:npm/a@1?download_url=file://.", None),
        ("pkg:npm/angular/animation@1", None),
        ("pkg:npm/@a/b/c@1", None),
        ("pkg:gem/x/rack@1", None),
        ("pkg:composer/laravel@1", None),
        ("pkg:hex/acme/private@1", None),
        ("pkg:pypi/-a@1", None),
        ("pkg:npm/a%ff@1", None),
        ("pkg:npm/a@%ff", None),
        ("pkg:npm/a%0a@1", None),
        ("pkg:npm/a@1%1b", None),
        ("pkg:npm/" + "a" * 257, None),
        ("pkg:npm/a@" + "1" * 2100, None),
        ("pkg:npm/a" + "%61" * 64, FoundPackage("a" * 65, "", ecosystem="npm")),
        ("pkg:npm/a" + "%61" * 65, None),
        ("pkg:npm/@1", None),
        ("pkg:npm/", None),
        ("pkg:npm", None),
        ("npm/a@1", None),
        ("pkg:deb/debian/curl@7", None),
        ("pkg:swift/github.com/a/b@1", None),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_parse(text: str, expected: FoundPackage | None) -> None:
    """What a package URL names, as its own reader would have found it."""
    assert parse(text) == expected


WORDS = st.from_regex(r"[!-~]{1,20}", fullmatch=True)
PLAIN = st.text(max_size=20).filter(str.isprintable)
NAMES = {
    "dpkg": st.from_regex(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]{0,20}", fullmatch=True),
    "apk": st.from_regex(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]{0,20}", fullmatch=True),
    "rpm": st.from_regex(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]{0,20}", fullmatch=True),
    "npm": st.from_regex(r"(?:@[^\s/@]{1,9}/)?[^\s/@][^\s/]{0,20}", fullmatch=True).filter(str.isprintable),
    "pypi": st.from_regex(r"[a-z0-9](?:-?[a-z0-9]){0,20}", fullmatch=True),
    # Its capitals become small ones, which the library leaves to its caller.
    "go": st.from_regex(r"[a-z0-9][a-z0-9._~+-]{0,20}(?:/[a-z0-9._~+-]{1,20}){0,3}", fullmatch=True),
    "crates.io": st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True),
    "rubygems": st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True),
    "packagist": st.from_regex(r"[A-Za-z0-9_.-]{1,9}/[A-Za-z0-9_.-]{1,9}", fullmatch=True),
    "nuget": st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True),
    "hex": st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True),
    "maven": st.from_regex(r"(?:[A-Za-z0-9_.-]{1,9}:)?[A-Za-z0-9_.-]{1,20}", fullmatch=True),
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
    version = found.version
    if type_ == "rpm":
        epoch = re.match(r"([0-9]+):", version)
        version = version[epoch.end() :] if epoch else version
        qualifiers["epoch"] = epoch[1] if epoch else ""
    if type_ in ("deb", "apk", "rpm"):
        qualifiers["arch"] = found.architecture
        if distribution is not None:
            qualifiers["distro"] = release(distribution)
    if type_ == "gem":
        qualifiers["platform"] = found.architecture
    said = {key: value for key, value in qualifiers.items() if value}
    expected = PackageURL(type_, namespace, name, version, said)
    assert purl(found, distribution) == expected.to_string()
