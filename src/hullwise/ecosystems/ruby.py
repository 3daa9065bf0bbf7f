"""Installed gems: the specification that RubyGems writes when it installs one.

    GEM_HOME/specifications/NAME-VERSION[-PLATFORM].gemspec
    GEM_HOME/specifications/default/NAME-VERSION.gemspec      gems of Ruby's own distribution
    GEM_HOME/bundler/gems/REPOSITORY-REVISION/NAME.gemspec    gems from git, which Bundler writes there in the same form
                                                              (`Bundler::Source::Git`, `serialize_gemspecs_in`)

Gems from git are listed and never matched: what is in them beside their version nobody can tell. A gemspec elsewhere,
in a gem's source tree for one, is what a gem is built from. These files are Ruby, written by
`Gem::Specification#to_ruby`; its comment for those who do not run Ruby (`Gem::StubSpecification`) comes first:

    # -*- encoding: utf-8 -*-
    # stub: nokogiri 1.15.4 x86_64-linux lib
    # stub: ext/nokogiri/extconf.rb
    Gem::Specification.new do |s|
      s.name = "nokogiri".freeze
      s.version = "1.15.4"

RubyGems before 2.2 wrote no comment, and before 1.8 `%q{nokogiri}`. The platform is no part of the version. Only Java's
is told, by the name of the file (`Gem::Specification#full_name`): some advisories are on it alone.
"""

from __future__ import annotations

import re

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.ecosystems.namespaces import scheme

# Gem::Specification::VALID_NAME_PATTERN, and what Gem::Version accepts.
_NAME = re.compile(rb"[A-Za-z0-9._-]{1,256}")
_VERSION = re.compile(rb"[0-9][0-9A-Za-z.-]{0,255}")

_STUB = re.compile(rb"^# stub: ([^ \r\n]+) ([^ \r\n]+) ", re.MULTILINE)
_STRING = rb"""(?:"([^"\r\n]*)"|'([^'\r\n]*)'|%q\{([^}\r\n]*)\}|%q<([^>\r\n]*)>)"""
_NAME_FIELD = re.compile(rb"^[ \t]*\w+\.name[ \t]*=[ \t]*" + _STRING, re.MULTILINE)
_VERSION_FIELD = re.compile(
    rb"^[ \t]*\w+\.version[ \t]*=[ \t]*(?:Gem::Version\.new[ \t]*\(?[ \t]*)?" + _STRING, re.MULTILINE
)


JAVA = "java"
"""Architecture of a gem that was built for JRuby."""

_FOR_JAVA = ("-java.gemspec", "-jruby.gemspec")

_FROM_GIT = re.compile(r"(?:^|/)bundler/gems/[^/]+-[0-9a-f]{7,40}/(?:[^/]+/){0,2}[^/]+\.gemspec\Z")
"""As deep as Bundler looks for them (`Bundler::Source::Path::DEFAULT_GLOB`)."""
_WRITTEN = re.compile(rb"(?:# -\*- encoding: utf-8 -\*-\r?\n)?# stub: ")


def claims(path: str) -> bool:
    """Whether the file lies where RubyGems keeps the specifications of installed gems, or where Bundler has gems from
    git."""
    if _FROM_GIT.search(path):
        return True
    *_, above, folder, name = ("", "", *path.split("/"))
    return name.endswith(".gemspec") and "specifications" in ((folder, above) if folder == "default" else (folder,))


def _field(pattern: re.Pattern[bytes], data: bytes) -> bytes:
    match = pattern.search(data)
    return next((group for group in match.groups() if group is not None), b"") if match else b""


def read(path: str, data: bytes) -> Reading:
    """The gem that a specification names. One whose name or version is computed, and not written, is `Unreadable`; of a
    gem from git, one that Bundler has not written says nothing."""
    from_git = _FROM_GIT.search(path) is not None
    if not data.strip() or (from_git and not _WRITTEN.match(data)):
        return Reading()
    stub = _STUB.search(data)
    name, version = stub.groups() if stub else (_field(_NAME_FIELD, data), _field(_VERSION_FIELD, data))
    if not _NAME.fullmatch(name):
        raise Unreadable("no name of a gem")
    if not _VERSION.fullmatch(version):
        raise Unreadable("no version of a gem")
    platform = JAVA if path.endswith(_FOR_JAVA) and not from_git else ""
    gem = FoundPackage(name.decode("ascii"), version.decode("ascii"), architecture=platform, unmatched=from_git)
    return Reading(packages=(gem,))


RUBYGEMS = Ecosystem(
    name="rubygems",
    version=3,
    suffixes=(".gemspec",),
    claims=claims,
    read=read,
    file_limit=4 << 20,
    version_key=scheme("rubygems"),
    purl_type="gem",
    osv_names=("RubyGems",),
)
