"""RubySec's YAML lists what is patched and what was never affected (rubysec/ruby-advisory-db, `Schema`)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.advisories import explanation, matching
from hullwise.advisories.feeds import rubysec
from hullwise.advisories.feeds.osv import Parsed
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused
from hullwise.domain.packages import Occurrence, Package
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim
from hullwise.versions import gem
from hullwise.versions.invalid import InvalidVersion
from tests.support.advisories import generation

DOCUMENT = """\
---
gem: rack
cve: 2022-30122
ghsa: hxqx-xwvh-44m2
osvdb: 118830
url: https://groups.example/rack
title: Denial of service
  in multipart parsing
date: 2022-05-27
description: |
  Crafted requests take long.
cvss_v2: 4.3
cvss_v3: 7.5
unaffected_versions:
  - "< 1.2"
patched_versions:
  - "~> 2.0.9, >= 2.0.9.1"
  - ">= 2.2.3.1"
related:
  url:
    - https://a.example/1
    - not an address
"""


def parse(text: str) -> Parsed:
    return rubysec.parse(text.encode(), gem.key)


def lists(patched: list[str], unaffected: list[str] = []) -> Parsed:  # noqa: B006
    lines = ["gem: a", "cve: 2024-1000"]
    for name, values in (("patched_versions", patched), ("unaffected_versions", unaffected)):
        lines += [f"{name}:", *(f'  - "{value}"' for value in values)] if values else []
    return parse("\n".join(lines))


def said(patched: list[str], unaffected: list[str] = []) -> list[tuple[str, str]]:  # noqa: B006
    """Each interval as people read it, and its fix."""
    found = lists(patched, unaffected).record
    assert found is not None
    return [(str(interval), interval.fixed) for interval in found.affected[0].intervals]


def test_a_document_on_a_gem_is_a_record() -> None:
    """Affected is what neither list holds; OSVDB is gone, so that its number is no alias."""
    found = parse(DOCUMENT)
    assert found.unused == ()
    assert found.record == Record(
        id="RUBYSEC-rack-CVE-2022-30122",
        source="rubysec",
        affected=(Affected("rubygems", "rack", (Interval("1.2", "2.0.9.1"), Interval("2.1.a", "2.2.3.1"))),),
        aliases=("CVE-2022-30122", "GHSA-hxqx-xwvh-44m2"),
        published="2022-05-27T00:00:00Z",
        summary="Denial of service in multipart parsing",
        details="Crafted requests take long.",
        severity=(
            SeverityClaim("RubySec", "CVSS_V3", "", Severity.HIGH, 7.5),
            SeverityClaim("RubySec", "CVSS_V2", "", Severity.MEDIUM, 4.3),
        ),
        references=("https://groups.example/rack", "https://a.example/1"),
        url="https://github.com/rubysec/ruby-advisory-db/blob/master/gems/rack/CVE-2022-30122.yml",
    )


# Gem::Requirement's documentation, and Gem::Version#bump.
@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("~> 2.2", "2.2 2.2.1 2.3 2.10", "2.1 3.0 3.0.rc1"),
        ("~> 2.2.0", "2.2.0 2.2.0.1 2.2.9", "2.1.9 2.3 2.3.0.rc1"),
        ("~> 2", "2 2.9", "1.9 3.0"),
        ("~> 2.0.0.rc1", "2.0.0.rc1 2.0.0 2.0.9", "2.0.0.beta 2.1.0"),
        ("~> 2.6.0-preview1", "2.6.0.pre.preview1 2.6.0 2.6.9", "2.5.9 2.7"),
        ("~> 1.9, >= 1.9.3", "1.9.3 1.10", "1.9.2 2.0"),
        (">= 1.2", "1.2 1.2.0 1.10", "1.1 1.2.rc1"),
        ("> 1.2", "1.2.1 1.3.rc1", "1.2 1.2.0"),
        ("<= 1.2", "1.2 1.2.0 1.1", "1.2.1"),
        ("< 1.2", "1.1 1.2.rc1", "1.2"),
        ("= 1.2", "1.2 1.2.0", "1.1 1.2.1"),
        ("1.2", "1.2", "1.2.1"),
    ],
)
def test_requirements_are_read(text: str, inside: str, outside: str) -> None:
    """What a patched requirement holds is not affected, and all else is."""
    found = lists([text]).record
    assert found is not None
    made, unusable = matching.claim(found.affected[0], gem.key)
    assert made is not None
    assert unusable == 0
    assert [version for version in inside.split() if made.holds(gem.key(version))] == []
    assert [version for version in outside.split() if not made.holds(gem.key(version))] == []


def test_each_branch_has_its_fix() -> None:
    """Where a patched branch ends, the next one's prereleases begin."""
    assert said(["~> 3.2.22.2", "~> 4.1.14, >= 4.1.14.1", ">= 5.0.0.beta1.1"], ["< 3.0"]) == [
        (">= 3.0, < 3.2.22.2", "3.2.22.2"),
        (">= 3.2.23.a, < 4.1.14.1", "4.1.14.1"),
        (">= 4.2.a, < 5.0.0.beta1.1", "5.0.0.beta1.1"),
    ]


