"""The reader of gems. Expected values: files that RubyGems wrote, the documentation of Gem::Specification."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.ruby import RUBYGEMS

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
GEM = "usr/lib/ruby/gems/3.1.0/specifications/a-1.gemspec"


def read(data: bytes) -> FoundPackage:
    (package,) = RUBYGEMS.read(GEM, data).packages
    return package


@pytest.mark.parametrize(
    ("asset", "expected"),
    [
        ("json-2.6.1.gemspec", FoundPackage("json", "2.6.1")),
        ("hull-native-1.15.4.rc1-x86_64-linux.gemspec", FoundPackage("hull-native", "1.15.4.rc1")),
    ],
)
@pytest.mark.parametrize("stub", [True, False])
def test_real_files(asset: str, expected: FoundPackage, stub: bool) -> None:
    """A specification names its gem, in its comment and in its fields; a platform is no part of the version."""
    data = (ASSETS / asset).read_bytes()
    assert read(data if stub else data.replace(b"# stub: ", b"# ")) == expected


@pytest.mark.parametrize(
    ("name", "platform"),
    [
        ("a-1.gemspec", ""),
        ("a-1-java.gemspec", "java"),
        ("a-1-jruby.gemspec", "java"),
        ("a-1-x86_64-linux.gemspec", ""),
    ],
)
def test_gems_for_java_are_told_apart(name: str, platform: str) -> None:
    """`full_name` of a specification ends with its platform, and is the name of its file."""
    data = b"# stub: a 1 ruby lib\n"
    found = RUBYGEMS.read(f"specifications/{name}", data).packages
    assert found == (FoundPackage("a", "1", architecture=platform),)


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("usr/lib/ruby/gems/3.1.0/specifications/rexml-3.2.5.gemspec", True),
        ("usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec", True),
        ("usr/share/rubygems-integration/all/specifications/rake-13.0.6.gemspec", True),
        ("usr/local/rvm/gems/ruby-3.1.0/specifications/rack-2.2.8.gemspec", True),
        ("app/vendor/bundle/ruby/3.1.0/specifications/rack-2.2.8.gemspec", True),
        ("specifications/rack-2.2.8.gemspec", True),
        ("usr/lib/ruby/gems/3.1.0/gems/rexml-3.2.5/rexml.gemspec", False),
        ("app/default/app.gemspec", False),
        ("default/app.gemspec", False),
        ("app.gemspec", False),
        ("usr/lib/ruby/gems/3.1.0/specifications/other/a-1.gemspec", False),
        ("app/vendor/bundle/ruby/3.1.0/bundler/gems/rack-69d01e8abde1/rack.gemspec", True),
        ("bundler/gems/rails-69d01e8abde1/activerecord/activerecord.gemspec", True),
        ("app/vendor/bundle/ruby/3.1.0/bundler/gems/rack-1a2b3c/rack.gemspec", False),
        ("app/vendor/bundle/ruby/3.1.0/bundler/gems/rack-69d01e8abde1/test/a/gems/rack.gemspec", False),
        ("app/vendor/bundle/ruby/3.1.0/bundler/gems/rack.gemspec", False),
        ("app/gems/rack-69d01e8abde1/rack.gemspec", False),
        ("usr/lib/ruby/gems/3.1.0/specifications/rexml-3.2.5.gemspec.orig", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """Only RubyGems' own folders of specifications hold installed gems."""
    assert RUBYGEMS.claims(path) is claimed


FROM_GIT = "app/vendor/bundle/ruby/3.1.0/bundler/gems/rack-69d01e8abde1/rack.gemspec"
# The head of what Bundler 2.3.15 wrote for `gem "rack", git: …`.
WRITTEN = b"""# -*- encoding: utf-8 -*-
# stub: rack 2.0.5 ruby lib

Gem::Specification.new do |s|
  s.name = "rack".freeze
  s.version = "2.0.5"
"""


def test_gems_from_git_are_listed_and_never_matched() -> None:
    """As Bundler writes their specifications; what is from git may be anything beside its version."""
    assert RUBYGEMS.read(FROM_GIT, WRITTEN).packages == (FoundPackage("rack", "2.0.5", unmatched=True),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'Gem::Specification.new do |s|\n  s.name = "rack"\n  s.version = "2.0.5"\nend\n',
        b'require "rack/version"\n# stub: rack 2.0.5 ruby lib\n',
        WRITTEN.replace(b"# stub: ", b"# "),
    ],
)
def test_a_gemspec_among_sources_says_nothing(data: bytes) -> None:
    """One that Bundler has not written is what a gem would be built from."""
    assert RUBYGEMS.read(FROM_GIT, data) == Reading()


@pytest.mark.parametrize(
    "data",
    [
        b'Gem::Specification.new do |s|\n  s.name = "a"\n  s.version = "1.2"\nend',
        b"  s.name = 'a'\r\n  s.version = '1.2'.freeze\r\n",
        b"  s.name = %q{a}\n  s.version = %q{1.2}\n",
        b'  spec.name="a".freeze\n  spec.version=Gem::Version.new("1.2")\n',
        b'  s.required_rubygems_version = ">= 0"\n  s.rubygems_version = "3.3"\n  s.name = "a"\n  s.version = "1.2"\n',
    ],
)
def test_spellings(data: bytes) -> None:
    """Both kinds of quotes, %q of old releases, any name of the block's variable, no comment."""
    assert read(data) == FoundPackage("a", "1.2")


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"Gem::Specification.new do |s|\nend",
        b's.name = "a"\n',
        b's.version = "1"\n',
        b's.name = NAME\ns.version = "1"\n',
        b's.name = "a"\ns.version = A::VERSION\n',
        b's.name = "a b"\ns.version = "1"\n',
        b's.name = "a/b"\ns.version = "1"\n',
        b's.name = "a"\ns.version = "v1"\n',
        b"# stub: a\x1b 1 ruby lib\n",
        b"# stub: " + b"a" * 257 + b" 1 ruby lib\n",
        b"# stub: a " + b"1" * 257 + b" ruby lib\n",
    ],
)
def test_damaged(data: bytes) -> None:
    """A name or a version that is absent, computed or none at all: unreadable."""
    with pytest.raises(Unreadable):
        RUBYGEMS.read(GEM, data)


def test_empty_file() -> None:
    """An empty file names nothing."""
    assert RUBYGEMS.read(GEM, b"\n") == Reading()


LIST = 'Gem::Specification.each { |spec| puts [spec.loaded_from, spec.name, spec.version].join("\\t") }'


@pytest.mark.wire
@pytest.mark.skipif(shutil.which("ruby") is None, reason="ruby is not installed")
def test_rubygems_agrees_on_what_is_installed_here() -> None:
    """Each gem of this machine is read as RubyGems loads it, by its comment and by its fields."""
    run = subprocess.run(["ruby", "-e", LIST], capture_output=True, text=True, check=True)
    lines = [line.split("\t") for line in run.stdout.splitlines()]
    assert len(lines) > 20
    for path, name, version in lines:
        data = Path(path).read_bytes()
        assert RUBYGEMS.claims(path.lstrip("/"))
        assert read(data) == FoundPackage(name, version)
        assert read(data.replace(b"# stub: ", b"# ")) == FoundPackage(name, version)
