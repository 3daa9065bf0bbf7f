"""Patterns with wildcards, of policies, filters, ignore rules and exclusions."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.domain.wildcards import fits


@pytest.mark.parametrize(
    ("pattern", "text", "whole"),
    [
        ("ecr:*", "ecr:PutImage", True),
        ("ecr:Batch*Image", "ecr:BatchGetImage", True),
        ("ecr:Batch*Image", "ecr:BatchGetImages", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("*", "", True),
        ("", "", True),
        ("", "a", False),
        ("a*b*c", "a--b--b--c", True),
        ("a*b*c", "a--b--b--", False),
        ("**", "x", True),
        ("[ab]", "a", False),
        # What stands between stars may not share characters, and leaves the end its own.
        ("aba*ba", "aba", False),
        ("*ab*b", "ab", False),
        ("a*?b*b", "acbb", True),
        ("a*?b*b", "abb", False),
        ("*?", "", False),
        ("a?*", "a", False),
    ],
)
def test_patterns(pattern: str, text: str, whole: bool) -> None:
    """`*` stands for any characters, `?` for one, and nothing else is special."""
    assert fits(pattern, text) is whole


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_patterns_are_those_of_the_standard_library(pattern: str, text: str) -> None:
    """fnmatch, which has the same two wildcards, is the judge."""
    assert fits(pattern, text) == fnmatchcase(text, pattern)


def test_many_stars_take_no_time() -> None:
    """A pattern that makes backtracking matchers hang."""
    assert fits("a*" * 2_000 + "b", "a" * 8_000) is False