def test_what_was_never_affected_is_no_fix() -> None:
    """actionpack's CVE-2013-6414: 2.3 was never affected, and is older than the fixes. A bound that is patched too is
    one."""
    assert said(["~> 3.2.16", ">= 4.0.2"], ["~> 2.3.0"]) == [
        ("< 2.3.0", ""),
        (">= 2.4.a, < 3.2.16", "3.2.16"),
        (">= 3.3.a, < 4.0.2", "4.0.2"),
    ]
    assert said([">= 1.5"], ["~> 1.5.0"]) == [("< 1.5", "1.5")]


@pytest.mark.parametrize(("architecture", "hit"), [("java", True), ("", False)])
def test_what_is_on_jruby_is_for_its_gems_alone(tmp_path: Path, architecture: str, hit: bool) -> None:
    """nokogiri's CVE-2022-24839 is in the Java library inside: other builds of the gem have none."""
    document = "gem: nokogiri\nplatform: jruby\ncve: 2022-24839\npatched_versions:\n  - '>= 1.13.4'\n"
    (tmp_path / "CVE-2022-24839.yml").write_text(document)
    gem = Package("rubygems", "rubygems", "nokogiri", "1.13.0", "nokogiri", "1.13.0", architecture, "")
    with generation(tmp_path / "generation.sqlite", tmp_path / "CVE-2022-24839.yml") as found:
        assert [assessment.fix for assessment in found.match(gem)] == (["1.13.4"] if hit else [])
        occurrence = Occurrence(gem, "specifications/nokogiri-1.13.0.gemspec", "")
        (examined,) = explanation.explain(found, [occurrence], "CVE-2022-24839").examined
    assert hit or examined.tests[0].outcome == "it speaks of builds for java, and this is one for ruby"


def test_the_order_of_the_lists_says_nothing() -> None:
    """Lists are sets."""
    assert said([">= 2.2", "~> 2.0.9"]) == said(["~> 2.0.9", ">= 2.2"])


def test_patched_after_a_version_names_no_fix() -> None:
    """`> 1.18.0` says that 1.18.0 is affected, and not which version follows it."""
    assert said(["> 1.18.0"]) == [("<= 1.18.0", "")]


def test_unaffected_up_to_a_version_leaves_it_out() -> None:
    """`<= 0.11.0` says that 0.11.0 is not affected."""
    found = lists(["> 0.12.1"], ["<= 0.11.0"]).record
    assert found is not None
    made, _ = matching.claim(found.affected[0], gem.key)
    assert made is not None
    assert [made.holds(gem.key(version)) for version in ("0.11.0", "0.11.1", "0.12.1", "0.12.2")] == [
        False, True, True, False,
    ]  # fmt: skip


