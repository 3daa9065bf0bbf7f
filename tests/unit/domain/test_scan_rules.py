"""Which repositories a filter takes in, and which of a registry's rules decides."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hullwise.domain.scan_rules import Applied, ScanRule, applied, takes_in
from hullwise.domain.scans import Frequency, ScanType

BASIC, ENHANCED = ScanType.BASIC, ScanType.ENHANCED
PUSH, CONTINUOUS, MANUAL = Frequency.SCAN_ON_PUSH, Frequency.CONTINUOUS_SCAN, Frequency.MANUAL

# ECR user guide, "Using filters".
NAMES = ("prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo")
TRUTH = {
    "prod": "yyyyy",
    "*prod": "yynnn",
    "prod*": "ynyny",
    "*prod*": "yyyyy",
    "prod*repo": "nnyny",
}


@pytest.mark.parametrize("pattern", TRUTH)
@pytest.mark.parametrize("name", NAMES)
def test_the_table_of_the_user_guide(pattern: str, name: str) -> None:
    """Every cell of AWS's own table."""
    assert takes_in(pattern, name) is (TRUTH[pattern][NAMES.index(name)] == "y")


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("team/app", "my-team/app-2", True),
        ("team/app", "team/ap", False),
        # With a star the whole name has to fit.
        ("team/*", "my-team/app", False),
        ("team/*", "team/", True),
        ("*/app", "team/app-2", False),
        ("team*app", "team/x/app", True),
        # Parts may not share characters.
        ("aba*ba", "aba", False),
        ("aba*ba", "abaa", False),
        ("aba*ba", "ababa", True),
        ("a*a", "a", False),
        ("*", "anything/at.all", True),
        ("**", "a", True),
        ("a**b", "ab", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("a*bc*c", "abc", False),
        ("a*bc*c", "abcc", True),
        ("*b*b*", "ab", False),
        ("*b*b*", "abb", True),
        # What the middle takes must leave the end its own.
        ("*ab*b", "ab", False),
        ("*ab*ab", "xab", False),
        # Nothing but the star has a meaning.
        ("a.c*", "abc", False),
        ("a.c", "abc", False),
        ("a.c*", "a.cd", True),
    ],
)
def test_stars_and_anchors(pattern: str, name: str, expected: bool) -> None:
    """Several stars, ends that are held to, characters that regular expressions know."""
    assert takes_in(pattern, name) is expected


@given(st.text("ab*./-_", min_size=1, max_size=8), st.text("ab./-_", max_size=10))
@example("*", "")
@example("a*", "a\n")
def test_a_filter_is_what_its_regular_expression_is(pattern: str, name: str) -> None:
    """Anchored where there is a star, found anywhere where there is none."""
    expression = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    found = expression.fullmatch(name) if "*" in pattern else expression.search(name)
    assert takes_in(pattern, name) is (found is not None)


def rule(frequency: Frequency, *filters: str) -> ScanRule:
    return ScanRule(frequency, filters)


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule(CONTINUOUS, "team*"), rule(PUSH, "*")], Applied(CONTINUOUS, ("team*",))),
        ([rule(PUSH, "*"), rule(CONTINUOUS, "team*")], Applied(CONTINUOUS, ("team*",))),
        ([rule(CONTINUOUS, "other*"), rule(PUSH, "app")], Applied(PUSH, ("app",))),
        # Of the deciding rule all that fit, and no other.
        ([rule(CONTINUOUS, "app", "other", "*/app")], Applied(CONTINUOUS, ("app", "*/app"))),
        # The repository's own flag has no say.
        ([rule(PUSH, "other")], Applied(MANUAL)),
        ([rule(CONTINUOUS)], Applied(MANUAL)),
        ([], Applied(CONTINUOUS)),
    ],
)
def test_enhanced_scanning(rules: list[ScanRule], expected: Applied, flag: bool) -> None:
    """Continuous before on push, whatever their order; without any rule continuous for all; what no rule takes in is
    not scanned, whatever its own flag says."""
    assert applied(ENHANCED, rules, "team/app", scan_on_push=flag) == expected


@pytest.mark.parametrize(
    ("rules", "flag", "expected"),
    [
        ([], False, Applied(MANUAL)),
        ([], True, Applied(PUSH)),
        ([rule(PUSH, "app")], False, Applied(PUSH, ("app",))),
        ([rule(PUSH, "app")], True, Applied(PUSH, ("app",))),
        ([rule(PUSH, "other")], False, Applied(MANUAL)),
        ([rule(PUSH, "other")], True, Applied(PUSH)),
        ([rule(PUSH)], True, Applied(PUSH)),
        # A rule that says manual is a rule: the flag does not count beside it.
        ([rule(MANUAL, "team/*")], True, Applied(MANUAL, ("team/*",))),
        ([rule(MANUAL, "other")], True, Applied(PUSH)),
        ([rule(MANUAL, "*"), rule(PUSH, "team/*")], False, Applied(PUSH, ("team/*",))),
    ],
)
def test_basic_scanning(rules: list[ScanRule], flag: bool, expected: Applied) -> None:
    """On push before manual; the repository's own flag where no rule takes it in, and only there."""
    assert applied(BASIC, rules, "team/app", scan_on_push=flag) == expected