def test_without_lists_every_version_is_affected() -> None:
    """There is no fix."""
    found = lists([]).record
    assert found is not None
    assert found.affected == (Affected("rubygems", "a", (Interval(),), state="affected"),)


def ruby(patched: list[str], unaffected: list[str] = []) -> Record:  # noqa: B006
    lines = ["engine: ruby", "cve: 2024-1000", "patched_versions:", *(f"  - '{one}'" for one in patched)]
    lines += ["unaffected_versions:", *(f"  - '{one}'" for one in unaffected)] if unaffected else []
    record = parse("\n".join(lines)).record
    assert record is not None
    return record


def test_a_document_on_ruby_is_a_record() -> None:
    """As one on a gem, on a page of its own."""
    record = ruby(["~> 3.0.7", "~> 3.1.5", ">= 3.3.1"])
    assert (record.id, record.aliases) == ("RUBYSEC-ruby-CVE-2024-1000", ("CVE-2024-1000",))
    assert record.url == "https://github.com/rubysec/ruby-advisory-db/blob/master/rubies/ruby/CVE-2024-1000.yml"
    intervals = (Interval("0", "3.0.7"), Interval("3.1.a", "3.1.5"), Interval("3.2.a", "3.3.1"))
    assert record.affected == (Affected("runtime", "ruby", intervals),)


# Expected values: ruby-lang.org's announcements of CVE-2013-4073, CVE-2014-3916, CVE-2017-17742 and CVE-2026-46727,
# whose lists these are.
@pytest.mark.parametrize(
    ("patched", "unaffected", "inside", "outside"),
    [
        (["~> 1.8.7.374", "~> 1.9.3.448", ">= 2.0.0.247"], [],
         "1.8.7.371 1.9.2.320 1.9.3.429 2.0.0.195", "1.8.7.374 1.9.3.448 2.0.0.247 2.1.0"),
        (["~> 2.0.0.576", "~> 2.1.3", "~> 2.2.0.preview.1", ">= 2.2.0"], [],
         "2.0.0.481 2.1.2 2.2.0.dev", "2.0.0.576 2.1.3 2.2.0 3.3.0"),
        (["~> 2.2.10", "~> 2.3.7", "~> 2.4.4", "~> 2.5.1", "> 2.6.0-preview1"], [],
         "2.2.9 2.3.6 2.4.3 2.5.0 2.6.0.dev", "2.2.10 2.3.7 2.4.4 2.5.1 2.6.0"),
        ([">= 4.0.5"], ["< 4.0"], "4.0.0 4.0.4", "3.4.8 4.0.5"),
    ],
)  # fmt: skip
def test_versions_of_ruby(patched: list[str], unaffected: list[str], inside: str, outside: str) -> None:
    """With patch levels, with previews, and what comes before a release below all of these."""
    made, unusable = matching.claim(ruby(patched, unaffected).affected[0], gem.key)
    assert made is not None
    assert unusable == 0
    assert [version for version in inside.split() if not made.holds(gem.key(version))] == []
    assert [version for version in outside.split() if made.holds(gem.key(version))] == []


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("engine: jruby", "speaks of the engine jruby"),
        ("engine: mruby", "speaks of the engine mruby"),
        ("library: rexml", "speaks of the library rexml"),
    ],
)
def test_a_document_on_what_is_not_found_is_counted(member: str, reason: str) -> None:
    """Other engines, and what comes with one, are neither gems nor Ruby."""
    found = parse(f"{member}\ncve: 2015-7551\npatched_versions:\n  - '>= 2.2.4'")
    assert (found.record, found.unused) == (None, (Unused(f"RUBYSEC-{member.split()[-1]}-CVE-2015-7551", reason),))


@pytest.mark.parametrize(
    ("patched", "unaffected", "reason"),
    [
        (["!= 1.0"], [], "version range that cannot be read"),
        (["later"], [], "version range that cannot be read"),
        ([">= 1.0,"], [], "version range that cannot be read"),
        (["~> " + "9" * 40], [], "version range that cannot be read"),
        ([">= " + "1." * 400 + "1"], [], "version range that cannot be read"),
        ([">= 1.0"], ["< 1.0"], "affects no version"),
        ([">= 1.0"] * 1_001, [], "gives over 1000 version ranges"),
    ],
)
def test_lists_that_say_nothing_are_counted(patched: list[str], unaffected: list[str], reason: str) -> None:
    """A record of half a list would call too much affected."""
    found = lists(patched, unaffected)
    assert (found.record, found.unused) == (None, (Unused("RUBYSEC-a-CVE-2024-1000", reason),))


@pytest.mark.parametrize("score", ["11", "-1", "nan", "high"])
def test_a_score_that_is_none_is_counted(score: str) -> None:
    """The record stays."""
    found = parse(f"gem: a\nghsa: hxqx-xwvh-44m2\ncvss_v3: {score}")
    assert found.record is not None
    assert found.record.severity == ()
    assert found.unused == (Unused("RUBYSEC-a-GHSA-hxqx-xwvh-44m2", "score outside 0 to 10"),)


def test_a_version_stays_as_it_is_written() -> None:
    """3.10 is a version, and to YAML a number that ends with 1."""
    found = parse("gem: a\ncve: 2024-1000\npatched_versions: [3.10]").record
    assert found is not None
    assert found.affected[0].intervals[0].end == "3.10"


_BOMB = "a: &a [x, x]\n" + "\n".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]" for n in range(20)
)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "rack",
        "- gem: rack",
        "<!DOCTYPE html><title>404</title>",
        "gem: rack",
        "cve: 2022-30122",
        "gem: ../../rack\ncve: 2022-30122",
        "gem: rack\ncve: 22-1\nghsa: nothing\nosvdb: none",
        "gem: rack\ncve: 2022-30122\npatched_versions: all",
        "gem: rack\ncve: 2022-30122\npatched_versions:\n  - [a]",
        "gem: [rack]\ncve: 2022-30122",
        "gem: rack\ngem: rake\ncve: 2022-30122",
        "gem: rack\n---\ngem: rake",
        "gem: !!python/object/apply:os.system [id]\ncve: 2022-30122",
        "gem: &name rack\ncve: 2022-30122",
        "? [a, b]\n: c",
        _BOMB,
        "gem: rack\ndescription: |\n  " + "x" * (1 << 20),
        "gem: \x00",
        "gem: 'rack",
        "gem: rack\ncve: " + "[" * 20 + "]" * 20,
        "gem: ''\nengine: ruby\ncve: 2024-1000",
        "engine: ruby",
    ],
    ids=range(23),
)
def test_what_is_no_document_is_refused(document: str) -> None:
    """Whatever else YAML can say is not read."""
    with pytest.raises(Unparsable):
        parse(document)


def test_bytes_that_are_no_text_are_refused() -> None:
    """YAML is UTF-8 here."""
    with pytest.raises(Unparsable):
        rubysec.parse(b"gem: \xff\xfe", gem.key)


@pytest.mark.parametrize("nested", ["[", "{", "- ", "? ", "[{"])
def test_depth_costs_no_time(nested: str) -> None:
    """libyaml takes a minute for 200 kB of opened lists; they are refused at the sixteenth."""
    began = time.process_time()
    with pytest.raises(Unparsable):
        parse(nested * 200_000)
    assert time.process_time() - began < 2


@given(st.text(alphabet="~><=!, .-0129ab", max_size=40))
def test_any_text_is_a_requirement_or_refused(text: str) -> None:
    """The one error is InvalidVersion."""
    try:
        rubysec.requirement(text, gem.key)
    except InvalidVersion:
        return
    assert any(character.isdigit() for character in text)


@given(st.text(alphabet="gem: cve2024-1000\n[]{}&*!|>'\"#%@?,ab", max_size=80))
def test_any_yaml_is_read_or_refused(text: str) -> None:
    """The one error is Unparsable."""
    try:
        parse(f"gem: a\ncve: 2024-1000\n{text}")
    except Unparsable:
        return
